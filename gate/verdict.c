#include "gate.h"

void gate_verdict_gone(void *asked)
{
	struct gate_asked *a = asked;
	if (a->waits)
		a->gate->waiting--;
	a->waits = false;
	gate_outcome_tell(a); /* the log phase did; but should nginx ever leave it out, nothing stays open */
}

static struct gate_asked *make_asked(ngx_http_request_t *r, struct gate *g)
{
	ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(r->pool, sizeof(struct gate_asked));
	if (!cleanup)
		return NULL;
	struct gate_asked *a = cleanup->data;
	*a = (struct gate_asked){ .gate = g, .r = r };
	cleanup->handler = gate_verdict_gone;
	ngx_http_set_ctx(r, a, ngx_http_khien_module);
	return a;
}

static void go_on(ngx_http_request_t *r)
{
	struct gate_asked *a = gate_request_asked(r);
	ngx_event_t *write = r->connection->write;
	if (write->delayed) { /* woken by something else */
		if (ngx_handle_write_event(write, 0) != NGX_OK)
			ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
		return;
	}
	a->waits = false;
	a->gate->waiting--;
	if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
		ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
		return;
	}
	r->read_event_handler = ngx_http_block_reading;
	r->write_event_handler = ngx_http_core_run_phases;
	ngx_http_core_run_phases(r);
}

/* As nginx's own limit_req holds a request: the connection is watched for its end meanwhile. */
static ngx_int_t wait_for(struct gate_asked *a, ngx_msec_t ms)
{
	ngx_http_request_t *r = a->r;
	ngx_connection_t *c = r->connection;
	if (!ms)
		return NGX_DECLINED;
	if (c->read->ready) {
		ngx_post_event(c->read, &ngx_posted_events);
	} else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
		return NGX_HTTP_INTERNAL_SERVER_ERROR;
	}
	r->read_event_handler = ngx_http_test_reading;
	r->write_event_handler = go_on;
	c->write->delayed = 1;
	ngx_add_timer(c->write, ms);
	a->waits = true;
	a->gate->waiting++;
	return NGX_DONE;
}

/* Without a word: the peer's kernel learns at once that nobody is there, and ours keeps nothing of the connection. */
static ngx_int_t drop(ngx_http_request_t *r)
{
	const struct linger now = { .l_onoff = 1 };
	setsockopt(r->connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (r->stream) {
		r->stream->connection->connection->error = 1;
		r->stream->connection->connection->timedout = 1;
	}
	return NGX_HTTP_CLOSE;
}

static ngx_int_t follow(struct gate_asked *a)
{
	const struct gate_server *server = ngx_http_get_module_srv_conf(a->r, ngx_http_khien_module);
	switch (a->answer.verdict) {
	case FLOOD_SLOW:
		if (a->gate->waiting < GATE_WAITING)
			return wait_for(a, ngx_min(a->answer.wait_ms, server->slow));
		a->answer.verdict = FLOOD_DENY;
		return gate_page_send(a);
	case FLOOD_DENY: return gate_page_send(a);
	case FLOOD_DROP: return drop(a->r);
	default: return NGX_DECLINED;
	}
}

ngx_int_t gate_verdict_handler(ngx_http_request_t *r)
{
	const struct gate_server *server = ngx_http_get_module_srv_conf(r, ngx_http_khien_module);
	struct flood_request request;
	if (server->mode == GATE_OFF || server->control_file || r != r->main || r->internal || gate_request_asked(r))
		return NGX_DECLINED;
	struct gate *g = ngx_http_get_module_main_conf(r, ngx_http_khien_module);
	if (!gate_request_address(r, &request.from) || !gate_zone_seat(g))
		return NGX_DECLINED;
	struct gate_asked *a = make_asked(r, g);
	if (!a)
		return NGX_HTTP_INTERNAL_SERVER_ERROR;
	a->watched = server->mode == GATE_WATCH;
	gate_request_read(a, &request);
	const struct flood_worker keyless = { .f = g->worker.f, .slot = g->worker.slot };
	flood_ask(server->pass ? &g->worker : &keyless, &request, gate_now(), gate_entropy(g), &a->answer);
	a->open = a->answer.verdict <= FLOOD_SLOW;
	if (a->open) { /* several statements: a macro of nginx's */
		ngx_queue_insert_tail(&g->open, &a->queue);
	}
	gate_page_id(a->answer.id, a->id);
	return a->watched ? NGX_DECLINED : follow(a);
}
