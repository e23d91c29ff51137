#include "gate.h"

static bool failed(ngx_uint_t status)
{
	return status == NGX_HTTP_BAD_GATEWAY || status == NGX_HTTP_SERVICE_UNAVAILABLE ||
	       status == NGX_HTTP_GATEWAY_TIME_OUT;
}

/* An answer that lasts as long as somebody looks at it: it costs the site nothing after it began. */
bool gate_outcome_streams(const ngx_http_request_t *r)
{
	const struct str events = STR("text/event-stream");
	return r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS ||
	       str_starts(gate_str(r->headers_out.content_type), events);
}

/* What the upstreams say of themselves: all that were tried. */
static void read_upstreams(const ngx_http_request_t *r, struct flood_outcome *o)
{
	const bool header_only = gate_outcome_streams(r) || (r->upstream && !r->upstream->buffering);
	const ngx_http_upstream_state_t *states = r->upstream_states ? r->upstream_states->elts : NULL;
	uint64_t ms = 0;
	for (ngx_uint_t i = 0; states && i < r->upstream_states->nelts; i++) {
		const ngx_http_upstream_state_t *s = &states[i];
		if (!s->peer)
			continue; /* another upstream's turn begins */
		const ngx_msec_t took =
		        header_only && s->header_time != (ngx_msec_t)-1 ? s->header_time : s->response_time;
		o->reached = true;
		o->failed = failed(s->status);
		if (took != (ngx_msec_t)-1)
			ms += took;
		else if (r->upstream)
			ms += ngx_current_msec - r->upstream->start_time;
	}
	o->upstream_us = ms > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)ms * 1000;
}

void gate_outcome_tell(struct gate_asked *a)
{
	const ngx_http_request_t *r = a->r;
	if (!a->open)
		return;
	a->open = false;
	ngx_queue_remove(&a->queue);
	struct flood_outcome o = { 0 };
	const ngx_uint_t status = r->err_status ? r->err_status : r->headers_out.status;
	if (status != NGX_HTTP_CLIENT_CLOSED_REQUEST && a->answer.verdict <= FLOOD_SLOW)
		o.status = (uint16_t)status; /* else it got no answer, which is nobody's error */
	read_upstreams(r, &o);
	o.failed |= failed(o.status);
	o.refused = !o.reached && o.status == NGX_HTTP_FORBIDDEN;
	flood_done(&a->gate->worker, &a->answer.ticket, &o, gate_now());
}

ngx_int_t gate_outcome_handler(ngx_http_request_t *r)
{
	struct gate_asked *a = r == r->main ? gate_request_asked(r) : NULL;
	if (a)
		gate_outcome_tell(a);
	return NGX_OK;
}
