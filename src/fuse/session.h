/* SPDX-License-Identifier: MIT */
/* session.h - one mounted volume: rings, their threads, start and stop.
 *
 * Life: session_start() after INIT; session_run() returns when the mount is
 *   gone and the volume is closed.  The volume is closed (last checkpoint,
 *   clean flag) before DESTROY is answered, so umount(8) of a fuseblk mount
 *   waits for it.
 * Threads: the main thread only starts, waits and stops; every request is
 *   handled on the ring thread that received it.
 * Phases go one way: RUN, CLOSE (finish what is at work, close the ring's
 *   context), LAME (volume closed; what still comes gets ENODEV), QUIT. */
#ifndef VARVE_FUSE_SESSION_H
#define VARVE_FUSE_SESSION_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "fs/fs.h"
#include "fuse/intake.h"
#include "fuse/opts.h"
#include "gc/gc.h"
#include "store/scrub.h"

struct fuse_session;
struct session;

enum phase { PHASE_RUN, PHASE_CLOSE, PHASE_LAME, PHASE_QUIT };

struct fring {
	struct session *s;
	unsigned id;
	int fd; /* this ring's /dev/fuse */
	pthread_t thread;
	bool created;
	atomic_bool started, failed;
	bool drained; /* of a thread that ended: nothing is in flight */
	struct ring *ring;
	struct fs_ctx *fs;
	/* what is at work, DESTROY not counted */
	unsigned busy;
	struct freq *destroy;
	/* changing requests that wait for room in the log, first in first out */
	struct freq *parked, **parked_end;
	struct log_waiter admit;
	bool admit_waits;
	struct ring_op poke;
	atomic_bool poked;
	void *intake, *uring; /* the intakes' own */
	/* the request whose libfuse handler runs now */
	struct freq *cur;
	void *cur_req; /* fuse_req_t */
	bool gone;     /* the kernel closed the connection */
	/* where it runs, see place() in loop.c */
	bool may_pin, pinned;
	unsigned received; /* requests of this turn */
	unsigned depth;    /* their running average, times 256 */
	unsigned settle;   /* turns until it may move again */
};

struct session {
	const struct opts *opts;
	struct fuse_session *se;
	struct dev *dev;
	struct vol *vol;
	struct fs *fs;
	struct scrub *scrub; /* NULL: read-only */
	struct gc *gc; /* NULL: read-only or -o nogc */
	int fd; /* the mount's own /dev/fuse */
	const struct intake_ops *intake;
	struct fring *rings;
	unsigned nrings;
	cpu_set_t cpus; /* that we may run on */
	atomic_int phase;
	atomic_uint open_rings; /* contexts not yet closed */
	int event;              /* eventfd: a ring wants the main thread */
	atomic_bool gone;       /* connection closed or DESTROY received */
	/* of INIT */
	uint64_t init_unique;
	uint32_t kernel_minor;
	uint64_t kernel_flags;
	uint32_t max_write;
	bool got_init;
	bool uring; /* FUSE over io_uring was agreed on */
	bool stuck; /* a ring did not end in time: leave without it */
};

/* Opens /dev/fuse by mounting at opts->dir, answers INIT. */
int session_mount(struct session *s, bool blkdev) VARVE_MUST_CHECK;
/* Starts the rings. */
int session_start(struct session *s) VARVE_MUST_CHECK;
/* Until the mount is gone; closes volume and device.  Returns 0, or the error of
 * the last checkpoint. */
int session_run(struct session *s) VARVE_MUST_CHECK;

/* Unmounts lazily, in a process of its own: its number, or negative. */
pid_t session_detach(const struct session *s);
/* Closes whatever is open of fs, volume and device. */
int session_close_volume(struct session *s) VARVE_MUST_CHECK;
/* Rings that session_start() will start. */
unsigned session_threads(const struct opts *o);

/* --- for the rings (loop.c) --- */
void *loop_thread(void *fring);
/* A message has arrived in q (in, len set). */
void loop_request(struct freq *q);
/* The kernel says that there is nothing more to come. */
void loop_gone(struct fring *fr);
/* q has been replied to or dropped. */
void loop_done(struct freq *q);
void loop_poke(struct fring *fr);

/* The request that this thread's libfuse handler is for. */
struct freq *loop_current(void *fuse_req);
/* libfuse's replies. */
ssize_t session_writev(int fd, struct iovec *iov, int count, void *userdata);
ssize_t session_read(int fd, void *buf, size_t len, void *userdata);

#endif
