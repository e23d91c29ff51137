/* JSON: all kernels agree on everything; what is taken stays taken in other company; ends are found where they are. */
#include "base/json.h"
#include "base/json_walk.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a walk reported, folded into a number. */
static void note(uint64_t *sum, struct str s, uint64_t extra)
{
	for (size_t i = 0; i < s.n; i++)
		*sum = (*sum ^ (unsigned char)s.p[i]) * 1099511628211u;
	*sum = (*sum ^ extra) * 1099511628211u;
}

static uint32_t note_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	note(ctx, key, object * 3 + tag);
	return tag + 1;
}

static void note_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	note(ctx, text, tag * 8 + (uint64_t)type);
}

/* What json_end() has to say, found byte by byte. */
static size_t plain_end(struct str doc, enum json_ended *how)
{
	bool in_string = false, escaped = false;
	char solid = '['; /* the last byte that is no blank */
	size_t depth = 0;
	*how = JSON_CUT;
	for (size_t i = 0; i < doc.n; i++) {
		char c = doc.p[i];
		bool plain = !escaped;
		escaped = in_string && plain && c == '\\';
		if (in_string && plain && c == '\n')
			return i;
		if (!in_string && c == '{' && i && doc.p[i - 1] == '\n' && solid != ',' && solid != ':' && solid != '[')
			return i;
		if (!json_blank(c))
			solid = c;
		if (c == '"' && plain)
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && --depth == 0) {
			*how = JSON_DONE;
			return i + 1;
		}
	}
	*how = JSON_MORE;
	return doc.n;
}

/* Where the value ends (or is cut off: *how), found while the document grows by `step` bytes. */
static size_t value_end(const struct json_kernel *kernel, struct str doc, size_t step, enum json_ended *how)
{
	struct json_end end = { 0 };
	*how = JSON_MORE;
	for (size_t n = 0; n < doc.n && *how == JSON_MORE;) {
		n = doc.n - n < step ? doc.n : n + step;
		*how = kernel->end(&end, (struct str){ doc.p, n });
		assert(*how == JSON_MORE ? end.at == n : end.at <= n);
	}
	assert(*how != JSON_CUT || doc.p[end.at] == '\n' || (doc.p[end.at] == '{' && doc.p[end.at - 1] == '\n'));
	return end.at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct json_visitor visitor = { note_member, note_scalar };
	char *copy = malloc(size + !size), *to = malloc(size + JSON_UNESCAPE_ROOM),
	     *first_to = malloc(size + JSON_UNESCAPE_ROOM);
	assert(copy && to && first_to);
	if (size)
		memcpy(copy, data, size);
	struct str doc = { copy, size }, first_text = { first_to, 0 };
	const size_t object = str_find(doc, '{'), array = str_find(doc, '[');
	const struct str value = str_sub(doc, object < array ? object : array, size);
	size_t n;
	enum json_ended how, plain_how;
	const size_t plain = plain_end(value, &plain_how);
	uint64_t first_sum = 0;
	bool first_ok = false;
	struct json_error first_error = { 0 };
	const struct json_kernel *const *kernels = json_kernels(&n);
	for (size_t i = 0; i < n; i++) {
		uint64_t sum = 0;
		struct json_error error = { 0 };
		bool ok = json_walk(kernels[i], doc, 0, &visitor, &sum, &error);
		size_t end = value_end(kernels[i], value, 1 + size % 97 * (i + 1), &how);
		struct str text = { to, kernels[i]->unescape(to, doc) };
		assert(end == plain && how == plain_how);
		assert(ok || (error.at <= size && error.reason));
		assert(text.n <= size);
		if (!i) {
			first_sum = sum;
			first_ok = ok;
			first_error = error;
			first_text.n = kernels[i]->unescape(first_to, doc);
		}
		assert(ok == first_ok && sum == first_sum && str_eq(text, first_text));
		assert(error.at == first_error.at && error.reason == first_error.reason);
	}
	if (first_ok && value.n && value.p == str_trim(doc).p)
		assert(plain_how == JSON_DONE && str_trim(str_sub(value, plain, size)).n == 0);
	free(copy);
	free(to);
	free(first_to);
	return 0;
}
