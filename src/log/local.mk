# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/log/libvlog.a
src_log_libvlog_a_SOURCES = \
	src/log/codec.c \
	src/log/piece.c \
	src/log/rec.c \
	src/log/recprint.c \
	src/log/seg.c \
	src/log/slot.c \
	src/log/super.c
