# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/dev/libvdev.a
src_dev_libvdev_a_SOURCES = \
	src/dev/dev.c src/dev/dev.h \
	src/dev/dev_guard.c \
	src/dev/dev_impl.h \
	src/dev/dev_open.c \
	src/dev/dev_uring.c src/dev/dev_uring.h \
	src/dev/devsim.c src/dev/devsim.h \
	src/dev/ring.c src/dev/ring.h \
	src/dev/ring_sync.c
