# SPDX-License-Identifier: MIT
# Kills and power cuts under load, on a real mount (as root).
check_PROGRAMS += tests/crash/killload
tests_crash_killload_SOURCES = tests/crash/killload.c tests/crash/killload.h \
	tests/crash/kl_model.c tests/crash/kl_tree.c
tests_crash_killload_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/crash
tests_crash_killload_LDADD =

EXTRA_DIST += tests/crash/kill-loop tests/crash/power-loop tests/crash/load.sh

# A thousand kills, half of them on a loop device: about ten minutes.
.PHONY: check-long-kill
check-long-kill: all tests/crash/killload
	VARVE_BUILD=$(abs_builddir) $(srcdir)/tests/crash/kill-loop -n 500
	VARVE_BUILD=$(abs_builddir) $(srcdir)/tests/crash/kill-loop -n 500 -b
	VARVE_BUILD=$(abs_builddir) $(srcdir)/tests/crash/power-loop -n 200
	VARVE_BUILD=$(abs_builddir) ROUNDS=10 bash $(srcdir)/tests/mount/vol-full-again.sh
check-long: check-long-kill
