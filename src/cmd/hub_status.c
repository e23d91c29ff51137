/* khien hub status: what a hub holds, who sends, how long there is room, what it raised last. Reads, changes nothing. */
#include "cmd/cmd.h"
#include "cmd/hub.h"
#include "cmd/hub_admin.h"
#include "cmd/opt.h"
#include "cmd/print.h"
#include "cmd/term.h"
#include "cmd/words.h"
#include "store/events.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_MAX = 8 << 20 };
static const time_t STALE = 20; /* s; the hub writes every 5 */

struct status {
	const char *data;
	int lang, color;
	uint64_t alerts;
	struct admin admin;
	struct buf text; /* what the running hub wrote last: as /metrics */
	bool runs;
	struct buf out;
	uint64_t n_datasets;
};

static int parse_args(struct status *s, int argc, char **argv)
{
	const struct opt opts[] = {
		{ "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &s->data, 0, 0, NULL },
		{ "alerts", 'a', OPT_NUMBER, "N", "so many of the last alerts (default: 10)", &s->alerts, 0, 10000,
		  NULL },
		{ "lang", 'l', OPT_CHOICE, "LANG", "vi, en, zh (default: from $LANG)", &s->lang, 0, 0, words_choices },
		{ "color", 0, OPT_CHOICE, "WHEN", "auto, always, never", &s->color, 0, 0, term_color_choices },
	};
	static const char *const synopsis[] = { "[OPTION]...", NULL };
	const struct opt_spec spec = {
		.command = "hub status",
		.synopsis = synopsis,
		.what = "Tells what the hub holds, who sends to it, until when there is room, and its last alerts.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 told, 1 the hub doesn't run or can't store, 2 it could not be read.",
	};
	return opt_parse(&spec, argc, argv, NULL);
}

/* --- what the hub wrote --- */

static int read_status(struct status *s)
{
	char path[sizeof(s->admin.store) + 16];
	struct stat st;
	snprintf(path, sizeof(path), "%s/status", s->admin.store);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	s->runs = !fstat(fd, &st) && time(NULL) - st.st_mtime < STALE;
	char *to = st.st_size < STATUS_MAX ? buf_room(&s->text, (size_t)st.st_size + 1) : NULL;
	ssize_t n = to ? read(fd, to, (size_t)st.st_size) : 0;
	s->text.n = n > 0 ? (size_t)n : 0;
	close(fd);
	return 0;
}

/* The value behind "khien_NAME ", or behind a sender's label; NAN: not there. */
static double value_of(const struct status *s, const char *name)
{
	struct str rest = buf_str(&s->text);
	const struct str wanted = str_from(name);
	while (rest.n) {
		struct str line = str_sub(rest, 0, str_find(rest, '\n'));
		rest = str_sub(rest, line.n + 1, rest.n);
		if (!str_starts(line, wanted) || line.n <= wanted.n || line.p[wanted.n] != ' ')
			continue;
		char number[64];
		struct str value = str_sub(line, wanted.n + 1, sizeof(number) - 1);
		memcpy(number, value.p, value.n);
		number[value.n] = '\0';
		return strtod(number, NULL);
	}
	return NAN;
}

/* --- showing --- */

static void add_size(struct buf *out, double bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t i = 0;
	for (; bytes >= 1000 && i + 1 < ARRAY_LEN(units); i++)
		bytes /= 1000;
	buf_printf(out, bytes < 10 && i ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

static void add_day(struct buf *out, int64_t us)
{
	time_t t = us / CLOCK_S;
	struct tm tm;
	char text[32] = "-";
	if (us && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	buf_add(out, str_from(text));
}

static void add_cell(struct buf *out, struct str text, size_t width, bool right)
{
	struct str cut = term_cut(text, width);
	size_t columns = term_columns(cut);
	if (right)
		buf_printf(out, "%*s", (int)(width - columns), "");
	buf_add(out, cut);
	if (!right)
		buf_printf(out, "%*s", (int)(width - columns), "");
	buf_add(out, STR("  "));
}

static void add_number(struct buf *out, double n, size_t width)
{
	char text[32];
	snprintf(text, sizeof(text), "%.0f", isnan(n) ? 0 : n);
	add_cell(out, str_from(text), width, true);
}

static void add_headings(struct status *s, enum word heading, const size_t *widths, size_t n)
{
	struct str rest = str_from(words((enum language)s->lang, heading));
	buf_putc(&s->out, '\n');
	for (size_t i = 0; i < n; i++) {
		struct str cell = str_sub(rest, 0, str_find(rest, '|'));
		rest = str_sub(rest, cell.n + 1, rest.n);
		add_cell(&s->out, cell, widths[i], i > 0);
	}
	buf_putc(&s->out, '\n');
}

static const size_t dataset_widths[] = { 24, 14, 10, 10, 10, 10 };

static int on_dataset(void *arg, const struct event_usage *u)
{
	struct status *s = arg;
	struct buf cell = { 0 };
	if (!s->n_datasets++)
		add_headings(s, WORD_STATUS_DATASETS, dataset_widths, ARRAY_LEN(dataset_widths));
	term_safe(&cell, u->dataset);
	add_cell(&s->out, buf_str(&cell), dataset_widths[0], false);
	add_number(&s->out, (double)u->events, dataset_widths[1]);
	cell.n = 0;
	add_size(&cell, (double)u->stored_bytes);
	add_cell(&s->out, buf_str(&cell), dataset_widths[2], true);
	cell.n = 0;
	buf_printf(&cell, "1/%.1f", u->stored_bytes ? (double)u->raw_bytes / (double)u->stored_bytes : 1.0);
	add_cell(&s->out, buf_str(&cell), dataset_widths[3], true);
	const int64_t times[] = { u->oldest, u->newest };
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		cell.n = 0;
		add_day(&cell, times[i]);
		add_cell(&s->out, buf_str(&cell), dataset_widths[4 + i], true);
	}
	buf_putc(&s->out, '\n');
	buf_free(&cell);
	return 0;
}

static int add_events(struct status *s, struct err *err)
{
	char dir[sizeof(s->admin.store) + 16];
	const struct events_config config = { .dir = dir, .read_only = true, .clock = &clock_system };
	struct events *events;
	snprintf(dir, sizeof(dir), "%s/events", s->admin.store);
	int code = events_embedded.open(&events, &config, err);
	if (code)
		return code;
	code = events_embedded.usage(events, on_dataset, s, err);
	events_embedded.close(events);
	return code;
}

/* A line for each sender that the running hub knows: its label is found in the metrics. */
static void add_senders(struct status *s)
{
	static const size_t widths[] = { 36, 14, 14, 10, 8, 10 };
	static const struct str first = { "khien_sender_events_total{sender=\"", 34 };
	static const char *const names[] = { "events", "kept", "known", "bad", "refused" };
	struct str rest = buf_str(&s->text);
	bool any = false;
	while (rest.n) {
		struct str line = str_sub(rest, 0, str_find(rest, '\n'));
		rest = str_sub(rest, line.n + 1, rest.n);
		const char *end = str_starts(line, first) ? memrchr(line.p, '"', line.n) : NULL;
		if (!end)
			continue;
		struct str label = str_sub(line, first.n, (size_t)(end - line.p) - first.n);
		struct buf safe = { 0 };
		if (!any)
			add_headings(s, WORD_STATUS_SENDERS, widths, ARRAY_LEN(widths));
		any = true;
		term_safe(&safe, label);
		add_cell(&s->out, buf_str(&safe), widths[0], false);
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			safe.n = 0;
			buf_printf(&safe, "khien_sender_%s_total{sender=\"%.*s\"}", names[i], STR_ARG(label));
			buf_putc(&safe, '\0');
			add_number(&s->out, value_of(s, safe.p), widths[i + 1]);
		}
		buf_putc(&s->out, '\n');
		buf_free(&safe);
	}
}

/* In the language of who reads; as it stands where it is none that khien knows. */
static struct str level_name(const struct status *s, struct str level)
{
	for (unsigned i = LEVEL_INFORMATIONAL; i <= LEVEL_CRITICAL; i++)
		if (str_eq(level, str_from(print_level(i))))
			return str_from(words((enum language)s->lang, WORD_LEVEL_NONE + (enum word)i));
	return level;
}

static int on_alert(void *arg, const struct alert_row *a)
{
	struct status *s = arg;
	const struct str parts[] = { level_name(s, a->level), a->title, a->host, a->user, a->address };
	static const size_t widths[] = { 14, 40, 16, 16, 16 };
	const bool color = term_color(STDOUT_FILENO, s->color);
	time_t t = a->time / CLOCK_S;
	struct tm tm;
	char when[32] = "-";
	if (localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	buf_printf(&s->out, "%s  ", when);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct buf safe = { 0 };
		term_safe(&safe, parts[i]);
		if (i == 0 && color && (str_eq(a->level, STR("critical")) || str_eq(a->level, STR("high"))))
			buf_add(&s->out, STR("\033[31m"));
		add_cell(&s->out, buf_str(&safe), widths[i], false);
		if (i == 0 && color)
			buf_add(&s->out, STR("\033[0m"));
		buf_free(&safe);
	}
	buf_printf(&s->out, "×%u\n", a->count);
	return 0;
}

static int add_alerts(struct status *s, struct err *err)
{
	const struct state_config config = { .dir = s->admin.store, .read_only = true, .clock = &clock_system };
	struct state *state;
	size_t before;
	int migrated, code = state_open(&state, &config, &migrated, err);
	if (code)
		return code;
	buf_printf(&s->out, "\n%s\n", words((enum language)s->lang, WORD_STATUS_ALERTS));
	before = s->out.n;
	code = s->alerts ? state_alerts(state, 0, s->alerts, on_alert, s, err) : 0;
	if (!code && s->out.n == before)
		buf_printf(&s->out, "%s\n", words((enum language)s->lang, WORD_STATUS_NONE));
	state_close(state);
	return code;
}

static void add_summary(struct status *s)
{
	const enum language lang = (enum language)s->lang;
	struct buf size = { 0 }, since = { 0 }, full = { 0 };
	if (!s->runs) {
		words_add(&s->out, lang, WORD_STATUS_DOWN, s->admin.data);
		buf_putc(&s->out, '\n');
		return;
	}
	const double up = value_of(s, "khien_uptime_seconds"), full_at = value_of(s, "khien_store_full_seconds");
	add_size(&size, value_of(s, "khien_store_bytes"));
	add_day(&since, (int64_t)(value_of(s, "khien_store_oldest_seconds") * CLOCK_S));
	words_add(&s->out, lang, WORD_STATUS_UP, up / 3600, value_of(s, "khien_events_kept_total"),
	          value_of(s, "khien_rules"));
	buf_putc(&s->out, '\n');
	buf_putc(&size, '\0');
	buf_putc(&since, '\0');
	words_add(&s->out, lang, WORD_STATUS_STORE, size.p, since.p);
	if (full_at > 0) {
		add_day(&full, (int64_t)(full_at * CLOCK_S));
		buf_putc(&full, '\0');
		buf_putc(&s->out, ' ');
		words_add(&s->out, lang, WORD_STATUS_FULL, full.p);
	}
	buf_putc(&s->out, '\n');
	if (value_of(s, "khien_store_trouble") > 0) {
		words_add(&s->out, lang, WORD_STATUS_TROUBLE);
		buf_putc(&s->out, '\n');
	}
	buf_free(&size);
	buf_free(&since);
	buf_free(&full);
}

static int tell(struct status *s, struct err *err)
{
	int code = admin_find(&s->admin, s->data, err);
	if (!code && !s->admin.exists)
		code = err_set(err, -ENOENT, "there is no hub in '%s': --data says where it is", s->admin.data);
	if (!code) /* what lies in the keeper's folder is read with the keeper's rights, not root's */
		code = admin_become(&s->admin, err);
	if (code)
		return code;
	if ((code = read_status(s)))
		err_set(err, code, "read '%s/status': %m; it belongs to who runs the hub", s->admin.data);
	if (code)
		return code;
	add_summary(s);
	code = add_events(s, err);
	if (!code) {
		add_senders(s);
		code = add_alerts(s, err);
	}
	return code;
}

int hub_status(int argc, char **argv)
{
	struct status s = { .alerts = 10, .lang = (int)words_from_environment() };
	struct err err = { 0 };
	int status = parse_args(&s, argc, argv);
	if (status >= 0)
		return status;
	status = EXIT_TROUBLE;
	if (tell(&s, &err))
		admin_complain("status", &err);
	else if (!term_write(STDOUT_FILENO, buf_str(&s.out)))
		status = s.runs && !(value_of(&s, "khien_store_trouble") > 0) ? EXIT_NOTHING : EXIT_FOUND;
	buf_free(&s.out);
	buf_free(&s.text);
	return status;
}
