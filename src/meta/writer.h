/* SPDX-License-Identifier: MIT */
/* writer.h - puts an overlay into the database: one SQLite transaction.
 *
 * The connection stays open from checkpoint to checkpoint, with its cache;
 * after any failure it is closed without another write. */
#ifndef VARVE_META_WRITER_H
#define VARVE_META_WRITER_H

#include "base/page_store.h"
#include "meta/overlay.h"
#include "meta/rows.h"

struct writer;

struct writer *writer_new(struct page_store *ps);
void writer_free(struct writer *w); /* NULL is allowed */
/* The page store's last transaction was dropped: forget what it held. */
void writer_forget(struct writer *w);
/* Begins the page store's transaction and leaves it open, whatever happens. */
int writer_write(struct writer *w, const struct overlay *o,
		 const struct meta_counts *c) VARVE_MUST_CHECK;

#endif
