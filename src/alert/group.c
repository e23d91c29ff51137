#include "alert/group.h"

#include "base/clock.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_TEXT = 256, DEFAULT_MAX = 4096, N_TEXTS = 3 };

struct open {
	struct group group; /* texts point into `text` */
	struct open *chain; /* in its bucket */
	struct open *older, *newer;
	unsigned char key[16]; /* hash of who it is */
	int64_t seen, told;    /* on the clock of `now` */
	uint64_t told_count;
	char text[];
};

struct groups {
	const struct ruleset *rs;
	struct groups_config config;
	struct groups_counts counts;
	struct open *oldest, *newest;                               /* by when a match last came */
	uint32_t n_buckets;                                         /* a power of two */
	unsigned char secret[crypto_shorthash_siphashx24_KEYBYTES]; /* nobody can choose texts that meet in a bucket */
	struct open *buckets[];
};

int groups_new(struct groups **ret, const struct ruleset *rs, const struct groups_config *config, struct err *err)
{
	struct groups_config c = *config;
	c.quiet = c.quiet ? c.quiet : 300LL * CLOCK_S;
	c.longest = c.longest ? c.longest : 3600LL * CLOCK_S;
	c.again = c.again ? c.again : 300LL * CLOCK_S;
	c.max = c.max ? c.max : DEFAULT_MAX;
	uint32_t n = 64;
	while (n < c.max && n < 1u << 24)
		n *= 2;
	if (sodium_init() < 0)
		return err_set(err, -EIO, "start libsodium, for random keys: %m");
	struct groups *g = calloc(1, sizeof(*g) + n * sizeof(g->buckets[0]));
	if (!g)
		return err_set(err, -ENOMEM, "group alerts: %m");
	g->rs = rs;
	g->config = c;
	g->n_buckets = n;
	randombytes_buf(g->secret, sizeof(g->secret));
	*ret = g;
	return 0;
}

static struct open **bucket_of(struct groups *g, const unsigned char key[16])
{
	uint64_t h;
	memcpy(&h, key, sizeof(h));
	return &g->buckets[h & (g->n_buckets - 1)];
}

static void list_remove(struct groups *g, struct open *o)
{
	*(o->older ? &o->older->newer : &g->oldest) = o->newer;
	*(o->newer ? &o->newer->older : &g->newest) = o->older;
}

static void list_add(struct groups *g, struct open *o)
{
	o->older = g->newest;
	o->newer = NULL;
	*(g->newest ? &g->newest->newer : &g->oldest) = o;
	g->newest = o;
}

static void put_in(struct groups *g, struct open *o)
{
	struct open **bucket = bucket_of(g, o->key);
	o->chain = *bucket;
	*bucket = o;
}

static void take_out(struct groups *g, struct open *o)
{
	struct open **at = bucket_of(g, o->key);
	while (*at != o)
		at = &(*at)->chain;
	*at = o->chain;
}

static void drop(struct groups *g, struct open *o)
{
	take_out(g, o);
	list_remove(g, o);
	g->counts.open--;
	free(o);
}

void groups_free(struct groups *g)
{
	while (g && g->oldest)
		drop(g, g->oldest);
	free(g);
}

struct groups_counts groups_counts(const struct groups *g)
{
	return g->counts;
}

static void hash_more(const struct groups *g, unsigned char key[16], struct str s)
{
	unsigned char both[32];
	memcpy(both, key, 16);
	crypto_shorthash_siphashx24(both + 16, (const unsigned char *)(s.p ? s.p : ""), s.n, g->secret);
	crypto_shorthash_siphashx24(key, both, sizeof(both), g->secret);
}

static void key_of(const struct groups *g, unsigned char key[16], uint32_t rule, const struct str *who)
{
	memset(key, 0, 16);
	memcpy(key, &rule, sizeof(rule));
	for (int i = 0; i < N_TEXTS; i++)
		hash_more(g, key, who[i]);
}

static struct str cut(struct str s)
{
	if (s.n <= MAX_TEXT)
		return s;
	s.n = MAX_TEXT;
	while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80) /* not inside of a character */
		s.n--;
	return s;
}

static void make_id(const struct groups *g, struct group *group)
{
	const struct rule *r = &g->rs->rules[group->rule];
	const struct str texts[] = { ruleset_text(g->rs, r->id.len ? r->id : r->title), group->host, group->user,
		                     group->address };
	unsigned char sum[16];
	crypto_generichash_state h;
	crypto_generichash_init(&h, NULL, 0, sizeof(sum));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		uint64_t n = texts[i].n;
		crypto_generichash_update(&h, (const unsigned char *)&n, sizeof(n));
		crypto_generichash_update(&h, (const unsigned char *)(n ? texts[i].p : ""), n);
	}
	crypto_generichash_update(&h, (const unsigned char *)&group->first, sizeof(group->first));
	crypto_generichash_final(&h, sum, sizeof(sum));
	sodium_bin2hex(group->id, sizeof(group->id), sum, (sizeof(group->id) - 1) / 2);
}

static int tell(struct open *o, enum group_news news, const struct match *m, int64_t now, group_sink *sink, void *arg)
{
	o->told = now;
	o->told_count = o->group.count;
	return sink(arg, news, &o->group, m);
}

/* Ends one: news if it has grown since it was. */
static int end(struct groups *g, struct open *o, group_sink *sink, void *arg)
{
	int r = o->group.count > o->told_count ? sink(arg, GROUP_OVER, &o->group, NULL) : 0;
	drop(g, o);
	return r;
}

static bool belongs(const struct groups *g, const struct group *o, int64_t time)
{
	if (!time || !o->first)
		return true;
	int64_t first = time < o->first ? time : o->first, last = time > o->last ? time : o->last;
	return time >= o->first - g->config.quiet && time <= o->last + g->config.quiet &&
	       last - first <= g->config.longest;
}

static int begin(struct groups *g, const unsigned char key[16], const struct str *who, const struct match *m,
                 int64_t now, group_sink *sink, void *arg)
{
	struct group group = {
		.rule = m->rule_index,
		.host = who[0],
		.user = who[1],
		.address = who[2],
		.count = 1,
		.first = m->time,
		.last = m->time,
	};
	make_id(g, &group);
	size_t n = group.host.n + group.user.n + group.address.n;
	struct open *o = g->counts.open < g->config.max ? malloc(sizeof(*o) + n) : NULL;
	if (!o) {
		g->counts.alone++;
		return sink(arg, GROUP_ALONE, &group, m);
	}
	*o = (struct open){ .group = group, .seen = now };
	memcpy(o->key, key, sizeof(o->key));
	struct str *texts[] = { &o->group.host, &o->group.user, &o->group.address };
	char *at = o->text;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i]->n)
			memcpy(at, texts[i]->p, texts[i]->n);
		texts[i]->p = at;
		at += texts[i]->n;
	}
	put_in(g, o);
	list_add(g, o);
	g->counts.open++;
	return tell(o, GROUP_NEW, m, now, sink, arg);
}

int groups_add(struct groups *g, const struct match *m, int64_t now, group_sink *sink, void *arg)
{
	const struct str who[N_TEXTS] = { cut(m->host), cut(m->user), cut(m->address) };
	unsigned char key[16];
	int r = groups_advance(g, now, sink, arg);
	key_of(g, key, m->rule_index, who);
	struct open *o = *bucket_of(g, key);
	while (o && memcmp(o->key, key, sizeof(key)) != 0)
		o = o->chain;
	if (!r && o && !belongs(g, &o->group, m->time)) {
		r = end(g, o, sink, arg);
		o = NULL;
	}
	if (r || !o)
		return r ? r : begin(g, key, who, m, now, sink, arg);
	o->group.count++;
	if (m->time && (!o->group.first || m->time < o->group.first))
		o->group.first = m->time;
	if (m->time > o->group.last)
		o->group.last = m->time;
	o->seen = now;
	list_remove(g, o);
	list_add(g, o);
	if (o->group.count >= o->told_count * 10 || now - o->told >= g->config.again)
		return tell(o, GROUP_MORE, m, now, sink, arg);
	g->counts.counted++;
	return 0;
}

int groups_advance(struct groups *g, int64_t now, group_sink *sink, void *arg)
{
	int r = 0;
	while (!r && g->oldest && now - g->oldest->seen > g->config.quiet)
		r = end(g, g->oldest, sink, arg);
	return r;
}

int groups_flush(struct groups *g, group_sink *sink, void *arg)
{
	int r = 0;
	while (!r && g->oldest)
		r = end(g, g->oldest, sink, arg);
	return r;
}

int groups_remap(struct groups *g, const struct ruleset *rs, const uint32_t *map, group_sink *sink, void *arg)
{
	int r = 0;
	for (struct open *o = g->oldest, *next; o && !r; o = next) {
		next = o->newer;
		if (map[o->group.rule] == NO_INDEX)
			r = end(g, o, sink, arg);
	}
	for (struct open *o = g->oldest; o && !r; o = o->newer)
		take_out(g, o);
	for (struct open *o = g->oldest; o && !r; o = o->newer) {
		o->group.rule = map[o->group.rule];
		const struct str who[N_TEXTS] = { o->group.host, o->group.user, o->group.address };
		key_of(g, o->key, o->group.rule, who);
		put_in(g, o);
	}
	g->rs = rs;
	return r;
}
