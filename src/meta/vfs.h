/* SPDX-License-Identifier: MIT */
/* vfs.h - the SQLite VFS "varve": a database file that is a page store.
 *
 * A connection is attached first, then opened in SQLite under its name.
 *
 *   reader: SHARED from NONE takes the newest committed image, NONE lets it
 *     go.  Between the two the file does not change, whoever writes.  SQLite
 *     notices a new image by the file change counter, as it would in a file
 *     that another process changed.
 *   writer: reads and writes the page store's open transaction.
 *
 * Locking: one thread per connection; attach and detach from any thread.
 * Errors: SQLite sees SQLITE_IOERR or SQLITE_FULL; the page store's own code
 *   is kept for vfs_take_error(). */
#ifndef VARVE_META_VFS_H
#define VARVE_META_VFS_H

#include "base/page_store.h"

#define VFS_NAME "varve"

struct vfs_conn {
	struct page_store *ps;
	bool writer;
	bool dead;         /* refuses all I/O: what is open is given up */
	int err;           /* first error of the page store, not yet taken */
	char name[32];     /* file name to give to SQLite */
	/* private */
	struct ps_image *img; /* reader: held image or NULL */
	uint32_t base;     /* writer: pages below or equal exist in the image */
	uint8_t *written;  /* writer: bit per page above base */
	uint32_t nwritten; /* bits there is room for */
	struct vfs_conn *next;
	uint8_t page[VARVE_BLOCK];
};

/* Also sets up SQLite for the process, once. */
int vfs_attach(struct vfs_conn *c, struct page_store *ps, bool writer) VARVE_MUST_CHECK;
/* After SQLite has closed the file. */
void vfs_detach(struct vfs_conn *c);

/* The writer's transaction begins: a new txn_begin() of the page store. */
void vfs_txn_start(struct vfs_conn *c);
/* SQLite leaves out pages that hold nothing (freed again in the transaction
 * that made them; the page at 1 GiB): writes them as zeros, so that every page
 * of an image exists. */
int vfs_txn_fill(struct vfs_conn *c) VARVE_MUST_CHECK;

/* The page store's code behind the last failure, or 0; forgets it. */
int vfs_take_error(struct vfs_conn *c);

#endif
