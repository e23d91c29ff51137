/* One value of a document as Jansson's tree; beside parse.h, as its names and those of base/json.h are the same. */
#ifndef KHIEN_INTEL_TREE_H
#define KHIEN_INTEL_TREE_H

#include "base/str.h"

#include <jansson.h>

/* A tree of one value (json_decref), of at most INTEL_OBJECT_MAX bytes, or NULL with why. */
json_t *tree_of(struct str value, const char **why);
/* The member's text; empty where it has none. Borrowed from o. */
struct str tree_text(const json_t *o, const char *key);

#endif
