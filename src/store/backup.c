/* SPDX-License-Identifier: MIT */
/* backup.c - making, keeping and dropping metadata backups (backup.h). */
#include "store/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"

#define U(x) ((unsigned long long)(x))
#define LEVEL 1 /* of zstd: about 500 MB/s */
#define OPS_MIN 1000u
#define FIRST_MS 300000 /* after the mount, if there is none */

struct bk {
	struct vol *v;
	bool able;            /* the format has room for them */
	struct slot head;     /* of the newest checkpoint of this life; no table */
	bool have_head;
	struct backup_ref done[SLOT_BACKUPS];

	/* being made: number k, or -1 */
	int k;
	struct ps_image *img;
	struct bchunk c;      /* the next chunk; at first all that they share */
	uint64_t *addr;       /* of those written */
	uint32_t written, verified, cap;
	uint32_t seg, used;   /* where the next goes; UINT32_MAX: nowhere yet */
	bool alone;           /* when it is complete, drop all others */
	uint8_t *raw, *out;

	int64_t tried;         /* clock_mono() */
	_Atomic bool wanted;   /* by vol_want_backup */
	pthread_mutex_t mu;    /* rank 65: done, for those without the checkpoint lock */
	bool quiet;            /* said already that there is no space */
};

static struct page_store *pages_of(struct bk *b)
{
	return pstore_pages(b->v->ps);
}

struct bk *bk_new(struct vol *v)
{
	struct bk *b = xcalloc(1, sizeof(*b));

	b->v = v;
	b->k = -1;
	b->able = (v->sup.compat & COMPAT_BACKUP) && slot_can_hold(&v->sup);
	pthread_mutex_init(&b->mu, NULL);
	b->tried = clock_mono();
	return b;
}

void bk_free(struct bk *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->mu);
	free(b->addr);
	dev_free(b->raw);
	dev_free(b->out);
	free(b);
}

static uint8_t bits_of(unsigned k)
{
	return HOLD_LOG(k) | HOLD_DATA(k);
}

static int newest(const struct bk *b)
{
	int n = -1;

	for (int k = 0; k < (int)SLOT_BACKUPS; k++)
		if (b->done[k].id && (n < 0 || b->done[k].ckpt > b->done[n].ckpt))
			n = k;
	return n;
}

static void set_done(struct bk *b, unsigned k, const struct backup_ref *r)
{
	pthread_mutex_lock(&b->mu);
	b->done[k] = *r;
	pthread_mutex_unlock(&b->mu);
}

static void drop(struct bk *b, unsigned k)
{
	segs_unhold(b->v->segs, bits_of(k));
	set_done(b, k, &(struct backup_ref){ 0 });
	atomic_store(&b->v->fruitless, UINT32_MAX);
	atomic_store(&b->v->barren, 0);
}

/* --- slots --- */

void bk_open(struct vol *v, const struct slot *slot, const struct tail *tail)
{
	struct bk *b = v->bk;
	uint8_t log = 0;

	memset(b->done, 0, sizeof(b->done));
	if (!b->able || !slot->holds || (v->opts.cut_damage && tail->damaged))
		return;
	memcpy(b->done, slot->backup, sizeof(b->done));
	for (unsigned k = 0; k < SLOT_BACKUPS; k++)
		if (b->done[k].id)
			log |= HOLD_LOG(k);
	for (uint32_t i = 0; i < slot->seg_count; i++)
		segs_hold(v->segs, i, slot->holds[i] & (uint8_t)(log | log << 3));
	for (uint32_t i = 0; i < tail->nsegs; i++)
		segs_hold(v->segs, tail->segs[i], log);
	segs_hold_log(v->segs, log, UINT64_MAX, NULL, 0);
}

void bk_slot(struct vol *v, struct slot *s)
{
	struct bk *b = v->bk;
	uint8_t bits = 0;

	for (unsigned k = 0; k < SLOT_BACKUPS; k++)
		if (b->done[k].id)
			bits |= bits_of(k);
	if (!b->able || !bits)
		return;
	memcpy(s->backup, b->done, sizeof(s->backup));
	s->holds = xmalloc(s->seg_count);
	segs_holds(v->segs, bits, s->holds);
}

void bk_ckpt_done(struct vol *v, const struct slot *s)
{
	struct bk *b = v->bk;

	b->head = *s;
	b->head.table = NULL;
	b->head.holds = NULL;
	b->have_head = true;
}

/* --- making one --- */

static void end(struct bk *b)
{
	pages_of(b)->ops->release(pages_of(b), b->img);
	b->img = NULL;
	b->k = -1;
	free(b->addr);
	b->addr = NULL;
	b->cap = 0;
}

static void give_up(struct bk *b)
{
	unsigned k = (unsigned)b->k;

	end(b);
	drop(b, k);
}

/* Under the checkpoint lock: head is the newest image. */
static int begin(struct bk *b, bool alone)
{
	struct vol *v = b->v;
	const struct slot *h = &b->head;
	uint32_t keep[4];
	unsigned k = 0, nkeep;
	uint64_t id = 0;

	while (k < SLOT_BACKUPS && b->done[k].id)
		k++;
	if (k == SLOT_BACKUPS || !b->have_head)
		return -EBUSY;
	while (!id)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return -errno;
	b->img = pages_of(b)->ops->acquire(pages_of(b));
	b->c = (struct bchunk){
		.id = id, .first = 1,
		.pages = pages_of(b)->ops->npages(pages_of(b), b->img),
		.ckpt = h->seq, .epoch = h->epoch, .time = h->time, .pos = h->pos,
		.n = h->count,
	};
	b->k = (int)k;
	b->alone = alone;
	b->written = b->verified = 0;
	b->seg = UINT32_MAX;
	if (!b->raw) {
		b->raw = dev_alloc(BACKUP_CHUNK_PAGES * VARVE_BLOCK);
		b->out = dev_alloc(BCHUNK_MAX);
	}
	if (!b->c.pages || b->c.pages != h->map.pages) {
		end(b);
		return -EINVAL;
	}
	nkeep = log_held_segments(v->log, keep);
	segs_hold_log(v->segs, HOLD_LOG(k), h->pos.seq, keep, nkeep);
	return 0;
}

/* The last free segments are not ours. */
static bool may_take(struct bk *b, uint32_t want)
{
	struct segs_space s;

	segs_get_space(b->v->segs, &s);
	return s.free > s.reserve + MAX(3u, s.total / 64) + want;
}

static int take_segment(struct bk *b)
{
	struct vol *v = b->v;
	int err;

	if (!may_take(b, 0))
		return -ENOSPC;
	err = segs_alloc(v->segs, SEG_LOG, SEG_USER, &b->seg);
	if (err)
		return err;
	segs_hold(v->segs, b->seg, HOLD_DATA(b->k));
	segs_touch(v->segs, b->seg, (uint32_t)(clock_wall() / 1000000000), 0);
	b->used = 0;
	return 0;
}

static void pack(struct bk *b)
{
	struct bchunk *c = &b->c;
	size_t raw = (size_t)c->npages * VARVE_BLOCK, n;
	uint8_t *data = b->out + VARVE_BLOCK;

	c->raw_crc = crc32c(0, b->raw, raw);
	n = ZSTD_compress(data, raw, b->raw, raw, LEVEL);
	if (ZSTD_isError(n) || n >= raw) {
		memcpy(data, b->raw, raw);
		n = raw;
		c->enc = BACKUP_PLAIN;
	} else {
		c->enc = BACKUP_ZSTD;
	}
	c->stored = (uint32_t)n;
	c->data_crc = crc32c(0, data, n);
	memset(data + n, 0, align_up(n, VARVE_BLOCK) - n);
	bchunk_encode(&b->v->sup, c, b->out);
}

static int write_chunk(struct bk *b)
{
	struct vol *v = b->v;
	struct bchunk *c = &b->c;
	int err = 0;

	c->index = b->written;
	c->first = b->written * BACKUP_CHUNK_PAGES + 1;
	c->npages = MIN(BACKUP_CHUNK_PAGES, c->pages - c->first + 1);
	c->count = c->first - 1 + c->npages == c->pages ? c->index + 1 : 0;
	for (uint32_t i = 0; i < c->npages && !err; i++)
		err = pstore_read_cold(v->ps, b->img, c->first + i,
				       b->raw + (size_t)i * VARVE_BLOCK);
	if (err)
		return err;
	pack(b);
	if (b->seg == UINT32_MAX || b->used + bchunk_bytes(c) > segs_size(v->segs)) {
		err = take_segment(b);
		if (err)
			return err;
	}
	if (b->written == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->addr = xrealloc(b->addr, b->cap * sizeof(*b->addr));
	}
	b->addr[b->written] = segs_addr(v->segs, b->seg) + b->used;
	err = dev_write(v->dev, b->out, b->addr[b->written], bchunk_bytes(c));
	b->used += bchunk_bytes(c);
	b->written++;
	return err ? err : c->count ? dev_flush(v->dev) : 0;
}

/* As it lies on the device, against the image that it was made of. */
static int verify_chunk(struct bk *b)
{
	struct bchunk c;
	int err = bk_read_chunk(b->v->dev, &b->v->sup, b->addr[b->verified], &c, b->out, NULL);

	if (!err && (c.id != b->c.id || c.index != b->verified))
		err = -VE_BACKUP;
	b->verified++;
	return err;
}

static void complete(struct bk *b)
{
	int k = b->k, last = newest(b);
	const struct bchunk *c = &b->c;

	set_done(b, (unsigned)k, &(struct backup_ref){
		.id = c->id, .ckpt = c->ckpt, .op_seq = c->n.op_seq, .log_seq = c->pos.seq,
		.time = c->time, .pages = c->pages, .chunks = b->written,
	});
	end(b);
	for (int i = 0; i < (int)SLOT_BACKUPS; i++)
		if (b->done[i].id && i != k && (i != last || b->alone))
			drop(b, (unsigned)i);
	b->quiet = false;
	atomic_store(&b->v->want_ckpt, true); /* its slot names it */
	msg_debug("%s: metadata backup of checkpoint %llu complete: %u pages in %u chunks",
		  dev_name(b->v->dev), U(b->done[k].ckpt), b->done[k].pages, b->done[k].chunks);
}

static int step(struct bk *b)
{
	int err;

	if (!b->c.count || b->written < b->c.count)
		err = write_chunk(b);
	else
		err = verify_chunk(b);
	if (!err && b->c.count && b->verified == b->c.count) {
		complete(b);
		return 0;
	}
	if (!err)
		return 0;
	if (err != -ENOSPC || !b->quiet)
		msg_warn("%s: metadata backup given up: %s", dev_name(b->v->dev), err_str(err));
	b->quiet |= err == -ENOSPC;
	give_up(b);
	return err;
}

/* --- when --- */

static int64_t ms_since(int64_t then)
{
	return (clock_mono() - then) / 1000000;
}

static uint8_t log_bits(const struct bk *b)
{
	uint8_t bits = 0;

	for (unsigned k = 0; k < SLOT_BACKUPS; k++)
		bits |= HOLD_LOG(k);
	return bits;
}

static bool due(struct bk *b)
{
	struct vol *v = b->v;
	int64_t interval = v->opts.backup_ms, age;
	uint64_t ops;
	int n = newest(b);

	if (!b->have_head || ms_since(b->tried) < MIN(interval, FIRST_MS))
		return false;
	if (n < 0)
		return true;
	ops = b->head.count.op_seq - b->done[n].op_seq;
	age = (clock_wall() - b->done[n].time) / 1000000;
	if (age >= interval && ops >= MAX(OPS_MIN, b->head.count.inodes / 20))
		return true;
	return ops && age >= interval / 12 &&
	       segs_count_held(v->segs, log_bits(b)) > segs_count(v->segs) / 16;
}

bool bk_tick(struct vol_ctx *c)
{
	struct vol *v = c->vol;
	struct bk *b = v->bk;
	bool more;

	if (!b->able || vol_readonly(v))
		return false;
	pthread_mutex_lock(&v->ckpt_lock);
	if (b->k >= 0) {
		step(b);
	} else if (b->have_head && !atomic_load(&v->want_ckpt) &&
		   atomic_exchange(&b->wanted, false)) {
		b->tried = clock_mono();
		begin(b, false);
	} else if (v->opts.no_backup) {
		if (newest(b) >= 0)
			bk_forget(v);
	} else if (due(b)) {
		b->tried = clock_mono();
		if (may_take(b, 0))
			begin(b, false);
	}
	more = b->k >= 0;
	pthread_mutex_unlock(&v->ckpt_lock);
	return more;
}

uint32_t bk_held(struct vol *v)
{
	return segs_count_held(v->segs, HOLD_ALL);
}

void bk_forget(struct vol *v)
{
	for (unsigned k = 0; k < SLOT_BACKUPS; k++)
		if (v->bk->done[k].id)
			drop(v->bk, k);
}

/* One thing after the other, the least valuable first. */
static bool shed(struct bk *b)
{
	int last = newest(b);

	if (b->k >= 0) {
		give_up(b);
		return true;
	}
	for (int k = 0; k < (int)SLOT_BACKUPS; k++)
		if (b->done[k].id && k != last) {
			drop(b, (unsigned)k);
			return true;
		}
	if (last < 0)
		return false;
	drop(b, (unsigned)last);
	msg_warn("%s: no metadata backup any more: its space is needed",
		 dev_name(b->v->dev));
	b->quiet = true;
	return true;
}

bool bk_relieve(struct vol *v)
{
	struct bk *b = v->bk;
	struct segs_space s;
	uint32_t left;
	bool gone = false;

	segs_get_space(v->segs, &s);
	left = s.free + s.pending > s.reserve ? s.free + s.pending - s.reserve : 0;
	if (!b->able || left > MAX(6u, s.total / 16))
		return false;
	pthread_mutex_lock(&v->ckpt_lock);
	if (!segs_count_holds(v->segs)) {
		/* nothing to gain */
	} else if (left <= MAX(3u, s.total / 64)) {
		gone = shed(b);
		b->tried = clock_mono();
	} else if (b->k < 0 && b->have_head && !v->opts.no_backup &&
		   ms_since(b->tried) >= v->opts.backup_ms / 60 && may_take(b, 1)) {
		/* A new one holds less of the log. */
		b->tried = clock_mono();
		begin(b, true);
	}
	pthread_mutex_unlock(&v->ckpt_lock);
	return gone;
}

void bk_stop(struct vol *v)
{
	if (v->bk->k >= 0)
		give_up(v->bk);
}

int vol_backup(struct vol_ctx *c)
{
	struct vol *v = c->vol;
	struct bk *b = v->bk;
	int err = b->able ? vol_checkpoint(c) : -EOPNOTSUPP;
	bool more = true;
	uint64_t ckpt = 0;

	if (err)
		return err;
	pthread_mutex_lock(&v->ckpt_lock);
	if (b->k < 0)
		err = begin(b, false);
	if (!err)
		ckpt = b->c.ckpt;
	pthread_mutex_unlock(&v->ckpt_lock);
	/* The checkpoint thread may take some of the steps. */
	while (!err && more) {
		pthread_mutex_lock(&v->ckpt_lock);
		more = b->k >= 0;
		if (more)
			err = step(b);
		else if (newest(b) < 0 || b->done[newest(b)].ckpt < ckpt)
			err = -VE_BACKUP;
		pthread_mutex_unlock(&v->ckpt_lock);
	}
	return err ? err : vol_checkpoint(c);
}

void vol_backups(struct vol *v, struct backup_ref ret[SLOT_BACKUPS])
{
	pthread_mutex_lock(&v->bk->mu);
	memcpy(ret, v->bk->done, sizeof(v->bk->done));
	pthread_mutex_unlock(&v->bk->mu);
}

int vol_want_backup(struct vol *v)
{
	if (!v->bk->able)
		return -EOPNOTSUPP;
	if (vol_readonly(v))
		return -VE_READONLY;
	atomic_store(&v->bk->wanted, true);
	/* Of what is there now, so a checkpoint comes first. */
	atomic_store(&v->want_ckpt, true);
	ckpt_kick(v);
	return 0;
}
