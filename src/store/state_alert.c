#include "store/state_db.h"

#include "base/utf8.h"

#include <errno.h>

int state_alert_add(struct state *s, const struct alert_row *a, bool *added, struct err *err)
{
	static const char sql[] =
	        "INSERT INTO alert (id, time, made, rule, title, level, host, user, address, count, json)"
	        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id)"
	        " DO UPDATE SET count = excluded.count WHERE excluded.count > count";
	sqlite3_stmt *st = s->add_alert;
	if (!a->id.n || a->id.n > ALERT_ID || a->json.n > ALERT_JSON)
		return err_set(err, -E2BIG, "an alert's id has 1 to %d bytes, its JSON up to %d", ALERT_ID, ALERT_JSON);
	int code = st ? 0 : sqlite_prepare(s->db, &s->add_alert, sql, err);
	if (code)
		return state_told(s, code, err);
	st = s->add_alert;
	sqlite_bind_text(st, 1, a->id); /* foreign texts are cut: no alert is lost for a long user name */
	sqlite3_bind_int64(st, 2, a->time);
	sqlite3_bind_int64(st, 3, a->made);
	sqlite_bind_text(st, 4, utf8_cut(a->rule, 256));
	sqlite_bind_text(st, 5, utf8_cut(a->title, 1024));
	sqlite_bind_text(st, 6, utf8_cut(a->level, 32));
	sqlite_bind_text(st, 7, utf8_cut(a->host, 512));
	sqlite_bind_text(st, 8, utf8_cut(a->user, 512));
	sqlite_bind_text(st, 9, utf8_cut(a->address, 512));
	sqlite3_bind_int64(st, 10, a->count);
	sqlite_bind_text(st, 11, a->json);
	sqlite3_set_last_insert_rowid(s->db, 0);
	code = sqlite_step(st, err);
	if (!code)
		*added = sqlite3_last_insert_rowid(s->db) != 0;
	return state_told(s, code, err);
}

int state_alerts(struct state *s, int64_t since, uint64_t limit, int (*fn)(void *arg, const struct alert_row *a),
                 void *arg, struct err *err)
{
	static const char sql[] =
	        "SELECT id, time, made, rule, title, level, host, user, address, count, json FROM alert"
	        " WHERE time >= ?1 ORDER BY time DESC, number DESC LIMIT ?2";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err), stop = 0;
	if (code)
		return state_told(s, code, err);
	sqlite3_bind_int64(st, 1, since);
	sqlite3_bind_int64(st, 2, limit && limit < INT64_MAX ? (int64_t)limit : -1);
	while (!stop && (code = sqlite_step(st, err)) == 1) {
		const struct alert_row a = {
			.id = sqlite_text(st, 0),
			.time = sqlite3_column_int64(st, 1),
			.made = sqlite3_column_int64(st, 2),
			.rule = sqlite_text(st, 3),
			.title = sqlite_text(st, 4),
			.level = sqlite_text(st, 5),
			.host = sqlite_text(st, 6),
			.user = sqlite_text(st, 7),
			.address = sqlite_text(st, 8),
			.count = (uint32_t)sqlite3_column_int64(st, 9),
			.json = sqlite_text(st, 10),
		};
		stop = fn(arg, &a);
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}

int state_alerts_trim(struct state *s, uint64_t keep, uint64_t bytes, uint64_t *removed, struct err *err)
{
	/* the oldest first, a bounded number at a time: the table is not locked for long */
	static const char sql[] =
	        "DELETE FROM alert WHERE number IN (SELECT number FROM alert WHERE number <="
	        " (SELECT max(number) FROM alert) - ?1 OR (SELECT (page_count - freelist_count) * page_size > ?2"
	        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size) ORDER BY number LIMIT 1000)";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite3_bind_int64(st, 1, keep < INT64_MAX ? (int64_t)keep : INT64_MAX);
	sqlite3_bind_int64(st, 2, bytes && bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (!code)
		*removed = (uint64_t)sqlite3_changes64(s->db);
	return state_told(s, code, err);
}
