/* A set goes from the process that makes it through a pipe into one that uses it; what is no set changes nothing. */
#include "cmd/known_live.h"

#include "base/clock.h"
#include "cmd/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct live {
	char dir[64];
	struct loop *loop;
	struct intel_set *set;
	char why[600];
	int broken; /* how the work goes wrong */
};

static void work(const void *arg, int out)
{
	const struct live *l = arg;
	struct known_head head = { .size = 64 };
	if (!l->broken)
		known_work(l->dir, out);
	else if (write(out, &head, l->broken == 1 ? sizeof(head) : sizeof(head) / 2) < 0)
		return;
}

static int use(void *arg, struct intel_set *set, uint64_t stamp)
{
	struct live *l = arg;
	assert_true(stamp != 0);
	l->set = set;
	loop_stop(l->loop);
	return 0;
}

static void refused(void *arg, const char *why)
{
	struct live *l = arg;
	snprintf(l->why, sizeof(l->why), "%s", why);
	loop_stop(l->loop);
}

static void put_feed(const char *dir)
{
	struct feed_maker m;
	struct indicator i;
	void *block;
	size_t size;
	feed_maker_init(&m, STR("one"), "list", 1);
	assert_null(indicator_read(&i, STR("bad.example"), INTEL_ANY, 0));
	const struct feed_entry e = { &i, 0, 50, STR(""), STR("") };
	feed_add(&m, &e);
	assert_int_equal(feed_pack(&m, &block, &size, NULL), 0);
	feed_maker_done(&m);
	assert_int_equal(shelf_put(dir, "one", (struct str){ block, size }, NULL), 0);
	free(block);
}

static void run(struct live *l)
{
	struct opener *opener;
	struct known_live *k;
	struct err err = { 0 };
	const struct opener_item item = { .kind = OPENER_WORK, .name = "indicators", .work = work, .arg = l };
	assert_int_equal(opener_start(&opener, &item, 1, &err), 0);
	assert_int_equal(loop_new(&l->loop, &clock_system, &err), 0);
	const struct known_live_config config = {
		.loop = l->loop, .opener = opener, .use = use, .refused = refused, .arg = l
	};
	assert_int_equal(known_live_new(&k, &config, &err), 0);
	assert_int_equal(known_live_start(k), 0);
	assert_int_equal(loop_run(l->loop), 0);
	known_live_free(k);
	loop_free(l->loop);
	opener_free(opener);
}

static void test_live(void **state)
{
	struct live l = { .dir = "/tmp/khien-known-XXXXXX" };
	char path[128];
	assert_non_null(mkdtemp(l.dir));
	put_feed(l.dir);
	run(&l);
	assert_non_null(l.set);
	const struct intel_look look = { .set = l.set, .now = 1 };
	uint32_t n = 0;
	intel_look_name(&look, STR("www.bad.example"), &n);
	assert_int_equal(n, 1);
	intel_set_free(l.set);
	snprintf(path, sizeof(path), "%s/one.feed", l.dir);
	unlink(path);
	rmdir(l.dir);
}

static void test_broken(void **state)
{
	for (int how = 1; how <= 2; how++) {
		struct live l = { .broken = how };
		run(&l);
		assert_null(l.set);
		assert_non_null(strstr(l.why, "ended early"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
