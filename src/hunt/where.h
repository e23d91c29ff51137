/* An expression made ready: for the store, and for rows; for the files of hunt/ only. */
#ifndef KHIEN_HUNT_WHERE_H
#define KHIEN_HUNT_WHERE_H

#include "hunt/test.h"

/* For the store. All of it lies in the arena of asks. */
int hunt_where(struct event_expr *ret, struct hunt_asks *asks, const struct hunt_node *n, struct err *err);

/* For rows whose columns have these names. */
struct hunt_filter;
int hunt_filter_new(struct hunt_filter **ret, struct hunt_asks *asks, const struct hunt_node *n,
                    const struct str *names, size_t n_names, struct err *err);
bool hunt_filter_holds(const struct hunt_filter *f, const struct hunt_cell *cells, const struct event_field *all);
/* Whether a written name means this column. */
bool hunt_is_column(struct str name, struct str column);
/* A cell as text, in the room where it has to be made. */
enum { CELL_ROOM = 64 };
struct str hunt_cell_text(const struct hunt_cell *cell, char room[CELL_ROOM]);

#endif
