/* What nginx is told holds together for every site, and nothing that a person writes can say more to it than it should. */
#include "proxy/site.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const char *const none[] = { NULL };
static const char *const http[] = { "0.0.0.0:80", "[::]:80", NULL };
static const char *const https[] = { "0.0.0.0:443", "[::]:443", NULL };

static struct site plain(void)
{
	return (struct site){
		.upstream = "http://127.0.0.1:8480",
		.http = http,
		.https = https,
		.certificate = "/d/site.crt",
		.key = "/d/site.key",
		.names = none,
		.proxies = none,
		.exclusions = none,
		.waf_level = 1,
		.body_max = 1000,
		.workers = 2,
		.connections = 1024,
		.cache = true,
		.folder = "/d/nginx",
		.run = "/d/run",
		.log_socket = "/d/nginx/log.sock",
		.module = "/m/khien.so",
		.waf_module = "/m/waf.so",
		.key_file = "/d/pass.key",
		.lists = "/d/lists",
		.normal = "/d/normal",
		.waf_conf = "/d/waf.conf",
	};
}

static struct str written(const struct site *s, struct buf *out)
{
	struct err err = { 0 };
	const char *where = "";
	out->n = 0;
	if (site_check(s, &where, &err))
		fail_msg("%s: %s", where, err.text);
	site_write(s, out);
	assert_false(out->failed);
	return buf_str(out);
}

static size_t times(struct str in, const char *what)
{
	size_t n = 0;
	const char *at;
	while ((at = memmem(in.p, in.n, what, strlen(what)))) {
		n++;
		in = str_sub(in, (size_t)(at - in.p) + 1, in.n);
	}
	return n;
}

/* Every directive ends, every block closes. */
static void assert_balanced(struct str text)
{
	int depth = 0;
	while (text.n) {
		const size_t n = str_find(text, '\n');
		struct str line = str_sub(text, 0, n);
		bool quoted = false;
		char last = '\0';
		for (size_t i = 0; i < line.n && (quoted || line.p[i] != '#'); i++) {
			quoted ^= line.p[i] == '"';
			depth += !quoted && line.p[i] == '{';
			depth -= !quoted && line.p[i] == '}';
			last = line.p[i] > ' ' ? line.p[i] : last;
		}
		assert_false(quoted);
		assert_true(depth >= 0);
		if (last && !strchr(";{}", last))
			fail_msg("'" STR_FMT "' doesn't end", STR_ARG(line));
		text = str_sub(text, n + 1, text.n);
	}
	assert_int_equal(depth, 0);
}

static void holds_together(void **state)
{
	struct buf out = { 0 };
	for (unsigned i = 0; i < 512; i++) {
		struct site s = plain();
		s.mode = (int)(i % 3);
		s.module = s.mode == SITE_OFF ? NULL : s.module;
		s.waf = (int)(i / 3 % 3);
		s.names = i & 8 ? LIST("a.example", "10.0.0.1", "2001:db8::1") : none;
		s.https = i & 16 ? s.https : none;
		s.hsts = (i & 32) && *s.https;
		s.proxies = i & 64 ? LIST("10.0.0.0/8", "2001:db8::/32") : NULL;
		s.header = i & 64 && i & 128 ? "proxy_protocol" : NULL;
		s.cache = i & 128;
		s.upstream = i & 256 ? i & 1 ? "https://his.example:8443" : "http://[2001:db8::7]:8080" : s.upstream;
		s.waf_module = i & 32 ? NULL : s.waf_module;
		s.access_log = i & 8 ? "/l/access.log" : NULL;
		s.user = i & 4 ? "www-data" : NULL;
		const struct str text = written(&s, &out);
		assert_balanced(text);
		assert_int_equal(times(text, "load_module"),
		                 (s.mode != SITE_OFF) + (s.waf != SITE_OFF && s.waf_module));
		assert_int_equal(times(text, "khien_zone"), s.mode != SITE_OFF);
		assert_int_equal(times(text, "khien_control;"), s.mode != SITE_OFF);
		assert_int_equal(times(text, "khien watch;") > 0, s.mode == SITE_WATCH);
		assert_int_equal(times(text, "modsecurity on;") > 0, s.waf != SITE_OFF && s.waf_module);
		/* each address once with the options that nginx wants once */
		assert_int_equal(times(text, "default_server"), 2 + 2 * (*s.https != NULL));
		assert_int_equal(times(text, "set_real_ip_from"), s.proxies ? 2 : 0);
		assert_int_equal(times(text, "ssl_certificate \""), *s.https != NULL);
		assert_int_equal(times(text, "proxy_cache khien_static;"), s.cache);
		assert_int_equal(times(text, "return 308 https://"), s.hsts);
		out.n = 0;
		site_write_include(&s, &out);
		assert_balanced(buf_str(&out));
		assert_int_equal(times(buf_str(&out), "load_module") + times(buf_str(&out), "proxy_pass"), 0);
	}
	buf_free(&out);
}

/* What a visitor says of himself never reaches the site. */
static void visitor_says_nothing(void **state)
{
	struct buf out = { 0 };
	struct site s = plain();
	struct str text = written(&s, &out);
	assert_int_equal(times(text, "X-Forwarded-For $remote_addr;"), 1);
	assert_int_equal(times(text, "proxy_add_x_forwarded_for"), 0);
	assert_int_equal(times(text, "$http_x_forwarded_for"), 0);
	assert_int_equal(times(text, "$http_x_forwarded_proto"), 0);
	s.proxies = LIST("10.0.0.0/8");
	text = written(&s, &out);
	assert_int_equal(times(text, "$khien_proxied:$http_x_forwarded_proto"), 1);
	s.header = "CF-Connecting-IP";
	text = written(&s, &out);
	assert_int_equal(times(text, "real_ip_header CF-Connecting-IP;"), 1);
	assert_int_equal(times(text, "proxy_set_header CF-Connecting-IP $remote_addr;"), 1);
	buf_free(&out);
}

/* Each text, ended or turned into something else. */
static void hostile(void **state)
{
	static const char *const ends[] = { "\"", "'", "\n", ";", "{", "}", "$host", "\\", "\x7f", "\r", "\t#", "`" };
	for (size_t e = 0; e < ARRAY_LEN(ends); e++)
		for (size_t i = 0; i < 20; i++) {
			char text[64];
			struct site s = plain();
			struct err err = { 0 };
			const char *where = "", *const list[] = { text, NULL };
			const char **const texts[] = { &s.upstream,   &s.upstream_ca, &s.certificate, &s.key,
				                       &s.header,     &s.contact,     &s.folder,      &s.run,
				                       &s.log_socket, &s.access_log,  &s.module,      &s.waf_module,
				                       &s.key_file,   &s.lists,       &s.normal,      &s.waf_conf,
				                       &s.user };
			const char *const **const lists[] = { &s.names, &s.proxies, &s.exclusions };
			if (i == 1)
				s.upstream = "https://a.example";
			if (i < ARRAY_LEN(texts)) {
				snprintf(text, sizeof(text), "%s%s", *texts[i] ? *texts[i] : "/x", ends[e]);
				*texts[i] = text;
			} else {
				snprintf(text, sizeof(text), "10.0.0.1%s", ends[e]);
				*lists[i - ARRAY_LEN(texts)] = list;
			}
			if (!site_check(&s, &where, &err))
				fail_msg("text %zu took %s", i, ends[e]);
			assert_true(*err.text);
		}
}

static void refuses(void **state)
{
	static const struct {
		const char *where, *what;
		struct {
			const char *upstream, *http, *https, *name, *proxy, *header;
		} s;
	} cases[] = {
		{ "upstream", "without a path", { .upstream = "http://a/" } },
		{ "upstream", "no URL", { .upstream = "http://" } },
		{ "upstream", "no URL", { .upstream = "http://a:0" } },
		{ "upstream", "no URL", { .upstream = "http://a:65536" } },
		{ "upstream", "no URL", { .upstream = "http://a:" } },
		{ "upstream", "no URL", { .upstream = "http://[::1" } },
		{ "upstream", "no URL", { .upstream = "http://[::1]80" } },
		{ "upstream", "no URL", { .upstream = "http://[a.example]:80" } },
		{ "upstream", "no URL", { .upstream = "http://user@a" } },
		{ "upstream", "no URL", { .upstream = "unix:/x" } },
		{ "upstream", "is an address", { .upstream = "https://10.0.0.1" } },
		{ "upstream", "is an address", { .upstream = "https://[::1]:8443" } },
		{ "listen.http", "", { .http = "a:80" } },
		{ "listen.http", "", { .http = "127.0.0.1" } },
		{ "listen.http", "", { .http = "unix:/x" } },
		{ "listen.https", "twice", { .http = "127.0.0.1:80", .https = "127.0.0.1:80" } },
		{ "names", "no name", { .name = "a b" } },
		{ "names", "no name", { .name = "~^a" } },
		{ "names", "no name", { .name = "" } },
		{ "proxies", "everybody", { .proxy = "0.0.0.0/0" } },
		{ "proxies", "everybody", { .proxy = "::/0" } },
		{ "proxies", "no network", { .proxy = "10.0.0.0/33" } },
		{ "proxies", "no network", { .proxy = "unix:" } },
		{ "header", "gate.proxies", { .header = "proxy_protocol" } },
		{ "header", "no header", { .header = "X Y" } },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct site s = plain();
		struct err err = { 0 };
		const char *where = "";
		s.upstream = cases[i].s.upstream ? cases[i].s.upstream : s.upstream;
		s.http = cases[i].s.http ? LIST(cases[i].s.http) : s.http;
		s.https = cases[i].s.https ? LIST(cases[i].s.https) : s.https;
		s.names = cases[i].s.name ? LIST(cases[i].s.name) : s.names;
		s.proxies = cases[i].s.proxy ? LIST(cases[i].s.proxy) : s.proxies;
		s.header = cases[i].s.header;
		assert_int_equal(site_check(&s, &where, &err), -EINVAL);
		assert_string_equal(where, cases[i].where);
		if (!strstr(err.text, cases[i].what))
			fail_msg("%zu: %s", i, err.text);
	}
}

static void bounds(void **state)
{
	char path[200];
	const char *where = "";
	struct err err;
	struct site s = plain();
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	s.run = path;
	assert_int_equal(site_check(&s, &where, &err), -EINVAL);
	assert_string_equal(where, "data");
	for (unsigned i = 0; i < 6; i++) {
		s = plain();
		s.waf_level = i == 0 ? 0 : i == 1 ? 5 : 1;
		s.body_max = i == 2 ? 0 : 1;
		s.workers = i == 3 ? 65 : 1;
		s.connections = i == 4 ? 1 : 64;
		s.module = i == 5 ? NULL : s.module;
		assert_int_equal(site_check(&s, &where, &err), -EINVAL);
	}
	s = plain();
	s.http = s.https = none;
	assert_int_equal(site_check(&s, &where, &err), -EINVAL);
	s = plain();
	s.hsts = true;
	s.https = none;
	assert_int_equal(site_check(&s, &where, &err), -EINVAL);
	assert_string_equal(where, "tls.only");
}

/* A line leads back to the key that it comes from. */
static void keys(void **state)
{
	struct buf out = { 0 };
	struct site s = plain();
	s.names = LIST("a.example");
	s.contact = "028 3999 0000";
	static const char *const wanted[][2] = {
		{ "server 127.0.0.1:8480", "upstream" },
		{ "ssl_certificate \"", "tls.certificate" },
		{ "listen [::]:443", "listen.https" },
		{ "server_name a.example", "names" },
		{ "khien_contact", "contact" },
		{ "client_max_body_size 1000", "body_max" },
		{ "keepalive 128", "" },
	};
	const struct str text = written(&s, &out);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		const char *at = memmem(text.p, text.n, wanted[i][0], strlen(wanted[i][0]));
		unsigned line = 1;
		assert_non_null(at);
		for (const char *c = text.p; c < at; c++)
			line += *c == '\n';
		const struct str key = site_key(text, line);
		assert_true(str_eq(key, str_from(wanted[i][1])));
	}
	assert_int_equal(site_key(text, 100000).n, 0);
	assert_int_equal(site_key(text, 0).n, 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_together), cmocka_unit_test(visitor_says_nothing),
		cmocka_unit_test(hostile),        cmocka_unit_test(refuses),
		cmocka_unit_test(bounds),         cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
