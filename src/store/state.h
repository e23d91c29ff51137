/*
 * What people and khien decided, and must not be lost: tokens, alerts, settings, hunts; posts and their orders, see
 * posts.h. Ordinary rows in SQLite (state.db), changed in transactions. Opened forward: a file of an older schema is
 * copied (state.db.v1) and migrated on open; a newer one is refused.
 */
#ifndef KHIEN_STORE_STATE_H
#define KHIEN_STORE_STATE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

struct state;

enum { STATE_SCHEMA = 3, STATE_NAME = 64, STATE_VALUE = 64 << 10 };

struct state_config {
	const char *dir; /* exists; state.db in it */
	bool read_only;
	const struct clock *clock;
	int wait_ms; /* for another process's change; 0: 5000 */
};
/*
 * -EBADMSG: damaged; the file is named in err and what to do. -EPROTO: made by a newer khien. -EROFS: of an older
 * schema, and read_only. *migrated_from (may be NULL): 0, or the schema it had.
 */
int state_open(struct state **ret, const struct state_config *config, int *migrated_from, struct err *err);
void state_close(struct state *s);

/*
 * What state_open() said -EBADMSG of is set aside as state.db.damaged-N, and a new one made with the tokens that
 * state_keep() wrote (else those that can be read), and with the alerts that can be read, newest first, for a second.
 * Posts come from state_keep()'s file, and what the damaged one says of them counts only where it permits less: a post
 * is revoked if either says so, its sequence of orders is the greater of the two, and a post that only the damaged one
 * knows comes back revoked. Open enrolments and orders don't come back: nothing that was spent or called off revives.
 */
struct state_mended {
	char aside[64]; /* its name now */
	uint64_t tokens, alerts, posts;
};
int state_mend(const struct state_config *config, struct state_mended *ret, struct err *err);
/* Writes tokens and posts into files of their own (tokens.kept, posts.kept), unless they are the same as the last time. */
int state_keep(struct state *s, struct err *err);

/* Grows whenever any process changed the file. */
uint64_t state_version(struct state *s);

/* --- tokens: who may call. The secret is shown once and kept as a hash. --- */

enum token_scope { SCOPE_INGEST = 1, SCOPE_READ = 2, SCOPE_METRICS = 4, SCOPE_ADMIN = 8, SCOPES_ALL = 15 };
enum { TOKEN_ID = 12, TOKEN_SECRET = 43, TOKEN_HASH = 32, TOKEN_NAME = 64, TOKENS_MAX = 1024 };
enum { TOKEN_TEXT = TOKEN_ID + 1 + TOKEN_SECRET + 1 /* "ID.SECRET" and a NUL */ };

struct token {
	char id[TOKEN_ID + 1];
	unsigned char hash[TOKEN_HASH]; /* BLAKE2b of the secret */
	uint32_t scopes;
	char name[TOKEN_NAME + 1]; /* whose it is, for people */
	int64_t made, expires;     /* µs; expires 0: never */
};

/*
 * "ID.SECRET" for the one who will use it, into text (TOKEN_TEXT bytes); the caller wipes it. -EEXIST: the name is
 * taken. -E2BIG: there are TOKENS_MAX.
 */
int state_token_add(struct state *s, const char *name, uint32_t scopes, int64_t expires, char *text, size_t size,
                    struct err *err);
/* -ENOENT: no such id or name. */
int state_token_remove(struct state *s, const char *id_or_name, struct err *err);
/* Oldest first. fn returns non-zero to stop, which is returned. */
int state_tokens(struct state *s, int (*fn)(void *arg, const struct token *t), void *arg, struct err *err);
void token_hash(unsigned char hash[TOKEN_HASH], struct str secret);
/*
 * The one of the n tokens that `given` ("ID.SECRET") is, if it holds all of `scopes` (0: any) and has not expired. How
 * long it takes says nothing of the tokens but their number.
 */
const struct token *token_check(const struct token *tokens, size_t n, struct str given, uint32_t scopes, int64_t now);
/* "ingest,read" -> bits; -EINVAL names the word and what there is. And back. */
int token_scopes(struct str words, uint32_t *ret, struct err *err);
void token_scope_names(uint32_t scopes, struct buf *out);

/* --- alerts --- */

enum { ALERT_ID = 128, ALERT_JSON = 16 << 20 };

struct alert_row {
	struct str id; /* khien.id of the alert: the same alert twice is one row. 1 to ALERT_ID bytes */
	int64_t time;  /* of the event */
	int64_t made;  /* when it was raised */
	struct str rule, title, level, host, user, address; /* cut where they are very long */
	uint32_t count;
	struct str json; /* as `khien watch --json` prints it; up to ALERT_JSON */
};
/* *added: false where it was known; of that one the count grows, where it is greater now, and nothing else changes. */
int state_alert_add(struct state *s, const struct alert_row *a, bool *added, struct err *err);
/* Newest first; since: event time; limit 0: all. fn returns non-zero to stop, which is returned. */
int state_alerts(struct state *s, int64_t since, uint64_t limit, int (*fn)(void *arg, const struct alert_row *a),
                 void *arg, struct err *err);
/*
 * All but the `keep` that were added last go, some 1000 a call, the oldest first; also of those some while all of
 * state.db has more than so many bytes in use (0: any number).
 */
int state_alerts_trim(struct state *s, uint64_t keep, uint64_t bytes, uint64_t *removed, struct err *err);
/*
 * Many changes as one transaction; a change that fails leaves the others. -ECANCELED: none of them is kept, after an
 * error of the disk. state_close() without it gives them up.
 */
int state_begin(struct state *s, struct err *err);
int state_commit(struct state *s, struct err *err);

/* --- settings: a few values that belong to this hub --- */
int state_set(struct state *s, const char *name, struct str value, struct err *err);
/* -ENOENT: not set. Appends to out. A name has up to STATE_NAME bytes, a value up to STATE_VALUE. */
int state_get(struct state *s, const char *name, struct buf *out, struct err *err);

/* --- hunts: questions that people keep --- */

enum { HUNT_NAME = 64, HUNT_TEXT = 16 << 10, HUNT_BY = 64, HUNT_NOTE = 1024, HUNTS_MAX = 4096 };

struct hunt_row {
	struct str name; /* 1 to HUNT_NAME bytes, visible */
	struct str text; /* 1 to HUNT_TEXT bytes */
	struct str by, note;
	int64_t made; /* µs; state_hunt_save() takes the time itself */
};
/* A hunt of that name is replaced. -EINVAL: a text that it can't have. -E2BIG: there are HUNTS_MAX. */
int state_hunt_save(struct state *s, const struct hunt_row *h, struct err *err);
/* -ENOENT: no such name; else what fn returned. */
int state_hunt_get(struct state *s, struct str name, int (*fn)(void *arg, const struct hunt_row *h), void *arg,
                   struct err *err);
/* By name. fn returns non-zero to stop, which is returned. */
int state_hunts(struct state *s, int (*fn)(void *arg, const struct hunt_row *h), void *arg, struct err *err);
/* -ENOENT: no such name. */
int state_hunt_remove(struct state *s, struct str name, struct err *err);

/* state.db in a folder that has none: a consistent copy while others write, on the disk when it returns. */
int state_backup(struct state *s, const char *to_dir, struct err *err);

#endif
