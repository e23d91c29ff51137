/*
 * The fields that somebody asked for, and where each may stand in an event.
 *
 * A rule names a field in the Sigma taxonomy (CommandLine); events carry it under native names (CommandLine,
 * Event.EventData.CommandLine, process.command_line). Each asked-for field has a small id; each of its paths is one
 * dotted name. The table is a tree of keys, so a JSON reader walks it as it walks the document and never compares
 * names that nobody asked for. Immutable once built, so threads share it.
 */
#ifndef KHIEN_EVENT_FIELDS_H
#define KHIEN_EVENT_FIELDS_H

#include "base/err.h"
#include "base/str.h"

/* Ids every table has, whatever the rules name. */
enum {
	FIELD_TIME, /* when it happened, as text or epoch number */
	FIELD_HOST, /* the machine it happened on */
	FIELD_FIRST_NAMED,
};

struct fields;

/* One place a field may stand in. In `path` "." separates keys, a key "*" stands for any one key. */
struct field_path {
	struct str path;
	uint32_t field;
};

/*
 * Copies what it needs. Every path is found nested ({"a":{"b":1}}) and with its dots in the key ({"a.b":1}), and a
 * key is also found when blanks stand in it ("Threat Name" for ThreatName). n_fields counts the reserved ids too.
 */
int fields_new(struct fields **ret, uint32_t n_fields, const struct field_path *paths, size_t n_paths, struct err *err);
void fields_free(struct fields *f);
uint32_t fields_count(const struct fields *f);

/* Walking: node 0 is the root of a document; FIELDS_NONE is "nothing asked for below here". */
#define FIELDS_NONE UINT32_MAX
uint32_t fields_child(const struct fields *f, uint32_t node, struct str key);
/* The ids that the value at this node belongs to; n may be 0. */
const uint32_t *fields_at(const struct fields *f, uint32_t node, uint32_t *n);
/* Whether anything is asked for below this node. */
bool fields_has_children(const struct fields *f, uint32_t node);

#endif
