/* SPDX-License-Identifier: MIT */
/* t2_log_seg.c - the segment table as a state machine (seg.h, I6), and what
 * stores it: superblock and checkpoint slots (super.h). */
#include <errno.h>

#include "base/crc32c.h"
#include "log/codec.h"
#include "log/seg.h"
#include "t2_log_rig.h"

#define GIB (1ull << 30)

static struct super sup;

static struct segs *table(void)
{
	rig_super(&sup, RIG_SIZE, 1);
	return segs_new(&sup);
}

static enum seg_state state_of(struct segs *t, uint32_t idx)
{
	struct seg_info i;

	segs_get(t, idx, &i);
	return i.state;
}

static uint32_t alloc(struct segs *t, enum seg_state to)
{
	uint32_t idx;

	ck_assert_int_eq(segs_alloc(t, to, SEG_SYSTEM, &idx), 0);
	return idx;
}

START_TEST(a_released_segment_is_free_only_one_checkpoint_later)
{
	struct segs *t = table();
	struct seg_disk disk[64];
	uint32_t a = alloc(t, SEG_LOG), b = alloc(t, SEG_META);

	segs_release(t, a, 7);
	segs_snapshot(t, disk);
	ck_assert_int_eq(state_of(t, a), SEG_PENDING);
	ck_assert_int_eq(disk[a].state, SEG_FREE);
	ck_assert_int_eq(disk[b].state, SEG_META);
	segs_durable(t, 7, NULL, NULL);
	ck_assert_int_eq(state_of(t, a), SEG_PENDING);
	segs_durable(t, 8, NULL, NULL);
	ck_assert_int_eq(state_of(t, a), SEG_FREE);
	ck_assert_int_eq(state_of(t, b), SEG_META);
	segs_free_table(t);
}
END_TEST

static void count_freed(void *arg, uint32_t idx)
{
	uint32_t *mask = arg;

	*mask |= 1u << idx;
}

START_TEST(freed_segments_are_told_and_not_given_out_meanwhile)
{
	struct segs *t = table();
	uint32_t a = alloc(t, SEG_LOG), b = alloc(t, SEG_LOG), mask = 0;

	segs_release(t, a, 1);
	segs_release(t, b, 2);
	segs_durable(t, 2, count_freed, &mask);
	ck_assert_uint_eq(mask, 1u << a);
	ck_assert_int_eq(state_of(t, a), SEG_FREE);
	ck_assert_int_eq(state_of(t, b), SEG_PENDING);
	segs_free_table(t);
}
END_TEST

START_TEST(what_the_older_slot_needs_is_pending_after_loading)
{
	struct segs *t = table(), *u;
	uint32_t n = segs_count(t), a = alloc(t, SEG_LOG), b = alloc(t, SEG_META);
	struct slot older = { .seq = 4, .seg_count = n }, newest = { .seq = 5, .seg_count = n };

	older.table = calloc(n, sizeof *older.table);
	newest.table = calloc(n, sizeof *newest.table);
	segs_live_add(t, segs_addr(t, b) + 5, 77);
	segs_snapshot(t, older.table);
	segs_release(t, a, 5);
	segs_snapshot(t, newest.table);
	ck_assert_int_eq(segs_load(&sup, &newest, &older, &u), 0);
	ck_assert_int_eq(state_of(u, a), SEG_PENDING);
	ck_assert_int_eq(state_of(u, b), SEG_META);
	segs_durable(u, 5, NULL, NULL);
	ck_assert_int_eq(state_of(u, a), SEG_PENDING);
	segs_durable(u, 6, NULL, NULL);
	ck_assert_int_eq(state_of(u, a), SEG_FREE);
	segs_free_table(u);
	ck_assert_int_eq(segs_load(&sup, &newest, NULL, &u), 0);
	ck_assert_int_eq(state_of(u, a), SEG_FREE);
	segs_free_table(u);
	newest.table[3].state = SEG_PENDING;
	ck_assert_int_eq(segs_load(&sup, &newest, NULL, &u), -VE_SLOT_VALUE);
	slot_free(&older);
	slot_free(&newest);
	segs_free_table(t);
}
END_TEST

START_TEST(the_reserve_is_for_those_who_make_space)
{
	static const enum seg_class cls[] = { SEG_USER, SEG_CLEANING, SEG_SYSTEM };
	static const uint32_t left[] = { 8, 4, 0 };
	struct segs *t = table();
	struct segs_space sp;
	uint32_t idx;

	segs_set_reserve(t, 8);
	ck_assert_uint_eq(segs_reserve(t), 8);
	for (unsigned i = 0; i < 3; i++) {
		while (segs_alloc(t, SEG_LOG, cls[i], &idx) == 0)
			continue;
		segs_get_space(t, &sp);
		ck_assert_uint_eq(sp.free, left[i]);
		ck_assert_int_eq(segs_alloc(t, SEG_LOG, cls[i], &idx), -ENOSPC);
	}
	ck_assert_uint_eq(sp.log, sp.total);
	segs_free_table(t);
}
END_TEST

START_TEST(allocation_moves_on_instead_of_reusing_at_once)
{
	struct segs *t = table();
	uint32_t a = alloc(t, SEG_LOG), b;

	segs_unalloc(t, a);
	b = alloc(t, SEG_LOG); /* the hand is still on it: lowest at or after */
	ck_assert_uint_eq(a, b);
	a = alloc(t, SEG_LOG);
	segs_unalloc(t, b);
	ck_assert_uint_eq(alloc(t, SEG_LOG), a + 1);
	while (segs_alloc(t, SEG_LOG, SEG_SYSTEM, &a) == 0)
		b = a;
	ck_assert_uint_eq(b, 0); /* round the end, to the one given back */
	segs_free_table(t);
}
END_TEST

START_TEST(only_dead_unpinned_old_log_segments_are_released)
{
	struct segs *t = table();
	uint32_t dead = alloc(t, SEG_LOG), live = alloc(t, SEG_LOG),
		pinned = alloc(t, SEG_LOG), young = alloc(t, SEG_LOG),
		kept = alloc(t, SEG_LOG), meta = alloc(t, SEG_META), unknown;
	uint32_t keep[] = { kept };

	unknown = alloc(t, SEG_LOG);
	segs_touch(t, unknown, 1, 0); /* known only to be old */
	segs_touch(t, live, 1, 2);
	segs_touch(t, pinned, 1, 2);
	segs_touch(t, kept, 1, 2);
	segs_touch(t, dead, 1, 9);
	segs_touch(t, young, 1, 10);
	segs_live_add(t, segs_addr(t, live) + 4096, 1);
	segs_pin(t, segs_addr(t, pinned));
	ck_assert_uint_eq(segs_release_dead(t, 3, 10, keep, 1), 2);
	ck_assert_int_eq(state_of(t, dead), SEG_PENDING);
	ck_assert_int_eq(state_of(t, unknown), SEG_PENDING);
	ck_assert_int_eq(state_of(t, live), SEG_LOG);
	ck_assert_int_eq(state_of(t, pinned), SEG_LOG);
	ck_assert_int_eq(state_of(t, young), SEG_LOG);
	ck_assert_int_eq(state_of(t, kept), SEG_LOG);
	ck_assert_int_eq(state_of(t, meta), SEG_META);
	segs_unpin(t, segs_addr(t, pinned));
	segs_live_add(t, segs_addr(t, live) + 4096, -1);
	ck_assert_uint_eq(segs_release_dead(t, 4, 10, keep, 1), 2);
	segs_free_table(t);
}
END_TEST

/* The log takes its next segment some time before it counts as held: a checkpoint
 * in between released it, and what was then written there was lost. */
START_TEST(a_segment_just_allocated_is_never_taken_for_dead)
{
	struct segs *t = table();
	uint32_t fresh = alloc(t, SEG_LOG);

	ck_assert_uint_eq(segs_count_dead(t, NULL, 0), 0);
	ck_assert_uint_eq(segs_release_dead(t, 3, 10, NULL, 0), 0);
	ck_assert_int_eq(state_of(t, fresh), SEG_LOG);
	segs_touch(t, fresh, 1, 9);
	ck_assert_uint_eq(segs_release_dead(t, 4, 10, NULL, 0), 1);
	segs_free_table(t);
}
END_TEST

START_TEST(a_pin_keeps_only_what_lives)
{
	struct segs *t = table();
	uint32_t s = alloc(t, SEG_LOG);

	segs_touch(t, s, 1, 2);
	ck_assert(!segs_pin_live(t, s));
	segs_live_add(t, segs_addr(t, s), 8);
	ck_assert(segs_pin_live(t, s));
	segs_live_add(t, segs_addr(t, s), -8);
	ck_assert_uint_eq(segs_release_dead(t, 4, 10, NULL, 0), 0);
	segs_unpin(t, segs_addr(t, s));
	ck_assert_uint_eq(segs_release_dead(t, 4, 10, NULL, 0), 1);
	ck_assert(!segs_pin_live(t, s));
	segs_free_table(t);
}
END_TEST

/* Random steps against a model of the rules in seg.h. */
START_TEST(random_steps_follow_the_rules)
{
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed;
	struct segs *t = table();
	uint32_t n = segs_count(t);
	enum seg_state model[64] = { 0 };
	uint64_t ckpt_of[64] = { 0 }, ckpt = 1;
	int64_t live[64] = { 0 };

	ck_assert_uint_le(n, 64);
	for (unsigned step = 0; step < 2000; step++) {
		uint32_t i = (uint32_t)(rnd(&s) % n), idx, states[4] = { 0 };
		struct segs_space sp;
		uint64_t sum = 0;

		switch (rnd(&s) % 6) {
		case 0:
		case 1:
			if (segs_alloc(t, rnd(&s) % 2 ? SEG_LOG : SEG_META, SEG_SYSTEM, &idx))
				break;
			ck_assert_msg(model[idx] == SEG_FREE, "seed %lu step %u: %u given twice",
				      seed, step, idx);
			model[idx] = state_of(t, idx);
			live[idx] = 0;
			break;
		case 2:
			if (model[i] != SEG_LOG && model[i] != SEG_META)
				break;
			segs_release(t, i, ckpt);
			model[i] = SEG_PENDING;
			ckpt_of[i] = ckpt;
			live[i] = 0;
			break;
		case 3:
			segs_durable(t, ckpt, NULL, NULL);
			for (uint32_t k = 0; k < n; k++)
				if (model[k] == SEG_PENDING && ckpt_of[k] < ckpt)
					model[k] = SEG_FREE;
			ckpt++;
			break;
		case 4:
			if (model[i] != SEG_LOG)
				break;
			segs_live_add(t, segs_addr(t, i) + rnd(&s) % sup.seg_size, 1000);
			live[i] += 1000;
			break;
		case 5:
			if (model[i] != SEG_LOG || live[i] == 0)
				break;
			segs_live_add(t, segs_addr(t, i), -1000);
			live[i] -= 1000;
			break;
		}
		segs_get_space(t, &sp);
		for (uint32_t k = 0; k < n; k++) {
			ck_assert_msg(state_of(t, k) == model[k], "seed %lu step %u segment %u",
				      seed, step, k);
			states[model[k]]++;
			sum += model[k] == SEG_LOG ? (uint64_t)live[k] : 0;
		}
		ck_assert_uint_eq(sp.free, states[SEG_FREE]);
		ck_assert_uint_eq(sp.pending, states[SEG_PENDING]);
		ck_assert_uint_eq(sp.log, states[SEG_LOG]);
		ck_assert_uint_eq(sp.meta, states[SEG_META]);
		ck_assert_uint_eq(sp.live_bytes, sum);
	}
	segs_free_table(t);
}
END_TEST

START_TEST(addresses_outside_every_segment_have_no_index)
{
	struct segs *t = table();
	uint32_t last = segs_count(t) - 1;

	ck_assert_uint_eq(segs_index(t, 0), UINT32_MAX);
	ck_assert_uint_eq(segs_index(t, sup.seg_base - 1), UINT32_MAX);
	ck_assert_uint_eq(segs_index(t, sup.seg_base), 0);
	ck_assert_uint_eq(segs_index(t, segs_addr(t, last) + segs_size(t) - 1), last);
	ck_assert_uint_eq(segs_index(t, segs_addr(t, last) + segs_size(t)), UINT32_MAX);
	ck_assert_uint_eq(segs_index(t, UINT64_MAX), UINT32_MAX);
	segs_free_table(t);
}
END_TEST

/* --- superblock --- */

static const uint64_t sizes[] = {
	17ull << 20, 32ull << 20, 100ull << 20, GIB - 5000, GIB, 16 * GIB, 1024 * GIB,
	64 * 1024 * GIB,
};

START_TEST(geometry_suits_the_device)
{
	uint64_t size = sizes[_i];
	struct super s;

	ck_assert_int_eq(super_plan(size, 0, &s), 0);
	ck_assert_uint_ge(s.seg_count, SEG_COUNT_MIN);
	ck_assert(s.seg_count >= 64 || s.seg_size == SEG_SIZE_MIN);
	ck_assert_uint_le(s.seg_base + (uint64_t)s.seg_count * s.seg_size + VARVE_BLOCK, size);
	ck_assert_uint_ge(s.slot_size, VARVE_BLOCK + 16ull * s.seg_count * 15);
	ck_assert_uint_le(s.slot_off + 2 * s.slot_size, s.seg_base);
	/* What is not usable is less than a segment and 1/64 of the device. */
	ck_assert_uint_ge((uint64_t)(s.seg_count + 1) * s.seg_size + size / 64, size - size / 50);
}
END_TEST

START_TEST(a_device_too_small_or_a_strange_segment_size_is_refused)
{
	struct super s;

	ck_assert_int_eq(super_plan(0, 0, &s), -VE_DEV_SMALL);
	ck_assert_int_eq(super_plan(16u << 20, 0, &s), -VE_DEV_SMALL);
	ck_assert_int_eq(super_plan(GIB, 1000000, &s), -EINVAL);
	ck_assert_int_eq(super_plan(GIB, 1u << 19, &s), -EINVAL);
	ck_assert_int_eq(super_plan(GIB, 1u << 27, &s), -EINVAL);
	ck_assert_int_eq(super_plan(GIB, 64u << 20, &s), -VE_DEV_SMALL);
}
END_TEST

static void spoil(struct dev *d, uint64_t off, size_t at, uint8_t with)
{
	uint8_t *block = dev_alloc(VARVE_BLOCK);

	ck_assert_int_eq(dev_read(d, block, off, VARVE_BLOCK), 0);
	block[at] ^= with;
	ck_assert_int_eq(dev_write(d, block, off, VARVE_BLOCK), 0);
	dev_free(block);
}

START_TEST(either_copy_of_the_superblock_is_enough)
{
	struct super s, got;
	struct dev *d;
	bool repaired;

	memset(&got, 0, sizeof got);
	ck_assert_int_eq(dev_mem_new(RIG_SIZE, &d), 0);
	ck_assert_int_eq(super_read(d, &got, &repaired), -VE_SUPER_MAGIC);
	rig_super(&s, RIG_SIZE, 9);
	s.created = 12345;
	ck_assert_int_eq(super_write(d, &s), 0);
	ck_assert_int_eq(super_read(d, &got, &repaired), 0);
	ck_assert(!repaired);
	ck_assert_mem_eq(got.uuid, s.uuid, 16);
	ck_assert_mem_eq(got.hash_key, s.hash_key, 16);
	ck_assert_str_eq(got.label, "rig");
	ck_assert_uint_eq(got.seg_count, s.seg_count);
	ck_assert_int_eq(got.created, 12345);
	spoil(d, 0, 200, 1);
	ck_assert_int_eq(super_read(d, &got, &repaired), 0);
	ck_assert(repaired);
	ck_assert_uint_eq(got.seg_base, s.seg_base);
	spoil(d, RIG_SIZE - VARVE_BLOCK, 200, 1);
	ck_assert_int_eq(super_read(d, &got, &repaired), -VE_SUPER_CRC);
	dev_close(d);
}
END_TEST

/* Writes v where it belongs and makes the checksum right again. */
static void patch_super(uint8_t *block, size_t off, unsigned width, uint64_t v)
{
	static const uint8_t zero[4];

	for (unsigned i = 0; i < width; i++)
		block[off + i] = (uint8_t)(v >> (8 * i));
	memcpy(block + 8, zero, 4);
	put32(block + 8, crc32c(0, block, VARVE_BLOCK));
}

static const struct {
	const char *what;
	size_t off;
	unsigned width;
	uint64_t value;
	int err;
} patches[] = {
	{ "nothing", 4000, 1, 0, 0 },
	{ "unknown compatible feature", 16, 8, 1, 0 },
	{ "unknown read-only feature", 24, 8, 1, 0 },
	{ "unknown incompatible feature", 32, 8, 1, -VE_FEATURE },
	{ "version 2", 12, 4, 2, -VE_FEATURE },
	{ "no magic", 0, 1, 0, -VE_SUPER_MAGIC },
	{ "device larger than it is", 136, 8, RIG_SIZE + 4096, -VE_SUPER_VALUE },
	{ "device size 0", 136, 8, 0, -VE_SUPER_VALUE },
	{ "slots elsewhere", 144, 8, 4096, -VE_SUPER_VALUE },
	{ "slots without room", 152, 8, 4096, -VE_SUPER_VALUE },
	{ "slots that wrap", 152, 8, -4096ull, -VE_SUPER_VALUE },
	{ "segments over the slots", 160, 8, 65536, -VE_SUPER_VALUE },
	{ "segments beyond the end", 160, 8, RIG_SIZE - 4096, -VE_SUPER_VALUE },
	{ "segment base that wraps", 160, 8, -4096ull, -VE_SUPER_VALUE },
	{ "segment size 0", 168, 4, 0, -VE_SUPER_VALUE },
	{ "segment size 3 MiB", 168, 4, 3u << 20, -VE_SUPER_VALUE },
	{ "too many segments", 172, 4, UINT32_MAX, -VE_SUPER_VALUE },
	{ "too few segments", 172, 4, 1, -VE_SUPER_VALUE },
	{ "block size 512", 176, 4, 512, -VE_SUPER_VALUE },
	{ "copy 2", 180, 4, 2, -VE_SUPER_VALUE },
};

START_TEST(impossible_superblocks_have_a_named_error)
{
	static uint8_t block[VARVE_BLOCK];
	struct super s;
	int err;

	rig_super(&s, RIG_SIZE, 3);
	super_encode(&s, 0, block);
	patch_super(block, patches[_i].off, patches[_i].width, patches[_i].value);
	err = super_decode(block, RIG_SIZE, &s);
	ck_assert_msg(err == patches[_i].err, "%s: %s", patches[_i].what, err_str(err));
}
END_TEST

/* --- slots --- */

static void make_slot(struct slot *s, uint64_t seq)
{
	*s = (struct slot){
		.seq = seq, .epoch = 4, .clean = true, .time = 77,
		.pos = { .addr = sup.seg_base + 8192, .seq = 10, .prev_crc = 5, .next_seg = 3 },
		.map = { .addr = sup.seg_base + (5u << 20) + 8192, .crc = 6, .depth = 2,
			 .pages = 300 },
		.count = { 1, 2, 3, 4, 5, 6 },
		.seg_count = sup.seg_count,
	};
	s->table = calloc(sup.seg_count, sizeof *s->table);
	s->table[0] = (struct seg_disk){ .state = SEG_LOG, .live = 99, .stamp = 11 };
	s->table[5] = (struct seg_disk){ .state = SEG_META, .live = 9, .sum = 8 };
}

START_TEST(a_slot_reads_back_as_written)
{
	struct slot s, got = { 0 };
	struct dev *d;

	rig_super(&sup, RIG_SIZE, 1);
	ck_assert_int_eq(dev_mem_new(RIG_SIZE, &d), 0);
	make_slot(&s, 7);
	ck_assert_int_eq(slot_write(d, &sup, &s), 0);
	ck_assert_int_eq(slot_read(d, &sup, 0, &got), -VE_SLOT_CRC);
	ck_assert_int_eq(slot_read(d, &sup, 1, &got), 0);
	ck_assert_uint_eq(got.seq, 7);
	ck_assert(got.clean);
	ck_assert_mem_eq(&got.pos, &s.pos, sizeof s.pos);
	ck_assert_mem_eq(&got.count, &s.count, sizeof s.count);
	ck_assert_uint_eq(got.map.addr, s.map.addr);
	ck_assert_uint_eq(got.map.depth, 2);
	ck_assert_uint_eq(got.map.pages, 300);
	ck_assert_mem_eq(got.table, s.table, sup.seg_count * sizeof *s.table);
	slot_free(&got);
	slot_free(&s);
	dev_close(d);
}
END_TEST

START_TEST(a_damaged_slot_is_refused)
{
	uint64_t seed = seed_or_env((uint64_t)_i), at;
	struct slot s, got = { 0 };
	struct dev *d;

	rig_super(&sup, RIG_SIZE, 1);
	ck_assert_int_eq(dev_mem_new(RIG_SIZE, &d), 0);
	make_slot(&s, 6);
	ck_assert_int_eq(slot_write(d, &sup, &s), 0);
	at = rnd(&seed) % (VARVE_BLOCK + sup.seg_count * sizeof(struct seg_disk));
	spoil(d, sup.slot_off + at / 4096 * 4096, at % 4096, (uint8_t)(1 + rnd(&seed) % 255));
	ck_assert_msg(slot_read(d, &sup, 0, &got) < 0, "seed %d: byte %lu", _i, at);
	slot_free(&s);
	dev_close(d);
}
END_TEST

START_TEST(a_slot_with_impossible_values_is_refused)
{
	struct slot s, got = { 0 };
	struct dev *d;

	rig_super(&sup, RIG_SIZE, 1);
	ck_assert_int_eq(dev_mem_new(RIG_SIZE, &d), 0);
	make_slot(&s, 6);
	switch (_i) {
	case 0: s.pos.addr = sup.seg_base + 1; break;
	case 1: s.pos.addr = sup.dev_size; break;
	case 2: s.pos.seq = 0; break;
	case 3: s.pos.next_seg = sup.seg_count; break;
	case 4: s.map.depth = 0; break;
	case 5: s.map.depth = MAP_DEPTH_MAX + 1; break;
	case 6: s.map.addr = 4096; break;
	case 7: s.table[2].state = SEG_PENDING; break;
	case 8: s.table[2].live = sup.seg_size + 1; break;
	}
	ck_assert_int_eq(slot_write(d, &sup, &s), 0);
	ck_assert_int_eq(slot_read(d, &sup, 0, &got), -VE_SLOT_VALUE);
	slot_free(&s);
	dev_close(d);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log segments, superblock, slots");
	TCase *tc = tcase_create("seg");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_released_segment_is_free_only_one_checkpoint_later);
	tcase_add_test(tc, freed_segments_are_told_and_not_given_out_meanwhile);
	tcase_add_test(tc, what_the_older_slot_needs_is_pending_after_loading);
	tcase_add_test(tc, the_reserve_is_for_those_who_make_space);
	tcase_add_test(tc, allocation_moves_on_instead_of_reusing_at_once);
	tcase_add_test(tc, only_dead_unpinned_old_log_segments_are_released);
	tcase_add_test(tc, a_segment_just_allocated_is_never_taken_for_dead);
	tcase_add_test(tc, a_pin_keeps_only_what_lives);
	tcase_add_loop_test(tc, random_steps_follow_the_rules, 0, 20);
	tcase_add_test(tc, addresses_outside_every_segment_have_no_index);
	tcase_add_loop_test(tc, geometry_suits_the_device, 0, ARRAY_LEN(sizes));
	tcase_add_test(tc, a_device_too_small_or_a_strange_segment_size_is_refused);
	tcase_add_test(tc, either_copy_of_the_superblock_is_enough);
	tcase_add_loop_test(tc, impossible_superblocks_have_a_named_error, 0,
			    ARRAY_LEN(patches));
	tcase_add_test(tc, a_slot_reads_back_as_written);
	tcase_add_loop_test(tc, a_damaged_slot_is_refused, 0, 100);
	tcase_add_loop_test(tc, a_slot_with_impossible_values_is_refused, 0, 9);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
