#include "store/day_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

/* Runs a statement that was bound. */
static int done(struct day *d, sqlite3_stmt *st, struct err *err)
{
	int code = sqlite_step(st, err);
	if (code > 0)
		sqlite3_reset(st);
	return code < 0 ? code : 0;
}

static struct day_block block_of(const struct day_put *put, int64_t number)
{
	struct day_block b = {
		.number = number,
		.first = put->chunk.first,
		.last = put->chunk.last,
		.rows = put->chunk.rows,
		.raw = put->chunk.raw,
		.size = put->chunk.data.n,
		.filter_size = put->chunk.filter.n,
	};
	memcpy(b.dataset, put->dataset, strlen(put->dataset)); /* checked: EVENT_DATASET_MAX at most */
	return b;
}

static int put_block(struct day *d, const struct day_put *put, int64_t number, struct err *err)
{
	const struct day_block b = block_of(put, number);
	sqlite3_stmt *block = day_statement(d, DAY_PUT_BLOCK, err), *data = day_statement(d, DAY_PUT_DATA, err),
	             *filter = day_statement(d, DAY_PUT_FILTER, err);
	if (!block || !data || !filter)
		return sqlite_error(d->db, "prepare", err);
	const int64_t numbers[] = { b.first,
		                    b.last,
		                    b.rows,
		                    (int64_t)b.raw,
		                    (int64_t)b.size,
		                    (int64_t)b.filter_size,
		                    (int64_t)day_block_sum(&b) };
	sqlite3_bind_int64(block, 1, number);
	sqlite_bind_text(block, 2, str_from(b.dataset));
	for (int i = 0; i < (int)ARRAY_LEN(numbers); i++)
		sqlite3_bind_int64(block, 3 + i, numbers[i]);
	sqlite3_bind_int64(data, 1, number);
	sqlite_bind_blob(data, 2, put->chunk.data);
	sqlite3_bind_int64(filter, 1, number);
	sqlite_bind_blob(filter, 2, put->chunk.filter);
	sqlite3_bind_int64(filter, 3, (int64_t)XXH64(put->chunk.filter.p, put->chunk.filter.n, 0));
	int code = done(d, block, err);
	if (!code)
		code = done(d, data, err);
	return code ? code : done(d, filter, err);
}

static int drop_block(struct day *d, int64_t number, struct err *err)
{
	for (int i = DAY_DROP_BLOCK; i <= DAY_DROP_FILTER; i++) {
		sqlite3_stmt *st = day_statement(d, (enum day_statement)i, err);
		if (!st)
			return sqlite_error(d->db, "prepare", err);
		sqlite3_bind_int64(st, 1, number);
		int code = done(d, st, err);
		if (code)
			return code;
	}
	return 0;
}

static int note(struct day *d, uint64_t segment, const char *salvaged, int64_t upto, struct err *err)
{
	sqlite3_stmt *st = day_statement(d, DAY_PUT_SEALED, err), *how_far = day_statement(d, DAY_PUT_SALVAGED, err);
	if (!st || !how_far)
		return sqlite_error(d->db, "prepare", err);
	sqlite3_bind_int64(st, 1, (int64_t)segment);
	int code = segment ? done(d, st, err) : 0;
	if (code || !salvaged)
		return code;
	sqlite_bind_text(how_far, 1, str_from(salvaged));
	sqlite3_bind_int64(how_far, 2, upto);
	return done(d, how_far, err);
}

/* Takes the transaction back, whatever state it is in. */
static int undo(struct day *d, int code)
{
	if (!sqlite3_get_autocommit(d->db))
		sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
	d->loaded = false;
	return code;
}

static void unlist(struct day *d, int64_t number)
{
	for (size_t i = 0; i < d->n_blocks; i++) {
		if (d->blocks[i].number != number)
			continue;
		d->n_blocks--;
		memmove(&d->blocks[i], &d->blocks[i + 1], (d->n_blocks - i) * sizeof(*d->blocks));
		return;
	}
}

/* Into its place in the list, which has room. */
static void enlist(struct day *d, const struct day_block *b)
{
	size_t from = 0, to = d->n_blocks;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (day_by_last(&d->blocks[middle], b) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	memmove(&d->blocks[from + 1], &d->blocks[from], (d->n_blocks - from) * sizeof(*d->blocks));
	d->blocks[from] = *b;
	d->n_blocks++;
}

int day_change(struct day *d, uint64_t segment, const struct day_put *puts, size_t n, const char *salvaged,
               int64_t upto, struct err *err)
{
	const struct day_block *blocks;
	size_t n_blocks;
	int code = day_blocks(d, &blocks, &n_blocks, err); /* what the next number is */
	day_blobs_close(d);
	if (!code)
		code = sqlite_run(d->db, "BEGIN IMMEDIATE", err);
	if (code)
		return code;
	for (size_t i = 0; !code && i < n; i++) {
		code = put_block(d, &puts[i], d->next + (int64_t)i, err);
		for (size_t k = 0; !code && k < puts[i].n_replaces; k++)
			code = drop_block(d, puts[i].replaces[k], err);
	}
	if (!code)
		code = note(d, segment, salvaged, upto, err);
	if (!code)
		code = sqlite_run(d->db, "COMMIT", err);
	if (code)
		return undo(d, code);
	for (size_t i = 0; i < n; i++, d->next++) {
		const struct day_block b = block_of(&puts[i], d->next);
		for (size_t k = 0; k < puts[i].n_replaces; k++)
			unlist(d, puts[i].replaces[k]);
		if (d->loaded && day_room_for_block(d, NULL))
			d->loaded = false; /* read anew when asked for */
		else if (d->loaded)
			enlist(d, &b);
	}
	return 0;
}

int day_seal(struct day *d, uint64_t segment, const struct day_put *puts, size_t n, struct err *err)
{
	return day_change(d, segment, puts, n, NULL, 0, err);
}

int day_remove(struct day *d, const int64_t *numbers, size_t n, struct err *err)
{
	day_blobs_close(d);
	int code = sqlite_run(d->db, "BEGIN IMMEDIATE", err);
	if (code)
		return code;
	for (size_t i = 0; !code && i < n; i++)
		code = drop_block(d, numbers[i], err);
	if (!code)
		code = sqlite_run(d->db, "COMMIT", err);
	if (code)
		return undo(d, code);
	for (size_t i = 0; i < n; i++)
		unlist(d, numbers[i]);
	/* what gives the space back may fail, or wait for readers: it is done with the next removal */
	sqlite3_exec(d->db, "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
	return 0;
}

int day_copy(struct day *d, const char *path, struct err *err)
{
	sqlite3 *to = NULL;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -errno, "make '%s': %m", path);
	int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL) ? sqlite_error(to, "open", err) : 0;
	sqlite3_backup *b = code ? NULL : sqlite3_backup_init(to, "main", d->db, "main");
	if (!code && !b)
		code = sqlite_error(to, "copy", err);
	if (b) {
		sqlite3_backup_step(b, -1);
		if (sqlite3_backup_finish(b))
			code = sqlite_error(to, "copy", err);
	}
	sqlite3_close_v2(to);
	if (!code && fsync(fd))
		code = err_set(err, -errno, "write '%s' to the disk: %m", path);
	close(fd);
	return code;
}
