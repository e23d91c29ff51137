#include "kiosk/payment_inside.h"
#include "kiosk/put.h"

#include "base/arena.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECEIPTS_MAX = 60000, LISTED = 1000, KEYS = 3 };

static const int64_t DAY_US = (int64_t)24 * 3600 * 1000000;

/* --- the statement, in front of the call --- */

struct sheet {
	json_t *lines, *bad; /* by the bank's number: [line, amount, at, reference] */
	int64_t bad_n;       /* bad has the first of them */
};

static void add_bad(void *arg, unsigned line, const char *why)
{
	struct sheet *s = arg;
	if (s->bad_n++ >= LISTED)
		return;
	json_t *item = put_item(s->bad);
	put_number(item, "line", line);
	put_text(item, "why", str_from(why));
}

/* Of what the payer wrote the reference stays alone. What went out is no matter of ours. */
static void add_line(void *arg, const struct statement_line *l)
{
	struct sheet *s = arg;
	char reference[REFERENCE_LENGTH + 1] = "", key[64];
	if (l->amount < 0)
		return;
	if (l->bank_id.n)
		snprintf(key, sizeof(key), STR_FMT, STR_ARG(l->bank_id));
	else
		snprintf(key, sizeof(key), "#%u", l->line);
	reference_find(l->content, reference);
	if (json_object_get(s->lines, key))
		add_bad(s, l->line, "twice");
	else if (json_object_set_new(s->lines, key,
	                             json_pack("[I, I, I, s]", (json_int_t)l->line, (json_int_t)l->amount,
	                                       (json_int_t)l->at, reference)))
		add_bad(s, l->line, "number"); /* not UTF-8 */
}

int payment_reconcile_ready(struct call *c, struct err *err)
{
	struct sheet s = { .lines = json_object(), .bad = json_array() };
	int rc = statement_read(call_text(c, "csv"), add_line, add_bad, &s, err);
	json_object_del(c->in, "csv");
	json_object_set_new(c->in, "lines", s.lines);
	json_object_set_new(c->in, "bad", s.bad);
	put_number(c->in, "bad_n", s.bad_n);
	return rc == -EBADMSG || rc == -E2BIG ? call_refuse(c, "body", "csv") : rc;
}

/* --- both sides --- */

enum result { MISSING, MATCHED, DIFFERS };

struct theirs {
	struct str bank_id, reference;
	int64_t line, amount, at;
	enum result result;
	const struct ours *ours; /* where it differs */
};

struct ours {
	struct str keys[KEYS]; /* bank_id, the bank's own number, our reference */
	struct str bank;
	int64_t id, amount, at;
	bool used;
};

struct match {
	struct arena arena;
	struct theirs *theirs;
	struct ours *ours, **sorted;
	size_t n_theirs, n_ours;
};

static void match_done(struct match *m)
{
	arena_free(&m->arena);
	free(m->theirs);
	free(m->ours);
	free(m->sorted);
}

static int by_line(const void *a, const void *b)
{
	const struct theirs *one = a, *other = b;
	return (one->line > other->line) - (one->line < other->line);
}

/* In the file's order: that of an object's names is another one on a standby, which has read them. */
static int take_theirs(struct match *m, const json_t *lines, struct err *err)
{
	const char *key;
	json_t *line;
	m->theirs = calloc(json_object_size(lines) + 1, sizeof(*m->theirs));
	if (!m->theirs)
		return err_set(err, -ENOMEM, "a bank's statement: %m");
	json_object_foreach((json_t *)lines, key, line)
	{
		const json_t *reference = json_array_get(line, 3);
		m->theirs[m->n_theirs++] = (struct theirs){
			.bank_id = str_from(key),
			.line = json_integer_value(json_array_get(line, 0)),
			.amount = json_integer_value(json_array_get(line, 1)),
			.at = json_integer_value(json_array_get(line, 2)),
			.reference = { json_string_value(reference), json_string_length(reference) },
		};
	}
	qsort(m->theirs, m->n_theirs, sizeof(m->theirs[0]), by_line);
	return 0;
}

static int take_ours(void *arg, const struct db_row *row)
{
	struct match *m = arg;
	struct ours *o = &m->ours[m->n_ours];
	o->id = db_number(row, 0);
	o->bank = arena_copy(&m->arena, db_text(row, 1));
	for (int i = 0; i < KEYS; i++) {
		o->keys[i] = arena_copy(&m->arena, db_text(row, 2 + i));
		if (!o->keys[i].p)
			return -ENOMEM;
	}
	o->amount = db_number(row, 5);
	o->at = db_number(row, 6);
	m->sorted[m->n_ours++] = o;
	return o->bank.p ? 0 : -ENOMEM;
}

/* What banks told of on the day, the day before, and the day after: a transfer at midnight has two of them. */
static int load_ours(struct call *c, struct match *m, int64_t from, struct err *err)
{
	m->ours = calloc(RECEIPTS_MAX, sizeof(*m->ours));
	m->sorted = calloc(RECEIPTS_MAX, sizeof(struct ours *));
	if (!m->ours || !m->sorted)
		return err_set(err, -ENOMEM, "a day's receipts: %m");
	int64_t n =
	        db_query(c->db,
	                 "SELECT id, bank, bank_id, code, reference, amount, at FROM receipt WHERE at >= $1 AND at < $2"
	                 " AND amount > 0 AND bank <> 'cash' AND state <> 'account' ORDER BY id LIMIT $3",
	                 DB_ARGS(DB_N(from - DAY_US), DB_N(from + 2 * DAY_US), DB_N(RECEIPTS_MAX)), take_ours, m, err);
	return n == -ENOMEM ? err_set(err, -ENOMEM, "a day's receipts: %m") : n < 0 ? (int)n : 0;
}

/* --- matching --- */

static int compare(struct str a, struct str b)
{
	int d = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n); /* none is absent */
	return d ? d : (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b, void *arg)
{
	const struct ours *one = *(struct ours *const *)a, *other = *(struct ours *const *)b;
	int key = *(int *)arg, d = compare(one->keys[key], other->keys[key]);
	return d ? d : (one->id > other->id) - (one->id < other->id);
}

/* The first unused one with this key, and this amount unless `any`. */
static struct ours *find(const struct match *m, int key, struct str wanted, int64_t amount, bool any)
{
	size_t low = 0, high = m->n_ours;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(m->sorted[middle]->keys[key], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < m->n_ours && str_eq(m->sorted[low]->keys[key], wanted); low++)
		if (!m->sorted[low]->used && (any || m->sorted[low]->amount == amount))
			return m->sorted[low];
	return NULL;
}

/* What fits wholly comes first, so that two transfers of one person aren't taken for each other. */
static void match_all(struct match *m)
{
	for (int any = 0; any < 2; any++)
		for (int key = 0; key < KEYS; key++) {
			qsort_r(m->sorted, m->n_ours, sizeof(m->sorted[0]), by_key, &key);
			for (size_t i = 0; i < m->n_theirs; i++) {
				struct theirs *t = &m->theirs[i];
				struct str wanted = key == KEYS - 1 ? t->reference : t->bank_id;
				struct ours *o =
				        t->result == MISSING && wanted.n ? find(m, key, wanted, t->amount, any) : NULL;
				if (!o)
					continue;
				o->used = true;
				t->ours = o;
				t->result = any ? DIFFERS : MATCHED;
			}
		}
}

/* --- what comes of it --- */

static int keep(struct call *c, struct str bank, struct str bank_id, int64_t amount, const char *result,
                struct err *err)
{
	int64_t n = db_run(
	        c->db,
	        "INSERT INTO statement (day, bank, bank_id, amount, result, made) VALUES ($1, $2, $3, $4, $5, $6)",
	        DB_ARGS(DB_T(call_text(c, "day")), DB_T(bank), DB_T(bank_id), DB_N(amount), DB_T(str_from(result)),
	                DB_N(c->now)),
	        err);
	return n < 0 ? (int)n : 0;
}

static int say_theirs(struct call *c, const struct match *m, struct err *err)
{
	json_t *lists[] = { [MISSING] = put_list(c->out, "missing"), [DIFFERS] = put_list(c->out, "differ") };
	int64_t n[] = { [MISSING] = 0, [MATCHED] = 0, [DIFFERS] = 0 };
	for (size_t i = 0; i < m->n_theirs; i++) {
		const struct theirs *t = &m->theirs[i];
		if (n[t->result]++ >= LISTED || t->result == MATCHED)
			continue;
		json_t *item = put_item(lists[t->result]);
		put_number(item, "line", t->line);
		put_text(item, "bank_id", t->bank_id);
		put_number(item, "amount", t->amount);
		put_number(item, "at", t->at);
		put_text(item, "reference", t->reference);
		if (t->ours) {
			put_number(item, "id", t->ours->id);
			put_number(item, "ours", t->ours->amount);
		}
		int rc = keep(c, STR("statement"), t->bank_id, t->amount, t->result == MISSING ? "missing" : "differs",
		              err);
		if (rc)
			return rc;
	}
	call_say_number(c, "matched", n[MATCHED]);
	call_say_number(c, "missing_n", n[MISSING]);
	call_say_number(c, "differ_n", n[DIFFERS]);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct ours *one = *(struct ours *const *)a, *other = *(struct ours *const *)b;
	return (one->id > other->id) - (one->id < other->id);
}

static int say_ours(struct call *c, const struct match *m, int64_t from, struct err *err)
{
	json_t *unknown = put_list(c->out, "unknown");
	int64_t n = 0;
	qsort(m->sorted, m->n_ours, sizeof(m->sorted[0]), by_id);
	for (size_t i = 0; i < m->n_ours; i++) {
		const struct ours *o = m->sorted[i];
		if (o->used || o->at < from || o->at >= from + DAY_US || n++ >= LISTED)
			continue;
		json_t *item = put_item(unknown);
		put_number(item, "id", o->id);
		put_text(item, "bank", o->bank);
		put_text(item, "bank_id", o->keys[0]);
		put_number(item, "amount", o->amount);
		put_number(item, "at", o->at);
		put_text(item, "reference", o->keys[KEYS - 1]);
		int rc = keep(c, o->bank, o->keys[0], o->amount, "unknown", err);
		if (rc)
			return rc;
	}
	call_say_number(c, "unknown_n", n);
	return 0;
}

int payment_reconcile(struct call *c, struct err *err)
{
	CLEANUP(match_done) struct match m = { 0 };
	int64_t from = clinic_at(c->db, call_text(c, "day"), 0);
	if (from < 0)
		return call_refuse(c, "value", "day");
	int rc = take_theirs(&m, json_object_get(c->in, "lines"), err);
	rc = rc ? rc : load_ours(c, &m, from, err);
	if (rc)
		return rc;
	match_all(&m);
	int64_t n = db_run(c->db, "DELETE FROM statement WHERE day = $1", DB_ARGS(DB_T(call_text(c, "day"))), err);
	rc = n < 0 ? (int)n : say_theirs(c, &m, err);
	rc = rc ? rc : say_ours(c, &m, from, err);
	if (rc)
		return rc;
	call_say_number(c, "lines", (int64_t)m.n_theirs);
	json_object_set(c->out, "bad", json_object_get(c->in, "bad"));
	call_say_number(c, "bad_n", call_number(c, "bad_n"));
	return 0;
}

/* --- a day's sums --- */

/* What counts as taken: not what was returned, failed, went out, or lies elsewhere. */
#define TAKEN     " r.at >= $1 AND r.at < $2 AND r.state NOT IN ('ignored', 'returned', 'account')"
#define COUNT_SUM " COUNT(*), CAST(SUM(r.amount) AS BIGINT)"

struct takings {
	json_t *to;
	int64_t total;
	bool overflow;
};

static void put_sums(json_t *to, const struct db_row *row, int column)
{
	put_number(to, "count", db_number(row, column));
	put_number(to, "amount", db_number(row, column + 1));
}

static int take_state(void *arg, const struct db_row *row)
{
	struct takings *t = arg;
	char name[16];
	struct str state = db_text(row, 0);
	json_t *sums = json_object();
	put_sums(sums, row, 1);
	snprintf(name, sizeof(name), STR_FMT, STR_ARG(state));
	json_object_set_new(t->to, name, sums);
	if (!str_eq(state, STR("ignored")) && !str_eq(state, STR("returned")) && !str_eq(state, STR("account")))
		t->overflow |= __builtin_add_overflow(t->total, db_number(row, 2), &t->total);
	return 0;
}

static int take_bank(void *arg, const struct db_row *row)
{
	json_t *item = put_item(((struct takings *)arg)->to);
	put_text(item, "bank", db_text(row, 0));
	put_sums(item, row, 1);
	return 0;
}

static int take_room(void *arg, const struct db_row *row)
{
	json_t *item = put_item(((struct takings *)arg)->to);
	put_number(item, "room", db_number(row, 0));
	put_text(item, "name", db_text(row, 1));
	put_sums(item, row, 2);
	return 0;
}

/* total: what is in the clinic's hands of that day's money: what came, less what went back. By bank and by room it is the same. */
int payment_takings(struct call *c, struct err *err)
{
	const struct str day = call_text(c, "day");
	int64_t from = clinic_at(c->db, day, 0);
	if (from < 0)
		return call_refuse(c, "value", "day");
	struct takings t = { .to = json_object() }, banks = { .to = put_list(c->out, "banks") },
	               rooms = { .to = put_list(c->out, "rooms") };
	const struct db_value args[] = { DB_N(from), DB_N(from + DAY_US) };
	json_object_set_new(c->out, "by_state", t.to);
	int64_t n = db_query(c->db,
	                     "SELECT r.state," COUNT_SUM " FROM receipt r WHERE r.at >= $1 AND r.at < $2"
	                     " GROUP BY r.state ORDER BY r.state",
	                     args, ARRAY_LEN(args), take_state, &t, err);
	if (n >= 0)
		n = db_query(c->db,
		             "SELECT r.bank," COUNT_SUM " FROM receipt r WHERE" TAKEN
		             " GROUP BY r.bank ORDER BY r.bank = 'back', r.bank",
		             args, ARRAY_LEN(args), take_bank, &banks, err);
	if (n >= 0) /* in no room is what no booking has, or none yet */
		n = db_query(c->db,
		             "SELECT COALESCE(o.id, 0), COALESCE(o.name, '')," COUNT_SUM " FROM receipt r"
		             " LEFT JOIN payment p ON p.reference = r.reference AND r.state NOT IN " PAYMENT_UNCOUNTED
		             " LEFT JOIN booking b ON b.ref = p.ref LEFT JOIN room o ON o.id = b.room WHERE" TAKEN
		             " GROUP BY o.id, o.name, o.place ORDER BY o.id IS NULL, o.place, o.id",
		             args, ARRAY_LEN(args), take_room, &rooms, err);
	if (n < 0)
		return (int)n;
	if (t.overflow)
		return err_set(err, -EOVERFLOW, "takings: more money than there is");
	put_text(c->out, "day", day);
	call_say_number(c, "total", t.total);
	return 0;
}
