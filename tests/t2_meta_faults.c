/* SPDX-License-Identifier: MIT */
/* t2_meta_faults.c - state.h, errors: what the page store reports comes back
 * unchanged, loses nothing, and is over when the fault is over.  And vfs.h:
 * what SQLite sees of a page store. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "meta/db.h"
#include "meta_model.h"
#include "ram_pages.h"

static struct ram_pages *pages;
static struct state *st;
static struct reader *rd;
static const struct meta_counts counts = { .ckpt = 1 };

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

static void commit(void)
{
	ram_pages_commit(pages);
	overlay_free(state_switch(st));
}

static void checkpoint(void)
{
	state_freeze(st);
	ck_assert_int_eq(state_write_image(st, &counts), 0);
	commit();
}

/* Wide rows, so that the image has many pages. */
static void put_many(uint64_t from, uint64_t to, uint64_t seq)
{
	struct piece_row p = { .len = VARVE_PIECE_MAX, .nsums = VARVE_PIECE_SUMS };
	struct inode_row i = { .mode = 0100644, .nlink = 1 };

	for (; from < to; from++) {
		i.ino = p.id = from;
		i.seq = p.addr = seq;
		state_put_inode(st, &i, false);
		state_put_piece(st, &p, false);
	}
}

static void check_many(uint64_t from, uint64_t to, uint64_t seq)
{
	struct piece_row p;
	struct inode_row i;

	for (; from < to; from++) {
		ck_assert_int_eq(state_inode(st, rd, from, &i), 0);
		ck_assert_int_eq(state_piece(st, rd, from, &p), 0);
		ck_assert_uint_eq(i.seq, seq);
		ck_assert_uint_eq(p.addr, seq);
	}
}

/* --- reads --- */
static int count_piece(void *arg, const struct piece_row *p)
{
	++*(unsigned *)arg;
	return 0;
}

START_TEST(a_damaged_page_is_the_page_stores_error_until_it_is_repaired)
{
	static const int errs[] = { -VE_PAGE_CRC, -EIO, -VE_DEV_IO };
	int err = errs[_i];
	struct inode_row i;
	unsigned n = 0;

	put_many(1, 400, 1);
	checkpoint();
	check_many(1, 400, 1);
	put_many(1, 2, 2);
	checkpoint(); /* readers start with empty caches */
	ram_pages_fail(pages, RAM_READ, 20, err);
	ck_assert_int_eq(state_pieces(st, rd, 0, count_piece, &n), err);
	ck_assert_uint_gt(n, 0); /* it broke off in the middle */
	ck_assert_int_eq(state_inode(st, rd, 300, &i), err);
	ck_assert_int_eq(state_check_image(st, rd, NULL), err);
	ram_pages_fail(pages, RAM_READ, 0, 0);
	check_many(2, 400, 1);
	check_many(1, 2, 2);
	n = 0;
	ck_assert_int_eq(state_pieces(st, rd, 0, count_piece, &n), 0);
	ck_assert_uint_eq(n, 399);
}
END_TEST

START_TEST(the_first_question_can_fail_at_any_read_and_be_asked_again)
{
	struct meta_counts c;
	struct inode_row i;
	uint64_t k;
	int err;

	put_many(1, 400, 1);
	checkpoint();
	for (k = 0; k < 100; k++) {
		ram_pages_fail(pages, RAM_READ, k, -VE_PAGE_CRC);
		err = state_inode(st, rd, 300, &i);
		ram_pages_fail(pages, RAM_READ, 0, 0);
		if (!err)
			break;
		ck_assert_int_eq(err, -VE_PAGE_CRC);
		ck_assert_int_eq(state_read_counts(st, rd, &c), 0);
		reader_free(rd);
		rd = reader_new(st);
	}
	ck_assert_uint_gt(k, 2);
	ck_assert_uint_lt(k, 100);
}
END_TEST

struct nested {
	unsigned n;
	int inner;
};

static int fail_inside(void *arg, const struct piece_row *p)
{
	struct nested *s = arg;
	struct inode_row i;

	if (s->n++ == 5)
		ram_pages_fail(pages, RAM_READ, 0, -VE_PAGE_CRC);
	s->inner = state_inode(st, rd, p->id, &i);
	return 0;
}

START_TEST(an_error_in_a_nested_question_ends_the_walk_too)
{
	struct nested s = { 0 };

	put_many(1, 400, 1);
	checkpoint();
	ck_assert_int_eq(state_pieces(st, rd, 0, fail_inside, &s), -VE_PAGE_CRC);
	ram_pages_fail(pages, RAM_READ, 0, 0);
	s = (struct nested){ .n = 6 };
	ck_assert_int_eq(state_pieces(st, rd, 0, fail_inside, &s), 0);
	ck_assert_uint_eq(s.n, 6 + 399);
	ck_assert_int_eq(s.inner, 0);
}
END_TEST

START_TEST(a_broken_tree_is_named_by_the_check)
{
	char *text = NULL;
	uint32_t k;
	int err = 0;

	put_many(1, 400, 1);
	checkpoint();
	ck_assert_int_eq(state_check_image(st, rd, &text), 0);
	ck_assert_ptr_null(text);
	reader_rest(rd);
	/* The number of cells, in the header of the last leaf. */
	for (k = ram_pages_count(pages); !err && k > 1; k--) {
		ram_pages_damage(pages, k, 4);
		put_many(1, 2, k);
		reader_free(rd);
		rd = reader_new(st);
		err = state_check_image(st, rd, &text);
		reader_rest(rd);
		ram_pages_damage(pages, k, 4);
	}
	ck_assert_int_eq(err, -VE_DB);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_gt(strlen(text), 0);
	free(text);
}
END_TEST

/* --- writes --- */
START_TEST(a_write_that_fails_loses_nothing_whichever_it_is)
{
	uint64_t k, seq = 1;
	int err, want;

	put_many(1, 200, 1);
	checkpoint();
	for (k = 0;; k++) {
		/* Some new, some replaced, some gone. */
		put_many(1, 250, ++seq);
		state_del_piece(st, 250 + k);
		state_freeze(st);
		want = k % 2 ? -ENOSPC : -EIO;
		ram_pages_fail(pages, RAM_TXN_WRITE, k, want);
		err = state_write_image(st, &counts);
		ram_pages_fail(pages, RAM_TXN_WRITE, 0, 0);
		if (!err)
			break;
		ck_assert_msg(err == want, "call %llu: %d", (unsigned long long)k, err);
		ram_pages_abort(pages);
		check_many(1, 250, seq);
		state_unfreeze(st);
		check_many(1, 250, seq);
		/* The next one works, with what was not lost. */
		if (k % 8 == 7) {
			checkpoint();
			check_many(1, 250, seq);
		}
	}
	ck_assert_uint_gt(k, 5);
	commit();
	check_many(1, 250, seq);
	ck_assert_int_eq(state_check_image(st, rd, NULL), 0);
}
END_TEST

START_TEST(a_failed_read_of_the_writer_loses_nothing)
{
	uint64_t k;
	int err;

	put_many(1, 400, 1);
	checkpoint();
	for (k = 0; k < 200; k++) {
		put_many(1, 400, k + 2);
		state_freeze(st);
		ram_pages_fail(pages, RAM_TXN_READ, k, -VE_PAGE_CRC);
		err = state_write_image(st, &counts);
		ram_pages_fail(pages, RAM_TXN_READ, 0, 0);
		if (!err)
			break;
		ck_assert_int_eq(err, -VE_PAGE_CRC);
		ram_pages_abort(pages);
		state_unfreeze(st);
		check_many(1, 400, k + 2);
	}
	ck_assert_uint_gt(k, 5);
	ck_assert_uint_lt(k, 200);
	commit();
	check_many(1, 400, k + 2);
}
END_TEST

START_TEST(a_failed_first_checkpoint_leaves_an_empty_store)
{
	struct meta_counts c;
	uint64_t k;
	int err;

	put_many(1, 50, 1);
	for (k = 0;; k++) {
		state_freeze(st);
		ram_pages_fail(pages, RAM_TXN_WRITE, k, -ENOSPC);
		err = state_write_image(st, &counts);
		ram_pages_fail(pages, RAM_TXN_WRITE, 0, 0);
		if (!err)
			break;
		ck_assert_int_eq(err, -ENOSPC);
		ram_pages_abort(pages);
		state_unfreeze(st);
		ck_assert_int_eq(state_read_counts(st, rd, &c), -ENOENT);
		check_many(1, 50, 1);
	}
	ck_assert_uint_gt(k, 5);
	commit();
	check_many(1, 50, 1);
}
END_TEST

START_TEST(an_image_that_was_written_and_given_up_is_forgotten)
{
	struct inode_row i;

	put_many(1, 50, 1);
	checkpoint();
	put_many(1, 200, 2);
	state_freeze(st);
	ck_assert_int_eq(state_write_image(st, &counts), 0);
	ram_pages_abort(pages);
	state_unfreeze(st);
	check_many(1, 200, 2);
	state_del_inode(st, 199);
	checkpoint();
	check_many(1, 199, 2);
	ck_assert_int_eq(state_inode(st, rd, 199, &i), -ENOENT);
	ck_assert_int_eq(state_check_image(st, rd, NULL), 0);
}
END_TEST

START_TEST(a_page_store_in_a_transaction_refuses_another)
{
	struct page_store *ps = ram_pages_store(pages);

	put_many(1, 50, 1);
	ck_assert_int_eq(ps->ops->txn_begin(ps), 0);
	state_freeze(st);
	ck_assert_int_eq(state_write_image(st, &counts), -EBUSY);
	ps->ops->txn_abort(ps);
	state_unfreeze(st);
	checkpoint();
	check_many(1, 50, 1);
}
END_TEST

/* --- the VFS --- */
START_TEST(every_page_of_an_image_exists_even_those_that_hold_nothing)
{
	struct page_store *ps = ram_pages_store(pages);
	struct db *db;

	ck_assert_int_eq(ps->ops->txn_begin(ps), 0);
	ck_assert_int_eq(db_open_writer(ps, &db), 0);
	/* Pages made, freed and (some) used again in one transaction. */
	ck_assert_int_eq(db_exec(db, "BEGIN; CREATE TABLE t(x); CREATE TABLE u(x);"
		"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
		" INSERT INTO t SELECT zeroblob(9000) FROM n;"
		"DELETE FROM t; INSERT INTO u VALUES(zeroblob(100000));"
		"DROP TABLE t; COMMIT"), 0);
	ck_assert_int_eq(vfs_txn_fill(&db->conn), 0);
	db_close(db);
	ram_pages_commit(pages); /* aborts if a page was never written */
	ck_assert_uint_gt(ram_pages_count(pages), 500);
}
END_TEST

START_TEST(a_page_that_was_never_written_reads_as_zeros_in_its_transaction)
{
	struct page_store *ps = ram_pages_store(pages);
	uint8_t page[VARVE_BLOCK], zeros[VARVE_BLOCK] = { 0 };
	sqlite3_file *f;
	struct db *db;
	uint32_t n;

	ck_assert_int_eq(ps->ops->txn_begin(ps), 0);
	ck_assert_int_eq(db_open_writer(ps, &db), 0);
	ck_assert_int_eq(sqlite3_file_control(db->sql, "main",
					      SQLITE_FCNTL_FILE_POINTER, &f), 0);
	n = ps->ops->txn_npages(ps);
	memset(page, 1, sizeof(page));
	ck_assert_int_eq(f->pMethods->xWrite(f, page, sizeof(page),
					     (n + 9) * (sqlite3_int64)VARVE_BLOCK), 0);
	ck_assert_int_eq(f->pMethods->xRead(f, page, sizeof(page),
					    (n + 8) * (sqlite3_int64)VARVE_BLOCK), 0);
	ck_assert_mem_eq(page, zeros, sizeof(page));
	ck_assert_int_eq(f->pMethods->xRead(f, page, sizeof(page),
					    (n + 9) * (sqlite3_int64)VARVE_BLOCK), 0);
	ck_assert_int_eq(page[0], 1);
	ck_assert_int_eq(f->pMethods->xWrite(f, page, 512, 0), SQLITE_IOERR_WRITE);
	db_close(db);
}
END_TEST

START_TEST(a_file_that_shrinks_and_grows_in_one_transaction_has_all_its_pages)
{
	struct page_store *ps = ram_pages_store(pages);
	struct db *db;
	uint32_t most;

	ck_assert_int_eq(ps->ops->txn_begin(ps), 0);
	ck_assert_int_eq(db_open_writer(ps, &db), 0);
	ck_assert_int_eq(db_exec(db, "CREATE TABLE t(x);"
		"INSERT INTO t VALUES(zeroblob(400000))"), 0);
	ck_assert_int_eq(vfs_txn_fill(&db->conn), 0);
	ram_pages_commit(pages);
	most = ram_pages_count(pages);
	ck_assert_int_eq(ps->ops->txn_begin(ps), 0);
	vfs_txn_start(&db->conn);
	ck_assert_int_eq(db_exec(db, "DELETE FROM t; PRAGMA incremental_vacuum;"), 0);
	ck_assert_uint_lt(ps->ops->txn_npages(ps), most - 90);
	ck_assert_int_eq(db_exec(db, "BEGIN; INSERT INTO t VALUES(zeroblob(300000));"
		"DELETE FROM t; INSERT INTO t VALUES(zeroblob(9000)); COMMIT"), 0);
	ck_assert_int_eq(vfs_txn_fill(&db->conn), 0);
	ram_pages_commit(pages);
	db_close(db);
}
END_TEST

START_TEST(reads_of_parts_of_pages_and_past_the_end_are_what_sqlite_expects)
{
	struct page_store *ps = ram_pages_store(pages);
	uint8_t page[2 * VARVE_BLOCK], part[64];
	sqlite3_file *f;
	sqlite3_int64 size;
	struct db *db;

	put_many(1, 10, 1);
	checkpoint();
	ck_assert_int_eq(db_open_reader(ps, &db), 0);
	ck_assert_int_eq(sqlite3_file_control(db->sql, "main",
					      SQLITE_FCNTL_FILE_POINTER, &f), 0);
	ck_assert_int_eq(f->pMethods->xFileSize(f, &size), 0);
	ck_assert_int_eq(size, (sqlite3_int64)ram_pages_count(pages) * VARVE_BLOCK);
	ck_assert_int_eq(f->pMethods->xRead(f, page, sizeof(page), 0), 0);
	ck_assert_mem_eq(page, "SQLite format 3", 16);
	ck_assert_int_eq(f->pMethods->xRead(f, part, 16, 24), 0);
	ck_assert_mem_eq(part, page + 24, 16);
	ck_assert_int_eq(f->pMethods->xRead(f, part, 64, VARVE_BLOCK - 32), 0);
	ck_assert_mem_eq(part, page + VARVE_BLOCK - 32, 64);
	memset(part, 0xff, sizeof(part));
	ck_assert_int_eq(f->pMethods->xRead(f, part, 64, size - 8),
			 SQLITE_IOERR_SHORT_READ);
	ck_assert_mem_eq(part + 8, (uint8_t[56]){ 0 }, 56);
	ck_assert_int_eq(f->pMethods->xRead(f, part, 64, size + 4096),
			 SQLITE_IOERR_SHORT_READ);
	ck_assert_mem_eq(part, (uint8_t[64]){ 0 }, 64);
	ck_assert_int_eq(f->pMethods->xWrite(f, page, VARVE_BLOCK, 0), SQLITE_READONLY);
	db_close(db);
}
END_TEST

START_TEST(a_reader_sees_one_image_until_it_lets_go_of_it)
{
	struct page_store *ps = ram_pages_store(pages);
	sqlite3_stmt *s;
	struct db *db;

	put_many(1, 10, 1);
	checkpoint();
	ck_assert_int_eq(db_open_reader(ps, &db), 0);
	ck_assert_int_eq(db_prepare(db, "SELECT seq FROM inodes WHERE ino = 5", &s), 0);
	ck_assert_int_eq(db_exec(db, "BEGIN"), 0);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	ck_assert_int_eq(sqlite3_column_int64(s, 0), 1);
	sqlite3_reset(s);
	put_many(1, 10, 2);
	checkpoint();
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	ck_assert_int_eq(sqlite3_column_int64(s, 0), 1);
	sqlite3_reset(s);
	ck_assert_int_eq(db_exec(db, "COMMIT"), 0);
	ck_assert_uint_eq(ram_pages_held(pages), 0);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	ck_assert_int_eq(sqlite3_column_int64(s, 0), 2);
	sqlite3_finalize(s);
	db_close(db);
}
END_TEST

START_TEST(no_other_file_can_be_reached)
{
	struct page_store *ps = ram_pages_store(pages);
	struct db *db;
	sqlite3 *sql;

	checkpoint();
	ck_assert_int_eq(db_open_reader(ps, &db), 0);
	ck_assert_int_eq(db_exec(db, "ATTACH '/etc/passwd' AS p"), -VE_DB);
	ck_assert_int_eq(db_exec(db, "SELECT load_extension('x')"), -VE_DB);
	ck_assert_int_eq(db_exec(db, "DELETE FROM inodes"), -VE_DB);
	ck_assert_int_eq(sqlite3_open_v2("varve-999999", &sql, SQLITE_OPEN_READWRITE,
					 VFS_NAME), SQLITE_CANTOPEN);
	sqlite3_close(sql);
	db_close(db);
}
END_TEST

START_TEST(volumes_side_by_side_do_not_meet)
{
	struct ram_pages *pages2 = ram_pages_new();
	struct state *st2 = state_new(ram_pages_store(pages2), meta_key);
	struct reader *rd2 = reader_new(st2);
	struct inode_row i = { .ino = 5, .seq = 77 };

	state_put_inode(st2, &i, true);
	state_freeze(st2);
	ck_assert_int_eq(state_write_image(st2, &counts), 0);
	ram_pages_commit(pages2);
	overlay_free(state_switch(st2));
	put_many(1, 10, 1);
	checkpoint();
	ck_assert_int_eq(state_inode(st2, rd2, 5, &i), 0);
	ck_assert_uint_eq(i.seq, 77);
	ck_assert_int_eq(state_inode(st2, rd2, 6, &i), -ENOENT);
	check_many(1, 10, 1);
	reader_free(rd2);
	state_free(st2);
	ram_pages_free(pages2);
	check_many(1, 10, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("meta_faults");
	TCase *tc = tcase_create("faults");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_damaged_page_is_the_page_stores_error_until_it_is_repaired,
			    0, 3);
	tcase_add_test(tc, the_first_question_can_fail_at_any_read_and_be_asked_again);
	tcase_add_test(tc, an_error_in_a_nested_question_ends_the_walk_too);
	tcase_add_test(tc, a_broken_tree_is_named_by_the_check);
	tcase_add_test(tc, a_write_that_fails_loses_nothing_whichever_it_is);
	tcase_add_test(tc, a_failed_read_of_the_writer_loses_nothing);
	tcase_add_test(tc, a_failed_first_checkpoint_leaves_an_empty_store);
	tcase_add_test(tc, an_image_that_was_written_and_given_up_is_forgotten);
	tcase_add_test(tc, a_page_store_in_a_transaction_refuses_another);
	tcase_add_test(tc, every_page_of_an_image_exists_even_those_that_hold_nothing);
	tcase_add_test(tc, a_page_that_was_never_written_reads_as_zeros_in_its_transaction);
	tcase_add_test(tc, a_file_that_shrinks_and_grows_in_one_transaction_has_all_its_pages);
	tcase_add_test(tc, reads_of_parts_of_pages_and_past_the_end_are_what_sqlite_expects);
	tcase_add_test(tc, a_reader_sees_one_image_until_it_lets_go_of_it);
	tcase_add_test(tc, no_other_file_can_be_reached);
	tcase_add_test(tc, volumes_side_by_side_do_not_meet);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
