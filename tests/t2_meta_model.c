/* SPDX-License-Identifier: MIT */
/* t2_meta_model.c - state.h: the present is image + frozen + active overlay.
 * Random operations are done to a state and to a model (meta_model.c), with
 * checkpoints that succeed, fail half-way and are given up at random places.
 * Replay one case: CK_FORK=no VARVE_SEED=17 tests/t2_meta_model */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "meta_model.h"
#include "ram_pages.h"

struct volume {
	struct ram_pages *pages;
	struct state *st;
	struct reader *rd;
	struct meta_model *model;
	struct meta_counts counts;
	uint64_t rnd;
};

static uint64_t seed_or_env(int i)
{
	const char *s = getenv("VARVE_SEED");

	return s ? strtoull(s, NULL, 0) : (uint64_t)i + 1;
}

static void volume_open(struct volume *v, uint64_t seed)
{
	*v = (struct volume){ .rnd = seed * 77, .pages = ram_pages_new() };
	v->st = state_new(ram_pages_store(v->pages), meta_key);
	v->rd = reader_new(v->st);
	v->model = meta_model_new(seed, v->st, v->rd);
}

static void volume_close(struct volume *v)
{
	meta_model_free(v->model);
	reader_free(v->rd);
	state_free(v->st);
	ram_pages_free(v->pages);
}

static void steps(struct volume *v, unsigned n)
{
	while (n--) {
		meta_model_step(v->model);
		meta_model_probe(v->model);
	}
}

static void give_up(struct volume *v)
{
	ram_pages_abort(v->pages);
	state_unfreeze(v->st);
	ck_assert(!state_has_frozen(v->st));
}

/* One checkpoint; how: 0 fails while it is written, 1 is given up when it is
 * written, else it succeeds.  Operations go on all the while. */
static void checkpoint(struct volume *v, unsigned how)
{
	static const int errs[] = { -EIO, -ENOSPC };
	uint64_t r = meta_random(&v->rnd);
	int err, want = errs[r % 2];

	state_freeze(v->st);
	ck_assert(state_has_frozen(v->st));
	ck_assert_uint_eq(state_overlay_rows(v->st), 0);
	if (r & 4)
		meta_model_check(v->model);
	steps(v, (unsigned)(r >> 8) % 40);
	v->counts.ckpt++;
	if (how == 0)
		ram_pages_fail(v->pages, RAM_TXN_WRITE, (r >> 16) % 12, want);
	err = state_write_image(v->st, &v->counts);
	ram_pages_fail(v->pages, RAM_TXN_WRITE, 0, 0);
	if (how == 0 && err) {
		ck_assert_int_eq(err, want);
		give_up(v);
		return;
	}
	ck_assert_int_eq(err, 0);
	steps(v, (unsigned)(r >> 24) % 40);
	if (how == 1) {
		give_up(v);
		return;
	}
	ram_pages_commit(v->pages);
	if (r & 8) /* readers may meet the image before the switch */
		steps(v, 10);
	overlay_free(state_switch(v->st));
	ck_assert(!state_has_frozen(v->st));
}

START_TEST(every_read_agrees_with_a_model_through_checkpoints_and_failures)
{
	uint64_t seed = seed_or_env(_i);
	struct volume v;
	unsigned round;

	volume_open(&v, seed);
	for (round = 0; round < 24; round++) {
		steps(&v, (unsigned)(meta_random(&v.rnd) % 60));
		if (meta_random(&v.rnd) % 4 == 0)
			reader_rest(v.rd);
		checkpoint(&v, (unsigned)(meta_random(&v.rnd) % 5));
		meta_model_check(v.model);
	}
	volume_close(&v);
}
END_TEST

START_TEST(an_image_alone_holds_what_its_checkpoint_froze)
{
	uint64_t seed = seed_or_env(_i) + 1000;
	char *text = NULL;
	struct volume v;
	unsigned round;

	volume_open(&v, seed);
	for (round = 0; round < 6; round++) {
		steps(&v, 150);
		state_freeze(v.st);
		v.counts.ckpt++;
		ck_assert_int_eq(state_write_image(v.st, &v.counts), 0);
		ram_pages_commit(v.pages);
		overlay_free(state_switch(v.st));
		ck_assert_msg(!state_check_image(v.st, v.rd, &text), "%s", text);

		/* A new process: nothing but the image. */
		reader_free(v.rd);
		state_free(v.st);
		ck_assert_uint_eq(ram_pages_held(v.pages), 0);
		v.st = state_new(ram_pages_store(v.pages), meta_key);
		v.rd = reader_new(v.st);
		meta_model_move(v.model, v.st, v.rd);
		meta_model_check(v.model);
	}
	volume_close(&v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("meta_model");
	TCase *tc = tcase_create("random");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_read_agrees_with_a_model_through_checkpoints_and_failures,
			    0, 24);
	tcase_add_loop_test(tc, an_image_alone_holds_what_its_checkpoint_froze, 0, 6);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
