#include "kiosk/pay.h"

static const char LETTERS[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
enum { N_LETTERS = sizeof(LETTERS) - 1, N_FREE = REFERENCE_LENGTH - 3 };
/* A prime: weighing by place finds every single wrong letter and every two that changed places. */
_Static_assert(N_LETTERS == 31, "31 letters");

static char check_letter(const char *letters)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < N_FREE; i++)
		sum += (i + 1) * (unsigned)(strchr(LETTERS, letters[i]) - LETTERS);
	return LETTERS[sum % N_LETTERS];
}

void reference_make(const unsigned char random[8], char reference[REFERENCE_LENGTH + 1])
{
	uint64_t n = 0;
	for (unsigned i = 0; i < 8; i++)
		n = n << 8 | random[i];
	char *at = reference;
	*at++ = 'K';
	*at++ = 'H';
	for (unsigned i = 0; i < N_FREE; i++, n /= N_LETTERS)
		*at++ = LETTERS[n % N_LETTERS];
	*at++ = check_letter(reference + 2);
	*at = 0;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Whether the text begins with one; `broken`: one mark may stand before each letter. */
static bool stands_here(struct str text, bool broken, char reference[REFERENCE_LENGTH + 1])
{
	char found[REFERENCE_LENGTH + 1] = { 0 };
	size_t at = 0;
	for (unsigned i = 0; i < REFERENCE_LENGTH; i++, at++) {
		if (broken && at < text.n && text.p[at] && strchr(" -._\r\n", text.p[at]))
			at++;
		if (at >= text.n)
			return false;
		char c = found[i] = upper(text.p[at]);
		if (i < 2 ? c != "KH"[i] : !c || !strchr(LETTERS, c))
			return false;
	}
	if (check_letter(found + 2) != found[REFERENCE_LENGTH - 1])
		return false;
	memcpy(reference, found, sizeof(found));
	return true;
}

bool reference_find(struct str text, char reference[REFERENCE_LENGTH + 1])
{
	for (int broken = 0; broken < 2; broken++)
		for (size_t i = 0; i + REFERENCE_LENGTH <= text.n; i++)
			if (stands_here(str_sub(text, i, text.n), broken, reference))
				return true;
	return false;
}
