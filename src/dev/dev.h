/* SPDX-License-Identifier: MIT */
/* dev.h - the block device under a volume.
 *
 * One asynchronous core (dev_submit); the synchronous calls submit to the
 * calling thread's private ring and wait.  Kinds: io_uring on a block device
 * or image file, RAM, and a crash-simulating RAM device (devsim.h).
 *
 * Promise: offsets and lengths are multiples of 4 KiB, buffers aligned to
 *   4 KiB; a request completes exactly once, on its ring's thread; a short
 *   transfer is continued, or reported as -VE_DEV_SHORT when it cannot be.
 *   Writes are durable only after a flush that was submitted after their
 *   completion: requests in flight together are not ordered.
 * Locking: any number of threads, each with its own ring.
 * Errors: 0 or negative (-VE_DEV_IO and the errno in a log line). */
#ifndef VARVE_DEV_DEV_H
#define VARVE_DEV_DEV_H

#include "base/defs.h"
#include "dev/ring.h"

struct dev;

enum dev_op { DEV_READ, DEV_WRITE, DEV_FLUSH, DEV_DISCARD };

/* Owned by the caller; untouched by him from dev_submit() until done runs. */
struct dev_req {
	enum dev_op op;
	void *buf;    /* READ, WRITE */
	uint64_t off; /* bytes */
	uint32_t len; /* bytes; DISCARD: see discard_len */
	uint64_t discard_len; /* DISCARD only, bytes */
	void (*done)(struct dev_req *req, int err);
	/* private */
	struct ring_op rop;
	struct dev *dev;
	struct ring *ring;
	uint32_t moved;
};

/* What dev_open_path is asked for. */
#define DEV_RDONLY 1u /* no writes; does not need the lock exclusively */
#define DEV_NOLOCK 2u /* inspection tools: do not even take the lock */
#define DEV_WAIT 4u   /* wait (up to 60 s, with one message) for the lock */

/* Opens a block device or image file with O_DIRECT, takes the advisory lock
 * (flock) that keeps two varvefs programs apart, and checks that a block
 * device is not mounted (O_EXCL probe, not kept).  On failure *ret_why (may be
 * NULL) names the reason in one malloced sentence. */
int dev_open_path(const char *path, unsigned flags, struct dev **ret,
		  char **ret_why) VARVE_MUST_CHECK;
void dev_close(struct dev *d); /* NULL is allowed */

uint64_t dev_size(const struct dev *d);         /* bytes, whole blocks */
uint32_t dev_logical_block(const struct dev *d); /* 512 or 4096 */
bool dev_is_block(const struct dev *d);          /* false: image file, RAM */
bool dev_readonly(const struct dev *d);
/* Device file name for messages; "ram" and the like for simulated ones. */
const char *dev_name(const struct dev *d);

/* Tells the device of a long-lived I/O buffer (4 KiB aligned) before rings are
 * attached: requests inside it use registered buffers where possible. */
int dev_add_buffer(struct dev *d, void *buf, size_t len) VARVE_MUST_CHECK;
/* Before the buffer is freed, and after every ring that was attached since
 * dev_add_buffer() has been detached: the kernel keeps the pages themselves,
 * and would go on using them for whatever comes to lie at this address. */
void dev_del_buffer(struct dev *d, void *buf, size_t len);
/* Registers the device's file and buffers with a ring.  Optional: unattached
 * rings work too, slower.  Failure to register (memlock limit) is a silent
 * return to the plain way, visible in dev_stats. */
void dev_attach_ring(struct dev *d, struct ring *r);
void dev_detach_ring(struct dev *d, struct ring *r);

void dev_submit(struct dev *d, struct ring *r, struct dev_req *req);

int dev_read(struct dev *d, void *buf, uint64_t off, uint32_t len) VARVE_MUST_CHECK;
int dev_write(struct dev *d, const void *buf, uint64_t off, uint32_t len) VARVE_MUST_CHECK;
int dev_flush(struct dev *d) VARVE_MUST_CHECK;
/* -EOPNOTSUPP where the device cannot. */
int dev_discard(struct dev *d, uint64_t off, uint64_t len) VARVE_MUST_CHECK;

/* A device in front of under, which must outlive it: before(arg, off, len) is
 * called ahead of each write and may refuse it.  Discards are refused.  before
 * runs inside dev_submit(): it must not run rings that others use. */
typedef int (*dev_guard_fn)(void *arg, uint64_t off, uint32_t len);
int dev_guard_new(struct dev *under, dev_guard_fn before, void *arg,
		  struct dev **ret) VARVE_MUST_CHECK;

struct dev_stats {
	uint64_t reads, writes, flushes, discards;
	uint64_t read_bytes, write_bytes;
	bool registered_buffers, registered_file;
};
void dev_get_stats(struct dev *d, struct dev_stats *ret);

/* 4 KiB-aligned memory (panics when there is none). */
void *dev_alloc(size_t len);
void dev_free(void *buf);

#endif
