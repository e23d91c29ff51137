#include "api/bulk.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* "LINE op index/id document;" with "-" for what is not there. */
static int show(void *arg, const struct bulk_item *item)
{
	struct buf *out = arg;
	struct str none = STR("-");
	buf_printf(out, "%llu " STR_FMT " " STR_FMT "/" STR_FMT " " STR_FMT "%s;", (unsigned long long)item->line,
	           STR_ARG(bulk_op_name(item->op)), STR_ARG(item->index.p ? item->index : none),
	           STR_ARG(item->id.p ? item->id : none), STR_ARG(item->document.p ? item->document : none),
	           item->too_long ? " too long" : "");
	return str_eq(item->document, STR("stop")) ? -ENOSPC : 0;
}

static int parse(struct str bytes, size_t cut, struct buf *out)
{
	struct bulk *b;
	assert_int_equal(bulk_new(&b, show, out), 0);
	int code = 0;
	for (size_t i = 0; i < bytes.n && !code; i += cut) {
		struct str piece = str_sub(bytes, i, cut);
		char *copy = malloc(piece.n);
		memcpy(copy, piece.p, piece.n);
		code = bulk_feed(b, (struct str){ copy, piece.n });
		free(copy);
	}
	if (!code)
		code = bulk_end(b);
	else
		assert_int_equal(bulk_end(b), code);
	if (code == -EBADMSG)
		buf_printf(out, "!%llu %s", (unsigned long long)bulk_bad_line(b), bulk_why(b));
	bulk_free(b);
	return code;
}

static void bodies(void **state)
{
	static const struct {
		const char *body, *want;
		int code;
	} cases[] = {
		{ "", "", 0 },
		{ "\n\r\n  \n", "", 0 },
		{ "{\"index\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"x\":1}\n", "1 index a/1 {\"x\":1};", 0 },
		{ "{\"index\":{}}\r\n{\"x\":1}\r\n", "1 index -/- {\"x\":1};", 0 },
		{ " { \"create\" : { \"_id\" : 12 , \"_type\":\"_doc\", \"routing\":[1,{\"_id\":2}] } } \n{\"x\":1}",
		  "1 create -/12 {\"x\":1};", 0 },
		{ "{\"index\":{\"op_type\":\"create\",\"_id\":null}}\n{}\n", "1 create -/- {};", 0 },
		{ "{\"delete\":{\"_id\":\"1\"}}\n\n{\"update\":{\"_id\":\"2\"}}\n{\"doc\":{}}\n",
		  "1 delete -/1 -;3 update -/2 {\"doc\":{}};", 0 },
		{ "{\"index\":{\"_id\":\"\\u00e9\\\"\\n\"}}\n{}\n", "1 index -/\xc3\xa9\"\n {};", 0 },
		{ "{\"index\":{}}\n\n{\"index\":{}}\nanything\n", "1 index -/- ;3 index -/- anything;", 0 },
		{ "{\"index\":{}}\nstop\n{\"index\":{}}\n{}\n", "1 index -/- stop;", -ENOSPC },
		{ "{\"index\":{}}\n{}\n{\"index\":{}}\n",
		  "1 index -/- {};!4 the document of the last action is missing", -EBADMSG },
		{ "{\"index\":{}}\n{}\n{\"x\":1}\n{}\n",
		  "1 index -/- {};!3 expected one of create, index, update, delete", -EBADMSG },
		{ "{}\n{}\n", "!1 expected one action", -EBADMSG },
		{ "{\"index\":{},\"create\":{}}\n{}\n", "!1 expected one action", -EBADMSG },
		{ "{\"index\":\"a\"}\n{}\n", "!1 expected an object", -EBADMSG },
		{ "{\"index\":{\"_id\":{\"a\":1}}}\n{}\n", "!1 a name was expected, not an object", -EBADMSG },
		{ "{\"index\":{\"_id\":true}}\n{}\n", "!1 a name was expected", -EBADMSG },
		{ "[{\"index\":{}}]\n{}\n", "!1 an action was expected, an object", -EBADMSG },
		{ "{\"index\":{}\n{}\n", "!1 object without an end", -EBADMSG },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t cut = 1; cut < 128; cut = cut * 3 + 1) {
			struct buf out = { 0 };
			int code = parse(str_from(cases[i].body), cut, &out);
			buf_putc(&out, '\0');
			assert_string_equal(out.p, cases[i].want);
			assert_int_equal(code, cases[i].code);
			buf_free(&out);
		}
	}
}

static void long_lines(void **state)
{
	static const size_t cuts[] = { 1000, 65536, 1 << 22 };
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		for (size_t more = 0; more < 3; more++) {
			struct buf body = { 0 }, out = { .max = 8 << 20 };
			buf_add(&body, STR("{\"index\":{}}\n"));
			memset(buf_room(&body, BULK_DOCUMENT_MAX + more), 'x', BULK_DOCUMENT_MAX + more);
			body.n += BULK_DOCUMENT_MAX + more;
			buf_add(&body, STR("\r\n{\"index\":{}}\n{}\n"));
			assert_int_equal(parse(buf_str(&body), cuts[i], &out), 0);
			const char *want = more ? "1 index -/- - too long;3 index -/- {};" : "x;3 index -/- {};";
			assert_true(str_ends(buf_str(&out), str_from(want)));
			buf_free(&body), buf_free(&out);
		}
		/* No action is so long. */
		struct buf body = { 0 }, out = { 0 };
		memset(buf_room(&body, 2 << 20), ' ', 2 << 20);
		body.n = 2 << 20;
		assert_int_equal(parse(buf_str(&body), cuts[i], &out), -EBADMSG);
		assert_true(str_eq(buf_str(&out), STR("!1 an action line that is too long")));
		buf_free(&body), buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bodies), cmocka_unit_test(long_lines) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
