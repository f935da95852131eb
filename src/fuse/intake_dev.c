/* SPDX-License-Identifier: MIT */
/* intake_dev.c - requests read from a cloned /dev/fuse descriptor.
 *
 * Each ring keeps reads in flight on its own descriptor.  The descriptor is
 * non-blocking: io_uring then tries the read at once and otherwise arms a poll,
 * without a worker thread.  Every waiting read is woken by every request that
 * arrives, so one is kept armed when idle; replies are written directly, which
 * wakes the client before the next submission. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/msg.h"
#include "fuse/session.h"

#define SLOTS_TOTAL 128u /* over all rings; each up to FREQ_ROOM of memory */
#define SLOTS_MIN 8u
/* A message starts here, so that the data of a WRITE starts at q->data. */
#define MSG_OFFSET (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
#define MSG_MAX (MSG_OFFSET + FREQ_ROOM)
#define SLOT_BYTES (FREQ_HEAD + FREQ_ROOM)

struct dev_intake {
	struct freq *slots, *free;
	char *mem;
	unsigned nslots, armed;
	bool ended;
};

static void arm(struct fring *fr)
{
	struct dev_intake *in = fr->intake;
	struct freq *q;
	struct io_uring_sqe *sqe;

	if (in->armed || !in->free || in->ended)
		return;
	q = in->free;
	in->free = q->next;
	in->armed++;
	sqe = ring_sqe(fr->ring, &q->op);
	io_uring_prep_read(sqe, fr->fd, q->data - MSG_OFFSET, MSG_MAX, 0);
}

static void release(struct freq *q)
{
	struct dev_intake *in = q->fr->intake;

	q->next = in->free;
	in->free = q;
	arm(q->fr);
}

static void received(struct ring_op *op, int res, uint32_t flags)
{
	struct freq *q = container_of(op, struct freq, op);
	struct fring *fr = q->fr;
	struct dev_intake *in = fr->intake;

	in->armed--;
	if (res >= (int)sizeof(struct fuse_in_header)) {
		q->in = (const struct fuse_in_header *)(q->data - MSG_OFFSET);
		q->len = (size_t)res;
		loop_request(q);
		arm(fr);
		return;
	}
	/* ENOENT: the request was interrupted before it was read */
	if (res != -EINTR && res != -EAGAIN && res != -ENOENT) {
		if (res != -ENODEV && res != -ECONNABORTED)
			msg_err("reading /dev/fuse: %s", res < 0 ? strerror(-res) : "short");
		in->ended = true;
		loop_gone(fr);
	}
	release(q);
}

static void dev_reply(struct freq *q, size_t len)
{
	ssize_t n = write(q->fr->fd, freq_out(q), len);

	/* ENOENT: whoever asked was interrupted and is gone */
	if (n < 0 && errno != ENOENT && errno != ENODEV && errno != ECONNABORTED)
		msg_err("reply to %s (%zu bytes): %s", raw_op(q->opcode)->name, len,
			strerror(errno));
	release(q);
}

static unsigned dev_pending(const struct fring *fr)
{
	const struct dev_intake *in = fr->intake;

	return in->armed;
}

static int dev_start(struct fring *fr)
{
	struct dev_intake *in = xcalloc(1, sizeof(*in));

	in->nslots = MAX(SLOTS_TOTAL / fr->s->nrings, SLOTS_MIN);
	in->mem = mmap(NULL, (size_t)in->nslots * SLOT_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (in->mem == MAP_FAILED) {
		free(in);
		return -ENOMEM;
	}
	in->slots = xcalloc(in->nslots, sizeof(*in->slots));
	for (unsigned i = in->nslots; i-- > 0;) {
		struct freq *q = &in->slots[i];

		q->fr = fr;
		q->op.fn = received;
		q->data = in->mem + (size_t)i * SLOT_BYTES + FREQ_HEAD;
		q->next = in->free;
		in->free = q;
	}
	fr->intake = in;
	arm(fr);
	return 0;
}

static void dev_stop(struct fring *fr)
{
	struct dev_intake *in = fr->intake;

	munmap(in->mem, (size_t)in->nslots * SLOT_BYTES);
	free(in->slots);
	free(in);
	fr->intake = NULL;
}

const struct intake_ops intake_dev = {
	.name = "/dev/fuse",
	.start = dev_start,
	.reply = dev_reply,
	.drop = release,
	.pending = dev_pending,
	.stop = dev_stop,
};
