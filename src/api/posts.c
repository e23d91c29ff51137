/*
 * Posts: who they are, by their certificates, and what they ask. A certificate is looked at once for each connection, and
 * held against the list of those that the hub knows with each request.
 */
#include "api/routes.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	WAIT_S = 50, /* for orders, at most and where nothing is said */
	POST_SHARE = 4,
};

struct peer_certificate {
	char name[API_POST_NAME + 1], unit[API_POST_NAME + 1], serial[API_POST_SERIAL + 1];
	int64_t until; /* s */
};

/* --- who --- */

/* Of a name there is one, and it is all text. */
static bool name_of(gnutls_x509_crt_t crt, const char *oid, char *to, size_t size)
{
	char other[8];
	size_t n = size, m = sizeof(other);
	return !gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, to, &n) && n > 0 && n < size && strlen(to) == n &&
	       gnutls_x509_crt_get_dn_by_oid(crt, oid, 1, 0, other, &m) == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

static bool serial_of(gnutls_x509_crt_t crt, char *to)
{
	unsigned char raw[API_POST_SERIAL / 2];
	size_t n = sizeof(raw);
	if (gnutls_x509_crt_get_serial(crt, raw, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		snprintf(to + 2 * i, 3, "%02x", raw[i]);
	return n > 0;
}

static bool read_certificate(const gnutls_datum_t *der, struct peer_certificate *p)
{
	gnutls_x509_crt_t crt;
	if (gnutls_x509_crt_init(&crt))
		return false;
	bool good = !gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) &&
	            gnutls_x509_crt_get_ca_status(crt, NULL) <= 0 &&
	            name_of(crt, GNUTLS_OID_X520_COMMON_NAME, p->name, sizeof(p->name)) &&
	            name_of(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, p->unit, sizeof(p->unit)) &&
	            serial_of(crt, p->serial);
	p->until = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	return good;
}

/* What the handshake brought: signed by the hub's CA, for a client, and not over. */
static struct peer_certificate *look(struct conn *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	gnutls_typed_vdata_st want = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		                       .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };
	struct peer_certificate p = { 0 };
	unsigned n = 0, status = 0;
	gnutls_session_t session = info ? (gnutls_session_t)info->tls_session : NULL;
	const gnutls_datum_t *chain = session ? gnutls_certificate_get_peers(session, &n) : NULL;
	if (!chain || !n || gnutls_certificate_type_get(session) != GNUTLS_CRT_X509 ||
	    gnutls_certificate_verify_peers(session, &want, 1, &status) || status || !read_certificate(&chain[0], &p))
		return NULL;
	struct peer_certificate *ret = malloc(sizeof(*ret));
	if (ret)
		*ret = p;
	return ret;
}

struct sender *posts_who(struct conn *c)
{
	const struct api *a = c->a;
	if (!a->posts.who)
		return NULL;
	if (!c->looked) {
		c->certificate = look(c);
		c->looked = true;
	}
	const struct peer_certificate *p = c->certificate;
	if (!p || p->until <= clock_wall(a->c.clock) / CLOCK_S)
		return NULL;
	return a->posts.who(a->c.arg, str_from(p->name), str_from(p->unit), str_from(p->serial));
}

struct str posts_name(const struct conn *c)
{
	return c->certificate ? str_from(c->certificate->name) : STR("");
}

void posts_room(struct conn *c)
{
	unsigned n = 0;
	if (c->post || !posts_who(c))
		return;
	for (const struct conn *other = c->a->conns; other; other = other->next)
		n += other->post && str_eq(posts_name(other), posts_name(c));
	c->post = n < POST_SHARE;
	c->a->n_posts += c->post;
}

void posts_forget(struct conn *c)
{
	free(c->certificate);
	c->certificate = NULL;
}

/* --- questions: a body that goes to the keeper, and its answer --- */

static void ask_begin(struct request *r)
{
	struct api_question *q = calloc(1, sizeof(*q));
	if (!r->a->posts.ask)
		request_fail(r, MHD_HTTP_NOT_FOUND, "resource_not_found_exception", "this hub has no posts");
	else if (request_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING).n)
		request_fail(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "illegal_argument_exception",
		             "Content-Encoding is not for this");
	else if (!q || r->name.n > API_ORDER_ID)
		request_fail(r, q ? MHD_HTTP_NOT_FOUND : MHD_HTTP_SERVICE_UNAVAILABLE, "illegal_argument_exception",
		             q ? "there is no such order" : "no memory");
	if (r->status) {
		free(q);
		return;
	}
	const struct peer_certificate *p = r->sender ? r->conn->certificate : NULL;
	q->what = r->endpoint == &posts_enrol ? API_ENROL : r->endpoint == &posts_renew ? API_RENEW : API_REPORT;
	q->body.max = API_POST_BODY;
	q->asker = r;
	if (p)
		memcpy(q->post, p->name, sizeof(q->post));
	if (p)
		memcpy(q->serial, p->serial, sizeof(q->serial));
	snprintf(q->peer, sizeof(q->peer), "%s", r->conn->peer);
	memcpy(q->order, r->name.p ? r->name.p : "", r->name.n);
	r->own = q;
}

static void ask_feed(struct request *r, struct str bytes)
{
	struct api_question *q = r->own;
	buf_add(&q->body, bytes);
	if (q->body.failed)
		request_fail(r, MHD_HTTP_CONTENT_TOO_LARGE, "illegal_argument_exception",
		             "the body may have up to %d bytes", API_POST_BODY);
}

static void question_free(struct api_question *q)
{
	if (q && q->body.p)
		explicit_bzero(q->body.p, q->body.cap); /* a secret may stand in it */
	if (q)
		buf_free(&q->body);
	free(q);
}

/* It is out: whoever answers it has it. */
static void ask_end(struct request *r)
{
	struct api_question *q = r->own;
	r->until = INT64_MAX;
	r->a->posts.ask(r->a->c.arg, q);
}

static bool ask_waits(const struct request *r)
{
	return r->own != NULL;
}

/* The other side is gone before the answer, or the question was never whole. */
static void ask_done(struct request *r)
{
	struct api_question *q = r->own;
	if (!q)
		return;
	q->asker = NULL;
	if (!r->until)
		question_free(q);
	r->own = NULL;
}

void api_answer(struct api_question *q, unsigned status, struct str json)
{
	struct request *r = q->asker;
	question_free(q);
	if (!r)
		return;
	r->own = NULL;
	r->out.n = 0;
	buf_add(&r->out, json);
	r->status = status;
	r->retry_after = status == MHD_HTTP_TOO_MANY_REQUESTS     ? 60
	                 : status == MHD_HTTP_SERVICE_UNAVAILABLE ? RETRY_AFTER_S
	                                                          : 0;
	api_request_go_on(r);
}

/* --- orders: held until there is one --- */

static bool number(struct str text, uint64_t most, uint64_t *ret)
{
	uint64_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || i > 17)
			return false;
		n = n * 10 + (uint64_t)(text.p[i] - '0');
	}
	*ret = n;
	return n <= most;
}

static bool orders_wait(const struct request *r)
{
	return !r->a->draining && r->until > clock_monotonic(r->a->c.clock) &&
	       !r->a->posts.orders(r->a->c.arg, posts_name(r->conn), r->after, NULL);
}

/* One is held for a post: who asks again has given up the one before. */
static void end_others(struct request *r)
{
	for (struct conn *c = r->a->conns; c; c = c->next) {
		if (c == r->conn || !c->r || c->r->endpoint != &posts_orders || !c->r->suspended ||
		    !str_eq(posts_name(c), posts_name(r->conn)))
			continue;
		c->r->until = 0;
		api_request_go_on(c->r);
	}
}

static void orders_begin(struct request *r)
{
	uint64_t wait = WAIT_S;
	struct str after = request_argument(r, "after"), given = request_argument(r, "wait");
	if (!number(after, INT64_MAX, &r->after) || (given.n && !number(given, WAIT_S, &wait))) {
		request_fail(r, MHD_HTTP_BAD_REQUEST, "illegal_argument_exception",
		             "after is a number, wait one up to %d", WAIT_S);
		return;
	}
	r->until = clock_monotonic(r->a->c.clock) + (int64_t)wait * CLOCK_S;
	end_others(r);
}

static void orders_answer(struct request *r)
{
	buf_add(&r->out, STR("{\"orders\":["));
	r->a->posts.orders(r->a->c.arg, posts_name(r->conn), r->after, &r->out);
	buf_printf(&r->out, "],\"time\":%lld}\n", (long long)clock_wall(r->a->c.clock));
}

void posts_tick(struct api *a, int64_t now)
{
	for (struct conn *c = a->conns; c; c = c->next)
		if (c->r && c->r->endpoint == &posts_orders && c->r->suspended && (now >= c->r->until || a->draining))
			api_request_go_on(c->r);
}

void api_posts_changed(struct api *a)
{
	for (struct conn *c = a->conns; c; c = c->next) {
		const bool held = c->r && c->r->endpoint == &posts_orders && c->r->suspended;
		if (c->certificate && !posts_who(c)) {
			const union MHD_ConnectionInfo *info =
			        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
			if (held) {
				c->r->hang_up = true;
				request_fail(c->r, MHD_HTTP_UNAUTHORIZED, "security_exception",
				             "this hub doesn't know the post any more");
				api_request_go_on(c->r);
			} else if (c->r && (c->r->ended || c->r->status)) {
				c->r->hang_up = true; /* nothing more is read, but its answer isn't taken from it */
			} else if (info) {
				shutdown(info->connect_fd, SHUT_RDWR);
			}
		} else if (held) {
			api_request_go_on(c->r);
		}
	}
}

const struct endpoint posts_enrol = {
	.ingests = true, .begin = ask_begin, .feed = ask_feed, .end = ask_end, .waits = ask_waits, .done = ask_done
};
const struct endpoint posts_renew = {
	.ingests = true, .begin = ask_begin, .feed = ask_feed, .end = ask_end, .waits = ask_waits, .done = ask_done
};
const struct endpoint posts_report = {
	.ingests = true, .begin = ask_begin, .feed = ask_feed, .end = ask_end, .waits = ask_waits, .done = ask_done
};
const struct endpoint posts_orders = { .begin = orders_begin, .answer = orders_answer, .waits = orders_wait };
