/* SPDX-License-Identifier: MIT */
/* scan.c - follow the chain of batches from a position.
 *
 * The chain cannot loop: every step asks for a sequence number one higher, and
 * a place on the device holds one. */
#include "log/scan.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/codec.h"

struct scan {
	struct dev *dev;
	struct super sup;
	struct log_pos pos; /* of the batch that is asked for next */
	uint64_t epoch;     /* of the last one */
	struct batch_buf buf;
};

int scan_open(struct dev *d, const struct super *sup, const struct log_pos *from,
	      struct scan **ret)
{
	struct scan *s;
	int err = pos_check(sup, from);

	if (err)
		return err;
	s = xcalloc(1, sizeof *s);
	s->dev = d;
	s->sup = *sup;
	s->pos = *from;
	batch_buf_init(&s->buf);
	*ret = s;
	return 0;
}

void scan_close(struct scan *s)
{
	if (!s)
		return;
	batch_buf_free(&s->buf);
	free(s);
}

/* Is the batch at addr the one that continues the chain? */
static int try_at(struct scan *s, uint64_t addr, struct batch *ret)
{
	int r = batch_load(s->dev, &s->sup, addr, &s->buf, ret, NULL);

	if (r <= 0)
		return r;
	return ret->seq == s->pos.seq && ret->prev_crc == s->pos.prev_crc &&
		ret->epoch >= s->epoch;
}

int scan_next(struct scan *s, struct batch *ret)
{
	const struct log_pos *pos = &s->pos;
	uint64_t end;
	int r = try_at(s, pos->addr, ret);

	if (r == 0 && pos->next_seg < s->sup.seg_count &&
	    pos->addr != super_seg_addr(&s->sup, pos->next_seg))
		r = try_at(s, super_seg_addr(&s->sup, pos->next_seg), ret);
	if (r <= 0)
		return r;
	end = ret->addr + ret->bytes;
	if (end == super_seg_addr(&s->sup, super_seg_index(&s->sup, ret->addr)) +
		   s->sup.seg_size)
		end = super_seg_addr(&s->sup, ret->next_seg);
	s->epoch = ret->epoch;
	s->pos = (struct log_pos){
		.addr = end,
		.seq = ret->seq + 1,
		.prev_crc = ret->crc,
		.next_seg = ret->next_seg,
	};
	return 1;
}

void scan_pos(const struct scan *s, struct log_pos *ret)
{
	*ret = s->pos;
}

void scan_segment(struct dev *d, const struct super *sup, uint32_t idx,
		  void (*fn)(void *arg, const struct batch *b), void *arg)
{
	uint64_t addr = super_seg_addr(sup, idx);
	struct batch_buf buf;

	batch_buf_init(&buf);
	batch_search(d, sup, addr, addr + sup->seg_size, &buf, fn, arg);
	batch_buf_free(&buf);
}

int scan_batch_at(struct dev *d, const struct super *sup, uint64_t addr,
		  void (*fn)(void *arg, const struct batch *b), void *arg)
{
	struct batch_buf buf;
	struct batch b;
	int r;

	batch_buf_init(&buf);
	r = batch_load(d, sup, addr, &buf, &b, NULL);
	if (r > 0)
		fn(arg, &b);
	batch_buf_free(&buf);
	return r;
}
