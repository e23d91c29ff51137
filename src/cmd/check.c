/* khien check: can this khien.yaml be used? What is wrong, where, and what to write instead. */
#include "cmd/cmd.h"
#include "cmd/config.h"
#include "cmd/opt.h"
#include "cmd/term.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct args {
	bool example, keys, quiet;
	struct opt_list files;
};

static int parse_args(struct args *a, int argc, char **argv)
{
	static const char *const synopsis[] = { "[OPTION]... [FILE]", NULL };
	const struct opt opts[] = {
		{ "example", 'e', OPT_FLAG, NULL, "print a khien.yaml with every key, its meaning and its default",
		  &a->example, 0, 0, NULL },
		{ "keys", 'k', OPT_FLAG, NULL, "print every key, its kind and its default, tabs between", &a->keys, 0,
		  0, NULL },
		{ "quiet", 'q', OPT_FLAG, NULL, "what is wrong only", &a->quiet, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "check",
		.synopsis = synopsis,
		.what = "Reads FILE, else the khien.yaml that khien hub would read, and prints a line for all that is "
		        "wrong:\nfile:line:column: what, and what to write instead.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 it can be used, 1 it can't, 2 it can't be read.",
	};
	int status = opt_parse(&spec, argc, argv, &a->files);
	if (status < 0 && a->files.n > 1) {
		fprintf(stderr, "khien check: one file at a time\nTry 'khien check --help'.\n");
		status = EXIT_TROUBLE;
	}
	return status;
}

static void add_listener(struct buf *out, const char *name, const struct config_list *l)
{
	buf_printf(out, "  %-11s", name);
	for (size_t i = 0; i < l->n; i++)
		buf_printf(out, " %s", l->at[i]);
	buf_add(out, l->n ? STR("\n") : STR(" no\n"));
}

/* What it comes to. */
static void add_summary(struct buf *out, const struct config *c)
{
	const struct config_hub *h = &c->hub;
	if (c->path)
		term_safe(out, str_from(c->path));
	else
		buf_add(out, STR("no khien.yaml, all defaults"));
	buf_add(out, STR(": can be used\n  unit        "));
	term_safe(out, str_from(h->unit));
	buf_add(out, STR("\n  data        "));
	term_safe(out, str_from(h->data));
	buf_putc(out, '\n');
	add_listener(out, "https", &h->https);
	add_listener(out, "http", &h->http);
	add_listener(out, "syslog", &h->syslog);
	add_listener(out, "syslog_tls", &h->syslog_tls);
	add_listener(out, "names", &h->names);
}

static int check(const struct args *a, struct buf *out, struct buf *problems)
{
	struct config c;
	int code = config_read(&c, a->files.n ? a->files.at[0] : NULL, problems);
	if (code)
		return code == -EINVAL ? EXIT_FOUND : EXIT_TROUBLE;
	if (!a->quiet)
		add_summary(out, &c);
	config_done(&c);
	return EXIT_NOTHING;
}

int cmd_check(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct args a = { 0 };
	int status = parse_args(&a, argc, argv);
	if (status < 0) {
		status = EXIT_NOTHING;
		if (a.example)
			config_example(&out);
		if (a.keys)
			config_table(&out);
		if (!a.example && !a.keys)
			status = check(&a, &out, &problems);
		if (term_write(STDOUT_FILENO, buf_str(&problems)) || term_write(STDOUT_FILENO, buf_str(&out)))
			status = EXIT_TROUBLE;
	}
	opt_list_done(&a.files);
	return status;
}
