/* khien drill load: bots and patients at an address, once. */
#include "cmd/drill.h"

#include "cmd/cmd.h"
#include "cmd/interrupt.h"
#include "cmd/term.h"
#include "drill/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct load {
	struct drill drill;
	struct drill_bots bots[DRILL_BOTS_MAX];
	const char *paths[33];
	char secret[256];
	struct drill_result result;
	struct interrupt interrupt;
	bool shows;
};

static int read_secret(const char *path, char *to, size_t room, struct err *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, to, room - 1);
	const int code = n < 0    ? err_set(err, -errno, "read '%s': %m", path)
	                 : n == 0 ? err_set(err, -EINVAL, "'%s' is empty", path)
	                          : 0;
	if (fd >= 0)
		close(fd);
	if (!code)
		to[str_find((struct str){ to, (size_t)n }, '\n')] = '\0';
	return code;
}

static int read_addresses(const struct drill_args *a, struct load *l, struct err *err)
{
	struct drill *d = &l->drill;
	int code = a->to || a->to_tls ? 0 : err_set(err, -EINVAL, "where to? write --to 127.0.0.1:8080");
	if (!code && a->to)
		code = drill_address_read(a->to, &d->to, err);
	if (!code && a->to_tls)
		code = drill_address_read(a->to_tls, &d->to_tls, err);
	if (!code && a->bank)
		code = drill_address_read(a->bank, &d->patients.bank, err);
	if (!code && a->bank && !a->bank_secret)
		code = err_set(err, -EINVAL, "--bank needs --bank-secret");
	if (!code && a->bank)
		code = read_secret(a->bank_secret, l->secret, sizeof(l->secret), err);
	d->tls = a->tls || !a->to;
	d->host = a->host ? a->host : a->to ? a->to : a->to_tls;
	return code;
}

static int prepare(const struct drill_args *a, struct load *l, struct err *err)
{
	struct drill *d = &l->drill;
	size_t n = a->paths.n < ARRAY_LEN(l->paths) ? a->paths.n : ARRAY_LEN(l->paths) - 1;
	for (size_t i = 0; i < n; i++)
		l->paths[i] = a->paths.at[i];
	if (!n)
		l->paths[0] = a->first;
	int code = read_addresses(a, l, err);
	if (code)
		return code;
	d->seconds = (double)a->seconds;
	d->patience_s = (double)a->patience;
	d->seed = a->seed;
	d->core = a->core == DRILL_ANY_CORE ? -1 : (int)a->core;
	d->bots = l->bots;
	d->patients.what = a->reads ? DRILL_READS : DRILL_BOOKS;
	d->patients.n = (unsigned)a->patients;
	d->patients.arrivals = a->arrivals ? (double)a->arrivals : (double)a->patients * 1.25 / (double)a->seconds;
	d->patients.sources = (unsigned)(a->patients_sources ? a->patients_sources : a->patients ? a->patients : 1);
	d->patients.base = a->patients_from;
	d->patients.think_s = (double)a->think_ms / 1e3;
	d->patients.first = a->first;
	d->patients.pages = (unsigned)a->pages;
	d->patients.bank_secret = l->secret;
	d->patients.bank_account = a->bank_account;
	return drill_mix(a, l->paths, a->from, a->to_tls, l->bots, &d->n_bots, err);
}

static bool progress(void *arg, const struct drill_result *r)
{
	struct load *l = arg;
	if (l->shows)
		fprintf(stderr, "\r%3.0f s: %llu sent, %llu answered, %llu of %llu patients served ", r->seconds,
		        (unsigned long long)r->sent, (unsigned long long)r->answered, (unsigned long long)r->served,
		        (unsigned long long)r->patients);
	return !interrupt_came(&l->interrupt);
}

static void print(const struct drill_result *r)
{
	printf("bots      %.1f s: %llu sent (%.0f/s), %llu not sent, %llu answered\n", r->seconds,
	       (unsigned long long)r->sent, r->seconds > 0 ? (double)r->sent / r->seconds : 0,
	       (unsigned long long)r->unsent, (unsigned long long)r->answered);
	printf("          2xx %llu, 3xx %llu, 4xx %llu (429: %llu), 5xx %llu (503: %llu), cut %llu, late %llu, refused "
	       "%llu\n",
	       (unsigned long long)r->by_status[2], (unsigned long long)r->by_status[3],
	       (unsigned long long)r->by_status[4], (unsigned long long)r->denied, (unsigned long long)r->by_status[5],
	       (unsigned long long)r->unavailable, (unsigned long long)r->cut, (unsigned long long)r->late,
	       (unsigned long long)r->refused);
	if (r->patients)
		printf("patients  %llu of %llu served; requests p50 %.1f ms, p99 %.1f ms; journeys p50 %.1f s\n",
		       (unsigned long long)r->served, (unsigned long long)r->patients,
		       drill_measure_ms(&r->requests, 0.5), drill_measure_ms(&r->requests, 0.99),
		       drill_measure_ms(&r->journeys, 0.5) / 1e3);
}

static int run(struct load *l, bool json, struct err *err)
{
	l->drill.progress = progress;
	l->drill.arg = l;
	l->shows = term_is_tty(STDERR_FILENO);
	interrupt_begin(&l->interrupt);
	const int code = drill_run(&l->drill, &l->result, err);
	interrupt_end(&l->interrupt);
	if (l->shows)
		fputs("\r\033[K", stderr);
	if (code && code != -ECANCELED)
		return code;
	if (json) {
		CLEANUP(buf_free) struct buf out = { 0 };
		drill_json(&out, &l->result);
		buf_putc(&out, '\n');
		return term_write(STDOUT_FILENO, buf_str(&out));
	}
	print(&l->result);
	return fflush(stdout) ? -EIO : 0;
}

int drill_load(const struct drill_args *a)
{
	struct err err = { .text = "" };
	struct load *l = calloc(1, sizeof(*l));
	int code = l ? prepare(a, l, &err) : err_set(&err, -ENOMEM, "%m");
	if (!code)
		code = run(l, a->json, &err);
	const int status = code                                    ? drill_complain("load", &err)
	                   : l->result.served < l->result.patients ? EXIT_FOUND
	                                                           : EXIT_NOTHING;
	free(l);
	return status;
}
