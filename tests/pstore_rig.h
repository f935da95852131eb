/* SPDX-License-Identifier: MIT */
/* pstore_rig.h - a page store on a simulated device, the caller's part of a
 * checkpoint, and a model of what every page must hold. */
#ifndef VARVE_TESTS_PSTORE_RIG_H
#define VARVE_TESTS_PSTORE_RIG_H

#include "base/page_store.h"
#include "dev/devsim.h"
#include "log/seg.h"
#include "log/super.h"
#include "store/pstore.h"

#define RIG_PAGES 4096u
#define RIG_CACHE (1u << 20)

/* Version of every page; 0: never written, reads as zeroes. */
struct model {
	uint32_t n;
	uint32_t ver[RIG_PAGES + 1];
};

struct rig {
	struct dev *dev;
	struct super sup;
	struct segs *segs;
	struct pstore *ps;
	struct page_store *pages;
	struct slot slot[2]; /* as on the device; table NULL: none */
	uint64_t ckpt;       /* newest durable */
	uint32_t version;    /* last one given to a page */
	struct model now;    /* newest image and transaction on top */
	struct model image[2]; /* by slot */
};

uint64_t rnd(uint64_t *state);
void fill_page(uint32_t pgno, uint32_t ver, void *buf);
bool page_is(uint32_t pgno, uint32_t ver, const void *buf);

/* dev is taken over.  The volume has 1 MiB segments. */
void rig_new(struct rig *r, struct dev *dev);
void rig_free(struct rig *r);
/* Closes and opens the page store from the slots, keeping the device. */
void rig_reopen(struct rig *r);

void rig_begin(struct rig *r);
int rig_write(struct rig *r, uint32_t pgno);
int rig_truncate(struct rig *r, uint32_t npages);
void rig_abort(struct rig *r);
/* One random operation of the transaction. */
void rig_step(struct rig *r, uint64_t *state, uint32_t max_pages);
/* Up to the slot's flush: 0 or the first error. */
int rig_prepare(struct rig *r);
void rig_commit(struct rig *r);
/* begin, nwrites random writes, commit. */
void rig_churn(struct rig *r, uint64_t *state, unsigned nwrites, uint32_t pages);

/* Everything in an image, read through pages; NULL: the transaction's. */
void check_image(struct page_store *pages, struct ps_image *img, const struct model *m,
		 const char *what);
/* Opens slot s of dev (older may be NULL) and compares: 0, or why not. */
int try_slot(struct dev *dev, const struct super *sup, const struct slot *s,
	     const struct slot *older, const struct model *m);
/* The bitmaps say what the map says: live counts against a walk. */
void check_live(struct segs *segs, struct pstore *ps);

/* Inverts one bit of the block at addr. */
void flip(struct dev *d, uint64_t addr, uint32_t bit);
/* For pstore_walk: arg is a struct blocks. */
struct blocks {
	uint64_t addr[RIG_PAGES];
	uint32_t pgno[RIG_PAGES];
	unsigned n;
};
int collect(void *arg, uint64_t addr, uint32_t pgno);

/* Messages of the last run: swallowed and counted. */
extern _Atomic unsigned rig_messages;
void rig_quiet(void);

#endif
