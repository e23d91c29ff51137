/*
 * Linux audit: the lines of one event carry its time and serial number and may stand between those of others. They
 * are gathered until the last has come; EOE or PROCTITLE say so, else two seconds of log time or many newer events.
 */
#include "intake/audit.h"
#include "intake/framer.h"

#include <errno.h>
#include <stdlib.h>

enum { MAX_GROUPS = 64, KEEP_BYTES = 64 << 10 };
static const int64_t WAIT = 2000000; /* µs */

struct group {
	struct audit_line id; /* time and serial */
	uint64_t node;        /* hash of the node's name */
	uint64_t line;
	uint64_t at; /* of its first line, in what was fed */
	bool too_long;
	char *bytes;
	size_t n, cap;
};

/* By arrival; behind the n in use stand emptied ones whose memory is kept. */
struct audit_groups {
	struct group *g[MAX_GROUPS];
	size_t n;
};

int audit_groups_new(struct audit_groups **ret)
{
	struct audit_groups *gs = calloc(1, sizeof(*gs));
	for (size_t i = 0; gs && i < MAX_GROUPS; i++) {
		gs->g[i] = calloc(1, sizeof(*gs->g[i]));
		if (!gs->g[i]) {
			audit_groups_free(gs);
			gs = NULL;
		}
	}
	*ret = gs;
	return gs ? 0 : -ENOMEM;
}

void audit_groups_free(struct audit_groups *gs)
{
	for (size_t i = 0; gs && i < MAX_GROUPS; i++) {
		if (gs->g[i])
			free(gs->g[i]->bytes);
		free(gs->g[i]);
	}
	free(gs);
}

bool audit_groups_first(const struct audit_groups *gs, uint64_t *at, uint64_t *line)
{
	for (size_t i = 0; i < gs->n; i++) {
		if (i && gs->g[i]->at >= *at)
			continue;
		*at = gs->g[i]->at;
		*line = gs->g[i]->line;
	}
	return gs->n > 0;
}

/* Copies a finished event into the batch that goes out. */
static int hand_on(struct framer *f, const struct group *g)
{
	if (g->too_long) {
		f->counts.too_long++;
		framer_skip(f, g->line, "longer than a record may be");
		return 0;
	}
	if (f->out->n_bytes + g->n > f->out->cap_bytes) {
		int r = framer_hand_on(f);
		if (r)
			return r;
	}
	struct batch *b = f->out;
	if (b->n_bytes + g->n > b->cap_bytes) { /* it has no records then */
		char *p = realloc(b->bytes, g->n);
		if (!p)
			return -ENOMEM;
		b->bytes = p;
		b->cap_bytes = g->n;
	}
	char *at = b->bytes + b->n_bytes;
	memcpy(at, g->bytes, g->n);
	b->n_bytes += g->n;
	f->odd = true; /* its lines may come from windows before this one */
	int r = framer_emit(f, b, (struct str){ at, g->n }, g->line);
	if (!r)
		b->records[b->n_records - 1].at = g->at;
	return r;
}

static int finish(struct framer *f, size_t i)
{
	struct audit_groups *gs = f->audit;
	struct group *g = gs->g[i];
	int r = hand_on(f, g);
	memmove(gs->g + i, gs->g + i + 1, (gs->n - i - 1) * sizeof(struct group *));
	gs->g[--gs->n] = g;
	if (g->cap > KEEP_BYTES) {
		free(g->bytes);
		*g = (struct group){ 0 };
	}
	return r;
}

static uint64_t hash(struct str s)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3;
	return h;
}

static size_t find(const struct audit_groups *gs, const struct audit_line *a)
{
	uint64_t node = hash(a->node);
	for (size_t i = gs->n; i-- > 0;)
		if (gs->g[i]->id.serial == a->serial && gs->g[i]->id.time == a->time && gs->g[i]->node == node)
			return i;
	return gs->n;
}

static int append(struct framer *f, struct group *g, struct str line)
{
	size_t need = g->n + line.n + 1;
	g->too_long = g->too_long || need > f->c.max_record + 1;
	if (g->too_long)
		return 0;
	if (need > g->cap) {
		size_t cap = need * 2;
		char *p = realloc(g->bytes, cap);
		if (!p)
			return -ENOMEM;
		g->bytes = p;
		g->cap = cap;
	}
	if (g->n)
		g->bytes[g->n++] = '\n';
	memcpy(g->bytes + g->n, line.p, line.n);
	g->n += line.n;
	return 0;
}

static int take_line(struct framer *f, struct str line)
{
	struct audit_groups *gs = f->audit;
	struct audit_line a;
	int r = 0;
	if (!audit_cut(line, &a)) {
		framer_skip(f, f->line, "no audit record");
		return 0;
	}
	while (!r && gs->n && a.time - gs->g[0]->id.time > WAIT)
		r = finish(f, 0);
	size_t i = find(gs, &a);
	if (str_eq(a.type, STR("EOE")))
		return r || i == gs->n ? r : finish(f, i);
	if (!r && i == gs->n && gs->n == MAX_GROUPS) {
		r = finish(f, 0);
		i = gs->n;
	}
	if (r)
		return r;
	struct group *g = gs->g[i];
	if (i == gs->n) {
		gs->n++;
		g->id = a;
		g->node = hash(a.node);
		g->line = f->line;
		g->at = f->base + f->pos;
		g->n = 0;
		g->too_long = false;
	}
	r = append(f, g, line);
	return r || !audit_is_last(&a) ? r : finish(f, i);
}

int frame_audit(struct framer *f, enum frame_when when)
{
	struct str line;
	int r = 0;
	for (size_t n; !r && (n = frame_next_line(f, when, &line)); f->pos += n, f->looked = f->pos, f->line++)
		if (str_trim(line).n)
			r = take_line(f, line);
	while (!r && f->audit->n && (when == FRAME_IDLE || when == FRAME_END))
		r = finish(f, 0);
	return r;
}
