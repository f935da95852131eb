/* SPDX-License-Identifier: MIT */
/* ops.c - which handler takes which message. */
#include "config.h"

#include "fuse/ops.h"

static void ops_init(void *userdata, struct fuse_conn_info *conn)
{
	struct session *s = userdata;
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC |
			FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_DONT_MASK |
			FUSE_CAP_IOCTL_DIR | FUSE_CAP_READDIRPLUS |
			FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_DIO |
			FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_POSIX_ACL |
			FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA;

	/* Locks are the kernel's own; splice would only add copies of pages. */
	conn->want = want & conn->capable;
	conn->max_write = s->max_write;
	conn->max_read = s->opts->max_read;
	conn->max_background = 128;
	conn->congestion_threshold = 96;
	conn->time_gran = 1;
}

const struct fuse_lowlevel_ops ops_table = {
	.init = ops_init,
	.lookup = ops_lookup,
	.getattr = ops_getattr,
	.readlink = ops_readlink,
	.mknod = ops_mknod,
	.mkdir = ops_mkdir,
	.unlink = ops_unlink,
	.rmdir = ops_rmdir,
	.symlink = ops_symlink,
	.rename = ops_rename,
	.link = ops_link,
	.release = ops_release,
	.fsync = ops_fsync,
	.fsyncdir = ops_fsync,
	.readdir = ops_readdir,
	.readdirplus = ops_readdirplus,
	.statfs = ops_statfs,
	.getxattr = ops_getxattr,
	.listxattr = ops_listxattr,
	.removexattr = ops_removexattr,
	.ioctl = ops_ioctl,
	.fallocate = ops_fallocate,
	.lseek = ops_lseek,
	/* OPENDIR, FLUSH, ACCESS: ENOSYS tells the kernel to do without */
};

static void refuse(struct freq *q)
{
	reply_err(q, -ENOSYS);
}

/* The rings stop, the volume is closed, then it is answered: session.c. */
static void ops_destroy(struct freq *q)
{
	q->fr->destroy = q;
	loop_gone(q->fr);
}

ops_raw_fn ops_raw(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_FORGET:
		return ops_forget;
	case FUSE_BATCH_FORGET:
		return ops_batch_forget;
	case FUSE_SETATTR:
		return ops_setattr;
	case FUSE_OPEN:
		return ops_open;
	case FUSE_CREATE:
		return ops_create;
	case FUSE_READ:
		return ops_read;
	case FUSE_WRITE:
		return ops_write;
	case FUSE_SETXATTR:
		return ops_setxattr;
	case FUSE_COPY_FILE_RANGE:
	case RAW_COPY_FILE_RANGE_64:
		return ops_copy;
	case RAW_SYNCFS:
		return ops_syncfs;
	case RAW_TMPFILE:
		return ops_tmpfile;
	case RAW_STATX:
		return ops_statx;
	case FUSE_DESTROY:
		return ops_destroy;
	case FUSE_INTERRUPT: /* nothing here waits for long: never sent again */
		return refuse;
	default:
		return NULL;
	}
}

struct fs_cred ops_cred(const struct freq *q, uint32_t umask)
{
	return (struct fs_cred){
		.uid = q->in->uid,
		.gid = q->in->gid,
		.pid = q->in->pid,
		.umask = umask,
	};
}
