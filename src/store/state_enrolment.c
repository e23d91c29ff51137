#include "store/state_db.h"

#include <errno.h>
#include <sodium.h>

enum { RAW = 32, HASH = 32 };

static void hash_of(const unsigned char raw[RAW], unsigned char hash[HASH])
{
	crypto_generichash(hash, HASH, raw, RAW, NULL, 0);
}

int state_enrolment_add(struct state *s, struct str post, struct str who, int64_t expires, unsigned char raw[RAW],
                        struct err *err)
{
	static const char sql[] =
	        "INSERT INTO enrolment (hash, post, made, expires, used, who)"
	        " SELECT ?1, ?2, ?3, ?4, 0, ?5 WHERE (SELECT count(*) FROM enrolment WHERE who <> '') < ?6";
	unsigned char hash[HASH];
	sqlite3_stmt *st;
	if (post.n && !state_is_text(post, POST_NAME))
		return err_set(err, -EINVAL, "a post's name has 1 to %d bytes of UTF-8 without control characters",
		               POST_NAME);
	int code = state_enrolments_trim(s, err);
	if (!code)
		code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	randombytes_buf(raw, RAW);
	hash_of(raw, hash);
	sqlite_bind_blob(st, 1, (struct str){ (const char *)hash, HASH });
	sqlite_bind_text(st, 2, post);
	sqlite3_bind_int64(st, 3, clock_wall(s->clock));
	sqlite3_bind_int64(st, 4, expires);
	sqlite_bind_text(st, 5, who);
	sqlite3_bind_int64(st, 6, ENROLMENTS_MAX);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (!code && !sqlite3_changes(s->db))
		return err_set(err, -E2BIG,
		               "there are %d tokens for posts that nobody used yet: they end by themselves",
		               ENROLMENTS_MAX);
	return state_told(s, code, err);
}

/* --- tombstones: who was revoked isn't let in by a token from before, also where the post itself is forgotten --- */

static const int64_t TOMBSTONE = 3600LL * CLOCK_S; /* longer than it takes to sign what a token was spent for */

/* Of more bytes than a secret has: no secret has this hash. */
static void tombstone_hash(struct str name, unsigned char hash[HASH])
{
	static const char what[] = "khien: tokens from before are none for the post ";
	crypto_generichash_state h;
	crypto_generichash_init(&h, NULL, 0, HASH);
	crypto_generichash_update(&h, (const unsigned char *)what, sizeof(what));
	crypto_generichash_update(&h, (const unsigned char *)name.p, name.n);
	crypto_generichash_final(&h, hash, HASH);
}

int state_enrolments_void(struct state *s, struct str name, struct err *err)
{
	static const char drop[] = "DELETE FROM enrolment WHERE post = ?1";
	/* it outlives every token that is open; who is empty: it is none of ENROLMENTS_MAX */
	static const char add[] =
	        "INSERT OR REPLACE INTO enrolment (hash, post, made, expires, used, who)"
	        " SELECT ?1, ?2, ?3, max(?4, coalesce((SELECT max(expires) FROM enrolment), 0)), 0, ''";
	unsigned char hash[HASH];
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, drop, err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, name);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (!code)
		code = sqlite_prepare(s->db, &st, add, err);
	if (code)
		return state_told(s, code, err);
	const int64_t now = clock_wall(s->clock);
	tombstone_hash(name, hash);
	sqlite_bind_blob(st, 1, (struct str){ (const char *)hash, HASH });
	sqlite_bind_text(st, 2, name);
	sqlite3_bind_int64(st, 3, now);
	sqlite3_bind_int64(st, 4, now + TOMBSTONE);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	return state_told(s, code, err);
}

int state_enrolment_void(struct state *s, struct str name, int64_t made, struct err *err)
{
	unsigned char hash[HASH];
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, "SELECT made FROM enrolment WHERE hash = ?1", err);
	if (code)
		return state_told(s, code, err);
	tombstone_hash(name, hash);
	sqlite_bind_blob(st, 1, (struct str){ (const char *)hash, HASH });
	code = sqlite_step(st, err);
	const bool void_now = code == 1 && made <= sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (void_now)
		return err_set(err, -EACCES, "the post was revoked after this secret was made");
	return code < 0 ? state_told(s, code, err) : 0;
}

struct found {
	bool any, open, named;
	int64_t made;
	struct post post; /* of that name; name empty: there is none */
};

static int find(struct state *s, const unsigned char hash[HASH], struct str name, struct found *f, struct err *err)
{
	static const char sql[] = "SELECT post, made, used, expires FROM enrolment WHERE hash = ?1";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return code;
	sqlite_bind_blob(st, 1, (struct str){ (const char *)hash, HASH });
	code = sqlite_step(st, err);
	if (code == 1) {
		struct str post = sqlite_text(st, 0);
		const int64_t now = clock_wall(s->clock);
		f->named = post.n > 0;
		f->any = !post.n || str_eq(post, name);
		f->made = sqlite3_column_int64(st, 1);
		/* also where the clock was set back: its time is what it was made for */
		f->open = !sqlite3_column_int64(st, 2) && now < sqlite3_column_int64(st, 3) && now >= f->made;
		code = 0;
	}
	sqlite3_finalize(st);
	if (code < 0)
		return code;
	code = state_post_get(s, name, &f->post, err);
	return code == -ENOENT ? 0 : code;
}

static int mark(struct state *s, const unsigned char hash[HASH], struct err *err)
{
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, "UPDATE enrolment SET used = ?2 WHERE hash = ?1 AND used = 0", err);
	if (code)
		return code;
	const int64_t now = clock_wall(s->clock);
	sqlite_bind_blob(st, 1, (struct str){ (const char *)hash, HASH });
	sqlite3_bind_int64(st, 2, now > 0 ? now : 1);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	return code ? code : sqlite3_changes(s->db) == 1 ? 0 : -EACCES;
}

static int spend(struct state *s, const unsigned char hash[HASH], struct str name, int64_t *made, struct err *err)
{
	struct found f = { 0 };
	int code = find(s, hash, name, &f, err);
	if (code)
		return code;
	if (!f.open || !f.any)
		return err_set(err, -EACCES, "the secret is not known, was used, has ended, or is for another name");
	if (*f.post.name && !f.named)
		return err_set(
		        err, -EEXIST,
		        "there is a post of this name: 'khien hub token --post NAME' makes a token that replaces it");
	if (f.post.revoked && f.made <= f.post.revoked)
		return err_set(err, -EACCES, "the post was revoked after this secret was made");
	*made = f.made;
	code = state_enrolment_void(s, name, f.made, err);
	return code ? code : mark(s, hash, err);
}

int state_enrolment_spend(struct state *s, struct str secret, struct str name, int64_t *made, struct err *err)
{
	unsigned char raw[RAW], hash[HASH];
	size_t n = 0;
	if (!state_is_text(name, POST_NAME))
		return err_set(err, -EINVAL, "a post's name has 1 to %d bytes of UTF-8 without control characters",
		               POST_NAME);
	if (secret.n != ENROLMENT_SECRET ||
	    sodium_base642bin(raw, sizeof(raw), secret.p, secret.n, NULL, &n, NULL,
	                      sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    n != sizeof(raw))
		return err_set(err, -EACCES, "the secret is not known, was used, has ended, or is for another name");
	hash_of(raw, hash);
	sodium_memzero(raw, sizeof(raw));
	int code = state_begin(s, err);
	if (code)
		return code;
	/* looked up by its hash: how long that takes says something of the hash, and nothing of the secret */
	code = spend(s, hash, name, made, err);
	if (code) {
		sqlite_run(s->db, "ROLLBACK", NULL);
		return state_told(s, code, err);
	}
	return state_commit(s, err);
}

int state_enrolments_trim(struct state *s, struct err *err)
{
	static const char sql[] = "DELETE FROM enrolment WHERE used > 0 OR expires <= ?1";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return state_told(s, code, err);
	sqlite3_bind_int64(st, 1, clock_wall(s->clock));
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	return state_told(s, code, err);
}
