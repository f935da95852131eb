# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/fs/libvfs.a
src_fs_libvfs_a_SOURCES =
