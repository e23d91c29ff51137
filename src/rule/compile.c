#include "rule/compile.h"

#include "rule/compiler.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *take(struct compiler *c, size_t n)
{
	void *p = c->build.failed ? NULL : arena_alloc(&c->arena, n);
	if (!p)
		c->build.failed = true;
	return p;
}

bool grow(struct compiler *c, void **array, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	uint32_t more = *cap ? *cap * 2 : 4;
	void *p = take(c, more * size);
	if (!p)
		return false;
	if (n)
		memcpy(p, *array, n * size);
	*array = p;
	*cap = more;
	return true;
}

__attribute__((format(printf, 4, 0))) static void note(struct compiler *c, uint32_t line, bool refused,
                                                       const char *what, va_list ap)
{
	char text[512];
	vsnprintf(text, sizeof(text), what, ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' '; /* foreign bytes must not break the line or steer the terminal */
	if (!c->doc) {
		if (!c->mapping_bad)
			err_set(c->mapping_err, -EINVAL, STR_FMT ":%u: %s", STR_ARG(c->texts->mapping.path), line,
			        text);
		c->mapping_bad = true;
		return;
	}
	if (!grow(c, (void **)&c->notes, c->n_notes, &c->cap_notes, sizeof(*c->notes)))
		return;
	struct note *n = &c->notes[c->n_notes];
	*n = (struct note){ c->doc->file_index, line, c->n_notes, refused,
		            arena_printf(&c->arena, STR_FMT ":%u: %s", STR_ARG(c->doc->file), line, text) };
	c->n_notes++;
	if (!n->text.p)
		c->build.failed = true;
}

bool is_refused(const struct compiler *c)
{
	return c->doc ? c->doc->refused : c->mapping_bad;
}

void refuse(struct compiler *c, uint32_t line, const char *what, ...)
{
	if (is_refused(c))
		return;
	va_list ap;
	va_start(ap, what);
	note(c, line, true, what, ap);
	va_end(ap);
	if (c->doc)
		c->doc->refused = true;
}

void warn(struct compiler *c, uint32_t line, const char *what, ...)
{
	va_list ap;
	va_start(ap, what);
	note(c, line, false, what, ap);
	va_end(ap);
}

static struct text scalar(struct compiler *c, const char *key)
{
	const struct yaml_node *n = yaml_get(c->doc->root, key);
	return n && n->kind == YAML_SCALAR && !yaml_is_null(n) ? build_text(&c->build, n->text) : (struct text){ 0 };
}

static void compile_detection(struct compiler *c, struct doc *d)
{
	const struct yaml_node *detection = yaml_get(d->root, "detection"),
	                       *condition = yaml_get(detection, "condition");
	const struct yaml_node *logsource = yaml_get(d->root, "logsource");
	uint32_t n;
	if (detection->kind != YAML_MAP) {
		refuse(c, detection->line, "detection is no map: write a selection and condition: below it");
		return;
	}
	if (!condition || yaml_is_null(condition)) {
		refuse(c, detection->line, "no condition: write one, as in condition: selection");
		return;
	}
	d->source = source_of(c, logsource);
	const struct source *s = source_at(c, d->source);
	if (!c->texts->all_rules && !s->product.len && !s->category.len && !s->service.len) {
		refuse(c, logsource ? logsource->line : d->root->line,
		       "no logsource: write logsource: with product:, category: or service: below it");
		return;
	}
	c->source = d->source;
	struct selection *selections = selections_of(c, detection, &n);
	for (uint32_t i = 0; selections && i < n && !d->refused; i++)
		selections[i].node = selection_node(c, selections[i].yaml);
	if (!d->refused)
		d->node = condition_node(c, condition, selections, n);
}

static void compile_doc(struct compiler *c, struct doc *d)
{
	const struct yaml_node *root = d->root, *title = yaml_get(root, "title");
	if (root->kind != YAML_MAP || root->n == 0) {
		refuse(c, root->line, "not a rule: write a map with title:, logsource: and detection:");
		return;
	}
	d->id = scalar(c, "id");
	d->name = scalar(c, "name");
	uint32_t line = root->items->key->line;
	if (yaml_get(root, "correlation"))
		d->kind = DOC_CORRELATION;
	else if (yaml_get(root, "filter"))
		d->kind = DOC_FILTER;
	if (yaml_get(root, "action"))
		refuse(c, line, "collections with action: are no longer Sigma: write whole rules");
	else if (d->kind == DOC_DETECTION && !yaml_get(root, "detection"))
		refuse(c, line, "no detection: write detection: with a selection and a condition");
	else if (!title || title->kind != YAML_SCALAR || yaml_is_null(title))
		refuse(c, line, "no title: write title: and what the rule finds");
	else if (d->kind == DOC_DETECTION)
		compile_detection(c, d);
	else if (d->kind == DOC_FILTER)
		filter_check(c, d);
}

/* khien's own mapping of log sources may lie among the rules; it is no rule, nor a broken one. */
static bool is_mapping(const struct yaml_node *root)
{
	return root->kind == YAML_MAP && yaml_get(root, "sources") && !yaml_get(root, "title");
}

static struct doc *add_doc(struct compiler *c, uint32_t file_index, const struct yaml_node *root)
{
	if (!grow(c, (void **)&c->docs, c->n_docs, &c->cap_docs, sizeof(*c->docs)))
		return NULL;
	struct doc *d = &c->docs[c->n_docs++];
	*d = (struct doc){
		.root = root, .file = c->texts->files[file_index].path, .file_index = file_index, .rule = NO_INDEX
	};
	c->doc = d;
	return d;
}

/* A document without a tree, only there to be refused. */
static void refuse_file(struct compiler *c, uint32_t file_index, uint32_t line, const char *why)
{
	static const struct yaml_node nothing = { .plain = true, .line = 1, .column = 1, .text = { "", 0 } };
	if (add_doc(c, file_index, &nothing))
		refuse(c, line, "%s", why);
}

static void compile_file(struct compiler *c, uint32_t file_index)
{
	const struct rule_file *f = &c->texts->files[file_index];
	struct yaml_reader *r = NULL;
	if (!f->text.p) {
		refuse_file(c, file_index, 1, "unreadable, or over 1 MiB: write smaller files that khien may read");
		return;
	}
	if (yaml_open(&r, &c->arena, f->text))
		c->build.failed = true;
	while (!c->build.failed) {
		const struct yaml_node *root;
		struct yaml_error e;
		int n = yaml_next(r, &root, &e);
		if (n == 0)
			break;
		char why[256];
		snprintf(why, sizeof(why), "YAML, column %u: %s: write it anew", e.column, e.reason);
		if (n == -EBADMSG)
			refuse_file(c, file_index, e.line, why);
		else if (n < 0)
			c->build.failed = true;
		else if (!yaml_is_null(root) && !is_mapping(root) && add_doc(c, file_index, root))
			compile_doc(c, c->doc);
	}
	yaml_close(r);
}

static int by_reference(const void *a, const void *b)
{
	const struct reference *x = a, *y = b;
	if (x->text != y->text)
		return x->text < y->text ? -1 : 1;
	if (x->is_name != y->is_name)
		return x->is_name ? 1 : -1;
	return x->doc < y->doc ? -1 : x->doc > y->doc;
}

static void gather_references(struct compiler *c)
{
	c->references = take(c, (2 * (size_t)c->n_docs + 1) * sizeof(*c->references));
	if (!c->references)
		return;
	for (uint32_t i = 0; i < c->n_docs; i++) {
		if (c->docs[i].id.len)
			c->references[c->n_references++] = (struct reference){ c->docs[i].id.off, i, false };
		if (c->docs[i].name.len)
			c->references[c->n_references++] = (struct reference){ c->docs[i].name.off, i, true };
	}
	qsort(c->references, c->n_references, sizeof(*c->references), by_reference);
	const struct reference *first = NULL; /* whose id it is */
	for (uint32_t i = 0; i < c->n_references; i++) {
		const struct reference *r = &c->references[i];
		struct doc *d = &c->docs[r->doc];
		if (r->is_name || d->refused)
			continue;
		if (!first || first->text != r->text) {
			first = r;
			continue;
		}
		const struct doc *other = &c->docs[first->doc];
		c->doc = d;
		struct str id = yaml_get(d->root, "id")->text;
		refuse(c, yaml_get(d->root, "id")->line,
		       "id %.*s is taken by %.*s:%u: write a new one, or leave one of them out", SHORT_ARG(id),
		       (int)other->file.n, other->file.p, yaml_get(other->root, "id")->line);
	}
}

struct doc *compiler_find(struct compiler *c, struct str word, bool *ambiguous)
{
	struct text t = build_text(&c->build, word);
	uint32_t lo = 0, hi = c->n_references;
	*ambiguous = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (c->references[mid].text < t.off)
			lo = mid + 1;
		else
			hi = mid;
	}
	struct doc *found = NULL;
	for (; t.len && lo < c->n_references && c->references[lo].text == t.off; lo++) {
		const struct reference *r = &c->references[lo];
		struct doc *d = &c->docs[r->doc];
		if (!found || found->refused)
			found = d; /* better one that runs */
		else if (r->is_name && !d->refused && !(found->id.len && found->id.off == t.off))
			*ambiguous |= d != found;
	}
	if (*ambiguous)
		return NULL;
	return found;
}

static uint8_t level(struct compiler *c)
{
	static const struct str names[] = {
		[LEVEL_NONE] = { "", 0 },     [LEVEL_INFORMATIONAL] = { "informational", 13 },
		[LEVEL_LOW] = { "low", 3 },   [LEVEL_MEDIUM] = { "medium", 6 },
		[LEVEL_HIGH] = { "high", 4 }, [LEVEL_CRITICAL] = { "critical", 8 },
	};
	const struct yaml_node *n = yaml_get(c->doc->root, "level");
	if (!n || n->kind != YAML_SCALAR || yaml_is_null(n))
		return LEVEL_NONE;
	for (uint8_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(n->text, names[i]))
			return i;
	warn(c, n->line, "unknown level '%.*s': write informational, low, medium, high or critical",
	     SHORT_ARG(n->text));
	return LEVEL_NONE;
}

/* A text or a list of them. */
static struct span texts(struct compiler *c, const char *key)
{
	const struct yaml_node *n = yaml_get(c->doc->root, key);
	uint32_t k = 0;
	struct text *all = n ? take(c, (n->n + 1u) * sizeof(*all)) : NULL;
	if (!all)
		return (struct span){ 0 };
	if (n->kind == YAML_SCALAR && !yaml_is_null(n))
		all[k++] = build_text(&c->build, n->text);
	for (const struct yaml_item *i = n->kind == YAML_LIST ? n->items : NULL; i; i = i->next)
		if (i->value->kind == YAML_SCALAR)
			all[k++] = build_text(&c->build, i->value->text);
	return pool_put(&c->build.texts, all, k);
}

static struct span show_fields(struct compiler *c)
{
	const struct yaml_node *n = yaml_get(c->doc->root, "fields");
	uint32_t k = 0, *ids = n && n->kind == YAML_LIST ? take(c, (n->n + 1u) * sizeof(*ids)) : NULL;
	c->source = c->doc->source;
	for (const struct yaml_item *i = ids ? n->items : NULL; i; i = i->next)
		if (i->value->kind == YAML_SCALAR && i->value->text.n)
			ids[k++] = field_id(c, i->value->text);
	return pool_put(&c->build.numbers, ids, k);
}

static void record(struct compiler *c, struct doc *d)
{
	static const char *const languages[] = { "vi", "en", "zh" };
	bool detects = d->kind == DOC_DETECTION;
	c->doc = d;
	struct rule r = {
		.id = d->id,
		.name = d->name,
		.title = scalar(c, "title"),
		.description = scalar(c, "description"),
		.file = build_text(&c->build, d->file),
		.tags = texts(c, "tags"),
		.false_positives = texts(c, "falsepositives"),
		.show = detects ? show_fields(c) : (struct span){ 0 },
		.carry = pool_put(&c->build.numbers, d->carry, d->n_carry),
		.line = d->root->items->key->line,
		.node = detects ? d->node : NO_INDEX,
		.source = !detects              ? NO_INDEX
		          : c->texts->all_rules ? 0
		                                : d->source,
		.correlation = detects ? NO_INDEX : d->plan->index,
		.level = level(c),
		.silent = d->feeds && !d->loud,
		.feeds = d->feeds,
	};
	for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
		const struct yaml_node *n = yaml_get(yaml_get(d->root, "advice"), languages[i]);
		if (n && n->kind == YAML_SCALAR && !yaml_is_null(n))
			r.advice[i] = build_text(&c->build, n->text);
	}
	pool_append(&c->build.rules, &r);
}

static bool runs(const struct doc *d)
{
	return !d->refused && d->kind != DOC_FILTER;
}

static void record_rules(struct compiler *c)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->n_docs; i++)
		if (runs(&c->docs[i]))
			c->docs[i].rule = n++;
	for (uint32_t i = 0; i < c->n_docs && !c->build.failed; i++)
		if (runs(&c->docs[i]))
			record(c, &c->docs[i]);
	correlations_record(c);
}

static int by_place(const void *a, const void *b)
{
	const struct note *x = a, *y = b;
	if (x->file_index != y->file_index)
		return x->file_index < y->file_index ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

static void record_notes(struct compiler *c)
{
	if (c->n_notes)
		qsort(c->notes, c->n_notes, sizeof(*c->notes), by_place);
	for (uint32_t i = 0; i < c->n_notes && !c->build.failed; i++) {
		struct diagnostic d = { .text = build_text(&c->build, c->notes[i].text),
			                .refused = c->notes[i].refused };
		pool_append(&c->build.diagnostics, &d);
	}
}

static int passes(struct compiler *c, struct err *err)
{
	int r = mapping_load(c, err);
	for (uint32_t i = 0; !r && i < c->texts->n_files && !c->build.failed; i++)
		compile_file(c, i);
	if (r || c->build.failed)
		return r;
	gather_references(c);
	filters_apply(c);
	correlations_resolve(c);
	record_rules(c);
	r = mapping_routes(c, err);
	if (r)
		return r;
	mapping_asked(c);
	mapping_paths(c);
	record_notes(c);
	return 0;
}

int rule_compile(struct ruleset *ret, const struct rule_texts *rule_texts, struct err *err)
{
	struct compiler c = { .texts = rule_texts, .source = NO_INDEX };
	build_init(&c.build);
	mapping_init(&c);
	int r = passes(&c, err);
	if (!r)
		r = build_finish(&c.build, ret, err);
	mapping_done(&c);
	build_free(&c.build);
	arena_free(&c.arena);
	return r;
}
