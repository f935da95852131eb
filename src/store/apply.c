/* SPDX-License-Identifier: MIT */
/* apply.c - record -> state: names, attributes, extended attributes.
 *
 * The live path and replay both come through apply_record() (I2).  Every
 * function reads all it needs first and changes rows after that, so that an
 * error (a damaged database page) leaves the state untouched and the record
 * unlogged.  What a record asks for has been checked by fs on the live path;
 * on replay of a hostile image the reads here still fail cleanly. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "store/apply_int.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

/* A row that a record names must be there; otherwise the record is wrong. */
static int must(int err)
{
	return err == -ENOENT ? -VE_REC_VALUE : err;
}

static int get_inode(struct apply *a, uint64_t ino, struct inode_row *ret)
{
	return must(state_inode(a->v->state, a->rd, ino, ret));
}

static int get_dir(struct apply *a, uint64_t ino, struct inode_row *ret)
{
	int err = get_inode(a, ino, ret);

	if (!err && !S_ISDIR(ret->mode))
		err = -VE_REC_VALUE;
	return err;
}

static void put_inode(struct apply *a, struct inode_row *i, bool fresh)
{
	i->seq = a->op;
	state_put_inode(a->v->state, i, fresh);
}

static void put_entry(struct apply *a, const struct rec_name *n, uint64_t ino,
		      uint32_t mode)
{
	struct entry_row e = {
		.dir = n->dir, .cookie = n->cookie, .seq = a->op, .ino = ino,
		.type = (uint8_t)IFTODT(mode), .namelen = n->len,
	};

	memcpy(e.name, n->name, n->len);
	e.name[n->len] = '\0';
	state_put_entry(a->v->state, &e);
}

static void put_xattr(struct apply *a, uint64_t ino, const struct rec_xattr *r)
{
	struct xattr_row x = {
		.ino = ino, .slot = r->slot, .seq = a->op, .namelen = r->namelen,
		.len = r->len, .value = r->value,
	};

	memcpy(x.name, r->name, r->namelen);
	x.name[r->namelen] = '\0';
	state_put_xattr(a->v->state, &x);
}

static void dir_changed(struct apply *a, struct inode_row *d, int entries, int subdirs)
{
	d->size = (uint64_t)((int64_t)d->size + entries);
	d->nlink = (uint32_t)((int64_t)d->nlink + subdirs);
	d->mtime = d->ctime = a->rec->time;
}

static void new_inode(struct apply *a, struct inode_row *i, uint64_t ino,
		      uint32_t mode, uint32_t uid, uint32_t gid, uint64_t parent)
{
	int64_t t = a->rec->time;

	*i = (struct inode_row){
		.ino = ino, .mode = mode, .uid = uid, .gid = gid,
		.nlink = S_ISDIR(mode) ? 2 : 1, .parent = parent,
		.atime = t, .mtime = t, .ctime = t, .btime = t,
	};
	if (a->v->count.next_ino <= ino)
		a->v->count.next_ino = ino + 1;
	a->v->count.inodes++;
}

static int apply_make(struct apply *a)
{
	const struct rec *r = a->rec;
	struct inode_row dir, i;
	int err;

	if (r->make.at.dir) {
		err = get_dir(a, r->make.at.dir, &dir);
		if (err)
			return err;
	}
	/* Numbers are never used twice: what the counter has passed exists. */
	if (r->make.ino >= NUMBER_MAX / 2)
		return -VE_REC_VALUE;
	if (r->make.ino < a->v->count.next_ino && r->make.ino != VARVE_ROOT_INO)
		return -VE_REC_VALUE;

	new_inode(a, &i, r->make.ino, r->make.mode, r->make.uid, r->make.gid,
		  r->make.at.dir);
	i.rdev = r->make.rdev;
	i.flags = r->make.iflags;
	if (S_ISLNK(i.mode))
		i.size = r->make.target_len;
	if (!r->make.at.dir) {
		if (!S_ISDIR(i.mode))
			i.nlink = 0; /* O_TMPFILE */
		else
			i.parent = i.ino; /* the root */
	}
	put_inode(a, &i, true);
	if (S_ISLNK(i.mode))
		state_put_target(a->v->state, i.ino, r->make.target, r->make.target_len);
	for (unsigned n = 0; n < r->make.nxattrs; n++)
		put_xattr(a, i.ino, &r->make.xattr[n]);
	if (r->make.at.dir) {
		put_entry(a, &r->make.at, i.ino, i.mode);
		dir_changed(a, &dir, 1, S_ISDIR(i.mode));
		put_inode(a, &dir, false);
	}
	return 0;
}

static int apply_link(struct apply *a)
{
	const struct rec *r = a->rec;
	struct inode_row dir, i;
	int err = get_dir(a, r->link.at.dir, &dir);

	if (!err)
		err = get_inode(a, r->link.ino, &i);
	if (err)
		return err;
	if (S_ISDIR(i.mode))
		return -VE_REC_VALUE;
	i.nlink++;
	i.ctime = r->time;
	i.parent = dir.ino;
	put_inode(a, &i, false);
	put_entry(a, &r->link.at, i.ino, i.mode);
	dir_changed(a, &dir, 1, 0);
	put_inode(a, &dir, false);
	return 0;
}

/* One name less; a directory has only one. */
static void lose_name(struct apply *a, struct inode_row *i)
{
	i->nlink = S_ISDIR(i->mode) || !i->nlink ? 0 : i->nlink - 1;
	i->ctime = a->rec->time;
}

static int apply_unlink(struct apply *a)
{
	const struct rec *r = a->rec;
	struct inode_row dir, i;
	int err = get_dir(a, r->link.at.dir, &dir);

	if (!err)
		err = get_inode(a, r->link.ino, &i);
	if (err)
		return err;
	if (i.ino == dir.ino)
		return -VE_REC_VALUE;
	lose_name(a, &i);
	put_inode(a, &i, false);
	state_del_entry(a->v->state, dir.ino, r->link.at.cookie);
	dir_changed(a, &dir, -1, S_ISDIR(i.mode) ? -1 : 0);
	put_inode(a, &dir, false);
	return 0;
}

static int apply_rename(struct apply *a)
{
	const struct rec *r = a->rec;
	struct inode_row from, to_row, *to = &from, i, victim, wh;
	bool exchange = r->rename.mode & RENAME_EXCHANGE;
	bool same = r->rename.from.dir == r->rename.to.dir;
	bool has_victim = r->rename.victim, has_wh = r->rename.whiteout;
	bool idir, vdir = false;
	int err = get_dir(a, r->rename.from.dir, &from);

	if (!err && !same) {
		to = &to_row;
		err = get_dir(a, r->rename.to.dir, to);
	}
	if (!err)
		err = get_inode(a, r->rename.ino, &i);
	if (!err && has_victim)
		err = get_inode(a, r->rename.victim, &victim);
	if (err)
		return err;
	/* The rows below are written one by one: they must be different ones. */
	if (i.ino == from.ino || i.ino == to->ino || (exchange && !has_victim) ||
	    (has_victim && (victim.ino == i.ino || victim.ino == from.ino ||
			    victim.ino == to->ino)) ||
	    (has_wh && (r->rename.whiteout < a->v->count.next_ino ||
			r->rename.whiteout >= NUMBER_MAX / 2)))
		return -VE_REC_VALUE;

	idir = S_ISDIR(i.mode);
	if (has_victim)
		vdir = S_ISDIR(victim.mode);
	i.ctime = r->time;
	i.parent = to->ino;
	put_inode(a, &i, false);
	if (exchange) {
		victim.ctime = r->time;
		victim.parent = from.ino;
		put_inode(a, &victim, false);
		put_entry(a, &r->rename.from, victim.ino, victim.mode);
		dir_changed(a, &from, 0, vdir - idir);
		dir_changed(a, to, 0, idir - vdir);
	} else {
		if (has_victim) {
			lose_name(a, &victim);
			put_inode(a, &victim, false);
		}
		dir_changed(a, &from, has_wh ? 0 : -1, -(int)idir);
		dir_changed(a, to, has_victim ? 0 : 1, (int)idir - (int)vdir);
		if (has_wh) {
			new_inode(a, &wh, r->rename.whiteout, S_IFCHR,
				  r->rename.whiteout_uid, r->rename.whiteout_gid,
				  from.ino);
			put_inode(a, &wh, true);
			put_entry(a, &r->rename.from, wh.ino, wh.mode);
		} else {
			state_del_entry(a->v->state, from.ino, r->rename.from.cookie);
		}
	}
	put_entry(a, &r->rename.to, i.ino, i.mode);
	put_inode(a, &from, false);
	if (!same)
		put_inode(a, to, false);
	return 0;
}

static int apply_setattr(struct apply *a)
{
	const struct rec *r = a->rec;
	uint32_t mask = r->setattr.mask;
	struct inode_row i;
	int err = get_inode(a, r->setattr.ino, &i);

	if (err)
		return err;
	if (mask & RSA_MODE)
		i.mode = (i.mode & S_IFMT) | (r->setattr.mode & 07777);
	if (mask & RSA_UID)
		i.uid = r->setattr.uid;
	if (mask & RSA_GID)
		i.gid = r->setattr.gid;
	if (mask & RSA_ATIME)
		i.atime = r->setattr.atime;
	if (mask & RSA_MTIME)
		i.mtime = r->setattr.mtime;
	if (mask & RSA_FLAGS)
		i.flags = r->setattr.iflags;
	if (!(mask & RSA_NOCTIME))
		i.ctime = r->time;
	put_inode(a, &i, false);
	return 0;
}

static int apply_xattr(struct apply *a)
{
	const struct rec *r = a->rec;
	struct inode_row i;
	int err = get_inode(a, r->setxattr.ino, &i);

	if (err)
		return err;
	if (r->setxattr.mode)
		i.mode = (i.mode & S_IFMT) | (r->setxattr.mode & 07777);
	if (!(r->flags & REC_XATTR_QUIET))
		i.ctime = r->time;
	put_inode(a, &i, false);
	if (r->kind == REC_SETXATTR)
		put_xattr(a, i.ino, &r->setxattr.x);
	else
		state_del_xattr(a->v->state, i.ino, r->setxattr.x.slot);
	return 0;
}

int apply_record(struct vol *v, struct reader *rd, const struct rec *rec, uint64_t op)
{
	struct apply a = { .v = v, .rd = rd, .rec = rec, .op = op };
	int64_t last = atomic_load_explicit(&v->last_time, memory_order_relaxed);
	int err = -VE_REC_KIND;

	switch ((enum rec_kind)rec->kind) {
	case REC_MAKE:
		err = apply_make(&a);
		break;
	case REC_LINK:
		err = apply_link(&a);
		break;
	case REC_UNLINK:
		err = apply_unlink(&a);
		break;
	case REC_DROP:
		err = apply_drop(&a);
		break;
	case REC_RENAME:
		err = apply_rename(&a);
		break;
	case REC_SETATTR:
		err = apply_setattr(&a);
		break;
	case REC_WRITE:
		err = apply_write(&a);
		break;
	case REC_TRUNCATE:
		err = apply_truncate(&a);
		break;
	case REC_FALLOC:
		err = apply_falloc(&a);
		break;
	case REC_CLONE:
		err = apply_clone(&a);
		break;
	case REC_SETXATTR:
	case REC_RMXATTR:
		err = apply_xattr(&a);
		break;
	case REC_RELOCATE:
		err = apply_relocate(&a);
		break;
	case REC_KIND_END:
		break;
	}
	if (err)
		return err;
	/* vol_op_seq() looks without the lock. */
	__atomic_store_n(&v->count.op_seq, op, __ATOMIC_RELAXED);
	if (rec->time > last)
		atomic_store_explicit(&v->last_time, rec->time, memory_order_relaxed);
	return 0;
}
