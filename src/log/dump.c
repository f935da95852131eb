/* SPDX-License-Identifier: MIT */
/* dump.c - everything an inspector wants, also of a damaged image.
 *
 * Each part says what is wrong with it and the next part goes on: the only
 * thing that cannot be done without is one good superblock. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/codec.h"
#include "log/seg.h"

struct dump {
	struct dev *dev;
	struct super sup;
	struct slot slot[2];
	bool have[2];
	int newest; /* -1: no slot is good */
	unsigned what;
	FILE *out;
	struct tail tail;
	uint32_t sums[VARVE_PIECE_SUMS];
};

static void dump_copy(struct dump *d, unsigned copy, uint64_t off)
{
	void *block = dev_alloc(VARVE_BLOCK);
	struct super s;
	int err = dev_read(d->dev, block, off, VARVE_BLOCK);

	if (!err)
		err = super_decode(block, dev_size(d->dev), &s);
	fprintf(d->out, "superblock copy %u at %" PRIu64 ": %s\n", copy, off,
		err ? err_str(err) : "good");
	dev_free(block);
}

static int open_super(struct dump *d)
{
	int err = super_read(d->dev, &d->sup, NULL);

	if (d->what & DUMP_SUPER) {
		dump_copy(d, 0, 0);
		dump_copy(d, 1, (err ? dev_size(d->dev) : d->sup.dev_size) - VARVE_BLOCK);
		if (!err)
			super_print(&d->sup, d->out);
	} else if (err) {
		fprintf(d->out, "superblock: %s\n", err_str(err));
	}
	return err;
}

static void open_slots(struct dump *d)
{
	for (unsigned i = 0; i < 2; i++) {
		int err = slot_read(d->dev, &d->sup, i, &d->slot[i]);

		d->have[i] = !err;
		if (!err && (d->newest < 0 || d->slot[i].seq > d->slot[d->newest].seq))
			d->newest = (int)i;
		if (!(d->what & DUMP_SLOTS))
			continue;
		fprintf(d->out, "slot %u: %s\n", i, err ? err_str(err) : "good");
		if (!err)
			slot_print(&d->slot[i], d->out);
	}
}

static void dump_segments(struct dump *d)
{
	static const char *const states[] = { "free", "log", "meta" };
	const struct seg_disk *table;

	if (d->newest < 0) {
		fputs("segments: no good slot\n", d->out);
		return;
	}
	table = d->slot[d->newest].table;
	for (uint32_t i = 0; i < d->sup.seg_count; i++) {
		if (table[i].state == SEG_FREE)
			continue;
		fprintf(d->out, "segment %" PRIu32 " at %" PRIu64 " %s live %" PRIu32, i,
			super_seg_addr(&d->sup, i), states[table[i].state],
			table[i].live);
		if (table[i].state == SEG_META)
			fprintf(d->out, " sum %08" PRIx32, table[i].sum);
		fputs(" stamp ", d->out);
		print_time((int64_t)table[i].stamp * 1000000000, d->out);
		fputc('\n', d->out);
	}
}

static void dump_batch(void *arg, const struct batch *b)
{
	struct dump *d = arg;
	struct rec_iter it;
	struct rec rec;
	int r;

	if (d->what & DUMP_BATCHES) {
		fprintf(d->out, "batch %" PRIu64 " at %" PRIu64 " epoch %" PRIu64
			" durable %" PRIu64 " first_op %" PRIu64 " records %" PRIu32
			" (%" PRIu32 " bytes) data %" PRIu32 " crc %08" PRIx32
			" prev %08" PRIx32 " next_seg %" PRIu32 " ", b->seq, b->addr,
			b->epoch, b->durable_seq, b->first_op, b->nrecs, b->rec_len,
			b->data_len, b->crc, b->prev_crc, b->next_seg);
		print_time(b->time, d->out);
		fputc('\n', d->out);
	}
	if (!(d->what & DUMP_RECORDS))
		return;
	rec_iter_init(&it, b);
	for (;;) {
		uint64_t op = it.op;

		r = rec_iter_next(&it, d->sums, &rec);
		if (r <= 0)
			break;
		fputs("  ", d->out);
		rec_print(&rec, op, d->out);
		fputc('\n', d->out);
	}
	if (r < 0)
		fprintf(d->out, "  record %" PRIu64 ": %s\n", it.op, err_str(r));
}

/* The tail as recovery sees it. */
static int dump_tail(struct dump *d)
{
	const struct log_pos *pos = &d->slot[d->newest].pos;
	struct scan *s;
	struct batch b;
	int r = scan_tail(d->dev, &d->sup, pos, &d->tail);

	if (r) {
		fprintf(d->out, "log tail: %s\n", err_str(r));
		return r;
	}
	fprintf(d->out, "log tail: %" PRIu64 " batches, %" PRIu64 " bytes, from %" PRIu64
		" to %" PRIu64 ", durable at least to batch %" PRIu64 "\n",
		d->tail.batches, d->tail.bytes, pos->addr, d->tail.end.addr,
		d->tail.durable_seq);
	if (d->tail.damaged)
		fprintf(d->out, "log tail: DAMAGED at %" PRIu64 "\n",
			d->tail.damaged_addr);
	r = scan_open(d->dev, &d->sup, pos, &s);
	if (r)
		return r;
	for (uint64_t i = 0; i < d->tail.batches; i++) {
		r = scan_next(s, &b);
		if (r <= 0)
			break;
		dump_batch(d, &b);
	}
	scan_close(s);
	return r < 0 ? r : 0;
}

/* Everything else that parses, segment by segment. */
static void dump_found(struct dump *d)
{
	struct batch_buf buf;

	fputs("batches by segment:\n", d->out);
	batch_buf_init(&buf);
	for (uint32_t i = 0; i < d->sup.seg_count; i++) {
		uint64_t addr = super_seg_addr(&d->sup, i);

		if (d->newest >= 0 && d->slot[d->newest].table[i].state == SEG_META)
			continue;
		batch_search(d->dev, &d->sup, addr, addr + d->sup.seg_size, &buf,
			     dump_batch, d);
	}
	batch_buf_free(&buf);
}

int log_dump(struct dev *dev, unsigned what, FILE *out)
{
	struct dump *d = xcalloc(1, sizeof *d);
	int err;

	d->dev = dev;
	d->what = what;
	d->out = out;
	d->newest = -1;
	err = open_super(d);
	if (err)
		goto out;
	open_slots(d);
	if (what & DUMP_SEGS)
		dump_segments(d);
	if (what & (DUMP_BATCHES | DUMP_RECORDS)) {
		if (d->newest >= 0)
			err = dump_tail(d);
		else
			err = -VE_NO_SLOT;
		if (what & DUMP_BATCHES)
			dump_found(d);
	}
	if (!err && d->tail.damaged)
		err = -VE_LOG_DAMAGE;
	for (unsigned i = 0; i < 2; i++)
		if (d->have[i])
			slot_free(&d->slot[i]);
	tail_free(&d->tail);
out:
	free(d);
	return err;
}
