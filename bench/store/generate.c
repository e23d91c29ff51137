#include "generate.h"

#include "generate_words.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { JSON_MAX = 8192, TEXT_MAX = 8192 };
static const int64_t MS = 1000, SECOND = 1000000, HOUR = 3600000000;

struct generator {
	struct generate_config config;
	uint64_t state, n;
	int64_t received, time; /* of this event: when it arrives, and happened */
	time_t second;          /* what `written` shows */
	struct tm written;
	uint32_t record[GENERATE_HOSTS], logon[GENERATE_HOSTS];
	uint32_t flow;
	/* The event being made: a text for each letter that a template may name, and where they lie. */
	struct str slot[128];
	size_t n_text, n_json;
	char text[TEXT_MAX], json[JSON_MAX];
};

/* --- chance --- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint64_t chance(struct generator *g)
{
	return mix(g->state += 0x9e3779b97f4a7c15);
}

static uint32_t below(struct generator *g, uint32_t n)
{
	return (uint32_t)(((chance(g) >> 32) * n) >> 32);
}

static double unit(struct generator *g) /* 0 < x <= 1 */
{
	return (double)((chance(g) >> 11) + 1) / 9007199254740992.0;
}

/* A rank below n: the k-th comes as often as 1/(k+1). */
static uint32_t zipf(struct generator *g, uint32_t n)
{
	uint32_t k = (uint32_t)(exp(unit(g) * log((double)n + 1)) - 1);
	return k < n ? k : n - 1;
}

/* From `least` to `most`, every order of magnitude as often as the others: sizes and durations. */
static uint64_t magnitude(struct generator *g, double least, double most)
{
	return (uint64_t)(least * exp(unit(g) * log(most / least)));
}

#define ANY(g, list)    ((list)[below((g), ARRAY_LEN(list))])
#define COMMON(g, list) ((list)[zipf((g), ARRAY_LEN(list))])

/* --- texts --- */

static void set_str(struct generator *g, char letter, struct str s)
{
	g->slot[(int)letter] = s;
}

__attribute__((format(printf, 3, 4))) static void set(struct generator *g, char letter, const char *fmt, ...)
{
	size_t room = TEXT_MAX - g->n_text;
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(g->text + g->n_text, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		abort(); /* a template grew beyond TEXT_MAX */
	set_str(g, letter, (struct str){ g->text + g->n_text, (size_t)n });
	g->n_text += (size_t)n;
}

/* Like `set`, of a text whose %letters are slots, and %% is a percent sign. */
static size_t expand(const struct generator *g, char *to, size_t room, const char *template)
{
	size_t n = 0;
	for (const char *p = template; *p;) {
		size_t plain = strcspn(p, "%");
		struct str s = { p, plain };
		p += plain;
		if (!plain) {
			s = p[1] == '%' ? STR("%") : g->slot[(int)p[1]];
			p += 2;
		}
		if (s.n > room - n)
			abort(); /* an event grew beyond its buffer */
		memcpy(to + n, s.p, s.n);
		n += s.n;
	}
	return n;
}

static void set_expanded(struct generator *g, char letter, const char *template)
{
	size_t n = expand(g, g->text + g->n_text, TEXT_MAX - g->n_text, template);
	set_str(g, letter, (struct str){ g->text + g->n_text, n });
	g->n_text += n;
}

static const struct tm *calendar(struct generator *g, int64_t time)
{
	time_t second = (time_t)(time / SECOND);
	if (second != g->second)
		gmtime_r(&second, &g->written);
	g->second = second;
	return &g->written;
}

static void set_time(struct generator *g, char letter, int64_t time)
{
	const struct tm *t = calendar(g, time);
	set(g, letter, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", t->tm_year + 1900, t->tm_mon + 1, t->tm_mday, t->tm_hour,
	    t->tm_min, t->tm_sec, (int)(time % SECOND));
}

/* When it happened: `usual` before it arrives, seldom much earlier. Text formats tell the second only. */
static void set_happened(struct generator *g, int64_t usual, bool second)
{
	uint32_t k = below(g, 1000);
	double most = k == 0 ? 2.0 * HOUR : k <= 20 ? 60.0 * SECOND : 0;
	g->time = g->received - (int64_t)(most > 0 ? unit(g) * most : -log(unit(g)) * (double)usual);
	if (second)
		g->time -= g->time % SECOND;
	set_time(g, 'T', g->time);
}

/* RFC 3164's. */
static void set_bsd_time(struct generator *g, char letter, int64_t time)
{
	const struct tm *t = calendar(g, time);
	set(g, letter, "%s %2d %02d:%02d:%02d", months[t->tm_mon], t->tm_mday, t->tm_hour, t->tm_min, t->tm_sec);
}

/* --- who and where; everything follows from a number --- */

static void set_host(struct generator *g, char letter, uint32_t host)
{
	if (host < HOST_LINUX)
		set(g, letter, "web-%02u", host + 1);
	else if (host < HOST_WINDOWS)
		set(g, letter, "%s-%02u", servers[host % ARRAY_LEN(servers)], host);
	else if (host < HOST_PC)
		set(g, letter, "SRV-%s-%02u", windows_servers[host % ARRAY_LEN(windows_servers)], host);
	else if (host < HOST_FIREWALL)
		set(g, letter, "PC-%s-%03u", wards[host % ARRAY_LEN(wards)], host);
	else
		set(g, letter, "fw-%u", host - HOST_FIREWALL + 1);
}

static void set_address(struct generator *g, char letter, uint32_t host)
{
	set(g, letter, "10.20.%u.%u", host < HOST_PC ? 1 : 10 + host % (uint32_t)ARRAY_LEN(wards), 10 + host % 240);
}

/* 198.18.0.0/15 is kept for benchmarks (RFC 2544). */
static void set_outside(struct generator *g, char letter, uint32_t rank)
{
	uint64_t h = mix(rank + 1);
	set(g, letter, "198.%u.%u.%u", 18 + (unsigned)(h & 1), (unsigned)(h >> 8 & 255), (unsigned)(h >> 16 & 255));
}

static void set_user(struct generator *g, char letter, uint32_t rank)
{
	set(g, letter, "%s%04u", roles[rank % ARRAY_LEN(roles)], 1000 + rank * 7919 % 9000);
}

/* Of the one key that a user has; base64 as sshd writes it. */
static void set_fingerprint(struct generator *g, char letter, uint32_t user)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[44] = { 0 };
	for (unsigned i = 0; i < 43; i++)
		text[i] = digits[mix(user * 64 + i) % 64];
	set(g, letter, "%s", text);
}

/* --- the kinds: each fills its slots --- */

static void fill_web(struct generator *g)
{
	uint32_t host = zipf(g, HOST_LINUX), client = zipf(g, 50000), browser = (uint32_t)mix(client) % 4096;
	const struct page *page = &COMMON(g, pages);
	bool inside = client % 3 == 0;
	set_happened(g, 300 * MS, true);
	set_host(g, 'H', host);
	if (inside)
		set_address(g, 'c', HOST_PC + client % (HOST_FIREWALL - HOST_PC));
	else
		set_outside(g, 'c', client);
	const struct tm *t = calendar(g, g->time);
	set(g, 't', "%02d/%s/%d:%02d:%02d:%02d +0000", t->tm_mday, months[t->tm_mon], t->tm_year + 1900, t->tm_hour,
	    t->tm_min, t->tm_sec);
	set(g, 'x', "%u", below(g, 2) ? zipf(g, 400000) : below(g, 400000));
	set(g, 'y', "%u", zipf(g, 40));
	set_expanded(g, 'p', page->stem);
	set_expanded(g, 'q', page->query);
	set_str(g, 'Q', page->query[0] ? STR("?") : STR(""));
	set_expanded(g, 'f', page->query[0] ? "\"cs-uri-query\":\"%q\"," : "");
	set_str(g, 'm', str_from(page->method));
	uint32_t luck = below(g, 100);
	unsigned status = luck < 90   ? (page->made ? 201 : 200)
	                  : luck < 94 ? 304
	                  : luck < 97 ? 404
	                  : luck < 99 ? 401
	                              : 502;
	set(g, 's', "%u", status);
	unsigned long long bytes = status >= 300 ? (status == 304 ? 0 : 146 + status)
	                           : page->bytes ? page->bytes
	                                         : magnitude(g, 180, 60000);
	set(g, 'b', "%llu", bytes);
	set(g, 'v', "%u", 118 + browser / 64 % 12);
	set_expanded(g, 'a', agents[browser % ARRAY_LEN(agents)]);
	set_expanded(g, 'r', page->referer);
	set_expanded(g, 'e', page->referer[1] ? "\"cs-referer\":\"%r\"," : "");
}

static const char web[] =
        "\"event.original\":\"%c - - [%t] \\\"%m %p%Q%q HTTP/1.1\\\" %s %b \\\"%r\\\" \\\"%a\\\"\",\"c-ip\":\"%c\","
        "\"cs-method\":\"%m\",\"c-uri\":\"%p%Q%q\",\"cs-uri-stem\":\"%p\",%f\"cs-version\":\"HTTP/"
        "1.1\",\"sc-status\":%s,"
        "\"sc-bytes\":%b,%e\"cs-user-agent\":\"%a\"}";

static void fill_linux(struct generator *g)
{
	uint32_t host = HOST_LINUX + zipf(g, HOST_WINDOWS - HOST_LINUX);
	uint32_t user = zipf(g, GENERATE_USERS);
	const struct said *said = &COMMON(g, sayings);
	set_happened(g, 200 * MS, true);
	set_bsd_time(g, 't', g->time);
	set_host(g, 'H', host);
	set(g, 'g', "%u", 600 + below(g, 400000));
	set(g, 'P', "%u", said->priority);
	set_str(g, 'n', str_from(said->program));
	set_str(g, 'l', said->priority == 86 ? STR("info") : said->priority == 85 ? STR("notice") : STR("err"));
	set_user(g, 'u', user);
	if (below(g, 4))
		set_address(g, 'c', HOST_PC + zipf(g, HOST_FIREWALL - HOST_PC));
	else
		set_outside(g, 'c', zipf(g, 50000));
	set(g, 'o', "%u", 1024 + below(g, 64512));
	set(g, 'i', "%u", 1000 + user);
	set(g, 'e', "%u", zipf(g, 400));
	set_fingerprint(g, 'B', user);
	set_expanded(g, 'M', said->message);
	set_str(g, 'a', str_from(said->action));
	set(g, 'f', said->outcome[0] ? "\"event.outcome\":\"%s\"," : "%s", said->outcome);
	set_expanded(g, 'r', said->remote ? ",\"source.ip\":\"%c\",\"source.port\":%o" : "");
}

static const char linux_auth[] =
        "\"event.original\":\"<%P>%t %H %n[%g]: %M\",\"log.syslog.priority\":%P,"
        "\"log.syslog.facility.name\":\"authpriv\",\"log.syslog.severity.name\":\"%l\",\"process.name\":\"%n\","
        "\"process.pid\":%g,\"message\":\"%M\",\"event.action\":\"%a\",%f\"user.name\":\"%u\"%r}";

/* What both logs of Windows have. */
static void fill_windows(struct generator *g, uint32_t host)
{
	set_happened(g, 4 * SECOND, false);
	set_host(g, 'H', host);
	set(g, 'R', "%u", g->record[host] += 1 + zipf(g, 8));
	set(g, 'I', "%016llx%016llx", (unsigned long long)chance(g), (unsigned long long)chance(g));
	set(g, 'h', "%u", 4 * (100 + below(g, 2400)));
}

static void fill_security(struct generator *g)
{
	uint32_t host = below(g, 3) ? HOST_WINDOWS + zipf(g, HOST_PC - HOST_WINDOWS)
	                            : HOST_PC + zipf(g, HOST_FIREWALL - HOST_PC);
	uint32_t user = zipf(g, GENERATE_USERS), from = HOST_PC + zipf(g, HOST_FIREWALL - HOST_PC);
	const struct logon *logon = &COMMON(g, logons);
	fill_windows(g, host);
	set(g, 'E', "%u", logon->id);
	set_user(g, 'u', user);
	set(g, 'S', "S-1-5-21-1004336348-1177238915-682003330-%u", 1100 + user);
	set(g, 'L', "0x%x", g->logon[host] += 0x100 + below(g, 0x4000));
	set(g, 'k', "%u", logon->type);
	set_str(g, 'n', str_from(logon->package));
	if (logon->package[0] == 'K')
		set(g, 'G', "{%08x-%04x-%04x-%04x-%012llx}", (unsigned)chance(g), below(g, 65536), below(g, 65536),
		    below(g, 65536), (unsigned long long)(chance(g) >> 16));
	else
		set_str(g, 'G', STR("{00000000-0000-0000-0000-000000000000}"));
	set_host(g, 'w', from);
	set_address(g, 'c', from);
	set(g, 'o', "%u", 49152 + below(g, 16384));
	set_str(g, 'f', str_from(logon->status));
}

static const char security[] =
        "\"Channel\":\"Security\",\"EventID\":%E,"
        "\"EventRecordID\":%R,\"Computer\":\"%H.bv.example\",\"ThreadID\":%h,"
        "\"SubjectLogonId\":\"0x3e7\",\"TargetUserSid\":\"%S\",\"TargetUserName\":\"%u\",\"TargetDomainName\":\"BV\","
        "\"TargetLogonId\":\"%L\",\"LogonType\":%k,\"AuthenticationPackageName\":\"%n\",\"WorkstationName\":\"%w\","
        "\"LogonGuid\":\"%G\",\"IpAddress\":\"%c\",\"IpPort\":%o,\"Status\":\"%f\"}";

/* A process that runs for long and starts others: one of some 30 on a machine. */
static void set_parent(struct generator *g, uint32_t host, const struct program *child)
{
	uint32_t k = zipf(g, 8);
	uint64_t h = mix(host * 64 + k + (uint64_t)child->parent * 131072);
	set_str(g, 'j', str_from(programs[child->parent].image));
	set(g, 'J', "%u", 4 * (unsigned)(200 + h % 4000));
	set(g, 'K', "{%08x-%04x-%04x-%04x-000000000900}", (unsigned)mix(host), (unsigned)(h >> 16 & 0xffff),
	    0x6910 + (unsigned)(h >> 40 & 7), (unsigned)(h >> 48 & 0x3fff));
}

static void fill_process(struct generator *g)
{
	uint32_t host = HOST_WINDOWS + zipf(g, HOST_FIREWALL - HOST_WINDOWS), program = zipf(g, ARRAY_LEN(programs));
	uint32_t user = (uint32_t)(mix(host * 8 + zipf(g, 6)) % GENERATE_USERS); /* a few work at each machine */
	const struct program *p = &programs[program];
	uint64_t file = mix(program * 8 + host % 3 + 77); /* three versions of each are about */
	fill_windows(g, host);
	uint32_t start = (uint32_t)(g->received / SECOND);
	set(g, 'G', "{%08x-%04x-%04x-%04x-000000000900}", (unsigned)mix(host), start & 0xffff, start >> 16,
	    (unsigned)(g->record[host] * 3 & 0xffff));
	set(g, 'g', "%u", 4 * (200 + below(g, 8000)));
	set_user(g, 'u', user);
	set(g, 'x', "%u", below(g, 1 << 20));
	set(g, 'y', "%08x", (unsigned)chance(g));
	set(g, 'z', "%u", zipf(g, 400));
	set_expanded(g, 'i', p->image);
	set_expanded(g, 'C', p->command);
	set_str(g, 'A', p->system ? STR("NT AUTHORITY\\\\SYSTEM") : (struct str){ 0 });
	if (!p->system)
		set_expanded(g, 'A', "BV\\\\%u");
	set_str(g, 'l', p->system ? STR("System") : STR("Medium"));
	set(g, 'L', "0x%x", p->system ? 0x3e7 : (unsigned)(mix(host * 8 + user) & 0xfffffff));
	set(g, 'F', "SHA256=%016llX%016llX%016llX%016llX", (unsigned long long)mix(file),
	    (unsigned long long)mix(file + 1), (unsigned long long)mix(file + 2), (unsigned long long)mix(file + 3));
	set_parent(g, host, p);
	bool rare = g->config.rare_every && g->n % g->config.rare_every == g->config.rare_every / 2;
	set_str(g, 'w', rare ? STR(" --tag " GENERATE_RARE) : STR(""));
}

static const char process[] =
        "\"EventID\":1,\"EventRecordID\":%R,\"ThreadID\":%h,"
        "\"ProcessGuid\":\"%G\",\"ProcessId\":%g,\"Image\":\"%i\",\"CommandLine\":\"%C%w\","
        "\"User\":\"%A\",\"LogonId\":\"%L\",\"IntegrityLevel\":\"%l\",\"Hashes\":\"%F\",\"ParentProcessGuid\":\"%K\","
        "\"ParentProcessId\":%J,\"ParentImage\":\"%j\"}";

static void fill_network(struct generator *g)
{
	uint32_t host = HOST_FIREWALL + zipf(g, GENERATE_HOSTS - HOST_FIREWALL), to = zipf(g, 3000);
	const struct service *service = &COMMON(g, services);
	set_happened(g, 150 * MS, true);
	set_bsd_time(g, 't', g->time);
	set_host(g, 'H', host);
	set_address(g, 'c', HOST_PC + zipf(g, HOST_FIREWALL - HOST_PC));
	if (to % 2)
		set_outside(g, 'd', to);
	else
		set_address(g, 'd', to / 2 % HOST_PC);
	bool deny = below(g, 100) < 9;
	unsigned long long sent = magnitude(g, 60, 200000), got = deny ? 0 : magnitude(g, 60, 5000000);
	set_str(g, 'k', deny ? STR("deny") : STR("allow"));
	set_str(g, 'n', service->udp ? STR("udp") : STR("tcp"));
	set(g, 'o', "%u", 49152 + below(g, 16384));
	set(g, 'O', "%u", service->port);
	set(g, 's', "%llu", deny ? 60 : sent);
	set(g, 'r', "%llu", got);
	set(g, 'e', "%llu", deny ? 0 : (unsigned long long)magnitude(g, 1, 600000));
	set(g, 'f', "%u", g->flow += 1 + below(g, 40));
	set(g, 'y', "%u", deny ? 999 : zipf(g, 90));
}

static const char network[] =
        "\"event.original\":\"<134>%t %H flow: id=%f action=%k proto=%n src=%c spt=%o dst=%d dpt=%O policy=%y sent=%s "
        "rcvd=%r ms=%e\",\"log.syslog.priority\":134,\"process.name\":\"flow\",\"id\":%f,\"action\":\"%k\","
        "\"proto\":\"%n\",\"src\":\"%c\",\"spt\":%o,\"dst\":\"%d\",\"dpt\":%O,\"policy\":%y,\"sent\":%s,\"rcvd\":%r,"
        "\"ms\":%e}";

/* How an event begins: with what the hub puts there, and with a shipper's id. */
static const char head[] = "{\"@timestamp\":\"%T\",\"host.name\":\"%H\",\"event.dataset\":\"%D\",";
static const char head_id[] = "\"khien.id\":\"%I\",";
static const char head_hub[] = "\"khien.received\":\"%N\",\"khien.source\":\"%B %H\",";

static const struct kind {
	const char *dataset, *template, *by;
	void (*fill)(struct generator *g);
	bool shipped;
} kinds[] = {
	{ "nginx.access", web, "syslog-tcp", fill_web, false },
	{ "linux.auth", linux_auth, "syslog-udp", fill_linux, false },
	{ "winlog.security", security, "http", fill_security, true },
	{ "winlog.sysmon", process, "http", fill_process, true },
	{ "firewall.flow", network, "syslog-udp", fill_network, false },
};

/* Of 8 events; "auth" is two datasets. */
static const uint8_t turn[8] = { 0, 0, 1, 2, 3, 3, 4, 4 };

static void add(struct generator *g, const char *template)
{
	g->n_json += expand(g, g->json + g->n_json, JSON_MAX - g->n_json, template);
}

void generate_next(struct generator *g, struct generated *ret)
{
	bool rare = g->config.rare_every && g->n % g->config.rare_every == g->config.rare_every / 2;
	const struct kind *kind = &kinds[rare ? 3 : turn[below(g, ARRAY_LEN(turn))]];
	unsigned hour = (unsigned)(g->received / HOUR % 24);
	g->received += (int64_t)(-log(unit(g)) * (double)g->config.gap / load_by_hour[hour]) + 1;
	g->n_text = g->n_json = 0;
	kind->fill(g);
	set_time(g, 'N', g->received);
	set_str(g, 'D', str_from(kind->dataset));
	set_str(g, 'B', str_from(kind->by));
	add(g, head);
	if (kind->shipped)
		add(g, head_id);
	if (!g->config.bare)
		add(g, head_hub);
	add(g, kind->template);
	g->n++;
	*ret = (struct generated){ .time = g->time, .dataset = g->slot['D'], .json = { g->json, g->n_json } };
	if (kind->shipped)
		ret->id = g->slot['I'];
}

struct generator *generate_new(const struct generate_config *config)
{
	struct generator *g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->config = *config;
	g->state = config->seed;
	g->received = config->begin;
	g->second = -1;
	for (uint32_t i = 0; i < GENERATE_HOSTS; i++) {
		g->record[i] = below(g, 40000000);
		g->logon[i] = below(g, 0x4000000);
	}
	return g;
}

void generate_free(struct generator *g)
{
	free(g);
}
