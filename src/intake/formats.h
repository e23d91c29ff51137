/* The registry of log formats. To add one: write its const record in a file of its own, name it here and in formats.c. */
#ifndef KHIEN_INTAKE_FORMATS_H
#define KHIEN_INTAKE_FORMATS_H

#include "intake/intake.h"

extern const struct format intake_json, intake_syslog, intake_combined, intake_audit, intake_kv, intake_cef, intake_csv;

/* A format is taken for found when its score is at least this. */
enum { INTAKE_SCORE_MIN = 20 };

#endif
