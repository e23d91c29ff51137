/*
 * POST /_bulk as Elasticsearch 7 and 8 answer it. What shippers make of the answer decides its form:
 *
 * - An event that is durable: 201. One that was before, by its _id: create is told 409, a version conflict, which
 *   Filebeat, Winlogbeat, Fluent Bit and Logstash count as delivered; index is told 200 "updated", which all do (the
 *   event stays as it first came: this is a log).
 * - An event that will never be one: 400, which none of them sends again.
 * - What may be sent again is told of the whole request (429, 503), never of an item: Vector, rsyslog and others drop
 *   an item's failure, but all of them repeat a request. Items that were durable by then are known the next time.
 */
#include "api/bulk.h"
#include "api/index_name.h"
#include "api/routes.h"

#include "store/events.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ITEMS_MAX = 128 << 10, /* of one request */
	ITEM_BYTES = 224,      /* of its line in the answer, beside names and ids */
	ANSWER_MAX = 48 << 20,
	TEXTS_MAX = 16 << 20,   /* their names and ids */
	ID_MAX = 512,           /* as in Elasticsearch */
	AUTO_ID = 20,           /* the length of an id that we give */
	HASHED_ID = 7 + 2 * 32, /* "sha256-" and the hash: an id that is longer than the store's may be */
};
_Static_assert((int)HASHED_ID <= (int)EVENT_ID_MAX && (int)INDEX_DATASET_MAX <= (int)EVENT_DATASET_MAX,
               "the store's bounds");

/* What is asked back; see the argument filter_path. */
enum {
	SHOW_TOOK = 1,
	SHOW_ERRORS = 2,
	SHOW_INDEX = 4,
	SHOW_ID = 8,
	SHOW_STATUS = 16,
	SHOW_ERROR = 32,
	SHOW_RESULT = 64, /* the rest of an item */
	SHOW_ITEMS = SHOW_INDEX | SHOW_ID | SHOW_STATUS | SHOW_ERROR | SHOW_RESULT,
	SHOW_ALL = SHOW_TOOK | SHOW_ERRORS | SHOW_ITEMS,
};

/* An item's line in the answer. Texts are in post.texts. */
struct result {
	uint32_t index_at, id_at;
	uint16_t index_n, id_n;
	uint8_t op, verdict;
	const char *type, *reason; /* OFFER_BAD: static text */
};

struct post {
	struct bulk *parser;
	unsigned show;
	struct result *results;
	size_t n, cap;
	struct buf texts;
	size_t answer; /* bytes that it has at most */
	uint64_t bad;
	unsigned char random[9]; /* of the ids that we give */
};

/* --- filter_path --- */

static unsigned shown(struct str path)
{
	static const struct {
		const char *path;
		unsigned show;
	} known[] = {
		{ "took", SHOW_TOOK },
		{ "errors", SHOW_ERRORS },
		{ "items", SHOW_ITEMS },
		{ "items.*", SHOW_ITEMS },
		{ "items.*.*", SHOW_ITEMS },
		{ "items.**", SHOW_ITEMS },
		{ "*", SHOW_ALL },
		{ "**", SHOW_ALL },
		{ "items.*._index", SHOW_INDEX },
		{ "items.*._id", SHOW_ID },
		{ "items.*.status", SHOW_STATUS },
		{ "items.*.error", SHOW_ERROR },
		{ "items.*.error.*", SHOW_ERROR },
		{ "items.*.result", SHOW_RESULT },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(path, str_from(known[i].path)))
			return known[i].show;
	return 0;
}

/* "-took" takes away; a list that begins so begins with all. */
static unsigned filter(struct str paths)
{
	unsigned show = !paths.p || str_starts(paths, STR("-")) ? SHOW_ALL : 0;
	while (paths.n) {
		size_t n = str_find(paths, ',');
		struct str path = str_trim(str_sub(paths, 0, n));
		paths = str_sub(paths, n + 1, paths.n);
		if (str_starts(path, STR("-")))
			show &= ~shown(str_sub(path, 1, path.n));
		else
			show |= shown(path);
	}
	return show;
}

/* --- items --- */

static void verdict(void *arg, uint32_t tag, const struct offer_item *item)
{
	struct post *p = ((struct request *)arg)->own;
	struct result *res = &p->results[tag];
	res->verdict = item->verdict;
	if (item->verdict != OFFER_BAD)
		return;
	res->type = "mapper_parsing_exception";
	res->reason = item->reason ? item->reason : "no event can be made of it";
	p->bad++;
}

/* As JSON, at most. */
static size_t json_bytes(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		const unsigned char c = (unsigned char)s.p[i];
		n += c < ' ' || c >= 0x7f ? 6 : c == '"' || c == '\\' ? 2 : 1;
	}
	return n;
}

/* The answer can't be refused any more when events are durable: its room is taken before. */
static bool hold_texts(struct request *r, size_t cap_before, struct str index, struct str id)
{
	struct post *p = r->own;
	size_t line = 0;
	if (p->show & SHOW_ITEMS)
		line = ITEM_BYTES + 2 * json_bytes(id) + (p->show & SHOW_INDEX ? json_bytes(index) : 0);
	p->answer += line;
	return p->answer <= ANSWER_MAX && request_hold(r, p->texts.cap - cap_before + line);
}

static struct result *add_result(struct request *r, const struct bulk_item *item, struct str index)
{
	struct post *p = r->own;
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 128;
		struct result *more = NULL;
		if (p->n < ITEMS_MAX && request_hold(r, (cap - p->cap) * sizeof(*more)))
			more = realloc(p->results, cap * sizeof(*more));
		if (!more)
			return NULL;
		p->results = more;
		p->cap = cap;
	}
	struct result *last = p->n ? &p->results[p->n - 1] : NULL, *res = &p->results[p->n];
	*res = (struct result){ .op = item->op, .verdict = OFFER_OPEN };
	const size_t texts = p->texts.cap;
	/* Nearly always the same index again. */
	index = str_sub(index, 0, INDEX_NAME_MAX + 1);
	if (last && str_eq((struct str){ p->texts.p + last->index_at, last->index_n }, index)) {
		res->index_at = last->index_at;
	} else {
		res->index_at = (uint32_t)p->texts.n;
		buf_add(&p->texts, index);
	}
	res->index_n = (uint16_t)index.n;
	struct str id = str_sub(item->id, 0, ID_MAX);
	res->id_at = (uint32_t)p->texts.n;
	res->id_n = (uint16_t)id.n;
	buf_add(&p->texts, id);
	if (p->texts.failed || !hold_texts(r, texts, index, id))
		return NULL;
	p->n++;
	return res;
}

/* What is wrong with an item by itself: its error's type, or NULL. */
static const char *wrong(const struct bulk_item *item, struct str index, const char **reason)
{
	if (item->op == BULK_UPDATE || item->op == BULK_DELETE) {
		*reason = "events are only added: use create or index";
		return "illegal_argument_exception";
	}
	if (!index.n || !index_name_valid(index)) {
		*reason = index.n ? "the index has no valid name" : "an index is missing";
		return index.n ? "invalid_index_name_exception" : "action_request_validation_exception";
	}
	if (item->id.p && (!item->id.n || item->id.n > ID_MAX)) {
		*reason = item->id.n ? "_id is longer than 512 bytes" : "_id is empty";
		return "illegal_argument_exception";
	}
	if (item->too_long) {
		*reason = "the document is longer than 1 MiB";
		return "mapper_parsing_exception";
	}
	return NULL;
}

/* The id that the store knows it by. */
static struct str event_id(struct str id, char hashed[HASHED_ID + 1])
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	if (id.n <= EVENT_ID_MAX)
		return id;
	crypto_hash_sha256(hash, (const unsigned char *)id.p, id.n);
	memcpy(hashed, "sha256-", 7);
	sodium_bin2hex(hashed + 7, HASHED_ID - 7 + 1, hash, sizeof(hash));
	return (struct str){ hashed, HASHED_ID };
}

static int take_item(void *arg, const struct bulk_item *item)
{
	struct request *r = arg;
	struct post *p = r->own;
	char hashed[HASHED_ID + 1];
	struct str index = item->index.p ? item->index : r->name;
	struct result *res = add_result(r, item, index);
	if (!res) {
		request_fail(r, MHD_HTTP_CONTENT_TOO_LARGE, "illegal_argument_exception",
		             "too many items for one request");
		return -E2BIG;
	}
	res->type = wrong(item, index, &res->reason);
	if (!res->type)
		return ingest_add(r->ingest, (uint32_t)(p->n - 1), item->document, event_id(item->id, hashed),
		                  index_name_dataset(index));
	res->verdict = OFFER_BAD;
	p->bad++;
	r->sender->bad++;
	return 0;
}

/* --- the request --- */

static void begin(struct request *r)
{
	struct post *p = r->own = calloc(1, sizeof(*p));
	if (!p || bulk_new(&p->parser, take_item, r)) {
		request_fail_ingest(r, -ENOMEM);
		return;
	}
	p->texts.max = TEXTS_MAX;
	p->show = filter(request_argument(r, "filter_path"));
	randombytes_buf(p->random, sizeof(p->random));
	request_ingest(r, verdict);
}

static void fed(struct request *r, int code)
{
	struct post *p = r->own;
	if (code == -EBADMSG)
		request_fail(r, MHD_HTTP_BAD_REQUEST, "illegal_argument_exception", "line %llu: %s",
		             (unsigned long long)bulk_bad_line(p->parser), bulk_why(p->parser));
	else if (code)
		request_fail_ingest(r, code);
}

static void feed(struct request *r, struct str bytes)
{
	struct post *p = r->own;
	fed(r, bulk_feed(p->parser, bytes));
}

static void end(struct request *r)
{
	struct post *p = r->own;
	int code = bulk_end(p->parser);
	if (!code && !p->n)
		request_fail(r, MHD_HTTP_BAD_REQUEST, "parse_exception", "the body is empty");
	if (!code)
		ingest_flush(r->ingest);
	fed(r, code ? code : ingest_failed(r->ingest));
}

/* --- the answer --- */

static unsigned status_of(const struct result *res)
{
	if (res->verdict == OFFER_BAD)
		return MHD_HTTP_BAD_REQUEST;
	if (res->verdict == OFFER_KNOWN)
		return res->op == BULK_CREATE ? MHD_HTTP_CONFLICT : MHD_HTTP_OK;
	return MHD_HTTP_CREATED;
}

static void add_key(struct buf *out, bool *first, const char *key)
{
	buf_printf(out, "%s\"%s\":", *first ? "" : ",", key);
	*first = false;
}

static void add_id(struct request *r, const struct result *res)
{
	struct post *p = r->own;
	if (res->id_n) {
		buf_add_json(&r->out, (struct str){ p->texts.p + res->id_at, res->id_n });
		return;
	}
	unsigned char raw[AUTO_ID / 4 * 3];
	char text[AUTO_ID + 1];
	uint64_t i = (uint64_t)(res - p->results);
	memcpy(raw, p->random, sizeof(p->random));
	memcpy(raw + sizeof(p->random), &i, sizeof(raw) - sizeof(p->random));
	sodium_bin2base64(text, sizeof(text), raw, sizeof(raw), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	buf_printf(&r->out, "\"%s\"", text);
}

static void add_error(struct request *r, const struct result *res)
{
	struct post *p = r->own;
	char conflict[ID_MAX + 64];
	struct str reason = str_from(res->reason);
	if (res->verdict != OFFER_BAD) {
		int n = snprintf(conflict, sizeof(conflict), "[%.*s]: version conflict, document already exists",
		                 res->id_n, p->texts.p + res->id_at);
		reason = (struct str){ conflict, (size_t)n };
	}
	buf_printf(&r->out, "{\"type\":\"%s\",\"reason\":",
	           res->verdict == OFFER_BAD ? res->type : "version_conflict_engine_exception");
	buf_add_json(&r->out, reason);
	buf_putc(&r->out, '}');
}

/* False: nothing of it is asked for. */
static bool add_item(struct request *r, const struct result *res, bool first_item)
{
	const struct post *p = r->own;
	unsigned status = status_of(res), show = p->show;
	bool first = true;
	if (status < 300)
		show &= ~(unsigned)SHOW_ERROR;
	else
		show &= ~(unsigned)SHOW_RESULT;
	if (!(show & SHOW_ITEMS))
		return false;
	buf_printf(&r->out, "%s{\"" STR_FMT "\":{", first_item ? "" : ",", STR_ARG(bulk_op_name(res->op)));
	if (show & SHOW_INDEX) {
		add_key(&r->out, &first, "_index");
		buf_add_json(&r->out, (struct str){ p->texts.p + res->index_at, res->index_n });
	}
	if (show & SHOW_ID) {
		add_key(&r->out, &first, "_id");
		add_id(r, res);
	}
	if (show & SHOW_RESULT) {
		add_key(&r->out, &first, "_version");
		buf_printf(&r->out, "1,\"result\":\"%s\",\"_seq_no\":%llu,\"_primary_term\":1",
		           status == MHD_HTTP_CREATED ? "created" : "updated", (unsigned long long)r->a->seq_no++);
	}
	if (show & SHOW_STATUS) {
		add_key(&r->out, &first, "status");
		buf_printf(&r->out, "%u", status);
	}
	if (show & SHOW_ERROR) {
		add_key(&r->out, &first, "error");
		add_error(r, res);
	}
	buf_add(&r->out, STR("}}"));
	return true;
}

static void answer(struct request *r)
{
	const struct post *p = r->own;
	bool first = true, errors = false;
	int64_t took = clock_monotonic(r->a->c.clock) - r->began;
	for (size_t i = 0; i < p->n; i++)
		errors |= status_of(&p->results[i]) >= 300;
	buf_putc(&r->out, '{');
	if (p->show & SHOW_TOOK) {
		add_key(&r->out, &first, "took");
		buf_printf(&r->out, "%lld", (long long)(took / CLOCK_MS));
	}
	if (p->show & SHOW_ERRORS) {
		add_key(&r->out, &first, "errors");
		buf_add(&r->out, errors ? STR("true") : STR("false"));
	}
	if (p->answer)
		buf_room(&r->out, p->answer); /* at once, so that it doesn't double in growing */
	/* As filter_path has it, a list of which nothing is left is left out. */
	size_t before = r->out.n, items = 0;
	add_key(&r->out, &first, "items");
	buf_putc(&r->out, '[');
	for (size_t i = 0; i < p->n; i++)
		items += add_item(r, &p->results[i], !items);
	if (items)
		buf_putc(&r->out, ']');
	else
		r->out.n = before;
	buf_add(&r->out, STR("}\n"));
}

static void done(struct request *r)
{
	struct post *p = r->own;
	if (!p)
		return;
	bulk_free(p->parser);
	buf_free(&p->texts);
	free(p->results);
	free(p);
}

const struct endpoint bulk_post = {
	.ingests = true, .begin = begin, .feed = feed, .end = end, .answer = answer, .done = done
};
