/* SPDX-License-Identifier: MIT */
/* fs_int.h - what the files of src/fs share.  Nothing here is for others.
 *
 * Every operation goes: lock (shared or exclusive), rows, checks, record,
 * commit, note the batch in the nodes it touched, unlock.  Functions whose name
 * ends in _locked want the volume lock held. */
#ifndef VARVE_FS_INT_H
#define VARVE_FS_INT_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "fs/control.h"
#include "fs/fs.h"
#include "fs/node.h"

#define FS_MAX_FILE ((uint64_t)INT64_MAX)
#define FS_LINK_MAX (1u << 30)
#define FS_TARGET_MAX 4095u
/* Extents that one exclusive hold of the volume lock may free for an orphan,
 * and that one clone may share or replace. */
#define FS_DROP_EXTENTS 4096u
#define FS_CLONE_EXTENTS 8192u
#define FS_KEEP_FLAGS (INODE_APPEND | INODE_IMMUTABLE | INODE_NOATIME | INODE_NODUMP | \
		       INODE_SYNC)

struct fs {
	struct vol *v;
	struct state *st;
	struct fs_opts o;
	struct nodes *nodes;
	uint64_t max_file;
	uint32_t piece_max;      /* most that one vol_data_put takes */
	_Atomic uint64_t newest; /* batch of the last commit */
	pthread_mutex_t late_mu; /* rank 21: late, nlate, cap_late */
	struct fs_control control[16]; /* fixed once contexts are open */
	unsigned ncontrols;
	uint64_t *late;          /* orphans whose drop failed */
	size_t nlate, cap_late;
};

struct fs_ctx {
	struct fs *fs;
	struct vol_ctx *vc;
	struct vol *v;
	struct state *st;
	struct reader *rd;
};

static inline void rd_lock(struct fs_ctx *c)
{
	vol_rdlock(c->v);
}

static inline void wr_lock(struct fs_ctx *c)
{
	vol_wrlock(c->v);
}

static inline void un_lock(struct fs_ctx *c)
{
	vol_unlock(c->v);
}

static inline void rec_init(struct rec *r, enum rec_kind kind)
{
	memset(r, 0, sizeof(*r));
	r->kind = kind;
}

static inline bool row_frozen(const struct inode_row *r)
{
	return r->flags & (INODE_IMMUTABLE | INODE_APPEND);
}

static inline bool is_dot(const char *n)
{
	return n[0] == '.' && (!n[1] || (n[1] == '.' && !n[2]));
}

static inline bool mode_has_setid(uint32_t mode)
{
	return (mode & S_ISUID) || (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
}

static inline uint32_t mode_kill(uint32_t mode)
{
	mode &= ~(uint32_t)S_ISUID;
	if (mode & S_IXGRP)
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

/* fs.c */
void row_attr(const struct inode_row *r, struct fs_attr *ret);
/* -ESTALE if there is no such inode. */
int inode_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret);
/* Also -ENOTDIR, and -ENOENT if it was removed. */
int dir_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret);
/* -ENOENT, -ENAMETOOLONG, -EINVAL ('/' in it); fills in the length. */
int name_check(const char *name, size_t *ret_len);
/* A regular file: -EISDIR, -EINVAL else. */
int regular_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret);
/* vol_commit with who did it; keeps fs->newest. */
int commit_locked(struct fs_ctx *c, const struct fs_cred *cr, struct rec *rec,
		  enum seg_class cls, uint64_t *ret_batch);
/* The row as it is now, as attributes. */
int attr_locked(struct fs_ctx *c, uint64_t ino, struct fs_attr *ret);
/* An inode that an entry names: its absence is damage. */
int entry_inode_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret);
uint64_t fs_newest(struct fs *fs);
static inline int writable(struct fs_ctx *c)
{
	return vol_readonly(c->v) ? -VE_READONLY : 0;
}

/* lookup.c */
/* Adds counts for an inode that exists; -ESTALE for an unused orphan. */
int hold_locked(struct fs_ctx *c, const struct inode_row *row, uint64_t lookups,
		uint32_t opens);

/* orphan.c */
/* The inode has just lost its last name (exclusive lock held).  In use: it is
 * marked; else dropped, if that is quick.  Returns ino if fs_reap() has to go
 * on after unlocking, else 0. */
uint64_t orphaned_locked(struct fs_ctx *c, uint64_t ino);
/* Without the lock: drops an unused orphan in bounded steps. */
void fs_reap(struct fs_ctx *c, uint64_t ino);
int fs_reap_all(struct fs *fs);

/* attr.c */
/* relatime: whether a read now moves atime; and moving it (no lock held). */
bool atime_due(struct fs *fs, const struct inode_row *r);
void atime_update(struct fs_ctx *c, uint64_t ino);
/* Removes security.capability if the inode has it (exclusive lock held). */
int drop_caps_locked(struct fs_ctx *c, const struct fs_cred *cr, const struct inode_row *row);
/* Before a change of a file's content by cr: frozen flags, caps. */
int content_change_locked(struct fs_ctx *c, const struct fs_cred *cr,
			  const struct inode_row *row);

/* xattr.c */
/* Reads an xattr whose absence the node may remember (hint, 0: none).
 * -ENODATA: none.  ret->value malloced. */
int xattr_hinted_locked(struct fs_ctx *c, uint64_t ino, const char *name, uint8_t hint,
			struct xattr_row *ret);
/* chmod of an inode with an access ACL: one SETXATTR record.  1: done; 0: it has
 * none. */
int acl_chmod_locked(struct fs_ctx *c, const struct fs_cred *cr, const struct inode_row *row,
		     uint32_t mode, uint64_t *ret_batch);
/* ACLs that a new object in dir gets; mode becomes the final one. */
struct inherit {
	void *access, *dflt; /* malloced or NULL */
	uint32_t access_len, dflt_len;
};
int inherit_locked(struct fs_ctx *c, uint64_t dir, uint32_t umask, uint32_t *mode,
		   struct inherit *ret);
void inherit_free(struct inherit *i);

#endif
