#include "kiosk/pass.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* TLS 1.3 alone, keys agreed on anew for each line (no psk_ke); SHA-256, as external keys have it. No tickets: each line is new. */
static const char priority[] = "NONE:+VERS-TLS1.3:+CHACHA20-POLY1305:+AES-128-GCM:+AEAD:+GROUP-X25519:+DHE-PSK:"
                               "+COMP-NULL:+SIGN-EDDSA-ED25519"; /* GnuTLS asks for the last two; neither is used */
static const char identity[] = "khien";

struct pass {
	int fd;
	bool up, again; /* again: GnuTLS holds bytes that the socket didn't take */
	gnutls_session_t session;
	gnutls_psk_client_credentials_t client;
	gnutls_psk_server_credentials_t server;
	unsigned char key[PASS_KEY];
	const struct clock *clock;
	int64_t since;
	struct frames frames;
};

void pass_key(const unsigned char link_key[PASS_KEY], const char *purpose, unsigned char key[PASS_KEY])
{
	crypto_generichash(key, PASS_KEY, (const unsigned char *)purpose, strlen(purpose), link_key, PASS_KEY);
}

static int give_key(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
	const struct pass *p = gnutls_session_get_ptr(session);
	if (strcmp(name, identity) != 0 || !(key->data = gnutls_malloc(PASS_KEY)))
		return -1;
	memcpy(key->data, p->key, PASS_KEY);
	key->size = PASS_KEY;
	return 0;
}

static int credentials(struct pass *p, bool dialled)
{
	const gnutls_datum_t key = { p->key, PASS_KEY };
	int code;
	if (dialled) {
		if ((code = gnutls_psk_allocate_client_credentials(&p->client)) ||
		    (code = gnutls_psk_set_client_credentials(p->client, identity, &key, GNUTLS_PSK_KEY_RAW)))
			return code;
		return gnutls_credentials_set(p->session, GNUTLS_CRD_PSK, p->client);
	}
	if ((code = gnutls_psk_allocate_server_credentials(&p->server)))
		return code;
	gnutls_psk_set_server_credentials_function(p->server, give_key);
	return gnutls_credentials_set(p->session, GNUTLS_CRD_PSK, p->server);
}

int pass_new(struct pass **ret, int fd, bool dialled, const unsigned char key[PASS_KEY], size_t message_max,
             const struct clock *clock, struct err *err)
{
	const unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS;
	const int on = 1;
	struct pass *p = calloc(1, sizeof(*p));
	if (!p) {
		close(fd);
		return err_set(err, -ENOMEM, "begin a pass: %m");
	}
	*p = (struct pass){ .fd = fd, .clock = clock, .since = clock_monotonic(clock) };
	memcpy(p->key, key, PASS_KEY);
	frames_init(&p->frames, message_max);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* each message is waited for */
	int code = gnutls_init(&p->session, flags | (dialled ? GNUTLS_CLIENT : GNUTLS_SERVER));
	if (!code)
		code = gnutls_priority_set_direct(p->session, priority, NULL);
	if (!code)
		code = credentials(p, dialled);
	if (code) {
		pass_free(p);
		return err_set(err, -EIO, "begin a pass: %s", gnutls_strerror(code));
	}
	gnutls_session_set_ptr(p->session, p);
	gnutls_transport_set_int(p->session, fd);
	gnutls_handshake_set_timeout(p->session, GNUTLS_INDEFINITE_TIMEOUT); /* pass_overdue() */
	*ret = p;
	return 0;
}

void pass_free(struct pass *p)
{
	if (!p)
		return;
	if (p->up && !p->again)
		gnutls_bye(p->session, GNUTLS_SHUT_WR);
	if (p->session)
		gnutls_deinit(p->session);
	if (p->client)
		gnutls_psk_free_client_credentials(p->client);
	if (p->server)
		gnutls_psk_free_server_credentials(p->server);
	frames_free(&p->frames);
	close(p->fd);
	sodium_memzero(p->key, sizeof(p->key));
	free(p);
}

int pass_fd(const struct pass *p)
{
	return p->fd;
}

bool pass_is_up(const struct pass *p)
{
	return p->up;
}

bool pass_overdue(const struct pass *p)
{
	return !p->up && clock_monotonic(p->clock) - p->since >= PASS_SHAKE_US;
}

bool pass_wants_write(const struct pass *p)
{
	if (!p->up)
		return gnutls_record_get_direction(p->session) == 1;
	return p->again || frames_pending(&p->frames);
}

int pass_put(struct pass *p, struct str message)
{
	return frames_put(&p->frames, message, STR(""));
}

/* --- what GnuTLS says --- */

static bool not_yet(ssize_t code)
{
	return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED;
}

/* Whether the two keys differ shows in different ways at the two ends. */
static bool has_no_key(int code)
{
	switch (code) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
	case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
	case GNUTLS_E_DECRYPTION_FAILED:
	case GNUTLS_E_MAC_VERIFY_FAILED:
	case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
	case GNUTLS_E_NO_CIPHER_SUITES:
	case GNUTLS_E_NO_COMMON_KEY_SHARE: return true;
	default: return false;
	}
}

static int meaning(struct pass *p, int code, struct err *err)
{
	if (!p->up && has_no_key(code))
		return err_set(err, -EACCES, "the other end doesn't have the same key");
	if (code == GNUTLS_E_PREMATURE_TERMINATION || code == GNUTLS_E_PUSH_ERROR || code == GNUTLS_E_PULL_ERROR)
		return err_set(err, -EPIPE, "the other end is gone");
	return err_set(err, -EPROTO, "pass: %s", gnutls_strerror(code));
}

struct io {
	struct pass *p;
	int code; /* of GnuTLS */
};

static ssize_t result(struct io *io, ssize_t n)
{
	if (n >= 0)
		return n;
	if (not_yet(n))
		return -EAGAIN;
	io->code = (int)n;
	return -EPROTO;
}

static ssize_t read_some(void *arg, char *to, size_t n)
{
	struct io *io = arg;
	return result(io, gnutls_record_recv(io->p->session, to, n));
}

/* What wasn't taken is offered again by GnuTLS itself, from a copy: it may have moved here. */
static ssize_t write_some(void *arg, const char *from, size_t n)
{
	struct io *io = arg;
	ssize_t sent = io->p->again ? gnutls_record_send(io->p->session, NULL, 0)
	                            : gnutls_record_send(io->p->session, from, n);
	io->p->again = not_yet(sent);
	return result(io, sent);
}

/* --- its work --- */

static int shake(struct pass *p, struct err *err)
{
	int code = gnutls_handshake(p->session);
	if (!code)
		p->up = true;
	if (!code || !gnutls_error_is_fatal(code))
		return 0;
	gnutls_alert_send_appropriate(p->session, code); /* so that the other end knows why */
	return meaning(p, code, err);
}

/* One record at a time is read; GnuTLS may hold more, which the socket says nothing of. */
static int take(struct pass *p, void (*fn)(void *arg, struct str message), void *arg, struct err *err)
{
	struct io io = { .p = p };
	struct str message;
	size_t before;
	int code, got;
	do {
		before = p->frames.in.n - p->frames.used;
		code = frames_read(&p->frames, read_some, &io);
		const bool more = p->frames.in.n > before;
		if (code)
			break;
		while ((got = frames_next(&p->frames, &message)) == 1)
			fn(arg, message);
		if (got < 0)
			return err_set(err, got, "a message is longer than it may be");
		if (!more)
			break;
	} while (true);
	if (code == -EPROTO)
		return meaning(p, io.code, err);
	return code ? err_set(err, code, code == -EPIPE ? "the other end is gone" : "read: %m") : 0;
}

int pass_run(struct pass *p, void (*fn)(void *arg, struct str message), void *arg, struct err *err)
{
	struct io io = { .p = p };
	int code = p->up ? 0 : shake(p, err);
	if (code || !p->up)
		return code;
	code = take(p, fn, arg, err);
	if (code)
		return code;
	code = frames_write(&p->frames, write_some, &io);
	return code == -EPROTO ? meaning(p, io.code, err) : code;
}
