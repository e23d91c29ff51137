/* The kernels for x86-64: SSE2, which every one has, AVX2, and AVX-512 with VBMI2. */
#include "base/json_kernel.h"

#ifdef KHIEN_X86

#include <immintrin.h>

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

#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

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

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,popcnt")))

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
	static const char letter[64] = {
		['b' & 31] = '\b', ['f' & 31] = '\f', ['n' & 31] = '\n', ['r' & 31] = '\r', ['t' & 31] = '\t'
	};
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
			n = json_unescape_one(&to, src);
			src = str_sub(src, n, src.n);
		}
	}
	return (size_t)(to - dst);
}

INLINE AVX512 uint32_t avx512_put(uint16_t *to, uint32_t n, uint32_t at, uint64_t bits)
{
	const __m512i all =
	        _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42,
	                        41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,
	                        19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i places = _mm512_maskz_compress_epi8(bits, all), from = _mm512_set1_epi16((int16_t)at);
	__m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(places));
	__m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(places, 1));
	_mm512_storeu_si512(to + n, _mm512_add_epi16(low, from));
	_mm512_storeu_si512(to + n + 32, _mm512_add_epi16(high, from));
	return n + (uint32_t)__builtin_popcountll(bits);
}

KERNEL(avx512, AVX512, avx512_put)

#endif
