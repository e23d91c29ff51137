#include "intel/indicator.h"

#include <arpa/inet.h>
#include <stdio.h>

const char *intel_type_name(enum intel_type type)
{
	static const char *const names[N_INTEL_TYPES] = {
		[INTEL_ANY] = "indicator", [INTEL_ADDRESS] = "address", [INTEL_NETWORK] = "network",
		[INTEL_DOMAIN] = "domain", [INTEL_NAME] = "name",       [INTEL_URL] = "url",
		[INTEL_BELOW] = "url",     [INTEL_HASH] = "hash",
	};
	return names[type];
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

/* --- addresses --- */

/* Most addresses by far are these; strict as inet_pton is. */
static bool read_v4(struct str s, uint8_t to[4])
{
	size_t at = 0;
	for (int part = 0; part < 4; part++) {
		unsigned n = 0;
		size_t from = at;
		while (at < s.n && at < from + 3 && is_digit(s.p[at]))
			n = n * 10 + (unsigned)(s.p[at++] - '0');
		if (at == from || n > 255 || (at - from > 1 && s.p[from] == '0'))
			return false;
		if (part < 3 && (at == s.n || s.p[at++] != '.'))
			return false;
		to[part] = (uint8_t)n;
	}
	return at == s.n;
}

unsigned intel_address(struct str s, uint8_t to[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char z[INET6_ADDRSTRLEN];
	uint8_t six[16];
	if (s.n < 2 || s.n > 80)
		return 0;
	if (read_v4(s, to))
		return 4;
	s.n = str_find(s, '%');
	if (s.n >= sizeof(z) || str_find(s, ':') == s.n)
		return 0;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	if (strlen(z) != s.n || inet_pton(AF_INET6, z, six) != 1)
		return 0;
	if (memcmp(six, mapped, sizeof(mapped)) == 0) {
		memcpy(to, six + 12, 4);
		return 4;
	}
	memcpy(to, six, 16);
	return 6;
}

/* Networks that mean something only where one stands, or nothing at all. RFC 1918, 6598, 3927, 4193, 4291, 5771. */
static bool is_private(const struct indicator *i)
{
	static const struct {
		uint8_t family, bits, at[2];
	} nets[] = { { 4, 8, { 0 } },         { 4, 8, { 10 } },          { 4, 10, { 100, 64 } },  { 4, 8, { 127 } },
		     { 4, 16, { 169, 254 } }, { 4, 12, { 172, 16 } },    { 4, 16, { 192, 168 } }, { 4, 3, { 224 } },
		     { 6, 7, { 0xfc } },      { 6, 10, { 0xfe, 0x80 } }, { 6, 8, { 0xff } } };
	static const uint8_t none[15];
	unsigned first = (unsigned)i->address[0] << 8 | i->address[1];
	for (size_t n = 0; n < ARRAY_LEN(nets); n++) {
		unsigned net = (unsigned)nets[n].at[0] << 8 | nets[n].at[1];
		if (nets[n].family == i->family && i->bits >= nets[n].bits && !((first ^ net) >> (16 - nets[n].bits)))
			return true;
	}
	return i->family == 6 && memcmp(i->address, none, 15) == 0 && i->address[15] <= 1;
}

static void mask(uint8_t *address, unsigned bits, unsigned all)
{
	for (unsigned i = bits; i < all; i++)
		address[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static const char *write_address(struct indicator *i, unsigned flags)
{
	char z[INET6_ADDRSTRLEN];
	unsigned all = i->family == 4 ? 32 : 128;
	if (i->bits < all)
		mask(i->address, i->bits, all);
	if (i->bits < (i->family == 4 ? 8 : 16))
		return "the network covers too much of the world";
	if (!(flags & INTEL_PRIVATE) && is_private(i))
		return "a private or reserved address";
	inet_ntop(i->family == 4 ? AF_INET : AF_INET6, i->address, z, sizeof(z));
	int n = i->bits == all ? snprintf(i->bytes, sizeof(i->bytes), "%s", z)
	                       : snprintf(i->bytes, sizeof(i->bytes), "%s/%u", z, i->bits);
	i->type = i->bits == all ? INTEL_ADDRESS : INTEL_NETWORK;
	i->text = (struct str){ i->bytes, (size_t)n };
	return NULL;
}

/* "192.0.2.0/24" or an address. False: it doesn't look like one. *why is set where it does, and isn't. */
static bool read_address(struct indicator *i, struct str s, unsigned flags, const char **why)
{
	size_t slash = str_find(s, '/');
	unsigned family = intel_address(str_sub(s, 0, slash), i->address), bits = 0;
	if (!family)
		return false;
	/* A mapped network counts its bits from the IPv6 address. */
	bool mapped = family == 4 && memchr(s.p, ':', slash);
	unsigned all = family == 4 ? 32 : 128, less = mapped ? 96 : 0;
	struct str digits = str_sub(s, slash + 1, s.n);
	for (size_t k = 0; slash < s.n && k < digits.n; k++) {
		if (!is_digit(digits.p[k]) || digits.n > 3)
			return false;
		bits = bits * 10 + (unsigned)(digits.p[k] - '0');
	}
	if (slash < s.n && !digits.n)
		return false;
	i->family = (uint8_t)family;
	i->bits = (uint8_t)all;
	if (slash < s.n && (bits > all + less || bits < less))
		*why = "a network with a prefix that is too long or too short";
	else if (slash < s.n)
		i->bits = (uint8_t)(bits - less);
	if (!*why)
		*why = write_address(i, flags);
	return true;
}

/* --- names --- */

size_t intel_name(struct str s, char *to)
{
	size_t label = 0;
	if (s.n && s.p[s.n - 1] == '.')
		s.n--;
	if (!s.n || s.n > INTEL_NAME_MAX)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '.') {
			if (!label)
				return 0;
			label = 0;
		} else if ((!is_alnum(c) && c != '-' && c != '_') || ++label > 63) {
			return 0;
		}
		to[i] = lower(c);
	}
	return label ? s.n : 0;
}

static const char *read_name(struct indicator *i, struct str s, unsigned flags)
{
	bool wild = str_starts(s, STR("*.")) || str_starts(s, STR("."));
	if (wild)
		s = str_sub(s, s.p[0] == '*' ? 2 : 1, s.n);
	for (size_t k = 0; k < s.n; k++)
		if ((unsigned char)s.p[k] >= 0x80)
			return "a name that is not ASCII: write its xn-- form";
	size_t n = intel_name(s, i->bytes), last = n;
	while (last && i->bytes[last - 1] != '.')
		last--;
	if (!n)
		return "neither an address, nor a name, a URL or a hash";
	if (!last)
		return "a name of one part covers too much";
	if (is_digit(i->bytes[n - 1]) && strspn(i->bytes + last, "0123456789") >= n - last)
		return "neither an address nor a name: its last part is a number";
	i->type = flags & INTEL_EXACT && !wild ? INTEL_NAME : INTEL_DOMAIN;
	i->text = (struct str){ i->bytes, n };
	return NULL;
}

/* --- URLs --- */

static int hex(char c)
{
	return is_digit(c) ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

static bool is_unreserved(int c)
{
	return is_alnum((char)c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* The part between scheme and path, as it stands; *path: what follows. */
static struct str authority(struct str s, struct str *path)
{
	size_t colon = str_find(s, ':');
	if (colon + 2 < s.n && str_find(s, '/') == colon + 1 && s.p[colon + 1] == '/' && s.p[colon + 2] == '/')
		s = str_sub(s, colon + 3, s.n);
	size_t end = 0;
	while (end < s.n && !memchr("/?#", s.p[end], 3))
		end++;
	*path = str_sub(s, end, s.n);
	struct str a = str_sub(s, 0, end);
	const char *at = a.n ? memrchr(a.p, '@', a.n) : NULL;
	return at ? str_sub(a, (size_t)(at - a.p) + 1, a.n) : a;
}

/* The host into `to`; *port: what stands behind it, with its colon, or nothing for the usual ones. */
static size_t read_host(struct str a, char *to, struct str *port)
{
	uint8_t address[16];
	bool six = a.n && a.p[0] == '[';
	struct str host = str_sub(a, 0, str_find(a, six ? ']' : ':'));
	*port = str_sub(a, host.n + (six && host.n < a.n), a.n);
	if (six)
		host = str_sub(host, 1, host.n);
	if (str_eq(*port, STR(":80")) || str_eq(*port, STR(":443")) || str_eq(*port, STR(":")))
		port->n = 0;
	for (size_t i = 0; i < port->n; i++)
		if (port->n > 6 || (i ? !is_digit(port->p[i]) : port->p[i] != ':'))
			return 0;
	if (!six)
		return intel_name(host, to);
	unsigned family = intel_address(host, address);
	char z[INET6_ADDRSTRLEN];
	if (!family || !inet_ntop(family == 4 ? AF_INET : AF_INET6, address, z, sizeof(z)))
		return 0;
	size_t n = strlen(z), bracket = family == 6;
	memcpy(to + bracket, z, n);
	if (!bracket)
		return n;
	to[0] = '[';
	to[n + 1] = ']';
	return n + 2;
}

size_t intel_url(struct str s, char *to, size_t *host)
{
	struct str path, port;
	size_t n = read_host(authority(s, &path), to, &port);
	if (!n)
		return 0;
	*host = n;
	if (port.n)
		memcpy(to + n, port.p, port.n);
	n += port.n;
	if (!path.n || path.p[0] != '/')
		to[n++] = '/';
	for (size_t i = 0; i < path.n && path.p[i] != '#'; i++) {
		if (n + 3 > INTEL_TEXT_MAX)
			return 0;
		int high = path.p[i] == '%' && i + 2 < path.n ? hex(path.p[i + 1]) : -1;
		int low = high >= 0 ? hex(path.p[i + 2]) : -1;
		if (low < 0 && path.p[i] != '%') {
			to[n++] = path.p[i];
			continue;
		}
		if (low < 0) { /* a percent sign that stands for itself */
			high = 2;
			low = 5;
		} else {
			i += 2;
		}
		if (is_unreserved(high << 4 | low)) {
			to[n++] = (char)(high << 4 | low);
		} else {
			to[n++] = '%';
			to[n++] = "0123456789ABCDEF"[high];
			to[n++] = "0123456789ABCDEF"[low];
		}
	}
	return n;
}

static const char *read_url(struct indicator *i, struct str s)
{
	size_t host, folders = 0;
	bool below = str_ends(s, STR("/*"));
	for (size_t k = 0; k < s.n; k++)
		if ((unsigned char)s.p[k] <= ' ' || s.p[k] == 0x7f)
			return "blanks or control characters within a URL";
	size_t n = intel_url(below ? str_sub(s, 0, s.n - 1) : s, i->bytes, &host);
	if (!n)
		return "a URL without a host that could be one, or longer than 2048 bytes";
	for (size_t k = host; below && k < n; k++) {
		folders += i->bytes[k] == '/';
		if (i->bytes[k] == '?' || folders > INTEL_FOLDERS_MAX || i->bytes[n - 1] != '/')
			return "a URL with /* has a query or fragment, or more than 16 folders";
	}
	i->type = below ? INTEL_BELOW : INTEL_URL;
	i->text = (struct str){ i->bytes, n };
	return NULL;
}

/* --- hashes --- */

size_t intel_hash(struct str s, uint8_t *to)
{
	if (s.n != 32 && s.n != 40 && s.n != 64 && s.n != 128)
		return 0;
	for (size_t i = 0; i < s.n; i += 2) {
		int high = hex(s.p[i]), low = hex(s.p[i + 1]);
		if (high < 0 || low < 0)
			return 0;
		to[i / 2] = (uint8_t)(high << 4 | low);
	}
	return s.n / 2;
}

static bool read_hash(struct indicator *i, struct str s)
{
	uint8_t raw[64];
	if (!intel_hash(s, raw))
		return false;
	for (size_t k = 0; k < s.n; k++)
		i->bytes[k] = lower(s.p[k]);
	i->type = INTEL_HASH;
	i->text = (struct str){ i->bytes, s.n };
	return true;
}

/* --- all of them --- */

/* hxxp, [.] and the like undone, into `to`, which has room for s.n bytes. */
static struct str refang(struct str s, char *to)
{
	static const struct {
		struct str from, to;
	} marks[] = {
		{ { "[.]", 3 }, { ".", 1 } },     { { "(.)", 3 }, { ".", 1 } },     { { "{.}", 3 }, { ".", 1 } },
		{ { "[dot]", 5 }, { ".", 1 } },   { { "(dot)", 5 }, { ".", 1 } },   { { "[:]", 3 }, { ":", 1 } },
		{ { "[://]", 5 }, { "://", 3 } }, { { "[:]//", 5 }, { "://", 3 } }, { { "[/]", 3 }, { "/", 1 } },
		{ { "[@]", 3 }, { "@", 1 } },     { { "\\.", 2 }, { ".", 1 } },
	};
	size_t n = 0;
	for (size_t i = 0; i < s.n;) {
		size_t m = 0;
		struct str rest = str_sub(s, i, s.n);
		if (rest.p[0] == '/' && !str_starts(rest, STR("//")) && !(n && to[n - 1] == '/')) {
			memcpy(to + n, rest.p, rest.n); /* a path is as it is */
			n += rest.n;
			break;
		}
		bool mark = memchr("[({\\", rest.p[0], 4);
		while (mark && m < ARRAY_LEN(marks) && !str_starts(rest, marks[m].from))
			m++;
		if (!mark || m == ARRAY_LEN(marks)) {
			to[n++] = s.p[i++];
			continue;
		}
		memcpy(to + n, marks[m].to.p, marks[m].to.n);
		n += marks[m].to.n;
		i += marks[m].from.n;
	}
	size_t colon = str_find((struct str){ to, n }, ':');
	if ((colon == 4 || colon == 5) && colon + 2 < n && to[colon + 1] == '/' && to[colon + 2] == '/' &&
	    lower(to[0]) == 'h' && lower(to[1]) == 'x' && lower(to[2]) == 'x' && lower(to[3]) == 'p')
		memcpy(to, "http", 4);
	return (struct str){ to, n };
}

const char *indicator_read(struct indicator *i, struct str text, enum intel_type type, unsigned flags)
{
	char plain[INTEL_TEXT_MAX];
	const char *why = NULL;
	bool any = type == INTEL_ANY;
	struct str s = str_trim(text);
	if (!s.n)
		return "empty";
	if (s.n > sizeof(plain))
		return "longer than 2048 bytes";
	s = refang(s, plain);
	if (any || type == INTEL_ADDRESS || type == INTEL_NETWORK || type == INTEL_DOMAIN || type == INTEL_NAME) {
		if (read_address(i, s, flags, &why))
			return why;
		if (type == INTEL_ADDRESS || type == INTEL_NETWORK)
			return "no address";
	}
	if (type == INTEL_HASH || any) {
		if (read_hash(i, s))
			return NULL;
		if (!any)
			return "no hash: neither 32 nor 40, 64 or 128 hexadecimal digits";
	}
	if (type == INTEL_URL || type == INTEL_BELOW || (any && str_find(s, '/') < s.n))
		return read_url(i, s);
	return read_name(i, s, type == INTEL_NAME ? flags | INTEL_EXACT : flags);
}
