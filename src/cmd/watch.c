/* khien watch: this machine's logs as they are written. See watch.h for the parts. */
#include "cmd/watch.h"

#include "cmd/cmd.h"
#include "cmd/opt.h"
#include "cmd/paths.h"
#include "cmd/term.h"
#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const int64_t POLL_EVERY = 250LL * CLOCK_MS;

struct args {
	struct opt_list rules, play, files;
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
	struct engine_config rules; /* what it is made of */
	const char *rules_default;
	char cache[4096];
	struct reload *reload; /* NULL: not possible */
	struct sandbox *sandbox;
	struct show *show;
	struct pipe pipe;
	struct loop *loop;
	struct state *state; /* NULL: where it stands is not kept */
	struct err no_state; /* why */
	struct follow *follow;
	struct listener *listeners[WATCH_MAX_ITEMS];
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

/* Everything that needs files is opened here, before the sandbox. */
static int open_recordings(struct watch *w, struct err *err)
{
	const struct opt_list *play = &w->args.play;
	w->recordings = calloc(play->n + 1, sizeof(*w->recordings));
	if (!w->recordings)
		return err_set(err, -ENOMEM, "open the recordings: %m");
	for (size_t i = 0; i < play->n; i++) {
		int fd = open(play->at[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_set(err, -errno, "open the recording '%s': %m", play->at[i]);
		w->recordings[w->n_recordings++] = (struct recording){ play->at[i], fd };
	}
	return 0;
}

/* Before the opener starts, which has to know what to read when rules are loaded anew. */
static int find_rules(struct watch *w, struct err *err)
{
	const char *installed = KHIEN_DATADIR "/rules", *local = "rules";
	const struct args *a = &w->args;
	w->rules_default = access(installed, R_OK) == 0 ? installed : local;
	if (!a->rules.n && access(w->rules_default, R_OK))
		return err_set(err, -ENOENT, "no rules in %s nor ./%s: name them with --rules DIR", installed, local);
	w->rules = (struct engine_config){
		.rules = { .dirs = a->rules.n ? a->rules.at : &w->rules_default,
		           .n_dirs = a->rules.n ? a->rules.n : 1,
		           .mapping = a->mapping,
		           .placeholders = a->placeholders },
		.cache_dir = paths_cache(w->cache, sizeof(w->cache)),
	};
	return 0;
}

static int prepare_output(struct watch *w, struct err *err)
{
	const struct args *a = &w->args;
	bool tty = term_is_tty(STDOUT_FILENO);
	const struct show_config config = {
		.print = { .color = term_color(STDOUT_FILENO, a->color),
		           .block = true,
		           .local_time = true,
		           .language = (enum language)a->lang,
		           .width = tty ? term_width(STDOUT_FILENO) : 0 },
		.json = a->json,
		.group = a->json ? a->group : !a->no_group,
		.clock = w->clock,
	};
	tzset(); /* reads a file */
	return show_new(&w->show, engine_ruleset(w->engine), &config, err);
}

static void enter_sandbox(struct watch *w)
{
	struct sandbox_report report;
	char on[128] = "";
	sandbox_enter(w->sandbox, &report);
	w->sandbox = NULL;
	for (size_t i = 0; i < SANDBOX_LAYERS; i++) {
		size_t n = strlen(on);
		if (report.layer[i].on)
			snprintf(on + n, sizeof(on) - n, "%s%s", n ? ", " : "", report.layer[i].name);
		else
			show_note(w->show, LOG_LEVEL_WARNING, WORD_PROTECTION_OFF, "protection-off",
			          report.layer[i].name, report.layer[i].why);
	}
	show_note(w->show, LOG_LEVEL_INFO, WORD_PROTECTION, "protection", on, NULL);
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
	s->items[s->n] =
	        (struct opener_item){ .kind = OPENER_WORK, .name = "rules", .work = reload_work, .arg = &w->rules };
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
static void open_state(struct watch *w)
{
	char path[4096];
	const char *dir = w->args.state ? w->args.state : paths_state(path, sizeof(path));
	if (!dir)
		err_set(&w->no_state, -ENOENT, "neither HOME nor XDG_STATE_HOME says where");
	else
		state_open(&w->state, dir, &w->no_state);
}

/* Up to the sandbox. The order matters: the opener is forked first, while this process is small. */
static int start(struct watch *w, struct err *err)
{
	const struct args *a = &w->args;
	const struct sources_config config = {
		.files = a->files.at,
		.n_files = a->files.n,
		.journal = !a->no_journal,
		.syslog = a->no_syslog ? NULL : a->syslog,
	};
	struct sockaddr_storage ss;
	socklen_t len;
	struct engine_info info;
	int code = config.syslog ? opener_address(config.syslog, &ss, &len, err) : 0;
	if (!code && !a->play_only)
		code = sources_find(&w->sources, &config, err);
	if (!code)
		code = open_recordings(w, err);
	if (!code)
		code = find_rules(w, err);
	if (!code)
		code = start_opener(w, err);
	if (!code)
		code = engine_open(&w->engine, &w->rules, err);
	if (!code)
		code = prepare_output(w, err);
	if (!code)
		code = pipe_init(&w->pipe, w->engine, w->show, err);
	if (!code && !a->play_only)
		open_state(w);
	if (!code)
		code = start_loop(w, err);
	if (!code)
		code = sandbox_init(&w->sandbox, err);
	if (code)
		return code;
	w->pipe.stop = w->loop;
	engine_info(w->engine, &info);
	show_rules(w->show, &info);
	return 0;
}

static void add_listener(struct watch *w, size_t item)
{
	struct err err = { 0 };
	int fd = -1;
	enum opener_kind kind = w->sources.items[item].kind;
	const char *name = w->sources.shown[item];
	int code = opener_open(w->opener, item, NULL, &fd, &err);
	if (code > 0)
		code = listener_new(&w->listeners[w->n_listeners], &w->pipe, w->loop, kind, fd, name, w->clock, &err);
	if (code < 0) {
		show_note(w->show, LOG_LEVEL_WARNING, WORD_NOT_WATCHED, "not-watched", name, err.text);
		return;
	}
	w->n_listeners++;
	show_note(w->show, LOG_LEVEL_INFO, WORD_WATCHING, "watching", name, NULL);
}

/* How much is read again after a restart: correlations see no further back than the longest of them. */
static int64_t horizon(const struct ruleset *rs)
{
	const int64_t most = 3600LL * CLOCK_S;
	int64_t longest = 0;
	for (uint32_t i = 0; i < rs->n_correlations; i++)
		if (rs->correlations[i].timespan > longest)
			longest = rs->correlations[i].timespan;
	return longest < most ? longest : most;
}

static int open_sources(struct watch *w, struct err *err)
{
	const struct follow_config follow = {
		.pipe = &w->pipe,
		.opener = w->opener,
		.sources = &w->sources,
		.state = w->state,
		.clock = w->clock,
		.horizon = horizon(w->pipe.rs),
	};
	if (w->no_state.code)
		show_note(w->show, LOG_LEVEL_WARNING, WORD_NO_STATE, "no-state", w->no_state.text, NULL);
	if (*w->sources.no_journal)
		show_note(w->show, LOG_LEVEL_INFO, WORD_NOT_WATCHED, "not-watched", "journal", w->sources.no_journal);
	for (size_t i = 0; i < w->sources.n; i++) {
		enum opener_kind kind = w->sources.items[i].kind;
		if (kind == OPENER_UDP || kind == OPENER_TCP)
			add_listener(w, i);
	}
	return follow_new(&w->follow, &follow, err);
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

static int on_poll(void *arg, int what)
{
	struct watch *w = arg;
	bool more = false;
	int code = follow_poll(w->follow, &more);
	if (!code && !follow_behind(w->follow))
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

static void close_sources(struct watch *w)
{
	follow_free(w->follow);
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
	code = follow_poll(w->follow, &more); /* says what it found before it says that it is ready */
	if (!code && !w->n_listeners && !follow_has_any(w->follow))
		show_note(w->show, LOG_LEVEL_WARNING, WORD_NOTHING, "nothing-to-watch", NULL, NULL);
	if (!code) {
		show_note(w->show, LOG_LEVEL_INFO, WORD_READY, "ready", NULL, NULL);
		code = loop_run(w->loop);
	}
	if (!code)
		code = follow_end(w->follow);
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
	enter_sandbox(w);
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
	opener_free(w->opener);
	sources_done(&w->sources);
	state_free(w->state);
	for (size_t i = 0; i < w->n_recordings; i++)
		close(w->recordings[i].fd);
	free(w->recordings);
	opt_list_done(&w->args.rules);
	opt_list_done(&w->args.play);
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
