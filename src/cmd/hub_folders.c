/* DATA and what is in it: made where it is missing, and of whom it has to be. */
#include "cmd/hub.h"
#include "cmd/hub_admin.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with its parents. */
static int make_folder(const char *path, mode_t mode, struct err *err)
{
	char part[4096];
	size_t n = strlen(path);
	if (n >= sizeof(part))
		return err_set(err, -ENAMETOOLONG, "make the folder '%s': %m", path);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == n ? mode : 0755) && errno != EEXIST)
			return err_set(err, -errno, "make the folder '%s': %m", part);
	}
	return 0;
}

/* To the user, but not through a link: the keeper could have put one in the place of what lies in its own folder. */
static int give_folder(const char *path, const struct passwd *pw, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), code = 0;
	if (fd < 0 || fchown(fd, pw->pw_uid, pw->pw_gid))
		code = err_set(err, -errno, "give '%s' to user %s: %m", path, pw->pw_name);
	if (fd >= 0)
		close(fd);
	return code;
}

static int make_part(const char *data, const char *user, const struct folder *f, struct err *err)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), *f->name ? "%s/%s" : "%s", data, f->name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the data folder's name: %m");
	int code = make_folder(path, f->mode, err);
	const struct passwd *pw = !code && f->kept && user ? getpwnam(user) : NULL;
	return pw ? give_folder(path, pw, err) : code;
}

int folders_make(const char *data, const char *user, const struct folder *folders, size_t n, struct err *err)
{
	/* the keeper passes through DATA, whatever the mask of whoever starts this */
	const mode_t was = umask(022);
	int code = 0;
	for (size_t i = 0; i < n && !code; i++)
		code = make_part(data, user, &folders[i], err);
	umask(was);
	return code;
}

int hub_folders(struct hub_folders *f, struct err *err)
{
	static const struct folder parts[] = {
		{ "", 0755, false },
		{ "pki", 0755, false },
		{ "front", 0700, false },
		{ HUB_STORE, 0750, true },
		{ HUB_STORE "/events", 0750, true },
	};
	if (geteuid() == 0) {
		f->user = getpwnam("khien") ? "khien" : NULL;
		f->front_user = "khien-front";
	}
	return folders_make(f->data, f->user, parts, ARRAY_LEN(parts), err);
}
