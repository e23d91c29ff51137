#include "base/utf8.h"

#include "base/fold_table.h"

static const char REPLACEMENT[] = "\xef\xbf\xbd";

size_t utf8_len(struct str s)
{
	if (!s.n)
		return 0;
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte */
	size_t n;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2)
		return 0;
	if (p[0] < 0xe0) {
		n = 2;
	} else if (p[0] < 0xf0) {
		n = 3;
		if (p[0] == 0xe0)
			low = 0xa0; /* overlong below */
		else if (p[0] == 0xed)
			high = 0x9f; /* surrogates above */
	} else if (p[0] < 0xf5) {
		n = 4;
		if (p[0] == 0xf0)
			low = 0x90;
		else if (p[0] == 0xf4)
			high = 0x8f; /* above U+10FFFF */
	} else {
		return 0;
	}
	if (s.n < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Bytes at the start of s that are ASCII for certain: a multiple of 8. */
static size_t ascii_run(struct str s)
{
	size_t i = 0;
	uint64_t w[4];
	for (; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(w, s.p + i, sizeof(w));
		if ((w[0] | w[1] | w[2] | w[3]) & 0x8080808080808080u)
			break;
	}
	for (; s.n - i >= sizeof(w[0]); i += sizeof(w[0])) {
		memcpy(w, s.p + i, sizeof(w[0]));
		if (w[0] & 0x8080808080808080u)
			break;
	}
	return i;
}

bool utf8_valid(struct str s)
{
	while (s.n) {
		size_t n = ascii_run(s);
		s = str_sub(s, n, s.n - n);
		/* A stretch of other text, before looking for ASCII again. */
		for (int i = 0; i < 16 && s.n; i++) {
			n = utf8_len(s);
			if (!n)
				return false;
			s.p += n;
			s.n -= n;
		}
	}
	return true;
}

struct str utf8_cut(struct str s, size_t most)
{
	if (s.n <= most)
		return s;
	size_t lead = most;
	while (lead && most - lead < 3 && ((unsigned char)s.p[lead] & 0xc0) == 0x80)
		lead--;
	return str_sub(s, 0, utf8_len(str_sub(s, lead, s.n - lead)) ? lead : most);
}

size_t utf8_put(char *at, uint32_t cp)
{
	if (cp < 0x80) {
		at[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		at[0] = (char)(0xc0 | cp >> 6);
		at[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) {
		memcpy(at, REPLACEMENT, 3);
		return 3;
	}
	if (cp < 0x10000) {
		at[0] = (char)(0xe0 | cp >> 12);
		at[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		at[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	at[0] = (char)(0xf0 | cp >> 18);
	at[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	at[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	at[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

uint32_t utf8_get(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	if (p[0] < 0x80)
		return p[0];
	if (p[0] < 0xe0)
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	if (p[0] < 0xf0)
		return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

static uint32_t fold(uint32_t cp)
{
	if (cp >= FOLD_END)
		return cp;
	uint16_t delta = fold_delta[fold_index[cp / FOLD_BLOCK]][cp % FOLD_BLOCK];
	return (cp & ~0xffffu) | ((cp + delta) & 0xffff);
}

/* 16 bytes: a vector of the machine's where it has one, else what the compiler makes of it. */
typedef int8_t vec16 __attribute__((vector_size(16)));

size_t utf8_fold(char *dst, struct str src)
{
	char *to = dst;
	size_t i = 0;
	while (i < src.n) {
		while (src.n - i >= sizeof(vec16)) {
			vec16 v;
			memcpy(&v, src.p + i, sizeof(v));
			uint64_t half[2];
			memcpy(half, &v, sizeof(half));
			if ((half[0] | half[1]) & 0x8080808080808080u)
				break;
			v += ((v >= 'A') & (v <= 'Z')) & 0x20;
			memcpy(to, &v, sizeof(v));
			to += sizeof(v);
			i += sizeof(v);
		}
		/* Up to the next stretch of ASCII, or to the end. */
		for (size_t stop = i + sizeof(vec16); i < src.n && i < stop;) {
			unsigned char c = (unsigned char)src.p[i];
			size_t n = c < 0x80 ? 1 : utf8_len(str_sub(src, i, 4));
			if (!n)
				*to++ = (char)c;
			else if (n == 1)
				*to++ = (char)(c >= 'A' && c <= 'Z' ? c + 0x20 : c);
			else
				to += utf8_put(to, fold(utf8_get(str_sub(src, i, n))));
			i += n ? n : 1;
		}
	}
	return (size_t)(to - dst);
}
