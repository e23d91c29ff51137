#include "store/day_inside.h"

#include "store/bloom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

static const char schema[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE block(number INTEGER PRIMARY KEY, dataset TEXT NOT NULL, first INTEGER NOT NULL,"
        " last INTEGER NOT NULL, rows INTEGER NOT NULL, raw INTEGER NOT NULL, size INTEGER NOT NULL,"
        " filter_size INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;"
        "CREATE TABLE data(number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
        "CREATE TABLE filter(number INTEGER PRIMARY KEY, bytes BLOB NOT NULL, sum INTEGER NOT NULL) STRICT;"
        "CREATE TABLE sealed(segment INTEGER PRIMARY KEY) STRICT;"
        "CREATE TABLE salvaged(name TEXT PRIMARY KEY, upto INTEGER NOT NULL) STRICT;"
        "PRAGMA application_id=0x6b64617a; PRAGMA user_version=1;"
        "COMMIT";

static const char *const statements[DAY_STATEMENTS] = {
	[DAY_PUT_BLOCK] = "INSERT INTO block VALUES(?,?,?,?,?,?,?,?,?)",
	[DAY_PUT_DATA] = "INSERT INTO data VALUES(?,?)",
	[DAY_PUT_FILTER] = "INSERT INTO filter VALUES(?,?,?)",
	[DAY_DROP_BLOCK] = "DELETE FROM block WHERE number=?",
	[DAY_DROP_DATA] = "DELETE FROM data WHERE number=?",
	[DAY_DROP_FILTER] = "DELETE FROM filter WHERE number=?",
	[DAY_PUT_SEALED] = "INSERT OR IGNORE INTO sealed VALUES(?)",
	[DAY_IS_SEALED] = "SELECT 1 FROM sealed WHERE segment=?",
	[DAY_ALL_BLOCKS] = "SELECT number,dataset,first,last,rows,raw,size,filter_size,sum FROM block",
	[DAY_FILTER_SUM] = "SELECT sum FROM filter WHERE number=?",
	[DAY_PUT_SALVAGED] = "INSERT OR REPLACE INTO salvaged VALUES(?,?)",
	[DAY_FIND_SALVAGED] = "SELECT upto FROM salvaged WHERE name=?",
};

/* --- names --- */

int32_t day_of(int64_t time)
{
	const int64_t day_us = (int64_t)86400 * 1000000;
	int64_t day = time / day_us - (time % day_us < 0);
	return day < DAY_FIRST ? DAY_FIRST : day > DAY_LAST ? DAY_LAST : (int32_t)day;
}

void day_name(int32_t day, char name[DAY_NAME])
{
	time_t t = (time_t)day * 86400;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(name, DAY_NAME, "%Y-%m-%d.db", &tm);
}

bool day_from_name(const char *name, int32_t *ret)
{
	char same[DAY_NAME];
	struct tm tm = { 0 };
	const char *end = strptime(name, "%Y-%m-%d.db", &tm);
	if (!end || *end)
		return false;
	time_t t = timegm(&tm);
	if (t < (time_t)DAY_FIRST * 86400 || t > (time_t)DAY_LAST * 86400)
		return false;
	day_name((int32_t)(t / 86400), same);
	*ret = (int32_t)(t / 86400);
	return !strcmp(name, same);
}

/* --- opening --- */

sqlite3_stmt *day_statement(struct day *d, enum day_statement which, struct err *err)
{
	if (!d->statements[which] && sqlite_prepare(d->db, &d->statements[which], statements[which], err))
		return NULL;
	return d->statements[which];
}

static int sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = fd < 0 || fsync(fd) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return code;
}

/* What was begun under this name and didn't come to its end. */
static void remove_begun(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char name[4200];
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

/* A day without blocks takes its name when it is on the disk. */
static int make(const char *dir, const char *path, struct err *err)
{
	char begun[4200];
	sqlite3 *db;
	const struct sqlite_options options = { .access = SQLITE_MAKES, .page_size = DAY_PAGE, .vacuums = true };
	if (snprintf(begun, sizeof(begun), "%s.new", path) >= (int)sizeof(begun))
		return err_set(err, -ENAMETOOLONG, "make '%s': %m", path);
	remove_begun(begun);
	int code = sqlite_open(&db, begun, &options, err);
	if (!code) {
		code = sqlite_run(db, schema, err);
		if (!code)
			code = sqlite_run(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
		sqlite_close(db);
	}
	if (!code && (rename(begun, path) || (code = sync_folder(dir))))
		code = err_set(err, code ? code : -errno, "make '%s': %m", path);
	if (code)
		remove_begun(begun);
	return code;
}

static int check_version(struct day *d, const char *path, struct err *err)
{
	int64_t version, application;
	int code = sqlite_number(d->db, "PRAGMA user_version", 0, &version, err);
	if (!code)
		code = sqlite_number(d->db, "PRAGMA application_id", 0, &application, err);
	if (code)
		return code;
	if (!version && !application)
		return err_set(err, -EBADMSG, "'%s' is empty: something cut it", path);
	if (application != DAY_APPLICATION)
		return err_set(err, -EBADMSG, "'%s' is not a day of khien's events", path);
	if (version > DAY_SCHEMA)
		return err_set(err, -EPROTO, "'%s' was made by a newer khien (its version %d, known here is %d)", path,
		               (int)version, DAY_SCHEMA);
	return 0;
}

int day_open(struct day **ret, const char *dir, int32_t day, bool read_only, struct err *err)
{
	char name[DAY_NAME], path[4200];
	day_name(day, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	struct day *d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(err, -ENOMEM, "open '%s': %m", path);
	d->day = day;
	d->read_only = read_only;
	const struct sqlite_options options = { .access = read_only ? SQLITE_READS : SQLITE_WRITES };
	int code = read_only || !access(path, F_OK) ? 0 : make(dir, path, err);
	if (!code)
		code = sqlite_open(&d->db, path, &options, err);
	if (!code && !read_only) /* the WAL stays small */
		code = sqlite_run(d->db, "PRAGMA wal_autocheckpoint=256; PRAGMA journal_size_limit=4194304", err);
	if (!code)
		code = check_version(d, path, err);
	if (code) {
		day_close(d);
		return code;
	}
	*ret = d;
	return 0;
}

void day_blobs_close(struct day *d)
{
	sqlite3_blob_close(d->data);
	sqlite3_blob_close(d->filter);
	d->data = d->filter = NULL;
}

void day_release(struct day *d)
{
	day_blobs_close(d);
	if (d->snapshot)
		sqlite3_exec(d->db, "COMMIT", NULL, NULL, NULL);
	d->snapshot = false;
}

void day_close(struct day *d)
{
	if (!d)
		return;
	if (d->db)
		day_release(d);
	for (int i = 0; i < DAY_STATEMENTS; i++)
		sqlite3_finalize(d->statements[i]);
	sqlite_close(d->db);
	free(d->blocks);
	free(d);
}

/* --- what is in it --- */

uint64_t day_block_sum(const struct day_block *b)
{
	const uint64_t numbers[] = {
		(uint64_t)b->number, (uint64_t)b->first, (uint64_t)b->last, b->rows, b->raw, b->size, b->filter_size
	};
	return XXH64(numbers, sizeof(numbers), XXH64(b->dataset, strlen(b->dataset), 0));
}

bool day_block_read(sqlite3_stmt *st, struct day_block *b)
{
	struct str dataset = sqlite_text(st, 1);
	if (!dataset.n || dataset.n > EVENT_DATASET_MAX || memchr(dataset.p, 0, dataset.n))
		return false;
	*b = (struct day_block){ .number = sqlite3_column_int64(st, 0) };
	memcpy(b->dataset, dataset.p, dataset.n);
	b->first = sqlite3_column_int64(st, 2);
	b->last = sqlite3_column_int64(st, 3);
	b->rows = (uint32_t)sqlite3_column_int64(st, 4);
	b->raw = (uint64_t)sqlite3_column_int64(st, 5);
	b->size = (uint64_t)sqlite3_column_int64(st, 6);
	b->filter_size = (uint64_t)sqlite3_column_int64(st, 7);
	return (uint64_t)sqlite3_column_int64(st, 8) == day_block_sum(b);
}

int day_by_last(const void *a, const void *b)
{
	const struct day_block *x = a, *y = b;
	if (x->last != y->last)
		return x->last < y->last ? 1 : -1;
	return x->number < y->number ? 1 : -(x->number > y->number);
}

int day_room_for_block(struct day *d, struct err *err)
{
	if (d->n_blocks < d->cap_blocks)
		return 0;
	size_t cap = d->cap_blocks ? 2 * d->cap_blocks : 64;
	struct day_block *more = cap > DAY_BLOCKS_MAX ? NULL : realloc(d->blocks, cap * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "list the blocks of a day: %m");
	d->blocks = more;
	d->cap_blocks = cap;
	return 0;
}

static int load_blocks(struct day *d, struct err *err)
{
	sqlite3_stmt *st = day_statement(d, DAY_ALL_BLOCKS, err);
	int code = st ? 0 : sqlite_error(d->db, "prepare", err);
	d->n_blocks = 0;
	while (!code && (code = sqlite_step(st, err)) == 1) {
		code = day_room_for_block(d, err);
		if (!code && !day_block_read(st, &d->blocks[d->n_blocks]))
			code = err_set(err, -EBADMSG, "%s: its list of blocks is damaged",
			               sqlite3_db_filename(d->db, "main"));
		if (code)
			sqlite3_reset(st);
		else
			d->next =
			        d->blocks[d->n_blocks].number >= d->next ? d->blocks[d->n_blocks].number + 1 : d->next;
		d->n_blocks += !code;
	}
	if (code)
		return code;
	if (d->n_blocks)
		qsort(d->blocks, d->n_blocks, sizeof(*d->blocks), day_by_last);
	d->next = d->next ? d->next : 1;
	d->loaded = true;
	return 0;
}

/* Read-only: what is read from here on is the file as it is now. */
static int take_snapshot(struct day *d, struct err *err)
{
	day_release(d);
	int code = sqlite_run(d->db, "BEGIN", err);
	if (code)
		return code;
	d->snapshot = true;
	int64_t version = 0;
	code = sqlite_number(d->db, "SELECT count(*) FROM (SELECT 1 FROM sealed LIMIT 1)", 0, &version, err);
	if (!code)
		code = sqlite_number(d->db, "PRAGMA data_version", 0, &version, err);
	if (!code && version != d->version)
		d->loaded = false;
	d->version = version;
	return code;
}

int day_blocks(struct day *d, const struct day_block **ret, size_t *n, struct err *err)
{
	int code = d->read_only && !d->snapshot ? take_snapshot(d, err) : 0;
	if (!code && !d->loaded)
		code = load_blocks(d, err);
	if (code)
		return code;
	*ret = d->blocks;
	*n = d->n_blocks;
	return 0;
}

int day_is_sealed(struct day *d, uint64_t segment, bool *ret, struct err *err)
{
	int code = d->read_only && !d->snapshot ? take_snapshot(d, err) : 0;
	sqlite3_stmt *st = code ? NULL : day_statement(d, DAY_IS_SEALED, err);
	if (!st)
		return code ? code : sqlite_error(d->db, "prepare", err);
	sqlite3_bind_int64(st, 1, (int64_t)segment);
	code = sqlite_step(st, err);
	if (code < 0)
		return code;
	sqlite3_reset(st);
	*ret = code;
	return 0;
}

int day_last_sealed(struct day *d, uint64_t *ret, struct err *err)
{
	int64_t segment;
	int code = sqlite_number(d->db, "SELECT max(segment) FROM sealed", 0, &segment, err);
	if (!code)
		*ret = (uint64_t)segment;
	return code;
}

/* --- bytes --- */

int day_blob(sqlite3 *db, sqlite3_blob **blob, const char *table, int64_t number, uint64_t at, void *to, size_t n,
             struct err *err)
{
	const char *path = sqlite3_db_filename(db, "main");
	int rc = *blob ? sqlite3_blob_reopen(*blob, number) : SQLITE_ABORT;
	if (rc) {
		sqlite3_blob_close(*blob);
		*blob = NULL;
		rc = sqlite3_blob_open(db, "main", table, "bytes", number, 0, blob);
	}
	if (rc == SQLITE_ERROR) /* no such row, or no blob in it */
		return err_set(err, -EBADMSG, "%s: block %lld: %s", path, (long long)number, sqlite3_errmsg(db));
	uint64_t size = rc ? 0 : (uint64_t)sqlite3_blob_bytes(*blob);
	if (!rc && (at > size || n > size - at))
		return err_set(err, -EBADMSG, "%s: block %lld is cut short", path, (long long)number);
	if (!rc)
		rc = sqlite3_blob_read(*blob, to, (int)n, (int)at);
	return rc ? sqlite_error(db, "read a block", err) : 0;
}

int day_bytes(void *reader, uint64_t at, void *to, size_t n, struct err *err)
{
	struct day_reader *r = reader;
	return day_blob(r->day->db, &r->day->data, "data", r->number, at, to, n, err);
}

int day_may_have(struct day *d, const struct day_block *b, const uint64_t *hashes, size_t n, bool *ret, struct err *err)
{
	char place[BLOOM_BLOCK];
	bool may = true;
	for (size_t i = 0; may && b->filter_size && i < n; i++) {
		int code = day_blob(d->db, &d->filter, "filter", b->number, bloom_place(b->filter_size, hashes[i]),
		                    place, sizeof(place), err);
		if (code)
			return code;
		may = bloom_has(place, hashes[i]);
	}
	*ret = may;
	return 0;
}

int day_filter(struct day *d, const struct day_block *b, void *to, struct err *err)
{
	int code = b->filter_size ? day_blob(d->db, &d->filter, "filter", b->number, 0, to, b->filter_size, err) : 0;
	sqlite3_stmt *st = code || !b->filter_size ? NULL : day_statement(d, DAY_FILTER_SUM, err);
	if (!st)
		return code || !b->filter_size ? code : sqlite_error(d->db, "prepare", err);
	sqlite3_bind_int64(st, 1, b->number);
	code = sqlite_step(st, err);
	bool same = code == 1 && (uint64_t)sqlite3_column_int64(st, 0) == XXH64(to, b->filter_size, 0);
	if (code >= 0)
		sqlite3_reset(st);
	if (code >= 0 && !same)
		return err_set(err, -EBADMSG, "%s: the filter of block %lld is damaged",
		               sqlite3_db_filename(d->db, "main"), (long long)b->number);
	return code < 0 ? code : 0;
}
