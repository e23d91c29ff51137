#include "match/prefilter.h"

#include "base/block.h"
#include "match/literal.h"

#include <errno.h>
#include <stdlib.h>

uint64_t prefilter_hash(struct str s)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ (s.n * 0xff51afd7ed558ccdu);
	for (; s.n >= 8; s.p += 8, s.n -= 8) {
		uint64_t w;
		memcpy(&w, s.p, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	uint64_t w = 0;
	if (s.n)
		memcpy(&w, s.p, s.n);
	h = (h ^ w) * 0xc4ceb9fe1a85ec53u;
	return h ^ (h >> 29);
}

struct hit_context {
	const struct prefilter *pf;
	const struct pf_filter *filter;
	size_t len; /* of the value */
	prefilter_hit *hit;
	void *arg;
};

static int on_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	const struct hit_context *c = context;
	const struct pf_literal *l = &c->pf->literals[c->filter->literals.at + id];
	if ((!(l->anchor & LITERAL_START) || to == l->len) && (!(l->anchor & LITERAL_END) || to == c->len))
		c->hit(c->arg, c->pf->rules + l->rules.at, l->rules.n);
	return 0;
}

void prefilter_scan(const struct prefilter *pf, const struct pf_filter *f, hs_scratch_t *scratch, struct str folded,
                    prefilter_hit *hit, void *arg)
{
	if (f->exact_mask) {
		uint64_t h = prefilter_hash(folded);
		for (uint64_t i = h;; i++) {
			const struct pf_exact *e = &pf->exact[f->exact_at + (i & f->exact_mask)];
			if (e->rules.n == 0)
				break;
			if (e->hash == h) {
				hit(arg, pf->rules + e->rules.at, e->rules.n);
				break;
			}
		}
	}
	if (f->db != NO_INDEX && folded.n >= f->min_len && folded.n <= UINT32_MAX - PREFILTER_PAD) {
		struct hit_context c = { pf, f, folded.n, hit, arg };
		hs_scan(pf->db[f->db], folded.p, (unsigned)folded.n + PREFILTER_PAD, 0, scratch, on_hit, &c);
	}
}

size_t prefilter_bytes(const struct prefilter *pf)
{
	size_t sum = 0, n;
	for (uint32_t i = 0; i < pf->n_dbs; i++)
		if (hs_database_size(pf->db[i], &n) == HS_SUCCESS)
			sum += n;
	return sum;
}

static int bad(struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, "prefilter: %s out of bounds", what);
}

static bool inside(struct span s, uint32_t n)
{
	return s.at <= n && s.n <= n - s.at;
}

static int check(const struct prefilter *pf, const struct ruleset *rs, struct err *err)
{
	if (pf->n_groups != rs->n_sources)
		return bad(err, "groups");
	for (uint32_t i = 0; i < pf->n_groups; i++)
		if (!inside(pf->groups[i].filters, pf->n_filters) || !inside(pf->groups[i].always, pf->n_rules))
			return bad(err, "group");
	for (uint32_t i = 0; i < pf->n_filters; i++) {
		const struct pf_filter *f = &pf->filters[i];
		struct span slots = { f->exact_at, f->exact_mask ? f->exact_mask + 1 : 0 };
		if ((f->field != NO_INDEX && f->field >= rs->n_fields) || !inside(slots, pf->n_exact) ||
		    (f->exact_mask & (f->exact_mask + 1)) || (f->db != NO_INDEX && f->db >= pf->n_dbs) ||
		    !inside(f->literals, pf->n_literals))
			return bad(err, "filter");
		bool free_slot = slots.n == 0;
		for (uint32_t k = 0; k < slots.n; k++)
			free_slot |= pf->exact[slots.at + k].rules.n == 0;
		if (!free_slot)
			return bad(err, "full table"); /* a look-up would not end */
	}
	for (uint32_t i = 0; i < pf->n_exact; i++)
		if (!inside(pf->exact[i].rules, pf->n_rules))
			return bad(err, "slot");
	for (uint32_t i = 0; i < pf->n_literals; i++)
		if (!inside(pf->literals[i].rules, pf->n_rules))
			return bad(err, "literal");
	for (uint32_t i = 0; i < pf->n_rules; i++)
		if (pf->rules[i] >= rs->n_rules || rs->rules[pf->rules[i]].node == NO_INDEX)
			return bad(err, "rule");
	for (uint32_t i = 0; i < pf->n_dbs; i++)
		if (pf->dbs[i].at > pf->n_db_bytes || pf->dbs[i].n > pf->n_db_bytes - pf->dbs[i].at)
			return bad(err, "database");
	return 0;
}

int prefilter_open(struct prefilter *ret, const struct ruleset *rs, const void *block, size_t size, struct err *err)
{
	struct prefilter pf = { .block = block, .block_size = size };
	struct block_part part[] = {
#define X(ID, name, type) { .record = sizeof(type) },
		PREFILTER_SECTIONS(X)
#undef X
	}, *at = part;
	int r = block_parts(block, size, PREFILTER_KIND, part, ARRAY_LEN(part), err);
	if (r)
		return r;
#define X(ID, name, type)                                                                                              \
	pf.name = (const type *)(const void *)at->bytes.p;                                                             \
	pf.n_##name = (uint32_t)(at++->bytes.n / sizeof(type));
	PREFILTER_SECTIONS(X)
#undef X
	r = check(&pf, rs, err);
	if (r)
		return r;
	pf.db = calloc(pf.n_dbs + 1, sizeof(*pf.db));
	if (!pf.db)
		return err_set(err, -ENOMEM, "prefilter: %m");
	for (uint32_t i = 0; i < pf.n_dbs; i++)
		if (hs_deserialize_database(pf.db_bytes + pf.dbs[i].at, pf.dbs[i].n, &pf.db[i]) != HS_SUCCESS) {
			prefilter_free(&pf);
			return err_set(err, -EBADMSG, "prefilter: database of another machine or version");
		}
	*ret = pf;
	return 0;
}

void prefilter_free(struct prefilter *pf)
{
	for (uint32_t i = 0; pf->db && i < pf->n_dbs; i++)
		hs_free_database(pf->db[i]);
	free(pf->db);
	if (pf->owned)
		free((void *)(uintptr_t)pf->block);
	*pf = (struct prefilter){ 0 };
}
