#include "kiosk/web_fixture.h"

/* The board: numbers only, on the page and in the events. */

enum { CONNECTIONS = 16 };

#define BOARD(label, at)                                                                                               \
	"{\"day\":\"2025-11-22\",\"at\":1763800000000000,\"seq\":7,\"rooms\":[{\"room\":3,\"name\":\"" HOSTILE "\","   \
	"\"specialty\":{\"vi\":\"Nhi\"},\"now\":[{\"label\":\"" label "\",\"at\":" at ",\"calls\":1,"                  \
	"\"name\":\"Nguyễn Văn An\"}],\"next\":[\"A013\",\"A014\"],\"waiting\":5,\"paused\":false,"                 \
	"\"called\":[{\"name\":\"Nguyễn Văn An\",\"phone\":\"0912345678\"}]}]}"

static const struct said first[] = { { "board", BOARD("A011", "1763799000000000") }, { 0 } };
static const struct said then[] = { { "board", BOARD("A012", "1763799995000000") }, { 0 } };
static const struct said trouble[] = { { "board", "{\"trouble\":\"the disk is full\"}" }, { 0 } };

static int begin(void **state)
{
	struct site *s = malloc(sizeof(*s));
	site_start(s, CONNECTIONS);
	s->more = first;
	*state = s;
	return 0;
}

static int end(void **state)
{
	site_stop(*state);
	free(*state);
	return 0;
}

static int listen_from(struct site *s, unsigned from, struct reply *r)
{
	int fd = site_dial(s, from);
	*r = (struct reply){ 0 };
	site_send(s, fd, STR("GET /board/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"));
	site_receive(s, fd, r, false, 20);
	return fd;
}

static void assert_no_person(struct str text)
{
	assert_false(has(text, "Nguyễn"));
	assert_false(has(text, "An<"));
	assert_false(has(text, "0912345678"));
	assert_false(has(text, "<script>"));
}

static void test_page(void **state)
{
	struct site *s = *state;
	struct reply r;
	site_get(s, "/board", &r);
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "<p class=\"number\">A011</p>"));
	assert_true(has(r.body, "A013 A014 +3"));
	assert_true(has(r.body, "<noscript><meta http-equiv=\"refresh\""));
	assert_true(has(r.body, "data-events=\"/board/events\""));
	assert_true(has(r.body, "data-sound"));
	assert_true(has(r.body, HOSTILE_ESCAPED));
	assert_false(has(r.body, "class=\"fresh\""));
	assert_no_person(r.body);
	reply_free(&r);
	assert_seen(s, "{\"op\":\"board\"}\n");
}

/* What is so comes first, then each change; quiet listeners hear that somebody is there. */
static void test_events(void **state)
{
	struct site *s = *state;
	struct reply r;
	int fd = listen_from(s, 1, &r);
	assert_int_equal(r.status, 200);
	assert_true(str_starts(reply_header(&r, "Content-Type"), STR("text/event-stream")));
	assert_true(has(r.body, "data: <div class=\"board-rooms\" data-seq=\"1763799000000000\">"));
	assert_true(has(r.body, "A011"));
	s->more = then;
	web_board_changed(s->web);
	site_receive(s, fd, &r, false, 20);
	assert_true(has(r.body, "data-seq=\"1763799995000000\"><section class=\"fresh\">"));
	assert_true(has(r.body, "A012"));
	assert_int_equal(count(r.body, "data: "), 2);
	assert_no_person(r.body);
	s->more = trouble;
	web_board_changed(s->web);
	site_later(s, 16);
	site_receive(s, fd, &r, false, 20);
	assert_int_equal(count(r.body, "data: "), 2);
	assert_int_equal(count(r.body, "\n:\n"), 1);
	reply_free(&r);
	close(fd);
	site_later(s, 32); /* who is quiet is known to have gone when they are written to */
	s->seen.n = 0;
	web_board_changed(s->web); /* nobody listens: nobody is asked */
	assert_seen(s, "");
}

static void test_bounded(void **state)
{
	struct site *s = *state;
	int fds[CONNECTIONS];
	unsigned n = 0, heard = 0;
	for (; n < 8; n++) {
		struct reply r;
		fds[n] = listen_from(s, n + 1, &r);
		heard += r.status == 200;
		assert_true(r.status == 200 || r.status == 503);
		reply_free(&r);
	}
	assert_int_equal(heard, CONNECTIONS / 4);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	site_later(s, 32);
	struct reply r;
	close(listen_from(s, 1, &r));
	assert_int_equal(r.status, 200);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_page, begin, end),
		cmocka_unit_test_setup_teardown(test_events, begin, end),
		cmocka_unit_test_setup_teardown(test_bounded, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
