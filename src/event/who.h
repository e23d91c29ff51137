/*
 * Who did it, and from where: the fields of an event that name the user and the address, whatever format it came in.
 *
 * A rule's name for a field counts (Sigma taxonomy, ECS, or the product's own), so an event tells it where some rule of
 * the ruleset names such a field. The lists stand in who.c, best first.
 */
#ifndef KHIEN_EVENT_WHO_H
#define KHIEN_EVENT_WHO_H

#include "base/str.h"

enum who { WHO_USER, WHO_ADDRESS, N_WHO };

/* How well the field of this name tells it: 0 is best; -1: it tells something else. */
int who_rank(enum who what, struct str name);

/* Whether the value names anybody: not empty, nor what logs write for nobody ("-", "?", "(null)", "unset"...). */
bool who_told(struct str text);

#endif
