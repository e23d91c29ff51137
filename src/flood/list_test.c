#include "flood/list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOON = 1795348800 };

static struct flood_addr addr(const char *text)
{
	struct flood_addr a;
	uint8_t bits;
	assert_int_equal(list_prefix(str_from(text), &a, &bits, NULL), 0);
	return a;
}

static void prefixes(void **state)
{
	static const struct {
		const char *text, *written; /* NULL: refused */
		int bits;
	} t[] = {
		{ "203.0.113.7", "203.0.113.7", 128 },
		{ "203.0.113.7/32", "203.0.113.7", 128 },
		{ "203.0.113.7/24", "203.0.113.0/24", 120 },
		{ "255.255.255.255/1", "128.0.0.0/1", 97 },
		{ "0.0.0.0/0", "0.0.0.0/0", 96 },
		{ "::ffff:203.0.113.7", "203.0.113.7", 128 },
		{ "::FFFF:cb00:7107/120", "203.0.113.0/24", 120 },
		{ "::ffff:0:0/96", "0.0.0.0/0", 96 },
		{ "2001:DB8::1", "2001:db8::1", 128 },
		{ "2001:0db8:0::1/64", "2001:db8::/64", 64 },
		{ "2001:db8:ffff::/33", "2001:db8:8000::/33", 33 },
		{ "2000::/3", "2000::/3", 3 },
		{ "::1", "::1", 128 },
		{ "::/96", "::/96", 96 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", 127 },
		{ "", NULL, 0 },
		{ "/24", NULL, 0 },
		{ "203.0.113.07", NULL, 0 },
		{ "203.0.113.007", NULL, 0 },
		{ "0xcb.0.113.7", NULL, 0 },
		{ "203.0.113.256", NULL, 0 },
		{ "203.0.113", NULL, 0 },
		{ "203.0.113.7.", NULL, 0 },
		{ " 203.0.113.7", NULL, 0 },
		{ "203.0.113.7/", NULL, 0 },
		{ "203.0.113.7/33", NULL, 0 },
		{ "203.0.113.7/08", NULL, 0 },
		{ "203.0.113.7/+8", NULL, 0 },
		{ "203.0.113.7/4294967304", NULL, 0 },
		{ "203.0.113.7/24/24", NULL, 0 },
		{ "2001:db8::1/129", NULL, 0 },
		{ "2001:db8:::1", NULL, 0 },
		{ "fe80::1%lo", NULL, 0 },
		{ "[::1]", NULL, 0 },
		{ "::/0", NULL, 0 }, /* would hold IPv4 too */
		{ "::/80", NULL, 0 },
		{ "::ffff:203.0.113.7/95", NULL, 0 },
		{ "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21:22:23:24", NULL, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct flood_addr a = { { 9 } };
		uint8_t bits = 77;
		char text[LIST_PREFIX_TEXT];
		struct err err = { 0 };
		int rc = list_prefix(str_from(t[i].text), &a, &bits, &err);
		if (!t[i].written) {
			assert_int_equal(rc, -EINVAL);
			assert_non_null(strstr(err.text, "write"));
			assert_true(a.b[0] == 9 && bits == 77);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(bits, t[i].bits);
		assert_string_equal(list_prefix_text(&a, bits, text), t[i].written);
	}
	assert_int_equal(list_prefix((struct str){ "1.2.3.4\0", 8 }, &(struct flood_addr){ 0 }, &(uint8_t){ 0 }, NULL),
	                 -EINVAL);
	(void)state;
}

static void reads_what_people_write(void **state)
{
	static const char text[] =
	        "# the hospital's own\n"
	        "allow 10.20.0.0/16 until never by root why \"the hospital's own network\"\n"
	        "\r\n"
	        "\tblock  203.0.113.7\tuntil 2026-11-22T18:00:00Z by an why \"posts \\\"forms\\\" \\\\ over\"\r\n"
	        "block 2001:db8::/32 until 1970-01-01T00:00:00Z by \"Nguyễn An\" why spam";
	struct list_entry e[4];
	size_t n = 9;
	assert_int_equal(list_read(STR(text), e, ARRAY_LEN(e), &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(e[0].action, LIST_ALLOW);
	assert_int_equal(e[0].bits, 112);
	assert_true(e[0].until_s == INT64_MAX);
	assert_string_equal(e[0].why, "the hospital's own network");
	assert_int_equal(e[1].action, LIST_BLOCK);
	assert_int_equal(e[1].until_s, NOON + 6 * 3600);
	assert_string_equal(e[1].by, "an");
	assert_string_equal(e[1].why, "posts \"forms\" \\ over");
	assert_int_equal(e[2].until_s, 0);
	assert_string_equal(e[2].by, "Nguyễn An");
	assert_string_equal(e[2].why, "spam");
	assert_int_equal(list_read(STR(""), e, 0, &n, NULL), 0);
	assert_int_equal(n, 0);
	(void)state;
}

#define WHY_119                                                                                                        \
	"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
	"8901234567\xe2\x80\xa6"

static void says_line_and_what_to_write(void **state)
{
	static const char *const t[][2] = {
		{ "deny 1.2.3.4 until never by a why \"\"", "write allow or block" },
		{ "Allow 1.2.3.4 until never by a why \"\"", "write allow or block" },
		{ "allow", "is no address" },
		{ "allow 1.2.3 until never by a why \"\"", "is no address" },
		{ "allow 1.2.3.4 never by a why \"\"", "write until TIME or never" },
		{ "allow 1.2.3.4 until tomorrow by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-11-22T18:00:00 by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-11-22T18:00:00+07:00 by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-11-22t18:00:00Z by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-02-29T18:00:00Z by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-13-01T18:00:00Z by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-11-22T24:00:00Z by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-11-22T23:59:60Z by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 1969-12-31T23:59:59Z by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until 2026-11-22T18:0 :00Z by a why \"\"", "2026-11-22T18:00:00Z" },
		{ "allow 1.2.3.4 until never", "write by NAME" },
		{ "allow 1.2.3.4 until never by", "by: there is nothing behind it" },
		{ "allow 1.2.3.4 until never by a", "write why" },
		{ "allow 1.2.3.4 until never by a why", "why: there is nothing behind it" },
		{ "allow 1.2.3.4 until never by a why \"b", "doesn't end" },
		{ "allow 1.2.3.4 until never by a why \"b\\\"", "doesn't end" },
		{ "allow 1.2.3.4 until never by a why b c", "'c' behind the end" },
		{ "allow 1.2.3.4 until never by a why \"b\" c", "'c' behind the end" },
		{ "allow 1.2.3.4 until never by a why \"b\tc\"", "write plain text" },
		{ "allow 1.2.3.4 until never by a why \"\xc2\x85\"", "write plain text" },
		{ "allow 1.2.3.4 until never by a why \"\xff\"", "write plain text" },
		{ "allow 1.2.3.4 until never by 01234567890123456789012345678901 why b", "write 31 bytes at most" },
		{ "allow 1.2.3.4 until never by a why \"" WHY_119 "\"", "write 119 bytes at most" },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct list_entry e[2];
		struct err err = { 0 };
		size_t n = 9;
		char text[512];
		snprintf(text, sizeof(text), "# first\nallow 1.2.3.4 until never by a why b\n%s\n", t[i][0]);
		assert_int_equal(list_read(str_from(text), e, ARRAY_LEN(e), &n, &err), -EINVAL);
		assert_true(str_starts(str_from(err.text), STR("3: ")));
		if (!strstr(err.text, t[i][1]))
			fail_msg("'%s' has no '%s'", err.text, t[i][1]);
		assert_int_equal(n, 9);
	}
	(void)state;
}

static void bounds(void **state)
{
	static const char line[] = "allow 1.2.3.4 until never by a why b\n";
	struct list_entry e[1];
	struct err err = { 0 };
	size_t n = 9;
	char *large = malloc(LIST_TEXT + 1);
	assert_non_null(large);
	memset(large, '\n', LIST_TEXT + 1);
	assert_int_equal(list_read((struct str){ large, LIST_TEXT + 1 }, e, 1, &n, &err), -E2BIG);
	assert_int_equal(n, 9);
	memcpy(large + LIST_TEXT - 2 * strlen(line), line, strlen(line));
	assert_int_equal(list_read((struct str){ large, LIST_TEXT }, e, 1, &n, &err), 0);
	assert_int_equal(n, 1);
	memcpy(large + LIST_TEXT - strlen(line), line, strlen(line));
	n = 9;
	assert_int_equal(list_read((struct str){ large, LIST_TEXT }, e, 1, &n, &err), -E2BIG);
	assert_non_null(strstr(err.text, "more than 1 entries"));
	assert_int_equal(n, 9);
	free(large);
	(void)state;
}

static void written_is_read_again(void **state)
{
	struct list_entry e[5] = {
		{ .addr = addr("10.20.0.0"),
		  .bits = 112,
		  .action = LIST_ALLOW,
		  .until_s = INT64_MAX,
		  .by = "root",
		  .why = "own" },
		{ .addr = addr("2001:db8::"), .bits = 32, .action = LIST_BLOCK, .until_s = NOON, .by = "", .why = "" },
		{ .addr = addr("1.2.3.4"), .bits = 128, .action = LIST_NONE, .until_s = NOON, .by = "x", .why = "x" },
		{ .addr = addr("1.2.3.4"),
		  .bits = 128,
		  .action = LIST_BLOCK,
		  .until_s = INT64_MAX - 1,
		  .by = "a b",
		  .why = "Ẩn \"\\ 墙" },
		{ .addr = addr("::1"),
		  .bits = 128,
		  .action = LIST_BLOCK,
		  .until_s = -7,
		  .by = "a\nallow",
		  .why = "\xff\n\x7f" },
	};
	static const char want[] = "allow 10.20.0.0/16 until never by root why \"own\"\n"
	                           "block 2001:db8::/32 until 2026-11-22T12:00:00Z by \"\" why \"\"\n"
	                           "block 1.2.3.4 until 9999-12-31T23:59:59Z by \"a b\" why \"Ẩn \\\"\\\\ 墙\"\n"
	                           "block ::1 until 1970-01-01T00:00:00Z by a?allow why \"???\"\n";
	struct list_entry back[4];
	struct buf out = { 0 }, again = { 0 };
	size_t n = 0;
	list_write(&out, e, ARRAY_LEN(e));
	buf_putc(&out, '\0');
	assert_string_equal(out.p, want);
	assert_int_equal(list_read((struct str){ out.p, out.n - 1 }, back, ARRAY_LEN(back), &n, NULL), 0);
	assert_int_equal(n, ARRAY_LEN(back));
	list_write(&again, back, n);
	buf_putc(&again, '\0');
	assert_string_equal(again.p, want);
	buf_free(&out);
	buf_free(&again);
	(void)state;
}

static struct list_entry entry(const char *prefix, enum list_action action, int64_t until_s)
{
	struct list_entry e = { .action = (uint8_t)action, .until_s = until_s };
	assert_int_equal(list_prefix(str_from(prefix), &e.addr, &e.bits, NULL), 0);
	return e;
}

static void longest_decides(void **state)
{
	struct list_entry e[] = {
		entry("10.0.0.0/8", LIST_BLOCK, INT64_MAX),    entry("10.20.0.0/16", LIST_ALLOW, INT64_MAX),
		entry("10.20.30.0/24", LIST_BLOCK, NOON + 60), entry("10.20.30.7", LIST_BLOCK, INT64_MAX),
		entry("10.20.30.7", LIST_ALLOW, NOON + 60),    entry("10.20.30.7", LIST_ALLOW, NOON + 30),
		entry("2001:db8::/32", LIST_BLOCK, INT64_MAX), entry("0.0.0.0/0", LIST_ALLOW, NOON + 60),
	};
	static const struct {
		const char *from;
		int at;
		enum list_action want;
		uint8_t bits;
	} t[] = {
		{ "10.1.2.3", 0, LIST_BLOCK, 104 },        { "10.20.1.1", 0, LIST_ALLOW, 112 },
		{ "10.20.30.1", 0, LIST_BLOCK, 120 },      { "10.20.30.1", 59, LIST_BLOCK, 120 },
		{ "10.20.30.1", 60, LIST_ALLOW, 112 },     { "10.20.30.7", 45, LIST_ALLOW, 128 },
		{ "10.20.30.7", 60, LIST_BLOCK, 128 },     { "11.0.0.1", 0, LIST_ALLOW, 96 },
		{ "11.0.0.1", 60, LIST_NONE, 0 },          { "2001:db8:5::1", 60, LIST_BLOCK, 32 },
		{ "2001:db7:ffff::1", 0, LIST_NONE, 0 },   { "2001:db9::", 0, LIST_NONE, 0 },
		{ "::ffff:10.1.2.3", 0, LIST_BLOCK, 104 }, { "::1", 0, LIST_NONE, 0 },
	};
	list_sort(e, ARRAY_LEN(e));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct flood_addr from = addr(t[i].from);
		const struct list_entry *got = list_look(e, ARRAY_LEN(e), &from, NOON + t[i].at);
		assert_int_equal(got ? got->action : LIST_NONE, t[i].want);
		assert_int_equal(got ? got->bits : 0, t[i].bits);
	}
	assert_null(list_look(NULL, 0, &(struct flood_addr){ 0 }, NOON));
	(void)state;
}

/* xorshift64: the same sets each time. */
static uint64_t next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

/* Few bits differ, so that prefixes lie within each other, and often are the same. */
static struct flood_addr random_addr(uint64_t *s)
{
	struct flood_addr a = { { [10] = 0xff, [11] = 0xff } };
	if (next(s) % 3 == 0)
		a = (struct flood_addr){ { 0x20, 0x01, [4] = (uint8_t)(next(s) & 3), [7] = (uint8_t)(next(s) & 1) } };
	for (int i = 12; i < 16; i++)
		a.b[i] = (uint8_t)(next(s) & next(s) & next(s));
	return a;
}

static bool within(const struct flood_addr *a, const struct list_entry *e)
{
	for (unsigned i = 0; i < e->bits; i++)
		if ((a->b[i / 8] ^ e->addr.b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static const struct list_entry *naive(const struct list_entry *e, size_t n, const struct flood_addr *a, int64_t at)
{
	const struct list_entry *best = NULL;
	for (size_t i = 0; i < n; i++)
		if (e[i].until_s > at && within(a, &e[i]) &&
		    (!best || e[i].bits > best->bits || (e[i].bits == best->bits && e[i].action < best->action)))
			best = &e[i];
	return best;
}

static void as_a_naive_reference(void **state)
{
	enum { MOST = 300, SETS = 400, LOOKS = 200 };
	struct list_entry *e = calloc(MOST, sizeof(*e));
	uint64_t s = 88172645463325252;
	size_t found = 0;
	assert_non_null(e);
	for (int set = 0; set < SETS; set++) {
		size_t n = next(&s) % (set % 2 ? MOST : 8) + 1;
		for (size_t i = 0; i < n; i++) {
			struct flood_addr a = random_addr(&s);
			char text[LIST_PREFIX_TEXT + 8];
			unsigned bits = list_is_v4(&a) ? next(&s) % 33 : 3 + next(&s) % 126;
			list_prefix_text(&a, 128, text);
			snprintf(text + strlen(text), 8, "/%u", bits);
			e[i] = entry(text, next(&s) % 2 ? LIST_ALLOW : LIST_BLOCK, NOON + (int64_t)(next(&s) % 5));
		}
		list_sort(e, n);
		for (int i = 0; i < LOOKS; i++) {
			struct flood_addr a = i % 2 ? random_addr(&s) : e[next(&s) % n].addr;
			int64_t at = NOON + (int64_t)(next(&s) % 5);
			const struct list_entry *got = list_look(e, n, &a, at), *want = naive(e, n, &a, at);
			assert_int_equal(!got, !want);
			if (!got)
				continue;
			found++;
			assert_true(got->until_s > at && within(&a, got));
			assert_int_equal(got->bits, want->bits);
			assert_int_equal(got->action, want->action);
		}
	}
	assert_true(found > SETS * LOOKS / 10);
	free(e);
	(void)state;
}

/* Sixteen thousand times the same prefix is two steps, and entries that are overwritten meanwhile lead nowhere. */
static void torn_entries_end(void **state)
{
	enum { N = 64 };
	struct list_entry e[N];
	uint64_t s = 1;
	struct flood_addr a = addr("10.0.0.1");
	for (size_t i = 0; i < N; i++)
		e[i] = entry("10.0.0.1", i % 2 ? LIST_ALLOW : LIST_BLOCK, NOON - 1);
	list_sort(e, N);
	assert_int_equal(e[N - 1].around, N / 2);
	assert_int_equal(e[N / 2 - 1].around, 0);
	assert_null(list_look(e, N, &a, NOON));
	for (int round = 0; round < 1000; round++) {
		unsigned char *bytes = (unsigned char *)e;
		for (size_t i = 0; i < sizeof(e); i++)
			bytes[i] = (unsigned char)next(&s);
		const struct list_entry *got = list_look(e, N, &a, NOON);
		assert_true(!got || (got >= e && got < e + N));
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes),
		cmocka_unit_test(reads_what_people_write),
		cmocka_unit_test(says_line_and_what_to_write),
		cmocka_unit_test(bounds),
		cmocka_unit_test(written_is_read_again),
		cmocka_unit_test(longest_decides),
		cmocka_unit_test(as_a_naive_reference),
		cmocka_unit_test(torn_entries_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
