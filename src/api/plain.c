/* What people and Prometheus ask: /healthz, /metrics. */
#include "api/routes.h"

static void health(struct request *r)
{
	if (!r->a->c.health || !r->a->c.health(r->a->c.arg, &r->out)) {
		r->out.n = 0;
		buf_add(&r->out, STR("ok"));
	} else {
		r->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	r->type = api_plain_health.type;
	buf_putc(&r->out, '\n');
}

static void metrics(struct request *r)
{
	if (r->a->c.metrics)
		r->a->c.metrics(r->a->c.arg, &r->out);
}

const struct endpoint api_plain_health = { .type = "text/plain; charset=utf-8", .answer = health };
const struct endpoint api_plain_metrics = { .type = "text/plain; version=0.0.4; charset=utf-8", .answer = metrics };
