/* SPDX-License-Identifier: MIT */
/* check_pages.c - every block that the newest image consists of. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "store/check_int.h"
#include "store/pstore_int.h"

#define RUN_MAX (1u << 20)

struct page {
	uint64_t addr;
	uint32_t pgno, crc;
};

struct pages {
	struct chk *k;
	struct pstore *p;
	struct mtree map;
	struct page *page;
	size_t n, cap;
	bool say;
	unsigned bad;
};

static int collect(void *arg, uint64_t addr, uint32_t pgno)
{
	struct pages *g = arg;
	struct map_ent e;
	int err;

	if (!pgno)
		return 0; /* a node: verified when it was loaded */
	err = pmap_get(g->p, &g->map, pgno, &e);
	if (err)
		return err;
	if (g->n == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 1024;
		g->page = xrealloc(g->page, g->cap * sizeof(*g->page));
	}
	g->page[g->n++] = (struct page){ addr, pgno, e.crc };
	return 0;
}

static int page_cmp(const void *a, const void *b)
{
	const struct page *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void bad_page(struct pages *g, const struct page *p, const char *why)
{
	g->bad++;
	if (g->say)
		check_say(g->k, CHECK_FOUND, "database page %u at byte %llu: %s", p->pgno,
			  (unsigned long long)p->addr, why);
}

/* Reads n pages that lie one behind the other; if that fails, each alone. */
static void read_run(struct pages *g, const struct page *p, size_t n, uint8_t *buf)
{
	int err = dev_read(g->k->dev, buf, p->addr, (uint32_t)(n * VARVE_BLOCK));

	for (size_t i = 0; i < n; i++) {
		uint8_t *at = buf + i * VARVE_BLOCK;
		int one = err && n > 1 ? dev_read(g->k->dev, at, p[i].addr, VARVE_BLOCK) : err;

		if (one)
			bad_page(g, &p[i], err_str(one));
		else if (crc32c(0, at, VARVE_BLOCK) != p[i].crc)
			bad_page(g, &p[i], "checksum mismatch");
	}
}

static int read_all(struct pages *g)
{
	uint8_t *buf = dev_alloc(RUN_MAX);
	int err = 0;

	qsort(g->page, g->n, sizeof(*g->page), page_cmp);
	for (size_t i = 0, n; i < g->n && !err; i += n) {
		for (n = 1; i + n < g->n && n < RUN_MAX / VARVE_BLOCK &&
		     g->page[i + n].addr == g->page[i].addr + n * VARVE_BLOCK; n++)
			;
		read_run(g, &g->page[i], n, buf);
		err = check_progress(g->k, "database pages", i + n, g->n, false);
	}
	dev_free(buf);
	return err;
}

static unsigned count_bitmaps(struct pages *g)
{
	unsigned parity = g->p->cur->seq % 2, bad = 0;

	for (uint32_t i = 0; i < g->p->nseg; i++) {
		if (!g->p->seg[i]->stale[parity])
			continue;
		bad++;
		if (g->say)
			check_say(g->k, CHECK_FOUND, "block bitmap of segment %u is damaged",
				  g->p->seg[i]->idx);
	}
	return bad;
}

int check_pages(struct chk *k, bool say, unsigned *ret_bad, unsigned *ret_bitmaps)
{
	struct pstore *p = k->v->ps;
	struct page_store *ps = pstore_pages(p);
	struct ps_image *img = ps->ops->acquire(ps);
	struct pages g = { .k = k, .p = p, .map = img->map, .say = say };
	int err = pmap_walk(p, &img->map, collect, &g);

	if (err == -VE_PAGE_MAP || err == -VE_DEV_IO) {
		g.bad++;
		if (say)
			check_say(k, CHECK_FOUND, "page map of the database: %s", err_str(err));
		err = 0;
	}
	if (!err && g.n)
		err = read_all(&g);
	*ret_bitmaps = p->any_ckpt ? 0 : count_bitmaps(&g);
	*ret_bad = g.bad;
	ps->ops->release(ps, img);
	free(g.page);
	return err;
}
