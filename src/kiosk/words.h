/*
 * What the kiosk says, in three languages. Each word is one line of words_public.inc or words_staff.inc:
 *
 *   WORD(NAME, "Vietnamese", "English", "Chinese")   what it is for, what its %s stand for
 *
 * and is KIOSK_WORD_NAME here.
 */
#ifndef KHIEN_KIOSK_WORDS_H
#define KHIEN_KIOSK_WORDS_H

#include "base/str.h"

enum kiosk_language { KIOSK_VI, KIOSK_EN, KIOSK_ZH, N_KIOSK_LANGUAGES };

enum kiosk_word {
	KIOSK_WORD_NONE,
#define WORD(name, vi, en, zh) KIOSK_WORD_##name,
#include "kiosk/words_public.inc"
#include "kiosk/words_staff.inc"
#undef WORD
	N_KIOSK_WORDS,
};

struct str kiosk_word(enum kiosk_language lang, enum kiosk_word word);
/* The word for what the desk calls `code`: "STATE_" and "booked" is KIOSK_WORD_STATE_BOOKED. KIOSK_WORD_NONE: there is none. */
enum kiosk_word kiosk_word_find(const char *prefix, struct str code);
/* The word for a "refused" of ops.h; KIOSK_WORD_REFUSED for one that has none. */
enum kiosk_word kiosk_word_of_refusal(struct str refused);
/* "vi", "en", "zh"; false: none of them. */
bool kiosk_language_of(struct str code, enum kiosk_language *ret);
extern const char *const kiosk_language_codes[N_KIOSK_LANGUAGES];

#endif
