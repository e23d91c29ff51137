#include "store/state_db.h"

#include "base/utf8.h"

#include <errno.h>

static int check(const struct hunt_row *h, struct err *err)
{
	if (!state_is_text(h->name, HUNT_NAME))
		return err_set(err, -EINVAL, "a hunt's name has 1 to %d bytes of UTF-8 without control characters",
		               HUNT_NAME);
	if (!h->text.n || h->text.n > HUNT_TEXT || !utf8_valid(h->text) || memchr(h->text.p, '\0', h->text.n))
		return err_set(err, -EINVAL, "a hunt has 1 to %d bytes of UTF-8", HUNT_TEXT);
	if (h->by.n > HUNT_BY || h->note.n > HUNT_NOTE || !utf8_valid(h->by) || !utf8_valid(h->note))
		return err_set(err, -EINVAL, "a hunt's note has up to %d bytes of UTF-8", HUNT_NOTE);
	return 0;
}

int state_hunt_save(struct state *s, const struct hunt_row *h, struct err *err)
{
	static const char sql[] = "INSERT INTO hunt (name, text, made, by, note) SELECT ?1, ?2, ?3, ?4, ?5"
	                          " WHERE (SELECT count(*) FROM hunt WHERE name <> ?1) < ?6"
	                          " ON CONFLICT (name) DO UPDATE SET text = excluded.text, made = excluded.made,"
	                          " by = excluded.by, note = excluded.note";
	sqlite3_stmt *st;
	int code = check(h, err);
	if (!code)
		code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, h->name);
	sqlite_bind_text(st, 2, h->text);
	sqlite3_bind_int64(st, 3, clock_wall(s->clock));
	sqlite_bind_text(st, 4, h->by);
	sqlite_bind_text(st, 5, h->note);
	sqlite3_bind_int64(st, 6, HUNTS_MAX);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (!code && !sqlite3_changes(s->db))
		return err_set(err, -E2BIG, "there are %d hunts already: remove those that nobody asks", HUNTS_MAX);
	return state_told(s, code, err);
}

static void read_row(sqlite3_stmt *st, struct hunt_row *h)
{
	*h = (struct hunt_row){ .name = sqlite_text(st, 0),
		                .text = sqlite_text(st, 1),
		                .made = sqlite3_column_int64(st, 2),
		                .by = sqlite_text(st, 3),
		                .note = sqlite_text(st, 4) };
}

int state_hunt_get(struct state *s, struct str name, int (*fn)(void *arg, const struct hunt_row *h), void *arg,
                   struct err *err)
{
	static const char sql[] = "SELECT name, text, made, by, note FROM hunt WHERE name = ?1";
	sqlite3_stmt *st;
	struct hunt_row h;
	int code = sqlite_prepare(s->db, &st, sql, err), stop = 0;
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, name);
	code = sqlite_step(st, err);
	if (!code)
		code = err_set(err, -ENOENT, "there is no hunt named '" STR_FMT "'",
		               STR_ARG(utf8_cut(name, HUNT_NAME)));
	if (code == 1) {
		read_row(st, &h);
		stop = fn(arg, &h);
		code = 0;
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}

int state_hunts(struct state *s, int (*fn)(void *arg, const struct hunt_row *h), void *arg, struct err *err)
{
	sqlite3_stmt *st;
	struct hunt_row h;
	int code = sqlite_prepare(s->db, &st, "SELECT name, text, made, by, note FROM hunt ORDER BY name", err);
	int stop = 0;
	if (code)
		return state_told(s, code, err);
	while (!stop && (code = sqlite_step(st, err)) == 1) {
		read_row(st, &h);
		stop = fn(arg, &h);
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}

int state_hunt_remove(struct state *s, struct str name, struct err *err)
{
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, "DELETE FROM hunt WHERE name = ?1", err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, name);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (!code && !sqlite3_changes(s->db))
		return err_set(err, -ENOENT, "there is no hunt named '" STR_FMT "'",
		               STR_ARG(utf8_cut(name, HUNT_NAME)));
	return state_told(s, code, err);
}
