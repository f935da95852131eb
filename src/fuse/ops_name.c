/* SPDX-License-Identifier: MIT */
/* ops_name.c - lookup, create, link, rename, remove. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/ops.h"

/* Answers with an entry or with the error. */
static void finish_entry(struct freq *q, int err, const struct fs_attr *a)
{
	if (err)
		reply_err(q, err);
	else
		reply_entry(q, a);
}

void ops_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct freq *q = loop_current(req);
	struct fs_attr a;
	int err = fs_lookup(ops_fs(q), dir, name, &a);

	if (err == -ENOENT && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		reply_no_entry(q);
	else
		finish_entry(q, err == -ENOENT ? -ESTALE : err, &a);
}

void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct freq *q = loop_current(req);
	char *target;
	int err = fs_readlink(ops_fs(q), ino, &target);

	if (err) {
		reply_err(q, err);
		return;
	}
	reply_body(q, target, strlen(target));
	free(target);
}

void ops_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t rdev)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, fuse_req_ctx(req)->umask);
	struct fs_attr a;

	finish_entry(q, fs_make(ops_fs(q), &cr, dir, name, mode, rdev, &a), &a);
}

void ops_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, fuse_req_ctx(req)->umask);
	struct fs_attr a;

	mode = (mode & ~(mode_t)S_IFMT) | S_IFDIR;
	finish_entry(q, fs_make(ops_fs(q), &cr, dir, name, mode, 0, &a), &a);
}

void ops_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, 0);

	reply_err(q, fs_unlink(ops_fs(q), &cr, dir, name));
}

void ops_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, 0);

	reply_err(q, fs_rmdir(ops_fs(q), &cr, dir, name));
}

void ops_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, 0);
	struct fs_attr a;

	finish_entry(q, fs_symlink(ops_fs(q), &cr, dir, name, target, &a), &a);
}

void ops_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t newdir,
		const char *newname, unsigned flags)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, 0);

	reply_err(q, fs_rename(ops_fs(q), &cr, dir, name, newdir, newname, flags));
}

void ops_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
	struct freq *q = loop_current(req);
	struct fs_cred cr = ops_cred(q, 0);
	struct fs_attr a;

	finish_entry(q, fs_link(ops_fs(q), &cr, ino, dir, name, &a), &a);
}

void ops_forget(struct freq *q)
{
	const struct fuse_forget_in *arg = freq_arg(q);

	fs_forget(ops_fs(q), q->ino, arg->nlookup);
	reply_none(q);
}

void ops_batch_forget(struct freq *q)
{
	const struct fuse_batch_forget_in *arg = freq_arg(q);
	const struct fuse_forget_one *one = (const void *)(arg + 1);
	size_t room = freq_payload_len(q, sizeof(*arg)) / sizeof(*one);
	size_t n = MIN((size_t)arg->count, room);

	for (size_t i = 0; i < n; i++)
		fs_forget(ops_fs(q), one[i].nodeid, one[i].nlookup);
	reply_none(q);
}
