# SPDX-License-Identifier: MIT
if HAVE_CHECK
PSTORE_TESTS = tests/t3_store_pstore tests/t3_store_pstore_damage \
	tests/t3_store_pstore_harm
check_PROGRAMS += $(PSTORE_TESTS)
TESTS += $(PSTORE_TESTS)
PSTORE_RIG = tests/pstore_rig.c tests/pstore_rig.h

tests_t3_store_pstore_SOURCES = tests/t3_store_pstore.c $(PSTORE_RIG)
tests_t3_store_pstore_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_pstore_LDADD = $(STORE_LIBS) $(CHECK_LIBS)
tests_t3_store_pstore_damage_SOURCES = tests/t3_store_pstore_damage.c $(PSTORE_RIG)
tests_t3_store_pstore_damage_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_pstore_damage_LDADD = $(STORE_LIBS) $(CHECK_LIBS)
tests_t3_store_pstore_harm_SOURCES = tests/t3_store_pstore_harm.c $(PSTORE_RIG)
tests_t3_store_pstore_harm_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t3_store_pstore_harm_LDADD = $(STORE_LIBS) $(CHECK_LIBS)
endif
