/*
 * syslog: RFC 5424; RFC 3164 as it is met, with and without priority, year or host; RFC 3339 times as rsyslog writes
 * them to files. RFC 3164 asks to take whatever comes, so every line is an event: what fits nothing is all message.
 */
#include "intake/syslog.h"

#include "base/json.h"
#include "intake/derive.h"
#include "intake/formats.h"
#include "intake/text.h"

#include <errno.h>

static const int64_t SECOND = 1000000, DAY = 86400 * SECOND;

static const char *const facilities[] = {
	"kern",   "user",   "mail",     "daemon", "auth",   "syslog",   "lpr",     "news",
	"uucp",   "cron",   "authpriv", "ftp",    "ntp",    "security", "console", "solaris-cron",
	"local0", "local1", "local2",   "local3", "local4", "local5",   "local6",  "local7",
};

static const char *const severities[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

static bool cut_priority(struct str *s, struct syslog_header *h)
{
	struct str rest = *s;
	unsigned pri;
	if (!text_take(&rest, '<'))
		return false;
	const char *from = rest.p;
	if (!text_number(&rest, 3, &pri) || pri > 191)
		return false;
	h->priority = (struct str){ from, (size_t)(rest.p - from) };
	if (!text_take(&rest, '>')) {
		h->priority.p = NULL;
		return false;
	}
	h->facility = pri / 8;
	h->severity = pri % 8;
	*s = rest;
	return true;
}

/* The newest year in which the time isn't more than a day in the future; the header names none. */
static int64_t with_year(unsigned month, unsigned day, int64_t in_day, int64_t now)
{
	int year = text_year(now / DAY) + 1;
	for (int tries = 0; tries < 10; tries++, year--) { /* 29 February may be 8 years away */
		int64_t t = text_days(year, month, day) * DAY + in_day;
		if (text_date_valid(year, month, day) && t <= now + DAY)
			return t;
	}
	return 0;
}

/* hh:mm:ss[.fraction] -> µs */
static bool cut_clock(struct str *s, int64_t *us)
{
	unsigned h, m, sec;
	if (!text_number(s, 2, &h) || !text_take(s, ':') || !text_number(s, 2, &m) || !text_take(s, ':') ||
	    !text_number(s, 2, &sec) || h > 23 || m > 59 || sec > 60)
		return false;
	*us = ((int64_t)h * 3600 + m * 60 + sec) * SECOND;
	if (text_take(s, '.'))
		for (int64_t unit = SECOND / 10; s->n && text_is_digit(s->p[0]); unit /= 10, *s = str_sub(*s, 1, s->n))
			*us += (s->p[0] - '0') * unit;
	return true;
}

/* "Mar 27 13:06:56", "Mar  7 2024 13:06:56.123:"; Cisco puts "*" or "." before it when the clock isn't set. */
static bool cut_bsd_time(struct str *s, int64_t now, int64_t *time)
{
	struct str rest = *s;
	if (!text_take(&rest, '*'))
		text_take(&rest, '.');
	unsigned month = text_month(rest), day, year = 0;
	int64_t in_day;
	rest = str_sub(rest, 3, rest.n);
	if (!month || !text_take(&rest, ' '))
		return false;
	text_take(&rest, ' ');
	if (!text_number(&rest, 2, &day) || !text_take(&rest, ' '))
		return false;
	struct str clock = rest;
	if (!cut_clock(&clock, &in_day)) {
		if (!text_number(&rest, 4, &year) || !text_take(&rest, ' ') || !cut_clock(&rest, &in_day))
			return false;
	} else {
		rest = clock;
	}
	text_take(&rest, ':');
	if ((rest.n && rest.p[0] != ' ') || !text_date_valid(year ? (int)year : 2000, month, day))
		return false;
	*time = year ? text_days((int)year, month, day) * DAY + in_day : with_year(month, day, in_day, now);
	*s = rest;
	return true;
}

/* "2024-05-17T10:05:03.123456+02:00", "2024-05-17 10:05:03,123" */
static bool cut_iso_time(struct str *s, int64_t *time)
{
	struct str rest = *s, word = text_word(&rest);
	if (word.n < 10 || word.p[4] != '-' || word.p[7] != '-' || !text_is_digit(word.p[0]))
		return false;
	if (word.n == 10) {
		struct str clock = text_word(&rest);
		word.n = (size_t)(clock.p + clock.n - word.p);
	}
	size_t comma = str_find(word, ',');
	struct str fraction = str_sub(word, comma + 1, word.n);
	unsigned any;
	text_number(&fraction, 9, &any);
	if (fraction.n || !event_parse_time(str_sub(word, 0, comma), time))
		return false;
	*s = rest;
	return true;
}

static struct str nil(struct str s)
{
	return str_eq(s, STR("-")) ? (struct str){ 0 } : s;
}

/* Bytes of all [ID NAME="VALUE"...] elements at the start of s; SIZE_MAX when they are malformed. */
static size_t data_length(struct str s)
{
	size_t i = 0;
	while (i < s.n && s.p[i] == '[') {
		bool quoted = false;
		for (i++; i < s.n && (quoted || s.p[i] != ']'); i++) {
			if (s.p[i] == '"')
				quoted = !quoted;
			else if (quoted && s.p[i] == '\\')
				i++;
		}
		if (i >= s.n)
			return SIZE_MAX;
		i++;
	}
	return i;
}

static bool cut_rfc5424(struct str *s, struct syslog_header *h)
{
	struct str rest = *s;
	if (!str_starts(rest, STR("1 ")))
		return false;
	rest = str_sub(rest, 2, rest.n);
	struct str time = text_word(&rest);
	if (!str_eq(time, STR("-")) && !event_parse_time(time, &h->time))
		return false;
	h->host = nil(text_word(&rest));
	h->program = nil(text_word(&rest));
	h->pid = nil(text_word(&rest));
	h->id = nil(text_word(&rest));
	text_take(&rest, ' ');
	if (text_take(&rest, '-')) {
		h->data = str_sub(rest, 0, 0);
	} else {
		size_t n = data_length(rest);
		if (!n || n == SIZE_MAX)
			return false;
		h->data = str_sub(rest, 0, n);
		rest = str_sub(rest, n, rest.n);
	}
	text_take(&rest, ' ');
	if (str_starts(rest, STR("\xef\xbb\xbf")))
		rest = str_sub(rest, 3, rest.n);
	h->rfc5424 = true;
	*s = rest;
	return true;
}

/* "sshd[1291]: ", "sudo: ", "/usr/sbin/cron[1]: " */
static bool cut_tag(struct str *s, struct syslog_header *h)
{
	struct str rest = *s, word = text_word(&rest);
	size_t open = str_find(word, '['), close = str_find(word, ']');
	bool pid = open && open < close && close + 1 < word.n && word.p[close + 1] == ':';
	if (!pid && (word.n < 2 || word.p[word.n - 1] != ':'))
		return false;
	h->program = str_sub(word, 0, pid ? open : word.n - 1);
	if (pid)
		h->pid = str_sub(word, open + 1, close - open - 1);
	*s = str_sub(*s, (size_t)(word.p - s->p) + (pid ? close + 2 : word.n), s->n);
	text_take(s, ' ');
	return true;
}

static void cut_bsd(struct str *s, struct syslog_header *h)
{
	if (cut_tag(s, h))
		return;
	struct str rest = *s;
	struct str host = text_word(&rest);
	text_take(&rest, ' ');
	if (!host.n || str_find(host, '=') < host.n)
		return;
	h->host = host;
	*s = rest;
	cut_tag(s, h);
}

bool syslog_cut_header(struct str *s, int64_t now, struct syslog_header *h)
{
	*h = (struct syslog_header){ 0 };
	bool priority = cut_priority(s, h);
	if (priority && cut_rfc5424(s, h))
		return true;
	h->host = h->program = h->pid = h->id = (struct str){ 0 };
	if (cut_bsd_time(s, now, &h->time) || cut_iso_time(s, &h->time)) {
		text_take(s, ' ');
		cut_bsd(s, h);
		return true;
	}
	if (priority)
		cut_tag(s, h);
	return priority;
}

/* Joins "sd.", ID, "." and NAME. */
static struct str data_name(struct event *ev, struct str id, struct str name)
{
	char *to = arena_alloc(&ev->scratch, id.n + name.n + 4);
	if (!to)
		return (struct str){ 0 };
	memcpy(to, "sd.", 3);
	memcpy(to + 3, id.p, id.n);
	to[3 + id.n] = '.';
	memcpy(to + 4 + id.n, name.p, name.n);
	return (struct str){ to, id.n + name.n + 4 };
}

/* RFC 5424 6.3: in a value \" \\ and \] are escapes, any other backslash is itself. */
static struct str data_value(struct event *ev, struct str s)
{
	if (str_find(s, '\\') == s.n)
		return s;
	char *to = arena_alloc(&ev->scratch, s.n), *at = to;
	for (size_t i = 0; to && i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n && memchr("\"\\]", s.p[i + 1], 3))
			i++;
		*at++ = s.p[i];
	}
	return (struct str){ to, to ? (size_t)(at - to) : 0 };
}

static void put_data(struct event *ev, struct str data)
{
	while (text_take(&data, '[')) {
		size_t n = 0;
		while (n < data.n && data.p[n] != ' ' && data.p[n] != ']')
			n++;
		struct str id = str_sub(data, 0, n);
		data = str_sub(data, n, data.n);
		while (text_take(&data, ' ')) {
			size_t eq = str_find(data, '=');
			struct str name = str_sub(data, 0, eq);
			data = str_sub(data, eq + 1, data.n);
			if (!text_take(&data, '"'))
				return;
			size_t end = text_quote_end(data, '"');
			struct str full = data_name(ev, id, name);
			if (full.p)
				text_put(ev, full, data_value(ev, str_sub(data, 0, end)));
			data = str_sub(data, end + 1, data.n);
		}
		if (!text_take(&data, ']'))
			return;
	}
}

/* A message that is a JSON object, also behind the cookie of CEE, gives its fields too. */
static void put_json(struct event *ev, struct str message, int64_t now)
{
	struct str s = str_trim(message), raw = ev->raw;
	struct json_error unsaid;
	if (str_starts(s, STR("@cee:")))
		s = str_trim(str_sub(s, 5, s.n));
	if (s.n < 2 || s.p[0] != '{' || s.p[s.n - 1] != '}' || !json_valid(s, &unsaid))
		return; /* half of a broken one would be worse than none */
	ev->raw = s;
	if (!intake_json.parse(s, NULL, now, ev, NULL) && ev->expand)
		ev->expand(ev);
	ev->raw = raw;
	ev->expand = NULL;
}

static void put_program(struct event *ev, struct str program)
{
	if (program.p && program.n > 1 && program.p[0] == '/') {
		text_put(ev, STR("process.executable"), program);
		const char *slash = memrchr(program.p, '/', program.n);
		program = str_sub(program, (size_t)(slash - program.p) + 1, program.n);
	}
	text_put(ev, STR("process.name"), program);
}

static int parse(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err)
{
	struct syslog_header h;
	struct str rest = record;
	syslog_cut_header(&rest, now, &h);
	put_json(ev, rest, now);
	text_event(ev);
	if (h.time)
		ev->time = h.time;
	if (h.priority.p) {
		text_put_number(ev, STR("log.syslog.priority"), h.priority);
		text_put(ev, STR("log.syslog.facility.name"), str_from(facilities[h.facility]));
		text_put(ev, STR("log.syslog.severity.name"), str_from(severities[h.severity]));
	}
	text_put(ev, STR("host.name"), h.host);
	put_program(ev, h.program);
	text_put_number(ev, STR("process.pid"), h.pid);
	text_put(ev, STR("log.syslog.msgid"), h.id);
	put_data(ev, h.data);
	text_put(ev, STR("message"), rest);
	if (h.program.p)
		intake_derive(ev, h.program, rest);
	return 0;
}

static bool fits(struct str line)
{
	struct syslog_header h;
	return syslog_cut_header(&line, 0, &h) && (h.rfc5424 || h.host.p || h.program.p);
}

static int score(struct str head)
{
	return text_score(head, fits, 90);
}

const struct format intake_syslog = {
	.name = "syslog",
	.what = "syslog, RFC 3164 and 5424, as received or from files",
	.framing = FRAME_LINE,
	.score = score,
	.parse = parse,
};
