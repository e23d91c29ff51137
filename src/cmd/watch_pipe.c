#include "cmd/watch.h"

#include "cmd/known.h"
#include "rule/same.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

static const int64_t AHEAD = 60LL * CLOCK_S; /* so far clocks of machines may differ */

int pipe_init(struct pipe *p, const struct engine *e, struct show *show, struct err *err)
{
	*p = (struct pipe){ .rs = engine_ruleset(e), .show = show };
	int code = event_init(&p->event, engine_fields(e));
	if (code)
		return err_set(err, code, "prepare to read events: %m");
	randombytes_buf(p->seed, sizeof(p->seed));
	p->on_match = pipe_match;
	p->match_arg = p;
	gather_init(&p->waiting);
	code = matcher_new(&p->matcher, e, err);
	if (!code && p->rs->n_asked)
		code = known_checker(&p->checker, e, err);
	return code ? code : pipe_restart(p, err);
}

void pipe_done(struct pipe *p)
{
	windows_free(p->windows);
	matcher_free(p->matcher);
	intel_checker_free(p->checker);
	event_done(&p->event);
	gather_done(&p->waiting);
}

void pipe_use(struct pipe *p, const struct intel_set *indicators)
{
	p->indicators = indicators;
	if (p->checker)
		intel_checker_use(p->checker, indicators);
}

void pipe_look_up(struct pipe *p, int64_t now)
{
	if (p->checker)
		p->known_bad += intel_event(p->checker, &p->event, now, NULL, NULL) > 0;
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

int pipe_swap(struct pipe *p, const struct engine *e, struct pipe_kept *kept, struct err *err)
{
	const struct ruleset *rs = engine_ruleset(e);
	struct pipe fresh = { 0 };
	/* matches that wait for their turn know the old rules */
	int code = order_settle(p);
	if (code)
		return err_set(err, code, "write alerts: %m");
	code = pipe_init(&fresh, e, p->show, err);
	uint32_t *map = same_rules(p->rs, rs), *same = map ? same_correlations(p->rs, rs, map) : NULL;
	if (!code && !same)
		code = err_set(err, -ENOMEM, "%m");
	if (code) {
		pipe_done(&fresh);
		free(map);
		free(same);
		return code;
	}
	*kept = (struct pipe_kept){ .of = rs->n_correlations };
	for (uint32_t i = 0; i < rs->n_correlations; i++)
		kept->correlations += same[i] != NO_INDEX;
	windows_keep(fresh.windows, p->windows, same);
	p->shed += matcher_counts(p->matcher)->shed_values;
	code = show_reload(p->show, rs, map);
	pipe_done(p);
	p->rs = rs;
	p->matcher = fresh.matcher;
	p->checker = fresh.checker;
	pipe_use(p, p->indicators);
	p->windows = fresh.windows;
	p->event = fresh.event;
	p->waiting = fresh.waiting;
	free(map);
	free(same);
	return code ? err_set(err, code, "write alerts: %m") : 0;
}

/* A match of a correlation. */
static int on_correlation(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	return m->rule->silent || m->known ? 0 : show_alert(p->show, m, p->recording);
}

int pipe_match(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	int code = m->rule->silent || m->known ? 0 : show_alert(p->show, m, p->recording);
	if (!code && m->rule->feeds)
		code = windows_feed(p->windows, m, on_correlation, p);
	return code;
}

int pipe_advance(struct pipe *p, int64_t now)
{
	int64_t passed = now - p->quiet_since, newest = windows_now(p->windows);
	p->quiet_since = now;
	/* While matches come, they say what time it is: what is read may have been written hours ago. */
	int code = newest == p->newest && newest != INT64_MIN
	                   ? windows_advance(p->windows, newest + passed, on_correlation, p)
	                   : 0;
	p->newest = windows_now(p->windows);
	return code;
}

int pipe_flush(struct pipe *p)
{
	return windows_flush(p->windows, on_correlation, p);
}

/* khien.id of the event at hand; of one that comes once, over the network, one of its own. */
static void event_id(struct pipe *p, unsigned char id[MATCH_ID])
{
	_Static_assert((int)COLLECT_ID == (int)MATCH_ID, "one id");
	const struct origin *o = p->origin;
	const struct record *r = p->record;
	crypto_generichash_state h;
	if (collect_event_id(o, r, id))
		return;
	const uint64_t at = p->recording ? r->at : ++p->serial;
	const unsigned char kind = ORIGIN_STREAM + (p->recording ? 16 : 0);
	crypto_generichash_init(&h, NULL, 0, MATCH_ID);
	crypto_generichash_update(&h, &kind, 1);
	if (!p->recording)
		crypto_generichash_update(&h, p->seed, sizeof(p->seed));
	crypto_generichash_update(&h, (const unsigned char *)o->name, strlen(o->name));
	crypto_generichash_update(&h, (const unsigned char *)&at, sizeof(at));
	crypto_generichash_update(&h, (const unsigned char *)r->bytes.p, r->bytes.n);
	crypto_generichash_final(&h, id, MATCH_ID);
}

void pipe_alert_id(const struct ruleset *rs, const struct match *m, char id[2 * MATCH_ID + 1])
{
	unsigned char both[2 * MATCH_ID], out[MATCH_ID];
	struct str rule = ruleset_text(rs, m->rule->id);
	place_hash(both, rule.n ? rule : ruleset_text(rs, m->rule->title));
	memcpy(both + MATCH_ID, m->id, MATCH_ID);
	place_hash(out, (struct str){ (const char *)both, sizeof(both) });
	sodium_bin2hex(id, 2 * MATCH_ID + 1, out, sizeof(out));
}

/*
 * What is watched has been written: a time ahead of the clock is wrong or a lie. It is taken for now, as correlations
 * would hold what truly comes now for late, and who sends one such event would go unseen.
 */
static int64_t credible(const struct pipe *p, int64_t time)
{
	return !p->recording && time > p->now + AHEAD ? p->now : time;
}

static int on_match(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	struct match at = *m;
	at.time = credible(p, m->time);
	at.line = collect_line(p->origin, m->line); /* the framer counts from where it began to read */
	at.known = p->known;
	event_id(p, at.id);
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

int pipe_take(void *arg, struct origin *o, struct batch *b)
{
	struct pipe *p = arg;
	bool parsed = false;
	int code = 0;
	p->origin = o;
	p->now = b->now;
	for (size_t i = 0; i < b->n_records && !code; i++) {
		struct err err;
		p->record = &b->records[i];
		parsed = !batch_parse(b, i, &p->event, &err);
		if (!parsed) {
			pipe_skip(p, o, b->records[i].line, err.text);
			continue;
		}
		if (!p->recording)
			correct_zone(&p->event, b->now);
		p->known = collect_known(o, p->record, event_time(&p->event));
		p->events++;
		pipe_look_up(p, b->now);
		code = matcher_run(p->matcher, &p->event, on_match, p);
	}
	int64_t time = parsed ? credible(p, event_time(&p->event)) : 0;
	o->time = time ? time : o->time;
	batch_free(b);
	return !code && p->recording && p->over && p->over(p->over_arg) ? -ECANCELED : code;
}

void pipe_skip(void *arg, struct origin *o, uint64_t line, const char *reason)
{
	struct pipe *p = arg;
	p->skipped++;
	/* The first of each origin is told, all are counted: a broken writer must not drown the alerts. */
	if (o->skip_told)
		return;
	o->skip_told = true;
	show_note(p->show, LOG_LEVEL_WARNING, WORD_SKIPPED, "skipped", o->name, reason);
}

void pipe_note(void *arg, enum log_level level, enum collect_note what, const char *a, const char *b)
{
	static const struct {
		enum word word;
		const char *event;
	} told[N_COLLECT_NOTES] = {
		[NOTE_WATCHING] = { WORD_WATCHING, "watching" },
		[NOTE_BACK] = { WORD_BACK, "watching" },
		[NOTE_NOT_WATCHED] = { WORD_NOT_WATCHED, "not-watched" },
		[NOTE_CATCHING_UP] = { WORD_CATCHING_UP, "catching-up" },
		[NOTE_EMPTIED] = { WORD_CATCHING_UP, "emptied" },
		[NOTE_MAY_BE_LOST] = { WORD_MAY_BE_LOST, "may-be-lost" },
		[NOTE_NO_PLACES] = { WORD_NO_STATE, "no-state" },
		[NOTE_TURNED_AWAY] = { WORD_NOT_WATCHED, "turned-away" },
	};
	const struct pipe *p = arg;
	show_note(p->show, level, told[what].word, told[what].event, a, b);
}
