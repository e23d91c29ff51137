/*
 * The sandbox of a process that reads foreign bytes: two functions, as small as what they leave.
 *
 * sandbox_init() while files can still be opened: looks up the user, builds the system call filter.
 * sandbox_enter() afterwards, once, before the first foreign byte: becomes nobody where it was root, gives up gaining
 * rights (no_new_privs), file system and network (Landlock), and all system calls but reading, writing, waiting and
 * memory (seccomp; anything else ends the process, opening a file just fails). A layer that this machine doesn't permit
 * is left out and named; the caller decides whether to go on. Builds with sanitizers leave out Landlock and seccomp.
 */
#ifndef KHIEN_OS_SANDBOX_H
#define KHIEN_OS_SANDBOX_H

#include "base/err.h"
#include "base/str.h"

enum sandbox_layer { SANDBOX_USER, SANDBOX_NO_NEW_PRIVS, SANDBOX_LANDLOCK, SANDBOX_SECCOMP, SANDBOX_LAYERS };

struct sandbox_report {
	struct {
		char name[40]; /* "user nobody", ... */
		bool on;
		char why[96]; /* why it is off */
	} layer[SANDBOX_LAYERS];
};

struct sandbox;

/* What it may do beside reading, writing, waiting and memory. */
enum {
	SANDBOX_SERVE = 1,   /* take and answer network connections on sockets that it has */
	SANDBOX_FILES = 2,   /* anything with the files below `dir`, but run them */
	SANDBOX_THREADS = 4, /* begin threads of its own */
	SANDBOX_BEGINS = 8,  /* begin and end processes, which enter a sandbox of their own */
	SANDBOX_DIALS = 16,  /* connect, to a database: to whom isn't held to anything */
};

struct sandbox_config {
	const char *
	        user; /* who to become where this is root: the first of user and "nobody" that exists. NULL: stay root */
	const char *dir; /* SANDBOX_FILES */
	unsigned may;
};

/* A build with sanitizers, which need more of the system, and more memory, than is reasonable otherwise. */
bool sandbox_is_sanitized(void);
/* config NULL: nobody, and nothing more. */
int sandbox_init(struct sandbox **ret, const struct sandbox_config *config, struct err *err);
/* Frees s. Threads that run already are held to the filter too. */
void sandbox_enter(struct sandbox *s, struct sandbox_report *report);

#endif
