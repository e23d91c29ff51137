/*
 * khien post: the forwarder. Inside of the command; the files are listed in main.c.
 *
 *   parent                 rights of who started it: starts the worker, anew when it ends
 *   └─ worker              user khien-post (whose the folder is): follows logs, spools, speaks TLS with the hub
 *      ├─ opener           opens logs, binds ports
 *      └─ dialer           user nobody: looks up hubs, connects
 */
#ifndef KHIEN_CMD_POST_H
#define KHIEN_CMD_POST_H

#include "base/log.h"
#include "cmd/config.h"
#include "collect/collect.h"
#include "post/post.h"

/* Whose the post's folder is. */
struct post_owner {
	bool other; /* than root, who runs this */
	uid_t uid;
	gid_t gid;
};

/* --- post_run.c: the worker --- */

/* Its exit status. */
enum { POST_ENDED, POST_DIED, POST_HOPELESS /* nothing would change */, POST_AGAIN /* with other logs */ };

struct post_run_config {
	const struct config_post *post;
	const struct post_owner *owner; /* to become */
	const struct clock *clock;
	const struct log *log;
	int parent; /* a pipe whose other end closes with the parent */
};
int post_run(const struct post_run_config *config);

/* --- post_take.c: what is collected goes into the post --- */

enum { POST_SALT = 32 };

struct post_take {
	struct post *post;
	struct envelope *envelope; /* for CSV: its header stands elsewhere */
	unsigned char salt[POST_SALT];
	uint64_t stream, serial; /* seed of what comes once, and how many did */
	uint64_t events, bytes, skipped, shed;
	struct buf json;
};
int post_take_init(struct post_take *t, const char *dir, struct err *err);
void post_take_done(struct post_take *t);
/* For struct taker; arg is a struct post_take. */
int post_take(void *arg, struct origin *o, struct batch *b);

/* --- post_followed.c: logs that orders had followed --- */

enum { POST_FOLLOWED_MAX = 32 };

struct post_followed {
	char paths[POST_FOLLOWED_MAX][OPENER_TEXT];
	const char *below[POST_FOLLOWED_MAX]; /* which of the folders permitted it lies in; borrowed */
	size_t n;
};
/* Those of the file `followed` that lie below one of the folders; others are passed over. */
int post_followed_load(struct post_followed *f, const char *dir, const struct config_list *below, struct err *err);
/* 1: changed, and on the disk; 0: it was so; -EPERM: it is outside; -errno. */
int post_follow(struct post_followed *f, const char *dir, const struct config_list *below, struct str path, bool on,
                struct err *err);

/* --- post_jobs.c: jobs of `khien post` --- */

int post_job_enrol(int argc, char **argv);
int post_job_status(int argc, char **argv);
int post_job_approver(int argc, char **argv);
/*
 * The post's folder, made where it isn't there. Where root runs this, it belongs to the user whom somebody gave it, else
 * to khien-post where there is one.
 */
int post_folder(const char *dir, struct post_owner *owner, struct err *err);
/* For good: no way leads back. What secrets and files there are is opened afterwards; what is to keep root, forked before. */
int post_become(const struct post_owner *owner, struct err *err);
int post_complain(const char *job, const char *text);

#endif
