#include "cmd/jobs.h"

#include "cmd/cmd.h"

#include <stdio.h>

const struct job *jobs_find(const struct jobs *j, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < j->n; i++)
		if (strcmp(argv[1], j->at[i].name) == 0)
			return &j->at[i];
	return NULL;
}

static int unknown(const struct jobs *j, const char *name)
{
	const char *names[JOBS_MAX];
	for (size_t i = 0; i < j->n; i++)
		names[i] = j->at[i].name;
	const char *nearest = name ? opt_nearest(name, names, j->n) : NULL;
	if (name)
		fprintf(stderr, "khien %s: unknown job '%s'%s%s%s\n", j->command, name,
		        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	fprintf(stderr, "khien %s: %s\nTry 'khien %s --help'.\n", j->command, j->first, j->command);
	return EXIT_TROUBLE;
}

int jobs_parse(const struct jobs *j, const struct job *job, const struct job_opt *opts, size_t n_opts, int argc,
               char **argv, struct opt_list *operands)
{
	struct opt own[JOBS_OPTS_MAX];
	struct opt_list words = { 0 };
	char command[64], forms[JOBS_MAX][160];
	const char *synopsis[JOBS_MAX + 1] = { NULL };
	size_t n = 0, n_forms = 0;
	for (size_t i = 0; i < n_opts && n < JOBS_OPTS_MAX; i++)
		if (!job || opts[i].jobs & job->bit)
			own[n++] = opts[i].opt;
	for (size_t i = 0; i < j->n && i < JOBS_MAX; i++) {
		if (job && job != &j->at[i])
			continue;
		snprintf(forms[n_forms], sizeof(forms[0]), "%s%s%s", job ? "" : j->at[i].name, job ? "" : " ",
		         j->at[i].synopsis);
		synopsis[n_forms] = forms[n_forms];
		n_forms++;
	}
	snprintf(command, sizeof(command), "%s%s%s", j->command, job ? " " : "", job ? job->name : "");
	const struct opt_spec spec = {
		.command = command,
		.synopsis = synopsis,
		.what = job ? job->what : j->what,
		.opts = own,
		.n_opts = n,
		.more = job && job->more ? job->more : j->more,
	};
	if (job)
		return opt_parse(&spec, argc - 1, argv + 1, operands);
	int status = argc > 1 && argv[1][0] != '-' ? unknown(j, argv[1]) : opt_parse(&spec, argc, argv, &words);
	if (status < 0)
		status = unknown(j, words.n ? words.at[0] : NULL);
	opt_list_done(&words);
	return status;
}
