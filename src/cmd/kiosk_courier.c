/*
 * The courier: takes what waits in the outbox to the hospital's FHIR server, as conditional updates (FHIR R4, 3.1.0.4.3), so that
 * what is sent twice counts once. It asks the keeper through DATA/control, but as the hospital may, and no more; what the server
 * answers is read within the sandbox. Is the server down, what waits goes on waiting.
 */
#include "cmd/kiosk.h"

#include "kiosk/desk.h"
#include "post/dial.h"
#include "post/http.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { AT_ONCE = 20, TURN_MS = 2000, DIAL_MS = 10000 };
static const int64_t PATIENCE = 20LL * CLOCK_S;

struct courier {
	const struct kiosk *k;
	struct kiosk_line *line;
	struct dialer *dialer;
	struct http *http; /* NULL: not connected */
	struct str host;   /* of the URL; base: what stands behind it */
	const char *base;
	bool tls;
	char hub[DIAL_HUB + 8], name[DIAL_HUB], value[DIAL_HUB + 8];
	struct buf ca, header, path;
};

/* --- where to --- */

/* "https://host:port/base": config.h has looked at it. */
static int read_url(struct courier *c, struct err *err)
{
	char port[8];
	const char *url = c->k->c->hospital;
	c->tls = strncmp(url, "https://", 8) == 0;
	url += c->tls ? 8 : 7;
	const size_t n = strcspn(url, "/");
	const bool has_port = n && memchr(url, ':', n) && url[n - 1] != ']';
	c->base = url + n;
	snprintf(c->value, sizeof(c->value), "%.*s", (int)n, url);
	snprintf(c->hub, sizeof(c->hub), "%.*s%s", (int)n, url, has_port ? "" : c->tls ? ":443" : ":80");
	if (n >= DIAL_HUB || dial_split(c->hub, c->name, port))
		return err_set(err, -EINVAL, "kiosk.hospital.url: '%s' names no server", c->k->c->hospital);
	c->host = str_from(c->name);
	return 0;
}

static int read_files(struct courier *c, struct err *err)
{
	CLEANUP(kiosk_wipe) struct buf token = { 0 };
	const struct config_kiosk *k = c->k->c;
	int code = k->hospital_token ? kiosk_file(k->hospital_token, &token, err) : 0;
	if (!code && c->tls)
		code = k->hospital_ca ? kiosk_file(k->hospital_ca, &c->ca, err)
		                      : err_set(err, -EINVAL, "kiosk.hospital.url is https: write kiosk.hospital.ca");
	const struct str said = str_trim(buf_str(&token));
	for (size_t i = 0; i < said.n && !code; i++)
		if ((unsigned char)said.p[i] <= ' ' || (unsigned char)said.p[i] > '~')
			code = err_set(err, -EINVAL, "'%s' is no token", k->hospital_token);
	buf_add(&c->header, STR("Content-Type: application/fhir+json\r\nAccept: application/fhir+json\r\n"));
	if (said.n)
		buf_printf(&c->header, "Authorization: Bearer " STR_FMT "\r\n", STR_ARG(said));
	return code;
}

/* --- one exchange --- */

static int connect_now(struct courier *c, struct err *err)
{
	const struct http_tls tls = { .host = c->host, .ca = buf_str(&c->ca) };
	struct pollfd p = { .fd = dialer_fd(c->dialer), .events = POLLIN };
	unsigned tag;
	int fd = -1, code = c->http ? 1 : dialer_ask(c->dialer, 0, 0);
	if (code)
		return code > 0 ? 0 : err_set(err, code, "the dialer is gone");
	while (!(code = dialer_take(c->dialer, &tag, &fd, err)) && poll(&p, 1, DIAL_MS) > 0)
		continue;
	if (code <= 0)
		return err_set(err, code ? code : -ETIMEDOUT, "the dialer is gone");
	return fd < 0 ? fd : http_new(&c->http, fd, c->tls ? &tls : NULL, err);
}

static void hang_up(struct courier *c)
{
	http_free(c->http);
	c->http = NULL;
}

/* The answer's status, or -errno. */
static int put(struct courier *c, struct str appointment, struct err *err)
{
	const struct http_request r = {
		.method = "PUT",
		.path = c->path.p,
		.host = str_from(c->value),
		.header = buf_str(&c->header),
		.body = appointment,
	};
	const int64_t until = clock_monotonic(c->k->clock) + PATIENCE;
	int code = connect_now(c, err);
	if (!code && (code = http_ask(c->http, &r)))
		err_set(err, code, "%m");
	while (!code) {
		code = http_step(c->http, err);
		if (!code) {
			const struct answer *a = http_answer(c->http);
			const int status = a->status;
			if (!a->keeps)
				hang_up(c);
			return status;
		}
		struct pollfd p = { .fd = http_fd(c->http), .events = POLLIN | (code == -EINPROGRESS ? POLLOUT : 0) };
		if (code == -EAGAIN || code == -EINPROGRESS)
			code = clock_monotonic(c->k->clock) < until && poll(&p, 1, 1000) >= 0 ? 0 : -ETIMEDOUT;
	}
	hang_up(c);
	return code;
}

/* "BASE/Appointment?identifier=urn:khien:kiosk:booking|REF" */
static bool make_path(struct courier *c, const char *appointment)
{
	json_t *a = json_loads(appointment, 0, NULL);
	const char *ref =
	        json_string_value(json_object_get(json_array_get(json_object_get(a, "identifier"), 0), "value"));
	const bool right = ref && *ref && strspn(ref, "0123456789abcdef") == strlen(ref);
	const size_t base = strlen(c->base);
	c->path.n = 0;
	buf_add(&c->path, (struct str){ c->base, base && c->base[base - 1] == '/' ? base - 1 : base });
	buf_printf(&c->path, "/Appointment?identifier=urn%%3Akhien%%3Akiosk%%3Abooking%%7C%s", right ? ref : "");
	buf_putc(&c->path, '\0');
	json_decref(a);
	return right && !c->path.failed;
}

/* 0; -errno: it can't be reached now, nor can the rest. */
static int deliver(struct courier *c, const json_t *item, struct err *err)
{
	const char *appointment = json_string_value(json_object_get(item, "appointment"));
	const json_int_t id = json_integer_value(json_object_get(item, "id"));
	char why[24];
	json_t *call, *answer = NULL;
	const bool right = appointment && make_path(c, appointment);
	const int status = right ? put(c, str_from(appointment), err) : -EBADMSG;
	snprintf(why, sizeof(why), status > 0 ? "http %d" : status == -ETIMEDOUT ? "timeout" : "connect", status);
	if (status >= 200 && status < 300)
		call = json_pack("{s:s, s:I}", "op", "outbox-sent", "id", id);
	else
		call = json_pack("{s:s, s:I, s:s}", "op", "outbox-failed", "id", id, "why", why);
	int code = kiosk_ask(c->line, call, &answer, err);
	json_decref(answer);
	return code ? code : status < 0 && right ? status : 0;
}

/* --- the process --- */

/* A standby has the same outbox: only who writes sends. */
static bool writes(const json_t *status)
{
	static const char *const writing[] = { "single", "paired", "alone" };
	const char *state = json_string_value(json_object_get(json_object_get(status, "follow"), "state"));
	for (size_t i = 0; state && i < ARRAY_LEN(writing); i++)
		if (strcmp(state, writing[i]) == 0)
			return true;
	return false;
}

static int turn(struct courier *c, bool *failing, struct err *err)
{
	json_t *status = NULL, *outbox = NULL, *item;
	size_t i;
	int sent = 0, code = kiosk_ask(c->line, json_pack("{s:s}", "op", "status"), &status, err);
	if (!code && writes(status))
		code = kiosk_ask(c->line, json_pack("{s:s, s:i}", "op", "outbox", "n", AT_ONCE), &outbox, err);
	json_decref(status);
	if (code && code != -EREMOTEIO)
		return code;
	json_array_foreach(json_object_get(outbox, "items"), i, item)
	{
		sent = deliver(c, item, err);
		if (sent)
			break;
	}
	if (*failing != (sent != 0) && (i || sent))
		log_say(&c->k->log, sent ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
		        sent ? "hospital-away" : "hospital-reached", LOG_TEXT("url", c->k->c->hospital),
		        LOG_TEXT("why", sent ? err->text : "it takes appointments"));
	*failing = i || sent ? sent != 0 : *failing;
	json_decref(outbox);
	return sent == -EPIPE ? sent : 0;
}

static int start(struct courier *c, struct err *err)
{
	const struct sandbox_config config = { .user = c->k->front_user ? c->k->front_user : "nobody",
		                               .may = SANDBOX_SERVE };
	const char *hub = c->hub;
	struct sandbox *sandbox;
	json_t *answer = NULL;
	int code = read_url(c, err);
	if (!code)
		code = dialer_start(&c->dialer, err);
	if (!code)
		code = dialer_hubs(c->dialer, &hub, 1, err);
	if (!code)
		code = read_files(c, err);
	for (int i = 0; !code && (code = kiosk_line_open(&c->line, c->k->c->data, err)) && i < 100; i++) {
		usleep(100 * CLOCK_MS);
		code = 0;
	}
	if (!code && !c->line)
		code = -ECONNREFUSED;
	if (!code) /* from here on */
		code = kiosk_ask(c->line, json_pack("{s:s, s:i}", "op", "only", "roles", ROLE_HOSPITAL), &answer, err);
	json_decref(answer);
	if (!code)
		code = sandbox_init(&sandbox, &config, err);
	if (!code)
		kiosk_enter(sandbox, "kiosk-courier", &c->k->log);
	return code;
}

int kiosk_courier(const struct kiosk *k)
{
	struct courier c = { .k = k };
	struct err err = { 0 };
	bool failing = false;
	prctl(PR_SET_NAME, "khien: kiosk-courier", 0, 0, 0);
	int code = start(&c, &err);
	while (!code) {
		code = turn(&c, &failing, &err);
		if (!code)
			poll(NULL, 0, TURN_MS);
	}
	/* the keeper was started anew, and so is this */
	if (code != -EPIPE)
		log_say(&k->log, LOG_LEVEL_WARNING, "courier-ended", LOG_TEXT("why", err.text));
	hang_up(&c);
	dialer_free(c.dialer);
	kiosk_line_close(c.line);
	kiosk_wipe(&c.header);
	buf_free(&c.ca);
	buf_free(&c.path);
	return EXIT_FAILURE;
}
