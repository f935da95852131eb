/* SPDX-License-Identifier: MIT */
/* pclean.c - giving half-empty metadata segments back.
 *
 * Copy-on-write leaves the blocks of a shrunken database thinly spread, and a
 * segment goes back only when it is empty.  So when more than half of the
 * metadata segments' room is free, a checkpoint moves some blocks out of the
 * emptiest ones: pages are rewritten within the transaction, and nodes on the
 * path of a changed page move by themselves.  Segments being drained are left
 * out by the allocator until there is nothing else.
 *
 * Bounded: PCLEAN_MOST blocks per checkpoint, and only into blocks that are
 * free already, so cleaning never needs a new segment. */
#include "store/pstore_int.h"

#include <stdlib.h>

#define PCLEAN_MOST 4096u
/* Free room that is never worth the trouble, in segments. */
#define PCLEAN_SLACK 3u

struct hunt {
	struct pstore *p;
	struct addr_vec pages; /* numbers of pages to move */
};

static bool draining(struct pstore *p, uint64_t addr)
{
	uint32_t bit;
	struct mseg *m = pblk_find(p, addr, &bit);

	return m && m->drain && bit_get(m->next, bit) && bit_get(m->cur, bit);
}

/* A node moves when any page below it is touched. */
static int hunted(void *arg, uint64_t addr, uint32_t pgno)
{
	struct hunt *h = arg;

	if (addr && draining(h->p, addr))
		addr_push(&h->pages, pgno);
	return h->pages.n >= PCLEAN_MOST;
}

static struct mseg *emptiest(struct pstore *p)
{
	struct mseg *best = NULL;

	for (uint32_t i = 0; i < p->nseg; i++) {
		struct mseg *m = p->seg[i];

		if (!m->drain && !m->fresh && m->nnext && m->nnext < p->bps / 2 &&
		    (!best || m->nnext < best->nnext))
			best = m;
	}
	return best;
}

/* What moving n pages can take: each page, at worst with a node per level; and
 * the nodes that the transaction has changed already come yet. */
static uint64_t room_for(const struct pstore *p, uint64_t n)
{
	return MIN(n, PCLEAN_MOST) * (1 + p->txn.depth) + p->ndirty + p->bps / 4;
}

/* Marks segments to drain; false: nothing is to be moved now. */
static bool choose(struct pstore *p)
{
	uint64_t used = 0, moving = 0, enough;
	struct mseg *m;

	for (uint32_t i = 0; i < p->nseg; i++) {
		used += p->seg[i]->nnext;
		if (p->seg[i]->drain)
			moving += p->seg[i]->nnext;
	}
	enough = MAX(used, (uint64_t)PCLEAN_SLACK * p->bps);
	while (moving < PCLEAN_MOST && p->nfree > enough && (m = emptiest(p))) {
		if (p->nfree - m->nfree < room_for(p, moving + m->nnext))
			break;
		pblk_drain(p, m);
		moving += m->nnext;
	}
	return moving && p->nfree >= room_for(p, moving);
}

/* The page's block, if it is in a drained segment, and the nodes above it get
 * new places. */
static int move_page(struct pstore *p, uint32_t pgno, void *buf)
{
	struct map_ent e;
	int rc = pmap_get(p, &p->txn, pgno, &e);

	if (rc)
		return rc;
	if (!e.addr || !draining(p, e.addr))
		return pmap_touch(p, &p->txn, pgno);
	rc = pstore_read_ent(p, &e, pgno, buf);
	if (!rc)
		return pstore_put_page(p, pgno, buf);
	/* Damaged, and reported: what cannot be read stays where it is. */
	p->no_clean = true;
	return 0;
}

int pclean_run(struct pstore *p)
{
	struct hunt h = { .p = p };
	void *buf;
	int rc = 0;

	if (p->no_clean || !choose(p))
		return 0;
	/* A map that cannot be read is not the transaction's concern. */
	if (pmap_hunt(p, &p->txn, hunted, &h) < 0)
		p->no_clean = true;
	buf = dev_alloc(VARVE_BLOCK);
	for (size_t i = 0; i < h.pages.n && !p->no_clean && !rc; i++)
		rc = move_page(p, (uint32_t)h.pages.v[i], buf);
	dev_free(buf);
	free(h.pages.v);
	if (p->no_clean)
		pblk_undrain(p);
	return rc;
}
