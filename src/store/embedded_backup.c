#include "store/embedded_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int folder(const char *to, const char *name, char *path, size_t size, struct err *err)
{
	int n = snprintf(path, size, "%s/%s", to, name);
	if (n < 0 || (size_t)n >= size)
		return err_set(err, -ENAMETOOLONG, "%s: %m", to);
	return mkdir(path, 0700) ? err_set(err, -errno, "make folder '%s': %m", path) : 0;
}

/* First the journal, then the days: what moves meanwhile is in both, and the day says so. */
static int copy_all(struct events *s, const char *journal, const char *days, struct err *err)
{
	int32_t *list = NULL;
	size_t n = 0;
	int code = s->journal ? journal_copy(s->journal, journal, err) : 0;
	if (!code)
		code = embedded_days(s, INT64_MIN, 0, &list, &n, err);
	for (size_t i = 0; !code && i < n; i++) {
		char name[DAY_NAME], path[DIR_MAX + DAY_NAME];
		struct day *d;
		day_name(list[i], name);
		snprintf(path, sizeof(path), "%s/%s", days, name);
		code = embedded_day(s, list[i], &d, err);
		if (!code)
			code = day_copy(d, path, err);
		if (code == -ENOENT) /* let go meanwhile */
			code = 0;
	}
	free(list);
	return code;
}

int embedded_backup(struct events *s, const char *to, struct err *err)
{
	char journal[DIR_MAX], days[DIR_MAX];
	int code = folder(to, "journal", journal, sizeof(journal), err);
	if (!code)
		code = folder(to, "days", days, sizeof(days), err);
	if (!code && !s->config.read_only)
		code = journal_sync(s->journal, err);
	if (!code)
		code = days_begin(s, err);
	if (!code)
		code = copy_all(s, journal, days, err);
	days_end(s);
	return code;
}
