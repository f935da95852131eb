/* SPDX-License-Identifier: MIT */
/* killload.c - writers whose every promise is written down, for tests/crash.
 *
 * usage: killload DIR SEED WORKERS
 *
 * Each worker is a process with a directory of its own below DIR.  What it does
 * follows from the seed, the cycle and what is there, so that only two numbers
 * need to be recorded (in memory shared with this process, which no kill of the
 * daemon touches): the last operation that was acknowledged, and the last one
 * that something acknowledged has promised to be durable.  Commands on standard
 * input, one answer line each:
 *
 *   load CYCLE [syncfs] [always]   start the workers, until the first error;
 *                       syncfs is a promise; everything is (-o sync)
 *   mark                remember what is promised now
 *   wait                for all workers to have met an error
 *   stop                the workers after their current operation
 *   copy DIR            DIR holds a state not older than the last mark
 *   check               DIR, mounted again, holds what it must: go on from there
 *   count N             answers once N more operations have been acknowledged
 *
 * What must hold (I1): each worker's directory is exactly as after the first n of
 * its operations, where n is at least what was promised and at most one more
 * than was acknowledged; and over all workers, if an operation is there then so
 * is everything that had been acknowledged before it began. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "killload.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

enum { WORKERS_MAX = 16, OPS_MAX = 100000 };

/* Shared with one worker; what is behind acked is not read. */
struct journal {
	_Atomic uint32_t acked, durable;
	_Atomic int error;
	uint64_t begin[OPS_MAX + 2], end[OPS_MAX + 2];
};

struct worker {
	pid_t pid;
	struct kmodel model; /* at the start of the cycle */
	struct journal *j;
	char root[PATH_MAX];
	uint32_t marked;
	/* Of a check: operations that may be the last ones there, and how many
	 * steps of the next one. */
	uint32_t low, high;
	unsigned steps;
	uint64_t hash;
};

struct shared {
	_Atomic uint64_t ticket;
	_Atomic bool stop;
	struct journal j[];
};

static struct worker workers[WORKERS_MAX];
static unsigned nworkers;
static struct shared *shared;
static uint64_t seed;
static unsigned cycle;
static struct kopts opts;
static const char *top;
static uint64_t total_acked, total_durable, total_checks;

static struct krng rng_of(unsigned w)
{
	return (struct krng){ seed * 1000003 + cycle * 1009ull + w };
}

static void work(struct worker *w, unsigned index)
{
	struct krng r = rng_of(index);
	struct journal *j = w->j;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t n = 1; n <= OPS_MAX && !atomic_load(&shared->stop); n++) {
		struct kop op = model_choose(&w->model, &r, &opts);
		uint32_t durable;
		int err;

		j->begin[n] = atomic_fetch_add(&shared->ticket, 1);
		err = tree_do(w->root, &w->model, &op);
		if (err) {
			atomic_store(&j->error, -err);
			_exit(0);
		}
		durable = model_apply(&w->model, &op, n, &opts);
		j->end[n] = atomic_fetch_add(&shared->ticket, 1);
		atomic_store(&j->acked, n);
		if (durable > atomic_load(&j->durable))
			atomic_store(&j->durable, durable);
	}
	_exit(0);
}

static void load(unsigned new_cycle, const char *how)
{
	cycle = new_cycle;
	opts.syncfs = strstr(how, "syncfs") != NULL;
	opts.sync = strstr(how, "always") != NULL;
	atomic_store(&shared->stop, false);
	fflush(NULL);
	for (unsigned i = 0; i < nworkers; i++) {
		struct worker *w = &workers[i];

		atomic_store(&w->j->acked, 0);
		atomic_store(&w->j->durable, 0);
		atomic_store(&w->j->error, 0);
		w->marked = 0;
		model_settle(&w->model);
		w->pid = fork();
		if (w->pid == 0)
			work(w, i);
	}
	printf("loading\n");
}

static void wait_for_workers(void)
{
	for (unsigned i = 0; i < nworkers; i++) {
		struct worker *w = &workers[i];
		int error, status;

		if (w->pid <= 0)
			continue;
		waitpid(w->pid, &status, 0);
		w->pid = 0;
		error = atomic_load(&w->j->error);
		if (status || (error && error != ENOTCONN && error != ECONNABORTED &&
			       error != EIO && error != ESHUTDOWN)) {
			printf("BAD worker %u ended with status %d: %s\n", i, status,
			       strerror(error));
			return;
		}
	}
	printf("ended\n");
}

/* --- looking --- */

/* Is it as m, and a part of op? */
static bool matches_part(struct worker *w, const struct kmodel *m, const struct kop *op,
			 uint32_t n)
{
	bool found = false;
	struct kmodel part;

	if (op->kind != K_WRITE)
		return false;
	/* The steps follow one another in the same copy. */
	model_copy(&part, m);
	for (w->steps = 1; !found && model_apply_part(&part, op, n, w->steps); w->steps++)
		found = model_hash(&part) == w->hash;
	w->steps = found ? w->steps - 1 : 0;
	model_free(&part);
	return found;
}

static void find_part(struct worker *w, unsigned index, uint32_t least, uint32_t most)
{
	struct krng r = rng_of(index);
	struct kmodel m;

	model_copy(&m, &w->model);
	for (uint32_t n = 1; n <= most && w->low == UINT32_MAX; n++) {
		struct kop op = model_choose(&m, &r, &opts);

		if (n > least && matches_part(w, &m, &op, n))
			w->low = w->high = n - 1;
		model_apply(&m, &op, n, &opts);
	}
	model_free(&m);
}

/* Which of its operations may be the last that is in root: by replaying them.
 * False: root cannot be read.  None: low is UINT32_MAX. */
static bool find_range(struct worker *w, unsigned index, const char *root, uint32_t least)
{
	uint32_t most = atomic_load(&w->j->acked) + 1;
	struct krng r = rng_of(index);
	struct kmodel m;

	if (tree_hash(root, &w->hash))
		return false;
	model_copy(&m, &w->model);
	w->low = UINT32_MAX;
	w->steps = 0;
	for (uint32_t n = 0; n <= most; n++) {
		if (n) {
			struct kop op = model_choose(&m, &r, &opts);

			model_apply(&m, &op, n, &opts);
		}
		/* The same state may come again later; then either may be it. */
		if (n >= least && model_hash(&m) == w->hash) {
			w->low = MIN(w->low, n);
			w->high = n;
		}
	}
	model_free(&m);
	if (w->low == UINT32_MAX)
		find_part(w, index, least, most);
	return true;
}

static void explain(struct worker *w, unsigned index, const char *root, uint32_t least)
{
	uint32_t most = atomic_load(&w->j->acked) + 1;
	struct krng r = rng_of(index);
	struct kmodel m;

	fprintf(stderr, "seed %llu cycle %u worker %u: promised %u, acknowledged %u\n",
		(unsigned long long)seed, cycle, index, least, most - 1);
	model_copy(&m, &w->model);
	for (uint32_t n = 0; n <= most; n++) {
		if (n) {
			struct kop op = model_choose(&m, &r, &opts);

			if (n + 8 >= least) {
				fprintf(stderr, "  %u: ", n);
				kop_print(stderr, &m, &op);
				fputc('\n', stderr);
			}
			model_apply(&m, &op, n, &opts);
		}
		if (n < least && model_hash(&m) == w->hash)
			fprintf(stderr, "  it is as after operation %u, which is too old\n", n);
		if (n == least) {
			fprintf(stderr, "  compared with what was promised:\n");
			tree_compare(root, &m);
		}
		if (n > least + 60)
			break;
	}
	model_free(&m);
}

/* If an operation is there, all that was acknowledged before it began is. */
static bool in_order(void)
{
	for (unsigned a = 0; a < nworkers; a++) {
		for (unsigned b = 0; b < nworkers; b++) {
			const struct worker *has = &workers[a], *lacks = &workers[b];
			uint32_t next = lacks->high + 1;

			if (a == b || !has->low || next > atomic_load(&lacks->j->acked))
				continue;
			if (lacks->j->end[next] < has->j->begin[has->low]) {
				printf("BAD seed %llu cycle %u: operation %u of worker %u is "
				       "there, %u of worker %u before it is not\n",
				       (unsigned long long)seed, cycle, has->low, a, next, b);
				return false;
			}
		}
	}
	return true;
}

static bool look(const char *dir, bool marked)
{
	for (unsigned i = 0; i < nworkers; i++) {
		struct worker *w = &workers[i];
		uint32_t least = marked ? w->marked : atomic_load(&w->j->durable);
		char root[PATH_MAX];

		snprintf(root, sizeof(root), "%s/w%u", dir, i);
		if (!find_range(w, i, root, least)) {
			printf("BAD worker %u: its directory cannot be read\n", i);
			return false;
		}
		if (w->low == UINT32_MAX) {
			explain(w, i, root, least);
			printf("BAD seed %llu cycle %u worker %u: no state between %u and %u\n",
			       (unsigned long long)seed, cycle, i, least,
			       atomic_load(&w->j->acked) + 1);
			return false;
		}
	}
	total_checks++;
	return in_order();
}

/* The models go on from what has been found. */
static void advance(void)
{
	for (unsigned i = 0; i < nworkers; i++) {
		struct worker *w = &workers[i];
		struct krng r = rng_of(i);

		total_acked += atomic_load(&w->j->acked);
		total_durable += atomic_load(&w->j->durable);
		for (uint32_t n = 1; n <= w->high + (w->steps > 0); n++) {
			struct kop op = model_choose(&w->model, &r, &opts);

			if (n > w->high)
				model_apply_part(&w->model, &op, n, w->steps);
			else
				model_apply(&w->model, &op, n, &opts);
		}
	}
}

static void say_range(void)
{
	uint32_t acked = 0, durable = 0, there = 0;

	for (unsigned i = 0; i < nworkers; i++) {
		acked += atomic_load(&workers[i].j->acked);
		durable += atomic_load(&workers[i].j->durable);
		there += workers[i].low;
	}
	printf("ok acknowledged %u promised %u there %u\n", acked, durable, there);
}

static void check(void)
{
	if (!look(top, false))
		return;
	say_range();
	advance();
}

static void copy(const char *dir)
{
	if (look(dir, true))
		say_range();
}

static void mark(void)
{
	for (unsigned i = 0; i < nworkers; i++)
		workers[i].marked = atomic_load(&workers[i].j->durable);
	printf("marked\n");
}

static void count(uint64_t n)
{
	uint64_t until = atomic_load(&shared->ticket) + 2 * n;
	unsigned idle = 0;

	while (atomic_load(&shared->ticket) < until && ++idle < 30000)
		usleep(200); /* gives the CPU to those it counts */
	printf("counted\n");
}

static void totals(void)
{
	printf("%llu operations acknowledged, %llu of them durable, %llu states compared\n",
	       (unsigned long long)total_acked, (unsigned long long)total_durable,
	       (unsigned long long)total_checks);
}

static void prepare(void)
{
	size_t size = sizeof(*shared) + nworkers * sizeof(struct journal);

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("killload: memory");
		exit(2);
	}
	for (unsigned i = 0; i < nworkers; i++) {
		struct worker *w = &workers[i];

		w->j = &shared->j[i];
		model_init(&w->model);
		snprintf(w->root, sizeof(w->root), "%s/w%u", top, i);
		if (mkdir(w->root, 0755) < 0 && errno != EEXIST) {
			perror(w->root);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	char line[PATH_MAX + 16];

	if (argc != 4 || atoi(argv[3]) < 1 || atoi(argv[3]) > WORKERS_MAX) {
		fprintf(stderr, "usage: killload DIR SEED WORKERS\n");
		return 2;
	}
	top = argv[1];
	seed = strtoull(argv[2], NULL, 0);
	nworkers = (unsigned)atoi(argv[3]);
	prepare();
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "load ", 5) == 0)
			load((unsigned)strtoul(line + 5, NULL, 10), line + 5);
		else if (strncmp(line, "copy ", 5) == 0)
			copy(line + 5);
		else if (strncmp(line, "count ", 6) == 0)
			count(strtoull(line + 6, NULL, 10));
		else if (strcmp(line, "mark") == 0)
			mark();
		else if (strcmp(line, "wait") == 0)
			wait_for_workers();
		else if (strcmp(line, "check") == 0)
			check();
		else if (strcmp(line, "totals") == 0)
			totals();
		else if (strcmp(line, "stop") == 0) {
			atomic_store(&shared->stop, true);
			printf("stopping\n");
		} else {
			printf("BAD unknown command %s\n", line);
		}
	}
	return 0;
}
