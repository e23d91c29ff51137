#include "api/server_test.h"

static void asked(void **state)
{
	static const struct {
		const char *request, *body;
		int status;
	} cases[] = {
		{ "GET /v1/sample HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", "{\"requests\":1}\n", 200 },
		{ "GET /v1/sample HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", "{\"requests\":2}\n", 200 },
		{ "HEAD /v1/sample HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", "", 200 },
		{ "GET /v1/sample HTTP/1.1\r\nHost: x\r\n\r\n", NULL, 401 },
		{ "POST /v1/sample HTTP/1.1\r\nHost: x\r\n" TOKEN "Content-Length: 0\r\n\r\n", NULL, 405 },
		{ "GET /v1/sample/x HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", NULL, 404 },
	};
	struct server s;
	server_start(&s, (struct api_config){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r;
		ask(&s, str_from(cases[i].request), &r);
		if (r.status != cases[i].status || (cases[i].body && !str_eq(r.body, str_from(cases[i].body))))
			fail_msg("%s: %d " STR_FMT, cases[i].request, r.status, STR_ARG(r.body));
		reply_free(&r);
	}
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(asked) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
