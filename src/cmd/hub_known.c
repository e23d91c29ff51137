/*
 * Indicators beside the rules: the set of all feeds, made anew whenever the keeper says that they changed.
 *
 *   khien intel --feeds--> keeper --stamp--> front --item--> opener --set--> front
 */
#include "cmd/hub_admin.h"
#include "cmd/hub_front.h"

#include <stdio.h>

static const int64_t PATIENCE = 10LL * CLOCK_S; /* a million take a second; later it comes between two events */

/* The old set is in use until the new one is. */
static int use(void *arg, struct intel_set *set, uint64_t stamp)
{
	struct front *f = arg;
	struct intel_set *before = f->indicators;
	const struct intel_counts counts = intel_set_counts(set);
	char n[32], feeds[32];
	pipe_use(&f->pipe, set);
	f->indicators = set;
	f->feeds_used = stamp;
	snprintf(n, sizeof(n), "%llu", (unsigned long long)counts.entries);
	snprintf(feeds, sizeof(feeds), "%u", counts.feeds);
	if (counts.entries || before)
		show_note(f->show, LOG_LEVEL_INFO, WORD_INDICATORS, "indicators", n, feeds);
	intel_set_free(before);
	return 0;
}

static void refused(void *arg, const char *why)
{
	struct front *f = arg;
	show_note(f->show, LOG_LEVEL_ERROR, WORD_NO_INDICATORS, "indicators-not-taken", why, NULL);
}

void front_known_item(struct front *f, struct opener_item *item)
{
	snprintf(f->feeds, sizeof(f->feeds), "%s/" HUB_STORE "/intel", f->c->hub->data);
	*item = (struct opener_item){ .kind = OPENER_WORK, .name = "indicators", .work = known_work, .arg = f->feeds };
}

int front_known_new(struct front *f, size_t item, struct err *err)
{
	const struct known_live_config config = {
		.loop = f->loop, .opener = f->opener, .item = item, .use = use, .refused = refused, .arg = f
	};
	return known_live_new(&f->known_live, &config, err);
}

int front_known_wait(struct front *f)
{
	const int64_t until = clock_monotonic(f->clock) + PATIENCE;
	int code = known_live_start(f->known_live);
	while (!code && known_live_busy(f->known_live) && clock_monotonic(f->clock) < until) {
		front_beat(f);
		code = known_live_wait(f->known_live, 100);
	}
	return code;
}

int front_known_hear(struct front *f, uint64_t stamp)
{
	const bool fresh = stamp != f->feeds_said && stamp != f->feeds_used;
	f->feeds_said = stamp;
	return fresh ? known_live_start(f->known_live) : 0;
}

void front_known_done(struct front *f)
{
	known_live_free(f->known_live);
	pipe_use(&f->pipe, NULL);
	intel_set_free(f->indicators);
}
