/* SPDX-License-Identifier: MIT */
/* bench_fs.c - how many operations per second the core does on a RAM device:
 * make tests/bench_fs && tests/bench_fs [count].  Not a test. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "t4_util.h"

static struct t4 t;
static unsigned count = 400000;
static uint64_t *ino;

static void name_of(unsigned i, char name[16])
{
	snprintf(name, 16, "file%u", i);
}

static void create(unsigned i)
{
	char name[16];

	name_of(i, name);
	ino[i] = t4_make(&t, ROOT, name, S_IFREG | 0644);
}

static void lookup(unsigned i)
{
	char name[16];

	name_of(i, name);
	t4_lookup(&t, ROOT, name);
	fs_forget(t.c, ino[i], 1);
}

static void getattr(unsigned i)
{
	t4_attr(&t, ino[i]);
}

static char page[4096];

static void write_small(unsigned i)
{
	t4_write(&t, ino[i], page, 100, 0);
}

static void write_seq(unsigned i)
{
	t4_write(&t, ino[0], page, 4096, (uint64_t)i * 4096);
}

static void write_random(unsigned i)
{
	t4_write(&t, ino[0], page, 4096, (uint64_t)(i * 2654435761u % count) * 4096);
}

static void read_random(unsigned i)
{
	static char buf[4096] __attribute__((aligned(4096)));

	t4_read(&t, ino[0], buf, 4096, (uint64_t)(i * 2654435761u % count) * 4096);
}

static void chmod_it(unsigned i)
{
	t4_chmod(&t, ino[i], 0600);
}

static void rename_it(unsigned i)
{
	char from[16], to[24];

	name_of(i, from);
	snprintf(to, sizeof(to), "re%s", from);
	t4_admit(&t);
	ok(fs_rename(t.c, &t4_root, ROOT, from, ROOT, to, 0));
}

static void unlink_it(unsigned i)
{
	char name[24], f[16];

	name_of(i, f);
	snprintf(name, sizeof(name), "re%s", f);
	t4_admit(&t);
	ok(fs_unlink(t.c, &t4_root, ROOT, name));
	fs_forget(t.c, ino[i], 1);
}

static void run(const char *what, void (*op)(unsigned i))
{
	int64_t t0 = clock_mono();
	clock_t c0 = clock();

	for (unsigned i = 0; i < count; i++)
		op(i);
	/* processor time says more on a busy machine */
	printf("%-14s %8.0f/s, %6.2f us of processor each\n", what,
	       count * 1e9 / (double)(clock_mono() - t0),
	       (double)(clock() - c0) * 1e6 / CLOCKS_PER_SEC / count);
	fflush(stdout);
	/* what a checkpoint costs is not counted here */
	t4_checkpoint(&t);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		count = (unsigned)atoi(argv[1]);
	ino = calloc(count, sizeof(*ino));
	t4_start(&t, 16384 * MIB);
	run("create", create);
	run("lookup", lookup);
	run("getattr", getattr);
	run("write 100 B", write_small);
	run("write 4K seq", write_seq);
	run("write 4K rnd", write_random);
	run("read 4K rnd", read_random);
	run("chmod", chmod_it);
	run("rename", rename_it);
	run("unlink", unlink_it);
	t4_stop(&t);
	free(ino);
	return 0;
}
