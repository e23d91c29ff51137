#include "kiosk/follow_desk.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

static int64_t desk_has(void *arg)
{
	const struct follow_desk *d = arg;
	return desk_seq(*d->desk);
}

static int read_changes(void *arg, int64_t after, size_t n, void (*fn)(void *arg, const struct desk_change *),
                        void *fn_arg, struct err *err)
{
	const struct follow_desk *d = arg;
	return desk_changes(*d->desk, after, n, fn, fn_arg, err);
}

static int apply_changes(void *arg, const struct desk_change *changes, size_t n, struct err *err)
{
	const struct follow_desk *d = arg;
	return desk_follow(*d->desk, changes, n, err);
}

static void confirm(void *arg, int64_t seq)
{
	const struct follow_desk *d = arg;
	desk_confirmed(*d->desk, seq);
}

/* --- what is kept: {"role":0,"alone":true,...} --- */

static int parse(struct str text, struct follow_kept *ret)
{
	json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	json_int_t epoch, offered, known, from, to;
	int role, alone, to_alone, sure;
	int code = json_unpack(json, "{s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "role", &role, "alone", &alone,
	                       "epoch", &epoch, "offered", &offered, "known", &known, "from", &from, "to", &to,
	                       "to_alone", &to_alone, "sure", &sure);
	json_decref(json);
	if (code || role < 0 || role >= N_FOLLOW_ROLES)
		return -EBADMSG;
	*ret = (struct follow_kept){ .role = (enum follow_role)role,
		                     .alone = alone,
		                     .epoch = epoch,
		                     .offered = offered,
		                     .known = known,
		                     .from = from,
		                     .to = to,
		                     .to_alone = to_alone,
		                     .sure = sure };
	return 0;
}

static int on_row(void *arg, const struct db_row *row)
{
	return parse(db_text(row, 0), arg);
}

static int load(void *arg, struct follow_kept *ret, struct err *err)
{
	const struct follow_desk *d = arg;
	int64_t n = db_query(d->db, "SELECT value FROM meta WHERE name = '" SNAPSHOT_OWN_ROW "'", DB_NONE, on_row, ret,
	                     err);
	if (n == -EBADMSG)
		return err_set(err, -EBADMSG, "what this kiosk kept about the other one is damaged");
	return n < 0 ? (int)n : n ? 0 : -ENOENT;
}

static int put(struct db *db, struct str text, struct err *err)
{
	int code = db_begin(db, err);
	if (code)
		return code;
	int64_t n = db_run(db,
	                   "INSERT INTO meta (name, value) VALUES ('" SNAPSHOT_OWN_ROW "', $1)"
	                   " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	                   DB_ARGS(DB_T(text)), err);
	if (n >= 0)
		return db_commit(db, err);
	db_rollback(db);
	return (int)n;
}

static int keep(void *arg, const struct follow_kept *k, struct err *err)
{
	const struct follow_desk *d = arg;
	json_t *json = json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "role", (int)k->role, "alone",
	                         k->alone, "epoch", (json_int_t)k->epoch, "offered", (json_int_t)k->offered, "known",
	                         (json_int_t)k->known, "from", (json_int_t)k->from, "to", (json_int_t)k->to, "to_alone",
	                         k->to_alone, "sure", k->sure);
	char *text = json_dumps(json, JSON_COMPACT);
	int code = text ? put(d->db, str_from(text), err) : err_set(err, -ENOMEM, "keep who writes: %m");
	/* a kill in between is made good when follow_new() keeps the same again */
	if (!code && k->role == FOLLOW_AS_PRIMARY && k->epoch > desk_epoch(*d->desk))
		code = desk_set_epoch(*d->desk, k->epoch, err);
	free(text);
	json_decref(json);
	return code;
}

/* --- copies --- */

static void stop(void *arg)
{
	struct follow_desk *d = arg;
	snapshot_end(d->out);
	snapshot_load_end(d->in, false, NULL);
	d->out = NULL;
	d->in = NULL;
}

static int copy_read(void *arg, bool first, struct buf *out, struct err *err)
{
	struct follow_desk *d = arg;
	int code = 0;
	if (first) {
		stop(d);
		code = snapshot_begin(&d->out, d->uri, err);
	}
	if (!code)
		code = d->out ? snapshot_read(d->out, FOLLOW_AT_ONCE, out, err)
		              : err_set(err, -EINVAL, "no copy is under way");
	if (code <= 0)
		stop(d);
	return code;
}

static int copy_end(struct follow_desk *d, struct err *err)
{
	int code = snapshot_load_end(d->in, true, err);
	d->in = NULL;
	return code ? code : d->reopen(d->arg, err);
}

static int copy_write(void *arg, bool first, struct str piece, bool last, struct err *err)
{
	struct follow_desk *d = arg;
	int code = 0;
	if (first) {
		stop(d);
		code = snapshot_load_begin(&d->in, d->uri, err);
	}
	if (!code)
		code = d->in ? snapshot_load_take(d->in, piece, err) : err_set(err, -EINVAL, "no copy is under way");
	if (!code && last)
		code = copy_end(d, err);
	if (code)
		stop(d);
	return code;
}

void follow_desk_init(struct follow_desk *d)
{
	d->out = NULL;
	d->in = NULL;
	d->store = (struct follow_store){ .arg = d,
		                          .seq = desk_has,
		                          .changes = read_changes,
		                          .follow = apply_changes,
		                          .confirmed = confirm,
		                          .load = load,
		                          .keep = keep,
		                          .copy_read = copy_read,
		                          .copy_write = copy_write,
		                          .copy_stop = stop };
}

void follow_desk_done(struct follow_desk *d)
{
	stop(d);
}
