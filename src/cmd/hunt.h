/* khien hunt: what its files share. */
#ifndef KHIEN_CMD_HUNT_H
#define KHIEN_CMD_HUNT_H

#include "cmd/find_print.h"
#include "cmd/hunt_print.h"
#include "cmd/interrupt.h"
#include "cmd/opt.h"
#include "cmd/term.h"

struct hunt_args {
	struct opt_list words, datasets;
	const char *since, *until, *data, *save, *note, *remove, *rule, *mapping, *title;
	uint64_t limit, minutes;
	bool oldest, quiet, explain, list, fields, as_rule, all_rules;
	int format, lang, color;
};

struct hunter {
	struct hunt_args args;
	enum language language;
	struct buf out, text; /* text: the hunt's */
	struct str *datasets;
	struct progress progress;
	struct interrupt interrupt;
	atomic_bool cancel;
	int failed; /* standard output */
};

/* To people, on standard error. */
void hunt_say(struct hunter *h, struct str text);
/* What was printed so far goes out. */
void hunt_flush(struct hunter *h);
/* For long work: draws the bar, looks for Ctrl-C. */
void hunt_progress(void *arg, uint64_t done, uint64_t whole);
/* The span of time, µs. */
int hunt_span(const struct hunt_args *a, int64_t now, int64_t *from, int64_t *to, struct err *err);
/* The store, opened to be read; for good this process can touch nothing else. */
int hunt_open(struct hunter *h, struct events **ret, struct err *err);
/* A line with one number in it. */
void hunt_say_number(struct hunter *h, enum word word, uint64_t n);
/* What the store could not give; whether there is such. */
bool hunt_say_gaps(struct hunter *h, const struct event_found *found);
/* "Found ... of ...": the closing line. */
void hunt_close(struct hunter *h, const struct event_found *found, int64_t us);

/* --- hunt_saved.c --- */

/* --save, --list, --remove: the exit status. */
int hunt_saved(struct hunter *h);
/* "@NAME": its text into h->text. */
int hunt_recall(struct hunter *h, struct str name, struct err *err);

/* --- hunt_rule.c --- */

/* --rule: the exit status. */
int hunt_with_rule(struct hunter *h);

#endif
