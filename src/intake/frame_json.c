/*
 * JSON values in a row. Nearly all logs are NDJSON, so a line is looked at first: one that begins with "{", ends with
 * "}", is followed by a line that begins with "{", and has no "}{" in it (also not with blanks or commas between, also
 * not in a string) is a record, found by memchr alone. Everything else is scanned for the end of the value:
 * pretty-printed documents, several in a line, the elements of a top-level array.
 */
#include "intake/framer.h"

enum step { STEP_ON, STEP_WAIT };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_filler(char c)
{
	return is_blank(c) || c == ',';
}

static size_t skip_filler(struct str s, size_t i)
{
	while (i < s.n && is_filler(s.p[i]))
		i++;
	return i;
}

/* Drops bytes up to a line that begins with "{". True when it was found. */
static bool resync(struct framer *f)
{
	struct str rest = framer_rest(f);
	size_t i = 0;
	while (i < rest.n) {
		i += str_find(str_sub(rest, i, rest.n), '\n');
		if (i + 1 >= rest.n)
			break; /* the line break stays, so that what follows it will be seen */
		if (rest.p[++i] == '{') {
			framer_use(f, i);
			f->skipping = false;
			return true;
		}
	}
	framer_use(f, i < rest.n ? i : rest.n);
	return false;
}

static enum step give_up(struct framer *f, const char *reason)
{
	if (reason)
		framer_skip(f, f->line, reason);
	else
		framer_skip_long(f, f->line);
	framer_use(f, framer_rest(f).n > 0); /* of a wrapper that ends behind its array nothing is left */
	f->scan = (struct json_end){ 0 };
	f->skipping = true;
	f->repaired = true;
	f->place = PLACE_TOP;
	return STEP_ON;
}

/* Whether two values stand in the line: "}" and "{" with nothing but blanks and commas between. */
static bool has_several(struct str line)
{
	for (size_t i = 0;;) {
		i += str_find(str_sub(line, i, line.n), '}') + 1;
		if (i >= line.n)
			return false;
		i = skip_filler(line, i);
		if (i < line.n && line.p[i] == '{')
			return true;
	}
}

/* {"Records":[{ as CloudTrail and Azure write it: bytes up to the first element. 0: none; SIZE_MAX: can't tell yet. */
static size_t wrapper_prefix(struct str s)
{
	static const char *const keys[] = { "Records", "records", "value" };
	size_t i = 1;
	while (i < s.n && is_blank(s.p[i]))
		i++;
	if (i == s.n)
		return SIZE_MAX;
	if (s.p[i++] != '"')
		return 0;
	struct str rest = str_sub(s, i, s.n), key = { 0 };
	for (size_t k = 0; k < ARRAY_LEN(keys) && !key.p; k++) {
		struct str want = { keys[k], strlen(keys[k]) };
		if (str_starts(rest, want))
			key = want;
		else if (str_starts(want, rest))
			return SIZE_MAX;
	}
	if (!key.p)
		return 0;
	i += key.n;
	for (const char *want = "\":[{"; *want; want++) {
		while (*want != '"' && i < s.n && is_blank(s.p[i]))
			i++;
		if (i == s.n)
			return SIZE_MAX;
		if (s.p[i++] != *want)
			return 0;
	}
	return i - 1;
}

enum line_kind { LINE_OTHER, LINE_RECORD, LINE_UNKNOWN };

/* The fast path: is the line at the start of rest a record? *n is its length with the line break. */
static enum line_kind look_at_line(struct framer *f, struct str rest, bool more, size_t *n)
{
	struct str within = str_sub(rest, 0, f->c.max_record + 1);
	size_t from = f->looked - f->pos;
	if (from > within.n)
		return LINE_OTHER;
	size_t end = from + str_find(str_sub(within, from, within.n), '\n');
	f->looked = f->pos + end;
	if (end == within.n)
		return rest.n <= f->c.max_record && more ? LINE_UNKNOWN : LINE_OTHER;
	if (end + 1 == rest.n)
		return more ? LINE_UNKNOWN : LINE_OTHER;
	size_t last = end - (end > 1 && rest.p[end - 1] == '\r');
	if (rest.p[end + 1] != '{' || rest.p[last - 1] != '}' || has_several(str_sub(rest, 0, last)))
		return LINE_OTHER;
	*n = end + 1;
	return LINE_RECORD;
}

/* The value at the start of the window, followed to its end. */
static enum step take_value(struct framer *f, struct str rest, bool end, int *failed)
{
	struct str within = str_sub(rest, 0, f->c.max_record);
	enum json_ended r = json_end(&f->scan, within);
	if (r == JSON_MORE && rest.n > f->c.max_record)
		return give_up(f, NULL);
	if (r == JSON_MORE && !end)
		return STEP_WAIT;
	if (r != JSON_DONE)
		return give_up(f, r == JSON_MORE ? "JSON value without an end" : "JSON value that is broken off");
	*failed = framer_emit(f, f->b, str_sub(rest, 0, f->scan.at), f->line);
	framer_use(f, f->scan.at);
	f->scan = (struct json_end){ 0 };
	return STEP_ON;
}

/* A "{" or, within an array, any bracket: a record or a wrapper of records. */
static enum step take_document(struct framer *f, enum frame_when when, int *failed)
{
	struct str rest = framer_rest(f);
	bool more = when == FRAME_MORE;
	if (f->place == PLACE_TOP && !f->scan.at) {
		size_t n = wrapper_prefix(str_sub(rest, 0, f->c.max_record));
		if (n == SIZE_MAX && when != FRAME_END && rest.n < f->c.max_record)
			return STEP_WAIT;
		if (n && n != SIZE_MAX) {
			f->place = PLACE_WRAP;
			framer_use(f, n);
			return STEP_ON;
		}
		enum line_kind kind = look_at_line(f, rest, more, &n);
		if (kind == LINE_UNKNOWN)
			return STEP_WAIT;
		if (kind == LINE_RECORD) {
			*failed = framer_emit(f, f->b, str_sub(rest, 0, n - 1 - (rest.p[n - 2] == '\r')), f->line);
			f->pos += n;
			f->looked = f->pos;
			f->line++;
			return STEP_ON;
		}
	}
	return take_value(f, rest, when == FRAME_END, failed);
}

/* What follows the array of a wrapper is not looked at; it ends with the wrapper. */
static enum step drop_tail(struct framer *f, bool end)
{
	struct str rest = framer_rest(f);
	enum json_ended r = json_end(&f->scan, str_sub(rest, 0, f->c.max_record));
	if (r == JSON_MORE && !end && rest.n <= f->c.max_record)
		return STEP_WAIT;
	if (r != JSON_DONE)
		return give_up(f, "JSON document without an end");
	framer_use(f, f->scan.at);
	f->scan = (struct json_end){ 0 };
	f->place = PLACE_TOP;
	return STEP_ON;
}

static enum step step(struct framer *f, enum frame_when when, int *failed)
{
	if (f->skipping)
		return resync(f) ? STEP_ON : STEP_WAIT;
	if (f->place == PLACE_TAIL)
		return drop_tail(f, when == FRAME_END);
	struct str rest = framer_rest(f);
	if (!f->scan.at) {
		framer_use(f, skip_filler(rest, 0));
		rest = framer_rest(f);
	}
	if (!rest.n) {
		if (when == FRAME_END && f->place != PLACE_TOP) {
			framer_skip(f, f->line, "JSON array without an end");
			f->place = PLACE_TOP;
		}
		return STEP_WAIT;
	}
	char c = rest.p[0];
	if (c == '{' || (c == '[' && f->place != PLACE_TOP))
		return take_document(f, when, failed);
	if (c == '[' || ((c == ']' || c == '}') && f->repaired && f->place == PLACE_TOP)) {
		f->place = c == '[' ? PLACE_ARRAY : PLACE_TOP;
	} else if (c == ']' && f->place != PLACE_TOP) {
		f->scan.depth = f->place == PLACE_WRAP;
		f->place = f->place == PLACE_WRAP ? PLACE_TAIL : PLACE_TOP;
	} else {
		return give_up(f, "no JSON object");
	}
	framer_use(f, 1);
	return STEP_ON;
}

int frame_json(struct framer *f, enum frame_when when)
{
	int failed = 0;
	while (!failed && step(f, when, &failed) == STEP_ON)
		;
	return failed;
}
