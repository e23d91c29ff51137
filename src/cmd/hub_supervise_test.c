/* Children that hang, stop, die and linger, under limits of some tenths of a second. */
#include "cmd/hub_supervise.h"

#include "cmd/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child does when it has been at work for a moment. */
enum deed {
	GOES_ON,    /* until it is told, or the other's end of the link is closed */
	ENDS,       /* by itself, well */
	DIES,       /* and may be started anew */
	STOPS,      /* as by SIGSTOP */
	HANGS,      /* says nothing more, and heeds nothing */
	TELLS_TERM, /* the supervisor; then goes on */
	SLEEPS,     /* the machine does: the clock leaps; then ends */
};

/* Seen by all processes. */
struct shared {
	atomic_int starts[N_PARTS];
	atomic_llong leap;
};

struct play {
	enum deed deeds[N_PARTS][2]; /* in the first round, in all others */
	int starting;                /* beats before it takes events */
	bool at_once;                /* in the first round it is done before the first beat */
	bool deaf;                   /* the keeper doesn't end when the front has */
	bool renews;
	/* what came of it */
	int renewals;
	char said[16384];
	int64_t took;
};

enum { BEATS = 5, BEAT_MS = 20 };

static const struct supervise_limits limits = {
	.starting = 600LL * CLOCK_MS,
	.silent = { 400LL * CLOCK_MS, 400LL * CLOCK_MS },
	.ending = 500LL * CLOCK_MS,
	.first_wait = 10LL * CLOCK_MS,
};

static struct shared *shared;
static volatile sig_atomic_t told;

static int64_t leaping(const struct clock *c)
{
	return clock_monotonic(&clock_system) + atomic_load(&shared->leap);
}

static int64_t wall(const struct clock *c)
{
	return clock_wall(&clock_system);
}

static void on_term(int signal)
{
	told = 1;
}

static void act(enum deed deed)
{
	switch (deed) {
	case GOES_ON: return;
	case ENDS: _exit(HUB_ENDED);
	case DIES: _exit(HUB_DIED);
	case STOPS: raise(SIGSTOP); return;
	case HANGS:
		for (;;)
			pause();
	case TELLS_TERM: kill(getppid(), SIGTERM); return;
	case SLEEPS:
		atomic_store(&shared->leap, 3600LL * CLOCK_S);
		usleep(2 * BEAT_MS * 1000);
		_exit(HUB_ENDED);
	}
}

static bool is_closed(int link)
{
	char c;
	return recv(link, &c, 1, MSG_DONTWAIT) == 0;
}

static int work(struct play *p, enum supervise_part part, int link, int beat)
{
	const int round = atomic_fetch_add(&shared->starts[part], 1);
	const enum deed deed = p->deeds[part][round ? 1 : 0];
	int64_t now = 1, at = 0;
	signal(SIGTERM, part == PART_FRONT ? on_term : SIG_IGN);
	if (p->at_once && !round)
		act(deed);
	for (int i = 0; i < 1000; i++, now += CLOCK_S) {
		supervise_beat(beat, i < p->starting ? BEAT_STARTS : BEAT_TAKES, now, &at);
		if (i == p->starting + BEATS)
			act(deed);
		if (told || (is_closed(link) && !(p->deaf && part == PART_KEEPER)))
			return HUB_ENDED;
		usleep(BEAT_MS * 1000);
	}
	return HUB_HOPELESS;
}

static int keeper(void *arg, int link, int beat)
{
	return work(arg, PART_KEEPER, link, beat);
}

static int front(void *arg, int link, int beat)
{
	return work(arg, PART_FRONT, link, beat);
}

static bool due(void *arg, int64_t now)
{
	const struct play *p = arg;
	return p->renews && !p->renewals && atomic_load(&shared->starts[PART_FRONT]);
}

static void renew(void *arg)
{
	struct play *p = arg;
	p->renewals++;
}

static int run(struct play *p)
{
	const struct clock clock = { wall, leaping, 0, 0 };
	struct err err = { 0 };
	int words[2];
	*shared = (struct shared){ 0 };
	assert_int_equal(pipe2(words, O_NONBLOCK | O_CLOEXEC), 0);
	const struct log log = { words[1], &clock };
	const struct supervisor s = {
		.clock = &clock,
		.log = &log,
		.limits = limits,
		.work = { [PART_KEEPER] = keeper, [PART_FRONT] = front },
		.due = due,
		.renew = renew,
		.arg = p,
	};
	const int64_t before = clock_monotonic(&clock_system);
	int code = supervise(&s, &err);
	p->took = clock_monotonic(&clock_system) - before;
	ssize_t n = read(words[0], p->said, sizeof(p->said) - 1);
	p->said[n > 0 ? n : 0] = '\0';
	close(words[0]);
	close(words[1]);
	return code;
}

static bool says(const struct play *p, const char *text)
{
	return strstr(p->said, text) != NULL;
}

static void test_ends_well(void **state)
{
	struct play p = { .deeds = { { GOES_ON }, { TELLS_TERM } } };
	assert_int_equal(run(&p), 0);
	assert_string_equal(p.said, "");
	p = (struct play){ .deeds = { { GOES_ON }, { ENDS } } };
	assert_int_equal(run(&p), 0);
	assert_string_equal(p.said, "");
}

/* It would wait for it for ever: events that are acknowledged are on the disk, so it need not. */
static void test_a_keeper_that_lingers(void **state)
{
	static const enum deed ways[] = { STOPS, HANGS, GOES_ON };
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct play p = { .deeds = { { ways[i] }, { TELLS_TERM } }, .deaf = true };
		assert_int_equal(run(&p), -EIO);
		assert_true(p.took < 3 * CLOCK_S);
		assert_true(says(&p, "process=keeper"));
		assert_true(says(&p, "is killed"));
		assert_int_equal(atomic_load(&shared->starts[PART_KEEPER]), 1);
	}
}

static void test_a_front_that_lingers(void **state)
{
	struct play p = { .deeds = { { TELLS_TERM }, { HANGS } } };
	assert_int_equal(run(&p), -EIO);
	assert_true(p.took < 3 * CLOCK_S);
	assert_true(says(&p, "process=front"));
}

/* While they work: killed, and both are started anew. */
static void test_silent(void **state)
{
	static const struct {
		enum supervise_part part;
		enum deed deed;
		bool at_once;
	} cases[] = {
		{ PART_KEEPER, STOPS, false }, { PART_KEEPER, HANGS, false }, { PART_FRONT, STOPS, false },
		{ PART_FRONT, HANGS, false },  { PART_KEEPER, HANGS, true },  { PART_FRONT, STOPS, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct play p = { .deeds = { { GOES_ON, GOES_ON }, { GOES_ON, ENDS } }, .at_once = cases[i].at_once };
		p.deeds[cases[i].part][0] = cases[i].deed;
		assert_int_equal(run(&p), 0);
		assert_int_equal(atomic_load(&shared->starts[PART_KEEPER]), 2);
		assert_int_equal(atomic_load(&shared->starts[PART_FRONT]), 2);
		assert_true(says(&p, cases[i].part == PART_KEEPER ? "event=process-silent process=keeper"
		                                                  : "event=process-silent process=front"));
		assert_true(says(&p, "event=restarting"));
		assert_true(p.took < 5 * CLOCK_S);
	}
}

static void test_dies(void **state)
{
	struct play p = { .deeds = { { DIES, GOES_ON }, { GOES_ON, ENDS } } };
	assert_int_equal(run(&p), 0);
	assert_int_equal(atomic_load(&shared->starts[PART_FRONT]), 2);
	assert_true(says(&p, "event=process-ended process=keeper status=1"));
	assert_false(says(&p, "process-silent"));
}

/* A suspended machine, or Ctrl-Z: nobody could have spoken. */
static void test_sleep_is_no_silence(void **state)
{
	struct play p = { .deeds = { { GOES_ON }, { SLEEPS } } };
	assert_int_equal(run(&p), 0);
	assert_string_equal(p.said, "");
}

static void test_renewal(void **state)
{
	struct play p = { .deeds = { { GOES_ON, GOES_ON }, { GOES_ON, ENDS } }, .renews = true };
	assert_int_equal(run(&p), 0);
	assert_int_equal(p.renewals, 1);
	assert_int_equal(atomic_load(&shared->starts[PART_FRONT]), 2);
	assert_string_equal(p.said, "");
}

/* A long start is no reason to be killed by whoever started it. */
static void test_the_watchdog_is_fed(void **state)
{
	char dir[] = "/tmp/khien-supervise-XXXXXX", what[128];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct play p = { .deeds = { { GOES_ON }, { ENDS } }, .starting = 2500 / BEAT_MS };
	int fed_before = 0, extended = 0;
	bool ready = false;
	assert_non_null(mkdtemp(dir));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", dir);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	int code = run(&p);
	unsetenv("NOTIFY_SOCKET");
	for (ssize_t n; (n = recv(fd, what, sizeof(what) - 1, 0)) > 0;) {
		what[n] = '\0';
		ready |= strstr(what, "READY=1") != NULL;
		fed_before += !ready && strstr(what, "WATCHDOG=1");
		extended += strstr(what, "EXTEND_TIMEOUT_USEC=") != NULL;
	}
	close(fd);
	unlink(at.sun_path);
	rmdir(dir);
	assert_int_equal(code, 0);
	assert_true(ready);
	assert_in_range(fed_before, 2, 4);
	assert_true(extended >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_well),
		cmocka_unit_test(test_a_keeper_that_lingers),
		cmocka_unit_test(test_a_front_that_lingers),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_dies),
		cmocka_unit_test(test_sleep_is_no_silence),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_the_watchdog_is_fed),
	};
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
