/* For the fuzz targets of the text formats: parses the input twice and checks what holds for every format. */
#ifndef KHIEN_TESTS_FORMAT_FUZZ_H
#define KHIEN_TESTS_FORMAT_FUZZ_H

#undef NDEBUG
#include "intake/formats.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline bool fuzz_inside(struct str part, struct str whole)
{
	return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

/* The nth value under a name; p is NULL when there is none. */
static inline struct str fuzz_pair(const struct event *ev, const char *name, uint32_t nth)
{
	for (uint32_t i = 0; i < ev->n_pairs; i++)
		if (str_eq(ev->pairs[i].name, str_from(name)) && !nth--)
			return ev->pairs[i].text;
	return (struct str){ 0 };
}

/* 2024-03-01 00:00:00 UTC */
static const int64_t FUZZ_NOW = INT64_C(1709251200) * 1000000;

static inline int fuzz_parse(const struct format *format, struct str record, const struct columns *columns,
                             struct event *ev)
{
	struct err err = { 0 };
	event_reset(ev);
	ev->raw = record;
	int r = format->parse(record, columns, FUZZ_NOW, ev, &err);
	if (r)
		assert(r == -EBADMSG && err.text[0]);
	return r;
}

/* Blanks in a name don't count. */
static inline bool fuzz_is_message(struct str name)
{
	struct str want = STR("message");
	size_t at = 0;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != ' ' && (at == want.n || name.p[i] != want.p[at++]))
			return false;
	return at == want.n;
}

/* check: what holds for this format, for an event that was made. */
static inline void fuzz_format(const struct format *format, struct str record, const struct columns *columns,
                               void (*check)(const struct event *ev))
{
	const struct field_path asked = { STR("message"), FIELD_FIRST_NAMED };
	struct fields *fields;
	struct event ev, again;
	int score = format->score(record);
	assert(score >= 0 && score <= 100);
	if (fields_new(&fields, FIELD_FIRST_NAMED + 1, &asked, 1, NULL))
		abort();
	if (event_init(&ev, fields) || event_init(&again, fields))
		abort();
	int r = fuzz_parse(format, record, columns, &ev);
	assert(fuzz_parse(format, record, columns, &again) == r);
	if (!r) {
		assert(ev.keyword_raw && ev.has_pairs && !ev.expand);
		assert(str_eq(ev.raw, record) && ev.time == again.time);
		assert(ev.n_pairs == again.n_pairs && ev.n_pairs <= EVENT_MAX_PAIRS);
		for (uint32_t i = 0; i < ev.n_pairs; i++) {
			assert(ev.pairs[i].name.p && ev.pairs[i].text.p);
			assert(str_eq(ev.pairs[i].name, again.pairs[i].name) &&
			       str_eq(ev.pairs[i].text, again.pairs[i].text));
		}
		uint32_t messages = 0;
		for (uint32_t i = 0; i < ev.n_pairs; i++)
			messages += fuzz_is_message(ev.pairs[i].name);
		for (const struct value *v = event_value(&ev, FIELD_FIRST_NAMED); v; v = event_next(&ev, v))
			messages--;
		assert(!messages); /* an asked-for name has all its values */
		check(&ev);
	}
	event_done(&ev);
	event_done(&again);
	fields_free(fields);
}

#endif
