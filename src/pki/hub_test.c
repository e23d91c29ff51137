/* With a CA in the test's own process instead of a signer, so that it can be made to fail. */
#include "pki/fixture.h"

struct signer {
	struct ca ca;
	const struct clock *clock;
	bool gone;
	unsigned asked;
};

int signer_sign(struct signer *s, const struct pki_request *r, struct buf *out, struct err *err)
{
	s->asked++;
	return s->gone ? err_set(err, -EPIPE, "the signer has ended") : ca_sign(&s->ca, r, s->clock, out, err);
}

static struct signer open_ca(struct fixture *f)
{
	struct signer s = { .clock = &f->clock };
	fixture_ca(f);
	assert_int_equal(ca_open(&s.ca, f->dir, NULL), 0);
	return s;
}

static const struct str names[] = { STR("hub.example"), STR("10.0.0.7"), STR("2001:db8::7"), STR("localhost") };

/* Was it renewed? What it gives has to fit together, and to be what stands in the folder unless the signer is gone. */
static bool renewed(struct fixture *f, struct signer *s, const struct str *wanted, size_t n, struct pki_info *info)
{
	CLEANUP(x509_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf crt = { 0 };
	CLEANUP(x509_key_done) gnutls_x509_privkey_t k = NULL;
	CLEANUP(x509_crt_done) gnutls_x509_crt_t c = NULL;
	struct err err = { 0 };
	bool is = false;
	if (pki_hub(f->dir, s, wanted, n, &f->clock, &key, &crt, &is, &err))
		fail_msg("%s", err.text);
	assert_int_equal(x509_key_read(&k, buf_str(&key), NULL), 0);
	assert_int_equal(x509_read(&c, buf_str(&crt), NULL), 0);
	assert_true(x509_key_fits(k, c));
	CLEANUP(buf_free) struct buf file = fixture_read(f, "hub.crt");
	assert_true(str_eq(buf_str(&file), buf_str(&crt)));
	assert_int_equal(pki_read(buf_str(&crt), info, NULL), 0);
	return is;
}

static mode_t mode_of(const struct fixture *f, const char *name)
{
	struct stat st;
	assert_int_equal(lstat(fixture_path(f, name), &st), 0);
	return st.st_mode & 07777;
}

static void made_kept_renewed(void **state)
{
	struct fixture *f = *state;
	struct signer s = open_ca(f);
	struct pki_info first, info;
	assert_true(renewed(f, &s, names, 3, &first));
	assert_string_equal(first.names, "hub.example, 10.0.0.7, 2001:db8::7");
	assert_string_equal(first.subject, "CN=hub.example");
	assert_int_equal(mode_of(f, "hub.key"), 0600);
	assert_int_equal(mode_of(f, "hub.crt"), 0644);
	assert_false(renewed(f, &s, names, 3, &info));
	assert_string_equal(info.fingerprint, first.fingerprint);
	/* other ways to write the same */
	const struct str same[] = { STR("HUB.Example"), STR("2001:0DB8:0:0::7") };
	assert_false(renewed(f, &s, same, 2, &info));
	/* one more */
	assert_true(renewed(f, &s, names, 4, &info));
	assert_false(renewed(f, &s, names, 4, &info));
	/* 30 days before its end */
	clock_advance(&f->clock, info.until - clock_wall(&f->clock) - 31 * DAY_US);
	assert_false(renewed(f, &s, names, 4, &info));
	clock_advance(&f->clock, DAY_US);
	assert_true(renewed(f, &s, names, 4, &info));
	assert_int_equal(s.asked, 3);
	ca_done(&s.ca);
}

static void another_ca(void **state)
{
	struct fixture *f = *state;
	struct signer s = open_ca(f);
	struct pki_info info;
	assert_true(renewed(f, &s, names, 1, &info));
	ca_done(&s.ca);
	unlink(fixture_path(f, "ca.key"));
	unlink(fixture_path(f, "ca.crt"));
	s = open_ca(f);
	assert_true(renewed(f, &s, names, 1, &info));
	assert_false(renewed(f, &s, names, 1, &info));
	ca_done(&s.ca);
}

static void damaged(void **state)
{
	struct fixture *f = *state;
	struct signer s = open_ca(f);
	struct pki_info info;
	assert_true(renewed(f, &s, names, 1, &info));
	fixture_write(f, "hub.key", STR("?"), 0600);
	assert_true(renewed(f, &s, names, 1, &info));
	fixture_write(f, "hub.crt", STR("?"), 0644);
	assert_true(renewed(f, &s, names, 1, &info));
	/* others could read it: it is no secret any more */
	assert_int_equal(chmod(fixture_path(f, "hub.key"), 0644), 0);
	assert_true(renewed(f, &s, names, 1, &info));
	assert_int_equal(mode_of(f, "hub.key"), 0600);
	/* of another pair */
	struct buf key = { 0 }, public = { 0 };
	assert_int_equal(pki_key_new(&key, &public, NULL), 0);
	fixture_write(f, "hub.key", buf_str(&key), 0600);
	assert_true(renewed(f, &s, names, 1, &info));
	assert_false(renewed(f, &s, names, 1, &info));
	x509_wipe(&key), buf_free(&public), ca_done(&s.ca);
}

/* What holds still is used, also when it can't be renewed; what doesn't is an error. */
static void signer_gone(void **state)
{
	struct fixture *f = *state;
	struct signer s = open_ca(f);
	struct pki_info info;
	CLEANUP(x509_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf crt = { 0 };
	struct err err = { 0 };
	bool is = true;
	s.gone = true;
	assert_int_equal(pki_hub(f->dir, &s, names, 1, &f->clock, &key, &crt, &is, &err), -EPIPE);
	assert_true(is && !key.n && !crt.n);
	s.gone = false;
	assert_true(renewed(f, &s, names, 1, &info));
	s.gone = true;
	clock_advance(&f->clock, info.until - clock_wall(&f->clock) - DAY_US);
	assert_false(renewed(f, &s, names, 1, &info));
	clock_advance(&f->clock, DAY_US);
	assert_int_equal(pki_hub(f->dir, &s, names, 1, &f->clock, &key, &crt, &is, &err), -EPIPE);
	ca_done(&s.ca);
}

static void renewed_by_hand(void **state)
{
	struct fixture *f = *state;
	struct signer s = open_ca(f);
	struct pki_info first, info;
	CLEANUP(x509_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf crt = { 0 };
	assert_true(renewed(f, &s, names, 1, &first));
	assert_int_equal(pki_hub_new(f->dir, &s, names, 1, &key, &crt, NULL), 0);
	assert_int_equal(pki_read(buf_str(&crt), &info, NULL), 0);
	assert_string_not_equal(info.fingerprint, first.fingerprint);
	assert_false(renewed(f, &s, names, 1, &info));
	assert_int_equal(pki_hub_new(f->dir, &s, names, 0, &key, &crt, NULL), -EINVAL);
	ca_done(&s.ca);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(made_kept_renewed), TEST(another_ca), TEST(damaged), TEST(signer_gone), TEST(renewed_by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
