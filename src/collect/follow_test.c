/* Following for a taker that settles later: nothing is saved ahead of it, and what is read again has the same ids. */
#include "collect/taker_test.h"

#include <sys/stat.h>

static char dir[] = "/tmp/khien-follow-XXXXXX", path[64], moved[64];
static struct places *places;
static struct sources sources;
static struct opener *opener;
static struct follow *f;
static struct got *g;
static bool is_settled;
static unsigned char ids[GOT_MAX][COLLECT_ID];
static int64_t doubts[GOT_MAX]; /* how long before it was read a record may have been taken already */
static uint64_t ahead;

static int settled(void *arg, bool must)
{
	return is_settled;
}

static int take(void *arg, struct origin *o, struct batch *b)
{
	const size_t n = b->n_records;
	for (size_t i = 0; g->room && i < n; i++) {
		assert_true(collect_event_id(o, &b->records[i], ids[g->n + i]));
		doubts[g->n + i] = b->now - collect_since(o, &b->records[i], b->now);
	}
	return got_take(arg, o, b);
}

static void append(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void append_lines(int from, int to)
{
	char line[128];
	for (int i = from; i < to; i++) {
		snprintf(line, sizeof(line), "<13>1 2026-03-01T10:00:00Z web1 app - - - line %d\n", i);
		append(line);
	}
}

static void begin(void)
{
	const char *files[] = { path };
	const struct sources_config what = { .files = files, .n_files = 1 };
	struct err err = { 0 };
	g->taker.take = take;
	g->taker.settled = settled;
	assert_int_equal(sources_find(&sources, &what, &err), 0);
	assert_int_equal(opener_start(&opener, sources.items, sources.n, &err), 0);
	assert_int_equal(place_open(&places, dir, "here", &err), 0);
	const struct follow_config c = {
		.taker = &g->taker,
		.opener = opener,
		.sources = &sources,
		.places = places,
		.clock = &g->clock,
		.ahead = ahead,
	};
	assert_int_equal(follow_logs_new(&f, &c, &err), 0);
}

/* As a crash does: nothing is said or saved any more. */
static void crash(void)
{
	follow_logs_free(f);
	opener_free(opener);
	place_free(places);
	sources_done(&sources);
	sources = (struct sources){ 0 };
	got_reset(g);
}

static void poll_all(void)
{
	for (int i = 0; i < 5; i++) {
		bool more = false;
		later(g, CLOCK_S);
		assert_int_equal(follow_poll(f, &more), 0);
		assert_false(more);
	}
}

static long number(size_t i)
{
	const char *at = strstr(g->at[i].text, "line ");
	return at ? strtol(at + 5, NULL, 10) : -1;
}

static int setup(void **state)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	g = got_new();
	is_settled = true;
	ahead = 0;
	append("<13>1 2026-03-01T10:00:00Z web1 app - - - before\n");
	begin();
	poll_all();
	assert_int_equal(follow_save(f, true), 0);
	return 0;
}

static int teardown(void **state)
{
	char place[64];
	crash();
	got_free(g);
	snprintf(place, sizeof(place), "%s/here", dir);
	unlink(place);
	unlink(path);
	unlink(moved);
	return rmdir(dir);
}

static void test_no_room(void **state)
{
	append_lines(0, 3000); /* more than one read, less than a poll */
	g->room = 1;
	poll_all();
	const size_t first = g->n;
	assert_true(first > 0 && first < 3000);
	assert_int_equal(follow_save(f, true), 0); /* up to what was taken, not what was read */
	g->room = 1;
	poll_all();
	assert_true(g->n > first && g->n < 3000);
	g->room = INT_MAX;
	poll_all();
	assert_int_equal(g->n, 3000);
	for (size_t i = 0; i < g->n; i++)
		assert_int_equal(number(i), i);
	assert_ptr_equal(g->at[0].sender, got_sender(g, str_from(path)));
	crash();
	begin();
	poll_all();
	assert_int_equal(g->n, 3000 - first);
	assert_int_equal(number(0), first);
}

static void test_not_settled(void **state)
{
	unsigned char had[COLLECT_ID];
	append_lines(0, 10);
	poll_all();
	assert_int_equal(g->n, 10);
	memcpy(had, ids[7], sizeof(had));
	is_settled = false;
	for (int i = 0; i < 100; i++) { /* however often and long it is asked */
		later(g, CLOCK_S);
		assert_int_equal(follow_save(f, i % 2), 0);
	}
	crash();
	begin();
	poll_all();
	assert_int_equal(g->n, 10);
	assert_memory_equal(ids[7], had, sizeof(had));
	for (int i = 0; i < 10; i++)
		for (int k = 0; k < i; k++)
			assert_memory_not_equal(ids[i], ids[k], sizeof(ids[i]));
	is_settled = true;
	assert_int_equal(follow_save(f, true), 0);
	crash();
	begin();
	poll_all();
	assert_int_equal(g->n, 0);
}

/* It is renamed, and another stands in its place, while there is no room: both are read to their end, in order. */
static void test_rotated_without_room(void **state)
{
	unsigned char had[COLLECT_ID];
	append_lines(0, 2000);
	g->room = 0;
	poll_all();
	assert_int_equal(rename(path, moved), 0);
	append_lines(2000, 4000);
	poll_all();
	poll_all();
	assert_int_equal(g->n, 0);
	assert_int_equal(follow_save(f, true), 0);
	g->room = INT_MAX;
	poll_all();
	assert_int_equal(g->n, 4000);
	for (size_t i = 0; i < g->n; i++)
		assert_int_equal(number(i), i);
	memcpy(had, ids[1000], sizeof(had));
	crash(); /* after it was saved with nothing taken: all of it again, under the same ids */
	begin();
	poll_all();
	assert_int_equal(g->n, 4000);
	assert_int_equal(number(1000), 1000);
	assert_memory_equal(ids[1000], had, sizeof(had));
}

/* The end while there is no room: what is left over is read by the next run. */
static void test_end_without_room(void **state)
{
	append_lines(0, 2000);
	g->room = 1;
	poll_all();
	const size_t first = g->n;
	assert_int_equal(follow_end(f), 0);
	assert_int_equal(follow_save(f, true), 0);
	g->room = INT_MAX;
	crash();
	begin();
	poll_all();
	assert_int_equal(g->n, 2000 - first);
	assert_int_equal(number(0), first);
	assert_int_equal(number(g->n - 1), 1999);
}

/* Its last line has no end when it is given up: it goes on all the same, when there is room. */
static void test_last_line_without_room(void **state)
{
	append_lines(0, 10);
	append("<13>1 2026-03-01T10:00:00Z web1 app - - - line 10");
	poll_all();
	assert_int_equal(g->n, 10);
	g->room = 0;
	assert_int_equal(rename(path, moved), 0);
	append("");
	later(g, 100LL * CLOCK_S); /* nobody writes to it any more */
	for (int i = 0; i < 3; i++) {
		later(g, 100LL * CLOCK_S);
		poll_all();
	}
	assert_int_equal(g->n, 10);
	g->room = INT_MAX;
	poll_all();
	assert_int_equal(g->n, 11);
	assert_int_equal(number(10), 10);
}

static void test_emptied_without_room(void **state)
{
	append_lines(0, 10);
	append("<13>1 2026-03-01T10:00:00Z web1 app - - - line 10");
	poll_all();
	g->room = 0;
	assert_int_equal(truncate(path, 0), 0);
	poll_all();
	append_lines(11, 20);
	poll_all();
	assert_int_equal(g->n, 10);
	g->room = INT_MAX;
	poll_all();
	assert_int_equal(g->n, 20);
	for (size_t i = 0; i < g->n; i++)
		assert_int_equal(number(i), i);
}

/* Repeats in a log stay repeats. */
static void test_same_line_twice(void **state)
{
	append_lines(0, 40); /* further than the head that goes into the id */
	append_lines(5, 6);
	append_lines(5, 6);
	poll_all();
	assert_int_equal(g->n, 42);
	assert_string_equal(g->at[40].text, g->at[41].text);
	assert_memory_not_equal(ids[40], ids[41], sizeof(ids[0]));
}

static void save_and_poll(void)
{
	is_settled = true;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(follow_save(f, false), 0);
		poll_all();
	}
}

static const int64_t HOUR = 3600LL * CLOCK_S;

/* What a run before may have taken behind what it saved is told from what it can't have read. */
static void test_since(void **state)
{
	const int64_t slack = 60 * (int64_t)CLOCK_S;
	crash();
	ahead = 10000;
	begin();
	is_settled = false;
	append_lines(0, 10);
	poll_all();
	assert_int_equal(g->n, 10);
	crash();
	g->clock.wall_us += 5 * HOUR; /* so long it is away */
	append_lines(10, 2000);
	begin();
	poll_all();
	assert_int_equal(number(0), 0);
	size_t fresh = 0;
	while (fresh < g->n && doubts[fresh])
		fresh++;
	assert_in_range(fresh, 20000 / 60, 20000 / 50); /* lines of twice `ahead` bytes */
	for (size_t i = 0; i < fresh; i++)
		assert_true(doubts[i] > 6 * HOUR - slack && doubts[i] < 6 * HOUR + slack);
	for (size_t i = fresh; i < g->n; i++)
		assert_int_equal(doubts[i], 0);
	/* what comes to be while it runs may have been read under another name, by itself */
	save_and_poll();
	assert_int_equal(g->n, 2000);
	assert_int_equal(rename(path, moved), 0);
	append_lines(2000, 2001);
	save_and_poll();
	assert_int_equal(g->n, 2001);
	assert_true(doubts[2000] > HOUR - slack && doubts[2000] < HOUR + slack);
	/* a clock that was set back since */
	crash();
	append_lines(2001, 2002);
	g->clock.wall_us -= 5 * HOUR;
	begin();
	poll_all();
	assert_int_equal(g->n, 1);
	assert_true(doubts[0] > HOUR - slack && doubts[0] < HOUR + slack);
}

/* A file that isn't there at the start, but comes back: it is read on, over further starts, too. */
static void test_away_at_the_start(void **state)
{
	char away[64];
	snprintf(away, sizeof(away), "%s/away", dir);
	append_lines(0, 3);
	poll_all();
	assert_int_equal(follow_save(f, true), 0);
	for (int i = 0; i < 2; i++) {
		crash();
		assert_int_equal(rename(path, away), 0);
		begin();
		poll_all();
		assert_int_equal(follow_save(f, true), 0);
		assert_int_equal(rename(away, path), 0);
		if (i) {
			crash();
			begin();
		}
		append_lines(3 + i, 4 + i);
		poll_all();
		assert_int_equal(follow_save(f, true), 0);
		assert_int_equal(g->n, 1);
		assert_int_equal(number(0), 3 + i);
	}
}

/* A run that never came to save anything: a day, and everything. */
static void test_since_without_places(void **state)
{
	char place[64];
	crash();
	snprintf(place, sizeof(place), "%s/here", dir);
	assert_int_equal(truncate(place, 100), 0);
	ahead = 10000;
	begin();
	poll_all();
	append_lines(0, 1);
	poll_all();
	assert_int_equal(g->n, 1);
	assert_true(doubts[0] > 24 * HOUR);
}

/* No further than so much behind what was saved, which is done before anything is read. */
static void test_bounded_ahead(void **state)
{
	static struct place_table table;
	char place[64];
	crash();
	snprintf(place, sizeof(place), "%s/here", dir);
	assert_int_equal(unlink(place), 0);
	ahead = 100000;
	begin();
	poll_all();
	assert_int_equal(place_load(places, &table, NULL), 1);
	assert_int_equal(table.n, 1);
	is_settled = false;
	append_lines(0, 4000);
	poll_all();
	const size_t first = g->n;
	assert_in_range(first, 100000 / 60, 4000 - 1);
	poll_all();
	assert_int_equal(g->n, first);
	assert_true(follow_behind(f));
	save_and_poll();
	assert_int_equal(g->n, 4000);
	for (size_t i = 0; i < g->n; i++)
		assert_int_equal(number(i), i);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_no_room),
		TEST(test_not_settled),
		TEST(test_rotated_without_room),
		TEST(test_end_without_room),
		TEST(test_last_line_without_room),
		TEST(test_emptied_without_room),
		TEST(test_same_line_twice),
		TEST(test_since),
		TEST(test_away_at_the_start),
		TEST(test_since_without_places),
		TEST(test_bounded_ahead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
