#include "order/approver.h"

#include "order/order_inside.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum {
	SEED = crypto_sign_SEEDBYTES,
	SALT = crypto_pwhash_SALTBYTES,
	NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	BOX = SALT + 4 + 8 + NONCE + SEED + TAG
};
/* What a file may ask for: it could come from another's hands. */
enum { PASSES_MAX = 64 };
static const uint64_t BYTES_MAX = 2ULL << 30;
enum { VARIANT = sodium_base64_VARIANT_ORIGINAL };

static const char HEAD[] = "khien approver key 1";

struct box {
	unsigned char salt[SALT], nonce[NONCE], sealed[SEED + TAG];
	uint32_t passes;
	uint64_t bytes;
};

static void pack(const struct box *b, unsigned char raw[BOX])
{
	unsigned char *p = raw;
	memcpy(p, b->salt, SALT);
	p += SALT;
	for (int i = 3; i >= 0; i--)
		*p++ = (unsigned char)(b->passes >> (8 * i));
	for (int i = 7; i >= 0; i--)
		*p++ = (unsigned char)(b->bytes >> (8 * i));
	memcpy(p, b->nonce, NONCE);
	memcpy(p + NONCE, b->sealed, SEED + TAG);
}

static void unpack(struct box *b, const unsigned char raw[BOX])
{
	const unsigned char *p = raw + SALT;
	memcpy(b->salt, raw, SALT);
	b->passes = 0;
	b->bytes = 0;
	for (int i = 0; i < 4; i++)
		b->passes = b->passes << 8 | *p++;
	for (int i = 0; i < 8; i++)
		b->bytes = b->bytes << 8 | *p++;
	memcpy(b->nonce, p, NONCE);
	memcpy(b->sealed, p + NONCE, SEED + TAG);
}

static int key_of(const struct box *b, struct str passphrase, unsigned char key[32], struct err *err)
{
	if (crypto_pwhash(key, 32, passphrase.p, passphrase.n, b->salt, b->passes, (size_t)b->bytes,
	                  crypto_pwhash_ALG_ARGON2ID13))
		return err_set(err, -ENOMEM, "a passphrase takes %llu MiB of memory",
		               (unsigned long long)(b->bytes >> 20));
	return 0;
}

static void head_of(const char *public, struct str name, struct buf *out)
{
	buf_printf(out, "%s\nname " STR_FMT "\npublic %s\nsecret ", HEAD, STR_ARG(name), public);
}

/* What stands before the sealed seed goes into its tag: the head, salt and costs. */
static void tagged(const struct box *b, struct str head, struct buf *out)
{
	unsigned char raw[BOX];
	pack(b, raw);
	buf_add(out, head);
	buf_add(out, (struct str){ (const char *)raw, SALT + 4 + 8 });
}

static int seal(struct box *b, struct str head, struct str passphrase, const unsigned char seed[SEED], struct err *err)
{
	CLEANUP(buf_free) struct buf with = { 0 };
	unsigned char key[32];
	randombytes_buf(b->salt, SALT);
	randombytes_buf(b->nonce, NONCE);
	tagged(b, head, &with);
	int code = with.failed ? err_set(err, -ENOMEM, "%m") : key_of(b, passphrase, key, err);
	if (!code)
		crypto_aead_xchacha20poly1305_ietf_encrypt(b->sealed, NULL, seed, SEED, (const unsigned char *)with.p,
		                                           with.n, NULL, b->nonce, key);
	sodium_memzero(key, sizeof(key));
	return code;
}

int approver_new(struct str name, struct str passphrase, uint32_t passes, uint64_t bytes, struct buf *out,
                 struct err *err)
{
	unsigned char public[ORDER_KEY], secret[ORDER_SECRET], seed[SEED], raw[BOX];
	char text[ORDER_KEY_TEXT], coded[sodium_base64_ENCODED_LEN(BOX, VARIANT)];
	CLEANUP(buf_free) struct buf head = { 0 };
	struct box box = { .passes = passes ? passes : (uint32_t)crypto_pwhash_OPSLIMIT_MODERATE,
		           .bytes = bytes ? bytes : crypto_pwhash_MEMLIMIT_MODERATE };
	if (sodium_init() < 0)
		return err_set(err, -EIO, "libsodium does not start");
	if (!order_is_text(name, 1, ORDER_NAME))
		return err_set(err, -EINVAL, "an approver's name has 1 to %d bytes without control characters",
		               ORDER_NAME);
	if (passphrase.n < APPROVER_PASSPHRASE)
		return err_set(err, -EINVAL, "a passphrase has at least %d bytes", APPROVER_PASSPHRASE);
	randombytes_buf(seed, sizeof(seed));
	crypto_sign_seed_keypair(public, secret, seed);
	order_key_text(public, text);
	head_of(text, name, &head);
	int code = head.failed ? err_set(err, -ENOMEM, "%m") : seal(&box, buf_str(&head), passphrase, seed, err);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(seed, sizeof(seed));
	if (code)
		return code;
	pack(&box, raw);
	sodium_bin2base64(coded, sizeof(coded), raw, sizeof(raw), VARIANT);
	buf_add(out, buf_str(&head));
	buf_printf(out, "%s\n", coded);
	return out->failed ? err_set(err, -ENOMEM, "%m") : 0;
}

/* The rest of the next line, which begins with the word and a blank. */
static bool line(struct str *rest, const char *word, struct str *value)
{
	struct str l = str_sub(*rest, 0, str_find(*rest, '\n'));
	const size_t n = strlen(word);
	*rest = str_sub(*rest, l.n + 1, rest->n);
	if (!str_starts(l, str_from(word)) || (l.n > n && l.p[n] != ' '))
		return false;
	*value = str_sub(l, n + 1, l.n);
	return true;
}

static int parse(struct str file, struct approver *a, struct str *head, struct box *box, struct err *err)
{
	unsigned char raw[BOX];
	struct str rest = file, name, public, secret, none;
	size_t n = 0;
	const bool good = file.n <= APPROVER_FILE && line(&rest, HEAD, &none) && !none.n &&
	                  line(&rest, "name", &name) && order_is_text(name, 1, ORDER_NAME) &&
	                  line(&rest, "public", &public) && !order_key_read(public, a->public) &&
	                  line(&rest, "secret", &secret) && !rest.n && order_is_ascii(secret) &&
	                  !sodium_base642bin(raw, sizeof(raw), secret.p, secret.n, NULL, &n, NULL, VARIANT) &&
	                  n == sizeof(raw);
	if (!good)
		return err_set(err, -EBADMSG, "that is no file of an approver's key");
	unpack(box, raw);
	if (box->passes < crypto_pwhash_OPSLIMIT_MIN || box->passes > PASSES_MAX ||
	    box->bytes < crypto_pwhash_MEMLIMIT_MIN || box->bytes > BYTES_MAX)
		return err_set(err, -EBADMSG, "the approver's key asks for more than is permitted");
	memcpy(a->name, name.p, name.n);
	a->name[name.n] = '\0';
	*head = str_sub(file, 0, (size_t)(secret.p - file.p));
	return 0;
}

int approver_read(struct approver *ret, struct str file, struct err *err)
{
	struct approver a = { 0 };
	struct str head;
	struct box box;
	int code = parse(file, &a, &head, &box, err);
	if (!code)
		*ret = a;
	return code;
}

int approver_open(struct str file, struct str passphrase, unsigned char secret[ORDER_SECRET], struct err *err)
{
	unsigned char key[32], seed[SEED], public[ORDER_KEY], made[ORDER_SECRET];
	struct approver a = { 0 };
	struct str head;
	struct box box;
	if (sodium_init() < 0)
		return err_set(err, -EIO, "libsodium does not start");
	CLEANUP(buf_free) struct buf with = { 0 };
	int code = parse(file, &a, &head, &box, err);
	if (!code) {
		tagged(&box, head, &with);
		code = with.failed ? err_set(err, -ENOMEM, "%m") : key_of(&box, passphrase, key, err);
	}
	if (code)
		return code;
	/* the tag is compared in constant time */
	bool good = !crypto_aead_xchacha20poly1305_ietf_decrypt(seed, NULL, NULL, box.sealed, sizeof(box.sealed),
	                                                        (const unsigned char *)with.p, with.n, box.nonce, key);
	good = good && !crypto_sign_seed_keypair(public, made, seed) && !sodium_memcmp(public, a.public, ORDER_KEY);
	if (good)
		memcpy(secret, made, ORDER_SECRET);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(made, sizeof(made));
	return good ? 0 : err_set(err, -EACCES, "that is not the passphrase, or the file was changed");
}
