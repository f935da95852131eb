/* SPDX-License-Identifier: MIT */
/* readdir.c - listing a directory by cookies.
 *
 * A cookie belongs to its entry for life, so that a listing that goes on after
 * any cookie meets every entry that was there all the time exactly once. */
#include "fs/fs_int.h"

#include <dirent.h>

#define COOKIE_DOT 1u
#define COOKIE_DOTDOT 2u

struct listing {
	struct fs_ctx *c;
	bool want_attr;
	fs_dirent_fn fn;
	void *arg;
};

static int give(struct listing *l, struct fs_dirent *d)
{
	struct inode_row row;
	struct fs_attr attr;

	if (l->want_attr) {
		int err = entry_inode_locked(l->c, d->ino, &row);

		if (err)
			return err;
		row_attr(&row, &attr);
		d->attr = &attr;
	}
	/* A positive value tells "full" from an error of ours. */
	return l->fn(l->arg, d) ? 1 : 0;
}

static int give_entry(void *arg, const struct entry_row *e)
{
	struct fs_dirent d = {
		.cookie = e->cookie, .ino = e->ino, .type = e->type,
		.name = e->name, .namelen = e->namelen,
	};

	return give(arg, &d);
}

static int give_dots(struct listing *l, const struct inode_row *dir, uint64_t after)
{
	struct fs_dirent d = { .cookie = COOKIE_DOT, .ino = dir->ino, .type = DT_DIR,
			       .name = ".", .namelen = 1 };
	int r = 0;

	if (after < COOKIE_DOT)
		r = give(l, &d);
	if (!r && after < COOKIE_DOTDOT) {
		d = (struct fs_dirent){ .cookie = COOKIE_DOTDOT, .type = DT_DIR,
					.name = "..", .namelen = 2 };
		d.ino = dir->ino == VARVE_ROOT_INO ? dir->ino : dir->parent;
		r = give(l, &d);
	}
	return r;
}

int fs_readdir(struct fs_ctx *c, uint64_t dir, uint64_t after, bool want_attr,
	       fs_dirent_fn fn, void *arg)
{
	struct listing l = { .c = c, .want_attr = want_attr, .fn = fn, .arg = arg };
	struct inode_row row;
	bool due = false;
	int r;

	rd_lock(c);
	r = dir_locked(c, dir, &row);
	if (!r) {
		due = after == 0 && atime_due(c->fs, &row);
		r = give_dots(&l, &row, after);
	}
	if (!r)
		r = state_entries(c->st, c->rd, dir, MAX(after, COOKIE_DOTDOT), give_entry,
				  &l);
	un_lock(c);
	if (due && r >= 0)
		atime_update(c, dir);
	return r < 0 ? r : 0;
}
