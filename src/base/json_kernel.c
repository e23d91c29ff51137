/*
 * The kernels of json.h. What they share is written once, over a function that looks at 64 bytes; each kernel is that
 * code inlined around its own function and compiled for its own machine.
 */
#include "base/json.h"
#include "base/utf8.h"

#include <endian.h>

#if !defined(KHIEN_PORTABLE) && defined(__x86_64__)
#include <immintrin.h>
#elif !defined(KHIEN_PORTABLE) && defined(__aarch64__)
#include <arm_neon.h>
#endif

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

static bool is_hex4(struct str s)
{
	if (s.n < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		char c = s.p[i], lower = (char)(c | 0x20);
		if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'f'))
			return false;
	}
	return true;
}

/* Looks closer at escapes other than \\ and \", and at control characters, in the block at `at`. */
static __attribute__((noinline)) void check_block(struct json_index *x, size_t at, uint64_t escapes, uint64_t control)
{
	if (x->bad != SIZE_MAX)
		return;
	if (control) {
		x->bad = at + (size_t)__builtin_ctzll(control);
		x->reason = "a control character in a string";
	}
	for (; escapes; escapes &= escapes - 1) {
		size_t i = at + (size_t)__builtin_ctzll(escapes);
		char c = x->doc.p[i];
		if (c == 'u' ? is_hex4(str_sub(x->doc, i + 1, 4)) : c && strchr("/bfnrt", c) != NULL)
			continue;
		if (i - 1 < x->bad) {
			x->bad = i - 1;
			x->reason = "an unknown escape in a string";
		}
		break;
	}
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
			check_block(x, at, escapes, control);
		n = eye->put(x->quotes, n, (uint32_t)(at - base), quotes);
	}
	x->escaped = escape_carry;
	x->in_string = string_carry;
	x->base = base;
	x->next = end;
	x->n = n;
	x->i = 0;
}

static int hex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static uint32_t hex4(const char *p)
{
	return (uint32_t)(hex(p[0]) << 12 | hex(p[1]) << 8 | hex(p[2]) << 4 | hex(p[3]));
}

/* The escape at the start of s (at its backslash): writes its character, returns the escape's length. */
static size_t unescape_one(char **to, struct str s)
{
	static const char plain[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	char c = s.n > 1 ? s.p[1] : '\0';
	for (size_t i = 0; i < sizeof(plain) - 1; i += 2) {
		if (plain[i] != c)
			continue;
		*(*to)++ = plain[i + 1];
		return 2;
	}
	if (c != 'u' || !is_hex4(str_sub(s, 2, 4))) {
		*(*to)++ = s.p[0];
		return 1;
	}
	uint32_t cp = hex4(s.p + 2);
	size_t n = 6;
	if (cp >= 0xd800 && cp < 0xdc00 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u' && is_hex4(str_sub(s, 8, 4))) {
		uint32_t low = hex4(s.p + 8);
		if (low >= 0xdc00 && low < 0xe000) {
			cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
			n = 12;
		}
	}
	*to += utf8_put(*to, cp); /* a surrogate that is alone is written as U+FFFD */
	return n;
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
		n = unescape_one(&to, src);
		src = str_sub(src, n, src.n);
	}
	return (size_t)(to - dst);
}

enum { END_UNKNOWN, END_BRACKETS, END_STRING, END_TOKEN };

/* A number or literal: up to a delimiter. */
static size_t end_token(struct str bytes, bool *done)
{
	size_t i = 0;
	while (i < bytes.n && (unsigned char)bytes.p[i] > ' ' && !memchr(",:[]{}\"", bytes.p[i], 7))
		i++;
	*done = i < bytes.n;
	return i;
}

static uint8_t end_kind(char first)
{
	if (first == '{' || first == '[')
		return END_BRACKETS;
	return first == '"' ? END_STRING : END_TOKEN;
}

/* Follows the brackets of one block: true when the last one closes, behind *n of its bytes. */
static bool end_in_block(struct json_end *end, uint64_t open, uint64_t close, size_t *n)
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

INLINE size_t end_any(struct json_end *end, struct str bytes, bool *done, const struct eye *eye)
{
	size_t n;
	*done = false;
	if (!end->kind && bytes.n)
		end->kind = end_kind(bytes.p[0]);
	if (end->kind == END_TOKEN)
		return end_token(bytes, done);
	for (size_t at = 0; at < bytes.n; at += BLOCK) {
		char tail[BLOCK];
		const char *p = bytes.p + at;
		size_t left = bytes.n - at;
		if (left < BLOCK)
			p = pad_tail(tail, str_sub(bytes, at, left));
		struct block b = eye->block(p);
		struct brackets k = eye->brackets(p);
		uint64_t escaped = escaped_bytes(b.slash, &end->escaped);
		if (left < BLOCK)
			end->escaped = escaped >> left & 1;
		uint64_t quotes = b.quote & ~escaped;
		uint64_t in_string = parity(quotes) ^ end->in_string;
		end->in_string = -(in_string >> 63);
		uint64_t open = k.open & ~in_string, close = k.close & ~in_string;
		if (end->kind == END_STRING) {
			open = at == 0 && !end->depth ? 1 : 0; /* the quotes are its brackets */
			close = quotes & ~in_string;
		}
		if ((uint64_t)__builtin_popcountll(close) < end->depth) {
			end->depth += (uint64_t)__builtin_popcountll(open) - (uint64_t)__builtin_popcountll(close);
		} else if (end_in_block(end, open, close, &n)) {
			*done = true;
			return at + n;
		}
	}
	return bytes.n;
}

/* One kernel around its own ways to look at bytes. */
#define KERNEL(NAME, TARGET, PUT)                                                                                        \
	static const struct eye NAME##_eye = { NAME##_block, NAME##_brackets, PUT };                                   \
	static TARGET void NAME##_index(struct json_index *x)                                                          \
	{                                                                                                              \
		index_chunk(x, &NAME##_eye);                                                                           \
	}                                                                                                              \
	static TARGET size_t NAME##_end(struct json_end *end, struct str bytes, bool *done)                            \
	{                                                                                                              \
		return end_any(end, bytes, done, &NAME##_eye);                                                         \
	}                                                                                                              \
	static const struct json_kernel NAME = { #NAME, NAME##_index, NAME##_end, NAME##_unescape };

/* 8 bytes in a word. */

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

static size_t portable_unescape(char *dst, struct str src)
{
	return unescape_with(dst, src, portable_copy);
}

KERNEL(portable, , put_one_by_one)

#if !defined(KHIEN_PORTABLE) && defined(__x86_64__)

INLINE uint64_t sse2_mask(__m128i a, __m128i b, __m128i c, __m128i d)
{
	return (uint64_t)(uint32_t)_mm_movemask_epi8(a) | (uint64_t)(uint32_t)_mm_movemask_epi8(b) << 16 |
	       (uint64_t)(uint32_t)_mm_movemask_epi8(c) << 32 | (uint64_t)(uint32_t)_mm_movemask_epi8(d) << 48;
}

INLINE uint64_t sse2_equal(const __m128i v[4], char byte)
{
	__m128i x = _mm_set1_epi8(byte);
	return sse2_mask(_mm_cmpeq_epi8(v[0], x), _mm_cmpeq_epi8(v[1], x), _mm_cmpeq_epi8(v[2], x),
	                 _mm_cmpeq_epi8(v[3], x));
}

INLINE uint64_t sse2_control(const __m128i v[4])
{
	__m128i x = _mm_set1_epi8(0x1f);
	return sse2_mask(_mm_cmpeq_epi8(_mm_max_epu8(v[0], x), x), _mm_cmpeq_epi8(_mm_max_epu8(v[1], x), x),
	                 _mm_cmpeq_epi8(_mm_max_epu8(v[2], x), x), _mm_cmpeq_epi8(_mm_max_epu8(v[3], x), x));
}

INLINE struct block sse2_block(const char *p)
{
	const __m128i *q = (const void *)p;
	__m128i v[4] = { _mm_loadu_si128(q), _mm_loadu_si128(q + 1), _mm_loadu_si128(q + 2), _mm_loadu_si128(q + 3) };
	return (struct block){ sse2_equal(v, '"'), sse2_equal(v, '\\'), sse2_control(v) };
}

INLINE struct brackets sse2_brackets(const char *p)
{
	const __m128i *q = (const void *)p, x = _mm_set1_epi8(0x20);
	__m128i v[4] = { _mm_or_si128(_mm_loadu_si128(q), x), _mm_or_si128(_mm_loadu_si128(q + 1), x),
		         _mm_or_si128(_mm_loadu_si128(q + 2), x), _mm_or_si128(_mm_loadu_si128(q + 3), x) };
	return (struct brackets){ sse2_equal(v, '{'), sse2_equal(v, '}') };
}

INLINE size_t sse2_copy(char *dst, struct str src)
{
	size_t i = 0;
	for (; src.n - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const void *)(src.p + i));
		_mm_storeu_si128((void *)(dst + i), v);
		int slash = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
		if (slash)
			return i + (size_t)__builtin_ctz((unsigned)slash);
	}
	return i + portable_copy(dst + i, str_sub(src, i, src.n));
}

static size_t sse2_unescape(char *dst, struct str src)
{
	return unescape_with(dst, src, sse2_copy);
}

KERNEL(sse2, , put_one_by_one)

#define AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))

INLINE AVX2 uint64_t avx2_mask(__m256i a, __m256i b)
{
	return (uint64_t)(uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

INLINE AVX2 uint64_t avx2_equal(__m256i a, __m256i b, char byte)
{
	__m256i x = _mm256_set1_epi8(byte);
	return avx2_mask(_mm256_cmpeq_epi8(a, x), _mm256_cmpeq_epi8(b, x));
}

INLINE AVX2 struct block avx2_block(const char *p)
{
	__m256i a = _mm256_loadu_si256((const void *)p), b = _mm256_loadu_si256((const void *)(p + 32));
	__m256i x = _mm256_set1_epi8(0x1f);
	return (struct block){ avx2_equal(a, b, '"'), avx2_equal(a, b, '\\'),
		               avx2_mask(_mm256_cmpeq_epi8(_mm256_max_epu8(a, x), x),
		                         _mm256_cmpeq_epi8(_mm256_max_epu8(b, x), x)) };
}

INLINE AVX2 struct brackets avx2_brackets(const char *p)
{
	__m256i x = _mm256_set1_epi8(0x20);
	__m256i a = _mm256_or_si256(_mm256_loadu_si256((const void *)p), x);
	__m256i b = _mm256_or_si256(_mm256_loadu_si256((const void *)(p + 32)), x);
	return (struct brackets){ avx2_equal(a, b, '{'), avx2_equal(a, b, '}') };
}

INLINE AVX2 size_t avx2_copy(char *dst, struct str src)
{
	size_t i = 0;
	for (; src.n - i >= 32; i += 32) {
		__m256i v = _mm256_loadu_si256((const void *)(src.p + i));
		_mm256_storeu_si256((void *)(dst + i), v);
		int slash = _mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
		if (slash)
			return i + (size_t)__builtin_ctz((unsigned)slash);
	}
	return i + sse2_copy(dst + i, str_sub(src, i, src.n));
}

static AVX2 size_t avx2_unescape(char *dst, struct str src)
{
	return unescape_with(dst, src, avx2_copy);
}

KERNEL(avx2, AVX2, put_one_by_one)

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,lzcnt,popcnt")))

INLINE AVX512 struct block avx512_block(const char *p)
{
	__m512i v = _mm512_loadu_si512(p);
	return (struct block){ _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')),
		               _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')),
		               _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(' ')) };
}

INLINE AVX512 struct brackets avx512_brackets(const char *p)
{
	__m512i v = _mm512_or_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(0x20));
	return (struct brackets){ _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('{')),
		                  _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('}')) };
}

/* 64 bytes at a time without a branch but for \u, which ends a stride. */
static AVX512 size_t avx512_unescape(char *dst, struct str src)
{
	/* By a letter's low 5 bits: what it means behind a backslash. */
	static const char letter[64] = { ['b' & 31] = '\b', ['f' & 31] = '\f', ['n' & 31] = '\n', ['r' & 31] = '\r',
		                         ['t' & 31] = '\t' };
	const __m512i meaning = _mm512_loadu_si512(letter);
	char *to = dst;
	while (src.n) {
		size_t n = src.n < BLOCK ? src.n : BLOCK;
		uint64_t valid = _bzhi_u64(UINT64_MAX, (unsigned)n), carry = 0;
		__m512i v = _mm512_maskz_loadu_epi8(valid, src.p);
		uint64_t slash = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
		uint64_t escaped = escaped_bytes(slash, &carry);
		uint64_t letters = escaped & _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8('a'));
		__m512i undone = _mm512_permutexvar_epi8(_mm512_and_si512(v, _mm512_set1_epi8(31)), meaning);
		letters &= _mm512_test_epi8_mask(undone, undone) & ~_mm512_movepi8_mask(v);
		uint64_t simple = letters | (escaped & (slash | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')) |
		                                        _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('/'))));
		/* Stop before the first escape that isn't simple, or that is cut. */
		uint64_t first = slash & ~escaped, hard = first & ~(simple >> 1);
		n = hard ? (size_t)__builtin_ctzll(hard) : n;
		uint64_t keep = _bzhi_u64(~first, (unsigned)n);
		v = _mm512_mask_mov_epi8(v, letters, undone);
		_mm512_storeu_si512(to, _mm512_maskz_compress_epi8(keep, v));
		to += __builtin_popcountll(keep);
		src = str_sub(src, n, src.n);
		if (!n) {
			n = unescape_one(&to, src);
			src = str_sub(src, n, src.n);
		}
	}
	return (size_t)(to - dst);
}

INLINE AVX512 uint32_t avx512_put(uint16_t *to, uint32_t n, uint32_t at, uint64_t bits)
{
	const __m512i all = _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43,
	                                    42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22,
	                                    21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i places = _mm512_maskz_compress_epi8(bits, all), from = _mm512_set1_epi16((int16_t)at);
	__m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(places));
	__m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(places, 1));
	_mm512_storeu_si512(to + n, _mm512_add_epi16(low, from));
	_mm512_storeu_si512(to + n + 32, _mm512_add_epi16(high, from));
	return n + (uint32_t)__builtin_popcountll(bits);
}

KERNEL(avx512, AVX512, avx512_put)

const struct json_kernel *const *json_kernels(size_t *n)
{
	static const struct json_kernel *const all[] = { &avx512, &avx2, &sse2, &portable };
	size_t from = 2;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
		from = 1;
		if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2"))
			from = 0;
	}
	*n = ARRAY_LEN(all) - from;
	return all + from;
}

#else

const struct json_kernel *const *json_kernels(size_t *n)
{
	static const struct json_kernel *const all[] = { &portable };
	*n = ARRAY_LEN(all);
	return all;
}

#endif

const struct json_kernel *json_kernel(void)
{
	size_t n;
	return json_kernels(&n)[0];
}
