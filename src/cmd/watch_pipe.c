#include "cmd/watch.h"

#include <errno.h>
#include <time.h>

int pipe_init(struct pipe *p, const struct engine *e, struct show *show, struct err *err)
{
	*p = (struct pipe){ .rs = engine_ruleset(e), .show = show };
	int code = event_init(&p->event, engine_fields(e));
	if (code)
		return err_set(err, code, "prepare to read events: %m");
	p->on_match = pipe_match;
	p->match_arg = p;
	code = matcher_new(&p->matcher, e, err);
	return code ? code : pipe_restart(p, err);
}

void pipe_done(struct pipe *p)
{
	windows_free(p->windows);
	matcher_free(p->matcher);
	event_done(&p->event);
}

uint64_t pipe_shed(const struct pipe *p)
{
	const struct window_counts *w = windows_counts(p->windows);
	return p->shed + w->late + w->shed_groups + w->shed_events + matcher_counts(p->matcher)->shed_values;
}

int pipe_restart(struct pipe *p, struct err *err)
{
	const struct window_config config = { 0 };
	struct windows *fresh;
	int code = windows_new(&fresh, p->rs, &config, err);
	if (code)
		return code;
	windows_free(p->windows);
	p->windows = fresh;
	return 0;
}

/* A match of a correlation. */
static int on_correlation(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	return m->rule->silent ? 0 : show_alert(p->show, m, p->recording);
}

int pipe_match(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	int code = m->rule->silent ? 0 : show_alert(p->show, m, p->recording);
	if (!code && m->rule->feeds)
		code = windows_feed(p->windows, m, on_correlation, p);
	return code;
}

int pipe_advance(struct pipe *p, int64_t now)
{
	return windows_advance(p->windows, now, on_correlation, p);
}

int pipe_flush(struct pipe *p)
{
	return windows_flush(p->windows, on_correlation, p);
}

/* The framer counts lines from where it began to read. */
static int correct_line(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	struct match at = *m;
	at.line = p->origin->line_base == LINE_UNKNOWN ? 0 : m->line + p->origin->line_base;
	return p->on_match(p->match_arg, &at);
}

/*
 * RFC 3164 times have no zone and are read as UTC; programs write them in local time. What is watched has just been
 * written: a time that is as far from now as this machine's zone is from UTC is local.
 */
static void correct_zone(struct event *ev, int64_t now)
{
	const int64_t near = 600LL * CLOCK_S;
	time_t s = now / CLOCK_S;
	struct tm tm;
	localtime_r(&s, &tm);
	int64_t zone = (int64_t)tm.tm_gmtoff * CLOCK_S, ahead = ev->time - now;
	if (ev->time && (zone >= near || zone <= -near) && ahead > zone - near && ahead < zone + near)
		ev->time -= zone;
}

int pipe_batch(void *arg, struct batch *b)
{
	const struct origin *o = arg;
	struct pipe *p = o->pipe;
	int code = 0;
	p->origin = o;
	for (size_t i = 0; i < b->n_records && !code; i++) {
		struct err err;
		if (batch_parse(b, i, &p->event, &err)) {
			pipe_skip(arg, o->name, b->records[i].line, err.text);
			continue;
		}
		if (!p->recording)
			correct_zone(&p->event, b->now);
		p->events++;
		code = matcher_run(p->matcher, &p->event, correct_line, p);
	}
	batch_free(b);
	return !code && p->recording && p->stop && loop_stopped(p->stop) ? -ECANCELED : code;
}

void pipe_skip(void *arg, const char *name, uint64_t line, const char *reason)
{
	struct origin *o = arg;
	o->pipe->skipped++;
	/* The first of each origin is told, all are counted: a broken writer must not drown the alerts. */
	if (o->skip_told)
		return;
	o->skip_told = true;
	show_note(o->pipe->show, LOG_LEVEL_WARNING, WORD_SKIPPED, "skipped", name, reason);
}
