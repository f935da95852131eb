/* SPDX-License-Identifier: MIT */
/* fuzz_record.c - records: what is decoded is what encoding gives, prints, and
 * can be applied to a volume without harm: afterwards it can be read, and closed. */
#include "config.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "log/rec.h"
#include "store/vol_int.h"

static struct dev *dev;
static struct vol *vol;
static struct vol_ctx *ctx;

static void begin(void)
{
	struct vol_opts o;

	vol_opts_default(&o);
	o.readonly = true;
	o.no_ckpt_thread = true;
	o.threads = 1;
	o.cache_bytes = 1u << 20;
	dev = fuzz_volume();
	if (vol_open(dev, &o, &vol) || vol_ctx_open(vol, fuzz_ring(), &ctx))
		msg_panic("cannot open");
}

static void end(void)
{
	if (!vol)
		return;
	if (vol_verify(ctx, NULL, NULL) < 0)
		msg_panic("the tables cannot be read after hostile records");
	vol_ctx_close(ctx);
	vol_abandon(vol);
	dev_close(dev);
	vol = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t *sums = malloc(VARVE_PIECE_SUMS * sizeof(*sums));
	uint8_t *buf = malloc(REC_MAX);
	struct rec rec;
	size_t len;

	fuzz_hush();
	for (int i = 0; i < 50 && rec_decode(data, size, sums, &rec, &len) == 0; i++) {
		if (len > size || len % 8 || rec_size(&rec) != len)
			msg_panic("a record of %zu bytes claims %zu", rec_size(&rec), len);
		rec_encode(&rec, buf);
		if (memcmp(buf, data, len) != 0)
			msg_panic("a decoded record is encoded differently");
		rec_print(&rec, 1, fuzz_null());
		if (!vol)
			begin();
		/* refused or applied; refused must change nothing (vol_commit) */
		if (apply_record(vol, ctx->rd, &rec, vol->count.op_seq + 1))
			i++;
		data += len;
		size -= len;
	}
	end();
	free(sums);
	free(buf);
	return 0;
}
