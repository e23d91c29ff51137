#include "cmd/gate_events.h"

#include "base/clock.h"
#include "event/event.h"
#include "intake/envelope.h"
#include "proxy/waf.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE = 0640, WIDE_V4 = 96 + 16, WIDE_V6 = 32 };
static const int64_t TURN = 600LL * CLOCK_S;

/* --- the file --- */

static void name_of(const struct gate_events *e, unsigned i, char *to, size_t size)
{
	snprintf(to, size, i ? "%s.%u" : "%s", e->path, i);
}

/* One of the files, 0 the present one. -ENOENT; what was cut off at its end is part of it. */
static int read_file(const struct gate_events *e, unsigned i, struct buf *to)
{
	char name[sizeof(e->path) + 8];
	struct stat st;
	name_of(e, i, name, sizeof(name));
	const int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int code = fd < 0 || fstat(fd, &st) ? -errno : 0;
	to->n = 0;
	while (!code && to->n < (size_t)st.st_size) {
		char *room = buf_room(to, (size_t)st.st_size - to->n);
		const ssize_t n = room ? read(fd, room, (size_t)st.st_size - to->n) : -1;
		code = !room ? -ENOMEM : n < 0 ? -errno : n ? 0 : -EIO;
		to->n += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	return code;
}

/* The last line that says how far the ring was told. */
static bool find_place(struct gate_events *e, struct str text)
{
	while (text.n) {
		const char *before = memrchr(text.p, '\n', text.n - 1);
		const size_t from = before ? (size_t)(before - text.p) + 1 : 0;
		const struct str line = str_sub(text, from, text.n);
		json_t *o = memmem(line.p, line.n, "\"gate.seq\":", 11)
		                    ? json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL)
		                    : NULL;
		const char *zone = json_string_value(json_object_get(o, "gate.zone"));
		const json_int_t seq = json_integer_value(json_object_get(o, "gate.seq"));
		const bool found = zone && strlen(zone) <= GATE_ZONE && seq > 0;
		if (found) {
			snprintf(e->told.zone, sizeof(e->told.zone), "%s", zone);
			e->told.seq = (uint64_t)seq;
		}
		json_decref(o);
		if (found)
			return true;
		text.n = from;
	}
	return false;
}

static int open_file(struct gate_events *e, struct err *err)
{
	struct stat st;
	e->fd = open(e->path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, MODE);
	if (e->fd < 0 || fstat(e->fd, &st))
		return err_set(err, -errno, "open '%s': %m", e->path);
	e->size = (uint64_t)st.st_size;
	return 0;
}

int gate_events_open(struct gate_events *e, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	e->told = (struct gate_place){ 0 };
	int code = open_file(e, err);
	if (!code && (code = read_file(e, 0, &text)))
		err_set(err, code, "read '%s': %m", e->path);
	if (code)
		return code;
	const char *last = text.p ? memrchr(text.p, '\n', text.n) : NULL;
	const size_t whole = last ? (size_t)(last - text.p) + 1 : 0;
	if (whole < text.n && ftruncate(e->fd, (off_t)whole))
		return err_set(err, -errno, "cut '%s': %m", e->path);
	e->size = whole;
	bool found = find_place(e, (struct str){ text.p, whole });
	for (unsigned i = 1; !found && i < GATE_EVENTS_FILES; i++)
		found = !read_file(e, i, &text) && find_place(e, buf_str(&text));
	return 0;
}

void gate_events_close(struct gate_events *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

/* A follower reads on in what it has open, and finds the new one under the old name. */
static int rotate(struct gate_events *e, struct err *err)
{
	char from[sizeof(e->path) + 8], to[sizeof(e->path) + 8];
	gate_events_close(e);
	for (unsigned i = GATE_EVENTS_FILES - 1; i; i--) {
		name_of(e, i - 1, from, sizeof(from));
		name_of(e, i, to, sizeof(to));
		if (rename(from, to) && errno != ENOENT)
			return err_set(err, -errno, "rename '%s': %m", from);
	}
	return open_file(e, err);
}

int gate_events_put(struct gate_events *e, struct str lines, struct err *err)
{
	int code = e->fd < 0 ? open_file(e, err) : 0;
	if (!code && e->size && e->size + lines.n > e->most)
		code = rotate(e, err);
	if (code)
		return code;
	for (struct str left = lines; left.n && !code;) {
		const ssize_t n = write(e->fd, left.p, left.n);
		code = n > 0 ? 0 : n < 0 && errno == EINTR ? 0 : n < 0 ? -errno : -EIO;
		left = str_sub(left, n > 0 ? (size_t)n : 0, left.n);
	}
	if (!code && fdatasync(e->fd))
		code = -errno;
	if (!code) {
		e->size += lines.n;
		return 0;
	}
	err_set(err, code, "write '%s': %m", e->path);
	if (ftruncate(e->fd, (off_t)e->size))
		gate_events_close(e); /* opened anew with the next: then what is half is seen */
	return code;
}

bool gate_events_has(const struct gate_events *e, const char *id)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	for (unsigned i = 0; i < 2; i++)
		if (!read_file(e, i, &text) && text.n && memmem(text.p, text.n, id, strlen(id)))
			return true;
	return false;
}

/* --- lines --- */

/* The texts' hash, each with its length. Ends with a str without bytes. */
static void make_id(char id[GATE_ID + 1], const struct str *parts)
{
	unsigned char hash[GATE_ID / 2];
	crypto_generichash_state h;
	crypto_generichash_init(&h, NULL, 0, sizeof(hash));
	for (; parts->p; parts++) {
		const uint64_t n = parts->n;
		crypto_generichash_update(&h, (const unsigned char *)&n, sizeof(n));
		crypto_generichash_update(&h, (const unsigned char *)parts->p, n);
	}
	crypto_generichash_final(&h, hash, sizeof(hash));
	sodium_bin2hex(id, GATE_ID + 1, hash, sizeof(hash));
}

static void text(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, ",\"%s\":", name);
	buf_add_json(out, value);
}

static void begin(struct buf *out, int64_t wall_us, const char *action, const char *id)
{
	char host[256] = "";
	gethostname(host, sizeof(host) - 1);
	buf_add(out, STR("{\"@timestamp\":\""));
	envelope_time(out, wall_us);
	buf_printf(out, "\",\"event.dataset\":\"khien.gate\",\"event.module\":\"khien\",\"event.action\":\"%s\"",
	           action);
	if (id)
		text(out, "khien.id", str_from(id));
	if (*host) /* rules count by it: a hub may hear of several gates */
		text(out, "host.name", str_from(host));
}

static void source(struct buf *out, const struct flood_addr *a, uint8_t bits)
{
	char prefix[LIST_PREFIX_TEXT];
	list_prefix_text(a, bits, prefix);
	if (bits == 128)
		text(out, "source.ip", str_from(prefix));
	text(out, "gate.prefix", str_from(prefix));
}

/* A number or a text of the gate's, under a name of the event's. */
static void take(struct buf *out, const json_t *from, const char *name, const char *as)
{
	const json_t *v = json_object_get(from, name);
	if (json_is_string(v))
		text(out, as, (struct str){ json_string_value(v), json_string_length(v) });
	else if (json_is_integer(v))
		buf_printf(out, ",\"%s\":%lld", as, (long long)json_integer_value(v));
	else if (json_is_real(v))
		buf_printf(out, ",\"%s\":%.4g", as, json_real_value(v));
}

static const struct {
	const char *kind, *action, *message;
	bool judged; /* it has a verdict and a reason */
} kinds[] = {
	{ "strict", "flood-began", "more comes than the site can serve: the gate is strict", false },
	{ "calm", "flood-ended", "the site keeps up again: nobody is turned away any more", false },
	{ "begin", "turned-away", "requests from there are turned away", true },
	{ "end", "turned-away-ended", "nothing from there is turned away any more", true },
	{ "list", "lists-taken", "the gate goes by a changed list of operators", false },
	{ "waf", "waf-began", "the WAF refuses requests from there", false },
};

static int add_event(struct buf *out, const json_t *event, const char *zone, int64_t now_us)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *from = json_string_value(json_object_get(event, "from"));
	const char *time = json_string_value(json_object_get(event, "time"));
	const json_t *bits = json_object_get(event, "bits");
	const json_int_t seq = json_integer_value(json_object_get(event, "seq"));
	char id[GATE_ID + 1], number[24];
	struct flood_addr addr;
	uint8_t whole;
	int64_t us = 0;
	size_t k = 0;
	while (k < ARRAY_LEN(kinds) && kind && strcmp(kinds[k].kind, kind) != 0)
		k++;
	if (!kind || k == ARRAY_LEN(kinds) || seq <= 0)
		return -EPROTO;
	snprintf(number, sizeof(number), "%lld", (long long)seq);
	make_id(id, (const struct str[]){ str_from(zone), str_from(number), { NULL, 0 } });
	/* before its first second the gate knows no time */
	begin(out, time && event_parse_time(str_from(time), &us) && us > 0 ? us : now_us, kinds[k].action, id);
	if (from && !list_prefix(str_from(from), &addr, &whole, NULL))
		source(out, &addr, json_is_integer(bits) ? (uint8_t)json_integer_value(bits) : whole);
	if (kinds[k].judged) {
		take(out, event, "verdict", "gate.verdict");
		take(out, event, "reason", "gate.reason");
	}
	take(out, event, "id", "gate.number");
	take(out, event, "count", "gate.count");
	take(out, event, "pressure", "gate.pressure");
	take(out, event, "share", "gate.share");
	text(out, "gate.zone", str_from(zone));
	buf_printf(out, ",\"gate.seq\":%s", number);
	text(out, "message", str_from(kinds[k].message));
	buf_add(out, STR("}\n"));
	return 0;
}

/* The place moves with it: told once, whenever its teller is killed. */
static void add_lost(struct buf *out, const char *zone, const json_t *first, uint64_t n, int64_t now_us)
{
	const char *time = json_string_value(json_object_get(first, "time"));
	const uint64_t last = (uint64_t)json_integer_value(json_object_get(first, "seq")) - 1;
	char id[GATE_ID + 1], number[48];
	int64_t us = now_us;
	if (time)
		event_parse_time(str_from(time), &us);
	snprintf(number, sizeof(number), "lost %llu", (unsigned long long)last);
	make_id(id, (const struct str[]){ str_from(zone), str_from(number), { NULL, 0 } });
	begin(out, us, "events-lost", id);
	text(out, "gate.zone", str_from(zone));
	buf_printf(out,
	           ",\"gate.seq\":%llu,\"gate.count\":%llu,\"message\":\"so many events of the gate were overwritten "
	           "before they could be "
	           "told\"}\n",
	           (unsigned long long)last, (unsigned long long)n);
}

int gate_events_of(const json_t *answer, int64_t now_us, struct buf *lines, struct gate_place *to, size_t *n,
                   struct err *err)
{
	const char *zone = json_string_value(json_object_get(answer, "zone"));
	const json_t *events = json_object_get(answer, "events");
	const json_int_t next = json_integer_value(json_object_get(answer, "next"));
	const json_int_t lost = json_integer_value(json_object_get(answer, "lost"));
	const size_t was = lines->n;
	int code = zone && strlen(zone) <= GATE_ZONE && json_is_array(events) && next >= 0 && lost >= 0 ? 0 : -EPROTO;
	size_t i;
	json_t *event;
	if (!code && lost && json_array_size(events))
		add_lost(lines, zone, json_array_get(events, 0), (uint64_t)lost, now_us);
	json_array_foreach(events, i, event)
	{
		if (!code)
			code = add_event(lines, event, zone, now_us);
	}
	if (code || lines->failed) {
		lines->n = was;
		return err_set(err, code ? code : -ENOMEM, "the gate's events: %m");
	}
	snprintf(to->zone, sizeof(to->zone), "%s", zone);
	to->seq = (uint64_t)next;
	*n = json_array_size(events);
	return 0;
}

/* ModSecurity's severity, a number of syslog's: 2 is critical. */
void gate_events_waf(struct buf *lines, const struct waf_hit *hit, int64_t wall_us)
{
	char id[GATE_ID + 1];
	struct flood_addr addr;
	uint8_t bits;
	make_id(id,
	        (const struct str[]){ str_from(hit->id), str_from(hit->rule), str_from(hit->message), { NULL, 0 } });
	begin(lines, wall_us, hit->denied ? "waf-refused" : "waf-noted", *hit->id ? id : NULL);
	if (!list_prefix(str_from(hit->address), &addr, &bits, NULL))
		source(lines, &addr, bits);
	text(lines, "url.path", str_from(hit->path));
	text(lines, "rule.id", str_from(hit->rule));
	text(lines, "rule.name", str_from(hit->message));
	if (*hit->severity)
		text(lines, "gate.severity", str_from(hit->severity));
	if (*hit->id)
		text(lines, "gate.transaction", str_from(hit->id));
	buf_printf(lines, ",\"gate.score\":%u", hit->score);
	text(lines, "message",
	     hit->denied ? STR("the WAF refused a request") : STR("a rule of the WAF holds for a request"));
	buf_add(lines, STR("}\n"));
}

bool gate_events_lasting(struct buf *line, const json_t *status, int64_t wall_us, char id[GATE_ID + 1])
{
	const char *since = json_string_value(json_object_get(status, "strict_since"));
	const char *zone = json_string_value(json_object_get(status, "zone"));
	char turn[24];
	int64_t us;
	if (!since || !event_parse_time(str_from(since), &us) || wall_us - us < TURN)
		return false;
	snprintf(turn, sizeof(turn), "%lld", (long long)((wall_us - us) / TURN));
	make_id(id, (const struct str[]){ str_from(zone ? zone : ""), str_from(since), str_from(turn), { NULL, 0 } });
	begin(line, wall_us, "flood-goes-on", id);
	buf_printf(line, ",\"gate.minutes\":%lld", (long long)((wall_us - us) / CLOCK_S / 60));
	take(line, status, "pressure", "gate.pressure");
	take(line, status, "share", "gate.share");
	take(line, status, "rate", "gate.rate");
	text(line, "message", STR("the gate is strict for long: more comes than the site can serve"));
	buf_add(line, STR("}\n"));
	return true;
}

void gate_events_shed(struct buf *lines, const char *action, uint64_t n, int64_t wall_us)
{
	begin(lines, wall_us, action, NULL);
	buf_printf(lines, ",\"gate.count\":%llu,\"message\":\"more came than is told one by one\"}\n",
	           (unsigned long long)n);
}

void gate_events_list(struct buf *line, const struct list_entry *was, const struct list_entry *is, struct str turn,
                      int64_t wall_us, char id[GATE_ID + 1])
{
	const struct list_entry *e = is ? is : was;
	const char *action = !is                        ? "operator-withdrew"
	                     : is->action == LIST_ALLOW ? "operator-allowed"
	                                                : "operator-blocked";
	CLEANUP(buf_free) struct buf entry = { 0 };
	list_write(&entry, e, 1);
	make_id(id, (const struct str[]){ turn, str_from(action), buf_str(&entry), { NULL, 0 } });
	begin(line, wall_us, action, id);
	source(line, &e->addr, e->bits);
	/* as wide as `khien gate block` asks twice for */
	buf_printf(line, ",\"gate.wide\":%s", e->bits < (list_is_v4(&e->addr) ? WIDE_V4 : WIDE_V6) ? "true" : "false");
	if (is) {
		text(line, "user.name", str_from(e->by));
		text(line, "gate.why", str_from(e->why));
		if (e->until_s == INT64_MAX) {
			text(line, "gate.until", STR("never"));
		} else {
			buf_add(line, STR(",\"gate.until\":\""));
			envelope_time(line, e->until_s * CLOCK_S);
			buf_putc(line, '"');
		}
	}
	text(line, "message",
	     !is ? STR("an operator's word on it is withdrawn, or has expired")
	         : STR("an operator said what is to be done with it"));
	buf_add(line, STR("}\n"));
}
