#include "kiosk/register.h"

#include "kiosk/follow_message.h"
#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_MAX = 512 };

struct registry {
	char *folder, *file;
	struct register_value value;
};

bool register_set(struct register_value *v, int64_t from, const struct register_value *to, bool sure)
{
	const bool other = strcmp(v->holder, to->holder) != 0;
	if (v->epoch != from || to->epoch <= from || !to->holder[0])
		return false;
	if (other && v->alone && !sure)
		return false;
	*v = *to;
	return true;
}

/* --- its file: {"alone":false,"epoch":7,"holder":"a"} --- */

static int parse(struct str text, struct register_value *ret)
{
	json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *epoch = json_object_get(json, "epoch"), *alone = json_object_get(json, "alone");
	const char *holder = json_string_value(json_object_get(json, "holder"));
	int code = -EBADMSG;
	if (json_is_integer(epoch) && json_integer_value(epoch) > 0 && json_is_boolean(alone) && holder && holder[0] &&
	    strlen(holder) < REGISTER_NAME) {
		*ret = (struct register_value){ .epoch = json_integer_value(epoch), .alone = json_is_true(alone) };
		snprintf(ret->holder, sizeof(ret->holder), "%s", holder);
		code = 0;
	}
	json_decref(json);
	return code;
}

static int load(struct registry *r, struct err *err)
{
	char path[4096], text[FILE_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", r->folder, r->file);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "register '%s/%s': %m", r->folder, r->file);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open register '%s': %m", path);
	ssize_t got = read(fd, text, sizeof(text));
	int code = got < 0 ? -errno : 0;
	close(fd);
	if (code)
		return err_set(err, code, "read register '%s': %m", path);
	if ((size_t)got == sizeof(text) || parse((struct str){ text, (size_t)got }, &r->value))
		return err_set(err, -EBADMSG, "register '%s' is damaged: whoever writes now has to say so", path);
	return 0;
}

static int save(const struct registry *r, const struct register_value *v, struct err *err)
{
	struct buf text = { .max = FILE_MAX - 1 };
	buf_printf(&text, "{\"alone\":%s,\"epoch\":%lld,\"holder\":", v->alone ? "true" : "false", (long long)v->epoch);
	buf_add_json(&text, str_from(v->holder));
	buf_add(&text, STR("}\n"));
	int code = text.failed ? err_set(err, -E2BIG, "the register's value is too long")
	                       : atomic_write(r->folder, r->file, buf_str(&text), 0600, err);
	buf_free(&text);
	return code;
}

int register_open(struct registry **ret, const char *folder, const char *file, struct err *err)
{
	struct registry *r = calloc(1, sizeof(*r));
	if (!r || !(r->folder = strdup(folder)) || !(r->file = strdup(file))) {
		register_close(r);
		return err_set(err, -ENOMEM, "open the register: %m");
	}
	int code = load(r, err);
	if (code)
		register_close(r);
	else
		*ret = r;
	return code;
}

void register_close(struct registry *r)
{
	if (!r)
		return;
	free(r->folder);
	free(r->file);
	free(r);
}

const struct register_value *register_value(const struct registry *r)
{
	return &r->value;
}

/* --- what is asked --- */

/* Names are shown and written to a file: no more than what a configuration's name has. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n && s.n < REGISTER_NAME;
}

bool register_read_value(struct str body, int64_t epoch, bool alone, struct register_value *ret)
{
	if (!is_name(body))
		return false;
	*ret = (struct register_value){ .epoch = epoch, .alone = alone };
	memcpy(ret->holder, body.p, body.n);
	return true;
}

int64_t register_decide(struct register_value *v, struct str question)
{
	struct message m;
	struct register_value to;
	if (message_read(question, &m) || (m.kind != MESSAGE_ASK && m.kind != MESSAGE_SET))
		return -EPROTO;
	if (m.kind == MESSAGE_SET) {
		if (!register_read_value(m.body, m.epoch, m.alone, &to))
			return -EPROTO;
		register_set(v, m.seq, &to, m.flag);
	}
	return m.last;
}

void register_say(const struct register_value *v, int64_t number, struct buf *answer)
{
	message_put(&(struct message){ .kind = MESSAGE_VALUE,
	                               .epoch = v->epoch,
	                               .alone = v->alone,
	                               .last = number,
	                               .body = str_from(v->holder) },
	            answer);
}

int register_answer(struct registry *r, struct str question, struct buf *answer, struct err *err)
{
	struct register_value v = r->value;
	int64_t number = register_decide(&v, question);
	if (number < 0)
		return err_set(err, (int)number, "no question to a register");
	int code = v.epoch == r->value.epoch ? 0 : save(r, &v, err); /* each change raises it */
	if (code)
		return code; /* it may stand in the file now or not: closed and opened again it is known */
	r->value = v;
	register_say(&v, number, answer);
	return 0;
}
