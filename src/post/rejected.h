/*
 * What a hub rejected, set aside for people: records as they were sent, zstd frames one after the other, in the file
 * DIR/rejected, which grows to REJECTED_MAX and no further.
 */
#ifndef KHIEN_POST_REJECTED_H
#define KHIEN_POST_REJECTED_H

#include "base/err.h"
#include "base/str.h"

enum { REJECTED_MAX = 4 << 20 };

/* 0: it is on the disk. -ENOSPC: the file is full; -errno. */
int rejected_keep(const char *dir, struct str record, struct err *err);

#endif
