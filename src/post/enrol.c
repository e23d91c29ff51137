#include "post/enrol.h"

#include "order/invite.h"
#include "order/wire.h"
#include "pki/pki.h"
#include "post/http.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

enum { PATIENCE_MS = 30000, WHOLE_MS = 120000 };

static void wipe(struct buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->cap);
	buf_free(b);
}

static int wait_for(int fd, short events, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = events };
	return poll(&p, 1, PATIENCE_MS) > 0 ? 0 : err_set(err, -ETIMEDOUT, "nothing came for %d s", PATIENCE_MS / 1000);
}

static int dial(struct dialer *d, unsigned hub, struct err *err)
{
	unsigned tag;
	int fd, code = dialer_ask(d, hub, 0);
	if (code)
		return err_set(err, code, "connect: %m");
	while (!code && !(code = dialer_take(d, &tag, &fd, err)))
		code = wait_for(dialer_fd(d), POLLIN, err);
	return code < 0 ? code : fd;
}

static int speak(struct http *h, const struct http_request *r, struct err *err)
{
	const int64_t until = clock_monotonic(&clock_system) + WHOLE_MS * (int64_t)CLOCK_MS;
	int code = http_ask(h, r);
	while (!code && (code = http_step(h, err)) != 0) {
		if (code != -EAGAIN && code != -EINPROGRESS)
			return code;
		if (clock_monotonic(&clock_system) > until)
			return err_set(err, -ETIMEDOUT, "it took longer than %d s", WHOLE_MS / 1000);
		code = wait_for(http_fd(h), code == -EINPROGRESS ? POLLIN | POLLOUT : POLLIN, err);
	}
	return code;
}

static int take_reason(void *arg, size_t path, uint32_t object, struct str value)
{
	snprintf(arg, 256, STR_FMT, STR_ARG(str_sub(value, 0, 255)));
	return 0;
}

/* What the hub gives for a reason, in words. */
static int refused(const struct answer *a, struct err *err)
{
	static const char *const paths[] = { "error.reason" };
	struct arena arena = { .max = 1 << 20 };
	char reason[256] = "";
	wire_read(buf_str(&a->body), paths, 1, &arena, take_reason, reason, NULL);
	arena_free(&arena);
	for (char *c = reason; *c; c++)
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
	return err_set(err, a->status == 403 ? -EACCES : -EPROTO, "the hub answered %d%s%s", a->status,
	               *reason ? ": " : "", reason);
}

static int ask_hub(struct dialer *d, const struct invite *v, unsigned hub, struct str body, struct buf *answer,
                   struct err *err)
{
	char host[DIAL_HUB], port[8];
	struct http_tls tls = { 0 };
	struct http *h;
	if (dial_split(v->hubs[hub], host, port))
		return err_set(err, -EINVAL, "'%s' is no address of a hub", v->hubs[hub]);
	tls.host = str_from(host);
	memcpy(tls.print, v->fingerprint, sizeof(tls.print));
	int fd = dial(d, hub, err);
	int code = fd < 0 ? fd : http_new(&h, fd, &tls, err);
	if (code)
		return code;
	const struct http_request r = {
		.method = "POST", .path = "/v1/enrol", .host = str_from(v->hubs[hub]), .body = body
	};
	code = speak(h, &r, err);
	if (!code && http_answer(h)->status != 200)
		code = refused(http_answer(h), err);
	if (!code)
		buf_add(answer, buf_str(&http_answer(h)->body));
	http_free(h);
	return code;
}

/* The CA that it will trust from now on is the one that the token named. */
static int check_ca(const struct identity *i, const struct invite *v, struct err *err)
{
	char print[PKI_FINGERPRINT + 1], wanted[2 * INVITE_PRINT + 1];
	sodium_bin2hex(wanted, sizeof(wanted), v->fingerprint, sizeof(v->fingerprint));
	int code = pki_fingerprint(buf_str(&i->ca), print, err);
	if (!code && strcmp(print, wanted) != 0)
		code = err_set(err, -EACCES, "the hub gave another CA than the token's");
	return code;
}

static int keep(const char *dir, const struct invite *v, const char *name, struct str json, struct str key,
                const struct clock *clock, struct enrolled *ret, struct err *err)
{
	CLEANUP(buf_free) struct buf lines = { 0 };
	CLEANUP(identity_done) struct identity i = { 0 };
	struct approver_key approvers[ORDER_KEYS_MAX];
	struct identity old = { 0 };
	struct enrolled e = { 0 };
	int64_t time = 0;
	for (; old.n_hubs < v->n_hubs && old.n_hubs < DIAL_HUBS; old.n_hubs++)
		memcpy(old.hubs[old.n_hubs], v->hubs[old.n_hubs], sizeof(v->hubs[0]));
	int code = identity_take(&old, json, key, &i, &lines, &time, err);
	if (!code && strcmp(i.name, name) != 0)
		code = err_set(err, -EPROTO, "the hub's certificate is for '%s'", i.name);
	if (!code)
		code = check_ca(&i, v, err);
	if (!code)
		code = identity_check(&i, err);
	for (struct str left = buf_str(&lines); !code && left.n && e.approvers < ORDER_KEYS_MAX; e.approvers++) {
		const size_t n = str_find(left, '\n');
		code = approver_key_read(str_sub(left, 0, n), &approvers[e.approvers], err);
		left = str_sub(left, n + 1, left.n);
	}
	if (!code)
		code = approvers_save(dir, approvers, e.approvers, err);
	if (!code)
		code = identity_save(&i, dir, err);
	if (code)
		return code;
	e.skew = time ? clock_wall(clock) - time : 0;
	snprintf(e.unit, sizeof(e.unit), "%s", i.unit);
	snprintf(e.hub, sizeof(e.hub), "%s", ret->hub);
	*ret = e;
	return 0;
}

static int enrol(struct dialer *d, const char *dir, const struct invite *v, const char *name, const struct clock *clock,
                 struct enrolled *ret, struct err *err)
{
	CLEANUP(wipe) struct buf key = { 0 };
	CLEANUP(wipe) struct buf body = { 0 };
	CLEANUP(buf_free) struct buf answer = { 0 };
	const char *hubs[INVITE_HUBS];
	char secret[INVITE_SECRET_TEXT + 1];
	for (size_t i = 0; i < v->n_hubs; i++)
		hubs[i] = v->hubs[i];
	int code = dialer_hubs(d, hubs, v->n_hubs, err);
	if (code)
		return code;
	invite_secret(v, secret);
	code = identity_ask(&key, &body, name, secret, err);
	sodium_memzero(secret, sizeof(secret));
	/* the next hub where one can't be reached; what one has refused, another won't take */
	for (unsigned i = 0; i < v->n_hubs; i++) {
		if (i ? !code || code == -EACCES || code == -EPROTO : code)
			break;
		snprintf(ret->hub, sizeof(ret->hub), "%s", v->hubs[i]);
		code = ask_hub(d, v, i, buf_str(&body), &answer, err);
	}
	return code ? code : keep(dir, v, name, buf_str(&answer), buf_str(&key), clock, ret, err);
}

int post_enrol(struct dialer *d, const char *dir, struct str token, const char *name, bool again,
               const struct clock *clock, struct enrolled *ret, struct err *err)
{
	struct identity there = { 0 };
	struct invite v;
	if (!pki_is_title(str_from(name)))
		return err_set(err, -EINVAL, "a post's name is 1 to %d visible bytes", PKI_TITLE_MAX);
	int code = identity_load(&there, dir, NULL);
	identity_done(&there);
	if (!code && !again)
		return err_set(err, -EEXIST, "this post is enrolled already; --again makes it a new one");
	code = invite_read(&v, token, err);
	if (!code)
		code = enrol(d, dir, &v, name, clock, ret, err);
	sodium_memzero(&v, sizeof(v));
	return code;
}
