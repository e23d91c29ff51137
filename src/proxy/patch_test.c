#include "proxy/waf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW   1795359600 /* 2026-11-22T15:00:00Z */
#define OWNER "owner: an@benhvien.example\n"
#define UNTIL "expires: 2027-01-31\n"
#define WHY   "why: \"HIS 4.2 runs what is uploaded\"\n"
#define WHEN  "when: { path: /profile/avatar }\n"
#define HEAD  "id: his-upload\n" OWNER UNTIL WHY
#define RULE  "SecRule REQUEST_FILENAME \"@rx (?i)^\\x2fprofile(?:;[^/]*)?\\x2favatar(?:;[^/]*)?/?$\" "

struct folder {
	char path[64], files[8][96];
	int n;
};

static int begin(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "/tmp/khien-patch-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct folder *f = *state;
	for (int i = 0; i < f->n; i++)
		unlink(f->files[i]);
	assert_int_equal(rmdir(f->path), 0);
	free(f);
	return 0;
}

static const char *put(struct folder *f, const char *name, struct str text)
{
	char path[sizeof(f->files[0])];
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
	fclose(file);
	return memcpy(f->files[f->n++], path, sizeof(path));
}

/* The rule of the one patch of this text. */
static void assert_rule(struct folder *f, const char *text, const char *rule)
{
	struct patches p;
	struct buf problems = { 0 };
	char want[2048];
	const char *path = put(f, "a.yaml", str_from(text));
	if (patches_read(&p, path, NOW, &problems))
		fail_msg("%.*s", STR_ARG(buf_str(&problems)));
	assert_int_equal(p.n, 1);
	const char *number = strstr(rule, "id:N");
	snprintf(want, sizeof(want), "%.*sid:%u%s", (int)(number - rule), rule, p.at[0].number, number + 4);
	assert_string_equal(p.at[0].rule, want);
	assert_int_equal(problems.n, 0);
	unlink(path);
	f->n--;
	patches_done(&p);
	buf_free(&problems);
}

#define ONE   "p72" /* of the same hash */
#define OTHER "p5040"
#define ACTIONS(more)                                                                                                  \
	",id:N,phase:2,deny,status:403,log,severity:CRITICAL,tag:'khien-patch',msg:'Patch his-upload'" more "\"\n"

static void test_rules(void **state)
{
	assert_rule(*state, HEAD WHEN "do: deny\n", RULE "\"t:none,t:urlDecodeUni,t:normalizePathWin" ACTIONS(""));
	assert_rule(*state, HEAD "when: { path_prefix: /a/ }\ndo: watch\n",
	            "SecRule REQUEST_FILENAME \"@rx (?i)^\\x2fa(?:;[^/]*)?\\x2f\" "
	            "\"t:none,t:urlDecodeUni,t:normalizePathWin,"
	            "id:N,phase:2,pass,log,severity:CRITICAL,tag:'khien-patch',msg:'Patch his-upload'\"\n");
	assert_rule(
	        *state,
	        HEAD
	        "when:\n  path: /profile/avatar\n  method: [POST, PUT]\n  argument: { name: 'a|b', regex: '\\.php$' }\n"
	        "do: deny\n",
	        "SecRule REQUEST_METHOD \"@rx ^(?:POST|PUT)$\" \"t:none" ACTIONS(",chain") RULE
	        "\"t:none,t:urlDecodeUni,t:normalizePathWin,chain\"\n"
	        "SecRule ARGS:/^a\\x7cb$/|ARGS:/^json[.](.*[.])?a\\x7cb$/|FILES:/^a\\x7cb$/ \"@rx (?i)\\.php$\" "
	        "\"t:none\"\n");
	assert_rule(*state, HEAD "when: { header: { name: X-A, regex: '\"' } }\ndo: deny\n",
	            "SecRule REQUEST_HEADERS:/^X\\x2dA$/ \"@rx (?i)\\x22\" \"t:none" ACTIONS(""));
	assert_rule(*state, HEAD "when: { cookie: { name: role, regex: admin }, body_regex: '%{a}' }\ndo: deny\n",
	            "SecRule REQUEST_COOKIES:/^role$/ \"@rx (?i)admin\" \"t:none" ACTIONS(
	                    ",chain") "SecRule REQUEST_BODY \"@rx (?i)\\x25{a}\" \"t:none\"\n");
}

/* Wrong texts, and what is said: where, what, what to write. */
static void test_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{ "", "a.yaml:1:1: it is empty" },
		{ "[]", "a.yaml:1:1: a patch holds keys" },
		{ "a: [", "a.yaml:" },
		{ HEAD WHEN "do: deny\n---\na: b\n", "one patch a file" },
		{ OWNER UNTIL WHY WHEN "do: deny\n", "a.yaml:1:1: id is missing: write id: his-2026-11-upload" },
		{ "id: \"a' b\"\n" OWNER UNTIL WHY WHEN "do: deny\n",
		  "a.yaml:1:5: id has small letters, digits and '-' alone" },
		{ "id: a\n" UNTIL WHY WHEN "do: deny\n", "owner is missing" },
		{ "id: a\nowner: \"a\\nb\"\n" UNTIL WHY WHEN "do: deny\n", "a.yaml:2:8: owner is one line" },
		{ "id: a\n" OWNER WHY WHEN "do: deny\n", "expires is missing: write expires: 2027-01-31" },
		{ "id: a\n" OWNER "expires: soon\n" WHY WHEN "do: deny\n", "expires is a day, not 'soon'" },
		{ "id: a\n" OWNER "expires: 2027-02-31\n" WHY WHEN "do: deny\n", "expires is a day" },
		{ "id: a\n" OWNER "expires: 2028-01-31\n" WHY WHEN "do: deny\n", "more than a year away" },
		{ HEAD "do: deny\n", "when is missing" },
		{ HEAD "when: {}\ndo: deny\n", "when has no condition" },
		{ HEAD "when: { paths: /a }\ndo: deny\n", "a.yaml:5:9: when has no key 'paths': write one of path, " },
		{ HEAD "when: { path: a }\ndo: deny\n", "a.yaml:5:15: path is a path" },
		{ HEAD "when: { path: /a/../b }\ndo: deny\n", "path is a path" },
		{ HEAD "when: { path_prefix: \"/a?b\" }\ndo: deny\n", "path_prefix is a path" },
		{ HEAD "when: { path_regex: '(' }\ndo: deny\n",
		  "a.yaml:5:21: path_regex: missing closing parenthesis" },
		{ HEAD "when: { path_regex: '(a+)+$' }\ndo: deny\n", "far too long" },
		{ HEAD "when: { method: post }\ndo: deny\n", "in capitals: write method: [POST, PUT]" },
		{ HEAD "when: { method: [] }\ndo: deny\n", "in capitals" },
		{ HEAD "when: { method: 'A|B' }\ndo: deny\n", "in capitals" },
		{ HEAD "when: { argument: a }\ndo: deny\n", "argument holds keys: write name" },
		{ HEAD "when: { argument: { name: a } }\ndo: deny\n", "regex is missing" },
		{ HEAD WHEN, "do is missing: write do: deny" },
		{ HEAD WHEN "do: drop\n", "do is deny or watch" },
		{ HEAD WHEN "do: deny\nnote: x\n", "a.yaml:7:1: a patch has no key 'note'" },
	};
	struct folder *f = *state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct patches p = { .n = 77 };
		struct buf problems = { 0 };
		put(f, "a.yaml", str_from(wrong[i].text));
		assert_int_equal(patches_read(&p, f->path, NOW, &problems), -EINVAL);
		assert_int_equal(p.n, 77);
		buf_putc(&problems, '\0');
		if (!strstr(problems.p, wrong[i].says) || strncmp(problems.p, f->path, strlen(f->path)) != 0)
			fail_msg("%s: %s", wrong[i].text, problems.p);
		buf_free(&problems);
		unlink(f->files[--f->n]);
	}
}

static void test_folder(void **state)
{
	struct folder *f = *state;
	struct patches p;
	struct buf problems = { 0 };
	put(f, "b.yaml", STR("id: b\n" OWNER "expires: 2026-11-21\n" WHY WHEN "do: deny\n"));
	put(f, "a.yaml", STR("id: a\n" OWNER "expires: 2026-11-22\n" WHY WHEN "do: watch\n"));
	put(f, "a.txt", STR("["));
	put(f, ".c.yaml", STR("["));
	assert_int_equal(patches_read(&p, f->path, NOW, &problems), 0);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.at[0].id, "a");
	assert_string_equal(p.at[0].file, "a.yaml");
	assert_string_equal(p.at[0].owner, "an@benhvien.example");
	assert_string_equal(p.at[0].why, "HIS 4.2 runs what is uploaded");
	assert_int_equal(p.at[0].expires_s, 1795392000); /* the midnight that ends the day */
	assert_false(p.at[0].expired || p.at[0].denies);
	assert_true(p.at[1].expired && p.at[1].denies);
	assert_true(p.at[0].number >= 9100000 && p.at[0].number < 9900256 && p.at[0].number != p.at[1].number);
	buf_putc(&problems, '\0');
	assert_non_null(strstr(problems.p, "/b.yaml:3:10: b has expired and is left out"));
	assert_null(strstr(problems.p, "/a.yaml"));
	patches_done(&p);
	problems.n = 0;
	assert_int_equal(patches_read(&p, f->path, 1795392000, &problems), 0);
	assert_true(p.at[0].expired);
	patches_done(&p);

	put(f, "c.yaml", STR("id: a\n" OWNER UNTIL WHY WHEN "do: deny\n"));
	problems.n = 0;
	assert_int_equal(patches_read(&p, f->path, NOW, &problems), -EINVAL);
	buf_putc(&problems, '\0');
	assert_non_null(strstr(problems.p, "/c.yaml:1:5: another patch has the id 'a'"));
	buf_free(&problems);
}

static void test_files(void **state)
{
	struct folder *f = *state;
	struct patches p;
	struct buf problems = { 0 };
	char *large = malloc((64 << 10) + 1), missing[128];
	memset(large, '#', (64 << 10) + 1);
	snprintf(missing, sizeof(missing), "%s/none", f->path);
	assert_int_equal(patches_read(&p, missing, NOW, &problems), 0);
	assert_int_equal(p.n, 0);
	patches_done(&p);
	put(f, "large.yaml", (struct str){ large, (64 << 10) + 1 });
	put(f, "a\nb.yaml", STR(HEAD WHEN "do: deny\n"));
	assert_int_equal(patches_read(&p, f->path, NOW, &problems), -EINVAL);
	buf_putc(&problems, '\0');
	assert_non_null(strstr(problems.p, "a patch has 65536 bytes at most"));
	assert_non_null(strstr(problems.p, "alone in its name"));
	buf_free(&problems);
	free(large);
}

/* Two ids of one hash: both have a number, of their own. */
static void test_numbers(void **state)
{
	struct folder *f = *state;
	struct patches p;
	struct buf problems = { 0 };
	put(f, "a.yaml", STR("id: " ONE "\n" OWNER UNTIL WHY WHEN "do: deny\n"));
	put(f, "b.yaml", STR("id: " OTHER "\n" OWNER UNTIL WHY WHEN "do: deny\n"));
	assert_int_equal(patches_read(&p, f->path, NOW, &problems), 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.at[0].number + 1, p.at[1].number);
	patches_done(&p);
	buf_free(&problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rules, begin, end),
		cmocka_unit_test_setup_teardown(test_wrong, begin, end),
		cmocka_unit_test_setup_teardown(test_folder, begin, end),
		cmocka_unit_test_setup_teardown(test_files, begin, end),
		cmocka_unit_test_setup_teardown(test_numbers, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
