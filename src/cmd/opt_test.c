#include "cmd/opt.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const choices[] = { "auto", "always", "never", NULL };

struct args {
	bool json, all;
	const char *mapping;
	uint64_t threads;
	int color;
	struct opt_list rules, play, files;
};

static char said[4096]; /* what went to standard error */

/* Parses the words and keeps what was said about them. */
static int parse(struct args *a, const char *const *argv)
{
	const struct opt opts[] = {
		{ "json", 'j', OPT_FLAG, NULL, "as JSON", &a->json, 0, 0, NULL },
		{ "all-rules", 'a', OPT_FLAG, NULL, "all", &a->all, 0, 0, NULL },
		{ "mapping", 'm', OPT_TEXT, "FILE", "mapping", &a->mapping, 0, 0, NULL },
		{ "threads", 't', OPT_NUMBER, "N", "threads\nof the program", &a->threads, 1, 64, NULL },
		{ "color", 0, OPT_CHOICE, "WHEN", "colour", &a->color, 0, 0, choices },
		{ "rules", 'r', OPT_WORDS, "DIR", "rules", &a->rules, 0, 0, NULL },
		{ "play", 0, OPT_LIST, "FILE", "recordings", &a->play, 0, 0, NULL },
	};
	const struct opt_spec spec = { "match",         (const char *const[]){ "[options] FILE...", NULL },
		                       "Matches.",      opts,
		                       ARRAY_LEN(opts), NULL };
	int argc = 0, p[2], out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	while (argv[argc])
		argc++;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	fflush(stdout);
	dup2(p[1], STDOUT_FILENO);
	dup2(p[1], STDERR_FILENO);
	int status = opt_parse(&spec, argc, (char **)argv, &a->files);
	fflush(stdout);
	fflush(stderr);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	ssize_t n = read(p[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(p[0]);
	close(p[1]);
	close(out);
	close(err);
	return status;
}

#define PARSE(a, ...) parse(a, (const char *const[]){ "match", __VA_ARGS__, NULL })

static void done(struct args *a)
{
	opt_list_done(&a->rules);
	opt_list_done(&a->play);
	opt_list_done(&a->files);
	*a = (struct args){ 0 };
}

static void test_all_forms(void **state)
{
	struct args a = { 0 };
	assert_int_equal(PARSE(&a, "-ja", "-m", "x", "--threads=8", "--color", "never", "one", "-", "--", "--json"),
	                 -1);
	assert_true(a.json && a.all);
	assert_string_equal(a.mapping, "x");
	assert_int_equal(a.threads, 8);
	assert_int_equal(a.color, 2);
	assert_int_equal(a.files.n, 3);
	assert_string_equal(a.files.at[1], "-");
	assert_string_equal(a.files.at[2], "--json");
	done(&a);
	assert_int_equal(PARSE(&a, "-t4", "-mfile", "--mapping="), -1);
	assert_int_equal(a.threads, 4);
	assert_string_equal(a.mapping, "");
	done(&a);
}

static void test_words_end_at_an_option(void **state)
{
	struct args a = { 0 };
	assert_int_equal(PARSE(&a, "--rules", "r1", "r2", "--json", "e1", "--rules=r3", "r4", "--", "e2"), -1);
	assert_int_equal(a.rules.n, 4);
	assert_string_equal(a.rules.at[3], "r4");
	assert_int_equal(a.files.n, 2);
	assert_string_equal(a.files.at[0], "e1");
	assert_string_equal(a.files.at[1], "e2");
	done(&a);
	assert_int_equal(PARSE(&a, "--play", "p1", "e1", "--play", "p2"), -1); /* a list takes one word each time */
	assert_int_equal(a.play.n, 2);
	assert_int_equal(a.files.n, 1);
	done(&a);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *word, *value, *says;
	} cases[] = {
		{ "--jsno", NULL, "did you mean '--json'" },
		{ "--thread", NULL, "did you mean '--threads'" },
		{ "--hlep", NULL, "did you mean '--help'" },
		{ "-x", NULL, "unknown option '-x'" },
		{ "--threads", "0", "number from 1 to 64" },
		{ "--threads", "65", "number from 1 to 64" },
		{ "--threads", "-1", "number from 1 to 64" },
		{ "--threads", "18446744073709551617", "number from 1 to 64" },
		{ "--threads", "2x", "number from 1 to 64" },
		{ "--color", "blue", "one of auto always never" },
		{ "--mapping", NULL, "needs a value: FILE" },
		{ "--rules", "--json", "needs a value: DIR" },
		{ "--json=1", NULL, "no value" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct args a = { 0 };
		assert_int_equal(PARSE(&a, cases[i].word, cases[i].value), 2);
		if (!strstr(said, cases[i].says))
			fail_msg("%s: said: %s", cases[i].word, said);
		done(&a);
	}
	struct args a = { 0 };
	assert_int_equal(PARSE(&a, "--quite-something-else"), 2);
	assert_null(strstr(said, "did you mean"));
	done(&a);
}

static void test_help_lists_every_option(void **state)
{
	struct args a = { 0 };
	assert_int_equal(PARSE(&a, "--json", "--help"), 0);
	static const char *const parts[] = { "Usage: khien match [options] FILE...",
		                             "  -j, --json",
		                             "      --color WHEN",
		                             "--rules DIR...",
		                             "-h, --help",
		                             "--version",
		                             "of the program" };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!strstr(said, parts[i]))
			fail_msg("'%s' is not in: %s", parts[i], said);
	done(&a);
}

static void test_nearest(void **state)
{
	const char *const words[] = { "match", "rules", "watch" };
	assert_string_equal(opt_nearest("wach", words, 3), "watch");
	assert_string_equal(opt_nearest("rule", words, 3), "rules");
	assert_null(opt_nearest("serve", words, 3));
	assert_null(opt_nearest("", words, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_forms), cmocka_unit_test(test_words_end_at_an_option),
		cmocka_unit_test(test_mistakes),  cmocka_unit_test(test_help_lists_every_option),
		cmocka_unit_test(test_nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
