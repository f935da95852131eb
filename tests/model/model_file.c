/* SPDX-License-Identifier: MIT */
/* model_file.c - file contents in the model: pages with a state per byte. */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/msg.h"

#define MAX_OFF ((uint64_t)INT64_MAX)

void model_file_free(struct minode *i)
{
	for (size_t k = 0; k < i->nslot; k++)
		if (!--i->slot[k].page->ref)
			free(i->slot[k].page);
	free(i->slot);
	i->slot = NULL;
	i->nslot = i->cap_slot = 0;
}

void model_file_copy(struct minode *to, const struct minode *from)
{
	to->cap_slot = MAX(from->nslot, 1u);
	to->slot = xmalloc(to->cap_slot * sizeof(*to->slot));
	if (from->nslot)
		memcpy(to->slot, from->slot, from->nslot * sizeof(*to->slot));
	for (size_t k = 0; k < from->nslot; k++)
		to->slot[k].page->ref++;
}

uint64_t model_file_bytes(const struct minode *i)
{
	uint64_t sum = 0;

	for (size_t k = 0; k < i->nslot; k++)
		sum += i->slot[k].page->nalloc;
	return sum;
}

/* First slot with idx >= idx. */
static size_t slot_at(const struct minode *i, uint64_t idx)
{
	size_t lo = 0, hi = i->nslot;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (i->slot[mid].idx < idx)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct mpage *page_of(const struct minode *i, uint64_t idx)
{
	size_t at = slot_at(i, idx);

	return at < i->nslot && i->slot[at].idx == idx ? i->slot[at].page : NULL;
}

/* The page, private and made if need be. */
static struct mpage *page_mut(struct minode *i, uint64_t idx)
{
	size_t at = slot_at(i, idx);
	struct mpage *p;

	if (at == i->nslot || i->slot[at].idx != idx) {
		if (i->nslot == i->cap_slot) {
			i->cap_slot = i->cap_slot ? i->cap_slot * 2 : 4;
			i->slot = xrealloc(i->slot, i->cap_slot * sizeof(*i->slot));
		}
		memmove(i->slot + at + 1, i->slot + at, (i->nslot - at) * sizeof(*i->slot));
		i->nslot++;
		i->slot[at].idx = idx;
		i->slot[at].page = xcalloc(1, sizeof(*p));
		i->slot[at].page->ref = 1;
	}
	p = i->slot[at].page;
	if (p->ref > 1) {
		struct mpage *c = xmalloc(sizeof(*c));

		*c = *p;
		p->ref--;
		c->ref = 1;
		p = i->slot[at].page = c;
	}
	return p;
}

static void recount(struct mpage *p)
{
	unsigned n = 0;

	for (unsigned k = 0; k < MPAGE; k++)
		n += p->st[k] != MS_HOLE;
	p->nalloc = n;
}

static void drop_empty(struct minode *i)
{
	size_t to = 0;

	for (size_t k = 0; k < i->nslot; k++) {
		if (i->slot[k].page->nalloc)
			i->slot[to++] = i->slot[k];
		else if (!--i->slot[k].page->ref)
			free(i->slot[k].page);
	}
	i->nslot = to;
}

/* data NULL: zeros of state st. */
static void put(struct minode *i, uint64_t off, size_t len, const uint8_t *data,
		enum mstate st)
{
	while (len) {
		struct mpage *p = page_mut(i, off / MPAGE);
		size_t in = off % MPAGE, n = MIN(len, MPAGE - in);

		if (data) {
			memcpy(p->data + in, data, n);
			data += n;
		} else {
			memset(p->data + in, 0, n);
		}
		memset(p->st + in, st, n);
		recount(p);
		off += n;
		len -= n;
	}
}

/* [from, to) becomes a hole; to may be huge. */
static void punch(struct minode *i, uint64_t from, uint64_t to)
{
	for (size_t k = slot_at(i, from / MPAGE); k < i->nslot; k++) {
		uint64_t start = i->slot[k].idx * MPAGE, a, b;
		struct mpage *p;

		if (start >= to)
			break;
		a = MAX(from, start) - start;
		b = MIN(to - start, (uint64_t)MPAGE);
		p = page_mut(i, i->slot[k].idx);
		memset(p->data + a, 0, b - a);
		memset(p->st + a, MS_HOLE, b - a);
		recount(p);
	}
	drop_empty(i);
}

void model_peek(const struct minode *i, uint64_t off, size_t len, void *buf)
{
	uint8_t *to = buf;

	while (len) {
		const struct mpage *p = page_of(i, off / MPAGE);
		size_t in = off % MPAGE, n = MIN(len, MPAGE - in);

		if (p)
			memcpy(to, p->data + in, n);
		else
			memset(to, 0, n);
		to += n;
		off += n;
		len -= n;
	}
}

/* A regular file that may be changed: 0, or why not. */
static int want_file(const struct model *m, uint64_t ino, const struct minode **ret)
{
	*ret = model_get(m, ino);
	if (!*ret)
		return -ENOENT;
	if (S_ISDIR((*ret)->mode))
		return -EISDIR;
	if (!S_ISREG((*ret)->mode))
		return -EINVAL;
	return 0;
}

int model_read(struct model *m, uint64_t ino, uint64_t off, size_t len, void *buf,
	       size_t *ret_len)
{
	const struct minode *i;
	int err = want_file(m, ino, &i);

	*ret_len = 0;
	if (err)
		return err;
	if (off < i->size) {
		*ret_len = MIN((uint64_t)len, i->size - off);
		model_peek(i, off, *ret_len, buf);
	}
	if (*ret_len)
		model_accessed(m, ino);
	return 0;
}

int model_write(struct model *m, uint64_t ino, const void *buf, size_t len, uint64_t off,
		bool append, bool kill)
{
	const struct minode *i;
	struct minode *w;
	int err = want_file(m, ino, &i);

	if (err)
		return err;
	if (!len)
		return 0;
	if (append)
		off = i->size;
	if ((i->flags & INODE_APPEND) && off < i->size)
		return -EPERM;
	if (off > MAX_OFF || len > MAX_OFF - off)
		return -EFBIG;
	if (i->flags & INODE_IMMUTABLE)
		return -EPERM;
	w = model_mut(m, ino);
	put(w, off, len, buf, MS_DATA);
	w->size = MAX(w->size, off + len);
	model_dirtied(w, model_now(m));
	if (kill)
		model_kill_suid(w);
	return 0;
}

int model_truncate(struct model *m, uint64_t ino, uint64_t size)
{
	const struct minode *i;
	struct minode *w;
	int err = want_file(m, ino, &i);

	if (err)
		return err;
	if (size > MAX_OFF)
		return -EFBIG;
	w = model_mut(m, ino);
	punch(w, size, UINT64_MAX); /* what was promised behind it too */
	w->size = size;
	model_dirtied(w, model_now(m));
	return 0;
}

int model_fallocate(struct model *m, const struct fs_cred *cr, uint64_t ino, int mode,
		    uint64_t off, uint64_t len)
{
	bool keep = mode & FALLOC_FL_KEEP_SIZE;
	int what = mode & ~FALLOC_FL_KEEP_SIZE;
	const struct minode *i;
	struct minode *w;
	int err;

	if (what != 0 && what != FALLOC_FL_PUNCH_HOLE && what != FALLOC_FL_ZERO_RANGE)
		return -EOPNOTSUPP;
	if (what == FALLOC_FL_PUNCH_HOLE && !keep)
		return -EOPNOTSUPP;
	if (!len || off > MAX_OFF || len > MAX_OFF)
		return -EINVAL;
	if (len > MAX_OFF - off)
		return -EFBIG;
	err = want_file(m, ino, &i);
	if (err)
		return err == -EINVAL ? -ENODEV : err;
	if ((i->flags & INODE_APPEND) && what)
		return -EPERM;
	if (i->flags & INODE_IMMUTABLE)
		return -EPERM;

	w = model_mut(m, ino);
	if (what == FALLOC_FL_PUNCH_HOLE) {
		punch(w, off, off + len);
	} else if (what == FALLOC_FL_ZERO_RANGE) {
		put(w, off, len, NULL, MS_UNWRITTEN);
	} else {
		for (uint64_t at = off; at < off + len;) {
			struct mpage *p = page_mut(w, at / MPAGE);

			for (; at < off + len; at++) {
				if (p->st[at % MPAGE] == MS_HOLE)
					p->st[at % MPAGE] = MS_UNWRITTEN;
				if (at % MPAGE == MPAGE - 1) {
					at++;
					break;
				}
			}
			recount(p);
		}
	}
	if (!keep)
		w->size = MAX(w->size, off + len);
	model_dirtied(w, model_now(m));
	if (cr->uid)
		model_kill_suid(w);
	return 0;
}

int model_clone_range(struct model *m, const struct fs_cred *cr, uint64_t src,
		      uint64_t src_off, uint64_t dst, uint64_t dst_off, uint64_t len,
		      uint64_t *ret_len)
{
	struct mslot *copy;
	size_t ncopy;
	const struct minode *s, *d;
	struct minode *w;
	int err = want_file(m, src, &s);

	*ret_len = 0;
	if (err)
		return err;
	err = want_file(m, dst, &d);
	if (err)
		return err;
	if ((d->flags & INODE_IMMUTABLE) || ((d->flags & INODE_APPEND) && dst_off < d->size))
		return -EPERM;
	if (src_off >= s->size || !len)
		return 0;
	if (dst_off >= MAX_OFF)
		return -EFBIG;
	len = MIN(MIN(len, s->size - src_off), MAX_OFF - dst_off);
	if (src == dst && src_off < dst_off + len && dst_off < src_off + len)
		return -EINVAL;

	/* The source as it is now, also when it is the same file. */
	ncopy = s->nslot;
	copy = xmalloc(MAX(ncopy, 1u) * sizeof(*copy));
	if (ncopy)
		memcpy(copy, s->slot, ncopy * sizeof(*copy));
	for (size_t k = 0; k < ncopy; k++)
		copy[k].page->ref++;
	w = model_mut(m, dst);
	punch(w, dst_off, dst_off + len);
	for (size_t k = 0; k < ncopy; k++) {
		uint64_t start = copy[k].idx * MPAGE;

		for (unsigned b = 0; b < MPAGE; b++) {
			unsigned st = copy[k].page->st[b], n = 1;
			uint64_t at = start + b;

			/* What was only promised reads as zeros: a hole. */
			if (st != MS_DATA || at < src_off || at >= src_off + len)
				continue;
			while (b + n < MPAGE && copy[k].page->st[b + n] == st &&
			       at + n < src_off + len)
				n++;
			put(w, at - src_off + dst_off, n, copy[k].page->data + b, st);
			b += n - 1;
		}
		if (!--copy[k].page->ref)
			free(copy[k].page);
	}
	free(copy);
	w->size = MAX(w->size, dst_off + len);
	model_dirtied(w, model_now(m));
	if (cr->uid)
		model_kill_suid(w);
	*ret_len = len;
	return 0;
}

/* Where the next byte of the wanted kind is, from off; the size if none. */
static uint64_t find(const struct minode *i, uint64_t off, bool data)
{
	while (off < i->size) {
		size_t at = slot_at(i, off / MPAGE);
		const struct mpage *p;

		if (at == i->nslot || i->slot[at].idx != off / MPAGE) {
			if (!data)
				return off;
			if (at == i->nslot)
				return i->size;
			off = i->slot[at].idx * MPAGE;
			continue;
		}
		p = i->slot[at].page;
		do {
			if ((p->st[off % MPAGE] == MS_DATA) == data)
				return MIN(off, i->size);
			off++;
		} while (off % MPAGE);
	}
	return i->size;
}

int model_seek(const struct model *m, uint64_t ino, uint64_t off, int whence,
	       uint64_t *ret)
{
	const struct minode *i;
	int err = want_file(m, ino, &i);

	if (err)
		return err;
	if (off >= i->size)
		return -ENXIO;
	*ret = find(i, off, whence == SEEK_DATA);
	if (whence == SEEK_DATA && *ret == i->size)
		return -ENXIO;
	return 0;
}

bool model_has_data(const struct minode *i, uint64_t from, uint64_t to)
{
	return find(i, from, true) < MIN(to, i->size);
}
