/* The portable kernel, the one for NEON, and the choice among all. */
#include "base/json_kernel.h"

#include "base/json_walk.h"
#include "base/utf8.h"

#if !defined(KHIEN_PORTABLE) && defined(__aarch64__) && defined(__AARCH64EL__)
#include <arm_neon.h>
#endif

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

void json_check_block(struct json_index *x, size_t at, uint64_t escapes, uint64_t control)
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

uint64_t json_escaped_in_strings(struct block b, uint64_t *carry, uint64_t in_string)
{
	uint64_t escaped = 0, next = *carry;
	for (uint64_t bit = 1; bit; bit <<= 1) {
		bool plain = !next;
		escaped |= plain ? 0 : bit;
		next = plain && (b.slash & in_string & bit);
		in_string ^= plain && (b.quote & bit) ? UINT64_MAX : 0;
	}
	*carry = next;
	return escaped;
}

/* A "{" that begins a line within a value can only stand behind these; behind anything else the value was cut off. */
static bool may_open_line(struct str text, size_t i)
{
	if (text.p[i - 1] != '\n')
		return true;
	while (i && json_blank(text.p[i - 1]))
		i--;
	return !i || text.p[i - 1] == ',' || text.p[i - 1] == ':' || text.p[i - 1] == '[';
}

size_t json_cut_in_block(struct str text, size_t at, uint64_t suspects)
{
	for (; suspects; suspects &= suspects - 1) {
		size_t bit = (size_t)__builtin_ctzll(suspects), i = at + bit;
		if (text.p[i] == '\n' || (text.p[i] == '{' && !may_open_line(text, i)))
			return bit;
	}
	return BLOCK;
}

static int hex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static uint32_t hex4(const char *p)
{
	return (uint32_t)(hex(p[0]) << 12 | hex(p[1]) << 8 | hex(p[2]) << 4 | hex(p[3]));
}

size_t json_unescape_one(char **to, struct str s)
{
	static const char plain[256] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
		                         ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };
	char c = s.n > 1 ? s.p[1] : '\0';
	if (plain[(unsigned char)c]) {
		*(*to)++ = plain[(unsigned char)c];
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

static size_t portable_unescape(char *dst, struct str src)
{
	return unescape_with(dst, src, portable_copy);
}

KERNEL(portable, , put_one_by_one)

#ifdef KHIEN_X86

const struct json_kernel *const *json_kernels(size_t *n)
{
	static const struct json_kernel *const all[] = { &json_kernel_avx512, &json_kernel_avx2, &json_kernel_sse2,
		                                         &json_kernel_portable };
	size_t from = 2;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
		from = 1;
		if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
		    __builtin_cpu_supports("avx512vbmi2"))
			from = 0;
	}
	*n = ARRAY_LEN(all) - from;
	return all + from;
}

#elif !defined(KHIEN_PORTABLE) && defined(__aarch64__) && defined(__AARCH64EL__)

/* Comparisons of 64 bytes -> 64 bits: a bit of its own for each byte of eight, added up pairwise. */
INLINE uint64_t neon_mask(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
	const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
	uint8x16_t ab = vpaddq_u8(vandq_u8(a, bit), vandq_u8(b, bit));
	uint8x16_t cd = vpaddq_u8(vandq_u8(c, bit), vandq_u8(d, bit));
	uint8x16_t all = vpaddq_u8(ab, cd);
	return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

INLINE uint64_t neon_equal(uint8x16x4_t v, uint8_t byte)
{
	uint8x16_t x = vdupq_n_u8(byte);
	return neon_mask(vceqq_u8(v.val[0], x), vceqq_u8(v.val[1], x), vceqq_u8(v.val[2], x), vceqq_u8(v.val[3], x));
}

INLINE uint8x16x4_t neon_load(const char *p, uint8_t with)
{
	const uint8_t *q = (const uint8_t *)p;
	uint8x16_t x = vdupq_n_u8(with);
	return (uint8x16x4_t){ { vorrq_u8(vld1q_u8(q), x), vorrq_u8(vld1q_u8(q + 16), x), vorrq_u8(vld1q_u8(q + 32), x),
		                 vorrq_u8(vld1q_u8(q + 48), x) } };
}

INLINE struct block neon_block(const char *p)
{
	uint8x16x4_t v = neon_load(p, 0);
	uint8x16_t x = vdupq_n_u8(' ');
	return (struct block){ neon_equal(v, '"'), neon_equal(v, '\\'),
		               neon_mask(vcltq_u8(v.val[0], x), vcltq_u8(v.val[1], x), vcltq_u8(v.val[2], x),
		                         vcltq_u8(v.val[3], x)) };
}

INLINE struct brackets neon_brackets(const char *p)
{
	uint8x16x4_t v = neon_load(p, 0x20);
	return (struct brackets){ neon_equal(v, '{'), neon_equal(v, '}') };
}

INLINE size_t neon_copy(char *dst, struct str src)
{
	size_t i = 0;
	for (; src.n - i >= 16; i += 16) {
		uint8x16_t v = vld1q_u8((const uint8_t *)src.p + i);
		vst1q_u8((uint8_t *)dst + i, v);
		uint8x16_t slash = vceqq_u8(v, vdupq_n_u8('\\'));
		/* Four bits a byte. */
		uint64_t bits = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(slash), 4)), 0);
		if (bits)
			return i + (size_t)__builtin_ctzll(bits) / 4;
	}
	return i + portable_copy(dst + i, str_sub(src, i, src.n));
}

static size_t neon_unescape(char *dst, struct str src)
{
	return unescape_with(dst, src, neon_copy);
}

KERNEL(neon, , put_one_by_one)

const struct json_kernel *const *json_kernels(size_t *n)
{
	static const struct json_kernel *const all[] = { &json_kernel_neon, &json_kernel_portable };
	*n = ARRAY_LEN(all);
	return all;
}

#else

const struct json_kernel *const *json_kernels(size_t *n)
{
	static const struct json_kernel *const all[] = { &json_kernel_portable };
	*n = ARRAY_LEN(all);
	return all;
}

#endif

const struct json_kernel *json_kernel(void)
{
	size_t n;
	return json_kernels(&n)[0];
}
