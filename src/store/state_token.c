#include "store/state_db.h"

#include "base/utf8.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

/* 60 bits; no capitals and no marks, so that it can be told over a telephone and never looks like an option. */
static void make_id(char id[TOKEN_ID + 1])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	for (int i = 0; i < TOKEN_ID; i++)
		id[i] = digits[randombytes_uniform(32)];
	id[TOKEN_ID] = '\0';
}

/* 256 bits, base64url (RFC 4648). */
static void make_secret(char secret[TOKEN_SECRET + 1])
{
	unsigned char raw[32];
	_Static_assert(sodium_base64_ENCODED_LEN(sizeof(raw), sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
	                       TOKEN_SECRET + 1,
	               "a secret is 32 bytes");
	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(secret, TOKEN_SECRET + 1, raw, sizeof(raw), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(raw, sizeof(raw));
}

bool state_is_text(struct str text, size_t max)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	return text.n && text.n <= max && utf8_valid(text);
}

/* It is shown in logs, metrics and lists. */
static bool is_name(struct str name)
{
	return state_is_text(name, TOKEN_NAME);
}

int state_token_put(struct state *s, const struct token *t, struct err *err)
{
	static const char sql[] = "INSERT INTO token (id, hash, scopes, name, made, expires)"
	                          " SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE (SELECT count(*) FROM token) < ?7";
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return code;
	sqlite_bind_text(st, 1, str_from(t->id));
	sqlite_bind_blob(st, 2, (struct str){ (const char *)t->hash, sizeof(t->hash) });
	sqlite3_bind_int64(st, 3, t->scopes);
	sqlite_bind_text(st, 4, str_from(t->name));
	sqlite3_bind_int64(st, 5, t->made);
	sqlite3_bind_int64(st, 6, t->expires);
	sqlite3_bind_int64(st, 7, TOKENS_MAX);
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	if (code == -EEXIST)
		return err_set(err, code, "a token named '%s' is there already: remove it first, or take another name",
		               t->name);
	if (!code && !sqlite3_changes(s->db))
		return err_set(err, -E2BIG, "there are %d tokens already: remove those that nobody uses", TOKENS_MAX);
	return code;
}

int state_token_add(struct state *s, const char *name, uint32_t scopes, int64_t expires, char *text, size_t size,
                    struct err *err)
{
	struct token t = { .scopes = scopes, .made = clock_wall(s->clock), .expires = expires };
	char secret[TOKEN_SECRET + 1];
	if (!is_name(str_from(name)))
		return err_set(err, -EINVAL, "a token's name has 1 to %d bytes of UTF-8 without control characters",
		               TOKEN_NAME);
	if (size < TOKEN_TEXT || !scopes || scopes > SCOPES_ALL || expires < 0)
		return err_set(err, -EINVAL, "a token needs a scope");
	memcpy(t.name, name, strlen(name));
	make_id(t.id);
	make_secret(secret);
	token_hash(t.hash, str_from(secret));
	int code = state_token_put(s, &t, err);
	if (!code)
		snprintf(text, size, "%s.%s", t.id, secret);
	sodium_memzero(secret, sizeof(secret));
	return state_told(s, code, err);
}

static int delete (struct state *s, const char *sql, const char *word, struct err *err)
{
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (code)
		return code;
	sqlite_bind_text(st, 1, str_from(word));
	code = sqlite_step(st, err);
	sqlite3_finalize(st);
	return code ? code : sqlite3_changes(s->db);
}

int state_token_remove(struct state *s, const char *id_or_name, struct err *err)
{
	int n = delete (s, "DELETE FROM token WHERE id = ?1", id_or_name, err);
	if (!n)
		n = delete (s, "DELETE FROM token WHERE name = ?1", id_or_name, err);
	if (!n)
		return err_set(err, -ENOENT, "there is no token with the id or name '%s'", id_or_name);
	return n < 0 ? state_told(s, n, err) : 0;
}

/* What the table's checks promise is looked at all the same: the file may have been changed by other hands. */
static bool read_token(sqlite3_stmt *st, struct token *t)
{
	struct str id = sqlite_text(st, 0), hash = sqlite_blob(st, 1), name = sqlite_text(st, 3);
	if (id.n != TOKEN_ID || hash.n != TOKEN_HASH || !is_name(name))
		return false;
	*t = (struct token){ .scopes = (uint32_t)sqlite3_column_int64(st, 2) & SCOPES_ALL,
		             .made = sqlite3_column_int64(st, 4),
		             .expires = sqlite3_column_int64(st, 5) };
	memcpy(t->id, id.p, id.n);
	memcpy(t->hash, hash.p, hash.n);
	memcpy(t->name, name.p, name.n);
	return true;
}

int state_tokens(struct state *s, int (*fn)(void *arg, const struct token *t), void *arg, struct err *err)
{
	static const char sql[] = "SELECT id, hash, scopes, name, made, expires FROM token ORDER BY made, id";
	sqlite3_stmt *st;
	struct token t;
	int code = sqlite_prepare(s->db, &st, sql, err), stop = 0;
	if (code)
		return state_told(s, code, err);
	while (!stop && (code = sqlite_step(st, err)) == 1) {
		if (!read_token(st, &t)) {
			code = err_set(err, -EBADMSG, "a token makes no sense");
			break;
		}
		stop = fn(arg, &t);
	}
	sqlite3_finalize(st);
	return stop ? stop : state_told(s, code, err);
}
