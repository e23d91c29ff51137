/* khien hunt: questions in the language of hunts over the hub's store. */
#include "cmd/hunt.h"

#include "cmd/cmd.h"
#include "cmd/find_query.h"
#include "cmd/hub_admin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUT_FLUSH = 64 << 10, LIMIT = 100, MARKS_MAX = 32 };

static const char *const synopsis[] = {
	"[options] 'QUERY'",
	"[options] @NAME",
	"--rule FILE [options]",
	"--save NAME 'QUERY' | --list | --remove NAME | --fields",
	NULL,
};
static const char *const formats[] = { "table", "json", "csv", NULL };

static int parse_args(int argc, char **argv, struct hunt_args *a)
{
	const struct opt opts[] = {
		{ "since", 0, OPT_TEXT, "TIME", "from then on: 7d, 12h, 30m ago, or 2026-11-22, \"2026-11-22 08:30\"",
		  &a->since, 0, 0, NULL },
		{ "until", 0, OPT_TEXT, "TIME", "before then", &a->until, 0, 0, NULL },
		{ "dataset", 0, OPT_LIST, "NAME", "of this source only; may be given several times", &a->datasets, 0, 0,
		  NULL },
		{ "format", 'f', OPT_CHOICE, "FORMAT", "table, json (one object a line) or csv", &a->format, 0, 0,
		  formats },
		{ "limit", 0, OPT_NUMBER, "N", "at most so many rows (default: 100); 0: all", &a->limit, 0, 0, NULL },
		{ "oldest", 0, OPT_FLAG, NULL, "events with the oldest first, instead of the newest", &a->oldest, 0, 0,
		  NULL },
		{ "max-minutes", 0, OPT_NUMBER, "N", "stop after so long, and say so (default: no bound)", &a->minutes,
		  0, 0, NULL },
		{ "explain", 0, OPT_FLAG, NULL, "how it would be run, instead of running it", &a->explain, 0, 0, NULL },
		{ "as-rule", 0, OPT_FLAG, NULL, "as a Sigma rule, instead of running it", &a->as_rule, 0, 0, NULL },
		{ "title", 0, OPT_TEXT, "TEXT", "with --as-rule: the rule's title", &a->title, 0, 0, NULL },
		{ "rule", 0, OPT_TEXT, "FILE", "a Sigma rule, or several, instead of a QUERY", &a->rule, 0, 0, NULL },
		{ "mapping", 0, OPT_TEXT, "FILE", "with --rule: log sources and field names (default: built in)",
		  &a->mapping, 0, 0, NULL },
		{ "all-rules", 0, OPT_FLAG, NULL, "with --rule: whatever its logsource", &a->all_rules, 0, 0, NULL },
		{ "save", 0, OPT_TEXT, "NAME", "keep the QUERY under this name; 'khien hunt @NAME' runs it", &a->save,
		  0, 0, NULL },
		{ "note", 0, OPT_TEXT, "TEXT", "with --save: what it is for", &a->note, 0, 0, NULL },
		{ "list", 0, OPT_FLAG, NULL, "the hunts that are kept", &a->list, 0, 0, NULL },
		{ "remove", 0, OPT_TEXT, "NAME", "forget one", &a->remove, 0, 0, NULL },
		{ "fields", 0, OPT_FLAG, NULL, "short names of fields, and what they stand for", &a->fields, 0, 0,
		  NULL },
		{ "data", 0, OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a->data, 0, 0, NULL },
		{ "color", 0, OPT_CHOICE, "WHEN", "auto, always, never", &a->color, 0, 0, term_color_choices },
		{ "lang", 0, OPT_CHOICE, "LANG", "vi, en, zh (default: from the environment)", &a->lang, 0, 0,
		  words_choices },
		{ "quiet", 0, OPT_FLAG, NULL, "no progress bar and no closing line", &a->quiet, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "hunt",
		.synopsis = synopsis,
		.what = "Asks the hub's store.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "  root \"select *\"       a word; a text anywhere\n"
		        "  host:web1 status>=500 user!=root url:*.php src_ip:10.0.0.0/8 agent:/curl|wget/i\n"
		        "  AND OR NOT (...)      AND may be left out\n"
		        "  | count by src_ip | top 20 | where count>5 | sort -count | fields a, b | dedup a\n"
		        "  | sum(bytes), dc(user) by host | timechart span=1h by status\n\n"
		        "Exit status: 0 found, 1 nothing found, 2 something could not be done, or the answer is not "
		        "whole.\n\n"
		        "Example: khien hunt --since 7d 'host:web1 (status>=500 OR \"select *\") | count by src_ip | "
		        "top 20'\n",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

void hunt_say(struct hunter *h, struct str text)
{
	struct buf line = { 0 };
	buf_add(&line, STR("khien: "));
	term_safe(&line, text);
	buf_putc(&line, '\n');
	progress_clear(&h->progress);
	term_write(STDERR_FILENO, buf_str(&line));
	buf_free(&line);
}

void hunt_flush(struct hunter *h)
{
	if (h->out.n && !h->failed) {
		progress_clear(&h->progress);
		h->failed = term_write(STDOUT_FILENO, buf_str(&h->out));
	}
	h->out.n = 0;
}

void hunt_progress(void *arg, uint64_t done, uint64_t whole)
{
	struct hunter *h = arg;
	if (!h->args.quiet)
		progress_update(&h->progress, done, whole, NULL);
	if (h->failed || interrupt_came(&h->interrupt))
		atomic_store(&h->cancel, true);
}

int hunt_span(const struct hunt_args *a, int64_t now, int64_t *from, int64_t *to, struct err *err)
{
	*from = INT64_MIN;
	*to = 0;
	int r = a->since ? find_query_time(a->since, now, from, err) : 0;
	if (!r && a->until)
		r = find_query_time(a->until, now, to, err);
	if (!r && a->until && *to <= *from)
		r = err_set(err, -EINVAL, "--until '%s' is not behind --since '%s': no event can lie between", a->until,
		            a->since ? a->since : "");
	return r;
}

int hunt_open(struct hunter *h, struct events **ret, struct err *err)
{
	char dir[4200];
	const struct events_config config = { .dir = dir, .read_only = true, .clock = &clock_system };
	const struct hunt_args *a = &h->args;
	int r = find_query_enter(a->data, dir, sizeof(dir), err);
	h->datasets = r ? NULL : calloc(a->datasets.n + 1, sizeof(*h->datasets));
	if (!r && !h->datasets)
		r = err_set(err, -ENOMEM, "%m");
	for (size_t i = 0; !r && i < a->datasets.n; i++)
		h->datasets[i] = str_from(a->datasets.at[i]);
	return r ? r : events_embedded.open(ret, &config, err);
}

void hunt_say_number(struct hunter *h, enum word word, uint64_t n)
{
	struct buf b = { 0 };
	char number[32];
	words_add(&b, h->language, word, find_number(h->language, n, number));
	hunt_say(h, buf_str(&b));
	buf_free(&b);
}

bool hunt_say_gaps(struct hunter *h, const struct event_found *found)
{
	if (found->damaged)
		hunt_say_number(h, WORD_FOUND_DAMAGED, found->damaged);
	if (found->mending)
		hunt_say_number(h, WORD_FOUND_MENDING, found->mending);
	return found->damaged || found->mending;
}

void hunt_close(struct hunter *h, const struct event_found *found, int64_t us)
{
	struct buf b = { 0 };
	char n[4][32];
	words_add(&b, h->language, WORD_FOUND, find_number(h->language, found->events, n[0]),
	          find_number(h->language, found->rows, n[1]), (double)us / CLOCK_S,
	          find_number(h->language, found->blocks, n[2]), find_number(h->language, found->skipped, n[3]));
	hunt_say(h, buf_str(&b));
	buf_free(&b);
}

/* --- errors: the text, a mark below the place, and what to do --- */

static void say_error(struct hunter *h, const struct hunt_error *error)
{
	const struct str text = buf_str(&h->text);
	size_t begin = error->at < text.n ? error->at : text.n, end;
	while (begin && text.p[begin - 1] != '\n')
		begin--;
	for (end = error->at; end < text.n && text.p[end] != '\n';)
		end++;
	struct buf line = { 0 }, before = { 0 }, marked = { 0 };
	term_safe(&line, str_sub(text, begin, end - begin));
	term_safe(&before, str_sub(text, begin, error->at - begin));
	term_safe(&marked, str_sub(text, error->at, error->at + error->n > end ? end - error->at : error->n));
	progress_clear(&h->progress);
	const size_t columns = term_columns(buf_str(&before)), marks = term_columns(buf_str(&marked));
	buf_add(&line, STR("\n"));
	for (size_t i = 0; i < columns; i++)
		buf_putc(&line, ' ');
	for (size_t i = 0; i < (marks ? marks : 1); i++)
		buf_putc(&line, '^');
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	hunt_say(h, str_from(error->what));
	buf_free(&line);
	buf_free(&before);
	buf_free(&marked);
}

/* --- running --- */

struct running {
	struct hunter *hunter;
	struct hunt_printer printer;
	int code;
};

static int take_columns(void *arg, const struct str *names, size_t n)
{
	struct running *r = arg;
	r->code = hunt_print_columns(&r->printer, names, n, &r->hunter->out);
	return r->code != 0;
}

static int take_row(void *arg, const struct hunt_line *row)
{
	struct running *r = arg;
	struct hunter *h = r->hunter;
	r->code = hunt_print_row(&r->printer, row, &h->out);
	if (h->out.n >= OUT_FLUSH)
		hunt_flush(h);
	return r->code || h->failed || interrupt_came(&h->interrupt);
}

/* What lacks of the answer, and how much was looked at. */
static int say_result(struct hunter *h, const struct hunt_result *r, int64_t us)
{
	if (h->interrupt.came)
		hunt_say(h, str_from(words(h->language, WORD_FOUND_STOPPED)));
	if (r->lacks & HUNT_LATE)
		hunt_say(h, str_from(words(h->language, WORD_HUNT_LATE)));
	hunt_say_gaps(h, &r->found);
	if (r->shed)
		hunt_say_number(h, WORD_HUNT_SHED, r->shed);
	if (r->gave_up)
		hunt_say_number(h, WORD_HUNT_GAVE_UP, r->gave_up);
	if (r->limited)
		hunt_say_number(h, WORD_FOUND_LIMIT, r->rows);
	if (!h->args.quiet) {
		if (r->without)
			hunt_say_number(h, WORD_HUNT_WITHOUT, r->without);
		struct event_found found = r->found;
		if (r->limited && found.events == r->rows + 1) /* it was asked for only to know whether there is more */
			found.events = r->rows;
		hunt_close(h, &found, us);
	}
	return r->lacks || h->interrupt.came ? EXIT_TROUBLE : r->found.events ? 0 : 1;
}

static int run_in(struct hunter *h, const struct hunt *hunt, struct hunt_result *result, struct err *err)
{
	const struct hunt_args *a = &h->args;
	struct event_term marks[MARKS_MAX];
	struct running r = {
		.hunter = h,
		.printer = { .format = (enum hunt_format)a->format,
		             .color = term_color(STDOUT_FILENO, a->color),
		             .width = term_is_tty(STDOUT_FILENO) ? term_width(STDOUT_FILENO) : 0 },
	};
	struct hunt_question q = { .oldest_first = a->oldest,
		                   .limits = { .rows = a->limit, .time = (int64_t)a->minutes * 60 * CLOCK_S },
		                   .clock = &clock_system,
		                   .cancel = &h->cancel,
		                   .progress = hunt_progress,
		                   .progress_arg = h };
	const struct hunt_sink sink = { take_columns, take_row, &r };
	struct events *store;
	int code = hunt_span(a, clock_wall(&clock_system), &q.from, &q.to, err);
	code = code ? code : hunt_open(h, &store, err);
	if (code)
		return code;
	q.datasets = h->datasets;
	q.n_datasets = a->datasets.n;
	r.printer.events = (struct find_printer){ .terms = marks,
		                                  .n_terms = hunt_marks(hunt, marks, MARKS_MAX),
		                                  .color = r.printer.color };
	code = hunt_run(hunt, &events_embedded, store, &q, &sink, result, err);
	events_embedded.close(store);
	r.code = r.code ? r.code : hunt_print_end(&r.printer, &h->out);
	hunt_flush(h);
	find_printer_done(&r.printer.events);
	hunt_printer_done(&r.printer);
	return code ? code : r.code ? err_set(err, r.code, "%m") : 0;
}

static int run(struct hunter *h, const struct hunt *hunt)
{
	struct hunt_result result = { 0 };
	struct err err = { 0 };
	const int64_t start = clock_monotonic(&clock_system);
	interrupt_begin(&h->interrupt);
	int r = run_in(h, hunt, &result, &err);
	interrupt_end(&h->interrupt);
	progress_clear(&h->progress);
	if (!r && h->failed)
		r = err_set(&err, h->failed,
		            h->failed == -EPIPE ? "standard output was closed: stopped" : "standard output: %m");
	if (r) {
		hunt_say(h, str_from(err.text));
		return EXIT_TROUBLE;
	}
	return say_result(h, &result, clock_monotonic(&clock_system) - start);
}

static int as_rule(struct hunter *h, const struct hunt *hunt)
{
	struct hunt_error error;
	int r = hunt_rule(hunt, h->args.title, &h->out, &error);
	if (r) {
		say_error(h, &error);
		return EXIT_TROUBLE;
	}
	hunt_flush(h);
	return h->failed ? EXIT_TROUBLE : 0;
}

static bool is_run(const struct hunt_args *a)
{
	return !a->explain && !a->as_rule && !a->save;
}

static int with_hunt(struct hunter *h, const struct hunt *hunt)
{
	if (h->args.save)
		return hunt_saved(h);
	if (h->args.as_rule)
		return as_rule(h, hunt);
	if (!h->args.explain)
		return run(h, hunt);
	struct buf plan = { 0 };
	hunt_explain(hunt, &plan);
	buf_add(&h->out, buf_str(&plan));
	buf_free(&plan);
	hunt_flush(h);
	return h->failed ? EXIT_TROUBLE : 0;
}

static int hunt_text(struct hunter *h)
{
	struct hunt *hunt;
	struct hunt_error error = { 0 };
	int r = hunt_parse(&hunt, buf_str(&h->text), &error);
	if (r == -EINVAL)
		say_error(h, &error);
	else if (r)
		hunt_say(h, STR("there is not enough memory"));
	if (r)
		return EXIT_TROUBLE;
	if (is_run(&h->args) && h->args.format == HUNT_CSV && hunt_is_events(hunt)) {
		hunt_say(h, STR("events as they are have no columns: say which, '... | fields time, host, message', or "
		                "take "
		                "--format json"));
		r = EXIT_TROUBLE;
	} else {
		r = with_hunt(h, hunt);
	}
	hunt_free(hunt);
	return r;
}

static void list_fields(struct hunter *h)
{
	size_t n;
	const struct hunt_alias *a = hunt_aliases(&n);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&h->out, "%-16s %s%s\n", a[i].name, a[i].what,
		           a[i].text ? " (field:value finds words in it)" : "");
		for (size_t k = 0; a[i].fields[k]; k++)
			buf_printf(&h->out, "%s%s", k ? ", " : "                   ", a[i].fields[k]);
		buf_putc(&h->out, '\n');
	}
	hunt_flush(h);
}

/* The words are one hunt: quotes around the whole may be left out where the shell permits it. */
static int work(struct hunter *h)
{
	const struct hunt_args *a = &h->args;
	struct err err;
	if (a->fields) {
		list_fields(h);
		return h->failed ? EXIT_TROUBLE : 0;
	}
	if (a->list || a->remove)
		return hunt_saved(h);
	if (a->rule && !a->words.n)
		return hunt_with_rule(h);
	if (a->rule || !a->words.n) {
		hunt_say(h,
		         a->rule ? STR("either a QUERY or --rule FILE, not both")
		                 : STR("what to look for? write 'QUERY'; '*' are all events. Try 'khien hunt --help'"));
		return EXIT_TROUBLE;
	}
	for (size_t i = 0; i < a->words.n; i++) {
		if (i)
			buf_putc(&h->text, ' ');
		buf_add(&h->text, str_from(a->words.at[i]));
	}
	if (a->words.n == 1 && a->words.at[0][0] == '@' && !strpbrk(a->words.at[0], " :=<>|")) {
		h->text.n = 0;
		if (hunt_recall(h, str_from(a->words.at[0] + 1), &err)) {
			hunt_say(h, str_from(err.text));
			return EXIT_TROUBLE;
		}
	}
	return hunt_text(h);
}

int cmd_hunt(int argc, char **argv)
{
	struct hunter h = { .args = { .limit = LIMIT, .lang = -1 }, .interrupt = { .fd = -1 } };
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error like any other */
	int status = parse_args(argc, argv, &h.args);
	h.language = h.args.lang < 0 ? words_from_environment() : (enum language)h.args.lang;
	progress_begin(&h.progress, STDERR_FILENO, &clock_system);
	if (status < 0)
		status = work(&h);
	opt_list_done(&h.args.words);
	opt_list_done(&h.args.datasets);
	buf_free(&h.out);
	buf_free(&h.text);
	free(h.datasets);
	return status;
}
