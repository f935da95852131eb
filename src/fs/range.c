/* SPDX-License-Identifier: MIT */
/* range.c - fallocate, clone, SEEK_DATA and SEEK_HOLE. */
#include "fs/fs_int.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

struct covered {
	uint64_t off, end, bytes;
};

static int add_covered(void *arg, const struct extent_row *e)
{
	struct covered *v = arg;

	v->bytes += MIN(e->off + e->len, v->end) - MAX(e->off, v->off);
	return 0;
}

/* How much of [off, end) would be newly promised. */
static int need_locked(struct fs_ctx *c, uint64_t ino, uint64_t off, uint64_t end,
		       uint64_t *ret)
{
	struct covered v = { .off = off, .end = end };
	int err = state_extents(c->st, c->rd, ino, off, end, add_covered, &v);

	*ret = end - off - v.bytes;
	return err;
}

static int falloc_mode(int mode, struct rec *rec)
{
	switch (mode) {
	case 0:
	case FALLOC_FL_KEEP_SIZE:
		rec->falloc.mode = RFA_ALLOC;
		return 0;
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
		rec->falloc.mode = RFA_PUNCH;
		return 0;
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
		rec->falloc.mode = RFA_ZERO;
		return 0;
	}
	return -EOPNOTSUPP;
}

static int falloc_locked(struct fs_ctx *c, const struct fs_cred *cr, struct rec *rec, int mode,
			 uint64_t *ret_batch)
{
	uint64_t end = rec->falloc.off + rec->falloc.len, need;
	struct vol_space sp;
	struct inode_row row;
	int err = inode_locked(c, rec->falloc.ino, &row);

	if (err)
		return err;
	if (!S_ISREG(row.mode))
		return S_ISDIR(row.mode) ? -EISDIR : -ENODEV;
	if ((row.flags & INODE_APPEND) && (mode & ~FALLOC_FL_KEEP_SIZE))
		return -EPERM;
	if (rec->falloc.mode != RFA_PUNCH) {
		err = need_locked(c, row.ino, rec->falloc.off, end, &need);
		if (err)
			return err;
		if (need) {
			vol_get_space(c->v, &sp);
			if (need > sp.free)
				return -ENOSPC;
		}
	}
	err = content_change_locked(c, cr, &row);
	if (err)
		return err;
	rec->falloc.size = mode & FALLOC_FL_KEEP_SIZE ? row.size : MAX(row.size, end);
	rec->falloc.kill = cr->uid && mode_has_setid(row.mode);
	return commit_locked(c, cr, rec,
			     rec->falloc.mode == RFA_PUNCH ? SEG_CLEANING : SEG_USER,
			     ret_batch);
}

int fs_fallocate(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, int mode,
		 uint64_t off, uint64_t len)
{
	struct rec rec;
	uint64_t batch;
	int err = writable(c);

	if (err)
		return err;
	rec_init(&rec, REC_FALLOC);
	err = falloc_mode(mode, &rec);
	if (err)
		return err;
	if (!len || off > FS_MAX_FILE || len > FS_MAX_FILE)
		return -EINVAL;
	if (off > c->fs->max_file || len > c->fs->max_file - off)
		return -EFBIG;
	rec.falloc.ino = ino;
	rec.falloc.off = off;
	rec.falloc.len = len;
	wr_lock(c);
	err = falloc_locked(c, cr, &rec, mode, &batch);
	if (!err)
		nodes_touch(c->fs->nodes, ino, batch);
	un_lock(c);
	return err;
}

struct bounded {
	unsigned n;
	uint64_t end;
};

static int bound_extents(void *arg, const struct extent_row *e)
{
	struct bounded *b = arg;

	if (++b->n > FS_CLONE_EXTENTS) {
		b->end = e->off;
		return 1;
	}
	return 0;
}

/* Shortens *len so that [off, off + *len) has at most FS_CLONE_EXTENTS. */
static int bound_locked(struct fs_ctx *c, uint64_t ino, uint64_t off, uint64_t *len)
{
	struct bounded b = { 0 };
	int r = state_extents(c->st, c->rd, ino, off, off + *len, bound_extents, &b);

	if (r > 0)
		*len = b.end - off;
	return r < 0 ? r : 0;
}

static int clone_locked(struct fs_ctx *c, const struct fs_cred *cr, struct rec *rec,
			uint64_t *ret_batch)
{
	struct inode_row src, dst;
	uint64_t *len = &rec->clone.len;
	int err = regular_locked(c, rec->clone.src, &src);

	if (!err)
		err = regular_locked(c, rec->clone.dst, &dst);
	if (err)
		return err;
	if ((dst.flags & INODE_APPEND) && rec->clone.dst_off < dst.size)
		return -EPERM;
	if (dst.flags & INODE_IMMUTABLE)
		return -EPERM;
	if (rec->clone.src_off >= src.size)
		*len = 0;
	else
		*len = MIN(*len, src.size - rec->clone.src_off);
	if (*len && rec->clone.dst_off >= c->fs->max_file)
		return -EFBIG;
	*len = MIN(*len, c->fs->max_file - MIN(rec->clone.dst_off, c->fs->max_file));
	if (src.ino == dst.ino && rec->clone.src_off < rec->clone.dst_off + *len &&
	    rec->clone.dst_off < rec->clone.src_off + *len)
		return -EINVAL;
	if (!*len)
		return 0;
	err = bound_locked(c, src.ino, rec->clone.src_off, len);
	if (!err)
		err = bound_locked(c, dst.ino, rec->clone.dst_off, len);
	if (!err)
		err = drop_caps_locked(c, cr, &dst);
	if (err)
		return err;
	rec->clone.size = MAX(dst.size, rec->clone.dst_off + *len);
	rec->clone.kill = cr->uid && mode_has_setid(dst.mode);
	return commit_locked(c, cr, rec, SEG_USER, ret_batch);
}

int fs_clone(struct fs_ctx *c, const struct fs_cred *cr, uint64_t src, uint64_t src_off,
	     uint64_t dst, uint64_t dst_off, uint64_t len, uint64_t *ret_len)
{
	struct rec rec;
	uint64_t batch = 0;
	int err = writable(c);

	if (err)
		return err;
	rec_init(&rec, REC_CLONE);
	rec.clone.src = src;
	rec.clone.src_off = src_off;
	rec.clone.dst = dst;
	rec.clone.dst_off = dst_off;
	rec.clone.len = len;
	wr_lock(c);
	err = clone_locked(c, cr, &rec, &batch);
	if (batch)
		nodes_touch(c->fs->nodes, dst, batch);
	un_lock(c);
	if (!err)
		*ret_len = rec.clone.len;
	return err;
}

struct seek {
	uint64_t off, pos; /* pos: where the run from off has got to */
	bool found;
};

static int seek_data(void *arg, const struct extent_row *e)
{
	struct seek *s = arg;

	if (!e->piece)
		return 0;
	s->pos = MAX(s->off, e->off);
	s->found = true;
	return 1;
}

static int seek_hole(void *arg, const struct extent_row *e)
{
	struct seek *s = arg;

	if (!e->piece || e->off > s->pos)
		return 1;
	s->pos = e->off + e->len;
	return 0;
}

int fs_seek(struct fs_ctx *c, uint64_t ino, uint64_t off, int whence, uint64_t *ret_off)
{
	struct seek s = { .off = off, .pos = off };
	struct inode_row row;
	int err;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	rd_lock(c);
	err = regular_locked(c, ino, &row);
	if (!err && off >= row.size)
		err = -ENXIO;
	if (!err)
		err = state_extents(c->st, c->rd, ino, off, row.size,
				    whence == SEEK_DATA ? seek_data : seek_hole, &s);
	un_lock(c);
	if (err < 0)
		return err;
	if (whence == SEEK_DATA && !s.found)
		return -ENXIO;
	*ret_off = MIN(s.pos, row.size);
	return 0;
}
