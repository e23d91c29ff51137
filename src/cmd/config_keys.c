/* Every key of khien.yaml; and the two texts that are made of them. */
#include "cmd/config_key.h"
#include "pki/pki.h"

#define HUB(member)   offsetof(struct config, hub.member)
#define POST(member)  offsetof(struct config, post.member)
#define KIOSK(member) offsetof(struct config, kiosk.member)
#define GATE(member)  offsetof(struct config, gate.member)

static const char *const clients[] = { "ca", "any", NULL };
static const char *const roles[] = { "primary", "standby", NULL };
static const char *const gate_modes[] = { "on", "watch", "off", NULL };
static const char *const waf_levels[] = { "1", "2", "3", "4", NULL };
static const char *const languages[] = { "auto", "vi", "en", "zh", NULL };

/*
 * Vietnam's Decree 53/2022/ND-CP, article 27, names 12 months at least for the system logs that it is about. Whom it
 * concerns, and what came after it, is not for a program to say; nor does an event say for sure that it is none of
 * these. So the default holds for all; 12 months can have 366 days.
 */
#define RETENTION "[{ dataset: \"*\", days: 366 }]"

/* clang-format off */
const struct config_key config_keys[] = {
	{ .name = "hub.data", .kind = CONFIG_FOLDER, .at = HUB(data),
	  .found = "/var/lib/khien/hub for root, else ~/.local/state/khien/hub",
	  .help = "The folder that events, state and certificates are kept in.",
	  .example = "/var/lib/khien/hub" },
	{ .name = "hub.unit", .kind = CONFIG_TITLE, .at = HUB(unit),
	  .found = "the host name",
	  .help = "Whose hub it is: stands in events and in the CA's certificate.",
	  .example = "Benh vien A" },
	{ .name = "hub.rules", .kind = CONFIG_PATH, .list = true, .at = HUB(rules), .fallback = "[]",
	  .help = "Folders and files with Sigma rules. None: khien's own.",
	  .example = "[/usr/share/khien/rules]" },
	{ .name = "hub.language", .kind = CONFIG_CHOICE, .at = HUB(language), .fallback = "auto",
	  .choices = languages, .first = -1,
	  .help = "Of alerts and messages: vi, en, zh; auto: from LC_ALL, LC_MESSAGES, LANG." },
	{ .name = "hub.files", .kind = CONFIG_PATTERN, .list = true, .at = HUB(files), .fallback = "[]",
	  .help = "Logs of this machine to follow; * ? and [] as in a shell.",
	  .example = "[/var/log/nginx/*.log]" },
	{ .name = "hub.journal", .kind = CONFIG_BOOL, .at = HUB(journal), .fallback = "true",
	  .help = "Follow this machine's journal." },
	{ .name = "hub.names", .kind = CONFIG_NAME, .list = true, .at = HUB(names), .max = PKI_NAMES_MAX,
	  .found = "the host name, localhost, 127.0.0.1, ::1, and the addresses that are listened on",
	  .help = "Names and addresses that shippers reach the hub under: its certificate is for them.",
	  .example = "[hub.example.vn, 10.0.0.5, localhost]" },

	{ .name = "hub.listen.https", .kind = CONFIG_ADDRESS, .list = true, .at = HUB(https),
	  .fallback = "[127.0.0.1:9200]",
	  .help = "For shippers and posts, over TLS. 0.0.0.0:9200 is every IPv4 address, '[::]:9200' every IPv6 one." },
	{ .name = "hub.listen.http", .kind = CONFIG_ADDRESS, .list = true, .at = HUB(http), .fallback = "[]",
	  .help = "The same in plain text, on loopback: for programs of this machine, or a proxy." },
	{ .name = "hub.listen.syslog", .kind = CONFIG_ADDRESS, .list = true, .at = HUB(syslog),
	  .fallback = "[127.0.0.1:5514]",
	  .help = "Syslog over UDP and TCP, plain text." },
	{ .name = "hub.listen.syslog_tls", .kind = CONFIG_ADDRESS, .list = true, .at = HUB(syslog_tls),
	  .fallback = "[127.0.0.1:6514]",
	  .help = "Syslog over TLS." },
	{ .name = "hub.listen.syslog_tls_clients", .kind = CONFIG_CHOICE, .at = HUB(syslog_tls_clients),
	  .fallback = "ca", .choices = clients, .first = CONFIG_CLIENTS_CA,
	  .help = "Who may send there. ca: who has a certificate of the hub's CA (khien ca issue --client); any: all." },
	{ .name = "hub.listen.plain", .kind = CONFIG_BOOL, .at = HUB(plain), .fallback = "false",
	  .help = "http and syslog may listen beyond loopback: everyone on the way can read and forge what they carry." },

	{ .name = "hub.store.max_size", .kind = CONFIG_SIZE, .at = HUB(max_size), .fallback = "auto", .or_auto = true,
	  .help = "The most that events may take up; the oldest day goes first. auto: four fifths of the file system." },
	{ .name = "hub.store.min_free", .kind = CONFIG_SIZE, .at = HUB(min_free), .fallback = "1 GB",
	  .help = "What stays free on the file system; the oldest day goes before that." },
	{ .name = "hub.store.retention", .kind = CONFIG_AGES, .fallback = RETENTION,
	  .help = "How long events are kept, by event.dataset: the first pattern that fits counts; 0 days: as long as there\n"
	          "is room. Rules that hold for you may want more than these 12 months, or less." },

	{ .name = "post.data", .kind = CONFIG_FOLDER, .at = POST(data),
	  .found = "/var/lib/khien/post for root, else ~/.local/state/khien/post",
	  .help = "The folder that khien post keeps its key and its spool in.",
	  .example = "/var/lib/khien/post" },
	{ .name = "post.hubs", .kind = CONFIG_PEER, .list = true, .at = POST(hubs), .fallback = "[]", .max = 8,
	  .help = "Hubs to send to, the preferred one first. None: those that the enrolment named.",
	  .example = "[hub.example.vn:9200, 10.0.0.5:9200]" },
	{ .name = "post.files", .kind = CONFIG_PATTERN, .list = true, .at = POST(files), .fallback = "[]",
	  .help = "Logs to follow; * ? and [] as in a shell.",
	  .example = "[/var/log/nginx/*.log]" },
	{ .name = "post.journal", .kind = CONFIG_BOOL, .at = POST(journal), .fallback = "true",
	  .help = "Follow this machine's journal and its usual text logs." },
	{ .name = "post.syslog", .kind = CONFIG_ADDRESS, .list = true, .at = POST(syslog), .fallback = "[]",
	  .help = "Syslog over UDP and TCP from programs of this machine: an address of loopback.",
	  .example = "[127.0.0.1:5514]" },
	{ .name = "post.follow_below", .kind = CONFIG_PATH, .list = true, .at = POST(below), .fallback = "[/var/log]",
	  .help = "Folders below which an order of the hub may have a file followed." },
	{ .name = "post.spool.max_size", .kind = CONFIG_SIZE, .at = POST(max_size), .fallback = "1 GB",
	  .help = "The most that may wait for the hub, compressed; the least important of the oldest goes first." },
	{ .name = "post.spool.max_age", .kind = CONFIG_SPAN, .at = POST(max_age), .fallback = "24h",
	  .help = "What waited for longer goes. Hours in which the post didn't run don't count." },

	{ .name = "kiosk.data", .kind = CONFIG_FOLDER, .at = KIOSK(data),
	  .found = "/var/lib/khien/kiosk for root, else ~/.local/state/khien/kiosk",
	  .help = "The folder that the kiosk keeps its database, its key and its state in.",
	  .example = "/var/lib/khien/kiosk" },
	{ .name = "kiosk.database", .kind = CONFIG_BASE, .at = KIOSK(database),
	  .found = "SQLite in the folder",
	  .help = "sqlite:PATH, or a URI of PostgreSQL without a password: that comes from PGPASSWORD or ~/.pgpass.",
	  .example = "postgresql://kiosk@/kiosk?host=/run/postgresql" },
	{ .name = "kiosk.key_file", .kind = CONFIG_FILE, .at = KIOSK(key_file),
	  .found = "key in the folder",
	  .help = "The key that patients' data is sealed with; made at the first start. Keep a copy of it elsewhere: without\n"
	          "it the data can't be read. Both kiosks and the register have the same.",
	  .example = "/etc/khien/kiosk.key" },
	{ .name = "kiosk.listen.http", .kind = CONFIG_ADDRESS, .list = true, .at = KIOSK(http), .max = 8,
	  .fallback = "[127.0.0.1:8480]",
	  .help = "Pages without TLS, for a proxy of this machine." },
	{ .name = "kiosk.listen.https", .kind = CONFIG_ADDRESS, .list = true, .at = KIOSK(https), .max = 8,
	  .fallback = "[]",
	  .help = "Pages over TLS.",
	  .example = "[0.0.0.0:443]" },
	{ .name = "kiosk.listen.plain", .kind = CONFIG_BOOL, .at = KIOSK(plain), .fallback = "false",
	  .help = "http may listen beyond loopback: everyone on the way can read patients' names and phone numbers." },
	{ .name = "kiosk.proxies", .kind = CONFIG_NETWORK, .list = true, .at = KIOSK(proxies),
	  .fallback = "[127.0.0.1, '::1']", .max = 64,
	  .help = "Addresses and networks of proxies whose X-Forwarded-For is believed." },
	{ .name = "kiosk.tls.certificate", .kind = CONFIG_FILE, .at = KIOSK(certificate),
	  .found = "of the hub's CA on this machine, for kiosk.tls.names",
	  .help = "The certificate and what stands above it, PEM.",
	  .example = "/etc/khien/kiosk.crt" },
	{ .name = "kiosk.tls.key", .kind = CONFIG_FILE, .at = KIOSK(key),
	  .found = "of the hub's CA on this machine",
	  .help = "Its key, PEM.",
	  .example = "/etc/khien/kiosk.crt.key" },
	{ .name = "kiosk.tls.names", .kind = CONFIG_NAME, .list = true, .at = KIOSK(names), .max = PKI_NAMES_MAX,
	  .fallback = "[]",
	  .help = "Names and addresses that people reach the kiosk under, for a certificate of the hub's CA.",
	  .example = "[dangky.example.vn]" },
	{ .name = "kiosk.standby.role", .kind = CONFIG_CHOICE, .at = KIOSK(role), .fallback = "primary",
	  .choices = roles, .first = CONFIG_PRIMARY,
	  .help = "What this kiosk is at its first start: primary, standby. From then on its data says." },
	{ .name = "kiosk.standby.listen", .kind = CONFIG_ADDRESS, .at = KIOSK(standby_listen),
	  .found = "there is no other kiosk",
	  .help = "Where the other kiosk is taken: nothing is confirmed that the standby doesn't have.",
	  .example = "10.0.0.5:8481" },
	{ .name = "kiosk.standby.peer", .kind = CONFIG_PEER, .at = KIOSK(peer),
	  .found = "there is no other kiosk",
	  .help = "The other kiosk: its kiosk.standby.listen.",
	  .example = "10.0.0.6:8481" },
	{ .name = "kiosk.standby.name", .kind = CONFIG_TITLE, .at = KIOSK(name),
	  .found = "the host name",
	  .help = "What this kiosk is called in the register: the other one is called otherwise.",
	  .example = "kiosk1" },
	{ .name = "kiosk.standby.register", .kind = CONFIG_PEER, .at = KIOSK(witness),
	  .found = "none: a person has to say who goes on",
	  .help = "Where 'khien kiosk register' runs, on a third machine: it says who of the two may go on alone.",
	  .example = "10.0.0.7:8482" },
	{ .name = "kiosk.register.listen", .kind = CONFIG_ADDRESS, .at = KIOSK(register_listen),
	  .fallback = "127.0.0.1:8482",
	  .help = "Where 'khien kiosk register' takes the two kiosks." },
	{ .name = "kiosk.hospital.url", .kind = CONFIG_URL, .at = KIOSK(hospital),
	  .found = "none: bookings wait in the outbox",
	  .help = "The hospital's FHIR server, which each booking goes to.",
	  .example = "https://his.example.vn/fhir" },
	{ .name = "kiosk.hospital.token_file", .kind = CONFIG_FILE, .at = KIOSK(hospital_token),
	  .found = "none is shown",
	  .help = "A file with the token that the hospital's server wants.",
	  .example = "/etc/khien/hospital.token" },
	{ .name = "kiosk.hospital.ca", .kind = CONFIG_FILE, .at = KIOSK(hospital_ca),
	  .found = "none: then the URL begins with http://",
	  .help = "A file with the certificate, PEM, of the CA that the hospital's server has its own from.",
	  .example = "/etc/khien/hospital-ca.crt" },
	{ .name = "kiosk.hospital.accept_file", .kind = CONFIG_FILE, .at = KIOSK(token),
	  .found = "none: neither /fhir nor /metrics is there",
	  .help = "A file with the token that has to be shown here for /fhir and /metrics, as in 'Authorization: Bearer TOKEN'.",
	  .example = "/etc/khien/kiosk.token" },

	{ .name = "gate.data", .kind = CONFIG_FOLDER, .at = GATE(data),
	  .found = "/var/lib/khien/gate for root, else ~/.local/state/khien/gate",
	  .help = "The folder that the gate keeps its key, nginx's configuration and what operators said in.",
	  .example = "/var/lib/khien/gate" },
	{ .name = "gate.upstream", .kind = CONFIG_URL, .at = GATE(upstream),
	  .found = "none: --upstream has to say it",
	  .help = "The site that the gate stands in front of: http:// or https://, a name or an address, and a port; no path.",
	  .example = "https://his.example.vn:8443" },
	{ .name = "gate.upstream_ca", .kind = CONFIG_FILE, .at = GATE(upstream_ca),
	  .found = "those that this machine trusts",
	  .help = "A file with the certificate, PEM, of the CA that a site behind https:// has its own from.",
	  .example = "/etc/khien/site-ca.crt" },
	{ .name = "gate.names", .kind = CONFIG_NAME, .list = true, .at = GATE(names), .max = PKI_NAMES_MAX,
	  .fallback = "[]",
	  .help = "Names that people reach the site under; who asks for another gets nothing. None: any name.",
	  .example = "[dangky.example.vn]" },
	{ .name = "gate.listen.http", .kind = CONFIG_ADDRESS, .list = true, .at = GATE(http), .max = 8,
	  .fallback = "[127.0.0.1:8080]",
	  .help = "Where visitors come without TLS. 0.0.0.0:80 is every IPv4 address, '[::]:80' every IPv6 one.",
	  .example = "[0.0.0.0:80, '[::]:80']" },
	{ .name = "gate.listen.https", .kind = CONFIG_ADDRESS, .list = true, .at = GATE(https), .max = 8,
	  .fallback = "[]",
	  .help = "Where visitors come over TLS.",
	  .example = "[0.0.0.0:443, '[::]:443']" },
	{ .name = "gate.tls.certificate", .kind = CONFIG_FILE, .at = GATE(certificate),
	  .found = "of the hub's CA on this machine, for gate.names; without one, signed by itself",
	  .help = "The certificate and what stands above it, PEM.",
	  .example = "/etc/letsencrypt/live/dangky.example.vn/fullchain.pem" },
	{ .name = "gate.tls.key", .kind = CONFIG_FILE, .at = GATE(key),
	  .found = "made with the certificate",
	  .help = "Its key, PEM.",
	  .example = "/etc/letsencrypt/live/dangky.example.vn/privkey.pem" },
	{ .name = "gate.tls.only", .kind = CONFIG_BOOL, .at = GATE(tls_only), .fallback = "false",
	  .help = "Who comes without TLS is led to https, and browsers are told to stay there for half a year." },
	{ .name = "gate.proxies", .kind = CONFIG_NETWORK, .list = true, .at = GATE(proxies), .fallback = "[]", .max = 64,
	  .help = "Addresses and networks of proxies in front of the gate, which say whose request it is.",
	  .example = "[10.0.0.0/8]" },
	{ .name = "gate.header", .kind = CONFIG_TITLE, .at = GATE(header), .fallback = "X-Forwarded-For",
	  .help = "Where those say it: a header, or proxy_protocol." },
	{ .name = "gate.contact", .kind = CONFIG_TITLE, .at = GATE(contact),
	  .found = "none",
	  .help = "Shown to who is turned away for a while: a phone number that helps.",
	  .example = "028 3999 0000" },
	{ .name = "gate.mode", .kind = CONFIG_CHOICE, .at = GATE(mode), .fallback = "on", .choices = gate_modes,
	  .first = CONFIG_GATE_ON,
	  .help = "on; watch: it says what it would do, and touches nobody; off: nginx alone." },
	{ .name = "gate.body_max", .kind = CONFIG_SIZE, .at = GATE(body_max), .fallback = "10 MB",
	  .help = "The most that one request may send." },
	{ .name = "gate.cache", .kind = CONFIG_BOOL, .at = GATE(cache), .fallback = "true",
	  .help = "Keep styles, scripts and pictures of the site, as far as it permits." },
	{ .name = "gate.access_log", .kind = CONFIG_FILE, .at = GATE(access_log),
	  .found = "none",
	  .help = "A file with a line for each request that was let through, in nginx's combined format.",
	  .example = "/var/log/khien/gate.log" },
	{ .name = "gate.waf.mode", .kind = CONFIG_CHOICE, .at = GATE(waf), .fallback = "on", .choices = gate_modes,
	  .first = CONFIG_GATE_ON,
	  .help = "ModSecurity with the Core Rule Set: on, watch, off. Without its packages on this machine it is off." },
	{ .name = "gate.waf.level", .kind = CONFIG_CHOICE, .at = GATE(waf_level), .fallback = "1", .choices = waf_levels,
	  .first = 1,
	  .help = "How much the Core Rule Set suspects: 1 to 4. Beyond 1 a site needs exclusions of its own." },
	{ .name = "gate.waf.exclusions", .kind = CONFIG_TITLE, .list = true, .at = GATE(exclusions), .max = 16,
	  .fallback = "[]",
	  .help = "What this site needs that the rules would take for an attack: kiosk, or names of files NAME.conf in the\n"
	          "folder exclusions of gate.data.",
	  .example = "[kiosk]" },
	{ .name = "gate.waf.crs", .kind = CONFIG_FOLDER, .at = GATE(crs), .fallback = "/usr/share/modsecurity-crs",
	  .help = "The folder of the Core Rule Set." },
	{ .name = "gate.waf.patches", .kind = CONFIG_FOLDER, .at = GATE(patches),
	  .found = "patches in the folder",
	  .help = "A folder with virtual patches: known holes of the site, closed in front of it.",
	  .example = "/etc/khien/patches" },
};
/* clang-format on */
const size_t n_config_keys = ARRAY_LEN(config_keys);
_Static_assert(ARRAY_LEN(config_keys) <= CONFIG_KEYS_MAX, "room for what was read of each");

/* --- the example --- */

static void comment(struct buf *out, int indent, const char *text)
{
	for (struct str left = str_from(text); left.n;) {
		size_t n = str_find(left, '\n');
		buf_printf(out, "%*s# " STR_FMT "\n", indent, "", STR_ARG(str_sub(left, 0, n)));
		left = str_sub(left, n + 1, left.n);
	}
}

/* Where the last part of a dotted name begins. */
static size_t last_part(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot ? (size_t)(dot - name) + 1 : 0;
}

/* The groups above a key that the one before it was not in, each a line. Returns the key's own indent. */
static int groups(struct buf *out, const char *before, const char *name)
{
	int indent = 0;
	for (size_t from = 0, end = last_part(name); from < end; indent += 2) {
		size_t n = strcspn(name + from, ".");
		if (strncmp(before, name, from + n + 1) != 0)
			buf_printf(out, "\n%*s%.*s:\n", indent, "", (int)n, name + from);
		from += n + 1;
	}
	return indent;
}

static const char *default_of(const struct config_key *k)
{
	const char *fallback = k->fallback && strcmp(k->fallback, "[]") != 0 ? k->fallback : "none";
	return k->found ? k->found : fallback;
}

void config_example(struct buf *out)
{
	const char *before = "";
	buf_add(out, STR("# khien.yaml. Every key has a default and may be left out; see khien.yaml(5).\n"
	                 "# 'khien check' says whether this file can be used, and what to write instead.\n"));
	for (size_t i = 0; i < n_config_keys; i++) {
		const struct config_key *k = &config_keys[i];
		int indent = groups(out, before, k->name);
		comment(out, indent, k->help);
		if (k->example)
			buf_printf(out, "%*s# Default: %s.\n", indent, "", default_of(k));
		buf_printf(out, "%*s#%s: %s\n", indent, "", k->name + last_part(k->name),
		           k->example ? k->example : k->fallback);
		before = k->name;
	}
}

void config_table(struct buf *out)
{
	static const char *const kinds[] = {
		[CONFIG_TITLE] = "text",         [CONFIG_NAME] = "name",       [CONFIG_FOLDER] = "folder",
		[CONFIG_PATH] = "path",          [CONFIG_PATTERN] = "pattern", [CONFIG_ADDRESS] = "address",
		[CONFIG_BOOL] = "true, false",   [CONFIG_SIZE] = "size",       [CONFIG_SPAN] = "time span",
		[CONFIG_PEER] = "host and port", [CONFIG_AGES] = "list",       [CONFIG_FILE] = "file",
		[CONFIG_NETWORK] = "network",    [CONFIG_URL] = "URL",         [CONFIG_BASE] = "database",
	};
	for (size_t i = 0; i < n_config_keys; i++) {
		const struct config_key *k = &config_keys[i];
		buf_printf(out, "%s\t%s", k->name, k->list ? "list of " : "");
		if (k->kind != CONFIG_CHOICE)
			buf_printf(out, "%s", kinds[k->kind]);
		for (size_t c = 0; k->kind == CONFIG_CHOICE && k->choices[c]; c++)
			buf_printf(out, "%s%s", c ? ", " : "", k->choices[c]);
		buf_printf(out, "\t%s\n", k->fallback ? k->fallback : k->found);
	}
}
