# SPDX-License-Identifier: MIT
# The tests on a mounted volume: tests/mount/run-all runs them, as root.
check_PROGRAMS += tests/mount/vt
tests_mount_vt_SOURCES = tests/mount/vt.c tests/mount/vt.h tests/mount/vt_attr.c \
	tests/mount/vt_dir.c tests/mount/vt_fd.c tests/mount/vt_fsx.c tests/mount/vt_load.c \
	tests/mount/vt_mem.c tests/mount/vt_path.c tests/mount/vt_tree.c
tests_mount_vt_LDADD =

EXTRA_DIST += tests/mount/run-all tests/mount/lib.sh
EXTRA_DIST += $(wildcard $(srcdir)/tests/mount/*-*.sh)
