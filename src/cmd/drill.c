/* khien drill: which of its jobs, and what both of them understand. */
#include "cmd/drill.h"

#include "cmd/cmd.h"
#include "cmd/jobs.h"
#include "cmd/term.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { FLOOD = 1, LOAD = 2 };

static const struct job list[] = {
	{ "flood", FLOOD, "[OPTION]...",
	  "Rehearses a flood: a site of its own (the kiosk behind plain nginx), patients who book and pay, and a "
	  "flood;\n"
	  "then the same with 'khien gate' in front. Tells what became of the patients before and after. As root in "
	  "two\n"
	  "network namespaces of its own, which leave nothing behind; else on loopback addresses.",
	  "Exit status: 0 with the gate all patients were served, 1 some were not, 2 something could not be done.\n\n"
	  "Examples: khien drill flood; khien drill flood --portal http://127.0.0.1:8080 --seconds 60\n" },
	{ "load", LOAD, "[OPTION]... --to ADDR:PORT",
	  "Bots and patients at a site on this machine's loopback, once; what came of it.",
	  "Exit status: 0 done, 1 not all patients were served, 2 something could not be done.\n\n"
	  "Example: khien drill load --to 127.0.0.1:8080 --kinds kept,new=500,slow --patients 50 --reads --json\n" },
};

static const struct jobs jobs = {
	.command = "drill",
	.what = "Rehearses floods, against nobody but this machine itself.\n"
	        "'khien drill JOB --help' tells more about one of these.",
	.more = "Examples: khien drill flood; khien drill load --to 127.0.0.1:8080 --json\n",
	.first = "write flood or load first, as in: khien drill flood",
	.at = list,
	.n = ARRAY_LEN(list),
};

int drill_complain(const char *job, const struct err *err)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	buf_printf(&line, "khien drill %s: ", job);
	term_safe(&line, str_from(err->text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	return EXIT_TROUBLE;
}

/* --- kinds --- */

/* "new=500": its kind, and its rate or -1. */
static int read_kind(struct str word, bool has_tls, struct drill_bots *to, struct err *err)
{
	const size_t equals = str_find(word, '=');
	const struct str name = str_sub(word, 0, equals);
	char text[32], *end = text;
	to->rate = -1;
	for (to->kind = 0; to->kind < N_DRILL_KINDS; to->kind++)
		if (str_eq(name, str_from(drill_kind_name(to->kind))))
			break;
	if (to->kind == N_DRILL_KINDS)
		return err_set(err, -EINVAL, "kind '" STR_FMT "': write kept, new, h2, tls, slow, mimic or cookie",
		               STR_ARG(name));
	if (to->kind == DRILL_TLS && !has_tls)
		return err_set(err, -EINVAL, "kind 'tls' needs an address where HTTPS is spoken");
	if (equals == word.n)
		return 0;
	const struct str rate = str_sub(word, equals + 1, word.n);
	if (rate.n && rate.n < sizeof(text)) {
		memcpy(text, rate.p, rate.n);
		text[rate.n] = '\0';
		to->rate = strtod(text, &end);
	}
	if (end == text || *end || !(to->rate >= 0 && to->rate <= DRILL_RATE_MAX))
		return err_set(err, -EINVAL, "'" STR_FMT "': a rate is 0 to %d", STR_ARG(word), DRILL_RATE_MAX);
	return 0;
}

/* What none of them has taken is shared. */
static int share(const struct drill_args *a, struct drill_bots *to, size_t n, struct err *err)
{
	double left = (double)a->rate;
	size_t sharers = 0;
	for (size_t i = 0; i < n; i++) {
		if (to[i].kind == DRILL_SLOW)
			to[i].rate = 0;
		else if (to[i].rate < 0)
			sharers++;
		else
			left -= to[i].rate;
	}
	if (sharers && a->rate && left <= 0) /* 0 would be as fast as it goes */
		return err_set(err, -EINVAL,
		               "--kinds: nothing is left of --rate for those without a rate of their own");
	for (size_t i = 0; i < n; i++) {
		const uint64_t part = a->connections / n + (i < a->connections % n);
		to[i].connections = (unsigned)(part ? part : 1);
		if (to[i].rate < 0)
			to[i].rate = left > 0 ? left / (double)sharers : 0;
	}
	return 0;
}

int drill_mix(const struct drill_args *a, const char *const *paths, const char *base, bool has_tls,
              struct drill_bots to[DRILL_BOTS_MAX], size_t *n, struct err *err)
{
	struct str rest = str_from(a->kinds);
	size_t found = 0;
	while (rest.n) {
		const size_t comma = str_find(rest, ',');
		if (found == DRILL_BOTS_MAX)
			return err_set(err, -EINVAL, "more than %d kinds", DRILL_BOTS_MAX);
		to[found] = (struct drill_bots){
			.sources = (unsigned)a->sources, .base = base, .paths = paths, .network48 = a->network48
		};
		const int code = read_kind(str_trim(str_sub(rest, 0, comma)), has_tls, &to[found++], err);
		if (code)
			return code;
		rest = str_sub(rest, comma + 1, rest.n);
	}
	const int code = share(a, to, found, err);
	if (!code)
		*n = found;
	return code;
}

/* --- options --- */

/* Each appends some of the options, and says how many. */
static size_t both_have(struct drill_args *a, struct job_opt *to)
{
	const struct job_opt opts[] = {
		{ FLOOD | LOAD,
		  { "rate", 'r', OPT_NUMBER, "N",
		    "requests a second of all bots (default: 2083)\nload: 0 as fast as answers come", &a->rate, 0,
		    DRILL_RATE_MAX, NULL } },
		{ FLOOD | LOAD,
		  { "seconds", 's', OPT_NUMBER, "N", "how long (default: 20; at most 600)", &a->seconds, 1,
		    DRILL_SECONDS_MAX, NULL } },
		{ FLOOD | LOAD,
		  { "kinds", 'k', OPT_TEXT, "LIST",
		    "kinds of bots, each with its share of the rate or =RATE:\nkept, new, h2, tls, slow, mimic, "
		    "cookie; \"\": none\n(default: flood kept,new,cookie,mimic,slow, load kept)",
		    &a->kinds, 0, 0, NULL } },
		{ FLOOD | LOAD,
		  { "connections", 'c', OPT_NUMBER, "N", "of bots, at once (default: flood 4000, load 1000)",
		    &a->connections, 1, DRILL_CONNECTIONS_MAX, NULL } },
		{ FLOOD | LOAD,
		  { "sources", 0, OPT_NUMBER, "N", "addresses that bots come from (default: 5000)", &a->sources, 1,
		    1 << 20, NULL } },
		{ FLOOD | LOAD,
		  { "path", 0, OPT_LIST, "PATH", "what bots ask for; may be given again", &a->paths, 0, 0, NULL } },
		{ FLOOD | LOAD,
		  { "patients", 'p', OPT_NUMBER, "N", "how many come (default: flood 100, load 0)", &a->patients, 0,
		    DRILL_PATIENTS_MAX, NULL } },
		{ FLOOD | LOAD,
		  { "think", 0, OPT_NUMBER, "MS", "a patient's mean pause between two pages (default: 1000)",
		    &a->think_ms, 0, 60000, NULL } },
		{ FLOOD | LOAD,
		  { "patience", 0, OPT_NUMBER, "N", "seconds that he waits for a page (default: 30)", &a->patience, 1,
		    600, NULL } },
		{ FLOOD | LOAD, { "seed", 0, OPT_NUMBER, "N", "of chance (default: 1)", &a->seed, 0, 0, NULL } },
		{ FLOOD | LOAD, { "json", 'j', OPT_FLAG, NULL, "the result as JSON", &a->json, 0, 0, NULL } },
	};
	memcpy(to, opts, sizeof(opts));
	return ARRAY_LEN(opts);
}

static size_t flood_has(struct drill_args *a, struct job_opt *to)
{
	const struct job_opt opts[] = {
		{ FLOOD,
		  { "portal", 0, OPT_TEXT, "URL",
		    "a portal on loopback that runs already, in place of the kiosk:\npatients read its pages",
		    &a->portal, 0, 0, NULL } },
		{ FLOOD, { "loopback", 0, OPT_FLAG, NULL, "also as root: no namespaces", &a->loopback, 0, 0, NULL } },
		{ FLOOD,
		  { "shared", 0, OPT_FLAG, NULL, "bots and patients come from one address, as behind a carrier's",
		    &a->shared, 0, 0, NULL } },
		{ FLOOD,
		  { "cores", 0, OPT_FLAG, NULL, "the site on the first core alone, bots and patients on the last",
		    &a->cores, 0, 0, NULL } },
		{ FLOOD,
		  { "lang", 0, OPT_CHOICE, "LANG", "vi, en or zh (default: by LANG)", &a->language, 0, 0,
		    words_choices } },
	};
	memcpy(to, opts, sizeof(opts));
	return ARRAY_LEN(opts);
}

static size_t load_has(struct drill_args *a, struct job_opt *to)
{
	const struct job_opt opts[] = {
		{ LOAD, { "to", 0, OPT_TEXT, "ADDR:PORT", "where HTTP is spoken, as numbers", &a->to, 0, 0, NULL } },
		{ LOAD, { "to-tls", 0, OPT_TEXT, "ADDR:PORT", "where HTTPS is spoken", &a->to_tls, 0, 0, NULL } },
		{ LOAD, { "tls", 0, OPT_FLAG, NULL, "all come by HTTPS, not only tls and h2", &a->tls, 0, 0, NULL } },
		{ LOAD,
		  { "host", 0, OPT_TEXT, "NAME", "what Host says (default: the address)", &a->host, 0, 0, NULL } },
		{ LOAD,
		  { "from", 0, OPT_TEXT, "ADDR", "bots' addresses begin behind it (default: 127.64.0.0)", &a->from, 0,
		    0, NULL } },
		{ LOAD,
		  { "network48", 0, OPT_FLAG, NULL, "IPv6: each in a /64 of its own within one /48", &a->network48, 0,
		    0, NULL } },
		{ LOAD,
		  { "patients-from", 0, OPT_TEXT, "ADDR", "patients' addresses begin behind it (default: 127.32.0.0)",
		    &a->patients_from, 0, 0, NULL } },
		{ LOAD,
		  { "patients-sources", 0, OPT_NUMBER, "N",
		    "how many they have (default: one each); 1 and the same\nADDR as --from with --sources 1: behind "
		    "one",
		    &a->patients_sources, 1, DRILL_PATIENTS_MAX, NULL } },
		{ LOAD,
		  { "arrivals", 0, OPT_NUMBER, "N", "patients a second (default: over the time)", &a->arrivals, 1,
		    100000, NULL } },
		{ LOAD,
		  { "reads", 0, OPT_FLAG, NULL, "patients read and follow links; else they book", &a->reads, 0, 0,
		    NULL } },
		{ LOAD,
		  { "pages", 0, OPT_NUMBER, "N", "pages that a reader reads (default: 4)", &a->pages, 1, 255, NULL } },
		{ LOAD, { "first", 0, OPT_TEXT, "PATH", "where patients begin (default: /)", &a->first, 0, 0, NULL } },
		{ LOAD,
		  { "bank", 0, OPT_TEXT, "ADDR:PORT",
		    "the kiosk itself, which a bank tells of payments;\nwithout it nobody pays", &a->bank, 0, 0,
		    NULL } },
		{ LOAD,
		  { "bank-secret", 0, OPT_TEXT, "FILE", "what the bank signs with: hook-sepay of the kiosk",
		    &a->bank_secret, 0, 0, NULL } },
		{ LOAD,
		  { "bank-account", 0, OPT_TEXT, "TEXT", "the account that is paid to (default: DEMO0000)",
		    &a->bank_account, 0, 0, NULL } },
		{ LOAD,
		  { "core", 0, OPT_NUMBER, "N", "bots and patients run on this core alone", &a->core, 0, DRILL_ANY_CORE,
		    NULL } },
	};
	memcpy(to, opts, sizeof(opts));
	return ARRAY_LEN(opts);
}

static int parse_args(const struct job *job, int argc, char **argv, struct drill_args *a)
{
	struct job_opt opts[JOBS_OPTS_MAX];
	size_t n = both_have(a, opts);
	n += flood_has(a, opts + n);
	n += load_has(a, opts + n);
	return jobs_parse(&jobs, job, opts, n, argc, argv, NULL);
}

int cmd_drill(int argc, char **argv)
{
	const struct job *job = jobs_find(&jobs, argc, argv);
	struct drill_args a = {
		.rate = 2083,
		.seconds = 20,
		.sources = 5000,
		.connections = job && job->bit == FLOOD ? 4000 : 1000,
		.patients = job && job->bit == FLOOD ? 100 : 0,
		.seed = 1,
		.think_ms = 1000,
		.patience = 30,
		.kinds = job && job->bit == FLOOD ? "kept,new,cookie,mimic,slow" : "kept",
		.language = (int)words_from_environment(),
		.from = "127.64.0.0",
		.patients_from = "127.32.0.0",
		.first = "/",
		.bank_account = "DEMO0000",
		.pages = 4,
		.core = DRILL_ANY_CORE,
	};
	signal(SIGPIPE, SIG_IGN);
	int status = parse_args(job, argc, argv, &a);
	if (status < 0)
		status = job->bit == FLOOD ? drill_flood(&a) : drill_load(&a);
	opt_list_done(&a.paths);
	return status;
}
