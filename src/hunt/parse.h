/* Reading a hunt; for lex.c, parse.c and stage.c only. */
#ifndef KHIEN_HUNT_PARSE_H
#define KHIEN_HUNT_PARSE_H

#include "hunt/ast.h"

struct parser {
	struct arena *arena;
	struct str in;
	size_t at;
	unsigned depth; /* open brackets */
	unsigned terms;
	bool failed; /* *error says why, or no_memory */
	bool no_memory;
	struct hunt_error *error;
};

/* --- lex.c --- */

/* Notes what is wrong, once: the first counts. Returns NULL. */
void *parse_fail(struct parser *p, size_t at, size_t end, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void *parse_no_memory(struct parser *p);

void parse_blanks(struct parser *p);
/* What stands at the place, blanks passed over; 0: the end. */
char parse_peek(struct parser *p);
/* Whether this text stands there: then it is passed. */
bool parse_take(struct parser *p, const char *text);
/* The same for a word, cases alike, that ends there. */
bool parse_take_word(struct parser *p, const char *word);
/* Whether a word in any case is one of those that join: AND, OR, NOT. */
bool parse_is_joint(struct str word);
/* The name of a field at the place, or an empty text. */
struct str parse_name(struct parser *p);
/* Bytes of one that a field name may have. */
bool parse_is_name(char c);
/* Up to what ends an unquoted text; `more`: bytes that end it, too. Nothing is passed. */
struct str parse_word(const struct parser *p, const char *more);
/* At a '"': the text within. p NULL: failed. */
struct str parse_quoted(struct parser *p);
/* Marks wildcards and undoes escapes. p NULL: no memory. */
struct str parse_wild(struct parser *p, struct str word);
/* A whole number; false: none stands there. */
bool parse_count(struct parser *p, uint64_t *ret);

/* --- parse.c --- */

/* An expression, up to '|', ')' or the end; NULL: failed. */
struct hunt_node *parse_expr(struct parser *p);
/* Whether the text has the marks of wildcards. */
bool parse_has_wild(struct str text);

/* --- stage.c --- */

/* A command, behind its '|'. */
bool parse_stage(struct parser *p, struct hunt_stage *ret);

#endif
