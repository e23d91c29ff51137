#include "kiosk/payment_inside.h"
#include "kiosk/person.h"
#include "kiosk/put.h"
#include "kiosk/seal_hook.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

enum { REFERENCE_TRIES = 16, PURGED_AT_ONCE = 5000 };

static const int64_t MINUTE_US = 60 * (int64_t)1000000;

/* --- rows --- */

static void copy(char *to, size_t room, struct str text)
{
	snprintf(to, room, STR_FMT, STR_ARG(text));
}

static int take_payment(void *arg, const struct db_row *row)
{
	struct payment *p = arg;
	copy(p->reference, sizeof(p->reference), db_text(row, 0));
	copy(p->ref, sizeof(p->ref), db_text(row, 1));
	copy(p->state, sizeof(p->state), db_text(row, 2));
	p->amount = db_number(row, 3);
	p->paid = db_number(row, 4);
	p->made = db_number(row, 5);
	p->ends = db_number(row, 6);
	copy(p->booking, sizeof(p->booking), db_text(row, 7));
	return 1;
}

#define PAYMENT_ROWS                                                                                                   \
	"SELECT p.reference, p.ref, p.state, p.amount, p.paid, p.made, p.ends, b.state"                                \
	" FROM payment p LEFT JOIN booking b ON b.ref = p.ref"

static int found(int64_t rows, struct str name, struct err *err)
{
	if (rows < 0)
		return (int)rows;
	return rows ? 0 : err_set(err, -ENOENT, "there is no payment of " STR_FMT, STR_ARG(name));
}

int payment_of_reference(struct call *c, struct str reference, struct payment *ret, struct err *err)
{
	return found(db_query(c->db, PAYMENT_ROWS " WHERE p.reference = $1", DB_ARGS(DB_T(reference)), take_payment,
	                      ret, err),
	             reference, err);
}

int payment_of_ref(struct call *c, struct str ref, struct payment *ret, struct err *err)
{
	return found(db_query(c->db, PAYMENT_ROWS " WHERE p.ref = $1", DB_ARGS(DB_T(ref)), take_payment, ret, err), ref,
	             err);
}

int receipt_add(struct call *c, struct receipt *r, struct err *err)
{
	int rc = schema_next(c->db, STR("receipt"), &r->id, err);
	char own_id[24];
	if (rc)
		return rc;
	if (!r->bank_id.n) { /* no bank gave it one */
		snprintf(own_id, sizeof(own_id), "%" PRId64, r->id);
		r->bank_id = str_from(own_id);
	}
	int64_t n = db_run(
	        c->db,
	        "INSERT INTO receipt (id, bank, bank_id, code, at, amount, content, reference, state, note, made)"
	        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
	        DB_ARGS(DB_N(r->id), DB_T(r->bank), DB_T(r->bank_id), DB_T(r->code), DB_N(r->at), DB_N(r->amount),
	                DB_B(r->content), DB_T(r->reference), DB_T(r->state), DB_T(r->note), DB_N(c->now)),
	        err);
	return n < 0 ? (int)n : 0;
}

int receipt_set(struct call *c, int64_t id, const char *state, struct str reference, struct str note, struct err *err)
{
	int64_t n = db_run(c->db, "UPDATE receipt SET state = $1, reference = $2, note = $3 WHERE id = $4",
	                   DB_ARGS(DB_T(str_from(state)), DB_T(reference), DB_T(note), DB_N(id)), err);
	return n < 0 ? (int)n : 0;
}

void receipt_name(struct str bank, struct str bank_id, struct buf *out)
{
	buf_add(out, bank);
	buf_putc(out, ':');
	buf_add(out, bank_id);
}

/* --- what a payment has --- */

struct tally {
	int64_t paid, counted, late, returned; /* the last three: how many */
	bool overflow;
};

static int tally(void *arg, const struct db_row *row)
{
	struct tally *t = arg;
	struct str state = db_text(row, 0);
	int64_t n = db_number(row, 1);
	if (str_eq(state, STR("late"))) {
		t->late += n;
	} else if (str_eq(state, STR("returned"))) {
		t->returned += n;
	} else if (!str_eq(state, STR("unmatched")) && !str_eq(state, STR("account")) &&
	           !str_eq(state, STR("ignored"))) {
		t->counted += n;
		t->overflow |= __builtin_add_overflow(t->paid, db_number(row, 2), &t->paid);
	}
	return 0;
}

static const char *state_of(const struct payment *p, const struct tally *t)
{
	if (t->paid > 0)
		return t->paid == p->amount ? "paid" : t->paid > p->amount ? "over" : "short";
	if (t->late)
		return "late";
	if (t->counted || t->returned)
		return "refunded";
	return payment_is(p, "open") ? "open" : "void";
}

int payment_recount(struct call *c, struct payment *p, struct err *err)
{
	struct tally t = { 0 };
	int64_t n = db_query(c->db,
	                     "SELECT state, COUNT(*), CAST(SUM(amount) AS BIGINT) FROM receipt WHERE reference = $1"
	                     " GROUP BY state ORDER BY state",
	                     DB_ARGS(DB_T(str_from(p->reference))), tally, &t, err);
	if (n < 0)
		return (int)n;
	if (t.overflow)
		return err_set(err, -EOVERFLOW, "payment %s: more money than there is", p->reference);
	copy(p->state, sizeof(p->state), str_from(state_of(p, &t)));
	p->paid = t.paid;
	n = db_run(c->db, "UPDATE payment SET paid = $1, state = $2, changed = $3 WHERE reference = $4",
	           DB_ARGS(DB_N(p->paid), DB_T(str_from(p->state)), DB_N(c->now), DB_T(str_from(p->reference))), err);
	return n < 0 ? (int)n : 0;
}

/* --- a booking's payment --- */

/* Of the booking's name, which is random: both kiosks come to the same one. */
static void reference_of(struct str ref, unsigned attempt, char reference[REFERENCE_LENGTH + 1])
{
	unsigned char hash[crypto_generichash_BYTES_MIN];
	char text[96];
	int n = snprintf(text, sizeof(text), "payment %u " STR_FMT, attempt, STR_ARG(str_sub(ref, 0, 64)));
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, (size_t)n, NULL, 0);
	reference_make(hash, reference);
}

static int free_reference(struct call *c, struct str ref, char reference[REFERENCE_LENGTH + 1], struct err *err)
{
	int64_t amount;
	int rc = 0;
	for (unsigned i = 0; i < REFERENCE_TRIES && !rc; i++) {
		reference_of(ref, i, reference);
		rc = db_ask(c->db, "SELECT amount FROM payment WHERE reference = $1",
		            DB_ARGS(DB_T(str_from(reference))), &amount, err);
	}
	return rc == -ENOENT ? 0 : rc ? rc : err_set(err, -EEXIST, "no reference is free for " STR_FMT, STR_ARG(ref));
}

int payment_open(struct call *c, struct str ref, int64_t fee, struct err *err)
{
	char reference[REFERENCE_LENGTH + 1];
	if (!fee)
		return 0;
	if (fee < 0 || fee > MONEY_MAX)
		return err_set(err, -EINVAL, "a fee of %" PRId64 " đồng", fee);
	int rc = free_reference(c, ref, reference, err);
	if (rc)
		return rc;
	int64_t ends = c->now + setting_number(c->db, STR("slot_fee_hold_minutes"), 30) * MINUTE_US;
	int64_t n = db_run(c->db,
	                   "INSERT INTO payment (reference, ref, amount, state, paid, made, ends, changed)"
	                   " VALUES ($1, $2, $3, 'open', 0, $4, $5, $4)",
	                   DB_ARGS(DB_T(str_from(reference)), DB_T(ref), DB_N(fee), DB_N(c->now), DB_N(ends)), err);
	return n < 0 ? (int)n : 0;
}

/* What was paid already goes to the tray: it has to be paid back. */
int payment_void(struct call *c, struct str ref, struct err *err)
{
	struct payment p;
	int rc = payment_of_ref(c, ref, &p, err);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	int64_t n = 0;
	if (payment_is(&p, "open"))
		n = db_run(c->db, "UPDATE payment SET state = 'void', changed = $1 WHERE reference = $2",
		           DB_ARGS(DB_N(c->now), DB_T(str_from(p.reference))), err);
	else if (p.paid > 0)
		n = db_run(c->db,
		           "UPDATE receipt SET state = 'cancelled' WHERE reference = $1"
		           " AND state IN ('taken', 'settled', 'over', 'cash')",
		           DB_ARGS(DB_T(str_from(p.reference))), err);
	return n < 0 ? (int)n : 0;
}

/* What the QR code says: what is still to be paid, while it can be. Otherwise nothing is appended. */
static int say_qr(struct call *c, const struct payment *p, struct buf *out, struct err *err)
{
	CLEANUP(buf_free) struct buf bin = { 0 }, account = { 0 };
	char text[VIETQR_MAX];
	if ((!payment_is(p, "open") && !payment_is(p, "short")) || c->now > p->ends || !strcmp(p->booking, "cancelled"))
		return 0;
	int rc = setting_get(c->db, STR("bank_bin"), &bin, err);
	rc = rc ? rc : setting_get(c->db, STR("bank_account"), &account, err);
	if (rc || !bin.n || !account.n)
		return rc == -ENOENT ? 0 : rc;
	const struct vietqr q = { .bin = buf_str(&bin),
		                  .account = buf_str(&account),
		                  .amount = p->amount - p->paid,
		                  .purpose = str_from(p->reference) };
	rc = vietqr_write(&q, text, err);
	if (!rc)
		buf_add(out, str_from(text));
	return rc;
}

int payment_say(struct call *c, struct str ref, json_t *out, struct err *err)
{
	CLEANUP(buf_free) struct buf qr = { 0 };
	struct payment p;
	int rc = payment_of_ref(c, ref, &p, err);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	rc = say_qr(c, &p, &qr, err);
	if (rc)
		return rc;
	json_t *payment = json_object();
	put_text(payment, "reference", str_from(p.reference));
	put_number(payment, "amount", p.amount);
	put_number(payment, "paid", p.paid);
	put_text(payment, "state", str_from(p.state));
	put_number(payment, "ends", p.ends);
	put_text(payment, "qr", buf_str(&qr));
	json_object_set_new(out, "payment", payment);
	return 0;
}

static int apply_paid(struct call *c, struct err *err)
{
	return payment_say(c, call_text(c, "ref"), c->out, err);
}

int64_t payment_purge(struct call *c, int64_t before, struct err *err)
{
	return db_run(c->db,
	              "UPDATE receipt SET content = $1 WHERE id IN (SELECT id FROM receipt WHERE made < $2"
	              " AND content <> $1 AND state NOT IN " PAYMENT_IN_TRAY " ORDER BY id LIMIT $3)",
	              DB_ARGS(DB_B(STR("")), DB_N(before), DB_N(PURGED_AT_ONCE)), err);
}

/* --- what banks say --- */

static int kind_of(struct str bank)
{
	for (int i = 0; i < N_HOOKS; i++)
		if (str_eq(bank, str_from(hook_names[i])))
			return i;
	return -1;
}

/* Of the notice stays what the ledger needs; what the payer wrote is sealed. */
static int ready_notice(struct call *c, struct err *err)
{
	CLEANUP(buf_free) struct buf name = { 0 }, sealed = { 0 };
	struct str bank = call_text(c, "bank");
	struct notice n;
	int kind = kind_of(bank);
	if (kind < 0)
		return call_refuse(c, "body", "bank");
	int rc = hook_read((enum hook_kind)kind, hook_secret(c->hooks, (enum hook_kind)kind),
	                   call_text(c, "authorization"), call_text(c, "body"), &n, err);
	json_object_del(c->in, "authorization");
	json_object_del(c->in, "body");
	if (rc)
		return call_refuse(c, rc == -EACCES ? "signature" : "body", NULL);
	receipt_name(bank, str_from(n.bank_id), &name);
	seal_text(c->seal, "receipt", buf_str(&name), str_from(n.content), &sealed);
	sodium_memzero(n.content, sizeof(n.content));
	if (name.failed || sealed.failed)
		return err_set(err, -ENOMEM, "a bank's notice: %m");
	put_text(c->in, "bank_id", str_from(n.bank_id));
	put_text(c->in, "bank_code", str_from(n.code));
	put_text(c->in, "account", str_from(n.account));
	put_text(c->in, "sub_account", str_from(n.sub_account));
	put_text(c->in, "reference", str_from(n.reference));
	put_number(c->in, "amount", n.amount);
	put_number(c->in, "at", n.at);
	return call_put_bytes(c, "content", buf_str(&sealed), err);
}

/*
 * A transfer that was made in time and told of later is in time. But some banks tell the day alone: what is before the payment was
 * made, or in the future, is no time to go by.
 */
static bool in_time(const struct call *c, const struct payment *p, int64_t at)
{
	int64_t when = at >= p->made && at <= c->now ? at : c->now;
	return when <= p->ends && !payment_is(p, "refunded") && strcmp(p->booking, "cancelled") != 0;
}

/* By letters and digits alone: some write blanks or dots between. */
static bool same_account(struct str a, struct str b)
{
	size_t i = 0, k = 0;
	for (;; i++, k++) {
		while (i < a.n && !isalnum((unsigned char)a.p[i]))
			i++;
		while (k < b.n && !isalnum((unsigned char)b.p[k]))
			k++;
		if (i == a.n || k == b.n)
			return i == a.n && k == b.n;
		if (toupper((unsigned char)a.p[i]) != toupper((unsigned char)b.p[k]))
			return false;
	}
}

/* A gateway may watch other accounts too. One that doesn't say which is taken at its word; a virtual one stands beside the real one. */
static int is_elsewhere(struct call *c, bool *elsewhere, struct err *err)
{
	CLEANUP(buf_free) struct buf ours = { 0 };
	const struct str said = call_text(c, "account"), sub = call_text(c, "sub_account");
	int rc = setting_get(c->db, STR("bank_account"), &ours, err);
	*elsewhere =
	        !rc && ours.n && said.n && !same_account(said, buf_str(&ours)) && !same_account(sub, buf_str(&ours));
	return rc == -ENOENT ? 0 : rc;
}

static int take_receipt(struct call *c, struct receipt *r, struct err *err)
{
	struct payment p;
	bool elsewhere;
	int rc = is_elsewhere(c, &elsewhere, err);
	if (rc)
		return rc;
	rc = r->reference.n ? payment_of_reference(c, r->reference, &p, err) : -ENOENT;
	if (rc && rc != -ENOENT)
		return rc;
	bool matched = !rc && r->amount > 0 && !elsewhere;
	if (r->amount <= 0)
		r->state = STR("ignored");
	else if (elsewhere)
		r->state = STR("account");
	else if (!matched)
		r->state = STR("unmatched");
	else
		r->state = in_time(c, &p, r->at) ? STR("taken") : STR("late");
	rc = receipt_add(c, r, err);
	if (!rc && matched)
		rc = payment_recount(c, &p, err);
	if (!rc && matched && str_eq(r->state, STR("taken")) && payment_is(&p, "over"))
		rc = receipt_set(c, r->id, "over", r->reference, r->note, err);
	return rc;
}

static int apply_notice(struct call *c, struct err *err)
{
	CLEANUP(buf_free) struct buf content = { 0 };
	int64_t at = call_number(c, "at"), id;
	struct receipt r = { .bank = call_text(c, "bank"),
		             .bank_id = call_text(c, "bank_id"),
		             .code = call_text(c, "bank_code"),
		             .reference = call_text(c, "reference"),
		             .amount = call_number(c, "amount"),
		             .note = STR(""),
		             .at = at ? at : c->now };
	int rc = db_ask(c->db, "SELECT id FROM receipt WHERE bank = $1 AND bank_id = $2",
	                DB_ARGS(DB_T(r.bank), DB_T(r.bank_id)), &id, err);
	bool known = rc == 0;
	if (rc == -ENOENT) {
		rc = call_bytes(c, "content", &content, err);
		r.content = buf_str(&content);
		rc = rc ? rc : take_receipt(c, &r, err);
	}
	if (rc)
		return rc;
	json_object_set_new(c->out, "taken", json_boolean(!known));
	json_object_set_new(c->out, "known", json_boolean(known));
	return 0;
}

const struct op payment_ops[] = {
	{ "notice", ROLE_BANK, true, ready_notice, apply_notice },
	{ "paid", ROLE_ANYBODY | ROLE_CLERK | ROLE_ADMIN, false, NULL, apply_paid },
	{ "tray", ROLE_CLERK | ROLE_ADMIN, false, NULL, payment_tray },
	{ "settle", ROLE_CLERK | ROLE_ADMIN, true, payment_settle_ready, payment_settle },
	{ "refund", ROLE_CLERK | ROLE_ADMIN, true, NULL, payment_refund },
	{ "cash", ROLE_CLERK | ROLE_ADMIN, true, NULL, payment_cash },
	{ "reconcile", ROLE_CLERK | ROLE_ADMIN, true, payment_reconcile_ready, payment_reconcile },
	{ "takings", ROLE_CLERK | ROLE_ADMIN, false, NULL, payment_takings },
	{ 0 },
};
