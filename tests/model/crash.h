/* SPDX-License-Identifier: MIT */
/* crash.h - power cuts: at any event of a run, with any choice of what had
 * not been flushed, the volume must come back as the model was after some
 * prefix of the steps that includes everything synced (I1), its tables row for
 * row as they were then (I2). */
#ifndef VARVE_TESTS_CRASH_H
#define VARVE_TESTS_CRASH_H

#include "run.h"

struct crash {
	struct rng rng;
	struct sut t;           /* for the recovered images; mounted one by one */
	uint64_t cuts, nested, opened, moved; /* done */
	unsigned cuts_per_run;  /* 0: every one */
	unsigned images_per_cut;
	unsigned nest_one_in;   /* recover on a recording device and cut that; 0: never */
	unsigned go_on_one_in;  /* go on working on what was recovered; 0: never */
	size_t ev_formatted;    /* before that mounting may be refused */
	const char *replay;
	uint64_t trace_from;
	/* --only: one image of the outermost run */
	bool only;
	size_t only_cut;
	uint64_t only_seed;
};

#define CRASH_DEV_SIZE (40ull << 20)
/* Little more than the smallest volume: what dies is soon written over. */
#define CHURN_DEV_SIZE (24ull << 20)

void crash_init(struct crash *k, uint64_t seed);
void crash_free(struct crash *k);
/* All chosen cuts of a run that has come to its end; false: r->why. */
bool crash_cuts(struct crash *k, struct run *r, unsigned depth);
/* A random run of n steps and its cuts; even seeds churn.  False: it has been reported. */
bool crash_random(struct crash *k, uint64_t seed, uint64_t n);

/* --- ace.c --- */
struct ace_count {
	uint64_t workloads, cuts;
};
/* Every workload whose number is k modulo of; false: reported. */
bool ace_run(unsigned length, uint64_t k, uint64_t of, const char *self,
	     struct ace_count *ret);
uint64_t ace_workloads(unsigned length);
bool ace_one(unsigned length, uint64_t number, bool verbose);

/* --- stress.c --- */
bool stress_run(uint64_t seed, unsigned threads, uint64_t n, const char *replay);

#endif
