/* SPDX-License-Identifier: MIT */
/* ram_pages.c - a page store in memory. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "ram_pages.h"

struct page {
	unsigned refs; /* images and transaction that have it */
	uint8_t data[VARVE_BLOCK];
};

struct ps_image {
	unsigned refs;   /* holders, and one for being the newest */
	uint32_t npages;
	struct page **pages; /* NULL: never written */
	struct ps_image *next;
};

struct ram_pages {
	struct page_store ps;
	pthread_mutex_t lock; /* everything below, page contents excepted */
	struct ps_image *newest;
	struct ps_image *txn; /* NULL: none */
	unsigned held;
	uint64_t calls[RAM_OPS], fail_at[RAM_OPS];
	int fail_err[RAM_OPS];
};

static struct ram_pages *of(struct page_store *ps)
{
	return container_of(ps, struct ram_pages, ps);
}

static void page_put(struct page *p)
{
	if (p && !--p->refs)
		free(p);
}

static void image_put(struct ps_image *img)
{
	uint32_t i;

	if (--img->refs)
		return;
	for (i = 0; i < img->npages; i++)
		page_put(img->pages[i]);
	free(img->pages);
	free(img);
}

static int fault(struct ram_pages *r, enum ram_op op)
{
	uint64_t n = r->calls[op]++;

	return r->fail_err[op] && n >= r->fail_at[op] ? r->fail_err[op] : 0;
}

static struct ps_image *op_acquire(struct page_store *ps)
{
	struct ram_pages *r = of(ps);
	struct ps_image *img;

	pthread_mutex_lock(&r->lock);
	img = r->newest;
	img->refs++;
	r->held++;
	pthread_mutex_unlock(&r->lock);
	return img;
}

static void op_release(struct page_store *ps, struct ps_image *img)
{
	struct ram_pages *r = of(ps);

	pthread_mutex_lock(&r->lock);
	r->held--;
	image_put(img);
	pthread_mutex_unlock(&r->lock);
}

static uint32_t op_npages(struct page_store *ps, struct ps_image *img)
{
	return img->npages;
}

static int op_read(struct page_store *ps, struct ps_image *img, uint32_t pgno,
		   void *buf)
{
	struct ram_pages *r = of(ps);
	int err;

	if (!pgno || pgno > img->npages || !img->pages[pgno - 1])
		msg_panic("page %u of an image that has %u", pgno, img->npages);
	pthread_mutex_lock(&r->lock);
	err = fault(r, RAM_READ);
	pthread_mutex_unlock(&r->lock);
	if (!err)
		memcpy(buf, img->pages[pgno - 1]->data, VARVE_BLOCK);
	return err;
}

static int op_txn_begin(struct page_store *ps)
{
	struct ram_pages *r = of(ps);
	struct ps_image *t;
	uint32_t i;

	if (r->txn)
		return -EBUSY;
	t = xcalloc(1, sizeof(*t));
	pthread_mutex_lock(&r->lock);
	t->refs = 1;
	t->npages = r->newest->npages;
	t->pages = xcalloc(t->npages + 1u, sizeof(*t->pages));
	for (i = 0; i < t->npages; i++) {
		t->pages[i] = r->newest->pages[i];
		t->pages[i]->refs++;
	}
	r->txn = t;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static struct ps_image *open_txn(struct ram_pages *r)
{
	if (!r->txn)
		msg_panic("page store: no transaction is open");
	return r->txn;
}

static uint32_t op_txn_npages(struct page_store *ps)
{
	return open_txn(of(ps))->npages;
}

static int op_txn_read(struct page_store *ps, uint32_t pgno, void *buf)
{
	struct ram_pages *r = of(ps);
	struct ps_image *t = open_txn(r);
	int err;

	if (!pgno || pgno > t->npages || !t->pages[pgno - 1])
		msg_panic("page %u of a transaction was never written", pgno);
	pthread_mutex_lock(&r->lock);
	err = fault(r, RAM_TXN_READ);
	pthread_mutex_unlock(&r->lock);
	if (!err)
		memcpy(buf, t->pages[pgno - 1]->data, VARVE_BLOCK);
	return err;
}

static int op_txn_write(struct page_store *ps, uint32_t pgno, const void *buf)
{
	struct ram_pages *r = of(ps);
	struct ps_image *t = open_txn(r);
	struct page *p;
	uint32_t cap;
	int err;

	pthread_mutex_lock(&r->lock);
	err = fault(r, RAM_TXN_WRITE);
	if (err)
		goto out;
	if (pgno > t->npages) {
		cap = 64; /* power of two that held npages, as grown below */
		while (cap < pgno)
			cap *= 2;
		t->pages = xrealloc(t->pages, (cap + 1u) * sizeof(*t->pages));
		memset(t->pages + t->npages, 0,
		       (pgno - t->npages) * sizeof(*t->pages));
		t->npages = pgno;
	}
	p = xmalloc(sizeof(*p));
	p->refs = 1;
	memcpy(p->data, buf, VARVE_BLOCK);
	page_put(t->pages[pgno - 1]);
	t->pages[pgno - 1] = p;
out:
	pthread_mutex_unlock(&r->lock);
	return err;
}

static int op_txn_truncate(struct page_store *ps, uint32_t npages)
{
	struct ram_pages *r = of(ps);
	struct ps_image *t = open_txn(r);

	pthread_mutex_lock(&r->lock);
	while (t->npages > npages)
		page_put(t->pages[--t->npages]);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static void op_txn_abort(struct page_store *ps)
{
	ram_pages_abort(of(ps));
}

static const struct page_store_ops ram_ops = {
	.acquire = op_acquire,
	.release = op_release,
	.npages = op_npages,
	.read = op_read,
	.txn_begin = op_txn_begin,
	.txn_npages = op_txn_npages,
	.txn_read = op_txn_read,
	.txn_write = op_txn_write,
	.txn_truncate = op_txn_truncate,
	.txn_abort = op_txn_abort,
};

struct ram_pages *ram_pages_new(void)
{
	struct ram_pages *r = xcalloc(1, sizeof(*r));

	r->ps.ops = &ram_ops;
	pthread_mutex_init(&r->lock, NULL);
	r->newest = xcalloc(1, sizeof(*r->newest));
	r->newest->refs = 1;
	return r;
}

void ram_pages_free(struct ram_pages *r)
{
	if (!r)
		return;
	ram_pages_abort(r);
	if (r->held)
		msg_panic("%u images are still held", r->held);
	image_put(r->newest);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

struct page_store *ram_pages_store(struct ram_pages *r)
{
	return &r->ps;
}

void ram_pages_commit(struct ram_pages *r)
{
	struct ps_image *t = open_txn(r);
	uint32_t i;

	for (i = 0; i < t->npages; i++)
		if (!t->pages[i])
			msg_panic("page %u of the new image was never written", i + 1);
	pthread_mutex_lock(&r->lock);
	image_put(r->newest);
	r->newest = t;
	r->txn = NULL;
	pthread_mutex_unlock(&r->lock);
}

void ram_pages_abort(struct ram_pages *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->txn)
		image_put(r->txn);
	r->txn = NULL;
	pthread_mutex_unlock(&r->lock);
}

void ram_pages_fail(struct ram_pages *r, enum ram_op op, uint64_t nth, int err)
{
	pthread_mutex_lock(&r->lock);
	r->fail_at[op] = r->calls[op] + nth;
	r->fail_err[op] = err;
	pthread_mutex_unlock(&r->lock);
}

uint64_t ram_pages_calls(struct ram_pages *r, enum ram_op op)
{
	uint64_t n;

	pthread_mutex_lock(&r->lock);
	n = r->calls[op];
	pthread_mutex_unlock(&r->lock);
	return n;
}

uint32_t ram_pages_count(struct ram_pages *r)
{
	return r->newest->npages;
}

void ram_pages_damage(struct ram_pages *r, uint32_t pgno, uint32_t off)
{
	r->newest->pages[pgno - 1]->data[off] ^= 0xff;
}

unsigned ram_pages_held(struct ram_pages *r)
{
	unsigned n;

	pthread_mutex_lock(&r->lock);
	n = r->held;
	pthread_mutex_unlock(&r->lock);
	return n;
}

int ram_pages_export(struct ram_pages *r, const char *path)
{
	FILE *f = fopen(path, "w");
	uint32_t i;
	int err = 0;

	if (!f)
		return -errno;
	for (i = 0; i < r->newest->npages; i++)
		if (fwrite(r->newest->pages[i]->data, VARVE_BLOCK, 1, f) != 1)
			err = -EIO;
	if (fclose(f))
		err = -EIO;
	return err;
}

int ram_pages_import(struct ram_pages *r, const char *path)
{
	uint8_t buf[VARVE_BLOCK];
	FILE *f = fopen(path, "r");
	uint32_t pgno = 0;
	int err;

	if (!f)
		return -errno;
	err = op_txn_begin(&r->ps);
	if (!err)
		err = op_txn_truncate(&r->ps, 0);
	while (!err && fread(buf, sizeof(buf), 1, f) == 1)
		err = op_txn_write(&r->ps, ++pgno, buf);
	fclose(f);
	return err;
}
