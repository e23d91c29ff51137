/* Its layers one by one: together the stricter one hides the other. */
#include "os/sandbox.c" /* NOLINT(bugprone-suspicious-include) */

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Runs fn in a process inside the sandbox; its exit status, or -signal. */
static int inside_of(const struct sandbox_config *config, int (*fn)(const struct sandbox_report *report))
{
	pid_t pid = fork();
	if (pid == 0) {
		struct sandbox *s = NULL;
		struct sandbox_report report;
		if (sandbox_init(&s, config, NULL) || !s)
			_exit(99);
		sandbox_enter(s, &report);
		_exit(fn(&report));
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int inside(int (*fn)(const struct sandbox_report *report))
{
	return inside_of(NULL, fn);
}

static int layers(const struct sandbox_report *report)
{
	int on = 0;
	for (size_t i = 0; i < SANDBOX_LAYERS; i++) {
		/* what is off says why */
		if (!*report->layer[i].name || report->layer[i].on == (*report->layer[i].why != '\0'))
			return 64;
		on |= report->layer[i].on << i;
	}
	return on;
}

static int open_file(const struct sandbox_report *report)
{
	int fd = open("/etc/passwd", O_RDONLY);
	return fd >= 0 ? 0 : errno;
}

static int user(const struct sandbox_report *report)
{
	return getuid() == 0 || geteuid() == 0;
}

static int run_program(const struct sandbox_report *report)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int new_socket(const struct sandbox_report *report)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

static int code_memory(const struct sandbox_report *report)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED ? 0 : errno;
}

/* What a reader of logs does. */
static int daily_work(const struct sandbox_report *report)
{
	char *p = calloc(64, 1 << 20), *more = p ? realloc(p, 128 << 20) : NULL, c;
	int ok = more && write(STDOUT_FILENO, "", 0) == 0 && isatty(77) == 0 && read(77, &c, 1) < 0;
	free(more ? more : p);
	return ok ? 0 : 1;
}

/* What a listener for datagrams asks of its socket, which was there before. */
static int socket_of_before;

static int dropped(const struct sandbox_report *report)
{
	unsigned memory[64];
	socklen_t size = sizeof(memory);
	return getsockopt(socket_of_before, SOL_SOCKET, SO_MEMINFO, memory, &size) ? errno : 0;
}

static void skip_because(const char *reason)
{
	print_message("SKIP: %s\n", reason);
	skip();
}

static void test_layers(void **state)
{
	int on = inside(layers);
	assert_true(on >= 0 && on < 16);
	assert_true(on & 1 << SANDBOX_NO_NEW_PRIVS);
	print_message("layers on: %x\n", (unsigned)on);
}

static void test_what_a_socket_dropped(void **state)
{
	socket_of_before = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(inside(dropped), 0);
	close(socket_of_before);
}

static void test_files_are_shut(void **state)
{
	int on = inside(layers);
	if (!(on & (1 << SANDBOX_LANDLOCK | 1 << SANDBOX_SECCOMP)))
		skip_because("this kernel permits neither");
	assert_int_equal(inside(open_file), EACCES);
}

/* Bits: 1 a file, 2 a folder, 4 a TCP port could be had; 77: the kernel hasn't got it. */
static int landlock_alone(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM, 0);
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (enter_landlock(-1, false))
		return 77;
	int had = open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES;
	had |= (mkdir("/tmp/khien-landlock-test", 0700) == 0 || errno != EACCES) << 1;
	return had | (abi >= 4 && (bind(s, (struct sockaddr *)&in, sizeof(in)) == 0 || errno != EACCES)) << 2;
}

static void test_landlock_alone(void **state)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(landlock_alone());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip_because("this kernel doesn't permit it");
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_not_root(void **state)
{
	int on = inside(layers);
	if (!(on & 1 << SANDBOX_USER))
		skip_because("not permitted here, and named so");
	assert_int_equal(inside(user), 0);
}

static void test_system_calls_are_shut(void **state)
{
	int on = inside(layers);
	if (!(on & 1 << SANDBOX_SECCOMP))
		skip_because("a sanitizer's build, or not permitted here");
	assert_int_equal(inside(run_program), -SIGSYS);
	assert_int_equal(inside(new_socket), -SIGSYS);
	assert_int_equal(inside(code_memory), -SIGSYS);
}

static void test_work_goes_on(void **state)
{
	assert_int_equal(inside(daily_work), 0);
}

static char folder[] = "/tmp/khien-sandbox-XXXXXX";

/* What a store does; and nothing outside of its folder. */
static int keep_files(const struct sandbox_report *report)
{
	char path[128], other[128];
	snprintf(path, sizeof(path), "%s/sub", folder);
	if (mkdir(path, 0700))
		return 1;
	snprintf(path, sizeof(path), "%s/sub/a", folder);
	snprintf(other, sizeof(other), "%s/b", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct stat st;
	if (fd < 0 || write(fd, "x", 1) != 1 || fallocate(fd, 0, 0, 4096) || fsync(fd) || ftruncate(fd, 8) ||
	    fcntl(fd, F_SETLK, &lock) || rename(path, other) || stat(other, &st) || st.st_size != 8 || unlink(other))
		return 2;
	snprintf(path, sizeof(path), "%s/sub", folder);
	if (rmdir(path))
		return 3;
	if (report->layer[SANDBOX_LANDLOCK].on && (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES))
		return 4;
	return 0;
}

static void test_files_of_its_own(void **state)
{
	assert_non_null(mkdtemp(folder));
	const struct sandbox_config config = { .dir = folder, .may = SANDBOX_FILES };
	assert_int_equal(inside_of(&config, keep_files), 0);
	const struct sandbox_config gone = { .dir = "/nonexistent", .may = SANDBOX_FILES };
	assert_int_equal(inside_of(&gone, keep_files), 99);
	assert_int_equal(rmdir(folder), 0);
}

/* A process that begins others, each in a narrower sandbox; and can't run a program itself. */
static struct sandbox *narrower;

static int begins(const struct sandbox_report *report)
{
	struct sandbox_report inner;
	int status = 0;
	const pid_t pid = fork();
	if (pid == 0) {
		sandbox_enter(narrower, &inner);
		_exit(inner.layer[SANDBOX_SECCOMP].on != report->layer[SANDBOX_SECCOMP].on ? 3
		      : !inner.layer[SANDBOX_SECCOMP].on                                   ? 77
		                                                                           : fork() >= 0);
	}
	if (pid < 0 || kill(pid, 0) || waitpid(pid, &status, 0) != pid)
		return 1;
	/* there it can begin none */
	return WIFSIGNALED(status) ? WTERMSIG(status) != SIGSYS : WEXITSTATUS(status) == 77 ? 0 : 2;
}

static void test_begins_others(void **state)
{
	char own[] = "/tmp/khien-sandbox-XXXXXX";
	assert_non_null(mkdtemp(own));
	const struct sandbox_config outer = { .dir = own, .may = SANDBOX_FILES | SANDBOX_BEGINS };
	const struct sandbox_config inner = { .dir = own, .may = SANDBOX_FILES | SANDBOX_THREADS };
	const int on = inside(layers);
	assert_int_equal(sandbox_init(&narrower, &inner, NULL), 0);
	assert_int_equal(inside_of(&outer, begins), 0);
	if (on & 1 << SANDBOX_SECCOMP) {
		assert_int_equal(inside_of(&outer, run_program), -SIGSYS);
		assert_int_equal(inside_of(&outer, new_socket), -SIGSYS);
	}
	if (narrower->filter)
		seccomp_release(narrower->filter);
	close(narrower->dir);
	free(narrower);
	assert_int_equal(rmdir(own), 0);
}

static int no_capabilities(const struct sandbox_report *report)
{
	return getuid() == 0 && setgid(12345) == 0 ? 1 : 0;
}

static void test_root_that_stays(void **state)
{
	const struct sandbox_config config = { .may = SANDBOX_SERVE };
	assert_int_equal(inside_of(&config, daily_work), 0);
	if (geteuid() != 0)
		skip_because("not root");
	/* with seccomp off it is refused, else it ends the process */
	assert_true(inside_of(&config, no_capabilities) != 1);
}

/* A listening socket, made before. */
static int listener;

static int serves(const struct sandbox_report *report)
{
	const int on = 1;
	struct msghdr empty = { 0 };
	if (setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) || fcntl(listener, F_SETFL, O_NONBLOCK) ||
	    accept4(listener, NULL, NULL, 0) >= 0 || errno != EAGAIN)
		return 1;
	return sendmsg(listener, &empty, MSG_NOSIGNAL) < 0 && send(listener, "", 1, MSG_NOSIGNAL) < 0 ? 0 : 2;
}

/* A new connection by way of an old socket. */
static int connects(const struct sandbox_report *report)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(9),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to) };
	shutdown(listener, SHUT_RDWR);
	return sendmsg(listener, &msg, MSG_NOSIGNAL | MSG_FASTOPEN) < 0 ? errno : 0;
}

static int sends_to(const struct sandbox_report *report)
{
	const struct sockaddr_in to = { .sin_family = AF_INET };
	return sendto(listener, "", 1, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

static int owns(const struct sandbox_report *report)
{
	return fcntl(listener, F_SETOWN, getpid());
}

static int filters(const struct sandbox_report *report)
{
	const int on = 1;
	return setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

static void test_serving(void **state)
{
	const struct sandbox_config config = { .user = "nobody", .may = SANDBOX_SERVE };
	int on = inside_of(&config, layers);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(listener >= 0 && !listen(listener, 1));
	assert_int_equal(inside_of(&config, serves), 0);
	if (!(on & 1 << SANDBOX_SECCOMP))
		skip_because("a sanitizer's build, or not permitted here");
	assert_int_equal(inside_of(&config, connects), -SIGSYS);
	assert_int_equal(inside_of(&config, sends_to), -SIGSYS);
	assert_int_equal(inside_of(&config, owns), -SIGSYS);
	assert_int_equal(inside_of(&config, filters), -SIGSYS);
	close(listener);
}

static int dials(const struct sandbox_report *report)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || getsockname(listener, (struct sockaddr *)&to, &len) || connect(s, (struct sockaddr *)&to, len))
		return errno;
	return open("/etc/passwd", O_RDONLY) >= 0 ? 1 : 0;
}

static int dials_and_binds(const struct sandbox_report *report)
{
	const struct sockaddr_in any = { .sin_family = AF_INET };
	return bind(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (const struct sockaddr *)&any, sizeof(any)) ? errno
	                                                                                                        : 0;
}

static void test_dialling(void **state)
{
	const struct sandbox_config config = { .user = "nobody", .may = SANDBOX_DIALS };
	const int on = inside_of(&config, layers);
	if (!(on & 1 << SANDBOX_SECCOMP))
		skip_because("a sanitizer's build, or not permitted here");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(listener >= 0 && !listen(listener, 1));
	assert_int_equal(inside_of(&config, dials), 0);
	assert_int_equal(inside_of(&config, dials_and_binds), -SIGSYS);
	close(listener);
}

static void *nothing(void *arg)
{
	return arg;
}

static int begins_a_thread(const struct sandbox_report *report)
{
	pthread_t t;
	int mark;
	void *ret = NULL;
	return pthread_create(&t, NULL, nothing, &mark) || pthread_join(t, &ret) || ret != &mark;
}

static int begins_a_process(const struct sandbox_report *report)
{
	return fork() >= 0;
}

static void test_threads(void **state)
{
	const struct sandbox_config config = { .user = "nobody", .may = SANDBOX_THREADS },
	                            without = { .user = "nobody" };
	int on = inside_of(&config, layers);
	assert_int_equal(inside_of(&config, begins_a_thread), 0);
	if (!(on & 1 << SANDBOX_SECCOMP))
		skip_because("a sanitizer's build, or not permitted here");
	assert_int_equal(inside_of(&config, begins_a_process), -SIGSYS);
	assert_int_equal(inside_of(&without, begins_a_thread), -SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layers),         cmocka_unit_test(test_what_a_socket_dropped),
		cmocka_unit_test(test_files_are_shut), cmocka_unit_test(test_landlock_alone),
		cmocka_unit_test(test_not_root),       cmocka_unit_test(test_system_calls_are_shut),
		cmocka_unit_test(test_work_goes_on),   cmocka_unit_test(test_files_of_its_own),
		cmocka_unit_test(test_begins_others),  cmocka_unit_test(test_root_that_stays),
		cmocka_unit_test(test_serving),        cmocka_unit_test(test_dialling),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
