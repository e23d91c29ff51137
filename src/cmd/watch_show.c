#include "cmd/watch.h"

#include "cmd/term.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOP_RULES = 8 };
static const int64_t REDRAW = 250LL * CLOCK_MS;
static const int64_t LOG_EVERY = 60LL * CLOCK_S;

struct show {
	struct show_config c;
	struct log log;
	const struct ruleset *rs;
	bool people; /* standard error is a terminal: words; else log lines */
	bool live;   /* the live line is drawn */
	struct buf out;
	uint64_t *hits; /* by rule */
	uint64_t alerts, levels[LEVEL_CRITICAL + 1];
	int64_t began, drawn, logged; /* monotonic µs */
	/* for events/s: the count a moment ago */
	int64_t rate_at;
	uint64_t rate_events;
	double rate;
};

int show_new(struct show **ret, const struct ruleset *rs, const struct show_config *config, struct err *err)
{
	struct show *s = calloc(1, sizeof(*s));
	uint64_t *hits = calloc(rs->n_rules + 1u, sizeof(*hits));
	if (!s || !hits) {
		free(s);
		free(hits);
		return err_set(err, -ENOMEM, "prepare the output: %m");
	}
	int64_t now = clock_monotonic(config->clock);
	*s = (struct show){
		.c = *config,
		.log = { STDERR_FILENO, config->clock },
		.rs = rs,
		.people = term_is_tty(STDERR_FILENO),
		.hits = hits,
		.began = now,
		.drawn = now,
		.logged = now,
		.rate_at = now,
	};
	*ret = s;
	return 0;
}

void show_free(struct show *s)
{
	if (!s)
		return;
	buf_free(&s->out);
	free(s->hits);
	free(s);
}

/* The live line lies on standard error, which is the same terminal as a rule: away with it before anything else. */
static void clear_live(struct show *s)
{
	if (s->live && term_write(STDERR_FILENO, STR("\r\033[K")))
		s->people = false;
	s->live = false;
}

static void say(struct show *s, struct buf *line)
{
	clear_live(s);
	buf_putc(line, '\n');
	if (term_write(STDERR_FILENO, buf_str(line)))
		s->people = false;
	buf_free(line);
}

static void add_json(struct show *s, const struct match *m, bool recording)
{
	static const char *const names[N_LANGUAGES] = { "vi", "en", "zh" };
	struct buf *out = &s->out;
	print_match_json(out, s->rs, m);
	out->n--; /* its closing brace: more keys follow */
	if (m->time) {
		buf_add(out, STR(",\"time\":\""));
		print_time_utc(out, m->time);
		buf_putc(out, '"');
	}
	if (m->host.n) {
		buf_add(out, STR(",\"host\":"));
		buf_add_json(out, m->host);
	}
	buf_printf(out, ",\"count\":%u", m->count);
	if (recording)
		buf_add(out, STR(",\"recording\":true"));
	const char *lead = ",\"advice\":{";
	for (int l = 0; l < N_LANGUAGES; l++) {
		struct str advice = str_trim(ruleset_text(s->rs, m->rule->advice[l]));
		if (!advice.n)
			continue;
		buf_printf(out, "%s\"%s\":", lead, names[l]);
		buf_add_json(out, advice);
		lead = ",";
	}
	buf_add(out, *lead == ',' && lead[1] ? STR("}\n") : STR("}}\n"));
}

int show_alert(struct show *s, const struct match *m, bool recording)
{
	s->alerts++;
	s->levels[m->rule->level <= LEVEL_CRITICAL ? m->rule->level : 0]++;
	s->hits[m->rule_index]++;
	s->out.n = 0;
	s->out.failed = false;
	if (s->c.json) {
		add_json(s, m, recording);
	} else {
		struct print_options o = s->c.print;
		o.recording = recording;
		print_match_text(&s->out, &o, s->rs, m);
	}
	clear_live(s);
	return term_write(STDOUT_FILENO, buf_str(&s->out));
}

void show_note(struct show *s, enum log_level level, enum word word, const char *event, const char *a, const char *b)
{
	if (!s->people) {
		if (b)
			log_say(&s->log, level, event, { "what", a, 0 }, { "reason", b, 0 });
		else if (a)
			log_say(&s->log, level, event, { "what", a, 0 });
		else
			log_say(&s->log, level, event, { "text", words(LANG_EN, word), 0 });
		return;
	}
	struct buf line = { 0 }, text = { 0 };
	words_add(&text, s->c.print.language, word, a ? a : "", b ? b : "");
	bool color = s->c.print.color && level != LOG_LEVEL_INFO;
	buf_add(&line, str_from(color ? "\033[33m" : ""));
	term_safe(&line, buf_str(&text));
	buf_add(&line, str_from(color ? "\033[0m" : ""));
	buf_free(&text);
	say(s, &line);
}

void show_rules(struct show *s, const struct engine_info *info)
{
	if (!s->people) {
		log_say(&s->log, LOG_LEVEL_INFO, "rules", { "rules", NULL, info->n_rules },
		        { "refused", NULL, info->n_refused }, { "load_ms", NULL, (uint64_t)(info->load_s * 1000) });
	} else {
		struct buf line = { 0 };
		words_add(&line, s->c.print.language, WORD_RULES, info->n_rules, info->n_refused, info->load_s);
		say(s, &line);
	}
	for (uint32_t i = 0; i < s->rs->n_diagnostics; i++)
		if (s->rs->diagnostics[i].refused)
			show_note(s, LOG_LEVEL_WARNING, WORD_REFUSED, "rule-refused",
			          ruleset_text(s->rs, s->rs->diagnostics[i].text).p, NULL);
	if (info->not_cached.code)
		show_note(s, LOG_LEVEL_WARNING, WORD_NOT_CACHED, "rules-not-cached", info->not_cached.text, NULL);
}

/* The alerts by level, and the rules that alerted most. */
static void add_table(struct show *s, struct buf *out)
{
	const char *lead = "  ";
	for (int l = LEVEL_CRITICAL; l >= 0; l--) {
		if (!s->levels[l])
			continue;
		buf_printf(out, "%s%s%s%s: %llu", lead, print_level_color((unsigned)l, s->c.print.color),
		           words(s->c.print.language, WORD_LEVEL_NONE + (enum word)l),
		           s->c.print.color ? "\033[0m" : "", (unsigned long long)s->levels[l]);
		lead = " · ";
	}
	buf_add(out, s->alerts ? STR("\n") : STR(""));
	bool *shown = calloc(s->rs->n_rules + 1u, sizeof(*shown));
	for (int i = 0; shown && i < TOP_RULES; i++) {
		uint32_t top = NO_INDEX;
		for (uint32_t r = 0; r < s->rs->n_rules; r++)
			if (s->hits[r] && !shown[r] && (top == NO_INDEX || s->hits[r] > s->hits[top]))
				top = r;
		if (top == NO_INDEX)
			break;
		shown[top] = true;
		buf_printf(out, "  %8llu  ", (unsigned long long)s->hits[top]);
		term_safe(out, ruleset_text(s->rs, s->rs->rules[top].title));
		buf_putc(out, '\n');
	}
	free(shown);
}

void show_played(struct show *s, uint64_t events)
{
	double seconds = (double)(clock_monotonic(s->c.clock) - s->began) / CLOCK_S;
	if (s->people) {
		struct buf line = { 0 };
		words_add(&line, s->c.print.language, WORD_PLAYED, (unsigned long long)events,
		          (unsigned long long)s->alerts, seconds);
		buf_putc(&line, '\n');
		add_table(s, &line);
		say(s, &line);
	} else {
		log_say(&s->log, LOG_LEVEL_INFO, "played", { "events", NULL, events }, { "alerts", NULL, s->alerts },
		        { "ms", NULL, (uint64_t)(seconds * 1000) });
	}
	/* What follows is about this machine. */
	memset(s->hits, 0, s->rs->n_rules * sizeof(*s->hits));
	memset(s->levels, 0, sizeof(s->levels));
	s->alerts = 0;
	s->began = s->rate_at = clock_monotonic(s->c.clock);
}

static void draw(struct show *s, const struct show_totals *t)
{
	struct buf line = { 0 }, out = { 0 };
	words_add(&line, s->c.print.language, WORD_LIVE, s->rate, (unsigned long long)s->alerts,
	          (double)t->lag / CLOCK_S, (unsigned long long)t->shed);
	buf_add(&out, STR("\r"));
	buf_add(&out, term_cut(buf_str(&line), term_width(STDERR_FILENO) - 1));
	buf_add(&out, STR("\033[K"));
	s->live = true;
	if (term_write(STDERR_FILENO, buf_str(&out)))
		s->people = false;
	buf_free(&line);
	buf_free(&out);
}

void show_status(struct show *s, const struct show_totals *t)
{
	int64_t now = clock_monotonic(s->c.clock);
	if (now - s->rate_at >= CLOCK_S) {
		s->rate = (double)(t->events - s->rate_events) * CLOCK_S / (double)(now - s->rate_at);
		s->rate_at = now;
		s->rate_events = t->events;
	}
	if (s->people && now - s->drawn >= REDRAW) {
		s->drawn = now;
		draw(s, t);
	}
	if (!s->people && now - s->logged >= LOG_EVERY) {
		s->logged = now;
		log_say(&s->log, LOG_LEVEL_INFO, "status", { "events", NULL, t->events }, { "alerts", NULL, s->alerts },
		        { "skipped", NULL, t->skipped }, { "shed", NULL, t->shed },
		        { "lag_ms", NULL, (uint64_t)(t->lag / CLOCK_MS) });
	}
}

void show_closing(struct show *s, const struct show_totals *t)
{
	int64_t seconds = (clock_monotonic(s->c.clock) - s->began) / CLOCK_S;
	if (!s->people) {
		log_say(&s->log, LOG_LEVEL_INFO, "stopped", { "seconds", NULL, (uint64_t)seconds },
		        { "events", NULL, t->events }, { "alerts", NULL, s->alerts }, { "skipped", NULL, t->skipped },
		        { "shed", NULL, t->shed });
		return;
	}
	struct buf line = { 0 };
	char time[32];
	snprintf(time, sizeof(time), "%lld:%02d:%02d", (long long)seconds / 3600, (int)(seconds / 60 % 60),
	         (int)(seconds % 60));
	words_add(&line, s->c.print.language, WORD_CLOSING, time, (unsigned long long)t->events,
	          (unsigned long long)s->alerts);
	buf_putc(&line, '\n');
	add_table(s, &line);
	if (t->skipped || t->shed) {
		words_add(&line, s->c.print.language, WORD_CLOSING_SHED, (unsigned long long)t->skipped,
		          (unsigned long long)t->shed);
		buf_putc(&line, '\n');
	}
	line.n--;
	say(s, &line);
}
