/* SPDX-License-Identifier: MIT */
/* pscrub.c - reads a part of an image from the device, whatever is cached.
 *
 * The part is what one leaf of the page map points to: 256 pages, and the nodes
 * on the way to them. */
#include <endian.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/pstore_int.h"

#define RUN 64u /* pages read at once */

struct leaf {
	struct pstore *p;
	pstore_bad_fn bad;
	void *arg;
	uint64_t bytes;
};

static int check_block(struct leaf *l, const struct map_ent *e, uint32_t pgno, void *buf)
{
	int err = pblk_addr_ok(l->p, e->addr) ? dev_read(l->p->dev, buf, e->addr, VARVE_BLOCK)
					      : -VE_PAGE_MAP;

	l->bytes += VARVE_BLOCK;
	if (!err && crc32c(0, buf, VARVE_BLOCK) != e->crc)
		err = pgno ? -VE_PAGE_CRC : -VE_PAGE_MAP;
	if (err)
		l->bad(l->arg, e->addr, pgno, err);
	return err;
}

static int ent_cmp(const void *a, const void *b)
{
	const struct map_ent *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* n pages one behind the other.  What is wrong is read again, alone: only what
 * lasts is damage. */
static void check_run(struct leaf *l, const struct map_ent *e, const uint32_t *pgno, uint32_t n,
		      uint8_t *buf)
{
	int err = dev_read(l->p->dev, buf, e[0].addr, n * VARVE_BLOCK);
	uint8_t *again = NULL;

	if (!err)
		l->bytes += (uint64_t)n * VARVE_BLOCK;
	for (uint32_t i = 0; i < n; i++) {
		if (!err && crc32c(0, buf + (size_t)i * VARVE_BLOCK, VARVE_BLOCK) == e[i].crc)
			continue;
		if (!again)
			again = dev_alloc(VARVE_BLOCK);
		check_block(l, &e[i], pgno[i], again);
	}
	dev_free(again);
}

struct paged {
	struct map_ent e; /* first: compared as an entry */
	uint32_t pgno;
};

static void check_pages(struct leaf *l, const struct map_disk *d, uint32_t first, uint8_t *buf)
{
	struct paged at[MAP_FANOUT];
	struct map_ent e[RUN];
	uint32_t pgno[RUN], n = 0, run;

	for (uint32_t i = 0; i < MAP_FANOUT; i++) {
		struct map_ent x = { le64toh(d[i].addr), le32toh(d[i].crc) };

		if (!x.addr)
			continue;
		if (!pblk_addr_ok(l->p, x.addr))
			l->bad(l->arg, x.addr, first + i, -VE_PAGE_MAP);
		else
			at[n++] = (struct paged){ x, first + i };
	}
	if (n > 1)
		qsort(at, n, sizeof(*at), ent_cmp);
	for (uint32_t i = 0; i < n; i += run) {
		for (run = 0; i + run < n && run < RUN &&
		     at[i + run].e.addr == at[i].e.addr + (uint64_t)run * VARVE_BLOCK; run++) {
			e[run] = at[i + run].e;
			pgno[run] = at[i + run].pgno;
		}
		check_run(l, e, pgno, run, buf);
	}
}

uint64_t pstore_scrub(struct pstore *p, struct ps_image *img, uint32_t first,
		      pstore_bad_fn bad, void *arg)
{
	struct leaf l = { .p = p, .bad = bad, .arg = arg };
	struct map_disk *node;
	struct map_ent e;
	uint8_t *buf;

	if (!img->map.root)
		return 0;
	node = dev_alloc(VARVE_BLOCK);
	buf = dev_alloc(RUN * VARVE_BLOCK);
	e = (struct map_ent){ img->map.root->addr, img->map.root->crc };
	for (unsigned level = img->map.depth; level-- > 0 && e.addr;) {
		const struct map_disk *d;

		if (check_block(&l, &e, 0, node))
			break;
		if (!level) {
			check_pages(&l, node, first, buf);
			break;
		}
		d = &node[(first - 1) >> (8 * level) & (MAP_FANOUT - 1)];
		e = (struct map_ent){ le64toh(d->addr), le32toh(d->crc) };
	}
	dev_free(node);
	dev_free(buf);
	return l.bytes;
}
