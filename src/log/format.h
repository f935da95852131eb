/* SPDX-License-Identifier: MIT */
/* format.h - what is on the device, byte for byte (doc/format.md).
 *
 * Everything is little-endian and naturally aligned; the structs below are
 * the layout itself (their sizes are asserted in codec.c), read and written
 * only through the codec functions, which convert and validate.
 *
 *   0            superblock, copy 0                              (doc §2)
 *   64 KiB       checkpoint slot 0: header block + segment table (doc §3)
 *   64K+slot     checkpoint slot 1
 *   seg_base     segment 0, 1, ... nseg-1                        (doc §4)
 *   end - 4 KiB  superblock, copy 1
 */
#ifndef VARVE_LOG_FORMAT_H
#define VARVE_LOG_FORMAT_H

#include "base/defs.h"

#define SUPER_MAGIC 0x3130304556524156ull /* "VARVE001" */
#define SLOT_MAGIC 0x544f4c5345565256ull  /* "VRVESLOT" */
#define BATCH_MAGIC 0x4354414245565256ull /* "VRVEBATC" */
#define FORMAT_VERSION 1u
/* Feature bits this version knows (doc §9). */
#define COMPAT_BACKUP 1ull /* slots may speak of metadata backups */
#define COMPAT_KNOWN COMPAT_BACKUP
#define RO_COMPAT_KNOWN 0ull
#define INCOMPAT_KNOWN 0ull

#define SLOT_AREA_OFF 65536u
#define SEG_SIZE_MIN (1u << 20)
#define SEG_SIZE_MAX (64u << 20)
/* Fewest segments that leave room for log, metadata twice and the reserve. */
#define SEG_COUNT_MIN 16u
#define BATCH_MAX (4u << 20) /* bytes, all parts together */

struct super_disk { /* §2, 4096 bytes, zero-filled */
	uint64_t magic;
	uint32_t crc; /* CRC-32C of all 4096 bytes with this field zero */
	uint32_t version;
	uint64_t compat, ro_compat, incompat;
	uint8_t uuid[16];
	uint8_t hash_key[16]; /* SipHash key of directory cookies */
	char label[64];       /* UTF-8, zero-filled */
	uint64_t dev_size;    /* bytes used of the device, whole blocks */
	uint64_t slot_off;    /* of slot 0 */
	uint64_t slot_size;   /* room for one slot, whole blocks */
	uint64_t seg_base;    /* of segment 0 */
	uint32_t seg_size;
	uint32_t seg_count;
	uint32_t block_size;  /* 4096 */
	uint32_t copy;        /* 0 or 1 */
	int64_t created;      /* ns since 1970 */
};

struct log_pos_disk {
	uint64_t addr; /* where the next batch header would start; if the
			* segment is full, the start of next_seg */
	uint64_t seq;  /* its sequence number */
	uint32_t prev_crc; /* crc field of the batch before it */
	uint32_t next_seg; /* where the log goes on when this segment is full */
};

struct slot_disk { /* §3, header block; the segment table follows it */
	uint64_t magic;
	uint32_t crc; /* of the header block with this field zero */
	uint32_t table_crc; /* of seg_count entries */
	uint8_t uuid[16];
	uint64_t seq;   /* checkpoint number; slot = seq % 2 */
	uint64_t epoch; /* mounts so far */
	uint32_t flags; /* SLOT_CLEAN */
	uint32_t seg_count;
	int64_t time;
	struct log_pos_disk pos; /* replay starts here */
	/* root of the page map */
	uint64_t map_addr; /* 0: empty database */
	uint32_t map_crc;
	uint32_t map_depth; /* levels of nodes, 1..4 */
	uint32_t db_pages;
	uint32_t zero;
	/* counters as of pos, also inside the image */
	uint64_t op_seq;     /* sequence of the last operation before pos */
	uint64_t next_ino;
	uint64_t next_piece;
	uint64_t inodes;     /* present inodes */
	uint64_t data_bytes; /* live piece bytes */
	uint64_t reserved_bytes; /* promised to unwritten extents */
};
#define SLOT_CLEAN 1u
/* No number in a slot reaches this: none can be counted up to an overflow. */
#define NUMBER_MAX (1ull << 61)

/* Backups of the metadata, behind slot_disk in the same block. */
#define SLOT_BACKUPS 3u
struct backup_ref_disk {
	uint64_t id;      /* 0: none, and the rest is 0 */
	uint64_t ckpt;    /* the image it is a copy of */
	uint64_t op_seq;  /* last operation in it */
	uint64_t log_seq; /* number of the first batch after it */
	int64_t time;     /* of that checkpoint */
	uint32_t pages;
	uint32_t chunks;
};
struct slot_ext_disk {
	uint32_t holds_len; /* bytes behind the table, one per segment; 0: none */
	uint32_t holds_crc;
	struct backup_ref_disk backup[SLOT_BACKUPS];
};
/* Why a segment is kept although nothing live is in it: bits of a hold. */
#define HOLD_LOG(k) ((uint8_t)(1u << (k)))  /* rolls backup k forward */
#define HOLD_DATA(k) ((uint8_t)(8u << (k))) /* is part of backup k */
#define HOLD_ALL 0x3fu

struct seg_disk { /* 16 bytes */
	uint8_t state; /* enum seg_state: 0 free, 1 log, 2 metadata */
	uint8_t zero1;
	uint16_t zero2;
	uint32_t live;  /* LOG: live bytes; META: pages in use */
	uint32_t sum;   /* META: CRC-32C of its bitmap block for this slot */
	uint32_t stamp; /* seconds since 1970, when last written to */
};

struct batch_disk { /* §5, 4096 bytes; short record areas live inside it */
	uint64_t magic;
	uint32_t crc; /* CRC-32C of the volume's hash_key (so that no file's
		       * content can pass for a header), the header block with
		       * this field zero, and the records if outside it */
	uint32_t flags; /* BATCH_INLINE */
	uint8_t uuid[16];
	uint64_t seq;         /* previous seq + 1 */
	uint64_t epoch;       /* never smaller than the previous batch's */
	uint64_t durable_seq; /* highest batch known durable when written */
	uint64_t first_op;    /* sequence number of the first record */
	int64_t time;         /* when sealed */
	uint32_t nrecs;
	uint32_t rec_len;  /* bytes of records */
	uint32_t data_len; /* bytes of the data area, whole blocks */
	uint32_t prev_crc; /* crc field of the previous batch: the chain */
	uint32_t next_seg; /* segment that follows this one */
	uint32_t zero;
	uint8_t inline_recs[]; /* up to BATCH_INLINE_MAX bytes */
};
#define BATCH_INLINE 1u /* records are in the header block */
#define BATCH_HDR 96u
#define BATCH_INLINE_MAX (VARVE_BLOCK - BATCH_HDR)

struct map_disk { /* §6: one entry of a page-map node; 256 make a block */
	uint64_t addr; /* 0: no such page */
	uint32_t crc;  /* CRC-32C of the block at addr */
	uint32_t zero;
};
#define MAP_FANOUT 256u
#define MAP_DEPTH_MAX 4u

/* A metadata segment starts with two bitmap blocks, one per slot: bit n of
 * block (slot) says that block n of the segment is in use by that slot's
 * image.  Blocks 0 and 1 (the bitmaps) are always marked. */
#define META_BITMAP_BLOCKS 2u

/* A chunk the compactor wrote: header block, data_len bytes of data, then a table
 * of n entries in table_len bytes.  Unsequenced: it counts by RELOCATE records
 * only; the table says what the data is, for salvage.  An entry is three numbers
 * of 7 bits a byte, low first, the top bit set on all but the last byte: id of the
 * piece less the id before (zigzag), bytes stored, encoding.  Pieces lie in the
 * order of the table, those of 4 KiB and more on the next block boundary, others
 * right behind the one before. */
#define MOVE_MAGIC 0x45564f4d45565256ull /* "VRVEMOVE" */
struct move_disk {
	uint64_t magic;
	uint32_t crc; /* header block with this field zero, then the table's blocks */
	uint32_t n;
	uint8_t uuid[16];
	uint32_t data_len; /* whole blocks */
	uint32_t table_len;
};

struct backup_disk { /* §6a: head of a chunk of a metadata backup, one block */
	uint64_t magic;
	uint32_t crc;      /* CRC-32C of the block with this field zero */
	uint32_t data_crc; /* of the stored bytes behind it */
	uint8_t uuid[16];
	uint64_t id;       /* of the backup: random, the same in all chunks */
	uint32_t index;    /* of the chunk, from 0 */
	uint32_t count;    /* in the last chunk: how many there are; else 0 */
	uint32_t first;    /* number of its first page */
	uint32_t npages;   /* in this chunk */
	uint32_t pages;    /* of the whole image */
	uint32_t stored;   /* bytes of data */
	uint32_t raw_crc;  /* of the npages pages */
	uint32_t enc;      /* 0 plain, 1 zstd */
	/* of the checkpoint that is backed up, as in its slot */
	uint64_t ckpt, epoch;
	int64_t time;
	struct log_pos_disk pos;
	uint64_t op_seq, next_ino, next_piece, inodes, data_bytes, reserved_bytes;
};
#define BACKUP_MAGIC 0x50554b4245565256ull /* "VRVEBKUP" */
#define BACKUP_CHUNK_PAGES 64u
#define BACKUP_PLAIN 0u
#define BACKUP_ZSTD 1u

struct rec_disk { /* §7: every record starts with this; 8-byte multiple */
	uint16_t len_lo; /* length of the whole record in 8-byte units */
	uint8_t kind;
	uint8_t flags;
	uint32_t uid; /* who did it, as FUSE told */
	uint32_t pid;
	uint32_t aux; /* by kind: mode, mask, length, ... */
	int64_t time; /* ns since 1970; never steps back */
};
#define REC_HDR 24u
#define REC_WRITE_LEN 0x00ffffffu  /* aux of WRITE: length of the range */
#define REC_WRITE_KILL 0x01000000u /* ... set-id bits were cleared */
#define REC_WRITE_ENC 0x02000000u  /* ... stored and enc follow */
#define REC_WRITE_MOVED 0x04000000u /* ... what was there follows */

#endif
