# SPDX-License-Identifier: MIT
# Fuzz targets.  As plain programs they replay tests/fuzz/corpus/NAME in make
# check; with CC=clang --enable-fuzzing (and --enable-asan) they are libFuzzer's:
#   tests/fuzz/fuzz_image -max_len=2000 -timeout=20 WORKDIR ../tests/fuzz/corpus/image
FUZZ_TARGETS = \
	tests/fuzz/fuzz_super \
	tests/fuzz/fuzz_slot \
	tests/fuzz/fuzz_batch \
	tests/fuzz/fuzz_record \
	tests/fuzz/fuzz_image
check_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_UTIL = tests/fuzz/fuzz.h tests/fuzz/fuzz_util.c $(VOL_RIG)
if FUZZING
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
TESTS += $(FUZZ_TARGETS)
FUZZ_LINK = $(AM_LDFLAGS)
FUZZ_UTIL += tests/fuzz/fuzz_main.c
endif
FUZZ_CPP = $(AM_CPPFLAGS) -I$(srcdir)/tests -I$(srcdir)/tests/fuzz

tests_fuzz_fuzz_super_SOURCES = tests/fuzz/fuzz_super.c $(FUZZ_UTIL)
tests_fuzz_fuzz_super_CPPFLAGS = $(FUZZ_CPP)
tests_fuzz_fuzz_super_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_super_LDADD = $(FS_LIBS)
tests_fuzz_fuzz_slot_SOURCES = tests/fuzz/fuzz_slot.c $(FUZZ_UTIL)
tests_fuzz_fuzz_slot_CPPFLAGS = $(FUZZ_CPP)
tests_fuzz_fuzz_slot_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_slot_LDADD = $(FS_LIBS)
tests_fuzz_fuzz_batch_SOURCES = tests/fuzz/fuzz_batch.c $(FUZZ_UTIL)
tests_fuzz_fuzz_batch_CPPFLAGS = $(FUZZ_CPP)
tests_fuzz_fuzz_batch_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_batch_LDADD = $(FS_LIBS)
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz_record.c $(FUZZ_UTIL)
tests_fuzz_fuzz_record_CPPFLAGS = $(FUZZ_CPP)
tests_fuzz_fuzz_record_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_record_LDADD = $(FS_LIBS)
tests_fuzz_fuzz_image_SOURCES = tests/fuzz/fuzz_image.c $(FUZZ_UTIL)
tests_fuzz_fuzz_image_CPPFLAGS = $(FUZZ_CPP)
tests_fuzz_fuzz_image_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_image_LDADD = $(FS_LIBS)

EXTRA_DIST += tests/fuzz/corpus
