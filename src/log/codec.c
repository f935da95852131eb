/* SPDX-License-Identifier: MIT */
/* codec.c - log positions and batch headers between disk and host form.
 *
 * The layout in format.h is the contract; the assertions here pin it. */
#include "log/codec.h"

#include <stdlib.h>
#include <time.h>

#include "base/crc32c.h"
#include "base/err.h"

#define AT(type, field, off) \
	_Static_assert(offsetof(struct type, field) == (off), #type "." #field)
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

SIZE(super_disk, 192);
AT(super_disk, compat, 16);
AT(super_disk, uuid, 40);
AT(super_disk, hash_key, 56);
AT(super_disk, label, 72);
AT(super_disk, dev_size, 136);
AT(super_disk, seg_size, 168);
AT(super_disk, created, 184);
SIZE(log_pos_disk, 24);
SIZE(slot_disk, 160);
AT(slot_disk, uuid, 16);
AT(slot_disk, seq, 32);
AT(slot_disk, pos, 64);
AT(slot_disk, map_addr, 88);
AT(slot_disk, op_seq, 112);
SIZE(backup_ref_disk, 48);
SIZE(slot_ext_disk, 152);
SIZE(backup_disk, 168);
AT(backup_disk, id, 32);
AT(backup_disk, ckpt, 72);
AT(backup_disk, pos, 96);
SIZE(seg_disk, 16);
SIZE(batch_disk, BATCH_HDR);
AT(batch_disk, seq, 32);
AT(batch_disk, time, 64);
AT(batch_disk, nrecs, 72);
AT(batch_disk, next_seg, 88);
AT(batch_disk, inline_recs, BATCH_HDR);
SIZE(map_disk, 16);
SIZE(rec_disk, REC_HDR);
AT(rec_disk, aux, 12);
AT(rec_disk, time, 16);

void pos_encode(const struct log_pos *pos, struct log_pos_disk *d)
{
	d->addr = htole64(pos->addr);
	d->seq = htole64(pos->seq);
	d->prev_crc = htole32(pos->prev_crc);
	d->next_seg = htole32(pos->next_seg);
}

void pos_decode(const struct log_pos_disk *d, struct log_pos *pos)
{
	pos->addr = le64toh(d->addr);
	pos->seq = le64toh(d->seq);
	pos->prev_crc = le32toh(d->prev_crc);
	pos->next_seg = le32toh(d->next_seg);
}

int pos_check(const struct super *sup, const struct log_pos *pos)
{
	if (pos->seq == 0 || pos->addr % VARVE_BLOCK != 0 ||
	    super_seg_index(sup, pos->addr) == UINT32_MAX)
		return -VE_SLOT_VALUE;
	if (pos->next_seg >= sup->seg_count && pos->next_seg != UINT32_MAX)
		return -VE_SLOT_VALUE;
	return 0;
}

uint32_t batch_crc(const struct super *sup, const void *block, const void *recs,
		   uint32_t rec_len)
{
	static const uint8_t zero[4];
	const uint8_t *p = block;
	const size_t at = offsetof(struct batch_disk, crc);
	uint32_t crc = crc32c(0, sup->hash_key, sizeof sup->hash_key);

	crc = crc32c(crc, p, at);
	crc = crc32c(crc, zero, sizeof zero);
	crc = crc32c(crc, p + at + 4, VARVE_BLOCK - at - 4);
	if (rec_len > BATCH_INLINE_MAX)
		crc = crc32c(crc, recs, rec_len);
	return crc;
}

void batch_encode(const struct super *sup, struct batch *b, void *block)
{
	struct batch_disk *d = block;

	d->magic = htole64(BATCH_MAGIC);
	d->crc = 0;
	d->flags = htole32(b->rec_len <= BATCH_INLINE_MAX ? BATCH_INLINE : 0);
	memcpy(d->uuid, sup->uuid, sizeof d->uuid);
	d->seq = htole64(b->seq);
	d->epoch = htole64(b->epoch);
	d->durable_seq = htole64(b->durable_seq);
	d->first_op = htole64(b->first_op);
	d->time = (int64_t)htole64((uint64_t)b->time);
	d->nrecs = htole32(b->nrecs);
	d->rec_len = htole32(b->rec_len);
	d->data_len = htole32(b->data_len);
	d->prev_crc = htole32(b->prev_crc);
	d->next_seg = htole32(b->next_seg);
	d->zero = 0;
	b->crc = batch_crc(sup, block, b->recs, b->rec_len);
	d->crc = htole32(b->crc);
}

int batch_decode(const struct super *sup, uint64_t addr, const void *block,
		 struct batch *ret)
{
	const struct batch_disk *d = block;
	struct batch b = {
		.addr = addr,
		.seq = le64toh(d->seq),
		.epoch = le64toh(d->epoch),
		.durable_seq = le64toh(d->durable_seq),
		.first_op = le64toh(d->first_op),
		.time = (int64_t)le64toh((uint64_t)d->time),
		.crc = le32toh(d->crc),
		.prev_crc = le32toh(d->prev_crc),
		.nrecs = le32toh(d->nrecs),
		.rec_len = le32toh(d->rec_len),
		.data_len = le32toh(d->data_len),
		.next_seg = le32toh(d->next_seg),
	};
	uint32_t seg = super_seg_index(sup, addr);
	uint32_t flags = le32toh(d->flags);
	uint64_t bytes;

	if (le64toh(d->magic) != BATCH_MAGIC)
		return -VE_BATCH_MAGIC;
	/* Another volume's header is as good as none. */
	if (memcmp(d->uuid, sup->uuid, sizeof d->uuid) != 0)
		return -VE_BATCH_MAGIC;
	if (seg == UINT32_MAX || addr % VARVE_BLOCK != 0)
		return -VE_BATCH_VALUE;
	if (d->zero != 0 || flags != (b.rec_len <= BATCH_INLINE_MAX ? BATCH_INLINE : 0))
		return -VE_BATCH_VALUE;
	if (b.data_len % VARVE_BLOCK != 0 || b.rec_len % 8 != 0 ||
	    b.data_len > BATCH_MAX || b.rec_len > BATCH_MAX)
		return -VE_BATCH_VALUE;
	bytes = (uint64_t)VARVE_BLOCK + b.data_len + batch_rec_area(b.rec_len);
	if (bytes > BATCH_MAX || addr + bytes > super_seg_addr(sup, seg) + sup->seg_size)
		return -VE_BATCH_VALUE;
	if (b.nrecs > b.rec_len / REC_HDR || (b.nrecs == 0) != (b.rec_len == 0))
		return -VE_BATCH_VALUE;
	if (b.seq == 0 || b.durable_seq >= b.seq || b.next_seg >= sup->seg_count ||
	    b.first_op > (uint64_t)INT64_MAX - b.nrecs)
		return -VE_BATCH_VALUE;
	b.bytes = (uint32_t)bytes;
	if (flags & BATCH_INLINE)
		b.recs = (const uint8_t *)block + BATCH_HDR;
	*ret = b;
	return 0;
}

void print_time(int64_t ns, FILE *out)
{
	int64_t frac = ns % 1000000000;
	time_t sec = (time_t)(ns / 1000000000);
	struct tm tm;
	char buf[64];

	if (frac < 0) {
		frac += 1000000000;
		sec--;
	}
	if (!gmtime_r(&sec, &tm) || !strftime(buf, sizeof buf, "%Y-%m-%dT%H:%M:%S", &tm))
		fprintf(out, "%lld", (long long)sec);
	else
		fputs(buf, out);
	fprintf(out, ".%09dZ", (int)frac);
}

void print_uuid(const uint8_t uuid[16], FILE *out)
{
	for (int i = 0; i < 16; i++)
		fprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			uuid[i]);
}
