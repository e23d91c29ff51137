/*
 * key=value lines: logfmt, and the logs of firewalls that write likewise (a syslog priority in front is passed over).
 * A value is a word or "quoted" with backslash escapes. Words without "=" are passed over too.
 */
#include "intake/formats.h"
#include "intake/text.h"

#include <errno.h>

static bool is_key_char(char c)
{
	return text_is_letter(c) || text_is_digit(c) || (c && strchr("_-.@/", c)) || (unsigned char)c >= 0x80;
}

/* Cuts the next pair off *s; what stands before it is passed over. A quoted value still has its escapes. */
static bool cut_pair(struct str *s, struct str *key, struct str *value, bool *quoted)
{
	while (s->n) {
		size_t n = 0;
		while (n < s->n && is_key_char(s->p[n]))
			n++;
		if (!n || n == s->n || s->p[n] != '=') {
			n += str_find(str_sub(*s, n, s->n), ' ');
			*s = str_sub(*s, n + 1, s->n);
			continue;
		}
		*key = str_sub(*s, 0, n);
		*s = str_sub(*s, n + 1, s->n);
		*quoted = text_take(s, '"');
		n = *quoted ? text_quote_end(*s, '"') : str_find(*s, ' ');
		*value = str_sub(*s, 0, n);
		*s = str_sub(*s, n + 1, s->n);
		if (!*quoted && value->n && value->p[value->n - 1] == ',' && s->n)
			value->n--; /* a=1, b=2 */
		return true;
	}
	return false;
}

/* Where a line begins: behind <189>, as network devices send it. */
static struct str body(struct str line)
{
	size_t n = str_find(line, '>');
	return line.n && line.p[0] == '<' && n <= 4 ? str_sub(line, n + 1, line.n) : line;
}

struct times {
	struct str date, time, zone, stamp;
};

static void note_time(struct times *t, struct str key, struct str value)
{
	static const char *const stamps[] = { "eventtime", "@timestamp", "timestamp", "ts", "_time", "datetime" };
	if (str_eq(key, STR("date")))
		t->date = value;
	else if (str_eq(key, STR("time")))
		t->time = value;
	else if (str_eq(key, STR("tz")))
		t->zone = value;
	for (size_t i = 0; i < ARRAY_LEN(stamps) && !t->stamp.p; i++)
		if (str_eq(key, str_from(stamps[i])))
			t->stamp = value;
}

/* A stamp that names the moment itself counts more than date and time in the device's zone. */
static void set_time(struct event *ev, const struct times *t)
{
	if (t->stamp.p && event_parse_time(t->stamp, &ev->time))
		return;
	if (t->date.p && t->time.p) {
		struct str joined = arena_printf(&ev->scratch, STR_FMT "T" STR_FMT STR_FMT, STR_ARG(t->date),
		                                 STR_ARG(t->time), STR_ARG(t->zone));
		struct str bare = str_sub(joined, 0, t->date.n + t->time.n + 1);
		if (joined.p && !event_parse_time(joined, &ev->time))
			event_parse_time(bare, &ev->time);
	} else if (t->time.p) {
		event_parse_time(t->time, &ev->time);
	}
}

static int parse(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err)
{
	struct str rest = body(record), key, value;
	struct times t = { 0 };
	bool quoted, any = false;
	while (cut_pair(&rest, &key, &value, &quoted)) {
		any = true;
		if (quoted)
			value = text_unescape(&ev->scratch, value);
		text_put_number(ev, key, value);
		note_time(&t, key, value);
	}
	if (!any)
		return err_set(err, -EBADMSG, "no key=value in the line");
	text_event(ev);
	set_time(ev, &t);
	return 0;
}

/* At least three pairs, and not mostly prose. */
static bool fits(struct str line)
{
	struct str rest = body(line), key, value;
	size_t pairs = 0, covered = 0;
	bool quoted;
	while (cut_pair(&rest, &key, &value, &quoted)) {
		pairs++;
		covered += key.n + value.n + 2;
	}
	return pairs >= 3 && covered * 2 > line.n;
}

static int score(struct str head)
{
	return text_score(head, fits, 70);
}

const struct format intake_kv = {
	.name = "kv",
	.what = "key=value lines: logfmt, firewalls",
	.framing = FRAME_LINE,
	.score = score,
	.parse = parse,
};
