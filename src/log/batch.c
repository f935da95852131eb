/* SPDX-License-Identifier: MIT */
/* batch.c - batch buffers in memory: the pool, placing data, reading back. */
#include <stdlib.h>

#include "base/msg.h"
#include "log/logint.h"

#define POOL_MIN 12u
/* All buffers together, whatever the number of threads. */
#define POOL_BYTES_MAX (1u << 30)

static unsigned pool_count(const struct log *l)
{
	unsigned n = MAX(POOL_MIN, 4 * l->threads);

	return MIN(n, POOL_BYTES_MAX / l->buf_size);
}

void pool_init(struct log *l)
{
	unsigned n = pool_count(l);

	l->area = dev_alloc((size_t)n * l->buf_size);
	for (unsigned i = 0; i < n; i++) {
		struct lbatch *b = xcalloc(1, sizeof *b);

		b->log = l;
		b->pooled = true;
		b->buf = (uint8_t *)l->area + (size_t)i * l->buf_size;
		b->next = l->pool;
		l->pool = b;
	}
	l->npool = n;
	atomic_store(&l->nfree, n);
	/* Unregistered buffers work as well, only slower. */
	if (dev_add_buffer(l->dev, l->area, (size_t)n * l->buf_size))
		msg_debug("log buffers are not registered");
}

static void destroy(struct lbatch *b)
{
	if (!b->pooled)
		dev_free(b->buf);
	free(b->recs);
	free(b);
}

static void destroy_list(struct lbatch *b)
{
	while (b) {
		struct lbatch *next = b->next;

		destroy(b);
		b = next;
	}
}

void pool_free(struct log *l)
{
	destroy_list(l->pool);
	destroy_list(l->head);
	dev_del_buffer(l->dev, l->area, (size_t)l->npool * l->buf_size);
	dev_free(l->area);
}

static struct lbatch *take(struct log *l)
{
	struct lbatch *b = l->pool;

	if (b) {
		l->pool = b->next;
		atomic_fetch_sub(&l->nfree, 1);
		return b;
	}
	/* Admitted, so it must go ahead. */
	b = xcalloc(1, sizeof *b);
	b->log = l;
	b->buf = dev_alloc(l->buf_size);
	return b;
}

static void give_back(struct log *l, struct lbatch *b)
{
	if (!b->pooled) {
		destroy(b);
		return;
	}
	b->next = l->pool;
	l->pool = b;
	atomic_fetch_add(&l->nfree, 1);
}

struct lbatch *batch_new(struct log *l)
{
	struct lbatch *b = take(l);
	uint64_t seg_end = segs_addr(l->segs, l->seg) + segs_size(l->segs);

	b->next = NULL;
	b->state = BS_OPEN;
	b->left = false;
	b->refs = 0;
	b->fills = 0;
	b->addr = l->pos;
	b->seq = atomic_load(&l->sealed) + 1;
	b->cap = (uint32_t)MIN(l->buf_size, seg_end - l->pos);
	b->bytes = 0;
	b->next_seg = l->next_seg;
	b->data_used = 0;
	b->gap = 0;
	b->gap_end = 0;
	b->rec_len = 0;
	b->rec_room = 0;
	b->nrecs = 0;
	if (l->tail)
		l->tail->next = b;
	else
		l->head = b;
	l->tail = b;
	if (!l->unsub)
		l->unsub = b;
	atomic_fetch_add(&l->inmem, 1);
	return b;
}

void batch_leave(struct log *l)
{
	struct lbatch *b = l->head;

	l->head = b->next;
	if (!l->head)
		l->tail = NULL;
	b->next = NULL;
	b->left = true;
	atomic_fetch_sub(&l->inmem, 1);
	if (b->refs == 0)
		give_back(l, b);
}

static uint32_t bytes_with(const struct lbatch *b, uint32_t blocks, size_t rec)
{
	return VARVE_BLOCK + b->data_used + blocks +
		batch_rec_area((uint32_t)(b->rec_len + b->rec_room + rec));
}

uint32_t batch_bytes(const struct lbatch *b)
{
	return bytes_with(b, 0, 0);
}

bool batch_fits(const struct lbatch *b, uint32_t data, size_t rec)
{
	uint32_t blocks = (uint32_t)align_up(data, VARVE_BLOCK);

	if (data < VARVE_BLOCK && b->gap_end - b->gap >= data)
		blocks = 0;
	return bytes_with(b, blocks, rec) <= b->cap;
}

uint32_t batch_place(struct lbatch *b, uint32_t len)
{
	uint32_t at, end;

	if (len < VARVE_BLOCK && b->gap_end - b->gap >= len) {
		at = b->gap;
		b->gap += len;
		return VARVE_BLOCK + at;
	}
	at = b->data_used;
	end = at + (uint32_t)align_up(len, VARVE_BLOCK);
	b->data_used = end;
	memset(b->buf + VARVE_BLOCK + at + len, 0, end - at - len);
	/* Small data goes where more room is left. */
	if (end - at - len > b->gap_end - b->gap) {
		b->gap = at + len;
		b->gap_end = end;
	}
	return VARVE_BLOCK + at;
}

void batch_need_recs(struct lbatch *b, size_t room)
{
	size_t size = b->recs_size ? b->recs_size : 64u << 10;

	while (size < b->rec_len + room)
		size *= 2;
	if (size == b->recs_size)
		return;
	b->recs = xrealloc(b->recs, size);
	b->recs_size = size;
}

static struct lbatch *find(struct log *l, uint64_t addr, uint32_t len)
{
	for (struct lbatch *b = l->head; b; b = b->next) {
		uint64_t from = b->addr + VARVE_BLOCK;

		if (addr >= from && addr - from < b->data_used)
			return len <= b->data_used - (addr - from) ? b : NULL;
	}
	return NULL;
}

bool log_read_mem(struct log *l, uint64_t addr, uint32_t len, void *buf)
{
	struct log_waiter *admits = NULL;
	struct lbatch *b;

	if (atomic_load_explicit(&l->inmem, memory_order_acquire) == 0)
		return false;
	pthread_mutex_lock(&l->mutex);
	b = find(l, addr, len);
	if (!b || len <= VARVE_BLOCK) {
		if (b)
			memcpy(buf, b->buf + (addr - b->addr), len);
		pthread_mutex_unlock(&l->mutex);
		return b != NULL;
	}
	b->refs++;
	pthread_mutex_unlock(&l->mutex);
	memcpy(buf, b->buf + (addr - b->addr), len);
	pthread_mutex_lock(&l->mutex);
	if (--b->refs == 0 && b->left) {
		give_back(l, b);
		admits = admits_due(l);
	}
	pthread_mutex_unlock(&l->mutex);
	waiters_ready(admits, NULL, 0);
	return true;
}
