/*
 * What a log-in message says, as fields. sshd, PAM, sudo, su and the account tools write who, from where and how it
 * ended into a sentence; correlations need them as values.
 *
 * Adds, under their ECS names: user.name, user.target.name, group.name, source.ip, source.port, event.action,
 * event.outcome ("success", "failure"). Every message is known by its shape in one table (derive.c, shapes[]).
 */
#ifndef KHIEN_INTAKE_DERIVE_H
#define KHIEN_INTAKE_DERIVE_H

#include "event/event.h"

/* Messages longer than this are left alone: no program in the table writes such. */
enum { DERIVE_MAX_MESSAGE = 2048 };

/*
 * Adds the fields that `message` of `program` (syslog tag without pid) gives; values are views into `message`.
 * Returns whether the shape is known. What an attacker may choose (a user name) can't forge what follows it (the
 * address): such a name reaches to the last place from which the rest of the shape fits.
 */
bool intake_derive(struct event *ev, struct str program, struct str message);

#endif
