/* The certificates in use: handshakes between a client and a server of GnuTLS, over a socket pair, by turns. */
#include "pki/fixture.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

struct side {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	bool done;
	int code;
};

static void pair_of(struct signer *s, const char *name, enum pki_use use, struct buf *key, struct buf *crt)
{
	CLEANUP(buf_free) struct buf public = { 0 };
	const struct str names[] = { str_from(name), STR("127.0.0.1") };
	struct err err = { 0 };
	assert_int_equal(pki_key_new(key, &public, NULL), 0);
	const struct pki_request r = { .public_key = buf_str(&public),
		                       .common_name = names[0],
		                       .names = names,
		                       .n_names = 2,
		                       .use = use,
		                       .days = 1 };
	if (signer_sign(s, &r, crt, &err))
		fail_msg("%s", err.text);
}

static gnutls_datum_t datum(const struct buf *b)
{
	return (gnutls_datum_t){ (unsigned char *)b->p, (unsigned)b->n };
}

/* Trusts ca; shows key and crt if it has them. */
static void side_init(struct side *s, unsigned flags, int fd, const struct buf *ca, const struct buf *key,
                      const struct buf *crt)
{
	*s = (struct side){ 0 };
	const gnutls_datum_t trust = datum(ca);
	assert_int_equal(gnutls_certificate_allocate_credentials(&s->credentials), 0);
	assert_int_equal(gnutls_certificate_set_x509_trust_mem(s->credentials, &trust, GNUTLS_X509_FMT_PEM), 1);
	if (key) {
		const gnutls_datum_t k = datum(key), c = datum(crt);
		assert_int_equal(gnutls_certificate_set_x509_key_mem(s->credentials, &c, &k, GNUTLS_X509_FMT_PEM), 0);
	}
	assert_int_equal(gnutls_init(&s->session, flags | GNUTLS_NONBLOCK), 0);
	assert_int_equal(gnutls_set_default_priority(s->session), 0);
	assert_int_equal(gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->credentials), 0);
	gnutls_transport_set_int(s->session, fd);
}

static void step(struct side *s)
{
	if (s->done)
		return;
	s->code = gnutls_handshake(s->session);
	s->done = !s->code || gnutls_error_is_fatal(s->code);
}

static void side_done(struct side *s)
{
	gnutls_deinit(s->session);
	gnutls_certificate_free_credentials(s->credentials);
}

struct party {
	const struct buf *ca, *key, *crt;
};

/* 0 when both are content; the server asks for a certificate and takes only one of its CA. */
static int handshake(struct party client, struct party server, const char *expected, bool mutual)
{
	/* borrowed until the handshake is over */
	gnutls_typed_vdata_st as_client = { GNUTLS_DT_KEY_PURPOSE_OID, (void *)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
	gnutls_typed_vdata_st as_server[] = { { GNUTLS_DT_KEY_PURPOSE_OID, (void *)GNUTLS_KP_TLS_WWW_SERVER, 0 },
		                              { GNUTLS_DT_DNS_HOSTNAME, (void *)expected, 0 } };
	struct side a, b;
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	side_init(&a, GNUTLS_CLIENT, fd[0], client.ca, client.key, client.crt);
	side_init(&b, GNUTLS_SERVER, fd[1], server.ca, server.key, server.crt);
	gnutls_session_set_verify_cert2(a.session, as_server, ARRAY_LEN(as_server), 0);
	if (mutual) {
		gnutls_certificate_server_set_request(b.session, GNUTLS_CERT_REQUIRE);
		gnutls_session_set_verify_cert2(b.session, &as_client, 1, 0);
	}
	for (int i = 0; i < 100 && !((a.done && b.done) || (a.done && a.code) || (b.done && b.code)); i++) {
		step(&a);
		step(&b);
	}
	int code = a.code ? a.code : b.code;
	side_done(&a);
	side_done(&b);
	close(fd[0]), close(fd[1]);
	return code;
}

static struct signer *start(struct fixture *f)
{
	struct signer *s = NULL;
	struct err err = { 0 };
	fixture_ca(f);
	if (signer_start(&s, f->dir, &f->clock, &err))
		fail_msg("%s", err.text);
	return s;
}

static void server_and_client(void **state)
{
	struct fixture *f = *state;
	struct signer *s = start(f);
	struct buf ca = fixture_read(f, "ca.crt"), key[2] = { 0 }, crt[2] = { 0 };
	pair_of(s, "hub.example", PKI_SERVER, &key[0], &crt[0]);
	pair_of(s, "sender.example", PKI_CLIENT, &key[1], &crt[1]);
	const struct party server = { &ca, &key[0], &crt[0] }, client = { &ca, &key[1], &crt[1] },
	                   nobody = { .ca = &ca };

	assert_int_equal(handshake(nobody, server, "hub.example", false), 0);
	assert_int_equal(handshake(nobody, server, "127.0.0.1", false), 0);
	assert_int_not_equal(handshake(nobody, server, "other.example", false), 0);
	assert_int_not_equal(handshake(nobody, server, "127.0.0.2", false), 0);
	assert_int_equal(handshake(client, server, "hub.example", true), 0);
	assert_int_not_equal(handshake(nobody, server, "hub.example", true), 0);
	/* each for its own use */
	assert_int_not_equal(handshake(server, server, "hub.example", true), 0);
	assert_int_not_equal(handshake(nobody, client, "sender.example", false), 0);
	signer_free(s);
	for (int i = 0; i < 2; i++)
		x509_wipe(&key[i]), buf_free(&crt[i]);
	buf_free(&ca);
}

static void not_of_another_ca(void **state)
{
	struct fixture *f = *state;
	struct signer *s = start(f);
	struct buf ca[2] = { fixture_read(f, "ca.crt") }, key[2] = { 0 }, crt[2] = { 0 };
	pair_of(s, "hub.example", PKI_SERVER, &key[0], &crt[0]);
	signer_free(s);
	unlink(fixture_path(f, "ca.key"));
	unlink(fixture_path(f, "ca.crt"));
	s = start(f); /* the same unit's name, another key */
	ca[1] = fixture_read(f, "ca.crt");
	pair_of(s, "sender.example", PKI_CLIENT, &key[1], &crt[1]);
	signer_free(s);
	const struct party server = { &ca[0], &key[0], &crt[0] };
	assert_int_equal(handshake((struct party){ .ca = &ca[0] }, server, "hub.example", false), 0);
	assert_int_not_equal(handshake((struct party){ .ca = &ca[1] }, server, "hub.example", false), 0);
	assert_int_not_equal(handshake((struct party){ &ca[0], &key[1], &crt[1] }, server, "hub.example", true), 0);
	for (int i = 0; i < 2; i++)
		x509_wipe(&key[i]), buf_free(&crt[i]), buf_free(&ca[i]);
}

/* A leaf can't sign: what it would sign is not taken. */
static void leaf_is_no_ca(void **state)
{
	struct fixture *f = *state;
	struct signer *s = start(f);
	struct buf ca = fixture_read(f, "ca.crt"), key[2] = { 0 }, crt[2] = { 0 }, public = { 0 };
	pair_of(s, "hub.example", PKI_SERVER, &key[0], &crt[0]);
	signer_free(s);
	struct ca leaf = { 0 };
	assert_int_equal(x509_read(&leaf.crt, buf_str(&crt[0]), NULL), 0);
	assert_int_equal(x509_key_read(&leaf.key, buf_str(&key[0]), NULL), 0);
	const struct str name = STR("evil.example");
	assert_int_equal(pki_key_new(&key[1], &public, NULL), 0);
	const struct pki_request r = { .public_key = buf_str(&public),
		                       .common_name = name,
		                       .names = &name,
		                       .n_names = 1,
		                       .use = PKI_SERVER,
		                       .days = 1 };
	assert_int_equal(ca_sign(&leaf, &r, &f->clock, &crt[1], NULL), 0);
	buf_add(&crt[1], buf_str(&crt[0])); /* the chain */
	const struct party evil = { &ca, &key[1], &crt[1] };
	assert_int_not_equal(handshake((struct party){ .ca = &ca }, evil, "evil.example", false), 0);
	ca_done(&leaf);
	for (int i = 0; i < 2; i++)
		x509_wipe(&key[i]), buf_free(&crt[i]);
	buf_free(&ca), buf_free(&public);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(server_and_client), TEST(not_of_another_ca), TEST(leaf_is_no_ca) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
