/* Posts in the front: which certificates are good, what they ask, and the orders that wait for them. */
#include "cmd/hub_posts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { ASKED_MAX = 256, WRONG_MAX = 10, PEERS = 1024 };
enum { ORDERS_AT_ONCE = 64, ORDERS_BYTES = 256 << 10 }; /* in an answer: what a post can hold; it asks for more */
enum { SENT_AT_ONCE = 1024 };
static const int64_t MINUTE = 60LL * CLOCK_S;

struct known_post {
	struct link_post post;
	struct sender *sender; /* made when it first comes */
	int64_t seen, told;    /* µs wall; told: the keeper knows */
	bool renewed;          /* it shows its last certificate, which the keeper was told */
};

struct waiting {
	struct link_order head;
	char *json;
	bool sent; /* the keeper is told, or will be */
};

struct asked {
	uint64_t number;
	struct api_question *q;
};

/* Wrong secrets of an address within the minute. Who takes its place in the table makes it forgotten, not somebody shut out. */
struct peer {
	uint64_t who;
	unsigned wrong;
};

struct posts_front {
	struct front *f;
	struct known_post *known; /* by name */
	size_t n_known;
	struct waiting *orders; /* as they were signed */
	size_t n_orders;
	struct buf orders_text; /* what json points into */
	struct buf sent;        /* ids for LINK_SENT */
	struct sender **extra;  /* of posts for which there was no room among all senders: theirs alone, for good */
	size_t n_extra;
	struct asked asked[ASKED_MAX];
	size_t n_asked;
	uint64_t number;
	int64_t minute; /* when it began */
	struct peer peers[PEERS];
	unsigned char key[crypto_shorthash_KEYBYTES]; /* so that nobody can choose its place there */
	int64_t told_at;
	uint64_t enrolled, renewed, refused, limited;
};

int posts_front_new(struct posts_front **ret, struct front *f)
{
	struct posts_front *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->f = f;
	randombytes_buf(p->key, sizeof(p->key));
	*ret = p;
	return 0;
}

void posts_front_free(struct posts_front *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_asked; i++)
		api_answer(p->asked[i].q, 503, STR("{}\n"));
	for (size_t i = 0; i < p->n_extra; i++)
		free(p->extra[i]);
	free(p->extra);
	free(p->known);
	free(p->orders);
	buf_free(&p->orders_text);
	buf_free(&p->sent);
	free(p);
}

/* --- who --- */

static int by_name(const void *name, const void *known)
{
	return strcmp(name, ((const struct known_post *)known)->post.name);
}

static struct known_post *find(const struct posts_front *p, struct str name)
{
	char key[POST_NAME + 1];
	if (!name.n || name.n > POST_NAME || !p->n_known)
		return NULL;
	memcpy(key, name.p, name.n);
	key[name.n] = '\0';
	return bsearch(key, p->known, p->n_known, sizeof(*p->known), by_name);
}

/* The name of a post's events hangs on it: so it is never the one that many share. */
static struct sender *sender_of(struct posts_front *p, const struct link_post *post)
{
	char text[SENDER_NAME];
	snprintf(text, sizeof(text), "post %s", post->name);
	struct sender *s = senders_get(p->f->senders, str_from(text));
	for (size_t i = 0; i < p->n_extra && strcmp(s->name, text) != 0; i++)
		s = strcmp(p->extra[i]->name, text) == 0 ? p->extra[i] : s;
	if (strcmp(s->name, text) != 0) {
		struct sender **more =
		        p->n_extra < POSTS_MAX ? realloc(p->extra, (p->n_extra + 1) * sizeof(*more)) : NULL;
		p->extra = more ? more : p->extra;
		s = more ? calloc(1, sizeof(*s)) : NULL;
		if (!s)
			return NULL;
		memcpy(s->name, text, sizeof(s->name));
		p->extra[p->n_extra++] = s;
	}
	memcpy(s->host, post->name, sizeof(s->host));
	memcpy(s->unit, post->unit, sizeof(s->unit));
	return s;
}

static struct sender *who(void *arg, struct str name, struct str unit, struct str serial)
{
	struct front *f = arg;
	struct known_post *k = find(f->posts, name);
	if (!k || !str_eq(unit, str_from(k->post.unit)))
		return NULL;
	const bool last = str_eq(serial, str_from(k->post.serial));
	if (!last && !(*k->post.before && str_eq(serial, str_from(k->post.before))))
		return NULL;
	if (!k->sender && !(k->sender = sender_of(f->posts, &k->post)))
		return NULL;
	k->seen = clock_wall(f->clock);
	/* the certificate before ends with the first use of its next: that is told at once */
	if (last && *k->post.before && !k->renewed)
		k->told = 0;
	k->renewed |= last;
	return k->sender;
}

/* --- what they ask --- */

/* An IPv6 host has a whole /64 to itself. */
static uint64_t peer_hash(const struct posts_front *p, const char *peer)
{
	unsigned char bytes[16] = { 0 }, hash[crypto_shorthash_BYTES];
	uint64_t h;
	size_t n = inet_pton(AF_INET6, peer, bytes) == 1 ? 8 : inet_pton(AF_INET, peer, bytes) == 1 ? 4 : 0;
	crypto_shorthash(hash, bytes, n, p->key);
	memcpy(&h, hash, sizeof(h));
	return h;
}

static void count_wrong(struct posts_front *p, const struct api_question *q)
{
	const uint64_t who = peer_hash(p, q->peer);
	struct peer *at = &p->peers[who % PEERS];
	if (at->who != who)
		*at = (struct peer){ .who = who };
	at->wrong++;
}

static bool too_many(struct posts_front *p, const struct api_question *q)
{
	const int64_t now = clock_monotonic(p->f->clock);
	if (now - p->minute >= MINUTE || !p->minute) {
		p->minute = now;
		memset(p->peers, 0, sizeof(p->peers));
	}
	const uint64_t who = peer_hash(p, q->peer);
	const struct peer *at = &p->peers[who % PEERS];
	return q->what == API_ENROL && at->who == who && at->wrong >= WRONG_MAX;
}

static void refuse(struct api_question *q, unsigned status, const char *reason)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
	                 "{\"error\":{\"type\":\"security_exception\",\"reason\":\"%s\"},\"status\":%u}\n", reason,
	                 status);
	api_answer(q, status, (struct str){ text, (size_t)n });
}

static void ask(void *arg, struct api_question *q)
{
	struct front *f = arg;
	struct posts_front *p = f->posts;
	struct link_ask ask = { .what = q->what };
	struct buf body = { 0 };
	if (too_many(p, q)) {
		p->limited++;
		refuse(q, 429, "too many wrong secrets: try again in a minute");
		return;
	}
	if (p->n_asked == ASKED_MAX || f->stopping || strlen(q->order) > STATE_ORDER_ID) {
		refuse(q, strlen(q->order) > STATE_ORDER_ID ? 404 : 503, "it can't be asked now");
		return;
	}
	memcpy(ask.post, q->post, sizeof(ask.post));
	memcpy(ask.serial, q->serial, sizeof(ask.serial));
	memcpy(ask.order, q->order, strlen(q->order));
	buf_add(&body, (struct str){ (const char *)&ask, sizeof(ask) });
	buf_add(&body, buf_str(&q->body));
	const struct link_head head = { .kind = LINK_ASK, .seq = ++p->number };
	link_put(&f->link, &head, buf_str(&body));
	if (body.p)
		explicit_bzero(body.p, body.cap);
	buf_free(&body);
	p->asked[p->n_asked++] = (struct asked){ p->number, q };
}

static int hear_reply(struct posts_front *p, const struct link_head *head, struct str body)
{
	size_t i = 0;
	while (i < p->n_asked && p->asked[i].number != head->seq)
		i++;
	if (i == p->n_asked)
		return -EPROTO;
	struct api_question *q = p->asked[i].q;
	p->asked[i] = p->asked[--p->n_asked];
	if (q->what == API_ENROL && (head->code == 403 || head->code == 400))
		count_wrong(p, q);
	p->refused += head->code >= 400;
	p->enrolled += q->what == API_ENROL && head->code == 200;
	p->renewed += q->what == API_RENEW && head->code == 200;
	api_answer(q, (unsigned)head->code, body);
	return 0;
}

/* --- the lists --- */

static void all_changed(struct posts_front *p)
{
	for (size_t i = 0; i < p->f->n_apis; i++)
		api_posts_changed(p->f->apis[i]);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct known_post *)a)->post.name, ((const struct known_post *)b)->post.name);
}

static int hear_posts(struct posts_front *p, const struct link_head *head, struct str body)
{
	if (body.n != head->n * sizeof(struct link_post))
		return -EPROTO;
	struct known_post *fresh = calloc(head->n + 1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i < head->n; i++) {
		memcpy(&fresh[i].post, body.p + i * sizeof(struct link_post), sizeof(struct link_post));
		const struct known_post *was = find(p, str_from(fresh[i].post.name));
		if (was && strcmp(was->post.unit, fresh[i].post.unit) == 0)
			fresh[i].sender = was->sender;
		fresh[i].seen = was ? was->seen : 0;
		fresh[i].told = was ? was->told : 0;
	}
	qsort(fresh, head->n, sizeof(*fresh), compare);
	free(p->known);
	p->known = fresh;
	p->n_known = head->n;
	all_changed(p);
	return 0;
}

static int by_turn(const void *a, const void *b)
{
	const uint64_t x = ((const struct waiting *)a)->head.turn, y = ((const struct waiting *)b)->head.turn;
	return x < y ? -1 : x > y;
}

/* Of what the keeper was told, it isn't told again. */
static bool was_sent(const struct posts_front *p, uint64_t turn)
{
	const struct waiting key = { .head.turn = turn };
	const struct waiting *w =
	        p->n_orders ? bsearch(&key, p->orders, p->n_orders, sizeof(*p->orders), by_turn) : NULL;
	return w && w->sent;
}

static int hear_orders(struct posts_front *p, const struct link_head *head, struct str body)
{
	struct waiting *fresh = calloc(head->n + 1, sizeof(*fresh));
	struct buf text = { 0 };
	buf_add(&text, body);
	size_t at = 0, n = 0;
	for (; fresh && !text.failed && n < head->n; n++) {
		if (text.n - at < sizeof(fresh[n].head))
			break;
		memcpy(&fresh[n].head, text.p + at, sizeof(fresh[n].head));
		at += sizeof(fresh[n].head);
		fresh[n].head.post[POST_NAME] = fresh[n].head.id[STATE_ORDER_ID] = '\0';
		if (text.n - at < fresh[n].head.size)
			break;
		fresh[n].sent = was_sent(p, fresh[n].head.turn);
		fresh[n].json = text.p + at;
		at += fresh[n].head.size;
	}
	if (!fresh || text.failed || n != head->n) {
		free(fresh);
		buf_free(&text);
		return fresh ? -EPROTO : -ENOMEM;
	}
	qsort(fresh, n, sizeof(*fresh), by_turn);
	free(p->orders);
	buf_free(&p->orders_text);
	p->orders = fresh;
	p->n_orders = n;
	p->orders_text = text;
	all_changed(p);
	return 0;
}

static size_t orders(void *arg, struct str post, uint64_t after, struct buf *out)
{
	const struct front *f = arg;
	struct posts_front *p = f->posts;
	const int64_t now = clock_wall(f->clock);
	const size_t from = out ? out->n : 0;
	size_t n = 0;
	for (size_t i = 0; i < p->n_orders && n < ORDERS_AT_ONCE; i++) {
		struct waiting *w = &p->orders[i];
		if (w->head.turn <= after || w->head.expires <= now || !str_eq(str_from(w->head.post), post))
			continue;
		if (out && n && out->n - from + w->head.size > ORDERS_BYTES)
			break; /* its cursor goes on from there */
		if (out && n)
			buf_putc(out, ',');
		if (out)
			buf_add(out, (struct str){ w->json, w->head.size });
		if (out && !w->sent)
			buf_add(&p->sent, (struct str){ w->head.id, sizeof(w->head.id) });
		w->sent |= out != NULL;
		n++;
	}
	return n;
}

int posts_front_hear(struct posts_front *p, const struct link_head *head, struct str body)
{
	switch (head->kind) {
	case LINK_REPLY: return hear_reply(p, head, body);
	case LINK_POSTS: return hear_posts(p, head, body);
	case LINK_ORDERS: return hear_orders(p, head, body);
	default: return -EPROTO;
	}
}

struct api_posts posts_front_api(struct front *f)
{
	return (struct api_posts){ .ca = f->c->ca, .who = who, .ask = ask, .orders = orders };
}

void posts_front_tick(struct posts_front *p)
{
	struct buf body = { 0 };
	for (struct str rest = buf_str(&p->sent); rest.n;) {
		const struct str some = str_sub(rest, 0, (size_t)SENT_AT_ONCE * (STATE_ORDER_ID + 1));
		const struct link_head sent = { .kind = LINK_SENT, .n = some.n / (STATE_ORDER_ID + 1) };
		link_put(&p->f->link, &sent, some);
		rest = str_sub(rest, some.n, rest.n);
	}
	p->sent.n = 0;
	const int64_t now = clock_monotonic(p->f->clock);
	const bool all = now - p->told_at >= MINUTE;
	for (size_t i = 0; i < p->n_known; i++) {
		struct known_post *k = &p->known[i];
		if (k->seen <= k->told || (k->told && !all))
			continue;
		struct link_seen seen = { .when = k->seen };
		memcpy(seen.name, k->post.name, sizeof(seen.name));
		memcpy(seen.serial, k->renewed ? k->post.serial : k->post.before, sizeof(seen.serial));
		buf_add(&body, (struct str){ (const char *)&seen, sizeof(seen) });
		k->told = k->seen;
	}
	const struct link_head head = { .kind = LINK_SEEN, .n = body.n / sizeof(struct link_seen) };
	if (head.n)
		link_put(&p->f->link, &head, buf_str(&body));
	buf_free(&body);
	p->told_at = all ? now : p->told_at;
}

void posts_front_metrics(const struct posts_front *p, struct buf *out)
{
	const struct {
		const char *name, *kind, *help;
		uint64_t value;
	} all[] = {
		{ "posts", "gauge", "Posts that are known and not revoked.", p->n_known },
		{ "posts_enrolled_total", "counter", "Posts that were let in.", p->enrolled },
		{ "posts_renewed_total", "counter", "Certificates of posts that were renewed.", p->renewed },
		{ "posts_refused_total", "counter", "What posts, or who wanted to be one, asked for in vain.",
		  p->refused },
		{ "enrolments_limited_total", "counter", "Secrets not looked at, after too many wrong ones.",
		  p->limited },
		{ "orders_waiting", "gauge", "Orders that their posts have not reported.", p->n_orders },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		buf_printf(out, "# HELP khien_%s %s\n# TYPE khien_%s %s\nkhien_%s %llu\n", all[i].name, all[i].help,
		           all[i].name, all[i].kind, all[i].name, (unsigned long long)all[i].value);
}
