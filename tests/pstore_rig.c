/* SPDX-License-Identifier: MIT */
/* pstore_rig.c - see pstore_rig.h. */
#include "config.h"

#include "pstore_rig.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"

_Atomic unsigned rig_messages;

static void count_message(enum msg_level level, const char *line)
{
	atomic_fetch_add(&rig_messages, 1);
}

void rig_quiet(void)
{
	atomic_store(&rig_messages, 0);
	msg_set_hook(count_message);
}

uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void fill_page(uint32_t pgno, uint32_t ver, void *buf)
{
	uint32_t *w = buf;

	for (uint32_t i = 0; i < VARVE_BLOCK / 4; i++)
		w[i] = ver ? (ver * 2654435761u) ^ (pgno << 12) ^ i : 0;
}

bool page_is(uint32_t pgno, uint32_t ver, const void *buf)
{
	uint8_t want[VARVE_BLOCK];

	fill_page(pgno, ver, want);
	return memcmp(want, buf, VARVE_BLOCK) == 0;
}

static void slot_put(struct slot *to, const struct slot *from)
{
	slot_free(to);
	*to = *from;
}

void rig_new(struct rig *r, struct dev *dev)
{
	memset(r, 0, sizeof(*r));
	r->dev = dev;
	ck_assert_int_eq(super_plan(dev_size(dev), 1u << 20, &r->sup), 0);
	memcpy(r->sup.uuid, "pstore rig uuid", 16);
	ck_assert_int_eq(super_write(dev, &r->sup), 0);
	r->segs = segs_new(&r->sup);
	ck_assert_int_eq(pstore_open(dev, r->segs, NULL, NULL, RIG_CACHE, &r->ps), 0);
	r->pages = pstore_pages(r->ps);
}

void rig_free(struct rig *r)
{
	pstore_close(r->ps);
	segs_free_table(r->segs);
	slot_free(&r->slot[0]);
	slot_free(&r->slot[1]);
	dev_close(r->dev);
}

void rig_reopen(struct rig *r)
{
	struct slot *newest = &r->slot[r->ckpt % 2], *older = &r->slot[(r->ckpt + 1) % 2];

	if (!older->table)
		older = NULL;
	pstore_close(r->ps);
	segs_free_table(r->segs);
	ck_assert_int_eq(segs_load(&r->sup, newest, older, &r->segs), 0);
	ck_assert_int_eq(pstore_open(r->dev, r->segs, newest, older, RIG_CACHE, &r->ps), 0);
	r->pages = pstore_pages(r->ps);
	r->now = r->image[r->ckpt % 2];
}

void rig_begin(struct rig *r)
{
	ck_assert_int_eq(r->pages->ops->txn_begin(r->pages), 0);
}

int rig_write(struct rig *r, uint32_t pgno)
{
	uint8_t buf[VARVE_BLOCK];
	uint32_t ver = ++r->version;
	int rc;

	fill_page(pgno, ver, buf);
	rc = r->pages->ops->txn_write(r->pages, pgno, buf);
	if (rc)
		return rc;
	r->now.ver[pgno] = ver;
	r->now.n = MAX(r->now.n, pgno);
	return 0;
}

int rig_truncate(struct rig *r, uint32_t npages)
{
	int rc = r->pages->ops->txn_truncate(r->pages, npages);

	if (rc)
		return rc;
	for (uint32_t i = npages + 1; i <= r->now.n; i++)
		r->now.ver[i] = 0;
	r->now.n = npages;
	return 0;
}

void rig_abort(struct rig *r)
{
	r->pages->ops->txn_abort(r->pages);
	if (r->ckpt)
		r->now = r->image[r->ckpt % 2];
	else
		memset(&r->now, 0, sizeof(r->now));
}

void rig_step(struct rig *r, uint64_t *state, uint32_t max_pages)
{
	uint8_t buf[VARVE_BLOCK];
	uint32_t pgno = (uint32_t)(rnd(state) % max_pages) + 1;

	switch (rnd(state) % 16) {
	case 0:
		if (rnd(state) % 8 == 0)
			pgno = (uint32_t)(rnd(state) % 3) ? pgno / 16 : 0;
		if (pgno < r->now.n || rnd(state) % 4 == 0)
			ck_assert_int_eq(rig_truncate(r, pgno), 0);
		break;
	case 1: case 2: case 3: case 4: /* a run, as SQLite appends */
		for (unsigned i = 0; i < 20 && r->now.n < max_pages; i++)
			ck_assert_int_eq(rig_write(r, r->now.n + 1), 0);
		break;
	case 5: case 6: case 7: /* a hot page, again and again */
		ck_assert_int_eq(rig_write(r, pgno % 8 + 1), 0);
		break;
	case 8: case 9: case 10:
		if (pgno > r->now.n)
			break;
		ck_assert_int_eq(r->pages->ops->txn_read(r->pages, pgno, buf), 0);
		ck_assert_msg(page_is(pgno, r->now.ver[pgno], buf),
			      "page %u of the transaction is not version %u", pgno,
			      r->now.ver[pgno]);
		break;
	default:
		ck_assert_int_eq(rig_write(r, pgno), 0);
	}
}

static struct slot new_slot(struct rig *r, uint64_t seq)
{
	struct slot s = { .seq = seq, .epoch = 1, .seg_count = r->sup.seg_count };

	s.table = calloc(s.seg_count, sizeof(*s.table));
	ck_assert_ptr_nonnull(s.table);
	s.pos.addr = r->sup.seg_base;
	s.pos.seq = 1;
	return s;
}

int rig_prepare(struct rig *r)
{
	struct slot s = new_slot(r, r->ckpt + 1);
	int rc = pstore_prepare(r->ps, s.seq, &s.map);

	if (!rc) {
		segs_snapshot(r->segs, s.table);
		rc = dev_flush(r->dev);
	}
	if (!rc)
		rc = slot_write(r->dev, &r->sup, &s);
	if (!rc)
		rc = dev_flush(r->dev);
	if (rc) {
		slot_free(&s);
		return rc;
	}
	slot_put(&r->slot[s.seq % 2], &s);
	r->image[s.seq % 2] = r->now;
	return 0;
}

void rig_commit(struct rig *r)
{
	ck_assert_int_eq(rig_prepare(r), 0);
	r->ckpt++;
	pstore_committed(r->ps, r->ckpt);
	segs_durable(r->segs, r->ckpt, NULL, NULL);
}

void rig_churn(struct rig *r, uint64_t *state, unsigned nwrites, uint32_t pages)
{
	rig_begin(r);
	for (unsigned i = 0; i < nwrites; i++)
		ck_assert_int_eq(rig_write(r, (uint32_t)(rnd(state) % pages) + 1), 0);
	rig_commit(r);
}

static int read_one(struct page_store *pages, struct ps_image *img, uint32_t pgno, void *buf)
{
	return img ? pages->ops->read(pages, img, pgno, buf) :
		     pages->ops->txn_read(pages, pgno, buf);
}

void check_image(struct page_store *pages, struct ps_image *img, const struct model *m,
		 const char *what)
{
	uint8_t buf[VARVE_BLOCK];
	uint32_t n = img ? pages->ops->npages(pages, img) : pages->ops->txn_npages(pages);

	ck_assert_msg(n == m->n, "%s: %u pages, not %u", what, n, m->n);
	for (uint32_t i = 1; i <= n; i++) {
		int rc = read_one(pages, img, i, buf);

		ck_assert_msg(!rc, "%s: page %u: %s", what, i, err_str(rc));
		ck_assert_msg(page_is(i, m->ver[i], buf), "%s: page %u is not version %u",
			      what, i, m->ver[i]);
	}
	ck_assert_int_ne(read_one(pages, img, n + 1, buf), 0);
	ck_assert_int_ne(read_one(pages, img, 0, buf), 0);
}

struct count {
	struct segs *segs;
	uint32_t *n;
};

static int count_block(void *arg, uint64_t addr, uint32_t pgno)
{
	struct count *c = arg;

	c->n[segs_index(c->segs, addr)]++;
	return 0;
}

void check_live(struct segs *segs, struct pstore *ps)
{
	struct count c = { segs, calloc(segs_count(segs), sizeof(uint32_t)) };
	struct pstore_stats st;
	uint64_t sum = 0;

	ck_assert_int_eq(pstore_walk(ps, count_block, &c), 0);
	for (uint32_t i = 0; i < segs_count(segs); i++) {
		struct seg_info info;

		segs_get(segs, i, &info);
		if (info.state != SEG_META && !c.n[i])
			continue;
		ck_assert_msg(info.state == SEG_META && info.live == c.n[i],
			      "segment %u: state %d, live %u, walked %u", i, info.state,
			      info.live, c.n[i]);
		sum += c.n[i];
	}
	pstore_get_stats(ps, &st);
	ck_assert_uint_eq(st.blocks_used, sum);
	free(c.n);
}

int try_slot(struct dev *dev, const struct super *sup, const struct slot *s,
	     const struct slot *older, const struct model *m)
{
	struct segs *segs;
	struct pstore *ps;
	struct ps_image *img;
	int rc = segs_load(sup, s, older, &segs);

	if (rc)
		return rc;
	rc = pstore_open(dev, segs, s, older, RIG_CACHE, &ps);
	if (!rc) {
		struct page_store *pages = pstore_pages(ps);

		img = pages->ops->acquire(pages);
		check_image(pages, img, m, "slot");
		pages->ops->release(pages, img);
		check_live(segs, ps);
		pstore_close(ps);
	}
	segs_free_table(segs);
	return rc;
}

void flip(struct dev *d, uint64_t addr, uint32_t bit)
{
	uint8_t *buf = dev_alloc(VARVE_BLOCK);

	ck_assert_int_eq(dev_read(d, buf, addr, VARVE_BLOCK), 0);
	buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	ck_assert_int_eq(dev_write(d, buf, addr, VARVE_BLOCK), 0);
	dev_free(buf);
}

int collect(void *arg, uint64_t addr, uint32_t pgno)
{
	struct blocks *b = arg;

	ck_assert_uint_lt(b->n, RIG_PAGES);
	b->addr[b->n] = addr;
	b->pgno[b->n++] = pgno;
	return 0;
}
