/*
 * Envelopes: a record of any format is refused, and nothing changes; or it becomes one JSON object within bounds that
 * has the record in it, that can be read again, and that is an envelope already: sealed once more, it stays as it is.
 * Input: format, length of id, length of dataset, zone, then id, dataset, and the record; of CSV the header before it.
 */
#undef NDEBUG
#include "base/json.h"
#include "base/utf8.h"
#include "intake/envelope.h"
#include "intake/formats.h"
#include "intake/framer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_JSON = 1 << 20, F_ORIGINAL = FIELD_FIRST_NAMED, F_ID, F_SOURCE, N_FIELDS };

/* 2024-03-01 00:00:00 UTC */
static const int64_t NOW = INT64_C(1709251200) * 1000000, DAY = INT64_C(86400) * 1000000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct envelope_row *row)
{
	assert(row->dataset.n >= 1 && row->dataset.n <= ENVELOPE_DATASET && row->id.n <= ENVELOPE_ID);
	for (size_t i = 0; i < row->dataset.n; i++)
		assert(row->dataset.p[i] && strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", row->dataset.p[i]));
	assert(row->since ? row->time == NOW : row->time > NOW - 400 * DAY && row->time < NOW + DAY);
}

static bool has(struct str s, struct str part)
{
	return memmem(s.p, s.n, part.p, part.n) != NULL;
}

/* The record stands in what was made of it: JSON behind what was added, a text format's as a value. */
static void check_json(struct str json, struct str record, const struct envelope_around *a,
                       const struct envelope_row *row, bool json_record)
{
	static const struct field_path asked[] = { { STR("event.original"), F_ORIGINAL },
		                                   { STR("khien.id"), F_ID },
		                                   { STR("khien.source"), F_SOURCE } };
	static struct fields *fields;
	static struct event ev;
	struct json_error error;
	struct str added = json;
	if (!fields)
		assert(!fields_new(&fields, N_FIELDS, asked, ARRAY_LEN(asked), NULL) && !event_init(&ev, fields));
	assert(json.n <= MAX_JSON && json.p[0] == '{' && json_valid(json, &error));
	assert(intake_parse(&intake_json, NULL, json, NOW, &ev, NULL) == 0);
	/* who it came from and its id are said once, by the hub */
	assert(ev.first[F_SOURCE] && ev.first[F_SOURCE] == ev.last[F_SOURCE]);
	assert(str_eq(event_value(&ev, F_SOURCE)->text, a->source));
	assert(row->id.n ? ev.first[F_ID] && ev.first[F_ID] == ev.last[F_ID] : !ev.first[F_ID]);
	assert(!row->id.n || str_eq(event_value(&ev, F_ID)->text, row->id));
	if (json_record && (has(record, STR("khien")) || has(record, STR("\\u00"))))
		return; /* some of it may be renamed */
	if (json_record) {
		struct str rest = str_sub(str_trim(record), 1, record.n);
		assert(str_ends(json, rest));
		added.n -= rest.n;
	} else {
		const struct value *v = event_value(&ev, F_ORIGINAL);
		const char *at = memmem(json.p, json.n, STR("\"event.original\":").p, STR("\"event.original\":").n);
		assert(v && at && (!utf8_valid(record) || str_eq(v->text, record)));
		added.n = (size_t)(at - json.p);
	}
	/* what the store knows it by stands there byte for byte, unless the record has an id of its own */
	assert(!a->id.n || event_value(&ev, F_ID));
	if (has(added, STR("\"khien.id\":"))) {
		char want[16 + ENVELOPE_ID];
		int n = snprintf(want, sizeof(want), "\"khien.id\":\"" STR_FMT "\"", STR_ARG(row->id));
		assert(a->id.n && n > 0 && has(added, (struct str){ want, (size_t)n }));
	}
}

/* Seals a copy of its own size behind what was in `out` before. */
static int seal(struct envelope *e, struct str record, const struct envelope_around *a, struct buf *out,
                struct envelope_row *row)
{
	const struct envelope_row untouched = { .time = 7, .dataset = STR("x") };
	struct err err = { 0 };
	*row = untouched;
	out->n = 0;
	buf_add(out, STR("before"));
	int r = envelope_seal(e, record, a, out, row, &err);
	assert(r == 0 || ((r == -EBADMSG || r == -E2BIG) && err.text[0]));
	assert(out->n >= 6 && memcmp(out->p, "before", 6) == 0 && !out->failed);
	assert(!r || (out->n == 6 && memcmp(row, &untouched, sizeof(untouched)) == 0));
	return r;
}

static void check(struct str record, struct envelope_around a)
{
	static struct envelope *e;
	struct buf first = { 0 }, second = { 0 };
	struct envelope_row row, again;
	if (!e)
		assert(!envelope_new(&e, NULL));
	char *copy = malloc(record.n + !record.n);
	assert(copy);
	if (record.n)
		memcpy(copy, record.p, record.n);
	record.p = copy;
	const bool json_record = a.format == &intake_json;
	if (seal(e, record, &a, &first, &row) == 0) {
		struct str json = str_sub(buf_str(&first), 6, first.n);
		char dataset[ENVELOPE_DATASET], id[ENVELOPE_ID];
		check_row(&row);
		check_json(json, record, &a, &row, json_record);
		memcpy(dataset, row.dataset.p, row.dataset.n);
		if (row.id.n)
			memcpy(id, row.id.p, row.id.n);
		a.format = &intake_json;
		a.columns = NULL;
		a.source = STR(""); /* as it is taken in again */
		assert(seal(e, json, &a, &second, &again) == 0);
		assert(str_eq(buf_str(&first), buf_str(&second)));
		assert(again.time == row.time);
		/* bytes that JSON can't carry come back as others */
		if (json_record || utf8_valid(record)) {
			assert(str_eq(again.dataset, (struct str){ dataset, row.dataset.n }));
			assert(str_eq(again.id, (struct str){ id, row.id.n }));
		}
	}
	free(copy);
	buf_free(&first);
	buf_free(&second);
}

static struct str take(struct str *from, size_t n)
{
	struct str s = str_sub(*from, 0, n);
	*from = str_sub(*from, n, from->n);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_formats;
	const struct format *const *formats = intake_formats(&n_formats);
	if (size < 4)
		return 0;
	struct str record = { (const char *)data + 4, size - 4 };
	struct envelope_around a = { .format = formats[data[0] % n_formats],
		                     .source = STR("fuzz"),
		                     .file = data[3] & 1 ? STR("/var/log/x \"\xff") : STR(""),
		                     .received = NOW,
		                     .zone = (int64_t)(data[3] % 27 - 12) * 3600 * 1000000 };
	a.id = take(&record, data[1]);
	a.dataset = take(&record, data[2]);
	struct columns *columns = NULL;
	if (a.format->framing == FRAME_CSV) {
		const bool zeek = str_starts(record, STR("#"));
		const char *empty = zeek ? memmem(record.p, record.n, "\n\n", 2) : NULL;
		struct str header = take(&record, empty ? (size_t)(empty - record.p) + 1 : str_find(record, '\n'));
		take(&record, 1);
		if (columns_new(&columns, header, zeek, NULL))
			return 0;
		a.columns = columns;
	}
	check(record, a);
	columns_unref(columns);
	return 0;
}
