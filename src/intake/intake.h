/*
 * Raw bytes -> events.
 *
 * Bytes of one origin (a file, a connection, standard input) go through a framer, which cuts them into records and
 * gathers records into batches. A batch is self-contained: another thread can parse its records into events.
 */
#ifndef KHIEN_INTAKE_INTAKE_H
#define KHIEN_INTAKE_INTAKE_H

#include "base/err.h"
#include "base/str.h"
#include "event/event.h"

enum intake_framing {
	FRAME_LINE,  /* a line is a record; blank lines are none */
	FRAME_JSON,  /* a JSON value is a record: one a line, pretty-printed in a row, or the elements of an array */
	FRAME_AUDIT, /* lines with one serial number, which may stand interleaved, are one record */
	FRAME_CSV,   /* RFC 4180: a quoted line break doesn't end a record; the first record names the columns */
};

struct record {
	struct str bytes;
	uint64_t line; /* of its first byte, from 1 */
	uint64_t at;   /* where it begins in what was fed to the framer */
};

/* A CSV header; shared by all batches of one origin. */
struct columns;

/* One log format: a const record in the registry in formats.c. */
struct format {
	const char *name; /* for --format: json, syslog, combined, audit, kv, cef, csv */
	const char *what; /* one line for --help */
	enum intake_framing framing;
	/* How well the first bytes of an origin (up to 64 kB, cut anywhere) fit: 0 not at all, 100 surely. */
	int (*score)(struct str head);
	/* One record -> event. ev has been reset and has raw, file and line. -EBADMSG with a reason: skip and count. */
	int (*parse)(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err);
};

const struct format *const *intake_formats(size_t *n);
const struct format *intake_format(struct str name);
/* The format that fits best, or NULL. */
const struct format *intake_detect(struct str head);

struct intake_counts {
	uint64_t bytes; /* read, after decompression */
	uint64_t records;
	uint64_t skipped;      /* records that no event could be made of */
	uint64_t too_long;     /* of those: longer than max_record */
	uint64_t invalid_utf8; /* events with bytes that are not UTF-8; they are matched all the same */
	uint64_t nul;          /* records with NUL bytes in them */
};

/* Keeps the memory of freed batches for the next ones of the same framer. */
struct batch_pool;

struct batch {
	const char *origin; /* name for messages: path or "standard input" or "syslog 127.0.0.1:5140" */
	const struct format *format;
	struct columns *columns; /* NULL but for CSV; the batch holds a reference */
	int64_t now;             /* µs since 1970 UTC when read: fills in what syslog times lack */
	struct record *records;
	size_t n_records, cap_records;
	char *bytes; /* what the records point into */
	size_t n_bytes, cap_bytes;
	struct batch_pool *pool;
};
/* From any thread, also after the framer is gone. */
void batch_free(struct batch *b);

/*
 * Called with a full batch; takes it (and frees it with batch_free). Returns 0, or -errno to stop.
 */
typedef int batch_sink(void *arg, struct batch *b);
/* A record or a stretch of bytes could not be used: why, and at which line. Called at most once per record. */
typedef void skip_sink(void *arg, const char *origin, uint64_t line, const char *reason);

struct framer;
struct framer_config {
	const char *origin;          /* borrowed */
	const struct format *format; /* NULL: found from the first bytes */
	size_t max_record;           /* bytes; 0: 1 MiB. A longer one is skipped in bounded memory and counted */
	size_t batch_bytes;          /* hand on when so many have gathered; 0: 256 kB */
	int64_t now;                 /* handed-in clock */
	batch_sink *sink;
	skip_sink *skip; /* may be NULL */
	void *arg;       /* for both */
};
int framer_new(struct framer **ret, const struct framer_config *config, struct err *err);
/*
 * Any cut of the bytes gives the same records. These three return 0, or -errno and from then on nothing else: what
 * the sink returned, -ENOMSG when no format fits, -EILSEQ for UTF-16 text, -E2BIG for a CSV header with too many
 * columns, -ENOMEM. The reason went to `skip`.
 */
int framer_feed(struct framer *f, struct str bytes, int64_t now);
/* Hands on the records that are complete (a quiet moment in a live source). Audit records are kept until `idle`. */
int framer_flush(struct framer *f, bool idle);
/* The end of the origin: an unfinished last record is handed on if it is whole, else skipped and reported. */
int framer_end(struct framer *f);
/*
 * How far it has come: the offset in what was fed before which every record has been handed on, and the number of the
 * line that begins there. Feeding on from there later gives the records that are missing, but for JSON arrays and CSV
 * headers.
 */
void framer_position(const struct framer *f, uint64_t *offset, uint64_t *line);
const struct intake_counts *framer_counts(const struct framer *f);
const struct format *framer_format(const struct framer *f); /* NULL: not known yet, or nothing fits */
void framer_free(struct framer *f);

/* Parses one record into ev (resets it first), with the fields that journal entries derive. 0, or -EBADMSG and why. */
int intake_parse(const struct format *format, const struct columns *columns, struct str record, int64_t now,
                 struct event *ev, struct err *err);
/* Parses record i of a batch into ev (resets it first). 0, or -EBADMSG: skipped, reason in err. Thread-safe. */
int batch_parse(const struct batch *b, size_t i, struct event *ev, struct err *err);

/*
 * Reads one path to its end through a framer: plain, gzip or zstd (told by the first bytes, members in a row too),
 * "-" for standard input. A folder is walked with intake_walk(). read_bytes (may be NULL) grows by compressed bytes,
 * for a progress bar.
 */
int intake_read(const char *path, struct framer_config config, struct intake_counts *counts,
                _Atomic uint64_t *read_bytes, struct err *err);
/* The same from a descriptor, which stays the caller's; config.origin names it. */
int intake_read_fd(int fd, struct framer_config config, struct intake_counts *counts, _Atomic uint64_t *read_bytes,
                   struct err *err);
/* Calls fn for each regular file under path (path itself if it is one), in byte order; hidden ones are passed over. */
int intake_walk(const char *path, int (*fn)(void *arg, const char *path, uint64_t size), void *arg, struct err *err);

#endif
