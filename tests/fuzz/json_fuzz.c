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

static size_t value_end(const struct json_kernel *kernel, struct str doc, size_t step)
{
	struct json_end end = { 0 };
	bool done = false;
	size_t at = 0;
	while (at < doc.n && !done) {
		struct str piece = str_sub(doc, at, step);
		size_t n = kernel->end(&end, piece, &done);
		assert(n == piece.n || (done && n < piece.n));
		at += n;
	}
	return done ? at : SIZE_MAX;
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
	size_t n, first_end = 0;
	uint64_t first_sum = 0;
	bool first_ok = false;
	struct json_error first_error = { 0 };
	const struct json_kernel *const *kernels = json_kernels(&n);
	for (size_t i = 0; i < n; i++) {
		uint64_t sum = 0;
		struct json_error error = { 0 };
		bool ok = json_walk(kernels[i], doc, 0, &visitor, &sum, &error);
		size_t end = value_end(kernels[i], doc, 1 + size % 97 * (i + 1));
		struct str text = { to, kernels[i]->unescape(to, doc) };
		assert(ok || (error.at <= size && error.reason));
		assert(text.n <= size);
		if (!i) {
			first_sum = sum;
			first_ok = ok;
			first_error = error;
			first_end = end;
			first_text.n = kernels[i]->unescape(first_to, doc);
		}
		assert(ok == first_ok && sum == first_sum && end == first_end && str_eq(text, first_text));
		assert(error.at == first_error.at && error.reason == first_error.reason);
	}
	if (first_ok && (doc.p[0] == '{' || doc.p[0] == '[' || doc.p[0] == '"'))
		assert(first_end != SIZE_MAX && str_trim(str_sub(doc, first_end, size)).n == 0);
	free(copy);
	free(to);
	free(first_to);
	return 0;
}
