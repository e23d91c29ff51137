#include "kiosk/payment_fixture.h"

#define HEAD "Mã giao dịch;Ngày giao dịch;Ghi có;Ghi nợ;Nội dung\n"

static struct fixture *prepare(void **state)
{
	struct fixture *f = fixture_of(state);
	payment_secrets(f);
	payment_bank(f);
	payment_booking(f, "b1", 2, 100000);
	payment_booking(f, "b2", 3, 50000);
	return f;
}

static json_t *compare(const char *csv)
{
	return json_pack("{s:s, s:s}", "day", "2026-11-23", "csv", csv);
}

static json_t *counts(int matched, int missing, int unknown, int differ, int lines)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i}", "matched", matched, "missing_n", missing, "unknown_n", unknown,
	                 "differ_n", differ, "lines", lines);
}

static int64_t kept(struct fixture *f, const char *result)
{
	int64_t n = -1;
	assert_int_equal(db_ask(f->db, "SELECT COUNT(*) FROM statement WHERE day = '2026-11-23' AND result = $1",
	                        DB_ARGS(DB_T(str_from(result))), &n, NULL),
	                 0);
	return n;
}

/* One of each: by SePay's number, by the bank's, by the reference alone; another amount; only there; only here. */
static void test_day(void **state)
{
	struct fixture *f = prepare(state);
	struct buf csv = { 0 };
	char *said;
	payment_comes(f, 1, 100000, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_comes(f, 2, 5000, "x", "2026-11-23 08:00:00");
	payment_comes(f, 3, 50000, payment_reference(f, "b2"), "2026-11-23 08:00:00");
	payment_comes(f, 4, 7000, "x", "2026-11-23 08:00:00");
	payment_comes(f, 5, 9000, "x", "2026-11-23 08:00:00");
	payment_comes(f, 6, -9000, "x", "2026-11-23 08:00:00");
	buf_printf(&csv,
	           HEAD "1;23/11/2026 08:00;100.000;;x\nFT2;23/11/2026 08:00;5.000;;x\n"
	                "other;23/11/2026 08:00;50.000;;TRAN THI BINH %s\nFT4;23/11/2026 08:00;7.001;;x\n"
	                "FT99;23/11/2026 09:00;1.000;;x\nout;23/11/2026 09:00;;3.000;x\nFT100;tomorrow;5;;x\n"
	                "FT99;23/11/2026 09:00;1.000;;x\n",
	           payment_reference(f, "b2"));
	buf_putc(&csv, 0);
	payment_expect(f, "reconcile", compare(csv.p), counts(3, 1, 1, 1, 5));
	json_t *out = payment_ask_said(f, "reconcile", compare(csv.p), &said); /* again: the same */
	assert_null(strstr(said, "BINH"));
	free(said);
	json_t *missing = json_array_get(json_object_get(out, "missing"), 0),
	       *unknown = json_array_get(json_object_get(out, "unknown"), 0),
	       *differ = json_array_get(json_object_get(out, "differ"), 0), *bad = json_object_get(out, "bad");
	assert_string_equal(json_string_value(json_object_get(missing, "bank_id")), "FT99");
	assert_int_equal(json_integer_value(json_object_get(missing, "line")), 6);
	assert_int_equal(json_integer_value(json_object_get(unknown, "id")), 5);
	assert_int_equal(json_integer_value(json_object_get(differ, "ours")), 7000);
	assert_int_equal(json_integer_value(json_object_get(differ, "amount")), 7001);
	assert_int_equal(json_array_size(bad), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(bad, 0), "why")), "time");
	assert_string_equal(json_string_value(json_object_get(json_array_get(bad, 1), "why")), "twice");
	json_decref(out);
	assert_int_equal(kept(f, "missing"), 1);
	assert_int_equal(kept(f, "unknown"), 1);
	assert_int_equal(kept(f, "differs"), 1);
	buf_free(&csv);
}

/* Two transfers with one reference: each finds its own, whatever the order. */
static void test_same_reference(void **state)
{
	struct fixture *f = prepare(state);
	struct buf csv = { 0 };
	const char *reference = payment_reference(f, "b1");
	payment_comes(f, 1, 40000, reference, "2026-11-23 08:00:00");
	payment_comes(f, 2, 60000, reference, "2026-11-23 08:00:00");
	buf_printf(&csv, HEAD ";23/11/2026;60.000;;%s\n;23/11/2026;40.000;;%s\n;23/11/2026;1;;%s\n", reference,
	           reference, reference);
	buf_putc(&csv, 0);
	payment_expect(f, "reconcile", compare(csv.p), counts(2, 1, 0, 0, 3));
	buf_free(&csv);
}

/* A transfer at midnight is of one day with the bank, of the other with the gateway: found, and not asked for on either. */
static void test_midnight(void **state)
{
	struct fixture *f = prepare(state);
	clock_advance(&f->clock, 24 * 60 * PAYMENT_MINUTE);
	payment_comes(f, 1, 10, "x", "2026-11-22 23:59:59");
	payment_comes(f, 2, 20, "x", "2026-11-24 00:00:00");
	payment_comes(f, 3, 30, "x", "2026-11-23 00:00:00");
	payment_expect(f, "reconcile", compare(HEAD "FT1;23/11/2026 00:00;10;;x\nFT2;23/11/2026 23:59;20;;x\n"),
	               counts(2, 0, 1, 0, 2));
	payment_expect(f, "reconcile", compare(HEAD), counts(0, 0, 1, 0, 0));
	payment_expect(f, "takings", json_pack("{s:s}", "day", "2026-11-23"), json_pack("{s:i}", "total", 30));
}

/* Cash and what was paid back are no matter of the bank's statement of what came in. */
static void test_not_the_bank(void **state)
{
	struct fixture *f = prepare(state);
	json_decref(payment_ask(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", 100000)));
	payment_comes(f, 1, 80000, payment_reference(f, "b2"), "2026-11-23 08:00:00");
	json_decref(payment_ask(f, "refund", json_pack("{s:i, s:s}", "id", 2, "note", "x")));
	payment_expect(f, "reconcile", compare(HEAD "FT1;23/11/2026;80.000;;x\n"), counts(1, 0, 0, 0, 1));
	payment_expect(f, "takings", json_pack("{s:s}", "day", "2026-11-23"),
	               json_pack("{s:i, s:{s:{s:i, s:i}, s:{s:i, s:i}, s:{s:i, s:i}}}", "total", 150000, "by_state",
	                         "cash", "count", 1, "amount", 100000, "taken", "count", 1, "amount", 80000, "back",
	                         "count", 1, "amount", -30000));
}

/* Of a day: by state, by the way it came, by room; each adds up to the total. What came into another account is no part of it. */
static void test_takings(void **state)
{
	struct fixture *f = prepare(state);
	json_decref(payment_ask(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", 40000)));
	payment_comes(f, 1, 80000, payment_reference(f, "b2"), "2026-11-23 08:00:00"); /* 30,000 too much */
	json_decref(payment_ask(f, "refund", json_pack("{s:i, s:s}", "id", 2, "note", "x")));
	payment_comes(f, 2, 7000, "x", "2026-11-23 08:00:00");
	payment_comes(f, 3, 5000, "y", "2026-11-23 08:00:00");
	json_decref(payment_ask(f, "refund", json_pack("{s:i, s:s}", "id", 5, "note", "x"))); /* returned */
	payment_comes(f, 4, -900, "z", "2026-11-23 08:00:00");
	payment_expect(f, "notice",
	               payment_notice_to("123", 5, 60000, payment_reference(f, "b1"), "2026-11-23 08:00:00"),
	               json_pack("{s:b}", "taken", 1));
	payment_expect(f, "takings", json_pack("{s:s}", "day", "2026-11-23"),
	               json_pack("{s:i, s:s, s:[{s:s,s:i,s:i}, {s:s,s:i,s:i}, {s:s,s:i,s:i}], s:[{s:i,s:s,s:i,s:i}, "
	                         "{s:i,s:s,s:i,s:i}]}",
	                         "total", 97000, "day", "2026-11-23", "banks", "bank", "cash", "count", 1, "amount",
	                         40000, "bank", "sepay", "count", 2, "amount", 87000, "bank", "back", "count", 1,
	                         "amount", -30000, "rooms", "room", 1, "name", "101", "count", 3, "amount", 90000,
	                         "room", 0, "name", "", "count", 1, "amount", 7000));
	payment_expect(f, "takings", json_pack("{s:s}", "day", "2026-11-20"),
	               json_pack("{s:i, s:[], s:[], s:{}}", "total", 0, "banks", "rooms", "by_state"));
}

static void test_what_is_refused(void **state)
{
	struct fixture *f = prepare(state);
	const char *days[] = { "", "2026-02-30", "23/11/2026" };
	payment_expect(f, "reconcile", compare("no,headings\n"), json_pack("{s:s}", "refused", "body"));
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		payment_expect(f, "reconcile", json_pack("{s:s, s:s}", "day", days[i], "csv", HEAD),
		               json_pack("{s:s, s:s}", "refused", "value", "field", "day"));
		payment_expect(f, "takings", json_pack("{s:s}", "day", days[i]),
		               json_pack("{s:s}", "refused", "value"));
	}
}

/* A statement of another day: all is missing, the answer and the table have a bound. */
static void test_many(void **state)
{
	struct fixture *f = prepare(state);
	struct buf csv = { 0 };
	buf_add(&csv, STR(HEAD));
	for (int i = 0; i < 1500; i++)
		buf_printf(&csv, "FT%d;23/11/2026;%d;;x\n", i, i + 1);
	buf_putc(&csv, 0);
	json_t *out = payment_ask(f, "reconcile", compare(csv.p));
	assert_int_equal(json_integer_value(json_object_get(out, "missing_n")), 1500);
	assert_int_equal(json_array_size(json_object_get(out, "missing")), 1000);
	assert_int_equal(kept(f, "missing"), 1000);
	json_t *item;
	size_t i;
	json_array_foreach(json_object_get(out, "missing"), i, item) /* in the file's order */
	        assert_int_equal(json_integer_value(json_object_get(item, "line")), i + 2);
	json_decref(out);
	csv.n = 0;
	buf_add(&csv, STR(HEAD));
	for (i = 0; i < 1500; i++)
		buf_printf(&csv, "FT%zu;23/11/2026;x;;x\n", i);
	buf_putc(&csv, 0);
	char *said;
	out = payment_ask_said(f, "reconcile", compare(csv.p), &said);
	assert_int_equal(json_integer_value(json_object_get(out, "bad_n")), 1500);
	assert_int_equal(json_array_size(json_object_get(out, "bad")), 1000);
	assert_true(strlen(said) < 60000); /* what goes to the standby, and is kept */
	free(said);
	json_decref(out);
	buf_free(&csv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_day),          BOTH(test_same_reference),  BOTH(test_midnight),
		BOTH(test_not_the_bank), BOTH(test_what_is_refused), BOTH(test_many),
		BOTH(test_takings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
