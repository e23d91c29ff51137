/* One hunt that was asked for over HTTP, in a process that ends with it. */
#include "cmd/find_query.h"
#include "cmd/hub_searcher.h"
#include "cmd/hunt_print.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const int64_t LONGEST = 300LL * CLOCK_S, FLUSH_EVERY = 200LL * CLOCK_MS;
enum { BLOCKS = 250000, ROW_MAX = 4 << 20 };

struct search {
	int fd;
	const struct search_ask *ask;
	struct str q, since, until;
	struct str datasets[16];
	struct buf out;
	struct hunt_printer printer;
	struct hunt_result result;
	int64_t sent; /* monotonic */
	uint64_t rows;
	bool begun; /* the answer's first bytes are out or in `out` */
	int failed;
};

/* Waits as long as the front doesn't take it. */
static void send_packet(struct search *s, enum search_kind kind, unsigned status, struct str bytes)
{
	struct search_head head = { .number = s->ask->head.number, .kind = kind, .status = status };
	char whole[sizeof(head) + SEARCH_PIECE];
	memcpy(whole, &head, sizeof(head));
	memcpy(whole + sizeof(head), bytes.n ? bytes.p : "", bytes.n);
	while (send(s->fd, whole, sizeof(head) + bytes.n, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			_exit(EXIT_FAILURE); /* nobody reads it: nobody is left to be told */
}

static void flush(struct search *s)
{
	struct str left = buf_str(&s->out);
	s->sent = clock_monotonic(&clock_system);
	while (left.n) {
		const struct str piece = str_sub(left, 0, SEARCH_PIECE);
		send_packet(s, SEARCH_ROWS, 200, piece);
		left = str_sub(left, piece.n, left.n);
	}
	s->out.n = 0;
}

/* So that what is found early is seen early. */
static void flush_in_time(struct search *s)
{
	if (s->out.n >= SEARCH_PIECE || (s->out.n && clock_monotonic(&clock_system) - s->sent > FLUSH_EVERY))
		flush(s);
}

/* --- errors --- */

static size_t characters(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

/* at NULL: no place in the text. */
static void refuse(struct search *s, unsigned status, const char *type, const char *why, const struct hunt_error *at)
{
	struct buf json = { .max = 4096 }, place = { .max = 128 };
	if (at)
		buf_printf(&place, ",\"position\":%zu,\"length\":%zu", characters(str_sub(s->q, 0, at->at)),
		           characters(str_sub(s->q, at->at, at->n)));
	buf_printf(&json, "{\"error\":{\"root_cause\":[{\"type\":\"%s\",\"reason\":", type);
	buf_add_json(&json, str_from(why));
	buf_printf(&json, "}],\"type\":\"%s\",\"reason\":", type);
	buf_add_json(&json, str_from(why));
	buf_add(&json, buf_str(&place));
	buf_printf(&json, "},\"status\":%u}\n", status);
	send_packet(s, SEARCH_ROWS, json.failed ? 503 : status, json.failed ? STR("{}\n") : buf_str(&json));
	buf_free(&json);
	buf_free(&place);
}

/* --- the answer --- */

static void begin(struct search *s)
{
	if (!s->begun && s->ask->format == API_HUNT_JSON)
		buf_add(&s->out, STR("{\"rows\":[\n"));
	s->begun = true;
}

static int take_columns(void *arg, const struct str *names, size_t n)
{
	struct search *s = arg;
	begin(s);
	s->failed = hunt_print_columns(&s->printer, names, n, &s->out);
	return s->failed != 0;
}

static int take_row(void *arg, const struct hunt_line *row)
{
	struct search *s = arg;
	const bool one_text = s->ask->format == API_HUNT_JSON;
	begin(s);
	if (one_text && s->rows++)
		buf_putc(&s->out, ',');
	s->failed = hunt_print_row(&s->printer, row, &s->out);
	flush_in_time(s);
	return s->failed != 0;
}

static void progress(void *arg, uint64_t done, uint64_t whole)
{
	flush_in_time(arg);
}

/* What is the last line, or the end of the one text; CSV has but the trailer. */
static void end(struct search *s, const char *failure)
{
	const struct hunt_result *r = &s->result;
	CLEANUP(buf_free) struct buf why = { .max = API_HUNT_WORDS - 16 };
	CLEANUP(buf_free) struct buf trailer = { 0 };
	if (failure)
		buf_add(&why, str_from(failure));
	else
		hunt_lacks(r, &why);
	begin(s);
	if (s->ask->format != API_HUNT_CSV) {
		buf_add(&s->out, s->ask->format == API_HUNT_JSON ? STR("],") : STR("{"));
		buf_printf(&s->out, "\"complete\":%s", why.n ? "false,\"why\":" : "true");
		if (why.n)
			buf_add_json(&s->out, buf_str(&why));
		buf_printf(&s->out, ",\"row_count\":%llu,\"events\":%llu,\"more\":%s}\n", (unsigned long long)r->rows,
		           (unsigned long long)r->found.events, r->limited ? "true" : "false");
	}
	flush(s);
	buf_add(&trailer, why.n ? STR("false; ") : STR("true"));
	for (size_t i = 0; i < why.n; i++) /* a header's value is one line of ASCII */
		buf_putc(&trailer, why.p[i] < ' ' || why.p[i] > '~' ? '?' : why.p[i]);
	if (r->limited)
		buf_add(&trailer, STR("; more"));
	send_packet(s, SEARCH_END, 200, buf_str(&trailer));
}

/* --- the question --- */

static bool take_text(struct str *from, struct str *ret)
{
	const size_t n = str_find(*from, '\0');
	if (n == from->n)
		return false;
	*ret = str_sub(*from, 0, n);
	*from = str_sub(*from, n + 1, from->n);
	return true;
}

static bool read_ask(struct search *s, struct str texts)
{
	bool good = take_text(&texts, &s->q) && take_text(&texts, &s->since) && take_text(&texts, &s->until) &&
	            s->ask->n_datasets <= ARRAY_LEN(s->datasets) && s->ask->format <= API_HUNT_CSV;
	for (size_t i = 0; good && i < s->ask->n_datasets; i++)
		good = take_text(&texts, &s->datasets[i]);
	return good;
}

static int read_span(const struct search *s, struct hunt_question *q, struct err *err)
{
	const int64_t now = clock_wall(&clock_system);
	int code = s->since.n ? find_query_time(s->since.p, now, &q->from, err) : 0;
	if (!code && s->until.n)
		code = find_query_time(s->until.p, now, &q->to, err);
	if (!code && s->until.n && q->to <= q->from)
		code = err_set(err, -EINVAL, "until is not behind since: no event can lie between");
	return code;
}

static void run(struct search *s, const struct hunt *hunt, const char *dir)
{
	const struct events_config config = { .dir = dir, .read_only = true, .clock = &clock_system };
	struct hunt_question q = { .from = INT64_MIN,
		                   .datasets = s->datasets,
		                   .n_datasets = s->ask->n_datasets,
		                   .oldest_first = s->ask->oldest,
		                   .limits = { .rows = s->ask->limit, .time = LONGEST, .blocks = BLOCKS },
		                   .clock = &clock_system,
		                   .progress = progress,
		                   .progress_arg = s };
	const struct hunt_sink sink = { take_columns, take_row, s };
	struct events *store;
	struct err err;
	if (read_span(s, &q, &err)) {
		refuse(s, 400, "illegal_argument_exception", err.text, NULL);
		return;
	}
	if (events_embedded.open(&store, &config, &err)) {
		refuse(s, 503, "unavailable_shards_exception", err.text, NULL);
		return;
	}
	int code = hunt_run(hunt, &events_embedded, store, &q, &sink, &s->result, &err);
	events_embedded.close(store);
	code = s->failed ? err_set(&err, s->failed, "%m") : code;
	if (code == -EINVAL && !s->begun)
		refuse(s, 400, "parsing_exception", err.text, NULL);
	else
		end(s, code ? err.text : NULL);
}

int search_run(int fd, const struct search_ask *ask, struct str texts, const char *dir, struct sandbox *sandbox)
{
	static const enum hunt_format formats[] = { HUNT_JSON, HUNT_JSON, HUNT_CSV };
	struct search *s = calloc(1, sizeof(*s));
	struct sandbox_report report;
	struct hunt_error error = { 0 };
	struct hunt *hunt = NULL;
	sandbox_enter(sandbox, &report);
	if (!s)
		return EXIT_FAILURE;
	*s = (struct search){ .fd = fd, .ask = ask, .out.max = SEARCH_PIECE + ROW_MAX };
	if (!read_ask(s, texts))
		return EXIT_FAILURE;
	s->printer.format = formats[ask->format];
	const int code = hunt_parse(&hunt, s->q, &error);
	if (code == -EINVAL)
		refuse(s, 400, "parsing_exception", error.what, &error);
	else if (code)
		refuse(s, 503, "unavailable_shards_exception", "there is not enough memory", NULL);
	else if (ask->format == API_HUNT_CSV && hunt_is_events(hunt))
		refuse(s, 400, "illegal_argument_exception",
		       "events as they are have no columns: say which, '... | fields time, host, message', or take "
		       "ndjson",
		       NULL);
	else
		run(s, hunt, dir);
	hunt_free(hunt);
	hunt_printer_done(&s->printer);
	buf_free(&s->out);
	const int failed = s->failed;
	free(s);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
