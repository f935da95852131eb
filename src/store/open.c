/* SPDX-License-Identifier: MIT */
/* open.c - making, opening and closing a volume; its contexts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/backup.h"

void vol_opts_default(struct vol_opts *o)
{
	*o = (struct vol_opts){
		.threads = 4,
		.commit_ms = 5000,
		.ckpt_ms = 30000,
		.ckpt_bytes = 1ull << 30,
		.overlay_bytes = 96u << 20,
		.cache_bytes = 64u << 20,
		.backup_ms = 3600000,
	};
}

int vol_new(struct dev *d, const struct super *sup, const struct vol_opts *o,
	    struct vol **ret)
{
	struct vol *v = xcalloc(1, sizeof(*v));
	pthread_rwlockattr_t attr;
	struct vol_opts def;

	vol_opts_default(&def);
	v->dev = d;
	v->sup = *sup;
	v->opts = *o;
	if (!v->opts.threads)
		v->opts.threads = def.threads;
	if (!v->opts.commit_ms)
		v->opts.commit_ms = def.commit_ms;
	if (!v->opts.ckpt_ms)
		v->opts.ckpt_ms = def.ckpt_ms;
	if (!v->opts.ckpt_bytes)
		v->opts.ckpt_bytes = def.ckpt_bytes;
	v->opts.ckpt_bytes = MIN(v->opts.ckpt_bytes, sup->dev_size / 8);
	if (!v->opts.overlay_bytes)
		v->opts.overlay_bytes = def.overlay_bytes;
	/* A small volume cannot hold the pages of a large overlay. */
	v->opts.overlay_bytes = MIN(v->opts.overlay_bytes,
				    MAX(sup->dev_size / 64, 1u << 20));
	if (!v->opts.cache_bytes)
		v->opts.cache_bytes = def.cache_bytes;
	if (!v->opts.backup_ms)
		v->opts.backup_ms = def.backup_ms;

	/* Writers first: a stream of readers must not starve them. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&v->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&v->ckpt_lock, NULL);
	pthread_mutex_init(&v->wait_lock, NULL);
	atomic_store(&v->ckpt_time, clock_mono());
	v->bk = bk_new(v);
	*ret = v;
	return 0;
}

void vol_free(struct vol *v)
{
	if (!v)
		return;
	bk_stop(v);
	state_free(v->state);
	pstore_close(v->ps);
	log_close(v->log);
	segs_free_table(v->segs);
	bk_free(v->bk);
	pthread_rwlock_destroy(&v->lock);
	pthread_mutex_destroy(&v->ckpt_lock);
	pthread_mutex_destroy(&v->wait_lock);
	free(v);
}

int vol_open(struct dev *d, const struct vol_opts *o, struct vol **ret)
{
	struct super sup;
	struct vol *v;
	bool repaired;
	int err = super_read(d, &sup, &repaired);

	if (err)
		return err;
	if (!o->readonly && (sup.ro_compat & ~RO_COMPAT_KNOWN))
		return -VE_FEATURE;
	err = vol_new(d, &sup, o, &v);
	if (err)
		return err;
	if (repaired) {
		msg_warn("%s: one copy of the superblock was damaged%s", dev_name(d),
			 o->readonly ? "" : "; rewritten from the other");
		if (!o->readonly)
			err = super_write(d, &sup);
	}
	if (!err)
		err = vol_recover(v);
	if (!err && !o->readonly && !o->no_ckpt_thread)
		err = ckpt_thread_start(v);
	if (err) {
		vol_free(v);
		return err;
	}
	*ret = v;
	return 0;
}

/* The last checkpoint; after a failure of anything but the log, at least what was
 * acknowledged goes there, for replay. */
static int close_clean(struct vol *v)
{
	bool failed = atomic_load(&v->failed);
	struct vol_ctx *c;
	struct ring *r;
	int err;

	if (failed && log_is_dead(v->log))
		return -VE_READONLY;
	err = ring_create(64, 0, &r);
	if (err)
		return err;
	err = vol_ctx_open(v, r, &c);
	if (!err) {
		err = failed ? vol_sync_wait(c, 0) : ckpt_run(c, true);
		vol_ctx_close(c);
	}
	ring_destroy(r);
	return failed && !err ? -VE_READONLY : err;
}

int vol_close(struct vol *v)
{
	int err = 0;

	ckpt_thread_stop(v);
	bk_stop(v);
	if (v->log)
		err = close_clean(v);
	if (err && err != -VE_READONLY)
		msg_err("%s: closing checkpoint failed: %s; the log will be replayed",
			dev_name(v->dev), err_str(err));
	vol_free(v);
	return err;
}

void vol_abandon(struct vol *v)
{
	ckpt_thread_stop(v);
	vol_free(v);
}

static void rest(struct ring_op *op, int res, uint32_t flags)
{
	struct vol_ctx *c = container_of(op, struct vol_ctx, rest);

	reader_rest(c->rd);
	pthread_mutex_lock(&c->vol->wait_lock);
	c->rest_posted = false;
	pthread_mutex_unlock(&c->vol->wait_lock);
}

void vol_rest_readers(struct vol *v)
{
	pthread_mutex_lock(&v->wait_lock);
	for (struct vol_ctx *c = v->contexts; c; c = c->next) {
		if (c->rest_posted)
			continue;
		c->rest_posted = true;
		ring_post(c->ring, &c->rest, 0);
	}
	pthread_mutex_unlock(&v->wait_lock);
}

/* No more posts come; what was posted still will. */
static bool unlist(struct vol_ctx *c)
{
	struct vol *v = c->vol;
	bool posted;

	pthread_mutex_lock(&v->wait_lock);
	for (struct vol_ctx **p = &v->contexts; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
	posted = c->rest_posted;
	pthread_mutex_unlock(&v->wait_lock);
	return posted;
}

int vol_ctx_open(struct vol *v, struct ring *r, struct vol_ctx **ret)
{
	struct vol_ctx *c = xcalloc(1, sizeof(*c));

	c->vol = v;
	c->ring = r;
	c->rd = reader_new(v->state);
	dev_attach_ring(v->dev, r);
	c->rest.fn = rest;
	pthread_mutex_lock(&v->wait_lock);
	c->next = v->contexts;
	v->contexts = c;
	pthread_mutex_unlock(&v->wait_lock);
	*ret = c;
	return 0;
}

void vol_ctx_close(struct vol_ctx *c)
{
	if (!c)
		return;
	while (unlist(c) || ring_pending(c->ring))
		if (ring_run(c->ring, -1) < 0)
			break;
	dev_detach_ring(c->vol->dev, c->ring);
	reader_free(c->rd);
	free(c);
}

/* The root directory, as an ordinary record of an ordinary volume. */
static int make_root(struct vol *v, const struct vol_format *f)
{
	struct rec rec = {
		.kind = REC_MAKE, .uid = f->root_uid, .time = clock_wall(),
		.make = { .ino = VARVE_ROOT_INO,
			  .mode = S_IFDIR | (f->root_mode & 07777),
			  .uid = f->root_uid, .gid = f->root_gid },
	};
	struct vol_ctx *c;
	struct ring *r;
	int err = ring_create(64, 0, &r);

	if (err)
		return err;
	err = vol_ctx_open(v, r, &c);
	if (!err) {
		vol_wrlock(v);
		err = vol_commit(c, &rec, SEG_USER, NULL);
		vol_unlock(v);
		vol_ctx_close(c);
	}
	ring_destroy(r);
	return err;
}

/* The volume counts only once its superblocks are written, last of all; the old
 * ones are wiped first, so that a mkfs that was cut off leaves no volume. */
int vol_mkfs(struct dev *d, const struct vol_format *f)
{
	struct super sup;
	struct slot slot = { 0 };
	struct vol_opts o;
	struct vol *v = NULL;
	uint8_t *zero;
	int err = super_plan(dev_size(d), f->seg_size, &sup);

	if (err)
		return err;
	if (f->uuid)
		memcpy(sup.uuid, f->uuid, sizeof(sup.uuid));
	else if (getrandom(sup.uuid, sizeof(sup.uuid), 0) != sizeof(sup.uuid))
		return -errno;
	if (!f->uuid) { /* RFC 4122, version 4 */
		sup.uuid[6] = (sup.uuid[6] & 0x0f) | 0x40;
		sup.uuid[8] = (sup.uuid[8] & 0x3f) | 0x80;
	}
	if (getrandom(sup.hash_key, sizeof(sup.hash_key), 0) != sizeof(sup.hash_key))
		return -errno;
	if (f->label)
		strncpy(sup.label, f->label, sizeof(sup.label) - 1);
	sup.created = clock_wall();
	sup.compat = COMPAT_BACKUP;

	zero = dev_alloc(VARVE_BLOCK);
	memset(zero, 0, VARVE_BLOCK);
	err = dev_write(d, zero, 0, VARVE_BLOCK);
	if (!err)
		err = dev_write(d, zero, align_down(dev_size(d), VARVE_BLOCK) - VARVE_BLOCK,
				VARVE_BLOCK);
	if (!err)
		err = dev_flush(d);
	if (!err && f->discard) {
		err = dev_discard(d, 0, dev_size(d));
		if (err == -EOPNOTSUPP)
			err = 0;
	}
	/* A slot of an earlier volume with the same UUID must not be believed. */
	if (!err)
		err = dev_write(d, zero, sup.slot_off + sup.slot_size, VARVE_BLOCK);
	dev_free(zero);
	if (err)
		return err;

	slot.seg_count = sup.seg_count;
	slot.table = xcalloc(sup.seg_count, sizeof(*slot.table));
	slot.table[0].state = SEG_LOG;
	slot.time = sup.created;
	slot.pos = (struct log_pos){ .addr = sup.seg_base, .seq = 1 };
	slot.count.next_ino = VARVE_ROOT_INO;
	slot.count.next_piece = 1;
	err = slot_write(d, &sup, &slot);
	if (!err)
		err = dev_flush(d);

	if (!err) {
		vol_opts_default(&o);
		o.no_ckpt_thread = true;
		o.threads = 1;
		err = vol_new(d, &sup, &o, &v);
	}
	if (!err)
		err = vol_start(v, &slot, NULL);
	if (!err)
		err = make_root(v, f);
	slot_free(&slot);
	if (err) {
		vol_free(v);
		return err;
	}
	err = vol_close(v);
	if (!err)
		err = super_write(d, &sup);
	if (!err)
		err = dev_flush(d);
	return err;
}
