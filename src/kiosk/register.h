/*
 * The register: who may write, where neither kiosk keeps it. { epoch, holder, alone } in a file of its own.
 *
 * It changes only from the epoch that was named to a higher one (compare and set), is on the disk before that is said, and
 * doesn't change its holder while that one is alone, unless a person is sure. It answers each question with what it holds. It
 * knows nothing else: no data, no key but the one of the pass to it (pass_key()).
 */
#ifndef KHIEN_KIOSK_REGISTER_H
#define KHIEN_KIOSK_REGISTER_H

#include "base/buf.h"
#include "base/err.h"

enum { REGISTER_NAME = 64 };

struct register_value {
	int64_t epoch; /* 0: nobody was the holder yet */
	bool alone;
	char holder[REGISTER_NAME];
};

/* The rule, pure. Whether v was changed to `to`. */
bool register_set(struct register_value *v, int64_t from, const struct register_value *to, bool sure);
/* One message of a kiosk over the value, which may be another one then. Returns the question's number; -EPROTO: it is none. Pure too. */
int64_t register_decide(struct register_value *v, struct str question);
/* The answer to it, appended. */
void register_say(const struct register_value *v, int64_t number, struct buf *answer);
/* The value in an answer, or in a question to change it. False: the name is none. */
bool register_read_value(struct str name, int64_t epoch, bool alone, struct register_value *ret);

struct registry;
/* Makes the file where there is none: a register that holds nothing. -EBADMSG: it is damaged; it is never begun anew then. */
int register_open(struct registry **ret, const char *folder, const char *file, struct err *err);
void register_close(struct registry *r);
/*
 * One message of a kiosk (the frame as the pass brought it) in, one out, appended. -EPROTO: it is none: drop the line. -errno of the
 * disk: what it holds isn't known: close it, open it again.
 */
int register_answer(struct registry *r, struct str question, struct buf *answer, struct err *err);
const struct register_value *register_value(const struct registry *r);

#endif
