#include "cmd/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* base + "/khien", base being made; n is what snprintf said of base. */
static const char *finish(char *buf, size_t size, int n)
{
	if (n < 0 || (size_t)n + sizeof("/khien") > size)
		return NULL;
	mkdir(buf, 0700); /* it is there as a rule; where it can't be made the one who uses it says so */
	snprintf(buf + n, size - (size_t)n, "/khien");
	return buf;
}

const char *paths_cache(char *buf, size_t size)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n;
	if (xdg && xdg[0] == '/')
		n = snprintf(buf, size, "%s", xdg);
	else if (home && home[0] == '/')
		n = snprintf(buf, size, "%s/.cache", home);
	else if (geteuid() == 0)
		n = snprintf(buf, size, "/var/cache");
	else
		return NULL;
	return finish(buf, size, n);
}

const char *paths_state(char *buf, size_t size)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;
	if (xdg && xdg[0] == '/')
		n = snprintf(buf, size, "%s", xdg);
	else if (geteuid() == 0)
		n = snprintf(buf, size, "/var/lib");
	else if (home && home[0] == '/')
		n = snprintf(buf, size, "%s/.local/state", home);
	else
		return NULL;
	return finish(buf, size, n);
}

const char *paths_waf(char *buf, size_t size)
{
	char self[4096], file[sizeof(self) + 64];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	const char *const places[][2] = { { self, "/gate/waf" },
		                          { self, "/../share/khien/waf" },
		                          { KHIEN_DATADIR, "/waf" } };
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const int length = snprintf(file, sizeof(file), "%s%s", places[i][0], places[i][1]);
		if (length < 0 || (size_t)length >= size)
			continue;
		memcpy(buf, file, (size_t)length + 1);
		snprintf(file + length, sizeof(file) - (size_t)length, "/khien.conf");
		if (!access(file, R_OK))
			return buf;
	}
	return NULL;
}

const char *paths_gate_events(char *buf, size_t size)
{
	static const char rest[] = "/gate/state/events.jsonl";
	const size_t n = paths_state(buf, size) ? strlen(buf) : size;
	if (n + sizeof(rest) > size)
		return NULL;
	memcpy(buf + n, rest, sizeof(rest));
	return buf;
}
