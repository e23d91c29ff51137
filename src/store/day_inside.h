/* What an open day is made of. For day*.c. */
#ifndef KHIEN_STORE_DAY_INSIDE_H
#define KHIEN_STORE_DAY_INSIDE_H

#include "store/day.h"
#include "store/sqlite.h"

enum { DAY_SCHEMA = 1, DAY_APPLICATION = 0x6b64617a, DAY_PAGE = 16384, DAY_BLOCKS_MAX = 1 << 22 };

enum day_statement {
	DAY_PUT_BLOCK,
	DAY_PUT_DATA,
	DAY_PUT_FILTER,
	DAY_DROP_BLOCK,
	DAY_DROP_DATA,
	DAY_DROP_FILTER,
	DAY_PUT_SEALED,
	DAY_IS_SEALED,
	DAY_ALL_BLOCKS,
	DAY_FILTER_SUM,
	DAY_PUT_SALVAGED,
	DAY_FIND_SALVAGED,
	DAY_STATEMENTS,
};

struct day {
	sqlite3 *db;
	int32_t day;
	bool read_only;
	bool loaded;   /* blocks is what is in the file */
	bool snapshot; /* read-only: a transaction is open, so that it stays as it is */
	int64_t version;
	struct day_block *blocks;
	size_t n_blocks, cap_blocks;
	int64_t next; /* number of the next block */
	sqlite3_stmt *statements[DAY_STATEMENTS];
	sqlite3_blob *data, *filter; /* open at some row; NULL */
};

/* Ready to be bound; NULL and err set. */
sqlite3_stmt *day_statement(struct day *d, enum day_statement which, struct err *err);
uint64_t day_block_sum(const struct day_block *b);
/* A row of DAY_ALL_BLOCKS. False: it is damaged. */
bool day_block_read(sqlite3_stmt *st, struct day_block *b);
/* As day_seal(); with `salvaged`, notes how far the file of that name was salvaged in the same transaction. */
int day_change(struct day *d, uint64_t segment, const struct day_put *puts, size_t n, const char *salvaged,
               int64_t upto, struct err *err);
/* n bytes of a row's blob, through a handle that stays open for the next. */
int day_blob(sqlite3 *db, sqlite3_blob **blob, const char *table, int64_t number, uint64_t at, void *to, size_t n,
             struct err *err);
int day_room_for_block(struct day *d, struct err *err);
/* Order of blocks: newest last event first. */
int day_by_last(const void *a, const void *b);
void day_blobs_close(struct day *d);

#endif
