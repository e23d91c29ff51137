#include "flood/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above */
#include <cmocka.h>
#include <sodium.h>

static bool header(const char *name, const char *value)
{
	return plain_header(str_from(name), str_from(value));
}

static bool path(const char *text)
{
	return plain_path(str_from(text));
}

static void paths(void **state)
{
	static const char *const good[] = { "/",         "/s/3/2026-11-25", "/find",         "/ticket",
		                            "/a_b/C-d/", "/kiosk.css",      "/img/logo.webp" };
	static const char *const bad[] = {
		"",         "find",         "/?a=1",        "/a?",          "/a%20b",      "/../x",    "/a..",
		"/.env",    "/.git/config", "/index.php",   "/a.css/b",     "/a.b.css",    "/a.css?1", "/a;b",
		"/a'b",     "/etc/passwd",  "/x/proc/self", "/WEB-INF/web", "/backup.sql", "/a\\b",    "/a//b.bak",
		"/Đăng-ký", "/a:b",         "/a.CSS"
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!path(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (path(bad[i]))
			fail_msg("%s", bad[i]);
	assert_false(plain_path((struct str){ "/a\0b", 4 }));
	char longer[300];
	memset(longer, 'a', sizeof(longer));
	longer[0] = '/';
	assert_true(plain_path((struct str){ longer, 256 }));
	assert_false(plain_path((struct str){ longer, 257 }));
	(void)state;
}

/* What browsers send. */
static void browsers(void **state)
{
	static const char *const good[][2] = {
		{ "host", "dat-lich.benhvien.example" },
		{ "host", "127.0.0.1:8080" },
		{ "user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
		                "Chrome/120.0.0.0 Safari/537.36" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0" },
		{ "user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
		                "like Gecko) Version/16.0 Mobile/15E148 Safari/604.1" },
		{ "accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8" },
		{ "accept-language", "vi-VN,vi;q=0.9,en-US;q=0.6" },
		{ "accept-encoding", "gzip, deflate, br" },
		{ "connection", "keep-alive" },
		{ "cookie", "khien_pass=AQAlb3_-bwrpEGoWpQBqFqUA; lang=vi" },
		{ "cookie", "a=; b=1" },
		{ "referer", "https://dat-lich.benhvien.example/s/3/2026-11-25" },
		{ "referer", "http://127.0.0.1:8080/" },
		{ "if-modified-since", "Sat, 21 Nov 2026 10:00:00 GMT" },
		{ "if-none-match", "W/\"5f-18c\"" },
		{ "sec-ch-ua", "\"Not(A:Brand\";v=\"24\", \"Chromium\";v=\"122\"" },
		{ "sec-fetch-mode", "navigate" },
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!header(good[i][0], good[i][1]))
			fail_msg("%s: %s", good[i][0], good[i][1]);
	(void)state;
}

/* What attacks are made of, and what is only odd. */
static void odd(void **state)
{
	static const char *const bad[][2] = {
		{ "user-agent", "" },
		{ "user-agent", "sqlmap/1.7" },
		{ "user-agent", "Mozilla/5.00 (Nikto/2.1.6)" },
		{ "user-agent", "Mozilla/5.0 (compatible; Nmap Scripting Engine)" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux) ${jndi:ldap://x/a}" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux) sleep(5)" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux) ' or '1'='1" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux) or 1=1" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux) <script>" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux) javascript:alert" },
		{ "user-agent", "Mozilla/5.0 (X11; Linux) java.lang.Runtime" },
		{ "user-agent", "() { :; }; /bin/cat" },
		{ "cookie", "a=1' or '1'='1" },
		{ "cookie", "a=1 or 1=1" },
		{ "cookie", "a=../../etc/passwd" },
		{ "cookie", "a=$(id)" },
		{ "cookie", "a=admin--" },
		{ "cookie", "a" },
		{ "cookie", "=a" },
		{ "cookie", "a=<b>" },
		{ "referer", "https://a.example/?q=1" },
		{ "referer", "javascript:alert(1)" },
		{ "referer", "https://a.example/<script>" },
		{ "referer", "https://a.example/etc/passwd" },
		{ "host", "a.example'--" },
		{ "host", "" },
		{ "host", "a.example:80x" },
		{ "connection", "keep-alive, close" },
		{ "accept", "text/html, ${x}" },
		{ "accept", "javascript:x" },
		{ "accept", "sleep(5)" },
		{ "accept", "etc/passwd/x" },
		{ "accept", "/etc" },
		{ "accept", "text/html, ;id" },
		{ "accept", "a;q=1 or 1" },
		{ "accept", "1 OR 1=1" },
		{ "content-length", "0" },
		{ "content-type", "text/plain" },
		{ "transfer-encoding", "chunked" },
		{ "range", "bytes=0-1" },
		{ "x-api-version", "1" },
		{ "x-forwarded-for", "10.0.0.1" },
		{ "authorization", "Basic YTpi" },
		{ "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (header(bad[i][0], bad[i][1]))
			fail_msg("%s: %s", bad[i][0], bad[i][1]);
	(void)state;
}

/* No byte that has a meaning to somebody is in anything plain. */
static void bytes(void **state)
{
	static const char *const names[] = { "host",          "user-agent",     "accept", "accept-language",
		                             "cookie",        "referer",        "pragma", "sec-ch-ua",
		                             "if-none-match", "sec-fetch-mode", "te" };
	for (unsigned round = 0; round < (KHIEN_SANITIZED ? 5000 : 50000); round++) {
		char text[48];
		const size_t n = randombytes_uniform(sizeof(text));
		for (size_t i = 0; i < n; i++)
			text[i] = (char)(randombytes_uniform(8) ? ' ' + randombytes_uniform(95)
			                                        : randombytes_uniform(256));
		const struct str s = { text, n };
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			if (!plain_header(str_from(names[i]), s))
				continue;
			for (size_t j = 0; j < n; j++)
				assert_true(text[j] >= ' ' && text[j] < 127 && !strchr("<>'`${}|\\&#%!^~@[]", text[j]));
		}
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(browsers),
		cmocka_unit_test(odd),
		cmocka_unit_test(bytes),
	};
	return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
