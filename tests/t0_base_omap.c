/* SPDX-License-Identifier: MIT */
/* t0_base_omap.c - base/omap.h against a sorted array: whatever the order of
 * insertions and removals, the map answers as the array does.
 * Replay one seed: CK_FORK=no VARVE_SEED=17 ./t0_base_omap */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/omap.h"

struct entry {
	struct okey key;
	void *val;
};

struct model {
	struct entry *e;
	size_t n, room;
};

static uint64_t state;

static uint64_t rnd(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t seed_or_env(int i)
{
	const char *s = getenv("VARVE_SEED");

	return s ? strtoull(s, NULL, 0) : (uint64_t)i + 1;
}

/* Index of the first entry >= key. */
static size_t lower(const struct model *m, struct okey key)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (okey_cmp(m->e[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool holds(const struct model *m, size_t i, struct okey key)
{
	return i < m->n && !okey_cmp(m->e[i].key, key);
}

static void *model_put(struct model *m, struct okey key, void *val)
{
	size_t i = lower(m, key);
	void *old;

	if (holds(m, i, key)) {
		old = m->e[i].val;
		m->e[i].val = val;
		return old;
	}
	if (m->n == m->room) {
		m->room = m->room ? 2 * m->room : 64;
		m->e = realloc(m->e, m->room * sizeof(*m->e));
	}
	memmove(m->e + i + 1, m->e + i, (m->n - i) * sizeof(*m->e));
	m->e[i] = (struct entry){ key, val };
	m->n++;
	return NULL;
}

static void *model_del(struct model *m, struct okey key)
{
	size_t i = lower(m, key);
	void *old;

	if (!holds(m, i, key))
		return NULL;
	old = m->e[i].val;
	m->n--;
	memmove(m->e + i, m->e + i + 1, (m->n - i) * sizeof(*m->e));
	return old;
}

static void same_entry(const struct model *m, size_t i, struct omap_cur *c,
		       uint64_t seed, unsigned step)
{
	if (i >= m->n) {
		ck_assert_msg(!c->val, "seed %lu step %u: entry past the end", seed, step);
		return;
	}
	ck_assert_msg(c->val == m->e[i].val && !okey_cmp(c->key, m->e[i].key),
		      "seed %lu step %u: entry %zu differs", seed, step, i);
}

static void same_all(const struct omap *map, const struct model *m, uint64_t seed,
		     unsigned step)
{
	struct omap_cur c;
	size_t i = 0;

	ck_assert_msg(omap_count(map) == m->n, "seed %lu step %u: count", seed, step);
	for (omap_seek(map, (struct okey){ 0, 0 }, &c); c.val; omap_next(&c))
		same_entry(m, i++, &c, seed, step);
	ck_assert_msg(i == m->n, "seed %lu step %u: forward scan ends early", seed, step);
	omap_floor(map, (struct okey){ UINT64_MAX, UINT64_MAX }, &c);
	for (; c.val; omap_prev(&c))
		same_entry(m, --i, &c, seed, step);
	ck_assert_msg(i == 0, "seed %lu step %u: backward scan ends early", seed, step);
}

/* Keys of a kind per phase: dense, clustered, ascending, descending, wide. */
static struct okey pick(unsigned kind, unsigned step)
{
	switch (kind) {
	case 0:
		return (struct okey){ 0, rnd() % 5000 };
	case 1:
		return (struct okey){ rnd() % 50, rnd() % 200 };
	case 2:
		return (struct okey){ 7, step };
	case 3:
		return (struct okey){ 20, UINT64_MAX - step };
	default:
		return (struct okey){ rnd(), rnd() };
	}
}

static void look(const struct omap *map, const struct model *m, struct okey k,
		 uint64_t seed, unsigned step)
{
	size_t i = lower(m, k);
	struct omap_cur c;

	ck_assert_msg(omap_get(map, k) == (holds(m, i, k) ? m->e[i].val : NULL),
		      "seed %lu step %u: get", seed, step);
	omap_seek(map, k, &c);
	same_entry(m, i, &c, seed, step);
	omap_next(&c);
	same_entry(m, i < m->n ? i + 1 : i, &c, seed, step);
	omap_prev(&c);
	same_entry(m, i < m->n ? i : m->n - 1, &c, seed, step);
	if (!holds(m, i, k))
		i--;
	omap_floor(map, k, &c);
	same_entry(m, i, &c, seed, step);
	omap_prev(&c);
	same_entry(m, i < m->n ? i - 1 : i, &c, seed, step);
	omap_next(&c);
	same_entry(m, i < m->n ? i : 0, &c, seed, step);
}

static void one_step(struct omap *map, struct model *m, unsigned kind,
		     unsigned del_pct, uint64_t seed, unsigned step)
{
	struct okey k = pick(kind, step);
	unsigned dice = rnd() % 100;

	if (m->n && rnd() % 4 == 0)
		k = m->e[rnd() % m->n].key;
	if (m->n && rnd() % 8 == 0)
		k.lo = m->e[rnd() % m->n].key.lo + rnd() % 3 - 1;
	if (dice < 20) {
		look(map, m, k, seed, step);
	} else if (dice < 20 + del_pct) {
		if (m->n && rnd() % 2)
			k = m->e[rnd() % m->n].key;
		ck_assert_msg(omap_del(map, k) == model_del(m, k),
			      "seed %lu step %u: del", seed, step);
	} else {
		void *v = (void *)(uintptr_t)(rnd() | 1);

		ck_assert_msg(omap_put(map, k, v) == model_put(m, k, v),
			      "seed %lu step %u: put", seed, step);
	}
}

START_TEST(random_operations_answer_as_a_sorted_array_does)
{
	uint64_t seed = seed_or_env(_i);
	struct omap *map = omap_new();
	struct model m = { NULL, 0, 0 };
	unsigned step = 0;

	state = seed;
	for (unsigned phase = 0; phase < 25; phase++) {
		unsigned kind = rnd() % 5, del = rnd() % 75;

		for (unsigned i = 0; i < 5000; i++)
			one_step(map, &m, kind, del, seed, step++);
		same_all(map, &m, seed, step);
	}
	while (m.n) {
		struct okey k = m.e[rnd() % m.n].key;

		ck_assert(omap_del(map, k) == model_del(&m, k));
	}
	same_all(map, &m, seed, step);
	ck_assert_msg(omap_bytes(map) == 0, "seed %lu: an empty map holds nodes", seed);
	omap_free(map, NULL);
	free(m.e);
}
END_TEST

START_TEST(a_stretch_removed_from_the_front_leaves_room_for_smaller_keys)
{
	struct omap *map = omap_new();

	for (uint64_t i = 0; i < 20000; i++)
		omap_put(map, (struct okey){ 0, i * 10 }, map);
	for (uint64_t i = 0; i < 15000; i++)
		ck_assert_ptr_eq(omap_del(map, (struct okey){ 0, i * 10 }), map);
	for (uint64_t i = 150000; i-- > 0;)
		ck_assert_ptr_null(omap_put(map, (struct okey){ 0, i }, map));
	for (uint64_t i = 0; i < 150000; i++)
		ck_assert_ptr_eq(omap_get(map, (struct okey){ 0, i }), map);
	ck_assert_uint_eq(omap_count(map), 155000);
	omap_free(map, NULL);
}
END_TEST

START_TEST(ascending_keys_fill_their_leaves)
{
	struct omap *map = omap_new();

	for (uint64_t i = 0; i < 100000; i++)
		omap_put(map, (struct okey){ 1, i }, map);
	ck_assert_uint_lt(omap_bytes(map) / 100000, 28);
	omap_free(map, NULL);
}
END_TEST

START_TEST(descending_keys_fill_their_leaves_at_least_by_half)
{
	struct omap *map = omap_new();

	for (uint64_t i = 0; i < 64; i++)
		omap_put(map, (struct okey){ 1, i }, map);
	for (uint64_t i = 100000; i > 64; i--)
		omap_put(map, (struct okey){ 1, i }, map);
	ck_assert_uint_lt(omap_bytes(map) / 100000, 56);
	omap_free(map, NULL);
}
END_TEST

static unsigned freed;

static void count_free(void *val)
{
	freed++;
	free(val);
}

START_TEST(free_hands_every_value_to_its_function_once)
{
	struct omap *map = omap_new();

	for (uint64_t i = 0; i < 1000; i++)
		omap_put(map, (struct okey){ i % 7, i }, malloc(1));
	omap_free(map, count_free);
	ck_assert_uint_eq(freed, 1000);
	omap_free(NULL, count_free);
}
END_TEST

START_TEST(an_empty_map_has_no_entry_anywhere)
{
	struct omap *map = omap_new();
	struct omap_cur c;

	omap_seek(map, (struct okey){ 0, 0 }, &c);
	ck_assert_ptr_null(c.val);
	omap_next(&c);
	ck_assert_ptr_null(c.val);
	omap_floor(map, (struct okey){ UINT64_MAX, UINT64_MAX }, &c);
	ck_assert_ptr_null(c.val);
	omap_prev(&c);
	ck_assert_ptr_null(c.val);
	ck_assert_ptr_null(omap_get(map, (struct okey){ 0, 0 }));
	ck_assert_ptr_null(omap_del(map, (struct okey){ 0, 0 }));
	omap_free(map, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("omap");
	TCase *tc = tcase_create("omap");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, random_operations_answer_as_a_sorted_array_does, 0, 8);
	tcase_add_test(tc, a_stretch_removed_from_the_front_leaves_room_for_smaller_keys);
	tcase_add_test(tc, ascending_keys_fill_their_leaves);
	tcase_add_test(tc, descending_keys_fill_their_leaves_at_least_by_half);
	tcase_add_test(tc, free_hands_every_value_to_its_function_once);
	tcase_add_test(tc, an_empty_map_has_no_entry_anywhere);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
