#include "flood/pass.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>

enum {
	VERSION = 1,
	TAG = 16,
	SIGNED = PASS_BYTES - TAG,
	DAY_S = 86400,
	BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING
};
enum { KEY_DIGITS = 2 * PASS_KEY };

/* As it travels; numbers are big-endian. */
struct wire {
	uint8_t version, flags, id[8], issued[4], begins[4], bound[4], tag[TAG];
};
_Static_assert(sizeof(struct wire) == PASS_BYTES, "a pass's bytes");
_Static_assert(sodium_base64_ENCODED_LEN(PASS_BYTES, BASE64) == PASS_TEXT + 1, "a pass's text");

static void put32(uint8_t at[4], int64_t n)
{
	uint32_t be = htobe32(n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
	memcpy(at, &be, sizeof(be));
}

static uint32_t get32(const uint8_t at[4])
{
	uint32_t be;
	memcpy(&be, at, sizeof(be));
	return be32toh(be);
}

/* SipHash-2-4-128, by the key's first half: made to authenticate short texts, and a tenth of what BLAKE2b takes for them. */
static void sign(const struct pass_key *key, const struct wire *w, uint8_t tag[TAG])
{
	_Static_assert(PASS_KEY == 2 * crypto_shorthash_siphashx24_KEYBYTES, "a half to sign, one to bind");
	_Static_assert(TAG == crypto_shorthash_siphashx24_BYTES, "the whole tag");
	crypto_shorthash_siphashx24(tag, &w->version, SIGNED, key->bytes);
}

static bool signed_with(const struct pass_key *key, const struct wire *w)
{
	uint8_t tag[TAG];
	if (!key || !key->there)
		return false;
	sign(key, w, tag);
	return sodium_memcmp(tag, w->tag, TAG) == 0;
}

void pass_make(const struct pass_key *key, const struct pass *p, char *text)
{
	struct wire w = { .version = VERSION, .flags = p->flags };
	uint64_t id = htobe64(p->id);
	*text = '\0';
	if (!key->there)
		return;
	memcpy(w.id, &id, sizeof(id));
	put32(w.issued, p->issued_s);
	put32(w.begins, p->begins_s);
	put32(w.bound, p->bound);
	sign(key, &w, w.tag);
	sodium_bin2base64(text, PASS_TEXT + 1, &w.version, sizeof(w), BASE64);
}

/* sodium takes '-' and '_' with their highest bit set for the same; then one pass would have many texts. */
static bool is_ascii(struct str s)
{
	unsigned char all = 0;
	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

/* Which of the keys signed the text; NULL: none of them. */
static const struct pass_key *open_text(const struct pass_key *now, const struct pass_key *before, struct str text,
                                        struct wire *w)
{
	size_t n;
	if (text.n != PASS_TEXT || !is_ascii(text))
		return NULL;
	if (sodium_base642bin(&w->version, sizeof(*w), text.p, text.n, NULL, &n, NULL, BASE64) != 0)
		return NULL;
	if (n != sizeof(*w) || w->version != VERSION)
		return NULL;
	return signed_with(now, w) ? now : signed_with(before, w) ? before : NULL;
}

static enum pass_state state_of(const struct wire *w, uint32_t bound, int64_t wall_s, struct pass *ret)
{
	uint64_t id;
	memcpy(&id, w->id, sizeof(id));
	*ret = (struct pass){
		.id = be64toh(id),
		.issued_s = get32(w->issued),
		.begins_s = get32(w->begins),
		.bound = get32(w->bound),
		.flags = w->flags,
	};
	if (wall_s - ret->issued_s >= PASS_DAYS * (int64_t)DAY_S)
		return PASS_EXPIRED;
	if (ret->bound != bound)
		return PASS_MOVED;
	return wall_s < ret->begins_s ? PASS_EARLY : PASS_VALID;
}

enum pass_state pass_read(const struct pass_key *now, const struct pass_key *before, struct str text, uint32_t bound,
                          int64_t wall_s, struct pass *ret)
{
	struct wire w;
	if (!text.n)
		return PASS_NONE;
	return open_text(now, before, text, &w) ? state_of(&w, bound, wall_s, ret) : PASS_FORGED;
}

enum pass_state pass_read_from(const struct pass_key *now, const struct pass_key *before, struct str text,
                               const struct flood_addr *from, uint64_t browser, int64_t wall_s, struct pass *ret)
{
	struct wire w;
	if (!text.n)
		return PASS_NONE;
	const struct pass_key *key = open_text(now, before, text, &w);
	return key ? state_of(&w, pass_bound(key, from, browser), wall_s, ret) : PASS_FORGED;
}

uint32_t pass_bound(const struct pass_key *key, const struct flood_addr *from, uint64_t browser)
{
	struct {
		uint8_t network[16];
		uint64_t browser;
	} in = { .browser = htobe64(browser) };
	uint8_t out[crypto_shorthash_BYTES];
	_Static_assert(sizeof(in) == 24, "no byte that nobody set");
	memcpy(in.network, from->b, list_is_v4(from) ? 15 : 6);
	crypto_shorthash(out, (const unsigned char *)&in, sizeof(in), key->bytes + PASS_KEY / 2);
	return get32(out);
}

static int key_line(struct str line, size_t number, struct pass_key *ret, struct err *err)
{
	size_t n = 0;
	if (line.n != KEY_DIGITS || sodium_hex2bin(ret->bytes, PASS_KEY, line.p, line.n, NULL, &n, NULL) != 0 ||
	    n != PASS_KEY)
		return err_set(err, -EINVAL,
		               "%zu: a key is %d hexadecimal digits: write the output of 'openssl rand -hex %d'",
		               number, KEY_DIGITS, PASS_KEY);
	ret->there = true;
	return 0;
}

static int two_lines(struct str text, struct pass_key keys[2], struct err *err)
{
	for (size_t i = 0; i == 0 || text.n; i++) {
		struct str line = str_sub(text, 0, str_find(text, '\n'));
		text = str_sub(text, line.n + 1, text.n);
		if (i == 2)
			return err_set(err, -EINVAL,
			               "%zu: there are two keys at most: the present one and the one before", i + 1);
		int rc = key_line(line, i + 1, &keys[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

int pass_keys_read(struct str text, struct pass_key *now, struct pass_key *before, struct err *err)
{
	struct pass_key keys[2] = { 0 };
	int rc = two_lines(text, keys, err);
	if (!rc) {
		*now = keys[0];
		*before = keys[1];
	}
	sodium_memzero(keys, sizeof(keys));
	return rc;
}
