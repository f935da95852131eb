/* SPDX-License-Identifier: MIT */
/* fuzz_super.c - the superblock: what is accepted is sane and survives encoding. */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "base/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t dev_size = take64(&in) % (1ull << 50);
	uint8_t *block = dev_alloc(2 * VARVE_BLOCK);
	struct super s, again;

	fuzz_hush();
	memset(block, 0, VARVE_BLOCK);
	take_bytes(&in, block, VARVE_BLOCK);
	fuzz_fix_super(block);
	if (super_decode(block, dev_size, &s) == 0) {
		super_print(&s, fuzz_null());
		if (s.seg_base + (uint64_t)s.seg_count * s.seg_size > dev_size ||
		    s.slot_off + 2 * slot_bytes(&s) > s.seg_base)
			msg_panic("a superblock beyond its device is accepted");
		super_encode(&s, 1, block + VARVE_BLOCK);
		if (super_decode(block + VARVE_BLOCK, dev_size, &again) ||
		    again.seg_count != s.seg_count || again.dev_size != s.dev_size)
			msg_panic("an accepted superblock does not survive encoding");
	}
	dev_free(block);
	return 0;
}
