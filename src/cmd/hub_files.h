/*
 * Whole folders of files, by descriptor: no link is followed below them, so that who owns a folder can't lead another
 * user's khien out of it. Inside of khien hub backup and restore.
 */
#ifndef KHIEN_CMD_HUB_FILES_H
#define KHIEN_CMD_HUB_FILES_H

#include "cmd/hub_manifest.h"
#include "cmd/term.h"

#include <signal.h>
#include <sys/stat.h>

enum { FILES_DEPTH = 4 };

struct files_work {
	struct progress bar;
	const char *note;     /* beside the bar */
	uint64_t done, total; /* bytes */
	const sigset_t *stop; /* blocked; one that waits ends the work with -EINTR. NULL: none */
};

/* Bytes of all files below. What can't be read counts as nothing. */
uint64_t files_bytes(int folder);
/* 1: there is something in it; 0; -errno. */
int files_any(int folder);
/* Puts every file below into the manifest, with the hash of what is in it; all is on the disk then. */
int files_list(int folder, struct manifest *m, struct files_work *w, struct err *err);
/*
 * Copies what the manifest names into an empty folder, and checks it; all is on the disk then. With uid other than -1
 * it belongs to that user, but what is root's below pki/. -EBADMSG: a file is not what the manifest says.
 */
int files_copy(int from, int to, const struct manifest *m, uid_t uid, gid_t gid, struct files_work *w, struct err *err);
/* A folder with its parents, where they are missing; uid as above. */
int files_folder(int folder, const char *path, uid_t uid, gid_t gid, struct err *err);
/* A whole file of up to `most` bytes, appended; *st: whose it is (may be NULL). */
int files_read(int folder, const char *path, size_t most, struct buf *to, struct stat *st, struct err *err);
/* A file or a folder with all in it; for a folder without a name (""): all in it. */
void files_remove(int folder, const char *name);

/* For CLEANUP: closes what is open. */
void files_close(int *fd);

#endif
