#include "base/utf8.h"
#include "kiosk/web_staff.h"

#include <stdlib.h>

/* Machines that call: banks tell of payments, the hospital's system gives slots and fetches appointments. */

/* What came, as a text for a call; NULL: it is none. */
static json_t *body_text(const struct visit *v)
{
	const struct str body = buf_str(&v->body);
	if (!body.n || !utf8_valid(body) || memchr(body.p, '\0', body.n))
		return NULL;
	return json_stringn(body.p, body.n);
}

static void send_json(struct visit *v, unsigned status, json_t *json, const char *type)
{
	struct buf out = { 0 };
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	buf_add(&out, str_from(text ? text : "{}"));
	free(text);
	json_decref(json);
	visit_bytes(v, text ? status : 503, type, &out);
}

/* --- banks --- */

/*
 * Both banks want a 2xx; SePay also {"success":true}. Anything else they send again. What finds no booking is taken all the same: it
 * is in the tray.
 */
static void say_taken(struct visit *v, bool taken, unsigned status)
{
	send_json(v, status, json_pack("{s:b}", "success", (int)taken), "application/json");
}

static void noticed(struct visit *v, const json_t *answer)
{
	const struct str refused = answer_text(answer, "refused");
	const bool signature = str_eq(refused, STR("signature"));
	say_taken(v, !refused.n, !refused.n ? 200 : signature ? 401 : 400);
}

/* The Authorization header; or SePay's timestamp and signature (pay.h). payOS signs within the body. */
static void put_authorization(json_t *call, const struct visit *v)
{
	const struct str key = visit_header(v, "Authorization");
	CLEANUP(buf_free) struct buf text = { .max = 1024 };
	buf_add(&text, key);
	if (!key.n) {
		buf_add(&text, visit_header(v, "X-SePay-Timestamp"));
		buf_putc(&text, ' ');
		buf_add(&text, visit_header(v, "X-SePay-Signature"));
	}
	json_object_set_new(call, "authorization",
	                    utf8_valid(buf_str(&text)) ? json_stringn(text.p, text.n) : json_string(""));
}

void hook_notice(struct visit *v)
{
	json_t *body = body_text(v);
	if (!body) {
		say_taken(v, false, 400);
		return;
	}
	json_t *call = staff_call("notice");
	json_object_set_new(call, "bank", json_string(strrchr(v->route->path, '/') + 1));
	put_authorization(call, v);
	json_object_set_new(call, "body", body);
	visit_ask(v, call, noticed);
}

/* --- the hospital's system: FHIR R4 --- */

static const char fhir_json[] = "application/fhir+json";

static void add_issue(json_t *issues, const char *severity, const char *code, json_t *diagnostics)
{
	json_array_append_new(
	        issues, json_pack("{s:s, s:s, s:o}", "severity", severity, "code", code, "diagnostics", diagnostics));
}

static void say_outcome(struct visit *v, unsigned status, json_t *issues)
{
	send_json(v, status, json_pack("{s:s, s:o}", "resourceType", "OperationOutcome", "issue", issues), fhir_json);
}

static void slots_taken(struct visit *v, const json_t *answer)
{
	json_t *issues = json_array(), *item;
	size_t i;
	if (answer_text(answer, "refused").n) {
		add_issue(issues, "error", "structure", json_string("no Bundle or Slot can be read"));
		say_outcome(v, 400, issues);
		return;
	}
	add_issue(issues, "information", "informational",
	          json_sprintf("%lld taken", (long long)answer_number(answer, "taken")));
	json_array_foreach(answer_part(answer, "refused"), i, item)
	{
		add_issue(issues, "error", "invalid",
		          json_sprintf("%s: %s", json_string_value(answer_part(item, "id")),
		                       json_string_value(answer_part(item, "why"))));
	}
	say_outcome(v, 200, issues);
}

void fhir_slots(struct visit *v)
{
	json_t *body = body_text(v);
	if (!body) {
		json_t *issues = json_array();
		add_issue(issues, "error", "structure", json_string("the body is no UTF-8 text"));
		say_outcome(v, 400, issues);
		return;
	}
	json_t *call = staff_call("fhir-slots");
	json_object_set_new(call, "bundle", body);
	visit_ask(v, call, slots_taken);
}

/* Each entry says where it is acknowledged: until then it comes again. */
static void show_appointments(struct visit *v, const json_t *answer)
{
	json_t *entries = json_array(), *item;
	size_t i;
	json_array_foreach(answer_part(answer, "items"), i, item)
	{
		const json_t *text = answer_part(item, "appointment");
		json_t *resource = json_loadb(json_string_value(text), json_string_length(text), 0, NULL);
		json_t *url = json_sprintf("/fhir/Appointment/%lld", (long long)answer_number(item, "id"));
		json_t *entry = json_pack("{s:[{s:s, s:o}]}", "link", "relation", "acknowledge", "url", url);
		if (resource)
			json_object_set_new(entry, "resource", resource);
		json_array_append_new(entries, entry);
	}
	send_json(v, 200,
	          json_pack("{s:s, s:s, s:I, s:o}", "resourceType", "Bundle", "type", "searchset", "total",
	                    (json_int_t)answer_number(answer, "waiting"), "entry", entries),
	          fhir_json);
}

void fhir_appointments(struct visit *v)
{
	enum { AT_ONCE = 100 };
	visit_ask(v, json_pack("{s:s, s:i}", "op", "outbox", "n", AT_ONCE), show_appointments);
}

static void appointment_sent(struct visit *v, const json_t *answer)
{
	visit_json(v, answer_text(answer, "refused").n ? 404 : 200, answer);
}

void fhir_appointment_sent(struct visit *v)
{
	visit_ask(v, json_pack("{s:s, s:I}", "op", "outbox-sent", "id", (json_int_t)visit_id(v, 0)), appointment_sent);
}
