#include "flood/hello.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CLIENT_HELLO = 1,
	MOST = 256, /* ciphers, extensions */
	HASH = 12,  /* digits that are kept of a SHA-256 */
	EXT_SERVER_NAME = 0x0000,
	EXT_SIGNATURES = 0x000d,
	EXT_ALPN = 0x0010,
	EXT_VERSIONS = 0x002b,
};

/* Bytes yet to read. What isn't there makes it short, once and for all. */
struct cut {
	const uint8_t *p;
	size_t n;
	bool is_short;
};

struct parts {
	uint16_t version;
	uint16_t ciphers[MOST], extensions[MOST]; /* without GREASE; in the order they came */
	size_t n_ciphers, n_extensions;
	struct cut signatures; /* two bytes each */
	uint8_t alpn[2];       /* first and last byte of the first name */
	size_t alpn_n;         /* its length */
	bool has_name;
};

static struct cut take(struct cut *c, size_t n)
{
	struct cut got = { c->p, n, false };
	if (n > c->n || c->is_short) {
		c->is_short = true;
		c->n = 0;
		return (struct cut){ c->p, 0, true };
	}
	c->p += n;
	c->n -= n;
	return got;
}

static uint32_t number(struct cut *c, size_t bytes)
{
	struct cut at = take(c, bytes);
	uint32_t v = 0;
	for (size_t i = 0; i < at.n; i++)
		v = v << 8 | at.p[i];
	return v;
}

/* What follows a length of so many bytes. */
static struct cut vector(struct cut *c, size_t bytes)
{
	return take(c, number(c, bytes));
}

/* RFC 8701: 0x0a0a, 0x1a1a, ... 0xfafa. */
static bool is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static int read_ciphers(struct cut list, struct parts *p)
{
	if (list.is_short || list.n % 2)
		return -EINVAL;
	while (list.n) {
		uint16_t v = (uint16_t)number(&list, 2);
		if (is_grease(v))
			continue;
		if (p->n_ciphers == MOST)
			return -E2BIG;
		p->ciphers[p->n_ciphers++] = v;
	}
	return 0;
}

/* The highest that isn't GREASE counts. */
static int read_versions(struct cut body, struct parts *p)
{
	struct cut list = vector(&body, 1);
	uint16_t highest = 0;
	if (list.is_short || body.n || list.n % 2)
		return -EINVAL;
	while (list.n) {
		uint16_t v = (uint16_t)number(&list, 2);
		if (!is_grease(v) && v > highest)
			highest = v;
	}
	if (highest)
		p->version = highest;
	return 0;
}

static int read_alpn(struct cut body, struct parts *p)
{
	struct cut list = vector(&body, 2);
	if (list.is_short || body.n)
		return -EINVAL;
	struct cut first = vector(&list, list.n ? 1 : 0);
	if (first.is_short)
		return -EINVAL;
	p->alpn_n = first.n;
	if (first.n) {
		p->alpn[0] = first.p[0];
		p->alpn[1] = first.p[first.n - 1];
	}
	return 0;
}

static int read_signatures(struct cut body, struct parts *p)
{
	struct cut list = vector(&body, 2);
	if (list.is_short || body.n || list.n % 2)
		return -EINVAL;
	p->signatures = list;
	return 0;
}

static int read_extension(uint16_t type, struct cut body, struct parts *p)
{
	switch (type) {
	case EXT_SERVER_NAME: p->has_name = true; return 0;
	case EXT_VERSIONS: return read_versions(body, p);
	case EXT_ALPN: return read_alpn(body, p);
	case EXT_SIGNATURES: return read_signatures(body, p);
	default: return 0;
	}
}

static int read_extensions(struct cut list, struct parts *p)
{
	while (list.n) {
		uint16_t type = (uint16_t)number(&list, 2);
		struct cut body = vector(&list, 2);
		if (body.is_short)
			return -EINVAL;
		if (is_grease(type))
			continue;
		if (p->n_extensions == MOST)
			return -E2BIG;
		p->extensions[p->n_extensions++] = type;
		int rc = read_extension(type, body, p);
		if (rc)
			return rc;
	}
	return list.is_short ? -EINVAL : 0;
}

/* RFC 8446 4.1.2, RFC 5246 7.4.1.2. */
static int read_parts(struct str bytes, struct parts *p)
{
	struct cut c = { (const uint8_t *)bytes.p, bytes.n, false };
	if (number(&c, 1) != CLIENT_HELLO || number(&c, 3) != c.n || c.is_short)
		return -EINVAL;
	p->version = (uint16_t)number(&c, 2);
	take(&c, 32);
	struct cut session = vector(&c, 1);
	if (session.is_short || session.n > 32)
		return -EINVAL;
	int rc = read_ciphers(vector(&c, 2), p);
	if (rc)
		return rc;
	struct cut compression = vector(&c, 1);
	if (compression.is_short || !compression.n)
		return -EINVAL;
	if (!c.n)
		return c.is_short ? -EINVAL : 0; /* no extensions at all: programs of before 2003 */
	struct cut extensions = vector(&c, 2);
	return extensions.is_short || c.n ? -EINVAL : read_extensions(extensions, p);
}

static const char *version_text(uint16_t v)
{
	switch (v) {
	case 0x0304: return "13";
	case 0x0303: return "12";
	case 0x0302: return "11";
	case 0x0301: return "10";
	case 0x0300: return "s3";
	case 0x0002: return "s2";
	default: return "00";
	}
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A name that begins or ends with what isn't a letter or a digit is shown by its first and last hexadecimal digit. */
static void alpn_text(const struct parts *p, char ret[2])
{
	static const char digits[] = "0123456789abcdef";
	bool plain = is_alnum(p->alpn[0]) && is_alnum(p->alpn[1]);
	ret[0] = !p->alpn_n ? '0' : plain ? (char)p->alpn[0] : digits[p->alpn[0] >> 4];
	ret[1] = !p->alpn_n ? '0' : plain ? (char)p->alpn[1] : digits[p->alpn[1] & 15];
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void hash_one(crypto_hash_sha256_state *h, char before, uint16_t v)
{
	char text[8];
	int n = snprintf(text, sizeof(text), "%c%04x", before, v);
	int skip = before ? 0 : 1;
	crypto_hash_sha256_update(h, (const unsigned char *)text + skip, (unsigned long long)(n - skip));
}

static void hash_end(crypto_hash_sha256_state *h, char ret[HASH])
{
	unsigned char sum[crypto_hash_sha256_BYTES];
	char text[2 * sizeof(sum) + 1];
	crypto_hash_sha256_final(h, sum);
	sodium_bin2hex(text, sizeof(text), sum, sizeof(sum));
	memcpy(ret, text, HASH);
}

static void hash_ciphers(struct parts *p, char ret[HASH])
{
	crypto_hash_sha256_state h;
	memset(ret, '0', HASH);
	if (!p->n_ciphers)
		return;
	crypto_hash_sha256_init(&h);
	qsort(p->ciphers, p->n_ciphers, sizeof(*p->ciphers), by_number);
	for (size_t i = 0; i < p->n_ciphers; i++)
		hash_one(&h, i ? ',' : '\0', p->ciphers[i]);
	hash_end(&h, ret);
}

/* Name and ALPN differ with the place a client goes to, not with the client: they only count. */
static void hash_extensions(struct parts *p, char ret[HASH])
{
	crypto_hash_sha256_state h;
	char before = '\0';
	crypto_hash_sha256_init(&h);
	qsort(p->extensions, p->n_extensions, sizeof(*p->extensions), by_number);
	for (size_t i = 0; i < p->n_extensions; i++) {
		if (p->extensions[i] == EXT_SERVER_NAME || p->extensions[i] == EXT_ALPN)
			continue;
		hash_one(&h, before, p->extensions[i]);
		before = ',';
	}
	before = before ? '_' : '\0';
	for (struct cut c = p->signatures; c.n;) {
		uint16_t v = (uint16_t)number(&c, 2);
		if (is_grease(v))
			continue;
		hash_one(&h, before, v);
		before = ',';
	}
	if (before)
		hash_end(&h, ret);
	else
		memset(ret, '0', HASH);
}

int hello_read(struct str bytes, struct hello *ret)
{
	struct parts p = { 0 };
	char alpn[2], ciphers[HASH], extensions[HASH];
	int rc = read_parts(bytes, &p);
	if (rc)
		return rc;
	alpn_text(&p, alpn);
	hash_ciphers(&p, ciphers);
	hash_extensions(&p, extensions);
	snprintf(ret->text, sizeof(ret->text), "t%s%c%02zu%02zu%.2s_%.*s_%.*s", version_text(p.version),
	         p.has_name ? 'd' : 'i', p.n_ciphers < 99 ? p.n_ciphers : 99, p.n_extensions < 99 ? p.n_extensions : 99,
	         alpn, HASH, ciphers, HASH, extensions);
	return 0;
}

uint64_t hello_hash(const struct hello *h)
{
	static const unsigned char
	        key[crypto_shorthash_KEYBYTES]; /* who wants to look like another can send the same hello */
	uint64_t hash;
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)h->text, HELLO_TEXT, key);
	return hash ? hash : 1;
}
