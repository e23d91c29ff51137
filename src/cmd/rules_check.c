/* khien rules check: what is refused, what deserves a look, and what to write instead. */
#include "base/buf.h"
#include "cmd/cmd.h"
#include "cmd/rules.h"
#include "cmd/term.h"
#include "rule/compile.h"

#include <unistd.h>

struct tally {
	uint32_t detections, correlations, refused, warnings;
};

static void print_diagnostics(struct buf *out, const struct ruleset *rs, bool quiet, struct tally *t)
{
	for (uint32_t i = 0; i < rs->n_diagnostics; i++) {
		const struct diagnostic *d = &rs->diagnostics[i];
		if (d->refused)
			t->refused++;
		else
			t->warnings++;
		if (quiet && !d->refused)
			continue;
		term_safe(out, ruleset_text(rs, d->text));
		buf_add(out, d->refused ? STR("\n") : STR(" (warning)\n"));
	}
}
static void print_closing(struct buf *out, const struct ruleset *rs, size_t files, struct tally *t)
{
	for (uint32_t i = 0; i < rs->n_rules; i++) {
		if (rs->rules[i].correlation == NO_INDEX)
			t->detections++;
		else
			t->correlations++;
	}
	buf_printf(out, "%zu files: %u rules and %u correlations run, %u refused, %u warnings\n", files, t->detections,
	           t->correlations, t->refused, t->warnings);
}
int rules_check(const struct rules_args *a, struct err *err)
{
	const struct rule_config config = {
		.dirs = a->words.at,
		.n_dirs = a->words.n,
		.mapping = a->mapping,
		.placeholders = a->placeholders,
	};
	struct rule_texts texts;
	struct ruleset rs;
	struct tally tally = { 0 };
	int r = rule_read(&texts, &config, err);
	if (r)
		return r;
	r = rule_compile(&rs, &texts, err);
	if (!r) {
		CLEANUP(buf_free) struct buf out = { 0 };
		print_diagnostics(&out, &rs, a->quiet, &tally);
		if (!a->quiet)
			print_closing(&out, &rs, texts.n_files, &tally);
		if (out.n)
			r = term_write(STDOUT_FILENO, buf_str(&out));
		if (r)
			err_set(err, r, "write to standard output: %m");
		ruleset_free(&rs);
	}
	rule_texts_free(&texts);
	return r ? r : tally.refused ? EXIT_FOUND : EXIT_NOTHING;
}
