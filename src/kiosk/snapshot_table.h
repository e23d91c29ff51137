/* The tables of schema_sql, and the statements that copy them. */
#ifndef KHIEN_KIOSK_SNAPSHOT_TABLE_H
#define KHIEN_KIOSK_SNAPSHOT_TABLE_H

#include "base/err.h"
#include "kiosk/db.h"

enum { TABLE_KEYS = 4, TABLE_NAME = 32, TABLES = 64, TABLE_ROWS = 256 /* in one query */ };

struct table {
	char name[TABLE_NAME];
	struct {
		char name[TABLE_NAME];
		enum db_type type;
	} columns[DB_PARAMS];
	int n, keys[TABLE_KEYS], n_keys;
	char *first, *next, *insert, *clear; /* next: behind the values of the keys */
};

struct tables {
	struct table *list;
	size_t n;
};

/* `sql` is like schema_sql: each table has a key, and columns of BIGINT, TEXT and BLOB. -EINVAL: it isn't. */
int tables_read(struct tables *ret, struct str sql, struct err *err);
void tables_free(struct tables *t);

#endif
