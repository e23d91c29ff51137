/* csv: the first line is the header ("#": of Zeek, up to an empty line), the rest a record no value is longer than. */
#include "format_fuzz.h"
#include "intake/framer.h"

static void check(const struct event *ev)
{
	for (uint32_t i = 0; i < ev->n_pairs; i++) {
		assert(ev->pairs[i].name.n);
		if (!str_eq(ev->pairs[i].name, STR("_path")))
			assert(ev->pairs[i].text.n <= ev->raw.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size };
	bool zeek = size && data[0] == '#';
	const char *empty = zeek ? memmem(all.p, all.n, "\n\n", 2) : NULL;
	size_t n = empty ? (size_t)(empty - all.p) + 1 : str_find(all, '\n');
	struct columns *c = NULL;
	if (columns_new(&c, str_sub(all, 0, n), zeek, NULL))
		return 0;
	fuzz_format(&intake_csv, str_sub(all, n + 1, size), c, check);
	columns_unref(c);
	return 0;
}
