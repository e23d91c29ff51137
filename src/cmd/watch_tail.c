#include "cmd/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CHUNK = 64 << 10,
	ROUND = 1 << 20, /* bytes of one source before the next has its turn */
	HEAD = 64 << 10,
};
static const int64_t CHECK_EVERY = CLOCK_S;          /* is the path still this file? */
static const int64_t RESTART_EVERY = 10LL * CLOCK_S; /* a journal that ended */
static const int64_t QUIET_AFTER = CLOCK_S;          /* records that may grow (audit) are complete then */
static const int64_t COUNT_LINES_MAX = 1LL << 30;

struct tail {
	struct origin origin;
	struct opener *opener;
	size_t item;
	bool is_file, optional;
	const struct clock *clock;
	int fd, next_fd; /* -1: none; next_fd: the file that took this one's place */
	struct opener_file id;
	int64_t offset;
	struct framer *framer;
	bool started; /* had its first try */
	bool broken;  /* told; not read any more until it is replaced */
	int told;     /* -errno of the last trouble told */
	int64_t checked, read_last, caught_up;
	char *chunk;
};

static void note(struct tail *t, enum word word, const char *event, const char *why)
{
	show_note(t->origin.pipe->show, why ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, word, event, t->origin.name, why);
}

int tail_new(struct tail **ret, struct pipe *pipe, struct opener *opener, const struct sources *s, size_t item,
             const struct clock *clock, struct err *err)
{
	struct tail *t = calloc(1, sizeof(*t));
	char *chunk = malloc(CHUNK);
	if (!t || !chunk) {
		free(t);
		free(chunk);
		return err_set(err, -ENOMEM, "watch '%s': %m", s->shown[item]);
	}
	bool is_file = s->items[item].kind == OPENER_FILE;
	*t = (struct tail){
		.origin = { .pipe = pipe, .name = s->shown[item] },
		.opener = opener,
		.item = item,
		.is_file = is_file,
		.optional = s->optional[item],
		.clock = clock,
		.fd = -1,
		.next_fd = -1,
		.checked = INT64_MIN / 2,
		.chunk = chunk,
	};
	*ret = t;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Ends what was read so far: its last records go on. */
static int finish(struct tail *t)
{
	int code = t->framer ? framer_end(t->framer) : 0;
	framer_free(t->framer);
	t->framer = NULL;
	return code;
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	finish(t);
	close_fd(&t->fd);
	close_fd(&t->next_fd);
	free(t->chunk);
	free(t);
}

int64_t tail_caught_up(const struct tail *t)
{
	return t->fd < 0 || t->broken ? INT64_MAX : t->caught_up;
}

/* A source that can't be read any more is told and left; only trouble at the output ends the watch. */
static int source_trouble(struct tail *t, int code)
{
	struct err err;
	if (code != -ENOMSG && code != -EILSEQ && code != -ENOMEM)
		return code;
	err_set(&err, code, code == -ENOMSG ? "no known log format" : code == -EILSEQ ? "UTF-16 text" : "%m");
	note(t, WORD_NOT_WATCHED, "not-watched", err.text);
	t->broken = true;
	return 0;
}

static int start_framer(struct tail *t, const struct format *format)
{
	const struct framer_config config = {
		.origin = t->origin.name,
		.format = format,
		.now = clock_wall(t->clock),
		.sink = pipe_batch,
		.skip = pipe_skip,
		.arg = &t->origin,
	};
	t->broken = t->origin.skip_told = false;
	return framer_new(&t->framer, &config, NULL);
}

/* Where the last whole line ends, and how many lines stand before: counted, so that an alert names the right one. */
static int64_t find_end(struct tail *t, int64_t size)
{
	int64_t at = size > COUNT_LINES_MAX ? size - CHUNK : 0, end = at;
	uint64_t lines = 0;
	ssize_t n;
	while (at < size && (n = pread(t->fd, t->chunk, CHUNK, at)) > 0) {
		for (char *p = t->chunk, *stop = p + n; (p = memchr(p, '\n', (size_t)(stop - p))); lines++)
			end = at + (++p - t->chunk);
		at += n;
	}
	t->origin.line_base = size > COUNT_LINES_MAX ? LINE_UNKNOWN : lines;
	return end;
}

/* A file that was just opened; `from_end`: only what comes is of interest. */
static int begin_file(struct tail *t, bool from_end)
{
	struct stat st;
	const struct format *format = NULL;
	t->offset = 0;
	t->origin.line_base = 0;
	if (from_end && fstat(t->fd, &st) == 0 && st.st_size > 0) {
		ssize_t n = pread(t->fd, t->chunk, HEAD, 0);
		format = n > 0 ? intake_detect((struct str){ t->chunk, (size_t)n }) : NULL;
		t->offset = find_end(t, st.st_size);
	}
	int64_t now = clock_monotonic(t->clock);
	t->caught_up = t->read_last = now;
	return start_framer(t, format);
}

/* Opens it where it is not open, and looks whether another file has taken its place. */
static int check(struct tail *t, int64_t now)
{
	struct err err = { 0 };
	bool first = !t->started;
	int fd = -1;
	if (t->next_fd >= 0 || (!t->is_file && t->fd >= 0))
		return 0;
	t->checked = now;
	t->started = true;
	int code = opener_open(t->opener, t->item, t->is_file ? &t->id : NULL, &fd, &err);
	if (code < 0) {
		/* a file that is being rotated is away for a moment; one that never was there is told once */
		bool expected = code == -ENOENT && (t->optional || t->fd >= 0 || !first);
		if (!expected && t->told != code)
			note(t, WORD_NOT_WATCHED, "not-watched", err.text);
		t->told = code;
		return 0;
	}
	if (code == 0)
		return 0;
	if (t->fd >= 0) {
		t->next_fd = fd;
		return 0;
	}
	t->fd = fd;
	if (first || t->told)
		note(t, first ? WORD_WATCHING : WORD_BACK, "watching", NULL);
	t->told = 0;
	return t->is_file ? begin_file(t, first) : start_framer(t, intake_format(STR("json")));
}

/* The end of what is there. */
static int at_end(struct tail *t, int64_t now)
{
	struct stat st;
	t->caught_up = now;
	if (t->is_file && fstat(t->fd, &st) == 0 && st.st_size < t->offset) { /* emptied in place */
		int code = finish(t);
		t->offset = 0;
		t->origin.line_base = 0;
		return code ? code : start_framer(t, NULL);
	}
	if (t->next_fd < 0)
		return t->broken ? 0 : framer_flush(t->framer, now - t->read_last >= QUIET_AFTER);
	int code = finish(t);
	close_fd(&t->fd);
	t->fd = t->next_fd;
	t->next_fd = -1;
	return code ? code : begin_file(t, false);
}

/* A program's output is over. */
static int at_close(struct tail *t, int64_t now)
{
	int code = finish(t);
	close_fd(&t->fd);
	if (!t->told)
		note(t, WORD_NOT_WATCHED, "not-watched", "it ended; it is started again");
	t->told = -EPIPE;
	t->checked = now;
	return code;
}

static ssize_t read_some(struct tail *t)
{
	ssize_t n = t->is_file ? pread(t->fd, t->chunk, CHUNK, t->offset) : read(t->fd, t->chunk, CHUNK);
	return n < 0 ? -errno : n;
}

int tail_poll(struct tail *t, bool *more)
{
	int64_t now = clock_monotonic(t->clock);
	int code = 0;
	if (now - t->checked >= (t->is_file || !t->started ? CHECK_EVERY : RESTART_EVERY))
		code = check(t, now);
	if (code || t->fd < 0)
		return source_trouble(t, code);
	for (size_t done = 0; done < ROUND && !code;) {
		ssize_t n = read_some(t);
		if (n == -EINTR)
			continue;
		if (n == 0 && !t->is_file)
			return source_trouble(t, at_close(t, now));
		if (n <= 0)
			return source_trouble(t, at_end(t, now));
		t->offset += n;
		done += (size_t)n;
		t->read_last = now;
		if (!t->broken)
			code = framer_feed(t->framer, (struct str){ t->chunk, (size_t)n }, clock_wall(t->clock));
	}
	*more = true;
	return source_trouble(t, code);
}
