/* SPDX-License-Identifier: MIT */
/* codec.h - private to the log layer: little-endian access and batch headers. */
#ifndef VARVE_LOG_CODEC_H
#define VARVE_LOG_CODEC_H

#include <endian.h>
#include <string.h>

#include "log/format.h"
#include "log/scan.h"
#include "log/super.h"

static inline uint16_t get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return le16toh(v);
}

static inline uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

static inline uint64_t get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

static inline void put16(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof v);
}

static inline void put32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof v);
}

static inline void put64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

/* Address where segment idx starts; idx < seg_count. */
static inline uint64_t super_seg_addr(const struct super *s, uint32_t idx)
{
	return s->seg_base + (uint64_t)idx * s->seg_size;
}

/* Segment that addr is in, or UINT32_MAX. */
static inline uint32_t super_seg_index(const struct super *s, uint64_t addr)
{
	uint64_t i;

	if (addr < s->seg_base)
		return UINT32_MAX;
	i = (addr - s->seg_base) / s->seg_size;
	return i < s->seg_count ? (uint32_t)i : UINT32_MAX;
}

void pos_encode(const struct log_pos *pos, struct log_pos_disk *d);
void pos_decode(const struct log_pos_disk *d, struct log_pos *pos);
/* A position a batch can be looked for at: -VE_SLOT_VALUE if not. */
int pos_check(const struct super *sup, const struct log_pos *pos) VARVE_MUST_CHECK;

/* Blocks that rec_len bytes of records take behind the data, in bytes. */
static inline uint32_t batch_rec_area(uint32_t rec_len)
{
	return rec_len <= BATCH_INLINE_MAX ? 0
		: (uint32_t)align_up(rec_len, VARVE_BLOCK);
}

/* Writes the header into block (4 KiB, where inline records already are) with
 * its checksum; b->recs points at b->rec_len bytes.  Sets b->crc. */
void batch_encode(const struct super *sup, struct batch *b, void *block);
/* Checksum of a header block and the records (used only if outside it). */
uint32_t batch_crc(const struct super *sup, const void *block, const void *recs,
		   uint32_t rec_len);

/* Where a batch is read to; recs grows as needed. */
struct batch_buf {
	uint8_t *block;
	uint8_t *recs;
	uint32_t recs_size;
};
void batch_buf_init(struct batch_buf *buf);
void batch_buf_free(struct batch_buf *buf);
/* Reads the batch at addr, header and records, and verifies its checksum: 1
 * and *ret (pointing into buf), 0 if there is none, negative for a device
 * error.  *ret_why (may be NULL) says what is wrong with it. */
int batch_load(struct dev *d, const struct super *sup, uint64_t addr,
	       struct batch_buf *buf, struct batch *ret, int *ret_why) VARVE_MUST_CHECK;
/* Calls fn for every valid batch in [addr, end) of one segment, wherever in it
 * they start; what a valid one covers is passed over, and so is what cannot be
 * read: unused space may lie on bad sectors. */
void batch_search(struct dev *d, const struct super *sup, uint64_t addr, uint64_t end,
		  struct batch_buf *buf, void (*fn)(void *arg, const struct batch *b),
		  void *arg);

/* For printers: UTC with nanoseconds; uuid in the usual form; text in quotes,
 * with what is not plain ASCII escaped. */
void print_time(int64_t ns, FILE *out);
void print_uuid(const uint8_t uuid[16], FILE *out);
void print_text(const char *s, size_t len, FILE *out);

#endif
