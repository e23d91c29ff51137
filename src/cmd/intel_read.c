#include "cmd/intel_read.h"

#include "cmd/term.h"
#include "os/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * To the process: for each file its name, then its bytes, each as pieces of a length and so many bytes; a length of 0
 * ends them. Back: struct answer, then the block of the feed.
 */
enum { PIECE = 1 << 16, NAME_MAX_BYTES = 4096 };
static const size_t FILE_BYTES = (size_t)1 << 30;
static const rlim_t MEMORY = (rlim_t)4 << 30;
static const uint64_t BLOCK_BYTES = UINT64_C(2) << 30;

struct answer {
	int32_t code;
	uint64_t size;
	char why[sizeof(((struct err *)0)->text)];
};

/* --- the process that parses --- */

static bool read_all(int fd, void *to, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t k = read(fd, (char *)to + got, n - got);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		got += (size_t)k;
	}
	return true;
}

/* Pieces up to the one of length 0. False: the end, or more than fits. */
static bool read_pieces(int fd, struct buf *to)
{
	uint32_t n;
	to->n = 0;
	while (read_all(fd, &n, sizeof(n)) && n <= PIECE) {
		if (!n)
			return true;
		char *at = buf_room(to, n);
		if (!at || !read_all(fd, at, n))
			return false;
		to->n += n;
	}
	return false;
}

static int parse_all(int in, const struct intel_reading *r, void **block, size_t *size, struct err *err)
{
	struct feed_maker m;
	struct buf name = { .max = NAME_MAX_BYTES }, bytes = { .max = FILE_BYTES };
	feed_maker_init(&m, str_from(r->feed), "list", r->now);
	struct intel_parse p = { .maker = &m,
		                 .format = r->format,
		                 .flags = r->flags,
		                 .now = r->now / 1000000,
		                 .lives = r->lives,
		                 .confidence = r->confidence };
	int code = 0;
	uint64_t files = 0, unread = 0;
	for (; !code && read_pieces(in, &name); files++) {
		struct err why;
		buf_putc(&name, '\0');
		if (!read_pieces(in, &bytes)) {
			code = err_set(err, -E2BIG, "%s: cut short, or more than 1 GB", name.p);
		} else if (intel_parse(&p, name.p, buf_str(&bytes), &why)) {
			*err = why;
			unread++;
			m.file = "-"; /* the words begin with its name */
			feed_bad(&m, 0, STR("not read"), why.text);
		}
	}
	if (!code && files && files == unread)
		code = err->code;
	code = code ? code : feed_pack(&m, block, size, err);
	feed_maker_done(&m);
	buf_free(&name);
	buf_free(&bytes);
	return code;
}

static _Noreturn void work(int in, int out, const struct intel_reading *r)
{
	struct answer answer = { 0 };
	struct sandbox_report report;
	struct sandbox *sandbox;
	struct err err = { 0 };
	void *block = NULL;
	size_t size = 0;
	answer.code = sandbox_init(&sandbox, NULL, &err);
	if (!answer.code) {
		sandbox_enter(sandbox, &report);
		answer.code = parse_all(in, r, &block, &size, &err);
	}
	answer.size = size;
	memcpy(answer.why, err.text, sizeof(answer.why));
	if (!term_write(out, (struct str){ (const char *)&answer, sizeof(answer) }) && !answer.code)
		term_write(out, (struct str){ block, size });
	_exit(0);
}

/* --- this one --- */

static int send_piece(int to, const char *p, uint32_t n)
{
	int r = term_write(to, (struct str){ (const char *)&n, sizeof(n) });
	return r || !n ? r : term_write(to, (struct str){ p, n });
}

/* 0, or -errno: of reading it with why; -EPIPE: the process is gone, and its answer says why. */
static int send_file(int to, const char *path, struct err *err)
{
	char bytes[PIECE];
	bool standard = strcmp(path, "-") == 0;
	const char *base = strrchr(path, '/'), *name = standard ? "standard input" : base && base[1] ? base + 1 : path;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	int r = send_piece(to, name, (uint32_t)strlen(name));
	r = r ? r : send_piece(to, NULL, 0);
	while (!r) {
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = err_set(err, -errno, "read '%s': %m", path);
		else
			r = send_piece(to, bytes, (uint32_t)n);
		if (n <= 0)
			break;
	}
	if (!standard)
		close(fd);
	return r;
}

static int is_event(const struct dirent *e)
{
	struct str name = str_from(e->d_name);
	return name.p[0] != '.' && str_ends(name, STR(".json")) && !str_eq(name, STR("manifest.json"));
}

/* A folder's events; its manifest and list of hashes only repeat what is in them. */
static int send_folder(int to, const char *path, struct err *err)
{
	struct dirent **names;
	int n = scandir(path, &names, is_event, alphasort), r = 0;
	if (n < 0)
		return err_set(err, -errno, "open folder '%s': %m", path);
	for (int i = 0; i < n; i++) {
		char file[4096];
		if ((size_t)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name) >= sizeof(file))
			r = r ? r : err_set(err, -ENAMETOOLONG, "'%s': %m", path);
		r = r ? r : send_file(to, file, err);
		free(names[i]);
	}
	free(names);
	return r || n ? r : err_set(err, -ENOENT, "no *.json in '%s': a folder is read as MISP's feeds are", path);
}

static int send_all(int to, const struct intel_reading *r, struct err *err)
{
	int code = 0;
	for (size_t i = 0; i < r->n_paths && !code; i++) {
		struct stat st;
		bool folder = stat(r->paths[i], &st) == 0 && S_ISDIR(st.st_mode);
		code = folder ? send_folder(to, r->paths[i], err) : send_file(to, r->paths[i], err);
	}
	return code;
}

static int take_answer(int from, struct feed *ret, struct err *err)
{
	struct answer a;
	if (!read_all(from, &a, sizeof(a)))
		return err_set(err, -EPROTO,
		               "the process that reads the indicators ended early: they need more than 4 GB, "
		               "or it was stopped");
	a.why[sizeof(a.why) - 1] = '\0';
	if (a.code)
		return err_set(err, a.code < 0 ? a.code : -EPROTO, "%s", a.why);
	char *block = a.size && a.size <= BLOCK_BYTES ? malloc(a.size) : NULL;
	if (!block)
		return err_set(err, -ENOMEM, "indicators: %m");
	if (read_all(from, block, a.size))
		return feed_open(ret, block, a.size, err);
	free(block);
	return err_set(err, -EPROTO, "the process that reads the indicators ended early");
}

static int start(const struct intel_reading *r, int *to, int *from, pid_t *pid, struct err *err)
{
	int in[2], out[2];
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return err_set(err, -errno, "pipe: %m");
	*pid = fork();
	if (*pid < 0)
		return err_set(err, -errno, "fork: %m");
	if (!*pid) {
		const struct rlimit memory = { MEMORY, MEMORY };
		prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes */
		setrlimit(RLIMIT_AS, &memory);
#else
		(void)memory;
#endif
		close(in[1]);
		close(out[0]);
		work(in[0], out[1], r);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return 0;
}

int intel_read(struct feed *ret, const struct intel_reading *r, struct err *err)
{
	struct err sending = { 0 };
	int to = -1, from = -1;
	pid_t pid = -1;
	int code = start(r, &to, &from, &pid, err);
	if (code)
		return code;
	int sent = send_all(to, r, &sending);
	close(to);
	if (sent && sent != -EPIPE) {
		kill(pid, SIGKILL);
		code = err_set(err, sent, "%s", sending.text[0] ? sending.text : "send the indicators to be read");
	} else {
		code = take_answer(from, ret, err);
	}
	close(from);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return code;
}
