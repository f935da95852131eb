/* SPDX-License-Identifier: MIT */
/* pstore.h - the page store on metadata segments: copy-on-write pages, a page
 * map with a checksum per page, per-segment bitmaps, a shared page cache.
 *
 * A transaction writes every changed page to a block that no image in either
 * checkpoint slot uses.  Committing is the caller's business and takes three
 * steps: pstore_prepare() writes the changed map nodes and the bitmap blocks of
 * slot (ckpt % 2); the caller flushes, writes the slot with the root, flushes;
 * pstore_committed() makes the image current.
 *
 * Space rules (I6).  Blocks that image n does not use any more but image n-1
 * did become free only when checkpoint n+1 is durable, and only once no held
 * image (page_store.h acquire) is older.  A metadata segment without used or
 * pending blocks goes back to the segment table.
 *
 * Locking: internal mutex rank 55; reads of pages by any thread, the
 *   transaction by the checkpoint thread.
 * Errors: -VE_PAGE_CRC, -VE_PAGE_MAP for damage; -ENOSPC. */
#ifndef VARVE_STORE_PSTORE_H
#define VARVE_STORE_PSTORE_H

#include "base/page_store.h"
#include "dev/dev.h"
#include "log/seg.h"

struct pstore;

/* Opens the image of slot newest (NULL or map.addr 0: empty).  older, if not
 * NULL, is the other valid slot: blocks of its image that newest does not use
 * are pending.  Bitmap blocks are read and checked against the slot's sums; a
 * bitmap that is damaged is rebuilt by walking the page map (the message says
 * so).  cache_bytes bounds the page cache. */
int pstore_open(struct dev *d, struct segs *segs, const struct slot *newest,
		const struct slot *older, size_t cache_bytes,
		struct pstore **ret) VARVE_MUST_CHECK;
void pstore_close(struct pstore *p); /* NULL is allowed */

struct page_store *pstore_pages(struct pstore *p);

/* Ends the transaction for checkpoint ckpt: all page, map and bitmap writes
 * have completed (not flushed) when it returns.  Sums of the bitmaps have been
 * put into the segment table (segs_set_sum, segs_set_live), so the caller takes
 * segs_snapshot() after this for META entries. */
int pstore_prepare(struct pstore *p, uint64_t ckpt, struct map_root *ret) VARVE_MUST_CHECK;
/* Slot ckpt is durable: its image is current; older pages become free as the
 * space rules say. */
void pstore_committed(struct pstore *p, uint64_t ckpt);
/* The transaction (before or after prepare) is given up. */
void pstore_abort(struct pstore *p);

/* Reads a page of an image that is not worth a place in the cache. */
int pstore_read_cold(struct pstore *p, struct ps_image *img, uint32_t pgno,
		     void *buf) VARVE_MUST_CHECK;

/* Reads from the device the pages first to first + 255 of an image and the map's
 * nodes above them, and calls bad for each block that is not what it should be
 * (pgno 0: a node).  first is 1 more than a multiple of 256.  Returns bytes read. */
typedef void (*pstore_bad_fn)(void *arg, uint64_t addr, uint32_t pgno, int err);
uint64_t pstore_scrub(struct pstore *p, struct ps_image *img, uint32_t first,
		      pstore_bad_fn bad, void *arg);

/* Upper bound of new segments that a transaction changing npages pages can
 * need: for the standing reserve (I5). */
uint32_t pstore_worst_segments(struct pstore *p, uint64_t npages);

struct pstore_stats {
	uint64_t pages, blocks_used, blocks_pending, segments;
	uint64_t cache_hits, cache_misses, page_writes;
};
void pstore_get_stats(struct pstore *p, struct pstore_stats *ret);

/* Every block the current image uses, once: for fsck. */
int pstore_walk(struct pstore *p, int (*fn)(void *arg, uint64_t addr, uint32_t pgno),
		void *arg) VARVE_MUST_CHECK;

#endif
