#define PCRE2_CODE_UNIT_WIDTH 8
#include "match/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

enum {
	MATCH_LIMIT = 200000, /* steps of backtracking: some milliseconds */
	JIT_STACK_START = 32 << 10,
	JIT_STACK_MAX = 512 << 10,
};

struct regexes {
	uint32_t n;
	pcre2_code *code[]; /* by index in PATTERNS; NULL where that is no regular expression */
};

struct regex_search {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

static pcre2_code *compile(const struct ruleset *rs, const struct pattern *p, bool jit, struct err *err)
{
	struct str text = ruleset_text(rs, p->text);
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NO_AUTO_CAPTURE |
	                   (p->re_flags & RE_I ? PCRE2_CASELESS : 0) | (p->re_flags & RE_M ? PCRE2_MULTILINE : 0) |
	                   (p->re_flags & RE_S ? PCRE2_DOTALL : 0);
	int why;
	PCRE2_SIZE at;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)text.p, text.n, options, &why, &at, NULL);
	if (!code) {
		PCRE2_UCHAR words[128] = "";
		pcre2_get_error_message(why, words, sizeof(words));
		err_set(err, -EINVAL, "regular expression '" STR_FMT "': %s at %zu", STR_ARG(text), (char *)words, at);
		return NULL;
	}
	if (jit)
		pcre2_jit_compile(code,
		                  PCRE2_JIT_COMPLETE); /* without it the interpreter runs: slower, the same result */
	return code;
}

int regexes_new(struct regexes **ret, const struct ruleset *rs, bool jit, struct err *err)
{
	struct regexes *r = calloc(1, sizeof(*r) + rs->n_patterns * sizeof(r->code[0]));
	if (!r)
		return err_set(err, -ENOMEM, "regular expressions: %m");
	r->n = rs->n_patterns;
	for (uint32_t i = 0; i < r->n; i++) {
		if (rs->patterns[i].op != PATTERN_RE)
			continue;
		r->code[i] = compile(rs, &rs->patterns[i], jit, err);
		if (!r->code[i]) {
			regexes_free(r);
			return -EINVAL;
		}
	}
	*ret = r;
	return 0;
}

void regexes_free(struct regexes *r)
{
	for (uint32_t i = 0; r && i < r->n; i++)
		pcre2_code_free(r->code[i]);
	free(r);
}

int regex_search_new(struct regex_search **ret)
{
	struct regex_search *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->data = pcre2_match_data_create(1, NULL);
	s->context = pcre2_match_context_create(NULL);
	s->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
	if (!s->data || !s->context) {
		regex_search_free(s);
		return -ENOMEM;
	}
	pcre2_set_match_limit(s->context, MATCH_LIMIT);
	pcre2_jit_stack_assign(s->context, NULL, s->stack);
	*ret = s;
	return 0;
}

void regex_search_free(struct regex_search *s)
{
	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	pcre2_jit_stack_free(s->stack);
	free(s);
}

int regex_find(const struct regexes *r, struct regex_search *s, uint32_t pattern, struct str text)
{
	int n = pcre2_match(r->code[pattern], (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, 0, s->data, s->context);
	if (n >= 0)
		return 1;
	return n == PCRE2_ERROR_NOMATCH ? 0 : -1;
}
