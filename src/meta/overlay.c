/* SPDX-License-Identifier: MIT */
/* overlay.c - rows in memory.
 *
 * Memory comes in chunks of growing size.  A row takes a piece of one of the
 * size classes below; a freed piece goes on its class's list, so that a row
 * which is replaced a thousand times stays one row's memory.  Rows beyond the
 * largest class (big xattr values) are malloced one by one. */
#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "meta/overlay.h"

/* 16 classes in steps of 16 bytes up to 256, then 4 per doubling up to 4096. */
#define CLASSES 32u
#define CLASS_BIG 32u
#define CLASS_STATIC 33u
#define CLASS_MAX 4096u
#define CHUNK_MIN 4096u
#define CHUNK_MAX (1u << 20)

struct chunk {
	struct chunk *next;
};
struct free_row {
	struct free_row *next;
};
struct big {
	struct big *prev, *next;
	size_t size; /* all of it */
	struct orow row;
};

struct overlay {
	struct omap *map[T_MAPS];
	struct chunk *chunks;
	struct big *bigs;
	struct free_row *free[CLASSES];
	uint8_t *at, *end; /* unused rest of the newest chunk */
	size_t chunk_size; /* of the newest */
	size_t bytes;      /* chunks and bigs */
};

static struct orow tombstone = { .cls = CLASS_STATIC, .dead = true };

static unsigned class_of(size_t n)
{
	unsigned b;

	if (n <= 256)
		return (unsigned)(n + 15) / 16 - 1;
	n--;
	b = 31 - (unsigned)__builtin_clz((unsigned)n);
	return 16 + (b - 8) * 4 + (unsigned)((n - (1u << b)) >> (b - 2));
}

static size_t class_size(unsigned c)
{
	unsigned b;

	if (c < 16)
		return (c + 1) * 16;
	b = 8 + (c - 16) / 4;
	return (1u << b) + ((c - 16) % 4 + 1) * (size_t)(1u << (b - 2));
}

static void *chunk_take(struct overlay *o, size_t n)
{
	struct chunk *c;
	void *p;

	if ((size_t)(o->end - o->at) < n) {
		o->chunk_size = o->chunk_size ? MIN(o->chunk_size * 2, CHUNK_MAX) :
						CHUNK_MIN;
		if (o->chunk_size < n + sizeof(*c))
			o->chunk_size = 2 * CLASS_MAX;
		c = xmalloc(o->chunk_size);
		c->next = o->chunks;
		o->chunks = c;
		o->bytes += o->chunk_size;
		o->at = (uint8_t *)(c + 1);
		o->end = (uint8_t *)c + o->chunk_size;
	}
	p = o->at;
	o->at += n;
	return p;
}

static struct orow *row_alloc(struct overlay *o, size_t size)
{
	size_t n = offsetof(struct orow, data) + size;
	struct orow *row;
	struct big *big;
	unsigned c;

	if (n > CLASS_MAX) {
		n = offsetof(struct big, row) + n;
		big = xmalloc(n);
		big->size = n;
		big->prev = NULL;
		big->next = o->bigs;
		if (o->bigs)
			o->bigs->prev = big;
		o->bigs = big;
		o->bytes += n;
		row = &big->row;
		c = CLASS_BIG;
	} else {
		c = class_of(n);
		row = (struct orow *)o->free[c];
		if (row)
			o->free[c] = o->free[c]->next;
		else
			row = chunk_take(o, class_size(c));
	}
	row->cls = (uint8_t)c;
	return row;
}

static void row_free(struct overlay *o, struct orow *row)
{
	struct free_row *f;
	struct big *big;
	unsigned c;

	if (!row || row->cls == CLASS_STATIC)
		return;
	if (row->cls == CLASS_BIG) {
		big = container_of(row, struct big, row);
		if (big->prev)
			big->prev->next = big->next;
		else
			o->bigs = big->next;
		if (big->next)
			big->next->prev = big->prev;
		o->bytes -= big->size;
		free(big);
		return;
	}
	c = row->cls; /* f overlays the row */
	f = (struct free_row *)row;
	f->next = o->free[c];
	o->free[c] = f;
}

struct overlay *overlay_new(void)
{
	struct overlay *o = xcalloc(1, sizeof(*o));
	unsigned i;

	for (i = 0; i < T_MAPS; i++)
		o->map[i] = omap_new();
	return o;
}

void overlay_free(struct overlay *o)
{
	struct chunk *c;
	struct big *b;
	unsigned i;

	if (!o)
		return;
	for (i = 0; i < T_MAPS; i++)
		omap_free(o->map[i], NULL);
	while ((c = o->chunks)) {
		o->chunks = c->next;
		free(c);
	}
	while ((b = o->bigs)) {
		o->bigs = b->next;
		free(b);
	}
	free(o);
}

size_t overlay_bytes(const struct overlay *o)
{
	size_t n = o->bytes;
	unsigned i;

	for (i = 0; i < T_MAPS; i++)
		n += omap_bytes(o->map[i]);
	return n;
}

size_t overlay_rows(const struct overlay *o)
{
	size_t n = 0;
	unsigned i;

	for (i = 0; i < T_MAPS; i++)
		n += omap_count(o->map[i]);
	return n;
}

const struct omap *overlay_map(const struct overlay *o, unsigned map)
{
	return o->map[map];
}

const struct orow *overlay_get(const struct overlay *o, enum table t,
			       struct okey key)
{
	const struct orow *row = omap_get(o->map[t], key);

	if (!row && t == T_EXTENT)
		row = omap_get(o->map[T_EXTENT_DEAD], key);
	return row;
}

bool overlay_fresh(const struct overlay *o, enum table t, struct okey key)
{
	const struct orow *row = omap_get(o->map[t], key);

	return row && !row->dead && row->fresh;
}

/* Puts row under key; frees what was there. */
static void set_row(struct overlay *o, enum table t, struct okey key,
		    struct orow *row)
{
	if (t == T_EXTENT) {
		omap_del(o->map[row->dead ? T_EXTENT : T_EXTENT_DEAD], key);
		if (row->dead)
			t = T_EXTENT_DEAD;
	}
	row_free(o, omap_put(o->map[t], key, row));
}

void *overlay_put(struct overlay *o, enum table t, struct okey key, size_t size,
		  bool fresh)
{
	size_t n = offsetof(struct orow, data) + size;
	struct orow *row = omap_get(o->map[t], key);

	if (!row || row->cls >= CLASS_BIG || n > CLASS_MAX ||
	    class_of(n) != row->cls) {
		row = row_alloc(o, size);
		row->dead = false;
		set_row(o, t, key, row);
	}
	row->size = (uint32_t)size;
	row->fresh = fresh;
	return row->data;
}

void overlay_bury(struct overlay *o, enum table t, struct okey key)
{
	if (t == T_EXTENT)
		row_free(o, omap_del(o->map[T_EXTENT], key));
	t = t == T_EXTENT ? T_EXTENT_DEAD : t;
	row_free(o, omap_put(o->map[t], key, &tombstone));
}

void overlay_remove(struct overlay *o, enum table t, struct okey key)
{
	row_free(o, omap_del(o->map[t], key));
	if (t == T_EXTENT)
		omap_del(o->map[T_EXTENT_DEAD], key);
}

/* --- merging --- */
static void adopt_memory(struct overlay *to, struct overlay *from)
{
	struct chunk **c = &from->chunks;
	struct big **b = &from->bigs, *last = NULL;
	unsigned i;

	while (*c)
		c = &(*c)->next;
	*c = to->chunks; /* to's newest chunk stays the one in use */
	if (from->chunks)
		to->chunks = from->chunks;
	from->chunks = NULL;
	for (; *b; b = &(*b)->next)
		last = *b;
	if (last) {
		last->next = to->bigs;
		if (to->bigs)
			to->bigs->prev = last;
		to->bigs = from->bigs;
		from->bigs = NULL;
	}
	for (i = 0; i < CLASSES; i++) {
		struct free_row **f = &from->free[i];

		while (*f)
			f = &(*f)->next;
		*f = to->free[i];
		to->free[i] = from->free[i];
	}
	to->bytes += from->bytes;
	from->bytes = 0;
}

/* Does lower know that the image has nothing under key? */
static bool image_has_none(const struct overlay *lower, enum table t,
			   struct okey key)
{
	if (t == T_PIECE)
		return overlay_fresh(lower, T_PIECE, key);
	return overlay_fresh(lower, T_INODE, (struct okey){ key.hi, 0 });
}

static void merge_row(struct overlay *lower, enum table t, struct okey key,
		      struct orow *row)
{
	const struct orow *old = overlay_get(lower, t, key);

	if (row->dead) {
		if (image_has_none(lower, t, key))
			overlay_remove(lower, t, key);
		else
			overlay_bury(lower, t, key);
		return;
	}
	/* What lower replaced or deleted may be in the image. */
	if (old)
		row->fresh = !old->dead && old->fresh;
	set_row(lower, t, key, row);
}

void overlay_merge(struct overlay *lower, struct overlay *upper)
{
	/* Inodes last: lower's own inode rows say what the image can have. */
	static const uint8_t order[T_TABLES] = {
		T_ENTRY, T_EXTENT, T_PIECE, T_XATTR, T_TARGET, T_INODE,
	};
	struct omap_cur cur;
	unsigned i;

	adopt_memory(lower, upper);
	for (i = 0; i < T_TABLES; i++) {
		enum table t = order[i];

		omap_seek(upper->map[t], (struct okey){ 0, 0 }, &cur);
		for (; cur.val; omap_next(&cur))
			merge_row(lower, t, cur.key, cur.val);
		if (t != T_EXTENT)
			continue;
		omap_seek(upper->map[T_EXTENT_DEAD], (struct okey){ 0, 0 }, &cur);
		for (; cur.val; omap_next(&cur))
			merge_row(lower, t, cur.key, cur.val);
	}
	overlay_free(upper);
}
