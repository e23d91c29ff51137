/*
 * What the kernels of json.h share: written once, over a function that looks at 64 bytes; each kernel is this code
 * inlined around its own function and compiled for its own machine. For json_kernel*.c only.
 */
#ifndef KHIEN_BASE_JSON_KERNEL_H
#define KHIEN_BASE_JSON_KERNEL_H

#include "base/json.h"

#include <endian.h>

#define INLINE static inline __attribute__((always_inline))

enum { BLOCK = 64 };

/* A bit for each of 64 bytes, the first the lowest. */
struct block {
	uint64_t quote, slash, control; /* '"', '\\', below ' ' */
};

struct brackets {
	uint64_t open, close;
};

/* A machine's way to do the three things that the kernels differ in. */
struct eye {
	struct block (*block)(const char *p);
	struct brackets (*brackets)(const char *p);
	/* Adds the places of the set bits to a list of n, counted from `at`; may write up to 64 behind it. The new n. */
	uint32_t (*put)(uint16_t *to, uint32_t n, uint32_t at, uint64_t bits);
};

/* Looks closer at escapes other than \\ and \", and at control characters, in the block at `at`. */
void json_check_block(struct json_index *x, size_t at, uint64_t escapes, uint64_t control);
/* escaped_bytes() where backslashes stand outside of strings too, and mean nothing there. in_string: all bits set, or 0. */
uint64_t json_escaped_in_strings(struct block b, uint64_t *carry, uint64_t in_string);
/*
 * Of the suspects in the block at `at` (control characters in strings, opening brackets behind one outside): the first
 * that tells of a cut, or BLOCK.
 */
size_t json_cut_in_block(struct str text, size_t at, uint64_t suspects);
/* The escape at the start of s (at its backslash): writes its character, returns the escape's length. */
size_t json_unescape_one(char **to, struct str s);

/* Bytes that an odd number of backslashes stands before. *carry: whether the next block's first byte is one. */
INLINE uint64_t escaped_bytes(uint64_t slash, uint64_t *carry)
{
	const uint64_t odd = 0xaaaaaaaaaaaaaaaau;
	/* Subtracting a run's start from where a run that begins at an odd place may go flips the bits of its rest. */
	uint64_t start = slash & ~*carry;
	uint64_t code = (((start << 1) | odd) - start) ^ odd;
	uint64_t escaped = code ^ (slash | *carry);
	*carry = (code & slash) >> 63;
	return escaped;
}

/* Bit i becomes the parity of bits 0 to i. */
INLINE uint64_t parity(uint64_t x)
{
	x ^= x << 1;
	x ^= x << 2;
	x ^= x << 4;
	x ^= x << 8;
	x ^= x << 16;
	return x ^ x << 32;
}

/* The last bytes of a text as a whole block. */
INLINE const char *pad_tail(char *block, struct str rest)
{
	memset(block, ' ', BLOCK);
	memcpy(block, rest.p, rest.n);
	return block;
}

INLINE void put_place(uint16_t *to, uint32_t at, uint64_t *bits)
{
	*to = (uint16_t)(at + (uint32_t)__builtin_ctzll(*bits | 1ull << 63));
	*bits &= *bits - 1;
}

INLINE uint32_t put_one_by_one(uint16_t *to, uint32_t n, uint32_t at, uint64_t bits)
{
	uint32_t more = n + (uint32_t)__builtin_popcountll(bits);
	for (to += n; bits; to += 8) {
		/* Eight at once, so that the usual block takes no branch that is hard to foresee. */
		put_place(to, at, &bits);
		put_place(to + 1, at, &bits);
		put_place(to + 2, at, &bits);
		put_place(to + 3, at, &bits);
		put_place(to + 4, at, &bits);
		put_place(to + 5, at, &bits);
		put_place(to + 6, at, &bits);
		put_place(to + 7, at, &bits);
	}
	return more;
}

INLINE void index_chunk(struct json_index *x, const struct eye *eye)
{
	size_t at = x->next, left = x->doc.n - at;
	const size_t base = at, end = at + (left < JSON_CHUNK ? left : JSON_CHUNK);
	const struct str doc = x->doc;
	uint64_t escape_carry = x->escaped, string_carry = x->in_string;
	uint32_t n = 0;
	for (; at < end; at += BLOCK) {
		char tail[BLOCK];
		const char *p = doc.p + at;
		uint64_t valid = UINT64_MAX;
		left = doc.n - at;
		if (left < BLOCK) {
			p = pad_tail(tail, str_sub(doc, at, left));
			valid = (1ull << left) - 1;
		}
		struct block b = eye->block(p);
		uint64_t escaped = escaped_bytes(b.slash, &escape_carry);
		uint64_t quotes = b.quote & ~escaped;
		uint64_t in_string = parity(quotes) ^ string_carry;
		string_carry = -(in_string >> 63);
		uint64_t control = b.control & in_string;
		uint64_t escapes = escaped & in_string & ~(b.slash | b.quote) & valid;
		if (__builtin_expect((control | escapes) != 0, 0))
			json_check_block(x, at, escapes, control);
		n = eye->put(x->quotes, n, (uint32_t)(at - base), quotes);
	}
	x->escaped = escape_carry;
	x->in_string = string_carry;
	x->base = base;
	x->next = end;
	x->n = n;
	x->i = 0;
}

/* Copies up to the next backslash; how far. */
typedef size_t copy_plain(char *dst, struct str src);

INLINE size_t unescape_with(char *dst, struct str src, copy_plain *copy)
{
	char *to = dst;
	while (src.n) {
		size_t n = copy(to, src);
		to += n;
		src = str_sub(src, n, src.n);
		if (!src.n)
			break;
		n = json_unescape_one(&to, src);
		src = str_sub(src, n, src.n);
	}
	return (size_t)(to - dst);
}

/* Follows the brackets of one block: true when the last one closes, behind *n of its bytes. */
static inline bool end_in_block(struct json_end *end, uint64_t open, uint64_t close, size_t *n)
{
	for (uint64_t both = open | close; both; both &= both - 1) {
		if (open & both & -both) {
			end->depth++;
		} else if (--end->depth == 0) {
			*n = (size_t)__builtin_ctzll(both) + 1;
			return true;
		}
	}
	return false;
}

INLINE enum json_ended end_any(struct json_end *end, struct str text, const struct eye *eye)
{
	size_t at = end->at, n;
	uint64_t escape_carry = end->escaped, string_carry = end->in_string;
	uint64_t control_carry = at && (unsigned char)text.p[at - 1] < ' ';
	for (; at < text.n; at += BLOCK) {
		char tail[BLOCK];
		const char *p = text.p + at;
		const size_t left = text.n - at;
		if (left < BLOCK)
			p = pad_tail(tail, str_sub(text, at, left));
		struct block b = eye->block(p);
		struct brackets k = eye->brackets(p);
		const uint64_t first_escaped = escape_carry;
		uint64_t escaped = escaped_bytes(b.slash, &escape_carry);
		uint64_t in_string = parity(b.quote & ~escaped) ^ string_carry;
		if (__builtin_expect((b.slash & ~in_string) != 0, 0)) {
			escape_carry = first_escaped;
			escaped = json_escaped_in_strings(b, &escape_carry, string_carry);
			in_string = parity(b.quote & ~escaped) ^ string_carry;
		}
		if (left < BLOCK)
			escape_carry = escaped >> left & 1;
		string_carry = -(in_string >> 63);
		uint64_t open = k.open & ~in_string, close = k.close & ~in_string;
		uint64_t suspects = (b.control & in_string & ~escaped) | (open & (b.control << 1 | control_carry));
		control_carry = b.control >> 63;
		size_t cut = BLOCK;
		if (__builtin_expect(suspects != 0, 0) && (cut = json_cut_in_block(text, at, suspects)) < BLOCK) {
			open &= (1ull << cut) - 1;
			close &= (1ull << cut) - 1;
		}
		if ((uint64_t)__builtin_popcountll(close) < end->depth) {
			end->depth += (uint64_t)__builtin_popcountll(open) - (uint64_t)__builtin_popcountll(close);
		} else if (end_in_block(end, open, close, &n)) {
			end->at = at + n;
			return JSON_DONE;
		}
		if (cut < BLOCK) {
			end->at = at + cut;
			return JSON_CUT;
		}
	}
	end->at = text.n;
	end->escaped = escape_carry;
	end->in_string = string_carry;
	return JSON_MORE;
}

/* One kernel around its own ways to look at bytes. */
#define KERNEL(NAME, TARGET, PUT)                                                                                      \
	static const struct eye NAME##_eye = { NAME##_block, NAME##_brackets, PUT };                                   \
	static TARGET void NAME##_index(struct json_index *x)                                                          \
	{                                                                                                              \
		index_chunk(x, &NAME##_eye);                                                                           \
	}                                                                                                              \
	static TARGET enum json_ended NAME##_end(struct json_end *end, struct str text)                                \
	{                                                                                                              \
		return end_any(end, text, &NAME##_eye);                                                                \
	}                                                                                                              \
	const struct json_kernel json_kernel_##NAME = { #NAME, NAME##_index, NAME##_end, NAME##_unescape };

/* The portable way, 8 bytes in a word; other kernels use it for a rest. */

static inline uint64_t load_le8(const char *p)
{
	uint64_t w;
	memcpy(&w, p, sizeof(w));
	return le64toh(w);
}

#define EACH(byte) (0x0101010101010101u * (byte))

/* The high bit of each byte of the word that is zero; exact. */
INLINE uint64_t zero_bytes(uint64_t w)
{
	return ~(((w & EACH(0x7f)) + EACH(0x7f)) | w | EACH(0x7f));
}

/* High bits of the bytes -> 8 bits. */
INLINE uint64_t gather(uint64_t high)
{
	return (high >> 7) * 0x0102040810204080u >> 56;
}

INLINE struct block portable_block(const char *p)
{
	struct block b = { 0 };
#pragma GCC unroll 8
	for (int i = 0; i < BLOCK; i += 8) {
		uint64_t w = load_le8(p + i);
		b.quote |= gather(zero_bytes(w ^ EACH('"'))) << i;
		b.slash |= gather(zero_bytes(w ^ EACH('\\'))) << i;
		b.control |= gather(zero_bytes(w & EACH(0xe0))) << i;
	}
	return b;
}

INLINE struct brackets portable_brackets(const char *p)
{
	struct brackets k = { 0 };
#pragma GCC unroll 8
	for (int i = 0; i < BLOCK; i += 8) {
		uint64_t w = load_le8(p + i) | EACH(0x20); /* [ and ] become { and } */
		k.open |= gather(zero_bytes(w ^ EACH('{'))) << i;
		k.close |= gather(zero_bytes(w ^ EACH('}'))) << i;
	}
	return k;
}

INLINE size_t portable_copy(char *dst, struct str src)
{
	size_t i = 0;
	for (; src.n - i >= 8; i += 8) {
		uint64_t w = load_le8(src.p + i);
		memcpy(dst + i, src.p + i, 8);
		uint64_t slash = zero_bytes(w ^ EACH('\\'));
		if (slash)
			return i + (size_t)__builtin_ctzll(slash) / 8;
	}
	for (; i < src.n && src.p[i] != '\\'; i++)
		dst[i] = src.p[i];
	return i;
}

#if !defined(KHIEN_PORTABLE) && defined(__x86_64__)
#define KHIEN_X86
extern const struct json_kernel json_kernel_avx512, json_kernel_avx2, json_kernel_sse2;
#endif

#endif
