/*
 * For tests of searching: a store of made-up events, partly in blocks and partly in the journal; what an expression says
 * of one of them, found out plainly; random questions.
 */
#ifndef KHIEN_STORE_FIND_FIXTURE_H
#define KHIEN_STORE_FIND_FIXTURE_H

#include "store/store_fixture.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 3000, FIELDS = 8, VALUE = 96, QUERIES = KHIEN_SANITIZED ? 100 : 400, DATASETS = 40 };

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

static inline uint32_t dice(struct fixture *f, uint32_t sides)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return (f->seed >> 8) % sides;
}

static inline void phrase(struct fixture *f, char *to, uint32_t most)
{
	size_t n = 0;
	to[0] = '\0';
	for (uint32_t i = 1 + dice(f, most); i; i--)
		n += (size_t)snprintf(to + n, VALUE - n, "%s%s", n ? (dice(f, 4) ? " " : "-") : "",
		                      words[dice(f, ARRAY_LEN(words))]);
}

static inline void add_field(struct one *e, const char *path, const char *text)
{
	e->field[e->n_fields].path = path;
	snprintf(e->field[e->n_fields++].text, VALUE, "%s", text);
}

static inline void make_one(struct fixture *f, struct one *e, uint32_t n)
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
static inline void add_text(struct fixture *f, struct buf *out, const char *text)
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

static inline void to_json(struct fixture *f, const struct one *e, struct buf *out)
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

static inline void append(struct fixture *f, uint32_t first, uint32_t n)
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

static inline void seal(struct fixture *f)
{
	struct err err;
	clock_advance(&f->clock, 2 * HOUR);
	for (int i = 0; i < 200; i++)
		if (events_embedded.tick(f->store, &err))
			fail_msg("tick: %s", err.text);
}

static inline void open_store(struct fixture *f, bool read_only)
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
static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
	struct fixture *f = *state;
	events_embedded.close(f->store);
	fixture_remove(f->dir);
	free(f->all);
	free(f);
	return 0;
}

/* --- the plain walk --- */

static inline bool is_word(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static inline bool value_holds(const struct event_term *t, const char *value)
{
	size_t n = strlen(value);
	if (t->kind == TERM_TEST)
		return t->test(t->arg, (struct str){ value, n });
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

static inline bool is_about(const struct event_term *t, const char *path)
{
	for (size_t i = 0; i < t->n_fields && !t->field.n; i++)
		if (str_eq(t->fields[i], str_from(path)))
			return true;
	return str_eq(t->field, str_from(path));
}

static inline bool term_holds(const struct event_term *t, const struct one *e)
{
	const bool is_any = !t->field.n && !t->n_fields;
	char n[16];
	bool any = false;
	for (uint32_t i = 0; i < e->n_fields; i++) {
		bool named = is_about(t, e->field[i].path);
		bool time = strcmp(e->field[i].path, "seen") == 0; /* looked at by name only */
		if (named || (is_any && !time))
			any = any || value_holds(t, e->field[i].text);
	}
	snprintf(n, sizeof(n), "%u", e->n);
	if (is_any || is_about(t, "n"))
		any = any || value_holds(t, n);
	return any != t->negated;
}

static inline bool expr_holds(const struct event_expr *e, const struct one *one)
{
	if (e->kind == EXPR_TERM)
		return term_holds(&e->term, one);
	if (e->kind == EXPR_NOT)
		return !expr_holds(e->of, one);
	for (size_t i = 0; i < e->n; i++)
		if (expr_holds(&e->of[i], one) == (e->kind == EXPR_OR))
			return e->kind == EXPR_OR;
	return e->kind == EXPR_AND;
}

static inline bool holds(const struct event_query *q, const struct one *e)
{
	bool wanted = !q->n_datasets;
	for (size_t i = 0; i < q->n_datasets; i++)
		wanted = wanted || str_eq(q->datasets[i], str_from(datasets[e->dataset]));
	if (!wanted || e->time < q->from || (q->to && e->time >= q->to))
		return false;
	return !q->where || expr_holds(q->where, e);
}

/* --- random questions --- */

struct question {
	struct event_expr nodes[64];
	char texts[64][VALUE];
	size_t n, n_texts;
};

static inline bool has_text(void *arg, struct str value)
{
	const char *text = arg;
	for (size_t at = 0; at + strlen(text) <= value.n; at++)
		if (strncasecmp(value.p + at, text, strlen(text)) == 0)
			return value.n % 3 != 0;
	return false;
}

static inline bool is_odd(void *arg, struct str value)
{
	return value.n % 2;
}

static inline void random_text(struct fixture *f, struct event_term *t, const char *value, char *text)
{
	snprintf(text, VALUE, "%s", dice(f, 3) ? value : words[dice(f, ARRAY_LEN(words))]);
	t->text = str_from(text);
	if (t->kind != TERM_EQUAL && t->kind != TERM_TEST && dice(f, 2)) {
		size_t from = dice(f, (uint32_t)t->text.n);
		t->text = str_sub(t->text, from, 1 + dice(f, 12));
	}
	for (char *c = text; *c; c++)
		if ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z' && !dice(f, 6))
			*c ^= 0x20;
	if (t->kind != TERM_TEST)
		return;
	t->test = dice(f, 3) ? has_text : is_odd;
	t->arg = text;
	if (t->test == is_odd || !dice(f, 3))
		t->text = STR("");
}

static inline struct event_term random_term(struct fixture *f, char *text)
{
	static const char *const fields[] = { "host.name", "message", "user.name", "pid", "seen", "rare.b", "none" };
	static const struct str several[] = { STR("user.name"), STR("rare.b"), STR("message"), STR("none") };
	struct event_term t = { .kind = (enum event_term_kind)dice(f, 4), .negated = !dice(f, 4) };
	const struct one *e = &f->all[dice(f, f->n)];
	uint32_t i = dice(f, e->n_fields);
	if (dice(f, 2))
		t.field = str_from(dice(f, 3) ? e->field[i].path : fields[dice(f, ARRAY_LEN(fields))]);
	else if (dice(f, 2)) {
		t.fields = several;
		t.n_fields = 1 + dice(f, ARRAY_LEN(several));
	}
	random_text(f, &t, e->field[i].text, text);
	return t;
}

static inline void random_expr(struct fixture *f, struct question *q, struct event_expr *e, uint32_t depth)
{
	static const enum event_expr_kind kinds[] = { EXPR_TERM, EXPR_TERM, EXPR_AND, EXPR_OR, EXPR_NOT, EXPR_OR };
	const size_t room = ARRAY_LEN(q->nodes) - q->n;
	*e = (struct event_expr){ .kind = depth < 5 ? kinds[dice(f, ARRAY_LEN(kinds))] : EXPR_TERM };
	size_t n = e->kind == EXPR_NOT ? 1 : dice(f, 4);
	if (e->kind == EXPR_TERM || n > room) {
		e->kind = EXPR_TERM;
		e->term = random_term(f, q->texts[q->n_texts++]);
		return;
	}
	struct event_expr *kids = q->nodes + q->n;
	q->n += n;
	e->of = kids;
	e->n = n;
	for (size_t i = 0; i < n; i++)
		random_expr(f, q, &kids[i], depth + 1);
}

/* Terms that must all hold, or anything. */
static inline const struct event_expr *random_question(struct fixture *f, struct question *q)
{
	q->n = 1;
	q->n_texts = 0;
	if (dice(f, 2)) {
		random_expr(f, q, &q->nodes[0], 0);
		return &q->nodes[0];
	}
	q->nodes[0] = (struct event_expr){ .kind = EXPR_AND, .of = q->nodes + 1, .n = dice(f, 4) };
	for (; q->n <= q->nodes[0].n; q->n++)
		q->nodes[q->n] = (struct event_expr){ .term = random_term(f, q->texts[q->n_texts++]) };
	return q->nodes[0].n ? q->nodes : NULL;
}

#endif
