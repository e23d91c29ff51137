/* Whether a site can be written into nginx.conf: what nginx would stumble over, and what would mean something else to it than it says. */
#include "flood/list.h"
#include "os/opener.h"
#include "proxy/site.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/un.h>

enum { SITE_TEXT = 1024, SITE_WORKERS = 64, SITE_CONNECTIONS = 1 << 20 };

__attribute__((format(printf, 4, 5))) static int wrong(const char **where, const char *key, struct err *err,
                                                       const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*where = key;
	return err_set(err, -EINVAL, "%s", text);
}

static bool all_of(struct str s, const char *marks)
{
	for (size_t i = 0; i < s.n; i++) {
		const char c = s.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (!c || !strchr(marks, c)))
			return false;
	}
	return s.n;
}

/* Between double quotes nginx takes these for something else, or for their end. */
static int check_text(const char *text, const char *key, const char **where, struct err *err)
{
	for (const char *c = text; text && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f || strchr("\"'\\$;{}`", *c))
			return wrong(where, key, err,
			             (unsigned char)*c <= ' ' || *c == 0x7f
			                     ? "there is a control character (%#x): write it on one line, without such"
			                     : "there is a %c, which nginx would take for more than a character: write "
			                       "it without",
			             *c);
	return text && strlen(text) >= SITE_TEXT ? wrong(where, key, err, "it has more than %d bytes", SITE_TEXT - 1)
	                                         : 0;
}

static int check_path(const char *path, const char *key, const char **where, struct err *err)
{
	if (path && *path != '/')
		return wrong(where, key, err, "'%s' is no absolute path: it begins with '/'", path);
	return check_text(path, key, where, err);
}

/* --- the parts --- */

int site_url(const char *url, bool *tls, struct str *host, struct str *port)
{
	struct str rest = str_from(url);
	const bool secure = str_starts(rest, STR("https://"));
	if (!secure && !str_starts(rest, STR("http://")))
		return -EINVAL;
	rest = str_sub(rest, secure ? 8 : 7, rest.n);
	const size_t close = str_find(rest, ']');
	const bool bracket = rest.n && rest.p[0] == '[';
	const size_t n = bracket ? (close < rest.n ? close + 1 : 0) : str_find(rest, ':');
	const struct str h = str_sub(rest, 0, n), p = str_sub(rest, n + 1, rest.n);
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr a;
	if (bracket && n > 2 && n - 2 < sizeof(text))
		memcpy(text, h.p + 1, n - 2);
	if (bracket ? inet_pton(AF_INET6, text, &a) != 1 : !all_of(h, ".-_"))
		return -EINVAL;
	if (n < rest.n && (rest.p[n] != ':' || !p.n || p.n > 5 || strspn(p.p, "0123456789") < p.n || p.p[0] == '0'))
		return -EINVAL;
	unsigned number = 0;
	for (size_t i = 0; i < p.n; i++)
		number = number * 10 + (unsigned)(p.p[i] - '0');
	if (number > 65535)
		return -EINVAL;
	*tls = secure;
	*host = h;
	*port = p;
	return 0;
}

static int check_upstream(const struct site *s, const char **where, struct err *err)
{
	struct str host, port;
	bool tls;
	if (!s->upstream)
		return wrong(
		        where, "upstream", err,
		        "which site is this the gate of? Write 'http://127.0.0.1:8480' here, or behind --upstream");
	if (site_url(s->upstream, &tls, &host, &port))
		return wrong(where, "upstream", err,
		             "'%.200s' is no URL of a site: write http:// or https://, a name or an address, and a "
		             "port where it "
		             "isn't the usual one, without a path: 'http://127.0.0.1:8480'",
		             s->upstream);
	struct in_addr address;
	char text[64];
	snprintf(text, sizeof(text), STR_FMT, STR_ARG(host));
	if (tls &&
	    (*text == '[' || inet_pton(AF_INET, text, &address) == 1)) /* nginx holds a certificate to names alone */
		return wrong(where, "upstream", err,
		             "'%.200s' is an address: behind https:// write the name that its certificate is for",
		             s->upstream);
	if (s->upstream_ca && !tls)
		return wrong(where, "upstream_ca", err,
		             "it is for a site behind https://, this one is '%.200s': leave it out", s->upstream);
	return check_path(s->upstream_ca, "upstream_ca", where, err);
}

static int check_addresses(const char *const *list, const char *const *other, const char *key, const char **where,
                           struct err *err)
{
	for (; list && *list; list++) {
		struct sockaddr_storage address;
		socklen_t len;
		struct err why;
		if (opener_address(*list, &address, &len, &why))
			return wrong(where, key, err, "%.300s", why.text);
		for (const char *const *o = other; o && *o && o != list; o++)
			if (strcmp(*o, *list) == 0)
				return wrong(where, key, err,
				             "'%s' stands here twice: each listens on a port of its own", *list);
	}
	return 0;
}

static int check_listen(const struct site *s, const char **where, struct err *err)
{
	int code = check_addresses(s->http, s->http, "listen.http", where, err);
	if (!code)
		code = check_addresses(s->https, s->https, "listen.https", where, err);
	if (!code)
		code = check_addresses(s->https, s->http, "listen.https", where, err);
	if (code)
		return code;
	if ((!s->http || !*s->http) && (!s->https || !*s->https))
		return wrong(where, "listen.http", err, "nobody could come in: write listen.http or listen.https");
	if (!s->certificate != !s->key)
		return wrong(where, s->key ? "tls.key" : "tls.certificate", err,
		             "gate.tls.certificate and gate.tls.key belong together: write both, or neither");
	if (s->hsts && (!s->https || !*s->https))
		return wrong(where, "tls.only", err,
		             "everyone would be led to https, which nothing listens for: write listen.https");
	code = check_path(s->certificate, "tls.certificate", where, err);
	return code ? code : check_path(s->key, "tls.key", where, err);
}

static int check_names(const struct site *s, const char **where, struct err *err)
{
	for (const char *const *name = s->names; name && *name; name++) {
		const struct str n = str_from(*name);
		if (n.n > 253 || !all_of(str_sub(n, str_starts(n, STR("*.")) ? 2 : 0, n.n), ".-:"))
			return wrong(where, "names", err, "'%.100s' is no name of a site: write 'dangky.example.vn'",
			             *name);
	}
	for (const char *const *p = s->proxies; p && *p; p++) {
		struct flood_addr address;
		uint8_t bits;
		struct err why;
		if (str_ends(str_from(*p), STR("/0")))
			return wrong(where, "proxies", err,
			             "'%s' is everybody: then each visitor could say who he is. Write the proxies' own "
			             "addresses",
			             *p);
		if (list_prefix(str_from(*p), &address, &bits, &why))
			return wrong(where, "proxies", err,
			             "'%.100s' is no address and no network: write '10.0.0.5' or '10.0.0.0/8'", *p);
	}
	const bool protocol = s->header && strcmp(s->header, "proxy_protocol") == 0;
	if (s->header && !protocol && (strlen(s->header) > 64 || !all_of(str_from(s->header), "-")))
		return wrong(where, "header", err, "'%.100s' is no header: write 'X-Forwarded-For', or proxy_protocol",
		             s->header);
	if (protocol && (!s->proxies || !*s->proxies))
		return wrong(where, "header", err,
		             "proxy_protocol is spoken by proxies: write their addresses under gate.proxies");
	return check_text(s->contact, "contact", where, err);
}

static int check_bounds(const struct site *s, const char **where, struct err *err)
{
	if (s->mode < SITE_ON || s->mode > SITE_OFF)
		return wrong(where, "mode", err, "write on, watch or off");
	if (s->waf < SITE_ON || s->waf > SITE_OFF)
		return wrong(where, "waf.mode", err, "write on, watch or off");
	if (s->waf_level < 1 || s->waf_level > 4)
		return wrong(where, "waf.level", err, "%u is no level: write 1 to 4", s->waf_level);
	if (!s->body_max || s->body_max > 1ULL << 40)
		return wrong(where, "body_max", err,
		             "a request may send more than nothing and less than 1 TB: write '10 MB'");
	for (const char *const *e = s->exclusions; e && *e; e++)
		if (strlen(*e) > 64 || !all_of(str_from(*e), "-_"))
			return wrong(where, "waf.exclusions", err,
			             "'%.100s' is no name of exclusions: write kiosk, or a file's name without .conf",
			             *e);
	if (!s->workers || s->workers > SITE_WORKERS || s->connections < 64 || s->connections > SITE_CONNECTIONS)
		return wrong(where, "", err, "%u workers with %u connections each: 1 to %d with 64 to %d are possible",
		             s->workers, s->connections, SITE_WORKERS, SITE_CONNECTIONS);
	return 0;
}

static int check_own(const struct site *s, const char **where, struct err *err)
{
	const struct {
		const char *key, *path;
	} paths[] = { { "data", s->folder },          { "data", s->run },   { "data", s->log_socket },
		      { "data", s->key_file },        { "data", s->lists }, { "data", s->normal },
		      { "data", s->waf_conf },        { "", s->module },    { "", s->waf_module },
		      { "access_log", s->access_log } };
	const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		int code = check_path(paths[i].path, paths[i].key, where, err);
		if (code)
			return code;
	}
	if (s->mode != SITE_OFF && !s->module)
		return wrong(where, "mode", err, "nginx has no khien module here: install it, or write off");
	if ((s->user && !all_of(str_from(s->user), "-_")) || (s->group && !all_of(str_from(s->group), "-_")))
		return wrong(where, "", err, "'%.100s' is no user", s->user);
	if ((s->run && strlen(s->run) + sizeof("/control") > most) || (s->log_socket && strlen(s->log_socket) > most))
		return wrong(where, "data", err, "the folder's name is too long for sockets in it: %zu bytes at most",
		             most - 20);
	return 0;
}

int site_check(const struct site *s, const char **where, struct err *err)
{
	static int (*const parts[])(const struct site *, const char **, struct err *) = { check_upstream, check_listen,
		                                                                          check_names, check_bounds,
		                                                                          check_own };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int code = parts[i](s, where, err);
		if (code)
			return code;
	}
	return 0;
}
