/* The schema of state.db, step by step. A step that was released stays as it is: the next change is a new one. */
#include "store/state_db.h"

#include <errno.h>
#include <stdio.h>

/* "khie": tells a file of ours from any other SQLite file. */
enum { APPLICATION = 1802004837 };

/* Bounded here as in state.h, so that what another hand writes is refused, too. Times are µs since 1970 UTC. */
static const char schema_1[] = "PRAGMA application_id = 1802004837;"
                               "CREATE TABLE token ("
                               " id TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 12),"
                               " hash BLOB NOT NULL CHECK (length(hash) = 32)," /* BLAKE2b-256 of the secret */
                               " scopes INTEGER NOT NULL CHECK (scopes BETWEEN 1 AND 15),"
                               " name TEXT NOT NULL UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),"
                               " made INTEGER NOT NULL,"
                               " expires INTEGER NOT NULL CHECK (expires >= 0)" /* 0: never */
                               ") STRICT, WITHOUT ROWID;"
                               "CREATE TABLE setting ("
                               " name TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),"
                               " value BLOB NOT NULL CHECK (length(value) <= 65536)"
                               ") STRICT, WITHOUT ROWID;";

static const char schema_2[] = "CREATE TABLE alert ("
                               " number INTEGER PRIMARY KEY,"
                               " id TEXT NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 128),"
                               " time INTEGER NOT NULL,"
                               " made INTEGER NOT NULL,"
                               " rule TEXT NOT NULL CHECK (length(CAST(rule AS BLOB)) <= 256),"
                               " title TEXT NOT NULL CHECK (length(CAST(title AS BLOB)) <= 1024),"
                               " level TEXT NOT NULL CHECK (length(CAST(level AS BLOB)) <= 32),"
                               " host TEXT NOT NULL CHECK (length(CAST(host AS BLOB)) <= 512),"
                               " user TEXT NOT NULL CHECK (length(CAST(user AS BLOB)) <= 512),"
                               " address TEXT NOT NULL CHECK (length(CAST(address AS BLOB)) <= 512),"
                               " count INTEGER NOT NULL CHECK (count >= 0),"
                               " json TEXT NOT NULL CHECK (length(CAST(json AS BLOB)) <= 16777216)"
                               ") STRICT;"
                               "CREATE INDEX alert_time ON alert (time);";

/* Letters of a name are bytes: two that look alike are two. */
static const char schema_3[] =
        "CREATE TABLE hunt ("
        " name TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),"
        " text TEXT NOT NULL CHECK (length(CAST(text AS BLOB)) BETWEEN 1 AND 16384),"
        " made INTEGER NOT NULL,"
        " by TEXT NOT NULL CHECK (length(CAST(by AS BLOB)) <= 64),"
        " note TEXT NOT NULL CHECK (length(CAST(note AS BLOB)) <= 1024)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE post ("
        " name TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),"
        " unit TEXT NOT NULL CHECK (length(CAST(unit AS BLOB)) BETWEEN 1 AND 64),"
        " serial TEXT NOT NULL CHECK (length(CAST(serial AS BLOB)) <= 40)," /* of its certificate, hex */
        " before TEXT NOT NULL CHECK (length(CAST(before AS BLOB)) <= 40)," /* of the one that was renewed */
        " until INTEGER NOT NULL,"
        " enrolled INTEGER NOT NULL,"
        " renewed INTEGER NOT NULL,"
        " seen INTEGER NOT NULL,"
        " sequence INTEGER NOT NULL CHECK (sequence >= 0)," /* of its last order */
        " revoked INTEGER NOT NULL CHECK (revoked >= 0),"   /* 0: not */
        " who TEXT NOT NULL CHECK (length(CAST(who AS BLOB)) <= 64),"
        " why TEXT NOT NULL CHECK (length(CAST(why AS BLOB)) <= 200)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE enrolment ("
        " hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),"    /* BLAKE2b-256 of the secret */
        " post TEXT NOT NULL CHECK (length(CAST(post AS BLOB)) <= 64)," /* empty: any that is new */
        " made INTEGER NOT NULL,"
        " expires INTEGER NOT NULL,"
        " used INTEGER NOT NULL CHECK (used >= 0)," /* 0: not yet */
        " who TEXT NOT NULL CHECK (length(CAST(who AS BLOB)) <= 64)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE orders ("
        " number INTEGER PRIMARY KEY,"
        " turn INTEGER NOT NULL," /* 0 until it is signed; grows from one that is to the next */
        " id TEXT NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) = 16),"
        " post TEXT NOT NULL CHECK (length(CAST(post AS BLOB)) BETWEEN 1 AND 64),"
        " verb TEXT NOT NULL CHECK (length(CAST(verb AS BLOB)) BETWEEN 1 AND 32),"
        " args TEXT NOT NULL CHECK (length(CAST(args AS BLOB)) <= 8192)," /* a JSON array of texts */
        " state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 9),"
        " sequence INTEGER NOT NULL CHECK (sequence >= 0),"
        " made INTEGER NOT NULL,"
        " expires INTEGER NOT NULL,"
        " who TEXT NOT NULL CHECK (length(CAST(who AS BLOB)) <= 64),"
        " why TEXT NOT NULL CHECK (length(CAST(why AS BLOB)) BETWEEN 1 AND 200),"
        " undoes TEXT NOT NULL CHECK (length(CAST(undoes AS BLOB)) IN (0, 16)),"
        " bytes BLOB NOT NULL CHECK (length(bytes) <= 16384)," /* as they are signed: order/order.h */
        " signature BLOB NOT NULL CHECK (length(signature) IN (0, 64)),"
        " approver BLOB NOT NULL CHECK (length(approver) IN (0, 32)),"
        " approval BLOB NOT NULL CHECK (length(approval) IN (0, 64)),"
        " result TEXT NOT NULL CHECK (length(CAST(result AS BLOB)) <= 4096)"
        ") STRICT;"
        "CREATE INDEX orders_state ON orders (state);"
        "CREATE INDEX orders_turn ON orders (turn);"
        "CREATE TABLE order_change (" /* what became of it, and by whom */
        " number INTEGER PRIMARY KEY,"
        " id TEXT NOT NULL,"
        " state INTEGER NOT NULL,"
        " time INTEGER NOT NULL,"
        " who TEXT NOT NULL CHECK (length(CAST(who AS BLOB)) <= 64),"
        " why TEXT NOT NULL CHECK (length(CAST(why AS BLOB)) <= 4096)"
        ") STRICT;"
        "CREATE INDEX order_change_id ON order_change (id);";

/* step[i] makes schema i + 1 of schema i. */
static const char *const step[] = { schema_1, schema_2, schema_3 };
_Static_assert(ARRAY_LEN(step) == STATE_SCHEMA, "a step for each schema");

/* Which schema the file has; 0: it is empty. Within a transaction, for another process may be about to change it. */
static int schema_of(struct state *s, int64_t *ret, struct err *err)
{
	int64_t version, application, tables;
	int code = sqlite_number(s->db, "PRAGMA user_version", 0, &version, err);
	if (!code)
		code = sqlite_number(s->db, "PRAGMA application_id", 0, &application, err);
	if (!code)
		code = sqlite_number(s->db, "SELECT count(*) FROM sqlite_schema", 0, &tables, err);
	if (code)
		return code;
	bool empty = !version && !application && !tables;
	if (!empty && (application != APPLICATION || version < 1))
		return err_set(err, -EBADMSG, "it is no state of khien's");
	if (version > STATE_SCHEMA)
		return err_set(
		        err, -EPROTO,
		        "%s/state.db was made by a newer khien (schema %lld, this one knows %d): install that one, "
		        "or restore a backup made by this one",
		        s->dir, (long long)version, STATE_SCHEMA);
	*ret = version;
	return 0;
}

/* With the write lock held: of two that open the file at once, the second finds it done. */
static int migrate(struct state *s, int64_t *from, struct err *err)
{
	char text[32];
	int code = schema_of(s, from, err);
	if (!code && *from && *from < STATE_SCHEMA) {
		snprintf(text, sizeof(text), "state.db.v%lld", (long long)*from);
		code = state_copy(s, s->dir, text, err);
	}
	for (int64_t i = *from; !code && i < STATE_SCHEMA; i++)
		code = sqlite_run(s->db, step[i], err);
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", STATE_SCHEMA);
	return code ? code : sqlite_run(s->db, text, err);
}

int state_migrate(struct state *s, int *from, struct err *err)
{
	int64_t version;
	int code = sqlite_run(s->db, "BEGIN", err);
	if (!code) {
		code = schema_of(s, &version, err);
		sqlite_run(s->db, "ROLLBACK", NULL);
	}
	if (code || version == STATE_SCHEMA)
		return code;
	if (s->read_only)
		return err_set(err, -EROFS,
		               "%s/state.db has the schema of an older khien: start the hub once, it brings it forward",
		               s->dir);
	code = sqlite_run(s->db, "BEGIN IMMEDIATE", err);
	if (code)
		return code;
	code = migrate(s, &version, err);
	if (!code)
		code = sqlite_run(s->db, "COMMIT", err);
	if (code) {
		if (!sqlite3_get_autocommit(s->db))
			sqlite_run(s->db, "ROLLBACK", NULL);
		return code;
	}
	*from = version < STATE_SCHEMA ? (int)version : 0;
	return 0;
}
