/* The keeper's end of the link: what is said to the other kiosk and to the register, and what they say. */
#include "cmd/kiosk_keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_send(void *arg, enum follow_line line, struct str frame)
{
	struct keeper *k = arg;
	const char head[2] = { FOLLOW_FRAME, (char)line };
	if (k->line >= 0 && frames_put(&k->frames, (struct str){ head, 2 }, frame))
		k->lost = true; /* the link process reads nothing: it is started anew, with all */
}

static void tell_link(struct keeper *k, enum follow_wire what, enum follow_line line)
{
	const char head[2] = { (char)what, (char)line };
	if (k->line >= 0 && frames_put(&k->frames, (struct str){ head, 2 }, STR("")))
		k->lost = true;
}

static void on_drop(void *arg, enum follow_line line)
{
	tell_link(arg, FOLLOW_DROP, line);
}

static int from_link(struct keeper *k, struct str m)
{
	if (m.n < 2 || (unsigned char)m.p[1] >= N_FOLLOW_LINES)
		return -EPROTO;
	const enum follow_line line = (enum follow_line)m.p[1];
	switch (m.p[0]) {
	case FOLLOW_UP: follow_line(k->follow, line, true); return 0;
	case FOLLOW_DOWN: follow_line(k->follow, line, false); return 0;
	case FOLLOW_FRAME:
		follow_frame(k->follow, line, str_sub(m, 2, m.n));
		k->board |= k->desk_seen != desk_seq(k->desk);
		k->desk_seen = desk_seq(k->desk);
		return 0;
	default: return -EPROTO;
	}
}

static void tell_end(struct keeper *k)
{
	int status;
	if (waitpid(k->link_pid, &status, 0) == k->link_pid && WIFSIGNALED(status))
		log_say(&k->kiosk->log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", "link"),
		        LOG_NUMBER("signal", (uint64_t)WTERMSIG(status)));
}

int keeper_hear_link(struct keeper *k)
{
	struct str m;
	int ended = frames_read(&k->frames, frames_recv, &k->line), code = 0, more = 1;
	while (!code && (more = frames_next(&k->frames, &m)) > 0)
		code = from_link(k, m);
	if (ended == -EPIPE)
		tell_end(k);
	return code ? code : more < 0 ? more : ended;
}

void keeper_tick(struct keeper *k, int64_t now)
{
	if (!k->follow || now - k->ticked_at < FOLLOW_TICK_MS * CLOCK_MS)
		return;
	k->ticked_at = now;
	follow_tick(k->follow);
	const bool dials = follow_dials(k->follow);
	if (dials != k->dials)
		tell_link(k, dials ? FOLLOW_DIAL : FOLLOW_LISTEN, FOLLOW_PEER);
	k->dials = dials;
}

/* It dies with this process: what it had to say, the next one says. */
int keeper_start_link(struct keeper *k, struct err *err)
{
	int ends[2];
	if (!k->kiosk->c->standby_listen && !k->kiosk->c->peer)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return err_set(err, -errno, "make a socket pair: %m");
	k->link_pid = fork();
	if (!k->link_pid) {
		kiosk_forget_password();
		close(ends[0]);
		close(k->askers[FRONT].link.fd);
		close(k->beat_pipe);
		close(k->lock);
		_exit(kiosk_link(k->kiosk, ends[1]));
	}
	close(ends[1]);
	k->line = ends[0];
	frames_init(&k->frames, FOLLOW_FRAME_MAX + 2);
	return k->link_pid < 0 ? err_set(err, -errno, "start a process: %m") : 0;
}

int keeper_open_follow(struct keeper *k, struct err *err)
{
	const struct config_kiosk *c = k->kiosk->c;
	if (k->line < 0)
		return 0;
	k->disk = (struct follow_desk){
		.db = k->db, .uri = c->database, .desk = &k->desk, .reopen = keeper_open_desk, .arg = k
	};
	follow_desk_init(&k->disk);
	const struct follow_config config = {
		.clock = k->kiosk->clock,
		.store = &k->disk.store,
		.name = c->name,
		.standby = c->role == CONFIG_STANDBY,
		.has_peer = c->standby_listen || c->peer,
		.has_register = c->witness,
		.send = on_send,
		.drop = on_drop,
		.give_up = keeper_give_up,
		.told = keeper_told,
		.arg = k,
	};
	return follow_new(&k->follow, &config, err);
}
