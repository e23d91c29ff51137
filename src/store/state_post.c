#include "store/state_db.h"

#include "base/utf8.h"

#include <errno.h>

#define COLUMNS "name, unit, serial, before, until, enrolled, renewed, seen, sequence, revoked, who, why"

static bool copy(char *to, size_t size, struct str from)
{
	if (from.n >= size || memchr(from.p, '\0', from.n))
		return false;
	memcpy(to, from.p, from.n);
	to[from.n] = '\0';
	return true;
}

/* What the table's checks promise is looked at all the same: the file may have been changed by other hands. */
static int read_post(sqlite3_stmt *st, struct post *p, struct err *err)
{
	*p = (struct post){ .until = sqlite3_column_int64(st, 4),
		            .enrolled = sqlite3_column_int64(st, 5),
		            .renewed = sqlite3_column_int64(st, 6),
		            .seen = sqlite3_column_int64(st, 7),
		            .sequence = (uint64_t)sqlite3_column_int64(st, 8),
		            .revoked = sqlite3_column_int64(st, 9) };
	if (copy(p->name, sizeof(p->name), sqlite_text(st, 0)) && copy(p->unit, sizeof(p->unit), sqlite_text(st, 1)) &&
	    copy(p->serial, sizeof(p->serial), sqlite_text(st, 2)) &&
	    copy(p->before, sizeof(p->before), sqlite_text(st, 3)) &&
	    copy(p->who, sizeof(p->who), sqlite_text(st, 10)) && copy(p->why, sizeof(p->why), sqlite_text(st, 11)) &&
	    state_is_text(str_from(p->name), POST_NAME) && state_is_text(str_from(p->unit), POST_NAME))
		return 0;
	return err_set(err, -EBADMSG, "a post makes no sense");
}

int state_posts(struct state *s, int (*fn)(void *arg, const struct post *p), void *arg, struct err *err)
{
	sqlite3_stmt *st;
	struct post p;
	int code = sqlite_prepare(s->db, &st, "SELECT " COLUMNS " FROM post ORDER BY name", err), stop = 0;
	if (code)
		return state_told(s, code, err);
	while (!stop && (code = sqlite_step(st, err)) == 1) {
		code = read_post(st, &p, err);
		if (code)
			break;
		stop = fn(arg, &p);
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}

int state_post_get(struct state *s, struct str name, struct post *ret, struct err *err)
{
	sqlite3_stmt *st;
	struct post p;
	int code = sqlite_prepare(s->db, &st, "SELECT " COLUMNS " FROM post WHERE name = ?1", err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, name);
	code = sqlite_step(st, err);
	if (!code)
		code = err_set(err, -ENOENT, "there is no post named '" STR_FMT "'",
		               STR_ARG(utf8_cut(name, POST_NAME)));
	if (code == 1 && !(code = read_post(st, &p, err)))
		*ret = p;
	sqlite3_finalize(st);
	return state_told(s, code, err);
}

int state_post_put(struct state *s, const struct post *p, struct err *err)
{
	static const char sql[] = "INSERT OR REPLACE INTO post (" COLUMNS ") SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
	                          " ?10, ?11, ?12 WHERE (SELECT count(*) FROM post WHERE name <> ?1) < ?13";
	sqlite3_stmt *st;
	if (!state_is_text(str_from(p->name), POST_NAME) || !state_is_text(str_from(p->unit), POST_NAME) ||
	    p->sequence > INT64_MAX)
		return err_set(err, -EINVAL, "a post's name has 1 to %d bytes of UTF-8 without control characters",
		               POST_NAME);
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, str_from(p->name));
	sqlite_bind_text(st, 2, str_from(p->unit));
	sqlite_bind_text(st, 3, str_from(p->serial));
	sqlite_bind_text(st, 4, str_from(p->before));
	sqlite3_bind_int64(st, 5, p->until);
	sqlite3_bind_int64(st, 6, p->enrolled);
	sqlite3_bind_int64(st, 7, p->renewed);
	sqlite3_bind_int64(st, 8, p->seen);
	sqlite3_bind_int64(st, 9, (int64_t)p->sequence);
	sqlite3_bind_int64(st, 10, p->revoked);
	sqlite_bind_text(st, 11, str_from(p->who));
	sqlite_bind_text(st, 12, str_from(p->why));
	sqlite3_bind_int64(st, 13, POSTS_MAX);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (!code && !sqlite3_changes(s->db))
		return err_set(err, -E2BIG, "there are %d posts already: forget those that are no more", POSTS_MAX);
	return state_told(s, code, err);
}

/* --- changes: read, changed and written in one transaction, and kept before anybody is told --- */

/* Ends what state_begin() began. keep: the file beside state.db is written before it counts. */
static int end(struct state *s, bool begun, int code, struct err *err)
{
	if (!code)
		code = state_keep_posts(s, err);
	if (!begun)
		return code;
	if (code) {
		sqlite_run(s->db, "ROLLBACK", NULL);
		return code;
	}
	return state_commit(s, err);
}

static int begin(struct state *s, bool *begun, struct err *err)
{
	*begun = sqlite3_get_autocommit(s->db);
	return *begun ? state_begin(s, err) : 0;
}

static int set_serial(struct post *p, struct str serial, struct err *err)
{
	if (!serial.n || !copy(p->serial, sizeof(p->serial), serial))
		return err_set(err, -EINVAL, "a serial number has 1 to %d digits", POST_SERIAL);
	return 0;
}

int state_post_enrolled(struct state *s, struct str name, struct str unit, struct str serial, int64_t until,
                        int64_t made, struct err *err)
{
	struct post p = { 0 };
	bool begun;
	int code = begin(s, &begun, err);
	if (code)
		return code;
	code = state_post_get(s, name, &p, err);
	if (code == -ENOENT)
		code = copy(p.name, sizeof(p.name), name) ? 0 : err_set(err, -EINVAL, "a post's name is too long");
	/* since the secret was spent it may have been revoked */
	else if (!code && p.revoked && made <= p.revoked)
		code = err_set(err, -EACCES, "the post was revoked after this secret was made");
	if (!code)
		code = state_enrolment_void(s, name, made, err);
	if (!code && !copy(p.unit, sizeof(p.unit), unit))
		code = err_set(err, -EINVAL, "a unit's name is too long");
	if (!code)
		code = set_serial(&p, serial, err);
	p.before[0] = p.who[0] = p.why[0] = '\0';
	p.revoked = p.renewed = p.seen = 0;
	p.enrolled = clock_wall(s->clock);
	p.until = until;
	return end(s, begun, code ? code : state_post_put(s, &p, err), err);
}

int state_post_renewed(struct state *s, struct str name, struct str by, struct str serial, int64_t until,
                       struct err *err)
{
	struct post p;
	bool begun;
	int code = begin(s, &begun, err);
	if (code)
		return code;
	code = state_post_get(s, name, &p, err);
	if (!code && p.revoked)
		code = err_set(err, -EACCES, "the post '%s' is revoked", p.name);
	if (!code && !str_eq(by, str_from(p.serial)) && !(*p.before && str_eq(by, str_from(p.before))))
		code = err_set(err, -EACCES, "the certificate is not one that this hub knows");
	if (!code) {
		/* the one that it has stays good until its next is used, however many answers are lost */
		copy(p.before, sizeof(p.before), by);
		code = set_serial(&p, serial, err);
		p.renewed = clock_wall(s->clock);
		p.until = until;
	}
	return end(s, begun, code ? code : state_post_put(s, &p, err), err);
}

int state_post_seen(struct state *s, struct str name, struct str serial, int64_t when, struct err *err)
{
	static const char sql[] =
	        "UPDATE post SET seen = max(seen, ?2), before = CASE WHEN serial = ?3 THEN '' ELSE before"
	        " END WHERE name = ?1";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, name);
	sqlite3_bind_int64(st, 2, when);
	sqlite_bind_text(st, 3, serial);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	return state_told(s, code, err);
}

int state_post_revoke(struct state *s, struct str name, struct str who, struct str why, struct err *err)
{
	struct post p;
	bool begun;
	if (!state_is_text(why, POST_WHY))
		return err_set(err, -EINVAL, "say why, in 1 to %d bytes", POST_WHY);
	int code = begin(s, &begun, err);
	if (code)
		return code;
	code = state_post_get(s, name, &p, err);
	if (!code && p.revoked)
		code = err_set(err, -EALREADY, "the post '%s' is revoked already: %s", p.name, p.why);
	if (!code) {
		p.revoked = clock_wall(s->clock);
		p.revoked = p.revoked > 0 ? p.revoked : 1;
		copy(p.who, sizeof(p.who), utf8_cut(who, POST_WHO));
		copy(p.why, sizeof(p.why), why);
		code = state_post_put(s, &p, err);
	}
	if (!code)
		code = state_enrolments_void(s, name, err);
	return end(s, begun, code, err);
}

static int run_with_name(struct state *s, const char *sql, struct str name, struct err *err)
{
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, name);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	return state_told(s, code, err);
}

int state_post_forget(struct state *s, struct str name, struct err *err)
{
	static const char *const sql[] = {
		"DELETE FROM order_change WHERE id IN (SELECT id FROM orders WHERE post = ?1)",
		"DELETE FROM orders WHERE post = ?1", "DELETE FROM post WHERE name = ?1"
	};
	struct post p;
	bool begun;
	int code = begin(s, &begun, err);
	if (code)
		return code;
	code = state_post_get(s, name, &p, err);
	if (!code && !p.revoked)
		code = err_set(err, -EBUSY, "the post '%s' is not revoked: it could still come", p.name);
	for (size_t i = 0; !code && i < ARRAY_LEN(sql); i++)
		code = run_with_name(s, sql[i], name, err);
	if (!code)
		code = state_enrolments_void(s, name, err);
	return end(s, begun, code, err);
}
