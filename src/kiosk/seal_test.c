/* What is sealed can be read with its key, for its row, and no other way. */
#include "kiosk/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[32], file[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/khien-seal-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/kiosk.key", dir);
	return 0;
}

/* Nothing but the key is left behind. */
static int teardown(void **state)
{
	remove(file);
	return rmdir(dir);
}

static struct seal *opened(void)
{
	struct seal *s = NULL;
	struct err err;
	if (seal_open(&s, file, true, &err))
		fail_msg("%s", err.text);
	return s;
}

static void write_key(const void *bytes, size_t n, mode_t mode)
{
	remove(file);
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_file(void **state)
{
	struct seal *s = NULL;
	struct err err;
	struct stat st;
	char key[SEAL_KEY + 1] = "0123456789abcdef0123456789abcde";
	assert_int_equal(seal_open(&s, file, false, &err), -ENOENT);
	assert_non_null(strstr(err.text, file));
	seal_close(opened());
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, SEAL_KEY);
	assert_int_equal(seal_open(&s, "/nowhere/kiosk.key", true, &err), -ENOENT);

	write_key(key, SEAL_KEY, 0640);
	assert_int_equal(seal_open(&s, file, true, &err), -EPERM);
	write_key(key, SEAL_KEY, 0604);
	assert_int_equal(seal_open(&s, file, true, &err), -EPERM);
	write_key(key, SEAL_KEY - 1, 0600);
	assert_int_equal(seal_open(&s, file, true, &err), -EBADMSG);
	write_key(key, SEAL_KEY + 1, 0600);
	assert_int_equal(seal_open(&s, file, true, &err), -EBADMSG);
	write_key("", 0, 0600);
	assert_int_equal(seal_open(&s, file, true, &err), -EBADMSG);
	remove(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(seal_open(&s, file, true, &err), -EBADMSG);
	remove(file);
	assert_int_equal(symlink("/etc/hostname", file), 0);
	assert_int_equal(seal_open(&s, file, true, &err), -ELOOP);
	assert_null(s);
	seal_close(NULL);
}

/* Who begins at the same moment gets the same key. */
static void test_made_once(void **state)
{
	enum { N = 8 };
	int results[2], status;
	unsigned char hash[SEAL_HASH], first[SEAL_HASH];
	assert_int_equal(pipe(results), 0);
	for (int i = 0; i < N; i++) {
		if (fork() != 0)
			continue;
		struct seal *s = NULL;
		if (seal_open(&s, file, true, NULL))
			_exit(1);
		seal_hash(s, "phone", STR("84912345678"), hash);
		_exit(write(results[1], hash, sizeof(hash)) != sizeof(hash));
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(read(results[0], hash, sizeof(hash)), sizeof(hash));
		if (!i)
			memcpy(first, hash, sizeof(first));
		assert_memory_equal(hash, first, sizeof(first));
	}
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	close(results[0]);
	close(results[1]);
}

static void test_text(void **state)
{
	static const struct str person = { "{\"name\":\"Nguyễn Văn An\"}", 27 };
	struct seal *s = opened();
	struct buf sealed = { 0 }, again = { 0 }, out = { 0 };
	buf_add(&sealed, STR("before"));
	seal_text(s, "person", STR("r1"), person, &sealed);
	assert_int_equal(sealed.n, 6 + person.n + SEAL_EXTRA);
	assert_null(memmem(sealed.p, sealed.n, "Nguy", 4));
	struct str bytes = str_sub(buf_str(&sealed), 6, sealed.n);
	assert_int_equal(seal_read(s, "person", STR("r1"), bytes, &out), 0);
	assert_true(str_eq(buf_str(&out), person));
	/* for another row, another column, or as if the border between them were elsewhere */
	assert_int_equal(seal_read(s, "person", STR("r2"), bytes, &out), -EBADMSG);
	assert_int_equal(seal_read(s, "persons", STR("r1"), bytes, &out), -EBADMSG);
	assert_int_equal(seal_read(s, "perso", STR("nr1"), bytes, &out), -EBADMSG);
	/* never the same twice */
	seal_text(s, "person", STR("r1"), person, &again);
	assert_int_equal(again.n, bytes.n);
	assert_memory_not_equal(again.p, bytes.p, again.n);
	/* each bit counts, and each byte */
	for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
		sealed.p[6 + bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(seal_read(s, "person", STR("r1"), bytes, &out), -EBADMSG);
		sealed.p[6 + bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t n = 0; n < bytes.n; n++)
		assert_int_equal(seal_read(s, "person", STR("r1"), str_sub(bytes, 0, n), &out), -EBADMSG);
	assert_true(str_eq(buf_str(&out), person)); /* nothing was added */
	seal_close(s);

	/* the same file, the same key; another, another */
	s = opened();
	assert_int_equal(seal_read(s, "person", STR("r1"), bytes, &out), 0);
	seal_close(s);
	remove(file);
	s = opened();
	assert_int_equal(seal_read(s, "person", STR("r1"), bytes, &out), -EBADMSG);
	seal_close(s);
	buf_free(&sealed);
	buf_free(&again);
	buf_free(&out);
}

static void test_bounds(void **state)
{
	struct seal *s = opened();
	struct buf sealed = { 0 }, small = { .max = SEAL_EXTRA + 3 }, out = { 0 };
	seal_text(s, "person", STR("r"), STR(""), &sealed);
	assert_int_equal(sealed.n, SEAL_EXTRA);
	assert_int_equal(seal_read(s, "person", STR("r"), buf_str(&sealed), &out), 0);
	assert_int_equal(out.n, 0);
	seal_text(s, "person", STR("r"), STR("four"), &small);
	assert_true(small.failed && small.n == 0);
	struct buf none = { .max = 8 };
	assert_int_equal(seal_read(s, "person", STR("r"), buf_str(&sealed), &none), -ENOMEM);
	seal_close(s);
	buf_free(&sealed);
	buf_free(&small);
	buf_free(&none);
	buf_free(&out);
}

/* Values that other machines have in their databases: they must never change. */
static void test_known(void **state)
{
	unsigned char hash[SEAL_HASH], other[SEAL_HASH], link[SEAL_KEY], form[SEAL_KEY];
	char hex[2 * SEAL_HASH + 1];
	write_key("0123456789abcdef0123456789abcdef", SEAL_KEY, 0600);
	struct seal *s = opened();
	seal_hash(s, "phone", STR("84912345678"), hash);
	for (int i = 0; i < SEAL_HASH; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	assert_string_equal(hex, "277eba8dd984477acb7eb1036061e717");
	seal_hash(s, "code", STR("84912345678"), other);
	assert_memory_not_equal(hash, other, sizeof(hash));
	seal_hash(s, "phon", STR("e84912345678"), other);
	assert_memory_not_equal(hash, other, sizeof(hash));
	seal_link_key(s, link);
	seal_form_key(s, form);
	assert_memory_not_equal(link, form, SEAL_KEY);
	assert_memory_not_equal(link, "0123456789abcdef0123456789abcdef", SEAL_KEY);
	seal_close(s);
}

static void test_passwords(void **state)
{
	char stored[PASSWORD_STORED], again[PASSWORD_STORED];
	struct err err;
	assert_int_equal(password_make(STR("mật khẩu dài"), stored, &err), 0);
	assert_int_equal(password_make(STR("mật khẩu dài"), again, &err), 0);
	assert_int_equal(strncmp(stored, "$argon2id$", 10), 0);
	assert_string_not_equal(stored, again);
	assert_true(password_is(stored, STR("mật khẩu dài")) && password_is(again, STR("mật khẩu dài")));
	assert_false(password_is(stored, STR("mật khẩu dà")));
	assert_false(password_is(stored, STR("mật khẩu dài\0")));
	assert_false(password_is(stored, STR("")));
	assert_false(password_is("", STR("")));
	assert_false(password_is("mật khẩu dài", STR("mật khẩu dài")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file),   TEST(test_made_once), TEST(test_text),
		TEST(test_bounds), TEST(test_known),     cmocka_unit_test(test_passwords),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
