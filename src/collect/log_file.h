/* One log that is read, by tail.c: a file, a rotation of one, or the journal. Inside of collect. */
#ifndef KHIEN_COLLECT_LOG_FILE_H
#define KHIEN_COLLECT_LOG_FILE_H

#include "collect/inlet.h"
#include "intake/unpack.h"

enum { LOG_CHUNK = 64 << 10 };

struct log_file {
	struct origin origin;
	struct inlet inlet;
	const struct clock *clock;
	int fd;                /* -1: it has been read to its end, and only its place is kept */
	struct unpack *unpack; /* it is compressed */
	char name[256];        /* within its folder, of a rotation */
	char head[PLACE_HEAD];
	uint32_t head_len;
	struct place_point floor; /* where reading began */
	struct place_point known; /* and how far it had come before a restart; offset 0: not at all */
	uint64_t offset;          /* of the next byte to be read, unpacked */
	uint64_t size;            /* as it was seen last */
	struct framer *framer;    /* NULL: not begun, or finished */
	uint64_t end, end_line;   /* finished: how far it had come, as framer_position() tells */
	struct place_file place;
	bool finished;
	bool finite; /* nothing is written to it any more: its end is the end */
	bool broken; /* was told; not read any more */
	bool at_end, emptied;
	int64_t read_last; /* monotonic µs */
};

/* Takes fd, also when it fails. A file is identified, nothing else is done. */
int log_new(struct log_file **ret, const struct taker *taker, const struct clock *clock, const char *name, int fd,
            bool is_journal, struct err *err);
void log_free(struct log_file *l);
/* It has something left to be read, or to be taken. */
bool log_is_open(const struct log_file *l);
/* When it was last written, ns since 1970. */
int64_t log_written(const struct log_file *l);
/* By inode and head; loosely: by head alone, as a copy has it. */
bool log_is(const struct log_file *l, const struct place_file *f, bool loosely);
bool log_is_other(const struct log_file *l, const struct log_file *other);

/* Where it ends now: behind the last whole line. */
struct place_point log_end(struct log_file *l);
/* Reads on from there. Records before `known` (NULL: there are none) were told before and only feed correlations. */
int log_begin(struct log_file *l, const struct place_point *from, const struct place_point *known);
/* The file was emptied in place: what is missing is read from its copy, which gives its descriptor and goes. */
void log_go_on_in(struct log_file *l, struct log_file *copy);
/*
 * Reads some, up to LOG_CHUNK bytes. Sets at_end where there is none, and emptied where the file is not the one that it
 * was, of which nothing was used then. Bytes read, -EPIPE: a program's output is over (journal); -EAGAIN: the taker has
 * no room; other -errno: stop all.
 */
long log_read(struct log_file *l, char *chunk);
/* The last records go on; afterwards only its place is kept, and what the taker has no room for. */
int log_finish(struct log_file *l);
/* Brings `place` up to date with what was taken; points so near to each other as `horizon` wants. */
void log_mark(struct log_file *l, int64_t horizon);
/* Tells of a source that can't be read any more, which is no reason to end: 0. */
int log_trouble(struct log_file *l, int code);
void log_note(struct log_file *l, enum log_level level, enum collect_note what, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

#endif
