/*
 * khien gate allow, block, unblock, lists: the lists file, changed by one at a time, written whole, and handed to the gate that runs.
 * Lines that aren't about the prefix stay as they were written; those that expired go.
 */
#include "cmd/gate_ask.h"
#include "cmd/gate_operators.h"
#include "cmd/gate_whom.h"

#include "base/clock.h"
#include "cmd/cmd.h"
#include "event/event.h"
#include "os/atomic.h"
#include "proxy/control.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* 0644: only who may enter the folder gets there, and the agent is another user than who writes. */
enum { MODE = 0644, LOCK_TRIES = 600, LOCK_AGAIN_MS = 100 };
static const int64_t HOUR = 3600, DAY = 86400, LONGEST = 100LL * 366 * 86400;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* --- until when --- */

static int read_span(const char *text, int64_t *ret, struct err *err)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = { 1, 60, HOUR, DAY, 7 * DAY };
	const size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] && !text[digits + 1] ? strchr(units, text[digits]) : NULL;
	const int64_t n = digits && digits < 8 ? strtoll(text, NULL, 10) : 0;
	if (!unit || !n)
		return err_set(err, -EINVAL, "--for: a whole number and s, m, h, d or w, as in 2h");
	*ret = n * seconds[unit - units];
	return 0;
}

/* This machine's time where none is named: of a clock's time the next, of a day its end. */
static int read_time(const char *text, int64_t now_s, int64_t *ret, struct err *err)
{
	struct tm tm = { .tm_isdst = -1 };
	const time_t now = (time_t)now_s;
	const char *end;
	int64_t us;
	if ((end = strptime(text, "%Y-%m-%d", &tm)) && !*end) {
		tm.tm_mday++;
		*ret = mktime(&tm);
	} else if ((end = strptime(text, "%Y-%m-%d %H:%M", &tm)) && !*end) {
		*ret = mktime(&tm);
	} else if (localtime_r(&now, &tm) && (end = strptime(text, "%H:%M", &tm)) && !*end) {
		tm.tm_sec = 0;
		tm.tm_isdst = -1;
		*ret = mktime(&tm);
		if (*ret <= now_s) {
			tm.tm_mday++;
			*ret = mktime(&tm);
		}
	} else if (strchr(text, 'T') && event_parse_time(str_from(text), &us)) {
		*ret = us / CLOCK_S;
	} else {
		return err_set(
		        err, -EINVAL,
		        "--until: a time such as 18:00, 2026-11-30, '2026-11-30 18:00' or 2026-11-30T18:00:00+07:00");
	}
	return 0;
}

static int read_until(const struct gate_args *a, enum list_action action, int64_t now_s, int64_t *ret, struct err *err)
{
	int64_t span = action == LIST_BLOCK ? HOUR : 30 * DAY;
	int code = 0;
	if (!!a->span + !!a->until + a->forever > 1)
		return err_set(err, -EINVAL, "--for, --until, --forever: one of them");
	if (a->forever) {
		*ret = INT64_MAX;
		return 0;
	}
	if (a->span)
		code = read_span(a->span, &span, err);
	if (!code)
		*ret = now_s + span;
	if (!code && a->until)
		code = read_time(a->until, now_s, ret, err);
	if (!code && *ret <= now_s)
		code = err_set(err, -EINVAL, "--until: that is over already");
	if (!code && *ret - now_s > LONGEST)
		code = err_set(err, -EINVAL, "nobody knows what is then: write --forever");
	return code;
}

/* --- who and why --- */

/* Through sudo it is who called it; who may write the list may write any name into it. */
static void read_name(char to[LIST_BY])
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw = sudo && *sudo ? NULL : getpwuid(getuid());
	const char *name = sudo && *sudo ? sudo : pw ? pw->pw_name : "";
	size_t n = 0;
	for (; *name && n < LIST_BY - 1; name++)
		if (strchr("._-@", *name) || (*name >= '0' && *name <= '9') ||
		    ((*name | 0x20) >= 'a' && (*name | 0x20) <= 'z'))
			to[n++] = *name;
	to[n] = '\0';
	if (!n)
		snprintf(to, LIST_BY, "uid-%u", (unsigned)getuid());
}

static int read_reason(const char *text, char to[LIST_WHY], struct err *err)
{
	if (!text || !*text)
		return err_set(err, -EINVAL,
		               "--why is wanted: others will ask, as in --why 'posts forms over and over'");
	if (strlen(text) >= LIST_WHY)
		return err_set(err, -EINVAL, "--why: %d bytes at most", LIST_WHY - 1);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(err, -EINVAL, "--why: one line, without control characters");
	snprintf(to, LIST_WHY, "%s", text);
	return 0;
}

static int read_entry(const struct gate *g, const struct gate_args *a, enum list_action action, struct list_entry *e,
                      struct err *err)
{
	const int64_t now_s = clock_wall(g->clock) / CLOCK_S;
	*e = (struct list_entry){ .action = (uint8_t)action };
	int code = list_prefix(str_from(a->words.at[0]), &e->addr, &e->bits, err);
	if (code || action == LIST_NONE)
		return code;
	code = read_until(a, action, now_s, &e->until_s, err);
	if (!code)
		code = read_reason(a->reason, e->why, err);
	if (!code && action == LIST_BLOCK && !a->really)
		code = gate_whom(g->c, &e->addr, e->bits, err);
	read_name(e->by);
	return code;
}

/* --- the file --- */

static bool same_prefix(const struct list_entry *a, const struct list_entry *b)
{
	return a->bits == b->bits && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

/* Who holds it longer than a minute has hung. */
static int lock(const char *folder, struct err *err)
{
	const struct timespec again = { .tv_nsec = LOCK_AGAIN_MS * 1000000L };
	char path[4200];
	snprintf(path, sizeof(path), "%s/lists.lock", folder);
	const int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
			close(fd);
			return err_set(err, -EBUSY, "another khien gate changes the lists just now");
		}
		nanosleep(&again, NULL);
	}
	return fd;
}

/* The text without lines of this prefix and those that expired, and the new one at its end. */
static void edit(const struct gate_list *l, const struct list_entry *e, int64_t now_s, struct buf *out)
{
	for (struct str left = buf_str(&l->text); left.n;) {
		const struct str line = str_sub(left, 0, str_find(left, '\n'));
		struct list_entry one;
		size_t n = 0;
		if (list_read(line, &one, 1, &n, NULL) || !n || (!same_prefix(&one, e) && one.until_s > now_s)) {
			buf_add(out, line);
			buf_putc(out, '\n');
		}
		left = str_sub(left, line.n + 1, left.n);
	}
	if (e->action != LIST_NONE)
		list_write(out, e, 1);
}

/* 0: the gate goes by it; 1: it doesn't run. */
static int hand_over(const struct gate *g, struct str text, struct err *err)
{
	CLEANUP(buf_free) struct buf answer = { .max = CONTROL_ANSWER_MAX };
	const int status = control_ask(g->paths.control, "PUT", "/lists", text, &answer, err);
	if (status == 200)
		return 0;
	if (status == -ENOENT || status == -ECONNREFUSED)
		return 1;
	if (status < 0)
		return status;
	return err_set(err, -EIO, "it is written, but the gate that runs doesn't take it: it answers %d: " STR_FMT,
	               status, STR_ARG(str_sub(buf_str(&answer), 0, 200)));
}

/* --- what is said --- */

static void add_until(struct buf *out, int64_t until_s)
{
	char when[GATE_TIME];
	if (until_s == INT64_MAX)
		buf_add(out, STR("until it is taken back"));
	else
		buf_printf(out, "until %s", gate_time(until_s, when));
}

static void add_utc(struct buf *out, int64_t s)
{
	const time_t t = (time_t)s;
	char text[32];
	struct tm tm;
	if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf_add(out, str_from(text));
}

/* The command that says the same again. */
static void add_again(struct buf *out, const struct gate_args *a, const struct list_entry *e)
{
	char prefix[LIST_PREFIX_TEXT];
	gate_command(out, a, e->action == LIST_ALLOW ? "allow" : "block", list_prefix_text(&e->addr, e->bits, prefix));
	buf_add(out, e->until_s == INT64_MAX ? STR(" --forever") : STR(" --until "));
	if (e->until_s != INT64_MAX)
		add_utc(out, e->until_s);
	buf_add(out, STR(" --why "));
	gate_quote(out, str_from(e->why));
}

static void tell(const struct gate_args *a, const struct gate_list *was, const struct list_entry *e, int64_t now_s,
                 bool runs)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	char prefix[LIST_PREFIX_TEXT];
	bool before = false;
	list_prefix_text(&e->addr, e->bits, prefix);
	buf_printf(&out, "%s is %s", prefix,
	           e->action == LIST_ALLOW   ? "allowed "
	           : e->action == LIST_BLOCK ? "blocked "
	                                     : "neither allowed nor blocked by name any more");
	if (e->action != LIST_NONE)
		add_until(&out, e->until_s);
	buf_printf(&out, ".%s\n", runs ? "" : " The gate doesn't run: it counts from its start.");
	for (size_t i = 0; i < was->n; i++) {
		if (!same_prefix(&was->at[i], e) || was->at[i].until_s <= now_s)
			continue;
		before = true;
		buf_add(&out, STR("undo: "));
		add_again(&out, a, &was->at[i]);
		buf_putc(&out, '\n');
	}
	if (!before) {
		buf_add(&out, STR("undo: "));
		gate_command(&out, a, "unblock", prefix);
		buf_putc(&out, '\n');
	}
	gate_show(STDOUT_FILENO, &out);
}

/* There is nothing of it; but something wider may be what is meant. */
static void tell_nothing(const struct gate_args *a, struct gate_list *l, const struct list_entry *e, int64_t now_s)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	char prefix[LIST_PREFIX_TEXT];
	list_sort(l->at, l->n);
	const struct list_entry *wider = list_look(l->at, l->n, &e->addr, now_s);
	buf_printf(&out, "%s isn't on the list.\n", list_prefix_text(&e->addr, e->bits, prefix));
	if (wider) {
		list_prefix_text(&wider->addr, wider->bits, prefix);
		buf_printf(&out, "%s is, which holds it: ", prefix);
		gate_command(&out, a, "unblock", prefix);
		buf_putc(&out, '\n');
	}
	gate_show(STDERR_FILENO, &out);
}

static bool is_there(const struct gate_list *l, const struct list_entry *e, int64_t now_s)
{
	for (size_t i = 0; i < l->n; i++)
		if (same_prefix(&l->at[i], e) && l->at[i].until_s > now_s)
			return true;
	return false;
}

static int change(const struct gate *g, const struct gate_args *a, const struct list_entry *e, struct gate_list *was,
                  struct err *err)
{
	CLEANUP(buf_free) struct buf text = { .max = LIST_TEXT };
	const int64_t now_s = clock_wall(g->clock) / CLOCK_S;
	int code = gate_list_read(was, g->paths.lists, err);
	if (code)
		return code;
	if (e->action == LIST_NONE && !is_there(was, e, now_s)) {
		tell_nothing(a, was, e, now_s);
		return EXIT_FOUND;
	}
	edit(was, e, now_s, &text);
	if (text.failed || (e->action != LIST_NONE && was->n >= LIST_MAX))
		return err_set(err, -E2BIG, "the list is full: %d lines, %d bytes at most", LIST_MAX, LIST_TEXT);
	code = atomic_write(g->paths.state, strrchr(g->paths.lists, '/') + 1, buf_str(&text), MODE, err);
	if (!code)
		code = hand_over(g, buf_str(&text), err);
	if (code < 0)
		return code;
	tell(a, was, e, now_s, !code);
	return EXIT_NOTHING;
}

int gate_say(struct gate *g, const struct gate_args *a, enum list_action action, struct err *err)
{
	struct list_entry e;
	struct gate_list was = { 0 };
	int code = read_entry(g, a, action, &e, err);
	if (!code && access(g->paths.state, F_OK))
		code = gate_folders(g, err); /* it never ran: what is said holds from its first start on */
	if (code)
		return code;
	/* held until the gate has it too: of two changes it gets the later one later */
	CLEANUP(close_fd) int locked = lock(g->paths.state, err);
	code = locked < 0 ? locked : change(g, a, &e, &was, err);
	gate_list_done(&was);
	return code;
}

/* --- lists --- */

static void add_json(struct buf *out, const struct list_entry *e, const char *prefix)
{
	buf_printf(out, "{\"action\":\"%s\",\"prefix\":\"%s\",\"until\":", e->action == LIST_ALLOW ? "allow" : "block",
	           prefix);
	buf_add(out, e->until_s == INT64_MAX ? STR("null") : STR("\""));
	if (e->until_s != INT64_MAX) {
		add_utc(out, e->until_s);
		buf_putc(out, '"');
	}
	buf_add(out, STR(",\"by\":"));
	buf_add_json(out, str_from(e->by));
	buf_add(out, STR(",\"why\":"));
	buf_add_json(out, str_from(e->why));
	buf_add(out, STR("}\n"));
}

int gate_lists(const struct gate *g, const struct gate_args *a, struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct gate_list l = { 0 };
	const int64_t now_s = clock_wall(g->clock) / CLOCK_S;
	const int code = gate_list_read(&l, g->paths.lists, err);
	for (size_t i = 0; i < l.n && !code; i++) {
		const struct list_entry *e = &l.at[i];
		char prefix[LIST_PREFIX_TEXT];
		list_prefix_text(&e->addr, e->bits, prefix);
		if (e->until_s <= now_s)
			continue;
		if (a->json) {
			add_json(&out, e, prefix);
			continue;
		}
		buf_printf(&out, "%s %s ", e->action == LIST_ALLOW ? "allow" : "block", prefix);
		add_until(&out, e->until_s);
		buf_printf(&out, ", by %s: %s\n", e->by, e->why);
	}
	if (!code)
		gate_show(STDOUT_FILENO, &out);
	gate_list_done(&l);
	return code ? code : EXIT_NOTHING;
}
