/* Who may call: nothing but the very token, with the scopes it has, until it expires. */
#include "store/state.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECRET "0123456789abcdefghijklmnopqrstuvwxyzABCDE-_"
#define OTHER  "1123456789abcdefghijklmnopqrstuvwxyzABCDE-_"

static struct token make(const char *id, const char *secret, uint32_t scopes, int64_t expires)
{
	struct token t = { .scopes = scopes, .expires = expires };
	assert_int_equal(strlen(id), TOKEN_ID);
	assert_int_equal(strlen(secret), TOKEN_SECRET);
	memcpy(t.id, id, TOKEN_ID);
	crypto_generichash(t.hash, sizeof(t.hash), (const unsigned char *)secret, TOKEN_SECRET, NULL, 0);
	return t;
}

static void test_check(void **state)
{
	const struct token t[] = {
		make("aaaaaaaaaaaa", OTHER, SCOPE_READ, 0),
		make("bbbbbbbbbbbb", SECRET, SCOPE_INGEST | SCOPE_METRICS, 1000),
	};
	struct str b = STR("bbbbbbbbbbbb." SECRET);
	assert_ptr_equal(token_check(t, 2, b, SCOPE_INGEST, 0), &t[1]);
	assert_ptr_equal(token_check(t, 2, b, SCOPE_INGEST | SCOPE_METRICS, 999), &t[1]);
	assert_ptr_equal(token_check(t, 2, b, 0, 999), &t[1]);
	assert_null(token_check(t, 2, b, SCOPE_INGEST, 1000));
	assert_null(token_check(t, 2, b, SCOPE_READ, 0));
	assert_null(token_check(t, 2, b, SCOPE_INGEST | SCOPE_READ, 0));
	assert_null(token_check(t, 1, b, SCOPE_INGEST, 0));
	assert_null(token_check(t, 0, b, 0, 0));
	/* the id of one with the secret of the other */
	assert_null(token_check(t, 2, STR("aaaaaaaaaaaa." SECRET), 0, 0));
}

static void test_tampered(void **state)
{
	const struct token t = make("bbbbbbbbbbbb", SECRET, SCOPES_ALL, 0);
	char given[] = "bbbbbbbbbbbb." SECRET "x";
	struct str whole = { given, TOKEN_TEXT - 1 };
	assert_non_null(token_check(&t, 1, whole, 0, 0));
	for (size_t i = 0; i < whole.n; i++) {
		for (int bit = 0; bit < 8; bit++) {
			given[i] ^= (char)(1 << bit);
			assert_null(token_check(&t, 1, whole, 0, 0));
			given[i] ^= (char)(1 << bit);
		}
		assert_null(token_check(&t, 1, str_sub(whole, 0, i), 0, 0));
	}
	assert_null(token_check(&t, 1, (struct str){ given, TOKEN_TEXT }, 0, 0));
	assert_null(token_check(&t, 1, (struct str){ NULL, 0 }, 0, 0));
}

static void test_scopes(void **state)
{
	static const struct {
		const char *words;
		uint32_t want; /* 0: refused */
	} cases[] = {
		{ "ingest", SCOPE_INGEST },
		{ "read,ingest", SCOPE_INGEST | SCOPE_READ },
		{ " metrics , admin", SCOPE_METRICS | SCOPE_ADMIN },
		{ "ingest,ingest", SCOPE_INGEST },
		{ "", 0 },
		{ ",", 0 },
		{ "ingest,", 0 },
		{ "ingest read", 0 },
		{ "Ingest", 0 },
		{ "all", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t got = 77;
		struct err err = { 0 };
		int code = token_scopes(str_from(cases[i].words), &got, &err);
		assert_int_equal(code, cases[i].want ? 0 : -EINVAL);
		assert_int_equal(got, cases[i].want ? cases[i].want : 77);
		assert_true(!code || strstr(err.text, "ingest,read,metrics,admin"));
	}
	for (uint32_t scopes = 1; scopes <= SCOPES_ALL; scopes++) {
		struct buf names = { 0 };
		uint32_t back;
		token_scope_names(scopes, &names);
		assert_int_equal(token_scopes(buf_str(&names), &back, NULL), 0);
		assert_int_equal(back, scopes);
		buf_free(&names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_scopes),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
