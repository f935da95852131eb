# SPDX-License-Identifier: MIT
META_TEST_SOURCES = tests/ram_pages.c tests/ram_pages.h \
	tests/meta_model.c tests/meta_model.h
META_TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests

if HAVE_CHECK
check_PROGRAMS += tests/t2_meta_model
TESTS += tests/t2_meta_model
tests_t2_meta_model_SOURCES = tests/t2_meta_model.c $(META_TEST_SOURCES)
tests_t2_meta_model_CPPFLAGS = $(META_TEST_CPPFLAGS)
tests_t2_meta_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_meta_model_LDADD = $(META_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/t2_meta_rows
TESTS += tests/t2_meta_rows
tests_t2_meta_rows_SOURCES = tests/t2_meta_rows.c $(META_TEST_SOURCES)
tests_t2_meta_rows_CPPFLAGS = $(META_TEST_CPPFLAGS)
tests_t2_meta_rows_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_meta_rows_LDADD = $(META_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/t2_meta_faults
TESTS += tests/t2_meta_faults
tests_t2_meta_faults_SOURCES = tests/t2_meta_faults.c $(META_TEST_SOURCES)
tests_t2_meta_faults_CPPFLAGS = $(META_TEST_CPPFLAGS)
tests_t2_meta_faults_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_meta_faults_LDADD = $(META_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/t2_meta_threads
TESTS += tests/t2_meta_threads
tests_t2_meta_threads_SOURCES = tests/t2_meta_threads.c $(META_TEST_SOURCES)
tests_t2_meta_threads_CPPFLAGS = $(META_TEST_CPPFLAGS)
tests_t2_meta_threads_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_meta_threads_LDADD = $(META_LIBS) $(CHECK_LIBS)

# Not a test: run by hand.
check_PROGRAMS += tests/bench_meta
tests_bench_meta_SOURCES = tests/bench_meta.c $(META_TEST_SOURCES)
tests_bench_meta_CPPFLAGS = $(META_TEST_CPPFLAGS)
tests_bench_meta_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_bench_meta_LDADD = $(META_LIBS) $(CHECK_LIBS)
endif
