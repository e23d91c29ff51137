/* khien gate patches: known holes of the site, closed in front of it: which there are, whose, until when; what is wrong; a new one. */
#include "cmd/gate.h"

#include "cmd/cmd.h"
#include "cmd/gate_events.h"
#include "cmd/jobs.h"
#include "cmd/term.h"
#include "cmd/words.h"
#include "proxy/waf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LIST = 1, CHECK = 2, NEW = 4, DAY_TEXT = 16 };

struct args {
	const char *config, *data;
	const char *path, *owner, *expires, *why, *folder;
	bool json;
	int language;
	struct opt_list words;
};

static const struct job described[] = {
	{ "list", LIST, "[OPTION]...",
	  "Shows the patches that there are: what each does, until when, how often it hit, whose it is.\n"
	  "Without a job it is this one.",
	  "Hits are those that the gate's events still tell of.\n\n"
	  "Exit status: 0 all of them are in force, 1 some have expired, 2 one is wrong, and where." },
	{ "check", CHECK, "[OPTION]... FILE|DIR...",
	  "Says what is wrong with patches, a line each: FILE:LINE:COLUMN: WHAT, WHAT TO WRITE.",
	  "Exit status: 0 nothing is, 1 something is, or has expired; 2 it can't be said.\n\n"
	  "Example: khien gate patches check /etc/khien/patches\n" },
	{ "new", NEW, "[OPTION]... ID",
	  "Writes a patch that refuses a path to everybody, to be narrowed down: DIR/ID.yaml. The gate takes it when "
	  "it is\n"
	  "told to: systemctl reload khien-gate.",
	  "Exit status: 0 written, 2 not.\n\n"
	  "Example: khien gate patches new his-upload --path /profile/avatar --owner an@benhvien.example --expires "
	  "2027-01-31\n" },
};

static const struct jobs jobs = {
	.command = "gate patches",
	.what = "Known holes of the site, closed in front of it until somebody mends them.\n"
	        "'khien gate patches JOB --help' tells more about one of these.",
	.first = "write list, check or new first, as in: khien gate patches check /etc/khien/patches",
	.at = described,
	.n = ARRAY_LEN(described),
};

static int parse_args(const struct job *job, int argc, char **argv, struct args *a)
{
	const struct job_opt opts[] = {
		{ LIST, { "json", 'j', OPT_FLAG, NULL, "a line of JSON each", &a->json, 0, 0, NULL } },
		{ LIST | CHECK,
		  { "lang", 'l', OPT_CHOICE, "LANG", "vi, en, zh (default: from $LANG)", &a->language, 0, 0,
		    words_choices } },
		{ NEW,
		  { "path", 'p', OPT_TEXT, "PATH", "where the hole is: /profile/avatar (needed)", &a->path, 0, 0,
		    NULL } },
		{ NEW,
		  { "owner", 'o', OPT_TEXT, "WHO", "who answers for the patch: an e-mail address (needed)", &a->owner,
		    0, 0, NULL } },
		{ NEW,
		  { "expires", 'e', OPT_TEXT, "DAY", "its last day, 2027-01-31; within a year (needed)", &a->expires, 0,
		    0, NULL } },
		{ NEW, { "why", 'w', OPT_TEXT, "TEXT", "what is open, and who mends it when", &a->why, 0, 0, NULL } },
		{ NEW,
		  { "dir", 0, OPT_TEXT, "DIR", "where to write it (default: gate.waf.patches of khien.yaml)",
		    &a->folder, 0, 0, NULL } },
		{ LIST | NEW,
		  { "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		    &a->config, 0, 0, NULL } },
		{ LIST | NEW,
		  { "data", 'd', OPT_TEXT, "DIR", "the gate's folder (default: as khien.yaml says)", &a->data, 0, 0,
		    NULL } },
	};
	return jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, job && job->bit == LIST ? NULL : &a->words);
}

/* --- what people read --- */

enum text { DENIES, WATCHES, EXPIRED, UNTIL, HITS, NONE, CHECKED, CLOSING, N_TEXTS };

static const char *const texts[N_TEXTS][N_LANGUAGES] = {
	[DENIES] = { "chặn", "denies", "拦截" },
	[WATCHES] = { "theo dõi", "watches", "观察" },
	[EXPIRED] = { "hết hạn", "expired", "已过期" },
	[UNTIL] = { "đến", "until", "至" },
	[HITS] = { "lần khớp", "hits", "次命中" },
	[NONE] = { "Chưa có bản vá nào.", "There are no patches.", "没有补丁。" },
	[CHECKED] = { "bản vá dùng được", "patches that hold", "可用的补丁" },
	[CLOSING] = { "đã hết hạn", "expired", "已过期" },
};

static const char *text_of(const struct args *a, enum text t)
{
	return texts[t][a->language];
}

/* --- list --- */

/* How often each was hit, by what the events tell: one pass over the files, whatever their lines are. */
static void count_hits(const char *path, const struct patches *p, uint64_t *hits)
{
	static const char key[] = "\"rule.id\":\"";
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0) {
		const char *at = strstr(line, key);
		const unsigned long number = at ? strtoul(at + sizeof(key) - 1, NULL, 10) : 0;
		for (size_t i = 0; number && i < p->n; i++)
			hits[i] += p->at[i].number == number;
	}
	free(line);
	if (file)
		fclose(file);
}

static uint64_t *hits_of(const struct gate *g, const struct patches *p)
{
	uint64_t *hits = calloc(p->n + 1, sizeof(*hits));
	for (int i = 0; hits && i < GATE_EVENTS_FILES; i++) {
		char path[4096];
		const int n = i ? snprintf(path, sizeof(path), "%s.%d", g->paths.events, i)
		                : snprintf(path, sizeof(path), "%s", g->paths.events);
		if (n > 0 && (size_t)n < sizeof(path))
			count_hits(path, p, hits);
	}
	return hits;
}

static const char *last_day(const struct patch *p, char to[DAY_TEXT])
{
	const time_t t = (time_t)(p->expires_s - 1);
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(to, DAY_TEXT, "%Y-%m-%d", &tm))
		return "?";
	return to;
}

static void add_member(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\":", name);
	buf_add_json(out, str_from(text));
	buf_putc(out, ',');
}

static void add_json(struct buf *out, const struct patch *p, uint64_t hits)
{
	char day[DAY_TEXT];
	buf_putc(out, '{');
	add_member(out, "id", p->id);
	add_member(out, "state", p->expired ? "expired" : p->denies ? "denies" : "watches");
	add_member(out, "until", last_day(p, day));
	add_member(out, "owner", p->owner);
	add_member(out, "why", p->why);
	add_member(out, "file", p->file);
	buf_printf(out, "\"rule\":%u,\"hits\":%llu}\n", p->number, (unsigned long long)hits);
}

static void add_row(struct buf *out, const struct args *a, const struct patch *p, uint64_t hits)
{
	char day[DAY_TEXT];
	const struct str state = str_from(text_of(a, p->expired ? EXPIRED : p->denies ? DENIES : WATCHES));
	buf_add(out, state);
	for (size_t n = term_columns(state); n < 8; n++)
		buf_putc(out, ' ');
	buf_printf(out, "%s %s  %s  %llu %s\n", text_of(a, UNTIL), last_day(p, day), p->id, (unsigned long long)hits,
	           text_of(a, HITS));
	buf_printf(out, "         ");
	term_safe(out, str_from(p->owner));
	buf_printf(out, ": ");
	term_safe(out, str_from(p->why));
	buf_putc(out, '\n');
}

static int write_out(struct buf *out, struct err *err)
{
	const int code = out->failed ? -ENOMEM : term_write(STDOUT_FILENO, buf_str(out));
	return code ? err_set(err, code, "write: %m") : 0;
}

static int list(const struct args *a, const struct gate *g, struct err *err)
{
	CLEANUP(patches_done) struct patches p = { 0 };
	CLEANUP(buf_free) struct buf problems = { 0 };
	CLEANUP(buf_free) struct buf out = { 0 };
	bool expired = false;
	int code = patches_read(&p, g->paths.patches, clock_wall(g->clock) / CLOCK_S, &problems);
	if (code) {
		term_write(STDERR_FILENO, buf_str(&problems));
		*err = (struct err){ .code = code };
		return code;
	}
	uint64_t *hits = hits_of(g, &p);
	if (!hits)
		return err_set(err, -ENOMEM, "%m");
	for (size_t i = 0; i < p.n; i++) {
		expired = expired || p.at[i].expired;
		if (a->json)
			add_json(&out, &p.at[i], hits[i]);
		else
			add_row(&out, a, &p.at[i], hits[i]);
	}
	free(hits);
	if (!p.n && !a->json)
		buf_printf(&out, "%s\n", text_of(a, NONE));
	code = write_out(&out, err);
	return code ? code : expired ? EXIT_FOUND : EXIT_NOTHING;
}

/* --- check --- */

static int check(const struct args *a, const struct gate *g, struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	size_t good = 0, expired = 0;
	bool bad = false;
	if (!a->words.n)
		return err_set(err, -EINVAL,
		               "which? Write a file or a folder: khien gate patches check /etc/khien/patches");
	for (size_t i = 0; i < a->words.n; i++) {
		struct patches p;
		CLEANUP(buf_free) struct buf problems = { 0 };
		if (access(a->words.at[i], R_OK))
			return err_set(err, -errno, "read '%s': %m", a->words.at[i]);
		const int code = patches_read(&p, a->words.at[i], clock_wall(g->clock) / CLOCK_S, &problems);
		for (struct str left = buf_str(&problems); left.n;
		     left = str_sub(left, str_find(left, '\n') + 1, left.n)) {
			term_safe(&out, str_sub(left, 0, str_find(left, '\n')));
			buf_putc(&out, '\n');
		}
		bad = bad || code;
		for (size_t k = 0; !code && k < p.n; k++)
			expired += p.at[k].expired;
		good += code ? 0 : p.n;
		if (!code)
			patches_done(&p);
	}
	buf_printf(&out, "%s: %zu, %s: %zu\n", text_of(a, CHECKED), good - expired, text_of(a, CLOSING), expired);
	const int code = write_out(&out, err);
	return code ? code : bad || expired ? EXIT_FOUND : EXIT_NOTHING;
}

/* --- new --- */

static void write_template(struct buf *out, const char *id, const struct args *a)
{
	const struct {
		const char *key, *text;
	} fields[] = {
		{ "id", id },
		{ "owner", a->owner },
		{ "expires", a->expires },
		{ "why", a->why ? a->why : "what is open, and who mends it when" },
	};
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) { /* a JSON string is one of YAML's, too */
		buf_printf(out, "%s: ", fields[i].key);
		buf_add_json(out, str_from(fields[i].text));
		buf_putc(out, '\n');
	}
	buf_printf(out, "when:                         # all of these have to hold\n  path: ");
	buf_add_json(out, str_from(a->path));
	buf_printf(out, "\n"
	                "  # path_prefix: /profile/    # or all below it; or path_regex\n"
	                "  # method: [POST, PUT]\n"
	                "  # argument: { name: file, regex: '\\.(php|jsp|aspx)$' }   # of a form, the query, JSON; or "
	                "a file's name\n"
	                "  # header: { name: X-Debug, regex: '.' }\n"
	                "  # cookie: { name: role, regex: 'admin' }\n"
	                "  # body_regex: '<!ENTITY'\n"
	                "do: deny                      # or: watch, which tells and lets pass: the way to begin\n");
}

static int needed(const char *text, const char *option, const char *example, struct err *err)
{
	if (text)
		return 0;
	return err_set(err, -EINVAL, "--%s is missing: write --%s %s", option, option, example);
}

/* Whole, and right as patches_read() sees it; else not at all. */
static int write_new(const char *path, struct str text, int64_t now_s, struct err *err)
{
	struct patches p;
	CLEANUP(buf_free) struct buf problems = { 0 };
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST
		               ? err_set(err, -EEXIST, "'%s' is there already: take another id, or change it", path)
		               : err_set(err, -errno, "write '%s': %m", path);
	int code = term_write(fd, text);
	if (close(fd) && !code)
		code = -errno;
	if (code) {
		err_set(err, code, "write '%s': %m", path);
	} else if ((code = patches_read(&p, path, now_s, &problems))) {
		err_set(err, code, STR_FMT, STR_ARG(str_trim(buf_str(&problems))));
	} else {
		const bool expired = p.n && p.at[0].expired;
		patches_done(&p);
		code = expired ? err_set(err, -EINVAL, "--expires is over already: write a later day") : 0;
	}
	if (code)
		unlink(path);
	return code;
}

static int make(const struct args *a, const struct gate *g, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	char path[4096];
	const char *folder = a->folder ? a->folder : g->paths.patches, *id = a->words.n ? a->words.at[0] : "";
	int code = a->words.n == 1 ? 0 : err_set(err, -EINVAL, "one id, as in: khien gate patches new his-upload");
	code = code ? code : needed(a->path, "path", "/profile/avatar", err);
	code = code ? code : needed(a->owner, "owner", "an@benhvien.example", err);
	code = code ? code : needed(a->expires, "expires", "2027-01-31", err);
	if (!code && (!*id || id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-")]))
		code = err_set(err, -EINVAL, "'%s' is no id: write small letters, digits and '-'", id);
	if (code)
		return code;
	write_template(&text, id, a);
	if (text.failed || (size_t)snprintf(path, sizeof(path), "%s/%s.yaml", folder, id) >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s/%s.yaml': %m", folder, id);
	if (mkdir(folder, 0755) && errno != EEXIST)
		return err_set(err, -errno, "make the folder '%s': %m", folder);
	code = write_new(path, buf_str(&text), clock_wall(g->clock) / CLOCK_S, err);
	if (code)
		return code;
	printf("%s\n", path);
	return fflush(stdout) ? err_set(err, -EIO, "write: %m") : EXIT_NOTHING;
}

/* Neither --help nor a word behind "patches": the list. */
static bool is_list(int argc, char **argv)
{
	return argc < 2 || (argv[1][0] == '-' && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0 &&
	                    strcmp(argv[1], "--version") != 0);
}

/* khien.yaml is asked where a folder isn't named; check asks nothing but its files. */
static int run(const struct job *job, const struct args *a, struct gate *g, struct err *err)
{
	const bool alone = job->bit == CHECK || (job->bit == NEW && a->folder);
	const int code = alone ? 0 : gate_open(g, a->config, a->data, err);
	if (code)
		return code;
	return job->bit == LIST ? list(a, g, err) : job->bit == CHECK ? check(a, g, err) : make(a, g, err);
}

int gate_patches(int argc, char **argv)
{
	struct args a = { .language = (int)words_from_environment() };
	struct gate g = { .log_socket = -1, .clock = &clock_system };
	struct err err = { 0 };
	char *as_list[32] = { argv[0], (char *)(uintptr_t) "list" };
	if (is_list(argc, argv) && argc < (int)ARRAY_LEN(as_list) - 1) {
		for (int i = 1; i < argc; i++)
			as_list[i + 1] = argv[i];
		argv = as_list;
		argc++;
	}
	const struct job *job = jobs_find(&jobs, argc, argv);
	int status = parse_args(job, argc, argv, &a);
	if (status < 0) {
		const int code = run(job, &a, &g, &err);
		status = code < 0 ? gate_complain("patches", &err) : code;
		gate_done(&g);
	}
	opt_list_done(&a.words);
	return status;
}
