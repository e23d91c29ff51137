#include "flood/list.h"

#include "base/utf8.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { ALL_BITS = 128, V4_BITS = 96 };
static const int64_t LAST_S = 253402300799; /* 9999-12-31T23:59:59Z */

/* --- addresses --- */

static void mask(struct flood_addr *a, unsigned bits)
{
	for (unsigned i = 0; i < sizeof(a->b); i++)
		a->b[i] &= bits >= 8 * (i + 1) ? 0xff : bits <= 8 * i ? 0 : (uint8_t)(0xff00 >> (bits - 8 * i));
}

/* What foreign text is shown as within an error. */
static struct str shown(struct str s)
{
	s = str_sub(s, 0, 48);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			s.n = i;
	return s;
}

static int read_bits(struct str s, unsigned most, unsigned *ret)
{
	unsigned n = 0;
	if (!s.n || s.n > 3 || (s.n > 1 && s.p[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		n = n * 10 + (unsigned)(s.p[i] - '0');
	}
	if (n > most)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* inet_pton(3) takes no leading zeros, no zone and no short forms: one address has one meaning. */
static int read_address(struct str s, struct flood_addr *ret, bool *v4)
{
	char text[INET6_ADDRSTRLEN];
	struct flood_addr a = { { [10] = 0xff, [11] = 0xff } };
	if (!s.n || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return -EINVAL;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*v4 = inet_pton(AF_INET, text, a.b + 12) == 1;
	if (!*v4 && inet_pton(AF_INET6, text, a.b) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

int list_prefix(struct str text, struct flood_addr *addr, uint8_t *bits, struct err *err)
{
	size_t slash = str_find(text, '/');
	struct flood_addr a;
	unsigned n;
	bool v4;
	if (read_address(str_sub(text, 0, slash), &a, &v4))
		return err_set(err, -EINVAL,
		               "'" STR_FMT
		               "' is no address: write one as 203.0.113.7 or 2001:db8::1, a network as 203.0.113.0/24",
		               STR_ARG(shown(text)));
	n = v4 ? 32 : ALL_BITS;
	if (slash < text.n && read_bits(str_sub(text, slash + 1, text.n), n, &n))
		return err_set(err, -EINVAL, "'" STR_FMT "': write a number from 0 to %u behind the '/'",
		               STR_ARG(shown(text)), v4 ? 32 : ALL_BITS);
	n += v4 ? V4_BITS : 0;
	mask(&a, n);
	struct flood_addr v4s = { { [10] = 0xff, [11] = 0xff } };
	mask(&v4s, n);
	if (n < V4_BITS && memcmp(&a, &v4s, sizeof(a)) == 0)
		return err_set(
		        err, -EINVAL,
		        "'" STR_FMT
		        "' would be all of IPv4 too: write 0.0.0.0/0 for that, 2000::/3 for IPv6's public addresses",
		        STR_ARG(shown(text)));
	*addr = a;
	*bits = (uint8_t)n;
	return 0;
}

const char *list_prefix_text(const struct flood_addr *addr, uint8_t bits, char ret[LIST_PREFIX_TEXT])
{
	bool v4 = list_is_v4(addr) && bits >= V4_BITS;
	inet_ntop(v4 ? AF_INET : AF_INET6, addr->b + (v4 ? 12 : 0), ret, LIST_PREFIX_TEXT);
	if (bits >= ALL_BITS)
		return ret;
	size_t n = strlen(ret);
	snprintf(ret + n, LIST_PREFIX_TEXT - n, "/%d", v4 ? bits - V4_BITS : bits);
	return ret;
}

/* --- times --- */

static bool digits(struct str s, size_t at, size_t n, int *ret)
{
	*ret = 0;
	for (size_t i = at; i < at + n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*ret = *ret * 10 + (s.p[i] - '0');
	}
	return true;
}

/* RFC 3339 in UTC, whole seconds: 2026-11-22T18:00:00Z. */
static int read_time(struct str s, int64_t *ret)
{
	struct tm tm = { 0 }, back;
	if (s.n != 20 || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T' || s.p[13] != ':' || s.p[16] != ':' ||
	    s.p[19] != 'Z')
		return -EINVAL;
	if (!digits(s, 0, 4, &tm.tm_year) || !digits(s, 5, 2, &tm.tm_mon) || !digits(s, 8, 2, &tm.tm_mday) ||
	    !digits(s, 11, 2, &tm.tm_hour) || !digits(s, 14, 2, &tm.tm_min) || !digits(s, 17, 2, &tm.tm_sec))
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	struct tm said = tm;
	time_t t = timegm(&tm);
	/* What isn't in the calendar comes back as another day. */
	if (t < 0 || !gmtime_r(&t, &back) || back.tm_mon != said.tm_mon || back.tm_mday != said.tm_mday ||
	    back.tm_hour != said.tm_hour || back.tm_min != said.tm_min || back.tm_sec != said.tm_sec)
		return -EINVAL;
	*ret = t;
	return 0;
}

static void write_time(struct buf *out, int64_t s)
{
	char text[32];
	struct tm tm;
	time_t t = s < 0 ? 0 : s > LAST_S ? LAST_S : s;
	if (s == INT64_MAX) {
		buf_add(out, STR("never"));
		return;
	}
	gmtime_r(&t, &tm);
	buf_add(out, (struct str){ text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) });
}

/* --- lines --- */

static struct str word(struct str *rest)
{
	struct str s = *rest;
	size_t n = 0;
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_sub(s, 1, s.n);
	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
		n++;
	*rest = str_sub(s, n, s.n);
	return str_sub(s, 0, n);
}

/* Length of the character at the start that may stand in an entry's text; 0: none does. */
static size_t plain_len(struct str s)
{
	size_t n = utf8_len(s);
	uint32_t c = n ? utf8_get(s) : 0;
	return c < ' ' || (c >= 0x7f && c < 0xa0) ? 0 : n;
}

/* A word, or text between quotes; within them \" and \\. Copies it with a NUL. */
static int read_text(struct str *rest, const char *what, char *ret, size_t room, struct err *err)
{
	struct str s = *rest;
	bool quoted;
	size_t n = 0;
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_sub(s, 1, s.n);
	quoted = s.n && s.p[0] == '"';
	s = str_sub(s, quoted, s.n);
	while (s.n && (quoted ? s.p[0] != '"' : s.p[0] != ' ' && s.p[0] != '\t')) {
		if (quoted && s.n > 1 && s.p[0] == '\\' && (s.p[1] == '"' || s.p[1] == '\\'))
			s = str_sub(s, 1, s.n);
		size_t k = plain_len(s);
		if (!k)
			return err_set(err, -EINVAL, "%s: a control character, or no UTF-8: write plain text", what);
		if (n + k >= room)
			return err_set(err, -EINVAL, "%s: write %zu bytes at most", what, room - 1);
		memcpy(ret + n, s.p, k);
		n += k;
		s = str_sub(s, k, s.n);
	}
	if (quoted && !s.n)
		return err_set(err, -EINVAL, "%s: the text doesn't end: write a '\"' behind it", what);
	if (!quoted && !n)
		return err_set(err, -EINVAL, "%s: there is nothing behind it: write a word, or text between '\"'",
		               what);
	ret[n] = '\0';
	*rest = str_sub(s, quoted, s.n);
	return 0;
}

static int expect(struct str *rest, const char *name, const char *example, struct err *err)
{
	struct str got = word(rest);
	if (str_eq(got, str_from(name)))
		return 0;
	return err_set(err, -EINVAL, "'" STR_FMT "' where '%s' belongs: write %s %s", STR_ARG(shown(got)), name, name,
	               example);
}

static int read_until(struct str s, int64_t *ret, struct err *err)
{
	if (str_eq(s, STR("never"))) {
		*ret = INT64_MAX;
		return 0;
	}
	if (!read_time(s, ret))
		return 0;
	return err_set(err, -EINVAL, "until '" STR_FMT "': write a time in UTC as 2026-11-22T18:00:00Z, or never",
	               STR_ARG(shown(s)));
}

static int read_line(struct str line, struct list_entry *ret, struct err *err)
{
	struct list_entry e = { 0 };
	struct str action = word(&line);
	int rc;
	e.action = str_eq(action, STR("allow")) ? LIST_ALLOW : str_eq(action, STR("block")) ? LIST_BLOCK : LIST_NONE;
	if (e.action == LIST_NONE)
		return err_set(err, -EINVAL, "'" STR_FMT "': write allow or block", STR_ARG(shown(action)));
	if ((rc = list_prefix(word(&line), &e.addr, &e.bits, err)) ||
	    (rc = expect(&line, "until", "TIME or never", err)) || (rc = read_until(word(&line), &e.until_s, err)) ||
	    (rc = expect(&line, "by", "NAME", err)) || (rc = read_text(&line, "by", e.by, sizeof(e.by), err)) ||
	    (rc = expect(&line, "why", "\"TEXT\"", err)) || (rc = read_text(&line, "why", e.why, sizeof(e.why), err)))
		return rc;
	if (str_trim(line).n)
		return err_set(err, -EINVAL, "'" STR_FMT "' behind the end: write why's text between '\"'",
		               STR_ARG(shown(str_trim(line))));
	*ret = e;
	return 0;
}

int list_read(struct str text, struct list_entry *ret, size_t room, size_t *n_ret, struct err *err)
{
	size_t n = 0;
	if (text.n > LIST_TEXT)
		return err_set(err, -E2BIG, "the list is longer than %d bytes", LIST_TEXT);
	for (size_t number = 1; text.n; number++) {
		struct str line = str_sub(text, 0, str_find(text, '\n'));
		struct err inner = { 0 };
		text = str_sub(text, line.n + 1, text.n);
		line = str_trim(line);
		if (!line.n || line.p[0] == '#')
			continue;
		if (n == room)
			return err_set(err, -E2BIG, "%zu: there are more than %zu entries", number, room);
		int rc = read_line(line, &ret[n], &inner);
		if (rc)
			return err_set(err, rc, "%zu: %s", number, inner.text);
		n++;
	}
	*n_ret = n;
	return 0;
}

/* always_quoted: else only where it must be. */
static void write_text(struct buf *out, const char *text, size_t room, bool always_quoted)
{
	struct str s = { text, strnlen(text, room - 1) };
	bool quoted = always_quoted || !s.n;
	for (size_t i = 0; i < s.n; i++)
		quoted |= s.p[i] == ' ' || s.p[i] == '"' || s.p[i] == '\\';
	buf_add(out, quoted ? STR("\"") : STR(""));
	while (s.n) {
		size_t k = plain_len(s);
		if (s.p[0] == '"' || s.p[0] == '\\')
			buf_putc(out, '\\');
		buf_add(out, k ? str_sub(s, 0, k) : STR("?"));
		s = str_sub(s, k ? k : 1, s.n);
	}
	buf_add(out, quoted ? STR("\"") : STR(""));
}

void list_write(struct buf *out, const struct list_entry *entries, size_t n)
{
	char prefix[LIST_PREFIX_TEXT];
	for (const struct list_entry *e = entries; e < entries + n; e++) {
		if (e->action == LIST_NONE)
			continue;
		buf_printf(out, "%s %s until ", e->action == LIST_ALLOW ? "allow" : "block",
		           list_prefix_text(&e->addr, e->bits, prefix));
		write_time(out, e->until_s);
		buf_add(out, STR(" by "));
		write_text(out, e->by, sizeof(e->by), false);
		buf_add(out, STR(" why "));
		write_text(out, e->why, sizeof(e->why), true);
		buf_putc(out, '\n');
	}
}
