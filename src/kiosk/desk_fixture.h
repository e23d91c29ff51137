/* For tests of the desk itself: operations that go well, are refused and fail, and one who asks and hears. */
#ifndef KHIEN_KIOSK_DESK_FIXTURE_H
#define KHIEN_KIOSK_DESK_FIXTURE_H

#include "kiosk/desk.h"
#include "kiosk/fixture.h"

/* --- operations --- */

static inline int write_row(struct call *c, const char *name, struct err *err)
{
	int64_t n = db_run(c->db, "INSERT INTO setting (name, value) VALUES ($1, $2)",
	                   DB_ARGS(DB_T(call_text(c, name)), DB_T(call_text(c, "value"))), err);
	return n < 0 ? (int)n : 0;
}

static inline int apply_put(struct call *c, struct err *err)
{
	int64_t n = 0;
	int code = write_row(c, "name", err);
	if (!code)
		code = db_ask(c->db, "SELECT count(*) FROM setting", DB_NONE, &n, err);
	call_say_number(c, "rows", n);
	call_say_number(c, "at", c->now);
	call_say_number(c, "staff", c->staff);
	return code;
}

static inline int apply_refuse(struct call *c, struct err *err)
{
	int code = write_row(c, "name", err);
	return code ? code : call_refuse(c, "unknown", "name");
}

static inline int apply_fail(struct call *c, struct err *err)
{
	int code = write_row(c, "name", err);
	return code ? code : err_set(err, -ENOENT, "broken");
}

/* As SQLite does when the disk is full: the whole transaction is gone. */
static inline int apply_gone(struct call *c, struct err *err)
{
	db_rollback(c->db);
	return err_set(err, -ENOSPC, "the disk is full");
}

static inline int ready_secret(struct call *c, struct err *err)
{
	if (!call_text(c, "secret").n)
		return call_refuse(c, "short", "secret");
	json_object_set_new(c->in, "length", json_integer((json_int_t)call_text(c, "secret").n));
	json_object_del(c->in, "secret");
	call_say(c, "token", STR("for you alone"));
	call_say(c, "rows", STR("said by apply"));
	return 0;
}

static inline int apply_secret(struct call *c, struct err *err)
{
	int code = apply_put(c, err);
	call_say_number(c, "length", call_number(c, "length"));
	return code;
}

static inline int apply_get(struct call *c, struct err *err)
{
	int64_t n;
	int code = db_ask(c->db, "SELECT count(*) FROM setting", DB_NONE, &n, err);
	if (!code)
		call_say_number(c, "rows", n);
	return code;
}

/* What must not be: an answer that depends on something else than call and database. */
static inline int apply_differs(struct call *c, struct err *err)
{
	call_say_number(c, "address", (int64_t)(uintptr_t)c->db);
	return write_row(c, "name", err);
}

static const struct op ops[] = {
	{ "put", ROLE_ANYBODY | ROLE_CLERK, true, NULL, apply_put },
	{ "refuse", ROLE_ANYBODY, true, NULL, apply_refuse },
	{ "fail", ROLE_ANYBODY, true, NULL, apply_fail },
	{ "gone", ROLE_ANYBODY, true, NULL, apply_gone },
	{ "secret", ROLE_ANYBODY, true, ready_secret, apply_secret },
	{ "differs", ROLE_ANYBODY, true, NULL, apply_differs },
	{ "get", ROLE_ANYBODY, false, NULL, apply_get },
	{ "clerk", ROLE_CLERK, false, NULL, apply_get },
	{ 0 },
};
static const struct op *const tables[] = { ops, NULL };

/* --- a desk, and what it says --- */

enum { HEARD = 11000 };

struct asker {
	struct place *p;
	size_t at;
};

struct place {
	struct fixture *f;
	struct desk *desk;
	struct asker askers[HEARD];
	json_t *heard[HEARD]; /* by the order of the calls */
	size_t asked, order[HEARD], n_heard;
	struct desk_change seen[HEARD]; /* what was committed, with texts of their own */
	size_t n_seen;
	bool waits; /* for desk_confirmed() */
	const char *closed;
};

static inline void on_answer(void *arg, json_t *answer)
{
	struct asker *a = arg;
	assert_null(a->p->heard[a->at]);
	a->p->heard[a->at] = answer;
	a->p->order[a->p->n_heard++] = a->at;
}

static inline void on_committed(void *arg, const struct desk_change *changes, size_t n)
{
	struct place *p = arg;
	for (size_t i = 0; i < n; i++) {
		struct desk_change *seen = &p->seen[p->n_seen++];
		*seen = changes[i];
		seen->call = str_from(strndup(changes[i].call.p, changes[i].call.n));
	}
	if (!p->waits)
		desk_confirmed(p->desk, changes[n - 1].seq);
}

static const char *is_closed(void *arg)
{
	return ((struct place *)arg)->closed;
}

static inline void opens(struct place *p)
{
	const struct desk_config config = {
		.db = p->f->db,
		.seal = p->f->seal,
		.clock = &p->f->clock,
		.tables = tables,
		.committed = on_committed,
		.closed = is_closed,
		.arg = p,
	};
	struct err err = { 0 };
	if (desk_new(&p->desk, &config, &err))
		fail_msg("%s", err.text);
}

static inline struct place *place(struct fixture *f)
{
	struct place *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	p->f = f;
	opens(p);
	return p;
}

static inline void leaves(struct place *p)
{
	desk_free(p->desk);
	for (size_t i = 0; i < p->asked; i++)
		json_decref(p->heard[i]);
	for (size_t i = 0; i < p->n_seen; i++)
		free((char *)p->seen[i].call.p);
	free(p);
}

static inline size_t asks(struct place *p, json_t *call)
{
	struct asker *a = &p->askers[p->asked];
	*a = (struct asker){ .p = p, .at = p->asked };
	desk_call(p->desk, call, ROLE_ANYBODY, on_answer, a);
	return p->asked++;
}

static inline size_t asks_named(struct place *p, const char *op, const char *name)
{
	return asks(p, json_pack("{s:s, s:s, s:s}", "op", op, "name", name, "value", "x"));
}

static inline void writes(struct place *p, int want)
{
	struct err err = { 0 };
	int got = desk_round(p->desk, &err);
	if (got != want)
		fail_msg("%d, not %d: %s", got, want, err.text);
}

static const char *word(const struct place *p, size_t at, const char *name)
{
	const char *text = json_string_value(json_object_get(p->heard[at], name));
	return text ? text : "";
}

static inline int64_t number(const struct place *p, size_t at, const char *name)
{
	return json_integer_value(json_object_get(p->heard[at], name));
}

static inline int64_t rows(struct place *p)
{
	size_t at = asks_named(p, "get", "");
	return number(p, at, "rows");
}

#endif
