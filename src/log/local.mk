# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/log/libvlog.a
src_log_libvlog_a_SOURCES =
