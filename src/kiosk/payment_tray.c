#include "kiosk/payment_inside.h"
#include "kiosk/person.h"
#include "kiosk/put.h"

#include <errno.h>
#include <stdio.h>

enum { TRAY_SHOWN = 200 };

/* --- what lies there --- */

struct shown {
	struct call *c;
	json_t *list;
};

/* What can't be read any more is shown without its text. */
static void put_content(struct call *c, json_t *item, struct str sealed, struct str bank, struct str bank_id)
{
	CLEANUP(buf_free) struct buf name = { 0 }, text = { 0 };
	receipt_name(bank, bank_id, &name);
	if (!sealed.n || seal_read(c->seal, "receipt", buf_str(&name), sealed, &text))
		text.n = 0;
	put_text(item, "content", buf_str(&text));
}

static int show(void *arg, const struct db_row *row)
{
	struct shown *s = arg;
	json_t *item = put_item(s->list);
	put_number(item, "id", db_number(row, 0));
	put_text(item, "bank", db_text(row, 1));
	put_text(item, "bank_id", db_text(row, 2));
	put_number(item, "at", db_number(row, 3));
	put_number(item, "amount", db_number(row, 4));
	put_content(s->c, item, db_bytes(row, 5), db_text(row, 1), db_text(row, 2));
	put_text(item, "reference", db_text(row, 6));
	put_text(item, "state", db_text(row, 7));
	put_text(item, "note", db_text(row, 8));
	return 0;
}

static int put_booking(struct call *c, json_t *item, struct err *err)
{
	struct payment p;
	json_t *reference = json_object_get(item, "reference"), *booking;
	struct str name = { json_string_value(reference), json_string_length(reference) };
	int rc = name.n ? payment_of_reference(c, name, &p, err) : -ENOENT;
	if (rc || !p.booking[0])
		return rc == -ENOENT ? 0 : rc;
	booking = json_object();
	json_object_set_new(item, "booking", booking);
	return booked_say(c, str_from(p.ref), false, booking, err);
}

int payment_tray(struct call *c, struct err *err)
{
	struct shown s = { .c = c, .list = put_list(c->out, "receipts") };
	json_t *item;
	size_t i;
	int64_t waiting;
	int64_t n = db_query(c->db,
	                     "SELECT id, bank, bank_id, at, amount, content, reference, state, note FROM receipt"
	                     " WHERE state IN " PAYMENT_IN_TRAY " ORDER BY id LIMIT $1",
	                     DB_ARGS(DB_N(TRAY_SHOWN)), show, &s, err);
	if (n < 0)
		return (int)n;
	json_array_foreach(s.list, i, item)
	{
		int rc = put_booking(c, item, err);
		if (rc)
			return rc;
	}
	int rc = db_ask(c->db, "SELECT COUNT(*) FROM receipt WHERE state IN " PAYMENT_IN_TRAY, DB_NONE, &waiting, err);
	if (rc)
		return rc;
	call_say_number(c, "waiting", waiting);
	call_say_number(c, "zone", setting_number(c->db, STR("zone"), 420));
	return 0;
}

/* --- a person decides --- */

struct held {
	char reference[REFERENCE_LENGTH + 1], state[16], note[PAYMENT_NOTE + 1];
	int64_t amount;
};

static int take_held(void *arg, const struct db_row *row)
{
	struct held *h = arg;
	snprintf(h->reference, sizeof(h->reference), STR_FMT, STR_ARG(db_text(row, 0)));
	snprintf(h->state, sizeof(h->state), STR_FMT, STR_ARG(db_text(row, 1)));
	snprintf(h->note, sizeof(h->note), STR_FMT, STR_ARG(db_text(row, 2)));
	h->amount = db_number(row, 3);
	return 1;
}

static bool held_is(const struct held *h, const char *state)
{
	return !strcmp(h->state, state);
}

/* PAYMENT_UNCOUNTED */
static bool is_uncounted(const struct held *h)
{
	return held_is(h, "unmatched") || held_is(h, "account") || held_is(h, "late");
}

/* The receipt `id` of the call: 0, CALL_REFUSED or -errno. */
static int find_receipt(struct call *c, struct held *h, struct err *err)
{
	if (call_text(c, "note").n > PAYMENT_NOTE)
		return call_refuse(c, "value", "note");
	int64_t n = db_query(c->db, "SELECT reference, state, note, amount FROM receipt WHERE id = $1",
	                     DB_ARGS(DB_N(call_number(c, "id"))), take_held, h, err);
	if (n < 0)
		return (int)n;
	return n ? 0 : call_refuse(c, "unknown", "id");
}

/* A new note, or the one it has. */
static struct str note_for(const struct call *c, const struct held *h)
{
	struct str note = str_trim(call_text(c, "note"));
	return note.n ? note : str_from(h->note);
}

/* The lookup code doesn't stay in the call. */
int payment_settle_ready(struct call *c, struct err *err)
{
	json_object_del(c->in, "code_hash");
	return call_text(c, "code").n ? person_hide(c, err) : 0;
}

static int take_ref(void *arg, const struct db_row *row)
{
	buf_add(arg, db_text(row, 0));
	return 1;
}

/* By its lookup code, or its name. 0, CALL_REFUSED or -errno. */
static int find_payment(struct call *c, struct payment *p, struct err *err)
{
	CLEANUP(buf_free) struct buf hash = { 0 }, ref = { 0 };
	bool by_code = call_text(c, "code_hash").n > 0;
	int64_t n = 0;
	if (by_code)
		n = call_bytes(c, "code_hash", &hash, err);
	else
		buf_add(&ref, call_text(c, "ref"));
	if (by_code && !n)
		n = db_query(c->db, "SELECT ref FROM booking WHERE code_hash = $1", DB_ARGS(DB_B(buf_str(&hash))),
		             take_ref, &ref, err);
	if (n < 0)
		return (int)n;
	int rc = payment_of_ref(c, buf_str(&ref), p, err);
	return rc == -ENOENT ? call_refuse(c, "unknown", by_code ? "code" : "ref") : rc;
}

int payment_settle(struct call *c, struct err *err)
{
	struct held h = { 0 };
	struct payment p, old;
	int rc = find_receipt(c, &h, err);
	rc = rc ? rc : find_payment(c, &p, err);
	if (rc)
		return rc;
	if (!is_uncounted(&h) || !p.booking[0] || !strcmp(p.booking, "cancelled"))
		return call_refuse(c, "state", NULL);
	int64_t id = call_number(c, "id");
	rc = receipt_set(c, id, "settled", str_from(p.reference), note_for(c, &h), err);
	rc = rc ? rc : payment_recount(c, &p, err);
	if (!rc && payment_is(&p, "over"))
		rc = receipt_set(c, id, "over", str_from(p.reference), note_for(c, &h), err);
	if (rc || !strcmp(h.reference, p.reference))
		return rc;
	rc = payment_of_reference(c, str_from(h.reference), &old, err); /* it was late for another one */
	return rc == -ENOENT ? 0 : rc ? rc : payment_recount(c, &old, err);
}

/* What of a receipt can be paid back; 0: nothing. *after: what it is then. */
static int64_t to_pay_back(const struct held *h, const struct payment *p, const char **after)
{
	if (is_uncounted(h)) {
		*after = "returned";
		return h->amount;
	}
	if (held_is(h, "over")) { /* what is too much; the rest is as others */
		int64_t excess = p->paid - p->amount;
		*after = "taken";
		return excess < h->amount ? excess : h->amount;
	}
	*after = "refunded";
	if (held_is(h, "cancelled") || held_is(h, "taken") || held_is(h, "settled") || held_is(h, "cash"))
		return p->paid < h->amount ? p->paid : h->amount; /* some of it may have been paid back before */
	return 0;
}

/* The ledger's other side: what is counted with a payment is taken off it. */
static int add_back(struct call *c, const struct payment *p, int64_t amount, struct err *err)
{
	char note[32];
	snprintf(note, sizeof(note), "%lld", (long long)call_number(c, "id"));
	struct receipt back = { .bank = STR("back"),
		                .code = str_from(note),
		                .at = c->now,
		                .amount = -amount,
		                .reference = str_from(p->reference),
		                .state = STR("back"),
		                .content = STR(""),
		                .note = str_trim(call_text(c, "note")),
		                .bank_id = STR("") };
	return receipt_add(c, &back, err);
}

int payment_refund(struct call *c, struct err *err)
{
	struct held h = { 0 };
	struct payment p = { 0 };
	const char *after;
	int rc = find_receipt(c, &h, err);
	if (rc)
		return rc;
	rc = h.reference[0] ? payment_of_reference(c, str_from(h.reference), &p, err) : -ENOENT;
	if (rc && rc != -ENOENT)
		return rc;
	int64_t amount = to_pay_back(&h, &p, &after);
	if (amount <= 0)
		return call_refuse(c, "state", NULL);
	bool counted = strcmp(after, "returned") != 0;
	rc = receipt_set(c, call_number(c, "id"), after, str_from(h.reference), note_for(c, &h), err);
	if (!rc && counted)
		rc = add_back(c, &p, amount, err);
	if (!rc && p.reference[0])
		rc = payment_recount(c, &p, err);
	if (!rc)
		call_say_number(c, "amount", amount);
	return rc;
}

/* At most what is still to be paid: a form that was sent twice finds nothing left. */
int payment_cash(struct call *c, struct err *err)
{
	struct payment p;
	int64_t amount = call_number(c, "amount");
	struct str ref = call_text(c, "ref"), note = str_trim(call_text(c, "note"));
	if (note.n > PAYMENT_NOTE)
		return call_refuse(c, "value", "note");
	int rc = payment_of_ref(c, ref, &p, err);
	if (rc)
		return rc == -ENOENT ? call_refuse(c, "unknown", "ref") : rc;
	if (p.paid >= p.amount || !strcmp(p.booking, "cancelled"))
		return call_refuse(c, "state", NULL);
	if (amount <= 0 || amount > p.amount - p.paid)
		return call_refuse(c, "value", "amount");
	struct receipt r = { .bank = STR("cash"),
		             .bank_id = STR(""),
		             .code = STR(""),
		             .at = c->now,
		             .amount = amount,
		             .reference = str_from(p.reference),
		             .state = STR("cash"),
		             .content = STR(""),
		             .note = note };
	rc = receipt_add(c, &r, err);
	rc = rc ? rc : payment_recount(c, &p, err);
	return rc ? rc : payment_say(c, ref, c->out, err);
}
