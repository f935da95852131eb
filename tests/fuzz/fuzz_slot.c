/* SPDX-License-Identifier: MIT */
/* fuzz_slot.c - a checkpoint slot, header and table, on a good volume: read,
 * then believed by the segment table and the page store. */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "base/msg.h"
#include "store/pstore.h"

static void believe(struct dev *d, const struct slot *s)
{
	struct segs *segs;
	struct pstore *p;

	if (segs_load(fuzz_super(), s, NULL, &segs))
		return;
	if (pstore_open(d, segs, s, NULL, 1u << 20, &p) == 0) {
		struct page_store *ps = pstore_pages(p);
		struct ps_image *img = ps->ops->acquire(ps);
		uint8_t *page = dev_alloc(VARVE_BLOCK);
		unsigned bad = 0;

		for (uint32_t i = 1; i <= MIN(ps->ops->npages(ps, img), 300u); i++)
			bad += ps->ops->read(ps, img, i, page) != 0;
		(void)bad;
		dev_free(page);
		ps->ops->release(ps, img);
		pstore_close(p);
	}
	segs_free_table(segs);
}

/* Input: which slot; then pairs of (offset, length, bytes) over header, table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	const struct super *sup = fuzz_super();
	struct dev *d = fuzz_volume();
	uint64_t bytes = slot_bytes(sup);
	unsigned which = take8(&in) & 1;
	uint8_t *buf = dev_alloc(bytes);
	struct slot s;

	if (dev_read(d, buf, sup->slot_off + which * sup->slot_size, (uint32_t)bytes))
		msg_panic("cannot read");
	while (in.left) {
		uint64_t at = take16(&in) % bytes;
		size_t n = take8(&in);

		/* the parts that mean something, not the padding */
		at = at < 2048 ? at % 160 : VARVE_BLOCK + at % (16 * sup->seg_count);
		take_bytes(&in, buf + at, MIN(n, bytes - at));
	}
	fuzz_fix_slot(buf, buf + VARVE_BLOCK, sup->seg_count * 16);
	if (dev_write(d, buf, sup->slot_off + which * sup->slot_size, (uint32_t)bytes))
		msg_panic("cannot write");
	if (slot_read(d, sup, which, &s) == 0) {
		slot_print(&s, fuzz_null());
		believe(d, &s);
		slot_free(&s);
	}
	dev_free(buf);
	dev_close(d);
	return 0;
}
