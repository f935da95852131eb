/* SPDX-License-Identifier: MIT */
/* scrub_name.c - whose the damage is: one pass over all extents, in slices. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "store/path.h"
#include "store/scrub_int.h"

#define U(x) ((unsigned long long)(x))
#define SLICE 256u /* inodes under one hold of the volume lock */

static int bad_cmp(const void *a, const void *b)
{
	const struct scrub_bad *x = a, *y = b;

	if (x->piece != y->piece)
		return x->piece < y->piece ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static size_t first_bad(const struct scrub *s, uint64_t piece)
{
	size_t lo = 0, hi = s->nbad;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->bad[mid].piece < piece)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void say_range(struct scrub *s, uint64_t ino, uint64_t from, uint64_t to, uint64_t addr)
{
	char *path = vol_path(s->c, ino, true);

	msg_err("%s: %s: bytes %llu to %llu are damaged (device byte %llu)",
		dev_name(s->v->dev), path, U(from), U(to - 1), U(addr));
	free(path);
}

static int name_extent(void *arg, const struct extent_row *x)
{
	struct scrub *s = arg;
	uint64_t from = 0, to = 0, addr = 0;

	if (!x->piece)
		return 0;
	for (size_t i = first_bad(s, x->piece); i < s->nbad && s->bad[i].piece == x->piece; i++) {
		uint64_t a = (uint64_t)s->bad[i].unit * VARVE_BLOCK;
		uint64_t lo = MAX(a, x->poff), hi = MIN(a + VARVE_BLOCK, x->poff + x->len);

		if (lo >= hi)
			continue;
		s->bad[i].named = true;
		lo = x->off + (lo - x->poff);
		hi = x->off + (hi - x->poff);
		if (to && lo == to) {
			to = hi;
			continue;
		}
		if (to)
			say_range(s, x->ino, from, to, addr);
		from = lo;
		to = hi;
		addr = s->bad[i].addr;
	}
	if (to)
		say_range(s, x->ino, from, to, addr);
	return 0;
}

struct slice {
	struct scrub *s;
	uint64_t last;
	unsigned n;
};

static int name_inode(void *arg, const struct inode_row *i)
{
	struct slice *l = arg;
	struct scrub *s = l->s;
	int err = 0;

	l->last = i->ino;
	if (S_ISREG(i->mode))
		err = state_extents(s->v->state, s->c->rd, i->ino, 0, INT64_MAX, name_extent, s);
	return err ? err : ++l->n >= SLICE;
}

int scrub_name_bad(struct scrub *s)
{
	struct slice l = { .s = s };
	int more = s->nbad > 0;

	if (s->nbad > 1)
		qsort(s->bad, s->nbad, sizeof(*s->bad), bad_cmp);
	while (more > 0) {
		if (atomic_load(&s->stop))
			return 0;
		l.n = 0;
		vol_rdlock(s->v);
		more = state_inodes(s->v->state, s->c->rd, l.last, name_inode, &l);
		vol_unlock(s->v);
		ring_run(s->ring, 0);
	}
	for (size_t i = 0; i < s->nbad; i++)
		if (!s->bad[i].named)
			msg_err("%s: piece %llu is damaged (device byte %llu); no file shows it",
				dev_name(s->v->dev), U(s->bad[i].piece), U(s->bad[i].addr));
	s->nbad = 0;
	return more;
}
