/* SPDX-License-Identifier: MIT */
/* omap.h - ordered in-core map from a 128-bit key to a pointer: a B+tree.
 *
 * Promise: get, put, del, floor, seek cost O(log n) with wide nodes (few
 *   cache misses); keys come out in order of (hi, lo).
 * Ownership: values belong to the caller; omap never touches what they point
 *   to.  NULL is not a value.
 * Locking: none; the caller serialises writers against everyone.  Any number
 *   of concurrent readers is fine while nobody writes.
 * Errors: none; memory for nodes panics when exhausted (msg.h).
 * Source of the algorithm: Bayer, McCreight 1972; leaves linked, deletion
 *   without rebalancing (empty nodes are unlinked). */
#ifndef VARVE_BASE_OMAP_H
#define VARVE_BASE_OMAP_H

#include "base/defs.h"

struct omap;
struct okey {
	uint64_t hi, lo;
};

static inline int okey_cmp(struct okey a, struct okey b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	if (a.lo != b.lo)
		return a.lo < b.lo ? -1 : 1;
	return 0;
}

struct omap *omap_new(void);
/* free_val may be NULL; map may be NULL. */
void omap_free(struct omap *map, void (*free_val)(void *val));
size_t omap_count(const struct omap *map);
/* Bytes held in nodes (not in values). */
size_t omap_bytes(const struct omap *map);

void *omap_get(const struct omap *map, struct okey key);
/* Returns the value that was replaced, or NULL. */
void *omap_put(struct omap *map, struct okey key, void *val);
/* Returns the value that was removed, or NULL. */
void *omap_del(struct omap *map, struct okey key);

/* A cursor is a plain value, valid until the map is next changed. */
struct omap_cur {
	void *leaf;   /* private */
	int idx;      /* private */
	struct okey key;
	void *val;    /* NULL: past either end; stepping back finds it again */
};
/* First entry with key >= key. */
void omap_seek(const struct omap *map, struct okey key, struct omap_cur *cur);
/* Last entry with key <= key. */
void omap_floor(const struct omap *map, struct okey key, struct omap_cur *cur);
void omap_next(struct omap_cur *cur);
void omap_prev(struct omap_cur *cur);

#endif
