/*
 * The signer: a process that holds the CA's key and does nothing but sign.
 *
 *   the hub --struct ask--> signer --struct answer--> the hub        (one at a time, SOCK_SEQPACKET)
 *
 * What comes in is held against its size, then its lengths, then request_check(), and only then looked at by GnuTLS.
 * It ends when nobody holds the other end any more, or with the process that started it.
 */
#include "os/sandbox.h"
#include "pki/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MARK = 0x4b534731 /* "KSG1" */, ANSWER_MAX = 8 << 10, PATIENCE_MS = 10000 };

struct ask {
	uint32_t mark, number; /* the answer has the same number */
	uint32_t use, days, n_names;
	uint16_t n_key, n_common_name, n_name[PKI_NAMES_MAX];
	char key[X509_KEY_MAX], common_name[PKI_TITLE_MAX], name[PKI_NAMES_MAX][X509_NAME_MAX];
};

struct answer {
	uint32_t number;
	int32_t code; /* 0: text is the certificate; else -errno and why */
	uint32_t n;
	char text[ANSWER_MAX];
};

struct signer {
	int fd, pidfd;
	pid_t pid, owner; /* owner: who started it and may end it */
	uint32_t number;
	char lacks[256]; /* layers of the sandbox that are off, and why */
};

/* --- the process --- */

static void answer_text(struct answer *a, int code, struct str text)
{
	text = str_sub(text, 0, sizeof(a->text));
	a->code = code;
	a->n = (uint32_t)text.n;
	if (text.n)
		memcpy(a->text, text.p, text.n);
}

static int unpack(const struct ask *ask, struct pki_request *r, struct str names[PKI_NAMES_MAX])
{
	if (ask->mark != ASK_MARK || ask->n_names > PKI_NAMES_MAX || ask->n_key > sizeof(ask->key) ||
	    ask->n_common_name > sizeof(ask->common_name))
		return -EINVAL;
	for (uint32_t i = 0; i < ask->n_names; i++) {
		if (ask->n_name[i] > sizeof(ask->name[i]))
			return -EINVAL;
		names[i] = (struct str){ ask->name[i], ask->n_name[i] };
	}
	*r = (struct pki_request){ .public_key = { ask->key, ask->n_key },
		                   .common_name = { ask->common_name, ask->n_common_name },
		                   .names = names,
		                   .n_names = ask->n_names,
		                   .use = ask->use,
		                   .days = ask->days };
	return 0;
}

static void serve_one(const struct ca *ca, const struct clock *clock, const struct ask *ask, size_t n, struct answer *a)
{
	CLEANUP(buf_free) struct buf pem = { .max = ANSWER_MAX };
	struct str names[PKI_NAMES_MAX];
	struct pki_request r;
	struct err err = { 0 };
	*a = (struct answer){ .number = n >= offsetof(struct ask, use) ? ask->number : 0 };
	int code = n == sizeof(*ask) ? unpack(ask, &r, names) : -EINVAL;
	if (code)
		err_set(&err, code, "that is no request");
	else
		code = ca_sign(ca, &r, clock, &pem, &err);
	answer_text(a, code, code ? str_from(err.text) : buf_str(&pem));
}

static bool send_answer(const struct answer *a)
{
	ssize_t n;
	do
		n = send(STDIN_FILENO, a, sizeof(*a), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*a);
}

/* Until nobody asks any more. The end of whoever started it is seen even where others hold the socket too. */
static void serve(const struct ca *ca, const struct clock *clock, int starter)
{
	struct pollfd wait[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = starter, .events = POLLIN } };
	struct answer answer;
	struct ask ask;
	for (;;) {
		if (poll(wait, ARRAY_LEN(wait), -1) < 0 && errno != EINTR)
			return;
		if (wait[1].revents)
			return;
		memset(&ask, 0, sizeof(ask));
		ssize_t n = recv(STDIN_FILENO, &ask, sizeof(ask), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return;
		serve_one(ca, clock, &ask, (size_t)n, &answer);
		if (!send_answer(&answer))
			return;
	}
}

/* From here on it has the socket as standard input, standard error, and the two descriptors named. */
static int settle(int socket, int *starter, pid_t parent)
{
	prctl(PR_SET_NAME, "khien: signer");
	prctl(PR_SET_DUMPABLE, 0); /* no core file, no debugger */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the kernel forgets that signal when the user changes; this stays */
	*starter = pidfd_open(parent, 0);
	if (getppid() != parent)
		return -ESRCH;
	/* a stop of the whole group (^C, systemd) must not take it from those who finish their work */
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2, SIGCHLD };
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(socket, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	if (*starter > STDERR_FILENO + 1 && dup2(*starter, STDERR_FILENO + 1) >= 0)
		*starter = STDERR_FILENO + 1;
	close_range(STDERR_FILENO + 1 + (*starter > STDERR_FILENO), ~0u, 0);
	return 0;
}

/* The key is read with the rights that there are, and foreign bytes only without them. */
static int prepare(struct ca *ca, const char *dir, struct buf *lacks, struct err *err)
{
	struct sandbox_report report;
	struct sandbox *sandbox;
	unsigned char warm[16];
	int code = ca_open(ca, dir, err);
	if (code)
		return code;
	code = sandbox_init(&sandbox, NULL, err);
	if (code)
		return code;
	/* GnuTLS looks around once, when it first draws random bytes */
	gnutls_rnd(GNUTLS_RND_NONCE, warm, sizeof(warm));
	gnutls_rnd(GNUTLS_RND_KEY, warm, sizeof(warm));
	sandbox_enter(sandbox, &report);
	for (size_t i = 0; i < SANDBOX_LAYERS; i++)
		if (!report.layer[i].on)
			buf_printf(lacks, "%s%s (%s)", lacks->n ? ", " : "", report.layer[i].name, report.layer[i].why);
	return 0;
}

static void __attribute__((noreturn)) signer_main(int socket, const char *dir, const struct clock *clock, pid_t parent)
{
	struct answer ready = { 0 };
	struct buf lacks = { 0 };
	struct err err = { 0 };
	struct ca ca = { 0 };
	int starter = -1, code = settle(socket, &starter, parent);
	if (code)
		_exit(1);
	code = prepare(&ca, dir, &lacks, &err);
	answer_text(&ready, code, code ? str_from(err.text) : buf_str(&lacks));
	buf_free(&lacks);
	if (send_answer(&ready) && !code)
		serve(&ca, clock, starter);
	ca_done(&ca);
	_exit(0);
}

/* --- who asks it --- */

/* The answer with that number; older ones, which nobody waited for, are passed over. */
static int receive(struct signer *s, struct answer *a, struct err *err)
{
	for (;;) {
		struct pollfd wait = { .fd = s->fd, .events = POLLIN };
		int ready = poll(&wait, 1, PATIENCE_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return err_set(err, ready ? -errno : -ETIMEDOUT, "the signer doesn't answer: %m");
		ssize_t n = recv(s->fd, a, sizeof(*a), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(*a) || a->n > sizeof(a->text))
			return err_set(err, -EPIPE, "the signer has ended");
		if (a->number == s->number)
			return 0;
	}
}

/* What it says instead of a certificate. */
static int refused(const struct answer *a, struct err *err)
{
	return err_set(err, a->code < 0 ? a->code : -EPROTO, STR_FMT, (int)a->n, a->text);
}

int signer_start(struct signer **ret, const char *dir, const struct clock *clock, struct err *err)
{
	int pair[2];
	struct answer ready;
	struct signer *s = malloc(sizeof(*s));
	if (!s || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		free(s);
		return err_set(err, -errno, "start the signer: %m");
	}
	*s = (struct signer){ .fd = pair[0], .pidfd = -1, .owner = getpid() };
	s->pid = fork();
	if (s->pid == 0)
		signer_main(pair[1], dir, clock, s->owner);
	int code = s->pid < 0 ? err_set(err, -errno, "start the signer: %m") : 0;
	close(pair[1]);
	if (!code && (s->pidfd = pidfd_open(s->pid, 0)) < 0)
		code = err_set(err, -errno, "start the signer: %m");
	if (!code)
		code = receive(s, &ready, err);
	if (!code && ready.code)
		code = refused(&ready, err);
	if (code) {
		signer_free(s);
		return code;
	}
	snprintf(s->lacks, sizeof(s->lacks), STR_FMT, (int)ready.n, ready.text);
	*ret = s;
	return 0;
}

const char *signer_lacks(const struct signer *s)
{
	return s->lacks;
}

int signer_sign(struct signer *s, const struct pki_request *r, struct buf *out, struct err *err)
{
	struct answer answer;
	struct ask ask = { .mark = ASK_MARK, .number = ++s->number, .use = r->use, .days = r->days };
	/* the signer checks again: here it is about what fits into the message */
	int code = request_check(r, err);
	if (code)
		return code;
	ask.n_names = (uint32_t)r->n_names;
	ask.n_key = (uint16_t)r->public_key.n;
	ask.n_common_name = (uint16_t)r->common_name.n;
	memcpy(ask.key, r->public_key.p, r->public_key.n);
	memcpy(ask.common_name, r->common_name.p, r->common_name.n);
	for (size_t i = 0; i < r->n_names; i++) {
		ask.n_name[i] = (uint16_t)r->names[i].n;
		memcpy(ask.name[i], r->names[i].p, r->names[i].n);
	}
	if (send(s->fd, &ask, sizeof(ask), MSG_NOSIGNAL) != (ssize_t)sizeof(ask))
		return err_set(err, -EPIPE, "the signer has ended");
	code = receive(s, &answer, err);
	if (code)
		return code;
	if (answer.code)
		return refused(&answer, err);
	buf_add(out, (struct str){ answer.text, answer.n });
	return out->failed ? err_set(err, -ENOMEM, "sign a certificate: %m") : 0;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	close(s->fd);
	if (s->pid > 0 && s->owner == getpid()) {
		/* it has nothing to finish; by its descriptor, so that it can be no other process */
		if (s->pidfd >= 0)
			pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (s->pidfd >= 0)
		close(s->pidfd);
	free(s);
}
