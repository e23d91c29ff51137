#include "proxy/waf.h"

#include <stdlib.h>

/*
 * Of such a line, what nginx and ModSecurity write of their own accord stands between texts that the visitor chose: names and values of
 * arguments (before the marks), path, request and referrer (behind them), none of them escaped in a way that could be relied on. So a mark
 * counts where it stands once. Who sends a second one makes that field empty, and not another's; so does who sends so much that nginx cuts the
 * line, maybe before its own marks.
 */
enum { LINE_CUT = 2048 - 64 }; /* NGX_MAX_ERROR_STR, and the most that stands before words_of() */

static struct str behind_only(struct str line, struct str mark)
{
	const char *at = memmem(line.p, line.n, mark.p, mark.n);
	if (!at)
		return STR("");
	const struct str rest = str_sub(line, (size_t)(at - line.p) + mark.n, line.n);
	if (memmem(rest.p, rest.n, mark.p, mark.n))
		return STR("");
	return rest;
}

/* What stands in quotes behind a mark; absent where the line was cut within it. */
static struct str quoted(struct str line, struct str mark)
{
	const struct str rest = behind_only(line, mark);
	const size_t n = str_find(rest, '"');
	return n < rest.n ? str_sub(rest, 0, n) : STR("");
}

/* With a NUL, cut to what fits; of anything but plain ASCII a "_" stays. */
static void copy(char *to, size_t size, struct str s)
{
	const size_t n = s.n < size ? s.n : size - 1;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)s.p[i] >= ' ' && (unsigned char)s.p[i] < 0x7f ? s.p[i] : '_';
	to[n] = 0;
}

/* As copy(), or nothing where it has other characters than these. */
static void copy_of(char *to, size_t size, struct str s, const char *allowed)
{
	bool good = s.n < size;
	for (size_t i = 0; i < s.n && good; i++)
		good = s.p[i] && strchr(allowed, s.p[i]);
	copy(to, size, good ? s : STR(""));
}

static void copy_address(struct waf_hit *h, struct str address)
{
	copy_of(h->address, sizeof(h->address), address, "0123456789abcdefABCDEF.:");
}

/* A path ends where a query may begin, however that is written: "?", ";jsessionid=", and both encoded. */
static size_t path_end(struct str s)
{
	static const char *const ends[] = { "?", ";", "#", " ", "\"", "%3f", "%3b", "%23" };
	for (size_t i = 0; i < s.n; i++)
		for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
			const size_t n = strlen(ends[e]);
			if (i + n <= s.n && strncasecmp(s.p + i, ends[e], n) == 0)
				return i;
		}
	return s.n;
}

/* Of "GET /path?query HTTP/1.1" or "GET http://host/path ...". */
static void copy_path(struct waf_hit *h, struct str request)
{
	const size_t method = str_find(request, ' ');
	struct str target = str_sub(request, method + 1, request.n);
	if (!target.n)
		return;
	if (target.p[0] != '/') {
		const char *host = memmem(target.p, target.n, "://", 3);
		target = host ? str_sub(target, (size_t)(host - target.p) + 3, target.n) : STR("");
		target = str_sub(target, str_find(target, '/'), target.n);
	}
	copy(h->path, sizeof(h->path), str_sub(target, 0, path_end(target)));
}

/* CRS's texts end with what was found, in brackets: the score, which is wanted, and else what may be a patient's. */
static void copy_message(struct waf_hit *h, struct str message)
{
	static const char score[] = "Total Score: ";
	const char *bracket = memmem(message.p, message.n, " (", 2);
	const struct str inside = bracket ? str_sub(message, (size_t)(bracket - message.p) + 2, message.n) : STR("");
	if (str_starts(inside, STR("Total Score: ")))
		for (size_t i = sizeof(score) - 1;
		     i < inside.n && inside.p[i] >= '0' && inside.p[i] <= '9' && h->score < 100000; i++)
			h->score = h->score * 10 + (unsigned)(inside.p[i] - '0');
	copy(h->message, sizeof(h->message), bracket ? str_sub(message, 0, (size_t)(bracket - message.p)) : message);
}

static void copy_severity(struct waf_hit *h, struct str severity)
{
	static const char *const names[] = { "emergency", "alert",  "critical", "error",
		                             "warning",   "notice", "info",     "debug" };
	if (severity.n == 1 && severity.p[0] >= '0' && severity.p[0] < '0' + (char)ARRAY_LEN(names))
		copy(h->severity, sizeof(h->severity), str_from(names[severity.p[0] - '0']));
}

/*
 * What follows nginx's "TIME [LEVEL] PID#TID: *CONNECTION ", all of it of nginx's own, also behind the head that syslog puts before it. Absent:
 * the line is of no connection.
 */
static struct str words_of(struct str line)
{
	const char *at = memmem(line.p, line.n, ": *", 3);
	struct str rest = at ? str_sub(line, (size_t)(at - line.p) + 3, line.n) : STR("");
	while (rest.n && rest.p[0] >= '0' && rest.p[0] <= '9')
		rest = str_sub(rest, 1, rest.n);
	return str_sub(rest, 1, rest.n);
}

bool waf_hit_read(struct str line, struct waf_hit *ret)
{
	struct waf_hit h = { 0 };
	struct str rest = words_of(line);
	const bool cut = rest.n >= LINE_CUT;
	if (str_starts(rest, STR("[client "))) { /* before anything that the visitor chose */
		const size_t end = str_find(rest, ']');
		copy_address(&h, str_sub(rest, 8, end - 8));
		rest = str_sub(rest, end + 2, rest.n);
	}
	if (!str_starts(rest, STR("ModSecurity: ")))
		return false;
	rest = str_sub(rest, 13, rest.n);
	h.denied = str_starts(rest, STR("Access denied with "));
	if (!h.denied && !str_starts(rest, STR("Warning. ")))
		return false;
	if (cut)
		rest = STR("");
	if (!h.address[0]) {
		const struct str client = behind_only(rest, STR(", client: "));
		copy_address(&h, str_sub(client, 0, str_find(client, ',')));
	}
	copy_of(h.rule, sizeof(h.rule), quoted(rest, STR(" [id \"")), "0123456789");
	copy_of(h.id, sizeof(h.id), quoted(rest, STR(" [unique_id \"")), "0123456789abcdefABCDEF.-");
	copy_message(&h, h.rule[0] ? quoted(rest, STR(" [msg \"")) : STR(""));
	copy_severity(&h, quoted(rest, STR(" [severity \"")));
	copy_path(&h, behind_only(rest, STR(", request: \"")));
	*ret = h;
	return true;
}
