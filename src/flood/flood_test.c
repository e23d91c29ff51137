#include "flood/fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void sizes(void **state)
{
	static const struct flood_limits bad[] = {
		{ .cells = 3000 }, { .cells = 1 << 22 }, { .records = 8 }, { .events = 100 }
	};
	struct flood_limits limits = { 0 };
	struct fixture x = fixture_make(0);
	struct flood *f;
	assert_true(flood_size(&limits) % 64 == 0 && flood_size(&limits) <= (size_t)48 << 20);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(flood_init(&f, x.f, &bad[i], (const uint8_t[16]){ 0 }), -EINVAL);
	assert_int_equal(flood_attach(&f, x.f, &limits), -EINVAL);
	limits = (struct flood_limits){ .cells = 1 << 12, .records = 64, .events = 64 };
	assert_int_equal(flood_attach(&f, x.f, &limits), 0);
	assert_ptr_equal(f, x.f);
	memset(x.f, 0, sizeof(*x.f));
	assert_int_equal(flood_attach(&f, x.f, &limits), -EINVAL);
	free(x.f);
}

static void prefixes(void **state)
{
	struct flood_addr a = fixture_v4(0x0a0b0c0d), b;
	unsigned bits;
	b = flood_whole(&a, &bits);
	assert_true(bits == 128 && memcmp(&a, &b, sizeof(a)) == 0);
	b = flood_network(&a, &bits);
	assert_true(bits == 120 && b.b[15] == 0 && b.b[14] == 0x0c);
	a = (struct flood_addr){ { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } };
	b = flood_whole(&a, &bits);
	assert_true(bits == 64 && b.b[7] == 4 && b.b[8] == 0 && b.b[15] == 0);
	b = flood_network(&a, &bits);
	assert_true(bits == 48 && b.b[5] == 2 && b.b[6] == 0);
}

/* One list after another; each is there whole, whoever died while writing another. */
static void lists(void **state)
{
	struct fixture x = fixture_make(0);
	struct list_entry e = { .bits = 128, .action = LIST_BLOCK, .until_s = INT64_MAX }, got;
	static struct list_entry many[LIST_MAX + 1];
	assert_int_equal(flood_set_list(x.f, many, LIST_MAX + 1), -E2BIG);
	for (uint32_t i = 1; i < 20; i++) {
		e.addr = fixture_v4(i);
		assert_int_equal(flood_set_list(x.f, &e, 1), 0);
		if (i % 5 == 0)
			x.f->claims++; /* one took a number and died */
		assert_true(flood_listed(x.f, &e.addr, x.t.wall_s, &got));
		e.addr = fixture_v4(i - 1);
		assert_false(flood_listed(x.f, &e.addr, x.t.wall_s, &got));
	}
	free(x.f);
}

/* What the WAF refused is an event, once for a while, and counts as three errors. */
static void refused(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	struct flood_event e[64];
	uint64_t lost;
	for (unsigned i = 0; i < 5; i++) {
		struct flood_request r = fixture_get(&x, 7, NULL);
		fixture_ask(&x, &r, &a);
		flood_done(&x.w, &a.ticket, &(struct flood_outcome){ .status = 403, .refused = true }, x.t);
	}
	assert_int_equal(flood_events(x.f, 0, e, 64, &lost), 1);
	assert_true(e[0].kind == FLOOD_EVENT_WAF && e[0].from.b[15] == 7);
	struct flood_standing st;
	struct flood_addr seven = fixture_v4(7);
	flood_standing(x.f, &seven, x.t, &st);
	assert_float_equal(st.errors, 15.0 / 600, 0.001);
	free(x.f);
}

/* Works on shared memory as fast as it can, until it is killed. */
static void worker(struct fixture *x, unsigned slot)
{
	x->w.slot = slot;
	x->entropy += slot;
	struct list_entry e = { .addr = fixture_v4(1), .bits = 128, .action = LIST_ALLOW, .until_s = INT64_MAX };
	for (;;) {
		struct flood_request r = fixture_get(x, 0x0a000000 + (uint32_t)(x->entropy >> 50), NULL);
		struct flood_answer a;
		fixture_ask(x, &r, &a);
		if (x->entropy >> 60 == 3)
			fixture_done(x, &a, 200, 900000);
		x->t.now_us += 1000;
		flood_tick(&x->w, x->t, &(struct flood_load){ 0 });
		if (x->entropy >> 56 == 7)
			flood_set_list(x->f, &e, 1);
	}
}

/* Workers killed in the middle of anything: the next one goes on, nothing waits for them. */
static void killed(void **state)
{
	struct fixture x = fixture_make(0);
	size_t size = x.f->size;
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(mem != MAP_FAILED);
	memcpy(mem, x.f, size);
	free(x.f);
	struct flood_limits limits = { .cells = 1 << 12, .records = 64, .events = 64 };
	assert_int_equal(flood_attach(&x.f, mem, &limits), 0);
	x.w.f = x.f;
	for (unsigned i = 0; i < 30; i++) {
		pid_t pid[2];
		for (unsigned j = 0; j < 2; j++) {
			pid[j] = fork();
			assert_true(pid[j] >= 0);
			if (pid[j] == 0)
				worker(&x, j);
		}
		nanosleep(&(struct timespec){ .tv_nsec = 3000000 + i * 100000 }, NULL);
		for (unsigned j = 0; j < 2; j++) {
			kill(pid[j], SIGKILL);
			waitpid(pid[j], NULL, 0);
			flood_worker_begins(&(struct flood_worker){ .f = x.f, .slot = j });
		}
	}
	struct flood_state s;
	flood_state(x.f, x.t, &s);
	assert_true(s.busy == 0);
	x.t.now_us += 1000000000;
	fixture_ticks(&x, 6000, 0);
	assert_int_equal(x.f->c.strict_us, 0);
	struct list_entry e = { .addr = fixture_v4(99), .bits = 128, .action = LIST_BLOCK, .until_s = INT64_MAX };
	assert_int_equal(flood_set_list(x.f, &e, 1), 0);
	struct flood_request r = fixture_get(&x, 99, NULL);
	struct flood_answer a;
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DROP);
	struct flood_record found;
	assert_int_equal(flood_find(x.f, a.id, &found), 0);
	munmap(mem, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sizes), cmocka_unit_test(prefixes),
		                            cmocka_unit_test(lists), cmocka_unit_test(refused),
		                            cmocka_unit_test(killed) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
