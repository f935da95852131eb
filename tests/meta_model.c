/* SPDX-License-Identifier: MIT */
/* meta_model.c - rows in unordered lists, searched from end to end. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "meta/names.h"
#include "meta_model.h"

#define FILE_SPAN (3u << 20) /* where extents lie; longer ones now and then */

struct list {
	size_t n, cap, size;
	char *rows;
};

struct xa {
	struct xattr_row row;
	uint8_t *value;
};
struct target {
	uint64_t ino;
	uint8_t len;
	char text[256];
};

struct meta_model {
	uint64_t seed, rnd, step, seq, next_ino, next_piece;
	struct state *st;
	struct reader *rd;
	struct list inodes, entries, extents, pieces, xattrs, targets;
};

const uint8_t meta_key[16] = "0123456789abcdef";

#define require(m, cond, ...) \
	ck_assert_msg(cond, "seed %llu step %llu: " #cond, \
		      (unsigned long long)(m)->seed, (unsigned long long)(m)->step)

uint64_t meta_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t below(struct meta_model *m, uint64_t n)
{
	return meta_random(&m->rnd) % n;
}

static void *at(const struct list *l, size_t i)
{
	return l->rows + i * l->size;
}

static void *add(struct list *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->rows = xrealloc(l->rows, l->cap * l->size);
	}
	memset(at(l, l->n), 0, l->size);
	return at(l, l->n++);
}

static void drop(struct list *l, void *row)
{
	memmove(row, at(l, --l->n), l->size);
}

struct meta_model *meta_model_new(uint64_t seed, struct state *st,
				  struct reader *rd)
{
	struct meta_model *m = xcalloc(1, sizeof(*m));

	m->seed = m->rnd = seed;
	m->st = st;
	m->rd = rd;
	m->next_ino = m->next_piece = 1;
	m->inodes.size = sizeof(struct inode_row);
	m->entries.size = sizeof(struct entry_row);
	m->extents.size = sizeof(struct extent_row);
	m->pieces.size = sizeof(struct piece_row);
	m->xattrs.size = sizeof(struct xa);
	m->targets.size = sizeof(struct target);
	return m;
}

void meta_model_free(struct meta_model *m)
{
	size_t i;

	for (i = 0; i < m->xattrs.n; i++)
		free(((struct xa *)at(&m->xattrs, i))->value);
	free(m->inodes.rows);
	free(m->entries.rows);
	free(m->extents.rows);
	free(m->pieces.rows);
	free(m->xattrs.rows);
	free(m->targets.rows);
	free(m);
}

void meta_model_move(struct meta_model *m, struct state *st, struct reader *rd)
{
	m->st = st;
	m->rd = rd;
}

/* --- random values --- */
static uint64_t any63(struct meta_model *m)
{
	return meta_random(&m->rnd) >> (1 + below(m, 63));
}

static int64_t any_time(struct meta_model *m)
{
	return (int64_t)(meta_random(&m->rnd) >> below(m, 64));
}

/* From a pool of a few hundred, some with any bytes in them. */
static size_t any_name(struct meta_model *m, char *name)
{
	uint64_t r = 1 + below(m, 200);
	size_t len = 1 + r * 37 % (r % 10 ? 12 : VARVE_NAME_MAX), i;

	for (i = 0; i < len; i++) {
		name[i] = (char)(meta_random(&r) % 255 + 1);
		if (name[i] == '/')
			name[i] = (char)0xff;
	}
	return len;
}

static struct inode_row *any_inode(struct meta_model *m)
{
	return m->inodes.n ? at(&m->inodes, below(m, m->inodes.n)) : NULL;
}

/* --- operations --- */
static void fill_inode(struct meta_model *m, struct inode_row *i)
{
	i->seq = ++m->seq;
	i->mode = (uint32_t)meta_random(&m->rnd);
	i->uid = (uint32_t)meta_random(&m->rnd);
	i->gid = (uint32_t)below(m, 3) * UINT32_MAX / 2;
	i->nlink = below(m, 4) ? (uint32_t)below(m, 5) : 0;
	i->rdev = below(m, 4) ? 0 : meta_random(&m->rnd);
	i->size = any63(m);
	i->bytes = any63(m);
	i->ctime = any_time(m);
	i->mtime = below(m, 2) ? i->ctime : any_time(m);
	i->atime = below(m, 2) ? i->ctime : any_time(m);
	i->btime = below(m, 2) ? i->ctime : any_time(m);
	i->flags = (uint32_t)meta_random(&m->rnd);
	i->parent = any63(m);
}

static void make_inode(struct meta_model *m)
{
	struct inode_row *i = add(&m->inodes);
	struct target *t;
	uint64_t k;

	i->ino = m->next_ino++;
	fill_inode(m, i);
	state_put_inode(m->st, i, true);
	if (below(m, 4))
		return;
	t = add(&m->targets);
	t->ino = i->ino;
	t->len = (uint8_t)(1 + below(m, 255));
	for (k = 0; k < t->len; k++)
		t->text[k] = (char)(1 + below(m, 255));
	state_put_target(m->st, t->ino, t->text, t->len);
}

static void change_inode(struct meta_model *m)
{
	struct inode_row *i = any_inode(m);

	if (!i)
		return;
	fill_inode(m, i);
	state_put_inode(m->st, i, false);
}

static void drop_rows(struct meta_model *m, uint64_t ino)
{
	size_t k;

	for (k = m->entries.n; k-- > 0;) {
		struct entry_row *e = at(&m->entries, k);

		if (e->dir == ino) {
			state_del_entry(m->st, e->dir, e->cookie);
			drop(&m->entries, e);
		}
	}
	for (k = m->extents.n; k-- > 0;) {
		struct extent_row *x = at(&m->extents, k);

		if (x->ino == ino) {
			state_del_extent(m->st, x->ino, x->off);
			drop(&m->extents, x);
		}
	}
	for (k = m->xattrs.n; k-- > 0;) {
		struct xa *x = at(&m->xattrs, k);

		if (x->row.ino == ino) {
			state_del_xattr(m->st, x->row.ino, x->row.slot);
			free(x->value);
			drop(&m->xattrs, x);
		}
	}
	for (k = m->targets.n; k-- > 0;) {
		struct target *t = at(&m->targets, k);

		if (t->ino == ino) {
			state_del_target(m->st, t->ino);
			drop(&m->targets, t);
		}
	}
}

static void drop_inode(struct meta_model *m)
{
	struct inode_row *i = any_inode(m);
	bool first = below(m, 2);
	uint64_t ino;

	if (!i)
		return;
	ino = i->ino;
	if (first)
		state_del_inode(m->st, ino);
	drop_rows(m, ino);
	if (!first)
		state_del_inode(m->st, ino);
	drop(&m->inodes, i);
}

/* The entry that lookup by name must find, or the first free cookie. */
static struct entry_row *entry_named(struct meta_model *m, uint64_t dir,
				     const char *name, size_t len,
				     uint64_t *ret_free)
{
	uint64_t first = name_cookie(meta_key, name, len);
	uint32_t taken = 0;
	size_t k;

	for (k = 0; k < m->entries.n; k++) {
		struct entry_row *e = at(&m->entries, k);

		if (e->dir != dir || e->cookie - first >= COOKIE_SLOTS)
			continue;
		if (e->namelen == len && !memcmp(e->name, name, len))
			return e;
		taken |= 1u << (e->cookie - first);
	}
	for (k = 0; k < COOKIE_SLOTS && (taken & 1u << k); k++)
		;
	*ret_free = k < COOKIE_SLOTS ? first + k : 0;
	return NULL;
}

static struct xa *xattr_named(struct meta_model *m, uint64_t ino,
			      const char *name, size_t len, uint64_t *ret_free)
{
	uint64_t first = name_cookie(meta_key, name, len);
	uint32_t taken = 0;
	size_t k;

	for (k = 0; k < m->xattrs.n; k++) {
		struct xa *x = at(&m->xattrs, k);

		if (x->row.ino != ino || x->row.slot - first >= COOKIE_SLOTS)
			continue;
		if (x->row.namelen == len && !memcmp(x->row.name, name, len))
			return x;
		taken |= 1u << (x->row.slot - first);
	}
	for (k = 0; k < COOKIE_SLOTS && (taken & 1u << k); k++)
		;
	*ret_free = k < COOKIE_SLOTS ? first + k : 0;
	return NULL;
}

static void check_entry(struct meta_model *m, uint64_t dir, const char *name,
			size_t len)
{
	struct entry_row got, *e;
	uint64_t want_free = 0, free_cookie = 0;
	int err;

	e = entry_named(m, dir, name, len, &want_free);
	err = state_entry(m->st, m->rd, dir, name, len, &got, &free_cookie);
	if (e) {
		require(m, err == 0);
		require(m, got.dir == dir && got.cookie == e->cookie);
		require(m, got.seq == e->seq && got.ino == e->ino);
		require(m, got.type == e->type && got.namelen == len);
		require(m, !memcmp(got.name, name, len) && !got.name[len]);
	} else if (want_free) {
		require(m, err == -ENOENT && free_cookie == want_free);
	} else {
		require(m, err == -ENOSPC);
	}
}

static void put_entry(struct meta_model *m)
{
	struct inode_row *dir = any_inode(m);
	char name[VARVE_NAME_MAX + 1] = "";
	size_t len = any_name(m, name);
	struct entry_row *e;
	uint64_t cookie = 0;

	if (!dir)
		return;
	e = entry_named(m, dir->ino, name, len, &cookie);
	if (!e && !cookie)
		return;
	if (!e) {
		e = add(&m->entries);
		e->dir = dir->ino;
		e->cookie = cookie;
		e->namelen = (uint8_t)len;
		memcpy(e->name, name, len);
		/* A name that collides: our hash cannot be made to, so a
		 * stranger takes the place of the name's hash. */
		if (!below(m, 8)) {
			size_t i = below(m, len);

			e->name[i] = (char)(e->name[i] == 'x' ? 'y' : 'x');
		}
	}
	e->seq = ++m->seq;
	e->ino = 1 + any63(m) / 2;
	e->type = (uint8_t)below(m, 256);
	state_put_entry(m->st, e);
}

static void del_entry(struct meta_model *m)
{
	struct entry_row *e;

	if (!m->entries.n)
		return;
	e = at(&m->entries, below(m, m->entries.n));
	state_del_entry(m->st, e->dir, e->cookie);
	drop(&m->entries, e);
}

static void put_xattr(struct meta_model *m)
{
	struct inode_row *i = any_inode(m);
	char name[VARVE_NAME_MAX + 1] = "";
	size_t len = any_name(m, name), k;
	uint64_t slot = 0;
	struct xa *x;

	if (!i)
		return;
	x = xattr_named(m, i->ino, name, len, &slot);
	if (!x && !slot)
		return;
	if (!x) {
		x = add(&m->xattrs);
		x->row.ino = i->ino;
		x->row.slot = slot;
		x->row.namelen = (uint8_t)len;
		memcpy(x->row.name, name, len);
	}
	free(x->value);
	x->row.seq = ++m->seq;
	x->row.len = (uint32_t)below(m, below(m, 50) ? 100 : VARVE_XATTR_MAX + 1);
	x->value = xmalloc(x->row.len + 1u);
	for (k = 0; k < x->row.len; k++)
		x->value[k] = (uint8_t)(m->seq * 31 + k);
	x->row.value = x->value;
	state_put_xattr(m->st, &x->row);
}

static void del_xattr(struct meta_model *m)
{
	struct xa *x;

	if (!m->xattrs.n)
		return;
	x = at(&m->xattrs, below(m, m->xattrs.n));
	state_del_xattr(m->st, x->row.ino, x->row.slot);
	free(x->value);
	drop(&m->xattrs, x);
}

static void put_extent(struct meta_model *m, const struct extent_row *x)
{
	size_t k;

	for (k = 0; k < m->extents.n; k++) {
		struct extent_row *old = at(&m->extents, k);

		if (old->ino == x->ino && old->off == x->off)
			break;
	}
	*(struct extent_row *)(k < m->extents.n ? at(&m->extents, k) :
						  add(&m->extents)) = *x;
	state_put_extent(m->st, x);
}

/* Cuts [off, end) out of the file, as a write or a punch does. */
static void carve(struct meta_model *m, uint64_t ino, uint64_t off, uint64_t end)
{
	size_t k;

	for (k = m->extents.n; k-- > 0;) {
		struct extent_row x = *(struct extent_row *)at(&m->extents, k);
		uint64_t xend = x.off + x.len;
		struct extent_row right = x;

		if (x.ino != ino || x.off >= end || xend <= off)
			continue;
		if (xend > end) {
			right.off = end;
			right.len = xend - end;
			right.poff += x.piece ? (uint32_t)(end - x.off) : 0;
			put_extent(m, &right);
		}
		if (x.off < off) {
			x.len = off - x.off;
			put_extent(m, &x);
		} else {
			drop(&m->extents, at(&m->extents, k));
			state_del_extent(m->st, ino, x.off);
		}
	}
}

static void any_range(struct meta_model *m, uint64_t *off, uint64_t *end)
{
	uint64_t unit = below(m, 4) ? VARVE_BLOCK : 1;

	*off = below(m, FILE_SPAN / unit) * unit;
	*end = *off + (1 + below(m, VARVE_PIECE_MAX / unit >> below(m, 8))) * unit;
	if (*end - *off > VARVE_PIECE_MAX)
		*end = *off + VARVE_PIECE_MAX;
}

static void change_extents(struct meta_model *m)
{
	struct inode_row *i = any_inode(m);
	struct extent_row x = { 0 };
	uint64_t off, end;

	if (!i)
		return;
	any_range(m, &off, &end);
	x.piece = below(m, 4) ? 1 + any63(m) / 2 : 0;
	if (!x.piece && !below(m, 2))
		end = below(m, 8) ? off + 4 * FILE_SPAN : INT64_MAX;
	carve(m, i->ino, off, end);
	if (!below(m, 3))
		return; /* a hole */
	x.ino = i->ino;
	x.off = off;
	x.len = end - off;
	x.seq = ++m->seq;
	if (x.piece)
		x.poff = (uint32_t)below(m, VARVE_PIECE_MAX - x.len + 1);
	put_extent(m, &x);
}

static void fill_piece(struct meta_model *m, struct piece_row *p)
{
	uint32_t k;

	p->addr = any63(m);
	p->len = (uint32_t)meta_random(&m->rnd);
	p->stored = below(m, 2) ? p->len : (uint32_t)meta_random(&m->rnd);
	p->enc = (uint8_t)below(m, 256);
	p->refs = (uint32_t)meta_random(&m->rnd);
	p->live = (uint32_t)meta_random(&m->rnd);
	p->ino = any63(m);
	p->off = any63(m);
	p->nsums = (uint32_t)below(m, below(m, 8) ? 4 : VARVE_PIECE_SUMS + 1);
	for (k = 0; k < p->nsums; k++)
		p->sums[k] = (uint32_t)meta_random(&m->rnd);
}

static void change_piece(struct meta_model *m)
{
	struct piece_row *p;

	if (!m->pieces.n || below(m, 3) == 0) {
		p = add(&m->pieces);
		p->id = m->next_piece++;
		fill_piece(m, p);
		state_put_piece(m->st, p, true);
		return;
	}
	p = at(&m->pieces, below(m, m->pieces.n));
	if (below(m, 2)) {
		fill_piece(m, p);
		state_put_piece(m->st, p, false);
	} else {
		state_del_piece(m->st, p->id);
		drop(&m->pieces, p);
	}
}

void meta_model_step(struct meta_model *m)
{
	m->step++;
	switch (below(m, 16)) {
	case 0:
		if (m->inodes.n < 30)
			make_inode(m);
		else
			drop_inode(m);
		break;
	case 1:
	case 2:
		change_inode(m);
		break;
	case 3:
		if (m->inodes.n > 15)
			drop_inode(m);
		else
			make_inode(m);
		break;
	case 4:
	case 5:
	case 6:
		put_entry(m);
		break;
	case 7:
		del_entry(m);
		break;
	case 8:
		put_xattr(m);
		break;
	case 9:
		del_xattr(m);
		break;
	case 10:
	case 11:
	case 12:
		change_extents(m);
		break;
	default:
		change_piece(m);
	}
}

/* --- comparing --- */
static bool same_inode(const struct inode_row *a, const struct inode_row *b)
{
	return a->ino == b->ino && a->seq == b->seq && a->mode == b->mode &&
	       a->uid == b->uid && a->gid == b->gid && a->nlink == b->nlink &&
	       a->rdev == b->rdev && a->size == b->size && a->bytes == b->bytes &&
	       a->atime == b->atime && a->mtime == b->mtime &&
	       a->ctime == b->ctime && a->btime == b->btime &&
	       a->flags == b->flags && a->parent == b->parent;
}

static bool same_extent(const struct extent_row *a, const struct extent_row *b)
{
	return a->ino == b->ino && a->off == b->off && a->len == b->len &&
	       a->seq == b->seq && a->piece == b->piece && a->poff == b->poff;
}

static bool same_piece(const struct piece_row *a, const struct piece_row *b)
{
	return a->id == b->id && a->addr == b->addr && a->len == b->len &&
	       a->stored == b->stored && a->enc == b->enc && a->refs == b->refs &&
	       a->live == b->live && a->ino == b->ino && a->off == b->off &&
	       a->nsums == b->nsums && !memcmp(a->sums, b->sums, 4 * a->nsums);
}

/* What an iteration saw; stops after limit rows. */
struct walk {
	struct meta_model *m;
	size_t seen, limit;
	uint64_t last; /* key before */
	uint64_t ino;
	uint64_t off, end;
	bool orphans;
};

static const struct inode_row *find_inode(struct meta_model *m, uint64_t ino)
{
	size_t k;

	for (k = 0; k < m->inodes.n; k++) {
		const struct inode_row *i = at(&m->inodes, k);

		if (i->ino == ino)
			return i;
	}
	return NULL;
}

static int see_inode(void *arg, const struct inode_row *i)
{
	struct walk *w = arg;
	const struct inode_row *want = find_inode(w->m, i->ino);
	struct inode_row again;

	require(w->m, i->ino > w->last && want && same_inode(i, want));
	require(w->m, !w->orphans || !i->nlink);
	/* Asking again inside an iteration must not disturb it. */
	require(w->m, !state_inode(w->m->st, w->m->rd, i->ino, &again));
	require(w->m, same_inode(&again, want));
	w->last = i->ino;
	return ++w->seen == w->limit ? 77 : 0;
}

static int see_entry(void *arg, const struct entry_row *e)
{
	struct walk *w = arg;
	uint64_t dummy;
	const struct entry_row *want = NULL, *r;
	size_t k;

	for (k = 0; k < w->m->entries.n; k++) {
		r = at(&w->m->entries, k);
		if (r->dir == w->ino && r->cookie == e->cookie)
			want = r;
	}
	require(w->m, want && e->cookie > w->last && e->dir == w->ino);
	require(w->m, e->seq == want->seq && e->ino == want->ino);
	require(w->m, e->type == want->type && e->namelen == want->namelen);
	require(w->m, !memcmp(e->name, want->name, e->namelen + 1u));
	if (entry_named(w->m, w->ino, e->name, e->namelen, &dummy) == want)
		check_entry(w->m, w->ino, e->name, e->namelen);
	w->last = e->cookie;
	return ++w->seen == w->limit ? 77 : 0;
}

static int see_extent(void *arg, const struct extent_row *x)
{
	struct walk *w = arg;
	const struct extent_row *want = NULL, *r;
	size_t k;

	for (k = 0; k < w->m->extents.n; k++) {
		r = at(&w->m->extents, k);
		if (r->ino == w->ino && r->off == x->off)
			want = r;
	}
	require(w->m, want && same_extent(x, want));
	require(w->m, !w->seen || x->off > w->last);
	require(w->m, x->off < w->end && x->off + x->len > w->off);
	w->last = x->off;
	return ++w->seen == w->limit ? 77 : 0;
}

static int see_piece(void *arg, const struct piece_row *p)
{
	struct walk *w = arg;
	const struct piece_row *want = NULL, *r;
	struct piece_row again;
	size_t k;

	for (k = 0; k < w->m->pieces.n; k++) {
		r = at(&w->m->pieces, k);
		if (r->id == p->id)
			want = r;
	}
	require(w->m, p->id > w->last && want && same_piece(p, want));
	require(w->m, !state_piece(w->m->st, w->m->rd, p->id, &again));
	require(w->m, same_piece(&again, want));
	w->last = p->id;
	return ++w->seen == w->limit ? 77 : 0;
}

static int see_xattr(void *arg, const struct xattr_row *x)
{
	struct walk *w = arg;
	const struct xa *want = NULL, *r;
	size_t k;

	for (k = 0; k < w->m->xattrs.n; k++) {
		r = at(&w->m->xattrs, k);
		if (r->row.ino == w->ino && r->row.slot == x->slot)
			want = r;
	}
	require(w->m, want && x->slot > w->last && x->ino == w->ino);
	require(w->m, x->seq == want->row.seq && x->len == want->row.len);
	require(w->m, x->namelen == want->row.namelen);
	require(w->m, !memcmp(x->name, want->row.name, x->namelen + 1u));
	require(w->m, !memcmp(x->value, want->value, x->len));
	w->last = x->slot;
	return ++w->seen == w->limit ? 77 : 0;
}

/* Runs a whole walk, and one that is stopped in the middle. */
#define WALK(m, w, want, call) do { \
	(w).seen = 0; (w).limit = 0; (w).last = (w).ino ? 0 : (w).last; \
	require(m, (call) == 0); \
	require(m, (w).seen == (want)); \
	if (want) { \
		(w).seen = 0; (w).limit = 1 + below(m, want); \
		(w).last = (w).ino ? 0 : (w).off; \
		require(m, (call) == 77); \
	} \
} while (0)

static void check_extents(struct meta_model *m, uint64_t ino, uint64_t off,
			  uint64_t end)
{
	struct walk w = { .m = m, .ino = ino, .off = off, .end = end };
	size_t k, want = 0;

	for (k = 0; k < m->extents.n; k++) {
		const struct extent_row *x = at(&m->extents, k);

		want += x->ino == ino && x->off < end && x->off + x->len > off;
	}
	WALK(m, w, want, state_extents(m->st, m->rd, ino, off, end, see_extent, &w));
}

static void check_named(struct meta_model *m, uint64_t ino)
{
	char name[VARVE_NAME_MAX + 1];
	size_t len = any_name(m, name), tlen = 0, k;
	const struct target *t = NULL;
	uint64_t want_free = 0, got_free = 0;
	struct xattr_row x;
	struct xa *want;
	char *text = NULL;
	int err;

	check_entry(m, ino, name, len);
	want = xattr_named(m, ino, name, len, &want_free);
	err = state_xattr(m->st, m->rd, ino, name, len, &x, &got_free);
	if (want) {
		require(m, !err && x.len == want->row.len && x.seq == want->row.seq);
		require(m, x.slot == want->row.slot);
		require(m, !memcmp(x.value, want->value, x.len));
		free((void *)x.value);
	} else {
		require(m, err == (want_free ? -ENOENT : -ENOSPC));
		require(m, got_free == want_free);
	}
	for (k = 0; k < m->targets.n; k++) {
		const struct target *r = at(&m->targets, k);

		t = r->ino == ino ? r : t;
	}
	err = state_target(m->st, m->rd, ino, &text, &tlen);
	require(m, err == (t ? 0 : -ENOENT));
	if (t)
		require(m, tlen == t->len && !memcmp(text, t->text, tlen) && !text[tlen]);
	free(text);
}

void meta_model_probe(struct meta_model *m)
{
	uint64_t ino = 1 + below(m, m->next_ino), id = 1 + below(m, m->next_piece);
	const struct inode_row *want = find_inode(m, ino);
	struct piece_row p;
	struct inode_row i;
	uint64_t off, end;
	size_t k, n = 0;
	int err;

	err = state_inode(m->st, m->rd, ino, &i);
	require(m, err == (want ? 0 : -ENOENT));
	require(m, !want || same_inode(&i, want));
	err = state_piece(m->st, m->rd, id, &p);
	for (k = 0; k < m->pieces.n; k++) {
		const struct piece_row *r = at(&m->pieces, k);

		if (r->id == id) {
			n++;
			require(m, !err && same_piece(&p, r));
		}
	}
	require(m, n || err == -ENOENT);
	any_range(m, &off, &end);
	check_extents(m, ino, off, end);
	check_extents(m, ino, off, off + 1);
	check_named(m, ino);
}

void meta_model_check(struct meta_model *m)
{
	struct walk w = { .m = m };
	size_t k, j, n, orphans = 0;
	uint64_t after;

	for (k = 0; k < m->inodes.n; k++)
		orphans += !((struct inode_row *)at(&m->inodes, k))->nlink;
	WALK(m, w, m->inodes.n, state_inodes(m->st, m->rd, w.last, see_inode, &w));
	w = (struct walk){ .m = m, .orphans = true };
	WALK(m, w, orphans, state_orphans(m->st, m->rd, w.last, see_inode, &w));
	w = (struct walk){ .m = m };
	WALK(m, w, m->pieces.n, state_pieces(m->st, m->rd, w.last, see_piece, &w));

	for (k = 1; k < m->next_ino; k++) {
		w = (struct walk){ .m = m, .ino = k };
		for (j = n = 0; j < m->entries.n; j++)
			n += ((struct entry_row *)at(&m->entries, j))->dir == k;
		WALK(m, w, n, state_entries(m->st, m->rd, k, w.last, see_entry, &w));
		if (n) { /* go on from where the stopped walk was */
			after = w.last;
			for (j = n = 0; j < m->entries.n; j++) {
				struct entry_row *e = at(&m->entries, j);

				n += e->dir == k && e->cookie > after;
			}
			w.seen = w.limit = 0;
			require(m, !state_entries(m->st, m->rd, k, after,
						  see_entry, &w));
			require(m, w.seen == n);
		}
		for (j = n = 0; j < m->xattrs.n; j++)
			n += ((struct xa *)at(&m->xattrs, j))->row.ino == k;
		WALK(m, w, n, state_xattrs(m->st, m->rd, k, see_xattr, &w));
		check_extents(m, k, 0, UINT64_MAX);
		check_named(m, k);
	}
}
