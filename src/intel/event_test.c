#include "intel/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t NOW = INT64_C(1795000000000000);

/* An event whose fields are those that are asked for, by their own names. */
struct fixture {
	struct fields *fields;
	struct event event;
	struct intel_checker *checker;
	struct intel_set *set;
};

static int setup(void **state)
{
	static const struct {
		const char *text;
		unsigned confidence;
	} known[] = { { "192.0.2.1", 50 },
		      { "bad.example", 90 },
		      { "files.example/x", 20 },
		      { "00112233445566778899aabbccddeeff", 50 },
		      { "198.51.100.0/24", 60 } };
	struct fixture *x = calloc(1, sizeof(*x));
	struct field_path paths[256];
	uint32_t ids[INTEL_ASKED], n_paths = 0;
	struct feed_maker m;
	struct feed f;
	void *block;
	size_t size;
	if (!x)
		return -1;
	for (uint32_t i = 0; i < INTEL_ASKED; i++) {
		const char *name;
		size_t n;
		const char *const *also = intel_asked(i, &name, &n);
		ids[i] = FIELD_FIRST_NAMED + i;
		for (size_t k = 0; k < n; k++)
			paths[n_paths++] = (struct field_path){ str_from(also[k]), ids[i] };
		paths[n_paths++] = (struct field_path){ str_from(name), ids[i] };
	}
	assert_true(n_paths <= ARRAY_LEN(paths));
	uint32_t n_fields = FIELD_FIRST_NAMED + INTEL_ASKED;
	feed_maker_init(&m, STR("feed"), "list", 0);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct indicator ind;
		assert_null(indicator_read(&ind, str_from(known[i].text), INTEL_ANY, 0));
		const struct feed_entry e = { &ind, 0, known[i].confidence, STR("a note"), STR("a reference") };
		feed_add(&m, &e);
	}
	assert_int_equal(feed_pack(&m, &block, &size, NULL), 0);
	feed_maker_done(&m);
	assert_int_equal(feed_open(&f, block, size, NULL), 0);
	assert_int_equal(intel_set_make(&block, &size, &f, 1, NOW, NULL), 0);
	assert_int_equal(intel_set_open(&x->set, block, size, false, NULL), 0);
	feed_close(&f);
	assert_int_equal(fields_new(&x->fields, n_fields, paths, n_paths, NULL), 0);
	assert_int_equal(event_init(&x->event, x->fields), 0);
	assert_int_equal(intel_checker_new(&x->checker, ids, INTEL_ASKED, n_fields, NULL), 0);
	intel_checker_use(x->checker, x->set);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	intel_checker_free(x->checker);
	intel_set_free(x->set);
	event_done(&x->event);
	fields_free(x->fields);
	free(x);
	return 0;
}

static void put(struct fixture *x, const char *name, const char *text)
{
	assert_int_equal(event_put_named(&x->event, str_from(name), str_from(text), VALUE_TEXT), 0);
	x->event.has_pairs = true;
}

static void expect(struct fixture *x, const char *name, const char *text)
{
	for (uint32_t i = 0; i < INTEL_ASKED; i++) {
		const char *known;
		size_t n;
		intel_asked(i, &known, &n);
		if (strcmp(known, name) != 0)
			continue;
		const struct value *v = event_value(&x->event, FIELD_FIRST_NAMED + i);
		if (text ? !v || !str_eq(v->text, str_from(text)) : v != NULL)
			fail_msg("%s is '" STR_FMT "', not '%s'", name, STR_ARG(v ? v->text : STR("nothing")),
			         text ? text : "nothing");
		return;
	}
	fail_msg("no field '%s'", name);
}

/* One field -> the value that is told, NULL: none. */
static void finds(struct fixture *x, const char *name, const char *text, const char *value)
{
	event_reset(&x->event);
	put(x, name, text);
	uint32_t n = intel_event(x->checker, &x->event, NOW, NULL, NULL);
	assert_int_equal(n > 0, value != NULL);
	expect(x, "khien.indicator.value", value);
	expect(x, "khien.indicator.field", value ? name : NULL);
}

static void test_fields(void **state)
{
	struct fixture *x = *state;
	finds(x, "source.ip", "192.0.2.1", "192.0.2.1");
	finds(x, "source.ip", "192.0.2.2", NULL);
	finds(x, "DestinationHostname", "www.bad.example", "bad.example");
	finds(x, "cs-host", "bad.example:443", "bad.example");
	finds(x, "QueryResults", "type:  5 x.example;::ffff:192.0.2.1;", "192.0.2.1");
	finds(x, "Hashes", "SHA1=00,MD5=00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeeff");
	finds(x, "url.full", "https://files.example/x?y", "files.example/x");
	finds(x, "c-uri", "http://files.example/x", "files.example/x");
	finds(x, "c-uri", "/x", NULL);
	finds(x, "message", "from 198.51.100.7 port 22", "198.51.100.0/24");
}

static void test_together(void **state)
{
	struct fixture *x = *state;
	put(x, "c-uri", "/x");
	put(x, "cs-host", "files.example");
	assert_int_equal(intel_event(x->checker, &x->event, NOW, NULL, NULL), 1);
	expect(x, "khien.indicator.value", "files.example/x");
	expect(x, "khien.indicator.type", "url");
	expect(x, "khien.indicator.confidence", "20");
	expect(x, "khien.indicator.note", "a note");
	expect(x, "khien.indicator.reference", "a reference");
	/* A line is looked at only where no field tells an address. */
	event_reset(&x->event);
	put(x, "source.ip", "203.0.113.1");
	put(x, "message", "from 198.51.100.7");
	assert_int_equal(intel_event(x->checker, &x->event, NOW, NULL, NULL), 0);
	/* The surest is told; the others are named. */
	event_reset(&x->event);
	put(x, "source.ip", "192.0.2.1");
	put(x, "destination.ip", "198.51.100.1");
	put(x, "dns.question.name", "bad.example");
	assert_int_equal(intel_event(x->checker, &x->event, NOW, NULL, NULL), 3);
	expect(x, "khien.indicator.value", "bad.example");
	expect(x, "khien.indicator.confidence", "90");
	expect(x, "khien.indicator.also", "address 192.0.2.1 (feed)");
	assert_int_equal(intel_checked(x->checker).events, 2);
}

/* What an event says of itself counts for nothing. */
static void test_forged(void **state)
{
	struct fixture *x = *state;
	put(x, "khien.indicator.type", "address");
	put(x, "khien.indicator.value", "192.0.2.9");
	put(x, "khien.indicator.confidence", "100");
	put(x, "source.ip", "203.0.113.1");
	assert_int_equal(intel_event(x->checker, &x->event, NOW, NULL, NULL), 0);
	expect(x, "khien.indicator.type", NULL);
	expect(x, "khien.indicator.value", NULL);
	expect(x, "khien.indicator.confidence", NULL);
	expect(x, "khien.of.address", "203.0.113.1");
	intel_checker_use(x->checker, NULL);
	put(x, "khien.indicator.type", "address");
	put(x, "source.ip", "192.0.2.1");
	assert_int_equal(intel_event(x->checker, &x->event, NOW, NULL, NULL), 0);
	expect(x, "khien.indicator.type", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_together, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
