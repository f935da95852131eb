/* SPDX-License-Identifier: MIT */
/* probe.c - signatures of other file systems, volumes and partition tables. */
#include <string.h>

#include "cmd/probe.h"
#include "log/format.h"

struct magic {
	uint64_t off;
	const char *bytes;
	size_t len;
	const char *what;
};

#define M(o, b, w) { o, b, sizeof(b) - 1, w }

static const struct magic magics[] = {
	M(0, "VARVE001", "a varvefs volume"),
	M(0, "XFSB", "an XFS file system"),
	M(0, "LUKS\xba\xbe", "an encrypted LUKS volume"),
	M(0, "hsqs", "a squashfs file system"),
	M(3, "NTFS    ", "an NTFS file system"),
	M(3, "EXFAT   ", "an exFAT file system"),
	M(54, "FAT1", "a FAT file system"),
	M(82, "FAT32   ", "a FAT file system"),
	M(512, "EFI PART", "a GPT partition table"),
	M(512, "LABELONE", "an LVM physical volume"),
	M(1024, "\x10\x20\xf5\xf2", "an F2FS file system"),
	M(1024, "\xe2\xe1\xf5\xe0", "an EROFS file system"),
	M(1030, "\x34\x34", "a NILFS2 file system"),
	M(1080, "\x53\xef", "an ext2, ext3 or ext4 file system"),
	M(4086, "SWAPSPACE2", "swap space"),
	M(4096, "\xfc\x4e\x2b\xa9", "a RAID member (md)"),
	M(4120, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
	  "a bcache or bcachefs device"),
	M(32769, "CD001", "an ISO 9660 image"),
	M(65600, "_BHRfS_M", "a btrfs file system"),
};

/* The uberblocks of ZFS fill a ring; their label has no magic of its own. */
#define ZFS_RING 131072u
#define ZFS_MAGIC 0x00bab10cull
#define PROBE_LEN (2 * ZFS_RING)

static bool holds_zfs(const char *buf, size_t len)
{
	for (size_t off = ZFS_RING; off + 8 <= len; off += 1024) {
		uint64_t v;

		memcpy(&v, buf + off, sizeof(v));
		if (v == ZFS_MAGIC || v == __builtin_bswap64(ZFS_MAGIC))
			return true;
	}
	return false;
}

/* An MBR with at least one partition; boot code alone also ends in 55 aa. */
static bool holds_mbr(const char *buf)
{
	if (memcmp(buf + 510, "\x55\xaa", 2) != 0)
		return false;
	for (int i = 0; i < 4; i++) {
		const char *part = buf + 446 + 16 * i;

		if ((part[0] & 0x7f) != 0)
			return false;
		if (part[4] != 0)
			return true;
	}
	return false;
}

static const char *find(const char *buf, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
		const struct magic *m = &magics[i];

		if (m->off + m->len <= len && memcmp(buf + m->off, m->bytes, m->len) == 0)
			return m->what;
	}
	if (holds_zfs(buf, len))
		return "a ZFS pool member";
	return holds_mbr(buf) ? "a partition table" : NULL;
}

int probe_device(struct dev *d, const char **ret_what)
{
	uint64_t size = dev_size(d);
	uint32_t len = (uint32_t)MIN((uint64_t)PROBE_LEN, size);
	char *buf;
	int err;

	*ret_what = NULL;
	if (len < VARVE_BLOCK)
		return 0; /* vol_mkfs will say that it is too small */
	buf = dev_alloc(len);
	err = dev_read(d, buf, 0, len);
	if (!err)
		*ret_what = find(buf, len);
	/* md 1.0 and the spare GPT and superblock lie at the end */
	if (!err && !*ret_what) {
		err = dev_read(d, buf, size - VARVE_BLOCK, VARVE_BLOCK);
		if (!err && memcmp(buf, "VARVE001", 8) == 0)
			*ret_what = "a varvefs volume (its first block is lost)";
		else if (!err && memcmp(buf + VARVE_BLOCK - 512, "EFI PART", 8) == 0)
			*ret_what = "a GPT partition table";
	}
	dev_free(buf);
	return err;
}
