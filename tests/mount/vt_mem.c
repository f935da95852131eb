/* SPDX-License-Identifier: MIT */
/* vt_mem.c - mapped files.  map numbers its mappings 0, 1, 2... */
#define _GNU_SOURCE
#include "vt.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
	unsigned char *at;
	size_t len;
} maps[16];
static int n_maps;

static sigjmp_buf bus_jump;

static void on_bus(int sig)
{
	siglongjmp(bus_jump, 1);
}

static unsigned char *map_of(char **argv)
{
	int64_t n = num_of(argv[0]);

	if (n < 0 || n >= n_maps)
		usage_error("no mapping %s", argv[0]);
	return maps[n].at;
}

/* map FD LEN r|rw shared|private */
static int op_map(int argc, char **argv)
{
	static const struct vt_name kinds[] = {
		{ "shared", MAP_SHARED }, { "private", MAP_PRIVATE }, { NULL, 0 }
	};
	int prot = PROT_READ | (strchr(argv[2], 'w') ? PROT_WRITE : 0);
	size_t len = (size_t)num_of(argv[1]);
	void *at = mmap(NULL, len, prot, (int)flags_of(kinds, argv[3]), fd_of(argv[0]), 0);

	if (at == MAP_FAILED)
		return -errno;
	if (n_maps == 16)
		usage_error("too many mappings");
	maps[n_maps].at = at;
	maps[n_maps++].len = len;
	return 0;
}

static int op_mread(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_bus }, old;
	static unsigned char copy[4096];
	const volatile unsigned char *from = map_of(argv) + num_of(argv[1]);
	size_t len = (size_t)num_of(argv[2]);

	if (len > sizeof(copy))
		usage_error("mread of more than 4096");
	sigaction(SIGBUS, &sa, &old);
	if (sigsetjmp(bus_jump, 1) == 0) {
		for (size_t i = 0; i < len; i++)
			copy[i] = from[i];
		say_bytes(copy, len);
	} else {
		say("SIGBUS");
	}
	sigaction(SIGBUS, &old, NULL);
	return 0;
}

static int op_mwrite(int argc, char **argv)
{
	memcpy(map_of(argv) + num_of(argv[1]), argv[2], strlen(argv[2]));
	return 0;
}

/* mfill MAP OFF LEN SEED, as fill does. */
static int op_mfill(int argc, char **argv)
{
	int64_t off = num_of(argv[1]), len = num_of(argv[2]);
	unsigned char *at = map_of(argv);

	for (int64_t i = off; i < off + len; i++)
		at[i] = pattern_byte((uint64_t)i, (unsigned)num_of(argv[3]));
	return 0;
}

static int op_msync(int argc, char **argv)
{
	int64_t n = num_of(argv[0]);

	map_of(argv);
	return result_of(msync(maps[n].at, maps[n].len, MS_SYNC));
}

static int op_unmap(int argc, char **argv)
{
	int64_t n = num_of(argv[0]);

	map_of(argv);
	return result_of(munmap(maps[n].at, maps[n].len));
}

const struct vt_op vt_mem_ops[] = {
	{ "map", 4, 4, op_map }, { "mread", 3, 3, op_mread }, { "mwrite", 3, 3, op_mwrite },
	{ "mfill", 4, 4, op_mfill }, { "msync", 1, 1, op_msync }, { "unmap", 1, 1, op_unmap },
	{ NULL, 0, 0, NULL }
};
