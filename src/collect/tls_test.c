/* Syslog over TLS with a CA, certificates and clients made here: who gets in, under which name, and who doesn't. */
#include "base/buf.h"
#include "collect/taker_test.h"
#include "os/sandbox.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

struct identity { /* PEM */
	gnutls_datum_t certificate, key;
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t private;
};

static struct identity ca, other_ca, server, renewed, client, stale, stranger, for_servers, weak, strong, odd, post;
static struct got *g;
static struct listener *l;
static unsigned short port;

/* --- certificates --- */

static void must(int code)
{
	if (code < 0)
		fail_msg("%s", gnutls_strerror(code));
}

/* use NULL: a CA. Valid from now + begins to now + ends, in seconds. rsa: bits; 0: ECDSA on P-256. */
static struct identity issue_to(const char *unit, const char *name, size_t n, const struct identity *by,
                                const char *use, long begins, long ends, unsigned rsa)
{
	static unsigned char serial[4];
	struct identity p = { 0 };
	serial[3]++;
	must(gnutls_x509_privkey_init(&p.private));
	if (rsa)
		must(gnutls_x509_privkey_generate(p.private, GNUTLS_PK_RSA, rsa, 0));
	else
		must(gnutls_x509_privkey_generate(p.private, GNUTLS_PK_ECDSA,
		                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	must(gnutls_x509_crt_init(&p.crt));
	must(gnutls_x509_crt_set_version(p.crt, 3));
	must(gnutls_x509_crt_set_serial(p.crt, serial, sizeof(serial)));
	must(gnutls_x509_crt_set_key(p.crt, p.private));
	must(gnutls_x509_crt_set_dn_by_oid(p.crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)n));
	if (unit)
		must(gnutls_x509_crt_set_dn_by_oid(p.crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, unit,
		                                   (unsigned)strlen(unit)));
	must(gnutls_x509_crt_set_activation_time(p.crt, time(NULL) + begins));
	must(gnutls_x509_crt_set_expiration_time(p.crt, time(NULL) + ends));
	must(gnutls_x509_crt_set_basic_constraints(p.crt, use == NULL, -1));
	if (use)
		must(gnutls_x509_crt_set_key_purpose_oid(p.crt, use, 0));
	else
		must(gnutls_x509_crt_set_key_usage(p.crt, GNUTLS_KEY_KEY_CERT_SIGN));
	must(gnutls_x509_crt_sign2(p.crt, by ? by->crt : p.crt, by ? by->private : p.private, GNUTLS_DIG_SHA256, 0));
	must(gnutls_x509_crt_export2(p.crt, GNUTLS_X509_FMT_PEM, &p.certificate));
	must(gnutls_x509_privkey_export2(p.private, GNUTLS_X509_FMT_PEM, &p.key));
	return p;
}

static struct identity issue(const char *name, size_t n, const struct identity *by, const char *use, long begins,
                             long ends, unsigned rsa)
{
	return issue_to(NULL, name, n, by, use, begins, ends, rsa);
}

static void discard(struct identity *p)
{
	gnutls_x509_crt_deinit(p->crt);
	gnutls_x509_privkey_deinit(p->private);
	gnutls_free(p->certificate.data);
	gnutls_free(p->key.data);
}

static struct str pem(const gnutls_datum_t *d)
{
	return (struct str){ (char *)d->data, d->size };
}

static int make_certificates(void **state)
{
	const long day = 86400;
	const char *const us = GNUTLS_KP_TLS_WWW_SERVER, *const them = GNUTLS_KP_TLS_WWW_CLIENT;
	ca = issue("CA", 2, NULL, NULL, -day, day, 0);
	other_ca = issue("CA", 2, NULL, NULL, -day, day, 0);
	server = issue("hub", 3, &ca, us, -day, day, 0);
	renewed = issue("hub anew", 8, &ca, us, -day, day, 0);
	client = issue("web1", 4, &ca, them, -day, day, 0);
	stale = issue("web1", 4, &ca, them, -2 * day, -day, 0);
	stranger = issue("web1", 4, &other_ca, them, -day, day, 0);
	for_servers = issue("web1", 4, &ca, us, -day, day, 0);
	weak = issue("web1", 4, &ca, them, -day, day, 1024);
	strong = issue("web2", 4, &ca, them, -day, day, 2048);
	odd = issue("a\n\x1b[2Jb (10.0.0.1) \xe1\xbb\x87", 22, &ca, them, -day, day, 0);
	post = issue_to("a clinic", "web1", 4, &ca, them, -day, day, 0);
	return 0;
}

static int discard_certificates(void **state)
{
	struct identity *all[] = { &ca,       &other_ca,    &server, &renewed, &client, &stale,
		                   &stranger, &for_servers, &weak,   &strong,  &odd,    &post };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		discard(all[i]);
	return 0;
}

/* --- the listener --- */

static struct listener_tls tls_config(const struct identity *own)
{
	return (struct listener_tls){ .certificate = pem(&own->certificate),
		                      .key = pem(&own->key),
		                      .ca = pem(&ca.certificate) };
}

static int try_listen(const struct listener_tls *tls, struct err *err)
{
	const struct listener_config config = {
		.kind = OPENER_TLS,
		.fd = bound(SOCK_STREAM, &port),
		.name = "here",
		.taker = &g->taker,
		.loop = g->loop,
		.clock = &g->clock,
		.tls = tls,
	};
	return listener_new(&l, &config, err);
}

static void listen_here(const struct listener_tls *tls)
{
	struct err err = { 0 };
	if (try_listen(tls, &err))
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	g = got_new();
	return 0;
}

static int teardown(void **state)
{
	listener_free(l);
	l = NULL;
	got_free(g);
	return 0;
}

/* --- clients: a process each --- */

enum { CLIENT_OK, CLIENT_HANDSHAKE, CLIENT_SEND, CLIENT_TURNED_AWAY, CLIENT_OTHER };
static const char modern[] = "NORMAL";
static const char tls12[] = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
static const char tls11[] = "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT";

/* Its exit status. Sends all, in pieces of `piece` bytes, says good-bye unless `rude`, and waits for the other's. */
static int run_client(const struct identity *who, const char *priorities, struct str bytes, size_t piece, bool rude,
                      const char *wanted_server)
{
	gnutls_certificate_credentials_t c;
	gnutls_session_t s;
	int fd = connected(SOCK_STREAM, 1, port), code;
	char buf[256];
	gnutls_certificate_allocate_credentials(&c);
	if (who)
		gnutls_certificate_set_x509_key_mem(c, &who->certificate, &who->key, GNUTLS_X509_FMT_PEM);
	gnutls_init(&s, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT);
	if (gnutls_priority_set_direct(s, priorities, NULL))
		return CLIENT_OTHER;
	gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c);
	gnutls_transport_set_int(s, fd);
	do
		code = gnutls_handshake(s);
	while (code < 0 && !gnutls_error_is_fatal(code));
	if (code < 0)
		return CLIENT_HANDSHAKE;
	if (wanted_server) {
		gnutls_x509_crt_t crt;
		unsigned n;
		size_t size = sizeof(buf);
		const gnutls_datum_t *chain = gnutls_certificate_get_peers(s, &n);
		gnutls_x509_crt_init(&crt);
		gnutls_x509_crt_import(crt, chain, GNUTLS_X509_FMT_DER);
		gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, buf, &size);
		if (strcmp(buf, wanted_server) != 0)
			return CLIENT_OTHER;
	}
	while (bytes.n) {
		ssize_t n = gnutls_record_send(s, bytes.p, bytes.n < piece ? bytes.n : piece);
		if (n < 0 && gnutls_error_is_fatal((int)n))
			return CLIENT_SEND;
		bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.n);
	}
	if (rude)
		return CLIENT_OK;
	gnutls_bye(s, GNUTLS_SHUT_WR);
	ssize_t n = gnutls_record_recv(s, buf, sizeof(buf));
	return n == 0 ? CLIENT_OK : CLIENT_TURNED_AWAY;
}

static pid_t start_client(const struct identity *who, const char *priorities, struct str bytes, size_t piece, bool rude,
                          const char *wanted_server)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(run_client(who, priorities, bytes, piece, rude, wanted_server));
	return pid;
}

/* Lets it work until the client ends: its status. */
static int finish(pid_t pid)
{
	int status = 0;
	for (int i = 0; i < 2000 * got_slow(); i++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			pump(g, SIZE_MAX, 20);
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		pump(g, SIZE_MAX, 5);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static int client_is(const struct identity *who, const char *priorities, const char *text)
{
	return finish(start_client(who, priorities, str_from(text), 1 << 14, false, NULL));
}

/* --- tests --- */

static void test_good(void **state)
{
	static const char *const versions[] = { modern, tls12 };
	const struct listener_tls tls = tls_config(&server);
	listen_here(&tls);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		assert_int_equal(client_is(&client, versions[i], "7 <13>one7 <13>two"), CLIENT_OK);
		assert_int_equal(g->n, 2);
		assert_string_equal(g->at[0].text, "<13>one");
		assert_string_equal(g->at[1].text, "<13>two");
		assert_string_equal(g->at[0].sender->name, "syslog-tls web1 (127.0.0.1)");
		got_reset(g);
		/* as some send it: by line */
		assert_int_equal(client_is(&client, versions[i], "<13>one\n<13>two\n<13>three"), CLIENT_OK);
		assert_int_equal(g->n, 3);
		got_reset(g);
	}
	assert_int_equal(client_is(&strong, tls12, "7 <13>one"), CLIENT_OK);
	assert_string_equal(g->at[0].sender->name, "syslog-tls web2 (127.0.0.1)");
	got_reset(g);
	/* a record a byte */
	pid_t pid = start_client(&client, modern, STR("7 <13>one10 <13>two\nx.7 <13>two"), 1, false, NULL);
	assert_int_equal(finish(pid), CLIENT_OK);
	assert_int_equal(g->n, 3);
	assert_string_equal(g->at[1].text, "<13>two x.");
	assert_int_equal(listener_counts(l).denied, 0);
	assert_int_equal(listener_counts(l).accepted, 6);
	assert_int_equal(listener_counts(l).connections, 0);
	assert_int_equal(listener_counts(l).handshakes, 0);
}

/* Turned away, told why, and not a byte of theirs is used. */
static void test_bad(void **state)
{
	const struct {
		const struct identity *who;
		const char *priorities, *why;
	} cases[] = {
		{ NULL, modern, "ertificate" },       { NULL, tls12, "ertificate" },
		{ &stale, modern, "expired" },        { &stale, tls12, "expired" },
		{ &stranger, modern, "NOT trusted" }, { &stranger, tls12, "NOT trusted" },
		{ &post, modern, "a post's" },        { &post, tls12, "a post's" },
		{ &for_servers, modern, "purpose" },  { &client, tls11, "" },
	};
	const struct listener_tls tls = tls_config(&server);
	listen_here(&tls);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		later(g, 60LL * CLOCK_S); /* each is told */
		assert_int_not_equal(client_is(cases[i].who, cases[i].priorities, "7 <13>one"), CLIENT_OK);
		assert_int_equal(listener_counts(l).denied, i + 1);
		assert_int_equal(g->notes[NOTE_TURNED_AWAY], i + 1);
		assert_string_equal(g->note_a, "syslog-tls 127.0.0.1");
		if (!strstr(g->note_b, cases[i].why))
			fail_msg("case %zu: %s", i, g->note_b);
	}
	assert_int_equal(g->n, 0);
	assert_int_equal(listener_counts(l).accepted, 0);
	assert_int_equal(listener_counts(l).connections, 0);
	/* one a while is told, all are counted */
	client_is(NULL, modern, "");
	client_is(NULL, modern, "");
	assert_int_equal(g->notes[NOTE_TURNED_AWAY], ARRAY_LEN(cases));
	assert_int_equal(listener_counts(l).denied, ARRAY_LEN(cases) + 2);
	assert_int_equal(client_is(&client, modern, "7 <13>one"), CLIENT_OK);
	assert_int_equal(g->n, 1);
}

static void test_any(void **state)
{
	struct listener_tls tls = tls_config(&server);
	tls.any = true;
	tls.ca = (struct str){ 0 };
	listen_here(&tls);
	assert_int_equal(client_is(NULL, modern, "7 <13>one"), CLIENT_OK);
	assert_int_equal(client_is(&stranger, tls12, "7 <13>two"), CLIENT_OK); /* its name is worth nothing */
	assert_int_equal(g->n, 2);
	assert_string_equal(g->at[0].sender->name, "syslog-tls 127.0.0.1");
	assert_string_equal(g->at[1].sender->name, "syslog-tls 127.0.0.1");
}

static void test_configuration(void **state)
{
	const struct listener_tls good = tls_config(&server);
	struct listener_tls tls = good;
	struct err err;
	tls.ca = STR("");
	assert_int_equal(try_listen(&tls, &err), -EINVAL);
	assert_non_null(strstr(err.text, "CA"));
	tls = good;
	tls.key = pem(&client.key);
	assert_int_equal(try_listen(&tls, &err), -EINVAL);
	tls.key = STR("nonsense");
	assert_int_equal(try_listen(&tls, &err), -EINVAL);
	assert_int_equal(try_listen(NULL, &err), -EINVAL);
}

static void test_odd_name(void **state)
{
	const struct listener_tls tls = tls_config(&server);
	listen_here(&tls);
	assert_int_equal(client_is(&odd, modern, "7 <13>one"), CLIENT_OK);
	assert_string_equal(g->at[0].sender->name, "syslog-tls a??[2Jb (10.0.0.1) \xe1\xbb\x87 (127.0.0.1)");
}

/* What isn't TLS at all. */
static void test_garbage(void **state)
{
	const struct listener_tls tls = tls_config(&server);
	listen_here(&tls);
	static const char *const texts[] = { "<13>1 2026-03-01T10:00:00Z web1 app - - - plain\n",
		                             "\x16\x03\x01\xff\xff", "\x16\x03\x01\x01\x01\x01\x00\x00\xfd\x03\x03" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		int fd = connected(SOCK_STREAM, 1, port);
		say(fd, texts[i]);
		shutdown(fd, SHUT_WR);
		pump(g, SIZE_MAX, 30);
		assert_int_equal(listener_counts(l).denied, i + 1);
		close(fd);
	}
	uint32_t x = 7;
	char bytes[4096];
	for (int k = 0; k < 30; k++) {
		int fd = connected(SOCK_STREAM, 1, port);
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
		memcpy(bytes, "\x16\x03\x01\x0f\xfb\x01", (size_t)(k % 7));
		assert_true(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
		shutdown(fd, SHUT_WR);
		pump(g, SIZE_MAX, 10);
		close(fd);
	}
	pump(g, SIZE_MAX, 30);
	assert_int_equal(listener_counts(l).denied, ARRAY_LEN(texts) + 30);
	assert_int_equal(listener_counts(l).connections, 0);
	assert_int_equal(client_is(&client, modern, "7 <13>one"), CLIENT_OK);
	assert_int_equal(g->n, 1);
}

/* Who connects and says nothing, or a byte now and then, keeps others out for two seconds at most. */
static void test_silent(void **state)
{
	struct listener_tls tls = tls_config(&server);
	int fd[5];
	tls.max_handshakes = 4;
	listen_here(&tls);
	fd[0] = connected(SOCK_STREAM, 2, port);
	pump(g, SIZE_MAX, 20);
	assert_int_equal(listener_counts(l).handshakes, 1);
	later(g, 9LL * CLOCK_S);
	say(fd[0], "\x16");
	pump(g, SIZE_MAX, 20);
	assert_int_equal(listener_tick(l), 0);
	assert_int_equal(listener_counts(l).handshakes, 1);
	later(g, 2LL * CLOCK_S); /* however many bytes came */
	assert_int_equal(listener_tick(l), 0);
	assert_int_equal(listener_counts(l).handshakes, 0);
	assert_int_equal(listener_counts(l).denied, 1);
	assert_non_null(strstr(g->note_b, "too long"));
	fd[1] = connected(SOCK_STREAM, 2, port);
	pump(g, SIZE_MAX, 20);
	fd[2] = connected(SOCK_STREAM, 2, port); /* a quarter of four is one */
	pump(g, SIZE_MAX, 20);
	assert_int_equal(listener_counts(l).refused, 1);
	close(fd[2]);
	for (unsigned char i = 2; i < 5; i++)
		fd[i] = connected(SOCK_STREAM, (unsigned char)(i + 1), port);
	pump(g, SIZE_MAX, 20);
	assert_int_equal(listener_counts(l).handshakes, 4);
	pid_t pid = start_client(&client, modern, STR("7 <13>one"), 100, false, NULL);
	pump(g, SIZE_MAX, 200);
	assert_int_equal(listener_tick(l), 0);
	assert_int_equal(g->n, 0); /* it waits outside */
	later(g, 3LL * CLOCK_S);
	assert_int_equal(listener_tick(l), 0);
	assert_int_equal(finish(pid), CLIENT_OK);
	assert_int_equal(g->n, 1);
	for (int i = 0; i < 5; i++)
		if (i != 2)
			close(fd[i]);
}

/* An end that was not said, in the middle of a message, is no end of it. */
static void test_truncated(void **state)
{
	const struct listener_tls tls = tls_config(&server);
	listen_here(&tls);
	pid_t pid = start_client(&client, modern, STR("7 <13>one100 <13>the rest of this"), 1000, true, NULL);
	assert_int_equal(finish(pid), CLIENT_OK);
	assert_int_equal(g->n, 1);
	assert_int_equal(listener_counts(l).lost, 1);
	assert_int_equal(listener_counts(l).connections, 0);
}

/* Much more than fits anywhere, with room for one batch at a time: all of it comes, in order. */
static void test_waits_for_room(void **state)
{
	enum { LINES = 8000 };
	const struct listener_tls tls = tls_config(&server);
	char line[256];
	struct buf all = { 0 };
	listen_here(&tls);
	for (int i = 0; i < LINES; i++) {
		int n = snprintf(line, sizeof(line), "<13>%0200d", i);
		buf_printf(&all, "%d %s", n, line);
	}
	g->room = 0;
	pid_t pid = start_client(&client, modern, buf_str(&all), 1 << 14, false, NULL);
	for (int i = 0; i < 5000 && g->n < LINES; i++) {
		pump(g, SIZE_MAX, i ? 1 : 200);
		if (!i)
			assert_int_equal(g->refusals, 1);
		g->room = 1;
		assert_int_equal(listener_room(l), 0);
	}
	assert_int_equal(finish(pid), CLIENT_OK);
	assert_int_equal(g->n, LINES);
	for (int i = 0; i < LINES; i++)
		assert_int_equal(strtol(g->at[i].text + 4, NULL, 10), i);
	buf_free(&all);
}

static void test_renewed(void **state)
{
	struct listener_tls tls = tls_config(&server);
	struct err err;
	struct buf long_one = { 0 };
	listen_here(&tls);
	for (int i = 0; i < 20000; i++)
		buf_add(&long_one, STR("7 <13>one"));
	g->room = 0; /* it is in the middle of it */
	pid_t pid = start_client(&client, modern, buf_str(&long_one), 500, false, "hub");
	struct listener_counts counts = { 0 };
	for (int i = 0; i < 1000 * got_slow() && (!counts.accepted || counts.handshakes); i++) {
		pump(g, SIZE_MAX, 10);
		counts = listener_counts(l);
	}
	assert_int_equal(counts.connections, 1);
	tls.key = STR("nonsense");
	assert_int_equal(listener_renew(l, &tls, &err), -EINVAL);
	tls = tls_config(&renewed);
	assert_int_equal(listener_renew(l, &tls, &err), 0);
	g->room = INT_MAX;
	assert_int_equal(listener_room(l), 0);
	assert_int_equal(finish(pid), CLIENT_OK);
	assert_int_equal(g->n, 20000);
	got_reset(g);
	pid = start_client(&client, modern, STR("7 <13>two"), 500, false, "hub anew");
	assert_int_equal(finish(pid), CLIENT_OK);
	assert_int_equal(g->n, 1);
	buf_free(&long_one);
}

/* Once it listens it needs no more than the sandbox leaves: no file, no socket of its own. */
static void test_in_the_sandbox(void **state)
{
	const struct listener_tls tls = tls_config(&server);
	const struct sandbox_config config = { .user = "nobody", .may = SANDBOX_SERVE };
	static const char *const versions[] = { modern, tls12 };
	int status;
	listen_here(&tls);
	pid_t pid = fork();
	if (pid == 0) {
		struct sandbox *s;
		struct sandbox_report report;
		if (sandbox_init(&s, &config, NULL))
			_exit(1);
		sandbox_enter(s, &report);
		g->wanted = 4;
		g->until = clock_monotonic(&clock_system) + 20LL * got_slow() * CLOCK_S;
		loop_run(g->loop);
		_exit(g->n == 4 && g->notes[NOTE_TURNED_AWAY] ? 0 : 2);
	}
	/* one after the other, each to its end; their good-bye is not waited for, as the last one ends the server */
	waitpid(start_client(&stale, modern, STR("7 <13>one"), 100, false, NULL), &status, 0);
	assert_int_not_equal(status, CLIENT_OK);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		waitpid(start_client(&client, versions[i], STR("7 <13>one7 <13>two"), 100, true, NULL), &status, 0);
		assert_int_equal(status, CLIENT_OK);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_good),
		TEST(test_bad),
		TEST(test_any),
		TEST(test_garbage),
		TEST(test_odd_name),
		TEST(test_configuration),
		TEST(test_silent),
		TEST(test_truncated),
		TEST(test_waits_for_room),
		TEST(test_renewed),
		TEST(test_in_the_sandbox),
	};
	return cmocka_run_group_tests(tests, make_certificates, discard_certificates);
}
