#include "collect/collect.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Text logs of a Linux machine. `in_journal`: the journal has the same, so it is read where there is no journal. */
static const struct candidate {
	const char *pattern;
	bool in_journal;
} candidates[] = {
	{ "/var/log/auth.log", true },         { "/var/log/secure", true },       { "/var/log/syslog", true },
	{ "/var/log/messages", true },         { "/var/log/kern.log", true },     { "/var/log/cron.log", true },
	{ "/var/log/daemon.log", true },       { "/var/log/user.log", true },     { "/var/log/mail.log", true },
	{ "/var/log/audit/audit.log", false }, { "/var/log/nginx/*.log", false }, { "/var/log/apache2/*.log", false },
	{ "/var/log/httpd/*_log", false },     { "/var/log/caddy/*.log", false }, { "/var/log/vsftpd.log", false },
	{ "/var/log/clamav/*.log", false },
};

static const char *const journalctl[] = {
	"/usr/bin/journalctl", "--follow", "--output=json", "--no-pager", "--quiet",
	"--lines=0",           NULL /* the last gives way to a cursor */
};

/* The path without symbolic links; of a file that is not there yet its folder's; `folder`: of the folder alone. */
static struct str real_path(struct arena *a, const char *path, bool folder)
{
	char real[PATH_MAX], dir[PATH_MAX];
	if (!folder && realpath(path, real))
		return arena_copy(a, str_from(real));
	const char *slash = strrchr(path, '/');
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (!realpath(*dir ? dir : "/", real))
		return arena_copy(a, str_from(path));
	return arena_printf(a, "%s/%s", strcmp(real, "/") ? real : "", slash ? slash + 1 : path);
}

static bool is_link(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A name of its own is no pattern, whatever letters it has. */
static bool is_pattern(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	return strpbrk(slash ? slash : path, "*?[") && lstat(path, &st);
}

static int add(struct sources *s, enum opener_kind kind, const char *shown, bool optional, struct err *err)
{
	if (s->n == SOURCES_MAX)
		return err_set(err, -E2BIG, "more than %d sources to watch", SOURCES_MAX);
	bool file = kind == OPENER_FILE, pattern = kind == OPENER_PATTERN;
	struct str name =
	        file || pattern ? real_path(&s->arena, shown, pattern) : arena_copy(&s->arena, str_from(shown));
	struct str link = file && is_link(shown) ? real_path(&s->arena, shown, true) : (struct str){ 0 };
	const char *over = kind == OPENER_UDP ? "UDP" : kind == OPENER_TCP ? "TCP" : kind == OPENER_TLS ? "TLS" : NULL;
	struct str label =
	        over ? arena_printf(&s->arena, "syslog %s %s", over, shown) : arena_copy(&s->arena, str_from(shown));
	if (!name.p || !label.p)
		return err_set(err, -ENOMEM, "watch '%s': %m", shown);
	s->items[s->n] = (struct opener_item){ .kind = kind, .name = name.p, .link = link.p };
	s->shown[s->n] = label.p;
	s->optional[s->n++] = optional;
	return 0;
}

/* As it was named: no link is looked through here, and none is followed when it is opened. */
static int add_ordered(struct sources *s, const char *path, const char *below, struct err *err)
{
	if (s->n == SOURCES_MAX)
		return err_set(err, -E2BIG, "more than %d sources to watch", SOURCES_MAX);
	const struct str name = arena_copy(&s->arena, str_from(path)), folder = arena_copy(&s->arena, str_from(below));
	if (!name.p || !folder.p)
		return err_set(err, -ENOMEM, "watch '%s': %m", path);
	s->items[s->n] = (struct opener_item){ .kind = OPENER_FILE, .name = name.p, .below = folder.p };
	s->shown[s->n] = name.p;
	s->optional[s->n++] = false;
	return 0;
}

/* Whether a folder of the journal has a file that we may read: *group becomes its group. 1, 0: none there, -EACCES. */
static int has_journal(const char *root, gid_t *group)
{
	char pattern[64];
	struct stat st;
	glob_t g = { 0 };
	int found = 0;
	snprintf(pattern, sizeof(pattern), "%s/*/system.journal", root);
	if (glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc && found < 1; i++)
			found = access(g.gl_pathv[i], R_OK) == 0 && stat(g.gl_pathv[i], &st) == 0 ? 1 : -EACCES;
	if (found == 1)
		*group = st.st_mode & S_IRGRP ? st.st_gid : (gid_t)-1;
	globfree(&g);
	return found;
}

static bool find_journal(struct sources *s, struct err *err)
{
	gid_t group = (gid_t)-1;
	int there = has_journal("/var/log/journal", &group);
	if (!there)
		there = has_journal("/run/log/journal", &group);
	const char *why = !there                        ? "this machine keeps none"
	                  : access(journalctl[0], X_OK) ? "journalctl is missing"
	                  : there < 0                   ? "no permission; add this user to the group systemd-journal"
	                                                : NULL;
	if (why || add(s, OPENER_CHILD, "journal", false, err)) {
		snprintf(s->no_journal, sizeof(s->no_journal), "%s", why ? why : err->text);
		return false;
	}
	struct opener_item *item = &s->items[s->n - 1];
	item->argv = journalctl;
	item->resumes = true;
	const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;
	if (nobody && group != (gid_t)-1) { /* the journal has foreign bytes in it, too */
		item->change_ids = true;
		item->uid = nobody->pw_uid;
		item->gid = group;
	}
	return true;
}

static int find_files(struct sources *s, bool have_journal, struct err *err)
{
	int code = 0;
	for (size_t i = 0; i < ARRAY_LEN(candidates) && !code; i++) {
		const char *pattern = candidates[i].pattern;
		if (!have_journal || !candidates[i].in_journal)
			code = add(s, strchr(pattern, '*') ? OPENER_PATTERN : OPENER_FILE, pattern, true, err);
	}
	return code;
}

int sources_find(struct sources *s, const struct sources_config *config, struct err *err)
{
	const struct sources_config *c = config;
	int code = 0;
	bool journal = c->journal && find_journal(s, err);
	for (size_t i = 0; i < c->n_files && !code; i++)
		code = add(s, is_pattern(c->files[i]) ? OPENER_PATTERN : OPENER_FILE, c->files[i], false, err);
	for (size_t i = 0; i < c->n_ordered && !code; i++)
		code = add_ordered(s, c->ordered[i], c->below[i], err);
	if (c->own && !code)
		code = add(s, OPENER_FILE, c->own, true, err);
	if (c->machine && !code)
		code = find_files(s, journal, err);
	for (size_t i = 0; i < c->n_syslog && !code; i++) {
		code = add(s, OPENER_UDP, c->syslog[i], false, err);
		code = code ? code : add(s, OPENER_TCP, c->syslog[i], false, err);
	}
	for (size_t i = 0; i < c->n_syslog_tls && !code; i++)
		code = add(s, OPENER_TLS, c->syslog_tls[i], false, err);
	return code;
}

void sources_done(struct sources *s)
{
	arena_free(&s->arena);
}
