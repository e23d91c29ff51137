/*
 * A command of several jobs: khien rules check, khien hub token add. Each has words of its own for --help; before any
 * of them --help tells of all.
 */
#ifndef KHIEN_CMD_JOBS_H
#define KHIEN_CMD_JOBS_H

#include "cmd/opt.h"

struct job {
	const char *name;
	unsigned bit;         /* see struct job_opt */
	const char *synopsis; /* what stands behind its name */
	const char *what;
	const char *more; /* NULL: the command's */
};

/* An option, and which jobs have it. */
struct job_opt {
	unsigned jobs; /* bits */
	struct opt opt;
};

enum { JOBS_MAX = 8, JOBS_OPTS_MAX = 32 };

struct jobs {
	const char *command; /* "hub token" */
	const char *what;
	const char *more;
	const char *first; /* what to write where none is named: "write check, test or new first, as in: ..." */
	const struct job *at;
	size_t n;
};

/* The one that argv[1] names; NULL: none. */
const struct job *jobs_find(const struct jobs *j, int argc, char **argv);
/*
 * As opt_parse(), behind the job's name. job NULL: what stands there is --help, or wrong and told: an exit status.
 * operands NULL: it takes none.
 */
int jobs_parse(const struct jobs *j, const struct job *job, const struct job_opt *opts, size_t n_opts, int argc,
               char **argv, struct opt_list *operands);

#endif
