/* SPDX-License-Identifier: MIT */
/* t2_log_rig.h - what the log tests share: random numbers, a volume without
 * metadata on a simulated device, and operations whose content can be checked
 * from their number alone. */
#ifndef VARVE_TESTS_T2_LOG_RIG_H
#define VARVE_TESTS_T2_LOG_RIG_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "dev/devsim.h"
#include "log/log.h"
#include "log/piece.h"
#include "log/scan.h"

#define RIG_SIZE (24u << 20)

/* splitmix64 */
static inline uint64_t rnd(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline void fill(uint8_t *p, size_t n, uint64_t seed)
{
	while (n) {
		uint64_t v = rnd(&seed);
		size_t k = MIN(n, sizeof v);

		memcpy(p, &v, k);
		p += k;
		n -= k;
	}
}

/* A test is replayed with VARVE_SEED=n. */
static inline uint64_t seed_or_env(uint64_t i)
{
	const char *s = getenv("VARVE_SEED");

	return s ? strtoull(s, NULL, 10) : i;
}

struct rig {
	struct dev *dev;
	struct super sup;
	struct segs *segs;
	struct log *log;
	struct log_pos from; /* what a slot would name */
	struct ring *ring;
	uint64_t epoch;
};

static inline void rig_super(struct super *sup, uint64_t size, uint64_t seed)
{
	ck_assert_int_eq(super_plan(size, 0, sup), 0);
	fill(sup->uuid, sizeof sup->uuid, seed);
	fill(sup->hash_key, sizeof sup->hash_key, seed + 1);
	strcpy(sup->label, "rig");
}

/* A new volume: position as mkfs writes it. */
static inline void rig_new(struct rig *g, struct dev *dev, uint64_t seed, unsigned threads)
{
	struct log_params p = { .sup = &g->sup, .epoch = 1, .first_op = 1,
				.threads = threads };

	memset(g, 0, sizeof *g);
	g->dev = dev;
	g->epoch = 1;
	rig_super(&g->sup, dev_size(dev), seed);
	g->segs = p.segs = segs_new(&g->sup);
	g->from = (struct log_pos){ .addr = g->sup.seg_base, .seq = 1 };
	ck_assert_int_eq(ring_create(64, 0, &g->ring), 0);
	ck_assert_int_eq(log_open(dev, &p, &g->from, &g->log), 0);
}

static inline void rig_free(struct rig *g)
{
	log_close(g->log);
	segs_free_table(g->segs);
	ring_destroy(g->ring);
	dev_close(g->dev);
}

/* --- operations known by number --- */

static inline uint32_t op_data_len(uint64_t seed, uint64_t op, uint32_t max)
{
	uint64_t s = seed ^ (op * 0x1234567ull);

	switch (rnd(&s) % 8) {
	case 0:
	case 1:
		return 0; /* no data: a link */
	case 2:
	case 3:
	case 4:
		return 1 + (uint32_t)(rnd(&s) % 4095);
	case 5:
		return 4096 * (1 + (uint32_t)(rnd(&s) % 4));
	case 6:
		return 1 + (uint32_t)(rnd(&s) % (64u << 10));
	}
	return 1 + (uint32_t)(rnd(&s) % max);
}

/* name must have room for 256 bytes. */
static inline void op_rec(uint64_t seed, uint64_t op, char *name, struct rec *r)
{
	uint64_t s = seed ^ (op * 0x7654321ull);

	memset(r, 0, sizeof *r);
	r->kind = REC_LINK;
	r->uid = (uint32_t)seed;
	r->pid = (uint32_t)op;
	r->time = (int64_t)op;
	r->link.ino = op;
	r->link.at.dir = 1;
	r->link.at.cookie = rnd(&s);
	r->link.at.len = (uint8_t)(1 + rnd(&s) % 255);
	r->link.at.name = name;
	for (unsigned i = 0; i < r->link.at.len; i++)
		name[i] = (char)('a' + rnd(&s) % 26);
}

static inline void op_write_rec(uint64_t seed, uint64_t op, uint64_t addr, uint32_t len,
				const uint32_t *sums, struct rec *r)
{
	memset(r, 0, sizeof *r);
	r->kind = REC_WRITE;
	r->uid = (uint32_t)seed;
	r->pid = (uint32_t)op;
	r->time = (int64_t)op;
	r->write.ino = op;
	r->write.off = op * 3;
	r->write.len = r->write.stored = len;
	r->write.piece = op;
	r->write.addr = addr;
	r->write.nsums = piece_nsums(len);
	r->write.sums = sums;
}

/* Appends operation op; its number is what the log gives it.  0 or error. */
static inline int op_append(struct rig *g, uint64_t seed, uint64_t op, uint64_t *ret_batch)
{
	uint32_t len = op_data_len(seed, op, VARVE_PIECE_MAX);
	uint32_t sums[VARVE_PIECE_SUMS];
	struct log_data d;
	struct rec r;
	char name[256];
	uint64_t got;
	int err;

	if (len) {
		len = log_data_fit(g->log, len);
		err = log_data_begin(g->log, g->ring, len, SEG_USER, &d);
		if (err)
			return err;
		fill(d.mem, len, seed ^ op);
		piece_sum(d.mem, len, sums);
		op_write_rec(seed, op, d.addr, len, sums, &r);
		log_data_end(g->log, g->ring, &d);
	} else {
		op_rec(seed, op, name, &r);
	}
	err = log_rec_begin(g->log, g->ring, rec_size(&r), SEG_USER, &got);
	if (!err) {
		ck_assert_uint_eq(got, op);
		*ret_batch = log_rec_end(g->log, g->ring, &r);
		if (len)
			segs_live_add(g->segs, d.addr, len);
	}
	if (len)
		log_data_done(g->log, &d);
	return err;
}

/* Is this the record that operation op wrote, with its data?  Reads through
 * the device. */
static inline bool op_matches(struct dev *dev, uint64_t seed, uint64_t op,
			      const struct rec *r)
{
	uint64_t start, end;
	uint8_t *buf, *want;
	struct rec link;
	char name[256];
	bool ok;

	if (r->pid != (uint32_t)op || r->uid != (uint32_t)seed || r->time != (int64_t)op)
		return false;
	if (op_data_len(seed, op, VARVE_PIECE_MAX) == 0) {
		op_rec(seed, op, name, &link);
		return r->kind == REC_LINK && r->link.ino == op &&
			r->link.at.cookie == link.link.at.cookie &&
			r->link.at.len == link.link.at.len &&
			memcmp(r->link.at.name, name, r->link.at.len) == 0;
	}
	if (r->kind != REC_WRITE || r->write.ino != op)
		return false;
	start = align_down(r->write.addr, VARVE_BLOCK);
	end = align_up(r->write.addr + r->write.len, VARVE_BLOCK);
	buf = dev_alloc(end - start);
	want = malloc(r->write.len);
	fill(want, r->write.len, seed ^ op);
	ok = dev_read(dev, buf, start, (uint32_t)(end - start)) == 0 &&
		memcmp(buf + (r->write.addr - start), want, r->write.len) == 0 &&
		piece_verify(want, r->write.stored, r->write.sums, r->write.nsums) == 0;
	dev_free(buf);
	free(want);
	return ok;
}

/* Reads the log back from from: operations first.. in order, each as it was
 * written.  Returns how many there are; -1: foreign or out of order. */
static inline int64_t log_check(struct dev *dev, const struct super *sup,
				const struct log_pos *from, uint64_t seed, struct tail *t)
{
	static uint32_t sums[VARVE_PIECE_SUMS];
	struct rec_iter it;
	struct scan *s;
	struct batch b;
	struct rec r;
	int64_t n = 0;

	ck_assert_int_eq(scan_tail(dev, sup, from, t), 0);
	ck_assert_int_eq(scan_open(dev, sup, from, &s), 0);
	for (uint64_t i = 0; i < t->batches && n >= 0; i++) {
		ck_assert_int_eq(scan_next(s, &b), 1);
		rec_iter_init(&it, &b);
		while (n >= 0 && rec_iter_next(&it, sums, &r) > 0) {
			uint64_t op = (uint64_t)n + 1;

			n = it.op - 1 == op && op_matches(dev, seed, op, &r) ? n + 1 : -1;
		}
	}
	scan_close(s);
	return n;
}

#endif
