#include "kiosk/follow_message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_there_and_back(void **state)
{
	struct buf out = { 0 };
	struct message m = { .kind = MESSAGE_SET,
		             .role = 2,
		             .alone = 1,
		             .flag = 3,
		             .epoch = 0x0102030405060708,
		             .seq = INT64_MAX,
		             .last = 7,
		             .answer = "0123456789abcde",
		             .body = STR("kiosk-a") },
	               back;
	message_put(&m, &out);
	assert_int_equal(out.n, MESSAGE_HEAD + 7);
	assert_memory_equal(out.p, "\x0c\2\1\3\1\2\3\4\5\6\7\x08\x7f\xff", 14);
	assert_int_equal(message_read(buf_str(&out), &back), 0);
	assert_true(back.kind == m.kind && back.role == 2 && back.alone == 1 && back.flag == 3);
	assert_true(back.epoch == m.epoch && back.seq == m.seq && back.last == 7);
	assert_memory_equal(back.answer, m.answer, 16);
	assert_true(str_eq(back.body, m.body));
	for (size_t n = 0; n < MESSAGE_HEAD; n++)
		assert_int_equal(message_read((struct str){ out.p, n }, &back), -EPROTO);
	buf_free(&out);
}

static void test_what_is_none(void **state)
{
	static const struct {
		size_t at;
		char byte;
	} spoilt[] = { { 0, 0 }, { 0, N_MESSAGES }, { 2, 2 }, { 4, -1 }, { 4, 0x7f }, { 12, -128 }, { 20, -1 } };
	struct message m;
	for (size_t i = 0; i < ARRAY_LEN(spoilt); i++) {
		struct buf out = { 0 };
		message_put(&(struct message){ .kind = MESSAGE_PING }, &out);
		assert_int_equal(message_read(buf_str(&out), &m), 0);
		out.p[spoilt[i].at] = spoilt[i].byte;
		assert_int_equal(message_read(buf_str(&out), &m), -EPROTO);
		buf_free(&out);
	}
}

static void test_changes(void **state)
{
	const struct desk_change changes[] = {
		{ .seq = 1, .epoch = 1, .at = -5, .call = STR("{}"), .answer = "one" },
		{ .seq = INT64_MAX,
		  .epoch = 9,
		  .at = 1795395600000000,
		  .call = STR("{\"op\":\"book\"}"),
		  .answer = "two" },
	};
	struct buf body = { 0 };
	struct desk_change c;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		message_put_change(&changes[i], &body);
	for (size_t n = 0; n <= body.n; n++) {
		struct str s = { body.p, n };
		size_t seen = 0;
		int code;
		while ((code = message_take_change(&s, &c)) == 1) {
			assert_true(c.seq == changes[seen].seq && c.epoch == changes[seen].epoch &&
			            c.at == changes[seen].at && str_eq(c.call, changes[seen].call));
			assert_memory_equal(c.answer, changes[seen].answer, 16);
			seen++;
		}
		/* cut anywhere but between two it is none */
		assert_int_equal(code, n == 0 || n == 46 || n == body.n ? 0 : -EPROTO);
	}
	memset(body.p, 0, 8); /* seq 0 */
	struct str s = buf_str(&body);
	assert_int_equal(message_take_change(&s, &c), -EPROTO);
	buf_free(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
