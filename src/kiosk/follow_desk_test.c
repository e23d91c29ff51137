/* Two real desks with their databases, one after the other: what a patient was told survives the kiosk that told it. */
#include "kiosk/follow_desk.h"

#include "kiosk/fixture.h"

enum { ANSWERS = 64 };

static int apply_put(struct call *c, struct err *err)
{
	int64_t rows = 0, n = db_run(c->db, "INSERT INTO setting (name, value) VALUES ($1, 'x')",
	                             DB_ARGS(DB_T(call_text(c, "name"))), err);
	int code = n < 0 ? (int)n : db_ask(c->db, "SELECT count(*) FROM setting", DB_NONE, &rows, err);
	call_say_number(c, "rows", rows);
	return code;
}

static const struct op ops[] = { { "put", ROLE_ANYBODY, true, NULL, apply_put }, { 0 } };
static const struct op *const tables[] = { ops, NULL };

struct side;
struct letter {
	struct side *to;
	enum follow_line line;
	struct str frame;
	struct letter *next;
};

struct pair;
struct side {
	struct pair *pair;
	struct fixture f;
	struct desk *desk;
	struct follow_desk disk;
	struct follow *follow;
	const char *name, *told;
	json_t *answers[ANSWERS];
	size_t asked, gave_up;
	bool standby;
};

struct ask {
	struct side *s;
	size_t at;
};

struct pair {
	struct clock clock;
	struct side a, b;
	struct register_value value;
	bool peer, registered; /* lines */
	struct letter *first, **end;
	struct ask asks[ANSWERS];
};

static void post(struct pair *p, struct side *to, enum follow_line line, struct str frame)
{
	struct letter *l = calloc(1, sizeof(*l));
	assert_non_null(l);
	*l = (struct letter){ .to = to, .line = line, .frame = { malloc(frame.n), frame.n } };
	memcpy((char *)l->frame.p, frame.p, frame.n);
	*p->end = l;
	p->end = &l->next;
}

static void on_send(void *arg, enum follow_line line, struct str frame)
{
	struct side *s = arg;
	struct buf answer = { 0 };
	if (line == FOLLOW_PEER) {
		post(s->pair, s == &s->pair->a ? &s->pair->b : &s->pair->a, line, frame);
		return;
	}
	int64_t n = register_decide(&s->pair->value, frame);
	assert_true(n > 0);
	register_say(&s->pair->value, n, &answer);
	post(s->pair, s, line, buf_str(&answer));
	buf_free(&answer);
}

static void on_drop(void *arg, enum follow_line line)
{
	fail_msg("%s hung up on %d", ((struct side *)arg)->name, line);
}

static void on_give_up(void *arg, const char *word)
{
	((struct side *)arg)->gave_up++;
}

static void on_told(void *arg, const char *refused)
{
	((struct side *)arg)->told = refused ? refused : "done";
}

static void follow_changes(void *arg, const struct desk_change *changes, size_t n)
{
	follow_committed(((struct side *)arg)->follow, changes, n);
}

static const char *follow_is_closed(void *arg)
{
	return follow_closed(((struct side *)arg)->follow);
}

static int open_desk(void *arg, struct err *err)
{
	struct side *s = arg;
	const struct desk_config config = { .db = s->f.db,
		                            .seal = s->f.seal,
		                            .clock = &s->pair->clock,
		                            .tables = tables,
		                            .committed = follow_changes,
		                            .closed = follow_is_closed,
		                            .arg = s };
	desk_free(s->desk);
	s->desk = NULL;
	return desk_new(&s->desk, &config, err);
}

static void start(struct side *s)
{
	struct err err = { 0 };
	if (open_desk(s, &err))
		fail_msg("%s", err.text);
	s->disk =
	        (struct follow_desk){ .db = s->f.db, .uri = s->f.uri, .desk = &s->desk, .reopen = open_desk, .arg = s };
	follow_desk_init(&s->disk);
	const struct follow_config config = { .clock = &s->pair->clock,
		                              .store = &s->disk.store,
		                              .name = s->name,
		                              .standby = s->standby,
		                              .has_peer = true,
		                              .has_register = true,
		                              .send = on_send,
		                              .drop = on_drop,
		                              .give_up = on_give_up,
		                              .told = on_told,
		                              .arg = s };
	if (follow_new(&s->follow, &config, &err))
		fail_msg("%s", err.text);
}

static void stop(struct side *s)
{
	follow_free(s->follow);
	follow_desk_done(&s->disk);
	desk_free(s->desk);
	s->follow = NULL;
	s->desk = NULL;
}

/* Both have one key file: hashes and the mark of the key are equal. */
static void open_pair(struct pair *p, enum db_kind standby)
{
	*p = (struct pair){ .end = &p->first, .a.told = "", .b.told = "" };
	clock_test(&p->clock, FIXTURE_NOW);
	fixture_open_empty(&p->b.f, standby);
	fixture_open_empty(&p->a.f, DB_SQLITE);
	seal_close(p->b.f.seal);
	assert_int_equal(seal_open(&p->b.f.seal, p->a.f.key, false, NULL), 0);
	p->a.name = "a";
	p->b.name = "b";
	p->b.standby = true;
	p->a.pair = p->b.pair = p;
	start(&p->a);
	start(&p->b);
}

static void deliver(struct pair *p)
{
	for (struct letter *l; (l = p->first);) {
		p->first = l->next;
		p->end = p->first ? p->end : &p->first;
		if (l->to->follow && (l->line == FOLLOW_REGISTER || p->peer))
			follow_frame(l->to->follow, l->line, l->frame);
		free((char *)l->frame.p);
		free(l);
	}
}

static void line(struct pair *p, enum follow_line which, bool up)
{
	struct side *sides[] = { &p->a, &p->b };
	if (which == FOLLOW_PEER)
		p->peer = up;
	for (int i = 0; i < 2; i++)
		if (sides[i]->follow)
			follow_line(sides[i]->follow, which, up);
	deliver(p);
}

static void pass_time(struct pair *p, int ms)
{
	for (; ms > 0; ms -= FOLLOW_TICK_MS) {
		clock_advance(&p->clock, FOLLOW_TICK_MS * CLOCK_MS);
		if (p->a.follow)
			follow_tick(p->a.follow);
		if (p->b.follow)
			follow_tick(p->b.follow);
		deliver(p);
	}
}

static void close_pair(struct pair *p)
{
	p->peer = false;
	deliver(p);
	struct side *sides[] = { &p->a, &p->b };
	for (int i = 0; i < 2; i++) {
		stop(sides[i]);
		fixture_close(&sides[i]->f);
		for (size_t k = 0; k < ANSWERS; k++)
			json_decref(sides[i]->answers[k]);
	}
	free(p);
}

static void on_said(void *arg, json_t *answer)
{
	struct ask *a = arg;
	a->s->answers[a->at] = answer;
}

/* Asks for a change; one round is written where that may be. */
static size_t put(struct side *s, const char *name)
{
	struct err err = { 0 };
	struct ask *a = &s->pair->asks[s->asked];
	*a = (struct ask){ .s = s, .at = s->asked++ };
	desk_call(s->desk, json_pack("{s:s, s:s}", "op", "put", "name", name), ROLE_ANYBODY, on_said, a);
	if (follow_may_round(s->follow) && desk_round(s->desk, &err) < 0)
		fail_msg("%s", err.text);
	return a->at;
}

static int64_t rows_of(const struct side *s, size_t at)
{
	return json_integer_value(json_object_get(s->answers[at], "rows"));
}

static const char *refused(const struct side *s, size_t at)
{
	const char *word_of = json_string_value(json_object_get(s->answers[at], "refused"));
	return word_of ? word_of : "";
}

static void assert_state(const struct side *s, enum follow_state state)
{
	struct follow_status is;
	follow_status(s->follow, &is);
	assert_string_equal(follow_state_name(is.state), follow_state_name(state));
}

static int64_t settings(struct side *s)
{
	int64_t n = -1;
	assert_int_equal(db_ask(s->f.db, "SELECT count(*) FROM setting", DB_NONE, &n, NULL), 0);
	return n;
}

static void begin(struct pair *p)
{
	size_t at;
	at = put(&p->a, "nobody said who writes");
	assert_null(p->a.answers[at]);
	line(p, FOLLOW_REGISTER, true);
	pass_time(p, 200);
	assert_state(&p->a, FOLLOW_ALONE);
	at = put(&p->a, "alone");
	assert_int_equal(rows_of(&p->a, at), 2); /* with the one that waited */
	assert_int_equal(rows_of(&p->a, 0), 1);

	line(p, FOLLOW_PEER, true);
	assert_state(&p->a, FOLLOW_PAIRED);
	assert_state(&p->b, FOLLOW_FOLLOWS);
	assert_int_equal(settings(&p->b), 2);
	at = put(&p->a, "together");
	assert_null(p->a.answers[at]); /* not before the standby has it */
	assert_int_equal(settings(&p->b), 2);
	deliver(p);
	assert_int_equal(rows_of(&p->a, at), 3);
	assert_int_equal(settings(&p->b), 3);
	at = put(&p->b, "at the standby");
	assert_string_equal(refused(&p->b, at), "standby");
}

static void stay_apart(struct pair *p)
{
	size_t at;
	/* the standby is cut off: nobody is told anything before the register has said so */
	line(p, FOLLOW_PEER, false);
	at = put(&p->a, "apart");
	deliver(p);
	assert_null(p->a.answers[at]);
	pass_time(p, 2500);
	assert_int_equal(rows_of(&p->a, at), 4);
	assert_state(&p->a, FOLLOW_ALONE);
	follow_promote(p->b.follow, false);
	deliver(p);
	assert_string_equal(p->b.told, "primary-went-on"); /* it lacks "apart" */
	assert_state(&p->b, FOLLOW_CATCHES_UP);

	line(p, FOLLOW_PEER, true);
	assert_state(&p->a, FOLLOW_PAIRED);
	assert_int_equal(settings(&p->b), 4);
}

static void lose_primary(struct pair *p)
{
	size_t at;
	/* the primary dies with a round that nobody was told of */
	p->peer = false;
	at = put(&p->a, "never told");
	deliver(p);
	assert_null(p->a.answers[at]);
	stop(&p->a);
	line(p, FOLLOW_PEER, false);
	follow_promote(p->b.follow, false);
	deliver(p);
	assert_string_equal(p->b.told, "done");
	assert_state(&p->b, FOLLOW_ALONE);
	at = put(&p->b, "by the other");
	assert_int_equal(rows_of(&p->b, at), 5);
	at = put(&p->b, "and more");
}

static void come_back(struct pair *p)
{
	size_t at;
	/* and comes back: it is stale, and is copied anew when a person says so */
	start(&p->a);
	at = put(&p->a, "by a stale one");
	assert_null(p->a.answers[at]);
	follow_line(p->a.follow, FOLLOW_REGISTER, true);
	deliver(p);
	assert_state(&p->a, FOLLOW_STALE);
	assert_int_equal(p->a.gave_up, 1);
	at = put(&p->a, "by a stale one");
	assert_string_equal(refused(&p->a, at), "stale-epoch");
	assert_string_equal(refused(&p->a, at - 1), "stale-epoch"); /* who waited, too */
	assert_int_equal(follow_rejoin(p->a.follow, NULL), 0);
	line(p, FOLLOW_PEER, true);
	pass_time(p, 200);
	assert_state(&p->b, FOLLOW_PAIRED);
	assert_state(&p->a, FOLLOW_FOLLOWS);
	assert_int_equal(settings(&p->a), 6);
	assert_int_equal(desk_seq(p->a.desk), desk_seq(p->b.desk));
	at = put(&p->b, "once more together");
	deliver(p);
	assert_int_equal(rows_of(&p->b, at), 7);
	assert_int_equal(settings(&p->a), 7);

	/* and back again */
	follow_promote(p->a.follow, false);
	deliver(p);
	assert_string_equal(p->a.told, "done");
	assert_state(&p->b, FOLLOW_STALE);
	at = put(&p->a, "at home");
	assert_int_equal(rows_of(&p->a, at), 8);
}

static void one_life(enum db_kind kind)
{
	struct pair *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	open_pair(p, kind);
	begin(p);
	stay_apart(p);
	lose_primary(p);
	come_back(p);
	close_pair(p);
}

static void test_one_life_sqlite(void **state)
{
	one_life(DB_SQLITE);
}

static void test_one_life_postgresql(void **state)
{
	one_life(DB_POSTGRESQL);
}

/* What is kept stands in the database, word for word. */
static void test_kept(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	const struct follow_kept kept = { .role = FOLLOW_AS_STANDBY,
		                          .epoch = 4,
		                          .offered = 5,
		                          .known = INT64_MAX,
		                          .from = 5,
		                          .to = 6,
		                          .to_alone = true,
		                          .sure = true };
	struct follow_kept back = { 0 };
	struct err err;
	assert_non_null(p);
	open_pair(p, DB_SQLITE);
	const struct follow_store *s = &p->b.disk.store;
	assert_int_equal(s->keep(s->arg, &kept, NULL), 0);
	assert_int_equal(s->load(s->arg, &back, NULL), 0);
	assert_true(back.role == kept.role && !back.alone && back.epoch == 4 && back.offered == 5 &&
	            back.known == INT64_MAX && back.from == 5 && back.to == 6 && back.to_alone && back.sure);
	assert_int_equal(db_run(p->b.f.db, "UPDATE meta SET value = '{}' WHERE name = 'follow'", DB_NONE, NULL), 1);
	assert_int_equal(s->load(s->arg, &back, &err), -EBADMSG);
	assert_int_equal(db_run(p->b.f.db, "DELETE FROM meta WHERE name = 'follow'", DB_NONE, NULL), 1);
	assert_int_equal(s->load(s->arg, &back, &err), -ENOENT);
	close_pair(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_life_sqlite),
		cmocka_unit_test(test_one_life_postgresql),
		cmocka_unit_test(test_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
