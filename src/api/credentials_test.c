#include "api/credentials.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void values(void **state)
{
	static const struct {
		const char *value, *want; /* want NULL: refused */
	} cases[] = {
		{ "Bearer one.secret", "one.secret" },
		{ "bearer   one.secret", "one.secret" },
		{ "Bearer one.sec.ret", "one.sec.ret" },
		{ "ApiKey b25lOnNlY3JldA==", "one.secret" },
		{ "APIKEY b25lOnNlY3JldA==", "one.secret" },
		{ "Basic b25lOnNlY3JldA==", "one.secret" },
		{ "Basic b25lOnNlOmNyZXQ=", "one.se:cret" },
		{ "Basic b25lOnNlY3JldA", NULL },    /* not padded */
		{ "Basic b25lOnNlY3JldB==", NULL },  /* not canonical */
		{ "Basic b25l OnNlY3JldA==", NULL }, /* a blank */
		{ "Basic b25lOg==", NULL },          /* "one:" */
		{ "Basic OnNlY3JldA==", NULL },      /* ":secret" */
		{ "Basic b25l", NULL },              /* "one" */
		{ "Basic by5lOnNlY3JldA==", NULL },  /* "o.e:secret": whose dot is it? */
		{ "Basic b25lOnNlAHJldA==", NULL },  /* a NUL in it */
		{ "Bearer one", NULL },
		{ "Bearer .secret", NULL },
		{ "Bearer one.", NULL },
		{ "Bearer one.sec ret", NULL },
		{ "Bearer one.s\xc3\xa9", NULL },
		{ "Bearer", NULL },
		{ "Bearer ", NULL },
		{ "Digest one.secret", NULL },
		{ " Bearer one.secret", NULL },
		{ "one.secret", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credentials c = { .n = 1, .text = "?" };
		int code = credentials_parse(str_from(cases[i].value), &c);
		if (code != (cases[i].want ? 0 : -EBADMSG))
			fail_msg("%d for %s", code, cases[i].value);
		assert_true(str_eq((struct str){ c.text, c.n }, str_from(cases[i].want ? cases[i].want : "?")));
	}
	struct credentials c;
	assert_int_equal(credentials_parse(STR(""), &c), -ENOENT);
}

static void bounds(void **state)
{
	char value[7 + CREDENTIALS_MAX + 2];
	struct credentials c;
	memset(value, 'a', sizeof(value));
	memcpy(value, "Bearer a.", 9);
	assert_int_equal(credentials_parse((struct str){ value, 7 + CREDENTIALS_MAX }, &c), 0);
	assert_int_equal(c.n, CREDENTIALS_MAX);
	assert_int_equal(credentials_parse((struct str){ value, 8 + CREDENTIALS_MAX }, &c), -EBADMSG);
	credentials_wipe(&c);
	assert_int_equal(c.n + (size_t)c.text[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(bounds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
