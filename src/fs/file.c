/* SPDX-License-Identifier: MIT */
/* file.c - open, release, read, write, sync. */
#include "fs/fs_int.h"

#include <fcntl.h>

int fs_opened(struct fs_ctx *c, uint64_t ino, int open_flags)
{
	bool write = (open_flags & O_ACCMODE) != O_RDONLY || (open_flags & O_TRUNC);
	struct inode_row row;
	int err;

	rd_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err && S_ISDIR(row.mode) && write)
		err = -EISDIR;
	if (!err && write && (row.flags & INODE_IMMUTABLE))
		err = -EPERM;
	if (!err && write && (row.flags & INODE_APPEND) &&
	    (!(open_flags & O_APPEND) || (open_flags & O_TRUNC)))
		err = -EPERM;
	if (!err && write && vol_readonly(c->v) &&
	    (S_ISREG(row.mode) || S_ISDIR(row.mode)))
		err = -VE_READONLY;
	if (!err)
		err = hold_locked(c, &row, 0, 1);
	un_lock(c);
	return err;
}

void fs_released(struct fs_ctx *c, uint64_t ino)
{
	if (nodes_drop(c->fs->nodes, ino, 0, 1))
		fs_reap(c, ino);
}

static int read_file(struct fs_ctx *c, struct vol_read *r, bool count_atime)
{
	struct inode_row row;
	bool due = false;
	int err;

	rd_lock(c);
	err = regular_locked(c, r->ino, &row);
	if (!err) {
		if (r->off >= row.size)
			r->len = 0;
		else
			r->len = (uint32_t)MIN(r->len, row.size - r->off);
		due = count_atime && r->len && atime_due(c->fs, &row);
	}
	un_lock(c);
	if (err || !r->len)
		return err;
	if (due)
		atime_update(c, r->ino);
	return vol_read(c->vc, r);
}

int fs_read(struct fs_ctx *c, struct vol_read *r)
{
	return read_file(c, r, true);
}

int fs_read_noatime(struct fs_ctx *c, struct vol_read *r)
{
	return read_file(c, r, false);
}

#define WRITE_CHUNKS 6u

/* Data that is in the log's buffers, and not yet in a record. */
struct chunks {
	unsigned n;
	struct vol_data d[WRITE_CHUNKS];
};

static int put_chunks(struct fs_ctx *c, const void *buf, uint32_t len, struct chunks *ret)
{
	ret->n = 0;
	for (uint32_t done = 0; done < len;) {
		uint32_t n = MIN(len - done, c->fs->piece_max);
		unsigned left = WRITE_CHUNKS - ret->n;
		int err;

		/* A shorter piece where it ends a segment, if one more is left. */
		if ((len - done + n - 1) / n < left)
			n = vol_data_fit(c->vc, n);
		err = vol_data_put(c->vc, (const char *)buf + done, n, &ret->d[ret->n]);

		if (err)
			return err;
		ret->n++;
		done += n;
	}
	return 0;
}

static int write_chunk_locked(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino,
			      uint64_t off, const struct vol_data *d, bool kill,
			      uint64_t *ret_batch)
{
	struct rec rec;

	rec_init(&rec, REC_WRITE);
	rec.write.ino = ino;
	rec.write.off = off;
	rec.write.len = d->d.len;
	rec.write.piece = vol_next_piece(c->v);
	rec.write.addr = d->d.addr;
	rec.write.stored = d->d.len;
	rec.write.kill = kill;
	rec.write.nsums = d->nsums;
	rec.write.sums = d->sums;
	return commit_locked(c, cr, &rec, SEG_USER, ret_batch);
}

/* What a write to row at off may do; *off is moved for O_APPEND. */
static int may_write(struct fs_ctx *c, const struct inode_row *row, uint32_t len,
		     int open_flags, uint64_t *off)
{
	if (open_flags & O_APPEND)
		*off = row->size;
	else if ((row->flags & INODE_APPEND) && *off < row->size)
		return -EPERM;
	if (*off > c->fs->max_file || len > c->fs->max_file - *off)
		return -EFBIG;
	return 0;
}

struct mapped {
	uint64_t off, end, bytes;
};

static int add_mapped(void *arg, const struct extent_row *x)
{
	struct mapped *m = arg;

	m->bytes += MIN(x->off + x->len, m->end) - MAX(x->off, m->off);
	return 0;
}

/* A full volume takes what replaces data or fills promised space, and nothing
 * else. */
static int may_grow(struct fs_ctx *c, uint64_t ino, uint64_t off, uint32_t len)
{
	struct mapped m = { off, off + len, 0 };
	int err;

	if (vol_may_grow(c->v, len))
		return 0;
	err = state_extents(vol_state(c->v), c->vc->rd, ino, off, off + len, add_mapped, &m);
	if (!err && m.bytes < len && !vol_may_grow(c->v, len - m.bytes))
		err = -ENOSPC;
	return err;
}

/* At most WRITE_CHUNKS pieces, all in one hold of the lock: nobody else's
 * append comes between. */
static int write_some(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, const void *buf,
		      uint32_t len, uint64_t off, int open_flags, bool kill,
		      uint64_t *ret_batch)
{
	struct inode_row row;
	struct chunks ch;
	uint64_t batch = 0;
	int err = put_chunks(c, buf, len, &ch);

	if (err)
		goto out;
	wr_lock(c);
	err = regular_locked(c, ino, &row);
	if (!err)
		err = may_write(c, &row, len, open_flags, &off);
	if (!err)
		err = may_grow(c, ino, off, len);
	if (!err)
		err = content_change_locked(c, cr, &row);
	kill = kill && !err && mode_has_setid(row.mode);
	for (unsigned i = 0; i < ch.n && !err; i++) {
		err = write_chunk_locked(c, cr, ino, off, &ch.d[i], kill, &batch);
		off += ch.d[i].d.len;
		kill = false;
	}
	if (batch) {
		nodes_touch(c->fs->nodes, ino, batch);
		*ret_batch = batch;
	}
	un_lock(c);
out:
	for (unsigned i = 0; i < ch.n; i++)
		vol_data_done(c->vc, &ch.d[i]);
	return err;
}

/* Cheap refusals before the data are copied; write_some() decides. */
static int write_probe(struct fs_ctx *c, uint64_t ino)
{
	struct inode_row row;
	int err;

	rd_lock(c);
	err = regular_locked(c, ino, &row);
	un_lock(c);
	return err;
}

int fs_write(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, const void *buf,
	     uint32_t len, uint64_t off, int open_flags, bool kill, uint64_t *ret_batch)
{
	uint32_t most = MIN(VARVE_PIECE_MAX, (WRITE_CHUNKS - 2) * c->fs->piece_max);
	uint64_t batch = 0;
	int err = writable(c);

	if (!err && !len)
		err = write_probe(c, ino);
	for (uint32_t done = 0; done < len && !err;) {
		uint32_t n = MIN(len - done, most);

		err = write_some(c, cr, ino, (const char *)buf + done, n, off + done,
				 open_flags, kill, &batch);
		done += n;
	}
	if (!err && ret_batch)
		*ret_batch = batch;
	return err;
}

void fs_sync(struct fs_ctx *c, uint64_t ino, struct log_waiter *w)
{
	struct node_info ni;
	uint64_t batch = 0;

	if (vol_log(c->v) && ino) {
		batch = nodes_get(c->fs->nodes, ino, &ni) ? ni.batch : fs_newest(c->fs);
		if (batch && vol_is_durable(c->v, batch))
			batch = 0;
	}
	if (vol_log(c->v) && (batch || !ino)) {
		vol_sync(c->vc, batch, w);
		return;
	}
	w->ring = c->vc->ring;
	log_waiter_ready(w, w->ring, 0);
}

int fs_sync_wait(struct fs_ctx *c, uint64_t ino)
{
	struct node_info ni;
	uint64_t batch = 0;

	if (!vol_log(c->v))
		return 0;
	if (ino) {
		batch = nodes_get(c->fs->nodes, ino, &ni) ? ni.batch : fs_newest(c->fs);
		if (!batch || vol_is_durable(c->v, batch))
			return 0;
	}
	return vol_sync_wait(c->vc, batch);
}
