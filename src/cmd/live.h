/* What khien watch and the front of khien hub have in common before they run: rules, output, recordings, the sandbox. */
#ifndef KHIEN_CMD_LIVE_H
#define KHIEN_CMD_LIVE_H

#include "cmd/watch.h"
#include "os/sandbox.h"

/* Which rules run, and where they are cached. */
struct live_rules {
	struct engine_config engine;
	const char *fallback; /* khien's own */
	char cache[4096];
};
/* dirs: as given; none: khien's own. Everything is borrowed; *r must stay where it is. -ENOENT: there are none. */
int live_rules(struct live_rules *r, const char *const *dirs, size_t n, const char *mapping, const char *placeholders,
               struct err *err);

/* The output as this terminal wants it; the caller sets what differs. */
struct show_config live_show(int lang, int color, bool json, const struct clock *clock);

/* Opened before the sandbox. */
int live_recordings(struct recording **ret, size_t *n, const char *const *paths, size_t n_paths, struct err *err);
void live_recordings_free(struct recording *r, size_t n);

/* Enters it and says which layers are on, and which are off and why. Frees s. */
void live_enter(struct sandbox *s, struct show *show);

/* How much correlations want to see again after a restart, µs: they see no further back than the longest of them. */
int64_t live_horizon(const struct ruleset *rs);

#endif
