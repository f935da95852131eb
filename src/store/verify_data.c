/* SPDX-License-Identifier: MIT */
/* verify_data.c - pieces against the extents that refer to them and against each
 * other; rows whose inode is not there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/msg.h"
#include "log/piece.h"
#include "store/verify_int.h"

/* --- pieces --- */

static int use_cmp(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	return x->piece < y->piece ? -1 : x->piece > y->piece;
}

static void mark_bad(struct check *k, uint64_t piece)
{
	k->bad = verify_room(k->bad, k->nbad, &k->bad_cap, sizeof(*k->bad));
	k->bad[k->nbad++] = piece;
}

/* References to pieces below id: they have no row. */
static void pass_missing(struct check *k, uint64_t id)
{
	while (k->at_use < k->nuses && k->use[k->at_use].piece < id) {
		uint64_t piece = k->use[k->at_use].piece;

		mark_bad(k, piece);
		while (k->at_use < k->nuses && k->use[k->at_use].piece == piece)
			k->at_use++;
	}
}

static bool good_piece(struct check *k, const struct piece_row *p)
{
	uint32_t seg = segs_index(k->v->segs, p->addr);

	return !p->enc && p->len && p->len <= VARVE_PIECE_MAX && p->stored == p->len &&
	       p->nsums == piece_nsums(p->stored) && seg != UINT32_MAX &&
	       seg == segs_index(k->v->segs, p->addr + p->stored - 1);
}

static int check_piece(void *arg, const struct piece_row *p)
{
	struct check *k = arg;
	uint32_t seg = segs_index(k->v->segs, p->addr);
	uint64_t refs = 0, end = 0, live = 0;
	bool owned = p->ino != 0;

	k->n.pieces++;
	pass_missing(k, p->id);
	for (; k->at_use < k->nuses && k->use[k->at_use].piece == p->id; k->at_use++) {
		const struct use *u = &k->use[k->at_use];

		end = MAX(end, u->end);
		live += u->len;
		owned = owned && u->ino == p->ino && u->off == p->off;
		refs++;
	}
	if (end > p->len)
		mark_bad(k, p->id);
	if (!good_piece(k, p))
		FIND(k, FIND_PIECE, .piece = p->id)
			"piece %llu (%u bytes at %llu) is impossible", U(p->id), p->stored,
			U(p->addr));
	if (refs != p->refs)
		FIND(k, FIND_PIECE_REFS, .piece = p->id, .want = refs)
			"piece %llu has %llu references, its row says %u", U(p->id), U(refs),
			p->refs);
	if (p->ino && !owned)
		FIND(k, FIND_PIECE_OWNER, .piece = p->id)
			"piece %llu belongs to inode %llu, but something else refers to it",
			U(p->id), U(p->ino));
	else if (p->live != (p->ino ? live : p->stored))
		FIND(k, FIND_PIECE_OWNER, .piece = p->id)
			"piece %llu counts %u live bytes, should be %llu", U(p->id), p->live,
			U(p->ino ? live : p->stored));
	k->n.data_bytes += p->live;
	if (seg != UINT32_MAX)
		k->live[seg] += p->live;
	if (p->id >= k->v->count.next_piece)
		FIND(k, FIND_NEXT_PIECE, .piece = p->id, .want = p->id + 1)
			"piece %llu is beyond the counter %llu", U(p->id),
			U(k->v->count.next_piece));
	k->span = verify_room(k->span, k->nspans, &k->span_cap, sizeof(*k->span));
	k->span[k->nspans++] = (struct span){ p->addr, p->id, p->stored };
	return verify_progress(k, "pieces", k->n.pieces, 0);
}

static int span_cmp(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void check_overlap(struct check *k)
{
	const struct span *last = NULL;

	qsort(k->span, k->nspans, sizeof(*k->span), span_cmp);
	for (size_t i = 0; i < k->nspans; i++) {
		const struct span *s = &k->span[i];

		if (last && s->addr < last->addr + last->len)
			FIND(k, FIND_PIECE_TWICE, .piece = s->id)
				"pieces %llu and %llu both claim device byte %llu",
				U(last->id), U(s->id), U(s->addr));
		if (!last || s->addr + s->len > last->addr + last->len)
			last = s;
	}
}

/* --- who uses the bad pieces --- */

static int id_cmp(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int name_user(void *arg, const struct extent_row *x)
{
	struct check *k = arg;

	if (!bsearch(&x->piece, k->bad, k->nbad, sizeof(*k->bad), id_cmp))
		return 0;
	FIND(k, FIND_NO_PIECE, .ino = x->ino, .piece = x->piece, .off = x->off, .len = x->len)
		"inode %llu: the data of bytes %llu to %llu (piece %llu) is not there",
		U(x->ino), U(x->off), U(x->off + x->len - 1), U(x->piece));
	return 0;
}

static int name_users(struct check *k)
{
	int err = 0;

	if (!k->nbad)
		return 0;
	qsort(k->bad, k->nbad, sizeof(*k->bad), id_cmp);
	for (size_t i = 0; i < k->nnodes && !err; i++)
		if (S_ISREG(k->node[i].mode))
			err = state_extents(k->v->state, k->rd, k->node[i].ino, 0, INT64_MAX,
					    name_user, k);
	return err;
}

/* --- all of it --- */

int verify_pieces(struct check *k)
{
	int err;

	if (k->nuses)
		qsort(k->use, k->nuses, sizeof(*k->use), use_cmp);
	err = state_pieces(k->v->state, k->rd, 0, check_piece, k);
	if (err)
		return err;
	pass_missing(k, UINT64_MAX);
	if (k->nspans)
		check_overlap(k);
	return name_users(k);
}

/* --- rows of nobody --- */

struct strays {
	struct check *k;
	uint64_t *ino;
	size_t n, cap;
	size_t at; /* in the inodes: both ascend */
	enum owner_table table;
};

static bool may_own(const struct node *s, enum owner_table t)
{
	return t == OWNER_XATTRS || (t == OWNER_ENTRIES && S_ISDIR(s->mode)) ||
	       (t == OWNER_EXTENTS && S_ISREG(s->mode)) ||
	       (t == OWNER_TARGETS && S_ISLNK(s->mode));
}

static int note_owner(void *arg, uint64_t ino)
{
	struct strays *s = arg;
	struct check *k = s->k;

	while (s->at < k->nnodes && k->node[s->at].ino < ino)
		s->at++;
	if (s->at < k->nnodes && k->node[s->at].ino == ino && may_own(&k->node[s->at], s->table))
		return 0;
	s->ino = verify_room(s->ino, s->n, &s->cap, sizeof(*s->ino));
	s->ino[s->n++] = ino;
	return 0;
}

static int has_entry(void *arg, const struct entry_row *e)
{
	return 1;
}

static int has_extent(void *arg, const struct extent_row *e)
{
	return 1;
}

static int has_xattr(void *arg, const struct xattr_row *e)
{
	return 1;
}

/* Are they there in the present, too?  1, 0 or negative. */
static int still_there(struct check *k, enum owner_table t, uint64_t ino)
{
	struct state *st = k->v->state;
	char *target;
	size_t len;
	int err;

	switch (t) {
	case OWNER_ENTRIES:
		return state_entries(st, k->rd, ino, 0, has_entry, NULL);
	case OWNER_EXTENTS:
		return state_extents(st, k->rd, ino, 0, INT64_MAX, has_extent, NULL);
	case OWNER_XATTRS:
		return state_xattrs(st, k->rd, ino, has_xattr, NULL);
	default:
		err = state_target(st, k->rd, ino, &target, &len);
		if (!err)
			free(target);
		return err == -ENOENT ? 0 : err ? err : 1;
	}
}

int verify_strays(struct check *k)
{
	static const char *const what[OWNER_TABLES] = { "entries", "extents",
							"extended attributes", "a target" };
	struct strays s = { .k = k };
	int err = 0;

	if (k->bad_image)
		return 0;

	for (unsigned t = 0; t < OWNER_TABLES && !err; t++) {
		s.n = s.at = 0;
		s.table = t;
		err = state_owners(k->v->state, k->rd, t, note_owner, &s);
		for (size_t i = 0; i < s.n && !err; i++) {
			int there = still_there(k, t, s.ino[i]);

			if (there < 0)
				err = there;
			else if (there)
				FIND(k, FIND_STRAY, .ino = s.ino[i], .want = t)
					"inode %llu has %s, but is not there or of another kind",
					U(s.ino[i]), what[t]);
		}
	}
	free(s.ino);
	return err;
}
