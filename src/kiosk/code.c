#include "base/utf8.h"
#include "kiosk/seal.h"

#include <sodium.h>

/* --- lookup codes --- */

/* 32 letters: without 0, 1, I and L. */
static const char letters[] = "23456789ABCDEFGHJKMNOPQRSTUVWXYZ";
enum { LETTERS = sizeof(letters) - 1, WRITTEN_MAX = 64 /* bytes that are looked at */ };
_Static_assert(LETTERS == 32, "five bits each");

void code_make(char code[CODE_LENGTH + 1])
{
	unsigned char random[CODE_LENGTH];
	randombytes_buf(random, sizeof(random));
	for (int i = 0; i < CODE_LENGTH; i++)
		code[i] = letters[random[i] % LETTERS];
	code[CODE_LENGTH] = '\0';
	sodium_memzero(random, sizeof(random));
}

/* What people put between digits and letters; telephones make long dashes of short ones, and wide blanks. */
static bool is_between(uint32_t c)
{
	return c <= ' ' || c == '-' || c == '.' || c == '_' || c == '(' || c == ')' || c == '/' || c == 0xa0 ||
	       (c >= 0x2000 && c <= 0x2015) || c == 0x202f || c == 0x2212 || c == 0x3000;
}

/* The next character, as a half-wide one in capitals, without what stands between. 0: the end; 1: no UTF-8. */
static uint32_t next(struct str *s)
{
	while (s->n) {
		size_t n = utf8_len(*s);
		if (!n)
			return 1;
		uint32_t c = utf8_get(*s);
		*s = str_sub(*s, n, s->n);
		if (c >= 0xff01 && c <= 0xff5e) /* as a Chinese keyboard writes them */
			c -= 0xfee0;
		if (!is_between(c))
			return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
	}
	return 0;
}

bool code_read(struct str text, char code[CODE_LENGTH + 1])
{
	char found[CODE_LENGTH + 1] = "";
	size_t n = 0;
	uint32_t c;
	if (text.n > WRITTEN_MAX)
		return false;
	while ((c = next(&text)) != 0) {
		char letter = c == '0' ? 'O' : c < 0x80 ? (char)c : '\1';
		if (n == CODE_LENGTH || !memchr(letters, letter, LETTERS))
			return false;
		found[n++] = letter;
	}
	if (n == CODE_LENGTH)
		memcpy(code, found, sizeof(found));
	return n == CODE_LENGTH;
}

/* --- phones --- */

enum { PHONE_MAX = 15, PHONE_SHORTEST = 8 }; /* ITU-T E.164, and what is a number at all */

/* Of Việt Nam, behind 84: mobiles have 9 digits, others, beginning with 2, ten. */
static bool is_vietnamese(struct str s)
{
	return s.n && (s.p[0] == '2' ? s.n == 10 : s.n == 9 && memchr("35789", s.p[0], 5) != NULL);
}

bool phone_read(struct str text, char phone[16])
{
	char digits[PHONE_MAX + 8];
	size_t n = 0;
	uint32_t c = 0;
	if (text.n > WRITTEN_MAX)
		return false;
	bool abroad = (c = next(&text)) == '+';
	for (c = abroad ? next(&text) : c; c; c = next(&text)) {
		if (c < '0' || c > '9' || n == sizeof(digits))
			return false;
		digits[n++] = (char)c;
	}
	struct str s = { digits, n };
	if (!abroad && str_starts(s, STR("00"))) {
		abroad = true;
		s = str_sub(s, 2, n);
	}
	bool home = str_starts(s, STR("84")) && (abroad || s.n >= 11);
	if (home)
		s = str_sub(s, 2, n);
	if ((home || !abroad) && str_starts(s, STR("0")))
		s = str_sub(s, 1, n);
	if (home || !abroad) {
		if (!is_vietnamese(s))
			return false;
		memcpy(phone, "84", 2);
		phone += 2;
	} else if (s.n < PHONE_SHORTEST || s.n > PHONE_MAX || s.p[0] == '0') {
		return false;
	}
	memcpy(phone, s.p, s.n);
	phone[s.n] = '\0';
	return true;
}

/* --- masks --- */

void mask_phone(struct str phone, struct buf *out)
{
	enum { FIRST = 2, LAST = 3 };
	bool home = str_starts(phone, STR("84")) && is_vietnamese(str_sub(phone, 2, phone.n));
	char start[FIRST] = { '0', '0' };
	if (home)
		phone = str_sub(phone, 1, phone.n); /* the 4 stands where the 0 will */
	if (phone.n < 2 * (FIRST + LAST) - 2) {
		if (phone.n)
			buf_add(out, STR("****"));
		return;
	}
	memcpy(start, phone.p, FIRST);
	if (home)
		start[0] = '0';
	buf_add(out, (struct str){ start, FIRST });
	buf_add(out, STR("****"));
	buf_add(out, str_sub(phone, phone.n - LAST, LAST));
}

/* All but the last word are cut to a letter; a word that is alone is too. */
void mask_name(struct str name, struct buf *out)
{
	struct str rest = str_trim(name);
	bool first = true;
	while (rest.n) {
		struct str word = str_sub(rest, 0, str_find(rest, ' '));
		size_t letter = utf8_len(word);
		rest = str_trim(str_sub(rest, word.n, rest.n));
		if (!first)
			buf_putc(out, ' ');
		if (rest.n || first) {
			buf_add(out, letter ? str_sub(word, 0, letter) : STR("?"));
			buf_add(out, STR("**"));
		} else {
			buf_add(out, word);
		}
		first = false;
	}
}
