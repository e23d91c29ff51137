/* khien hunt --save, --list, --remove, @NAME: hunts that are kept in state.db. */
#include "cmd/hunt.h"

#include "cmd/cmd.h"
#include "cmd/hub_admin.h"
#include "cmd/print.h"
#include "store/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_state(struct hunter *h, bool read_only, struct state **ret, struct err *err)
{
	struct admin a;
	int r = admin_find(&a, h->args.data, err);
	return r ? r : admin_open(&a, false, read_only, ret, err);
}

static int take_text(void *arg, const struct hunt_row *row)
{
	struct hunter *h = arg;
	buf_add(&h->text, row->text);
	return 0;
}

int hunt_recall(struct hunter *h, struct str name, struct err *err)
{
	struct state *s;
	int r = open_state(h, true, &s, err);
	if (r)
		return r;
	r = state_hunt_get(s, name, take_text, h, err);
	state_close(s);
	return r == -ENOENT
	               ? err_set(err, r, "there is no hunt '" STR_FMT "'; 'khien hunt --list' says which there are",
	                         STR_ARG(name))
	               : r;
}

static int save(struct hunter *h, struct state *s, const char *by, struct err *err)
{
	const struct hunt_row row = { .name = str_from(h->args.save),
		                      .text = buf_str(&h->text),
		                      .by = str_from(by),
		                      .note = str_from(h->args.note ? h->args.note : "") };
	return state_hunt_save(s, &row, err);
}

static int list_one(void *arg, const struct hunt_row *row)
{
	struct hunter *h = arg;
	if (h->args.format == HUNT_JSON) {
		buf_add(&h->out, STR("{\"name\":"));
		buf_add_json(&h->out, row->name);
		buf_add(&h->out, STR(",\"text\":"));
		buf_add_json(&h->out, row->text);
		buf_add(&h->out, STR(",\"by\":"));
		buf_add_json(&h->out, row->by);
		buf_add(&h->out, STR(",\"note\":"));
		buf_add_json(&h->out, row->note);
		buf_add(&h->out, STR(",\"made\":\""));
		print_time_utc(&h->out, row->made);
		buf_add(&h->out, STR("\"}\n"));
		return 0;
	}
	buf_putc(&h->out, '@');
	term_safe(&h->out, row->name);
	buf_add(&h->out, STR("  "));
	term_safe(&h->out, row->note);
	buf_add(&h->out, STR("\n    "));
	term_safe(&h->out, row->text);
	buf_putc(&h->out, '\n');
	return 0;
}

int hunt_saved(struct hunter *h)
{
	const struct hunt_args *a = &h->args;
	char by[HUNT_BY + 1];
	struct state *s;
	struct err err;
	admin_who(by);
	int r = open_state(h, a->list, &s, &err);
	if (!r) {
		if (a->save)
			r = save(h, s, by, &err);
		else if (a->remove)
			r = state_hunt_remove(s, str_from(a->remove), &err);
		else
			r = state_hunts(s, list_one, h, &err);
		state_close(s);
	}
	hunt_flush(h);
	if (!r && h->failed)
		r = err_set(&err, h->failed, "standard output: %m");
	if (r)
		hunt_say(h, str_from(err.text));
	return r ? EXIT_TROUBLE : 0;
}
