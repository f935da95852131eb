/* SPDX-License-Identifier: MIT */
/* fs.c - opening and closing, contexts, what all operations share. */
#include "fs/fs_int.h"

#include "log/super.h"

int fs_open_volume(struct vol *v, const struct fs_opts *o, struct fs **ret)
{
	static const struct fs_opts none;
	struct fs *fs = xcalloc(1, sizeof(*fs));
	int err;

	fs->v = v;
	fs->st = vol_state(v);
	fs->o = o ? *o : none;
	fs->max_file = fs->o.max_file ? MIN(fs->o.max_file, FS_MAX_FILE) : FS_MAX_FILE;
	fs->piece_max = MIN(VARVE_PIECE_MAX, vol_super(v)->seg_size / 2);
	fs->nodes = nodes_new();
	pthread_mutex_init(&fs->late_mu, NULL);
	/* The root is always known. */
	nodes_hold(fs->nodes, VARVE_ROOT_INO, 1, 0, 0);
	err = fs_reap_all(fs);
	if (err) {
		fs_close_volume(fs);
		return err;
	}
	*ret = fs;
	return 0;
}

void fs_close_volume(struct fs *fs)
{
	if (!fs)
		return;
	nodes_free(fs->nodes);
	pthread_mutex_destroy(&fs->late_mu);
	free(fs->late);
	free(fs);
}

int fs_ctx_open(struct fs *fs, struct ring *r, struct fs_ctx **ret)
{
	struct fs_ctx *c = xcalloc(1, sizeof(*c));
	int err = vol_ctx_open(fs->v, r, &c->vc);

	if (err) {
		free(c);
		return err;
	}
	c->fs = fs;
	c->v = fs->v;
	c->st = fs->st;
	c->rd = c->vc->rd;
	*ret = c;
	return 0;
}

void fs_ctx_close(struct fs_ctx *c)
{
	if (!c)
		return;
	vol_ctx_close(c->vc);
	free(c);
}

struct vol_ctx *fs_vol_ctx(struct fs_ctx *c)
{
	return c->vc;
}

struct vol *fs_vol(struct fs *fs)
{
	return fs->v;
}

bool fs_admit(struct fs_ctx *c, struct log_waiter *w)
{
	return vol_admit(c->vc, w);
}

uint64_t fs_newest(struct fs *fs)
{
	return atomic_load_explicit(&fs->newest, memory_order_relaxed);
}

void row_attr(const struct inode_row *r, struct fs_attr *ret)
{
	memset(ret, 0, sizeof(*ret)); /* padding too: attributes can be compared */
	ret->ino = r->ino;
	ret->size = r->size;
	ret->bytes = r->bytes;
	ret->rdev = r->rdev;
	ret->mode = r->mode;
	ret->nlink = r->nlink;
	ret->uid = r->uid;
	ret->gid = r->gid;
	ret->flags = r->flags;
	ret->atime = r->atime;
	ret->mtime = r->mtime;
	ret->ctime = r->ctime;
	ret->btime = r->btime;
}

int inode_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret)
{
	int err = state_inode(c->st, c->rd, ino, ret);

	return err == -ENOENT ? -ESTALE : err;
}

int entry_inode_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret)
{
	int err = state_inode(c->st, c->rd, ino, ret);

	if (err == -ENOENT) {
		msg_err("inode %llu has a name but does not exist: run fsck.varve",
			(unsigned long long)ino);
		return -VE_DB;
	}
	return err;
}

int dir_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret)
{
	int err = inode_locked(c, ino, ret);

	if (err)
		return err;
	if (!S_ISDIR(ret->mode))
		return -ENOTDIR;
	return ret->nlink ? 0 : -ENOENT;
}

int regular_locked(struct fs_ctx *c, uint64_t ino, struct inode_row *ret)
{
	int err = inode_locked(c, ino, ret);

	if (err)
		return err;
	if (S_ISDIR(ret->mode))
		return -EISDIR;
	return S_ISREG(ret->mode) ? 0 : -EINVAL;
}

int attr_locked(struct fs_ctx *c, uint64_t ino, struct fs_attr *ret)
{
	struct inode_row row;
	int err = inode_locked(c, ino, &row);

	if (!err)
		row_attr(&row, ret);
	return err;
}

int name_check(const char *name, size_t *ret_len)
{
	size_t len = strlen(name);

	if (!len)
		return -ENOENT;
	if (len > VARVE_NAME_MAX)
		return -ENAMETOOLONG;
	if (memchr(name, '/', len))
		return -EINVAL;
	*ret_len = len;
	return 0;
}

int commit_locked(struct fs_ctx *c, const struct fs_cred *cr, struct rec *rec,
		  enum seg_class cls, uint64_t *ret_batch)
{
	uint64_t batch;
	int err;

	if (cr) {
		rec->uid = cr->uid;
		rec->pid = cr->pid;
	}
	err = vol_commit(c->vc, rec, cls, &batch);
	if (err)
		return err;
	atomic_store_explicit(&c->fs->newest, batch, memory_order_relaxed);
	if (ret_batch)
		*ret_batch = batch;
	return 0;
}
