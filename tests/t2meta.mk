# SPDX-License-Identifier: MIT
META_TEST_SOURCES = tests/ram_pages.c tests/ram_pages.h \
	tests/meta_model.c tests/meta_model.h

if HAVE_CHECK
check_PROGRAMS += tests/t2_meta_model
TESTS += tests/t2_meta_model
tests_t2_meta_model_SOURCES = tests/t2_meta_model.c $(META_TEST_SOURCES)
tests_t2_meta_model_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t2_meta_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t2_meta_model_LDADD = $(META_LIBS) $(CHECK_LIBS)
endif
