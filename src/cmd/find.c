/* khien find: events of the hub's store, found again. */
#include "cmd/cmd.h"
#include "cmd/find_print.h"
#include "cmd/find_query.h"
#include "cmd/interrupt.h"
#include "cmd/term.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUT_FLUSH = 64 << 10 };

struct args {
	struct opt_list words, datasets;
	const char *since, *until, *data, *count_by;
	uint64_t limit;
	bool oldest, json, quiet;
	int lang, color;
};

struct find {
	struct args args;
	struct event_query query;
	struct event_term *terms;
	struct event_expr *where;
	struct str *datasets;
	struct find_printer printer;
	enum language language;
	struct buf out;
	struct progress progress;
	struct interrupt interrupt;
	atomic_bool cancel;
	uint64_t values;
	int failed; /* standard output */
};

static const char *const synopsis[] = { "[WORD | FIELD:VALUE | FIELD:*TEXT* | \"A PHRASE\" | -NOT]... [options]",
	                                NULL };

static int parse_args(int argc, char **argv, struct args *a)
{
	const struct opt opts[] = {
		FIND_OPT_SINCE(&a->since),
		FIND_OPT_UNTIL(&a->until),
		FIND_OPT_DATASET(&a->datasets),
		{ "limit", 0, OPT_NUMBER, "N", "at most so many (default: 100); 0: all", &a->limit, 0, 0, NULL },
		{ "oldest", 0, OPT_FLAG, NULL, "the oldest first, instead of the newest", &a->oldest, 0, 0, NULL },
		{ "count-by", 0, OPT_TEXT, "FIELD", "how often each value of the field stands in them, most first",
		  &a->count_by, 0, 0, NULL },
		{ "json", 0, OPT_FLAG, NULL, "the events as they are stored, one a line", &a->json, 0, 0, NULL },
		FIND_OPT_DATA(0, &a->data),
		{ "color", 0, OPT_CHOICE, "WHEN", "auto, always, never", &a->color, 0, 0, term_color_choices },
		FIND_OPT_LANG(&a->lang),
		FIND_OPT_QUIET(0, &a->quiet),
	};
	const struct opt_spec spec = {
		.command = "find",
		.synopsis = synopsis,
		.what = "Finds events that the hub has kept. All that is asked for must hold; upper and lower case are "
		        "alike.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "  WORD, \"A PHRASE\"  stands in some field, not within a longer word\n"
		        "  *TEXT*            stands anywhere in some field\n"
		        "  FIELD:VALUE       the field has this value; FIELD:*TEXT* in it; FIELD:* it is there\n"
		        "  -...              any of these, which must not hold\n\n"
		        "Exit status: 0 found, 1 nothing found, 2 something could not be done, or the answer is not "
		        "whole.\n\n"
		        "Example: khien find --since 7d sshd source.ip:10.20.7.7 '-*publickey*'\n",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

/*
 * Words that begin with one dash are terms here, not options: they go behind "--". `to` has room for all words of argv
 * and two more.
 */
static int put_terms_last(int argc, char **argv, char **to)
{
	int n = 0, terms = argc;
	for (int i = 1; i < argc && terms == argc; i++)
		if (strcmp(argv[i], "--") == 0)
			terms = i;
	to[n++] = argv[0];
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 1; i < terms; i++) {
			bool is_term = argv[i][0] == '-' && argv[i][1] != '-' && strcmp(argv[i], "-h") != 0;
			if (is_term == pass)
				to[n++] = argv[i];
		}
		if (!pass)
			to[n++] = (char *)"--";
	}
	for (int i = terms + 1; i < argc; i++)
		to[n++] = argv[i];
	to[n] = NULL;
	return n;
}

static void say(struct find *f, struct str text)
{
	struct buf line = { 0 };
	buf_add(&line, STR("khien: "));
	term_safe(&line, text);
	buf_putc(&line, '\n');
	progress_clear(&f->progress);
	term_write(STDERR_FILENO, buf_str(&line));
	buf_free(&line);
}

static void flush(struct find *f)
{
	if (f->out.n && !f->failed) {
		progress_clear(&f->progress);
		f->failed = term_write(STDOUT_FILENO, buf_str(&f->out));
	}
	f->out.n = 0;
}

static void progress(void *arg, uint64_t done, uint64_t whole)
{
	struct find *f = arg;
	flush(f);
	if (!f->args.quiet)
		progress_update(&f->progress, done, whole, NULL);
	if (f->failed || interrupt_came(&f->interrupt))
		atomic_store(&f->cancel, true);
}

static int show_event(void *arg, const struct event_row *row)
{
	struct find *f = arg;
	if (f->args.json) {
		buf_add(&f->out, row->json);
		buf_putc(&f->out, '\n');
	} else {
		find_print(&f->printer, row, &f->out);
	}
	if (f->out.n >= OUT_FLUSH)
		flush(f);
	return f->failed || interrupt_came(&f->interrupt);
}

static int show_count(void *arg, struct str value, uint64_t count)
{
	struct find *f = arg;
	f->values++;
	if (f->args.json) {
		buf_add(&f->out, STR("{\"value\":"));
		buf_add_json(&f->out, value);
		buf_printf(&f->out, ",\"count\":%llu}\n", (unsigned long long)count);
	} else {
		buf_printf(&f->out, "%12llu  ", (unsigned long long)count);
		term_safe(&f->out, value);
		buf_putc(&f->out, '\n');
	}
	if (f->out.n >= OUT_FLUSH)
		flush(f);
	return f->failed;
}

static int make_query(struct find *f, int64_t now, struct err *err)
{
	struct args *a = &f->args;
	struct event_query *q = &f->query;
	*q = (struct event_query){ .from = INT64_MIN,
		                   .oldest_first = a->oldest,
		                   .limit = a->limit,
		                   .cancel = &f->cancel,
		                   .progress = progress,
		                   .progress_arg = f };
	f->terms = calloc(a->words.n + 1, sizeof(*f->terms));
	f->where = calloc(a->words.n + 1, sizeof(*f->where));
	f->datasets = calloc(a->datasets.n + 1, sizeof(*f->datasets));
	int r = f->terms && f->where && f->datasets ? 0 : err_set(err, -ENOMEM, "%m");
	for (size_t i = 0; !r && i < a->words.n; i++)
		r = find_query_term(a->words.at[i], &f->terms[i], err);
	for (; !r && q->n_datasets < a->datasets.n; q->n_datasets++)
		f->datasets[q->n_datasets] = str_from(a->datasets.at[q->n_datasets]);
	if (!r && a->since)
		r = find_query_time(a->since, now, &q->from, err);
	if (!r && a->until)
		r = find_query_time(a->until, now, &q->to, err);
	if (!r && a->until && q->to <= q->from)
		r = err_set(err, -EINVAL, "--until '%s' is not behind --since '%s': no event can lie between", a->until,
		            a->since ? a->since : "");
	q->where = r ? NULL : find_query_all(f->terms, a->words.n, f->where);
	q->datasets = f->datasets;
	f->printer.terms = f->terms;
	f->printer.n_terms = r ? 0 : a->words.n;
	return r;
}

static void say_closing(struct find *f, const struct event_found *found, int64_t us)
{
	struct buf b = { 0 };
	char n[4][32];
	if (f->args.count_by)
		words_add(&b, f->language, WORD_FOUND_VALUES, find_number(f->language, f->values, n[0]),
		          find_number(f->language, found->events, n[1]));
	if (b.n)
		say(f, buf_str(&b));
	b.n = 0;
	uint64_t shown = f->args.count_by ? f->values : found->events;
	if (f->args.limit && shown == f->args.limit) {
		words_add(&b, f->language, WORD_FOUND_LIMIT, find_number(f->language, shown, n[0]));
		say(f, buf_str(&b));
		b.n = 0;
	}
	words_add(&b, f->language, WORD_FOUND, find_number(f->language, found->events, n[0]),
	          find_number(f->language, found->rows, n[1]), (double)us / CLOCK_S,
	          find_number(f->language, found->blocks, n[2]), find_number(f->language, found->skipped, n[3]));
	say(f, buf_str(&b));
	buf_free(&b);
}

/* What is missing from the answer. */
static bool say_gaps(struct find *f, const struct event_found *found)
{
	const struct {
		enum word word;
		uint64_t n;
	} gaps[] = { { WORD_FOUND_DAMAGED, found->damaged }, { WORD_FOUND_MENDING, found->mending } };
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
		struct buf b = { 0 };
		char n[32];
		if (!gaps[i].n)
			continue;
		words_add(&b, f->language, gaps[i].word, find_number(f->language, gaps[i].n, n));
		say(f, buf_str(&b));
		buf_free(&b);
		any = true;
	}
	return any;
}

static int search(struct find *f, struct event_found *found, struct err *err)
{
	char dir[4200];
	struct events *store;
	const struct events_config config = { .dir = dir, .read_only = true, .clock = &clock_system };
	int r = find_query_enter(f->args.data, dir, sizeof(dir), err);
	r = r ? r : events_embedded.open(&store, &config, err);
	if (r)
		return r;
	if (f->args.count_by)
		r = events_embedded.count_by(store, &f->query, str_from(f->args.count_by), show_count, f, found, err);
	else
		r = events_embedded.find(store, &f->query, show_event, f, found, err);
	events_embedded.close(store);
	flush(f);
	progress_clear(&f->progress);
	if (!r && f->failed)
		return err_set(err, f->failed,
		               f->failed == -EPIPE ? "standard output was closed: stopped" : "standard output: %m");
	return r;
}

static int run(struct find *f)
{
	struct event_found found = { 0 };
	struct err err = { 0 };
	int64_t start = clock_monotonic(&clock_system);
	int r = make_query(f, clock_wall(&clock_system), &err);
	if (!r) {
		interrupt_begin(&f->interrupt);
		r = search(f, &found, &err);
		interrupt_end(&f->interrupt);
	}
	if (r) {
		say(f, str_from(err.text));
		return EXIT_TROUBLE;
	}
	if (f->interrupt.came)
		say(f, str_from(words(f->language, WORD_FOUND_STOPPED)));
	const bool gaps = say_gaps(f, &found);
	if (!f->args.quiet)
		say_closing(f, &found, clock_monotonic(&clock_system) - start);
	return gaps || f->interrupt.came ? EXIT_TROUBLE : found.events ? 0 : 1;
}

int cmd_find(int argc, char **argv)
{
	struct find f = { .args = { .limit = 100, .lang = -1 }, .interrupt = { .fd = -1 } };
	char **words = calloc((size_t)argc + 3, sizeof(*words));
	if (!words)
		return EXIT_TROUBLE;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error like any other */
	int status = parse_args(put_terms_last(argc, argv, words), words, &f.args);
	f.language = f.args.lang < 0 ? words_from_environment() : (enum language)f.args.lang;
	f.printer.color = term_color(STDOUT_FILENO, f.args.color);
	progress_begin(&f.progress, STDERR_FILENO, &clock_system);
	if (status < 0)
		status = run(&f);
	find_printer_done(&f.printer);
	opt_list_done(&f.args.words);
	opt_list_done(&f.args.datasets);
	buf_free(&f.out);
	free(f.terms);
	free(f.where);
	free(f.datasets);
	free(words);
	return status;
}
