/* Posts in the keeper: enrolment, renewal, reports, and what the front has to know. */
#include "cmd/hub_posts_inside.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t EXPIRE_EVERY = CLOCK_S, TRIM_EVERY = 3600LL * CLOCK_S;

/* --- the start --- */

static int add_approver(void *arg, const unsigned char public[ORDER_KEY], struct str name)
{
	struct hub_posts *p = arg;
	char key[ORDER_KEY_TEXT], text[ORDER_KEY_TEXT + PKI_TITLE_MAX + 1];
	order_key_text(public, key);
	snprintf(text, sizeof(text), "%s " STR_FMT, key, STR_ARG(name));
	buf_add(&p->approvers, p->approvers.n ? STR(",") : STR(""));
	buf_add_json(&p->approvers, str_from(text));
	return 0;
}

int hub_posts_start(struct hub_posts **ret, const char *pki, const struct clock *clock, const struct log *log,
                    struct err *err)
{
	unsigned char key[ORDER_KEY];
	struct hub_posts *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, -ENOMEM, "%m");
	p->clock = clock;
	p->log = log;
	int code = pki_load(pki, "ca.crt", &p->ca, err);
	if (!code)
		code = pki_unit(buf_str(&p->ca), p->unit, err);
	if (!code)
		code = pki_order_init(pki, key, err);
	if (!code)
		code = pki_approvers(pki, add_approver, p, err);
	if (!code)
		code = signer_posts(&p->signer, pki, clock, err);
	if (code) {
		hub_posts_free(p);
		return code;
	}
	order_key_text(key, p->order_key);
	*ret = p;
	return 0;
}

void hub_posts_begin(struct hub_posts *p, struct state *state, struct link *link)
{
	p->state = state;
	p->link = link;
}

static void question_done(struct question *q)
{
	if (q->body.p)
		sodium_memzero(q->body.p, q->body.cap);
	buf_free(&q->body);
}

/* The signer ends by itself, with this process: to end it takes rights that are gone by now. */
void hub_posts_free(struct hub_posts *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_waiting; i++)
		question_done(&p->waiting[i]);
	buf_free(&p->ca);
	buf_free(&p->approvers);
	buf_free(&p->posts);
	buf_free(&p->orders);
	free(p);
}

/* --- answers --- */

static void reply(struct hub_posts *p, const struct question *q, int status, struct str json)
{
	const struct link_head head = { .kind = LINK_REPLY, .code = status, .seq = q->number };
	link_put(p->link, &head, json);
}

static void fail(struct hub_posts *p, const struct question *q, int status, const char *reason)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	buf_add(&out, STR("{\"error\":{\"type\":\"security_exception\",\"reason\":"));
	buf_add_json(&out, str_from(reason));
	buf_printf(&out, "},\"status\":%d}\n", status);
	reply(p, q, status, buf_str(&out));
}

static int status_of(int code)
{
	switch (code) {
	case -EBADMSG:
	case -EINVAL: return 400;
	case -EACCES:
	case -EPERM: return 403;
	case -ENOENT: return 404;
	case -EEXIST:
	case -EALREADY:
	case -ESTALE: return 409;
	default: return 503;
	}
}

/* What a question says: each at most once, for a name twice has two meanings. */
enum { F_SECRET, F_NAME, F_KEY, F_CERTIFICATE, F_PROOF, F_STATE, F_RESULT, N_FIELDS };
struct said {
	struct str at[N_FIELDS];
};

static int on_field(void *arg, size_t path, uint32_t object, struct str value)
{
	struct said *f = arg;
	if (f->at[path].p)
		return -EBADMSG;
	f->at[path] = value;
	return 0;
}

static int read_fields(struct said *f, struct str json, struct arena *arena, struct err *err)
{
	static const char *const paths[N_FIELDS] = { "secret", "name",  "public_key", "certificate",
		                                     "proof",  "state", "result" };
	*f = (struct said){ 0 };
	arena->max = 1 << 20;
	int code = wire_read(json, paths, N_FIELDS, arena, on_field, f, err);
	return code ? err_set(err, code, "the body is no JSON object with each member once") : 0;
}

/* --- certificates --- */

static void answer_certificate(struct hub_posts *p, const struct question *q, struct str name, struct str pem,
                               int64_t until)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	buf_add(&out, STR("{\"name\":"));
	buf_add_json(&out, name);
	buf_add(&out, STR(",\"unit\":"));
	buf_add_json(&out, str_from(p->unit));
	buf_add(&out, STR(",\"certificate\":"));
	buf_add_json(&out, pem);
	buf_add(&out, STR(",\"ca\":"));
	buf_add_json(&out, buf_str(&p->ca));
	buf_printf(&out, ",\"until\":%lld,\"order_key\":\"%s\",\"approvers\":[" STR_FMT "],\"time\":%lld}\n",
	           (long long)until, p->order_key, STR_ARG(buf_str(&p->approvers)), (long long)clock_wall(p->clock));
	reply(p, q, out.failed ? 503 : 200, buf_str(&out));
}

static int sign(struct hub_posts *p, struct pki_request *r, struct buf *pem, char serial[PKI_SERIAL + 1],
                int64_t *until, struct err *err)
{
	struct pki_info info;
	r->organization = str_from(p->unit);
	r->use = PKI_CLIENT;
	r->days = PKI_POST_DAYS;
	int code = signer_sign(p->signer, r, pem, err);
	p->dead |= code == -EPIPE || code == -ETIMEDOUT;
	if (!code)
		code = pki_serial(buf_str(pem), serial, err);
	if (!code)
		code = pki_read(buf_str(pem), &info, err);
	if (!code)
		*until = info.until;
	return code;
}

/* Whether it can be a key at all: a secret isn't spent for what can't be signed. */
static bool is_key(struct str pem)
{
	return str_starts(str_trim(pem), STR("-----BEGIN PUBLIC KEY-----")) && pem.n < 2048;
}

static int enrol(struct hub_posts *p, const struct question *q, const struct said *f, struct err *err)
{
	CLEANUP(buf_free) struct buf pem = { 0 };
	struct pki_request r = { .public_key = f->at[F_KEY], .common_name = f->at[F_NAME] };
	char serial[PKI_SERIAL + 1], name[POST_NAME + 1];
	int64_t until, made = 0;
	if (!f->at[F_SECRET].n || !pki_is_title(f->at[F_NAME]) || !is_key(f->at[F_KEY]))
		return err_set(err, -EINVAL, "secret, name (1 to %d bytes, visible) and public_key are wanted",
		               PKI_TITLE_MAX);
	snprintf(name, sizeof(name), STR_FMT, STR_ARG(f->at[F_NAME]));
	int code = state_enrolment_spend(p->state, f->at[F_SECRET], f->at[F_NAME], &made, err);
	if (code)
		return code;
	code = sign(p, &r, &pem, serial, &until, err);
	if (!code)
		code = state_post_enrolled(p->state, f->at[F_NAME], str_from(p->unit), str_from(serial), until, made,
		                           err);
	if (code) {
		log_say(p->log, LOG_LEVEL_ERROR, "post-not-enrolled", LOG_TEXT("post", name),
		        LOG_TEXT("why", err->text));
		return code == -EACCES ? code
		                       : err_set(err, -EIO,
		                                 "the hub could not sign, and the secret is spent: make a new token");
	}
	log_say(p->log, LOG_LEVEL_INFO, "post-enrolled", LOG_TEXT("post", name), LOG_TEXT("serial", serial));
	answer_certificate(p, q, f->at[F_NAME], buf_str(&pem), until);
	return 0;
}

/* With one of the two certificates that are good: the last may have been lost on its way. */
static int renew(struct hub_posts *p, const struct question *q, const struct said *f, struct err *err)
{
	CLEANUP(buf_free) struct buf pem = { 0 };
	struct post post;
	char serial[PKI_SERIAL + 1];
	int64_t until;
	int code = state_post_get(p->state, str_from(q->ask.post), &post, err);
	if (code)
		return err_set(err, -EACCES, "the post is not known");
	if (post.revoked ||
	    (strcmp(q->ask.serial, post.serial) != 0 && (!*post.before || strcmp(q->ask.serial, post.before) != 0)))
		return err_set(err, -EACCES, "the certificate is not one that this hub knows");
	if (!is_key(f->at[F_KEY]) || !f->at[F_CERTIFICATE].n || !f->at[F_PROOF].n)
		return err_set(err, -EINVAL, "public_key, certificate and proof are wanted");
	struct pki_request r = { .public_key = f->at[F_KEY],
		                 .common_name = str_from(post.name),
		                 .prior = f->at[F_CERTIFICATE],
		                 .serial = str_from(q->ask.serial),
		                 .proof = f->at[F_PROOF] };
	code = sign(p, &r, &pem, serial, &until, err);
	if (!code)
		code = state_post_renewed(p->state, str_from(post.name), str_from(q->ask.serial), str_from(serial),
		                          until, err);
	if (code)
		return code;
	log_say(p->log, LOG_LEVEL_INFO, "post-renewed", LOG_TEXT("post", post.name), LOG_TEXT("serial", serial));
	answer_certificate(p, q, str_from(post.name), buf_str(&pem), until);
	return 0;
}

/* --- reports --- */

struct found {
	char post[POST_NAME + 1], undoes[ORDER_ID + 1], verb[ORDER_VERB + 1];
	int state;
};

static int on_found(void *arg, const struct order_row *o)
{
	struct found *f = arg;
	snprintf(f->post, sizeof(f->post), STR_FMT, STR_ARG(o->post));
	snprintf(f->undoes, sizeof(f->undoes), STR_FMT, STR_ARG(o->undoes));
	snprintf(f->verb, sizeof(f->verb), STR_FMT, STR_ARG(o->verb));
	f->state = o->state;
	return 0;
}

static int note_report(struct hub_posts *p, const struct question *q, const struct found *f, enum order_state state,
                       struct str result, struct err *err)
{
	const struct str id = str_from(q->ask.order), post = str_from(f->post);
	int code = state_begin(p->state, err);
	if (code)
		return code;
	code = state_order_move(p->state, id, f->state, state, post, result, result, err);
	if (!code && state == ORDER_DONE && *f->undoes) {
		code = state_order_move(p->state, str_from(f->undoes), ORDER_DONE, ORDER_UNDONE, post, id, STR(""),
		                        err);
		code = code == -ESTALE ? 0 : code; /* two took it back */
	}
	const int ended = state_commit(p->state, code ? NULL : err);
	return code ? code : ended;
}

static int report(struct hub_posts *p, const struct question *q, const struct said *f, struct err *err)
{
	struct found found = { 0 };
	enum order_state state;
	if (order_state_find(f->at[F_STATE], &state) || state < ORDER_DONE || state > ORDER_REFUSED ||
	    f->at[F_RESULT].n > ORDER_RESULT)
		return err_set(err, -EINVAL, "state is done, failed or refused; result has up to %d bytes",
		               ORDER_RESULT);
	int code = state_order_get(p->state, str_from(q->ask.order), on_found, &found, err);
	if (code || strcmp(found.post, q->ask.post) != 0 || found.state < ORDER_QUEUED)
		return err_set(err, -ENOENT, "there is no such order of this post");
	if (found.state == (int)state || (found.state == ORDER_UNDONE && state == ORDER_DONE)) {
		reply(p, q, 200, STR("{}\n"));
		return 0;
	}
	/* one that expired here may have been done there in time: what the post says is so */
	if (found.state != ORDER_QUEUED && found.state != ORDER_SENT && found.state != ORDER_EXPIRED)
		return err_set(err, -ESTALE, "it has ended already: %s",
		               order_state_name((enum order_state)found.state));
	code = note_report(p, q, &found, state, f->at[F_RESULT], err);
	if (code)
		return code;
	log_say(p->log, LOG_LEVEL_INFO, "order-ended", LOG_TEXT("id", q->ask.order), LOG_TEXT("post", found.post),
	        LOG_TEXT("verb", found.verb), LOG_TEXT("state", order_state_name(state)));
	reply(p, q, 200, STR("{}\n"));
	return 0;
}

/* --- messages --- */

static int take_ask(struct hub_posts *p, const struct link_head *head, struct str body)
{
	struct question q = { .number = head->seq };
	if (body.n < sizeof(q.ask) || body.n > sizeof(q.ask) + API_POST_BODY)
		return -EPROTO;
	memcpy(&q.ask, body.p, sizeof(q.ask));
	q.ask.post[POST_NAME] = q.ask.serial[POST_SERIAL] = q.ask.order[STATE_ORDER_ID] = '\0';
	if (p->n_waiting == WAITING_MAX) {
		fail(p, &q, 503, "too much is asked");
		return 0;
	}
	buf_add(&q.body, str_sub(body, sizeof(q.ask), body.n));
	p->waiting[p->n_waiting++] = q;
	return 0;
}

static int take_seen(struct hub_posts *p, const struct link_head *head, struct str body)
{
	struct err err;
	if (body.n != head->n * sizeof(struct link_seen) || head->n > POSTS_MAX)
		return -EPROTO;
	const bool alone = !state_begin(p->state, NULL);
	for (size_t i = 0; i < head->n; i++) {
		struct link_seen s;
		memcpy(&s, body.p + i * sizeof(s), sizeof(s));
		s.name[POST_NAME] = s.serial[POST_SERIAL] = '\0';
		if (state_post_seen(p->state, str_from(s.name), str_from(s.serial), s.when, &err))
			break;
	}
	if (alone)
		state_commit(p->state, NULL);
	return 0;
}

/* Fetched by their post. */
static int take_sent(struct hub_posts *p, const struct link_head *head, struct str body)
{
	struct err err;
	if (body.n != head->n * (ORDER_ID + 1) || head->n > ORDERS_OPEN_MAX)
		return -EPROTO;
	for (size_t i = 0; i < head->n; i++)
		state_order_move(p->state, str_sub(body, i * (ORDER_ID + 1), ORDER_ID), ORDER_QUEUED, ORDER_SENT,
		                 STR("khien"), STR("the post has fetched it"), STR(""), &err);
	return 0;
}

int hub_posts_take(struct hub_posts *p, const struct link_head *head, struct str body)
{
	switch (head->kind) {
	case LINK_ASK: return take_ask(p, head, body);
	case LINK_SEEN: return take_seen(p, head, body);
	case LINK_SENT: return take_sent(p, head, body);
	default: return -EPROTO;
	}
}

/* True: something has changed by it. Who is nobody can ask as often as they like: for a no the lists aren't made anew. */
static bool answer_one(struct hub_posts *p, const struct question *q)
{
	struct arena arena = { 0 };
	struct said f;
	struct err err = { 0 };
	int code = read_fields(&f, buf_str(&q->body), &arena, &err);
	if (!code && q->ask.what == API_ENROL)
		code = enrol(p, q, &f, &err);
	else if (!code && q->ask.what == API_RENEW)
		code = renew(p, q, &f, &err);
	else if (!code)
		code = report(p, q, &f, &err);
	if (code)
		fail(p, q, status_of(code), err.text);
	arena_free(&arena);
	return !code;
}

/* --- the lists --- */

static int add_post(void *arg, const struct post *p)
{
	struct link_post l;
	memset(&l, 0, sizeof(l));
	memcpy(l.name, p->name, sizeof(l.name));
	memcpy(l.unit, p->unit, sizeof(l.unit));
	memcpy(l.serial, p->serial, sizeof(l.serial));
	memcpy(l.before, p->before, sizeof(l.before));
	if (!p->revoked)
		buf_add(arg, (struct str){ (const char *)&l, sizeof(l) });
	return 0;
}

struct listing {
	struct buf out;
	size_t n;
};

static int add_order(void *arg, const struct order_row *o)
{
	struct listing *l = arg;
	CLEANUP(buf_free) struct buf json = { 0 };
	struct link_order head;
	struct wire_order w = { .number = o->turn, .sealed.bytes = o->bytes };
	if (o->signature.n != ORDER_SIGNATURE || o->post.n > POST_NAME)
		return 0;
	memcpy(w.sealed.signature, o->signature.p, ORDER_SIGNATURE);
	w.sealed.approved = o->approver.n == ORDER_KEY && o->approval.n == ORDER_SIGNATURE;
	if (w.sealed.approved) {
		memcpy(w.sealed.approver, o->approver.p, ORDER_KEY);
		memcpy(w.sealed.approval, o->approval.p, ORDER_SIGNATURE);
	}
	wire_order_print(&w, &json);
	memset(&head, 0, sizeof(head));
	head.turn = o->turn;
	head.expires = o->expires;
	head.size = (uint32_t)json.n;
	memcpy(head.post, o->post.p, o->post.n);
	memcpy(head.id, o->id.p, o->id.n <= STATE_ORDER_ID ? o->id.n : 0);
	buf_add(&l->out, (struct str){ (const char *)&head, sizeof(head) });
	buf_add(&l->out, buf_str(&json));
	l->n++;
	return 0;
}

/* What the front has not, it is sent. */
static void say(struct hub_posts *p, enum link_kind kind, struct buf *was, struct buf *now, size_t n)
{
	const struct link_head head = { .kind = kind, .n = n };
	if (now->failed || (p->said && str_eq(buf_str(was), buf_str(now)))) {
		buf_free(now);
		return;
	}
	link_put(p->link, &head, buf_str(now));
	buf_free(was);
	*was = *now;
}

static void say_all(struct hub_posts *p)
{
	struct listing posts = { 0 }, orders = { 0 };
	struct err err;
	int code = state_posts(p->state, add_post, &posts.out, &err);
	if (!code)
		code = state_orders(p->state, ORDER_QUEUED, add_order, &orders, &err);
	if (!code) /* a post that comes anew is told again */
		code = state_orders(p->state, ORDER_SENT, add_order, &orders, &err);
	if (code) {
		log_say(p->log, LOG_LEVEL_ERROR, "posts-not-read", LOG_TEXT("why", err.text));
		buf_free(&posts.out);
		buf_free(&orders.out);
		return;
	}
	posts.n = posts.out.n / sizeof(struct link_post);
	say(p, LINK_POSTS, &p->posts, &posts.out, posts.n);
	say(p, LINK_ORDERS, &p->orders, &orders.out, orders.n);
	p->said = true;
}

int hub_posts_work(struct hub_posts *p, bool changed)
{
	const int64_t now = clock_monotonic(p->clock);
	struct err err;
	for (size_t i = 0; i < p->n_waiting; i++) {
		changed |= answer_one(p, &p->waiting[i]);
		question_done(&p->waiting[i]);
	}
	p->n_waiting = 0;
	if (now - p->expired_at >= EXPIRE_EVERY || !p->expired_at) {
		changed |= hub_orders_expire(p);
		hub_orders_work(p); /* and those that could not be written down when they came */
		p->expired_at = now;
	} else if (changed) {
		hub_orders_work(p);
	}
	if (now - p->trimmed_at >= TRIM_EVERY || !p->trimmed_at) {
		if (state_orders_trim(p->state, &err) || state_enrolments_trim(p->state, &err))
			log_say(p->log, LOG_LEVEL_WARNING, "orders-not-trimmed", LOG_TEXT("why", err.text));
		p->trimmed_at = now;
	}
	if (changed || !p->said)
		say_all(p);
	return p->dead ? -ECHILD : 0;
}
