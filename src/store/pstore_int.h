/* SPDX-License-Identifier: MIT */
/* pstore_int.h - the parts of the page store, private to pstore*.c.
 *
 *   pstore.c   images, transactions, the page_store operations
 *   pload.c    opening: bitmaps of both slots, rebuild from the map
 *   pmap.c     page map: a persistent radix tree of checksummed nodes
 *   pclean.c   moving blocks out of thinly used segments
 *   pblocks.c  blocks of metadata segments: allocation, pending, bitmaps
 *   pwq.c      the transaction's write buffer
 *   pcache.c   page cache shared by all images
 *
 * Who may touch what.  Nodes reachable from a committed image are immutable
 * but for their child pointers, which any reader fills in atomically.  Images
 * and stats are under mu.  Everything else (segments, pending blocks, the
 * transaction, the write buffer) belongs to the checkpoint thread. */
#ifndef VARVE_STORE_PSTORE_INT_H
#define VARVE_STORE_PSTORE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/pstore.h"

/* --- pcache.c --- */
struct pcache;
/* bytes 0: a cache that holds nothing. */
struct pcache *pcache_new(size_t bytes);
void pcache_free(struct pcache *c);
/* Entries are known by address and checksum: what an address held before it
 * was used again can never be mistaken for what it holds now. */
bool pcache_get(struct pcache *c, uint64_t addr, uint32_t crc, void *buf);
/* Replaces whatever the cache has for addr. */
void pcache_put(struct pcache *c, uint64_t addr, uint32_t crc, const void *buf);
void pcache_counts(struct pcache *c, uint64_t *ret_hits, uint64_t *ret_misses);

/* --- pwq.c --- */
#define PWQ_CHUNKS 8u
#define PWQ_BLOCKS 64u

struct pwq_chunk;
struct pwq_req {
	struct dev_req req;
	struct pwq_chunk *chunk;
};
struct pwq_chunk {
	struct pwq *q;
	uint8_t *buf;
	uint32_t n;        /* blocks in it */
	uint32_t inflight; /* requests */
	uint64_t addr[PWQ_BLOCKS];
	struct pwq_req req[PWQ_BLOCKS];
};
/* Blocks on their way to the device: filled in order of allocation, so that
 * neighbours go out as one request. */
struct pwq {
	struct dev *dev;
	struct ring *ring;
	uint8_t *mem;
	int err; /* first failure, until pwq_begin */
	unsigned open;
	struct pwq_chunk chunk[PWQ_CHUNKS];
};
void pwq_init(struct pwq *q, struct dev *d);
void pwq_fini(struct pwq *q);
/* Forgets what was there; the calling thread's ring is used until the next. */
int pwq_begin(struct pwq *q) VARVE_MUST_CHECK;
/* A block of memory that will be written to addr; filled before the next call. */
void *pwq_slot(struct pwq *q, uint64_t addr);
/* The newest content for addr still in memory, or NULL. */
const void *pwq_find(struct pwq *q, uint64_t addr);
/* Waits until all has been written; the first error since pwq_begin. */
int pwq_finish(struct pwq *q) VARVE_MUST_CHECK;
/* Waits for what is in flight, drops the rest. */
void pwq_cancel(struct pwq *q);

/* --- pmap.c --- */
struct map_ent {
	uint64_t addr;
	uint32_t crc;
};
struct mnode {
	_Atomic uint32_t refs; /* parents and images */
	uint8_t level;         /* 0: entries are pages */
	bool dirty;            /* of the open transaction, not written yet */
	uint64_t addr;
	uint32_t crc;
	struct map_ent ent[MAP_FANOUT];
	struct mnode *_Atomic kid[]; /* level > 0: MAP_FANOUT, NULL: not loaded */
};
struct mtree {
	struct mnode *root; /* one reference; NULL: no pages */
	uint32_t depth, pages;
};

typedef int (*pmap_fn)(void *arg, uint64_t addr, uint32_t pgno);

int pmap_open(struct pstore *p, const struct map_root *root,
	      struct mtree *ret) VARVE_MUST_CHECK;
void pmap_put(struct pstore *p, struct mtree *t);
void pmap_share(struct mtree *dst, const struct mtree *src);
/* addr 0: a hole. */
int pmap_get(struct pstore *p, const struct mtree *t, uint32_t pgno,
	     struct map_ent *ret) VARVE_MUST_CHECK;
/* The entry of pgno in the transaction's tree, in a private copy. */
int pmap_edit(struct pstore *p, struct mtree *t, uint32_t pgno,
	      struct map_ent **ret) VARVE_MUST_CHECK;
int pmap_truncate(struct pstore *p, struct mtree *t, uint32_t npages) VARVE_MUST_CHECK;
/* Makes the nodes above pgno private, so that they get new blocks. */
int pmap_touch(struct pstore *p, struct mtree *t, uint32_t pgno) VARVE_MUST_CHECK;
/* Calls fn for every page and every node (with its first page; addr 0: not
 * written yet) until it is nonzero, which is returned, or a node is unreadable. */
int pmap_hunt(struct pstore *p, const struct mtree *t, pmap_fn fn,
	      void *arg) VARVE_MUST_CHECK;
/* Allocates and queues all changed nodes. */
int pmap_write(struct pstore *p, struct mtree *t, struct map_root *ret) VARVE_MUST_CHECK;
/* All blocks (nodes have pgno 0); one that is there twice is damage. */
int pmap_walk(struct pstore *p, const struct mtree *t, pmap_fn fn,
	      void *arg) VARVE_MUST_CHECK;

/* --- pblocks.c --- */
struct addr_vec {
	uint64_t *v;
	size_t n, cap;
};
void addr_push(struct addr_vec *a, uint64_t addr);

struct mseg {
	uint32_t idx;
	uint64_t addr;
	uint32_t ncur, nnext, nfree;
	uint64_t *cur;   /* used by the current image */
	uint64_t *next;  /* used by the transaction's image */
	uint64_t *busy;  /* cannot be allocated: used, pending, the bitmaps */
	uint32_t *birth; /* first image that used the block */
	uint32_t sum[2]; /* of the bitmap block for even and odd slots */
	bool stale[2];   /* that block is not what next says */
	bool drain;      /* allocation leaves it alone, so that it gets empty */
	bool fresh;      /* allocated by this transaction */
	bool wrote;      /* prepare has overwritten the block of its parity */
};

/* Blocks that image ckpt no longer uses. */
struct pend {
	struct pend *next;
	uint64_t ckpt;
	uint64_t seen; /* drops + 1 when last looked at */
	struct addr_vec blocks;
};

void pblk_init(struct pstore *p);
void pblk_fini(struct pstore *p);
struct mseg *pblk_add_seg(struct pstore *p, uint32_t idx);
struct mseg *pblk_find(const struct pstore *p, uint64_t addr, uint32_t *ret_bit);
void pblk_set_pending(struct pstore *p, uint64_t ckpt, struct addr_vec *blocks);
/* Any thread: may a page or node live at addr? */
bool pblk_addr_ok(const struct pstore *p, uint64_t addr);  /* by its form */
bool pblk_addr_meta(const struct pstore *p, uint64_t addr); /* and in META */
bool pblk_in_txn(const struct pstore *p, uint64_t addr);
int pblk_alloc(struct pstore *p, uint64_t *ret) VARVE_MUST_CHECK;
void pblk_free(struct pstore *p, uint64_t addr);
void pblk_drain(struct pstore *p, struct mseg *m);
void pblk_undrain(struct pstore *p);
void pblk_write_bitmaps(struct pstore *p, unsigned parity);
void pblk_commit(struct pstore *p, uint64_t ckpt);
void pblk_abort(struct pstore *p, unsigned parity);
/* Makes pending blocks free where nothing needs them any more. */
void pblk_reclaim(struct pstore *p);
/* Empty segments go back, as of ckpt. */
void pblk_release_empty(struct pstore *p, uint64_t ckpt);
void pblk_stats(const struct pstore *p, struct pstore_stats *ret);

static inline bool bit_get(const uint64_t *map, uint32_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bit_set(uint64_t *map, uint32_t bit)
{
	map[bit / 64] |= 1ull << (bit % 64);
}

static inline void bit_clear(uint64_t *map, uint32_t bit)
{
	map[bit / 64] &= ~(1ull << (bit % 64));
}

/* --- pload.c --- */
int pload_bitmaps(struct pstore *p, const struct slot *newest,
		  const struct slot *older) VARVE_MUST_CHECK;

/* --- pclean.c --- */
/* Part of pstore_prepare: errors are the transaction's. */
int pclean_run(struct pstore *p) VARVE_MUST_CHECK;

/* --- pstore.c --- */
int pstore_read_ent(struct pstore *p, const struct map_ent *e, uint32_t pgno,
		    void *buf) VARVE_MUST_CHECK;
int pstore_put_page(struct pstore *p, uint32_t pgno, const void *buf) VARVE_MUST_CHECK;

struct ps_image {
	struct ps_image *prev, *next; /* images that are current or held */
	uint64_t seq;
	uint32_t refs;
	struct mtree map;
};

enum txn_state { TXN_NONE, TXN_OPEN, TXN_PREPARED };

struct pstore {
	struct page_store ps; /* first */
	struct dev *dev;
	struct segs *segs;
	struct pcache *cache;
	uint32_t bps;       /* blocks per segment */
	uint32_t bm_words;  /* 64-bit words of a bitmap */

	pthread_mutex_t mu; /* rank 55: images, cur, drops, stats */
	struct ps_image *images, *cur;
	uint64_t drops; /* images gone: pending blocks may have become free */
	struct pstore_stats stats;

	_Atomic uint64_t page_writes;
	_Atomic uint64_t nodes;      /* in memory */
	_Atomic uint64_t blocks;     /* of all metadata segments */
	_Atomic uint64_t nimages;

	/* the checkpoint thread's */
	struct mseg **seg;
	uint32_t nseg, seg_cap;
	struct mseg **by_idx; /* segment number -> seg or NULL */
	uint32_t nidx;
	uint32_t at, at_bit; /* the moving hand: seg[at], block */
	uint64_t nfree;  /* in segments that are not drained */
	uint64_t npend;
	uint32_t ndrain; /* segments */
	bool no_clean;   /* something could not be moved */
	struct pend *pend, **pend_end; /* ascending ckpt */

	enum txn_state state;
	int txn_err;
	bool any_ckpt;    /* no slot yet: the first checkpoint may be any */
	uint64_t prep_ckpt;
	struct mtree txn;
	uint64_t ndirty; /* nodes made private */
	struct addr_vec alloced, freed; /* by the transaction */
	struct pwq wq;
};

#endif
