#include "kiosk/web_inside.h"
#include "kiosk/web_staff.h"

/* Who may do what: the whole of it. */
static const struct route routes[] = {
	STAFF_ROUTES{ "/", METHOD_GET, patient_home, .roles = ROLE_ANYBODY, .kept = true },
	{ "/s/*", METHOD_GET, patient_days, .roles = ROLE_ANYBODY, .kept = true },
	{ "/s/*/*", METHOD_GET, patient_slots, .roles = ROLE_ANYBODY, .kept = true },
	{ "/book", METHOD_POST, patient_book, .roles = ROLE_ANYBODY, .hourly = true },
	{ "/find", METHOD_GET, patient_find, .roles = ROLE_ANYBODY, .kept = true },
	{ "/find", METHOD_POST, patient_look_up, .roles = ROLE_ANYBODY, .limited = LOOK_UPS_A_MINUTE },
	{ "/ticket", METHOD_GET, ticket_show, .roles = ROLE_ANYBODY },
	{ "/qr.svg", METHOD_GET, ticket_svg, .roles = ROLE_ANYBODY },
	{ "/qr.png", METHOD_GET, ticket_png, .roles = ROLE_ANYBODY },
	{ "/cancel", METHOD_POST, ticket_cancel, .roles = ROLE_ANYBODY },
	{ "/paid", METHOD_POST, ticket_paid, .roles = ROLE_ANYBODY },
	{ "/forget", METHOD_POST, ticket_forget, .roles = ROLE_ANYBODY },
	{ "/kiosk.css", METHOD_GET, asset_css, .roles = ROLE_ANYBODY },
	{ "/kiosk.js", METHOD_GET, asset_js, .roles = ROLE_ANYBODY },
	{ "/healthz", METHOD_GET, plain_health, .roles = ROLE_ANYBODY },
	{ "/metrics", METHOD_GET, plain_metrics, .roles = ROLE_HOSPITAL },
};

static bool fits(struct str pattern, struct str path, struct str names[ROUTE_NAMES])
{
	unsigned n = 0;
	while (pattern.n && path.n) {
		pattern = str_sub(pattern, 1, pattern.n); /* the slash */
		path = str_sub(path, 1, path.n);
		const struct str want = str_sub(pattern, 0, str_find(pattern, '/'));
		const struct str have = str_sub(path, 0, str_find(path, '/'));
		const bool any = str_eq(want, STR("*"));
		if (any ? !have.n : !str_eq(want, have))
			return false;
		if (any)
			names[n++] = have;
		pattern = str_sub(pattern, want.n, pattern.n);
		path = str_sub(path, have.n, path.n);
	}
	return !pattern.n && !path.n;
}

const struct route *route_find(struct str path, struct str method, struct str names[ROUTE_NAMES], const char **allow)
{
	static const char *const allows[] = { "", "GET, HEAD", "POST", "GET, HEAD, POST" };
	const bool get = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
	const bool post = str_eq(method, STR("POST"));
	unsigned found = 0;
	*allow = allows[0];
	if (!path.n || path.p[0] != '/')
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!fits(str_from(routes[i].path), path, names))
			continue;
		if (routes[i].method == METHOD_GET ? get : post)
			return &routes[i];
		found |= 1U << routes[i].method;
	}
	*allow = allows[found];
	return NULL;
}
