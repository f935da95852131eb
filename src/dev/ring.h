/* SPDX-License-Identifier: MIT */
/* ring.h - one thread's event loop over one io_uring.
 *
 * Everything asynchronous that a thread does goes through its ring: device
 * reads, writes and flushes, and both ends of the FUSE connection.  A
 * completion calls the ring_op's function on the ring's own thread, from
 * ring_run() and from nowhere else: never inside a submit call.
 *
 * Locking: ring_post() from any thread; everything else only on the thread
 *   that created the ring (SINGLE_ISSUER and DEFER_TASKRUN are used where the
 *   kernel has them).
 * Errors: 0 or negative; -VE_NO_URING if the kernel refuses io_uring. */
#ifndef VARVE_DEV_RING_H
#define VARVE_DEV_RING_H

#include <liburing.h>

#include "base/defs.h"

struct ring;

/* Embedded in the caller's request; lives until fn has run. */
struct ring_op {
	/* res and flags as in io_uring_cqe. */
	void (*fn)(struct ring_op *op, int res, uint32_t flags);
	struct ring_op *next; /* private: ready and post queues */
	int res;              /* private */
};

#define RING_SQE128 1u /* FUSE over io_uring needs 128-byte submissions */

int ring_create(unsigned entries, unsigned flags, struct ring **ret) VARVE_MUST_CHECK;
void ring_destroy(struct ring *r); /* NULL is allowed; nothing may be in flight */

/* A zeroed submission entry whose completion calls op->fn.  Never NULL: a
 * full queue is submitted first.  The caller fills in everything but
 * user_data.  Not yet submitted: ring_run() does that, in one system call
 * with the wait. */
struct io_uring_sqe *ring_sqe(struct ring *r, struct ring_op *op);
/* Completes op with res from the next ring_run(), without the kernel. */
void ring_ready(struct ring *r, struct ring_op *op, int res);
/* As ring_ready(), from any thread; wakes the ring. */
void ring_post(struct ring *r, struct ring_op *op, int res);

/* Submits what is queued, waits until at least one completion or posted
 * operation is there (or timeout_ns has passed; -1 waits for ever, 0 polls),
 * and runs all that are.  Returns how many ran, or negative; 0 also when a
 * signal ended the wait. */
int ring_run(struct ring *r, int64_t timeout_ns);
/* Operations queued or in flight (sqe and ready, not posts). */
unsigned ring_pending(const struct ring *r);
/* n more (or, negative, fewer) of those in flight wait for the outside, for as
 * long as it likes: ring_pending() does not count them. */
void ring_listen(struct ring *r, int n);
/* The io_uring itself.  Its file and buffer tables belong to the calls below. */
struct io_uring *ring_uring(struct ring *r);

/* Registers a file (IOSQE_FIXED_FILE) or a buffer (READ_FIXED, WRITE_FIXED)
 * with the ring.  Returns the slot, or negative if the kernel cannot. */
int ring_add_file(struct ring *r, int fd) VARVE_MUST_CHECK;
void ring_del_file(struct ring *r, int slot);
int ring_add_buffer(struct ring *r, void *buf, size_t len) VARVE_MUST_CHECK;
void ring_del_buffer(struct ring *r, int slot);

/* This thread's private ring for synchronous calls, made on first use and
 * destroyed with the thread.  Kept apart from the event ring, so that waiting
 * on it runs nobody else's completions.  NULL if the kernel refuses one.  A
 * forked child gets its own. */
struct ring *ring_sync(void);

#endif
