#include "cmd/hub_admin.h"

#include "cmd/cmd.h"
#include "cmd/config.h"
#include "cmd/term.h"
#include "store/state.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int from_config(char *to, size_t size, struct err *err)
{
	struct config c;
	CLEANUP(buf_free) struct buf problems = { 0 };
	int code = config_read(&c, NULL, &problems);
	if (code)
		return err_set(err, code, STR_FMT, STR_ARG(str_trim(buf_str(&problems))));
	size_t n = strlen(c.hub.data);
	if (n < size)
		memcpy(to, c.hub.data, n + 1);
	config_done(&c);
	return n < size ? 0 : err_set(err, -ENAMETOOLONG, "the hub's folder: %m");
}

static int find_folder(struct admin *a, const char *given, struct err *err)
{
	char real[PATH_MAX];
	size_t n = given ? strlen(given) : 0;
	_Static_assert(sizeof(real) <= sizeof(a->data), "a real path fits");
	if (given && (!n || n >= sizeof(a->data)))
		return err_set(err, -EINVAL, "--data needs a folder");
	if (given)
		memcpy(a->data, given, n + 1);
	int code = given ? 0 : from_config(a->data, sizeof(a->data), err);
	if (code)
		return code;
	for (n = strlen(a->data); n > 1 && a->data[n - 1] == '/'; n--)
		a->data[n - 1] = '\0';
	a->exists = realpath(a->data, real) != NULL;
	if (!a->exists && errno != ENOENT)
		return err_set(err, -errno, "look at '%s': %m", a->data);
	if (a->exists)
		memcpy(a->data, real, strlen(real) + 1);
	return 0;
}

int admin_find(struct admin *a, const char *given, struct err *err)
{
	struct stat st = { .st_uid = 0 };
	*a = (struct admin){ .uid = geteuid(), .gid = getegid() };
	int code = find_folder(a, given, err);
	if (code)
		return code;
	if (a->exists && stat(a->data, &st))
		return err_set(err, -errno, "look at '%s': %m", a->data);
	if (a->exists && !S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "'%s' is no folder", a->data);
	snprintf(a->store, sizeof(a->store), "%s/" HUB_STORE, a->data);
	if (a->exists && stat(a->store, &st) && errno != ENOENT)
		return err_set(err, -errno, "look at '%s': %m", a->store);
	if (a->uid)
		return 0;
	const struct passwd *pw = st.st_uid ? NULL : getpwnam("khien");
	a->uid = pw ? pw->pw_uid : st.st_uid;
	a->gid = pw ? pw->pw_gid : st.st_uid ? st.st_gid : a->gid;
	return 0;
}

int admin_make_parents(const struct admin *a, struct err *err)
{
	char path[sizeof(a->data)];
	for (size_t i = 1; a->data[i]; i++) {
		if (a->data[i] != '/')
			continue;
		memcpy(path, a->data, i);
		path[i] = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return err_set(err, -errno, "make the folder '%s': %m", path);
	}
	return 0;
}

int admin_make(struct admin *a, struct err *err)
{
	int code = a->exists ? 0 : admin_make_parents(a, err);
	if (code)
		return code;
	if (mkdir(a->data, 0755) && errno != EEXIST)
		return err_set(err, -errno, "make the folder '%s': %m", a->data);
	a->exists = true;
	if (mkdir(a->store, 0750))
		return errno == EEXIST ? 0 : err_set(err, -errno, "make the folder '%s': %m", a->store);
	if (geteuid() == 0 && a->uid && lchown(a->store, a->uid, a->gid))
		return err_set(err, -errno, "give '%s' to its owner: %m", a->store);
	return 0;
}

int admin_become(const struct admin *a, struct err *err)
{
	umask(077);
	if (geteuid() || !a->uid)
		return 0;
	const struct passwd *pw = getpwuid(a->uid);
	if ((pw ? initgroups(pw->pw_name, a->gid) : setgroups(1, &a->gid)) || setresgid(a->gid, a->gid, a->gid) ||
	    setresuid(a->uid, a->uid, a->uid))
		return err_set(err, -errno, "become the owner of '%s': %m", a->data);
	return 0;
}

/* Why SQLite or the system said no, in words of the one who stands before it. */
static int no_right(const struct admin *a, struct err *err)
{
	const struct passwd *pw = getpwuid(a->uid);
	return err_set(err, -EACCES, "no right to '%s/state.db': run this as root, or as the user the hub runs as%s%s",
	               a->store, geteuid() == 0 && pw ? ", " : "", geteuid() == 0 && pw ? pw->pw_name : "");
}

int admin_open(struct admin *a, bool make, bool reads, struct state **ret, struct err *err)
{
	const struct state_config config = { .dir = a->store, .read_only = reads, .clock = &clock_system };
	int code = !make && !a->exists
	                   ? err_set(err, -ENOENT, "there is no hub's folder '%s': name it with --data", a->data)
	                   : 0;
	if (!code)
		code = make ? admin_make(a, err) : 0;
	if (!code)
		code = admin_become(a, err);
	if (code)
		return code;
	code = state_open(ret, &config, NULL, err);
	return code == -EACCES || code == -EPERM || (code == -EROFS && access(a->store, W_OK)) ? no_right(a, err)
	                                                                                       : code;
}

/* Called before admin_become(): behind sudo it is the one who called that. */
void admin_who(char who[65])
{
	const char *sudo = geteuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *pw = sudo && *sudo ? NULL : getpwuid(getuid());
	char number[24];
	snprintf(number, sizeof(number), "uid %u", (unsigned)getuid());
	snprintf(who, 65, "%.64s", sudo && *sudo ? sudo : pw ? pw->pw_name : number);
	for (char *c = who; *c; c++)
		*c = (char)(*c < ' ' || *c == 0x7f ? '?' : *c);
}

int admin_complain(const char *job, const struct err *err)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	buf_printf(&line, "khien hub %s: ", job);
	term_safe(&line, str_from(err->text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	return EXIT_TROUBLE;
}
