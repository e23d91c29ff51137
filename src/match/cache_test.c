#include "match/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char dir[64], rules[128], cache[128], rule[256];
};

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void write_rule(struct place *p, const char *word)
{
	char text[512];
	snprintf(text, sizeof(text),
	         "title: T\nid: 5a0d6a3e-0000-4000-8000-000000000001\nlogsource: {product: linux}\n"
	         "detection:\n  s:\n    Field|contains: %s\n    Other|re: '%s+'\n  condition: s\n",
	         word, word);
	write_file(p->rule, text);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	*p = (struct place){ .dir = "/tmp/khien-cache-test-XXXXXX" };
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(p->rules, sizeof(p->rules), "%s/rules", p->dir);
	snprintf(p->cache, sizeof(p->cache), "%s/cache", p->dir);
	snprintf(p->rule, sizeof(p->rule), "%s/r.yml", p->rules);
	mkdir(p->rules, 0700);
	write_rule(p, "needle");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	DIR *d = opendir(p->cache);
	for (struct dirent *e; d && (e = readdir(d));)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	unlink(p->rule);
	rmdir(p->rules);
	rmdir(p->cache);
	rmdir(p->dir);
	free(p);
	return 0;
}

static int count_match(void *arg, const struct match *m)
{
	++*(int *)arg;
	return 0;
}

/* Matches of an event with this text. */
static int run(const struct engine *e, const char *text)
{
	struct matcher *m;
	struct event ev;
	struct err err;
	int n = 0;
	assert_int_equal(matcher_new(&m, e, &err), 0);
	assert_int_equal(event_init(&ev, engine_fields(e)), 0);
	event_put_named(&ev, STR("Field"), str_from(text), VALUE_TEXT);
	event_put_named(&ev, STR("Other"), str_from(text), VALUE_TEXT);
	ev.has_pairs = true;
	assert_int_equal(matcher_run(m, &ev, count_match, &n), 0);
	matcher_free(m);
	event_done(&ev);
	return n;
}

/* Opens, and proves that the rules work: 1 when the rule matches an event with this text. */
static int open_and_run(const struct place *p, const char *text, bool *cached, struct err *not_cached)
{
	const char *dirs[] = { p->rules };
	struct engine_config config = { .rules = { .dirs = dirs, .n_dirs = 1, .all_rules = true },
		                        .cache_dir = p->cache,
		                        .threads = 1 };
	struct engine *e;
	struct engine_info info;
	struct err err;
	if (engine_open(&e, &config, &err))
		fail_msg("%s", err.text);
	engine_info(e, &info);
	*cached = info.cached;
	if (not_cached)
		*not_cached = info.not_cached;
	int n = run(e, text);
	engine_free(e);
	return n;
}

static void test_second_time(void **state)
{
	bool cached;
	assert_int_equal(open_and_run(*state, "a needle", &cached, NULL), 1);
	assert_false(cached);
	assert_int_equal(open_and_run(*state, "a needle", &cached, NULL), 1);
	assert_true(cached);
	assert_int_equal(open_and_run(*state, "a pin", &cached, NULL), 0);
}

static void test_changed_rule(void **state)
{
	bool cached;
	open_and_run(*state, "x", &cached, NULL);
	write_rule(*state, "pin");
	assert_int_equal(open_and_run(*state, "a pin", &cached, NULL), 1);
	assert_false(cached);
}

static char *only_file(const struct place *p, size_t *size)
{
	static char path[512];
	DIR *d = opendir(p->cache);
	assert_non_null(d);
	path[0] = '\0';
	for (struct dirent *e; (e = readdir(d));)
		if (strstr(e->d_name, ".rules"))
			snprintf(path, sizeof(path), "%s/%s", p->cache, e->d_name);
	closedir(d);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	*size = (size_t)st.st_size;
	return path;
}

/* A byte changed anywhere, or the file cut anywhere: compiled anew, never believed, never a crash. */
static void test_damaged(void **state)
{
	bool cached;
	size_t size;
	open_and_run(*state, "x", &cached, NULL);
	const char *path = only_file(*state, &size);
	for (size_t at = 0; at < size; at += size / 40 + 1) {
		int fd = open(path, O_RDWR);
		char c;
		assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
		c ^= 0x41;
		assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
		close(fd);
		assert_int_equal(open_and_run(*state, "needle", &cached, NULL), 1);
		/* only padding between the parts may change unseen */
		if (cached) {
			fd = open(path, O_RDWR);
			c ^= 0x41;
			assert_int_equal(c, 0);
			assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
			close(fd);
		}
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(truncate(path, (off_t)(size * (size_t)i / 5)), 0);
		assert_int_equal(open_and_run(*state, "needle", &cached, NULL), 1);
		assert_false(cached);
	}
	assert_int_equal(open_and_run(*state, "needle", &cached, NULL), 1);
	assert_true(cached);
}

static void test_untrusted(void **state)
{
	bool cached;
	size_t size;
	open_and_run(*state, "x", &cached, NULL);
	assert_int_equal(chmod(only_file(*state, &size), 0666), 0);
	assert_int_equal(open_and_run(*state, "needle", &cached, NULL), 1);
	assert_false(cached);
}

static void test_no_place(void **state)
{
	struct place *p = *state, other = *p;
	struct err why;
	bool cached;
	snprintf(other.cache, sizeof(other.cache), "/proc/nowhere");
	assert_int_equal(open_and_run(&other, "needle", &cached, &why), 1);
	assert_int_not_equal(why.code, 0);
	assert_non_null(strstr(why.text, "/proc/nowhere"));
}

static void test_keeps_few(void **state)
{
	struct place *p = *state;
	bool cached;
	for (int i = 0; i < 8; i++) {
		char word[16];
		snprintf(word, sizeof(word), "word%d", i);
		write_rule(p, word);
		open_and_run(p, "x", &cached, NULL);
	}
	int n = 0;
	DIR *d = opendir(p->cache);
	for (struct dirent *e; (e = readdir(d));)
		n += strstr(e->d_name, ".rules") != NULL;
	closedir(d);
	assert_int_equal(n, 4);
}

static void *mapped(const void *block, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return memcpy(p, block, size);
}

/* From one process to another: compiled just now, and come from the cache. */
static void test_packed(void **state)
{
	const struct place *p = *state;
	const char *dirs[] = { p->rules };
	for (int i = 0; i < 2; i++) {
		struct engine_config config = { .rules = { .dirs = dirs, .n_dirs = 1, .all_rules = true },
			                        .cache_dir = p->cache,
			                        .threads = 1,
			                        .no_jit = true };
		struct engine *e, *copy;
		struct engine_info info;
		struct err err;
		void *block;
		size_t size;
		assert_int_equal(engine_open(&e, &config, &err), 0);
		engine_info(e, &info);
		assert_int_equal(info.cached, i);
		assert_int_equal(engine_pack(e, &block, &size, &err), 0);
		engine_free(e);
		assert_int_equal(engine_unpack(&copy, mapped(block, size), size, &err), 0);
		assert_int_equal(run(copy, "a needle"), 1);
		assert_int_equal(run(copy, "a pin"), 0);
		engine_free(copy);
		((char *)block)[size / 2] ^= 1;
		assert_int_equal(engine_unpack(&copy, mapped(block, size), size, &err), -EBADMSG);
		assert_int_equal(engine_unpack(&copy, mapped(block, size / 2), size / 2, &err), -EBADMSG);
		free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_second_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_rule, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untrusted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keeps_few, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
