/* SPDX-License-Identifier: MIT */
/* bkread.c - finding backups on a device, and reading the image in one.
 *
 * Nothing but the superblock is believed: every chunk is known by its own head
 * and checksums. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/backup.h"

static uint64_t seg_addr(const struct super *sup, uint32_t idx)
{
	return sup->seg_base + (uint64_t)idx * sup->seg_size;
}

static uint32_t room_at(const struct super *sup, uint64_t addr)
{
	return sup->seg_size - (uint32_t)((addr - sup->seg_base) % sup->seg_size);
}

int bk_read_chunk(struct dev *d, const struct super *sup, uint64_t addr, struct bchunk *ret,
		  uint8_t *buf, uint8_t *pages)
{
	uint8_t *own = NULL;
	struct bchunk c;
	size_t n, raw;
	int err;

	err = dev_read(d, buf, addr, VARVE_BLOCK);
	if (!err)
		err = bchunk_decode(sup, buf, room_at(sup, addr), &c);
	if (!err)
		err = dev_read(d, buf, addr + VARVE_BLOCK, bchunk_bytes(&c) - VARVE_BLOCK);
	if (!err && crc32c(0, buf, c.stored) != c.data_crc)
		err = -VE_BACKUP;
	if (err)
		return err;
	raw = (size_t)c.npages * VARVE_BLOCK;
	if (!pages)
		pages = own = xmalloc(raw);
	if (c.enc == BACKUP_PLAIN) {
		memcpy(pages, buf, raw);
	} else {
		n = ZSTD_decompress(pages, raw, buf, c.stored);
		if (ZSTD_isError(n) || n != raw)
			err = -VE_BACKUP;
	}
	if (!err && crc32c(0, pages, raw) != c.raw_crc)
		err = -VE_BACKUP;
	free(own);
	if (!err)
		*ret = c;
	return err;
}

/* --- finding --- */

struct finder {
	struct dev *d;
	const struct super *sup;
	struct bk_found *f;
	size_t n, cap;
};

static struct bk_found *found_of(struct finder *x, const struct bchunk *c)
{
	struct bk_found *f;

	for (size_t i = 0; i < x->n; i++)
		if (x->f[i].id == c->id)
			return x->f[i].head.pages == c->pages ? &x->f[i] : NULL;
	if (x->n == x->cap) {
		x->cap = x->cap ? 2 * x->cap : 8;
		x->f = xrealloc(x->f, x->cap * sizeof(*x->f));
	}
	f = &x->f[x->n++];
	f->id = c->id;
	f->head = *c;
	f->chunks = (c->pages - 1) / BACKUP_CHUNK_PAGES + 1;
	f->addr = xcalloc(f->chunks, sizeof(*f->addr));
	return f;
}

/* The chunks that lie one behind the other from the start of a segment. */
static void look_at(struct finder *x, uint32_t idx, uint8_t *block)
{
	uint64_t addr = seg_addr(x->sup, idx), end = addr + x->sup->seg_size, id = 0;
	struct bk_found *f;
	struct bchunk c;

	while (addr < end && !dev_read(x->d, block, addr, VARVE_BLOCK) &&
	       !bchunk_decode(x->sup, block, (uint32_t)(end - addr), &c)) {
		if (id && c.id != id)
			break; /* left over from before */
		id = c.id;
		f = found_of(x, &c);
		if (!f)
			break;
		f->addr[c.index] = addr;
		addr += bchunk_bytes(&c);
	}
}

static bool whole(const struct bk_found *f)
{
	for (uint32_t i = 0; i < f->chunks; i++)
		if (!f->addr[i])
			return false;
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct bk_found *x = a, *y = b;

	if (x->head.n.op_seq != y->head.n.op_seq)
		return x->head.n.op_seq < y->head.n.op_seq ? 1 : -1;
	return x->head.ckpt < y->head.ckpt ? 1 : x->head.ckpt > y->head.ckpt ? -1 : 0;
}

int bk_find(struct dev *d, const struct super *sup,
	    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
	    struct bk_found **ret, size_t *ret_n)
{
	struct finder x = { .d = d, .sup = sup };
	uint8_t *block = dev_alloc(VARVE_BLOCK);
	size_t n = 0;
	int err = 0;

	for (uint32_t i = 0; i < sup->seg_count && !err; i++) {
		look_at(&x, i, block);
		if (progress && progress(arg, i + 1, sup->seg_count))
			err = -ECANCELED;
	}
	dev_free(block);
	for (size_t i = 0; i < x.n; i++) {
		if (!err && whole(&x.f[i]))
			x.f[n++] = x.f[i];
		else
			free(x.f[i].addr);
	}
	if (n > 1)
		qsort(x.f, n, sizeof(*x.f), newest_first);
	*ret = x.f;
	*ret_n = n;
	return err;
}

void bk_found_free(struct bk_found *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(f[i].addr);
	free(f);
}

/* --- reading --- */

#define KEPT 32u /* chunks */

struct bk_image {
	struct page_store ps;
	struct dev *d;
	const struct super *sup;
	const struct bk_found *f;
	uint8_t *buf;
	struct kept {
		uint32_t index; /* UINT32_MAX: nothing */
		uint64_t used;
		uint8_t *pages;
	} kept[KEPT];
	uint64_t clock;
};

static struct bk_image *of(struct page_store *ps)
{
	return container_of(ps, struct bk_image, ps);
}

static struct ps_image *op_acquire(struct page_store *ps)
{
	return (void *)ps;
}

static void op_release(struct page_store *ps, struct ps_image *img)
{
}

static uint32_t op_npages(struct page_store *ps, struct ps_image *img)
{
	return of(ps)->f->head.pages;
}

static int op_read(struct page_store *ps, struct ps_image *img, uint32_t pgno, void *buf)
{
	struct bk_image *i = of(ps);
	uint32_t index = (pgno - 1) / BACKUP_CHUNK_PAGES, old = 0, n;
	struct bchunk c;
	int err;

	if (!pgno || pgno > i->f->head.pages)
		return -EINVAL;
	for (n = 0; n < KEPT && i->kept[n].index != index; n++)
		if (i->kept[n].used < i->kept[old].used)
			old = n;
	if (n == KEPT) {
		n = old;
		i->kept[n].index = UINT32_MAX;
		if (!i->kept[n].pages)
			i->kept[n].pages = xmalloc(BACKUP_CHUNK_PAGES * VARVE_BLOCK);
		err = bk_read_chunk(i->d, i->sup, i->f->addr[index], &c, i->buf,
				    i->kept[n].pages);
		if (!err && (c.id != i->f->id || c.index != index))
			err = -VE_BACKUP;
		if (err)
			return err;
		i->kept[n].index = index;
	}
	i->kept[n].used = ++i->clock;
	memcpy(buf, i->kept[n].pages + (size_t)((pgno - 1) % BACKUP_CHUNK_PAGES) * VARVE_BLOCK,
	       VARVE_BLOCK);
	return 0;
}

static int no_txn(struct page_store *ps)
{
	return -EROFS;
}

static uint32_t no_npages(struct page_store *ps)
{
	return 0;
}

static int no_read(struct page_store *ps, uint32_t pgno, void *buf)
{
	return -EROFS;
}

static int no_write(struct page_store *ps, uint32_t pgno, const void *buf)
{
	return -EROFS;
}

static int no_truncate(struct page_store *ps, uint32_t npages)
{
	return -EROFS;
}

static void no_abort(struct page_store *ps)
{
}

static const struct page_store_ops ops = {
	.acquire = op_acquire, .release = op_release, .npages = op_npages, .read = op_read,
	.txn_begin = no_txn, .txn_npages = no_npages, .txn_read = no_read,
	.txn_write = no_write, .txn_truncate = no_truncate, .txn_abort = no_abort,
};

struct bk_image *bk_image_open(struct dev *d, const struct super *sup, const struct bk_found *f)
{
	struct bk_image *i = xcalloc(1, sizeof(*i));

	i->ps.ops = &ops;
	i->d = d;
	i->sup = sup;
	i->f = f;
	i->buf = dev_alloc(BCHUNK_MAX);
	for (unsigned n = 0; n < KEPT; n++)
		i->kept[n].index = UINT32_MAX;
	return i;
}

void bk_image_close(struct bk_image *i)
{
	if (!i)
		return;
	for (unsigned n = 0; n < KEPT; n++)
		free(i->kept[n].pages);
	dev_free(i->buf);
	free(i);
}

struct page_store *bk_image_pages(struct bk_image *i)
{
	return &i->ps;
}
