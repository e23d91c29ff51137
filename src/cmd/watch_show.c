#include "cmd/watch.h"

#include "cmd/outlet.h"
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
	bool unread; /* standard output is closed, and the show goes on */
	struct outlet to_programs, to_people;
	struct buf out;
	struct groups *groups; /* NULL: each match is shown */
	bool recording;        /* what is being told is one */
	int64_t played;        /* event time that a recording has come to */
	uint64_t *hits;        /* matches by rule */
	uint64_t matches, alerts, levels[LEVEL_CRITICAL + 1];
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
	outlet_init(&s->to_programs, STDOUT_FILENO, config->clock);
	outlet_init(&s->to_people, STDERR_FILENO, config->clock);
	int code = config->group ? groups_new(&s->groups, rs, &(struct groups_config){ 0 }, err) : 0;
	if (code)
		show_free(s);
	else
		*ret = s;
	return code;
}

void show_free(struct show *s)
{
	if (!s)
		return;
	groups_free(s->groups);
	outlet_done(&s->to_programs);
	outlet_done(&s->to_people);
	buf_free(&s->out);
	free(s->hits);
	free(s);
}

static int print(struct show *s, struct str text)
{
	return s->c.sheds ? outlet_write(&s->to_programs, text) : term_write(STDOUT_FILENO, text);
}

static void print_to_people(struct show *s, struct str text)
{
	if (s->c.sheds ? outlet_write(&s->to_people, text) : term_write(STDERR_FILENO, text))
		s->people = false;
}

/* The live line lies on standard error, which is the same terminal as a rule: away with it before anything else. */
static void clear_live(struct show *s)
{
	if (s->live)
		print_to_people(s, STR("\r\033[K"));
	s->live = false;
}

static void say(struct show *s, struct buf *line)
{
	clear_live(s);
	buf_putc(line, '\n');
	print_to_people(s, buf_str(line));
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
	char id[2 * MATCH_ID + 1];
	pipe_alert_id(s->rs, m, id);
	buf_printf(out, ",\"khien.id\":\"%s\"", id);
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

static struct print_options options(const struct show *s)
{
	struct print_options o = s->c.print;
	o.recording = s->recording;
	if (o.width) /* the terminal may have another by now */
		o.width = term_width(STDOUT_FILENO);
	return o;
}

static void render(struct show *s, enum group_news news, const struct group *g, const struct match *m)
{
	struct print_options o = options(s);
	if (!s->c.json) {
		if (news == GROUP_NEW || news == GROUP_ALONE)
			print_match_text(&s->out, &o, s->rs, m);
		else
			print_group_text(&s->out, &o, s->rs, g, news);
		return;
	}
	if (g) {
		buf_add(&s->out, STR("{\"alert\":"));
		print_group_json(&s->out, s->rs, g, news);
		if (s->recording)
			buf_add(&s->out, STR(",\"recording\":true"));
		if (news == GROUP_MORE || news == GROUP_OVER) {
			buf_add(&s->out, STR("}\n"));
			return;
		}
		buf_add(&s->out, STR(",\"match\":"));
	}
	add_json(s, m, s->recording);
	if (g) {
		s->out.n--; /* the newline */
		buf_add(&s->out, STR("}\n"));
	}
}

/* A group_sink; g is NULL where matches aren't grouped. */
static int tell(void *arg, enum group_news news, const struct group *g, const struct match *m)
{
	struct show *s = arg;
	s->out.n = 0;
	s->out.failed = false;
	s->alerts += news == GROUP_NEW || news == GROUP_ALONE;
	render(s, news, g, m);
	clear_live(s);
	int code = s->unread ? 0 : print(s, buf_str(&s->out));
	if (!s->c.also)
		return code;
	s->unread |= code != 0;
	return s->recording || !g ? 0 : s->c.also(s->c.also_arg, news, g, m);
}

int show_alert(struct show *s, const struct match *m, bool recording)
{
	s->matches++;
	s->levels[m->rule->level <= LEVEL_CRITICAL ? m->rule->level : 0]++;
	s->hits[m->rule_index]++;
	s->recording = recording;
	if (!s->groups)
		return tell(s, GROUP_NEW, NULL, m);
	if (recording && m->time > s->played) /* a recording has a clock of its own */
		s->played = m->time;
	return groups_add(s->groups, m, recording ? s->played : clock_monotonic(s->c.clock), tell, s);
}

int show_advance(struct show *s)
{
	return s->groups ? groups_advance(s->groups, clock_monotonic(s->c.clock), tell, s) : 0;
}

int show_reload(struct show *s, const struct ruleset *rs, const uint32_t *map)
{
	uint64_t *hits = calloc(rs->n_rules + 1u, sizeof(*hits));
	if (!hits)
		return -ENOMEM;
	int code = s->groups ? groups_remap(s->groups, rs, map, tell, s) : 0;
	for (uint32_t i = 0; i < s->rs->n_rules; i++)
		if (map[i] != NO_INDEX)
			hits[map[i]] += s->hits[i];
	free(s->hits);
	s->hits = hits;
	s->rs = rs;
	return code;
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

static void show_refused(struct show *s)
{
	for (uint32_t i = 0; i < s->rs->n_diagnostics; i++)
		if (s->rs->diagnostics[i].refused)
			show_note(s, LOG_LEVEL_WARNING, WORD_REFUSED, "rule-refused",
			          ruleset_text(s->rs, s->rs->diagnostics[i].text).p, NULL);
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
	show_refused(s);
	if (info->not_cached.code)
		show_note(s, LOG_LEVEL_WARNING, WORD_NOT_CACHED, "rules-not-cached", info->not_cached.text, NULL);
}

void show_reloaded(struct show *s, const struct engine_info *info, uint32_t kept, uint32_t total)
{
	if (!s->people) {
		log_say(&s->log, LOG_LEVEL_INFO, "reloaded", { "rules", NULL, info->n_rules },
		        { "refused", NULL, info->n_refused }, { "correlations", NULL, total }, { "kept", NULL, kept });
	} else {
		struct buf line = { 0 };
		words_add(&line, s->c.print.language, WORD_RELOADED, info->n_rules, info->n_refused, kept, total);
		say(s, &line);
	}
	show_refused(s);
}

/* The matches by level, and the rules that alerted most. */
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
	buf_add(out, s->matches ? STR("\n") : STR(""));
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

int show_played(struct show *s, uint64_t events)
{
	int code = s->groups ? groups_flush(s->groups, tell, s) : 0;
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
	s->alerts = s->matches = 0;
	s->recording = false;
	s->began = s->rate_at = clock_monotonic(s->c.clock);
	return code;
}

static void draw(struct show *s, const struct show_totals *t)
{
	struct buf line = { 0 }, out = { 0 };
	unsigned width = term_width(STDERR_FILENO);
	width = width > 23 ? width - 3 : 20; /* a full line would wrap, also by the ^C that the terminal echoes */
	double lag = (double)t->lag / CLOCK_S;
	if (s->groups)
		words_add(&line, s->c.print.language, WORD_LIVE, s->rate, (unsigned long long)s->matches,
		          groups_counts(s->groups).open, lag, (unsigned long long)t->shed);
	else
		words_add(&line, s->c.print.language, WORD_LIVE_EACH, s->rate, (unsigned long long)s->matches, lag,
		          (unsigned long long)t->shed);
	struct str shown = buf_str(&line);
	bool cut = term_columns(shown) > width;
	buf_add(&out, STR("\r"));
	buf_add(&out, cut ? term_cut(shown, width - 1) : shown);
	buf_add(&out, cut ? STR("…\033[K") : STR("\033[K"));
	s->live = true;
	print_to_people(s, buf_str(&out));
	buf_free(&line);
	buf_free(&out);
}

uint64_t show_shed(const struct show *s)
{
	return s->to_programs.shed + s->to_people.shed;
}

/* What is held goes on, and who reads again is told what is missing. */
static void catch_up(struct show *s)
{
	char n[24];
	s->unread |= outlet_push(&s->to_programs) != 0;
	outlet_push(&s->to_people);
	const uint64_t missing = outlet_recovered(&s->to_programs);
	if (!missing)
		return;
	snprintf(n, sizeof(n), "%llu", (unsigned long long)missing);
	show_note(s, LOG_LEVEL_WARNING, WORD_NOT_PRINTED, "not-printed", n, NULL);
}

void show_status(struct show *s, const struct show_totals *t)
{
	int64_t now = clock_monotonic(s->c.clock);
	if (s->c.sheds)
		catch_up(s);
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
		        { "matches", NULL, s->matches }, { "skipped", NULL, t->skipped }, { "shed", NULL, t->shed },
		        { "lag_ms", NULL, (uint64_t)(t->lag / CLOCK_MS) });
	}
}

/* Whoever reads gets the rest, but isn't waited for for long. */
static int end_output(struct show *s, int code)
{
	if (!s->c.sheds)
		return code;
	outlet_end(&s->to_people);
	return outlet_end(&s->to_programs) && !s->c.also ? s->to_programs.failed : code;
}

int show_closing(struct show *s, const struct show_totals *t)
{
	int code = s->groups ? groups_flush(s->groups, tell, s) : 0;
	int64_t seconds = (clock_monotonic(s->c.clock) - s->began) / CLOCK_S;
	if (!s->people) {
		log_say(&s->log, LOG_LEVEL_INFO, "stopped", { "seconds", NULL, (uint64_t)seconds },
		        { "events", NULL, t->events }, { "alerts", NULL, s->alerts }, { "matches", NULL, s->matches },
		        { "skipped", NULL, t->skipped }, { "shed", NULL, t->shed });
		return end_output(s, code);
	}
	struct buf line = { 0 };
	char time[32];
	snprintf(time, sizeof(time), "%lld:%02d:%02d", (long long)seconds / 3600, (int)(seconds / 60 % 60),
	         (int)(seconds % 60));
	words_add(&line, s->c.print.language, WORD_CLOSING, time, (unsigned long long)t->events,
	          (unsigned long long)s->matches, (unsigned long long)s->alerts);
	buf_putc(&line, '\n');
	add_table(s, &line);
	if (t->skipped || t->shed) {
		words_add(&line, s->c.print.language, WORD_CLOSING_SHED, (unsigned long long)t->skipped,
		          (unsigned long long)t->shed);
		buf_putc(&line, '\n');
	}
	line.n--;
	say(s, &line);
	return end_output(s, code);
}
