#include "kiosk/register.h"

#include "kiosk/follow_message.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
	char path[64], file[96];
};

static int setup(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "/tmp/khien-register-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	snprintf(f->file, sizeof(f->file), "%s/register", f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;
	chmod(f->path, 0700);
	unlink(f->file);
	rmdir(f->path);
	free(f);
	return 0;
}

static int64_t number;

/* SET where to is above 0, else ASK; what it answers. */
static int ask(struct registry *r, int64_t from, int64_t to, const char *holder, bool alone, bool sure,
               struct register_value *ret)
{
	struct buf question = { 0 }, answer = { 0 };
	struct err err = { 0 };
	struct message m = { .kind = MESSAGE_ASK, .last = ++number };
	if (to)
		m = (struct message){ .kind = MESSAGE_SET,
			              .epoch = to,
			              .seq = from,
			              .alone = alone,
			              .flag = sure,
			              .last = number,
			              .body = str_from(holder) };
	message_put(&m, &question);
	int code = register_answer(r, buf_str(&question), &answer, &err);
	if (!code) {
		assert_int_equal(message_read(buf_str(&answer), &m), 0);
		assert_int_equal(m.kind, MESSAGE_VALUE);
		assert_int_equal(m.last, number);
		*ret = (struct register_value){ 0 };
		assert_true(m.epoch == 0 || register_read_value(m.body, m.epoch, m.alone, ret));
	} else {
		assert_int_equal(answer.n, 0);
		assert_string_not_equal(err.text, "");
	}
	buf_free(&question);
	buf_free(&answer);
	return code;
}

static bool is(const struct register_value *v, int64_t epoch, const char *holder, bool alone)
{
	return v->epoch == epoch && strcmp(v->holder, holder) == 0 && v->alone == alone;
}

static void test_compare_and_set(void **state)
{
	const struct folder *f = *state;
	struct registry *r;
	struct register_value v;
	assert_int_equal(register_open(&r, f->path, "register", NULL), 0);
	assert_int_equal(ask(r, 0, 0, "", false, false, &v), 0);
	assert_true(is(&v, 0, "", false));
	assert_int_equal(ask(r, 0, 1, "a", true, false, &v), 0);
	assert_true(is(&v, 1, "a", true));
	ask(r, 0, 1, "b", true, false, &v); /* the other one named the same: too late */
	assert_true(is(&v, 1, "a", true));
	ask(r, 1, 2, "b", true, false, &v); /* "a" is alone: whoever follows it lacks something */
	assert_true(is(&v, 1, "a", true));
	ask(r, 1, 1, "a", false, false, &v); /* an epoch isn't used twice */
	assert_true(is(&v, 1, "a", true));
	ask(r, 1, 2, "a", false, false, &v);
	assert_true(is(&v, 2, "a", false));
	ask(r, 2, 3, "b", true, false, &v);
	assert_true(is(&v, 3, "b", true));
	ask(r, 2, 3, "a", true, false, &v); /* went alone at the same moment */
	assert_true(is(&v, 3, "b", true));
	ask(r, 3, 7, "a", true, true, &v); /* a person is sure */
	assert_true(is(&v, 7, "a", true));
	register_close(r);
}

static void test_stands_on_the_disk(void **state)
{
	const struct folder *f = *state;
	struct registry *r;
	struct register_value v;
	struct stat st;
	for (int64_t epoch = 0; epoch < 20; epoch++) {
		assert_int_equal(register_open(&r, f->path, "register", NULL), 0);
		assert_true(is(register_value(r), epoch, epoch ? "kiosk-1" : "", epoch % 2));
		assert_int_equal(ask(r, epoch, epoch + 1, "kiosk-1", (epoch + 1) % 2, false, &v), 0);
		register_close(r);
	}
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"alone\":true,\"epoch\":0,\"holder\":\"a\"}",
		"{\"alone\":1,\"epoch\":3,\"holder\":\"a\"}",
		"{\"alone\":true,\"epoch\":3,\"holder\":\"\"}",
		"{\"alone\":true,\"epoch\":3,\"holder\":\"a\"} {}",
		"{\"alone\":true,\"epoch\":3,\"epoch\":4,\"holder\":\"a\"}",
		("{\"alone\":true,\"epoch\":3,"
		 "\"holder\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
	};
	const struct folder *f = *state;
	struct registry *r = NULL;
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		int fd = open(f->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		close(fd);
		assert_int_equal(register_open(&r, f->path, "register", &err), -EBADMSG);
		assert_null(r);
		assert_non_null(strstr(err.text, f->file));
	}
}

/* What can't be written wasn't promised. */
static void test_full_disk(void **state)
{
	struct folder *f = *state;
	struct registry *r;
	struct register_value v;
	assert_int_equal(register_open(&r, f->path, "register", NULL), 0);
	assert_int_equal(ask(r, 0, 1, "a", true, false, &v), 0);
	char moved[96];
	snprintf(moved, sizeof(moved), "%s-moved", f->path);
	assert_int_equal(rename(f->path, moved), 0); /* root may write anywhere, but not where there is nothing */
	assert_int_equal(ask(r, 1, 2, "a", false, false, &v), -ENOENT);
	assert_true(is(register_value(r), 1, "a", true));
	assert_int_equal(rename(moved, f->path), 0);
	assert_int_equal(ask(r, 1, 2, "a", false, false, &v), 0);
	assert_true(is(&v, 2, "a", false));
	register_close(r);
}

static void test_no_questions(void **state)
{
	static const struct message none[] = {
		{ .kind = MESSAGE_HELLO },
		{ .kind = MESSAGE_VALUE, .epoch = 5, .body = { "a", 1 } },
		{ .kind = MESSAGE_SET, .epoch = 1 },
		{ .kind = MESSAGE_SET, .epoch = 1, .body = { "a b", 3 } },
		{ .kind = MESSAGE_SET, .epoch = 1, .body = { "a\n", 2 } },
		{ .kind = MESSAGE_SET,
		  .epoch = 1,
		  .body = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 64 } },
	};
	const struct folder *f = *state;
	struct registry *r;
	struct buf answer = { 0 };
	assert_int_equal(register_open(&r, f->path, "register", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		struct buf question = { 0 };
		message_put(&none[i], &question);
		assert_int_equal(register_answer(r, buf_str(&question), &answer, NULL), -EPROTO);
		buf_free(&question);
	}
	assert_int_equal(register_answer(r, STR("GET / HTTP/1.1"), &answer, NULL), -EPROTO);
	assert_int_equal(answer.n, 0);
	assert_true(is(register_value(r), 0, "", false));
	register_close(r);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_FOLDER(test_compare_and_set), IN_A_FOLDER(test_stands_on_the_disk), IN_A_FOLDER(test_damaged),
		IN_A_FOLDER(test_full_disk),       IN_A_FOLDER(test_no_questions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
