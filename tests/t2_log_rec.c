/* SPDX-License-Identifier: MIT */
/* t2_log_rec.c - records (rec.h, doc/format.md §7).
 * Replay one case: CK_FORK=no VARVE_SEED=17 tests/t2_log_rec */
#include <limits.h>

#include "t2_log_rig.h"

#define CASES 400

static char text[5][VARVE_XATTR_MAX];
static uint32_t in_sums[VARVE_PIECE_SUMS];

static void random_bytes(uint64_t *s, char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p[i] = (char)rnd(s);
		if (p[i] == 0 || p[i] == '/')
			p[i] = 'x';
	}
	if (n && p[0] == '.')
		p[0] = 'y';
}

static void random_name(uint64_t *s, char *p, struct rec_name *n)
{
	n->dir = 1 + rnd(s) % 1000;
	n->cookie = rnd(s);
	n->len = (uint8_t)(1 + rnd(s) % VARVE_NAME_MAX);
	n->name = p;
	random_bytes(s, p, n->len);
}

static void random_xattr(uint64_t *s, char *p, uint32_t max, struct rec_xattr *x)
{
	x->slot = rnd(s);
	x->namelen = (uint8_t)(1 + rnd(s) % 255);
	x->name = p;
	x->len = (uint32_t)(rnd(s) % (max + 1));
	x->value = p + 256;
	random_bytes(s, p, 256 + x->len);
}

static void random_make(uint64_t *s, struct rec *r)
{
	static const uint32_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK,
					  S_IFIFO, S_IFSOCK };

	r->make.ino = rnd(s) | 1;
	r->make.mode = types[rnd(s) % 7] | (rnd(s) & 07777);
	r->make.uid = (uint32_t)rnd(s);
	r->make.gid = (uint32_t)rnd(s);
	r->make.iflags = (uint32_t)rnd(s);
	if (rnd(s) % 4)
		random_name(s, text[0], &r->make.at);
	if (S_ISCHR(r->make.mode) || S_ISBLK(r->make.mode))
		r->make.rdev = rnd(s);
	if (S_ISLNK(r->make.mode)) {
		r->make.target = text[1];
		r->make.target_len = (uint16_t)(1 + rnd(s) % (PATH_MAX - 1));
		random_bytes(s, text[1], r->make.target_len);
	}
	r->make.nxattrs = (uint8_t)(rnd(s) % (REC_MAKE_XATTRS + 1));
	for (unsigned i = 0; i < r->make.nxattrs; i++)
		random_xattr(s, text[2 + i], 300, &r->make.xattr[i]);
}

static void random_rename(uint64_t *s, struct rec *r)
{
	r->rename.ino = rnd(s) | 1;
	random_name(s, text[0], &r->rename.from);
	random_name(s, text[1], &r->rename.to);
	r->rename.mode = (uint32_t)(rnd(s) % 8);
	r->rename.victim = rnd(s) % 2 * (rnd(s) | 1);
	if (rnd(s) % 2) {
		r->rename.whiteout = rnd(s) | 1;
		r->rename.whiteout_uid = (uint32_t)rnd(s);
		r->rename.whiteout_gid = (uint32_t)rnd(s);
	}
}

static void random_setattr(uint64_t *s, struct rec *r)
{
	uint32_t mask = (uint32_t)(rnd(s) % 128);

	r->setattr.ino = rnd(s) | 1;
	r->setattr.mask = mask;
	r->setattr.mode = mask & RSA_MODE ? rnd(s) & 0177777 : 0;
	r->setattr.uid = mask & RSA_UID ? (uint32_t)rnd(s) : 0;
	r->setattr.gid = mask & RSA_GID ? (uint32_t)rnd(s) : 0;
	r->setattr.iflags = mask & RSA_FLAGS ? (uint32_t)rnd(s) : 0;
	r->setattr.atime = mask & RSA_ATIME ? (int64_t)rnd(s) : 0;
	r->setattr.mtime = mask & RSA_MTIME ? (int64_t)rnd(s) : 0;
}

static void random_write(uint64_t *s, struct rec *r)
{
	r->write.ino = rnd(s) | 1;
	r->write.len = (uint32_t)(1 + rnd(s) % VARVE_PIECE_MAX);
	r->write.off = rnd(s) % (INT64_MAX - VARVE_PIECE_MAX);
	r->write.piece = rnd(s) | 1;
	r->write.addr = 1 + rnd(s) % (INT64_MAX - VARVE_PIECE_MAX);
	r->write.stored = r->write.len;
	r->write.kill = (uint8_t)(rnd(s) % 2);
	r->write.nsums = piece_nsums(r->write.stored);
	r->write.sums = in_sums;
	for (uint32_t i = 0; i < r->write.nsums; i++)
		in_sums[i] = (uint32_t)rnd(s);
}

static void random_rec(uint64_t *s, unsigned kind, struct rec *r)
{
	memset(r, 0, sizeof *r);
	r->kind = (uint8_t)kind;
	r->flags = (uint8_t)rnd(s);
	r->uid = (uint32_t)rnd(s);
	r->pid = (uint32_t)rnd(s);
	r->time = (int64_t)rnd(s);
	switch (kind) {
	case REC_MAKE:
		random_make(s, r);
		break;
	case REC_LINK:
	case REC_UNLINK:
		r->link.ino = rnd(s) | 1;
		random_name(s, text[0], &r->link.at);
		break;
	case REC_DROP:
		r->drop.ino = rnd(s) | 1;
		break;
	case REC_RENAME:
		random_rename(s, r);
		break;
	case REC_SETATTR:
		random_setattr(s, r);
		break;
	case REC_WRITE:
		random_write(s, r);
		break;
	case REC_TRUNCATE:
		r->truncate.ino = rnd(s) | 1;
		r->truncate.size = rnd(s) >> 1;
		r->truncate.kill = (uint8_t)(rnd(s) % 2);
		break;
	case REC_FALLOC:
		r->falloc.ino = rnd(s) | 1;
		r->falloc.off = rnd(s) >> 2;
		r->falloc.len = 1 + (rnd(s) >> 2);
		r->falloc.size = rnd(s) >> 1;
		r->falloc.mode = (uint8_t)(1 + rnd(s) % 3);
		r->falloc.kill = (uint8_t)(rnd(s) % 2);
		break;
	case REC_CLONE:
		r->clone.src = rnd(s) | 1;
		r->clone.dst = rnd(s) | 1;
		r->clone.src_off = rnd(s) >> 2;
		r->clone.dst_off = rnd(s) >> 2;
		r->clone.len = 1 + (rnd(s) >> 2);
		r->clone.size = rnd(s) >> 1;
		r->clone.kill = (uint8_t)(rnd(s) % 2);
		break;
	case REC_SETXATTR:
		r->setxattr.ino = rnd(s) | 1;
		r->setxattr.mode = (uint32_t)(rnd(s) & 0177777);
		random_xattr(s, text[0], VARVE_XATTR_MAX - 256, &r->setxattr.x);
		break;
	case REC_RMXATTR:
		r->setxattr.ino = rnd(s) | 1;
		r->setxattr.mode = (uint32_t)(rnd(s) & 0177777);
		random_xattr(s, text[0], 0, &r->setxattr.x);
		break;
	case REC_RELOCATE:
		r->relocate.n = 1 + (uint32_t)(rnd(s) % REC_MOVES);
		for (uint32_t n = 0; n < r->relocate.n; n++) {
			r->relocate.move[n].piece = (rnd(s) >> 1) | 1;
			r->relocate.move[n].from = (rnd(s) >> 1) | 1;
			r->relocate.move[n].to = ((rnd(s) >> 1) & ~1ull) | 2;
		}
		break;
	}
}

static bool same_bytes(const void *a, size_t alen, const void *b, size_t blen)
{
	return alen == blen && (alen == 0 || memcmp(a, b, alen) == 0);
}

static bool same_name(const struct rec_name *a, const struct rec_name *b)
{
	return a->dir == b->dir && a->cookie == b->cookie &&
		same_bytes(a->name, a->len, b->name, b->len);
}

static bool same_xattr(const struct rec_xattr *a, const struct rec_xattr *b)
{
	return a->slot == b->slot && same_bytes(a->name, a->namelen, b->name, b->namelen) &&
		same_bytes(a->value, a->len, b->value, b->len);
}

static bool same_make(const struct rec *a, const struct rec *b)
{
	if (a->make.ino != b->make.ino || a->make.rdev != b->make.rdev ||
	    a->make.mode != b->make.mode || a->make.uid != b->make.uid ||
	    a->make.gid != b->make.gid || a->make.iflags != b->make.iflags ||
	    a->make.nxattrs != b->make.nxattrs || !same_name(&a->make.at, &b->make.at) ||
	    !same_bytes(a->make.target, a->make.target_len, b->make.target,
			b->make.target_len))
		return false;
	for (unsigned i = 0; i < a->make.nxattrs; i++)
		if (!same_xattr(&a->make.xattr[i], &b->make.xattr[i]))
			return false;
	return true;
}

static bool same_rec(const struct rec *a, const struct rec *b)
{
	if (a->kind != b->kind || a->flags != b->flags || a->uid != b->uid ||
	    a->pid != b->pid || a->time != b->time)
		return false;
	switch (a->kind) {
	case REC_MAKE:
		return same_make(a, b);
	case REC_LINK:
	case REC_UNLINK:
		return a->link.ino == b->link.ino && same_name(&a->link.at, &b->link.at);
	case REC_DROP:
		return a->drop.ino == b->drop.ino;
	case REC_RENAME:
		return a->rename.ino == b->rename.ino && a->rename.mode == b->rename.mode &&
			same_name(&a->rename.from, &b->rename.from) &&
			same_name(&a->rename.to, &b->rename.to) &&
			a->rename.victim == b->rename.victim &&
			a->rename.whiteout == b->rename.whiteout &&
			a->rename.whiteout_uid == b->rename.whiteout_uid &&
			a->rename.whiteout_gid == b->rename.whiteout_gid;
	case REC_SETATTR:
		return memcmp(&a->setattr, &b->setattr, sizeof a->setattr) == 0;
	case REC_WRITE:
		return a->write.ino == b->write.ino && a->write.off == b->write.off &&
			a->write.len == b->write.len && a->write.piece == b->write.piece &&
			a->write.addr == b->write.addr && a->write.enc == b->write.enc &&
			a->write.stored == b->write.stored &&
			a->write.kill == b->write.kill && a->write.was == b->write.was &&
			a->write.was_poff == b->write.was_poff &&
			same_bytes(a->write.sums, 4 * (size_t)a->write.nsums,
				   b->write.sums, 4 * (size_t)b->write.nsums);
	case REC_TRUNCATE:
		return a->truncate.ino == b->truncate.ino &&
			a->truncate.size == b->truncate.size &&
			a->truncate.kill == b->truncate.kill;
	case REC_FALLOC:
		return a->falloc.ino == b->falloc.ino && a->falloc.off == b->falloc.off &&
			a->falloc.len == b->falloc.len && a->falloc.size == b->falloc.size &&
			a->falloc.mode == b->falloc.mode && a->falloc.kill == b->falloc.kill;
	case REC_CLONE:
		return a->clone.src == b->clone.src && a->clone.dst == b->clone.dst &&
			a->clone.src_off == b->clone.src_off &&
			a->clone.dst_off == b->clone.dst_off &&
			a->clone.len == b->clone.len && a->clone.size == b->clone.size &&
			a->clone.kill == b->clone.kill;
	case REC_SETXATTR:
	case REC_RMXATTR:
		return a->setxattr.ino == b->setxattr.ino &&
			a->setxattr.mode == b->setxattr.mode &&
			same_xattr(&a->setxattr.x, &b->setxattr.x);
	case REC_RELOCATE:
		return a->relocate.n == b->relocate.n &&
			!memcmp(a->relocate.move, b->relocate.move,
				a->relocate.n * sizeof a->relocate.move[0]);
	}
	return false;
}

START_TEST(every_kind_decodes_to_what_was_encoded)
{
	static uint32_t sums[VARVE_PIECE_SUMS];
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed;

	for (unsigned kind = 1; kind < REC_KIND_END; kind++) {
		struct rec in, out;
		size_t size, len = 0;
		uint8_t *buf;
		int err;

		random_rec(&s, kind, &in);
		size = rec_size(&in);
		ck_assert_msg(size % 8 == 0 && size <= REC_MAX, "seed %lu kind %u size %zu",
			      seed, kind, size);
		buf = malloc(size); /* exactly: ASan sees an overrun */
		rec_encode(&in, buf);
		err = rec_decode(buf, size, sums, &out, &len);
		ck_assert_msg(err == 0, "seed %lu kind %u: %s", seed, kind, err_str(err));
		ck_assert_msg(len == size && same_rec(&in, &out), "seed %lu kind %u differs",
			      seed, kind);
		free(buf);
	}
}
END_TEST

/* Any answer is right as long as it stays inside the buffer, and as long as
 * what is accepted has exactly one form. */
START_TEST(damaged_records_are_refused_or_parse_without_overrun)
{
	static uint32_t sums[VARVE_PIECE_SUMS];
	uint64_t seed = seed_or_env((uint64_t)_i), s = seed + 1000000;
	FILE *null = fopen("/dev/null", "w");

	for (unsigned kind = 1; kind < REC_KIND_END; kind++) {
		struct rec r;
		size_t size, len;
		uint8_t *good, *bad, *again;

		random_rec(&s, kind, &r);
		size = rec_size(&r);
		good = malloc(size);
		rec_encode(&r, good);
		for (unsigned step = 0; step < 60; step++) {
			size_t cut = rnd(&s) % 3 ? size : rnd(&s) % (size + 1);

			bad = malloc(cut ? cut : 1);
			memcpy(bad, good, cut);
			for (unsigned flips = rnd(&s) % 4; cut && flips; flips--)
				bad[rnd(&s) % MIN(cut, 128)] = (uint8_t)rnd(&s);
			if (rec_decode(bad, cut, sums, &r, &len) == 0) {
				ck_assert_uint_le(len, cut);
				ck_assert_msg(rec_size(&r) == len, "seed %lu kind %u step %u",
					      seed, kind, step);
				again = malloc(len);
				rec_encode(&r, again);
				ck_assert_msg(memcmp(again, bad, len) == 0,
					      "seed %lu kind %u step %u: two forms", seed,
					      kind, step);
				free(again);
				rec_print(&r, step, null);
			}
			free(bad);
		}
		free(good);
	}
	fclose(null);
}
END_TEST

START_TEST(create_and_small_write_are_compact)
{
	uint32_t sum = 1;
	struct rec make = { .kind = REC_MAKE, .make = {
		.ino = 2, .mode = S_IFREG | 0644,
		.at = { .dir = 1, .cookie = 7, .name = "twelve-bytes", .len = 12 } } };
	struct rec write = { .kind = REC_WRITE, .write = {
		.ino = 2, .len = 4096, .stored = 4096, .piece = 1, .addr = 4096,
		.nsums = 1, .sums = &sum } };

	ck_assert_uint_le(rec_size(&make), 80);
	ck_assert_uint_le(rec_size(&write), 64);
}
END_TEST

/* A valid record with one field made impossible. */
struct spoil {
	const char *what;
	unsigned kind;
	size_t off;
	unsigned width;
	uint64_t value;
	int err;
};

static const struct spoil spoils[] = {
	{ "no kind", REC_DROP, 2, 1, 0, -VE_REC_KIND },
	{ "a kind from the future", REC_DROP, 2, 1, REC_KIND_END, -VE_REC_KIND },
	{ "length zero", REC_DROP, 0, 2, 0, -VE_REC_VALUE },
	{ "length shorter than the body", REC_DROP, 0, 2, 3, -VE_REC_VALUE },
	{ "length past the buffer", REC_DROP, 0, 2, 5, -VE_REC_SHORT },
	{ "length above REC_MAX", REC_DROP, 0, 2, 0xffff, -VE_REC_VALUE },
	{ "drop of no inode", REC_DROP, 24, 8, 0, -VE_REC_VALUE },
	{ "drop with an aux word", REC_DROP, 12, 4, 1, -VE_REC_VALUE },
	{ "truncate beyond 2^63", REC_TRUNCATE, 32, 8, 1ull << 63, -VE_REC_VALUE },
	{ "write of length 0", REC_WRITE, 12, 4, 0, -VE_REC_VALUE },
	{ "write longer than a piece", REC_WRITE, 12, 4, VARVE_PIECE_MAX + 1,
	  -VE_REC_VALUE },
	{ "write of no inode", REC_WRITE, 24, 8, 0, -VE_REC_VALUE },
	{ "write wrapping past 2^63", REC_WRITE, 32, 8, INT64_MAX, -VE_REC_VALUE },
	{ "write to no piece", REC_WRITE, 40, 8, 0, -VE_REC_VALUE },
	{ "write at address 0", REC_WRITE, 48, 8, 0, -VE_REC_VALUE },
	{ "falloc of an unknown mode", REC_FALLOC, 12, 1, 4, -VE_REC_VALUE },
	{ "falloc of length 0", REC_FALLOC, 40, 8, 0, -VE_REC_VALUE },
	{ "clone from no inode", REC_CLONE, 24, 8, 0, -VE_REC_VALUE },
	{ "clone wrapping past 2^63", REC_CLONE, 32, 8, UINT64_MAX, -VE_REC_VALUE },
	{ "link in no directory", REC_LINK, 32, 8, 0, -VE_REC_VALUE },
	{ "link with an empty name", REC_LINK, 12, 4, 0, -VE_REC_VALUE },
	{ "name with a slash", REC_LINK, 48, 1, '/', -VE_REC_VALUE },
	{ "name with a zero byte", REC_LINK, 48, 1, 0, -VE_REC_VALUE },
	{ "rename with unknown flags", REC_RENAME, 12, 4, 8, -VE_REC_VALUE },
	{ "make of an impossible type", REC_MAKE, 12, 4, 0644, -VE_REC_VALUE },
	{ "make of no inode", REC_MAKE, 24, 8, 0, -VE_REC_VALUE },
	{ "make with too many xattrs", REC_MAKE, 47, 1, REC_MAKE_XATTRS + 1,
	  -VE_REC_VALUE },
	{ "setattr with unknown bits", REC_SETATTR, 12, 4, 1u << 31, -VE_REC_VALUE },
	{ "xattr with an empty name", REC_RMXATTR, 44, 1, 0, -VE_REC_VALUE },
	{ "xattr value too long", REC_SETXATTR, 40, 4, VARVE_XATTR_MAX + 1,
	  -VE_REC_VALUE },
};

START_TEST(impossible_values_have_a_named_error)
{
	static uint32_t sums[VARVE_PIECE_SUMS];
	const struct spoil *sp = &spoils[_i];
	uint64_t s = 42;
	uint8_t *buf;
	struct rec r;
	size_t size, len;
	int err;

	random_rec(&s, sp->kind, &r);
	size = rec_size(&r);
	buf = malloc(size);
	rec_encode(&r, buf);
	ck_assert_int_eq(rec_decode(buf, size, sums, &r, &len), 0);
	for (unsigned i = 0; i < sp->width; i++)
		buf[sp->off + i] = (uint8_t)(sp->value >> (8 * i));
	err = rec_decode(buf, size, sums, &r, &len);
	ck_assert_msg(err == sp->err, "%s: %s", sp->what, err_str(err));
	free(buf);
}
END_TEST

START_TEST(unknown_encodings_are_refused)
{
	uint32_t sums[VARVE_PIECE_SUMS] = { 0 };
	struct rec out, r = { .kind = REC_WRITE, .write = {
		.ino = 2, .len = 8192, .stored = 100, .enc = REC_ENC_END, .piece = 1,
		.addr = 4096, .nsums = 1, .sums = sums } };
	uint8_t buf[128];
	size_t len;

	ck_assert_uint_le(rec_size(&r), sizeof buf);
	rec_encode(&r, buf);
	ck_assert_int_eq(rec_decode(buf, rec_size(&r), sums, &out, &len), -VE_REC_VALUE);
}
END_TEST

START_TEST(printed_names_are_escaped_and_on_one_line)
{
	struct rec r = { .kind = REC_UNLINK, .uid = 5, .link = {
		.ino = 9, .at = { .dir = 1, .name = "a\n\"\x1b", .len = 4 } } };
	char *text_out = NULL;
	size_t size;
	FILE *f = open_memstream(&text_out, &size);

	rec_print(&r, 33, f);
	fclose(f);
	ck_assert_ptr_null(strchr(text_out, '\n'));
	ck_assert_ptr_nonnull(strstr(text_out, "unlink ino 9 at 1/\"a\\x0a\\\"\\x1b\""));
	free(text_out);
}
END_TEST

START_TEST(a_piece_is_verified_by_units_wherever_it_lies)
{
	static uint8_t data[3 * 4096 + 100], copy[sizeof data];
	uint32_t sums[4], other[4];

	fill(data, sizeof data, 5);
	piece_sum(data, sizeof data, sums);
	piece_copy_sum(copy, data, sizeof data, other);
	ck_assert_mem_eq(sums, other, sizeof sums);
	ck_assert_mem_eq(copy, data, sizeof data);
	ck_assert_int_eq(piece_verify(data, sizeof data, sums, 4), 0);
	ck_assert_int_eq(piece_verify(data, sizeof data, sums, 3), -VE_REC_VALUE);
	data[3 * 4096 + 99] ^= 1;
	ck_assert_int_eq(piece_verify(data, sizeof data, sums, 4), -VE_DATA_CRC);
	ck_assert_int_eq(piece_verify_units(data + 4096, sizeof data, sums, 4, 1, 2), 0);
	ck_assert_int_eq(piece_verify_units(data + 3 * 4096, sizeof data, sums, 4, 3, 1),
			 -VE_DATA_CRC);
	ck_assert_int_eq(piece_verify_units(data, sizeof data, sums, 4, 2, 3),
			 -VE_REC_VALUE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log records");
	TCase *tc = tcase_create("rec");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_kind_decodes_to_what_was_encoded, 0, CASES);
	tcase_add_loop_test(tc, damaged_records_are_refused_or_parse_without_overrun, 0, 100);
	tcase_add_test(tc, create_and_small_write_are_compact);
	tcase_add_loop_test(tc, impossible_values_have_a_named_error, 0, ARRAY_LEN(spoils));
	tcase_add_test(tc, unknown_encodings_are_refused);
	tcase_add_test(tc, printed_names_are_escaped_and_on_one_line);
	tcase_add_test(tc, a_piece_is_verified_by_units_wherever_it_lies);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
