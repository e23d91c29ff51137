/* Jobs of khien gate: how it stands, why it did what it did, and what operators say. */
#include "cmd/gate_ask.h"

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/gate_operators.h"
#include "cmd/jobs.h"
#include "cmd/term.h"
#include "event/event.h"
#include "flood/flood.h"
#include "proxy/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STATUS = 1, WHY = 2, ALLOW = 4, BLOCK = 8, UNBLOCK = 16, LISTS = 32 };

/* clang-format off */
static const struct job described[] = {
	{ "status", STATUS, "[OPTION]...",
	  "Tells how the gate stands: whether it is strict and since when, and what it does with whom.",
	  "Exit status: 0 it is at rest, 1 it is strict, 2 it can't be asked." },
	{ "why", WHY, "[OPTION]... ADDRESS|NUMBER",
	  "Tells why an address, or the request of a number as it stands on the page, was turned away; and what can be done.",
	  "Exit status: 0 told, 1 nothing is known of it, 2 the gate can't be asked." },
	{ "allow", ALLOW, "[OPTION]... ADDRESS[/BITS]",
	  "Lets an address or a network in whatever comes, for 30 days or as long as is said. Takes the place of a block.",
	  "Exit status: 0 written, 2 not." },
	{ "block", BLOCK, "[OPTION]... ADDRESS[/BITS]",
	  "Keeps an address or a network out, for an hour or as long as is said.",
	  "Not this machine, the site, a proxy, who is logged in here, or a network wider than /16 (IPv6: /32): --really does.\n\n"
	  "Exit status: 0 written, 2 not." },
	{ "unblock", UNBLOCK, "[OPTION]... ADDRESS[/BITS]",
	  "Takes back what was said of it with allow or block.",
	  "Exit status: 0 taken back, 1 there was nothing, 2 it could not be written." },
	{ "lists", LISTS, "[OPTION]...",
	  "Shows what operators said and until when it holds.",
	  "Exit status: 0 shown, 2 a line is wrong, or it can't be read." },
};
/* clang-format on */

static const struct jobs jobs = {
	.command = "gate",
	.what = "Jobs of a gate that runs.",
	.first = "write status, why, allow, block, unblock or lists first, as in: khien gate status",
	.at = described,
	.n = ARRAY_LEN(described),
};

static int parse_args(const struct job *job, int argc, char **argv, struct gate_args *a)
{
	static const char *const synonyms = "how long it holds: 30m, 2h, 7d";
	const unsigned all = STATUS | WHY | ALLOW | BLOCK | UNBLOCK | LISTS;
	int language = (int)words_from_environment();
	const struct job_opt opts[] = {
		{ ALLOW | BLOCK,
		  { "why", 'w', OPT_TEXT, "TEXT", "the reason, for others (needed)", &a->reason, 0, 0, NULL } },
		{ ALLOW | BLOCK, { "for", 'f', OPT_TEXT, "SPAN", synonyms, &a->span, 0, 0, NULL } },
		{ ALLOW | BLOCK,
		  { "until", 'u', OPT_TEXT, "TIME", "or until when: 18:00, 2026-11-30, 2026-11-30T18:00:00+07:00",
		    &a->until, 0, 0, NULL } },
		{ ALLOW | BLOCK,
		  { "forever", 0, OPT_FLAG, NULL, "or until it is taken back", &a->forever, 0, 0, NULL } },
		{ BLOCK,
		  { "really", 0, OPT_FLAG, NULL, "also where that may lock out the wrong ones", &a->really, 0, 0,
		    NULL } },
		{ STATUS | WHY | LISTS, { "json", 'j', OPT_FLAG, NULL, "all of it as JSON", &a->json, 0, 0, NULL } },
		{ STATUS | WHY,
		  { "lang", 'l', OPT_CHOICE, "LANG", "vi, en, zh (default: from $LANG)", &language, 0, 0,
		    words_choices } },
		{ all,
		  { "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		    &a->config, 0, 0, NULL } },
		{ all,
		  { "data", 'd', OPT_TEXT, "DIR", "the gate's folder (default: as khien.yaml says)", &a->data, 0, 0,
		    NULL } },
	};
	const bool takes = job->bit & (WHY | ALLOW | BLOCK | UNBLOCK);
	const int status = jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, takes ? &a->words : NULL);
	a->language = (enum language)language;
	return status;
}

/* --- what all of them need --- */

int gate_get(const struct gate *g, const char *target, json_t **ret, struct err *err)
{
	CLEANUP(buf_free) struct buf answer = { .max = CONTROL_ANSWER_MAX };
	const int status = control_ask(g->paths.control, "GET", target, STR(""), &answer, err);
	if (status < 0)
		return status;
	json_t *o = json_loadb(answer.p, answer.n, JSON_REJECT_DUPLICATES, NULL);
	const char *why = json_string_value(json_object_get(o, "error"));
	int code = status == 200 && json_is_object(o) ? 0 : status == 404 ? 404 : -EPROTO;
	if (code < 0)
		err_set(err, code, "the gate answers %d%s%s", status, why ? ": " : "", why ? why : "");
	if (!code)
		*ret = json_incref(o);
	json_decref(o);
	return code;
}

const char *gate_time(int64_t s, char to[GATE_TIME])
{
	const time_t t = (time_t)s;
	struct tm tm;
	if (!t || !localtime_r(&t, &tm) || !strftime(to, GATE_TIME, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(to, GATE_TIME, "-");
	return to;
}

const char *gate_time_of(const json_t *v, char to[GATE_TIME])
{
	int64_t us = 0;
	if (json_is_string(v) && !event_parse_time(str_from(json_string_value(v)), &us))
		us = 0;
	return gate_time(us / CLOCK_S, to);
}

const char *gate_verdict(const json_t *o, enum language language)
{
	const char *name = json_string_value(json_object_get(o, "verdict"));
	int v = 0;
	while (name && v < N_FLOOD_VERDICTS && strcmp(name, flood_verdict_name((enum flood_verdict)v)) != 0)
		v++;
	return name && v < N_FLOOD_VERDICTS ? words(language, WORD_GATE_PASS + v) : "?";
}

const char *gate_reason(const json_t *o, enum language language)
{
	const char *name = json_string_value(json_object_get(o, "reason"));
	int r = 0;
	while (name && r < N_FLOOD_REASONS && strcmp(name, flood_reason_name((enum flood_reason)r)) != 0)
		r++;
	return name && r < N_FLOOD_REASONS ? words(language, WORD_GATE_FREE + r) : "?";
}

void gate_quote(struct buf *out, struct str text)
{
	bool plain = text.n;
	for (size_t i = 0; i < text.n && plain; i++)
		plain = memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.:_-", text.p[i], 67);
	if (plain) {
		buf_add(out, text);
		return;
	}
	buf_putc(out, '\'');
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\'')
			buf_add(out, STR("'\\''"));
		else
			buf_putc(out, text.p[i]);
	buf_putc(out, '\'');
}

void gate_command(struct buf *out, const struct gate_args *a, const char *job, const char *prefix)
{
	buf_printf(out, "khien gate %s %s", job, prefix);
	if (a->config) {
		buf_add(out, STR(" --config "));
		gate_quote(out, str_from(a->config));
	}
	if (a->data) {
		buf_add(out, STR(" --data "));
		gate_quote(out, str_from(a->data));
	}
}

/* --- status --- */

static double number(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

/* The next of the labels, in its column. */
static void label(struct buf *out, struct str *labels)
{
	const struct str one = str_sub(*labels, 0, str_find(*labels, '|'));
	const size_t wide = term_columns(one);
	buf_add(out, one);
	buf_printf(out, "%*s", (int)(wide < 12 ? 12 - wide : 1), "");
	*labels = str_sub(*labels, one.n + 1, labels->n);
}

static void count(const json_t *v, char to[24])
{
	snprintf(to, 24, "%lld", (long long)json_integer_value(v));
}

/* null is without bound. */
static void share(const json_t *v, enum language l, char to[64])
{
	CLEANUP(buf_free) struct buf text = { 0 };
	if (json_is_number(v))
		words_add(&text, l, WORD_GATE_EACH_SECOND, json_number_value(v));
	else
		buf_add(&text, str_from(words(l, WORD_GATE_NO_BOUND)));
	snprintf(to, 64, STR_FMT, STR_ARG(buf_str(&text)));
}

static bool is_strict(const json_t *s, int64_t *since)
{
	const char *text = json_string_value(json_object_get(s, "strict_since"));
	return text && event_parse_time(str_from(text), since);
}

static void add_state(struct buf *out, const struct gate *g, const json_t *s, enum language l)
{
	char when[GATE_TIME], minutes[24];
	const char *mode = json_string_value(json_object_get(s, "mode"));
	int64_t since;
	if (is_strict(s, &since)) {
		snprintf(minutes, sizeof(minutes), "%lld", (long long)((clock_wall(g->clock) - since) / CLOCK_S / 60));
		words_add(out, l, WORD_GATE_STRICT, gate_time(since / CLOCK_S, when), minutes);
	} else {
		buf_add(out, str_from(words(l, WORD_GATE_REST)));
	}
	if (mode && strcmp(mode, "watch") == 0)
		buf_printf(out, "; %s", words(l, WORD_GATE_WATCHES));
}

/* "let through 120331 · turned away 40": of verdicts in words, of reasons by their names; what didn't happen is left out. */
static void add_counts(struct buf *out, const json_t *counts, enum language l, bool verdicts)
{
	const char *name, *mark = "";
	json_t *v;
	json_object_foreach((json_t *)counts, name, v)
	{
		json_t *as = json_pack("{s:s}", "verdict", name);
		if (json_integer_value(v) && (verdicts || strcmp(name, "free") != 0)) {
			buf_printf(out, "%s%s %lld", mark, verdicts ? gate_verdict(as, l) : name,
			           (long long)json_integer_value(v));
			mark = " · ";
		}
		json_decref(as);
	}
	if (!*mark)
		buf_add(out, str_from(words(l, WORD_STATUS_NONE)));
}

static void add_lists(struct buf *out, const struct gate *g, enum language l)
{
	struct gate_list list = { 0 };
	struct err err;
	unsigned n[LIST_BLOCK + 1] = { 0 };
	if (gate_list_read(&list, g->paths.lists, &err)) {
		buf_add(out, str_from(err.text));
	} else {
		for (size_t i = 0; i < list.n; i++)
			if (list.at[i].until_s > clock_wall(g->clock) / CLOCK_S)
				n[list.at[i].action]++;
		words_add(out, l, WORD_GATE_LISTS, n[LIST_ALLOW], n[LIST_BLOCK]);
	}
	gate_list_done(&list);
}

static void add_waf(struct buf *out, const struct gate *g, enum language l)
{
	static const char *const modes[] = {
		[CONFIG_GATE_ON] = "on", [CONFIG_GATE_WATCH] = "watch", [CONFIG_GATE_OFF] = "off"
	};
	/* where --no-waf was given, or ModSecurity isn't there, no file of its rules is */
	const int mode = access(g->paths.waf, F_OK) ? CONFIG_GATE_OFF : g->c->waf;
	words_add(out, l, WORD_GATE_WAF, modes[mode], (unsigned)g->c->waf_level);
}

static void tell_status(const struct gate *g, const json_t *s, enum language l)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct str labels = str_from(words(l, WORD_GATE_LABELS));
	char a[64], b[64], c[24];
	label(&out, &labels);
	add_state(&out, g, s, l);
	buf_putc(&out, '\n');
	label(&out, &labels);
	words_add(&out, l, WORD_GATE_PRESSURE, number(s, "pressure"));
	buf_putc(&out, '\n');
	label(&out, &labels);
	share(json_object_get(s, "share"), l, a);
	share(json_object_get(s, "stranger"), l, b);
	words_add(&out, l, WORD_GATE_SHARES, a, b);
	buf_putc(&out, '\n');
	label(&out, &labels);
	words_add(&out, l, WORD_GATE_RATE, number(s, "rate"), number(s, "normal_rate"));
	buf_putc(&out, '\n');
	label(&out, &labels);
	snprintf(a, sizeof(a), "%.1f %%", 100 * number(s, "errors"));
	snprintf(b, sizeof(b), "%.0f %%", 100 * number(s, "gate_busy"));
	words_add(&out, l, WORD_GATE_SITE, number(s, "latency_ms"), number(s, "normal_ms"), a, number(s, "busy"),
	          number(s, "lag_ms"), b);
	buf_putc(&out, '\n');
	label(&out, &labels);
	add_counts(&out, json_object_get(s, "verdicts"), l, true);
	buf_putc(&out, '\n');
	label(&out, &labels);
	add_counts(&out, json_object_get(s, "reasons"), l, false);
	buf_putc(&out, '\n');
	label(&out, &labels);
	count(json_object_get(s, "passes_given"), a);
	count(json_object_get(s, "passes_valid"), b);
	count(json_object_get(s, "passes_bad"), c);
	words_add(&out, l, WORD_GATE_PASSES, a, b, c);
	buf_putc(&out, '\n');
	label(&out, &labels);
	add_waf(&out, g, l);
	buf_putc(&out, '\n');
	label(&out, &labels);
	add_lists(&out, g, l);
	buf_putc(&out, '\n');
	label(&out, &labels);
	words_add(&out, l, WORD_GATE_WORKERS, (unsigned)number(s, "workers"), number(s, "zone_bytes") / (1 << 20));
	buf_putc(&out, '\n');
	label(&out, &labels);
	count(json_object_get(s, "records_shed"), a);
	count(json_object_get(s, "events_shed"), b);
	words_add(&out, l, WORD_GATE_SHED, a, b);
	buf_putc(&out, '\n');
	gate_show(STDOUT_FILENO, &out);
}

void gate_print(const json_t *o)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	if (text)
		buf_printf(&out, "%s\n", text);
	term_write(STDOUT_FILENO, buf_str(&out));
	free(text);
}

void gate_show(int fd, const struct buf *text)
{
	CLEANUP(buf_free) struct buf safe = { 0 };
	for (struct str left = buf_str(text); left.n;) {
		const struct str line = str_sub(left, 0, str_find(left, '\n'));
		term_safe(&safe, line);
		buf_putc(&safe, '\n');
		left = str_sub(left, line.n + 1, left.n);
	}
	term_write(fd, buf_str(&safe));
}

static int gate_status(const struct gate *g, const struct gate_args *a, struct err *err)
{
	json_t *s;
	int64_t since;
	int code = gate_get(g, "/status", &s, err);
	if (code)
		return code < 0 ? code : err_set(err, -EPROTO, "what answers at '%s' is no gate", g->paths.control);
	if (a->json)
		gate_print(s);
	else
		tell_status(g, s, a->language);
	const bool strict = is_strict(s, &since);
	json_decref(s);
	return strict ? EXIT_FOUND : EXIT_NOTHING;
}

/* --- all --- */

static int work(const struct job *job, const struct gate_args *a, struct err *err)
{
	struct gate g = { 0 };
	int code = gate_open(&g, a->config, a->data, err);
	if (!code)
		switch (job->bit) {
		case STATUS: code = gate_status(&g, a, err); break;
		case WHY: code = gate_why(&g, a, err); break;
		case ALLOW: code = gate_say(&g, a, LIST_ALLOW, err); break;
		case BLOCK: code = gate_say(&g, a, LIST_BLOCK, err); break;
		case UNBLOCK: code = gate_say(&g, a, LIST_NONE, err); break;
		default: code = gate_lists(&g, a, err);
		}
	gate_done(&g);
	return code;
}

int gate_job(int argc, char **argv)
{
	struct gate_args a = { 0 };
	struct err err = { 0 };
	const struct job *job = jobs_find(&jobs, argc, argv);
	if (!job)
		return -1;
	int status = parse_args(job, argc, argv, &a);
	const bool takes = job->bit & (WHY | ALLOW | BLOCK | UNBLOCK);
	if (status < 0 && takes && a.words.n != 1)
		status = err_set(&err, -EINVAL, "one %s is wanted, as in: khien gate %s %s",
		                 job->bit == WHY ? "address or number" : "address or network", job->name,
		                 job->bit == WHY ? "203.0.113.7" : "203.0.113.0/24");
	else if (status < 0)
		status = work(job, &a, &err);
	if (status < 0)
		status = gate_complain(job->name, &err);
	opt_list_done(&a.words);
	return status;
}
