/* khien hunt --rule: Sigma rules over what is stored, by the same engine as everywhere. */
#include "cmd/hunt.h"

#include "cmd/cmd.h"
#include "cmd/hunt_words.h"
#include "cmd/pipeline.h"
#include "cmd/print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUT_FLUSH = 64 << 10 };

struct ruled {
	struct hunter *hunter;
	struct engine *engine;
	struct pipeline *pipeline;
	struct framer *framer;
	struct print_options print;
	struct event_found found;
	uint64_t shown;
	int code; /* -errno of a step */
};

static void render(const void *arg, struct buf *out, const struct match *m)
{
	const struct ruled *r = arg;
	if (r->hunter->args.format == HUNT_JSON) {
		print_match_json(out, engine_ruleset(r->engine), m);
		buf_putc(out, '\n');
	} else {
		print_match_text(out, &r->print, engine_ruleset(r->engine), m);
	}
}

static int emit(void *arg, uint32_t rule, struct str rendered)
{
	struct ruled *r = arg;
	struct hunter *h = r->hunter;
	if (h->args.limit && r->shown == h->args.limit)
		return -ECANCELED;
	r->shown++;
	buf_add(&h->out, rendered);
	if (h->out.n >= OUT_FLUSH)
		hunt_flush(h);
	return h->failed ? h->failed : interrupt_came(&h->interrupt) ? -ECANCELED : 0;
}

static int push(void *arg, struct batch *b)
{
	return pipeline_push(((struct ruled *)arg)->pipeline, b);
}

static int take_event(void *arg, const struct event_row *row)
{
	struct ruled *r = arg;
	const int64_t now = clock_wall(&clock_system);
	r->code = framer_feed(r->framer, row->json, now);
	r->code = r->code ? r->code : framer_feed(r->framer, STR("\n"), now);
	return r->code != 0;
}

static void say_refused(struct ruled *r)
{
	const struct ruleset *rs = engine_ruleset(r->engine);
	for (uint32_t i = 0; i < rs->n_diagnostics; i++)
		hunt_say(r->hunter, ruleset_text(rs, rs->diagnostics[i].text));
}

static int begin(struct ruled *r, struct err *err)
{
	const struct hunt_args *a = &r->hunter->args;
	const char *const dirs[] = { a->rule };
	size_t n;
	const struct format *json = NULL, *const *formats = intake_formats(&n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(formats[i]->name, "json") == 0)
			json = formats[i];
	const struct engine_config rules = {
		.rules = { .dirs = dirs, .n_dirs = 1, .mapping = a->mapping, .all_rules = a->all_rules },
	};
	int code = engine_open(&r->engine, &rules, err);
	if (code)
		return code;
	say_refused(r);
	if (!engine_ruleset(r->engine)->n_rules)
		return err_set(err, -EINVAL, "'%s' has no rule that can run", a->rule);
	const struct pipeline_config pipeline = { .engine = r->engine, .render = render, .emit = emit, .arg = r };
	const struct framer_config framer = { .origin = "the hub's store",
		                              .format = json,
		                              .max_record = EVENT_JSON_MAX + 2,
		                              .now = clock_wall(&clock_system),
		                              .sink = push,
		                              .arg = r };
	code = pipeline_new(&r->pipeline, &pipeline, err);
	return code ? code : framer_new(&r->framer, &framer, err);
}

static int search(struct ruled *r, struct err *err)
{
	struct hunter *h = r->hunter;
	struct arena arena = { .max = 64 << 20 };
	struct events *store;
	struct event_query q = { .oldest_first = true,
		                 .n_datasets = h->args.datasets.n,
		                 .cancel = &h->cancel,
		                 .progress = hunt_progress,
		                 .progress_arg = h };
	int code = hunt_span(&h->args, clock_wall(&clock_system), &q.from, &q.to, err);
	code = code ? code : begin(r, err);
	code = code ? code : hunt_open(h, &store, err);
	if (code)
		return code;
	q.datasets = h->datasets;
	q.blocks = hunt_words(engine_ruleset(r->engine), &arena);
	code = events_embedded.find(store, &q, take_event, r, &r->found, err);
	events_embedded.close(store);
	arena_free(&arena);
	code = code ? code : r->code;
	code = code ? code : framer_end(r->framer);
	const int finished = pipeline_finish(r->pipeline, true);
	return code ? code : finished;
}

static int run(struct ruled *r, struct err *err)
{
	struct hunter *h = r->hunter;
	interrupt_begin(&h->interrupt);
	int code = search(r, err);
	interrupt_end(&h->interrupt);
	hunt_flush(h);
	progress_clear(&h->progress);
	framer_free(r->framer);
	if (r->pipeline)
		pipeline_free(r->pipeline);
	if (h->failed)
		return err_set(err, h->failed,
		               h->failed == -EPIPE ? "standard output was closed: stopped" : "standard output: %m");
	return code == -ECANCELED ? 0 : code;
}

int hunt_with_rule(struct hunter *h)
{
	struct ruled r = { .hunter = h,
		           .print = { .color = term_color(STDOUT_FILENO, h->args.color),
		                      .local_time = true,
		                      .language = h->language } };
	struct err err = { 0 };
	const int64_t start = clock_monotonic(&clock_system);
	bool gaps = false;
	int code = h->args.format == HUNT_CSV
	                   ? err_set(&err, -EINVAL, "matches of rules are printed as a table or as JSON, not as CSV")
	                   : run(&r, &err);
	if (code) {
		if (!err.text[0])
			err_set(&err, code, "%m");
		hunt_say(h, str_from(err.text));
	} else {
		if (h->interrupt.came)
			hunt_say(h, str_from(words(h->language, WORD_FOUND_STOPPED)));
		if (h->args.limit && r.shown == h->args.limit)
			hunt_say_number(h, WORD_FOUND_LIMIT, r.shown);
		gaps = hunt_say_gaps(h, &r.found);
		r.found.events = r.shown;
		if (!h->args.quiet)
			hunt_close(h, &r.found, clock_monotonic(&clock_system) - start);
	}
	if (r.engine)
		engine_free(r.engine);
	return code || h->interrupt.came || gaps ? EXIT_TROUBLE : r.shown ? 0 : 1;
}
