/*
 * GET /v1/hunt: what is found goes out as it comes. Nothing is held here but a piece of it: who reads slowly slows the
 * search. A connection that waits is not looked at by libmicrohttpd: whether the other side is still there is seen here.
 */
#include "api/hunt_request.h"
#include "api/routes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

static const int64_t LONGEST = 330LL * CLOCK_S; /* without a first row or an end; a search gives up before */

/* The query alone, of this path alone. */
void *hunt_uri(void *api, const char *uri, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *c = info ? info->socket_context : NULL;
	const struct str all = str_from(uri), path = str_sub(all, 0, str_find(all, '?'));
	if (!c)
		return NULL;
	hunt_forget(c);
	const struct str query = str_sub(all, path.n + 1, all.n);
	char *own = str_starts(path, STR("/v1/hunt")) && query.n <= HUNT_QUERY_MAX ? malloc(query.n + 1) : NULL;
	if (own) {
		memcpy(own, query.p, query.n);
		c->query = (struct str){ own, query.n };
	}
	return NULL;
}

void hunt_forget(struct conn *c)
{
	free((char *)c->query.p);
	c->query = (struct str){ 0 };
}

static void refuse(struct request *r, int code)
{
	r->retry_after = RETRY_AFTER_S;
	if (code == -EBUSY)
		request_fail(r, MHD_HTTP_TOO_MANY_REQUESTS, "rejected_execution_exception",
		             "as many hunts are under way as may be");
	else
		request_fail(r, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable_shards_exception",
		             "nothing can be looked for now");
}

static void begin(struct request *r)
{
	struct api_hunt hunt;
	struct api_search *search;
	struct err err;
	const struct str query = r->conn->query;
	char *room = query.p ? malloc(query.n + 2) : NULL;
	if (!r->a->hunts.begin) {
		request_fail(r, MHD_HTTP_NOT_FOUND, "resource_not_found_exception", "this hub has no hunts");
	} else if (!query.p) {
		request_fail(r, MHD_HTTP_URI_TOO_LONG, "illegal_argument_exception", "the query is too long");
	} else if (!room) {
		refuse(r, -ENOMEM);
	} else if (hunt_request_read(query, room, &hunt, &err)) {
		request_fail(r, MHD_HTTP_BAD_REQUEST, "illegal_argument_exception", "%s", err.text);
	} else {
		const int code = r->a->hunts.begin(r->a->c.arg, &hunt, r, &search);
		static const char *const types[] = { "application/x-ndjson", "application/json",
			                             "text/csv; charset=utf-8; header=present" };
		if (code)
			refuse(r, code);
		else
			r->own = search;
		r->type = code ? NULL : types[hunt.format];
		r->until = r->began + LONGEST;
	}
	free(room);
	hunt_forget(r->conn);
}

static bool waits(const struct request *r)
{
	return r->own && !r->hang_up && !r->a->hunts.status(r->own);
}

/* 200: the rows come by more(); else the answer stands there whole. */
static void answer(struct request *r)
{
	enum { ERROR_MAX = 4096 };
	const unsigned status = r->hang_up || !r->own ? 0 : r->a->hunts.status(r->own);
	if (status == MHD_HTTP_OK)
		return;
	r->type = NULL;
	char *to = status ? buf_room(&r->out, ERROR_MAX) : NULL;
	const ssize_t n = to ? r->a->hunts.read(r->own, to, ERROR_MAX) : -EIO;
	if (n <= 0) {
		refuse(r, -EIO);
		return;
	}
	r->out.n += (size_t)n;
	r->status = status;
	r->retry_after = status == MHD_HTTP_SERVICE_UNAVAILABLE ? RETRY_AFTER_S : 0;
}

static ssize_t more(struct request *r, char *to, size_t n)
{
	const ssize_t got = r->hang_up || r->a->draining ? -EIO : r->a->hunts.read(r->own, to, n);
	/* a row that takes long is no reason to close the connection, nor is an answer that is long */
	r->conn->deadline = clock_monotonic(r->a->c.clock) + (int64_t)BODY_S * CLOCK_S;
	if (got == -ENODATA)
		MHD_add_response_footer(r->response, "Khien-Complete", r->a->hunts.complete(r->own));
	return got == -EAGAIN ? 0 : got;
}

static void done(struct request *r)
{
	if (r->own)
		r->a->hunts.end(r->own);
	r->own = NULL;
}

void api_hunt_came(struct request *r)
{
	api_request_go_on(r);
}

static bool is_gone(const struct conn *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd p = { .fd = info ? info->connect_fd : -1, .events = POLLRDHUP };
	return !info || (poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void hunt_tick(struct api *a, int64_t now)
{
	for (struct conn *c = a->conns; c; c = c->next) {
		struct request *r = c->r;
		if (!r || r->endpoint != &hunt_get || !r->own)
			continue;
		const bool waits_too_long = r->suspended && !r->response && now > r->until;
		if (r->suspended && (waits_too_long || a->draining || is_gone(c))) {
			r->hang_up = true;
			api_request_go_on(r);
		} else if (a->draining) { /* it may be one that reads nothing */
			const union MHD_ConnectionInfo *info =
			        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
			if (info)
				shutdown(info->connect_fd, SHUT_RDWR);
		}
	}
}

/* Without a body there is nothing to be told. */
static void refuse_head(struct request *r)
{
	r->allow = "GET";
	request_fail(r, MHD_HTTP_METHOD_NOT_ALLOWED, "illegal_argument_exception", "not with this method: GET");
}

const struct endpoint hunt_get = { .begin = begin, .waits = waits, .answer = answer, .more = more, .done = done };
const struct endpoint hunt_head = { .begin = refuse_head };
