/*
 * The secrets that prove who sends a webhook. They stand in files of their own beside the key file, never in the database:
 *
 *   hook-sepay   the API key, or the secret of the HMAC
 *   hook-payos   the checksum key
 *
 * One line each, for their owner only (0600). Without its file a bank isn't listened to.
 */
#ifndef KHIEN_KIOSK_SEAL_HOOK_H
#define KHIEN_KIOSK_SEAL_HOOK_H

#include "kiosk/pay.h"

struct hook_secrets;

/* -EPERM: others than its owner may read one; -EBADMSG: one is empty, of more than a line, or too long. */
int hook_secrets_open(struct hook_secrets **ret, const char *folder, struct err *err);
/* Wipes them. */
void hook_secrets_close(struct hook_secrets *h);
/* Borrowed; empty where there is none, or h is NULL. */
struct str hook_secret(const struct hook_secrets *h, enum hook_kind kind);
/* "sepay" and "payos", as in the file's name, the webhook's path and the ledger. */
extern const char *const hook_names[N_HOOKS];

#endif
