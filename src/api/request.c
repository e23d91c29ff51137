#include "api/request.h"

#include "api/credentials.h"
#include "api/routes.h"
#include "store/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/timerfd.h>

static void fail_text(struct request *r, unsigned status, const char *type, struct str reason)
{
	if (r->status)
		return;
	r->status = status;
	r->out.n = 0;
	if (r->ingest)
		ingest_stop(r->ingest);
	buf_add(&r->out, STR("{\"error\":{\"root_cause\":[{\"type\":"));
	buf_add_json(&r->out, str_from(type));
	buf_add(&r->out, STR(",\"reason\":"));
	buf_add_json(&r->out, reason);
	buf_add(&r->out, STR("}],\"type\":"));
	buf_add_json(&r->out, str_from(type));
	buf_add(&r->out, STR(",\"reason\":"));
	buf_add_json(&r->out, reason);
	buf_printf(&r->out, "},\"status\":%u}\n", status);
}

void request_fail(struct request *r, unsigned status, const char *type, const char *fmt, ...)
{
	char reason[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	fail_text(r, status, type, str_from(reason));
}

void request_fail_ingest(struct request *r, int code)
{
	if (r->status)
		return;
	r->retry_after = RETRY_AFTER_S;
	if (code == -EAGAIN)
		request_fail(r, MHD_HTTP_TOO_MANY_REQUESTS, "rejected_execution_exception",
		             "no room for more events now");
	else
		request_fail(r, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable_shards_exception",
		             "events can't be kept: %s", strerrordesc_np(-code));
}

bool request_hold(struct request *r, size_t n)
{
	size_t *left = r->a->c.memory;
	if (n > *left) {
		r->a->counts.shed += !r->status;
		request_fail_ingest(r, -EAGAIN);
		return false;
	}
	*left -= n;
	r->held += n;
	return true;
}

struct str request_header(const struct request *r, const char *name)
{
	return str_from(MHD_lookup_connection_value(r->conn->mhd, MHD_HEADER_KIND, name));
}

struct str request_argument(const struct request *r, const char *name)
{
	return str_from(MHD_lookup_connection_value(r->conn->mhd, MHD_GET_ARGUMENT_KIND, name));
}

/* --- waiting --- */

static bool must_wait(const struct request *r)
{
	if (r->endpoint && r->endpoint->waits && !r->status && r->ended)
		return r->endpoint->waits(r);
	return r->ingest && (r->ended || r->status ? !ingest_idle(r->ingest) : ingest_waits(r->ingest));
}

static void suspend(struct request *r)
{
	r->suspended = true;
	MHD_suspend_connection(r->conn->mhd);
}

/* A daemon that the caller drives doesn't tell by its descriptor that a connection goes on. */
static void wake(struct api *a)
{
	const struct itimerspec at_once = { .it_value.tv_nsec = 1 };
	timerfd_settime(a->timer, 0, &at_once, NULL);
}

static void changed(void *arg)
{
	struct request *r = arg;
	int code = ingest_failed(r->ingest);
	if (code && !r->status)
		request_fail_ingest(r, code);
	api_request_go_on(r);
}

void api_request_go_on(struct request *r)
{
	if (!r->suspended || must_wait(r))
		return;
	r->suspended = false;
	r->conn->deadline = clock_monotonic(r->a->c.clock) + (int64_t)BODY_S * CLOCK_S;
	MHD_resume_connection(r->conn->mhd);
	wake(r->a);
}

bool request_ingest(struct request *r, void (*verdict)(void *arg, uint32_t tag, const struct offer_item *item))
{
	struct str length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	bool packed = request_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING).n;
	const struct ingest_config config = {
		.queue = &r->a->queue,
		.sender = r->sender,
		.format = intake_format(STR("json")),
		.verdict = verdict,
		.change = changed,
		.arg = r,
		.hint = length.n && !packed ? strtoul(length.p, NULL, 10) : 0,
		.memory = r->a->c.memory,
		.shed = &r->a->counts.shed,
	};
	if (!ingest_new(&r->ingest, &config))
		return true;
	request_fail_ingest(r, -ENOMEM);
	return false;
}

/* --- the header --- */

/* A slash within the name, which the path could not have. */
static void undo_slashes(struct request *r)
{
	if (!r->name.n)
		return;
	char *name = r->text + (r->name.p - r->text);
	size_t n = 0;
	for (size_t i = 0; i < r->name.n; i++) {
		bool slash = r->name.n - i >= 3 && !strncasecmp(name + i, "%2f", 3);
		name[n++] = slash ? '/' : name[i];
		i += slash ? 2 : 0;
	}
	r->name.n = n;
}

struct header_counts {
	unsigned length, transfer, authorization;
};

static enum MHD_Result count_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct header_counts *n = arg;
	n->length += !strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH);
	n->transfer += !strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	n->authorization += !strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION);
	return MHD_YES;
}

/* Who calls, and whether they may. */
static void authorize(struct request *r, uint32_t scopes)
{
	struct str given = request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
	if (!given.p && scopes == SCOPE_INGEST && (r->sender = posts_who(r->conn)))
		return;
	struct credentials c;
	bool forbidden = false;
	int code = credentials_parse(given, &c);
	if (!code)
		credentials_wipe(&c);
	if (code != -EBADMSG)
		r->sender = r->a->c.caller(r->a->c.arg, given.p ? given : STR(""), scopes, str_from(r->conn->peer),
		                           &forbidden);
	if (r->sender && !forbidden)
		return;
	r->a->counts.denied++;
	if (forbidden)
		request_fail(r, MHD_HTTP_FORBIDDEN, "security_exception", "this token may not do that");
	else
		request_fail(r, MHD_HTTP_UNAUTHORIZED, "security_exception", "%s",
		             code == -ENOENT ? "a token is missing: Authorization: Bearer ID.SECRET"
		                             : "the token is not known");
}

/* A post, by its certificate. */
static void authorize_post(struct request *r)
{
	r->sender = posts_who(r->conn);
	if (r->sender)
		return;
	r->a->counts.denied++;
	request_fail(r, MHD_HTTP_UNAUTHORIZED, "security_exception",
	             "the certificate of a post that this hub knows is missing");
}

/* form: what curl calls anything that it isn't told the type of */
static bool is_type(struct str value, bool form)
{
	static const char *const known[] = {
		"application/x-www-form-urlencoded",
		"application/x-ndjson",
		"application/ndjson",
		"application/jsonl",
		"application/json",
		"application/vnd.elasticsearch+x-ndjson",
		"application/vnd.elasticsearch+json",
		"text/plain",
	};
	value = str_trim(str_sub(value, 0, str_find(value, ';')));
	for (size_t i = form ? 0 : 1; i < ARRAY_LEN(known); i++)
		if (value.n == strlen(known[i]) && !strncasecmp(value.p, known[i], value.n))
			return true;
	return !value.n;
}

/* A body that is to be taken: its type, its coding, its length. */
static void begin_body(struct request *r, const struct header_counts *n)
{
	enum body_coding coding;
	struct str type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE);
	struct str length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	if (!n->length && !n->transfer)
		request_fail(r, MHD_HTTP_LENGTH_REQUIRED, "illegal_argument_exception", "a body is missing");
	else if (!is_type(type, r->endpoint == &events_post))
		request_fail(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "media_type_header_exception",
		             "Content-Type is not application/x-ndjson");
	else if (body_coding(request_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING), &coding))
		request_fail(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "illegal_argument_exception",
		             "Content-Encoding is not gzip, zstd or identity");
	else if (length.n && strtoull(length.p, NULL, 10) > r->a->c.max_body)
		request_fail(r, MHD_HTTP_CONTENT_TOO_LARGE, "illegal_argument_exception",
		             "a body may have up to %zu bytes", r->a->c.max_body);
	const uint64_t most = length.n && coding == BODY_IDENTITY ? strtoull(length.p, NULL, 10) : PARSER_BYTES;
	if (r->status || !request_hold(r, most < PARSER_BYTES ? (size_t)most : PARSER_BYTES))
		return;
	int code = body_new(&r->body, coding, r->a->c.max_body, r->a->c.memory);
	r->a->counts.shed += code == -EBUSY;
	if (code)
		request_fail_ingest(r, code == -EBUSY ? -EAGAIN : code);
}

static void begin(struct request *r, const char *url, const char *method)
{
	struct header_counts n = { 0 };
	MHD_get_connection_values(r->conn->mhd, MHD_HEADER_KIND, count_header, &n);
	struct str transfer = request_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	struct str path = str_from(url);
	r->shy = str_eq(path, STR("/_bulk")) && !request_header(r, MHD_HTTP_HEADER_USER_AGENT).n;
	if (r->a->draining) {
		r->retry_after = RETRY_AFTER_S;
		request_fail(r, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable_shards_exception", "the hub is stopping");
	}
	/* Two lengths, or two kinds of them, are how one request is smuggled past a proxy in another. */
	bool unknown = transfer.n && strcasecmp(transfer.p, "chunked");
	r->hang_up = n.length + n.transfer > 1 || unknown;
	if (n.length + n.transfer > 1 || n.authorization > 1)
		request_fail(r, MHD_HTTP_BAD_REQUEST, "illegal_argument_exception", "a header stands twice");
	if (unknown)
		request_fail(r, MHD_HTTP_NOT_IMPLEMENTED, "illegal_argument_exception",
		             "Transfer-Encoding is not chunked");
	if (path.n >= sizeof(r->text))
		request_fail(r, MHD_HTTP_URI_TOO_LONG, "illegal_argument_exception", "the path is too long");
	if (r->status)
		return;
	memcpy(r->text, path.p, path.n);
	const struct route *route = api_route_find((struct str){ r->text, path.n }, &r->name);
	if (!route)
		request_fail(r, MHD_HTTP_NOT_FOUND, "resource_not_found_exception", "there is no such path");
	else if (route->for_post)
		authorize_post(r);
	else if (route->scopes)
		authorize(r, route->scopes);
	if (r->status)
		return;
	undo_slashes(r);
	r->endpoint = route_endpoint(route, str_from(method), &r->method, &r->allow);
	if (!r->endpoint && route->guess)
		request_fail(r, MHD_HTTP_NOT_FOUND, "index_not_found_exception", "there is no such path");
	else if (!r->endpoint)
		request_fail(r, MHD_HTTP_METHOD_NOT_ALLOWED, "illegal_argument_exception", "not with this method: %s",
		             r->allow);
	else if (r->endpoint->ingests)
		begin_body(r, &n);
	if (!r->status && r->endpoint->begin)
		r->endpoint->begin(r);
}

/* --- the body --- */

static void fail_body(struct request *r, int code)
{
	if (code == -E2BIG)
		request_fail(r, MHD_HTTP_CONTENT_TOO_LARGE, "illegal_argument_exception",
		             "the body grows beyond %zu bytes, or out of proportion", r->a->c.max_body);
	else if (code == -EBUSY && ++r->a->counts.shed)
		request_fail_ingest(r, -EAGAIN);
	else
		request_fail(r, MHD_HTTP_BAD_REQUEST, "illegal_argument_exception", "the compressed body is damaged");
}

/* Unpacks and feeds until bytes are used up or the request has to wait. */
static void pump(struct request *r, struct str *in)
{
	while (!r->status && !must_wait(r)) {
		struct str piece;
		int code = body_next(r->body, in, &piece);
		if (code)
			fail_body(r, code);
		if (code || !piece.n)
			break;
		r->endpoint->feed(r, piece);
	}
}

static enum MHD_Result take_body(struct request *r, const char *upload, size_t *size)
{
	struct str in = { upload, *size };
	if (r->body)
		pump(r, &in);
	if (r->status || !r->body) {
		r->dropped += in.n;
		in.n = 0;
		if (r->dropped > r->a->c.max_body)
			return MHD_NO;
	}
	*size = in.n;
	if (must_wait(r))
		suspend(r);
	return MHD_YES;
}

/* The body is over. True: so is the request's work, or it waits. */
static void end_body(struct request *r)
{
	struct str none = { "", 0 };
	if (r->ended || r->status || !r->body)
		return;
	pump(r, &none);
	if (r->status || must_wait(r))
		return;
	int code = body_end(r->body);
	if (code)
		fail_body(r, code);
	if (!r->status && r->endpoint->end)
		r->endpoint->end(r);
	r->ended = true;
}

/* --- the answer --- */

static void add_text(struct request *r, struct str text)
{
	for (size_t n; text.n; text = str_sub(text, n + 1, text.n)) {
		n = str_find(text, '$');
		buf_add(&r->out, str_sub(text, 0, n));
		if (n < text.n)
			buf_add_json(&r->out, r->name);
	}
	buf_putc(&r->out, '\n');
}

static bool is_busy(unsigned status)
{
	return status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void count_answer(struct api *a, unsigned status)
{
	a->counts.busy += is_busy(status);
	a->counts.too_large += status == MHD_HTTP_CONTENT_TOO_LARGE;
	a->counts.bad += status >= 400 && status < 500 && status != MHD_HTTP_UNAUTHORIZED &&
	                 status != MHD_HTTP_FORBIDDEN && status != MHD_HTTP_CONTENT_TOO_LARGE &&
	                 status != MHD_HTTP_TOO_MANY_REQUESTS;
}

/* The next piece of an answer of unknown length. */
static ssize_t more(void *arg, uint64_t at, char *to, size_t n)
{
	struct request *r = arg;
	r->a->progress++;
	const ssize_t got = r->a->stopping ? -EIO : r->endpoint->more(r, to, n);
	if (!got)
		suspend(r);
	return got >= 0 ? got : got == -ENODATA ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result answer(struct request *r)
{
	if (!r->status && r->endpoint->text)
		add_text(r, str_from(r->endpoint->text));
	if (!r->status && r->endpoint->answer)
		r->endpoint->answer(r);
	if (!r->status)
		r->status = MHD_HTTP_OK;
	if (r->out.failed) /* a cut answer must not look like a whole one */
		return MHD_NO;
	count_answer(r->a, r->status);
	if (r->retry_after && r->sender && r->ingest)
		r->sender->refused += ingest_events(r->ingest);
	if (r->shy && is_busy(r->status))
		return MHD_NO;
	const bool goes_on = r->status == MHD_HTTP_OK && r->endpoint->more;
	struct MHD_Response *m =
	        goes_on ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, MORE_BYTES, more, r, NULL)
	                : MHD_create_response_from_buffer(r->out.n, r->out.p, MHD_RESPMEM_MUST_FREE);
	if (!m)
		return MHD_NO;
	if (!goes_on)
		r->out = (struct buf){ 0 };
	const char *type = r->type                            ? r->type
	                   : r->endpoint && r->endpoint->type ? r->endpoint->type
	                                                      : "application/json";
	MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE,
	                        r->status >= 400 && !r->type ? "application/json" : type);
	/* Elastic's own clients speak to nobody without it. */
	MHD_add_response_header(m, "X-Elastic-Product", "Elasticsearch");
	if (r->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(m, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer, ApiKey, Basic realm=\"khien\"");
	if (r->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(m, MHD_HTTP_HEADER_ALLOW, r->allow);
	if (r->retry_after) {
		char seconds[16];
		snprintf(seconds, sizeof(seconds), "%u", r->retry_after);
		MHD_add_response_header(m, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	if (r->a->draining || r->hang_up || r->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
	enum MHD_Result result = MHD_queue_response(r->conn->mhd, r->status, m);
	if (goes_on)
		r->response = m; /* its trailers come later */
	else
		MHD_destroy_response(m);
	return result;
}

/* --- libmicrohttpd's calls --- */

static enum MHD_Result first_call(struct api *a, struct MHD_Connection *mhd, const char *url, const char *method,
                                  void **slot)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *r = calloc(1, sizeof(*r));
	if (!r || !info || !info->socket_context) {
		free(r);
		return MHD_NO;
	}
	r->a = a;
	r->conn = info->socket_context;
	r->conn->r = r;
	r->began = clock_monotonic(a->c.clock);
	r->conn->deadline = r->began + (int64_t)BODY_S * CLOCK_S;
	a->counts.requests++;
	a->n_requests++;
	*slot = r;
	begin(r, url, method);
	r->conn->known |= r->sender != NULL;
	if (r->sender)
		posts_room(r->conn);
	if (!r->sender)
		r->conn->deadline = r->began + (int64_t)FIRST_S * CLOCK_S;
	/* Answered now the connection ends, and the rest of the body may push the answer out of the other's sight. */
	struct str length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	bool large = length.n && strtoull(length.p, NULL, 10) > DRAIN_BYTES;
	bool asks = request_header(r, MHD_HTTP_HEADER_EXPECT).n;
	return r->status && (large || asks || r->hang_up) ? answer(r) : MHD_YES;
}

enum MHD_Result api_request_handle(void *api, struct MHD_Connection *mhd, const char *url, const char *method,
                                   const char *version, const char *upload, size_t *size, void **slot)
{
	struct api *a = api;
	struct request *r = *slot;
	a->progress++;
	if (a->stopping)
		return MHD_NO;
	if (!r)
		return first_call(a, mhd, url, method, slot);
	if (*size)
		return take_body(r, upload, size);
	end_body(r);
	r->ended |= !r->body;
	if (must_wait(r)) {
		suspend(r);
		return MHD_YES;
	}
	return answer(r);
}

void api_request_completed(void *api, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why)
{
	struct api *a = api;
	struct request *r = *slot;
	if (!r)
		return;
	*slot = NULL;
	a->n_requests--;
	r->conn->r = NULL;
	r->conn->deadline = clock_monotonic(a->c.clock) + (int64_t)(r->conn->known ? HEADER_S : FIRST_S) * CLOCK_S;
	if (r->hang_up &&
	    r->conn->certificate) /* its answer may have been on its way already: see api_posts_changed() */
		r->conn->deadline = 0;
	*a->c.memory += r->held;
	if (r->endpoint && r->endpoint->done)
		r->endpoint->done(r);
	if (r->response)
		MHD_destroy_response(r->response);
	ingest_drop(r->ingest);
	body_free(r->body);
	buf_free(&r->out);
	free(r);
}
