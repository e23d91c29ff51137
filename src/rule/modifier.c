#include "rule/modifier.h"

enum effect { SHAPE, STEP, KIND, RE_FLAG, PART, ALL, NEGATE, CASED, EXPAND };
enum { LEAD = 1, TRAIL = 2 };

/* `what` says which of the effect; for KIND it is the item_kind and `arg` the comparison. */
static const struct modifier {
	struct str name;
	uint8_t effect, what, arg;
} MODIFIERS[] = {
#define M(name)                                                                                                        \
	{                                                                                                              \
		name, sizeof(name) - 1                                                                                 \
	}
	{ M("all"), ALL, 0, 0 },
	{ M("base64"), STEP, TO_BASE64, 0 },
	{ M("base64offset"), STEP, TO_BASE64_OFFSET, 0 },
	{ M("cased"), CASED, 0, 0 },
	{ M("cidr"), KIND, ITEM_CIDR, 0 },
	{ M("contains"), SHAPE, LEAD | TRAIL, 0 },
	{ M("day"), PART, PART_DAY, 0 },
	{ M("endswith"), SHAPE, LEAD, 0 },
	{ M("exists"), KIND, ITEM_EXISTS, 0 },
	{ M("expand"), EXPAND, 0, 0 },
	{ M("fieldref"), KIND, ITEM_FIELD, 0 },
	{ M("gt"), KIND, ITEM_NUMBER, PATTERN_GT },
	{ M("gte"), KIND, ITEM_NUMBER, PATTERN_GTE },
	{ M("hour"), PART, PART_HOUR, 0 },
	{ M("i"), RE_FLAG, RE_I, 0 },
	{ M("lt"), KIND, ITEM_NUMBER, PATTERN_LT },
	{ M("lte"), KIND, ITEM_NUMBER, PATTERN_LTE },
	{ M("m"), RE_FLAG, RE_M, 0 },
	{ M("minute"), PART, PART_MINUTE, 0 },
	{ M("month"), PART, PART_MONTH, 0 },
	{ M("neq"), NEGATE, 0, 0 },
	{ M("re"), KIND, ITEM_RE, 0 },
	{ M("s"), RE_FLAG, RE_S, 0 },
	{ M("startswith"), SHAPE, TRAIL, 0 },
	{ M("utf16"), STEP, TO_UTF16_BOM, 0 },
	{ M("utf16be"), STEP, TO_UTF16BE, 0 },
	{ M("utf16le"), STEP, TO_UTF16LE, 0 },
	{ M("week"), PART, PART_WEEK, 0 },
	{ M("wide"), STEP, TO_UTF16LE, 0 },
	{ M("windash"), STEP, TO_DASHES, 0 },
	{ M("year"), PART, PART_YEAR, 0 },
#undef M
};

static const struct modifier *find(struct compiler *c, struct str name, uint32_t line)
{
	struct str names[ARRAY_LEN(MODIFIERS)];
	for (size_t i = 0; i < ARRAY_LEN(MODIFIERS); i++) {
		if (str_eq(MODIFIERS[i].name, name))
			return &MODIFIERS[i];
		names[i] = MODIFIERS[i].name;
	}
	struct str near = nearest(name, names, ARRAY_LEN(names));
	if (near.p)
		refuse(c, line, "unknown modifier '%.*s': write " STR_FMT, SHORT_ARG(name), STR_ARG(near));
	else
		refuse(c, line, "unknown modifier '%.*s': write one of the Sigma specification", SHORT_ARG(name));
	return NULL;
}

/* One modifier onto what stands before it; the reason why not, or NULL. */
static const char *apply(struct item *it, const struct modifier *m)
{
	switch ((enum effect)m->effect) {
	case SHAPE:
		it->lead |= (m->what & LEAD) != 0;
		it->trail |= (m->what & TRAIL) != 0;
		return NULL;
	case STEP:
		if (m->what != TO_DASHES && (it->lead || it->trail))
			return "an encoding can't stand behind contains, startswith or endswith: write it first";
		if (it->n_steps == MAX_TRANSFORMS)
			return "too many modifiers: write a shorter chain";
		it->steps[it->n_steps++] = m->what;
		return NULL;
	case KIND:
		if (it->kind != ITEM_TEXT)
			return "two modifiers that say what the value is: write one of them";
		it->kind = (enum item_kind)m->what;
		it->compare = m->arg;
		return NULL;
	case RE_FLAG:
		it->re_flags |= m->what;
		return it->kind == ITEM_RE ? NULL : "i, m and s belong to re: write re|i";
	case PART:
		if (it->part)
			return "two parts of a time: write one of them";
		it->part = m->what;
		return NULL;
	case EXPAND:
		it->expand = true;
		return it->n_steps ? "expand must stand before encodings and windash: write it first" : NULL;
	case ALL: it->all = true; return NULL;
	case NEGATE: it->negate = true; return NULL;
	case CASED: it->cased = true; return NULL;
	}
	return NULL;
}

/* What doesn't go together, or NULL. */
static const char *conflict(const struct item *it)
{
	bool shaped = it->lead || it->trail;
	if (it->n_steps && it->kind != ITEM_TEXT)
		return "encodings and windash are for text: leave out the one or the other";
	if (shaped && it->kind == ITEM_RE)
		return "re is found anywhere in the value: leave the other modifier out, or write ^ and $ in the "
		       "expression";
	if (shaped && it->kind != ITEM_TEXT && it->kind != ITEM_FIELD)
		return "contains, startswith and endswith are for text: leave them out";
	if (it->expand && (it->kind == ITEM_FIELD || it->kind == ITEM_EXISTS))
		return "expand is for values: leave it out";
	if (it->part && (it->kind == ITEM_CIDR || it->kind == ITEM_FIELD || it->kind == ITEM_EXISTS))
		return "a part of a time is a number: write a number, or gt, gte, lt, lte";
	if (!it->field.n && (it->part || (it->kind != ITEM_TEXT && it->kind != ITEM_RE)))
		return "this modifier needs a field: write its name before the |";
	return NULL;
}

bool item_parse(struct compiler *c, const struct yaml_node *key, struct item *ret)
{
	struct str rest = key->text;
	size_t bar = str_find(rest, '|');
	struct item it = { .field = str_sub(rest, 0, bar), .line = key->line };
	if (rest.n == 0) {
		refuse(c, key->line, "an empty field name: write the field, or '|all' for keywords");
		return false;
	}
	while (bar < rest.n) {
		rest = str_sub(rest, bar + 1, rest.n);
		bar = str_find(rest, '|');
		const struct modifier *m = find(c, str_sub(rest, 0, bar), key->line);
		const char *why = m ? apply(&it, m) : NULL;
		if (why)
			refuse(c, key->line, "%.*s: %s", SHORT_ARG(key->text), why);
		if (!m || why)
			return false;
	}
	const char *why = conflict(&it);
	if (why) {
		refuse(c, key->line, "%.*s: %s", SHORT_ARG(key->text), why);
		return false;
	}
	*ret = it;
	return true;
}
