/* SPDX-License-Identifier: MIT */
/* apply_data.c - record -> state: extents and pieces.
 *
 * Extents of a file never overlap.  A change first carves its range out of
 * the rows that are there (cutting them at its borders), then puts new ones.
 * Every extent row with a piece is one reference on that piece; a piece whose
 * last reference goes is deleted.
 *
 * Live bytes.  As long as only the file that wrote a piece refers to it, each at
 * the place where it was written (it has an owner), the bytes that its extents
 * lose are dead at once, and the compactor may cut them out.  A clone makes a
 * piece shared for good: then it counts whole until its last reference goes. */
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
	free(e->change);
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

void edit_ref(struct edit *e, struct piece_delta d)
{
	if (!d.id)
		return;
	e->delta = grow(e->delta, e->ndelta, &e->capdelta, sizeof(*e->delta));
	e->delta[e->ndelta++] = d;
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
	edit_ref(e, (struct piece_delta){ x->piece, parts - 1, to - from, false });
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

/* Sums up what happens to each piece. */
static void merge_deltas(struct edit *e)
{
	size_t n = 0;

	if (e->ndelta > 1)
		qsort(e->delta, e->ndelta, sizeof(*e->delta), delta_cmp);
	for (size_t i = 0; i < e->ndelta; i++) {
		struct piece_delta *to = &e->delta[n ? n - 1 : 0];

		if (n && to->id == e->delta[i].id) {
			to->delta += e->delta[i].delta;
			to->cut += e->delta[i].cut;
			to->shared |= e->delta[i].shared;
		} else {
			e->delta[n++] = e->delta[i];
		}
	}
	e->ndelta = n;
}

/* What the piece is after the edit, and by how much its live bytes change. */
static int change_piece(struct piece_row *p, const struct piece_delta *d, int64_t *ret_live)
{
	int64_t refs = (int64_t)p->refs + d->delta;
	uint32_t live = p->live;

	if (refs < 0 || refs > UINT32_MAX || p->live > p->stored)
		return -VE_REC_VALUE;
	p->refs = (uint32_t)refs;
	if (d->shared) {
		p->ino = p->off = 0;
		p->live = p->stored;
	} else if (p->ino) {
		if (d->cut > p->live)
			return -VE_REC_VALUE;
		p->live -= (uint32_t)d->cut;
	}
	*ret_live = refs ? (int64_t)p->live - live : -(int64_t)live;
	return 0;
}

int edit_ready(struct apply *a, struct edit *e)
{
	struct piece_row row;

	merge_deltas(e);
	if (!e->ndelta)
		return 0;
	e->piece = xcalloc(e->ndelta, sizeof(struct piece_row *));
	e->change = xcalloc(e->ndelta, sizeof(*e->change));
	for (size_t i = 0; i < e->ndelta; i++) {
		size_t size;
		int err = state_piece(a->v->state, a->rd, e->delta[i].id, &row);

		if (!err)
			err = change_piece(&row, &e->delta[i], &e->change[i].live);
		if (err)
			return err == -ENOENT ? -VE_REC_VALUE : err;
		e->change[i].addr = row.addr;
		if (!row.refs)
			continue;
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
		if (e->piece[i])
			state_put_piece(v->state, e->piece[i], false);
		else
			state_del_piece(v->state, e->delta[i].id);
		segs_live_add(v->segs, e->change[i].addr, e->change[i].live);
		v->count.data_bytes += (uint64_t)e->change[i].live;
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

/* The piece a WRITE brings, with one reference. */
static void put_new_piece(struct apply *a)
{
	const struct rec *r = a->rec;
	struct vol *v = a->v;
	struct piece_row p;

	p.id = r->write.piece;
	p.addr = r->write.addr;
	p.len = r->write.len;
	p.stored = p.live = r->write.stored;
	p.enc = r->write.enc;
	p.refs = 1;
	/* Live bytes are told from lengths only where both are the same. */
	p.ino = p.enc || p.stored != p.len ? 0 : r->write.ino;
	p.off = p.ino ? r->write.off : 0;
	p.nsums = r->write.nsums;
	memcpy(p.sums, r->write.sums, p.nsums * sizeof(p.sums[0]));
	/* On replay a segment of the compactor may not be known to be the log's. */
	segs_mark_log(v->segs, segs_index(v->segs, p.addr));
	state_put_piece(v->state, &p, true);
	v->count.next_piece = p.id + 1;
	v->count.data_bytes += p.live;
	segs_live_add(v->segs, p.addr, p.live);
}

struct same {
	const struct rec *rec;
	bool yes;
};

static int is_same(void *arg, const struct extent_row *x)
{
	struct same *s = arg;

	s->yes = x->piece == s->rec->write.was &&
		 x->off + x->len >= s->rec->write.off + s->rec->write.len &&
		 x->poff + (s->rec->write.off - x->off) == s->rec->write.was_poff;
	return 1;
}

int apply_write(struct apply *a)
{
	const struct rec *r = a->rec;
	struct vol *v = a->v;
	uint64_t end = r->write.off + r->write.len;
	struct same same = { r, true };
	struct inode_row i;
	struct edit e;
	int err = state_inode(v->state, a->rd, r->write.ino, &i);

	if (r->write.was) {
		if (!err)
			err = state_extents(v->state, a->rd, i.ino, r->write.off, r->write.off + 1,
					    is_same, &same);
		if (err == -ENOENT || (err >= 0 && !same.yes))
			return 0; /* a write won the race */
		err = err > 0 ? 0 : err;
	}
	if (err == -ENOENT || (!err && !S_ISREG(i.mode)))
		return -VE_REC_VALUE;
	if (err)
		return err;
	if (r->write.piece < v->count.next_piece || r->write.piece >= NUMBER_MAX / 2 ||
	    r->write.nsums > VARVE_PIECE_SUMS || !may_hold(v, r->write.addr, r->write.stored))
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
	put_new_piece(a);
	if (!r->write.was)
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
	edit_ref(s->e, (struct piece_delta){ x->piece, 1, 0, true });
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
		segs_live_add(v->segs, m->from, -(int64_t)row[i].live);
		segs_live_add(v->segs, m->to, row[i].live);
		state_put_piece(v->state, &row[i], false);
		i++;
	}
	free(row);
	return err;
}
