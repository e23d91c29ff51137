/*
 * Browsers: pages with what they are made of, cookies, kept connections, redirections, Retry-After and refreshes as they are told, and a
 * person in front of each who loads an error page again after a few seconds, and has so much patience. Many in one loop. Inside of the room.
 */
#ifndef KHIEN_DRILL_VISIT_H
#define KHIEN_DRILL_VISIT_H

#include "drill/drill.h"
#include "drill/http.h"
#include "drill/line.h"
#include "drill/page.h"

enum { VISIT_ASSETS = 24, VISIT_KEPT = 48, VISIT_BODY_MAX = 1 << 20, VISIT_READ = 64 << 10 };

/* What a loop of browsers has in common. */
struct visits {
	const struct drill *d;
	int epoll, out;
	double begin, now;
	uint64_t chance;
	struct drill_result result;
	struct browser *gone; /* ended, and freed when nothing can mean them any more */
	char in[VISIT_READ];
};
int drill_visits_init(struct visits *v, const struct drill *d, int out, struct err *err);
/* [0, n); [0, 1) */
uint64_t drill_visits_chance(struct visits *v, uint64_t n);
double drill_visits_fraction(struct visits *v);
/* Waits for up to a hundredth of a second, and does what comes. */
void drill_visits_turn(struct visits *v);

enum browser_who { BROWSER_BOT, BROWSER_PATIENT /* its requests are timed */, BROWSER_BANK /* isn't counted */ };
enum browser_at { BROWSER_RESTS, BROWSER_PAGE, BROWSER_ASSET, BROWSER_WAITS };

struct browser {
	struct visits *v;
	const struct line_way *way;
	struct sockaddr_storage from; /* ss_family 0: any */
	const struct http_browser *is;
	const char *headers; /* beside the usual; NULL */
	uint8_t who;         /* enum browser_who */
	/* The page is there, with what it is made of; status 0: patience is over. It may ask for another, or end the browser. */
	void (*then)(struct browser *b, int status);
	void *arg;

	struct line line;
	struct http_answer answer;
	struct buf request, body, post;
	size_t sent;
	double begun, page_begun, due; /* of the request; of the page; of what it waits for, 0: nothing */
	uint8_t at;                    /* enum browser_at */
	uint16_t status;               /* of the page; its text is `body` */
	bool reused, tried, dead;      /* the connection had answers before; a cut one was tried again; ended */
	uint8_t redirections, n_assets, asset, n_kept;
	bool was_denied;
	double retry_after; /* of the answer; -1: none */
	char path[PAGE_PATH], location[PAGE_PATH];
	char assets[VISIT_ASSETS][PAGE_PATH / 2];
	uint64_t kept[VISIT_KEPT]; /* assets that it has */
	char cookies[1024];
	struct browser *next_gone;
};

/* The caller's; ends with drill_browser_free(), also from within `then`. NULL: no memory. */
struct browser *drill_browser_new(struct visits *v, const struct line_way *way, const struct sockaddr_storage *from,
                                  uint64_t who);
void drill_browser_free(struct browser *b);
/* Opens a page; post {NULL, 0}: GET. `then` is called later. */
void drill_browser_open(struct browser *b, const char *path, struct str post);
/* It's time to look whether something is due. */
void drill_browser_tick(struct browser *b);

/* Sets it among "a=1; b=2"; a value of a cookie that is taken back goes. False: no room. */
bool drill_browser_cookie(char *jar, size_t room, struct str set_cookie);

#endif
