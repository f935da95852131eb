/* SPDX-License-Identifier: MIT */
/* ram_pages.h - a page store in memory, for tests of the metadata layer.
 *
 * Keeps the contract strictly: an image may be read only while it is held, the
 * transaction only while it is open, pages inside the image must have been
 * written; a breach aborts.  Faults are injected by counting calls. */
#ifndef VARVE_TESTS_RAM_PAGES_H
#define VARVE_TESTS_RAM_PAGES_H

#include "base/page_store.h"

enum ram_op { RAM_READ, RAM_TXN_READ, RAM_TXN_WRITE, RAM_OPS };

struct ram_pages;

struct ram_pages *ram_pages_new(void);
void ram_pages_free(struct ram_pages *r); /* aborts if an image is still held */
struct page_store *ram_pages_store(struct ram_pages *r);
/* The open transaction becomes the newest image. */
void ram_pages_commit(struct ram_pages *r);
/* Drops it; harmless if there is none. */
void ram_pages_abort(struct ram_pages *r);
/* From now on, call nth (0: the next) of op and all later ones fail with err;
 * err 0: no more faults. */
void ram_pages_fail(struct ram_pages *r, enum ram_op op, uint64_t nth, int err);
/* How many calls of op there were. */
uint64_t ram_pages_calls(struct ram_pages *r, enum ram_op op);
/* Pages of the newest image. */
uint32_t ram_pages_count(struct ram_pages *r);
/* Flips a byte of a page in the newest image. */
void ram_pages_damage(struct ram_pages *r, uint32_t pgno, uint32_t off);
/* Writes the newest image to a file, to be opened by SQLite itself. */
int ram_pages_export(struct ram_pages *r, const char *path) VARVE_MUST_CHECK;
/* Begins a transaction that holds what the file holds. */
int ram_pages_import(struct ram_pages *r, const char *path) VARVE_MUST_CHECK;
/* Images that are held by someone. */
unsigned ram_pages_held(struct ram_pages *r);

#endif
