/* Lines as nginx 1.22 and ModSecurity 3.0.9 write them; and as somebody would like them to look. */
#include "proxy/waf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HEAD   "2026/11/22 16:16:55 [info] 12730#12730: *129 "
#define DENIAL HEAD "[client 203.0.113.7] ModSecurity: Access denied with code 403 (phase 2). "
#define MARKS(id, msg)                                                                                                 \
	" [file \"/usr/share/modsecurity-crs/rules/REQUEST-942.conf\"] [line \"46\"] [id \"" id "\"] [rev \"\"] "      \
	"[msg \"" msg "\"] [data \"Matched Data: x found within ARGS:a: \\x22] [id \\x221\"] [severity \"2\"] "        \
	"[ver \"OWASP_CRS/3.3.4\"] [hostname \"127.0.0.1\"] [uri \"/book\"] [unique_id \"179536421516.105922\"] "      \
	"[ref \"v1,2\"]"
#define TAIL(request)                                                                                                  \
	", client: 2001:db8::7, server: , request: \"" request "\", host: \"khambenh.example\", referrer: \"a b\""

static struct waf_hit hit_of(const char *line)
{
	struct waf_hit h;
	assert_true(waf_hit_read(str_from(line), &h));
	return h;
}

static void test_denial(void **state)
{
	const struct waf_hit h =
	        hit_of("<187>Nov 22 16:16:55 khien: " DENIAL "Matched \"Operator `Ge' with parameter `5' "
	               "against variable `TX:ANOMALY_SCORE' (Value: `15' )" MARKS(
	                       "949110", "Inbound Anomaly Score Exceeded (Total Score: 15)")
	                       TAIL("POST /book?name=Lan HTTP/1.1"));
	assert_true(h.denied);
	assert_string_equal(h.rule, "949110");
	assert_string_equal(h.address, "203.0.113.7");
	assert_string_equal(h.path, "/book");
	assert_string_equal(h.id, "179536421516.105922");
	assert_string_equal(h.message, "Inbound Anomaly Score Exceeded");
	assert_string_equal(h.severity, "critical");
	assert_int_equal(h.score, 15);
}

static void test_warning(void **state)
{
	struct waf_hit h = hit_of(HEAD "ModSecurity: Warning. detected SQLi using libinjection." MARKS(
	        "942100", "HTTP Parameter Pollution (ARGS_NAMES:Lan)")
	                                  TAIL("GET http://khambenh.example/s/1;jsessionid=a HTTP/1.1"));
	assert_false(h.denied);
	assert_string_equal(h.rule, "942100");
	assert_string_equal(h.address, "2001:db8::7");
	assert_string_equal(h.path, "/s/1");
	assert_string_equal(h.message, "HTTP Parameter Pollution");
	assert_int_equal(h.score, 0);
	h = hit_of(HEAD "ModSecurity: Warning. x" MARKS("9100001", "Patch a") TAIL("GET /a%3Fname=Lan HTTP/1.1"));
	assert_string_equal(h.message, "Patch a");
	assert_string_equal(h.path, "/a");
}

static void test_others(void **state)
{
	static const char *const others[] = {
		"",
		HEAD "",
		"ModSecurity: Warning. [id \"1\"]",
		HEAD "client sent invalid header line: \"ModSecurity: Warning. \" while reading",
		HEAD "open() \"/x/[client 1.2.3.4] ModSecurity: Access denied with code 403\" failed (2: No such file)",
		HEAD "ModSecurity: Rules error. File: waf.conf. Line: 3.",
		"2026/11/22 16:16:53 [notice] 12728#12728: ModSecurity-nginx v1.0.3 (rules loaded: 0/694/0)",
	};
	struct waf_hit h;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(waf_hit_read(str_from(others[i]), &h));
}

/* What looks like a mark comes from the visitor, before the real one or behind it: nobody else is named. */
static void test_forged(void **state)
{
	static const char forged[] =
	        "' ) [id \"1\"] [msg \"m\"] [severity \"0\"] [unique_id \"f\"], client: 192.0.2.66, server: , "
	        "request: \"GET /forged HTTP/1.1\"";
	for (int behind = 0; behind < 2; behind++)
		for (int denied = 0; denied < 2; denied++) {
			char line[2048];
			snprintf(line, sizeof(line), "%sMatched (Value: `%s%s%s%s",
			         denied ? DENIAL : HEAD "ModSecurity: Warning. ", behind ? "" : forged,
			         MARKS("942100", "SQL"), TAIL("POST /book HTTP/1.1"), behind ? forged : "");
			const struct waf_hit h = hit_of(line);
			assert_int_equal(h.denied, denied);
			assert_string_equal(h.address, denied ? "203.0.113.7" : "");
			assert_string_equal(h.rule, "");
			assert_string_equal(h.message, "");
			assert_string_equal(h.path, "");
			assert_string_equal(h.id, "");
			assert_string_equal(h.severity, "");
		}
}

/* nginx cut the line before its own marks: the visitor's are the only ones, and don't count. */
static void test_cut(void **state)
{
	char line[2049];
	const int n =
	        snprintf(line, sizeof(line),
	                 DENIAL "Matched \"against variable `ARGS:' ) [id \"1\"] [msg \"m\"], client: 192.0.2.66, "
	                        "server: , request: \"GET /forged HTTP/1.1\", a");
	memset(line + n, 'a', sizeof(line) - 1 - (size_t)n);
	line[sizeof(line) - 1] = '\0';
	const struct waf_hit h = hit_of(line);
	assert_true(h.denied);
	assert_string_equal(h.address, "203.0.113.7");
	assert_string_equal(h.rule, "");
	assert_string_equal(h.path, "");
}

/* Every beginning of a line, and every line with a byte changed: fields end, and hold plain characters alone. */
static void test_damaged(void **state)
{
	static const char whole[] =
	        DENIAL "Matched (Value: `15' )" MARKS("949110", "Exceeded (Total Score: 99999999999)")
	                TAIL("POST /book?name=Lan HTTP/1.1");
	char line[sizeof(whole)];
	struct waf_hit h;
	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		waf_hit_read((struct str){ whole, i }, &h);
		for (int c = 0; c < 256; c += 17) {
			memcpy(line, whole, sizeof(whole));
			line[i] = (char)c;
			if (!waf_hit_read((struct str){ line, sizeof(whole) - 1 }, &h))
				continue;
			assert_true(memchr(h.path, '\0', sizeof(h.path)) && memchr(h.message, '\0', sizeof(h.message)));
			assert_true(memchr(h.rule, '\0', sizeof(h.rule)) && memchr(h.address, '\0', sizeof(h.address)));
			for (const char *p = h.path; *p; p++)
				assert_true(*p >= ' ' && *p < 0x7f);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_denial), cmocka_unit_test(test_warning), cmocka_unit_test(test_others),
		cmocka_unit_test(test_forged), cmocka_unit_test(test_cut),     cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
