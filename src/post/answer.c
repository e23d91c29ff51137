#include "post/answer.h"

#include <errno.h>
#include <strings.h>

enum { RETRY_MAX = 3600, CHUNK_DIGITS = 8 };

void answer_done(struct answer *a)
{
	buf_free(&a->body);
	buf_free(&a->line);
	*a = (struct answer){ 0 };
}

void answer_reset(struct answer *a)
{
	struct buf body = a->body, line = a->line;
	body.n = line.n = 0;
	body.failed = line.failed = false;
	*a = (struct answer){ .body = body, .line = line };
}

static bool is_called(struct str name, const char *wanted)
{
	return name.n == strlen(wanted) && strncasecmp(name.p, wanted, name.n) == 0;
}

/* Digits alone, up to `max`. */
static bool number(struct str s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || (v = v * 10 + (uint64_t)(s.p[i] - '0')) > max)
			return false;
	}
	*ret = v;
	return s.n != 0;
}

/* Whether a list of words has this one. */
static bool has_word(struct str list, const char *word)
{
	while (list.n) {
		size_t n = str_find(list, ',');
		if (is_called(str_trim(str_sub(list, 0, n)), word))
			return true;
		list = str_sub(list, n + 1, list.n);
	}
	return false;
}

struct head {
	bool has_length, chunked, close, keep;
	uint64_t length;
};

static int header(struct answer *a, struct head *h, struct str line)
{
	const size_t colon = str_find(line, ':');
	const struct str name = str_sub(line, 0, colon), value = str_trim(str_sub(line, colon + 1, line.n));
	uint64_t v;
	if (!colon || colon == line.n || (unsigned char)line.p[0] <= ' ')
		return -EBADMSG; /* folded lines are gone since RFC 7230 */
	if (is_called(name, "content-length")) {
		if (!number(value, UINT32_MAX, &v) || (h->has_length && h->length != v))
			return -EBADMSG;
		h->length = v;
		h->has_length = true;
	} else if (is_called(name, "transfer-encoding")) {
		if (!is_called(value, "chunked"))
			return -EBADMSG;
		h->chunked = true;
	} else if (is_called(name, "connection")) {
		h->close = h->close || has_word(value, "close");
		h->keep = h->keep || has_word(value, "keep-alive");
	} else if (is_called(name, "retry-after")) {
		/* a date is as good as nothing: whose clock is right? */
		a->retry_after = number(value, UINT32_MAX, &v) ? (unsigned)(v < RETRY_MAX ? v : RETRY_MAX) : 0;
	}
	return 0;
}

static struct str take_line(struct str *s)
{
	const size_t n = str_find(*s, '\n');
	struct str line = str_sub(*s, 0, n);
	*s = str_sub(*s, n + 1, s->n);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* "HTTP/1.1 200 OK" */
static int status_line(struct answer *a, struct head *h, struct str line)
{
	uint64_t status;
	if (line.n < 12 || !str_starts(line, STR("HTTP/1.")) || (line.p[7] != '0' && line.p[7] != '1') ||
	    line.p[8] != ' ' || !number(str_sub(line, 9, 3), 599, &status) || status < 100 ||
	    (line.n > 12 && line.p[12] != ' '))
		return -EBADMSG;
	a->status = (int)status;
	h->keep = line.p[7] == '1';
	return 0;
}

static int parse_head(struct answer *a)
{
	struct str left = buf_str(&a->line);
	struct head h = { 0 };
	int code = status_line(a, &h, take_line(&left));
	for (struct str line; !code && (line = take_line(&left)).n;)
		code = header(a, &h, line);
	a->line.n = 0;
	if (code || (h.chunked && h.has_length) || a->status == 101)
		return -EBADMSG;
	if (a->status < 200) { /* "go on"; the answer comes behind it */
		a->part = ANSWER_IN_HEAD;
		a->status = 0;
		return ++a->interim > ANSWER_INTERIM ? -EBADMSG : 0;
	}
	a->keeps = h.keep && !h.close;
	a->left = h.length;
	if (h.has_length && h.length > ANSWER_BODY)
		return -E2BIG;
	a->until_close = !h.chunked && !h.has_length && a->status != 204 && a->status != 304;
	a->keeps = a->keeps && !a->until_close;
	a->part = h.chunked                                                                ? ANSWER_IN_CHUNK_LINE
	          : a->status == 204 || a->status == 304 || (!h.length && !a->until_close) ? ANSWER_WHOLE
	                                                                                   : ANSWER_IN_BODY;
	return 0;
}

/* Up to the end of a line, or of an empty one (head). How many bytes; a->line has them. *whole: the end is there. */
static long gather(struct answer *a, struct str bytes, bool head, bool *whole)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (a->line.n == ANSWER_HEAD)
			return -E2BIG;
		buf_putc(&a->line, bytes.p[i]);
		if (a->line.failed)
			return -ENOMEM;
		const struct str s = buf_str(&a->line);
		if (bytes.p[i] != '\n')
			continue;
		if (head ? str_ends(s, STR("\n\n")) || str_ends(s, STR("\n\r\n")) : true) {
			*whole = true;
			return (long)i + 1;
		}
	}
	return (long)bytes.n;
}

static int chunk_line(struct answer *a)
{
	struct str left = buf_str(&a->line), line = take_line(&left);
	uint64_t n = 0;
	size_t i = 0;
	if (a->after_chunk != !line.n)
		return -EBADMSG;
	if (a->after_chunk) {
		a->after_chunk = false;
		a->line.n = 0;
		return 0;
	}
	for (; i < line.n && i < CHUNK_DIGITS; i++) {
		const char c = line.p[i], small = (char)(c | 32);
		if (c >= '0' && c <= '9')
			n = n * 16 + (uint64_t)(c - '0');
		else if (small >= 'a' && small <= 'f')
			n = n * 16 + (uint64_t)(small - 'a' + 10);
		else
			break;
	}
	if (!i || (i < line.n && line.p[i] != ';' && line.p[i] != ' '))
		return -EBADMSG;
	a->line.n = 0;
	a->left = n;
	a->lines = n ? a->lines : 0;
	a->part = n ? ANSWER_IN_CHUNK : ANSWER_IN_TRAILER;
	return 0;
}

static long body(struct answer *a, struct str bytes)
{
	const size_t n = !a->until_close && bytes.n > a->left ? a->left : bytes.n;
	if (a->body.n + n > ANSWER_BODY)
		return -E2BIG;
	buf_add(&a->body, str_sub(bytes, 0, n));
	if (a->body.failed)
		return -ENOMEM;
	a->left -= a->until_close ? 0 : n;
	a->after_chunk = !a->left && a->part == ANSWER_IN_CHUNK;
	if (!a->left && !a->until_close)
		a->part = a->part == ANSWER_IN_CHUNK ? ANSWER_IN_CHUNK_LINE : ANSWER_WHOLE;
	return (long)n;
}

static long lines(struct answer *a, struct str bytes)
{
	bool whole = false;
	int code = 0;
	/* the trailer's end is an empty line, which may be its first */
	long n = gather(a, bytes, a->part == ANSWER_IN_HEAD, &whole);
	a->lines += n > 0 && a->part != ANSWER_IN_HEAD ? (size_t)n : 0;
	if (n > 0 && a->lines > (a->part == ANSWER_IN_TRAILER ? (size_t)ANSWER_HEAD : ANSWER_BODY))
		return -E2BIG;
	if (n < 0 || !whole)
		return n;
	if (a->part == ANSWER_IN_HEAD)
		code = parse_head(a);
	else if (a->part == ANSWER_IN_CHUNK_LINE)
		code = chunk_line(a);
	else if (a->line.p[0] == '\n' || str_eq(buf_str(&a->line), STR("\r\n")))
		a->part = ANSWER_WHOLE;
	a->line.n = a->part == ANSWER_IN_TRAILER ? 0 : a->line.n;
	return code ? code : n;
}

long answer_feed(struct answer *a, struct str bytes)
{
	long used = 0;
	while (bytes.n && a->part != ANSWER_WHOLE) {
		const bool in_body = a->part == ANSWER_IN_BODY || a->part == ANSWER_IN_CHUNK;
		long n = in_body ? body(a, bytes) : lines(a, bytes);
		if (n < 0)
			return n;
		used += n;
		bytes = str_sub(bytes, (size_t)n, bytes.n);
	}
	return used;
}

int answer_close(struct answer *a)
{
	if (a->part == ANSWER_IN_BODY && a->until_close)
		a->part = ANSWER_WHOLE;
	return a->part == ANSWER_WHOLE ? 0 : -EPIPE;
}
