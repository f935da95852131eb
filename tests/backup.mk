# SPDX-License-Identifier: MIT
# Metadata backups, rebuilding from them, scrubbing.
if HAVE_CHECK
BACKUP_TESTS = tests/t3_store_backup
check_PROGRAMS += $(BACKUP_TESTS)
TESTS += $(BACKUP_TESTS)
tests_t3_store_backup_SOURCES = tests/t3_store_backup.c $(VOL_RIG)
tests_t3_store_backup_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_t3_store_backup_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_backup_LDADD = $(FS_LIBS) $(CHECK_LIBS)
endif
