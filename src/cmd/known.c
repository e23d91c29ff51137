#include "cmd/known.h"

#include "base/clock.h"
#include "cmd/intel_read.h"
#include "cmd/term.h"
#include "os/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BAD_SHOWN = 20 };

void known_say_bad(const struct feed *f, unsigned most, known_say *say, void *arg)
{
	struct str rest = f->told;
	char line[512];
	unsigned n = 0;
	for (; rest.n && n < most; n++) {
		struct str one = str_sub(rest, 0, str_find(rest, '\n'));
		snprintf(line, sizeof(line), STR_FMT, STR_ARG(str_sub(one, 0, sizeof(line) - 1)));
		say(arg, line);
		rest = str_sub(rest, one.n + 1, rest.n);
	}
	if (f->head.bad > n) {
		snprintf(line, sizeof(line), "... and %llu more that can't be used",
		         (unsigned long long)(f->head.bad - n));
		say(arg, line);
	}
}

static int make_set(struct intel_set **ret, const struct feed *feeds, size_t n, int64_t now, struct err *err)
{
	void *block;
	size_t size;
	int r = intel_set_make(&block, &size, feeds, n, now, err);
	return r ? r : intel_set_open(ret, block, size, false, err);
}

/* A file's name, without what can't stand in a feed's. */
static void name_feed(char to[FEED_NAME_MAX + 1], const char *path)
{
	const char *base = strrchr(path, '/');
	size_t n = 0;
	for (base = base ? base + 1 : path; *base && n < FEED_NAME_MAX; base++) {
		to[n] = *base;
		to[n + 1] = '\0';
		if (feed_name_ok((struct str){ to, n + 1 }))
			n++;
	}
	to[n] = '\0';
	if (!n)
		memcpy(to, "file", 5);
}

int known_set_files(struct intel_set **ret, const char *const *paths, size_t n, int64_t now, known_say *say, void *arg,
                    struct err *err)
{
	struct feed *feeds = calloc(n + 1, sizeof(*feeds));
	size_t made = 0;
	int r = feeds ? 0 : err_set(err, -ENOMEM, "indicators: %m");
	for (; made < n && !r; made++) {
		char name[FEED_NAME_MAX + 1];
		name_feed(name, paths[made]);
		const struct intel_reading reading = {
			.paths = &paths[made], .n_paths = 1, .feed = name, .confidence = -1, .now = now
		};
		r = intel_read(&feeds[made], &reading, err);
		if (r)
			break;
		known_say_bad(&feeds[made], BAD_SHOWN, say, arg);
	}
	r = r ? r : make_set(ret, feeds, made, now, err);
	for (size_t i = 0; i < made; i++)
		feed_close(&feeds[i]);
	free(feeds);
	return r;
}

struct told {
	known_say *say;
	void *arg;
};

static void say_damaged(void *arg, const char *file, const char *why)
{
	const struct told *t = arg;
	char line[700];
	snprintf(line, sizeof(line), "the feed '%s' is left out: %s", file, why);
	if (t->say)
		t->say(t->arg, line);
}

int known_set_folder(struct intel_set **ret, const char *dir, int64_t now, uint64_t *stamp, known_say *say, void *arg,
                     struct err *err)
{
	struct shelf shelf;
	struct told told = { say, arg };
	int r = shelf_load(&shelf, dir, say_damaged, &told, err);
	if (r)
		return r;
	if (stamp)
		*stamp = shelf.stamp;
	r = make_set(ret, shelf.feeds, shelf.n, now, err);
	shelf_done(&shelf);
	return r;
}

void known_work(const void *dir, int out)
{
	struct known_head head = { 0 };
	struct err err = { 0 };
	struct shelf shelf = { 0 };
	struct sandbox *sandbox;
	struct sandbox_report report;
	void *block = NULL;
	size_t size = 0;
	head.code = shelf_load(&shelf, dir, NULL, NULL, &err);
	head.stamp = shelf.stamp;
	if (!head.code)
		head.code = sandbox_init(&sandbox, NULL, &err);
	if (!head.code) {
		sandbox_enter(sandbox, &report);
		head.code = intel_set_make(&block, &size, shelf.feeds, shelf.n, clock_wall(&clock_system), &err);
	}
	head.size = size;
	memcpy(head.why, err.text, sizeof(head.why));
	if (!term_write(out, (struct str){ (const char *)&head, sizeof(head) }) && !head.code)
		term_write(out, (struct str){ block, size });
	free(block);
	shelf_done(&shelf);
}
