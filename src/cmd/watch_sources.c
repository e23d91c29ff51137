#include "cmd/watch.h"

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
	"/usr/bin/journalctl", "--follow", "--output=json", "--lines=0", "--no-pager", "--quiet", NULL
};

/* The path without symbolic links; a file that is not there yet in its folder's. */
static struct str real_path(struct arena *a, const char *path)
{
	char real[PATH_MAX], dir[PATH_MAX];
	if (realpath(path, real))
		return arena_copy(a, str_from(real));
	const char *slash = strrchr(path, '/');
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (!realpath(*dir ? dir : "/", real))
		return arena_copy(a, str_from(path));
	return arena_printf(a, "%s/%s", strcmp(real, "/") ? real : "", slash ? slash + 1 : path);
}

static int add(struct sources *s, enum opener_kind kind, const char *shown, bool optional, struct err *err)
{
	if (s->n == WATCH_MAX_ITEMS)
		return err_set(err, -E2BIG, "more than %d sources to watch", WATCH_MAX_ITEMS);
	struct str name = kind == OPENER_FILE ? real_path(&s->arena, shown) : arena_copy(&s->arena, str_from(shown));
	struct str label = kind == OPENER_UDP || kind == OPENER_TCP
	                           ? arena_printf(&s->arena, "syslog %s %s", kind == OPENER_UDP ? "UDP" : "TCP", shown)
	                           : arena_copy(&s->arena, str_from(shown));
	if (!name.p || !label.p)
		return err_set(err, -ENOMEM, "watch '%s': %m", shown);
	s->items[s->n] = (struct opener_item){ .kind = kind, .name = name.p };
	s->shown[s->n] = label.p;
	s->optional[s->n++] = optional;
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
		glob_t g = { 0 };
		if (have_journal && candidates[i].in_journal)
			continue;
		if (!strchr(candidates[i].pattern, '*'))
			code = add(s, OPENER_FILE, candidates[i].pattern, true, err);
		else if (glob(candidates[i].pattern, 0, NULL, &g) == 0)
			for (size_t k = 0; k < g.gl_pathc && !code; k++)
				code = add(s, OPENER_FILE, g.gl_pathv[k], true, err);
		globfree(&g);
	}
	return code;
}

int sources_find(struct sources *s, const struct sources_config *config, struct err *err)
{
	int code = 0;
	bool journal = config->journal && !config->n_files && find_journal(s, err);
	for (size_t i = 0; i < config->n_files && !code; i++)
		code = add(s, OPENER_FILE, config->files[i], false, err);
	if (!config->n_files && !code)
		code = find_files(s, journal, err);
	if (config->syslog && !code) {
		code = add(s, OPENER_UDP, config->syslog, false, err);
		if (!code)
			code = add(s, OPENER_TCP, config->syslog, false, err);
	}
	return code;
}

void sources_done(struct sources *s)
{
	arena_free(&s->arena);
}
