#include "store/find.h"

#include "base/json.h"
#include "store/bloom.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

/*
 * Searching looks for two bytes of the text at once, at the distance they have in it, in STEP places at a time; where
 * both stand the rest is compared. Which two matters little for the result and much for the speed: the seldom ones.
 */
enum { STEP = 64, LANE = 16 };

typedef uint8_t lane __attribute__((vector_size(LANE)));

static inline uint8_t fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : (uint8_t)c;
}

static inline bool in_word(char c)
{
	return bloom_is_word((unsigned char)c);
}

/* How seldom a byte is in logs; bytes that are not listed are the most seldom. */
static size_t seldom(char c)
{
	static const char common[] = "e0a1tino2rs .3l4d5c6/7u8-9mhp:_gfbwvkyx=jzq";
	if ((uint8_t)c >= 0x80)
		return sizeof(common) / 4; /* in a Vietnamese or Chinese text they are usual */
	const char *at = memchr(common, c, sizeof(common) - 1);
	return at ? (size_t)(at - common) : sizeof(common);
}

static void choose_rare(struct find_term *t)
{
	size_t best = 0, second = t->text.n > 1;
	for (size_t i = 1; i < t->text.n; i++)
		if (seldom(t->text.p[i]) > seldom(t->text.p[best]))
			best = i;
	if (second == best)
		second = 0;
	for (size_t i = 0; i < t->text.n; i++)
		if (i != best && seldom(t->text.p[i]) > seldom(t->text.p[second]))
			second = i;
	t->rare[0] = best;
	t->rare[1] = second;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether the term may hold for a time, whose words a filter needn't have. Too often yes costs time only. */
static bool may_be_time(const struct find_term *t)
{
	size_t dots = 0;
	if (!t->n_fields)
		return false; /* then times are passed over */
	if (t->kind == TERM_EQUAL)
		return bloom_is_time(t->text);
	for (size_t i = 0; i < t->text.n; i++) {
		if (!is_digit(t->text.p[i]) && !memchr("tz:.,+- ", t->text.p[i], 8))
			return false;
		dots += t->text.p[i] == '.';
	}
	return dots <= 1;
}

/*
 * The words that must stand in a value for the term to hold. Of a substring the first and the last word may be parts of
 * longer ones.
 */
static int choose_words(struct find_term *t, struct arena *arena)
{
	struct str text = t->text;
	size_t at = 0;
	if (t->negated || may_be_time(t))
		return 0;
	if (t->kind == TERM_SUBSTRING || t->kind == TERM_TEST) {
		while (text.n && in_word(text.p[0]))
			text = str_sub(text, 1, text.n);
		while (text.n && in_word(text.p[text.n - 1]))
			text.n--;
	}
	uint64_t *hash = arena_alloc(arena, (text.n / 2 + 1) * sizeof(*hash));
	if (!hash)
		return -ENOMEM;
	t->hash = hash;
	while (text.n && (hash[t->n_hash] = bloom_next(text, &at)))
		t->n_hash++;
	return 0;
}

static int take_fields(struct find_term *t, const struct event_term *term, struct arena *arena)
{
	t->fields = term->fields;
	t->n_fields = term->n_fields;
	if (!term->field.n)
		return 0;
	struct str *own = arena_alloc(arena, sizeof(*own));
	if (!own)
		return -ENOMEM;
	*own = term->field;
	t->fields = own;
	t->n_fields = 1;
	return 0;
}

int find_term_init(struct find_term *ret, const struct event_term *term, struct arena *arena)
{
	struct str text = arena_copy(arena, term->text.p ? term->text : STR(""));
	if (!text.p)
		return -ENOMEM;
	char *p = (char *)text.p; /* the arena's, and only ours so far */
	for (size_t i = 0; i < text.n; i++)
		p[i] = (char)fold(p[i]);
	struct find_term t = {
		.kind = term->kind, .negated = term->negated, .text = text, .test = term->test, .arg = term->arg
	};
	if (take_fields(&t, term, arena))
		return -ENOMEM;
	if (t.kind == TERM_WORD && text.n) {
		t.begins = in_word(text.p[0]);
		t.ends = in_word(text.p[text.n - 1]);
	}
	choose_rare(&t);
	if (choose_words(&t, arena))
		return -ENOMEM;
	*ret = t;
	return 0;
}

static bool stands_at(const struct find_term *t, const char *p)
{
	for (size_t i = 0; i < t->text.n; i++)
		if (fold(p[i]) != (uint8_t)t->text.p[i])
			return false;
	return true;
}

/* One of the two bytes: c stands where (byte | bit) == c. A letter's cases differ in one bit. */
struct rare {
	size_t at;
	lane bit, byte;
};

static struct rare rare_of(const struct find_term *t, int i)
{
	char c = t->text.p[t->rare[i]];
	bool letter = c >= 'a' && c <= 'z';
	return (struct rare){ t->rare[i], (lane){ 0 } + (uint8_t)(letter ? 0x20 : 0), (lane){ 0 } + (uint8_t)c };
}

static inline lane stands(const struct rare *r, const char *p)
{
	lane v;
	memcpy(&v, p + r->at, LANE);
	return (lane)((v | r->bit) == r->byte);
}

/* A bit for each byte of v, all of whose bits are alike. */
static inline uint64_t bits_of(lane v)
{
	uint64_t half[2];
	memcpy(half, &v, LANE);
	const uint64_t high = 0x8080808080808080u, gather = 0x0102040810204080u;
	uint64_t low = ((le64toh(half[0]) & high) >> 7) * gather >> 56;
	return low | ((le64toh(half[1]) & high) >> 7) * gather >> 56 << 8;
}

/* The places of the next STEP where both bytes stand, as bits. */
static inline uint64_t candidates(const struct rare r[2], const char *p)
{
	lane both[STEP / LANE], any = { 0 };
	for (int i = 0; i < STEP / LANE; i++) {
		both[i] = stands(&r[0], p + i * LANE) & stands(&r[1], p + i * LANE);
		any |= both[i];
	}
	uint64_t half[2], bits = 0;
	memcpy(half, &any, LANE);
	if (__builtin_expect(!(half[0] | half[1]), 1))
		return 0;
	for (int i = 0; i < STEP / LANE; i++)
		bits |= bits_of(both[i]) << (i * LANE);
	return bits;
}

/* A search through one run of bytes, which goes on where it was. */
struct scan {
	const struct find_term *term;
	struct rare rare[2];
	struct str in;
	size_t at;
};

static void scan_begin(struct scan *s, const struct find_term *t, struct str in)
{
	*s = (struct scan){ .term = t, .in = in };
	if (t->text.n) {
		s->rare[0] = rare_of(t, 0);
		s->rare[1] = rare_of(t, 1);
	}
}

/* The next place of the text from `at` on, which moves there; false: there is none. */
static bool scan_next(struct scan *s)
{
	const struct find_term *t = s->term;
	const struct str in = s->in;
	if (t->text.n > in.n || s->at > in.n - t->text.n)
		return false;
	const size_t last = in.n - t->text.n; /* the last place it may stand at */
	const size_t reach = (s->rare[0].at > s->rare[1].at ? s->rare[0].at : s->rare[1].at) + STEP;
	for (; t->text.n && s->at + reach <= in.n; s->at += STEP)
		for (uint64_t bits = candidates(s->rare, in.p + s->at); bits; bits &= bits - 1) {
			size_t at = s->at + (size_t)__builtin_ctzll(bits);
			if (at > last || !stands_at(t, in.p + at))
				continue;
			s->at = at;
			return true;
		}
	for (; s->at <= last; s->at++)
		if (stands_at(t, in.p + s->at))
			return true;
	return false;
}

/* Whether what stands at `at` may stand there: a word is not within another. */
static bool bounded(const struct find_term *t, struct str value, size_t at)
{
	size_t end = at + t->text.n;
	return !(t->begins && at && in_word(value.p[at - 1])) && !(t->ends && end < value.n && in_word(value.p[end]));
}

static bool holds(const struct find_term *t, struct str value)
{
	struct scan s;
	if (t->kind == TERM_TEST)
		return t->test(t->arg, value);
	if (t->kind == TERM_EQUAL)
		return value.n == t->text.n && stands_at(t, value.p);
	scan_begin(&s, t, value);
	for (; scan_next(&s); s.at++)
		if (bounded(t, value, s.at))
			return true;
	return false;
}

bool find_text(const struct find_term *t, struct str value)
{
	return holds(t, value) && (t->n_fields || !bloom_is_time(value));
}

bool find_anywhere(const struct find_term *t, struct str in)
{
	struct scan s;
	scan_begin(&s, t, in);
	return scan_next(&s);
}

/* The text that byte `at` belongs to; it is none before `from`. */
static uint32_t text_at(const struct find_texts *texts, uint32_t from, size_t at)
{
	uint32_t least = from, step = 1;
	while (least + step < texts->n && texts->ends[least + step - 1] <= at) {
		least += step;
		step *= 2;
	}
	uint32_t most = least + step < texts->n ? least + step : texts->n - 1;
	while (least < most) {
		uint32_t middle = least + (most - least) / 2;
		if (texts->ends[middle] <= at)
			least = middle + 1;
		else
			most = middle;
	}
	return least;
}

static struct str text_of(const struct find_texts *texts, uint32_t i)
{
	uint32_t from = i ? texts->ends[i - 1] : 0;
	return (struct str){ texts->bytes + from, texts->ends[i] - from };
}

uint32_t find_texts(const struct find_term *t, const struct find_texts *texts, uint8_t *hit)
{
	uint32_t n = 0;
	if (!texts->n)
		return 0;
	if (t->kind == TERM_EQUAL || t->kind == TERM_TEST || !t->text.n) {
		for (uint32_t i = 0; i < texts->n; i++)
			if (find_text(t, text_of(texts, i)))
				n += hit[i] = 1;
		return n;
	}
	struct scan s;
	uint32_t i = 0;
	scan_begin(&s, t, (struct str){ texts->bytes, texts->ends[texts->n - 1] });
	while (scan_next(&s)) {
		i = text_at(texts, i, s.at);
		struct str text = text_of(texts, i);
		size_t at = s.at - (size_t)(text.p - texts->bytes);
		/* What ends behind the text that it begins in stands in none. */
		if (t->text.n > text.n - at || !bounded(t, text, at)) {
			s.at++;
			continue;
		}
		s.at = texts->ends[i];
		if (!t->n_fields && bloom_is_time(text))
			continue;
		n += hit[i] = 1;
	}
	return n;
}

static int make_room(struct find_room *room, size_t n_bytes, size_t n_ends)
{
	if (n_bytes > room->n_bytes) {
		free(room->bytes);
		room->bytes = malloc(n_bytes);
		room->n_bytes = room->bytes ? n_bytes : 0;
	}
	if (n_ends > room->n_ends) {
		free(room->ends);
		room->ends = malloc(n_ends * sizeof(*room->ends));
		room->n_ends = room->ends ? n_ends : 0;
	}
	return room->bytes && room->ends ? 0 : -ENOMEM;
}

int find_unescape(struct find_texts *texts, struct find_room *room, struct err *err)
{
	const char *p = texts->bytes;
	const size_t n = texts->n ? texts->ends[texts->n - 1] : 0;
	const char *slash = n ? memchr(p, '\\', n) : NULL;
	if (!slash)
		return 0;
	if (make_room(room, n + JSON_UNESCAPE_ROOM, texts->n))
		return err_set(err, -ENOMEM, "search: %m");
	size_t to = 0;
	for (uint32_t i = 0; i < texts->n; i++) {
		struct str text = text_of(texts, i);
		if (slash && slash < text.p + text.n) {
			to += json_kernel()->unescape(room->bytes + to, text);
			const char *behind = text.p + text.n;
			slash = memchr(behind, '\\', (size_t)(p + n - behind));
		} else {
			memcpy(room->bytes + to, text.p, text.n);
			to += text.n;
		}
		room->ends[i] = (uint32_t)to;
	}
	texts->bytes = room->bytes;
	texts->ends = room->ends;
	return 0;
}

void find_room_free(struct find_room *room)
{
	free(room->bytes);
	free(room->ends);
	*room = (struct find_room){ 0 };
}
