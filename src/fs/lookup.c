/* SPDX-License-Identifier: MIT */
/* lookup.c - from names and numbers to inodes; lookup counts. */
#include "fs/fs_int.h"

int hold_locked(struct fs_ctx *c, const struct inode_row *row, uint64_t lookups,
		uint32_t opens)
{
	if (row->nlink) {
		nodes_hold(c->fs->nodes, row->ino, lookups, opens, fs_newest(c->fs));
		return 0;
	}
	/* An orphan that nobody uses is about to go. */
	return nodes_hold_more(c->fs->nodes, row->ino, lookups, opens) ? 0 : -ESTALE;
}

/* Shared lock held: counts the lookup and gives the attributes. */
static void found(struct fs_ctx *c, const struct inode_row *row, struct fs_attr *ret)
{
	nodes_hold(c->fs->nodes, row->ino, 1, 0, fs_newest(c->fs));
	row_attr(row, ret);
}

static int lookup_dot(struct fs_ctx *c, const struct inode_row *dir, bool dotdot,
		      struct fs_attr *ret)
{
	struct inode_row row = *dir;

	if (dotdot && dir->ino != VARVE_ROOT_INO) {
		int err = entry_inode_locked(c, dir->parent, &row);

		if (err)
			return err;
	}
	found(c, &row, ret);
	return 0;
}

int fs_lookup(struct fs_ctx *c, uint64_t dir, const char *name, struct fs_attr *ret)
{
	struct inode_row row;
	struct entry_row e;
	size_t len;
	int err = name_check(name, &len);

	if (err)
		return err;
	rd_lock(c);
	if (is_dot(name)) {
		/* NFS asks for "." of any inode it has a handle of. */
		if (!name[1]) {
			un_lock(c);
			return fs_iget(c, dir, ret);
		}
		err = dir_locked(c, dir, &row);
		if (!err)
			err = lookup_dot(c, &row, true, ret);
		goto out;
	}
	err = state_entry(c->st, c->rd, dir, name, len, &e, NULL);
	if (err == -ENOENT) {
		/* Only now is it worth asking what dir is. */
		err = dir_locked(c, dir, &row);
		if (!err)
			err = -ENOENT;
	} else if (!err) {
		err = entry_inode_locked(c, e.ino, &row);
		if (!err)
			found(c, &row, ret);
	}
out:
	un_lock(c);
	return err;
}

int fs_iget(struct fs_ctx *c, uint64_t ino, struct fs_attr *ret)
{
	struct inode_row row;
	int err;

	rd_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err)
		err = hold_locked(c, &row, 1, 0);
	if (!err)
		row_attr(&row, ret);
	un_lock(c);
	return err;
}

void fs_forget(struct fs_ctx *c, uint64_t ino, uint64_t n)
{
	if (ino == VARVE_ROOT_INO)
		return;
	if (nodes_drop(c->fs->nodes, ino, n, 0))
		fs_reap(c, ino);
}

void fs_readdir_keep(struct fs_ctx *c, uint64_t ino)
{
	nodes_hold(c->fs->nodes, ino, 1, 0, fs_newest(c->fs));
}
