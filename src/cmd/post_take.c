/* Batches of logs become bundles: bytes are copied, nothing is read but what says which class they are of. */
#include "cmd/post.h"

#include "intake/envelope.h"
#include "intake/formats.h"
#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Ids are made with bytes that only this post has: nobody can write an event that would pass for another. */
int post_take_init(struct post_take *t, const char *dir, struct err *err)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s/salt", dir);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, t->salt, sizeof(t->salt)) : 0;
	int code = 0;
	if (fd >= 0)
		close(fd);
	if (n != (ssize_t)sizeof(t->salt)) {
		randombytes_buf(t->salt, sizeof(t->salt));
		code = atomic_write(dir, "salt", (struct str){ (const char *)t->salt, sizeof(t->salt) }, 0600, err);
	}
	randombytes_buf(&t->stream, sizeof(t->stream));
	return code ? code : envelope_new(&t->envelope, err);
}

void post_take_done(struct post_take *t)
{
	envelope_free(t->envelope);
	buf_free(&t->json);
	*t = (struct post_take){ 0 };
}

/* As collect_event_id() tells logs apart: by name and first bytes, which a copy has too. */
static uint64_t seed_of(const struct post_take *t, const struct origin *o, uint64_t at)
{
	crypto_generichash_state h;
	const unsigned char kind = (unsigned char)o->kind;
	uint64_t seed;
	unsigned char sum[crypto_generichash_BYTES_MIN];
	crypto_generichash_init(&h, t->salt, sizeof(t->salt), sizeof(sum));
	crypto_generichash_update(&h, &kind, 1);
	crypto_generichash_update(&h, (const unsigned char *)o->name, strlen(o->name));
	if (o->kind == ORIGIN_FILE)
		crypto_generichash_update(&h, (const unsigned char *)o->head, at < o->head_len ? at : o->head_len);
	crypto_generichash_final(&h, sum, sizeof(sum));
	memcpy(&seed, sum, sizeof(seed));
	return seed;
}

static enum post_class class_of(const struct origin *o, const struct format *format)
{
	static const char *const telling[] = { "/auth.log", "/secure", "/audit/audit.log" };
	if (o->kind == ORIGIN_JOURNAL || strcmp(format->name, "audit") == 0)
		return POST_SECURITY;
	for (size_t i = 0; i < ARRAY_LEN(telling); i++)
		if (o->kind == ORIGIN_FILE && str_ends(str_from(o->name), str_from(telling[i])))
			return POST_SECURITY;
	return strcmp(format->name, "combined") == 0 ? POST_BULK : POST_LOG;
}

/* What this writes itself, as a service, would never end. The journal vouches for the unit. */
static bool is_our_own(const struct origin *o, struct str record)
{
	static const char unit[] = "\"_SYSTEMD_UNIT\":\"khien-post.service\"";
	return o->kind == ORIGIN_JOURNAL && memmem(record.p, record.n, unit, sizeof(unit) - 1);
}

static int put_csv(struct post_take *t, const struct bundle_head *head, const struct bundle_record *r,
                   const struct batch *b, enum post_class class)
{
	char id[BUNDLE_ID + 1] = "";
	struct envelope_row row;
	bundle_id(head, r, id);
	const struct envelope_around a = {
		.format = b->format, .columns = b->columns, .id = str_from(id), .file = head->file, .received = b->now
	};
	t->json.n = 0;
	if (envelope_seal(t->envelope, r->bytes, &a, &t->json, &row, NULL)) {
		t->skipped++;
		return 0;
	}
	return post_row(t->post, class, buf_str(&t->json));
}

/* n records of one seed. */
static int put(struct post_take *t, const struct origin *o, const struct batch *b, uint64_t seed,
               const struct bundle_record *records, size_t n)
{
	const enum post_class class = class_of(o, b->format);
	const struct bundle_head head = {
		.format = str_from(b->format->name),
		.file = o->kind == ORIGIN_FILE ? str_from(o->name) : STR(""),
		.time = b->now,
		.ids = o->kind == ORIGIN_JOURNAL ? BUNDLE_CONTENT : BUNDLE_PLACE,
		.seed = seed,
	};
	int code = 0;
	if (!b->columns)
		return post_put(t->post, class, &head, records, n);
	for (size_t i = 0; i < n && !code; i++)
		code = put_csv(t, &head, &records[i], b, class);
	return code;
}

/* Where the records of a batch stand: all but our own. */
static size_t place(struct post_take *t, const struct origin *o, const struct batch *b, struct bundle_record *to)
{
	size_t n = 0;
	for (size_t i = 0; i < b->n_records; i++) {
		const struct record *r = &b->records[i];
		if (is_our_own(o, r->bytes))
			continue;
		const uint64_t at = o->kind == ORIGIN_FILE     ? o->base + r->at
		                    : o->kind == ORIGIN_STREAM ? ++t->serial
		                                               : 0;
		to[n++] = (struct bundle_record){ r->bytes, at };
		t->bytes += r->bytes.n;
	}
	return n;
}

int post_take(void *arg, struct origin *o, struct batch *b)
{
	struct post_take *t = arg;
	int code = post_has_room(t->post) ? 0 : -EAGAIN;
	struct bundle_record *records = code ? NULL : malloc((b->n_records + 1) * sizeof(*records));
	if (!records)
		return -EAGAIN;
	const size_t n = place(t, o, b, records);
	for (size_t i = 0, part; i < n && !code; i += part) {
		/* at a log's beginning its first bytes are what stands before the record */
		const bool first = o->kind == ORIGIN_FILE && records[i].at < PLACE_HEAD;
		part = first ? 1 : n - i < BUNDLE_RECORDS ? n - i : BUNDLE_RECORDS;
		code = put(t, o, b, o->kind == ORIGIN_STREAM ? t->stream : seed_of(t, o, records[i].at), records + i,
		           part);
		t->skipped += code == -EMSGSIZE ? part : 0;
		code = code == -EMSGSIZE ? 0 : code;
	}
	free(records);
	if (code) /* with room there is none but that of memory: what went in is known by its id when it comes again */
		return -EAGAIN;
	for (size_t i = 0; i < b->n_records && o->kind != ORIGIN_STREAM; i++)
		collect_known(o, &b->records[i], 0);
	t->events += n;
	o->time = b->now;
	batch_free(b);
	return 0;
}
