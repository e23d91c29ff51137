#include "cmd/watch.h"

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

int pipe_swap(struct pipe *p, const struct engine *e, struct pipe_kept *kept, struct err *err)
{
	const struct ruleset *rs = engine_ruleset(e);
	struct pipe fresh = { 0 };
	/* matches that wait for their turn know the old rules */
	int code = p->settle ? p->settle(p->match_arg) : 0;
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
	p->windows = fresh.windows;
	p->event = fresh.event;
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

/* The cursor of a journal entry, or nothing. */
static struct str cursor_of(struct str entry)
{
	static const char name[] = "\"__CURSOR\"";
	struct str rest = entry;
	do { /* a message may be that word, too: the name has a colon behind it */
		const char *p = memmem(rest.p, rest.n, name, sizeof(name) - 1);
		if (!p)
			return (struct str){ 0 };
		rest = str_sub(rest, (size_t)(p - rest.p) + sizeof(name) - 1, rest.n);
		while (rest.n && rest.p[0] == ' ')
			rest = str_sub(rest, 1, rest.n);
	} while (!rest.n || rest.p[0] != ':');
	while (rest.n && (rest.p[0] == ' ' || rest.p[0] == ':'))
		rest = str_sub(rest, 1, rest.n);
	if (!rest.n || rest.p[0] != '"')
		return (struct str){ 0 };
	rest = str_sub(rest, 1, rest.n);
	size_t n = str_find(rest, '"');
	return n < rest.n && n < STATE_CURSOR ? str_sub(rest, 0, n) : (struct str){ 0 };
}

/*
 * khien.id of the event at hand: the same whenever it is read, also from a copy of its file that was renamed or
 * compressed; of a file's head as much goes in as stood there when the event was written.
 */
static void event_id(struct pipe *p, unsigned char id[MATCH_ID])
{
	const struct origin *o = p->origin;
	const struct record *r = p->record;
	crypto_generichash_state h;
	uint64_t at = o->kind == ORIGIN_FILE                      ? o->base + r->at
	              : o->kind == ORIGIN_STREAM && !p->recording ? ++p->serial
	                                                          : r->at;
	const unsigned char kind = (unsigned char)(o->kind + (p->recording ? 16 : 0));
	crypto_generichash_init(&h, NULL, 0, MATCH_ID);
	crypto_generichash_update(&h, &kind, 1);
	if (o->kind == ORIGIN_JOURNAL) {
		struct str cursor = cursor_of(r->bytes);
		at = 0;
		crypto_generichash_update(&h, (const unsigned char *)cursor.p, cursor.n);
	} else if (o->kind == ORIGIN_FILE) {
		uint32_t n = at < o->head_len ? (uint32_t)at : o->head_len;
		crypto_generichash_update(&h, (const unsigned char *)o->head, n);
	}
	if (o->kind == ORIGIN_STREAM && !p->recording)
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
	state_hash(both, rule.n ? rule : ruleset_text(rs, m->rule->title));
	memcpy(both + MATCH_ID, m->id, MATCH_ID);
	state_hash(out, (struct str){ (const char *)both, sizeof(both) });
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

/* The framer counts lines from where it began to read. */
static int on_match(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	const struct origin *o = p->origin;
	struct match at = *m;
	at.time = credible(p, m->time);
	at.line = o->line_base == LINE_UNKNOWN ? 0 : m->line + o->line_base;
	at.known = o->kind == ORIGIN_JOURNAL ? *o->until.at != 0 : o->base + p->record->at < o->known;
	event_id(p, at.id);
	return p->on_match(p->match_arg, &at);
}

/* Behind this entry the journal is news again. */
static void leave_known(struct origin *o, const struct record *r)
{
	if (str_eq(cursor_of(r->bytes), str_from(o->until.at)))
		*o->until.at = '\0';
}

/* Where the batch leaves its origin. */
static void mark_origin(struct origin *o, const struct batch *b, struct event *ev, bool parsed)
{
	const struct record *last = &b->records[b->n_records - 1];
	int64_t time = parsed ? credible(o->pipe, event_time(ev)) : 0;
	o->time = time ? time : o->time ? o->time : b->now;
	if (o->kind != ORIGIN_JOURNAL)
		return;
	struct str cursor = cursor_of(last->bytes);
	memcpy(o->at.at, cursor.p ? cursor.p : "", cursor.n);
	o->at.at[cursor.n] = '\0';
	o->at.time = o->time;
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
	struct origin *o = arg;
	struct pipe *p = o->pipe;
	bool parsed = false;
	int code = 0;
	p->origin = o;
	p->now = b->now;
	for (size_t i = 0; i < b->n_records && !code; i++) {
		struct err err;
		p->record = &b->records[i];
		parsed = !batch_parse(b, i, &p->event, &err);
		if (!parsed) {
			pipe_skip(arg, o->name, b->records[i].line, err.text);
			continue;
		}
		if (!p->recording)
			correct_zone(&p->event, b->now);
		if (*o->until.at && event_time(&p->event) > o->until.time + CLOCK_S)
			*o->until.at = '\0'; /* that entry is gone from the journal */
		p->events++;
		code = matcher_run(p->matcher, &p->event, on_match, p);
		if (*o->until.at)
			leave_known(o, p->record);
	}
	if (b->n_records)
		mark_origin(o, b, &p->event, parsed);
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
