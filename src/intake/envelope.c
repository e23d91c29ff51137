#include "intake/envelope.h"

#include "base/json_walk.h"
#include "base/utf8.h"
#include "intake/formats.h"
#include "intake/text.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum { MAX_JSON = 1 << 20 };
static const int64_t SECOND = 1000000, DAY = 86400 * SECOND;
/* Before and behind this a time is wrong or a lie, and would make a day of its own in the store. */
static const int64_t OLDEST = 400, AHEAD = 1; /* days */
static const int64_t AGAIN = DAY;             /* within which who sends again does so */

/* Fields that an envelope looks at, behind the time and the host. */
enum {
	F_TIMESTAMP = FIELD_FIRST_NAMED,
	F_HOST,
	F_DATASET,
	F_ID,
	F_RECEIVED,
	F_SOURCE,
	F_FILE,
	F_STREAM,
	F_CHANNEL,
	F_PROGRAM,
	F_FACILITY,
	N_FIELDS
};

static const struct {
	const char *path;
	uint32_t field;
} paths[] = {
	/* the same names, in the same order, as `time` and `host` of rules/mapping.yaml: a test compares them */
	{ "@timestamp", FIELD_TIME },
	{ "Event.System.TimeCreated.#attributes.SystemTime", FIELD_TIME },
	{ "Event.System.TimeCreated.@SystemTime", FIELD_TIME },
	{ "Event.System.TimeCreated.SystemTime", FIELD_TIME },
	{ "System.TimeCreated.SystemTime", FIELD_TIME },
	{ "TimeCreated", FIELD_TIME },
	{ "EventTime", FIELD_TIME },
	{ "UtcTime", FIELD_TIME },
	{ "eventTime", FIELD_TIME },
	{ "time", FIELD_TIME },
	{ "ts", FIELD_TIME },
	{ "timestamp", FIELD_TIME },
	{ "published", FIELD_TIME },
	{ "CreationTime", FIELD_TIME },
	{ "requestReceivedTimestamp", FIELD_TIME },
	{ "created_at", FIELD_TIME },
	{ "utc_time", FIELD_TIME },
	{ "_SOURCE_REALTIME_TIMESTAMP", FIELD_TIME },
	{ "__REALTIME_TIMESTAMP", FIELD_TIME },
	{ "host.name", FIELD_HOST },
	{ "Event.System.Computer", FIELD_HOST },
	{ "System.Computer", FIELD_HOST },
	{ "winlog.computer_name", FIELD_HOST },
	{ "computer_name", FIELD_HOST },
	{ "Computer", FIELD_HOST },
	{ "Hostname", FIELD_HOST },
	{ "hostname", FIELD_HOST },
	{ "_HOSTNAME", FIELD_HOST },
	{ "devname", FIELD_HOST },
	{ "dvchost", FIELD_HOST },
	/* what an envelope has */
	{ "@timestamp", F_TIMESTAMP },
	{ "host.name", F_HOST },
	{ "event.dataset", F_DATASET },
	{ "khien.id", F_ID },
	{ "khien.received", F_RECEIVED },
	{ "khien.source", F_SOURCE },
	{ "log.file.path", F_FILE },
	/* what a dataset is told from */
	{ "data_stream.dataset", F_STREAM },
	{ "winlog.channel", F_CHANNEL },
	{ "Event.System.Channel", F_CHANNEL },
	{ "Channel", F_CHANNEL },
	{ "SYSLOG_IDENTIFIER", F_PROGRAM },
	{ "process.name", F_PROGRAM },
	{ "log.syslog.facility.name", F_FACILITY },
};

struct envelope {
	struct fields *fields;
	struct event event;
	char id[ENVELOPE_ID], dataset[ENVELOPE_DATASET];
	struct buf honest; /* a JSON record whose claims were renamed */
};

int envelope_new(struct envelope **ret, struct err *err)
{
	struct field_path at[ARRAY_LEN(paths)];
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		at[i] = (struct field_path){ str_from(paths[i].path), paths[i].field };
	struct envelope *e = calloc(1, sizeof(*e));
	if (!e)
		return err_set(err, -ENOMEM, "%m");
	int code = fields_new(&e->fields, N_FIELDS, at, ARRAY_LEN(at), err);
	if (!code && (code = event_init(&e->event, e->fields)))
		err_set(err, code, "%m");
	if (code)
		envelope_free(e);
	else
		*ret = e;
	return code;
}

void envelope_free(struct envelope *e)
{
	if (!e)
		return;
	if (e->event.fields)
		event_done(&e->event);
	fields_free(e->fields);
	buf_free(&e->honest);
	free(e);
}

/* --- times --- */

void envelope_time(struct buf *out, int64_t us)
{
	int64_t days = us / DAY - (us % DAY < 0), in_day = us - days * DAY;
	int year = text_year(days);
	int left = (int)(days - text_days(year, 1, 1));
	unsigned month = 12;
	while (month > 1 && text_days(year, month, 1) - text_days(year, 1, 1) > left)
		month--;
	left -= (int)(text_days(year, month, 1) - text_days(year, 1, 1));
	const int second = (int)(in_day / SECOND), micro = (int)(in_day % SECOND);
	const int part[] = { year, (int)month, left + 1, second / 3600, second / 60 % 60, second % 60, micro };
	static const char between[] = "--T::.Z";
	char *to = buf_room(out, 27);
	if (!to)
		return;
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		int n = i == 0 ? 4 : i == 6 ? 6 : 2;
		for (int k = n, rest = part[i]; k-- > 0; rest /= 10)
			to[k] = (char)('0' + rest % 10);
		to[n] = between[i];
		to += n + 1;
	}
	out->n += 27;
}

/* RFC 3164 has no zone: a time that is as far from now as the zone is from UTC is local time. */
static int64_t happened(struct event *ev, const struct envelope_around *a)
{
	const int64_t near = 600 * SECOND;
	int64_t time = event_time(ev), ahead = time - a->received;
	if (time && (a->zone >= near || a->zone <= -near) && ahead > a->zone - near && ahead < a->zone + near &&
	    a->format != &intake_json)
		time -= a->zone;
	ev->time = time;
	return time;
}

static bool credible(int64_t time, int64_t received)
{
	return time && time > received - OLDEST * DAY && time < received + AHEAD * DAY;
}

/* --- which dataset --- */

static struct str field(struct event *ev, uint32_t id)
{
	const struct value *v = event_value(ev, id);
	return v && v->type != VALUE_NULL ? v->text : (struct str){ 0 };
}

/* Letters, digits and "._-", small, cut to what fits; others become "_". */
static struct str plain_name(struct envelope *e, const char *prefix, struct str name)
{
	size_t n = strlen(prefix);
	memcpy(e->dataset, prefix, n);
	for (size_t i = 0; i < name.n && n < sizeof(e->dataset); i++) {
		char c = name.p[i];
		bool keep = text_is_letter(c) || text_is_digit(c) || c == '.' || c == '-';
		e->dataset[n++] = (char)(!keep ? '_' : c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return (struct str){ e->dataset, n };
}

/* Programs that tell of log-ins, rights and accounts. */
static bool tells_of_accounts(struct str program)
{
	static const char *const names[] = {
		"sshd",     "sudo",    "su",       "login",    "systemd-logind", "useradd",
		"userdel",  "usermod", "groupadd", "groupmod", "groupdel",       "passwd",
		"chpasswd", "chage",   "pkexec",   "polkitd",  "gdm-password",   "sshd-session",
		"vsftpd",   "dovecot", "doas",     "newgrp",
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(program, str_from(names[i])))
			return true;
	return false;
}

static struct str of_syslog(struct str program, struct str facility)
{
	if (str_starts(facility, STR("auth")) || tells_of_accounts(program))
		return STR("linux.auth");
	if (str_eq(facility, STR("kern")) || str_eq(program, STR("kernel")))
		return STR("linux.kernel");
	if (str_starts(facility, STR("local")))
		return STR("syslog.local"); /* network devices */
	if (str_eq(facility, STR("cron")) || str_eq(program, STR("CRON")) || str_eq(program, STR("cron")))
		return STR("linux.cron");
	if (str_eq(facility, STR("mail")))
		return STR("linux.mail");
	return STR("linux.syslog");
}

static struct str dataset_of(struct envelope *e, const struct envelope_around *a)
{
	struct event *ev = &e->event;
	static const uint32_t named[] = { F_DATASET, F_STREAM };
	if (a->dataset.n)
		return plain_name(e, "", a->dataset);
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (field(ev, named[i]).n)
			return plain_name(e, "", field(ev, named[i]));
	if (field(ev, F_CHANNEL).n)
		return plain_name(e, "windows.", field(ev, F_CHANNEL));
	if (str_eq(str_from(a->format->name), STR("combined")))
		return STR("web.access");
	if (str_eq(str_from(a->format->name), STR("audit")))
		return STR("linux.audit");
	if (str_eq(str_from(a->format->name), STR("syslog")) || (a->format == &intake_json && field(ev, F_PROGRAM).n))
		return of_syslog(field(ev, F_PROGRAM), field(ev, F_FACILITY));
	return str_from(a->format->name);
}

/* --- what a record says in the hub's name --- */

/* "khien" and "khien.*" are the hub's own words; of a sender they are but claims. */
static bool is_ours(struct str name)
{
	return str_starts(name, STR("khien")) && (name.n == 5 || name.p[5] == '.');
}

#define CLAIMED "claimed."

struct claims {
	struct envelope *e;
	struct str record, id; /* id: the one that the record may keep */
	const char *done;      /* up to here the record was copied */
	bool kept;
	bool host; /* a post's: it doesn't say who it is */
};

enum { IN_HOST = 1 /* tag of what stands in "host"; 0: the record itself */ };

/* Whether what stands behind a key is this text, as it is. */
static bool says(struct str rest, struct str text)
{
	rest = str_trim(str_sub(rest, 1, rest.n));
	rest = str_trim(str_sub(rest, 1, rest.n)); /* behind the colon */
	return rest.n > text.n + 1 && rest.p[0] == '"' && rest.p[text.n + 1] == '"' &&
	       memcmp(rest.p + 1, text.p, text.n) == 0;
}

static uint32_t claims_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct claims *c = ctx;
	struct str name = fields_is_odd(key) ? json_unescape(&c->e->event.scratch, key) : key;
	if (c->host && !tag && str_eq(name, STR("host")))
		return IN_HOST;
	const bool claim = c->host && str_eq(name, tag == IN_HOST ? STR("name") : STR("host.name"));
	if (!claim && (tag || !is_ours(name)))
		return JSON_SKIP;
	const size_t end = (size_t)(key.p + key.n - c->record.p);
	if (!c->kept && c->id.n && str_eq(key, STR("khien.id")) && says(str_sub(c->record, end, c->record.n), c->id)) {
		c->kept = true;
		return JSON_SKIP;
	}
	buf_add(&c->e->honest, (struct str){ c->done, (size_t)(key.p - c->done) });
	buf_add(&c->e->honest, STR(CLAIMED));
	c->done = key.p;
	return JSON_SKIP;
}

static void claims_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
}

/* The record with its claims renamed; what has none stays as it is. *kept: its khien.id still stands there. */
static int rename_claims(struct envelope *e, struct str *record, struct str id, bool host, bool *kept)
{
	static const struct json_visitor visitor = { claims_member, claims_scalar };
	struct claims c = { .e = e, .record = *record, .id = id, .done = record->p, .host = host };
	struct json_error error;
	*kept = false;
	/* the second: letters may be written so, too */
	if (!memmem(record->p, record->n, "khien", 5) && !memmem(record->p, record->n, "\\u00", 4) &&
	    !(host && memmem(record->p, record->n, "host", 4)))
		return 0;
	e->honest.n = 0;
	if (!json_walk(json_kernel(), *record, 0, &visitor, &c, &error))
		return -EBADMSG;
	*kept = c.kept;
	if (c.done == record->p)
		return 0;
	buf_add(&e->honest, str_sub(*record, (size_t)(c.done - record->p), record->n));
	*record = buf_str(&e->honest);
	return e->honest.failed ? -ENOMEM : 0;
}

/* --- composing --- */

static void add_name(struct buf *out, const char *name)
{
	buf_printf(out, "\"%s\":", name);
}

static void add_text(struct buf *out, const char *name, struct str text)
{
	add_name(out, name);
	buf_add_json(out, text);
	buf_putc(out, ',');
}

static void add_time(struct buf *out, const char *name, int64_t us)
{
	add_name(out, name);
	buf_putc(out, '"');
	envelope_time(out, us);
	buf_add(out, STR("\","));
}

/* What the record doesn't say itself. */
static void add_missing(struct envelope *e, const struct envelope_around *a, const struct envelope_row *row,
                        bool has_id, struct buf *out)
{
	struct event *ev = &e->event;
	const bool text = a->format != &intake_json;
	/* a text format's host.name is one of its fields; of JSON, only what stands there counts */
	if (!event_value(ev, F_TIMESTAMP))
		add_time(out, "@timestamp", ev->time ? ev->time : a->received);
	if (a->host.n)
		add_text(out, "host.name", a->host);
	else if (!event_value(ev, F_HOST) && field(ev, FIELD_HOST).n)
		add_text(out, "host.name", field(ev, FIELD_HOST));
	if (!event_value(ev, F_DATASET))
		add_text(out, "event.dataset", row->dataset);
	if (!has_id && row->id.n)
		add_text(out, "khien.id", row->id);
	if (a->source.n || !event_value(ev, F_RECEIVED))
		add_time(out, "khien.received", a->received);
	if (a->source.n)
		add_text(out, "khien.source", a->source);
	if (a->unit.n)
		add_text(out, "khien.unit", a->unit);
	if (!event_value(ev, F_FILE) && a->file.n)
		add_text(out, "log.file.path", a->file);
	if (text)
		add_text(out, "khien.format", str_from(a->format->name));
}

static void add_value(struct buf *out, struct str text, enum value_type type)
{
	struct json_error error;
	if (type == VALUE_NULL)
		buf_add(out, STR("null"));
	else if (type != VALUE_TEXT && text.n && text.p[0] != '"' && text.p[0] != '{' && text.p[0] != '[' &&
	         json_valid(text, &error))
		buf_add(out, text);
	else
		buf_add_json(out, text);
}

static void add_base64(struct buf *out, struct str bytes)
{
	size_t n = sodium_base64_encoded_len(bytes.n, sodium_base64_VARIANT_ORIGINAL);
	buf_add(out, STR("\"khien.raw\":\""));
	char *to = buf_room(out, n);
	if (!to)
		return;
	sodium_bin2base64(to, n, (const unsigned char *)bytes.p, bytes.n, sodium_base64_VARIANT_ORIGINAL);
	out->n += n - 1; /* without its NUL */
	buf_add(out, STR("\","));
}

/* The line, and what its format tells of it. */
static void add_fields(struct event *ev, struct str record, bool host, struct buf *out)
{
	uint32_t n;
	const struct pair *pairs = event_pairs(ev, &n);
	if (!utf8_valid(record))
		add_base64(out, record);
	buf_add(out, STR("\"event.original\":"));
	buf_add_json(out, record);
	for (uint32_t i = 0; i < n; i++) {
		struct str name = pairs[i].name;
		if (is_ours(name) || str_eq(name, STR("event.original")) || (host && str_eq(name, STR("host.name"))))
			name = arena_printf(&ev->scratch, CLAIMED STR_FMT, STR_ARG(name));
		buf_putc(out, ',');
		buf_add_json(out, name);
		buf_putc(out, ':');
		add_value(out, pairs[i].text, (enum value_type)pairs[i].type);
	}
	buf_putc(out, '}');
}

/* A JSON object behind its opening bracket; the comma before it goes where nothing follows. */
static void add_object(struct str record, struct buf *out)
{
	struct str rest = str_sub(str_trim(record), 1, record.n), inside = str_trim(rest);
	if (inside.n && inside.p[0] == '}' && out->n && out->p[out->n - 1] == ',')
		out->n--;
	buf_add(out, rest);
}

/* Whether JSON writes it as it is: the store finds an id by the bytes that stand in the object. */
static bool is_plain(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if ((unsigned char)id.p[i] < ' ' || id.p[i] == '"' || id.p[i] == '\\' || id.p[i] == 0x7f)
			return false;
	return utf8_valid(id);
}

static struct str id_of(struct envelope *e, const struct envelope_around *a)
{
	const bool foreign = a->id.n || a->source.n;
	struct str id = a->id;
	if (!id.n && a->format == &intake_json)
		id = field(&e->event, F_ID);
	/* the first bytes of a long id may be those of many: its hash stands for it */
	if (id.n > ENVELOPE_ID || (foreign && !is_plain(id))) {
		unsigned char hash[16];
		crypto_generichash(hash, sizeof(hash), (const unsigned char *)id.p, id.n, NULL, 0);
		sodium_bin2hex(e->id, sizeof(e->id), hash, sizeof(hash));
		return (struct str){ e->id, 2 * sizeof(hash) };
	}
	return id;
}

static int compose(struct envelope *e, struct str record, const struct envelope_around *a,
                   const struct envelope_row *row, struct buf *out)
{
	bool has_id = false;
	if (a->format != &intake_json) {
		buf_putc(out, '{');
		add_missing(e, a, row, false, out);
		add_fields(&e->event, record, a->host.n > 0, out);
		return 0;
	}
	int code = 0;
	if (a->source.n)
		code = rename_claims(e, &record, a->id.n ? STR("") : row->id, a->host.n > 0, &has_id);
	else
		has_id = event_value(&e->event, F_ID) != NULL;
	buf_putc(out, '{');
	add_missing(e, a, row, has_id, out);
	add_object(record, out);
	return code;
}

int envelope_seal(struct envelope *e, struct str record, const struct envelope_around *a, struct buf *out,
                  struct envelope_row *row, struct err *err)
{
	struct event *ev = &e->event;
	const size_t before = out->n;
	if (record.n > MAX_JSON)
		return err_set(err, -E2BIG, "longer than %d bytes", MAX_JSON);
	int code = intake_parse(a->format, a->columns, record, a->received, ev, err);
	if (code)
		return code;
	struct envelope_row r = { .time = happened(ev, a), .dataset = dataset_of(e, a), .id = id_of(e, a) };
	if (!credible(r.time, a->received)) {
		r.time = a->received;
		r.since = a->since ? a->since : a->received - AGAIN;
	}
	code = compose(e, record, a, &r, out);
	if (code || out->failed || out->n - before > MAX_JSON) {
		code = code ? code : out->failed ? -ENOMEM : -E2BIG;
		out->n = before;
		return err_set(err, code, code == -E2BIG ? "longer than %d bytes as JSON" : "no memory", MAX_JSON);
	}
	*row = r;
	return 0;
}
