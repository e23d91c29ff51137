/*
 * The peer: an ordinary table in SQLite. What most events have stands in columns of its own, the rest of an event as
 * JSON in the last; indexes on time, on host and time, on user and time. WAL, synchronous=NORMAL (which syncs at
 * checkpoints only: less than the store promises), a transaction for each group. Taking the JSON apart is not counted.
 */
#include "feed.h"
#include "store.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 3, MAX_PATH = 4096 };

/* A column and the fields that go there; an event's second one of them goes to the rest. */
static const struct column {
	const char *name, *fields[5];
} columns[] = {
	{ "received", { "khien.received" } },
	{ "dataset", { "event.dataset", "Channel" } },
	{ "host", { "host.name", "Hostname" } },
	{ "source", { "khien.source" } },
	{ "id", { "khien.id" } },
	{ "user", { "user.name", "TargetUserName", "User" } },
	{ "src_ip", { "c-ip", "source.ip", "src", "IpAddress", "SourceIp" } },
	{ "src_port", { "source.port", "spt", "IpPort", "SourcePort" } },
	{ "dst_ip", { "dst", "DestinationIp" } },
	{ "dst_port", { "dpt", "DestinationPort" } },
	{ "action", { "event.action", "action" } },
	{ "outcome", { "event.outcome" } },
	{ "status", { "sc-status", "Status" } },
	{ "sent", { "sc-bytes", "sent" } },
	{ "rcvd", { "rcvd" } },
	{ "method", { "cs-method" } },
	{ "uri", { "c-uri" } },
	{ "agent", { "cs-user-agent" } },
	{ "referer", { "cs-referer" } },
	{ "process", { "process.name", "Image" } },
	{ "pid", { "process.pid", "ProcessId" } },
	{ "parent", { "ParentImage" } },
	{ "parent_pid", { "ParentProcessId" } },
	{ "command", { "CommandLine" } },
	{ "hashes", { "Hashes" } },
	{ "guid", { "ProcessGuid", "LogonGuid" } },
	{ "event_id", { "EventID" } },
	{ "record", { "EventRecordID", "RecordNumber" } },
	{ "original", { "event.original", "Message" } },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

struct rows {
	sqlite3 *db;
	sqlite3_stmt *insert;
	json_t *events[FEED_GROUP]; /* of the group, without what went to columns */
	json_t *values[FEED_GROUP][COLUMNS];
	char *rest[FEED_GROUP];
	int64_t times[FEED_GROUP];
};

static void must(sqlite3 *db, int code)
{
	if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
		die("rows: %s", sqlite3_errmsg(db));
}

static sqlite3 *open_db(const char *dir)
{
	char path[MAX_PATH];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/rows.db", dir);
	if (sqlite3_open(path, &db))
		die("rows: open '%s'", path);
	must(db, sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536", NULL,
	                      NULL, NULL));
	return db;
}

static void create(struct rows *r, const char *dir)
{
	char create[1024] = "CREATE TABLE events(time INTEGER", insert[256] = "INSERT INTO events VALUES(?";
	size_t n = strlen(create), m = strlen(insert);
	for (size_t i = 0; i < COLUMNS; i++) {
		n += (size_t)snprintf(create + n, sizeof(create) - n, ", %s", columns[i].name);
		m += (size_t)snprintf(insert + m, sizeof(insert) - m, ",?");
	}
	snprintf(create + n, sizeof(create) - n,
	         ", rest TEXT); CREATE INDEX by_time ON events(time); CREATE INDEX by_host ON events(host, time); "
	         "CREATE INDEX by_user ON events(user, time)");
	snprintf(insert + m, sizeof(insert) - m, ",?)");
	r->db = open_db(dir);
	must(r->db, sqlite3_exec(r->db, create, NULL, NULL, NULL));
	must(r->db, sqlite3_prepare_v2(r->db, insert, -1, &r->insert, NULL));
}

static void take_apart(struct rows *r, const struct feed_group *group)
{
	for (size_t i = 0; i < group->n; i++) {
		json_error_t wrong;
		json_t *event = json_loadb(group->rows[i].json.p, group->rows[i].json.n, 0, &wrong);
		if (!event)
			die("rows: an event is no JSON: %s", wrong.text);
		for (size_t c = 0; c < COLUMNS; c++) {
			r->values[i][c] = NULL;
			for (size_t f = 0; f < ARRAY_LEN(columns[c].fields) && columns[c].fields[f] && !r->values[i][c];
			     f++) {
				const char *field = columns[c].fields[f];
				r->values[i][c] = json_incref(json_object_get(event, field));
				json_object_del(event, field);
			}
		}
		json_object_del(event, "@timestamp");
		r->events[i] = event;
		r->rest[i] = json_dumps(event, JSON_COMPACT);
		r->times[i] = group->rows[i].time;
	}
}

static void let_go(struct rows *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < COLUMNS; c++)
			json_decref(r->values[i][c]);
		json_decref(r->events[i]);
		free(r->rest[i]);
	}
}

static void bind(sqlite3_stmt *s, int at, const json_t *value)
{
	if (json_is_string(value))
		sqlite3_bind_text(s, at, json_string_value(value), (int)json_string_length(value), SQLITE_STATIC);
	else if (json_is_integer(value))
		sqlite3_bind_int64(s, at, json_integer_value(value));
	else
		sqlite3_bind_null(s, at);
}

static void insert(struct rows *r, size_t n)
{
	must(r->db, sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL));
	for (size_t i = 0; i < n; i++) {
		sqlite3_bind_int64(r->insert, 1, r->times[i]);
		for (int c = 0; c < COLUMNS; c++)
			bind(r->insert, c + 2, r->values[i][c]);
		sqlite3_bind_text(r->insert, COLUMNS + 2, r->rest[i], -1, SQLITE_STATIC);
		must(r->db, sqlite3_step(r->insert));
		sqlite3_reset(r->insert);
	}
	must(r->db, sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL));
}

void rows_write(const char *dir, const char *prefix, struct feed *feed)
{
	struct rows *r = calloc(1, sizeof(*r));
	const struct feed_group *group;
	double took = 0, used = 0;
	if (!r)
		die("no memory");
	create(r, dir);
	while ((group = feed_next(feed))) {
		take_apart(r, group);
		double begin = seconds(), busy = cpu_seconds();
		insert(r, group->n);
		took += seconds() - begin;
		used += cpu_seconds() - busy;
		let_go(r, group->n);
	}
	double begin = seconds();
	must(r->db, sqlite3_wal_checkpoint_v2(r->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
	took += seconds() - begin;
	sqlite3_finalize(r->insert);
	sqlite3_close(r->db);
	free(r);
	figure(prefix, "write_cpu_us", used / (double)feed_facts(feed)->events * 1e6, "us/event");
	figure(prefix, "write_events_per_s", (double)feed_facts(feed)->events / took, "events/s");
	figure(prefix, "write_rss_mb", peak_mb(), "MB");
	print_facts(prefix, feed_facts(feed));
}

static double ask_once(sqlite3 *db, const char *sql, uint64_t *answer)
{
	sqlite3_stmt *s;
	int code;
	*answer = 0;
	double begin = seconds();
	must(db, sqlite3_prepare_v2(db, sql, -1, &s, NULL));
	while ((code = sqlite3_step(s)) == SQLITE_ROW)
		*answer += (uint64_t)sqlite3_column_int64(s, 0);
	must(db, code);
	sqlite3_finalize(s);
	return seconds() - begin;
}

void rows_ask(const char *dir)
{
	static const struct {
		const char *name, *sql;
	} questions[] = {
		{ "rare_token_s", "SELECT 1, * FROM events WHERE command LIKE '%" GENERATE_RARE
		                  "%' OR original LIKE '%" GENERATE_RARE "%' OR rest LIKE '%" GENERATE_RARE "%'" },
		{ "newest_100_s",
		  "SELECT 1, * FROM events WHERE original LIKE '%" FEED_COMMON "%' ORDER BY time DESC LIMIT 100" },
		{ "substring_10m_s", "SELECT 1, * FROM events WHERE original LIKE '%" FEED_SUBSTRING "%'" },
		{ "count_by_host_s", "SELECT count(*), host FROM events GROUP BY host ORDER BY 1 DESC" },
	};
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		double times[ROUNDS];
		uint64_t answer;
		char name[64];
		forget_files(dir);
		double begin = seconds();
		sqlite3 *db = open_db(dir);
		ask_once(db, questions[i].sql, &answer);
		double cold = seconds() - begin;
		for (int k = 0; k < ROUNDS; k++)
			times[k] = ask_once(db, questions[i].sql, &answer);
		sqlite3_close(db);
		figure("rows_", questions[i].name, median(times, ROUNDS), "s");
		snprintf(name, sizeof(name), "%s_opened_cold", questions[i].name);
		figure("rows_", name, cold, "s");
		snprintf(name, sizeof(name), "found_%s", questions[i].name);
		fact("rows_", name, answer);
	}
	figure("rows_", "ask_rss_mb", peak_mb(), "MB");
}
