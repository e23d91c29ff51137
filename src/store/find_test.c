/* Searches in a store against a plain walk over what was put in. */
#include "store/embedded.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 3000, FIELDS = 8, VALUE = 96, QUERIES = 400, DATASETS = 40 };

static const int64_t HOUR = (int64_t)3600 * CLOCK_S, START = 1790000000 * (int64_t)CLOCK_S;
/* So many that a day has blocks enough for a second thread. */
static const char datasets[DATASETS][8] = {
	"set.00", "set.01", "set.02", "set.03", "set.04", "set.05", "set.06", "set.07", "set.08", "set.09",
	"set.10", "set.11", "set.12", "set.13", "set.14", "set.15", "set.16", "set.17", "set.18", "set.19",
	"set.20", "set.21", "set.22", "set.23", "set.24", "set.25", "set.26", "set.27", "set.28", "set.29",
	"set.30", "set.31", "set.32", "set.33", "set.34", "set.35", "set.36", "set.37", "set.38", "set.39",
};
static const char *const words[] = { "root", "sshd",         "Failed", "10.0.0.7", "C:\\Windows\\new",
	                             "x",    "user_7",       "bệnh",   "viện",     "\"q\"",
	                             "a\nb", "192.168.1.20", "4625",   "cmd.exe",  "powershell",
	                             "-enc", "/etc/passwd" };

struct one {
	int64_t time;
	uint32_t dataset, n, n_fields;
	struct {
		const char *path;
		char text[VALUE];
	} field[FIELDS];
};

struct fixture {
	char dir[64];
	struct clock clock;
	struct events *store;
	struct one *all;
	uint32_t n, seed;
};

static uint32_t dice(struct fixture *f, uint32_t sides)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return (f->seed >> 8) % sides;
}

static void phrase(struct fixture *f, char *to, uint32_t most)
{
	size_t n = 0;
	to[0] = '\0';
	for (uint32_t i = 1 + dice(f, most); i; i--)
		n += (size_t)snprintf(to + n, VALUE - n, "%s%s", n ? (dice(f, 4) ? " " : "-") : "",
		                      words[dice(f, ARRAY_LEN(words))]);
}

static void add_field(struct one *e, const char *path, const char *text)
{
	e->field[e->n_fields].path = path;
	snprintf(e->field[e->n_fields++].text, VALUE, "%s", text);
}

static void make_one(struct fixture *f, struct one *e, uint32_t n)
{
	char text[VALUE];
	*e = (struct one){ .n = n, .dataset = dice(f, DATASETS) };
	/* Many of the same time, and a few far off. */
	e->time = START + (int64_t)dice(f, 60) * HOUR + (int64_t)dice(f, 20) * CLOCK_S;
	snprintf(text, sizeof(text), "pc%u", dice(f, 9));
	add_field(e, "host.name", text);
	phrase(f, text, 4);
	add_field(e, "message", text);
	if (dice(f, 2))
		add_field(e, "user.name", words[dice(f, 7)]);
	if (!dice(f, 5))
		add_field(e, "user.name", words[dice(f, 7)]); /* a second value */
	if (!dice(f, 3))
		add_field(e, "seen", "2026-11-22T03:40:00Z");
	snprintf(text, sizeof(text), "%u", dice(f, 50));
	add_field(e, "pid", text);
	if (!dice(f, 20)) {
		static const char *const rare[] = { "rare.a", "rare.b", "rare.c" };
		phrase(f, text, 2);
		add_field(e, rare[dice(f, 3)], text);
	}
}

/* A text as JSON, now and then with an escape where none is needed. */
static void add_text(struct fixture *f, struct buf *out, const char *text)
{
	struct buf plain = { 0 };
	buf_add_json(&plain, str_from(text));
	for (size_t i = 0; i < plain.n; i++) {
		char c = plain.p[i];
		bool free_to =
		        i && plain.p[i - 1] != '\\' && ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && i + 1 < plain.n;
		if (free_to && !dice(f, 40) && !memchr(plain.p, '\\', plain.n))
			buf_printf(out, "\\u%04x", (unsigned char)c);
		else
			buf_putc(out, c);
	}
	buf_free(&plain);
}

static void to_json(struct fixture *f, const struct one *e, struct buf *out)
{
	buf_printf(out, "{\"n\":%u", e->n);
	for (uint32_t i = 0; i < e->n_fields; i++) {
		const char *path = e->field[i].path, *dot = strchr(path, '.');
		bool number = strcmp(path, "pid") == 0, nested = dot && dice(f, 2);
		if (nested)
			buf_printf(out, ",\"%.*s\":{\"%s\":", (int)(dot - path), path, dot + 1);
		else
			buf_printf(out, ",\"%s\":", path);
		bool list = !number && !dice(f, 4);
		buf_printf(out, list ? "[" : "");
		if (number)
			buf_add(out, str_from(e->field[i].text));
		else
			add_text(f, out, e->field[i].text);
		buf_printf(out, "%s%s", list ? "]" : "", nested ? "}" : "");
	}
	buf_putc(out, '}');
}

static void append(struct fixture *f, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		struct buf json = { 0 };
		uint8_t verdict;
		uint64_t seq;
		char id[16];
		struct err err;
		to_json(f, &f->all[i], &json);
		snprintf(id, sizeof(id), "%08x", i);
		struct event_row row = { .time = f->all[i].time,
			                 .dataset = str_from(datasets[f->all[i].dataset]),
			                 .json = buf_str(&json) };
		if (events_embedded.append(f->store, &row, 1, &verdict, &seq, &err))
			fail_msg("append: %s", err.text);
		buf_free(&json);
	}
	assert_int_equal(events_embedded.sync(f->store, NULL), 0);
}

static void seal(struct fixture *f)
{
	struct err err;
	clock_advance(&f->clock, 2 * HOUR);
	for (int i = 0; i < 200; i++)
		if (events_embedded.tick(f->store, &err))
			fail_msg("tick: %s", err.text);
}

static void open_store(struct fixture *f, bool read_only)
{
	struct err err;
	const struct events_config config = { .dir = f->dir, .read_only = read_only, .clock = &f->clock };
	if (f->store)
		events_embedded.close(f->store);
	f->store = NULL;
	if (events_embedded.open(&f->store, &config, &err))
		fail_msg("open: %s", err.text);
}

/* Sealed in several goes, so that blocks overlap; the last part stays in the journal. */
static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/khien-find-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	clock_test(&f->clock, START);
	f->seed = 7;
	f->n = EVENTS;
	f->all = calloc(EVENTS, sizeof(*f->all));
	assert_non_null(f->all);
	for (uint32_t i = 0; i < EVENTS; i++)
		make_one(f, &f->all[i], i);
	open_store(f, false);
	for (uint32_t i = 0; i < EVENTS; i += EVENTS / 6) {
		append(f, i, EVENTS / 6);
		if (i + EVENTS / 6 < EVENTS)
			seal(f);
	}
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
	free(f->all);
	free(f);
	return 0;
}

/* --- the plain walk --- */

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool value_holds(const struct event_term *t, const char *value)
{
	size_t n = strlen(value);
	if (t->kind == TERM_EQUAL)
		return n == t->text.n && strncasecmp(value, t->text.p, n) == 0;
	for (size_t at = 0; at + t->text.n <= n; at++) {
		if (strncasecmp(value + at, t->text.p, t->text.n) != 0)
			continue;
		size_t end = at + t->text.n;
		bool within = t->text.n && ((at && is_word(value[at - 1]) && is_word(value[at])) ||
		                            (end < n && is_word(value[end - 1]) && is_word(value[end])));
		if (t->kind == TERM_SUBSTRING || !within)
			return true;
	}
	return false;
}

static bool term_holds(const struct event_term *t, const struct one *e)
{
	char n[16];
	bool any = false;
	for (uint32_t i = 0; i < e->n_fields; i++) {
		bool named = str_eq(t->field, str_from(e->field[i].path));
		bool time = strcmp(e->field[i].path, "seen") == 0; /* looked at by name only */
		if (named || (!t->field.n && !time))
			any = any || value_holds(t, e->field[i].text);
	}
	snprintf(n, sizeof(n), "%u", e->n);
	if (!t->field.n || str_eq(t->field, STR("n")))
		any = any || value_holds(t, n);
	return any != t->negated;
}

static bool holds(const struct event_query *q, const struct one *e)
{
	bool wanted = !q->n_datasets;
	for (size_t i = 0; i < q->n_datasets; i++)
		wanted = wanted || str_eq(q->datasets[i], str_from(datasets[e->dataset]));
	if (!wanted || e->time < q->from || (q->to && e->time >= q->to))
		return false;
	for (size_t i = 0; i < q->n_terms; i++)
		if (!term_holds(&q->terms[i], e))
			return false;
	return true;
}

static int in_order(const void *x, const void *y)
{
	const struct one *a = *(const struct one *const *)x, *b = *(const struct one *const *)y;
	if (a->time != b->time)
		return a->time > b->time ? 1 : -1;
	int c = strcmp(datasets[a->dataset], datasets[b->dataset]);
	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static size_t walk(struct fixture *f, const struct event_query *q, const struct one **found)
{
	size_t n = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (holds(q, &f->all[i]))
			found[n++] = &f->all[i];
	qsort(found, n, sizeof(*found), in_order);
	for (size_t i = 0; !q->oldest_first && i < n / 2; i++) {
		const struct one *e = found[i];
		found[i] = found[n - 1 - i];
		found[n - 1 - i] = e;
	}
	return q->limit && n > q->limit ? (size_t)q->limit : n;
}

/* --- both --- */

struct expected {
	const struct one **found;
	size_t n, at;
};

static int expect(void *arg, const struct event_row *row)
{
	struct expected *x = arg;
	char begin[24];
	unsigned n;
	assert_true(x->at < x->n);
	snprintf(begin, sizeof(begin), STR_FMT, STR_ARG(str_sub(row->json, 0, sizeof(begin))));
	assert_int_equal(sscanf(begin, "{\"n\":%u,", &n), 1);
	assert_int_equal(n, x->found[x->at]->n);
	assert_int_equal(row->time, x->found[x->at]->time);
	assert_true(str_eq(row->dataset, str_from(datasets[x->found[x->at]->dataset])));
	x->at++;
	return 0;
}

static struct event_term random_term(struct fixture *f, char *text)
{
	static const char *const fields[] = { "host.name", "message", "user.name", "pid", "seen", "rare.b", "none" };
	struct event_term t = { .kind = (enum event_term_kind)dice(f, 3), .negated = !dice(f, 4) };
	const struct one *e = &f->all[dice(f, f->n)];
	uint32_t i = dice(f, e->n_fields);
	if (dice(f, 2))
		t.field = str_from(dice(f, 3) ? e->field[i].path : fields[dice(f, ARRAY_LEN(fields))]);
	snprintf(text, VALUE, "%s", dice(f, 3) ? e->field[i].text : words[dice(f, ARRAY_LEN(words))]);
	t.text = str_from(text);
	if (t.kind != TERM_EQUAL && dice(f, 2)) {
		size_t from = dice(f, (uint32_t)t.text.n);
		t.text = str_sub(t.text, from, 1 + dice(f, 12));
	}
	for (char *c = text; *c; c++)
		if ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z' && !dice(f, 6))
			*c ^= 0x20;
	return t;
}

static void ask(struct fixture *f, uint64_t *seen, uint64_t *skipped)
{
	char texts[3][VALUE];
	struct event_term terms[3];
	struct str names[2];
	struct event_query q = { .terms = terms, .datasets = names, .oldest_first = dice(f, 2) };
	static const uint64_t limits[] = { 0, 0, 1, 7, 100 };
	for (q.n_terms = 0; q.n_terms < dice(f, 4) && q.n_terms < 3; q.n_terms++)
		terms[q.n_terms] = random_term(f, texts[q.n_terms]);
	for (; q.n_datasets < 2 && !dice(f, 3); q.n_datasets++)
		names[q.n_datasets] = str_from(datasets[dice(f, DATASETS)]);
	if (dice(f, 2))
		q.from = START + (int64_t)dice(f, 60) * HOUR;
	if (dice(f, 2))
		q.to = START + (int64_t)dice(f, 62) * HOUR + dice(f, 20) * CLOCK_S;
	q.limit = limits[dice(f, ARRAY_LEN(limits))];
	const struct one **found = calloc(f->n, sizeof(*found));
	assert_non_null(found);
	struct expected x = { found, walk(f, &q, found), 0 };
	struct event_found cost;
	struct err err;
	if (events_embedded.find(f->store, &q, expect, &x, &cost, &err))
		fail_msg("find: %s", err.text);
	assert_int_equal(x.at, x.n);
	assert_int_equal(cost.events, x.n);
	assert_int_equal(cost.damaged, 0);
	*seen += x.n;
	*skipped += cost.skipped;
	free(found);
}

static void as_a_plain_walk(void **state)
{
	struct fixture *f = *state;
	uint64_t seen = 0, skipped = 0;
	for (int i = 0; i < QUERIES; i++)
		ask(f, &seen, &skipped);
	assert_true(seen > 5000);
	assert_true(skipped > 100);
	open_store(f, true);
	for (int i = 0; i < QUERIES; i++)
		ask(f, &seen, &skipped);
}

struct counted {
	struct fixture *f;
	const struct event_query *q;
	const char *field;
	uint64_t sum, last, values;
};

static int expect_count(void *arg, struct str value, uint64_t count)
{
	struct counted *c = arg;
	uint64_t n = 0;
	for (uint32_t i = 0; i < c->f->n; i++) {
		const struct one *e = &c->f->all[i];
		for (uint32_t k = 0; k < e->n_fields && holds(c->q, e); k++)
			n += strcmp(e->field[k].path, c->field) == 0 && str_eq(value, str_from(e->field[k].text));
	}
	assert_int_equal(count, n);
	assert_true(count <= c->last);
	c->last = count;
	c->sum += count;
	c->values++;
	return 0;
}

static void counts_by_field(void **state)
{
	static const char *const fields[] = { "host.name", "user.name", "message", "pid", "rare.a", "none" };
	struct fixture *f = *state;
	char text[VALUE];
	for (int i = 0; i < 60; i++) {
		struct event_term term;
		struct event_query q = { .terms = &term };
		struct counted c = { f, &q, fields[i % (int)ARRAY_LEN(fields)], 0, UINT64_MAX, 0 };
		if (i >= (int)ARRAY_LEN(fields)) {
			term = random_term(f, text);
			q.n_terms = dice(f, 2);
			q.from = START + (int64_t)dice(f, 30) * HOUR;
		}
		uint64_t wanted = 0;
		for (uint32_t k = 0; k < f->n; k++)
			for (uint32_t m = 0; m < f->all[k].n_fields && holds(&q, &f->all[k]); m++)
				wanted += strcmp(f->all[k].field[m].path, c.field) == 0;
		struct event_found cost;
		struct err err;
		if (events_embedded.count_by(f->store, &q, str_from(c.field), expect_count, &c, &cost, &err))
			fail_msg("count: %s", err.text);
		assert_int_equal(c.sum, wanted);
		assert_true(cost.events <= wanted && (cost.events > 0) == (wanted > 0));
	}
}

struct stop {
	uint64_t n, after;
	atomic_bool *cancel;
};

static int stop(void *arg, const struct event_row *row)
{
	struct stop *s = arg;
	return ++s->n == s->after;
}

static void stops_when_told(void **state)
{
	struct fixture *f = *state;
	atomic_bool cancel = true;
	struct stop s = { .after = 5 };
	struct event_found cost;
	struct event_query q = { .cancel = NULL };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(s.n, 5);
	assert_int_equal(cost.events, 5);
	q.cancel = &cancel;
	s = (struct stop){ 0 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(s.n, EVENTS / 6); /* the journal was looked through before the first block */
	struct event_term many[65] = { { .text = STR("x") } };
	q = (struct event_query){ .terms = many, .n_terms = 65 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), -E2BIG);
	q = (struct event_query){ .from = START + HOUR, .to = START };
	s = (struct stop){ 0 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(s.n, 0);
}

static void newest_few_touch_few_blocks(void **state)
{
	struct fixture *f = *state;
	struct stop s = { 0 };
	struct event_found few, all;
	struct event_query q = { .limit = 3 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &few, NULL), 0);
	q.limit = 0;
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &all, NULL), 0);
	assert_int_equal(all.rows, EVENTS);
	assert_int_equal(all.events, EVENTS);
	assert_true(few.bytes * 2 < all.bytes);
}

/* One block's bytes are spoilt: the others are found, and it is counted. */
static void damage_is_counted(void **state)
{
	struct fixture *f = *state;
	char path[128], name[DAY_NAME];
	struct stop s = { 0 };
	struct event_found cost, before;
	struct event_query q = { 0 };
	sqlite3 *db;
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &before, NULL), 0);
	day_name(day_of(START), name);
	snprintf(path, sizeof(path), "%s/days/%s", f->dir, name);
	events_embedded.close(f->store);
	f->store = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
	                              "UPDATE data SET bytes=zeroblob(length(bytes)) WHERE number="
	                              "(SELECT max(number) FROM data)",
	                              NULL, NULL, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
	open_store(f, true);
	s = (struct stop){ 0 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(cost.damaged, 1);
	assert_true(s.n < before.events && s.n > before.events / 2);
	assert_int_equal(cost.blocks, before.blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_by_field),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(newest_few_touch_few_blocks),
		cmocka_unit_test(as_a_plain_walk),
		cmocka_unit_test(damage_is_counted),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
