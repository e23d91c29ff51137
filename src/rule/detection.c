#define PCRE2_CODE_UNIT_WIDTH 8
#include "rule/modifier.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

/* The patterns of one value as it is written; with more than one, any of them is meant. */
struct patterns {
	struct pattern *at;
	uint32_t n, cap;
};

static void add(struct compiler *c, struct patterns *ps, const struct pattern *p)
{
	if (grow(c, (void **)&ps->at, ps->n, &ps->cap, sizeof(*p)))
		ps->at[ps->n++] = *p;
}

/* A '-' or '+', digits, a fraction, an exponent. */
static bool decimal(struct str s, double *ret)
{
	char buf[64];
	if (s.n == 0 || s.n >= sizeof(buf) || !strchr("+-0123456789", s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr("+-.0123456789eE", s.p[i]))
			return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	char *end;
	*ret = strtod(buf, &end) + 0.0; /* no -0 */
	return end == buf + s.n && *ret - *ret == 0;
}

static bool regex_ok(struct compiler *c, uint32_t line, struct str re, uint8_t flags)
{
	int code;
	PCRE2_SIZE at;
	uint32_t options = PCRE2_UTF | (flags & RE_I ? PCRE2_CASELESS : 0) | (flags & RE_M ? PCRE2_MULTILINE : 0) |
	                   (flags & RE_S ? PCRE2_DOTALL : 0);
	pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)re.p, re.n, options, &code, &at, NULL);
	if (!compiled) {
		PCRE2_UCHAR why[128];
		pcre2_get_error_message(code, why, sizeof(why));
		refuse(c, line, "bad regular expression '%.*s': %s at character %zu: write it as PCRE2 reads it",
		       SHORT_ARG(re), (const char *)why, (size_t)at + 1);
	}
	pcre2_code_free(compiled);
	return compiled;
}

/* "10.0.0.0/8"; without a length the address alone. False: not a network. */
static bool network(struct str s, struct pattern *p)
{
	char buf[64];
	if (s.n >= sizeof(buf))
		return false;
	size_t slash = str_find(s, '/');
	memcpy(buf, s.p, slash);
	buf[slash] = '\0';
	unsigned max = 32, bits;
	p->family = 4;
	if (inet_pton(AF_INET, buf, p->address) != 1) {
		if (inet_pton(AF_INET6, buf, p->address) != 1)
			return false;
		p->family = 6;
		max = 128;
	}
	struct str length = str_sub(s, slash + 1, s.n);
	bits = slash == s.n ? max : 0;
	if (slash < s.n && (length.n == 0 || length.n > 3))
		return false;
	for (size_t i = 0; i < length.n; i++) {
		if (!isdigit((unsigned char)length.p[i]))
			return false;
		bits = bits * 10 + (unsigned)(length.p[i] - '0');
	}
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (p->family == 6 && bits >= 96 && bits <= max && memcmp(p->address, mapped, 12) == 0) {
		memmove(p->address, p->address + 12, 4);
		memset(p->address + 4, 0, 12);
		p->family = 4;
		bits -= 96;
	}
	p->bits = (uint8_t)bits;
	return bits <= max;
}

static void clear_host_bits(struct pattern *p)
{
	for (unsigned i = 0; i < sizeof(p->address); i++) {
		unsigned keep = p->bits > i * 8 ? p->bits - i * 8 : 0;
		p->address[i] &= (uint8_t)(keep >= 8 ? 0xff : 0xff00 >> keep);
	}
}

static bool cidr_ok(struct compiler *c, uint32_t line, struct str s, struct pattern *p)
{
	if (!network(s, p)) {
		refuse(c, line, "'%.*s' is no network: write 10.0.0.0/8 or fe80::/10", SHORT_ARG(s));
		return false;
	}
	struct pattern clean = *p;
	clear_host_bits(&clean);
	if (memcmp(clean.address, p->address, sizeof(clean.address)) != 0) {
		char right[INET6_ADDRSTRLEN];
		inet_ntop(clean.family == 4 ? AF_INET : AF_INET6, clean.address, right, sizeof(right));
		refuse(c, line, "'%.*s' names a machine in the network: write %s/%u", SHORT_ARG(s), right, clean.bits);
		return false;
	}
	return true;
}

static void exists_pattern(struct compiler *c, const struct yaml_node *value, struct patterns *out)
{
	bool yes = value->text.n == 4 && strncasecmp(value->text.p, "true", 4) == 0;
	if (!yes && !(value->text.n == 5 && strncasecmp(value->text.p, "false", 5) == 0)) {
		refuse(c, value->line, "exists is '%.*s': write true or false", SHORT_ARG(value->text));
		return;
	}
	struct pattern p = { .op = PATTERN_EXISTS, .flag = yes };
	add(c, out, &p);
}

static void field_pattern(struct compiler *c, const struct item *it, const struct yaml_node *value,
                          struct patterns *out)
{
	if (value->text.n == 0) {
		refuse(c, value->line, "fieldref without a field: write the name of a field");
		return;
	}
	uint8_t mode = it->lead    ? (it->trail ? PATTERN_CONTAINS : PATTERN_SUFFIX)
	               : it->trail ? PATTERN_PREFIX
	                           : PATTERN_EQ;
	struct pattern p = { .op = PATTERN_FIELD, .mode = mode, .cased = it->cased, .field = field_id(c, value->text) };
	add(c, out, &p);
}

/* A pattern of the kinds that take the text as it is. */
static void typed_pattern(struct compiler *c, const struct item *it, uint32_t line, struct str text,
                          struct patterns *out)
{
	struct pattern p = { .part = it->part };
	bool ok = true;
	if (it->kind == ITEM_RE) {
		p.op = PATTERN_RE;
		p.re_flags = it->re_flags;
		p.text = build_text(&c->build, text);
		ok = regex_ok(c, line, text, it->re_flags);
	} else if (it->kind == ITEM_CIDR) {
		p.op = PATTERN_CIDR;
		ok = cidr_ok(c, line, text, &p);
	} else {
		p.op = it->compare;
		ok = decimal(text, &p.number);
		if (!ok)
			refuse(c, line, "'%.*s' is no number: write digits, as in 1024 or -0.5", SHORT_ARG(text));
	}
	if (ok)
		add(c, out, &p);
}

static void text_patterns(struct compiler *c, const struct item *it, uint32_t line, struct str text,
                          struct patterns *out)
{
	struct values vs = { 0 };
	bool keywords = !it->field.n;
	values_add(c, &vs, value_parse(c, text));
	for (uint32_t k = 0; k < it->n_steps; k++) {
		struct values next = { 0 };
		for (uint32_t i = 0; i < vs.n; i++)
			value_transform(c, line, (enum transform)it->steps[k], vs.at[i], text, &next);
		vs = next;
	}
	if (vs.n >= VALUES_MAX)
		refuse(c, line, "this becomes more than %d values: write a shorter chain of modifiers", VALUES_MAX - 1);
	for (uint32_t i = 0; i < vs.n; i++) {
		struct pattern p = { .part = it->part, .cased = it->cased };
		value_pattern(c, vs.at[i], keywords || it->lead, keywords || it->trail, &p);
		add(c, out, &p);
	}
}

static void value_patterns(struct compiler *c, const struct item *it, const struct yaml_node *value,
                           struct patterns *out)
{
	bool yes;
	struct str text = value->text;
	if (value->kind != YAML_SCALAR) {
		refuse(c, value->line, "a %s where a value should be: write values, one below the other",
		       value->kind == YAML_MAP ? "map" : "list");
		return;
	}
	if (yaml_is_null(value)) {
		static const struct pattern null = { .op = PATTERN_NULL };
		if (it->kind == ITEM_EXISTS || it->part || !it->field.n)
			refuse(c, value->line, "no value: write one");
		else
			add(c, out, &null);
		return;
	}
	if (yaml_is_bool(value, &yes))
		text = yes ? STR("true") : STR("false");
	if (it->kind == ITEM_EXISTS) {
		exists_pattern(c, value, out);
		return;
	}
	if (it->kind == ITEM_FIELD) {
		field_pattern(c, it, value, out);
		return;
	}
	struct values vs = { 0 };
	if (it->expand)
		value_expand(c, value->line, text, &vs);
	else
		values_add(c, &vs, (struct value){ .s = text });
	if (vs.n >= VALUES_MAX)
		refuse(c, value->line, "more than %d values: write fewer into the placeholder's file", VALUES_MAX - 1);
	for (uint32_t i = 0; i < vs.n && !is_refused(c); i++) {
		if (it->kind == ITEM_TEXT)
			text_patterns(c, it, value->line, vs.at[i].s, out);
		else
			typed_pattern(c, it, value->line, vs.at[i].s, out);
	}
}

static int by_text(const void *a, const void *b)
{
	const struct pattern *x = a, *y = b;
	if (x->text.off != y->text.off)
		return x->text.off < y->text.off ? -1 : 1;
	if (x->number < y->number || x->number > y->number)
		return x->number < y->number ? -1 : 1;
	return memcmp(x, y, sizeof(*x));
}

/* Patterns in a fixed order and once each, so that equal tests are one. */
static uint32_t test_node(struct compiler *c, const struct item *it, struct patterns *ps, bool all, bool negate)
{
	if (ps->n == 0 || c->build.failed)
		return build_const(&c->build, false);
	qsort(ps->at, ps->n, sizeof(*ps->at), by_text);
	uint32_t n = 1;
	for (uint32_t i = 1; i < ps->n; i++)
		if (by_text(&ps->at[i], &ps->at[n - 1]) != 0)
			ps->at[n++] = ps->at[i];
	struct test t = {
		.field = it->field.n ? field_id(c, it->field) : NO_INDEX,
		.patterns = pool_put(&c->build.patterns, ps->at, n),
		.all = all && n > 1,
		.negate = negate,
	};
	return build_test(&c->build, &t);
}

/*
 * `all` asks for every value as it is written. Where a value became several patterns (windash, base64offset, expand)
 * any of them will do for it, so each value is a test of its own.
 */
static uint32_t all_node(struct compiler *c, const struct item *it, struct patterns *per_value, uint32_t n)
{
	uint32_t *kids = take(c, n * sizeof(*kids));
	for (uint32_t i = 0; kids && i < n; i++)
		kids[i] = test_node(c, it, &per_value[i], false, false);
	uint32_t node = kids ? build_join(&c->build, NODE_AND, kids, n) : 0;
	return it->negate ? build_not(&c->build, node) : node;
}

/* One line of a map, or the keywords of a list. */
static uint32_t item_node(struct compiler *c, const struct item *it, const struct yaml_node *const *values, uint32_t n)
{
	struct patterns *per_value = take(c, n * sizeof(*per_value)), flat = { 0 };
	bool split = false;
	for (uint32_t i = 0; per_value && i < n; i++) {
		per_value[i] = (struct patterns){ 0 };
		value_patterns(c, it, values[i], &per_value[i]);
		split |= per_value[i].n > 1;
	}
	if (!per_value || is_refused(c))
		return build_const(&c->build, false);
	if (it->all && n > 1 && split)
		return all_node(c, it, per_value, n);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < per_value[i].n; k++)
			add(c, &flat, &per_value[i].at[k]);
	return test_node(c, it, &flat, it->all && !split, it->negate);
}

static uint32_t line_node(struct compiler *c, const struct yaml_item *line)
{
	struct item it;
	uint32_t n = line->value->kind == YAML_LIST ? line->value->n : 1, i = 0;
	const struct yaml_node **values = take(c, (n + 1) * sizeof(struct yaml_node *));
	if (!values || !item_parse(c, line->key, &it))
		return build_const(&c->build, false);
	if (line->value->kind == YAML_LIST) {
		for (const struct yaml_item *v = line->value->items; v; v = v->next)
			values[i++] = v->value;
	} else if (line->value->kind == YAML_MAP) {
		refuse(c, line->key->line, "%.*s is a map: write nested fields with dots, as in a.b: value",
		       SHORT_ARG(line->key->text));
	} else {
		values[i++] = line->value;
	}
	if (i == 0)
		refuse(c, line->key->line, "%.*s has no values: write at least one", SHORT_ARG(line->key->text));
	return is_refused(c) ? build_const(&c->build, false) : item_node(c, &it, values, i);
}

/* A list: any of its maps, or of its texts as keywords. */
static uint32_t list_node(struct compiler *c, const struct yaml_node *list)
{
	const struct yaml_node **words = take(c, (list->n + 1) * sizeof(struct yaml_node *));
	uint32_t *kids = take(c, (list->n + 1) * sizeof(*kids)), n = 0, n_words = 0;
	if (!words || !kids)
		return 0;
	for (const struct yaml_item *i = list->items; i; i = i->next) {
		if (i->value->kind == YAML_SCALAR)
			words[n_words++] = i->value;
		else
			kids[n++] = selection_node(c, i->value);
	}
	const struct item keywords = { .line = list->line };
	if (n_words)
		kids[n++] = item_node(c, &keywords, words, n_words);
	return build_join(&c->build, NODE_OR, kids, n);
}

uint32_t selection_node(struct compiler *c, const struct yaml_node *selection)
{
	if (selection->kind == YAML_SCALAR) {
		const struct item keywords = { .line = selection->line };
		return item_node(c, &keywords, &selection, 1);
	}
	if (selection->n == 0) {
		refuse(c, selection->line, "an empty selection: write at least one field with a value");
		return build_const(&c->build, false);
	}
	if (selection->kind == YAML_LIST)
		return list_node(c, selection);
	uint32_t *kids = take(c, selection->n * sizeof(*kids)), n = 0;
	for (const struct yaml_item *i = kids ? selection->items : NULL; i; i = i->next)
		kids[n++] = line_node(c, i);
	return build_join(&c->build, NODE_AND, kids, n);
}
