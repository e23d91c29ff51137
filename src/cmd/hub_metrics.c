/* What the hub says of itself: /metrics in Prometheus' text format 0.0.4, /healthz. `khien hub status` reads the same. */
#include "cmd/hub_front.h"
#include "cmd/hub_posts.h"
#include "cmd/hub_searcher.h"

#include <errno.h>

static const int64_t SILENT = 15LL * CLOCK_S; /* it speaks once a second */

/* A counter or gauge of one value. */
static void add(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	buf_printf(out, "# HELP khien_%s %s\n# TYPE khien_%s %s\nkhien_%s %.17g\n", name, help, name, type, name,
	           value);
}

/* A label's value: backslash, quote and line break are escaped. */
static void add_label(struct buf *out, const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			buf_add(out, STR("\\n"));
		else if (*text == '"' || *text == '\\')
			buf_printf(out, "\\%c", *text);
		else
			buf_putc(out, *text);
}

/* One value a sender. */
static void add_senders(struct front *f, struct buf *out, const char *name, const char *help, size_t offset)
{
	const struct sender *s;
	buf_printf(out, "# HELP khien_sender_%s %s\n# TYPE khien_sender_%s counter\n", name, help, name);
	for (size_t i = 0; (s = senders_at(f->senders, i)); i++) {
		uint64_t value;
		memcpy(&value, (const char *)s + offset, sizeof(value));
		buf_printf(out, "khien_sender_%s{sender=\"", name);
		add_label(out, s->name);
		buf_printf(out, "\"} %llu\n", (unsigned long long)value);
	}
}

static void add_store(const struct front *f, struct buf *out)
{
	const struct link_store *s = &f->store;
	add(out, "store_bytes", "gauge", "Bytes of events on the disk.", (double)s->retention.bytes);
	add(out, "store_bytes_per_day", "gauge", "How it grew over the last days.", (double)s->retention.bytes_per_day);
	add(out, "store_full_seconds", "gauge", "When the bound is met at that pace, as Unix time; 0: not foreseen.",
	    (double)s->retention.full_at / CLOCK_S);
	add(out, "store_oldest_seconds", "gauge", "Time of the oldest event kept, as Unix time.",
	    (double)s->retention.kept_since / CLOCK_S);
	add(out, "store_dropped_total", "counter", "Events that went as their time or the room was over.",
	    (double)s->retention.dropped_events);
	add(out, "store_free_bytes", "gauge", "Free on the file system of the store.", (double)s->free_bytes);
	add(out, "store_syncs_total", "counter", "Times that what waited was made durable.", (double)s->counts.syncs);
	add(out, "store_blocks_total", "counter", "Blocks packed.", (double)s->counts.blocks);
	add(out, "store_lost_frames_total", "counter", "Damaged frames found in the journal.",
	    (double)s->counts.lost_frames);
	add(out, "store_lost_days_total", "counter", "Days set aside as damaged.", (double)s->counts.lost_days);
	add(out, "store_trouble", "gauge", "1: nothing can be stored now.", s->trouble != 0);
	add(out, "alerts_lost_total", "counter", "Alerts that couldn't wait any longer to be stored, since the start.",
	    (double)s->alerts_lost);
	add(out, "alerts_total", "counter", "Alerts kept since the start.", (double)s->alerts);
}

static void add_network(const struct front *f, struct buf *out)
{
	struct api_counts http = { 0 };
	uint64_t shed = 0, denied = 0;
	for (size_t i = 0; i < f->n_apis; i++) {
		struct api_counts c = api_counts(f->apis[i]);
		http.requests += c.requests;
		http.denied += c.denied;
		http.busy += c.busy;
		http.shed += c.shed;
		http.bad += c.bad;
		http.connections += c.connections;
	}
	for (size_t i = 0; i < f->n_listeners; i++) {
		shed += listener_shed(f->listeners[i]);
		denied += listener_counts(f->listeners[i]).denied;
	}
	add(out, "http_requests_total", "counter", "Requests.", (double)http.requests);
	add(out, "http_denied_total", "counter", "Requests without a token that permits them.", (double)http.denied);
	add(out, "http_busy_total", "counter", "Requests sent away for lack of room.", (double)http.busy);
	add(out, "http_shed_total", "counter", "Of those: all requests together held too much memory.",
	    (double)http.shed);
	add(out, "http_bad_total", "counter", "Requests that made no sense.", (double)http.bad);
	add(out, "http_memory_bytes", "gauge", "What requests hold now.", (double)(API_MEMORY - f->http_memory));
	add(out, "http_connections", "gauge", "Connections now.", http.connections);
	add(out, "syslog_shed_total", "counter", "Syslog messages and connections that didn't come through.",
	    (double)shed);
	add(out, "syslog_denied_total", "counter", "TLS clients turned away: no good certificate, no TLS, too slow.",
	    (double)denied);
}

void front_metrics(void *arg, struct buf *out)
{
	struct front *f = arg;
	const struct hub_desk_counts d = hub_desk_counts(f->desk);
	const struct match_counts *m = matcher_counts(f->pipe.matcher);
	add(out, "uptime_seconds", "gauge", "Since the start.",
	    (double)(clock_monotonic(f->clock) - f->began) / CLOCK_S);
	add(out, "events_received_total", "counter", "Records that came.", (double)d.events);
	add(out, "received_bytes_total", "counter", "Bytes of them.", (double)d.bytes);
	add(out, "events_kept_total", "counter", "Events made durable.", (double)d.kept);
	add(out, "events_known_total", "counter", "Events sent again, told by their id.", (double)d.known);
	add(out, "events_bad_total", "counter", "Records that no event could be made of.", (double)d.bad);
	add(out, "busy_total", "counter", "Times that a sender had to wait.", (double)d.busy);
	add(out, "under_way_bytes", "gauge", "Bytes that wait to be durable.", (double)d.under_way);
	add(out, "rules", "gauge", "Rules that run.", f->pipe.rs->n_rules);
	add(out, "matches_total", "counter", "Matches of rules.", (double)m->matches);
	add(out, "indicators", "gauge", "Indicators that events are looked up in.",
	    f->indicators ? (double)intel_set_counts(f->indicators).entries : 0);
	add(out, "indicator_events_total", "counter", "Events with a value that an indicator tells of.",
	    (double)f->pipe.known_bad);
	add(out, "rules_shed_total", "counter", "Values and groups that bounds took from rules.",
	    (double)pipe_shed(&f->pipe));
	add(out, "output_shed_total", "counter", "Alerts and lines that nobody read in time: not printed, but kept.",
	    (double)show_shed(f->show));
	add_store(f, out);
	add_network(f, out);
	hunts_metrics(f->hunts, out);
	add_senders(f, out, "events_total", "Records that came, by sender.", offsetof(struct sender, events));
	add_senders(f, out, "kept_total", "Events made durable, by sender.", offsetof(struct sender, kept));
	add_senders(f, out, "known_total", "Events sent again, by sender.", offsetof(struct sender, known));
	add_senders(f, out, "bad_total", "Records that no event could be made of, by sender.",
	            offsetof(struct sender, bad));
	add_senders(f, out, "refused_total", "Turned away for lack of room, by sender.",
	            offsetof(struct sender, refused));
	buf_printf(out, "# HELP khien_sender_last_seconds When something came, as Unix time.\n"
	                "# TYPE khien_sender_last_seconds gauge\n");
	const struct sender *s;
	for (size_t i = 0; (s = senders_at(f->senders, i)); i++) {
		buf_add(out, STR("khien_sender_last_seconds{sender=\""));
		add_label(out, s->name);
		buf_printf(out, "\"} %.3f\n", (double)s->last / CLOCK_S);
	}
	posts_front_metrics(f->posts, out);
}

int front_health(void *arg, struct buf *why)
{
	const struct front *f = arg;
	if (clock_monotonic(f->clock) - f->store_at > SILENT) {
		buf_add(why, STR("the keeper is silent"));
		return -ETIMEDOUT;
	}
	if (!f->store.trouble)
		return 0;
	buf_add(why, str_from(f->store.why));
	return f->store.trouble;
}
