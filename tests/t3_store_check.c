/* SPDX-License-Identifier: MIT */
/* t3_store_check.c - what fsck.varve promises (store/check.h, store/undo.h).
 *
 * A check finds what is wrong, names it and writes nothing; a repair leaves a
 * volume without findings whose files are what they were, and an undo file that
 * gives back every byte. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/msg.h"
#include "store/check.h"
#include "store/undo.h"
#include "store/vol_int.h"
#include "vol_rig.h"

#define SIZE (32u << 20)

static struct rig g;
static struct snap truth;
static char undo_path[64];

static void hush(enum msg_level level, const char *line)
{
}

static void setup(void)
{
	ck_assert_int_eq(rig_new(&g, SIZE), 0);
	ck_assert_int_eq(rig_open(&g, false), 0);
	for (unsigned n = 0; n < 2; n++)
		ck_assert_int_eq(rig_populate(&g, n), 0);
	ck_assert_int_eq(rig_close(&g), 0);
	ck_assert_int_eq(rig_open(&g, false), 0);
	snap_take(&g, &truth);
	snprintf(undo_path, sizeof(undo_path), "t3_check.%d.undo", (int)getpid());
	unlink(undo_path);
	msg_set_hook(hush);
}

static void teardown(void)
{
	msg_set_hook(NULL);
	unlink(undo_path);
	snap_free(&truth);
	rig_free(&g);
}

/* --- the check --- */

struct heard {
	char text[16384];
	size_t len;
};
static struct heard heard;

static void hear(void *arg, enum check_level level, const char *text)
{
	heard.len += (size_t)snprintf(heard.text + heard.len, sizeof(heard.text) - heard.len,
				      "%d %s\n", level, text);
	heard.len = MIN(heard.len, sizeof(heard.text) - 1);
}

static struct check_result check(enum check_mode mode, bool force, bool data, const char *undo)
{
	struct check_opts o = { .mode = mode, .force = force, .data = data, .undo_path = undo,
				.say = hear };
	struct check_result r;
	int err;

	heard.len = 0;
	heard.text[0] = '\0';
	err = check_volume(g.dev, &o, &r);
	ck_assert_msg(!err, "check: %s\n%s", err_str(err), heard.text);
	return r;
}

static uint64_t writes(void)
{
	struct dev_stats s;

	dev_get_stats(g.dev, &s);
	return s.writes + s.discards;
}

static uint8_t *whole(void)
{
	uint8_t *p = dev_alloc(SIZE);

	for (uint32_t at = 0; at < SIZE; at += 1u << 20)
		ck_assert_int_eq(dev_read(g.dev, p + at, at, 1u << 20), 0);
	return p;
}

static void flip(uint64_t addr)
{
	uint8_t *b = dev_alloc(VARVE_BLOCK);
	uint64_t at = align_down(addr, VARVE_BLOCK);

	ck_assert_int_eq(dev_read(g.dev, b, at, VARVE_BLOCK), 0);
	b[addr - at] ^= 0x10;
	ck_assert_int_eq(dev_write(g.dev, b, at, VARVE_BLOCK), 0);
	dev_free(b);
}

/* The files are what they were; the operation number may have moved. */
static void same_files(bool also_new)
{
	struct snap now;
	struct snap_diff d;

	ck_assert_int_eq(rig_open(&g, true), 0);
	snap_take(&g, &now);
	now.op_seq = truth.op_seq;
	snap_compare(&truth, &now, &d);
	ck_assert_msg(!d.lies && !d.losses, "%s", d.why);
	if (!also_new)
		ck_assert_uint_eq(now.n, truth.n);
	snap_free(&now);
	rig_kill(&g);
}

static void expect_clean(void)
{
	struct check_result r = check(CHECK_ONLY, true, true, NULL);

	ck_assert_msg(!r.found && !r.left, "%s", heard.text);
}

/* --- planting --- */

static uint64_t ino_of(uint64_t dir, const char *name, uint64_t *ret_cookie)
{
	struct entry_row e;

	ck_assert_int_eq(state_entry(g.vol->state, fs_vol_ctx(g.fc)->rd, dir, name, strlen(name),
				     &e, NULL), 0);
	if (ret_cookie)
		*ret_cookie = e.cookie;
	return e.ino;
}

static struct inode_row inode_of(uint64_t ino)
{
	struct inode_row i;

	ck_assert_int_eq(state_inode(g.vol->state, fs_vol_ctx(g.fc)->rd, ino, &i), 0);
	return i;
}

static void put_entry(uint64_t dir, uint64_t cookie, const char *name, uint64_t ino, uint8_t type)
{
	struct entry_row e = { .dir = dir, .cookie = cookie, .ino = ino, .type = type, .seq = 1,
			       .namelen = (uint8_t)strlen(name) };

	strcpy(e.name, name);
	if (!cookie)
		ck_assert_int_eq(state_entry(g.vol->state, fs_vol_ctx(g.fc)->rd, dir, name,
					     strlen(name), &(struct entry_row){ 0 }, &e.cookie),
				 -ENOENT);
	state_put_entry(g.vol->state, &e);
}

static int first_piece(void *arg, const struct piece_row *p)
{
	memcpy(arg, p, sizeof(*p));
	return 1;
}

enum plant { NLINK, DIR_SIZE, LOST_ENTRY, ENTRY_TYPE, ENTRY_PLACE, ENTRY_TWIN, PARENT, BYTES,
	     REFS, SEG_LIVE, COUNTS, NEXT_INO, SEG_FREE_LIVE, STRAY_XATTR, ROOT_NLINK, PLANTS };

static const char *const plant_text[PLANTS] = {
	[NLINK] = "/dir-0/file-0-7: inode", [DIR_SIZE] = "/dir-0: directory",
	[LOST_ENTRY] = "/dir-0: directory", [ENTRY_TYPE] = "/dir-0: directory",
	[ENTRY_PLACE] = "/dir-0: directory", [ENTRY_TWIN] = "/dir-1: directory",
	[PARENT] = "has parent", [BYTES] = "/dir-0/file-0-7: inode", [REFS] = "piece",
	[SEG_LIVE] = "segment", [COUNTS] = "inodes, the counter", [NEXT_INO] = "beyond the counter",
	[SEG_FREE_LIVE] = "segment", [STRAY_XATTR] = "extended attributes",
	[ROOT_NLINK] = "/: directory 1",
};

static struct piece_row piece;

static void plant(enum plant what)
{
	struct state *st = g.vol->state;
	struct reader *rd = fs_vol_ctx(g.fc)->rd;
	uint64_t cookie, dir = ino_of(VARVE_ROOT_INO, "dir-0", NULL);
	uint64_t sub = ino_of(dir, "sub", NULL), file = ino_of(dir, "file-0-7", &cookie);
	uint64_t dir1 = ino_of(VARVE_ROOT_INO, "dir-1", NULL);
	struct inode_row i = inode_of(file);
	struct xattr_row x = { .ino = g.vol->count.next_ino + 5, .slot = 16, .namelen = 6,
			       .name = "user.a", .value = "b", .len = 1 };

	switch (what) {
	case NLINK:
		i.nlink = 3;
		state_put_inode(st, &i, false);
		break;
	case DIR_SIZE:
		i = inode_of(dir);
		i.size += 7;
		state_put_inode(st, &i, false);
		break;
	case LOST_ENTRY:
		put_entry(dir, 0, "ghost", g.vol->count.next_ino + 77, DT_REG);
		break;
	case ENTRY_TYPE:
		put_entry(dir, cookie, "file-0-7", file, DT_DIR);
		break;
	case ENTRY_PLACE:
		state_del_entry(st, dir, cookie);
		put_entry(dir, cookie ^ 1ull << 40, "file-0-7", file, DT_REG);
		break;
	case ENTRY_TWIN: /* a second name for a directory */
		put_entry(dir1, 0, "sub-again", sub, DT_DIR);
		break;
	case PARENT:
		i = inode_of(sub);
		i.parent = dir1;
		state_put_inode(st, &i, false);
		break;
	case BYTES:
		i.bytes += 4096;
		state_put_inode(st, &i, false);
		break;
	case REFS:
		ck_assert_int_eq(state_pieces(st, rd, 0, first_piece, &piece), 1);
		piece.refs += 2;
		state_put_piece(st, &piece, false);
		break;
	case SEG_LIVE:
		ck_assert_int_eq(state_pieces(st, rd, 0, first_piece, &piece), 1);
		segs_live_add(g.vol->segs, piece.addr, 4096);
		break;
	case COUNTS:
		g.vol->count.inodes += 5;
		g.vol->count.data_bytes -= 100;
		g.vol->count.reserved_bytes += 1;
		break;
	case NEXT_INO:
		g.vol->count.next_ino = file;
		g.vol->count.next_piece = 5;
		break;
	case SEG_FREE_LIVE:
		ck_assert_int_eq(state_pieces(st, rd, 0, first_piece, &piece), 1);
		segs_unalloc(g.vol->segs, segs_index(g.vol->segs, piece.addr));
		/* Neither slot protects it now, and those before it are taken:
		 * whoever allocates next gets it. */
		for (uint32_t s = 0; s < segs_index(g.vol->segs, piece.addr); s++) {
			segs_mark_log(g.vol->segs, s);
			segs_set_live(g.vol->segs, s, 4096);
		}
		ck_assert_int_eq(vol_checkpoint(fs_vol_ctx(g.fc)), 0);
		break;
	case STRAY_XATTR:
		state_put_xattr(st, &x);
		break;
	case ROOT_NLINK:
		i = inode_of(VARVE_ROOT_INO);
		i.nlink = 77;
		state_put_inode(st, &i, false);
		break;
	case PLANTS:
		break;
	}
	ck_assert_int_eq(rig_close(&g), 0);
}

static void repair_and_undo(void)
{
	uint8_t *before = whole(), *after;
	struct check_result r = check(CHECK_REPAIR, true, false, undo_path);
	uint64_t bytes;

	ck_assert_msg(r.found && !r.left && r.undo_made, "found %u left %u\n%s", r.found, r.left,
		      heard.text);
	expect_clean();
	ck_assert_int_eq(undo_apply(undo_path, g.dev, false, &bytes), 0);
	after = whole();
	ck_assert_int_eq(memcmp(before, after, SIZE), 0);
	dev_free(before);
	dev_free(after);
	unlink(undo_path);
	r = check(CHECK_REPAIR, true, false, NULL);
	ck_assert_msg(r.found && !r.left, "%s", heard.text);
	expect_clean();
}

START_TEST(a_sound_volume_has_no_findings_and_is_not_written_to)
{
	struct check_result r;
	uint64_t before;

	ck_assert_int_eq(rig_close(&g), 0);
	before = writes();
	r = check(CHECK_ONLY, false, false, NULL);
	ck_assert(r.skipped && !r.found);
	expect_clean();
	r = check(CHECK_PREEN, false, false, NULL);
	ck_assert(r.skipped && !r.found);
	r = check(CHECK_REPAIR, true, true, undo_path);
	ck_assert(!r.skipped && !r.found && !r.undo_made);
	ck_assert_uint_eq(r.count.inodes, truth.n - 2); /* hard links */
	ck_assert_uint_gt(r.data_checked, 500000);
	ck_assert_uint_eq(writes(), before);
	ck_assert_int_ne(access(undo_path, F_OK), 0);
}
END_TEST

START_TEST(a_volume_that_was_not_closed_is_checked_with_its_log_and_not_written_to)
{
	struct check_result r;
	uint64_t before;

	ck_assert_int_eq(rig_populate(&g, 2), 0);
	ck_assert_int_eq(rig_sync(&g), 0);
	snap_free(&truth);
	snap_take(&g, &truth);
	rig_kill(&g);
	before = writes();
	r = check(CHECK_ONLY, false, true, NULL);
	ck_assert_msg(!r.found && !r.skipped, "%s", heard.text);
	ck_assert_uint_eq(writes(), before);
	r = check(CHECK_PREEN, false, false, NULL);
	ck_assert(!r.found && !r.skipped);
	r = check(CHECK_ONLY, false, false, NULL);
	ck_assert(r.skipped);
	same_files(false);
	expect_clean();
}
END_TEST

START_TEST(what_is_wrong_in_the_tables_is_named_and_repaired_and_can_be_undone)
{
	struct check_result r;
	uint64_t before;

	plant(_i);
	before = writes();
	r = check(CHECK_ONLY, true, false, NULL);
	ck_assert_msg(r.found && r.left == r.found, "plant %d: nothing found", _i);
	ck_assert_msg(strstr(heard.text, plant_text[_i]), "plant %d: %s", _i, heard.text);
	ck_assert_uint_eq(writes(), before);
	r = check(CHECK_PREEN, true, false, NULL);
	ck_assert_msg(r.left, "plant %d: preen is not for this", _i);
	repair_and_undo();
	same_files(false);
	/* ... and stay so when the volume is used again. */
	for (unsigned n = 0; n < 3; n++) {
		ck_assert_int_eq(rig_open(&g, false), 0);
		ck_assert_int_eq(rig_populate(&g, 20 + n), 0);
		ck_assert_int_eq(rig_close(&g), 0);
	}
	expect_clean();
}
END_TEST

START_TEST(an_inode_without_a_name_is_linked_into_lost_found_with_its_content)
{
	uint64_t dir = ino_of(VARVE_ROOT_INO, "dir-0", NULL), cookie, file;
	char name[64], path[96];
	struct check_result r;
	struct snap now;
	bool got = false;

	file = ino_of(dir, "file-0-7", &cookie);
	state_del_entry(g.vol->state, dir, cookie);
	ck_assert_int_eq(rig_close(&g), 0);
	r = check(CHECK_ONLY, true, false, NULL);
	ck_assert(r.left);
	repair_and_undo();
	snprintf(name, sizeof(name), "#%llu", (unsigned long long)file);
	snprintf(path, sizeof(path), "/lost+found/%s", name);
	ck_assert_int_eq(rig_open(&g, true), 0);
	snap_take(&g, &now);
	for (size_t i = 0; i < now.n; i++)
		if (strcmp(now.item[i].path, path) == 0)
			for (size_t j = 0; j < truth.n; j++)
				if (strcmp(truth.item[j].path, "/dir-0/file-0-7") == 0)
					got = truth.item[j].nchunks == now.item[i].nchunks &&
					      !memcmp(truth.item[j].chunk, now.item[i].chunk,
						      4 * now.item[i].nchunks);
	ck_assert_msg(got, "%s is not what the file was", path);
	snap_free(&now);
	rig_kill(&g);
}
END_TEST

START_TEST(a_directory_that_contains_itself_comes_to_lost_found_with_all_below_it)
{
	uint64_t cookie, dir = ino_of(VARVE_ROOT_INO, "dir-0", &cookie);
	uint64_t sub = ino_of(dir, "sub", NULL);
	struct inode_row i = inode_of(dir);
	struct snap now;
	unsigned there = 0;

	state_del_entry(g.vol->state, VARVE_ROOT_INO, cookie);
	put_entry(sub, 0, "dir-0", dir, DT_DIR);
	i.parent = sub;
	state_put_inode(g.vol->state, &i, false);
	ck_assert_int_eq(rig_close(&g), 0);
	repair_and_undo();
	ck_assert_int_eq(rig_open(&g, true), 0);
	snap_take(&g, &now);
	for (size_t k = 0; k < now.n; k++)
		there += strstr(now.item[k].path, "/lost+found/#") == now.item[k].path;
	ck_assert_uint_ge(there, 40);
	snap_free(&now);
	rig_kill(&g);
}
END_TEST

START_TEST(an_inode_row_that_is_lost_takes_its_rows_and_names_along_and_nothing_else)
{
	uint64_t dir = ino_of(VARVE_ROOT_INO, "dir-0", NULL);
	uint64_t file = ino_of(dir, "file-0-7", NULL);
	struct snap now;
	struct snap_diff d;

	state_del_inode(g.vol->state, file);
	ck_assert_int_eq(rig_close(&g), 0);
	repair_and_undo();
	ck_assert_int_eq(rig_open(&g, true), 0);
	snap_take(&g, &now);
	now.op_seq = truth.op_seq;
	snap_compare(&truth, &now, &d);
	/* the file, and the size of its directory */
	ck_assert_msg(d.lies == 2 && !d.losses, "%u %u %s", d.lies, d.losses, d.why);
	snap_free(&now);
	rig_kill(&g);
}
END_TEST

START_TEST(a_superblock_copy_or_a_slot_is_repaired_by_preening)
{
	const struct super sup = *vol_super(g.vol);
	const uint64_t where[4] = { 100, sup.dev_size - VARVE_BLOCK + 50, sup.slot_off + 40,
				    sup.slot_off + sup.slot_size + 40 };
	struct check_result r;

	ck_assert_int_eq(rig_close(&g), 0);
	flip(where[_i]);
	r = check(CHECK_ONLY, false, false, NULL);
	ck_assert_uint_eq(r.left, 1);
	r = check(CHECK_PREEN, false, false, NULL);
	ck_assert_msg(r.found == 1 && r.fixed == 1 && !r.left, "%s", heard.text);
	same_files(false);
	expect_clean();
}
END_TEST

struct addrs {
	uint64_t a[4096];
	size_t n;
};

static int collect_pages(void *arg, uint64_t addr, uint32_t pgno)
{
	struct addrs *l = arg;

	if (l->n < 4096)
		l->a[l->n++] = addr;
	return 0;
}

START_TEST(a_damaged_database_is_restored_from_the_checkpoint_before_and_the_log)
{
	static struct addrs old, new;
	struct check_result r;
	size_t flipped = 0, skip = (size_t)_i;

	/* pages that the last checkpoint wrote: the one before has others */
	old.n = new.n = 0;
	ck_assert_int_eq(pstore_walk(g.vol->ps, collect_pages, &old), 0);
	ck_assert_int_eq(rig_populate(&g, 3), 0);
	snap_free(&truth);
	snap_take(&g, &truth);
	ck_assert_int_eq(vol_checkpoint(fs_vol_ctx(g.fc)), 0);
	ck_assert_int_eq(pstore_walk(g.vol->ps, collect_pages, &new), 0);
	rig_kill(&g);
	for (size_t i = 0; i < new.n && !flipped; i++) {
		bool shared = false;

		for (size_t k = 0; k < old.n; k++)
			shared |= old.a[k] == new.a[i];
		if (!shared && !skip--) {
			flip(new.a[i] + 77);
			flipped++;
		}
	}
	ck_assert_uint_gt(flipped, 0);
	r = check(CHECK_ONLY, true, false, NULL);
	ck_assert_msg(r.left && (strstr(heard.text, "checksum") || strstr(heard.text, "page map") ||
				  strstr(heard.text, "cannot be used")), "%s", heard.text);
	repair_and_undo();
	same_files(false);
}
END_TEST

START_TEST(a_damaged_log_is_cut_only_by_a_repair_and_says_what_is_lost)
{
	struct check_result r;
	struct snap now;
	uint64_t addr = 0, seen;

	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(rig_populate(&g, 10 + i), 0);
		ck_assert_int_eq(rig_sync(&g), 0);
		if (i == 2) {
			struct log_pos pos;

			/* the next batch starts there */
			log_mark(g.vol->log, g.ring, &pos);
			addr = pos.addr;
		}
	}
	rig_kill(&g);
	flip(addr + 60);
	r = check(CHECK_ONLY, false, false, NULL);
	ck_assert_msg(r.left && strstr(heard.text, "the log is damaged"), "%s", heard.text);
	r = check(CHECK_PREEN, false, false, NULL);
	ck_assert_msg(r.left, "%s", heard.text);
	ck_assert_int_eq(rig_open(&g, false), -VE_LOG_DAMAGE);
	repair_and_undo();
	/* dir-12 was written before the damage, dir-13 behind it; and the next
	 * life, killed again, is not mistaken for the one that was cut off */
	for (int life = 0; life < 3; life++) {
		ck_assert_int_eq(rig_open(&g, false), 0);
		snap_take(&g, &now);
		seen = 0;
		for (size_t i = 0; i < now.n; i++)
			seen |= (uint64_t)!strcmp(now.item[i].path, "/dir-12") |
				(uint64_t)!strcmp(now.item[i].path, "/dir-13") << 1;
		ck_assert_uint_eq(seen, 1);
		snap_free(&now);
		if (life < 2) {
			ck_assert_int_eq(rig_populate(&g, 50 + life), 0);
			ck_assert_int_eq(rig_sync(&g), 0);
		}
		if (life == 1)
			ck_assert_int_eq(rig_close(&g), 0);
		else
			rig_kill(&g);
	}
}
END_TEST

static int take_extent(void *arg, const struct extent_row *e)
{
	*(struct extent_row *)arg = *e;
	return 1;
}

START_TEST(damaged_data_is_named_by_path_range_and_device_byte)
{
	uint64_t dir = ino_of(VARVE_ROOT_INO, "dir-0", NULL);
	uint64_t file = ino_of(dir, "file-0-7", NULL);
	struct extent_row x;
	struct piece_row p;
	struct check_result r;
	char want[128];

	ck_assert_int_eq(state_extents(g.vol->state, fs_vol_ctx(g.fc)->rd, file, 70000, 70001,
				       take_extent, &x), 1);
	ck_assert_int_eq(state_piece(g.vol->state, fs_vol_ctx(g.fc)->rd, x.piece, &p), 0);
	ck_assert_int_eq(rig_close(&g), 0);
	flip(p.addr + x.poff + (70000 - x.off));
	r = check(CHECK_ONLY, true, false, NULL);
	ck_assert_uint_eq(r.found, 0);
	r = check(CHECK_ONLY, false, true, NULL);
	ck_assert_uint_eq(r.left, 1);
	snprintf(want, sizeof(want), "/dir-0/file-0-7: bytes %u to %u are damaged (device byte %llu)",
		 69632, 73727, (unsigned long long)(p.addr + 69632 - x.off + x.poff));
	ck_assert_msg(strstr(heard.text, want), "%s\nnot: %s", heard.text, want);
	/* There is nothing to repair it from: it stays, and nothing is written. */
	r = check(CHECK_REPAIR, false, true, undo_path);
	ck_assert(r.left == 1 && !r.undo_made);
}
END_TEST

START_TEST(an_undo_file_is_refused_once_the_volume_has_been_changed)
{
	uint64_t bytes;

	plant(NLINK);
	ck_assert_uint_eq(check(CHECK_REPAIR, true, false, undo_path).left, 0);
	ck_assert_int_eq(rig_open(&g, false), 0);
	ck_assert_int_eq(rig_populate(&g, 9), 0);
	ck_assert_int_eq(rig_close(&g), 0);
	ck_assert_int_eq(undo_apply(undo_path, g.dev, false, &bytes), -EEXIST);
	expect_clean();
}
END_TEST

START_TEST(a_repair_that_is_cut_off_anywhere_can_be_undone)
{
	uint8_t *before, *after;
	struct check_opts o = { .mode = CHECK_REPAIR, .force = true, .undo_path = undo_path };
	struct check_result r;
	struct dev *orig;
	uint64_t bytes;
	int err = -1;

	plant(NLINK);
	before = whole();
	orig = g.dev;
	for (unsigned n = 0; err; n++) {
		ck_assert_int_eq(dev_mem_copy(orig, &g.dev), 0);
		dev_sim_fail(g.dev, DEV_WRITE, n, 0, -VE_DEV_GONE);
		unlink(undo_path);
		err = check_volume(g.dev, &o, &r);
		ck_assert_uint_lt(n, 100);
		dev_close(g.dev);
		if (!err)
			break;
		/* the same, power failing instead: what was written is there */
		ck_assert_int_eq(dev_crash_from(orig, &g.dev), 0);
		dev_sim_fail(g.dev, DEV_WRITE, n, 0, -VE_DEV_GONE);
		unlink(undo_path);
		ck_assert_int_ne(check_volume(g.dev, &o, &r), 0);
		for (unsigned seed = 0; seed < 3; seed++) {
			struct dev *image, *was = g.dev;

			ck_assert_int_eq(dev_crash_image(g.dev, dev_crash_events(g.dev), seed,
							 &image), 0);
			g.dev = image;
			if (access(undo_path, F_OK) == 0)
				ck_assert_int_eq(undo_apply(undo_path, g.dev, true, &bytes), 0);
			after = whole();
			ck_assert_msg(!memcmp(before, after, SIZE), "write %u seed %u", n, seed);
			dev_free(after);
			dev_close(g.dev);
			g.dev = was;
		}
		dev_close(g.dev);
	}
	g.dev = orig;
	dev_free(before);
}
END_TEST

static int no_further(void *arg, const char *what, uint64_t done, uint64_t total, bool bytes)
{
	return 1;
}

START_TEST(a_check_can_be_cancelled)
{
	struct check_opts o = { .force = true, .progress = no_further };
	struct check_result r;

	ck_assert_int_eq(rig_close(&g), 0);
	ck_assert_int_eq(check_volume(g.dev, &o, &r), -ECANCELED);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_check");
	TCase *tc = tcase_create("check");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, a_sound_volume_has_no_findings_and_is_not_written_to);
	tcase_add_test(tc, a_volume_that_was_not_closed_is_checked_with_its_log_and_not_written_to);
	tcase_add_loop_test(tc, what_is_wrong_in_the_tables_is_named_and_repaired_and_can_be_undone,
			    0, PLANTS);
	tcase_add_test(tc, an_inode_without_a_name_is_linked_into_lost_found_with_its_content);
	tcase_add_test(tc, a_directory_that_contains_itself_comes_to_lost_found_with_all_below_it);
	tcase_add_test(tc,
		       an_inode_row_that_is_lost_takes_its_rows_and_names_along_and_nothing_else);
	tcase_add_loop_test(tc, a_superblock_copy_or_a_slot_is_repaired_by_preening, 0, 4);
	tcase_add_loop_test(tc, a_damaged_database_is_restored_from_the_checkpoint_before_and_the_log,
			    0, 8);
	tcase_add_test(tc, a_damaged_log_is_cut_only_by_a_repair_and_says_what_is_lost);
	tcase_add_test(tc, damaged_data_is_named_by_path_range_and_device_byte);
	tcase_add_test(tc, an_undo_file_is_refused_once_the_volume_has_been_changed);
	tcase_add_test(tc, a_repair_that_is_cut_off_anywhere_can_be_undone);
	tcase_add_test(tc, a_check_can_be_cancelled);
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
