#include "gate.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

enum { EVENTS_MAX = 1000, SECOND = 1000000 };

/* --- JSON's small things --- */

static void add_number(struct buf *b, const char *name, double value)
{
	if (isfinite(value))
		buf_printf(b, ", \"%s\": %.9g", name, value);
	else
		buf_printf(b, ", \"%s\": null", name);
}

static void add_word(struct buf *b, const char *name, const char *word)
{
	buf_printf(b, ", \"%s\": ", name);
	if (word)
		buf_add_json(b, str_from(word));
	else
		buf_add(b, STR("null"));
}

/* us: since 1970; 0, and what no calendar has: null. */
static void add_time(struct buf *b, const char *name, int64_t us)
{
	const time_t s = us / SECOND;
	struct tm tm;
	if (us <= 0 || !gmtime_r(&s, &tm) || tm.tm_year > 9999 - 1900)
		return add_word(b, name, NULL);
	buf_printf(b, ", \"%s\": \"%04d-%02d-%02dT%02d:%02d:%02d", name, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	           tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (us % SECOND)
		buf_printf(b, ".%06d", (int)(us % SECOND));
	buf_add(b, STR("Z\""));
}

static void add_time_s(struct buf *b, const char *name, int64_t s)
{
	add_time(b, name, s > 0 && s < INT64_MAX / SECOND ? s * SECOND : 0);
}

static void add_address(struct buf *b, const char *name, const struct flood_addr *a, uint8_t bits)
{
	char room[LIST_PREFIX_TEXT];
	add_word(b, name, list_prefix_text(a, bits, room));
}

static void add_id(struct buf *b, uint64_t id)
{
	char room[GATE_ID + 1];
	gate_page_id(id, room);
	add_word(b, "id", id ? room : NULL);
}

/* Now, in µs, by nginx's clock. */
static int64_t wall_us(void)
{
	const ngx_time_t *now = ngx_timeofday();
	return (int64_t)now->sec * SECOND + (int64_t)now->msec * 1000;
}

static const char *mode_of(const struct gate *g)
{
	return g->strictest == GATE_ON ? "on" : g->strictest == GATE_WATCH ? "watch" : "off";
}

/* --- answers --- */

void gate_answer_status(const struct gate *g, struct buf *b)
{
	const struct flood_time now = gate_now();
	const ngx_core_conf_t *core = (const ngx_core_conf_t *)ngx_get_conf(ngx_cycle->conf_ctx, ngx_core_module);
	struct flood_state s;
	flood_state(g->worker.f, now, &s);
	buf_printf(b, "{\"mode\": \"%s\", \"workers\": %d, \"zone\": \"%s\", \"zone_bytes\": %zu, \"pid\": %d",
	           mode_of(g), (int)core->worker_processes, g->shared->name, g->size,
	           (int)(ngx_process == NGX_PROCESS_SINGLE ? ngx_pid : ngx_parent));
	add_number(b, "pressure", s.pressure);
	add_number(b, "share", s.share);
	add_number(b, "stranger", s.stranger);
	add_number(b, "latency_ms", s.latency_ms);
	add_number(b, "normal_ms", s.normal_ms);
	add_number(b, "errors", s.errors);
	add_number(b, "busy", s.busy);
	add_number(b, "lag_ms", s.lag_ms);
	add_number(b, "gate_busy", s.gate_busy);
	add_number(b, "rate", s.rate);
	add_number(b, "normal_rate", s.normal_rate);
	add_time(b, "strict_since", s.strict_since_us ? wall_us() - (now.now_us - s.strict_since_us) : 0);
	buf_printf(b, ", \"asked\": %" PRIu64 ", \"verdicts\": {", s.asked);
	for (unsigned i = 0; i < N_FLOOD_VERDICTS; i++)
		buf_printf(b, "%s\"%s\": %" PRIu64, i ? ", " : "", flood_verdict_name(i), s.verdicts[i]);
	buf_add(b, STR("}, \"reasons\": {"));
	for (unsigned i = 0; i < N_FLOOD_REASONS; i++)
		buf_printf(b, "%s\"%s\": %" PRIu64, i ? ", " : "", flood_reason_name(i), s.reasons[i]);
	buf_printf(b,
	           "}, \"passes_given\": %" PRIu64 ", \"passes_valid\": %" PRIu64 ", \"passes_bad\": %" PRIu64
	           ", \"records_shed\": %" PRIu64 ", \"events_shed\": %" PRIu64 "}\n",
	           s.passes_given, s.passes_valid, s.passes_bad, s.records_shed, s.events_shed);
}

static void add_record(struct buf *b, const struct flood_record *r)
{
	char room[LIST_PREFIX_TEXT];
	buf_printf(b, "{\"address\": \"%s\"", list_prefix_text(&r->from, 128, room));
	add_id(b, r->id);
	add_time(b, "time", r->wall_us);
	add_word(b, "verdict", flood_verdict_name(r->verdict));
	add_word(b, "reason", flood_reason_name(r->reason));
	buf_printf(b, ", \"known\": %s, \"wait_ms\": %" PRIu32, r->known ? "true" : "false", r->wait_ms);
	add_number(b, "used", r->used);
	add_number(b, "share", r->share);
	buf_putc(b, '}');
}

void gate_answer_record(const struct flood_record *record, struct buf *b)
{
	add_record(b, record);
	buf_putc(b, '\n');
}

static void add_list(struct buf *b, const struct list_entry *e)
{
	if (e->action == LIST_NONE)
		return add_word(b, "list", NULL);
	buf_printf(b, ", \"list\": {\"action\": \"%s\"", e->action == LIST_ALLOW ? "allow" : "block");
	add_address(b, "prefix", &e->addr, e->bits);
	add_time_s(b, "until", e->until_s);
	add_word(b, "by", e->by);
	add_word(b, "why", e->why);
	buf_putc(b, '}');
}

void gate_answer_standing(const struct gate *g, const struct flood_addr *a, struct buf *b)
{
	char room[LIST_PREFIX_TEXT];
	struct flood_standing s;
	flood_standing(g->worker.f, a, gate_now(), &s);
	buf_printf(b, "{\"address\": \"%s\"", list_prefix_text(a, 128, room));
	add_word(b, "verdict", flood_verdict_name(s.verdict));
	add_word(b, "reason", flood_reason_name(s.reason));
	add_time_s(b, "since", s.since_s);
	add_time_s(b, "until", s.until_s);
	add_list(b, &s.list);
	add_number(b, "rate", s.rate);
	add_number(b, "network_rate", s.network_rate);
	add_number(b, "errors", s.errors);
	add_number(b, "cost", s.cost);
	add_number(b, "people", s.people);
	add_number(b, "turned_away", s.turned_away);
	add_number(b, "share", s.share);
	buf_printf(b, ", \"shared\": %s, \"last\": ", s.shared ? "true" : "false");
	if (s.last.id)
		add_record(b, &s.last);
	else
		buf_add(b, STR("null"));
	buf_add(b, STR("}\n"));
}

static const char *kind_name(uint8_t kind)
{
	static const char *const names[] = {
		[FLOOD_EVENT_STRICT] = "strict", [FLOOD_EVENT_CALM] = "calm", [FLOOD_EVENT_BEGIN] = "begin",
		[FLOOD_EVENT_END] = "end",       [FLOOD_EVENT_LIST] = "list", [FLOOD_EVENT_WAF] = "waf",
	};
	return kind < ARRAY_LEN(names) ? names[kind] : NULL;
}

static void add_event(struct buf *b, const struct flood_event *e)
{
	static const struct flood_addr nobody;
	buf_printf(b, "{\"seq\": %" PRIu64, e->seq);
	add_time(b, "time", e->wall_us);
	add_word(b, "kind", kind_name(e->kind));
	add_word(b, "verdict", flood_verdict_name(e->verdict));
	add_word(b, "reason", flood_reason_name(e->reason));
	if (!e->bits && memcmp(&e->from, &nobody, sizeof(nobody)) == 0)
		add_word(b, "from", NULL);
	else
		add_address(b, "from", &e->from, 128);
	buf_printf(b, ", \"bits\": %u", e->bits);
	add_id(b, e->id);
	buf_printf(b, ", \"count\": %" PRIu64, e->count);
	add_number(b, "pressure", e->pressure);
	add_number(b, "share", e->share);
	buf_putc(b, '}');
}

/* The newest event's seq where it is below after, which may be of a zone that there is no more. */
static uint64_t newest(const struct flood *f, uint64_t after)
{
	uint64_t from = 0;
	while (from < after) {
		struct flood_event one;
		uint64_t lost, middle = from + (after - from) / 2;
		if (flood_events(f, middle, &one, 1, &lost))
			from = middle + 1;
		else
			after = middle;
	}
	return from;
}

void gate_answer_events(const struct gate *g, uint64_t after, struct buf *b)
{
	struct flood_event *events = calloc(EVENTS_MAX, sizeof(*events));
	uint64_t lost = 0;
	if (!events) {
		b->failed = true;
		return;
	}
	const size_t n = flood_events(g->worker.f, after, events, EVENTS_MAX, &lost);
	buf_printf(b, "{\"zone\": \"%s\", \"events\": [", g->shared->name);
	for (size_t i = 0; i < n; i++) {
		buf_add(b, i ? STR(",\n") : STR("\n"));
		add_event(b, &events[i]);
	}
	buf_printf(b, "], \"next\": %" PRIu64 ", \"lost\": %" PRIu64 "}\n",
	           n ? events[n - 1].seq : newest(g->worker.f, after), lost);
	free(events);
}

/* --- Prometheus --- */

static void add_gauge(struct buf *b, const char *name, double value)
{
	buf_printf(b, "# TYPE khien_gate_%s gauge\nkhien_gate_%s ", name, name);
	if (isfinite(value))
		buf_printf(b, "%.9g\n", value);
	else
		buf_add(b, STR("+Inf\n"));
}

static void add_counter(struct buf *b, const char *name, uint64_t value)
{
	buf_printf(b, "# TYPE khien_gate_%s_total counter\nkhien_gate_%s_total %" PRIu64 "\n", name, name, value);
}

void gate_answer_metrics(const struct gate *g, struct buf *b)
{
	struct flood_state s;
	flood_state(g->worker.f, gate_now(), &s);
	buf_add(b, STR("# TYPE khien_gate_requests_total counter\n"));
	for (unsigned i = 0; i < N_FLOOD_VERDICTS; i++)
		buf_printf(b, "khien_gate_requests_total{verdict=\"%s\"} %" PRIu64 "\n", flood_verdict_name(i),
		           s.verdicts[i]);
	buf_add(b, STR("# TYPE khien_gate_reasons_total counter\n"));
	for (unsigned i = 0; i < N_FLOOD_REASONS; i++)
		buf_printf(b, "khien_gate_reasons_total{reason=\"%s\"} %" PRIu64 "\n", flood_reason_name(i),
		           s.reasons[i]);
	add_gauge(b, "pressure", s.pressure);
	add_gauge(b, "share", s.share);
	add_gauge(b, "stranger_share", s.stranger);
	add_gauge(b, "latency_seconds", s.latency_ms / 1000);
	add_gauge(b, "normal_latency_seconds", s.normal_ms / 1000);
	add_gauge(b, "error_ratio", s.errors);
	add_gauge(b, "busy", s.busy);
	add_gauge(b, "lag_seconds", s.lag_ms / 1000);
	add_gauge(b, "busy_ratio", s.gate_busy);
	add_gauge(b, "rate", s.rate);
	add_gauge(b, "normal_rate", s.normal_rate);
	add_gauge(b, "strict", s.strict_since_us != 0);
	add_counter(b, "passes_given", s.passes_given);
	add_counter(b, "passes_valid", s.passes_valid);
	add_counter(b, "passes_bad", s.passes_bad);
	add_counter(b, "records_shed", s.records_shed);
	add_counter(b, "events_shed", s.events_shed);
}
