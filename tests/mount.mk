# SPDX-License-Identifier: MIT
# The tests on a mounted volume: tests/mount/run-all runs them, as root.
EXTRA_DIST += tests/mount/run-all tests/mount/lib.sh
EXTRA_DIST += $(wildcard $(srcdir)/tests/mount/*-*.sh)
