#include "api/server_test.h"

#include <zlib.h>
#include <zstd.h>

static void assert_body(const struct reply *r, const char *want)
{
	char got[4096];
	snprintf(got, sizeof(got), STR_FMT, STR_ARG(r->body));
	assert_string_equal(got, want);
}

/* status < 0: libmicrohttpd itself refuses it, in its own words */
static void assert_status(struct server *s, struct str request, int status)
{
	struct reply r;
	ask(s, request, &r);
	if (r.status != abs(status))
		fail_msg("%d instead of %d for " STR_FMT, r.status, status, STR_ARG(str_sub(request, 0, 300)));
	if (status >= 400)
		assert_true(str_has(r.body, "\"error\":"));
	reply_free(&r);
}

static void events(void **state)
{
	static const struct {
		const char *body;
		int status;
		const char *answer;
	} cases[] = {
		{ "{\"a\":1}\n{\"a\":2}\n", 200, "{\"kept\":2,\"known\":0,\"bad\":0,\"errors\":[]}\n" },
		{ "{\"a\":1}", 200, "{\"kept\":1,\"known\":0,\"bad\":0,\"errors\":[]}\n" },
		{ "[{\"a\":1},{\"a\":\"known\"}]", 200, "{\"kept\":1,\"known\":1,\"bad\":0,\"errors\":[]}\n" },
		{ "", 200, "{\"kept\":0,\"known\":0,\"bad\":0,\"errors\":[]}\n" },
		{ "{\"a\":1}\n{\"bad\":2}\nno json\n{\"a\":3}\n", 200,
		  "{\"kept\":2,\"known\":0,\"bad\":2,\"errors\":[{\"line\":2,\"reason\":\"it says so\"},"
		  "{\"line\":3,\"reason\":\"no JSON object\"}]}\n" },
		{ "{\"bad\":2}\n", 400,
		  "{\"kept\":0,\"known\":0,\"bad\":1,\"errors\":[{\"line\":1,\"reason\":\"it says so\"}]}\n" },
	};
	struct server s;
	server_start(&s, (struct api_config){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r;
		ask_post(&s, "/v1/events", "", str_from(cases[i].body), &r);
		assert_int_equal(r.status, cases[i].status);
		assert_body(&r, cases[i].answer);
		assert_true(str_eq(reply_header(&r, "X-Elastic-Product"), STR("Elasticsearch")));
		reply_free(&r);
	}
	assert_true(str_starts(buf_str(&s.taker.seen), STR("||{\"a\":1}\n||{\"a\":2}\n||{\"a\":1}\n")));
	assert_int_equal(s.sender.bad, 1);
	server_stop(&s);
}

/* Only the first ten lines are named, whatever order verdicts come in. */
static void errors_told(void **state)
{
	struct server s;
	struct buf body = { 0 };
	struct reply r;
	server_start(&s, (struct api_config){ 0 });
	for (int i = 0; i < 40; i++)
		buf_printf(&body, i % 2 ? "nothing %d\n" : "{\"bad\":%d}\n", i);
	ask_post(&s, "/v1/events", "", buf_str(&body), &r);
	assert_int_equal(r.status, 400);
	assert_true(str_has(r.body, "\"bad\":40,"));
	for (int line = 1; line <= 10; line++) {
		char want[32];
		snprintf(want, sizeof(want), "{\"line\":%d,", line);
		assert_true(str_has(r.body, want));
	}
	assert_false(str_has(r.body, "\"line\":11,"));
	reply_free(&r);
	buf_free(&body);
	server_stop(&s);
}

static struct buf gzip(struct str s)
{
	struct buf b = { 0 };
	z_stream z = { .next_in = (Bytef *)(uintptr_t)s.p, .avail_in = (uInt)s.n };
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	size_t room = deflateBound(&z, s.n);
	z.next_out = (Bytef *)buf_room(&b, room);
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n = z.total_out;
	deflateEnd(&z);
	return b;
}

static struct buf zstd(struct str s)
{
	struct buf b = { 0 };
	size_t room = ZSTD_compressBound(s.n);
	char *p = buf_room(&b, room);
	b.n = ZSTD_compress(p, room, s.p, s.n, 3);
	return b;
}

static struct buf many(int n)
{
	struct buf b = { 0 };
	for (int i = 0; i < n; i++)
		buf_printf(&b, "{\"n\":%d,\"text\":\"something that is said\"}\n", i);
	return b;
}

static void compressed(void **state)
{
	struct server s;
	struct reply r;
	struct buf plain = many(50000), zipped = gzip(buf_str(&plain)), packed = zstd(buf_str(&plain));
	server_start(&s, (struct api_config){ 0 });
	const struct {
		const char *header;
		struct str body;
		int status;
	} cases[] = {
		{ "Content-Encoding: gzip\r\n", buf_str(&zipped), 200 },
		{ "Content-Encoding: zstd\r\n", buf_str(&packed), 200 },
		{ "Content-Encoding: GZIP\r\n", buf_str(&zipped), 200 },
		{ "Content-Encoding: identity\r\n", buf_str(&plain), 200 },
		{ "Content-Encoding: gzip\r\n", buf_str(&packed), 400 },
		{ "Content-Encoding: gzip\r\n", str_sub(buf_str(&zipped), 0, zipped.n - 1), 400 },
		{ "Content-Encoding: zstd\r\n", str_sub(buf_str(&packed), 0, packed.n / 2), 400 },
		{ "Content-Encoding: br\r\n", buf_str(&packed), 415 },
		{ "Content-Encoding: gzip, gzip\r\n", buf_str(&zipped), 415 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		s.taker.events = 0;
		ask_post(&s, "/v1/events", cases[i].header, cases[i].body, &r);
		assert_int_equal(r.status, cases[i].status);
		if (r.status == 200) {
			assert_true(str_has(r.body, "\"kept\":50000,"));
			assert_int_equal(s.taker.events, 50000);
		}
		reply_free(&r);
	}
	assert_true(s.taker.peak <= 256 << 10);
	server_stop(&s);
	buf_free(&plain), buf_free(&zipped), buf_free(&packed);
}

static void bombs(void **state)
{
	struct server s;
	struct reply r;
	struct buf spaces = { 0 };
	server_start(&s, (struct api_config){ .max_body = 1 << 20 });
	memset(buf_room(&spaces, 20 << 20), ' ', 20 << 20);
	spaces.n = 20 << 20;
	struct buf zipped = gzip(buf_str(&spaces)), packed = zstd(buf_str(&spaces));
	ask_post(&s, "/v1/events", "Content-Encoding: gzip\r\n", buf_str(&zipped), &r);
	assert_int_equal(r.status, 413);
	reply_free(&r);
	ask_post(&s, "/_bulk", "Content-Encoding: zstd\r\n", buf_str(&packed), &r);
	assert_int_equal(r.status, 413);
	reply_free(&r);
	ask_post(&s, "/v1/events", "", str_sub(buf_str(&spaces), 0, (1 << 20) + 1), &r);
	assert_int_equal(r.status, 413);
	reply_free(&r);
	assert_int_equal(api_counts(s.api).too_large, 3);
	server_stop(&s);
	buf_free(&spaces), buf_free(&zipped), buf_free(&packed);
}

static void chunked(void **state)
{
	struct server s;
	struct reply r;
	struct str request =
	        STR("POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN
	            "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n6\r\n\":1}\n{\r\n7\r\n\"b\":2}\n\r\n0\r\n\r\n");
	server_start(&s, (struct api_config){ 0 });
	int fd = dial(&s);
	for (size_t i = 0; i < request.n; i++)
		assert_int_equal(send_some(&s, fd, str_sub(request, i, 1)), 1);
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	assert_true(str_has(r.body, "\"kept\":2,"));
	reply_free(&r);
	close(fd);
	server_stop(&s);
}

/* No answer before everything is durable. */
static void durable_first(void **state)
{
	struct server s;
	struct reply r;
	struct buf plain = many(20000), request = post("/v1/events", "", buf_str(&plain));
	server_start(&s, (struct api_config){ 0 });
	s.taker.hold = true;
	int fd = dial(&s);
	assert_int_equal(send_some(&s, fd, buf_str(&request)), request.n);
	receive_for(&s, fd, &r, false, 20);
	assert_int_equal(r.status, -1);
	assert_true(s.taker.n_held >= 3);
	/* All but one. */
	struct offer *last = s.taker.held[--s.taker.n_held];
	release(&s);
	receive_for(&s, fd, &r, false, 20);
	assert_int_equal(r.status, -1);
	struct pollfd p = { .fd = api_fd(s.api), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	judge(&s.taker, last);
	assert_int_equal(poll(&p, 1, 1000), 1); /* the answer wakes who watches */
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	assert_true(str_has(r.body, "\"kept\":20000,"));
	reply_free(&r);
	close(fd);
	server_stop(&s);
	buf_free(&plain), buf_free(&request);
}

/* Without room nothing more is read; with room it goes on where it was. */
static void no_room(void **state)
{
	struct server s;
	struct reply r;
	struct buf plain = many(600000), request = post("/v1/events", "", buf_str(&plain));
	server_start(&s, (struct api_config){ 0 });
	s.taker.full = -1;
	int fd = dial(&s);
	size_t sent = send_some(&s, fd, buf_str(&request));
	assert_true(sent < request.n / 2);
	later(&s, 20);
	sent += send_some(&s, fd, str_sub(buf_str(&request), sent, 1 << 20)); /* into the kernel's buffers at most */
	assert_true(sent < request.n / 2);
	s.taker.full = 0;
	api_room(s.api);
	assert_int_equal(send_some(&s, fd, str_sub(buf_str(&request), sent, request.n)), request.n - sent);
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	assert_true(str_has(r.body, "\"kept\":600000,"));
	reply_free(&r);
	close(fd);
	server_stop(&s);
	buf_free(&plain), buf_free(&request);
}

/* Who finds no room for 30 s is told to come again; who waits behind is served in turn. */
static void no_room_too_long(void **state)
{
	struct server s;
	struct reply r;
	struct buf plain = many(20000), request = post("/v1/events", "", buf_str(&plain));
	struct str small = STR("{\"small\":1}\n");
	server_start(&s, (struct api_config){ 0 });
	s.taker.full = -1;
	int fd = dial(&s), other = dial(&s);
	size_t sent = send_some(&s, fd, buf_str(&request));
	later(&s, 15);
	struct buf next = post("/_bulk", "", STR("{\"index\":{\"_index\":\"a\"}}\n{\"small\":1}\n"));
	send_some(&s, other, buf_str(&next));
	later(&s, 16);
	send_some(&s, fd, str_sub(buf_str(&request), sent, request.n));
	receive(&s, fd, &r);
	assert_int_equal(r.status, 429);
	assert_true(str_eq(reply_header(&r, "Retry-After"), STR("5")));
	assert_true(s.sender.refused > 1000);
	assert_int_equal(api_counts(s.api).busy, 1);
	reply_free(&r);
	s.taker.full = 0;
	api_room(s.api);
	receive(&s, other, &r);
	assert_int_equal(r.status, 200);
	reply_free(&r);
	/* The connection is still good. */
	struct buf again = post("/v1/events", "", small);
	send_some(&s, fd, buf_str(&again));
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	reply_free(&r);
	assert_true(str_has(buf_str(&s.taker.seen), "a||{\"small\":1}"));
	close(fd), close(other);
	server_stop(&s);
	buf_free(&plain), buf_free(&request), buf_free(&next), buf_free(&again);
}

static void disk_full(void **state)
{
	struct server s;
	struct reply r;
	server_start(&s, (struct api_config){ 0 });
	s.taker.code = -ENOSPC;
	ask_post(&s, "/v1/events", "", STR("{\"a\":1}\n"), &r);
	assert_int_equal(r.status, 503);
	assert_true(str_eq(reply_header(&r, "Retry-After"), STR("5")));
	assert_false(str_has(r.body, "kept\":1"));
	reply_free(&r);
	const struct str bulk = STR("{\"create\":{\"_index\":\"a\"}}\n{}\n");
	ask_post(&s, "/_bulk", "User-Agent: x\r\n", bulk, &r);
	assert_int_equal(r.status, 503);
	reply_free(&r);
	/* rsyslog would throw the events away */
	ask_post(&s, "/_bulk", "", bulk, &r);
	assert_int_equal(r.status, 0);
	reply_free(&r);
	ask(&s, STR("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), &r);
	assert_int_equal(r.status, 503);
	assert_body(&r, "the disk is full\n");
	reply_free(&r);
	server_stop(&s);
}

static void bad_requests(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200 },
		{ "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 401 },
		{ "GET /nothing HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", 404 },
		{ "GET /a/b/c/d HTTP/1.1\r\nHost: x\r\n\r\n", 404 },
		{ "DELETE /_bulk HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", 405 },
		{ "GET /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", 405 },
		{ "BREW / HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", 405 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", 411 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN
		  "Content-Type: image/png\r\nContent-Length: 2\r\n\r\n{}",
		  415 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN
		  "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}",
		  200 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		  400 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN
		  "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "Content-Length: -2\r\n\r\n{}", -400 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "Content-Length: 0x2\r\n\r\n{}", -400 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "Content-Length: 99999999999999999999\r\n\r\n{}",
		  -413 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "Content-Length: 99999999999\r\n\r\n{}", 413 },
		{ "POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "Transfer-Encoding: gzip\r\n\r\n", 501 },
		{ "GET / HTTP/1.1\r\n" TOKEN "\r\n", -400 },
		{ "\x16\x03\x01\x02garbage\r\n\r\n", 0 },
	};
	struct server s;
	server_start(&s, (struct api_config){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_status(&s, str_from(cases[i].request), cases[i].status);
	/* A header that never ends. */
	struct buf long_one = { 0 };
	buf_add(&long_one, STR("GET / HTTP/1.1\r\nHost: x\r\n"));
	for (int i = 0; i < 3000; i++)
		buf_printf(&long_one, "X-%d: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", i);
	assert_status(&s, buf_str(&long_one), -431);
	buf_free(&long_one);
	struct reply r;
	ask(&s, STR("PATCH /_template/a HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n"), &r);
	assert_int_equal(r.status, 405);
	assert_true(str_eq(reply_header(&r, "Allow"), STR("GET, HEAD, POST, PUT")));
	reply_free(&r);
	server_stop(&s);
}

static void who_calls(void **state)
{
	static const struct {
		const char *path, *authorization;
		int status;
	} cases[] = {
		{ "/", "Authorization: Bearer one.secret\r\n", 200 },
		{ "/", "authorization: Basic b25lOnNlY3JldA==\r\n", 200 },
		{ "/", "Authorization: ApiKey b25lOnNlY3JldA==\r\n", 200 },
		{ "/", "Authorization: Bearer one.wrong\r\n", 401 },
		{ "/", "Authorization: Bearer\r\n", 401 },
		{ "/", "Authorization: Basic b25lOnNlY3JldA\r\n", 401 },
		{ "/", "Authorization: Digest one.secret\r\n", 401 },
		{ "/", "Authorization: Bearer one.secret\r\nAuthorization: Bearer one.secret\r\n", 400 },
		{ "/", "", 401 },
		{ "/metrics", "Authorization: Bearer one.secret\r\n", 403 },
		{ "/metrics", "", 401 },
		{ "/healthz", "", 200 },
	};
	struct server s;
	server_start(&s, (struct api_config){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = { 0 };
		buf_printf(&b, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", cases[i].path, cases[i].authorization);
		struct reply r;
		ask(&s, buf_str(&b), &r);
		if (r.status != cases[i].status)
			fail_msg("%d for %s", r.status, cases[i].authorization);
		assert_int_equal(reply_header(&r, "WWW-Authenticate").n > 0, r.status == 401);
		assert_false(str_has(r.body, "secret") && r.status != 200);
		reply_free(&r);
		buf_free(&b);
	}
	assert_int_equal(api_counts(s.api).denied, 7);
	/* A large body of someone unknown is not waited for. */
	struct reply r;
	ask(&s, STR("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n"), &r);
	assert_int_equal(r.status, 401);
	reply_free(&r);
	server_stop(&s);
}

static void connections(void **state)
{
	struct server s;
	struct reply r;
	server_start(&s, (struct api_config){ .max_connections = 8 });
	int fd = dial(&s), slow = dial(&s);
	struct str get = STR("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	/* Kept alive, two at once. */
	send_some(&s, fd, get);
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	reply_free(&r);
	send_some(&s, fd, STR("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
	receive_for(&s, fd, &r, true, 2000);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body.n, 0);
	reply_free(&r);
	assert_int_equal(api_counts(s.api).connections, 2);
	/* One too many of a peer. */
	ask(&s, get, &r);
	assert_int_equal(r.status, 0);
	reply_free(&r);
	assert_int_equal(api_counts(s.api).busy, 1);
	/* A header that comes a byte at a time. */
	for (int i = 0; i < 70; i++) {
		send_some(&s, slow, STR("G"));
		later(&s, 1);
	}
	assert_int_equal(api_counts(s.api).connections, 0);
	close(fd), close(slow);
	ask(&s, get, &r);
	assert_int_equal(r.status, 200);
	reply_free(&r);
	server_stop(&s);
}

static void expect_continue(void **state)
{
	struct server s;
	struct reply r;
	server_start(&s, (struct api_config){ 0 });
	int fd = dial(&s);
	send_some(&s, fd,
	          STR("POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN
	              "Expect: 100-continue\r\nContent-Length: 8\r\n\r\n"));
	receive_for(&s, fd, &r, true, 2000);
	assert_int_equal(r.status, 100);
	reply_free(&r);
	send_some(&s, fd, STR("{\"a\":1}\n"));
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	reply_free(&r);
	close(fd);
	/* Refused before the body is sent. */
	ask(&s, STR("POST /v1/events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n"), &r);
	assert_int_equal(r.status, 401);
	reply_free(&r);
	server_stop(&s);
}

static void drain(void **state)
{
	struct server s;
	struct reply r;
	struct buf request = post("/v1/events", "", STR("{\"a\":1}\n"));
	server_start(&s, (struct api_config){ 0 });
	s.taker.hold = true;
	int fd = dial(&s), idle = dial(&s);
	send_some(&s, fd, buf_str(&request));
	run_for(&s, 1);
	assert_false(api_drain(s.api));
	release(&s);
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	assert_true(str_eq(reply_header(&r, "Connection"), STR("close")));
	reply_free(&r);
	assert_true(api_drain(s.api));
	send_some(&s, idle, buf_str(&request));
	receive(&s, idle, &r);
	assert_int_equal(r.status, 503);
	reply_free(&r);
	close(fd), close(idle);
	server_stop(&s);
	buf_free(&request);
}

/* Offers outlive the client that sent them, and the server. */
static void gone(void **state)
{
	struct server s;
	struct buf plain = many(30000), request = post("/v1/events", "", buf_str(&plain));
	server_start(&s, (struct api_config){ 0 });
	s.taker.hold = true;
	int fd = dial(&s), half = dial(&s), waits = dial(&s);
	send_some(&s, fd, buf_str(&request));
	send_some(&s, half, str_sub(buf_str(&request), 0, request.n / 2));
	s.taker.full = -1;
	send_some(&s, waits, buf_str(&request));
	close(fd), close(half);
	run_for(&s, 5);
	release(&s);
	run_for(&s, 5);
	assert_int_equal(api_counts(s.api).connections, 1);
	s.taker.full = 0;
	s.taker.hold = true;
	api_room(s.api);
	run_for(&s, 5);
	assert_true(s.taker.n_held > 0);
	server_stop(&s); /* releases what is held after the server is gone */
	close(waits);
	buf_free(&plain), buf_free(&request);
}

/* Whatever becomes of it, the socket was handed over. */
static void no_start(void **state)
{
	struct api_tls tls = { STR("no certificate"), STR("no key") };
	struct api_config config = { .fd = socket(AF_INET, SOCK_STREAM, 0), .tls = &tls, .clock = &clock_system };
	struct api *a = NULL;
	struct err err;
	assert_true(api_new(&a, &config, &err) < 0);
	assert_null(a);
	assert_true(str_has(str_from(err.text), "certificate"));
	assert_int_equal(fcntl(config.fd, F_GETFD), -1);
}

static void metrics_text(void **state)
{
	struct server s;
	server_start(&s, (struct api_config){ 0 });
	struct reply r;
	ask(&s, STR("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), &r);
	assert_body(&r, "ok\n");
	assert_true(str_starts(reply_header(&r, "Content-Type"), STR("text/plain")));
	reply_free(&r);
	assert_int_equal(api_counts(s.api).requests, 1);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events),
		cmocka_unit_test(errors_told),
		cmocka_unit_test(compressed),
		cmocka_unit_test(bombs),
		cmocka_unit_test(chunked),
		cmocka_unit_test(durable_first),
		cmocka_unit_test(no_room),
		cmocka_unit_test(no_room_too_long),
		cmocka_unit_test(disk_full),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(who_calls),
		cmocka_unit_test(connections),
		cmocka_unit_test(expect_continue),
		cmocka_unit_test(drain),
		cmocka_unit_test(gone),
		cmocka_unit_test(metrics_text),
		cmocka_unit_test(no_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
