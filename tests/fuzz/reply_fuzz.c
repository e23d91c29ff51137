/*
 * What a drill is answered, HTTP/1.1 and HTTP/2: whatever comes, the same is understood however it was cut into pieces; no more is taken
 * than there was.
 */
#include "drill/h2.h"
#include "drill/http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
	uint64_t body, head;
};

static void mix(uint64_t *hash, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		*hash = (*hash ^ (unsigned char)s.p[i]) * 1099511628211U;
}

static void see_head(void *arg, struct str head)
{
	size_t at = 0;
	mix(&((struct seen *)arg)->head, head);
	while (drill_http_header(head, "Set-Cookie", &at).p)
		continue;
}

static void see_body(void *arg, struct str piece)
{
	mix(&((struct seen *)arg)->body, piece);
}

struct end {
	struct seen seen;
	uint16_t status;
	uint8_t at;
	bool closes, failed;
	size_t used;
};

static struct end take(struct str all, size_t piece)
{
	struct end e = { .used = 0 };
	struct http_answer a = { 0 };
	const struct http_sink sink = { see_head, see_body, &e.seen };
	while (e.used < all.n && a.at != HTTP_DONE && !e.failed) {
		const struct str part = str_sub(all, e.used, piece);
		const ssize_t n = drill_http_take(&a, part, &sink);
		if (n > (ssize_t)part.n || (n >= 0 && n < (ssize_t)part.n && a.at != HTTP_DONE))
			abort();
		e.failed = n < 0;
		e.used += n > 0 ? (size_t)n : 0;
	}
	e.status = a.status;
	e.at = a.at;
	e.closes = a.closes;
	drill_http_again(&a);
	return e;
}

static int take_h2(struct str all, size_t piece, uint16_t *status)
{
	static const struct str block = { "\x82", 1 };
	struct h2 h = { .going = true };
	int code = 0;
	if (drill_h2_ask(&h, block))
		abort();
	h.n_out = 0;
	for (size_t i = 0; i < all.n && !code; i += piece)
		code = drill_h2_take(&h, str_sub(all, i, piece));
	if (h.n_out > H2_OUT || (code == 1 && (h.status < 200 || h.status > 599)))
		abort();
	*status = h.status;
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint16_t whole_status, status;
	if (!n || n > 8192)
		return 0;
	const struct str all = { (const char *)data + 1, n - 1 };
	const size_t piece = 1 + data[0] % 64;
	const struct end whole = take(all, all.n ? all.n : 1), parts = take(all, piece);
	if (whole.failed != parts.failed)
		abort();
	if (!whole.failed &&
	    (whole.used != parts.used || whole.status != parts.status || whole.at != parts.at ||
	     whole.closes != parts.closes || whole.seen.body != parts.seen.body || whole.seen.head != parts.seen.head))
		abort();
	const int code = take_h2(all, piece, &status);
	/* in one piece it goes on to the end of it, behind an answer */
	if (code == 1 && take_h2(all, 1, &whole_status) != 1)
		abort();
	return 0;
}
