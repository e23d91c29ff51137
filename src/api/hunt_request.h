/* The query string of GET /v1/hunt, taken apart. */
#ifndef KHIEN_API_HUNT_REQUEST_H
#define KHIEN_API_HUNT_REQUEST_H

#include "api/api.h"

enum { HUNT_QUERY_MAX = 48 << 10 /* bytes, as it comes */ };

/*
 * q=...&since=...&until=...&dataset=...&format=ndjson|json|csv&limit=N&oldest=1, "%XX" and "+" as forms have them
 * (application/x-www-form-urlencoded); each at most once, but dataset. room: query.n + 2 bytes, which the texts of *ret
 * are views into, each with a NUL behind it. What q, since and until say is not looked at. -EINVAL: *err says why.
 */
int hunt_request_read(struct str query, char *room, struct api_hunt *ret, struct err *err);

#endif
