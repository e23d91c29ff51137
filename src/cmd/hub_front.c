/*
 * The front: everything that listens and reads foreign bytes. All that needs files or rights is done here, before the
 * sandbox; what follows is in hub_serve.c.
 */
#include "cmd/hub_front.h"
#include "cmd/paths.h"

#include "api/credentials.h"
#include "cmd/hub_posts.h"
#include "cmd/hub_searcher.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILES = 8192 }; /* that may be open */

/* --- the key --- */

/* Where no process that is forked from here on has it: the opener needs none. The copy that came along is wiped. */
static int keep_key(struct front *f, struct err *err)
{
	const struct str key = f->c->key;
	char *p = mmap(NULL, key.n + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || madvise(p, key.n + 1, MADV_WIPEONFORK))
		return err_set(err, -errno, "keep the hub's key: %m");
	memcpy(p, key.p, key.n);
	sodium_memzero((char *)key.p, key.n);
	f->key = (struct str){ p, key.n };
	return 0;
}

static void forget_key(struct front *f)
{
	if (!f->key.p)
		return;
	sodium_memzero((char *)f->key.p, f->key.n);
	munmap((char *)f->key.p, f->key.n + 1);
	f->key = (struct str){ 0 };
}

/* --- what comes in over HTTP --- */

/* The token decides; the sender counts under the token's name. */
static struct sender *who_calls(void *arg, struct str authorization, uint32_t scopes, struct str peer, bool *forbidden)
{
	struct front *f = arg;
	struct credentials given;
	char name[SENDER_NAME];
	const struct token *t = NULL;
	*forbidden = false;
	if (!credentials_parse(authorization, &given)) {
		const struct str text = { given.text, given.n };
		int64_t now = clock_wall(f->clock);
		t = token_check(f->tokens, f->n_tokens, text, scopes, now);
		*forbidden = !t && token_check(f->tokens, f->n_tokens, text, 0, now);
		credentials_wipe(&given);
	}
	if (!t)
		return NULL;
	snprintf(name, sizeof(name), "http %s", t->name);
	return senders_get(f->senders, str_from(name));
}

static int on_api(void *arg, int fd)
{
	struct front *f = arg;
	int code = 0;
	for (size_t i = 0; i < f->n_apis && !code; i++)
		if (api_fd(f->apis[i]) == fd)
			code = api_run(f->apis[i]);
	return code;
}

static void not_listening(struct front *f, const char *what, const struct err *err)
{
	show_note(f->show, LOG_LEVEL_ERROR, WORD_NOT_WATCHED, "not-listening", what, err->text);
}

static void add_api(struct front *f, size_t item)
{
	CLEANUP(buf_free) struct buf chain = { 0 };
	const struct api_posts posts = posts_front_api(f);
	const struct api_hunts hunts = hunts_api();
	/* the CA's certificate behind it: a post that knows but its fingerprint sees where the chain ends */
	buf_add(&chain, f->c->certificate);
	buf_add(&chain, f->c->ca);
	const struct api_tls tls = { .certificate = buf_str(&chain), .key = f->key };
	struct api_config config = {
		.tls = item >= f->https ? &tls : NULL,
		.posts = item >= f->https ? &posts : NULL,
		.hunts = f->hunts ? &hunts : NULL,
		.clock = f->clock,
		.take = hub_desk_take,
		.taker = f->desk,
		.caller = who_calls,
		.metrics = front_metrics,
		.health = front_health,
		.arg = f,
		.memory = &f->http_memory,
	};
	struct err err = { 0 };
	const char *name = f->sources.shown[item];
	int code = opener_open(f->opener, item, NULL, &config.fd, &err);
	if (code > 0)
		code = api_new(&f->apis[f->n_apis], &config, &err);
	if (!code)
		code = loop_watch(f->loop, api_fd(f->apis[f->n_apis]), on_api, f, &err);
	if (code) {
		not_listening(f, name, &err);
		return;
	}
	f->n_apis++;
	show_note(f->show, LOG_LEVEL_INFO, WORD_WATCHING, "listening", name, NULL);
}

/* --- what is collected --- */

static struct sender *sender_of(void *arg, struct str name)
{
	struct front *f = arg;
	return senders_get(f->senders, name);
}

static void on_skip(void *arg, struct origin *o, uint64_t line, const char *reason)
{
	struct front *f = arg;
	if (o->sender)
		o->sender->bad++;
	pipe_skip(&f->pipe, o, line, reason);
}

static void on_note(void *arg, enum log_level level, enum collect_note what, const char *a, const char *b)
{
	struct front *f = arg;
	pipe_note(&f->pipe, level, what, a, b);
}

/* Answers come by themselves; nothing can be done to have them sooner. */
static int all_settled(void *arg, bool must)
{
	const struct front *f = arg;
	return f->followed == 0;
}

static void add_listener(struct front *f, size_t item)
{
	const struct listener_tls tls = {
		.certificate = f->c->certificate,
		.key = f->key,
		.ca = f->c->ca,
		.any = f->c->hub->syslog_tls_clients == CONFIG_CLIENTS_ANY,
	};
	struct listener_config config = {
		.kind = f->sources.items[item].kind,
		.name = f->sources.shown[item],
		.taker = &f->taker,
		.loop = f->loop,
		.clock = f->clock,
		.tls = &tls,
	};
	struct err err = { 0 };
	int code = opener_open(f->opener, item, NULL, &config.fd, &err);
	if (code > 0)
		code = listener_new(&f->listeners[f->n_listeners], &config, &err);
	if (code) {
		not_listening(f, config.name, &err);
		return;
	}
	f->n_listeners++;
	show_note(f->show, LOG_LEVEL_INFO, WORD_WATCHING, "listening", config.name, NULL);
}

/* --- the start --- */

static int add_http(struct front *f, const struct config_list *addresses, const char *scheme, struct err *err)
{
	struct sources *s = &f->sources;
	for (size_t i = 0; i < addresses->n; i++) {
		if (s->n == SOURCES_MAX)
			return err_set(err, -E2BIG, "more than %d files and addresses", SOURCES_MAX);
		struct str shown = arena_printf(&s->arena, "%s://%s", scheme, addresses->at[i]);
		if (!shown.p)
			return err_set(err, -ENOMEM, "%m");
		s->items[s->n] = (struct opener_item){ .kind = OPENER_TCP, .name = addresses->at[i] };
		s->shown[s->n++] = shown.p;
	}
	return 0;
}

/* The opener is forked while this process is small, and keeps the rights that it has now. */
static int start_opener(struct front *f, struct err *err)
{
	const struct config_hub *hub = f->c->hub;
	const bool listens = !f->c->options->play_only;
	const struct config_list none = { 0 };
	struct sources *s = &f->sources;
	char gate[4096];
	const struct sources_config config = {
		.files = hub->files.at,
		.n_files = listens ? hub->files.n : 0,
		.own = listens && hub->journal ? paths_gate_events(gate, sizeof(gate)) : NULL,
		.machine = listens && hub->journal,
		.journal = listens && hub->journal,
		.syslog = hub->syslog.at,
		.n_syslog = listens ? hub->syslog.n : 0,
		.syslog_tls = hub->syslog_tls.at,
		.n_syslog_tls = listens ? hub->syslog_tls.n : 0,
	};
	int code = sources_find(s, &config, err);
	f->http = s->n;
	if (!code)
		code = add_http(f, listens ? &hub->http : &none, "http", err);
	f->https = s->n;
	if (!code)
		code = add_http(f, listens ? &hub->https : &none, "https", err);
	if (code)
		return code;
	s->items[s->n] = (struct opener_item){
		.kind = OPENER_WORK, .name = "rules", .work = reload_work, .arg = &f->rules.engine
	};
	front_known_item(f, &s->items[s->n + 1]);
	return opener_start(&f->opener, s->items, s->n + 2, err);
}

static int on_signal(void *arg, int signal)
{
	struct front *f = arg;
	if (signal == SIGHUP)
		return reload_start(f->reload);
	if (!f->stopping) /* what is under way is finished first: see hub_serve.c */
		f->stopping = clock_monotonic(f->clock);
	return 0;
}

static int start_loop(struct front *f, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGHUP, 0 };
	int code = loop_new(&f->loop, f->clock, err);
	const struct reload_config reload = {
		.pipe = &f->pipe,
		.show = f->show,
		.engine = &f->engine,
		.loop = f->loop,
		.opener = f->opener,
		.item = f->sources.n,
	};
	signal(SIGINT, SIG_IGN); /* of a terminal: the supervisor has it too, and tells */
	if (!code)
		code = loop_signals(f->loop, signals, on_signal, f, err);
	signal(SIGHUP, SIG_DFL);
	if (!code)
		code = reload_new(&f->reload, &reload, err);
	return code ? code : front_known_new(f, f->sources.n + 1, err);
}

static int start_output(struct front *f, struct err *err)
{
	const struct hub_options *o = f->c->options;
	struct show_config config = live_show(o->lang, o->color, o->json, f->clock);
	struct engine_info info;
	config.group = true;
	config.also = front_alert;
	config.also_arg = f;
	config.sheds = true;
	int code = show_new(&f->show, engine_ruleset(f->engine), &config, err);
	if (code)
		return code;
	engine_info(f->engine, &info);
	show_rules(f->show, &info);
	return pipe_init(&f->pipe, f->engine, f->show, err);
}

static int front_room(void *arg)
{
	struct front *f = arg;
	int code = 0;
	for (size_t i = 0; i < f->n_apis; i++)
		api_room(f->apis[i]);
	for (size_t i = 0; i < f->n_listeners && !code; i++)
		code = listener_room(f->listeners[i]);
	return code;
}

static int start_desk(struct front *f, struct err *err)
{
	const struct hub_desk_config config = {
		.link = &f->link,
		.pipe = &f->pipe,
		.clock = f->clock,
		.room = front_room,
		.arg = f,
	};
	int code = link_init(&f->link, f->c->link, N_LINKS);
	if (!code && (code = senders_new(&f->senders)))
		err_set(err, code, "%m");
	if (!code && (code = posts_front_new(&f->posts, f)))
		err_set(err, code, "%m");
	if (!code && f->c->searches && !(code = hunts_new(&f->hunts, f, f->c->searches)))
		code = hunts_begin(f->hunts, err);
	return code ? code : hub_desk_new(&f->desk, &config, err);
}

static void start_listening(struct front *f)
{
	for (size_t i = 0; i < f->sources.n; i++) {
		const enum opener_kind kind = f->sources.items[i].kind;
		if (i >= f->http && f->n_apis < FRONT_LISTENERS)
			add_api(f, i);
		else if (i < f->http && (kind == OPENER_UDP || kind == OPENER_TCP || kind == OPENER_TLS) &&
		         f->n_listeners < FRONT_LISTENERS)
			add_listener(f, i);
	}
}

enum { READ_AHEAD = 16 << 20 };

static int start_following(struct front *f, struct err *err)
{
	const struct follow_config config = {
		.taker = &f->taker,
		.opener = f->opener,
		.sources = &f->sources,
		.places = f->places,
		.clock = f->clock,
		.ahead = READ_AHEAD,
	};
	f->taker = (struct taker){
		.take = front_take,
		.skip = on_skip,
		.note = on_note,
		.sender = sender_of,
		.settled = all_settled,
		.arg = f,
	};
	if (f->no_places.code)
		show_note(f->show, LOG_LEVEL_WARNING, WORD_NO_STATE, "no-places", f->no_places.text, NULL);
	if (*f->sources.no_journal)
		show_note(f->show, LOG_LEVEL_INFO, WORD_NOT_WATCHED, "not-watched", "journal", f->sources.no_journal);
	return follow_logs_new(&f->follow, &config, err);
}

static int start(struct front *f, struct err *err)
{
	const struct hub_options *o = f->c->options;
	const struct sandbox_config sandbox = { .user = f->c->user ? f->c->user : "nobody", .may = SANDBOX_SERVE };
	char dir[4096];
	int code = keep_key(f, err);
	if (!code)
		code = live_rules(&f->rules, f->c->hub->rules.at, f->c->hub->rules.n, o->mapping, o->placeholders, err);
	known_ask(&f->known, &f->rules.engine.rules);
	if (!code)
		code = start_opener(f, err);
	if (!code)
		code = live_recordings(&f->recordings, &f->n_recordings, o->play, o->n_play, err);
	if (!code)
		code = engine_open(&f->engine, &f->rules.engine, err);
	if (!code)
		code = start_output(f, err);
	if (!code)
		code = start_loop(f, err);
	if (!code)
		code = start_desk(f, err);
	if (code)
		return code;
	snprintf(dir, sizeof(dir), "%s/front", f->c->hub->data);
	place_open(&f->places, dir, "places", &f->no_places);
	code = start_following(f, err);
	return code ? code : sandbox_init(&f->sandbox, &sandbox, err);
}

/* Each post holds a connection: more than a shell's limit lets be open. */
static void raise_limit(void)
{
	struct rlimit r;
	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < FILES) {
		r.rlim_cur = r.rlim_max < FILES ? r.rlim_max : FILES;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void done(struct front *f)
{
	follow_logs_free(f->follow);
	for (size_t i = 0; i < f->n_listeners; i++)
		listener_free(f->listeners[i]);
	for (size_t i = 0; i < f->n_apis; i++)
		api_free(f->apis[i]);
	hunts_free(f->hunts);
	hub_desk_free(f->desk);
	link_done(&f->link);
	reload_free(f->reload);
	front_known_done(f);
	loop_free(f->loop);
	if (f->pipe.rs)
		pipe_done(&f->pipe);
	show_free(f->show);
	engine_free(f->engine);
	opener_free(f->opener);
	sources_done(&f->sources);
	place_free(f->places);
	live_recordings_free(f->recordings, f->n_recordings);
	posts_front_free(f->posts);
	senders_free(f->senders);
	free(f->tokens);
	forget_key(f);
}

int front_run(const struct front_config *config)
{
	struct front *f = calloc(1, sizeof(*f));
	struct err err = { 0 };
	prctl(PR_SET_NAME, "khien: front", 0, 0, 0);
	raise_limit();
	if (!f)
		return HUB_DIED;
	*f = (struct front){
		.c = config, .clock = config->clock, .link.fd = -1, .log = { STDERR_FILENO, config->clock }
	};
	f->began = clock_monotonic(f->clock);
	f->http_memory = API_MEMORY;
	int code = start(f, &err);
	if (code) {
		log_say(&f->log, LOG_LEVEL_ERROR, "not-started", LOG_TEXT("why", err.text));
		done(f);
		free(f);
		return HUB_HOPELESS;
	}
	start_listening(f);
	forget_key(f); /* the sockets have what they need */
	live_enter(f->sandbox, f->show);
	code = front_known_wait(f);
	if (!code && f->n_recordings)
		code = front_play(f, &err);
	if (!code && !config->options->play_only)
		code = front_serve(f, &err);
	if (code && code != -EPIPE)
		log_say(&f->log, LOG_LEVEL_ERROR, "front-ended", LOG_TEXT("why", err.text));
	done(f);
	free(f);
	return code ? HUB_DIED : HUB_ENDED;
}
