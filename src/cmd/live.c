#include "cmd/live.h"

#include "cmd/paths.h"
#include "cmd/term.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int live_rules(struct live_rules *r, const char *const *dirs, size_t n, const char *mapping, const char *placeholders,
               struct err *err)
{
	const char *installed = KHIEN_DATADIR "/rules", *local = "rules";
	r->fallback = access(installed, R_OK) == 0 ? installed : local;
	if (!n && access(r->fallback, R_OK))
		return err_set(err, -ENOENT, "no rules in %s nor ./%s: name them with --rules DIR", installed, local);
	r->engine = (struct engine_config){
		.rules = { .dirs = n ? dirs : &r->fallback,
		           .n_dirs = n ? n : 1,
		           .mapping = mapping,
		           .placeholders = placeholders },
		.cache_dir = paths_cache(r->cache, sizeof(r->cache)),
	};
	return 0;
}

struct show_config live_show(int lang, int color, bool json, const struct clock *clock)
{
	const bool tty = term_is_tty(STDOUT_FILENO);
	tzset(); /* reads a file */
	return (struct show_config){
		.print = { .color = term_color(STDOUT_FILENO, color),
		           .block = true,
		           .local_time = true,
		           .language = (enum language)lang,
		           .width = tty ? term_width(STDOUT_FILENO) : 0 },
		.json = json,
		.clock = clock,
	};
}

int live_recordings(struct recording **ret, size_t *n, const char *const *paths, size_t n_paths, struct err *err)
{
	struct recording *r = calloc(n_paths + 1, sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "open the recordings: %m");
	for (size_t i = 0; i < n_paths; i++) {
		r[i] = (struct recording){ paths[i], open(paths[i], O_RDONLY | O_CLOEXEC) };
		if (r[i].fd >= 0)
			continue;
		int code = err_set(err, -errno, "open the recording '%s': %m", paths[i]);
		live_recordings_free(r, i);
		return code;
	}
	*ret = r;
	*n = n_paths;
	return 0;
}

void live_recordings_free(struct recording *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(r[i].fd);
	free(r);
}

void live_enter(struct sandbox *s, struct show *show)
{
	struct sandbox_report report;
	char on[128] = "";
	sandbox_enter(s, &report);
	for (size_t i = 0; i < SANDBOX_LAYERS; i++) {
		size_t n = strlen(on);
		if (report.layer[i].on)
			snprintf(on + n, sizeof(on) - n, "%s%s", n ? ", " : "", report.layer[i].name);
		else
			show_note(show, LOG_LEVEL_WARNING, WORD_PROTECTION_OFF, "protection-off", report.layer[i].name,
			          report.layer[i].why);
	}
	show_note(show, LOG_LEVEL_INFO, WORD_PROTECTION, "protection", on, NULL);
}

int64_t live_horizon(const struct ruleset *rs)
{
	const int64_t most = 3600LL * CLOCK_S;
	int64_t longest = 0;
	for (uint32_t i = 0; i < rs->n_correlations; i++)
		if (rs->correlations[i].timespan > longest)
			longest = rs->correlations[i].timespan;
	return longest < most ? longest : most;
}
