/* SPDX-License-Identifier: MIT */
/* t5_scrub.c - the scrub (store/scrub.h) reads all that is live, says where damage
 * is, goes on where it was after a remount, and sees no damage where there is none;
 * and the control attributes (fs/control.h) by which it is commanded. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/err.h"
#include "base/msg.h"
#include "fs/control_vol.h"
#include "gc/gc.h"
#include "store/vol_int.h"
#include "vol_rig.h"

#define SIZE (128u << 20)
static const struct fs_cred root_cred = { .umask = 022 };
static const struct scrub_opts by_hand = { .no_thread = true };

static char heard[65536];
static void hear(enum msg_level level, const char *line)
{
	size_t n = strlen(heard);

	snprintf(heard + n, sizeof(heard) - n, "%s\n", line);
}

static void ok(int err)
{
	ck_assert_msg(!err, "%s", err_str(err));
}

static struct vol_ctx *ctx(struct rig *g)
{
	return fs_vol_ctx(g->fc);
}

static void start(struct rig *g, unsigned n)
{
	ok(rig_new(g, SIZE));
	ok(rig_open(g, false));
	for (unsigned i = 0; i < n; i++)
		ok(rig_populate(g, i));
	ok(vol_checkpoint(ctx(g)));
}

static void run(struct scrub *s)
{
	int more;

	while ((more = scrub_step(s)) > 0)
		;
	ok(more);
}

static void spoil(struct rig *g, uint64_t addr)
{
	uint8_t *block = dev_alloc(VARVE_BLOCK);

	ok(dev_read(g->dev, block, align_down(addr, VARVE_BLOCK), VARVE_BLOCK));
	block[addr % VARVE_BLOCK] ^= 0x40;
	ok(dev_write(g->dev, block, align_down(addr, VARVE_BLOCK), VARVE_BLOCK));
	dev_free(block);
}

struct want {
	uint32_t stored;
	uint64_t addr, id;
};

static int of_size(void *arg, const struct piece_row *p)
{
	struct want *w = arg;

	if (p->stored != w->stored)
		return 0;
	w->addr = p->addr;
	w->id = p->id;
	return 1;
}

/* The newest piece of that many bytes. */
static void find_piece(struct rig *g, struct want *w)
{
	uint64_t after = 0;

	vol_rdlock(g->vol);
	while (state_pieces(vol_state(g->vol), ctx(g)->rd, after, of_size, w) == 1)
		after = w->id;
	vol_unlock(g->vol);
	ck_assert_uint_ne(w->id, 0);
}

START_TEST(a_sound_volume_is_read_whole_and_without_complaint)
{
	struct scrub_status st;
	struct scrub *s;
	struct rig g;

	start(&g, 3);
	ok(scrub_open(g.vol, &by_hand, &s));
	scrub_get(s, &st);
	ck_assert_int_eq(st.state, SCRUB_NEVER);
	ck_assert_int_eq(scrub_step(s), 0);
	ok(scrub_begin(s));
	ck_assert_int_eq(scrub_begin(s), -EBUSY);
	run(s);
	scrub_get(s, &st);
	ck_assert_int_eq(st.state, SCRUB_FINISHED);
	ck_assert_uint_eq(st.errors, 0);
	ck_assert_uint_ge(st.done, g.vol->count.data_bytes);
	ck_assert_int_eq(scrub_cancel(s), -ENOTCONN);
	scrub_close(s);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

START_TEST(damaged_data_is_named_by_path_range_and_place)
{
	/* file-1-5 has 5000 bytes, one piece: its second unit is damaged. */
	struct want w = { .stored = 5000 };
	struct scrub_status st;
	struct scrub *s;
	char text[128];
	struct rig g;

	start(&g, 2);
	find_piece(&g, &w);
	spoil(&g, w.addr + 4096 + 100);
	msg_set_hook(hear);
	ok(scrub_open(g.vol, &by_hand, &s));
	ok(scrub_begin(s));
	run(s);
	scrub_get(s, &st);
	scrub_close(s);
	msg_set_hook(NULL);
	ck_assert_uint_eq(st.errors, 1);
	snprintf(text, sizeof(text), "/link-1: bytes 4096 to 4999 are damaged (device byte %llu)",
		 (unsigned long long)w.addr + 4096);
	if (!strstr(heard, text))
		snprintf(text, sizeof(text), "/dir-1/file-1-5: bytes 4096 to 4999 are damaged "
			 "(device byte %llu)", (unsigned long long)w.addr + 4096);
	ck_assert_msg(strstr(heard, text), "%s", heard);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

static int some_page(void *arg, uint64_t addr, uint32_t pgno)
{
	uint64_t *at = arg;

	if (at[1] ? pgno > 1 : !pgno)
		at[0] = addr;
	return 0;
}

START_TEST(a_damaged_database_block_is_found_although_it_is_cached)
{
	uint64_t at[2] = { 0, (uint64_t)_i }; /* a node or a page */
	struct scrub_status st;
	struct scrub *s;
	struct rig g;

	start(&g, 3);
	ok(pstore_walk(g.vol->ps, some_page, at));
	ck_assert_uint_ne(at[0], 0);
	spoil(&g, at[0] + 77);
	msg_set_hook(hear);
	ok(scrub_open(g.vol, &by_hand, &s));
	ok(scrub_begin(s));
	run(s);
	scrub_get(s, &st);
	scrub_close(s);
	msg_set_hook(NULL);
	ck_assert_uint_eq(st.errors, 1);
	ck_assert_msg(strstr(heard, _i ? "database page" : "page map"), "%s", heard);
	rig_kill(&g);
	rig_free(&g);
}
END_TEST

START_TEST(a_scrub_goes_on_after_a_remount_and_forgets_no_damage)
{
	struct want w = { .stored = 5000 };
	struct scrub_status st, then;
	struct scrub *s;
	struct rig g;
	unsigned steps = 0;

	start(&g, 30);
	find_piece(&g, &w);
	spoil(&g, w.addr);
	msg_set_hook(hear);
	ok(scrub_open(g.vol, &by_hand, &s));
	scrub_set_limit(s, 12345);
	ok(scrub_begin(s));
	for (;; steps++) {
		ck_assert_int_eq(scrub_step(s), 1);
		scrub_get(s, &st);
		if (_i ? st.errors : steps == 4)
			break;
	}
	ck_assert_int_eq(st.state, SCRUB_RUNNING);
	scrub_close(s);
	if (_i)
		ok(rig_close(&g));
	else {
		ok(rig_sync(&g));
		rig_kill(&g);
	}
	ok(rig_open(&g, false));
	ok(scrub_open(g.vol, &by_hand, &s));
	scrub_get(s, &then);
	ck_assert_int_eq(then.state, SCRUB_RUNNING);
	ck_assert_uint_eq(then.limit, 12345);
	ck_assert_uint_eq(then.done, st.done);
	ck_assert_uint_gt(then.done, 0);
	run(s);
	scrub_get(s, &st);
	ck_assert_int_eq(st.state, SCRUB_FINISHED);
	ck_assert_uint_eq(st.errors, 1);
	ck_assert_msg(strstr(heard, "bytes 0 to 4095 are damaged"), "%s", heard);
	scrub_close(s);
	msg_set_hook(NULL);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

START_TEST(a_canceled_scrub_stays_so_and_begins_anew)
{
	struct scrub_status st;
	struct scrub *s;
	struct rig g;

	start(&g, 20);
	ok(scrub_open(g.vol, &by_hand, &s));
	ok(scrub_begin(s));
	ck_assert_int_eq(scrub_step(s), 1);
	ok(scrub_cancel(s));
	ck_assert_int_eq(scrub_step(s), 0);
	scrub_close(s);
	ok(rig_close(&g));
	ok(rig_open(&g, false));
	ok(scrub_open(g.vol, &by_hand, &s));
	scrub_get(s, &st);
	ck_assert_int_eq(st.state, SCRUB_CANCELED);
	ok(scrub_begin(s));
	scrub_get(s, &st);
	ck_assert_uint_eq(st.done, 0);
	run(s);
	scrub_close(s);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

START_TEST(nothing_that_moves_or_dies_meanwhile_is_taken_for_damage)
{
	struct scrub_status st;
	struct gc *gc;
	struct scrub *s;
	struct fs_attr a;
	struct rig g;
	unsigned n = 0;

	start(&g, 10);
	heard[0] = '\0';
	msg_set_hook(hear);
	ok(gc_start(g.vol, &(struct gc_opts){ .no_thread = true }, &gc));
	ok(scrub_open(g.vol, NULL, &s));
	scrub_set_limit(s, 0);
	ok(fs_make(g.fc, &root_cred, VARVE_ROOT_INO, "busy", S_IFREG | 0644, 0, &a));
	for (unsigned round = 0; round < 30; round++) {
		scrub_get(s, &st);
		ck_assert_uint_eq(st.errors, 0);
		if (st.state != SCRUB_RUNNING)
			ok(scrub_begin(s));
		for (unsigned i = 0; i < 8; i++, n++)
			ok(rig_write(&g, a.ino, (n % 5) * 300000, 300000, n));
		ok(rig_sync(&g)); /* this ring does not run while others work */
		if (round % 3 == 0)
			ck_assert_int_ge(gc_pass(gc, 8u << 20), 0);
		ok(vol_checkpoint(ctx(&g)));
	}
	do {
		ok(rig_write(&g, a.ino, 0, 4096, n++));
		ok(rig_sync(&g)); /* also runs the ring, which the others wait for */
		scrub_get(s, &st);
	} while (st.state == SCRUB_RUNNING);
	ck_assert_uint_eq(st.errors, 0);
	ck_assert_int_eq(st.state, SCRUB_FINISHED);
	scrub_close(s);
	gc_stop(gc);
	msg_set_hook(NULL);
	ck_assert_msg(!strstr(heard, "damaged ("), "%s", heard);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

/* --- control attributes --- */

static int set(struct rig *g, uint32_t uid, const char *name, const char *value, int flags)
{
	struct fs_cred cr = { .uid = uid };

	return fs_setxattr(g->fc, &cr, VARVE_ROOT_INO, name, value, strlen(value), flags, false);
}

static void status_must_say(struct rig *g, const char *text)
{
	char buf[1024];
	void *v;
	size_t n;

	ok(fs_getxattr(g->fc, VARVE_ROOT_INO, "user.varve.scrub", &v, &n));
	snprintf(buf, sizeof(buf), "%.*s", (int)n, (char *)v);
	free(v);
	ck_assert_msg(strstr(buf, text), "no '%s' in:\n%s", text, buf);
}

START_TEST(a_scrub_is_commanded_by_an_attribute_of_the_root)
{
	struct scrub *s;
	struct rig g;

	start(&g, 2);
	ok(scrub_open(g.vol, &by_hand, &s));
	ok(control_add_vol(g.fs, s));
	status_must_say(&g, "state: never run\n");
	ok(set(&g, 0, "user.varve.scrub", "limit=8m\n", 0));
	status_must_say(&g, "limit: 8388608\n");
	ok(set(&g, 0, "user.varve.scrub", "start", XATTR_REPLACE));
	ck_assert_int_eq(set(&g, 0, "user.varve.scrub", "start", 0), -EBUSY);
	status_must_say(&g, "state: running\n");
	ok(set(&g, 0, "user.varve.scrub", "cancel", 0));
	status_must_say(&g, "state: canceled\n");
	ck_assert_int_eq(set(&g, 0, "user.varve.scrub", "cancel", 0), -ENOTCONN);
	ok(set(&g, 0, "user.varve.scrub", "start", 0));
	run(s);
	status_must_say(&g, "state: finished\n");
	status_must_say(&g, "errors: 0\n");
	scrub_close(s);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

START_TEST(control_attributes_are_for_the_owner_unlisted_and_not_stored)
{
	struct fs_setattr own = { .valid = FSA_UID, .uid = 7 };
	struct fs_attr before, after;
	struct scrub *s;
	struct rig g;
	char *names;
	void *v;
	size_t n;

	start(&g, 1);
	ok(scrub_open(g.vol, &by_hand, &s));
	ok(control_add_vol(g.fs, s));
	ck_assert_int_eq(set(&g, 7, "user.varve.scrub", "start", 0), -EPERM);
	ok(fs_setattr(g.fc, &root_cred, VARVE_ROOT_INO, &own, &before));
	ok(set(&g, 7, "user.varve.scrub", "start", 0));
	run(s); /* with its record */
	ck_assert_int_eq(set(&g, 0, "user.varve.scrub", "nonsense", 0), -EINVAL);
	ck_assert_int_eq(set(&g, 0, "user.varve.scrub", "limit=-1", 0), -EINVAL);
	ck_assert_int_eq(set(&g, 0, "user.varve.scrub", "start", XATTR_CREATE), -EEXIST);
	ck_assert_int_eq(set(&g, 0, "user.varve.nothing", "x", 0), -EINVAL);
	ck_assert_int_eq(fs_getxattr(g.fc, VARVE_ROOT_INO, "user.varve.nothing", &v, &n),
			 -ENODATA);
	ck_assert_int_eq(fs_removexattr(g.fc, &root_cred, VARVE_ROOT_INO, "user.varve.scrub"),
			 -EPERM);
	ck_assert_int_eq(fs_removexattr(g.fc, &root_cred, VARVE_ROOT_INO, "user.varve.x"),
			 -ENODATA);
	ok(fs_listxattr(g.fc, VARVE_ROOT_INO, &names, &n));
	ck_assert_uint_eq(n, 0);
	free(names);
	ok(fs_getattr(g.fc, VARVE_ROOT_INO, &after));
	ck_assert_int_eq(after.ctime, before.ctime);
	ck_assert_int_lt(fs_getxattr(g.fc, VARVE_ROOT_INO, "varve.scrub", &v, &n), 0);
	/* Elsewhere the name is one like any other. */
	ok(fs_lookup(g.fc, VARVE_ROOT_INO, "dir-0", &after));
	ok(fs_setxattr(g.fc, &root_cred, after.ino, "user.varve.scrub", "x", 1, 0, false));
	ok(fs_listxattr(g.fc, after.ino, &names, &n));
	ck_assert_uint_eq(n, strlen("user.varve.scrub") + 1);
	free(names);
	fs_forget(g.fc, after.ino, 1);
	scrub_close(s);
	ck_assert_int_eq(vol_verify(ctx(&g), NULL, NULL), 0);
	ok(rig_close(&g));
	/* Read-only: it can be asked, not told. */
	ok(rig_open(&g, true));
	ok(scrub_open(g.vol, &by_hand, &s));
	ok(control_add_vol(g.fs, s));
	status_must_say(&g, "state: finished\n");
	ck_assert_int_eq(err_errno(set(&g, 0, "user.varve.scrub", "start", 0)), EROFS);
	scrub_close(s);
	rig_kill(&g);
	rig_free(&g);
}
END_TEST

START_TEST(a_backup_can_be_asked_for)
{
	struct rig g;
	void *v;
	size_t n;

	start(&g, 1);
	ok(control_add_vol(g.fs, NULL));
	ok(fs_getxattr(g.fc, VARVE_ROOT_INO, "user.varve.backup", &v, &n));
	ck_assert_int_eq(strncmp(v, "backup: none", 12), 0);
	free(v);
	ok(set(&g, 0, "user.varve.backup", "now", 0));
	for (unsigned i = 0; i < 10; i++)
		vol_tick(ctx(&g));
	ok(fs_getxattr(g.fc, VARVE_ROOT_INO, "user.varve.backup", &v, &n));
	ck_assert_int_eq(strncmp(v, "backup: 2", 9), 0);
	free(v);
	ok(rig_close(&g));
	rig_free(&g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scrub");
	TCase *tc = tcase_create("scrub");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_sound_volume_is_read_whole_and_without_complaint);
	tcase_add_test(tc, damaged_data_is_named_by_path_range_and_place);
	tcase_add_loop_test(tc, a_damaged_database_block_is_found_although_it_is_cached, 0, 2);
	tcase_add_loop_test(tc, a_scrub_goes_on_after_a_remount_and_forgets_no_damage, 0, 2);
	tcase_add_test(tc, a_canceled_scrub_stays_so_and_begins_anew);
	tcase_add_test(tc, nothing_that_moves_or_dies_meanwhile_is_taken_for_damage);
	tcase_add_test(tc, a_scrub_is_commanded_by_an_attribute_of_the_root);
	tcase_add_test(tc, control_attributes_are_for_the_owner_unlisted_and_not_stored);
	tcase_add_test(tc, a_backup_can_be_asked_for);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
