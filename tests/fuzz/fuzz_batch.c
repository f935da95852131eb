/* SPDX-License-Identifier: MIT */
/* fuzz_batch.c - batches behind the end of the log: scanned, dumped, replayed.
 *
 * Input: pieces of (kind, length, bytes); kind 0 sets header fields, 1 appends to
 * the records, 2 places the batch and begins the next one. */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "base/msg.h"
#include "log/codec.h"
#include "log/scan.h"

#define ROOM (64u << 10)

static uint64_t place(struct dev *d, struct log_pos *pos, uint8_t *block, const uint8_t *recs,
		      uint32_t len)
{
	struct batch_disk *h = (void *)block;
	uint32_t area = batch_rec_area(len);
	uint64_t crc;

	if (len <= BATCH_INLINE_MAX)
		memcpy(block + BATCH_HDR, recs, len);
	put32(&h->rec_len, len);
	put32(&h->flags, area ? 0 : BATCH_INLINE);
	put32(&h->data_len, get32(&h->data_len) & 0xf000);
	if (pos->addr + VARVE_BLOCK + get32(&h->data_len) + area > FUZZ_SIZE)
		return 1ull << 32;
	if (dev_write(d, block, pos->addr, VARVE_BLOCK) ||
	    (area && dev_write(d, recs, pos->addr + VARVE_BLOCK + get32(&h->data_len), area)))
		msg_panic("cannot write");
	crc = fuzz_fix_batch(d, pos->addr, pos->prev_crc);
	pos->addr += VARVE_BLOCK + get32(&h->data_len) + area;
	pos->prev_crc = (uint32_t)crc;
	pos->seq++;
	return crc;
}

static void prepare(uint8_t *block, const struct log_pos *pos, uint64_t op, uint64_t epoch)
{
	struct batch_disk *h = (void *)block;

	memset(block, 0, VARVE_BLOCK);
	put64(&h->magic, BATCH_MAGIC);
	memcpy(h->uuid, fuzz_super()->uuid, 16);
	put64(&h->seq, pos->seq);
	put64(&h->epoch, epoch);
	put64(&h->durable_seq, pos->seq - 1);
	put64(&h->first_op, op);
	put32(&h->next_seg, pos->next_seg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct dev *d = fuzz_volume();
	uint8_t *block = dev_alloc(VARVE_BLOCK), *recs = dev_alloc(ROOM);
	struct slot slot[2];
	struct tail tail;
	struct log_pos pos;
	uint32_t len = 0;
	unsigned newest;

	if (slot_read(d, fuzz_super(), 0, &slot[0]) || slot_read(d, fuzz_super(), 1, &slot[1]))
		msg_panic("no slots");
	newest = slot[1].seq > slot[0].seq;
	if (scan_tail(d, fuzz_super(), &slot[newest].pos, &tail))
		msg_panic("no tail");
	pos = tail.end;
	prepare(block, &pos, tail.first_op, tail.max_epoch);
	memset(recs, 0, ROOM);
	while (in.left) {
		unsigned kind = take8(&in) % 4;
		size_t n = take8(&in);

		if (kind == 0) {
			size_t at = take8(&in) % BATCH_HDR;

			take_bytes(&in, block + at, MIN(n, BATCH_HDR - at));
		} else if (kind == 1 || kind == 3) {
			len += (uint32_t)take_bytes(&in, recs + len, MIN(n, ROOM - len));
		} else {
			struct batch_disk *h = (void *)block;

			len = (uint32_t)align_up(len, 8);
			put32(&h->nrecs, (uint32_t)(n & 15));
			if (place(d, &pos, block, recs, len) >> 32)
				break;
			prepare(block, &pos, get64(&h->first_op) + (n & 15), tail.max_epoch);
			memset(recs, 0, ROOM);
			len = 0;
		}
	}
	place(d, &pos, block, recs, (uint32_t)align_up(len, 8));
	tail_free(&tail);
	slot_free(&slot[0]);
	slot_free(&slot[1]);
	/* A damaged tail is an answer, too. */
	if (log_dump(d, DUMP_BATCHES | DUMP_RECORDS, fuzz_null()) == 0)
		fflush(fuzz_null());
	fuzz_use(d, false, true);
	fuzz_use(d, true, false);
	dev_free(block);
	dev_free(recs);
	dev_close(d);
	return 0;
}
