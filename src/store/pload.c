/* SPDX-License-Identifier: MIT */
/* pload.c - opening a page store: which blocks are used, which are pending.
 *
 * The bitmap blocks of both slots lie side by side at the start of each
 * metadata segment and are read as one request, many segments at a time.
 *
 * The bitmap of the newest slot is what the image uses; if it is bad, the map
 * is walked instead.  A block that only the older slot uses is pending: that
 * slot may still be mounted if the newest gets damaged.  The older bitmap is
 * often bad after a crash (the interrupted checkpoint was overwriting it);
 * then every other block of that segment counts as pending, which costs space
 * for one checkpoint and no time. */
#include "store/pstore_int.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"

#define DEPTH 32u
#define PAIR (META_BITMAP_BLOCKS * VARVE_BLOCK)

struct load {
	struct pstore *p;
	const struct slot *newest, *older;
	unsigned bad; /* segments whose newest bitmap is */
	struct addr_vec pending;
};

struct fetch {
	struct dev_req req;
	struct mseg *seg;
	int err;
	bool busy;
};

static void fetch_done(struct dev_req *req, int err)
{
	struct fetch *f = container_of(req, struct fetch, req);

	f->err = err;
	f->busy = false;
}

static bool slot_has(const struct slot *s, uint32_t idx)
{
	return s && s->table && idx < s->seg_count && s->table[idx].state == SEG_META;
}

/* The bitmap in block, as words in map; false if it is not the one that the
 * sum is of, or cannot be one. */
static bool decode(const struct pstore *p, const void *block, uint32_t sum,
		   uint64_t *map)
{
	const uint64_t *d = block;

	if (crc32c(0, block, VARVE_BLOCK) != sum)
		return false;
	for (uint32_t w = 0; w < VARVE_BLOCK / sizeof(*d); w++)
		if (w >= p->bm_words && d[w])
			return false;
	for (uint32_t w = 0; w < p->bm_words; w++)
		map[w] = le64toh(d[w]);
	for (uint32_t b = p->bps; b < p->bm_words * 64; b++)
		if (bit_get(map, b))
			return false;
	for (uint32_t b = 0; b < META_BITMAP_BLOCKS; b++) {
		if (!bit_get(map, b))
			return false;
		bit_clear(map, b);
	}
	return true;
}

/* Fills cur from the newest bitmap and next from the older one. */
static void take_pair(struct load *l, struct mseg *m, const uint8_t *pair, int err)
{
	const struct slot *o = l->older;
	unsigned pn = l->newest->seq % 2;

	m->sum[pn] = l->newest->table[m->idx].sum;
	m->stale[pn] = err || !decode(l->p, pair + pn * VARVE_BLOCK, m->sum[pn], m->cur);
	if (m->stale[pn]) {
		memset(m->cur, 0, l->p->bm_words * sizeof(uint64_t));
		l->bad++;
	}
	if (!slot_has(o, m->idx))
		return;

	unsigned po = o->seq % 2;

	m->sum[po] = o->table[m->idx].sum;
	m->stale[po] = po == pn || err ||
		       !decode(l->p, pair + po * VARVE_BLOCK, m->sum[po], m->next);
	if (m->stale[po])
		for (uint32_t b = META_BITMAP_BLOCKS; b < l->p->bps; b++)
			bit_set(m->next, b);
}

static int read_pairs(struct load *l)
{
	struct pstore *p = l->p;
	struct ring *r = ring_sync();
	struct fetch *f;
	uint8_t *buf;
	int rc = 0;

	if (!r)
		return -VE_NO_URING;
	f = xcalloc(DEPTH, sizeof(*f));
	buf = dev_alloc(DEPTH * PAIR);
	for (uint32_t at = 0, n; at < p->nseg && !rc; at += n) {
		n = MIN(DEPTH, p->nseg - at);
		for (uint32_t i = 0; i < n; i++) {
			f[i] = (struct fetch){ .seg = p->seg[at + i], .busy = true };
			f[i].req.op = DEV_READ;
			f[i].req.buf = buf + (size_t)i * PAIR;
			f[i].req.off = f[i].seg->addr;
			f[i].req.len = PAIR;
			f[i].req.done = fetch_done;
			dev_submit(p->dev, r, &f[i].req);
		}
		for (uint32_t i = 0; i < n; i++) {
			while (f[i].busy) {
				int err = ring_run(r, -1);

				if (err < 0 && err != -EINTR)
					msg_panic("page store: waiting for the device: error %d",
						  err);
			}
			take_pair(l, f[i].seg, buf + (size_t)i * PAIR, f[i].err);
			/* A device that is gone, as opposed to one bad spot. */
			if (f[i].err == -VE_DEV_GONE)
				rc = f[i].err;
		}
	}
	dev_free(buf);
	free(f);
	return rc;
}

static int mark(void *arg, uint64_t addr, uint32_t pgno)
{
	struct pstore *p = arg;
	uint32_t bit;
	struct mseg *m = pblk_find(p, addr, &bit);

	if (!m)
		return -VE_PAGE_MAP;
	if (m->stale[p->cur->seq % 2])
		bit_set(m->cur, bit);
	return 0;
}

static void rebuild(struct load *l)
{
	struct pstore *p = l->p;
	unsigned parity = p->cur->seq % 2;
	int rc;

	msg_warn("page store: bitmaps of %u segments are damaged: rebuilding them "
		 "from the page map", l->bad);
	rc = pmap_walk(p, &p->cur->map, mark, p);
	if (!rc)
		return;
	/* Nobody knows what the lost part of the map used: keep it all. */
	msg_err("page store: the page map is damaged too (%s): space in these "
		"segments stays taken", err_str(rc));
	for (uint32_t i = 0; i < p->nseg; i++)
		for (uint32_t b = META_BITMAP_BLOCKS; p->seg[i]->stale[parity] && b < p->bps; b++)
			bit_set(p->seg[i]->cur, b);
}

/* From cur and (in next) the older image: everything else about a segment. */
static void settle(struct load *l, struct mseg *m)
{
	struct pstore *p = l->p;
	bool same = true;
	uint32_t nbusy = 0;

	for (uint32_t b = META_BITMAP_BLOCKS; b < p->bps; b++) {
		bool used = bit_get(m->cur, b), old = bit_get(m->next, b);

		m->ncur += used;
		same = same && used == old;
		if (!used && old)
			addr_push(&l->pending, m->addr + (uint64_t)b * VARVE_BLOCK);
		if (used || old) {
			bit_set(m->busy, b);
			nbusy++;
		}
	}
	if (!same && l->older)
		m->stale[l->older->seq % 2] = true;
	m->nnext = m->ncur;
	m->nfree -= nbusy;
	p->nfree -= nbusy;
	memcpy(m->next, m->cur, p->bm_words * sizeof(uint64_t));
}

int pload_bitmaps(struct pstore *p, const struct slot *newest, const struct slot *older)
{
	struct load l = { .p = p, .newest = newest, .older = older };
	int rc;

	rc = read_pairs(&l);
	if (rc)
		return rc;
	if (l.bad)
		rebuild(&l);
	for (uint32_t i = 0; i < p->nseg; i++)
		settle(&l, p->seg[i]);
	pblk_set_pending(p, newest->seq, &l.pending);
	return 0;
}
