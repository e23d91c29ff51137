/*
 * Writes what the WAF is told, for the tests beside this file: waf_write LEVEL block|watch BODY_MAX CRS OWN TEMP PATCHES|- [EXCLUSIONS]...
 * Status 1: something is wrong with the patches, see standard error.
 */
#include "base/clock.h"
#include "proxy/waf.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc < 8)
		return 2;
	const struct waf waf = {
		.blocks = strcmp(argv[2], "block") == 0,
		.level = (unsigned)strtoul(argv[1], NULL, 10),
		.crs = argv[4],
		.own = argv[5],
		.temp = argv[6],
		.body_max = strtoull(argv[3], NULL, 10),
		.exclusions = (const char *const *)argv + 8,
	};
	struct patches patches = { 0 };
	CLEANUP(buf_free) struct buf problems = { 0 };
	CLEANUP(buf_free) struct buf out = { 0 };
	int code = 0;
	if (strcmp(argv[7], "-") != 0)
		code = patches_read(&patches, argv[7], clock_wall(&clock_system) / CLOCK_S, &problems);
	if (code)
		fprintf(stderr, STR_FMT, STR_ARG(buf_str(&problems)));
	else
		waf_write(&waf, &patches, &out);
	patches_done(&patches);
	if (code || out.failed)
		return 1;
	return fwrite(out.p, 1, out.n, stdout) == out.n ? 0 : 2;
}
