/* SPDX-License-Identifier: MIT */
/* check_fix.c - corrections of rows, and of the accounting.
 *
 * Each finding is corrected by itself, reading the row as it is now; what one
 * correction makes wrong elsewhere (a directory's size after an entry has gone)
 * the next pass of the verification finds.  Rows keep their sequence number:
 * a correction is no operation. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "meta/names.h"
#include "store/backup.h"
#include "store/check_int.h"

static const char lost_found[] = "lost+found";

/* Corrections of a later stage wait until there is nothing left to do in the
 * earlier ones: they may have become different ones by then. */
static int stage(enum find_kind kind)
{
	if (kind >= FIND_NEXT_INO)
		return 3; /* accounting */
	switch (kind) {
	case FIND_ENTRY_LOST:
	case FIND_ENTRY_TYPE:
	case FIND_ENTRY_NAME:
	case FIND_ENTRY_TWIN:
	case FIND_STRAY:
		return 0;
	case FIND_UNNAMED:
	case FIND_CYCLE:
		return 1;
	default:
		return 2;
	}
}

bool fix_can(const struct finding *f)
{
	switch (f->kind) {
	case FIND_DATABASE:
	case FIND_INODE:
	case FIND_EXTENT:
	case FIND_NO_PIECE:
	case FIND_PIECE:
	case FIND_PIECE_TWICE:
		return false;
	case FIND_TARGET:
		return f->want > 0;
	default:
		return true;
	}
}

struct fix {
	struct vol_ctx *c;
	struct vol *v;
	uint64_t lost; /* inode of /lost+found; 0: not known yet */
};

/* --- names --- */

static int take_entry(void *arg, const struct entry_row *e)
{
	*(struct entry_row *)arg = *e;
	return 1;
}

static int get_entry(struct fix *x, uint64_t dir, uint64_t cookie, struct entry_row *ret)
{
	int n = state_entries(x->v->state, x->c->rd, dir, cookie - 1, take_entry, ret);

	if (n == 1)
		return ret->cookie == cookie ? 0 : -ENOENT;
	return n < 0 ? n : -ENOENT;
}

static bool can_be_name(const struct entry_row *e)
{
	return e->namelen && !memchr(e->name, '/', e->namelen) &&
	       !memchr(e->name, 0, e->namelen) && strcmp(e->name, ".") && strcmp(e->name, "..");
}

/* Removes an entry; a good name in the wrong place gets the right one. */
static int fix_entry(struct fix *x, const struct finding *f)
{
	struct state *st = x->v->state;
	struct entry_row e, other;
	uint64_t place;
	int err = get_entry(x, f->dir, f->cookie, &e);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (f->kind == FIND_ENTRY_TYPE) {
		e.type = (uint8_t)f->want;
		state_put_entry(st, &e);
		return 0;
	}
	state_del_entry(st, e.dir, e.cookie);
	if (f->kind != FIND_ENTRY_NAME || !can_be_name(&e))
		return 0;
	err = state_entry(st, x->c->rd, e.dir, e.name, e.namelen, &other, &place);
	if (err != -ENOENT)
		return err;
	e.cookie = place;
	state_put_entry(st, &e);
	return 0;
}

/* --- /lost+found --- */

static int make_lost(struct fix *x)
{
	struct rec r = { .kind = REC_MAKE, .make = { .mode = S_IFDIR | 0700 } };
	struct entry_row e;
	struct inode_row i;
	uint64_t place;
	int err = state_entry(x->v->state, x->c->rd, VARVE_ROOT_INO, lost_found,
			      strlen(lost_found), &e, &place);

	if (!err) {
		err = state_inode(x->v->state, x->c->rd, e.ino, &i);
		if (!err && !S_ISDIR(i.mode))
			err = -ENOTDIR;
		x->lost = e.ino;
		return err;
	}
	if (err != -ENOENT)
		return err;
	r.make.ino = vol_next_ino(x->v);
	r.make.at = (struct rec_name){ VARVE_ROOT_INO, place, lost_found,
				       (uint8_t)strlen(lost_found) };
	err = vol_commit(x->c, &r, SEG_CLEANING, NULL);
	x->lost = r.make.ino;
	return err;
}

static int link_lost(struct fix *x, uint64_t ino)
{
	struct inode_row i, dir;
	struct entry_row e = { 0 }, other;
	int err = x->lost ? 0 : make_lost(x);

	if (!err)
		err = state_inode(x->v->state, x->c->rd, ino, &i);
	if (!err)
		err = state_inode(x->v->state, x->c->rd, x->lost, &dir);
	if (err)
		return err;
	e.dir = x->lost;
	e.ino = ino;
	e.seq = x->v->count.op_seq;
	e.type = (uint8_t)IFTODT(i.mode);
	e.namelen = (uint8_t)snprintf(e.name, sizeof(e.name), "#%llu", (unsigned long long)ino);
	err = state_entry(x->v->state, x->c->rd, e.dir, e.name, e.namelen, &other, &e.cookie);
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	state_put_entry(x->v->state, &e);
	dir.size++;
	dir.nlink += S_ISDIR(i.mode);
	state_put_inode(x->v->state, &dir, false);
	i.parent = x->lost;
	if (!S_ISDIR(i.mode))
		i.nlink = 1;
	state_put_inode(x->v->state, &i, false);
	return 0;
}

struct entry_of {
	uint64_t ino;
	struct entry_row e;
};

static int leads_to(void *arg, const struct entry_row *e)
{
	struct entry_of *o = arg;

	if (e->ino != o->ino)
		return 0;
	o->e = *e;
	return 1;
}

/* Cuts a directory out of the circle that it is part of. */
static int cut_cycle(struct fix *x, const struct finding *f)
{
	struct entry_of o = { .ino = f->ino };
	int n = state_entries(x->v->state, x->c->rd, f->dir, 0, leads_to, &o);

	if (n < 0)
		return n;
	if (n)
		state_del_entry(x->v->state, f->dir, o.e.cookie);
	return link_lost(x, f->ino);
}

/* --- inodes, pieces, rows of nobody --- */

static int fix_inode(struct fix *x, const struct finding *f)
{
	struct inode_row i;
	int err = state_inode(x->v->state, x->c->rd, f->ino, &i);

	if (err)
		return err == -ENOENT ? 0 : err;
	switch (f->kind) {
	case FIND_NLINK:
		i.nlink = (uint32_t)f->want;
		break;
	case FIND_PARENT:
		i.parent = f->want;
		break;
	case FIND_BYTES:
		i.bytes = f->want;
		break;
	default: /* FIND_DIR_SIZE, FIND_TARGET */
		i.size = f->want;
		break;
	}
	state_put_inode(x->v->state, &i, false);
	return 0;
}

static int fix_piece(struct fix *x, const struct finding *f)
{
	struct piece_row p;
	int err = state_piece(x->v->state, x->c->rd, f->piece, &p);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (f->want) {
		p.refs = (uint32_t)f->want;
		state_put_piece(x->v->state, &p, false);
	} else {
		/* The accounting is corrected in the last pass. */
		state_del_piece(x->v->state, p.id);
	}
	return 0;
}

/* Without an owner a piece counts whole: always right, if not always tight. */
static int fix_owner(struct fix *x, const struct finding *f)
{
	struct piece_row p;
	int err = state_piece(x->v->state, x->c->rd, f->piece, &p);

	if (err)
		return err == -ENOENT ? 0 : err;
	p.ino = p.off = 0;
	p.live = p.stored;
	state_put_piece(x->v->state, &p, false);
	return 0;
}

struct keys {
	uint64_t *key;
	size_t n, cap;
};

static void add_key(struct keys *k, uint64_t key)
{
	if (k->n == k->cap) {
		k->cap = k->cap ? 2 * k->cap : 64;
		k->key = xrealloc(k->key, k->cap * sizeof(*k->key));
	}
	k->key[k->n++] = key;
}

static int key_of_entry(void *arg, const struct entry_row *e)
{
	add_key(arg, e->cookie);
	return 0;
}

static int key_of_extent(void *arg, const struct extent_row *e)
{
	add_key(arg, e->off);
	return 0;
}

static int key_of_xattr(void *arg, const struct xattr_row *r)
{
	add_key(arg, r->slot);
	return 0;
}

static int fix_stray(struct fix *x, const struct finding *f)
{
	struct state *st = x->v->state;
	struct keys k = { 0 };
	int err = 0;

	switch ((enum owner_table)f->want) {
	case OWNER_ENTRIES:
		err = state_entries(st, x->c->rd, f->ino, 0, key_of_entry, &k);
		for (size_t i = 0; i < k.n && !err; i++)
			state_del_entry(st, f->ino, k.key[i]);
		break;
	case OWNER_EXTENTS:
		err = state_extents(st, x->c->rd, f->ino, 0, INT64_MAX, key_of_extent, &k);
		for (size_t i = 0; i < k.n && !err; i++)
			state_del_extent(st, f->ino, k.key[i]);
		break;
	case OWNER_XATTRS:
		err = state_xattrs(st, x->c->rd, f->ino, key_of_xattr, &k);
		for (size_t i = 0; i < k.n && !err; i++)
			state_del_xattr(st, f->ino, k.key[i]);
		break;
	default:
		state_del_target(st, f->ino);
		break;
	}
	free(k.key);
	return err;
}

/* --- accounting --- */

static void fix_count(struct fix *x, const struct finding *f)
{
	struct counters *n = &x->v->count;
	struct seg_info info;

	switch (f->kind) {
	case FIND_NEXT_INO:
		n->next_ino = MAX(n->next_ino, f->want);
		break;
	case FIND_NEXT_PIECE:
		n->next_piece = MAX(n->next_piece, f->want);
		break;
	case FIND_INODES:
		n->inodes = f->want;
		break;
	case FIND_DATA_BYTES:
		n->data_bytes = f->want;
		break;
	case FIND_RESERVED:
		n->reserved_bytes = f->want;
		break;
	default: /* FIND_SEG_LIVE */
		segs_get(x->v->segs, f->seg, &info);
		if (info.state == SEG_META)
			break; /* two owners: nobody can help */
		if (info.state != SEG_LOG)
			segs_mark_log(x->v->segs, f->seg);
		segs_set_live(x->v->segs, f->seg, (uint32_t)f->want);
		break;
	}
}

static int fix_one(struct fix *x, const struct finding *f)
{
	switch (f->kind) {
	case FIND_ENTRY_LOST:
	case FIND_ENTRY_TYPE:
	case FIND_ENTRY_NAME:
	case FIND_ENTRY_TWIN:
		return fix_entry(x, f);
	case FIND_UNNAMED:
		return link_lost(x, f->ino);
	case FIND_CYCLE:
		return cut_cycle(x, f);
	case FIND_NLINK:
	case FIND_PARENT:
	case FIND_DIR_SIZE:
	case FIND_BYTES:
	case FIND_TARGET:
		return fix_inode(x, f);
	case FIND_PIECE_OWNER:
		return fix_owner(x, f);
	case FIND_PIECE_REFS:
		return fix_piece(x, f);
	case FIND_STRAY:
		return fix_stray(x, f);
	default:
		fix_count(x, f);
		return 0;
	}
}

int fix_rows(struct vol_ctx *c, const struct finding *f, size_t n)
{
	struct fix x = { .c = c, .v = c->vol };
	int now = 3, err = 0;

	/* A new inode must get a number that is free. */
	for (size_t i = 0; i < n; i++) {
		now = MIN(now, stage(f[i].kind));
		if (f[i].kind == FIND_NEXT_INO || f[i].kind == FIND_NEXT_PIECE)
			fix_count(&x, &f[i]);
	}
	vol_wrlock(c->vol);
	for (size_t i = 0; i < n && !err; i++)
		if (stage(f[i].kind) == now)
			err = fix_one(&x, &f[i]);
	vol_unlock(c->vol);
	/* The log does not know of corrections: rolled forward, a backup would not
	 * become what the volume is now. */
	if (n)
		bk_forget(c->vol);
	return err;
}

/* --- orphans --- */

static int first_orphan(void *arg, const struct inode_row *i)
{
	*(uint64_t *)arg = i->ino;
	return 1;
}

int fix_orphans(struct vol_ctx *c, unsigned *ret_dropped)
{
	struct vol *v = c->vol;
	uint64_t ino = 0;
	int n;

	vol_wrlock(v);
	while ((n = state_orphans(v->state, c->rd, ino, first_orphan, &ino)) > 0) {
		struct rec r = { .kind = REC_DROP, .drop = { .ino = ino } };
		int err = vol_commit(c, &r, SEG_CLEANING, NULL);

		if (!err) {
			(*ret_dropped)++;
		} else if (err != -VE_REC_VALUE) { /* of damaged data: stays */
			n = err;
			break;
		}
	}
	vol_unlock(v);
	return n < 0 ? n : 0;
}
