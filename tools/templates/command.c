/* khien sample: how many records logs hold, and in which format. */
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/opt.h"
#include "cmd/term.h"
#include "intake/intake.h"

#include <stdio.h>
#include <unistd.h>

struct args {
	bool total;
	struct opt_list files;
};

struct tally {
	uint64_t records;
	const char *format;
};

static int parse_args(int argc, char **argv, struct args *a)
{
	static const char *const synopsis[] = { "[OPTION]... FILE...", NULL };
	const struct opt opts[] = {
		{ "total", 't', OPT_FLAG, NULL, "one line for all files", &a->total, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "sample",
		.synopsis = synopsis,
		.what = "Counts the records in log files, or in standard input (-).",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 counted, 2 something could not be done.\n",
	};
	return opt_parse(&spec, argc, argv, &a->files);
}

static int take_batch(void *arg, struct batch *b)
{
	struct tally *t = arg;
	t->records += b->n_records;
	t->format = b->format->name;
	batch_free(b);
	return 0;
}

static int count(const char *path, struct tally *t, struct err *err)
{
	struct intake_counts counts;
	const struct framer_config config = { .now = clock_wall(&clock_system), .sink = take_batch, .arg = t };
	return intake_read(path, config, &counts, NULL, err);
}

static void print_line(struct buf *out, const char *path, const struct tally *t)
{
	term_safe(out, str_from(path));
	buf_printf(out, ": %lu records, %s\n", (unsigned long)t->records, t->format ? t->format : "no format");
}

static int run(const struct args *a)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	uint64_t all = 0;
	int status = EXIT_NOTHING;
	for (size_t i = 0; i < a->files.n; i++) {
		struct tally t = { 0 };
		struct err err;
		if (count(a->files.at[i], &t, &err)) {
			fprintf(stderr, "khien: %s\n", err.text);
			status = EXIT_TROUBLE;
			continue;
		}
		all += t.records;
		if (!a->total)
			print_line(&out, a->files.at[i], &t);
	}
	if (a->total)
		buf_printf(&out, "%lu records\n", (unsigned long)all);
	return term_write(STDOUT_FILENO, buf_str(&out)) ? EXIT_TROUBLE : status;
}

int cmd_sample(int argc, char **argv)
{
	struct args a = { 0 };
	int status = parse_args(argc, argv, &a);
	if (status < 0 && a.files.n == 0) {
		fprintf(stderr, "khien sample: name files, or - for standard input; see 'khien sample --help'\n");
		status = EXIT_TROUBLE;
	}
	if (status < 0)
		status = run(&a);
	opt_list_done(&a.files);
	return status;
}
