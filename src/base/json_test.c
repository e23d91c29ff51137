#include "base/buf.h"
#include "base/json.h"
#include "base/json_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a walk reports, as text: a line for each key and scalar. */
struct transcript {
	struct buf text;
};

static uint32_t note_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct transcript *t = ctx;
	buf_printf(&t->text, "%u.%u ", tag, object);
	buf_add(&t->text, key);
	buf_putc(&t->text, '\n');
	return key.n && key.p[0] == '!' ? JSON_SKIP : tag + 1;
}

static void note_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct transcript *t = ctx;
	buf_printf(&t->text, "%u=%d ", tag, (int)type);
	buf_add(&t->text, text);
	buf_putc(&t->text, '\n');
}

/* The document stands in a block of its own size, so that a read outside is seen by ASan. */
static bool walk(const struct json_kernel *kernel, struct str doc, struct transcript *t, struct json_error *error)
{
	static const struct json_visitor visitor = { note_member, note_scalar };
	char *copy = malloc(doc.n + !doc.n);
	assert_non_null(copy);
	if (doc.n)
		memcpy(copy, doc.p, doc.n);
	t->text = (struct buf){ 0 };
	*error = (struct json_error){ 0 };
	bool ok = json_walk(kernel, (struct str){ copy, doc.n }, 0, &visitor, t, error);
	free(copy);
	return ok;
}

/* Walks with every kernel; they must agree in all. The last one's transcript is left in t. */
static bool walk_all(struct str doc, struct transcript *t, struct json_error *error)
{
	size_t n;
	const struct json_kernel *const *kernels = json_kernels(&n);
	bool ok = walk(kernels[n - 1], doc, t, error);
	for (size_t i = 0; i + 1 < n; i++) {
		struct transcript other;
		struct json_error other_error;
		bool other_ok = walk(kernels[i], doc, &other, &other_error);
		if (other_ok != ok || other_error.at != error->at || other_error.reason != error->reason ||
		    !str_eq(buf_str(&other.text), buf_str(&t->text)))
			fail_msg("%s and %s differ (%d at %zu, %d at %zu) in: " STR_FMT, kernels[i]->name,
			         kernels[n - 1]->name, other_ok, other_error.at, ok, error->at, STR_ARG(doc));
		buf_free(&other.text);
	}
	return ok;
}

static void test_transcript(void **state)
{
	static const struct {
		const char *doc, *text;
	} cases[] = {
		{ "{}", "" },
		{ " [ ] ", "" },
		{ "null", "0=4 null\n" },
		{ "\"\"", "0=0 \n" },
		{ "-0.5e+3", "0=1 -0.5e+3\n" },
		{ "{\"a\":1}", "0.1 a\n1=1 1\n" },
		{ "{\"a\" : [true,{\"b\":false} , [null]],\"c\":\"\\\"\"}",
		  "0.1 a\n1=2 true\n1.2 b\n2=3 false\n1=4 null\n0.1 c\n1=0 \\\"\n" },
		{ "{\"!\":{\"x\":[1,2]},\"a\":\"\\\\\"}", "0.1 !\n0.1 a\n1=0 \\\\\n" },
		{ "[{\"a\":1},{\"a\":2}]", "0.1 a\n1=1 1\n0.2 a\n1=1 2\n" },
		{ "\t{\r\n \"a\"\n:\t0 }\n", "0.1 a\n1=1 0\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct transcript t;
		struct json_error error;
		if (!walk_all(str_from(cases[i].doc), &t, &error))
			fail_msg("%s: %s at %zu", cases[i].doc, error.reason, error.at);
		buf_putc(&t.text, '\0');
		assert_string_equal(t.text.p, cases[i].text);
		buf_free(&t.text);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *doc;
		size_t at;
		const char *reason;
	} cases[] = {
		{ "", 0, "a value is missing" },
		{ "  ", 2, "a value is missing" },
		{ "{", 1, "a key in quotes is missing" },
		{ "{\"a\"", 4, "':' is missing behind a key" },
		{ "{\"a\":", 5, "a value is missing" },
		{ "{\"a\":1", 6, "object without an end" },
		{ "{\"a\":1,", 7, "a key in quotes is missing" },
		{ "{\"a\":1,}", 7, "a key in quotes is missing" },
		{ "{\"a\":1 \"b\":2}", 7, "',' or '}' is missing" },
		{ "{\"a\":1]", 6, "',' or '}' is missing" },
		{ "{a:1}", 1, "a key in quotes is missing" },
		{ "{'a':1}", 1, "a key in quotes is missing" },
		{ "[1", 2, "array without an end" },
		{ "[1,", 3, "a value is missing" },
		{ "[1,]", 3, "not a value" },
		{ "[1}", 2, "',' or ']' is missing" },
		{ "[1 2]", 3, "',' or ']' is missing" },
		{ "[\"a\\\\\"x\"]", 6, "',' or ']' is missing" },
		{ "{} {}", 3, "something follows the value" },
		{ "nul", 0, "not a value" },
		{ "nulll", 4, "something follows the value" },
		{ "True", 0, "not a value" },
		{ "NaN", 0, "not a value" },
		{ "+1", 0, "not a value" },
		{ "01", 1, "a number begins with 0" },
		{ "-", 1, "a number without digits" },
		{ "-a", 1, "a number without digits" },
		{ "-01", 2, "a number begins with 0" },
		{ "1.", 2, "no digit behind the decimal point" },
		{ "1.e5", 2, "no digit behind the decimal point" },
		{ ".5", 0, "not a value" },
		{ "1e", 2, "no digit in the exponent" },
		{ "1e+", 3, "no digit in the exponent" },
		{ "[1,12a]", 5, "',' or ']' is missing" },
		{ "[1,0x10]", 4, "',' or ']' is missing" },
		{ "\"abc", 0, "string without an end" },
		{ "[\"abc\\\"]", 1, "string without an end" },
		{ "\"a\\x\"", 2, "an unknown escape in a string" },
		{ "\"a\\u12g4\"", 2, "an unknown escape in a string" },
		{ "\"a\\u12\"", 2, "an unknown escape in a string" },
		{ "\"a\\u123", 2, "an unknown escape in a string" },
		{ "\"a\\\nb\"", 2, "an unknown escape in a string" },
		{ "\"a\nb\"", 2, "a control character in a string" },
		{ "{\"a\x1f\":1}", 3, "a control character in a string" },
		{ "\\\"a\"", 0, "not a value" },
		{ "{\"a\":x,\"b\n\":1}", 5, "not a value" }, /* the first fault, not the one that is easy to see */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct transcript t;
		struct json_error error;
		if (walk_all(str_from(cases[i].doc), &t, &error))
			fail_msg("taken for JSON: %s", cases[i].doc);
		if (error.at != cases[i].at || strcmp(error.reason, cases[i].reason) != 0)
			fail_msg("%s: '%s' at %zu", cases[i].doc, error.reason, error.at);
		buf_free(&t.text);
	}
	struct json_error error;
	assert_false(json_valid((struct str){ "\"\0\"", 3 }, &error));
	assert_int_equal(error.at, 1);
	assert_false(json_valid((struct str){ "1\0", 2 }, &error));
	assert_int_equal(error.at, 1);
}

static void test_depth(void **state)
{
	char doc[2 * JSON_MAX_DEPTH + 2];
	struct json_error error;
	memset(doc, '[', JSON_MAX_DEPTH + 1);
	memset(doc + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	assert_true(json_valid((struct str){ doc + 1, 2 * JSON_MAX_DEPTH }, &error));
	assert_false(json_valid((struct str){ doc, sizeof(doc) }, &error));
	assert_int_equal(error.at, JSON_MAX_DEPTH);
	assert_string_equal(error.reason, "nested too deep");
}

/* Places that matter to code that looks at 64 bytes, or at a chunk: everything shifted over both borders. */
static void test_borders(void **state)
{
	static const char tail[] = "\\\\\\\"\\u00e9\",\"k\\n\":-12.5e3}";
	static const size_t near[] = { 0, 64, JSON_CHUNK };
	char *doc = malloc(JSON_CHUNK + 256);
	assert_non_null(doc);
	for (size_t b = 0; b < ARRAY_LEN(near); b++) {
		for (size_t pad = near[b] > 80 ? near[b] - 80 : 0; pad < near[b] + 8; pad++) {
			struct transcript t;
			struct json_error error;
			memcpy(doc, "{\"a\":\"", 6);
			memset(doc + 6, 'x', pad);
			memcpy(doc + 6 + pad, tail, sizeof(tail) - 1);
			assert_true(walk_all((struct str){ doc, 6 + pad + sizeof(tail) - 1 }, &t, &error));
			assert_true(str_ends(buf_str(&t.text), STR("\\\\\\\"\\u00e9\n0.1 k\\n\n1=1 -12.5e3\n")));
			buf_free(&t.text);
			doc[6 + pad + 2] = '"'; /* behind two backslashes: the string ends here */
			assert_false(walk_all((struct str){ doc, 6 + pad + sizeof(tail) - 1 }, &t, &error));
			buf_free(&t.text);
		}
	}
	free(doc);
}

/* A second reader, plain and slow, to hold the walk to. */
struct plain {
	const char *p, *end;
	int depth;
};

static bool plain_value(struct plain *r);

static char plain_peek(struct plain *r)
{
	while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p)
		r->p++;
	return r->p < r->end ? *r->p : '\0';
}

static bool plain_string(struct plain *r)
{
	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		if ((unsigned char)*r->p < ' ')
			return false;
		if (*r->p != '\\')
			continue;
		if (++r->p == r->end || !*r->p || !strchr("\"\\/bfnrtu", *r->p))
			return false;
		for (int i = 0; *r->p == 'u' && i < 4; i++)
			if (r->end - r->p < 5 || !strchr("0123456789abcdefABCDEF", r->p[1 + i]) || !r->p[1 + i])
				return false;
	}
	return r->p < r->end && *r->p++ == '"';
}

static bool plain_digits(struct plain *r)
{
	const char *from = r->p;
	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > from;
}

static bool plain_number(struct plain *r)
{
	if (*r->p == '-')
		r->p++;
	const char *from = r->p;
	if (!plain_digits(r) || (*from == '0' && r->p - from > 1))
		return false;
	if (r->p < r->end && *r->p == '.' && (r->p++, !plain_digits(r)))
		return false;
	if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		return plain_digits(r);
	}
	return true;
}

static bool plain_list(struct plain *r, char close)
{
	bool ok = ++r->depth <= JSON_MAX_DEPTH;
	r->p++;
	if (plain_peek(r) == close) {
		r->p++;
		r->depth--;
		return ok;
	}
	while (ok) {
		if (close == '}') {
			ok = plain_peek(r) == '"' && plain_string(r) && plain_peek(r) == ':';
			r->p += ok;
		}
		ok = ok && plain_value(r);
		char c = plain_peek(r);
		ok = ok && (c == ',' || c == close);
		r->p += ok;
		if (c == close)
			break;
	}
	r->depth--;
	return ok;
}

static bool plain_value(struct plain *r)
{
	static const char *const words[] = { "true", "false", "null" };
	char c = plain_peek(r);
	if (c == '"')
		return plain_string(r);
	if (c == '{' || c == '[')
		return plain_list(r, c == '{' ? '}' : ']');
	if (c == '-' || (c >= '0' && c <= '9'))
		return plain_number(r);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i]);
		if ((size_t)(r->end - r->p) >= n && memcmp(r->p, words[i], n) == 0) {
			r->p += n;
			return true;
		}
	}
	return false;
}

static bool plain_valid(struct str doc)
{
	struct plain r = { doc.p, doc.p + doc.n, 0 };
	if (!plain_value(&r))
		return false;
	plain_peek(&r);
	return r.p == r.end;
}

struct random {
	uint64_t state;
};

static uint32_t below(struct random *r, uint32_t n)
{
	r->state = r->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->state >> 33) % n;
}

static void make_string(struct random *r, struct buf *b)
{
	static const char *const parts[] = { "a",
		                             "\\\\",
		                             "\\\"",
		                             "\\n",
		                             "\\u00e9",
		                             "\xc3\xa9",
		                             "C:\\\\Windows\\\\",
		                             " ",
		                             "{[,",
		                             "\\/",
		                             "0123456789abcdef" };
	buf_putc(b, '"');
	for (uint32_t n = below(r, 12); n; n--)
		buf_add(b, str_from(parts[below(r, ARRAY_LEN(parts))]));
	buf_putc(b, '"');
}

static void make_value(struct random *r, struct buf *b, int depth)
{
	static const char *const scalars[] = { "0", "-1", "1234567890", "1.5e-7", "true", "false", "null", "12" };
	uint32_t kind = below(r, depth > 4 ? 6 : 8);
	if (kind < 3) {
		make_string(r, b);
		return;
	}
	if (kind < 6) {
		buf_add(b, str_from(scalars[below(r, ARRAY_LEN(scalars))]));
		return;
	}
	buf_putc(b, kind == 6 ? '[' : '{');
	for (uint32_t i = 0, n = below(r, 6); i < n; i++) {
		if (i)
			buf_add(b, below(r, 4) ? STR(",") : STR(" ,\n\t"));
		if (kind == 7) {
			make_string(r, b);
			buf_add(b, below(r, 4) ? STR(":") : STR(" : "));
		}
		make_value(r, b, depth + 1);
	}
	buf_putc(b, kind == 6 ? ']' : '}');
}

static void mutate(struct random *r, struct buf *b)
{
	static const char nasty[] = "\"\\{}[]:,\n\t 0-.eEtnu\x00\x1f\x7f\x80";
	for (uint32_t n = 1 + below(r, 3); n && b->n; n--) {
		size_t at = below(r, (uint32_t)b->n);
		switch (below(r, 3)) {
		case 0: b->p[at] = nasty[below(r, sizeof(nasty) - 1)]; break;
		case 1: b->n = at; break;
		default: memmove(b->p + at, b->p + at + 1, --b->n - at); break;
		}
	}
}

static void test_generated(void **state)
{
	struct random r = { 20260714 };
	struct buf b = { 0 };
	unsigned valid = 0, invalid = 0;
	for (int i = 0; i < 20000; i++) {
		struct transcript t;
		struct json_error error;
		b.n = 0;
		make_value(&r, &b, 0);
		if (i % 2)
			mutate(&r, &b);
		assert_false(b.failed);
		bool ok = walk_all(buf_str(&b), &t, &error);
		if (ok != plain_valid(buf_str(&b)))
			fail_msg("%s JSON (%s at %zu): " STR_FMT, ok ? "taken for" : "not taken for",
			         ok ? "" : error.reason, error.at, STR_ARG(buf_str(&b)));
		valid += ok;
		invalid += !ok;
		buf_free(&t.text);
	}
	buf_free(&b);
	assert_true(valid > 8000 && invalid > 4000);
}

/* Looks for the end while doc grows by `step` bytes; doc stands in a block of its own size. */
static enum json_ended find_end(const struct json_kernel *kernel, struct str doc, size_t step, size_t *at)
{
	struct json_end end = { 0 };
	enum json_ended how = JSON_MORE;
	for (size_t n = 0; n < doc.n && how == JSON_MORE;) {
		n = doc.n - n < step ? doc.n : n + step;
		char *copy = malloc(n);
		assert_non_null(copy);
		memcpy(copy, doc.p, n);
		how = kernel->end(&end, (struct str){ copy, n });
		free(copy);
		assert_true(end.at == n || (end.at < n && how != JSON_MORE));
	}
	*at = end.at;
	return how;
}

static void test_end(void **state)
{
	static const struct {
		const char *doc;
		enum json_ended how;
		size_t at;
	} cases[] = {
		{ "{}", JSON_DONE, 2 },
		{ "{}{}", JSON_DONE, 2 },
		{ "{\"a\":[1,2,{\"b\":\"}\"}]} tail", JSON_DONE, 21 },
		{ "{\"a\":\"\\\"}\"}x", JSON_DONE, 11 },
		{ "{\"a\":\"\\\\\"}x", JSON_DONE, 10 },
		{ "[[[]]]]", JSON_DONE, 6 },
		{ "{\"a\":\"}", JSON_MORE, 7 },
		{ "[\"\\\\\\\"]\"", JSON_MORE, 8 },
		/* lines begin with "{" where a value can stand */
		{ "[\n{},\r\n{\"a\":\n{}}\n]\n{}", JSON_DONE, 18 },
		{ "{\"a\":1}\n{\"b\":2}", JSON_DONE, 7 },
		/* and where none can */
		{ "{\"a\":1\n{\"b\":2}\n", JSON_CUT, 7 },
		{ "{\"a\":1,\"b\"\n\n \t\r\n{\"b\":2}\n", JSON_CUT, 16 },
		{ "{\"a\":[1\n {\"b\":2}\n{", JSON_CUT, 17 },
		{ "{\"a\":{\"b\":{}\n{\"b\":2}\n", JSON_CUT, 13 },
		{ "{\"a\":\"tru,\n{\"b\":2}\n", JSON_CUT, 10 },
		/* a backslash outside of strings means nothing */
		{ "{\\\"a\":\\}\"", JSON_DONE, 8 },
		{ "{\"a\\\"\":\\\"}\\\\\"\\}", JSON_DONE, 15 },
		/* a tab in a string is not JSON, and no cut; nor is an escaped line break */
		{ "{\"a\":\"\t{\\\n\"}", JSON_DONE, 12 },
	};
	size_t n_kernels, at;
	const struct json_kernel *const *kernels = json_kernels(&n_kernels);
	struct buf b = { 0 };
	/* Blanks in front move what matters over the borders of blocks. */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t pad = 0; pad < 70; pad += pad < 40 ? 40 : 1) {
			b.n = 0;
			buf_printf(&b, "%c%*s%s", cases[i].doc[0], (int)pad, "", cases[i].doc + 1);
			for (size_t k = 0; k < n_kernels; k++) {
				for (size_t step = 1; step < 130; step += step < 20 ? 1 : 10) {
					enum json_ended how = find_end(kernels[k], buf_str(&b), step, &at);
					if (how != cases[i].how || at != cases[i].at + pad)
						fail_msg("%s, %zu a time: %s: %d at %zu", kernels[k]->name, step, b.p,
						         (int)how, at);
				}
			}
		}
	}

	struct random r = { 7 };
	for (int i = 0; i < 2000; i++) {
		b.n = 0;
		buf_putc(&b, '[');
		make_value(&r, &b, 0);
		buf_putc(&b, ']');
		size_t n = b.n;
		buf_add(&b, STR(" {\"next\":1}"));
		for (size_t k = 0; k < n_kernels; k++) {
			for (int s = 0; s < 3; s++) {
				assert_int_equal(find_end(kernels[k], buf_str(&b), 1 + below(&r, 200), &at), JSON_DONE);
				assert_int_equal(at, n);
			}
		}
	}
	buf_free(&b);
}

/* Real events, whole, cut and damaged, through all kernels. */
static void test_recorded(void **state)
{
	const char *data = getenv("KHIEN_DATA");
	char path[4096];
	snprintf(path, sizeof(path), "%s/sigma/regression", data ? data : "../shared/data");
	char command[4200];
	snprintf(command, sizeof(command), "find '%s' -name '*.json' 2>/dev/null | sort", path);
	FILE *list = popen(command, "r");
	assert_non_null(list);
	struct random r = { 3 };
	unsigned seen = 0;
	for (char line[4096]; fgets(line, sizeof(line), list);) {
		line[strcspn(line, "\n")] = '\0';
		FILE *f = fopen(line, "rb");
		if (!f)
			continue;
		struct buf b = { 0 };
		char *at = buf_room(&b, 1 << 20);
		assert_non_null(at);
		b.n = fread(at, 1, 1 << 20, f);
		fclose(f);
		for (int i = 0; i < 4; i++) {
			struct transcript t;
			struct json_error error;
			bool ok = walk_all(buf_str(&b), &t, &error);
			assert_int_equal(ok, plain_valid(buf_str(&b)));
			buf_free(&t.text);
			mutate(&r, &b);
		}
		buf_free(&b);
		seen++;
	}
	pclose(list);
	if (!seen) {
		printf("SKIP: no recorded events under %s (set KHIEN_DATA)\n", path);
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcript), cmocka_unit_test(test_errors),    cmocka_unit_test(test_depth),
		cmocka_unit_test(test_borders),    cmocka_unit_test(test_generated),

		cmocka_unit_test(test_end),        cmocka_unit_test(test_recorded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
