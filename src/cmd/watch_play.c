#include "cmd/watch.h"

#include <errno.h>

/* What a framer calls; arg is a struct played. */
struct played {
	struct pipe *pipe;
	struct origin origin;
};

static int take(void *arg, struct batch *b)
{
	struct played *of = arg;
	return pipe_take(of->pipe, &of->origin, b);
}

static void skip(void *arg, const char *name, uint64_t line, const char *reason)
{
	struct played *of = arg;
	pipe_skip(of->pipe, &of->origin, line, reason);
}

int play(struct pipe *p, const struct recording *r, size_t n, const struct clock *clock, struct err *err)
{
	struct gather g; /* recordings were made side by side, so they are told side by side */
	int code = 0;
	gather_init(&g);
	p->on_match = gather_add;
	p->match_arg = &g;
	p->recording = true;
	for (size_t i = 0; i < n && !code; i++) {
		struct played of = { .pipe = p, .origin.name = r[i].name };
		struct framer_config config = {
			.origin = r[i].name, .now = clock_wall(clock), .sink = take, .skip = skip, .arg = &of
		};
		struct intake_counts counts;
		show_note(p->show, LOG_LEVEL_INFO, WORD_PLAYING, "playing", r[i].name, NULL);
		struct err trouble = { 0 };
		/* one that can't be read takes nothing from the others */
		code = intake_read_fd(r[i].fd, config, &counts, NULL, &trouble);
		if (code == -ECANCELED)
			break;
		if (code)
			show_note(p->show, LOG_LEVEL_ERROR, WORD_NOT_WATCHED, "not-played", r[i].name, trouble.text);
		code = 0;
	}
	p->on_match = pipe_match;
	p->match_arg = p;
	p->shed += g.shed;
	if (code != -ECANCELED) {
		code = gather_tell(&g, pipe_match, p);
		code = code ? code : pipe_flush(p);
		if (code)
			err_set(err, code, "write alerts: %m");
	} else {
		code = 0;
	}
	int told = show_played(p->show, p->events);
	if (told && !code)
		code = err_set(err, told, "write alerts: %m");
	p->recording = false;
	p->events = 0;
	gather_done(&g);
	return code ? code : pipe_restart(p, err);
}
