/* khien intel search: the store searched back, and its answer in words. */
#include "cmd/cmd.h"
#include "cmd/find_query.h"
#include "cmd/intel.h"
#include "cmd/intel_back.h"
#include "cmd/interrupt.h"
#include "cmd/known.h"
#include "cmd/print.h"
#include "cmd/term.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FINDS_SHOWN = 20 }; /* of one feed and kind */

struct searching {
	struct intel_job *job;
	const struct feed *feeds;
	size_t n_feeds;
	struct back back;
	int64_t from;
	struct progress progress;
	struct interrupt interrupt;
	atomic_bool cancel;
	struct buf out;
	bool found;
};

static void progress(void *arg, uint64_t done, uint64_t whole)
{
	struct searching *s = arg;
	if (!s->job->args->quiet)
		progress_update(&s->progress, done, whole, NULL);
	if (interrupt_came(&s->interrupt))
		atomic_store(&s->cancel, true);
}

static uint64_t count_items(const struct feed *f, enum back_kind kind)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < f->n_items; i++)
		n += back_kind_of((enum intel_type)f->items[i].type) == kind;
	return n;
}

static bool is_of(const struct back_find *f, const struct feed *feed, enum back_kind kind)
{
	return back_kind_of(f->type) == kind && str_eq(f->feed, str_from(feed->head.name));
}

static void show_find(struct searching *s, const struct back_find *f)
{
	struct buf *b = &s->out;
	buf_add(b, STR("    "));
	term_safe(b, f->text);
	buf_printf(b, "  %llu event%s  ", (unsigned long long)f->events, f->events == 1 ? "" : "s");
	print_time_utc(b, f->first);
	if (f->last != f->first) {
		buf_add(b, STR(" to "));
		print_time_utc(b, f->last);
	}
	buf_add(b, STR("  "));
	term_safe(b, f->field);
	for (uint32_t i = 0; i < f->n_hosts && i < BACK_HOSTS; i++) {
		buf_add(b, i ? STR(", ") : STR("  on "));
		term_safe(b, f->hosts[i]);
	}
	buf_printf(b, "%s\n", f->n_hosts > BACK_HOSTS ? " and others" : "");
}

static void find_json(struct searching *s, const struct back_find *f)
{
	struct buf *b = &s->out;
	buf_printf(b, "{\"result\":\"found\",\"kind\":\"%s\",\"feed\":", back_kind_name(back_kind_of(f->type)));
	buf_add_json(b, f->feed);
	buf_printf(b, ",\"type\":\"%s\",\"value\":", intel_type_name(f->type));
	buf_add_json(b, f->text);
	buf_printf(b, ",\"events\":%llu,\"first\":\"", (unsigned long long)f->events);
	print_time_utc(b, f->first);
	buf_add(b, STR("\",\"last\":\""));
	print_time_utc(b, f->last);
	buf_add(b, STR("\",\"field\":"));
	buf_add_json(b, f->field);
	buf_add(b, STR(",\"hosts\":["));
	for (uint32_t i = 0; i < f->n_hosts && i < BACK_HOSTS; i++) {
		buf_add(b, i ? STR(",") : STR(""));
		buf_add_json(b, f->hosts[i]);
	}
	buf_printf(b, "],\"more_hosts\":%s,\"reference\":", f->n_hosts > BACK_HOSTS ? "true" : "false");
	buf_add_json(b, f->reference);
	buf_add(b, STR("}\n"));
}

/* Why "not found" is no answer, or not a whole one. Empty: it is. */
static void add_gaps(struct searching *s, enum back_kind kind, struct buf *b)
{
	static const char *const names[] = { "an address", "a name", "a URL", "a hash" };
	const struct back *back = &s->back;
	if (!back->found.rows)
		buf_add(b, STR("no event of that time is stored"));
	else if (!back->covered[kind])
		buf_printf(b, "no stored event has a field with %s", names[kind]);
	if (back->oldest && s->from != INT64_MIN && back->oldest > s->from && back->found.rows) {
		buf_add(b, b->n ? STR("; ") : STR(""));
		buf_add(b, STR("nothing is stored from before "));
		print_time_utc(b, back->oldest);
	}
	if (back->found.damaged)
		buf_printf(b, "%s%llu damaged blocks could not be read", b->n ? "; " : "",
		           (unsigned long long)back->found.damaged);
	if (back->found.mending)
		buf_printf(b, "%s%llu damaged days are not mended yet", b->n ? "; " : "",
		           (unsigned long long)back->found.mending);
	if (atomic_load(&s->cancel))
		buf_printf(b, "%sstopped before the end", b->n ? "; " : "");
}

static void show_kind(struct searching *s, const struct feed *f, enum back_kind kind)
{
	uint64_t n = count_items(f, kind), found = 0;
	const char *name = back_kind_name(kind);
	struct buf gaps = { 0 };
	if (!n)
		return;
	for (size_t i = 0; i < s->back.n_finds; i++)
		found += is_of(&s->back.finds[i], f, kind);
	add_gaps(s, kind, &gaps);
	bool covered = s->back.covered[kind] && s->back.found.rows;
	const char *result = found ? "found" : covered ? "not found" : "not covered";
	const char *word = covered ? "not-found" : "not-covered";
	s->found |= found > 0;
	if (s->job->args->json) {
		for (size_t i = 0; i < s->back.n_finds; i++)
			if (is_of(&s->back.finds[i], f, kind))
				find_json(s, &s->back.finds[i]);
		if (!found) {
			buf_printf(&s->out,
			           "{\"result\":\"%s\",\"kind\":\"%s\",\"feed\":\"%s\",\"indicators\":%llu,\"gaps\":",
			           word, name, f->head.name, (unsigned long long)n);
			buf_add_json(&s->out, buf_str(&gaps));
			buf_add(&s->out, STR("}\n"));
		}
		buf_free(&gaps);
		return;
	}
	buf_printf(&s->out, "%s, %s: %s", f->head.name, name, result);
	if (found)
		buf_printf(&s->out, " %llu", (unsigned long long)found);
	buf_printf(&s->out, " of %llu", (unsigned long long)n);
	if (gaps.n)
		buf_printf(&s->out, " (" STR_FMT ")", STR_ARG(buf_str(&gaps)));
	buf_putc(&s->out, '\n');
	for (size_t i = 0, shown = 0; i < s->back.n_finds && shown < FINDS_SHOWN; i++)
		if (is_of(&s->back.finds[i], f, kind) && ++shown)
			show_find(s, &s->back.finds[i]);
	if (found > FINDS_SHOWN)
		buf_printf(&s->out, "    ... and %llu more; --json shows all\n",
		           (unsigned long long)(found - FINDS_SHOWN));
	buf_free(&gaps);
}

static void say_closing(struct searching *s, int64_t us)
{
	char line[300];
	const struct event_found *f = &s->back.found;
	snprintf(line, sizeof(line), "searched %llu events in %.1f s (%llu blocks); %llu looked at closely",
	         (unsigned long long)f->rows, (double)us / CLOCK_S, (unsigned long long)f->blocks,
	         (unsigned long long)f->events);
	intel_say(NULL, line);
	if (!s->back.shed)
		return;
	snprintf(line, sizeof(line), "more than %d indicators were found: the rest isn't told", BACK_FINDS_MAX);
	intel_say(NULL, line);
}

static int search(struct searching *s, struct err *err)
{
	void *block;
	size_t size;
	struct intel_set *set;
	int r = intel_set_make(&block, &size, s->feeds, s->n_feeds, s->job->now, err);
	r = r ? r : intel_set_open(&set, block, size, false, err);
	if (r)
		return r;
	/* From here on this process reads the store, and what strangers wrote into it, and can do nothing else. */
	char store[4200];
	r = find_query_enter(s->job->args->data, store, sizeof(store), err);
	if (r) {
		intel_set_free(set);
		return r;
	}
	const struct back_config config = {
		.store = store,
		.set = set,
		.from = s->from,
		.now = s->job->now,
		.cancel = &s->cancel,
		.progress = progress,
		.arg = s,
	};
	r = back_run(&s->back, &config, err);
	intel_set_free(set);
	return r;
}

int intel_search_feeds(struct intel_job *job, const struct feed *feeds, size_t n, struct err *err)
{
	struct searching s = { .job = job, .feeds = feeds, .n_feeds = n, .from = INT64_MIN, .interrupt = { .fd = -1 } };
	int64_t start = clock_monotonic(&clock_system);
	int r = job->args->since ? find_query_time(job->args->since, job->now, &s.from, err) : 0;
	if (r)
		return r;
	progress_begin(&s.progress, STDERR_FILENO, &clock_system);
	interrupt_begin(&s.interrupt);
	r = search(&s, err);
	interrupt_end(&s.interrupt);
	progress_clear(&s.progress);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		for (unsigned kind = 0; kind < N_BACK_KINDS; kind++)
			show_kind(&s, &feeds[i], (enum back_kind)kind);
	r = s.out.failed ? -ENOMEM : term_write(STDOUT_FILENO, buf_str(&s.out));
	buf_free(&s.out);
	if (r) {
		back_done(&s.back);
		return err_set(err, r, "standard output: %m");
	}
	if (!job->args->quiet)
		say_closing(&s, clock_monotonic(&clock_system) - start);
	bool whole = !s.back.found.damaged && !s.back.found.mending && !s.back.shed && !atomic_load(&s.cancel);
	back_done(&s.back);
	return whole ? s.found : EXIT_TROUBLE;
}

static bool is_wanted(const struct opt_list *names, const struct feed *f)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->at[i], f->head.name) == 0)
			return true;
	return !names->n;
}

static void say_damaged(void *arg, const char *file, const char *why)
{
	char line[700];
	snprintf(line, sizeof(line), "the feed '%s' is left out: %s", file, why);
	intel_say(arg, line);
}

int intel_search(struct intel_job *job, struct err *err)
{
	struct shelf shelf;
	size_t n = 0;
	int r = shelf_load(&shelf, job->dir, say_damaged, NULL, err);
	if (r)
		return r;
	for (size_t i = 0; i < shelf.n; i++)
		if (is_wanted(&job->args->feeds, &shelf.feeds[i])) {
			struct feed keep = shelf.feeds[n];
			shelf.feeds[n++] = shelf.feeds[i];
			shelf.feeds[i] = keep;
		}
	if (!n || n < job->args->feeds.n)
		r = err_set(err, -ENOENT,
		            shelf.n ? "there is no such feed; 'khien intel list' names them"
		                    : "there is no feed; 'khien intel add' makes one");
	else
		r = intel_search_feeds(job, shelf.feeds, n, err);
	shelf_done(&shelf);
	return r;
}
