/* Hunts over the store: how long from the text to the last row. */
#include "hunt/hunt.h"

#include "feed.h"
#include "store.h"

#include <stdio.h>

enum { ROUNDS = 5 };

static int no_columns(void *arg, const struct str *names, size_t n)
{
	return 0;
}

/* Sums up the last column. */
static int add_row(void *arg, const struct hunt_line *row)
{
	*(uint64_t *)arg += (uint64_t)row->cells[row->n - 1].number;
	return 0;
}

static double hunt_once(struct events *s, const char *text, uint64_t *sum)
{
	const struct hunt_question q = { .from = INT64_MIN, .clock = &clock_system };
	const struct hunt_sink sink = { no_columns, add_row, sum };
	struct hunt_error error;
	struct hunt_result result;
	struct err err;
	struct hunt *h;
	*sum = 0;
	double begin = seconds();
	if (hunt_parse(&h, str_from(text), &error))
		die("%s: %s", text, error.what);
	if (hunt_run(h, &events_embedded, s, &q, &sink, &result, &err))
		die("%s: %s", text, err.text);
	double took = seconds() - begin;
	if (result.lacks)
		die("%s: the answer is not whole", text);
	hunt_free(h);
	return took;
}

void ask_hunts(struct events *s)
{
	static const struct {
		const char *name, *text;
	} hunts[] = {
		{ "hunt_count_by_host_s", "| count by host" },
		{ "hunt_top_address_s", "status>=400 | count by src_ip, status" },
		{ "hunt_either_text_s", "host:web* (\"admin\" OR \"login\") | timechart span=1h" },
	};
	for (size_t i = 0; i < ARRAY_LEN(hunts); i++) {
		double times[ROUNDS];
		char name[64];
		uint64_t sum, first = 0;
		for (int k = 0; k < ROUNDS; k++) {
			times[k] = hunt_once(s, hunts[i].text, &sum);
			if (k && sum != first)
				die("%s: %llu, and then %llu", hunts[i].name, (unsigned long long)first,
				    (unsigned long long)sum);
			first = sum;
		}
		figure("", hunts[i].name, median(times, ROUNDS), "s");
		snprintf(name, sizeof(name), "found_%s", hunts[i].name);
		fact("", name, first);
	}
}
