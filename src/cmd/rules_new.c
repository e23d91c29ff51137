/* khien rules new: a rule that works, with its evidence, to be changed into the one that is wanted. */
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/rules.h"
#include "cmd/rules_new_templates.h"
#include "cmd/term.h"
#include "rule/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 64, UUID = 37, N_FILES = 3 };

const char *const rules_new_logsources[] = { "webserver", "sshd", "sudo", "auditd", "app", NULL };

_Static_assert(ARRAY_LEN(rules_new_logsources) == ARRAY_LEN(rules_new_templates) + 1, "a template for each logsource");

struct word { /* {key} in a template */
	const char *key, *value;
};

/* Appends a template with its words filled in; braces that name no word stay. */
static void fill(struct buf *out, const char *template, const struct word *words)
{
	for (struct str left = str_from(template); left.n;) {
		size_t open = str_find(left, '{');
		buf_add(out, str_sub(left, 0, open));
		left = str_sub(left, open, left.n);
		const struct word *w = words;
		struct str key = str_sub(left, 1, str_find(left, '}') - (left.n != 0));
		while (w->key && !str_eq(str_from(w->key), key))
			w++;
		if (left.n && w->key) {
			buf_printf(out, "%s", w->value);
			left = str_sub(left, key.n + 2, left.n);
		} else if (left.n) {
			buf_putc(out, '{');
			left = str_sub(left, 1, left.n);
		}
	}
}

/* RFC 9562, version 4. */
static int make_uuid(char text[UUID], struct err *err)
{
	unsigned char b[16];
	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return err_set(err, -EIO, "random numbers: %m");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	char *at = text;
	for (size_t i = 0; i < sizeof(b); i++)
		at += snprintf(at, (size_t)(text + UUID - at), i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
		               b[i]);
	return 0;
}

/* `n` times the template, a second apart. */
static void add_lines(struct buf *out, const char *template, int from, int n)
{
	for (int i = from; i < from + n; i++) {
		char second[8];
		snprintf(second, sizeof(second), "%02d", i % 60);
		fill(out, template, (const struct word[]){ { "s", second }, { NULL, NULL } });
	}
}

static void add_detection(struct buf *out, const struct rules_template *t)
{
	buf_printf(out, "logsource:\n%sdetection:\n  selection:\n%s  condition: selection\nfields:\n%s", t->logsource,
	           t->selection, t->fields);
}

static void make_rule(struct buf *out, const struct rules_template *t, bool correlation, const struct word *words)
{
	if (correlation) {
		fill(out, rules_new_counted, words);
		add_detection(out, t);
		buf_printf(out, "level: informational\n---\n");
	}
	fill(out, rules_new_head, words);
	buf_printf(out, "tags:                         # ATT&CK: a tactic and a technique\n%s", t->tags);
	if (correlation)
		fill(out, rules_new_correlation, words);
	else
		add_detection(out, t);
	fill(out, rules_new_tail, words);
}

static int check_name(const char *name, struct err *err)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (!n || name[n] || n > NAME_MAX_BYTES || !strchr("abcdefghijklmnopqrstuvwxyz", name[0]))
		return err_set(err, -EINVAL,
		               "'%s' is no name for a rule: write small letters, digits and _, as in admin_probe",
		               name);
	return 0;
}

/* A name, or a name for what is counted, that stands in the folder already would leave one of the two in the dark. */
static int check_taken(const char *dir, const char *name, struct err *err)
{
	struct rule_texts texts;
	struct ruleset rs;
	int r = rule_read(&texts, &(struct rule_config){ .dirs = &dir, .n_dirs = 1 }, err);
	if (r)
		return r;
	r = rule_compile(&rs, &texts, err);
	rule_texts_free(&texts);
	if (r)
		return r;
	for (uint32_t i = 0; i < rs.n_rules && !r; i++) {
		struct str other = ruleset_text(&rs, rs.rules[i].name), given = str_from(name);
		if (str_eq(other, given) ||
		    (str_starts(other, given) && str_eq(str_sub(other, given.n, other.n), STR("_event"))))
			r = err_set(err, -EEXIST, "%s:%u: a rule has the name '%s' already",
			            ruleset_text(&rs, rs.rules[i].file).p, rs.rules[i].line, other.p);
	}
	ruleset_free(&rs);
	return r;
}

static int make_folder(const char *dir, const char *inner, struct err *err)
{
	char path[4096];
	if ((size_t)snprintf(path, sizeof(path), "%s%s", dir, inner) >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': %m", dir);
	if (mkdir(path, 0777) && errno != EEXIST)
		return err_set(err, -errno, "make folder '%s': %m", path);
	return 0;
}

/* A new file; one that is there stays as it is. */
static int write_new(const char *path, struct str bytes, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno == EEXIST
		               ? err_set(err, -EEXIST, "'%s' is there already: take another name, or remove it", path)
		               : err_set(err, -errno, "write '%s': %m", path);
	int r = term_write(fd, bytes);
	if (close(fd) && !r)
		r = -errno;
	if (!r)
		return 0;
	unlink(path);
	return err_set(err, r, "write '%s': %m", path);
}

/* All three or none. */
static int write_files(const char *dir, const char *name, const struct buf texts[N_FILES], struct err *err)
{
	static const char *const folder[N_FILES] = { "", "hit/", "miss/" }, *const suffix[N_FILES] = { "yml", "log",
		                                                                                       "log" };
	char paths[N_FILES][4096];
	int done = 0, r = 0;
	for (; done < N_FILES && !r; done += !r) {
		int n = snprintf(paths[done], sizeof(paths[done]), "%s/%s%s.%s", dir, folder[done], name, suffix[done]);
		r = (size_t)n >= sizeof(paths[0]) ? err_set(err, -ENAMETOOLONG, "'%s': %m", dir)
		    : texts[done].failed          ? err_set(err, -ENOMEM, "'%s': %m", dir)
		                                  : write_new(paths[done], buf_str(&texts[done]), err);
	}
	for (int i = 0; i < done; i++)
		if (r)
			unlink(paths[i]);
		else
			printf("%s\n", paths[i]);
	return r;
}

static int make(const struct rules_args *a, const char *name, struct err *err)
{
	const struct rules_template *t = &rules_new_templates[a->logsource];
	char id[UUID], id2[UUID], date[32], title[NAME_MAX_BYTES + 1];
	time_t now = (time_t)(clock_wall(&clock_system) / CLOCK_S);
	struct tm tm;
	int r = make_uuid(id, err);
	r = r ? r : make_uuid(id2, err);
	if (r)
		return r;
	localtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	for (size_t i = 0; i <= strlen(name); i++)
		title[i] = (char)(name[i] == '_' ? ' ' : i == 0 ? name[i] - 'a' + 'A' : name[i]);
	const struct word words[] = { { "name", name }, { "title", title },    { "id", id },  { "id2", id2 },
		                      { "date", date }, { "group", t->group }, { NULL, NULL } };
	struct buf texts[N_FILES] = { 0 };
	make_rule(&texts[0], t, a->correlation, words);
	add_lines(&texts[1], t->hit, 0, a->correlation ? RULES_NEW_COUNT : 1);
	add_lines(&texts[2], t->hit, 0, a->correlation ? RULES_NEW_COUNT - 1 : 0);
	add_lines(&texts[2], t->miss, RULES_NEW_COUNT, 1);
	r = write_files(a->dir, name, texts, err);
	for (size_t i = 0; i < N_FILES; i++)
		buf_free(&texts[i]);
	return r;
}

int rules_new(const struct rules_args *a, struct err *err)
{
	if (a->words.n > 1)
		return err_set(err, -EINVAL, "rules new: one name at a time; '%s' is one too many", a->words.at[1]);
	const char *name = a->words.at[0];
	int r = check_name(name, err);
	r = r ? r : make_folder(a->dir, "", err);
	r = r ? r : check_taken(a->dir, name, err);
	r = r ? r : make_folder(a->dir, "/hit", err);
	r = r ? r : make_folder(a->dir, "/miss", err);
	r = r ? r : make(a, name, err);
	if (r)
		return r;
	printf("Change what it looks for and both logs, then: khien rules test %s\n", a->dir);
	return fflush(stdout) ? err_set(err, -EIO, "write to standard output: %m") : EXIT_NOTHING;
}
