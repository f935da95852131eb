/* SPDX-License-Identifier: MIT */
/* bchunk.h - heads of the chunks that a metadata backup consists of.
 *
 * A chunk is a head block and the data behind it, padded to whole blocks; chunks
 * follow each other from the start of a segment of their own.  Each says of which
 * backup and which checkpoint it is, so that a backup can be found without
 * anything else on the device being good.
 *
 * Errors: -VE_BACKUP for what is no valid chunk. */
#ifndef VARVE_LOG_BCHUNK_H
#define VARVE_LOG_BCHUNK_H

#include "log/super.h"

struct bchunk {
	uint64_t id;
	uint32_t index, count, first, npages, pages, stored;
	uint32_t data_crc, raw_crc, enc;
	/* the checkpoint */
	uint64_t ckpt, epoch;
	int64_t time;
	struct log_pos pos;
	struct counters n;
};

/* Device bytes of a chunk: head and data. */
static inline uint32_t bchunk_bytes(const struct bchunk *c)
{
	return VARVE_BLOCK + (uint32_t)align_up(c->stored, VARVE_BLOCK);
}
#define BCHUNK_MAX (VARVE_BLOCK + BACKUP_CHUNK_PAGES * VARVE_BLOCK)

void bchunk_encode(const struct super *sup, const struct bchunk *c, void *block);
/* Checks the head; room: bytes up to the end of its segment. */
int bchunk_decode(const struct super *sup, const void *block, uint32_t room,
		  struct bchunk *ret) VARVE_MUST_CHECK;

#endif
