/* SPDX-License-Identifier: MIT */
/* t1_dev_file.c - a device on an image file: content, errors, exclusion. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "dev/dev.h"

#define SIZE (8u << 20)

static char path[64];
static char last_msg[1024];
static unsigned n_msgs;

static void hook(enum msg_level level, const char *line)
{
	snprintf(last_msg, sizeof(last_msg), "%s", line);
	n_msgs++;
}

static void make_image(uint64_t size)
{
	int fd;

	snprintf(path, sizeof(path), "t1_dev_file.%d.img", (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void setup(void)
{
	make_image(SIZE);
	n_msgs = 0;
	msg_set_hook(hook);
}

static void teardown(void)
{
	unlink(path);
}

static struct dev *open_image(unsigned flags)
{
	struct dev *d;
	char *why;
	int rc = dev_open_path(path, flags, &d, &why);

	ck_assert_msg(rc == 0, "%s", why);
	return d;
}

static void pattern(uint8_t *buf, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (i * 31 + (i >> 12) * 7 + seed) & 0xff;
}

START_TEST(what_is_written_is_read_back_and_is_in_the_file)
{
	uint8_t *a = dev_alloc(1 << 20), *b = dev_alloc(1 << 20);
	struct dev *d = open_image(0);
	struct dev_stats st;
	int fd;

	ck_assert_uint_eq(dev_size(d), SIZE);
	ck_assert(!dev_is_block(d) && !dev_readonly(d));
	ck_assert_str_eq(dev_name(d), path);
	pattern(a, 1 << 20, 1);
	ck_assert_int_eq(dev_write(d, a, 12288, 1 << 20), 0);
	ck_assert_int_eq(dev_flush(d), 0);
	ck_assert_int_eq(dev_read(d, b, 12288, 1 << 20), 0);
	ck_assert_mem_eq(a, b, 1 << 20);
	ck_assert_int_eq(dev_read(d, b, 0, 4096), 0);
	for (int i = 0; i < 4096; i++)
		ck_assert_uint_eq(b[i], 0);
	dev_get_stats(d, &st);
	ck_assert_uint_eq(st.reads, 2);
	ck_assert_uint_eq(st.writes, 1);
	ck_assert_uint_eq(st.flushes, 1);
	ck_assert_uint_eq(st.write_bytes, 1 << 20);
	ck_assert_uint_eq(st.read_bytes, (1 << 20) + 4096);
	dev_close(d);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(pread(fd, b, 1 << 20, 12288), 1 << 20);
	ck_assert_mem_eq(a, b, 1 << 20);
	close(fd);
	dev_free(a);
	dev_free(b);
}
END_TEST

START_TEST(a_discarded_range_reads_as_zeroes_and_its_neighbours_stay)
{
	uint8_t *a = dev_alloc(32768), *b = dev_alloc(32768);
	struct dev *d = open_image(0);
	int rc;

	pattern(a, 32768, 3);
	ck_assert_int_eq(dev_write(d, a, 0, 32768), 0);
	rc = dev_discard(d, 8192, 16384);
	ck_assert(rc == 0 || rc == -EOPNOTSUPP);
	if (!rc)
		memset(a + 8192, 0, 16384);
	ck_assert_int_eq(dev_read(d, b, 0, 32768), 0);
	ck_assert_mem_eq(a, b, 32768);
	ck_assert_int_eq(dev_discard(d, 0, 0), 0);
	dev_close(d);
	dev_free(a);
	dev_free(b);
}
END_TEST

struct job {
	struct dev_req req;
	int done, err;
};

static void job_done(struct dev_req *req, int err)
{
	struct job *j = container_of(req, struct job, req);

	j->done++;
	j->err = err;
}

#define JOBS 64

static void run_jobs(struct dev *d, struct ring *r, enum dev_op op, uint8_t *buf)
{
	struct job jobs[JOBS];

	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i] = (struct job){ .req = {
			.op = op, .buf = buf + i * 8192, .len = 8192,
			.off = (uint64_t)(JOBS - i) * 8192, .done = job_done,
		} };
		dev_submit(d, r, &jobs[i].req);
		ck_assert_int_eq(jobs[i].done, 0);
	}
	while (ring_pending(r))
		ck_assert_int_gt(ring_run(r, -1), 0);
	for (unsigned i = 0; i < JOBS; i++)
		ck_assert_msg(jobs[i].done == 1 && jobs[i].err == 0, "job %u: %d times, %s",
			      i, jobs[i].done, err_str(jobs[i].err));
}

START_TEST(an_attached_ring_moves_the_same_bytes_as_a_plain_one)
{
	size_t len = JOBS * 8192;
	uint8_t *pool = dev_alloc(2 * len), *plain = dev_alloc(len);
	struct dev *d = open_image(0);
	struct dev_stats st;
	struct ring *r, *other;

	ck_assert_int_eq(ring_create(32, 0, &r), 0);
	ck_assert_int_eq(ring_create(8, 0, &other), 0);
	ck_assert_int_eq(dev_add_buffer(d, pool, len), 0);
	ck_assert_int_eq(dev_add_buffer(d, pool + len, len), 0);
	dev_attach_ring(d, r);
	dev_attach_ring(d, r); /* twice is once */
	pattern(pool, len, 9);
	run_jobs(d, r, DEV_WRITE, pool);
	run_jobs(d, r, DEV_READ, pool + len);
	ck_assert_mem_eq(pool, pool + len, len);
	run_jobs(d, r, DEV_READ, plain); /* outside the registered buffers */
	ck_assert_mem_eq(pool, plain, len);
	memset(plain, 0, len);
	run_jobs(d, other, DEV_READ, plain); /* an unattached ring */
	ck_assert_mem_eq(pool, plain, len);
	dev_get_stats(d, &st);
	ck_assert_uint_eq(st.reads, 3 * JOBS);
	dev_detach_ring(d, r);
	memset(plain, 0, len);
	run_jobs(d, r, DEV_READ, plain);
	ck_assert_mem_eq(pool, plain, len);
	dev_attach_ring(d, other);
	memset(pool + len, 0, len);
	run_jobs(d, other, DEV_READ, pool + len);
	ck_assert_mem_eq(pool, pool + len, len);
	dev_detach_ring(d, other);
	/* Half of it forgotten: still the same bytes. */
	dev_del_buffer(d, pool + len, len);
	dev_attach_ring(d, other);
	memset(pool + len, 0, len);
	run_jobs(d, other, DEV_READ, pool + len);
	ck_assert_mem_eq(pool, pool + len, len);
	dev_detach_ring(d, other);
	ring_destroy(r);
	ring_destroy(other);
	dev_close(d);
	dev_free(pool);
	dev_free(plain);
}
END_TEST

static struct dev *shared;

static void *reader(void *arg)
{
	uint8_t *buf = dev_alloc(8192), *want = dev_alloc(8192);
	unsigned n = (uintptr_t)arg;

	for (unsigned i = 0; i < 200; i++) {
		uint64_t off = 65536 * n + 8192 * (i % 8);

		pattern(want, 8192, n * 1000 + i);
		ck_assert_int_eq(dev_write(shared, want, off, 8192), 0);
		ck_assert_int_eq(dev_read(shared, buf, off, 8192), 0);
		ck_assert_mem_eq(buf, want, 8192);
	}
	dev_free(buf);
	dev_free(want);
	return NULL;
}

START_TEST(threads_use_one_device_each_by_its_own_ring)
{
	pthread_t t[4];

	shared = open_image(0);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, reader, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	dev_close(shared);
}
END_TEST

static int try_open(unsigned flags, char **why)
{
	struct dev *d = NULL;
	int rc = dev_open_path(path, flags, &d, why);

	if (!rc)
		dev_close(d);
	return rc;
}

START_TEST(a_second_writer_is_refused_with_a_reason_until_the_first_closes)
{
	struct dev *d = open_image(0);
	char *why = NULL;

	ck_assert_int_eq(try_open(0, &why), -VE_DEV_BUSY);
	ck_assert_ptr_nonnull(strstr(why, path));
	ck_assert_ptr_nonnull(strstr(why, "in use"));
	free(why);
	ck_assert_int_eq(try_open(DEV_RDONLY, NULL), -VE_DEV_BUSY);
	ck_assert_int_eq(try_open(DEV_RDONLY | DEV_NOLOCK, NULL), 0);
	dev_close(d);
	ck_assert_int_eq(try_open(0, NULL), 0);
}
END_TEST

START_TEST(readers_share_the_lock_and_keep_writers_out)
{
	struct dev *a = open_image(DEV_RDONLY), *b = open_image(DEV_RDONLY);

	ck_assert_int_eq(try_open(0, NULL), -VE_DEV_BUSY);
	dev_close(a);
	dev_close(b);
	ck_assert_int_eq(try_open(0, NULL), 0);
}
END_TEST

static void *close_when_told(void *arg)
{
	/* Until the waiter has said that it waits. */
	while (!__atomic_load_n(&n_msgs, __ATOMIC_ACQUIRE))
		sched_yield();
	dev_close(arg);
	return NULL;
}

static void counting_hook(enum msg_level level, const char *line)
{
	snprintf(last_msg, sizeof(last_msg), "%s", line);
	__atomic_add_fetch(&n_msgs, 1, __ATOMIC_RELEASE);
}

START_TEST(who_waits_for_the_lock_says_so_once_and_gets_it)
{
	struct dev *d = open_image(0);
	pthread_t t;

	msg_set_hook(counting_hook);
	ck_assert_int_eq(pthread_create(&t, NULL, close_when_told, d), 0);
	ck_assert_int_eq(try_open(DEV_WAIT, NULL), 0);
	pthread_join(t, NULL);
	ck_assert_uint_eq(n_msgs, 1);
	ck_assert_ptr_nonnull(strstr(last_msg, "waiting for"));
	ck_assert_ptr_nonnull(strstr(last_msg, path));
}
END_TEST

START_TEST(a_readonly_device_refuses_to_change_anything)
{
	struct dev *d = open_image(DEV_RDONLY);
	uint8_t *b = dev_alloc(4096);

	memset(b, 1, 4096);
	ck_assert(dev_readonly(d));
	ck_assert_int_eq(dev_write(d, b, 0, 4096), -VE_READONLY);
	ck_assert_int_eq(dev_flush(d), 0); /* nothing to do */
	ck_assert_int_eq(dev_discard(d, 0, 4096), -VE_READONLY);
	ck_assert_int_eq(dev_read(d, b, 0, 4096), 0);
	ck_assert_uint_eq(b[0], 0);
	dev_close(d);
	dev_free(b);
}
END_TEST

START_TEST(what_cannot_be_a_volume_is_refused_by_its_kind)
{
	struct dev *d;
	char *why;

	ck_assert_int_eq(dev_open_path("/dev/null", 0, &d, &why), -VE_DEV_KIND);
	ck_assert_ptr_nonnull(strstr(why, "/dev/null"));
	free(why);
	ck_assert_int_eq(dev_open_path(".", 0, &d, &why), -VE_DEV_KIND);
	free(why);
	ck_assert_int_eq(dev_open_path("no/such/file", 0, &d, &why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "no/such/file"));
	free(why);
	make_image(4095);
	ck_assert_int_eq(dev_open_path(path, 0, &d, NULL), -VE_DEV_SMALL);
}
END_TEST

START_TEST(the_size_is_whole_blocks_and_nothing_passes_the_end)
{
	uint8_t *b = dev_alloc(8192);
	struct dev *d;

	make_image(3 * 4096 + 100);
	d = open_image(0);
	ck_assert_uint_eq(dev_size(d), 3 * 4096);
	ck_assert_int_eq(dev_read(d, b, 8192, 4096), 0);
	ck_assert_int_eq(dev_read(d, b, 8192, 8192), -VE_DEV_SHORT);
	ck_assert_int_eq(dev_read(d, b, UINT64_MAX - 4095, 8192), -VE_DEV_SHORT);
	ck_assert_int_eq(dev_write(d, b, 12288, 4096), -VE_DEV_SHORT);
	ck_assert_int_eq(dev_discard(d, 4096, UINT64_MAX - 4095), -VE_DEV_SHORT);
	ck_assert_int_eq(dev_read(d, b, 12288, 0), 0);
	ck_assert_uint_eq(n_msgs, 4);
	dev_close(d);
	dev_free(b);
}
END_TEST

START_TEST(an_image_that_shrank_underneath_gives_an_error_not_zeroes)
{
	uint8_t *b = dev_alloc(8192);
	struct dev *d = open_image(0);

	ck_assert_int_eq(truncate(path, 4096), 0);
	ck_assert_int_eq(dev_read(d, b, 0, 8192), -VE_DEV_SHORT);
	ck_assert_int_eq(dev_read(d, b, 65536, 4096), -VE_DEV_SHORT);
	ck_assert_ptr_nonnull(strstr(last_msg, path));
	dev_close(d);
	dev_free(b);
}
END_TEST

START_TEST(a_kernel_error_is_logged_with_device_offset_and_reason)
{
	struct rlimit lim = { 1 << 20, 1 << 20 };
	struct dev *d = open_image(0);
	uint8_t *b = dev_alloc(4096);

	memset(b, 1, 4096);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	ck_assert_int_eq(dev_write(d, b, 2 << 20, 4096), -VE_DEV_IO);
	ck_assert_ptr_nonnull(strstr(last_msg, path));
	ck_assert_ptr_nonnull(strstr(last_msg, "write at 2097152: File too large"));
	ck_assert_int_eq(dev_read(d, b, 2 << 20, 4096), 0);
	dev_close(d);
	dev_free(b);
}
END_TEST

/* Each of these must abort: the callers' arithmetic is broken. */
START_TEST(odd_requests_are_caught)
{
	struct dev *d = open_image(0);
	uint8_t *b = dev_alloc(8192);
	int rc;

	unlink(path);
	switch (_i) {
	case 0:
		rc = dev_read(d, b, 512, 4096);
		break;
	case 1:
		rc = dev_read(d, b, 0, 100);
		break;
	case 2:
		rc = dev_write(d, b + 8, 0, 4096);
		break;
	case 3:
		rc = dev_discard(d, 1, 4096);
		break;
	default:
		rc = dev_add_buffer(d, b + 512, 4096);
		break;
	}
	ck_abort_msg("case %d returned %d", _i, rc);
}
END_TEST

START_TEST(memory_for_io_is_aligned)
{
	static const size_t lens[] = { 0, 1, 4096, 5000, 2 << 20, (4 << 20) + 4096 };

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		uint8_t *p = dev_alloc(lens[i]);

		ck_assert_uint_eq((uintptr_t)p % VARVE_BLOCK, 0);
		memset(p, 1, lens[i]);
		dev_free(p);
	}
	dev_free(NULL);
	dev_close(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("file device");
	TCase *tc = tcase_create("file device");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_written_is_read_back_and_is_in_the_file);
	tcase_add_test(tc, a_discarded_range_reads_as_zeroes_and_its_neighbours_stay);
	tcase_add_test(tc, an_attached_ring_moves_the_same_bytes_as_a_plain_one);
	tcase_add_test(tc, threads_use_one_device_each_by_its_own_ring);
	tcase_add_test(tc, a_second_writer_is_refused_with_a_reason_until_the_first_closes);
	tcase_add_test(tc, readers_share_the_lock_and_keep_writers_out);
	tcase_add_test(tc, who_waits_for_the_lock_says_so_once_and_gets_it);
	tcase_add_test(tc, a_readonly_device_refuses_to_change_anything);
	tcase_add_test(tc, what_cannot_be_a_volume_is_refused_by_its_kind);
	tcase_add_test(tc, the_size_is_whole_blocks_and_nothing_passes_the_end);
	tcase_add_test(tc, an_image_that_shrank_underneath_gives_an_error_not_zeroes);
	if (srunner_fork_status(sr) == CK_FORK) {
		tcase_add_test(tc, a_kernel_error_is_logged_with_device_offset_and_reason);
		tcase_add_loop_test_raise_signal(tc, odd_requests_are_caught, SIGABRT, 0, 5);
	}
	tcase_add_test(tc, memory_for_io_is_aligned);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
