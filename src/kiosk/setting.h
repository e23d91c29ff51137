/* The settings there are: one table. */
#ifndef KHIEN_KIOSK_SETTING_H
#define KHIEN_KIOSK_SETTING_H

#include "base/str.h"

struct setting_kind {
	struct str name, otherwise; /* the value where none is set */
	bool number;
	int64_t min, max;          /* of a number; of a text its bytes */
	bool (*right)(struct str); /* of a text, more than that; NULL: nothing more */
	const char *meaning;
};

/* Ends with an empty name. */
extern const struct setting_kind setting_kinds[];
/* NULL: there is none of this name. */
const struct setting_kind *setting_kind(struct str name);
/* May it have this value? */
bool setting_right(const struct setting_kind *kind, struct str value);

#endif
