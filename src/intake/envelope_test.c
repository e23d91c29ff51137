#include "intake/envelope.c" /* NOLINT(bugprone-suspicious-include): its table of paths */

#include "base/json.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t NOW = 1795318800000000; /* 2026-11-22T03:40:00Z */

struct sealed {
	struct buf json;
	struct envelope_row row;
	struct err err;
	int code;
};

static struct sealed seal(struct envelope *e, const char *format, struct str record, struct envelope_around around)
{
	struct sealed s = { 0 };
	around.format = intake_format(str_from(format));
	around.received = around.received ? around.received : NOW;
	around.source = around.source.n ? around.source : STR("test");
	assert_non_null(around.format);
	s.code = envelope_seal(e, record, &around, &s.json, &s.row, &s.err);
	if (!s.code) {
		struct json_error error;
		assert_true(json_valid(buf_str(&s.json), &error));
		buf_putc(&s.json, '\0');
	}
	return s;
}

static void expect(struct envelope *e, const char *format, struct str record, struct envelope_around around,
                   const char *json, const char *dataset)
{
	struct sealed s = seal(e, format, record, around);
	assert_int_equal(s.code, 0);
	assert_string_equal(s.json.p, json);
	assert_true(str_eq(s.row.dataset, str_from(dataset)));
	buf_free(&s.json);
}

#define ROUND "\"khien.received\":\"2026-11-22T03:40:00.000000Z\",\"khien.source\":\"test\""

static void test_json_stays_as_it_came(void **state)
{
	struct envelope *e = *state;
	expect(e, "json", STR(" { \"a\" : [1, {\"b\":null}] , \"c\\u0064\":1.50 }"), (struct envelope_around){ 0 },
	       "{\"@timestamp\":\"2026-11-22T03:40:00.000000Z\",\"event.dataset\":\"json\"," ROUND
	       ", \"a\" : [1, {\"b\":null}] , \"c\\u0064\":1.50 }",
	       "json");
	expect(e, "json", STR("{ }"), (struct envelope_around){ 0 },
	       "{\"@timestamp\":\"2026-11-22T03:40:00.000000Z\",\"event.dataset\":\"json\"," ROUND " }", "json");
	/* nothing is added that is there, nested or dotted */
	const struct str whole = STR("{\"@timestamp\":\"2026-11-21T00:00:00Z\",\"host\":{\"name\":\"h\"},\"event\":{"
	                             "\"dataset\":\"d\"},\"log\":{\"file.path\":\"f\"}}");
	struct sealed s = seal(e, "json", whole, (struct envelope_around){ .file = STR("other") });
	assert_string_equal(s.json.p, "{" ROUND ",\"@timestamp\":\"2026-11-21T00:00:00Z\",\"host\":{\"name\":\"h\"},"
	                              "\"event\":{\"dataset\":\"d\"},\"log\":{\"file.path\":\"f\"}}");
	buf_free(&s.json);
}

#define FRONT "{\"@timestamp\":\"2026-11-22T03:40:00.000000Z\",\"event.dataset\":\"json\","

/* Nobody says in the hub's name who sent an event, when it came, or what it is known by. */
static void test_claims(void **state)
{
	struct envelope *e = *state;
	static const struct {
		struct str record, id;
		const char *json;
	} cases[] = {
		{ STR("{\"khien.id\":\"i\",\"khien\":{\"source\":\"s\"},\"khien.received\" : 1}"), STR(""),
		  FRONT ROUND
		  ",\"khien.id\":\"i\",\"claimed.khien\":{\"source\":\"s\"},\"claimed.khien.received\" : 1}" },
		{ STR("{\"kh\\u0069en.source\":\"s\",\"a\":{\"khien.source\":1},\"khienx\":\"khien.source\"}"), STR(""),
		  FRONT ROUND
		  ",\"claimed.kh\\u0069en.source\":\"s\",\"a\":{\"khien.source\":1},\"khienx\":\"khien.source\"}" },
		{ STR("{\"khien.id\":\"i\"}"), STR("other"),
		  FRONT "\"khien.id\":\"other\"," ROUND ",\"claimed.khien.id\":\"i\"}" },
		{ STR("{\"khien.id\" : \"i\",\"khien.id\":\"j\",\"khien.format\":[]}"), STR(""),
		  FRONT ROUND ",\"khien.id\" : \"i\",\"claimed.khien.id\":\"j\",\"claimed.khien.format\":[]}" },
		{ STR("{\"khien\":{\"id\":7}}"), STR(""),
		  FRONT "\"khien.id\":\"7\"," ROUND ",\"claimed.khien\":{\"id\":7}}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sealed s = seal(e, "json", cases[i].record, (struct envelope_around){ .id = cases[i].id }),
		              again = { 0 };
		assert_int_equal(s.code, 0);
		assert_string_equal(s.json.p, cases[i].json);
		/* exported and taken in again it is the same */
		const struct envelope_around around = { .format = &intake_json, .received = NOW + 5 };
		assert_int_equal(envelope_seal(e, str_from(s.json.p), &around, &again.json, &again.row, &again.err), 0);
		assert_true(str_eq(buf_str(&again.json), str_from(s.json.p)));
		buf_free(&again.json);
		buf_free(&s.json);
	}
	struct sealed s = seal(e, "kv", STR("a=1 khien.source=s khien.id=i khien.received=1 event.original=nothing"),
	                       (struct envelope_around){ 0 });
	assert_int_equal(s.code, 0);
	assert_int_equal(s.row.id.n, 0);
	assert_non_null(strstr(s.json.p, ROUND ",\"khien.format\":\"kv\",\"event.original\":\"a=1 "));
	assert_non_null(strstr(s.json.p, "\"claimed.khien.source\":\"s\",\"claimed.khien.id\":\"i\","));
	assert_non_null(strstr(s.json.p, "\"claimed.event.original\":\"nothing\"}"));
	buf_free(&s.json);
}

static void test_what_the_store_is_told(void **state)
{
	struct envelope *e = *state;
	struct sealed s = seal(e, "json",
	                       STR("{\"EventTime\":\"2026-11-20T01:02:03.5Z\",\"Computer\":\"pc\",\"Channel\":"
	                           "\"Microsoft-Windows-Sysmon/Operational\"}"),
	                       (struct envelope_around){ .id = STR("x1") });
	assert_int_equal(s.code, 0);
	assert_non_null(strstr(s.json.p, "{\"@timestamp\":\"2026-11-20T01:02:03.500000Z\",\"host.name\":\"pc\","));
	assert_non_null(strstr(s.json.p, "\"khien.id\":\"x1\""));
	assert_true(str_eq(s.row.id, STR("x1")));
	assert_true(s.row.time == 1795136523500000);
	assert_true(str_eq(s.row.dataset, STR("windows.microsoft-windows-sysmon_operational")));
	buf_free(&s.json);
	/* a time that can't be: it came now; what it says stays */
	s = seal(e, "json", STR("{\"@timestamp\":\"1999-01-01T00:00:00Z\"}"), (struct envelope_around){ 0 });
	assert_true(s.row.time == NOW && s.row.since == NOW - (int64_t)86400 * 1000000);
	assert_non_null(strstr(s.json.p, "1999-01-01T00:00:00Z"));
	buf_free(&s.json);
	s = seal(e, "json", STR("{}"), (struct envelope_around){ .since = NOW - 5 });
	assert_true(s.row.time == NOW && s.row.since == NOW - 5);
	buf_free(&s.json);
	s = seal(e, "json", STR("{\"@timestamp\":\"2026-11-20T01:02:03Z\"}"),
	         (struct envelope_around){ .since = NOW - 5 });
	assert_true(s.row.time == 1795136523000000 && !s.row.since);
	buf_free(&s.json);
	s = seal(e, "json", STR("{}"), (struct envelope_around){ .dataset = STR("Logs \xff/X") });
	assert_true(str_eq(s.row.dataset, STR("logs___x")));
	buf_free(&s.json);
	/* ids that are too long are told apart by all their bytes */
	char longer[400], other[400];
	memset(longer, 'a', sizeof(longer));
	memset(other, 'a', sizeof(other));
	other[399] = 'b';
	char first[ENVELOPE_ID];
	s = seal(e, "json", STR("{}"), (struct envelope_around){ .id = { longer, sizeof(longer) } });
	assert_int_equal(s.row.id.n, 32);
	memcpy(first, s.row.id.p, 32);
	buf_free(&s.json);
	s = seal(e, "json", STR("{}"), (struct envelope_around){ .id = { other, sizeof(other) } });
	assert_memory_not_equal(first, s.row.id.p, 32);
	buf_free(&s.json);
	/* what the store knows it by stands in the object, byte for byte: another id where JSON would escape this one */
	static const struct str odd[] = { { "a\"b", 3 }, { "a\\b", 3 }, { "a\nb", 3 }, { "a\x7f", 2 }, { "a\xff", 2 } };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		char want[64];
		s = seal(e, "json", STR("{}"), (struct envelope_around){ .id = odd[i] });
		assert_int_equal(s.row.id.n, 32);
		snprintf(want, sizeof(want), "\"khien.id\":\"" STR_FMT "\"", STR_ARG(s.row.id));
		assert_non_null(strstr(s.json.p, want));
		buf_free(&s.json);
	}
}

static void test_text(void **state)
{
	struct envelope *e = *state;
	expect(e, "combined",
	       STR("203.0.113.7 - - [22/Nov/2026:03:39:00 +0000] \"GET /a?b=\\x22 HTTP/1.1\" 200 12 \"-\" \"x\""),
	       (struct envelope_around){ .file = STR("/var/log/nginx/access.log") },
	       "{\"@timestamp\":\"2026-11-22T03:39:00.000000Z\",\"event.dataset\":\"web.access\"," ROUND
	       ",\"log.file.path\":\"/var/log/nginx/access.log\",\"khien.format\":\"combined\","
	       "\"event.original\":\"203.0.113.7 - - [22/Nov/2026:03:39:00 +0000] \\\"GET /a?b=\\\\x22 HTTP/1.1\\\" "
	       "200 12 "
	       "\\\"-\\\" \\\"x\\\"\",\"c-ip\":\"203.0.113.7\",\"cs-method\":\"GET\",\"c-uri\":\"/a?b=\\\"\","
	       "\"cs-uri-stem\":\"/a\",\"cs-uri-query\":\"b=\\\"\",\"cs-version\":\"HTTP/1.1\",\"sc-status\":200,"
	       "\"sc-bytes\":12,\"cs-user-agent\":\"x\"}",
	       "web.access");
	struct sealed s =
	        seal(e, "syslog",
	             STR("<86>Nov 22 10:40:00 web1 sshd[7]: Failed password for root from 192.0.2.1 port 2 ssh2"),
	             (struct envelope_around){ .zone = 7 * 3600 * INT64_C(1000000) });
	assert_int_equal(s.code, 0);
	assert_true(s.row.time == NOW); /* local time, seven hours ahead */
	assert_true(str_eq(s.row.dataset, STR("linux.auth")));
	assert_non_null(strstr(s.json.p, "\"event.outcome\":\"failure\""));
	assert_non_null(strstr(s.json.p, "\"source.port\":2"));
	buf_free(&s.json);
	/* bytes that JSON can't carry are there all the same */
	s = seal(e, "syslog", STR("a\xff\x80"), (struct envelope_around){ 0 });
	assert_non_null(strstr(s.json.p, "\"khien.raw\":\"Yf+A\","));
	buf_free(&s.json);
}

static void test_refused(void **state)
{
	struct envelope *e = *state;
	struct buf out = { 0 };
	struct envelope_row row = { .time = 7 };
	struct envelope_around a = { .format = &intake_json, .received = NOW };
	struct err err;
	buf_add(&out, STR("before"));
	assert_int_equal(envelope_seal(e, STR("{\"a\":}"), &a, &out, &row, &err), -EBADMSG);
	assert_int_equal(envelope_seal(e, STR("[1]"), &a, &out, &row, &err), -EBADMSG);
	assert_int_equal(out.n, 6);
	assert_true(row.time == 7);
	char *big = malloc((1 << 20) + 1);
	memset(big, ' ', (1 << 20) + 1);
	big[0] = '{';
	big[1 << 20] = '}';
	assert_int_equal(envelope_seal(e, (struct str){ big, (1 << 20) + 1 }, &a, &out, &row, &err), -E2BIG);
	big[(1 << 20) - 1] = '}'; /* just fits, but not with what is added */
	assert_int_equal(envelope_seal(e, (struct str){ big, 1 << 20 }, &a, &out, &row, &err), -E2BIG);
	assert_int_equal(out.n, 6);
	free(big);
	buf_free(&out);
}

static void test_times(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} times[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ -1, "1969-12-31T23:59:59.999999Z" },
		{ 1709251199000001, "2024-02-29T23:59:59.000001Z" },
		{ 1709251200000000, "2024-03-01T00:00:00.000000Z" },
		{ 1798761599999999, "2026-12-31T23:59:59.999999Z" },
	};
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct buf out = { 0 };
		int64_t back;
		envelope_time(&out, times[i].us);
		assert_true(str_eq(buf_str(&out), str_from(times[i].text)));
		assert_true(event_parse_time(buf_str(&out), &back) && back == times[i].us);
		buf_free(&out);
	}
}

/* A post's certificate says who it is; what the record says of that is a claim. */
static void test_post(void **state)
{
	struct envelope *e = *state;
	const struct envelope_around post = { .host = STR("web1"), .unit = STR("a clinic") };
	static const struct {
		struct str record;
		const char *has, *hasnt;
	} cases[] = {
		{ STR("{\"host.name\":\"web2\"}"), "\"claimed.host.name\":\"web2\"", "\"host.name\":\"web2\"" },
		{ STR("{\"host\":{\"ip\":1,\"name\":\"web2\"}}"), "\"host\":{\"ip\":1,\"claimed.name\":\"web2\"}",
		  NULL },
		{ STR("{\"host\":[{\"name\":\"web2\"}]}"), "[{\"claimed.name\":\"web2\"}]", NULL },
		{ STR("{\"h\\u006fst.name\":\"web2\"}"), "\"claimed.h\\u006fst.name\":\"web2\"", NULL },
		{ STR("{\"khien.unit\":\"a bank\"}"), "\"claimed.khien.unit\":\"a bank\"",
		  "\"khien.unit\":\"a bank\"," },
		{ STR("{\"a\":{\"host.name\":\"web2\",\"name\":1},\"name\":2}"),
		  "\"a\":{\"host.name\":\"web2\",\"name\":1},\"name\":2}", NULL },
		{ STR("{\"Computer\":\"web2\"}"), "\"Computer\":\"web2\"", "\"host.name\":\"web2\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sealed s = seal(e, "json", cases[i].record, post);
		assert_int_equal(s.code, 0);
		buf_putc(&s.json, '\0');
		assert_non_null(strstr(s.json.p, cases[i].has));
		assert_true(!cases[i].hasnt || !strstr(s.json.p, cases[i].hasnt));
		assert_non_null(strstr(s.json.p, "\"host.name\":\"web1\","));
		assert_non_null(strstr(s.json.p, "\"khien.unit\":\"a clinic\""));
		buf_free(&s.json);
	}
	struct sealed s = seal(e, "syslog", STR("<38>1 2026-11-22T03:39:59Z web2 sshd 7 - - hello"), post);
	buf_putc(&s.json, '\0');
	assert_non_null(strstr(s.json.p, "\"host.name\":\"web1\","));
	assert_non_null(strstr(s.json.p, "\"claimed.host.name\":\"web2\""));
	buf_free(&s.json);
}

/* What is sealed and opened again shows rules the same values. */
static void test_read_again(void **state)
{
	struct envelope *e = *state;
	const struct field_path asked[] = { { STR("user.name"), 2 },
		                            { STR("source.ip"), 3 },
		                            { STR("khien.format"), 4 } };
	struct fields *f;
	struct event ev;
	struct sealed s = seal(e, "syslog",
	                       STR("Nov 22 03:39:59 web1 sshd[7]: Failed password for root from 192.0.2.1 port 2 ssh2"),
	                       (struct envelope_around){ 0 });
	assert_int_equal(fields_new(&f, 5, asked, ARRAY_LEN(asked), NULL), 0);
	assert_int_equal(event_init(&ev, f), 0);
	assert_int_equal(intake_parse(&intake_json, NULL, (struct str){ s.json.p, s.json.n - 1 }, NOW, &ev, NULL), 0);
	assert_true(str_eq(event_value(&ev, 2)->text, STR("root")));
	assert_true(str_eq(event_value(&ev, 3)->text, STR("192.0.2.1")));
	assert_true(str_eq(event_value(&ev, 4)->text, STR("syslog")));
	event_done(&ev);
	fields_free(f);
	buf_free(&s.json);
}

/* rules/mapping.yaml says under `time` and `host` where these stand; without rules the same has to be found. */
static void test_as_the_mapping(void **state)
{
	FILE *f = fopen("rules/mapping.yaml", "re");
	char line[256];
	uint32_t list = UINT32_MAX;
	size_t n[2] = { 0 }, at = 0;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct str s = str_from(line);
		s = str_starts(str_trim(s), STR("#")) ? STR("") : str_trim(s);
		if (str_starts(s, STR("time:")) || str_starts(s, STR("host:"))) {
			list = str_starts(s, STR("time:")) ? FIELD_TIME : FIELD_HOST;
			at = list == FIELD_HOST ? n[0] : 0;
			continue;
		}
		if (s.n && !str_starts(s, STR("- ")))
			list = UINT32_MAX;
		if (list == UINT32_MAX || !str_starts(s, STR("- ")))
			continue;
		s = str_trim(str_sub(s, 2, s.n));
		char end = s.p[0] == '"' ? '"' : ' ';
		s = end == '"' ? str_sub(s, 1, s.n) : s;
		s = str_sub(s, 0, str_find(s, end));
		assert_true(at < ARRAY_LEN(paths) && paths[at].field == list);
		assert_true(str_eq(s, str_from(paths[at].path)));
		at++;
		n[list == FIELD_HOST]++;
	}
	fclose(f);
	assert_true(n[0] > 5 && n[1] > 5);
	assert_true(paths[n[0] + n[1]].field >= FIELD_FIRST_NAMED);
}

static int setup(void **state)
{
	return envelope_new((struct envelope **)state, NULL);
}

static int teardown(void **state)
{
	envelope_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_stays_as_it_came),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_what_the_store_is_told),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_post),
		cmocka_unit_test(test_read_again),
		cmocka_unit_test(test_as_the_mapping),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
