#include "cmd/paths.h"

#include <stdio.h>
#include <stdlib.h>
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
