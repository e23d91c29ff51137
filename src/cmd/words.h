/* What khien says to people while it works, in Vietnamese, English and Chinese. Help texts and errors are English. */
#ifndef KHIEN_CMD_WORDS_H
#define KHIEN_CMD_WORDS_H

#include "base/buf.h"

/* The order of rule->advice[]. */
enum language { LANG_VI, LANG_EN, LANG_ZH, N_LANGUAGES };

enum word {
	WORD_RECORDING,
	WORD_ADVICE, /* labels of what stands behind them */
	WORD_HOST,
	WORD_USER,
	WORD_FROM,
	WORD_WHAT,
	WORD_RULE,
	WORD_LOOK,
	WORD_TIMES_MORE,     /* %llu */
	WORD_TIMES_OVER,     /* %llu */
	WORD_SINCE,          /* %s time */
	WORD_EVENTS_IN,      /* %u events, %.1f s */
	WORD_RULES,          /* %u rules, %u refused, %.1f s */
	WORD_REFUSED,        /* %s diagnostic */
	WORD_NOT_CACHED,     /* %s why */
	WORD_PROTECTION,     /* %s */
	WORD_PROTECTION_OFF, /* %s which, %s why */
	WORD_WATCHING,       /* %s */
	WORD_NOT_WATCHED,    /* %s what, %s why */
	WORD_BACK,           /* %s */
	WORD_SKIPPED,        /* %s where, %s why */
	WORD_NOTHING,
	WORD_READY,
	WORD_HUB_READY,
	WORD_PLAYING,      /* %s */
	WORD_KEPT,         /* %s events, %s folder */
	WORD_PLAYED,       /* %llu events, %llu alerts, %.1f s */
	WORD_LIVE,         /* %.0f events/s, %llu matches, %u alerts open, %.1f s lag, %llu shed */
	WORD_LIVE_EACH,    /* %.0f events/s, %llu matches, %.1f s lag, %llu shed */
	WORD_CLOSING,      /* %s time, %llu events, %llu matches, %llu alerts */
	WORD_CLOSING_SHED, /* %llu skipped, %llu shed */
	WORD_RELOADING,
	WORD_RELOADED,      /* %u rules, %u refused, %u of %u correlations kept */
	WORD_NOT_RELOADED,  /* %s why */
	WORD_INDICATORS,    /* %s indicators, %s feeds */
	WORD_NO_INDICATORS, /* %s why */
	WORD_NO_STATE,      /* %s why */
	WORD_CATCHING_UP,   /* %s what, %s how much */
	WORD_MAY_BE_LOST,   /* %s what, %s how much */
	WORD_NOT_PRINTED,   /* %s alerts */
	WORD_STATUS_UP,     /* %.1f hours, %.0f events, %.0f rules */
	WORD_STATUS_DOWN,   /* %s folder */
	WORD_STATUS_STORE,  /* %s size, %s date */
	WORD_STATUS_FULL,   /* %s date */
	WORD_STATUS_TROUBLE,
	WORD_STATUS_DATASETS, /* headings, "|" between */
	WORD_STATUS_SENDERS,  /* headings */
	WORD_STATUS_ALERTS,
	WORD_STATUS_NONE,
	WORD_LEVEL_NONE,
	WORD_LEVEL_INFORMATIONAL,
	WORD_LEVEL_LOW,
	WORD_LEVEL_MEDIUM,
	WORD_LEVEL_HIGH,
	WORD_LEVEL_CRITICAL,
	WORD_FOUND,        /* %s events, %s searched, %.2f s, %s blocks, %s passed over */
	WORD_FOUND_VALUES, /* %s different values, %s events */
	WORD_FOUND_LIMIT,  /* %s events */
	WORD_FOUND_STOPPED,
	WORD_FOUND_DAMAGED, /* %s blocks */
	WORD_FOUND_MENDING, /* %s days */
	WORD_HUNT_LATE,
	WORD_HUNT_SHED,    /* %s events or rows */
	WORD_HUNT_GAVE_UP, /* %s values */
	WORD_HUNT_WITHOUT, /* %s events */
	WORD_EXPORTED,     /* %s events, %s bytes, %.1f s */
	WORD_IMPORTED,     /* %s events, %s known, %s bad lines, %.1f s */
	WORD_GATE_LABELS,  /* labels of its lines, "|" between */
	WORD_GATE_REST,
	WORD_GATE_STRICT, /* %s time, %s minutes */
	WORD_GATE_WATCHES,
	WORD_GATE_PRESSURE, /* %.2f */
	WORD_GATE_SHARES,   /* %s a person's, %s a stranger's */
	WORD_GATE_NO_BOUND,
	WORD_GATE_EACH_SECOND, /* %.2f */
	WORD_GATE_RATE,        /* %.0f, %.0f */
	WORD_GATE_SITE,        /* %.0f ms, %.0f ms, %s share of errors, %.0f, %.0f ms */
	WORD_GATE_PASS,
	WORD_GATE_SLOW,
	WORD_GATE_DENY,
	WORD_GATE_DROP,
	WORD_GATE_PASSES,  /* %s given, %s shown, %s bad */
	WORD_GATE_WAF,     /* %s mode, %u level */
	WORD_GATE_LISTS,   /* %u, %u */
	WORD_GATE_WORKERS, /* %u workers, %.0f MB */
	WORD_GATE_SHED,    /* %s records, %s events */
	WORD_GATE_FREE, /* in the order of enum flood_reason (flood/flood.h), as WORD_GATE_PASS of enum flood_verdict */
	WORD_GATE_ALLOWED,
	WORD_GATE_BLOCKED,
	WORD_GATE_STRANGER,
	WORD_GATE_SHARE,
	WORD_GATE_NETWORK,
	WORD_GATE_NEW_PEOPLE,
	WORD_GATE_COST,
	WORD_GATE_ERRORS,
	WORD_GATE_FINGERPRINT,
	WORD_GATE_PERSISTENT,
	WORD_GATE_NEXT,   /* %s address, %s verdict */
	WORD_GATE_THEN,   /* %s number, %s time, %s address, %s verdict */
	WORD_GATE_SINCE,  /* %s time */
	WORD_GATE_UNTIL,  /* %s time */
	WORD_GATE_HAD,    /* %.2f, %s */
	WORD_GATE_AROUND, /* %.2f network, %s share of errors, %.1f cost, %.0f people */
	WORD_GATE_SHARED,
	WORD_GATE_WITH_PASS,
	WORD_GATE_WITHOUT_PASS,
	WORD_GATE_COME_BACK, /* %.0f s */
	WORD_GATE_LISTED,    /* %s prefix, %s who, %s until, %s why */
	WORD_GATE_NEVER,
	WORD_GATE_LAST,       /* %s number, %s time */
	WORD_GATE_TO_ALLOW,   /* %s command */
	WORD_GATE_TO_UNBLOCK, /* %s command */
	WORD_GATE_TO_SEE,     /* %s command */
	WORD_GATE_NOT_KNOWN,  /* %s number */
	N_WORDS
};

/* The text as it stands in the table: for those without arguments, and for the test of the table. */
const char *words(enum language language, enum word word);
/* Appends it with its arguments, whose types stand beside enum word and are the same in each language. */
void words_add(struct buf *out, enum language language, enum word word, ...);

/* --lang: an OPT_CHOICE. */
extern const char *const words_choices[]; /* "vi", "en", "zh", NULL */
/* From LC_ALL, LC_MESSAGES, LANG, in that order; English where they name another language. */
enum language words_from_environment(void);

#endif
