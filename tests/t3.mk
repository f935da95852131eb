# SPDX-License-Identifier: MIT

if HAVE_CHECK
check_PROGRAMS += tests/t3_store_vol
TESTS += tests/t3_store_vol
tests_t3_store_vol_SOURCES = tests/t3_store_vol.c
tests_t3_store_vol_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_vol_LDADD = $(STORE_LIBS) $(CHECK_LIBS)
endif
TESTS += tests/check-layers.sh
EXTRA_DIST += tests/check-layers.sh
