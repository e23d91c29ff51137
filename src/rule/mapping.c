#include "rule/compiler.h"

#include <errno.h>
#include <stdlib.h>

/* A field's name and the paths that only its log source gives it: one id each. */
struct field_key {
	struct text name;
	struct span extra; /* TEXTS */
};

struct field_lookup {
	struct text name;
	uint32_t source;
};

void mapping_init(struct compiler *c)
{
	bool *failed = &c->build.failed;
	c->sources = (struct pool){ .size = sizeof(struct source), .failed = failed };
	c->keys = (struct pool){ .size = sizeof(struct field_key), .failed = failed };
	c->lookups = (struct pool){ .size = sizeof(struct field_lookup), .failed = failed };
	c->lookup_ids = (struct pool){ .size = sizeof(uint32_t), .failed = failed };
}

void mapping_done(struct compiler *c)
{
	pool_free(&c->sources);
	pool_free(&c->keys);
	pool_free(&c->lookups);
	pool_free(&c->lookup_ids);
}

static struct text part(struct compiler *c, const struct yaml_node *logsource, const char *name)
{
	const struct yaml_node *n = yaml_get(logsource, name);
	return n && n->kind == YAML_SCALAR && !yaml_is_null(n) ? build_text(&c->build, n->text) : (struct text){ 0 };
}

static struct source read_source(struct compiler *c, const struct yaml_node *logsource)
{
	return (struct source){
		.product = part(c, logsource, "product"),
		.category = part(c, logsource, "category"),
		.service = part(c, logsource, "service"),
	};
}

uint32_t source_of(struct compiler *c, const struct yaml_node *logsource)
{
	struct source s = read_source(c, logsource);
	return pool_put_one(&c->sources, &s, NULL);
}

const struct source *source_at(const struct compiler *c, uint32_t source)
{
	return (const struct source *)c->sources.p + source;
}

/* Equal texts have equal offsets. */
static bool part_within(struct text wide, struct text narrow)
{
	return wide.len == 0 || (wide.off == narrow.off && wide.len == narrow.len);
}

bool source_within(struct source wide, struct source narrow)
{
	return part_within(wide.product, narrow.product) && part_within(wide.category, narrow.category) &&
	       part_within(wide.service, narrow.service);
}

/* A text or a list of texts -> fn() for each. False: it is something else. */
static bool each_text(struct compiler *c, const struct yaml_node *n, void (*fn)(struct compiler *, struct str, void *),
                      void *arg)
{
	if (!n)
		return true;
	if (n->kind == YAML_SCALAR)
		fn(c, n->text, arg);
	for (const struct yaml_item *i = n->kind == YAML_LIST ? n->items : NULL; i; i = i->next) {
		if (i->value->kind != YAML_SCALAR)
			return false;
		fn(c, i->value->text, arg);
	}
	return n->kind != YAML_MAP;
}

static void no_op(struct compiler *c, struct str text, void *arg)
{
}

static void check_fields(struct compiler *c, const struct yaml_node *fields)
{
	if (fields && fields->kind != YAML_MAP && !yaml_is_null(fields))
		refuse(c, fields->line, "fields is no map: write Field: [path, path]");
	for (const struct yaml_item *i = fields && fields->kind == YAML_MAP ? fields->items : NULL; i; i = i->next)
		if (!each_text(c, i->value, no_op, NULL))
			refuse(c, i->key->line, "%.*s: write a list of paths", SHORT_ARG(i->key->text));
}

static void read_entry(struct compiler *c, const struct yaml_node *n, struct entry *ret)
{
	const struct yaml_node *logsource = yaml_get(n, "logsource");
	*ret = (struct entry){ .when = yaml_get(n, "when"), .fields = yaml_get(n, "fields") };
	if (!logsource || logsource->kind != YAML_MAP) {
		refuse(c, n->line, "a source without a logsource: write logsource: {product: ..., service: ...}");
		return;
	}
	ret->source = read_source(c, logsource);
	check_fields(c, ret->fields);
}

int mapping_load(struct compiler *c, struct err *err)
{
	static const char *const lists[] = { "time", "host", "every_field" };
	const struct rule_file *f = &c->texts->mapping;
	struct yaml_reader *r;
	struct yaml_error e;
	c->mapping_err = err;
	if (yaml_open(&r, &c->arena, f->text))
		return err_set(err, -ENOMEM, "mapping: %m");
	int n = yaml_next(r, &c->mapping, &e);
	yaml_close(r);
	if (n == -ENOMEM)
		return err_set(err, n, "mapping: %m");
	if (n < 0)
		return err_set(err, -EINVAL, STR_FMT ":%u: %s: write YAML", STR_ARG(f->path), e.line, e.reason);
	if (n == 0 || yaml_is_null(c->mapping)) {
		c->mapping = NULL; /* an empty mapping is one */
		return 0;
	}
	if (c->mapping->kind != YAML_MAP)
		refuse(c, c->mapping->line,
		       "the mapping is no map: write time:, host:, every_field:, fields:, sources:");
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct yaml_node *list = yaml_get(c->mapping, lists[i]);
		if (!each_text(c, list, no_op, NULL))
			refuse(c, list->line, "%s: write a list of paths", lists[i]);
	}
	check_fields(c, yaml_get(c->mapping, "fields"));
	const struct yaml_node *sources = yaml_get(c->mapping, "sources");
	if (sources && sources->kind != YAML_LIST && !yaml_is_null(sources))
		refuse(c, sources->line, "sources is no list: write - logsource: {...}");
	c->entries = take(c, (sources ? sources->n + 1 : 1) * sizeof(*c->entries));
	for (const struct yaml_item *i = sources && sources->kind == YAML_LIST && c->entries ? sources->items : NULL; i;
	     i = i->next)
		read_entry(c, i->value, &c->entries[c->n_entries++]);
	return c->mapping_bad ? -EINVAL : 0;
}

/* Texts that are gathered, each once. */
struct gather {
	struct text *at;
	uint32_t n, cap;
	struct str name; /* for a template: what % stands for */
};

static void gather(struct compiler *c, struct str s, void *arg)
{
	struct gather *g = arg;
	struct text t = build_text(&c->build, s);
	for (uint32_t i = 0; i < g->n; i++)
		if (g->at[i].off == t.off && g->at[i].len == t.len)
			return;
	if (s.n && grow(c, (void **)&g->at, g->n, &g->cap, sizeof(*g->at)))
		g->at[g->n++] = t;
}

static void gather_template(struct compiler *c, struct str template, void *arg)
{
	struct gather *g = arg;
	size_t percent = str_find(template, '%');
	struct str path = template;
	if (percent < template.n)
		path = arena_printf(&c->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(str_sub(template, 0, percent)),
		                    STR_ARG(g->name), STR_ARG(str_sub(template, percent + 1, template.n)));
	if (path.p)
		gather(c, path, g);
	else
		c->build.failed = true;
}

static const struct yaml_node *get(const struct yaml_node *map, struct str key)
{
	for (const struct yaml_item *i = map && map->kind == YAML_MAP ? map->items : NULL; i; i = i->next)
		if (str_eq(i->key->text, key))
			return i->value;
	return NULL;
}

/* Ids are made once per name and log source, and are the same where the log source adds no paths. */
uint32_t field_id(struct compiler *c, struct str name)
{
	struct field_lookup lookup = { .name = build_text(&c->build, name), .source = c->source };
	bool is_new;
	uint32_t at = pool_put_one(&c->lookups, &lookup, &is_new);
	if (!is_new)
		return c->build.failed ? RULESET_FIELD_TIME : ((const uint32_t *)c->lookup_ids.p)[at];
	struct gather extra = { 0 };
	for (uint32_t i = 0; c->source != NO_INDEX && i < c->n_entries; i++)
		if (c->entries[i].fields && source_within(*source_at(c, c->source), c->entries[i].source))
			each_text(c, get(c->entries[i].fields, name), gather, &extra);
	struct field_key key = { .name = lookup.name, .extra = pool_put(&c->build.texts, extra.at, extra.n) };
	uint32_t id = pool_put_one(&c->keys, &key, &is_new) + RULESET_FIELD_FIRST;
	pool_append(&c->lookup_ids, &id);
	return c->build.failed ? RULESET_FIELD_TIME : id;
}

static void put_paths(struct compiler *c, uint32_t field, const struct gather *g)
{
	for (uint32_t i = 0; i < g->n; i++) {
		struct path_rec p = { .path = g->at[i], .field = field };
		pool_append(&c->build.paths, &p);
	}
}

static void reserved_field(struct compiler *c, uint32_t id, struct str name, const char *key)
{
	struct field_rec rec = { .name = build_text(&c->build, name) };
	struct gather g = { 0 };
	pool_append(&c->build.fields, &rec);
	each_text(c, yaml_get(c->mapping, key), gather, &g);
	put_paths(c, id, &g);
}

/* All places where a field of this name stands. */
static void gather_name(struct compiler *c, struct str name, struct gather *g)
{
	g->name = name;
	gather(c, name, g);
	each_text(c, get(c->mapping ? yaml_get(c->mapping, "fields") : NULL, name), gather, g);
	each_text(c, yaml_get(c->mapping, "every_field"), gather_template, g);
}

static void gather_asked(struct compiler *c, struct str name, struct gather *g)
{
	for (size_t i = 0; i < c->texts->n_asked; i++) {
		const struct rule_asked *a = &c->texts->asked[i];
		for (size_t k = 0; k < a->n_also && str_eq(name, str_from(a->name)); k++)
			gather_name(c, str_from(a->also[k]), g);
	}
}

void mapping_paths(struct compiler *c)
{
	reserved_field(c, RULESET_FIELD_TIME, STR("@timestamp"), "time");
	reserved_field(c, RULESET_FIELD_HOST, STR("host.name"), "host");
	for (uint32_t i = 0; i < c->keys.n && !c->build.failed; i++) {
		struct field_key key = ((const struct field_key *)c->keys.p)[i];
		struct field_rec rec = { .name = key.name };
		struct str in_pool = build_str(&c->build, key.name);
		struct str name = arena_copy(&c->arena, in_pool);
		struct gather g = { 0 };
		pool_append(&c->build.fields, &rec);
		gather_name(c, name, &g);
		gather_asked(c, name, &g);
		for (uint32_t k = 0; k < key.extra.n; k++) {
			struct text t = ((const struct text *)c->build.texts.p)[key.extra.at + k];
			gather(c, arena_copy(&c->arena, build_str(&c->build, t)), &g);
		}
		put_paths(c, i + RULESET_FIELD_FIRST, &g);
	}
}

static void put_route(struct compiler *c, uint32_t node, const uint32_t *sources, uint32_t n)
{
	struct route r = { .node = node, .sources = pool_put(&c->build.numbers, sources, n) };
	pool_append(&c->build.routes, &r);
}

/* Events say themselves where they come from: event.dataset is "product.service", "product.category" or "product". */
static void dataset_route(struct compiler *c, uint32_t source)
{
	const struct source s = *source_at(c, source);
	struct str product = build_str(&c->build, s.product), category = build_str(&c->build, s.category),
	           service = build_str(&c->build, s.service), names[2];
	uint32_t n = 0;
	if (product.n && service.n)
		names[n++] = arena_printf(&c->arena, STR_FMT "." STR_FMT, STR_ARG(product), STR_ARG(service));
	if (product.n && category.n)
		names[n++] = arena_printf(&c->arena, STR_FMT "." STR_FMT, STR_ARG(product), STR_ARG(category));
	if (!!product.n + !!category.n + !!service.n == 1) {
		struct str only = product.n ? product : category.n ? category : service;
		names[n++] = arena_copy(&c->arena, only); /* the pool may move */
	}
	struct yaml_node values[2], list = { .kind = YAML_LIST, .n = n };
	struct yaml_node key = { .text = STR("event.dataset") };
	struct yaml_item items[2], line = { .key = &key, .value = &list };
	for (uint32_t i = 0; i < n; i++) {
		values[i] = (struct yaml_node){ .text = names[i] };
		items[i] = (struct yaml_item){ .value = &values[i], .next = i + 1 < n ? &items[i + 1] : NULL };
	}
	list.items = items;
	const struct yaml_node map = { .kind = YAML_MAP, .n = 1, .items = &line };
	if (n)
		put_route(c, selection_node(c, &map), &source, 1);
}

/* The log source of the built-in rules is any, where an indicator was found, whatever the mapping says. */
static void indicator_route(struct compiler *c, uint32_t source)
{
	const struct source *s = source_at(c, source);
	if (s->product.len || s->service.len || !str_eq(build_str(&c->build, s->category), STR("indicator")))
		return;
	struct yaml_node value = { .text = STR("true") }, key = { .text = STR("khien.indicator.type|exists") };
	struct yaml_item line = { .key = &key, .value = &value };
	const struct yaml_node map = { .kind = YAML_MAP, .n = 1, .items = &line };
	put_route(c, selection_node(c, &map), &source, 1);
}

void mapping_asked(struct compiler *c)
{
	c->doc = NULL;
	c->source = NO_INDEX;
	for (size_t i = 0; i < c->texts->n_asked; i++) {
		uint32_t id = field_id(c, str_from(c->texts->asked[i].name));
		pool_append(&c->build.asked, &id);
	}
}

/* Which fields a node asks for, marked in seen[]. */
static void mark_fields(const struct build *b, uint32_t node, bool *seen)
{
	const struct node *n = (const struct node *)b->nodes.p + node;
	for (uint32_t i = 0; i < n->kids.n; i++)
		mark_fields(b, ((const uint32_t *)b->numbers.p)[n->kids.at + i], seen);
	if (n->op != NODE_TEST)
		return;
	const struct test *t = (const struct test *)b->tests.p + n->arg;
	if (t->field != NO_INDEX)
		seen[t->field] = true;
	for (uint32_t i = 0; i < t->patterns.n; i++) {
		const struct pattern *p = (const struct pattern *)b->patterns.p + t->patterns.at + i;
		if (p->op == PATTERN_FIELD)
			seen[p->field] = true;
	}
}

static void put_route_fields(struct compiler *c)
{
	uint32_t n = c->keys.n + RULESET_FIELD_FIRST;
	bool *seen = arena_zalloc(&c->arena, n);
	if (!seen || c->build.failed) {
		c->build.failed = true;
		return;
	}
	for (uint32_t i = 0; i < c->build.routes.n; i++)
		mark_fields(&c->build, ((const struct route *)c->build.routes.p)[i].node, seen);
	for (uint32_t i = 0; i < n; i++)
		if (seen[i])
			pool_append(&c->build.route_fields, &i);
}

/* A log source that no entry of the mapping serves is told once, at the first rule that names it. */
static void warn_unserved(struct compiler *c, uint32_t source)
{
	struct doc *first = NULL;
	uint32_t rules = 0;
	for (uint32_t i = 0; i < c->n_docs; i++) {
		struct doc *d = &c->docs[i];
		if (d->kind != DOC_DETECTION || d->refused || d->source != source)
			continue;
		first = first ? first : d;
		rules++;
	}
	if (!first)
		return;
	struct source s = *source_at(c, source);
	struct text parts[] = { s.product, s.category, s.service };
	struct str name = STR("");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].len)
			name = arena_printf(&c->arena, STR_FMT "%s" STR_FMT, STR_ARG(name), name.n ? ", " : "",
			                    STR_ARG(build_str(&c->build, parts[i])));
	c->doc = first;
	warn(c, first->root->line,
	     "no entry of the mapping serves log source '%.*s' (%u rule%s): write one, or set event.dataset in its "
	     "events",
	     SHORT_ARG(name), rules, rules == 1 ? "" : "s");
}

int mapping_routes(struct compiler *c, struct err *err)
{
	c->doc = NULL;
	c->source = NO_INDEX;
	c->mapping_err = err;
	if (c->texts->all_rules) {
		struct source all = { 0 };
		uint32_t zero = pool_append(&c->build.sources, &all);
		put_route(c, build_const(&c->build, true), &zero, 1);
		return 0;
	}
	uint32_t n = c->sources.n, *fit = take(c, (n + 1) * sizeof(*fit));
	bool *served = arena_zalloc(&c->arena, n + 1);
	if (!fit || !served || c->build.failed)
		return err_set(err, -ENOMEM, "compile rules: %m");
	for (uint32_t i = 0; i < n; i++)
		pool_append(&c->build.sources, source_at(c, i));
	for (uint32_t i = 0; i < c->n_entries; i++) {
		uint32_t n_fit = 0;
		const struct yaml_node *when = c->entries[i].when;
		uint32_t node = when ? selection_node(c, when) : 0;
		for (uint32_t s = 0; when && s < n; s++)
			if (source_within(*source_at(c, s), c->entries[i].source))
				served[fit[n_fit++] = s] = true;
		if (n_fit)
			put_route(c, node, fit, n_fit);
	}
	if (c->mapping_bad)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		dataset_route(c, i);
		indicator_route(c, i);
		if (!served[i] && !str_eq(build_str(&c->build, source_at(c, i)->category), STR("indicator")))
			warn_unserved(c, i);
	}
	put_route_fields(c);
	return 0;
}
