/* For payment's tests: bookings with a fee, calls as the desk makes them, and SePay's notices. */
#ifndef KHIEN_KIOSK_PAYMENT_FIXTURE_H
#define KHIEN_KIOSK_PAYMENT_FIXTURE_H

#include "kiosk/fixture.h"
#include "kiosk/payment_inside.h"
#include "kiosk/seal_hook.h"

static const int64_t PAYMENT_MINUTE = (int64_t)60 * CLOCK_S;

static inline void payment_run(struct fixture *f, const char *sql)
{
	struct err err = { 0 };
	if (db_script(f->db, sql, &err))
		fail_msg("%s", err.text);
}

static inline void payment_bank(struct fixture *f)
{
	payment_run(f,
	            "INSERT INTO setting (name, value) VALUES ('bank_bin', '970416');\n"
	            "INSERT INTO setting (name, value) VALUES ('bank_account', '257678859');\n"
	            "INSERT INTO specialty (id, place, name_vi, name_en, name_zh, fee, active)"
	            " VALUES (1, 1, 'Nội', 'Internal', '内科', 100000, 1);\n"
	            "INSERT INTO room (id, specialty, place, name, letter, active) VALUES (1, 1, 1, '101', 'A', 1);\n");
}

/* With a payment of this fee; its lookup code is ABCDEFGHJ and the number's digit. */
static inline void payment_booking(struct fixture *f, const char *ref, int64_t number, int64_t fee)
{
	struct err err = { 0 };
	struct call c = { .db = f->db, .seal = f->seal, .now = clock_wall(&f->clock) };
	unsigned char hash[SEAL_HASH];
	char code[CODE_LENGTH + 1];
	snprintf(code, sizeof(code), "ABCDEFGHJ%d", (int)number);
	seal_hash(f->seal, "code", str_from(code), hash);
	assert_int_equal(db_begin(f->db, &err), 0);
	int64_t n =
	        db_run(f->db,
	               "INSERT INTO booking (ref, room, day, start, number, kind, priority, state, person, code_hash,"
	               " phone_hash, once, lang, made, changed, arrived, called, calls, ended)"
	               " VALUES ($1, 1, '2026-11-23', 540, $2, 'booked', 0, 'booked', NULL, $3, NULL, $1, 'vi', $4,"
	               " $4, 0, 0, 0, 0)",
	               DB_ARGS(DB_T(str_from(ref)), DB_N(number),
	                       DB_B(((struct str){ (const char *)hash, sizeof(hash) })), DB_N(c.now)),
	               &err);
	if (n != 1 || payment_open(&c, str_from(ref), fee, &err))
		fail_msg("%s", err.text);
	assert_int_equal(db_commit(f->db, &err), 0);
}

static inline const struct op *payment_op(const char *name)
{
	const struct op *op = payment_ops;
	while (op->name && strcmp(op->name, name))
		op++;
	assert_non_null(op->name);
	return op;
}

static inline int payment_apply(struct fixture *f, struct call *c, const struct op *op)
{
	struct err err = { 0 };
	assert_int_equal(db_begin(f->db, &err), 0);
	int rc = op->apply(c, &err);
	if (rc < 0)
		fail_msg("%s: %s", op->name, err.text);
	if (rc)
		db_rollback(f->db);
	else
		assert_int_equal(db_commit(f->db, &err), 0);
	return rc;
}

/*
 * Takes over `in`; the answer is the caller's. A change goes through its text between ready() and apply(), as on its way to a
 * standby. `said`, if wanted: that text, the caller's to free.
 */
static inline json_t *payment_ask_said(struct fixture *f, const char *name, json_t *in, char **said)
{
	const struct op *op = payment_op(name);
	struct err err = { 0 };
	struct hook_secrets *hooks = NULL;
	assert_int_equal(hook_secrets_open(&hooks, f->dir, &err), 0);
	struct call c = { .db = f->db,
		          .seal = f->seal,
		          .hooks = hooks,
		          .now = clock_wall(&f->clock),
		          .in = in,
		          .out = json_object() };
	assert_non_null(in);
	int rc = op->ready ? op->ready(&c, &err) : 0;
	if (rc < 0)
		fail_msg("%s: %s", name, err.text);
	char *text = json_dumps(in, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(in);
	c.in = json_loads(text, 0, NULL);
	if (!rc)
		payment_apply(f, &c, op);
	json_decref(c.in);
	hook_secrets_close(hooks);
	if (said)
		*said = text;
	else
		free(text);
	return c.out;
}

static inline json_t *payment_ask(struct fixture *f, const char *name, json_t *in)
{
	return payment_ask_said(f, name, in, NULL);
}

/* Asks, and compares what the answer has under these names. Takes over both. */
static inline void payment_expect(struct fixture *f, const char *name, json_t *in, json_t *want)
{
	json_t *out = payment_ask(f, name, in), *value;
	const char *key;
	assert_non_null(want);
	json_object_foreach(want, key, value)
	{
		if (!json_equal(json_object_get(out, key), value)) {
			char *text = json_dumps(out, JSON_SORT_KEYS), *wanted = json_dumps(want, JSON_SORT_KEYS);
			fail_msg("%s: %s, wanted: %s", name, text, wanted);
		}
	}
	json_decref(out);
	json_decref(want);
}

/* {"payment"} of a booking; the caller's. */
static inline json_t *payment_of(struct fixture *f, const char *ref)
{
	json_t *out = payment_ask(f, "paid", json_pack("{s:s}", "ref", ref));
	json_t *payment = json_incref(json_object_get(out, "payment"));
	json_decref(out);
	return payment;
}

static inline void payment_assert(struct fixture *f, const char *ref, const char *state, int64_t paid)
{
	json_t *payment = payment_of(f, ref);
	assert_string_equal(json_string_value(json_object_get(payment, "state")), state);
	assert_int_equal(json_integer_value(json_object_get(payment, "paid")), paid);
	json_decref(payment);
}

/* What a payer of this booking writes; valid until the next call. */
static inline const char *payment_reference(struct fixture *f, const char *ref)
{
	static char reference[REFERENCE_LENGTH + 1];
	json_t *payment = payment_of(f, ref);
	snprintf(reference, sizeof(reference), "%s", json_string_value(json_object_get(payment, "reference")));
	json_decref(payment);
	return reference;
}

static inline void payment_secrets(struct fixture *f)
{
	char path[FIXTURE_PATH + 32];
	snprintf(path, sizeof(path), "%s/hook-sepay", f->dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "key", 3), 3);
	close(fd);
}

/* A call of SePay's notice: `at` as in "2026-11-23 08:01:00"; negative amounts went out. account NULL: it doesn't say. */
static inline json_t *payment_notice_to(const char *account, int64_t id, int64_t amount, const char *content,
                                        const char *at)
{
	json_t *notice =
	        json_pack("{s:I, s:s, s:s, s:s, s:I, s:s*, s:s}", "id", (json_int_t)id, "transactionDate", at,
	                  "content", content, "transferType", amount < 0 ? "out" : "in", "transferAmount",
	                  (json_int_t)(amount < 0 ? -amount : amount), "accountNumber", account, "referenceCode", "");
	char code[32];
	snprintf(code, sizeof(code), "FT%lld", (long long)id);
	json_object_set_new(notice, "referenceCode", json_string(code));
	char *body = json_dumps(notice, 0);
	json_t *in = json_pack("{s:s, s:s, s:s, s:s}", "op", "notice", "bank", "sepay", "authorization", "Apikey key",
	                       "body", body);
	free(body);
	json_decref(notice);
	return in;
}

static inline json_t *payment_notice(int64_t id, int64_t amount, const char *content, const char *at)
{
	return payment_notice_to("257678859", id, amount, content, at);
}

/* It is new, and taken. */
static inline void payment_comes(struct fixture *f, int64_t id, int64_t amount, const char *content, const char *at)
{
	payment_expect(f, "notice", payment_notice(id, amount, content, at),
	               json_pack("{s:b, s:b}", "taken", 1, "known", 0));
}

/* The states and ids of what lies in the tray: "unmatched 1, late 3". */
static inline void payment_assert_tray(struct fixture *f, const char *want)
{
	json_t *out = payment_ask(f, "tray", json_object()), *item;
	struct buf seen = { 0 };
	size_t i;
	json_array_foreach(json_object_get(out, "receipts"), i, item)
	{
		buf_printf(&seen, "%s%s %lld", i ? ", " : "", json_string_value(json_object_get(item, "state")),
		           (long long)json_integer_value(json_object_get(item, "id")));
	}
	assert_int_equal(json_integer_value(json_object_get(out, "waiting")), i);
	buf_putc(&seen, 0);
	assert_string_equal(seen.p, want);
	buf_free(&seen);
	json_decref(out);
}

#endif
