# SPDX-License-Identifier: MIT
CORE_LIBS = src/fs/libvfs.a src/gc/libvgc.a src/store/libvstore.a src/log/libvlog.a \
	src/meta/libvmeta.a src/dev/libvdev.a src/base/libvbase.a \
	$(URING_LIBS) $(SQLITE_LIBS) $(ZSTD_LIBS)

sbin_PROGRAMS += mount.varve
mount_varve_SOURCES = src/cmd/mount.c
mount_varve_LDADD = src/fuse/libvfuse.a $(CORE_LIBS) $(FUSE_LIBS)

sbin_PROGRAMS += mkfs.varve
mkfs_varve_SOURCES = src/cmd/mkfs.c src/cmd/probe.c src/cmd/probe.h
mkfs_varve_LDADD = src/fuse/libvfuse.a $(CORE_LIBS)

sbin_PROGRAMS += umount.varve
umount_varve_SOURCES = src/cmd/umount.c
umount_varve_LDADD = src/fuse/libvfuse.a src/base/libvbase.a

bin_PROGRAMS += varve
varve_SOURCES = src/cmd/varve.c src/cmd/verb.h src/cmd/dump.c
varve_LDADD = $(CORE_LIBS)

sbin_PROGRAMS += fsck.varve
fsck_varve_SOURCES = src/cmd/fsck.c
fsck_varve_LDADD = src/fuse/libvfuse.a $(CORE_LIBS)
