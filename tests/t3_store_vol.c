/* SPDX-License-Identifier: MIT */
/* t3_store_vol.c - a volume on RAM: mkfs, commit, checkpoint, recovery.
 *
 * Promises (DESIGN I1, I2, I6; doc/durability.md): what was sealed before a
 * kill is replayed; replay gives row for row what was live; dead segments come
 * back after two checkpoints; a damaged unit is an error, never data. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"
#include "dev/devsim.h"
#include "meta/names.h"
#include "store/vol.h"

#define SIZE (64u << 20)

static struct dev *dev;
static struct ring *ring;
static struct vol *vol;
static struct vol_ctx *ctx;

static void open_vol(void)
{
	struct vol_opts o;

	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	ck_assert_int_eq(vol_open(dev, &o, &vol), 0);
	ck_assert_int_eq(vol_ctx_open(vol, ring, &ctx), 0);
}

static void close_vol(void)
{
	vol_ctx_close(ctx);
	ck_assert_int_eq(vol_close(vol), 0);
}

static void kill_vol(void)
{
	vol_ctx_close(ctx);
	vol_abandon(vol);
}

static void setup(void)
{
	struct vol_format f = { .root_mode = 0755 };

	ck_assert_int_eq(ring_create(64, 0, &ring), 0);
	ck_assert_int_eq(dev_mem_new(SIZE, &dev), 0);
	ck_assert_int_eq(vol_mkfs(dev, &f), 0);
	open_vol();
}

static void teardown(void)
{
	dev_close(dev);
	ring_destroy(ring);
}

/* --- operations, as fs would do them --- */

static struct rec_name place(uint64_t dir, const char *name)
{
	struct entry_row e;
	uint64_t cookie = 0;
	int err = state_entry(vol_state(vol), ctx->rd, dir, name, strlen(name), &e, &cookie);

	ck_assert(err == 0 || err == -ENOENT);
	return (struct rec_name){ dir, err ? cookie : e.cookie, name, (uint8_t)strlen(name) };
}

static int make(uint64_t dir, const char *name, uint32_t mode, uint64_t *ret_ino)
{
	struct rec r = { .kind = REC_MAKE, .make = { .mode = mode } };
	int err;

	vol_wrlock(vol);
	r.make.at = place(dir, name);
	r.make.ino = *ret_ino = vol_next_ino(vol);
	err = vol_commit(ctx, &r, SEG_USER, NULL);
	vol_unlock(vol);
	return err;
}

static int put(uint64_t ino, uint64_t off, const void *buf, uint32_t len)
{
	struct vol_data d;
	struct rec r = { .kind = REC_WRITE };
	int err = vol_data_put(ctx, buf, len, &d);

	if (err)
		return err;
	vol_wrlock(vol);
	r.write.ino = ino;
	r.write.off = off;
	r.write.len = r.write.stored = len;
	r.write.piece = vol_next_piece(vol);
	r.write.addr = d.d.addr;
	r.write.nsums = d.nsums;
	r.write.sums = d.sums;
	err = vol_commit(ctx, &r, SEG_USER, NULL);
	vol_unlock(vol);
	vol_data_done(ctx, &d);
	return err;
}

static int cut(uint64_t ino, uint64_t size)
{
	struct rec r = { .kind = REC_TRUNCATE, .truncate = { .ino = ino, .size = size } };
	int err;

	vol_wrlock(vol);
	err = vol_commit(ctx, &r, SEG_CLEANING, NULL);
	vol_unlock(vol);
	return err;
}

struct got {
	struct vol_read r;
	bool done;
	int err;
};

static void got_done(struct vol_read *r, int err)
{
	struct got *g = container_of(r, struct got, r);

	g->done = true;
	g->err = err;
}

static int get(uint64_t ino, uint64_t off, void *buf, uint32_t len)
{
	struct got g = { .r = { .ino = ino, .off = off, .len = len, .buf = buf,
				.done = got_done } };
	int err = vol_read(ctx, &g.r);

	if (err <= 0)
		return err;
	while (!g.done)
		ck_assert_int_ge(ring_run(ring, -1), 0);
	return g.err;
}

/* --- every row as text --- */

struct dump {
	FILE *out;
	uint64_t ino;
};

static int dump_entry(void *arg, const struct entry_row *e)
{
	struct dump *d = arg;

	fprintf(d->out, " entry %llx %s -> %llu type %u seq %llu\n", (unsigned long long)e->cookie,
		e->name, (unsigned long long)e->ino, e->type, (unsigned long long)e->seq);
	return 0;
}

static int dump_extent(void *arg, const struct extent_row *x)
{
	struct dump *d = arg;

	fprintf(d->out, " extent %llu+%llu piece %llu+%u seq %llu\n", (unsigned long long)x->off,
		(unsigned long long)x->len, (unsigned long long)x->piece, x->poff,
		(unsigned long long)x->seq);
	return 0;
}

static int dump_inode(void *arg, const struct inode_row *i)
{
	struct dump *d = arg;

	fprintf(d->out, "inode %llu seq %llu mode %o nlink %u size %llu bytes %llu m %lld c %lld\n",
		(unsigned long long)i->ino, (unsigned long long)i->seq, i->mode, i->nlink,
		(unsigned long long)i->size, (unsigned long long)i->bytes, (long long)i->mtime,
		(long long)i->ctime);
	ck_assert_int_eq(state_entries(vol_state(vol), ctx->rd, i->ino, 0, dump_entry, d), 0);
	ck_assert_int_eq(state_extents(vol_state(vol), ctx->rd, i->ino, 0, INT64_MAX, dump_extent, d),
			 0);
	return 0;
}

static int dump_piece(void *arg, const struct piece_row *p)
{
	struct dump *d = arg;

	fprintf(d->out, "piece %llu at %llu len %u refs %u sum %x\n", (unsigned long long)p->id,
		(unsigned long long)p->addr, p->len, p->refs, p->sums[0]);
	return 0;
}

static char *dump_all(void)
{
	char *text;
	size_t len;
	struct dump d = { .out = open_memstream(&text, &len) };

	ck_assert_int_eq(state_inodes(vol_state(vol), ctx->rd, 0, dump_inode, &d), 0);
	ck_assert_int_eq(state_pieces(vol_state(vol), ctx->rd, 0, dump_piece, &d), 0);
	fclose(d.out);
	return text;
}

static void say(void *arg, const char *finding)
{
	fprintf(stderr, "verify: %s\n", finding);
}

static void verify(void)
{
	ck_assert_int_eq(vol_verify(ctx, say, NULL), 0);
}

/* --- tests --- */

START_TEST(a_new_volume_has_an_empty_root)
{
	struct inode_row i;

	ck_assert_int_eq(state_inode(vol_state(vol), ctx->rd, VARVE_ROOT_INO, &i), 0);
	ck_assert_uint_eq(i.mode, S_IFDIR | 0755);
	ck_assert_uint_eq(i.nlink, 2);
	ck_assert_uint_eq(i.size, 0);
	verify();
	close_vol();
}
END_TEST

START_TEST(what_was_written_reads_back_at_once_after_a_checkpoint_and_after_remount)
{
	static uint8_t buf[300000], back[300000];
	uint64_t ino;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7 + i / 4096);
	ck_assert_int_eq(make(1, "file", S_IFREG | 0644, &ino), 0);
	ck_assert_int_eq(put(ino, 0, buf, sizeof(buf)), 0);
	ck_assert_int_eq(put(ino, 1000, buf, 100), 0);
	memcpy(buf + 1000, buf, 100);
	for (int round = 0; round < 4; round++) {
		memset(back, 0xaa, sizeof(back));
		ck_assert_int_eq(get(ino, 0, back, sizeof(back)), 0);
		ck_assert_int_eq(memcmp(buf, back, sizeof(buf)), 0);
		memset(back, 0xaa, sizeof(back));
		ck_assert_int_eq(get(ino, 999, back, 5000), 0);
		ck_assert_int_eq(memcmp(buf + 999, back, 5000), 0);
		verify();
		if (round == 0) {
			ck_assert_int_eq(vol_sync_wait(ctx, 0), 0);
		} else if (round == 1) {
			ck_assert_int_eq(vol_checkpoint(ctx), 0);
		} else if (round == 2) {
			close_vol();
			open_vol();
		}
	}
	close_vol();
}
END_TEST

START_TEST(what_was_synced_survives_a_kill_and_what_was_not_is_gone_whole)
{
	uint64_t a, b;
	struct entry_row e;
	uint8_t byte = 5, back;

	ck_assert_int_eq(make(1, "a", S_IFREG | 0644, &a), 0);
	ck_assert_int_eq(put(a, 70000, &byte, 1), 0);
	ck_assert_int_eq(vol_sync_wait(ctx, 0), 0);
	ck_assert_int_eq(make(1, "b", S_IFREG | 0644, &b), 0);
	kill_vol();
	open_vol();
	ck_assert_int_eq(state_entry(vol_state(vol), ctx->rd, 1, "a", 1, &e, NULL), 0);
	ck_assert_uint_eq(e.ino, a);
	ck_assert_int_eq(get(a, 70000, &back, 1), 0);
	ck_assert_uint_eq(back, 5);
	ck_assert_int_eq(state_entry(vol_state(vol), ctx->rd, 1, "b", 1, &e, NULL), -ENOENT);
	verify();
	close_vol();
}
END_TEST

static unsigned rnd(unsigned *s)
{
	*s = *s * 1103515245u + 12345u;
	return *s >> 8;
}

START_TEST(replay_gives_row_for_row_what_was_live)
{
	static uint8_t buf[65536];
	unsigned seed = (unsigned)_i + 1;
	uint64_t ino[40];
	char name[16], *live, *replayed;
	int n = 0;

	for (int step = 0; step < 1500; step++) {
		unsigned what = rnd(&seed) % 10;

		if (n < 40 && (what == 0 || !n)) {
			snprintf(name, sizeof(name), "f%d", n);
			ck_assert_int_eq(make(1, name, S_IFREG | 0644, &ino[n]), 0);
			n++;
		} else if (what < 8) {
			memset(buf, (int)step, sizeof(buf));
			ck_assert_int_eq(put(ino[rnd(&seed) % (unsigned)n], rnd(&seed) % 200000, buf,
					     1 + rnd(&seed) % 20000), 0);
		} else {
			ck_assert_int_eq(cut(ino[rnd(&seed) % (unsigned)n], rnd(&seed) % 200000), 0);
		}
		if (rnd(&seed) % 400 == 0)
			ck_assert_int_eq(vol_checkpoint(ctx), 0);
		if (rnd(&seed) % 300 == 0) {
			ck_assert_int_eq(vol_sync_wait(ctx, 0), 0);
			live = dump_all();
			kill_vol();
			open_vol();
			replayed = dump_all();
			ck_assert_msg(!strcmp(live, replayed), "seed %d step %d\n%s\n---\n%s", _i, step,
				      live, replayed);
			free(live);
			free(replayed);
		}
	}
	verify();
	close_vol();
	open_vol();
	verify();
	close_vol();
}
END_TEST

START_TEST(space_of_deleted_data_comes_back)
{
	static uint8_t buf[1u << 19];
	uint64_t ino;
	int rounds = 20;

	ck_assert_int_eq(make(1, "f", S_IFREG | 0644, &ino), 0);
	for (int round = 0; round < rounds; round++) {
		int err;

		/* 20 x 20 MiB through a volume of 64 */
		for (int i = 0; i < 40; i++) {
			err = put(ino, (uint64_t)i * sizeof(buf), buf, sizeof(buf));
			ck_assert_msg(!err, "round %d write %d: %s", round, i, err_str(err));
		}
		ck_assert_int_eq(cut(ino, 0), 0);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(vol_checkpoint(ctx), 0);
	}
	verify();
	close_vol();
}
END_TEST

START_TEST(a_full_volume_says_so_and_stays_consistent)
{
	static uint8_t buf[100000];
	uint64_t ino, at = 0;
	int err;

	ck_assert_int_eq(make(1, "f", S_IFREG | 0644, &ino), 0);
	while (!(err = put(ino, at, buf, sizeof(buf))))
		at += sizeof(buf);
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_uint_gt(at, SIZE / 2);
	verify();
	ck_assert_int_eq(vol_checkpoint(ctx), 0);
	ck_assert_int_eq(cut(ino, 0), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vol_checkpoint(ctx), 0);
	ck_assert_int_eq(put(ino, 0, buf, sizeof(buf)), 0);
	close_vol();
	open_vol();
	verify();
	close_vol();
}
END_TEST

static unsigned swallowed;

static void swallow(enum msg_level level, const char *line)
{
	swallowed++;
}

START_TEST(damaged_data_is_an_error_with_a_message_never_data)
{
	static uint8_t buf[16384], back[16384];
	struct vol_data d;
	uint64_t ino;
	uint8_t *block = dev_alloc(VARVE_BLOCK);

	memset(buf, 0x5a, sizeof(buf));
	ck_assert_int_eq(vol_data_put(ctx, buf, 4096, &d), 0); /* to learn of an address */
	vol_data_done(ctx, &d);
	ck_assert_int_eq(make(1, "f", S_IFREG | 0644, &ino), 0);
	ck_assert_int_eq(put(ino, 0, buf, sizeof(buf)), 0);
	ck_assert_int_eq(vol_checkpoint(ctx), 0);
	ck_assert_int_eq(dev_read(dev, block, d.d.addr + 4096, VARVE_BLOCK), 0);
	ck_assert_uint_eq(block[7], 0x5a);
	block[7] ^= 1;
	ck_assert_int_eq(dev_write(dev, block, d.d.addr + 4096, VARVE_BLOCK), 0);
	msg_set_hook(swallow);
	ck_assert_int_eq(get(ino, 0, back, 4096), -VE_DATA_CRC);
	msg_set_hook(NULL);
	ck_assert_uint_gt(swallowed, 0);
	ck_assert_int_eq(get(ino, 4096, back, 4096), 0);
	dev_free(block);
	close_vol();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_vol");
	TCase *tc = tcase_create("volume");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_new_volume_has_an_empty_root);
	tcase_add_test(tc, what_was_written_reads_back_at_once_after_a_checkpoint_and_after_remount);
	tcase_add_test(tc, what_was_synced_survives_a_kill_and_what_was_not_is_gone_whole);
	tcase_add_loop_test(tc, replay_gives_row_for_row_what_was_live, 0, 8);
	tcase_add_test(tc, space_of_deleted_data_comes_back);
	tcase_add_test(tc, a_full_volume_says_so_and_stays_consistent);
	tcase_add_test(tc, damaged_data_is_an_error_with_a_message_never_data);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
