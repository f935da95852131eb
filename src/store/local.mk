# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/store/libvstore.a
src_store_libvstore_a_SOURCES =
