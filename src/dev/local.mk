# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/dev/libvdev.a
src_dev_libvdev_a_SOURCES =
