/* khien hub import: events of an export into a store that no hub has open. */
#include "cmd/hub_export.h"

#include "cmd/cmd.h"
#include "cmd/find_print.h"
#include "cmd/find_query.h"
#include "cmd/interrupt.h"
#include "cmd/term.h"
#include "intake/envelope.h"
#include "intake/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BATCH_ROWS = 1024,
	BATCH_BYTES = 4 << 20,
	SYNC_ROWS = 64 * BATCH_ROWS,
	LINE_MAX_BYTES = EVENT_JSON_MAX + 2, /* with its end */
	READ = 256 << 10,
	BAD_SHOWN = 20,
};

struct args {
	struct opt_list files;
	const char *data;
	bool quiet;
	int lang;
};

struct import {
	struct args args;
	enum language language;
	struct events *store;
	struct envelope *envelope;
	struct buf in; /* read and not yet taken: from `at` on */
	size_t at;
	struct buf json, ids; /* of the batch: what its rows point into, by offsets until it is full */
	struct pending {
		int64_t time;
		uint32_t json, dataset, id; /* lengths */
	} pending[BATCH_ROWS];
	size_t n;
	struct event_row rows[BATCH_ROWS];
	uint8_t verdicts[BATCH_ROWS];
	int *fds; /* of the files */
	const char *file;
	uint64_t line;
	uint64_t kept, known, bad, unsynced, bytes;
	struct progress progress;
	struct interrupt interrupt;
};

static const char *const synopsis[] = { "[options] FILE...", NULL };

static int parse_args(int argc, char **argv, struct args *a)
{
	const struct opt opts[] = {
		FIND_OPT_DATA('d', &a->data),
		FIND_OPT_LANG(&a->lang),
		FIND_OPT_QUIET('q', &a->quiet),
	};
	const struct opt_spec spec = {
		.command = "hub import",
		.synopsis = synopsis,
		.what = "Takes events that 'khien hub export' wrote (NDJSON; plain, zstd or gzip) into the store. No "
		        "hub may\n"
		        "run on it meanwhile. Events with a khien.id that are there already are not taken again.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 done, 2 something could not be done.\n\n"
		        "Example: khien hub import november.ndjson.zst\n",
	};
	return opt_parse(&spec, argc, argv, &a->files);
}

static void say(struct import *m, struct str text)
{
	struct buf line = { 0 };
	buf_add(&line, STR("khien: "));
	term_safe(&line, text);
	buf_putc(&line, '\n');
	progress_clear(&m->progress);
	term_write(STDERR_FILENO, buf_str(&line));
	buf_free(&line);
}

/* The line is named; its bytes are not shown. */
static void say_bad(struct import *m, const char *why)
{
	struct buf b = { 0 };
	if (m->bad++ < BAD_SHOWN)
		buf_printf(&b, "%s:%llu: not imported: %s", m->file, (unsigned long long)m->line, why);
	else if (m->bad == BAD_SHOWN + 1)
		buf_printf(&b, "%s: more lines could not be imported; the closing line counts them", m->file);
	if (b.n)
		say(m, buf_str(&b));
	buf_free(&b);
}

static int sync_store(struct import *m, struct err *err)
{
	int r = m->unsynced ? events_embedded.sync(m->store, err) : 0;
	if (!r)
		m->unsynced = 0;
	return r;
}

static struct str next_text(const struct buf *b, size_t *at, uint32_t n)
{
	struct str s = { b->p + *at, n };
	*at += n;
	return s;
}

/* What has gathered goes to the store. */
static int hand_on(struct import *m, struct err *err)
{
	size_t json = 0, ids = 0;
	uint64_t seq;
	if (!m->n)
		return 0;
	if (m->json.failed || m->ids.failed)
		return err_set(err, -ENOMEM, "%m");
	for (size_t i = 0; i < m->n; i++) {
		const struct pending *p = &m->pending[i];
		m->rows[i].time = p->time;
		m->rows[i].json = next_text(&m->json, &json, p->json);
		m->rows[i].dataset = next_text(&m->ids, &ids, p->dataset);
		m->rows[i].id = next_text(&m->ids, &ids, p->id);
	}
	int r = events_embedded.append(m->store, m->rows, m->n, m->verdicts, &seq, err);
	for (size_t i = 0; !r && i < m->n; i++)
		*(m->verdicts[i] == EVENT_KNOWN ? &m->known : &m->kept) += 1;
	m->unsynced += m->n;
	m->n = m->json.n = m->ids.n = 0;
	if (!r && m->unsynced >= SYNC_ROWS)
		r = sync_store(m, err);
	return r ? r : events_embedded.tick(m->store, err);
}

/*
 * When the event was received: a time that wasn't believed then isn't believed now. In a JSON text the name can't stand
 * in a value, where its quotes are escaped.
 */
static int64_t received_of(struct str line)
{
	static const char name[] = "\"khien.received\":\"";
	const char *at = memmem(line.p, line.n, name, sizeof(name) - 1);
	int64_t us;
	if (at) {
		struct str rest = str_sub(line, (size_t)(at - line.p) + sizeof(name) - 1, 40);
		if (event_parse_time(str_sub(rest, 0, str_find(rest, '"')), &us))
			return us;
	}
	return clock_wall(&clock_system);
}

static int take_line(struct import *m, struct str line, struct err *err)
{
	struct envelope_row row;
	struct err why = { 0 };
	m->line++;
	line = str_trim(line);
	if (!line.n)
		return 0;
	const struct envelope_around around = { .format = intake_format(STR("json")), .received = received_of(line) };
	size_t before = m->json.n;
	int r = envelope_seal(m->envelope, line, &around, &m->json, &row, &why);
	if (r == -ENOMEM)
		return err_set(err, r, "%m");
	if (r) {
		say_bad(m, why.text);
		return 0;
	}
	m->pending[m->n++] = (struct pending){ row.time, (uint32_t)(m->json.n - before), (uint32_t)row.dataset.n,
		                               (uint32_t)row.id.n };
	buf_add(&m->ids, row.dataset);
	buf_add(&m->ids, row.id);
	return m->n == BATCH_ROWS || m->json.n >= BATCH_BYTES ? hand_on(m, err) : 0;
}

/* The whole lines of what was read. Of one that is too long only the end is waited for. */
static int take_lines(struct import *m, bool *too_long, struct err *err)
{
	int r = 0;
	for (;;) {
		struct str rest = { m->in.p + m->at, m->in.n - m->at };
		size_t n = str_find(rest, '\n');
		if (r || n == rest.n)
			break;
		m->at += n + 1;
		if (*too_long)
			*too_long = false;
		else
			r = take_line(m, str_sub(rest, 0, n), err);
	}
	if (m->at)
		memmove(m->in.p, m->in.p + m->at, m->in.n - m->at);
	m->in.n -= m->at;
	m->at = 0;
	if (!r && !*too_long && m->in.n > LINE_MAX_BYTES) {
		m->line++;
		say_bad(m, "longer than 1 MiB");
		*too_long = true;
	}
	if (*too_long)
		m->in.n = 0;
	return r;
}

static int read_file(struct import *m, struct unpack *u, struct err *err)
{
	bool too_long = false;
	long n = 1;
	int r = 0;
	m->in.n = m->at = 0;
	while (!r && n > 0) {
		char *to = buf_room(&m->in, READ);
		n = to ? unpack_read(u, to, READ, err) : err_set(err, -ENOMEM, "%m");
		if (n < 0)
			r = (int)n;
		m->in.n += n > 0 ? (size_t)n : 0;
		m->bytes += n > 0 ? (size_t)n : 0;
		r = r ? r : take_lines(m, &too_long, err);
		progress_update(&m->progress, m->bytes, 0, m->file);
		if (!r && interrupt_came(&m->interrupt))
			r = err_set(err, -EINTR, "stopped");
	}
	if (!r && m->in.n && !too_long) /* a last line without its end */
		r = take_line(m, buf_str(&m->in), err);
	return r;
}

/* The words of an error, with the file in front that it is about. */
static int of_file(const struct import *m, int code, struct err *err)
{
	struct err inner = *err;
	return err_set(err, code, "%s: %s", m->file, inner.text);
}

static int import_file(struct import *m, size_t i, struct err *err)
{
	struct unpack *u = NULL;
	m->file = m->args.files.at[i];
	m->line = 0;
	int r = unpack_new(&u, m->fds[i], err);
	if (!r)
		r = read_file(m, u, err);
	unpack_free(u);
	if (r)
		of_file(m, r, err);
	/* Whole events in front of the damage are kept. */
	struct err last = { 0 };
	int kept = !r || r == -EBADMSG || r == -EINTR ? hand_on(m, &last) : 0;
	if (!r && kept) {
		*err = last;
		r = of_file(m, kept, err);
	}
	return r;
}

/* As who runs this, before the store's owner does the rest. */
static int open_files(struct import *m, struct err *err)
{
	m->fds = malloc(m->args.files.n * sizeof(*m->fds));
	if (!m->fds)
		return err_set(err, -ENOMEM, "%m");
	for (size_t i = 0; i < m->args.files.n; i++)
		m->fds[i] = -1;
	for (size_t i = 0; i < m->args.files.n; i++) {
		m->fds[i] = open(m->args.files.at[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (m->fds[i] < 0)
			return err_set(err, -errno, "%s: %m", m->args.files.at[i]);
	}
	return 0;
}

static int open_store(struct import *m, struct err *err)
{
	struct admin a;
	char dir[sizeof(a.store) + 16];
	const struct events_config config = { .dir = dir, .clock = &clock_system };
	int r = admin_find(&a, m->args.data, err);
	r = r ? r : admin_make(&a, err);
	r = r ? r : admin_become(&a, err);
	if (r)
		return r;
	snprintf(dir, sizeof(dir), "%s/events", a.store);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(err, -errno, "make the folder '%s': %m", dir);
	r = envelope_new(&m->envelope, err);
	return r ? r : events_embedded.open(&m->store, &config, err);
}

static void say_closing(struct import *m, int64_t us)
{
	struct buf b = { 0 };
	char n[3][32];
	words_add(&b, m->language, WORD_IMPORTED, find_number(m->language, m->kept, n[0]),
	          find_number(m->language, m->known, n[1]), find_number(m->language, m->bad, n[2]),
	          (double)us / CLOCK_S);
	say(m, buf_str(&b));
	buf_free(&b);
}

static int run(struct import *m, struct err *err)
{
	int64_t start = clock_monotonic(&clock_system);
	int r = open_files(m, err);
	r = r ? r : open_store(m, err);
	if (r)
		return r;
	for (size_t i = 0; !r && i < m->args.files.n; i++)
		r = import_file(m, i, err);
	/* Also behind an error: what was taken before it is counted as imported, so it has to stay. */
	struct err last = { 0 };
	int synced = sync_store(m, &last);
	if (!r && synced)
		*err = last;
	r = r ? r : synced;
	events_embedded.close(m->store);
	if (!m->args.quiet || r)
		say_closing(m, clock_monotonic(&clock_system) - start);
	return r;
}

static void done(struct import *m)
{
	for (size_t i = 0; m->fds && i < m->args.files.n; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	free(m->fds);
	envelope_free(m->envelope);
	buf_free(&m->in);
	buf_free(&m->json);
	buf_free(&m->ids);
	opt_list_done(&m->args.files);
	free(m);
}

int hub_import(int argc, char **argv)
{
	struct err err = { 0 };
	struct import *m = calloc(1, sizeof(*m));
	if (!m)
		return EXIT_TROUBLE;
	m->args.lang = -1;
	int status = parse_args(argc, argv, &m->args);
	m->language = m->args.lang < 0 ? words_from_environment() : (enum language)m->args.lang;
	progress_begin(&m->progress, STDERR_FILENO, &clock_system);
	m->progress.on = m->progress.on && !m->args.quiet;
	if (status < 0 && !m->args.files.n) {
		say(m, STR("hub import: no file is named; see 'khien hub import --help'"));
		status = EXIT_TROUBLE;
	}
	if (status < 0) {
		interrupt_begin(&m->interrupt);
		int r = run(m, &err);
		interrupt_end(&m->interrupt);
		if (r)
			say(m, str_from(err.text));
		status = r || m->bad ? EXIT_TROUBLE : EXIT_NOTHING;
	}
	progress_clear(&m->progress);
	done(m);
	return status;
}
