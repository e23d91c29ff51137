/* Files of indicators -> a feed: read here, parsed in a process of its own that can do nothing else. */
#ifndef KHIEN_CMD_INTEL_READ_H
#define KHIEN_CMD_INTEL_READ_H

#include "intel/parse.h"

struct intel_reading {
	const char *const *paths; /* files, folders with *.json as MISP's feeds are, "-": standard input */
	size_t n_paths;
	const char *feed; /* its name */
	enum intel_format format;
	unsigned flags;
	int64_t lives; /* seconds; 0: for good, where an indicator doesn't say it itself */
	int confidence;
	int64_t now; /* µs since 1970 UTC */
};

/*
 * At most 1 GB in one file and 4 GB of memory. -EBADMSG: a file is of no format that is known. The process is a fork,
 * so it is to be called before threads are started.
 */
int intel_read(struct feed *ret, const struct intel_reading *r, struct err *err);

#endif
