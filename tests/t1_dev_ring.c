/* SPDX-License-Identifier: MIT */
/* t1_dev_ring.c - dev/ring.h: completions come from ring_run() alone, each
 * operation once, and nobody is left asleep. */
#include "config.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "dev/ring.h"

struct counter {
	struct ring_op op;
	int calls, res;
	uint32_t flags;
};

static struct ring *ring;

static void setup(void)
{
	ck_assert_int_eq(ring_create(8, 0, &ring), 0);
}

static void teardown(void)
{
	ring_destroy(ring);
}

static void count(struct ring_op *op, int res, uint32_t flags)
{
	struct counter *c = container_of(op, struct counter, op);

	c->calls++;
	c->res = res;
	c->flags = flags;
}

START_TEST(a_ready_operation_runs_in_the_next_ring_run_and_not_before)
{
	struct counter c = { .op.fn = count };

	ring_ready(ring, &c.op, -5);
	ck_assert_int_eq(c.calls, 0);
	ck_assert_uint_eq(ring_pending(ring), 1);
	ck_assert_int_eq(ring_run(ring, -1), 1);
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.res, -5);
	ck_assert_uint_eq(ring_pending(ring), 0);
	ck_assert_int_eq(ring_run(ring, 0), 0);
	ck_assert_int_eq(c.calls, 1);
}
END_TEST

static struct counter second = { .op.fn = count };

static void make_ready(struct ring_op *op, int res, uint32_t flags)
{
	ring_ready(ring, &second.op, 2);
}

START_TEST(what_a_completion_makes_ready_waits_for_the_next_turn)
{
	struct ring_op first = { .fn = make_ready };

	ring_ready(ring, &first, 0);
	ck_assert_int_eq(ring_run(ring, -1), 1);
	ck_assert_int_eq(second.calls, 0);
	ck_assert_int_eq(ring_run(ring, -1), 1);
	ck_assert_int_eq(second.calls, 1);
}
END_TEST

START_TEST(more_submissions_than_entries_all_complete_once)
{
	struct counter c[500];
	int ran = 0;

	for (int i = 0; i < 500; i++) {
		c[i] = (struct counter){ .op.fn = count };
		io_uring_prep_nop(ring_sqe(ring, &c[i].op));
	}
	ck_assert_uint_eq(ring_pending(ring), 500);
	while (ran < 500) {
		int n = ring_run(ring, -1);

		ck_assert_int_gt(n, 0);
		ran += n;
	}
	ck_assert_uint_eq(ring_pending(ring), 0);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(c[i].calls, 1);
}
END_TEST

struct chain {
	struct ring_op op;
	int left, *total;
};

static void again(struct ring_op *op, int res, uint32_t flags)
{
	struct chain *c = container_of(op, struct chain, op);

	++*c->total;
	if (c->left-- > 0)
		io_uring_prep_nop(ring_sqe(ring, op));
}

START_TEST(completions_may_submit_beyond_what_the_queues_hold)
{
	struct chain c[300];
	int total = 0;

	for (int i = 0; i < 300; i++) {
		c[i] = (struct chain){ { .fn = again }, 10, &total };
		io_uring_prep_nop(ring_sqe(ring, &c[i].op));
	}
	while (ring_pending(ring))
		ck_assert_int_gt(ring_run(ring, -1), 0);
	ck_assert_int_eq(total, 300 * 11);
}
END_TEST

START_TEST(a_timeout_ends_the_wait_with_nothing_run)
{
	int64_t start = clock_mono();

	ck_assert_int_eq(ring_run(ring, 20000000), 0);
	ck_assert_int_ge(clock_mono() - start, 20000000);
	ck_assert_int_eq(ring_run(ring, 0), 0);
}
END_TEST

static void on_signal(int sig)
{
}

START_TEST(a_signal_ends_the_wait_with_nothing_run)
{
	struct sigaction sa = { .sa_handler = on_signal };
	/* Repeating, since the first may come before the wait. */
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };

	sigaction(SIGALRM, &sa, NULL);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	ck_assert_int_eq(ring_run(ring, -1), 0);
	setitimer(ITIMER_REAL, &never, NULL);
}
END_TEST

START_TEST(an_operation_with_more_to_come_stays_pending_until_its_last)
{
	struct counter c = { .op.fn = count }, cancel = { .op.fn = count };
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	io_uring_prep_poll_multishot(ring_sqe(ring, &c.op), fd[0], POLLIN);
	for (int i = 1; i <= 3; i++) {
		char b;

		ck_assert_int_eq(write(fd[1], "x", 1), 1);
		ck_assert_int_eq(ring_run(ring, -1), 1);
		ck_assert_int_eq(c.calls, i);
		ck_assert(c.flags & IORING_CQE_F_MORE);
		ck_assert_uint_eq(ring_pending(ring), 1);
		ck_assert_int_eq(read(fd[0], &b, 1), 1);
	}
	io_uring_prep_cancel(ring_sqe(ring, &cancel.op), &c.op, 0);
	while (ring_pending(ring))
		ck_assert_int_gt(ring_run(ring, -1), 0);
	ck_assert_int_eq(cancel.calls, 1);
	ck_assert_int_eq(c.calls, 4);
	ck_assert(!(c.flags & IORING_CQE_F_MORE));
	close(fd[1]);
	close(fd[0]);
}
END_TEST

#define POSTERS 4
#define POSTS 20000

static int arrived;

static void post_done(struct ring_op *op, int res, uint32_t flags)
{
	arrived++;
	free(op);
}

static void *poster(void *arg)
{
	for (int i = 0; i < POSTS; i++) {
		struct ring_op *op = malloc(sizeof(*op));

		op->fn = post_done;
		ring_post(arg, op, i);
	}
	return NULL;
}

START_TEST(every_post_from_other_threads_arrives_and_wakes_a_sleeper)
{
	pthread_t t[POSTERS];

	for (int i = 0; i < POSTERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, poster, ring), 0);
	while (arrived < POSTERS * POSTS)
		ck_assert_int_gt(ring_run(ring, -1), 0);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(ring_run(ring, 0), 0);
	ck_assert_uint_eq(ring_pending(ring), 0);
}
END_TEST

/* Two rings pass a token to and fro: each turn needs a wake-up. */
struct player {
	struct ring *mine, **other;
	struct ring_op *token;
	int left;
};

static _Thread_local struct player *me;

static void token_in(struct ring_op *op, int res, uint32_t flags)
{
	if (me->left-- > 0)
		ring_post(*me->other, op, 0);
}

static struct ring *left_ring, *right_ring;
static pthread_barrier_t barrier;

static void *play(void *arg)
{
	struct player p = { .other = arg ? &left_ring : &right_ring, .left = 2000 };

	ck_assert_int_eq(ring_create(8, 0, &p.mine), 0);
	*(arg ? &right_ring : &left_ring) = p.mine;
	me = &p;
	pthread_barrier_wait(&barrier);
	if (!arg) {
		static struct ring_op token = { .fn = token_in };

		ring_post(right_ring, &token, 0);
	}
	while (p.left > 0)
		ck_assert_int_ge(ring_run(p.mine, -1), 0);
	pthread_barrier_wait(&barrier);
	ring_destroy(p.mine);
	return NULL;
}

START_TEST(no_wake_up_is_lost_between_two_rings)
{
	pthread_t other;

	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&other, NULL, play, ring), 0);
	play(NULL);
	pthread_join(other, NULL);
	pthread_barrier_destroy(&barrier);
}
END_TEST

static void *use_sync(void *arg)
{
	struct counter c = { .op.fn = count };
	struct ring *r = ring_sync();

	*(struct ring **)arg = r;
	ck_assert_ptr_eq(ring_sync(), r);
	io_uring_prep_nop(ring_sqe(r, &c.op));
	ck_assert_int_eq(ring_run(r, -1), 1);
	ck_assert_int_eq(c.calls, 1);
	return NULL;
}

START_TEST(each_thread_has_its_own_private_ring)
{
	struct ring *mine, *other;
	pthread_t t;

	use_sync(&mine);
	ck_assert_int_eq(pthread_create(&t, NULL, use_sync, &other), 0);
	pthread_join(t, NULL);
	ck_assert_ptr_ne(mine, other);
}
END_TEST

START_TEST(a_forked_child_gets_a_private_ring_that_works)
{
	struct ring *r;
	int status;
	pid_t pid;

	use_sync(&r);
	pid = fork();
	if (pid == 0) {
		use_sync(&r);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	use_sync(&r);
}
END_TEST

START_TEST(files_and_buffers_take_slots_and_give_them_back)
{
	static char buf[8192] __attribute__((aligned(4096)));
	struct counter c = { .op.fn = count };
	struct io_uring_sqe *sqe;
	int fd[2], file, b;

	ck_assert_int_eq(pipe(fd), 0);
	file = ring_add_file(ring, fd[1]);
	b = ring_add_buffer(ring, buf, sizeof(buf));
	if (file < 0 || b < 0)
		return; /* a kernel without sparse tables */
	memcpy(buf, "hello", 5);
	sqe = ring_sqe(ring, &c.op);
	io_uring_prep_write_fixed(sqe, file, buf, 5, -1, b);
	sqe->flags |= IOSQE_FIXED_FILE;
	ck_assert_int_eq(ring_run(ring, -1), 1);
	ck_assert_int_eq(c.res, 5);
	ck_assert_int_eq(read(fd[0], buf + 4096, 10), 5);
	ring_del_buffer(ring, b);
	ring_del_file(ring, file);
	ck_assert_int_eq(ring_add_buffer(ring, buf, sizeof(buf)), b);
	ck_assert_int_eq(ring_add_file(ring, fd[1]), file);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

START_TEST(a_ring_with_wide_entries_works_too)
{
	struct counter c = { .op.fn = count };
	struct ring *wide;
	int rc = ring_create(8, RING_SQE128, &wide);

	if (rc)
		return; /* an old kernel */
	for (int i = 0; i < 20; i++)
		io_uring_prep_nop(ring_sqe(wide, &c.op));
	while (ring_pending(wide))
		ck_assert_int_gt(ring_run(wide, -1), 0);
	ck_assert_int_eq(c.calls, 20);
	ring_destroy(wide);
}
END_TEST

START_TEST(running_ready_operations_makes_no_system_call)
{
	/* With no descriptor table entry left to it, the ring cannot be entered. */
	struct counter c = { .op.fn = count };
	int fd = ring_uring(ring)->enter_ring_fd;

	ring_uring(ring)->enter_ring_fd = -1;
	for (int i = 0; i < 100; i++) {
		ring_ready(ring, &c.op, i);
		ck_assert_int_eq(ring_run(ring, -1), 1);
	}
	ck_assert_int_eq(c.calls, 100);
	ring_uring(ring)->enter_ring_fd = fd;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring");
	TCase *tc = tcase_create("ring");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_ready_operation_runs_in_the_next_ring_run_and_not_before);
	tcase_add_test(tc, what_a_completion_makes_ready_waits_for_the_next_turn);
	tcase_add_test(tc, more_submissions_than_entries_all_complete_once);
	tcase_add_test(tc, completions_may_submit_beyond_what_the_queues_hold);
	tcase_add_test(tc, a_timeout_ends_the_wait_with_nothing_run);
	if (srunner_fork_status(sr) == CK_FORK)
		tcase_add_test(tc, a_signal_ends_the_wait_with_nothing_run);
	tcase_add_test(tc, an_operation_with_more_to_come_stays_pending_until_its_last);
	tcase_add_test(tc, every_post_from_other_threads_arrives_and_wakes_a_sleeper);
	tcase_add_test(tc, no_wake_up_is_lost_between_two_rings);
	tcase_add_test(tc, each_thread_has_its_own_private_ring);
	tcase_add_test(tc, a_forked_child_gets_a_private_ring_that_works);
	tcase_add_test(tc, files_and_buffers_take_slots_and_give_them_back);
	tcase_add_test(tc, a_ring_with_wide_entries_works_too);
	tcase_add_test(tc, running_ready_operations_makes_no_system_call);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
