/* SPDX-License-Identifier: MIT */
/* fuzz_main.c - a fuzz target without a fuzzer: replays files and directories;
 * without arguments the corpus of the program's name. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned count;

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf;
	size_t n;

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	buf = malloc(1u << 20);
	n = fread(buf, 1, 1u << 20, f);
	fclose(f);
	/* An exact copy, so that reading past its end is seen. */
	uint8_t *exact = malloc(n ? n : 1);

	memcpy(exact, buf, n);
	free(buf);
	if (getenv("FUZZ_VERBOSE"))
		fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	count++;
	return 0;
}

static int replay(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int bad = 0;

	if (!d)
		return errno == ENOTDIR ? replay_file(path) : 1;
	while ((e = readdir(d))) {
		char *sub;

		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&sub, "%s/%s", path, e->d_name) < 0)
			abort();
		bad |= replay_file(sub);
		free(sub);
	}
	closedir(d);
	return bad;
}

int main(int argc, char **argv)
{
	const char *src = getenv("srcdir"), *name = strrchr(argv[0], '_');
	char *dir;
	int bad = 0;

	for (int i = 1; i < argc; i++)
		bad |= replay(argv[i]);
	if (argc == 1) {
		if (asprintf(&dir, "%s/tests/fuzz/corpus/%s", src ? src : ".",
			     name ? name + 1 : argv[0]) < 0)
			abort();
		bad = replay(dir);
		if (bad || !count)
			fprintf(stderr, "%s: nothing to replay\n", dir);
		free(dir);
	}
	printf("%u inputs\n", count);
	return bad || !count;
}
