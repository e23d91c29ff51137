/*
 * hook: the bytes are SePay's body, and payOS's "data". Nothing is read with another secret; what is read has a name, an amount within
 * its bounds, and texts that end.
 */
#include "base/utf8.h"
#include "kiosk/pay.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>

static const struct str KEY = { "key", 3 };

static void check_read(enum hook_kind kind, struct str authorization, struct str body)
{
	struct notice n;
	char reference[REFERENCE_LENGTH + 1];
	assert(hook_read(kind, STR("yek"), authorization, body, &n, NULL) != 0);
	if (hook_read(kind, KEY, authorization, body, &n, NULL))
		return;
	assert(n.bank_id[0] && memchr(n.bank_id, 0, sizeof(n.bank_id)) && memchr(n.code, 0, sizeof(n.code)));
	assert(n.amount >= -MONEY_MAX && n.amount <= MONEY_MAX);
	assert(memchr(n.account, 0, sizeof(n.account)) && memchr(n.content, 0, sizeof(n.content)));
	assert(utf8_valid(str_from(n.content)) && utf8_valid(str_from(n.bank_id)));
	assert(!n.reference[0] || reference_find(str_from(n.reference), reference));
}

/* k=v& of what a reader of sorted JSON finds; NULL where a value isn't plain. */
static char *query_of(const char *sorted, struct buf *query)
{
	json_t *data = json_loads(sorted, 0, NULL), *value;
	const char *key;
	bool plain = true;
	json_object_foreach(data, key, value)
	{
		char *text = json_dumps(value, JSON_ENCODE_ANY);
		const char *said = json_is_string(value) ? json_string_value(value) : text;
		if (!strcmp(said, "null") || !strcmp(said, "undefined"))
			said = "";
		plain &= !json_is_array(value) && !json_is_object(value) && !json_is_real(value);
		buf_printf(query, "%s%s=%s", query->n ? "&" : "", key, said);
		free(text);
	}
	buf_putc(query, 0);
	json_decref(data);
	return plain && !query->failed ? query->p : NULL;
}

static void check_payos(struct str bytes)
{
	json_t *data = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(data)) {
		json_decref(data);
		return;
	}
	struct buf query = { 0 }, body = { 0 };
	char *sorted = json_dumps(data, JSON_SORT_KEYS), hex[65];
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;
	if (sorted && query_of(sorted, &query)) {
		struct notice n;
		crypto_auth_hmacsha256_init(&state, (const unsigned char *)KEY.p, KEY.n);
		crypto_auth_hmacsha256_update(&state, (const unsigned char *)query.p, query.n - 1);
		crypto_auth_hmacsha256_final(&state, mac);
		sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
		buf_printf(&body, "{\"data\":%s,\"signature\":\"%s\"}", sorted, hex);
		check_read(HOOK_PAYOS, STR(""), buf_str(&body));
		int rc = hook_read(HOOK_PAYOS, KEY, STR(""), buf_str(&body), &n, NULL);
		assert(rc != -EACCES || json_object_size(data) > 64);
	}
	free(sorted);
	buf_free(&query);
	buf_free(&body);
	json_decref(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data, size };
	check_read(HOOK_SEPAY, STR("Apikey key"), bytes);
	check_payos(bytes);
	/* as the header, and as a whole body of payOS: not signed, whatever it is */
	struct notice n;
	assert(hook_read(HOOK_SEPAY, KEY, bytes, STR("{}"), &n, NULL) != 0);
	assert(hook_read(HOOK_PAYOS, KEY, STR(""), bytes, &n, NULL) != 0);
	return 0;
}
