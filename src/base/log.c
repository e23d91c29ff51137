#include "base/log.h"

#include "base/buf.h"

#include <time.h>
#include <unistd.h>

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=')
			return false;
	return s.n > 0;
}

void log_line(const struct log *log, enum log_level level, const char *event, const struct log_field *fields)
{
	static const char *const levels[] = { "info", "warning", "error" };
	struct buf out = { .max = 64 * 1024 };
	int64_t now = clock_wall(log->clock);
	time_t s = now / CLOCK_S;
	struct tm tm;
	char date[32];
	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(&out, "time=%s.%03dZ level=%s event=%s", date, (int)(now / CLOCK_MS % 1000), levels[level], event);
	for (; fields->name; fields++) {
		buf_printf(&out, " %s=", fields->name);
		if (!fields->text)
			buf_printf(&out, "%llu", (unsigned long long)fields->number);
		else if (is_plain(str_from(fields->text)))
			buf_add(&out, str_from(fields->text));
		else
			buf_add_json(&out, str_from(fields->text));
	}
	buf_putc(&out, '\n');
	/* One write, so lines of several processes don't mix. Nobody is left to tell when it fails. */
	if (write(log->fd, out.p, out.n) < 0)
		out.failed = true;
	buf_free(&out);
}
