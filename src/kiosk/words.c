#include "kiosk/words.h"

#include <ctype.h>

const char *const kiosk_language_codes[N_KIOSK_LANGUAGES] = { "vi", "en", "zh" };

static const struct {
	const char *name;
	struct str text[N_KIOSK_LANGUAGES];
} words[N_KIOSK_WORDS] = {
	[KIOSK_WORD_NONE] = { "", { { "", 0 }, { "", 0 }, { "", 0 } } },
#define TEXT(literal)                                                                                                  \
	{                                                                                                              \
		literal, sizeof(literal) - 1                                                                           \
	}
#define WORD(name, vi, en, zh) [KIOSK_WORD_##name] = { #name, { TEXT(vi), TEXT(en), TEXT(zh) } },
#include "kiosk/words_public.inc"
#include "kiosk/words_staff.inc"
#undef WORD
};

struct str kiosk_word(enum kiosk_language lang, enum kiosk_word word)
{
	return words[word].text[lang];
}

/* "slot-full" and SLOT_FULL. */
static bool same_name(const char *name, struct str code)
{
	size_t i = 0;
	for (; i < code.n && name[i]; i++)
		if (name[i] != (code.p[i] == '-' ? '_' : toupper((unsigned char)code.p[i])))
			return false;
	return i == code.n && !name[i];
}

enum kiosk_word kiosk_word_find(const char *prefix, struct str code)
{
	const struct str start = str_from(prefix);
	for (unsigned i = 1; i < N_KIOSK_WORDS; i++)
		if (str_starts(str_from(words[i].name), start) && same_name(words[i].name + start.n, code))
			return i;
	return KIOSK_WORD_NONE;
}

enum kiosk_word kiosk_word_of_refusal(struct str refused)
{
	const enum kiosk_word found = kiosk_word_find("REFUSED_", refused);
	return found ? found : KIOSK_WORD_REFUSED;
}

bool kiosk_language_of(struct str code, enum kiosk_language *ret)
{
	for (unsigned i = 0; i < N_KIOSK_LANGUAGES; i++) {
		if (!str_eq(code, str_from(kiosk_language_codes[i])))
			continue;
		*ret = i;
		return true;
	}
	return false;
}
