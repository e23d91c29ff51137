/* An event loop over epoll: descriptors, timers, signals. One thread. */
#ifndef KHIEN_OS_LOOP_H
#define KHIEN_OS_LOOP_H

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

struct loop;

/* `what` is the descriptor or the signal; 0 for a timer. Returns 0, or -errno to end loop_run with it. */
typedef int loop_fn(void *arg, int what);

/* clock is borrowed; its monotonic time drives the timers. */
int loop_new(struct loop **ret, const struct clock *clock, struct err *err);
void loop_free(struct loop *l);

/* Calls fn while fd has something to read, or its other end is gone. Not for regular files. At most 2,048 descriptors. */
int loop_watch(struct loop *l, int fd, loop_fn *fn, void *arg, struct err *err);
/* Whether fn is called while fd takes bytes, too. */
void loop_writable(struct loop *l, int fd, bool on);
/* Call it before closing the descriptor; also from within fn. */
void loop_unwatch(struct loop *l, int fd);
/* Calls fn every so many µs. A late call is made once, not caught up. At most 8 timers. */
int loop_every(struct loop *l, int64_t us, loop_fn *fn, void *arg, struct err *err);
/* The next call of this timer is due at once. */
void loop_soon(struct loop *l, loop_fn *fn);
/* From now on these signals (ends with 0) come as calls of fn, for the whole thread. */
int loop_signals(struct loop *l, const int *signals, loop_fn *fn, void *arg, struct err *err);

/* Calls fn each time before it waits. A loop_fn's results. One only. */
void loop_before(struct loop *l, int (*fn)(void *arg), void *arg);
/* Runs until loop_stop() or until a function returns non-zero, which it returns. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* For long work outside of loop_run: takes the signals that wait and says whether one of them stopped the loop. */
bool loop_stopped(struct loop *l);

#endif
