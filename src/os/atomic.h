/* Files that are there whole or not at all, also when the machine stops half-way. */
#ifndef KHIEN_OS_ATOMIC_H
#define KHIEN_OS_ATOMIC_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

/*
 * Writes dir/name: into a new file beside it, to the disk, then renamed over the old one, then the folder to the disk.
 * Readers see the old bytes or the new ones. On failure nothing of it stays. 0 or -errno.
 */
int atomic_write(const char *dir, const char *name, struct str bytes, mode_t mode, struct err *err);

#endif
