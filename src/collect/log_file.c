#include "collect/log_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DETECT = 64 << 10 };
static const int64_t QUIET_AFTER = CLOCK_S; /* records that may grow (audit) are complete then */
static const int64_t COUNT_LINES_MAX = 1LL << 30;
static const uint64_t POINT_BYTES = 4 << 20;

void log_note(struct log_file *l, enum log_level level, enum collect_note what, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->inlet.taker->note(l->inlet.taker->arg, level, what, l->origin.name, text);
}

/* Nothing more of it is to be had now: at its end, unless something waits to be taken. */
static void set_end(struct log_file *l)
{
	l->at_end = !inlet_full(&l->inlet);
}

int log_trouble(struct log_file *l, int code)
{
	struct err err;
	if (code != -ENOMSG && code != -EILSEQ && code != -ENOMEM && code != -EBADMSG && code != -E2BIG)
		return code;
	err_set(&err, code, code == -ENOMSG ? "no known log format" : code == -EILSEQ ? "UTF-16 text" : "%m");
	log_note(l, LOG_LEVEL_WARNING, NOTE_NOT_WATCHED, "%s", err.text);
	l->broken = true;
	set_end(l);
	return 0;
}

/* The file's first bytes, unpacked; -errno. */
static long read_head(const struct log_file *l, char *head, size_t n, struct err *err)
{
	struct unpack *u;
	long got = 0, r = unpack_new(&u, l->fd, err);
	if (r)
		return r;
	while ((size_t)got < n && (r = unpack_read(u, head + got, n - (size_t)got, NULL)) > 0)
		got += r;
	unpack_free(u);
	return got;
}

static void grow_head(struct log_file *l, const char *head, size_t n)
{
	if (n <= l->head_len)
		return;
	memcpy(l->head + l->head_len, head + l->head_len, n - l->head_len);
	l->head_len = l->origin.head_len = (uint32_t)n;
	place_hash(l->place.head, (struct str){ l->head, n });
	l->place.head_len = (uint32_t)n;
}

int log_new(struct log_file **ret, const struct taker *taker, const struct clock *clock, const char *name, int fd,
            bool is_journal, struct err *err)
{
	struct log_file *l = calloc(1, sizeof(*l));
	char head[PLACE_HEAD];
	struct stat st = { 0 };
	int code = l ? 0 : err_set(err, -ENOMEM, "watch '%s': %m", name);
	if (code) {
		close(fd);
		return code;
	}
	*l = (struct log_file){
		.origin = { .name = name, .kind = is_journal ? ORIGIN_JOURNAL : ORIGIN_FILE },
		.clock = clock,
		.fd = fd,
	};
	l->origin.head = l->head;
	l->inlet = (struct inlet){ .taker = taker, .origin = &l->origin };
	if (!is_journal) {
		code = unpack_new(&l->unpack, fd, err);
		long n = code ? code : read_head(l, head, sizeof(head), err);
		fstat(fd, &st);
		if (n > 0)
			grow_head(l, head, (size_t)n);
		if (n < 0)
			code = (int)n;
		if (l->unpack && !unpack_is_packed(l->unpack)) {
			unpack_free(l->unpack);
			l->unpack = NULL;
		}
		l->size = (uint64_t)st.st_size;
		l->place.device = st.st_dev;
		l->place.inode = st.st_ino;
	}
	if (code)
		log_free(l);
	else
		*ret = l;
	return code;
}

static void close_source(struct log_file *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	unpack_free(l->unpack);
	l->unpack = NULL;
}

void log_free(struct log_file *l)
{
	if (!l)
		return;
	close_source(l);
	framer_free(l->framer);
	inlet_drop(&l->inlet);
	free(l);
}

bool log_is_open(const struct log_file *l)
{
	return inlet_full(&l->inlet) || (l->fd >= 0 && l->framer);
}

int64_t log_written(const struct log_file *l)
{
	struct stat st;
	return l->fd >= 0 && fstat(l->fd, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
}

bool log_is(const struct log_file *l, const struct place_file *f, bool loosely)
{
	unsigned char hash[PLACE_HASH];
	bool inode = !l->unpack && l->place.device == f->device && l->place.inode == f->inode;
	if (!f->head_len || l->head_len < f->head_len)
		return !f->head_len && f->inode && inode;
	place_hash(hash, (struct str){ l->head, f->head_len });
	return memcmp(hash, f->head, sizeof(hash)) == 0 && (loosely || inode) && (l->unpack || l->size >= f->at.offset);
}

bool log_is_other(const struct log_file *l, const struct log_file *other)
{
	uint32_t n = l->head_len < other->head_len ? l->head_len : other->head_len;
	if (l->place.device == other->place.device && l->place.inode == other->place.inode)
		return true;
	return n && memcmp(l->head, other->head, n) == 0;
}

struct place_point log_end(struct log_file *l)
{
	uint64_t at = (int64_t)l->size > COUNT_LINES_MAX ? l->size - LOG_CHUNK : 0, end = at, lines = 1;
	char *chunk = malloc(LOG_CHUNK);
	ssize_t n;
	while (chunk && at < l->size && (n = pread(l->fd, chunk, LOG_CHUNK, (off_t)at)) > 0) {
		for (char *p = chunk, *stop = p + n; (p = memchr(p, '\n', (size_t)(stop - p))); lines++)
			end = at + (uint64_t)(++p - chunk);
		at += (uint64_t)n;
	}
	free(chunk);
	return (struct place_point){ .offset = end, .line = (int64_t)l->size > COUNT_LINES_MAX ? 0 : lines };
}

/* What names the columns: Zeek's lines with "#", else the first. */
static struct str header_of(struct str head, uint64_t *lines)
{
	size_t n = 0;
	*lines = 0;
	while (n < head.n && (!*lines || head.p[n] == '#')) {
		size_t end = n + str_find(str_sub(head, n, head.n), '\n');
		if (end == head.n)
			break;
		n = end + 1;
		++*lines;
	}
	return str_sub(head, 0, n);
}

/* A CSV log that is not read from its start: its header goes first. */
static int feed_header(struct log_file *l, struct str head)
{
	uint64_t lines;
	struct str header = header_of(head, &lines);
	l->origin.base -= header.n;
	l->origin.line_base -= l->origin.line_base == LINE_UNKNOWN ? 0 : lines;
	return framer_feed(l->framer, header, clock_wall(l->clock));
}

int log_begin(struct log_file *l, const struct place_point *from, const struct place_point *known)
{
	struct err err;
	bool journal = l->origin.kind == ORIGIN_JOURNAL;
	char *head = journal || !from->offset ? NULL : malloc(DETECT);
	long n = head ? read_head(l, head, DETECT, NULL) : 0;
	const struct format *format = journal ? intake_format(STR("json"))
	                              : n > 0 ? intake_detect((struct str){ head, (size_t)n })
	                                      : NULL;
	const struct framer_config config = {
		.origin = l->origin.name,
		.format = format,
		.now = clock_wall(l->clock),
		.sink = inlet_take,
		.skip = inlet_skip,
		.arg = &l->inlet,
	};
	framer_free(l->framer);
	l->framer = NULL;
	l->offset = l->origin.base = from->offset;
	l->floor = *from;
	l->known = known ? *known : (struct place_point){ 0 };
	l->origin.line_base = from->line ? from->line - 1 : from->offset ? LINE_UNKNOWN : 0;
	l->origin.known = l->known.offset;
	l->origin.time = from->time;
	l->origin.skip_told = l->broken = l->emptied = l->at_end = l->finished = false;
	l->place.at = known ? *known : *from;
	l->read_last = clock_monotonic(l->clock);
	int code = framer_new(&l->framer, &config, &err);
	if (!code && format && format->framing == FRAME_CSV)
		code = feed_header(l, (struct str){ head, (size_t)n });
	free(head);
	if (!code && l->unpack)
		code = unpack_skip(l->unpack, from->offset, &err);
	return code == -ENODATA ? 0 : code;
}

void log_go_on_in(struct log_file *l, struct log_file *copy)
{
	close_source(l);
	l->fd = copy->fd;
	l->unpack = copy->unpack;
	l->size = copy->size;
	l->finite = true;
	l->emptied = l->at_end = false;
	l->place.device = copy->place.device;
	l->place.inode = copy->place.inode;
	copy->fd = -1;
	copy->unpack = NULL;
	if (l->unpack && unpack_skip(l->unpack, l->offset, NULL))
		l->at_end = true;
	log_free(copy);
}

/* Whether what was read just now is still of the file that it was; its head grows until it is long enough. */
static bool same_head(struct log_file *l)
{
	char head[PLACE_HEAD];
	ssize_t n = pread(l->fd, head, sizeof(head), 0);
	if (n < (ssize_t)l->head_len || memcmp(head, l->head, l->head_len) != 0)
		return false;
	grow_head(l, head, (size_t)n);
	return true;
}

static long read_file(struct log_file *l, char *chunk)
{
	struct stat st;
	if (l->unpack) {
		struct err err;
		long n = unpack_read(l->unpack, chunk, LOG_CHUNK, &err);
		return n == -EBADMSG ? log_trouble(l, (int)n) : n;
	}
	ssize_t n = pread(l->fd, chunk, LOG_CHUNK, (off_t)l->offset);
	bool fresh = fstat(l->fd, &st) == 0;
	if (fresh && !l->finite && (uint64_t)st.st_size < l->offset)
		l->emptied = true;
	else if (fresh && n <= 0)
		l->size = (uint64_t)st.st_size;
	if (n > 0 && !l->finite && !same_head(l))
		l->emptied = true;
	if (l->emptied || n < 0)
		return 0;
	if (fresh && (uint64_t)st.st_size > l->size)
		l->size = (uint64_t)st.st_size;
	return n;
}

static long read_journal(struct log_file *l, char *chunk)
{
	ssize_t n = read(l->fd, chunk, LOG_CHUNK);
	return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

long log_read(struct log_file *l, char *chunk)
{
	int64_t now = clock_monotonic(l->clock);
	int code = inlet_retry(&l->inlet);
	if (code)
		return code;
	if (!l->framer || l->fd < 0) {
		l->at_end = true;
		return 0;
	}
	long n = l->origin.kind == ORIGIN_JOURNAL ? read_journal(l, chunk) : read_file(l, chunk);
	if (n < 0)
		return n == -EPIPE && l->origin.kind == ORIGIN_JOURNAL ? n : log_trouble(l, (int)n);
	if (n == 0) {
		if (!l->broken && !l->emptied)
			code = framer_flush(l->framer, now - l->read_last >= QUIET_AFTER);
		set_end(l);
		return code ? log_trouble(l, code) : 0;
	}
	l->offset += (uint64_t)n;
	l->read_last = now;
	if (!l->broken)
		code = framer_feed(l->framer, (struct str){ chunk, (size_t)n }, clock_wall(l->clock));
	if (!l->broken && !code)
		code = framer_flush(l->framer, false);
	code = code ? log_trouble(l, code) : 0;
	return code ? code : n;
}

int log_finish(struct log_file *l)
{
	int code = l->framer && !l->broken ? framer_end(l->framer) : 0;
	if (l->framer)
		framer_position(l->framer, &l->end, &l->end_line);
	l->finished = l->finished || l->framer;
	log_mark(l, 0);
	framer_free(l->framer);
	l->framer = NULL;
	close_source(l);
	set_end(l);
	return code ? log_trouble(l, code) : 0;
}

/* Before which every record was taken, in what was fed. */
static void position(const struct log_file *l, uint64_t *at, uint64_t *line)
{
	const struct record *first = inlet_first(&l->inlet);
	*at = l->end;
	*line = l->end_line;
	if (l->framer)
		framer_position(l->framer, at, line);
	if (first && first->at < *at) {
		*at = first->at;
		*line = first->line;
	}
}

void log_mark(struct log_file *l, int64_t horizon)
{
	struct place_file *f = &l->place;
	uint64_t at, line;
	if (!l->framer && !l->finished)
		return;
	if (!f->n_points)
		place_add_point(f->points, &f->n_points, &l->floor);
	const struct place_point *last = &f->points[f->n_points - 1];
	position(l, &at, &line);
	at += l->origin.base;
	if (l->broken && !inlet_full(&l->inlet))
		at = l->offset;
	if (at < l->known.offset) { /* what is told again has its points already */
		f->at = l->known;
		return;
	}
	f->at = (struct place_point){
		.offset = at,
		.line = l->origin.line_base == LINE_UNKNOWN ? 0 : line + l->origin.line_base,
		.time = l->origin.time,
	};
	if (at < l->floor.offset) /* nothing but a header that was put before */
		f->at = l->floor;
	int64_t apart = horizon / 8 > CLOCK_S ? horizon / 8 : CLOCK_S;
	if (f->at.time - last->time >= apart || f->at.offset - last->offset >= POINT_BYTES)
		place_add_point(f->points, &f->n_points, &f->at);
}
