/* The processes of a drill: bots, mimics (one for each group of them), patients. Inside of the room; run.c starts them. */
#ifndef KHIEN_DRILL_BOTS_H
#define KHIEN_DRILL_BOTS_H

#include "drill/drill.h"

/* Each runs until its time is over, and tells its results into `out`. 0 or -errno; what they took is the process's. */
int drill_bots_run(const struct drill *d, int out, struct err *err);
int drill_mimics_run(const struct drill *d, const struct drill_bots *b, int out, struct err *err);
int drill_patients_run(const struct drill *d, int out, struct err *err);

/* What goes through the pipe. */
struct drill_told {
	struct drill_result result;
	bool final;
};
/* 0; -EPIPE: nobody reads any more. */
int drill_tell(int out, const struct drill_result *r, bool final);

#endif
