/* A hunt's text: commands behind "|". */
#include "hunt/parse.h"

#include "rule/compiler.h" /* nearest() */

const char *const hunt_functions[N_FUNCTIONS] = { "count", "sum", "avg", "min", "max", "dc" };

/* --- lists of fields --- */

static bool take_name(struct parser *p, struct str *ret, const char *what)
{
	*ret = parse_name(p);
	if (ret->n)
		return true;
	parse_fail(p, p->at, p->at, "%s", what);
	return false;
}

/* 30s, 5m, 1h, 1d, 1w: µs. */
static bool take_span(struct parser *p, int64_t *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	parse_blanks(p);
	const size_t at = p->at;
	int64_t n = 0;
	while (p->at < p->in.n && p->in.p[p->at] >= '0' && p->in.p[p->at] <= '9' && n < 1000000)
		n = n * 10 + (p->in.p[p->at++] - '0');
	for (size_t i = 0; n && p->at < p->in.n && i < ARRAY_LEN(units); i++)
		if (p->in.p[p->at] == units[i].unit && !(p->at + 1 < p->in.n && parse_is_name(p->in.p[p->at + 1]))) {
			p->at++;
			*ret = n * units[i].seconds * CLOCK_S;
			return true;
		}
	parse_fail(p, at, p->at, "a span of time stands here: 30s, 5m, 1h, 1d, 1w");
	return false;
}

static bool take_bin(struct parser *p, struct hunt_key *ret)
{
	if (!parse_take(p, "(")) {
		parse_fail(p, p->at, p->at, "bin is written bin(1h)");
		return false;
	}
	*ret = (struct hunt_key){ .field = STR("time") };
	if (!take_span(p, &ret->bin))
		return false;
	if (parse_take(p, ")"))
		return true;
	parse_fail(p, p->at, p->at, "')' is missing: bin is written bin(1h)");
	return false;
}

/* What a column that was made by a function is called: "sum(bytes)". */
static bool take_column(struct parser *p, struct str *ret, const char *what)
{
	parse_blanks(p);
	const size_t at = p->at;
	if (!take_name(p, ret, what))
		return false;
	if (p->at < p->in.n && p->in.p[p->at] == '(') {
		p->at++;
		parse_name(p);
		if (!parse_take(p, ")")) {
			parse_fail(p, p->at, p->at, "')' is missing");
			return false;
		}
		*ret = str_sub(p->in, at, p->at - at);
	}
	return true;
}

enum list { LIST_GROUP = 1 /* bin() may stand in it */, LIST_SORT = 2 /* -name, too */ };

static bool take_keys(struct parser *p, struct hunt_stage *s, unsigned list, const char *what)
{
	s->keys = arena_zalloc(p->arena, HUNT_FIELDS * sizeof(*s->keys));
	if (!s->keys)
		parse_no_memory(p);
	do {
		if (p->failed)
			return false;
		parse_blanks(p);
		if (s->n_keys == HUNT_FIELDS) {
			parse_fail(p, p->at, p->at, "at most %d fields stand here", HUNT_FIELDS);
			return false;
		}
		struct hunt_key *k = &s->keys[s->n_keys++];
		if (list & LIST_SORT) {
			k->down = parse_take(p, "-");
			if (!k->down)
				parse_take(p, "+");
			if (!take_column(p, &k->field, what))
				return false;
			if (parse_take_word(p, "desc"))
				k->down = true;
			else
				parse_take_word(p, "asc");
			continue;
		}
		if (!take_name(p, &k->field, what))
			return false;
		if ((list & LIST_GROUP) && str_eq(k->field, STR("bin")) && !take_bin(p, k))
			return false;
	} while (parse_take(p, ","));
	return true;
}

/* --- functions --- */

static int function_of(struct str word)
{
	for (int i = 0; i < N_FUNCTIONS; i++)
		if (str_eq(word, str_from(hunt_functions[i])))
			return i;
	return -1;
}

static bool take_function(struct parser *p, struct hunt_sum *ret)
{
	parse_blanks(p);
	const size_t at = p->at;
	struct str word = parse_name(p);
	const int function = function_of(word);
	if (function < 0) {
		parse_fail(p, at, p->at,
		           "count, sum(field), avg(field), min(field), max(field) or dc(field) stands here");
		return false;
	}
	*ret = (struct hunt_sum){ .function = (enum hunt_function)function, .name = word };
	const bool bracket = p->at < p->in.n && p->in.p[p->at] == '(';
	if (function == FUNCTION_COUNT) {
		if (bracket && !(parse_take(p, "(") && parse_take(p, ")"))) {
			parse_fail(p, at, p->at,
			           "count counts events and has no field; dc(field) counts different values, and "
			           "'count by field' "
			           "how often each stands");
			return false;
		}
	} else {
		if (!parse_take(p, "(") || !take_name(p, &ret->field, "the name of a field stands here")) {
			parse_fail(p, at, p->at, "%s needs a field: %s(bytes)", hunt_functions[function],
			           hunt_functions[function]);
			return false;
		}
		if (!parse_take(p, ")")) {
			parse_fail(p, p->at, p->at, "')' is missing: %s(" STR_FMT ")", hunt_functions[function],
			           STR_ARG(ret->field));
			return false;
		}
		ret->name = arena_printf(p->arena, "%s(" STR_FMT ")", hunt_functions[function], STR_ARG(ret->field));
		if (!ret->name.p)
			return parse_no_memory(p);
	}
	ret->named = parse_take_word(p, "as");
	return !ret->named || take_name(p, &ret->name, "the name of a column stands behind 'as'");
}

static bool take_functions(struct parser *p, struct hunt_stage *s)
{
	s->sums = arena_zalloc(p->arena, HUNT_FIELDS * sizeof(*s->sums));
	if (!s->sums)
		return parse_no_memory(p);
	do {
		if (s->n_sums == HUNT_FIELDS) {
			parse_fail(p, p->at, p->at, "at most %d functions stand here", HUNT_FIELDS);
			return false;
		}
		if (!take_function(p, &s->sums[s->n_sums++]))
			return false;
	} while (parse_take(p, ","));
	return true;
}

static bool stage_sum(struct parser *p, struct hunt_stage *s)
{
	s->kind = STAGE_SUM;
	return take_functions(p, s) &&
	       (!parse_take_word(p, "by") || take_keys(p, s, LIST_GROUP, "the name of a field stands behind 'by'"));
}

/* timechart [span=1h] [functions] [by field] is functions by bin(1h), field. */
static bool stage_timechart(struct parser *p, struct hunt_stage *s)
{
	int64_t span = (int64_t)3600 * CLOCK_S;
	s->kind = STAGE_SUM;
	if (parse_take_word(p, "span") || parse_take(p, "span=")) {
		parse_take(p, "=");
		if (!take_span(p, &span))
			return false;
	}
	const char c = parse_peek(p);
	struct parser ahead = *p;
	if (!c || c == '|' || parse_take_word(&ahead, "by")) {
		s->sums = arena_zalloc(p->arena, sizeof(*s->sums));
		if (!s->sums)
			return parse_no_memory(p);
		s->sums[s->n_sums++] = (struct hunt_sum){ .name = STR("count") };
	} else if (!take_functions(p, s)) {
		return false;
	}
	struct hunt_stage by = { 0 };
	if (parse_take_word(p, "by") && !take_keys(p, &by, 0, "the name of a field stands behind 'by'"))
		return false;
	s->keys = arena_zalloc(p->arena, (by.n_keys + 1) * sizeof(*s->keys));
	if (!s->keys)
		return parse_no_memory(p);
	s->keys[s->n_keys++] = (struct hunt_key){ .field = STR("time"), .bin = span };
	for (size_t i = 0; i < by.n_keys; i++)
		s->keys[s->n_keys++] = by.keys[i];
	return true;
}

/* --- the others --- */

static bool stage_top(struct parser *p, struct hunt_stage *s, bool rare)
{
	s->kind = STAGE_TOP;
	s->rare = rare;
	s->n = HUNT_TOP;
	const bool limit = parse_take(p, "limit=");
	const size_t at = p->at;
	if (!parse_count(p, &s->n) && limit) {
		parse_fail(p, at, at, "a number stands here: %s 20", rare ? "rare" : "top");
		return false;
	}
	if (!s->n || s->n > HUNT_MOST) {
		parse_fail(p, at, p->at, "a number from 1 on stands here: %s 20", rare ? "rare" : "top");
		return false;
	}
	parse_take_word(p, "by");
	const char c = parse_peek(p);
	return !c || c == '|' || take_keys(p, s, LIST_GROUP, "the name of a field stands here: top 20 src_ip");
}

static bool stage_head(struct parser *p, struct hunt_stage *s)
{
	s->kind = STAGE_HEAD;
	s->n = HUNT_TOP;
	const char c = parse_peek(p);
	const size_t at = p->at;
	if (!c || c == '|')
		return true;
	if (parse_count(p, &s->n) && s->n && s->n <= HUNT_MOST)
		return true;
	parse_fail(p, at, p->at, "how many stands here: head 20");
	return false;
}

static bool stage_where(struct parser *p, struct hunt_stage *s)
{
	s->kind = STAGE_WHERE;
	s->where = parse_expr(p);
	return s->where;
}

/* What people of other languages write, and what it is here. */
static const struct {
	const char *theirs, *ours;
} strange[] = {
	{ "table", "write: fields a, b" },
	{ "keep", "write: fields a, b" },
	{ "project", "write: fields a, b" },
	{ "select", "write: fields a, b" },
	{ "search", "write: where status>=500" },
	{ "filter", "write: where status>=500" },
	{ "eval", "values are not computed here" },
	{ "rex", "a regular expression stands in a term: field:/expression/" },
	{ "rename", "a column is named where it is made: sum(bytes) as size" },
	{ "order", "write: sort -count" },
	{ "uniq", "write: dedup field" },
	{ "distinct", "write: dedup field, or dc(field) to count them" },
	{ "take", "write: head 20" },
	{ "tail", "sort the other way round and write: head 20" },
	{ "summarize", "write: count by field" },
	{ "chart", "write: count by field, or timechart span=1h" },
	{ "group", "write: count by field" },
};

static const char *const commands[] = { "count", "sum",   "avg",   "min",  "max",      "dc",
	                                "stats", "top",   "rare",  "sort", "fields",   "head",
	                                "limit", "where", "dedup", "bin",  "timechart" };

static bool unknown(struct parser *p, size_t at, struct str word)
{
	struct str names[ARRAY_LEN(commands)];
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = str_from(commands[i]);
	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		if (str_eq(word, str_from(strange[i].theirs)))
			return parse_fail(p, at, p->at, "there is no command '%s': %s", strange[i].theirs,
			                  strange[i].ours);
	if (!word.n)
		return parse_fail(
		        p, at, at,
		        "a command stands behind '|': count, top, sort, fields, head, where, dedup, timechart");
	struct str near = nearest(word, names, ARRAY_LEN(names));
	if (near.n)
		return parse_fail(p, at, p->at, "there is no command '" STR_FMT "'; did you mean '" STR_FMT "'?",
		                  STR_ARG(word), STR_ARG(near));
	return parse_fail(p, at, p->at,
	                  "there is no command '" STR_FMT
	                  "'; there are count, sum, avg, min, max, dc, top, rare, sort, "
	                  "fields, head, where, dedup, timechart",
	                  STR_ARG(word));
}

static bool is_word(struct str word, const char *a, const char *b)
{
	return str_eq(word, str_from(a)) || (b && str_eq(word, str_from(b)));
}

static bool take_stage(struct parser *p, struct hunt_stage *s)
{
	const size_t at = p->at;
	struct str word = parse_name(p);
	if (function_of(word) >= 0) {
		p->at = at;
		return stage_sum(p, s);
	}
	if (is_word(word, "stats", NULL))
		return stage_sum(p, s);
	if (is_word(word, "timechart", NULL))
		return stage_timechart(p, s);
	if (is_word(word, "top", "rare"))
		return stage_top(p, s, word.p[0] == 'r');
	if (is_word(word, "head", "limit"))
		return stage_head(p, s);
	if (is_word(word, "where", NULL))
		return stage_where(p, s);
	s->kind = word.n && word.p[0] == 's' ? STAGE_SORT : word.n && word.p[0] == 'd' ? STAGE_DEDUP : STAGE_FIELDS;
	if (is_word(word, "sort", NULL) && (parse_take_word(p, "by") || true))
		return take_keys(p, s, LIST_SORT, "the name of a field or column stands here: sort -count");
	if (is_word(word, "fields", "dedup"))
		return take_keys(p, s, 0, "the name of a field stands here");
	return unknown(p, at, word);
}

bool parse_stage(struct parser *p, struct hunt_stage *ret)
{
	struct hunt_stage s = { 0 };
	parse_blanks(p);
	s.at = p->at;
	if (!take_stage(p, &s) || p->failed)
		return false;
	const char c = parse_peek(p);
	if (c && c != '|')
		return parse_fail(p, p->at, p->at + 1,
		                  c == ')' ? "this ')' closes nothing"
		                           : "the command is over here: ',' or '|' is missing");
	s.end = p->at;
	*ret = s;
	return true;
}
