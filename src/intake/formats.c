#include "intake/formats.h"

/* Where two fit equally well the one that stands first is taken. */
static const struct format *const formats[] = {
	&intake_json, &intake_syslog, &intake_combined, &intake_audit, &intake_cef, &intake_csv, &intake_kv,
};

const struct format *const *intake_formats(size_t *n)
{
	*n = ARRAY_LEN(formats);
	return formats;
}

const struct format *intake_format(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (str_eq(str_from(formats[i]->name), name))
			return formats[i];
	return NULL;
}

const struct format *intake_detect(struct str head)
{
	const struct format *best = NULL;
	int best_score = INTAKE_SCORE_MIN - 1;
	if (str_starts(head, STR("\xef\xbb\xbf")))
		head = str_sub(head, 3, head.n);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		int score = formats[i]->score(head);
		if (score > best_score) {
			best = formats[i];
			best_score = score;
		}
	}
	return best;
}
