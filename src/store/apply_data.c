/* SPDX-License-Identifier: MIT */
/* apply_data.c - record -> state: extents and pieces.
 *
 * Extents of a file never overlap.  A change first carves its range out of
 * the rows that are there (cutting them at its borders), then puts new ones.
 * Every extent row with a piece is one reference on that piece; a piece whose
 * last reference goes is deleted, and its bytes leave its segment's count. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "store/apply_int.h"

void edit_init(struct edit *e)
{
	memset(e, 0, sizeof(*e));
}

void edit_free(struct edit *e)
{
	if (e->piece)
		for (size_t i = 0; i < e->ndelta; i++)
			free(e->piece[i]);
	free(e->piece);
	free(e->gone);
	free(e->del);
	free(e->put);
	free(e->delta);
}

/* Grows a vector of *cap elements so that n + 1 fit. */
static void *grow(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 8;
	return xrealloc(p, *cap * size);
}

void edit_put(struct edit *e, const struct extent_row *x)
{
	e->put = grow(e->put, e->nput, &e->capput, sizeof(*e->put));
	e->put[e->nput++] = *x;
}

void edit_ref(struct edit *e, uint64_t piece, int64_t delta)
{
	if (!piece || !delta)
		return;
	e->delta = grow(e->delta, e->ndelta, &e->capdelta, sizeof(*e->delta));
	e->delta[e->ndelta++] = (struct piece_delta){ piece, delta };
}

struct carve {
	struct edit *e;
	uint64_t off, end;
};

static int carve_one(void *arg, const struct extent_row *x)
{
	struct carve *c = arg;
	struct edit *e = c->e;
	uint64_t xend = x->off + x->len;
	uint64_t from = MAX(x->off, c->off), to = MIN(xend, c->end);
	int64_t parts = 0;

	if (from >= to)
		return 0;
	if (x->off < c->off) {
		struct extent_row left = *x;

		left.len = c->off - x->off;
		edit_put(e, &left);
		parts++;
	} else {
		e->del = grow(e->del, e->ndel, &e->capdel, sizeof(*e->del));
		e->del[e->ndel++] = *x;
	}
	if (xend > c->end) {
		struct extent_row right = *x;

		right.off = c->end;
		right.len = xend - c->end;
		if (x->piece)
			right.poff = x->poff + (uint32_t)(c->end - x->off);
		edit_put(e, &right);
		parts++;
	}
	edit_ref(e, x->piece, parts - 1);
	e->cut_bytes += to - from;
	if (!x->piece)
		e->cut_unwritten += to - from;
	return 0;
}

int edit_carve(struct apply *a, struct edit *e, uint64_t ino, uint64_t off,
	       uint64_t end)
{
	struct carve c = { e, off, end };

	if (off >= end)
		return 0;
	return state_extents(a->v->state, a->rd, ino, off, end, carve_one, &c);
}

static int delta_cmp(const void *x, const void *y)
{
	const struct piece_delta *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* Sums up the deltas of each piece and drops those that cancel. */
static void merge_deltas(struct edit *e)
{
	size_t n = 0;

	if (e->ndelta > 1)
		qsort(e->delta, e->ndelta, sizeof(*e->delta), delta_cmp);
	for (size_t i = 0; i < e->ndelta; i++) {
		if (n && e->delta[n - 1].id == e->delta[i].id)
			e->delta[n - 1].delta += e->delta[i].delta;
		else
			e->delta[n++] = e->delta[i];
		if (i + 1 == e->ndelta || e->delta[i + 1].id != e->delta[n - 1].id)
			if (!e->delta[n - 1].delta)
				n--;
	}
	e->ndelta = n;
}

int edit_ready(struct apply *a, struct edit *e)
{
	struct piece_row row;

	merge_deltas(e);
	if (!e->ndelta)
		return 0;
	e->piece = xcalloc(e->ndelta, sizeof(struct piece_row *));
	e->gone = xcalloc(e->ndelta, sizeof(*e->gone));
	for (size_t i = 0; i < e->ndelta; i++) {
		int64_t refs;
		size_t size;
		int err = state_piece(a->v->state, a->rd, e->delta[i].id, &row);

		if (err)
			return err == -ENOENT ? -VE_REC_VALUE : err;
		refs = (int64_t)row.refs + e->delta[i].delta;
		if (refs < 0 || refs > UINT32_MAX)
			return -VE_REC_VALUE;
		row.refs = (uint32_t)refs;
		if (!refs) {
			e->gone[i] = (struct piece_end){ row.addr, row.stored };
			continue;
		}
		size = offsetof(struct piece_row, sums) + row.nsums * sizeof(row.sums[0]);
		e->piece[i] = xmalloc(sizeof(row));
		memcpy(e->piece[i], &row, size);
	}
	return 0;
}

void edit_do(struct apply *a, struct edit *e)
{
	struct vol *v = a->v;

	for (size_t i = 0; i < e->ndel; i++)
		state_del_extent(v->state, e->del[i].ino, e->del[i].off);
	for (size_t i = 0; i < e->nput; i++) {
		e->put[i].seq = a->op;
		state_put_extent(v->state, &e->put[i]);
	}
	for (size_t i = 0; i < e->ndelta; i++) {
		if (e->piece[i]) {
			state_put_piece(v->state, e->piece[i], false);
			continue;
		}
		state_del_piece(v->state, e->delta[i].id);
		segs_live_add(v->segs, e->gone[i].addr, -(int64_t)e->gone[i].stored);
		v->count.data_bytes -= e->gone[i].stored;
	}
	v->count.reserved_bytes -= e->cut_unwritten;
}

/* --- the records --- */

static int get_file(struct apply *a, uint64_t ino, struct inode_row *ret)
{
	int err = state_inode(a->v->state, a->rd, ino, ret);

	if (err == -ENOENT || (!err && !S_ISREG(ret->mode)))
		return -VE_REC_VALUE;
	return err;
}

static void kill_setid(struct inode_row *i)
{
	i->mode &= ~(uint32_t)S_ISUID;
	if (i->mode & S_IXGRP)
		i->mode &= ~(uint32_t)S_ISGID;
}

/* The file changed: size, allocated bytes, times, set-id bits. */
static void put_file(struct apply *a, struct inode_row *i, uint64_t size,
		     uint64_t bytes, bool kill)
{
	i->size = size;
	i->bytes = bytes;
	i->mtime = i->ctime = a->rec->time;
	i->seq = a->op;
	if (kill)
		kill_setid(i);
	state_put_inode(a->v->state, i, false);
}

int apply_write(struct apply *a)
{
	const struct rec *r = a->rec;
	struct vol *v = a->v;
	uint64_t end = r->write.off + r->write.len;
	struct inode_row i;
	struct piece_row p;
	struct edit e;
	int err = get_file(a, r->write.ino, &i);

	if (err)
		return err;
	if (r->write.piece < v->count.next_piece || r->write.nsums > VARVE_PIECE_SUMS ||
	    segs_index(v->segs, r->write.addr) == UINT32_MAX ||
	    segs_index(v->segs, r->write.addr) !=
		    segs_index(v->segs, r->write.addr + r->write.stored - 1))
		return -VE_REC_VALUE;
	edit_init(&e);
	err = edit_carve(a, &e, i.ino, r->write.off, end);
	if (!err)
		err = edit_ready(a, &e);
	if (err)
		goto out;

	edit_put(&e, &(struct extent_row){ .ino = i.ino, .off = r->write.off,
			.len = r->write.len, .piece = r->write.piece });
	edit_do(a, &e);
	p.id = r->write.piece;
	p.addr = r->write.addr;
	p.len = r->write.len;
	p.stored = r->write.stored;
	p.enc = r->write.enc;
	p.refs = 1;
	p.nsums = r->write.nsums;
	memcpy(p.sums, r->write.sums, p.nsums * sizeof(p.sums[0]));
	state_put_piece(v->state, &p, true);
	v->count.next_piece = p.id + 1;
	v->count.data_bytes += p.stored;
	segs_live_add(v->segs, p.addr, p.stored);
	put_file(a, &i, MAX(i.size, end), i.bytes + r->write.len - e.cut_bytes,
		 r->write.kill);
out:
	edit_free(&e);
	return err;
}

int apply_truncate(struct apply *a)
{
	const struct rec *r = a->rec;
	struct inode_row i;
	struct edit e;
	int err = get_file(a, r->truncate.ino, &i);

	if (err)
		return err;
	edit_init(&e);
	/* Space may have been promised beyond the size, so carve always. */
	err = edit_carve(a, &e, i.ino, r->truncate.size, INT64_MAX);
	if (!err)
		err = edit_ready(a, &e);
	if (!err) {
		edit_do(a, &e);
		put_file(a, &i, r->truncate.size, i.bytes - e.cut_bytes, r->truncate.kill);
	}
	edit_free(&e);
	return err;
}

struct gaps {
	struct edit *e;
	uint64_t ino, at, end, promised;
};

static void gap_put(struct gaps *g, uint64_t to)
{
	if (g->at >= to)
		return;
	edit_put(g->e, &(struct extent_row){ .ino = g->ino, .off = g->at,
					     .len = to - g->at });
	g->promised += to - g->at;
}

static int gap_one(void *arg, const struct extent_row *x)
{
	struct gaps *g = arg;

	gap_put(g, MIN(x->off, g->end));
	g->at = MAX(g->at, x->off + x->len);
	return 0;
}

int apply_falloc(struct apply *a)
{
	const struct rec *r = a->rec;
	uint64_t off = r->falloc.off, end = off + r->falloc.len;
	struct inode_row i;
	struct edit e;
	struct gaps g = { &e, r->falloc.ino, off, end, 0 };
	int err = get_file(a, r->falloc.ino, &i);

	if (err)
		return err;
	edit_init(&e);
	if (r->falloc.mode == RFA_ALLOC) {
		err = state_extents(a->v->state, a->rd, i.ino, off, end, gap_one, &g);
		gap_put(&g, end);
	} else {
		err = edit_carve(a, &e, i.ino, off, end);
		if (r->falloc.mode == RFA_ZERO)
			gap_put(&g, end);
	}
	if (!err)
		err = edit_ready(a, &e);
	if (!err) {
		edit_do(a, &e);
		a->v->count.reserved_bytes += g.promised;
		put_file(a, &i, r->falloc.size, i.bytes + g.promised - e.cut_bytes,
			 r->falloc.kill);
	}
	edit_free(&e);
	return err;
}

struct share {
	struct edit *e;
	uint64_t src_off, src_end, dst, dst_off, bytes;
};

static int share_one(void *arg, const struct extent_row *x)
{
	struct share *s = arg;
	uint64_t from = MAX(x->off, s->src_off);
	uint64_t to = MIN(x->off + x->len, s->src_end);

	if (from >= to || !x->piece)
		return 0; /* what was only promised reads as zeros: a hole */
	edit_put(s->e, &(struct extent_row){ .ino = s->dst,
			.off = s->dst_off + (from - s->src_off), .len = to - from,
			.piece = x->piece,
			.poff = x->poff + (uint32_t)(from - x->off) });
	edit_ref(s->e, x->piece, 1);
	s->bytes += to - from;
	return 0;
}

int apply_clone(struct apply *a)
{
	const struct rec *r = a->rec;
	struct inode_row src, dst;
	struct edit e;
	struct share s = { &e, r->clone.src_off, r->clone.src_off + r->clone.len,
			   r->clone.dst, r->clone.dst_off, 0 };
	int err = get_file(a, r->clone.src, &src);

	if (!err)
		err = get_file(a, r->clone.dst, &dst);
	if (err)
		return err;
	if (src.ino == dst.ino && r->clone.src_off < r->clone.dst_off + r->clone.len &&
	    r->clone.dst_off < r->clone.src_off + r->clone.len)
		return -VE_REC_VALUE;
	edit_init(&e);
	err = edit_carve(a, &e, dst.ino, r->clone.dst_off, r->clone.dst_off + r->clone.len);
	if (!err)
		err = state_extents(a->v->state, a->rd, src.ino, s.src_off, s.src_end,
				    share_one, &s);
	if (!err)
		err = edit_ready(a, &e);
	if (!err) {
		edit_do(a, &e);
		put_file(a, &dst, r->clone.size, dst.bytes + s.bytes - e.cut_bytes,
			 r->clone.kill);
	}
	edit_free(&e);
	return err;
}

/* --- the end of an inode --- */

struct slots {
	uint64_t *slot;
	size_t n, cap;
};

static int slot_one(void *arg, const struct xattr_row *x)
{
	struct slots *s = arg;

	s->slot = grow(s->slot, s->n, &s->cap, sizeof(*s->slot));
	s->slot[s->n++] = x->slot;
	return 0;
}

int apply_drop(struct apply *a)
{
	uint64_t ino = a->rec->drop.ino;
	struct slots s = { 0 };
	struct inode_row i;
	struct edit e;
	int err = state_inode(a->v->state, a->rd, ino, &i);

	if (err)
		return err == -ENOENT ? -VE_REC_VALUE : err;
	if (i.nlink)
		return -VE_REC_VALUE;
	edit_init(&e);
	if (S_ISREG(i.mode))
		err = edit_carve(a, &e, ino, 0, INT64_MAX);
	if (!err)
		err = edit_ready(a, &e);
	if (!err)
		err = state_xattrs(a->v->state, a->rd, ino, slot_one, &s);
	if (!err) {
		edit_do(a, &e);
		for (size_t n = 0; n < s.n; n++)
			state_del_xattr(a->v->state, ino, s.slot[n]);
		if (S_ISLNK(i.mode))
			state_del_target(a->v->state, ino);
		state_del_inode(a->v->state, ino);
		a->v->count.inodes--;
	}
	free(s.slot);
	edit_free(&e);
	return err;
}

/* --- the compactor's moves --- */

/* Lies [addr, addr + len) in one segment that may hold data? */
static bool may_hold(struct vol *v, uint64_t addr, uint32_t len)
{
	uint32_t idx = segs_index(v->segs, addr);
	struct seg_info info;

	if (idx == UINT32_MAX || idx != segs_index(v->segs, addr + len - 1))
		return false;
	segs_get(v->segs, idx, &info);
	return info.state == SEG_LOG || info.state == SEG_FREE;
}

int apply_relocate(struct apply *a)
{
	const struct rec *r = a->rec;
	struct vol *v = a->v;
	struct piece_row *row = xmalloc(r->relocate.n * sizeof(*row));
	uint32_t left = 0;
	int err = 0;

	for (uint32_t n = 0; n < r->relocate.n && !err; n++) {
		const struct rec_move *m = &r->relocate.move[n];
		struct piece_row *p = &row[left];

		err = state_piece(v->state, a->rd, m->piece, p);
		if (err == -ENOENT || (!err && p->addr != m->from)) {
			err = 0; /* a write won the race */
			continue;
		}
		if (!err && !may_hold(v, m->to, p->stored))
			err = -VE_REC_VALUE;
		for (uint32_t i = 0; i < left && !err; i++)
			if (row[i].id == p->id)
				err = -VE_REC_VALUE;
		if (err)
			break;
		p->addr = m->to;
		left++;
	}
	for (uint32_t n = 0, i = 0; n < r->relocate.n && i < left && !err; n++) {
		const struct rec_move *m = &r->relocate.move[n];

		if (row[i].id != m->piece || row[i].addr != m->to)
			continue;
		/* On replay the segment may not be known to be the log's yet. */
		segs_mark_log(v->segs, segs_index(v->segs, m->to));
		segs_live_add(v->segs, m->from, -(int64_t)row[i].stored);
		segs_live_add(v->segs, m->to, row[i].stored);
		state_put_piece(v->state, &row[i], false);
		i++;
	}
	free(row);
	return err;
}
