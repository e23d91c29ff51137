#include "match/route.h"

#include "match/prefilter.h"

#include <errno.h>
#include <stdlib.h>

int router_init(struct router *r, const struct ruleset *rs)
{
	*r = (struct router){
		.slots = calloc(ROUTE_SLOTS, sizeof(*r->slots)),
		.seen = calloc(rs->n_sources + 1, sizeof(*r->seen)),
		.answer = calloc(rs->n_sources + 1, sizeof(*r->answer)),
	};
	if (r->slots && r->seen && r->answer)
		return 0;
	router_done(r);
	return -ENOMEM;
}

void router_done(struct router *r)
{
	free(r->slots);
	free(r->seen);
	free(r->answer);
	*r = (struct router){ 0 };
}

/* The values that routes ask for, one after the other, each with its field and length. 0: too long to remember. */
static size_t make_key(const struct eval *e, char key[ROUTE_KEY_MAX])
{
	size_t n = 1;
	key[0] = 1; /* so that an event with none of the fields has a key too */
	for (uint32_t i = 0; i < e->rs->n_route_fields; i++) {
		uint32_t field = e->rs->route_fields[i];
		for (const struct value *v = event_value(e->ev, field); v; v = event_next(e->ev, v)) {
			if (v->text.n > ROUTE_KEY_MAX || n + 5 + v->text.n > ROUTE_KEY_MAX)
				return 0;
			uint16_t len = (uint16_t)v->text.n, which = (uint16_t)i;
			memcpy(key + n, &which, 2);
			memcpy(key + n + 2, &len, 2);
			key[n + 4] = (char)v->type;
			if (len)
				memcpy(key + n + 5, v->text.p, len);
			n += 5u + len;
		}
	}
	return n;
}

static uint32_t evaluate(struct router *r, struct eval *e)
{
	const struct ruleset *rs = e->rs;
	uint32_t n = 0;
	memset(r->seen, 0, rs->n_sources);
	for (uint32_t i = 0; i < rs->n_routes; i++)
		if (eval_node(e, rs->routes[i].node))
			for (uint32_t k = 0; k < rs->routes[i].sources.n; k++)
				r->seen[rs->numbers[rs->routes[i].sources.at + k]] = 1;
	for (uint32_t s = 0; s < rs->n_sources; s++)
		if (r->seen[s])
			r->answer[n++] = (uint16_t)s;
	return n;
}

const uint16_t *router_sources(struct router *r, struct eval *e, uint32_t *n)
{
	char key[ROUTE_KEY_MAX];
	size_t len = make_key(e, key);
	if (len == 0) {
		*n = evaluate(r, e);
		return r->answer;
	}
	uint64_t hash = prefilter_hash((struct str){ key, len });
	struct route_slot *slot = &r->slots[hash % ROUTE_SLOTS];
	if (slot->hash == hash && slot->key_len == len && memcmp(slot->key, key, len) == 0) {
		*n = slot->n_sources;
		return slot->sources;
	}
	*n = evaluate(r, e);
	if (*n > ROUTE_SOURCES_MAX)
		return r->answer;
	slot->hash = hash;
	slot->key_len = (uint16_t)len;
	slot->n_sources = (uint16_t)*n;
	memcpy(slot->key, key, len);
	memcpy(slot->sources, r->answer, *n * sizeof(*r->answer));
	return slot->sources;
}
