/* SPDX-License-Identifier: MIT */
/* t4_fs_bounds.c - what stays bounded (DESIGN I7): the log that a mount replays,
 * and the room that metadata of long gone files takes. */
#include "t4_util.h"

#include "log/scan.h"
#include "log/super.h"

static struct t4 t;

/* What the device says, with the volume closed or killed. */
static void newest_slot(struct dev *d, struct super *sup, struct slot *ret)
{
	struct slot s[2] = { 0 };
	bool repaired;
	int err[2], n;

	ok(super_read(d, sup, &repaired));
	for (unsigned i = 0; i < 2; i++)
		err[i] = slot_read(d, sup, i, &s[i]);
	n = err[0] || (!err[1] && s[1].seq > s[0].seq);
	ok(err[n]);
	*ret = s[n];
	if (!err[!n])
		slot_free(&s[!n]);
}

static uint64_t database_pages(struct dev *d)
{
	struct super sup;
	struct slot s;
	uint64_t pages;

	newest_slot(d, &sup, &s);
	pages = s.map.pages;
	slot_free(&s);
	return pages;
}

static uint64_t replay_bytes(struct dev *d)
{
	struct tail tail;
	struct super sup;
	struct slot s;
	uint64_t bytes;

	newest_slot(d, &sup, &s);
	ok(scan_tail(d, &sup, &s.pos, &tail));
	bytes = tail.bytes;
	tail_free(&tail);
	slot_free(&s);
	return bytes;
}

START_TEST(metadata_of_files_that_are_gone_gives_its_room_back)
{
	uint64_t full, after, d;
	char name[32];

	t4_start(&t, 64 * MIB);
	d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "a-name-of-some-length-%d", i);
		fs_forget(t.c, t4_make(&t, d, name, S_IFREG | 0644), 1);
	}
	t4_checkpoint(&t);
	full = database_pages(t.d);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "a-name-of-some-length-%d", i);
		t4_admit(&t);
		ok(fs_unlink(t.c, &t4_root, d, name));
	}
	t4_checkpoint(&t);
	after = database_pages(t.d);
	ck_assert_msg(full > 400 && after < full / 4, "%d pages with the files, %d without", (int)full,
		      (int)after);
	t4_stop(&t);
}
END_TEST

/* Many small changes, then a kill; the checkpoint thread's decisions are made
 * after each.  Limit 0: bytes of log; 1: bytes of overlay. */
START_TEST(the_log_to_replay_is_bounded_by_bytes_of_log_and_of_overlay)
{
	struct vol_opts o;
	uint64_t bytes, written, f;
	struct dev *d;
	static char buf[65536];

	t4_start(&t, 256 * MIB);
	d = t.d;
	fs_ctx_close(t.c);
	fs_close_volume(t.fs);
	ok(vol_close(t.v));
	ring_destroy(t.ring);

	vol_opts_default(&o);
	o.no_ckpt_thread = true;
	o.threads = 1;
	o.ckpt_ms = 3600000;
	o.commit_ms = 3600000;
	if (_i == 0)
		o.ckpt_bytes = 2 * MIB;
	else
		o.overlay_bytes = 1 * MIB;
	t4_mount_with(&t, d, &o);
	f = t4_make(&t, ROOT, "f", S_IFREG | 0644);
	for (int i = 0; i < 20000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d", i);
		if (_i == 0)
			t4_write(&t, f, buf, 4096, (uint64_t)(i % 500) * 4096);
		else
			t4_make(&t, ROOT, name, S_IFREG | 0644);
		vol_tick(fs_vol_ctx(t.c));
	}
	ok(fs_sync_wait(t.c, 0));
	written = log_bytes(vol_log(t.v));
	fs_ctx_close(t.c);
	fs_close_volume(t.fs);
	vol_abandon(t.v);
	ring_destroy(t.ring);
	bytes = replay_bytes(d);
	/* One batch more than the limit may be under way. */
	ck_assert_msg(bytes < 5 * MIB && written > bytes,
		      "%d KiB to replay of %d KiB written", (int)(bytes >> 10),
		      (int)(written >> 10));
	if (_i == 0)
		ck_assert_uint_gt(written, 60 * MIB);
	t4_mount_with(&t, d, &o);
	t4_stop(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs bounds");
	TCase *tc = tcase_create("bounds");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, metadata_of_files_that_are_gone_gives_its_room_back);
	tcase_add_loop_test(tc, the_log_to_replay_is_bounded_by_bytes_of_log_and_of_overlay, 0, 2);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
