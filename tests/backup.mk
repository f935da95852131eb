# SPDX-License-Identifier: MIT
# Metadata backups, rebuilding from them, scrubbing.
if HAVE_CHECK
BACKUP_TESTS = tests/t3_store_backup tests/t5_rebuild tests/t5_scrub
check_PROGRAMS += $(BACKUP_TESTS)
TESTS += $(BACKUP_TESTS)
tests_t3_store_backup_SOURCES = tests/t3_store_backup.c $(VOL_RIG)
tests_t3_store_backup_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t3_store_backup_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_backup_LDADD = $(FS_LIBS) $(CHECK_LIBS)
tests_t5_rebuild_SOURCES = tests/t5_rebuild.c $(VOL_RIG)
tests_t5_rebuild_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t5_rebuild_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t5_rebuild_LDADD = src/gc/libvgc.a $(FS_LIBS) $(CHECK_LIBS)
tests_t5_scrub_SOURCES = tests/t5_scrub.c $(VOL_RIG)
tests_t5_scrub_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t5_scrub_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t5_scrub_LDADD = src/gc/libvgc.a $(FS_LIBS) $(CHECK_LIBS)
endif
