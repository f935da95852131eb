/* SPDX-License-Identifier: MIT */
/* overlay.h - what changed since an image: rows and tombstones by key.
 *
 * One ordered map per table; a value is a row in compact form or a tombstone,
 * which says that the layers below are to be ignored under this key.  Extents
 * have their tombstones in a map of their own, so that the extent before an
 * offset is one step away however much was deleted around it.
 *
 * Ownership: rows lie in the overlay's own memory, which is reused when rows
 *   are replaced and freed as a whole.
 * Locking: the caller's, as in state.h. */
#ifndef VARVE_META_OVERLAY_H
#define VARVE_META_OVERLAY_H

#include "base/omap.h"

enum table {
	T_INODE,   /* (ino, 0) */
	T_ENTRY,   /* (dir, cookie) */
	T_EXTENT,  /* (ino, off) */
	T_PIECE,   /* (id, 0) */
	T_XATTR,   /* (ino, slot) */
	T_TARGET,  /* (ino, 0) */
	T_TABLES,
	T_EXTENT_DEAD = T_TABLES, /* tombstones of T_EXTENT */
	T_MAPS
};

struct orow {
	uint32_t size; /* of data */
	uint8_t cls;   /* private: memory class */
	bool dead;     /* tombstone, no data */
	bool fresh;    /* inodes, pieces: the layers below have nothing of it */
	_Alignas(8) uint8_t data[];
};

/* Compact forms; what is in the key is left out.  Inodes: struct inode_row. */
struct o_entry {
	uint64_t seq, ino;
	uint8_t type, namelen;
	char name[];
};
struct o_extent {
	uint64_t len, seq, piece;
	uint32_t poff;
};
struct o_piece {
	uint64_t addr, ino, off;
	uint32_t len, stored, refs, live, nsums;
	uint32_t enc;
	uint32_t sums[];
};
struct o_xattr {
	uint64_t seq;
	uint32_t len;
	uint8_t namelen;
	char bytes[]; /* name, value */
};
/* Targets: the bytes. */

struct overlay;

struct overlay *overlay_new(void);
void overlay_free(struct overlay *o); /* NULL is allowed */
size_t overlay_bytes(const struct overlay *o);
size_t overlay_rows(const struct overlay *o); /* tombstones included */

/* Row or tombstone, or NULL: the overlay says nothing about the key. */
const struct orow *overlay_get(const struct overlay *o, enum table t,
			       struct okey key);
/* Is there a live row that was put as fresh? */
bool overlay_fresh(const struct overlay *o, enum table t, struct okey key);
/* Room for size bytes of data under key, to be filled in by the caller; what
 * was there is gone. */
void *overlay_put(struct overlay *o, enum table t, struct okey key, size_t size,
		  bool fresh);
/* Leaves a tombstone. */
void overlay_bury(struct overlay *o, enum table t, struct okey key);
/* Forgets the key. */
void overlay_remove(struct overlay *o, enum table t, struct okey key);

const struct omap *overlay_map(const struct overlay *o, unsigned map);

/* Puts upper's rows over lower's and frees upper; lower is then what both were
 * together, above the image. */
void overlay_merge(struct overlay *lower, struct overlay *upper);

#endif
