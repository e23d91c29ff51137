/* Bots that do as browsers do, on and on, without a thought between two pages. */
#include "drill/address.h"
#include "drill/bots.h"
#include "drill/patient.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const double TURN_S = 0.005;

struct mimic {
	struct browser *browser;
	struct troop *troop;
	bool idle;
	char next[PAGE_PATH];
};

struct troop {
	const struct drill_bots *b;
	struct visits *v;
	struct line_way way;
	struct address_run from;
	struct mimic *all;
	unsigned n_paths, turn;
};

static void arrived(struct browser *b, int status)
{
	struct mimic *m = b->arg;
	char to[PAGE_PATH] = "";
	if (status / 100 == 2)
		drill_patient_link(b->v, buf_str(&b->body), b, "", to);
	if (*to)
		memcpy(m->next, to, sizeof(to));
	else
		snprintf(m->next, sizeof(m->next), "%s",
		         m->troop->b->paths[drill_visits_chance(b->v, m->troop->n_paths)]);
	m->idle = true;
}

static int troop_init(struct troop *t, struct visits *v, const struct drill_bots *b, struct err *err)
{
	const bool tls = v->d->tls;
	*t = (struct troop){ .b = b, .v = v };
	while (b->paths[t->n_paths])
		t->n_paths++;
	int code = drill_line_way_init(&t->way, tls ? &v->d->to_tls : &v->d->to, tls, false, v->d->host, err);
	if (!code)
		code = drill_address_run(&t->from, b->base, b->sources, b->network48, err);
	if (!code && !(t->all = calloc(b->connections, sizeof(*t->all))))
		code = err_set(err, -ENOMEM, "mimics: %m");
	for (unsigned i = 0; i < b->connections && !code; i++) {
		struct mimic *m = &t->all[i];
		struct sockaddr_storage from;
		drill_address_of(&t->from, i, &from);
		*m = (struct mimic){ .browser = drill_browser_new(v, &t->way, &from, i), .troop = t, .idle = true };
		if (!m->browser)
			return err_set(err, -ENOMEM, "mimics: %m");
		m->browser->then = arrived;
		m->browser->arg = m;
		m->browser->line.resets = true;
		snprintf(m->next, sizeof(m->next), "%s", b->paths[i % t->n_paths]);
	}
	return code;
}

/* As many pages as make the rate, together with what they are made of. */
static void troop_turn(struct troop *t)
{
	const double due = t->b->rate * (t->v->now - t->v->begin);
	const unsigned first = t->turn;
	for (unsigned i = 0; i < t->b->connections; i++) {
		struct mimic *m = &t->all[(first + i) % t->b->connections];
		drill_browser_tick(m->browser);
		if (!m->idle || (t->b->rate > 0 && (double)t->v->result.sent >= due))
			continue;
		m->idle = false;
		t->turn = (first + i + 1) % t->b->connections;
		drill_browser_open(m->browser, m->next, (struct str){ 0 });
	}
}

int drill_mimics_run(const struct drill *d, const struct drill_bots *b, int out, struct err *err)
{
	struct visits *v = calloc(1, sizeof(*v));
	struct troop t = { 0 };
	double looked = 0, told_at = 0;
	int code = v ? drill_visits_init(v, d, out, err) : err_set(err, -ENOMEM, "mimics: %m");
	if (!code)
		code = troop_init(&t, v, b, err);
	while (!code && v->now - v->begin < d->seconds) {
		drill_visits_turn(v);
		if (v->now - looked >= TURN_S) {
			looked = v->now;
			troop_turn(&t);
		}
		v->result.seconds = v->now - v->begin;
		if (v->result.seconds - told_at >= 1) {
			told_at += 1;
			code = drill_tell(out, &v->result, false);
		}
	}
	if (!code)
		code = drill_tell(out, &v->result, true);
	return code; /* the process ends: the kernel takes what it had */
}
