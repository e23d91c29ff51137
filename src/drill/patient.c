#include "drill/patient.h"
#include "drill/address.h"
#include "drill/bots.h"

#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOKS = 20 /* for the money */, TURN_MIN_MS = 10 };

/* What a patient does on the page where he is; what he wants next is p->next and p->post. */
struct step {
	const char *shape; /* of the link that he follows */
	uint8_t next;
};
static const struct step steps[] = {
	[PATIENT_FIRST] = { "/s/#", PATIENT_SPECIALTY },
	[PATIENT_SPECIALTY] = { "/s/#/#", PATIENT_DAY },
};

static void ended(struct patient *p, bool served)
{
	struct drill_result *r = &p->browser->v->result;
	p->at = PATIENT_DONE;
	p->acts = 0;
	if (served) {
		r->served++;
		r->patients_waited += p->browser->was_denied;
		drill_measure_add(&r->journeys, p->browser->v->now - p->begun);
	} else {
		r->gave_up++;
	}
	r->patients_denied += p->browser->was_denied;
}

/* He thinks, for a while that is like people's: many short, some long. */
static void think(struct patient *p)
{
	struct visits *v = p->browser->v;
	const double some = -log(1 - drill_visits_fraction(v)) * p->how->think_s;
	p->acts = v->now + (some < 10 * p->how->think_s ? some : 10 * p->how->think_s);
}

/* Begins again with the first page: what he needed isn't there. */
static void anew(struct patient *p)
{
	p->at = PATIENT_FIRST;
	snprintf(p->next, sizeof(p->next), "%s", p->how->first);
	p->post.n = 0;
	think(p);
}

/* --- he pays --- */

static void told(struct browser *bank, int status)
{
	struct patient *p = bank->arg;
	p->told = status / 100 == 2;
	p->bank = NULL;
	drill_browser_free(bank);
	think(p);
}

/* His bank tells the kiosk. */
static void tell_bank(struct patient *p, const struct patient_bill *bill)
{
	struct visits *v = p->browser->v;
	const struct sockaddr_storage any = { 0 };
	CLEANUP(buf_free) struct buf body = { .max = 4096 };
	p->bank = drill_browser_new(v, p->to_bank, &any, 0);
	if (!p->bank || drill_patient_notice(bill, p->how->bank_secret, p->how->bank_account, p->number + 1,
	                                     clock_wall(&clock_system) / CLOCK_S, p->headers, &body)) {
		ended(p, false);
		return;
	}
	p->bank->who = BROWSER_BANK;
	p->bank->arg = p;
	p->bank->then = told;
	p->bank->headers = p->headers;
	drill_browser_open(p->bank, "/hook/sepay", buf_str(&body));
}

static void on_ticket(struct patient *p, struct str html)
{
	struct patient_bill bill;
	struct str form, token;
	const bool has = drill_patient_bill(html, &bill);
	if (!p->to_bank || (has ? strcmp(bill.state, "paid") == 0 : p->looks == 0)) {
		ended(p, true); /* nothing to pay, or it has been paid */
	} else if (!has || p->looks++ == LOOKS) {
		ended(p, false);
	} else {
		/* "has it arrived?" */
		p->post.n = 0;
		snprintf(p->next, sizeof(p->next), "/paid");
		if (drill_page_form(html, "/paid", &form) && drill_page_inputs(form, "token", 0, &token))
			drill_page_add_field(&p->post, "token", token);
		else
			snprintf(p->next, sizeof(p->next), "/ticket");
		p->at = PATIENT_TICKET;
		if (p->told)
			think(p);
		else
			tell_bank(p, &bill);
	}
}

/* --- he books --- */

static void on_form(struct patient *p, struct str html)
{
	if (!drill_patient_fill(p->browser->v, html, p->number, &p->post)) {
		anew(p); /* no free place on this day */
		return;
	}
	snprintf(p->next, sizeof(p->next), "/book");
	p->at = PATIENT_FORM;
	think(p);
}

static void books(struct patient *p, struct str html)
{
	if (p->at == PATIENT_DAY) {
		on_form(p, html);
	} else if (p->at == PATIENT_FORM && strcmp(p->browser->path, "/book") == 0) {
		on_form(p, html); /* somebody was faster: the form again, with why */
	} else if (p->at >= PATIENT_FORM) {
		on_ticket(p, html);
	} else {
		const struct step *s = &steps[p->at];
		drill_patient_link(p->browser->v, html, p->browser, s->shape, p->next);
		if (!*p->next) {
			anew(p);
			return;
		}
		p->at = s->next;
		think(p);
	}
}

/* --- he reads --- */

static void reads(struct patient *p, struct str html)
{
	char to[PAGE_PATH];
	if (++p->pages >= p->how->pages) {
		ended(p, true);
		return;
	}
	drill_patient_link(p->browser->v, html, p->browser, "", to);
	if (*to)
		memcpy(p->next, to, sizeof(to));
	else
		snprintf(p->next, sizeof(p->next), "%s", p->how->first);
	think(p);
}

static void arrived(struct browser *b, int status)
{
	struct patient *p = b->arg;
	const struct str html = buf_str(&b->body);
	if (!status)
		ended(p, false);
	else if (p->how->what == DRILL_READS)
		reads(p, html);
	else if (status >= 400 && status != 409 && p->at != PATIENT_FORM)
		anew(p);
	else
		books(p, html);
}

/* --- all of them --- */

struct clinic {
	struct visits v;
	struct line_way way, bank;
	struct address_run from;
	struct patient *all; /* those who are here */
	size_t n_here;
	uint64_t came;
	double next; /* who comes next, comes then */
};

static void comes(struct clinic *c)
{
	const struct drill_patients *how = &c->v.d->patients;
	struct patient *p = &c->all[c->n_here];
	struct sockaddr_storage from;
	drill_address_of(&c->from, (unsigned)c->came, &from);
	*p = (struct patient){ .how = how, .number = c->v.d->seed % 1000 * 100000 + c->came, .begun = c->v.now };
	p->to_bank = how->bank.ss_family ? &c->bank : NULL;
	p->post.max = 64 << 10;
	p->browser = drill_browser_new(&c->v, &c->way, &from, c->came);
	c->came++;
	c->v.result.patients++;
	if (!p->browser) {
		c->v.result.gave_up++;
		return;
	}
	p->browser->who = BROWSER_PATIENT;
	p->browser->then = arrived;
	p->acts = c->v.now;
	snprintf(p->next, sizeof(p->next), "%s", how->first);
	c->n_here++;
}

static void goes(struct clinic *c, struct patient *p)
{
	drill_browser_free(p->browser);
	drill_browser_free(p->bank);
	buf_free(&p->post);
	const struct patient *last = &c->all[--c->n_here];
	if (p == last)
		return;
	*p = *last; /* his browsers have to find him where he is now */
	p->browser->arg = p;
	if (p->bank) {
		p->bank->arg = p;
		p->bank->headers = p->headers;
	}
}

/* By chance, each moment as likely as another, and all of them within n / arrivals. */
static void next_comes(struct clinic *c)
{
	const struct drill_patients *how = &c->v.d->patients;
	const double over = c->v.begin + how->n / how->arrivals, left = (double)(how->n - c->came);
	if (left > 0)
		c->next = over - (over - c->next) * pow(1 - drill_visits_fraction(&c->v), 1 / left);
}

static void look(struct clinic *c)
{
	const struct drill *d = c->v.d;
	while (c->came < d->patients.n && c->v.now >= c->next && c->v.now - c->v.begin < d->seconds) {
		comes(c);
		next_comes(c);
	}
	for (size_t i = c->n_here; i-- > 0;) {
		struct patient *p = &c->all[i];
		p->browser->arg = p;
		drill_browser_tick(p->browser);
		if (p->bank)
			drill_browser_tick(p->bank);
		if (p->acts > 0 && c->v.now >= p->acts) {
			p->acts = 0;
			drill_browser_open(p->browser, p->next, buf_str(&p->post));
			p->post.n = 0;
		}
		if (p->at == PATIENT_DONE)
			goes(c, p);
	}
}

static int clinic_loop(struct clinic *c)
{
	const struct drill *d = c->v.d;
	double looked = 0, told_at = c->v.begin;
	int code = 0;
	c->next = c->v.begin;
	next_comes(c);
	while (!code && (c->n_here || c->came < d->patients.n)) {
		if (c->v.now - c->v.begin > d->seconds + d->patience_s ||
		    (!c->n_here && c->v.now - c->v.begin > d->seconds))
			break;
		drill_visits_turn(&c->v);
		if (c->v.now - looked >= TURN_MIN_MS / 1e3) {
			looked = c->v.now;
			look(c);
		}
		if (c->v.now - told_at >= 1) {
			told_at += 1;
			c->v.result.seconds = c->v.now - c->v.begin;
			code = drill_tell(c->v.out, &c->v.result, false);
		}
	}
	c->v.result.left = c->n_here;
	return code;
}

int drill_patients_run(const struct drill *d, int out, struct err *err)
{
	struct clinic *c = calloc(1, sizeof(*c));
	if (!c || !(c->all = calloc(d->patients.n, sizeof(*c->all))))
		return err_set(err, -ENOMEM, "patients: %m");
	int code = drill_visits_init(&c->v, d, out, err);
	if (!code)
		code = drill_line_way_init(&c->way, d->tls ? &d->to_tls : &d->to, d->tls, false, d->host, err);
	if (!code)
		code = drill_line_way_init(&c->bank, &d->patients.bank, false, false, d->host, err);
	if (!code)
		code = drill_address_run(&c->from, d->patients.base, d->patients.sources, false, err);
	if (!code)
		code = clinic_loop(c);
	if (!code)
		code = drill_tell(out, &c->v.result, true);
	return code; /* the process ends: the kernel takes what it had */
}
