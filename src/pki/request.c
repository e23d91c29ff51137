/* What the CA signs at all. Its rules stand here, apart from GnuTLS: names by their letters, numbers by their bounds. */
#include "base/utf8.h"
#include "pki/x509.h"

#include <arpa/inet.h>
#include <errno.h>

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A label of a host name: letters, digits, and hyphens but at its ends. */
static bool is_label(struct str s)
{
	if (!s.n || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

bool x509_is_host(struct str name)
{
	bool number = true; /* the last label is one: then it would be taken for an address */
	if (!name.n || name.n > X509_NAME_MAX)
		return false;
	for (size_t at = 0; at <= name.n;) {
		struct str label = str_sub(name, at, str_find(str_sub(name, at, name.n), '.'));
		if (!is_label(label))
			return false;
		number = true;
		for (size_t i = 0; i < label.n; i++)
			number = number && label.p[i] >= '0' && label.p[i] <= '9';
		at += label.n + 1;
	}
	return !number;
}

bool x509_is_address(struct str name, unsigned char binary[16], unsigned *n)
{
	char text[INET6_ADDRSTRLEN];
	if (!name.n || name.n >= sizeof(text) || memchr(name.p, '\0', name.n))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	*n = memchr(text, ':', name.n) ? 16 : 4;
	return inet_pton(*n == 16 ? AF_INET6 : AF_INET, text, binary) == 1;
}

/* Control characters, and those that turn the direction of writing or can't be seen. */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff0 && c <= 0xffff);
}

bool pki_is_title(struct str s)
{
	if (!s.n || s.n > PKI_TITLE_MAX || s.p[0] == ' ' || s.p[s.n - 1] == ' ')
		return false;
	for (size_t n; s.n; s = str_sub(s, n, s.n)) {
		n = utf8_len(s);
		if (!n || is_hidden(utf8_get(s)))
			return false;
	}
	return true;
}

bool pki_is_name(struct str s)
{
	unsigned char binary[16];
	unsigned n;
	return x509_is_host(s) || x509_is_address(s, binary, &n);
}

int request_check(const struct pki_request *r, struct err *err)
{
	if (r->use != PKI_SERVER && r->use != PKI_CLIENT)
		return err_set(err, -EPERM, "a certificate is for a server or for a client");
	if (r->days < 1 || r->days > X509_DAYS_MAX)
		return err_set(err, -EPERM, "a certificate holds for 1 to %d days, not for %u", X509_DAYS_MAX, r->days);
	if (!pki_is_title(r->common_name))
		return err_set(err, -EPERM,
		               "a common name has 1 to %d bytes of UTF-8, all visible, and no blank at its ends",
		               PKI_TITLE_MAX);
	if (r->organization.n && !pki_is_title(r->organization))
		return err_set(err, -EPERM, "a unit's name has up to %d bytes of UTF-8, all visible", PKI_TITLE_MAX);
	if (r->prior.n > X509_KEY_MAX || r->serial.n > PKI_SERIAL || r->proof.n > X509_PROOF_MAX)
		return err_set(err, -EPERM, "that is no renewal");
	if (r->n_names > PKI_NAMES_MAX || (r->use == PKI_SERVER && !r->n_names))
		return err_set(err, -EPERM, "a certificate has up to %d names, of a server at least one",
		               PKI_NAMES_MAX);
	for (size_t i = 0; i < r->n_names; i++)
		if (!pki_is_name(r->names[i]))
			return err_set(err, -EPERM, "'" STR_FMT "' is no host name and no address",
			               STR_ARG(str_sub(r->names[i], 0, X509_NAME_MAX)));
	if (!r->public_key.n || r->public_key.n > X509_KEY_MAX)
		return err_set(err, -EPERM, "a public key has at most %d bytes", X509_KEY_MAX);
	return 0;
}
