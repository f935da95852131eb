# SPDX-License-Identifier: MIT
GC_LIBS = src/gc/libvgc.a $(STORE_LIBS)
if HAVE_CHECK
check_PROGRAMS += tests/t5_gc
TESTS += tests/t5_gc
tests_t5_gc_SOURCES = tests/t5_gc.c
tests_t5_gc_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t5_gc_LDADD = $(GC_LIBS) $(CHECK_LIBS)
endif
