/* SPDX-License-Identifier: MIT */
/* recover.c - a run's volume dies or is mounted again: what may and what must
 * be there afterwards (I1, I2). */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/msg.h"

void run_log_reset(struct run *r, uint64_t durable)
{
	size_t len;

	for (size_t k = 0; k < r->nlog; k++) {
		free(r->log[k].rows);
		free((void *)r->log[k].op.value);
	}
	r->nlog = 0;
	model_free(r->base);
	r->base = model_clone(r->m);
	r->base_seq = sut_op_seq(&r->s);
	r->floor_seq = r->base_floor = durable;
	if (durable >= r->base_seq)
		r->open_seq = 0;
	r->nsyncs = 0;
	free(r->base_rows);
	r->base_rows = NULL;
	if (r->crash && sut_rows(&r->s, &r->base_rows, &len))
		run_fail(r, "the tables cannot be read");
}

void run_note_floor(struct run *r)
{
	uint64_t known = r->nsyncs ? r->sync[r->nsyncs - 1].seq : r->base_floor;

	if (r->floor_seq <= known)
		return;
	if (r->nsyncs == r->cap_syncs) {
		r->cap_syncs = r->cap_syncs ? r->cap_syncs * 2 : 16;
		r->sync = xrealloc(r->sync, r->cap_syncs * sizeof(*r->sync));
	}
	r->sync[r->nsyncs++] = (struct synced){ dev_crash_events(r->s.dev), r->floor_seq };
}

bool run_prefix(const struct run *r, uint64_t seq, size_t *ret)
{
	size_t n = 0;

	while (n < r->nlog && r->log[n].seq <= seq)
		n++;
	*ret = n;
	return (n ? r->log[n - 1].seq : r->base_seq) == seq;
}

struct model *run_model_at(const struct run *r, size_t n, uint64_t seq)
{
	struct model *m = model_clone(r->base);
	struct result res;

	for (size_t k = 0; k < n; k++) {
		m->opno = r->log[k].opno - 1;
		op_model(m, &r->log[k].op, &res);
		result_free(&res);
	}
	if (seq <= r->open_seq)
		m->rec_last = r->open_last;
	return m;
}

void run_settle(struct run *r, struct model *m, uint64_t seq_opened, int64_t slot_time,
		int64_t wall)
{
	m->wall = wall;
	m->last = MAX(m->rec_last, slot_time);
	r->open_seq = seq_opened;
	r->open_last = m->rec_last;
	model_forget_all(m);
	if (sut_op_seq(&r->s) != seq_opened)
		model_now(m); /* orphans were reaped */
	if (r->m != m)
		model_free(r->m);
	r->m = m;
}

bool rows_same(struct run *r, const char *live, const char *replayed, const char *when)
{
	const char *a = live, *b = replayed;
	size_t na, nb;

	for (;;) {
		na = strcspn(a, "\n");
		nb = strcspn(b, "\n");
		if (na != nb || memcmp(a, b, na))
			break;
		if (!a[na] || !b[nb])
			return true;
		a += na + 1;
		b += nb + 1;
	}
	return run_fail(r, "replay is not live (%s):\n    live     %.*s\n    replayed %.*s", when,
			(int)na, a, (int)nb, b);
}

/* The recovered volume (opened, orphans not yet reaped) shows state n of the
 * log, or a state inside step n + 1: find the model that it must equal. */
static struct model *model_of(struct run *r, uint64_t seq)
{
	size_t n;

	if (seq < r->floor_seq) {
		run_fail(r, "lost what was synced: operation %" PRIu64 " recovered, %" PRIu64
			 " was durable", seq, r->floor_seq);
		return NULL;
	}
	if (seq > sut_op_seq(&r->s)) {
		run_fail(r, "recovered more than was done");
		return NULL;
	}
	if (!run_prefix(r, seq, &n) && seq > r->base_seq) {
		/* Inside a step (below the base: orphans not yet reaped, which
		 * nobody can see): the only one of several records that may be
		 * seen half done is the loss of an inode's last name. */
		n++;
		if (n > r->nlog) {
			run_fail(r, "recovered operation %" PRIu64 " was never acknowledged", seq);
			return NULL;
		}
	}
	return run_model_at(r, n, seq);
}

bool run_kill(struct run *r, const struct op *op)
{
	bool sync = rng_one_in(&r->g.rng, 2);
	char *live = NULL, *again = NULL;
	struct model *m;
	uint64_t seq;
	int64_t slot_time;
	size_t len;
	bool ok = true;
	int err;

	if (r->crash)
		return true;
	r->kills++;
	if (sync) {
		err = fs_sync_wait(r->s.ctx, 0);
		if (err)
			return run_fail(r, "sync: %s", err_str(err));
		r->floor_seq = sut_op_seq(&r->s);
		if (sut_rows(&r->s, &live, &len))
			return run_fail(r, "the tables cannot be read");
	}
	run_cursors_drop(r);
	sut_kill(&r->s);
	slot_time = sut_slot_time(&r->s);
	err = sut_open_vol(&r->s, false);
	if (err)
		return run_fail(r, "mounting after a kill: %s", err_str(err));
	seq = sut_op_seq(&r->s);
	if (sync) {
		if (sut_rows(&r->s, &again, &len))
			return run_fail(r, "the recovered tables cannot be read");
		ok = rows_same(r, live, again, "after a kill");
	}
	free(live);
	free(again);
	m = ok ? model_of(r, seq) : NULL;
	if (!m)
		return false;
	err = sut_open_fs(&r->s);
	if (err)
		return run_fail(r, "reaping orphans: %s", err_str(err));
	run_settle(r, m, seq, slot_time, op->wall);
	run_log_reset(r, seq);
	return run_check_tree(r);
}

/* For a run that cannot forget its log: the mount is one of its steps. */
static void log_mount(struct run *r, const struct op *op, int64_t slot_time, uint64_t seq,
		      size_t ev)
{
	struct op step = *op;
	struct result res;

	step.off = (uint64_t)slot_time;
	op_model(r->m, &step, &res);
	run_log(r, &step, seq, ev);
	r->floor_seq = seq;
}

static bool mount_again(struct run *r, const struct op *op, size_t ev)
{
	int64_t slot_time = sut_slot_time(&r->s);
	uint64_t seq;
	int err = sut_open_vol(&r->s, false);

	if (err)
		return run_fail(r, "mounting: %s", err_str(err));
	seq = sut_op_seq(&r->s);
	err = sut_open_fs(&r->s);
	if (err)
		return run_fail(r, "reaping orphans: %s", err_str(err));
	if (r->crash) {
		log_mount(r, op, slot_time, seq, ev);
	} else {
		run_settle(r, r->m, seq, slot_time, op->wall);
		run_log_reset(r, seq);
	}
	return true;
}

bool run_remount(struct run *r, const struct op *op)
{
	size_t ev = r->crash ? dev_crash_events(r->s.dev) : 0;
	int err;

	r->remounts++;
	if (!run_verify(r))
		return false;
	err = sut_unmount(&r->s);
	if (err)
		return run_fail(r, "unmounting: %s", err_str(err));
	return mount_again(r, op, ev) && run_check_tree(r);
}

/* What a read-only mount must refuse. */
static bool refuses_changes(struct run *r)
{
	static const enum op_kind kinds[] = { OP_MAKE, OP_SYMLINK, OP_TMPFILE, OP_SETATTR,
					      OP_SETX };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct op op = { .kind = kinds[k], .wall = r->g.wall };
		struct result f;

		if (op.kind == OP_SETATTR || op.kind == OP_SETX)
			op.ino = r->m->root;
		else
			op.dir = r->m->root;
		strcpy(op.name, op.kind == OP_SETX ? "user.no" : "not-to-be");
		strcpy(op.name2, "target");
		op.mode = S_IFREG | 0644;
		op.sa.valid = FSA_MODE;
		op.sa.mode = 0700;
		sut_do(&r->s, &op, &f);
		if (err_errno(f.err) != EROFS)
			return run_fail(r, "read-only mount: change %u answered %s",
					(unsigned)op.kind, err_str(f.err));
		result_free(&f);
	}
	return true;
}

bool run_mount_readonly(struct run *r, const struct op *op)
{
	size_t ev = r->crash ? dev_crash_events(r->s.dev) : 0;
	struct model *keep;
	bool ok;
	int err;

	r->remounts++;
	err = sut_unmount(&r->s);
	if (!err)
		err = sut_mount(&r->s, true);
	if (err)
		return run_fail(r, "mounting read-only: %s", err_str(err));
	model_forget_all(r->m);
	keep = model_clone(r->m);
	r->quiet = r->m->readonly = true;
	ok = refuses_changes(r) && run_check_tree(r);
	r->quiet = false;
	model_free(r->m);
	r->m = keep;
	err = sut_unmount(&r->s);
	if (err && ok)
		ok = run_fail(r, "unmounting read-only: %s", err_str(err));
	return ok && mount_again(r, op, ev) && run_check_tree(r);
}
