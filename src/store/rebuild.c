/* SPDX-License-Identifier: MIT */
/* rebuild.c - from a metadata backup and the log to a volume (rebuild.h). */
#include "store/rebuild.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "store/backup.h"
#include "store/check_int.h"
#include "store/rebuild_int.h"

#define U(x) ((unsigned long long)(x))
#define PASSES 12
#define CACHE (8u << 20)

void rebuild_say(struct rebuild *rb, enum check_level level, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	if (!rb->o->say)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rb->o->say(rb->o->arg, level, text);
}

int rebuild_progress(struct rebuild *rb, const char *what, uint64_t done, uint64_t total)
{
	if (!rb->o->progress)
		return 0;
	return rb->o->progress(rb->o->arg, what, done, total, false) ? -ECANCELED : 0;
}

int rebuild_wipe_slots(struct rebuild *rb)
{
	uint8_t *zero = dev_alloc(VARVE_BLOCK);
	int err = 0;

	memset(zero, 0, VARVE_BLOCK);
	for (unsigned i = 0; i < 2 && !err; i++)
		err = dev_write(rb->dev, zero, rb->sup.slot_off + i * rb->sup.slot_size,
				VARVE_BLOCK);
	dev_free(zero);
	return err ? err : dev_flush(rb->dev);
}

/* --- the tables --- */

struct fixing {
	struct rebuild *rb;
	struct finding *find;
	size_t n, cap;
	unsigned stuck;
	bool say;
};

static void found(void *arg, const struct finding *f, const char *text)
{
	struct fixing *x = arg;

	if (!fix_can(f)) {
		x->stuck++;
		if (x->say)
			rebuild_say(x->rb, CHECK_FOUND, "%s", text);
		return;
	}
	if (x->n == x->cap) {
		x->cap = x->cap ? 2 * x->cap : 64;
		x->find = xrealloc(x->find, x->cap * sizeof(*x->find));
	}
	x->find[x->n++] = *f;
}

static int on_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct fixing *x = arg;

	return rebuild_progress(x->rb, what, done, total);
}

int rebuild_fix(struct rebuild *rb, struct vol_ctx *c)
{
	struct fixing x = { .rb = rb };
	struct verify_hooks h = { .found = found, .progress = on_progress, .arg = &x };
	unsigned dropped = 0;
	int err = 0;

	for (int i = 0; i < PASSES && !err; i++) {
		x.n = x.stuck = 0;
		err = verify_rows(c, &h, &rb->r->count);
		err = err < 0 ? err : 0;
		if (err || !x.n)
			break;
		rb->r->repaired += (unsigned)x.n;
		err = fix_rows(c, x.find, x.n);
	}
	if (!err)
		err = fix_orphans(c, &dropped);
	x.say = true;
	x.n = x.stuck = 0;
	if (!err) {
		err = verify_rows(c, &h, &rb->r->count);
		err = err < 0 ? err : 0;
	}
	rb->r->left = (unsigned)x.n + x.stuck;
	free(x.find);
	return err;
}

/* --- with a backup --- */

struct restore {
	struct rebuild *rb;
	struct bk_found *f;
	struct bk_image *image;
	uint8_t *used;  /* per segment: may not be written to */
	uint64_t *live; /* per segment: bytes of the backup's pieces */
	struct vol *v;
};

static int check_chunks(struct restore *x)
{
	uint8_t *buf = dev_alloc(BCHUNK_MAX);
	struct bchunk c;
	int err = 0;

	for (uint32_t i = 0; i < x->f->chunks && !err; i++) {
		err = bk_read_chunk(x->rb->dev, &x->rb->sup, x->f->addr[i], &c, buf, NULL);
		if (!err && (c.id != x->f->id || c.index != i))
			err = -VE_BACKUP;
		if (!err)
			err = rebuild_progress(x->rb, "metadata backup", i + 1, x->f->chunks);
	}
	dev_free(buf);
	return err;
}

static int note_piece(struct restore *x, const struct piece_row *p, bool live)
{
	uint32_t idx = segs_index(x->v->segs, p->addr);

	if (idx == UINT32_MAX || idx != segs_index(x->v->segs, p->addr + p->stored - 1))
		return 0;
	x->used[idx] = 1;
	if (live)
		x->live[idx] += p->live;
	return 0;
}

static int piece_then(void *arg, const struct piece_row *p)
{
	return note_piece(arg, p, true);
}

static int piece_now(void *arg, const struct piece_row *p)
{
	return note_piece(arg, p, false);
}

/* Rolls the backup forward in core, to learn whether that can be done and which
 * segments are needed. */
static int rehearse(struct restore *x)
{
	struct rebuild *rb = x->rb;
	const struct bchunk *h = &x->f->head;
	struct vol_opts o;
	struct tail tail = { 0 };
	struct reader *rd;
	struct meta_counts mc;
	int err;

	vol_opts_default(&o);
	o.readonly = true;
	err = vol_new(rb->dev, &rb->sup, &o, &x->v);
	if (err)
		return err;
	x->v->segs = segs_new(&rb->sup);
	x->v->state = state_new(bk_image_pages(x->image), rb->sup.hash_key);
	x->v->count = h->n;
	rd = reader_new(x->v->state);
	err = state_read_counts(x->v->state, rd, &mc);
	if (!err && (mc.ckpt != h->ckpt || mc.op_seq != h->n.op_seq || mc.log_seq != h->pos.seq))
		err = -VE_BACKUP;
	if (!err)
		err = state_pieces(x->v->state, rd, 0, piece_then, x);
	if (!err)
		err = scan_tail(rb->dev, &rb->sup, &h->pos, &tail);
	if (!err)
		err = vol_replay(x->v, &h->pos, &tail);
	if (!err)
		err = state_pieces(x->v->state, rd, 0, piece_now, x);
	for (uint32_t i = 0; i < tail.nsegs; i++)
		x->used[tail.segs[i]] = 1;
	for (uint32_t i = 0; i < x->f->chunks; i++)
		x->used[segs_index(x->v->segs, x->f->addr[i])] = 1;
	if (!err) {
		rb->r->batches = tail.batches;
		rb->r->op_seq = x->v->count.op_seq;
		if (tail.damaged)
			rebuild_say(rb, CHECK_FOUND, "the log since the backup is damaged at byte "
				    "%llu: what came after that is lost (%llu more batches found)",
				    U(tail.damaged_addr), U(tail.later_batches));
	}
	tail_free(&tail);
	reader_free(rd);
	vol_free(x->v);
	x->v = NULL;
	return err;
}

static int copy_pages(struct restore *x, struct page_store *to)
{
	struct page_store *from = bk_image_pages(x->image);
	struct ps_image *img = from->ops->acquire(from);
	uint8_t *buf = dev_alloc(VARVE_BLOCK);
	uint32_t n = x->f->head.pages;
	int err = to->ops->txn_begin(to);

	for (uint32_t p = 1; p <= n && !err; p++) {
		err = from->ops->read(from, img, p, buf);
		if (!err)
			err = to->ops->txn_write(to, p, buf);
		if (!err && (p % 256 == 0 || p == n))
			err = rebuild_progress(x->rb, "database pages", p, n);
	}
	dev_free(buf);
	from->ops->release(from, img);
	return err;
}

/* The backup's image and the slot that names it. */
static int restore_image(struct restore *x)
{
	struct rebuild *rb = x->rb;
	const struct bchunk *h = &x->f->head;
	struct slot s = { .seq = h->ckpt, .epoch = h->epoch, .time = h->time, .pos = h->pos,
			  .count = h->n, .seg_count = rb->sup.seg_count };
	struct segs *segs = segs_new(&rb->sup);
	struct pstore *ps;
	int err;

	for (uint32_t i = 0; i < s.seg_count; i++) {
		if (!x->used[i])
			continue;
		segs_mark_log(segs, i);
		segs_set_live(segs, i, (uint32_t)MIN(x->live[i], rb->sup.seg_size));
	}
	err = pstore_open(rb->dev, segs, NULL, NULL, CACHE, &ps);
	if (err)
		goto out;
	err = copy_pages(x, pstore_pages(ps));
	if (!err)
		err = pstore_prepare(ps, s.seq, &s.map);
	if (!err)
		err = dev_flush(rb->dev);
	s.table = xcalloc(s.seg_count, sizeof(*s.table));
	segs_snapshot(segs, s.table);
	pstore_close(ps);
	if ((rb->sup.compat & COMPAT_BACKUP) && slot_can_hold(&rb->sup)) {
		s.backup[0] = (struct backup_ref){
			.id = h->id, .ckpt = h->ckpt, .op_seq = h->n.op_seq, .time = h->time,
			.log_seq = h->pos.seq, .pages = h->pages, .chunks = x->f->chunks,
		};
		s.holds = xcalloc(s.seg_count, 1);
		for (uint32_t i = 0; i < x->f->chunks; i++)
			s.holds[segs_index(segs, x->f->addr[i])] = HOLD_DATA(0);
	}
	if (!err)
		err = rebuild_wipe_slots(rb);
	if (!err)
		err = slot_write(rb->dev, &rb->sup, &s);
	if (!err)
		err = dev_flush(rb->dev);
out:
	slot_free(&s);
	segs_free_table(segs);
	if (err == -ENOSPC)
		rebuild_say(rb, CHECK_FOUND, "no room for the database beside the data");
	return err;
}

/* Now it is a volume after a crash. */
static int open_and_fix(struct rebuild *rb)
{
	struct vol_opts o;
	struct vol_ctx *c;
	struct vol *v;
	int err;

	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	o.cut_damage = true;
	o.threads = 1;
	err = vol_open(rb->dev, &o, &v);
	if (err)
		return err;
	err = vol_ctx_open(v, rb->ring, &c);
	if (!err) {
		err = rebuild_fix(rb, c);
		if (!err)
			err = ckpt_run(c, false);
		vol_ctx_close(c);
	}
	if (!err)
		return vol_close(v);
	vol_abandon(v);
	return err;
}

static int try_backup(struct rebuild *rb, struct bk_found *f)
{
	struct restore x = { .rb = rb, .f = f };
	int err;

	x.used = xcalloc(rb->sup.seg_count, 1);
	x.live = xcalloc(rb->sup.seg_count, sizeof(*x.live));
	x.image = bk_image_open(rb->dev, &rb->sup, f);
	err = check_chunks(&x);
	if (!err)
		err = rehearse(&x);
	if (err && err != -ECANCELED) {
		rebuild_say(rb, CHECK_FOUND, "the metadata backup of checkpoint %llu cannot be "
			    "used: %s", U(f->head.ckpt), err_str(err));
		err = 1;
	}
	if (!err) {
		rebuild_say(rb, CHECK_NOTE, "using the metadata backup of checkpoint %llu "
			    "(operation %llu) and %llu batches of log since then",
			    U(f->head.ckpt), U(f->head.n.op_seq), U(rb->r->batches));
		err = restore_image(&x);
	}
	bk_image_close(x.image);
	free(x.used);
	free(x.live);
	if (err)
		return err;
	rb->r->from_backup = true;
	rb->r->ckpt = f->head.ckpt;
	rb->r->backup_op = f->head.n.op_seq;
	return open_and_fix(rb);
}

/* Batches in segments whose log was not reached: operations that are missing. */
struct beyond {
	uint64_t op_seq, last;
};

static void note_beyond(void *arg, const struct batch *b)
{
	struct beyond *y = arg;

	if (b->first_op + b->nrecs - 1 > y->last && b->nrecs)
		y->last = b->first_op + b->nrecs - 1;
}

static int count_missing(struct rebuild *rb)
{
	struct beyond y = { .op_seq = rb->r->op_seq };

	for (uint32_t i = 0; i < rb->sup.seg_count; i++) {
		int n = scan_batch_at(rb->dev, &rb->sup,
				      rb->sup.seg_base + (uint64_t)i * rb->sup.seg_size,
				      note_beyond, &y);

		if (n < 0)
			continue; /* unreadable: says nothing */
	}
	if (y.last <= y.op_seq)
		return 0;
	rb->r->missing = y.last - y.op_seq;
	rebuild_say(rb, CHECK_FOUND, "the log has a gap: at least %llu operations after number "
		    "%llu are lost", U(rb->r->missing), U(y.op_seq));
	return 0;
}

static int on_find(void *arg, uint64_t done, uint64_t total)
{
	return rebuild_progress(arg, "looking for metadata backups", done, total);
}

int rebuild_volume(struct dev *d, const struct rebuild_opts *o, struct rebuild_result *ret)
{
	struct rebuild rb = { .dev = d, .o = o, .r = ret };
	struct bk_found *f = NULL;
	size_t n = 0;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = super_read(d, &rb.sup, NULL);
	if (err)
		return err;
	err = ring_create(64, 0, &rb.ring);
	if (err)
		return err;
	if (!o->salvage)
		err = bk_find(d, &rb.sup, on_find, &rb, &f, &n);
	for (size_t i = 0; i < n && !err; i++) {
		err = try_backup(&rb, &f[i]);
		if (err != 1)
			break;
		err = 0;
	}
	bk_found_free(f, n);
	if (!err && ret->from_backup)
		err = count_missing(&rb);
	else if (!err)
		err = salvage(&rb);
	ring_destroy(rb.ring);
	return err;
}
