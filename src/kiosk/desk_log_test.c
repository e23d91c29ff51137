/* The change log: a standby that follows, and PostgreSQL going away in the middle. */
#include "kiosk/desk_fixture.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* --- a standby --- */

/* Over the other database, with the same key. */
struct pair {
	struct fixture other;
	struct place *first, *second;
};

static void pair_open(struct pair *pair, void **state)
{
	struct fixture *f = fixture_of(state);
	struct err err = { 0 };
	fixture_open(&pair->other, db_kind(f->db) == DB_SQLITE ? DB_POSTGRESQL : DB_SQLITE);
	seal_close(pair->other.seal);
	assert_int_equal(seal_open(&pair->other.seal, f->key, false, &err), 0);
	clock_advance(&pair->other.clock, 3600 * (int64_t)CLOCK_S); /* another machine's clock */
	pair->first = place(f);
	pair->second = place(&pair->other);
}

static void pair_close(struct pair *pair)
{
	leaves(pair->first);
	leaves(pair->second);
	fixture_close(&pair->other);
}

static int follows(struct pair *pair, size_t from, size_t n)
{
	struct err err = { 0 };
	int code = desk_follow(pair->second->desk, pair->first->seen + from, n, &err);
	assert_true(code == 0 || err.text[0]);
	return code;
}

static int all_text(void *arg, const struct db_row *row)
{
	buf_printf(arg, STR_FMT "=" STR_FMT " ", STR_ARG(db_text(row, 0)), STR_ARG(db_text(row, 1)));
	return 0;
}

static void all_rows(struct place *p, struct buf *out)
{
	struct err err;
	assert_true(db_query(p->f->db, "SELECT name, value FROM setting ORDER BY name", DB_NONE, all_text, out, &err) >=
	            0);
	buf_putc(out, '\0');
}

static void test_follow(void **state)
{
	struct pair pair;
	struct err err = { 0 };
	CLEANUP(buf_free) struct buf here = { 0 }, there = { 0 };
	pair_open(&pair, state);
	asks_named(pair.first, "put", "a");
	asks_named(pair.first, "refuse", "b");
	asks(pair.first, json_pack("{s:s, s:s, s:s}", "op", "secret", "secret", "12345", "name", "Đỗ \"c\"\n"));
	writes(pair.first, 1);
	assert_int_equal(desk_set_epoch(pair.first->desk, 4, &err), 0);
	asks_named(pair.first, "put", "d");
	writes(pair.first, 1);
	assert_int_equal(pair.first->n_seen, 3);
	assert_int_equal(follows(&pair, 1, 2), -ESTALE); /* one is missing */
	assert_int_equal(follows(&pair, 0, 2), 0);
	assert_int_equal(desk_epoch(pair.second->desk), 1);
	assert_int_equal(follows(&pair, 0, 2), -ESTALE); /* twice */
	assert_int_equal(follows(&pair, 2, 1), 0);
	assert_int_equal(desk_seq(pair.second->desk), 3);
	assert_int_equal(desk_epoch(pair.second->desk), 4);
	desk_free(pair.second->desk);
	opens(pair.second);
	assert_int_equal(desk_seq(pair.second->desk), 3);
	assert_int_equal(desk_epoch(pair.second->desk), 4);
	all_rows(pair.first, &here);
	all_rows(pair.second, &there);
	assert_string_equal(here.p, there.p);
	/* promoted: it goes on from there, and doesn't follow any more */
	assert_int_equal(desk_set_epoch(pair.second->desk, 5, &err), 0);
	asks_named(pair.first, "put", "e");
	writes(pair.first, 1);
	assert_int_equal(follows(&pair, 3, 1), -ESTALE);
	size_t at = asks_named(pair.second, "put", "f");
	writes(pair.second, 1);
	assert_int_equal(number(pair.second, at, "rows"), 4);
	assert_int_equal(pair.second->seen[0].seq, 4);
	pair_close(&pair);
}

static void test_other_answer(void **state)
{
	struct pair pair;
	struct err err = { 0 };
	pair_open(&pair, state);
	asks_named(pair.first, "put", "a");
	asks_named(pair.first, "differs", "b");
	asks_named(pair.first, "put", "c");
	writes(pair.first, 1);
	assert_int_equal(follows(&pair, 0, 3), -EBADMSG);
	assert_int_equal(desk_seq(pair.second->desk), 0);
	assert_int_equal(rows(pair.second), 0);
	assert_int_equal(follows(&pair, 0, 1), 0); /* up to there it can */
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"op\":\"get\"}",
		"{\"op\":\"put\"",
		"{\"op\":\"refuse\",\"name\":\"x\"}",
		"{\"op\":\"none\"}",
	};
	struct desk_change change = pair.first->seen[1];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		change.call = str_from(bad[i]);
		assert_int_equal(desk_follow(pair.second->desk, &change, 1, &err), -EBADMSG);
	}
	asks_named(pair.second, "put", "x");
	assert_int_equal(follows(&pair, 1, 1), -EBUSY); /* this one takes calls itself */
	assert_int_equal(rows(pair.second), 1);
	pair_close(&pair);
}

static void take_change(void *arg, const struct desk_change *change)
{
	struct place *p = arg;
	const struct desk_change *seen = &p->seen[change->seq - 1];
	assert_true(str_eq(change->call, seen->call));
	assert_int_equal(change->at, seen->at);
	assert_int_equal(change->epoch, seen->epoch);
	assert_memory_equal(change->answer, seen->answer, sizeof(seen->answer));
}

static void test_changes(void **state)
{
	struct place *p = place(fixture_of(state));
	struct err err = { 0 };
	for (int i = 0; i < 5; i++)
		asks_named(p, "put", (char[]){ (char)('a' + i), '\0' });
	writes(p, 1);
	assert_int_equal(desk_changes(p->desk, 0, 3, take_change, p, &err), 3);
	assert_int_equal(desk_changes(p->desk, 3, 3, take_change, p, &err), 2);
	assert_int_equal(desk_changes(p->desk, 5, 3, take_change, p, &err), 0);
	leaves(p);
}

/* --- between the desk and PostgreSQL --- */

enum line_mode {
	LINE_GOOD,
	LINE_LOSES_ANSWER, /* COMMIT gets there; its answer doesn't come back */
	LINE_LOSES_COMMIT, /* it doesn't get there */
	LINE_LATE,         /* the desk loses the line; COMMIT gets there a while later */
	LINE_DOWN_AT_COMMIT /* LINE_LOSES_ANSWER, and nobody answers for a while */,
	LINE_DOWN,
};

struct wire {
	struct fixture *f;
	volatile int *mode; /* shared with the process between */
	pid_t between;
	char dir[FIXTURE_PATH + 8], uri[FIXTURE_URI];
	const char *server; /* its folder */
};

static int unix_socket(const char *dir, bool listens)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", dir);
	int code = listens ? bind(fd, (struct sockaddr *)&at, sizeof(at))
	                   : connect(fd, (struct sockaddr *)&at, sizeof(at));
	if (code || (listens && listen(fd, 8)))
		_exit(1);
	return fd;
}

/* Bytes of the desk to the server; false: this line is over. */
static bool to_server(struct wire *w, int server, const char *bytes, size_t n)
{
	int mode = *w->mode;
	char answer[512];
	bool commit = mode != LINE_GOOD && memmem(bytes, n, "COMMIT", 6);
	if (!commit)
		return write(server, bytes, n) == (ssize_t)n;
	if (mode != LINE_LOSES_COMMIT && mode != LINE_LATE) {
		if (write(server, bytes, n) != (ssize_t)n || read(server, answer, sizeof(answer)) <= 0)
			_exit(1);
	}
	*w->mode = mode == LINE_DOWN_AT_COMMIT ? LINE_DOWN : LINE_GOOD;
	if (mode != LINE_LATE || fork())
		return false;
	fixture_wait(300);
	_exit(write(server, bytes, n) != (ssize_t)n || read(server, answer, sizeof(answer)) <= 0);
}

static void one_line(struct wire *w, int client)
{
	char bytes[1 << 16];
	int server = unix_socket(w->server, false);
	for (;;) {
		struct pollfd p[] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
		if (poll(p, 2, 30000) <= 0)
			break;
		ssize_t n = p[0].revents ? read(client, bytes, sizeof(bytes)) : 1;
		if (n <= 0 || (p[0].revents && !to_server(w, server, bytes, (size_t)n)))
			break;
		n = p[1].revents ? read(server, bytes, sizeof(bytes)) : 1;
		if (n <= 0 || (p[1].revents && write(client, bytes, (size_t)n) != n))
			break;
	}
	close(client);
	close(server);
}

static void between(struct wire *w)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	int fd = unix_socket(w->dir, true);
	*w->mode = LINE_GOOD; /* it is there */
	for (int client; (client = accept(fd, NULL, NULL)) >= 0;) {
		if (*w->mode == LINE_DOWN)
			close(client);
		else
			one_line(w, client);
	}
	_exit(0);
}

/* The desk's database is reached through a process that loses what the test says. */
static struct place *wire_open(struct wire *w, void **state)
{
	struct err err = { 0 };
	*w = (struct wire){ .f = fixture_of(state) };
	w->mode = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(w->mode != MAP_FAILED);
	w->server = strstr(w->f->uri, "host=") + 5;
	snprintf(w->dir, sizeof(w->dir), "%s/wire", w->f->dir);
	assert_int_equal(mkdir(w->dir, 0700), 0);
	*w->mode = LINE_DOWN;
	w->between = fork();
	if (w->between == 0)
		between(w);
	while (*w->mode == LINE_DOWN)
		fixture_wait(1);
	snprintf(w->uri, sizeof(w->uri), "postgresql://kiosk@/%s?host=%s", w->f->name, w->dir);
	db_close(w->f->db);
	w->f->db = NULL;
	if (db_open(&w->f->db, w->uri, &err))
		fail_msg("%s", err.text);
	return place(w->f);
}

static void wire_close(struct wire *w, struct place *p)
{
	leaves(p);
	db_close(w->f->db);
	w->f->db = NULL;
	kill(w->between, SIGKILL);
	waitpid(w->between, NULL, 0);
	munmap((void *)w->mode, sizeof(int));
}

/* Written, but nobody could say so: it is found out, and told as if nothing had been. */
static void committed_after_all(void **state, enum line_mode mode)
{
	struct wire w;
	struct place *p = wire_open(&w, state);
	*w.mode = mode;
	size_t a = asks_named(p, "put", "a"), b = asks_named(p, "put", "b");
	writes(p, -ENOTCONN);
	assert_int_equal(p->n_heard, 0);
	assert_true(desk_waiting(p->desk));
	writes(p, 1);
	assert_int_equal(number(p, a, "rows"), 1);
	assert_int_equal(number(p, b, "rows"), 2);
	assert_int_equal(p->n_seen, 2);
	assert_int_equal(desk_seq(p->desk), 2);
	assert_false(desk_waiting(p->desk));
	assert_int_equal(rows(p), 2);
	size_t c = asks_named(p, "put", "c");
	writes(p, 1);
	assert_int_equal(number(p, c, "rows"), 3);
	assert_int_equal(p->seen[2].seq, 3);
	wire_close(&w, p);
}

static void test_answer_is_lost(void **state)
{
	committed_after_all(state, LINE_LOSES_ANSWER);
}

static void test_commit_is_late(void **state)
{
	committed_after_all(state, LINE_LATE);
}

static void test_commit_is_lost(void **state)
{
	struct wire w;
	struct place *p = wire_open(&w, state);
	*w.mode = LINE_LOSES_COMMIT;
	size_t a = asks_named(p, "put", "a"), b = asks_named(p, "refuse", "b");
	writes(p, -ENOTCONN);
	assert_int_equal(p->n_heard, 0);
	writes(p, 1);
	assert_string_not_equal(word(p, a, "trouble"), "");
	assert_string_not_equal(word(p, b, "trouble"), "");
	assert_int_equal(p->n_seen, 0);
	assert_int_equal(rows(p), 0);
	a = asks_named(p, "put", "a");
	writes(p, 1);
	assert_int_equal(number(p, a, "rows"), 1);
	assert_int_equal(desk_seq(p->desk), 1);
	wire_close(&w, p);
}

static void test_away_for_a_while(void **state)
{
	struct wire w;
	struct place *p = wire_open(&w, state);
	*w.mode = LINE_DOWN_AT_COMMIT;
	size_t a = asks_named(p, "put", "a");
	writes(p, -ENOTCONN);
	for (int i = 0; i < 3; i++) {
		clock_advance(&w.f->clock, CLOCK_S);
		writes(p, -ENOTCONN);
		assert_false(desk_waiting(p->desk)); /* not before the next second */
		size_t b = asks_named(p, "put", "b"), question = asks_named(p, "get", "");
		assert_string_not_equal(word(p, b, "trouble"), ""); /* at once */
		assert_string_not_equal(word(p, question, "trouble"), "");
	}
	assert_null(p->heard[a]);
	*w.mode = LINE_GOOD;
	clock_advance(&w.f->clock, CLOCK_S);
	assert_true(desk_waiting(p->desk));
	writes(p, 1);
	assert_int_equal(number(p, a, "rows"), 1);
	assert_int_equal(rows(p), 1);
	wire_close(&w, p);
}

/* Nothing was under way: nobody notices. */
static void test_idle_line(void **state)
{
	struct wire w;
	struct place *p = wire_open(&w, state);
	for (int i = 0; i < 3; i++) {
		PGconn *other = PQconnectdb(w.f->uri);
		PQclear(PQexec(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
		                      " WHERE datname = current_database() AND pid <> pg_backend_pid()"));
		PQfinish(other);
		assert_int_equal(rows(p), 0);
	}
	wire_close(&w, p);
}

#define OVER_WIRE(test) FIXTURE_TEST(test, "postgresql", (void *)"")

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_follow),
		BOTH(test_other_answer),
		BOTH(test_changes),
		OVER_WIRE(test_answer_is_lost),
		OVER_WIRE(test_commit_is_late),
		OVER_WIRE(test_commit_is_lost),
		OVER_WIRE(test_away_for_a_while),
		OVER_WIRE(test_idle_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
