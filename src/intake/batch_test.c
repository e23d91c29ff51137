#include "intake/formats.h"
#include "intake/framer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FORMAT = FIELD_FIRST_NAMED, PATH, N_FIELDS };

/* Parses one record of a batch that came from log.json; which values do FORMAT and PATH have? */
static void parse_one(const struct format *format, struct str bytes, const struct field_path *paths, size_t n_paths,
                      const char *want_format, const char *want_path)
{
	struct record record = { bytes, 7, 0 };
	const struct batch b = { .origin = "log.json", .format = format, .records = &record, .n_records = 1 };
	struct fields *fields;
	struct event ev;
	struct err err;
	assert_int_equal(fields_new(&fields, N_FIELDS, paths, n_paths, &err), 0);
	assert_int_equal(event_init(&ev, fields), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(batch_parse(&b, 0, &ev, &err), 0);
		assert_int_equal(ev.line, 7);
		assert_string_equal(ev.file, "log.json");
		assert_string_equal(ev.format, format->name);
		assert_true(str_eq(ev.raw, bytes));
		const struct value *f = event_value(&ev, FORMAT), *p = event_value(&ev, PATH);
		assert_int_equal(f != NULL, want_format != NULL);
		assert_int_equal(p != NULL, want_path != NULL);
		if (f)
			assert_true(str_eq(f->text, str_from(want_format)));
		if (p)
			assert_true(str_eq(p->text, str_from(want_path)) && !p->next);
	}
	event_done(&ev);
	fields_free(fields);
}

static void asked_for(void **state)
{
	static const struct field_path paths[] = { { STR("khien.format"), FORMAT }, { STR("log.file.path"), PATH } };
	parse_one(&intake_json, STR("{\"a\":1}"), paths, 2, "json", "log.json");
	parse_one(&intake_syslog, STR("Mar  1 00:00:00 h x: y"), paths, 2, "syslog", "log.json");
	parse_one(&intake_syslog, STR("Mar  1 00:00:00 h x: y"), paths, 0, NULL, NULL);
	/* what the record says itself counts */
	parse_one(&intake_json, STR("{\"log\":{\"file\":{\"path\":\"/x\"}}}"), paths, 2, "json", "/x");
}

static void bad_record(void **state)
{
	struct record record = { STR("{\"a\":"), 1, 0 };
	const struct batch b = { .origin = "x", .format = &intake_json, .records = &record, .n_records = 1 };
	struct fields *fields;
	struct event ev;
	struct err err = { 0 };
	assert_int_equal(fields_new(&fields, FIELD_FIRST_NAMED, NULL, 0, &err), 0);
	assert_int_equal(event_init(&ev, fields), 0);
	assert_int_equal(batch_parse(&b, 0, &ev, &err), -EBADMSG);
	assert_true(err.text[0] != '\0');
	event_done(&ev);
	fields_free(fields);
}

static void pool(void **state)
{
	struct batch_pool *p;
	assert_int_equal(batch_pool_new(&p), 0);
	struct batch *a = batch_new(p, 1000);
	assert_non_null(a);
	a->n_bytes = 5;
	char *bytes = a->bytes;
	batch_free(a);
	a = batch_new(p, 900); /* the same memory again, emptied */
	assert_ptr_equal(a->bytes, bytes);
	assert_int_equal(a->n_bytes, 0);
	struct batch *b = batch_new(p, 5000);
	assert_true(b->cap_bytes >= 5000 && b->bytes != bytes);
	batch_pool_unref(p);
	batch_free(a); /* the pool outlives its framer as long as batches are out */
	batch_free(b);
	batch_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_for),
		cmocka_unit_test(bad_record),
		cmocka_unit_test(pool),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
