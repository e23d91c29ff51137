/* khien watch: this machine's logs as they are written. See watch.h for the parts. */
#include "cmd/live.h"

#include "cmd/cmd.h"
#include "cmd/known.h"
#include "cmd/opt.h"
#include "cmd/paths.h"
#include "cmd/term.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t POLL_EVERY = 250LL * CLOCK_MS;

struct args {
	struct opt_list rules, play, files, indicators;
	const char *mapping, *placeholders, *syslog, *state;
	bool play_only, no_journal, no_syslog, json, group, no_group;
	int lang, color;
};

struct watch {
	struct args args;
	const struct clock *clock;
	struct sources sources;
	struct opener *opener;
	struct engine *engine;
	struct live_rules rules;
	struct known known;
	struct intel_set *indicators; /* NULL: none were given */
	struct reload *reload;        /* NULL: not possible */
	struct sandbox *sandbox;
	struct show *show;
	struct pipe pipe;
	struct loop *loop;
	struct places *places; /* NULL: where it stands is not kept */
	struct err no_places;  /* why */
	struct taker taker;
	struct follow *follow;
	struct listener *listeners[SOURCES_MAX];
	size_t n_listeners;
	struct recording *recordings;
	size_t n_recordings;
};

static const char *const synopsis[] = { "[options] [--] [FILE...]", NULL };

static int parse_args(struct args *a, int argc, char **argv)
{
	const struct opt opts[] = {
		{ "rules", 'r', OPT_WORDS, "DIR",
		  "Sigma rules: files, or folders with *.yml\n(default: " KHIEN_DATADIR "/rules, else ./rules)",
		  &a->rules, 0, 0, NULL },
		{ "mapping", 'm', OPT_TEXT, "FILE", "log sources and field names (default: built in)", &a->mapping, 0,
		  0, NULL },
		{ "placeholders", 'p', OPT_TEXT, "DIR", "NAME.txt with the values of %NAME%, for |expand",
		  &a->placeholders, 0, 0, NULL },
		{ "indicators", 'i', OPT_LIST, "FILE", KNOWN_HELP "; may be\ngiven several times", &a->indicators, 0, 0,
		  NULL },
		{ "play", 0, OPT_LIST, "FILE",
		  "play a recorded log first, marked as a recording; may be\ngiven several times: they are played as "
		  "one",
		  &a->play, 0, 0, NULL },
		{ "play-only", 0, OPT_FLAG, NULL, "end after the recordings", &a->play_only, 0, 0, NULL },
		{ "syslog", 's', OPT_TEXT, "ADDR:PORT", "listen for syslog, UDP and TCP (default: 127.0.0.1:5514)",
		  &a->syslog, 0, 0, NULL },
		{ "no-syslog", 0, OPT_FLAG, NULL, "don't listen", &a->no_syslog, 0, 0, NULL },
		{ "no-journal", 0, OPT_FLAG, NULL, "read the files in /var/log, not the journal", &a->no_journal, 0, 0,
		  NULL },
		{ "json", 'j', OPT_FLAG, NULL, "one match a line, as JSON", &a->json, 0, 0, NULL },
		{ "group", 'g', OPT_FLAG, NULL,
		  "with --json: one alert a line, told anew as it grows\nand when it is over", &a->group, 0, 0, NULL },
		{ "no-group", 0, OPT_FLAG, NULL,
		  "show each match; else those of one rule, host, user\nand source address are one alert that counts",
		  &a->no_group, 0, 0, NULL },
		{ "lang", 'l', OPT_CHOICE, "LANG", "vi, en, zh: of alerts and messages (default: from $LANG)", &a->lang,
		  0, 0, words_choices },
		{ "color", 0, OPT_CHOICE, "WHEN", "auto, always, never", &a->color, 0, 0, term_color_choices },
		{ "state", 0, OPT_TEXT, "DIR",
		  "how far the logs were read is kept here, to go on there\n(default: /var/lib/khien for root, else "
		  "~/.local/state/khien)",
		  &a->state, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "watch",
		.synopsis = synopsis,
		.what = "Watches FILEs as they grow; without any, this machine's own logs: the journal where there is\n"
		        "one, else the text logs in /var/log. Also listens for syslog. Prints alerts as they come.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Reads logs without privileges: started as root, it becomes nobody, and a small process beside "
		        "it\n"
		        "opens the files. SIGINT and SIGTERM end it with a summary.\n\n"
		        "Exit status: 0 ended as asked, 2 something could not be done.",
	};
	return opt_parse(&spec, argc, argv, &a->files);
}

static int complain(const struct err *err)
{
	struct buf line = { 0 };
	buf_add(&line, STR("khien watch: "));
	term_safe(&line, str_from(err->text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	buf_free(&line);
	return EXIT_TROUBLE;
}

static int prepare_output(struct watch *w, struct err *err)
{
	const struct args *a = &w->args;
	struct show_config config = live_show(a->lang, a->color, a->json, w->clock);
	config.group = a->json ? a->group : !a->no_group;
	return show_new(&w->show, engine_ruleset(w->engine), &config, err);
}

static int on_signal(void *arg, int signal)
{
	struct watch *w = arg;
	if (signal != SIGHUP)
		loop_stop(w->loop);
	else if (w->reload)
		return reload_start(w->reload);
	else
		show_note(w->show, LOG_LEVEL_WARNING, WORD_NOT_RELOADED, "not-reloaded", "only recordings are played",
		          NULL);
	return 0;
}

/* The opener, and what it may do. */
static int start_opener(struct watch *w, struct err *err)
{
	struct sources *s = &w->sources;
	if (w->args.play_only)
		return 0;
	/* one item more than there are sources: the rules */
	s->items[s->n] = (struct opener_item){
		.kind = OPENER_WORK, .name = "rules", .work = reload_work, .arg = &w->rules.engine
	};
	return opener_start(&w->opener, s->items, s->n + 1, err);
}

static int start_loop(struct watch *w, struct err *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, 0 };
	struct reload_config reload = {
		.pipe = &w->pipe,
		.show = w->show,
		.engine = &w->engine,
		.opener = w->opener,
		.item = w->sources.n,
	};
	int code = loop_new(&w->loop, w->clock, err);
	if (!code)
		code = loop_signals(w->loop, signals, on_signal, w, err);
	signal(SIGHUP, SIG_DFL); /* it waits, blocked, from here on */
	if (code || !w->opener)
		return code;
	reload.loop = w->loop;
	return reload_new(&w->reload, &reload, err);
}

/* Without it khien watches all the same, and begins at the end of the logs next time. */
static void open_places(struct watch *w)
{
	char path[4096];
	const char *dir = w->args.state ? w->args.state : paths_state(path, sizeof(path));
	if (!dir)
		err_set(&w->no_places, -ENOENT, "neither HOME nor XDG_STATE_HOME says where");
	else
		place_open(&w->places, dir, "watch", &w->no_places);
}

static bool is_over(void *loop)
{
	return loop_stopped(loop);
}

static void say_known(void *arg, const char *line)
{
	struct err err = { 0 };
	err_set(&err, 0, "%s", line);
	complain(&err);
}

static int read_indicators(struct watch *w, struct err *err)
{
	const struct opt_list *files = &w->args.indicators;
	if (!files->n)
		return 0;
	known_ask(&w->known, &w->rules.engine.rules);
	return known_set_files(&w->indicators, files->at, files->n, clock_wall(w->clock), say_known, w, err);
}

/* Up to the sandbox. The order matters: the opener is forked first, while this process is small. */
static int start(struct watch *w, struct err *err)
{
	const struct args *a = &w->args;
	const struct sources_config config = {
		.files = a->files.at,
		.n_files = a->files.n,
		.machine = !a->files.n,
		.journal = !a->files.n && !a->no_journal,
		.syslog = &a->syslog,
		.n_syslog = !a->no_syslog,
	};
	struct sockaddr_storage ss;
	socklen_t len;
	struct engine_info info;
	int code = config.n_syslog ? opener_address(a->syslog, &ss, &len, err) : 0;
	if (!code && !a->play_only)
		code = sources_find(&w->sources, &config, err);
	if (!code)
		code = live_recordings(&w->recordings, &w->n_recordings, a->play.at, a->play.n, err);
	if (!code)
		code = live_rules(&w->rules, a->rules.at, a->rules.n, a->mapping, a->placeholders, err);
	if (!code)
		code = read_indicators(w, err);
	if (!code)
		code = start_opener(w, err);
	if (!code)
		code = engine_open(&w->engine, &w->rules.engine, err);
	if (!code)
		code = prepare_output(w, err);
	if (!code)
		code = pipe_init(&w->pipe, w->engine, w->show, err);
	if (!code)
		pipe_use(&w->pipe, w->indicators);
	if (!code && !a->play_only)
		open_places(w);
	if (!code)
		code = start_loop(w, err);
	if (!code)
		code = sandbox_init(&w->sandbox, NULL, err);
	if (code)
		return code;
	w->pipe.over = is_over;
	w->pipe.over_arg = w->loop;
	w->taker = (struct taker){
		.take = pipe_take,
		.skip = pipe_skip,
		.note = pipe_note,
		.reached = order_reached,
		.settled = order_settled,
		.arg = &w->pipe,
	};
	engine_info(w->engine, &info);
	show_rules(w->show, &info);
	return 0;
}

static void add_listener(struct watch *w, size_t item)
{
	struct err err = { 0 };
	struct listener_config config = {
		.kind = w->sources.items[item].kind,
		.name = w->sources.shown[item],
		.taker = &w->taker,
		.loop = w->loop,
		.clock = w->clock,
	};
	int code = opener_open(w->opener, item, NULL, &config.fd, &err);
	if (code > 0)
		code = listener_new(&w->listeners[w->n_listeners], &config, &err);
	if (code < 0) {
		show_note(w->show, LOG_LEVEL_WARNING, WORD_NOT_WATCHED, "not-watched", config.name, err.text);
		return;
	}
	w->n_listeners++;
	show_note(w->show, LOG_LEVEL_INFO, WORD_WATCHING, "watching", config.name, NULL);
}

static int open_sources(struct watch *w, struct err *err)
{
	const struct follow_config follow = {
		.taker = &w->taker,
		.opener = w->opener,
		.sources = &w->sources,
		.places = w->places,
		.clock = w->clock,
		.horizon = live_horizon(w->pipe.rs),
	};
	if (w->no_places.code)
		show_note(w->show, LOG_LEVEL_WARNING, WORD_NO_STATE, "no-state", w->no_places.text, NULL);
	if (*w->sources.no_journal)
		show_note(w->show, LOG_LEVEL_INFO, WORD_NOT_WATCHED, "not-watched", "journal", w->sources.no_journal);
	for (size_t i = 0; i < w->sources.n; i++) {
		enum opener_kind kind = w->sources.items[i].kind;
		if (kind == OPENER_UDP || kind == OPENER_TCP)
			add_listener(w, i);
	}
	return follow_logs_new(&w->follow, &follow, err);
}

static void totals(const struct watch *w, struct show_totals *t)
{
	int64_t now = clock_monotonic(w->clock), oldest = now;
	*t = (struct show_totals){ .events = w->pipe.events, .skipped = w->pipe.skipped, .shed = pipe_shed(&w->pipe) };
	for (size_t i = 0; i < w->n_listeners; i++)
		t->shed += listener_shed(w->listeners[i]);
	if (w->follow)
		oldest = follow_caught_up(w->follow);
	/* being a poll behind is no lag */
	t->lag = now - oldest > POLL_EVERY * 2 ? now - oldest : 0;
}

static int poll_sources(struct watch *w, bool *more)
{
	order_begin(&w->pipe);
	int code = follow_poll(w->follow, more);
	order_end(&w->pipe);
	for (size_t i = 0; i < w->n_listeners && !code; i++)
		code = listener_tick(w->listeners[i]);
	return code;
}

static int on_poll(void *arg, int what)
{
	struct watch *w = arg;
	bool more = false;
	int code = poll_sources(w, &more);
	if (!code && !w->pipe.waiting.n && !follow_behind(w->follow))
		code = pipe_advance(&w->pipe, clock_monotonic(w->clock));
	if (!code)
		code = show_advance(w->show);
	if (!code)
		code = follow_save(w->follow, false);
	struct show_totals t;
	totals(w, &t);
	show_status(w->show, &t);
	if (more)
		loop_soon(w->loop, on_poll);
	return code;
}

/* All that was read is told, and where it stands is saved. */
static int end_sources(struct watch *w)
{
	int code = order_settle(&w->pipe);
	order_end(&w->pipe);
	code = code ? code : follow_end(w->follow);
	return code ? code : follow_save(w->follow, true);
}

static void close_sources(struct watch *w)
{
	follow_logs_free(w->follow);
	w->follow = NULL;
	for (size_t i = 0; i < w->n_listeners; i++)
		listener_free(w->listeners[i]);
	w->n_listeners = 0;
}

static int watch(struct watch *w, struct err *err)
{
	int code = open_sources(w, err);
	if (!code)
		code = loop_every(w->loop, POLL_EVERY, on_poll, w, err);
	if (code)
		return code;
	bool more = false;
	code = poll_sources(w, &more); /* says what it found before it says that it is ready */
	if (!code && !w->n_listeners && !follow_has_any(w->follow))
		show_note(w->show, LOG_LEVEL_WARNING, WORD_NOTHING, "nothing-to-watch", NULL, NULL);
	if (!code) {
		show_note(w->show, LOG_LEVEL_INFO, WORD_READY, "ready", NULL, NULL);
		code = loop_run(w->loop);
	}
	if (!code)
		code = end_sources(w);
	struct show_totals t;
	totals(w, &t);
	close_sources(w);
	t.events = w->pipe.events; /* with what was still on its way */
	int told = show_closing(w->show, &t);
	code = code ? code : told;
	return code ? err_set(err, code, "write alerts: %m") : 0;
}

static int run(struct watch *w, struct err *err)
{
	int code = start(w, err);
	if (code)
		return code;
	live_enter(w->sandbox, w->show);
	w->sandbox = NULL;
	if (w->n_recordings)
		code = play(&w->pipe, w->recordings, w->n_recordings, w->clock, err);
	if (code || w->args.play_only)
		return code;
	return watch(w, err);
}

static void done(struct watch *w)
{
	close_sources(w);
	reload_free(w->reload);
	loop_free(w->loop);
	if (w->engine)
		pipe_done(&w->pipe);
	show_free(w->show);
	engine_free(w->engine);
	intel_set_free(w->indicators);
	opener_free(w->opener);
	sources_done(&w->sources);
	place_free(w->places);
	live_recordings_free(w->recordings, w->n_recordings);
	opt_list_done(&w->args.rules);
	opt_list_done(&w->args.play);
	opt_list_done(&w->args.indicators);
	opt_list_done(&w->args.files);
}

int cmd_watch(int argc, char **argv)
{
	struct watch *w = calloc(1, sizeof(*w));
	struct err err = { 0 };
	if (!w) {
		err_set(&err, -ENOMEM, "%m");
		return complain(&err);
	}
	w->clock = &clock_system;
	w->args.syslog = "127.0.0.1:5514";
	w->args.lang = (int)words_from_environment();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* until it can be heeded */
	int status = parse_args(&w->args, argc, argv);
	if (status < 0)
		status = run(w, &err) ? complain(&err) : EXIT_NOTHING;
	done(w);
	free(w);
	return status;
}
