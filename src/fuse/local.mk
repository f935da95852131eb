# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/fuse/libvfuse.a
src_fuse_libvfuse_a_SOURCES =
