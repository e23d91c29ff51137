/* khien drill flood: the same flood twice, against a site as it is and with the gate in front of it. */
#include "cmd/drill.h"
#include "cmd/drill_site.h"

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/interrupt.h"
#include "cmd/term.h"
#include "drill/address.h"
#include "drill/namespace.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATHS = 32 };

struct flood {
	const struct drill_args *a;
	struct drill_site site;
	struct drill_network *network; /* NULL: on loopback */
	struct drill drill;
	struct drill_bots bots[DRILL_BOTS_MAX];
	const char *paths[PATHS + 1];
	char portal[SITE_TEXT];   /* "ADDR:PORT" */
	char upstream[SITE_PATH]; /* "http://ADDR:PORT" */
	struct interrupt interrupt;
	struct drill_rehearsal rehearsal;
	bool shows;
	const char *half; /* what the line of progress is about */
};

/* --- preparations --- */

/* "http://127.0.0.1:8080/wiki/": what stands before the path is the upstream, which has to be loopback's; the path is where patients begin. */
static int read_portal(struct flood *f, const char **first, struct err *err)
{
	const struct str url = str_from(f->a->portal);
	struct sockaddr_storage to;
	if (!str_starts(url, STR("http://")))
		return err_set(err, -EINVAL, "--portal '%.100s': write it as http://127.0.0.1:8080", f->a->portal);
	const struct str rest = str_sub(url, 7, url.n), place = str_sub(rest, 0, str_find(rest, '/'));
	if (place.n >= sizeof(f->portal))
		return err_set(err, -EINVAL, "--portal '%.100s' is too long", f->a->portal);
	memcpy(f->portal, place.p, place.n);
	f->portal[place.n] = '\0';
	snprintf(f->upstream, sizeof(f->upstream), "http://%s", f->portal);
	*first = place.n < rest.n ? rest.p + place.n : "/";
	const int code = drill_address_read(f->portal, &to, err);
	return code ? code : drill_permits(&to, NULL, err);
}

static bool wants_tls(const struct drill_bots *bots, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bots[i].kind == DRILL_TLS || bots[i].kind == DRILL_H2)
			return true;
	return false;
}

/* Behind this, bots' addresses begin. */
static const char *crowd_base(const struct flood *f)
{
	return f->network ? DRILL_CROWD_IP : "127.64.0.0";
}

static void set_patients(struct flood *f, const char *first)
{
	const struct drill_args *a = f->a;
	f->drill.patients = (struct drill_patients){
		.what = a->portal ? DRILL_READS : DRILL_BOOKS,
		.n = (unsigned)a->patients,
		/* all are there when four fifths of the time are over */
		.arrivals = (double)a->patients * 1.25 / (double)a->seconds,
		.sources = a->patients && !a->shared ? (unsigned)a->patients : 1,
		.base = a->shared    ? crowd_base(f)
		        : f->network ? "10.96.0.0"
		                     : "127.32.0.0",
		.think_s = (double)a->think_ms / 1e3,
		.first = first,
		.pages = (unsigned)a->pages,
		.bank_secret = f->site.secret,
		.bank_account = "DRILL0000",
	};
}

static int choose_network(struct flood *f, struct err *err)
{
	if (f->a->portal || f->a->loopback || geteuid() != 0)
		return 0;
	if (!drill_network_new(&f->network, err))
		return 0;
	fprintf(stderr, "khien drill flood: %s; on loopback then\n",
	        err->text); /* a container that is root in name only */
	return 0;
}

static int prepare(struct flood *f, struct err *err)
{
	const struct drill_args *a = f->a;
	const char *first = "/";
	cpu_set_t cores;
	int code = a->portal ? read_portal(f, &first, err) : 0;
	if (!code)
		code = choose_network(f, err);
	if (code)
		return code;
	struct drill *d = &f->drill;
	d->seconds = (double)a->seconds;
	d->patience_s = (double)a->patience;
	d->seed = a->seed;
	d->core = f->site.core = -1;
	d->bots = f->bots;
	d->own = f->network;
	if (a->cores && !sched_getaffinity(0, sizeof(cores), &cores) && CPU_COUNT(&cores) > 1)
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET((unsigned)i, &cores)) {
				f->site.core = f->site.core < 0 ? i : f->site.core;
				d->core = i;
			}
	for (size_t i = 0; i < a->paths.n && i < PATHS; i++)
		f->paths[i] = a->paths.at[i];
	f->site.upstream = a->portal ? f->upstream : NULL;
	f->site.interrupt = &f->interrupt;
	code = drill_mix(a, f->paths, crowd_base(f), !a->portal, f->bots, &d->n_bots, err);
	for (size_t i = 0; i < d->n_bots && a->shared; i++)
		f->bots[i].sources = 1;
	if (!code && a->portal && wants_tls(f->bots, d->n_bots))
		code = err_set(err, -EINVAL,
		               "kinds tls and h2 aren't for a portal: how it is without the gate can't be told");
	if (!code)
		code = drill_site_init(&f->site, f->network ? DRILL_SITE_IP : "127.0.0.1",
		                       wants_tls(f->bots, d->n_bots), err);
	if (a->portal)
		snprintf(f->site.kiosk, sizeof(f->site.kiosk), "%s", f->portal);
	if (!f->paths[0]) { /* cheap and dear pages; the last is known when the kiosk is up */
		f->paths[0] = first;
		f->paths[1] = a->portal ? NULL : "/s/1";
		f->paths[2] = a->portal ? NULL : f->site.path;
	}
	set_patients(f, first);
	return code;
}

/* --- one half --- */

static bool progress(void *arg, const struct drill_result *r)
{
	struct flood *f = arg;
	if (f->shows)
		fprintf(stderr, "\r\033[K%s: %.0f s, %llu / %llu, %.0f/s ", f->half, r->seconds,
		        (unsigned long long)r->served, (unsigned long long)r->patients,
		        r->seconds > 0 ? (double)r->sent / r->seconds : 0);
	return !interrupt_came(&f->interrupt);
}

static int enter(struct flood *f, enum drill_side side, struct err *err)
{
	return f->network ? drill_network_enter(f->network, side, err) : 0;
}

static int flood(struct flood *f, struct drill_half *half, struct err *err)
{
	struct drill *d = &f->drill;
	const int64_t begin = clock_monotonic(&clock_system);
	const double cpu = drill_site_cpu(&f->site);
	d->progress = progress;
	d->arg = f;
	int code = drill_address_read(d->host, &d->to, err);
	if (!code && *f->site.front_tls)
		code = drill_address_read(f->site.front_tls, &d->to_tls, err);
	if (!code && !f->a->portal)
		code = drill_address_read(f->site.bank, &d->patients.bank, err);
	if (!code)
		code = enter(f, DRILL_CROWD, err);
	if (!code)
		code = drill_run(d, &half->result, err);
	half->took_s = (double)(clock_monotonic(&clock_system) - begin) / 1e6;
	half->cpu_s = drill_site_cpu(&f->site) - cpu;
	return code == -ECANCELED ? err_set(err, code, "stopped as asked") : code;
}

/* A site of its own for each half: what one left behind isn't the other's. */
static int rehearse(struct flood *f, bool gate, struct drill_half *half, struct err *err)
{
	f->half = gate ? "after" : "before";
	int code = enter(f, DRILL_SITE, err);
	if (!code)
		code = drill_site_kiosk(&f->site, f->half, err);
	if (!code && gate)
		code = drill_site_gate(&f->site, err);
	else if (!code && !f->a->portal)
		code = drill_site_nginx(&f->site, err);
	f->drill.host = f->a->portal && !gate ? f->portal : f->site.front;
	if (!code)
		code = flood(f, half, err);
	if (!code && gate)
		code = drill_site_status(&f->site, &f->rehearsal.status, err);
	if (f->shows)
		fputs("\r\033[K", stderr);
	drill_site_stop(&f->site);
	return code;
}

static int print(struct flood *f)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	if (f->a->json)
		drill_table_json(&out, &f->rehearsal);
	else
		drill_table(&out, &f->rehearsal, (enum language)f->a->language);
	return term_write(STDOUT_FILENO, buf_str(&out));
}

int drill_flood(const struct drill_args *a)
{
	struct err err = { .text = "" };
	struct flood *f = calloc(1, sizeof(*f));
	if (!f)
		return EXIT_TROUBLE;
	f->a = a;
	f->site.alive = -1;
	f->shows = term_is_tty(STDERR_FILENO);
	interrupt_begin(&f->interrupt);
	int code = prepare(f, &err);
	f->rehearsal.portal = a->portal;
	f->rehearsal.apart = f->network != NULL;
	if (!code)
		code = rehearse(f, false, &f->rehearsal.before, &err);
	if (!code)
		code = rehearse(f, true, &f->rehearsal.after, &err);
	drill_site_done(&f->site);
	drill_network_free(f->network);
	interrupt_end(&f->interrupt);
	if (!code)
		code = print(f);
	const bool all = f->rehearsal.after.result.served == a->patients;
	const int status = code ? drill_complain("flood", &err) : all ? EXIT_NOTHING : EXIT_FOUND;
	buf_free(&f->rehearsal.status);
	free(f);
	return status;
}
