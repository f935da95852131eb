/* SPDX-License-Identifier: MIT */
/* raw.h - the FUSE protocol beyond what <linux/fuse.h> of Debian 12 (7.38) and
 * libfuse 3.14 know: newer messages, and facts per opcode.
 *
 * The names here are our own, so that newer headers do not collide. */
#ifndef VARVE_FUSE_RAW_H
#define VARVE_FUSE_RAW_H

#include <linux/fuse.h>

#include "base/defs.h"

/* The newest protocol minor whose messages we know. */
#define RAW_MINOR_MAX 45u

#define RAW_SYNCFS 50u
#define RAW_TMPFILE 51u
#define RAW_STATX 52u
#define RAW_COPY_FILE_RANGE_64 53u

#define RAW_OVER_IO_URING (1ull << 41)

struct raw_sx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t zero;
};

struct raw_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, zero0;
	uint64_t ino, size, blocks, attributes_mask;
	struct raw_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t zero2[14];
};

struct raw_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t zero[2];
	struct raw_statx stat;
};

struct raw_copy_out_64 {
	uint64_t bytes_copied;
};

/* --- FUSE over io_uring (7.42, kernel 6.14) --- */
enum { RAW_URING_REGISTER = 1, RAW_URING_COMMIT_AND_FETCH = 2 };

struct raw_uring_ent {
	uint64_t flags, commit_id;
	uint32_t payload_size, zero;
	uint64_t reserved;
};

struct raw_uring_hdr {
	char in_out[128]; /* fuse_in_header, then fuse_out_header */
	char op_in[128];  /* fixed arguments */
	struct raw_uring_ent ent;
};

struct raw_uring_cmd {
	uint64_t flags, commit_id;
	uint16_t qid;
	uint8_t zero[6];
};

/* --- facts per opcode --- */
#define RAW_CHANGES 1u   /* changes the volume: asks for admission first */
#define RAW_NO_REPLY 2u
struct raw_op {
	const char *name; /* NULL: unknown */
	uint8_t arg;      /* bytes of fixed arguments */
	uint8_t flags;
};
/* Never NULL. */
const struct raw_op *raw_op(uint32_t opcode);

#endif
