/* SPDX-License-Identifier: MIT */
/* check.c - the course of a check: superblocks, slots, image, log, tables, data;
 * then the repair, and the tables once more. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "store/check_int.h"
#include "store/path.h"
#include "store/undo.h"

#define U(x) ((unsigned long long)(x))
/* Findings that get a path; one costs a listing of the directory. */
#define NAMED_MAX 1000u
#define PASSES 12

void check_say(struct chk *k, enum check_level level, const char *fmt, ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (level == CHECK_FOUND)
		k->r->found++;
	if (k->o->say)
		k->o->say(k->o->arg, level, text);
}

int check_progress(struct chk *k, const char *what, uint64_t done, uint64_t total, bool bytes)
{
	if (!k->o->progress)
		return 0;
	return k->o->progress(k->o->arg, what, done, total, bytes) ? -ECANCELED : 0;
}

/* --- superblock --- */

static uint64_t copy_off(const struct chk *k, unsigned copy)
{
	return copy ? k->r->sup.dev_size - VARVE_BLOCK : 0;
}

static int check_super(struct chk *k)
{
	struct super *sup = &k->r->sup, other;
	uint8_t *block, *want;
	int err = super_read(k->dev, sup, NULL);

	if (err) {
		check_say(k, CHECK_FOUND, "superblock: %s", err_str(err));
		return err;
	}
	block = dev_alloc(2 * VARVE_BLOCK);
	want = block + VARVE_BLOCK;
	for (unsigned i = 0; i < 2; i++) {
		err = dev_read(k->dev, block, copy_off(k, i), VARVE_BLOCK);
		if (!err)
			err = super_decode(block, dev_size(k->dev), &other);
		super_encode(sup, i, want);
		if (!err && memcmp(block, want, VARVE_BLOCK) != 0)
			err = -VE_SUPER_VALUE; /* good, but not the same */
		k->super_err[i] = err;
		if (!err)
			continue;
		check_say(k, CHECK_FOUND, "superblock copy %u (byte %llu): %s", i,
			  U(copy_off(k, i)), err == -VE_SUPER_VALUE ?
			  "differs from the other copy" : err_str(err));
		k->simple++;
	}
	dev_free(block);
	return 0;
}

static int fix_super(struct chk *k, struct dev *d)
{
	uint8_t *block = dev_alloc(VARVE_BLOCK);
	int err = 0;

	for (unsigned i = 0; i < 2 && !err; i++) {
		if (!k->super_err[i])
			continue;
		super_encode(&k->r->sup, i, block);
		err = dev_write(d, block, copy_off(k, i), VARVE_BLOCK);
		if (!err)
			check_say(k, CHECK_FIXED, "superblock copy %u rewritten from the other", i);
	}
	dev_free(block);
	return err ? err : dev_flush(d);
}

/* --- slots --- */

/* The flag alone does not tell: it stays while the volume is used again. */
static int is_clean(struct chk *k, const struct slot *s)
{
	struct tail tail;
	int err;

	if (!s->clean)
		return 0;
	err = scan_tail(k->dev, &k->r->sup, &s->pos, &tail);
	if (err)
		return err;
	k->clean = !tail.batches && !tail.damaged && !tail.torn;
	tail_free(&tail);
	return 0;
}

static int check_slots(struct chk *k)
{
	struct slot slot[2] = { 0 };
	unsigned newest;
	int err;

	for (unsigned i = 0; i < 2; i++) {
		k->slot_err[i] = slot_read(k->dev, &k->r->sup, i, &slot[i]);
		if (!k->slot_err[i])
			continue;
		check_say(k, CHECK_FOUND, "checkpoint slot %u (byte %llu): %s", i,
			  U(k->r->sup.slot_off + i * k->r->sup.slot_size),
			  err_str(k->slot_err[i]));
		k->simple++;
	}
	if (k->slot_err[0] && k->slot_err[1])
		return -VE_NO_SLOT;
	if (k->slot_err[0] || k->slot_err[1])
		newest = k->slot_err[0] ? 1 : 0;
	else
		newest = slot[1].seq > slot[0].seq;
	k->newest = newest;
	err = is_clean(k, &slot[newest]);
	check_say(k, CHECK_NOTE, "checkpoint %llu in slot %u, %s", U(slot[newest].seq), newest,
		  k->clean ? "closed cleanly" : "not closed cleanly");
	k->r->count.inodes = slot[newest].count.inodes;
	k->r->count.data_bytes = slot[newest].count.data_bytes;
	slot_free(&slot[0]);
	slot_free(&slot[1]);
	return err;
}

/* --- the open volume --- */

static int open_vol(struct chk *k, struct dev *d, bool readonly)
{
	struct vol_opts o;
	int err;

	vol_opts_default(&o);
	o.readonly = readonly;
	o.threads = 1;
	o.no_ckpt_thread = true;
	o.older_slot = k->older;
	o.cut_damage = k->cut;
	o.keep = k->keep;
	o.nkeep = k->nkeep;
	err = vol_open(d, &o, &k->v);
	if (err)
		return err;
	err = vol_ctx_open(k->v, k->ring, &k->c);
	if (err) {
		vol_abandon(k->v);
		k->v = NULL;
	}
	return err;
}

static void close_readonly(struct chk *k)
{
	if (!k->v)
		return;
	vol_ctx_close(k->c);
	vol_abandon(k->v);
	k->v = NULL;
	k->c = NULL;
}

static void add_find(struct chk *k, const struct finding *f)
{
	if (k->nfind == k->cap_find) {
		k->cap_find = k->cap_find ? 2 * k->cap_find : 64;
		k->find = xrealloc(k->find, k->cap_find * sizeof(*k->find));
	}
	k->find[k->nfind++] = *f;
	/* Data in a segment that counts as free must not be overwritten. */
	if (f->kind != FIND_SEG_LIVE || k->v->log)
		return;
	k->keep = xrealloc(k->keep, (k->nkeep + 1) * sizeof(*k->keep));
	k->keep[k->nkeep++] = f->seg;
}

static void found(void *arg, const struct finding *f, const char *text)
{
	struct chk *k = arg;
	uint64_t who = f->dir ? f->dir : f->ino;
	char *path = NULL;

	if (fix_can(f))
		add_find(k, f);
	else
		k->stuck++;
	if (k->quiet)
		return;
	if (who && k->named++ < NAMED_MAX)
		path = vol_path(k->c, who, false);
	check_say(k, CHECK_FOUND, "%s%s%s", path ? path : "", path ? ": " : "", text);
	free(path);
}

static int on_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	return check_progress(arg, what, done, total, false);
}

/* Fills find and stuck. */
static int verify(struct chk *k, bool quiet)
{
	struct verify_hooks h = { .found = found, .progress = on_progress, .arg = k };
	int n;

	k->nfind = k->stuck = 0;
	k->quiet = quiet;
	n = verify_rows(k->c, &h, &k->r->count);
	if (n >= 0)
		return 0;
	if (n == -ECANCELED || n == -ENOMEM)
		return n;
	k->stuck++;
	if (!quiet)
		check_say(k, CHECK_FOUND, "the tables cannot be checked to the end: %s",
			  err_str(n));
	return 0;
}

static void say_log(struct chk *k)
{
	const struct tail *t = &k->v->tail;

	if (!k->clean)
		check_say(k, CHECK_NOTE, "%llu batches (%llu bytes) of log since the checkpoint",
			  U(t->batches), U(t->bytes));
	if (t->torn)
		check_say(k, CHECK_NOTE, "the log ends in an incomplete batch at byte %llu",
			  U(t->torn_addr));
	if (!t->damaged)
		return;
	k->cut = true;
	check_say(k, CHECK_FOUND, "the log is damaged at byte %llu: batch %llu and what came "
		  "after it (%llu more batches found) cannot be replayed", U(t->damaged_addr),
		  U(t->end.seq), U(t->later_batches));
}

/* Newest image damaged: is the one before whole?  Leaves the volume open with
 * that one if so, as it was if not. */
static int try_older(struct chk *k)
{
	unsigned bad, bitmaps;
	int err;

	if (k->older || k->slot_err[0] || k->slot_err[1])
		goto no;
	close_readonly(k);
	k->older = true;
	err = open_vol(k, k->dev, true);
	if (!err)
		err = check_pages(k, false, &bad, &bitmaps);
	if (!err && !bad && !k->v->tail.damaged) {
		check_say(k, CHECK_NOTE, "the checkpoint before is whole, and the log since then "
			  "is there: nothing is lost");
		return 0;
	}
	close_readonly(k);
	k->older = false;
	err = open_vol(k, k->dev, true);
	if (err)
		return err;
no:
	k->hopeless = true;
	return 0;
}

/* Everything but superblock and slots, read-only. */
static int check_whole(struct chk *k)
{
	unsigned bad, bitmaps;
	int err = open_vol(k, k->dev, true);

	if (err == -ENOMEM || err == -VE_NO_URING)
		return err;
	if (err) {
		check_say(k, CHECK_FOUND, "the volume cannot be opened: %s", err_str(err));
		k->hopeless = true;
		return 0;
	}
	if (k->v->slot != k->newest) {
		check_say(k, CHECK_FOUND, "the newest checkpoint (slot %u) cannot be used; the one "
			  "before and the log since then can", k->newest);
		k->older = true;
	}
	say_log(k);
	err = check_pages(k, true, &bad, &bitmaps);
	k->simple += bitmaps;
	if (!err && bad)
		err = try_older(k);
	if (!err)
		err = verify(k, false);
	return err;
}

/* --- repair --- */

static int fix_tables(struct chk *k)
{
	unsigned dropped = 0;
	int err = 0;

	for (int i = 0; i < PASSES && !err; i++) {
		err = verify(k, true);
		if (err || !k->nfind)
			break;
		err = fix_rows(k->c, k->find, k->nfind);
	}
	/* Corrections count at once, before records build on them. */
	if (!err)
		err = ckpt_run(k->c, false);
	if (!err)
		err = fix_orphans(k->c, &dropped);
	if (!err && dropped)
		check_say(k, CHECK_NOTE, "%u files that were deleted while open are gone", dropped);
	/* A second one, so that both slots are new. */
	return err ? err : ckpt_run(k->c, false);
}

/* Opens for writing, repairs rows if told, closes cleanly. */
static int rewrite(struct chk *k, struct dev *d, bool tables)
{
	int err, err2;

	k->r->undo_made = false;
	err = fix_super(k, d);
	if (!err)
		err = open_vol(k, d, false);
	if (err)
		return err;
	err = tables ? fix_tables(k) : ckpt_run(k->c, false);
	vol_ctx_close(k->c);
	k->c = NULL;
	if (err) {
		vol_abandon(k->v);
	} else {
		err2 = vol_close(k->v);
		err = err2;
	}
	k->v = NULL;
	return err;
}

static int rewrite_with_undo(struct chk *k, bool tables)
{
	struct undo *u;
	int err, err2;

	if (!k->o->undo_path || k->o->mode != CHECK_REPAIR)
		return rewrite(k, k->dev, tables);
	err = undo_create(k->o->undo_path, k->dev, &k->r->sup, &u);
	if (err) {
		msg_err("undo file %s: %s", k->o->undo_path, err_str(err));
		return err;
	}
	err = rewrite(k, undo_dev(u), tables);
	k->r->undo_made = undo_bytes(u) > 0;
	err2 = undo_finish(u);
	undo_close(u);
	return err ? err : err2;
}

/* Repairs what was found, and looks at the tables again. */
static int repair(struct chk *k, unsigned data_found)
{
	bool undone = k->older;
	int err;

	if (k->hopeless) {
		unsigned bad = !!k->super_err[0] + !!k->super_err[1];

		/* The image cannot be written, but this much can be saved. */
		err = bad ? fix_super(k, k->dev) : 0;
		k->r->left = k->r->found - (err ? 0 : bad);
		return err;
	}
	err = rewrite_with_undo(k, true);
	if (err)
		return err;
	if (undone)
		check_say(k, CHECK_FIXED, "database restored from the checkpoint before and the log");
	if (k->cut)
		check_say(k, CHECK_FIXED, "log cut where the damage began");
	k->older = k->cut = false;
	k->nkeep = 0;
	err = open_vol(k, k->dev, true);
	if (!err)
		err = verify(k, true);
	close_readonly(k);
	k->r->left = (unsigned)k->nfind + k->stuck + data_found;
	return err;
}

static int preen(struct chk *k)
{
	int err = rewrite(k, k->dev, false);

	if (err == -VE_LOG_DAMAGE) {
		check_say(k, CHECK_FOUND, "the log is damaged: run fsck.varve -y");
		return 0;
	}
	if (err)
		return err;
	if (!k->clean)
		check_say(k, CHECK_NOTE, "the log has been replayed");
	k->clean = true;
	return 0;
}

static int check_and_repair(struct chk *k)
{
	enum check_mode mode = k->o->mode;
	bool full = k->o->force || k->o->data || (mode != CHECK_PREEN && !k->clean);
	bool write = mode != CHECK_ONLY && (k->simple || !k->clean);
	unsigned fixed = 0, data_found = 0;
	int err = 0;

	if (!full && !write) {
		k->r->skipped = !k->r->found;
		k->r->left = k->r->found;
		return 0;
	}
	if (mode == CHECK_PREEN && write) {
		fixed = k->simple;
		err = preen(k);
	} else if (!full) {
		fixed = k->simple;
		err = rewrite_with_undo(k, false);
	}
	if (!err && full) {
		err = check_whole(k);
		if (!err && k->o->data && k->v) {
			unsigned before = k->r->found;

			err = check_data(k);
			data_found = k->r->found - before;
		}
		close_readonly(k);
	}
	k->r->left = k->r->found - fixed;
	if (err || !full || mode != CHECK_REPAIR)
		return err;
	if (!k->r->left && !write)
		return 0;
	/* Nothing but damaged data: there is nothing to write. */
	if (k->r->left == data_found && !write)
		return 0;
	return repair(k, data_found);
}

int check_volume(struct dev *d, const struct check_opts *o, struct check_result *ret)
{
	struct chk k = { .dev = d, .o = o, .r = ret };
	int err;

	memset(ret, 0, sizeof(*ret));
	err = ring_create(64, 0, &k.ring);
	if (err)
		return err;
	err = check_super(&k);
	if (!err) {
		err = check_slots(&k);
		if (err == -VE_NO_SLOT) {
			ret->left = ret->found;
			ret->lost = true;
			err = 0;
		} else if (!err) {
			err = check_and_repair(&k);
		}
	}
	ret->lost |= k.hopeless;
	close_readonly(&k);
	ret->fixed = ret->found > ret->left ? ret->found - ret->left : 0;
	ring_destroy(k.ring);
	free(k.find);
	free(k.keep);
	return err;
}
