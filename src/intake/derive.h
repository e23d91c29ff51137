/*
 * What a log-in message says, as fields. sshd, PAM, sudo, su and the account tools write who, from where and how it
 * ended into a sentence; correlations need them as values.
 *
 * Adds, under their ECS names: user.name, user.target.name, group.name, source.ip, source.port, event.action,
 * event.outcome ("success", "failure"); of sudo also TTY, PWD, USER, COMMAND under its own names. Every message is
 * known by its shape in one table (derive.c, shapes[]).
 */
#ifndef KHIEN_INTAKE_DERIVE_H
#define KHIEN_INTAKE_DERIVE_H

#include "event/event.h"

/* Messages longer than this are left alone, but for what sudo names itself. */
enum { DERIVE_MAX_MESSAGE = 2048 };

/*
 * Adds the fields that `message` of `program` (syslog tag without pid) gives; values are views into `message`.
 * Returns whether the shape is known. What an attacker may choose (a user name) can't forge what follows it (the
 * address): such a name reaches to the last place from which the rest of the shape fits.
 */
bool intake_derive(struct event *ev, struct str program, struct str message);

/* The same for an entry of the systemd journal (journalctl -o json), where a rule asks for its MESSAGE. */
bool intake_derive_journal(struct event *ev);

#endif
