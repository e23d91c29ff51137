#include "os/become.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

int become_user(uid_t uid, gid_t gid, struct err *err)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return err_set(err, -errno, "become user %u: %m", (unsigned)uid);
	/* hold the kernel to it */
	return uid && (setuid(0) == 0 || geteuid() == 0) ? err_set(err, -EPERM, "this process stays root") : 0;
}
