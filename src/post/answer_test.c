/* Answers, however they are cut; and what is none. */
#include "post/answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int read_cut(struct answer *a, const char *text, size_t piece)
{
	const struct str s = str_from(text);
	*a = (struct answer){ 0 };
	for (size_t at = 0; at < s.n && !answer_is_whole(a); at += piece) {
		long n = answer_feed(a, str_sub(s, at, piece));
		if (n < 0)
			return (int)n;
	}
	return answer_is_whole(a) ? 0 : answer_close(a);
}

static void whole(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *body;
		bool keeps;
		unsigned retry_after;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", true, 0 },
		{ "HTTP/1.1 200 OK\ncontent-length:3\n\nabc", 200, "abc", true, 0 },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false, 0 },
		{ "HTTP/1.1 503 x\r\nRetry-After: 17\r\nConnection: a, Close\r\nContent-Length: 0\r\n\r\n", 503, "",
		  false, 17 },
		{ "HTTP/1.1 429 x\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", 429, "", true, 0 },
		{ "HTTP/1.1 100 go on\r\n\r\nHTTP/1.1 204\r\n\r\n", 204, "", true, 0 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nX: "
		  "y\r\n\r\n",
		  200, "abc0123456789", true, 0 },
		{ "HTTP/1.1 200 OK\r\n\r\nuntil it closes", 200, "until it closes", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t piece = 1; piece < 40; piece++) {
			struct answer a;
			assert_int_equal(read_cut(&a, cases[i].text, piece), 0);
			assert_int_equal(a.status, cases[i].status);
			assert_true(str_eq(buf_str(&a.body), str_from(cases[i].body)));
			assert_int_equal(a.keeps, cases[i].keeps);
			assert_int_equal(a.retry_after, cases[i].retry_after);
			answer_done(&a);
		}
}

static void refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{ "HTTP/2 200 OK\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 20 OK\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 999 OK\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 101 x\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\n folded: x\r\n\r\nabc", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", -E2BIG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", -EPIPE },
		{ "HTTP/1.1 200 OK\r\nContent-", -EPIPE },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n\r\n0\r\n\r\n", -EBADMSG },
		{ "", -EPIPE },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct answer a;
		assert_int_equal(read_cut(&a, cases[i].text, 5), cases[i].code);
		answer_done(&a);
	}
}

/* Nobody can go on for ever. */
static void endless(void **state)
{
	static const struct {
		const char *begins, *goes_on;
		int code;
		size_t most;
	} cases[] = {
		{ "", "HTTP/1.1 100 go on\r\n\r\n", -EBADMSG, 9 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n", -E2BIG, 3000 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;long=yyyyyyyyyyy\r\na\r\n", -E2BIG,
		  60000 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct answer a = { 0 };
		long n = answer_feed(&a, str_from(cases[i].begins));
		size_t times = 0;
		for (; n >= 0 && times <= cases[i].most; times++)
			n = answer_feed(&a, str_from(cases[i].goes_on));
		assert_int_equal(n, cases[i].code);
		assert_true(times <= cases[i].most);
		answer_done(&a);
	}
}

/* What follows the answer is the next one's. */
static void one_behind_the_other(void **state)
{
	const struct str s =
	        STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 no\r\nContent-Length: 1\r\n\r\nb");
	struct answer a = { 0 };
	long n = answer_feed(&a, s);
	assert_int_equal(n, s.n / 2);
	assert_int_equal(a.status, 200);
	answer_reset(&a);
	assert_int_equal(answer_feed(&a, str_sub(s, (size_t)n, s.n)), s.n - (size_t)n);
	assert_int_equal(a.status, 404);
	assert_true(str_eq(buf_str(&a.body), STR("b")));
	answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(refused),
		cmocka_unit_test(endless),
		cmocka_unit_test(one_behind_the_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
