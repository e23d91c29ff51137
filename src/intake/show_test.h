/* For the tests of the formats: a record, parsed, as one text: "name=value" joined by line breaks. */
#ifndef KHIEN_INTAKE_SHOW_TEST_H
#define KHIEN_INTAKE_SHOW_TEST_H

#include "base/buf.h"
#include "intake/framer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* An example without a time leaves it out. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct example {
	const char *record, *want; /* want: pairs; "!reason" where no event can be made of the record */
	int64_t time;              /* seconds since 1970 UTC, 0: not looked at */
};

/* 2024-03-01 00:00:00 UTC */
static const int64_t TEST_NOW = INT64_C(1709251200) * 1000000;

static inline void check_examples(const struct format *format, const struct columns *columns,
                                  const struct example *examples, size_t n)
{
	struct fields *fields;
	struct event ev;
	struct err err;
	assert_int_equal(fields_new(&fields, FIELD_FIRST_NAMED, NULL, 0, &err), 0);
	assert_int_equal(event_init(&ev, fields), 0);
	for (size_t i = 0; i < n; i++) {
		struct buf got = { 0 };
		/* On the heap and without a NUL behind it, so that a sanitizer sees what reads too far. */
		struct str record = str_from(examples[i].record);
		char *copy = malloc(record.n + 1);
		assert_non_null(copy);
		memcpy(copy + 1, record.p, record.n);
		record.p = copy + 1;
		event_reset(&ev);
		ev.raw = record;
		int r = format->parse(record, columns, TEST_NOW, &ev, &err);
		if (r) {
			assert_int_equal(r, -EBADMSG);
			buf_printf(&got, "!%s", err.text);
		}
		for (uint32_t k = 0; !r && k < ev.n_pairs; k++)
			buf_printf(&got, "%s" STR_FMT "=" STR_FMT, k ? "\n" : "", STR_ARG(ev.pairs[k].name),
			           STR_ARG(ev.pairs[k].text));
		buf_putc(&got, '\0');
		assert_string_equal(got.p, examples[i].want);
		if (examples[i].time)
			assert_int_equal(ev.time / 1000000, examples[i].time);
		if (!r) {
			assert_true(ev.keyword_raw);
			assert_true(ev.has_pairs);
			assert_int_equal(ev.shed, 0);
		}
		buf_free(&got);
		free(copy);
	}
	event_done(&ev);
	fields_free(fields);
}

#endif
