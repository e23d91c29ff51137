#include "intel/feed.h"

#include "base/block.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define FEED_KIND "khien-intel-1"
enum { PART_SUM, PART_HEAD, PART_ITEMS, PART_BYTES, PART_TOLD, N_PARTS };

bool feed_name_ok(struct str name)
{
	if (!name.n || name.n > FEED_NAME_MAX || name.p[0] == '.' || name.p[0] == '-')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

/* --- gathering --- */

void feed_maker_init(struct feed_maker *m, struct str name, const char *format, int64_t now)
{
	*m = (struct feed_maker){ .bytes.max = FEED_BYTES_MAX, .told.max = 1 << 20, .head.added = now };
	snprintf(m->head.name, sizeof(m->head.name), STR_FMT, STR_ARG(name));
	snprintf(m->head.format, sizeof(m->head.format), "%s", format);
}

void feed_maker_done(struct feed_maker *m)
{
	free(m->items);
	free(m->slots);
	buf_free(&m->bytes);
	buf_free(&m->told);
}

/* The slot of a value, or the free one where it belongs. */
static uint32_t *find_slot(const struct feed_maker *m, enum intel_type type, struct str value)
{
	uint64_t h = XXH3_64bits_withSeed(value.p, value.n, type);
	for (;; h++) {
		uint32_t *slot = &m->slots[h & (m->cap_slots - 1)];
		if (!*slot)
			return slot;
		const struct feed_item *i = &m->items[*slot - 1];
		if (i->type == type && str_eq((struct str){ m->bytes.p + i->value.off, i->value.len }, value))
			return slot;
	}
}

static bool grow(struct feed_maker *m)
{
	uint32_t cap = m->cap_items ? m->cap_items * 2 : 1024;
	struct feed_item *items = realloc(m->items, cap * sizeof(*items));
	if (!items)
		return false;
	m->items = items;
	m->cap_items = cap;
	uint32_t *slots = calloc(cap * 2, sizeof(*slots));
	if (!slots)
		return false;
	free(m->slots);
	m->slots = slots;
	m->cap_slots = cap * 2;
	for (uint32_t i = 0; i < m->n_items; i++) {
		const struct feed_text v = m->items[i].value;
		*find_slot(m, m->items[i].type, (struct str){ m->bytes.p + v.off, v.len }) = i + 1;
	}
	return true;
}

static struct feed_text put(struct feed_maker *m, struct str s)
{
	struct feed_text t = { (uint32_t)m->bytes.n, (uint32_t)s.n };
	buf_add(&m->bytes, s);
	return t;
}

/* A note or reference, cut between characters; control characters become blanks. */
static struct feed_text put_words(struct feed_maker *m, struct str s, struct feed_text *last)
{
	char clean[FEED_TEXT_MAX];
	s = str_trim(s);
	size_t n = s.n < sizeof(clean) ? s.n : sizeof(clean);
	while (n && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		clean[i] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? ' ' : s.p[i];
	if (n != last->len || (n && memcmp(clean, m->bytes.p + last->off, n) != 0))
		*last = put(m, (struct str){ clean, n });
	return *last;
}

static uint32_t seconds(int64_t expires)
{
	return expires <= 0 || expires > UINT32_MAX ? 0 : (uint32_t)expires;
}

static void merge(struct feed_item *i, const struct feed_entry *e)
{
	uint32_t expires = seconds(e->expires);
	if (i->expires && (!expires || expires > i->expires))
		i->expires = expires;
	if (e->confidence > i->confidence)
		i->confidence = (uint8_t)e->confidence;
}

void feed_add(struct feed_maker *m, const struct feed_entry *e)
{
	if (m->failed)
		return;
	if (m->n_items == FEED_ITEMS_MAX) {
		m->failed = m->full = true;
		return;
	}
	if (m->n_items == m->cap_items && !grow(m)) {
		m->failed = true;
		return;
	}
	uint32_t *slot = find_slot(m, e->indicator->type, e->indicator->text);
	if (*slot) {
		m->head.twice++;
		merge(&m->items[*slot - 1], e);
		return;
	}
	struct feed_item *i = &m->items[m->n_items];
	*i = (struct feed_item){
		.value = put(m, e->indicator->text),
		.note = put_words(m, e->note, &m->last_note),
		.reference = put_words(m, e->reference, &m->last_reference),
		.expires = seconds(e->expires),
		.type = (uint8_t)e->indicator->type,
		.confidence = (uint8_t)(e->confidence > INTEL_CONFIDENCE_MAX ? INTEL_CONFIDENCE_MAX : e->confidence),
	};
	if (m->bytes.failed)
		m->failed = m->full = true;
	else
		*slot = ++m->n_items;
}

void feed_bad(struct feed_maker *m, uint64_t line, struct str place, const char *why)
{
	m->head.bad++;
	if (m->n_told++ >= FEED_TOLD_MAX)
		return;
	struct buf *b = &m->told;
	buf_printf(b, "%s", m->file ? m->file : "-");
	if (line)
		buf_printf(b, ":%llu", (unsigned long long)line);
	buf_add(b, STR(": "));
	for (size_t i = 0; i < place.n && i < 80; i++) /* a line stays one */
		buf_putc(b, (unsigned char)place.p[i] < ' ' ? '?' : place.p[i]);
	buf_printf(b, "%s%s\n", place.n > 80 ? "...: " : place.n ? ": " : "", why);
}

static uint64_t checksum(const struct block_part part[N_PARTS])
{
	uint64_t sum = 0;
	for (size_t i = PART_SUM + 1; i < N_PARTS; i++)
		sum = XXH3_64bits_withSeed(part[i].bytes.p, part[i].bytes.n, sum + part[i].bytes.n);
	return sum;
}

int feed_pack(const struct feed_maker *m, void **block, size_t *size, struct err *err)
{
	if (m->failed)
		return m->full ? err_set(err, -E2BIG, "more than %d indicators, or %d bytes of them", FEED_ITEMS_MAX,
		                         FEED_BYTES_MAX)
		               : err_set(err, -ENOMEM, "indicators: %m");
	uint64_t sum;
	const struct block_part part[N_PARTS] = {
		[PART_SUM] = { { (const char *)&sum, sizeof(sum) }, sizeof(sum) },
		[PART_HEAD] = { { (const char *)&m->head, sizeof(m->head) }, sizeof(m->head) },
		[PART_ITEMS] = { { (const char *)m->items, m->n_items * sizeof(*m->items) }, sizeof(*m->items) },
		[PART_BYTES] = { buf_str(&m->bytes), 1 },
		[PART_TOLD] = { buf_str(&m->told), 1 },
	};
	sum = checksum(part);
	int r = block_pack(block, size, FEED_KIND, part, N_PARTS);
	return r ? err_set(err, r, "indicators: %m") : 0;
}

/* --- reading it back --- */

static bool text_ok(const struct feed *f, struct feed_text t)
{
	return t.off <= f->n_bytes && t.len <= f->n_bytes - t.off;
}

static bool items_ok(const struct feed *f)
{
	for (uint32_t i = 0; i < f->n_items; i++) {
		const struct feed_item *e = &f->items[i];
		if (!text_ok(f, e->value) || !text_ok(f, e->note) || !text_ok(f, e->reference) || !e->type ||
		    e->type >= N_INTEL_TYPES || !e->value.len || e->value.len > INTEL_TEXT_MAX ||
		    e->note.len > FEED_TEXT_MAX || e->reference.len > FEED_TEXT_MAX ||
		    e->confidence > INTEL_CONFIDENCE_MAX)
			return false;
	}
	return true;
}

static int take_apart(struct feed *f, struct err *err)
{
	uint64_t sum;
	struct block_part part[N_PARTS] = {
		[PART_SUM] = { .record = sizeof(sum) },
		[PART_HEAD] = { .record = sizeof(f->head) },
		[PART_ITEMS] = { .record = sizeof(*f->items) },
		[PART_BYTES] = { .record = 1 },
		[PART_TOLD] = { .record = 1 },
	};
	int r = block_parts(f->block, f->block_size, FEED_KIND, part, N_PARTS, err);
	if (r)
		return r;
	if (part[PART_SUM].bytes.n != sizeof(sum) || part[PART_HEAD].bytes.n != sizeof(f->head) ||
	    part[PART_ITEMS].bytes.n / sizeof(*f->items) > FEED_ITEMS_MAX || part[PART_BYTES].bytes.n > FEED_BYTES_MAX)
		return err_set(err, -EBADMSG, "indicators: a part has a size that can't be");
	memcpy(&sum, part[PART_SUM].bytes.p, sizeof(sum));
	if (sum != checksum(part))
		return err_set(err, -EBADMSG, "indicators: the checksum differs");
	memcpy(&f->head, part[PART_HEAD].bytes.p, sizeof(f->head));
	f->items = (const void *)part[PART_ITEMS].bytes.p;
	f->n_items = (uint32_t)(part[PART_ITEMS].bytes.n / sizeof(*f->items));
	f->bytes = part[PART_BYTES].bytes.p;
	f->n_bytes = (uint32_t)part[PART_BYTES].bytes.n;
	f->told = part[PART_TOLD].bytes;
	bool ended = memchr(f->head.name, 0, sizeof(f->head.name)) && memchr(f->head.format, 0, sizeof(f->head.format));
	if (!ended || !feed_name_ok(str_from(f->head.name)) || !items_ok(f))
		return err_set(err, -EBADMSG, "indicators: a record is damaged");
	return 0;
}

int feed_open(struct feed *ret, void *block, size_t size, struct err *err)
{
	struct feed f = { .block = block, .block_size = size };
	int r = take_apart(&f, err);
	if (r)
		free(block);
	else
		*ret = f;
	return r;
}

void feed_close(struct feed *f)
{
	free(f->block);
	*f = (struct feed){ 0 };
}
