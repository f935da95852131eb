/* SPDX-License-Identifier: MIT */
/* rename.c - rename(2) with NOREPLACE, EXCHANGE and WHITEOUT.
 *
 * The order of checks is Linux's (do_renameat2, vfs_rename, ext4_rename), so
 * that the errno is the expected one when several apply. */
#include <stdio.h>

#include "fs/fs_int.h"

struct end {
	const char *name;
	size_t len;
	struct inode_row dir;
	struct entry_row e;
	struct inode_row row;
	bool there;      /* e and row are valid */
	uint64_t cookie; /* the entry's, or a free one */
};

static int end_locked(struct fs_ctx *c, uint64_t dir, const char *name, struct end *ret)
{
	int err = dir_locked(c, dir, &ret->dir);

	ret->name = name;
	if (!err)
		err = name_check(name, &ret->len);
	if (err)
		return err;
	err = state_entry(c->st, c->rd, dir, name, ret->len, &ret->e, &ret->cookie);
	ret->there = !err;
	if (err)
		return err == -ENOENT ? 0 : err;
	ret->cookie = ret->e.cookie;
	return entry_inode_locked(c, ret->e.ino, &ret->row);
}

/* 1: above is dir or one of its ancestors.  Parents that go round in a damaged
 * image are found as R. P. Brent (1980) finds cycles. */
static int is_above_locked(struct fs_ctx *c, uint64_t above, uint64_t dir)
{
	uint64_t mark = dir, steps = 0, limit = 2;
	struct inode_row row;

	while (dir != above) {
		int err;

		if (dir == VARVE_ROOT_INO || !dir)
			return 0;
		err = entry_inode_locked(c, dir, &row);
		if (err)
			return err;
		dir = row.parent;
		if (dir == mark) {
			msg_err("directory %llu is its own ancestor: run fsck.varve",
				(unsigned long long)dir);
			return -VE_DB;
		}
		if (++steps == limit) {
			mark = dir;
			steps = 0;
			limit *= 2;
		}
	}
	return 1;
}

static int check_loops_locked(struct fs_ctx *c, const struct end *from, const struct end *to,
			      unsigned flags)
{
	int r;

	if (from->dir.ino == to->dir.ino)
		return 0;
	if (S_ISDIR(from->row.mode)) {
		r = is_above_locked(c, from->row.ino, to->dir.ino);
		if (r)
			return r < 0 ? r : -EINVAL;
	}
	if (to->there && S_ISDIR(to->row.mode)) {
		r = is_above_locked(c, to->row.ino, from->dir.ino);
		if (r)
			return r < 0 ? r : flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	}
	return 0;
}

/* Linux's may_delete(), without what the kernel checks itself. */
static int may_delete(const struct end *e, bool want_dir)
{
	if (row_frozen(&e->dir) || row_frozen(&e->row))
		return -EPERM;
	if (want_dir && !S_ISDIR(e->row.mode))
		return -ENOTDIR;
	if (!want_dir && S_ISDIR(e->row.mode))
		return -EISDIR;
	return 0;
}

/* 1: nothing to do. */
static int check_locked(struct fs_ctx *c, const struct end *from, const struct end *to,
			unsigned flags)
{
	bool is_dir, to_dir = false;
	int err;

	if (!from->there)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && to->there)
		return -EEXIST;
	if ((flags & RENAME_EXCHANGE) && !to->there)
		return -ENOENT;
	is_dir = S_ISDIR(from->row.mode);
	err = check_loops_locked(c, from, to, flags);
	if (err)
		return err;
	if (to->there && from->row.ino == to->row.ino)
		return 1;
	err = may_delete(from, is_dir);
	if (err)
		return err;
	if (to->there) {
		to_dir = S_ISDIR(to->row.mode);
		err = may_delete(to, flags & RENAME_EXCHANGE ? to_dir : is_dir);
		if (err)
			return err;
		if (!(flags & RENAME_EXCHANGE) && to_dir && to->row.size)
			return -ENOTEMPTY;
	} else if (to->dir.flags & INODE_IMMUTABLE) {
		return -EPERM;
	}
	if (is_dir && !to_dir && to->dir.nlink >= FS_LINK_MAX)
		return -EMLINK;
	return 0;
}

static void fill(struct fs_ctx *c, const struct fs_cred *cr, const struct end *from,
		 const struct end *to, unsigned flags, struct rec *rec)
{
	rec_init(rec, REC_RENAME);
	rec->rename.from.dir = from->dir.ino;
	rec->rename.from.cookie = from->cookie;
	rec->rename.from.name = from->name;
	rec->rename.from.len = (uint8_t)from->len;
	rec->rename.to.dir = to->dir.ino;
	rec->rename.to.cookie = to->cookie;
	rec->rename.to.name = to->name;
	rec->rename.to.len = (uint8_t)to->len;
	rec->rename.ino = from->row.ino;
	rec->rename.victim = to->there ? to->row.ino : 0;
	rec->rename.mode = flags;
	if (flags & RENAME_WHITEOUT) {
		rec->rename.whiteout = vol_next_ino(c->v);
		rec->rename.whiteout_uid = cr->uid;
		rec->rename.whiteout_gid =
			from->dir.mode & S_ISGID ? from->dir.gid : cr->gid;
	}
}

static void touch(struct fs_ctx *c, const struct rec *rec, uint64_t batch)
{
	nodes_touch(c->fs->nodes, rec->rename.ino, batch);
	nodes_touch(c->fs->nodes, rec->rename.from.dir, batch);
	if (rec->rename.to.dir != rec->rename.from.dir)
		nodes_touch(c->fs->nodes, rec->rename.to.dir, batch);
	if (rec->rename.victim)
		nodes_touch(c->fs->nodes, rec->rename.victim, batch);
}

int fs_rename(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name,
	      uint64_t newdir, const char *newname, unsigned flags)
{
	struct end from, to;
	struct rec rec;
	uint64_t batch, reap = 0;
	int err = writable(c);

	if (err)
		return err;
	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) ||
	    ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))))
		return -EINVAL;
	if (is_dot(name))
		return -EBUSY;
	if (is_dot(newname))
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	wr_lock(c);
	err = end_locked(c, dir, name, &from);
	if (!err)
		err = end_locked(c, newdir, newname, &to);
	if (!err)
		err = check_locked(c, &from, &to, flags);
	if (err)
		goto out;
	fill(c, cr, &from, &to, flags, &rec);
	err = commit_locked(c, cr, &rec, SEG_USER, &batch);
	if (err)
		goto out;
	touch(c, &rec, batch);
	if (to.there && !(flags & RENAME_EXCHANGE) &&
	    (S_ISDIR(to.row.mode) || to.row.nlink <= 1))
		reap = orphaned_locked(c, to.row.ino);
out:
	un_lock(c);
	if (reap)
		fs_reap(c, reap);
	return err < 0 ? err : 0;
}
