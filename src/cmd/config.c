/* khien.yaml: found, read, held against the table of keys, and completed with the defaults. */
#include "cmd/config.h"

#include "cmd/config_key.h"
#include "cmd/gate.h"
#include "cmd/opt.h"
#include "cmd/paths.h"
#include "cmd/term.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MAX_BYTES = 1 << 20, MAX_PROBLEMS = 100 };

/* --- what is wrong --- */

__attribute__((format(printf, 4, 0))) static void say(struct config_reader *r, const struct yaml_node *node,
                                                      const char *end, const char *fmt, va_list ap)
{
	char text[1024];
	struct buf line = { 0 };
	vsnprintf(text, sizeof(text), fmt, ap);
	if (node)
		buf_printf(&line, "%s:%u:%u: ", r->path, node->line, node->column);
	else
		buf_printf(&line, "%s: ", r->path);
	buf_printf(&line, "%s%s", text, end);
	term_safe(r->problems, buf_str(&line));
	buf_putc(r->problems, '\n');
	buf_free(&line);
}

void config_wrong(struct config_reader *r, const struct yaml_node *node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (++r->n_errors <= MAX_PROBLEMS)
		say(r, node, "", fmt, ap);
	va_end(ap);
}

void config_warn(struct config_reader *r, const struct yaml_node *node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(r, node, " (warning)", fmt, ap);
	va_end(ap);
}

/* --- the file --- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* -ENOENT without a word where `path` was not asked for by name. */
static int read_file(struct config_reader *r, bool named, struct buf *out)
{
	CLEANUP(close_fd) int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	if (fd < 0 && errno == ENOENT && !named)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st)) {
		int code = -errno;
		config_wrong(r, NULL, "%s", strerror(-code));
		return code;
	}
	char *at = S_ISREG(st.st_mode) && st.st_size <= MAX_BYTES ? buf_room(out, MAX_BYTES + 1) : NULL;
	ssize_t n = 0;
	while (at && out->n <= MAX_BYTES && (n = read(fd, at + out->n, MAX_BYTES + 1 - out->n)) != 0) {
		if (n > 0)
			out->n += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	if (at && n >= 0 && out->n <= MAX_BYTES)
		return 0;
	config_wrong(r, NULL, "it is no file of at most %d bytes that can be read", MAX_BYTES);
	return -EFBIG;
}

/* The file that is meant when none is named: the i-th to try. */
static bool usual_path(char *buf, size_t size, int i)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	bool own = geteuid() != 0;
	if (i == 1)
		return snprintf(buf, size, "/etc/khien/khien.yaml") > 0;
	if (i > 1 || !own)
		return false;
	int n = xdg && xdg[0] == '/'     ? snprintf(buf, size, "%s/khien/khien.yaml", xdg)
	        : home && home[0] == '/' ? snprintf(buf, size, "%s/.config/khien/khien.yaml", home)
	                                 : 0;
	return n > 0 && (size_t)n < size;
}

static int find_file(struct config_reader *r, const char *path, struct buf *text)
{
	char usual[PATH_MAX];
	int code = -ENOENT;
	if (path) {
		r->path = path;
		code = read_file(r, true, text);
	}
	for (int i = 0; !path && i < 2 && code == -ENOENT; i++) {
		if (!usual_path(usual, sizeof(usual), i))
			continue;
		const char *kept = arena_copy(&r->config->arena, str_from(usual)).p;
		r->path = kept ? kept : "khien.yaml";
		code = read_file(r, false, text);
	}
	if (!code)
		r->config->path = arena_copy(&r->config->arena, str_from(r->path)).p;
	return code;
}

/* --- keys --- */

struct walk {
	struct config_reader *r;
	struct arena arena;                             /* of the nodes */
	const struct yaml_node *given[CONFIG_KEYS_MAX]; /* by the key's number; NULL: not in the file */
};

/* A key's name below a prefix, up to the next dot; no such: n 0. */
static struct str part_below(const char *name, struct str prefix)
{
	struct str s = str_from(name);
	if (!str_starts(s, prefix))
		return (struct str){ "", 0 };
	s = str_sub(s, prefix.n, s.n);
	return str_sub(s, 0, str_find(s, '.'));
}

/* What could have been meant: a key of the same group that is near, else where a key of that name belongs. */
static void unknown(struct config_reader *r, const struct yaml_node *key, struct str prefix)
{
	char parts[CONFIG_KEYS_MAX][64], name[128];
	const char *words[CONFIG_KEYS_MAX] = { NULL };
	size_t n = 0;
	for (size_t i = 0; i < n_config_keys; i++) {
		struct str part = part_below(config_keys[i].name, prefix);
		if (part.n && part.n < sizeof(parts[0])) {
			snprintf(parts[n], sizeof(parts[0]), STR_FMT, STR_ARG(part));
			words[n] = parts[n];
			n++;
		}
	}
	const char *near = opt_nearest(key->text.p, words, n);
	if (near) {
		config_wrong(r, key, "unknown key '%s'; did you mean '%s'?", key->text.p, near);
		return;
	}
	snprintf(name, sizeof(name), ".%s", key->text.p);
	for (size_t i = 0; i < n_config_keys; i++)
		if (str_ends(str_from(config_keys[i].name), str_from(name))) {
			config_wrong(r, key, "'%s' doesn't belong here: it is %s", key->text.p, config_keys[i].name);
			return;
		}
	config_wrong(r, key, "unknown key '%s'; 'khien check --example' shows all that there are", key->text.p);
}

static void walk_map(struct walk *w, const struct yaml_node *map, struct str prefix);

static void walk_key(struct walk *w, const struct yaml_item *item, struct str prefix)
{
	char full[192];
	int n = snprintf(full, sizeof(full), STR_FMT STR_FMT ".", STR_ARG(prefix), STR_ARG(item->key->text));
	bool group = false;
	struct str below = { full, n > 0 && (size_t)n < sizeof(full) ? (size_t)n : 0 };
	for (size_t i = 0; below.n && i < n_config_keys; i++) {
		struct str name = str_from(config_keys[i].name);
		if (str_eq(name, str_sub(below, 0, below.n - 1))) {
			/* nothing behind the colon: as if it weren't there */
			if (!yaml_is_null(item->value)) {
				w->given[i] = item->value;
				config_set(w->r, &config_keys[i], item->value);
			}
			return;
		}
		group = group || str_starts(name, below);
	}
	if (group && (item->value->kind == YAML_MAP || yaml_is_null(item->value)))
		walk_map(w, item->value, below);
	else if (group)
		config_wrong(w->r, item->value, "'%s' has keys of its own: they stand indented below it",
		             item->key->text.p);
	else
		unknown(w->r, item->key, prefix);
}

static void walk_map(struct walk *w, const struct yaml_node *map, struct str prefix)
{
	for (const struct yaml_item *i = map->kind == YAML_MAP ? map->items : NULL; i; i = i->next)
		walk_key(w, i, prefix);
}

static void read_text(struct walk *w, struct str text)
{
	const struct yaml_node *doc, *more;
	struct yaml_reader *y;
	struct yaml_error e;
	if (yaml_open(&y, &w->arena, text)) {
		config_wrong(w->r, NULL, "out of memory");
		return;
	}
	int got = yaml_next(y, &doc, &e);
	if (got < 0) {
		const struct yaml_node at = { .line = e.line, .column = e.column };
		config_wrong(w->r, got == -EBADMSG ? &at : NULL, "%s", got == -EBADMSG ? e.reason : "out of memory");
	} else if (got && doc->kind != YAML_MAP && !yaml_is_null(doc)) {
		config_wrong(w->r, doc, "sections are wanted here: write 'hub:' and its keys indented below it");
	} else if (got) {
		walk_map(w, doc, STR(""));
		if (yaml_next(y, &more, &e) > 0)
			config_wrong(w->r, more, "a second document: this file has one");
	}
	yaml_close(y);
}

/* --- defaults --- */

static void set_fallbacks(struct config_reader *r)
{
	CLEANUP(arena_free) struct arena arena = { .max = 1u << 20 };
	for (size_t i = 0; i < n_config_keys; i++) {
		const struct yaml_node *node;
		struct yaml_reader *y;
		struct yaml_error e;
		if (!config_keys[i].fallback || yaml_open(&y, &arena, str_from(config_keys[i].fallback)))
			continue;
		if (yaml_next(y, &node, &e) > 0)
			config_set(r, &config_keys[i], node);
		yaml_close(y);
	}
}

static const char *host_name(struct arena *arena)
{
	char name[256] = "";
	if (gethostname(name, sizeof(name) - 1) || !pki_is_name(str_from(name)))
		return "localhost";
	return arena_copy(arena, str_from(name)).p;
}

/* Those under which it is reached from this machine, and from others where that can be known. */
static void find_names(struct config *c, const char *host)
{
	const char *const usual[] = { host, "localhost", "127.0.0.1", "::1" };
	const struct config_list *const listeners[] = { &c->hub.https, &c->hub.syslog_tls };
	const char **at = arena_alloc(&c->arena, PKI_NAMES_MAX * sizeof(*at));
	size_t n = 0;
	for (size_t i = 0; at && i < ARRAY_LEN(usual); i++)
		if (i != 1 || strcmp(host, usual[i]) != 0)
			at[n++] = usual[i];
	for (size_t l = 0; at && l < ARRAY_LEN(listeners); l++)
		for (size_t i = 0; i < listeners[l]->n && n < PKI_NAMES_MAX; i++) {
			const char *text = listeners[l]->at[i];
			bool loopback, any, known = false;
			struct str name = { text, (size_t)(strrchr(text, ':') - text) };
			if (name.p[0] == '[')
				name = str_sub(name, 1, name.n - 2);
			if (!config_address(text, &loopback, &any) || any)
				continue;
			for (size_t k = 0; k < n; k++)
				known = known || str_eq(str_from(at[k]), name);
			if (!known && (at[n] = arena_copy(&c->arena, name).p))
				n++;
		}
	c->hub.names = (struct config_list){ at, n };
}

static void find_defaults(struct config_reader *r)
{
	struct config *c = r->config;
	char path[PATH_MAX];
	const char *host = host_name(&c->arena);
	if (!c->hub.unit)
		c->hub.unit = host && pki_is_title(str_from(host)) ? host : "khien";
	if (!c->hub.names.n && host)
		find_names(c, host);
	if (!c->hub.data && paths_state(path, sizeof(path)))
		c->hub.data = arena_printf(&c->arena, "%s/hub", path).p;
	if (!c->post.data && paths_state(path, sizeof(path)))
		c->post.data = arena_printf(&c->arena, "%s/post", path).p;
	if (!c->kiosk.data && paths_state(path, sizeof(path)))
		c->kiosk.data = arena_printf(&c->arena, "%s/kiosk", path).p;
	if (!c->kiosk.name)
		c->kiosk.name = host && pki_is_title(str_from(host)) ? host : "kiosk";
	if (!c->kiosk.database && c->kiosk.data)
		c->kiosk.database = arena_printf(&c->arena, "sqlite:%s/store/kiosk.db", c->kiosk.data).p;
	if (!c->kiosk.key_file && c->kiosk.data)
		c->kiosk.key_file = arena_printf(&c->arena, "%s/key", c->kiosk.data).p;
	if (!c->gate.data && paths_state(path, sizeof(path)))
		c->gate.data = arena_printf(&c->arena, "%s/gate", path).p;
	if (!c->hub.data || !c->post.data || !c->kiosk.data || !c->gate.data)
		config_wrong(r, NULL,
		             "there is no folder for data: HOME is not set; write hub.data, post.data, kiosk.data and "
		             "gate.data");
	else if (!c->hub.unit || !c->hub.names.n)
		config_wrong(r, NULL, "out of memory");
}

/* --- what holds between keys --- */

static size_t number_of(const char *key)
{
	size_t number = 0;
	while (number < n_config_keys && strcmp(config_keys[number].name, key) != 0)
		number++;
	return number;
}

/* Where the i-th of n entries stands; the list itself, where some of it was wrong. */
static const struct yaml_node *entry(const struct walk *w, const char *key, size_t i, size_t n)
{
	const size_t number = number_of(key);
	const struct yaml_node *list = number < n_config_keys ? w->given[number] : NULL;
	const struct yaml_item *item = list && list->kind == YAML_LIST && list->n == n ? list->items : NULL;
	for (; item && i; i--)
		item = item->next;
	return item ? item->value : list;
}

int config_permits(const struct config_hub *h, struct err *err)
{
	const struct {
		const char *name, *instead;
		const struct config_list *list;
	} open[] = { { "http", "https", &h->http }, { "syslog", "syslog_tls", &h->syslog } };
	for (size_t l = 0; l < ARRAY_LEN(open) && !h->plain; l++)
		for (size_t i = 0; i < open[l].list->n; i++) {
			bool loopback, any;
			if (config_address(open[l].list->at[i], &loopback, &any) && !loopback)
				return err_set(
				        err, -EPERM,
				        "%s would listen on %s, where others are, without TLS: everyone on the "
				        "way could read logs and forge them. Use %s, or permit it: 'plain: true' "
				        "under hub.listen",
				        open[l].name, open[l].list->at[i], open[l].instead);
		}
	return 0;
}

static void check_listeners(struct walk *w)
{
	struct config_hub *h = &w->r->config->hub, one;
	struct config_list *const mine[] = { &one.http, &one.syslog }, *const all[] = { &h->http, &h->syslog };
	static const char *const keys[] = { "hub.listen.http", "hub.listen.syslog" };
	for (size_t l = 0; l < ARRAY_LEN(all); l++)
		for (size_t i = 0; i < all[l]->n; i++) {
			struct err err;
			one = (struct config_hub){ .plain = h->plain };
			*mine[l] = (struct config_list){ all[l]->at + i, 1 };
			if (config_permits(&one, &err))
				config_wrong(w->r, entry(w, keys[l], i, all[l]->n), "%s", err.text);
		}
}

static void check_post(struct walk *w)
{
	const struct config_list *l = &w->r->config->post.syslog;
	for (size_t i = 0; i < l->n; i++) {
		bool loopback, any;
		if (config_address(l->at[i], &loopback, &any) && !loopback)
			config_wrong(w->r, entry(w, "post.syslog", i, l->n),
			             "'%s' is no address of loopback: other machines send to the hub itself, over TLS",
			             l->at[i]);
	}
}

int config_kiosk_permits(const struct config_kiosk *k, struct err *err)
{
	for (size_t i = 0; i < k->http.n && !k->plain; i++) {
		bool loopback, any;
		if (config_address(k->http.at[i], &loopback, &any) && !loopback)
			return err_set(
			        err, -EPERM,
			        "http would listen on %s, where others are, without TLS: everyone on the way could "
			        "read patients' names. Use https, or permit it: 'plain: true' under kiosk.listen",
			        k->http.at[i]);
	}
	if (!k->certificate != !k->key)
		return err_set(err, -EINVAL,
		               "kiosk.tls.certificate and kiosk.tls.key belong together: write both, or neither");
	if (k->https.n && !k->certificate && !k->names.n)
		return err_set(err, -EINVAL,
		               "kiosk.listen.https needs a certificate: write kiosk.tls.certificate and "
		               "kiosk.tls.key, or kiosk.tls.names where the hub's CA is on this machine");
	return 0;
}

static void check_kiosk(struct walk *w)
{
	struct err err;
	if (config_kiosk_permits(&w->r->config->kiosk, &err))
		config_wrong(w->r, entry(w, err.code == -EPERM ? "kiosk.listen.http" : "kiosk.tls.certificate", 0, 0),
		             "%s", err.text);
}

static void check_gate(struct walk *w)
{
	struct config *c = w->r->config;
	struct err err;
	char key[64] = "gate.";
	const char *where = "";
	if (!c->gate.upstream || !gate_site_permits(&c->gate, &c->arena, &where, &err))
		return;
	snprintf(key, sizeof(key), "gate.%s", where);
	config_wrong(w->r, entry(w, key, 0, 0), "%s", err.text);
}

static void keep_places(struct walk *w)
{
	struct config_place *places = arena_zalloc(&w->r->config->arena, n_config_keys * sizeof(*places));
	for (size_t i = 0; places && i < n_config_keys; i++)
		if (w->given[i])
			places[i] = (struct config_place){ w->given[i]->line, w->given[i]->column };
	w->r->config->places = places;
}

struct config_place config_where(const struct config *c, const char *key)
{
	const size_t number = number_of(key);
	return c->places && number < n_config_keys ? c->places[number] : (struct config_place){ 0, 0 };
}

/* One port for two purposes: all over TCP. */
static void check_doubles(struct walk *w)
{
	struct config_hub *h = &w->r->config->hub;
	const struct config_list *const all[] = { &h->https, &h->http, &h->syslog, &h->syslog_tls };
	static const char *const keys[] = { "hub.listen.https", "hub.listen.http", "hub.listen.syslog",
		                            "hub.listen.syslog_tls" };
	for (size_t l = 1; l < ARRAY_LEN(all); l++)
		for (size_t i = 0; i < all[l]->n; i++)
			for (size_t k = 0; k < l; k++)
				for (size_t m = 0; m < all[k]->n; m++)
					if (strcmp(all[l]->at[i], all[k]->at[m]) == 0)
						config_wrong(w->r, entry(w, keys[l], i, all[l]->n),
						             "%s already has '%s': each listens on a port of its own",
						             keys[k], all[l]->at[i]);
}

/* Its certificate can't be for addresses that nobody named. */
static void check_names(struct walk *w)
{
	struct config_hub *h = &w->r->config->hub;
	const struct config_list *const all[] = { &h->https, &h->syslog_tls };
	static const char *const keys[] = { "hub.listen.https", "hub.listen.syslog_tls" };
	for (size_t l = 0; l < ARRAY_LEN(all) && !entry(w, "hub.names", 0, 0); l++)
		for (size_t i = 0; i < all[l]->n; i++) {
			bool loopback, any;
			if (config_address(all[l]->at[i], &loopback, &any) && any)
				config_warn(w->r, entry(w, keys[l], i, all[l]->n),
				            "others reach '%s' under a name that its certificate lacks: write it "
				            "under hub.names",
				            all[l]->at[i]);
		}
}

int config_read(struct config *c, const char *path, struct buf *problems)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct config fresh = { .arena = { .max = 64u << 20 } };
	struct config_reader r = { .config = &fresh, .path = "khien.yaml", .problems = problems };
	struct walk w = { .r = &r, .arena = { .max = 64u << 20 } };
	set_fallbacks(&r);
	int code = find_file(&r, path, &text);
	if (!code)
		read_text(&w, buf_str(&text));
	if (!code || code == -ENOENT)
		find_defaults(&r);
	if (!code) {
		check_listeners(&w);
		check_doubles(&w);
		check_names(&w);
		check_post(&w);
		check_kiosk(&w);
		check_gate(&w);
		keep_places(&w);
	}
	arena_free(&w.arena);
	if (r.n_errors > MAX_PROBLEMS)
		buf_printf(problems, "and %u more\n", r.n_errors - MAX_PROBLEMS);
	if (r.n_errors) {
		arena_free(&fresh.arena);
		return code ? code : -EINVAL;
	}
	*c = fresh;
	return 0;
}

void config_done(struct config *c)
{
	arena_free(&c->arena);
	*c = (struct config){ 0 };
}

int config_limits(const struct config_hub *h, struct event_limits *ret, struct err *err)
{
	char path[PATH_MAX];
	struct statvfs fs;
	size_t n = strlen(h->data);
	*ret = (struct event_limits){
		.max_bytes = h->max_size, .min_free = h->min_free, .ages = h->ages, .n_ages = h->n_ages
	};
	if (h->max_size != CONFIG_AUTO)
		return 0;
	if (n >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the size of the file system: '%s': %m", h->data);
	memcpy(path, h->data, n + 1);
	while (statvfs(path, &fs)) {
		if (errno != ENOENT || n <= 1)
			return err_set(err, -errno, "the size of the file system of '%s': %m", h->data);
		while (n > 1 && path[n - 1] != '/')
			n--;
		while (n > 1 && path[n - 1] == '/')
			n--;
		path[n] = '\0';
	}
	ret->max_bytes = (uint64_t)fs.f_blocks * fs.f_frsize / 5 * 4;
	return 0;
}
