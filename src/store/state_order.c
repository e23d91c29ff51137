#include "store/state_db.h"

#include "base/utf8.h"

#include <errno.h>

#define COLUMNS                                                                                                        \
	"turn, id, post, verb, args, state, sequence, made, expires, who, why, undoes, bytes, signature, approver,"    \
	" approval, result"

static void read_order(sqlite3_stmt *st, struct order_row *o)
{
	*o = (struct order_row){ .turn = (uint64_t)sqlite3_column_int64(st, 0),
		                 .id = sqlite_text(st, 1),
		                 .post = sqlite_text(st, 2),
		                 .verb = sqlite_text(st, 3),
		                 .args = sqlite_text(st, 4),
		                 .state = sqlite3_column_int(st, 5),
		                 .sequence = (uint64_t)sqlite3_column_int64(st, 6),
		                 .made = sqlite3_column_int64(st, 7),
		                 .expires = sqlite3_column_int64(st, 8),
		                 .who = sqlite_text(st, 9),
		                 .why = sqlite_text(st, 10),
		                 .undoes = sqlite_text(st, 11),
		                 .bytes = sqlite_blob(st, 12),
		                 .signature = sqlite_blob(st, 13),
		                 .approver = sqlite_blob(st, 14),
		                 .approval = sqlite_blob(st, 15),
		                 .result = sqlite_text(st, 16) };
}

/* Runs a statement with its id bound as ?1; -ESTALE where it changed nothing. Frees it. */
static int run(struct state *s, sqlite3_stmt *st, struct str id, struct err *err)
{
	sqlite_bind_text(st, 1, id);
	int code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (!code && !sqlite3_changes(s->db))
		return err_set(err, -ESTALE, "the order '" STR_FMT "' is not as it was",
		               STR_ARG(utf8_cut(id, STATE_ORDER_ID)));
	return state_told(s, code, err);
}

static int note(struct state *s, struct str id, int state, struct str who, struct str why, struct err *err)
{
	static const char sql[] = "INSERT INTO order_change (id, state, time, who, why) VALUES (?1, ?2, ?3, ?4, ?5)";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return code;
	sqlite3_bind_int64(st, 2, state);
	sqlite3_bind_int64(st, 3, clock_wall(s->clock));
	sqlite_bind_text(st, 4, utf8_cut(who, POST_WHO));
	sqlite_bind_text(st, 5, utf8_cut(why, STATE_ORDER_RESULT));
	return run(s, st, id, err);
}

static int begin(struct state *s, bool *begun, struct err *err)
{
	*begun = sqlite3_get_autocommit(s->db);
	return *begun ? state_begin(s, err) : 0;
}

static int end(struct state *s, bool begun, int code, struct err *err)
{
	if (!begun)
		return code;
	if (code) {
		sqlite_run(s->db, "ROLLBACK", NULL);
		return state_told(s, code, err);
	}
	return state_commit(s, err);
}

static int insert(struct state *s, const struct order_row *o, struct err *err)
{
	static const char sql[] =
	        "INSERT INTO orders (turn, id, post, verb, args, state, sequence, made, expires, who, why, undoes,"
	        " bytes, signature, approver, approval, result) SELECT 0, ?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10,"
	        " x'', x'', x'', x'', '' WHERE (SELECT count(*) FROM orders WHERE state < ?12) < ?11";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return code;
	sqlite_bind_text(st, 1, o->id);
	sqlite_bind_text(st, 2, o->post);
	sqlite_bind_text(st, 3, o->verb);
	sqlite_bind_text(st, 4, o->args);
	sqlite3_bind_int64(st, 5, o->state);
	sqlite3_bind_int64(st, 6, clock_wall(s->clock));
	sqlite3_bind_int64(st, 7, o->expires);
	sqlite_bind_text(st, 8, o->who);
	sqlite_bind_text(st, 9, o->why);
	sqlite_bind_text(st, 10, o->undoes);
	sqlite3_bind_int64(st, 11, ORDERS_OPEN_MAX);
	sqlite3_bind_int64(st, 12, ORDERS_ENDED);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (code == -EEXIST)
		return err_set(err, code, "the order is there already, or out of its bounds");
	return code || sqlite3_changes(s->db) ? code
	                                      : err_set(err, -E2BIG, "%d orders are open already", ORDERS_OPEN_MAX);
}

int state_order_add(struct state *s, const struct order_row *o, struct err *err)
{
	struct post p;
	bool begun;
	if (!state_is_text(o->why, POST_WHY) || !state_is_text(o->who, POST_WHO))
		return err_set(err, -EINVAL, "say why, in 1 to %d bytes", POST_WHY);
	if (o->id.n != STATE_ORDER_ID || o->args.n > STATE_ORDER_ARGS)
		return err_set(err, -EINVAL, "an order has an id of %d letters and up to %d bytes of arguments",
		               STATE_ORDER_ID, STATE_ORDER_ARGS);
	int code = begin(s, &begun, err);
	if (code)
		return code;
	code = state_post_get(s, o->post, &p, err);
	if (!code && p.revoked)
		code = err_set(err, -EACCES, "the post '%s' is revoked", p.name);
	if (!code)
		code = insert(s, o, err);
	if (!code)
		code = note(s, o->id, o->state, o->who, o->why, err);
	return end(s, begun, code, err);
}

int state_orders(struct state *s, int state, int (*fn)(void *arg, const struct order_row *o), void *arg,
                 struct err *err)
{
	static const char all[] = "SELECT " COLUMNS " FROM orders WHERE ?1 = 0 ORDER BY turn, number";
	static const char some[] = "SELECT " COLUMNS " FROM orders WHERE state = ?1 ORDER BY turn, number";
	sqlite3_stmt *st;
	struct order_row o;
	int code = sqlite_prepare(s->db, &st, state ? some : all, err), stop = 0;
	if (code)
		return state_told(s, code, err);
	sqlite3_bind_int64(st, 1, state);
	while (!stop && (code = sqlite_step(st, err)) == 1) {
		read_order(st, &o);
		stop = fn(arg, &o);
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}

int state_order_get(struct state *s, struct str id, int (*fn)(void *arg, const struct order_row *o), void *arg,
                    struct err *err)
{
	sqlite3_stmt *st;
	struct order_row o;
	int code = sqlite_prepare(s->db, &st, "SELECT " COLUMNS " FROM orders WHERE id = ?1", err), stop = 0;
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, id);
	code = sqlite_step(st, err);
	if (!code)
		code = err_set(err, -ENOENT, "there is no order '" STR_FMT "'", STR_ARG(utf8_cut(id, 64)));
	if (code == 1) {
		read_order(st, &o);
		stop = fn(arg, &o);
		code = 0;
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}

int state_order_sequence(struct state *s, struct str post, int64_t issued, uint64_t *ret, struct err *err)
{
	static const char sql[] = "UPDATE post SET sequence = max(sequence + 1, ?2) WHERE name = ?1 AND sequence < ?3"
	                          " RETURNING sequence";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, post);
	sqlite3_bind_int64(st, 2, issued);
	sqlite3_bind_int64(st, 3, INT64_MAX);
	code = sqlite_step(st, err);
	uint64_t sequence = code == 1 ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
	if (code == 1)
		code = sqlite_step(st, err); /* to its end: then the row is changed */
	sqlite3_finalize(st);
	if (!code && !sequence)
		return err_set(err, -ENOENT, "there is no post named '" STR_FMT "'",
		               STR_ARG(utf8_cut(post, POST_NAME)));
	if (!code)
		*ret = sequence;
	return state_told(s, code, err);
}

int state_order_bytes(struct state *s, struct str id, uint64_t sequence, struct str bytes, struct err *err)
{
	static const char sql[] = "UPDATE orders SET bytes = ?2, sequence = ?3 WHERE id = ?1 AND length(bytes) = 0";
	sqlite3_stmt *st;
	if (bytes.n > STATE_ORDER_BYTES)
		return err_set(err, -E2BIG, "an order has up to %d bytes", STATE_ORDER_BYTES);
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_blob(st, 2, bytes);
	sqlite3_bind_int64(st, 3, (int64_t)sequence);
	code = run(s, st, id, err);
	return code == -ESTALE ? -EALREADY : code;
}

int state_order_signed(struct state *s, struct str id, struct str signature, struct err *err)
{
	static const char sql[] = "UPDATE orders SET signature = ?2, turn = 1 + (SELECT max(turn) FROM orders)"
	                          " WHERE id = ?1 AND length(signature) = 0";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_blob(st, 2, signature);
	return run(s, st, id, err);
}

int state_order_approved(struct state *s, struct str id, struct str approver, struct str approval, struct err *err)
{
	static const char sql[] =
	        "UPDATE orders SET approver = ?2, approval = ?3 WHERE id = ?1 AND length(signature) = 0";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_blob(st, 2, approver);
	sqlite_bind_blob(st, 3, approval);
	return run(s, st, id, err);
}

int state_order_move(struct state *s, struct str id, int from, int to, struct str who, struct str why,
                     struct str result, struct err *err)
{
	static const char sql[] = "UPDATE orders SET state = ?3, result = CASE WHEN ?4 = '' THEN result ELSE ?4 END"
	                          " WHERE id = ?1 AND state = ?2";
	sqlite3_stmt *st;
	bool begun;
	int code = begin(s, &begun, err);
	if (code)
		return code;
	code = sqlite_prepare(s->db, &st, sql, err);
	if (!code) {
		sqlite3_bind_int64(st, 2, from);
		sqlite3_bind_int64(st, 3, to);
		sqlite_bind_text(st, 4, utf8_cut(result, STATE_ORDER_RESULT));
		code = run(s, st, id, err);
	}
	if (!code)
		code = note(s, id, to, who, why, err);
	return end(s, begun, code, err);
}

int state_order_changes(struct state *s, struct str id, int (*fn)(void *arg, const struct order_change *c), void *arg,
                        struct err *err)
{
	static const char sql[] = "SELECT state, time, who, why FROM order_change WHERE id = ?1 ORDER BY number";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err), stop = 0;
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, id);
	while (!stop && (code = sqlite_step(st, err)) == 1) {
		const struct order_change c = { .state = sqlite3_column_int(st, 0),
			                        .time = sqlite3_column_int64(st, 1),
			                        .who = sqlite_text(st, 2),
			                        .why = sqlite_text(st, 3) };
		stop = fn(arg, &c);
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}

int state_orders_trim(struct state *s, struct err *err)
{
	/* the one with the greatest turn stays, so that no turn comes twice */
	static const char *const sql[] = {
		"DELETE FROM orders WHERE state >= ?1 AND turn < (SELECT max(turn) FROM orders) AND number <="
		" (SELECT max(number) FROM orders) - ?2",
		"DELETE FROM order_change WHERE ?1 > 0 AND ?2 > 0 AND id NOT IN (SELECT id FROM orders)",
	};
	int code = 0;
	for (size_t i = 0; !code && i < ARRAY_LEN(sql); i++) {
		sqlite3_stmt *st;
		code = sqlite_prepare(s->db, &st, sql[i], err);
		if (code)
			break;
		sqlite3_bind_int64(st, 1, ORDERS_ENDED);
		sqlite3_bind_int64(st, 2, ORDERS_KEPT);
		code = sqlite_step(st, err);
		sqlite3_finalize(st);
		if (!code && !sqlite3_changes(s->db))
			break; /* nothing went */
	}
	return state_told(s, code, err);
}
