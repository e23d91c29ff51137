/* Prints made-up events, one a line: bench-events COUNT [bare] */
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct generate_config config = { .seed = 1, .begin = 1793491200000000, .gap = 40000, .rare_every = 3000000 };
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	config.bare = argc > 2;
	struct generator *g = generate_new(&config);
	if (!n || !g) {
		fprintf(stderr, "usage: bench-events COUNT [bare]\n");
		return 2;
	}
	for (; n; n--) {
		struct generated made;
		generate_next(g, &made);
		fwrite(made.json.p, 1, made.json.n, stdout);
		putchar('\n');
	}
	generate_free(g);
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
