#include "base/json.h"

#include "base/json_walk.h"
#include "base/utf8.h"

static bool is_digit(const struct json_walk *w)
{
	return w->p < w->end && *w->p >= '0' && *w->p <= '9';
}

static bool digits(struct json_walk *w)
{
	if (!is_digit(w))
		return false;
	while (is_digit(w))
		w->p++;
	return true;
}

static bool number(struct json_walk *w)
{
	if (*w->p == '-')
		w->p++;
	if (w->p < w->end && *w->p == '0') {
		w->p++;
		if (is_digit(w))
			return json_fail(w, "a number begins with 0");
	} else if (!digits(w)) {
		return json_fail(w, "a number without digits");
	}
	if (w->p < w->end && *w->p == '.') {
		w->p++;
		if (!digits(w))
			return json_fail(w, "no digit behind the decimal point");
	}
	if (w->p < w->end && (*w->p | 0x20) == 'e') {
		w->p++;
		if (w->p < w->end && (*w->p == '+' || *w->p == '-'))
			w->p++;
		if (!digits(w))
			return json_fail(w, "no digit in the exponent");
	}
	return true;
}

/* Most numbers: an integer that doesn't begin with 0. */
static bool integer(struct json_walk *w)
{
	const char *p = w->p + (*w->p == '-');
	if (p == w->end || *p < '1' || *p > '9')
		return false;
	while (p < w->end && *p >= '0' && *p <= '9')
		p++;
	if (p < w->end && (*p == '.' || (*p | 0x20) == 'e'))
		return false;
	w->p = p;
	return true;
}

int json_token(struct json_walk *w)
{
	static const struct {
		struct str word;
		enum json_type type;
	} words[] = { { { "true", 4 }, JSON_TRUE }, { { "false", 5 }, JSON_FALSE }, { { "null", 4 }, JSON_NULL } };

	if (integer(w))
		return JSON_NUMBER;
	if (is_digit(w) || *w->p == '-')
		return number(w) ? JSON_NUMBER : -1;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_starts((struct str){ w->p, (size_t)(w->end - w->p) }, words[i].word))
			continue;
		w->p += words[i].word.n;
		return (int)words[i].type;
	}
	json_fail(w, "not a value");
	return -1;
}

static uint32_t any_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	return JSON_SKIP;
}

static void any_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
}

bool json_valid(struct str doc, struct json_error *error)
{
	static const struct json_visitor visitor = { any_member, any_scalar };
	return json_walk(json_kernel(), doc, JSON_SKIP, &visitor, NULL, error);
}

struct str json_unescape(struct arena *a, struct str inside)
{
	if (str_find(inside, '\\') == inside.n)
		return inside;
	char *to = arena_alloc(a, inside.n + JSON_UNESCAPE_ROOM);
	if (!to)
		return (struct str){ 0 };
	return (struct str){ to, json_kernel()->unescape(to, inside) };
}

enum json_ended json_end(struct json_end *end, struct str text)
{
	return json_kernel()->end(end, text);
}
