# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/log/libvlog.a
src_log_libvlog_a_SOURCES = \
	src/log/batch.c \
	src/log/bchunk.c src/log/bchunk.h \
	src/log/codec.c \
	src/log/dump.c \
	src/log/fetch.c \
	src/log/log.c \
	src/log/piece.c \
	src/log/rec.c \
	src/log/recprint.c \
	src/log/scan.c \
	src/log/seg.c \
	src/log/slot.c \
	src/log/super.c \
	src/log/sync.c \
	src/log/tail.c
