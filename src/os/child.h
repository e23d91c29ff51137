/* Programs that khien runs: without a shell, with a clean environment, and never left behind. */
#ifndef KHIEN_OS_CHILD_H
#define KHIEN_OS_CHILD_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

struct child_config {
	const char *const *argv; /* argv[0] is the program's absolute path; ends with NULL */
	int out;         /* becomes its standard output; -1: /dev/null. Standard input and error are /dev/null */
	bool errors;     /* its standard error too goes to `out` */
	bool group;      /* it leads a process group of its own */
	bool change_ids; /* run as uid and gid, without further groups */
	uid_t uid;
	gid_t gid;
};

/*
 * Starts it; returns when it runs or has failed to. It gets no descriptor but the three, cannot gain rights
 * (no_new_privs), and is ended by the kernel should this process die. 0 or -errno.
 */
int child_spawn(pid_t *ret, const struct child_config *config, struct err *err);
/* Ends it (SIGTERM, and SIGKILL after half a second) and takes its status. */
void child_stop(pid_t pid);

#endif
