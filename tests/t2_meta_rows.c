/* SPDX-License-Identifier: MIT */
/* t2_meta_rows.c - state.h, rows.h: every value that a row may hold survives
 * the overlay and the image; overlays keep no more than they must; images that
 * are not ours, or hold impossible rows, are refused. */
#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "meta/names.h"
#include "meta_model.h"
#include "ram_pages.h"

static struct ram_pages *pages;
static struct state *st;
static struct reader *rd;
static const struct meta_counts counts = { 7, 8, 9, 10, INT64_MAX, 12 };

static void setup(void)
{
	pages = ram_pages_new();
	st = state_new(ram_pages_store(pages), meta_key);
	rd = reader_new(st);
}

static void teardown(void)
{
	reader_free(rd);
	state_free(st);
	ram_pages_free(pages);
}

static void checkpoint(void)
{
	state_freeze(st);
	ck_assert_int_eq(state_write_image(st, &counts), 0);
	ram_pages_commit(pages);
	overlay_free(state_switch(st));
}

static void put_inode(uint64_t ino, bool fresh)
{
	struct inode_row i = { .ino = ino, .seq = 1, .mode = 0100644, .nlink = 1 };

	state_put_inode(st, &i, fresh);
}

static void put_extent(uint64_t ino, uint64_t off, uint64_t len, uint64_t piece)
{
	struct extent_row x = { .ino = ino, .off = off, .len = len, .seq = 1,
				.piece = piece };

	state_put_extent(st, &x);
}

static uint64_t put_entry(uint64_t dir, const char *name, size_t len, uint64_t ino)
{
	struct entry_row e = { .dir = dir, .seq = 1, .ino = ino, .type = 8,
			       .namelen = (uint8_t)len };

	e.cookie = name_cookie(meta_key, name, len);
	memcpy(e.name, name, len);
	state_put_entry(st, &e);
	return e.cookie;
}

struct seen {
	unsigned n;
	struct extent_row x[8];
};

static int note_extent(void *arg, const struct extent_row *x)
{
	struct seen *s = arg;

	ck_assert_uint_lt(s->n, ARRAY_LEN(s->x));
	s->x[s->n++] = *x;
	return 0;
}

static struct seen extents(uint64_t ino, uint64_t off, uint64_t end)
{
	struct seen s = { 0 };

	ck_assert_int_eq(state_extents(st, rd, ino, off, end, note_extent, &s), 0);
	return s;
}

/* --- values --- */
static void check_edge_inode(const struct inode_row *want)
{
	struct inode_row got;

	memset(&got, 0x55, sizeof(got));
	ck_assert_int_eq(state_inode(st, rd, want->ino, &got), 0);
	ck_assert_uint_eq(got.ino, want->ino);
	ck_assert_uint_eq(got.seq, want->seq);
	ck_assert_uint_eq(got.mode, want->mode);
	ck_assert_uint_eq(got.uid, want->uid);
	ck_assert_uint_eq(got.gid, want->gid);
	ck_assert_uint_eq(got.nlink, want->nlink);
	ck_assert_uint_eq(got.rdev, want->rdev);
	ck_assert_uint_eq(got.size, want->size);
	ck_assert_uint_eq(got.bytes, want->bytes);
	ck_assert_int_eq(got.atime, want->atime);
	ck_assert_int_eq(got.mtime, want->mtime);
	ck_assert_int_eq(got.ctime, want->ctime);
	ck_assert_int_eq(got.btime, want->btime);
	ck_assert_uint_eq(got.flags, want->flags);
	ck_assert_uint_eq(got.parent, want->parent);
}

START_TEST(inodes_with_extreme_values_survive_the_image)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
	struct inode_row rows[25];
	size_t k;

	for (k = 0; k < ARRAY_LEN(rows); k++) {
		rows[k] = (struct inode_row){
			.ino = k ? (uint64_t)INT64_MAX - k : 1, .seq = INT64_MAX,
			.mode = UINT32_MAX, .uid = UINT32_MAX, .gid = UINT32_MAX - 1,
			.nlink = UINT32_MAX, .rdev = UINT64_MAX - k,
			.size = INT64_MAX, .bytes = INT64_MAX,
			.ctime = times[k / 5], .mtime = times[k % 5],
			.atime = times[(k + 1) % 5], .btime = times[(k + 2) % 5],
			.flags = UINT32_MAX, .parent = INT64_MAX,
		};
		state_put_inode(st, &rows[k], true);
		check_edge_inode(&rows[k]);
	}
	checkpoint();
	for (k = 0; k < ARRAY_LEN(rows); k++)
		check_edge_inode(&rows[k]);
	ck_assert_int_eq(state_inode(st, rd, UINT64_MAX, &rows[0]), -ENOENT);
	ck_assert_int_eq(state_inode(st, rd, INT64_MAX, &rows[0]), -ENOENT);
}
END_TEST

START_TEST(names_are_bytes_in_overlay_and_image)
{
	static const struct {
		const char *name;
		size_t len;
	} names[] = {
		{ "\xff\xfe\x80", 3 }, { "\xc3\x28", 2 }, { "a", 1 }, { "A", 1 },
		{ "caf\xe9", 4 }, { "caf\xc3\xa9", 5 }, { "\x01\x7f ", 3 },
		{ "..x", 3 }, { "'; DROP TABLE entries; --", 25 },
	};
	char longest[VARVE_NAME_MAX], value[] = { 0, 1, 0 };
	struct entry_row e;
	struct xattr_row x;
	unsigned round;
	size_t k;

	memset(longest, 0xee, sizeof(longest));
	put_inode(5, true);
	for (k = 0; k < ARRAY_LEN(names); k++) {
		struct xattr_row row = { .ino = 5, .value = value, .len = 3,
					 .namelen = (uint8_t)names[k].len };

		put_entry(5, names[k].name, names[k].len, 100 + k);
		row.slot = name_cookie(meta_key, names[k].name, names[k].len);
		memcpy(row.name, names[k].name, names[k].len);
		state_put_xattr(st, &row);
	}
	put_entry(5, longest, sizeof(longest), 99);
	for (round = 0; round < 2; round++) {
		for (k = 0; k < ARRAY_LEN(names); k++) {
			ck_assert_int_eq(state_entry(st, rd, 5, names[k].name,
						     names[k].len, &e, NULL), 0);
			ck_assert_uint_eq(e.ino, 100 + k);
			ck_assert_uint_eq(e.namelen, names[k].len);
			ck_assert_mem_eq(e.name, names[k].name, names[k].len);
			ck_assert_int_eq(state_xattr(st, rd, 5, names[k].name,
						     names[k].len, &x, NULL), 0);
			ck_assert_uint_eq(x.len, 3);
			ck_assert_mem_eq(x.value, value, 3);
			free((void *)x.value);
		}
		ck_assert_int_eq(state_entry(st, rd, 5, longest, sizeof(longest),
					     &e, NULL), 0);
		ck_assert_int_eq(state_entry(st, rd, 5, longest, sizeof(longest) - 1,
					     &e, NULL), -ENOENT);
		checkpoint();
	}
}
END_TEST

START_TEST(xattr_values_of_any_length_survive_the_image)
{
	static const uint32_t lens[] = { 0, 1, 4000, 4096, 5000, VARVE_XATTR_MAX };
	char *value = malloc(VARVE_XATTR_MAX), name[] = "user.0";
	struct xattr_row x;
	unsigned round;
	size_t k;

	for (k = 0; k < VARVE_XATTR_MAX; k++)
		value[k] = (char)(k * 7);
	for (k = 0; k < ARRAY_LEN(lens); k++) {
		name[5] = (char)('0' + k);
		x = (struct xattr_row){ .ino = 3, .namelen = 6, .len = lens[k],
					.value = lens[k] ? value : NULL };
		memcpy(x.name, name, 7);
		x.slot = name_cookie(meta_key, name, 6);
		state_put_xattr(st, &x);
	}
	for (round = 0; round < 2; round++) {
		for (k = 0; k < ARRAY_LEN(lens); k++) {
			name[5] = (char)('0' + k);
			ck_assert_int_eq(state_xattr(st, rd, 3, name, 6, &x, NULL), 0);
			ck_assert_uint_eq(x.len, lens[k]);
			ck_assert(x.value && !memcmp(x.value, value, lens[k]));
			free((void *)x.value);
		}
		checkpoint();
	}
	free(value);
}
END_TEST

static int first_xattr(void *arg, const struct xattr_row *x)
{
	*(uint32_t *)arg = x->len;
	ck_assert_ptr_nonnull(x->value);
	return 1;
}

START_TEST(an_empty_value_is_listed_with_a_pointer)
{
	struct xattr_row x = { .ino = 3, .slot = 64, .namelen = 1, .name = "n" };
	uint32_t len = 9;

	state_put_xattr(st, &x);
	ck_assert_int_eq(state_xattrs(st, rd, 3, first_xattr, &len), 1);
	checkpoint();
	len = 9;
	ck_assert_int_eq(state_xattrs(st, rd, 3, first_xattr, &len), 1);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(counts_are_those_of_the_newest_image)
{
	struct meta_counts c = { 1, 1, 1, 1, 1, 1 };

	ck_assert_int_eq(state_read_counts(st, rd, &c), -ENOENT);
	ck_assert_int_eq(state_check_image(st, rd, NULL), 0);
	checkpoint();
	ck_assert_int_eq(state_read_counts(st, rd, &c), 0);
	ck_assert_mem_eq(&c, &counts, sizeof(c));

	state_freeze(st);
	c.ckpt = 55;
	ck_assert_int_eq(state_write_image(st, &c), 0);
	ram_pages_commit(pages);
	overlay_free(state_switch(st));
	memset(&c, 0, sizeof(c));
	ck_assert_int_eq(state_read_counts(st, rd, &c), 0);
	ck_assert_uint_eq(c.ckpt, 55);
	ck_assert_uint_eq(c.log_addr, INT64_MAX);
}
END_TEST

START_TEST(a_sixteenth_name_with_one_hash_still_has_a_place_and_no_seventeenth)
{
	uint64_t cookie = put_entry(2, "name", 4, 3), free_cookie;
	struct entry_row e = { .dir = 2, .cookie = cookie, .seq = 1, .ino = 9,
			       .namelen = 1, .name = "?" };
	unsigned k;

	state_del_entry(st, 2, cookie);
	for (k = 0; k < COOKIE_SLOTS; k++) {
		ck_assert_int_eq(state_entry(st, rd, 2, "name", 4, &e, &free_cookie),
				 -ENOENT);
		ck_assert_uint_eq(free_cookie, cookie + k);
		e.cookie = free_cookie;
		state_put_entry(st, &e);
		if (k == 7)
			checkpoint();
	}
	ck_assert_int_eq(state_entry(st, rd, 2, "name", 4, &e, &free_cookie), -ENOSPC);
	state_del_entry(st, 2, cookie + 3);
	ck_assert_int_eq(state_entry(st, rd, 2, "name", 4, &e, &free_cookie), -ENOENT);
	ck_assert_uint_eq(free_cookie, cookie + 3);
}
END_TEST

/* --- what an overlay keeps --- */
START_TEST(what_is_made_and_deleted_in_one_overlay_leaves_nothing)
{
	struct piece_row p = { .id = 4, .len = 1, .nsums = 1 };
	struct xattr_row x = { .ino = 10, .slot = 32, .namelen = 1, .name = "n" };
	uint64_t cookie;

	checkpoint(); /* an image is there, so that there is a below */
	put_inode(10, true);
	put_inode(10, false); /* stays fresh */
	cookie = put_entry(10, "e", 1, 3);
	put_extent(10, 0, 4096, 4);
	state_put_piece(st, &p, true);
	state_put_piece(st, &p, false);
	state_put_xattr(st, &x);
	state_put_target(st, 10, "t", 1);
	ck_assert_uint_eq(state_overlay_rows(st), 6);
	state_del_target(st, 10);
	state_del_xattr(st, 10, 32);
	state_del_piece(st, 4);
	state_del_extent(st, 10, 0);
	state_del_entry(st, 10, cookie);
	state_del_inode(st, 10);
	ck_assert_uint_eq(state_overlay_rows(st), 0);
}
END_TEST

START_TEST(what_the_image_may_hold_leaves_a_tombstone)
{
	struct inode_row i;

	put_inode(10, true);
	put_extent(10, 0, 4096, 4);
	checkpoint();
	state_del_extent(st, 10, 0);
	state_del_inode(st, 10);
	ck_assert_uint_eq(state_overlay_rows(st), 2);
	ck_assert_int_eq(state_inode(st, rd, 10, &i), -ENOENT);
	checkpoint();
	ck_assert_int_eq(state_inode(st, rd, 10, &i), -ENOENT);
	ck_assert_uint_eq(state_overlay_rows(st), 0);
}
END_TEST

START_TEST(deleting_what_only_the_frozen_overlay_holds_survives_giving_it_up)
{
	struct inode_row i;

	checkpoint();
	put_inode(10, true);
	put_extent(10, 0, 4096, 4);
	state_freeze(st);
	put_inode(10, false);
	state_del_extent(st, 10, 0);
	state_del_inode(st, 10);
	ck_assert_uint_eq(state_overlay_rows(st), 2); /* over the frozen rows */
	ck_assert_int_eq(state_inode(st, rd, 10, &i), -ENOENT);
	state_unfreeze(st);
	ck_assert_int_eq(state_inode(st, rd, 10, &i), -ENOENT);
	ck_assert_uint_eq(state_overlay_rows(st), 0); /* the image never had them */
}
END_TEST

START_TEST(what_a_frozen_overlay_deleted_needs_no_second_tombstone)
{
	put_inode(10, true);
	put_extent(10, 0, 4096, 4);
	checkpoint();
	state_del_extent(st, 10, 0);
	state_freeze(st);
	put_extent(10, 0, 4096, 5);
	state_del_extent(st, 10, 0);
	ck_assert_uint_eq(state_overlay_rows(st), 0);
	ck_assert_uint_eq(extents(10, 0, 4096).n, 0);
	state_unfreeze(st);
	ck_assert_uint_eq(extents(10, 0, 4096).n, 0);
	checkpoint();
	ck_assert_uint_eq(extents(10, 0, 4096).n, 0);
}
END_TEST

START_TEST(what_never_was_below_a_frozen_fresh_inode_leaves_no_tombstone)
{
	checkpoint();
	put_inode(10, true);
	state_freeze(st);
	put_inode(10, false);
	put_extent(10, 0, 4096, 5);
	state_del_extent(st, 10, 0);
	ck_assert_uint_eq(state_overlay_rows(st), 1);
	state_unfreeze(st);
	state_del_inode(st, 10); /* still known as fresh */
	ck_assert_uint_eq(state_overlay_rows(st), 0);
}
END_TEST

START_TEST(a_number_used_again_never_brings_back_its_first_owner)
{
	struct inode_row i;

	put_inode(10, true);
	checkpoint();
	state_del_inode(st, 10);
	if (_i) /* else both in one overlay */
		state_freeze(st);
	put_inode(10, true);
	ck_assert_int_eq(state_inode(st, rd, 10, &i), 0);
	if (_i)
		state_unfreeze(st);
	state_del_inode(st, 10);
	ck_assert_int_eq(state_inode(st, rd, 10, &i), -ENOENT);
	checkpoint();
	ck_assert_int_eq(state_inode(st, rd, 10, &i), -ENOENT);
}
END_TEST

START_TEST(a_row_replaced_a_thousand_times_takes_the_memory_of_one)
{
	struct piece_row p = { .id = 4, .len = 4096 };
	size_t before;
	unsigned k;

	for (k = 0; k < 20000; k++) {
		put_inode(10, !k);
		put_extent(10, 0, 4096 + k, 4);
		p.nsums = 1 + k % VARVE_PIECE_SUMS; /* grows, as an append does */
		state_put_piece(st, &p, !k);
		put_entry(10, "name", 4, k + 1);
		if (k == VARVE_PIECE_SUMS)
			before = state_overlay_bytes(st);
	}
	ck_assert_uint_eq(state_overlay_rows(st), 4);
	ck_assert_uint_eq(state_overlay_bytes(st), before);
	ck_assert_uint_lt(before, 64 << 10);
}
END_TEST

START_TEST(extents_that_come_and_go_take_no_memory)
{
	size_t before = 0;
	unsigned k;

	put_inode(10, true);
	for (k = 0; k < 20000; k++) {
		put_extent(10, 4096ull * k, 4096, 4);
		state_del_extent(st, 10, 4096ull * k);
		if (k == 10)
			before = state_overlay_bytes(st);
	}
	ck_assert_uint_eq(state_overlay_bytes(st), before);
}
END_TEST

START_TEST(big_values_are_counted_and_given_back)
{
	struct xattr_row x = { .ino = 3, .slot = 32, .namelen = 1, .name = "n",
			       .len = VARVE_XATTR_MAX };
	size_t before = state_overlay_bytes(st);

	x.value = calloc(1, x.len);
	state_put_xattr(st, &x);
	ck_assert_uint_ge(state_overlay_bytes(st), before + VARVE_XATTR_MAX);
	x.len = 1;
	state_put_xattr(st, &x);
	ck_assert_uint_lt(state_overlay_bytes(st), before + 16384);
	free((void *)x.value);
}
END_TEST

START_TEST(what_is_fresh_is_not_looked_for_in_the_image)
{
	struct xattr_row x;
	struct entry_row e;
	struct piece_row p;
	uint64_t reads;
	size_t len;
	char *t;

	put_inode(1, true);
	checkpoint();
	ck_assert_int_eq(state_piece(st, rd, 1, &p), -ENOENT);
	put_inode(10, true);
	state_freeze(st);
	put_inode(10, false);
	reader_rest(rd); /* so that any question would read pages */
	reads = ram_pages_calls(pages, RAM_READ);
	ck_assert_int_eq(state_entry(st, rd, 10, "n", 1, &e, NULL), -ENOENT);
	ck_assert_int_eq(state_xattr(st, rd, 10, "n", 1, &x, NULL), -ENOENT);
	ck_assert_int_eq(state_target(st, rd, 10, &t, &len), -ENOENT);
	ck_assert_int_eq(state_extents(st, rd, 10, 5, 6, NULL, NULL), 0);
	ck_assert_int_eq(state_entries(st, rd, 10, 0, NULL, NULL), 0);
	ck_assert_uint_eq(ram_pages_calls(pages, RAM_READ), reads);
	ck_assert_uint_eq(ram_pages_held(pages), 0);
	state_unfreeze(st);
}
END_TEST

START_TEST(a_resting_reader_holds_no_image)
{
	struct inode_row i;

	put_inode(1, true);
	checkpoint();
	ck_assert_int_eq(state_inode(st, rd, 1, &i), 0);
	ck_assert_uint_eq(ram_pages_held(pages), 1);
	reader_rest(rd);
	ck_assert_uint_eq(ram_pages_held(pages), 0);
	ck_assert_int_eq(state_inode(st, rd, 1, &i), 0);
	ck_assert_uint_eq(ram_pages_held(pages), 1);
}
END_TEST

/* --- extents across an offset --- */
START_TEST(an_extent_is_found_behind_the_tombstones_it_covers)
{
	struct seen s;

	put_inode(10, true);
	put_extent(10, 0, 4096, 1);
	put_extent(10, 4096, 4096, 2);
	checkpoint();
	put_extent(10, 0, 8192, 3);
	state_del_extent(st, 10, 4096);
	s = extents(10, 6144, 6145);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.x[0].piece, 3);
	state_freeze(st);
	s = extents(10, 6144, UINT64_MAX);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.x[0].piece, 3);
	state_unfreeze(st);
	checkpoint();
	s = extents(10, 6144, 6145);
	ck_assert_uint_eq(s.n, 1);
}
END_TEST

START_TEST(a_deleted_extent_does_not_shine_through_from_below)
{
	struct seen s;

	put_inode(10, true);
	put_extent(10, 0, 1 << 20, 1);
	checkpoint();
	state_del_extent(st, 10, 0);
	ck_assert_uint_eq(extents(10, 100, 200).n, 0);
	put_extent(10, 0, 50, 2); /* its first bytes again */
	ck_assert_uint_eq(extents(10, 100, 200).n, 0);
	s = extents(10, 49, 200);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.x[0].piece, 2);
	state_freeze(st);
	state_del_extent(st, 10, 0);
	ck_assert_uint_eq(extents(10, 10, 200).n, 0);
	state_unfreeze(st);
	ck_assert_uint_eq(extents(10, 0, 200).n, 0);
}
END_TEST

START_TEST(a_long_unwritten_extent_is_found_in_every_layer)
{
	unsigned round;

	put_inode(10, true);
	put_extent(10, 4096, INT64_MAX - 4096, 0);
	for (round = 0; round < 3; round++) {
		struct seen s = extents(10, INT64_MAX - 1, INT64_MAX);

		ck_assert_uint_eq(s.n, 1);
		ck_assert_uint_eq(s.x[0].off, 4096);
		ck_assert_uint_eq(s.x[0].len, INT64_MAX - 4096);
		ck_assert_uint_eq(extents(10, 0, 4096).n, 0);
		ck_assert_uint_eq(extents(11, 0, INT64_MAX).n, 0);
		if (round == 0) {
			state_freeze(st);
		} else if (round == 1) {
			state_unfreeze(st);
			checkpoint();
		}
	}
}
END_TEST

static int ask_again(void *arg, const struct extent_row *x)
{
	struct seen s = extents(10, x->off, x->off + 1);
	struct piece_row p;

	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.x[0].off, x->off);
	ck_assert_int_eq(state_piece(st, rd, x->piece, &p), 0);
	ck_assert_uint_eq(p.id, x->piece);
	++*(unsigned *)arg;
	return 0;
}

START_TEST(a_walk_can_ask_every_question_inside_itself)
{
	struct piece_row p = { .len = 4096, .nsums = 1 };
	unsigned k, n = 0;

	put_inode(10, true);
	for (k = 0; k < 500; k++) {
		put_extent(10, 4096 * k, 4096, k + 1);
		p.id = k + 1;
		state_put_piece(st, &p, true);
	}
	checkpoint();
	ck_assert_int_eq(state_extents(st, rd, 10, 0, INT64_MAX, ask_again, &n), 0);
	ck_assert_uint_eq(n, 500);
}
END_TEST

/* --- pieces by place --- */
struct places {
	unsigned n;
	uint64_t id[8];
};

static int note_place(void *arg, const struct piece_row *p)
{
	struct places *s = arg;

	ck_assert_uint_lt(s->n, ARRAY_LEN(s->id));
	s->id[s->n++] = p->id;
	return 0;
}

START_TEST(pieces_are_found_by_address_unless_they_moved_or_went)
{
	struct piece_row p = { .len = 4096, .stored = 4096, .nsums = 1 };
	struct places s = { 0 };
	uint64_t k;

	for (k = 1; k <= 6; k++) {
		p.id = k;
		p.addr = (10 - k) << 12;
		state_put_piece(st, &p, true);
	}
	checkpoint();
	state_del_piece(st, 3);
	state_freeze(st);
	p.id = 4;
	p.addr = 50 << 12;
	state_put_piece(st, &p, false);
	/* 2 at 8, 3 at 7 (gone), 4 at 6 (moved), 5 at 5 */
	ck_assert_int_eq(state_pieces_at(st, rd, 5 << 12, (9 << 12) - 1, note_place, &s), 0);
	ck_assert_uint_eq(s.n, 2);
	ck_assert_uint_eq(s.id[0], 5);
	ck_assert_uint_eq(s.id[1], 2);
	state_unfreeze(st);
}
END_TEST

/* --- images that are not ours --- */
static char path[] = "t2_meta_rows.XXXXXX";

/* Exchanges the first two cells of a table whose root is a leaf. */
static void swap_cells(sqlite3 *db, const char *table)
{
	uint8_t page[VARVE_BLOCK], cell[2];
	sqlite3_stmt *s;
	FILE *f;
	long at;

	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema"
					    " WHERE name = ?", -1, &s, NULL), 0);
	sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	at = (long)(sqlite3_column_int(s, 0) - 1) * (long)VARVE_BLOCK;
	sqlite3_finalize(s);
	f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
	ck_assert_uint_eq(fread(page, sizeof(page), 1, f), 1);
	ck_assert(page[0] == 10 || page[0] == 13); /* leaf of an index or table */
	ck_assert_uint_ge(page[3] << 8 | page[4], 2);
	memcpy(cell, page + 8, 2);
	memcpy(page + 8, page + 10, 2);
	memcpy(page + 10, cell, 2);
	ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(page, sizeof(page), 1, f), 1);
	ck_assert_int_eq(fclose(f), 0);
}

/* The image in SQLite's own hands; swap may be NULL. */
static void forge_image(const char *sql, const char *swap)
{
	int fd = mkstemp(strcpy(path, "t2_meta_rows.XXXXXX"));
	char *why = NULL;
	sqlite3 *db;

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(ram_pages_export(pages, path), 0);
	ck_assert_int_eq(sqlite3_open(path, &db), 0);
	sqlite3_exec(db, sql, NULL, NULL, &why);
	ck_assert_msg(!why, "%s", why);
	if (swap)
		swap_cells(db, swap);
	ck_assert_int_eq(sqlite3_close(db), 0);
	reader_rest(rd);
	ck_assert_int_eq(ram_pages_import(pages, path), 0);
	ram_pages_commit(pages);
	unlink(path);
}

static void rewrite_image(const char *sql)
{
	forge_image(sql, NULL);
}

static void fill_image(void)
{
	struct piece_row p = { .id = 1, .len = 4096, .stored = 4096, .nsums = 1 };
	struct xattr_row x = { .ino = 10, .slot = 32, .namelen = 1, .name = "n" };

	put_inode(10, true);
	put_extent(10, 0, 4096, 1);
	put_entry(10, "name", 4, 10);
	state_put_piece(st, &p, true);
	state_put_xattr(st, &x);
	checkpoint();
}

START_TEST(plain_sqlite_opens_an_image_and_finds_it_sound)
{
	fill_image();
	/* The CHECK fails unless all these are as they should be. */
	rewrite_image("CREATE TEMP TABLE t(x CHECK(x));"
		      "INSERT INTO t SELECT count(*) = 1 FROM stat WHERE mode = '100644';"
		      "INSERT INTO t SELECT count(*) = 1 FROM names WHERE name = 'name';"
		      "INSERT INTO t SELECT count(*) = 1 FROM content WHERE len = 4096;"
		      "INSERT INTO t SELECT integrity_check = 'ok'"
		      " FROM pragma_integrity_check;"
		      "INSERT INTO t SELECT auto_vacuum = 2 FROM pragma_auto_vacuum;"
		      "INSERT INTO t SELECT page_size = 4096 FROM pragma_page_size;");
}
END_TEST

static const char *const foreign[] = {
	"PRAGMA user_version = 2",
	"PRAGMA application_id = 1",
	"CREATE TABLE more(x)",
	"DROP TABLE procs",
	"DROP INDEX orphans",
	"CREATE TRIGGER t AFTER INSERT ON inodes BEGIN DELETE FROM entries; END",
	"DROP VIEW stat; CREATE VIEW stat AS SELECT 1",
	"DROP TABLE targets; CREATE VIEW targets AS SELECT 1 AS ino, 2 AS target",
	"ALTER TABLE inodes ADD COLUMN more INTEGER",
};

START_TEST(an_image_with_another_schema_is_refused)
{
	struct inode_row i;

	fill_image();
	rewrite_image(foreign[_i]);
	reader_free(rd);
	state_free(st);
	st = state_new(ram_pages_store(pages), meta_key);
	rd = reader_new(st);
	ck_assert_int_eq(state_inode(st, rd, 10, &i), -VE_DB_SCHEMA);
	state_freeze(st);
	ck_assert_int_eq(state_write_image(st, &counts), -VE_DB_SCHEMA);
	ram_pages_abort(pages);
	state_unfreeze(st);
}
END_TEST

static const char *const impossible[] = {
	"UPDATE inodes SET mode = 1 << 32",
	"UPDATE inodes SET size = -1",
	"UPDATE inodes SET nlink = -1",
	"UPDATE entries SET name = x''",
	"UPDATE entries SET name = zeroblob(256)",
	"UPDATE entries SET ino = -1",
	"UPDATE entries SET type = 256",
	"UPDATE extents SET len = 0",
	"UPDATE extents SET len = -1",
	"UPDATE extents SET len = 1048577",
	"UPDATE extents SET off = 9223372036854775807",
	"UPDATE extents SET poff = 1 << 32",
	"UPDATE extents SET poff = 1048576",
	"UPDATE pieces SET sums = x'00'",
	"UPDATE pieces SET sums = zeroblob(1028)",
	"UPDATE pieces SET saved = 4097",
	"UPDATE pieces SET addr = -1",
	"UPDATE xattrs SET value = zeroblob(65537)",
	"UPDATE xattrs SET name = x''",
	"INSERT INTO extents SELECT ino, 4095, 4096, seq, piece, 0 FROM extents",
};

static int ignore_inode(void *arg, const struct inode_row *i)
{
	return 0;
}
static int ignore_entry(void *arg, const struct entry_row *e)
{
	return 0;
}
static int ignore_extent(void *arg, const struct extent_row *x)
{
	return 0;
}
static int ignore_piece(void *arg, const struct piece_row *p)
{
	return 0;
}
static int ignore_xattr(void *arg, const struct xattr_row *x)
{
	return 0;
}

START_TEST(an_impossible_row_is_an_error_and_never_a_value)
{
	int errs[5];
	unsigned k, bad = 0;

	fill_image();
	rewrite_image(impossible[_i]);
	errs[0] = state_inodes(st, rd, 0, ignore_inode, NULL);
	errs[1] = state_entries(st, rd, 10, 0, ignore_entry, NULL);
	errs[2] = state_extents(st, rd, 10, 0, UINT64_MAX, ignore_extent, NULL);
	errs[3] = state_pieces(st, rd, 0, ignore_piece, NULL);
	errs[4] = state_xattrs(st, rd, 10, ignore_xattr, NULL);
	for (k = 0; k < 5; k++) {
		ck_assert(errs[k] == 0 || errs[k] == -VE_DB);
		bad += errs[k] == -VE_DB;
	}
	ck_assert_msg(bad == 1, "%s", impossible[_i]);
}
END_TEST

START_TEST(a_tree_out_of_order_is_an_error_and_no_circle)
{
	fill_image();
	put_entry(10, "another", 7, 11);
	put_inode(11, true);
	checkpoint();
	forge_image("", _i ? "inodes" : "entries");
	if (_i)
		ck_assert_int_eq(state_inodes(st, rd, 0, ignore_inode, NULL), -VE_DB);
	else
		ck_assert_int_eq(state_entries(st, rd, 10, 0, ignore_entry, NULL),
				 -VE_DB);
}
END_TEST

START_TEST(a_target_of_impossible_length_is_an_error)
{
	size_t len;
	char *t;

	state_put_target(st, 10, "there", 5);
	checkpoint();
	ck_assert_int_eq(state_target(st, rd, 10, &t, &len), 0);
	ck_assert_str_eq(t, "there");
	free(t);
	rewrite_image(_i ? "UPDATE targets SET target = x''" :
			   "UPDATE targets SET target = zeroblob(65536)");
	ck_assert_int_eq(state_target(st, rd, 10, &t, &len), -VE_DB);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("meta_rows");
	TCase *tc = tcase_create("rows");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, inodes_with_extreme_values_survive_the_image);
	tcase_add_test(tc, names_are_bytes_in_overlay_and_image);
	tcase_add_test(tc, xattr_values_of_any_length_survive_the_image);
	tcase_add_test(tc, an_empty_value_is_listed_with_a_pointer);
	tcase_add_test(tc, counts_are_those_of_the_newest_image);
	tcase_add_test(tc, a_sixteenth_name_with_one_hash_still_has_a_place_and_no_seventeenth);
	tcase_add_test(tc, what_is_made_and_deleted_in_one_overlay_leaves_nothing);
	tcase_add_test(tc, what_the_image_may_hold_leaves_a_tombstone);
	tcase_add_test(tc, deleting_what_only_the_frozen_overlay_holds_survives_giving_it_up);
	tcase_add_test(tc, what_a_frozen_overlay_deleted_needs_no_second_tombstone);
	tcase_add_test(tc, what_never_was_below_a_frozen_fresh_inode_leaves_no_tombstone);
	tcase_add_loop_test(tc, a_number_used_again_never_brings_back_its_first_owner, 0, 2);
	tcase_add_test(tc, a_row_replaced_a_thousand_times_takes_the_memory_of_one);
	tcase_add_test(tc, extents_that_come_and_go_take_no_memory);
	tcase_add_test(tc, big_values_are_counted_and_given_back);
	tcase_add_test(tc, what_is_fresh_is_not_looked_for_in_the_image);
	tcase_add_test(tc, a_resting_reader_holds_no_image);
	tcase_add_test(tc, an_extent_is_found_behind_the_tombstones_it_covers);
	tcase_add_test(tc, a_deleted_extent_does_not_shine_through_from_below);
	tcase_add_test(tc, a_long_unwritten_extent_is_found_in_every_layer);
	tcase_add_test(tc, a_walk_can_ask_every_question_inside_itself);
	tcase_add_test(tc, pieces_are_found_by_address_unless_they_moved_or_went);
	tcase_add_test(tc, plain_sqlite_opens_an_image_and_finds_it_sound);
	tcase_add_loop_test(tc, an_image_with_another_schema_is_refused, 0,
			    (int)ARRAY_LEN(foreign));
	tcase_add_loop_test(tc, an_impossible_row_is_an_error_and_never_a_value, 0,
			    (int)ARRAY_LEN(impossible));
	tcase_add_loop_test(tc, a_tree_out_of_order_is_an_error_and_no_circle, 0, 2);
	tcase_add_loop_test(tc, a_target_of_impossible_length_is_an_error, 0, 2);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
