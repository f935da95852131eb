/* SPDX-License-Identifier: MIT */
/* intake_dev.c - requests read from a cloned /dev/fuse descriptor.
 *
 * Each ring polls its own descriptor through io_uring, once per wait and
 * exclusively: a request wakes one waiting ring, not all of them (waking all
 * costs more than twice the processor time per request).  What is queued is
 * then read, and answered, by plain non-blocking read and write: as cheap as
 * submissions, and the client is awake before we look for the next request.
 * A poll that finds something queued completes at once, so nothing is lost
 * between the last read and the poll. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/msg.h"
#include "fuse/session.h"

#define SLOTS_TOTAL 128u /* over all rings; each up to FREQ_ROOM of memory */
#define SLOTS_MIN 8u
/* A message starts here, so that the data of a WRITE starts at q->data. */
#define MSG_OFFSET (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
#define MSG_MAX (MSG_OFFSET + FREQ_ROOM)
#define RECEIVE_MAX 16u
#define SLOT_BYTES (FREQ_HEAD + FREQ_ROOM)

struct dev_intake {
	struct fring *fr;
	struct freq *slots, *free;
	char *mem;
	unsigned nslots;
	struct ring_op poll;
	bool armed, receiving, ended;
};

static void arm(struct fring *fr)
{
	struct dev_intake *in = fr->intake;

	if (in->armed || !in->free || in->ended)
		return;
	in->armed = true;
	ring_listen(fr->ring, 1);
	io_uring_prep_poll_add(ring_sqe(fr->ring, &in->poll), fr->fd, POLLIN | EPOLLEXCLUSIVE);
}

static void release(struct freq *q)
{
	struct dev_intake *in = q->fr->intake;

	q->next = in->free;
	in->free = q;
	if (!in->receiving)
		arm(q->fr);
}

/* One request into the first free slot: false if there is none to be had. */
static bool receive(struct dev_intake *in)
{
	struct freq *q = in->free;
	ssize_t n = read(in->fr->fd, q->data - MSG_OFFSET, MSG_MAX);

	if (n >= (ssize_t)sizeof(struct fuse_in_header)) {
		in->free = q->next;
		q->in = (const struct fuse_in_header *)(q->data - MSG_OFFSET);
		q->len = (size_t)n;
		loop_request(q);
		return true;
	}
	if (n < 0 && errno == EAGAIN)
		return false;
	/* ENOENT: the request was interrupted before it was read */
	if (n < 0 && (errno == EINTR || errno == ENOENT))
		return true;
	if (n >= 0 || (errno != ENODEV && errno != ECONNABORTED))
		msg_err("reading /dev/fuse: %s", n < 0 ? strerror(errno) : "short message");
	in->ended = true;
	loop_gone(in->fr);
	return false;
}

static void readable(struct ring_op *op, int res, uint32_t flags)
{
	struct dev_intake *in = container_of(op, struct dev_intake, poll);

	in->armed = false;
	ring_listen(in->fr->ring, -1);
	in->receiving = true;
	/* then other completions have their turn */
	for (unsigned i = 0; i < RECEIVE_MAX && in->free && receive(in); i++)
		;
	in->receiving = false;
	arm(in->fr);
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
	/* the kernel looks up each page of a message: a tenth less time for reads */
	madvise(in->mem, (size_t)in->nslots * SLOT_BYTES, MADV_HUGEPAGE);
	in->slots = xcalloc(in->nslots, sizeof(*in->slots));
	for (unsigned i = in->nslots; i-- > 0;) {
		struct freq *q = &in->slots[i];

		q->fr = fr;
		q->data = in->mem + (size_t)i * SLOT_BYTES + FREQ_HEAD;
		q->next = in->free;
		in->free = q;
	}
	fr->intake = in;
	in->fr = fr;
	in->poll.fn = readable;
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
