/* Who a post is survives the disk; an answer that is none changes nothing; approvers are what people wrote. */
#include "post/identity.h"

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

static char dir[64];
static struct buf ca;
static struct clock test_clock;

static int begin(void **state)
{
	bool made;
	snprintf(dir, sizeof(dir), "/tmp/khien-identity-XXXXXX");
	assert_non_null(mkdtemp(dir));
	clock_test(&test_clock, 1795000000000000LL);
	assert_int_equal(pki_ca_init(dir, STR("A clinic"), &test_clock, &made, NULL), 0);
	ca.n = 0;
	return pki_load(dir, "ca.crt", &ca, NULL);
}

static int end(void **state)
{
	static const char *const names[] = { "ca.crt", "ca.key", "identity", "approvers" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	buf_free(&ca);
	return 0;
}

/* As a hub answers; any certificate will do here. */
static void answer(struct buf *out, const char *name)
{
	buf_printf(out, "{\"name\":\"%s\",\"unit\":\"A clinic\",\"certificate\":", name);
	buf_add_json(out, buf_str(&ca));
	buf_add(out, STR(",\"ca\":"));
	buf_add_json(out, buf_str(&ca));
	unsigned char public[ORDER_KEY], secret[ORDER_SECRET];
	char key[ORDER_KEY_TEXT];
	assert_int_equal(order_key_new(public, secret), 0);
	order_key_text(public, key);
	buf_printf(out, ",\"until\":5,\"order_key\":\"%s\",\"approvers\":[\"%s An\"],\"time\":1795000000000001}", key,
	           key);
}

static void take(struct identity *i, struct buf *approvers)
{
	CLEANUP(buf_free) struct buf json = { 0 }, key = { 0 }, body = { 0 };
	struct identity old = { .hubs = { "hub:9200", "[::1]:9200" }, .n_hubs = 2 };
	struct err err = { 0 };
	int64_t time;
	answer(&json, "web1");
	assert_int_equal(identity_ask(&key, &body, "web1", "SECRET", &err), 0);
	assert_true(str_starts(buf_str(&body),
	                       STR("{\"secret\":\"SECRET\",\"name\":\"web1\",\"public_key\":\"-----BEGIN PUBLIC")));
	assert_int_equal(identity_take(&old, buf_str(&json), buf_str(&key), i, approvers, &time, &err), 0);
	assert_true(time == 1795000000000001LL);
}

static void kept(void **state)
{
	CLEANUP(identity_done) struct identity i = { 0 }, again = { 0 };
	CLEANUP(buf_free) struct buf approvers = { 0 };
	struct stat st;
	char path[128];
	assert_int_equal(identity_load(&again, dir, NULL), -ENOENT);
	take(&i, &approvers);
	assert_int_equal(identity_save(&i, dir, NULL), 0);
	snprintf(path, sizeof(path), "%s/identity", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(identity_load(&again, dir, NULL), 0);
	assert_string_equal(again.name, "web1");
	assert_string_equal(again.unit, "A clinic");
	assert_int_equal(again.n_hubs, 2);
	assert_string_equal(again.hubs[1], "[::1]:9200");
	assert_int_equal(again.n_order_keys, 1);
	assert_true(str_eq(buf_str(&again.key), buf_str(&i.key)));
	assert_true(str_eq(buf_str(&again.certificate), buf_str(&ca)));
	const int64_t life = again.until - again.from;
	assert_false(identity_is_due(&again, again.from + life / 2));
	assert_true(identity_is_due(&again, again.from + life * 7 / 10));
	/* damaged anywhere it is refused or the same, never something else */
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
	close(fd);
	struct identity none = { 0 };
	assert_int_equal(identity_load(&none, dir, NULL), -EBADMSG);
	snprintf(path, sizeof(path), "%s/token", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(identity_forget(dir, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(identity_load(&none, dir, NULL), -ENOENT);
}

static void answer_of(struct buf *out, struct str certificate, struct str authority, const char *key)
{
	buf_add(out, STR("{\"name\":\"web1\",\"unit\":\"A clinic\",\"certificate\":"));
	buf_add_json(out, certificate);
	buf_add(out, STR(",\"ca\":"));
	buf_add_json(out, authority);
	buf_printf(out, "%s%s%s}", key ? ",\"order_key\":\"" : "", key ? key : "", key ? "\"" : "");
}

/* Neither the CA nor whose orders count, and no second certificate beside the one. */
static void not_changed_by_renewals(void **state)
{
	CLEANUP(identity_done) struct identity old = { 0 }, fresh = { 0 };
	CLEANUP(buf_free) struct buf lines = { 0 }, same = { 0 }, two = { 0 }, json = { 0 }, another = { 0 };
	char key[ORDER_KEY_TEXT], other[ORDER_KEY_TEXT];
	unsigned char public[ORDER_KEY], secret[ORDER_SECRET];
	int64_t time;
	take(&old, &lines);
	order_key_text(old.order_keys[0], key);
	assert_int_equal(order_key_new(public, secret), 0);
	order_key_text(public, other);
	answer_of(&same, buf_str(&ca), buf_str(&ca), key);
	assert_int_equal(identity_take(&old, buf_str(&same), STR("key"), &fresh, &lines, &time, NULL), 0);
	identity_done(&fresh);
	answer_of(&json, buf_str(&ca), buf_str(&ca), other);
	assert_int_equal(identity_take(&old, buf_str(&json), STR("key"), &fresh, &lines, &time, NULL), -EACCES);
	buf_add(&two, buf_str(&ca));
	buf_add(&two, buf_str(&ca));
	json.n = 0;
	answer_of(&json, buf_str(&two), buf_str(&ca), key);
	assert_int_equal(identity_take(&old, buf_str(&json), STR("key"), &fresh, &lines, &time, NULL), -EBADMSG);
	json.n = 0;
	answer_of(&json, buf_str(&ca), buf_str(&two), key);
	assert_int_equal(identity_take(&old, buf_str(&json), STR("key"), &fresh, &lines, &time, NULL), -EBADMSG);
	/* a CA of the same unit is another all the same */
	char path[128];
	bool made;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, i ? "ca.key" : "ca.crt");
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(pki_ca_init(dir, STR("A clinic"), &test_clock, &made, NULL), 0);
	assert_int_equal(pki_load(dir, "ca.crt", &another, NULL), 0);
	json.n = 0;
	answer_of(&json, buf_str(&ca), buf_str(&another), key);
	assert_int_equal(identity_take(&old, buf_str(&json), STR("key"), &fresh, &lines, &time, NULL), -EACCES);
}

static void sign(struct signer *s, struct str public, const char *name, enum pki_use use, struct buf *out)
{
	const struct str names[] = { STR("web1") };
	const struct pki_request r = { .public_key = public,
		                       .common_name = str_from(name),
		                       .names = names,
		                       .n_names = use == PKI_SERVER,
		                       .use = use,
		                       .days = 30,
		                       .organization = STR("A clinic") };
	struct err err = { 0 };
	out->n = 0;
	assert_int_equal(signer_sign(s, &r, out, &err), 0);
}

static void checked(void **state)
{
	CLEANUP(buf_free) struct buf public = { 0 }, theirs = { 0 }, their_key = { 0 };
	CLEANUP(identity_done) struct identity i = { .name = "web1", .unit = "A clinic" };
	struct signer *s;
	assert_int_equal(signer_start(&s, dir, &test_clock, NULL), 0);
	assert_int_equal(pki_key_new(&i.key, &public, NULL), 0);
	assert_int_equal(pki_key_new(&their_key, &theirs, NULL), 0);
	buf_add(&i.ca, buf_str(&ca));
	sign(s, buf_str(&public), "web1", PKI_CLIENT, &i.certificate);
	struct err err = { 0 };
	int code = identity_check(&i, &err);
	if (code)
		print_error("%s\n", err.text);
	assert_int_equal(code, 0);
	sign(s, buf_str(&theirs), "web1", PKI_CLIENT, &i.certificate);
	assert_int_equal(identity_check(&i, &err), -EACCES);
	sign(s, buf_str(&public), "web2", PKI_CLIENT, &i.certificate);
	assert_int_equal(identity_check(&i, &err), -EACCES);
	sign(s, buf_str(&public), "web1", PKI_SERVER, &i.certificate);
	assert_int_equal(identity_check(&i, &err), -EACCES);
	i.certificate.n = 0;
	buf_add(&i.certificate, buf_str(&ca));
	assert_int_equal(identity_check(&i, &err), -EACCES);
	signer_free(s);
}

static void no_answers(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"name\":\"web1\",\"unit\":\"u\",\"certificate\":\"x\",\"ca\":\"y\"}",
		"{\"name\":\"web1\\nhub evil:1\",\"unit\":\"u\"}",
	};
	struct identity old = { 0 }, i = { 0 };
	CLEANUP(buf_free) struct buf approvers = { 0 };
	int64_t time;
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		assert_int_equal(identity_take(&old, str_from(bad[k]), STR("key"), &i, &approvers, &time, NULL),
		                 -EBADMSG);
	assert_null(i.key.p);
}

static void approvers(void **state)
{
	CLEANUP(identity_done) struct identity i = { 0 };
	CLEANUP(buf_free) struct buf lines = { 0 };
	struct approver_key k[ORDER_KEYS_MAX], one;
	size_t n;
	assert_int_equal(approvers_load(dir, k, &n, NULL), 0);
	assert_int_equal(n, 0);
	take(&i, &lines);
	assert_int_equal(approver_key_read(buf_str(&lines), &one, NULL), 0);
	assert_string_equal(one.name, "An");
	assert_int_equal(approvers_save(dir, &one, 1, NULL), 0);
	assert_int_equal(approvers_load(dir, k, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(k[0].public, one.public, ORDER_KEY);
	assert_int_equal(approver_key_read(STR("ed25519:short An"), &one, NULL), -EINVAL);
	assert_int_equal(approver_key_read(STR(""), &one, NULL), -EINVAL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = { CASE(kept), CASE(not_changed_by_renewals), CASE(checked), CASE(no_answers),
		                            CASE(approvers) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
