/* SPDX-License-Identifier: MIT */
/* ring.c - event loop over one io_uring.
 *
 * Waking: a ring_post() writes the eventfd only if the ring's thread has said,
 * under the same mutex, that it found no post and is going to sleep.  A read of
 * the eventfd is in flight whenever the thread sleeps, so the write ends the
 * wait.  The mutex is also held across that write: once a post has been seen,
 * its poster is done with the eventfd.
 *
 * Completions are run from three places, oldest first per operation: those
 * stashed when a full submission queue had to be emptied, ready and posted
 * operations, and the completion queue. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "dev/ring.h"

#define FILE_SLOTS 16
#define BUFFER_SLOTS 256

struct op_list {
	struct ring_op *head, **tail; /* tail is NULL when empty */
};

struct stashed {
	struct ring_op *op;
	int res;
	uint32_t flags;
};

struct ring {
	struct io_uring u;
	unsigned sqe_size;
	unsigned pending, listening;
	bool running;
	struct op_list ready;   /* counted in pending */
	struct op_list arrived; /* posts, taken over */

	struct stashed *stash;
	size_t stash_n, stash_room;

	int8_t tables; /* 0: not yet registered, 1: yes, -1: refused */
	bool file_used[FILE_SLOTS];
	bool buffer_used[BUFFER_SLOTS];

	int wake_fd;
	bool wake_armed;
	uint64_t wake_count;
	struct ring_op wake_op;

	pthread_mutex_t mutex; /* guards what follows */
	struct op_list posts;
	bool asleep;
};

static void list_add(struct op_list *l, struct ring_op *op)
{
	op->next = NULL;
	if (!l->tail)
		l->tail = &l->head;
	*l->tail = op;
	l->tail = &op->next;
}

static void list_move(struct op_list *to, struct op_list *from)
{
	if (!from->head)
		return;
	if (!to->tail)
		to->tail = &to->head;
	*to->tail = from->head;
	to->tail = from->tail;
	*from = (struct op_list){ NULL, NULL };
}

static int setup(struct ring *r, unsigned entries, unsigned sqe128)
{
	/* Best first; each step does without something newer. */
	static const unsigned tries[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
			IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_SUBMIT_ALL,
		0,
	};
	int rc = -EINVAL;

	for (size_t i = 0; i < ARRAY_LEN(tries) && rc == -EINVAL; i++) {
		struct io_uring_params p;

		memset(&p, 0, sizeof(p));
		p.flags = tries[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | sqe128;
		p.cq_entries = 4 * entries;
		rc = io_uring_queue_init_params(entries, &r->u, &p);
	}
	/* -EINVAL with no flag left: the kernel lacks 128-byte entries. */
	if (rc == -ENOSYS || rc == -EPERM || rc == -EACCES || rc == -EINVAL)
		return -VE_NO_URING;
	if (rc)
		return rc;
	io_uring_register_ring_fd(&r->u); /* saves a little, may fail */
	return 0;
}

int ring_create(unsigned entries, unsigned flags, struct ring **ret)
{
	struct ring *r = xcalloc(1, sizeof(*r));
	int rc;

	r->sqe_size = flags & RING_SQE128 ? 128 : 64;
	r->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (r->wake_fd < 0) {
		rc = -errno;
		goto fail;
	}
	rc = setup(r, entries, flags & RING_SQE128 ? IORING_SETUP_SQE128 : 0);
	if (rc)
		goto fail_fd;
	pthread_mutex_init(&r->mutex, NULL);
	*ret = r;
	return 0;
fail_fd:
	close(r->wake_fd);
fail:
	free(r);
	return rc;
}

void ring_destroy(struct ring *r)
{
	if (!r)
		return;
	io_uring_queue_exit(&r->u);
	/* A poster may still be on its way out of ring_post(). */
	pthread_mutex_lock(&r->mutex);
	pthread_mutex_unlock(&r->mutex);
	pthread_mutex_destroy(&r->mutex);
	close(r->wake_fd);
	free(r->stash);
	free(r);
}

/* Empties the completion queue without running anything, so that the kernel
 * takes submissions again. */
static void stash_completions(struct ring *r)
{
	struct io_uring_cqe *cqe;

	while (io_uring_cq_ready(&r->u) && !io_uring_peek_cqe(&r->u, &cqe)) {
		if (r->stash_n == r->stash_room) {
			r->stash_room = r->stash_room ? 2 * r->stash_room : 64;
			r->stash = xrealloc(r->stash, r->stash_room * sizeof(*r->stash));
		}
		r->stash[r->stash_n++] = (struct stashed){
			(struct ring_op *)(uintptr_t)cqe->user_data, cqe->res, cqe->flags,
		};
		io_uring_cqe_seen(&r->u, cqe);
	}
}

static bool transient(int rc)
{
	return rc == -EAGAIN || rc == -EBUSY || rc == -EINTR || rc == -ENOMEM;
}

static struct io_uring_sqe *get_sqe(struct ring *r, struct ring_op *op)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&r->u))) {
		int rc = io_uring_submit(&r->u);

		if (rc >= 0)
			continue;
		if (!transient(rc))
			msg_panic("io_uring: cannot submit: %s", err_str(rc));
		io_uring_get_events(&r->u);
		stash_completions(r);
		sched_yield();
	}
	memset(sqe, 0, r->sqe_size);
	sqe->user_data = (uintptr_t)op;
	return sqe;
}

struct io_uring_sqe *ring_sqe(struct ring *r, struct ring_op *op)
{
	r->pending++;
	return get_sqe(r, op);
}

void ring_ready(struct ring *r, struct ring_op *op, int res)
{
	op->res = res;
	r->pending++;
	list_add(&r->ready, op);
}

void ring_post(struct ring *r, struct ring_op *op, int res)
{
	op->res = res;
	pthread_mutex_lock(&r->mutex);
	list_add(&r->posts, op);
	if (r->asleep) {
		uint64_t one = 1;
		ssize_t n;

		do {
			n = write(r->wake_fd, &one, sizeof(one));
		} while (n < 0 && errno == EINTR);
		r->asleep = false;
	}
	pthread_mutex_unlock(&r->mutex);
}

/* Takes over what was posted; with sleep, says so if there was nothing. */
static bool take_posts(struct ring *r, bool sleep)
{
	bool any;

	pthread_mutex_lock(&r->mutex);
	any = r->posts.head;
	list_move(&r->arrived, &r->posts);
	r->asleep = sleep && !any;
	pthread_mutex_unlock(&r->mutex);
	return any;
}

static void arm_wake(struct ring *r)
{
	struct io_uring_sqe *sqe;

	if (r->wake_armed)
		return;
	sqe = get_sqe(r, &r->wake_op);
	io_uring_prep_read(sqe, r->wake_fd, &r->wake_count, sizeof(r->wake_count), 0);
	r->wake_armed = true;
}

static int dispatch(struct ring *r, struct ring_op *op, int res, uint32_t flags)
{
	if (op == &r->wake_op) {
		if (res < 0 && !transient(res) && res != -ECANCELED)
			msg_panic("io_uring: cannot read an eventfd: %s", err_str(res));
		r->wake_armed = false;
		return 0;
	}
	if (!(flags & IORING_CQE_F_MORE))
		r->pending--;
	op->fn(op, res, flags);
	return 1;
}

static int run_list(struct ring *r, struct op_list *from, bool counted)
{
	struct ring_op *op = from->head, *next;
	int ran = 0;

	*from = (struct op_list){ NULL, NULL };
	for (; op; op = next, ran++) {
		next = op->next;
		if (counted)
			r->pending--;
		op->fn(op, op->res, 0);
	}
	return ran;
}

static int run_stash(struct ring *r)
{
	struct stashed *s = r->stash;
	size_t n = r->stash_n;
	int ran = 0;

	if (!n)
		return 0;
	r->stash = NULL; /* handlers may fill a new one */
	r->stash_n = r->stash_room = 0;
	for (size_t i = 0; i < n; i++)
		ran += dispatch(r, s[i].op, s[i].res, s[i].flags);
	free(s);
	return ran;
}

static int run_queue(struct ring *r)
{
	unsigned n = io_uring_cq_ready(&r->u);
	struct io_uring_cqe *cqe;
	int ran = 0;

	/* What a handler makes us stash is older than what then follows. */
	while (n-- && !r->stash_n && io_uring_cq_ready(&r->u) &&
	       !io_uring_peek_cqe(&r->u, &cqe)) {
		struct ring_op *op = (struct ring_op *)(uintptr_t)cqe->user_data;
		int res = cqe->res;
		uint32_t flags = cqe->flags;

		io_uring_cqe_seen(&r->u, cqe);
		ran += dispatch(r, op, res, flags);
	}
	return ran;
}

static int wait_for(struct ring *r, int64_t ns)
{
	struct __kernel_timespec ts = { ns / 1000000000, ns % 1000000000 };
	struct io_uring_cqe *cqe;

	if (ns < 0)
		return io_uring_submit_and_wait(&r->u, 1);
	return io_uring_submit_and_wait_timeout(&r->u, &cqe, 1, &ts, NULL);
}

/* Submits and collects; a system call only if there is something to submit,
 * to wait for, or to fetch. */
static int enter(struct ring *r, bool wait, int64_t ns)
{
	unsigned kflags = IO_URING_READ_ONCE(*r->u.sq.kflags);

	if (wait)
		return wait_for(r, ns);
	if (io_uring_sq_ready(&r->u))
		return io_uring_submit_and_get_events(&r->u);
	if (kflags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN))
		return io_uring_get_events(&r->u);
	return 0;
}

/* One turn: returns how many ran, -EINTR if a signal came instead. */
static int turn(struct ring *r, bool may_wait, int64_t ns)
{
	bool work = r->ready.head || r->stash_n || io_uring_cq_ready(&r->u);
	bool wait;
	int rc, ran;

	wait = !take_posts(r, may_wait && !work) && !r->arrived.head &&
	       may_wait && !work;
	if (wait)
		arm_wake(r);
	rc = enter(r, wait, ns);
	if (wait)
		take_posts(r, false);
	if (rc < 0 && rc != -ETIME && !transient(rc))
		return rc;
	ran = run_stash(r);
	ran += run_list(r, &r->ready, true);
	ran += run_list(r, &r->arrived, false);
	ran += run_queue(r);
	if (!ran && rc == -EINTR)
		return rc;
	if (!ran && rc < 0 && rc != -ETIME)
		sched_yield(); /* the kernel is short of memory: try again */
	return ran;
}

int ring_run(struct ring *r, int64_t timeout_ns)
{
	int64_t end = timeout_ns > 0 ? clock_mono() + timeout_ns : 0;
	int64_t left = timeout_ns;
	int rc;

	if (r->running)
		msg_panic("ring_run: called from a completion of the same ring");
	r->running = true;
	do {
		rc = turn(r, timeout_ns != 0, left);
		if (timeout_ns > 0)
			left = end - clock_mono();
	} while (rc == 0 && (timeout_ns < 0 || left > 0));
	r->running = false;
	return rc == -EINTR ? 0 : rc;
}

unsigned ring_pending(const struct ring *r)
{
	return r->pending - r->listening;
}

void ring_listen(struct ring *r, int n)
{
	r->listening += (unsigned)n;
}

struct io_uring *ring_uring(struct ring *r)
{
	return &r->u;
}

static bool have_tables(struct ring *r)
{
	if (!r->tables) {
		r->tables = io_uring_register_files_sparse(&r->u, FILE_SLOTS) ||
			    io_uring_register_buffers_sparse(&r->u, BUFFER_SLOTS) ? -1 : 1;
	}
	return r->tables > 0;
}

static int free_slot(const bool *used, int n)
{
	for (int i = 0; i < n; i++)
		if (!used[i])
			return i;
	return -ENOSPC;
}

int ring_add_file(struct ring *r, int fd)
{
	int slot = have_tables(r) ? free_slot(r->file_used, FILE_SLOTS) : -EOPNOTSUPP;
	int rc;

	if (slot < 0)
		return slot;
	rc = io_uring_register_files_update(&r->u, slot, &fd, 1);
	if (rc < 0)
		return rc;
	r->file_used[slot] = true;
	return slot;
}

void ring_del_file(struct ring *r, int slot)
{
	int none = -1;

	if (slot < 0 || !r->file_used[slot])
		return;
	io_uring_register_files_update(&r->u, slot, &none, 1);
	r->file_used[slot] = false;
}

static int update_buffer(struct ring *r, int slot, void *buf, size_t len)
{
	struct iovec iov = { buf, len };
	__u64 tag = 0;

	return io_uring_register_buffers_update_tag(&r->u, slot, &iov, &tag, 1);
}

int ring_add_buffer(struct ring *r, void *buf, size_t len)
{
	int slot = have_tables(r) ? free_slot(r->buffer_used, BUFFER_SLOTS) : -EOPNOTSUPP;
	int rc;

	if (slot < 0)
		return slot;
	rc = update_buffer(r, slot, buf, len);
	if (rc < 0)
		return rc;
	r->buffer_used[slot] = true;
	return slot;
}

void ring_del_buffer(struct ring *r, int slot)
{
	if (slot < 0 || !r->buffer_used[slot])
		return;
	update_buffer(r, slot, NULL, 0);
	r->buffer_used[slot] = false;
}
