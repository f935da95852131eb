/* SPDX-License-Identifier: MIT */
/* dev_impl.h - what the kinds of device share; private to src/dev. */
#ifndef VARVE_DEV_DEV_IMPL_H
#define VARVE_DEV_DEV_IMPL_H

#include <stdatomic.h>

#include "dev/dev.h"

struct dev_ops {
	/* Checked, not empty, in range; completes through the ring. */
	void (*submit)(struct dev *d, struct ring *r, struct dev_req *req);
	int (*add_buffer)(struct dev *d, void *buf, size_t len);
	void (*del_buffer)(struct dev *d, void *buf, size_t len);
	void (*attach)(struct dev *d, struct ring *r);
	void (*detach)(struct dev *d, struct ring *r);
	void (*close)(struct dev *d);
};

/* First member of each kind's own struct. */
struct dev {
	const struct dev_ops *ops;
	char *name; /* malloced */
	uint64_t size;
	uint32_t logical_block;
	bool is_block, readonly;
	_Atomic bool registered_buffers, registered_file;
	_Atomic uint64_t count[DEV_DISCARD + 1]; /* by enum dev_op */
	_Atomic uint64_t read_bytes, write_bytes;
};

/* Completes req with err, 0 or negative, from the ring's next run. */
void dev_req_ready(struct dev_req *req, int err);
/* Counts a request that succeeded and calls its done. */
void dev_req_done(struct dev_req *req, int err);

#endif
