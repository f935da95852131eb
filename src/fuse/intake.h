/* SPDX-License-Identifier: MIT */
/* intake.h - requests from the kernel, and where a ring gets them from.
 *
 * An intake receives requests on a ring's thread, hands each to loop_request()
 * as one contiguous message, and carries the reply back.  Kinds: reads on a
 * cloned /dev/fuse descriptor (intake_dev.c), and FUSE over io_uring
 * (intake_uring.c).
 *
 * Request life: FREE -> (received) WORK -> (reply sent) FREE.  Between WORK and
 *   its reply the request and its buffer belong to the handler; replying twice
 *   is refused and logged.
 * Buffer: q->data is 4 KiB-aligned room of FREQ_ROOM bytes.  The message ends
 *   up so that what follows its fixed arguments starts close to q->data (for
 *   WRITE exactly there); the reply's header lies in the 16 bytes before
 *   q->data and its body at q->data, so that header and data are one piece of
 *   memory.  A handler therefore builds the reply after it is done with names
 *   and values of the message.
 * Locking: none; everything happens on the ring's thread. */
#ifndef VARVE_FUSE_INTAKE_H
#define VARVE_FUSE_INTAKE_H

#include "fs/fs.h"
#include "fuse/raw.h"

#define FREQ_ROOM (1u << 20)
/* In front of q->data: the message's header and arguments. */
#define FREQ_HEAD VARVE_BLOCK

struct fring;

enum freq_state { FREQ_FREE, FREQ_WORK };

/* One request. */
struct freq {
	struct fring *fr;
	const struct fuse_in_header *in; /* the message ... */
	size_t len;                      /* ... and its length */
	char *data;
	enum freq_state state;
	/* copies: the message is overwritten by the reply */
	uint32_t opcode;
	uint64_t unique, ino, off;
	bool changes;     /* of RAW_CHANGES */
	struct freq *next; /* free list, or parked */
	struct log_waiter wait;
	struct vol_read rd;
	uint32_t count;   /* WRITE: bytes, until the reply */
	/* reply held back until it is durable (-o sync) */
	size_t held_len;
	/* the intake's */
	struct ring_op op;
	void *slot;
};

struct intake_ops {
	const char *name;
	/* On the ring's thread. */
	int (*start)(struct fring *fr);
	/* The reply (a fuse_out_header and its body) starts at q->data - 16;
	 * q is free afterwards. */
	void (*reply)(struct freq *q, size_t len);
	/* The message needs no reply: q is free afterwards. */
	void (*drop)(struct freq *q);
	/* Submissions that the kernel still holds. */
	unsigned (*pending)(const struct fring *fr);
	/* Frees memory; nothing is pending, or the process is about to end. */
	void (*stop)(struct fring *fr);
};
extern const struct intake_ops intake_dev, intake_uring;

/* The arguments after the header. */
static inline const void *freq_arg(const struct freq *q)
{
	return q->in + 1;
}

/* What follows the fixed arguments. */
static inline const char *freq_payload(const struct freq *q, size_t arg_size)
{
	return (const char *)(q->in + 1) + arg_size;
}

/* Bytes of it. */
static inline size_t freq_payload_len(const struct freq *q, size_t arg_size)
{
	size_t head = sizeof(struct fuse_in_header) + arg_size;

	return q->len > head ? q->len - head : 0;
}

static inline struct fuse_out_header *freq_out(const struct freq *q)
{
	return (struct fuse_out_header *)q->data - 1;
}

#endif
