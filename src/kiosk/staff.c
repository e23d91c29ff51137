#include "kiosk/staff.h"

#include "kiosk/ops.h"

#include <errno.h>
#include <sodium.h>

enum {
	ROLES_STAFF = ROLE_CLERK | ROLE_ADMIN,
	PASSWORD_MAX = 1000,
	SESSION_BYTES = 32,
	STAFF_SHOWN = 1000,
};

static bool from_hex(struct str hex, unsigned char hash[SEAL_HASH])
{
	size_t n;
	return sodium_hex2bin(hash, SEAL_HASH, hex.p, hex.n, NULL, &n, NULL) == 0 && n == SEAL_HASH;
}

/* Of the session that asks; false: none does. */
static bool own_session(const struct call *c, unsigned char hash[SEAL_HASH])
{
	const char *hex = json_string_value(json_object_get(json_object_get(c->in, "by"), "session"));
	return hex && from_hex(str_from(hex), hash);
}

#define HASH(hash) DB_B(((struct str){ (const char *)(hash), SEAL_HASH }))

static int take_session(void *arg, const struct db_row *row)
{
	struct session *s = arg;
	s->staff = db_number(row, 0);
	s->roles = (uint32_t)db_number(row, 1) & ROLES_STAFF;
	return 1;
}

int session_find(struct db *db, const struct seal *seal, struct str secret, int64_t now, struct session *ret,
                 struct err *err)
{
	unsigned char hash[SEAL_HASH];
	struct session s;
	if (secret.n != SESSION_LENGTH)
		return err_set(err, -ENOENT, "no session's secret is that long");
	seal_hash(seal, "session", secret, hash);
	int64_t n = db_query(db,
	                     "SELECT staff.id, staff.roles FROM session JOIN staff ON staff.id = session.staff"
	                     " WHERE session.hash = $1 AND session.ends > $2 AND staff.active = 1",
	                     DB_ARGS(HASH(hash), DB_N(now)), take_session, &s, err);
	if (n <= 0)
		return n ? (int)n : err_set(err, -ENOENT, "no such session");
	sodium_bin2hex(s.hash, sizeof(s.hash), hash, sizeof(hash));
	*ret = s;
	return 0;
}

/* --- passwords --- */

/* Out of the call, and out of memory as far as can be. */
static void hide(struct call *c, const char *name)
{
	struct str text = call_text(c, name);
	if (text.n)
		sodium_memzero((char *)text.p, text.n);
	json_object_del(c->in, name);
}

/* One more may be checked? They are dear: many at once would keep everybody waiting. */
static bool may_check(struct call *c)
{
	int64_t second = c->now / CLOCK_S;
	if (!c->pace)
		return true;
	if (c->pace->second != second) {
		c->pace->second = second;
		c->pace->checked = 0;
	}
	return c->pace->checked++ < SIGN_A_SECOND;
}

struct known {
	int64_t id;
	char password[PASSWORD_STORED];
};

static int take_known(void *arg, const struct db_row *row)
{
	struct known *k = arg;
	struct str password = db_text(row, 1);
	if (password.n >= sizeof(k->password))
		return -EBADMSG;
	k->id = db_number(row, 0);
	memcpy(k->password, password.p, password.n);
	k->password[password.n] = '\0';
	return 1;
}

static int decoy(struct call *c, struct known *k, struct err *err)
{
	char nobodys[SESSION_BYTES], here[PASSWORD_STORED] = "";
	char *stored = c->pace ? c->pace->decoy : here;
	randombytes_buf(nobodys, sizeof(nobodys));
	int code = *stored ? 0 : password_make((struct str){ nobodys, sizeof(nobodys) }, stored, err);
	if (!k->id && !code)
		memcpy(k->password, stored, sizeof(k->password));
	return code;
}

/* 1: it is theirs; 0: it isn't, or nobody is k->id, which takes the same time. */
static int is_theirs(struct call *c, struct known *k, struct str password, struct err *err)
{
	int code = decoy(c, k, err);
	if (code)
		return code;
	bool right = password_is(k->password, str_sub(password, 0, PASSWORD_MAX));
	return right && k->id && password.n <= PASSWORD_MAX;
}

/* Text `name` of the call, if there is one, becomes "stored". Refuses what is too short. */
static int store_password(struct call *c, const char *name, bool needed, struct err *err)
{
	char stored[PASSWORD_STORED];
	struct str password = call_text(c, name);
	json_object_del(c->in, "stored");
	if (!password.n && !needed)
		return 0;
	if (password.n < PASSWORD_MIN || password.n > PASSWORD_MAX)
		return call_refuse(c, "short", name);
	int code = password_make(password, stored, err);
	if (!code)
		json_object_set_new(c->in, "stored", json_string(stored));
	return code;
}

/* --- sign-in, sign-out --- */

static int ready_sign_in(struct call *c, struct err *err)
{
	char secret[SESSION_LENGTH + 1], hex[2 * SEAL_HASH + 1];
	unsigned char random[SESSION_BYTES], hash[SEAL_HASH];
	struct known k = { 0 };
	if (!may_check(c))
		return call_refuse(c, "wait", NULL);
	int64_t code = db_query(c->db, "SELECT id, password FROM staff WHERE login = $1 AND active = 1",
	                        DB_ARGS(DB_T(call_text(c, "login"))), take_known, &k, err);
	if (code >= 0)
		code = is_theirs(c, &k, call_text(c, "password"), err);
	hide(c, "password");
	if (code <= 0)
		return code ? (int)code : call_refuse(c, "sign-in", NULL);
	randombytes_buf(random, sizeof(random));
	sodium_bin2base64(secret, sizeof(secret), random, sizeof(random), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	seal_hash(c->seal, "session", str_from(secret), hash);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	json_object_set_new(c->in, "id", json_integer(k.id));
	json_object_set_new(c->in, "hash", json_string(hex));
	call_say(c, "session", str_from(secret));
	return 0;
}

static int say_staff(void *arg, const struct db_row *row)
{
	struct call *c = arg;
	call_say(c, "name", db_text(row, 0));
	call_say(c, "login", db_text(row, 1));
	call_say_number(c, "roles", db_number(row, 2));
	return 1;
}

static int apply_who(struct call *c, struct err *err)
{
	int64_t n = db_query(c->db, "SELECT name, login, roles FROM staff WHERE id = $1 AND active = 1",
	                     DB_ARGS(DB_N(c->staff)), say_staff, c, err);
	if (n == 0)
		return call_refuse(c, "session", NULL);
	return n < 0 ? (int)n : 0;
}

static int apply_sign_in(struct call *c, struct err *err)
{
	unsigned char hash[SEAL_HASH];
	int64_t ends = c->now + (int64_t)SESSION_HOURS * 3600 * CLOCK_S;
	if (!from_hex(call_text(c, "hash"), hash))
		return err_set(err, -EBADMSG, "a sign-in without a session's hash");
	c->staff = call_number(c, "id");
	int code = apply_who(c, err);
	if (code)
		return code == CALL_REFUSED ? call_refuse(c, "sign-in", NULL) : code;
	int64_t n = db_run(c->db, "DELETE FROM session WHERE ends <= $1", DB_ARGS(DB_N(c->now)), err);
	if (n >= 0)
		n = db_run(c->db, "INSERT INTO session (hash, staff, made, ends) VALUES ($1, $2, $3, $4)",
		           DB_ARGS(HASH(hash), DB_N(c->staff), DB_N(c->now), DB_N(ends)), err);
	call_say_number(c, "ends", ends);
	return n < 0 ? (int)n : 0;
}

static int apply_sign_out(struct call *c, struct err *err)
{
	unsigned char hash[SEAL_HASH];
	if (!own_session(c, hash))
		return call_refuse(c, "session", NULL);
	int64_t n = db_run(c->db, "DELETE FROM session WHERE hash = $1", DB_ARGS(HASH(hash)), err);
	return n < 0 ? (int)n : 0;
}

/* All sessions of somebody, but for this one. */
static int end_sessions(struct call *c, int64_t staff, const unsigned char but[SEAL_HASH], struct err *err)
{
	int64_t n = db_run(c->db, "DELETE FROM session WHERE staff = $1 AND hash <> $2",
	                   DB_ARGS(DB_N(staff), HASH(but)), err);
	return n < 0 ? (int)n : 0;
}

static int ready_password(struct call *c, struct err *err)
{
	struct known k = { 0 };
	if (!may_check(c))
		return call_refuse(c, "wait", NULL);
	int64_t code = db_query(c->db, "SELECT id, password FROM staff WHERE id = $1 AND active = 1",
	                        DB_ARGS(DB_N(c->staff)), take_known, &k, err);
	if (code >= 0)
		code = is_theirs(c, &k, call_text(c, "old"), err);
	if (code == 0)
		code = call_refuse(c, "password", "old");
	else if (code > 0)
		code = store_password(c, "new", true, err);
	hide(c, "old");
	hide(c, "new");
	return (int)code;
}

static int apply_password(struct call *c, struct err *err)
{
	unsigned char own[SEAL_HASH];
	if (!own_session(c, own))
		return call_refuse(c, "session", NULL);
	int64_t n = db_run(c->db, "UPDATE staff SET password = $1 WHERE id = $2",
	                   DB_ARGS(DB_T(call_text(c, "stored")), DB_N(c->staff)), err);
	return n < 0 ? (int)n : end_sessions(c, c->staff, own, err);
}

/* --- people, by the admin --- */

static int list_staff(void *arg, const struct db_row *row)
{
	struct str login = db_text(row, 1), name = db_text(row, 2);
	return json_array_append_new(arg, json_pack("{s:I, s:s%, s:s%, s:I, s:b}", "id", (json_int_t)db_number(row, 0),
	                                            "login", login.p, login.n, "name", name.p, name.n, "roles",
	                                            (json_int_t)db_number(row, 3), "active", (int)db_number(row, 4)))
	               ? -ENOMEM
	               : 0;
}

static int apply_staff(struct call *c, struct err *err)
{
	json_t *staff = json_array();
	json_object_set_new(c->out, "staff", staff);
	int64_t n = db_query(c->db, "SELECT id, login, name, roles, active FROM staff ORDER BY id LIMIT $1",
	                     DB_ARGS(DB_N(STAFF_SHOWN)), list_staff, staff, err);
	return n < 0 ? (int)n : 0;
}

static bool is_login(struct str login)
{
	static const struct str may = { "abcdefghijklmnopqrstuvwxyz0123456789._-", 39 };
	for (size_t i = 0; i < login.n; i++)
		if (str_find(may, login.p[i]) == may.n)
			return false;
	return login.n && login.n <= LOGIN_MAX;
}

static int check_person(struct call *c, int64_t roles)
{
	struct str name = call_text(c, "name");
	if (!is_login(call_text(c, "login")))
		return call_refuse(c, "login", "login");
	if (!str_trim(name).n || name.n > STAFF_NAME)
		return call_refuse(c, "value", "name");
	if (!roles || (roles & ~(int64_t)ROLES_STAFF))
		return call_refuse(c, "value", "roles");
	return 0;
}

/* Somebody else has this login? 1, 0 or -errno. */
static int login_taken(struct call *c, int64_t id, struct err *err)
{
	int64_t n;
	int code = db_ask(c->db, "SELECT count(*) FROM staff WHERE login = $1 AND id <> $2",
	                  DB_ARGS(DB_T(call_text(c, "login")), DB_N(id)), &n, err);
	return code ? code : n > 0;
}

/* Whether there is an admin: 1, 0 or -errno. */
static int has_admin(struct call *c, struct err *err)
{
	int64_t n;
	int code = db_ask(c->db, "SELECT count(*) FROM staff WHERE active = 1 AND (roles & $1) <> 0",
	                  DB_ARGS(DB_N(ROLE_ADMIN)), &n, err);
	return code ? code : n > 0;
}

static int add_person(struct call *c, int64_t roles, bool active, struct err *err)
{
	int64_t id;
	int code = login_taken(c, 0, err);
	if (code)
		return code < 0 ? code : call_refuse(c, "login", "login");
	code = schema_next(c->db, STR("staff"), &id, err);
	if (code)
		return code;
	int64_t n = db_run(
	        c->db, "INSERT INTO staff (id, login, name, roles, password, active) VALUES ($1, $2, $3, $4, $5, $6)",
	        DB_ARGS(DB_N(id), DB_T(call_text(c, "login")), DB_T(call_text(c, "name")), DB_N(roles),
	                DB_T(call_text(c, "stored")), DB_N(active)),
	        err);
	call_say_number(c, "id", id);
	return n < 0 ? (int)n : 0;
}

static int change_person(struct call *c, int64_t id, struct err *err)
{
	static const unsigned char none[SEAL_HASH];
	struct str stored = call_text(c, "stored");
	bool active = call_number(c, "active");
	int code = login_taken(c, id, err);
	if (code)
		return code < 0 ? code : call_refuse(c, "login", "login");
	int64_t n = db_run(c->db, "UPDATE staff SET login = $1, name = $2, roles = $3, active = $4 WHERE id = $5",
	                   DB_ARGS(DB_T(call_text(c, "login")), DB_T(call_text(c, "name")),
	                           DB_N(call_number(c, "roles")), DB_N(active), DB_N(id)),
	                   err);
	if (n == 0)
		return call_refuse(c, "unknown", "id");
	if (n > 0 && stored.n)
		n = db_run(c->db, "UPDATE staff SET password = $1 WHERE id = $2", DB_ARGS(DB_T(stored), DB_N(id)), err);
	if (n > 0 && (stored.n || !active))
		n = end_sessions(c, id, none, err);
	if (n < 0)
		return (int)n;
	code = has_admin(c, err);
	if (code == 0)
		return call_refuse(c, "last-admin", NULL);
	call_say_number(c, "id", id);
	return code < 0 ? code : 0;
}

static int ready_staff_put(struct call *c, struct err *err)
{
	int code = store_password(c, "password", !call_number(c, "id"), err);
	hide(c, "password");
	return code;
}

static int apply_staff_put(struct call *c, struct err *err)
{
	int64_t id = call_number(c, "id"), roles = call_number(c, "roles");
	int code = check_person(c, roles);
	if (code)
		return code;
	return id ? change_person(c, id, err) : add_person(c, roles, call_number(c, "active"), err);
}

static int ready_first(struct call *c, struct err *err)
{
	int code = store_password(c, "password", true, err);
	hide(c, "password");
	return code;
}

static int apply_first(struct call *c, struct err *err)
{
	int code = has_admin(c, err);
	if (code)
		return code < 0 ? code : call_refuse(c, "state", NULL);
	code = check_person(c, ROLES_STAFF);
	return code ? code : add_person(c, ROLES_STAFF, true, err);
}

const struct op staff_ops[] = {
	{ "sign-in", ROLE_ANYBODY, true, ready_sign_in, apply_sign_in },
	{ "sign-out", ROLES_STAFF, true, NULL, apply_sign_out },
	{ "who", ROLES_STAFF, false, NULL, apply_who },
	{ "password", ROLES_STAFF, true, ready_password, apply_password },
	{ "staff", ROLE_ADMIN, false, NULL, apply_staff },
	{ "staff-put", ROLE_ADMIN, true, ready_staff_put, apply_staff_put },
	{ "first", ROLE_KIOSK, true, ready_first, apply_first },
	{ 0 },
};
