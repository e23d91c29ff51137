/* Root becomes somebody else, for good. */
#ifndef KHIEN_OS_BECOME_H
#define KHIEN_OS_BECOME_H

#include "base/err.h"

#include <sys/types.h>

/* All ids, and no further groups; no way leads back. 0 or -errno: then the process is to end. */
int become_user(uid_t uid, gid_t gid, struct err *err);

#endif
