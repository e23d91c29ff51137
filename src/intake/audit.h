/* One line of the Linux audit log: [node=N] type=T msg=audit(SECONDS.MILLIS:SERIAL): FIELDS */
#ifndef KHIEN_INTAKE_AUDIT_H
#define KHIEN_INTAKE_AUDIT_H

#include "base/str.h"

struct audit_line {
	struct str node; /* NULL: none */
	struct str type;
	int64_t time; /* µs since 1970 UTC */
	uint64_t serial;
	struct str fields;
};

bool audit_cut(struct str line, struct audit_line *a);
/* Whether nothing more of its event will follow the line. */
bool audit_is_last(const struct audit_line *a);

#endif
