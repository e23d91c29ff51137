#include "base/buf.h"
#include "kiosk/db_inside.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* Types of PostgreSQL's catalogue; their numbers never change. */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_BPCHAR = 1042,
	OID_VARCHAR = 1043,
	OID_NUMERIC = 1700,
};

/*
 * Every statement goes through a key, and is planned once, perhaps while the tables are empty: so no scans of whole tables where
 * there is an index. A commit is on the disk, whatever the server's configuration says.
 */
static const char settings[] =
        "SET lock_timeout = '5s'; SET statement_timeout = '60s'; SET default_transaction_isolation = 'read committed';"
        "SET standard_conforming_strings = on; SET enable_seqscan = off; SET jit = off;"
        "SET plan_cache_mode = force_generic_plan;"
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

static int code_of(const char *state)
{
	static const struct {
		const char *state; /* SQLSTATE, or how it begins */
		int code;
	} codes[] = {
		{ "23", -EEXIST },      /* integrity constraints */
		{ "08", -ENOTCONN },    /* connections */
		{ "57P0", -ENOTCONN },  /* the server stops or starts */
		{ "53300", -ENOTCONN }, /* too many connections */
		{ "40", -EAGAIN },      /* serialization, deadlock */
		{ "55P03", -EAGAIN },   /* lock_timeout */
		{ "57014", -EAGAIN },   /* statement_timeout */
		{ "53100", -ENOSPC },   /* disk */
		{ "53200", -ENOMEM },   { "25006", -EROFS },  { "XX001", -EBADMSG }, { "XX002", -EBADMSG },
		{ "28", -EACCES },      { "42501", -EACCES }, { "3D000", -ENOENT },
	};
	for (size_t i = 0; state && i < ARRAY_LEN(codes); i++)
		if (str_starts(str_from(state), str_from(codes[i].state)))
			return codes[i].code;
	return -EIO;
}

/* Only the message's first line: the detail behind it has values in it. */
static int failure(PGconn *at, const PGresult *answer, const char *sql, struct err *err)
{
	const char *why = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
	int code = PQstatus(at) == CONNECTION_BAD ? -ENOTCONN : code_of(PQresultErrorField(answer, PG_DIAG_SQLSTATE));
	return err_set(err, code, "postgresql: %s: %s", sql, why ? why : PQerrorMessage(at));
}

static bool went_well(const PGresult *answer)
{
	ExecStatusType status = PQresultStatus(answer);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

static int execute(PGconn *at, const char *sql, struct err *err)
{
	PGresult *answer = PQexec(at, sql);
	int code = went_well(answer) ? 0 : failure(at, answer, db_script_name(sql), err);
	PQclear(answer);
	return code;
}

/* --- the connection --- */

static void no_notice(void *arg, const PGresult *notice)
{
}

static int begin_session(PGconn *at, struct err *err)
{
	if (PQstatus(at) != CONNECTION_OK)
		return err_set(err, -ENOTCONN, "postgresql: %s", PQerrorMessage(at));
	PQsetNoticeReceiver(at, no_notice, NULL);
	return execute(at, settings, err);
}

/* Outside of a transaction a server that went away meanwhile costs nothing but a new connection. */
static int connected(struct db *db, struct err *err)
{
	struct pollfd p = { .fd = PQsocket(db->at), .events = POLLIN };
	/* nothing comes unasked but a last word and the end */
	for (int i = 0; i < 4 && PQstatus(db->at) == CONNECTION_OK && poll(&p, 1, 0) > 0; i++)
		PQconsumeInput(db->at);
	if (PQstatus(db->at) == CONNECTION_OK)
		return 0;
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		if (db->statements[i])
			db->statements[i]->prepared = NULL;
	db_forget(db);
	PQreset(db->at);
	return begin_session(db->at, err);
}

static void close_it(struct db *db)
{
	PQfinish(db->at);
}

/* A password on a command line or in a configuration is read by more people than it should be. */
static int check_uri(const char *uri, struct err *err)
{
	char *why = NULL;
	bool password = false;
	PQconninfoOption *options = PQconninfoParse(uri, &why);
	if (!options) {
		int code = err_set(err, -EINVAL, "database's URI: %s", why ? why : "no memory");
		PQfreemem(why);
		return code;
	}
	for (const PQconninfoOption *o = options; o->keyword; o++)
		password |= o->val && strcmp(o->keyword, "password") == 0;
	PQconninfoFree(options);
	return password ? err_set(err, -EINVAL, "the database's password belongs into ~/.pgpass or PGPASSWORD") : 0;
}

static int open_it(struct db *db, const char *uri, struct err *err)
{
	/* what stands before dbname can be overruled by the URI, what stands behind it can't */
	const char *const names[] = { "connect_timeout", "dbname", "client_encoding", "application_name", NULL };
	const char *const values[] = { "5", uri, "UTF8", "khien kiosk", NULL };
	int code = check_uri(uri, err);
	if (code)
		return code;
	db->at = PQconnectdbParams(names, values, 1);
	return db->at ? begin_session(db->at, err) : err_set(err, -ENOMEM, "postgresql: %m");
}

/* --- scripts --- */

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/*
 * BLOB is called BYTEA here, and texts sort by their bytes, as SQLite's do, whatever the database was made with. Our own scripts have
 * these words nowhere else.
 */
static struct str translated(struct str word)
{
	if (str_eq(word, STR("BLOB")))
		return STR("BYTEA");
	return str_eq(word, STR("TEXT")) ? STR("TEXT COLLATE \"C\"") : word;
}

static void translate(struct str sql, struct buf *out)
{
	while (sql.n) {
		size_t n = 0;
		while (n < sql.n && is_letter(sql.p[n]))
			n++;
		n = n ? n : 1;
		buf_add(out, translated(str_sub(sql, 0, n)));
		sql = str_sub(sql, n, sql.n);
	}
	buf_putc(out, '\0');
}

static int script(struct db *db, const char *sql, struct err *err)
{
	struct buf out = { 0 };
	const bool begins = sql == db_postgresql.begin || sql == db_postgresql.begin_read;
	int code = begins ? connected(db, err) : 0;
	if (code)
		return code;
	translate(str_from(sql), &out);
	code = out.failed ? err_set(err, -ENOMEM, "postgresql: %m") : execute(db->at, out.p, err);
	buf_free(&out);
	return code;
}

/* --- statements --- */

static void name_of(const struct db_statement *st, char name[16])
{
	snprintf(name, 16, "s%u", st->number);
}

static int prepare(struct db *db, struct db_statement *st, const struct db_value *values, size_t n, struct err *err)
{
	static const Oid oids[] = { [DB_NUMBER] = OID_INT8, [DB_TEXT] = OID_TEXT, [DB_BYTES] = OID_BYTEA };
	Oid types[DB_PARAMS] = { 0 }; /* of a NULL: what PostgreSQL thinks */
	char name[16];
	for (size_t i = 0; i < n; i++)
		types[i] = oids[values[i].type];
	name_of(st, name);
	PGresult *answer = PQprepare(db->at, name, st->sql, (int)n, types);
	int code = went_well(answer) ? 0 : failure(db->at, answer, st->sql, err);
	PQclear(answer);
	if (!code)
		st->prepared = st;
	return code;
}

static PGresult *perform(struct db *db, const struct db_statement *st, const struct db_value *values, size_t n)
{
	char name[16], digits[DB_PARAMS][24];
	const char *p[DB_PARAMS];
	int lengths[DB_PARAMS], binary[DB_PARAMS];
	for (size_t i = 0; i < n; i++) {
		const struct db_value *v = &values[i];
		bool is_number = v->type == DB_NUMBER;
		if (is_number)
			snprintf(digits[i], sizeof(digits[i]), "%lld", (long long)v->n);
		p[i] = v->type == DB_NULL ? NULL : is_number ? digits[i] : v->s.p ? v->s.p : "";
		lengths[i] = (int)v->s.n;
		binary[i] = !is_number; /* of texts the same bytes, without a NUL behind them */
	}
	name_of(st, name);
	return PQexecPrepared(db->at, name, (int)n, p, lengths, binary, 1);
}

static int run(struct db *db, struct db_statement *st, const struct db_value *values, size_t n, struct db_sink *sink,
               struct err *err)
{
	int code = db->in ? 0 : connected(db, err);
	if (!code && !st->prepared)
		code = prepare(db, st, values, n, err);
	if (code)
		return code;
	PGresult *answer = perform(db, st, values, n);
	if (went_well(answer)) {
		struct db_row row = { &db_postgresql, answer, 0 };
		for (; row.at < PQntuples(answer) && !sink->stopped; row.at++) {
			sink->rows++;
			if (sink->fn)
				sink->stopped = sink->fn(sink->arg, &row);
		}
		const char *changed = strncmp(PQcmdStatus(answer), "SELECT", 6) ? PQcmdTuples(answer) : "";
		sink->changed = strtoll(changed, NULL, 10);
	} else {
		code = failure(db->at, answer, st->sql, err);
	}
	PQclear(answer);
	return code;
}

/* What the server keeps of it is never named again, and goes with the connection. */
static void forget(struct db *db, struct db_statement *st)
{
	st->prepared = NULL;
}

/* --- rows: binary --- */

static struct str value_of(const struct db_row *row, int column)
{
	return (struct str){ PQgetvalue(row->answer, row->at, column),
		             (size_t)PQgetlength(row->answer, row->at, column) };
}

static uint64_t big_endian(struct str s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n = n << 8 | (unsigned char)s.p[i];
	return n;
}

/* A sum: digits to the base of 10,000; how many, the first one's exponent, the sign, digits shown behind the point. */
static int64_t numeric(struct str s)
{
	if (s.n < 8)
		return 0;
	int digits = (int)big_endian(str_sub(s, 0, 2)), weight = (int16_t)big_endian(str_sub(s, 2, 2));
	bool negative = big_endian(str_sub(s, 4, 2)) == 0x4000;
	int64_t n = 0;
	for (int i = 0; i <= weight; i++) {
		int64_t digit = i < digits ? (int64_t)big_endian(str_sub(s, 8 + 2 * (size_t)i, 2)) : 0;
		if (__builtin_mul_overflow(n, 10000, &n) || __builtin_add_overflow(n, negative ? -digit : digit, &n))
			return negative ? INT64_MIN : INT64_MAX;
	}
	return n;
}

static int64_t number(const struct db_row *row, int column)
{
	struct str s = value_of(row, column);
	switch (PQftype(row->answer, column)) {
	case OID_INT8: return (int64_t)big_endian(s);
	case OID_INT4: return (int32_t)big_endian(s);
	case OID_INT2: return (int16_t)big_endian(s);
	case OID_BOOL: return (int64_t)big_endian(s);
	case OID_NUMERIC: return numeric(s);
	default: return 0;
	}
}

static struct str text(const struct db_row *row, int column)
{
	switch (PQftype(row->answer, column)) {
	case OID_TEXT:
	case OID_VARCHAR:
	case OID_BPCHAR: return value_of(row, column);
	default: return STR("");
	}
}

static struct str bytes(const struct db_row *row, int column)
{
	return PQftype(row->answer, column) == OID_BYTEA ? value_of(row, column) : STR("");
}

static bool is_null(const struct db_row *row, int column)
{
	return PQgetisnull(row->answer, row->at, column);
}

const struct db_engine db_postgresql = {
	.kind = DB_POSTGRESQL,
	.scheme = { "postgresql:", 11 },
	.begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1",
	.begin = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('khien kiosk'))",
	.open = open_it,
	.close = close_it,
	.script = script,
	.run = run,
	.forget = forget,
	.number = number,
	.text = text,
	.bytes = bytes,
	.is_null = is_null,
};
