/* SPDX-License-Identifier: MIT */
/* raw.c - what is known of each FUSE opcode. */
#include "fuse/raw.h"

#define OP(code, text, arg_size, fl) [code] = { text, arg_size, fl }

static const struct raw_op ops[] = {
	OP(FUSE_LOOKUP, "LOOKUP", 0, 0),
	OP(FUSE_FORGET, "FORGET", 8, RAW_NO_REPLY),
	OP(FUSE_GETATTR, "GETATTR", 16, 0),
	OP(FUSE_SETATTR, "SETATTR", 88, RAW_CHANGES),
	OP(FUSE_READLINK, "READLINK", 0, 0),
	OP(FUSE_SYMLINK, "SYMLINK", 0, RAW_CHANGES),
	OP(FUSE_MKNOD, "MKNOD", 16, RAW_CHANGES),
	OP(FUSE_MKDIR, "MKDIR", 8, RAW_CHANGES),
	OP(FUSE_UNLINK, "UNLINK", 0, RAW_CHANGES),
	OP(FUSE_RMDIR, "RMDIR", 0, RAW_CHANGES),
	OP(FUSE_RENAME, "RENAME", 8, RAW_CHANGES),
	OP(FUSE_LINK, "LINK", 8, RAW_CHANGES),
	OP(FUSE_OPEN, "OPEN", 8, 0), /* changes with O_TRUNC: see loop.c */
	OP(FUSE_READ, "READ", 40, 0),
	OP(FUSE_WRITE, "WRITE", 40, RAW_CHANGES),
	OP(FUSE_STATFS, "STATFS", 0, 0),
	OP(FUSE_RELEASE, "RELEASE", 24, 0),
	OP(FUSE_FSYNC, "FSYNC", 16, 0),
	OP(FUSE_SETXATTR, "SETXATTR", 16, RAW_CHANGES),
	OP(FUSE_GETXATTR, "GETXATTR", 8, 0),
	OP(FUSE_LISTXATTR, "LISTXATTR", 8, 0),
	OP(FUSE_REMOVEXATTR, "REMOVEXATTR", 0, RAW_CHANGES),
	OP(FUSE_FLUSH, "FLUSH", 24, 0),
	OP(FUSE_INIT, "INIT", 64, 0),
	OP(FUSE_OPENDIR, "OPENDIR", 8, 0),
	OP(FUSE_READDIR, "READDIR", 40, 0),
	OP(FUSE_RELEASEDIR, "RELEASEDIR", 24, 0),
	OP(FUSE_FSYNCDIR, "FSYNCDIR", 16, 0),
	OP(FUSE_GETLK, "GETLK", 48, 0),
	OP(FUSE_SETLK, "SETLK", 48, 0),
	OP(FUSE_SETLKW, "SETLKW", 48, 0),
	OP(FUSE_ACCESS, "ACCESS", 8, 0),
	OP(FUSE_CREATE, "CREATE", 16, RAW_CHANGES),
	OP(FUSE_INTERRUPT, "INTERRUPT", 8, 0),
	OP(FUSE_BMAP, "BMAP", 16, 0),
	OP(FUSE_DESTROY, "DESTROY", 0, 0),
	OP(FUSE_IOCTL, "IOCTL", 32, 0), /* changes by command: see loop.c */
	OP(FUSE_POLL, "POLL", 24, 0),
	OP(FUSE_NOTIFY_REPLY, "NOTIFY_REPLY", 40, RAW_NO_REPLY),
	OP(FUSE_BATCH_FORGET, "BATCH_FORGET", 8, RAW_NO_REPLY),
	OP(FUSE_FALLOCATE, "FALLOCATE", 32, RAW_CHANGES),
	OP(FUSE_READDIRPLUS, "READDIRPLUS", 40, 0),
	OP(FUSE_RENAME2, "RENAME2", 16, RAW_CHANGES),
	OP(FUSE_LSEEK, "LSEEK", 24, 0),
	OP(FUSE_COPY_FILE_RANGE, "COPY_FILE_RANGE", 56, RAW_CHANGES),
	OP(RAW_SYNCFS, "SYNCFS", 8, 0),
	OP(RAW_TMPFILE, "TMPFILE", 16, RAW_CHANGES),
	OP(RAW_STATX, "STATX", 24, 0),
	OP(RAW_COPY_FILE_RANGE_64, "COPY_FILE_RANGE_64", 56, RAW_CHANGES),
};

const struct raw_op *raw_op(uint32_t opcode)
{
	static const struct raw_op unknown = { NULL, 0, 0 };

	return opcode < ARRAY_LEN(ops) && ops[opcode].name ? &ops[opcode] : &unknown;
}

_Static_assert(sizeof(struct raw_statx) == 256, "fuse_statx is 256 bytes");
_Static_assert(sizeof(struct raw_statx_out) == 288, "fuse_statx_out is 288 bytes");
_Static_assert(sizeof(struct raw_uring_hdr) == 288, "fuse_uring_req_header is 288 bytes");
_Static_assert(sizeof(struct raw_uring_cmd) == 24, "fuse_uring_cmd_req is 24 bytes");
_Static_assert(sizeof(struct fuse_setxattr_in) == 16, "extended setxattr");
