/*
 * What operators change in the lists file, by `khien gate block` or by hand, as events: the file is looked at, and what is new in it since
 * it was last told. That lies beside it, as lists.told.
 */
#ifndef KHIEN_CMD_GATE_OPERATORS_H
#define KHIEN_CMD_GATE_OPERATORS_H

#include "cmd/gate_events.h"

#include <sys/stat.h>

struct gate_operators {
	const char *folder, *lists; /* lists lies in the folder; borrowed */
	struct stat seen;
	bool looked;
};

void gate_operators_init(struct gate_operators *o, const char *folder, const char *lists);
/* 0 also where nothing changed. -EINVAL: a line is wrong, and nothing is told until it is mended. */
int gate_operators_tell(struct gate_operators *o, struct gate_events *events, int64_t wall_us, struct err *err);

/* --- the file, for those who read it; khien gate allow writes it --- */

struct gate_list {
	struct buf text;
	struct list_entry *at; /* as they stand in the text */
	size_t n;
};
/* ret zeroed. No file is an empty one. -EINVAL: "FILE:LINE: what is wrong, what to write". */
int gate_list_read(struct gate_list *ret, const char *path, struct err *err);
void gate_list_done(struct gate_list *l);

#endif
