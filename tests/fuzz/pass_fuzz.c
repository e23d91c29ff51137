/*
 * The cookie, any bytes: nothing is valid that wasn't made, and what was made is valid as it is and in no other way. The bytes are
 * what somebody sends, and what a pass is made of and changed by. The key file: read, it signs; refused, it says which line.
 */
#undef NDEBUG
#include "flood/pass.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WALL = 1795348800 };

/* Made from the bytes; one bit of its text turned, or its end cut or grown. */
static void check_made(const struct pass_key *key, const struct pass_key *other, const uint8_t *data, size_t size)
{
	struct pass p = { .issued_s = WALL, .begins_s = WALL }, got = { 0 };
	char text[PASS_TEXT + 2];
	uint8_t seed[16] = { 0 };
	memcpy(seed, data, size < sizeof(seed) ? size : sizeof(seed));
	memcpy(&p.id, seed, 8);
	memcpy(&p.bound, seed + 8, 4);
	p.flags = seed[12];
	pass_make(key, &p, text);
	struct str made = { text, PASS_TEXT };
	assert(pass_read(key, other, made, p.bound, WALL, &got) == PASS_VALID);
	assert(pass_read(other, key, made, p.bound, WALL, &got) == PASS_VALID);
	assert(got.id == p.id && got.bound == p.bound && got.flags == p.flags && got.issued_s == WALL);
	assert(pass_read(other, NULL, made, p.bound, WALL, &got) == PASS_FORGED);
	assert(pass_read(key, other, made, p.bound ^ 1U << seed[13] % 32, WALL, &got) == PASS_MOVED);
	assert(pass_read(key, other, str_sub(made, 0, seed[14] % PASS_TEXT), p.bound, WALL, &got) != PASS_VALID);
	text[PASS_TEXT] = (char)seed[14];
	assert(pass_read(key, other, (struct str){ text, PASS_TEXT + 1 }, p.bound, WALL, &got) == PASS_FORGED);
	text[seed[15] % PASS_TEXT] ^= (char)(1 << seed[13] % 8);
	assert(pass_read(key, other, made, p.bound, WALL, &got) == PASS_FORGED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct pass_key key = { .bytes = "a", .there = true }, other = { .bytes = "b", .there = true };
	struct pass_key now = { 0 }, before = { 0 };
	struct flood_addr from = { { 1 } };
	struct pass got = { .id = 7 };
	struct err err = { 0 };
	enum pass_state state = pass_read(&key, &other, text, 0, WALL, &got);
	assert(state == (size ? PASS_FORGED : PASS_NONE) && got.id == 7);
	assert(pass_read_from(&key, &other, text, &from, 1, WALL, &got) == state && got.id == 7);
	check_made(&key, &other, data, size);
	if (!pass_keys_read(text, &now, &before, &err)) {
		assert(now.there && (size == 64 || size == 65 || size == 129 || size == 130));
		check_made(&now, before.there ? &key : &other, data, size);
	} else {
		assert(!now.there && !before.there && err.text[0] >= '1' && err.text[0] <= '3' && err.text[1] == ':');
	}
	return 0;
}
