/* Hunts over a store, against a plain walk over what was put in. */
#include "hunt/hunt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 3000, SEALED = 2000 };

static const int64_t HOUR = (int64_t)3600 * CLOCK_S, START = 1790000000 * (int64_t)CLOCK_S;
static const char *const hosts[] = { "web1", "web2", "WEB1", "db1.local" };
static const char *const addresses[] = { "10.0.0.7", "10.1.2.3", "192.168.1.20", "2001:db8::7", "203.0.113.50" };
static const char *const users[] = { "root", "an", "Bình", "-" };
static const char *const messages[] = {
	"Failed password for root",      "GET /index.php?id=1 select * from users",
	"Phiên đăng nhập của BỆNH VIỆN", "C:\\\\Windows\\\\System32\\\\cmd.exe /c whoami",
	"powershell.exe -enc AAAA",
};

struct one {
	unsigned n, host, address, user, message, status, bytes;
	int64_t time;
	bool has_status;
};

struct fixture {
	char dir[64];
	struct clock clock;
	struct events *store;
	struct one all[EVENTS];
	uint32_t seed;
};

static uint32_t dice(struct fixture *f, uint32_t sides)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return (f->seed >> 8) % sides;
}

static void append(struct fixture *f, unsigned i)
{
	struct one *e = &f->all[i];
	struct buf json = { 0 };
	uint8_t verdict;
	uint64_t seq;
	*e = (struct one){ .n = i,
		           .host = dice(f, 4),
		           .address = dice(f, 5),
		           .user = dice(f, 4),
		           .message = dice(f, 5),
		           .status = 200 + 100 * dice(f, 4) + dice(f, 5),
		           .bytes = dice(f, 5000),
		           .time = START + (int64_t)i * 10 * CLOCK_S,
		           .has_status = dice(f, 3) };
	buf_printf(&json, "{\"n\":%u,\"host\":{\"name\":\"%s\"},\"source.ip\":\"%s\",\"message\":\"%s\"", i,
	           hosts[e->host], addresses[e->address], messages[e->message]);
	if (e->user < 3)
		buf_printf(&json, ",\"user.name\":[\"%s\",\"all\"]", users[e->user]);
	if (e->has_status)
		buf_printf(&json, ",\"http.response.status_code\":%u,\"bytes\":%u", e->status, e->bytes);
	buf_putc(&json, '}');
	const struct event_row row = { .time = e->time,
		                       .dataset = i % 2 ? STR("web.access") : STR("linux.auth"),
		                       .json = buf_str(&json) };
	assert_int_equal(events_embedded.append(f->store, &row, 1, &verdict, &seq, NULL), 0);
	buf_free(&json);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/khien-hunt-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	clock_test(&f->clock, START);
	f->seed = 3;
	const struct events_config config = { .dir = f->dir, .clock = &f->clock };
	assert_int_equal(events_embedded.open(&f->store, &config, NULL), 0);
	for (unsigned i = 0; i < EVENTS; i++) {
		append(f, i);
		if (i != SEALED)
			continue;
		clock_advance(&f->clock, 2 * HOUR);
		assert_int_equal(events_embedded.sync(f->store, NULL), 0);
		for (int k = 0; k < 100; k++)
			assert_int_equal(events_embedded.tick(f->store, NULL), 0);
	}
	assert_int_equal(events_embedded.sync(f->store, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];
	events_embedded.close(f->store);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	FILE *gone = popen(command, "r");
	assert_non_null(gone);
	pclose(gone);
	free(f);
	return 0;
}

/* --- the rows of a hunt, as text --- */

struct table {
	struct buf text; /* columns by ' ', rows by '\n' */
	uint64_t rows;
	uint8_t seen[EVENTS];
	bool events;
};

static void add_cell(struct buf *out, const struct hunt_cell *c)
{
	if (c->kind == CELL_TEXT)
		buf_add(out, c->text);
	else if (c->kind == CELL_NUMBER)
		buf_printf(out, "%g", c->number);
	else if (c->kind == CELL_TIME)
		buf_printf(out, "@%lld", (long long)((c->time - START) / CLOCK_S));
	else
		buf_putc(out, '~');
}

static int take_columns(void *arg, const struct str *names, size_t n)
{
	struct table *t = arg;
	t->events = !n;
	for (size_t i = 0; i < n; i++)
		buf_printf(&t->text, "%s" STR_FMT, i ? " " : "", STR_ARG(names[i]));
	buf_putc(&t->text, '\n');
	return 0;
}

static int take_row(void *arg, const struct hunt_line *row)
{
	struct table *t = arg;
	t->rows++;
	if (t->events) {
		char begin[16];
		unsigned n;
		assert_non_null(row->event);
		snprintf(begin, sizeof(begin), STR_FMT, STR_ARG(str_sub(row->event->json, 0, sizeof(begin) - 1)));
		assert_int_equal(sscanf(begin, "{\"n\":%u", &n), 1);
		assert_true(n < EVENTS && !t->seen[n]++);
		return 0;
	}
	for (size_t i = 0; i < row->n; i++) {
		buf_add(&t->text, i ? STR(" ") : STR(""));
		add_cell(&t->text, &row->cells[i]);
	}
	buf_putc(&t->text, '\n');
	return 0;
}

static struct hunt_result run(struct fixture *f, const char *text, struct hunt_limits limits, struct table *t)
{
	struct hunt *h;
	struct hunt_error error;
	struct hunt_result result;
	struct err err;
	const struct hunt_question q = { .from = INT64_MIN, .limits = limits, .clock = &f->clock };
	const struct hunt_sink sink = { take_columns, take_row, t };
	*t = (struct table){ 0 };
	if (hunt_parse(&h, str_from(text), &error))
		fail_msg("%s: at %zu: %s", text, error.at, error.what);
	if (hunt_run(h, &events_embedded, f->store, &q, &sink, &result, &err))
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(result.rows, t->rows);
	hunt_free(h);
	buf_putc(&t->text, '\0');
	return result;
}

/* --- which events --- */

#define WHEN(name, expression)                                                                                         \
	static bool name(const struct one *e)                                                                          \
	{                                                                                                              \
		return expression;                                                                                     \
	}

WHEN(everything, true)
WHEN(nothing, e->n > EVENTS)
WHEN(is_web1, e->host == 0 || e->host == 2)
WHEN(is_first, is_web1(e) && ((e->has_status && e->status >= 500) || e->message == 1))
WHEN(is_500, e->has_status && e->status >= 500)
WHEN(not_500, !is_500(e))
WHEN(is_302, e->has_status && e->status > 301 && e->status <= 303)
WHEN(differs, e->has_status && e->status != 200)
WHEN(in_10, e->address < 2)
WHEN(in_db8, e->address == 3)
WHEN(to_102, e->address == 1)
WHEN(has_user, e->user < 3)
WHEN(is_binh, e->user == 2)
WHEN(in_hospital, e->message == 2)
WHEN(starts_web, e->host < 3)
WHEN(is_cmd, e->message == 3)
WHEN(is_power, e->message == 4)
WHEN(root_or_an, e->user < 2)
WHEN(is_late, e->n >= 100)
WHEN(has_no_user, !has_user(e))
WHEN(is_failed, e->message == 0)

struct finds {
	const char *hunt;
	bool (*when)(const struct one *e);
};

static void check_finds(struct fixture *f, const struct finds *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct table *t = malloc(sizeof(*t));
		assert_non_null(t);
		struct hunt_result r = run(f, cases[i].hunt, (struct hunt_limits){ 0 }, t);
		assert_true(t->events);
		assert_int_equal(r.lacks, 0);
		for (unsigned k = 0; k < EVENTS; k++)
			if (cases[i].when(&f->all[k]) != t->seen[k])
				fail_msg("%s: event %u: %d", cases[i].hunt, k, t->seen[k]);
		buf_free(&t->text);
		free(t);
	}
}

static void finds_events(void **state)
{
	static const struct finds cases[] = {
		{ "", everything },
		{ "*", everything },
		{ "nowhere", nothing },
		{ "host:web1", is_web1 },
		{ "host.name=WEB1", is_web1 },
		{ "host:web1 AND (status>=500 OR \"select *\")", is_first },
		{ "status>=500", is_500 },
		{ "http.response.status_code:[500 TO *]", is_500 },
		{ "status:(5*)", is_500 },
		{ "status:5??", is_500 },
		{ "status:/^5\\d+$/", is_500 },
		{ "NOT status>=500", not_500 },
		{ "-status:/^5/", not_500 },
		{ "status:{301 TO 303]", is_302 },
		{ "status IN (302, \"303\")", is_302 },
		{ "status!=200", differs },
		{ "status:* -status:200", differs },
		{ "src_ip:10.0.0.0/8", in_10 },
		{ "10.0.0.0/8", in_10 },
		{ "src_ip:2001:db8::/32", in_db8 },
		{ "src_ip:2001:db8::7", in_db8 },
		{ "src_ip:[10.0.0.8 TO 10.255.0.0]", to_102 },
		{ "user:all", has_user },
		{ "user:*", has_user },
		{ "user:BÌNH", is_binh },
		{ "user:b?nh", is_binh },
		{ "\"bệnh viện\"", in_hospital },
		{ "message:bệnh", in_hospital },
		{ "message:*bỆnh*", in_hospital },
		{ "host:web*", starts_web },
		{ "web*", starts_web },
		{ "we?1", is_web1 },
		{ "C:\\Windows\\\\*\\cmd.exe", is_cmd },
		{ "message:*\\\\SYSTEM32\\\\*", is_cmd },
		{ "message:\"CMD.exe\"", is_cmd },
		{ "message=\"cmd.exe\"", nothing },
		{ "/POWER[a-z]+/i", is_power },
		{ "/POWER[a-z]+/", nothing },
		{ "message:/power(shell|tool)\\.exe/", is_power },
		{ "powershell*", is_power },
		{ "power", nothing },
		{ "user:(root OR an)", root_or_an },
		{ "user NOT IN (root, an) OR user IN (root, an)", everything },
		{ "n>=100", is_late },
		{ "* | where n>=100", is_late },
		{ "* | sort -n | where n>=100", is_late },
		{ "* | head 5000 | where n>=100", is_late },
		{ "* | dedup n | where n>=100", is_late },
	};
	check_finds(*state, cases, ARRAY_LEN(cases));
}

static void finds_values(void **state)
{
	static const struct finds cases[] = {
		{ "user!=(root OR an)", is_binh },
		{ "user!=(bình AND all)", root_or_an },
		/* each value is asked, of all fields that a name stands for */
		{ "* | head 5000 | where user:bình", is_binh },
		{ "* | dedup n | where user:all", has_user },
		{ "* | head 5000 | sort n | where user:bình", is_binh },
		{ "* | head 5000 | where user!=all", nothing },
		{ "* | head 5000 | where user!=root user!=an", is_binh },
		{ "* | head 5000 | where bytes:\"999999\" or NOT user:*", has_no_user },
		/* what isn't certain to stand in a match is no hint */
		{ "message:/nowhere|/", everything },
		{ "message:/(nowhere|)Fail/", is_failed },
		{ "message:/(nowhere)?Fail/", is_failed },
		{ "message:/Failx*e?d/", is_failed },
		{ "message:/Failx{0,}ed/", is_failed },
		{ "message:/Failx{0}ed/", is_failed },
		{ "message:/Failx\\E*ed/", is_failed },
		{ "message:/Fail(?!x)ed\\b/", is_failed },
		{ "message:/(?i)FAILED/", is_failed },
		{ "message:/(?x)F a i l e d/", is_failed },
		{ "message:/\\QFailed\\E/", is_failed },
		{ "message:/Fail[^|]d/", is_failed },
		{ "message:/paſſword/i", is_failed },
		{ "message:/passw\\x6frd/", is_failed },
	};
	check_finds(*state, cases, ARRAY_LEN(cases));
}

/* --- what commands make of them --- */

static void check_table(struct fixture *f, const char *hunt, const char *wanted)
{
	struct table *t = malloc(sizeof(*t));
	assert_non_null(t);
	run(f, hunt, (struct hunt_limits){ 0 }, t);
	assert_string_equal(t->text.p, wanted);
	buf_free(&t->text);
	free(t);
}

static void counts(void **state)
{
	struct fixture *f = *state;
	unsigned n[5] = { 0 }, all = 0, different = 0, seen[5000] = { 0 };
	double sum = 0, least = 1e9, most = 0;
	char wanted[512];
	for (unsigned i = 0; i < EVENTS; i++) {
		const struct one *e = &f->all[i];
		n[e->address]++;
		if (e->has_status) {
			all++;
			sum += e->bytes;
			least = e->bytes < least ? e->bytes : least;
			most = e->bytes > most ? e->bytes : most;
			different += !seen[e->bytes]++;
		}
	}
	unsigned best = 0;
	for (unsigned i = 1; i < 5; i++)
		best = n[i] > n[best] ? i : best;
	snprintf(wanted, sizeof(wanted), "src_ip count\n%s %u\n", addresses[best], n[best]);
	check_table(f, "| count by src_ip | head 1", wanted);
	check_table(f, "| top 1 src_ip", wanted);
	check_table(f, "| count by src_ip | top 1", wanted);
	check_table(f, "| head 3000 | top 1 src_ip", wanted);
	snprintf(wanted, sizeof(wanted),
	         "count sum(bytes) avg(bytes) smallest max(bytes) dc(bytes)\n%d %g %g %g %g %u\n", EVENTS, sum,
	         sum / all, least, most, different);
	check_table(f, "| count, sum(bytes), avg(bytes), min(bytes) as smallest, max(bytes), dc(bytes)", wanted);
	snprintf(wanted, sizeof(wanted), "src_ip count\n%s %u\n", addresses[3], n[3]);
	check_table(f, "src_ip:*:* | count by src_ip", wanted);
	check_table(f, "| count by src_ip | where src_ip:2001:db8::/32", wanted);
	check_table(f, "nowhere | count", "count\n0\n");
	check_table(f, "nowhere | count by host", "host count\n");
	check_table(f, "n<3 | sort n | fields n, time", "n time\n0 @0\n1 @10\n2 @20\n");
	check_table(f, "n<4 | fields n, dataset",
	            "n dataset\n3 web.access\n2 linux.auth\n1 web.access\n0 linux.auth\n");
	check_table(f, "n<1000 | count by dataset", "dataset count\nlinux.auth 500\nweb.access 500\n");
	check_table(f, "n<4 | dedup dataset | fields n", "n\n3\n2\n");
	check_table(f, "n<1000 | count by bin(1h) | sum(count) as all | fields all", "all\n1000\n");
	check_table(f, "n<1000 | dc(n) by dataset | sort dataset | head 1", "dataset dc(n)\nlinux.auth 500\n");
}

/* Spans of time begin at whole ones, and come in their order. */
static void bins(void **state)
{
	struct fixture *f = *state;
	struct buf wanted = { 0 };
	int64_t at = START - START % HOUR;
	buf_add(&wanted, STR("time count\n"));
	for (unsigned i = 0, n; i < EVENTS; i += n, at += HOUR) {
		for (n = 0; i + n < EVENTS && f->all[i + n].time < at + HOUR; n++)
			;
		buf_printf(&wanted, "@%lld %u\n", (long long)((at - START) / CLOCK_S), n);
	}
	buf_putc(&wanted, '\0');
	check_table(f, "| timechart", wanted.p);
	check_table(f, "| count by bin(1h)", wanted.p);
	buf_free(&wanted);
}

static void several_values(void **state)
{
	struct fixture *f = *state;
	unsigned with = 0;
	char wanted[64];
	struct table *t = malloc(sizeof(*t));
	assert_non_null(t);
	for (unsigned i = 0; i < EVENTS; i++)
		with += f->all[i].user < 3;
	snprintf(wanted, sizeof(wanted), "user count\nall %u\n", with);
	check_table(f, "| count by user | head 1", wanted);
	struct hunt_result r = run(f, "| count by user", (struct hunt_limits){ 0 }, t);
	assert_int_equal(r.without, EVENTS - with);
	assert_int_equal(r.rows, 4);
	buf_free(&t->text);
	free(t);
}

/* What doesn't fit is counted and told, and what is there is right. */
static void is_bounded(void **state)
{
	struct fixture *f = *state;
	struct table *t = malloc(sizeof(*t));
	struct buf lacks = { 0 };
	assert_non_null(t);
	struct hunt_result r = run(f, "| count by n", (struct hunt_limits){ .groups = 10 }, t);
	assert_int_equal(r.rows, 10);
	assert_int_equal(r.shed, EVENTS - 10);
	assert_int_equal(r.lacks, HUNT_SHED);
	hunt_lacks(&r, &lacks);
	assert_true(str_starts(buf_str(&lacks), STR("incomplete because 2990 events")));
	buf_free(&t->text);
	r = run(f, "| sort n | fields n", (struct hunt_limits){ .held = 100 }, t);
	assert_int_equal(r.rows, 100);
	assert_int_equal(r.shed, EVENTS - 100);
	assert_true(str_starts(buf_str(&t->text), STR("n\n0\n1\n2\n")));
	buf_free(&t->text);
	r = run(f, "| sort n | fields n", (struct hunt_limits){ .held = 100, .rows = 5 }, t);
	assert_int_equal(r.rows, 5);
	assert_int_equal(r.shed, 0);
	assert_true(r.limited);
	buf_free(&t->text);
	/* More than fits, but not of what is wanted: nothing is lacking. */
	r = run(f, "| sort n | fields n", (struct hunt_limits){ .bytes = 100000, .rows = 5 }, t);
	assert_int_equal(r.rows, 5);
	assert_int_equal(r.shed, 0);
	assert_true(str_starts(buf_str(&t->text), STR("n\n0\n1\n2\n3\n4\n")));
	buf_free(&t->text);
	r = run(f, "| sort n | fields n", (struct hunt_limits){ .bytes = 100000 }, t);
	assert_true(r.rows > 50 && r.rows < 500 && r.shed == EVENTS - r.rows);
	assert_true(str_starts(buf_str(&t->text), STR("n\n0\n1\n2\n3\n4\n")));
	buf_free(&t->text);
	r = run(f, "| max(message) by n", (struct hunt_limits){ .bytes = 100000 }, t);
	assert_true(r.rows >= 256 && r.rows < 1000 && r.shed >= EVENTS - r.rows);
	buf_free(&t->text);
	r = run(f, "n<5", (struct hunt_limits){ .rows = 5 }, t);
	assert_int_equal(r.rows, 5);
	assert_false(r.limited);
	buf_free(&t->text);
	r = run(f, "n<6", (struct hunt_limits){ .rows = 5 }, t);
	assert_int_equal(r.rows, 5);
	assert_true(r.limited);
	buf_free(&t->text);
	r = run(f, "message:/^(.+)+[#~]$/ n<20", (struct hunt_limits){ 0 }, t);
	assert_int_equal(r.lacks, HUNT_GAVE_UP);
	assert_true(r.gave_up > 0);
	buf_free(&t->text);
	buf_free(&lacks);
	free(t);
}

/* A store that passed more blocks over than it told of. */
static int pick_none(struct events *e, const struct event_query *q, const struct str *paths, size_t n,
                     int (*fn)(void *arg, const struct event_picked *picked), void *arg, struct event_found *ret,
                     struct err *err)
{
	ret->skipped = 3;
	q->progress(q->progress_arg, 1, 5);
	assert_false(atomic_load(q->cancel));
	for (int i = 0; i < 4; i++)
		q->progress(q->progress_arg, 1, 5);
	assert_true(atomic_load(q->cancel));
	return 0;
}

static void bounds_blocks(void **state)
{
	struct fixture *f = *state;
	struct hunt *h;
	struct hunt_error error;
	struct hunt_result result;
	struct table t = { 0 };
	const struct events_kind kind = { .pick = pick_none };
	const struct hunt_question q = { .from = INT64_MIN, .limits = { .blocks = 1 }, .clock = &f->clock };
	const struct hunt_sink sink = { take_columns, take_row, &t };
	assert_int_equal(hunt_parse(&h, STR("| count"), &error), 0);
	assert_int_equal(hunt_run(h, &kind, f->store, &q, &sink, &result, NULL), 0);
	assert_int_equal(result.lacks, HUNT_BLOCKS);
	hunt_free(h);
	buf_free(&t.text);
}

/* Who stops a hunt doesn't wait for its regular expressions. */
static void is_stopped(void **state)
{
	struct fixture *f = *state;
	struct hunt *h;
	struct hunt_error error;
	struct hunt_result result;
	struct table t = { 0 };
	const atomic_bool cancel = true;
	const struct hunt_question q = { .from = INT64_MIN, .clock = &f->clock, .cancel = &cancel };
	const struct hunt_sink sink = { take_columns, take_row, &t };
	assert_int_equal(hunt_parse(&h, STR("NOT message:/^(.+)+[#~]$/"), &error), 0);
	assert_int_equal(hunt_run(h, &events_embedded, f->store, &q, &sink, &result, NULL), 0);
	assert_int_equal(result.lacks, HUNT_CANCELLED);
	assert_int_equal(result.gave_up, 0);
	assert_int_equal(t.rows, 0);
	hunt_free(h);
	buf_free(&t.text);
}

static void explains(void **state)
{
	struct hunt *h;
	struct hunt_error error;
	struct buf out = { 0 };
	assert_int_equal(hunt_parse(&h, STR("x | top 5 status"), &error), 0);
	hunt_explain(h, &out);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, "hunt    x | top 5 status\n"
	                           "events  columns only, in no order\n"
	                           "field   status: http.response.status_code sc-status status\n"
	                           "then    the first of groups in memory\n");
	buf_free(&out);
	hunt_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_events), cmocka_unit_test(finds_values),   cmocka_unit_test(counts),
		cmocka_unit_test(bins),         cmocka_unit_test(several_values), cmocka_unit_test(is_bounded),
		cmocka_unit_test(explains),     cmocka_unit_test(bounds_blocks),  cmocka_unit_test(is_stopped),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
