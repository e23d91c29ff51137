/*
 * khien watch: a machine's logs, as they are written. Inside of the command; the files are listed in main.c.
 *
 *   opener process --descriptors--> sources (follow, net, play) --batches--> pipe --matches--> show
 */
#ifndef KHIEN_CMD_WATCH_H
#define KHIEN_CMD_WATCH_H

#include "base/log.h"
#include "cmd/print.h"
#include "cmd/watch_state.h"
#include "intake/intake.h"
#include "match/window.h"
#include "os/loop.h"
#include "os/opener.h"

/* --- watch_sources.c: what there is to watch --- */

enum { WATCH_MAX_ITEMS = 128 };

/* What the opener is started with. Names live in the arena. */
struct sources {
	struct arena arena;
	struct opener_item items[WATCH_MAX_ITEMS + 1]; /* one of room for what the caller adds */
	const char *shown[WATCH_MAX_ITEMS];            /* the name for people, and of `file` in matches */
	bool optional[WATCH_MAX_ITEMS];                /* not there: nobody needs to be told */
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
	bool group; /* matches of one rule, host, user and address are one alert */
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
/* Prints one, or counts it. 0, or -errno: nobody reads any more. */
int show_alert(struct show *s, const struct match *m, bool recording);
/* Time goes on: alerts that are over are told. 0, or -errno. */
int show_advance(struct show *s);
/* The rules are those of `rs` now; map as same_rules(). Alerts of rules that are gone are over. 0, or -errno. */
int show_reload(struct show *s, const struct ruleset *rs, const uint32_t *map);
/* How that went: of `total` correlations `kept` go on where they were. */
void show_reloaded(struct show *s, const struct engine_info *info, uint32_t kept, uint32_t total);
/* Something to know beside alerts: for people in their language, else a log line with `event`. a and b may be NULL. */
void show_note(struct show *s, enum log_level level, enum word word, const char *event, const char *a, const char *b);
void show_rules(struct show *s, const struct engine_info *info);
/* The end of the recordings; the counts start anew. */
int show_played(struct show *s, uint64_t events);
/* Four times a second: the live line; without a terminal a log line every minute. */
void show_status(struct show *s, const struct show_totals *t);
/* The end: alerts that are open are told. 0, or -errno: nobody reads any more. */
int show_closing(struct show *s, const struct show_totals *t);

/* --- watch_pipe.c: batches to alerts --- */

enum origin_kind { ORIGIN_STREAM, ORIGIN_FILE, ORIGIN_JOURNAL };

/* One origin of records. */
struct origin {
	struct pipe *pipe;
	const char *name;
	uint64_t line_base; /* lines that stood in the file before the first one read; LINE_UNKNOWN: not known */
	bool skip_told;
	enum origin_kind kind;
	int64_t time;     /* of the last event of the newest batch */
	const char *head; /* FILE: its first bytes, STATE_HEAD of them once it is as long */
	uint32_t head_len;
	uint64_t base;          /* FILE: offset of the first byte that was fed */
	uint64_t known;         /* FILE: what lies before this offset was told before a restart */
	struct state_cursor at; /* JOURNAL: of the newest batch's last entry */
	struct state_cursor
	        until; /* JOURNAL: up to here it was told before a restart; empty: nothing more of it comes */
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
	int (*settle)(void *match_arg); /* tells those that wait; NULL: none do */
	struct loop *stop;              /* playing is over when this loop is stopped; NULL: nobody can */
	bool recording;
	const struct origin *origin;    /* of the batch under way */
	const struct record *record;    /* the one under way */
	int64_t now;                    /* wall clock, when that batch was read */
	unsigned char seed[STATE_HASH]; /* of the ids of events that come once, over the network */
	uint64_t serial;
	int64_t newest,
	        quiet_since; /* event time of windows, and monotonic time, when pipe_advance() was last called */
	uint64_t events, skipped, shed;
};

int pipe_init(struct pipe *p, const struct engine *e, struct show *show, struct err *err);
void pipe_done(struct pipe *p);
/* A batch_sink and a skip_sink; arg is a struct origin. */
int pipe_batch(void *origin, struct batch *b);
void pipe_skip(void *origin, const char *name, uint64_t line, const char *reason);
/* Shows it unless it only feeds correlations, and feeds them. arg is the pipe. */
int pipe_match(void *pipe, const struct match *m);
/*
 * Called every now and then with monotonic time: event time goes on from the newest match, so that windows end though
 * nothing comes. The machine's date plays no part in it.
 */
int pipe_advance(struct pipe *p, int64_t now);
/* The end of a recording: judges every window that is open. */
int pipe_flush(struct pipe *p);
/* Correlations start anew. */
int pipe_restart(struct pipe *p, struct err *err);
/* How many correlations of the new rules go on where the same ones of the old rules were. */
struct pipe_kept {
	uint32_t correlations, of;
};
/*
 * From here on the rules of e, between two batches. -errno: nothing has changed; but where p->rs is e's ruleset it has,
 * and the output is gone. The engine before is the caller's to free.
 */
int pipe_swap(struct pipe *p, const struct engine *e, struct pipe_kept *kept, struct err *err);
uint64_t pipe_shed(const struct pipe *p);
/* khien.id of an alert, in hex: of its rule and the event that made it. */
void pipe_alert_id(const struct ruleset *rs, const struct match *m, char id[2 * MATCH_ID + 1]);

/* --- watch_reload.c: rules loaded anew --- */

struct reload_config {
	struct pipe *pipe;
	struct show *show;
	struct engine **engine; /* the one that runs; replaced */
	struct loop *loop;
	struct opener *opener;
	size_t item; /* of the opener: an OPENER_WORK of reload_work, whose arg is the struct engine_config */
};

struct reload;
int reload_new(struct reload **ret, const struct reload_config *config, struct err *err);
void reload_free(struct reload *r);
/* Begins; one that is under way begins anew. How it ends is told by notes. A loop_fn's results. */
int reload_start(struct reload *r);
/* In a process of its own: reads the rules, compiles them in the sandbox, writes the outcome. */
void reload_work(const void *config, int out);

/* --- watch_follow.c: files and the journal --- */

struct follow;
struct follow_config { /* all borrowed */
	struct pipe *pipe;
	struct opener *opener;
	const struct sources *sources;
	struct state *state; /* NULL: where it stands is not kept */
	const struct clock *clock;
	int64_t horizon; /* µs: so much is read again after a restart, for correlations */
};
/*
 * A file that is there at the very first start is read from its end on, one that appears later from its start; after a
 * restart everything from where the run before stood.
 */
int follow_new(struct follow **ret, const struct follow_config *config, struct err *err);
void follow_free(struct follow *f);
/* Reads what is there, up to a bound; *more: it was reached. Trouble is told by show_note. -errno: stop all. */
int follow_poll(struct follow *f, bool *more);
/* Older events are still to come: the clock must not move event time on. */
bool follow_behind(const struct follow *f);
/* Matches that wait for their turn are told: before rules are loaded anew. */
int follow_settle(void *follow);
/* To be called when all alerts so far are written. At most twice a second something is done, or at_once. */
int follow_save(struct follow *f, bool at_once);
/* The end: what waits is told, and where it stands is saved. */
int follow_end(struct follow *f);
/* When all were last read to their end (monotonic µs). */
int64_t follow_caught_up(const struct follow *f);
bool follow_has_any(const struct follow *f);

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
