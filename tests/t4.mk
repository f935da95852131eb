# SPDX-License-Identifier: MIT
if HAVE_CHECK
T4_TESTS = \
	tests/t4_fs_names \
	tests/t4_fs_rename \
	tests/t4_fs_orphan \
	tests/t4_fs_attr \
	tests/t4_fs_xattr \
	tests/t4_fs_range \
	tests/t4_fs_threads \
	tests/t4_fs_whole
check_PROGRAMS += $(T4_TESTS)
TESTS += $(T4_TESTS)
T4_UTIL = tests/t4_util.c tests/t4_util.h

tests_t4_fs_names_SOURCES = tests/t4_fs_names.c $(T4_UTIL)
tests_t4_fs_names_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_names_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t4_fs_rename_SOURCES = tests/t4_fs_rename.c $(T4_UTIL)
tests_t4_fs_rename_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_rename_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t4_fs_orphan_SOURCES = tests/t4_fs_orphan.c $(T4_UTIL)
tests_t4_fs_orphan_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_orphan_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t4_fs_attr_SOURCES = tests/t4_fs_attr.c $(T4_UTIL)
tests_t4_fs_attr_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_attr_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t4_fs_xattr_SOURCES = tests/t4_fs_xattr.c $(T4_UTIL)
tests_t4_fs_xattr_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_xattr_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t4_fs_range_SOURCES = tests/t4_fs_range.c $(T4_UTIL)
tests_t4_fs_range_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_range_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t4_fs_threads_SOURCES = tests/t4_fs_threads.c $(T4_UTIL)
tests_t4_fs_threads_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_threads_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t4_fs_whole_SOURCES = tests/t4_fs_whole.c $(T4_UTIL)
tests_t4_fs_whole_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_whole_LDADD = $(FS_LIBS) $(CHECK_LIBS)

# Not a test: make tests/bench_fs
EXTRA_PROGRAMS = tests/bench_fs
tests_bench_fs_SOURCES = tests/bench_fs.c $(T4_UTIL)
tests_bench_fs_CFLAGS = $(AM_CFLAGS) -DT4_PLAIN
tests_bench_fs_LDADD = $(FS_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/t4_fs_sync
TESTS += tests/t4_fs_sync
tests_t4_fs_sync_SOURCES = tests/t4_fs_sync.c $(T4_UTIL)
tests_t4_fs_sync_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_sync_LDADD = $(FS_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/t4_fs_bounds
TESTS += tests/t4_fs_bounds
tests_t4_fs_bounds_SOURCES = tests/t4_fs_bounds.c $(T4_UTIL)
tests_t4_fs_bounds_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t4_fs_bounds_LDADD = $(FS_LIBS) $(CHECK_LIBS)
endif
