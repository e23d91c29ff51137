/* Whom a block may not hit by mistake: this machine, the site, proxies, and who types it. */
#ifndef KHIEN_CMD_GATE_WHOM_H
#define KHIEN_CMD_GATE_WHOM_H

#include "base/err.h"
#include "flood/list.h"

struct config_gate;

/* 0; -EPERM: who is in it, and that --really blocks it nevertheless. Looks up the site's name. */
int gate_whom(const struct config_gate *c, const struct flood_addr *addr, uint8_t bits, struct err *err);

#endif
