/*
 * Access logs of Apache httpd (common, combined, vhost_combined) and nginx (combined), with or without further fields
 * behind them. Field names as in Sigma's taxonomy for webservers. A client chooses what stands in the request, the
 * referer and the user agent: a request that is no HTTP is an event too.
 */
#include "intake/formats.h"
#include "intake/text.h"

#include <errno.h>

struct parts {
	struct str host, client, user, time, request, status, bytes, referer, agent;
};

static bool is_address(struct str s)
{
	size_t marks = 0;
	for (size_t i = 0; i < s.n; i++) {
		marks += s.p[i] == '.' || s.p[i] == ':';
		if (text_hex_digit(s.p[i]) < 0 && s.p[i] != '.' && s.p[i] != ':')
			return false;
	}
	return marks >= 2;
}

/* Where " [" and a time stand: a user's name before it may hold anything. */
static bool cut_time(struct str *line, struct parts *p)
{
	for (size_t i = 0; i + 3 < line->n; i++) {
		i += str_find(str_sub(*line, i, line->n), '[');
		struct str t = str_sub(*line, i + 1, line->n);
		size_t n = str_find(t, ']');
		if (n == t.n)
			return false;
		if (i && line->p[i - 1] == ' ' && n >= 20 && text_is_digit(t.p[0]) &&
		    (t.p[2] == '/' || t.p[1] == '/')) {
			struct str who = str_sub(*line, 0, i - 1);
			p->time = str_sub(t, 0, n);
			*line = str_sub(t, n + 1, t.n);
			struct str first = text_word(&who), after = who, second = text_word(&after);
			if (!is_address(first) && is_address(second)) {
				p->host = first;
				p->client = second;
				who = after;
			} else {
				p->client = first;
			}
			text_word(&who); /* ident */
			p->user = str_trim(who);
			return p->client.n > 0;
		}
	}
	return false;
}

/* The next quoted text. Its end is a quote that no backslash hides and that a blank or nothing follows. */
static struct str cut_quoted(struct str *rest)
{
	size_t from = 0;
	while (from < rest->n && rest->p[from] == ' ')
		from++;
	if (from == rest->n || rest->p[from] != '"')
		return (struct str){ 0 };
	struct str s = str_sub(*rest, from + 1, rest->n);
	size_t end = text_quote_end(s, '"');
	while (end + 1 < s.n && s.p[end + 1] != ' ')
		end += 1 + text_quote_end(str_sub(s, end + 1, s.n), '"');
	if (end >= s.n)
		return (struct str){ 0 };
	*rest = str_sub(s, end + 1, s.n);
	return str_sub(s, 0, end);
}

/* NULL, or what is wrong. */
static const char *cut(struct str line, struct parts *p)
{
	*p = (struct parts){ 0 };
	if (!cut_time(&line, p))
		return "no access log line: CLIENT - USER [TIME] is missing";
	p->request = cut_quoted(&line);
	if (!p->request.p)
		return "no access log line: no \"REQUEST\"";
	p->status = text_word(&line);
	p->bytes = text_word(&line);
	p->referer = cut_quoted(&line);
	p->agent = cut_quoted(&line);
	return p->status.n ? NULL : "no access log line: no status";
}

static void put_text(struct event *ev, struct str name, struct str text)
{
	if (text.p && !str_eq(text, STR("-")))
		text_put(ev, name, text_unescape(&ev->scratch, text));
}

/* METHOD TARGET [HTTP/V], where TARGET may hold blanks that a client didn't encode. */
static void put_request(struct event *ev, struct str request)
{
	struct str rest = request, method, version = { 0 };
	if (str_eq(request, STR("-")))
		return;
	method = str_sub(rest, 0, str_find(rest, ' '));
	bool http = method.n && method.n < rest.n;
	for (size_t i = 0; i < method.n; i++)
		http = http && (text_is_letter(method.p[i]) || method.p[i] == '-' || method.p[i] == '_');
	if (!http) {
		put_text(ev, STR("c-uri"), request);
		return;
	}
	rest = str_sub(rest, method.n + 1, rest.n);
	for (size_t i = rest.n; i-- > 0 && !version.p;)
		if (rest.p[i] == ' ') {
			if (!str_starts(str_sub(rest, i + 1, rest.n), STR("HTTP/")))
				break;
			version = str_sub(rest, i + 1, rest.n);
			rest = str_sub(rest, 0, i);
		}
	struct str uri = text_unescape(&ev->scratch, rest);
	size_t stem = str_find(uri, '?');
	text_put(ev, STR("cs-method"), method);
	text_put(ev, STR("c-uri"), uri);
	text_put(ev, STR("cs-uri-stem"), str_sub(uri, 0, stem));
	if (stem < uri.n)
		text_put(ev, STR("cs-uri-query"), str_sub(uri, stem + 1, uri.n));
	text_put(ev, STR("cs-version"), version);
}

static int parse(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err)
{
	struct parts p;
	const char *wrong = cut(record, &p);
	if (wrong)
		return err_set(err, -EBADMSG, "%s", wrong);
	text_event(ev);
	event_parse_time(p.time, &ev->time);
	put_text(ev, STR("cs-host"), p.host);
	put_text(ev, STR("c-ip"), p.client);
	put_text(ev, STR("cs-username"), p.user);
	put_request(ev, p.request);
	if (text_type(p.status) == VALUE_NUMBER)
		text_put_number(ev, STR("sc-status"), p.status);
	if (text_type(p.bytes) == VALUE_NUMBER)
		text_put_number(ev, STR("sc-bytes"), p.bytes);
	put_text(ev, STR("cs-referer"), p.referer);
	put_text(ev, STR("cs-user-agent"), p.agent);
	return 0;
}

static bool fits(struct str line)
{
	struct parts p;
	return !cut(line, &p);
}

static int score(struct str head)
{
	return text_score(head, fits, 95);
}

const struct format intake_combined = {
	.name = "combined",
	.what = "access logs of Apache and nginx",
	.framing = FRAME_LINE,
	.score = score,
	.parse = parse,
};
