/*
 * A copy of the whole database, for a standby that is new or too far behind: all rows of all tables, as JSON lines.
 *
 *   {"khien-kiosk": 1}                        the schema's version
 *   {"table": "meta", "columns": ["name", "value"]}
 *   ["zone", "420"]                           its rows; bytes are base64
 *   {"rows": 12345}                           the end
 *
 * It is read on a connection of its own within one transaction, so that all of it is of one moment while the kiosk goes on, a few
 * hundred rows at a time, and is put in within one transaction: all of it holds, or what was there before. Tables, columns and keys
 * are read out of schema_sql: a new table needs nothing here. Either engine to either.
 */
#ifndef KHIEN_KIOSK_SNAPSHOT_H
#define KHIEN_KIOSK_SNAPSHOT_H

#include "base/buf.h"
#include "base/err.h"

/* The row of `meta` that is a kiosk's own (follow_desk.h), and not copied. */
#define SNAPSHOT_OWN_ROW "follow"

struct snapshot;

/* uri: db.h */
int snapshot_begin(struct snapshot **ret, const char *uri, struct err *err);
/* Appends whole lines, about `want` bytes of them. 1: there is more; 0: that was the last; -errno. */
int snapshot_read(struct snapshot *s, size_t want, struct buf *out, struct err *err);
/* Ends the transaction; NULL is nothing. */
void snapshot_end(struct snapshot *s);

struct snapshot_load;

/* The schema is there already; all rows but SNAPSHOT_OWN_ROW go. */
int snapshot_load_begin(struct snapshot_load **ret, const char *uri, struct err *err);
/* Pieces cut anywhere. -EBADMSG: it is no copy, or of another schema. Nothing of it holds before snapshot_load_end(). */
int snapshot_load_take(struct snapshot_load *l, struct str piece, struct err *err);
/* Frees it. keep: all of it holds from here on; -EBADMSG: the end is missing. Not keep: none does. NULL is nothing. */
int snapshot_load_end(struct snapshot_load *l, bool keep, struct err *err);

#endif
