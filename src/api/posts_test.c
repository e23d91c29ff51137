/* Posts by their certificates: who is one, what they ask, how long they are held, and that one is none any more. */
#include "api/request.h"
#include "api/server_test.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <time.h>

struct made {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

struct about {
	const char *dn, *purpose; /* purpose NULL: a CA */
	char serial;
	int days;
};

static struct made make(const struct made *by, struct about a)
{
	struct made m;
	gnutls_x509_privkey_init(&m.key);
	gnutls_x509_crt_init(&m.crt);
	assert_int_equal(gnutls_x509_privkey_generate(m.key, GNUTLS_PK_ECDSA,
	                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
	                 0);
	gnutls_x509_crt_set_version(m.crt, 3);
	gnutls_x509_crt_set_serial(m.crt, &a.serial, 1);
	gnutls_x509_crt_set_activation_time(m.crt, time(NULL) - 3 * 86400);
	gnutls_x509_crt_set_expiration_time(m.crt, time(NULL) + a.days * 86400);
	assert_int_equal(gnutls_x509_crt_set_dn(m.crt, a.dn, NULL), 0);
	gnutls_x509_crt_set_key(m.crt, m.key);
	gnutls_x509_crt_set_basic_constraints(m.crt, !a.purpose, -1);
	if (a.purpose)
		gnutls_x509_crt_set_key_purpose_oid(m.crt, a.purpose, 0);
	if (!a.purpose)
		gnutls_x509_crt_set_key_usage(m.crt, GNUTLS_KEY_KEY_CERT_SIGN);
	assert_int_equal(gnutls_x509_crt_sign2(m.crt, by ? by->crt : m.crt, by ? by->key : m.key, GNUTLS_DIG_SHA256, 0),
	                 0);
	return m;
}

static void made_done(struct made *m)
{
	gnutls_x509_crt_deinit(m->crt);
	gnutls_x509_privkey_deinit(m->key);
}

static void add_pem(const struct made *m, struct buf *crt, struct buf *key)
{
	gnutls_datum_t out;
	gnutls_x509_crt_export2(m->crt, GNUTLS_X509_FMT_PEM, &out);
	buf_add(crt, (struct str){ (char *)out.data, out.size });
	gnutls_free(out.data);
	if (!key)
		return;
	gnutls_x509_privkey_export2(m->key, GNUTLS_X509_FMT_PEM, &out);
	buf_add(key, (struct str){ (char *)out.data, out.size });
	gnutls_free(out.data);
}

/* --- the hub, and a client in the same thread --- */

static struct hub {
	struct server s;
	struct made ca, server;
	bool revoked;
	uint64_t order; /* the number of one that waits; 0: none */
	struct api_question *asked;
	struct buf chain, key, ca_pem;
	int who;
} hub;

static struct sender *who(void *arg, struct str name, struct str unit, struct str serial)
{
	hub.who++;
	return !hub.revoked && str_eq(name, STR("web1")) && str_eq(unit, STR("a clinic")) && str_eq(serial, STR("07"))
	               ? &hub.s.sender
	               : NULL;
}

static void keep_question(void *arg, struct api_question *q)
{
	assert_null(hub.asked);
	hub.asked = q;
}

static size_t orders(void *arg, struct str post, uint64_t after, struct buf *out)
{
	assert_true(str_eq(post, STR("web1")));
	if (hub.order <= after)
		return 0;
	if (out)
		buf_printf(out, "{\"number\":%llu}", (unsigned long long)hub.order);
	return 1;
}

struct client {
	gnutls_certificate_credentials_t trust;
	gnutls_session_t t;
	int fd;
	struct buf in;
	bool closed;
};

static void connect_as(struct client *c, const struct made *as)
{
	*c = (struct client){ 0 };
	gnutls_certificate_allocate_credentials(&c->trust);
	gnutls_certificate_set_x509_trust(c->trust, &hub.ca.crt, 1);
	gnutls_certificate_set_flags(c->trust, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
	struct made m = as ? *as : (struct made){ 0 };
	if (as)
		assert_int_equal(gnutls_certificate_set_x509_key(c->trust, &m.crt, 1, m.key), 0);
	gnutls_init(&c->t, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_FORCE_CLIENT_CERT);
	gnutls_set_default_priority(c->t);
	gnutls_credentials_set(c->t, GNUTLS_CRD_CERTIFICATE, c->trust);
	c->fd = dial(&hub.s);
	gnutls_transport_set_int(c->t, c->fd);
	int r = GNUTLS_E_AGAIN;
	for (int i = 0; i < 500 && r < 0 && !gnutls_error_is_fatal(r); i++) {
		r = gnutls_handshake(c->t);
		run_for(&hub.s, 1);
	}
	assert_int_equal(r, 0);
}

static void client_done(struct client *c)
{
	gnutls_deinit(c->t);
	gnutls_certificate_free_credentials(c->trust);
	close(c->fd);
	buf_free(&c->in);
	run_for(&hub.s, 0);
}

static void say(struct client *c, const char *request)
{
	assert_int_equal(gnutls_record_send(c->t, request, strlen(request)), strlen(request));
	run_for(&hub.s, 1);
}

/* The status of the answer that comes; 0: none comes, the connection is closed, or, where `rounds` is small, it is early. */
static int hear(struct client *c, int rounds)
{
	c->in.n = 0;
	for (int i = 0; i < rounds && !c->closed && !c->in.n; i++) {
		char piece[4096];
		ssize_t n;
		run_for(&hub.s, 1);
		while ((n = gnutls_record_recv(c->t, piece, sizeof(piece))) > 0)
			buf_add(&c->in, (struct str){ piece, (size_t)n });
		c->closed = n != GNUTLS_E_AGAIN && n != GNUTLS_E_INTERRUPTED;
	}
	return c->in.n > 12 ? (c->in.p[9] - '0') * 100 + (c->in.p[10] - '0') * 10 + c->in.p[11] - '0' : 0;
}

enum { SOON = 3000, NOT_YET = 30 };

static int get(struct client *c, const char *path)
{
	char text[256];
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	say(c, text);
	return hear(c, SOON);
}

static void put_json(struct client *c, const char *path, const char *body)
{
	char text[512];
	snprintf(text, sizeof(text),
	         "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", path,
	         strlen(body), body);
	say(c, text);
}

static void wait_for_question(struct client *c)
{
	for (int i = 0; i < 3000 && !hub.asked; i++)
		run_for(&hub.s, 1);
	assert_non_null(hub.asked);
	assert_int_equal(hear(c, NOT_YET), 0);
}

static int begin(void **state)
{
	memset(&hub, 0, sizeof(hub));
	hub.ca = make(NULL, (struct about){ "CN=CA,O=a clinic", NULL, 1, 100 });
	hub.server = make(&hub.ca, (struct about){ "CN=hub", GNUTLS_KP_TLS_WWW_SERVER, 2, 50 });
	add_pem(&hub.server, &hub.chain, &hub.key);
	add_pem(&hub.ca, &hub.ca_pem, NULL);
	buf_add(&hub.chain, buf_str(&hub.ca_pem));
	const struct api_tls tls = { buf_str(&hub.chain), buf_str(&hub.key) };
	const struct api_posts posts = {
		.ca = buf_str(&hub.ca_pem), .who = who, .ask = keep_question, .orders = orders
	};
	server_start(&hub.s, (struct api_config){ .tls = &tls, .posts = &posts });
	return 0;
}

static int end(void **state)
{
	server_stop(&hub.s);
	if (hub.asked)
		api_answer(hub.asked, 200, STR("{}"));
	made_done(&hub.ca), made_done(&hub.server);
	buf_free(&hub.chain), buf_free(&hub.key), buf_free(&hub.ca_pem);
	return 0;
}

#define CLIENT GNUTLS_KP_TLS_WWW_CLIENT

static struct made good(void)
{
	return make(&hub.ca, (struct about){ "CN=web1,O=a clinic", CLIENT, 7, 10 });
}

static void who_is_one(void **state)
{
	struct client c;
	struct made other_ca = make(NULL, (struct about){ "CN=CA,O=a clinic", NULL, 1, 100 });
	struct made m[] = {
		good(),
		make(&hub.ca, (struct about){ "CN=web1,O=a clinic", CLIENT, 8, 10 }),         /* another number */
		make(&hub.ca, (struct about){ "CN=web2,O=a clinic", CLIENT, 7, 10 }),         /* name */
		make(&hub.ca, (struct about){ "CN=web1,O=a bank", CLIENT, 7, 10 }),           /* unit */
		make(&hub.ca, (struct about){ "CN=web1", CLIENT, 7, 10 }),                    /* no unit */
		make(&hub.ca, (struct about){ "CN=web1,CN=web2,O=a clinic", CLIENT, 7, 10 }), /* two names */
		make(&hub.ca, (struct about){ "CN=web1,O=a clinic", GNUTLS_KP_TLS_WWW_SERVER, 7, 10 }), /* a server's */
		make(&hub.ca, (struct about){ "CN=web1,O=a clinic", CLIENT, 7, -1 }),                   /* over */
		make(&other_ca, (struct about){ "CN=web1,O=a clinic", CLIENT, 7, 10 }), /* another CA's */
	};
	for (size_t i = 0; i < ARRAY_LEN(m); i++) {
		connect_as(&c, &m[i]);
		assert_int_equal(get(&c, "/v1/orders?wait=0"), i ? 401 : 200);
		client_done(&c);
		made_done(&m[i]);
	}
	made_done(&other_ca);
	connect_as(&c, NULL);
	assert_int_equal(get(&c, "/healthz"), 200); /* who has none goes on without */
	assert_int_equal(get(&c, "/v1/orders?wait=0"), 401);
	client_done(&c);
}

/* By its certificate it may send events, and nothing that is for others. */
static void what_it_may(void **state)
{
	struct client c;
	struct made m = good();
	connect_as(&c, &m);
	say(&c, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n{\"a\":1}\n");
	assert_int_equal(hear(&c, SOON), 200);
	say(&c, "GET /v1/orders?wait=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nobody.knows\r\n\r\n");
	assert_int_equal(hear(&c, SOON), 200); /* a token makes no difference where a certificate is asked for */
	assert_int_equal(get(&c, "/v1/orders?after=x"), 400);
	assert_int_equal(get(&c, "/v1/orders?wait=51"), 400);
	assert_int_equal(get(&c, "/metrics"), 401);
	client_done(&c);
	made_done(&m);
}

static void orders_are_held(void **state)
{
	struct client c, second;
	struct made m = good();
	connect_as(&c, &m);
	say(&c, "GET /v1/orders?after=4 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(hear(&c, NOT_YET), 0);
	hub.order = 4;
	api_posts_changed(hub.s.api);
	assert_int_equal(hear(&c, NOT_YET), 0);
	hub.order = 5;
	api_posts_changed(hub.s.api);
	assert_int_equal(hear(&c, SOON), 200);
	assert_true(str_has(buf_str(&c.in), "{\"orders\":[{\"number\":5}],\"time\":"));
	/* nothing comes: after its time, with none */
	say(&c, "GET /v1/orders?after=5&wait=9 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(hear(&c, NOT_YET), 0);
	later(&hub.s, 10);
	assert_int_equal(hear(&c, SOON), 200);
	assert_true(str_has(buf_str(&c.in), "{\"orders\":[],"));
	/* one is held for a post */
	connect_as(&second, &m);
	say(&c, "GET /v1/orders?after=5 HTTP/1.1\r\nHost: x\r\n\r\n");
	say(&second, "GET /v1/orders?after=5 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(hear(&c, SOON), 200);
	assert_int_equal(hear(&second, NOT_YET), 0);
	/* and let go when the hub ends */
	api_drain(hub.s.api);
	assert_int_equal(hear(&second, SOON), 200);
	client_done(&c), client_done(&second);
	made_done(&m);
}

static void revoked_at_once(void **state)
{
	struct client c, held;
	struct made m = good();
	connect_as(&c, &m), connect_as(&held, &m);
	assert_int_equal(get(&c, "/v1/orders?wait=0"), 200);
	say(&held, "GET /v1/orders HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(hear(&held, NOT_YET), 0);
	hub.revoked = true;
	api_posts_changed(hub.s.api);
	assert_int_equal(hear(&held, SOON), 401);
	assert_int_equal(hear(&c, SOON) + hear(&held, SOON), 0);
	assert_true(c.closed && held.closed);
	client_done(&c), client_done(&held);
	connect_as(&c, &m);
	assert_int_equal(get(&c, "/v1/orders?wait=0"), 401);
	client_done(&c);
	made_done(&m);
}

/* Nothing more is taken from it, but what it asked before is answered: a renewal makes the list change, too. */
static void answered_all_the_same(void **state)
{
	struct client c;
	struct made m = good();
	connect_as(&c, &m);
	put_json(&c, "/v1/renew", "{}");
	wait_for_question(&c);
	hub.revoked = true;
	api_posts_changed(hub.s.api);
	api_answer(hub.asked, 200, STR("{}\n"));
	hub.asked = NULL;
	assert_int_equal(hear(&c, SOON), 200);
	assert_int_equal(hear(&c, SOON), 0);
	assert_true(c.closed);
	client_done(&c);
	made_done(&m);
}

/* Who has shown that it is a post takes nobody's place, up to four times. */
static void room_of_posts(void **state)
{
	struct client c[6];
	struct made m = good();
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		connect_as(&c[i], &m);
		assert_int_equal(get(&c[i], "/v1/orders?wait=0"), 200);
		assert_int_equal(get(&c[i], "/v1/orders?wait=0"), 200);
		assert_int_equal(hub.s.api->n_posts, i < 4 ? i + 1 : 4);
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		client_done(&c[i]);
	run_for(&hub.s, 20);
	assert_int_equal(hub.s.api->n_posts, 0);
	made_done(&m);
}

static void questions(void **state)
{
	struct client c;
	struct made m = good();
	connect_as(&c, &m);
	put_json(&c, "/v1/enrol", "{\"x\":1}");
	wait_for_question(&c);
	assert_int_equal(hub.asked->what, API_ENROL);
	assert_string_equal(hub.asked->post, ""); /* whatever it shows */
	assert_string_equal(hub.asked->peer, "127.0.0.1");
	assert_true(str_eq(buf_str(&hub.asked->body), STR("{\"x\":1}")));
	api_answer(hub.asked, 403, STR("{\"no\":1}\n"));
	hub.asked = NULL;
	assert_int_equal(hear(&c, SOON), 403);
	assert_true(str_has(buf_str(&c.in), "{\"no\":1}"));
	put_json(&c, "/v1/orders/abc/report", "{}");
	wait_for_question(&c);
	assert_int_equal(hub.asked->what, API_REPORT);
	assert_string_equal(hub.asked->post, "web1");
	assert_string_equal(hub.asked->serial, "07");
	assert_string_equal(hub.asked->order, "abc");
	api_answer(hub.asked, 429, STR("{}\n"));
	hub.asked = NULL;
	assert_int_equal(hear(&c, SOON), 429);
	assert_true(str_has(buf_str(&c.in), "Retry-After: "));
	/* who has gone gets none, and nothing is lost */
	put_json(&c, "/v1/renew", "{}");
	wait_for_question(&c);
	assert_int_equal(hub.asked->what, API_RENEW);
	client_done(&c);
	run_for(&hub.s, 20);
	api_answer(hub.asked, 200, STR("{}"));
	hub.asked = NULL;
	/* too long, or packed */
	connect_as(&c, &m);
	say(&c, "POST /v1/renew HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx");
	assert_int_equal(hear(&c, SOON), 415);
	static char text[API_POST_BODY + 200];
	int n = snprintf(text, sizeof(text), "POST /v1/renew HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
	                 API_POST_BODY + 1);
	memset(text + n, ' ', API_POST_BODY + 1);
	text[n + API_POST_BODY + 1] = '\0';
	for (struct str rest = str_from(text); rest.n; rest = str_sub(rest, 8000, rest.n)) {
		gnutls_record_send(c.t, rest.p, rest.n < 8000 ? rest.n : 8000);
		run_for(&hub.s, 1);
	}
	assert_int_equal(hear(&c, SOON), 413);
	assert_null(hub.asked);
	client_done(&c);
	connect_as(&c, NULL);
	put_json(&c, "/v1/renew", "{}");
	assert_int_equal(hear(&c, SOON), 401);
	assert_null(hub.asked);
	client_done(&c);
	made_done(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answered_all_the_same), TEST(room_of_posts),   TEST(who_is_one), TEST(what_it_may),
		TEST(orders_are_held),       TEST(revoked_at_once), TEST(questions)
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
