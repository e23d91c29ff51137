#include "flood/pass.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>

enum { NOON = 1795348800 };

static struct pass_key key_of(char c)
{
	struct pass_key k = { .there = true };
	memset(k.bytes, c, sizeof(k.bytes));
	return k;
}

static struct pass some(void)
{
	return (struct pass){
		.id = 0x0123456789abcdef, .issued_s = NOON, .begins_s = NOON, .bound = 0xfedcba98, .flags = 5
	};
}

static struct flood_addr addr(const char *text)
{
	struct flood_addr a;
	uint8_t bits;
	assert_int_equal(list_prefix(str_from(text), &a, &bits, NULL), 0);
	return a;
}

static void made_is_valid(void **state)
{
	struct pass_key key = key_of('a');
	struct pass p = some(), got;
	char text[PASS_TEXT + 1];
	pass_make(&key, &p, text);
	assert_int_equal(strlen(text), PASS_TEXT);
	assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), PASS_TEXT);
	assert_int_equal(pass_read(&key, NULL, str_from(text), p.bound, NOON, &got), PASS_VALID);
	assert_true(got.id == p.id);
	assert_int_equal(got.issued_s, p.issued_s);
	assert_int_equal(got.begins_s, p.begins_s);
	assert_int_equal(got.bound, p.bound);
	assert_int_equal(got.flags, p.flags);
	(void)state;
}

static void states(void **state)
{
	struct pass_key key = key_of('a');
	struct pass p = some(), got = { 0 };
	char text[PASS_TEXT + 1];
	p.begins_s = NOON + 60;
	pass_make(&key, &p, text);
	const struct {
		int64_t at;
		uint32_t bound;
		enum pass_state want;
	} t[] = {
		{ NOON - 600, p.bound, PASS_EARLY }, /* the clock went back */
		{ NOON + 59, p.bound, PASS_EARLY },
		{ NOON + 59, p.bound + 1, PASS_MOVED },
		{ NOON + 60, p.bound, PASS_VALID },
		{ NOON + 60, p.bound ^ 0x80000000, PASS_MOVED },
		{ NOON + PASS_DAYS * 86400 - 1, p.bound, PASS_VALID },
		{ NOON + PASS_DAYS * 86400, p.bound, PASS_EXPIRED },
		{ NOON + PASS_DAYS * 86400, p.bound + 1, PASS_EXPIRED },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		memset(&got, 0, sizeof(got));
		assert_int_equal(pass_read(&key, NULL, str_from(text), t[i].bound, t[i].at, &got), t[i].want);
		assert_true(got.id == p.id && got.flags == p.flags && got.begins_s == p.begins_s);
	}
	(void)state;
}

static void none_and_forged_write_nothing(void **state)
{
	struct pass_key key = key_of('a'), other = key_of('b'), missing = { 0 };
	struct pass p = some(), got = { .id = 77 };
	char text[PASS_TEXT + 1], longer[PASS_TEXT + 2];
	pass_make(&key, &p, text);
	memcpy(longer, text, PASS_TEXT);
	memcpy(longer + PASS_TEXT, "A", 2);
	assert_int_equal(pass_read(&key, NULL, (struct str){ 0 }, p.bound, NOON, &got), PASS_NONE);
	assert_int_equal(pass_read(&other, NULL, str_from(text), p.bound, NOON, &got), PASS_FORGED);
	assert_int_equal(pass_read(&other, &missing, str_from(text), p.bound, NOON, &got), PASS_FORGED);
	assert_int_equal(pass_read(&missing, &missing, str_from(text), p.bound, NOON, &got), PASS_FORGED);
	assert_int_equal(pass_read(&key, NULL, str_from(longer), p.bound, NOON, &got), PASS_FORGED);
	assert_int_equal(pass_read(&key, NULL, str_sub(str_from(text), 0, PASS_TEXT - 1), p.bound, NOON, &got),
	                 PASS_FORGED);
	assert_int_equal(pass_read(&key, NULL, STR("x"), p.bound, NOON, &got), PASS_FORGED);
	assert_int_equal(got.id, 77);
	(void)state;
}

/* No text but the one that was made: each character, each other value; also the two bits that base64 doesn't use. */
static void one_text(void **state)
{
	struct pass_key key = key_of('a'), before = key_of('b');
	struct pass p = some(), got;
	char text[PASS_TEXT + 1];
	p.id = 0x00fbefbefbefbe00; /* its text has '-' */
	pass_make(&key, &p, text);
	assert_non_null(strchr(text, '-'));
	for (size_t i = 0; i < PASS_TEXT; i++) {
		char was = text[i];
		for (int c = -128; c < 128; c++) {
			text[i] = (char)c;
			assert_int_equal(pass_read(&key, &before, (struct str){ text, PASS_TEXT }, p.bound, NOON, &got),
			                 c == was ? PASS_VALID : PASS_FORGED);
		}
		text[i] = was;
	}
	(void)state;
}

/* Signed rightly, by a version to come. */
static void other_versions_are_forged(void **state)
{
	struct pass_key key = key_of('a');
	struct pass got;
	unsigned char wire[PASS_BYTES] = { 2 };
	char text[PASS_TEXT + 1];
	for (int version = 1; version <= 2; version++) {
		wire[0] = (unsigned char)version;
		crypto_shorthash_siphashx24(wire + 22, wire, 22, key.bytes);
		sodium_bin2base64(text, sizeof(text), wire, sizeof(wire), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		assert_int_equal(pass_read(&key, NULL, str_from(text), 0, 0, &got),
		                 version == 1 ? PASS_VALID : PASS_FORGED);
	}
	(void)state;
}

static void times_are_held_within_what_travels(void **state)
{
	struct pass_key key = key_of('a');
	struct pass p = { .issued_s = -5, .begins_s = INT64_MAX }, got;
	char text[PASS_TEXT + 1] = "x";
	pass_make(&key, &p, text);
	assert_int_equal(pass_read(&key, NULL, str_from(text), 0, 0, &got), PASS_EARLY);
	assert_int_equal(got.issued_s, 0);
	assert_int_equal(got.begins_s, UINT32_MAX);
	key.there = false;
	pass_make(&key, &p, text);
	assert_string_equal(text, "");
	(void)state;
}

static void bound_to_network_and_browser(void **state)
{
	struct pass_key key = key_of('a'), other = key_of('b');
	static const struct {
		const char *a, *b;
		bool same;
	} t[] = {
		{ "203.0.113.7", "203.0.113.250", true },        { "203.0.113.7", "203.0.112.7", false },
		{ "203.0.113.7", "::ffff:203.0.113.9", true },   { "2001:db8:1:2::3", "2001:db8:1:ffff::9", true },
		{ "2001:db8:1:2::3", "2001:db8:2:2::3", false }, { "203.0.113.7", "::cb00:7107", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct flood_addr a = addr(t[i].a), b = addr(t[i].b);
		assert_int_equal(pass_bound(&key, &a, 1) == pass_bound(&key, &b, 1), t[i].same);
		assert_int_not_equal(pass_bound(&key, &a, 1), pass_bound(&key, &a, 2));
		assert_int_not_equal(pass_bound(&key, &a, 1), pass_bound(&other, &a, 1));
	}
	(void)state;
}

static void a_changed_key_moves_nobody(void **state)
{
	struct pass_key old = key_of('a'), now = key_of('b'), missing = { 0 };
	struct flood_addr home = addr("203.0.113.7"), away = addr("198.51.100.7");
	struct pass p = some(), got;
	char text[PASS_TEXT + 1];
	p.bound = pass_bound(&old, &home, 9);
	pass_make(&old, &p, text);
	assert_int_equal(pass_read(&now, &old, str_from(text), pass_bound(&now, &home, 9), NOON, &got), PASS_MOVED);
	assert_int_equal(pass_read_from(&now, &old, str_from(text), &home, 9, NOON, &got), PASS_VALID);
	assert_true(got.id == p.id);
	assert_int_equal(pass_read_from(&old, &missing, str_from(text), &home, 9, NOON, &got), PASS_VALID);
	assert_int_equal(pass_read_from(&now, &old, str_from(text), &home, 8, NOON, &got), PASS_MOVED);
	assert_int_equal(pass_read_from(&now, &old, str_from(text), &away, 9, NOON, &got), PASS_MOVED);
	assert_int_equal(pass_read_from(&now, &missing, str_from(text), &home, 9, NOON, &got), PASS_FORGED);
	assert_int_equal(pass_read_from(&now, &old, (struct str){ 0 }, &home, 9, NOON, &got), PASS_NONE);
	(void)state;
}

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "FFfefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0"

static void keys_file(void **state)
{
	static const struct {
		const char *text, *error;
		bool before;
	} t[] = {
		{ HEX_A, NULL, false },
		{ HEX_A "\n", NULL, false },
		{ HEX_A "\n" HEX_B, NULL, true },
		{ HEX_A "\n" HEX_B "\n", NULL, true },
		{ "", "1:", false },
		{ "\n" HEX_A, "1:", false },
		{ HEX_A "\n\n", "2:", false },
		{ HEX_A "\n" HEX_B "0\n", "2:", false },
		{ HEX_A "\r\n", "1:", false },
		{ HEX_A " \n", "1:", false },
		{ "0x" HEX_A, "1:", false },
		{ "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "1:", false },
		{ HEX_A "\n" HEX_B "\n" HEX_A "\n", "3:", false },
		{ HEX_A "\n" HEX_B "\n\n", "3:", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct pass_key now = key_of('n'), before = key_of('b');
		struct err err = { 0 };
		int rc = pass_keys_read(str_from(t[i].text), &now, &before, &err);
		assert_int_equal(rc, t[i].error ? -EINVAL : 0);
		if (rc) {
			assert_true(str_starts(str_from(err.text), str_from(t[i].error)));
			assert_true(now.there && now.bytes[0] == 'n' && before.bytes[0] == 'b');
			continue;
		}
		assert_true(now.there && now.bytes[1] == 1 && now.bytes[31] == 31);
		assert_int_equal(before.there, t[i].before);
		assert_int_equal(before.bytes[0], t[i].before ? 0xff : 0);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_is_valid),
		cmocka_unit_test(states),
		cmocka_unit_test(none_and_forged_write_nothing),
		cmocka_unit_test(one_text),
		cmocka_unit_test(other_versions_are_forged),
		cmocka_unit_test(times_are_held_within_what_travels),
		cmocka_unit_test(bound_to_network_and_browser),
		cmocka_unit_test(a_changed_key_moves_nobody),
		cmocka_unit_test(keys_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
