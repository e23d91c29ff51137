#include "intel/tree.h"

#include "intel/parse.h"

json_t *tree_of(struct str value, const char **why)
{
	*why = "longer than 4 MB";
	if (value.n > INTEL_OBJECT_MAX)
		return NULL;
	*why = "a text in it is not UTF-8, or has \\u0000";
	return json_loadb(value.p, value.n, JSON_DECODE_ANY, NULL);
}

struct str tree_text(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) } : STR("");
}
