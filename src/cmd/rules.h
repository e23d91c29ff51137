/* `khien rules`: what its files share. Each does one job and returns the exit status, or -errno with words in err. */
#ifndef KHIEN_CMD_RULES_H
#define KHIEN_CMD_RULES_H

#include "base/err.h"
#include "cmd/opt.h"

struct rules_args {
	struct opt_list words; /* behind the job's name */
	const char *mapping, *placeholders, *dir;
	bool quiet, verbose, json, correlation;
	int logsource; /* index in rules_new_logsources */
};

int rules_check(const struct rules_args *a, struct err *err);
int rules_try(const struct rules_args *a, struct err *err);
int rules_new(const struct rules_args *a, struct err *err);

extern const char *const rules_new_logsources[]; /* ends with NULL */

#endif
