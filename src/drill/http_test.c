#include "drill/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
	char head[HTTP_HEAD_MAX], body[4096];
	size_t n_head, n_body;
	unsigned heads;
};

static void see_head(void *arg, struct str head)
{
	struct seen *s = arg;
	memcpy(s->head, head.p, head.n);
	s->n_head = head.n;
	s->heads++;
}

static void see_body(void *arg, struct str piece)
{
	struct seen *s = arg;
	assert_true(s->n_body + piece.n <= sizeof(s->body));
	memcpy(s->body + s->n_body, piece.p, piece.n);
	s->n_body += piece.n;
}

/* Takes a text in pieces of a size; the bytes that were used, or -errno. */
static ssize_t take(struct http_answer *a, struct seen *s, const char *text, size_t piece)
{
	const struct http_sink sink = { see_head, see_body, s };
	const struct str all = str_from(text);
	size_t used = 0;
	*s = (struct seen){ .heads = 0 };
	drill_http_again(a);
	while (used < all.n && a->at != HTTP_DONE) {
		char *copy = malloc(piece); /* of its own: what is read beyond is found */
		const struct str part = str_sub(all, used, piece);
		memcpy(copy, part.p, part.n);
		const ssize_t n = drill_http_take(a, (struct str){ copy, part.n }, &sink);
		free(copy);
		if (n < 0)
			return n;
		assert_true(n > 0 && (size_t)n <= part.n);
		assert_true((size_t)n == part.n || a->at == HTTP_DONE);
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static const struct answer {
	const char *text;
	int status;
	const char *body;
	bool closes;
	unsigned more; /* bytes behind it */
} answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1", 200, "hello", false, 8 },
	{ "HTTP/1.1 429 \r\ncontent-length:0\r\nConnection: close\r\n\r\n", 429, "", true, 0 },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, "", false, 0 },
	{ "HTTP/1.1 204 x\r\n\r\n", 204, "", false, 0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n01\r\n \r\n5\r\nworld\r\n0\r\nX: "
	  "y\r\n\r\nZ",
	  200, "hello world", false, 1 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, "ab",
	  false, 0 },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
	  "2\r\n\r\nok",
	  200, "ok", false, 0 },
};

static void reads_whatever_the_pieces(void **state)
{
	static struct seen seen;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct answer *w = &answers[i];
		for (size_t piece = 1; piece <= strlen(w->text); piece++) {
			struct http_answer a = { 0 };
			assert_int_equal(take(&a, &seen, w->text, piece), strlen(w->text) - w->more);
			assert_int_equal(a.at, HTTP_DONE);
			assert_int_equal(a.status, w->status);
			assert_int_equal(a.closes, w->closes);
			assert_int_equal(seen.n_body, strlen(w->body));
			assert_memory_equal(seen.body, w->body, seen.n_body);
			assert_int_equal(seen.heads, 1);
			drill_http_again(&a);
		}
	}
}

static void ends_with_the_connection(void **state)
{
	static struct seen seen;
	struct http_answer a = { 0 };
	take(&a, &seen, "HTTP/1.0 200 OK\r\n\r\nall of it", 7);
	assert_int_equal(a.at, HTTP_TO_END);
	assert_true(drill_http_ended(&a));
	assert_int_equal(seen.n_body, 9);
	take(&a, &seen, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", 100);
	assert_false(drill_http_ended(&a));
	take(&a, &seen, "HTTP/1.1 200 OK\r\nConte", 100);
	assert_false(drill_http_ended(&a));
	drill_http_again(&a);
}

static void refuses(void **state)
{
	static const char *const wrong[] = {
		"SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/2 200 OK \r\n\r\n",
		"HTTP/1.1 20x OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 600 OK\r\n\r\n",
		"\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1111111111111111\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX",
	};
	static struct seen seen;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		for (size_t piece = 1; piece < 80; piece += 13) {
			struct http_answer a = { 0 };
			assert_int_equal(take(&a, &seen, wrong[i], piece), -EPROTO);
			drill_http_again(&a);
		}
}

static void bounds_the_head(void **state)
{
	static struct seen seen;
	static char text[2 * HTTP_HEAD_MAX];
	struct http_answer a = { 0 };
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
	assert_int_equal(take(&a, &seen, text, 1000), -EMSGSIZE);
	drill_http_again(&a);
}

static void finds_headers(void **state)
{
	const struct str head = STR("HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nX-Set-Cookie: no\r\nset-cookie:b=2 "
	                            "\r\nRetry-After: 7\r\n");
	size_t at = 0;
	assert_true(str_eq(drill_http_header(head, "Set-Cookie", &at), STR("a=1; Path=/")));
	assert_true(str_eq(drill_http_header(head, "Set-Cookie", &at), STR("b=2")));
	assert_null(drill_http_header(head, "Set-Cookie", &at).p);
	at = 0;
	assert_true(str_eq(drill_http_header(head, "retry-after", &at), STR("7")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_whatever_the_pieces),
		cmocka_unit_test(ends_with_the_connection),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bounds_the_head),
		cmocka_unit_test(finds_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
