/* The desk, with operations of the test's own. */
#include "kiosk/desk_fixture.h"

static void test_round(void **state)
{
	struct place *p = place(fixture_of(state));
	assert_false(desk_waiting(p->desk));
	writes(p, 0);
	size_t a = asks_named(p, "put", "a"), b = asks_named(p, "put", "b");
	assert_null(p->heard[a]);
	assert_true(desk_waiting(p->desk));
	assert_int_equal(rows(p), 0);
	clock_advance(&p->f->clock, CLOCK_S);
	writes(p, 1);
	assert_int_equal(number(p, a, "rows"), 1);
	assert_int_equal(number(p, b, "rows"), 2);
	assert_int_equal(number(p, a, "at"), FIXTURE_NOW); /* when it came */
	assert_int_equal(desk_seq(p->desk), 2);
	assert_int_equal(p->n_seen, 2);
	assert_int_equal(p->seen[1].seq, 2);
	assert_int_equal(p->seen[1].epoch, 1);
	assert_int_equal(p->seen[1].at, FIXTURE_NOW);
	assert_string_equal(p->seen[1].call.p, "{\"by\":{\"roles\":1},\"name\":\"b\",\"op\":\"put\",\"value\":\"x\"}");
	leaves(p);
}

static void test_each_alone(void **state)
{
	struct place *p = place(fixture_of(state));
	size_t a = asks_named(p, "put", "a"), again = asks_named(p, "put", "a"), refused = asks_named(p, "refuse", "b");
	size_t failed = asks_named(p, "fail", "c"), d = asks_named(p, "put", "d");
	writes(p, 1);
	assert_int_equal(number(p, a, "rows"), 1);
	assert_string_not_equal(word(p, again, "trouble"), "");
	assert_string_equal(word(p, refused, "refused"), "unknown");
	assert_string_equal(word(p, refused, "field"), "name");
	assert_string_equal(word(p, failed, "trouble"), "broken");
	assert_int_equal(number(p, d, "rows"), 2);
	assert_int_equal(desk_seq(p->desk), 2);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(p->order[i], i);
	asks_named(p, "refuse", "e");
	writes(p, 1);
	assert_int_equal(desk_seq(p->desk), 2);
	assert_int_equal(rows(p), 2);
	leaves(p);
}

static void test_group(void **state)
{
	struct place *p = place(fixture_of(state));
	char name[16];
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		asks_named(p, "put", name);
	}
	writes(p, 1);
	assert_int_equal(desk_seq(p->desk), 256);
	assert_int_equal(p->n_heard, 256);
	assert_true(desk_waiting(p->desk));
	writes(p, 1);
	assert_int_equal(p->n_heard, 300);
	writes(p, 0);
	leaves(p);
}

static void test_private(void **state)
{
	struct place *p = place(fixture_of(state));
	size_t no = asks(p, json_pack("{s:s, s:s}", "op", "secret", "secret", ""));
	size_t yes = asks(p, json_pack("{s:s, s:s, s:s}", "op", "secret", "secret", "12345", "name", "a"));
	assert_string_equal(word(p, no, "refused"), "short"); /* at once */
	assert_null(json_object_get(p->heard[no], "token"));
	writes(p, 1);
	assert_int_equal(number(p, yes, "length"), 5);
	assert_string_equal(word(p, yes, "token"), "for you alone");
	assert_int_equal(number(p, yes, "rows"), 1);
	assert_null(strstr(p->seen[0].call.p, "12345"));
	assert_null(strstr(p->seen[0].call.p, "token"));
	size_t twice = asks(p, json_pack("{s:s, s:s, s:s}", "op", "secret", "secret", "1", "name", "a"));
	writes(p, 1);
	assert_string_not_equal(word(p, twice, "trouble"), "");
	assert_null(json_object_get(p->heard[twice], "token"));
	leaves(p);
}

/* What a call says of who asks is nothing; nor is what only one of the databases can hold taken. */
static void test_admission(void **state)
{
	struct place *p = place(fixture_of(state));
	size_t forged = asks(p, json_pack("{s:s, s:{s:i, s:i}}", "op", "clerk", "by", "roles", 255, "staff", 1));
	size_t session = asks(p, json_pack("{s:s, s:s}", "op", "clerk", "session", "none of ours"));
	size_t unknown = asks_named(p, "drop", "a"), none = asks(p, json_object());
	size_t nul = asks(p, json_pack("{s:s, s:o}", "op", "put", "name", json_stringn("a\0b", 3)));
	size_t deep = asks(p, json_pack("{s:s, s:[{s:o}]}", "op", "put", "name", "value", json_stringn("\0", 1)));
	size_t any = asks(p, json_pack("{s:s, s:s, s:s}", "op", "put", "name", "a", "session", "over"));
	writes(p, 1);
	assert_string_equal(word(p, forged, "refused"), "session");
	assert_string_equal(word(p, session, "refused"), "session");
	assert_string_equal(word(p, unknown, "refused"), "op");
	assert_string_equal(word(p, none, "refused"), "op");
	assert_string_equal(word(p, nul, "refused"), "text");
	assert_string_equal(word(p, deep, "refused"), "text");
	assert_int_equal(number(p, any, "rows"), 1);
	assert_int_equal(number(p, any, "staff"), 0);
	assert_null(strstr(p->seen[0].call.p, "over"));
	p->closed = "standby";
	size_t closed = asks_named(p, "put", "b");
	assert_string_equal(word(p, closed, "refused"), "standby");
	assert_int_equal(rows(p), 1);
	leaves(p);
}

/* Became a standby, or stale, while somebody waited. */
static void test_closes(void **state)
{
	struct place *p = place(fixture_of(state));
	size_t at = asks_named(p, "put", "a");
	p->closed = "stale-epoch";
	writes(p, 0);
	assert_string_equal(word(p, at, "refused"), "stale-epoch");
	assert_int_equal(rows(p), 0);
	leaves(p);
}

static void test_confirmed(void **state)
{
	struct place *p = place(fixture_of(state));
	p->waits = true;
	asks_named(p, "put", "a");
	asks_named(p, "refuse", "x"); /* may be due to what came before it: not told sooner */
	asks_named(p, "put", "b");
	writes(p, 1);
	asks_named(p, "put", "c");
	writes(p, 1);
	assert_int_equal(p->n_heard, 0);
	desk_confirmed(p->desk, 1);
	assert_int_equal(p->n_heard, 2);
	desk_confirmed(p->desk, 1);
	assert_int_equal(p->n_heard, 2);
	desk_confirmed(p->desk, 3);
	assert_int_equal(p->n_heard, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(p->order[i], i);
	desk_confirmed(p->desk, 99); /* of what isn't there yet it says nothing */
	asks_named(p, "put", "d");
	writes(p, 1);
	assert_int_equal(p->n_heard, 4);
	leaves(p);
}

static void test_busy(void **state)
{
	struct place *p = place(fixture_of(state));
	char name[16];
	p->waits = true;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		asks_named(p, "put", name);
		if (i == 99)
			writes(p, 1); /* those wait, too */
	}
	assert_int_equal(p->n_heard, 0);
	size_t at = asks_named(p, "put", "more");
	assert_string_equal(word(p, at, "refused"), "busy");
	desk_confirmed(p->desk, 1);
	at = asks_named(p, "put", "more");
	assert_null(p->heard[at]);
	assert_non_null(p->heard[0]);
	assert_null(p->heard[1]);
	assert_null(p->heard[9999]); /* the desk goes, and they are told nothing */
	desk_free(p->desk);
	opens(p);
	assert_int_equal(desk_seq(p->desk), 100);
	leaves(p);
}

static void test_round_is_lost(void **state)
{
	struct place *p = place(fixture_of(state));
	size_t a = asks_named(p, "put", "a"), gone = asks_named(p, "gone", ""), b = asks_named(p, "put", "b");
	writes(p, -ENOSPC);
	assert_string_equal(word(p, a, "trouble"), "the disk is full");
	assert_string_equal(word(p, gone, "trouble"), "the disk is full");
	assert_string_equal(word(p, b, "trouble"), "the disk is full");
	assert_null(json_object_get(p->heard[a], "rows"));
	assert_int_equal(rows(p), 0);
	assert_int_equal(p->n_seen, 0);
	size_t c = asks_named(p, "put", "c");
	writes(p, 1);
	assert_int_equal(number(p, c, "rows"), 1);
	assert_int_equal(desk_seq(p->desk), 1);
	leaves(p);
}

static void test_again_from_disk(void **state)
{
	struct place *p = place(fixture_of(state));
	struct err err = { 0 };
	asks_named(p, "put", "a");
	writes(p, 1);
	assert_int_equal(desk_set_epoch(p->desk, 7, &err), 0);
	assert_int_equal(desk_set_epoch(p->desk, 7, &err), 0);
	assert_int_equal(desk_set_epoch(p->desk, 6, &err), -ESTALE);
	assert_int_equal(desk_epoch(p->desk), 7);
	desk_free(p->desk);
	opens(p);
	assert_int_equal(desk_epoch(p->desk), 7);
	assert_int_equal(desk_seq(p->desk), 1);
	asks_named(p, "put", "b");
	writes(p, 1);
	assert_int_equal(p->seen[1].seq, 2);
	assert_int_equal(p->seen[1].epoch, 7);
	leaves(p);
}

/* A schema of a newer khien, another key; and one that the desk makes itself. */
static void test_schema(void **state)
{
	struct fixture *given = fixture_of(state), f;
	struct err err = { 0 };
	struct seal *other = NULL;
	char key[FIXTURE_PATH + 16];
	fixture_open_empty(&f, db_kind(given->db));
	struct place *p = place(&f);
	asks_named(p, "put", "a");
	writes(p, 1);
	desk_free(p->desk);
	p->desk = NULL;
	struct desk_config config = { .db = f.db, .seal = f.seal, .clock = &f.clock, .tables = tables };
	snprintf(key, sizeof(key), "%s/other.key", f.dir);
	assert_int_equal(seal_open(&other, key, true, &err), 0);
	config.seal = other;
	assert_int_equal(desk_new(&p->desk, &config, &err), -EKEYREJECTED);
	seal_close(other);
	config.seal = f.seal;
	assert_int_equal(db_run(f.db, "UPDATE meta SET value = '2' WHERE name = 'schema'", DB_NONE, &err), 1);
	assert_int_equal(desk_new(&p->desk, &config, &err), -EPROTO);
	assert_non_null(strstr(err.text, "newer"));
	assert_null(p->desk);
	leaves(p);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_round),         BOTH(test_each_alone),      BOTH(test_group),     BOTH(test_private),
		BOTH(test_admission),     BOTH(test_closes),          BOTH(test_confirmed), BOTH(test_busy),
		BOTH(test_round_is_lost), BOTH(test_again_from_disk), BOTH(test_schema),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
