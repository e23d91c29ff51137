/*
 * For tests over the database: a fresh one with its schema, on either engine, a seal, and a clock that stands still.
 *
 *   struct fixture f;
 *   fixture_open(&f, DB_POSTGRESQL);    skips the test where PostgreSQL isn't installed
 *   ...
 *   fixture_close(&f);
 *
 * Or as cmocka's setup and teardown: BOTH(test_x) is test_x once over each, with the fixture in *state.
 *
 * All is in one folder for a test program. A guard process outlives the program, however that ends, and removes the folder; it
 * is also who starts PostgreSQL, once and when it is first wanted, on a socket in the folder, and ends it. Several fixtures may
 * be open at once.
 */
#ifndef KHIEN_KIOSK_FIXTURE_H
#define KHIEN_KIOSK_FIXTURE_H

#include "base/clock.h"
#include "kiosk/db.h"
#include "kiosk/schema.h"
#include "kiosk/seal.h"
#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>

enum { FIXTURE_PATH = 128, FIXTURE_URI = 512 };
/* 2026-11-23, a Monday, 8:00 in Việt Nam */
static const int64_t FIXTURE_NOW = (int64_t)1795395600 * CLOCK_S;

struct fixture {
	struct db *db;
	struct seal *seal;
	struct clock clock;
	char dir[FIXTURE_PATH], key[FIXTURE_PATH + 16]; /* a folder for the test; the seal's key file in it */
	char uri[FIXTURE_URI];                          /* of the database, to open it once more */
	char name[32];                                  /* PostgreSQL's database; "": SQLite */
};

static inline int fixture_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void fixture_remove(const char *dir)
{
	nftw(dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- the guard --- */

struct fixture_guard {
	pid_t program, guard; /* whose it is: not that of a child of the test */
	int say, hear;        /* `say` closes when the program ends, however it does */
	char dir[FIXTURE_PATH / 2];
	bool asked;    /* for PostgreSQL; */
	char why[128]; /* why it isn't there, or "" */
	unsigned made; /* fixtures */
};

static inline struct fixture_guard *fixture_guard(void)
{
	static struct fixture_guard guard;
	return &guard;
}

static inline void fixture_dismiss(void)
{
	struct fixture_guard *g = fixture_guard();
	if (g->program != getpid() || g->guard <= 0)
		return;
	close(g->say);
	close(g->hear);
	waitpid(g->guard, NULL, 0);
	g->guard = 0;
}

/* Where Debian puts its programs; the newest version. */
static inline bool fixture_programs(char bin[FIXTURE_PATH])
{
	glob_t found = { 0 };
	bool any = glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0;
	if (any)
		snprintf(bin, FIXTURE_PATH, "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
	return any;
}

static inline PGconn *fixture_connect(const char *dir)
{
	const char *const names[] = { "host", "user", "dbname", NULL };
	const char *const values[] = { dir, "kiosk", "postgres", NULL };
	return PQconnectdbParams(names, values, 0);
}

static inline bool fixture_answers(const char *dir)
{
	PGconn *at = fixture_connect(dir);
	bool ok = PQstatus(at) == CONNECTION_OK;
	PQfinish(at);
	return ok;
}

static inline void fixture_wait(int ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nanosleep(&pause, NULL);
}

/* PostgreSQL won't run as root. */
static inline struct child_config fixture_as(const char *const *argv)
{
	const struct passwd *nobody = geteuid() ? NULL : getpwnam("nobody");
	struct child_config c = { .argv = argv, .out = -1, .change_ids = nobody };
	if (nobody) {
		c.uid = nobody->pw_uid;
		c.gid = nobody->pw_gid;
	}
	return c;
}

/* In the guard. NULL, or why there is no server. */
static inline const char *fixture_start(const char *bin, const char *dir, pid_t *server)
{
	char data[FIXTURE_PATH + 8], initdb[FIXTURE_PATH + 16], postgres[FIXTURE_PATH + 16];
	const char *const init[] = { initdb, "-D",         data, "-U",    "kiosk",     "-E",
		                     "UTF8", "--locale=C", "-A", "trust", "--no-sync", NULL };
	const char *const run[] = { postgres,
		                    "-D",
		                    data,
		                    "-k",
		                    dir,
		                    "-c",
		                    "listen_addresses=",
		                    "-c",
		                    "fsync=off",
		                    "-c",
		                    "full_page_writes=off",
		                    "-c",
		                    "shared_buffers=16MB",
		                    "-c",
		                    "max_connections=20",
		                    "-c",
		                    "wal_level=minimal",
		                    "-c",
		                    "max_wal_senders=0",
		                    "-c",
		                    "autovacuum=off",
		                    NULL };
	struct child_config config = fixture_as(init);
	int status = 1;
	pid_t pid;
	snprintf(data, sizeof(data), "%s/data", dir);
	snprintf(initdb, sizeof(initdb), "%s/initdb", bin);
	snprintf(postgres, sizeof(postgres), "%s/postgres", bin);
	if (config.change_ids && chown(dir, config.uid, config.gid))
		return "its folder can't be given to nobody";
	if (child_spawn(&pid, &config, NULL) || waitpid(pid, &status, 0) != pid || status)
		return "initdb failed";
	config.argv = run;
	if (child_spawn(server, &config, NULL))
		return "postgres can't be started";
	for (int i = 0; i < 3000; i++, fixture_wait(10))
		if (fixture_answers(dir))
			return NULL;
		else if (waitpid(*server, NULL, WNOHANG) == *server)
			return "postgres ended at once";
	return "postgres doesn't answer";
}

/* "Fast": whoever is connected is sent away. */
static inline void fixture_end(pid_t server)
{
	kill(server, SIGINT);
	for (int i = 0; i < 1000 && waitpid(server, NULL, WNOHANG) == 0; i++, fixture_wait(10))
		if (i == 900)
			kill(server, SIGQUIT);
}

/* Never returns. In a session of its own, so that what is sent to the test's group doesn't reach it. */
static inline void fixture_watch(const char *dir, int hear, int say)
{
	char bin[FIXTURE_PATH], c;
	pid_t server = 0;
	ssize_t n;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	setsid();
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	while ((n = read(hear, &c, 1)) > 0 || (n < 0 && errno == EINTR)) {
		const char *why = "it isn't installed";
		if (n > 0 && fixture_programs(bin))
			why = fixture_start(bin, dir, &server);
		if (n > 0 && dprintf(say, "%s.", why ? why : "") < 0)
			break;
	}
	if (server)
		fixture_end(server);
	fixture_remove(dir);
	_exit(0);
}

static inline void fixture_begin(struct fixture_guard *g)
{
	/* in memory where that can be: quick to sync */
	const char *top = access("/dev/shm", W_OK) ? getenv("TMPDIR") : "/dev/shm";
	int to[2], from[2];
	snprintf(g->dir, sizeof(g->dir), "%.32s/khien-kiosk-XXXXXX", top ? top : "/tmp");
	assert_non_null(mkdtemp(g->dir));
	assert_true(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	fflush(NULL);
	g->program = getpid();
	g->guard = fork();
	assert_true(g->guard >= 0);
	if (g->guard == 0) {
		close(to[1]);
		close(from[0]);
		fixture_watch(g->dir, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	g->say = to[1];
	g->hear = from[0];
	atexit(fixture_dismiss);
}

/* False: `why` says what is missing. */
static inline bool fixture_has_server(void)
{
	struct fixture_guard *g = fixture_guard();
	if (!g->program)
		fixture_begin(g);
	if (!g->asked) {
		ssize_t n = write(g->say, "p", 1) == 1 ? read(g->hear, g->why, sizeof(g->why) - 1) : 0;
		snprintf(g->why + (n > 0 ? n - 1 : 0), 32, "%s", n > 0 ? "" : "its guard is gone");
		g->asked = true;
	}
	return !g->why[0];
}

/* BEFORE name BEHIND, as the server's owner. */
static inline void fixture_sql(const char *before, const char *name, const char *behind)
{
	char sql[96];
	PGconn *at = fixture_connect(fixture_guard()->dir);
	snprintf(sql, sizeof(sql), "%s %s %s", before, name, behind);
	PGresult *answer = PQexec(at, sql);
	if (PQresultStatus(answer) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(at));
	PQclear(answer);
	PQfinish(at);
}

/* --- a fixture --- */

/* Without a schema: for whoever makes it himself, as the desk does. */
static inline void fixture_open_empty(struct fixture *f, enum db_kind kind)
{
	struct err err = { 0 };
	struct fixture_guard *g = fixture_guard();
	*f = (struct fixture){ 0 };
	if (kind == DB_POSTGRESQL && !fixture_has_server()) {
		print_message("no PostgreSQL: %s\n", g->why);
		skip();
	}
	if (!g->program)
		fixture_begin(g);
	clock_test(&f->clock, FIXTURE_NOW);
	snprintf(f->dir, sizeof(f->dir), "%.60s/%u", g->dir, ++g->made);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	if (kind == DB_SQLITE) {
		snprintf(f->uri, sizeof(f->uri), "sqlite:%s/kiosk.db", f->dir);
	} else {
		snprintf(f->name, sizeof(f->name), "kiosk%u_%d", g->made, (int)getpid());
		fixture_sql("CREATE DATABASE", f->name, "");
		snprintf(f->uri, sizeof(f->uri), "postgresql://kiosk@/%s?host=%s", f->name, g->dir);
	}
	if (db_open(&f->db, f->uri, &err))
		fail_msg("%s", err.text);
	snprintf(f->key, sizeof(f->key), "%s/kiosk.key", f->dir);
	if (seal_open(&f->seal, f->key, true, &err))
		fail_msg("%s", err.text);
}

static inline void fixture_open(struct fixture *f, enum db_kind kind)
{
	struct err err = { 0 };
	fixture_open_empty(f, kind);
	if (db_script(f->db, schema_sql, &err))
		fail_msg("%s", err.text);
}

static inline void fixture_close(struct fixture *f)
{
	db_close(f->db);
	seal_close(f->seal);
	if (f->name[0])
		fixture_sql("DROP DATABASE", f->name, "WITH (FORCE)");
	fixture_remove(f->dir);
	*f = (struct fixture){ 0 };
}

/* --- tests over both --- */

static inline int fixture_setup(void **state)
{
	enum db_kind kind = *state ? DB_POSTGRESQL : DB_SQLITE;
	struct fixture *f = calloc(1, sizeof(*f));
	*state = NULL;
	if (!f)
		return -1;
	if (kind == DB_SQLITE || fixture_has_server()) {
		fixture_open(f, kind);
		*state = f;
		return 0;
	}
	free(f);
	print_message("no PostgreSQL: %s\n", fixture_guard()->why);
	return 0; /* fixture_of() skips it */
}

static inline int fixture_teardown(void **state)
{
	if (*state)
		fixture_close(*state);
	free(*state);
	return 0;
}

static inline struct fixture *fixture_of(void **state)
{
	if (!*state)
		skip();
	return *state;
}

#define FIXTURE_TEST(test, which, given)                                                                               \
	{                                                                                                              \
		.name = #test " (" which ")", .test_func = test, .setup_func = fixture_setup,                          \
		.teardown_func = fixture_teardown, .initial_state = given                                              \
	}
#define BOTH(test) FIXTURE_TEST(test, "sqlite", NULL), FIXTURE_TEST(test, "postgresql", (void *)"")

#endif
