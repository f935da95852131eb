/* SPDX-License-Identifier: MIT */
/* fetch.c - read batches and their records from the device, verified. */
#include "base/err.h"
#include "log/codec.h"

#define SEARCH_CHUNK (1u << 20)
/* Records of batches that then turn out to be bad: so much is read in one
 * search.  A forged image could make every block claim megabytes of them. */
#define SEARCH_WASTE (64u << 20)

void batch_buf_init(struct batch_buf *buf)
{
	*buf = (struct batch_buf){ .block = dev_alloc(VARVE_BLOCK) };
}

void batch_buf_free(struct batch_buf *buf)
{
	dev_free(buf->block);
	dev_free(buf->recs);
	*buf = (struct batch_buf){ 0 };
}

static void need_recs(struct batch_buf *buf, uint32_t size)
{
	if (size <= buf->recs_size)
		return;
	dev_free(buf->recs);
	buf->recs_size = (uint32_t)align_up(MAX(size, 64u << 10), VARVE_BLOCK);
	buf->recs = dev_alloc(buf->recs_size);
}

int batch_load(struct dev *d, const struct super *sup, uint64_t addr,
	       struct batch_buf *buf, struct batch *ret, int *ret_why)
{
	uint32_t area;
	int why = 0;
	int err = dev_read(d, buf->block, addr, VARVE_BLOCK);

	if (err)
		return err;
	why = batch_decode(sup, addr, buf->block, ret);
	if (!why) {
		area = batch_rec_area(ret->rec_len);
		if (area) {
			need_recs(buf, area);
			err = dev_read(d, buf->recs, addr + VARVE_BLOCK + ret->data_len,
				       area);
			if (err)
				return err;
			ret->recs = buf->recs;
		}
		if (batch_crc(sup, buf->block, ret->recs, ret->rec_len) != ret->crc)
			why = -VE_BATCH_CRC;
	}
	if (ret_why)
		*ret_why = why;
	return why ? 0 : 1;
}

/* Fills chunk with [addr, addr + n); what cannot be read becomes zeros. */
static void read_what_can_be(struct dev *d, uint8_t *chunk, uint64_t addr, uint32_t n)
{
	if (dev_read(d, chunk, addr, n) == 0)
		return;
	for (uint32_t at = 0; at < n; at += VARVE_BLOCK)
		if (dev_read(d, chunk + at, addr + at, VARVE_BLOCK))
			memset(chunk + at, 0, VARVE_BLOCK);
}

void batch_search(struct dev *d, const struct super *sup, uint64_t addr, uint64_t end,
		  struct batch_buf *buf, void (*fn)(void *arg, const struct batch *b),
		  void *arg)
{
	uint8_t *chunk = dev_alloc(SEARCH_CHUNK);
	uint32_t waste = 0;
	struct batch b;

	while (addr < end) {
		uint32_t n = (uint32_t)MIN(SEARCH_CHUNK, end - addr), at = 0;

		read_what_can_be(d, chunk, addr, n);
		while (at < n) {
			b.rec_len = 0;
			if (get64(chunk + at) == BATCH_MAGIC && waste < SEARCH_WASTE &&
			    batch_load(d, sup, addr + at, buf, &b, NULL) > 0) {
				fn(arg, &b);
				at += b.bytes;
			} else {
				waste += MIN(batch_rec_area(b.rec_len), BATCH_MAX);
				at += VARVE_BLOCK;
			}
		}
		addr += at; /* may be past the chunk */
	}
	dev_free(chunk);
}

/* --- records of a batch --- */

void rec_iter_init(struct rec_iter *it, const struct batch *b)
{
	it->p = b->recs;
	it->end = it->p + b->rec_len;
	it->op = b->first_op;
	it->left = b->nrecs;
}

int rec_iter_next(struct rec_iter *it, uint32_t *sums, struct rec *ret)
{
	size_t len;
	int err;

	if (it->left == 0)
		return it->p == it->end ? 0 : -VE_REC_VALUE;
	err = rec_decode(it->p, (size_t)(it->end - it->p), sums, ret, &len);
	if (err)
		return err;
	it->p += len;
	it->op++;
	it->left--;
	return 1;
}
