/* POST /v1/bundles over a connection: records reach the taker as they stood in the log, with their ids and file. */
#include "api/server_test.h"
#include "intake/bundle.h"

static struct buf bundles(void)
{
	static const struct bundle_record lines[] = {
		{ { "<13>1 2026-03-01T10:00:00Z web1 app - - - a", 43 }, 10 },
		{ { "known", 5 }, 54 },
		{ { "bad", 3 }, 60 },
	};
	static const struct bundle_record row = { { "{\"a\":1,\"khien.id\":\"x\"}", 22 }, 0 };
	const struct bundle_head log = { STR("syslog"), STR("/var/log/a"), 1600000000000000LL, BUNDLE_PLACE, 9 };
	const struct bundle_head json = { .format = STR("json") };
	struct buf out = { 0 };
	assert_true(bundle_add(&out, &log, lines, ARRAY_LEN(lines)));
	assert_true(bundle_add(&out, &json, &row, 1));
	return out;
}

static void taken(void **state)
{
	CLEANUP(buf_free) struct buf body = bundles();
	struct server s;
	struct reply r;
	server_start(&s, (struct api_config){ 0 });
	ask_post(&s, "/v1/bundles", "", buf_str(&body), &r);
	assert_int_equal(r.status, 200);
	assert_true(str_eq(r.body, STR("{\"kept\":2,\"known\":1,\"bad\":1,\"reason\":\"it says so\"}\n")));
	assert_int_equal(s.taker.offers, 2); /* a format each */
	assert_true(str_has(buf_str(&s.taker.seen), "\n||{\"a\":1,"));
	assert_true(str_starts(buf_str(&s.taker.seen), STR("|")) && s.taker.seen.p[1 + BUNDLE_ID] == '|');
	reply_free(&r);
	server_stop(&s);
}

static void refused(void **state)
{
	CLEANUP(buf_free) struct buf body = bundles();
	const struct bundle_head other = { .format = STR("runes") };
	const struct bundle_record one = { { "x", 1 }, 0 };
	struct server s;
	struct reply r;
	server_start(&s, (struct api_config){ 0 });
	ask_post(&s, "/v1/bundles", "", str_sub(buf_str(&body), 0, body.n - 1), &r);
	assert_int_equal(r.status, 400);
	reply_free(&r);
	body.n = 0;
	assert_true(bundle_add(&body, &other, &one, 1));
	ask_post(&s, "/v1/bundles", "", buf_str(&body), &r);
	assert_int_equal(r.status, 200);
	assert_true(str_has(r.body, "\"bad\":1,\"reason\":\"a format"));
	reply_free(&r);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(taken), cmocka_unit_test(refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
