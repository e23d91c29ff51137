#include "api/routes.h"

#include "store/state.h"

/* Order matters only for the last: an index of any name. */
static const struct route routes[] = {
	{ "/v1/events", SCOPE_INGEST, .post = &events_post },
	{ "/v1/bundles", SCOPE_INGEST, .post = &bundles_post },
	{ "/v1/enrol", 0, .post = &posts_enrol },
	{ "/v1/renew", 0, .for_post = true, .post = &posts_renew },
	{ "/v1/orders", 0, .for_post = true, .get = &posts_orders },
	{ "/v1/orders/*/report", 0, .for_post = true, .post = &posts_report },
	{ "/_bulk", SCOPE_INGEST, .post = &bulk_post, .put = &bulk_post },
	{ "/+/_bulk", SCOPE_INGEST, .post = &bulk_post, .put = &bulk_post },
	{ "/+/*/_bulk", SCOPE_INGEST, .post = &bulk_post, .put = &bulk_post },
	{ "/v1/hunt", SCOPE_READ, .get = &hunt_get, .head = &hunt_head },
	{ "/healthz", 0, .get = &api_plain_health },
	{ "/metrics", SCOPE_METRICS, .get = &api_plain_metrics },
	{ "/", SCOPE_INGEST, .get = &compat_root },
	{ "/_license", SCOPE_INGEST, .get = &compat_license },
	{ "/_xpack", SCOPE_INGEST, .get = &compat_xpack },
	{ "/_cluster/health", SCOPE_INGEST, .get = &compat_health },
	{ "/_cluster/health/*", SCOPE_INGEST, .get = &compat_health },
	{ "/_cluster/settings", SCOPE_INGEST, .get = &compat_settings, .put = &compat_acknowledged },
	{ "/_cat/health", SCOPE_INGEST, .get = &compat_cat_health },
	{ "/_cat/templates/*", SCOPE_INGEST, .get = &compat_cat_templates },
	{ "/_nodes", SCOPE_INGEST, .get = &compat_nodes },
	{ "/_nodes/http", SCOPE_INGEST, .get = &compat_nodes },
	{ "/_nodes/ingest", SCOPE_INGEST, .get = &compat_nodes_ingest },
	{ "/_nodes/*/http", SCOPE_INGEST, .get = &compat_nodes },
	{ "/_template/*", SCOPE_INGEST, .get = &compat_template, .put = &compat_acknowledged,
	  .post = &compat_acknowledged },
	{ "/_index_template/*", SCOPE_INGEST, .get = &compat_index_template, .put = &compat_acknowledged,
	  .post = &compat_acknowledged },
	{ "/_component_template/*", SCOPE_INGEST, .get = &compat_component_template, .put = &compat_acknowledged,
	  .post = &compat_acknowledged },
	{ "/_ilm/policy/*", SCOPE_INGEST, .get = &compat_policy, .put = &compat_acknowledged },
	{ "/_ilm/status", SCOPE_INGEST, .get = &compat_ilm_status },
	{ "/_ingest/pipeline/*", SCOPE_INGEST, .get = &compat_pipeline, .put = &compat_acknowledged },
	{ "/_alias/*", SCOPE_INGEST, .get = &compat_alias },
	{ "/+/_alias/*", SCOPE_INGEST, .get = &compat_alias, .put = &compat_acknowledged },
	{ "/_data_stream/*", SCOPE_INGEST, .get = &compat_data_stream, .put = &compat_acknowledged },
	{ "/+", SCOPE_INGEST, .guess = true, .head = &compat_exists, .put = &compat_index_created },
};

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

size_t route_unescape(char *text)
{
	char *to = text;
	for (const char *p = text; *p; p++) {
		int high = *p == '%' ? hex(p[1]) : -1, low = high < 0 ? -1 : hex(p[2]), c = high * 16 + low;
		if (low < 0 || c == 0 || c == '/') {
			*to++ = *p;
			continue;
		}
		*to++ = (char)c;
		p += 2;
	}
	*to = '\0';
	return (size_t)(to - text);
}

static bool fits(struct str pattern, struct str path, struct str *name)
{
	*name = (struct str){ "", 0 };
	while (pattern.n && path.n) {
		pattern = str_sub(pattern, 1, pattern.n); /* the slash */
		path = str_sub(path, 1, path.n);
		struct str want = str_sub(pattern, 0, str_find(pattern, '/'));
		struct str have = str_sub(path, 0, str_find(path, '/'));
		bool any = str_eq(want, STR("*")), index = str_eq(want, STR("+"));
		if (any || index ? !have.n || (index && have.p[0] == '_') : !str_eq(want, have))
			return false;
		if ((any || index) && !name->n)
			*name = have;
		pattern = str_sub(pattern, want.n, pattern.n);
		path = str_sub(path, have.n, path.n);
	}
	return !pattern.n && !path.n;
}

const struct route *api_route_find(struct str path, struct str *name)
{
	if (!path.n || path.p[0] != '/')
		return NULL;
	if (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (fits(str_from(routes[i].path), path, name))
			return &routes[i];
	return NULL;
}

const struct endpoint *route_endpoint(const struct route *r, struct str method, enum method *ret, const char **allow)
{
	static const char *const names[METHODS] = { "GET", "HEAD", "POST", "PUT" };
	const struct endpoint *const by[METHODS] = { r->get, r->head ? r->head : r->get, r->post, r->put };
	*allow = r->get   ? (r->put ? (r->post ? "GET, HEAD, POST, PUT" : "GET, HEAD, PUT") : "GET, HEAD")
	         : r->put ? "POST, PUT"
	                  : "POST";
	for (unsigned i = 0; i < METHODS; i++) {
		if (!str_eq(method, str_from(names[i])))
			continue;
		*ret = i;
		return by[i];
	}
	return NULL;
}
