#include "rule/compiler.h"

enum { NEAREST_MAX = 48 };

/* Insertions, deletions, replacements and swaps of neighbours that make a of b. */
static unsigned distance(struct str a, struct str b)
{
	unsigned rows[3][NEAREST_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
	for (unsigned k = 0; k <= b.n; k++)
		last[k] = k;
	for (unsigned i = 1; i <= a.n; i++) {
		row[0] = i;
		for (unsigned k = 1; k <= b.n; k++) {
			unsigned d = last[k - 1] + (a.p[i - 1] != b.p[k - 1]);
			d = last[k] + 1 < d ? last[k] + 1 : d;
			d = row[k - 1] + 1 < d ? row[k - 1] + 1 : d;
			if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1] &&
			    before[k - 2] + 1 < d)
				d = before[k - 2] + 1;
			row[k] = d;
		}
		unsigned *free = before;
		before = last;
		last = row;
		row = free;
	}
	return last[b.n];
}

struct str nearest(struct str word, const struct str *words, size_t n)
{
	struct str best = { 0 };
	size_t least = word.n / 3 + 1; /* at most a third may differ */
	for (size_t i = 0; i < n && word.n <= NEAREST_MAX; i++) {
		if (words[i].n > NEAREST_MAX)
			continue;
		unsigned d = distance(word, words[i]);
		if (d < least) {
			least = d;
			best = words[i];
		}
	}
	return best;
}
