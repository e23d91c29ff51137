/* With its messages in sight: what is sent here, no caller of signer_sign() could. */
#include "pki/signer.c" /* NOLINT(bugprone-suspicious-include) */

#include "pki/fixture.h"

static const struct str name = STR("hub.example");

static struct signer *start(struct fixture *f)
{
	struct signer *s = NULL;
	struct err err = { 0 };
	if (signer_start(&s, f->dir, &f->clock, &err))
		fail_msg("%s", err.text);
	return s;
}

static int sign(struct signer *s, const char *common_name, struct buf *out, struct err *err)
{
	CLEANUP(x509_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf public = { 0 };
	assert_int_equal(pki_key_new(&key, &public, NULL), 0);
	const struct pki_request r = { .public_key = buf_str(&public),
		                       .common_name = str_from(common_name),
		                       .names = &name,
		                       .n_names = 1,
		                       .use = PKI_SERVER,
		                       .days = 30 };
	return signer_sign(s, &r, out, err);
}

static void assert_signs(struct signer *s)
{
	CLEANUP(buf_free) struct buf pem = { 0 };
	struct err err = { 0 };
	struct pki_info info;
	if (sign(s, "Trạm 1", &pem, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pki_read(buf_str(&pem), &info, NULL), 0);
	assert_string_equal(info.subject, "CN=Trạm 1");
	assert_string_equal(info.names, "hub.example");
}

static void signs(void **state)
{
	struct fixture *f = *state;
	struct signer *s = NULL;
	struct err err = { 0 };
	struct buf none = { 0 };
	assert_int_equal(signer_start(&s, f->dir, &f->clock, &err), -ENOENT);
	assert_non_null(strstr(err.text, "ca.crt"));
	assert_null(s);
	fixture_ca(f);
	s = start(f);
	/* the key is held, not looked up */
	assert_int_equal(unlink(fixture_path(f, "ca.key")), 0);
	for (int i = 0; i < 5; i++)
		assert_signs(s);
	assert_int_equal(sign(s, "a\nb", &none, &err), -EPERM);
	assert_int_equal(none.n, 0);
	assert_signs(s);
	signer_free(s);
}

/* --- bad messages --- */

static struct ask good_ask(void)
{
	CLEANUP(x509_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf public = { 0 };
	struct ask a = { .mark = ASK_MARK, .use = PKI_SERVER, .days = 1, .n_names = 1, .n_common_name = 1 };
	assert_int_equal(pki_key_new(&key, &public, NULL), 0);
	a.n_key = (uint16_t) public.n;
	memcpy(a.key, public.p, public.n);
	a.common_name[0] = 'h';
	a.n_name[0] = (uint16_t)name.n;
	memcpy(a.name[0], name.p, name.n);
	return a;
}

/* Its answer's code. */
static int raw(struct signer *s, const void *p, size_t n)
{
	static struct answer a;
	assert_int_equal(send(s->fd, p, n, MSG_NOSIGNAL), n);
	ssize_t got = recv(s->fd, &a, sizeof(a), 0);
	assert_int_equal(got, sizeof(a));
	assert_true(a.n <= sizeof(a.text));
	return a.code;
}

/* What the process refuses by itself, when its caller would send anything. */
static void refuses(void **state)
{
	struct fixture *f = *state;
	fixture_ca(f);
	struct signer *s = start(f);
	const struct ask good = good_ask();
	struct ask a;
#define CHANGED(...) (a = good, __VA_ARGS__, raw(s, &a, sizeof(a)))
	assert_int_equal(raw(s, &good, sizeof(good)), 0);
	assert_int_equal(CHANGED(a.mark++), -EINVAL);
	assert_int_equal(CHANGED(a.n_names = PKI_NAMES_MAX + 1), -EINVAL);
	assert_int_equal(CHANGED(a.n_names = UINT32_MAX), -EINVAL);
	assert_int_equal(CHANGED(a.n_name[0] = X509_NAME_MAX + 1), -EINVAL);
	assert_int_equal(CHANGED(a.n_key = X509_KEY_MAX + 1), -EINVAL);
	assert_int_equal(CHANGED(a.n_common_name = PKI_TITLE_MAX + 1), -EINVAL);
	assert_int_equal(CHANGED(a.n_common_name = 0), -EPERM);
	assert_int_equal(CHANGED(a.common_name[0] = '\0'), -EPERM);
	assert_int_equal(CHANGED(a.name[0][0] = '*'), -EPERM);
	assert_int_equal(CHANGED(a.n_names = 0), -EPERM);
	assert_int_equal(CHANGED(a.n_key = 60), -EPERM);
	assert_int_equal(CHANGED(a.use = 3), -EPERM);
	assert_int_equal(CHANGED(a.days = 398), -EPERM);
	assert_int_equal(CHANGED(a.days = 0), -EPERM);
	assert_int_equal(raw(s, &good, 1), -EINVAL);
	assert_int_equal(raw(s, &good, sizeof(good) - 1), -EINVAL);
	struct {
		struct ask ask;
		char more;
	} long_one = { .ask = good };
	assert_int_equal(raw(s, &long_one, sizeof(good) + 1), -EINVAL);
	assert_signs(s);
	signer_free(s);
}

static void survives_garbage(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1;
	fixture_ca(f);
	struct signer *s = start(f);
	const struct ask good = good_ask();
	for (int i = 0; i < 400; i++) {
		struct ask a = good;
		unsigned char *p = (unsigned char *)&a;
		size_t n = sizeof(a);
		for (int k = 0; k < 1 + i % 7; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			/* mostly where the lengths and the key are */
			size_t at = (seed >> 33) % (i % 2 ? offsetof(struct ask, key) + good.n_key : sizeof(a));
			p[at] = (unsigned char)(seed >> 25);
		}
		if (i % 16 == 0)
			n = 1 + (seed >> 40) % sizeof(a);
		raw(s, &a, n);
	}
	assert_signs(s);
	signer_free(s);
}

/* An answer that comes too late is not taken for the next one's. */
static void late_answers(void **state)
{
	struct fixture *f = *state;
	fixture_ca(f);
	struct signer *s = start(f);
	const struct ask stale = good_ask(); /* its number is 0 */
	assert_int_equal(send(s->fd, &stale, sizeof(stale), MSG_NOSIGNAL), sizeof(stale));
	assert_signs(s);
	signer_free(s);
}

/* --- the process --- */

static void status_line(pid_t pid, const char *key, char *value, size_t size)
{
	char path[64], line[256];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	*value = '\0';
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			snprintf(value, size, "%.*s", (int)strcspn(line + strlen(key) + 2, "\n"),
			         line + strlen(key) + 2);
	fclose(file);
}

static unsigned open_files(pid_t pid)
{
	char path[64], target[64];
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		n += readlink(path, target, sizeof(target)) > 0;
	}
	return n;
}

/* Its filter is left out then; the leak checker needs more than it would allow. */
static bool sanitized(void)
{
#ifdef __has_feature
	if (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer))
		return true;
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	return false;
#endif
}

static void confined(void **state)
{
	struct fixture *f = *state;
	char value[128];
	fixture_ca(f);
	int extra = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a careless library leaves it */
	struct signer *s = start(f);
	status_line(s->pid, "Name", value, sizeof(value));
	assert_string_equal(value, "khien: signer");
	status_line(s->pid, "NoNewPrivs", value, sizeof(value));
	assert_string_equal(value, "1");
	if (sanitized()) {
		assert_non_null(strstr(signer_lacks(s), "seccomp"));
	} else if (!*signer_lacks(s)) {
		status_line(s->pid, "Seccomp", value, sizeof(value));
		assert_string_equal(value, "2");
	} else {
		print_message("this machine doesn't permit: %s\n", signer_lacks(s));
	}
	if (geteuid() == 0) {
		status_line(s->pid, "Uid", value, sizeof(value));
		assert_null(strstr(value, "\t0"));
		assert_true(value[0] != '0');
		status_line(s->pid, "CapEff", value, sizeof(value));
		assert_string_equal(value, "0000000000000000");
		/* the socket, /dev/null, standard error, whom it belongs to */
		assert_int_equal(open_files(s->pid), 4);
	}
	close(extra);
	signer_free(s);
}

static void outlives_signals_not_its_user(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct fixture *f = *state;
	fixture_ca(f);
	struct signer *s = start(f);
	if (geteuid() == 0)
		for (size_t i = 0; i < ARRAY_LEN(signals); i++)
			assert_int_equal(kill(s->pid, signals[i]), 0);
	assert_signs(s);
	/* a copy of the handle in a process that was forked later doesn't end it */
	pid_t child = fork();
	if (child == 0) {
		signer_free(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_signs(s);
	/* it dies: said at once */
	assert_int_equal(pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0), 0);
	struct buf pem = { 0 };
	struct err err = { 0 };
	assert_int_equal(sign(s, "x", &pem, &err), -EPIPE);
	signer_free(s);
}

/* Whoever started it is killed; another process still holds the socket. */
static void ends_with_its_starter(void **state)
{
	struct fixture *f = *state;
	int hold[2], tell[2];
	pid_t signer = 0;
	fixture_ca(f);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	pid_t starter = fork();
	if (starter == 0) {
		struct signer *s = NULL;
		char c;
		if (signer_start(&s, f->dir, &f->clock, NULL))
			_exit(1);
		if (fork() == 0) { /* holds a copy of the socket until the test is over */
			close(hold[1]);
			_exit(read(hold[0], &c, 1) != 0);
		}
		signer = s->pid;
		if (write(tell[1], &signer, sizeof(signer)) != sizeof(signer))
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(tell[0], &signer, sizeof(signer)), sizeof(signer));
	int pidfd = pidfd_open(signer, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(starter, SIGKILL), 0);
	assert_int_equal(waitpid(starter, NULL, 0), starter);
	struct pollfd gone = { .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&gone, 1, 5000), 1);
	close(pidfd), close(hold[0]), close(hold[1]), close(tell[0]), close(tell[1]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		TEST(signs),
		TEST(refuses),
		TEST(survives_garbage),
		TEST(late_answers),
		TEST(confined),
		TEST(outlives_signals_not_its_user),
		TEST(ends_with_its_starter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Root, if it is that, runs all once more as nobody in particular. */
int main(void)
{
	int failed = run(), status = 0;
	if (failed || geteuid() != 0)
		return failed;
	pid_t pid = fork();
	if (pid == 0) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(1);
		/* so that it may look at itself in /proc again */
		prctl(PR_SET_DUMPABLE, 1);
		_exit(run());
	}
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}
