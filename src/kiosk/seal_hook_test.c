#include "kiosk/seal_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int make_folder(void **state)
{
	char folder[] = "/tmp/khien-hook-XXXXXX";
	*state = mkdtemp(folder) ? strdup(folder) : NULL;
	return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[200];
	for (int i = 0; i < N_HOOKS; i++) {
		snprintf(path, sizeof(path), "%s/hook-%s", (char *)*state, hook_names[i]);
		unlink(path);
	}
	rmdir(*state);
	free(*state);
	return 0;
}

static void write_secret(const char *folder, const char *name, struct str text, mode_t mode)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/hook-%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, text.n), text.n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_secrets(void **state)
{
	struct hook_secrets *h = NULL;
	assert_int_equal(hook_secrets_open(&h, *state, NULL), 0); /* none is fine: nobody is listened to */
	assert_int_equal(hook_secret(h, HOOK_SEPAY).n, 0);
	hook_secrets_close(h);
	write_secret(*state, "payos", STR("the key\r\n"), 0600);
	write_secret(*state, "sepay", STR("other"), 0400);
	assert_int_equal(hook_secrets_open(&h, *state, NULL), 0);
	assert_true(str_eq(hook_secret(h, HOOK_PAYOS), STR("the key")));
	assert_true(str_eq(hook_secret(h, HOOK_SEPAY), STR("other")));
	hook_secrets_close(h);
	assert_int_equal(hook_secret(NULL, HOOK_SEPAY).n, 0);
	hook_secrets_close(NULL);
}

static void test_what_is_refused(void **state)
{
	struct hook_secrets *h = NULL;
	struct err err;
	char large[514];
	memset(large, 'x', sizeof(large));
	write_secret(*state, "sepay", STR("good"), 0640);
	assert_int_equal(hook_secrets_open(&h, *state, &err), -EPERM);
	assert_non_null(strstr(err.text, "hook-sepay"));
	assert_null(strstr(err.text, "good"));
	write_secret(*state, "sepay", STR("\n"), 0600);
	assert_int_equal(hook_secrets_open(&h, *state, NULL), -EBADMSG);
	write_secret(*state, "sepay", STR("a\nb"), 0600);
	assert_int_equal(hook_secrets_open(&h, *state, NULL), -EBADMSG);
	write_secret(*state, "sepay", (struct str){ large, 513 }, 0600);
	assert_int_equal(hook_secrets_open(&h, *state, NULL), -EBADMSG);
	write_secret(*state, "sepay", (struct str){ large, 514 }, 0600);
	assert_int_equal(hook_secrets_open(&h, *state, NULL), -EBADMSG);
	assert_null(h);
	write_secret(*state, "sepay", (struct str){ large, 512 }, 0600);
	assert_int_equal(hook_secrets_open(&h, *state, NULL), 0);
	assert_int_equal(hook_secret(h, HOOK_SEPAY).n, 512);
	hook_secrets_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_secrets, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_what_is_refused, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
