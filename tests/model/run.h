/* SPDX-License-Identifier: MIT */
/* run.h - a volume and its model side by side, step by step. */
#ifndef VARVE_TESTS_RUN_H
#define VARVE_TESTS_RUN_H

#include "gen.h"
#include "sut.h"

struct logged {
	struct op op;
	uint64_t opno;
	uint64_t seq;          /* volume's operation sequence after it */
	size_t ev_from, ev_to; /* crash device: events before and after it */
	char *rows;            /* crash device: the tables after it */
};

struct synced { /* when which operation was known durable */
	size_t ev;
	uint64_t seq;
};

struct cursor { /* a listing that goes on while the directory changes */
	bool open;
	uint64_t dir, after;
	uint64_t *serial; /* entries there at the start */
	char (*name)[VARVE_NAME_MAX + 1];
	unsigned *seen;
	size_t n;
};
#define CURSORS 4u

struct run {
	struct sut s;
	struct model *m;
	struct gen g;
	uint64_t n;         /* steps so far, those of checks included */
	unsigned check_every;
	bool times;         /* they can be foretold */
	bool crash;         /* dev is a crash device */
	bool quiet;         /* a scratch run on a recovered image: nothing logged */
	bool shared;        /* other threads work on the volume: own subtree, no times */
	uint64_t trace_from;
	uint64_t main_op;   /* number of the step that the generator made */
	/* Since everything was last known durable: */
	struct model *base;
	uint64_t base_seq;
	/* As the mount found it; what came up to base was the reaping of orphans,
	 * which changes nothing to see but the newest time. */
	uint64_t open_seq;
	int64_t open_last;
	struct logged *log;
	size_t nlog, cap_log;
	uint64_t floor_seq; /* synced up to here at least */
	/* Crash devices only: */
	uint64_t base_floor; /* what of base is durable */
	char *base_rows;
	struct synced *sync;
	size_t nsyncs, cap_syncs;
	size_t ev_formatted, ev_end;
	int64_t slot_time;
	struct cursor cur[CURSORS];
	struct op last[24];
	uint64_t nlast;
	bool failed;
	char why[2048];
	const char *replay; /* the command that does it again */
	uint64_t kills, remounts, checks;
};

/* The clock that every volume under test reads; any thread. */
void run_clock_set(int64_t t);

/* Formats dev and mounts it. */
int run_open(struct run *r, struct dev *dev, uint64_t seed, bool compacts) VARVE_MUST_CHECK;
/* A run without generator on an image, with a model of its own. */
void run_scratch(struct run *r, const struct sut *s, struct model *m, int64_t wall);
void run_unmount(struct run *r);
void run_close(struct run *r); /* unmounts and frees, whatever state it is in */

/* One step on both sides, compared.  False: they differ (r->why says it). */
bool run_step(struct run *r, struct op *op);
/* Everything that can be seen, compared by steps of its own. */
bool run_check_tree(struct run *r);
bool run_verify(struct run *r);
/* n random steps with a check in the end. */
bool run_random(struct run *r, uint64_t n);

/* Notes a step that changed something, for recovery. */
void run_log(struct run *r, const struct op *op, uint64_t seq_before, size_t ev_before);
/* No wonder if there is no space. */
bool run_full(const struct run *r);
bool run_fail(struct run *r, const char *fmt, ...) VARVE_PRINTF(2, 3);
void run_report(const struct run *r, FILE *out);

/* --- recovery (recover.c) --- */
/* Which logged steps op sequence seq can mean: 0 .. nlog of them applied, in
 * *ret; false: between two, *ret is the lower. */
bool run_prefix(const struct run *r, uint64_t seq, size_t *ret);
/* A model with the first n logged steps done; seq: the operation recovered. */
struct model *run_model_at(const struct run *r, size_t n, uint64_t seq);
/* From here on the log is new; up to operation durable nothing may be lost. */
void run_log_reset(struct run *r, uint64_t durable);
bool run_kill(struct run *r, const struct op *op);
void run_note_floor(struct run *r);
bool run_remount(struct run *r, const struct op *op);
bool run_mount_readonly(struct run *r, const struct op *op);
/* The volume has been mounted again: what it may have lost is settled. */
void run_settle(struct run *r, struct model *m, uint64_t seq_opened, int64_t slot_time,
		int64_t wall);
bool rows_same(struct run *r, const char *live, const char *replayed, const char *when);

/* --- cursors (cursor.c) --- */
bool run_cursor(struct run *r, const struct op *op);
void run_cursors_drop(struct run *r);

#endif
