# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/base/libvbase.a
src_base_libvbase_a_SOURCES = \
	src/base/clock.c src/base/clock.h \
	src/base/crc32c.c src/base/crc32c.h \
	src/base/defs.h \
	src/base/err.c src/base/err.h \
	src/base/le.h \
	src/base/msg.c src/base/msg.h \
	src/base/omap.c src/base/omap.h \
	src/base/page_store.h \
	src/base/siphash.c src/base/siphash.h
