/*
 * The opener: a small process that keeps the rights this one gives up.
 *
 * It is forked before anything foreign is read and can do six things, each only for the items named at its start: open
 * a log file to read, one of its rotations, or one that a pattern covers; bind a UDP or TCP port; run a program, or a
 * function in a process of its own, whose output is read. It hands the descriptor over a socket (SCM_RIGHTS). It reads
 * no log. It ends, with what it ran, when the other end of the socket closes.
 *
 *   worker (nobody, no files, few system calls)  -- "item 3, I have inode 77" -->  opener (rights of who started khien)
 *                                                <-- descriptor | same | error --
 */
#ifndef KHIEN_OS_OPENER_H
#define KHIEN_OS_OPENER_H

#include "base/err.h"
#include "base/str.h"

#include <sys/socket.h>
#include <sys/types.h>

enum opener_kind {
	OPENER_FILE,
	OPENER_UDP,
	OPENER_TCP,
	OPENER_TLS, /* as TCP; what is spoken there is the caller's */
	OPENER_CHILD,
	OPENER_PATTERN,
	OPENER_WORK,
};

enum { OPENER_TEXT = 1024 }; /* of a name or cursor, with its NUL */

struct opener_item {
	enum opener_kind kind;
	const char *name; /* FILE: absolute path, opened without following symbolic links; UDP, TCP, TLS: "ADDR:PORT";
	                  * PATTERN: of absolute paths, as glob(3) and fnmatch(3) read it */
	const char *link; /* FILE: the symbolic link that led to `name`, absolute, or NULL. Where it leads now is opened
	                   * instead, as long as that lies in the folder of either */
	const char *below; /* FILE: the folder that `name` lies below, or NULL: from there on neither a link nor .. is
	                    * followed, and nothing is opened where the kernel can't vouch for that */
	const char *const *argv;                /* CHILD: see struct child_config */
	bool resumes;                           /* CHILD: opener_resume() may add a cursor to argv */
	void (*work)(const void *arg, int out); /* WORK: runs in a process of its own; what it writes is read */
	const void *arg;
	bool change_ids; /* CHILD */
	uid_t uid;
	gid_t gid;
};

/* Which file a descriptor is; {0} is none. */
struct opener_file {
	uint64_t device, inode;
};

struct opener;

/* Items are borrowed until opener_free. */
int opener_start(struct opener **ret, const struct opener_item *items, size_t n, struct err *err);
/*
 * 1 with *fd: opened (a file that `have` is not; *have becomes it; or a socket or a program's output, started anew).
 * 0: the file is still the one in `have`. -errno: could not. `have` may be NULL for all but files. Descriptors are
 * non-blocking and close-on-exec.
 */
int opener_open(struct opener *o, size_t item, struct opener_file *have, int *fd, struct err *err);
/* The same for one file of a PATTERN. -EPERM: the pattern doesn't cover it. */
int opener_open_match(struct opener *o, size_t item, const char *path, struct opener_file *have, int *fd,
                      struct err *err);
/* Which files a PATTERN covers now: path (OPENER_TEXT bytes) of the i-th; 0 begins anew. 1, 0: there are no more. */
int opener_match(struct opener *o, size_t item, size_t i, char *path, struct err *err);
/*
 * Opens the i-th newest rotation of a FILE, or of one that a PATTERN covers (path; else NULL): see os/rotated.h. 0
 * begins anew. name (OPENER_TEXT bytes) becomes its name within the folder. 1, 0: there are no more; -errno: not this.
 */
int opener_rotated(struct opener *o, size_t item, const char *path, size_t i, int *fd, char *name, struct err *err);
/* Starts a CHILD that resumes, with --no-tail --after-cursor=CURSOR for its last argument. -EINVAL: it is none. */
int opener_resume(struct opener *o, size_t item, const char *cursor, int *fd, struct err *err);
/* Ends the opener and what it runs. */
void opener_free(struct opener *o);

/* A listening TCP socket at "ADDR:PORT" without an opener, non-blocking and close-on-exec; or -errno. */
int opener_listen(const char *address, struct err *err);

/*
 * Splits "127.0.0.1:5514", "[::1]:5514"; "[::]:514" is every address of the machine, IPv4 too. 0 or -EINVAL. For
 * checking what a person wrote.
 */
int opener_address(const char *text, struct sockaddr_storage *ret, socklen_t *len, struct err *err);

#endif
