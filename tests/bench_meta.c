/* SPDX-License-Identifier: MIT */
/* bench_meta.c - what a point query and a checkpoint cost, on a page store in
 * memory.  Run by hand: tests/bench_meta [files] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/msg.h"
#include "meta/names.h"
#include "meta_model.h"
#include "ram_pages.h"

static struct state *st;
static struct reader *rd;
static struct ram_pages *pages;
static uint64_t files, rnd = 1;

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(int err)
{
	if (err)
		msg_panic("error %d", err);
}

/* A file as it usually is: one name, one extent of 16 KiB, one piece. */
static void make(uint64_t ino, bool fresh)
{
	struct inode_row i = { .ino = ino, .seq = ino, .mode = 0100644, .uid = 1000,
			       .gid = 1000, .nlink = 1, .size = 16384, .bytes = 16384,
			       .parent = 1 };
	struct entry_row e = { .dir = ino / 100 + 1, .seq = ino, .ino = ino, .type = 8 };
	struct extent_row x = { .ino = ino, .len = 16384, .seq = ino, .piece = ino };
	struct piece_row p = { .id = ino, .addr = ino << 14, .len = 16384,
			       .stored = 16384, .refs = 1, .nsums = 4 };

	i.ctime = i.mtime = i.atime = i.btime = 1700000000000000000 + (int64_t)ino;
	e.namelen = (uint8_t)sprintf(e.name, "file-%llu.c", (unsigned long long)ino);
	e.cookie = name_cookie(meta_key, e.name, e.namelen);
	memset(p.sums, (int)ino, 16);
	state_put_inode(st, &i, fresh);
	state_put_entry(st, &e);
	state_put_extent(st, &x);
	state_put_piece(st, &p, fresh);
}

static void checkpoint(const char *what)
{
	struct meta_counts c = { .ckpt = 1 };
	size_t rows = state_overlay_rows(st), bytes = state_overlay_bytes(st);
	uint64_t calls = ram_pages_calls(pages, RAM_TXN_WRITE);
	double t;

	state_freeze(st);
	t = cpu();
	must(state_write_image(st, &c));
	t = cpu() - t;
	ram_pages_commit(pages);
	printf("%-28s %8zu rows %6.2f s %9.0f rows/s, %zu B/row in core, "
	       "%u pages, %llu page writes\n", what, rows, t, (double)rows / t,
	       bytes / rows, ram_pages_count(pages),
	       (unsigned long long)(ram_pages_calls(pages, RAM_TXN_WRITE) - calls));
	t = cpu();
	overlay_free(state_switch(st));
	printf("%-28s %6.2f ms\n", "  overlay_free", (cpu() - t) * 1e3);
}

static int count_extent(void *arg, const struct extent_row *x)
{
	return 0;
}

static int count_entry(void *arg, const struct entry_row *e)
{
	++*(uint64_t *)arg;
	return 0;
}

static void query(const char *what, int kind, uint64_t span)
{
	uint64_t n = 300000, k, ino, cookie;
	struct inode_row i;
	struct entry_row e;
	struct piece_row p;
	char name[64];
	double t = cpu();

	for (k = 0; k < n; k++) {
		ino = 1 + meta_random(&rnd) % span;
		if (kind == 0) {
			must(state_inode(st, rd, ino, &i));
		} else if (kind == 1) {
			size_t len = (size_t)sprintf(name, "file-%llu.c",
						     (unsigned long long)ino);
			must(state_entry(st, rd, ino / 100 + 1, name, len, &e, &cookie));
		} else if (kind == 2) {
			must(state_extents(st, rd, ino, 4096, 8192, count_extent, NULL));
		} else {
			must(state_piece(st, rd, ino, &p));
		}
	}
	printf("%-28s %6.2f us\n", what, (cpu() - t) / (double)n * 1e6);
}

int main(int argc, char **argv)
{
	uint64_t k, seen = 0;
	double t;

	files = argc > 1 ? strtoull(argv[1], NULL, 0) : 250000;
	pages = ram_pages_new();
	st = state_new(ram_pages_store(pages), meta_key);
	rd = reader_new(st);
	t = cpu();
	for (k = 1; k <= files; k++)
		make(k, true);
	printf("%-28s %6.2f us per row\n", "put", (cpu() - t) / (4.0 * (double)files) * 1e6);
	query("inode, in the overlay", 0, files);
	query("name, in the overlay", 1, files);
	checkpoint("new files");
	must(state_inode(st, rd, 1, &(struct inode_row){ 0 }));
	query("inode, image, 1000 hot", 0, 1000);
	query("name, image, 1000 hot", 1, 1000);
	query("extents, image, 1000 hot", 2, 1000);
	query("piece, image, 1000 hot", 3, 1000);
	query("inode, image, all", 0, files);
	query("name, image, all", 1, files);
	query("extents, image, all", 2, files);
	t = cpu();
	for (k = 0; k < files / 100; k++)
		must(state_entries(st, rd, k + 1, 0, count_entry, &seen));
	printf("%-28s %6.2f us per entry\n", "listing", (cpu() - t) / (double)seen * 1e6);
	for (k = 0; k < files / 10; k++)
		make(1 + meta_random(&rnd) % files, false);
	checkpoint("a tenth, rewritten");
	for (k = 1; k <= files; k++) {
		state_del_inode(st, k);
		state_del_extent(st, k, 0);
		state_del_piece(st, k);
	}
	checkpoint("deleted");
	reader_free(rd);
	state_free(st);
	ram_pages_free(pages);
	return 0;
}
