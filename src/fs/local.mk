# SPDX-License-Identifier: MIT
noinst_LIBRARIES += src/fs/libvfs.a
src_fs_libvfs_a_SOURCES = src/fs/fs.h src/fs/fs_int.h \
	src/fs/acl.c src/fs/acl.h \
	src/fs/attr.c \
	src/fs/control.c src/fs/control.h \
	src/fs/control_vol.c src/fs/control_vol.h \
	src/fs/dir.c \
	src/fs/file.c \
	src/fs/fs.c \
	src/fs/lookup.c \
	src/fs/node.c src/fs/node.h \
	src/fs/orphan.c \
	src/fs/range.c \
	src/fs/readdir.c \
	src/fs/rename.c \
	src/fs/statfs.c \
	src/fs/xattr.c
