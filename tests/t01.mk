# SPDX-License-Identifier: MIT
if HAVE_CHECK
T01_TESTS = \
	tests/t0_base_omap \
	tests/t0_base_sums \
	tests/t1_dev_ring \
	tests/t1_dev_sim \
	tests/t1_dev_file \
	tests/bugs/gcc12-ivopts
check_PROGRAMS += $(T01_TESTS)
TESTS += $(T01_TESTS)

tests_t0_base_omap_SOURCES = tests/t0_base_omap.c
tests_t0_base_omap_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t0_base_omap_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_t0_base_sums_SOURCES = tests/t0_base_sums.c
tests_t0_base_sums_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t0_base_sums_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_t1_dev_ring_SOURCES = tests/t1_dev_ring.c
tests_t1_dev_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t1_dev_ring_LDADD = $(DEV_LIBS) $(CHECK_LIBS)
tests_t1_dev_file_SOURCES = tests/t1_dev_file.c
tests_t1_dev_file_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t1_dev_file_LDADD = $(DEV_LIBS) $(CHECK_LIBS)
tests_t1_dev_sim_SOURCES = tests/t1_dev_sim.c
tests_t1_dev_sim_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_t1_dev_sim_LDADD = $(DEV_LIBS) $(CHECK_LIBS)
tests_bugs_gcc12_ivopts_SOURCES = tests/bugs/gcc12-ivopts.c
endif
