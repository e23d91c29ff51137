/* The hub's key for orders, the list of approvers, and the signer that lives on: what it signs, and what it doesn't. */
#include "pki/fixture.h"

static struct order_sealed approve(struct str bytes, const unsigned char public[ORDER_KEY], const unsigned char *secret)
{
	struct order_sealed s = { .bytes = bytes };
	if (!secret)
		return s;
	s.approved = true;
	memcpy(s.approver, public, ORDER_KEY);
	assert_int_equal(order_sign(ORDER_BY_APPROVER, secret, bytes, s.approval), 0);
	return s;
}

static struct order order_for(const struct fixture *f, const char *verb)
{
	const int64_t now = clock_wall(&f->clock);
	return (struct order){ .id = STR("abcdefghijkl2345"),
		               .unit = STR("a clinic"),
		               .post = STR("web1"),
		               .verb = str_from(verb),
		               .sequence = (uint64_t)now,
		               .issued = now,
		               .expires = now + 900LL * CLOCK_S };
}

static void key_is_made_once(void **state)
{
	struct fixture *f = *state;
	unsigned char a[ORDER_KEY], b[ORDER_KEY];
	struct buf pub = { 0 };
	char text[ORDER_KEY_TEXT];
	struct stat st;
	assert_int_equal(pki_order_init(f->dir, a, NULL), 0);
	assert_int_equal(stat(fixture_path(f, "order.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(fixture_path(f, "order.pub"));
	assert_int_equal(pki_order_init(f->dir, b, NULL), 0);
	assert_memory_equal(a, b, ORDER_KEY);
	order_key_text(a, text);
	assert_int_equal(pki_load(f->dir, "order.pub", &pub, NULL), 0);
	assert_true(str_eq(str_trim(buf_str(&pub)), str_from(text)));
	/* what others could read is no secret */
	assert_int_equal(chmod(fixture_path(f, "order.key"), 0640), 0);
	assert_int_equal(pki_order_init(f->dir, b, NULL), -EPERM);
	fixture_write(f, "order.key", STR("khien order key 1 abc\n"), 0600);
	assert_int_equal(pki_order_init(f->dir, b, NULL), -EBADMSG);
	buf_free(&pub);
}

static int show(void *arg, const unsigned char public[ORDER_KEY], struct str name)
{
	buf_printf(arg, "%d " STR_FMT ";", public[0], STR_ARG(name));
	return 0;
}

static void expect(struct fixture *f, const char *want)
{
	struct buf out = { 0 };
	assert_int_equal(pki_approvers(f->dir, show, &out, NULL), 0);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, want);
	buf_free(&out);
}

static void approvers(void **state)
{
	struct fixture *f = *state;
	unsigned char key[ORDER_KEY] = { 1 };
	struct err err = { 0 };
	char name[16];
	expect(f, "");
	assert_int_equal(pki_approver_add(f->dir, key, STR("Bà An"), NULL), 0);
	assert_int_equal(pki_approver_add(f->dir, key, STR("other"), NULL), -EEXIST);
	key[0] = 2;
	assert_int_equal(pki_approver_add(f->dir, key, STR("Bà An"), NULL), -EEXIST);
	assert_int_equal(pki_approver_add(f->dir, key, STR("a\nb"), NULL), -EINVAL);
	assert_int_equal(pki_approver_add(f->dir, key, STR("Bình"), NULL), 0);
	expect(f, "1 Bà An;2 Bình;");
	assert_int_equal(pki_approver_remove(f->dir, STR("nobody"), NULL), -ENOENT);
	assert_int_equal(pki_approver_remove(f->dir, STR("Bà An"), NULL), 0);
	expect(f, "2 Bình;");
	for (int i = 1; i < ORDER_KEYS_MAX; i++) {
		key[0] = (unsigned char)(100 + i);
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(pki_approver_add(f->dir, key, str_from(name), NULL), 0);
	}
	key[0] = 99;
	assert_int_equal(pki_approver_add(f->dir, key, STR("x"), NULL), -E2BIG);
	fixture_write(f, "approvers", STR("# who\n\nnobody\n"), 0644);
	assert_int_equal(pki_approvers(f->dir, show, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "line 3"));
}

static struct signer *start(struct fixture *f)
{
	struct signer *s = NULL;
	struct err err = { 0 };
	unsigned char public[ORDER_KEY];
	bool made;
	assert_int_equal(pki_ca_init(f->dir, STR("a clinic"), &f->clock, &made, NULL), 0);
	assert_int_equal(pki_order_init(f->dir, public, NULL), 0);
	if (signer_posts(&s, f->dir, &f->clock, &err))
		fail_msg("%s", err.text);
	return s;
}

static int sign(struct signer *s, const struct pki_request *want, struct buf *out)
{
	CLEANUP(x509_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf public = { 0 };
	struct pki_request r = *want;
	struct err err;
	assert_int_equal(pki_key_new(&key, &public, NULL), 0);
	r.public_key = buf_str(&public);
	return signer_sign(s, &r, out, &err);
}

static void signs_posts_only(void **state)
{
	struct fixture *f = *state;
	struct signer *s = start(f);
	struct buf pem = { 0 };
	struct pki_info info;
	char unit[PKI_TITLE_MAX + 1], serial[PKI_SERIAL + 1];
	const struct str name = STR("hub.example");
	const struct pki_request good = {
		.common_name = STR("web1"), .organization = STR("a clinic"), .use = PKI_CLIENT, .days = PKI_POST_DAYS
	};
	struct pki_request bad[] = { good, good, good, good, good };
	bad[0].use = PKI_SERVER;
	bad[1].organization = STR("a bank");
	bad[2].organization = STR("");
	bad[3].days = PKI_POST_DAYS + 1;
	bad[4].names = &name;
	bad[4].n_names = 1;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sign(s, &bad[i], &pem), -EPERM);
	/* one for a server, whatever else it says */
	bad[0].names = &name;
	bad[0].n_names = 1;
	assert_int_equal(sign(s, &bad[0], &pem), -EPERM);
	assert_int_equal(pem.n, 0);
	assert_int_equal(sign(s, &good, &pem), 0);
	assert_int_equal(pki_read(buf_str(&pem), &info, NULL), 0);
	assert_string_equal(info.subject, "CN=web1,O=a clinic");
	assert_int_equal(pki_unit(buf_str(&pem), unit, NULL), 0);
	assert_string_equal(unit, "a clinic");
	assert_int_equal(pki_serial(buf_str(&pem), serial, NULL), 0);
	assert_int_equal(strlen(serial), 32);
	assert_false(info.is_ca);
	buf_free(&pem);
	signer_free(s);
}

struct holder {
	struct buf key, public, crt;
	char serial[PKI_SERIAL + 1];
};

static void holder_done(struct holder *h)
{
	x509_wipe(&h->key);
	buf_free(&h->public);
	buf_free(&h->crt);
}

static int ask(struct signer *s, struct holder *h, struct str prior, struct str serial, struct str proof)
{
	const struct pki_request r = { .public_key = buf_str(&h->public),
		                       .common_name = STR("web1"),
		                       .organization = STR("a clinic"),
		                       .use = PKI_CLIENT,
		                       .days = PKI_POST_DAYS,
		                       .prior = prior,
		                       .serial = serial,
		                       .proof = proof };
	struct err err;
	int code = signer_sign(s, &r, &h->crt, &err);
	if (!code)
		assert_int_equal(pki_serial(buf_str(&h->crt), h->serial, NULL), 0);
	return code;
}

static void proof_of(const struct holder *old, const char *name, struct str public, struct buf *out)
{
	out->n = 0;
	assert_int_equal(pki_renewal_proof(buf_str(&old->key), str_from(name), public, out, NULL), 0);
}

/* The next certificate is for who has the key of the one before, and the new one, and for no other name. */
static void renews(void **state)
{
	struct fixture *f = *state;
	struct signer *s = start(f);
	CLEANUP(holder_done) struct holder old = { 0 }, new = { 0 }, thief = { 0 };
	struct holder *const all[] = { &old, &new, &thief };
	struct buf proof = { 0 }, ca = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(pki_key_new(&all[i]->key, &all[i]->public, NULL), 0);
	assert_int_equal(ask(s, &old, STR(""), STR(""), STR("")), 0);
	const struct str prior = buf_str(&old.crt), serial = str_from(old.serial);
	assert_int_equal(ask(s, &new, prior, serial, STR("")), -EPERM);
	assert_int_equal(ask(s, &new, prior, serial, STR("AAAA")), -EPERM);
	proof_of(&thief, "web1", buf_str(&new.public), &proof);
	assert_int_equal(ask(s, &new, prior, serial, buf_str(&proof)), -EPERM);
	proof_of(&old, "web2", buf_str(&new.public), &proof);
	assert_int_equal(ask(s, &new, prior, serial, buf_str(&proof)), -EPERM);
	proof_of(&old, "web1", buf_str(&new.public), &proof);
	assert_int_equal(ask(s, &thief, prior, serial, buf_str(&proof)), -EPERM);
	assert_int_equal(ask(s, &new, prior, STR("4a"), buf_str(&proof)), -EPERM);
	assert_int_equal(pki_load(f->dir, "ca.crt", &ca, NULL), 0);
	assert_int_equal(ask(s, &new, buf_str(&ca), serial, buf_str(&proof)), -EPERM);
	assert_int_equal(ask(s, &new, STR("nothing"), serial, buf_str(&proof)), -EPERM);
	assert_int_equal(new.crt.n, 0);
	assert_int_equal(ask(s, &new, prior, serial, buf_str(&proof)), 0);
	assert_string_not_equal(new.serial, old.serial);
	buf_free(&proof);
	buf_free(&ca);
	signer_free(s);
}

static void signs_orders(void **state)
{
	struct fixture *f = *state;
	unsigned char hub[ORDER_KEY], approver[ORDER_KEY], secret[ORDER_SECRET], other[ORDER_KEY], others[ORDER_SECRET];
	struct buf bytes = { 0 };
	struct err err = { 0 };
	assert_int_equal(order_key_new(approver, secret), 0);
	assert_int_equal(order_key_new(other, others), 0);
	assert_int_equal(pki_approver_add(f->dir, approver, STR("An"), NULL), 0);
	struct signer *s = start(f);
	assert_int_equal(pki_order_init(f->dir, hub, NULL), 0);
	struct order o = order_for(f, "ping");
	assert_int_equal(order_encode(&o, &bytes, NULL), 0);
	struct order_sealed sealed = { .bytes = buf_str(&bytes) };
	if (signer_order(s, &sealed, &err))
		fail_msg("%s", err.text);
	assert_true(order_verify(ORDER_BY_HUB, hub, sealed.bytes, sealed.signature));
	/* what no post would take */
	struct order bad[] = { o, o, o, o, o };
	bad[0].unit = STR("a bank");
	bad[1].verb = STR("shell");
	bad[2].expires = o.issued + ORDER_LIFE + 1;
	bad[3].sequence += (uint64_t)ORDER_AHEAD * 2;
	bad[4].issued = bad[4].expires = o.issued - ORDER_LIFE;
	bad[4].expires += 5;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		bytes.n = 0;
		assert_int_equal(order_encode(&bad[i], &bytes, NULL), 0);
		sealed = (struct order_sealed){ .bytes = buf_str(&bytes) };
		assert_int_equal(signer_order(s, &sealed, &err), -EPERM);
	}
	sealed = (struct order_sealed){ .bytes = STR("ping") };
	assert_int_equal(signer_order(s, &sealed, &err), -EPERM);
	/* what destroys: with an approval, of one of the list, of this order */
	o = order_for(f, "retire");
	bytes.n = 0;
	assert_int_equal(order_encode(&o, &bytes, NULL), 0);
	sealed = approve(buf_str(&bytes), NULL, NULL);
	assert_int_equal(signer_order(s, &sealed, &err), -EPERM);
	assert_non_null(strstr(err.text, "approver"));
	sealed = approve(buf_str(&bytes), other, others);
	assert_int_equal(signer_order(s, &sealed, &err), -EPERM);
	sealed = approve(buf_str(&bytes), approver, others);
	assert_int_equal(signer_order(s, &sealed, &err), -EPERM);
	sealed = approve(buf_str(&bytes), approver, secret);
	assert_int_equal(signer_order(s, &sealed, &err), 0);
	assert_true(order_verify(ORDER_BY_HUB, hub, sealed.bytes, sealed.signature));
	buf_free(&bytes);
	signer_free(s);
}

/* The signer that makes the hub's own certificate signs no order; and without a key for them none lives on. */
static void each_its_own(void **state)
{
	struct fixture *f = *state;
	struct signer *s = NULL;
	struct buf bytes = { 0 };
	struct err err = { 0 };
	bool made;
	struct order o = order_for(f, "ping");
	assert_int_equal(pki_ca_init(f->dir, STR("a clinic"), &f->clock, &made, NULL), 0);
	assert_int_equal(signer_posts(&s, f->dir, &f->clock, &err), -ENOENT);
	assert_null(s);
	assert_int_equal(signer_start(&s, f->dir, &f->clock, &err), 0);
	assert_int_equal(order_encode(&o, &bytes, NULL), 0);
	struct order_sealed sealed = { .bytes = buf_str(&bytes) };
	assert_int_equal(signer_order(s, &sealed, &err), -EINVAL);
	signer_free(s);
	buf_free(&bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(key_is_made_once), TEST(approvers),    TEST(signs_posts_only),
		                            TEST(renews),           TEST(signs_orders), TEST(each_its_own) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
