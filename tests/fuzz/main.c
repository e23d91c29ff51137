/* Runs a fuzz target over the files and folders named as arguments: the seed corpus in a build without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(const char *path, int *n);

static int run_folder(const char *path, int *n)
{
	DIR *d = opendir(path);
	int rc = d ? 0 : -1;
	for (struct dirent *e; d && !rc && (e = readdir(d));) {
		char inner[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
		rc = run(inner, n);
	}
	if (d)
		closedir(d);
	return rc;
}

static int run(const char *path, int *n)
{
	struct stat st;
	if (stat(path, &st))
		return -1;
	if (S_ISDIR(st.st_mode))
		return run_folder(path, n);
	/* A block of the input's own size, so that a sanitizer sees what reads behind it. */
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1);
	FILE *f = fopen(path, "r");
	int rc = data && f && fread(data, 1, size, f) == size ? 0 : -1;
	if (f)
		fclose(f);
	if (!rc) {
		LLVMFuzzerTestOneInput(data, size);
		++*n;
	}
	free(data);
	return rc;
}

int main(int argc, char **argv)
{
	int n = 0;
	for (int i = 1; i < argc; i++)
		if (run(argv[i], &n)) {
			perror(argv[i]);
			return 1;
		}
	printf("%d inputs\n", n);
	return n ? 0 : 1; /* no input is no test */
}
