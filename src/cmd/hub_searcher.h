/*
 * Hunts that are asked for over HTTP: a process apart looks through the store, with the store's rights and no others. The
 * front has neither; what it is asked goes through one of a few sockets, and what is found comes back on it.
 *
 *   supervisor
 *   └─ searcher     user khien, the folder of events alone: begins a process for each hunt, ends it when nobody wants it
 *      └─ search    the sandbox of `khien hunt`: one hunt, from its text to the last row
 *
 * Each socket is for one hunt at a time: so many can run at once. The sockets outlive the processes at their ends, and
 * numbers tell what still belongs to whom. A socket that nobody reads is full soon, and the search waits. Inside of the
 * command.
 */
#ifndef KHIEN_CMD_HUB_SEARCHER_H
#define KHIEN_CMD_HUB_SEARCHER_H

#include "api/api.h"
#include "base/log.h"
#include "os/sandbox.h"

enum {
	SEARCHES = 4, /* at once */
	SEARCH_PIECE = 32 << 10,
	SEARCH_ASK_MAX = 20 << 10, /* bytes of texts */
};

/* --- packets; both ends are forks of one program: shapes are the machine's own --- */

enum search_kind {
	SEARCH_ASK = 1, /* to the searcher: struct search_ask */
	SEARCH_STOP,    /* to the searcher: nobody wants it any more; number 0: whichever runs */
	SEARCH_ROWS,    /* to the front: a piece of the answer, and its status */
	SEARCH_END,     /* to the front: that was all; why it may not be whole */
	SEARCH_FREE,    /* to the front: nothing runs now; number 0: whatever it was */
};

struct search_head {
	uint64_t number; /* of the search */
	uint32_t kind, status;
};

/* Texts follow, each with a NUL: q, since, until, datasets. */
struct search_ask {
	struct search_head head;
	uint64_t limit;
	uint32_t format; /* enum api_hunt_format */
	uint32_t oldest, n_datasets;
};

/* --- hub_searcher.c: the supervisor's, and the process --- */

struct searcher;

struct searcher_config {
	const char *data; /* the hub's folder */
	const struct clock *clock;
	const struct log *log;
	void (*forget)(void *arg); /* in the new process: what it is not to know */
	void *arg;
};

int searcher_new(struct searcher **ret, const struct searcher_config *config, struct err *err);
/* Ends it. */
void searcher_free(struct searcher *s);
/* At least once a second: it is started where it isn't there, and killed where it says nothing. */
void searcher_look(struct searcher *s, int64_t now);
/* In another process: what is the supervisor's and the searcher's is closed; the front's ends, or -1, into `ends`. */
void searcher_leave(struct searcher *s, bool is_front, int ends[SEARCHES]);

/* --- hub_search.c --- */

/* One hunt, in a process of its own; its exit status. text: n bytes behind the struct, the last a NUL. */
int search_run(int fd, const struct search_ask *ask, struct str texts, const char *dir, struct sandbox *sandbox);

/* --- hub_hunts.c: in the front --- */

struct front;
struct hunts;

int hunts_new(struct hunts **ret, struct front *f, const int ends[SEARCHES]);
void hunts_free(struct hunts *h);
/* Once, when the loop is there. */
int hunts_begin(struct hunts *h, struct err *err);
/* For api_config; its arg is the struct front. */
struct api_hunts hunts_api(void);
void hunts_metrics(const struct hunts *h, struct buf *out);

#endif
