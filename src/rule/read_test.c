/* Files and folders -> texts. */
#include "rule/compile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/khien-read-XXXXXX";

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	if (!mkdtemp(folder) || chdir(folder) || mkdir("r", 0700) || mkdir("r/a", 0700) || mkdir("r/.git", 0700) ||
	    mkdir("p", 0700))
		return -1;
	write_file("r/z.yml", "z");
	write_file("r/a/y.yaml", "y");
	write_file("r/a-b.yml", "ab");
	write_file("r/a/readme.txt", "no");
	write_file("r/.git/x.yml", "no");
	write_file("r/.x.yml", "no");
	write_file("p/names.txt", "one\n");
	write_file("m.yaml", "mapping");
	FILE *big = fopen("r/big.yml", "w");
	for (int i = 0; big && i < (1 << 20) + 1; i++)
		fputc('#', big);
	return !big || fclose(big) || symlink("nowhere", "r/dead.yml") || symlink(".", "r/loop");
}

static int teardown(void **state)
{
	static const char *const gone[] = {
		"r/z.yml",     "r/a/y.yaml", "r/a-b.yml", "r/a/readme.txt", "r/.git/x.yml", "r/.x.yml",
		"p/names.txt", "m.yaml",     "r/big.yml", "r/dead.yml",     "r/loop",       "r/.git",
		"r/a",         "r",          "p"
	};
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		remove(gone[i]);
	return chdir("/") || remove(folder);
}

static void test_folder(void **state)
{
	static const char *const dirs[] = { "r/", "m.yaml" };
	static const char *const paths[] = {
		"r/a-b.yml", "r/a/y.yaml", "r/big.yml", "r/dead.yml", "r/z.yml", "m.yaml"
	};
	const struct rule_config config = { .dirs = dirs, .n_dirs = 2, .placeholders = "p" };
	struct rule_texts t;
	struct err err;
	assert_int_equal(0, rule_read(&t, &config, &err));
	assert_int_equal(ARRAY_LEN(paths), t.n_files);
	for (size_t i = 0; i < t.n_files; i++)
		assert_string_equal(paths[i], t.files[i].path.p);
	assert_string_equal("ab", t.files[0].text.p);
	assert_null(t.files[2].text.p);
	assert_null(t.files[3].text.p);
	assert_int_equal(1, t.n_placeholders);
	assert_string_equal("one\n", t.placeholders[0].text.p);
	assert_true(t.mapping.text.n > 0);
	rule_texts_free(&t);
}

static void test_mapping(void **state)
{
	const struct rule_config config = { .mapping = "m.yaml", .all_rules = true };
	struct rule_texts t;
	struct err err;
	assert_int_equal(0, rule_read(&t, &config, &err));
	assert_string_equal("mapping", t.mapping.text.p);
	assert_true(t.all_rules);
	rule_texts_free(&t);
}

static void test_errors(void **state)
{
	static const char *const missing[] = { "r", "nowhere" }, *const dead[] = { "r/big.yml" };
	const struct rule_config configs[] = {
		{ .dirs = missing, .n_dirs = 2 },
		{ .dirs = dead, .n_dirs = 1 },
		{ .mapping = "nowhere" },
		{ .placeholders = "nowhere" },
	};
	static const struct {
		int code;
		const char *text;
	} expected[] = { { -ENOENT, "open rules 'nowhere': No such file or directory" },
		         { -EFBIG, "read 'r/big.yml': File too large" },
		         { -ENOENT, "read mapping 'nowhere': No such file or directory" },
		         { -ENOENT, "open rules 'nowhere': No such file or directory" } };
	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		struct rule_texts t = { 0 };
		struct err err;
		assert_int_equal(expected[i].code, rule_read(&t, &configs[i], &err));
		assert_string_equal(expected[i].text, err.text);
		assert_null(t.files);
	}
}

/* The mapping in the program is one. */
static void test_built_in(void **state)
{
	const struct rule_config config = { 0 };
	struct rule_texts t;
	struct ruleset rs;
	struct err err = { 0 };
	assert_int_equal(0, rule_read(&t, &config, &err));
	if (rule_compile(&rs, &t, &err))
		fail_msg("%s", err.text);
	ruleset_free(&rs);
	rule_texts_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_built_in),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
