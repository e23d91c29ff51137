/* Who works here: signing in, what it permits, and how it ends. */
#include "kiosk/ops_fixture.h"
#include "kiosk/staff.h"

#define PASSWORD "một mật khẩu dài"

static void first(struct ops *o)
{
	ASK(o, ROLE_KIOSK, "{s:s, s:s, s:s, s:s}", "op", "first", "login", "hoa", "name", "Chị Hoa", "password",
	    PASSWORD);
	assert_taken(o->answer);
}

static json_t *sign_in(struct ops *o, const char *login, const char *password)
{
	clock_advance(&o->f->clock, CLOCK_S);
	return ASK(o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "sign-in", "login", login, "password", password);
}

/* The session's secret, for the test. */
static void signed_in(struct ops *o, const char *login, const char *password, char secret[SESSION_LENGTH + 1])
{
	json_t *answer = sign_in(o, login, password);
	assert_taken(answer);
	assert_int_equal(strlen(ops_text(answer, "session")), SESSION_LENGTH);
	memcpy(secret, ops_text(answer, "session"), SESSION_LENGTH + 1);
}

static json_t *put(struct ops *o, const char *session, int id, const char *login, int roles, const char *password,
                   bool active)
{
	return ASK(o, ROLE_ANYBODY, "{s:s, s:s, s:i, s:s, s:s, s:i, s:s, s:b}", "op", "staff-put", "session", session,
	           "id", id, "login", login, "name", "Anh Ba", "roles", roles, "password", password, "active",
	           (int)active);
}

static json_t *as(struct ops *o, const char *session, const char *op)
{
	return ASK(o, ROLE_ANYBODY, "{s:s, s:s}", "op", op, "session", session);
}

struct search {
	const char *text;
	bool *found;
};

static int find_text(void *arg, const struct db_row *row)
{
	const struct search *s = arg;
	struct str call = db_text(row, 0);
	*s->found |= memmem(call.p, call.n, s->text, strlen(s->text)) != NULL;
	return 0;
}

static bool in_changes(struct ops *o, const char *text)
{
	bool found = false;
	struct search s = { .text = text, .found = &found };
	assert_true(db_query(o->f->db, "SELECT call FROM change ORDER BY seq", DB_NONE, find_text, &s, NULL) > 0);
	return found;
}

static void test_sign_in(void **state)
{
	struct ops o = ops_open(state, 8);
	char secret[SESSION_LENGTH + 1], other[SESSION_LENGTH + 1];
	assert_refused(sign_in(&o, "hoa", PASSWORD), "sign-in");
	first(&o);
	assert_refused(sign_in(&o, "hoa", "một mật khẩu khác"), "sign-in");
	assert_refused(sign_in(&o, "hoa", ""), "sign-in");
	assert_refused(sign_in(&o, "lan", PASSWORD), "sign-in");
	signed_in(&o, "hoa", PASSWORD, secret);
	assert_string_equal(ops_text(o.answer, "name"), "Chị Hoa");
	assert_int_equal(ops_number(o.answer, "roles"), ROLE_CLERK | ROLE_ADMIN);
	assert_int_equal(ops_number(o.answer, "ends"), o.f->clock.wall_us + 12 * 60 * OPS_MINUTE);
	signed_in(&o, "hoa", PASSWORD, other);
	assert_string_not_equal(secret, other);
	assert_string_equal(ops_text(as(&o, secret, "who"), "login"), "hoa");
	assert_taken(as(&o, secret, "sign-out"));
	assert_refused(as(&o, secret, "who"), "session");
	assert_taken(as(&o, other, "who"));
	assert_refused(as(&o, "", "who"), "session");
	other[0] ^= 1;
	assert_refused(as(&o, other, "who"), "session");
	other[0] ^= 1;
	clock_advance(&o.f->clock, 12 * 60 * OPS_MINUTE - 1);
	assert_taken(as(&o, other, "who"));
	clock_advance(&o.f->clock, 1);
	assert_refused(as(&o, other, "who"), "session");
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM session"), 1);
	signed_in(&o, "hoa", PASSWORD, secret);
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM session"), 1); /* what is over goes */
	assert_false(in_changes(&o, secret));
	assert_false(in_changes(&o, "mật khẩu"));
	assert_true(in_changes(&o, "argon2id"));
	ops_close(&o);
}

/* Of this program's processor time: a busy machine doesn't change it. */
static int64_t spent(struct ops *o, const char *login)
{
	int64_t least = INT64_MAX;
	for (int i = 0; i < 3; i++) {
		clock_t before = clock();
		assert_refused(sign_in(o, login, "không phải nó đâu"), "sign-in");
		clock_t used = clock() - before;
		least = used < least ? used : least;
	}
	return least;
}

/* A login that there is and one that there isn't cost the same; and not too many are checked in a second. */
static void test_pace(void **state)
{
	struct ops o = ops_open(state, 8);
	first(&o);
	sign_in(&o, "nobody", PASSWORD);
	int64_t known = spent(&o, "hoa"), unknown = spent(&o, "nobody");
	assert_in_range(unknown * 100 / known, 40, 250);
	clock_advance(&o.f->clock, CLOCK_S);
	for (int i = 0; i < SIGN_A_SECOND; i++) {
		ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "sign-in", "login", i % 2 ? "hoa" : "x", "password",
		    "?");
		assert_refused(o.answer, "sign-in");
	}
	ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "sign-in", "login", "hoa", "password", PASSWORD);
	assert_refused(o.answer, "wait");
	assert_taken(sign_in(&o, "hoa", PASSWORD)); /* a second later */
	ops_close(&o);
}

static void test_first(void **state)
{
	struct ops o = ops_open(state, 8);
	ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:s, s:s}", "op", "first", "login", "x", "name", "X", "password", PASSWORD);
	assert_refused(o.answer, "session"); /* the command line alone */
	ASK(&o, ROLE_KIOSK, "{s:s, s:s, s:s, s:s}", "op", "first", "login", "x", "name", "X", "password", "9 letters");
	assert_refused(o.answer, "short");
	ASK(&o, ROLE_KIOSK, "{s:s, s:s, s:s, s:s}", "op", "first", "login", "X!", "name", "X", "password", PASSWORD);
	assert_refused(o.answer, "login");
	first(&o);
	ASK(&o, ROLE_KIOSK, "{s:s, s:s, s:s, s:s}", "op", "first", "login", "x", "name", "X", "password", PASSWORD);
	assert_refused(o.answer, "state");
	ops_close(&o);
}

static void test_people(void **state)
{
	struct ops o = ops_open(state, 8);
	char admin[SESSION_LENGTH + 1], clerk[SESSION_LENGTH + 1];
	first(&o);
	signed_in(&o, "hoa", PASSWORD, admin);
	assert_refused(put(&o, admin, 0, "hoa", ROLE_CLERK, PASSWORD, true), "login");
	assert_refused(put(&o, admin, 0, "Ba", ROLE_CLERK, PASSWORD, true), "login");
	assert_refused(put(&o, admin, 0, "ba", ROLE_CLERK, "", true), "short");
	assert_refused(put(&o, admin, 0, "ba", ROLE_CLERK | ROLE_KIOSK, PASSWORD, true), "value");
	assert_refused(put(&o, admin, 0, "ba", 0, PASSWORD, true), "value");
	assert_int_equal(ops_number(put(&o, admin, 0, "ba", ROLE_CLERK, PASSWORD, true), "id"), 2);
	signed_in(&o, "ba", PASSWORD, clerk);
	assert_refused(put(&o, clerk, 2, "ba", ROLE_CLERK | ROLE_ADMIN, "", true), "role");
	assert_refused(as(&o, clerk, "staff"), "role");
	json_t *staff = json_object_get(as(&o, admin, "staff"), "staff");
	assert_int_equal(json_array_size(staff), 2);
	assert_string_equal(ops_text(json_array_get(staff, 1), "login"), "ba");
	assert_true(json_is_true(json_object_get(json_array_get(staff, 1), "active")));
	assert_null(json_object_get(json_array_get(staff, 1), "password"));
	/* what changes of somebody holds at once, also for whoever is signed in */
	assert_taken(put(&o, admin, 2, "ba", ROLE_CLERK | ROLE_ADMIN, "", true));
	assert_taken(as(&o, clerk, "staff"));
	assert_taken(put(&o, admin, 2, "ba", ROLE_CLERK, "", false));
	assert_refused(as(&o, clerk, "who"), "session");
	assert_refused(sign_in(&o, "ba", PASSWORD), "sign-in");
	assert_refused(put(&o, admin, 1, "hoa", ROLE_CLERK, "", true), "last-admin");
	assert_refused(put(&o, admin, 1, "hoa", ROLE_ADMIN, "", false), "last-admin");
	assert_int_equal(ops_number(as(&o, admin, "who"), "roles"), ROLE_CLERK | ROLE_ADMIN);
	assert_refused(put(&o, admin, 3, "tư", ROLE_CLERK, "", true), "login");
	assert_refused(put(&o, admin, 3, "tu", ROLE_CLERK, "", true), "unknown");
	ops_close(&o);
}

static json_t *changes(struct ops *o, const char *session, const char *old, const char *new)
{
	clock_advance(&o->f->clock, CLOCK_S);
	return ASK(o, ROLE_ANYBODY, "{s:s, s:s, s:s, s:s}", "op", "password", "session", session, "old", old, "new",
	           new);
}

static void test_password(void **state)
{
	struct ops o = ops_open(state, 8);
	char here[SESSION_LENGTH + 1], there[SESSION_LENGTH + 1];
	first(&o);
	signed_in(&o, "hoa", PASSWORD, here);
	signed_in(&o, "hoa", PASSWORD, there);
	assert_refused(changes(&o, here, "nó không phải thế", "mười chữ cái"), "password");
	assert_refused(changes(&o, here, PASSWORD, "ngắn"), "short");
	assert_refused(changes(&o, "", PASSWORD, "mười chữ cái"), "session");
	assert_taken(changes(&o, here, PASSWORD, "mười chữ cái"));
	assert_taken(as(&o, here, "who"));
	assert_refused(as(&o, there, "who"), "session"); /* whoever else had it */
	assert_refused(sign_in(&o, "hoa", PASSWORD), "sign-in");
	assert_taken(sign_in(&o, "hoa", "mười chữ cái"));
	assert_false(in_changes(&o, "chữ cái"));
	assert_false(in_changes(&o, here));
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_sign_in), BOTH(test_pace), BOTH(test_first), BOTH(test_people), BOTH(test_password),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
