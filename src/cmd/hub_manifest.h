/*
 * The manifest of a backup: which files belong to it, and what is in them. It is written last, so a folder without one
 * is no backup. A text that `b2sum -c manifest` checks on any machine:
 *
 *   # khien backup 1
 *   # version 0.1.0
 *   # made 2026-11-22T03:40:00Z
 *   BLAKE2b-256 (events/days/2026-11-22.db) = 64 hex digits
 *   ...
 *   # files 12, bytes 3456789
 *   # sum 64 hex digits, BLAKE2b-256 of all lines above
 */
#ifndef KHIEN_CMD_HUB_MANIFEST_H
#define KHIEN_CMD_HUB_MANIFEST_H

#include "base/buf.h"
#include "base/err.h"

#define MANIFEST_NAME "manifest"

enum { MANIFEST_FILES = 1 << 16, MANIFEST_PATH = 160, MANIFEST_HASH = 32, MANIFEST_WORD = 32 };

struct manifest_file {
	char path
	        [MANIFEST_PATH]; /* below the backup's folder; no component begins with anything but a letter or digit */
	unsigned char hash[MANIFEST_HASH];
};

/* Zero-initialised is empty. */
struct manifest {
	struct manifest_file *files;
	size_t n, cap;
	uint64_t bytes; /* of all files */
	char version[MANIFEST_WORD], made[MANIFEST_WORD];
};

void manifest_done(struct manifest *m);
/* -EINVAL: no path that a backup may have. -E2BIG: too many files. */
int manifest_add(struct manifest *m, const char *path, const unsigned char hash[MANIFEST_HASH], struct err *err);
/* In the order of the paths. */
void manifest_print(struct manifest *m, struct buf *out);
/* Fills an empty one. -EBADMSG: it is not whole, or names what it may not; -EPROTO: of a newer khien. */
int manifest_parse(struct manifest *m, struct str text, struct err *err);

#endif
