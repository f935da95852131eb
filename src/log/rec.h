/* SPDX-License-Identifier: MIT */
/* rec.h - the record kinds: one encoder, one bounded decoder, one printer.
 *
 * A record says what an operation changed, results included: applying it
 * reads no clock, no cache and no policy, so that the live path and replay
 * can use the same apply functions.  Records are numbered by their position:
 * op sequence = batch.first_op + index.
 *
 * Ownership: names, values and sums are borrowed; a decoded record points
 *   into the buffer that was decoded.
 * Errors: decoding gives -VE_REC_SHORT, -VE_REC_KIND or -VE_REC_VALUE. */
#ifndef VARVE_LOG_REC_H
#define VARVE_LOG_REC_H

#include <stdio.h>

#include "base/defs.h"

enum rec_kind {
	REC_MAKE = 1,     /* a new inode, with its first name unless O_TMPFILE */
	REC_LINK = 2,     /* another name for an inode (also tmpfile's first) */
	REC_UNLINK = 3,   /* a name goes (also rmdir) */
	REC_DROP = 4,     /* an inode without names or users goes */
	REC_RENAME = 5,
	REC_SETATTR = 6,
	REC_WRITE = 7,
	REC_TRUNCATE = 8,
	REC_FALLOC = 9,   /* allocate, punch, zero */
	REC_CLONE = 10,   /* range of one file shared into another */
	REC_SETXATTR = 11,
	REC_RMXATTR = 12,
	REC_RELOCATE = 13, /* pieces have moved: from -> to */
	/* 14.. are kept for snapshot, rollback, retention, forget-past, resize,
	 * process */
	REC_KIND_END
};

struct rec_name { /* a directory entry */
	uint64_t dir;    /* inode of the directory; 0: none */
	uint64_t cookie; /* place in the directory (meta/names.h) */
	const char *name;
	uint8_t len;
};

struct rec_xattr {
	uint64_t slot;
	const char *name;
	uint8_t namelen;
	const void *value;
	uint32_t len;
};
#define REC_MAKE_XATTRS 3u /* access ACL, default ACL, one spare */

/* SETATTR mask */
#define RSA_MODE 1u
#define RSA_UID 2u
#define RSA_GID 4u
#define RSA_ATIME 8u
#define RSA_MTIME 16u
#define RSA_FLAGS 32u  /* inode flags (append-only, ...) */
#define RSA_NOCTIME 64u /* atime only: ctime stays */

/* flags of SETXATTR and RMXATTR: ctime stays (the system's own attributes) */
#define REC_XATTR_QUIET 1u

/* Encodings of stored data; a decoder refuses what it does not know. */
#define REC_ENC_PLAIN 0u
#define REC_ENC_END 1u

/* FALLOC modes */
#define RFA_ALLOC 1u  /* unwritten extents where holes are */
#define RFA_PUNCH 2u  /* holes */
#define RFA_ZERO 3u   /* unwritten extents everywhere */

/* RELOCATE: what the compactor did; a piece that is not at from any more (a
 * write won the race) stays as it is. */
struct rec_move {
	uint64_t piece, from, to;
};
#define REC_MOVES 16u

struct rec {
	uint8_t kind;
	uint8_t flags;
	uint32_t uid, pid;
	int64_t time; /* ns */
	union {
		struct {
			struct rec_name at; /* at.dir 0: no name */
			uint64_t ino, rdev;
			uint32_t mode, uid, gid, iflags;
			const char *target; /* symlink */
			uint16_t target_len;
			uint8_t nxattrs;
			struct rec_xattr xattr[REC_MAKE_XATTRS];
		} make;
		struct {
			struct rec_name at;
			uint64_t ino;
		} link; /* also unlink */
		struct {
			uint64_t ino;
		} drop;
		struct {
			struct rec_name from, to; /* to.cookie is the new place; when
				* a name is replaced it has the same cookie */
			uint64_t ino;
			uint64_t victim;   /* inode that loses to's name; 0 none;
					    * EXCHANGE: the other inode */
			uint64_t whiteout; /* new inode left at from; 0 none */
			uint32_t mode;     /* RENAME_* flags as in rename(2) */
			uint32_t whiteout_uid, whiteout_gid;
		} rename;
		struct {
			uint64_t ino;
			uint32_t mask, mode, uid, gid, iflags;
			int64_t atime, mtime;
		} setattr;
		struct {
			uint64_t ino, off;
			uint32_t len;  /* bytes of the file, 1..VARVE_PIECE_MAX */
			uint64_t piece, addr;
			uint32_t stored; /* bytes on the device; len unless encoded */
			uint8_t enc;     /* 0 plain */
			uint8_t kill;    /* 1: clear set-id bits */
			/* The compactor cut a piece: nothing but the place of the
			 * data changes, and only if the range is still within one
			 * extent, on piece was from was_poff.  0: a write. */
			uint64_t was;
			uint32_t was_poff;
			uint32_t nsums;  /* ceil(stored / 4096) */
			const uint32_t *sums; /* host order in core */
		} write;
		struct {
			uint64_t ino, size;
			uint8_t kill;
		} truncate;
		struct {
			uint64_t ino, off, len, size; /* size: the file's after it */
			uint8_t mode; /* RFA_* */
			uint8_t kill;
		} falloc;
		struct {
			uint64_t src, src_off, dst, dst_off, len;
			uint64_t size; /* of dst after it */
			uint8_t kill;
		} clone;
		struct {
			uint64_t ino;
			struct rec_xattr x;
			uint32_t mode; /* new mode (ACL), or 0: as it was */
		} setxattr; /* rmxattr: of x slot and name only */
		struct {
			uint32_t n; /* 1..REC_MOVES */
			struct rec_move move[REC_MOVES];
		} relocate;
	};
};

/* Exact encoded size, a multiple of 8; never above REC_MAX. */
size_t rec_size(const struct rec *r);
#define REC_MAX (96u << 10)
/* Writes rec_size(r) bytes. */
void rec_encode(const struct rec *r, void *buf);
/* Decodes the record at buf; *ret_len is how far to the next one.  WRITE's
 * sums point into sums, which has room for VARVE_PIECE_SUMS.  Every field is
 * checked for range (lengths, kinds, nonzero inode, addr nonzero, no overflow
 * of off + len beyond 2^63-1), so apply need not. */
int rec_decode(const void *buf, size_t len, uint32_t *sums, struct rec *ret,
	       size_t *ret_len) VARVE_MUST_CHECK;
/* One line, without newline; names escaped. */
void rec_print(const struct rec *r, uint64_t op_seq, FILE *out);

#endif
