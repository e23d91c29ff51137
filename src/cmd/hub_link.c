/* Rows and alerts as bytes between front and keeper. */
#include "cmd/hub.h"

void link_add_row(struct buf *body, const struct event_row *row)
{
	const struct link_row head = {
		.time = row->time,
		.since = row->since,
		.json = (uint32_t)row->json.n,
		.id = (uint32_t)row->id.n,
		.dataset = (uint32_t)row->dataset.n,
	};
	buf_add(body, (struct str){ (const char *)&head, sizeof(head) });
	buf_add(body, row->json);
	buf_add(body, row->id);
	buf_add(body, row->dataset);
}

static bool take(struct str *from, size_t n, struct str *ret)
{
	if (from->n < n)
		return false;
	*ret = str_sub(*from, 0, n);
	*from = str_sub(*from, n, from->n);
	return true;
}

bool link_take_row(struct str *body, struct event_row *row)
{
	struct str bytes;
	struct link_row head;
	if (!take(body, sizeof(head), &bytes))
		return false;
	memcpy(&head, bytes.p, sizeof(head));
	row->time = head.time;
	row->since = head.since;
	return head.json <= EVENT_JSON_MAX && head.id <= EVENT_ID_MAX && head.dataset >= 1 &&
	       head.dataset <= EVENT_DATASET_MAX && take(body, head.json, &row->json) &&
	       take(body, head.id, &row->id) && take(body, head.dataset, &row->dataset);
}

void link_add_alert(struct buf *body, const struct alert_row *a)
{
	const struct str texts[] = { a->id, a->rule, a->title, a->level, a->host, a->user, a->address, a->json };
	struct link_alert head = { .time = a->time, .made = a->made, .count = a->count };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		head.length[i] = (uint32_t)texts[i].n;
	buf_add(body, (struct str){ (const char *)&head, sizeof(head) });
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		buf_add(body, texts[i]);
}

bool link_take_alert(struct str body, struct alert_row *a)
{
	struct str bytes;
	struct link_alert head;
	if (!take(&body, sizeof(head), &bytes))
		return false;
	memcpy(&head, bytes.p, sizeof(head));
	*a = (struct alert_row){ .time = head.time, .made = head.made, .count = head.count };
	struct str *const texts[] = {
		&a->id, &a->rule, &a->title, &a->level, &a->host, &a->user, &a->address, &a->json
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!take(&body, head.length[i], texts[i]))
			return false;
	return body.n == 0;
}
