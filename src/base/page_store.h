/* SPDX-License-Identifier: MIT */
/* page_store.h - where the metadata database keeps its pages.
 *
 * A page store holds 4 KiB pages numbered from 1 (as SQLite numbers them) in
 * immutable, committed images plus at most one transaction that prepares the
 * next image copy-on-write.  meta's SQLite VFS is written against this
 * interface; store/pstore.c implements it on metadata segments, tests in RAM.
 *
 * Locking: read and npages may be called by any thread on an image it holds;
 *   txn_* by one thread at a time.
 * Errors: 0 or negative; -VE_PAGE_CRC for damage, -ENOSPC when no space. */
#ifndef VARVE_BASE_PAGE_STORE_H
#define VARVE_BASE_PAGE_STORE_H

#include "base/defs.h"

struct page_store;
struct ps_image; /* one committed image, reference-counted */

struct page_store_ops {
	/* Takes a reference on the newest committed image. */
	struct ps_image *(*acquire)(struct page_store *ps);
	void (*release)(struct page_store *ps, struct ps_image *img);
	uint32_t (*npages)(struct page_store *ps, struct ps_image *img);
	/* Reads and verifies page pgno of an image into buf (4 KiB). */
	int (*read)(struct page_store *ps, struct ps_image *img, uint32_t pgno,
		    void *buf);

	/* The transaction sees its own writes on top of the newest image. */
	int (*txn_begin)(struct page_store *ps);
	uint32_t (*txn_npages)(struct page_store *ps);
	int (*txn_read)(struct page_store *ps, uint32_t pgno, void *buf);
	int (*txn_write)(struct page_store *ps, uint32_t pgno, const void *buf);
	int (*txn_truncate)(struct page_store *ps, uint32_t npages);
	/* Drops everything since txn_begin. */
	void (*txn_abort)(struct page_store *ps);
	/* There is no txn_commit here: the store decides when an image counts
	 * (after its checkpoint slot is durable). */
};

struct page_store {
	const struct page_store_ops *ops;
};

#endif
