#include "store/state_fixture.h"

struct seen {
	char text[256];
	int64_t made;
	int stop;
};

static int on_hunt(void *arg, const struct hunt_row *h)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof(s->text) - n, STR_FMT "=" STR_FMT "/" STR_FMT "/" STR_FMT ";", STR_ARG(h->name),
	         STR_ARG(h->text), STR_ARG(h->by), STR_ARG(h->note));
	s->made = h->made;
	return s->stop;
}

static void save(struct state *s, const char *name, const char *text)
{
	const struct hunt_row h = { .name = str_from(name), .text = str_from(text), .by = STR("an"), .note = STR("n") };
	struct err err = { 0 };
	if (state_hunt_save(s, &h, &err))
		fail_msg("%s", err.text);
}

static void test_kept(void **state)
{
	struct state *s = opened();
	struct seen all = { 0 }, one = { 0 }, first = { .stop = 7 };
	save(s, "spray", "status:401 | count by src_ip");
	save(s, "đêm", "host:web1");
	clock_advance(&now, 5);
	save(s, "spray", "status:403");
	state_close(s);
	s = opened();
	assert_int_equal(state_hunts(s, on_hunt, &all, NULL), 0);
	assert_string_equal(all.text, "spray=status:403/an/n;đêm=host:web1/an/n;");
	assert_int_equal(state_hunts(s, on_hunt, &first, NULL), 7);
	assert_string_equal(first.text, "spray=status:403/an/n;");
	assert_int_equal(state_hunt_get(s, STR("spray"), on_hunt, &one, NULL), 0);
	assert_string_equal(one.text, "spray=status:403/an/n;");
	assert_int_equal(one.made, 1000 * CLOCK_S + 5);
	assert_int_equal(state_hunt_get(s, STR("spra"), on_hunt, &one, NULL), -ENOENT);
	assert_int_equal(state_hunt_remove(s, STR("spray"), NULL), 0);
	assert_int_equal(state_hunt_remove(s, STR("spray"), NULL), -ENOENT);
	assert_int_equal(state_hunt_get(s, STR("spray"), on_hunt, &one, NULL), -ENOENT);
	state_close(s);
}

static void test_bounds(void **state)
{
	static char long_text[HUNT_TEXT + 1];
	struct state *s = opened();
	memset(long_text, 'x', sizeof(long_text));
	const struct hunt_row bad[] = {
		{ .text = STR("t") },
		{ .name = STR("a\nb"), .text = STR("t") },
		{ .name = { long_text, HUNT_NAME + 1 }, .text = STR("t") },
		{ .name = STR("n") },
		{ .name = STR("n"), .text = { long_text, sizeof(long_text) } },
		{ .name = STR("n"), .text = STR("a\xff") },
		{ .name = STR("n"), .text = STR("a\0b") },
		{ .name = STR("n"), .text = STR("t"), .note = { long_text, HUNT_NOTE + 1 } },
		{ .name = STR("n"), .text = STR("t"), .by = { long_text, HUNT_BY + 1 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(state_hunt_save(s, &bad[i], NULL), -EINVAL);
	const struct hunt_row most = { .name = { long_text, HUNT_NAME },
		                       .text = { long_text, HUNT_TEXT },
		                       .by = { long_text, HUNT_BY },
		                       .note = { long_text, HUNT_NOTE } };
	assert_int_equal(state_hunt_save(s, &most, NULL), 0);
	assert_int_equal(state_begin(s, NULL), 0);
	for (int i = 1; i < HUNTS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d", i);
		save(s, name, "t");
	}
	assert_int_equal(state_commit(s, NULL), 0);
	assert_int_equal(state_hunt_save(s, &(struct hunt_row){ .name = STR("n"), .text = STR("t") }, NULL), -E2BIG);
	save(s, "1", "changed all the same");
	state_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_kept), TEST(test_bounds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
