/*
 * The inside of rule_compile(): what its files share.
 *
 *   read.c       files -> struct rule_texts
 *   compile.c    the passes: documents, then filters, then correlations, then records
 *   mapping.c    log sources, field ids, routes
 *   detection.c  selections -> tests and nodes
 *   modifier.c   "Field|contains|all" -> struct item
 *   value.c      one value of a rule and what modifiers make of it
 *   condition.c  "selection and not 1 of filter_*" -> nodes
 *   filter.c, correlation.c
 *   build.c, pool.c, ruleset.c: the records, and the block that they end in
 *
 * Nothing here returns an error for a bad rule: refuse() notes the first reason for the document being compiled, and
 * what goes on being compiled is dropped with it. When memory ends, build.failed is set and told once at the end.
 */
#ifndef KHIEN_RULE_COMPILER_H
#define KHIEN_RULE_COMPILER_H

#include "base/arena.h"
#include "base/yaml.h"
#include "rule/build.h"
#include "rule/compile.h"

enum doc_kind { DOC_DETECTION, DOC_FILTER, DOC_CORRELATION };

/* A correlation on its way to CORRELATIONS. Indices in RULES are filled in at the end. */
struct plan {
	struct correlation record;
	uint32_t *docs; /* what it refers to, in the order written */
	struct input *inputs;
	struct text *carried; /* names that its inputs were told to carry for what refers to it */
	uint32_t n_carried, cap_carried;
	uint32_t index; /* in CORRELATIONS */
	bool busy, done;
};

/* One YAML document. */
struct doc {
	const struct yaml_node *root;
	struct str file;
	uint32_t file_index;
	enum doc_kind kind;
	bool refused;
	bool feeds, loud; /* a correlation refers to it; one of them says `generate` */
	uint32_t source;  /* log source of a detection or filter: index in compiler.sources */
	uint32_t node;    /* of a detection */
	uint32_t rule;    /* index in RULES, or NO_INDEX */
	struct text id, name;
	struct plan *plan; /* of a correlation */
	uint32_t *carry;   /* of a detection: field ids that correlations need */
	uint32_t n_carry, cap_carry;
};

struct note { /* a diagnostic, before they are put in order */
	uint32_t file_index, line, number;
	bool refused;
	struct str text;
};

/* A word that others refer to a document by. Sorted by text. */
struct reference {
	uint32_t text; /* offset in BYTES: equal texts have equal offsets */
	uint32_t doc;
	bool is_name;
};

struct entry { /* of the mapping's `sources` */
	struct source source;
	const struct yaml_node *when, *fields;
};

struct compiler {
	struct arena arena; /* YAML trees, documents, notes, scratch */
	struct build build;
	const struct rule_texts *texts;

	const struct yaml_node *mapping;
	struct entry *entries;
	uint32_t n_entries;
	struct pool sources; /* struct source: what rules name, also where --all-rules makes one of them */
	struct pool keys;    /* struct field_key, index: field id */
	struct pool lookups; /* struct field_lookup, index: see lookup_ids */
	struct pool lookup_ids;

	struct doc *docs;
	uint32_t n_docs, cap_docs;
	struct reference *references;
	uint32_t n_references;
	uint32_t *order; /* docs that are correlations, inputs before what refers to them */
	uint32_t n_order;
	struct note *notes;
	uint32_t n_notes, cap_notes;

	struct doc *doc;         /* being compiled; NULL: the mapping */
	uint32_t source;         /* whose field names count; NO_INDEX: only the general ones */
	struct err *mapping_err; /* where refuse() writes while the mapping is compiled */
	bool mapping_bad;
};

/* The document being compiled can't be used. `what` should end in what to write instead. */
void refuse(struct compiler *c, uint32_t line, const char *what, ...) __attribute__((format(printf, 3, 4)));
/* It can, but somebody should look at it. */
void warn(struct compiler *c, uint32_t line, const char *what, ...) __attribute__((format(printf, 3, 4)));
bool is_refused(const struct compiler *c);

/* Memory of the arena; NULL (and build.failed) when it ends. Not cleared. */
void *take(struct compiler *c, size_t n);
/* Room for one more in an array of the arena that doubles. */
bool grow(struct compiler *c, void **array, uint32_t n, uint32_t *cap, size_t size);

/* Text of foreign origin in a message: at most 60 bytes. */
#define SHORT_ARG(s) (int)((s).n < 60 ? (s).n : 60), (s).p

/* mapping.c */
void mapping_init(struct compiler *c);
void mapping_done(struct compiler *c);
int mapping_load(struct compiler *c, struct err *err);
int mapping_routes(struct compiler *c, struct err *err);
/* Ids for the fields that others than rules ask for. */
void mapping_asked(struct compiler *c);
void mapping_paths(struct compiler *c);
uint32_t source_of(struct compiler *c, const struct yaml_node *logsource);
const struct source *source_at(const struct compiler *c, uint32_t source);
/* Every part that `wide` names equals that of `narrow`. */
bool source_within(struct source wide, struct source narrow);
uint32_t field_id(struct compiler *c, struct str name);

/* detection.c, condition.c */
uint32_t selection_node(struct compiler *c, const struct yaml_node *selection);
struct selection {
	struct str name;
	const struct yaml_node *yaml;
	uint32_t node;
	bool used;
};
/* The selections of a detection or filter, not compiled; n is written. NULL: refused. */
struct selection *selections_of(struct compiler *c, const struct yaml_node *detection, uint32_t *n);
/* A condition or a list of them over selections with nodes. */
uint32_t condition_node(struct compiler *c, const struct yaml_node *condition, struct selection *s, uint32_t n);

/* Nearest word, or NULL when none is near. words[i] at p + i * stride is a struct str. */
struct str nearest(struct str word, const struct str *words, size_t n);

/* filter.c, correlation.c */
void filter_check(struct compiler *c, struct doc *filter);
void filters_apply(struct compiler *c);
void correlations_resolve(struct compiler *c);
void correlations_record(struct compiler *c);
/* The document that a word refers to. NULL: none; *ambiguous tells when there are several. */
struct doc *compiler_find(struct compiler *c, struct str word, bool *ambiguous);

#endif
