/* SPDX-License-Identifier: MIT */
/* salvage.c - without any metadata: what the batches of the log say.
 *
 * All valid batches on the device, in order, are applied to an empty volume.
 * Records may speak of inodes whose making is lost: those are made up, as a
 * directory if something is ever named in them, else as a file.  Names, counts and
 * accounting are put right afterwards by the checks of fsck. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "base/omap.h"
#include "log/piece.h"
#include "store/rebuild_int.h"

#define U(x) ((unsigned long long)(x))
#define SEQ_JUMP (1ull << 32) /* far above any number that is in use */
#define KEEP 0x80u            /* hold, in core only */

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

struct spot {
	uint64_t addr, seq, epoch, first_op;
	uint32_t nrecs;
};

struct salv {
	struct rebuild *rb;
	struct vol *v;
	struct vol_ctx *c;
	struct spot *spot;
	size_t n, cap;
	struct omap *dirs; /* inodes that something was named in */
	uint32_t *sums;
	uint64_t last_op, made_up;
	int64_t time;
	int err;
};

/* --- which batches --- */

static void add_spot(void *arg, const struct batch *b)
{
	struct salv *s = arg;

	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->spot = xrealloc(s->spot, s->cap * sizeof(*s->spot));
	}
	s->spot[s->n++] = (struct spot){ b->addr, b->seq, b->epoch, b->first_op, b->nrecs };
	s->time = MAX(s->time, b->time);
}

static int spot_cmp(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->epoch < y->epoch ? 1 : x->epoch > y->epoch ? -1 : 0;
}

/* Batches that a recovery discarded lie beside those that were written in their
 * place: of one number the later epoch counts, and epochs never go back. */
static void choose_spots(struct salv *s)
{
	uint64_t epoch = 0, op = 0, seq = 0;
	size_t n = 0;

	if (s->n > 1)
		qsort(s->spot, s->n, sizeof(*s->spot), spot_cmp);
	for (size_t i = 0; i < s->n; i++) {
		const struct spot *p = &s->spot[i];

		if (p->epoch < epoch || p->seq == seq || (p->nrecs && p->first_op <= op))
			continue;
		if (p->nrecs && p->first_op > op + 1) {
			s->rb->r->missing += p->first_op - op - 1;
			rebuild_say(s->rb, CHECK_FOUND, "operations %llu to %llu are in no batch",
				    U(op + 1), U(p->first_op - 1));
		}
		epoch = p->epoch;
		seq = p->seq;
		if (p->nrecs)
			op = p->first_op + p->nrecs - 1;
		s->spot[n++] = *p;
	}
	s->n = n;
	s->last_op = op;
}

static int find_batches(struct salv *s, struct segs *segs)
{
	struct rebuild *rb = s->rb;
	uint8_t *block = dev_alloc(VARVE_BLOCK);
	int err = 0;

	for (uint32_t i = 0; i < rb->sup.seg_count && !err; i++) {
		const struct move_disk *m = (const void *)block;
		size_t before = s->n;

		scan_segment(rb->dev, &rb->sup, i, add_spot, s);
		/* Neither batches nor what the compactor moved is written over. */
		if (s->n > before ||
		    (!dev_read(rb->dev, block, segs_addr(segs, i), VARVE_BLOCK) &&
		     le64toh(m->magic) == MOVE_MAGIC &&
		     memcmp(m->uuid, rb->sup.uuid, sizeof(m->uuid)) == 0))
			segs_mark_log(segs, i);
		err = rebuild_progress(rb, "looking for batches", i + 1, rb->sup.seg_count);
	}
	dev_free(block);
	choose_spots(s);
	return err;
}

/* --- what they speak of --- */

static void is_dir(struct salv *s, uint64_t ino)
{
	if (ino)
		omap_put(s->dirs, (struct okey){ ino, 0 }, s);
}

static void learn(struct salv *s, const struct rec *r)
{
	switch (r->kind) {
	case REC_MAKE:
		is_dir(s, r->make.at.dir);
		break;
	case REC_LINK:
	case REC_UNLINK:
		is_dir(s, r->link.at.dir);
		break;
	case REC_RENAME:
		is_dir(s, r->rename.from.dir);
		is_dir(s, r->rename.to.dir);
		break;
	default:
		break;
	}
}

static int have(struct salv *s, uint64_t ino)
{
	struct inode_row i;

	return state_inode(s->v->state, s->c->rd, ino, &i);
}

/* An inode that is not there is made up. */
static int need(struct salv *s, uint64_t ino, int64_t time)
{
	bool dir = ino == VARVE_ROOT_INO || omap_get(s->dirs, (struct okey){ ino, 0 });
	struct inode_row i = {
		.ino = ino, .mode = dir ? S_IFDIR | 0700 : S_IFREG | 0600, .nlink = dir ? 2 : 1,
		.parent = ino == VARVE_ROOT_INO ? ino : 0,
		.atime = time, .mtime = time, .ctime = time, .btime = time,
	};
	int err = have(s, ino);

	if (err != -ENOENT)
		return err;
	if (ino > INT64_MAX - 1)
		return -VE_REC_VALUE;
	if (ino == VARVE_ROOT_INO)
		i.mode = S_IFDIR | 0755;
	state_put_inode(s->v->state, &i, true);
	s->v->count.inodes++;
	s->v->count.next_ino = MAX(s->v->count.next_ino, ino + 1);
	s->made_up++;
	return 0;
}

/* So that r can be applied.  1: it need not be. */
static int prepare(struct salv *s, struct rec *r)
{
	int64_t t = r->time;
	struct inode_row i;
	int err;

	switch (r->kind) {
	case REC_MAKE:
		return r->make.at.dir ? need(s, r->make.at.dir, t) : 0;
	case REC_LINK:
		err = need(s, r->link.at.dir, t);
		return err ? err : need(s, r->link.ino, t);
	case REC_UNLINK:
		err = have(s, r->link.ino);
		if (err)
			return err == -ENOENT ? 1 : err;
		return need(s, r->link.at.dir, t);
	case REC_DROP:
		err = state_inode(s->v->state, s->c->rd, r->drop.ino, &i);
		if (err)
			return err == -ENOENT ? 1 : err;
		if (i.nlink) { /* the loss of its last name is lost */
			i.nlink = 0;
			state_put_inode(s->v->state, &i, false);
		}
		return 0;
	case REC_RENAME:
		err = need(s, r->rename.from.dir, t);
		if (!err)
			err = need(s, r->rename.to.dir, t);
		if (!err)
			err = need(s, r->rename.ino, t);
		if (err || !r->rename.victim)
			return err;
		if (r->rename.mode & RENAME_EXCHANGE)
			return need(s, r->rename.victim, t);
		err = have(s, r->rename.victim);
		if (err == -ENOENT)
			r->rename.victim = 0;
		return err == -ENOENT ? 0 : err;
	case REC_SETATTR:
		return need(s, r->setattr.ino, t);
	case REC_WRITE:
		/* What the compactor cut is only of use to what it was cut from. */
		err = r->write.was ? have(s, r->write.ino) : 0;
		if (err)
			return err == -ENOENT ? 1 : err;
		return need(s, r->write.ino, t);
	case REC_TRUNCATE:
		return need(s, r->truncate.ino, t);
	case REC_FALLOC:
		return need(s, r->falloc.ino, t);
	case REC_CLONE:
		err = need(s, r->clone.src, t);
		return err ? err : need(s, r->clone.dst, t);
	case REC_SETXATTR:
	case REC_RMXATTR:
		return need(s, r->setxattr.ino, t);
	default:
		return 0;
	}
}

static void learn_batch(void *arg, const struct batch *b)
{
	struct salv *s = arg;
	struct rec_iter it;
	struct rec r;

	rec_iter_init(&it, b);
	while (rec_iter_next(&it, s->sums, &r) > 0)
		learn(s, &r);
}

static void apply_batch(void *arg, const struct batch *b)
{
	struct salv *s = arg;
	struct rec_iter it;
	struct rec r;
	uint64_t op;
	int n;

	rec_iter_init(&it, b);
	while (op = it.op, (n = rec_iter_next(&it, s->sums, &r)) > 0) {
		int err = prepare(s, &r);

		if (!err)
			err = apply_record(s->v, s->c->rd, &r, op);
		if (err == -ENOMEM) {
			s->err = err;
			return;
		}
		if (err < 0) {
			s->rb->r->skipped++;
			rebuild_say(s->rb, CHECK_NOTE, "operation %llu cannot be applied: %s",
				    U(op), err_str(err));
		}
	}
	if (n < 0)
		rebuild_say(s->rb, CHECK_FOUND, "batch %llu (byte %llu): %s", U(b->seq),
			    U(b->addr), err_str(n));
	s->rb->r->batches++;
}

static int for_all(struct salv *s, const char *what,
		   void (*fn)(void *arg, const struct batch *b))
{
	int err = 0;

	for (size_t i = 0; i < s->n && !err && !s->err; i++) {
		err = scan_batch_at(s->rb->dev, &s->rb->sup, s->spot[i].addr, fn, s);
		if (err >= 0)
			err = rebuild_progress(s->rb, what, i + 1, s->n);
	}
	return s->err ? s->err : err;
}

/* --- data that cannot be there --- */

struct place {
	uint64_t addr, id;
	uint32_t stored;
};

struct places {
	struct place *p;
	size_t n, cap;
};

static int add_place(void *arg, const struct piece_row *p)
{
	struct places *l = arg;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->p = xrealloc(l->p, l->cap * sizeof(*l->p));
	}
	l->p[l->n++] = (struct place){ p->addr, p->id, p->stored };
	return 0;
}

static int place_cmp(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static bool data_good(struct salv *s, const struct piece_row *p)
{
	uint64_t from = align_down(p->addr, VARVE_BLOCK);
	uint64_t to = align_up(p->addr + p->stored, VARVE_BLOCK);
	uint8_t *buf = dev_alloc(to - from);
	bool good = !dev_read(s->rb->dev, buf, from, (uint32_t)(to - from)) &&
		    !piece_verify(buf + (p->addr - from), p->stored, p->sums, p->nsums);

	dev_free(buf);
	return good;
}

/* Of two pieces in one place one has been written over: reading it must give an
 * error, and its space is not counted. */
static int drop_if_bad(struct salv *s, struct place *p)
{
	struct piece_row row;
	int err = p->stored ? state_piece(s->v->state, s->c->rd, p->id, &row) : -ENOENT;

	if (err)
		return err == -ENOENT ? 0 : err;
	if (data_good(s, &row))
		return 0;
	state_del_piece(s->v->state, row.id);
	segs_live_add(s->v->segs, row.addr, -(int64_t)row.live);
	s->v->count.data_bytes -= row.live;
	p->stored = 0;
	return 0;
}

static int drop_overwritten(struct salv *s)
{
	struct places l = { 0 };
	size_t last = 0; /* that reaches furthest so far */
	int err = state_pieces(s->v->state, s->c->rd, 0, add_place, &l);

	if (l.n > 1)
		qsort(l.p, l.n, sizeof(*l.p), place_cmp);
	for (size_t i = 1; i < l.n && !err; i++) {
		if (l.p[last].addr + l.p[last].stored > l.p[i].addr) {
			err = drop_if_bad(s, &l.p[last]);
			if (!err)
				err = drop_if_bad(s, &l.p[i]);
		}
		if (l.p[i].addr + l.p[i].stored >= l.p[last].addr + l.p[last].stored)
			last = i;
	}
	free(l.p);
	return err;
}

/* --- the whole --- */

/* An empty volume whose log goes on far behind everything that was found, in a
 * free segment; nothing of it is on the device before its first checkpoint. */
static int open_empty(struct salv *s, struct segs *segs)
{
	struct rebuild *rb = s->rb;
	struct slot slot = { .seq = 1, .seg_count = rb->sup.seg_count, .time = s->time };
	struct vol_opts o;
	uint32_t first;
	int err = segs_alloc(segs, SEG_LOG, SEG_SYSTEM, &first);

	if (err) {
		rebuild_say(rb, CHECK_FOUND, "no segment is free");
		return err;
	}
	slot.table = xcalloc(slot.seg_count, sizeof(*slot.table));
	segs_snapshot(segs, slot.table);
	for (size_t i = 0; i < s->n; i++)
		slot.epoch = MAX(slot.epoch, s->spot[i].epoch);
	slot.pos = (struct log_pos){
		.addr = segs_addr(segs, first), .next_seg = first,
		.seq = (s->n ? s->spot[s->n - 1].seq : 0) + SEQ_JUMP,
	};
	slot.count = (struct counters){ .op_seq = s->last_op, .next_ino = VARVE_ROOT_INO,
					.next_piece = 1 };
	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	o.threads = 1;
	err = vol_new(rb->dev, &rb->sup, &o, &s->v);
	if (!err)
		err = vol_start(s->v, &slot, NULL);
	if (!err)
		err = vol_ctx_open(s->v, rb->ring, &s->c);
	for (uint32_t i = 0; i < slot.seg_count && !err; i++)
		segs_hold(s->v->segs, i, KEEP);
	slot_free(&slot);
	return err;
}

static int apply_all(struct salv *s)
{
	struct vol *v = s->v;
	int err;

	vol_wrlock(v);
	err = for_all(s, "records", apply_batch);
	if (!err)
		err = need(s, VARVE_ROOT_INO, s->time);
	v->count.op_seq = s->last_op;
	if (!err)
		err = drop_overwritten(s);
	space_note_overlay(v);
	vol_unlock(v);
	return err;
}

static int finish(struct salv *s)
{
	int err = rebuild_fix(s->rb, s->c);

	if (!err)
		err = rebuild_wipe_slots(s->rb);
	if (!err)
		err = ckpt_run(s->c, false);
	segs_unhold(s->v->segs, KEEP);
	s->rb->r->op_seq = s->v->count.op_seq;
	return err;
}

int salvage(struct rebuild *rb)
{
	struct salv s = { .rb = rb };
	struct segs *segs = segs_new(&rb->sup);
	int err;

	rebuild_say(rb, CHECK_NOTE, "no metadata backup: salvaging what the log's batches say");
	s.sums = xmalloc(VARVE_PIECE_SUMS * sizeof(*s.sums));
	s.dirs = omap_new();
	err = find_batches(&s, segs);
	if (!err && !s.n) {
		rebuild_say(rb, CHECK_FOUND, "no batch of the log was found");
		err = -VE_LOG_DAMAGE;
	}
	if (!err)
		err = for_all(&s, "records, first pass", learn_batch);
	if (!err)
		err = open_empty(&s, segs);
	if (!err)
		err = apply_all(&s);
	if (!err && s.made_up)
		rebuild_say(rb, CHECK_FOUND, "%llu inodes whose making is lost were made up",
			    U(s.made_up));
	if (!err)
		err = finish(&s);
	vol_ctx_close(s.c);
	if (s.v && !err)
		err = vol_close(s.v);
	else if (s.v)
		vol_abandon(s.v);
	omap_free(s.dirs, NULL);
	free(s.sums);
	free(s.spot);
	segs_free_table(segs);
	return err;
}
