/* The same over TLS, with GnuTLS on both sides and a certificate made here. */
#include "api/server_test.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <time.h>

struct made {
	struct buf certificate, key;
};

static void make_certificate(struct made *p)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t out;
	gnutls_x509_privkey_init(&key);
	gnutls_x509_crt_init(&crt);
	assert_int_equal(
	        gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
	        0);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, "\1", 1);
	gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600);
	gnutls_x509_crt_set_dn(crt, "CN=hub", NULL);
	gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "hub", 3, 0);
	gnutls_x509_crt_set_key(crt, key);
	assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
	gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &out);
	buf_add(&p->certificate, (struct str){ (char *)out.data, out.size });
	gnutls_free(out.data);
	gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &out);
	buf_add(&p->key, (struct str){ (char *)out.data, out.size });
	gnutls_free(out.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

/* 0 or GnuTLS's error. */
static int shake(struct server *s, gnutls_session_t t)
{
	int r = GNUTLS_E_AGAIN;
	for (int i = 0; i < 500 && r < 0 && !gnutls_error_is_fatal(r); i++) {
		r = gnutls_handshake(t);
		run_for(s, 1);
	}
	return r;
}

static int ask_tls(struct server *s, const struct made *p, const char *priority, struct str request, struct reply *ret)
{
	gnutls_certificate_credentials_t trust;
	gnutls_session_t t;
	gnutls_datum_t ca = { (unsigned char *)p->certificate.p, (unsigned)p->certificate.n };
	*ret = (struct reply){ .status = -1 };
	gnutls_certificate_allocate_credentials(&trust);
	assert_int_equal(gnutls_certificate_set_x509_trust_mem(trust, &ca, GNUTLS_X509_FMT_PEM), 1);
	gnutls_init(&t, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
	assert_int_equal(gnutls_priority_set_direct(t, priority, NULL), 0);
	gnutls_credentials_set(t, GNUTLS_CRD_CERTIFICATE, trust);
	gnutls_session_set_verify_cert(t, "hub", 0);
	int fd = dial(s);
	gnutls_transport_set_int(t, fd);
	int r = shake(s, t);
	for (size_t sent = 0; !r && sent < request.n;) {
		ssize_t n = gnutls_record_send(t, request.p + sent, request.n - sent);
		if (n < 0 && n != GNUTLS_E_AGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		run_for(s, 0);
	}
	for (int i = 0; !r && i < 2000; i++) {
		char piece[16384];
		run_for(s, 1);
		ssize_t n = gnutls_record_recv(t, piece, sizeof(piece));
		if (n > 0)
			buf_add(&ret->all, (struct str){ piece, (size_t)n });
		if (reply_parse(ret, false))
			break;
	}
	gnutls_deinit(t);
	gnutls_certificate_free_credentials(trust);
	close(fd);
	run_for(s, 0);
	return r;
}

/* How often the server wants to work in so many ms. A handshake that goes no further must not keep it busy. */
static int wakes(struct server *s, int ms)
{
	struct pollfd p = { .fd = api_fd(s->api), .events = POLLIN };
	int64_t end = clock_monotonic(&clock_system) + (int64_t)ms * CLOCK_MS;
	int n = 0;
	while (clock_monotonic(&clock_system) < end && n < 1000) {
		n += poll(&p, 1, 20) > 0;
		assert_int_equal(api_run(s->api), 0);
	}
	return n;
}

static void over_tls(void **state)
{
	struct server s;
	struct made p = { 0 };
	struct reply r;
	struct buf body = { 0 };
	make_certificate(&p);
	for (int i = 0; i < 10000; i++)
		buf_printf(&body, "{\"n\":%d,\"text\":\"something that is said\"}\n", i);
	struct buf request = post("/v1/events", "", buf_str(&body));
	struct api_tls tls = { buf_str(&p.certificate), buf_str(&p.key) };
	server_start(&s, (struct api_config){ .tls = &tls });
	/* What was handed over for the start is not needed after it. */
	memset(p.key.p, 'x', p.key.n);
	static const char *const priorities[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		assert_int_equal(ask_tls(&s, &p, priorities[i], buf_str(&request), &r), 0);
		assert_int_equal(r.status, 200);
		assert_true(str_has(r.body, "\"kept\":10000,"));
		reply_free(&r);
	}
	assert_true(ask_tls(&s, &p, "LEGACY:-VERS-ALL:+VERS-TLS1.1", buf_str(&request), &r) < 0);
	reply_free(&r);
	/* Who speaks plain HTTP is hung up on; who says nothing loses the connection in time. */
	ask(&s, STR("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), &r);
	assert_true(r.closed);
	reply_free(&r);
	int fd = dial(&s);
	assert_int_equal(send(fd, "\x16\x03\x01\x02\x00\x01", 6, 0), 6); /* the beginning of a hello */
	run_for(&s, 1);
	assert_int_equal(api_counts(s.api).connections, 1);
	assert_true(wakes(&s, 300) < 60);
	later(&s, 21);
	assert_int_equal(api_counts(s.api).connections, 0);
	close(fd);
	server_stop(&s);
	buf_free(&body), buf_free(&request), buf_free(&p.certificate), buf_free(&p.key);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(over_tls) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
