/* SPDX-License-Identifier: MIT */
/* space.c - what is free, and what must stay so.
 *
 * The standing reserve (I5) is what two checkpoints of a full overlay would need
 * in new metadata segments, and room for the compactor to move into.  It depends
 * on the size of the database and the overlay's bound, not on the moment, so that
 * what df shows as available stays so. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "store/vol_int.h"

/* Pages that one checkpoint of a full overlay can write.  A row in core is never
 * smaller than in the database, so what is new fills at most the overlay's bytes
 * (its slack pays for half-full pages); and of the pages that exist, no more can
 * change than there are rows to change them. */
static uint64_t worst_pages(struct vol *v)
{
	uint64_t bytes = v->opts.overlay_bytes, rows = bytes / 64;
	struct pstore_stats ps;

	pstore_get_stats(v->ps, &ps);
	return MIN(rows + rows / 4, ps.pages) + bytes / VARVE_BLOCK + 32;
}

void space_note_overlay(struct vol *v)
{
	atomic_store_explicit(&v->overlay_bytes, state_overlay_bytes(v->state),
			      memory_order_relaxed);
	atomic_store_explicit(&v->overlay_rows, state_overlay_rows(v->state),
			      memory_order_relaxed);
}

void space_set_reserve(struct vol *v)
{
	uint32_t need;

	if (!v->log)
		return;
	/* Twice: one checkpoint's pages are not free again before the next. */
	need = 2 * pstore_worst_segments(v->ps, worst_pages(v)) + 2;
	/* The upper half is the compactor's: room to move into at 100 %. */
	need += MAX(2u, segs_count(v->segs) / 50);
	segs_set_reserve(v->segs, MIN(need, segs_count(v->segs) / 3));
}

/* Metadata and log a file of less than a block costs, at most (doc/durability.md):
 * MAKE and WRITE records, inode, entry, extent and piece rows with the slack of
 * B-tree pages, twice while a checkpoint is being made. */
#define SMALL_FILE_COST 1024u

/* Live bytes that the volume may hold while a compactor runs: all segments but
 * those of metadata, the reserve, and what the log and two heads hold; a sixteenth
 * of the rest stays for dead bytes between live ones, or nothing could be
 * overwritten when the volume is full. */
static uint64_t live_cap(const struct segs_space *s, uint64_t size)
{
	uint64_t held = (uint64_t)s->meta + s->reserve + 5;
	uint64_t room = s->total > held ? (s->total - held) * size : 0;

	return room - room / 16;
}

bool vol_may_grow(struct vol *v, uint64_t bytes)
{
	uint64_t size = segs_size(v->segs), promised = v->count.reserved_bytes;
	struct segs_space s;

	segs_get_space(v->segs, &s);
	if (atomic_load(&v->reclaimer))
		return s.live_bytes + promised + bytes <= live_cap(&s, size);
	/* The segments run out by themselves, but some are spoken for. */
	return !promised ||
	       promised + bytes + s.reserve * size <= ((uint64_t)s.free + s.pending) * size;
}

void vol_get_space(struct vol *v, struct vol_space *ret)
{
	struct segs_space s;
	uint64_t size = segs_size(v->segs);
	uint32_t keep[4], dead = 0;

	segs_get_space(v->segs, &s);
	if (v->log)
		dead = segs_count_dead(v->segs, keep, log_held_segments(v->log, keep)) +
		       segs_count_held(v->segs, HOLD_ALL);
	memset(ret, 0, sizeof(*ret));
	ret->total = s.total * size;
	/* What a checkpoint will give back counts: a writer waits for it. */
	ret->free = (uint64_t)s.free + s.pending + dead;
	ret->free = ret->free > s.reserve ? (ret->free - s.reserve) * size : 0;
	if (atomic_load(&v->reclaimer)) {
		uint64_t cap = live_cap(&s, size);

		ret->free = cap > s.live_bytes ? cap - s.live_bytes : 0;
		s.meta = 0; /* so that metadata shows as used, the reserve not */
		ret->total = live_cap(&s, size);
	}
	ret->inodes = v->count.inodes;
	ret->data_bytes = v->count.data_bytes;
	ret->reserved_bytes = v->count.reserved_bytes;
	ret->free = ret->free > ret->reserved_bytes ? ret->free - ret->reserved_bytes : 0;
	ret->small_file_cost = SMALL_FILE_COST;
}

int vol_trim(struct vol_ctx *c, uint64_t *ret_bytes)
{
	struct vol *v = c->vol;
	struct segs_space s;
	uint32_t idx;
	int err = 0;

	if (vol_readonly(v))
		return -VE_READONLY;
	*ret_bytes = 0;
	/* Allocated and pinned while it is discarded, nobody else writes to it
	 * and no checkpoint takes it for dead.  The hand moves on each time. */
	segs_get_space(v->segs, &s);
	for (uint32_t left = s.free; left && !err; left--) {
		uint64_t addr;

		if (segs_alloc(v->segs, SEG_LOG, SEG_USER, &idx))
			break;
		addr = segs_addr(v->segs, idx);
		segs_pin(v->segs, addr);
		err = dev_discard(v->dev, addr, segs_size(v->segs));
		if (!err)
			*ret_bytes += segs_size(v->segs);
		segs_unpin(v->segs, addr);
		segs_unalloc(v->segs, idx);
	}
	return err;
}
