/* Which path does what, who may, and with which method: one table, the first that fits. */
#ifndef KHIEN_API_ROUTES_H
#define KHIEN_API_ROUTES_H

#include "api/request.h"

struct route {
	const char *path; /* "*" stands for a segment, "+" for the name of an index: none that begins with "_" */
	uint32_t scopes;  /* 0: anyone */
	bool guess;       /* could be meant otherwise: a wrong method is 404 */
	bool for_post;    /* for posts alone: by a certificate */
	const struct endpoint *get, *head, *post, *put; /* head NULL: as get */
};

/*
 * Undoes %XX in place, but for a slash and a NUL, which would make another path of it: /%3Clogs-%7Bnow%2Fd%7D%3E is one
 * segment. What is no hexadecimal stays. The new length.
 */
size_t route_unescape(char *text);
/* NULL: no path fits. *name: what stands for its first "*" or "+", else empty; a view into path. */
const struct route *api_route_find(struct str path, struct str *name);
/* NULL: not with this method; *allow is the value of Allow. */
const struct endpoint *route_endpoint(const struct route *r, struct str method, enum method *ret, const char **allow);

/* the endpoints: events.c, bundles.c, bulk_post.c, compat.c, hunt.c, plain.c, posts.c */
extern const struct endpoint events_post, bundles_post, bulk_post;
extern const struct endpoint posts_enrol, posts_renew, posts_orders, posts_report;
extern const struct endpoint hunt_get, hunt_head;
extern const struct endpoint api_plain_health, api_plain_metrics;
extern const struct endpoint compat_root, compat_license, compat_xpack, compat_health, compat_cat_health, compat_nodes,
        compat_nodes_ingest, compat_settings, compat_template, compat_index_template, compat_component_template,
        compat_policy, compat_pipeline, compat_alias, compat_data_stream, compat_exists, compat_acknowledged,
        compat_index_created, compat_cat_templates, compat_ilm_status;

#endif
