/* The changes in the database: their schema, numbers and epoch, and the standby's side of them. */
#include "kiosk/desk_inside.h"
#include "kiosk/schema.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

char *desk_log_text(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

int desk_log_hash(const struct seal *seal, const json_t *answer, unsigned char hash[SEAL_HASH], struct err *err)
{
	char *text = desk_log_text(answer);
	if (!text)
		return err_set(err, -ENOMEM, "write an answer: %m");
	seal_hash(seal, "answer", str_from(text), hash);
	sodium_memzero(text, strlen(text)); /* there may be a name in it */
	free(text);
	return 0;
}

int desk_log_add(struct desk *d, const struct desk_change *change, struct err *err)
{
	struct str hash = { (const char *)change->answer, sizeof(change->answer) };
	int64_t n = db_run(
	        d->config.db, "INSERT INTO change (seq, epoch, at, call, answer) VALUES ($1, $2, $3, $4, $5)",
	        DB_ARGS(DB_N(change->seq), DB_N(change->epoch), DB_N(change->at), DB_T(change->call), DB_B(hash)), err);
	return n < 0 ? (int)n : 0;
}

/*
 * The commit may still be under way at the other end. To write the same row waits for it, and a constraint says whether it
 * was there; a look wouldn't wait.
 */
int desk_log_has(struct desk *d, const struct desk_change *change, struct err *err)
{
	int code = db_begin(d->config.db, err);
	if (code)
		return code;
	code = desk_log_add(d, change, err);
	db_rollback(d->config.db);
	return code == -EEXIST ? 1 : code;
}

/* --- schema --- */

/* Of the key file: whoever opens the database with another one could read nothing, and would seal what nobody else can read. */
static void key_mark(const struct desk *d, char mark[2 * SEAL_HASH + 1])
{
	unsigned char hash[SEAL_HASH];
	seal_hash(d->config.seal, "key", STR("khien kiosk"), hash);
	sodium_bin2hex(mark, 2 * SEAL_HASH + 1, hash, sizeof(hash));
}

static int put(struct desk *d, struct str name, struct str value, struct err *err)
{
	int64_t n = db_run(d->config.db,
	                   "INSERT INTO meta (name, value) VALUES ($1, $2)"
	                   " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	                   DB_ARGS(DB_T(name), DB_T(value)), err);
	return n < 0 ? (int)n : 0;
}

static int put_number(struct desk *d, struct str name, int64_t value, struct err *err)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)value);
	return put(d, name, (struct str){ text, (size_t)n }, err);
}

static int make(struct desk *d, bool tables, struct err *err)
{
	char mark[2 * SEAL_HASH + 1];
	key_mark(d, mark);
	int code = db_begin(d->config.db, err);
	if (code)
		return code;
	if (tables)
		code = db_script(d->config.db, schema_sql, err);
	if (!code)
		code = put_number(d, STR("schema"), SCHEMA_VERSION, err);
	if (!code)
		code = put_number(d, STR("epoch"), 1, err);
	if (!code)
		code = put(d, STR("key"), str_from(mark), err);
	if (!code)
		return db_commit(d->config.db, err);
	db_rollback(d->config.db);
	return code;
}

static int check(struct desk *d, struct err *err)
{
	char mark[2 * SEAL_HASH + 1];
	int64_t n;
	int code =
	        db_ask(d->config.db, "SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'schema'", DB_NONE, &n, err);
	if (code == -ENOENT) /* the schema was put there by hand */
		return make(d, false, err);
	if (code)
		return code;
	if (n > SCHEMA_VERSION)
		return err_set(err, -EPROTO, "the database is of a newer khien (schema %lld; this one knows %d)",
		               (long long)n, SCHEMA_VERSION);
	if (n < SCHEMA_VERSION) /* there has been one only: nothing to migrate from */
		return err_set(err, -EBADMSG, "the database's schema is %lld, which never was one", (long long)n);
	key_mark(d, mark);
	code = db_ask(d->config.db, "SELECT count(*) FROM meta WHERE name = 'key' AND value = $1",
	              DB_ARGS(DB_T(str_from(mark))), &n, err);
	if (!code && n == 0)
		code = err_set(err, -EKEYREJECTED, "the database was made with another key file");
	return code;
}

/* The last change and the epoch, as they stand in the database. */
static int read_last(struct desk *d, struct err *err)
{
	int64_t seq, epoch;
	int code = db_ask(d->config.db, "SELECT COALESCE(max(seq), 0) FROM change", DB_NONE, &seq, err);
	if (!code)
		code = db_ask(d->config.db, "SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'epoch'", DB_NONE,
		              &epoch, err);
	if (code)
		return code;
	d->seq = seq;
	d->epoch = epoch;
	return 0;
}

int desk_log_open(struct desk *d, struct err *err)
{
	int64_t there;
	int code;
	if (db_kind(d->config.db) == DB_SQLITE)
		code = db_ask(d->config.db, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'",
		              DB_NONE, &there, err);
	else
		code = db_ask(
		        d->config.db,
		        "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'meta'",
		        DB_NONE, &there, err);
	if (!code)
		code = there ? check(d, err) : make(d, true, err);
	return code ? code : read_last(d, err);
}

int desk_set_epoch(struct desk *d, int64_t epoch, struct err *err)
{
	if (epoch < d->epoch)
		return err_set(err, -ESTALE, "epoch %lld is over: this is %lld", (long long)epoch, (long long)d->epoch);
	int code = -ENOTCONN;
	for (int i = 0; i < 2 && code == -ENOTCONN;
	     i++) { /* a connection may have gone since; twice the same does no harm */
		code = db_begin(d->config.db, err);
		if (code)
			continue;
		code = put_number(d, STR("epoch"), epoch, err);
		if (!code)
			code = db_commit(d->config.db, err);
		else
			db_rollback(d->config.db);
	}
	if (!code)
		d->epoch = epoch;
	return code;
}

/* --- the standby's side --- */

struct reader {
	void (*fn)(void *arg, const struct desk_change *change);
	void *arg;
};

static int read_change(void *arg, const struct db_row *row)
{
	const struct reader *r = arg;
	struct str hash = db_bytes(row, 4);
	struct desk_change change = {
		.seq = db_number(row, 0), .epoch = db_number(row, 1), .at = db_number(row, 2), .call = db_text(row, 3)
	};
	if (hash.n != sizeof(change.answer))
		return -EBADMSG;
	memcpy(change.answer, hash.p, hash.n);
	r->fn(r->arg, &change);
	return 0;
}

int desk_changes(struct desk *d, int64_t after, size_t n, void (*fn)(void *arg, const struct desk_change *), void *arg,
                 struct err *err)
{
	struct reader r = { .fn = fn, .arg = arg };
	int64_t rows = db_query(d->config.db,
	                        "SELECT seq, epoch, at, call, answer FROM change WHERE seq > $1 ORDER BY seq LIMIT $2",
	                        DB_ARGS(DB_N(after), DB_N((int64_t)n)), read_change, &r, err);
	if (rows == -EBADMSG)
		return err_set(err, -EBADMSG, "a change behind %lld can't be read", (long long)after);
	return (int)rows;
}

static int same_answer(struct desk *d, const struct desk_change *change, const json_t *answer, struct err *err)
{
	unsigned char hash[SEAL_HASH];
	int code = desk_log_hash(d->config.seal, answer, hash, err);
	if (!code && sodium_memcmp(hash, change->answer, sizeof(hash)))
		code = err_set(err, -EBADMSG, "change %lld has another answer here than there", (long long)change->seq);
	return code;
}

/* The call of a change is of this desk's own kind, but came over a line. */
static int apply_again(struct desk *d, const struct desk_change *change, struct err *err)
{
	struct waiter w = { .at = change->at };
	int code;
	w.in = json_loadb(change->call.p, change->call.n, JSON_REJECT_DUPLICATES, NULL);
	w.out = json_object();
	struct call c = desk_call_of(d, &w);
	w.op = desk_op(d, call_text(&c, "op"));
	desk_by_whom(&w);
	c = desk_call_of(d, &w);
	if (!w.out)
		code = err_set(err, -ENOMEM, "follow a change: %m");
	else if (!json_is_object(w.in) || !w.op || !w.op->changes)
		code = err_set(err, -EBADMSG, "change %lld isn't known here", (long long)change->seq);
	else
		code = w.op->apply(&c, err);
	if (code == CALL_REFUSED)
		code = err_set(err, -EBADMSG, "change %lld is refused here", (long long)change->seq);
	if (!code)
		code = same_answer(d, change, w.out, err);
	if (!code)
		code = desk_log_add(d, change, err);
	json_decref(w.in);
	json_decref(w.out);
	return code;
}

static int follow(struct desk *d, const struct desk_change *changes, size_t n, struct err *err)
{
	int64_t epoch = d->epoch;
	int code = 0;
	for (size_t i = 0; i < n && !code; i++) {
		if (changes[i].seq != d->seq + (int64_t)i + 1)
			code = err_set(err, -ESTALE, "change %lld comes behind %lld", (long long)changes[i].seq,
			               (long long)d->seq + (long long)i);
		else if (changes[i].epoch < epoch)
			code = err_set(err, -ESTALE, "change %lld is of epoch %lld: this is %lld",
			               (long long)changes[i].seq, (long long)changes[i].epoch, (long long)epoch);
		else
			code = apply_again(d, &changes[i], err);
		epoch = changes[i].epoch;
	}
	if (!code && epoch > d->epoch)
		code = put_number(d, STR("epoch"), epoch, err);
	if (!code)
		code = db_commit(d->config.db, err);
	if (code)
		return code;
	d->seq = d->confirmed = d->seq + (int64_t)n;
	d->epoch = epoch;
	return 0;
}

int desk_follow(struct desk *d, const struct desk_change *changes, size_t n, struct err *err)
{
	int code = db_begin(d->config.db, err);
	if (code)
		return code;
	if (d->doubt || d->waiting.n)
		code = err_set(err, -EBUSY, "this kiosk has changes of its own under way");
	if (!code && d->unsure)
		code = read_last(d, err);
	if (!code) {
		d->unsure = true; /* until it is known to be committed */
		code = follow(d, changes, n, err);
	}
	if (code)
		db_rollback(d->config.db);
	else
		d->unsure = false;
	return code;
}
