/*
 * ArcSight Common Event Format, revision 25, with or without a syslog header:
 * CEF:Version|Device Vendor|Device Product|Device Version|Device Event Class ID|Name|Severity|Extension
 */
#include "intake/formats.h"
#include "intake/syslog.h"
#include "intake/text.h"

#include <errno.h>

enum { MAX_LABELS = 64 };

/* Where "CEF:" with a version stands in the line; line.n: nowhere. */
static size_t find_cef(struct str line)
{
	for (size_t i = 0; i + 6 < line.n; i++) {
		const char *at = memmem(line.p + i, line.n - i, "CEF:", 4);
		if (!at)
			break;
		i = (size_t)(at - line.p);
		size_t digit = i + 4 < line.n && line.p[i + 4] == ' ' ? i + 5 : i + 4;
		bool begins = !i || line.p[i - 1] == ' ' || line.p[i - 1] == '>';
		if (begins && digit + 1 < line.n && text_is_digit(line.p[digit]) && line.p[digit + 1] == '|')
			return i;
	}
	return line.n;
}

/* Undoes \| \\ \= and, in extensions, \n and \r. */
static struct str unescape(struct event *ev, struct str s)
{
	if (str_find(s, '\\') == s.n)
		return s;
	char *to = arena_alloc(&ev->scratch, s.n), *at = to;
	for (size_t i = 0; to && i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\' && i + 1 < s.n && strchr("|\\=nr", s.p[i + 1]) && s.p[i + 1]) {
			c = s.p[++i];
			c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
		}
		*at++ = c;
	}
	return (struct str){ to, to ? (size_t)(at - to) : 0 };
}

/* Cuts a header field off *s, up to a bar that no backslash hides. */
static bool cut_field(struct str *s, struct str *field)
{
	size_t n = text_quote_end(*s, '|');
	*field = str_sub(*s, 0, n);
	bool bar = n < s->n;
	*s = str_sub(*s, n + 1, s->n);
	return bar;
}

static bool is_key_char(char c)
{
	return text_is_letter(c) || text_is_digit(c) || (c && strchr("_.-[]", c));
}

/* Bytes of the key that begins at i and is followed by "="; 0: none. */
static size_t key_at(struct str s, size_t i)
{
	size_t n = 0;
	while (i + n < s.n && is_key_char(s.p[i + n]))
		n++;
	return n && i + n < s.n && s.p[i + n] == '=' ? n : 0;
}

/* A value goes on until a blank and the next KEY= stand. */
static size_t value_end(struct str s, size_t *next)
{
	size_t i = 0;
	for (;;) {
		i += str_find(str_sub(s, i, s.n), ' ');
		if (i >= s.n)
			return *next = s.n;
		size_t end = i;
		while (i < s.n && s.p[i] == ' ')
			i++;
		if (key_at(s, i)) {
			*next = i;
			return end;
		}
	}
}

static void put_extension(struct event *ev, struct str s)
{
	size_t i = 0, next;
	while (i < s.n && !key_at(s, i))
		i++;
	for (s = str_sub(s, i, s.n); s.n; s = str_sub(s, next, s.n)) {
		size_t n = key_at(s, 0);
		struct str key = str_sub(s, 0, n);
		s = str_sub(s, n + 1, s.n);
		struct str value = unescape(ev, str_sub(s, 0, value_end(s, &next)));
		text_put_number(ev, key, value);
		if (value.p && (str_eq(key, STR("rt")) || (str_eq(key, STR("start")) && !ev->time)))
			event_parse_time(value, &ev->time);
	}
}

/* cs1Label=Policy cs1=strict: Policy=strict too. */
static void put_labelled(struct event *ev)
{
	uint32_t n = ev->n_pairs, labels = 0;
	for (uint32_t i = 0; i < n && labels < MAX_LABELS; i++) {
		struct pair label = ev->pairs[i];
		if (label.name.n <= 5 || !str_ends(label.name, STR("Label")) || !label.text.n)
			continue;
		labels++;
		struct str base = str_sub(label.name, 0, label.name.n - 5);
		for (uint32_t k = 0; k < n; k++)
			if (str_eq(ev->pairs[k].name, base)) {
				text_put_number(ev, label.text, ev->pairs[k].text);
				break;
			}
	}
}

static int parse(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err)
{
	static const char *const names[] = { "deviceVendor",       "deviceProduct", "deviceVersion",
		                             "deviceEventClassId", "name",          "severity" };
	struct str fields[ARRAY_LEN(names) + 1], header, rest;
	size_t at = find_cef(record);
	if (at == record.n)
		return err_set(err, -EBADMSG, "no CEF:0| in the line");
	rest = str_sub(record, at, record.n);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (!cut_field(&rest, &fields[i]) && i < ARRAY_LEN(fields) - 1)
			return err_set(err, -EBADMSG, "CEF header with %zu of 7 fields", i + 1);
	text_event(ev);
	struct syslog_header h = { 0 };
	header = str_sub(record, 0, at);
	if (syslog_cut_header(&header, now, &h)) {
		ev->time = h.time;
		text_put(ev, STR("host.name"), h.host);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		text_put(ev, str_from(names[i]), unescape(ev, fields[i + 1]));
	int64_t sent = ev->time;
	ev->time = 0;
	put_extension(ev, rest);
	put_labelled(ev);
	if (!ev->time)
		ev->time = sent;
	return 0;
}

static bool fits(struct str line)
{
	return find_cef(line) < line.n;
}

static int score(struct str head)
{
	return text_score(head, fits, 100);
}

const struct format intake_cef = {
	.name = "cef",
	.what = "ArcSight Common Event Format, also within syslog",
	.framing = FRAME_LINE,
	.score = score,
	.parse = parse,
};
