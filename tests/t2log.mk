# SPDX-License-Identifier: MIT
if HAVE_CHECK
T2LOG_TESTS = \
	tests/t2_log_append \
	tests/t2_log_chain \
	tests/t2_log_crash \
	tests/t2_log_format_doc \
	tests/t2_log_rec \
	tests/t2_log_seg
check_PROGRAMS += $(T2LOG_TESTS)
TESTS += $(T2LOG_TESTS)
EXTRA_DIST += tests/t2_log_rig.h

tests_t2_log_append_SOURCES = tests/t2_log_append.c
tests_t2_log_append_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_log_append_LDADD = $(LOG_LIBS) $(CHECK_LIBS)
tests_t2_log_chain_SOURCES = tests/t2_log_chain.c
tests_t2_log_chain_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_log_chain_LDADD = $(LOG_LIBS) $(CHECK_LIBS)
tests_t2_log_crash_SOURCES = tests/t2_log_crash.c
tests_t2_log_crash_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_log_crash_LDADD = $(LOG_LIBS) $(CHECK_LIBS)
tests_t2_log_format_doc_SOURCES = tests/t2_log_format_doc.c
tests_t2_log_format_doc_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_log_format_doc_LDADD = $(LOG_LIBS) $(CHECK_LIBS)
tests_t2_log_rec_SOURCES = tests/t2_log_rec.c
tests_t2_log_rec_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_log_rec_LDADD = $(LOG_LIBS) $(CHECK_LIBS)
tests_t2_log_seg_SOURCES = tests/t2_log_seg.c
tests_t2_log_seg_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_log_seg_LDADD = $(LOG_LIBS) $(CHECK_LIBS)
endif
