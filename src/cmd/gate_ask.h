/* Jobs of khien gate that ask the gate that runs, or tell it something. Inside of gate_ask.c, gate_why.c and gate_lists.c. */
#ifndef KHIEN_CMD_GATE_ASK_H
#define KHIEN_CMD_GATE_ASK_H

#include "cmd/gate.h"
#include "cmd/opt.h"
#include "cmd/words.h"
#include "flood/list.h"

#include <jansson.h>

struct gate_args {
	const char *config, *data;         /* as they were given */
	const char *span, *until, *reason; /* --for, --until, --why */
	bool json, forever, really;
	enum language language;
	struct opt_list words;
};

/* 0, with *ret the caller's; 404: it isn't known; -errno. */
int gate_get(const struct gate *g, const char *target, json_t **ret, struct err *err);

/* "2026-11-22 10:40:00" of this machine's time; "-" where there is none. */
enum { GATE_TIME = 32 };
const char *gate_time(int64_t s, char to[GATE_TIME]);
/* The same of a JSON text in RFC 3339. */
const char *gate_time_of(const json_t *v, char to[GATE_TIME]);
/* Which verdict and which reason it names, in a person's words. */
const char *gate_verdict(const json_t *o, enum language language);
const char *gate_reason(const json_t *o, enum language language);

/* On standard output, a line. */
void gate_print(const json_t *o);
/* Lines, safe for a terminal. */
void gate_show(int fd, const struct buf *text);

/* A command that can be typed as it stands: with --config and --data as they were given here. */
void gate_command(struct buf *out, const struct gate_args *a, const char *job, const char *prefix);
/* Of what can be typed: in quotes where it has to be. */
void gate_quote(struct buf *out, struct str text);

/* --- the jobs: their exit status; -errno, and err --- */

int gate_why(const struct gate *g, const struct gate_args *a, struct err *err);
/* action: enum list_action; LIST_NONE takes away what is there. */
int gate_say(struct gate *g, const struct gate_args *a, enum list_action action, struct err *err);
int gate_lists(const struct gate *g, const struct gate_args *a, struct err *err);

#endif
