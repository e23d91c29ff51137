/* Events that were found, for eyes. */
#ifndef KHIEN_CMD_FIND_PRINT_H
#define KHIEN_CMD_FIND_PRINT_H

#include "base/arena.h"
#include "base/buf.h"
#include "cmd/words.h"
#include "store/events.h"

struct find_printer {
	const struct event_term *terms; /* what stands in the event because of them is coloured */
	size_t n_terms;
	bool color;
	/* private */
	struct find_field {
		struct str path, text;
	} * fields;
	size_t n, cap;
	struct find_key {
		struct str path;
	} * keys;
	size_t n_keys, cap_keys;
	struct arena arena;
	bool failed;
};

/*
 * One line: when (in the machine's time zone), on which host, of which source, and what: the line as it was received,
 * else its message, else its fields. Where a term holds for another field than what is shown, that is added. Nothing in
 * it can steer a terminal.
 */
void find_print(struct find_printer *p, const struct event_row *row, struct buf *out);
void find_printer_done(struct find_printer *p);

/* 10,000,000 as people of this language write it; buf has room for 32 bytes. */
const char *find_number(enum language language, uint64_t n, char *buf);

#endif
