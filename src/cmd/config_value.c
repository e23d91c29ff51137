/* Values of khien.yaml, kind by kind: read, held against their bounds, and when wrong told what to write instead. */
#include "cmd/config_key.h"
#include "cmd/opt.h"
#include "pki/pki.h"
#include "post/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *keep(struct config_reader *r, struct str s)
{
	const char *p = arena_copy(&r->config->arena, s).p;
	if (!p)
		config_wrong(r, NULL, "out of memory");
	return p;
}

/* --- addresses --- */

bool config_address(const char *text, bool *loopback, bool *any)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	struct in6_addr v6;
	struct in_addr v4;
	size_t n = colon ? (size_t)(colon - text) : 0;
	if (!n || n >= sizeof(host) || colon[1] < '1' || colon[1] > '9')
		return false;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (*end || port > 65535)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &v4) == 1) {
		*loopback = ntohl(v4.s_addr) >> 24 == 127;
		*any = v4.s_addr == 0;
		return true;
	}
	if (host[0] != '[' || host[n - 1] != ']')
		return false;
	host[n - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &v6) != 1)
		return false;
	*loopback = IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
	*any = IN6_IS_ADDR_UNSPECIFIED(&v6);
	return true;
}

/* What exactly is wrong with an address. */
static void bad_address(struct config_reader *r, const struct yaml_node *node)
{
	const char *text = node->text.p, *colon = strrchr(text, ':');
	char *end;
	size_t colons = 0;
	for (const char *c = text; *c; c++)
		colons += *c == ':';
	bool digits = colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
	if (colons > 1 && text[0] != '[')
		config_wrong(r, node, "'%s': an IPv6 address stands in brackets: write '[::1]:9200'", text);
	else if (!colon || (text[0] == '[' && !strstr(text, "]:")))
		config_wrong(r, node, "'%s' has no port: write '%s:9200'", text, text);
	else if (digits && (strtoul(colon + 1, &end, 10) > 65535 || colon[1] == '0'))
		config_wrong(r, node, "'%s': a port is a number from 1 to 65535", text);
	else
		config_wrong(r, node,
		             "'%s' is no address with a port: write '127.0.0.1:9200', or '0.0.0.0:9200' for all "
		             "addresses of this machine",
		             text);
}

/* --- texts and paths --- */

static bool need_absolute(struct config_reader *r, const struct yaml_node *node)
{
	if (node->text.p[0] != '/')
		config_wrong(r, node, "'%s' is no absolute path: it begins with '/'", node->text.p);
	else if (node->text.n >= PATH_MAX)
		config_wrong(r, node, "the path has more than %d bytes", PATH_MAX - 1);
	else
		return true;
	return false;
}

/* The first folder at or above path, of path's own length, that is there; into buf. */
static void nearest_folder(const char *path, char *buf, struct stat *st)
{
	size_t n = strlen(path);
	memcpy(buf, path, n + 1);
	while (stat(buf, st) && n > 1) {
		while (n > 1 && buf[n - 1] != '/')
			n--;
		while (n > 1 && buf[n - 1] == '/')
			n--;
		buf[n] = '\0';
	}
}

static bool check_folder(struct config_reader *r, const struct yaml_node *node)
{
	char above[PATH_MAX];
	struct stat st;
	if (!need_absolute(r, node))
		return false;
	nearest_folder(node->text.p, above, &st);
	if (S_ISDIR(st.st_mode))
		return true;
	config_wrong(r, node, "'%s' is no folder: write one that is there, or that can be made", above);
	return false;
}

static bool check_path(struct config_reader *r, const struct yaml_node *node)
{
	char above[PATH_MAX];
	struct stat st;
	if (!need_absolute(r, node))
		return false;
	if (!stat(node->text.p, &st))
		return true;
	if (errno != ENOENT && errno != ENOTDIR) {
		config_wrong(r, node, "'%s': %s", node->text.p, strerror(errno));
		return false;
	}
	nearest_folder(node->text.p, above, &st);
	config_wrong(r, node, "there is no '%s' (there is '%s'): make it, or write one that is there", node->text.p,
	             above);
	return false;
}

/* A log that isn't there yet may come; a folder that isn't there is rather a slip. */
static bool check_pattern(struct config_reader *r, const struct yaml_node *node)
{
	char folder[PATH_MAX];
	if (!need_absolute(r, node))
		return false;
	size_t n = strcspn(node->text.p, "*?[");
	while (n > 1 && node->text.p[n - 1] != '/')
		n--;
	memcpy(folder, node->text.p, n);
	folder[n] = '\0';
	if (access(folder, F_OK))
		config_warn(r, node, "there is no folder '%s': nothing is followed there until it comes", folder);
	return true;
}

/* An address, or one with the number of bits that count. */
static bool is_network(const char *text)
{
	unsigned char bytes[16];
	char host[INET6_ADDRSTRLEN], *end = NULL;
	const size_t n = strcspn(text, "/");
	if (!n || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	const unsigned long most = inet_pton(AF_INET, host, bytes) == 1    ? 32
	                           : inet_pton(AF_INET6, host, bytes) == 1 ? 128
	                                                                   : 0;
	if (!most || !text[n])
		return most;
	return text[n + 1] >= '0' && text[n + 1] <= '9' && strtoul(text + n + 1, &end, 10) <= most && !*end;
}

static bool is_url(struct str s)
{
	const struct str host = str_sub(s, str_starts(s, STR("https://")) ? 8 : 7, s.n);
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] > '~')
			return false;
	return (str_starts(s, STR("https://")) || str_starts(s, STR("http://"))) && host.n && host.p[0] != '/' &&
	       str_find(host, '@') == host.n;
}

/* A password is no matter for this file: who may read it need not know it, and processes' lists show nothing of it. */
static bool check_base(struct config_reader *r, const struct yaml_node *node)
{
	struct str rest = node->text;
	if (str_starts(rest, STR("sqlite:/")) && rest.p[rest.n - 1] != '/')
		return true;
	if (!str_starts(rest, STR("postgresql://"))) {
		config_wrong(r, node,
		             "'%s' is no database: write 'sqlite:/var/lib/khien/kiosk/store/kiosk.db' or "
		             "'postgresql://kiosk@/kiosk?host=/run/postgresql'",
		             node->text.p);
		return false;
	}
	rest = str_sub(rest, strlen("postgresql://"), rest.n);
	const struct str user = str_sub(rest, 0, str_find(rest, '@'));
	if ((user.n < rest.n && str_find(user, ':') < user.n) || strstr(rest.p, "password=")) {
		config_wrong(r, node, "a password doesn't stand here: it comes from PGPASSWORD or ~/.pgpass");
		return false;
	}
	return true;
}

static bool check_text(struct config_reader *r, const struct config_key *key, const struct yaml_node *node)
{
	bool loopback, any;
	switch (key->kind) {
	case CONFIG_FOLDER: return check_folder(r, node);
	case CONFIG_PATH: return check_path(r, node);
	case CONFIG_PATTERN: return check_pattern(r, node);
	case CONFIG_FILE: return need_absolute(r, node);
	case CONFIG_BASE: return check_base(r, node);
	case CONFIG_NETWORK:
		if (is_network(node->text.p))
			return true;
		config_wrong(r, node, "'%s' is no address and no network: write '10.0.0.5' or '10.0.0.0/8'",
		             node->text.p);
		return false;
	case CONFIG_URL:
		if (is_url(node->text))
			return true;
		config_wrong(r, node, "'%s' is no URL: write 'https://his.example.vn/fhir'", node->text.p);
		return false;
	case CONFIG_ADDRESS:
		if (config_address(node->text.p, &loopback, &any))
			return true;
		bad_address(r, node);
		return false;
	case CONFIG_PEER:
		if (!dial_split(node->text.p, (char[DIAL_HUB]){ 0 }, (char[8]){ 0 }))
			return true;
		config_wrong(r, node, "'%s' is no host with a port: write 'hub.example.vn:9200' or '10.0.0.5:9200'",
		             node->text.p);
		return false;
	case CONFIG_NAME:
		if (pki_is_name(node->text))
			return true;
		config_wrong(r, node, "'%s' is no host name and no address: write 'hub.example.vn' or '10.0.0.5'",
		             node->text.p);
		return false;
	default:
		if (pki_is_title(node->text))
			return true;
		config_wrong(r, node, "'%s': a name has 1 to %d bytes, all visible, and no blank at its ends",
		             node->text.p, PKI_TITLE_MAX);
		return false;
	}
}

/* A text of any kind; NULL: it is wrong, and that has been said. */
static const char *text_of(struct config_reader *r, const struct config_key *key, const struct yaml_node *node)
{
	if (node->kind != YAML_SCALAR) {
		config_wrong(r, node, "one value is wanted here, not a %s",
		             node->kind == YAML_LIST ? "list" : "map of keys");
		return NULL;
	}
	if (memchr(node->text.p, '\0', node->text.n)) {
		config_wrong(r, node, "a NUL can't stand here");
		return NULL;
	}
	return check_text(r, key, node) ? keep(r, node->text) : NULL;
}

static void set_list(struct config_reader *r, const struct config_key *key, const struct yaml_node *node,
                     struct config_list *to)
{
	size_t max = key->max ? key->max : CONFIG_LIST_MAX, n = 0;
	const struct yaml_item one = { .value = node };
	const struct yaml_item *first = node->kind == YAML_LIST ? node->items : &one;
	size_t wanted = node->kind == YAML_LIST ? node->n : 1;
	if (wanted > max) {
		config_wrong(r, node, "%zu entries: at most %zu", wanted, max);
		return;
	}
	const char **at = arena_alloc(&r->config->arena, (wanted + 1) * sizeof(*at));
	if (!at) {
		config_wrong(r, NULL, "out of memory");
		return;
	}
	for (const struct yaml_item *i = first; i; i = i->next) {
		const char *text = text_of(r, key, i->value);
		for (size_t k = 0; text && k < n; k++)
			if (strcmp(at[k], text) == 0) {
				config_wrong(r, i->value, "'%s' stands here twice", text);
				text = NULL;
			}
		if (text)
			at[n++] = text;
	}
	at[n] = NULL;
	*to = (struct config_list){ at, n };
}

/* --- other kinds --- */

static void set_bool(struct config_reader *r, const struct yaml_node *node, bool *to)
{
	if (!yaml_is_bool(node, to))
		config_wrong(r, node, "write true or false");
}

static void set_choice(struct config_reader *r, const struct config_key *key, const struct yaml_node *node, int *to)
{
	struct buf known = { 0 };
	for (int i = 0; key->choices[i]; i++) {
		if (node->kind == YAML_SCALAR && strcmp(node->text.p, key->choices[i]) == 0) {
			*to = key->first + i;
			buf_free(&known);
			return;
		}
		buf_printf(&known, "%s%s", i ? ", " : "", key->choices[i]);
	}
	config_wrong(r, node, "write one of " STR_FMT, STR_ARG(buf_str(&known)));
	buf_free(&known);
}

static bool size_of(struct str text, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = { { "b", 1 },
		      { "kb", 1000 },
		      { "mb", 1000000 },
		      { "gb", 1000000000 },
		      { "tb", 1000000000000 },
		      { "kib", 1ull << 10 },
		      { "mib", 1ull << 20 },
		      { "gib", 1ull << 30 },
		      { "tib", 1ull << 40 } };
	size_t digits = strspn(text.p, "0123456789");
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text.p, &end, 10);
	if (!digits || errno)
		return false;
	struct str unit = str_trim(str_sub(text, digits, text.n));
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcasecmp(unit.p, units[i].name) == 0 && n <= UINT64_MAX / 2 / units[i].bytes) {
			*ret = n * units[i].bytes;
			return true;
		}
	return false;
}

static void set_size(struct config_reader *r, const struct config_key *key, const struct yaml_node *node, uint64_t *to)
{
	bool scalar = node->kind == YAML_SCALAR;
	if (scalar && key->or_auto && strcmp(node->text.p, "auto") == 0)
		*to = CONFIG_AUTO;
	else if (!scalar || !size_of(node->text, to))
		config_wrong(r, node,
		             "%s%s%sa size is a whole number and B, kB, MB, GB or TB (or KiB, MiB, GiB, TiB): "
		             "write '10 GB'%s",
		             scalar ? "'" : "", scalar ? node->text.p : "", scalar ? "': " : "",
		             key->or_auto ? " or auto" : "");
}

static void set_span(struct config_reader *r, const struct yaml_node *node, int64_t *to)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	static const uint64_t most = 1000000;
	const char *unit = NULL;
	uint64_t n = 0;
	if (node->kind == YAML_SCALAR) {
		const size_t digits = strspn(node->text.p, "0123456789");
		n = digits && digits < 8 ? strtoull(node->text.p, NULL, 10) : 0;
		unit = node->text.n == digits + 1 ? strchr(units, node->text.p[digits]) : NULL;
	}
	if (n && n <= most && unit)
		*to = (int64_t)n * seconds[unit - units] * 1000000;
	else
		config_wrong(r, node, "a time span is a whole number and s, m, h or d: write '24h'");
}

static bool set_age(struct config_reader *r, const struct yaml_node *node, struct event_age *to)
{
	static const char *const names[] = { "dataset", "days" };
	static const uint64_t most = 36525;
	const struct yaml_node *dataset = yaml_get(node, "dataset"), *days = yaml_get(node, "days");
	unsigned before = r->n_errors;
	char *end = NULL;
	if (node->kind != YAML_MAP) {
		config_wrong(r, node, "write { dataset: \"*\", days: 366 }");
		return false;
	}
	for (const struct yaml_item *i = node->items; i; i = i->next)
		if (i->value != dataset && i->value != days) {
			const char *near = opt_nearest(i->key->text.p, names, ARRAY_LEN(names));
			config_wrong(r, i->key, "unknown key '%s'%s%s%s", i->key->text.p,
			             near ? "; did you mean '" : "", near ? near : "",
			             near ? "'?" : "; it has dataset and days");
		}
	if (!dataset || !days)
		config_wrong(r, node, "%s is missing: write { dataset: \"*\", days: 366 }",
		             dataset ? "days" : "dataset");
	if (dataset && (dataset->kind != YAML_SCALAR || !dataset->text.n || dataset->text.n > EVENT_DATASET_MAX ||
	                memchr(dataset->text.p, '\0', dataset->text.n)))
		config_wrong(r, dataset, "a dataset is a pattern of 1 to %d bytes, as in \"nginx.*\"",
		             EVENT_DATASET_MAX);
	bool number =
	        days && days->kind == YAML_SCALAR && days->text.n && strspn(days->text.p, "0123456789") == days->text.n;
	uint64_t n = number ? strtoull(days->text.p, &end, 10) : 0;
	if (days && (!number || n > most))
		config_wrong(r, days, "days is a number from 0 (as long as there is room) to %llu",
		             (unsigned long long)most);
	if (r->n_errors != before)
		return false;
	const char *text = keep(r, dataset->text);
	*to = (struct event_age){ .dataset = { text, text ? dataset->text.n : 0 }, .days = (uint32_t)n };
	return text != NULL;
}

static void set_ages(struct config_reader *r, const struct yaml_node *node)
{
	if (node->kind != YAML_LIST || node->n > CONFIG_LIST_MAX) {
		config_wrong(r, node, "a list of up to %d is wanted: write [{ dataset: \"*\", days: 366 }]",
		             CONFIG_LIST_MAX);
		return;
	}
	struct event_age *at = arena_alloc(&r->config->arena, (node->n + 1) * sizeof(*at));
	size_t n = 0;
	if (!at) {
		config_wrong(r, NULL, "out of memory");
		return;
	}
	for (const struct yaml_item *i = node->items; i; i = i->next)
		if (set_age(r, i->value, &at[n]))
			n++;
	r->config->hub.ages = at;
	r->config->hub.n_ages = n;
}

void config_set(struct config_reader *r, const struct config_key *key, const struct yaml_node *node)
{
	void *to = (char *)r->config + key->at;
	const char *text;
	if (key->list) {
		set_list(r, key, node, to);
		return;
	}
	switch (key->kind) {
	case CONFIG_BOOL: set_bool(r, node, to); return;
	case CONFIG_CHOICE: set_choice(r, key, node, to); return;
	case CONFIG_SIZE: set_size(r, key, node, to); return;
	case CONFIG_SPAN: set_span(r, node, to); return;
	case CONFIG_AGES: set_ages(r, node); return;
	default: break;
	}
	text = text_of(r, key, node);
	if (text)
		*(const char **)to = text;
}
