/* SPDX-License-Identifier: MIT */
/* super.h - superblock and checkpoint slots: read, validate, write.
 *
 * Errors: -VE_SUPER_*, -VE_SLOT_*, -VE_FEATURE, device errors. */
#ifndef VARVE_LOG_SUPER_H
#define VARVE_LOG_SUPER_H

#include <stdio.h>

#include "dev/dev.h"
#include "log/format.h"

struct super {
	uint64_t compat, ro_compat, incompat;
	uint8_t uuid[16], hash_key[16];
	char label[65];
	uint64_t dev_size, slot_off, slot_size, seg_base;
	uint32_t seg_size, seg_count;
	int64_t created;
};

struct log_pos {
	uint64_t addr, seq;
	uint32_t prev_crc, next_seg;
};

struct map_root {
	uint64_t addr;
	uint32_t crc, depth, pages;
};

struct counters {
	uint64_t op_seq, next_ino, next_piece, inodes, data_bytes, reserved_bytes;
};

struct backup_ref {
	uint64_t id, ckpt, op_seq, log_seq;
	int64_t time;
	uint32_t pages, chunks;
};

struct slot {
	uint64_t seq, epoch;
	bool clean;
	int64_t time;
	struct log_pos pos;
	struct map_root map;
	struct counters count;
	struct seg_disk *table; /* host order, malloced, seg_count entries */
	uint32_t seg_count;
	struct backup_ref backup[SLOT_BACKUPS]; /* id 0: none */
	uint8_t *holds; /* malloced, seg_count bytes of HOLD_*; NULL: none */
};

/* Chooses the geometry for a device: segment size (0: by device size, so that
 * there are at least 64 segments where possible), slot room for growing to 16
 * times the size.  -VE_DEV_SMALL below SEG_COUNT_MIN segments of 1 MiB. */
int super_plan(uint64_t dev_size, uint32_t seg_size, struct super *ret) VARVE_MUST_CHECK;
int super_write(struct dev *d, const struct super *s) VARVE_MUST_CHECK; /* both copies, no flush */
/* Reads the first good copy (copy 1 lies at the end of the device); says in
 * *ret_repaired (may be NULL) whether one was bad and the other good. */
int super_read(struct dev *d, struct super *ret, bool *ret_repaired) VARVE_MUST_CHECK;
int super_decode(const void *block, uint64_t dev_size, struct super *ret) VARVE_MUST_CHECK;
void super_encode(const struct super *s, unsigned copy, void *block);
void super_print(const struct super *s, FILE *out);

/* Bytes one slot takes: header block and table, whole blocks. */
uint64_t slot_bytes(const struct super *s);
/* Is there room in a slot for the holds of all segments? */
bool slot_can_hold(const struct super *s);
/* Writes slot s->seq % 2: header, table and holds in one request.  No flush. */
int slot_write(struct dev *d, const struct super *sup, const struct slot *s) VARVE_MUST_CHECK;
/* Reads and validates slot which (0 or 1).  Damaged holds do not make it
 * invalid: then it has none, and no backups. */
int slot_read(struct dev *d, const struct super *sup, unsigned which,
	      struct slot *ret) VARVE_MUST_CHECK;
void slot_free(struct slot *s); /* the table */
void slot_print(const struct slot *s, FILE *out);

#endif
