/* Where khien keeps its own files. */
#ifndef KHIEN_CMD_PATHS_H
#define KHIEN_CMD_PATHS_H

#include <stddef.h>

/*
 * The folder for what can be made anew: $XDG_CACHE_HOME/khien, else $HOME/.cache/khien, else /var/cache/khien for root.
 * Written into buf; its parents are made. NULL: there is none.
 */
const char *paths_cache(char *buf, size_t size);
/* For what must not be lost: $XDG_STATE_HOME/khien, else /var/lib/khien for root, else $HOME/.local/state/khien. */
const char *paths_state(char *buf, size_t size);
/* The folder of khien's own rules for the WAF (gate/waf): installed, else beside the program in its build folder. NULL: there is none. */
const char *paths_waf(char *buf, size_t size);
/* The events of the gate on this machine, where it keeps them if nobody says otherwise: cmd/gate_events.h. */
const char *paths_gate_events(char *buf, size_t size);

#endif
