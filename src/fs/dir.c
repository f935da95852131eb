/* SPDX-License-Identifier: MIT */
/* dir.c - making, linking and removing names. */
#include "fs/acl.h"
#include "fs/fs_int.h"
#include "log/super.h"
#include "meta/names.h"

/* What a new entry needs: the directory, a free place in it. */
struct place {
	struct inode_row dir;
	uint64_t cookie;
	size_t len;
};

/* -EEXIST comes before everything that forbids changing the directory, as in
 * Linux: the kernel looks the name up first. */
static int free_place_locked(struct fs_ctx *c, uint64_t dir, const char *name,
			     struct place *ret)
{
	struct entry_row e;
	int err = dir_locked(c, dir, &ret->dir);

	if (!err)
		err = name_check(name, &ret->len);
	if (err)
		return err;
	if (is_dot(name))
		return -EEXIST;
	err = state_entry(c->st, c->rd, dir, name, ret->len, &e, &ret->cookie);
	if (!err)
		return -EEXIST;
	if (err != -ENOENT)
		return err;
	return ret->dir.flags & INODE_IMMUTABLE ? -EPERM : 0;
}

/* Owner, group and inherited flags of a new inode in dir. */
static void new_owner(const struct inode_row *dir, const struct fs_cred *cr, struct rec *rec)
{
	uint32_t type = rec->make.mode & S_IFMT;

	rec->make.uid = cr->uid;
	rec->make.gid = cr->gid;
	if (dir->mode & S_ISGID) {
		rec->make.gid = dir->gid;
		if (type == S_IFDIR)
			rec->make.mode |= S_ISGID;
	}
	rec->make.iflags = dir->flags & (INODE_NODUMP | INODE_NOATIME);
	if (type == S_IFDIR || type == S_IFREG)
		rec->make.iflags |= dir->flags & INODE_SYNC;
}

static void add_xattr(struct fs_ctx *c, struct rec *rec, const char *name,
		      const void *value, uint32_t len)
{
	struct rec_xattr *x = &rec->make.xattr[rec->make.nxattrs++];

	x->name = name;
	x->namelen = (uint8_t)strlen(name);
	/* Nothing else is there yet: the first slot of the hash is free. */
	x->slot = name_cookie(vol_super(c->v)->hash_key, name, x->namelen);
	x->value = value;
	x->len = len;
}

/* Mode and ACLs; symlinks have neither umask nor ACL. */
static int new_mode_locked(struct fs_ctx *c, const struct fs_cred *cr, struct rec *rec,
			   uint64_t dir, struct inherit *ih)
{
	int err;

	if (S_ISLNK(rec->make.mode))
		return 0;
	err = inherit_locked(c, dir, cr->umask, &rec->make.mode, ih);
	if (err)
		return err;
	if (ih->access)
		add_xattr(c, rec, ACL_ACCESS_NAME, ih->access, ih->access_len);
	if (ih->dflt && S_ISDIR(rec->make.mode))
		add_xattr(c, rec, ACL_DEFAULT_NAME, ih->dflt, ih->dflt_len);
	return 0;
}

static uint8_t new_hints(const struct rec *rec)
{
	uint8_t hints = NODE_NO_XATTR;

	for (unsigned i = 0; i < rec->make.nxattrs; i++)
		hints &= ~(strcmp(rec->make.xattr[i].name, ACL_ACCESS_NAME) ? NODE_NO_DACL :
									      NODE_NO_ACL);
	return hints;
}

/* The common end of everything that makes an inode: rec has mode, rdev and
 * target; name NULL: without a name, opened. */
static int make(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name,
		struct rec *rec, struct fs_attr *ret)
{
	struct node_info first = { .lookups = 1 };
	struct inherit ih = { 0 };
	struct place p;
	int err = writable(c);

	if (err)
		return err;
	wr_lock(c);
	if (name)
		err = free_place_locked(c, dir, name, &p);
	else
		err = dir_locked(c, dir, &p.dir);
	if (!err && !name && (p.dir.flags & INODE_IMMUTABLE))
		err = -EPERM;
	if (!err && S_ISDIR(rec->make.mode) && p.dir.nlink >= FS_LINK_MAX)
		err = -EMLINK;
	if (err)
		goto out;
	new_owner(&p.dir, cr, rec);
	err = new_mode_locked(c, cr, rec, dir, &ih);
	if (err)
		goto out;
	rec->make.ino = vol_next_ino(c->v);
	if (name) {
		rec->make.at.dir = dir;
		rec->make.at.cookie = p.cookie;
		rec->make.at.name = name;
		rec->make.at.len = (uint8_t)p.len;
	} else {
		first.opens = 1;
		first.flags = NODE_ORPHAN | NODE_TMPFILE;
	}
	err = commit_locked(c, cr, rec, SEG_USER, &first.batch);
	if (err)
		goto out;
	first.absent = new_hints(rec);
	nodes_made(c->fs->nodes, rec->make.ino, &first);
	if (name)
		nodes_touch(c->fs->nodes, dir, first.batch);
	err = attr_locked(c, rec->make.ino, ret);
out:
	un_lock(c);
	inherit_free(&ih);
	return err;
}

int fs_make(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name,
	    uint32_t mode, uint64_t rdev, struct fs_attr *ret)
{
	struct rec rec;

	rec_init(&rec, REC_MAKE);
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	switch (mode & S_IFMT) {
	case S_IFBLK:
	case S_IFCHR:
		rec.make.rdev = rdev;
		break;
	case S_IFREG:
	case S_IFDIR:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return -EINVAL;
	}
	rec.make.mode = mode & (S_IFMT | 07777);
	return make(c, cr, dir, name, &rec, ret);
}

int fs_symlink(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name,
	       const char *target, struct fs_attr *ret)
{
	size_t len = strlen(target);
	struct rec rec;

	if (!len)
		return -ENOENT;
	if (len > FS_TARGET_MAX)
		return -ENAMETOOLONG;
	rec_init(&rec, REC_MAKE);
	rec.make.mode = S_IFLNK | 0777;
	rec.make.target = target;
	rec.make.target_len = (uint16_t)len;
	return make(c, cr, dir, name, &rec, ret);
}

int fs_tmpfile(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, uint32_t mode,
	       struct fs_attr *ret)
{
	struct rec rec;

	rec_init(&rec, REC_MAKE);
	rec.make.mode = S_IFREG | (mode & 07777);
	return make(c, cr, dir, NULL, &rec, ret);
}

static int may_link_locked(struct fs_ctx *c, const struct inode_row *row)
{
	struct node_info ni;

	if (row_frozen(row) || S_ISDIR(row->mode))
		return -EPERM;
	if (!row->nlink) {
		/* Only what never had a name may come back to life. */
		nodes_get(c->fs->nodes, row->ino, &ni);
		return ni.flags & NODE_TMPFILE ? 0 : -ENOENT;
	}
	return row->nlink >= FS_LINK_MAX ? -EMLINK : 0;
}

int fs_link(struct fs_ctx *c, const struct fs_cred *cr, uint64_t ino, uint64_t dir,
	    const char *name, struct fs_attr *ret)
{
	struct inode_row row;
	struct place p;
	struct rec rec;
	uint64_t batch;
	int err = writable(c);

	if (err)
		return err;
	wr_lock(c);
	err = free_place_locked(c, dir, name, &p);
	if (!err)
		err = inode_locked(c, ino, &row);
	if (!err)
		err = may_link_locked(c, &row);
	if (err)
		goto out;
	rec_init(&rec, REC_LINK);
	rec.link.ino = ino;
	rec.link.at.dir = dir;
	rec.link.at.cookie = p.cookie;
	rec.link.at.name = name;
	rec.link.at.len = (uint8_t)p.len;
	err = commit_locked(c, cr, &rec, SEG_USER, &batch);
	if (err)
		goto out;
	nodes_mark(c->fs->nodes, ino, 0, NODE_ORPHAN | NODE_TMPFILE);
	nodes_hold(c->fs->nodes, ino, 1, 0, batch);
	nodes_touch(c->fs->nodes, ino, batch);
	nodes_touch(c->fs->nodes, dir, batch);
	err = attr_locked(c, ino, ret);
out:
	un_lock(c);
	return err;
}

/* Finds what is to be removed and checks what Linux's may_delete() checks. */
static int victim_locked(struct fs_ctx *c, uint64_t dir, const char *name, bool want_dir,
			 struct entry_row *e, struct inode_row *row)
{
	struct inode_row d;
	size_t len;
	int err = dir_locked(c, dir, &d);

	if (!err)
		err = name_check(name, &len);
	if (!err)
		err = state_entry(c->st, c->rd, dir, name, len, e, NULL);
	if (!err)
		err = entry_inode_locked(c, e->ino, row);
	if (err)
		return err;
	if (row_frozen(&d) || row_frozen(row))
		return -EPERM;
	if (want_dir && !S_ISDIR(row->mode))
		return -ENOTDIR;
	if (!want_dir && S_ISDIR(row->mode))
		return -EISDIR;
	return want_dir && row->size ? -ENOTEMPTY : 0;
}

static int remove_name(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir,
		       const char *name, bool want_dir)
{
	struct inode_row row;
	struct entry_row e;
	struct rec rec;
	uint64_t batch, reap = 0;
	int err = writable(c);

	if (err)
		return err;
	wr_lock(c);
	err = victim_locked(c, dir, name, want_dir, &e, &row);
	if (err)
		goto out;
	rec_init(&rec, REC_UNLINK);
	rec.link.ino = row.ino;
	rec.link.at.dir = dir;
	rec.link.at.cookie = e.cookie;
	rec.link.at.name = e.name;
	rec.link.at.len = e.namelen;
	err = commit_locked(c, cr, &rec, SEG_CLEANING, &batch);
	if (err)
		goto out;
	nodes_touch(c->fs->nodes, row.ino, batch);
	nodes_touch(c->fs->nodes, dir, batch);
	if (want_dir || row.nlink <= 1)
		reap = orphaned_locked(c, row.ino);
out:
	un_lock(c);
	if (reap)
		fs_reap(c, reap);
	return err;
}

int fs_unlink(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name)
{
	if (is_dot(name))
		return -EISDIR;
	return remove_name(c, cr, dir, name, false);
}

int fs_rmdir(struct fs_ctx *c, const struct fs_cred *cr, uint64_t dir, const char *name)
{
	if (is_dot(name))
		return name[1] ? -ENOTEMPTY : -EINVAL;
	return remove_name(c, cr, dir, name, true);
}

int fs_readlink(struct fs_ctx *c, uint64_t ino, char **ret)
{
	struct inode_row row;
	size_t len;
	bool due = false;
	int err;

	rd_lock(c);
	err = inode_locked(c, ino, &row);
	if (!err && !S_ISLNK(row.mode))
		err = -EINVAL;
	if (!err)
		err = state_target(c->st, c->rd, ino, ret, &len);
	if (!err)
		due = atime_due(c->fs, &row);
	un_lock(c);
	if (due)
		atime_update(c, ino);
	return err == -ENOENT ? -VE_DB : err;
}
