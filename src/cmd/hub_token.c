/* khien hub token: who may send events, read them, read the hub's figures. */
#include "cmd/cmd.h"
#include "cmd/hub_admin.h"
#include "cmd/jobs.h"
#include "cmd/print.h"
#include "cmd/term.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const int64_t PATIENCE = 2LL * CLOCK_S; /* with a hub that doesn't hear */

struct args {
	struct opt_list words;
	const char *data, *scope, *expires;
	bool quiet, json;
	char id[TOKEN_ID + 1]; /* of the token that was made or removed */
};

enum { ADD = 1, LIST = 2, REMOVE = 4 };

static const struct job described[] = {
	{ "add", ADD, "--scope SCOPE[,SCOPE] [OPTION]... NAME",
	  "Makes a token and prints it, ID.SECRET, once: the hub keeps a hash of the secret only. NAME says whose it\n"
	  "is, and is what the events it brings are counted under. A running hub knows it when this ends.",
	  "Scopes: ingest (send events), metrics (/metrics); read and admin open nothing over HTTP so far.\n\n"
	  "Exit status: 0 made, 2 not.\n\n"
	  "Example: khien hub token add --scope ingest --expires 1y web1 >web1.token" },
	{ "list", LIST, "[OPTION]...", "Lists the tokens, oldest first; their secrets are not known.",
	  "Exit status: 0 done, 2 it could not be read." },
	{ "remove", REMOVE, "[OPTION]... ID|NAME", "Removes a token. A running hub refuses who shows it from then on.",
	  "Exit status: 0 removed, 2 there is none, or it could not be." },
};

static const struct jobs jobs = {
	.command = "hub token",
	.what = "Says who may send events to the hub, and read from it. Works while it runs.",
	.more = "'khien hub token JOB --help' tells more about one of these.",
	.first = "write add, list or remove first, as in: khien hub token add --scope ingest web1",
	.at = described,
	.n = ARRAY_LEN(described),
};

static int complain(const char *what)
{
	fprintf(stderr, "khien hub token: %s\nTry 'khien hub token --help'.\n", what);
	return EXIT_TROUBLE;
}

static int parse_args(const struct job *job, int argc, char **argv, struct args *a)
{
	const struct job_opt opts[] = {
		{ ADD,
		  { "scope", 's', OPT_TEXT, "SCOPE[,SCOPE]", "what it is good for: ingest, read, metrics, admin",
		    &a->scope, 0, 0, NULL } },
		{ ADD,
		  { "expires", 'e', OPT_TEXT, "TIME", "how long: 12h, 90d, 8w, 1y (default: never ends)", &a->expires,
		    0, 0, NULL } },
		{ ADD, { "quiet", 'q', OPT_FLAG, NULL, "the token only, not how to use it", &a->quiet, 0, 0, NULL } },
		{ LIST, { "json", 'j', OPT_FLAG, NULL, "one token a line as JSON", &a->json, 0, 0, NULL } },
		{ ADD | LIST | REMOVE, { "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a->data, 0, 0, NULL } },
	};
	return jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, &a->words);
}

/* "90d" -> µs. */
static int read_span(const char *text, int64_t *ret, struct err *err)
{
	static const struct {
		char letter;
		int64_t hours;
	} units[] = { { 'h', 1 }, { 'd', 24 }, { 'w', 7 * 24 }, { 'y', 365 * 24 } };
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (*end != units[i].letter || end[1] || *text < '0' || *text > '9' || errno || !n ||
		    n > 876000 /* hours of a century */ / (unsigned long long)units[i].hours)
			continue;
		*ret = (int64_t)n * units[i].hours * 3600 * CLOCK_S;
		return 0;
	}
	return err_set(err, -EINVAL, "--expires: '%s' is no span: write 12h, 90d, 8w or 1y, up to 100 years", text);
}

/* To people, beside the token that goes to standard output; the secret is not repeated. */
static void explain(const char *id, uint32_t scopes)
{
	fprintf(stderr, "The token is shown this once. It is ID.SECRET, the ID is %s.\n", id);
	if (scopes & SCOPE_INGEST)
		fprintf(stderr,
		        "  Filebeat, Winlogbeat   output.elasticsearch: api_key: \"ID:SECRET\"\n"
		        "  Fluent Bit, Vector     user (HTTP_User) ID, password SECRET\n"
		        "  rsyslog                action(type=\"omelasticsearch\" uid=\"ID\" pwd=\"SECRET\" ...)\n");
	if (!(scopes & (SCOPE_INGEST | SCOPE_METRICS)))
		return;
	fprintf(stderr,
	        "  curl                   curl --cacert ca.crt -K FILE https://HUB:9200/%s\n"
	        "                         with in FILE: header = \"Authorization: Bearer ID.SECRET\"\n"
	        "Each wants ca.crt of the hub too (khien ca show --pem). Who can read the token can use it.\n",
	        scopes & SCOPE_INGEST ? "v1/events --data-binary @FILE.ndjson" : "metrics");
}

static int add(struct state *s, struct args *a, struct err *err)
{
	char text[TOKEN_TEXT + 1];
	uint32_t scopes;
	int64_t span = 0;
	int code = a->scope ? token_scopes(str_from(a->scope), &scopes, err)
	                    : err_set(err, -EINVAL, "say what it is good for: --scope ingest, read, metrics, admin");
	if (!code && a->expires)
		code = read_span(a->expires, &span, err);
	if (!code)
		code = state_token_add(s, a->words.at[0], scopes, span ? clock_wall(&clock_system) + span : 0, text,
		                       TOKEN_TEXT, err);
	if (code)
		return code;
	memcpy(a->id, text, TOKEN_ID);
	text[TOKEN_TEXT - 1] = '\n';
	code = term_write(STDOUT_FILENO, (struct str){ text, TOKEN_TEXT });
	sodium_memzero(text, sizeof(text));
	if (code) { /* nobody has seen it */
		state_token_remove(s, a->id, NULL);
		return err_set(err, code, "write to standard output: %m");
	}
	if (!a->quiet)
		explain(a->id, scopes);
	return 0;
}

struct listing {
	struct buf out;
	bool json;
	int64_t now;
};

static void add_time(struct buf *out, int64_t us)
{
	print_time_utc(out, us - us % CLOCK_S);
}

static void add_json(struct buf *out, const struct token *t)
{
	buf_printf(out, "{\"id\":\"%s\",\"name\":", t->id);
	buf_add_json(out, str_from(t->name));
	const char *mark = ",\"scopes\":[";
	for (uint32_t bit = 1; bit <= SCOPES_ALL; bit <<= 1) {
		if (!(t->scopes & bit))
			continue;
		buf_printf(out, "%s\"", mark);
		token_scope_names(bit, out);
		buf_putc(out, '"');
		mark = ",";
	}
	buf_add(out, STR("],\"made\":\""));
	add_time(out, t->made);
	buf_putc(out, '"');
	if (t->expires) {
		buf_add(out, STR(",\"expires\":\""));
		add_time(out, t->expires);
		buf_putc(out, '"');
	}
	buf_add(out, STR("}\n"));
}

static void add_line(struct buf *out, const struct token *t, int64_t now)
{
	size_t start = out->n;
	buf_printf(out, "%s  ", t->id);
	add_time(out, t->made);
	buf_add(out, STR("  "));
	if (t->expires)
		add_time(out, t->expires);
	else
		buf_add(out, STR("never"));
	if (t->expires && now >= t->expires)
		buf_add(out, STR(" over"));
	buf_printf(out, "%*s", (int)(64 - (out->n - start)), "");
	start = out->n;
	token_scope_names(t->scopes, out);
	buf_printf(out, "%*s", (int)(26 - (out->n - start)), "");
	term_safe(out, str_from(t->name));
	buf_putc(out, '\n');
}

static int on_token(void *arg, const struct token *t)
{
	struct listing *l = arg;
	if (l->json)
		add_json(&l->out, t);
	else
		add_line(&l->out, t, l->now);
	return 0;
}

static int list(struct state *s, struct args *a, struct err *err)
{
	struct listing l = { .json = a->json, .now = clock_wall(&clock_system) };
	if (!a->json)
		buf_printf(&l.out, "%-12s  %-20s  %-26s  %-24s  %s\n", "ID", "MADE", "EXPIRES", "SCOPES", "NAME");
	int code = state_tokens(s, on_token, &l, err);
	if (!code && (code = term_write(STDOUT_FILENO, buf_str(&l.out))))
		err_set(err, code, "write to standard output: %m");
	buf_free(&l.out);
	return code;
}

static int is_it(void *arg, const struct token *t)
{
	struct args *a = arg;
	const char *given = a->words.at[0];
	if (strcmp(t->id, given) != 0 && strcmp(t->name, given) != 0)
		return 0;
	memcpy(a->id, t->id, sizeof(a->id));
	return 1;
}

static int remove_one(struct state *s, struct args *a, struct err *err)
{
	int code = state_tokens(s, is_it, a, err);
	return code < 0 ? code : state_token_remove(s, a->words.at[0], err);
}

/* --- a hub that runs --- */

static bool hub_runs(const struct admin *where)
{
	char path[sizeof(where->store) + 16];
	snprintf(path, sizeof(path), "%s/events/lock", where->store);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const bool runs = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	if (fd >= 0)
		close(fd);
	return runs;
}

/* The hub keeps a copy of the tokens (see state_keep()), which it writes when it knows them. */
static bool hub_knows(const struct admin *where, const char *id)
{
	char path[sizeof(where->store) + 16];
	CLEANUP(buf_free) struct buf kept = { 0 };
	const size_t most = TOKENS_MAX * sizeof(struct token) + 4096;
	snprintf(path, sizeof(path), "%s/tokens.kept", where->store);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *room = fd >= 0 ? buf_room(&kept, most) : NULL;
	const ssize_t n = room ? read(fd, room, most) : -1;
	if (fd >= 0)
		close(fd);
	return n > 0 && memmem(room, (size_t)n, id, TOKEN_ID);
}

/* It takes a twentieth of a second: who uses the token at once is to be known, and a removed one is not. */
static void wait_for_hub(const struct admin *where, const char *id, bool known)
{
	const int64_t until = clock_monotonic(&clock_system) + PATIENCE;
	while (hub_knows(where, id) != known && hub_runs(where) && clock_monotonic(&clock_system) < until)
		usleep(5 * CLOCK_MS);
}

static const struct {
	int (*run)(struct state *s, struct args *a, struct err *err);
	size_t words; /* how many it wants */
} work[] = { { add, 1 }, { list, 0 }, { remove_one, 1 } };

static int run(const struct job *job, struct args *a, struct err *err)
{
	struct admin where;
	struct state *s;
	int code = admin_find(&where, a->data, err);
	if (!code)
		code = admin_open(&where, job->bit == ADD, job->bit == LIST, &s, err);
	if (code)
		return code;
	code = work[job - described].run(s, a, err);
	state_close(s);
	if (!code && *a->id)
		wait_for_hub(&where, a->id, job->bit == ADD);
	return code;
}

int hub_token(int argc, char **argv)
{
	struct args a = { 0 };
	struct err err = { 0 };
	if (argc > 1 && strcmp(argv[1], "--post") == 0)
		return hub_invite(argc - 1, argv + 1);
	const struct job *job = jobs_find(&jobs, argc, argv);
	int status = parse_args(job, argc, argv, &a);
	if (status < 0 && a.words.n != work[job - described].words)
		status = complain(job->bit == LIST ? "no word is wanted behind list" : "one name is wanted");
	else if (status < 0)
		status = run(job, &a, &err) ? admin_complain("token", &err) : EXIT_NOTHING;
	opt_list_done(&a.words);
	return status;
}
