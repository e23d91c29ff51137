#include "intake/framer.h"

#include "base/utf8.h"
#include "intake/formats.h"

#include <errno.h>
#include <stdlib.h>

enum {
	MAX_RECORD = 1 << 20,
	BATCH_BYTES = 256 << 10,
	BATCH_SLACK = 64 << 10, /* room for the start of the record that the batch is handed on before */
	DETECT_BYTES = 64 << 10,
};

static void set_batch_head(struct framer *f, struct batch *b)
{
	b->origin = f->c.origin;
	b->format = f->format;
	b->now = f->c.now;
	if (f->columns && !b->columns)
		b->columns = columns_ref(f->columns);
}

int framer_new(struct framer **ret, const struct framer_config *config, struct err *err)
{
	struct framer *f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(err, -ENOMEM, "%s: %m", config->origin);
	f->c = *config;
	f->c.max_record = config->max_record ? config->max_record : MAX_RECORD;
	f->c.batch_bytes = config->batch_bytes ? config->batch_bytes : BATCH_BYTES;
	f->format = config->format;
	f->line = 1;
	if (!batch_pool_new(&f->pool))
		f->b = batch_new(f->pool, f->c.batch_bytes + BATCH_SLACK);
	if (!f->b || audit_groups_new(&f->audit)) {
		framer_free(f);
		return err_set(err, -ENOMEM, "%s: %m", config->origin);
	}
	*ret = f;
	return 0;
}

void framer_free(struct framer *f)
{
	if (!f)
		return;
	batch_free(f->b);
	batch_free(f->out);
	batch_pool_unref(f->pool);
	columns_unref(f->columns);
	buf_free(&f->header);
	audit_groups_free(f->audit);
	free(f);
}

const struct intake_counts *framer_counts(const struct framer *f)
{
	return &f->counts;
}

const struct format *framer_format(const struct framer *f)
{
	return f->format;
}

void framer_position(const struct framer *f, uint64_t *offset, uint64_t *line)
{
	const struct batch *b = f->out ? f->out : f->b;
	uint64_t at, n;
	*offset = f->base + f->pos;
	*line = f->line;
	if (audit_groups_first(f->audit, &at, &n) && at < *offset) {
		*offset = at;
		*line = n;
	}
	for (size_t i = 0; i < b->n_records; i++) {
		if (b->records[i].at < *offset) {
			*offset = b->records[i].at;
			*line = b->records[i].line;
		}
	}
}

int framer_emit(struct framer *f, struct batch *b, struct str bytes, uint64_t line)
{
	if (b->n_records == b->cap_records) {
		size_t cap = b->cap_records ? b->cap_records * 2 : 512;
		struct record *r = realloc(b->records, cap * sizeof(*r));
		if (!r)
			return -ENOMEM;
		b->records = r;
		b->cap_records = cap;
	}
	uint64_t at = b == f->b ? f->base + (uint64_t)(bytes.p - b->bytes) : 0;
	b->records[b->n_records++] = (struct record){ bytes, line, at };
	f->counts.records++;
	if (f->odd) {
		f->counts.nul += memchr(bytes.p, '\0', bytes.n) != NULL;
		f->counts.invalid_utf8 += !utf8_valid(bytes);
	}
	return 0;
}

void framer_skip(struct framer *f, uint64_t line, const char *reason)
{
	f->counts.skipped++;
	if (f->c.skip)
		f->c.skip(f->c.arg, f->c.origin, line, reason);
}

void framer_skip_long(struct framer *f, uint64_t line)
{
	f->counts.too_long++;
	framer_skip(f, line, "longer than a record may be");
}

void framer_use(struct framer *f, size_t n)
{
	const char *p = f->b->bytes + f->pos, *end = p + n;
	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		f->line++;
		p++;
	}
	f->pos += n;
	if (f->looked < f->pos)
		f->looked = f->pos;
}

/* Whether any byte is NUL or above 127: 32 bytes a step, in a form that compilers turn into vector code everywhere. */
static bool has_odd_bytes(struct str s)
{
	typedef uint64_t word4 __attribute__((vector_size(32), aligned(1), may_alias));
	const uint64_t low = 0x0101010101010101, high = 0x8080808080808080;
	word4 seen = { 0 };
	size_t i = 0;
	for (; i + 32 <= s.n; i += 32) {
		word4 w = *(const word4 *)(s.p + i);
		seen |= w | (w - low);
	}
	uint64_t any = (seen[0] | seen[1] | seen[2] | seen[3]) & high;
	for (; i < s.n; i++)
		any |= (unsigned char)(s.p[i] - 1) >= 0x7f;
	return any != 0;
}

int framer_hand_on(struct framer *f)
{
	struct batch **slot = f->out ? &f->out : &f->b;
	struct batch *full = *slot;
	if (!full->n_records)
		return 0;
	struct str rest = f->out ? (struct str){ 0 } : framer_rest(f);
	struct batch *next = batch_new(f->pool, f->c.batch_bytes + BATCH_SLACK + rest.n);
	if (!next)
		return -ENOMEM;
	if (rest.n)
		memcpy(next->bytes, rest.p, rest.n);
	next->n_bytes = rest.n;
	if (!f->out) {
		f->looked -= f->pos;
		f->base += f->pos;
		f->pos = 0;
		f->odd = f->odd && has_odd_bytes(rest);
	}
	*slot = next;
	set_batch_head(f, full);
	return f->c.sink(f->c.arg, full);
}

/* Makes room in the window: hands records on, closes the gap before pos, or lets the window grow. */
static int make_room(struct framer *f)
{
	struct batch *b = f->b;
	if (b->n_records)
		return framer_hand_on(f);
	if (f->pos) {
		memmove(b->bytes, b->bytes + f->pos, b->n_bytes - f->pos);
		b->n_bytes -= f->pos;
		f->looked -= f->pos;
		f->base += f->pos;
		f->pos = 0;
		return 0;
	}
	char *p = realloc(b->bytes, b->cap_bytes * 2);
	if (!p)
		return -ENOMEM;
	b->bytes = p;
	b->cap_bytes *= 2;
	return 0;
}

static bool is_utf16(struct str head)
{
	return str_starts(head, STR("\xff\xfe")) || str_starts(head, STR("\xfe\xff"));
}

/* Looks at the first bytes of the origin once there are enough to choose a format. */
static int start(struct framer *f, enum frame_when when)
{
	struct str head = framer_rest(f);
	bool all = head.n >= DETECT_BYTES || when == FRAME_END;
	bool line = when != FRAME_MORE && str_find(head, '\n') < head.n;
	if (!all && !line && (!f->format || head.n < 3))
		return -EAGAIN;
	if (is_utf16(head)) {
		framer_skip(f, 1, "UTF-16 text: convert it first: iconv -f UTF-16 -t UTF-8");
		return -EILSEQ;
	}
	if (str_starts(head, STR("\xef\xbb\xbf"))) {
		framer_use(f, 3);
		head = framer_rest(f);
	}
	if (!f->format)
		f->format = intake_detect(str_sub(head, 0, DETECT_BYTES));
	if (!f->format && str_trim(head).n) {
		framer_skip(f, 1, "no known log format: name it with --format");
		return -ENOMSG;
	}
	if (!f->format)
		return -EAGAIN;
	f->started = true;
	if (f->format->framing != FRAME_AUDIT)
		return 0;
	f->out = batch_new(f->pool, f->c.batch_bytes + BATCH_SLACK);
	return f->out ? 0 : -ENOMEM;
}

static int frame(struct framer *f, enum frame_when when)
{
	static int (*const framings[])(struct framer *, enum frame_when) = {
		[FRAME_LINE] = frame_lines,
		[FRAME_JSON] = frame_json,
		[FRAME_AUDIT] = frame_audit,
		[FRAME_CSV] = frame_csv,
	};
	int r = f->started ? 0 : start(f, when);
	if (r == -EAGAIN)
		return 0;
	if (!r)
		r = framings[f->format->framing](f, when);
	bool full = f->out ? f->out->n_bytes >= f->c.batch_bytes : f->pos >= f->c.batch_bytes;
	if (!r && (full || when != FRAME_MORE))
		r = framer_hand_on(f);
	f->failed = r;
	return r;
}

int framer_feed(struct framer *f, struct str bytes, int64_t now)
{
	f->c.now = now;
	f->counts.bytes += bytes.n;
	while (bytes.n && !f->failed) {
		struct batch *b = f->b;
		size_t n = b->cap_bytes - b->n_bytes;
		if (!n) {
			f->failed = make_room(f);
			continue;
		}
		n = n < bytes.n ? n : bytes.n;
		memcpy(b->bytes + b->n_bytes, bytes.p, n);
		b->n_bytes += n;
		f->odd = f->odd || has_odd_bytes(str_sub(bytes, 0, n));
		bytes = str_sub(bytes, n, bytes.n);
		frame(f, FRAME_MORE);
	}
	return f->failed;
}

int framer_flush(struct framer *f, bool idle)
{
	return f->failed ? f->failed : frame(f, idle ? FRAME_IDLE : FRAME_QUIET);
}

int framer_end(struct framer *f)
{
	return f->failed ? f->failed : frame(f, FRAME_END);
}
