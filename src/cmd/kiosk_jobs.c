/* Jobs of khien kiosk: the first admin, how it stands, and who of two goes on. They ask the kiosk that runs. */
#include "cmd/kiosk.h"

#include "cmd/cmd.h"
#include "cmd/jobs.h"
#include "cmd/term.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

enum { FIRST = 1, STATUS = 2, PROMOTE = 4, ALONE = 8, REJOIN = 16, PASSWORD_MAX = 256 };

struct args {
	const char *config, *data, *name;
	bool json, sure;
	struct opt_list words;
};

static const struct job described[] = {
	{ "first", FIRST, "[OPTION]... LOGIN",
	  "Makes the first admin, who makes the others on the pages. The password is asked for on the terminal; "
	  "without\n"
	  "one it is a line of standard input.",
	  "Exit status: 0 made, 1 there is an admin, or the password is too short, 2 the kiosk can't be asked." },
	{ "status", STATUS, "[OPTION]...", "Tells how the kiosk stands: its database, and the other kiosk.",
	  "Exit status: 0 it takes bookings, or follows; 1 it doesn't; 2 it doesn't run." },
	{ "promote", PROMOTE, "[OPTION]...",
	  "Makes this standby the one that writes. The register is asked whether the other one went on; without a\n"
	  "register --sure says that the other one is off, and stays off.",
	  "Exit status: 0 it writes now, 1 it may not, and why, 2 it can't be asked." },
	{ "alone", ALONE, "[OPTION]...",
	  "Has the primary go on without its standby, which has to catch up before it can be promoted.",
	  "Exit status: 0 it goes on, 1 it may not, and why, 2 it can't be asked." },
	{ "rejoin", REJOIN, "[OPTION]...",
	  "Makes a kiosk that wrote before the other one was promoted its standby. What only this one has is lost: "
	  "nobody\n"
	  "was told that it holds.",
	  "Exit status: 0 it follows, 1 it isn't one of these, 2 it can't be asked." },
};

static const struct jobs jobs = {
	.command = "kiosk",
	.what = "Jobs of a kiosk that runs.",
	.first = "write first, status, promote, alone or rejoin first, as in: khien kiosk status",
	.at = described,
	.n = ARRAY_LEN(described),
};

static int parse_args(const struct job *job, int argc, char **argv, struct args *a)
{
	const unsigned all = FIRST | STATUS | PROMOTE | ALONE | REJOIN;
	const struct job_opt opts[] = {
		{ FIRST,
		  { "name", 'n', OPT_TEXT, "NAME", "how the admin is shown (default: LOGIN)", &a->name, 0, 0, NULL } },
		{ STATUS, { "json", 'j', OPT_FLAG, NULL, "all of it as JSON", &a->json, 0, 0, NULL } },
		{ PROMOTE | ALONE,
		  { "sure", 0, OPT_FLAG, NULL, "the other kiosk is off, and stays so", &a->sure, 0, 0, NULL } },
		{ all,
		  { "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		    &a->config, 0, 0, NULL } },
		{ all,
		  { "data", 'd', OPT_TEXT, "DIR", "the kiosk's folder (default: as khien.yaml says)", &a->data, 0, 0,
		    NULL } },
	};
	return jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, job->bit == FIRST ? &a->words : NULL);
}

/* Asks the kiosk on this folder. */
static int ask(const struct args *a, json_t *call, json_t **answer, struct err *err)
{
	struct config c = { 0 };
	struct kiosk_line *line = NULL;
	CLEANUP(buf_free) struct buf problems = { 0 };
	int code = a->data ? 0 : config_read(&c, a->config, &problems);
	if (code)
		err_set(err, code, STR_FMT, STR_ARG(str_trim(buf_str(&problems))));
	else
		code = kiosk_line_open(&line, a->data ? a->data : c.kiosk.data, err);
	if (!code)
		code = kiosk_ask(line, call, answer, err);
	else
		json_decref(call);
	kiosk_line_close(line);
	if (!a->data && c.kiosk.data)
		config_done(&c);
	return code;
}

/* --- first --- */

/* On the terminal without showing it, or a line of standard input: never in an argument, which everybody may see. */
static int read_password(struct buf *to, struct err *err)
{
	struct termios was, quiet;
	const bool asks = !tcgetattr(STDIN_FILENO, &was);
	char *room = buf_room(to, PASSWORD_MAX);
	ssize_t n = 1;
	if (asks) {
		quiet = was;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
		term_write(STDERR_FILENO, STR("Password, 10 characters at least: "));
	}
	while (room && n > 0 && to->n < PASSWORD_MAX && str_find(buf_str(to), '\n') == to->n) {
		n = read(STDIN_FILENO, room + to->n, PASSWORD_MAX - to->n);
		to->n += n > 0 ? (size_t)n : 0;
	}
	if (asks) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
		term_write(STDERR_FILENO, STR("\n"));
	}
	const size_t line = str_find(buf_str(to), '\n');
	if (line == to->n && to->n == PASSWORD_MAX)
		return err_set(err, -E2BIG, "a password has fewer than %d bytes", PASSWORD_MAX);
	to->n = line;
	return to->n ? 0 : err_set(err, -EINVAL, "no password");
}

static int first(const struct args *a, json_t **answer, struct err *err)
{
	CLEANUP(kiosk_wipe) struct buf password = { .max = PASSWORD_MAX };
	const char *login = a->words.at[0];
	int code = read_password(&password, err);
	if (code)
		return code;
	return ask(a,
	           json_pack("{s:s, s:s, s:s, s:s%}", "op", "first", "login", login, "name", a->name ? a->name : login,
	                     "password", password.p, password.n),
	           answer, err);
}

/* --- status --- */

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));
	return text ? text : "";
}

static int tell_status(const struct args *a, const json_t *s)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	const json_t *f = json_object_get(s, "follow");
	const char *state = text_of(f, "state"), *trouble = text_of(s, "not_stored");
	char *json = a->json ? json_dumps(s, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (json)
		buf_printf(&out, "%s\n", json);
	free(json);
	if (!a->json) {
		buf_printf(&out, "database   %s%s%s\n", text_of(s, "database"), *trouble ? ": " : "", trouble);
		buf_printf(&out, "changes    %lld since the start, %lld in all, epoch %lld\n",
		           (long long)json_integer_value(json_object_get(s, "changes")),
		           (long long)json_integer_value(json_object_get(s, "seq")),
		           (long long)json_integer_value(json_object_get(s, "epoch")));
		buf_printf(&out, "state      %s%s%s\n", state, *text_of(f, "why") ? ": " : "", text_of(f, "why"));
		if (strcmp(state, "single") != 0)
			buf_printf(&out, "standby    %s, has %lld; register %s\n",
			           json_is_true(json_object_get(f, "peer")) ? "there" : "away",
			           (long long)json_integer_value(json_object_get(f, "standby_has")),
			           json_is_true(json_object_get(f, "register")) ? "there" : "away");
	}
	term_write(STDOUT_FILENO, buf_str(&out));
	return *trouble || strcmp(state, "stale") == 0 || strcmp(state, "waiting") == 0 ? EXIT_FOUND : EXIT_NOTHING;
}

/* --- all --- */

static const char *in_words(const char *refused)
{
	static const char *const known[][2] = {
		{ "not-standby", "this kiosk is no standby" },
		{ "not-primary", "this kiosk is not the one that writes" },
		{ "catches-up", "it doesn't have everything yet: wait, or --sure" },
		{ "primary-went-on", "the other kiosk went on alone, and has bookings that this one lacks" },
		{ "no-register", "no register can say what the other kiosk does: switch that one off, and add --sure" },
		{ "register-forgot", "the register is not the one it was: switch the other kiosk off, and add --sure" },
		{ "is-promoted", "the other kiosk was promoted" },
		{ "no-standby", "no other kiosk is configured" },
		{ "not-stale", "this kiosk isn't out of date" },
		{ "busy", "it is being asked already" },
		{ "short", "the password has fewer than 10 characters" },
		{ "login", "there is somebody of that name, or it is no name" },
		{ "state", "there is an admin already" },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i][0], refused) == 0)
			return known[i][1];
	return refused;
}

static int work(const struct job *job, const struct args *a, struct err *err)
{
	json_t *answer = NULL;
	int code = job->bit == FIRST ? first(a, &answer, err)
	                             : ask(a, json_pack("{s:s, s:b}", "op", job->name, "sure", a->sure), &answer, err);
	if (code)
		return kiosk_complain(job->name, err);
	const char *refused = json_string_value(json_object_get(answer, "refused"));
	int status = refused ? EXIT_FOUND : EXIT_NOTHING;
	if (refused) {
		err_set(err, -EPERM, "%s", in_words(refused));
		kiosk_complain(job->name, err);
	} else if (job->bit == STATUS) {
		status = tell_status(a, answer);
	}
	json_decref(answer);
	return status;
}

int kiosk_job(int argc, char **argv)
{
	struct args a = { 0 };
	struct err err = { 0 };
	const struct job *job = jobs_find(&jobs, argc, argv);
	if (!job)
		return -1;
	int status = parse_args(job, argc, argv, &a);
	if (status < 0 && job->bit == FIRST && a.words.n != 1) {
		err_set(&err, -EINVAL, "one login is wanted, as in: khien kiosk first huong");
		status = kiosk_complain("first", &err);
	}
	status = status < 0 ? work(job, &a, &err) : status;
	opt_list_done(&a.words);
	return status;
}
