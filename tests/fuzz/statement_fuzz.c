/* statement: each line comes once, in order, with an amount within its bounds and texts of the file; what can't be read is told. */
#include "kiosk/pay.h"

#include <assert.h>
#include <errno.h>

struct seen {
	unsigned line, n;
	size_t size;
};

static void come(struct seen *s, unsigned line)
{
	assert(line > s->line && line <= s->size + 1);
	s->line = line;
	s->n++;
}

static void take(void *arg, const struct statement_line *l)
{
	struct seen *s = arg;
	come(s, l->line);
	assert(l->amount && l->amount >= -MONEY_MAX && l->amount <= MONEY_MAX);
	assert(l->bank_id.n <= 63 && l->bank_id.n + l->content.n <= s->size);
	assert(l->bank_id.n || l->at);
}

static void bad(void *arg, unsigned line, const char *why)
{
	come(arg, line);
	assert(!strcmp(why, "amount") || !strcmp(why, "time") || !strcmp(why, "number"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str csv = { (const char *)data, size };
	struct seen s = { .size = size };
	int64_t at;
	int rc = statement_read(csv, take, bad, &s, NULL);
	assert(rc == 0 || (rc == -EBADMSG && s.n == 0) || (rc == -E2BIG && s.n == STATEMENT_LINES));
	assert(rc || statement_looks_right(csv));
	if (bank_time(csv, &at))
		assert(at > INT64_C(946600000000000) && at < INT64_C(7258200000000000));
	return 0;
}
