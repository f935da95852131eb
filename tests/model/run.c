/* SPDX-License-Identifier: MIT */
/* run.c - steps on both sides; the walk over everything. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"

static _Atomic int64_t test_wall;

static int64_t read_wall(void)
{
	return atomic_load(&test_wall);
}

void run_clock_set(int64_t t)
{
	atomic_store(&test_wall, t);
	clock_set_wall(read_wall);
}

bool run_fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (r->failed)
		return false;
	r->failed = true;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return false;
}

void run_report(const struct run *r, FILE *out)
{
	uint64_t from = r->nlast > ARRAY_LEN(r->last) ? r->nlast - ARRAY_LEN(r->last) : 0;

	for (uint64_t k = from; k < r->nlast; k++) {
		fprintf(out, "    ");
		op_print(&r->last[k % ARRAY_LEN(r->last)], out);
		fputc('\n', out);
	}
	fprintf(out, "  FAILED at step %" PRIu64 ": %s\n", r->main_op, r->why);
	if (r->replay)
		fprintf(out, "  replay: %s\n", r->replay);
}

int run_open(struct run *r, struct dev *dev, uint64_t seed, bool compacts)
{
	bool dev_is_crash = !strcmp(dev_name(dev), "crash");
	struct fs_attr root;
	int err;

	memset(r, 0, sizeof(*r));
	gen_init(&r->g, seed);
	r->check_every = 2000;
	r->times = true;
	run_clock_set(r->g.wall);
	sut_init(&r->s, dev);
	r->s.compacts = r->g.compacts = compacts;
	r->s.vo.no_backup = !compacts;
	err = sut_mkfs(&r->s);
	if (!err && dev_is_crash)
		r->ev_formatted = dev_crash_events(dev);
	if (!err)
		err = sut_mount(&r->s, false);
	if (!err)
		err = sut_getattr(&r->s, VARVE_ROOT_INO, &root);
	if (err)
		return err;
	r->m = model_new(&root);
	r->m->wall = r->g.wall;
	model_now(r->m);
	run_log_reset(r, sut_op_seq(&r->s));
	return 0;
}

void run_scratch(struct run *r, const struct sut *s, struct model *m, int64_t wall)
{
	memset(r, 0, sizeof(*r));
	r->s = *s;
	r->m = m;
	r->g.wall = wall;
	r->times = true;
	r->quiet = true;
	run_clock_set(wall);
}

void run_unmount(struct run *r)
{
	int err = sut_unmount(&r->s);

	if (err)
		run_fail(r, "closing: %s", err_str(err));
}

void run_close(struct run *r)
{
	run_cursors_drop(r);
	if (r->s.vol && !r->quiet)
		run_unmount(r);
	if (!r->quiet)
		sut_free(&r->s);
	model_free(r->m);
	model_free(r->base);
	for (size_t k = 0; k < r->nlog; k++) {
		free(r->log[k].rows);
		free((void *)r->log[k].op.value);
	}
	free(r->log);
	free(r->base_rows);
	free(r->sync);
}

/* --- one step --- */

static bool only_reads(enum op_kind k)
{
	switch (k) {
	case OP_READLINK: case OP_GETATTR: case OP_READ: case OP_SEEK: case OP_GETX:
	case OP_LISTX: case OP_STATFS: case OP_FSYNC:
		return true;
	default:
		return false;
	}
}

void run_log(struct run *r, const struct op *op, uint64_t before, size_t ev)
{
	uint64_t seq = sut_op_seq(&r->s);
	struct logged *l;
	size_t len;

	if (r->quiet || (seq == before && only_reads(op->kind)))
		return;
	if (r->nlog == r->cap_log) {
		r->cap_log = r->cap_log ? r->cap_log * 2 : 256;
		r->log = xrealloc(r->log, r->cap_log * sizeof(*r->log));
	}
	l = &r->log[r->nlog++];
	memset(l, 0, sizeof(*l));
	l->op = *op;
	l->op.value = NULL;
	if (op->value) { /* borrowed from the generator */
		l->op.value = xmalloc(op->len);
		memcpy((void *)l->op.value, op->value, op->len);
	}
	l->opno = r->m->opno;
	l->seq = seq;
	if (r->crash) {
		l->ev_from = ev;
		l->ev_to = dev_crash_events(r->s.dev);
		if (sut_rows(&r->s, &l->rows, &len))
			run_fail(r, "the tables cannot be read");
	}
}

/* Durable now: everything up to the last change of ino. */
static void synced_ino(struct run *r, uint64_t ino)
{
	const struct minode *i = model_get(r->m, ino);

	for (size_t k = r->nlog; i && k > 0; k--)
		if (r->log[k - 1].opno == i->changed) {
			r->floor_seq = MAX(r->floor_seq, r->log[k - 1].seq);
			return;
		}
}

static bool same_attr(struct run *r, uint64_t ino)
{
	const struct minode *i = ino ? model_get(r->m, ino) : NULL;
	struct fs_attr f, m;
	const char *text;
	int err;

	if (!i || (!i->nlookup && !i->nopen))
		return true;
	err = sut_getattr(&r->s, ino, &f);
	if (err)
		return run_fail(r, "getattr of ino %" PRIu64 ": %s", ino, err_str(err));
	model_attr(i, &m);
	text = attr_differs(&f, &m, r->times);
	return !text || run_fail(r, "afterwards: %s", text);
}

/* Where no checkpoint thread gives dead space back, two checkpoints do. */
static bool make_room(struct run *r)
{
	for (int k = 0; k < 2; k++) {
		struct op op = { .kind = OP_CHECKPOINT, .wall = r->m->wall };

		if (!run_step(r, &op))
			return false;
	}
	return true;
}

/* No room: allowed if it is true, and then nothing has happened.  Segments that
 * a backup holds count as free, but it takes the thread to give them up. */
static bool is_full(struct run *r, const struct result *f)
{
	if (err_errno(f->err) != ENOSPC || !run_full(r))
		return false;
	r->g.shrink = true;
	return true;
}

bool run_full(const struct run *r)
{
	return sut_percent_full(&r->s) >= 75 || sut_needs_thread(&r->s);
}

static bool fs_op(struct run *r, struct op *op)
{
	uint64_t before = sut_op_seq(&r->s);
	size_t ev = r->crash ? dev_crash_events(r->s.dev) : 0;
	struct result f, m;
	const char *text;
	bool ok;

	sut_do(&r->s, op, &f);
	if (err_errno(f.err) == ENOSPC) {
		result_free(&f);
		if (!make_room(r))
			return false;
		ev = r->crash ? dev_crash_events(r->s.dev) : 0;
		sut_do(&r->s, op, &f);
	}
	if (is_full(r, &f)) {
		result_free(&f);
		return same_attr(r, op->ino) && same_attr(r, op->dir);
	}
	op->no_atime = sut_op_seq(&r->s) == before && run_full(r);
	op_model(r->m, op, &m);
	text = result_differs(op, &f, &m, r->times);
	ok = !text || run_fail(r, "%s (%s)", text, sut_space(&r->s));
	run_log(r, op, before, ev);
	if (ok && !f.err && op->kind == OP_FSYNC)
		synced_ino(r, op->ino);
	if (ok && !f.err && op->kind == OP_WRITE && op->osync)
		r->floor_seq = sut_op_seq(&r->s);
	result_free(&f);
	result_free(&m);
	return ok && same_attr(r, op->ino) && same_attr(r, op->dir) &&
	       same_attr(r, op->dir2) && same_attr(r, op->new_ino);
}

/* Data or metadata have been copied: nothing must show. */
static bool moved(struct run *r, struct op *op, int err, uint64_t before, size_t ev)
{
	struct result m;

	/* A backup is not made where space is short. */
	if (err_errno(err) == ENOSPC &&
	    (op->kind == OP_BACKUP || sut_percent_full(&r->s) >= 60))
		err = 0;
	if (err)
		return run_fail(r, "%u %% full: %s", sut_percent_full(&r->s), err_str(err));
	op->keep = sut_op_seq(&r->s) != before;
	op_model(r->m, op, &m);
	run_log(r, op, before, ev);
	r->floor_seq = MAX(r->floor_seq, before); /* both begin with a sync */
	return true;
}

static bool control(struct run *r, struct op *op)
{
	uint64_t before = sut_op_seq(&r->s);
	size_t ev = r->crash ? dev_crash_events(r->s.dev) : 0;
	struct result f;

	switch (op->kind) {
	case OP_CURSOR:
		return run_cursor(r, op);
	case OP_REMOUNT:
		return run_remount(r, op);
	case OP_KILL:
		return run_kill(r, op);
	case OP_ROMOUNT:
		return run_mount_readonly(r, op);
	default:
		break;
	}
	sut_do(&r->s, op, &f);
	if (op->kind == OP_COMPACT || op->kind == OP_BACKUP)
		return moved(r, op, f.err, before, ev);
	if (f.err)
		return run_fail(r, "%u %% full: %s", sut_percent_full(&r->s), err_str(f.err));
	if (op->kind == OP_CHECKPOINT)
		r->g.shrink = sut_percent_full(&r->s) > 75;
	if (op->kind == OP_TICK)
		return true;
	r->floor_seq = sut_op_seq(&r->s);
	if (!r->crash && !r->quiet)
		run_log_reset(r, r->floor_seq);
	return true;
}

bool run_step(struct run *r, struct op *op)
{
	if (r->failed)
		return false;
	r->n++;
	r->m->wall = op->wall;
	run_clock_set(op->wall);
	if (r->trace_from && r->main_op >= r->trace_from) {
		fprintf(stderr, "%" PRIu64 ": ", r->main_op);
		op_print(op, stderr);
		fputc('\n', stderr);
	}
	r->last[r->nlast % ARRAY_LEN(r->last)] = *op;
	r->nlast++;
	if (op->kind >= OP_FIRST_CONTROL ? !control(r, op) : !fs_op(r, op))
		return false;
	if (r->crash)
		run_note_floor(r);
	return true;
}

/* --- everything --- */

static struct op simple(const struct run *r, enum op_kind kind, uint64_t ino)
{
	struct op op = { .kind = kind, .ino = ino, .wall = r->g.wall };

	return op;
}

static bool check_content(struct run *r, uint64_t ino)
{
	const struct minode *i = model_get(r->m, ino);
	struct op op = simple(r, OP_READ, ino);
	uint64_t *at, n = 0;
	bool ok = true;

	/* All of a small file; of one that is mostly hole, what is there and
	 * its surroundings. */
	if (i->size <= 2u << 20) {
		for (op.off = 0; op.off < i->size && ok; op.off += 300000) {
			op.len = 300000;
			ok = run_step(r, &op);
		}
		return ok;
	}
	at = xmalloc((i->nslot + 1) * sizeof(*at));
	for (size_t k = 0; k < i->nslot; k++)
		if (!n || i->slot[k].idx * MPAGE >= at[n - 1] + 60000)
			at[n++] = i->slot[k].idx * MPAGE;
	at[n++] = i->size - MIN(i->size, 5000u);
	for (size_t k = 0; k < n && ok; k++) {
		op.off = at[k] > 100 ? at[k] - 100 : 0;
		op.len = 70000;
		ok = run_step(r, &op);
	}
	free(at);
	return ok;
}

static bool check_inode(struct run *r, uint64_t ino)
{
	const struct minode *i = model_get(r->m, ino);
	struct op op = simple(r, OP_GETATTR, ino);
	char (*name)[VARVE_NAME_MAX + 1];
	size_t nxa = i->nxa;
	bool ok = run_step(r, &op);

	op = simple(r, OP_LISTX, ino);
	ok = ok && run_step(r, &op);
	name = xmalloc((nxa + 1) * sizeof(*name));
	for (size_t k = 0; k < nxa; k++)
		strcpy(name[k], i->xa[k].name);
	for (size_t k = 0; k < nxa && ok; k++) {
		op = simple(r, OP_GETX, ino);
		strcpy(op.name, name[k]);
		ok = run_step(r, &op);
	}
	free(name);
	if (!ok)
		return false;
	if (S_ISREG(i->mode))
		return check_content(r, ino);
	if (S_ISLNK(i->mode)) {
		op = simple(r, OP_READLINK, ino);
		return run_step(r, &op);
	}
	return true;
}

static bool check_dir(struct run *r, uint64_t dir);

static bool check_entry(struct run *r, uint64_t dir, const char *name, uint64_t ino)
{
	struct op op = simple(r, OP_LOOKUP, 0);
	bool ok;

	op.dir = dir;
	strcpy(op.name, name);
	ok = run_step(r, &op) && check_inode(r, ino);
	if (ok && S_ISDIR(model_get(r->m, ino)->mode))
		ok = check_dir(r, ino);
	op = simple(r, OP_FORGET, ino);
	op.len = 1;
	return ok && run_step(r, &op);
}

static bool check_dir(struct run *r, uint64_t dir)
{
	const struct minode *d = model_get(r->m, dir);
	struct op op = simple(r, OP_READDIR, dir);
	size_t n = d->nent;
	struct mentry *e;
	bool ok;

	op.len = 3;
	ok = run_step(r, &op);
	op.len = 1000;
	op.flags = 1;
	ok = ok && run_step(r, &op);
	e = xmalloc((n + 1) * sizeof(*e));
	if (n)
		memcpy(e, model_get(r->m, dir)->ent, n * sizeof(*e));
	for (size_t k = 0; k < n && ok; k++)
		ok = check_entry(r, dir, e[k].name, e[k].ino);
	free(e);
	return ok;
}

bool run_verify(struct run *r)
{
	char *text = NULL;
	int n;

	if (r->shared)
		return true; /* it wants the volume for itself */
	n = sut_verify(&r->s, &text);

	if (n)
		run_fail(r, "the volume's own check has %d findings:\n%s", n, text);
	free(text);
	return !n;
}

bool run_check_tree(struct run *r)
{
	size_t n = 0;
	uint64_t *held;
	bool ok;

	r->checks++;
	ok = check_inode(r, r->m->root) && check_dir(r, r->m->root);
	/* What has no name any more but is still in use. */
	held = xmalloc((r->m->n + 1) * sizeof(*held));
	for (size_t k = 0; k < r->m->n; k++)
		if (!r->m->ino[k]->nlink && (r->m->ino[k]->nlookup || r->m->ino[k]->nopen))
			held[n++] = r->m->ino[k]->ino;
	for (size_t k = 0; k < n && ok; k++)
		ok = check_inode(r, held[k]);
	free(held);
	return ok && run_verify(r);
}

bool run_random(struct run *r, uint64_t n)
{
	struct op op;

	for (uint64_t k = 1; k <= n; k++) {
		r->main_op = k;
		gen_op(&r->g, r->m, &op);
		if (!run_step(r, &op))
			return false;
		if (r->check_every && k % r->check_every == 0 && !run_check_tree(r))
			return false;
		if (sut_percent_full(&r->s) > 70 && k % 64 == 0) {
			op = simple(r, OP_CHECKPOINT, 0);
			if (!run_step(r, &op))
				return false;
		}
	}
	return run_check_tree(r);
}
