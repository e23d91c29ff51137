#include "drill/http.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

void drill_http_again(struct http_answer *a)
{
	free(a->head);
	*a = (struct http_answer){ 0 };
}

/* The next line of a head, without its end. */
static bool next_line(struct str head, size_t *at, struct str *line)
{
	if (*at >= head.n)
		return false;
	const struct str rest = str_sub(head, *at, head.n);
	const size_t n = str_find(rest, '\n');
	*line = str_sub(rest, 0, n && n < rest.n && rest.p[n - 1] == '\r' ? n - 1 : n);
	*at += n + 1;
	return true;
}

struct str drill_http_header(struct str head, const char *name, size_t *at)
{
	const size_t n = strlen(name);
	struct str line;
	while (next_line(head, at, &line))
		if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0)
			return str_trim(str_sub(line, n + 1, line.n));
	return (struct str){ 0 };
}

static bool has_word(struct str value, const char *word)
{
	const size_t n = strlen(word);
	for (size_t i = 0; i + n <= value.n; i++)
		if (strncasecmp(value.p + i, word, n) == 0)
			return true;
	return false;
}

static int read_length(struct str value, uint64_t *ret)
{
	uint64_t n = 0;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9' || n > UINT64_MAX / 100)
			return -EPROTO;
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	*ret = n;
	return value.n ? 0 : -EPROTO;
}

/* "HTTP/1.1 200" */
static int read_status(struct http_answer *a, struct str line)
{
	if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ')
		return -EPROTO;
	a->status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return -EPROTO;
		a->status = (uint16_t)(a->status * 10 + (line.p[i] - '0'));
	}
	a->closes = line.p[7] == '0';
	return a->status < 100 || a->status > 599 ? -EPROTO : 0;
}

/* What of the head says where the answer ends. Looks at few lines closely: it runs a hundred thousand times a second. */
static int read_head(struct http_answer *a, struct str head)
{
	size_t at = 0;
	struct str line;
	bool chunked = false, length = false;
	int code = next_line(head, &at, &line) ? read_status(a, line) : -EPROTO;
	while (!code && next_line(head, &at, &line)) {
		if (line.n >= 15 && strncasecmp(line.p, "content-length:", 15) == 0) {
			code = read_length(str_trim(str_sub(line, 15, line.n)), &a->left);
			length = true;
		} else if (line.n >= 18 && strncasecmp(line.p, "transfer-encoding:", 18) == 0)
			chunked = has_word(str_sub(line, 18, line.n), "chunked");
		else if (line.n >= 11 && strncasecmp(line.p, "connection:", 11) == 0)
			a->closes = a->closes || has_word(str_sub(line, 11, line.n), "close");
	}
	if (code)
		return code;
	if (a->status < 200) { /* something before the answer */
		drill_http_again(a);
		return 0;
	}
	if (a->status == 204 || a->status == 304 || (length && !chunked && !a->left))
		a->at = HTTP_DONE;
	else
		a->at = chunked ? HTTP_CHUNK_SIZE : length ? HTTP_LENGTH : HTTP_TO_END;
	a->closes = a->closes || a->at == HTTP_TO_END;
	if (chunked)
		a->left = 0;
	return 0;
}

static int keep(struct http_answer *a, struct str in)
{
	if (a->n_head + in.n > HTTP_HEAD_MAX)
		return -EMSGSIZE;
	if (!a->head && !(a->head = malloc(HTTP_HEAD_MAX)))
		return -ENOMEM;
	memcpy(a->head + a->n_head, in.p, in.n);
	a->n_head = (uint16_t)(a->n_head + in.n);
	return 0;
}

/* The head: in one piece as a rule, then nothing is copied. */
static ssize_t take_head(struct http_answer *a, struct str in, const struct http_sink *sink)
{
	struct str head = in;
	const size_t had = a->n_head;
	if (a->head) {
		const size_t more = in.n < HTTP_HEAD_MAX - had ? in.n : HTTP_HEAD_MAX - had;
		if (!more)
			return -EMSGSIZE;
		keep(a, str_sub(in, 0, more));
		head = (struct str){ a->head, a->n_head };
	}
	const char *end = memmem(head.p, head.n, "\r\n\r\n", 4);
	if (!end) {
		const int code = a->head ? (a->n_head == HTTP_HEAD_MAX ? -EMSGSIZE : 0) : keep(a, in);
		return code ? code : (ssize_t)in.n;
	}
	head.n = (size_t)(end + 2 - head.p);
	const ssize_t used = (ssize_t)(head.n + 2 - had);
	char *held = a->head;
	a->head = NULL;
	a->n_head = 0;
	const int code = read_head(a, head);
	if (!code && a->status && sink && sink->head)
		sink->head(sink->arg, head);
	free(held);
	return code ? code : used;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* A line of chunked coding, a byte at a time. */
static int take_byte(struct http_answer *a, char c)
{
	switch (a->at) {
	case HTTP_CHUNK_SIZE:
		if (c == '\n') {
			if (!a->digits)
				return -EPROTO;
			a->at = a->left ? HTTP_CHUNK : HTTP_TRAILER;
			a->digits = 0;
		} else if (a->digits < 128 && hex(c) >= 0) {
			if (a->digits == 15)
				return -EPROTO;
			a->left = a->left * 16 + (unsigned)hex(c);
			a->digits++;
		} else if (a->digits && a->digits < 255) { /* an extension, or the CR: 127 bytes of it */
			a->digits = (uint8_t)(a->digits < 128 ? 128 : a->digits + 1);
		} else {
			return -EPROTO;
		}
		return 0;
	case HTTP_CHUNK_END:
		if (c == '\n')
			a->at = HTTP_CHUNK_SIZE;
		return c == '\n' || c == '\r' ? 0 : -EPROTO;
	default: /* a trailer; an empty line is the end */
		if (c == '\n' && !a->digits)
			a->at = HTTP_DONE;
		else if (c == '\n')
			a->digits = 0;
		else if (c != '\r')
			a->digits = 1;
		return 0;
	}
}

ssize_t drill_http_take(struct http_answer *a, struct str in, const struct http_sink *sink)
{
	size_t used = 0;
	while (used < in.n && a->at != HTTP_DONE) {
		const struct str rest = str_sub(in, used, in.n);
		ssize_t n = 1;
		if (a->at == HTTP_HEAD)
			n = take_head(a, rest, sink);
		else if (a->at == HTTP_LENGTH || a->at == HTTP_CHUNK || a->at == HTTP_TO_END) {
			const bool all = a->at == HTTP_TO_END || rest.n < a->left;
			n = (ssize_t)(all ? rest.n : a->left);
			if (sink && sink->body)
				sink->body(sink->arg, str_sub(rest, 0, (size_t)n));
			if (a->at != HTTP_TO_END && (a->left -= (uint64_t)n) == 0)
				a->at = a->at == HTTP_LENGTH ? HTTP_DONE : HTTP_CHUNK_END;
		} else {
			const int code = take_byte(a, *rest.p);
			n = code ? code : 1;
		}
		if (n < 0)
			return n;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

bool drill_http_ended(struct http_answer *a)
{
	if (a->at == HTTP_TO_END)
		a->at = HTTP_DONE;
	return a->at == HTTP_DONE;
}

const struct http_browser *drill_http_browser(uint64_t n)
{
	static const struct http_browser all[] = {
		{ "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
		  "Safari/537.36",
		  "vi-VN,vi;q=0.9,en-US;q=0.6,en;q=0.5" },
		{ "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile "
		  "Safari/537.36",
		  "vi-VN,vi;q=0.9" },
		{ "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
		  "Version/18.1 "
		  "Mobile/15E148 Safari/604.1",
		  "vi-VN,vi;q=0.9" },
		{ "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "en-US,en;q=0.5" },
		{ "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
		  "Version/18.1 "
		  "Safari/605.1.15",
		  "zh-CN,zh-Hans;q=0.9" },
	};
	return &all[n % ARRAY_LEN(all)];
}
