/* What the kiosk says, in three languages. */
#ifndef KHIEN_KIOSK_WORDS_H
#define KHIEN_KIOSK_WORDS_H

#include "base/str.h"

enum kiosk_language { KIOSK_VI, KIOSK_EN, KIOSK_ZH, N_KIOSK_LANGUAGES };

/* words.c has a line for each, which says what it is for and what its %s stand for. */
enum kiosk_word {
	KIOSK_WORD_NONE,
	N_KIOSK_WORDS,
};

struct str kiosk_word(enum kiosk_language lang, enum kiosk_word word);
/* The word for a "refused" of ops.h; KIOSK_WORD_REFUSED for one that has none. */
enum kiosk_word kiosk_word_of_refusal(struct str refused);
/* "vi", "en", "zh"; false: none of them. */
bool kiosk_language_of(struct str code, enum kiosk_language *ret);

#endif
