/* SPDX-License-Identifier: MIT */
/* ace.c - bounded exhaustive crash workloads, after ACE (Mohan et al., OSDI
 * 2018): every sequence of one and of two operations over a small name space,
 * with every choice of what is synced after each, from a start that is only in
 * the log and from one that is in the database; all cuts. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/msg.h"
#include "crash.h"

#define ACE_DEV_SIZE (20ull << 20)
#define WALL (1700000000ll * 1000000000)

/* Before it there are: foo, A/, A/bar, A/sub/, B/. */
static const struct step {
	enum op_kind kind;
	const char *a, *b;    /* paths; b: second name, or xattr */
	uint64_t off, len, off2;
	int mode, flags;
} steps[] = {
	{ OP_MAKE, .a = "new", .mode = S_IFREG | 0644 },
	{ OP_MAKE, .a = "A/new", .mode = S_IFREG | 0644 },
	{ OP_MAKE, .a = "C", .mode = S_IFDIR | 0755 },
	{ OP_MAKE, .a = "A/C", .mode = S_IFDIR | 0755 },
	{ OP_MAKE, .a = "A/fifo", .mode = S_IFIFO | 0600 },
	{ OP_SYMLINK, .a = "B/link", .b = "foo" },
	{ OP_TMPFILE, .a = "A/", .mode = S_IFREG | 0600 },
	{ OP_LINK, .a = "foo", .b = "A/foo" },
	{ OP_LINK, .a = "A/bar", .b = "bar" },
	{ OP_LINK, .a = "foo", .b = "foo2" },
	{ OP_UNLINK, .a = "foo" },
	{ OP_UNLINK, .a = "A/bar" },
	{ OP_OPEN, .a = "A/bar", .flags = O_RDWR },
	{ OP_OPEN, .a = "foo", .flags = O_RDWR },
	{ OP_RMDIR, .a = "A/sub" },
	{ OP_RMDIR, .a = "B" },
	{ OP_RENAME, .a = "foo", .b = "bar" },
	{ OP_RENAME, .a = "foo", .b = "A/foo" },
	{ OP_RENAME, .a = "foo", .b = "A/bar" },
	{ OP_RENAME, .a = "A/bar", .b = "foo" },
	{ OP_RENAME, .a = "A/bar", .b = "B/bar" },
	{ OP_RENAME, .a = "A/sub", .b = "B/sub" },
	{ OP_RENAME, .a = "B", .b = "A/sub" },
	{ OP_RENAME, .a = "A", .b = "B" },
	{ OP_RENAME, .a = "A", .b = "B/A" },
	{ OP_RENAME, .a = "foo", .b = "A/bar", .flags = RENAME_EXCHANGE },
	{ OP_RENAME, .a = "A", .b = "B", .flags = RENAME_EXCHANGE },
	{ OP_RENAME, .a = "A/sub", .b = "foo", .flags = RENAME_EXCHANGE },
	{ OP_RENAME, .a = "foo", .b = "B/foo", .flags = RENAME_WHITEOUT },
	{ OP_RENAME, .a = "A/bar", .b = "bar", .flags = RENAME_NOREPLACE },
	{ OP_WRITE, .a = "foo", .off = 0, .len = 100 },
	{ OP_WRITE, .a = "foo", .len = 5000, .flags = O_APPEND },
	{ OP_WRITE, .a = "foo", .off = 4096, .len = 4096 },
	{ OP_WRITE, .a = "foo", .off = 20000, .len = 3000 },
	{ OP_WRITE, .a = "A/bar", .off = 0, .len = 65536 },
	{ OP_WRITE, .a = "A/bar", .off = 3000, .len = 2500 },
	{ OP_SETATTR, .a = "foo", .mode = -1, .len = 0 },
	{ OP_SETATTR, .a = "foo", .mode = -1, .len = 5000 },
	{ OP_SETATTR, .a = "A/bar", .mode = -1, .len = 100000 },
	{ OP_SETATTR, .a = "foo", .mode = 0600 },
	{ OP_SETATTR, .a = "A", .mode = 0700 },
	{ OP_FALLOC, .a = "foo", .off = 6000, .len = 30000 },
	{ OP_FALLOC, .a = "foo", .off = 6000, .len = 30000, .mode = FALLOC_FL_KEEP_SIZE },
	{ OP_FALLOC, .a = "foo", .off = 1000, .len = 5000,
	  .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
	{ OP_FALLOC, .a = "foo", .off = 2000, .len = 9000, .mode = FALLOC_FL_ZERO_RANGE },
	{ OP_CLONE, .a = "foo", .b = "A/bar", .off = 0, .off2 = 0, .len = 8192 },
	{ OP_CLONE, .a = "foo", .b = "foo", .off = 0, .off2 = 12288, .len = 4096 },
	{ OP_CLONE, .a = "A/bar", .b = "foo", .off = 100, .off2 = 333, .len = 1000 },
	{ OP_SETX, .a = "foo", .b = "user.small", .len = 20 },
	{ OP_SETX, .a = "A", .b = "user.big", .len = 5000 },
	{ OP_SETX, .a = "foo", .b = "user.there", .len = 33 },
	{ OP_RMX, .a = "foo", .b = "user.there" },
	{ OP_SETFLAGS, .a = "foo", .flags = INODE_NODUMP },
};

enum sync_kind { SYNC_NOTHING, SYNC_INODE, SYNC_DIR, SYNC_ALL, SYNC_CHECKPOINT, SYNC_KINDS };
static const char *const sync_names[] = { "nothing", "inode", "directory", "all", "checkpoint" };

uint64_t ace_workloads(unsigned length)
{
	uint64_t n = 2; /* in the log only; in the database */

	while (length--)
		n *= ARRAY_LEN(steps) * SYNC_KINDS;
	return n;
}

/* --- from paths to inodes, by lookups as a kernel would make them --- */

struct held {
	uint64_t ino[16];
	unsigned n;
};

static bool step_on(struct run *r, struct op *op)
{
	op->wall = r->g.wall += 1000000;
	return run_step(r, op);
}

/* The directory of a path and what remains; 0: there is none. */
static uint64_t walk(struct run *r, const char *path, struct held *h, const char **ret_name)
{
	uint64_t dir = r->m->root, ino;
	const char *slash;

	while ((slash = strchr(path, '/'))) {
		struct op op = { .kind = OP_LOOKUP, .dir = dir };

		memcpy(op.name, path, (size_t)(slash - path));
		if (model_lookup(r->m, dir, op.name, &ino) || !step_on(r, &op) ||
		    !S_ISDIR(model_get(r->m, ino)->mode))
			return 0;
		h->ino[h->n++] = dir = ino;
		path = slash + 1;
	}
	*ret_name = path;
	return dir;
}

static uint64_t find(struct run *r, const char *path, struct held *h)
{
	struct op op = { .kind = OP_LOOKUP };
	const char *name;
	uint64_t ino;

	op.dir = walk(r, path, h, &name);
	if (!op.dir || model_lookup(r->m, op.dir, name, &ino))
		return 0;
	strcpy(op.name, name);
	if (!step_on(r, &op))
		return 0;
	h->ino[h->n++] = ino;
	return ino;
}

static bool let_go(struct run *r, struct held *h)
{
	for (unsigned k = h->n; k > 0; k--) {
		struct op op = { .kind = OP_FORGET, .ino = h->ino[k - 1], .len = 1 };

		if (op.ino != r->m->root && !step_on(r, &op))
			return false;
	}
	return true;
}

static bool names_inode(enum op_kind k)
{
	switch (k) {
	case OP_MAKE: case OP_SYMLINK: case OP_TMPFILE: case OP_UNLINK: case OP_RMDIR:
	case OP_RENAME:
		return false;
	default:
		return true;
	}
}

/* Fills in what the operands are now; false: they are not there. */
static bool resolve(struct run *r, const struct step *s, struct op *op, struct held *h)
{
	const char *name = "";

	op->kind = s->kind;
	op->off = s->off;
	op->len = s->len;
	op->off2 = s->off2;
	op->mode = s->mode;
	op->flags = s->flags;
	op->seed = 12345;
	if (names_inode(s->kind)) {
		op->ino = find(r, s->a, h);
		if (!op->ino)
			return false;
	} else {
		op->dir = walk(r, s->a, h, &name);
		strcpy(op->name, name);
		if (!op->dir)
			return false;
	}
	switch (s->kind) {
	case OP_LINK:
		op->dir = walk(r, s->b, h, &name);
		strcpy(op->name, name);
		return op->dir;
	case OP_RENAME:
		op->dir2 = walk(r, s->b, h, &name);
		/* fall through */
	case OP_SYMLINK:
		strcpy(op->name2, s->kind == OP_SYMLINK ? s->b : name);
		return op->dir2 || s->kind == OP_SYMLINK;
	case OP_CLONE:
		op->dir2 = find(r, s->b, h);
		return op->dir2;
	case OP_SETX: case OP_RMX:
		strcpy(op->name, s->b);
		return true;
	case OP_SETATTR:
		op->sa.valid = s->mode == -1 ? FSA_SIZE : FSA_MODE;
		op->sa.size = s->len;
		op->sa.mode = (uint32_t)s->mode;
		op->mode = 0;
		op->len = 0;
		return true;
	default:
		return true;
	}
}

static bool sync_after(struct run *r, enum sync_kind kind, const struct op *op)
{
	struct op s = { .kind = OP_FSYNC };

	switch (kind) {
	case SYNC_NOTHING:
		return true;
	case SYNC_INODE:
		s.ino = op->new_ino && op->kind != OP_RENAME ? op->new_ino : op->ino;
		break;
	case SYNC_DIR:
		s.ino = op->dir2 && op->kind == OP_RENAME ? op->dir2 : op->dir;
		break;
	default:
		s.kind = kind == SYNC_ALL ? OP_SYNC : OP_CHECKPOINT;
		return step_on(r, &s);
	}
	if (!s.ino || !model_get(r->m, s.ino))
		return true;
	return step_on(r, &s);
}

static bool do_step(struct run *r, const struct step *s, enum sync_kind sync)
{
	struct held h = { .n = 0 };
	struct op op = { 0 };

	r->main_op++;
	if (resolve(r, s, &op, &h) && !r->failed) {
		if (!step_on(r, &op))
			return false;
		if (op.kind == OP_MAKE || op.kind == OP_SYMLINK || op.kind == OP_LINK)
			h.ino[h.n] = op.new_ino, h.n += op.new_ino && model_get(r->m, op.new_ino);
		if (!sync_after(r, sync, &op))
			return false;
	}
	return !r->failed && let_go(r, &h);
}

/* --- the start, made once --- */

struct start {
	struct dev *dev; /* as left by a kill right after a sync */
	struct model *m;
};

static bool build(struct run *r, bool in_db)
{
	static const struct step setup[] = {
		{ OP_MAKE, .a = "foo", .mode = S_IFREG | 0644 },
		{ OP_WRITE, .a = "foo", .len = 8292 },
		{ OP_SETX, .a = "foo", .b = "user.there", .len = 50 },
		{ OP_MAKE, .a = "A", .mode = S_IFDIR | 0755 },
		{ OP_MAKE, .a = "A/bar", .mode = S_IFREG | 0644 },
		{ OP_WRITE, .a = "A/bar", .len = 5000 },
		{ OP_MAKE, .a = "A/sub", .mode = S_IFDIR | 0755 },
		{ OP_MAKE, .a = "B", .mode = S_IFDIR | 0755 },
	};

	for (size_t k = 0; k < ARRAY_LEN(setup); k++)
		if (!do_step(r, &setup[k], k + 1 < ARRAY_LEN(setup) ? SYNC_NOTHING :
			     in_db ? SYNC_CHECKPOINT : SYNC_ALL))
			return false;
	return true;
}

static bool get_start(bool in_db, struct start *ret)
{
	static struct start kept[2];
	struct start *s = &kept[in_db];
	struct dev *dev;
	struct run r;

	if (!s->dev) {
		if (dev_mem_new(ACE_DEV_SIZE, &dev) || run_open(&r, dev, 1, false) ||
		    !build(&r, in_db) || dev_mem_copy(dev, &s->dev)) {
			run_report(&r, stderr);
			return false;
		}
		s->m = model_clone(r.m);
		model_forget_all(s->m);
		run_close(&r);
		dev_close(dev);
	}
	*ret = *s;
	return true;
}

static bool mount_start(struct run *r, const struct start *s)
{
	struct dev *dev;
	uint64_t seq;
	int64_t slot_time;
	int err = dev_crash_from(s->dev, &dev);

	memset(r, 0, sizeof(*r));
	r->times = true;
	r->g.wall = WALL + 1000000000;
	run_clock_set(r->g.wall);
	sut_init(&r->s, dev);
	slot_time = sut_slot_time(&r->s);
	if (!err)
		err = sut_open_vol(&r->s, false);
	if (err)
		return run_fail(r, "mounting the start: %s", err_str(err));
	seq = sut_op_seq(&r->s);
	err = sut_open_fs(&r->s);
	if (err)
		return run_fail(r, "mounting the start: %s", err_str(err));
	run_settle(r, model_clone(s->m), seq, slot_time, r->g.wall);
	r->crash = true;
	run_log_reset(r, seq);
	return !r->failed;
}

static bool workload(struct crash *k, unsigned length, uint64_t number, const char *replay,
		     bool verbose)
{
	uint64_t code = number / 2;
	struct start start;
	struct run r;
	bool ok;

	if (!get_start(number % 2, &start))
		return false;
	ok = mount_start(&r, &start);
	r.replay = replay;
	r.trace_from = verbose ? 1 : 0;
	for (unsigned i = 0; i < length && ok; i++) {
		const struct step *s = &steps[code % ARRAY_LEN(steps)];
		enum sync_kind sync = code / ARRAY_LEN(steps) % SYNC_KINDS;

		if (verbose)
			fprintf(stderr, "step %zu on %s %s, sync %s\n", (size_t)(s - steps),
				s->a, s->b ? s->b : "", sync_names[sync]);
		ok = do_step(&r, s, sync);
		code /= ARRAY_LEN(steps) * SYNC_KINDS;
	}
	r.g.wall += 1000000;
	ok = ok && run_check_tree(&r) && crash_cuts(k, &r, 0);
	if (!ok)
		run_report(&r, stderr);
	if (r.s.vol)
		sut_kill(&r.s);
	dev_close(r.s.dev);
	sut_free(&r.s);
	r.quiet = true;
	run_close(&r);
	return ok;
}

/* The same for a workload alone and among others. */
static void ace_choices(struct crash *k, uint64_t number)
{
	k->rng.s = number ^ 0xc4a5;
	k->cuts_per_run = 0;
	k->nest_one_in = 100;
	k->go_on_one_in = 50;
}

bool ace_one(unsigned length, uint64_t number, bool verbose)
{
	struct crash k;
	bool ok;

	crash_init(&k, number);
	ace_choices(&k, number);
	ok = workload(&k, length, number, "this one", verbose);
	printf("workload %u:%" PRIu64 ": %" PRIu64 " cuts: %s\n", length, number, k.cuts,
	       ok ? "ok" : "FAILED");
	if (!ok)
		_exit(1);
	crash_free(&k);
	return ok;
}

bool ace_run(unsigned length, uint64_t share, uint64_t of, const char *self,
	     struct ace_count *ret)
{
	uint64_t n = ace_workloads(length);
	unsigned bad = 0;
	struct crash k;
	char replay[512];

	memset(ret, 0, sizeof(*ret));
	crash_init(&k, 0);
	for (uint64_t w = share; w < n && bad < 5; w += of) {
		ace_choices(&k, w);
		snprintf(replay, sizeof(replay), "%s --ace-one %u:%" PRIu64, self, length, w);
		bad += !workload(&k, length, w, replay, false);
		ret->workloads++;
	}
	ret->cuts = k.cuts;
	if (!bad)
		crash_free(&k);
	return !bad;
}
