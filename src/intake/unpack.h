/*
 * A file read piece by piece, as it was before it was compressed: plain, gzip or zstd, told by its first bytes. For
 * logs that were rotated; what is read whole goes through intake_read().
 */
#ifndef KHIEN_INTAKE_UNPACK_H
#define KHIEN_INTAKE_UNPACK_H

#include "base/err.h"
#include "base/str.h"

struct unpack;

/* From the file's beginning, with pread: its own position stays. fd is borrowed. 0, -EINVAL: not a file, -ENOMEM. */
int unpack_new(struct unpack **ret, int fd, struct err *err);
void unpack_free(struct unpack *u);
bool unpack_is_packed(const struct unpack *u);
/*
 * The next up to n bytes; 0 at the end of what is there, which for a plain file may grow. -EBADMSG: damaged or cut off
 * compressed data, in whose place nothing further is read; -errno of reading.
 */
long unpack_read(struct unpack *u, char *to, size_t n, struct err *err);
/* Goes on to offset `to` of the unpacked bytes. 0, or -errno; -ENODATA: there are fewer. */
int unpack_skip(struct unpack *u, uint64_t to, struct err *err);

#endif
