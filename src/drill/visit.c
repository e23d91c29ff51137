#include "drill/visit.h"
#include "drill/address.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256, REDIRECTIONS = 10, TURN_MS = 5 };
static const double AGAIN_MIN_S = 2, AGAIN_MORE_S = 3, ASSET_S = 10;

/* --- the loop --- */

int drill_visits_init(struct visits *v, const struct drill *d, int out, struct err *err)
{
	v->d = d;
	v->out = out;
	v->chance = d->seed;
	v->epoll = epoll_create1(EPOLL_CLOEXEC);
	v->begin = v->now = (double)clock_monotonic(&clock_system) / 1e6;
	return v->epoll < 0 ? err_set(err, -errno, "epoll: %m") : 0;
}

/* SplitMix64: a drill needs no better. */
uint64_t drill_visits_chance(struct visits *v, uint64_t n)
{
	uint64_t z = v->chance += 0x9e3779b97f4a7c15U;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (z ^ (z >> 31)) % n;
}

double drill_visits_fraction(struct visits *v)
{
	return (double)drill_visits_chance(v, 1U << 30) / (1U << 30);
}

/* --- cookies --- */

bool drill_browser_cookie(char *jar, size_t room, struct str set_cookie)
{
	const struct str pair = str_trim(str_sub(set_cookie, 0, str_find(set_cookie, ';')));
	const size_t equals = str_find(pair, '='), name = equals + 1;
	const bool taken_back = memmem(set_cookie.p, set_cookie.n, "Max-Age=0", 9) != NULL;
	if (equals == pair.n || !equals || memchr(pair.p, '\r', pair.n))
		return false;
	char *at = jar;
	while (*at) { /* without the one of this name */
		char *end = strstr(at, "; ");
		char *next = end ? end + 2 : at + strlen(at);
		if (strncmp(at, pair.p, name) == 0) {
			memmove(at, next, strlen(next) + 1);
			continue;
		}
		at = next;
	}
	size_t n = strlen(jar);
	if (n >= 2 && strcmp(jar + n - 2, "; ") == 0)
		jar[n -= 2] = '\0';
	if (taken_back || equals + 1 == pair.n)
		return true;
	if (n + pair.n + 3 > room)
		return false;
	snprintf(jar + n, room - n, "%s" STR_FMT, n ? "; " : "", STR_ARG(pair));
	return true;
}

/* --- a request --- */

static void write_request(struct browser *b, const char *path, bool asset)
{
	struct buf *to = &b->request;
	const bool posts = !asset && b->post.n;
	to->n = 0;
	b->sent = 0;
	buf_printf(to, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: %s\r\nAccept-Language: %s\r\n",
	           posts ? "POST" : "GET", path, b->way->host, b->is->agent,
	           asset ? "*/*" : "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", b->is->language);
	buf_printf(to, "Sec-Fetch-Dest: %s\r\nSec-Fetch-Mode: %s\r\nSec-Fetch-Site: same-origin\r\n",
	           asset ? "empty" : "document", asset ? "no-cors" : "navigate");
	if (!asset)
		buf_add(to, STR("Upgrade-Insecure-Requests: 1\r\n"));
	if (*b->cookies)
		buf_printf(to, "Cookie: %s\r\n", b->cookies);
	if (b->headers)
		buf_printf(to, "%s", b->headers);
	if (posts)
		buf_printf(to, "%sContent-Length: %zu\r\n",
		           b->headers ? "" : "Content-Type: application/x-www-form-urlencoded\r\n", b->post.n);
	buf_add(to, STR("\r\n"));
	if (posts)
		buf_add(to, buf_str(&b->post));
}

static void request_failed(struct browser *b);

static void push(struct browser *b)
{
	const struct str all = buf_str(&b->request);
	while (b->sent < all.n) {
		const ssize_t n = drill_line_send(&b->line, str_sub(all, b->sent, all.n));
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			request_failed(b);
			return;
		}
		b->sent += (size_t)n;
	}
}

static int dial(struct browser *b)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = b };
	int code = drill_line_open(&b->line, b->way, b->from.ss_family ? &b->from : NULL);
	if (!code && epoll_ctl(b->v->epoll, EPOLL_CTL_ADD, b->line.fd, &e)) {
		code = -errno;
		drill_line_close(&b->line);
	}
	b->reused = false;
	return code;
}

/* What is in b->request goes out, from its beginning. */
static void send_request(struct browser *b)
{
	drill_http_again(&b->answer);
	if (b->at == BROWSER_PAGE)
		b->body.n = 0;
	b->body.failed = false;
	b->retry_after = -1;
	*b->location = '\0';
	b->sent = 0;
	if (b->line.at == LINE_CLOSED && dial(b))
		request_failed(b);
	else if (b->line.at == LINE_OPEN)
		push(b);
}

static void begin_request(struct browser *b, const char *path, bool asset)
{
	b->at = asset ? BROWSER_ASSET : BROWSER_PAGE;
	b->begun = b->v->now;
	b->tried = false;
	b->due = asset ? b->v->now + ASSET_S : b->page_begun + b->v->d->patience_s;
	if (b->who == BROWSER_PATIENT)
		b->v->result.asked++;
	else if (b->who == BROWSER_BOT)
		b->v->result.sent++;
	write_request(b, path, asset);
	send_request(b);
}

static void hang_up(struct browser *b)
{
	drill_line_close(&b->line);
	drill_http_again(&b->answer);
	b->reused = false;
}

/* --- pages --- */

static void next_asset(struct browser *b)
{
	if (b->asset < b->n_assets) {
		begin_request(b, b->assets[b->asset++], true);
		return;
	}
	b->at = BROWSER_RESTS;
	b->due = 0;
	b->then(b, b->status);
}

static void add_asset(void *arg, struct str reference)
{
	struct browser *b = arg;
	char path[PAGE_PATH];
	uint64_t hash = 14695981039346656037U;
	if (b->n_assets == VISIT_ASSETS || b->n_kept == VISIT_KEPT ||
	    !drill_page_resolve(b->path, b->way->host, reference, path) || strlen(path) >= sizeof(b->assets[0]))
		return;
	for (const char *p = path; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211U;
	for (unsigned i = 0; i < b->n_kept; i++)
		if (b->kept[i] == hash)
			return;
	b->kept[b->n_kept++] = hash;
	memcpy(b->assets[b->n_assets++], path, strlen(path) + 1);
}

/* Patience is over. */
static void give_up(struct browser *b)
{
	hang_up(b);
	b->at = BROWSER_RESTS;
	b->due = 0;
	b->then(b, 0);
}

static void wait_for(struct browser *b, double seconds)
{
	if (b->v->now + seconds > b->page_begun + b->v->d->patience_s) {
		give_up(b);
		return;
	}
	b->at = BROWSER_WAITS;
	b->due = b->v->now + (seconds > 0.1 ? seconds : 0.1);
}

/* A person looks at what went wrong, and loads it again. */
static void try_again(struct browser *b)
{
	const double some = AGAIN_MIN_S + AGAIN_MORE_S * drill_visits_fraction(b->v);
	wait_for(b, b->retry_after >= 0 ? b->retry_after : some);
}

/* Its request came to nothing. */
static void count_failed(struct browser *b, uint64_t *of_bots)
{
	if (b->who == BROWSER_PATIENT) {
		b->v->result.asked_failed++;
		drill_measure_add(&b->v->result.requests, b->v->now - b->begun);
	} else if (b->who == BROWSER_BOT) {
		++*of_bots;
	}
}

static void request_failed(struct browser *b)
{
	const bool silently = b->reused && !b->tried && b->answer.at == HTTP_HEAD && !b->answer.n_head;
	hang_up(b);
	if (silently) { /* a kept connection was at its end: browsers ask again on a new one before anybody notices */
		b->tried = true;
		send_request(b);
		return;
	}
	count_failed(b, &b->v->result.cut);
	if (b->at == BROWSER_ASSET)
		next_asset(b);
	else
		try_again(b);
}

static void redirected(struct browser *b)
{
	char to[PAGE_PATH];
	const uint16_t status = b->answer.status;
	if (b->redirections++ == REDIRECTIONS ||
	    !drill_page_resolve(b->path, b->way->host, str_from(b->location), to)) {
		b->at = BROWSER_RESTS; /* to another site: nobody goes there */
		b->due = 0;
		b->then(b, status);
		return;
	}
	memcpy(b->path, to, sizeof(to));
	if (status != 307 && status != 308)
		b->post.n = 0;
	begin_request(b, b->path, false);
}

static void page_arrives(struct browser *b)
{
	const uint16_t status = b->status = b->answer.status;
	const struct str html = buf_str(&b->body);
	struct str where = { 0 };
	const double refresh = drill_page_refresh(html, &where);
	if (status == 429)
		b->was_denied = true;
	if (status == 429 && b->who == BROWSER_PATIENT)
		b->v->result.asked_denied++;
	if (status >= 500 && b->who == BROWSER_PATIENT)
		b->v->result.asked_failed++;
	if (status / 100 == 3 && *b->location) {
		redirected(b);
	} else if (refresh >= 0 && !b->post.n) {
		if (where.n && !drill_page_resolve(b->path, b->way->host, where, b->path))
			try_again(b);
		else
			wait_for(b, refresh);
	} else if (status == 429 || status == 403 || status >= 500) {
		try_again(b);
	} else {
		b->n_assets = b->asset = 0;
		drill_page_references(html, false, add_asset, b);
		b->status = status;
		next_asset(b);
	}
}

static void answered(struct browser *b)
{
	const bool closes = b->answer.closes;
	if (b->who == BROWSER_PATIENT)
		drill_measure_add(&b->v->result.requests, b->v->now - b->begun);
	else if (b->who == BROWSER_BOT)
		drill_result_status(&b->v->result, b->answer.status);
	b->reused = true;
	if (closes) {
		drill_line_close(&b->line);
		b->reused = false;
	}
	if (b->at == BROWSER_ASSET)
		next_asset(b);
	else
		page_arrives(b);
}

static void take_head(void *arg, struct str head)
{
	struct browser *b = arg;
	size_t at = 0;
	struct str value = drill_http_header(head, "Retry-After", &at);
	if (value.n && value.n < 6 && *value.p >= '0' && *value.p <= '9') {
		b->retry_after = 0;
		for (size_t i = 0; i < value.n && value.p[i] >= '0' && value.p[i] <= '9'; i++)
			b->retry_after = b->retry_after * 10 + (value.p[i] - '0');
	}
	at = 0;
	value = drill_http_header(head, "Location", &at);
	if (value.n < sizeof(b->location))
		snprintf(b->location, sizeof(b->location), STR_FMT, STR_ARG(value));
	for (at = 0; (value = drill_http_header(head, "Set-Cookie", &at)).p;)
		drill_browser_cookie(b->cookies, sizeof(b->cookies), value);
}

/* Of a page that is longer than VISIT_BODY_MAX only its beginning is read. */
static void take_body(void *arg, struct str piece)
{
	struct browser *b = arg;
	if (b->at == BROWSER_PAGE)
		buf_add(&b->body, piece);
}

static void hear(struct browser *b)
{
	const struct http_sink sink = { take_head, take_body, b };
	while (b->line.at == LINE_OPEN) {
		const bool asks = b->at == BROWSER_PAGE || b->at == BROWSER_ASSET;
		const ssize_t n = drill_line_recv(&b->line, b->v->in, sizeof(b->v->in));
		if (n == -EAGAIN)
			return;
		if (n <= 0 || !asks) {
			if (asks && drill_http_ended(&b->answer))
				answered(b);
			else if (asks)
				request_failed(b);
			else
				hang_up(b);
			return;
		}
		const ssize_t used = drill_http_take(&b->answer, (struct str){ b->v->in, (size_t)n }, &sink);
		if (used < 0)
			request_failed(b);
		else if (b->answer.at == HTTP_DONE)
			answered(b);
		if (used < 0)
			return;
	}
}

static void event(struct browser *b, uint32_t events)
{
	if (b->dead || b->line.at == LINE_CLOSED)
		return;
	const bool asks = b->at == BROWSER_PAGE || b->at == BROWSER_ASSET;
	if (b->line.at != LINE_OPEN) {
		const int code = drill_line_go(&b->line, b->way);
		if (code == -EAGAIN)
			return;
		if (code && asks)
			request_failed(b);
		if (code)
			return;
		b->v->result.connections += b->who == BROWSER_BOT;
	}
	if (asks)
		push(b);
	if (!b->dead)
		hear(b);
}

void drill_visits_turn(struct visits *v)
{
	struct epoll_event events[EVENTS];
	const int n = epoll_wait(v->epoll, events, EVENTS, TURN_MS);
	v->now = (double)clock_monotonic(&clock_system) / 1e6;
	for (int i = 0; i < n; i++)
		event(events[i].data.ptr, events[i].events);
	while (v->gone) {
		struct browser *b = v->gone;
		v->gone = b->next_gone;
		buf_free(&b->request);
		buf_free(&b->body);
		buf_free(&b->post);
		free(b);
	}
}

/* --- browsers --- */

struct browser *drill_browser_new(struct visits *v, const struct line_way *way, const struct sockaddr_storage *from,
                                  uint64_t who)
{
	struct browser *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->v = v;
	b->way = way;
	b->from = *from;
	b->is = drill_http_browser(who);
	b->request.max = 128 << 10;
	b->body.max = VISIT_BODY_MAX;
	b->post.max = 64 << 10;
	return b;
}

void drill_browser_free(struct browser *b)
{
	if (!b || b->dead)
		return;
	hang_up(b);
	b->dead = true;
	b->next_gone = b->v->gone;
	b->v->gone = b;
}

void drill_browser_open(struct browser *b, const char *path, struct str post)
{
	snprintf(b->path, sizeof(b->path), "%s", path);
	b->post.n = 0;
	buf_add(&b->post, post);
	b->page_begun = b->v->now;
	b->redirections = 0;
	begin_request(b, b->path, false);
}

void drill_browser_tick(struct browser *b)
{
	if (b->dead || !b->due || b->v->now < b->due)
		return;
	if (b->at == BROWSER_WAITS) {
		begin_request(b, b->path, false);
	} else if (b->at == BROWSER_ASSET) {
		b->tried = true; /* it isn't asked for again */
		request_failed(b);
	} else if (b->at == BROWSER_PAGE) {
		count_failed(b, &b->v->result.late);
		give_up(b);
	}
}
