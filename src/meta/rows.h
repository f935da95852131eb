/* SPDX-License-Identifier: MIT */
/* rows.h - rows of the metadata tables, as plain values.
 *
 * seq is the operation that made this version of the row: it is valid from
 * seq on.  When a row is replaced or deleted by operation n, the old version
 * was valid in [seq, n); the *_past tables hold it with n as upto.
 * Times are nanoseconds since 1970 UTC. */
#ifndef VARVE_META_ROWS_H
#define VARVE_META_ROWS_H

#include "base/defs.h"

struct inode_row {
	uint64_t ino;
	uint64_t seq;
	uint32_t mode; /* type and permissions */
	uint32_t uid, gid;
	uint32_t nlink; /* 0: orphan, kept while in use; directories: 2 + subdirs */
	uint64_t rdev;
	uint64_t size;  /* bytes; directories: number of entries */
	uint64_t bytes; /* allocated by extents, unwritten ones included */
	int64_t atime, mtime, ctime, btime;
	uint32_t flags; /* INODE_* */
	uint64_t parent; /* directory of the newest name; exact for directories */
};
/* Values as in FS_IOC_GETFLAGS. */
#define INODE_APPEND 0x20u
#define INODE_IMMUTABLE 0x10u
#define INODE_NOATIME 0x80u
#define INODE_NODUMP 0x40u
#define INODE_SYNC 0x8u

struct entry_row { /* key (dir, cookie) */
	uint64_t dir;
	uint64_t cookie; /* names.h */
	uint64_t seq;
	uint64_t ino;
	uint8_t type; /* DT_* */
	uint8_t namelen;
	char name[VARVE_NAME_MAX + 1]; /* bytes, NUL-terminated */
};

struct extent_row { /* key (ino, off); extents of a file never overlap */
	uint64_t ino, off, len;
	uint64_t seq;
	uint64_t piece; /* 0: unwritten: space promised, reads as zeros */
	uint32_t poff;  /* where in the piece the extent starts */
};

struct piece_row { /* key id */
	uint64_t id;
	uint64_t addr;   /* on the device, bytes */
	uint32_t len;    /* bytes of file data */
	uint32_t stored; /* bytes on the device */
	uint8_t enc;     /* 0 plain */
	uint32_t refs;   /* extents that point here, present and past */
	uint32_t live;   /* bytes on the device that are referred to: with an owner,
			  * the sum of its extents' lengths; else stored */
	uint64_t ino, off; /* owner: every extent that points here is in file ino,
			    * at off + poff.  ino 0: shared by a clone, or encoded */
	uint32_t nsums;  /* CRC-32C per 4 KiB of what is stored */
	uint32_t sums[VARVE_PIECE_SUMS];
};

struct xattr_row { /* key (ino, slot) */
	uint64_t ino, slot; /* names.h */
	uint64_t seq;
	uint8_t namelen;
	char name[VARVE_NAME_MAX + 1];
	uint32_t len;
	const void *value; /* borrowed, see the call that gave it */
};

/* Volume-wide numbers, stored with every image and in every slot. */
struct meta_counts {
	uint64_t ckpt;   /* checkpoint number of this image */
	uint64_t op_seq; /* last operation in it */
	uint64_t next_ino, next_piece;
	uint64_t log_addr, log_seq; /* replay position: must match the slot's */
};

#endif
