/* The dialer connects to the hubs that it was given, and to no others. */
#include "post/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int wait_for(struct dialer *d, unsigned tag, struct err *err)
{
	struct pollfd p = { .fd = dialer_fd(d), .events = POLLIN };
	unsigned got;
	int fd;
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(dialer_take(d, &got, &fd, err), 1);
	assert_int_equal(got, tag);
	return fd;
}

static void connects(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&in, n), 0);
	assert_int_equal(listen(listening, 4), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&in, &n), 0);
	char open[64], name[64];
	snprintf(open, sizeof(open), "127.0.0.1:%d", ntohs(in.sin_port));
	snprintf(name, sizeof(name), "localhost:%d", ntohs(in.sin_port));
	const char *const hubs[] = { open, name, "127.0.0.1:1", "nowhere" };
	struct dialer *d;
	struct err err = { 0 };
	unsigned tag;
	int fd;
	assert_int_equal(dialer_start(&d, &err), 0);
	assert_int_equal(dialer_hubs(d, hubs, ARRAY_LEN(hubs), &err), 0);
	assert_int_equal(dialer_take(d, &tag, &fd, &err), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(dialer_ask(d, i, 7 + i), 0);
		fd = wait_for(d, 7 + i, &err);
		assert_true(fd >= 0);
		int other = accept(listening, NULL, NULL);
		assert_int_equal(send(fd, "a", 1, MSG_NOSIGNAL), 1);
		char c;
		assert_int_equal(recv(other, &c, 1, 0), 1);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		close(other);
		close(fd);
	}
	assert_int_equal(dialer_ask(d, 2, 1), 0);
	assert_int_equal(dialer_ask(d, 3, 2), 0);
	assert_int_equal(dialer_ask(d, 4, 3), 0);
	assert_int_equal(wait_for(d, 1, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.text, "127.0.0.1:1"));
	assert_int_equal(wait_for(d, 2, &err), -EINVAL);
	assert_int_equal(wait_for(d, 3, &err), -EINVAL);
	close(listening);
	dialer_free(d);
}

static void split(void **state)
{
	static const char *const bad[] = { "", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "::1:5", "[]:5", "a:123456" };
	char host[DIAL_HUB], port[8];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(dial_split(bad[i], host, port), -EINVAL);
	assert_int_equal(dial_split("[::1]:9200", host, port), 0);
	assert_string_equal(host, "::1");
	assert_string_equal(port, "9200");
	assert_int_equal(dial_split("hub.example.vn:65535", host, port), 0);
	assert_string_equal(host, "hub.example.vn");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(connects), cmocka_unit_test(split) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
