/* SPDX-License-Identifier: MIT */
/* pmap.c - the page map: page number -> address and checksum.
 *
 * A radix tree of 4 KiB nodes with 256 entries, 1 to 4 levels, as deep as the
 * number of pages needs.  Every entry carries the checksum of what it points
 * to, so the root's checksum vouches for the whole image.
 *
 * In core the tree is persistent (path copying; Driscoll et al. 1989): nodes
 * are loaded when first needed and shared by all images that contain them; the
 * transaction copies the path to what it changes.  A dirty node has no address
 * until pmap_write(); its parent's entry is filled in then.
 *
 * An entry with address 0 is a hole: pages never written read as zeroes.
 * Nothing here trusts the device: addresses are checked, depth is bounded, and
 * no more nodes are held than could be there. */
#include "store/pstore_int.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"

static unsigned slot_of(uint32_t x, unsigned level)
{
	return x >> (8 * level) & (MAP_FANOUT - 1);
}

static uint64_t span_of(unsigned depth)
{
	return 1ull << (8 * depth);
}

static struct mnode *node_new(struct pstore *p, unsigned level)
{
	size_t kids = level ? MAP_FANOUT * sizeof(struct mnode *) : 0;
	struct mnode *n = calloc(1, sizeof(*n) + kids);

	if (!n)
		return NULL;
	atomic_init(&n->refs, 1);
	n->level = (uint8_t)level;
	atomic_fetch_add_explicit(&p->nodes, 1, memory_order_relaxed);
	return n;
}

static struct mnode *node_hold(struct mnode *n)
{
	if (n)
		atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
	return n;
}

static void node_put(struct pstore *p, struct mnode *n)
{
	if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (n->level)
		for (unsigned i = 0; i < MAP_FANOUT; i++)
			node_put(p, atomic_load_explicit(&n->kid[i], memory_order_relaxed));
	atomic_fetch_sub_explicit(&p->nodes, 1, memory_order_relaxed);
	free(n);
}

static int node_decode(struct pstore *p, const struct map_disk *d, struct mnode *n)
{
	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		uint64_t addr = le64toh(d[i].addr);

		if (d[i].zero || (addr && !pblk_addr_ok(p, addr)))
			return -VE_PAGE_MAP;
		n->ent[i].addr = addr;
		n->ent[i].crc = le32toh(d[i].crc);
	}
	return 0;
}

static int node_load(struct pstore *p, uint64_t addr, uint32_t crc, unsigned level,
		     struct mnode **ret)
{
	/* A node is a block of its own, so an honest map cannot have more. */
	uint64_t most = atomic_load(&p->blocks) * (atomic_load(&p->nimages) + 2);

	if (!pblk_addr_meta(p, addr) || atomic_load(&p->nodes) > most) {
		msg_err("page map: impossible node at %llu", (unsigned long long)addr);
		return -VE_PAGE_MAP;
	}

	void *buf = dev_alloc(VARVE_BLOCK);
	struct mnode *n = NULL;
	int rc = dev_read(p->dev, buf, addr, VARVE_BLOCK);

	if (rc)
		goto out;
	rc = -VE_PAGE_MAP;
	if (crc32c(0, buf, VARVE_BLOCK) != crc) {
		msg_err("page map: node at %llu: checksum mismatch",
			(unsigned long long)addr);
		goto out;
	}
	n = node_new(p, level);
	if (!n) {
		rc = -ENOMEM;
		goto out;
	}
	rc = node_decode(p, buf, n);
	if (rc) {
		msg_err("page map: node at %llu holds an impossible address",
			(unsigned long long)addr);
		goto out;
	}
	n->addr = addr;
	n->crc = crc;
	*ret = n;
out:
	if (rc)
		node_put(p, n);
	dev_free(buf);
	return rc;
}

/* Child i, loaded if need be; NULL for a hole.  Borrowed from n. */
static int node_kid(struct pstore *p, struct mnode *n, unsigned i, struct mnode **ret)
{
	struct mnode *kid = atomic_load_explicit(&n->kid[i], memory_order_acquire);
	struct mnode *other = NULL;

	if (!kid && n->ent[i].addr) {
		int rc = node_load(p, n->ent[i].addr, n->ent[i].crc, n->level - 1u, &kid);

		if (rc)
			return rc;
		if (!atomic_compare_exchange_strong(&n->kid[i], &other, kid)) {
			node_put(p, kid);
			kid = other;
		}
	}
	*ret = kid;
	return 0;
}

int pmap_open(struct pstore *p, const struct map_root *root, struct mtree *ret)
{
	*ret = (struct mtree){ 0 };
	if (root->addr == 0)
		return 0;
	if (root->depth < 1 || root->depth > MAP_DEPTH_MAX || root->pages == 0 ||
	    root->pages > span_of(root->depth))
		return -VE_PAGE_MAP;

	int rc = node_load(p, root->addr, root->crc, root->depth - 1, &ret->root);

	if (rc)
		return rc;
	ret->depth = root->depth;
	ret->pages = root->pages;
	return 0;
}

void pmap_put(struct pstore *p, struct mtree *t)
{
	node_put(p, t->root);
	*t = (struct mtree){ 0 };
}

void pmap_share(struct mtree *dst, const struct mtree *src)
{
	*dst = *src;
	node_hold(dst->root);
}

int pmap_get(struct pstore *p, const struct mtree *t, uint32_t pgno,
	     struct map_ent *ret)
{
	struct mnode *n = t->root;
	uint32_t x = pgno - 1;

	if (pgno == 0 || pgno > t->pages)
		return -EINVAL;
	while (n && n->level) {
		int rc = node_kid(p, n, slot_of(x, n->level), &n);

		if (rc)
			return rc;
	}
	*ret = n ? n->ent[slot_of(x, 0)] : (struct map_ent){ 0 };
	return 0;
}

/* --- changing --- */

/* A private copy of n, which loses its block; n itself lives on in the images
 * that have it.  Takes over the caller's reference. */
static int node_own(struct pstore *p, struct mnode *n, struct mnode **ret)
{
	struct mnode *own;

	*ret = n;
	if (n->dirty)
		return 0;
	own = node_new(p, n->level);
	if (!own)
		return -ENOMEM;
	own->dirty = true;
	p->ndirty++;
	memcpy(own->ent, n->ent, sizeof(own->ent));
	for (unsigned i = 0; n->level && i < MAP_FANOUT; i++) {
		struct mnode *kid = atomic_load_explicit(&n->kid[i], memory_order_acquire);

		atomic_init(&own->kid[i], node_hold(kid));
	}
	pblk_free(p, n->addr);
	node_put(p, n);
	*ret = own;
	return 0;
}

static int node_fresh(struct pstore *p, unsigned level, struct mnode **ret)
{
	struct mnode *n = node_new(p, level);

	if (!n)
		return -ENOMEM;
	n->dirty = true;
	p->ndirty++;
	*ret = n;
	return 0;
}

/* A new dirty root above the present one. */
static int tree_raise(struct pstore *p, struct mtree *t)
{
	struct mnode *up;
	int rc = node_fresh(p, t->depth, &up);

	if (rc)
		return rc;
	up->ent[0] = (struct map_ent){ t->root->addr, t->root->crc };
	atomic_init(&up->kid[0], t->root);
	t->root = up;
	t->depth++;
	return 0;
}

static int tree_grow(struct pstore *p, struct mtree *t, uint32_t pages)
{
	int rc;

	if (!t->root) {
		unsigned depth = 1;

		while (pages > span_of(depth))
			depth++;
		rc = node_fresh(p, depth - 1, &t->root);
		if (rc)
			return rc;
		t->depth = depth;
	}
	while (pages > span_of(t->depth)) {
		rc = tree_raise(p, t);
		if (rc)
			return rc;
	}
	t->pages = pages;
	return 0;
}

/* Child i of dirty node n, dirty. */
static int kid_own(struct pstore *p, struct mnode *n, unsigned i, struct mnode **ret)
{
	struct mnode *kid;
	int rc = node_kid(p, n, i, &kid);

	if (rc)
		return rc;
	rc = kid ? node_own(p, kid, &kid) : node_fresh(p, n->level - 1u, &kid);
	if (rc)
		return rc;
	atomic_store_explicit(&n->kid[i], kid, memory_order_relaxed);
	n->ent[i] = (struct map_ent){ 0 };
	*ret = kid;
	return 0;
}

int pmap_edit(struct pstore *p, struct mtree *t, uint32_t pgno, struct map_ent **ret)
{
	uint32_t x = pgno - 1;
	int rc = 0;

	if (pgno > t->pages)
		rc = tree_grow(p, t, pgno);
	if (!rc)
		rc = node_own(p, t->root, &t->root);

	struct mnode *n = t->root;

	while (!rc && n->level)
		rc = kid_own(p, n, slot_of(x, n->level), &n);
	if (rc)
		return rc;
	*ret = &n->ent[slot_of(x, 0)];
	return 0;
}

/* Frees the blocks of node n (borrowed) and of everything below it. */
static int drop_below(struct pstore *p, struct mnode *n)
{
	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		struct mnode *kid;
		int rc;

		if (n->level == 0) {
			pblk_free(p, n->ent[i].addr);
			continue;
		}
		rc = node_kid(p, n, i, &kid);
		if (!rc && kid)
			rc = drop_below(p, kid);
		if (rc)
			return rc;
	}
	pblk_free(p, n->addr);
	return 0;
}

static int drop_slot(struct pstore *p, struct mnode *n, unsigned i)
{
	struct mnode *kid;
	int rc;

	if (n->level == 0) {
		pblk_free(p, n->ent[i].addr);
	} else {
		rc = node_kid(p, n, i, &kid);
		if (!rc && kid)
			rc = drop_below(p, kid);
		if (rc)
			return rc;
		node_put(p, kid);
		atomic_store_explicit(&n->kid[i], NULL, memory_order_relaxed);
	}
	n->ent[i] = (struct map_ent){ 0 };
	return 0;
}

static bool slot_empty(const struct mnode *n, unsigned i)
{
	return n->ent[i].addr == 0 &&
	       (n->level == 0 || !atomic_load_explicit(&n->kid[i], memory_order_relaxed));
}

/* Along the path of the last page that stays: all that is right of it. */
static int cut_right(struct pstore *p, struct mtree *t, uint32_t last)
{
	int rc = node_own(p, t->root, &t->root);
	struct mnode *n = t->root;

	while (!rc) {
		unsigned at = slot_of(last, n->level);

		for (unsigned i = at + 1; i < MAP_FANOUT && !rc; i++)
			rc = drop_slot(p, n, i);
		if (rc || n->level == 0 || slot_empty(n, at))
			break;
		rc = kid_own(p, n, at, &n);
	}
	return rc;
}

static int tree_lower(struct pstore *p, struct mtree *t)
{
	struct mnode *top = t->root, *kid;
	int rc = node_kid(p, top, 0, &kid);

	if (rc)
		return rc;
	if (kid)
		node_hold(kid);
	else if ((rc = node_fresh(p, t->depth - 2, &kid)))
		return rc;
	pblk_free(p, top->addr);
	node_put(p, top);
	t->root = kid;
	t->depth--;
	return 0;
}

int pmap_truncate(struct pstore *p, struct mtree *t, uint32_t npages)
{
	int rc = 0;

	if (npages > t->pages)
		return tree_grow(p, t, npages);
	if (npages == t->pages)
		return 0;
	if (npages == 0) {
		rc = drop_below(p, t->root);
		if (!rc)
			pmap_put(p, t);
		return rc;
	}
	rc = cut_right(p, t, npages - 1);
	while (!rc && t->depth > 1 && npages <= span_of(t->depth - 1))
		rc = tree_lower(p, t);
	if (!rc)
		t->pages = npages;
	return rc;
}

int pmap_touch(struct pstore *p, struct mtree *t, uint32_t pgno)
{
	int rc = node_own(p, t->root, &t->root);
	struct mnode *n = t->root;

	while (!rc && n->level && !slot_empty(n, slot_of(pgno - 1, n->level)))
		rc = kid_own(p, n, slot_of(pgno - 1, n->level), &n);
	return rc;
}

/* --- writing --- */

static int node_write(struct pstore *p, struct mnode *n)
{
	uint64_t addr;
	int rc;

	for (unsigned i = 0; n->level && i < MAP_FANOUT; i++) {
		struct mnode *kid = atomic_load_explicit(&n->kid[i], memory_order_relaxed);

		if (!kid || !kid->dirty)
			continue;
		rc = node_write(p, kid);
		if (rc)
			return rc;
		n->ent[i] = (struct map_ent){ kid->addr, kid->crc };
	}
	rc = pblk_alloc(p, &addr);
	if (rc)
		return rc;

	struct map_disk *d = pwq_slot(&p->wq, addr);

	for (unsigned i = 0; i < MAP_FANOUT; i++)
		d[i] = (struct map_disk){
			.addr = htole64(n->ent[i].addr),
			.crc = htole32(n->ent[i].crc),
		};
	n->addr = addr;
	n->crc = crc32c(0, d, VARVE_BLOCK);
	n->dirty = false;
	return p->wq.err;
}

int pmap_write(struct pstore *p, struct mtree *t, struct map_root *ret)
{
	if (t->root && t->root->dirty) {
		int rc = node_write(p, t->root);

		if (rc)
			return rc;
	}
	*ret = (struct map_root){ .pages = t->pages, .depth = t->depth };
	if (t->root) {
		ret->addr = t->root->addr;
		ret->crc = t->root->crc;
	}
	return 0;
}

/* --- walking --- */

static int hunt_node(struct pstore *p, struct mnode *n, uint64_t first, uint32_t pages,
		     pmap_fn fn, void *arg)
{
	int rc = fn(arg, n->addr, (uint32_t)first + 1);

	for (unsigned i = 0; i < MAP_FANOUT && !rc; i++) {
		uint64_t x = first + ((uint64_t)i << (8 * n->level));
		struct mnode *kid;

		if (x >= pages)
			break;
		if (n->level == 0) {
			if (n->ent[i].addr)
				rc = fn(arg, n->ent[i].addr, (uint32_t)x + 1);
			continue;
		}
		rc = node_kid(p, n, i, &kid);
		if (!rc && kid)
			rc = hunt_node(p, kid, x, pages, fn, arg);
	}
	return rc;
}

int pmap_hunt(struct pstore *p, const struct mtree *t, pmap_fn fn, void *arg)
{
	return t->root ? hunt_node(p, t->root, 0, t->pages, fn, arg) : 0;
}

struct walk {
	struct pstore *p;
	pmap_fn fn;
	void *arg;
	uint32_t pages, nsegs;
	uint64_t **seen; /* per segment; blocks met so far */
};

static int visit(struct walk *w, uint64_t addr, uint32_t pgno)
{
	struct pstore *p = w->p;

	if (!pblk_addr_meta(p, addr))
		return -VE_PAGE_MAP;

	uint32_t idx = segs_index(p->segs, addr);
	uint32_t bit = (uint32_t)((addr - segs_addr(p->segs, idx)) / VARVE_BLOCK);

	if (idx >= w->nsegs)
		return -VE_PAGE_MAP;
	if (!w->seen[idx])
		w->seen[idx] = xcalloc(p->bm_words, sizeof(uint64_t));
	/* Met before: no tree.  Also what bounds the walk of a hostile map. */
	if (bit_get(w->seen[idx], bit))
		return -VE_PAGE_MAP;
	bit_set(w->seen[idx], bit);
	return w->fn(w->arg, addr, pgno);
}

static int walk_node(struct walk *w, struct mnode *n, uint64_t first)
{
	int rc = visit(w, n->addr, 0);

	for (unsigned i = 0; i < MAP_FANOUT && !rc; i++) {
		uint64_t x = first + ((uint64_t)i << (8 * n->level));
		struct mnode *kid;

		if (x >= w->pages)
			break;
		if (n->level == 0) {
			if (n->ent[i].addr)
				rc = visit(w, n->ent[i].addr, (uint32_t)x + 1);
			continue;
		}
		rc = node_kid(w->p, n, i, &kid);
		if (!rc && kid)
			rc = walk_node(w, kid, x);
	}
	return rc;
}

int pmap_walk(struct pstore *p, const struct mtree *t, pmap_fn fn, void *arg)
{
	struct walk w = {
		.p = p, .fn = fn, .arg = arg, .pages = t->pages,
		.nsegs = segs_count(p->segs),
	};
	int rc = 0;

	if (!t->root)
		return 0;
	w.seen = xcalloc(w.nsegs, sizeof(*w.seen));
	rc = walk_node(&w, t->root, 0);
	for (uint32_t i = 0; i < w.nsegs; i++)
		free(w.seen[i]);
	free(w.seen);
	return rc;
}
