/* SPDX-License-Identifier: MIT */
/* reader.h - questions to the newest image, and its rows as values.
 *
 * A question (query) is a prepared statement taken from the reader's pool, so
 * that an iteration's callback can ask again.  A read transaction stays open
 * between queries; it is renewed when state_switch() has counted up the
 * state's generation.
 *
 * Locking: one thread per reader, under the shared volume lock.
 * Errors: as db.h.  After one, the connection is closed as soon as no query
 *   is running, and opened again at the next. */
#ifndef VARVE_META_READER_H
#define VARVE_META_READER_H

#include <sqlite3.h>

#include "meta/state.h"

enum query_kind {
	Q_INODE,   /* ino */
	Q_INODES,  /* from ino */
	Q_ORPHANS, /* from ino */
	Q_ENTRIES, /* dir, first cookie, last cookie */
	Q_EXTENTS, /* ino, first off, last off */
	Q_EXTENT_BEFORE, /* ino, off: the last extent that starts before off */
	Q_PIECE,   /* id */
	Q_PIECES,  /* from id */
	Q_PIECES_AT, /* first addr, last addr */
	Q_XATTRS,  /* ino, first slot, last slot */
	Q_TARGET,  /* ino */
	Q_COUNTS,
	Q_KINDS
};

struct query {
	sqlite3_stmt *stmt;
	enum query_kind kind;
	struct query *next; /* in the pool */
};

/* Takes a query and binds its arguments (unused ones are ignored).  *ret is
 * NULL, with 0, if there is no image.  Numbers above 2^63-1 count as that. */
int reader_ask(struct reader *rd, enum query_kind kind, uint64_t a, uint64_t b,
	       uint64_t c, struct query **ret) VARVE_MUST_CHECK;
/* 1: a row; 0: no more. */
int reader_step(struct reader *rd, struct query *q) VARVE_MUST_CHECK;
/* NULL is allowed. */
void reader_done(struct reader *rd, struct query *q);

/* Column that orders the rows of a query: the part of the key that varies. */
static inline uint64_t query_key(const struct query *q)
{
	return (uint64_t)sqlite3_column_int64(q->stmt, 0);
}
#define QUERY_NAME_COLUMN 2 /* of Q_ENTRIES and Q_XATTRS */

/* The current row as a value, checked: -VE_DB if it holds what no row may. */
int row_inode(const struct query *q, struct inode_row *ret) VARVE_MUST_CHECK;
int row_entry(const struct query *q, uint64_t dir, struct entry_row *ret) VARVE_MUST_CHECK;
int row_extent(const struct query *q, uint64_t ino, struct extent_row *ret) VARVE_MUST_CHECK;
int row_piece(const struct query *q, struct piece_row *ret) VARVE_MUST_CHECK;
/* The value is borrowed until the next step. */
int row_xattr(const struct query *q, uint64_t ino, struct xattr_row *ret) VARVE_MUST_CHECK;

#endif
