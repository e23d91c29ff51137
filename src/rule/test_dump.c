#include "rule/test_dump.h"

#include <arpa/inet.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void add(struct buf *out, const char *z)
{
	buf_add(out, str_from(z));
}

static struct str field_name(const struct ruleset *rs, uint32_t field)
{
	return field == NO_INDEX ? STR("") : ruleset_text(rs, rs->fields[field].name);
}

static void dump_text(struct buf *out, const struct ruleset *rs, const struct pattern *p)
{
	struct str s = ruleset_text(rs, p->text);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];
		bool glob = p->op == PATTERN_GLOB;
		if (glob && (ch == GLOB_ANY || ch == GLOB_ONE))
			buf_putc(out, ch == GLOB_ANY ? '*' : '?');
		else if (glob && (ch == '*' || ch == '?'))
			buf_printf(out, "\\%c", ch);
		else if (ch < ' ' || ch >= 0xfe)
			buf_printf(out, "<%02x>", ch);
		else
			buf_putc(out, (char)ch);
	}
}

static const char *const ops[] = {
	[PATTERN_EQ] = "=",    [PATTERN_PREFIX] = "^", [PATTERN_SUFFIX] = "$", [PATTERN_CONTAINS] = "~",
	[PATTERN_GLOB] = ":",  [PATTERN_RE] = "/",     [PATTERN_CIDR] = "@",   [PATTERN_NULL] = "=",
	[PATTERN_EXISTS] = "", [PATTERN_LT] = "<",     [PATTERN_LTE] = "<=",   [PATTERN_GT] = ">",
	[PATTERN_GTE] = ">=",
};

static void dump_pattern(struct buf *out, const struct ruleset *rs, const struct pattern *p)
{
	const char *op = ops[p->op == PATTERN_FIELD ? p->mode : p->op];
	add(out, op);
	if (p->cased)
		add(out, op);
	switch ((enum pattern_op)p->op) {
	case PATTERN_RE:
		dump_text(out, rs, p);
		buf_printf(out, "/%s%s%s", p->re_flags & RE_I ? "i" : "", p->re_flags & RE_M ? "m" : "",
		           p->re_flags & RE_S ? "s" : "");
		break;
	case PATTERN_CIDR: {
		char buf[INET6_ADDRSTRLEN];
		inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->address, buf, sizeof(buf));
		buf_printf(out, "%s/%u", buf, p->bits);
		break;
	}
	case PATTERN_NULL: add(out, "<null>"); break;
	case PATTERN_EXISTS: add(out, p->flag ? "+" : "-"); break;
	case PATTERN_FIELD: buf_printf(out, "&" STR_FMT, STR_ARG(field_name(rs, p->field))); break;
	case PATTERN_LT:
	case PATTERN_LTE:
	case PATTERN_GT:
	case PATTERN_GTE: buf_printf(out, "%g", p->number); break;
	default: dump_text(out, rs, p);
	}
}

static void dump_test(struct buf *out, const struct ruleset *rs, const struct test *t)
{
	static const char *const parts[] = { "", "minute", "hour", "day", "week", "month", "year" };
	const struct pattern *p = rs->patterns + t->patterns.at;
	if (p->part)
		buf_printf(out, "%s(" STR_FMT ")", parts[p->part], STR_ARG(field_name(rs, t->field)));
	else
		buf_add(out, field_name(rs, t->field));
	if (t->negate)
		buf_putc(out, '!');
	if (t->patterns.n > 1)
		buf_putc(out, '(');
	for (uint32_t i = 0; i < t->patterns.n; i++) {
		if (i)
			buf_putc(out, t->all ? '&' : '|');
		dump_pattern(out, rs, &p[i]);
	}
	if (t->patterns.n > 1)
		buf_putc(out, ')');
}

void dump_node(struct buf *out, const struct ruleset *rs, uint32_t node)
{
	const struct node *n = &rs->nodes[node];
	const uint32_t *kids = rs->numbers + n->kids.at;
	switch ((enum node_op)n->op) {
	case NODE_FALSE: add(out, "FALSE"); return;
	case NODE_TRUE: add(out, "TRUE"); return;
	case NODE_TEST: dump_test(out, rs, &rs->tests[n->arg]); return;
	case NODE_NOT:
		buf_putc(out, '!');
		dump_node(out, rs, kids[0]);
		return;
	case NODE_AT_LEAST: buf_printf(out, "%u of ", n->arg); break;
	case NODE_AND:
	case NODE_OR: break;
	}
	const char *between = n->op == NODE_AND ? " & " : n->op == NODE_OR ? " | " : ", ";
	for (uint32_t i = 0; i < n->kids.n; i++) {
		add(out, i ? between : "(");
		dump_node(out, rs, kids[i]);
	}
	buf_putc(out, ')');
}

static void dump_ids(struct buf *out, const struct ruleset *rs, struct span ids)
{
	for (uint32_t i = 0; i < ids.n; i++) {
		uint32_t id = rs->numbers[ids.at + i];
		buf_putc(out, i ? ',' : '(');
		buf_add(out, id == NO_INDEX ? STR("?") : field_name(rs, id));
	}
	if (ids.n)
		buf_putc(out, ')');
}

void dump_correlation(struct buf *out, const struct ruleset *rs, const struct correlation *c)
{
	static const char *const types[] = { "count", "values", "temporal", "ordered", "sum", "avg", "percentile" };
	const struct {
		const char *name;
		double value;
	} bounds[] = { { ">", c->gt },   { ">=", c->gte }, { "<", c->lt },
		       { "<=", c->lte }, { "=", c->eq },   { "!=", c->neq } };
	add(out, types[c->type]);
	for (uint32_t i = 0; i < c->inputs.n; i++) {
		const struct input *in = &rs->inputs[c->inputs.at + i];
		buf_putc(out, ' ');
		buf_add(out, ruleset_text(rs, rs->rules[in->rule].name));
		dump_ids(out, rs, in->group);
		dump_ids(out, rs, in->value);
	}
	for (uint32_t i = 0; i < c->n_group; i++)
		buf_printf(out, "%s" STR_FMT, i ? "," : " by ",
		           STR_ARG(ruleset_text(rs, rs->texts[c->group_names.at + i])));
	for (uint32_t i = 0; i < c->n_value; i++)
		buf_printf(out, "%s" STR_FMT, i ? "," : " of ",
		           STR_ARG(ruleset_text(rs, rs->texts[c->value_names.at + i])));
	buf_printf(out, " in %gs", (double)c->timespan / 1e6);
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		if (isfinite(bounds[i].value))
			buf_printf(out, " %s%g", bounds[i].name, bounds[i].value);
	if (c->type == CORRELATE_VALUE_PERCENTILE)
		buf_printf(out, " at %g%%", c->percentile);
}

void dump_paths(struct buf *out, const struct ruleset *rs, uint32_t field)
{
	bool first = true;
	for (uint32_t i = 0; i < rs->n_paths; i++) {
		if (rs->paths[i].field != field)
			continue;
		if (!first)
			buf_putc(out, ' ');
		buf_add(out, ruleset_text(rs, rs->paths[i].path));
		first = false;
	}
}

int compile_text(struct ruleset *ret, const struct test_rules *how, const char *yaml, struct err *err)
{
	struct rule_file file = { STR("r.yml"), str_from(yaml) };
	struct rule_file words = { STR("/folder/words.txt"), str_from(how->placeholder) };
	struct rule_texts texts = {
		.files = &file,
		.n_files = 1,
		.mapping = { STR("m.yaml"), how->mapping ? str_from(how->mapping) : STR("") },
		.placeholders = &words,
		.n_placeholders = how->placeholder ? 1 : 0,
		.all_rules = how->all_rules,
	};
	return rule_compile(ret, &texts, err);
}

void check(const struct sample *s, const struct test_rules *how, const char *yaml)
{
	struct ruleset rs;
	struct err err = { 0 };
	CLEANUP(buf_free) struct buf got = { 0 };
	int r = compile_text(&rs, how, yaml, &err);
	if (r) {
		buf_add(&got, str_from(err.text));
	} else {
		for (uint32_t i = 0; i < rs.n_diagnostics; i++)
			buf_printf(&got, "%s" STR_FMT, got.n ? "\n" : "",
			           STR_ARG(ruleset_text(&rs, rs.diagnostics[i].text)));
		for (uint32_t i = 0; i < rs.n_rules; i++) {
			if (got.n)
				buf_putc(&got, '\n');
			if (rs.rules[i].correlation == NO_INDEX)
				dump_node(&got, &rs, rs.rules[i].node);
			else
				dump_correlation(&got, &rs, &rs.correlations[rs.rules[i].correlation]);
			if (rs.rules[i].silent)
				buf_add(&got, STR(" silent"));
		}
		ruleset_free(&rs);
	}
	buf_putc(&got, '\0');
	if (strcmp(got.p, s->expected) != 0)
		fail_msg("%s\n  compiles to\n%s\n  and should to\n%s", s->yaml, got.p, s->expected);
}

void check_all(const struct sample *s, size_t n, const struct test_rules *how, const char *before, const char *behind)
{
	for (size_t i = 0; i < n; i++) {
		char yaml[4096];
		snprintf(yaml, sizeof(yaml), "%s%s%s", before, s[i].yaml, behind);
		check(&s[i], how, yaml);
	}
}
