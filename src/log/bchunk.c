/* SPDX-License-Identifier: MIT */
/* bchunk.c - see bchunk.h; doc/format.md §6a. */
#include "log/bchunk.h"

#include "base/crc32c.h"
#include "base/err.h"
#include "log/codec.h"

static uint32_t head_crc(const void *block)
{
	static const uint8_t zero[4];
	const size_t at = offsetof(struct backup_disk, crc);
	const uint8_t *p = block;
	uint32_t crc = crc32c(0, p, at);

	crc = crc32c(crc, zero, sizeof zero);
	return crc32c(crc, p + at + 4, VARVE_BLOCK - at - 4);
}

void bchunk_encode(const struct super *sup, const struct bchunk *c, void *block)
{
	struct backup_disk *d = block;

	memset(block, 0, VARVE_BLOCK);
	d->magic = htole64(BACKUP_MAGIC);
	d->data_crc = htole32(c->data_crc);
	memcpy(d->uuid, sup->uuid, sizeof d->uuid);
	d->id = htole64(c->id);
	d->index = htole32(c->index);
	d->count = htole32(c->count);
	d->first = htole32(c->first);
	d->npages = htole32(c->npages);
	d->pages = htole32(c->pages);
	d->stored = htole32(c->stored);
	d->raw_crc = htole32(c->raw_crc);
	d->enc = htole32(c->enc);
	d->ckpt = htole64(c->ckpt);
	d->epoch = htole64(c->epoch);
	d->time = (int64_t)htole64((uint64_t)c->time);
	pos_encode(&c->pos, &d->pos);
	d->op_seq = htole64(c->n.op_seq);
	d->next_ino = htole64(c->n.next_ino);
	d->next_piece = htole64(c->n.next_piece);
	d->inodes = htole64(c->n.inodes);
	d->data_bytes = htole64(c->n.data_bytes);
	d->reserved_bytes = htole64(c->n.reserved_bytes);
	d->crc = htole32(head_crc(block));
}

static bool plausible(const struct bchunk *c, uint32_t room)
{
	uint32_t end = c->first - 1 + c->npages;

	if (!c->id || !c->npages || c->npages > BACKUP_CHUNK_PAGES || !c->pages || !c->stored ||
	    c->stored > BACKUP_CHUNK_PAGES * VARVE_BLOCK || bchunk_bytes(c) > room)
		return false;
	/* Which page a chunk begins with follows from its index. */
	if (c->index > UINT32_MAX / BACKUP_CHUNK_PAGES ||
	    c->first != c->index * BACKUP_CHUNK_PAGES + 1 || end > c->pages)
		return false;
	if (c->enc > BACKUP_ZSTD ||
	    (c->enc == BACKUP_PLAIN && c->stored != c->npages * VARVE_BLOCK))
		return false;
	return c->count ? c->count == c->index + 1 && end == c->pages
			: c->npages == BACKUP_CHUNK_PAGES && end < c->pages;
}

int bchunk_decode(const struct super *sup, const void *block, uint32_t room,
		  struct bchunk *ret)
{
	const struct backup_disk *d = block;
	struct bchunk c;

	if (le64toh(d->magic) != BACKUP_MAGIC || le32toh(d->crc) != head_crc(block) ||
	    memcmp(d->uuid, sup->uuid, sizeof d->uuid) != 0)
		return -VE_BACKUP;
	c.id = le64toh(d->id);
	c.index = le32toh(d->index);
	c.count = le32toh(d->count);
	c.first = le32toh(d->first);
	c.npages = le32toh(d->npages);
	c.pages = le32toh(d->pages);
	c.stored = le32toh(d->stored);
	c.data_crc = le32toh(d->data_crc);
	c.raw_crc = le32toh(d->raw_crc);
	c.enc = le32toh(d->enc);
	c.ckpt = le64toh(d->ckpt);
	c.epoch = le64toh(d->epoch);
	c.time = (int64_t)le64toh((uint64_t)d->time);
	pos_decode(&d->pos, &c.pos);
	c.n.op_seq = le64toh(d->op_seq);
	c.n.next_ino = le64toh(d->next_ino);
	c.n.next_piece = le64toh(d->next_piece);
	c.n.inodes = le64toh(d->inodes);
	c.n.data_bytes = le64toh(d->data_bytes);
	c.n.reserved_bytes = le64toh(d->reserved_bytes);
	if (!plausible(&c, room) || pos_check(sup, &c.pos))
		return -VE_BACKUP;
	*ret = c;
	return 0;
}
