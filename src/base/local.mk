# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/base/libvbase.a
src_base_libvbase_a_SOURCES =
