#include "base/yaml.h"
#include "proxy/patch_regex.h"
#include "proxy/waf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	PATCHES_MAX = 256,
	FILE_MAX = 64 << 10,
	TEXT_MAX = 200,
	ID_MAX = 64,
	DAY_S = 86400,
	FIRST_NUMBER = 9100000,
	N_NUMBERS = 800000,
	METHODS_MAX = 16,
};

/* One file that is read. */
struct reader {
	struct arena *arena; /* of what is kept */
	struct buf *problems;
	const char *path;
	int64_t now_s;
	bool bad;
};

/* What has to hold, as SecRules: each but the last is chained to the next. */
struct conditions {
	struct buf at[8]; /* VARIABLES "OPERATOR" "TRANSFORMATIONS */
	size_t n;
	bool of_plain; /* struct patch */
};

static void __attribute__((format(printf, 3, 0)))
add_problem(struct reader *r, const struct yaml_node *at, const char *fmt, va_list ap)
{
	char text[640];
	vsnprintf(text, sizeof(text), fmt, ap);
	buf_printf(r->problems, "%s:%u:%u: %s\n", r->path, at ? at->line : 1, at ? at->column : 1, text);
}

/* What is worth a word, and no mistake. */
static void __attribute__((format(printf, 3, 4)))
note(struct reader *r, const struct yaml_node *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_problem(r, at, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 3, 4)))
complain(struct reader *r, const struct yaml_node *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_problem(r, at, fmt, ap);
	va_end(ap);
	r->bad = true;
}

/* Whether the keys of a map are all among these, each complaint with the place. */
static bool check_keys(struct reader *r, const struct yaml_node *map, const char *what, const char *const *keys)
{
	if (map->kind != YAML_MAP) {
		complain(r, map, "%s holds keys: write %s: ...", what, keys[0]);
		return false;
	}
	for (const struct yaml_item *i = map->items; i; i = i->next) {
		const char *const *k = keys;
		while (*k && !str_eq(i->key->text, str_from(*k)))
			k++;
		if (*k)
			continue;
		struct buf all = { 0 };
		for (k = keys; *k; k++)
			buf_printf(&all, "%s%s", k == keys ? "" : ", ", *k);
		complain(r, i->key, "%s has no key '" STR_FMT "': write one of " STR_FMT, what,
		         STR_ARG(str_sub(i->key->text, 0, 40)), STR_ARG(buf_str(&all)));
		buf_free(&all);
	}
	return true;
}

static bool is_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

/* A key's line of text; NULL after a complaint. */
static const struct yaml_node *text_of(struct reader *r, const struct yaml_node *map, const char *key, size_t most,
                                       const char *example)
{
	const struct yaml_node *node = yaml_get(map, key);
	if (!node || yaml_is_null(node))
		complain(r, node ? node : map, "%s is missing: write %s: %s", key, key, example);
	else if (node->kind != YAML_SCALAR || !is_line(node->text) || node->text.n > most)
		complain(r, node, "%s is one line of 1 to %zu bytes: write %s: %s", key, most, key, example);
	else
		return node;
	return NULL;
}

static const char *keep(struct reader *r, struct str text)
{
	const struct str s = arena_copy(r->arena, text);
	if (!s.p)
		complain(r, NULL, "out of memory");
	return s.p;
}

/* YYYY-MM-DD as the second that ends it, UTC; -1. */
static int64_t day_end(struct str text)
{
	static const char form[] = "0000-00-00";
	struct tm tm = { 0 }, back;
	if (text.n != sizeof(form) - 1)
		return -1;
	for (size_t i = 0; i < text.n; i++)
		if (form[i] == '-' ? text.p[i] != '-' : text.p[i] < '0' || text.p[i] > '9')
			return -1;
	tm.tm_year = (int)strtol(text.p, NULL, 10) - 1900;
	tm.tm_mon = (int)strtol(text.p + 5, NULL, 10) - 1;
	tm.tm_mday = (int)strtol(text.p + 8, NULL, 10);
	const int mday = tm.tm_mday;
	const time_t begin = timegm(&tm);
	if (!gmtime_r(&begin, &back) || back.tm_mday != mday)
		return -1; /* the 31st of February */
	return (int64_t)begin + DAY_S;
}

static void read_expires(struct reader *r, const struct yaml_node *map, struct patch *p)
{
	const struct yaml_node *node = text_of(r, map, "expires", 10, "2027-01-31");
	if (!node)
		return;
	const int64_t end = day_end(node->text);
	if (end < 0)
		complain(r, node, "expires is a day, not '" STR_FMT "': write expires: 2027-01-31",
		         STR_ARG(node->text));
	else if (end > r->now_s + 367 * (int64_t)DAY_S)
		complain(r, node, "expires is more than a year away: write an earlier day; it can be put off then");
	p->expires_s = end;
	p->expired = end <= r->now_s;
}

static void read_id(struct reader *r, const struct yaml_node *map, struct patch *p)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	const struct yaml_node *node = text_of(r, map, "id", ID_MAX, "his-2026-11-upload");
	if (!node)
		return;
	if (strspn(node->text.p, allowed) != node->text.n)
		complain(r, node, "id has small letters, digits and '-' alone: write id: his-2026-11-upload");
	p->id = keep(r, node->text);
}

static void read_do(struct reader *r, const struct yaml_node *map, struct patch *p)
{
	const struct yaml_node *node = text_of(r, map, "do", ID_MAX, "deny");
	if (!node)
		return;
	p->denies = str_eq(node->text, STR("deny"));
	if (!p->denies && !str_eq(node->text, STR("watch")))
		complain(r, node, "do is deny or watch: write do: deny");
}

/* --- conditions --- */

/* The place for one more, of so many that there are keys. */
static struct buf *condition(struct conditions *c)
{
	return &c->at[c->n++];
}

static void add_regex(struct reader *r, const struct yaml_node *node, const char *key, struct buf *out)
{
	struct err err;
	if (node->kind != YAML_SCALAR)
		complain(r, node, "%s is a regular expression: write %s: '\\.php$'", key, key);
	else if (patch_regex_add(out, node->text, &err))
		complain(r, node, "%s: %s", key, err.text);
}

/*
 * A path as the application may be asked for it: %2e and the like, "//", "/./", "\" and "/x/../" are undone before (t:), letters are of any case,
 * and a ";..." behind a part is none of the name.
 */
static void add_path(struct reader *r, const struct yaml_node *node, const char *key, bool whole, struct buf *out)
{
	const struct str path = node->text;
	if (node->kind != YAML_SCALAR || !is_line(path) || path.p[0] != '/' || path.n > TEXT_MAX ||
	    strpbrk(path.p, "?#%\\;") || strstr(path.p, "//") || strstr(path.p, "/./") || strstr(path.p, "/../")) {
		complain(r, node,
		         "%s is a path as it is after decoding, without ? # %% \\ ; and //: write %s: /profile/avatar",
		         key, key);
		return;
	}
	const size_t n = whole && path.n > 1 && path.p[path.n - 1] == '/' ? path.n - 1 : path.n;
	buf_add(out, STR("(?i)^"));
	for (size_t i = 0; i < n; i++) {
		if (i && path.p[i] == '/')
			buf_add(out, STR("(?:;[^/]*)?"));
		patch_regex_quote(out, str_sub(path, i, 1));
	}
	if (whole)
		buf_add(out, STR("(?:;[^/]*)?/?$"));
}

static void read_path(struct reader *r, const struct yaml_node *when, const char *key, struct conditions *c)
{
	const struct yaml_node *node = yaml_get(when, key);
	if (!node)
		return;
	struct buf *out = condition(c);
	buf_add(out, STR("REQUEST_FILENAME \"@rx "));
	if (strcmp(key, "path_regex") == 0)
		add_regex(r, node, key, out);
	else
		add_path(r, node, key, strcmp(key, "path") == 0, out);
	buf_add(out, STR("\" \"t:none,t:urlDecodeUni,t:normalizePathWin"));
}

static bool add_method(struct str method, struct buf *out, bool first)
{
	if (!method.n || method.n > 20 || strspn(method.p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != method.n)
		return false;
	buf_printf(out, "%s%s", first ? "" : "|", method.p);
	return true;
}

static void read_method(struct reader *r, const struct yaml_node *when, struct conditions *c)
{
	const struct yaml_node *node = yaml_get(when, "method");
	if (!node)
		return;
	struct buf *out = condition(c);
	bool good = node->kind != YAML_MAP && (node->kind == YAML_SCALAR || (node->n && node->n <= METHODS_MAX));
	buf_add(out, STR("REQUEST_METHOD \"@rx ^(?:"));
	if (good && node->kind == YAML_SCALAR)
		good = add_method(node->text, out, true);
	for (const struct yaml_item *i = node->kind == YAML_LIST ? node->items : NULL; good && i; i = i->next)
		good = i->value->kind == YAML_SCALAR && add_method(i->value->text, out, i == node->items);
	if (!good)
		complain(r, node, "method is one or a list, in capitals: write method: [POST, PUT]");
	buf_add(out, STR(")$\" \"t:none"));
}

/* One that has a name: its variables, with the name put in for each "@". */
static void read_named(struct reader *r, const struct yaml_node *when, const char *key, const char *variables,
                       struct conditions *c)
{
	static const char *const keys[] = { "name", "regex", NULL };
	const struct yaml_node *map = yaml_get(when, key);
	if (!map || !check_keys(r, map, key, keys))
		return;
	const struct yaml_node *name = text_of(r, map, "name", ID_MAX, "file");
	const struct yaml_node *regex = text_of(r, map, "regex", PATCH_REGEX_MAX, "'\\.php$'");
	if (!name || !regex)
		return;
	struct buf *out = condition(c);
	for (const char *v = variables; *v; v++)
		if (*v == '@')
			patch_regex_quote(out, name->text);
		else
			buf_putc(out, *v);
	buf_add(out, STR(" \"@rx "));
	add_regex(r, regex, "regex", out);
	buf_add(out, STR("\" \"t:none"));
}

static void read_body(struct reader *r, const struct yaml_node *when, struct conditions *c)
{
	const struct yaml_node *node = yaml_get(when, "body_regex");
	if (!node)
		return;
	struct buf *out = condition(c);
	buf_add(out, STR("REQUEST_BODY \"@rx "));
	add_regex(r, node, "body_regex", out);
	buf_add(out, STR("\" \"t:none"));
}

/* Is GET or HEAD among them? NULL: all are. */
static bool asks_for(const struct yaml_node *method)
{
	bool ret = !method;
	if (method && method->kind == YAML_SCALAR)
		return str_eq(method->text, STR("GET")) || str_eq(method->text, STR("HEAD"));
	for (const struct yaml_item *i = method && method->kind == YAML_LIST ? method->items : NULL; i; i = i->next)
		ret |= i->value->kind == YAML_SCALAR && asks_for(i->value);
	return ret;
}

static void read_when(struct reader *r, const struct yaml_node *map, struct conditions *c)
{
	static const char *const keys[] = { "path",   "path_prefix", "path_regex", "method", "header",
		                            "cookie", "argument",    "body_regex", NULL };
	_Static_assert(ARRAY_LEN(keys) - 1 <= ARRAY_LEN(c->at), "a place for each");
	const struct yaml_node *when = yaml_get(map, "when");
	if (!when || yaml_is_null(when)) {
		complain(r, when ? when : map, "when is missing: write when: { path: /profile/avatar }");
		return;
	}
	if (!check_keys(r, when, "when", keys))
		return;
	read_method(r, when, c);
	read_path(r, when, "path", c);
	read_path(r, when, "path_prefix", c);
	read_path(r, when, "path_regex", c);
	read_named(r, when, "header", "REQUEST_HEADERS:/^@$/", c);
	read_named(r, when, "cookie", "REQUEST_COOKIES:/^@$/", c);
	/* of a form or the query; of a JSON body, however deep; the name of a file that is sent */
	read_named(r, when, "argument", "ARGS:/^@$/|ARGS:/^json[.](.*[.])?@$/|FILES:/^@$/", c);
	read_body(r, when, c);
	c->of_plain =
	        !yaml_get(when, "argument") && !yaml_get(when, "body_regex") && asks_for(yaml_get(when, "method"));
	if (!c->n && !r->bad)
		complain(r, when, "when has no condition: write when: { path: /profile/avatar }");
}

/* --- rules --- */

static void write_rule(struct reader *r, const struct conditions *c, struct patch *p)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	for (size_t i = 0; i < c->n; i++) {
		out.failed = out.failed || c->at[i].failed;
		buf_printf(&out, "SecRule %.*s", STR_ARG(buf_str(&c->at[i])));
		if (i == 0)
			buf_printf(&out, ",id:%u,phase:2,%s,log,severity:CRITICAL,tag:'khien-patch',msg:'Patch %s'",
			           p->number, p->denies ? "deny,status:403" : "pass", p->id);
		buf_printf(&out, "%s\"\n", i + 1 < c->n ? ",chain" : "");
	}
	p->of_plain = c->of_plain;
	p->rule = out.failed ? NULL : keep(r, buf_str(&out));
	if (!p->rule)
		complain(r, NULL, "out of memory");
}

static uint32_t hash(const char *id)
{
	uint32_t h = 2166136261U; /* FNV-1a */
	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619U;
	return h;
}

/* Its own, whatever else there is, unless two ids have the same; false: the id stands in another file, too. */
static bool give_number(struct patches *ps, struct patch *p)
{
	bool taken = true;
	p->number = FIRST_NUMBER + hash(p->id) % N_NUMBERS;
	while (taken) {
		taken = false;
		for (size_t i = 0; i < ps->n && !taken; i++) {
			if (strcmp(ps->at[i].id, p->id) == 0)
				return false;
			taken = ps->at[i].number == p->number;
		}
		p->number += taken;
	}
	return true;
}

static void read_patch(struct patches *ps, struct reader *r, const char *name, const struct yaml_node *map)
{
	static const char *const keys[] = { "id", "owner", "expires", "why", "when", "do", NULL };
	struct patch p = { .file = keep(r, str_from(name)) };
	struct conditions c = { 0 };
	if (!check_keys(r, map, "a patch", keys))
		return;
	read_id(r, map, &p);
	const struct yaml_node *owner = text_of(r, map, "owner", TEXT_MAX, "an@benhvien.example");
	const struct yaml_node *why = text_of(r, map, "why", TEXT_MAX, "\"what is open, and who mends it when\"");
	p.owner = owner ? keep(r, owner->text) : NULL;
	p.why = why ? keep(r, why->text) : NULL;
	read_expires(r, map, &p);
	read_when(r, map, &c);
	read_do(r, map, &p);
	if (!r->bad && !give_number(ps, &p))
		complain(r, yaml_get(map, "id"), "another patch has the id '%s': write another", p.id);
	if (!r->bad)
		write_rule(r, &c, &p);
	for (size_t i = 0; i < c.n; i++)
		buf_free(&c.at[i]);
	if (!r->bad && p.expired)
		note(r, yaml_get(map, "expires"),
		     "%s has expired and is left out: write a later day, or remove the file", p.id);
	if (!r->bad)
		ps->at[ps->n++] = p;
}

/* --- files --- */

static int read_bytes(const char *path, struct buf *to, struct reader *r)
{
	CLEANUP(buf_free) struct buf got = { .max = FILE_MAX + 1 };
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0 && got.n <= FILE_MAX) {
		char *room = buf_room(&got, FILE_MAX + 1 - got.n);
		n = room ? read(fd, room, FILE_MAX + 1 - got.n) : -1;
		got.n += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		complain(r, NULL, "read: %m");
	else if (got.n > FILE_MAX)
		complain(r, NULL, "a patch has %d bytes at most: write what has to hold, and nothing else", FILE_MAX);
	if (fd >= 0)
		close(fd);
	if (r->bad)
		return -EINVAL;
	*to = got;
	got = (struct buf){ 0 };
	return 0;
}

/* Its nodes live for as long as it is read; what is kept of them goes into the patches' arena. */
static void read_file(struct patches *ps, struct reader *r, const char *name)
{
	struct arena nodes = { .max = 4 << 20 };
	CLEANUP(buf_free) struct buf text = { 0 };
	struct yaml_reader *yaml = NULL;
	const struct yaml_node *map = NULL, *more = NULL;
	struct yaml_error e = { .line = 1, .column = 1, .reason = "out of memory" };
	if (read_bytes(r->path, &text, r))
		return;
	int n = yaml_open(&yaml, &nodes, buf_str(&text));
	n = n ? n : yaml_next(yaml, &map, &e);
	if (n < 0)
		complain(r, &(struct yaml_node){ .line = e.line, .column = e.column }, "%s", e.reason);
	else if (n == 0)
		complain(r, NULL, "it is empty: write a patch, as 'khien gate patches new' does");
	else if (yaml_next(yaml, &more, &e) != 0)
		complain(r, more, "one patch a file: write the others into files of their own");
	else
		read_patch(ps, r, name, map);
	yaml_close(yaml);
	arena_free(&nodes);
}

static int is_patch(const struct dirent *e)
{
	return e->d_name[0] != '.' && str_ends(str_from(e->d_name), STR(".yaml"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names stand in the WAF's configuration, as comments. */
static bool name_is_plain(const char *name)
{
	return !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

static bool read_one(struct patches *ps, const char *path, int64_t now_s, struct buf *problems)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct reader r = { .arena = &ps->arena, .problems = problems, .path = path, .now_s = now_s };
	if (name_is_plain(name))
		read_file(ps, &r, name);
	else
		complain(&r, NULL, "a file has letters, digits and . _ - alone in its name: name it ID.yaml");
	return !r.bad;
}

/* The files of a folder, or the one that `from` is. */
static bool read_all(struct patches *ps, const char *from, struct dirent **names, size_t n, int64_t now_s,
                     struct buf *problems)
{
	bool good = n <= PATCHES_MAX;
	if (!good)
		buf_printf(problems, "%s:1:1: %zu patches are more than %d: remove those that have expired\n", from, n,
		           PATCHES_MAX);
	for (size_t i = 0; i < n && i < PATCHES_MAX; i++) {
		char path[4096];
		const int length =
		        snprintf(path, sizeof(path), "%s%s%s", from, names ? "/" : "", names ? names[i]->d_name : "");
		if (length < (int)sizeof(path)) {
			good = read_one(ps, path, now_s, problems) && good;
		} else {
			buf_printf(problems, "%s:1:1: the path is too long\n", from);
			good = false;
		}
	}
	return good;
}

int patches_read(struct patches *ret, const char *from, int64_t now_s, struct buf *problems)
{
	struct patches ps = { .arena = { .max = 64 << 20 } };
	struct dirent **names = NULL;
	int n = scandir(from, &names, is_patch, by_name), code = 0;
	if (n < 0 && errno == ENOTDIR) {
		n = 1;
	} else if (n < 0 && errno != ENOENT) {
		buf_printf(problems, "%s:1:1: read the folder: %m\n", from);
		return -EINVAL;
	}
	n = n < 0 ? 0 : n;
	ps.at = calloc((size_t)n + 1, sizeof(*ps.at));
	if (!ps.at)
		code = -ENOMEM;
	else if (!read_all(&ps, from, names, (size_t)n, now_s, problems))
		code = -EINVAL;
	for (int i = 0; names && i < n; i++)
		free(names[i]);
	free(names);
	if (code)
		patches_done(&ps);
	else
		*ret = ps;
	return code;
}

void patches_done(struct patches *p)
{
	free(p->at);
	arena_free(&p->arena);
	*p = (struct patches){ 0 };
}
