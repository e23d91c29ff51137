#include "store/chunk_codec.h"

#include <endian.h>

enum { STREAM_TRY = 24 /* below, zstd's own bytes eat what it saves */ };

static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ -((uint64_t)v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ -(v & 1));
}

static void put_bytes(struct put *p, const void *bytes, size_t n)
{
	buf_add(&p->out, (struct str){ bytes, n });
}

void put_varint(struct put *p, uint64_t v)
{
	char bytes[10];
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (char)(v | 0x80);
	bytes[n++] = (char)v;
	put_bytes(p, bytes, n);
}

void put_signed(struct put *p, int64_t v)
{
	put_varint(p, zigzag(v));
}

void put_stream(struct put *p, const void *bytes, size_t n)
{
	size_t at = p->out.n, room = ZSTD_compressBound(n) + 10;
	if (n >= STREAM_TRY && buf_room(&p->out, room)) {
		/* Where its size goes is not known before its size is: leave room for the longest, then close the gap. */
		char *to = p->out.p + at + 10;
		size_t got = ZSTD_compress2(p->zstd, to, room - 10, bytes, n);
		if (!ZSTD_isError(got) && got < n) {
			put_varint(p, got);
			memmove(p->out.p + p->out.n, to, got);
			p->out.n += got;
			return;
		}
	}
	put_varint(p, n);
	put_bytes(p, bytes, n);
}

void *put_room(struct put *p, struct arena *a, size_t n, size_t size)
{
	void *room = arena_alloc(a, n * size);
	p->failed |= !room;
	return room;
}

static uint32_t bytes_of(uint64_t v)
{
	return v ? (uint32_t)(71 - __builtin_clzll(v)) / 8 : 0;
}

void put_planes(struct put *p, const uint64_t *v, size_t n)
{
	uint64_t all = 0;
	for (size_t i = 0; i < n; i++)
		all |= v[i];
	uint32_t planes = bytes_of(all);
	put_varint(p, planes);
	uint8_t *plane = put_room(p, &p->scratch, n, 1);
	for (uint32_t k = 0; plane && k < planes; k++) {
		for (size_t i = 0; i < n; i++)
			plane[i] = (uint8_t)(v[i] >> 8 * k);
		put_stream(p, plane, n);
	}
}

void put_planes32(struct put *p, const uint32_t *v, size_t n)
{
	uint32_t all = 0;
	for (size_t i = 0; i < n; i++)
		all |= v[i];
	uint32_t planes = bytes_of(all);
	put_varint(p, planes);
	uint8_t *plane = put_room(p, &p->scratch, n, 1);
	for (uint32_t k = 0; plane && k < planes; k++) {
		for (size_t i = 0; i < n; i++)
			plane[i] = (uint8_t)(v[i] >> 8 * k);
		put_stream(p, plane, n);
	}
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static uint32_t bits_of(uint64_t v)
{
	return v ? (uint32_t)(64 - __builtin_clzll(v)) : 0;
}

/* The step to offset i, and with 0 to the first. Differences may wrap; adding them up wraps back. */
static uint64_t step_to(const uint64_t *offset, size_t i)
{
	return zigzag((int64_t)(offset[i] - (i ? offset[i - 1] : 0)));
}

bool integers_plan(struct put *p, const int64_t *v, size_t n, struct integers *ret)
{
	struct integers x = { .n = n, .least = v[0] };
	int64_t greatest = v[0];
	for (size_t i = 1; i < n; i++) {
		x.least = v[i] < x.least ? v[i] : x.least;
		greatest = v[i] > greatest ? v[i] : greatest;
	}
	x.offset = put_room(p, &p->scratch, n, sizeof(*x.offset));
	if (!x.offset)
		return false;
	for (size_t i = 0; i < n; i++)
		x.offset[i] = (uint64_t)v[i] - (uint64_t)x.least;
	for (size_t i = 0; i < n && x.divisor != 1; i++)
		x.divisor = common_divisor(x.offset[i], x.divisor);
	x.divisor += !x.divisor;
	for (size_t i = 0; i < n && x.divisor > 1; i++)
		x.offset[i] /= x.divisor;
	uint64_t step_bits = 0;
	for (size_t i = 0; i < n; i++) {
		x.bits += bits_of(x.offset[i]);
		step_bits += bits_of(step_to(x.offset, i));
	}
	x.steps = step_bits < x.bits;
	x.bits = x.steps ? step_bits : x.bits;
	*ret = x;
	return true;
}

void put_integers(struct put *p, const struct integers *x)
{
	put_varint(p, x->steps);
	put_signed(p, x->least);
	put_varint(p, x->divisor);
	for (size_t i = x->n; i-- && x->steps;)
		x->offset[i] = step_to(x->offset, i);
	put_planes(p, x->offset, x->n);
}

/* --- reading --- */

void *take_room(struct take *t, size_t n, size_t size)
{
	if (t->bad || n > CHUNK_RAW_MAX * 2u)
		t->bad = true;
	else {
		void *room = arena_alloc(t->arena, n * size + TAKE_SLACK);
		if (room)
			return room;
		t->bad = t->no_memory = true;
	}
	return NULL;
}

uint64_t take_varint(struct take *t)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64 && t->p < t->end && !t->bad; shift += 7) {
		uint8_t byte = *t->p++;
		if (shift == 63 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	t->bad = true;
	return 0;
}

int64_t take_signed(struct take *t)
{
	return unzigzag(take_varint(t));
}

uint64_t take_count(struct take *t, uint64_t max)
{
	uint64_t v = take_varint(t);
	if (v <= max)
		return v;
	t->bad = true;
	return 0;
}

const void *take_stream(struct take *t, size_t n)
{
	size_t stored = (size_t)take_count(t, n);
	const uint8_t *p = t->p;
	if (t->bad || stored > (size_t)(t->end - p)) {
		t->bad = true;
		return NULL;
	}
	t->p += stored;
	if (stored == n)
		return p;
	void *to = take_room(t, n, 1);
	if (!to)
		return NULL;
	size_t got = ZSTD_decompressDCtx(t->zstd, to, n, p, stored);
	if (ZSTD_isError(got) || got != n) {
		t->bad = true;
		return NULL;
	}
	return to;
}

uint64_t *take_planes(struct take *t, size_t n, uint64_t max)
{
	uint32_t planes = (uint32_t)take_count(t, bytes_of(max));
	uint64_t *v = take_room(t, n, sizeof(*v)), greatest = 0;
	if (!v)
		return NULL;
	memset(v, 0, n * sizeof(*v));
	for (uint32_t k = 0; k < planes; k++) {
		const uint8_t *plane = take_stream(t, n);
		if (!plane)
			return NULL;
		for (size_t i = 0; i < n; i++)
			v[i] |= (uint64_t)plane[i] << 8 * k;
	}
	for (size_t i = 0; i < n; i++)
		greatest = v[i] > greatest ? v[i] : greatest;
	t->bad |= greatest > max;
	return t->bad ? NULL : v;
}

uint32_t *take_planes32(struct take *t, size_t n, uint32_t max)
{
	uint32_t planes = (uint32_t)take_count(t, bytes_of(max)), greatest = 0;
	uint32_t *v = take_room(t, n, sizeof(*v));
	if (!v)
		return NULL;
	memset(v, 0, n * sizeof(*v));
	for (uint32_t k = 0; k < planes; k++) {
		const uint8_t *plane = take_stream(t, n);
		if (!plane)
			return NULL;
		for (size_t i = 0; i < n; i++)
			v[i] |= (uint32_t)plane[i] << 8 * k;
	}
	for (size_t i = 0; i < n; i++)
		greatest = v[i] > greatest ? v[i] : greatest;
	t->bad |= greatest > max;
	return t->bad ? NULL : v;
}

int64_t *take_integers(struct take *t, size_t n)
{
	bool steps = take_count(t, 1);
	uint64_t least = (uint64_t)take_signed(t), divisor = take_varint(t), offset = 0;
	uint64_t *v = take_planes(t, n, UINT64_MAX);
	if (!v)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		offset = steps ? offset + (uint64_t)unzigzag(v[i]) : v[i];
		v[i] = least + offset * divisor;
	}
	return (int64_t *)v;
}
