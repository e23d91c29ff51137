/* khien order, in its parts. Inside of the command. */
#ifndef KHIEN_CMD_ORDER_H
#define KHIEN_CMD_ORDER_H

#include "cmd/hub_admin.h"
#include "order/book.h"
#include "store/posts.h"

/* order_key.c: jobs that need no hub's state. argv[0] is the job's name; the exit status. */
int order_key(int argc, char **argv);      /* an approver's key */
int order_approver(int argc, char **argv); /* the hub's list of them */
int order_sign_job(int argc, char **argv); /* signs the bytes of an order, where the key is */

/* "khien order JOB: WHY"; EXIT_TROUBLE. */
int order_complain(const char *job, const struct err *err);
/* Shows on the terminal what it says, and asks; 0: it shall be signed. */
int order_agreed(const struct order *o, struct err *err);
/* An approver's secret, by the passphrase: of FILE.passphrase's descriptor, or asked for on the terminal. */
int order_open_key(const char *path, const char *passphrase_file, unsigned char public[ORDER_KEY],
                   unsigned char secret[ORDER_SECRET], struct err *err);

#endif
