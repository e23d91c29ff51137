/* Whether a caller shows a token; no file, no SQLite: it runs where foreign bytes are read. */
#include "store/state.h"

#include <errno.h>
#include <sodium.h>

static const struct scope {
	const char *name;
	uint32_t bit;
} scopes_known[] = {
	{ "ingest", SCOPE_INGEST },
	{ "read", SCOPE_READ },
	{ "metrics", SCOPE_METRICS },
	{ "admin", SCOPE_ADMIN },
};

_Static_assert(TOKEN_HASH == crypto_generichash_BYTES, "the hash is BLAKE2b-256");

void token_hash(unsigned char hash[TOKEN_HASH], struct str secret)
{
	crypto_generichash(hash, TOKEN_HASH, (const unsigned char *)secret.p, secret.n, NULL, 0);
}

const struct token *token_check(const struct token *tokens, size_t n, struct str given, uint32_t scopes, int64_t now)
{
	if (given.n != TOKEN_ID + 1 + TOKEN_SECRET || given.p[TOKEN_ID] != '.')
		return NULL;
	unsigned char hash[TOKEN_HASH];
	const struct token *found = NULL;
	token_hash(hash, str_sub(given, TOKEN_ID + 1, TOKEN_SECRET));
	/* Both are compared with every token, and to their end: how long it takes tells nothing of what is known. */
	for (size_t i = 0; i < n; i++) {
		int other = sodium_memcmp(tokens[i].id, given.p, TOKEN_ID);
		other |= sodium_memcmp(tokens[i].hash, hash, TOKEN_HASH);
		found = other ? found : &tokens[i];
	}
	sodium_memzero(hash, sizeof(hash));
	if (!found || (found->scopes & scopes) != scopes || (found->expires && now >= found->expires))
		return NULL;
	return found;
}

static uint32_t scope_bit(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes_known); i++)
		if (str_eq(word, str_from(scopes_known[i].name)))
			return scopes_known[i].bit;
	return 0;
}

int token_scopes(struct str words, uint32_t *ret, struct err *err)
{
	uint32_t scopes = 0;
	for (struct str left = words;;) {
		size_t comma = str_find(left, ',');
		struct str word = str_trim(str_sub(left, 0, comma));
		uint32_t bit = scope_bit(word);
		if (!bit)
			return err_set(err, -EINVAL,
			               "'" STR_FMT "' is no scope: write one or more of ingest,read,metrics,admin",
			               STR_ARG(str_sub(word, 0, TOKEN_NAME)));
		scopes |= bit;
		if (comma == left.n)
			break;
		left = str_sub(left, comma + 1, left.n);
	}
	*ret = scopes;
	return 0;
}

void token_scope_names(uint32_t scopes, struct buf *out)
{
	const char *comma = "";
	for (size_t i = 0; i < ARRAY_LEN(scopes_known); i++) {
		if (!(scopes & scopes_known[i].bit))
			continue;
		buf_printf(out, "%s%s", comma, scopes_known[i].name);
		comma = ",";
	}
}
