#include "store/find.h"

#include "base/json.h"
#include "store/bloom.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct arena arena;
	struct find_room room;
	uint32_t seed;
};

static uint32_t dice(struct fixture *f, uint32_t sides)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return (f->seed >> 8) % sides;
}

static struct find_term term(struct fixture *f, enum event_term_kind kind, const char *field, const char *text)
{
	struct event_term t = { .kind = kind, .field = str_from(field), .text = str_from(text) };
	struct find_term ret;
	assert_int_equal(find_term_init(&ret, &t, &f->arena), 0);
	return ret;
}

static bool holds(struct fixture *f, enum event_term_kind kind, const char *field, const char *text, const char *value)
{
	struct find_term t = term(f, kind, field, text);
	return find_text(&t, str_from(value));
}

static void words_and_parts(void **state)
{
	struct fixture f = { 0 };
	assert_true(holds(&f, TERM_WORD, "", "root", "user root logged in"));
	assert_true(holds(&f, TERM_WORD, "", "ROOT", "Root"));
	assert_true(holds(&f, TERM_WORD, "", "root", "uproot, root"));
	assert_false(holds(&f, TERM_WORD, "", "root", "uproot roots root_ 1root"));
	assert_true(holds(&f, TERM_WORD, "", "10.0.0.1", "from 10.0.0.1:22"));
	assert_false(holds(&f, TERM_WORD, "", "10.0.0.1", "from 110.0.0.1 or 10.0.0.12"));
	assert_true(holds(&f, TERM_WORD, "", "-x", "ls-x"));
	assert_true(holds(&f, TERM_SUBSTRING, "", "oo", "root"));
	assert_false(holds(&f, TERM_SUBSTRING, "", "root", "roo"));
	assert_true(holds(&f, TERM_SUBSTRING, "", "", ""));
	assert_true(holds(&f, TERM_EQUAL, "", "a@b", "A@B"));
	assert_false(holds(&f, TERM_EQUAL, "", "a@b", "a`b")); /* only letters have cases */
	assert_false(holds(&f, TERM_EQUAL, "", "[", "{"));
	assert_false(holds(&f, TERM_SUBSTRING, "", "[", "{"));
	assert_true(holds(&f, TERM_EQUAL, "", "", ""));
	assert_false(holds(&f, TERM_EQUAL, "", "", "x"));
	assert_true(holds(&f, TERM_WORD, "", "bệnh viện", "Bệnh viện huyện"));
	assert_false(holds(&f, TERM_WORD, "", "vi", "viện"));
	arena_free(&f.arena);
}

static void times_need_their_field(void **state)
{
	static const char *const times[] = { "2026-11-22T03:40:00Z", "2026-11-22 03:40:00.123",
		                             "2026-11-22t03:40:00+07:00", "2026-11-22T03:40:00,5-0330",
		                             "2026-11-22T03:40:00.123456789Z" };
	static const char *const none[] = { "2026-11-22", "2026-11-22T03:40:00Z!", "2026-11-22T03:40:00+7",
		                            "at 2026-11-22T03:40:00Z" };
	struct fixture f = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		assert_false(holds(&f, TERM_SUBSTRING, "", "2026", times[i]));
		assert_true(holds(&f, TERM_SUBSTRING, "t", "2026", times[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_true(holds(&f, TERM_SUBSTRING, "", "2026", none[i]));
	/* Filters needn't have the words of times, so no such word is asked for where the field may hold one. */
	assert_int_equal(term(&f, TERM_WORD, "@timestamp", "2026").n_hash, 0);
	assert_int_equal(term(&f, TERM_EQUAL, "@timestamp", "2026-11-22T03:40:00Z").n_hash, 0);
	assert_int_equal(term(&f, TERM_EQUAL, "pid", "2026").n_hash, 1);
	assert_int_equal(term(&f, TERM_WORD, "ip", "10.20.30.40").n_hash, 4);
	assert_int_equal(term(&f, TERM_WORD, "", "2026").n_hash, 1);
	arena_free(&f.arena);
}

static void words_that_must_stand(void **state)
{
	struct fixture f = { 0 };
	struct find_term t = term(&f, TERM_SUBSTRING, "", "foo bar baz");
	assert_int_equal(t.n_hash, 1);
	assert_int_equal(t.hash[0], bloom_hash(STR("BAR")));
	assert_int_equal(term(&f, TERM_SUBSTRING, "", "foobar").n_hash, 0);
	assert_int_equal(term(&f, TERM_SUBSTRING, "", " foo ").n_hash, 1);
	assert_int_equal(term(&f, TERM_WORD, "", "foo bar baz").n_hash, 3);
	assert_int_equal(term(&f, TERM_EQUAL, "x", "/var/log").n_hash, 2);
	struct event_term not = { .kind = TERM_WORD, .negated = true, .text = STR("foo") };
	assert_int_equal(find_term_init(&t, &not, &f.arena), 0);
	assert_int_equal(t.n_hash, 0);
	arena_free(&f.arena);
}

/* What find_texts() says, found out slowly. */
static bool slowly(const struct find_term *t, struct str v)
{
	for (size_t at = 0; at + t->text.n <= v.n; at++) {
		size_t end = at + t->text.n;
		bool same = true;
		for (size_t i = 0; i < t->text.n; i++)
			same = same && tolower((unsigned char)v.p[at + i]) == t->text.p[i];
		if (!same)
			continue;
		bool before = at > 0 && bloom_is_word((unsigned char)v.p[at - 1]) && t->text.n &&
		              bloom_is_word((unsigned char)v.p[at]);
		bool behind = end < v.n && bloom_is_word((unsigned char)v.p[end]) && t->text.n &&
		              bloom_is_word((unsigned char)v.p[end - 1]);
		if (t->kind == TERM_SUBSTRING || (t->kind == TERM_WORD && !before && !behind) ||
		    (t->kind == TERM_EQUAL && v.n == t->text.n))
			return true;
	}
	return false;
}

static size_t random_text(struct fixture *f, char *to, size_t most)
{
	static const char letters[] = "abAB_ .\n";
	size_t n = dice(f, (uint32_t)most + 1);
	for (size_t i = 0; i < n; i++)
		to[i] = letters[dice(f, sizeof(letters) - 1)];
	return n;
}

/* Many texts in exactly as many bytes as they have, so that reading beyond them is seen. */
static void as_a_slow_search(void **state)
{
	struct fixture f = { .seed = 1 };
	char needle[8], text[200];
	uint32_t ends[40];
	uint8_t hit[40];
	uint64_t found = 0;
	for (int round = 0; round < 20000; round++) {
		struct find_texts texts = { .n = 1 + dice(&f, 40), .ends = ends };
		struct buf all = { 0 };
		for (uint32_t i = 0; i < texts.n; i++) {
			size_t n = random_text(&f, text, dice(&f, 10) ? 8 : sizeof(text));
			buf_add(&all, (struct str){ text, n });
			ends[i] = (uint32_t)all.n;
		}
		char *bytes = malloc(all.n ? all.n : 1);
		assert_non_null(bytes);
		if (all.n)
			memcpy(bytes, all.p, all.n);
		texts.bytes = bytes;
		struct event_term e = { .kind = (enum event_term_kind)dice(&f, 3),
			                .text = { needle, random_text(&f, needle, dice(&f, 8)) } };
		struct find_term t;
		assert_int_equal(find_term_init(&t, &e, &f.arena), 0);
		memset(hit, 0, sizeof(hit));
		uint32_t n = find_texts(&t, &texts, hit), wanted = 0;
		for (uint32_t i = 0; i < texts.n; i++) {
			size_t from = i ? ends[i - 1] : 0;
			bool is = slowly(&t, (struct str){ bytes + from, ends[i] - from });
			assert_int_equal(hit[i], is);
			wanted += is;
		}
		assert_int_equal(n, wanted);
		found += n;
		free(bytes);
		buf_free(&all);
		arena_reset(&f.arena);
	}
	assert_true(found > 10000);
	arena_free(&f.arena);
}

static void escapes_are_undone(void **state)
{
	static const char raw[] = "plainC:\\\\temp\\nx\\u1ec7\\\"end";
	static const uint32_t ends[] = { 5, 16, 16, 24, 27 };
	static const char *const wanted[] = { "plain", "C:\\temp\nx", "", "ệ\"", "end" };
	struct fixture f = { 0 };
	struct find_texts texts = { 5, raw, ends };
	assert_int_equal(find_unescape(&texts, &f.room, NULL), 0);
	for (uint32_t i = 0, from = 0; i < texts.n; from = texts.ends[i++]) {
		assert_int_equal(texts.ends[i] - from, strlen(wanted[i]));
		assert_memory_equal(texts.bytes + from, wanted[i], strlen(wanted[i]));
	}
	struct find_texts plain = { 1, raw, ends };
	assert_int_equal(find_unescape(&plain, &f.room, NULL), 0);
	assert_ptr_equal(plain.bytes, raw);
	find_room_free(&f.room);
}

static bool json_holds(struct find_json *j, const char *json)
{
	bool ret;
	assert_int_equal(find_json(j, str_from(json), &ret, NULL), 0);
	return ret;
}

static void terms_over_json(void **state)
{
	struct fixture f = { 0 };
	const struct event_expr terms[] = {
		{ .term = { .kind = TERM_EQUAL, .field = STR("host.name"), .text = STR("pc7") } },
		{ .term = { .kind = TERM_WORD, .text = STR("sshd") } },
		{ .term = { .kind = TERM_SUBSTRING, .negated = true, .field = STR("user.id"), .text = STR("x") } },
	};
	const struct event_expr all = { .kind = EXPR_AND, .of = terms, .n = 3 };
	const struct str tag = STR("tag");
	struct find_where where;
	assert_int_equal(find_where_init(&where, &all, &f.arena, NULL), 0);
	struct find_json j = { .where = &where, .fields = &tag, .n_fields = 1 };
	assert_true(json_holds(&j, "{\"host\":{\"name\":\"PC7\"},\"m\":\"sshd: no\"}"));
	assert_true(json_holds(&j, "{\"host.name\":\"pc7\",\"m\":[1,{\"a\":\"\\u0073shd\"}]}"));
	assert_false(json_holds(&j, "{\"xhost.name\":\"pc7\",\"m\":\"sshd\"}"));
	assert_false(json_holds(&j, "{\"x\":{\"host\":{\"name\":\"pc7\"}},\"m\":\"sshd\"}"));
	assert_false(json_holds(&j, "{\"name\":\"pc7\",\"m\":\"sshd\"}"));
	assert_false(json_holds(&j, "{\"host\":{\"name\":\"pc7\"},\"m\":\"sshd\",\"user\":{\"id\":[7,\"ax\"]}}"));
	assert_true(json_holds(&j, "{\"host\":{\"name\":\"pc7\"},\"m\":\"sshd\",\"user\":{\"id\":7},\"x\":1}"));
	assert_false(json_holds(&j, "{\"host\":{\"name\":\"pc7\"},\"m\":\"sshd\""));
	assert_true(json_holds(
	        &j, "{\"host\":{\"name\":[\"q\",\"pc7\"]},\"tag\":[\"a\",{\"n\":1},\"\\n\"],\"m\":\"sshd\"}"));
	assert_int_equal(j.n_values, 2);
	assert_true(str_eq(j.values[0].text, STR("a")) && str_eq(j.values[1].text, STR("\n")));
	find_json_done(&j);
	arena_free(&f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_parts),       cmocka_unit_test(times_need_their_field),
		cmocka_unit_test(words_that_must_stand), cmocka_unit_test(as_a_slow_search),
		cmocka_unit_test(escapes_are_undone),    cmocka_unit_test(terms_over_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
