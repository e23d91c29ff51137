/*
 * What people do to a hub beside running it: tokens, backup, restore. Each job takes its own words (argv[0] is its
 * name) and returns an exit status, as the commands of cmd.h do.
 */
#ifndef KHIEN_CMD_HUB_ADMIN_H
#define KHIEN_CMD_HUB_ADMIN_H

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

int hub_token(int argc, char **argv);
int hub_posts(int argc, char **argv);  /* hub_posts_job.c */
int hub_invite(int argc, char **argv); /* hub_invite.c: khien hub token --post */
int hub_backup(int argc, char **argv);
int hub_restore(int argc, char **argv);

/* --- hub_admin.c: whose data, and where --- */

/* What "DIR" stands for in --help. */
#define ADMIN_DATA_HELP                                                                                                \
	"the hub's folder (default: as khien.yaml says, else\n"                                                        \
	"/var/lib/khien/hub for root, ~/.local/state/khien/hub for others)"

/*
 * DATA/store   state.db, events/, status: the keeper's, the only thing that it may touch
 * DATA/pki     the CA and the hub's certificate: whose they are, see pki/pki.h
 * DATA/front   how far files were read
 */
#define HUB_STORE "store"

struct admin {
	char data[4096];  /* the hub's folder, without links where it is there */
	char store[4112]; /* its HUB_STORE */
	/*
	 * Who keeps the store: as root its owner, or, where it isn't there or root's own, the user khien, if there is
	 * one, as the hub itself would have it. Else who runs this.
	 */
	uid_t uid;
	gid_t gid;
	bool exists; /* data */
};

/* given NULL: the configuration, or the default, says where. */
int admin_find(struct admin *a, const char *given, struct err *err);
/* Makes the folder's parents, or it and the store too, where they are missing. */
int admin_make_parents(const struct admin *a, struct err *err);
int admin_make(struct admin *a, struct err *err);
/* Becomes who keeps the store, for good, so that what is made belongs to that user; files are for nobody else. */
int admin_become(const struct admin *a, struct err *err);
/*
 * Opens its state.db as who keeps the store; NULL in *ret on failure. make: the folder too. reads: not to be changed.
 * -EACCES says who may.
 */
struct state;
int admin_open(struct admin *a, bool make, bool reads, struct state **ret, struct err *err);
/* Who runs this, for "who" in the state: the name behind sudo, else of the user; up to 64 bytes and a NUL. */
void admin_who(char who[65]);
/* "khien hub JOB: WHY" on standard error, safe for a terminal; returns EXIT_TROUBLE. */
int admin_complain(const char *job, const struct err *err);

#endif
