#include "kiosk/ops_fixture.h"
#include "kiosk/payment_fixture.h"

static struct fixture *prepare(void **state)
{
	struct fixture *f = fixture_of(state);
	payment_secrets(f);
	payment_bank(f);
	payment_booking(f, "b1", 2, 100000);
	payment_booking(f, "b2", 3, 50000);
	return f;
}

static void cancel(struct fixture *f, const char *ref)
{
	struct err err = { 0 };
	struct call c = { .db = f->db, .now = clock_wall(&f->clock) };
	assert_int_equal(db_run(f->db, "UPDATE booking SET state = 'cancelled' WHERE ref = $1",
	                        DB_ARGS(DB_T(str_from(ref))), &err),
	                 1);
	if (payment_void(&c, str_from(ref), &err))
		fail_msg("%s", err.text);
}

static json_t *one(const char *name, json_t *value)
{
	return json_pack("{s:o}", name, value);
}

static json_t *refused(const char *word)
{
	return one("refused", json_string(word));
}

/* --- what a booking shows --- */

static void test_open(void **state)
{
	struct fixture *f = prepare(state);
	json_t *payment = payment_of(f, "b1");
	struct vietqr q;
	assert_int_equal(vietqr_read(str_from(json_string_value(json_object_get(payment, "qr"))), &q, NULL), 0);
	assert_int_equal(q.amount, 100000);
	assert_true(str_eq(q.bin, STR("970416")) && str_eq(q.account, STR("257678859")));
	assert_true(str_eq(q.purpose, str_from(json_string_value(json_object_get(payment, "reference")))));
	assert_int_equal(json_integer_value(json_object_get(payment, "ends")), FIXTURE_NOW + 30 * PAYMENT_MINUTE);
	assert_string_equal(json_string_value(json_object_get(payment, "state")), "open");
	json_decref(payment);
	clock_advance(&f->clock, 31 * PAYMENT_MINUTE);
	payment = payment_of(f, "b1");
	assert_string_equal(json_string_value(json_object_get(payment, "qr")), ""); /* nothing to scan any more */
	json_decref(payment);
}

static void test_no_fee_no_bank(void **state)
{
	struct fixture *f = fixture_of(state);
	payment_run(f, "INSERT INTO setting (name, value) VALUES ('bank_bin', '970416');\n");
	payment_booking(f, "free", 4, 0);
	payment_expect(f, "paid", one("ref", json_string("free")), json_object());
	assert_null(payment_of(f, "free"));
	payment_booking(f, "fee", 5, 100);
	json_t *payment = payment_of(f, "fee");
	assert_string_equal(json_string_value(json_object_get(payment, "qr")), "");
	json_decref(payment);
	struct call c = { .db = f->db, .now = FIXTURE_NOW };
	assert_int_equal(payment_open(&c, STR("x"), MONEY_MAX + 1, NULL), -EINVAL);
	assert_int_equal(payment_open(&c, STR("x"), -1, NULL), -EINVAL);
}

/* The reference comes from the booking's name; one that is taken gives way to the next. */
static void test_reference_taken(void **state)
{
	struct fixture *f = prepare(state);
	char first[REFERENCE_LENGTH + 1];
	memcpy(first, payment_reference(f, "b1"), sizeof(first));
	assert_true(reference_find(str_from(first), first));
	payment_run(f, "DELETE FROM booking WHERE ref = 'b1'; UPDATE payment SET ref = 'other' WHERE ref = 'b1';");
	payment_booking(f, "b1", 2, 100000);
	assert_string_not_equal(payment_reference(f, "b1"), first);
}

/* --- notices --- */

static void test_paid_exactly(void **state)
{
	struct fixture *f = prepare(state);
	char text[100];
	snprintf(text, sizeof(text), "MBVCB.3278907687.%s.CT tu NGUYEN VAN A", payment_reference(f, "b1"));
	payment_comes(f, 1, 100000, text, "2026-11-23 08:00:30");
	payment_assert(f, "b1", "paid", 100000);
	payment_assert(f, "b2", "open", 0);
	payment_assert_tray(f, "");
	json_t *payment = payment_of(f, "b1");
	assert_string_equal(json_string_value(json_object_get(payment, "qr")), "");
	json_decref(payment);
}

static void test_same_notice_seven_times(void **state)
{
	struct fixture *f = prepare(state);
	const char *reference = payment_reference(f, "b1");
	payment_comes(f, 77, 100000, reference, "2026-11-23 08:00:30");
	for (int i = 0; i < 6; i++) {
		clock_advance(&f->clock, 20 * PAYMENT_MINUTE); /* also when the time to pay is over */
		payment_expect(f, "notice", payment_notice(77, 100000, reference, "2026-11-23 08:00:30"),
		               json_pack("{s:b, s:b}", "taken", 0, "known", 1));
	}
	payment_assert(f, "b1", "paid", 100000);
	payment_assert_tray(f, "");
}

static void test_short_then_whole_then_over(void **state)
{
	struct fixture *f = prepare(state);
	const char *reference = payment_reference(f, "b1");
	payment_comes(f, 1, 40000, reference, "2026-11-23 08:00:00");
	payment_assert(f, "b1", "short", 40000);
	json_t *payment = payment_of(f, "b1");
	struct vietqr q;
	assert_int_equal(vietqr_read(str_from(json_string_value(json_object_get(payment, "qr"))), &q, NULL), 0);
	assert_int_equal(q.amount, 60000); /* the rest */
	json_decref(payment);
	payment_comes(f, 2, 60000, reference, "2026-11-23 08:00:00");
	payment_assert(f, "b1", "paid", 100000);
	payment_assert_tray(f, "");
	payment_comes(f, 3, 100000, reference, "2026-11-23 08:00:00"); /* paid twice */
	payment_assert(f, "b1", "over", 200000);
	payment_assert_tray(f, "over 3");
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 3, "note", "cash back"),
	               one("amount", json_integer(100000)));
	payment_assert(f, "b1", "paid", 100000);
	payment_assert_tray(f, "");
}

static void test_too_much_at_once(void **state)
{
	struct fixture *f = prepare(state);
	payment_comes(f, 1, 130000, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_assert(f, "b1", "over", 130000);
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 1, "note", "30"), one("amount", json_integer(30000)));
	payment_assert(f, "b1", "paid", 100000);
	payment_assert_tray(f, "");
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 1, "note", "the rest"),
	               one("amount", json_integer(100000)));
	payment_assert(f, "b1", "refunded", 0);
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 1, "note", "again"), refused("state"));
	payment_comes(f, 2, 5, payment_reference(f, "b1"), "2026-11-23 08:00:00"); /* closed: a person decides */
	payment_assert_tray(f, "late 4");
}

static void test_late(void **state)
{
	struct fixture *f = prepare(state);
	const char *reference = payment_reference(f, "b1");
	clock_advance(&f->clock, 40 * PAYMENT_MINUTE);
	payment_comes(f, 1, 100000, reference, "2026-11-23 08:30:01");
	payment_assert(f, "b1", "late", 0);
	payment_assert_tray(f, "late 1");
	/* a person decides: it counts */
	payment_expect(f, "settle", json_pack("{s:i, s:s, s:s}", "id", 1, "ref", "b1", "note", "fine"), json_object());
	payment_assert(f, "b1", "paid", 100000);
	payment_assert_tray(f, "");
}

/* Made in time and told of late is in time; a time that can't be right is none. */
static void test_when(void **state)
{
	struct fixture *f = prepare(state);
	char one_reference[REFERENCE_LENGTH + 1];
	memcpy(one_reference, payment_reference(f, "b1"), sizeof(one_reference));
	clock_advance(&f->clock, 40 * PAYMENT_MINUTE);
	payment_comes(f, 1, 60000, one_reference, "2026-11-23 08:30:00"); /* the last second */
	payment_assert(f, "b1", "short", 60000);
	payment_comes(f, 2, 40000, one_reference, "2026-11-23 00:00:00"); /* the day alone: counts as now */
	payment_comes(f, 3, 40000, one_reference, "2026-11-24 08:10:00"); /* tomorrow */
	payment_comes(f, 4, 40000, one_reference, "");
	payment_assert(f, "b1", "short", 60000);
	payment_assert_tray(f, "late 2, late 3, late 4");
	clock_advance(&f->clock, -40 * PAYMENT_MINUTE);
	payment_comes(f, 5, 50000, payment_reference(f, "b2"), "2026-11-24 08:10:00");
	payment_assert(f, "b2", "paid", 50000);
}

/* Upkeep was quicker than the bank's notice. */
static void test_void_in_between(void **state)
{
	struct fixture *f = prepare(state);
	struct call c = { .db = f->db, .now = FIXTURE_NOW + 31 * PAYMENT_MINUTE };
	assert_int_equal(payment_void(&c, STR("b1"), NULL), 0);
	payment_assert(f, "b1", "void", 0);
	clock_advance(&f->clock, 32 * PAYMENT_MINUTE);
	payment_comes(f, 1, 100000, payment_reference(f, "b1"), "2026-11-23 08:29:59");
	payment_assert(f, "b1", "paid", 100000);
}

static void test_unmatched_and_outgoing(void **state)
{
	struct fixture *f = prepare(state);
	payment_comes(f, 1, 100000, "no reference", "2026-11-23 08:00:00");
	payment_comes(f, 2, 100000, "KH22222222", "2026-11-23 08:00:00"); /* one, but of no booking */
	payment_comes(f, 3, -100000, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_comes(f, 4, 0, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_assert(f, "b1", "open", 0);
	payment_assert_tray(f, "unmatched 1, unmatched 2");
	payment_expect(f, "takings", one("day", json_string("2026-11-23")),
	               json_pack("{s:{s:{s:i, s:i}, s:{s:i, s:i}}, s:i}", "by_state", "unmatched", "count", 2, "amount",
	                         200000, "ignored", "count", 2, "amount", -100000, "total", 200000));
}

static void test_not_signed(void **state)
{
	struct fixture *f = prepare(state);
	json_t *in = payment_notice(1, 5, "x", "2026-11-23 08:00:00");
	json_object_set_new(in, "authorization", json_string("Apikey yek"));
	payment_expect(f, "notice", in, refused("signature"));
	in = payment_notice(1, 5, "x", "2026-11-23 08:00:00");
	json_object_set_new(in, "bank", json_string("payos")); /* there is no secret for it */
	payment_expect(f, "notice", in, refused("signature"));
	in = payment_notice(1, 5, "x", "2026-11-23 08:00:00");
	json_object_set_new(in, "bank", json_string("cash"));
	payment_expect(f, "notice", in, refused("body"));
	in = payment_notice(1, 5, "x", "2026-11-23 08:00:00");
	json_object_set_new(in, "body", json_string("{}"));
	payment_expect(f, "notice", in, refused("body"));
	payment_assert_tray(f, "");
}

/* Neither the secret nor what the payer wrote is in the change, nor plain in the database; the tray shows it. */
static void test_nothing_plain(void **state)
{
	struct fixture *f = prepare(state);
	char *said;
	json_decref(payment_ask_said(f, "notice", payment_notice(1, 5, "TRAN THI BINH", "2026-11-23 08:00:00"), &said));
	assert_null(strstr(said, "BINH"));
	assert_null(strstr(said, "key\""));
	assert_non_null(strstr(said, "\"bank_id\":\"1\""));
	free(said);
	int64_t n;
	assert_int_equal(db_ask(f->db, "SELECT COUNT(*) FROM receipt WHERE content = $1",
	                        DB_ARGS(DB_B(STR("TRAN THI BINH"))), &n, NULL),
	                 0);
	assert_int_equal(n, 0);
	json_t *out = payment_ask(f, "tray", json_object());
	json_t *item = json_array_get(json_object_get(out, "receipts"), 0);
	assert_string_equal(json_string_value(json_object_get(item, "content")), "TRAN THI BINH");
	json_decref(out);
}

static void test_purge(void **state)
{
	struct fixture *f = prepare(state);
	struct call c = { .db = f->db };
	payment_comes(f, 1, 100000, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_comes(f, 2, 5, "in the tray", "2026-11-23 08:00:00");
	assert_int_equal(payment_purge(&c, FIXTURE_NOW, NULL), 0);
	assert_int_equal(payment_purge(&c, FIXTURE_NOW + 1, NULL), 1);
	assert_int_equal(payment_purge(&c, FIXTURE_NOW + 1, NULL), 0); /* what waits for a person stays */
}

/* --- the tray --- */

static void test_settle_by_code(void **state)
{
	struct fixture *f = prepare(state);
	char *said;
	payment_comes(f, 1, 50000, "no reference", "2026-11-23 08:00:00");
	json_t *out = payment_ask_said(
	        f, "settle", json_pack("{s:i, s:s, s:s}", "id", 1, "code", "abcde-fghj3", "note", "by phone"), &said);
	assert_null(json_object_get(out, "refused"));
	assert_null(strstr(said, "fghj3"));
	free(said);
	json_decref(out);
	payment_assert(f, "b2", "paid", 50000);
	payment_assert_tray(f, "");
	payment_expect(f, "settle", json_pack("{s:i, s:s}", "id", 1, "ref", "b1"), refused("state"));
}

static void test_what_cannot_be_settled(void **state)
{
	struct fixture *f = prepare(state);
	payment_comes(f, 1, 50000, "no reference", "2026-11-23 08:00:00");
	payment_expect(f, "settle", json_pack("{s:i, s:s}", "id", 9, "ref", "b1"), refused("unknown"));
	payment_expect(f, "settle", json_pack("{s:i, s:s}", "id", 1, "ref", "b9"), refused("unknown"));
	payment_expect(f, "settle", json_pack("{s:i, s:s}", "id", 1, "code", "ABCDE-FGHJ9"), refused("unknown"));
	payment_expect(f, "settle", json_pack("{s:i}", "id", 1), refused("unknown"));
	char note[202];
	memset(note, 'x', 201);
	note[201] = 0;
	payment_expect(f, "settle", json_pack("{s:i, s:s, s:s}", "id", 1, "ref", "b1", "note", note), refused("value"));
	cancel(f, "b1");
	payment_expect(f, "settle", json_pack("{s:i, s:s}", "id", 1, "ref", "b1"), refused("state"));
	payment_assert_tray(f, "unmatched 1");
}

/* Late for one, settled with another: the first one owes nothing to it. */
static void test_settle_elsewhere(void **state)
{
	struct fixture *f = prepare(state);
	clock_advance(&f->clock, 40 * PAYMENT_MINUTE);
	payment_comes(f, 1, 60000, payment_reference(f, "b1"), "2026-11-23 08:31:00");
	payment_assert(f, "b1", "late", 0);
	payment_expect(f, "settle", json_pack("{s:i, s:s}", "id", 1, "ref", "b2"), json_object());
	payment_assert(f, "b1", "void", 0);
	payment_assert(f, "b2", "over", 60000);
	payment_assert_tray(f, "over 1");
}

static void test_refund_of_the_tray(void **state)
{
	struct fixture *f = prepare(state);
	clock_advance(&f->clock, 40 * PAYMENT_MINUTE);
	payment_comes(f, 1, 60000, payment_reference(f, "b1"), "2026-11-23 08:31:00");
	payment_comes(f, 2, 7, "nobody's", "2026-11-23 08:31:00");
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 1, "note", "x"), one("amount", json_integer(60000)));
	payment_assert(f, "b1", "refunded", 0);
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 2, "note", "x"), one("amount", json_integer(7)));
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 2, "note", "x"), refused("state"));
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 3, "note", "x"), refused("unknown"));
	payment_assert_tray(f, "");
}

static void test_cancelled(void **state)
{
	struct fixture *f = prepare(state);
	payment_comes(f, 1, 100000, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	cancel(f, "b1");
	payment_assert_tray(f, "cancelled 1"); /* to be paid back */
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 1, "note", "x"), one("amount", json_integer(100000)));
	payment_assert(f, "b1", "refunded", 0);
	payment_assert_tray(f, "");
	cancel(f, "b2");
	payment_assert(f, "b2", "void", 0);
	payment_comes(f, 2, 50000, payment_reference(f, "b2"), "2026-11-23 08:00:00"); /* crossed with the cancelling */
	payment_assert(f, "b2", "late", 0);
	payment_assert_tray(f, "late 3");
}

/* However the money came, and how much of it. */
static void test_cancelled_with_money(void **state)
{
	struct fixture *f = prepare(state);
	payment_comes(f, 1, 20000, "no reference", "2026-11-23 08:00:00");
	payment_expect(f, "settle", json_pack("{s:i, s:s}", "id", 1, "ref", "b1"), json_object());
	json_decref(payment_ask(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", 80000)));
	payment_comes(f, 2, 70000, payment_reference(f, "b2"), "2026-11-23 08:00:00");
	cancel(f, "b1");
	cancel(f, "b2");
	payment_assert_tray(f, "cancelled 1, cancelled 2, cancelled 3");
	for (int id = 1; id <= 3; id++)
		json_decref(payment_ask(f, "refund", json_pack("{s:i, s:s}", "id", id, "note", "x")));
	payment_assert(f, "b1", "refunded", 0);
	payment_assert(f, "b2", "refunded", 0);
	payment_assert_tray(f, "");
	payment_comes(f, 3, 5, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_assert_tray(f, "late 7");
}

static void test_cash(void **state)
{
	struct fixture *f = prepare(state);
	payment_expect(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", 100001), refused("value"));
	payment_expect(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", 0), refused("value"));
	payment_expect(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", -5), refused("value"));
	payment_expect(f, "cash", json_pack("{s:s, s:i}", "ref", "b9", "amount", 5), refused("unknown"));
	payment_comes(f, 1, 40000, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_expect(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", 60001), refused("value"));
	clock_advance(&f->clock, 60 * PAYMENT_MINUTE); /* at the counter the time to pay makes no difference */
	json_t *out =
	        payment_ask(f, "cash", json_pack("{s:s, s:i, s:s}", "ref", "b1", "amount", 60000, "note", "drawer 2"));
	assert_string_equal(json_string_value(json_object_get(json_object_get(out, "payment"), "state")), "paid");
	json_decref(out);
	payment_expect(f, "cash", json_pack("{s:s, s:i}", "ref", "b1", "amount", 60000), refused("state")); /* twice */
	payment_assert(f, "b1", "paid", 100000);
	payment_expect(f, "refund", json_pack("{s:i, s:s}", "id", 2, "note", "x"), one("amount", json_integer(60000)));
	payment_assert(f, "b1", "short", 40000);
	cancel(f, "b2");
	payment_expect(f, "cash", json_pack("{s:s, s:i}", "ref", "b2", "amount", 5), refused("state"));
}

static void test_largest(void **state)
{
	struct fixture *f = prepare(state);
	for (int i = 1; i <= 20; i++)
		payment_comes(f, i, MONEY_MAX, payment_reference(f, "b1"), "2026-11-23 08:00:00");
	payment_assert(f, "b1", "over", 20 * MONEY_MAX);
	payment_expect(f, "takings", one("day", json_string("2026-11-23")), one("total", json_integer(20 * MONEY_MAX)));
}

/* --- through the desk --- */

static json_t *notify(struct ops *o, int64_t id, int64_t amount, const char *content)
{
	return ops_ask(o, ROLE_BANK, payment_notice(id, amount, content, ""));
}

/* Booked, paid by a transfer, looked up, cancelled, in the tray, paid back: as the patient and the clerk see it. */
static void test_through_the_desk(void **state)
{
	struct ops o = ops_open(state, 8);
	struct hook_secrets *hooks = NULL;
	struct err err = { 0 };
	char code[32], reference[32];
	payment_secrets(o.f);
	assert_int_equal(hook_secrets_open(&hooks, o.f->dir, &err), 0);
	desk_free(o.desk);
	const struct desk_config config = { .db = o.f->db, .seal = o.f->seal, .hooks = hooks, .clock = &o.f->clock };
	assert_int_equal(desk_new(&o.desk, &config, &err), 0);
	json_t *booked = ops_book(&o, 1, "2026-11-24", 480, 1);
	snprintf(code, sizeof(code), "%s", ops_text(booked, "code"));
	snprintf(reference, sizeof(reference), "%s", ops_text(json_object_get(booked, "payment"), "reference"));
	assert_refused(ops_ask(&o, ROLE_ANYBODY, payment_notice(1, 150000, reference, "")), "session");
	notify(&o, 1, 150000, reference);
	assert_true(json_is_true(json_object_get(o.answer, "taken")));
	notify(&o, 1, 150000, reference);
	assert_true(json_is_true(json_object_get(o.answer, "known")));
	ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "lookup", "code", code, "phone", "0912300001");
	assert_string_equal(ops_text(json_object_get(o.answer, "payment"), "state"), "paid");
	ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "cancel", "code", code, "phone", "0912300001");
	assert_string_equal(ops_text(o.answer, "state"), "cancelled");
	ASK(&o, ROLE_CLERK, "{s:s}", "op", "tray");
	json_t *item = json_array_get(json_object_get(o.answer, "receipts"), 0);
	assert_string_equal(ops_text(item, "state"), "cancelled");
	assert_string_equal(ops_text(json_object_get(item, "booking"), "name"), "N** V** An");
	ASK(&o, ROLE_CLERK, "{s:s, s:I, s:s}", "op", "refund", "id", (json_int_t)ops_number(item, "id"), "note",
	    "cash");
	assert_taken(o.answer);
	ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "lookup", "code", code, "phone", "0912300001");
	assert_string_equal(ops_text(json_object_get(o.answer, "payment"), "state"), "refunded");
	/* what is not paid in time is void; the patient is not turned away for it */
	ops_book(&o, 1, "2026-11-24", 480, 2);
	snprintf(code, sizeof(code), "%s", ops_text(o.answer, "code"));
	clock_advance(&o.f->clock, 31 * PAYMENT_MINUTE);
	ASK(&o, ROLE_KIOSK, "{s:s}", "op", "upkeep");
	assert_int_equal(ops_number(o.answer, "voided"), 1);
	ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "lookup", "code", code, "phone", "0912300002");
	assert_string_equal(ops_text(json_object_get(o.answer, "payment"), "state"), "void");
	assert_string_equal(ops_text(o.answer, "state"), "booked");
	notify(&o, 2, 150000, "forgot the reference");
	ASK(&o, ROLE_CLERK, "{s:s}", "op", "tray");
	item = json_array_get(json_object_get(o.answer, "receipts"), 0);
	ASK(&o, ROLE_CLERK, "{s:s, s:I, s:s}", "op", "settle", "id", (json_int_t)ops_number(item, "id"), "code", code);
	assert_taken(o.answer);
	ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "lookup", "code", code, "phone", "0912300002");
	assert_string_equal(ops_text(json_object_get(o.answer, "payment"), "state"), "paid");
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change WHERE call LIKE '%forgot%'"), 0);
	ops_close(&o);
	hook_secrets_close(hooks);
}

/* --- a standby --- */

static int dump(void *arg, const struct db_row *row)
{
	for (int i = 0; i < 5; i++)
		buf_printf(arg, STR_FMT "|", STR_ARG(db_text(row, i)));
	for (int i = 5; i < 8; i++)
		buf_printf(arg, "%lld|", (long long)db_number(row, i));
	buf_putc(arg, '\n');
	return 0;
}

static void dump_all(struct fixture *f, struct buf *out)
{
	db_query(f->db, "SELECT bank, bank_id, code, reference, state, amount, at, made FROM receipt ORDER BY id",
	         DB_NONE, dump, out, NULL);
	db_query(f->db, "SELECT reference, ref, state, '', '', amount, paid, changed FROM payment ORDER BY reference",
	         DB_NONE, dump, out, NULL);
	db_query(f->db,
	         "SELECT day, bank, bank_id, result, '', amount, made, made FROM statement ORDER BY day, bank, bank_id",
	         DB_NONE, dump, out, NULL);
	assert_true(out->n > 0 && !out->failed);
}

/* The call of which the first one made a change, applied by the other: without a key or a secret. */
static void both(struct fixture *first, struct fixture *second, const char *name, json_t *in)
{
	char *said;
	json_t *answer = payment_ask_said(first, name, in, &said);
	struct call c = { .db = second->db,
		          .now = clock_wall(&first->clock),
		          .in = json_loads(said, 0, NULL),
		          .out = json_object() };
	payment_apply(second, &c, payment_op(name));
	if (!json_equal(answer, c.out))
		fail_msg("%s: the standby answers something else", said);
	json_decref(c.in);
	json_decref(c.out);
	json_decref(answer);
	free(said);
}

static void test_standby(void **state)
{
	struct fixture first, second;
	struct buf one_has = { 0 }, other_has = { 0 }, csv = { 0 };
	fixture_open(&second, DB_POSTGRESQL);
	fixture_open(&first, DB_SQLITE);
	for (struct fixture *f = &first; f; f = f == &first ? &second : NULL) {
		payment_secrets(f);
		payment_bank(f);
		payment_booking(f, "b1", 2, 100000);
		payment_booking(f, "b2", 3, 50000);
	}
	const char *reference = payment_reference(&first, "b1");
	buf_add(&csv, STR("id,date,amount,content\n"));
	for (int i = 30; i; i--)
		buf_printf(&csv, "FT%d,23/11/2026,%d,x\n", i, 1000 + i);
	buf_putc(&csv, 0);
	for (int i = 1; i <= 20; i++)
		both(&first, &second, "notice",
		     payment_notice(i, i % 5 ? 1000 + i : -i, i % 3 ? reference : "?", "2026-11-23 08:00:00"));
	both(&first, &second, "settle", json_pack("{s:i, s:s}", "id", 3, "ref", "b2"));
	both(&first, &second, "cash", json_pack("{s:s, s:i}", "ref", "b2", "amount", 40000));
	both(&first, &second, "refund", json_pack("{s:i, s:s}", "id", 1, "note", "x"));
	both(&first, &second, "reconcile", json_pack("{s:s, s:s}", "day", "2026-11-23", "csv", csv.p));
	dump_all(&first, &one_has);
	dump_all(&second, &other_has);
	assert_int_equal(one_has.n, other_has.n);
	assert_memory_equal(one_has.p, other_has.p, one_has.n);
	buf_free(&one_has);
	buf_free(&other_has);
	buf_free(&csv);
	fixture_close(&first);
	fixture_close(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_open),
		BOTH(test_no_fee_no_bank),
		BOTH(test_reference_taken),
		BOTH(test_paid_exactly),
		BOTH(test_same_notice_seven_times),
		BOTH(test_short_then_whole_then_over),
		BOTH(test_too_much_at_once),
		BOTH(test_late),
		BOTH(test_when),
		BOTH(test_void_in_between),
		BOTH(test_unmatched_and_outgoing),
		BOTH(test_not_signed),
		BOTH(test_nothing_plain),
		BOTH(test_purge),
		BOTH(test_settle_by_code),
		BOTH(test_what_cannot_be_settled),
		BOTH(test_settle_elsewhere),
		BOTH(test_refund_of_the_tray),
		BOTH(test_cancelled),
		BOTH(test_cancelled_with_money),
		BOTH(test_cash),
		BOTH(test_largest),
		BOTH(test_through_the_desk),
		cmocka_unit_test(test_standby),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
