/* SPDX-License-Identifier: MIT */
/* t1_dev_sim.c - the simulated devices: a crash image holds everything that
 * was flushed and, of the rest, only what was written.
 * Replay one seed: CK_FORK=no VARVE_SEED=17 ./t1_dev_sim */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/le.h"
#include "base/msg.h"
#include "dev/devsim.h"

#define BLOCKS 16u
#define SIZE (BLOCKS * 4096u)
#define SECTORS (SIZE / 512)

static struct dev *dev;
static uint8_t *buf, *back;
static uint64_t state;

static uint64_t rnd(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void setup(void)
{
	ck_assert_int_eq(dev_crash_new(SIZE, &dev), 0);
	buf = dev_alloc(SIZE);
	back = dev_alloc(SIZE);
}

static void teardown(void)
{
	dev_close(dev);
	dev_free(buf);
	dev_free(back);
}

static void put(struct dev *d, unsigned block, unsigned n, uint8_t value)
{
	memset(buf, value, n * 4096);
	ck_assert_int_eq(dev_write(d, buf, block * 4096, n * 4096), 0);
}

static unsigned at(struct dev *d, unsigned block)
{
	ck_assert_int_eq(dev_read(d, back, block * 4096, 4096), 0);
	return back[0];
}

START_TEST(ram_reads_back_what_was_written_and_zeroes_elsewhere)
{
	struct dev *d, *copy;

	ck_assert_int_eq(dev_mem_new(1ull << 40, &d), 0);
	put(d, 3, 4, 7);
	put(d, 5, 1, 8);
	ck_assert_uint_eq(at(d, 2), 0);
	ck_assert_uint_eq(at(d, 4), 7);
	ck_assert_uint_eq(at(d, 5), 8);
	ck_assert_int_eq(dev_mem_copy(d, &copy), 0);
	ck_assert_int_eq(dev_discard(d, 4 * 4096, 3 * 4096), 0);
	put(d, 3, 1, 9);
	ck_assert_uint_eq(at(d, 3), 9);
	ck_assert_uint_eq(at(d, 4), 0);
	ck_assert_uint_eq(at(d, 6), 0);
	/* The copy does not follow. */
	ck_assert_uint_eq(at(copy, 3), 7);
	ck_assert_uint_eq(at(copy, 5), 8);
	ck_assert_uint_eq(at(copy, 6), 7);
	dev_close(d);
	ck_assert_uint_eq(at(copy, 6), 7);
	dev_close(copy);
	ck_assert_int_eq(dev_mem_new(4095, &d), -VE_DEV_SMALL);
}
END_TEST

START_TEST(every_change_is_an_event_and_a_read_is_none)
{
	put(dev, 0, 1, 1);
	ck_assert_uint_eq(dev_crash_events(dev), 1);
	at(dev, 0);
	ck_assert_uint_eq(dev_crash_events(dev), 1);
	ck_assert_int_eq(dev_flush(dev), 0);
	ck_assert_int_eq(dev_discard(dev, 0, 4096), 0);
	ck_assert_uint_eq(dev_crash_events(dev), 3);
}
END_TEST

START_TEST(seed_0_keeps_the_first_cut_events_whole_and_in_order)
{
	struct dev *d;

	put(dev, 1, 2, 1);
	put(dev, 2, 1, 2);
	ck_assert_int_eq(dev_discard(dev, 4096, 4096), 0);
	ck_assert_int_eq(dev_crash_image(dev, 2, 0, &d), 0);
	ck_assert_uint_eq(at(d, 1), 1);
	ck_assert_uint_eq(at(d, 2), 2);
	dev_close(d);
	ck_assert_int_eq(dev_crash_image(dev, 1, 0, &d), 0);
	ck_assert_uint_eq(at(d, 2), 1);
	dev_close(d);
	ck_assert_int_eq(dev_crash_image(dev, 99, 0, &d), 0);
	ck_assert_uint_eq(at(d, 1), 0);
	ck_assert_uint_eq(dev_size(d), SIZE);
	dev_close(d);
}
END_TEST

/* Per sector, the stamps it may hold after the crash: those since and
 * including the last flushed one. */
struct history {
	unsigned n;
	uint32_t stamp[200];
};

static struct history may[SECTORS];

static void stamp_range(unsigned block, unsigned n, uint32_t stamp)
{
	for (unsigned i = block * 8; i < (block + n) * 8; i++) {
		le32_put(buf + i * 512, stamp);
		may[i].stamp[may[i].n++] = stamp;
	}
}

static void flushed(void)
{
	for (unsigned i = 0; i < SECTORS; i++)
		if (may[i].n) {
			may[i].stamp[0] = may[i].stamp[may[i].n - 1];
			may[i].n = 1;
		}
}

static bool allowed(const struct history *h, uint32_t stamp)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->stamp[i] == stamp)
			return true;
	return false;
}

static void random_events(unsigned n)
{
	memset(may, 0, sizeof(may));
	for (unsigned i = 0; i < SECTORS; i++)
		may[i].n = 1; /* zero */
	for (uint32_t i = 1; i <= n; i++) {
		unsigned block = rnd() % BLOCKS, len = 1 + rnd() % (BLOCKS - block);

		switch (rnd() % 10) {
		case 0:
			ck_assert_int_eq(dev_flush(dev), 0);
			flushed();
			break;
		case 1:
			stamp_range(block, len, 0);
			ck_assert_int_eq(dev_discard(dev, block * 4096, len * 4096), 0);
			break;
		default:
			stamp_range(block, len, i);
			ck_assert_int_eq(dev_write(dev, buf + block * 4096, block * 4096,
						   len * 4096), 0);
		}
	}
}

START_TEST(flushed_writes_are_kept_and_others_are_old_or_new_by_the_sector)
{
	const char *env = getenv("VARVE_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : (uint64_t)_i + 1;

	state = seed;
	memset(buf, 0, SIZE);
	random_events(1 + rnd() % 150);
	for (uint64_t s = 1; s <= 20; s++) {
		struct dev *d;

		ck_assert_int_eq(dev_crash_image(dev, dev_crash_events(dev), s, &d), 0);
		ck_assert_int_eq(dev_read(d, back, 0, SIZE), 0);
		for (unsigned i = 0; i < SECTORS; i++)
			ck_assert_msg(allowed(&may[i], le32_get(back + i * 512)),
				      "seed %lu image %lu sector %u holds %u", seed, s, i,
				      le32_get(back + i * 512));
		dev_close(d);
	}
}
END_TEST

START_TEST(an_image_does_not_depend_on_those_made_before)
{
	uint64_t seed = (uint64_t)_i + 1;
	size_t n;

	state = seed;
	memset(buf, 0, SIZE);
	random_events(60);
	n = dev_crash_events(dev);
	for (unsigned i = 0; i < 60; i++) {
		size_t cut = rnd() % (n + 1);
		uint64_t s = rnd() % 4;
		struct dev *first, *later, *between;

		ck_assert_int_eq(dev_crash_image(dev, cut, s, &first), 0);
		ck_assert_int_eq(dev_crash_image(dev, rnd() % (n + 1), 1, &between), 0);
		ck_assert_int_eq(dev_write(between, buf, 0, SIZE), 0);
		ck_assert_int_eq(dev_crash_image(dev, cut, s, &later), 0);
		ck_assert_int_eq(dev_read(first, buf, 0, SIZE), 0);
		ck_assert_int_eq(dev_read(later, back, 0, SIZE), 0);
		ck_assert_msg(!memcmp(buf, back, SIZE), "seed %lu cut %zu", seed, cut);
		dev_close(first);
		dev_close(later);
		dev_close(between);
	}
}
END_TEST

START_TEST(a_crash_device_made_from_another_keeps_what_was_there_whatever_is_lost)
{
	struct dev *from, *d;

	put(dev, 3, 2, 7);
	ck_assert_int_eq(dev_crash_from(dev, &from), 0);
	put(dev, 3, 1, 1);
	ck_assert_uint_eq(dev_crash_events(from), 0);
	put(from, 4, 1, 8);
	for (uint64_t s = 0; s < 20; s++)
		for (size_t cut = 0; cut <= 1; cut++) {
			ck_assert_int_eq(dev_crash_image(from, cut, s, &d), 0);
			ck_assert_uint_eq(at(d, 3), 7);
			if (!cut)
				ck_assert_uint_eq(at(d, 4), 7);
			else if (!s)
				ck_assert_uint_eq(at(d, 4), 8);
			dev_close(d);
		}
	dev_close(from);
}
END_TEST

START_TEST(seeds_differ_and_a_seed_repeats)
{
	bool old = false, new = false, torn = false;
	struct dev *a, *b;

	put(dev, 0, 2, 1);
	ck_assert_int_eq(dev_flush(dev), 0);
	put(dev, 0, 2, 2);
	for (uint64_t s = 1; s < 200; s++) {
		ck_assert_int_eq(dev_crash_image(dev, 3, s, &a), 0);
		ck_assert_int_eq(dev_crash_image(dev, 3, s, &b), 0);
		ck_assert_int_eq(dev_read(a, back, 0, 8192), 0);
		ck_assert_int_eq(dev_read(b, buf, 0, 8192), 0);
		ck_assert_mem_eq(buf, back, 8192);
		if (memcmp(back, back + 512, 8192 - 512))
			torn = true;
		else if (back[0] == 1)
			old = true;
		else
			new = true;
		dev_close(a);
		dev_close(b);
	}
	ck_assert(old && new && torn);
}
END_TEST

struct job {
	struct dev_req req;
	int err;
	bool done;
};

static void job_done(struct dev_req *req, int err)
{
	struct job *j = container_of(req, struct job, req);

	j->err = err;
	j->done = true;
}

static void submit(struct ring *r, struct job *j, enum dev_op op)
{
	*j = (struct job){ .req = { .op = op, .buf = buf, .len = 4096, .done = job_done } };
	dev_submit(dev, r, &j->req);
	ck_assert_msg(!j->done, "completed inside dev_submit()");
}

/* Images of the present moment in which block 0 is not what buf holds. */
static unsigned losses(void)
{
	unsigned lost = 0;

	for (uint64_t s = 1; s < 100; s++) {
		struct dev *d;

		ck_assert_int_eq(dev_crash_image(dev, dev_crash_events(dev), s, &d), 0);
		lost += at(d, 0) != buf[0];
		dev_close(d);
	}
	return lost;
}

START_TEST(a_flush_does_not_cover_a_write_that_was_still_in_flight)
{
	struct job w, f;
	struct ring *r;

	ck_assert_int_eq(ring_create(8, 0, &r), 0);
	memset(buf, 5, 4096);
	submit(r, &w, DEV_WRITE);
	submit(r, &f, DEV_FLUSH);
	while (ring_pending(r))
		ck_assert_int_gt(ring_run(r, -1), 0);
	ck_assert(w.done && f.done && !w.err && !f.err);
	ck_assert_uint_gt(losses(), 0);
	/* Nor does it count before its own completion. */
	submit(r, &f, DEV_FLUSH);
	ck_assert_uint_gt(losses(), 0);
	while (ring_pending(r))
		ck_assert_int_gt(ring_run(r, -1), 0);
	ck_assert_uint_eq(losses(), 0);
	ring_destroy(r);
}
END_TEST

START_TEST(an_injected_fault_hits_the_chosen_requests_and_changes_nothing)
{
	put(dev, 0, 1, 1);
	dev_sim_fail(dev, DEV_WRITE, 1, 2, -VE_INJECTED);
	put(dev, 1, 1, 1);
	memset(buf, 9, 4096);
	ck_assert_int_eq(dev_write(dev, buf, 0, 4096), -VE_INJECTED);
	ck_assert_int_eq(dev_write(dev, buf, 0, 4096), -VE_INJECTED);
	ck_assert_uint_eq(dev_crash_events(dev), 2);
	ck_assert_uint_eq(at(dev, 0), 1);
	put(dev, 0, 1, 2);
	ck_assert_uint_eq(at(dev, 0), 2);
	dev_sim_fail(dev, DEV_FLUSH, 0, 0, -VE_DEV_IO);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(dev_flush(dev), -VE_DEV_IO);
	dev_sim_fail(dev, DEV_READ, 0, 1, -VE_DEV_IO);
	ck_assert_int_eq(dev_read(dev, back, 0, 4096), -VE_DEV_IO);
	ck_assert_int_eq(dev_read(dev, back, 0, 4096), 0);
	dev_sim_fail(dev, DEV_DISCARD, 0, 1, -EOPNOTSUPP);
	ck_assert_int_eq(dev_discard(dev, 0, 4096), -EOPNOTSUPP);
	ck_assert_uint_eq(at(dev, 0), 2);
}
END_TEST

START_TEST(after_the_cut_every_request_fails_and_changes_nothing)
{
	struct dev *d;

	put(dev, 0, 1, 1);
	ck_assert_int_eq(dev_flush(dev), 0);
	dev_crash_cut(dev);
	memset(buf, 2, 4096);
	ck_assert_int_eq(dev_write(dev, buf, 0, 4096), -VE_DEV_GONE);
	ck_assert_int_eq(dev_flush(dev), -VE_DEV_GONE);
	ck_assert_int_eq(dev_discard(dev, 0, 4096), -VE_DEV_GONE);
	ck_assert_int_eq(dev_read(dev, buf, 0, 4096), -VE_DEV_GONE);
	ck_assert_uint_eq(dev_crash_events(dev), 2);
	ck_assert_int_eq(dev_crash_image(dev, 2, 7, &d), 0);
	ck_assert_uint_eq(at(d, 0), 1);
	dev_close(d);
	ck_assert_int_eq(dev_mem_copy(dev, &d), 0);
	ck_assert_uint_eq(at(d, 0), 1);
	dev_close(d);
}
END_TEST

static void *hammer(void *arg)
{
	uint8_t *b = dev_alloc(4096);

	for (unsigned i = 0; i < 500; i++) {
		memset(b, i & 0xff, 4096);
		ck_assert_int_eq(dev_write(dev, b, (uintptr_t)arg * 4096, 4096), 0);
		ck_assert_int_eq(dev_read(dev, b, (uintptr_t)arg * 4096, 4096), 0);
		ck_assert_uint_eq(b[4095], i & 0xff);
		if (i % 10 == 0)
			ck_assert_int_eq(dev_flush(dev), 0);
	}
	dev_free(b);
	return NULL;
}

START_TEST(threads_and_images_do_not_disturb_each_other)
{
	pthread_t t[3];

	for (uintptr_t i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, hammer, (void *)i), 0);
	for (uint64_t i = 0; i < 30; i++) {
		struct dev *d;

		ck_assert_int_eq(dev_crash_image(dev, dev_crash_events(dev), i, &d), 0);
		put(d, 0, 3, 1);
		dev_close(d);
		ck_assert_int_eq(dev_mem_copy(dev, &d), 0);
		put(d, 0, 3, 1);
		dev_close(d);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("simulated devices");
	TCase *tc = tcase_create("simulated devices");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ram_reads_back_what_was_written_and_zeroes_elsewhere);
	tcase_add_test(tc, every_change_is_an_event_and_a_read_is_none);
	tcase_add_test(tc, seed_0_keeps_the_first_cut_events_whole_and_in_order);
	tcase_add_loop_test(tc, flushed_writes_are_kept_and_others_are_old_or_new_by_the_sector,
			    0, 50);
	tcase_add_loop_test(tc, an_image_does_not_depend_on_those_made_before, 0, 20);
	tcase_add_test(tc, a_crash_device_made_from_another_keeps_what_was_there_whatever_is_lost);
	tcase_add_test(tc, seeds_differ_and_a_seed_repeats);
	tcase_add_test(tc, a_flush_does_not_cover_a_write_that_was_still_in_flight);
	tcase_add_test(tc, an_injected_fault_hits_the_chosen_requests_and_changes_nothing);
	tcase_add_test(tc, after_the_cut_every_request_fails_and_changes_nothing);
	tcase_add_test(tc, threads_and_images_do_not_disturb_each_other);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
