/* SPDX-License-Identifier: MIT */
/* state_priv.h - what state's parts share; for src/meta only. */
#ifndef VARVE_META_STATE_PRIV_H
#define VARVE_META_STATE_PRIV_H

#include "meta/overlay.h"
#include "meta/reader.h"
#include "meta/writer.h"

struct db;

/* Guarded by the caller's volume lock, writer excepted. */
struct state {
	struct page_store *ps;
	uint8_t key[16];
	struct overlay *active;
	struct overlay *frozen; /* NULL: none */
	uint64_t gen;           /* counts state_switch() calls, from 1 */
	struct writer *writer;  /* the checkpoint thread's */
};

/* The reader's connection, on the newest image; NULL, with 0: empty store. */
int reader_image(struct reader *rd, struct db **ret) VARVE_MUST_CHECK;

/* Values of overlay rows. */
void unpack_inode(const struct orow *row, struct inode_row *ret);
void unpack_entry(const struct orow *row, struct okey key, struct entry_row *ret);
void unpack_extent(const struct orow *row, struct okey key, struct extent_row *ret);
void unpack_piece(const struct orow *row, struct okey key, struct piece_row *ret);
/* The value is borrowed from the overlay. */
void unpack_xattr(const struct orow *row, struct okey key, struct xattr_row *ret);

/* Do the layers below o have to be asked about dependents of ino? */
static inline bool asks_below(const struct overlay *o, uint64_t ino)
{
	return !overlay_fresh(o, T_INODE, (struct okey){ ino, 0 });
}

#endif
