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
varve_SOURCES = src/cmd/varve.c src/cmd/verb.h src/cmd/dump.c src/cmd/scrub.c
varve_LDADD = $(CORE_LIBS)

sbin_PROGRAMS += fsck.varve
fsck_varve_SOURCES = src/cmd/fsck.c
fsck_varve_LDADD = src/fuse/libvfuse.a $(CORE_LIBS)

# mount(8) and umount(8) look for helpers by the type that findmnt shows.
install-exec-hook:
	cd $(DESTDIR)$(sbindir) && $(LN_S) -f mount.varve mount.fuse.varve && \
		$(LN_S) -f umount.varve umount.fuse.varve
uninstall-hook:
	cd $(DESTDIR)$(sbindir) && rm -f mount.fuse.varve umount.fuse.varve
