/*
 * The one pass over a JSON document. json_walk() is inlined where it is called, together with the caller's two
 * functions, so that each user gets a loop of its own without an indirect call.
 *
 * Every value has a tag: the caller's number for the place it stands at (JSON_SKIP: nobody asks; it is only checked).
 * An array's elements have the array's tag. Calls come in the document's order, also before an error further on.
 */
#ifndef KHIEN_BASE_JSON_WALK_H
#define KHIEN_BASE_JSON_WALK_H

#include "base/json.h"

#define JSON_SKIP   UINT32_MAX
#define JSON_INLINE static inline __attribute__((always_inline))

struct json_visitor {
	/*
	 * A key of an object with this tag; `object` tells objects of one document apart. Escapes in the key are not
	 * undone. Returns the tag of the value.
	 */
	uint32_t (*member)(void *ctx, uint32_t tag, uint32_t object, struct str key);
	/* A scalar; the text of a string is its inside, escapes not undone; of others, as written. */
	void (*scalar)(void *ctx, uint32_t tag, struct str text, enum json_type type);
};

struct json_walk {
	const char *p, *end;
	const char *reason; /* set when something is wrong at p */
	uint32_t tag;       /* of the value that comes next or is being read */
	uint32_t depth, n_objects;
	uint64_t is_object; /* by depth, bit 0 is the innermost */
	struct {
		uint32_t tag, object;
	} frame[JSON_MAX_DEPTH + 1];
	struct json_index index;
};

/* A number or a literal at p: its type, or -1. Leaves p behind it, or where it went wrong. In json.c. */
int json_token(struct json_walk *w);

JSON_INLINE bool json_fail(struct json_walk *w, const char *reason)
{
	w->reason = reason;
	return false;
}

JSON_INLINE bool json_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

JSON_INLINE void json_skip_blanks(struct json_walk *w)
{
	while (w->p < w->end && (unsigned char)*w->p <= ' ' && json_blank(*w->p))
		w->p++;
}

/* The string that begins at p. */
JSON_INLINE bool json_string(struct json_walk *w, struct str *inside)
{
	struct json_index *x = &w->index;
	const char *doc = x->doc.p;
	size_t open = (size_t)(w->p - doc), close;
	if (__builtin_expect(x->n - x->i >= 2, 1)) {
		close = x->base + x->quotes[x->i + 1];
		x->i += 2;
	} else {
		json_index_next(x); /* the quote at p */
		close = json_index_next(x);
	}
	if (__builtin_expect(close >= x->bad, 0)) {
		w->p = doc + x->bad;
		return json_fail(w, x->reason);
	}
	if (close == x->doc.n)
		return json_fail(w, "string without an end");
	*inside = (struct str){ doc + open + 1, close - open - 1 };
	w->p = doc + close + 1;
	return true;
}

/* A key, the colon, and up to the value. */
JSON_INLINE bool json_member(struct json_walk *w, const struct json_visitor *v, void *ctx)
{
	struct str key;
	if (w->p == w->end || *w->p != '"')
		return json_fail(w, "a key in quotes is missing");
	if (!json_string(w, &key))
		return false;
	json_skip_blanks(w);
	if (w->p == w->end || *w->p != ':')
		return json_fail(w, "':' is missing behind a key");
	w->p++;
	json_skip_blanks(w);
	w->tag = w->frame[w->depth].tag;
	if (w->tag != JSON_SKIP)
		w->tag = v->member(ctx, w->tag, w->frame[w->depth].object, key);
	return true;
}

JSON_INLINE bool json_scalar(struct json_walk *w, const struct json_visitor *v, void *ctx)
{
	struct str text = { w->p, 0 };
	int type = JSON_STRING;
	if (*w->p == '"') {
		if (!json_string(w, &text))
			return false;
	} else {
		type = json_token(w);
		if (type < 0)
			return false;
		text.n = (size_t)(w->p - text.p);
	}
	if (w->tag != JSON_SKIP)
		v->scalar(ctx, w->tag, text, (enum json_type)type);
	return true;
}

JSON_INLINE bool json_open(struct json_walk *w, bool object)
{
	if (w->depth == JSON_MAX_DEPTH)
		return json_fail(w, "nested too deep");
	w->depth++;
	w->is_object = w->is_object << 1 | object;
	w->frame[w->depth].tag = w->tag;
	w->frame[w->depth].object = object ? ++w->n_objects : 0;
	w->p++;
	json_skip_blanks(w);
	return true;
}

/* Behind a value: closes what ends here. True when a further value follows, whose key or first byte stands at p. */
JSON_INLINE bool json_next(struct json_walk *w)
{
	for (;;) {
		json_skip_blanks(w);
		if (!w->depth)
			return w->p == w->end ? false : json_fail(w, "something follows the value");
		bool object = w->is_object & 1;
		if (w->p == w->end)
			return json_fail(w, object ? "object without an end" : "array without an end");
		if (*w->p == ',')
			break;
		if (*w->p != (object ? '}' : ']'))
			return json_fail(w, object ? "',' or '}' is missing" : "',' or ']' is missing");
		w->p++;
		w->depth--;
		w->is_object >>= 1;
	}
	w->p++;
	json_skip_blanks(w);
	w->tag = w->frame[w->depth].tag;
	return true;
}

/*
 * Walks doc; `root` is the tag of its value; the kernel is json_kernel(), or another in a test. False when doc isn't
 * one JSON value with nothing but blanks around it: *error has the first thing that is wrong.
 */
JSON_INLINE bool json_walk(const struct json_kernel *kernel, struct str doc, uint32_t root,
                           const struct json_visitor *v, void *ctx, struct json_error *error)
{
	struct json_walk w;
	w.p = doc.p;
	w.end = doc.p + doc.n;
	w.reason = NULL;
	w.tag = root;
	w.depth = w.n_objects = 0;
	w.is_object = 0;
	json_index_init(&w.index, doc, kernel);
	json_skip_blanks(&w);
	for (;;) {
		if ((w.is_object & 1) && !json_member(&w, v, ctx))
			break;
		if (w.p == w.end) {
			json_fail(&w, "a value is missing");
			break;
		}
		char c = *w.p;
		if (c == '{' || c == '[') {
			if (!json_open(&w, c == '{'))
				break;
			if (w.p == w.end || *w.p != (c == '{' ? '}' : ']'))
				continue;
		} else if (!json_scalar(&w, v, ctx)) {
			break;
		}
		if (!json_next(&w))
			break;
	}
	if (w.reason)
		*error = (struct json_error){ (size_t)(w.p - doc.p), w.reason };
	return !w.reason;
}

#endif
