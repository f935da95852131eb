/* SPDX-License-Identifier: MIT */
/* ops.h - the handlers: decode, call fs, reply. */
#ifndef VARVE_FUSE_OPS_H
#define VARVE_FUSE_OPS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "fuse/reply.h"

/* Messages that libfuse 3.14 decodes. */
extern const struct fuse_lowlevel_ops ops_table;

/* Messages that it does not know, or of which it hides a part. */
typedef void (*ops_raw_fn)(struct freq *q);
/* NULL: libfuse decodes this opcode. */
ops_raw_fn ops_raw(uint32_t opcode);

static inline struct fs_ctx *ops_fs(const struct freq *q)
{
	return q->fr->fs;
}

/* umask: of the message, where it carries one. */
struct fs_cred ops_cred(const struct freq *q, uint32_t umask);

/* ops_name.c */
void ops_lookup(fuse_req_t req, fuse_ino_t dir, const char *name);
void ops_readlink(fuse_req_t req, fuse_ino_t ino);
void ops_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t rdev);
void ops_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode);
void ops_unlink(fuse_req_t req, fuse_ino_t dir, const char *name);
void ops_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name);
void ops_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name);
void ops_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t newdir,
		const char *newname, unsigned flags);
void ops_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name);
void ops_forget(struct freq *q);
void ops_batch_forget(struct freq *q);

/* ops_attr.c */
void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_setattr(struct freq *q);
void ops_statx(struct freq *q);
void ops_statfs(fuse_req_t req, fuse_ino_t ino);
void ops_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
	       struct fuse_file_info *fi, unsigned flags, const void *in_buf,
	       size_t in_size, size_t out_size);
bool ops_ioctl_changes(uint32_t cmd);

/* ops_file.c */
void ops_open(struct freq *q);
void ops_create(struct freq *q);
void ops_tmpfile(struct freq *q);
void ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_read(struct freq *q);
void ops_write(struct freq *q);
void ops_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void ops_syncfs(struct freq *q);
void ops_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		   struct fuse_file_info *fi);
void ops_copy(struct freq *q);
void ops_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	       struct fuse_file_info *fi);

/* ops_dir.c */
void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi);
void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi);

/* ops_xattr.c */
void ops_setxattr(struct freq *q);
void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void ops_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

#endif
