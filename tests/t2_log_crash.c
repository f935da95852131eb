/* SPDX-License-Identifier: MIT */
/* t2_log_crash.c - doc/format.md §8: after any crash every synced batch is
 * read back, and no invented one; also after a crash of the recovered log.
 * Replay one case: CK_FORK=no VARVE_SEED=17 tests/t2_log_crash */
#include "t2_log_rig.h"

#define OPS 24u
#define LIVES 4u

struct trace {
	struct rig g;
	uint64_t seed; /* of the content of operations */
	uint64_t next_op;
	/* Syncs that completed: by then this many events, and operations. */
	struct {
		size_t events;
		uint64_t ops;
	} synced[OPS * LIVES];
	unsigned nsynced;
};

struct wait {
	struct log_waiter w;
	struct trace *t;
	uint64_t ops;
};

static void sync_done(struct log_waiter *w, int err)
{
	struct wait *wt = container_of(w, struct wait, w);
	struct trace *t = wt->t;

	ck_assert_int_eq(err, 0);
	t->synced[t->nsynced].events = dev_crash_events(t->g.dev);
	t->synced[t->nsynced++].ops = wt->ops;
	free(wt);
}

static void sync_async(struct trace *t, uint64_t batch)
{
	struct wait *w = calloc(1, sizeof *w);

	w->w.fn = sync_done;
	w->t = t;
	w->ops = t->next_op - 1;
	log_sync(t->g.log, t->g.ring, batch, &w->w);
}

/* Appends, seals, syncs; waits for little, so that much is in flight. */
static void run(struct trace *t, uint64_t *s, unsigned ops)
{
	uint64_t batch = 0;

	for (unsigned i = 0; i < ops; i++) {
		ck_assert_int_eq(op_append(&t->g, t->seed, t->next_op, &batch), 0);
		t->next_op++;
		if (rnd(s) % 3 == 0)
			log_seal(t->g.log, t->g.ring);
		if (rnd(s) % 5 == 0)
			sync_async(t, batch);
		if (rnd(s) % 3 == 0)
			ring_run(t->g.ring, 0);
	}
	if (rnd(s) % 2)
		sync_async(t, batch);
	while (ring_pending(t->g.ring))
		ck_assert_int_ge(ring_run(t->g.ring, -1), 0);
}

static uint64_t durable_ops(const struct trace *t, size_t cut)
{
	uint64_t ops = 0;

	for (unsigned i = 0; i < t->nsynced; i++)
		if (t->synced[i].events <= cut)
			ops = MAX(ops, t->synced[i].ops);
	return ops;
}

/* Checks an image against the trace; returns the operations found. */
static uint64_t check(const struct trace *t, struct dev *image, size_t cut,
		      uint64_t atleast, const char *what, struct tail *tail)
{
	int64_t n = log_check(image, &t->g.sup, &t->g.from, t->seed, tail);

	ck_assert_msg(n >= (int64_t)atleast && n < (int64_t)t->next_op,
		      "%s: seed %lu cut %zu: %ld operations of %lu durable, %lu appended",
		      what, t->seed, cut, n, atleast, t->next_op - 1);
	ck_assert_msg(!tail->damaged, "%s: seed %lu cut %zu: damage at %lu", what, t->seed,
		      cut, tail->damaged_addr);
	return (uint64_t)n;
}

START_TEST(synced_batches_survive_any_crash_and_none_is_invented)
{
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed;
	struct trace t = { .seed = seed, .next_op = 1 };
	struct dev *d;

	ck_assert_int_eq(dev_crash_new(RIG_SIZE, &d), 0);
	rig_new(&t.g, d, seed, 1);
	run(&t, &s, OPS);
	for (size_t cut = 0; cut <= dev_crash_events(d); cut++)
		for (uint64_t how = 0; how < 4; how++) {
			struct dev *image;
			struct tail tail;

			ck_assert_int_eq(dev_crash_image(d, cut, how, &image), 0);
			check(&t, image, cut, durable_ops(&t, cut), "first life", &tail);
			tail_free(&tail);
			dev_close(image);
		}
	rig_free(&t.g);
}
END_TEST

/* A crash device that holds what image holds, durably. */
static struct dev *crash_device_from(struct dev *image)
{
	static const uint8_t zero[VARVE_BLOCK];
	uint8_t *buf = dev_alloc(1u << 20);
	struct dev *d;

	ck_assert_int_eq(dev_crash_new(dev_size(image), &d), 0);
	for (uint64_t off = 0; off < dev_size(image); off += 1u << 20) {
		ck_assert_int_eq(dev_read(image, buf, off, 1u << 20), 0);
		for (uint32_t at = 0; at < 1u << 20; at += VARVE_BLOCK)
			if (memcmp(buf + at, zero, VARVE_BLOCK) != 0)
				ck_assert_int_eq(dev_write(d, buf + at, off + at,
							   VARVE_BLOCK), 0);
	}
	ck_assert_int_eq(dev_flush(d), 0);
	dev_free(buf);
	return d;
}

/* What a mount does: the tail's segments are in use, the log goes on. */
static void next_life(struct trace *t, struct dev *image, const struct tail *tail)
{
	struct rig *g = &t->g;
	struct log_params p = { .sup = &g->sup, .threads = 1 };

	log_close(g->log);
	segs_free_table(g->segs);
	dev_close(g->dev);
	g->dev = crash_device_from(image);
	dev_close(image);
	g->segs = segs_new(&g->sup);
	segs_mark_log(g->segs, 0);
	for (uint32_t i = 0; i < tail->nsegs; i++)
		segs_mark_log(g->segs, tail->segs[i]);
	p.segs = g->segs;
	p.first_op = t->next_op;
	p.epoch = g->epoch = MAX(g->epoch, tail->max_epoch) + 1;
	t->nsynced = 0;
	ck_assert_int_eq(log_open(g->dev, &p, &tail->end, &g->log), 0);
}

START_TEST(a_recovered_log_survives_the_next_crash_too)
{
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed + 77;
	struct trace t = { .seed = seed, .next_op = 1 };
	uint64_t base = 0; /* operations recovered, hence durable */
	size_t start = 0;
	struct dev *d;

	ck_assert_int_eq(dev_crash_new(RIG_SIZE, &d), 0);
	rig_new(&t.g, d, seed, 1);
	for (unsigned life = 0; life < LIVES; life++) {
		size_t events, cut;
		struct dev *image;
		struct tail tail;

		run(&t, &s, 1 + (unsigned)(rnd(&s) % 8));
		events = dev_crash_events(t.g.dev);
		cut = start + rnd(&s) % (events - start + 1);
		ck_assert_int_eq(dev_crash_image(t.g.dev, cut, rnd(&s) | 1, &image), 0);
		base = check(&t, image, cut, MAX(base, durable_ops(&t, cut)), "life",
			     &tail);
		t.next_op = base + 1;
		next_life(&t, image, &tail);
		/* From here on what log_open() did is the ground, or not even. */
		start = dev_crash_events(t.g.dev);
		if (rnd(&s) % 2 && start > 1)
			start--;
		tail_free(&tail);
	}
	rig_free(&t.g);
}
END_TEST

/* Exactly the trap that log_open() disarms: a batch whose header is whole and
 * whose data is not, right behind the recovered end. */
START_TEST(a_dropped_batch_does_not_hide_its_successor)
{
	struct trace t = { .seed = 5, .next_op = 1 };
	struct dev *d, *image;
	struct log_data data;
	uint32_t sum[1];
	uint64_t op, batch;
	struct tail tail;
	struct rec r;

	ck_assert_int_eq(dev_crash_new(RIG_SIZE, &d), 0);
	rig_new(&t.g, d, 5, 1);
	/* Batch 1: one operation, durable. */
	while (op_data_len(t.seed, 1, VARVE_PIECE_MAX) != 0)
		t.seed++;
	ck_assert_int_eq(op_append(&t.g, t.seed, 1, &batch), 0);
	log_seal(t.g.log, t.g.ring);
	/* Batch 2: its data never arrives. */
	ck_assert_int_eq(log_data_begin(t.g.log, t.g.ring, 100, SEG_USER, &data), 0);
	memset(data.mem, 1, 100);
	log_data_end(t.g.log, t.g.ring, &data);
	sum[0] = 12345;
	op_write_rec(t.seed, 2, data.addr, 100, sum, &r);
	ck_assert_int_eq(log_rec_begin(t.g.log, t.g.ring, rec_size(&r), SEG_USER, &op), 0);
	log_rec_end(t.g.log, t.g.ring, &r);
	log_data_done(t.g.log, &data);
	log_seal(t.g.log, t.g.ring);
	while (ring_pending(t.g.ring))
		ck_assert_int_ge(ring_run(t.g.ring, -1), 0);
	t.next_op = 2;
	ck_assert_int_eq(dev_crash_image(d, dev_crash_events(d), 0, &image), 0);
	ck_assert_uint_eq(check(&t, image, 0, 1, "before", &tail), 1);

	next_life(&t, image, &tail);
	tail_free(&tail);
	ck_assert_int_eq(op_append(&t.g, t.seed, 2, &batch), 0);
	t.next_op = 3;
	sync_async(&t, batch);
	while (ring_pending(t.g.ring))
		ck_assert_int_ge(ring_run(t.g.ring, -1), 0);
	ck_assert_int_eq(dev_mem_copy(t.g.dev, &image), 0);
	ck_assert_uint_eq(check(&t, image, 0, 2, "after", &tail), 2);
	tail_free(&tail);
	dev_close(image);
	rig_free(&t.g);
}
END_TEST

/* --- damage --- */

static void spoil_block(struct dev *d, uint64_t addr, uint64_t seed)
{
	uint8_t *block = dev_alloc(VARVE_BLOCK);

	ck_assert_int_eq(dev_read(d, block, addr, VARVE_BLOCK), 0);
	for (unsigned i = 0; i < 8; i++)
		block[rnd(&seed) % VARVE_BLOCK] ^= (uint8_t)(1 + rnd(&seed) % 255);
	ck_assert_int_eq(dev_write(d, block, addr, VARVE_BLOCK), 0);
	dev_free(block);
}

START_TEST(a_bad_batch_below_the_durable_end_is_damage)
{
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed, batch, where[40];
	struct trace t = { .seed = seed, .next_op = 1 };
	struct dev *d, *image;
	struct tail tail;
	struct batch b;
	struct scan *sc;
	uint64_t where_end = 0;
	unsigned n = 0, victim;

	ck_assert_int_eq(dev_crash_new(RIG_SIZE, &d), 0);
	rig_new(&t.g, d, seed, 1);
	for (unsigned i = 0; i < 30; i++) {
		ck_assert_int_eq(op_append(&t.g, seed, t.next_op++, &batch), 0);
		sync_async(&t, batch);
		while (ring_pending(t.g.ring))
			ck_assert_int_ge(ring_run(t.g.ring, -1), 0);
	}
	ck_assert_int_eq(scan_open(d, &t.g.sup, &t.g.from, &sc), 0);
	victim = (unsigned)(rnd(&s) % 29);
	while (scan_next(sc, &b) > 0 && n < ARRAY_LEN(where)) {
		where[n++] = b.addr;
		if (n == victim)
			where_end = b.addr + b.bytes;
	}
	scan_close(sc);
	ck_assert_uint_eq(n, 30);
	ck_assert_int_eq(dev_mem_copy(d, &image), 0);
	spoil_block(image, where[victim], s);
	ck_assert_int_eq(scan_tail(image, &t.g.sup, &t.g.from, &tail), 0);
	ck_assert_msg(tail.damaged, "seed %lu victim %u of %u", seed, victim, n);
	ck_assert_uint_eq(tail.batches, victim);
	/* Named is the place where it was looked for first: right behind its
	 * predecessor, or where it is. */
	ck_assert_msg(tail.damaged_addr == where[victim] ||
		      tail.damaged_addr == where_end,
		      "seed %lu: named %lu, is %lu", seed, tail.damaged_addr, where[victim]);
	tail_free(&tail);
	dev_close(image);

	/* The last one: nothing later says that it was durable. */
	ck_assert_int_eq(dev_mem_copy(d, &image), 0);
	spoil_block(image, where[n - 1], s);
	ck_assert_int_eq(scan_tail(image, &t.g.sup, &t.g.from, &tail), 0);
	ck_assert_uint_eq(tail.batches, n - 1);
	ck_assert(!tail.damaged);
	tail_free(&tail);
	dev_close(image);
	rig_free(&t.g);
}
END_TEST

START_TEST(a_read_error_is_an_error_and_not_the_end_of_the_log)
{
	struct trace t = { .seed = 3, .next_op = 1 };
	uint64_t batch;
	struct dev *d, *image;
	struct tail tail;
	unsigned failed = 0;

	ck_assert_int_eq(dev_crash_new(RIG_SIZE, &d), 0);
	rig_new(&t.g, d, 3, 1);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(op_append(&t.g, 3, t.next_op++, &batch), 0);
	sync_async(&t, batch);
	while (ring_pending(t.g.ring))
		ck_assert_int_ge(ring_run(t.g.ring, -1), 0);
	/* A failure in the space behind the log may go unnoticed; whatever fails,
	 * the log is never found shorter. */
	for (unsigned reads = 0; reads < 100; reads++) {
		int err;

		ck_assert_int_eq(dev_mem_copy(d, &image), 0);
		dev_sim_fail(image, DEV_READ, reads, 0, -VE_INJECTED);
		err = scan_tail(image, &t.g.sup, &t.g.from, &tail);
		dev_close(image);
		failed += err == -VE_INJECTED;
		if (err == -VE_INJECTED)
			continue;
		ck_assert_int_eq(err, 0);
		ck_assert_msg(tail.first_op == 6, "read %u", reads);
		tail_free(&tail);
	}
	ck_assert_uint_gt(failed, 3);
	rig_free(&t.g);
}
END_TEST

START_TEST(the_dump_shows_the_log_and_names_its_damage)
{
	uint64_t seed = 4, batch, addr[3];
	struct trace t = { .seed = seed, .next_op = 1 };
	struct slot slot = { .seq = 2 };
	char *text = NULL, want[64];
	struct dev *d;
	struct scan *s;
	struct batch b;
	size_t size;
	FILE *f;

	ck_assert_int_eq(dev_crash_new(RIG_SIZE, &d), 0);
	rig_new(&t.g, d, seed, 1);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(op_append(&t.g, seed, t.next_op++, &batch), 0);
		sync_async(&t, batch);
		while (ring_pending(t.g.ring))
			ck_assert_int_ge(ring_run(t.g.ring, -1), 0);
	}
	ck_assert_int_eq(super_write(d, &t.g.sup), 0);
	slot.table = calloc(t.g.sup.seg_count, sizeof *slot.table);
	slot.seg_count = t.g.sup.seg_count;
	slot.pos = t.g.from;
	segs_snapshot(t.g.segs, slot.table);
	ck_assert_int_eq(slot_write(d, &t.g.sup, &slot), 0);
	ck_assert_int_eq(scan_open(d, &t.g.sup, &t.g.from, &s), 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(scan_next(s, &b), 1);
		addr[i] = b.addr;
	}
	scan_close(s);

	f = open_memstream(&text, &size);
	ck_assert_int_eq(log_dump(d, ~0u, f), 0);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "superblock copy 1 at 25161728: good"));
	ck_assert_ptr_nonnull(strstr(text, "log tail: 3 batches"));
	ck_assert_ptr_nonnull(strstr(text, "pid 3 "));
	ck_assert_ptr_null(strstr(text, "DAMAGED"));
	free(text);

	spoil_block(d, addr[1], 1);
	spoil_block(d, 0, 2);
	f = open_memstream(&text, &size);
	ck_assert_int_eq(log_dump(d, ~0u, f), -VE_LOG_DAMAGE);
	fclose(f);
	snprintf(want, sizeof want, "DAMAGED at %lu\n", addr[1]);
	ck_assert_ptr_nonnull(strstr(text, want));
	ck_assert_ptr_nonnull(strstr(text, "log tail: 1 batches"));
	snprintf(want, sizeof want, "batch 3 at %lu ", addr[2]);
	ck_assert_msg(strstr(text, want) != NULL, "what follows the damage is not shown");
	free(text);
	slot_free(&slot);
	rig_free(&t.g);
}
END_TEST

/* Random damage anywhere: any answer but an overrun, a hang or a foreign
 * record. */
START_TEST(a_hostile_image_is_scanned_safely)
{
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed * 31 + 1, batch;
	struct trace t = { .seed = seed, .next_op = 1 };
	struct slot slot = { .seq = 2 };
	struct dev *d;
	struct super sup;

	ck_assert_int_eq(dev_crash_new(RIG_SIZE, &d), 0);
	rig_new(&t.g, d, seed, 1);
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(op_append(&t.g, seed, t.next_op++, &batch), 0);
		log_seal(t.g.log, t.g.ring);
		while (ring_pending(t.g.ring))
			ck_assert_int_ge(ring_run(t.g.ring, -1), 0);
	}
	sup = t.g.sup;
	ck_assert_int_eq(super_write(d, &sup), 0);
	slot.table = calloc(sup.seg_count, sizeof *slot.table);
	slot.seg_count = sup.seg_count;
	slot.pos = t.g.from;
	segs_snapshot(t.g.segs, slot.table);
	ck_assert_int_eq(slot_write(d, &sup, &slot), 0);
	for (unsigned step = 0; step < 10; step++) {
		struct log_pos from = t.g.from;
		struct dev *image;
		struct tail tail;
		FILE *null;

		ck_assert_int_eq(dev_mem_copy(d, &image), 0);
		for (unsigned k = 0; k < 6; k++)
			spoil_block(image, sup.seg_base +
				    rnd(&s) % (2 * sup.seg_size / VARVE_BLOCK) * VARVE_BLOCK,
				    rnd(&s));
		if (rnd(&s) % 4 == 0)
			from.addr = rnd(&s);
		if (rnd(&s) % 4 == 0)
			from.next_seg = (uint32_t)(rnd(&s) % 40);
		if (scan_tail(image, &sup, &from, &tail) == 0) {
			ck_assert_uint_le(tail.batches, 20);
			tail_free(&tail);
		}
		null = fopen("/dev/null", "w");
		(void)!log_dump(image, ~0u, null);
		fclose(null);
		dev_close(image);
	}
	slot_free(&slot);
	rig_free(&t.g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log crash");
	TCase *tc = tcase_create("crash");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, synced_batches_survive_any_crash_and_none_is_invented, 0, 24);
	tcase_add_loop_test(tc, a_recovered_log_survives_the_next_crash_too, 0, 150);
	tcase_add_test(tc, a_dropped_batch_does_not_hide_its_successor);
	tcase_add_loop_test(tc, a_bad_batch_below_the_durable_end_is_damage, 0, 20);
	tcase_add_test(tc, a_read_error_is_an_error_and_not_the_end_of_the_log);
	tcase_add_test(tc, the_dump_shows_the_log_and_names_its_damage);
	tcase_add_loop_test(tc, a_hostile_image_is_scanned_safely, 0, 20);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
