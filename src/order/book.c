/* The book's file: "KHB1", two sequences, entries, and a hash of it all; written anew as a whole with each change. */
#include "order/book.h"

#include "base/utf8.h"
#include "order/order_inside.h"
#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SUM = 32, ENTRY = ORDER_ID + 1 + 1 + 2, FILE_MAX = 4 + 16 + 2 + BOOK_RESULTS * (ENTRY + ORDER_RESULT) + SUM };
static const char NAME[] = "orders", MAGIC[] = "KHB1";

struct entry {
	char id[ORDER_ID];
	uint8_t state, reported;
	uint16_t n;
	char result[ORDER_RESULT];
};

/* All that is kept; copied before it is changed, and put back where the disk doesn't take the change. */
struct pages {
	uint64_t last[2]; /* sequences: of other orders, of destructive ones */
	size_t n;
	struct entry at[BOOK_RESULTS]; /* oldest first */
};

struct book {
	char *dir;
	const struct clock *clock;
	const struct order_trust *trust;
	struct pages now, before;
};

static const char *const states[ORDER_STATES] = {
	[ORDER_ASKED] = "asked",     [ORDER_PENDING] = "waits for approval",
	[ORDER_QUEUED] = "queued",   [ORDER_SENT] = "sent",
	[ORDER_DONE] = "done",       [ORDER_FAILED] = "failed",
	[ORDER_REFUSED] = "refused", [ORDER_EXPIRED] = "expired",
	[ORDER_UNDONE] = "undone",
};

const char *order_state_name(enum order_state state)
{
	return state > 0 && state < ORDER_STATES ? states[state] : "unknown";
}

int order_state_find(struct str name, enum order_state *ret)
{
	for (unsigned i = 1; i < ORDER_STATES; i++) {
		if (!str_eq(name, str_from(states[i])))
			continue;
		*ret = i;
		return 0;
	}
	return -ENOENT;
}

/* --- the file --- */

static void put_number(struct buf *out, uint64_t value, int n)
{
	while (n-- > 0)
		buf_putc(out, (char)(value >> (8 * n)));
}

static uint64_t get_number(const unsigned char **p, int n)
{
	uint64_t value = 0;
	while (n-- > 0)
		value = value << 8 | *(*p)++;
	return value;
}

static void sum_of(struct str bytes, unsigned char sum[SUM])
{
	crypto_generichash(sum, SUM, (const unsigned char *)bytes.p, bytes.n, NULL, 0);
}

static int save(struct book *b, struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	unsigned char sum[SUM];
	buf_add(&out, str_from(MAGIC));
	put_number(&out, b->now.last[0], 8);
	put_number(&out, b->now.last[1], 8);
	put_number(&out, b->now.n, 2);
	for (size_t i = 0; i < b->now.n; i++) {
		const struct entry *e = &b->now.at[i];
		buf_add(&out, (struct str){ e->id, ORDER_ID });
		put_number(&out, e->state, 1);
		put_number(&out, e->reported, 1);
		put_number(&out, e->n, 2);
		buf_add(&out, (struct str){ e->result, e->n });
	}
	sum_of(buf_str(&out), sum);
	buf_add(&out, (struct str){ (const char *)sum, SUM });
	int code = out.failed ? err_set(err, -ENOMEM, "%m") : atomic_write(b->dir, NAME, buf_str(&out), 0600, err);
	if (code)
		b->now = b->before;
	return code;
}

static bool parse(struct pages *pages, struct str file)
{
	unsigned char sum[SUM];
	if (file.n < 4 + 16 + 2 + SUM || !str_starts(file, str_from(MAGIC)))
		return false;
	const struct str inside = str_sub(file, 0, file.n - SUM);
	sum_of(inside, sum);
	if (memcmp(sum, file.p + inside.n, SUM) != 0)
		return false;
	const unsigned char *p = (const unsigned char *)inside.p + 4, *end = (const unsigned char *)inside.p + inside.n;
	pages->last[0] = get_number(&p, 8);
	pages->last[1] = get_number(&p, 8);
	pages->n = get_number(&p, 2);
	if (pages->n > BOOK_RESULTS)
		return false;
	for (size_t i = 0; i < pages->n; i++) {
		struct entry *e = &pages->at[i];
		if (end - p < ENTRY)
			return false;
		memcpy(e->id, p, ORDER_ID);
		p += ORDER_ID;
		e->state = (uint8_t)get_number(&p, 1);
		e->reported = (uint8_t)get_number(&p, 1);
		e->n = (uint16_t)get_number(&p, 2);
		if (e->n > ORDER_RESULT || end - p < e->n || e->state < ORDER_SENT || e->state > ORDER_REFUSED)
			return false;
		memcpy(e->result, p, e->n);
		p += e->n;
	}
	return p == end;
}

/* 0, -ENOENT, -EBADMSG, or why it can't be read. */
static int load(const char *dir, struct pages *pages, struct err *err)
{
	char path[PATH_MAX];
	CLEANUP(buf_free) struct buf file = { 0 };
	if (snprintf(path, sizeof(path), "%s/%s", dir, NAME) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': %m", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *room = buf_room(&file, FILE_MAX + 1);
	ssize_t n = fd >= 0 && room ? read(fd, room, FILE_MAX + 1) : -1;
	int code = n < 0 ? err_set(err, room ? -errno : -ENOMEM, "read '%s': %m", path) : 0;
	if (fd >= 0)
		close(fd);
	if (!code && !parse(pages, (struct str){ room, (size_t)n }))
		code = err_set(err, -EBADMSG, "'%s' is damaged: orders issued before now are refused", path);
	return code;
}

static void set_result(struct entry *e, enum order_state state, struct str text)
{
	text = utf8_cut(text, ORDER_RESULT);
	e->state = (uint8_t)state;
	e->reported = false;
	e->n = (uint16_t)text.n;
	if (text.n)
		memcpy(e->result, text.p, text.n);
}

int book_open(struct book **ret, const struct book_config *config, bool *anew, struct err *err)
{
	struct book *b = calloc(1, sizeof(*b));
	if (sodium_init() < 0 || !b || !(b->dir = strdup(config->dir))) {
		free(b);
		return err_set(err, -ENOMEM, "%m");
	}
	b->clock = config->clock;
	b->trust = config->trust;
	int code = load(b->dir, &b->now, err);
	const bool fresh = code == -ENOENT || code == -EBADMSG;
	if (fresh) {
		const int64_t now = clock_wall(b->clock);
		b->now = (struct pages){ .last = { now > 0 ? (uint64_t)now : 0, now > 0 ? (uint64_t)now : 0 } };
	}
	bool changed = fresh;
	for (size_t i = 0; i < b->now.n; i++) {
		if (b->now.at[i].state != ORDER_SENT)
			continue;
		set_result(&b->now.at[i], ORDER_FAILED,
		           STR("the post stopped while it acted on this: it may be done in part"));
		changed = true;
	}
	b->before = b->now;
	code = code && !fresh ? code : changed ? save(b, err) : 0;
	if (code) {
		book_close(b);
		return code;
	}
	if (anew)
		*anew = fresh;
	*ret = b;
	return 0;
}

void book_close(struct book *b)
{
	if (!b)
		return;
	free(b->dir);
	free(b);
}

/* --- its entries --- */

static struct entry *find(struct pages *pages, struct str id)
{
	for (size_t i = 0; i < pages->n && id.n == ORDER_ID; i++)
		if (memcmp(pages->at[i].id, id.p, ORDER_ID) == 0)
			return &pages->at[i];
	return NULL;
}

static void drop(struct pages *pages, size_t i)
{
	memmove(&pages->at[i], &pages->at[i + 1], (pages->n - i - 1) * sizeof(pages->at[0]));
	pages->n--;
}

/* What was reported goes first, then what has ended; what is being acted on stays. NULL: all is. */
static struct entry *add(struct pages *pages, struct str id)
{
	for (int pass = 0; pass < 2 && pages->n == BOOK_RESULTS; pass++)
		for (size_t i = 0; i < pages->n && pages->n == BOOK_RESULTS; i++)
			if (pages->at[i].state != ORDER_SENT && (pass || pages->at[i].reported))
				drop(pages, i);
	if (pages->n == BOOK_RESULTS)
		return NULL;
	struct entry *e = &pages->at[pages->n++];
	memset(e, 0, sizeof(*e));
	memcpy(e->id, id.p, ORDER_ID);
	return e;
}

/* A hub that this post knows has said so, to this post: it may be told why not. */
static bool is_ours(enum order_refusal r)
{
	return r != ORDER_MALFORMED && r != ORDER_FORGED && r != ORDER_OTHER_UNIT && r != ORDER_OTHER_POST;
}

static int refuse(struct book *b, const struct book_order *o, struct err *err)
{
	char text[320];
	struct entry *e = is_ours(o->refusal) ? add(&b->now, o->order.id) : NULL;
	snprintf(text, sizeof(text), "%s: %s", order_refusal_name(o->refusal), o->why);
	if (e) {
		set_result(e, ORDER_REFUSED, str_from(text));
		save(b, NULL); /* nothing was done: it is no harm where the disk doesn't take it */
	}
	return err_set(err, -EACCES, "%s", text);
}

int book_take(struct book *b, const struct order_sealed *s, struct book_order *ret, struct err *err)
{
	struct book_order o = { .verb = ORDER_VERBS };
	struct err why = { 0 };
	b->before = b->now;
	o.refusal = order_judge(b->trust, s, b->now.last, clock_wall(b->clock), &o.order, &o.verb, &why);
	snprintf(o.why, sizeof(o.why), "%.*s", (int)sizeof(o.why) - 1, why.text);
	*ret = o;
	struct entry *e = is_ours(o.refusal) ? find(&b->now, o.order.id) : NULL;
	if (e) {
		if (e->reported) {
			e->reported = false; /* the hub asks again: it may not have kept the first */
			save(b, NULL);
		}
		return err_set(err, -EALREADY, "this order is known");
	}
	if (o.refusal)
		return refuse(b, &o, err);
	e = add(&b->now, o.order.id);
	if (!e)
		return err_set(err, -EBUSY, "%d orders are being acted on", BOOK_RESULTS);
	e->state = ORDER_SENT;
	b->now.last[order_verb_info(o.verb)->destructive] = o.order.sequence;
	return save(b, err);
}

int book_done(struct book *b, struct str id, enum order_state state, struct str result, struct err *err)
{
	b->before = b->now;
	struct entry *e = find(&b->now, id);
	if (!e || e->state != ORDER_SENT)
		return err_set(err, -ENOENT, "no such order is being acted on");
	if (state != ORDER_DONE && state != ORDER_FAILED)
		return err_set(err, -EINVAL, "an order is done or failed");
	set_result(e, state, result);
	return save(b, err);
}

int book_reports(const struct book *b, int (*fn)(void *arg, const struct book_report *r), void *arg)
{
	for (size_t i = 0; i < b->now.n; i++) {
		const struct entry *e = &b->now.at[i];
		const struct book_report r = { .id = { e->id, ORDER_ID },
			                       .result = { e->result, e->n },
			                       .state = e->state };
		int stop = e->reported || e->state == ORDER_SENT ? 0 : fn(arg, &r);
		if (stop)
			return stop;
	}
	return 0;
}

int book_reported(struct book *b, struct str id, struct err *err)
{
	b->before = b->now;
	struct entry *e = find(&b->now, id);
	if (!e || e->state == ORDER_SENT)
		return err_set(err, -ENOENT, "no such order has ended");
	e->reported = true;
	return save(b, err);
}
