/* SPDX-License-Identifier: MIT */
/* loop.c - a ring's thread: receive, admit, dispatch, finish. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/msg.h"
#include "fuse/ops.h"

#define RING_ENTRIES 512u

/* libfuse's replies come back through a callback that has no request. */
static __thread struct fring *this_ring;

struct freq *loop_current(void *fuse_req)
{
	this_ring->cur_req = fuse_req;
	return this_ring->cur;
}

ssize_t session_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct fring *fr = this_ring;
	const struct fuse_out_header *out = iov[0].iov_base;

	if (fr && fr->cur && out->unique == fr->cur->unique) {
		reply_raw(fr->cur, iov, count);
		return out->len;
	}
	return writev(fd, iov, count);
}

static bool changes(const struct freq *q)
{
	const struct fuse_open_in *open_in = freq_arg(q);
	const struct fuse_ioctl_in *ioctl_in = freq_arg(q);

	switch (q->opcode) {
	case FUSE_OPEN:
		return open_in->flags & O_TRUNC;
	case FUSE_IOCTL:
		return ops_ioctl_changes(ioctl_in->cmd);
	default:
		return raw_op(q->opcode)->flags & RAW_CHANGES;
	}
}

static void dispatch(struct freq *q)
{
	struct fring *fr = q->fr;
	ops_raw_fn raw = ops_raw(q->opcode);
	struct fuse_buf buf;

	if (raw) {
		raw(q);
		return;
	}
	buf = (struct fuse_buf){ .size = q->len, .mem = (void *)q->in };
	fr->cur = q;
	fr->cur_req = NULL;
	fuse_session_process_buf(fr->s->se, &buf);
	/* Our handlers reply themselves: libfuse's request has served. */
	if (fr->cur_req)
		fuse_reply_none(fr->cur_req);
	fr->cur = NULL;
}

static void unpark(struct fring *fr)
{
	while (fr->parked && !fr->admit_waits) {
		struct freq *q = fr->parked;

		if (!fs_admit(fr->fs, &fr->admit)) {
			fr->admit_waits = true;
			return;
		}
		fr->parked = q->next;
		if (!fr->parked)
			fr->parked_end = &fr->parked;
		dispatch(q);
	}
}

static void admitted(struct log_waiter *w, int err)
{
	struct fring *fr = container_of(w, struct fring, admit);

	/* with an error (the log died) each request finds out for itself */
	fr->admit_waits = false;
	unpark(fr);
}

void loop_request(struct freq *q)
{
	struct fring *fr = q->fr;

	fr->received++;
	q->opcode = q->in->opcode;
	q->unique = q->in->unique;
	q->ino = q->in->nodeid;
	q->off = 0;
	q->changes = changes(q);
	q->state = FREQ_WORK;
	if (q->opcode != FUSE_DESTROY)
		fr->busy++;
	if (fr->s->opts->debug) {
		const char *name = raw_op(q->opcode)->name;

		msg_debug("ring %u: %s inode %llu, %zu bytes, uid %u pid %u", fr->id,
			  name ? name : "unknown opcode", (unsigned long long)q->ino,
			  q->len, q->in->uid, q->in->pid);
	}
	if (!fr->fs && q->opcode != FUSE_DESTROY) {
		if (raw_op(q->opcode)->flags & RAW_NO_REPLY)
			reply_none(q);
		else
			reply_err(q, -ENODEV);
		return;
	}
	if (!q->changes) {
		dispatch(q);
		return;
	}
	q->next = NULL;
	*fr->parked_end = q;
	fr->parked_end = &q->next;
	unpark(fr);
}

void loop_done(struct freq *q)
{
	if (q == q->fr->destroy)
		q->fr->destroy = NULL;
	else
		q->fr->busy--;
}

static void wake_main(struct session *s)
{
	uint64_t one = 1;

	if (write(s->event, &one, sizeof(one)) < 0)
		msg_err("eventfd: %s", strerror(errno));
}

void loop_gone(struct fring *fr)
{
	fr->gone = true;
	if (!atomic_exchange(&fr->s->gone, true))
		wake_main(fr->s);
}

static void poked(struct ring_op *op, int res, uint32_t flags)
{
	struct fring *fr = container_of(op, struct fring, poke);

	atomic_store(&fr->poked, false);
}

/* From any thread: makes ring_run return. */
void loop_poke(struct fring *fr)
{
	if (!atomic_exchange(&fr->poked, true))
		ring_post(fr->ring, &fr->poke, 0);
}

/* --- placement --- */

/* FUSE over io_uring queues a request at the CPU of whoever asks.  One request
 * at a time is answered soonest on that very CPU, which is idle then; many at
 * once (asynchronous I/O) are answered sooner beside a submitter that goes on.
 * So a ring is pinned while it finds few requests per turn. */
#define DEPTH_ONE 256u
#define DEPTH_FREE (3 * DEPTH_ONE)
#define DEPTH_PIN (3 * DEPTH_ONE / 2)
#define SETTLE_TURNS 256u

static void set_cpus(struct fring *fr, bool pin)
{
	cpu_set_t set = fr->s->cpus;

	if (pin) {
		CPU_ZERO(&set);
		CPU_SET(fr->id, &set);
	}
	/* refused (a cpuset that changed): it stays where it is */
	if (sched_setaffinity(0, sizeof(set), &set))
		fr->may_pin = false;
	else
		fr->pinned = pin;
}

static void place_first(struct fring *fr)
{
	struct session *s = fr->s;

	fr->may_pin = s->opts->pin_set ? s->opts->pin : s->uring;
	fr->may_pin = fr->may_pin && fr->id < CPU_SETSIZE && CPU_ISSET(fr->id, &s->cpus);
	if (fr->may_pin)
		set_cpus(fr, true);
}

static void place(struct fring *fr)
{
	unsigned n = fr->received * DEPTH_ONE;

	fr->received = 0;
	if (!fr->may_pin || !n)
		return;
	fr->depth += n / 16 - fr->depth / 16;
	if (fr->settle) {
		fr->settle--;
	} else if (fr->pinned ? fr->depth > DEPTH_FREE : fr->depth < DEPTH_PIN) {
		set_cpus(fr, !fr->pinned);
		fr->settle = SETTLE_TURNS;
	}
}

static int open_context(struct fring *fr)
{
	struct session *s = fr->s;
	int err = ring_create(RING_ENTRIES, s->uring ? RING_SQE128 : 0, &fr->ring);

	if (err)
		return err;
	dev_attach_ring(s->dev, fr->ring);
	err = fs_ctx_open(s->fs, fr->ring, &fr->fs);
	if (!err)
		err = s->intake->start(fr);
	return err;
}

static void run_until_closed(struct fring *fr)
{
	struct session *s = fr->s;
	int rc = 0;

	while (atomic_load(&s->phase) == PHASE_RUN && rc >= 0) {
		rc = ring_run(fr->ring, -1);
		place(fr);
	}
	while (fr->busy && rc >= 0)
		rc = ring_run(fr->ring, -1);
	if (rc < 0) {
		/* Nothing can be answered any more: let the mount end. */
		msg_err("ring %u: %s", fr->id, err_str(rc));
		loop_gone(fr);
	}
	fs_ctx_close(fr->fs);
	fr->fs = NULL;
	dev_detach_ring(s->dev, fr->ring);
}

static void run_lame(struct fring *fr)
{
	struct session *s = fr->s;
	int phase, rc = 0;

	while ((phase = atomic_load(&s->phase)) < PHASE_QUIT && rc >= 0) {
		if (phase == PHASE_LAME) {
			if (fr->destroy)
				reply_err(fr->destroy, 0);
			if (!s->intake->pending(fr))
				break;
		}
		rc = ring_run(fr->ring, -1);
	}
}

void *loop_thread(void *arg)
{
	struct fring *fr = arg;
	struct session *s = fr->s;
	char name[16];
	int err;

	this_ring = fr;
	fr->parked_end = &fr->parked;
	fr->admit.fn = admitted;
	fr->poke.fn = poked;
	snprintf(name, sizeof(name), "varve-ring%u", fr->id);
	pthread_setname_np(pthread_self(), name);
	place_first(fr);
	err = open_context(fr);
	if (err) {
		msg_err("ring %u: %s", fr->id, err_str(err));
		fs_ctx_close(fr->fs);
		atomic_fetch_sub(&s->open_rings, 1);
		atomic_store(&fr->failed, true);
		wake_main(s);
		return NULL;
	}
	atomic_store(&fr->started, true);
	wake_main(s);
	run_until_closed(fr);
	atomic_fetch_sub(&s->open_rings, 1);
	wake_main(s);
	run_lame(fr);
	/* the main thread may still poke the ring: it destroys it */
	fr->drained = !s->intake->pending(fr);
	if (fr->drained)
		s->intake->stop(fr);
	return NULL;
}
