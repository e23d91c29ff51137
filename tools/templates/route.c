/* GET /v1/sample: how many requests this listener had, as JSON. */
#include "api/routes.h"

static void answer(struct request *r)
{
	buf_printf(&r->out, "{\"requests\":%llu}\n", (unsigned long long)r->a->counts.requests);
}

const struct endpoint sample_get = { .answer = answer };
