/* SPDX-License-Identifier: MIT */
/* state.c - changing the present, and handing it to a checkpoint. */
#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "meta/state_priv.h"

struct state *state_new(struct page_store *ps, const uint8_t key[16])
{
	struct state *st = xcalloc(1, sizeof(*st));

	st->ps = ps;
	memcpy(st->key, key, sizeof(st->key));
	st->active = overlay_new();
	st->gen = 1;
	st->writer = writer_new(ps);
	return st;
}

void state_free(struct state *st)
{
	if (!st)
		return;
	writer_free(st->writer);
	overlay_free(st->active);
	overlay_free(st->frozen);
	free(st);
}

/* Where the fresh flag for a row of table t lies. */
static enum table owner_table(enum table t)
{
	return t == T_PIECE ? T_PIECE : T_INODE;
}

/* May the layers below the active overlay hold a live row under key?  The
 * image is not asked (dels cannot fail): where nothing is known, they may. */
static bool maybe_below(const struct state *st, enum table t, struct okey key)
{
	struct okey owner = { key.hi, 0 };
	const struct orow *row;

	if (overlay_fresh(st->active, owner_table(t), owner))
		return false;
	if (!st->frozen)
		return true;
	row = overlay_get(st->frozen, t, key);
	if (row)
		return !row->dead;
	return !overlay_fresh(st->frozen, owner_table(t), owner);
}

static void del_row(struct state *st, enum table t, struct okey key)
{
	if (maybe_below(st, t, key))
		overlay_bury(st->active, t, key);
	else
		overlay_remove(st->active, t, key);
}

/* A row stays as fresh as it was; a new one is what the caller says, unless
 * this overlay or the frozen one knows better. */
static bool stays_fresh(const struct state *st, enum table t, struct okey key,
			bool fresh)
{
	const struct orow *row = overlay_get(st->active, t, key);

	if (row)
		return !row->dead && row->fresh;
	if (!fresh || !st->frozen)
		return fresh;
	row = overlay_get(st->frozen, t, key);
	return !row || row->dead;
}

void state_put_inode(struct state *st, const struct inode_row *i, bool fresh)
{
	struct okey key = { i->ino, 0 };

	fresh = stays_fresh(st, T_INODE, key, fresh);
	memcpy(overlay_put(st->active, T_INODE, key, sizeof(*i), fresh), i,
	       sizeof(*i));
}

void state_del_inode(struct state *st, uint64_t ino)
{
	del_row(st, T_INODE, (struct okey){ ino, 0 });
}

void state_put_entry(struct state *st, const struct entry_row *e)
{
	struct okey key = { e->dir, e->cookie };
	struct o_entry *o;

	o = overlay_put(st->active, T_ENTRY, key,
			offsetof(struct o_entry, name) + e->namelen, false);
	o->seq = e->seq;
	o->ino = e->ino;
	o->type = e->type;
	o->namelen = e->namelen;
	memcpy(o->name, e->name, e->namelen);
}

void state_del_entry(struct state *st, uint64_t dir, uint64_t cookie)
{
	del_row(st, T_ENTRY, (struct okey){ dir, cookie });
}

void state_put_extent(struct state *st, const struct extent_row *e)
{
	struct okey key = { e->ino, e->off };
	struct o_extent *o;

	o = overlay_put(st->active, T_EXTENT, key, sizeof(*o), false);
	*o = (struct o_extent){ .len = e->len, .seq = e->seq, .piece = e->piece,
				.poff = e->poff };
}

void state_del_extent(struct state *st, uint64_t ino, uint64_t off)
{
	del_row(st, T_EXTENT, (struct okey){ ino, off });
}

void state_put_piece(struct state *st, const struct piece_row *p, bool fresh)
{
	struct okey key = { p->id, 0 };
	struct o_piece *o;

	fresh = stays_fresh(st, T_PIECE, key, fresh);
	o = overlay_put(st->active, T_PIECE, key,
			sizeof(*o) + 4 * (size_t)p->nsums, fresh);
	o->addr = p->addr;
	o->len = p->len;
	o->stored = p->stored;
	o->refs = p->refs;
	o->live = p->live;
	o->ino = p->ino;
	o->off = p->off;
	o->nsums = p->nsums;
	o->enc = p->enc;
	memcpy(o->sums, p->sums, 4 * (size_t)p->nsums);
}

void state_del_piece(struct state *st, uint64_t id)
{
	del_row(st, T_PIECE, (struct okey){ id, 0 });
}

void state_put_xattr(struct state *st, const struct xattr_row *x)
{
	struct okey key = { x->ino, x->slot };
	size_t size = offsetof(struct o_xattr, bytes) + x->namelen + x->len;
	struct o_xattr *o = overlay_put(st->active, T_XATTR, key, size, false);

	o->seq = x->seq;
	o->len = x->len;
	o->namelen = x->namelen;
	memcpy(o->bytes, x->name, x->namelen);
	if (x->len)
		memcpy(o->bytes + x->namelen, x->value, x->len);
}

void state_del_xattr(struct state *st, uint64_t ino, uint64_t slot)
{
	del_row(st, T_XATTR, (struct okey){ ino, slot });
}

void state_put_target(struct state *st, uint64_t ino, const char *t, size_t len)
{
	memcpy(overlay_put(st->active, T_TARGET, (struct okey){ ino, 0 }, len, false),
	       t, len);
}

void state_del_target(struct state *st, uint64_t ino)
{
	del_row(st, T_TARGET, (struct okey){ ino, 0 });
}

/* --- checkpoint --- */
size_t state_overlay_bytes(const struct state *st)
{
	return overlay_bytes(st->active);
}

size_t state_overlay_rows(const struct state *st)
{
	return overlay_rows(st->active);
}

bool state_has_frozen(const struct state *st)
{
	return st->frozen;
}

void state_freeze(struct state *st)
{
	if (st->frozen)
		msg_panic("an overlay is frozen already");
	st->frozen = st->active;
	st->active = overlay_new();
}

void state_unfreeze(struct state *st)
{
	if (!st->frozen)
		msg_panic("no overlay is frozen");
	overlay_merge(st->frozen, st->active);
	st->active = st->frozen;
	st->frozen = NULL;
	writer_forget(st->writer);
}

struct overlay *state_switch(struct state *st)
{
	struct overlay *o = st->frozen;

	if (!o)
		msg_panic("no overlay is frozen");
	st->frozen = NULL;
	st->gen++;
	return o;
}

int state_write_image(struct state *st, const struct meta_counts *c)
{
	if (!st->frozen)
		msg_panic("no overlay is frozen");
	return writer_write(st->writer, st->frozen, c);
}
