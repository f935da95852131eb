/* SPDX-License-Identifier: MIT */
/* check_data.c - reads every piece and compares it with its checksums.
 *
 * In order of address, in large windows that skip what is dead; the next window
 * is read while one is verified.  Damage is a list of units of pieces; if there
 * is any, one pass over all extents says to which files it belongs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/piece.h"
#include "store/check_int.h"
#include "store/path.h"

#define U(x) ((unsigned long long)(x))
#define WINDOW (4u << 20)
#define GAP_MAX (128u << 10) /* rather read this than begin anew */

struct item {
	uint64_t addr, id;
	uint32_t stored;
};

struct bad { /* one unit */
	uint64_t piece, addr;
	uint32_t unit;
	bool named;
};

struct window {
	struct dev_req req;
	uint8_t *buf;
	size_t first, n; /* items */
	bool busy;
	int err;
};

struct scan_data {
	struct chk *k;
	struct item *item;
	size_t n, cap;
	uint64_t total, done;
	struct bad *bad;
	size_t nbad, cap_bad;
	struct window win[2];
	struct piece_row row;
};

static int collect(void *arg, const struct piece_row *p)
{
	struct scan_data *s = arg;
	struct segs *segs = s->k->v->segs;
	uint32_t seg = segs_index(segs, p->addr);

	/* Verification has named those that cannot be. */
	if (!p->stored || p->stored > VARVE_PIECE_MAX || p->nsums != piece_nsums(p->stored) ||
	    seg == UINT32_MAX || segs_index(segs, p->addr + p->stored - 1) != seg)
		return 0;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->item = xrealloc(s->item, s->cap * sizeof(*s->item));
	}
	s->item[s->n++] = (struct item){ p->addr, p->id, p->stored };
	s->total += p->stored;
	return 0;
}

static int item_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void window_done(struct dev_req *req, int err)
{
	struct window *w = container_of(req, struct window, req);

	w->err = err;
	w->busy = false;
}

/* Starts reading from item first on. */
static void window_start(struct scan_data *s, struct window *w, size_t first)
{
	uint64_t from, end;

	w->first = first;
	w->n = 0;
	if (first == s->n)
		return;
	from = end = align_down(s->item[first].addr, VARVE_BLOCK);
	for (; first + w->n < s->n; w->n++) {
		const struct item *i = &s->item[first + w->n];
		uint64_t to = align_up(i->addr + i->stored, VARVE_BLOCK);

		if (w->n && (to - from > WINDOW || i->addr > end + GAP_MAX))
			break;
		end = MAX(end, to);
	}
	w->req = (struct dev_req){ .op = DEV_READ, .buf = w->buf, .off = from,
				   .len = (uint32_t)(end - from), .done = window_done };
	w->busy = true;
	dev_submit(s->k->dev, s->k->ring, &w->req);
}

static void note_bad(struct scan_data *s, const struct item *i, uint32_t unit)
{
	if (s->nbad == s->cap_bad) {
		s->cap_bad = s->cap_bad ? 2 * s->cap_bad : 64;
		s->bad = xrealloc(s->bad, s->cap_bad * sizeof(*s->bad));
	}
	s->bad[s->nbad++] = (struct bad){ i->id, i->addr + (uint64_t)unit * VARVE_BLOCK, unit,
					  false };
}

/* data: the piece's bytes, or NULL if they have to be read one by one. */
static int verify_item(struct scan_data *s, const struct item *i, const uint8_t *data)
{
	struct vol *v = s->k->v;
	uint8_t *own = NULL;
	int err = state_piece(v->state, s->k->c->rd, i->id, &s->row);

	if (err)
		return err;
	if (!data)
		own = dev_alloc(2 * VARVE_BLOCK);
	for (uint32_t u = 0; u < s->row.nsums; u++) {
		uint64_t addr = i->addr + (uint64_t)u * VARVE_BLOCK;
		uint64_t from = align_down(addr, VARVE_BLOCK);
		uint32_t len = MIN(VARVE_BLOCK, i->stored - u * VARVE_BLOCK);
		const uint8_t *at = data ? data + (size_t)u * VARVE_BLOCK : own + (addr - from);

		if (own && dev_read(s->k->dev, own, from,
				    (uint32_t)(align_up(addr + len, VARVE_BLOCK) - from)))
			note_bad(s, i, u);
		else if (piece_verify_units(at, i->stored, s->row.sums, s->row.nsums, u, 1))
			note_bad(s, i, u);
	}
	dev_free(own);
	s->done += i->stored;
	return 0;
}

static int verify_window(struct scan_data *s, struct window *w)
{
	int err = 0;

	while (w->busy)
		if (ring_run(s->k->ring, -1) < 0)
			msg_panic("%s: waiting for the device", dev_name(s->k->dev));
	for (size_t n = 0; n < w->n && !err; n++) {
		const struct item *i = &s->item[w->first + n];

		err = verify_item(s, i, w->err ? NULL : w->buf + (i->addr - w->req.off));
	}
	return err;
}

static int read_all(struct scan_data *s)
{
	unsigned turn = 0;
	int err = 0;

	for (unsigned i = 0; i < 2; i++)
		s->win[i].buf = dev_alloc(WINDOW + VARVE_PIECE_MAX + VARVE_BLOCK);
	window_start(s, &s->win[0], 0);
	while (s->win[turn].n && !err) {
		struct window *w = &s->win[turn];

		turn ^= 1;
		window_start(s, &s->win[turn], w->first + w->n);
		err = verify_window(s, w);
		if (!err)
			err = check_progress(s->k, "data", s->done, s->total, true);
	}
	while (s->win[0].busy || s->win[1].busy)
		if (ring_run(s->k->ring, -1) < 0)
			msg_panic("%s: waiting for the device", dev_name(s->k->dev));
	for (unsigned i = 0; i < 2; i++)
		dev_free(s->win[i].buf);
	return err;
}

/* --- whose is it --- */

static int bad_cmp(const void *a, const void *b)
{
	const struct bad *x = a, *y = b;

	if (x->piece != y->piece)
		return x->piece < y->piece ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static size_t first_bad(const struct scan_data *s, uint64_t piece)
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

static void say_range(struct scan_data *s, uint64_t ino, uint64_t from, uint64_t to,
		      uint64_t addr)
{
	char *path = vol_path(s->k->c, ino, true);

	check_say(s->k, CHECK_FOUND, "%s: bytes %llu to %llu are damaged (device byte %llu)",
		  path, U(from), U(to - 1), U(addr));
	free(path);
}

/* Damage in the part of a piece that x shows, as ranges of the file. */
static int name_extent(void *arg, const struct extent_row *x)
{
	struct scan_data *s = arg;
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
		if (lo == to && to) {
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

static int name_inode(void *arg, const struct inode_row *i)
{
	struct scan_data *s = arg;

	if (!S_ISREG(i->mode))
		return 0;
	return state_extents(s->k->v->state, s->k->c->rd, i->ino, 0, INT64_MAX, name_extent, s);
}

static int name_all(struct scan_data *s)
{
	struct vol *v = s->k->v;
	int err;

	qsort(s->bad, s->nbad, sizeof(*s->bad), bad_cmp);
	err = state_inodes(v->state, s->k->c->rd, 0, name_inode, s);
	for (size_t i = 0; i < s->nbad && !err; i++)
		if (!s->bad[i].named)
			check_say(s->k, CHECK_FOUND,
				  "piece %llu: unit %u is damaged (device byte %llu); no file "
				  "shows it", U(s->bad[i].piece), s->bad[i].unit,
				  U(s->bad[i].addr));
	return err;
}

int check_data(struct chk *k)
{
	struct scan_data *s = xcalloc(1, sizeof(*s));
	int err;

	s->k = k;
	vol_rdlock(k->v);
	err = state_pieces(k->v->state, k->c->rd, 0, collect, s);
	if (!err && s->n) {
		qsort(s->item, s->n, sizeof(*s->item), item_cmp);
		err = read_all(s);
	}
	k->r->data_checked = s->done;
	k->r->data_bad = (uint64_t)s->nbad * VARVE_BLOCK;
	if (s->nbad && (!err || err == -ECANCELED)) {
		int err2 = name_all(s);

		err = err ? err : err2;
	}
	vol_unlock(k->v);
	free(s->item);
	free(s->bad);
	free(s);
	return err;
}
