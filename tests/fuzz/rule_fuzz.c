/*
 * rule_compile: whatever the text, a sound ruleset (ruleset_open has checked it) or a bad mapping; diagnostics are one
 * line each and name their file; the same text gives the same bytes.
 * Input: rules, and behind lines "%%%" a mapping and the content of the placeholder file words.txt.
 */
#include "rule/compile.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The part before the next "%%%" line; rest moves behind it. */
static struct str part(struct str *rest)
{
	static const struct str mark = { "\n%%%\n", 5 };
	struct str all = *rest;
	for (size_t i = 0; i + mark.n <= all.n; i++)
		if (str_starts(str_sub(all, i, all.n), mark)) {
			*rest = str_sub(all, i + mark.n, all.n);
			return str_sub(all, 0, i + 1);
		}
	*rest = STR("");
	return all;
}

static int compile(struct ruleset *rs, struct str input)
{
	struct rule_file rules = { STR("r.yml"), part(&input) };
	struct rule_file mapping = { STR("m.yaml"), part(&input) };
	struct rule_file words = { STR("p/words.txt"), input };
	const struct rule_texts texts = {
		.files = &rules,
		.n_files = 1,
		.mapping = mapping,
		.placeholders = &words,
		.n_placeholders = input.n > 0,
	};
	struct err err = { 0 };
	int r = rule_compile(rs, &texts, &err);
	assert(r == 0 || (r == -EINVAL && str_starts(str_from(err.text), STR("m.yaml:"))));
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = { (const char *)data, size };
	struct ruleset rs, again;
	int r = compile(&rs, input);
	int r2 = compile(&again, input);
	assert(r == r2);
	if (r)
		return 0;
	assert(str_eq(ruleset_block(&rs), ruleset_block(&again)));
	for (uint32_t i = 0; i < rs.n_diagnostics; i++) {
		struct str line = ruleset_text(&rs, rs.diagnostics[i].text);
		assert(str_starts(line, STR("r.yml:")));
		assert(str_find(line, '\n') == line.n && str_find(line, '\0') == line.n);
	}
	for (uint32_t i = 0; i < rs.n_rules; i++)
		assert(rs.rules[i].title.len > 0 || rs.rules[i].line > 0);
	ruleset_free(&rs);
	ruleset_free(&again);
	return 0;
}
