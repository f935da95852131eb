/* SPDX-License-Identifier: MIT */
/* dev_guard.c - a device in front of another one: somebody is asked before each
 * write, and may first save what is going to be overwritten. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "dev/dev_impl.h"

struct guard {
	struct dev d;
	struct dev *under;
	dev_guard_fn before;
	void *arg;
};

static struct guard *guard(struct dev *d)
{
	return container_of(d, struct guard, d);
}

static void guard_submit(struct dev *d, struct ring *r, struct dev_req *req)
{
	struct guard *g = guard(d);
	int err = 0;

	if (req->op == DEV_DISCARD)
		err = -EOPNOTSUPP; /* what is gone cannot be saved cheaply */
	else if (req->op == DEV_WRITE)
		err = g->before(g->arg, req->off, req->len);
	if (err)
		dev_req_ready(req, err);
	else
		dev_submit(g->under, r, req);
}

static void guard_close(struct dev *d)
{
	free(guard(d));
}

static const struct dev_ops guard_ops = {
	.submit = guard_submit,
	.close = guard_close,
};

int dev_guard_new(struct dev *under, dev_guard_fn before, void *arg, struct dev **ret)
{
	struct guard *g = xcalloc(1, sizeof(*g));

	g->d.ops = &guard_ops;
	g->d.name = strdup(under->name);
	if (!g->d.name) {
		free(g);
		return -ENOMEM;
	}
	g->d.size = under->size;
	g->d.logical_block = under->logical_block;
	g->d.is_block = under->is_block;
	g->d.readonly = under->readonly;
	g->under = under;
	g->before = before;
	g->arg = arg;
	*ret = &g->d;
	return 0;
}
