#include "store/day_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS_A_STEP = 8, STEP_BYTES = 2 << 20, NUMBERS_A_STEP = 4096 };

struct day_salvage {
	sqlite3 *from;
	char name[64];
	int64_t at, last; /* numbers: the next, and the greatest there may be */
	sqlite3_stmt *block;
	sqlite3_blob *data, *filter;
	struct chunk *chunk;
	struct buf bytes[BLOCKS_A_STEP][2];
	struct day_put puts[BLOCKS_A_STEP];
	char datasets[BLOCKS_A_STEP][EVENT_DATASET_MAX + 1];
	uint64_t events, lost;
	bool blind; /* what the list had there can't be told */
};

/*
 * A first page that can't be read hides all others, yet it holds nothing but the schema, which is the same in every
 * day: it is taken from the fresh file.
 */
static int mend_first_page(const char *path, struct day *into)
{
	unsigned char page[DAY_PAGE];
	struct stat st;
	sqlite3_file *fresh = NULL; /* through SQLite: to open and close it here would drop the locks on it */
	sqlite3_exec(into->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
	sqlite3_file_control(into->db, "main", SQLITE_FCNTL_FILE_POINTER, &fresh);
	if (!fresh || !fresh->pMethods || fresh->pMethods->xRead(fresh, page, sizeof(page), 0))
		return -EBADMSG;
	int to = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (to < 0)
		return -errno;
	int code = -EBADMSG;
	if (!fstat(to, &st) && st.st_size > DAY_PAGE) {
		uint32_t pages = (uint32_t)(st.st_size / DAY_PAGE);
		const unsigned char size[4] = { (unsigned char)(pages >> 24), (unsigned char)(pages >> 16),
			                        (unsigned char)(pages >> 8), (unsigned char)pages };
		memcpy(page + 28, size, 4);
		memset(page + 32, 0, 8);         /* no free pages */
		memcpy(page + 92, page + 24, 4); /* the size is valid */
		code = pwrite(to, page, sizeof(page), 0) == (ssize_t)sizeof(page) && !fsync(to) ? 0 : -EIO;
	}
	close(to);
	return code;
}

static int open_damaged(struct day_salvage *s, const char *path, struct day *into, struct err *err)
{
	const struct sqlite_options options = { .access = SQLITE_READS };
	int64_t application;
	for (int tries = 0; tries < 2; tries++) {
		int code = sqlite_open(&s->from, path, &options, NULL);
		if (!code)
			code = sqlite_number(s->from, "PRAGMA application_id", 0, &application, NULL);
		if (!code && application != DAY_APPLICATION)
			code = -EBADMSG;
		if (!code)
			code = sqlite_prepare(
			        s->from, &s->block,
			        "SELECT number,dataset,first,last,rows,raw,size,filter_size,sum FROM block "
			        "WHERE number=?",
			        NULL);
		if (!code)
			return 0;
		sqlite_close(s->from);
		s->from = NULL;
		if (code == -ENOMEM)
			return err_set(err, code, "salvage '%s': %m", path);
		if (!tries && mend_first_page(path, into))
			break;
	}
	return 0; /* nothing can be read of it */
}

/* Segments that it has: else they would be stored twice. */
static int copy_sealed(struct day_salvage *s, struct day *into, struct err *err)
{
	sqlite3_stmt *st;
	int code = 0;
	if (!s->from || sqlite_prepare(s->from, &st, "SELECT segment FROM sealed ORDER BY segment DESC LIMIT 64", NULL))
		return 0;
	while (!code && sqlite_step(st, NULL) == 1)
		code = day_seal(into, (uint64_t)sqlite3_column_int64(st, 0), NULL, 0, err);
	sqlite3_finalize(st);
	return code;
}

static int64_t greatest(sqlite3 *db, const char *path)
{
	static const char *const asks[] = { "SELECT max(number) FROM block", "SELECT max(number) FROM data",
		                            "SELECT max(number) FROM filter" };
	int64_t most = 0, n;
	bool all = true;
	struct stat st;
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		bool ok = !sqlite_number(db, asks[i], 0, &n, NULL);
		all &= ok;
		most = ok && n > most ? n : most;
	}
	/* a number that isn't so much as a page away can't be: bounded whatever the file says */
	int64_t bound = stat(path, &st) ? 0 : 64 + st.st_size / 256;
	return all && most < bound ? most : bound;
}

static int how_far(struct day *d, const char *name, int64_t *ret, struct err *err)
{
	sqlite3_stmt *st = day_statement(d, DAY_FIND_SALVAGED, err);
	if (!st)
		return sqlite_error(d->db, "prepare", err);
	sqlite_bind_text(st, 1, str_from(name));
	int code = sqlite_step(st, err);
	if (code < 0)
		return code;
	*ret = code ? sqlite3_column_int64(st, 0) : -1;
	sqlite3_reset(st);
	return 0;
}

int day_is_salvaged(struct day *d, const char *name, bool *ret, struct err *err)
{
	int64_t upto = 0;
	int code = how_far(d, name, &upto, err);
	if (!code)
		*ret = upto == INT64_MAX;
	return code;
}

int day_salvage_open(struct day_salvage **ret, const char *dir, const char *name, struct day *into, struct err *err)
{
	char path[4200];
	struct day_salvage *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "salvage '%s': %m", name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(s->name, sizeof(s->name), "%s", name);
	int64_t upto = 0;
	int code = chunk_reader_new(&s->chunk, err);
	if (!code)
		code = how_far(into, name, &upto, err);
	if (!code)
		code = open_damaged(s, path, into, err);
	if (!code && upto < 0) {
		code = copy_sealed(s, into, err);
		if (!code)
			code = day_change(into, 0, NULL, 0, name, 0, err);
		upto = 0;
	}
	if (code) {
		day_salvage_close(s);
		return code;
	}
	s->at = upto + 1;
	s->blind = !s->from;
	s->last = s->from && upto < INT64_MAX ? greatest(s->from, path) : 0;
	*ret = s;
	return 0;
}

void day_salvage_close(struct day_salvage *s)
{
	if (!s)
		return;
	sqlite3_finalize(s->block);
	sqlite3_blob_close(s->data);
	sqlite3_blob_close(s->filter);
	sqlite_close(s->from);
	chunk_reader_free(s->chunk);
	for (size_t i = 0; i < BLOCKS_A_STEP; i++) {
		buf_free(&s->bytes[i][0]);
		buf_free(&s->bytes[i][1]);
	}
	free(s);
}

bool day_salvage_counts(const struct day_salvage *s, uint64_t *events, uint64_t *lost_blocks)
{
	*events = s->events;
	*lost_blocks = s->lost;
	return !s->blind;
}

/* A whole blob. -ENOENT: there is no such row; -EBADMSG: whether there is one can't be told; -EIO: it can't be read. */
static int whole_blob(struct day_salvage *s, sqlite3_blob **blob, const char *table, int64_t number, struct buf *to)
{
	sqlite3_blob_close(*blob);
	*blob = NULL;
	to->n = 0;
	int rc = sqlite3_blob_open(s->from, "main", table, "bytes", number, 0, blob);
	if (rc)
		return rc == SQLITE_ERROR ? -ENOENT : -EBADMSG;
	size_t n = (size_t)sqlite3_blob_bytes(*blob);
	char *p = buf_room(to, n + 1);
	if (!p || sqlite3_blob_read(*blob, p, (int)n, 0)) {
		to->failed = false;
		return -EIO;
	}
	to->n = n;
	return 0;
}

static int read_bytes(void *arg, uint64_t at, void *to, size_t n, struct err *err)
{
	const struct buf *b = arg;
	if (at > b->n || n > b->n - at)
		return err_set(err, -EBADMSG, "a block is cut short");
	memcpy(to, b->p + at, n);
	return 0;
}

/* What the list of blocks said, from the block itself. */
static bool tell_by_block(struct day_salvage *s, struct buf *data, struct day_block *b)
{
	const int64_t *times;
	struct chunk_values v;
	if (chunk_open(s->chunk, data->n, read_bytes, data, NULL) || chunk_times(s->chunk, &times, NULL))
		return false;
	b->rows = chunk_n_rows(s->chunk);
	b->first = INT64_MAX;
	b->last = INT64_MIN;
	for (uint32_t i = 0; i < b->rows; i++) {
		b->first = times[i] < b->first ? times[i] : b->first;
		b->last = times[i] > b->last ? times[i] : b->last;
	}
	struct str dataset = STR("salvaged");
	uint32_t column = chunk_column(s->chunk, STR("event.dataset"));
	if (column != UINT32_MAX && !chunk_values(s->chunk, column, &v, NULL) && v.n)
		dataset = chunk_text(&v, v.codes ? v.codes[0] : 0);
	if (!dataset.n || dataset.n > EVENT_DATASET_MAX || memchr(dataset.p, 0, dataset.n))
		dataset = STR("salvaged");
	memset(b->dataset, 0, sizeof(b->dataset));
	memcpy(b->dataset, dataset.p, dataset.n);
	b->raw = data->n;
	return b->rows;
}

/* The block of this number as the i-th to put. 1: it is; 0: there is none, or it can't be read. */
static int take(struct day_salvage *s, int64_t number, size_t i)
{
	struct day_block b = { .number = number };
	struct buf *data = &s->bytes[i][0], *filter = &s->bytes[i][1];
	sqlite3_bind_int64(s->block, 1, number);
	int row = sqlite_step(s->block, NULL);
	bool listed = row == 1 && day_block_read(s->block, &b);
	if (row == 1)
		sqlite3_reset(s->block);
	int code = whole_blob(s, &s->data, "data", number, data);
	if (code == -ENOENT && !row)
		return 0;
	if (code || (listed && data->n != b.size) || (!listed && !tell_by_block(s, data, &b))) {
		bool there = row == 1 || code != -EBADMSG;
		s->lost += there;
		s->blind |= !there;
		return 0;
	}
	if (whole_blob(s, &s->filter, "filter", number, filter) || (listed && filter->n != b.filter_size))
		filter->n = 0; /* without one, a search looks into the block */
	memcpy(s->datasets[i], b.dataset, sizeof(b.dataset));
	s->puts[i] = (struct day_put){
		.dataset = s->datasets[i],
		.chunk = { buf_str(data), buf_str(filter), b.first, b.last, b.rows, b.raw },
	};
	s->events += b.rows;
	return 1;
}

int day_salvage_step(struct day_salvage *s, struct day *into, struct err *err)
{
	size_t n = 0, bytes = 0;
	int64_t at = s->at;
	uint64_t events = s->events, lost = s->lost;
	for (int i = 0; i < NUMBERS_A_STEP && at <= s->last && n < BLOCKS_A_STEP && bytes < STEP_BYTES; i++, at++) {
		if (!take(s, at, n))
			continue;
		bytes += s->puts[n].chunk.data.n;
		n++;
	}
	bool finished = at > s->last;
	int code = day_change(into, 0, s->puts, n, s->name, finished ? INT64_MAX : at - 1, err);
	if (code) { /* the same again */
		s->events = events;
		s->lost = lost;
		return code;
	}
	s->at = at;
	return !finished;
}
