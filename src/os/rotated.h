/* Names that logs get when they are rotated. Inside of the opener. */
#ifndef KHIEN_OS_ROTATED_H
#define KHIEN_OS_ROTATED_H

#include "base/str.h"

#include <limits.h>

enum { ROTATED_MAX = 16 };

/* Newest first, by when they were last written. */
struct rotated {
	size_t n;
	struct {
		int64_t written; /* ns since 1970 */
		char name[NAME_MAX + 1];
	} at[ROTATED_MAX];
};

/*
 * Whether a rotation of `log` may be called so: access.log.1, access.log-20260301.gz, access-20260301.log.zst,
 * access.log.old: a number or date behind the name or before its last suffix, and gzip's or zstd's suffix.
 */
bool rotated_is(struct str log, struct str name);
/* The regular files of the folder that are called so. 0 or -errno. */
int rotated_list(struct rotated *ret, const char *folder, struct str log);

#endif
