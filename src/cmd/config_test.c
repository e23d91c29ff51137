#include "cmd/config_key.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/khien-config-XXXXXX", file[64];

/* Reads that text; what is wrong goes to said. */
static int read_text(struct config *c, const char *text, struct buf *said)
{
	FILE *f = fopen(file, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
	return config_read(c, file, said);
}

static void assert_read(struct config *c, const char *text)
{
	struct buf said = { 0 };
	int code = read_text(c, text, &said);
	if (code || said.n)
		fail_msg("%s\n-> %d " STR_FMT, text, code, STR_ARG(buf_str(&said)));
}

/* All that is said, without the file's name, has to be this. */
static void assert_says(const char *text, int code, const char *wanted)
{
	struct config c = { 0 };
	struct buf said = { 0 }, bare = { 0 };
	assert_int_equal(read_text(&c, text, &said), code);
	for (struct str left = buf_str(&said); left.n;) {
		size_t n = str_find(left, '\n') + 1;
		struct str line = str_sub(left, 0, n);
		if (str_starts(line, str_from(file)))
			line = str_sub(line, strlen(file) + 1, line.n);
		buf_add(&bare, line);
		left = str_sub(left, n, left.n);
	}
	buf_putc(&bare, '\0');
	assert_string_equal(bare.p, wanted);
	if (!code)
		config_done(&c);
	buf_free(&said), buf_free(&bare);
}

static void assert_list(const struct config_list *l, const char *wanted)
{
	char text[512] = "";
	size_t n = 0;
	for (size_t i = 0; i < l->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", l->at[i]);
	assert_string_equal(text, wanted);
	assert_null(l->n ? l->at[l->n] : NULL);
}

static void assert_defaults(const struct config_hub *h)
{
	assert_list(&h->https, "127.0.0.1:9200");
	assert_list(&h->http, "");
	assert_list(&h->syslog, "127.0.0.1:5514");
	assert_list(&h->syslog_tls, "127.0.0.1:6514");
	assert_list(&h->files, "");
	assert_false(h->plain);
	assert_true(h->journal);
	assert_int_equal(h->syslog_tls_clients, CONFIG_CLIENTS_CA);
	assert_int_equal(h->language, -1);
	assert_true(h->max_size == CONFIG_AUTO);
	assert_int_equal(h->min_free, 1000000000);
	assert_int_equal(h->n_ages, 1);
	assert_true(str_eq(h->ages[0].dataset, STR("*")));
	assert_int_equal(h->ages[0].days, 366);
}

static void defaults(void **state)
{
	static const char *const texts[] = { "",
		                             "# nothing\n",
		                             "hub:\n",
		                             "hub:\n  listen:\n  store:\n",
		                             "hub: {}\n",
		                             "---\n",
		                             "hub: { listen: { https: }, unit: ~ }\n" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct config c;
		assert_read(&c, texts[i]);
		assert_defaults(&c.hub);
		assert_string_equal(c.path, file);
		assert_list(&c.hub.rules, "");
		assert_true(c.hub.data[0] == '/' && c.hub.unit[0]);
		assert_in_range(c.hub.names.n, 3, 4);
		for (size_t n = 0; n < c.hub.names.n; n++)
			assert_true(pki_is_name(str_from(c.hub.names.at[n])));
		config_done(&c);
	}
}

/* Each key alone, given what is its default, comes to the default. */
static void each_default_is_itself(void **state)
{
	for (size_t i = 0; i < n_config_keys; i++) {
		struct buf text = { 0 };
		struct config c;
		const struct config_key *k = &config_keys[i];
		int indent = 0;
		assert_true(!k->fallback != !k->found);
		assert_non_null(k->help);
		if (!k->fallback)
			continue;
		for (const char *at = k->name, *dot; at; at = dot ? dot + 1 : NULL, indent += 2) {
			dot = strchr(at, '.');
			buf_printf(&text, "%*s%.*s:%s%s\n", indent, "", (int)strcspn(at, "."), at, dot ? "" : " ",
			           dot ? "" : k->fallback);
		}
		buf_putc(&text, '\0');
		assert_read(&c, text.p);
		assert_defaults(&c.hub);
		config_done(&c);
		buf_free(&text);
	}
}

/* The example says nothing as it is; with its keys uncommented it is a file that can be used. */
static void example(void **state)
{
	struct buf text = { 0 }, bare = { 0 };
	struct config c;
	size_t keys = 0;
	config_example(&text);
	buf_putc(&text, '\0');
	assert_read(&c, text.p);
	assert_defaults(&c.hub);
	config_done(&c);
	for (struct str left = buf_str(&text); left.n > 1;) {
		size_t n = str_find(left, '\n') + 1;
		struct str line = str_sub(left, 0, n);
		size_t hash = strspn(line.p, " ");
		assert_true(line.n <= 121);
		if (line.p[hash] == '#' && line.p[hash + 1] != ' ') {
			buf_add(&bare, str_sub(line, 0, hash));
			buf_add(&bare, str_sub(line, hash + 1, line.n));
			keys++;
		} else {
			buf_add(&bare, line);
		}
		left = str_sub(left, n, left.n);
	}
	buf_putc(&bare, '\0');
	assert_int_equal(keys, n_config_keys);
	/* but for folders, which a machine has or not */
	char *rules = strstr(bare.p, "[/usr/share/khien/rules]");
	assert_non_null(rules);
	memcpy(rules, "[/usr]                  ", 24);
	struct buf said = { 0 };
	assert_int_equal(read_text(&c, bare.p, &said), 0);
	assert_string_equal(c.hub.unit, "Benh vien A");
	assert_list(&c.hub.files, "/var/log/nginx/*.log");
	config_done(&c);
	buf_free(&text), buf_free(&bare), buf_free(&said);
}

static void everything(void **state)
{
	struct config c;
	assert_read(&c, "hub:\n"
	                "  data: /tmp/not/there/yet\n"
	                "  unit: 'Trạm y tế 3'\n"
	                "  rules: /etc\n"
	                "  language: vi\n"
	                "  files: [/var/log/*.log, '/etc/x[ab]']\n"
	                "  journal: false\n"
	                "  names: [hub.example, 10.0.0.7, '2001:db8::7']\n"
	                "  listen:\n"
	                "    https: [0.0.0.0:9200, '[::]:9201']\n"
	                "    http: ['127.1.2.3:80', '[::1]:81']\n"
	                "    syslog: []\n"
	                "    syslog_tls: 10.0.0.7:6514\n"
	                "    syslog_tls_clients: any\n"
	                "  store:\n"
	                "    max_size: 20 GiB\n"
	                "    min_free: 500MB\n"
	                "    retention:\n"
	                "      - { dataset: 'nginx.*', days: 0 }\n"
	                "      - dataset: auth\n"
	                "        days: 36525\n");
	const struct config_hub *h = &c.hub;
	assert_string_equal(h->data, "/tmp/not/there/yet");
	assert_string_equal(h->unit, "Trạm y tế 3");
	assert_list(&h->rules, "/etc");
	assert_list(&h->files, "/var/log/*.log /etc/x[ab]");
	assert_int_equal(h->language, 0);
	assert_false(h->journal);
	assert_list(&h->names, "hub.example 10.0.0.7 2001:db8::7");
	assert_list(&h->https, "0.0.0.0:9200 [::]:9201");
	assert_list(&h->http, "127.1.2.3:80 [::1]:81");
	assert_list(&h->syslog, "");
	assert_list(&h->syslog_tls, "10.0.0.7:6514");
	assert_int_equal(h->syslog_tls_clients, CONFIG_CLIENTS_ANY);
	assert_true(h->max_size == 20ull << 30);
	assert_int_equal(h->min_free, 500000000);
	assert_int_equal(h->n_ages, 2);
	assert_true(str_eq(h->ages[0].dataset, STR("nginx.*")) && h->ages[0].days == 0);
	assert_true(str_eq(h->ages[1].dataset, STR("auth")) && h->ages[1].days == 36525);
	config_done(&c);
}

static void wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "hubb:\n  unit: a\n", "1:1: unknown key 'hubb'; did you mean 'hub'?\n" },
		{ "hub:\n  listen:\n    htps: 127.0.0.1:1\n", "3:5: unknown key 'htps'; did you mean 'https'?\n" },
		{ "hub:\n  syslog_tls: []\n", "2:3: 'syslog_tls' doesn't belong here: it is hub.listen.syslog_tls\n" },
		{ "hub:\n  qqqqqqq: 1\n",
		  "2:3: unknown key 'qqqqqqq'; 'khien check --example' shows all that there are\n" },
		{ "hub:\n  listen: 9200\n", "2:11: 'listen' has keys of its own: they stand indented below it\n" },
		{ "[hub]\n", "1:1: sections are wanted here: write 'hub:' and its keys indented below it\n" },
		{ "hub:\n--- \nhub:\n", "3:1: a second document: this file has one\n" },
		{ "hub:\n  unit: a\n  unit: b\n", "3:3: this map already has the key 'unit'\n" },
		{ "hub:\n  journal: yes\n", "2:12: write true or false\n" },
		{ "hub:\n  language: [vi]\n", "2:13: write one of auto, vi, en, zh\n" },
		{ "hub:\n  unit: [a]\n", "2:9: one value is wanted here, not a list\n" },
		{ "hub:\n  unit: \"a\\eb\"\n",
		  "2:9: 'a\\x1bb': a name has 1 to 64 bytes, all visible, and no blank at its ends\n" },
		{ "hub:\n  data: hub\n", "2:9: 'hub' is no absolute path: it begins with '/'\n" },
		{ "hub:\n  data: /dev/null/hub\n",
		  "2:9: '/dev/null' is no folder: write one that is there, or that can be made\n" },
		{ "hub:\n  rules: [/etc, /etc/nosuch/rules]\n",
		  "2:17: there is no '/etc/nosuch/rules' (there is '/etc'): make it, or write one that is there\n" },
		{ "hub:\n  names: ['*.example']\n", "2:11: '*.example' is no host name and no address: write "
		                                    "'hub.example.vn' or '10.0.0.5'\n" },
		{ "hub:\n  names: [a, b, a]\n", "2:17: 'a' stands here twice\n" },
		{ "hub:\n  names: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]\n", "2:10: 17 entries: at most 16\n" },
		{ "hub:\n  store:\n    min_free: 5\n", "3:15: '5': a size is a whole number and B, kB, MB, GB or TB "
		                                       "(or KiB, MiB, GiB, TiB): write '10 GB'\n" },
		{ "hub:\n  store: { max_size: 20d }\n",
		  "2:22: '20d': a size is a whole number and B, kB, MB, GB or TB (or KiB, MiB, GiB, TiB): write '10 "
		  "GB' or auto\n" },
		{ "hub:\n  store: { max_size: 99999999 TB }\n", "2:22: '99999999 TB': a size is a whole number and B, "
		                                                "kB, MB, GB or TB (or KiB, MiB, GiB, TiB): write "
		                                                "'10 GB' or auto\n" },
		{ "hub:\n  store: { retention: 365 }\n",
		  "2:23: a list of up to 256 is wanted: write [{ dataset: \"*\", days: 366 }]\n" },
		{ "hub:\n  store: { retention: [{ dataset: a, day: 3 }] }\n",
		  "2:38: unknown key 'day'; did you mean 'days'?\n"
		  "2:24: days is missing: write { dataset: \"*\", days: 366 }\n" },
		{ "hub:\n  store: { retention: [{ dataset: '', days: -1 }] }\n",
		  "2:35: a dataset is a pattern of 1 to 64 bytes, as in \"nginx.*\"\n"
		  "2:45: days is a number from 0 (as long as there is room) to 36525\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_says(cases[i].text, -EINVAL, cases[i].says);
}

static void kiosk(void **state)
{
	static const char *const cases[][2] = {
		{ "database: mysql://x",
		  "2:13: 'mysql://x' is no database: write 'sqlite:/var/lib/khien/kiosk/store/kiosk.db' or "
		  "'postgresql://kiosk@/kiosk?host=/run/postgresql'\n" },
		{ "database: postgresql://k:secret@/kiosk",
		  "2:13: a password doesn't stand here: it comes from PGPASSWORD or ~/.pgpass\n" },
		{ "database: postgresql://k@/kiosk?password=x",
		  "2:13: a password doesn't stand here: it comes from PGPASSWORD or ~/.pgpass\n" },
		{ "proxies: [10.0.0.0/33]",
		  "2:13: '10.0.0.0/33' is no address and no network: write '10.0.0.5' or '10.0.0.0/8'\n" },
		{ "proxies: [10.0.0.0/]",
		  "2:13: '10.0.0.0/' is no address and no network: write '10.0.0.5' or '10.0.0.0/8'\n" },
		{ "hospital: { url: 'https://a@b/fhir' }",
		  "2:20: 'https://a@b/fhir' is no URL: write 'https://his.example.vn/fhir'\n" },
		{ "key_file: key", "2:13: 'key' is no absolute path: it begins with '/'\n" },
		{ "listen: { http: 0.0.0.0:80 }",
		  "2:19: http would listen on 0.0.0.0:80, where others are, without TLS: everyone on the way could "
		  "read patients' "
		  "names. Use https, or permit it: 'plain: true' under kiosk.listen\n" },
		{ "tls: { certificate: /a }",
		  "2:23: kiosk.tls.certificate and kiosk.tls.key belong together: write both, or neither\n" },
	};
	struct config c;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];
		snprintf(text, sizeof(text), "kiosk:\n  %s\n", cases[i][0]);
		assert_says(text, -EINVAL, cases[i][1]);
	}
	assert_read(&c, "kiosk:\n"
	                "  data: /tmp/not/there\n"
	                "  proxies: [10.0.0.0/8, '2001:db8::/32', 10.0.0.7]\n"
	                "  listen: { http: [], https: 0.0.0.0:443 }\n"
	                "  tls: { names: dangky.example.vn }\n"
	                "  standby: { peer: kiosk1.example.vn:8481, role: standby }\n"
	                "  hospital: { url: 'http://10.0.0.9:8080/fhir' }\n");
	assert_string_equal(c.kiosk.database, "sqlite:/tmp/not/there/store/kiosk.db");
	assert_string_equal(c.kiosk.key_file, "/tmp/not/there/key");
	assert_string_equal(c.kiosk.peer, "kiosk1.example.vn:8481");
	assert_string_equal(c.kiosk.hospital, "http://10.0.0.9:8080/fhir");
	assert_list(&c.kiosk.proxies, "10.0.0.0/8 2001:db8::/32 10.0.0.7");
	assert_list(&c.kiosk.http, "");
	assert_null(c.kiosk.standby_listen);
	assert_int_equal(c.kiosk.role, CONFIG_STANDBY);
	config_done(&c);
}

static void gate(void **state)
{
	static const char *const cases[][2] = {
		{ "upstream: http://10.0.0.7/portal",
		  "2:13: 'http://10.0.0.7/portal' is no URL of a site: write http:// or https://, a name or an "
		  "address, and "
		  "a port where it isn't the usual one, without a path: 'http://127.0.0.1:8480'\n" },
		{ "{ upstream: http://a, contact: 'call \"us\"' }",
		  "2:34: there is a \", which nginx would take for more than a character: write it without\n" },
		{ "{ upstream: http://a, tls: { only: true } }",
		  "2:38: everyone would be led to https, which nothing listens for: write listen.https\n" },
		{ "{ upstream: http://a, proxies: [10.0.0.0/8, 0.0.0.0/0] }",
		  "2:34: '0.0.0.0/0' is everybody: then each visitor could say who he is. Write the proxies' own "
		  "addresses\n" },
		{ "waf: { level: 5 }", "2:17: write one of 1, 2, 3, 4\n" },
		{ "mode: maybe", "2:9: write one of on, watch, off\n" },
	};
	struct config c;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];
		snprintf(text, sizeof(text), "gate:\n  %s\n", cases[i][0]);
		assert_says(text, -EINVAL, cases[i][1]);
	}
	assert_read(&c, "gate:\n"
	                "  data: /tmp/not/there\n"
	                "  upstream: https://his.example.vn\n"
	                "  listen: { http: ['0.0.0.0:80', '[::]:80'], https: '[::]:443' }\n"
	                "  waf: { mode: watch, level: 2, exclusions: kiosk }\n");
	assert_string_equal(c.gate.upstream, "https://his.example.vn");
	assert_string_equal(c.gate.header, "X-Forwarded-For");
	assert_list(&c.gate.http, "0.0.0.0:80 [::]:80");
	assert_list(&c.gate.https, "[::]:443");
	assert_list(&c.gate.exclusions, "kiosk");
	assert_int_equal(c.gate.mode, CONFIG_GATE_ON);
	assert_int_equal(c.gate.waf, CONFIG_GATE_WATCH);
	assert_int_equal(c.gate.waf_level, 2);
	assert_int_equal(c.gate.body_max, 10000000);
	assert_true(c.gate.cache);
	assert_null(c.gate.certificate);
	assert_int_equal(config_where(&c, "gate.upstream").line, 3);
	assert_int_equal(config_where(&c, "gate.upstream").column, 13);
	assert_int_equal(config_where(&c, "gate.waf.level").column, 30);
	assert_int_equal(config_where(&c, "gate.names").line, 0);
	assert_int_equal(config_where(&c, "gate.nothing").line, 0);
	config_done(&c);
}

static void wrong_addresses(void **state)
{
	static const char *const cases[][2] = {
		{ "10.0.0.5", "'10.0.0.5' has no port: write '10.0.0.5:9200'" },
		{ "[::1]", "'[::1]' has no port: write '[::1]:9200'" },
		{ "::1:9200", "'::1:9200': an IPv6 address stands in brackets: write '[::1]:9200'" },
		{ "127.0.0.1:0", "'127.0.0.1:0': a port is a number from 1 to 65535" },
		{ "127.0.0.1:70000", "'127.0.0.1:70000': a port is a number from 1 to 65535" },
		{ "localhost:9200", "'localhost:9200' is no address with a port: write '127.0.0.1:9200', or "
		                    "'0.0.0.0:9200' for all addresses of this machine" },
		{ "127.0.0.1:", "'127.0.0.1:' is no address with a port: write '127.0.0.1:9200', or '0.0.0.0:9200' for "
		                "all addresses of this machine" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[128], says[256];
		snprintf(text, sizeof(text), "hub:\n  listen:\n    https: '%s'\n", cases[i][0]);
		snprintf(says, sizeof(says), "3:12: %s\n", cases[i][1]);
		assert_says(text, -EINVAL, says);
	}
}

#define NOT_PLAIN(name, at, instead)                                                                                   \
	name " would listen on " at ", where others are, without TLS: everyone on the way could read logs and forge "  \
	     "them. Use " instead ", or permit it: 'plain: true' under hub.listen\n"

static void plain_text(void **state)
{
	struct config c;
	struct err err;
	assert_says("hub:\n  listen:\n    syslog: [127.0.0.1:514, 0.0.0.0:514]\n    http: 10.0.0.1:80\n", -EINVAL,
	            "4:11: " NOT_PLAIN("http", "10.0.0.1:80", "https") "3:29: " NOT_PLAIN("syslog", "0.0.0.0:514",
	                                                                                  "syslog_tls"));
	assert_says("hub:\n  listen:\n    syslog: '[::ffff:10.0.0.1]:514'\n", -EINVAL,
	            "3:13: " NOT_PLAIN("syslog", "[::ffff:10.0.0.1]:514", "syslog_tls"));
	assert_read(&c, "hub:\n  listen:\n    plain: true\n    syslog: [0.0.0.0:514]\n");
	assert_int_equal(config_permits(&c.hub, &err), 0);
	c.hub.plain = false;
	assert_int_equal(config_permits(&c.hub, &err), -EPERM);
	config_done(&c);
}

static void between_keys(void **state)
{
	struct config c;
	assert_says("hub: { listen: { http: '127.0.0.1:9200' } }\n", -EINVAL,
	            "1:24: hub.listen.https already has '127.0.0.1:9200': each listens on a port of its own\n");
	assert_says("hub: { listen: { https: '0.0.0.0:9200' } }\n", 0,
	            "1:25: others reach '0.0.0.0:9200' under a name that its certificate lacks: write it under "
	            "hub.names (warning)\n");
	assert_says("hub: { files: [/nosuch/dir/*.log] }\n", 0,
	            "1:16: there is no folder '/nosuch/dir/': nothing is followed there until it comes (warning)\n");
	/* what is listened on is among the names */
	assert_read(&c, "hub: { listen: { https: '10.1.2.3:9200', syslog_tls: ['[2001:db8::7]:1', '10.1.2.3:1'] } }\n");
	size_t n = c.hub.names.n;
	assert_string_equal(c.hub.names.at[n - 2], "10.1.2.3");
	assert_string_equal(c.hub.names.at[n - 1], "2001:db8::7");
	config_done(&c);
}

/* One reading tells all that is wrong, but not without end. */
static void all_at_once(void **state)
{
	struct buf text = { 0 }, said = { 0 };
	struct config c;
	unsigned lines = 0;
	assert_says("hub:\n  unti: a\n  journal: 1\n  listen: { http: x, syslog: '0.0.0.0:514' }\n", -EINVAL,
	            "2:3: unknown key 'unti'; did you mean 'unit'?\n"
	            "3:12: write true or false\n"
	            "4:19: 'x' has no port: write 'x:9200'\n"
	            "4:30: " NOT_PLAIN("syslog", "0.0.0.0:514", "syslog_tls"));
	buf_add(&text, STR("hub:\n"));
	for (int i = 0; i < 300; i++)
		buf_printf(&text, "  key%d: 1\n", i);
	buf_putc(&text, '\0');
	assert_int_equal(read_text(&c, text.p, &said), -EINVAL);
	for (size_t i = 0; i < said.n; i++)
		lines += said.p[i] == '\n';
	assert_int_equal(lines, 101);
	assert_true(str_ends(buf_str(&said), STR("and 200 more\n")));
	buf_free(&text), buf_free(&said);
}

static void files_that_are_none(void **state)
{
	struct config c;
	struct buf said = { 0 };
	assert_int_equal(config_read(&c, "/nonexistent/khien.yaml", &said), -ENOENT);
	assert_true(str_starts(buf_str(&said), STR("/nonexistent/khien.yaml: No such file")));
	assert_int_equal(config_read(&c, "/dev/zero", &said), -EFBIG);
	assert_int_equal(config_read(&c, folder, &said), -EFBIG);
	assert_int_equal(read_text(&c, "hub:\n  unit: \xff\n", &said), -EINVAL);
	assert_int_equal(read_text(&c, "hub: *a\n", &said), -EINVAL);
	assert_int_equal(read_text(&c, "hub: &a { unit: *a }\n", &said), -EINVAL);
	assert_int_equal(truncate(file, (1 << 20) + 1), 0);
	assert_int_equal(config_read(&c, file, &said), -EFBIG);
	buf_free(&said);
}

static void limits(void **state)
{
	struct event_limits l;
	struct config c;
	assert_read(&c, "hub: { data: /tmp/not/there/yet, store: { max_size: 5 kB } }\n");
	assert_int_equal(config_limits(&c.hub, &l, NULL), 0);
	assert_true(l.max_bytes == 5000 && l.min_free == 1000000000 && l.n_ages == 1 && l.ages == c.hub.ages);
	config_done(&c);
	assert_read(&c, "hub: { data: /tmp/not/there/yet }\n");
	assert_int_equal(config_limits(&c.hub, &l, NULL), 0);
	assert_true(l.max_bytes > 1 << 20 && l.max_bytes != CONFIG_AUTO);
	config_done(&c);
}

static int setup(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/khien.yaml", folder);
	return 0;
}

static int teardown(void **state)
{
	unlink(file);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),    cmocka_unit_test(each_default_is_itself),
		cmocka_unit_test(example),     cmocka_unit_test(everything),
		cmocka_unit_test(wrong),       cmocka_unit_test(kiosk),
		cmocka_unit_test(gate),        cmocka_unit_test(wrong_addresses),
		cmocka_unit_test(plain_text),  cmocka_unit_test(between_keys),
		cmocka_unit_test(all_at_once), cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
