/* SPDX-License-Identifier: MIT */
/* ops_attr.c - attributes, inode flags, space, trim. */
#include "config.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "fuse/ops.h"

void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct freq *q = loop_current(req);
	struct fs_attr a;
	int err = fs_getattr(ops_fs(q), ino, &a);

	if (err)
		reply_err(q, err);
	else
		reply_attr(q, &a);
}

void ops_statx(struct freq *q)
{
	struct fs_attr a;
	int err = fs_getattr(ops_fs(q), q->ino, &a);

	if (err)
		reply_err(q, err);
	else
		reply_statx(q, &a);
}

/* Beyond what 64 bits of ns hold (years 1678 to 2262) times stick to the end. */
static int64_t time_ns(uint64_t sec, uint32_t nsec)
{
	int64_t s = (int64_t)sec, ns;

	if (__builtin_mul_overflow(s, (int64_t)1000000000, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)nsec, &ns))
		return s < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

void ops_setattr(struct freq *q)
{
	static const struct {
		uint32_t raw, fsa;
	} bits[] = {
		{ FATTR_MODE, FSA_MODE },
		{ FATTR_UID, FSA_UID },
		{ FATTR_GID, FSA_GID },
		{ FATTR_SIZE, FSA_SIZE },
		{ FATTR_ATIME, FSA_ATIME },
		{ FATTR_MTIME, FSA_MTIME },
		{ FATTR_KILL_SUIDGID, FSA_KILL },
	};
	const struct fuse_setattr_in *arg = freq_arg(q);
	struct fs_cred cr = ops_cred(q, 0);
	struct fs_setattr set = {
		.mode = arg->mode,
		.uid = arg->uid,
		.gid = arg->gid,
		.size = arg->size,
		.atime = time_ns(arg->atime, arg->atimensec),
		.mtime = time_ns(arg->mtime, arg->mtimensec),
	};
	struct fs_attr a;
	int err;

	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		if (arg->valid & bits[i].raw)
			set.valid |= bits[i].fsa;
	}
	if (arg->valid & FATTR_ATIME_NOW)
		set.valid = (set.valid & ~FSA_ATIME) | FSA_ATIME_NOW;
	if (arg->valid & FATTR_MTIME_NOW)
		set.valid = (set.valid & ~FSA_MTIME) | FSA_MTIME_NOW;
	err = fs_setattr(ops_fs(q), &cr, q->ino, &set, &a);
	if (err)
		reply_err(q, err);
	else
		reply_attr(q, &a);
}

void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct freq *q = loop_current(req);
	struct fs_statfs st;
	struct fuse_statfs_out out;
	int err = fs_statfs(ops_fs(q), &st);

	if (err) {
		reply_err(q, err);
		return;
	}
	memset(&out, 0, sizeof(out));
	out.st.blocks = st.blocks;
	out.st.bfree = st.bfree;
	out.st.bavail = st.bavail;
	out.st.files = st.files;
	out.st.ffree = st.ffree;
	out.st.bsize = VARVE_BLOCK;
	out.st.frsize = VARVE_BLOCK;
	out.st.namelen = VARVE_NAME_MAX;
	reply_body(q, &out, sizeof(out));
}

/* --- ioctl --- */

static const struct {
	uint32_t fl, xfl;
} xflags[] = {
	{ FS_SYNC_FL, FS_XFLAG_SYNC },
	{ FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE },
	{ FS_APPEND_FL, FS_XFLAG_APPEND },
	{ FS_NODUMP_FL, FS_XFLAG_NODUMP },
	{ FS_NOATIME_FL, FS_XFLAG_NOATIME },
};

bool ops_ioctl_changes(uint32_t cmd)
{
	return cmd == FS_IOC_SETFLAGS || cmd == FS_IOC32_SETFLAGS ||
	       cmd == FS_IOC_FSSETXATTR;
}

static void reply_ioctl(struct freq *q, const void *data, size_t len)
{
	struct fuse_ioctl_out *out = (struct fuse_ioctl_out *)q->data;

	memmove(out + 1, data, len);
	memset(out, 0, sizeof(*out));
	reply_data(q, sizeof(*out) + len);
}

static void get_flags(struct freq *q, size_t out_size)
{
	struct fs_attr a;
	uint32_t flags;
	int err = out_size < sizeof(flags) ? -EINVAL : fs_getattr(ops_fs(q), q->ino, &a);

	if (err) {
		reply_err(q, err);
		return;
	}
	flags = a.flags;
	reply_ioctl(q, &flags, sizeof(flags));
}

static void set_flags(struct freq *q, const void *in, size_t in_size)
{
	struct fs_cred cr = ops_cred(q, 0);
	uint32_t flags;
	int err = -EINVAL;

	if (in_size >= sizeof(flags)) {
		memcpy(&flags, in, sizeof(flags));
		err = fs_set_flags(ops_fs(q), &cr, q->ino, flags);
	}
	if (err)
		reply_err(q, err);
	else
		reply_ioctl(q, "", 0);
}

static void get_xattr_flags(struct freq *q, size_t out_size)
{
	struct fsxattr x = { 0 };
	struct fs_attr a;
	int err = out_size < sizeof(x) ? -EINVAL : fs_getattr(ops_fs(q), q->ino, &a);

	if (err) {
		reply_err(q, err);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(xflags); i++) {
		if (a.flags & xflags[i].fl)
			x.fsx_xflags |= xflags[i].xfl;
	}
	reply_ioctl(q, &x, sizeof(x));
}

static void set_xattr_flags(struct freq *q, const void *in, size_t in_size)
{
	struct fs_cred cr = ops_cred(q, 0);
	struct fsxattr x;
	struct fs_attr a;
	uint32_t known = 0, flags;
	int err = -EINVAL;

	if (in_size >= sizeof(x)) {
		memcpy(&x, in, sizeof(x));
		err = fs_getattr(ops_fs(q), q->ino, &a);
	}
	if (err) {
		reply_err(q, err);
		return;
	}
	flags = a.flags;
	for (size_t i = 0; i < ARRAY_LEN(xflags); i++) {
		known |= xflags[i].xfl;
		flags &= ~xflags[i].fl;
		if (x.fsx_xflags & xflags[i].xfl)
			flags |= xflags[i].fl;
	}
	if ((x.fsx_xflags & ~known) || x.fsx_projid || x.fsx_extsize || x.fsx_cowextsize)
		err = -EOPNOTSUPP;
	else
		err = fs_set_flags(ops_fs(q), &cr, q->ino, flags);
	if (err)
		reply_err(q, err);
	else
		reply_ioctl(q, "", 0);
}

static void trim(struct freq *q, const void *in, size_t in_size)
{
	struct fstrim_range range;
	uint64_t bytes = 0;
	int err;

	/* The kernel does not ask for us who may. */
	if (q->in->uid != 0) {
		reply_err(q, -EPERM);
		return;
	}
	if (in_size < sizeof(range)) {
		reply_err(q, -EINVAL);
		return;
	}
	memcpy(&range, in, sizeof(range));
	err = vol_trim(fs_vol_ctx(ops_fs(q)), &bytes);
	if (err) {
		reply_err(q, err);
		return;
	}
	range.len = bytes;
	reply_ioctl(q, &range, sizeof(range));
}

void ops_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
	       struct fuse_file_info *fi, unsigned flags, const void *in_buf,
	       size_t in_size, size_t out_size)
{
	struct freq *q = loop_current(req);

	switch (cmd) {
	case FS_IOC_GETFLAGS:
	case FS_IOC32_GETFLAGS:
		get_flags(q, out_size);
		break;
	case FS_IOC_SETFLAGS:
	case FS_IOC32_SETFLAGS:
		set_flags(q, in_buf, in_size);
		break;
	case FS_IOC_FSGETXATTR:
		get_xattr_flags(q, out_size);
		break;
	case FS_IOC_FSSETXATTR:
		set_xattr_flags(q, in_buf, in_size);
		break;
	case FITRIM:
		trim(q, in_buf, in_size);
		break;
	default:
		reply_err(q, -ENOTTY);
		break;
	}
}
