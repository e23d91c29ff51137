#include "intel/event.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Elastic Common Schema, Sigma's taxonomy (proxy, webserver, Sysmon, Windows), and what products call them themselves.
 * Where the mapping already leads from one name to another, either stands here.
 */
static const char *const addresses[] = {
	"source.ip", "destination.ip", "client.ip",   "server.ip",     "c-ip",      "SourceIp",  "DestinationIp",
	"IpAddress", "SourceAddress",  "DestAddress", "ClientAddress", "ClientIP",  "src_ip",    "dst_ip",
	"dest_ip",   "srcip",          "dstip",       "remote_addr",   "id.orig_h", "id.resp_h", "dns.resolved_ip",
};
static const char *const hosts[] = {
	"source.address",
	"destination.address",
	"source.domain",
	"destination.domain",
	"SourceHostname",
	"DestinationHostname",
	"src",
	"dst",
	"addr",
	"sourceIPAddress",
	"QueryName",
	"query",
	"dns.question.name",
	"url.domain",
	"cs-host",
	"r-dns",
	"tls.client.server_name",
	"server_name",
};
static const char *const urls[] = {
	"url.full",
	"url",
	"http.request.referrer",
	"cs-referer",
};
static const char *const paths[] = {
	"url.original",
	"c-uri",
	"cs-uri",
};
static const char *const hashes[] = {
	"Hashes",
	"Hash",
	"md5",
	"sha1",
	"sha256",
	"file.hash.md5",
	"file.hash.sha1",
	"file.hash.sha256",
	"file.hash.sha512",
	"process.hash.md5",
	"process.hash.sha1",
	"process.hash.sha256",
	"dll.hash.sha256",
	"tls.server.hash.sha256",
};
static const char *const answers[] = {
	"QueryResults",
	"dns.answers.data",
};
static const char *const lines[] = {
	"message",
	"event.original",
};
/* On which host a path is. */
static const char *const path_hosts[] = { "cs-host", "url.domain", "destination.domain" };

enum out { OUT_TYPE, OUT_VALUE, OUT_FIELD, OUT_FEED, OUT_CONFIDENCE, OUT_NOTE, OUT_REFERENCE, OUT_ALSO, N_OUT };
_Static_assert((int)INTEL_FIRST_OUT + (int)N_OUT == (int)INTEL_ASKED, "all are asked for");

#define LIST(name) name, ARRAY_LEN(name)
static const struct asked {
	const char *name;
	const char *const *also;
	size_t n;
} asked[INTEL_ASKED] = {
	[INTEL_OF_ADDRESS] = { "khien.of.address", LIST(addresses) },
	[INTEL_OF_HOST] = { "khien.of.host", LIST(hosts) },
	[INTEL_OF_URL] = { "khien.of.url", LIST(urls) },
	[INTEL_OF_PATH] = { "khien.of.path", LIST(paths) },
	[INTEL_OF_HASH] = { "khien.of.hash", LIST(hashes) },
	[INTEL_OF_ANSWER] = { "khien.of.answer", LIST(answers) },
	[INTEL_OF_TEXT] = { "khien.of.text", LIST(lines) },
	[INTEL_HOST_OF_PATH] = { "khien.of.path_host", LIST(path_hosts) },
	[INTEL_FIRST_OUT + OUT_TYPE] = { "khien.indicator.type", NULL, 0 },
	[INTEL_FIRST_OUT + OUT_VALUE] = { "khien.indicator.value", NULL, 0 },
	[INTEL_FIRST_OUT + OUT_FIELD] = { "khien.indicator.field", NULL, 0 },
	[INTEL_FIRST_OUT + OUT_FEED] = { "khien.indicator.feed", NULL, 0 },
	[INTEL_FIRST_OUT + OUT_CONFIDENCE] = { "khien.indicator.confidence", NULL, 0 },
	[INTEL_FIRST_OUT + OUT_NOTE] = { "khien.indicator.note", NULL, 0 },
	[INTEL_FIRST_OUT + OUT_REFERENCE] = { "khien.indicator.reference", NULL, 0 },
	[INTEL_FIRST_OUT + OUT_ALSO] = { "khien.indicator.also", NULL, 0 },
};
#undef LIST

enum { ALSO_MAX = 8 };

struct intel_checker {
	const struct intel_set *set;
	uint32_t ids[INTEL_ASKED];
	struct intel_checked counts;

	/* Of the event at hand. */
	struct event *ev;
	struct str value; /* that is looked up, as the event has it */
	intel_sink *sink;
	void *arg;
	struct str told[N_OUT]; /* of the surest find, in the event's memory */
	unsigned confidence;
	bool found;
	uint32_t n_also;
};

const char *intel_kind_name(enum intel_kind kind)
{
	static const char *const names[N_INTEL_KINDS] = {
		[INTEL_OF_ADDRESS] = "addresses", [INTEL_OF_HOST] = "names",  [INTEL_OF_URL] = "URLs",
		[INTEL_OF_PATH] = "URLs",         [INTEL_OF_HASH] = "hashes", [INTEL_OF_ANSWER] = "answers of DNS",
		[INTEL_OF_TEXT] = "lines",
	};
	return names[kind];
}

const char *const *intel_fields(enum intel_kind kind, size_t *n)
{
	*n = asked[kind].n;
	return asked[kind].also;
}

const char *const *intel_asked(size_t i, const char **name, size_t *n)
{
	*name = asked[i].name;
	*n = asked[i].n;
	return asked[i].also;
}

int intel_checker_new(struct intel_checker **ret, const uint32_t *ids, size_t n, uint32_t n_fields, struct err *err)
{
	if (n != INTEL_ASKED)
		return err_set(err, -EINVAL,
		               "indicators: the rules were compiled without the fields that are looked up");
	for (size_t i = 0; i < n; i++)
		if (ids[i] >= n_fields)
			return err_set(err, -EINVAL, "indicators: field %zu isn't among those of events", i);
	struct intel_checker *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, -ENOMEM, "indicators: %m");
	memcpy(c->ids, ids, n * sizeof(*ids));
	*ret = c;
	return 0;
}

void intel_checker_free(struct intel_checker *c)
{
	free(c);
}

void intel_checker_use(struct intel_checker *c, const struct intel_set *set)
{
	c->set = set;
}

struct intel_checked intel_checked(const struct intel_checker *c)
{
	return c->counts;
}

/* --- values --- */

/* "MD5=0123...,SHA256=4567...": anything but hexadecimal digits stands between. */
static bool look_hashes(const struct intel_look *l, struct str s, uint32_t *n)
{
	bool any = false;
	for (size_t at = 0; at < s.n && at < INTEL_TEXT_MAX;) {
		struct str rest = str_sub(s, at, s.n);
		size_t end = 0;
		while (end < rest.n && !memchr("=,;: \t", rest.p[end], 6))
			end++;
		any |= intel_look_hash(l, str_sub(rest, 0, end), n);
		at += end + 1;
	}
	return any;
}

static bool look_answers(const struct intel_look *l, struct str s, uint32_t *n)
{
	bool any = false;
	for (size_t at = 0; at < s.n && at < INTEL_TEXT_MAX;) {
		struct str rest = str_sub(s, at, s.n);
		size_t end = 0;
		while (end < rest.n && !memchr(";, ", rest.p[end], 3))
			end++;
		any |= intel_look_host(l, str_sub(rest, 0, end), n);
		at += end + 1;
	}
	return any;
}

/* A Host header has a port. */
static bool look_host(const struct intel_look *l, struct str s, uint32_t *n)
{
	return intel_look_host(l, s, n) || intel_look_host(l, str_sub(s, 0, str_find(s, ':')), n);
}

bool intel_look_value(const struct intel_look *l, enum intel_kind kind, struct str text, uint32_t *n)
{
	switch (kind) {
	case INTEL_OF_ADDRESS: return intel_look_address(l, text, n);
	case INTEL_OF_HOST: return look_host(l, text, n);
	case INTEL_OF_URL:
	case INTEL_OF_PATH: return text.n && text.p[0] != '/' && intel_look_url(l, text, n);
	case INTEL_OF_HASH: return look_hashes(l, text, n);
	case INTEL_OF_ANSWER: return look_answers(l, text, n);
	case INTEL_OF_TEXT: return intel_look_text(l, text, n);
	case N_INTEL_KINDS: break;
	}
	return false;
}

/* --- an event --- */

struct str intel_event_field(const struct intel_checker *c)
{
	uint32_t n;
	const struct pair *pairs = event_pairs(c->ev, &n);
	for (uint32_t i = 0; i < n; i++)
		if (str_eq(pairs[i].text, c->value))
			return pairs[i].name;
	return STR("");
}

static void put(struct intel_checker *c, enum out out, struct str text)
{
	if (text.p)
		event_put(c->ev, c->ids[INTEL_FIRST_OUT + out], text,
		          out == OUT_CONFIDENCE ? VALUE_NUMBER : VALUE_TEXT);
}

/* "name bad.example (feed)" */
static void add_also(struct intel_checker *c, struct str type, struct str text, struct str feed)
{
	if (c->n_also++ < ALSO_MAX)
		put(c, OUT_ALSO,
		    arena_printf(&c->ev->scratch, STR_FMT " " STR_FMT " (" STR_FMT ")", STR_ARG(type),
		                 STR_ARG(str_sub(text, 0, 200)), STR_ARG(feed)));
}

static void take(void *arg, const struct intel_found *f)
{
	struct intel_checker *c = arg;
	struct arena *a = &c->ev->scratch;
	struct str type = str_from(intel_type_name(f->type));
	c->counts.finds++;
	if (c->sink)
		c->sink(c->arg, f);
	if (c->found && f->confidence <= c->confidence) {
		add_also(c, type, f->text, f->feed);
		return;
	}
	if (c->found)
		add_also(c, c->told[OUT_TYPE], c->told[OUT_VALUE], c->told[OUT_FEED]);
	c->found = true;
	c->confidence = f->confidence;
	c->told[OUT_TYPE] = type;
	c->told[OUT_VALUE] = arena_copy(a, f->text);
	c->told[OUT_FIELD] = intel_event_field(c);
	c->told[OUT_FEED] = arena_copy(a, f->feed);
	c->told[OUT_CONFIDENCE] = arena_printf(a, "%u", f->confidence);
	c->told[OUT_NOTE] = f->note.n ? arena_copy(a, f->note) : (struct str){ 0 };
	c->told[OUT_REFERENCE] = f->reference.n ? arena_copy(a, f->reference) : (struct str){ 0 };
}

static bool look_path(struct intel_checker *c, const struct intel_look *l, struct str path, uint32_t *n)
{
	const struct value *host = event_value(c->ev, c->ids[INTEL_HOST_OF_PATH]);
	if (!host || !host->text.n || host->text.n + path.n > INTEL_TEXT_MAX)
		return false;
	struct str url = arena_printf(&c->ev->scratch, STR_FMT STR_FMT, STR_ARG(host->text), STR_ARG(path));
	return url.p && intel_look_url(l, url, n);
}

/* Whether there was anything to be looked up. */
static bool look_kind(struct intel_checker *c, const struct intel_look *l, enum intel_kind kind, uint32_t *n)
{
	bool any = false;
	for (const struct value *v = event_value(c->ev, c->ids[kind]); v; v = event_next(c->ev, v)) {
		if (v->type != VALUE_TEXT || !v->text.n)
			continue;
		bool path = kind == INTEL_OF_PATH && v->text.p[0] == '/';
		c->value = v->text;
		c->counts.values++;
		any |= path ? look_path(c, l, v->text, n) : intel_look_value(l, kind, v->text, n);
	}
	c->counts.told[kind] += any;
	return any;
}

uint32_t intel_event(struct intel_checker *c, struct event *ev, int64_t now, intel_sink *sink, void *arg)
{
	const struct intel_look look = { c->set, (uint32_t)(now / 1000000), take, c };
	uint32_t n = 0;
	for (size_t i = INTEL_FIRST_OUT; i < INTEL_ASKED; i++)
		if (ev->first[c->ids[i]])
			event_drop(ev, c->ids[i]);
	if (!c->set)
		return 0;
	c->ev = ev;
	c->sink = sink;
	c->arg = arg;
	c->found = false;
	c->n_also = 0;
	bool addressed = look_kind(c, &look, INTEL_OF_ADDRESS, &n);
	addressed |= look_kind(c, &look, INTEL_OF_HOST, &n);
	addressed |= look_kind(c, &look, INTEL_OF_ANSWER, &n);
	look_kind(c, &look, INTEL_OF_URL, &n);
	look_kind(c, &look, INTEL_OF_PATH, &n);
	look_kind(c, &look, INTEL_OF_HASH, &n);
	if (!addressed)
		look_kind(c, &look, INTEL_OF_TEXT, &n);
	c->counts.events += c->found;
	for (unsigned i = 0; c->found && i < OUT_ALSO; i++)
		put(c, (enum out)i, c->told[i]);
	return n;
}
