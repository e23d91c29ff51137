#include "rule/ruleset.h"

#include "base/block.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

void ruleset_free(struct ruleset *rs)
{
	if (rs->mapped)
		munmap(rs->block, rs->block_size);
	else
		free(rs->block);
	*rs = (struct ruleset){ 0 };
}

struct str ruleset_block(const struct ruleset *rs)
{
	return (struct str){ rs->block, rs->block_size };
}

static bool text_ok(const struct ruleset *rs, struct text t)
{
	return t.off < rs->n_bytes && t.len < rs->n_bytes - t.off && rs->bytes[t.off + t.len] == '\0';
}

static bool span_ok(struct span s, uint32_t n)
{
	return s.at <= n && s.n <= n - s.at;
}

/* Numbers that are all below `bound`. */
static bool numbers_ok(const struct ruleset *rs, struct span s, uint32_t bound)
{
	if (!span_ok(s, rs->n_numbers))
		return false;
	for (uint32_t i = 0; i < s.n; i++)
		if (rs->numbers[s.at + i] >= bound)
			return false;
	return true;
}

static bool texts_ok(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_texts; i++)
		if (!text_ok(rs, rs->texts[i]))
			return false;
	for (uint32_t i = 0; i < rs->n_sources; i++) {
		const struct source *s = &rs->sources[i];
		if (!text_ok(rs, s->product) || !text_ok(rs, s->category) || !text_ok(rs, s->service))
			return false;
	}
	for (uint32_t i = 0; i < rs->n_fields; i++)
		if (!text_ok(rs, rs->fields[i].name))
			return false;
	for (uint32_t i = 0; i < rs->n_paths; i++)
		if (!text_ok(rs, rs->paths[i].path) || rs->paths[i].field >= rs->n_fields)
			return false;
	for (uint32_t i = 0; i < rs->n_asked; i++)
		if (rs->asked[i] >= rs->n_fields)
			return false;
	for (uint32_t i = 0; i < rs->n_diagnostics; i++)
		if (!text_ok(rs, rs->diagnostics[i].text) || rs->diagnostics[i].refused > 1)
			return false;
	return true;
}

static bool rules_ok(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];
		bool texts = text_ok(rs, r->id) && text_ok(rs, r->title) && text_ok(rs, r->name) &&
		             text_ok(rs, r->description) && text_ok(rs, r->file) && text_ok(rs, r->advice[0]) &&
		             text_ok(rs, r->advice[1]) && text_ok(rs, r->advice[2]) && span_ok(r->tags, rs->n_texts) &&
		             span_ok(r->false_positives, rs->n_texts);
		bool detects = r->node < rs->n_nodes && r->source < rs->n_sources && r->correlation == NO_INDEX;
		bool correlates = r->node == NO_INDEX && r->source == NO_INDEX && r->correlation < rs->n_correlations &&
		                  rs->correlations[r->correlation].rule == i;
		if (!texts || !(detects || correlates) || !numbers_ok(rs, r->show, rs->n_fields) ||
		    !numbers_ok(rs, r->carry, rs->n_fields) || r->level > LEVEL_CRITICAL || r->silent > 1 ||
		    r->feeds > 1)
			return false;
	}
	return true;
}

static bool node_ok(const struct ruleset *rs, uint32_t i)
{
	const struct node *n = &rs->nodes[i];
	if (!numbers_ok(rs, n->kids, i))
		return false;
	switch ((enum node_op)n->op) {
	case NODE_FALSE:
	case NODE_TRUE: return n->kids.n == 0;
	case NODE_AND:
	case NODE_OR:
	case NODE_AT_LEAST: return n->kids.n > 0;
	case NODE_NOT: return n->kids.n == 1;
	case NODE_TEST: return n->kids.n == 0 && n->arg < rs->n_tests;
	}
	return false;
}

/* Nodes are walked by functions that call themselves, so their depth is bounded too. */
static bool nodes_ok(const struct ruleset *rs)
{
	uint8_t *height = calloc(rs->n_nodes + 1u, 1);
	bool ok = height;
	for (uint32_t i = 0; ok && i < rs->n_nodes; i++) {
		ok = node_ok(rs, i);
		for (uint32_t k = 0; ok && k < rs->nodes[i].kids.n; k++) {
			uint8_t below = height[rs->numbers[rs->nodes[i].kids.at + k]];
			ok = below < NODE_MAX_DEPTH;
			if (height[i] <= below)
				height[i] = below + 1;
		}
	}
	free(height);
	return ok;
}

static bool pattern_ok(const struct ruleset *rs, const struct pattern *p)
{
	if (!text_ok(rs, p->text) || p->op > PATTERN_FIELD || p->part > PART_YEAR || p->cased > 1 || p->flag > 1 ||
	    p->re_flags > (RE_I | RE_M | RE_S) || isnan(p->number))
		return false;
	if (p->op == PATTERN_CIDR)
		return (p->family == 4 && p->bits <= 32) || (p->family == 6 && p->bits <= 128);
	if (p->op == PATTERN_FIELD)
		return p->field < rs->n_fields && (p->mode == PATTERN_EQ || p->mode == PATTERN_PREFIX ||
		                                   p->mode == PATTERN_SUFFIX || p->mode == PATTERN_CONTAINS);
	return true;
}

static bool tests_ok(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_patterns; i++)
		if (!pattern_ok(rs, &rs->patterns[i]))
			return false;
	for (uint32_t i = 0; i < rs->n_tests; i++) {
		const struct test *t = &rs->tests[i];
		if (!span_ok(t->patterns, rs->n_patterns) || t->patterns.n == 0 || t->all > 1 || t->negate > 1 ||
		    (t->field != NO_INDEX && t->field >= rs->n_fields))
			return false;
		for (uint32_t k = 0; t->field == NO_INDEX && k < t->patterns.n; k++) {
			const struct pattern *p = &rs->patterns[t->patterns.at + k];
			if (p->op > PATTERN_RE || p->part)
				return false;
		}
	}
	return true;
}

static bool ascending(const uint32_t *p, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (p[i - 1] >= p[i])
			return false;
	return true;
}

static bool routes_ok(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_routes; i++) {
		const struct route *r = &rs->routes[i];
		if (r->node >= rs->n_nodes || !numbers_ok(rs, r->sources, rs->n_sources) ||
		    !ascending(rs->numbers + r->sources.at, r->sources.n))
			return false;
	}
	for (uint32_t i = 0; i < rs->n_route_fields; i++)
		if (rs->route_fields[i] >= rs->n_fields)
			return false;
	return ascending(rs->route_fields, rs->n_route_fields);
}

static bool input_ok(const struct ruleset *rs, uint32_t of, const struct input *in)
{
	const struct correlation *c = &rs->correlations[of];
	if (in->rule >= rs->n_rules || in->group.n != c->n_group || in->value.n != c->n_value ||
	    !span_ok(in->group, rs->n_numbers) || !span_ok(in->value, rs->n_numbers))
		return false;
	uint32_t correlation = rs->rules[in->rule].correlation;
	bool chained = correlation != NO_INDEX;
	if (chained && correlation >= of)
		return false;
	for (uint32_t i = 0; i < in->group.n + in->value.n; i++) {
		uint32_t id = rs->numbers[i < in->group.n ? in->group.at + i : in->value.at + i - in->group.n];
		if (chained ? id != NO_INDEX : id >= rs->n_fields)
			return false;
	}
	return true;
}

static bool correlations_ok(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_correlations; i++) {
		const struct correlation *c = &rs->correlations[i];
		if (c->type > CORRELATE_VALUE_PERCENTILE || c->rule >= rs->n_rules ||
		    rs->rules[c->rule].correlation != i || c->timespan <= 0 || !span_ok(c->inputs, rs->n_inputs) ||
		    c->inputs.n == 0 || !span_ok(c->group_names, rs->n_texts) || c->group_names.n != c->n_group ||
		    !span_ok(c->value_names, rs->n_texts) || c->value_names.n != c->n_value || isnan(c->gt) ||
		    isnan(c->gte) || isnan(c->lt) || isnan(c->lte) || !(c->percentile >= 0 && c->percentile <= 100))
			return false;
		for (uint32_t k = 0; k < c->inputs.n; k++)
			if (!input_ok(rs, i, &rs->inputs[c->inputs.at + k]))
				return false;
	}
	return true;
}

int ruleset_open(struct ruleset *ret, void *block, size_t size, bool mapped, struct err *err)
{
	struct block_part part[] = {
#define X(ID, name, type) { .record = sizeof(type) },
		RULESET_SECTIONS(X)
#undef X
	}, *at = part;
	int r = block_parts(block, size, RULESET_KIND, part, ARRAY_LEN(part), err);
	if (r)
		return r;
	struct ruleset rs = { .block = block, .block_size = size, .mapped = mapped };
#define X(ID, section, type)                                                                                           \
	rs.section = (const type *)(const void *)at->bytes.p;                                                          \
	rs.n_##section = (uint32_t)(at++->bytes.n / sizeof(type));
	RULESET_SECTIONS(X)
#undef X
	if (rs.n_fields < RULESET_FIELD_FIRST || !texts_ok(&rs) || !rules_ok(&rs) || !nodes_ok(&rs) || !tests_ok(&rs) ||
	    !routes_ok(&rs) || !correlations_ok(&rs))
		return err_set(err, -EBADMSG, "compiled rules: damaged");
	*ret = rs;
	return 0;
}
