/* SPDX-License-Identifier: MIT */
/* manyfiles.c - makes small files until it is stopped.
 *
 * manyfiles DIR COUNT BYTES [more]
 *
 * Files of BYTES each, ten thousand to a directory.  With COUNT made it prints a
 * line, and ends; with "more" it goes on, so that something can go wrong in the
 * middle of writing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PER_DIR = 10000 };

static int fail(const char *what)
{
	fprintf(stderr, "manyfiles: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	long count, bytes;
	int top, dir = -1;
	char *data;

	if (argc < 4) {
		fprintf(stderr, "usage: manyfiles DIR COUNT BYTES [more]\n");
		return 2;
	}
	count = atol(argv[2]);
	bytes = atol(argv[3]);
	data = malloc((size_t)bytes + 32);
	top = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (!data || top < 0)
		return fail(argv[1]);
	memset(data, 'v', (size_t)bytes);
	for (long i = 0; argc > 4 || i < count; i++) {
		char name[64];
		int fd;

		if (i == count) {
			printf("made %ld\n", i);
			fflush(stdout);
		}
		if (i % PER_DIR == 0) {
			if (dir >= 0)
				close(dir);
			snprintf(name, sizeof(name), "d%05ld", i / PER_DIR);
			if (mkdirat(top, name, 0755) < 0)
				return fail(name);
			dir = openat(top, name, O_RDONLY | O_DIRECTORY);
		}
		snprintf(name, sizeof(name), "file-%08ld", i);
		memcpy(data, name, (size_t)(bytes < 13 ? bytes : 13));
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, data, (size_t)bytes) != bytes)
			return fail(name);
		close(fd);
	}
	printf("made %ld\n", count);
	return 0;
}
