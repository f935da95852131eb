/* SPDX-License-Identifier: MIT */
/* super.c - the superblock: geometry, two copies, validation. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "log/codec.h"

/* A volume can be grown to this many times its size without moving data. */
#define GROWTH 16u

static uint32_t block_crc(const void *block, size_t at)
{
	static const uint8_t zero[4];
	const uint8_t *p = block;
	uint32_t crc = crc32c(0, p, at);

	crc = crc32c(crc, zero, sizeof zero);
	return crc32c(crc, p + at + 4, VARVE_BLOCK - at - 4);
}

/* About 256 segments, at most 64 MiB each; small volumes make do with fewer
 * rather than with segments below 1 MiB. */
static uint32_t choose_seg_size(uint64_t dev_size)
{
	uint32_t size = SEG_SIZE_MIN;

	while (size < SEG_SIZE_MAX && dev_size / size >= 512)
		size *= 2;
	return size;
}

int super_plan(uint64_t dev_size, uint32_t seg_size, struct super *ret)
{
	struct super s = { .slot_off = SLOT_AREA_OFF };
	uint64_t count, align;

	s.dev_size = align_down(dev_size, VARVE_BLOCK);
	if (seg_size == 0)
		seg_size = choose_seg_size(s.dev_size);
	if (seg_size < SEG_SIZE_MIN || seg_size > SEG_SIZE_MAX ||
	    (seg_size & (seg_size - 1)) != 0)
		return -EINVAL;
	s.seg_size = seg_size;
	count = s.dev_size / seg_size;
	if (count > UINT32_MAX / (GROWTH * sizeof(struct seg_disk)))
		return -EFBIG;
	s.slot_size = VARVE_BLOCK +
		align_up(count * GROWTH * sizeof(struct seg_disk), VARVE_BLOCK);
	/* Aligned for erase blocks where that costs nothing to speak of. */
	align = s.dev_size >= 1u << 30 ? 1u << 20 : 1u << 16;
	s.seg_base = align_up(s.slot_off + 2 * s.slot_size, align);
	if (s.seg_base + VARVE_BLOCK >= s.dev_size)
		return -VE_DEV_SMALL;
	s.seg_count = (uint32_t)((s.dev_size - VARVE_BLOCK - s.seg_base) / seg_size);
	if (s.seg_count < SEG_COUNT_MIN)
		return -VE_DEV_SMALL;
	*ret = s;
	return 0;
}

void super_encode(const struct super *s, unsigned copy, void *block)
{
	struct super_disk *d = block;

	memset(block, 0, VARVE_BLOCK);
	d->magic = htole64(SUPER_MAGIC);
	d->version = htole32(FORMAT_VERSION);
	d->compat = htole64(s->compat);
	d->ro_compat = htole64(s->ro_compat);
	d->incompat = htole64(s->incompat);
	memcpy(d->uuid, s->uuid, sizeof d->uuid);
	memcpy(d->hash_key, s->hash_key, sizeof d->hash_key);
	memcpy(d->label, s->label, strnlen(s->label, sizeof d->label));
	d->dev_size = htole64(s->dev_size);
	d->slot_off = htole64(s->slot_off);
	d->slot_size = htole64(s->slot_size);
	d->seg_base = htole64(s->seg_base);
	d->seg_size = htole32(s->seg_size);
	d->seg_count = htole32(s->seg_count);
	d->block_size = htole32(VARVE_BLOCK);
	d->copy = htole32(copy);
	d->created = (int64_t)htole64((uint64_t)s->created);
	d->crc = htole32(block_crc(block, offsetof(struct super_disk, crc)));
}

static int check_geometry(const struct super *s, uint64_t dev_size)
{
	uint64_t segs = (uint64_t)s->seg_size * s->seg_count;

	if (s->seg_size < SEG_SIZE_MIN || s->seg_size > SEG_SIZE_MAX ||
	    (s->seg_size & (s->seg_size - 1)) != 0 || s->seg_count < SEG_COUNT_MIN)
		return -VE_SUPER_VALUE;
	if (s->dev_size > dev_size || s->dev_size % VARVE_BLOCK != 0 ||
	    s->seg_base % VARVE_BLOCK != 0 || s->slot_size % VARVE_BLOCK != 0 ||
	    s->slot_off != SLOT_AREA_OFF)
		return -VE_SUPER_VALUE;
	/* Bounded one after the other, so that no sum can overflow. */
	if (s->dev_size > (uint64_t)INT64_MAX || s->seg_base >= s->dev_size ||
	    s->slot_size >= s->dev_size || slot_bytes(s) > s->slot_size ||
	    s->slot_off + 2 * s->slot_size > s->seg_base ||
	    segs > s->dev_size || s->seg_base + segs + VARVE_BLOCK > s->dev_size)
		return -VE_SUPER_VALUE;
	return 0;
}

int super_decode(const void *block, uint64_t dev_size, struct super *ret)
{
	const struct super_disk *d = block;
	struct super s = { .compat = le64toh(d->compat) };

	if (le64toh(d->magic) != SUPER_MAGIC)
		return -VE_SUPER_MAGIC;
	if (le32toh(d->crc) != block_crc(block, offsetof(struct super_disk, crc)))
		return -VE_SUPER_CRC;
	s.ro_compat = le64toh(d->ro_compat);
	s.incompat = le64toh(d->incompat);
	if (le32toh(d->version) != FORMAT_VERSION || (s.incompat & ~INCOMPAT_KNOWN))
		return -VE_FEATURE;
	memcpy(s.uuid, d->uuid, sizeof s.uuid);
	memcpy(s.hash_key, d->hash_key, sizeof s.hash_key);
	memcpy(s.label, d->label, sizeof d->label);
	s.dev_size = le64toh(d->dev_size);
	s.slot_off = le64toh(d->slot_off);
	s.slot_size = le64toh(d->slot_size);
	s.seg_base = le64toh(d->seg_base);
	s.seg_size = le32toh(d->seg_size);
	s.seg_count = le32toh(d->seg_count);
	s.created = (int64_t)le64toh((uint64_t)d->created);
	if (le32toh(d->block_size) != VARVE_BLOCK || le32toh(d->copy) > 1 ||
	    check_geometry(&s, dev_size))
		return -VE_SUPER_VALUE;
	*ret = s;
	return 0;
}

int super_write(struct dev *d, const struct super *s)
{
	void *block = dev_alloc(VARVE_BLOCK);
	int err;

	super_encode(s, 1, block);
	err = dev_write(d, block, s->dev_size - VARVE_BLOCK, VARVE_BLOCK);
	if (!err) {
		super_encode(s, 0, block);
		err = dev_write(d, block, 0, VARVE_BLOCK);
	}
	dev_free(block);
	return err;
}

static int read_copy(struct dev *d, uint64_t off, struct super *ret)
{
	void *block = dev_alloc(VARVE_BLOCK);
	int err = dev_read(d, block, off, VARVE_BLOCK);

	if (!err)
		err = super_decode(block, dev_size(d), ret);
	dev_free(block);
	return err;
}

int super_read(struct dev *d, struct super *ret, bool *ret_repaired)
{
	struct super first, second;
	uint64_t size = dev_size(d);
	int err, err2;

	if (size < 2 * VARVE_BLOCK)
		return -VE_DEV_SMALL;
	err = read_copy(d, 0, &first);
	/* The device may have grown since: copy 0 knows where copy 1 is. */
	err2 = read_copy(d, (err ? size : first.dev_size) - VARVE_BLOCK, &second);
	if (err && (err2 || err == -VE_FEATURE))
		return err;
	*ret = err ? second : first;
	if (ret_repaired)
		*ret_repaired = err || err2;
	return 0;
}

void super_print(const struct super *s, FILE *out)
{
	fputs("uuid ", out);
	print_uuid(s->uuid, out);
	fputs("\nlabel ", out);
	print_text(s->label, strlen(s->label), out);
	fputs("\ncreated ", out);
	print_time(s->created, out);
	fprintf(out, "\nversion %u\ncompat %#" PRIx64 "\nro_compat %#" PRIx64
		"\nincompat %#" PRIx64 "\n", FORMAT_VERSION, s->compat, s->ro_compat,
		s->incompat);
	fprintf(out, "dev_size %" PRIu64 "\nslot_off %" PRIu64 "\nslot_size %" PRIu64
		"\nseg_base %" PRIu64 "\nseg_size %" PRIu32 "\nseg_count %" PRIu32 "\n",
		s->dev_size, s->slot_off, s->slot_size, s->seg_base, s->seg_size,
		s->seg_count);
}
