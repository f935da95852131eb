# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/fuse/libvfuse.a
src_fuse_libvfuse_a_SOURCES = \
	src/fuse/intake.h \
	src/fuse/intake_dev.c \
	src/fuse/intake_uring.c \
	src/fuse/loop.c \
	src/fuse/mnt.c src/fuse/mnt.h \
	src/fuse/ops.c src/fuse/ops.h \
	src/fuse/ops_attr.c \
	src/fuse/ops_dir.c \
	src/fuse/ops_file.c \
	src/fuse/ops_name.c \
	src/fuse/ops_xattr.c \
	src/fuse/opts.c src/fuse/opts.h \
	src/fuse/raw.c src/fuse/raw.h \
	src/fuse/reply.c src/fuse/reply.h \
	src/fuse/session.c src/fuse/session.h
