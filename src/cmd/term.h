/* The terminal: is there one, how wide, may it be coloured; showing foreign bytes on it; a progress bar. */
#ifndef KHIEN_CMD_TERM_H
#define KHIEN_CMD_TERM_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

bool term_is_tty(int fd);
/* Columns; 80 where it is not known. */
unsigned term_width(int fd);

/* For an OPT_CHOICE: --color WHEN. */
enum term_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
extern const char *const term_color_choices[]; /* "auto", "always", "never", NULL */
/* auto: on a terminal that can (TERM is not "dumb"), unless NO_COLOR is set (no-color.org). */
bool term_color(int fd, int when);

/*
 * Appends s so that it can't steer a terminal or pretend to be another text: control characters (C0, C1, DEL), bytes
 * that are not UTF-8 and characters that turn the writing direction or break lines are shown as \n, \t, \xNN or
 * \u{NNNN}. All else stays as it is, also a backslash (paths stay readable): it is for eyes, not for reading back.
 */
void term_safe(struct buf *out, struct str s);

/* Columns that s takes up: East Asian wide characters count two, combining marks none. */
size_t term_columns(struct str s);
/* The longest beginning of s that fits in so many columns. */
struct str term_cut(struct str s, size_t columns);

/* Writes all of it, waiting where it must. 0 or -errno. */
int term_write(int fd, struct str s);

/* A bar on standard error while long work goes on; nothing is drawn where that is no terminal. */
struct progress {
	int fd;
	const struct clock *clock;
	bool on, drawn;
	int64_t start, last; /* monotonic µs */
};
void progress_begin(struct progress *p, int fd, const struct clock *clock);
/* Draws at most 10 times a second. total 0: not known; note may be NULL. */
void progress_update(struct progress *p, uint64_t done, uint64_t total, const char *note);
/* Takes the bar away: before other output goes to the terminal, and at the end. It may be updated again. */
void progress_clear(struct progress *p);

#endif
