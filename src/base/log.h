/*
 * What a process says about itself: one line of key=value on a descriptor, standard error as a rule.
 *
 *   time=2026-11-22T03:40:00.123Z level=info event=status events=120 file="/var/log/a b"
 */
#ifndef KHIEN_BASE_LOG_H
#define KHIEN_BASE_LOG_H

#include "base/clock.h"
#include "base/str.h"

struct log {
	int fd;
	const struct clock *clock;
};

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

struct log_field {
	const char *name;
	const char *text; /* NULL: `number` */
	uint64_t number;
};

/* fields ends with a name of NULL. Text with anything but plain ASCII letters, digits and marks is quoted as JSON. */
void log_line(const struct log *log, enum log_level level, const char *event, const struct log_field *fields);

#define LOG_TEXT(key, value)                                                                                           \
	{                                                                                                              \
		.name = (key), .text = (value)                                                                         \
	}
#define LOG_NUMBER(key, value)                                                                                         \
	{                                                                                                              \
		.name = (key), .number = (value)                                                                       \
	}
/* log_say(log, LOG_LEVEL_INFO, "status", LOG_NUMBER("events", n), LOG_TEXT("file", path)); */
#define log_say(log, level, event, ...)                                                                                \
	log_line(log, level, event, (const struct log_field[]){ __VA_ARGS__, { NULL, NULL, 0 } })

#endif
