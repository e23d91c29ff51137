#include "kiosk/web_form.h"

#include "base/utf8.h"
#include "kiosk/seal.h"

#include <errno.h>
#include <sodium.h>
#include <strings.h>

/* --- forms --- */

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* In place. False: a % that stands for nothing. */
static bool unescape(char *p, size_t *n)
{
	size_t to = 0;
	for (size_t i = 0; i < *n; i++) {
		if (p[i] != '%') {
			p[to++] = p[i] == '+' ? ' ' : p[i];
			continue;
		}
		const int high = i + 2 < *n ? hex(p[i + 1]) : -1, low = high < 0 ? -1 : hex(p[i + 2]);
		if (low < 0)
			return false;
		p[to++] = (char)(high * 16 + low);
		i += 2;
	}
	*n = to;
	return true;
}

static int add(struct form *f, struct str name, struct str value, bool text)
{
	if (!name.n || name.n > FORM_NAME || !utf8_valid(name) || (text && !utf8_valid(value)) ||
	    (value.n && memchr(value.p, '\0', value.n)) || form_field(f, name).p)
		return -EBADMSG;
	if (f->n == FORM_FIELDS)
		return -E2BIG;
	f->fields[f->n].name = name;
	f->fields[f->n++].value = value;
	return 0;
}

int form_read(struct form *f, char *body, size_t n)
{
	*f = (struct form){ 0 };
	for (size_t at = 0; at < n;) {
		const size_t pair = str_find((struct str){ body + at, n - at }, '&');
		size_t name = str_find((struct str){ body + at, pair }, '=');
		char *value = body + at + name + (name < pair);
		size_t value_n = pair - name - (name < pair);
		if (pair) {
			if (!unescape(body + at, &name) || !unescape(value, &value_n))
				return -EBADMSG;
			const int code = add(f, (struct str){ body + at, name }, (struct str){ value, value_n }, true);
			if (code)
				return code;
		}
		at += pair + 1;
	}
	return 0;
}

struct str form_field(const struct form *f, struct str name)
{
	for (size_t i = 0; i < f->n; i++)
		if (str_eq(f->fields[i].name, name))
			return f->fields[i].value;
	return (struct str){ 0 };
}

/* Where `what` first stands in s, or s.n. */
static size_t find(struct str s, struct str what)
{
	const char *p = s.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
	return p ? (size_t)(p - s.p) : s.n;
}

/* NAME="..." of a header's value; empty: it isn't there. */
static struct str quoted(struct str line, struct str name)
{
	struct str rest = str_sub(line, find(line, name) + name.n, line.n);
	const size_t end = str_find(rest, '"');
	return end < rest.n ? str_sub(rest, 0, end) : STR("");
}

/* A part: its header lines, an empty one, the bytes. */
static int add_part(struct form *f, struct str part)
{
	static const struct str disposition = { "content-disposition:", 20 };
	const size_t end = find(part, STR("\r\n\r\n"));
	struct str head = str_sub(part, 0, end), value = str_sub(part, end + 4, part.n);
	if (end == part.n)
		return -EBADMSG;
	while (head.n) {
		const struct str line = str_sub(head, 0, find(head, STR("\r\n")));
		if (line.n > disposition.n && !strncasecmp(line.p, disposition.p, disposition.n)) {
			const bool file = find(line, STR("; filename=")) < line.n;
			return add(f, quoted(line, STR("; name=\"")), value.n ? value : STR(""), !file);
		}
		head = str_sub(head, line.n + 2, head.n);
	}
	return -EBADMSG;
}

int form_read_multipart(struct form *f, struct str type, char *body, size_t n)
{
	char mark[4 + 70] = "\r\n--";
	struct str rest = { body, n };
	struct str boundary = str_sub(type, find(type, STR("boundary=")) + 9, type.n);
	*f = (struct form){ 0 };
	boundary = str_trim(str_sub(boundary, 0, str_find(boundary, ';')));
	if (boundary.n > 2 && boundary.p[0] == '"' && boundary.p[boundary.n - 1] == '"')
		boundary = str_sub(boundary, 1, boundary.n - 2);
	if (!boundary.n || boundary.n > sizeof(mark) - 4)
		return -EBADMSG;
	memcpy(mark + 4, boundary.p, boundary.n);
	const struct str between = { mark, 4 + boundary.n };
	if (!str_starts(rest, str_sub(between, 2, between.n))) /* the first has no line before it */
		return -EBADMSG;
	rest = str_sub(rest, between.n - 2, rest.n);
	while (str_starts(rest, STR("\r\n"))) {
		rest = str_sub(rest, 2, rest.n);
		const struct str part = str_sub(rest, 0, find(rest, between));
		if (part.n == rest.n)
			return -EBADMSG; /* it doesn't end */
		const int code = add_part(f, part);
		if (code)
			return code;
		rest = str_sub(rest, part.n + between.n, rest.n);
	}
	return str_starts(rest, STR("--")) ? 0 : -EBADMSG;
}

/* --- cookies --- */

enum { COOKIE_MAX = 512 };

const char *const cookie_names[N_COOKIES] = { "kiosk", "kiosk_staff", "kiosk_ticket", "lang" };

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		const char c = s.p[i];
		if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return s.n && s.n <= COOKIE_MAX;
}

struct str cookie_find(struct str header, enum cookie cookie)
{
	while (header.n) {
		const struct str pair = str_sub(header, 0, str_find(header, ';'));
		const size_t name = str_find(pair, '=');
		const struct str value = str_trim(str_sub(pair, name + 1, pair.n));
		if (str_eq(str_trim(str_sub(pair, 0, name)), str_from(cookie_names[cookie])))
			return is_plain(value) ? value : (struct str){ 0 };
		header = str_sub(header, pair.n + 1, header.n);
	}
	return (struct str){ 0 };
}

/* --- secrets --- */

enum {
	TOKEN_RANDOM = 16,
	TOKEN_MAC = 16,
	TOKEN_BYTES = 4 + TOKEN_RANDOM + TOKEN_MAC,
	TOKEN_HOURS = 2, /* that it is good for, behind its own */
	BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};
#define HOUR_US (3600 * INT64_C(1000000))

void visitor_make(char visitor[VISITOR_LENGTH + 1])
{
	unsigned char random[16];
	randombytes_buf(random, sizeof(random));
	sodium_bin2base64(visitor, VISITOR_LENGTH + 1, random, sizeof(random), BASE64);
}

/* Each with its length before it: so that no two lists of texts are the same bytes. */
static void token_mac(const unsigned char *key, const struct token_of *of, const unsigned char *head,
                      unsigned char mac[TOKEN_MAC])
{
	const struct str texts[] = { of->action, of->visitor, of->session };
	crypto_generichash_state state;
	crypto_generichash_init(&state, key, SEAL_KEY, TOKEN_MAC);
	crypto_generichash_update(&state, (const unsigned char *)"form", 4);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const uint64_t n = texts[i].n;
		crypto_generichash_update(&state, (const unsigned char *)&n, sizeof(n));
		crypto_generichash_update(&state, (const unsigned char *)texts[i].p, texts[i].n);
	}
	crypto_generichash_update(&state, head, 4 + TOKEN_RANDOM);
	crypto_generichash_final(&state, mac, TOKEN_MAC);
	sodium_memzero(&state, sizeof(state));
}

void token_make(const unsigned char *key, const struct token_of *of, char token[TOKEN_LENGTH + 1])
{
	unsigned char bytes[TOKEN_BYTES];
	const uint32_t hour = (uint32_t)(of->now / HOUR_US);
	for (int i = 0; i < 4; i++)
		bytes[i] = (unsigned char)(hour >> (24 - 8 * i));
	randombytes_buf(bytes + 4, TOKEN_RANDOM);
	token_mac(key, of, bytes, bytes + 4 + TOKEN_RANDOM);
	sodium_bin2base64(token, TOKEN_LENGTH + 1, bytes, sizeof(bytes), BASE64);
}

static bool decode(struct str token, unsigned char bytes[TOKEN_BYTES])
{
	size_t n;
	return token.n == TOKEN_LENGTH &&
	       !sodium_base642bin(bytes, TOKEN_BYTES, token.p, token.n, NULL, &n, NULL, BASE64) && n == TOKEN_BYTES;
}

bool token_good(const unsigned char *key, const struct token_of *of, struct str token)
{
	unsigned char bytes[TOKEN_BYTES], mac[TOKEN_MAC];
	if (!decode(token, bytes))
		return false;
	token_mac(key, of, bytes, mac);
	if (sodium_memcmp(mac, bytes + 4 + TOKEN_RANDOM, sizeof(mac)))
		return false;
	const int64_t made = (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
	const int64_t hour = of->now / HOUR_US;
	return made <= hour && hour - made <= TOKEN_HOURS;
}

void token_once(struct str token, char once[TOKEN_ONCE + 1])
{
	unsigned char bytes[TOKEN_BYTES];
	once[0] = '\0';
	if (decode(token, bytes))
		sodium_bin2base64(once, TOKEN_ONCE + 1, bytes + 4, TOKEN_RANDOM, BASE64);
}

/* A kind of cookie has a key of its own. */
static void cookie_key(const unsigned char *key, const char *what, unsigned char own[crypto_secretbox_KEYBYTES])
{
	crypto_generichash(own, crypto_secretbox_KEYBYTES, (const unsigned char *)what, strlen(what), key, SEAL_KEY);
}

enum {
	COOKIE_EXTRA = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES,
	COOKIE_BYTES = COOKIE_MAX / 4 * 3, /* what base64 makes COOKIE_MAX of */
};

void cookie_seal(const unsigned char *key, const char *what, struct str text, struct buf *out)
{
	unsigned char own[crypto_secretbox_KEYBYTES], bytes[COOKIE_BYTES];
	char encoded[COOKIE_MAX + 1];
	if (text.n > COOKIE_BYTES - COOKIE_EXTRA) {
		out->failed = true;
		return;
	}
	randombytes_buf(bytes, crypto_secretbox_NONCEBYTES);
	cookie_key(key, what, own);
	crypto_secretbox_easy(bytes + crypto_secretbox_NONCEBYTES, (const unsigned char *)text.p, text.n, bytes, own);
	sodium_memzero(own, sizeof(own));
	sodium_bin2base64(encoded, sizeof(encoded), bytes, COOKIE_EXTRA + text.n, BASE64);
	buf_add(out, str_from(encoded));
}

int cookie_open(const unsigned char *key, const char *what, struct str sealed, struct buf *out)
{
	unsigned char own[crypto_secretbox_KEYBYTES], bytes[COOKIE_BYTES], text[COOKIE_BYTES];
	size_t n;
	if (!sealed.n || sealed.n > COOKIE_MAX ||
	    sodium_base642bin(bytes, sizeof(bytes), sealed.p, sealed.n, NULL, &n, NULL, BASE64) || n < COOKIE_EXTRA)
		return -EBADMSG;
	cookie_key(key, what, own);
	const int code = crypto_secretbox_open_easy(text, bytes + crypto_secretbox_NONCEBYTES,
	                                            n - crypto_secretbox_NONCEBYTES, bytes, own);
	sodium_memzero(own, sizeof(own));
	if (code)
		return -EBADMSG;
	buf_add(out, (struct str){ (const char *)text, n - COOKIE_EXTRA });
	sodium_memzero(text, sizeof(text));
	return 0;
}
