/* Rows of a hunt as a table, JSON or CSV. */
#ifndef KHIEN_CMD_HUNT_PRINT_H
#define KHIEN_CMD_HUNT_PRINT_H

#include "base/buf.h"
#include "cmd/find_print.h"
#include "hunt/hunt.h"

enum hunt_format { HUNT_TABLE, HUNT_JSON, HUNT_CSV };

/*
 * TABLE: columns as wide as the first rows need, and the whole within `width`; events as khien find prints them.
 * Nothing in it can steer a terminal. JSON: one object a line; events as they are stored. CSV: RFC 4180, with a head
 * line; a text that a spreadsheet would take for a formula gets a "'" in front. Times: the machine's time zone in the
 * table, UTC (RFC 3339) else.
 */
struct hunt_printer {
	enum hunt_format format;
	bool color;
	size_t width;               /* columns of the terminal; 0: no bound */
	struct find_printer events; /* the caller fills in terms and color, and ends it */

	/* private */
	struct str *names;
	bool *right; /* columns of numbers */
	size_t *widths;
	size_t n;
	struct arena arena;
	struct str *waiting; /* cells of the rows that widths are made of */
	size_t n_waiting, cap_waiting;
	bool started;
};

/* Names of columns; n 0: events as they are. -ENOMEM. */
int hunt_print_columns(struct hunt_printer *p, const struct str *names, size_t n, struct buf *out);
int hunt_print_row(struct hunt_printer *p, const struct hunt_line *row, struct buf *out);
/* What waits for more rows. */
int hunt_print_end(struct hunt_printer *p, struct buf *out);
void hunt_printer_done(struct hunt_printer *p);

#endif
