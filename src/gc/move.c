/* SPDX-License-Identifier: MIT */
/* move.c - carry the live pieces of a segment over to a head.
 *
 * A chunk on the device: header block, data (as in a batch: pieces of 4 KiB and
 * more block-aligned, smaller ones packed), then a table of what the data is.
 * The table is for salvage only (doc/format.md); the truth is the RELOCATE
 * record, which is committed after the chunk has been flushed. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "gc/gc_int.h"
#include "log/format.h"
#include "log/piece.h"

void gc_heads_init(struct gc *g)
{
	for (unsigned i = 0; i < GC_HEADS; i++) {
		g->head[i].seg = UINT32_MAX;
		g->head[i].buf = dev_alloc(GC_CHUNK);
	}
	g->rbuf = dev_alloc(VARVE_PIECE_MAX + 2 * VARVE_BLOCK);
}

static void leave_segment(struct gc *g, struct head *h)
{
	struct segs *segs = vol_segs(g->v);

	if (h->seg == UINT32_MAX)
		return;
	segs_unpin(segs, segs_addr(segs, h->seg));
	g->stats.used += segs_size(segs) - h->used; /* a rest too small */
	h->seg = UINT32_MAX;
}

void gc_heads_free(struct gc *g)
{
	for (unsigned i = 0; i < GC_HEADS; i++) {
		leave_segment(g, &g->head[i]);
		dev_free(g->head[i].buf);
		free(g->head[i].copy);
		free(g->head[i].table);
	}
	dev_free(g->rbuf);
	free(g->found);
	free(g->sums);
	free(g->live);
}

#define SLICE_MIN 32768u /* a smaller rest of a segment is left */
#define ENTRY_MAX 20u /* bytes of one entry at most */

static uint32_t table_room(const struct head *h)
{
	return (uint32_t)align_up(h->table_len + ENTRY_MAX, VARVE_BLOCK);
}

static void put_number(struct head *h, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		h->table[h->table_len++] = (uint8_t)(v | 0x80);
	h->table[h->table_len++] = (uint8_t)v;
}

static void put_entry(struct head *h, const struct found *f, uint32_t stored)
{
	int64_t d = (int64_t)(f->id - h->last_id);

	if (h->table_len + ENTRY_MAX > h->table_cap) {
		h->table_cap = MAX(2 * h->table_cap, 4096u);
		h->table = xrealloc(h->table, h->table_cap);
	}
	put_number(h, ((uint64_t)d << 1) ^ (uint64_t)(d >> 63));
	put_number(h, stored);
	put_number(h, f->enc);
	h->last_id = f->id;
}

static int next_segment(struct gc *g, struct head *h)
{
	struct segs *segs = vol_segs(g->v);
	uint32_t idx;
	int err;

	leave_segment(g, h);
	err = segs_alloc(segs, SEG_LOG, SEG_CLEANING, &idx);
	if (err)
		return err;
	/* Pinned as long as it is filled: empty or not, it is not dead. */
	segs_pin(segs, segs_addr(segs, idx));
	h->seg = idx;
	h->used = 0;
	h->stamp = 0;
	g->heat[idx] = (uint8_t)(h - g->head + 1);
	return 0;
}

static int open_chunk(struct gc *g, struct head *h, uint32_t need)
{
	struct segs *segs = vol_segs(g->v);
	uint32_t size = segs_size(segs);
	uint32_t least = 2 * VARVE_BLOCK + (uint32_t)align_up(need, VARVE_BLOCK);
	int err = 0;

	if (h->seg == UINT32_MAX || size - h->used < least)
		err = next_segment(g, h);
	if (err)
		return err;
	h->room = MIN(GC_CHUNK, size - h->used);
	h->at = VARVE_BLOCK;
	h->n = 0;
	h->table_len = 0;
	h->last_id = 0;
	h->addr = segs_addr(segs, h->seg) + h->used;
	return 0;
}

/* One record, under a hold of the lock of its own. */
static int commit_one(struct gc *g, struct rec *rec)
{
	int err = vol_admit_system(g->ctx);

	if (err)
		return err;
	vol_wrlock(g->v);
	if (rec->kind == REC_WRITE)
		rec->write.piece = vol_next_piece(g->v);
	err = vol_commit(g->ctx, rec, SEG_CLEANING, NULL);
	vol_unlock(g->v);
	return err;
}

static int commit_cut(struct gc *g, struct head *h, const struct copy *c)
{
	uint32_t sums[VARVE_PIECE_SUMS];
	struct rec rec = { .kind = REC_WRITE };

	piece_sum(h->buf + (c->move.to - h->addr), c->len, sums);
	rec.write.ino = c->ino;
	rec.write.off = c->off;
	rec.write.len = rec.write.stored = c->len;
	rec.write.addr = c->move.to;
	rec.write.was = c->move.piece;
	rec.write.was_poff = c->poff;
	rec.write.nsums = piece_nsums(c->len);
	rec.write.sums = sums;
	return commit_one(g, &rec);
}

static int commit_moves(struct gc *g, struct head *h)
{
	struct rec rec = { .kind = REC_RELOCATE };
	int err = 0;

	for (uint32_t i = 0; i < h->n && !err; i++) {
		if (h->copy[i].ino) {
			err = commit_cut(g, h, &h->copy[i]);
			continue;
		}
		rec.relocate.move[rec.relocate.n++] = h->copy[i].move;
		if (rec.relocate.n < REC_MOVES)
			continue;
		err = commit_one(g, &rec);
		rec = (struct rec){ .kind = REC_RELOCATE };
	}
	if (!err && rec.relocate.n)
		err = commit_one(g, &rec);
	return err;
}

static int flush_head(struct gc *g, struct head *h)
{
	struct segs *segs = vol_segs(g->v);
	struct dev *dev = vol_dev(g->v);
	struct move_disk *hdr = (void *)h->buf;
	uint32_t data_end, len;
	int err;

	if (!h->n)
		return 0;
	data_end = (uint32_t)align_up(h->at, VARVE_BLOCK);
	memset(h->buf + h->at, 0, data_end - h->at);
	len = data_end + (uint32_t)align_up(h->table_len, VARVE_BLOCK);
	memcpy(h->buf + data_end, h->table, h->table_len);
	memset(h->buf + data_end + h->table_len, 0, len - data_end - h->table_len);
	memset(hdr, 0, VARVE_BLOCK);
	hdr->magic = htole64(MOVE_MAGIC);
	memcpy(hdr->uuid, vol_super(g->v)->uuid, sizeof(hdr->uuid));
	hdr->data_len = htole32(data_end - VARVE_BLOCK);
	hdr->table_len = htole32(h->table_len);
	hdr->n = htole32(h->n);
	hdr->crc = htole32(crc32c(crc32c(0, hdr, VARVE_BLOCK), h->buf + data_end, len - data_end));
	err = dev_write(dev, h->buf, h->addr, len);
	if (!err)
		err = dev_flush(dev);
	h->used += len;
	g->stats.used += len;
	if (!err)
		err = commit_moves(g, h);
	segs_touch(segs, h->seg, h->stamp, log_open_seq(vol_log(g->v)));
	h->n = 0;
	h->room = 0;
	return err;
}

int gc_flush_heads(struct gc *g)
{
	int err = 0;

	for (unsigned i = 0; i < GC_HEADS && !err; i++)
		err = flush_head(g, &g->head[i]);
	return err;
}

/* Copies len bytes of piece f to the head; x: the extent they are, NULL: all of the
 * piece. */
static int place(struct gc *g, struct head *h, const struct found *f, const uint8_t *data,
		 uint32_t len, const struct extent_row *x, uint32_t stamp)
{
	uint32_t at, end;
	int err;

	for (;;) {
		if (!h->room) {
			err = open_chunk(g, h, len);
			if (err)
				return err;
		}
		at = len >= VARVE_BLOCK ? (uint32_t)align_up(h->at, VARVE_BLOCK) : h->at;
		end = (uint32_t)align_up(at + len, VARVE_BLOCK) + table_room(h);
		if (end <= h->room)
			break;
		err = flush_head(g, h);
		if (err)
			return err;
		h->room = 0;
	}
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 256;
		h->copy = xrealloc(h->copy, h->cap * sizeof(h->copy[0]));
	}
	memset(h->buf + h->at, 0, at - h->at);
	memcpy(h->buf + at, data, len);
	h->copy[h->n] = (struct copy){ .move = { f->id, f->addr, h->addr + at } };
	if (x) {
		h->copy[h->n].ino = x->ino;
		h->copy[h->n].off = x->off;
		h->copy[h->n].poff = x->poff;
		h->copy[h->n].len = len;
	}
	h->n++;
	put_entry(h, f, len);
	h->at = at + len;
	h->stamp = MAX(h->stamp, stamp);
	g->stats.moved_bytes += len;
	g->stats.moved_pieces++;
	return 0;
}

/* --- what lives in the victim --- */

static int found_one(void *arg, const struct piece_row *p)
{
	struct gc *g = arg;
	struct found *f;

	if (g->nfound == g->capfound) {
		g->capfound = g->capfound ? g->capfound * 2 : GC_GATHER;
		g->found = xrealloc(g->found, g->capfound * sizeof(*g->found));
	}
	if (g->nsums + p->nsums > g->capsums) {
		g->capsums = MAX(2 * g->capsums, g->nsums + p->nsums);
		g->sums = xrealloc(g->sums, g->capsums * sizeof(*g->sums));
	}
	f = &g->found[g->nfound++];
	*f = (struct found){ p->id, p->addr, p->len, p->stored, p->enc, g->nsums, p->live,
			     p->ino, p->off };
	memcpy(g->sums + g->nsums, p->sums, p->nsums * sizeof(*g->sums));
	g->nsums += p->nsums;
	return g->nfound >= GC_GATHER;
}

/* Reads pieces [i, *ret_next) that lie close together in one request. */
static int read_run(struct gc *g, uint32_t i, uint32_t *ret_next, uint64_t *ret_base)
{
	uint64_t base = align_down(g->found[i].addr, VARVE_BLOCK), end = base;
	uint32_t n = i;

	while (n < g->nfound) {
		uint64_t e = align_up(g->found[n].addr + g->found[n].stored, VARVE_BLOCK);

		if (n > i && (e - base > VARVE_PIECE_MAX ||
			      g->found[n].addr > end + 8 * VARVE_BLOCK))
			break;
		end = MAX(end, e);
		n++;
	}
	*ret_next = n;
	*ret_base = base;
	return dev_read(vol_dev(g->v), g->rbuf, base, (uint32_t)(end - base));
}

static int live_one(void *arg, const struct extent_row *x)
{
	struct gc *g = arg;

	if (x->piece != g->cutting)
		return 0;
	if (g->nlive == g->caplive) {
		g->caplive = g->caplive ? g->caplive * 2 : 64;
		g->live = xrealloc(g->live, g->caplive * sizeof(*g->live));
	}
	g->live[g->nlive++] = *x;
	return 0;
}

/* Bytes that a piece may have to fit in the head's segment. */
static uint32_t room_left(struct gc *g, const struct head *h)
{
	uint32_t left = h->seg == UINT32_MAX ? 0 : segs_size(vol_segs(g->v)) - h->used;
	uint32_t used = (uint32_t)align_up(h->at, VARVE_BLOCK) + table_room(h) + VARVE_BLOCK;

	if (h->room)
		left = h->room;
	else
		used = 4 * VARVE_BLOCK;
	return left > used ? left - used : 0;
}

/* An extent, in slices that fill the segments to their ends. */
static int carry_extent(struct gc *g, struct head *h, const struct found *f,
			const uint8_t *data, struct extent_row x, uint32_t stamp)
{
	while (x.len) {
		uint32_t left = room_left(g, h), n = (uint32_t)x.len;
		int err;

		if (n > left && left >= SLICE_MIN)
			n = (uint32_t)align_down(left, VARVE_BLOCK);
		err = place(g, h, f, data + x.poff, n, &x, stamp);
		if (err)
			return err;
		x.off += n;
		x.poff += n;
		x.len -= n;
	}
	return 0;
}

/* A piece with an owner leaves its dead parts behind, and is cut where a segment
 * ends: each part becomes a piece of its own. */
static int carry_piece(struct gc *g, struct head *h, const struct found *f,
		       const uint8_t *data, uint32_t stamp)
{
	int err;

	if (!f->ino || (f->live == f->stored && f->stored <= room_left(g, h)))
		return place(g, h, f, data, f->stored, NULL, stamp);
	g->nlive = 0;
	g->cutting = f->id;
	vol_rdlock(g->v);
	err = state_extents(vol_state(g->v), g->ctx->rd, f->ino, f->off, f->off + f->len,
			    live_one, g);
	vol_unlock(g->v);
	for (uint32_t i = 0; i < g->nlive && !err; i++) {
		const struct extent_row *x = &g->live[i];

		if (x->poff + x->len > f->stored)
			return -VE_DB;
		err = carry_extent(g, h, f, data, *x, stamp);
	}
	return err;
}

static int carry(struct gc *g, struct head *h, uint32_t idx, uint32_t stamp)
{
	uint64_t base;
	uint32_t next;
	int err = 0;

	for (uint32_t i = 0; i < g->nfound && !err; i = next) {
		err = read_run(g, i, &next, &base);
		for (uint32_t n = i; n < next && !err; n++) {
			const struct found *f = &g->found[n];
			const uint8_t *data = g->rbuf + (f->addr - base);

			err = piece_verify(data, f->stored, g->sums + f->sum_at,
					   piece_nsums(f->stored));
			if (err) {
				msg_err("%s: piece %llu at byte %llu is damaged; segment %u is left alone",
					dev_name(vol_dev(g->v)), (unsigned long long)f->id,
					(unsigned long long)f->addr, idx);
				g->shun[idx] = 1;
				g->stats.skipped++;
				return 0;
			}
			err = carry_piece(g, h, f, data, stamp);
		}
	}
	return err;
}

int gc_move_segment(struct gc *g, uint32_t idx, uint32_t stamp)
{
	struct segs *segs = vol_segs(g->v);
	uint64_t at = segs_addr(segs, idx), last = at + segs_size(segs) - 1;
	struct head *h = &g->head[g->heat[idx] ? 1 : 0];
	int more = 1, err = 0;

	/* It may die meanwhile, but must not be reused while it is read. */
	if (!segs_pin_live(segs, idx))
		return 0;
	while (more == 1 && !err && !g->shun[idx]) {
		g->nfound = g->nsums = 0;
		vol_rdlock(g->v);
		more = state_pieces_at(vol_state(g->v), g->ctx->rd, at, last, found_one, g);
		vol_unlock(g->v);
		err = more < 0 ? more : carry(g, h, idx, stamp);
		if (g->nfound)
			at = g->found[g->nfound - 1].addr + 1;
	}
	segs_unpin(segs, segs_addr(segs, idx));
	if (!err && !g->shun[idx])
		g->stats.victims++;
	return err;
}
