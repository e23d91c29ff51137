/*
 * khien order: has a post do one of a few things. What is written here into state.db the keeper makes an order of, has it
 * signed, and hands it on: who may write there is who may order.
 */
#include "cmd/order.h"

#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/opt.h"
#include "cmd/print.h"
#include "cmd/term.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct args {
	struct opt_list words;
	const char *data, *why, *expires, *key, *passphrase;
	char who[65];
	bool json, bytes, wait, yes;
};

enum { GIVE = 1, LIST = 2, SHOW = 4, UNDO = 8, APPROVE = 16 };

static int give(struct state *s, const struct args *a, struct err *err);
static int list(struct state *s, const struct args *a, struct err *err);
static int show(struct state *s, const struct args *a, struct err *err);
static int undo(struct state *s, const struct args *a, struct err *err);
static int approve(struct state *s, const struct args *a, struct err *err);

static const struct job {
	const char *name;
	unsigned bit;
	const char *synopsis, *what, *more;
	int (*run)(struct state *s, const struct args *a, struct err *err);
	size_t least, most; /* words */
} jobs[] = {
	{ "", GIVE, "[OPTION]... POST VERB [ARGUMENT]... --why TEXT",
	  "Has a post do one of a few things, and prints the order's id. The post fetches it, holds it against its "
	  "own\n"
	  "list and rules, does it once, and reports.",
	  NULL, give, 2, 2 + ORDER_ARGS },
	{ "list", LIST, "list [OPTION]...", "The orders that were given, and what became of them.",
	  "Exit status: 0 done, 2 not.", list, 0, 0 },
	{ "show", SHOW, "show [OPTION]... ID", "All of one: who, when, why, and what the post said.",
	  "Exit status: 0 done, 2 not.", show, 1, 1 },
	{ "undo", UNDO, "undo [OPTION]... ID --why TEXT",
	  "Gives the order that takes another back, where there is one.", "Exit status: 0 given, 2 not.", undo, 1, 1 },
	{ "approve", APPROVE, "approve [OPTION]... ID [APPROVAL]",
	  "Approves an order that destroys: by an APPROVAL that khien order sign printed on another machine, or with "
	  "the\n"
	  "key in a FILE that is here. The first keeps the key from whoever may have the hub.",
	  "Exit status: 0 approved, 2 not.", approve, 1, 2 },
};

static int more_jobs(int argc, char **argv, int *status)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} others[] = { { "key", order_key }, { "approver", order_approver }, { "sign", order_sign_job } };
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(others); i++) {
		if (strcmp(argv[1], others[i].name) != 0)
			continue;
		*status = others[i].run(argc - 1, argv + 1);
		return true;
	}
	return false;
}

static void verbs_help(struct buf *out)
{
	buf_add(out, STR("Verbs:\n"));
	for (unsigned i = 0; i < ORDER_VERBS; i++) {
		const struct order_verb_info *v = order_verb_info(i);
		buf_printf(out, "  %-13s%-5s %s%s\n", v->name, v->args[0] == ORDER_PATH ? "PATH" : "", v->what,
		           v->destructive ? "; needs an approver" : "");
	}
	buf_add(out, STR("\nMore jobs, each with its own --help:\n"
	                 "  khien order list, show, undo, approve\n"
	                 "  khien order key       makes an approver's key\n"
	                 "  khien order approver  who may approve\n"
	                 "  khien order sign      approves, where the key is\n\n"
	                 "Exit status: 0 given, 2 not.\n\n"
	                 "Example: khien order web1 follow /var/log/nginx/error.log --why 'slow since noon'"));
	buf_putc(out, '\0');
}

static int parse_args(const struct job *job, int argc, char **argv, struct args *a)
{
	CLEANUP(buf_free) struct buf more = { 0 };
	const struct {
		unsigned jobs;
		struct opt opt;
	} all[] = {
		{ GIVE | UNDO, { "why", 'w', OPT_TEXT, "TEXT", "why, for those who come after", &a->why, 0, 0, NULL } },
		{ GIVE | UNDO,
		  { "expires", 'e', OPT_TEXT, "SPAN",
		    "how long the post may take it: 90s, 15m, 4h, up to 24h (default: 15m)", &a->expires, 0, 0,
		    NULL } },
		{ GIVE | UNDO,
		  { "wait", 0, OPT_FLAG, NULL, "wait for what the post says, and print it", &a->wait, 0, 0, NULL } },
		{ APPROVE, { "key", 'k', OPT_TEXT, "FILE", "the approver's key, here", &a->key, 0, 0, NULL } },
		{ APPROVE,
		  { "passphrase", 0, OPT_TEXT, "FILE", "its first line is the passphrase (default: it is asked for)",
		    &a->passphrase, 0, 0, NULL } },
		{ APPROVE, { "yes", 'y', OPT_FLAG, NULL, "with --key: sign without asking", &a->yes, 0, 0, NULL } },
		{ SHOW,
		  { "bytes", 0, OPT_FLAG, NULL, "what an approver signs: khien order sign", &a->bytes, 0, 0, NULL } },
		{ LIST | SHOW, { "json", 'j', OPT_FLAG, NULL, "as JSON, one a line", &a->json, 0, 0, NULL } },
		{ 31, { "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a->data, 0, 0, NULL } },
	};
	struct opt opts[ARRAY_LEN(all)];
	char command[32] = "order";
	const char *const synopsis[] = { job->synopsis + strlen(job->name) + (*job->name ? 1 : 0), NULL };
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].jobs & job->bit)
			opts[n++] = all[i].opt;
	if (*job->name)
		snprintf(command, sizeof(command), "order %s", job->name);
	if (!job->more)
		verbs_help(&more);
	const struct opt_spec spec = { .command = command,
		                       .synopsis = synopsis,
		                       .what = job->what,
		                       .opts = opts,
		                       .n_opts = n,
		                       .more = job->more ? job->more : more.p };
	return opt_parse(&spec, argc, argv, &a->words);
}

/* --- giving --- */

static int read_span(const char *text, int64_t *ret, struct err *err)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 } };
	char *end;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (*end != units[i].letter || end[1] || *text < '0' || *text > '9' || errno || !n || n > 86400)
			continue;
		*ret = (int64_t)n * units[i].seconds * CLOCK_S;
		if (*ret < ORDER_LIFE)
			return 0;
	}
	return err_set(err, -EINVAL, "--expires: '%s' is no span: write 90s, 15m or 4h, less than 24h", text);
}

static void args_json(struct buf *json, const struct order *o)
{
	buf_putc(json, '[');
	for (size_t i = 0; i < o->n_args; i++) {
		buf_add(json, i ? STR(",") : STR(""));
		buf_add_json(json, o->args[i]);
	}
	buf_putc(json, ']');
}

static int add_order(struct state *s, const struct args *a, const struct order *o, const char *undoes,
                     char id[ORDER_ID + 1], struct err *err)
{
	CLEANUP(buf_free) struct buf json = { 0 };
	int64_t span = 900LL * CLOCK_S;
	enum order_verb verb;
	if (!a->why)
		return err_set(err, -EINVAL, "say why, for those who come after: --why TEXT");
	int code = order_verb_check(o, &verb, err);
	if (!code && a->expires)
		code = read_span(a->expires, &span, err);
	if (code)
		return code;
	order_id_new(id);
	args_json(&json, o);
	const struct order_row row = { .id = str_from(id),
		                       .post = o->post,
		                       .verb = o->verb,
		                       .args = buf_str(&json),
		                       .state = ORDER_ASKED,
		                       .expires = clock_wall(&clock_system) + span,
		                       .who = str_from(a->who),
		                       .why = str_from(a->why),
		                       .undoes = str_from(undoes) };
	return state_order_add(s, &row, err);
}

struct shown {
	struct buf out;
	struct state *s;
	bool json, seen;
	int state;
	char id[ORDER_ID + 1];
};

static int on_state(void *arg, const struct order_row *o)
{
	struct shown *w = arg;
	w->state = o->state;
	w->out.n = 0;
	buf_printf(&w->out, "%s", order_state_name((enum order_state)o->state));
	if (o->result.n)
		buf_add(&w->out, STR(": "));
	term_safe(&w->out, o->result);
	buf_putc(&w->out, '\n');
	return 0;
}

/* Until it has ended, which it does at the latest when it expires, if the hub runs. */
static int wait_for(struct state *s, const char *id, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct shown w = { 0 };
	int code = 0;
	for (int i = 0; !code && w.state < ORDERS_ENDED && i < 10 * 86460; i++) {
		code = state_order_get(s, str_from(id), on_state, &w, err);
		if (!code && w.state < ORDERS_ENDED)
			nanosleep(&pause, NULL);
	}
	if (!code && (code = term_write(STDOUT_FILENO, buf_str(&w.out))))
		err_set(err, code, "write to standard output: %m");
	buf_free(&w.out);
	if (!code && w.state != ORDER_DONE)
		code = err_set(err, -ECANCELED, "it was not done: %s", order_state_name((enum order_state)w.state));
	return code;
}

static int given(struct state *s, const struct args *a, const struct order *o, const char *undoes, struct err *err)
{
	char id[ORDER_ID + 1];
	enum order_verb verb;
	int code = add_order(s, a, o, undoes, id, err);
	if (code)
		return code;
	printf("%s\n", id);
	if (fflush(stdout))
		return err_set(err, -errno, "write to standard output: %m");
	if (!order_verb_find(o->verb, &verb) && order_verb_info(verb)->destructive)
		fprintf(stderr, "It destroys, and waits for an approver: khien order approve %s\n", id);
	return a->wait ? wait_for(s, id, err) : 0;
}

static int give(struct state *s, const struct args *a, struct err *err)
{
	struct order o = { .post = str_from(a->words.at[0]), .verb = str_from(a->words.at[1]) };
	for (size_t i = 2; i < a->words.n; i++)
		o.args[o.n_args++] = str_from(a->words.at[i]);
	return given(s, a, &o, "", err);
}

/* --- undo --- */

struct back {
	char post[ORDER_NAME + 1];
	struct order order;
	struct buf bytes, says; /* says: post, verb and arguments as the row has them */
	int state;
};

/* With a NUL between: no name has one. */
static void add_says(struct buf *out, struct str post, struct str verb, struct str args)
{
	buf_add(out, post);
	buf_putc(out, '\0');
	buf_add(out, verb);
	buf_putc(out, '\0');
	buf_add(out, args);
}

static void back_done(struct back *b)
{
	buf_free(&b->bytes);
	buf_free(&b->says);
}

static int on_back(void *arg, const struct order_row *o)
{
	struct back *b = arg;
	b->state = o->state;
	buf_add(&b->bytes, o->bytes);
	add_says(&b->says, o->post, o->verb, o->args);
	return b->bytes.failed || b->says.failed ? -ENOMEM : 0;
}

static int undo(struct state *s, const struct args *a, struct err *err)
{
	const char *id = a->words.at[0];
	struct back b = { 0 };
	enum order_verb verb;
	int code = state_order_get(s, str_from(id), on_back, &b, err);
	if (!code && b.state != ORDER_DONE)
		code = err_set(err, -EINVAL, "'%s' is not done: there is nothing to take back", id);
	if (!code)
		code = order_decode(&b.order, buf_str(&b.bytes), err);
	if (!code && (order_verb_find(b.order.verb, &verb) || order_verb_info(verb)->undo < 0))
		code = err_set(err, -EINVAL, "nothing takes '" STR_FMT "' back", STR_ARG(b.order.verb));
	if (!code) {
		b.order.verb = str_from(order_verb_info((enum order_verb)order_verb_info(verb)->undo)->name);
		code = given(s, a, &b.order, id, err);
	}
	back_done(&b);
	return code;
}

/* --- approve --- */

static int read_approval(const char *text, unsigned char public[ORDER_KEY], unsigned char signature[ORDER_SIGNATURE])
{
	struct str all = str_trim(str_from(text));
	size_t n = 0;
	if (all.n < ORDER_KEY_TEXT || all.p[ORDER_KEY_TEXT - 1] != ':' ||
	    order_key_read(str_sub(all, 0, ORDER_KEY_TEXT - 1), public))
		return -EINVAL;
	all = str_sub(all, ORDER_KEY_TEXT, all.n);
	return sodium_base642bin(signature, ORDER_SIGNATURE, all.p, all.n, NULL, &n, NULL,
	                         sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	                       n != ORDER_SIGNATURE
	               ? -EINVAL
	               : 0;
}

/* What is signed are the bytes: they must say what the list of orders says, and be seen. */
static int look_at(const struct args *a, struct back *b, struct err *err)
{
	CLEANUP(buf_free) struct buf json = { 0 }, says = { 0 };
	int code = order_decode(&b->order, buf_str(&b->bytes), err);
	if (code)
		return code;
	args_json(&json, &b->order);
	add_says(&says, b->order.post, b->order.verb, buf_str(&json));
	if (json.failed || says.failed || !str_eq(b->order.id, str_from(a->words.at[0])) ||
	    !str_eq(buf_str(&says), buf_str(&b->says)))
		return err_set(err, -EBADMSG,
		               "the bytes of '%s' say something else than the list of orders: not signed",
		               a->words.at[0]);
	return a->yes ? 0 : order_agreed(&b->order, err);
}

static int sign_here(const struct args *a, struct back *b, unsigned char public[ORDER_KEY],
                     unsigned char signature[ORDER_SIGNATURE], struct err *err)
{
	unsigned char secret[ORDER_SECRET];
	if (!a->key)
		return err_set(err, -EINVAL, "an APPROVAL is wanted, as khien order sign prints it, or --key FILE");
	int code = look_at(a, b, err);
	if (!code)
		code = order_open_key(a->key, a->passphrase, public, secret, err);
	if (code)
		return code;
	code = order_sign(ORDER_BY_APPROVER, secret, buf_str(&b->bytes), signature);
	sodium_memzero(secret, sizeof(secret));
	return code ? err_set(err, code, "sign: %m") : 0;
}

static int approve(struct state *s, const struct args *a, struct err *err)
{
	unsigned char public[ORDER_KEY], signature[ORDER_SIGNATURE];
	struct back b = { 0 };
	int code = state_order_get(s, str_from(a->words.at[0]), on_back, &b, err);
	if (!code && b.state != ORDER_PENDING)
		code = err_set(err, -EINVAL, "'%s' waits for no approver: it is %s", a->words.at[0],
		               order_state_name((enum order_state)b.state));
	if (!code && a->words.n < 2)
		code = sign_here(a, &b, public, signature, err);
	else if (!code && read_approval(a->words.at[1], public, signature))
		code = err_set(err, -EINVAL, "that is no approval: khien order sign prints one");
	if (!code && !order_verify(ORDER_BY_APPROVER, public, buf_str(&b.bytes), signature))
		code = err_set(err, -EPERM, "the approval is not for this order");
	if (!code)
		code = state_order_approved(s, str_from(a->words.at[0]),
		                            (struct str){ (const char *)public, ORDER_KEY },
		                            (struct str){ (const char *)signature, ORDER_SIGNATURE }, err);
	back_done(&b);
	return code;
}

/* --- list, show --- */

static void add_time(struct buf *out, int64_t us)
{
	print_time_utc(out, us - us % CLOCK_S);
}

static void add_json(struct buf *out, const struct order_row *o)
{
	struct json_error error;
	buf_printf(out, "{\"id\":\"" STR_FMT "\",\"post\":", STR_ARG(o->id));
	buf_add_json(out, o->post);
	buf_add(out, STR(",\"verb\":"));
	buf_add_json(out, o->verb);
	buf_add(out, STR(",\"args\":"));
	if (json_valid(o->args, &error))
		buf_add(out, o->args);
	else
		buf_add_json(out, o->args); /* whoever wrote that */
	buf_printf(out, ",\"state\":\"%s\",\"made\":\"", order_state_name((enum order_state)o->state));
	add_time(out, o->made);
	buf_add(out, STR("\",\"expires\":\""));
	add_time(out, o->expires);
	buf_printf(out, "\",\"sequence\":%llu,\"who\":", (unsigned long long)o->sequence);
	buf_add_json(out, o->who);
	buf_add(out, STR(",\"why\":"));
	buf_add_json(out, o->why);
	if (o->undoes.n) {
		buf_add(out, STR(",\"undoes\":"));
		buf_add_json(out, o->undoes);
	}
	buf_printf(out, ",\"approved\":%s,\"result\":", o->approval.n ? "true" : "false");
	buf_add_json(out, o->result);
	buf_add(out, STR("}\n"));
}

static void pad(struct buf *out, size_t from, size_t width)
{
	buf_printf(out, "%*s", out->n - from < width ? (int)(width - (out->n - from)) : 1, "");
}

static int on_row(void *arg, const struct order_row *o)
{
	struct shown *l = arg;
	if (l->json) {
		add_json(&l->out, o);
		return 0;
	}
	term_safe(&l->out, o->id);
	buf_add(&l->out, STR("  "));
	add_time(&l->out, o->made);
	buf_printf(&l->out, "  %-20s", order_state_name((enum order_state)o->state));
	size_t at = l->out.n;
	term_safe(&l->out, o->post);
	pad(&l->out, at, 20);
	term_safe(&l->out, o->verb);
	buf_putc(&l->out, ' ');
	term_safe(&l->out, str_eq(o->args, STR("[]")) ? STR("") : o->args);
	buf_putc(&l->out, '\n');
	return 0;
}

static int list(struct state *s, const struct args *a, struct err *err)
{
	struct shown l = { .json = a->json };
	if (!a->json)
		buf_printf(&l.out, "%-16s  %-20s  %-20s%-20s%s\n", "ID", "GIVEN", "STATE", "POST", "ORDER");
	int code = state_orders(s, 0, on_row, &l, err);
	if (!code && (code = term_write(STDOUT_FILENO, buf_str(&l.out))))
		err_set(err, code, "write to standard output: %m");
	buf_free(&l.out);
	return code;
}

static int on_change(void *arg, const struct order_change *c)
{
	struct buf *out = arg;
	size_t at = out->n;
	add_time(out, c->time);
	buf_printf(out, "  %-20s", order_state_name((enum order_state)c->state));
	at = out->n;
	term_safe(out, c->who);
	pad(out, at, 16);
	term_safe(out, c->why);
	buf_putc(out, '\n');
	return 0;
}

static int on_shown(void *arg, const struct order_row *o)
{
	struct shown *w = arg;
	w->state = o->state;
	return on_row(arg, o);
}

static int print_bytes(struct state *s, const char *id, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct back b = { 0 };
	int code = state_order_get(s, str_from(id), on_back, &b, err);
	if (!code && !b.bytes.n)
		code = err_set(err, -EAGAIN, "the hub has not made an order of it yet: does it run?");
	const size_t n = sodium_base64_encoded_len(b.bytes.n, sodium_base64_VARIANT_ORIGINAL);
	char *to = code ? NULL : buf_room(&text, n + 1);
	if (to) {
		sodium_bin2base64(to, n, (const unsigned char *)b.bytes.p, b.bytes.n, sodium_base64_VARIANT_ORIGINAL);
		to[n - 1] = '\n';
		text.n += n;
	}
	back_done(&b);
	if (!code && (code = term_write(STDOUT_FILENO, buf_str(&text))))
		err_set(err, code, "write to standard output: %m");
	return code;
}

static int show(struct state *s, const struct args *a, struct err *err)
{
	const struct str id = str_from(a->words.at[0]);
	struct shown w = { .json = a->json };
	if (a->bytes)
		return print_bytes(s, a->words.at[0], err);
	int code = state_order_get(s, id, on_shown, &w, err);
	if (!code && !a->json)
		code = state_order_changes(s, id, on_change, &w.out, err);
	if (!code && (code = term_write(STDOUT_FILENO, buf_str(&w.out))))
		err_set(err, code, "write to standard output: %m");
	buf_free(&w.out);
	return code;
}

static int run(const struct job *job, struct args *a, struct err *err)
{
	struct admin where;
	struct state *s;
	int code =
	        sodium_init() < 0 ? err_set(err, -EIO, "libsodium does not start") : admin_find(&where, a->data, err);
	admin_who(a->who);
	if (!code)
		code = admin_open(&where, false, job->bit & (LIST | SHOW), &s, err);
	if (code)
		return code;
	code = job->run(s, a, err);
	state_close(s);
	return code;
}

int cmd_order(int argc, char **argv)
{
	struct args a = { 0 };
	struct err err = { 0 };
	const struct job *job = &jobs[0];
	int status;
	if (more_jobs(argc, argv, &status))
		return status;
	for (size_t i = 1; argc > 1 && i < ARRAY_LEN(jobs); i++)
		if (strcmp(argv[1], jobs[i].name) == 0)
			job = &jobs[i];
	int skip = job == &jobs[0] ? 0 : 1;
	status = parse_args(job, argc - skip, argv + skip, &a);
	if (status < 0 && (a.words.n < job->least || a.words.n > job->most))
		err_set(&err, -EINVAL, "%s", skip ? "the order's ID is wanted" : "POST and VERB are wanted");
	if (status < 0)
		status = *err.text || run(job, &a, &err) ? order_complain(job->name, &err) : EXIT_NOTHING;
	opt_list_done(&a.words);
	return status;
}
