/* SPDX-License-Identifier: MIT */
/* model_attr.c - attributes and extended attributes in the model. */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/msg.h"

#define FORBID (INODE_IMMUTABLE | INODE_APPEND)

void model_kill_suid(struct minode *i)
{
	if (S_ISDIR(i->mode))
		return;
	i->mode &= ~(uint32_t)S_ISUID;
	if (i->mode & S_IXGRP)
		i->mode &= ~(uint32_t)S_ISGID;
}

void model_accessed(struct model *m, uint64_t ino)
{
	const struct minode *i = model_get(m, ino);

	if (m->readonly || (i->flags & INODE_NOATIME))
		return;
	if (i->atime > i->mtime && i->atime > i->ctime &&
	    m->wall - i->atime < 86400ll * 1000000000)
		return;
	model_hold(m, ino)->atime = model_now(m);
}

static int may_setattr(const struct minode *i, const struct fs_setattr *a)
{
	if (i->flags & INODE_IMMUTABLE)
		return -EPERM;
	if ((i->flags & INODE_APPEND) &&
	    (a->valid & (FSA_MODE | FSA_UID | FSA_GID | FSA_ATIME | FSA_MTIME | FSA_SIZE)))
		return -EPERM;
	if (!(a->valid & FSA_SIZE))
		return 0;
	if (S_ISDIR(i->mode))
		return -EISDIR;
	return S_ISREG(i->mode) ? 0 : -EINVAL;
}

int model_setattr(struct model *m, uint64_t ino, const struct fs_setattr *a)
{
	bool kill = a->valid & (FSA_KILL | FSA_UID | FSA_GID);
	const struct minode *i = model_get(m, ino);
	struct minode *w;
	uint32_t mode;
	int err;

	if (!i)
		return -ENOENT;
	err = may_setattr(i, a);
	if (!err && (a->valid & FSA_SIZE))
		err = model_truncate(m, ino, a->size);
	if (err)
		return err;
	w = model_mut(m, ino);
	mode = w->mode;
	if (kill && !(a->valid & FSA_MODE))
		model_kill_suid(w);
	if (!(a->valid & ~(FSA_SIZE | FSA_KILL)) && mode == w->mode)
		return 0;
	if (a->valid & FSA_UID)
		w->uid = a->uid;
	if (a->valid & FSA_GID)
		w->gid = a->gid;
	if (a->valid & FSA_MODE) {
		w->mode = (w->mode & S_IFMT) | (a->mode & 07777);
		model_acl_chmod(w);
	}
	if (a->valid & FSA_ATIME)
		w->atime = a->atime;
	if (a->valid & FSA_MTIME)
		w->mtime = a->mtime;
	if (a->valid & FSA_ATIME_NOW)
		w->atime = model_now(m);
	if (a->valid & FSA_MTIME_NOW)
		w->mtime = model_now(m);
	w->ctime = model_now(m);
	return 0;
}

int model_setflags(struct model *m, const struct fs_cred *cr, uint64_t ino, uint32_t flags)
{
	const uint32_t frozen = INODE_APPEND | INODE_IMMUTABLE;
	const struct minode *i = model_get(m, ino);
	struct minode *w;

	if (!i)
		return -ENOENT;
	if (flags & ~(frozen | INODE_NOATIME | INODE_NODUMP | INODE_SYNC))
		return -EOPNOTSUPP;
	if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
		return -EOPNOTSUPP;
	if (cr->uid && (cr->uid != i->uid || ((flags ^ i->flags) & frozen)))
		return -EPERM;
	w = model_mut(m, ino);
	w->flags = flags;
	w->ctime = model_now(m);
	return 0;
}

int model_opened(struct model *m, uint64_t ino, int flags)
{
	const struct minode *i = model_get(m, ino);
	int acc = flags & O_ACCMODE;

	if (!i)
		return -ENOENT;
	if (acc != O_RDONLY && S_ISDIR(i->mode))
		return -EISDIR;
	if (acc != O_RDONLY && (i->flags & INODE_IMMUTABLE))
		return -EPERM;
	if (i->flags & INODE_APPEND) {
		if (acc != O_RDONLY && !(flags & O_APPEND))
			return -EPERM;
		if (flags & O_TRUNC)
			return -EPERM;
	}
	model_hold(m, ino)->nopen++;
	return 0;
}

const struct mxattr *model_xattr(const struct minode *i, const char *name)
{
	for (size_t k = 0; k < i->nxa; k++)
		if (!strcmp(i->xa[k].name, name))
			return &i->xa[k];
	return NULL;
}

void model_xattr_del(struct minode *i, const char *name)
{
	const struct mxattr *x = model_xattr(i, name);

	if (!x)
		return;
	free(x->value);
	i->xa[x - i->xa] = i->xa[--i->nxa];
}

void model_xattr_put(struct minode *i, const char *name, const void *value, size_t len)
{
	struct mxattr *x;

	model_xattr_del(i, name);
	i->xa = xrealloc(i->xa, (i->nxa + 1) * sizeof(*i->xa));
	x = &i->xa[i->nxa++];
	memset(x, 0, sizeof(*x));
	strcpy(x->name, name);
	x->len = len;
	x->value = xmalloc(MAX(len, 1u));
	memcpy(x->value, value, len);
}

static int set_acl(struct model *m, uint64_t ino, const char *name, const void *value,
		   size_t len, bool kill_sgid)
{
	const struct minode *i = model_get(m, ino);
	bool access = !strcmp(name, ACL_ACCESS), equiv = false;
	struct minode *w;
	int err;

	err = model_acl_check(value, len);
	if (err)
		return err;
	if (!access && !S_ISDIR(i->mode))
		return -EACCES;
	w = model_mut(m, ino);
	if (access) {
		w->mode = (w->mode & ~0777u) | model_acl_mode(value, len, &equiv);
		if (kill_sgid)
			w->mode &= ~(uint32_t)S_ISGID;
	}
	if (equiv)
		model_xattr_del(w, name);
	else
		model_xattr_put(w, name, value, len);
	w->ctime = model_now(m);
	return 0;
}

static bool is_acl(const char *name)
{
	return !strcmp(name, ACL_ACCESS) || !strcmp(name, ACL_DEFAULT);
}

static int may_set(const struct minode *i, const char *name)
{
	if (i->flags & FORBID)
		return -EPERM;
	if (!strncmp(name, "user.", 5) && !S_ISREG(i->mode) && !S_ISDIR(i->mode))
		return -EPERM;
	return is_acl(name) && S_ISLNK(i->mode) ? -EOPNOTSUPP : 0;
}

int model_setxattr(struct model *m, uint64_t ino, const char *name, const void *value,
		   size_t len, int flags, bool kill_sgid)
{
	const struct minode *i = model_get(m, ino);
	struct minode *w;
	int err;

	if (!i)
		return -ENOENT;
	if (len > VARVE_XATTR_MAX)
		return -E2BIG;
	err = may_set(i, name);
	if (err)
		return err;
	if (is_acl(name))
		return set_acl(m, ino, name, value, len, kill_sgid);
	if ((flags & XATTR_CREATE) && model_xattr(i, name))
		return -EEXIST;
	if ((flags & XATTR_REPLACE) && !model_xattr(i, name))
		return -ENODATA;
	w = model_mut(m, ino);
	model_xattr_put(w, name, value, len);
	w->ctime = model_now(m);
	return 0;
}

int model_removexattr(struct model *m, uint64_t ino, const char *name)
{
	const struct minode *i = model_get(m, ino);
	struct minode *w;
	int err;

	if (!i)
		return -ENOENT;
	err = may_set(i, name);
	if (err)
		return err;
	if (!model_xattr(i, name))
		return -ENODATA;
	w = model_mut(m, ino);
	model_xattr_del(w, name);
	w->ctime = model_now(m);
	return 0;
}
