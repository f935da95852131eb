/* SPDX-License-Identifier: MIT */
/* t3_store_damage.c - DESIGN I3: no silent damage.
 *
 * One bit is flipped somewhere on the device of a populated volume.  Whatever
 * was hit: each file reads as it was written or gives an error; nothing is
 * invented, nothing is silently gone, the operation number is the true one, or
 * the volume is refused; and where there is a difference to the truth, there was
 * a message.  Padding may be hit without effect.  Reopening for writing, closing
 * and a repair by fsck keep to the same. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "log/codec.h"
#include "log/scan.h"
#include "store/check.h"
#include "store/vol_int.h"
#include "vol_rig.h"

#define SIZE (20u << 20)

static struct dev *image; /* never changed */
static struct super sup;
static struct snap truth;
static struct slot slots[2];
static unsigned newest;

static unsigned warnings;
static char last[512];

static void listen_to(enum msg_level level, const char *line)
{
	if (level <= MSG_WARN || strstr(line, "incomplete batch"))
		warnings++;
	if (level <= MSG_WARN)
		snprintf(last, sizeof(last), "%s", line);
}

static uint64_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005ull + 1442695040888963407ull;
	return *s >> 33;
}

static void each_batch(void (*fn)(const struct batch *b))
{
	struct scan *s;
	struct batch b;

	ck_assert_int_eq(scan_open(image, &sup, &slots[newest].pos, &s), 0);
	while (scan_next(s, &b) > 0)
		fn(&b);
	scan_close(s);
}

/* The end of the log is the one place where damage looks like an unfinished
 * write: behind the last batch that a later one calls durable.  Then the volume
 * is what it was before the last sync, and says so. */
static uint64_t durable_op;

static bool is_shorter_end(const struct snap *now)
{
	return now->op_seq < truth.op_seq && now->op_seq >= durable_op;
}

static uint64_t durable_seq;

static void note_durable(const struct batch *b)
{
	durable_seq = MAX(durable_seq, b->durable_seq);
}

static void note_op(const struct batch *b)
{
	if (b->seq <= durable_seq)
		durable_op = b->first_op + b->nrecs - 1;
}

/* Two checkpoints' worth of content, and a tail of several synced batches. */
static void make_image(bool clean)
{
	struct rig g;

	ck_assert_int_eq(rig_new(&g, SIZE), 0);
	ck_assert_int_eq(rig_open(&g, false), 0);
	ck_assert_int_eq(rig_populate(&g, 0), 0);
	ck_assert_int_eq(vol_checkpoint(fs_vol_ctx(g.fc)), 0);
	ck_assert_int_eq(rig_populate(&g, 1), 0);
	ck_assert_int_eq(vol_checkpoint(fs_vol_ctx(g.fc)), 0);
	if (!clean) {
		for (unsigned n = 2; n < 4; n++) {
			ck_assert_int_eq(rig_populate(&g, n), 0);
			ck_assert_int_eq(rig_sync(&g), 0);
		}
	}
	snap_take(&g, &truth);
	sup = *vol_super(g.vol);
	if (clean)
		ck_assert_int_eq(rig_close(&g), 0);
	else
		rig_kill(&g);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(slot_read(g.dev, &sup, i, &slots[i]), 0);
	newest = slots[1].seq > slots[0].seq;
	image = g.dev;
	durable_seq = 0;
	durable_op = slots[newest].count.op_seq;
	each_batch(note_durable);
	each_batch(note_op);
	if (!clean)
		ck_assert_uint_gt(durable_op, slots[newest].count.op_seq);
	ring_destroy(g.ring);
	msg_set_hook(listen_to);
}

static void setup_killed(void)
{
	make_image(false);
}

static void setup_clean(void)
{
	make_image(true);
}

static void teardown(void)
{
	msg_set_hook(NULL);
	snap_free(&truth);
	slot_free(&slots[0]);
	slot_free(&slots[1]);
	dev_close(image);
}

/* --- where --- */

struct spot {
	uint64_t from, len;
};

struct spots {
	struct spot s[20000];
	size_t n;
};
static struct spots spots;

static void add(uint64_t from, uint64_t len)
{
	if (len && spots.n < ARRAY_LEN(spots.s))
		spots.s[spots.n++] = (struct spot){ from, len };
}

static int add_page(void *arg, uint64_t addr, uint32_t pgno)
{
	bool nodes = *(bool *)arg;

	if ((pgno == 0) == nodes)
		add(addr, VARVE_BLOCK);
	return 0;
}

static int add_piece(void *arg, const struct piece_row *p)
{
	add(p->addr, p->stored);
	return 0;
}

static void add_header(const struct batch *b)
{
	add(b->addr, b->rec_len <= BATCH_INLINE_MAX ? BATCH_HDR + b->rec_len : BATCH_HDR);
}

static void add_records(const struct batch *b)
{
	if (b->rec_len > BATCH_INLINE_MAX)
		add(b->addr + VARVE_BLOCK + b->data_len, b->rec_len);
}

static void add_data(const struct batch *b)
{
	add(b->addr + VARVE_BLOCK, b->data_len);
}

enum region { SUPER0, SUPER1, SLOT_NEW, SLOT_OLD, TABLE_NEW, TABLE_OLD, MAP, PAGES, BITMAPS, HEADERS,
	      RECORDS, TAIL_DATA, PIECES, PADDING, ANYWHERE, REGIONS };
static const char *const region_name[REGIONS] = {
	"superblock", "superblock copy", "newest slot", "older slot", "newest segment table",
	"older segment table", "page map", "database page", "bitmap", "batch header", "records",
	"data of the tail", "pieces", "padding", "anywhere",
};

static void find_spots(enum region r)
{
	struct rig g = { .dev = image };
	uint64_t slot_at[2] = { sup.slot_off, sup.slot_off + sup.slot_size };
	bool nodes = r == MAP;

	spots.n = 0;
	switch (r) {
	case SUPER0:
	case SUPER1:
		add(r == SUPER0 ? 0 : sup.dev_size - VARVE_BLOCK, VARVE_BLOCK);
		break;
	case SLOT_NEW:
	case SLOT_OLD:
		add(slot_at[newest ^ (r == SLOT_OLD)], VARVE_BLOCK);
		break;
	case TABLE_NEW:
	case TABLE_OLD:
		add(slot_at[newest ^ (r == TABLE_OLD)] + VARVE_BLOCK, sup.seg_count * 16);
		break;
	case BITMAPS:
		for (uint32_t i = 0; i < sup.seg_count; i++)
			if (slots[newest].table[i].state == SEG_META)
				add(super_seg_addr(&sup, i), 2 * VARVE_BLOCK);
		break;
	case HEADERS:
		each_batch(add_header);
		break;
	case RECORDS:
		each_batch(add_records);
		break;
	case TAIL_DATA:
		each_batch(add_data);
		break;
	case PADDING: /* behind the tables, between the slots and the segments */
		add(slot_at[0] + slot_bytes(&sup), sup.slot_size - slot_bytes(&sup));
		add(slot_at[1] + slot_bytes(&sup), sup.slot_size - slot_bytes(&sup));
		add(VARVE_BLOCK, SLOT_AREA_OFF - VARVE_BLOCK);
		break;
	case ANYWHERE:
		add(0, SIZE);
		break;
	default:
		ck_assert_int_eq(ring_create(64, 0, &g.ring), 0);
		ck_assert_int_eq(rig_open(&g, true), 0);
		if (r == PIECES)
			ck_assert_int_eq(state_pieces(g.vol->state, fs_vol_ctx(g.fc)->rd, 0,
						      add_piece, NULL), 0);
		else
			ck_assert_int_eq(pstore_walk(g.vol->ps, add_page, &nodes), 0);
		rig_kill(&g);
		ring_destroy(g.ring);
	}
}

/* --- one flip --- */

struct result {
	unsigned refused, lossy, whole;
};

static struct dev *flipped(uint64_t addr, unsigned bit)
{
	uint64_t at = align_down(addr, VARVE_BLOCK);
	uint8_t *b = dev_alloc(VARVE_BLOCK);
	struct dev *d;

	ck_assert_int_eq(dev_mem_copy(image, &d), 0);
	ck_assert_int_eq(dev_read(d, b, at, VARVE_BLOCK), 0);
	b[addr - at] ^= (uint8_t)(1u << bit);
	ck_assert_int_eq(dev_write(d, b, at, VARVE_BLOCK), 0);
	dev_free(b);
	return d;
}

static int look(struct rig *g, bool readonly, const char *where, struct result *res)
{
	struct snap now;
	struct snap_diff d;
	int err;

	err = rig_open(g, readonly);
	if (err) {
		ck_assert_msg(warnings || err == -VE_LOG_DAMAGE || err == -VE_NO_SLOT,
			      "%s: refused without a word: %s", where, err_str(err));
		res->refused++;
		return err;
	}
	snap_take(g, &now);
	snap_compare(&truth, &now, &d);
	/* A damaged log can be looked at, as far as it goes; it has been named. */
	if (d.lies && !(readonly && g->vol->tail.damaged))
		ck_assert_msg(is_shorter_end(&now), "%s: %s (%u messages)", where, d.why,
			      warnings);
	if (d.lies)
		ck_assert_msg(warnings, "%s: without a message: %s", where, d.why);
	else if (d.losses)
		ck_assert_msg(warnings, "%s: an error without a message: %s", where, d.why);
	res->whole += !d.lies && !d.losses;
	res->lossy += d.lies || d.losses;
	snap_free(&now);
	return 0;
}

static void one_flip(struct ring *ring, uint64_t addr, unsigned bit, struct result *res)
{
	struct rig g = { .dev = flipped(addr, bit), .ring = ring };
	struct check_opts o = { .mode = CHECK_REPAIR, .force = true };
	struct check_result r;
	char where[100];
	bool cut; /* by the repair */
	int err;

	snprintf(where, sizeof(where), "byte %llu bit %u", (unsigned long long)addr, bit);
	warnings = 0; /* once is enough for one flip */
	err = look(&g, true, where, res);
	if (!err)
		rig_kill(&g);
	err = look(&g, false, where, res);
	cut = err == -VE_LOG_DAMAGE;
	if (!err && rig_close(&g) == 0 && !look(&g, true, where, res))
		rig_kill(&g);
	dev_close(g.dev);

	/* A repair must not make it worse: what it leaves is true, too.  Only a
	 * damaged log may be cut, which is said. */
	g.dev = flipped(addr, bit);
	err = check_volume(g.dev, &o, &r);
	if (!err && rig_open(&g, true) == 0) {
		struct snap now;
		struct snap_diff d;

		snap_take(&g, &now);
		snap_compare(&truth, &now, &d);
		ck_assert_msg(!d.lies || cut || (is_shorter_end(&now) && warnings),
			      "%s: after repair: %s", where, d.why);
		if (cut)
			ck_assert_msg(r.found && now.op_seq >= slots[newest].count.op_seq,
				      "%s: cut too far", where);
		snap_free(&now);
		rig_kill(&g);
	}
	dev_close(g.dev);
}

/* Every spot of a region, or a fixed share of them. */
static void flip_region(enum region r, unsigned most)
{
	uint64_t seed = 4711 + r, total = 0;
	struct result res = { 0 };
	struct ring *ring;
	const char *more = getenv("VARVE_DAMAGE_FLIPS");

	if (more)
		most = (unsigned)atoi(more);
	ck_assert_int_eq(ring_create(64, 0, &ring), 0);
	find_spots(r);
	if (!spots.n) { /* a clean volume has no tail */
		ck_assert(r == HEADERS || r == RECORDS || r == TAIL_DATA);
		ring_destroy(ring);
		return;
	}
	for (size_t i = 0; i < spots.n; i++)
		total += spots.s[i].len;
	for (unsigned n = 0; n < most; n++) {
		uint64_t at = rnd(&seed) % total;
		size_t i = 0;

		for (; at >= spots.s[i].len; i++)
			at -= spots.s[i].len;
		one_flip(ring, spots.s[i].from + at, (unsigned)rnd(&seed) % 8, &res);
	}
	ring_destroy(ring);
	if (getenv("VARVE_DAMAGE_SAY"))
		fprintf(stderr, "%-22s %5u flips: refused %u, with errors %u, whole %u\n",
			region_name[r], most, res.refused, res.lossy, res.whole);
	/* Both copies repair each other: nothing may be lost. */
	if (r <= SLOT_OLD || r == TABLE_NEW || r == TABLE_OLD || r == PADDING || r == BITMAPS)
		ck_assert_msg(!res.refused && !res.lossy, "%s: refused %u lossy %u: %s",
			      region_name[r], res.refused, res.lossy, last);
}

START_TEST(a_flipped_bit_is_an_error_or_repaired_and_never_wrong_data)
{
	flip_region(_i, 16);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_damage");
	TCase *tc = tcase_create("killed");

	tcase_add_checked_fixture(tc, setup_killed, teardown);
	tcase_set_timeout(tc, 3600);
	tcase_add_loop_test(tc, a_flipped_bit_is_an_error_or_repaired_and_never_wrong_data, 0,
			    REGIONS);
	suite_add_tcase(s, tc);
	tc = tcase_create("closed");
	tcase_add_checked_fixture(tc, setup_clean, teardown);
	tcase_set_timeout(tc, 3600);
	tcase_add_loop_test(tc, a_flipped_bit_is_an_error_or_repaired_and_never_wrong_data, 0,
			    REGIONS);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
