/* khien hub export: events of a span of time as NDJSON, the oldest first. */
#include "cmd/hub_export.h"

#include "cmd/cmd.h"
#include "cmd/find_print.h"
#include "cmd/find_query.h"
#include "cmd/interrupt.h"
#include "cmd/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 6, OUT = 256 << 10 };

struct args {
	struct opt_list datasets;
	const char *since, *until, *data, *output;
	bool plain, quiet;
	int lang;
};

struct export
{
	struct args args;
	enum language language;
	int fd;
	char beside[4096]; /* the file that becomes --output when all is in it; "": there is none */
	ZSTD_CCtx *zstd;
	struct buf out; /* bytes that go to fd */
	uint64_t bytes; /* of JSON */
	int failed;
	struct progress progress;
	struct interrupt interrupt;
	atomic_bool cancel;
};

static const char *const synopsis[] = { "[--since TIME] [--until TIME] [options] > EVENTS.ndjson.zst", NULL };

static int parse_args(int argc, char **argv, struct args *a)
{
	const struct opt opts[] = {
		FIND_OPT_SINCE(&a->since),
		FIND_OPT_UNTIL(&a->until),
		FIND_OPT_DATASET(&a->datasets),
		{ "output", 'o', OPT_TEXT, "FILE", "written whole or not at all (default: standard output)", &a->output,
		  0, 0, NULL },
		{ "plain", 0, OPT_FLAG, NULL, "NDJSON as it is, not compressed with zstd", &a->plain, 0, 0, NULL },
		FIND_OPT_DATA('d', &a->data),
		FIND_OPT_LANG(&a->lang),
		FIND_OPT_QUIET('q', &a->quiet),
	};
	const struct opt_spec spec = {
		.command = "hub export",
		.synopsis = synopsis,
		.what = "Writes events that the hub has kept, one JSON object a line, the oldest first; the hub may "
		        "run on.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 done, 2 something could not be done, or could not be read.\n\n"
		        "Example: khien hub export --since 2026-11-01 --until 2026-12-01 -o november.ndjson.zst\n",
	};
	return opt_parse(&spec, argc, argv, NULL);
}

static void say(struct export *x, struct str text)
{
	struct buf line = { 0 };
	buf_add(&line, STR("khien: "));
	term_safe(&line, text);
	buf_putc(&line, '\n');
	progress_clear(&x->progress);
	term_write(STDERR_FILENO, buf_str(&line));
	buf_free(&line);
}

/* What has gathered goes out. */
static void flush(struct export *x)
{
	if (x->out.n && !x->failed)
		x->failed = term_write(x->fd, buf_str(&x->out));
	x->out.n = 0;
}

/* Bytes into the stream; `end` closes it. */
static void put(struct export *x, struct str s, bool end)
{
	ZSTD_inBuffer in = { s.p, s.n, 0 };
	size_t left = 1;
	if (x->args.plain) {
		buf_add(&x->out, s);
		left = 0;
	}
	while (!x->failed && left && (end || in.pos < in.size)) {
		char *at = buf_room(&x->out, OUT);
		ZSTD_outBuffer out = { at, at ? OUT : 0, 0 };
		left = at ? ZSTD_compressStream2(x->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue) : 0;
		if (!at || ZSTD_isError(left))
			x->failed = -ENOMEM;
		x->out.n += out.pos;
		if (!end)
			left = 1;
		if (x->out.n >= OUT)
			flush(x);
	}
	if (x->out.failed)
		x->failed = -ENOMEM;
	if (end || x->out.n >= OUT)
		flush(x);
}

static int take(void *arg, const struct event_row *row)
{
	struct export *x = arg;
	put(x, row->json, false);
	put(x, STR("\n"), false);
	x->bytes += row->json.n + 1;
	return x->failed || interrupt_came(&x->interrupt);
}

static void progress(void *arg, uint64_t done, uint64_t whole)
{
	struct export *x = arg;
	progress_update(&x->progress, done, whole, NULL);
	if (x->failed || interrupt_came(&x->interrupt))
		atomic_store(&x->cancel, true);
}

/* Where it is written to: a new file beside --output, or standard output. */
static int open_output(struct export *x, struct err *err)
{
	if (!x->args.output) {
		if (!x->args.plain && term_is_tty(STDOUT_FILENO))
			return err_set(
			        err, -EINVAL,
			        "compressed bytes are nothing for a terminal: write '> FILE', -o FILE or --plain");
		x->fd = STDOUT_FILENO;
		return 0;
	}
	int n = snprintf(x->beside, sizeof(x->beside), "%s.XXXXXX", x->args.output);
	if (n < 0 || (size_t)n >= sizeof(x->beside)) {
		x->beside[0] = '\0';
		return err_set(err, -ENAMETOOLONG, "'%s': %m", x->args.output);
	}
	x->fd = mkostemp(x->beside, O_CLOEXEC);
	if (x->fd < 0) {
		x->beside[0] = '\0';
		return err_set(err, -errno, "write '%s': %m", x->args.output);
	}
	return 0;
}

/* The folder of the file remembers its name. */
static int sync_folder(const char *path)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) + (slash == path) : 1;
	if (n >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, slash ? path : ".", n);
	folder[n] = '\0';
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return r;
}

/* All of it is there, and on the disk where it is a file. */
static int written(struct export *x, struct err *err)
{
	if (!x->failed && x->beside[0] && fsync(x->fd))
		x->failed = -errno;
	if (x->failed == -EPIPE)
		return err_set(err, x->failed, "standard output was closed: stopped");
	return !x->failed
	               ? 0
	               : err_set(err, x->failed, "write '%s': %m", x->args.output ? x->args.output : "standard output");
}

/* A whole file takes its name. */
static int close_output(struct export *x, struct err *err)
{
	if (!x->beside[0])
		return 0;
	if (rename(x->beside, x->args.output))
		return err_set(err, -errno, "write '%s': %m", x->args.output);
	x->beside[0] = '\0';
	int r = sync_folder(x->args.output);
	return r ? err_set(err, r, "write '%s': its folder: %m", x->args.output) : 0;
}

static int make_query(struct export *x, struct event_query *q, struct str **datasets, struct err *err)
{
	const struct args *a = &x->args;
	int64_t now = clock_wall(&clock_system);
	int r = 0;
	*q = (struct event_query){
		.from = INT64_MIN, .oldest_first = true, .cancel = &x->cancel, .progress = progress, .progress_arg = x
	};
	*datasets = calloc(a->datasets.n + 1, sizeof(**datasets));
	if (!*datasets)
		return err_set(err, -ENOMEM, "%m");
	for (; q->n_datasets < a->datasets.n; q->n_datasets++)
		(*datasets)[q->n_datasets] = str_from(a->datasets.at[q->n_datasets]);
	q->datasets = *datasets;
	if (a->since)
		r = find_query_time(a->since, now, &q->from, err);
	if (!r && a->until)
		r = find_query_time(a->until, now, &q->to, err);
	if (!r && a->until && q->to <= q->from)
		r = err_set(err, -EINVAL, "--until '%s' is not behind --since '%s'", a->until,
		            a->since ? a->since : "");
	return r;
}

static int write_events(struct export *x, const struct event_query *q, struct event_found *found, struct err *err)
{
	char dir[4200];
	struct events *store;
	const struct events_config config = { .dir = dir, .read_only = true, .clock = &clock_system };
	int r = find_query_enter(x->args.data, dir, sizeof(dir), err);
	r = r ? r : events_embedded.open(&store, &config, err);
	if (r)
		return r;
	x->zstd = ZSTD_createCCtx();
	if (!x->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(x->zstd, ZSTD_c_compressionLevel, LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(x->zstd, ZSTD_c_checksumFlag, 1)))
		r = err_set(err, -ENOMEM, "%m");
	r = r ? r : events_embedded.find(store, q, take, x, found, err);
	events_embedded.close(store);
	if (!r && x->interrupt.came)
		r = err_set(err, -EINTR, "stopped; what was written is not whole");
	if (r)
		return r;
	put(x, STR(""), true);
	return written(x, err);
}

static void say_closing(struct export *x, const struct event_found *found, int64_t us)
{
	struct buf b = { 0 };
	char n[2][32];
	words_add(&b, x->language, WORD_EXPORTED, find_number(x->language, found->events, n[0]),
	          find_number(x->language, x->bytes, n[1]), (double)us / CLOCK_S);
	say(x, buf_str(&b));
	buf_free(&b);
}

/* What is missing from the answer. */
static bool say_gaps(struct export *x, const struct event_found *found)
{
	const struct {
		enum word word;
		uint64_t n;
	} gaps[] = { { WORD_FOUND_DAMAGED, found->damaged }, { WORD_FOUND_MENDING, found->mending } };
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
		struct buf b = { 0 };
		char n[32];
		if (!gaps[i].n)
			continue;
		words_add(&b, x->language, gaps[i].word, find_number(x->language, gaps[i].n, n));
		say(x, buf_str(&b));
		buf_free(&b);
		any = true;
	}
	return any;
}

/* How the process that reads the store ended. */
enum { WHOLE, WITH_GAPS /* what could be read is written */, FAILED };

static int read_apart(struct export *x, const struct event_query *q)
{
	struct event_found found = { 0 };
	struct err err = { 0 };
	const int64_t start = clock_monotonic(&clock_system);
	int r = write_events(x, q, &found, &err);
	progress_clear(&x->progress);
	if (r)
		say(x, str_from(err.text));
	const bool gaps = say_gaps(x, &found);
	if (!r && !x->args.quiet)
		say_closing(x, &found, clock_monotonic(&clock_system) - start);
	return r ? FAILED : gaps ? WITH_GAPS : WHOLE;
}

/* Ctrl-C of a terminal comes to both; what came to this one alone is passed on. */
static int wait_for(struct export *x, pid_t pid)
{
	int status, fd = pidfd_open(pid, 0);
	while (fd >= 0 && !x->interrupt.came) {
		struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = x->interrupt.fd, .events = POLLIN } };
		poll(p, ARRAY_LEN(p), -1);
		if (p[0].revents)
			break;
		if (interrupt_came(&x->interrupt))
			kill(pid, SIGTERM);
	}
	if (fd >= 0)
		close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!WIFEXITED(status))
		say(x, STR("the process that reads the store was ended"));
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

/*
 * What is stored is read by a process that has no rights but those to the store; where it is written to, and what that
 * file is called in the end, is for this one, with the rights of who runs it.
 */
static int run(struct export *x)
{
	struct event_query query;
	struct str *datasets = NULL;
	struct err err = { 0 };
	int how = FAILED;
	int r = make_query(x, &query, &datasets, &err);
	r = r ? r : open_output(x, &err);
	if (!r) {
		interrupt_begin(&x->interrupt);
		pid_t pid = fork();
		if (pid == 0)
			_exit(read_apart(x, &query));
		if (pid < 0)
			r = err_set(&err, -errno, "start a process: %m");
		else
			how = wait_for(x, pid);
		interrupt_end(&x->interrupt);
	}
	free(datasets);
	if (!r && how != FAILED)
		r = close_output(x, &err);
	if (r)
		say(x, str_from(err.text));
	return r || how != WHOLE ? EXIT_TROUBLE : EXIT_NOTHING;
}

int hub_export(int argc, char **argv)
{
	struct export x = { .args = { .lang = -1 }, .fd = -1, .interrupt = { .fd = -1 } };
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error like any other */
	int status = parse_args(argc, argv, &x.args);
	x.language = x.args.lang < 0 ? words_from_environment() : (enum language)x.args.lang;
	progress_begin(&x.progress, STDERR_FILENO, &clock_system);
	x.progress.on = x.progress.on && !x.args.quiet;
	if (status < 0)
		status = run(&x);
	if (x.args.output && x.fd >= 0)
		close(x.fd);
	if (x.beside[0])
		unlink(x.beside);
	ZSTD_freeCCtx(x.zstd);
	buf_free(&x.out);
	opt_list_done(&x.args.datasets);
	return status;
}
