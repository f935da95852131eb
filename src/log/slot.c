/* SPDX-License-Identifier: MIT */
/* slot.c - checkpoint slots: a header block and the segment table. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "log/codec.h"
#include "log/seg.h"

static uint64_t table_room(uint32_t seg_count)
{
	return align_up((uint64_t)seg_count * sizeof(struct seg_disk), VARVE_BLOCK);
}

static uint32_t header_crc(const void *block)
{
	static const uint8_t zero[4];
	const size_t at = offsetof(struct slot_disk, crc);
	const uint8_t *p = block;
	uint32_t crc = crc32c(0, p, at);

	crc = crc32c(crc, zero, sizeof zero);
	return crc32c(crc, p + at + 4, VARVE_BLOCK - at - 4);
}

uint64_t slot_bytes(const struct super *s)
{
	return VARVE_BLOCK + table_room(s->seg_count);
}

static uint64_t hold_room(const struct super *s)
{
	return align_up(s->seg_count, VARVE_BLOCK);
}

bool slot_can_hold(const struct super *s)
{
	return slot_bytes(s) + hold_room(s) <= s->slot_size;
}

static uint64_t slot_addr(const struct super *sup, unsigned which)
{
	return sup->slot_off + which * sup->slot_size;
}

static void encode_ext(const struct slot *s, struct slot_ext_disk *d)
{
	d->holds_len = htole32(s->seg_count);
	d->holds_crc = htole32(crc32c(0, s->holds, s->seg_count));
	for (unsigned k = 0; k < SLOT_BACKUPS; k++) {
		const struct backup_ref *b = &s->backup[k];

		d->backup[k].id = htole64(b->id);
		d->backup[k].ckpt = htole64(b->ckpt);
		d->backup[k].op_seq = htole64(b->op_seq);
		d->backup[k].log_seq = htole64(b->log_seq);
		d->backup[k].time = (int64_t)htole64((uint64_t)b->time);
		d->backup[k].pages = htole32(b->pages);
		d->backup[k].chunks = htole32(b->chunks);
	}
}

/* holds: what was read behind the table. */
static void decode_ext(const struct slot_ext_disk *d, const uint8_t *holds, struct slot *ret)
{
	if (le32toh(d->holds_len) != ret->seg_count)
		return;
	if (crc32c(0, holds, ret->seg_count) != le32toh(d->holds_crc)) {
		msg_warn("checkpoint slot %u: the list of what metadata backups need is "
			 "damaged; they are given up", (unsigned)(ret->seq % 2));
		return;
	}
	for (unsigned k = 0; k < SLOT_BACKUPS; k++) {
		struct backup_ref *b = &ret->backup[k];

		b->id = le64toh(d->backup[k].id);
		b->ckpt = le64toh(d->backup[k].ckpt);
		b->op_seq = le64toh(d->backup[k].op_seq);
		b->log_seq = le64toh(d->backup[k].log_seq);
		b->time = (int64_t)le64toh((uint64_t)d->backup[k].time);
		b->pages = le32toh(d->backup[k].pages);
		b->chunks = le32toh(d->backup[k].chunks);
	}
	ret->holds = xmalloc(ret->seg_count);
	memcpy(ret->holds, holds, ret->seg_count);
}

static void encode_header(const struct super *sup, const struct slot *s,
			  uint32_t table_crc, struct slot_disk *d)
{
	d->magic = htole64(SLOT_MAGIC);
	d->table_crc = htole32(table_crc);
	memcpy(d->uuid, sup->uuid, sizeof d->uuid);
	d->seq = htole64(s->seq);
	d->epoch = htole64(s->epoch);
	d->flags = htole32(s->clean ? SLOT_CLEAN : 0);
	d->seg_count = htole32(s->seg_count);
	d->time = (int64_t)htole64((uint64_t)s->time);
	pos_encode(&s->pos, &d->pos);
	d->map_addr = htole64(s->map.addr);
	d->map_crc = htole32(s->map.crc);
	d->map_depth = htole32(s->map.depth);
	d->db_pages = htole32(s->map.pages);
	d->op_seq = htole64(s->count.op_seq);
	d->next_ino = htole64(s->count.next_ino);
	d->next_piece = htole64(s->count.next_piece);
	d->inodes = htole64(s->count.inodes);
	d->data_bytes = htole64(s->count.data_bytes);
	d->reserved_bytes = htole64(s->count.reserved_bytes);
	if (s->holds)
		encode_ext(s, (void *)(d + 1));
	d->crc = htole32(header_crc(d));
}

int slot_write(struct dev *d, const struct super *sup, const struct slot *s)
{
	uint64_t bytes = slot_bytes(sup), at = bytes;
	size_t table = (size_t)s->seg_count * sizeof(struct seg_disk);
	uint8_t *buf;
	int err;

	if (s->holds)
		bytes += hold_room(sup);
	if (s->seg_count != sup->seg_count || bytes > sup->slot_size)
		return -VE_SLOT_VALUE;
	buf = dev_alloc(bytes);
	memset(buf, 0, bytes);
	for (uint32_t i = 0; i < s->seg_count; i++) {
		struct seg_disk *e = (void *)(buf + VARVE_BLOCK + i * sizeof *e);

		e->state = s->table[i].state;
		e->live = htole32(s->table[i].live);
		e->sum = htole32(s->table[i].sum);
		e->stamp = htole32(s->table[i].stamp);
	}
	if (s->holds)
		memcpy(buf + at, s->holds, s->seg_count);
	encode_header(sup, s, crc32c(0, buf + VARVE_BLOCK, table), (void *)buf);
	err = dev_write(d, buf, slot_addr(sup, s->seq % 2), (uint32_t)bytes);
	dev_free(buf);
	return err;
}

static int decode_header(const struct super *sup, const void *block, struct slot *ret,
			 uint32_t *ret_table_crc)
{
	const struct slot_disk *d = block;
	uint32_t flags = le32toh(d->flags);

	/* No magic: a slot never written, or lost; the caller does not care. */
	if (le64toh(d->magic) != SLOT_MAGIC || le32toh(d->crc) != header_crc(block))
		return -VE_SLOT_CRC;
	if (memcmp(d->uuid, sup->uuid, sizeof d->uuid) != 0)
		return -VE_SLOT_VALUE;
	ret->seq = le64toh(d->seq);
	ret->epoch = le64toh(d->epoch);
	ret->clean = flags & SLOT_CLEAN;
	ret->time = (int64_t)le64toh((uint64_t)d->time);
	pos_decode(&d->pos, &ret->pos);
	ret->map.addr = le64toh(d->map_addr);
	ret->map.crc = le32toh(d->map_crc);
	ret->map.depth = le32toh(d->map_depth);
	ret->map.pages = le32toh(d->db_pages);
	ret->count.op_seq = le64toh(d->op_seq);
	ret->count.next_ino = le64toh(d->next_ino);
	ret->count.next_piece = le64toh(d->next_piece);
	ret->count.inodes = le64toh(d->inodes);
	ret->count.data_bytes = le64toh(d->data_bytes);
	ret->count.reserved_bytes = le64toh(d->reserved_bytes);
	ret->seg_count = le32toh(d->seg_count);
	*ret_table_crc = le32toh(d->table_crc);
	if ((ret->seq | ret->epoch | ret->pos.seq | ret->count.op_seq | ret->count.next_ino |
	     ret->count.next_piece | ret->count.inodes | ret->count.data_bytes |
	     ret->count.reserved_bytes) >= NUMBER_MAX)
		return -VE_SLOT_VALUE;
	if (ret->seg_count != sup->seg_count || (flags & ~SLOT_CLEAN) || d->zero != 0)
		return -VE_SLOT_VALUE;
	if (ret->map.addr != 0 &&
	    (super_seg_index(sup, ret->map.addr) == UINT32_MAX ||
	     ret->map.addr % VARVE_BLOCK != 0 || ret->map.depth < 1 ||
	     ret->map.depth > MAP_DEPTH_MAX))
		return -VE_SLOT_VALUE;
	return pos_check(sup, &ret->pos);
}

static int decode_table(const struct super *sup, const uint8_t *buf,
			struct seg_disk *table)
{
	for (uint32_t i = 0; i < sup->seg_count; i++) {
		struct seg_disk e;

		memcpy(&e, buf + i * sizeof e, sizeof e);
		table[i].state = e.state;
		table[i].zero1 = 0;
		table[i].zero2 = 0;
		table[i].live = le32toh(e.live);
		table[i].sum = le32toh(e.sum);
		table[i].stamp = le32toh(e.stamp);
		if (e.state > SEG_META || e.zero1 || e.zero2 ||
		    table[i].live > sup->seg_size)
			return -VE_SLOT_VALUE;
	}
	return 0;
}

int slot_read(struct dev *d, const struct super *sup, unsigned which, struct slot *ret)
{
	uint64_t bytes = slot_bytes(sup), off = slot_addr(sup, which), at = bytes;
	bool room = slot_can_hold(sup);
	struct slot s = { 0 };
	uint32_t table_crc;
	uint8_t *buf;
	int err;

	if (which > 1 || bytes > sup->slot_size)
		return -VE_SLOT_VALUE;
	if (room)
		bytes += hold_room(sup);
	buf = dev_alloc(bytes);
	err = dev_read(d, buf, off, (uint32_t)bytes);
	if (!err)
		err = decode_header(sup, buf, &s, &table_crc);
	if (!err && s.seq % 2 != which)
		err = -VE_SLOT_VALUE;
	if (!err && crc32c(0, buf + VARVE_BLOCK, (size_t)sup->seg_count *
			   sizeof(struct seg_disk)) != table_crc)
		err = -VE_SLOT_CRC;
	if (!err) {
		s.table = xcalloc(sup->seg_count, sizeof *s.table);
		err = decode_table(sup, buf + VARVE_BLOCK, s.table);
		if (err) {
			slot_free(&s);
		} else {
			if (room)
				decode_ext((void *)(buf + sizeof(struct slot_disk)), buf + at, &s);
			*ret = s;
		}
	}
	dev_free(buf);
	return err;
}

void slot_free(struct slot *s)
{
	free(s->table);
	free(s->holds);
	s->table = NULL;
	s->holds = NULL;
}

void slot_print(const struct slot *s, FILE *out)
{
	fprintf(out, "seq %" PRIu64 "\nepoch %" PRIu64 "\nclean %d\ntime ", s->seq,
		s->epoch, s->clean);
	print_time(s->time, out);
	fprintf(out, "\npos addr %" PRIu64 " seq %" PRIu64 " prev_crc %08" PRIx32
		" next_seg %" PRIu32 "\n", s->pos.addr, s->pos.seq, s->pos.prev_crc,
		s->pos.next_seg);
	fprintf(out, "map addr %" PRIu64 " crc %08" PRIx32 " depth %" PRIu32
		" pages %" PRIu32 "\n", s->map.addr, s->map.crc, s->map.depth,
		s->map.pages);
	fprintf(out, "op_seq %" PRIu64 "\nnext_ino %" PRIu64 "\nnext_piece %" PRIu64
		"\ninodes %" PRIu64 "\ndata_bytes %" PRIu64 "\nreserved_bytes %" PRIu64
		"\n", s->count.op_seq, s->count.next_ino, s->count.next_piece,
		s->count.inodes, s->count.data_bytes, s->count.reserved_bytes);
	for (unsigned k = 0; k < SLOT_BACKUPS; k++) {
		const struct backup_ref *b = &s->backup[k];

		if (!b->id)
			continue;
		fprintf(out, "backup %u id %016" PRIx64 " of checkpoint %" PRIu64 " op_seq %" PRIu64
			" log_seq %" PRIu64 " pages %" PRIu32 " chunks %" PRIu32 " time ", k,
			b->id, b->ckpt, b->op_seq, b->log_seq, b->pages, b->chunks);
		print_time(b->time, out);
		fputc('\n', out);
	}
}
