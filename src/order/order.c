#include "order/order_inside.h"

#include "base/utf8.h"

#include <errno.h>
#include <sodium.h>
#include <time.h>

static const char MAGIC[] = "KHO1";

bool order_is_text(struct str s, size_t least, size_t most)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n >= least && s.n <= most && utf8_valid(s);
}

static bool is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '2' && s.p[i] <= '7')))
			return false;
	return s.n == ORDER_ID;
}

static bool is_verb(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '-'))
			return false;
	return s.n && s.n <= ORDER_VERB;
}

void order_id_new(char id[ORDER_ID + 1])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	for (int i = 0; i < ORDER_ID; i++)
		id[i] = digits[randombytes_uniform(32)];
	id[ORDER_ID] = '\0';
}

/* What bytes can say, and what they may: one place for those that are written and those that are read. */
static const char *what_is_wrong(const struct order *o)
{
	if (!is_id(o->id))
		return "the id";
	if (!order_is_text(o->unit, 1, ORDER_NAME))
		return "the unit";
	if (!order_is_text(o->post, 1, ORDER_NAME))
		return "the post";
	if (!is_verb(o->verb))
		return "the verb";
	if (o->n_args > ORDER_ARGS)
		return "the number of arguments";
	for (size_t i = 0; i < o->n_args; i++)
		if (!order_is_text(o->args[i], 0, ORDER_ARG))
			return "an argument";
	if (!o->sequence || o->sequence > INT64_MAX)
		return "the sequence";
	return o->issued < 0 || o->expires < 0 ? "a time" : NULL;
}

/* --- the bytes --- */

static void put_number(struct buf *out, uint64_t value, int n)
{
	while (n-- > 0)
		buf_putc(out, (char)(value >> (8 * n)));
}

static void put_text(struct buf *out, struct str text)
{
	put_number(out, text.n, 2);
	buf_add(out, text);
}

int order_encode(const struct order *o, struct buf *out, struct err *err)
{
	const char *wrong = what_is_wrong(o);
	const size_t before = out->n;
	if (wrong)
		return err_set(err, -EINVAL, "%s of an order is out of bounds", wrong);
	buf_add(out, str_from(MAGIC));
	put_text(out, o->id);
	put_text(out, o->unit);
	put_text(out, o->post);
	put_text(out, o->verb);
	put_number(out, o->n_args, 1);
	for (size_t i = 0; i < o->n_args; i++)
		put_text(out, o->args[i]);
	put_number(out, o->sequence, 8);
	put_number(out, (uint64_t)o->issued, 8);
	put_number(out, (uint64_t)o->expires, 8);
	if (out->failed) {
		out->n = before;
		return err_set(err, -ENOMEM, "%m");
	}
	return 0;
}

/* `ok` falls where they end too early, and stays so. */
struct reader {
	struct str rest;
	bool ok;
};

static uint64_t get_number(struct reader *r, int n)
{
	uint64_t value = 0;
	if (r->rest.n < (size_t)n)
		r->ok = false;
	for (int i = 0; r->ok && i < n; i++)
		value = value << 8 | (unsigned char)r->rest.p[i];
	r->rest = str_sub(r->rest, r->ok ? (size_t)n : 0, r->rest.n);
	return value;
}

static struct str get_text(struct reader *r)
{
	const size_t n = get_number(r, 2);
	if (r->rest.n < n)
		r->ok = false;
	struct str text = str_sub(r->rest, 0, r->ok ? n : 0);
	r->rest = str_sub(r->rest, text.n, r->rest.n);
	return text;
}

int order_decode(struct order *ret, struct str bytes, struct err *err)
{
	struct reader r = { .rest = bytes, .ok = bytes.n <= ORDER_BYTES && str_starts(bytes, str_from(MAGIC)) };
	struct order o = { 0 };
	r.rest = str_sub(bytes, r.ok ? strlen(MAGIC) : 0, bytes.n);
	o.id = get_text(&r);
	o.unit = get_text(&r);
	o.post = get_text(&r);
	o.verb = get_text(&r);
	o.n_args = get_number(&r, 1);
	for (size_t i = 0; r.ok && i < o.n_args && i < ORDER_ARGS; i++)
		o.args[i] = get_text(&r);
	o.sequence = get_number(&r, 8);
	o.issued = (int64_t)get_number(&r, 8);
	o.expires = (int64_t)get_number(&r, 8);
	const char *wrong = r.ok && !r.rest.n ? what_is_wrong(&o) : "their length";
	if (wrong)
		return err_set(err, -EBADMSG, "these are no bytes of an order: %s", wrong);
	*ret = o;
	return 0;
}

static void print_time(struct buf *out, int64_t us)
{
	char text[32];
	struct tm tm;
	const time_t s = (time_t)(us / CLOCK_S);
	if (gmtime_r(&s, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf_printf(out, "%s", text);
	else
		buf_printf(out, "%lld us", (long long)us);
}

void order_print(const struct order *o, struct buf *out)
{
	buf_printf(out, "%.*s: " STR_FMT, ORDER_ID, o->id.p, STR_ARG(o->verb));
	for (size_t i = 0; i < o->n_args; i++)
		buf_printf(out, " '" STR_FMT "'", STR_ARG(o->args[i]));
	buf_printf(out, ", post '" STR_FMT "' of '" STR_FMT "', issued ", STR_ARG(o->post), STR_ARG(o->unit));
	print_time(out, o->issued);
	buf_add(out, STR(", until "));
	print_time(out, o->expires);
	buf_printf(out, ", sequence %llu", (unsigned long long)o->sequence);
}

/* --- signatures --- */

/* The word that stands before the bytes, with its NUL: it is what keeps one kind of signature from being another. */
static void signed_text(enum order_signer as, struct str bytes, struct buf *out)
{
	static const char hub[] = "khien order 1, by the hub", approver[] = "khien order 1, by an approver";
	buf_add(out,
	        as == ORDER_BY_HUB ? (struct str){ hub, sizeof(hub) } : (struct str){ approver, sizeof(approver) });
	buf_add(out, bytes);
}

int order_key_new(unsigned char public[ORDER_KEY], unsigned char secret[ORDER_SECRET])
{
	return sodium_init() < 0 || crypto_sign_keypair(public, secret) ? -EIO : 0;
}

int order_sign(enum order_signer as, const unsigned char secret[ORDER_SECRET], struct str bytes,
               unsigned char signature[ORDER_SIGNATURE])
{
	CLEANUP(buf_free) struct buf text = { 0 };
	signed_text(as, bytes, &text);
	if (text.failed)
		return -ENOMEM;
	return sodium_init() < 0 || crypto_sign_detached(signature, NULL, (const unsigned char *)text.p, text.n, secret)
	               ? -EIO
	               : 0;
}

bool order_verify(enum order_signer as, const unsigned char public[ORDER_KEY], struct str bytes,
                  const unsigned char signature[ORDER_SIGNATURE])
{
	CLEANUP(buf_free) struct buf text = { 0 };
	if (bytes.n > ORDER_BYTES || sodium_init() < 0)
		return false;
	signed_text(as, bytes, &text);
	return !text.failed && !crypto_sign_verify_detached(signature, (const unsigned char *)text.p, text.n, public);
}

static const char KEY_KIND[] = "ed25519:";

void order_key_text(const unsigned char public[ORDER_KEY], char text[ORDER_KEY_TEXT])
{
	_Static_assert(sodium_base64_ENCODED_LEN(ORDER_KEY, sodium_base64_VARIANT_URLSAFE_NO_PADDING) + 8 ==
	                       ORDER_KEY_TEXT,
	               "a key's text");
	memcpy(text, KEY_KIND, 8);
	sodium_bin2base64(text + 8, ORDER_KEY_TEXT - 8, public, ORDER_KEY, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int order_key_read(struct str text, unsigned char public[ORDER_KEY])
{
	unsigned char key[ORDER_KEY];
	size_t n = 0;
	if (text.n != ORDER_KEY_TEXT - 1 || !str_starts(text, str_from(KEY_KIND)) || !order_is_ascii(text) ||
	    sodium_base642bin(key, sizeof(key), text.p + 8, text.n - 8, NULL, &n, NULL,
	                      sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    n != sizeof(key))
		return -EINVAL;
	memcpy(public, key, sizeof(key));
	return 0;
}
