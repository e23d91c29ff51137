/* khien hub token --post: what lets one post in, once. */
#include "cmd/cmd.h"
#include "cmd/config.h"
#include "cmd/hub_admin.h"
#include "cmd/opt.h"
#include "cmd/term.h"
#include "order/invite.h"
#include "pki/pki.h"
#include "store/posts.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

static const int64_t LIFE = 900LL * CLOCK_S;

struct args {
	struct opt_list words, hubs;
	const char *data;
	bool quiet;
};

static int parse_args(struct args *a, int argc, char **argv)
{
	static const char *const synopsis[] = { "[OPTION]... [NAME]", NULL };
	const struct opt opts[] = {
		{ "hub", 0, OPT_LIST, "HOST:PORT",
		  "where the post finds the hub, the best first (default: what khien.yaml says it\nlistens on)",
		  &a->hubs, 0, 0, NULL },
		{ "quiet", 'q', OPT_FLAG, NULL, "the token only, not how to use it", &a->quiet, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a->data, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "hub token --post",
		.synopsis = synopsis,
		.what = "Makes a token that lets one post in, once, within 15 minutes, and prints it: the addresses "
		        "of\n"
		        "the hub, the fingerprint of its CA, and a secret of which the hub keeps a hash only. With "
		        "NAME\n"
		        "the post can have that name alone; a post that has it already, or was revoked, is replaced.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 made, 2 not.\n\nExample: khien hub token --post web1, and on web1: khien post "
		        "enrol --name web1 -",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

static int add_hub(struct invite *i, struct str host, struct str port, struct err *err)
{
	char text[INVITE_HUB + 1];
	const bool six = memchr(host.p, ':', host.n) && host.p[0] != '[';
	int n = snprintf(text, sizeof(text), six ? "[" STR_FMT "]:" STR_FMT : STR_FMT ":" STR_FMT, STR_ARG(host),
	                 STR_ARG(port));
	if (n >= (int)sizeof(text))
		return err_set(err, -ENAMETOOLONG, "'" STR_FMT "' is too long", STR_ARG(host));
	for (size_t k = 0; k < i->n_hubs; k++)
		if (strcmp(i->hubs[k], text) == 0)
			return 0;
	if (i->n_hubs < INVITE_HUBS)
		memcpy(i->hubs[i->n_hubs++], text, (size_t)n + 1);
	return 0;
}

/* "0.0.0.0:9200" is every address: then the names in the hub's certificate are where it is found. */
static int add_listener(struct invite *i, const struct config_hub *c, struct str address, struct err *err)
{
	size_t colon = address.n;
	while (colon && address.p[colon - 1] != ':')
		colon--;
	struct str host = str_sub(address, 0, colon ? colon - 1 : 0), port = str_sub(address, colon, address.n);
	int code = 0;
	if (!str_eq(host, STR("0.0.0.0")) && !str_eq(host, STR("[::]")))
		return add_hub(i, host, port, err);
	for (size_t k = 0; k < c->names.n && !code; k++)
		code = add_hub(i, str_from(c->names.at[k]), port, err);
	return code;
}

static int find_hubs(struct invite *i, const struct args *a, struct err *err)
{
	struct config c;
	CLEANUP(buf_free) struct buf problems = { 0 };
	for (size_t k = 0; k < a->hubs.n && k < INVITE_HUBS; k++)
		snprintf(i->hubs[i->n_hubs++], sizeof(i->hubs[0]), "%s", a->hubs.at[k]);
	if (i->n_hubs)
		return 0;
	int code = config_read(&c, NULL, &problems);
	if (code)
		return err_set(err, code, STR_FMT, STR_ARG(str_trim(buf_str(&problems))));
	for (size_t k = 0; k < c.hub.https.n && !code; k++)
		code = add_listener(i, &c.hub, str_from(c.hub.https.at[k]), err);
	config_done(&c);
	return code || i->n_hubs ? code : err_set(err, -ENOENT, "say where the hub is: --hub HOST:PORT");
}

/* While there are the rights to read it. */
static int find_ca(struct invite *i, const struct admin *where, struct err *err)
{
	CLEANUP(buf_free) struct buf pem = { 0 };
	char dir[sizeof(where->data) + 8], hex[PKI_FINGERPRINT + 1];
	snprintf(dir, sizeof(dir), "%s/pki", where->data);
	int code = pki_load(dir, "ca.crt", &pem, err);
	if (code == -ENOENT)
		return err_set(err, code, "there is no CA in '%s': start the hub once, or khien ca init", dir);
	if (!code)
		code = pki_fingerprint(buf_str(&pem), hex, err);
	if (!code && sodium_hex2bin(i->fingerprint, sizeof(i->fingerprint), hex, strlen(hex), NULL, NULL, NULL))
		code = err_set(err, -EBADMSG, "the CA's fingerprint makes no sense");
	return code;
}

static void explain(const struct invite *i, const char *name)
{
	bool far = false;
	for (size_t k = 0; k < i->n_hubs; k++)
		far |= !str_starts(str_from(i->hubs[k]), STR("127.")) &&
		       !str_starts(str_from(i->hubs[k]), STR("[::1]")) &&
		       !str_starts(str_from(i->hubs[k]), STR("localhost:"));
	fprintf(stderr,
	        "It works once, for 15 minutes. On the post, with the token on standard input: khien post enrol%s%s -\n"
	        "Who reads it meanwhile can enrol in the post's place: khien hub posts shows who did.\n",
	        name ? " --name " : "", name ? name : "");
	if (!far)
		fprintf(stderr, "It names this machine only: a post elsewhere needs --hub HOST:PORT.\n");
}

static int run(struct args *a, struct err *err)
{
	struct admin where;
	struct state *s;
	CLEANUP(buf_free) struct buf text = { 0 };
	struct invite i = { 0 };
	char who[65];
	const char *name = a->words.n ? a->words.at[0] : NULL;
	int code =
	        sodium_init() < 0 ? err_set(err, -EIO, "libsodium does not start") : admin_find(&where, a->data, err);
	admin_who(who);
	if (!code && name && !pki_is_title(str_from(name)))
		code = err_set(err, -EINVAL, "a post's name has 1 to %d bytes of UTF-8, all visible", PKI_TITLE_MAX);
	if (!code)
		code = find_ca(&i, &where, err);
	if (!code)
		code = find_hubs(&i, a, err);
	if (!code)
		code = invite_print(&i, &text, err); /* its hubs, before a secret is made */
	if (!code)
		code = admin_open(&where, false, false, &s, err);
	if (code)
		return code;
	text.n = 0;
	code = state_enrolment_add(s, str_from(name ? name : ""), str_from(who), clock_wall(&clock_system) + LIFE,
	                           i.secret, err);
	if (!code)
		code = invite_print(&i, &text, err);
	buf_putc(&text, '\n');
	if (!code && (code = term_write(STDOUT_FILENO, buf_str(&text))))
		err_set(err, code, "write to standard output: %m");
	if (!code && !a->quiet)
		explain(&i, name);
	sodium_memzero(&i, sizeof(i));
	if (text.p)
		sodium_memzero(text.p, text.cap);
	state_close(s);
	return code;
}

int hub_invite(int argc, char **argv)
{
	struct args a = { 0 };
	struct err err = { 0 };
	int status = parse_args(&a, argc, argv);
	if (status < 0 && a.words.n > 1)
		err_set(&err, -EINVAL, "one NAME at most is wanted");
	if (status < 0)
		status = *err.text || run(&a, &err) ? admin_complain("token", &err) : EXIT_NOTHING;
	opt_list_done(&a.words);
	opt_list_done(&a.hubs);
	return status;
}
