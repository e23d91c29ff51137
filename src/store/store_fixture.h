/* For tests of the store: a folder that goes again, events that can be told apart, and all that a store holds. */
#ifndef KHIEN_STORE_FIXTURE_H
#define KHIEN_STORE_FIXTURE_H

#include "store/embedded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>

/* 2026-11-22 12:00:00 UTC */
static const int64_t FIXTURE_NOON = (int64_t)1795348800 * 1000000;
enum { FIXTURE_PATH = 256, FIXTURE_TEXT = 1024 };

static inline int fixture_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void fixture_remove(const char *dir)
{
	nftw(dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_folder(char path[FIXTURE_PATH])
{
	const char *top = access("/dev/shm", W_OK) ? getenv("TMPDIR") : "/dev/shm"; /* in memory: quick to sync */
	snprintf(path, FIXTURE_PATH, "%s/khien-store-XXXXXX", top ? top : "/tmp");
	assert_non_null(mkdtemp(path));
}

/* An event with its number n in it, of `pad` bytes more. */
struct fixture_event {
	struct event_row row;
	char dataset[32], id[32], json[FIXTURE_TEXT];
};

static inline void fixture_event(struct fixture_event *e, uint64_t n, int64_t time, const char *dataset, bool has_id,
                                 unsigned pad)
{
	snprintf(e->dataset, sizeof(e->dataset), "%s", dataset);
	snprintf(e->id, sizeof(e->id), "id-%08llx", (unsigned long long)n * 2654435761u);
	int length = snprintf(e->json, sizeof(e->json),
	                      "{\"khien.id\":\"%s\",\"n\":%llu,\"event.dataset\":\"%s\",\"message\":\"%0*u\"}", e->id,
	                      (unsigned long long)n, dataset, (int)(pad < 800 ? pad + 1 : 800), 7u);
	e->row = (struct event_row){
		.time = time,
		.dataset = str_from(e->dataset),
		.id = has_id ? str_from(e->id) : (struct str){ "", 0 },
		.json = { e->json, (size_t)length },
	};
}

/* Which n stand in a store, how often, found in days or in the journal. */
struct fixture_seen {
	uint8_t *times;
	size_t cap;
	uint64_t total, foreign; /* events; of those: with no such n, or not byte for byte */
};

static inline void fixture_see(struct fixture_seen *seen, struct str json)
{
	struct fixture_event e;
	char text[2 * FIXTURE_TEXT] = "", dataset[32] = "";
	seen->total++;
	if (json.n < sizeof(text))
		memcpy(text, json.p, json.n);
	const char *at = strstr(text, "\"n\":"), *name = strstr(text, "\"event.dataset\":\""),
	           *message = strstr(text, "\"message\":\"");
	uint64_t n = at ? strtoull(at + 4, NULL, 10) : seen->cap;
	if (!name || !message || n >= seen->cap) {
		seen->foreign++;
		return;
	}
	name += strlen("\"event.dataset\":\"");
	message += strlen("\"message\":\"");
	snprintf(dataset, sizeof(dataset), "%.*s", (int)strcspn(name, "\""), name);
	size_t pad = strcspn(message, "\"");
	fixture_event(&e, n, 0, dataset, true, pad ? (unsigned)pad - 1 : 0);
	if (!str_eq(e.row.json, json))
		seen->foreign++;
	seen->times[n]++;
}

static inline int fixture_see_row(void *arg, uint64_t seq, const struct event_row *row)
{
	fixture_see(arg, row->json);
	return 0;
}

/* Goes through days and journal without the searching code. */
static inline void fixture_see_all(struct events *s, struct fixture_seen *seen, uint64_t *damaged)
{
	int32_t *days;
	size_t n;
	struct err err;
	assert_int_equal(embedded_days(s, INT64_MIN, 0, &days, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		struct day *d;
		const struct day_block *blocks;
		size_t n_blocks;
		if (embedded_day(s, days[i], &d, &err)) {
			++*damaged;
			continue;
		}
		assert_int_equal(day_blocks(d, &blocks, &n_blocks, &err), 0);
		for (size_t b = 0; b < n_blocks; b++) {
			struct day_reader reader = { d, blocks[b].number };
			struct chunk *c = embedded_chunk(s);
			struct buf json = { 0 };
			int code = chunk_open(c, blocks[b].size, day_bytes, &reader, &err);
			for (uint32_t r = 0; !code && r < blocks[b].rows; r++) {
				json.n = 0;
				code = chunk_json(c, r, &json, &err);
				if (!code)
					fixture_see(seen, buf_str(&json));
			}
			*damaged += code != 0;
			buf_free(&json);
		}
	}
	free(days);
	assert_int_equal(embedded_unsealed(s, fixture_see_row, seen, &err), 0);
}

/* Notes that were told, in one line. */
struct fixture_notes {
	char text[4096];
};

static inline void fixture_note(void *arg, const char *event, const char *what, const char *why)
{
	struct fixture_notes *n = arg;
	size_t at = strlen(n->text);
	snprintf(n->text + at, sizeof(n->text) - at, "%s: %s: %s\n", event, what, why);
}

/* Ticks until nothing waits to be sealed or salvaged. */
static inline void fixture_settle(struct events *s, struct clock *clock)
{
	struct err err;
	for (int i = 0; i < 200; i++) {
		clock_advance(clock, 20 * CLOCK_MS);
		assert_int_equal(events_embedded.tick(s, &err), 0);
	}
}

#endif
