/* khien intel: inside of the command. */
#ifndef KHIEN_CMD_INTEL_H
#define KHIEN_CMD_INTEL_H

#include "cmd/hub_admin.h"
#include "cmd/opt.h"
#include "intel/shelf.h"

struct intel_args {
	struct opt_list words, feeds;
	const char *data, *feed, *expires, *since;
	int format;
	uint64_t confidence; /* 0: not given, else one more */
	bool exact, private, json, all, quiet, no_search;
};

struct intel_job {
	const struct intel_args *args;
	struct admin admin;
	char dir[4200];   /* of the feeds */
	char store[4200]; /* of the events */
	int64_t now;      /* µs */
};

/* A line on standard error, safe for a terminal. arg is not used. */
void intel_say(void *arg, const char *line);
/* "7d", "12h" -> seconds. -EINVAL. */
int intel_duration(const char *word, int64_t *seconds, struct err *err);

/* Jobs: exit status, or -errno with words. */
int intel_add(struct intel_job *job, struct err *err);
int intel_search(struct intel_job *job, struct err *err);
/* Searches the store back for these feeds, and prints the answer. 0: nothing found, 1: found. */
int intel_search_feeds(struct intel_job *job, const struct feed *feeds, size_t n, struct err *err);

#endif
