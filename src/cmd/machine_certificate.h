/* A server's certificate of a CA on this machine, for the kiosk and for the gate. */
#ifndef KHIEN_CMD_MACHINE_CERTIFICATE_H
#define KHIEN_CMD_MACHINE_CERTIFICATE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "cmd/config.h"

/*
 * ca: folder with ca.crt and ca.key; own: folder, made 0700, where key and certificate are kept and from time to time renewed. Appends the key, and
 * the certificate with the CA's behind it, PEM; the caller wipes key. -ENOENT: there is no CA. The CA's key stays in a process that is gone
 * when this returns.
 */
int machine_certificate(const char *ca, const char *own, const struct config_list *names, const struct clock *clock,
                        struct buf *chain, struct buf *key, struct err *err);

#endif
