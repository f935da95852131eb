/* SPDX-License-Identifier: MIT */
/* dev.c - what is common to all kinds of device: checks, synchronous calls,
 * counters, memory. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/msg.h"
#include "dev/dev_impl.h"

#define HUGE_PAGE (2u << 20)

static const char *const op_name[] = {
	[DEV_READ] = "read",
	[DEV_WRITE] = "write",
	[DEV_FLUSH] = "flush",
	[DEV_DISCARD] = "discard",
};

static uint64_t req_len(const struct dev_req *req)
{
	return req->op == DEV_DISCARD ? req->discard_len :
	       req->op == DEV_FLUSH ? 0 : req->len;
}

void dev_req_done(struct dev_req *req, int err)
{
	struct dev *d = req->dev;

	if (!err) {
		atomic_fetch_add_explicit(&d->count[req->op], 1, memory_order_relaxed);
		if (req->op == DEV_READ)
			atomic_fetch_add_explicit(&d->read_bytes, req->len,
						  memory_order_relaxed);
		else if (req->op == DEV_WRITE)
			atomic_fetch_add_explicit(&d->write_bytes, req->len,
						  memory_order_relaxed);
	}
	req->done(req, err);
}

static void ready_done(struct ring_op *rop, int res, uint32_t flags)
{
	dev_req_done(container_of(rop, struct dev_req, rop), res);
}

void dev_req_ready(struct dev_req *req, int err)
{
	req->rop.fn = ready_done;
	ring_ready(req->ring, &req->rop, err);
}

void dev_submit(struct dev *d, struct ring *r, struct dev_req *req)
{
	uint64_t len = req_len(req);
	bool moves = req->op == DEV_READ || req->op == DEV_WRITE;

	req->dev = d;
	req->ring = r;
	req->moved = 0;
	if (req->op != DEV_FLUSH &&
	    (req->off % VARVE_BLOCK || len % VARVE_BLOCK ||
	     (moves && (uintptr_t)req->buf % VARVE_BLOCK)))
		msg_panic("%s: unaligned %s: offset %llu, length %llu, buffer %p", d->name,
			  op_name[req->op], (unsigned long long)req->off,
			  (unsigned long long)len, req->buf);
	if (d->readonly && req->op != DEV_READ) {
		/* There is nothing to flush. */
		dev_req_ready(req, req->op == DEV_FLUSH ? 0 : -VE_READONLY);
	} else if (req->op != DEV_FLUSH && (req->off > d->size || len > d->size - req->off)) {
		msg_err("%s: %s past the end: offset %llu, length %llu", d->name,
			op_name[req->op], (unsigned long long)req->off,
			(unsigned long long)len);
		dev_req_ready(req, -VE_DEV_SHORT);
	} else if (req->op != DEV_FLUSH && !len) {
		dev_req_ready(req, 0);
	} else {
		d->ops->submit(d, r, req);
	}
}

struct sync_req {
	struct dev_req req;
	int err;
	bool done;
};

static void sync_done(struct dev_req *req, int err)
{
	struct sync_req *s = container_of(req, struct sync_req, req);

	s->err = err;
	s->done = true;
}

static int dev_sync(struct dev *d, struct sync_req *s)
{
	struct ring *r = ring_sync();

	if (!r)
		return -VE_NO_URING;
	s->req.done = sync_done;
	dev_submit(d, r, &s->req);
	while (!s->done) {
		int rc = ring_run(r, -1);

		/* The kernel still owns the request: there is no way back. */
		if (rc < 0)
			msg_panic("%s: waiting for I/O: %s", d->name, err_str(rc));
	}
	return s->err;
}

int dev_read(struct dev *d, void *buf, uint64_t off, uint32_t len)
{
	struct sync_req s = { .req = { .op = DEV_READ, .buf = buf, .off = off, .len = len } };

	return dev_sync(d, &s);
}

int dev_write(struct dev *d, const void *buf, uint64_t off, uint32_t len)
{
	struct sync_req s = {
		.req = { .op = DEV_WRITE, .buf = (void *)buf, .off = off, .len = len },
	};

	return dev_sync(d, &s);
}

int dev_flush(struct dev *d)
{
	struct sync_req s = { .req = { .op = DEV_FLUSH } };

	return dev_sync(d, &s);
}

int dev_discard(struct dev *d, uint64_t off, uint64_t len)
{
	struct sync_req s = {
		.req = { .op = DEV_DISCARD, .off = off, .discard_len = len },
	};

	return dev_sync(d, &s);
}

int dev_add_buffer(struct dev *d, void *buf, size_t len)
{
	if ((uintptr_t)buf % VARVE_BLOCK || len % VARVE_BLOCK)
		msg_panic("%s: unaligned I/O buffer %p, length %zu", d->name, buf, len);
	return d->ops->add_buffer ? d->ops->add_buffer(d, buf, len) : 0;
}

void dev_del_buffer(struct dev *d, void *buf, size_t len)
{
	if (d->ops->del_buffer)
		d->ops->del_buffer(d, buf, len);
}

void dev_attach_ring(struct dev *d, struct ring *r)
{
	if (d->ops->attach)
		d->ops->attach(d, r);
}

void dev_detach_ring(struct dev *d, struct ring *r)
{
	if (d->ops->detach)
		d->ops->detach(d, r);
}

void dev_close(struct dev *d)
{
	char *name;

	if (!d)
		return;
	name = d->name;
	d->ops->close(d);
	free(name);
}

uint64_t dev_size(const struct dev *d)
{
	return d->size;
}

uint32_t dev_logical_block(const struct dev *d)
{
	return d->logical_block;
}

bool dev_is_block(const struct dev *d)
{
	return d->is_block;
}

bool dev_readonly(const struct dev *d)
{
	return d->readonly;
}

const char *dev_name(const struct dev *d)
{
	return d->name;
}

void dev_get_stats(struct dev *d, struct dev_stats *ret)
{
	*ret = (struct dev_stats){
		.reads = d->count[DEV_READ],
		.writes = d->count[DEV_WRITE],
		.flushes = d->count[DEV_FLUSH],
		.discards = d->count[DEV_DISCARD],
		.read_bytes = d->read_bytes,
		.write_bytes = d->write_bytes,
		.registered_buffers = d->registered_buffers,
		.registered_file = d->registered_file,
	};
}

void *dev_alloc(size_t len)
{
	bool huge = len >= HUGE_PAGE;
	void *p;

	if (posix_memalign(&p, huge ? HUGE_PAGE : VARVE_BLOCK, len ? len : VARVE_BLOCK))
		msg_panic("out of memory (%zu bytes of I/O buffer)", len);
	if (huge)
		madvise(p, align_down(len, HUGE_PAGE), MADV_HUGEPAGE);
	return p;
}

void dev_free(void *buf)
{
	free(buf);
}
