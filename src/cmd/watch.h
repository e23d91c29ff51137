/*
 * khien watch: a machine's logs, as they are written. Inside of the command; the files are listed in main.c.
 *
 *   opener process --descriptors--> collect (files, journal, syslog), play --batches--> pipe --matches--> show
 */
#ifndef KHIEN_CMD_WATCH_H
#define KHIEN_CMD_WATCH_H

#include "base/log.h"
#include "cmd/print.h"
#include "collect/collect.h"
#include "intel/event.h"
#include "match/gather.h"
#include "match/window.h"

/* --- watch_show.c: what people and programs see --- */

struct show_config {
	struct print_options print;
	bool json;
	bool group; /* matches of one rule, host, user and address are one alert */
	const struct clock *clock;
	/*
	 * Of alerts that are no recordings, where they are grouped; NULL: nobody. With it they are kept elsewhere, and that
	 * nobody reads standard output any more is no reason to end.
	 */
	group_sink *also;
	void *also_arg;
	/* What isn't read in time is shed and counted; else it is waited for whoever reads. See outlet.h. */
	bool sheds;
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
/* With `sheds`: alerts, and lines for people, that were not printed as nobody read them in time. */
uint64_t show_shed(const struct show *s);
/* The end: alerts that are open are told. 0, or -errno: nobody reads any more. */
int show_closing(struct show *s, const struct show_totals *t);

/* --- watch_pipe.c: batches to alerts --- */

struct pipe {
	const struct ruleset *rs;
	struct matcher *matcher;
	struct windows *windows;
	struct intel_checker *checker;      /* NULL: the rules were not asked so, see cmd/known.h */
	const struct intel_set *indicators; /* that values are looked up in; borrowed; NULL: none */
	uint64_t known_bad;                 /* events that had such a value */
	struct event event;
	struct show *show;
	/* A match of a detection rule, its line corrected. watch: pipe_match(); recordings are sorted first. */
	match_sink *on_match;
	void *match_arg;
	struct gather waiting; /* matches of followed logs: see watch_order.c */
	/* Asked after each batch of a recording: whether playing is over. NULL: nobody can say so. */
	bool (*over)(void *arg);
	void *over_arg;
	bool recording;
	const struct origin *origin;    /* of the batch under way */
	const struct record *record;    /* the one under way */
	bool known;                     /* it was told before a restart */
	int64_t now;                    /* wall clock, when that batch was read */
	unsigned char seed[PLACE_HASH]; /* of the ids of events that come once, over the network */
	uint64_t serial;
	int64_t newest,
	        quiet_since; /* event time of windows, and monotonic time, when pipe_advance() was last called */
	uint64_t events, skipped, shed;
};

int pipe_init(struct pipe *p, const struct engine *e, struct show *show, struct err *err);
void pipe_done(struct pipe *p);
/* From here on values are looked up in this set, which is borrowed; NULL: in none. */
void pipe_use(struct pipe *p, const struct intel_set *indicators);
/* Looks up the values of p->event, before rules see it. now: µs since 1970 UTC. */
void pipe_look_up(struct pipe *p, int64_t now);
/* What a struct taker calls; arg is the pipe. */
int pipe_take(void *pipe, struct origin *o, struct batch *b);
void pipe_skip(void *pipe, struct origin *o, uint64_t line, const char *reason);
void pipe_note(void *pipe, enum log_level level, enum collect_note what, const char *a, const char *b);
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

/* --- watch_order.c: matches of logs that are read side by side, told in the order of event time --- */

/* From here on matches wait for their turn, those of what comes over the network too. */
void order_begin(struct pipe *p);
/* Matches are told at once again, unless some wait still. */
void order_end(struct pipe *p);
/* All that wait are told. */
int order_settle(struct pipe *p);
/* What a struct taker calls; arg is the pipe. */
int order_reached(void *pipe, int64_t time);
int order_settled(void *pipe, bool must);

/* --- watch_play.c: recordings --- */

struct recording {
	const char *name;
	int fd;
};
/* Plays them as one, in the order of event time. 0, also when it was stopped. */
int play(struct pipe *p, const struct recording *r, size_t n, const struct clock *clock, struct err *err);

#endif
