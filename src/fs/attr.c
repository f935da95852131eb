/* SPDX-License-Identifier: MIT */
/* attr.c - attributes: chmod, chown, utimes, truncate, inode flags, atime. */
#include "base/clock.h"
#include "fs/fs_int.h"

#define DAY_NS (24ll * 3600 * 1000000000)

int fs_getattr(struct fs_ctx *c, uint64_t ino, struct fs_attr *ret)
{
	int err;

	rd_lock(c);
	err = attr_locked(c, ino, ret);
	un_lock(c);
	return err;
}

bool atime_due(struct fs *fs, const struct inode_row *r)
{
	if (fs->o.relatime_off || (r->flags & INODE_NOATIME) || vol_readonly(fs->v))
		return false;
	if (fs->o.strictatime || r->atime <= r->mtime || r->atime <= r->ctime)
		return true;
	return clock_wall() - r->atime >= DAY_NS;
}

/* The reader does not care whether it worked; nor does fsync. */
void atime_update(struct fs_ctx *c, uint64_t ino)
{
	struct inode_row row;
	struct rec rec;

	if (writable(c))
		return;
	wr_lock(c);
	if (!state_inode(c->st, c->rd, ino, &row) && atime_due(c->fs, &row)) {
		rec_init(&rec, REC_SETATTR);
		rec.time = vol_now(c->v);
		rec.setattr.ino = ino;
		rec.setattr.mask = RSA_ATIME | RSA_NOCTIME;
		rec.setattr.atime = rec.time;
		if (commit_locked(c, NULL, &rec, SEG_USER, NULL))
			msg_debug("inode %llu: access time not updated",
				  (unsigned long long)ino);
	}
	un_lock(c);
}

int drop_caps_locked(struct fs_ctx *c, const struct fs_cred *cr, const struct inode_row *row)
{
	struct xattr_row x;
	struct rec rec;
	uint64_t batch;
	int err = xattr_hinted_locked(c, row->ino, "security.capability", NODE_NO_CAPS, &x);

	if (err)
		return err == -ENODATA ? 0 : err;
	rec_init(&rec, REC_RMXATTR);
	rec.setxattr.ino = row->ino;
	rec.setxattr.x.slot = x.slot;
	rec.setxattr.x.name = x.name;
	rec.setxattr.x.namelen = x.namelen;
	err = commit_locked(c, cr, &rec, SEG_CLEANING, &batch);
	if (!err) {
		nodes_touch(c->fs->nodes, row->ino, batch);
		nodes_hint(c->fs->nodes, row->ino, NODE_NO_CAPS, 0);
	}
	free((void *)x.value);
	return err;
}

int content_change_locked(struct fs_ctx *c, const struct fs_cred *cr,
			  const struct inode_row *row)
{
	if (row->flags & INODE_IMMUTABLE)
		return -EPERM;
	return drop_caps_locked(c, cr, row);
}

/* Linux's notify_change() and inode_change_ok(), as far as flags go. */
static int may_setattr(struct fs_ctx *c, const struct inode_row *row,
		       const struct fs_setattr *a)
{
	const uint32_t set = FSA_MODE | FSA_UID | FSA_GID | FSA_ATIME | FSA_MTIME;

	if (row->flags & INODE_IMMUTABLE)
		return -EPERM;
	if ((row->flags & INODE_APPEND) && (a->valid & (set | FSA_SIZE)))
		return -EPERM;
	if (!(a->valid & FSA_SIZE))
		return 0;
	if (S_ISDIR(row->mode))
		return -EISDIR;
	if (!S_ISREG(row->mode))
		return -EINVAL;
	return a->size > c->fs->max_file ? -EFBIG : 0;
}

static int truncate_locked(struct fs_ctx *c, const struct fs_cred *cr,
			   const struct inode_row *row, uint64_t size, bool kill,
			   uint64_t *ret_batch)
{
	enum seg_class cls = size < row->size ? SEG_CLEANING : SEG_USER;
	struct rec rec;

	rec_init(&rec, REC_TRUNCATE);
	rec.truncate.ino = row->ino;
	rec.truncate.size = size;
	rec.truncate.kill = kill && mode_has_setid(row->mode);
	return commit_locked(c, cr, &rec, cls, ret_batch);
}

/* Everything but the size.  mode is the one to be, or row's. */
static void setattr_rec(const struct inode_row *row, const struct fs_setattr *a,
			uint32_t mode, int64_t now, struct rec *rec)
{
	rec_init(rec, REC_SETATTR);
	rec->time = now;
	rec->setattr.ino = row->ino;
	if (mode != row->mode || (a->valid & FSA_MODE)) {
		rec->setattr.mask |= RSA_MODE;
		rec->setattr.mode = mode;
	}
	if (a->valid & FSA_UID) {
		rec->setattr.mask |= RSA_UID;
		rec->setattr.uid = a->uid;
	}
	if (a->valid & FSA_GID) {
		rec->setattr.mask |= RSA_GID;
		rec->setattr.gid = a->gid;
	}
	if (a->valid & (FSA_ATIME | FSA_ATIME_NOW)) {
		rec->setattr.mask |= RSA_ATIME;
		rec->setattr.atime = a->valid & FSA_ATIME_NOW ? now : a->atime;
	}
	if (a->valid & (FSA_MTIME | FSA_MTIME_NOW)) {
		rec->setattr.mask |= RSA_MTIME;
		rec->setattr.mtime = a->valid & FSA_MTIME_NOW ? now : a->mtime;
	}
}

static int setattr_parts(struct fs_ctx *c, const struct fs_cred *cr,
			 const struct inode_row *row, const struct fs_setattr *a,
			 uint64_t *ret_batch)
{
	bool chown = (a->valid & (FSA_UID | FSA_GID)) && !S_ISDIR(row->mode);
	bool kill = (a->valid & FSA_KILL) || chown;
	uint32_t mode = row->mode;
	struct rec rec;
	int err = 0;

	if (chown || (a->valid & FSA_SIZE))
		err = drop_caps_locked(c, cr, row);
	if (!err && (a->valid & FSA_SIZE))
		err = truncate_locked(c, cr, row, a->size, kill, ret_batch);
	if (err)
		return err;
	if (a->valid & FSA_MODE) {
		mode = (row->mode & S_IFMT) | (a->mode & 07777);
		err = acl_chmod_locked(c, cr, row, mode, ret_batch);
		if (err < 0)
			return err;
	} else if (kill && !S_ISDIR(row->mode)) {
		mode = mode_kill(mode);
	}
	setattr_rec(row, a, mode, vol_now(c->v), &rec);
	if (err == 1) /* the ACL's record has set it */
		rec.setattr.mask &= ~RSA_MODE;
	if (!(a->valid & FSA_MODE) && (a->valid & FSA_SIZE))
		rec.setattr.mask &= ~RSA_MODE; /* TRUNCATE's kill has */
	if (!rec.setattr.mask)
		return 0;
	return commit_locked(c, cr, &rec, SEG_USER, ret_batch);
}

/* May take several records (capabilities, size, ACL, the rest): one operation all
 * the same. */
static int setattr_locked(struct fs_ctx *c, const struct fs_cred *cr,
			  const struct inode_row *row, const struct fs_setattr *a,
			  uint64_t *ret_batch)
{
	bool shrinks = (a->valid & FSA_SIZE) && a->size < row->size;
	/* Only an ACL is longer than a few hundred bytes. */
	size_t room = (a->valid & FSA_MODE) && (a->valid & ~FSA_MODE) ? REC_MAX : 1024;
	int err = vol_group_begin(c->vc, room, shrinks ? SEG_CLEANING : SEG_USER);

	if (err)
		return err;
	err = setattr_parts(c, cr, row, a, ret_batch);
	vol_group_end(c->vc);
	return err;
}

int fs_setattr(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino,
	       const struct fs_setattr *a, struct fs_attr *ret)
{
	struct inode_row row;
	uint64_t batch = 0;
	int err = writable(c);

	if (err)
		return err;
	wr_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err)
		err = may_setattr(c, &row, a);
	if (!err)
		err = setattr_locked(c, cr, &row, a, &batch);
	if (batch)
		nodes_touch(c->fs->nodes, ino, batch);
	if (!err && ret)
		err = attr_locked(c, ino, ret);
	un_lock(c);
	return err;
}

int fs_set_flags(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, uint32_t flags)
{
	struct inode_row row;
	struct rec rec;
	uint64_t batch;
	int err = writable(c);

	if (err)
		return err;
	if (flags & ~FS_KEEP_FLAGS)
		return -EOPNOTSUPP;
	wr_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err && !S_ISREG(row.mode) && !S_ISDIR(row.mode))
		err = -EOPNOTSUPP;
	if (!err && cr->uid && (cr->uid != row.uid ||
				((flags ^ row.flags) & (INODE_APPEND | INODE_IMMUTABLE))))
		err = -EPERM;
	if (!err) {
		rec_init(&rec, REC_SETATTR);
		rec.setattr.ino = ino;
		rec.setattr.mask = RSA_FLAGS;
		rec.setattr.iflags = flags;
		err = commit_locked(c, cr, &rec, SEG_USER, &batch);
	}
	if (!err)
		nodes_touch(c->fs->nodes, ino, batch);
	un_lock(c);
	return err;
}
