#include "os/opener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/khien-opener-XXXXXX";
static char log_path[64], link_path[64], fifo_path[64], moved_path[64];

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_files(void **state)
{
	const struct opener_item items[] = {
		{ .kind = OPENER_FILE, .name = log_path },
		{ .kind = OPENER_FILE, .name = link_path },
		{ .kind = OPENER_FILE, .name = fifo_path },
		{ .kind = OPENER_FILE, .name = moved_path },
	};
	struct opener *o;
	struct opener_file have = { 0 }, none = { 0 };
	struct err err = { 0 };
	char text[16];
	int fd;
	write_file(log_path, "one\n");
	assert_int_equal(symlink(log_path, link_path), 0);
	assert_int_equal(mkfifo(fifo_path, 0600), 0);
	assert_int_equal(opener_start(&o, items, ARRAY_LEN(items), &err), 0);

	assert_int_equal(opener_open(o, 0, &have, &fd, &err), 1);
	assert_true(have.inode != 0);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);

	assert_int_equal(opener_open(o, 0, &have, &fd, &err), 0); /* the same still */
	assert_int_equal(rename(log_path, moved_path), 0);
	assert_int_equal(opener_open(o, 0, &have, &fd, &err), -ENOENT);
	write_file(log_path, "two\n");
	struct opener_file old = have;
	assert_int_equal(opener_open(o, 0, &have, &fd, &err), 1); /* another took its place */
	assert_int_not_equal(have.inode, old.inode);
	close(fd);

	/* neither links nor anything but regular files, and nothing beyond the list */
	assert_int_equal(opener_open(o, 1, &none, &fd, &err), -ELOOP);
	assert_int_equal(opener_open(o, 2, &none, &fd, &err), -EINVAL);
	assert_non_null(strstr(err.text, "regular"));
	assert_int_equal(opener_open(o, 4, &none, &fd, &err), -EINVAL);
	opener_free(o);
}

static void test_sockets(void **state)
{
	/* a port that the kernel chose and let go */
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int s = socket(AF_INET, SOCK_STREAM, 0), type;
	assert_int_equal(bind(s, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&in, &len), 0);
	char address[32], every[32];
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(in.sin_port));
	const struct opener_item items[] = { { .kind = OPENER_TCP, .name = address },
		                             { .kind = OPENER_UDP, .name = address },
		                             { .kind = OPENER_TLS, .name = address },
		                             { .kind = OPENER_TLS, .name = every } };
	struct opener *o;
	struct err err = { 0 };
	int fd;
	snprintf(every, sizeof(every), "[::]:%u", ntohs(in.sin_port));
	assert_int_equal(opener_start(&o, items, ARRAY_LEN(items), &err), 0);
	assert_int_equal(opener_open(o, 0, NULL, &fd, &err), -EADDRINUSE);
	close(s);
	assert_int_equal(opener_open(o, 0, NULL, &fd, &err), 1);
	len = sizeof(type);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	assert_int_equal(type, SOCK_STREAM);
	close(fd);
	assert_int_equal(opener_open(o, 1, NULL, &fd, &err), 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	assert_int_equal(type, SOCK_DGRAM);
	assert_true(sendto(fd, "", 1, MSG_NOSIGNAL, (struct sockaddr *)&in, sizeof(in)) < 0 && errno == EPIPE);
	close(fd);
	assert_int_equal(opener_open(o, 2, NULL, &fd, &err), 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &type, &len), 0);
	assert_int_equal(type, 1);
	close(fd);
	for (int i = 0; i < 100 && (fd = opener_listen(address, &err)) == -EADDRINUSE; i++)
		poll(NULL, 0, 50); /* another test may have the port for a moment */
	assert_true(fd >= 0 && opener_listen(address, &err) == -EADDRINUSE && strstr(err.text, address));
	close(fd);
	int wild = opener_open(o, 3, NULL, &fd, &err);
	for (int i = 0; i < 100 && wild == -EADDRINUSE; i++) {
		poll(NULL, 0, 50);
		wild = opener_open(o, 3, NULL, &fd, &err);
	}
	if (wild == 1) {
		/* every address is IPv4's, too, whatever this machine's default is */
		assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &type, &len), 0);
		assert_int_equal(type, 0);
		close(fd);
	} else {
		/* a kernel without IPv6; or one of thousands of connections of another test has that port */
		assert_true(err.code == -EAFNOSUPPORT || err.code == -EADDRINUSE);
	}
	opener_free(o);
}

static void test_program(void **state)
{
	const char *const argv[] = { "/bin/sh", "-c", "echo $$; exec sleep 60", NULL };
	const struct opener_item items[] = { { .kind = OPENER_CHILD, .name = "sh", .argv = argv } };
	struct opener *o;
	char text[32] = "", again[32] = "";
	int fd;
	assert_int_equal(opener_start(&o, items, 1, NULL), 0);
	assert_int_equal(opener_open(o, 0, NULL, &fd, NULL), 1);
	for (int i = 0; i < 200 && read(fd, text, sizeof(text) - 1) <= 0; i++)
		usleep(10 * 1000);
	pid_t first = atoi(text);
	assert_true(first > 1 && kill(first, 0) == 0);
	close(fd);
	assert_int_equal(opener_open(o, 0, NULL, &fd, NULL), 1); /* anew: the first is ended */
	for (int i = 0; i < 200 && read(fd, again, sizeof(again) - 1) <= 0; i++)
		usleep(10 * 1000);
	pid_t second = atoi(again);
	assert_true(second > 1 && second != first);
	assert_int_equal(kill(first, 0), -1);
	opener_free(o);
	assert_int_equal(kill(second, 0), -1); /* and with the opener, all of them */
	close(fd);
}

static void test_addresses(void **state)
{
	struct sockaddr_storage ss;
	socklen_t len;
	static const char *const good[] = { "127.0.0.1:5514", "0.0.0.0:1", "[::1]:65535", "[::]:514" };
	static const char *const bad[] = { "",         "127.0.0.1", "127.0.0.1:",    "127.0.0.1:0",   "127.0.0.1:65536",
		                           "::1:514",  ":514",      "[]:514",        "localhost:514", "127.0.0.1:5x",
		                           "[::1:514", "1.2.3:4",   "[127.0.0.1]:1", "127.0.0.1:-1" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(opener_address(good[i], &ss, &len, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(opener_address(bad[i], &ss, &len, NULL), -EINVAL);
	assert_int_equal(opener_address("[::1]:514", &ss, &len, NULL), 0);
	assert_int_equal(ss.ss_family, AF_INET6);
	assert_int_equal(ntohs(((struct sockaddr_in6 *)&ss)->sin6_port), 514);
}

/* Says who it is, then waits for ever if it is told to. */
static void work(const void *arg, int out)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (write(out, pid, (size_t)n) != n)
		_exit(1);
	while (*(const bool *)arg)
		pause();
}

static pid_t read_pid(int fd)
{
	char text[16] = "";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(read(fd, text, sizeof(text) - 1) > 1);
	return atoi(text);
}

static void test_work(void **state)
{
	const bool for_ever = true, once = false;
	const struct opener_item items[] = {
		{ .kind = OPENER_WORK, .name = "work", .work = work, .arg = &for_ever },
		{ .kind = OPENER_WORK, .name = "work", .work = work, .arg = &once },
	};
	struct opener *o;
	struct err err;
	int first, second, other;
	char c;
	assert_int_equal(opener_start(&o, items, ARRAY_LEN(items), &err), 0);
	assert_int_equal(opener_open(o, 0, NULL, &first, &err), 1);
	pid_t pid = read_pid(first);
	assert_int_equal(kill(pid, 0), 0);
	/* asked again, the one before is ended */
	assert_int_equal(opener_open(o, 0, NULL, &second, &err), 1);
	assert_int_not_equal(read_pid(second), pid);
	assert_int_equal(read(first, &c, 1), 0);
	assert_int_equal(kill(pid, 0), -1);
	/* one that is done */
	assert_int_equal(opener_open(o, 1, NULL, &other, &err), 1);
	pid = read_pid(other);
	struct pollfd p = { .fd = other, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(other, &c, 1), 0);
	/* not even its status is left */
	for (int i = 0; i < 500 && kill(pid, 0) == 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(kill(pid, 0), -1);
	/* none is left behind */
	opener_free(o);
	assert_int_equal(read(second, &c, 1), 0);
	close(first);
	close(second);
	close(other);
}

/* Of a path that somebody else named: no link, neither at its end nor on the way, and nothing but files. */
static void test_below(void **state)
{
	static const char *const parts[] = {
		"ok/log", "ok/to_secret", "way/secret", "ok/../../secret", "ok", "ok/fifo"
	};
	static const int codes[] = { 1, -ELOOP, -ELOOP, -EXDEV, -EINVAL, -EINVAL };
	char top[] = "/tmp/khien-below-XXXXXX", below[64], path[8][96], from[96], to[96];
	struct opener_item items[ARRAY_LEN(parts)];
	struct opener *o;
	assert_non_null(mkdtemp(top));
	snprintf(below, sizeof(below), "%s/logs", top);
	snprintf(from, sizeof(from), "%s/logs/ok", top);
	assert_int_equal(mkdir(below, 0700), 0);
	assert_int_equal(mkdir(from, 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%s", below, parts[i]);
		items[i] = (struct opener_item){ .kind = OPENER_FILE, .name = path[i], .below = below };
	}
	snprintf(to, sizeof(to), "%s/secret", top);
	write_file(to, "secret\n");
	write_file(path[0], "log\n");
	assert_int_equal(symlink(to, path[1]), 0);
	snprintf(from, sizeof(from), "%s/way", below);
	assert_int_equal(symlink(top, from), 0);
	assert_int_equal(mkfifo(path[5], 0600), 0);
	assert_int_equal(opener_start(&o, items, ARRAY_LEN(items), NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct opener_file have = { 0 };
		struct err err = { 0 };
		int fd = -1;
		assert_int_equal(opener_open(o, i, &have, &fd, &err), codes[i]);
		if (fd >= 0)
			close(fd);
	}
	opener_free(o);
	const char *const gone[] = { path[0], path[1], path[5], from, to };
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		assert_int_equal(unlink(gone[i]), 0);
	assert_int_equal(rmdir(path[4]), 0);
	assert_int_equal(rmdir(below), 0);
	assert_int_equal(rmdir(top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),   cmocka_unit_test(test_below),     cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_program), cmocka_unit_test(test_addresses), cmocka_unit_test(test_work),
	};
	if (!mkdtemp(dir))
		return 1;
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	snprintf(fifo_path, sizeof(fifo_path), "%s/fifo", dir);
	snprintf(moved_path, sizeof(moved_path), "%s/log.1", dir);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(log_path);
	unlink(link_path);
	unlink(fifo_path);
	unlink(moved_path);
	rmdir(dir);
	return failed;
}
