#include "kiosk/desk_inside.h"

#include <errno.h>
#include <stdlib.h>

static const struct op *const all_tables[] = {
	booking_ops, queue_ops, staff_ops, payment_ops, fhir_ops, setting_ops, upkeep_ops, NULL,
};

/* --- what operations use --- */

int call_refuse(struct call *c, const char *word, const char *field)
{
	json_object_clear(c->out);
	call_say(c, "refused", str_from(word));
	if (field)
		call_say(c, "field", str_from(field));
	return CALL_REFUSED;
}

struct str call_text(const struct call *c, const char *name)
{
	const json_t *value = json_object_get(c->in, name);
	return json_is_string(value) ? (struct str){ json_string_value(value), json_string_length(value) } : STR("");
}

int64_t call_number(const struct call *c, const char *name)
{
	const json_t *value = json_object_get(c->in, name);
	return json_is_true(value) ? 1 : json_integer_value(value);
}

void call_say(struct call *c, const char *name, struct str text)
{
	json_object_set_new(c->out, name, json_stringn(text.p ? text.p : "", text.n));
}

void call_say_number(struct call *c, const char *name, int64_t n)
{
	json_object_set_new(c->out, name, json_integer(n));
}

/* --- those who wait --- */

static void join(struct waiters *q, struct waiter *w)
{
	*q->end = w;
	q->end = &w->next;
	w->next = NULL;
	q->n++;
}

static struct waiter *leave(struct waiters *q)
{
	struct waiter *w = q->first;
	if (!w)
		return NULL;
	q->first = w->next;
	q->n--;
	if (!q->first)
		q->end = &q->first;
	return w;
}

static void waiter_free(struct waiter *w)
{
	if (!w)
		return;
	json_decref(w->in);
	json_decref(w->said);
	json_decref(w->out);
	free(w);
}

static void waiters_free(struct waiters *q)
{
	for (struct waiter *w; (w = leave(q));)
		waiter_free(w);
}

/* The answer goes out; from within, calls may come. */
static void tell(struct waiter *w)
{
	json_t *answer = w->out;
	w->out = NULL;
	w->answer(w->arg, answer);
	waiter_free(w);
}

static void say_trouble(json_t *out, const struct err *err)
{
	json_object_clear(out);
	json_object_set_new(out, "trouble", json_string(err->text));
}

static void tell_trouble(struct waiters *q, const struct err *err)
{
	for (size_t n = q->n; n; n--) { /* not those who come meanwhile */
		struct waiter *w = leave(q);
		say_trouble(w->out, err);
		tell(w);
	}
}

static void tell_refused(struct waiters *q, const char *word)
{
	for (size_t n = q->n; n; n--) {
		struct waiter *w = leave(q);
		call_refuse(&(struct call){ .out = w->out }, word, NULL);
		tell(w);
	}
}

static void tell_confirmed(struct desk *d)
{
	while (d->unheard.first && d->unheard.first->seq <= d->confirmed)
		tell(leave(&d->unheard));
}

/* --- a call --- */

const struct op *desk_op(const struct desk *d, struct str name)
{
	for (const struct op *const *table = d->config.tables; *table; table++)
		for (const struct op *op = *table; op->name; op++)
			if (str_eq(name, str_from(op->name)))
				return op;
	return NULL;
}

struct call desk_call_of(struct desk *d, const struct waiter *w)
{
	return (struct call){
		.db = d->config.db,
		.seal = d->config.seal,
		.hooks = d->config.hooks,
		.now = w->at,
		.roles = w->roles,
		.staff = w->staff,
		.in = w->in,
		.out = w->out,
		.pace = &d->pace,
	};
}

/* PostgreSQL doesn't take what SQLite would: a NUL in a text. What one kiosk can do, the other one must be able to. */
static bool has_nul(json_t *value)
{
	const char *name;
	json_t *item;
	size_t i;
	if (json_is_string(value))
		return memchr(json_string_value(value), '\0', json_string_length(value));
	json_array_foreach(value, i, item)
	{
		if (has_nul(item))
			return true;
	}
	json_object_foreach(value, name, item)
	{
		if (has_nul(item))
			return true;
	}
	return false;
}

/* 0: the database is there, or there again; that is asked once in a while only, for it takes time. */
static int reachable(struct desk *d, struct err *err)
{
	int64_t now = clock_monotonic(d->config.clock);
	if (!d->away)
		return 0;
	if (now < d->again)
		return err_set(err, -ENOTCONN, "the database is away");
	int code = db_begin(d->config.db, err);
	if (!code)
		db_rollback(d->config.db);
	d->away = code;
	d->again = now + (int64_t)DESK_AGAIN_MS * CLOCK_MS;
	return code;
}

static int noticed(struct desk *d, int code)
{
	if (code == -ENOTCONN && !d->away) {
		d->away = true;
		d->again = clock_monotonic(d->config.clock); /* at once: it may have been started anew */
	}
	return code;
}

/* What only reads runs once more where the database had gone in between. */
static int reading(struct desk *d, struct waiter *w, int (*fn)(struct call *c, struct err *err), struct err *err)
{
	struct call c = desk_call_of(d, w);
	int code = reachable(d, err);
	if (!code)
		code = noticed(d, fn(&c, err));
	if (code != -ENOTCONN || reachable(d, err))
		return code;
	json_object_clear(w->out);
	return noticed(d, fn(&c, err));
}

static int who_asks(struct call *c, struct err *err)
{
	struct session s;
	struct str secret = call_text(c, "session");
	json_t *by = NULL;
	if (secret.n) {
		int code = session_find(c->db, c->seal, secret, c->now, &s, err);
		if (code && code != -ENOENT)
			return code;
		if (!code)
			by = json_pack("{s:I, s:I, s:s}", "staff", (json_int_t)s.staff, "roles",
			               (json_int_t)(c->roles | s.roles), "session", s.hash);
	}
	if (!by)
		by = json_pack("{s:I}", "roles", (json_int_t)c->roles);
	return json_object_set_new(c->in, "by", by) ? err_set(err, -ENOMEM, "take a call: %m") : 0;
}

void desk_by_whom(struct waiter *w)
{
	const json_t *by = json_object_get(w->in, "by");
	w->roles = (uint32_t)json_integer_value(json_object_get(by, "roles"));
	w->staff = json_integer_value(json_object_get(by, "staff"));
}

/* 0: it may; CALL_REFUSED; -errno. */
static int admit(struct desk *d, struct waiter *w, struct err *err)
{
	struct call c = desk_call_of(d, w);
	const char *closed = NULL;
	w->op = desk_op(d, call_text(&c, "op"));
	if (!w->op)
		return call_refuse(&c, "op", NULL);
	if (has_nul(w->in))
		return call_refuse(&c, "text", NULL);
	int code = reading(d, w, who_asks, err);
	if (code)
		return code;
	json_object_del(w->in, "session");
	desk_by_whom(w);
	if (!(w->op->roles & w->roles))
		return call_refuse(&c, w->staff ? "role" : "session", NULL);
	if (!w->op->changes)
		return 0;
	if (d->config.closed && (closed = d->config.closed(d->config.arg)))
		return call_refuse(&c, closed, NULL);
	if (d->waiting.n + d->round.n + d->unheard.n >= DESK_WAITING)
		return call_refuse(&c, "busy", NULL);
	return 0;
}

/* True: it waits for a round; else w->out is the answer. */
static bool take(struct desk *d, struct waiter *w)
{
	struct err err = { 0 };
	int code = admit(d, w, &err);
	if (!code && w->op->changes && !w->op->ready)
		return true;
	struct call c = desk_call_of(d, w);
	if (!code && w->op->changes) /* once: it takes things out of the call */
		code = noticed(d, w->op->ready(&c, &err));
	else if (!code)
		code = reading(d, w, w->op->apply, &err);
	if (code < 0)
		say_trouble(w->out, &err);
	if (code || !w->op->changes)
		return false;
	json_t *out = json_object();
	if (!out) {
		say_trouble(w->out, &(struct err){ .text = "no memory" });
		return false;
	}
	w->said = w->out;
	w->out = out;
	return true;
}

void desk_call(struct desk *d, json_t *call, uint32_t roles, desk_answer *answer, void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w));
	json_t *out = json_object();
	if (!w || !out) {
		free(w);
		json_decref(call);
		json_decref(out);
		answer(arg, json_pack("{s:s}", "trouble", "no memory"));
		return;
	}
	*w = (struct waiter){
		.in = call, .out = out, .roles = roles, .at = clock_wall(d->config.clock), .answer = answer, .arg = arg
	};
	if (take(d, w))
		join(&d->waiting, w);
	else
		tell(w);
}

/* --- a round --- */

static void forget_changes(struct desk *d)
{
	for (size_t i = 0; i < d->n_changes; i++)
		free((char *)d->changes[i].call.p);
	d->n_changes = 0;
}

static int log_change(struct desk *d, const struct waiter *w, struct err *err)
{
	struct desk_change *change = &d->changes[d->n_changes];
	char *text = desk_log_text(w->in);
	if (!text)
		return err_set(err, -ENOMEM, "write a change: %m");
	*change = (struct desk_change){
		.seq = d->seq + (int64_t)d->n_changes + 1, .epoch = d->epoch, .at = w->at, .call = str_from(text)
	};
	int code = desk_log_hash(d->config.seal, w->out, change->answer, err);
	if (!code)
		code = desk_log_add(d, change, err);
	if (!code)
		code = db_keep(d->config.db, err);
	if (code)
		free(text);
	else
		d->n_changes++;
	return code;
}

/* One of the round. What goes wrong with it alone is told to it alone; -errno: this transaction can't go on. */
static int apply(struct desk *d, struct waiter *w, struct err *err)
{
	struct call c = desk_call_of(d, w);
	struct err why = { .text = "not done" };
	int code = db_savepoint(d->config.db, err);
	if (code)
		return code;
	code = w->op->apply(&c, &why);
	if (!code)
		code = log_change(d, w, &why);
	if (!code) {
		json_object_update_missing(w->out, w->said);
		return 0;
	}
	if (code < 0)
		say_trouble(w->out, &why);
	if (db_undo(d->config.db, code < 0 ? NULL : err) == 0)
		return 0;
	if (code < 0)
		*err = why;
	return code < 0 ? code : -EIO;
}

/* It stands on this disk. */
static void committed(struct desk *d)
{
	struct waiter *w;
	d->seq += (int64_t)d->n_changes;
	while ((w = leave(&d->round)))
		join(&d->unheard, w);
	if (d->n_changes && d->config.committed)
		d->config.committed(d->config.arg, d->changes, d->n_changes);
	if (!d->config.committed)
		d->confirmed = d->seq;
	forget_changes(d);
	tell_confirmed(d);
}

static void undone(struct desk *d, const struct err *err)
{
	forget_changes(d);
	tell_trouble(&d->round, err);
}

/* PostgreSQL went away in a commit: was it done? */
static int settle(struct desk *d, struct err *err)
{
	int has = reachable(d, err);
	if (!has)
		has = noticed(d, desk_log_has(d, &d->changes[d->n_changes - 1], err));
	if (has < 0)
		return has;
	d->doubt = false;
	if (has) {
		committed(d);
	} else {
		err_set(err, -ENOTCONN, "the database went away before it was written");
		undone(d, err);
	}
	return 0;
}

static int write_round(struct desk *d, struct err *err)
{
	int code = reachable(d, err);
	if (!code)
		code = db_begin(d->config.db, err);
	for (struct waiter *w = d->round.first; w && !code; w = w->next) {
		code = apply(d, w, err);
		w->seq = d->seq + (int64_t)d->n_changes;
	}
	if (!code && d->n_changes) {
		code = db_commit(d->config.db, err);
		d->doubt = code == -ENOTCONN;
	} else {
		db_rollback(d->config.db); /* also where all were refused */
	}
	return noticed(d, code);
}

int desk_round(struct desk *d, struct err *err)
{
	struct err unwanted;
	const char *closed;
	bool settled = d->doubt;
	int code = 0;
	if (!err)
		err = &unwanted;
	if (settled && (code = settle(d, err))) {
		tell_trouble(&d->waiting, err);
		return code;
	}
	if (d->config.closed && d->waiting.n && (closed = d->config.closed(d->config.arg)))
		tell_refused(&d->waiting, closed);
	while (d->round.n < DESK_ROUND && d->waiting.n)
		join(&d->round, leave(&d->waiting));
	if (!d->round.n)
		return settled;
	code = write_round(d, err);
	if (!code)
		committed(d);
	else if (!d->doubt)
		undone(d, err);
	return code ? code : 1;
}

bool desk_waiting(const struct desk *d)
{
	return d->waiting.n || (d->doubt && clock_monotonic(d->config.clock) >= d->again);
}

int64_t desk_seq(const struct desk *d)
{
	return d->seq;
}

int64_t desk_epoch(const struct desk *d)
{
	return d->epoch;
}

int desk_new(struct desk **ret, const struct desk_config *config, struct err *err)
{
	struct desk *d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(err, -ENOMEM, "open the desk: %m");
	d->config = *config;
	if (!d->config.tables)
		d->config.tables = all_tables;
	d->waiting.end = &d->waiting.first;
	d->round.end = &d->round.first;
	d->unheard.end = &d->unheard.first;
	int code = desk_log_open(d, err);
	if (code) {
		desk_free(d);
		return code;
	}
	d->confirmed = d->seq;
	*ret = d;
	return 0;
}

void desk_free(struct desk *d)
{
	if (!d)
		return;
	waiters_free(&d->waiting);
	waiters_free(&d->round);
	waiters_free(&d->unheard);
	forget_changes(d);
	free(d);
}

void desk_confirmed(struct desk *d, int64_t seq)
{
	if (seq > d->seq)
		seq = d->seq;
	if (seq <= d->confirmed)
		return;
	d->confirmed = seq;
	tell_confirmed(d);
}
