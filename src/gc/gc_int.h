/* SPDX-License-Identifier: MIT */
/* gc_int.h - the inside of the compactor. */
#ifndef VARVE_GC_GC_INT_H
#define VARVE_GC_GC_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gc/gc.h"
#include "gc/policy.h"

#define GC_GATHER 256u         /* rows read under one hold of the shared lock */
#define GC_CHUNK (4u << 20)    /* bytes written at once */
#define GC_HEADS 2u            /* first move, later moves */

struct found { /* a live piece of a victim */
	uint64_t id, addr;
	uint32_t len, stored, enc, sum_at, live;
	uint64_t ino, off; /* owner, or 0 */
};

struct copy { /* what has been placed in a chunk */
	struct rec_move move; /* piece, from, to */
	/* cut out of the piece: its extent; ino 0: the piece moves whole */
	uint64_t ino, off;
	uint32_t poff, len;
};

struct head {
	uint32_t seg;     /* UINT32_MAX: none */
	uint32_t used;    /* bytes of the segment written */
	uint8_t *buf;     /* chunk being filled; header block first */
	uint32_t room;    /* bytes this chunk may take in all */
	uint32_t at;      /* next free byte of buf */
	uint64_t addr;    /* of buf on the device */
	struct copy *copy;
	uint8_t *table;   /* of this chunk, as it will be stored */
	uint32_t table_len, table_cap;
	uint64_t last_id; /* the piece before, in the table */
	uint32_t n, cap;
	uint32_t stamp;   /* youngest data in the segment */
};

struct gc {
	struct vol *v;
	struct gc_opts opts;
	struct ring *ring;
	struct vol_ctx *ctx;
	struct vol_reclaimer hook;
	struct head head[GC_HEADS];
	uint8_t *heat;    /* per segment: how often its data has been moved */
	uint8_t *shun;    /* per segment: holds damage, leave it */
	struct found *found;
	uint32_t nfound, capfound;
	uint32_t *sums;
	uint32_t nsums, capsums;
	struct extent_row *live; /* extents of the piece that is being cut */
	uint32_t nlive, caplive;
	uint64_t cutting; /* its id */
	uint8_t *rbuf;

	pthread_t thread;
	bool has_thread;
	struct ring_op kick;
	_Atomic bool kicked, stop, hopeless;
	_Atomic unsigned barren;       /* passes in a row that gained nothing */
	_Atomic uint64_t vain; /* dead bytes when the last pass ended */
	struct gc_stats stats; /* the compactor's thread writes */
};

/* move.c: empties segment idx into the heads.  0, or an error; the victim may be
 * half empty then, which does no harm. */
int gc_move_segment(struct gc *g, uint32_t idx, uint32_t stamp) VARVE_MUST_CHECK;
/* Writes out what the heads have collected, and commits the moves. */
int gc_flush_heads(struct gc *g) VARVE_MUST_CHECK;
void gc_heads_init(struct gc *g);
void gc_heads_free(struct gc *g);

#endif
