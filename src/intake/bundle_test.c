/* Bundles: what was put in comes out, however it is cut; ids are those of a record, not of a way to it. */
#include "intake/bundle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
	struct buf text;
	unsigned n;
	int stop_at;
};

static int see(void *arg, const struct bundle_head *h, const struct bundle_record *r)
{
	struct seen *s = arg;
	char id[BUNDLE_ID + 1] = "";
	bundle_id(h, r, id);
	buf_printf(&s->text, "%.*s|%.*s|%lld|%d|%llx|%llu|%s|%.*s\n", STR_ARG(h->format), STR_ARG(h->file),
	           (long long)h->time, h->ids, (unsigned long long)h->seed, (unsigned long long)r->at, id,
	           STR_ARG(r->bytes));
	return ++s->n == (unsigned)s->stop_at ? -ECANCELED : 0;
}

static const struct bundle_record records[] = {
	{ { "first line", 10 }, 4096 }, { { "second", 6 }, 4107 },    { { "", 0 }, 4114 },
	{ { "back again", 10 }, 4000 }, { { "far", 3 }, 1ull << 50 },
};

static void make(struct buf *out)
{
	const struct bundle_head one = { STR("syslog"), STR("/var/log/a b"), 1795000000000001LL, BUNDLE_PLACE,
		                         0x1122334455667788 };
	const struct bundle_head two = { STR("json"), STR(""), 0, BUNDLE_CONTENT, ~0ull };
	const struct bundle_head three = { STR("json"), STR(""), 7, BUNDLE_OWN, 0 };
	assert_true(bundle_add(out, &one, records, ARRAY_LEN(records)));
	assert_true(bundle_add(out, &two, records, 2));
	assert_true(bundle_add(out, &three, records + 1, 1));
}

static int read_cut(struct str s, size_t piece, struct seen *seen)
{
	struct bundle_reader *b;
	int code = 0;
	assert_int_equal(bundle_reader_new(&b, see, seen), 0);
	for (size_t at = 0; at < s.n && !code; at += piece)
		code = bundle_feed(b, str_sub(s, at, piece));
	if (!code)
		code = bundle_end(b);
	bundle_reader_free(b);
	return code;
}

static void however_it_is_cut(void **state)
{
	struct buf out = { 0 };
	struct seen whole = { 0 };
	make(&out);
	assert_int_equal(read_cut(buf_str(&out), out.n, &whole), 0);
	assert_int_equal(whole.n, 8);
	assert_non_null(memmem(whole.text.p, whole.text.n,
	                       "syslog|/var/log/a b|1795000000000001|1|1122334455667788|4107|", 60));
	for (size_t piece = 1; piece < 60; piece++) {
		struct seen cut = { 0 };
		assert_int_equal(read_cut(buf_str(&out), piece, &cut), 0);
		assert_true(str_eq(buf_str(&cut.text), buf_str(&whole.text)));
		buf_free(&cut.text);
	}
	for (size_t n = 1; n < out.n; n++) {
		struct seen cut = { 0 };
		read_cut(str_sub(buf_str(&out), 0, n), 7, &cut);
		assert_true(str_starts(buf_str(&whole.text), buf_str(&cut.text)));
		buf_free(&cut.text);
	}
	struct seen stopped = { .stop_at = 3 };
	assert_int_equal(read_cut(buf_str(&out), out.n, &stopped), -ECANCELED);
	assert_int_equal(stopped.n, 3);
	buf_free(&stopped.text);
	buf_free(&whole.text);
	buf_free(&out);
}

static void ids(void **state)
{
	const struct bundle_head place = { .ids = BUNDLE_PLACE, .seed = 5 }, other = { .ids = BUNDLE_PLACE, .seed = 6 };
	const struct bundle_head content = { .ids = BUNDLE_CONTENT, .seed = 5 };
	struct bundle_record a = records[0], b = records[0];
	char x[BUNDLE_ID + 1], y[BUNDLE_ID + 1];
	assert_true(bundle_id(&place, &a, x) && bundle_id(&place, &b, y));
	assert_string_equal(x, y);
	b.at++;
	assert_true(bundle_id(&place, &b, y));
	assert_string_not_equal(x, y);
	assert_true(bundle_id(&other, &a, y));
	assert_string_not_equal(x, y);
	assert_true(bundle_id(&content, &a, x) && bundle_id(&content, &b, y));
	assert_string_equal(x, y);
	b.bytes.n--;
	assert_true(bundle_id(&content, &b, y));
	assert_string_not_equal(x, y);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"KHB2",
		"KHB1\0",
		"GET / HTTP",
		"KHB1\x04json\xff\xff\xff\xff\x7f",
		"KHB1\x04json\0\0\3********\1\2\0\0",
		"KHB1\x04json\0\0\0********\0\0",
		"KHB1\x04json\0\0\0********\1\3\0\0\0",
		"KHB1\x04json\0\0\0********\1\1\0",
	};
	static const size_t n[] = { 4, 5, 10, 14, 22, 21, 24, 22 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct seen s = { 0 };
		assert_int_equal(read_cut((struct str){ bad[i], n[i] }, 3, &s), -EBADMSG);
		buf_free(&s.text);
	}
	struct buf out = { 0 };
	const struct bundle_head h = { .format = STR("json") };
	const struct bundle_record big = { { "", BUNDLE_RECORD + 1 }, 0 };
	assert_false(bundle_add(&out, &h, &big, 1));
	assert_false(bundle_add(&out, &h, records, 0));
	assert_false(bundle_add(&out, &(struct bundle_head){ 0 }, records, 1));
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(however_it_is_cut),
		cmocka_unit_test(ids),
		cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
