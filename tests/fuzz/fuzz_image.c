/* SPDX-License-Identifier: MIT */
/* fuzz_image.c - a whole image with patches in its metadata, all checksums put
 * right: mounted read-only and read-write, walked through, changed, verified,
 * closed, checked and repaired.
 *
 * Input: flags; then patches of (block, offset, length, bytes). */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "base/msg.h"
#include "store/check.h"

static void patch(struct dev *d, struct input *in)
{
	size_t n, len;
	const uint64_t *at = fuzz_blocks(&n);
	uint8_t *block = dev_alloc(VARVE_BLOCK);

	for (int i = 0; in->left && i < 40; i++) {
		uint64_t addr = at[take8(in) % n];
		uint32_t off = take16(in) % VARVE_BLOCK;

		len = 1 + take8(in) % 32;
		if (dev_read(d, block, addr, VARVE_BLOCK))
			msg_panic("cannot read");
		take_bytes(in, block + off, MIN(len, VARVE_BLOCK - off));
		if (dev_write(d, block, addr, VARVE_BLOCK))
			msg_panic("cannot write");
	}
	dev_free(block);
}

static void repair(struct dev *d, enum check_mode mode)
{
	struct check_opts o = { .mode = mode, .force = true, .data = true };
	struct check_result r;

	if (check_volume(d, &o, &r))
		return;
	/* What a repair leaves must be what the next check finds. */
	if (mode == CHECK_REPAIR && !r.left) {
		o.mode = CHECK_ONLY;
		o.data = false;
		if (check_volume(d, &o, &r) == 0 && r.found)
			msg_panic("a repaired volume has findings");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t flags = take8(&in);
	struct dev *d = fuzz_volume(), *copy;

	patch(d, &in);
	if (!(flags & 1))
		fuzz_fix_sums(d);
	fuzz_use(d, false, true);
	if (dev_mem_copy(d, &copy))
		msg_panic("cannot copy");
	fuzz_use(copy, true, true);
	dev_close(copy);
	if (flags & 2)
		repair(d, CHECK_REPAIR);
	else if (flags & 4)
		repair(d, CHECK_PREEN);
	dev_close(d);
	return 0;
}
