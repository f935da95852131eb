/* SPDX-License-Identifier: MIT */
/* backup.h - copies of the metadata in the log: made in the background, and read.
 *
 * A backup is the committed image of one checkpoint, page by page, compressed, in
 * chunks (log/bchunk.h) that fill segments of their own.  It counts when all of it
 * has been flushed and read back, and a checkpoint slot names it.  Two are kept,
 * the newest and the one before.  What rolls them forward, the log since the
 * older one's checkpoint, is held: its segments are not given up although
 * nothing in them may be live.
 *
 * Cost: one copy per interval at most, and only if there have been at least 1000
 *   operations and one for every 20 inodes since the last; or when the log that is
 *   held for it has grown to a sixteenth of the volume.  At most one chunk (256 KiB
 *   of pages) per BK_PAUSE_MS.  The reserve is never touched, nor the last free
 *   segments above it.  When space gets short a new backup is made and the older
 *   ones are dropped with what they hold; when it is short, backups are given up.
 * Locking: the checkpoint lock; so no step is taken during a checkpoint, and a
 *   checkpoint waits for one step at most.
 * Errors: logged here; a backup that fails is tried again later. */
#ifndef VARVE_STORE_BACKUP_H
#define VARVE_STORE_BACKUP_H

#include "log/bchunk.h"
#include "store/vol_int.h"

struct bk;
#define BK_PAUSE_MS 20

struct bk *bk_new(struct vol *v);
void bk_free(struct bk *b); /* NULL is allowed; stopped before */

/* From the slot that the volume was opened with; the log tail has been found. */
void bk_open(struct vol *v, const struct slot *slot, const struct tail *tail);
/* Fills in what slot s says of backups: the volume lock is held exclusively, and
 * the segment table has just been taken. */
void bk_slot(struct vol *v, struct slot *s);
/* Slot s is durable and its image the newest. */
void bk_ckpt_done(struct vol *v, const struct slot *s);

/* --- without the checkpoint lock, from the checkpoint thread --- */
/* Does what is due now: true if there will be more to do after BK_PAUSE_MS. */
bool bk_tick(struct vol_ctx *c);
/* Gives something up if space is short: true if a checkpoint now frees it. */
bool bk_relieve(struct vol *v);
/* Segments that come back when all backups are given up. */
uint32_t bk_held(struct vol *v);
/* Gives up the one being made: before the page store is closed. */
void bk_stop(struct vol *v);
/* Drops all backups: what they would roll forward is not what the volume is. */
void bk_forget(struct vol *v);

/* --- bkread.c: an image in a backup --- */
struct bk_image;
struct bk_found {
	uint64_t id;
	struct bchunk head; /* of chunk 0 */
	uint64_t *addr;     /* of each chunk; head.pages / BACKUP_CHUNK_PAGES, rounded up */
	uint32_t chunks;
};
/* All backups on the device of which every chunk is there, newest first, whatever
 * slots say; found by the starts of segments.  *ret malloced.  progress may be
 * NULL; nonzero stops with -ECANCELED. */
int bk_find(struct dev *d, const struct super *sup,
	    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
	    struct bk_found **ret, size_t *ret_n) VARVE_MUST_CHECK;
void bk_found_free(struct bk_found *f, size_t n);
/* Reads and verifies the chunk at addr; pages has room for BACKUP_CHUNK_PAGES
 * pages (NULL: only verify), buf for BCHUNK_MAX bytes. */
int bk_read_chunk(struct dev *d, const struct super *sup, uint64_t addr, struct bchunk *ret,
		  uint8_t *buf, uint8_t *pages) VARVE_MUST_CHECK;
/* Borrows f, which must be complete. */
struct bk_image *bk_image_open(struct dev *d, const struct super *sup,
			       const struct bk_found *f);
void bk_image_close(struct bk_image *i); /* NULL is allowed */
/* A page store without transactions. */
struct page_store *bk_image_pages(struct bk_image *i);

#endif
