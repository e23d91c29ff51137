#include "post/post_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { OPEN_FULL = 256 << 10, OPEN_MAX = 4 << 20, OPEN_ROOM = 2 << 20, TOKEN_MAX = 512, LEVEL = 1 };
static const int64_t TICK = 500LL * CLOCK_MS;

void post_note(const struct post *p, enum log_level level, const char *event, const char *what, const char *why)
{
	p->c.note(p->c.arg, level, event, what, why);
}

/* --- into the spool --- */

static int pack(struct post *p, unsigned class)
{
	struct buf *open = &p->open[class];
	if (!open->n)
		return 0;
	const size_t bound = ZSTD_compressBound(open->n);
	p->packed.n = 0;
	char *to = buf_room(&p->packed, bound);
	if (!to) {
		p->packed.failed = false;
		return -ENOMEM;
	}
	const size_t n = ZSTD_compress2(p->zstd, to, bound, open->p, open->n);
	if (ZSTD_isError(n))
		return -ENOMEM;
	const struct spool_record r = { .bytes = { to, n }, .events = p->n_open[class], .class = class };
	int code = spool_put(p->spool, &r, NULL);
	if (!code)
		open->n = p->n_open[class] = 0;
	return code;
}

int post_put(struct post *p, enum post_class class, const struct bundle_head *head, const struct bundle_record *records,
             size_t n)
{
	struct buf *open = &p->open[class];
	int code = open->n >= OPEN_FULL ? pack(p, class) : 0;
	if (code && code != -EAGAIN)
		return code;
	if (code)
		return -EAGAIN;
	if (!bundle_add(open, head, records, n)) {
		const bool full = open->failed;
		open->failed = false;
		return full && open->n ? -EAGAIN : full ? -ENOMEM : -EMSGSIZE;
	}
	p->n_open[class] += (uint32_t)n;
	p->put += n;
	return 0;
}

int post_row(struct post *p, enum post_class class, struct str json)
{
	const struct bundle_head head = { .format = STR("json"), .time = clock_wall(p->c.clock), .ids = BUNDLE_OWN };
	const struct bundle_record r = { .bytes = json };
	return post_put(p, class, &head, &r, 1);
}

bool post_has_room(const struct post *p)
{
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		if (p->open[i].n > OPEN_MAX - OPEN_ROOM)
			return false;
	return spool_unsynced(p->spool) < SPOOL_UNSYNCED_MAX - OPEN_ROOM;
}

int post_sync(struct post *p, struct err *err)
{
	int code = 0;
	for (unsigned i = 0; i < SPOOL_CLASSES && !code; i++)
		if ((code = pack(p, i)))
			err_set(err, code, "the spool takes no more: %m");
	int synced = spool_sync(p->spool, err);
	code = synced ? synced : code;
	if (code && !p->told_full)
		post_note(p, LOG_LEVEL_ERROR, "spool-not-written", p->dir, err ? err->text : NULL);
	if (!code && p->told_full)
		post_note(p, LOG_LEVEL_INFO, "spool-written", p->dir, "it takes events again");
	p->told_full = code != 0;
	if (p->loop)
		uplink_run(p->uplink);
	return code;
}

bool post_is_synced(const struct post *p)
{
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		if (p->open[i].n)
			return false;
	return !spool_unsynced(p->spool);
}

/* What the spool had to let go is an event of its own, once: its id is made of how much went in all. */
static void tell_losses(struct post *p)
{
	const struct spool_lost lost = spool_lost(p->spool), told = spool_lost_told(p->spool);
	struct buf row = { 0 };
	struct err err;
	if (lost.events == told.events && lost.damaged == told.damaged)
		return;
	char id[96];
	snprintf(id, sizeof(id), "lost-%s-%llu-%llu", p->identity.name, (unsigned long long)lost.events,
	         (unsigned long long)lost.damaged);
	buf_add(&row, STR("{\"khien.id\":"));
	buf_add_json(&row, str_from(id));
	buf_printf(&row,
	           ",\"event.dataset\":\"khien.post\",\"event.kind\":\"event\",\"event.action\":\"events-lost\","
	           "\"event.reason\":\"the spool had no room for them, or they were too old\",\"lost.events\":%llu,"
	           "\"lost.bytes\":%llu,\"lost.damaged_records\":%llu,\"lost.from_us\":%lld,\"lost.until_us\":%lld}",
	           (unsigned long long)(lost.events - told.events), (unsigned long long)(lost.bytes - told.bytes),
	           (unsigned long long)(lost.damaged - told.damaged), (long long)lost.from, (long long)lost.until);
	int code = row.failed ? -ENOMEM : post_row(p, POST_ALERT, buf_str(&row));
	if (!code)
		code = post_sync(p, &err);
	if (!code && !spool_told(p->spool, &lost, &err))
		post_note(p, LOG_LEVEL_WARNING, "events-lost", p->dir, row.p);
	buf_free(&row);
}

/* --- notes of its parts --- */

static void on_spool(void *arg, const char *what, const char *why)
{
	post_note(arg, LOG_LEVEL_WARNING, "spool", what, why);
}

static void on_uplink(void *arg, enum uplink_note what, const char *a, const char *b)
{
	static const char *const events[] = {
		[UPLINK_UP] = "hub-reached",     [UPLINK_DOWN] = "hub-not-reached",
		[UPLINK_DENIED] = "hub-refuses", [UPLINK_REJECTED] = "events-rejected",
		[UPLINK_SPOOL] = "spool",
	};
	const struct post *p = arg;
	post_note(p, what == UPLINK_UP ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, events[what], a, b);
}

/* --- from opening to closing --- */

static int find_hubs(struct post *p, struct err *err)
{
	char host[DIAL_HUB], port[8];
	const size_t n = p->c.n_hubs ? p->c.n_hubs : p->identity.n_hubs;
	if (n > DIAL_HUBS)
		return err_set(err, -E2BIG, "more than %d hubs", DIAL_HUBS);
	for (size_t i = 0; i < n; i++) {
		p->hub_names[i] = p->c.n_hubs ? p->c.hubs[i] : p->identity.hubs[i];
		if (dial_split(p->hub_names[i], host, port))
			return err_set(err, -EINVAL, "'%s' is no address of a hub: HOST:PORT", p->hub_names[i]);
	}
	p->n_hubs = (unsigned)n;
	return 0;
}

static int open_parts(struct post *p, struct err *err)
{
	char dir[4200];
	uint64_t salt = 0;
	snprintf(dir, sizeof(dir), "%s/spool", p->dir);
	const struct spool_config spool = {
		.dir = dir,
		.max_bytes = p->c.spool_bytes,
		.max_age = p->c.spool_age,
		.clock = p->c.clock,
		.note = on_spool,
		.arg = p,
	};
	int code = find_hubs(p, err);
	if (!code)
		code = dialer_hubs(p->dialer, p->hub_names, p->n_hubs, err);
	if (!code)
		code = spool_open(&p->spool, &spool, err);
	if (!code)
		code = orders_open(p, err);
	if (!code && getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		code = err_set(err, -EIO, "random bytes: %m");
	hubs_init(&p->hubs, p->n_hubs, salt);
	p->zstd = ZSTD_createCCtx();
	if (!code && (!p->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL))))
		code = err_set(err, -ENOMEM, "zstd: %m");
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		p->open[i].max = OPEN_MAX;
	return code;
}

/* Its line of the header. */
static int load_token(struct post *p, struct err *err)
{
	char path[4200], text[TOKEN_MAX + 1];
	snprintf(path, sizeof(path), "%s/token", p->dir);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open '%s': %m", path);
	ssize_t n = read(fd, text, sizeof(text));
	close(fd);
	const struct str token = str_trim((struct str){ text, n > 0 ? (size_t)n : 0 });
	bool fine = token.n && token.n <= TOKEN_MAX;
	for (size_t i = 0; i < token.n; i++)
		fine = fine && token.p[i] > ' ' && token.p[i] < 0x7f;
	if (!fine)
		return err_set(err, -EINVAL, "'%s' has no token", path);
	buf_printf(&p->header, "Authorization: Bearer " STR_FMT "\r\n", STR_ARG(token));
	p->token_n = p->header.n;
	sodium_memzero(text, sizeof(text));
	return 0;
}

int post_open(struct post **ret, const struct post_config *config, struct err *err)
{
	struct post *p = calloc(1, sizeof(*p));
	const size_t n = strlen(config->dir);
	if (!p) {
		dialer_free(config->dialer);
		return err_set(err, -ENOMEM, "%m");
	}
	p->c = *config;
	p->dialer = config->dialer;
	p->began = clock_monotonic(config->clock);
	int code = n < sizeof(p->dir) - 64 ? 0 : err_set(err, -ENAMETOOLONG, "the post's folder: %m");
	if (!code) {
		memcpy(p->dir, config->dir, n + 1);
		code = identity_load(&p->identity, p->dir, err);
	}
	if (!code)
		code = load_token(p, err);
	buf_add(&p->header, STR("Content-Encoding: zstd\r\n"));
	if (!code)
		code = open_parts(p, err);
	if (code)
		post_close(p);
	else
		*ret = p;
	return code;
}

void post_close(struct post *p)
{
	if (!p)
		return;
	uplink_free(p->uplink);
	for (size_t i = 0; i < N_TAGS; i++)
		client_free(p->clients[i]);
	if (p->loop && p->dialer)
		loop_unwatch(p->loop, dialer_fd(p->dialer));
	dialer_free(p->dialer);
	orders_close(p);
	spool_close(p->spool);
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		buf_free(&p->open[i]);
	ZSTD_freeCCtx(p->zstd);
	buf_free(&p->packed);
	buf_free(&p->header);
	identity_done(&p->identity);
	free(p);
}

/* --- at work --- */

static int on_dialled(void *arg, int what)
{
	struct post *p = arg;
	unsigned tag;
	struct err err = { 0 };
	int fd, code;
	while ((code = dialer_take(p->dialer, &tag, &fd, &err)) > 0) {
		if (tag < N_TAGS)
			client_dialled(p->clients[tag], fd, &err);
		else if (fd >= 0)
			close(fd);
	}
	if (code)
		post_note(p, LOG_LEVEL_ERROR, "dialer-ended", p->dir, "connections can't be made any more");
	return code; /* without it nothing can be sent: whoever started this starts it anew */
}

static int on_tick(void *arg, int what)
{
	struct post *p = arg;
	struct err err;
	for (size_t i = 0; i < N_TAGS; i++)
		client_tick(p->clients[i]);
	if (spool_tick(p->spool, &err))
		on_spool(p, "what is too old can't go", err.text);
	tell_losses(p);
	uplink_run(p->uplink);
	orders_run(p);
	return 0;
}

int post_begin(struct post *p, struct loop *loop, struct err *err)
{
	const struct str plain = { p->header.p, p->token_n };
	int code = 0;
	for (unsigned i = 0; i < N_TAGS && !code; i++) {
		const struct client_config c = {
			.loop = loop,
			.clock = p->c.clock,
			.dialer = p->dialer,
			.tag = i,
			.hubs = p->hub_names,
			.identity = &p->identity,
			.header = i == TAG_EVENTS ? buf_str(&p->header) : plain,
		};
		code = client_new(&p->clients[i], &c, err);
	}
	const struct uplink_config u = {
		.spool = p->spool,
		.client = p->clients[TAG_EVENTS],
		.hubs = &p->hubs,
		.names = p->hub_names,
		.clock = p->c.clock,
		.dir = p->dir,
		.note = on_uplink,
		.arg = p,
	};
	if (!code)
		code = uplink_new(&p->uplink, &u, err);
	if (!code)
		code = loop_watch(loop, dialer_fd(p->dialer), on_dialled, p, err);
	if (!code)
		p->loop = loop;
	return code ? code : loop_every(loop, TICK, on_tick, p, err);
}

/* --- what it says of itself --- */

const char *post_name(const struct post *p)
{
	return p->identity.name;
}

void post_status(const struct post *p, struct buf *out)
{
	static const struct uplink_counts none;
	const struct uplink_counts *u = p->uplink ? uplink_counts(p->uplink) : &none;
	const struct spool_counts s = spool_counts(p->spool);
	const struct spool_lost lost = spool_lost(p->spool);
	const int64_t now = clock_wall(p->c.clock);
	buf_add(out, STR("{\"name\":"));
	buf_add_json(out, str_from(p->identity.name));
	buf_add(out, STR(",\"unit\":"));
	buf_add_json(out, str_from(p->identity.unit));
	buf_printf(out,
	           ",\"version\":\"" KHIEN_VERSION "\",\"time\":%lld,\"up_s\":%lld,\"certificate_until\":%lld,\"hub\":",
	           (long long)now, (long long)((clock_monotonic(p->c.clock) - p->began) / CLOCK_S),
	           (long long)p->identity.until);
	buf_add_json(out, str_from(p->hub_names[p->hubs.at]));
	buf_printf(out, ",\"reached\":%s,\"last_taken\":%lld,\"clock_ahead_s\":%lld", u->up ? "true" : "false",
	           (long long)u->last, (long long)(p->orders.skew / CLOCK_S));
	buf_printf(out, ",\"put\":%llu,\"sent\":%llu,\"sent_bytes\":%llu,\"requests\":%llu,\"known\":%llu,\"bad\":%llu",
	           (unsigned long long)p->put, (unsigned long long)u->events, (unsigned long long)u->bytes,
	           (unsigned long long)u->requests, (unsigned long long)u->known, (unsigned long long)u->bad);
	buf_printf(
	        out,
	        ",\"rejected\":%llu,\"failures\":%llu,\"spool_events\":%llu,\"spool_bytes\":%llu,\"spool_from\":%lld",
	        (unsigned long long)u->rejected, (unsigned long long)u->failures, (unsigned long long)s.events,
	        (unsigned long long)s.bytes, (long long)s.oldest);
	buf_printf(out, ",\"lost_events\":%llu,\"lost_bytes\":%llu,\"damaged\":%llu", (unsigned long long)lost.events,
	           (unsigned long long)lost.bytes, (unsigned long long)lost.damaged);
	if (p->c.status) {
		buf_putc(out, ',');
		p->c.status(p->c.arg, out);
	}
	buf_putc(out, '}');
}
