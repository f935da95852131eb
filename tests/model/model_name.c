/* SPDX-License-Identifier: MIT */
/* model_name.c - directories in the model; checks in the order of Linux's
 * namei.c (may_create, may_delete, vfs_rename). */
#include "model.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/msg.h"

static int want_dir(const struct model *m, uint64_t dir, const char *name,
		    const struct minode **ret)
{
	*ret = model_get(m, dir);
	if (!*ret)
		return -ENOENT;
	if (!S_ISDIR((*ret)->mode))
		return -ENOTDIR;
	if (!(*ret)->nlink)
		return -ENOENT;
	if (strlen(name) > VARVE_NAME_MAX)
		return -ENAMETOOLONG;
	return 0;
}

int model_lookup(struct model *m, uint64_t dir, const char *name, uint64_t *ret)
{
	const struct minode *d;
	const struct mentry *e;
	int err;

	if (strlen(name) > VARVE_NAME_MAX)
		return -ENAMETOOLONG;
	if (!strcmp(name, ".")) { /* of anything: NFS handles */
		*ret = dir;
		return model_get(m, dir) ? 0 : -ESTALE;
	}
	err = want_dir(m, dir, name, &d);
	if (err)
		return err;
	if (!strcmp(name, "..")) {
		*ret = d->parent;
		return model_get(m, *ret) ? 0 : -ENOENT;
	}
	e = model_entry(d, name);
	if (!e)
		return -ENOENT;
	*ret = e->ino;
	return 0;
}

static void ent_add(struct model *m, struct minode *d, const char *name, uint64_t ino)
{
	struct mentry *e;

	if (d->nent == d->cap_ent) {
		d->cap_ent = d->cap_ent ? d->cap_ent * 2 : 8;
		d->ent = xrealloc(d->ent, d->cap_ent * sizeof(*d->ent));
	}
	e = &d->ent[d->nent++];
	memset(e, 0, sizeof(*e));
	e->ino = ino;
	e->serial = ++m->serial;
	strcpy(e->name, name);
}

static void ent_del(struct minode *d, const char *name)
{
	const struct mentry *e = model_entry(d, name);
	size_t at = (size_t)(e - d->ent);

	d->ent[at] = d->ent[--d->nent];
}

static int may_create(const struct model *m, uint64_t dir, const char *name)
{
	const struct minode *d;
	int err = want_dir(m, dir, name, &d);

	if (err)
		return err;
	if (model_entry(d, name))
		return -EEXIST;
	if (d->flags & INODE_IMMUTABLE)
		return -EPERM;
	return 0;
}

/* What every new inode gets. */
static struct minode *born(struct model *m, const struct fs_cred *cr, uint64_t dir,
			   uint32_t mode, uint64_t ino)
{
	const struct minode *d = model_get(m, dir);
	struct minode *i = model_add(m, ino, mode);

	i->uid = cr->uid;
	i->gid = cr->gid;
	if (d->mode & S_ISGID) {
		i->gid = d->gid;
		if (S_ISDIR(mode))
			i->mode |= S_ISGID;
	}
	i->flags = d->flags & (INODE_NODUMP | INODE_NOATIME);
	if (S_ISREG(mode) || S_ISDIR(mode))
		i->flags |= d->flags & INODE_SYNC;
	if (!S_ISLNK(mode))
		model_acl_inherit(d, i, cr->umask);
	i->parent = dir;
	i->nlookup = 1;
	return i;
}

int model_make(struct model *m, const struct fs_cred *cr, uint64_t dir, const char *name,
	       uint32_t mode, uint64_t rdev, const char *target, uint64_t ino)
{
	struct minode *d, *i;
	int err = may_create(m, dir, name);

	if (err)
		return err;
	i = born(m, cr, dir, mode, ino);
	if (S_ISBLK(mode) || S_ISCHR(mode))
		i->rdev = rdev;
	if (target) {
		i->target = strdup(target);
		i->size = strlen(target);
	}
	d = model_mut(m, dir);
	ent_add(m, d, name, ino);
	if (S_ISDIR(mode))
		d->nlink++;
	model_dirtied(d, model_now(m));
	return 0;
}

int model_tmpfile(struct model *m, const struct fs_cred *cr, uint64_t dir, uint32_t mode,
		  uint64_t ino)
{
	const struct minode *d;
	struct minode *i;
	int err = want_dir(m, dir, "", &d);

	if (err)
		return err;
	if (d->flags & INODE_IMMUTABLE)
		return -EPERM;
	i = born(m, cr, dir, mode, ino);
	i->nlink = 0;
	i->linkable = true;
	i->nopen = 1;
	return 0;
}

int model_link(struct model *m, uint64_t ino, uint64_t dir, const char *name)
{
	const struct minode *i = model_get(m, ino);
	struct minode *w, *d;
	int err = may_create(m, dir, name);

	if (!i)
		return -ENOENT;
	if (err)
		return err;
	if (i->flags & (INODE_IMMUTABLE | INODE_APPEND))
		return -EPERM;
	if (S_ISDIR(i->mode))
		return -EPERM;
	if (!i->nlink && !i->linkable)
		return -ENOENT;
	w = model_mut(m, ino);
	w->nlink++;
	w->linkable = false;
	w->nlookup++; /* the entry is answered */
	w->ctime = model_now(m);
	d = model_mut(m, dir);
	ent_add(m, d, name, ino);
	model_dirtied(d, model_now(m));
	return 0;
}

/* A name of d goes: what may forbid it (isdir: the caller wants a directory
 * there; -1: does not care). */
static int may_delete(const struct minode *d, const struct minode *i, int isdir)
{
	if (d->flags & (INODE_IMMUTABLE | INODE_APPEND))
		return -EPERM;
	if (i->flags & (INODE_IMMUTABLE | INODE_APPEND))
		return -EPERM;
	if (isdir == 1 && !S_ISDIR(i->mode))
		return -ENOTDIR;
	if (isdir == 0 && S_ISDIR(i->mode))
		return -EISDIR;
	return 0;
}

/* One link of i (a name in d that is gone already) less. */
static void unlinked(struct model *m, struct minode *d, uint64_t ino)
{
	struct minode *i = model_mut(m, ino);

	i->ctime = model_now(m);
	if (S_ISDIR(i->mode)) {
		i->nlink = 0;
		d->nlink--;
	} else {
		i->nlink--;
	}
	model_drop_unused(m, ino);
}

int model_unlink(struct model *m, uint64_t dir, const char *name, bool rmdir)
{
	const struct minode *d, *i;
	const struct mentry *e;
	struct minode *w;
	uint64_t ino;
	int err = want_dir(m, dir, name, &d);

	if (err)
		return err;
	e = model_entry(d, name);
	if (!e)
		return -ENOENT;
	ino = e->ino;
	i = model_get(m, ino);
	err = may_delete(d, i, rmdir);
	if (err)
		return err;
	if (rmdir && i->nent)
		return -ENOTEMPTY;
	w = model_mut(m, dir);
	ent_del(w, name);
	model_dirtied(w, model_now(m));
	unlinked(m, w, ino);
	return 0;
}

/* Is dir inside (or equal to) top? */
static bool inside(const struct model *m, uint64_t dir, uint64_t top)
{
	for (;;) {
		const struct minode *d = model_get(m, dir);

		if (dir == top)
			return true;
		if (!d || d->parent == dir)
			return false;
		dir = d->parent;
	}
}

static int may_rename(const struct model *m, uint64_t dir, const char *name,
		      uint64_t dir2, const char *name2, unsigned flags,
		      const struct minode **ret_i, const struct minode **ret_t)
{
	bool exchange = flags & RENAME_EXCHANGE;
	const struct minode *d, *d2, *i, *t = NULL;
	const struct mentry *e, *e2;
	int err;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (exchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	err = want_dir(m, dir, name, &d);
	if (!err)
		err = want_dir(m, dir2, name2, &d2);
	if (err)
		return err;
	e = model_entry(d, name);
	if (!e)
		return -ENOENT;
	e2 = model_entry(d2, name2);
	if (e2 && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!e2 && exchange)
		return -ENOENT;
	i = model_get(m, e->ino);
	if (e2)
		t = model_get(m, e2->ino);
	if (S_ISDIR(i->mode) && inside(m, dir2, i->ino))
		return -EINVAL;
	if (t && S_ISDIR(t->mode) && inside(m, dir, t->ino))
		return exchange ? -EINVAL : -ENOTEMPTY;
	*ret_i = i;
	*ret_t = t;
	if (i == t)
		return 0;

	err = may_delete(d, i, -1);
	if (err)
		return err;
	if (!t) {
		return d2->flags & INODE_IMMUTABLE ? -EPERM : 0;
	}
	err = may_delete(d2, t, exchange ? -1 : S_ISDIR(i->mode));
	if (err)
		return err;
	if (!exchange && S_ISDIR(t->mode) && t->nent)
		return -ENOTEMPTY;
	return 0;
}

/* The names' inodes change places. */
static void exchange_names(struct model *m, uint64_t dir, const char *name, uint64_t a,
			   uint64_t dir2, const char *name2, uint64_t b)
{
	struct minode *d = model_mut(m, dir), *d2 = model_mut(m, dir2);
	struct minode *i = model_mut(m, a), *t = model_mut(m, b);
	int64_t now = model_now(m);

	ent_del(d, name);
	ent_add(m, d, name, b);
	ent_del(d2, name2);
	ent_add(m, d2, name2, a);
	if (S_ISDIR(i->mode)) {
		d->nlink--;
		d2->nlink++;
	}
	if (S_ISDIR(t->mode)) {
		d2->nlink--;
		d->nlink++;
	}
	i->parent = dir2;
	t->parent = dir;
	i->ctime = t->ctime = now;
	model_dirtied(d, now);
	model_dirtied(d2, now);
}

int model_rename(struct model *m, const struct fs_cred *cr, uint64_t dir, const char *name,
		 uint64_t dir2, const char *name2, unsigned flags, uint64_t whiteout)
{
	const struct minode *ri = NULL, *rt = NULL;
	uint64_t ino, tino;
	struct minode *d, *d2, *i;
	int err = may_rename(m, dir, name, dir2, name2, flags, &ri, &rt);

	if (err || ri == rt)
		return err;
	ino = ri->ino;
	tino = rt ? rt->ino : 0;
	if (flags & RENAME_EXCHANGE) {
		exchange_names(m, dir, name, ino, dir2, name2, tino);
		return 0;
	}
	d2 = model_mut(m, dir2);
	if (tino) {
		ent_del(d2, name2);
		unlinked(m, d2, tino);
	}
	d = model_mut(m, dir);
	ent_del(d, name);
	ent_add(m, d2, name2, ino);
	i = model_mut(m, ino);
	i->parent = dir2;
	i->ctime = model_now(m);
	if (S_ISDIR(i->mode)) {
		d->nlink--;
		d2->nlink++;
	}
	model_dirtied(d, model_now(m));
	model_dirtied(d2, model_now(m));
	if (flags & RENAME_WHITEOUT) {
		struct minode *w = model_add(m, whiteout, S_IFCHR);

		w->uid = cr->uid;
		w->gid = d->mode & S_ISGID ? d->gid : cr->gid;
		w->parent = dir;
		ent_add(m, model_mut(m, dir), name, whiteout);
	}
	return 0;
}
