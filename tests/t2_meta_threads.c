/* SPDX-License-Identifier: MIT */
/* t2_meta_threads.c - state.h, locking: readers under the shared lock, changes
 * under the exclusive one, and a checkpoint that writes an image under none,
 * all at once.  For ThreadSanitizer (--enable-tsan); elsewhere it checks that
 * every reader sees whole operations only. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta_model.h"
#include "ram_pages.h"

#define INODES 300
#define ROUNDS 30  /* checkpoints, and as many more as it takes for */
#define LOOKS 20000 /* questions of the readers to be answered */
#define READERS 3

static struct ram_pages *pages;
static struct state *st;
/* The volume's; readers that never pause would starve a fair one's writers. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static atomic_bool done;
static atomic_uint looks;
static uint64_t seq; /* of the last operation; guarded by lock */

/* One operation: an inode and the extents that belong to it get one seq. */
static void operate(uint64_t *rnd)
{
	uint64_t ino = 1 + meta_random(rnd) % INODES;
	struct inode_row i = { .ino = ino, .mode = 0100644, .nlink = 1 };
	struct extent_row x = { .ino = ino, .len = 4096, .piece = 1 };
	unsigned k;

	pthread_rwlock_wrlock(&lock);
	i.seq = x.seq = ++seq;
	i.size = 1 + meta_random(rnd) % 4;
	state_put_inode(st, &i, false);
	for (k = 0; k < 4; k++) {
		x.off = k * 4096;
		if (k < i.size)
			state_put_extent(st, &x);
		else
			state_del_extent(st, ino, x.off);
	}
	pthread_rwlock_unlock(&lock);
}

static void *change(void *arg)
{
	uint64_t rnd = 5;

	while (!atomic_load(&done))
		operate(&rnd);
	return NULL;
}

struct look {
	uint64_t seq;
	unsigned n;
	bool torn;
};

static int look_extent(void *arg, const struct extent_row *x)
{
	struct look *l = arg;

	l->n++;
	l->torn |= x->seq != l->seq;
	return 0;
}

static void *look(void *arg)
{
	uint64_t rnd = (uintptr_t)arg, n = 0;
	struct reader *rd = reader_new(st);

	while (!atomic_load(&done)) {
		uint64_t ino = 1 + meta_random(&rnd) % INODES;
		struct look l = { 0 };
		struct inode_row i;

		pthread_rwlock_rdlock(&lock);
		ck_assert_int_eq(state_inode(st, rd, ino, &i), 0);
		l.seq = i.seq;
		ck_assert_int_eq(state_extents(st, rd, ino, 0, 65536, look_extent,
					       &l), 0);
		ck_assert(!l.torn && l.n == i.size);
		if (++n % 64 == 0)
			reader_rest(rd);
		pthread_rwlock_unlock(&lock);
		atomic_fetch_add(&looks, 1);
	}
	reader_free(rd);
	return NULL;
}

static void checkpoint(bool fail)
{
	struct meta_counts c = { .ckpt = 1 };
	struct overlay *old = NULL;

	pthread_rwlock_wrlock(&lock);
	state_freeze(st);
	pthread_rwlock_unlock(&lock);
	ck_assert_int_eq(state_write_image(st, &c), 0);
	if (fail)
		ram_pages_abort(pages);
	else
		ram_pages_commit(pages);
	pthread_rwlock_wrlock(&lock);
	if (fail)
		state_unfreeze(st);
	else
		old = state_switch(st);
	pthread_rwlock_unlock(&lock);
	overlay_free(old);
}

START_TEST(readers_see_whole_operations_while_images_are_written)
{
	pthread_t t[READERS + 1];
	uint64_t rnd = 1, k;
	struct reader *rd;

	pages = ram_pages_new();
	st = state_new(ram_pages_store(pages), meta_key);
	while (state_overlay_rows(st) < INODES * 5) /* each inode, 4 offsets */
		operate(&rnd);
	for (k = 0; k < READERS; k++)
		pthread_create(&t[k], NULL, look, (void *)(uintptr_t)(k + 1));
	pthread_create(&t[k], NULL, change, NULL);
	for (k = 0; k < ROUNDS || atomic_load(&looks) < LOOKS; k++)
		checkpoint(k % 5 == 3);
	atomic_store(&done, true);
	for (k = 0; k <= READERS; k++)
		pthread_join(t[k], NULL);
	rd = reader_new(st);
	ck_assert_int_eq(state_check_image(st, rd, NULL), 0);
	reader_free(rd);
	state_free(st);
	ram_pages_free(pages);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("meta_threads");
	TCase *tc = tcase_create("threads");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, readers_see_whole_operations_while_images_are_written);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
