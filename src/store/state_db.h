/* What the files of the state share. Inside of store/: state*.c have it. */
#ifndef KHIEN_STORE_STATE_DB_H
#define KHIEN_STORE_STATE_DB_H

#include "store/posts.h"
#include "store/sqlite.h"
#include "store/state.h"

struct state {
	sqlite3 *db;
	const struct clock *clock;
	bool read_only;
	char *dir;
	sqlite3_stmt *add_alert, *data_version; /* prepared when first needed */
	uint64_t version;                       /* see state_version() */
	int64_t seen_version, seen_changes;
	unsigned char kept[2][32]; /* hashes of what state_keep() wrote: tokens, posts */
};

/* Says what SQLite's error means for the one who runs the hub, and what to do. Returns code. */
int state_told(const struct state *s, int code, struct err *err);
/* state_schema.c: brings the file to STATE_SCHEMA; *from: the schema it had, 0 where it is new or as it should be. */
int state_migrate(struct state *s, int *from, struct err *err);
/* dir/name becomes a consistent copy, on the disk; nothing of it stays on failure. Also within a transaction. */
int state_copy(const struct state *s, const char *dir, const char *name, struct err *err);
/* 1 to max bytes of UTF-8 that can be shown, as of a token's name. */
bool state_is_text(struct str text, size_t max);
/* state_keep.c: the records that state_keep() wrote, into an empty buffer; -EBADMSG: there are none that are whole. */
enum state_kept { STATE_KEPT_TOKENS, STATE_KEPT_POSTS };
int state_keep_posts(struct state *s, struct err *err);
int state_kept(const char *dir, enum state_kept kind, struct buf *all);
/* A post as it was; what is there of that name goes. */
int state_post_put(struct state *s, const struct post *p, struct err *err);
/* Tokens that were made for this name up to now let nobody in any more, and none of any name does by this name. */
int state_enrolments_void(struct state *s, struct str name, struct err *err);
/* -EACCES: a token of that time lets nobody in by this name. */
int state_enrolment_void(struct state *s, struct str name, int64_t made, struct err *err);
/* A token as it was made. -EEXIST, -E2BIG as of state_token_add(). */
int state_token_put(struct state *s, const struct token *t, struct err *err);

#endif
