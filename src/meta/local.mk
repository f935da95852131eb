# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/meta/libvmeta.a
src_meta_libvmeta_a_SOURCES =
