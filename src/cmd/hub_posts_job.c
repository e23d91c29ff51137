/* khien hub posts: which there are; and that one is none any more. */
#include "cmd/cmd.h"
#include "cmd/hub_admin.h"
#include "cmd/opt.h"
#include "cmd/print.h"
#include "cmd/term.h"
#include "store/posts.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct args {
	struct opt_list words;
	const char *data, *why;
	char who[65];
	bool json;
};

static int list(struct state *s, const struct args *a, struct err *err);
static int show(struct state *s, const struct args *a, struct err *err);
static int revoke_one(struct state *s, const struct args *a, struct err *err);
static int forget(struct state *s, const struct args *a, struct err *err);

enum { LIST = 1, SHOW = 2, REVOKE = 4, FORGET = 8 };

static const struct job {
	const char *name;
	unsigned bit;
	const char *synopsis, *what, *more;
	int (*run)(struct state *s, const struct args *a, struct err *err);
	size_t words;
} jobs[] = {
	{ "list", LIST, "list [OPTION]...", "Lists the posts that were enrolled, by name.",
	  "Exit status: 0 done, 2 it could not be read.", list, 0 },
	{ "show", SHOW, "show [OPTION]... NAME", "All that is known of one.", "Exit status: 0 done, 2 there is none.",
	  show, 1 },
	{ "revoke", REVOKE, "revoke --why TEXT [OPTION]... NAME",
	  "Takes a post's right to send and to be told anything: a running hub closes its connections and refuses its\n"
	  "certificate within a second. It comes back with a new token only: khien hub token --post NAME.",
	  "Exit status: 0 revoked, 2 not.", revoke_one, 1 },
	{ "forget", FORGET, "forget [OPTION]... NAME", "Removes a revoked post and its orders from the list.",
	  "Exit status: 0 done, 2 not.", forget, 1 },
};

static int parse_args(const struct job *job, int argc, char **argv, struct args *a)
{
	const struct {
		unsigned jobs;
		struct opt opt;
	} all[] = {
		{ REVOKE, { "why", 'w', OPT_TEXT, "TEXT", "why, for those who come after", &a->why, 0, 0, NULL } },
		{ LIST | SHOW, { "json", 'j', OPT_FLAG, NULL, "one post a line as JSON", &a->json, 0, 0, NULL } },
		{ 15, { "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a->data, 0, 0, NULL } },
	};
	struct opt opts[ARRAY_LEN(all)];
	char command[32] = "hub posts";
	const char *synopsis[ARRAY_LEN(jobs) + 1] = { NULL };
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!job || all[i].jobs & job->bit)
			opts[n++] = all[i].opt;
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		synopsis[i] = jobs[i].synopsis;
	if (job) {
		snprintf(command, sizeof(command), "hub posts %s", job->name);
		synopsis[0] = job->synopsis + strlen(job->name) + 1;
		synopsis[1] = NULL;
	}
	const struct opt_spec spec = {
		.command = command,
		.synopsis = synopsis,
		.what = job ? job->what
		            : "The posts of a hub: who they are, and who is one no more. Works while it runs.",
		.opts = opts,
		.n_opts = n,
		.more = job ? job->more : "'khien hub posts JOB --help' tells more about one of these.",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

/* --- what is shown --- */

static void add_time(struct buf *out, int64_t us)
{
	if (us)
		print_time_utc(out, us - us % CLOCK_S);
	else
		buf_add(out, STR("-"));
}

static void add_json_time(struct buf *out, const char *name, int64_t us)
{
	if (!us)
		return;
	buf_printf(out, ",\"%s\":\"", name);
	add_time(out, us);
	buf_putc(out, '"');
}

static void add_json(struct buf *out, const struct post *p)
{
	buf_add(out, STR("{\"name\":"));
	buf_add_json(out, str_from(p->name));
	buf_add(out, STR(",\"unit\":"));
	buf_add_json(out, str_from(p->unit));
	buf_printf(out, ",\"serial\":\"%s\"", p->serial);
	add_json_time(out, "enrolled", p->enrolled);
	add_json_time(out, "renewed", p->renewed);
	add_json_time(out, "until", p->until);
	add_json_time(out, "seen", p->seen);
	if (p->revoked) {
		add_json_time(out, "revoked", p->revoked);
		buf_add(out, STR(",\"by\":"));
		buf_add_json(out, str_from(p->who));
		buf_add(out, STR(",\"why\":"));
		buf_add_json(out, str_from(p->why));
	}
	buf_add(out, STR("}\n"));
}

static void pad(struct buf *out, size_t from, size_t width)
{
	buf_printf(out, "%*s", out->n - from < width ? (int)(width - (out->n - from)) : 1, "");
}

static void add_line(struct buf *out, const struct post *p)
{
	size_t at = out->n;
	term_safe(out, str_from(p->name));
	pad(out, at, 24);
	const int64_t times[] = { p->enrolled, p->seen, p->until };
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		at = out->n;
		add_time(out, times[i]);
		pad(out, at, 22);
	}
	if (p->revoked)
		buf_add(out, STR("revoked: "));
	term_safe(out, str_from(p->revoked                             ? p->why
	                        : p->until < clock_wall(&clock_system) ? "certificate is over"
	                                                               : "good"));
	buf_putc(out, '\n');
}

struct listing {
	struct buf out;
	bool json;
};

static int on_post(void *arg, const struct post *p)
{
	struct listing *l = arg;
	(l->json ? add_json : add_line)(&l->out, p);
	return 0;
}

static int print(struct buf *out, int code, struct err *err)
{
	if (!code && (code = term_write(STDOUT_FILENO, buf_str(out))))
		err_set(err, code, "write to standard output: %m");
	buf_free(out);
	return code;
}

static int list(struct state *s, const struct args *a, struct err *err)
{
	struct listing l = { .json = a->json };
	if (!a->json)
		buf_printf(&l.out, "%-24s%-22s%-22s%-22s%s\n", "NAME", "ENROLLED", "SEEN", "CERTIFICATE UNTIL",
		           "STATE");
	return print(&l.out, state_posts(s, on_post, &l, err), err);
}

static void add_field(struct buf *out, const char *name, struct str text)
{
	if (!text.n)
		return;
	buf_printf(out, "%-12s", name);
	term_safe(out, text);
	buf_putc(out, '\n');
}

static void add_field_time(struct buf *out, const char *name, int64_t us)
{
	if (!us)
		return;
	buf_printf(out, "%-12s", name);
	add_time(out, us);
	buf_putc(out, '\n');
}

static int show(struct state *s, const struct args *a, struct err *err)
{
	struct buf out = { 0 };
	struct post p;
	int code = state_post_get(s, str_from(a->words.at[0]), &p, err);
	if (code)
		return code;
	if (a->json) {
		add_json(&out, &p);
		return print(&out, 0, err);
	}
	add_field(&out, "name", str_from(p.name));
	add_field(&out, "unit", str_from(p.unit));
	add_field(&out, "serial", str_from(p.serial));
	add_field(&out, "before", str_from(p.before));
	add_field_time(&out, "enrolled", p.enrolled);
	add_field_time(&out, "renewed", p.renewed);
	add_field_time(&out, "until", p.until);
	add_field_time(&out, "seen", p.seen);
	add_field_time(&out, "revoked", p.revoked);
	add_field(&out, "by", str_from(p.who));
	add_field(&out, "why", str_from(p.why));
	return print(&out, 0, err);
}

static int revoke_one(struct state *s, const struct args *a, struct err *err)
{
	if (!a->why)
		return err_set(err, -EINVAL, "say why, for those who come after: --why TEXT");
	return state_post_revoke(s, str_from(a->words.at[0]), str_from(a->who), str_from(a->why), err);
}

static int forget(struct state *s, const struct args *a, struct err *err)
{
	return state_post_forget(s, str_from(a->words.at[0]), err);
}

static int run(const struct job *job, struct args *a, struct err *err)
{
	struct admin where;
	struct state *s;
	int code = admin_find(&where, a->data, err);
	admin_who(a->who);
	if (!code)
		code = admin_open(&where, false, job->bit & (LIST | SHOW), &s, err);
	if (code)
		return code;
	code = job->run(s, a, err);
	state_close(s);
	return code;
}

int hub_posts(int argc, char **argv)
{
	struct args a = { 0 };
	struct err err = { 0 };
	const struct job *job = NULL;
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(jobs); i++)
		if (strcmp(argv[1], jobs[i].name) == 0)
			job = &jobs[i];
	int skip = job ? 1 : 0;
	int status = parse_args(job, argc - skip, argv + skip, &a);
	if (!job)
		job = &jobs[0]; /* khien hub posts: the list */
	if (status < 0 && a.words.n != job->words)
		err_set(&err, -EINVAL, job->words ? "one name is wanted behind %s" : "no word is wanted behind %s",
		        job->name);
	if (status < 0)
		status = *err.text || run(job, &a, &err) ? admin_complain("posts", &err) : EXIT_NOTHING;
	opt_list_done(&a.words);
	return status;
}
