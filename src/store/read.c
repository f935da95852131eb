/* SPDX-License-Identifier: MIT */
/* read.c - reading file data: map, fetch, verify, copy.
 *
 * A read maps its range to parts under the shared lock: one part per run of
 * checksum units of one piece.  Parts whose bytes lie block-aligned both on the
 * device and in the caller's buffer are read straight into it, adjacent ones in
 * one request; the others go through a bounce buffer.  Each unit is verified
 * before the read completes.  Data of a batch that is still in memory is
 * copied from there.
 *
 * A part is mapped under the lock but read after it: the era count keeps its
 * segment from being reused meanwhile (ckpt.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/vol_int.h"

struct part {
	uint64_t addr;     /* of the first byte that is read, unit-aligned in the piece */
	uint32_t len;      /* bytes read: whole units, or up to the piece's end */
	uint32_t skip;     /* bytes before what the caller wants */
	uint32_t want;     /* bytes he wants */
	uint8_t *dst;      /* where he wants them */
	uint64_t file_off; /* for messages */
	uint32_t sum_at;   /* index of the first unit's sum */
	bool direct;
	bool done;         /* copied from memory */
};

struct io {
	struct dev_req req;
	struct reading *rd;
	uint32_t first, n; /* parts */
	uint8_t *bounce;   /* NULL: straight into the caller's buffer */
};

struct reading {
	struct vol_read *r;
	struct part *part;
	uint32_t nparts, cap;
	uint32_t *sums;
	uint32_t nsums, capsums;
	struct io *io;
	uint32_t nio, left;
	int err;
};

struct mapping {
	struct vol *v;
	struct reader *rd;
	struct reading *g;
	struct vol_read *r;
	uint64_t at; /* file offset up to which everything is mapped */
};

static void zero_to(struct mapping *m, uint64_t to)
{
	if (to > m->at)
		memset((uint8_t *)m->r->buf + (m->at - m->r->off), 0, to - m->at);
	m->at = MAX(m->at, to);
}

static struct part *new_part(struct reading *g)
{
	if (g->nparts == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 4;
		g->part = xrealloc(g->part, g->cap * sizeof(*g->part));
	}
	return memset(&g->part[g->nparts++], 0, sizeof(*g->part));
}

/* [from, to) of the file is [a, b) of piece p. */
static void add_part(struct mapping *m, const struct piece_row *p, uint64_t from,
		     uint32_t a, uint32_t b)
{
	struct reading *g = m->g;
	struct part *t = new_part(g);
	uint32_t first = a / VARVE_BLOCK;
	uint32_t start = first * VARVE_BLOCK;
	uint32_t end = MIN((uint32_t)align_up(b, VARVE_BLOCK), p->stored);
	uint32_t units = (end - start + VARVE_BLOCK - 1) / VARVE_BLOCK;

	t->addr = p->addr + start;
	t->len = end - start;
	t->skip = a - start;
	t->want = b - a;
	t->dst = (uint8_t *)m->r->buf + (from - m->r->off);
	t->file_off = from;
	t->direct = !t->skip && t->want == t->len && !(t->len % VARVE_BLOCK) &&
		    !(t->addr % VARVE_BLOCK) && !((uintptr_t)t->dst % VARVE_BLOCK);
	if (g->nsums + units > g->capsums) {
		g->capsums = MAX(g->capsums * 2, g->nsums + units);
		g->sums = xrealloc(g->sums, g->capsums * sizeof(*g->sums));
	}
	t->sum_at = g->nsums;
	memcpy(&g->sums[g->nsums], &p->sums[first], units * sizeof(*g->sums));
	g->nsums += units;
}

static int map_one(void *arg, const struct extent_row *x)
{
	struct mapping *m = arg;
	struct vol_read *r = m->r;
	uint64_t from = MAX(x->off, r->off);
	uint64_t to = MIN(x->off + x->len, r->off + r->len);
	struct piece_row p;
	uint32_t a, b, cut;
	int err;

	if (from >= to)
		return 0;
	zero_to(m, from);
	if (!x->piece)
		return 0; /* promised, not written: zeros, with the next hole */
	err = state_piece(m->v->state, m->rd, x->piece, &p);
	if (err)
		return err == -ENOENT ? -VE_DB : err;
	a = x->poff + (uint32_t)(from - x->off);
	b = a + (uint32_t)(to - from);
	/* A damaged or hostile database must not lead us out of the piece. */
	if (p.enc || b > p.stored || b < a || p.stored > VARVE_PIECE_MAX ||
	    p.nsums != (p.stored + VARVE_BLOCK - 1) / VARVE_BLOCK ||
	    segs_index(m->v->segs, p.addr) == UINT32_MAX ||
	    segs_index(m->v->segs, p.addr) != segs_index(m->v->segs, p.addr + p.stored - 1))
		return -VE_DB;
	/* An odd end goes through a bounce buffer; not the blocks before it. */
	cut = b % VARVE_BLOCK ? (uint32_t)align_down(b, VARVE_BLOCK) : b;
	if (cut > a && cut < b && !(a % VARVE_BLOCK) && b - a > VARVE_BLOCK) {
		add_part(m, &p, from, a, cut);
		add_part(m, &p, from + (cut - a), cut, b);
	} else {
		add_part(m, &p, from, a, b);
	}
	m->at = to;
	return 0;
}

static int verify(struct reading *g, const struct part *t, const uint8_t *data)
{
	struct vol_ctx *c = g->r->ctx;

	for (uint32_t at = 0, n = t->sum_at; at < t->len; at += VARVE_BLOCK, n++) {
		if (crc32c(0, data + at, MIN(VARVE_BLOCK, t->len - at)) == g->sums[n])
			continue;
		msg_err("%s: inode %llu: data at offset %llu is damaged (device byte %llu)",
			dev_name(c->vol->dev), (unsigned long long)g->r->ino,
			(unsigned long long)(t->file_off - t->skip + at),
			(unsigned long long)(t->addr + at));
		return -VE_DATA_CRC;
	}
	return 0;
}

static void reading_free(struct reading *g)
{
	free(g->part);
	free(g->sums);
	free(g->io);
	free(g);
}

static void era_leave(struct vol *v, unsigned era)
{
	atomic_fetch_sub(&v->reads[era], 1);
}

static void io_done(struct dev_req *req, int err)
{
	struct io *io = container_of(req, struct io, req);
	struct reading *g = io->rd;
	struct vol_read *r = g->r;
	uint8_t *data = io->bounce ? io->bounce : req->buf;

	if (err)
		msg_err("%s: inode %llu: reading offset %llu: %s", dev_name(r->ctx->vol->dev),
			(unsigned long long)r->ino,
			(unsigned long long)g->part[io->first].file_off, err_str(err));
	for (uint32_t i = 0; i < io->n && !err; i++) {
		struct part *t = &g->part[io->first + i];
		uint8_t *p = data + (t->addr - req->off);

		err = verify(g, t, p);
		if (!err && !t->direct)
			memcpy(t->dst, p + t->skip, t->want);
	}
	dev_free(io->bounce);
	if (err && !g->err)
		g->err = err;
	if (--g->left)
		return;
	err = g->err;
	era_leave(r->ctx->vol, r->era);
	reading_free(g);
	r->done(r, err);
}

/* Longest single device request. */
#define IO_MAX (1u << 20)

/* Groups parts into requests.  Direct neighbours on the device and in the
 * buffer share one. */
static void plan(struct reading *g)
{
	struct io *io = NULL;
	struct part *prev = NULL;

	g->io = xcalloc(g->nparts, sizeof(*g->io));
	for (uint32_t i = 0; i < g->nparts; i++) {
		struct part *t = &g->part[i];

		if (t->done) {
			prev = NULL;
			continue;
		}
		if (prev && prev->direct && t->direct && prev->addr + prev->len == t->addr &&
		    prev->dst + prev->len == t->dst && io->req.len + t->len <= IO_MAX) {
			io->req.len += t->len;
			io->n++;
			prev = t;
			continue;
		}
		io = &g->io[g->nio++];
		io->rd = g;
		io->first = i;
		io->n = 1;
		io->req.op = DEV_READ;
		io->req.done = io_done;
		io->req.off = align_down(t->addr, VARVE_BLOCK);
		io->req.len = (uint32_t)(align_up(t->addr + t->len, VARVE_BLOCK) - io->req.off);
		io->req.buf = t->dst;
		if (!t->direct)
			io->req.buf = io->bounce = dev_alloc(io->req.len);
		prev = t;
	}
	g->left = g->nio;
}

/* What is still in a batch in memory is taken from there. */
static void from_memory(struct vol *v, struct reading *g)
{
	for (uint32_t i = 0; i < g->nparts; i++) {
		struct part *t = &g->part[i];

		t->done = log_read_mem(v->log, t->addr + t->skip, t->want, t->dst);
	}
}

int vol_read(struct vol_ctx *c, struct vol_read *r)
{
	struct vol *v = c->vol;
	struct reading *g;
	struct mapping m;
	int err;

	if (!r->len)
		return 0;
	g = xcalloc(1, sizeof(*g));
	m = (struct mapping){ v, c->rd, g, r, r->off };
	g->r = r;
	r->ctx = c;
	vol_rdlock(v);
	err = state_extents(v->state, c->rd, r->ino, r->off, r->off + r->len, map_one, &m);
	r->era = atomic_load(&v->era);
	atomic_fetch_add(&v->reads[r->era], 1);
	vol_unlock(v);
	if (!err) {
		zero_to(&m, r->off + r->len);
		if (v->log)
			from_memory(v, g);
		plan(g);
	}
	if (err || !g->nio) {
		era_leave(v, r->era);
		reading_free(g);
		return err;
	}
	/* The last completion frees g: count first, touch it no more after. */
	for (uint32_t i = 0, n = g->nio; i < n; i++)
		dev_submit(v->dev, c->ring, &g->io[i].req);
	return 1;
}
