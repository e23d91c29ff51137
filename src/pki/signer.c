/*
 * The signer: a process that holds the CA's key and does nothing but sign.
 *
 *   the hub --struct ask--> signer --struct answer--> the hub        (one at a time, SOCK_SEQPACKET)
 *   the hub --struct ask_order--> signer                             (of signer_posts() only)
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

enum {
	ASK_MARK = 0x4b534732 /* "KSG2" */,
	ORDER_MARK = 0x4b534f31 /* "KSO1" */,
	ANSWER_MAX = 8 << 10,
	PATIENCE_MS = 10000
};

struct ask {
	uint32_t mark, number; /* the answer has the same number */
	uint32_t use, days, n_names;
	uint16_t n_key, n_common_name, n_organization, n_prior, n_serial, n_proof, n_name[PKI_NAMES_MAX];
	char key[X509_KEY_MAX], common_name[PKI_TITLE_MAX], organization[PKI_TITLE_MAX];
	char prior[X509_KEY_MAX], serial[PKI_SERIAL], proof[X509_PROOF_MAX];
	char name[PKI_NAMES_MAX][X509_NAME_MAX];
};

struct ask_order {
	uint32_t mark, number;
	uint32_t n, approved;
	unsigned char approver[ORDER_KEY], approval[ORDER_SIGNATURE];
	char bytes[ORDER_BYTES];
};

/* Told apart by their size, and by their mark. */
union message {
	struct ask certificate;
	struct ask_order order;
};

/* What a signer has. */
struct desk {
	struct ca ca;
	bool posts; /* it signs for posts alone */
	struct order_desk orders;
	const struct clock *clock;
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
	    ask->n_common_name > sizeof(ask->common_name) || ask->n_organization > sizeof(ask->organization) ||
	    ask->n_prior > sizeof(ask->prior) || ask->n_serial > sizeof(ask->serial) ||
	    ask->n_proof > sizeof(ask->proof))
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
		                   .days = ask->days,
		                   .organization = { ask->organization, ask->n_organization },
		                   .prior = { ask->prior, ask->n_prior },
		                   .serial = { ask->serial, ask->n_serial },
		                   .proof = { ask->proof, ask->n_proof } };
	return 0;
}

/* A post's: whoever asks, nothing that is taken for a server, or for somebody of another unit. */
static int check_post(const struct desk *d, const struct pki_request *r, struct err *err)
{
	if (r->use != PKI_CLIENT || r->n_names || r->days > PKI_POST_DAYS)
		return err_set(err, -EPERM, "this signer signs certificates of posts, for up to %d days, and no others",
		               PKI_POST_DAYS);
	return str_eq(r->organization, str_from(d->orders.unit))
	               ? 0
	               : err_set(err, -EPERM, "this signer signs for the unit '%s' alone", d->orders.unit);
}

static void serve_certificate(const struct desk *d, const struct ask *ask, struct answer *a)
{
	CLEANUP(buf_free) struct buf pem = { .max = ANSWER_MAX };
	struct str names[PKI_NAMES_MAX];
	struct pki_request r;
	struct err err = { 0 };
	int code = unpack(ask, &r, names);
	if (code)
		err_set(&err, code, "that is no request");
	if (!code && d->posts)
		code = check_post(d, &r, &err);
	if (!code && r.prior.n)
		code = renewal_check(&d->ca, &r, clock_wall(d->clock) / CLOCK_S, &err);
	if (!code)
		code = ca_sign(&d->ca, &r, d->clock, &pem, &err);
	answer_text(a, code, code ? str_from(err.text) : buf_str(&pem));
}

static void serve_order(const struct desk *d, const struct ask_order *ask, struct answer *a)
{
	struct order_sealed order = { .bytes = { ask->bytes, ask->n }, .approved = ask->approved != 0 };
	struct err err = { 0 };
	memcpy(order.approver, ask->approver, sizeof(order.approver));
	memcpy(order.approval, ask->approval, sizeof(order.approval));
	int code = ask->n > sizeof(ask->bytes) ? err_set(&err, -EINVAL, "that is no order") : 0;
	if (!code)
		code = order_desk_sign(&d->orders, &order, d->clock, &err);
	answer_text(a, code,
	            code ? str_from(err.text) : (struct str){ (const char *)order.signature, ORDER_SIGNATURE });
}

static void serve_one(const struct desk *d, const union message *m, size_t n, struct answer *a)
{
	*a = (struct answer){ .number = n >= offsetof(struct ask, use) ? m->certificate.number : 0 };
	if (n == sizeof(m->certificate) && m->certificate.mark == ASK_MARK)
		serve_certificate(d, &m->certificate, a);
	else if (d->posts && n == sizeof(m->order) && m->order.mark == ORDER_MARK)
		serve_order(d, &m->order, a);
	else
		answer_text(a, -EINVAL, STR("that is no request"));
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
static void serve(const struct desk *d, int starter)
{
	struct pollfd wait[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = starter, .events = POLLIN } };
	struct answer answer;
	union message m;
	for (;;) {
		if (poll(wait, ARRAY_LEN(wait), -1) < 0 && errno != EINTR)
			return;
		if (wait[1].revents)
			return;
		memset(&m, 0, sizeof(m));
		ssize_t n = recv(STDIN_FILENO, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return;
		serve_one(d, &m, (size_t)n, &answer);
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
static int prepare(struct desk *d, const char *dir, struct buf *lacks, struct err *err)
{
	struct sandbox_report report;
	struct sandbox *sandbox;
	unsigned char warm[16];
	char unit[PKI_TITLE_MAX + 1];
	int code = ca_open(&d->ca, dir, err);
	if (!code && d->posts)
		code = x509_unit(d->ca.crt, unit, err);
	if (!code && d->posts)
		code = order_desk_open(&d->orders, dir, unit, err);
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

static void __attribute__((noreturn))
signer_main(int socket, const char *dir, bool posts, const struct clock *clock, pid_t parent)
{
	struct answer ready = { 0 };
	struct buf lacks = { 0 };
	struct err err = { 0 };
	struct desk desk = { .posts = posts, .clock = clock };
	int starter = -1, code = settle(socket, &starter, parent);
	if (code)
		_exit(1);
	code = prepare(&desk, dir, &lacks, &err);
	answer_text(&ready, code, code ? str_from(err.text) : buf_str(&lacks));
	buf_free(&lacks);
	if (send_answer(&ready) && !code)
		serve(&desk, starter);
	explicit_bzero(&desk.orders, sizeof(desk.orders));
	ca_done(&desk.ca);
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

static int start_one(struct signer **ret, const char *dir, bool posts, const struct clock *clock, struct err *err)
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
		signer_main(pair[1], dir, posts, clock, s->owner);
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

int signer_start(struct signer **ret, const char *dir, const struct clock *clock, struct err *err)
{
	return start_one(ret, dir, false, clock, err);
}

int signer_posts(struct signer **ret, const char *dir, const struct clock *clock, struct err *err)
{
	return start_one(ret, dir, true, clock, err);
}

const char *signer_lacks(const struct signer *s)
{
	return s->lacks;
}

/* request_check() has seen that it fits. */
static uint16_t put(char *to, struct str text)
{
	if (text.n)
		memcpy(to, text.p, text.n);
	return (uint16_t)text.n;
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
	ask.n_organization = put(ask.organization, r->organization);
	ask.n_prior = put(ask.prior, r->prior);
	ask.n_serial = put(ask.serial, r->serial);
	ask.n_proof = put(ask.proof, r->proof);
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

int signer_order(struct signer *s, struct order_sealed *order, struct err *err)
{
	struct answer answer;
	struct ask_order ask = { .mark = ORDER_MARK, .number = ++s->number, .approved = order->approved };
	if (order->bytes.n > sizeof(ask.bytes))
		return err_set(err, -EPERM, "an order has up to %d bytes", ORDER_BYTES);
	ask.n = (uint32_t)order->bytes.n;
	memcpy(ask.bytes, order->bytes.p, order->bytes.n);
	memcpy(ask.approver, order->approver, sizeof(ask.approver));
	memcpy(ask.approval, order->approval, sizeof(ask.approval));
	if (send(s->fd, &ask, sizeof(ask), MSG_NOSIGNAL) != (ssize_t)sizeof(ask))
		return err_set(err, -EPIPE, "the signer has ended");
	int code = receive(s, &answer, err);
	if (code)
		return code;
	if (answer.code || answer.n != ORDER_SIGNATURE)
		return refused(&answer, err);
	memcpy(order->signature, answer.text, ORDER_SIGNATURE);
	return 0;
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
