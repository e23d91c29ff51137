/*
 * khien watch: a machine's logs, as they are written. Inside of the command; the files are listed in main.c.
 *
 *   opener process --descriptors--> sources (tail, net, play) --batches--> pipe --matches--> show
 */
#ifndef KHIEN_CMD_WATCH_H
#define KHIEN_CMD_WATCH_H

#include "base/log.h"
#include "cmd/print.h"
#include "intake/intake.h"
#include "match/window.h"
#include "os/loop.h"
#include "os/opener.h"

/* --- watch_sources.c: what there is to watch --- */

enum { WATCH_MAX_ITEMS = 128 };

/* What the opener is started with. Names live in the arena. */
struct sources {
	struct arena arena;
	struct opener_item items[WATCH_MAX_ITEMS];
	const char *shown[WATCH_MAX_ITEMS]; /* the name for people, and of `file` in matches */
	bool optional[WATCH_MAX_ITEMS];     /* not there: nobody needs to be told */
	size_t n;
	char no_journal[512]; /* why the journal is not among them; empty: it is, or wasn't wanted */
};

struct sources_config {
	const char *const *files; /* instead of the machine's own logs */
	size_t n_files;
	bool journal;       /* wanted, where there is one */
	const char *syslog; /* ADDR:PORT; NULL: no listener */
};
int sources_find(struct sources *s, const struct sources_config *config, struct err *err);
void sources_done(struct sources *s);

/* --- watch_show.c: what people and programs see --- */

struct show_config {
	struct print_options print;
	bool json;
	const struct clock *clock;
};

/* What the live line and the closing summary tell. */
struct show_totals {
	uint64_t events, skipped, shed;
	int64_t lag; /* µs since all sources were last read to their end */
};

struct show;

int show_new(struct show **ret, const struct ruleset *rs, const struct show_config *config, struct err *err);
void show_free(struct show *s);
/* Prints one. 0, or -errno: nobody reads any more. */
int show_alert(struct show *s, const struct match *m, bool recording);
/* Something to know beside alerts: for people in their language, else a log line with `event`. a and b may be NULL. */
void show_note(struct show *s, enum log_level level, enum word word, const char *event, const char *a, const char *b);
void show_rules(struct show *s, const struct engine_info *info);
/* The end of the recordings; the counts start anew. */
void show_played(struct show *s, uint64_t events);
/* Four times a second: the live line; without a terminal a log line every minute. */
void show_status(struct show *s, const struct show_totals *t);
void show_closing(struct show *s, const struct show_totals *t);

/* --- watch_pipe.c: batches to alerts --- */

/* One origin of records. */
struct origin {
	struct pipe *pipe;
	const char *name;
	uint64_t line_base; /* lines that stood in the file before the first one read; LINE_UNKNOWN: not known */
	bool skip_told;
};
#define LINE_UNKNOWN UINT64_MAX

struct pipe {
	const struct ruleset *rs;
	struct matcher *matcher;
	struct windows *windows;
	struct event event;
	struct show *show;
	/* A match of a detection rule, its line corrected. watch: pipe_match(); recordings are sorted first. */
	match_sink *on_match;
	void *match_arg;
	struct loop *stop; /* playing is over when this loop is stopped; NULL: nobody can */
	bool recording;
	const struct origin *origin; /* of the batch under way */
	uint64_t events, skipped, shed;
};

int pipe_init(struct pipe *p, const struct engine *e, struct show *show, struct err *err);
void pipe_done(struct pipe *p);
/* A batch_sink and a skip_sink; arg is a struct origin. */
int pipe_batch(void *origin, struct batch *b);
void pipe_skip(void *origin, const char *name, uint64_t line, const char *reason);
/* Shows it unless it only feeds correlations, and feeds them. arg is the pipe. */
int pipe_match(void *pipe, const struct match *m);
/* Event time has come this far. */
int pipe_advance(struct pipe *p, int64_t now);
/* The end of a recording: judges every window that is open. */
int pipe_flush(struct pipe *p);
/* Correlations start anew. */
int pipe_restart(struct pipe *p, struct err *err);
uint64_t pipe_shed(const struct pipe *p);

/* --- watch_tail.c: files and the journal --- */

struct tail;
/* item: of the opener. A file that is there is read from its end on, one that appears later from its start. */
int tail_new(struct tail **ret, struct pipe *pipe, struct opener *opener, const struct sources *s, size_t item,
             const struct clock *clock, struct err *err);
void tail_free(struct tail *t);
/* Reads what is there, up to a bound; *more: it was reached. Trouble is told by show_note. -errno: stop all. */
int tail_poll(struct tail *t, bool *more);
/* When it was last read to its end (monotonic µs); INT64_MAX: it is not open. */
int64_t tail_caught_up(const struct tail *t);

/* --- watch_net.c: syslog over UDP and TCP --- */

struct listener;
int listener_new(struct listener **ret, struct pipe *pipe, struct loop *loop, enum opener_kind kind, int fd,
                 const char *address, const struct clock *clock, struct err *err);
void listener_free(struct listener *l);
/* Messages that didn't come through: dropped by the kernel, connections over the bound. */
uint64_t listener_shed(const struct listener *l);

/* --- watch_play.c: recordings --- */

struct recording {
	const char *name;
	int fd;
};
/* Plays them as one, in the order of event time. 0, also when it was stopped. */
int play(struct pipe *p, const struct recording *r, size_t n, const struct clock *clock, struct err *err);

#endif
