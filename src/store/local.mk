# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/store/libvstore.a
src_store_libvstore_a_SOURCES = \
	src/store/apply.c \
	src/store/apply_data.c \
	src/store/apply_int.h \
	src/store/ckpt.c \
	src/store/commit.c \
	src/store/open.c \
	src/store/pblocks.c \
	src/store/pcache.c \
	src/store/pclean.c \
	src/store/pload.c \
	src/store/pmap.c \
	src/store/pstore.c \
	src/store/pstore.h \
	src/store/pstore_int.h \
	src/store/pwq.c \
	src/store/read.c \
	src/store/recover.c \
	src/store/space.c \
	src/store/verify.c \
	src/store/vol.h \
	src/store/vol_int.h
