/* SPDX-License-Identifier: MIT */
/* intake_uring.c - FUSE over io_uring (kernel 6.14 and later).
 *
 * The kernel keeps one queue per possible CPU; queue i belongs to ring
 * i % nrings.  An entry is registered with a header and a payload buffer; its
 * completion brings a request into them, and one command commits the reply and
 * fetches the next.  FORGET still comes through /dev/fuse, which ring 0 reads. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/msg.h"
#include "fuse/session.h"

#define ENTRIES_TOTAL 128u /* over all queues; each up to FREQ_ROOM of memory */
#define ENTRIES_MIN 4u
#define ENTRIES_MAX 32u
/* One page of headers in front of each payload, one for the kernel's header. */
#define ENTRY_BYTES (VARVE_BLOCK + FREQ_HEAD + FREQ_ROOM)

struct entry {
	struct freq q;
	struct raw_uring_hdr *hdr;
	struct iovec iov[2];
	uint64_t commit_id;
	uint16_t qid;
};

struct uring_intake {
	struct entry *entries;
	char *mem;
	unsigned nentries, in_kernel;
	bool refused;
};

/* How many queues the kernel has: one per CPU that could ever be. */
static unsigned possible_cpus(void)
{
	unsigned first = 0, last = 0;
	FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	long n = sysconf(_SC_NPROCESSORS_CONF);
	int got = f ? fscanf(f, "%u-%u", &first, &last) : 0;

	if (f)
		fclose(f);
	if (got == 2 && first == 0)
		return last + 1;
	return got == 1 ? 1 : (unsigned)MAX(n, 1);
}

static void command(struct entry *e, uint32_t op)
{
	struct fring *fr = e->q.fr;
	struct uring_intake *in = fr->uring;
	struct io_uring_sqe *sqe = ring_sqe(fr->ring, &e->q.op);
	struct raw_uring_cmd *cmd = (struct raw_uring_cmd *)sqe->cmd;

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fr->s->fd;
	sqe->cmd_op = op;
	cmd->qid = e->qid;
	if (op == RAW_URING_REGISTER) {
		sqe->addr = (uint64_t)(uintptr_t)e->iov;
		sqe->len = 2;
	} else {
		cmd->commit_id = e->commit_id;
	}
	in->in_kernel++;
	ring_listen(fr->ring, 1);
}

/* Header and arguments are put in front of the payload: one message. */
static void assemble(struct entry *e)
{
	struct fuse_in_header *hdr = (struct fuse_in_header *)e->hdr->in_out, *in;
	size_t arg = raw_op(hdr->opcode)->arg;

	in = (struct fuse_in_header *)(e->q.data - arg - sizeof(*in));
	*in = *hdr;
	memcpy(in + 1, e->hdr->op_in, arg);
	e->q.in = in;
	e->q.len = sizeof(*in) + arg + MIN(e->hdr->ent.payload_size, FREQ_ROOM);
	in->len = (uint32_t)e->q.len;
}

static void fetched(struct ring_op *op, int res, uint32_t flags)
{
	struct entry *e = container_of(op, struct entry, q.op);
	struct fring *fr = e->q.fr;
	struct uring_intake *in = fr->uring;

	in->in_kernel--;
	ring_listen(fr->ring, -1);
	if (res == 0) {
		e->commit_id = e->hdr->ent.commit_id;
		assemble(e);
		loop_request(&e->q);
		return;
	}
	/* a connection that ends says so to every entry */
	if (res == -ENOTCONN || res == -ECONNABORTED || res == -ECANCELED || res == -ENODEV) {
		loop_gone(fr);
		return;
	}
	/* refused: the kernel goes back to /dev/fuse by itself, and so do we */
	if (!in->refused)
		msg_warn("FUSE over io_uring: %s; using /dev/fuse", strerror(-res));
	in->refused = true;
	if (!fr->intake && intake_dev.start(fr))
		loop_gone(fr);
}

static void uring_reply(struct freq *q, size_t len)
{
	struct entry *e = q->slot;

	if (!e) {
		intake_dev.reply(q, len);
		return;
	}
	memcpy(e->hdr->in_out, freq_out(q), sizeof(struct fuse_out_header));
	e->hdr->ent.payload_size = (uint32_t)(len - sizeof(struct fuse_out_header));
	command(e, RAW_URING_COMMIT_AND_FETCH);
}

static void uring_drop(struct freq *q)
{
	if (!q->slot) {
		intake_dev.drop(q);
		return;
	}
	/* nothing without a reply comes this way; give the entry back */
	freq_out(q)->len = sizeof(struct fuse_out_header);
	freq_out(q)->error = 0;
	freq_out(q)->unique = q->unique;
	uring_reply(q, sizeof(struct fuse_out_header));
}

static unsigned uring_pending(const struct fring *fr)
{
	const struct uring_intake *in = fr->uring;

	return in->in_kernel + (fr->intake ? intake_dev.pending(fr) : 0);
}

static void set_up_entry(struct fring *fr, struct entry *e, char *mem, unsigned qid)
{
	e->hdr = (struct raw_uring_hdr *)mem;
	e->q.fr = fr;
	e->q.op.fn = fetched;
	e->q.slot = e;
	e->q.data = mem + VARVE_BLOCK + FREQ_HEAD;
	e->qid = (uint16_t)qid;
	e->iov[0] = (struct iovec){ e->hdr, sizeof(*e->hdr) };
	e->iov[1] = (struct iovec){ e->q.data, FREQ_ROOM };
}

static int uring_start(struct fring *fr)
{
	unsigned ncpus = possible_cpus(), nrings = fr->s->nrings, n = 0;
	unsigned depth = MIN(MAX(ENTRIES_TOTAL / ncpus, ENTRIES_MIN), ENTRIES_MAX);
	unsigned queues = fr->id < ncpus ? (ncpus - fr->id + nrings - 1) / nrings : 0;
	struct uring_intake *in = xcalloc(1, sizeof(*in));

	in->nentries = queues * depth;
	fr->uring = in;
	if (in->nentries) {
		in->entries = xcalloc(in->nentries, sizeof(*in->entries));
		in->mem = mmap(NULL, (size_t)in->nentries * ENTRY_BYTES,
			       PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (in->mem == MAP_FAILED)
			return -ENOMEM;
		madvise(in->mem, (size_t)in->nentries * ENTRY_BYTES, MADV_HUGEPAGE);
	}
	for (unsigned qid = fr->id; qid < ncpus; qid += nrings) {
		for (unsigned i = 0; i < depth; i++, n++) {
			struct entry *e = &in->entries[n];

			set_up_entry(fr, e, in->mem + (size_t)n * ENTRY_BYTES, qid);
			command(e, RAW_URING_REGISTER);
		}
	}
	return fr->id == 0 ? intake_dev.start(fr) : 0;
}

static void uring_stop(struct fring *fr)
{
	struct uring_intake *in = fr->uring;

	if (in->mem)
		munmap(in->mem, (size_t)in->nentries * ENTRY_BYTES);
	free(in->entries);
	free(in);
	fr->uring = NULL;
	if (fr->intake)
		intake_dev.stop(fr);
}

const struct intake_ops intake_uring = {
	.name = "io_uring",
	.start = uring_start,
	.reply = uring_reply,
	.drop = uring_drop,
	.pending = uring_pending,
	.stop = uring_stop,
};
