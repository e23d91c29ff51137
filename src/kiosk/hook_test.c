#include "kiosk/pay.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct str KEY = { "a key for tests", 15 };

#define SEPAY_BODY                                                                                                     \
	"{\"id\":92704,\"gateway\":\"Vietcombank\",\"transactionDate\":\"2023-03-25 14:02:37\","                       \
	"\"accountNumber\":\"0123499999\",\"code\":null,\"content\":\"kh22222222 chuyển "                            \
	"tiền\",\"transferType\":\"in\","                                                                            \
	"\"transferAmount\":150000,\"accumulated\":19077000,\"subAccount\":null,"                                      \
	"\"referenceCode\":\"MBVCB.3278907687\",\"description\":\"\"}"

/* The example that payOS's documentation prints, with its key and signature. */
#define PAYOS_KEY "1a54716c8f0efb2744fb28b6e38b25da7f67a925d98bc1c18bd8faaecadd7675"
#define PAYOS_DATA                                                                                                     \
	"\"data\":{\"orderCode\":123,\"amount\":3000,\"description\":\"VQRIO123\",\"accountNumber\":\"12345678\","     \
	"\"reference\":\"TF230204212323\",\"transactionDateTime\":\"2023-02-04 18:25:00\",\"currency\":\"VND\","       \
	"\"paymentLinkId\":\"124c33293c43417ab7879e14c8d9eb18\",\"code\":\"00\",\"desc\":\"Thành công\","            \
	"\"counterAccountBankId\":\"\",\"counterAccountBankName\":\"\",\"counterAccountName\":\"\","                   \
	"\"counterAccountNumber\":\"\",\"virtualAccountName\":\"\",\"virtualAccountNumber\":\"\"}"
#define PAYOS_SIGNATURE ",\"signature\":\"412e915d2871504ed31be63c8f62a149a4410d34c4c42affc9006ef9917eaa03\"}"
#define PAYOS_BODY      "{\"code\":\"00\",\"desc\":\"success\",\"success\":true," PAYOS_DATA PAYOS_SIGNATURE

static void hmac(struct str key, const char *text, char hex[65])
{
	crypto_auth_hmacsha256_state state;
	unsigned char mac[32];
	crypto_auth_hmacsha256_init(&state, (const unsigned char *)key.p, key.n);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, strlen(text));
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(hex, 65, mac, sizeof(mac));
}

static int sepay(const char *authorization, const char *body, struct notice *n)
{
	struct err err;
	return hook_read(HOOK_SEPAY, KEY, str_from(authorization), str_from(body), n, &err);
}

static void test_sepay_by_key(void **state)
{
	struct notice n;
	assert_int_equal(sepay("Apikey a key for tests", SEPAY_BODY, &n), 0);
	assert_string_equal(n.bank_id, "92704");
	assert_string_equal(n.code, "MBVCB.3278907687");
	assert_string_equal(n.account, "0123499999");
	assert_string_equal(n.content, "kh22222222 chuyển tiền");
	assert_string_equal(n.reference, "KH22222222");
	assert_int_equal(n.amount, 150000);
	assert_int_equal(n.at, INT64_C(1679727757000000));
}

static void test_sepay_by_hmac(void **state)
{
	char hex[65], shown[200];
	struct notice n;
	hmac(KEY, "1679727760." SEPAY_BODY, hex);
	snprintf(shown, sizeof(shown), "1679727760 sha256=%s", hex);
	assert_int_equal(sepay(shown, SEPAY_BODY, &n), 0);
	assert_int_equal(sepay(shown, SEPAY_BODY " ", &n), -EACCES);
	shown[9]++; /* another time */
	assert_int_equal(sepay(shown, SEPAY_BODY, &n), -EACCES);
	snprintf(shown, sizeof(shown), "1679727760 sha256=%.62s", hex);
	assert_int_equal(sepay(shown, SEPAY_BODY, &n), -EACCES);
	snprintf(shown, sizeof(shown), "sha256=%s", hex);
	assert_int_equal(sepay(shown, SEPAY_BODY, &n), -EACCES);
	/* what was signed as "1" and "x.BODY" is no other body of another time */
	hmac(KEY, "1.x." SEPAY_BODY, hex);
	snprintf(shown, sizeof(shown), "1.x sha256=%s", hex);
	assert_int_equal(sepay(shown, SEPAY_BODY, &n), -EACCES);
}

static void test_not_sepay(void **state)
{
	static const char *const shown[] = { "",
		                             "Apikey",
		                             "Apikey ",
		                             "Apikey a key for test",
		                             "a key for tests",
		                             "Apikey a key for tests2",
		                             "Bearer a key for tests",
		                             "1 sha256=",
		                             "1 sha256=zz" };
	struct notice n = { .amount = 7 };
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		assert_int_equal(sepay(shown[i], SEPAY_BODY, &n), -EACCES);
	/* no secret, no entry, whatever is shown */
	assert_int_equal(hook_read(HOOK_SEPAY, STR(""), STR("Apikey "), STR(SEPAY_BODY), &n, NULL), -EACCES);
	assert_int_equal(hook_read(HOOK_PAYOS, STR(""), STR(""), STR(PAYOS_BODY), &n, NULL), -EACCES);
	assert_int_equal(n.amount, 7);
}

/* Whoever signs with an empty secret is right about it, and gets no further. */
static void test_empty_secret(void **state)
{
	struct notice n;
	char hex[65], shown[200], body[200];
	hmac(STR(""), "1." SEPAY_BODY, hex);
	snprintf(shown, sizeof(shown), "1 sha256=%s", hex);
	assert_int_equal(hook_read(HOOK_SEPAY, STR(""), str_from(shown), STR(SEPAY_BODY), &n, NULL), -EACCES);
	hmac(STR(""), "amount=5&code=00&reference=r", hex);
	snprintf(body, sizeof(body),
	         "{\"data\":{\"amount\":5,\"code\":\"00\",\"reference\":\"r\"},\"signature\":\"%s\"}", hex);
	assert_int_equal(hook_read(HOOK_PAYOS, STR(""), STR(""), str_from(body), &n, NULL), -EACCES);
}

static void test_sepay_bodies(void **state)
{
#define REST ",\"transferType\":\"in\",\"content\":\"\"}"
	static const struct {
		const char *body;
		int rc;
		int64_t amount;
	} cases[] = {
		{ "{\"id\":1,\"transferAmount\":5" REST, 0, 5 },
		{ "{\"id\":\"x1\",\"transferAmount\":0" REST, 0, 0 },
		{ "{\"id\":1,\"transferAmount\":50000.0" REST, 0, 50000 },
		{ "{\"id\":1,\"transferAmount\":9999999999999" REST, 0, MONEY_MAX },
		{ "{\"id\":1,\"transferAmount\":5,\"transferType\":\"out\"}", 0, -5 },
		{ "{\"id\":1,\"transferAmount\":10000000000000" REST, -EBADMSG, 0 },
		{ "{\"id\":1,\"transferAmount\":1e300" REST, -EBADMSG, 0 },
		{ "{\"id\":1,\"transferAmount\":9223372036854775808" REST, -EBADMSG, 0 },
		{ "{\"id\":1,\"transferAmount\":-5" REST, -EBADMSG, 0 },
		{ "{\"id\":1,\"transferAmount\":5.5" REST, -EBADMSG, 0 },
		{ "{\"id\":1,\"transferAmount\":\"5\"" REST, -EBADMSG, 0 },
		{ "{\"id\":null,\"transferAmount\":5" REST, -EBADMSG, 0 },
		{ "{\"id\":\"\",\"transferAmount\":5" REST, -EBADMSG, 0 },
		{ "{\"id\":1.5,\"transferAmount\":5" REST, -EBADMSG, 0 },
		{ "{\"transferAmount\":5" REST, -EBADMSG, 0 },
		{ "{\"id\":1,\"id\":2,\"transferAmount\":5" REST, -EBADMSG, 0 },
		{ "{\"id\":1,\"transferAmount\":5,\"transferType\":\"IN?\"}", -EBADMSG, 0 },
		{ "{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\",\"transferAmount\":"
		  "5" REST,
		  -EBADMSG, 0 },
		{ "{}", -EBADMSG, 0 },
		{ "[]", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
		{ SEPAY_BODY "x", -EBADMSG, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct notice n = { .amount = 7 };
		if (sepay("Apikey a key for tests", cases[i].body, &n) != cases[i].rc)
			fail_msg("%s", cases[i].body);
		assert_int_equal(n.amount, cases[i].rc ? 7 : cases[i].amount);
	}
	struct notice n;
	assert_int_equal(sepay("Apikey a key for tests", cases[0].body, &n), 0);
	assert_true(n.at == 0 && !n.reference[0] && !n.code[0]); /* it doesn't say */
}

/* The reference may stand where SePay has already found it, or beyond what is kept of a long text. */
static void test_where_the_reference_is(void **state)
{
	char body[2000], filler[901];
	struct notice n;
	memset(filler, 'a', 900);
	filler[900] = 0;
	snprintf(body, sizeof(body),
	         "{\"id\":1,\"transferAmount\":5,\"transferType\":\"in\",\"content\":\"%s kh22222222\"}", filler);
	assert_int_equal(sepay("Apikey a key for tests", body, &n), 0);
	assert_string_equal(n.reference, "KH22222222");
	assert_int_equal(strlen(n.content), sizeof(n.content) - 1);
	assert_int_equal(sepay("Apikey a key for tests",
	                       "{\"id\":1,\"transferAmount\":5,\"transferType\":\"in\",\"content\":\"x\",\"code\":"
	                       "\"KH22222222\"}",
	                       &n),
	                 0);
	assert_string_equal(n.reference, "KH22222222");
}

static int payos(struct str key, const char *body, struct notice *n)
{
	return hook_read(HOOK_PAYOS, key, STR(""), str_from(body), n, NULL);
}

static void test_payos_as_documented(void **state)
{
	struct notice n;
	assert_int_equal(payos(STR(PAYOS_KEY), PAYOS_BODY, &n), 0);
	assert_string_equal(n.bank_id, "TF230204212323");
	assert_string_equal(n.content, "VQRIO123");
	assert_int_equal(n.amount, 3000);
	assert_int_equal(n.at, INT64_C(1675509900000000));
	assert_string_equal(n.reference, "");
	assert_int_equal(payos(STR("1a54"), PAYOS_BODY, &n), -EACCES);
	assert_int_equal(payos(STR(PAYOS_KEY), "{" PAYOS_DATA "}", &n), -EACCES);
	assert_int_equal(payos(STR(PAYOS_KEY), "{\"success\":false," PAYOS_DATA PAYOS_SIGNATURE, &n), 0);
	assert_int_equal(n.amount, 0); /* it failed: no money */
}

/* `data` signed with KEY over `query`. */
static int payos_with(const char *data, const char *query, struct notice *n)
{
	char hex[65], body[1000];
	hmac(KEY, query, hex);
	snprintf(body, sizeof(body), "{\"data\":%s,\"signature\":\"%s\"}", data, hex);
	return payos(KEY, body, n);
}

static void test_payos_values(void **state)
{
	struct notice n;
	assert_int_equal(
	        payos_with("{\"reference\":\"r\",\"code\":\"00\",\"amount\":5,\"b\":null,\"c\":true,\"a\":\"null\"}",
	                   "a=&amount=5&b=&c=true&code=00&reference=r", &n),
	        0);
	assert_int_equal(n.amount, 5);
	assert_int_equal(
	        payos_with("{\"reference\":\"r\",\"code\":\"01\",\"amount\":5}", "amount=5&code=01&reference=r", &n),
	        0);
	assert_int_equal(n.amount, 0);
	assert_int_equal(payos_with("{\"reference\":\"r\",\"code\":\"00\",\"amount\":5,\"currency\":\"USD\"}",
	                            "amount=5&code=00&currency=USD&reference=r", &n),
	                 -EBADMSG);
	assert_int_equal(payos_with("{\"code\":\"00\",\"amount\":5}", "amount=5&code=00", &n), -EBADMSG);
	/* what can't be written as JavaScript does is not guessed at */
	assert_int_equal(payos_with("{\"a\":[1]}", "a=[1]", &n), -EACCES);
	assert_int_equal(payos_with("{\"a\":1.5}", "a=1.5", &n), -EACCES);
	assert_int_equal(payos_with("[]", "", &n), -EBADMSG);
	assert_int_equal(payos_with("{}", "", &n), -EBADMSG);
	assert_int_equal(payos(KEY, "", &n), -EACCES);
	assert_int_equal(payos(KEY, "[]", &n), -EACCES);
}

static void test_many_values(void **state)
{
	for (int wanted = 64; wanted <= 65; wanted++) {
		struct buf data = { 0 }, query = { 0 }, body = { 0 };
		struct notice n;
		char hex[65];
		for (int i = 0; i < wanted - 3; i++)
			buf_printf(&data, "\"a%02d\":%d,", i, i);
		for (int i = 0; i < wanted - 3; i++)
			buf_printf(&query, "a%02d=%d&", i, i);
		buf_printf(&query, "amount=5&code=00&reference=r");
		buf_putc(&query, 0);
		hmac(KEY, query.p, hex);
		buf_printf(&body,
		           "{\"data\":{" STR_FMT
		           "\"amount\":5,\"code\":\"00\",\"reference\":\"r\"},\"signature\":\"%s\"}",
		           STR_ARG(buf_str(&data)), hex);
		assert_int_equal(hook_read(HOOK_PAYOS, KEY, STR(""), buf_str(&body), &n, NULL),
		                 wanted == 64 ? 0 : -EACCES);
		buf_free(&data);
		buf_free(&query);
		buf_free(&body);
	}
}

static void test_too_long(void **state)
{
	static char body[HOOK_BODY_MAX + 1];
	struct notice n;
	memset(body, ' ', sizeof(body));
	memcpy(body, SEPAY_BODY, sizeof(SEPAY_BODY) - 1);
	assert_int_equal(hook_read(HOOK_SEPAY, KEY, STR("Apikey a key for tests"),
	                           (struct str){ body, sizeof(body) - 1 }, &n, NULL),
	                 0);
	assert_int_equal(
	        hook_read(HOOK_SEPAY, KEY, STR("Apikey a key for tests"), (struct str){ body, sizeof(body) }, &n, NULL),
	        -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sepay_by_key),
		cmocka_unit_test(test_sepay_by_hmac),
		cmocka_unit_test(test_not_sepay),
		cmocka_unit_test(test_sepay_bodies),
		cmocka_unit_test(test_where_the_reference_is),
		cmocka_unit_test(test_payos_as_documented),
		cmocka_unit_test(test_payos_values),
		cmocka_unit_test(test_empty_secret),
		cmocka_unit_test(test_many_values),
		cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
