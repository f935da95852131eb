# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/log/libvlog.a
src_log_libvlog_a_SOURCES = \
	src/log/batch.c \
	src/log/bchunk.c src/log/bchunk.h \
	src/log/codec.c src/log/codec.h \
	src/log/dump.c \
	src/log/fetch.c \
	src/log/format.h \
	src/log/log.c src/log/log.h \
	src/log/logint.h \
	src/log/piece.c src/log/piece.h \
	src/log/rec.c src/log/rec.h \
	src/log/recprint.c \
	src/log/scan.c src/log/scan.h \
	src/log/seg.c src/log/seg.h \
	src/log/slot.c \
	src/log/super.c src/log/super.h \
	src/log/sync.c \
	src/log/tail.c
