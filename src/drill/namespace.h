/*
 * Two network namespaces of a drill's own, joined by a veth pair, without a name and without a way out: a crowd with four million
 * addresses (10.64.0.0/10, fd64::/16), and the site (10.63.0.1, fd63::1). They are held by descriptors, and so end with the process and
 * those that it started in them, however that ends.
 */
#ifndef KHIEN_DRILL_NAMESPACE_H
#define KHIEN_DRILL_NAMESPACE_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>

#define DRILL_SITE_IP   "10.63.0.1"
#define DRILL_SITE_IP6  "fd63::1"
#define DRILL_CROWD_IP  "10.64.0.0"
#define DRILL_CROWD_IP6 "fd64::"

struct drill_network;

/* -EPERM: this needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN); whoever asks is then where he was. */
int drill_network_new(struct drill_network **ret, struct err *err);
void drill_network_free(struct drill_network *n);

enum drill_side { DRILL_HOME, DRILL_CROWD, DRILL_SITE };
/* What this thread does from now on, and whom it starts, is there. */
int drill_network_enter(const struct drill_network *n, enum drill_side side, struct err *err);
/* Is the address its site's, and this thread in its crowd? */
bool drill_network_has(const struct drill_network *n, const struct sockaddr_storage *to);

#endif
