/* Plain lists and hosts files. */
#include "intel/parse.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts the comment off; it is told as the indicator's note. */
static struct str without_comment(struct str line, struct str *comment)
{
	*comment = STR("");
	for (size_t i = 0; i < line.n; i++) {
		struct str rest = str_sub(line, i, line.n);
		bool mark = rest.p[0] == '#' || rest.p[0] == ';' || str_starts(rest, STR("//"));
		/* Within a word these are parts of URLs. */
		if (!mark || (i && !blank(line.p[i - 1])))
			continue;
		size_t n = 0;
		while (n < rest.n && memchr("#;/ \t", rest.p[n], 5))
			n++;
		*comment = str_trim(str_sub(rest, n, rest.n));
		return str_trim(str_sub(line, 0, i));
	}
	return str_trim(line);
}

static struct str next_word(struct str *s)
{
	size_t n = 0;
	while (n < s->n && !blank(s->p[n]))
		n++;
	struct str word = str_sub(*s, 0, n);
	*s = str_trim(str_sub(*s, n, s->n));
	return word;
}

/* The names that every hosts file has. */
static bool is_own(struct str name)
{
	return str_find(name, '.') == name.n || str_eq(name, STR("localhost.localdomain")) ||
	       str_eq(name, STR("0.0.0.0"));
}

/* "0.0.0.0 bad.example": the address is where nobody is. */
static bool is_hosts_line(struct str first, struct str rest)
{
	static const char *const nowhere[] = { "0.0.0.0", "127.0.0.1", "::", "::1", "255.255.255.255", "fe80::1%lo0" };
	for (size_t i = 0; rest.n && i < ARRAY_LEN(nowhere); i++)
		if (str_eq(first, str_from(nowhere[i])))
			return true;
	return false;
}

/* "192.0.2.1:443": what counts is the address. */
static struct str without_port(struct str s)
{
	uint8_t address[16];
	size_t colon = str_find(s, ':');
	if (colon == s.n || colon + 6 < s.n || intel_address(str_sub(s, 0, colon), address) != 4)
		return s;
	for (size_t i = colon + 1; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return s;
	return str_sub(s, 0, colon);
}

static void parse_line(struct intel_parse *p, uint64_t number, struct str line)
{
	struct feed_entry e = { .expires = parse_expires(p), .confidence = parse_confidence(p) };
	struct parse_value v = { .line = number };
	struct str rest = without_comment(line, &e.note);
	v.text = next_word(&rest);
	if (!v.text.n)
		return;
	if (line.n > INTEL_LINE_MAX) {
		feed_bad(p->maker, number, STR(""), "a line of more than 8192 bytes");
		return;
	}
	if (is_hosts_line(v.text, rest)) {
		v.flags = INTEL_EXACT;
		v.type = INTEL_NAME;
		while (rest.n) {
			v.text = next_word(&rest);
			if (!is_own(v.text))
				parse_add(p, &v, &e);
		}
		return;
	}
	v.text = without_port(v.text);
	if (rest.n)
		feed_bad(p->maker, number, line, "more than one word: write one value a line, notes behind '#'");
	else
		parse_add(p, &v, &e);
}

void parse_list(struct intel_parse *p, struct str bytes)
{
	for (uint64_t number = 1; bytes.n && !p->maker->failed; number++) {
		size_t n = str_find(bytes, '\n');
		parse_line(p, number, str_trim(str_sub(bytes, 0, n)));
		bytes = str_sub(bytes, n + 1, bytes.n);
	}
}
