/*
 * Is a request so plain that a WAF has nothing to look at? An ordinary browser that asks for a page: no argument, no body, a path and
 * headers of plain characters, cookies that are tokens. A rule set takes ten times as long over it as the site's own page, and in a flood
 * that is what everybody waits for.
 *
 * Of foreign bytes it only says yes or no. What it isn't sure of is not plain.
 */
#ifndef KHIEN_FLOOD_PLAIN_H
#define KHIEN_FLOOD_PLAIN_H

#include "base/str.h"

/* As it was sent, before anything is decoded. No "." but that of a style's, script's, font's or picture's name; no name of a system's folder. */
bool plain_path(struct str path);
/* name in lower case. False also for every header that ordinary browsers don't send. */
bool plain_header(struct str name, struct str value);

#endif
