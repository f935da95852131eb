/* SPDX-License-Identifier: MIT */
/* t4_fs_whole.c - promises that no single layer can keep (doc/durability.md,
 * DESIGN I1, I5, I8): an operation of several records is one operation, promised
 * space is there, a checkpoint that was asked for holds what came before, a volume
 * that failed keeps what it had acknowledged, a forged log harms nobody. */
#include "t4_util.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "log/codec.h"
#include "log/scan.h"

static struct t4 t;

static void setup(void)
{
	t4_start(&t, 64 * MIB);
}

static void teardown(void)
{
	t4_stop(&t);
}

static void set_acl(uint64_t ino)
{
	/* u::rw- u:7:r-- g::r-- m::r-- o::--- */
	static const uint16_t entry[][2] = {
		{ 0x01, 6 }, { 0x02, 4 }, { 0x04, 4 }, { 0x10, 4 }, { 0x20, 0 },
	};
	uint8_t value[4 + 8 * ARRAY_LEN(entry)] = { 2 };

	for (unsigned i = 0; i < ARRAY_LEN(entry); i++) {
		value[4 + 8 * i] = (uint8_t)entry[i][0];
		value[4 + 8 * i + 2] = (uint8_t)entry[i][1];
		memset(value + 4 + 8 * i + 4, i == 1 ? 0 : 0xff, 4);
	}
	value[4 + 8 + 4] = 7;
	ok(fs_setxattr(t.c, &t4_root, ino, "system.posix_acl_access", value, sizeof(value), 0,
		       false));
}

/* _i: by how many records the borders between batches are moved. */
START_TEST(chmod_and_chown_of_a_file_with_an_acl_survive_a_kill_together)
{
	uint64_t ino = t4_make(&t, ROOT, "f", S_IFREG | 0640), first, n = 0;
	struct fs_setattr a = { .valid = FSA_MODE | FSA_UID };
	struct fs_attr now;

	set_acl(ino);
	ok(fs_sync_wait(t.c, 0));
	for (int i = 0; i < _i; i++)
		t4_chmod(&t, ROOT, 0755);
	first = log_open_seq(vol_log(t.v));
	do {
		n++;
		a.uid = n % 8;
		a.mode = 0640 | a.uid;
		t4_admit(&t);
		ok(fs_setattr(t.c, &t4_root, ino, &a, NULL));
	} while (log_open_seq(vol_log(t.v)) == first);
	t4_kill(&t);
	now = t4_attr(&t, t4_lookup(&t, ROOT, "f"));
	ck_assert_msg((now.mode & 7) == now.uid, "shift %d, %lu operations: mode %o, uid %u", _i,
		      n, now.mode, now.uid);
	ck_assert_uint_ge(n, 100);
}
END_TEST

START_TEST(promised_space_is_there_when_everything_else_is_full)
{
	static uint8_t buf[256 << 10];
	uint64_t promised = 20 * MIB, at = 0;
	uint64_t a = t4_make(&t, ROOT, "a", S_IFREG | 0644);
	uint64_t b = t4_make(&t, ROOT, "b", S_IFREG | 0644);
	int err;

	ok(fs_fallocate(t.c, &t4_root, a, 0, 0, promised));
	do {
		t4_admit(&t);
		err = fs_write(t.c, &t4_root, b, buf, sizeof(buf), at, O_WRONLY, false, NULL);
		at += sizeof(buf);
	} while (!err);
	gives(-ENOSPC, err);
	ck_assert_uint_gt(at, 10 * MIB);
	for (at = 0; at < promised; at += sizeof(buf))
		t4_write(&t, a, buf, sizeof(buf), at);
}
END_TEST

START_TEST(what_was_acknowledged_before_a_failure_is_there_after_close_and_mount)
{
	t4_make(&t, ROOT, "kept", S_IFREG | 0644);
	vol_fail(t.v, -EIO, "a test's word");
	ck_assert(vol_readonly(t.v));
	fs_ctx_close(t.c);
	fs_close_volume(t.fs);
	gives(-VE_READONLY, vol_close(t.v));
	ring_destroy(t.ring);
	t4_mount(&t);
	ck_assert(t4_has(&t, ROOT, "kept"));
}
END_TEST

/* The last batch claims that the log went on in a segment of the page store. */
START_TEST(a_log_that_leads_into_metadata_is_damage)
{
	struct slot slot = { 0 }, other = { 0 };
	uint8_t *block = dev_alloc(VARVE_BLOCK);
	struct super sup = *vol_super(t.v);
	struct batch b, last = { 0 };
	struct vol_opts o;
	struct scan *s;
	struct vol *v;
	struct dev *d;
	uint32_t meta = 0;

	t4_checkpoint(&t);
	t4_make(&t, ROOT, "f", S_IFREG | 0644);
	ok(fs_sync_wait(t.c, 0));
	ok(dev_mem_copy(t.d, &d));
	ok(slot_read(d, &sup, 0, &slot));
	ok(slot_read(d, &sup, 1, &other));
	if (other.seq > slot.seq) {
		struct slot swap = slot;

		slot = other;
		other = swap;
	}
	while (slot.table[meta].state != SEG_META)
		meta++;
	ok(scan_open(d, &sup, &slot.pos, &s));
	while (scan_next(s, &b) > 0)
		last = b;
	scan_close(s);
	ck_assert_uint_ne(last.addr, 0);
	ok(dev_read(d, block, last.addr, VARVE_BLOCK));
	ok(batch_decode(&sup, last.addr, block, &b));
	ck_assert_uint_le(b.rec_len, BATCH_INLINE_MAX);
	b.next_seg = meta;
	batch_encode(&sup, &b, block);
	ok(dev_write(d, block, last.addr, VARVE_BLOCK));
	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	gives(-VE_LOG_DAMAGE, vol_open(d, &o, &v));
	dev_close(d);
	dev_free(block);
	slot_free(&slot);
	slot_free(&other);
}
END_TEST

#define ASKERS 4
#define ASKS 25

static _Atomic int missed;

static void *asker(void *arg)
{
	struct vol *v = arg;
	struct vol_ctx *c;
	struct ring *r;

	if (ring_create(64, 0, &r) || vol_ctx_open(v, r, &c)) {
		missed += ASKS;
		return NULL;
	}
	for (int i = 0; i < ASKS; i++) {
		struct rec rec = { .kind = REC_SETATTR, .setattr = {
			.ino = ROOT, .mask = RSA_UID, .uid = (uint32_t)i } };
		uint64_t batch = 0;
		int err;

		vol_wrlock(v);
		err = vol_commit(c, &rec, SEG_USER, &batch);
		vol_unlock(v);
		if (err || vol_checkpoint(c) || vol_image_batch(v) <= batch)
			missed++;
	}
	vol_ctx_close(c);
	ring_destroy(r);
	return NULL;
}

START_TEST(a_checkpoint_that_was_asked_for_holds_what_came_before)
{
	pthread_t id[ASKERS];
	struct vol_opts o;
	struct vol *v;
	struct dev *d;

	ok(fs_sync_wait(t.c, 0));
	ok(dev_mem_copy(t.d, &d));
	vol_opts_default(&o);
	o.threads = ASKERS;
	ok(vol_open(d, &o, &v));
	for (int i = 0; i < ASKERS; i++)
		ok(pthread_create(&id[i], NULL, asker, v));
	for (int i = 0; i < ASKERS; i++)
		pthread_join(id[i], NULL);
	ok(vol_close(v));
	dev_close(d);
	ck_assert_int_eq(missed, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("whole");
	TCase *tc = tcase_create("whole");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, chmod_and_chown_of_a_file_with_an_acl_survive_a_kill_together,
			    0, 8);
	tcase_add_test(tc, promised_space_is_there_when_everything_else_is_full);
	tcase_add_test(tc, what_was_acknowledged_before_a_failure_is_there_after_close_and_mount);
	tcase_add_test(tc, a_log_that_leads_into_metadata_is_damage);
	tcase_add_test(tc, a_checkpoint_that_was_asked_for_holds_what_came_before);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
