#include "cmd/drill.h"

static void times(struct buf *out, const char *name, const struct measure *m)
{
	buf_printf(out,
	           ", \"%s\": {\"n\": %llu, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}",
	           name, (unsigned long long)m->n, drill_measure_ms(m, 0.5), drill_measure_ms(m, 0.9),
	           drill_measure_ms(m, 0.99), drill_measure_max_ms(m));
}

void drill_json(struct buf *out, const struct drill_result *r)
{
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = {
		{ "sent", r->sent },
		{ "unsent", r->unsent },
		{ "answered", r->answered },
		{ "status_2xx", r->by_status[2] },
		{ "status_3xx", r->by_status[3] },
		{ "status_4xx", r->by_status[4] },
		{ "status_5xx", r->by_status[5] },
		{ "denied", r->denied },
		{ "forbidden", r->forbidden },
		{ "unavailable", r->unavailable },
		{ "failed", r->failed },
		{ "cut", r->cut },
		{ "late", r->late },
		{ "connections", r->connections },
		{ "refused", r->refused },
		{ "handshakes", r->handshakes },
		{ "slow_cut", r->slow_cut },
		{ "slow_held", r->slow_held },
		{ "patients", r->patients },
		{ "served", r->served },
		{ "gave_up", r->gave_up },
		{ "left", r->left },
		{ "patients_denied", r->patients_denied },
		{ "patients_waited", r->patients_waited },
		{ "asked", r->asked },
		{ "asked_failed", r->asked_failed },
		{ "asked_denied", r->asked_denied },
	};
	buf_printf(out, "{\"seconds\": %.3f", r->seconds);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		buf_printf(out, ", \"%s\": %llu", counts[i].name, (unsigned long long)counts[i].n);
	times(out, "requests", &r->requests);
	times(out, "journeys", &r->journeys);
	buf_putc(out, '}');
}
