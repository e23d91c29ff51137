#include "kiosk/follow_fixture.h"

enum { WORLDS = KHIEN_SANITIZED ? 150 : 1200 };

static void trouble(struct world *w)
{
	struct node *n = &w->nodes[chance(w, 2)];
	const uint32_t what = chance(w, 13);
	switch (what) {
	case 0:
	case 1:
		if ((w->cut_peer = !w->cut_peer))
			w->peer_up = false;
		break;
	case 2:
	case 3:
		if ((w->cut[n->id] = !w->cut[n->id]))
			w->register_up[n->id] = false;
		break;
	case 4: w->slow_ms = (int)chance(w, 4) * (int)chance(w, 400); break;
	case 5:
		w->register_alive = !w->register_alive;
		for (int i = 0; i < 2 && !w->register_alive; i++)
			w->register_up[i] = false;
		break;
	case 6:
		if (n->f)
			stop(n);
		break;
	case 7:
	case 8:
		if (n->f)
			n->crash_in = 1 + (int)chance(w, 30);
		break;
	case 9: cut_all(w, false); break;
	case 10:
		if (n->f)
			follow_promote(n->f, false);
		break;
	case 11:
		if (n->f)
			follow_alone(n->f, false);
		break;
	default:
		if (n->f && state(n) == FOLLOW_STALE)
			follow_rejoin(n->f, NULL);
	}
	if (!n->f && chance(w, 2))
		start(n);
}

static bool is_pair(const struct world *w)
{
	enum follow_state a = state(&w->nodes[0]), b = state(&w->nodes[1]);
	return (a == FOLLOW_PAIRED && b == FOLLOW_FOLLOWS) || (b == FOLLOW_PAIRED && a == FOLLOW_FOLLOWS);
}

/* Everything works again: so do the two, with no word but that a stale one follows, and that somebody is promoted. */
static void heal(struct world *w)
{
	w->chaos = false;
	w->slow_ms = 10;
	w->register_alive = w->has_register;
	cut_all(w, false);
	for (int s = 0; s < 60; s++) {
		bool primary = false;
		for (int i = 0; i < 2; i++) {
			if (!w->nodes[i].f)
				start(&w->nodes[i]);
			if (state(&w->nodes[i]) == FOLLOW_STALE && s > 20)
				follow_rejoin(w->nodes[i].f, NULL);
			if (!w->has_register && state(&w->nodes[i]) == FOLLOW_WAITING && s > 40)
				follow_alone(w->nodes[i].f, false); /* a standby that has to be copied anew */
			primary |= state(&w->nodes[i]) < FOLLOW_CATCHES_UP;
		}
		for (int i = 0; i < 2 && !primary && s > 30; i++)
			follow_promote(w->nodes[i].f, false);
		run(w, 1000);
	}
}

static void test_worlds(void **given)
{
	const char *seed = getenv("FOLLOW_SEED"), *worlds = getenv("FOLLOW_WORLDS");
	const unsigned long from = seed ? strtoul(seed, NULL, 10) : 1;
	const unsigned long n = seed ? 1 : worlds ? strtoul(worlds, NULL, 10) : WORLDS;
	struct world *w = the_world();
	struct disk *disks = malloc(2 * sizeof(*disks));
	long confirmed = 0, promotions = 0, copies = 0;
	for (unsigned long i = from; i < from + n; i++) {
		world_init(w, i, i % 10 != 0, disks); /* now and then nobody has a register */
		w->chaos = true;
		for (int t = 0; t < 60; t++) {
			run(w, 100 + (int)chance(w, 2000));
			trouble(w);
		}
		int64_t before = w->n_truth;
		heal(w);
		HOLDS(w, is_pair(w));
		HOLDS(w, w->n_truth > before);
		confirmed += w->confirmed;
		promotions += w->promotions;
		copies += w->copies;
		world_done(w);
	}
	print_message("%lu worlds from seed %lu: %ld confirmed, %ld promotions, %ld copies\n", n, from, confirmed,
	              promotions, copies);
	assert_true(seed || (promotions > (long)n / 10 && copies > (long)n / 10));
	free(disks);
	free(w);
}

/* --- one thing at a time --- */

struct scene {
	struct world *w;
	struct disk *disks;
	struct node *a, *b;
};

/* Quiet: what is written is written by the test. */
static struct scene scene(bool has_register)
{
	struct scene s = { .w = the_world(), .disks = malloc(2 * sizeof(struct disk)) };
	assert_non_null(s.disks);
	world_init(s.w, 1, has_register, s.disks);
	s.w->quiet = true;
	s.a = &s.w->nodes[0];
	s.b = &s.w->nodes[1];
	return s;
}

static void scene_end(struct scene *s)
{
	world_done(s->w);
	free(s->w);
	free(s->disks);
}

static void assert_state(const struct node *n, enum follow_state is, const char *why)
{
	struct follow_status s;
	follow_status(n->f, &s);
	assert_string_equal(follow_state_name(s.state), follow_state_name(is));
	assert_string_equal(s.why, why);
}

static void apart(struct world *w, bool off)
{
	w->cut_peer = off;
	if (off)
		w->peer_up = false;
}

static void without_register(struct world *w, bool off)
{
	w->register_alive = !off;
	if (off)
		w->register_up[0] = w->register_up[1] = false;
}

/* Callers wait 5 s for a word, and no longer; then it says so at once, until the word comes. */
static void test_nobody_waits_for_ever(void **given)
{
	struct scene s = scene(true);
	run(s.w, 2000);
	assert_state(s.a, FOLLOW_PAIRED, "");
	assert_state(s.b, FOLLOW_FOLLOWS, "");
	apart(s.w, true);
	without_register(s.w, true);
	write_round(s.a);
	assert_true(s.a->disk->n > 0);
	assert_false(follow_may_round(s.a->f)); /* the next one is gathered */
	run(s.w, 4700);
	assert_state(s.a, FOLLOW_WAITING, "");
	assert_null(follow_closed(s.a->f));
	assert_int_equal(s.a->gave_up, 0);
	run(s.w, 600);
	assert_int_equal(s.a->gave_up, 1);
	assert_string_equal(s.a->gave_up_word, "no-standby-word");
	assert_string_equal(follow_closed(s.a->f), "no-standby-word");
	run(s.w, 20000);
	assert_int_equal(s.a->gave_up, 1);
	assert_int_equal(s.w->n_truth, 0);
	without_register(s.w, false);
	run(s.w, 1000);
	assert_state(s.a, FOLLOW_ALONE, "");
	assert_null(follow_closed(s.a->f));
	assert_int_equal(s.w->n_truth, s.a->disk->n);
	scene_end(&s);
}

/* A line that is gone for a moment is no reason to ask anybody. */
static void test_short_cut(void **given)
{
	struct scene s = scene(true);
	run(s.w, 2000);
	const int64_t epoch = s.w->value.epoch;
	for (int i = 0; i < 5; i++) {
		apart(s.w, true);
		run(s.w, 1000);
		write_round(s.a);
		assert_true(s.w->n_truth < s.a->disk->n);
		apart(s.w, false);
		run(s.w, 600);
		assert_int_equal(s.w->n_truth, s.a->disk->n);
	}
	assert_int_equal(s.w->value.epoch, epoch);
	assert_state(s.a, FOLLOW_PAIRED, "");
	scene_end(&s);
}

/* Who was away itself, as with a slow disk, doesn't say that of the other one. */
static void test_own_pause(void **given)
{
	struct scene s = scene(true);
	run(s.w, 2000);
	const int64_t epoch = s.w->value.epoch;
	write_round(s.a);
	clock_advance(&s.w->clock, 7 * CLOCK_S);
	follow_tick(s.a->f);
	follow_tick(s.b->f);
	assert_true(s.w->peer_up);
	run(s.w, 500);
	assert_int_equal(s.w->n_truth, s.a->disk->n);
	assert_int_equal(s.w->value.epoch, epoch);
	assert_state(s.a, FOLLOW_PAIRED, "");
	assert_state(s.b, FOLLOW_FOLLOWS, "");
	scene_end(&s);
}

static void test_who_lacks_something_is_refused(void **given)
{
	struct scene s = scene(true);
	run(s.w, 2000);
	apart(s.w, true);
	run(s.w, 3000);
	write_round(s.a);
	assert_int_equal(s.w->n_truth, s.a->disk->n); /* alone */
	stop(s.a);
	follow_promote(s.b->f, false);
	run(s.w, 1000);
	assert_string_equal(s.b->told, "primary-went-on");
	assert_state(s.b, FOLLOW_CATCHES_UP, "primary-went-on");
	without_register(s.w, true);
	run(s.w, 100);
	s.b->told = "";
	follow_promote(s.b->f, false);
	assert_string_equal(s.b->told, "catches-up");
	s.b->told = "";
	follow_alone(s.b->f, true);
	assert_string_equal(s.b->told, "not-primary");
	scene_end(&s);
}

/* A kiosk whose disk was put back from an old copy, or is a new one, doesn't write on where it stood then. */
static void test_old_disk(void **given)
{
	for (int i = 0; i < 4; i++) {
		struct scene s = scene(true);
		run(s.w, 2000);
		struct disk *old = malloc(sizeof(*old));
		assert_non_null(old);
		memset(old, 0, sizeof(*old));
		old->first = 1;
		write_round(s.a);
		run(s.w, 200);
		if (i >= 2)
			*old = *s.a->disk;
		if (i == 3) { /* of this very epoch */
			write_round(s.a);
			run(s.w, 200);
		}
		apart(s.w, true);
		run(s.w, i == 3 ? 100 : 3000);
		stop(s.a);
		*s.a->disk = *old;
		free(old);
		apart(s.w, i == 1);
		start(s.a);
		run(s.w, 3000);
		/* the standby or the register says it, whoever is heard first */
		assert_state(s.a, FOLLOW_STALE,
		             i == 0   ? "stale-epoch"
		             : i == 3 ? "older-than-standby"
		                      : "older-than-register");
		assert_string_equal(s.a->gave_up_word, "stale-epoch");
		scene_end(&s);
	}
}

/* Without a register a person says who goes on. */
static void test_by_hand(void **given)
{
	struct scene s = scene(false);
	assert_state(s.a, FOLLOW_ALONE, "");
	run(s.w, 2000);
	assert_state(s.a, FOLLOW_PAIRED, "");
	apart(s.w, true);
	write_round(s.a);
	run(s.w, 10000);
	assert_state(s.a, FOLLOW_WAITING, "");
	follow_promote(s.b->f, false);
	assert_string_equal(s.b->told, "no-register");
	follow_alone(s.a->f, false);
	assert_string_equal(s.a->told, "done");
	assert_int_equal(s.w->n_truth, s.a->disk->n);
	stop(s.a);
	start(s.a);
	assert_state(s.a, FOLLOW_ALONE, ""); /* that is remembered */
	stop(s.a);
	s.w->lawless = true; /* what comes loses something, and somebody was sure */
	follow_promote(s.b->f, true);
	assert_state(s.b, FOLLOW_ALONE, "");
	write_round(s.b);
	start(s.a);
	assert_state(s.a, FOLLOW_ALONE, ""); /* it can't know */
	apart(s.w, false);
	run(s.w, FOLLOW_LOOK_ROUND_US / CLOCK_MS + 2000);
	assert_state(s.a, FOLLOW_STALE, "stale-epoch");
	assert_state(s.b, FOLLOW_ALONE, "other-is-stale");
	assert_int_equal(follow_rejoin(s.b->f, NULL), -EINVAL);
	assert_int_equal(follow_rejoin(s.a->f, NULL), 0);
	run(s.w, 2000);
	assert_state(s.b, FOLLOW_PAIRED, "");
	assert_state(s.a, FOLLOW_FOLLOWS, "");
	assert_int_equal(s.a->disk->n, s.b->disk->n);
	scene_end(&s);
}

/* The primary burnt down while it was alone: a person may say that what it had is lost. */
static void test_sure(void **given)
{
	struct scene s = scene(true);
	run(s.w, 2000);
	apart(s.w, true);
	run(s.w, 3000);
	stop(s.a);
	follow_promote(s.b->f, true);
	run(s.w, 500);
	assert_string_equal(s.b->told, "done");
	assert_state(s.b, FOLLOW_ALONE, "");
	assert_string_equal(s.w->value.holder, "b");
	assert_int_equal(s.w->value.epoch, s.b->disk->kept.epoch);
	scene_end(&s);
}

static void test_foreign_frames(void **given)
{
	static const struct message none[] = {
		{ .kind = MESSAGE_VALUE, .epoch = 99, .body = { "b", 1 } },
		{ .kind = MESSAGE_HAVE, .seq = 4000 },
		{ .kind = MESSAGE_OFFER, .epoch = 9 },
		{ .kind = MESSAGE_ASK },
		{ .kind = MESSAGE_HELLO, .role = FOLLOW_AS_STANDBY, .body = { "a", 1 } }, /* its own, led back */
	};
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		struct scene s = scene(true);
		struct buf frame = { 0 };
		run(s.w, 2000);
		message_put(&none[i], &frame);
		follow_frame(s.a->f, FOLLOW_PEER, buf_str(&frame));
		assert_false(s.w->peer_up);
		write_round(s.a);
		assert_int_equal(s.w->n_truth, 0);
		run(s.w, 1000);
		assert_state(s.a, FOLLOW_PAIRED, "");
		follow_frame(s.b->f, FOLLOW_PEER, STR("nonsense"));
		follow_frame(s.b->f, FOLLOW_REGISTER, STR(""));
		struct follow_status status;
		follow_status(s.b->f, &status);
		assert_int_equal(status.garbled, 2);
		buf_free(&frame);
		scene_end(&s);
	}
}

static void test_names(void **given)
{
	static const char *const none[] = { "", "a b", "a\n", "é",
		                            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct follow *f;
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(follow_new(&f, &(struct follow_config){ .name = none[i] }, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_waits_for_ever),
		cmocka_unit_test(test_short_cut),
		cmocka_unit_test(test_own_pause),
		cmocka_unit_test(test_who_lacks_something_is_refused),
		cmocka_unit_test(test_old_disk),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_sure),
		cmocka_unit_test(test_foreign_frames),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_worlds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
