/* SPDX-License-Identifier: MIT */
/* state_iter.c - ordered walks through the present.
 *
 * Sources, uppermost first: active rows, frozen rows (extents: live rows and
 * tombstones apart), image rows.  Each is ordered by key; the smallest key
 * comes next, and of equal keys the uppermost source speaks. */
#include <errno.h>

#include "base/err.h"
#include "meta/state_priv.h"

struct merge {
	struct reader *rd;
	struct okey last;        /* inclusive */
	struct omap_cur cur[4];
	unsigned ncur;
	struct query *q;         /* NULL: no image to ask */
	bool one_key;            /* of the table: (id, 0) */
	bool img_step, img_has;  /* step before looking; stands on a row */
	bool img_any;            /* has stood on one */
	struct okey img_key;
	/* the current row */
	struct okey key;
	const struct orow *row;  /* NULL: it is the image's */
};

static void add_source(struct merge *m, const struct overlay *o, unsigned map,
		       struct okey first)
{
	omap_seek(overlay_map(o, map), first, &m->cur[m->ncur++]);
}

static void add_overlay(struct merge *m, const struct overlay *o, enum table t,
			struct okey first)
{
	add_source(m, o, t, first);
	if (t == T_EXTENT)
		add_source(m, o, T_EXTENT_DEAD, first);
}

/* Rows with keys in [first, last]. */
static int merge_begin(struct merge *m, struct state *st, struct reader *rd,
		       enum table t, enum query_kind kind, struct okey first,
		       struct okey last)
{
	bool below;

	*m = (struct merge){ .rd = rd, .last = last };
	m->one_key = t == T_INODE || t == T_PIECE;
	add_overlay(m, st->active, t, first);
	below = m->one_key || asks_below(st->active, first.hi);
	if (below && st->frozen) {
		add_overlay(m, st->frozen, t, first);
		below = m->one_key || asks_below(st->frozen, first.hi);
	}
	if (!below)
		return 0;
	m->img_step = true;
	return reader_ask(rd, kind, first.hi, first.lo, last.lo, &m->q);
}

static void merge_end(struct merge *m)
{
	reader_done(m->rd, m->q);
}

static int step_image(struct merge *m)
{
	int n = reader_step(m->rd, m->q);
	struct okey before = m->img_key;

	m->img_step = false;
	m->img_has = n == 1;
	if (n != 1)
		return n;
	m->img_key = m->one_key ? (struct okey){ query_key(m->q), 0 } :
		     (struct okey){ m->last.hi, query_key(m->q) };
	/* A forged tree must not lead a listing in circles. */
	if (m->img_any && okey_cmp(m->img_key, before) <= 0)
		return -VE_DB;
	m->img_any = true;
	return 0;
}

/* 1: a row; 0: no more. */
static int merge_next(struct merge *m)
{
	struct omap_cur *best;
	unsigned i;
	int err;

	for (;;) {
		if (m->q && m->img_step) {
			err = step_image(m);
			if (err)
				return err;
		}
		best = NULL;
		for (i = 0; i < m->ncur; i++) {
			struct omap_cur *c = &m->cur[i];

			if (c->val && okey_cmp(c->key, m->last) <= 0 &&
			    (!best || okey_cmp(c->key, best->key) < 0))
				best = c;
		}
		if (m->img_has &&
		    (!best || okey_cmp(m->img_key, best->key) < 0)) {
			m->key = m->img_key;
			m->row = NULL;
			m->img_has = false;
			m->img_step = true;
			return 1;
		}
		if (!best)
			return 0;
		m->key = best->key;
		m->row = best->val;
		if (m->img_has && !okey_cmp(m->img_key, m->key)) {
			m->img_has = false;
			m->img_step = true;
		}
		for (i = 0; i < m->ncur; i++)
			if (m->cur[i].val && !okey_cmp(m->cur[i].key, m->key))
				omap_next(&m->cur[i]);
		if (!m->row->dead)
			return 1;
	}
}

int state_entries(struct state *st, struct reader *rd, uint64_t dir,
		  uint64_t after, entry_fn fn, void *arg)
{
	struct entry_row e;
	struct merge m;
	int n;

	if (after >= INT64_MAX)
		return 0;
	n = merge_begin(&m, st, rd, T_ENTRY, Q_ENTRIES,
			(struct okey){ dir, after + 1 },
			(struct okey){ dir, INT64_MAX });
	if (n)
		return n;
	while ((n = merge_next(&m)) == 1) {
		if (m.row)
			unpack_entry(m.row, m.key, &e);
		else if ((n = row_entry(m.q, dir, &e)))
			break;
		n = fn(arg, &e);
		if (n)
			break;
	}
	merge_end(&m);
	return n;
}

int state_xattrs(struct state *st, struct reader *rd, uint64_t ino,
		 xattr_fn fn, void *arg)
{
	struct xattr_row x;
	struct merge m;
	int n;

	n = merge_begin(&m, st, rd, T_XATTR, Q_XATTRS, (struct okey){ ino, 0 },
			(struct okey){ ino, INT64_MAX });
	if (n)
		return n;
	while ((n = merge_next(&m)) == 1) {
		if (m.row)
			unpack_xattr(m.row, m.key, &x);
		else if ((n = row_xattr(m.q, ino, &x)))
			break;
		n = fn(arg, &x);
		if (n)
			break;
	}
	merge_end(&m);
	return n;
}

/* --- extents --- */
/* o's extent that starts before off and reaches beyond it, or NULL. */
static const struct orow *covering(const struct overlay *o, uint64_t ino,
				   uint64_t off, struct okey *ret_key)
{
	const struct o_extent *x;
	struct omap_cur cur;

	omap_floor(overlay_map(o, T_EXTENT), (struct okey){ ino, off - 1 }, &cur);
	if (!cur.val || cur.key.hi != ino)
		return NULL;
	x = (const void *)((const struct orow *)cur.val)->data;
	if (x->len <= off - cur.key.lo)
		return NULL;
	*ret_key = cur.key;
	return cur.val;
}

static bool hidden(const struct overlay *o, struct okey key)
{
	return o && overlay_get(o, T_EXTENT, key);
}

/* The extent that starts before off and reaches beyond it: 1 and *ret, or 0.
 *
 * Extents of one file do not overlap in the present, nor did they in the image,
 * nor do the live rows of one overlay (all of them were present together).  So
 * each layer has one candidate, the last before off, and it is the answer
 * unless a layer above has a row or tombstone under its key.  *ret_img_end: where
 * the image's candidate ends. */
static int extent_across(struct state *st, struct reader *rd, uint64_t ino,
			 uint64_t off, struct extent_row *ret,
			 uint64_t *ret_img_end)
{
	const struct orow *row;
	struct okey key;
	struct query *q;
	int n;

	if (!off)
		return 0;
	row = covering(st->active, ino, off, &key);
	if (!row && !asks_below(st->active, ino))
		return 0;
	if (!row && st->frozen) {
		row = covering(st->frozen, ino, off, &key);
		if (row && hidden(st->active, key))
			row = NULL;
		if (!row && !asks_below(st->frozen, ino))
			return 0;
	}
	if (row) {
		unpack_extent(row, key, ret);
		return 1;
	}
	n = reader_ask(rd, Q_EXTENT_BEFORE, ino, off, 0, &q);
	if (n || !q)
		return n;
	n = reader_step(rd, q);
	if (n == 1) {
		n = row_extent(q, ino, ret);
		key = (struct okey){ ino, ret->off };
		*ret_img_end = ret->off + ret->len;
		if (!n)
			n = *ret_img_end > off && !hidden(st->active, key) &&
			    !hidden(st->frozen, key);
	}
	reader_done(rd, q);
	return n;
}

int state_extents(struct state *st, struct reader *rd, uint64_t ino,
		  uint64_t off, uint64_t end, extent_fn fn, void *arg)
{
	uint64_t img_end = 0;
	struct extent_row e;
	struct merge m;
	int n;

	if (off >= end || off > INT64_MAX)
		return 0;
	n = extent_across(st, rd, ino, off, &e, &img_end);
	if (n < 0)
		return n;
	if (n) {
		n = fn(arg, &e);
		if (n || e.off + e.len >= end)
			return n;
		off = e.off + e.len;
	}
	n = merge_begin(&m, st, rd, T_EXTENT, Q_EXTENTS, (struct okey){ ino, off },
			(struct okey){ ino, end - 1 });
	if (n)
		return n;
	while ((n = merge_next(&m)) == 1) {
		if (m.row) {
			unpack_extent(m.row, m.key, &e);
		} else {
			n = row_extent(m.q, ino, &e);
			if (!n && e.off < img_end)
				n = -VE_DB; /* overlaps the one before */
			if (n)
				break;
			img_end = e.off + e.len;
		}
		n = fn(arg, &e);
		if (n)
			break;
	}
	merge_end(&m);
	return n;
}

/* --- whole tables --- */
static int walk_inodes(struct state *st, struct reader *rd, enum query_kind kind,
		       uint64_t after, inode_fn fn, void *arg)
{
	struct inode_row i;
	struct merge m;
	int n;

	if (after >= INT64_MAX)
		return 0;
	n = merge_begin(&m, st, rd, T_INODE, kind, (struct okey){ after + 1, 0 },
			(struct okey){ UINT64_MAX, 0 });
	if (n)
		return n;
	while ((n = merge_next(&m)) == 1) {
		if (m.row)
			unpack_inode(m.row, &i);
		else if ((n = row_inode(m.q, &i)))
			break;
		if (kind == Q_ORPHANS && i.nlink)
			continue;
		n = fn(arg, &i);
		if (n)
			break;
	}
	merge_end(&m);
	return n;
}

int state_orphans(struct state *st, struct reader *rd, uint64_t after,
		  inode_fn fn, void *arg)
{
	return walk_inodes(st, rd, Q_ORPHANS, after, fn, arg);
}

int state_inodes(struct state *st, struct reader *rd, uint64_t after,
		 inode_fn fn, void *arg)
{
	return walk_inodes(st, rd, Q_INODES, after, fn, arg);
}

int state_pieces(struct state *st, struct reader *rd, uint64_t after,
		 piece_fn fn, void *arg)
{
	struct piece_row p;
	struct merge m;
	int n;

	if (after >= INT64_MAX)
		return 0;
	n = merge_begin(&m, st, rd, T_PIECE, Q_PIECES,
			(struct okey){ after + 1, 0 },
			(struct okey){ UINT64_MAX, 0 });
	if (n)
		return n;
	while ((n = merge_next(&m)) == 1) {
		if (m.row)
			unpack_piece(m.row, m.key, &p);
		else if ((n = row_piece(m.q, &p)))
			break;
		n = fn(arg, &p);
		if (n)
			break;
	}
	merge_end(&m);
	return n;
}

int state_pieces_at(struct state *st, struct reader *rd, uint64_t first,
		    uint64_t last, piece_fn fn, void *arg)
{
	struct piece_row p;
	struct query *q;
	int n = reader_ask(rd, Q_PIECES_AT, first, last, 0, &q);

	if (n || !q)
		return n;
	while ((n = reader_step(rd, q)) == 1) {
		n = state_piece(st, rd, query_key(q), &p);
		if (n == -ENOENT)
			continue; /* gone since the image */
		if (n)
			break;
		if (p.addr < first || p.addr > last)
			continue; /* moved since */
		n = fn(arg, &p);
		if (n)
			break;
	}
	reader_done(rd, q);
	return n;
}
