/*
 * extract FIELDS EVENTS...: how fast one core takes the fields named in FIELDS (a dotted path a line) out of NDJSON
 * files. Beside it in the same run: looking for a line end only (memchr); finding where a value ends, and checking it
 * without looking a key up, with each kernel.
 */
#include "base/buf.h"
#include "base/json_walk.h"
#include "event/event.h"
#include "intake/formats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7 };

struct bench {
	struct str text;
	struct str *lines;
	size_t n_lines, cap_lines;
	struct event ev;
	uint64_t values, skipped;
	const struct json_kernel *kernel;
};

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_file(struct buf *b, const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return -errno;
	char *at;
	size_t n = 1;
	while (n && (at = buf_room(b, 1 << 20))) {
		n = fread(at, 1, 1 << 20, f);
		b->n += n;
	}
	int r = b->failed ? -E2BIG : ferror(f) ? -EIO : 0;
	fclose(f);
	return r;
}

static int cut_lines(struct bench *b)
{
	for (struct str rest = b->text; rest.n;) {
		size_t n = str_find(rest, '\n');
		if (b->n_lines == b->cap_lines) {
			b->cap_lines = b->cap_lines ? b->cap_lines * 2 : 4096;
			struct str *lines = realloc(b->lines, b->cap_lines * sizeof(*lines));
			if (!lines)
				return -ENOMEM;
			b->lines = lines;
		}
		if (n)
			b->lines[b->n_lines++] = str_trim(str_sub(rest, 0, n));
		rest = str_sub(rest, n + 1, rest.n);
	}
	return 0;
}

static int read_fields(struct fields **ret, const char *path)
{
	struct buf b = { 0 };
	int r = read_file(&b, path);
	struct field_path *paths = calloc(b.n + 1, sizeof(*paths));
	size_t n = 0;
	for (struct str rest = buf_str(&b); rest.n && paths;) {
		struct str line = str_sub(rest, 0, str_find(rest, '\n'));
		if (line.n) {
			paths[n] = (struct field_path){ line, FIELD_FIRST_NAMED + (uint32_t)n };
			n++;
		}
		rest = str_sub(rest, line.n + 1, rest.n);
	}
	struct err err = { .text = "out of memory or unreadable" };
	if (!r)
		r = paths ? fields_new(ret, FIELD_FIRST_NAMED + (uint32_t)n, paths, n, &err) : -ENOMEM;
	if (r)
		fprintf(stderr, "extract: %s: %s\n", path, err.text);
	free(paths);
	buf_free(&b);
	return r;
}

static void run_memchr(struct bench *b)
{
	for (size_t i = 0; i < b->n_lines; i++)
		b->values += str_find(b->lines[i], '\n') == b->lines[i].n;
}

static uint32_t no_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	return JSON_SKIP;
}

static void no_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
}

static void run_check(struct bench *b)
{
	static const struct json_visitor visitor = { no_member, no_scalar };
	struct json_error error;
	for (size_t i = 0; i < b->n_lines; i++)
		b->skipped += !json_walk(b->kernel, b->lines[i], JSON_SKIP, &visitor, NULL, &error);
}

static void run_end(struct bench *b)
{
	for (size_t i = 0; i < b->n_lines; i++) {
		struct json_end end = { 0 };
		b->skipped += b->kernel->end(&end, b->lines[i]) != JSON_DONE || end.at != b->lines[i].n;
	}
}

static void run_extract(struct bench *b)
{
	for (size_t i = 0; i < b->n_lines; i++) {
		event_reset(&b->ev);
		b->ev.raw = b->lines[i];
		b->skipped += intake_json.parse(b->lines[i], NULL, 0, &b->ev, NULL) != 0;
		b->values += b->ev.n_values - 1;
	}
}

static void measure(struct bench *b, const char *name, void (*run)(struct bench *b))
{
	double best = 0;
	for (int i = 0; i < ROUNDS; i++) {
		b->values = b->skipped = 0;
		double start = cpu_seconds();
		run(b);
		double took = cpu_seconds() - start;
		if (!i || took < best)
			best = took;
	}
	printf("%-15s %8.0f MB/s %10.0f events/s  %5.1f values an event, %llu skipped\n", name,
	       (double)b->text.n / best / 1e6, (double)b->n_lines / best, (double)b->values / (double)b->n_lines,
	       (unsigned long long)b->skipped);
	printf("figure %s_mb_per_s %.0f MB/s\nfigure %s_events_per_s %.0f 1/s\n", name, (double)b->text.n / best / 1e6,
	       name, (double)b->n_lines / best);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: extract FIELDS EVENTS...\n");
		return 2;
	}
	struct buf text = { .max = (size_t)1 << 30 };
	for (int i = 2; i < argc; i++) {
		int r = read_file(&text, argv[i]);
		if (r) {
			fprintf(stderr, "extract: %s: %s\n", argv[i], strerror(-r));
			return 2;
		}
	}
	struct bench b = { .text = buf_str(&text) };
	struct fields *fields = NULL;
	if (read_fields(&fields, argv[1]) || event_init(&b.ev, fields) || cut_lines(&b) || !b.n_lines)
		return 2;
	printf("%zu events, %.1f MB, %u fields, kernel %s\n", b.n_lines, (double)b.text.n / 1e6, fields_count(fields),
	       json_kernel()->name);
	measure(&b, "memchr", run_memchr);
	size_t n_kernels;
	const struct json_kernel *const *kernels = json_kernels(&n_kernels);
	for (size_t i = 0; i < n_kernels; i++) {
		char name[32];
		b.kernel = kernels[i];
		snprintf(name, sizeof(name), "end_%s", b.kernel->name);
		measure(&b, name, run_end);
		snprintf(name, sizeof(name), "check_%s", b.kernel->name);
		measure(&b, name, run_check);
	}
	measure(&b, "extract", run_extract);
	event_done(&b.ev);
	fields_free(fields);
	free(b.lines);
	buf_free(&text);
	return 0;
}
