/* SPDX-License-Identifier: MIT */
/* fuzz.h - what the fuzz targets share.
 *
 * A target defines LLVMFuzzerTestOneInput(); nothing in an input may crash it,
 * hang it or make it allocate without bound (DESIGN I8).  Checksums are put
 * right by the targets, so that inputs get past them.
 *
 * Built for libFuzzer with CC=clang --enable-fuzzing; always as a plain program
 * that replays files (fuzz_main.c), which make check does with the corpus. */
#ifndef VARVE_TESTS_FUZZ_H
#define VARVE_TESTS_FUZZ_H

#include "dev/devsim.h"
#include "log/super.h"
#include "store/vol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_SIZE (18u << 20) /* of the device */

/* The bytes of an input, from the front; zeros after its end. */
struct input {
	const uint8_t *p;
	size_t left;
};
uint8_t take8(struct input *in);
uint16_t take16(struct input *in);
uint64_t take64(struct input *in);
/* Copies n bytes at most; returns how many there were. */
size_t take_bytes(struct input *in, void *buf, size_t n);

/* Messages are swallowed from now on. */
void fuzz_hush(void);
struct ring *fuzz_ring(void);
/* A copy of a small volume with some of everything in it, made once: closed
 * cleanly, then used again and killed, so that it has a log tail. */
struct dev *fuzz_volume(void);
/* Its superblock, and the addresses of all its metadata blocks: superblocks,
 * slots, bitmaps, map nodes, database pages, batches of the tail. */
const struct super *fuzz_super(void);
const uint64_t *fuzz_blocks(size_t *ret_n);

/* Makes all checksums right that lead from the superblocks to what was changed:
 * superblocks, slots and tables, map nodes, pages, bitmaps, batches. */
void fuzz_fix_sums(struct dev *d);
/* Those of one slot header and table, of one batch (header at addr). */
void fuzz_fix_super(void *block);
void fuzz_fix_slot(uint8_t *header, const uint8_t *table, uint32_t table_len);
/* Returns the new checksum; UINT32_MAX + 1: there is no batch. */
uint64_t fuzz_fix_batch(struct dev *d, uint64_t addr, uint32_t prev_crc);

/* A stream that goes nowhere, for printers. */
FILE *fuzz_null(void);

/* Looks at everything in a bounded way, and changes a little if write. */
void fuzz_use(struct dev *d, bool write, bool verify);

#endif
