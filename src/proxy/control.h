/* Asks the gate that runs, over its unix socket (gate/README.md, "Control"). One question, one answer; blocks, ten seconds at most. */
#ifndef KHIEN_PROXY_CONTROL_H
#define KHIEN_PROXY_CONTROL_H

#include "base/buf.h"
#include "base/err.h"

enum { CONTROL_ANSWER_MAX = 4 << 20 };

/*
 * method "GET" or "PUT"; target: path and query, already escaped. The HTTP status (200 to 599), with the body in answer; -ENOENT, -ECONNREFUSED: it
 * doesn't run; -EACCES: not ours; -ETIMEDOUT; -EPROTO.
 */
int control_ask(const char *socket, const char *method, const char *target, struct str body, struct buf *answer,
                struct err *err);

/* The answer as it came over the socket, up to its end: the status, with *body borrowed from it. -EPROTO: it is none, or cut off. */
int control_read(struct str bytes, struct str *body);

#endif
