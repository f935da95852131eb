/* SPDX-License-Identifier: MIT */
/* pblocks.c - blocks of metadata segments: who uses them, which are free.
 *
 * Per segment three bitmaps: cur (the current image), next (the image that the
 * transaction makes) and busy (what cannot be given out: cur, next, pending,
 * and the two bitmap blocks).  A block's life:
 *
 *   free --alloc--> in next --commit(n)--> in cur (born at n)
 *        --free---> not in next --commit(m)--> pending(m) --> free
 *
 * pending(m) becomes free when checkpoint m+1 is durable (before that the slot
 * of m-1 could be mounted) and no held image h has born <= h < m.
 *
 * Allocation is next-fit: blocks come out in ascending runs, and a segment that
 * is exhausted is not looked at again in the same transaction. */
#include "store/pstore_int.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"

void addr_push(struct addr_vec *a, uint64_t addr)
{
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 64;
		a->v = xrealloc(a->v, a->cap * sizeof(*a->v));
	}
	a->v[a->n++] = addr;
}

static void addr_clear(struct addr_vec *a)
{
	free(a->v);
	*a = (struct addr_vec){ 0 };
}

void pblk_init(struct pstore *p)
{
	p->bps = segs_size(p->segs) / VARVE_BLOCK;
	p->bm_words = (p->bps + 63) / 64;
	p->pend_end = &p->pend;
}

static void seg_free(struct mseg *m)
{
	free(m->cur);
	free(m->next);
	free(m->busy);
	free(m->birth);
	free(m);
}

void pblk_fini(struct pstore *p)
{
	for (uint32_t i = 0; i < p->nseg; i++)
		seg_free(p->seg[i]);
	free(p->seg);
	free(p->by_idx);
	while (p->pend) {
		struct pend *b = p->pend;

		p->pend = b->next;
		addr_clear(&b->blocks);
		free(b);
	}
	addr_clear(&p->alloced);
	addr_clear(&p->freed);
}

struct mseg *pblk_add_seg(struct pstore *p, uint32_t idx)
{
	struct mseg *m = xcalloc(1, sizeof(*m));

	m->idx = idx;
	m->addr = segs_addr(p->segs, idx);
	m->cur = xcalloc(p->bm_words, sizeof(uint64_t));
	m->next = xcalloc(p->bm_words, sizeof(uint64_t));
	m->busy = xcalloc(p->bm_words, sizeof(uint64_t));
	m->birth = xcalloc(p->bps, sizeof(uint32_t));
	for (uint32_t i = 0; i < META_BITMAP_BLOCKS; i++)
		bit_set(m->busy, i);
	/* So that a search for a clear bit need not know the end. */
	for (uint32_t i = p->bps; i < p->bm_words * 64; i++)
		bit_set(m->busy, i);
	m->nfree = p->bps - META_BITMAP_BLOCKS;
	m->stale[0] = m->stale[1] = true;
	p->nfree += m->nfree;
	atomic_fetch_add(&p->blocks, p->bps);

	if (idx >= p->nidx) {
		uint32_t n = MAX(segs_count(p->segs), idx + 1);

		p->by_idx = xrealloc(p->by_idx, n * sizeof(*p->by_idx));
		memset(p->by_idx + p->nidx, 0, (n - p->nidx) * sizeof(*p->by_idx));
		p->nidx = n;
	}
	p->by_idx[idx] = m;
	if (p->nseg == p->seg_cap) {
		p->seg_cap = p->seg_cap ? p->seg_cap * 2 : 16;
		p->seg = xrealloc(p->seg, p->seg_cap * sizeof(*p->seg));
	}
	p->seg[p->nseg++] = m;
	return m;
}

static void drop_seg(struct pstore *p, uint32_t pos)
{
	struct mseg *m = p->seg[pos];

	p->by_idx[m->idx] = NULL;
	if (m->drain)
		p->ndrain--;
	else
		p->nfree -= m->nfree;
	atomic_fetch_sub(&p->blocks, p->bps);
	p->seg[pos] = p->seg[--p->nseg];
	seg_free(m);
	if (p->at == pos || p->at >= p->nseg) {
		p->at = p->at < p->nseg ? p->at : 0;
		p->at_bit = 0;
	}
}

bool pblk_addr_ok(const struct pstore *p, uint64_t addr)
{
	uint32_t idx = segs_index(p->segs, addr);

	return addr % VARVE_BLOCK == 0 && idx != UINT32_MAX &&
	       addr - segs_addr(p->segs, idx) >= META_BITMAP_BLOCKS * VARVE_BLOCK;
}

bool pblk_addr_meta(const struct pstore *p, uint64_t addr)
{
	struct seg_info info;

	if (!pblk_addr_ok(p, addr))
		return false;
	segs_get(p->segs, segs_index(p->segs, addr), &info);
	return info.state == SEG_META;
}

struct mseg *pblk_find(const struct pstore *p, uint64_t addr, uint32_t *ret_bit)
{
	uint32_t idx = segs_index(p->segs, addr);
	struct mseg *m = idx < p->nidx ? p->by_idx[idx] : NULL;

	if (m)
		*ret_bit = (uint32_t)((addr - m->addr) / VARVE_BLOCK);
	return m;
}

bool pblk_in_txn(const struct pstore *p, uint64_t addr)
{
	uint32_t bit;
	struct mseg *m = addr ? pblk_find(p, addr, &bit) : NULL;

	return m && bit_get(m->next, bit) && !bit_get(m->cur, bit);
}

/* --- allocation --- */

static bool find_clear(const struct pstore *p, const struct mseg *m, uint32_t from,
		       uint32_t *ret)
{
	uint32_t w = from / 64;
	uint64_t free_bits;

	if (w >= p->bm_words)
		return false;
	free_bits = ~m->busy[w] & ~0ull << (from % 64);
	while (!free_bits) {
		if (++w == p->bm_words)
			return false;
		free_bits = ~m->busy[w];
	}
	*ret = w * 64 + (uint32_t)__builtin_ctzll(free_bits);
	return true;
}

static int take_seg(struct pstore *p)
{
	uint32_t idx;
	int rc = segs_alloc(p->segs, SEG_META, SEG_SYSTEM, &idx);

	if (rc)
		return rc;
	pblk_add_seg(p, idx)->fresh = true;
	p->at = p->nseg - 1;
	p->at_bit = 0;
	return 0;
}

int pblk_alloc(struct pstore *p, uint64_t *ret)
{
	if (p->nfree == 0)
		pblk_reclaim(p);
	if (p->nfree == 0)
		pblk_undrain(p);
	if (p->nfree == 0) {
		int rc = take_seg(p);

		if (rc)
			return rc;
	}

	uint32_t bit;

	while (p->seg[p->at]->drain || !p->seg[p->at]->nfree ||
	       !find_clear(p, p->seg[p->at], p->at_bit, &bit)) {
		p->at = (p->at + 1) % p->nseg;
		p->at_bit = 0;
	}

	struct mseg *m = p->seg[p->at];

	bit_set(m->busy, bit);
	bit_set(m->next, bit);
	m->nnext++;
	m->nfree--;
	m->stale[0] = m->stale[1] = true;
	p->nfree--;
	p->at_bit = bit + 1;
	*ret = m->addr + (uint64_t)bit * VARVE_BLOCK;
	addr_push(&p->alloced, *ret);
	return 0;
}

void pblk_free(struct pstore *p, uint64_t addr)
{
	uint32_t bit;
	struct mseg *m = addr ? pblk_find(p, addr, &bit) : NULL;

	/* Not in use as far as the bitmaps know: only a damaged or forged map
	 * gets here.  Doing nothing is safe. */
	if (!m || !bit_get(m->next, bit))
		return;
	bit_clear(m->next, bit);
	m->nnext--;
	m->stale[0] = m->stale[1] = true;
	if (bit_get(m->cur, bit))
		addr_push(&p->freed, addr);
}

void pblk_drain(struct pstore *p, struct mseg *m)
{
	m->drain = true;
	p->nfree -= m->nfree;
	p->ndrain++;
}

void pblk_undrain(struct pstore *p)
{
	for (uint32_t i = 0; i < p->nseg && p->ndrain; i++) {
		if (!p->seg[i]->drain)
			continue;
		p->seg[i]->drain = false;
		p->nfree += p->seg[i]->nfree;
		p->ndrain--;
	}
}

static void unbusy(struct pstore *p, struct mseg *m, uint32_t bit)
{
	bit_clear(m->busy, bit);
	m->nfree++;
	if (!m->drain)
		p->nfree++;
}

/* --- end of a transaction --- */

void pblk_write_bitmaps(struct pstore *p, unsigned parity)
{
	for (uint32_t i = 0; i < p->nseg; i++) {
		struct mseg *m = p->seg[i];

		if (m->stale[parity]) {
			uint64_t *d = pwq_slot(&p->wq, m->addr + parity * VARVE_BLOCK);

			memset(d, 0, VARVE_BLOCK);
			for (uint32_t w = 0; w < p->bm_words; w++)
				d[w] = m->next[w];
			for (uint32_t b = 0; b < META_BITMAP_BLOCKS; b++)
				bit_set(d, b);
			for (uint32_t w = 0; w < p->bm_words; w++)
				d[w] = htole64(d[w]);
			m->sum[parity] = crc32c(0, d, VARVE_BLOCK);
			m->stale[parity] = false;
			m->wrote = true;
		}
		segs_set_sum(p->segs, m->idx, m->sum[parity]);
		segs_set_live(p->segs, m->idx, m->nnext);
	}
}

void pblk_set_pending(struct pstore *p, uint64_t ckpt, struct addr_vec *blocks)
{
	struct pend *b;

	if (blocks->n == 0)
		return;
	b = xcalloc(1, sizeof(*b));
	b->ckpt = ckpt;
	b->blocks = *blocks;
	*blocks = (struct addr_vec){ 0 };
	p->npend += b->blocks.n;
	*p->pend_end = b;
	p->pend_end = &b->next;
}

void pblk_commit(struct pstore *p, uint64_t ckpt)
{
	uint32_t bit;

	for (size_t i = 0; i < p->alloced.n; i++) {
		struct mseg *m = pblk_find(p, p->alloced.v[i], &bit);

		if (bit_get(m->next, bit)) {
			bit_set(m->cur, bit);
			m->birth[bit] = (uint32_t)ckpt;
		} else { /* dropped again within the transaction */
			unbusy(p, m, bit);
		}
	}
	for (size_t i = 0; i < p->freed.n; i++) {
		struct mseg *m = pblk_find(p, p->freed.v[i], &bit);

		bit_clear(m->cur, bit);
	}
	for (uint32_t i = 0; i < p->nseg; i++) {
		struct mseg *m = p->seg[i];

		m->ncur = m->nnext;
		m->fresh = m->wrote = false;
	}
	p->alloced.n = 0;
	pblk_set_pending(p, ckpt, &p->freed);
}

void pblk_abort(struct pstore *p, unsigned parity)
{
	uint32_t bit;

	for (size_t i = 0; i < p->alloced.n; i++) {
		struct mseg *m = pblk_find(p, p->alloced.v[i], &bit);

		bit_clear(m->next, bit);
		unbusy(p, m, bit);
	}
	for (size_t i = 0; i < p->freed.n; i++) {
		struct mseg *m = pblk_find(p, p->freed.v[i], &bit);

		bit_set(m->next, bit);
	}
	p->alloced.n = p->freed.n = 0;
	for (uint32_t i = p->nseg; i-- > 0;) {
		struct mseg *m = p->seg[i];

		if (m->fresh) {
			uint32_t idx = m->idx;

			drop_seg(p, i);
			segs_unalloc(p->segs, idx);
			continue;
		}
		m->nnext = m->ncur;
		if (m->wrote)
			m->stale[parity] = true;
		m->wrote = false;
		segs_set_live(p->segs, m->idx, m->ncur);
	}
}

/* --- pending blocks --- */

static bool wanted(const uint64_t *held, size_t nheld, uint32_t birth, uint64_t ckpt)
{
	for (size_t i = 0; i < nheld; i++)
		if (birth <= held[i] && held[i] < ckpt)
			return true;
	return false;
}

static void look_at(struct pstore *p, struct pend *b, const uint64_t *held, size_t nheld)
{
	size_t kept = 0;
	uint32_t bit;

	for (size_t i = 0; i < b->blocks.n; i++) {
		struct mseg *m = pblk_find(p, b->blocks.v[i], &bit);

		if (wanted(held, nheld, m->birth[bit], b->ckpt))
			b->blocks.v[kept++] = b->blocks.v[i];
		else
			unbusy(p, m, bit);
	}
	p->npend -= b->blocks.n - kept;
	b->blocks.n = kept;
}

void pblk_reclaim(struct pstore *p)
{
	struct addr_vec held = { 0 };
	uint64_t drops, durable;

	pthread_mutex_lock(&p->mu);
	for (struct ps_image *img = p->images; img; img = img->next)
		if (img != p->cur)
			addr_push(&held, img->seq);
	durable = p->cur->seq;
	drops = p->drops;
	pthread_mutex_unlock(&p->mu);

	for (struct pend **link = &p->pend, *b; (b = *link);) {
		if (b->ckpt + 1 > durable)
			break;
		/* What an image kept is looked at again when one has gone. */
		if (b->seen != drops + 1)
			look_at(p, b, held.v, held.n);
		b->seen = drops + 1;
		if (b->blocks.n) {
			link = &b->next;
			continue;
		}
		*link = b->next;
		if (p->pend_end == &b->next)
			p->pend_end = link;
		addr_clear(&b->blocks);
		free(b);
	}
	addr_clear(&held);
}

void pblk_release_empty(struct pstore *p, uint64_t ckpt)
{
	for (uint32_t i = p->nseg; i-- > 0;) {
		uint32_t idx = p->seg[i]->idx;

		if (p->seg[i]->nfree != p->bps - META_BITMAP_BLOCKS)
			continue;
		drop_seg(p, i);
		segs_release(p->segs, idx, ckpt);
	}
}

void pblk_stats(const struct pstore *p, struct pstore_stats *ret)
{
	ret->blocks_used = 0;
	for (uint32_t i = 0; i < p->nseg; i++)
		ret->blocks_used += p->seg[i]->ncur;
	ret->blocks_pending = p->npend;
	ret->segments = p->nseg;
}
