/* SPDX-License-Identifier: MIT */
/* pwq.c - the write buffer of a page-store transaction.
 *
 * Chunks are filled one after the other and written while the next ones fill,
 * at most PWQ_CHUNKS at a time.  The same block may be written again: the
 * second write is submitted only when the first has completed, because
 * requests in flight together are not ordered. */
#include "store/pstore_int.h"

#include <errno.h>

#include "base/err.h"
#include "base/msg.h"

void pwq_init(struct pwq *q, struct dev *d)
{
	q->dev = d;
	for (unsigned i = 0; i < PWQ_CHUNKS; i++) {
		struct pwq_chunk *c = &q->chunk[i];

		c->q = q;
		for (unsigned k = 0; k < PWQ_BLOCKS; k++)
			c->req[k].chunk = c;
	}
}

void pwq_fini(struct pwq *q)
{
	dev_free(q->mem);
	q->mem = NULL;
}

int pwq_begin(struct pwq *q)
{
	struct ring *r = ring_sync();

	if (!r)
		return -VE_NO_URING;
	if (!q->mem) {
		q->mem = dev_alloc((size_t)PWQ_CHUNKS * PWQ_BLOCKS * VARVE_BLOCK);
		for (unsigned i = 0; i < PWQ_CHUNKS; i++)
			q->chunk[i].buf = q->mem + (size_t)i * PWQ_BLOCKS * VARVE_BLOCK;
	}
	for (unsigned i = 0; i < PWQ_CHUNKS; i++)
		q->chunk[i].n = 0;
	q->ring = r;
	q->err = 0;
	q->open = 0;
	return 0;
}

static void write_done(struct dev_req *req, int err)
{
	struct pwq_chunk *c = container_of(req, struct pwq_req, req)->chunk;

	if (err && !c->q->err)
		c->q->err = err;
	c->inflight--;
}

static void run_ring(struct pwq *q, int64_t timeout)
{
	int rc = ring_run(q->ring, timeout);

	/* The buffers belong to the kernel: there is no way on. */
	if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY && rc != -ETIME)
		msg_panic("page store: waiting for the device: error %d", rc);
}

static void chunk_wait(struct pwq_chunk *c)
{
	while (c->inflight)
		run_ring(c->q, -1);
}

static void chunk_submit(struct pwq_chunk *c)
{
	for (uint32_t i = 0, run; i < c->n; i += run) {
		struct dev_req *req = &c->req[i].req;

		for (run = 1; i + run < c->n; run++)
			if (c->addr[i + run] != c->addr[i] + (uint64_t)run * VARVE_BLOCK)
				break;
		*req = (struct dev_req){
			.op = DEV_WRITE,
			.buf = c->buf + (size_t)i * VARVE_BLOCK,
			.off = c->addr[i],
			.len = run * VARVE_BLOCK,
			.done = write_done,
		};
		c->inflight++;
		dev_submit(c->q->dev, c->q->ring, req);
	}
	/* Nothing moves until the ring runs once. */
	if (c->inflight)
		run_ring(c->q, 0);
}

static bool chunk_find(const struct pwq_chunk *c, uint64_t addr, uint32_t *ret)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->addr[i] == addr) {
			*ret = i;
			return true;
		}
	return false;
}

/* The newest chunk with addr: from the open one backwards in time. */
static struct pwq_chunk *locate(struct pwq *q, uint64_t addr, uint32_t *ret)
{
	for (unsigned i = 0; i < PWQ_CHUNKS; i++) {
		struct pwq_chunk *c = &q->chunk[(q->open + PWQ_CHUNKS - i) % PWQ_CHUNKS];

		if (chunk_find(c, addr, ret))
			return c;
	}
	return NULL;
}

void *pwq_slot(struct pwq *q, uint64_t addr)
{
	struct pwq_chunk *c = &q->chunk[q->open];
	uint32_t i;
	struct pwq_chunk *old = locate(q, addr, &i);

	if (old == c)
		return c->buf + (size_t)i * VARVE_BLOCK;
	if (old)
		chunk_wait(old);
	if (c->n == PWQ_BLOCKS) {
		chunk_submit(c);
		q->open = (q->open + 1) % PWQ_CHUNKS;
		c = &q->chunk[q->open];
		chunk_wait(c);
		c->n = 0;
	}
	c->addr[c->n] = addr;
	return c->buf + (size_t)c->n++ * VARVE_BLOCK;
}

const void *pwq_find(struct pwq *q, uint64_t addr)
{
	uint32_t i;
	struct pwq_chunk *c = locate(q, addr, &i);

	return c ? c->buf + (size_t)i * VARVE_BLOCK : NULL;
}

int pwq_finish(struct pwq *q)
{
	chunk_submit(&q->chunk[q->open]);
	q->open = (q->open + 1) % PWQ_CHUNKS;
	for (unsigned i = 0; i < PWQ_CHUNKS; i++)
		chunk_wait(&q->chunk[i]);
	q->chunk[q->open].n = 0;
	return q->err;
}

void pwq_cancel(struct pwq *q)
{
	for (unsigned i = 0; i < PWQ_CHUNKS; i++) {
		chunk_wait(&q->chunk[i]);
		q->chunk[i].n = 0;
	}
}
