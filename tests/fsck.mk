# SPDX-License-Identifier: MIT
# fsck, damage, failing devices.
VOL_RIG = tests/vol_rig.c tests/vol_rig.h

if HAVE_CHECK
FSCK_TESTS = \
	tests/t3_store_check \
	tests/t3_store_damage \
	tests/t3_store_ioerr
check_PROGRAMS += $(FSCK_TESTS)
TESTS += $(FSCK_TESTS)
tests_t3_store_check_SOURCES = tests/t3_store_check.c $(VOL_RIG)
tests_t3_store_check_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t3_store_check_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_check_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t3_store_damage_SOURCES = tests/t3_store_damage.c $(VOL_RIG)
tests_t3_store_damage_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t3_store_damage_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_damage_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t3_store_ioerr_SOURCES = tests/t3_store_ioerr.c $(VOL_RIG)
tests_t3_store_ioerr_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t3_store_ioerr_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_ioerr_LDADD = $(FS_LIBS) $(CHECK_LIBS)
endif
