/* A form is read, or refused; its fields lie within what came, each name once, and written again they are read as the same. */
#include "base/utf8.h"
#include "kiosk/web_form.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_fields(const struct form *f, const char *body, size_t n, bool text)
{
	check(f->n <= FORM_FIELDS);
	for (size_t i = 0; i < f->n; i++) {
		const struct str name = f->fields[i].name, value = f->fields[i].value;
		check(name.n && name.n <= FORM_NAME && utf8_valid(name) && (!text || utf8_valid(value)));
		check(name.p >= body && name.p + name.n <= body + n);
		check(!value.n ||
		      (value.p >= body && value.p + value.n <= body + n && !memchr(value.p, '\0', value.n)));
		check(form_field(f, name).p == value.p); /* it is the only one of this name */
	}
}

static void add(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_printf(b, "%%%02x", (unsigned char)s.p[i]);
}

static void check_form(char *body, size_t n)
{
	struct form f, again;
	struct buf b = { 0 };
	if (form_read(&f, body, n))
		return;
	check_fields(&f, body, n, true);
	for (size_t i = 0; i < f.n; i++) {
		add(&b, f.fields[i].name);
		buf_putc(&b, '=');
		add(&b, f.fields[i].value);
		buf_putc(&b, '&');
	}
	check(!form_read(&again, b.p, b.n) && again.n == f.n);
	for (size_t i = 0; i < f.n; i++)
		check(str_eq(f.fields[i].name, again.fields[i].name) &&
		      str_eq(f.fields[i].value, again.fields[i].value));
	buf_free(&b);
}

/* The first line is the header's. */
static void check_parts(char *body, size_t n)
{
	struct form f;
	const struct str all = { body, n }, type = str_sub(all, 0, str_find(all, '\n'));
	if (type.n < n && !form_read_multipart(&f, type, body + type.n + 1, n - type.n - 1))
		check_fields(&f, body, n, false);
}

static void check_cookies(struct str header)
{
	static const unsigned char key[32];
	for (unsigned i = 0; i < N_COOKIES; i++) {
		const struct str value = cookie_find(header, i);
		struct buf text = { 0 };
		check(!value.p || (value.n && value.p >= header.p && value.p + value.n <= header.p + header.n));
		check(cookie_open(key, "kiosk", value, &text)); /* nobody guesses a seal */
		check(!token_good(key, &(struct token_of){ .now = 1 }, value) && !text.n);
		buf_free(&text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body = malloc(size + 1);
	if (!body || !size) {
		free(body);
		return 0;
	}
	memcpy(body, data + 1, size - 1);
	if (data[0] == 'm')
		check_parts(body, size - 1);
	else if (data[0] == 'c')
		check_cookies((struct str){ body, size - 1 });
	else
		check_form(body, size - 1);
	free(body);
	return 0;
}
