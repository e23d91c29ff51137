/* khien order key, approver, sign: the keys of people who approve what destroys. No hub has them. */
#include "cmd/order.h"

#include "cmd/cmd.h"
#include "cmd/opt.h"
#include "cmd/term.h"
#include "order/approver.h"
#include "os/atomic.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { PASSPHRASE_MAX = 1024 };

int order_complain(const char *job, const struct err *err)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	buf_printf(&line, "khien order%s%s: ", *job ? " " : "", job);
	term_safe(&line, str_from(err->text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	return EXIT_TROUBLE;
}

/* --- passphrases --- */

static void wipe(struct buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->cap);
	buf_free(b);
}

static int read_all(int fd, size_t most, struct buf *to, struct err *err)
{
	char *room = buf_room(to, most + 1);
	ssize_t n = 1;
	for (size_t left = most + 1; room && left && n > 0; left -= (size_t)n) {
		n = read(fd, room + to->n, left);
		if (n < 0)
			return err_set(err, -errno, "read: %m");
		to->n += (size_t)n;
	}
	return !room ? err_set(err, -ENOMEM, "%m") : to->n > most ? err_set(err, -EFBIG, "it is too long") : 0;
}

static int read_file(const char *path, size_t most, struct buf *to, struct err *err)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	int code = fd < 0 ? err_set(err, -errno, "read '%s': %m", path) : read_all(fd, most, to, err);
	if (fd >= 0)
		close(fd);
	return code;
}

static int ask(const char *question, struct buf *to, struct err *err)
{
	struct termios was, quiet;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set(err, -errno, "there is no terminal to ask for the passphrase: --passphrase FILE");
	char *room = buf_room(to, PASSPHRASE_MAX);
	bool silent = !tcgetattr(fd, &was);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (silent)
		tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s", question);
	ssize_t n = room ? read(fd, room, PASSPHRASE_MAX) : -1;
	if (silent)
		tcsetattr(fd, TCSAFLUSH, &was);
	dprintf(fd, "\n");
	close(fd);
	to->n += n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : err_set(err, -EIO, "no passphrase");
}

/* One line. */
static int get_passphrase(const char *file, const char *question, struct buf *to, struct err *err)
{
	int code = file ? read_file(file, PASSPHRASE_MAX, to, err) : ask(question, to, err);
	if (!code)
		to->n = str_find(buf_str(to), '\n');
	return code;
}

int order_open_key(const char *path, const char *passphrase_file, unsigned char public[ORDER_KEY],
                   unsigned char secret[ORDER_SECRET], struct err *err)
{
	CLEANUP(buf_free) struct buf file = { 0 };
	CLEANUP(wipe) struct buf pass = { 0 };
	struct approver a;
	int code = read_file(path, APPROVER_FILE, &file, err);
	if (!code)
		code = approver_read(&a, buf_str(&file), err);
	if (!code)
		code = get_passphrase(passphrase_file, "Passphrase: ", &pass, err);
	if (!code)
		code = approver_open(buf_str(&file), buf_str(&pass), secret, err);
	if (!code)
		memcpy(public, a.public, ORDER_KEY);
	return code;
}

/* --- khien order key --- */

struct key_args {
	struct opt_list words;
	const char *name, *passphrase;
};

static int parse_key(struct key_args *a, int argc, char **argv)
{
	static const char *const synopsis[] = { "[OPTION]... FILE", NULL };
	const struct opt opts[] = {
		{ "name", 'n', OPT_TEXT, "NAME", "whose it is (default: who runs this)", &a->name, 0, 0, NULL },
		{ "passphrase", 0, OPT_TEXT, "FILE", "its first line is the passphrase (default: it is asked for)",
		  &a->passphrase, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "order key",
		.synopsis = synopsis,
		.what = "Makes an approver's key, in FILE, which only its passphrase opens, and prints the public "
		        "half:\n"
		        "that is what hubs and posts get. FILE stays with the person, and on no hub.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 made, 2 not.",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

static int make_key(const struct key_args *a, struct err *err)
{
	CLEANUP(wipe) struct buf first = { 0 };
	CLEANUP(wipe) struct buf again = { 0 };
	CLEANUP(buf_free) struct buf file = { 0 };
	struct approver made;
	char who[65], text[ORDER_KEY_TEXT], dir[PATH_MAX], name[PATH_MAX];
	admin_who(who);
	if (access(a->words.at[0], F_OK) == 0)
		return err_set(err, -EEXIST, "'%s' is there already: a key is not overwritten", a->words.at[0]);
	int code = get_passphrase(a->passphrase, "Passphrase for the new key: ", &first, err);
	if (!code && !a->passphrase)
		code = get_passphrase(NULL, "Again: ", &again, err);
	if (!code && !a->passphrase && !str_eq(buf_str(&first), buf_str(&again)))
		code = err_set(err, -EINVAL, "the two are not the same");
	if (!code)
		code = approver_new(str_from(a->name ? a->name : who), buf_str(&first), 0, 0, &file, err);
	if (!code)
		code = approver_read(&made, buf_str(&file), err);
	if (code)
		return code;
	snprintf(dir, sizeof(dir), "%s", a->words.at[0]);
	snprintf(name, sizeof(name), "%s", a->words.at[0]);
	char base[NAME_MAX + 1];
	snprintf(base, sizeof(base), "%s", basename(name));
	code = atomic_write(dirname(dir), base, buf_str(&file), 0600, err);
	if (code)
		return code;
	order_key_text(made.public, text);
	printf("%s %s\n", text, made.name);
	fprintf(stderr, "On the hub: khien order approver add KEY NAME; on posts that are enrolled already: khien post "
	                "approver add KEY NAME.\n");
	return fflush(stdout) ? err_set(err, -errno, "write to standard output: %m") : 0;
}

int order_key(int argc, char **argv)
{
	struct key_args a = { 0 };
	struct err err = { 0 };
	int status = parse_key(&a, argc, argv);
	if (status < 0 && a.words.n != 1)
		err_set(&err, -EINVAL, "one FILE is wanted");
	if (status < 0)
		status = *err.text || make_key(&a, &err) ? order_complain("key", &err) : EXIT_NOTHING;
	opt_list_done(&a.words);
	return status;
}

/* --- khien order approver --- */

struct approver_args {
	struct opt_list words;
	const char *data;
};

static int parse_approver(struct approver_args *a, int argc, char **argv)
{
	static const char *const synopsis[] = { "[OPTION]...", "add [OPTION]... KEY NAME",
		                                "remove [OPTION]... NAME|KEY", NULL };
	const struct opt opts[] = {
		{ "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a->data, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "order approver",
		.synopsis = synopsis,
		.what = "Who may approve orders that destroy: the list that this hub signs by, and that posts get when "
		        "they\n"
		        "are enrolled. A hub that runs knows a change from its next start on; a post, by khien post "
		        "approver.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 done, 2 not.",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

static int print_approver(void *arg, const unsigned char public[ORDER_KEY], struct str name)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	char text[ORDER_KEY_TEXT];
	order_key_text(public, text);
	buf_printf(&line, "%s ", text);
	term_safe(&line, name);
	buf_putc(&line, '\n');
	return term_write(STDOUT_FILENO, buf_str(&line));
}

static int run_approver(const struct approver_args *a, struct err *err)
{
	const char *const *w = a->words.at;
	struct admin where;
	unsigned char key[ORDER_KEY];
	char dir[sizeof(where.data) + 8];
	int code = admin_find(&where, a->data, err);
	if (code)
		return code;
	snprintf(dir, sizeof(dir), "%s/pki", where.data);
	if (!a->words.n)
		return pki_approvers(dir, print_approver, NULL, err);
	if (a->words.n == 3 && strcmp(w[0], "add") == 0)
		return order_key_read(str_from(w[1]), key)
		               ? err_set(err, -EINVAL, "'%s' is no key: khien order key prints one", w[1])
		               : pki_approver_add(dir, key, str_from(w[2]), err);
	if (a->words.n == 2 && strcmp(w[0], "remove") == 0)
		return pki_approver_remove(dir, str_from(w[1]), err);
	return err_set(err, -EINVAL, "write add KEY NAME, remove NAME, or nothing");
}

int order_approver(int argc, char **argv)
{
	struct approver_args a = { 0 };
	struct err err = { 0 };
	int status = parse_approver(&a, argc, argv);
	if (status < 0)
		status = run_approver(&a, &err) ? order_complain("approver", &err) : EXIT_NOTHING;
	opt_list_done(&a.words);
	return status;
}

/* --- khien order sign: where the key is --- */

struct sign_args {
	struct opt_list words;
	const char *key, *passphrase;
	bool yes;
};

static int parse_sign(struct sign_args *a, int argc, char **argv)
{
	static const char *const synopsis[] = { "--key FILE [OPTION]... ORDER", NULL };
	const struct opt opts[] = {
		{ "key", 'k', OPT_TEXT, "FILE", "the approver's key", &a->key, 0, 0, NULL },
		{ "passphrase", 0, OPT_TEXT, "FILE", "its first line is the passphrase (default: it is asked for)",
		  &a->passphrase, 0, 0, NULL },
		{ "yes", 'y', OPT_FLAG, NULL, "sign without asking", &a->yes, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "order sign",
		.synopsis = synopsis,
		.what = "Shows what an order says (ORDER: what khien order show --bytes wrote, - for standard input) "
		        "and\n"
		        "signs it; prints the approval, for khien order approve. Needs no hub: the key stays where it "
		        "is.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 signed, 2 not.",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

int order_agreed(const struct order *o, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 }, safe = { 0 };
	char answer[8] = "";
	order_print(o, &text);
	term_safe(&safe, buf_str(&text));
	buf_add(&safe, STR("\nSign this? Write yes: "));
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set(err, -errno, "there is no terminal to ask: --yes signs without");
	term_write(fd, buf_str(&safe));
	ssize_t n = read(fd, answer, sizeof(answer) - 1);
	close(fd);
	return n > 0 && str_eq(str_trim((struct str){ answer, (size_t)n }), STR("yes"))
	               ? 0
	               : err_set(err, -ECANCELED, "it was not signed");
}

static int run_sign(const struct sign_args *a, struct err *err)
{
	unsigned char public[ORDER_KEY], secret[ORDER_SECRET], signature[ORDER_SIGNATURE], raw[ORDER_BYTES];
	char key[ORDER_KEY_TEXT],
	        text[sodium_base64_ENCODED_LEN(ORDER_SIGNATURE, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
	CLEANUP(buf_free) struct buf file = { 0 };
	struct order o;
	size_t n = 0;
	if (!a->key)
		return err_set(err, -EINVAL, "whose key? --key FILE");
	int code = read_file(a->words.at[0], 2 * ORDER_BYTES, &file, err);
	if (code)
		return code;
	struct str coded = str_trim(buf_str(&file));
	if (sodium_base642bin(raw, sizeof(raw), coded.p, coded.n, NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL))
		return err_set(err, -EBADMSG, "'%s' is no order: khien order show --bytes ID writes one",
		               a->words.at[0]);
	code = order_decode(&o, (struct str){ (const char *)raw, n }, err);
	if (!code && !a->yes)
		code = order_agreed(&o, err);
	if (!code)
		code = order_open_key(a->key, a->passphrase, public, secret, err);
	if (code)
		return code;
	code = order_sign(ORDER_BY_APPROVER, secret, (struct str){ (const char *)raw, n }, signature);
	sodium_memzero(secret, sizeof(secret));
	if (code)
		return err_set(err, code, "sign: %m");
	order_key_text(public, key);
	sodium_bin2base64(text, sizeof(text), signature, sizeof(signature), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	printf("%s:%s\n", key, text);
	return fflush(stdout) ? err_set(err, -errno, "write to standard output: %m") : 0;
}

int order_sign_job(int argc, char **argv)
{
	struct sign_args a = { 0 };
	struct err err = { 0 };
	int status = parse_sign(&a, argc, argv);
	if (status < 0 && a.words.n != 1)
		err_set(&err, -EINVAL, "one ORDER is wanted");
	if (status < 0)
		status = *err.text || run_sign(&a, &err) ? order_complain("sign", &err) : EXIT_NOTHING;
	opt_list_done(&a.words);
	return status;
}
