#include "kiosk/pay.h"

#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAC = crypto_auth_hmacsha256_BYTES, DATA_KEYS = 64 };

static void drop(json_t **json)
{
	json_decref(*json);
}

/* --- who sent it --- */

static bool secret_is(struct str secret, struct str shown)
{
	unsigned char one[32], other[32]; /* of hashes, so that the time doesn't tell how long the secret is */
	crypto_generichash(one, sizeof(one), (const unsigned char *)secret.p, secret.n, NULL, 0);
	crypto_generichash(other, sizeof(other), (const unsigned char *)shown.p, shown.n, NULL, 0);
	return !sodium_memcmp(one, other, sizeof(one));
}

static bool mac_is(const unsigned char mac[MAC], struct str hex)
{
	unsigned char shown[MAC];
	size_t n;
	return !sodium_hex2bin(shown, sizeof(shown), hex.p, hex.n, NULL, &n, NULL) && n == MAC &&
	       !sodium_memcmp(mac, shown, MAC);
}

static void mac_begin(crypto_auth_hmacsha256_state *state, struct str secret)
{
	crypto_auth_hmacsha256_init(state, (const unsigned char *)secret.p, secret.n);
}

static void mac_add(crypto_auth_hmacsha256_state *state, struct str s)
{
	if (s.n)
		crypto_auth_hmacsha256_update(state, (const unsigned char *)s.p, s.n);
}

/* Digits: with a dot in it, part of what was signed as the body would be it. */
static bool is_timestamp(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static bool sepay_is_signed(struct str secret, struct str authorization, struct str body)
{
	static const struct str key_scheme = { "Apikey ", 7 }, mac_scheme = { "sha256=", 7 };
	struct str said = str_trim(authorization);
	if (str_starts(said, key_scheme))
		return secret_is(secret, str_trim(str_sub(said, key_scheme.n, said.n)));
	size_t blank = str_find(said, ' ');
	struct str timestamp = str_sub(said, 0, blank), mac_said = str_trim(str_sub(said, blank, said.n));
	if (!str_starts(mac_said, mac_scheme) || !is_timestamp(timestamp))
		return false;
	crypto_auth_hmacsha256_state state;
	unsigned char mac[MAC];
	mac_begin(&state, secret);
	mac_add(&state, timestamp);
	mac_add(&state, STR("."));
	mac_add(&state, body);
	crypto_auth_hmacsha256_final(&state, mac);
	return mac_is(mac, str_sub(mac_said, mac_scheme.n, mac_said.n));
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* As JavaScript's `${value}` writes it, where that is plain. False: a list, an object, or a number with a fraction. */
static bool value_text(const json_t *value, char number[24], struct str *text)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		*text = (struct str){ json_string_value(value), json_string_length(value) };
		if (str_eq(*text, STR("null")) || str_eq(*text, STR("undefined")))
			*text = STR("");
		return true;
	case JSON_INTEGER:
		snprintf(number, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		*text = str_from(number);
		return true;
	case JSON_TRUE: *text = STR("true"); return true;
	case JSON_FALSE: *text = STR("false"); return true;
	case JSON_NULL: *text = STR(""); return true;
	default: return false;
	}
}

static bool payos_is_signed(struct str secret, json_t *data, struct str signature)
{
	const char *keys[DATA_KEYS], *key;
	json_t *value;
	size_t n = 0;
	if (json_object_size(data) > DATA_KEYS)
		return false;
	json_object_foreach(data, key, value) keys[n++] = key;
	qsort(keys, n, sizeof(keys[0]), by_key);
	crypto_auth_hmacsha256_state state;
	unsigned char mac[MAC];
	mac_begin(&state, secret);
	for (size_t i = 0; i < n; i++) {
		char number[24];
		struct str text;
		if (!value_text(json_object_get(data, keys[i]), number, &text))
			return false;
		mac_add(&state, i ? STR("&") : STR(""));
		mac_add(&state, str_from(keys[i]));
		mac_add(&state, STR("="));
		mac_add(&state, text);
	}
	crypto_auth_hmacsha256_final(&state, mac);
	return mac_is(mac, signature);
}

/* --- what it says --- */

static struct str text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return json_is_string(value) ? (struct str){ json_string_value(value), json_string_length(value) } : STR("");
}

/* Cut where it is longer, not within a character. */
static void keep(char *to, size_t room, struct str text)
{
	struct str cut = utf8_cut(text, room - 1);
	memcpy(to, cut.p, cut.n);
	to[cut.n] = 0;
}

/* A number, or a text of digits. An id mustn't be cut: two would become one. */
static bool keep_id(char *to, size_t room, const json_t *value)
{
	char number[24];
	struct str text;
	if ((!json_is_string(value) && !json_is_integer(value)) || !value_text(value, number, &text) || !text.n ||
	    text.n >= room)
		return false;
	keep(to, room, text);
	return true;
}

/* Whole đồng, 0 to MONEY_MAX; some write 50000.0. */
static bool money(const json_t *value, int64_t *amount)
{
	double real = json_real_value(value); /* 0 where it is none */
	if (!json_is_integer(value) && !(json_is_real(value) && real >= 0 && real <= (double)MONEY_MAX))
		return false;
	int64_t n = json_is_integer(value) ? json_integer_value(value) : (int64_t)real;
	if (n < 0 || n > MONEY_MAX || (json_is_real(value) && (double)n != real))
		return false;
	*amount = n;
	return true;
}

static void find_reference(struct notice *n, const json_t *in, const char *const *names)
{
	for (; *names; names++)
		if (reference_find(text_of(in, *names), n->reference))
			return;
}

static int sepay_read(const json_t *in, struct notice *n, struct err *err)
{
	struct str type = text_of(in, "transferType");
	if (!keep_id(n->bank_id, sizeof(n->bank_id), json_object_get(in, "id")))
		return err_set(err, -EBADMSG, "SePay's notice: no id");
	if (!money(json_object_get(in, "transferAmount"), &n->amount))
		return err_set(err, -EBADMSG, "SePay's notice: transferAmount is not an amount");
	if (!str_eq(type, STR("in")) && !str_eq(type, STR("out")))
		return err_set(err, -EBADMSG, "SePay's notice: transferType is neither in nor out");
	if (str_eq(type, STR("out")))
		n->amount = -n->amount;
	keep(n->code, sizeof(n->code), text_of(in, "referenceCode"));
	keep(n->account, sizeof(n->account), text_of(in, "accountNumber"));
	keep(n->sub_account, sizeof(n->sub_account), text_of(in, "subAccount"));
	keep(n->content, sizeof(n->content), text_of(in, "content"));
	find_reference(n, in, (const char *const[]){ "content", "code", "description", NULL });
	bank_time(text_of(in, "transactionDate"), &n->at);
	return 0;
}

static int payos_read(const json_t *in, const json_t *data, struct notice *n, struct err *err)
{
	if (!keep_id(n->bank_id, sizeof(n->bank_id), json_object_get(data, "reference")))
		return err_set(err, -EBADMSG, "payOS's notice: no reference");
	if (!money(json_object_get(data, "amount"), &n->amount))
		return err_set(err, -EBADMSG, "payOS's notice: amount is none");
	struct str currency = text_of(data, "currency");
	if (currency.n && !str_eq(currency, STR("VND")))
		return err_set(err, -EBADMSG, "payOS's notice: not in đồng");
	if (!str_eq(text_of(data, "code"), STR("00")) || json_is_false(json_object_get(in, "success")))
		n->amount = 0; /* it failed */
	keep(n->code, sizeof(n->code), text_of(data, "reference"));
	keep(n->account, sizeof(n->account), text_of(data, "accountNumber"));
	keep(n->sub_account, sizeof(n->sub_account), text_of(data, "virtualAccountNumber"));
	keep(n->content, sizeof(n->content), text_of(data, "description"));
	find_reference(n, data, (const char *const[]){ "description", NULL });
	bank_time(text_of(data, "transactionDateTime"), &n->at);
	return 0;
}

int hook_read(enum hook_kind kind, struct str secret, struct str authorization, struct str body, struct notice *ret,
              struct err *err)
{
	if (!secret.n)
		return err_set(err, -EACCES, "webhook: there is no secret for it");
	if (body.n > HOOK_BODY_MAX)
		return err_set(err, -EBADMSG, "webhook: more than %d bytes", HOOK_BODY_MAX);
	if (kind == HOOK_SEPAY && !sepay_is_signed(secret, authorization, body))
		return err_set(err, -EACCES, "webhook: not signed with SePay's secret");
	CLEANUP(drop) json_t *in = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *data = json_object_get(in, "data"); /* borrowed */
	if (kind == HOOK_PAYOS && !payos_is_signed(secret, data, text_of(in, "signature")))
		return err_set(err, -EACCES, "webhook: not signed with payOS's secret");
	if (!json_is_object(in))
		return err_set(err, -EBADMSG, "webhook: not a JSON object");
	struct notice n = { 0 };
	int rc = kind == HOOK_SEPAY ? sepay_read(in, &n, err) : payos_read(in, data, &n, err);
	if (!rc)
		*ret = n;
	return rc;
}
