/* SPDX-License-Identifier: MIT */
/* pstore.c - the page store: images, the transaction, the checkpoint's steps.
 *
 * An image is a page map and a reference count.  The current one is replaced by
 * pstore_committed(); older ones live as long as somebody holds them.  The
 * transaction works on a tree that starts as a share of the current map. */
#include "store/pstore_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"

static struct pstore *of(struct page_store *ps)
{
	return container_of(ps, struct pstore, ps);
}

/* --- images --- */

/* Makes img current.  p->mu is held. */
static void image_add(struct pstore *p, struct ps_image *img)
{
	img->refs = 1;
	img->prev = NULL;
	img->next = p->images;
	if (img->next)
		img->next->prev = img;
	p->images = img;
	p->cur = img;
	atomic_fetch_add(&p->nimages, 1);
}

static void image_put(struct pstore *p, struct ps_image *img)
{
	pthread_mutex_lock(&p->mu);
	bool last = --img->refs == 0;

	if (last) {
		if (img->prev)
			img->prev->next = img->next;
		else
			p->images = img->next;
		if (img->next)
			img->next->prev = img->prev;
		p->drops++;
		atomic_fetch_sub(&p->nimages, 1);
	}
	pthread_mutex_unlock(&p->mu);
	if (last) {
		pmap_put(p, &img->map);
		free(img);
	}
}

static struct ps_image *op_acquire(struct page_store *ps)
{
	struct pstore *p = of(ps);
	struct ps_image *img;

	pthread_mutex_lock(&p->mu);
	img = p->cur;
	img->refs++;
	pthread_mutex_unlock(&p->mu);
	return img;
}

static void op_release(struct page_store *ps, struct ps_image *img)
{
	if (img)
		image_put(of(ps), img);
}

static uint32_t op_npages(struct page_store *ps, struct ps_image *img)
{
	return img->map.pages;
}

static int read_verified(struct pstore *p, const struct map_ent *e, uint32_t pgno, void *buf,
			 bool keep)
{
	int rc = dev_read(p->dev, buf, e->addr, VARVE_BLOCK);

	if (rc)
		return rc;
	if (crc32c(0, buf, VARVE_BLOCK) != e->crc) {
		msg_err("database page %u at %llu of %s: checksum mismatch", pgno,
			(unsigned long long)e->addr, dev_name(p->dev));
		return -VE_PAGE_CRC;
	}
	if (keep)
		pcache_put(p->cache, e->addr, e->crc, buf);
	return 0;
}

static int read_ent(struct pstore *p, const struct map_ent *e, uint32_t pgno, void *buf,
		    bool keep)
{
	int rc;

	if (e->addr == 0) {
		memset(buf, 0, VARVE_BLOCK);
		return 0;
	}
	if (pcache_get(p->cache, e->addr, e->crc, buf))
		return 0;
	if (!pblk_addr_meta(p, e->addr)) {
		msg_err("database page %u has an impossible address, %llu", pgno,
			(unsigned long long)e->addr);
		return -VE_PAGE_MAP;
	}
	if ((uintptr_t)buf % VARVE_BLOCK == 0)
		return read_verified(p, e, pgno, buf, keep);

	void *own = dev_alloc(VARVE_BLOCK);

	rc = read_verified(p, e, pgno, own, keep);
	if (!rc)
		memcpy(buf, own, VARVE_BLOCK);
	dev_free(own);
	return rc;
}

int pstore_read_ent(struct pstore *p, const struct map_ent *e, uint32_t pgno, void *buf)
{
	return read_ent(p, e, pgno, buf, true);
}

int pstore_read_cold(struct pstore *p, struct ps_image *img, uint32_t pgno, void *buf)
{
	struct map_ent e;
	int rc = pmap_get(p, &img->map, pgno, &e);

	return rc ? rc : read_ent(p, &e, pgno, buf, false);
}

static int op_read(struct page_store *ps, struct ps_image *img, uint32_t pgno, void *buf)
{
	struct pstore *p = of(ps);
	struct map_ent e;
	int rc = pmap_get(p, &img->map, pgno, &e);

	return rc ? rc : pstore_read_ent(p, &e, pgno, buf);
}

/* --- the transaction --- */

static int op_begin(struct page_store *ps)
{
	struct pstore *p = of(ps);
	int rc;

	if (p->state != TXN_NONE)
		return -EBUSY;
	rc = pwq_begin(&p->wq);
	if (rc)
		return rc;
	pblk_reclaim(p);
	pmap_share(&p->txn, &p->cur->map);
	p->txn_err = 0;
	p->ndirty = 0;
	p->state = TXN_OPEN;
	return 0;
}

static uint32_t op_txn_npages(struct page_store *ps)
{
	return of(ps)->txn.pages;
}

static int op_txn_read(struct page_store *ps, uint32_t pgno, void *buf)
{
	struct pstore *p = of(ps);
	struct map_ent e;
	int rc;

	if (p->state == TXN_NONE)
		return -EINVAL;
	rc = pmap_get(p, &p->txn, pgno, &e);
	if (rc)
		return rc;
	if (pblk_in_txn(p, e.addr)) {
		const void *mem = pwq_find(&p->wq, e.addr);

		if (mem) {
			memcpy(buf, mem, VARVE_BLOCK);
			return 0;
		}
	}
	return pstore_read_ent(p, &e, pgno, buf);
}

int pstore_put_page(struct pstore *p, uint32_t pgno, const void *buf)
{
	struct map_ent *e;
	uint64_t addr;
	void *mem;
	int rc = pmap_edit(p, &p->txn, pgno, &e);

	if (rc)
		return rc;
	if (!pblk_in_txn(p, e->addr)) {
		rc = pblk_alloc(p, &addr);
		if (rc)
			return rc;
		pblk_free(p, e->addr);
		e->addr = addr;
	}
	mem = pwq_slot(&p->wq, e->addr);
	e->crc = crc32c_copy(0, mem, buf, VARVE_BLOCK);
	pcache_put(p->cache, e->addr, e->crc, buf);
	atomic_fetch_add_explicit(&p->page_writes, 1, memory_order_relaxed);
	return p->wq.err;
}

/* After a failure part of the change may be there: only abort is left. */
static int txn_note(struct pstore *p, int rc)
{
	if (rc && !p->txn_err)
		p->txn_err = rc;
	return rc;
}

static int op_txn_write(struct page_store *ps, uint32_t pgno, const void *buf)
{
	struct pstore *p = of(ps);

	if (p->state != TXN_OPEN || pgno == 0)
		return -EINVAL;
	if (p->txn_err)
		return p->txn_err;
	return txn_note(p, pstore_put_page(p, pgno, buf));
}

static int op_txn_truncate(struct page_store *ps, uint32_t npages)
{
	struct pstore *p = of(ps);

	if (p->state != TXN_OPEN)
		return -EINVAL;
	if (p->txn_err)
		return p->txn_err;
	return txn_note(p, pmap_truncate(p, &p->txn, npages));
}

void pstore_abort(struct pstore *p)
{
	if (p->state == TXN_NONE)
		return;
	pwq_cancel(&p->wq);
	pmap_put(p, &p->txn);
	pblk_abort(p, p->prep_ckpt % 2);
	p->state = TXN_NONE;
}

static void op_txn_abort(struct page_store *ps)
{
	pstore_abort(of(ps));
}

static const struct page_store_ops ops = {
	.acquire = op_acquire,
	.release = op_release,
	.npages = op_npages,
	.read = op_read,
	.txn_begin = op_begin,
	.txn_npages = op_txn_npages,
	.txn_read = op_txn_read,
	.txn_write = op_txn_write,
	.txn_truncate = op_txn_truncate,
	.txn_abort = op_txn_abort,
};

/* --- checkpoint --- */

int pstore_prepare(struct pstore *p, uint64_t ckpt, struct map_root *ret)
{
	struct map_root root = { 0 };
	int rc = 0, err;

	/* The bitmap blocks of the current slot's parity must stay. */
	if (!p->any_ckpt && (ckpt <= p->cur->seq || (ckpt - p->cur->seq) % 2 == 0))
		return -EINVAL;
	if (p->state == TXN_NONE)
		rc = op_begin(&p->ps);
	if (rc || p->state != TXN_OPEN)
		return rc ? rc : -EINVAL;
	p->state = TXN_PREPARED;
	p->prep_ckpt = ckpt;
	rc = p->txn_err;
	if (!rc)
		rc = pclean_run(p);
	if (!rc)
		rc = pmap_write(p, &p->txn, &root);
	if (!rc)
		pblk_write_bitmaps(p, ckpt % 2);
	err = pwq_finish(&p->wq);
	rc = rc ? rc : err;
	p->txn_err = rc;
	if (!rc)
		*ret = root;
	return rc;
}

static void update_stats(struct pstore *p)
{
	struct pstore_stats st = { 0 };

	pblk_stats(p, &st);
	pthread_mutex_lock(&p->mu);
	st.pages = p->cur->map.pages;
	p->stats = st;
	pthread_mutex_unlock(&p->mu);
}

void pstore_committed(struct pstore *p, uint64_t ckpt)
{
	struct ps_image *img, *old;

	if (p->state != TXN_PREPARED || p->txn_err || ckpt != p->prep_ckpt)
		msg_panic("page store: checkpoint %llu was not prepared",
			  (unsigned long long)ckpt);
	img = xcalloc(1, sizeof(*img));
	img->seq = ckpt;
	img->map = p->txn;
	p->txn = (struct mtree){ 0 };
	p->any_ckpt = false;
	pblk_commit(p, ckpt);

	pthread_mutex_lock(&p->mu);
	old = p->cur;
	image_add(p, img);
	pthread_mutex_unlock(&p->mu);
	image_put(p, old);

	p->state = TXN_NONE;
	pblk_reclaim(p);
	/* Only the next slot can show them free: this one is written. */
	pblk_release_empty(p, ckpt + 1);
	update_stats(p);
}

uint32_t pstore_worst_segments(struct pstore *p, uint64_t npages)
{
	uint64_t total, blocks = npages, level;

	pthread_mutex_lock(&p->mu);
	total = p->cur->map.pages + npages;
	pthread_mutex_unlock(&p->mu);
	/* Every changed page in a node of its own, as far as there are nodes. */
	level = total;
	for (unsigned d = 0; d < MAP_DEPTH_MAX; d++) {
		level = (level + MAP_FANOUT - 1) / MAP_FANOUT;
		blocks += MIN(npages, level);
	}

	uint64_t per = p->bps - META_BITMAP_BLOCKS;

	return (uint32_t)MIN((blocks + per - 1) / per + 1, UINT32_MAX);
}

void pstore_get_stats(struct pstore *p, struct pstore_stats *ret)
{
	pthread_mutex_lock(&p->mu);
	*ret = p->stats;
	pthread_mutex_unlock(&p->mu);
	ret->page_writes = atomic_load_explicit(&p->page_writes, memory_order_relaxed);
	pcache_counts(p->cache, &ret->cache_hits, &ret->cache_misses);
}

int pstore_walk(struct pstore *p, int (*fn)(void *arg, uint64_t addr, uint32_t pgno),
		void *arg)
{
	struct ps_image *img = op_acquire(&p->ps);
	int rc = pmap_walk(p, &img->map, fn, arg);

	op_release(&p->ps, img);
	return rc;
}

/* --- open and close --- */

struct page_store *pstore_pages(struct pstore *p)
{
	return &p->ps;
}

static int open_image(struct pstore *p, const struct slot *newest,
		      const struct slot *older)
{
	struct ps_image *img = xcalloc(1, sizeof(*img));
	int rc;

	image_add(p, img);
	if (!newest) {
		p->any_ckpt = true;
		return 0;
	}
	img->seq = newest->seq;
	for (uint32_t i = 0; i < MIN(newest->seg_count, segs_count(p->segs)); i++)
		if (newest->table[i].state == SEG_META)
			pblk_add_seg(p, i);
	rc = pmap_open(p, &newest->map, &img->map);
	return rc ? rc : pload_bitmaps(p, newest, older);
}

int pstore_open(struct dev *d, struct segs *segs, const struct slot *newest,
		const struct slot *older, size_t cache_bytes, struct pstore **ret)
{
	struct pstore *p = xcalloc(1, sizeof(*p));
	int rc;

	p->ps.ops = &ops;
	p->dev = d;
	p->segs = segs;
	p->cache = pcache_new(cache_bytes);
	pthread_mutex_init(&p->mu, NULL);
	pwq_init(&p->wq, d);
	pblk_init(p);
	rc = open_image(p, newest, older);
	if (rc) {
		pstore_close(p);
		return rc;
	}
	update_stats(p);
	*ret = p;
	return 0;
}

void pstore_close(struct pstore *p)
{
	if (!p)
		return;
	pstore_abort(p);
	while (p->images) {
		struct ps_image *img = p->images;

		p->images = img->next;
		pmap_put(p, &img->map);
		free(img);
	}
	pwq_fini(&p->wq);
	pblk_fini(p);
	pcache_free(p->cache);
	pthread_mutex_destroy(&p->mu);
	free(p);
}
