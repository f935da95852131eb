/* SPDX-License-Identifier: MIT */
/* fuzz_util.c - see fuzz.h. */
#include "config.h"

#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/msg.h"
#include "fs/fs.h"
#include "log/codec.h"
#include "log/scan.h"
#include "store/vol_int.h"
#include "vol_rig.h"

/* --- input --- */

uint8_t take8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

uint16_t take16(struct input *in)
{
	uint16_t lo = take8(in);

	return (uint16_t)(lo | take8(in) << 8);
}

uint64_t take64(struct input *in)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)take8(in) << (8 * i);
	return v;
}

size_t take_bytes(struct input *in, void *buf, size_t n)
{
	n = MIN(n, in->left);
	if (n)
		memcpy(buf, in->p, n);
	in->p += n;
	in->left -= n;
	return n;
}

/* --- surroundings --- */

static void swallow(enum msg_level level, const char *line)
{
	if (getenv("FUZZ_MESSAGES"))
		fprintf(stderr, "%s\n", line);
}

void fuzz_hush(void)
{
	msg_set_hook(swallow);
}

FILE *fuzz_null(void)
{
	static FILE *f;

	if (!f)
		f = fopen("/dev/null", "w");
	return f;
}

struct ring *fuzz_ring(void)
{
	static struct ring *r;

	if (!r && ring_create(64, 0, &r))
		msg_panic("no ring");
	return r;
}

/* --- the volume --- */

static struct dev *base;
static struct super base_super;
static uint64_t *blocks;
static size_t nblocks;

static void must(int err)
{
	if (err)
		msg_panic("fuzz volume: %s", err_str(err));
}

static void add_block(uint64_t addr)
{
	blocks = xrealloc(blocks, (nblocks + 1) * sizeof(*blocks));
	blocks[nblocks++] = addr;
}

static int add_page(void *arg, uint64_t addr, uint32_t pgno)
{
	add_block(addr);
	return 0;
}

static void find_blocks(struct rig *g)
{
	const struct super *s = &base_super;
	struct slot slot;
	struct scan *scan;
	struct batch b;

	add_block(0);
	add_block(s->dev_size - VARVE_BLOCK);
	for (unsigned i = 0; i < 2; i++)
		for (uint64_t at = 0; at < slot_bytes(s); at += VARVE_BLOCK)
			add_block(s->slot_off + i * s->slot_size + at);
	must(pstore_walk(g->vol->ps, add_page, NULL));
	must(slot_read(g->dev, s, g->vol->slot, &slot));
	for (uint32_t i = 0; i < s->seg_count; i++)
		if (slot.table[i].state == SEG_META) {
			add_block(super_seg_addr(s, i));
			add_block(super_seg_addr(s, i) + VARVE_BLOCK);
		}
	must(scan_open(g->dev, s, &slot.pos, &scan));
	while (scan_next(scan, &b) > 0) {
		add_block(b.addr);
		for (uint32_t at = 0; at < batch_rec_area(b.rec_len); at += VARVE_BLOCK)
			add_block(b.addr + VARVE_BLOCK + b.data_len + at);
	}
	scan_close(scan);
	slot_free(&slot);
}

static int64_t steady(void)
{
	static int64_t t = 1700000000000000000;

	return t += 1000000;
}

static void make_base(void)
{
	static const uint8_t uuid[16] = "varvefs fuzz vol";
	struct rig g = { .ring = fuzz_ring() };
	struct vol_format f = { .root_mode = 0755, .uuid = uuid };

	fuzz_hush();
	clock_set_wall(steady);
	must(dev_mem_new(FUZZ_SIZE, &g.dev));
	must(vol_mkfs(g.dev, &f));
	must(super_read(g.dev, &base_super, NULL));
	/* The key is random; inputs must mean the same each time. */
	memset(base_super.hash_key, 7, sizeof(base_super.hash_key));
	must(super_write(g.dev, &base_super));
	must(rig_open(&g, false));
	must(rig_populate(&g, 0));
	must(rig_close(&g));
	must(rig_open(&g, false));
	must(rig_populate(&g, 1));
	must(rig_sync(&g));
	must(rig_populate(&g, 2));
	must(rig_sync(&g));
	rig_kill(&g);
	must(rig_open(&g, true));
	find_blocks(&g);
	rig_kill(&g);
	base = g.dev;
}

struct dev *fuzz_volume(void)
{
	struct dev *d;

	if (!base)
		make_base();
	must(dev_mem_copy(base, &d));
	return d;
}

const struct super *fuzz_super(void)
{
	if (!base)
		make_base();
	return &base_super;
}

const uint64_t *fuzz_blocks(size_t *ret_n)
{
	if (!base)
		make_base();
	*ret_n = nblocks;
	return blocks;
}

/* --- checksums --- */

static uint32_t crc_without(const void *block, size_t at)
{
	static const uint8_t zero[4];
	const uint8_t *p = block;
	uint32_t crc = crc32c(0, p, at);

	crc = crc32c(crc, zero, 4);
	return crc32c(crc, p + at + 4, VARVE_BLOCK - at - 4);
}

void fuzz_fix_super(void *block)
{
	put32((uint8_t *)block + offsetof(struct super_disk, crc),
	      crc_without(block, offsetof(struct super_disk, crc)));
}

void fuzz_fix_slot(uint8_t *header, const uint8_t *table, uint32_t table_len)
{
	put32(header + offsetof(struct slot_disk, table_crc), crc32c(0, table, table_len));
	put32(header + offsetof(struct slot_disk, crc),
	      crc_without(header, offsetof(struct slot_disk, crc)));
}

static bool in_dev(uint64_t addr, uint64_t len)
{
	return addr % VARVE_BLOCK == 0 && addr <= FUZZ_SIZE && len <= FUZZ_SIZE - addr;
}

uint64_t fuzz_fix_batch(struct dev *d, uint64_t addr, uint32_t prev_crc)
{
	uint8_t *block = dev_alloc(VARVE_BLOCK), *recs = NULL;
	struct batch_disk *h = (void *)block;
	uint32_t rec_len, data_len, crc;
	uint64_t ret = 1ull << 32;

	if (!in_dev(addr, VARVE_BLOCK) || dev_read(d, block, addr, VARVE_BLOCK))
		goto out;
	rec_len = get32(&h->rec_len);
	data_len = get32(&h->data_len);
	if (get64(&h->magic) != BATCH_MAGIC || rec_len > BATCH_MAX || data_len > BATCH_MAX)
		goto out;
	if (batch_rec_area(rec_len)) {
		uint64_t at = addr + VARVE_BLOCK + data_len;
		uint32_t area = batch_rec_area(rec_len);

		if (!in_dev(at, area))
			goto out;
		recs = dev_alloc(area);
		must(dev_read(d, recs, at, area));
	}
	put32(&h->prev_crc, prev_crc);
	crc = batch_crc(&base_super, block, recs, rec_len);
	put32(&h->crc, crc);
	must(dev_write(d, block, addr, VARVE_BLOCK));
	ret = crc;
out:
	dev_free(block);
	dev_free(recs);
	return ret;
}

static uint32_t fix_map(struct dev *d, uint64_t addr, unsigned level, unsigned *budget)
{
	uint8_t *block = dev_alloc(VARVE_BLOCK);
	struct map_disk *e = (void *)block;
	uint32_t crc;

	must(dev_read(d, block, addr, VARVE_BLOCK));
	for (unsigned i = 0; level && i < MAP_FANOUT && *budget; i++) {
		uint64_t kid = get64(&e[i].addr);

		if (!kid || !in_dev(kid, VARVE_BLOCK))
			continue;
		(*budget)--;
		put32(&e[i].crc, fix_map(d, kid, level - 1, budget));
	}
	if (level)
		must(dev_write(d, block, addr, VARVE_BLOCK));
	crc = crc32c(0, block, VARVE_BLOCK);
	dev_free(block);
	return crc;
}

/* Follows the tail as scan does, mending the chain. */
static void fix_tail(struct dev *d, const struct slot_disk *s)
{
	uint64_t addr = get64(&s->pos.addr), next = get32(&s->pos.next_seg), crc;
	uint32_t prev = get32(&s->pos.prev_crc);
	uint8_t *block = dev_alloc(VARVE_BLOCK);

	for (int i = 0; i < 100; i++) {
		const struct batch_disk *h = (void *)block;

		crc = fuzz_fix_batch(d, addr, prev);
		if (crc >> 32 && next < base_super.seg_count) {
			addr = super_seg_addr(&base_super, (uint32_t)next);
			crc = fuzz_fix_batch(d, addr, prev);
		}
		if (crc >> 32)
			break;
		prev = (uint32_t)crc;
		must(dev_read(d, block, addr, VARVE_BLOCK));
		next = get32(&h->next_seg);
		addr += VARVE_BLOCK + get32(&h->data_len) + batch_rec_area(get32(&h->rec_len));
	}
	dev_free(block);
}

static void fix_slot_of(struct dev *d, unsigned which)
{
	const struct super *sup = &base_super;
	uint64_t at = sup->slot_off + which * sup->slot_size, bytes = slot_bytes(sup);
	uint8_t *buf = dev_alloc(bytes);
	uint8_t *bitmap = dev_alloc(VARVE_BLOCK);
	struct slot_disk *s = (void *)buf;
	struct seg_disk *t = (void *)(buf + VARVE_BLOCK);
	uint64_t root;
	unsigned budget = 2000;

	must(dev_read(d, buf, at, (uint32_t)bytes));
	for (uint32_t i = 0; i < sup->seg_count; i++) {
		if (t[i].state != SEG_META)
			continue;
		must(dev_read(d, bitmap, super_seg_addr(sup, i) + which * VARVE_BLOCK, VARVE_BLOCK));
		put32(&t[i].sum, crc32c(0, bitmap, VARVE_BLOCK));
	}
	root = get64(&s->map_addr);
	if (root && in_dev(root, VARVE_BLOCK))
		put32(&s->map_crc, fix_map(d, root, MIN(get32(&s->map_depth), MAP_DEPTH_MAX), &budget));
	fix_tail(d, s);
	fuzz_fix_slot(buf, buf + VARVE_BLOCK, sup->seg_count * (uint32_t)sizeof(*t));
	must(dev_write(d, buf, at, (uint32_t)bytes));
	dev_free(buf);
	dev_free(bitmap);
}

void fuzz_fix_sums(struct dev *d)
{
	const uint64_t copy[2] = { 0, base_super.dev_size - VARVE_BLOCK };
	uint8_t *block = dev_alloc(VARVE_BLOCK);

	for (unsigned i = 0; i < 2; i++) {
		must(dev_read(d, block, copy[i], VARVE_BLOCK));
		fuzz_fix_super(block);
		must(dev_write(d, block, copy[i], VARVE_BLOCK));
		fix_slot_of(d, i);
	}
	dev_free(block);
}

/* --- use --- */

#define LOOK_MAX 300u
#define READ_MAX (256u << 10)

struct look {
	struct rig *g;
	unsigned left; /* inodes that may still be looked at */
	uint64_t ino[LOOK_MAX];
	uint8_t type[LOOK_MAX];
	unsigned n;
	uint8_t *buf;
};

static int note_one(void *arg, const struct fs_dirent *e)
{
	struct look *l = arg;

	if (l->n == LOOK_MAX)
		return 1;
	if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
		return 0;
	l->type[l->n] = e->type;
	l->ino[l->n++] = e->ino;
	return 0;
}

static void look_xattrs(struct rig *g, uint64_t ino)
{
	char *names;
	size_t len, n;
	void *value;

	if (fs_listxattr(g->fc, ino, &names, &len))
		return;
	for (char *p = names; p < names + len; p += strlen(p) + 1)
		if (fs_getxattr(g->fc, ino, p, &value, &n) == 0)
			free(value);
	free(names);
}

static void look_at(struct look *l, uint64_t ino)
{
	struct rig *g = l->g;
	struct fs_attr a;
	uint64_t pos;
	char *target;

	if (fs_getattr(g->fc, ino, &a))
		return;
	look_xattrs(g, ino);
	if (fs_readlink(g->fc, ino, &target) == 0)
		free(target);
	if (S_ISDIR(a.mode) && fs_readdir(g->fc, ino, 0, true, note_one, l) < 0)
		return;
	if (S_ISREG(a.mode)) {
		uint64_t end = a.size > READ_MAX ? a.size - READ_MAX : 0;

		/* what it holds is not our business here */
		if (rig_read(g, ino, 0, l->buf, READ_MAX) == 0 && end)
			end += (uint64_t)rig_read(g, ino, end, l->buf, READ_MAX) & 1;
		if (fs_seek(g->fc, ino, 0, SEEK_HOLE, &pos))
			pos = 0;
	}
}

static void change(struct look *l)
{
	static const struct fs_cred cr;
	struct rig *g = l->g;
	struct fs_setattr sa = { .valid = FSA_SIZE | FSA_MODE, .mode = 0600, .size = 3000 };
	struct fs_attr a;
	uint64_t len;
	unsigned failed = 0;

	failed += fs_make(g->fc, &cr, VARVE_ROOT_INO, "new", S_IFREG | 0644, 0, &a) != 0;
	failed += fs_make(g->fc, &cr, VARVE_ROOT_INO, "newdir", S_IFDIR | 0755, 0, &a) != 0;
	for (unsigned i = 0; i < l->n && i < 12; i++) {
		uint64_t ino = l->ino[i];

		failed += rig_write(g, ino, 1000, 9000, i) != 0;
		failed += fs_setattr(g->fc, &cr, ino, &sa, &a) != 0;
		failed += fs_fallocate(g->fc, &cr, ino, 0, 0, 20000) != 0;
		failed += fs_setxattr(g->fc, &cr, ino, "user.x", "y", 1, 0, false) != 0;
		if (i)
			failed += fs_clone(g->fc, &cr, l->ino[i - 1], 0, ino, 4096, 4096, &len) != 0;
	}
	failed += fs_rename(g->fc, &cr, VARVE_ROOT_INO, "dir-0", VARVE_ROOT_INO, "renamed", 0) != 0;
	failed += fs_unlink(g->fc, &cr, VARVE_ROOT_INO, "link-1") != 0;
	failed += vol_checkpoint(fs_vol_ctx(g->fc)) != 0;
	failed += rig_sync(g) != 0;
	(void)failed; /* any answer is right, as long as there is one */
}

void fuzz_use(struct dev *d, bool write, bool verify)
{
	struct rig g = { .dev = d, .ring = fuzz_ring() };
	struct look *l;
	struct fs_statfs sf;

	if (rig_open(&g, !write))
		return;
	l = xcalloc(1, sizeof(*l));
	l->g = &g;
	l->buf = dev_alloc(READ_MAX);
	look_at(l, VARVE_ROOT_INO);
	for (unsigned i = 0; i < l->n; i++)
		look_at(l, l->ino[i]);
	if (write)
		change(l);
	if (fs_statfs(g.fc, &sf) == 0 && verify && vol_verify(fs_vol_ctx(g.fc), NULL, NULL) < 0)
		l->n = 0;
	dev_free(l->buf);
	free(l);
	if (!write || rig_close(&g)) {
		if (!write)
			rig_kill(&g);
	}
}
