/*
 * ruleset_open: a block with any bytes changed is refused, or everything that it leads to stands inside of it.
 * Input: for each change three bytes of offset and one of value; the last bytes that make no whole change cut the
 * block by so many bytes.
 */
#include "rule/compile.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char RULES[] =
        "title: A\nname: a\nid: i\nlevel: high\ntags: [t]\nfields: [g]\nlogsource: {product: p}\n"
        "detection: {s: {f|contains|all: [x, y], e: 'a*b?c'}, t: {g|fieldref: h, i|cidr: 10.0.0.0/8, r|re: a+},\n"
        "  u: [k, l], v: {n|gt: 5, o|exists: true, q|hour: 3, z: null}, condition: s and not (t or u) or 2 of "
        "them}\n---\n"
        "title: C\nname: c\ncorrelation: {type: value_count, rules: [a], group-by: [u], timespan: 5m,\n"
        "  condition: {field: v, gte: 2}}\n---\n"
        "title: D\ncorrelation: {type: temporal_ordered, rules: [c, a], group-by: [u], timespan: 5m}\n---\n"
        "title: bad\n";

static uint64_t sum;

static void look_text(const struct ruleset *rs, struct text t)
{
	struct str s = ruleset_text(rs, t);
	for (size_t i = 0; i <= s.n; i++)
		sum += (unsigned char)s.p[i];
	assert(s.p[s.n] == '\0');
}

static void look_texts(const struct ruleset *rs, struct span s)
{
	for (uint32_t i = 0; i < s.n; i++)
		look_text(rs, rs->texts[s.at + i]);
}

static void look_fields(const struct ruleset *rs, struct span s)
{
	for (uint32_t i = 0; i < s.n; i++)
		if (rs->numbers[s.at + i] != NO_INDEX)
			look_text(rs, rs->fields[rs->numbers[s.at + i]].name);
}

static void look_test(const struct ruleset *rs, const struct test *t)
{
	assert(t->patterns.n > 0);
	if (t->field != NO_INDEX)
		look_text(rs, rs->fields[t->field].name);
	for (uint32_t i = 0; i < t->patterns.n; i++) {
		const struct pattern *p = &rs->patterns[t->patterns.at + i];
		look_text(rs, p->text);
		if (p->op == PATTERN_FIELD)
			look_text(rs, rs->fields[p->field].name);
		assert(p->op != PATTERN_CIDR || p->bits <= 128);
	}
}

static void look_node(const struct ruleset *rs, uint32_t node, unsigned depth)
{
	const struct node *n = &rs->nodes[node];
	assert(depth <= NODE_MAX_DEPTH);
	for (uint32_t i = 0; i < n->kids.n; i++)
		look_node(rs, rs->numbers[n->kids.at + i], depth + 1);
	if (n->op == NODE_TEST)
		look_test(rs, &rs->tests[n->arg]);
}

static void look_correlation(const struct ruleset *rs, const struct correlation *c)
{
	look_texts(rs, c->group_names);
	look_texts(rs, c->value_names);
	for (uint32_t i = 0; i < c->inputs.n; i++) {
		const struct input *in = &rs->inputs[c->inputs.at + i];
		look_text(rs, rs->rules[in->rule].title);
		look_fields(rs, in->group);
		look_fields(rs, in->value);
	}
}

static void look(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];
		const struct text texts[] = { r->id,   r->title,     r->name,      r->description,
			                      r->file, r->advice[0], r->advice[1], r->advice[2] };
		for (size_t k = 0; k < ARRAY_LEN(texts); k++)
			look_text(rs, texts[k]);
		look_texts(rs, r->tags);
		look_texts(rs, r->false_positives);
		look_fields(rs, r->show);
		look_fields(rs, r->carry);
		if (r->correlation != NO_INDEX)
			look_correlation(rs, &rs->correlations[r->correlation]);
		else
			look_node(rs, r->node, 0);
	}
	for (uint32_t i = 0; i < rs->n_routes; i++) {
		look_node(rs, rs->routes[i].node, 0);
		for (uint32_t k = 0; k < rs->routes[i].sources.n; k++)
			look_text(rs, rs->sources[rs->numbers[rs->routes[i].sources.at + k]].product);
	}
	for (uint32_t i = 0; i < rs->n_route_fields; i++)
		look_text(rs, rs->fields[rs->route_fields[i]].name);
	for (uint32_t i = 0; i < rs->n_paths; i++)
		look_text(rs, rs->paths[i].path);
	for (uint32_t i = 0; i < rs->n_diagnostics; i++)
		look_text(rs, rs->diagnostics[i].text);
}

static void compile(struct ruleset *rs)
{
	struct rule_file file = { STR("r.yml"), STR(RULES) };
	const struct rule_texts texts = {
		.files = &file,
		.n_files = 1,
		.mapping = { STR("m.yaml"), STR("sources: [{logsource: {product: p}, when: [{k: v}, {l: w}]}]") },
	};
	struct err err;
	int r = rule_compile(rs, &texts, &err);
	assert(r == 0 && rs->n_rules == 3 && rs->n_diagnostics == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ruleset whole, rs;
	struct err err;
	compile(&whole);
	size_t n = whole.block_size, cut = size % 4;
	char *block = malloc(n);
	assert(block);
	memcpy(block, whole.block, n);
	ruleset_free(&whole);
	for (size_t i = 0; i + 4 <= size; i += 4)
		block[((size_t)data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16) % n] = (char)data[i + 3];
	for (size_t i = size - cut; i < size; i++)
		n -= data[i] < n ? data[i] : n;
	char *exact = malloc(n ? n : 1);
	assert(exact);
	memcpy(exact, block, n);
	free(block);
	if (ruleset_open(&rs, exact, n, false, &err)) {
		free(exact);
		return 0;
	}
	look(&rs);
	ruleset_free(&rs);
	return 0;
}
