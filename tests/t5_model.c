/* SPDX-License-Identifier: MIT */
/* t5_model.c - varvefs against a plain model of POSIX: random operations with
 * remounts and kills, power cuts, all short sequences, threads.
 *
 * Without arguments: what `make check` does.  Every case prints its seed, and
 * on failure the command that does it again:
 *   t5_model --seed N --ops M [--trace FROM]      random steps
 *   t5_model --crash --seed N --ops M [--cut C --image I]   and power cuts
 *   t5_model --ace K/N | --ace-one LENGTH:NUMBER  all short sequences
 *   t5_model --stress --seed N --ops M            threads
 *   t5_model --first                              as without, until one fails
 *   t5_model --long                               make check-long */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "crash.h"

struct job {
	enum { RANDOM, SMALL, CRASH, ACE, STRESS } kind;
	uint64_t seed, ops;
	unsigned length;
	uint64_t k, of;
};

static uint64_t trace_from;
static uint64_t only_cut = UINT64_MAX, only_image;
static bool verbose, first;

static void hush(enum msg_level level, const char *line)
{
	if (verbose)
		fprintf(stderr, "    [%s]\n", line);
}

static bool random_run(const struct job *j, const char *replay)
{
	uint64_t size = j->kind == SMALL ? 32ull << 20 : 512ull << 20;
	struct dev *dev;
	struct run r;
	bool ok;
	int err = dev_mem_new(size, &dev);

	if (!err)
		err = run_open(&r, dev, j->seed, j->seed % 2);
	r.replay = replay;
	r.trace_from = trace_from;
	if (err)
		run_fail(&r, "mkfs and mount: %s", err_str(err));
	if (j->kind == SMALL)
		r.g.bytes = 12u << 20;
	ok = !err && run_random(&r, j->ops);
	if (!ok)
		run_report(&r, stderr);
	printf("seed %" PRIu64 ": %" PRIu64 " operations (%" PRIu64 " with those of %" PRIu64
	       " whole comparisons), %" PRIu64 " kills, %" PRIu64 " remounts, ", j->seed, r.main_op,
	       r.n, r.checks, r.kills, r.remounts);
	if (ok) {
		run_unmount(&r);
		ok = !r.failed;
		if (!ok)
			run_report(&r, stderr);
	}
	printf("%" PRIu64 " pieces moved: %s\n", r.s.gone.moved_pieces, ok ? "ok" : "FAILED");
	if (!ok)
		_exit(1); /* a broken volume is not worth closing */
	run_close(&r);
	dev_close(dev);
	return ok;
}

static bool crash_run(const struct job *j, const char *replay)
{
	struct crash k;
	bool ok;

	crash_init(&k, j->seed);
	k.replay = replay;
	k.trace_from = trace_from;
	if (only_cut != UINT64_MAX) {
		k.only = true;
		k.only_cut = only_cut;
		k.only_seed = only_image;
		k.nest_one_in = k.go_on_one_in = 0;
	}
	ok = crash_random(&k, j->seed, j->ops);
	printf("crash seed %" PRIu64 ": %" PRIu64 " operations, %" PRIu64 " power cuts, %" PRIu64
	       " of them with a second life cut again, %" PRIu64 " pieces moved: %s\n", j->seed,
	       j->ops, k.cuts, k.nested, k.moved, ok ? "ok" : "FAILED");
	if (!ok)
		_exit(1);
	crash_free(&k);
	return ok;
}

static bool run_job(const struct job *j, const char *self)
{
	struct ace_count n = { 0 };
	char replay[512];
	bool ok;

	switch (j->kind) {
	case RANDOM: case SMALL:
		snprintf(replay, sizeof(replay), "%s %s--seed %" PRIu64 " --ops %" PRIu64, self,
			 j->kind == SMALL ? "--small " : "", j->seed, j->ops);
		return random_run(j, replay);
	case CRASH:
		snprintf(replay, sizeof(replay), "%s --crash --seed %" PRIu64 " --ops %" PRIu64,
			 self, j->seed, j->ops);
		return crash_run(j, replay);
	case ACE:
		ok = ace_run(j->length, j->k, j->of, self, &n);
		printf("ACE sequences of %u: %" PRIu64 " of %" PRIu64 " workloads, %" PRIu64
		       " power cuts: %s\n", j->length, n.workloads, ace_workloads(j->length),
		       n.cuts, ok ? "ok" : "FAILED");
		return ok;
	case STRESS:
		snprintf(replay, sizeof(replay), "%s --stress --seed %" PRIu64 " --ops %" PRIu64,
			 self, j->seed, j->ops);
		ok = stress_run(j->seed, 4, j->ops, replay);
		printf("stress seed %" PRIu64 ": 4 threads x %" PRIu64 " operations: %s\n",
		       j->seed, j->ops, ok ? "ok" : "FAILED");
		return ok;
	}
	return false;
}

/* In a child: a crash of the code under test is a failure of one case. */
static bool run_apart(const struct job *j, const char *self)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		bool ok = run_job(j, self);

		fflush(NULL);
		_exit(!ok);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return false;
	if (WIFSIGNALED(status))
		fprintf(stderr, "  kind %d seed %" PRIu64 " ops %" PRIu64 " length %u share %" PRIu64
			"/%" PRIu64 " died of signal %d\n", (int)j->kind, j->seed, j->ops,
			j->length, j->k, j->of, WTERMSIG(status));
	return status == 0;
}

static int all(const struct job *j, size_t n, const char *self)
{
	unsigned failed = 0;

	for (size_t k = 0; k < n && !(first && failed); k++)
		failed += !run_apart(&j[k], self);
	printf("%u%%: Checks: %zu, Failures: %u, Errors: 0\n",
	       (unsigned)((n - failed) * 100 / n), n, failed);
	return failed != 0;
}

static int check(const char *self)
{
	struct job j[64];
	size_t n = 0;

	for (uint64_t s = 1; s <= 3; s++)
		j[n++] = (struct job){ .kind = RANDOM, .seed = s, .ops = 20000 };
	j[n++] = (struct job){ .kind = SMALL, .seed = 5, .ops = 10000 };
	for (uint64_t s = 1; s <= 6; s++)
		j[n++] = (struct job){ .kind = CRASH, .seed = s, .ops = 250 };
	j[n++] = (struct job){ .kind = ACE, .length = 1, .k = 0, .of = 3 };
	j[n++] = (struct job){ .kind = ACE, .length = 2, .k = 0, .of = 400 };
	j[n++] = (struct job){ .kind = STRESS, .seed = 1, .ops = 3000 };
	return all(j, n, self);
}

static int check_long(const char *self)
{
	struct job *j = xcalloc(1000, sizeof(*j));
	size_t n = 0;
	int ret;

	for (uint64_t s = 100; s < 125; s++)
		j[n++] = (struct job){ .kind = RANDOM, .seed = s, .ops = 40000 };
	for (uint64_t s = 100; s < 110; s++)
		j[n++] = (struct job){ .kind = SMALL, .seed = s, .ops = 20000 };
	for (uint64_t s = 100; s < 200; s++)
		j[n++] = (struct job){ .kind = CRASH, .seed = s, .ops = 400 };
	for (uint64_t k = 0; k < 4; k++)
		j[n++] = (struct job){ .kind = ACE, .length = 1, .k = k, .of = 4 };
	for (uint64_t k = 0; k < 40; k++)
		j[n++] = (struct job){ .kind = ACE, .length = 2, .k = k, .of = 40 };
	for (uint64_t s = 1; s <= 20; s++)
		j[n++] = (struct job){ .kind = STRESS, .seed = s, .ops = 20000 };
	ret = all(j, n, self);
	free(j);
	return ret;
}

static const char *value_of(int argc, char **argv, const char *opt)
{
	for (int k = 1; k + 1 < argc; k++)
		if (!strcmp(argv[k], opt))
			return argv[k + 1];
	return NULL;
}

static bool has(int argc, char **argv, const char *opt)
{
	for (int k = 1; k < argc; k++)
		if (!strcmp(argv[k], opt))
			return true;
	return false;
}

static uint64_t number(int argc, char **argv, const char *opt, uint64_t otherwise)
{
	const char *v = value_of(argc, argv, opt);

	return v ? strtoull(v, NULL, 0) : otherwise;
}

static int ace_args(int argc, char **argv)
{
	struct job j = { .kind = ACE, .of = 1 };
	const char *v = value_of(argc, argv, "--ace");
	bool ok = true;

	if (!v) {
		v = value_of(argc, argv, "--ace-one");
		return !ace_one((unsigned)atoi(v), strtoull(strchr(v, ':') + 1, NULL, 10), true);
	}
	j.k = strtoull(v, NULL, 10);
	if (strchr(v, '/'))
		j.of = strtoull(strchr(v, '/') + 1, NULL, 10);
	j.k %= j.of;
	for (j.length = 1; j.length <= 2; j.length++)
		ok = run_job(&j, argv[0]) && ok;
	return !ok;
}

int main(int argc, char **argv)
{
	struct job j = { .kind = RANDOM };

	setlinebuf(stdout);
	trace_from = number(argc, argv, "--trace", 0);
	verbose = has(argc, argv, "--verbose");
	only_cut = number(argc, argv, "--cut", UINT64_MAX);
	only_image = number(argc, argv, "--image", 0);
	msg_set_hook(hush);
	first = has(argc, argv, "--first");
	if (argc == 1 || first)
		return check(argv[0]);
	if (has(argc, argv, "--long"))
		return check_long(argv[0]);
	if (has(argc, argv, "--ace") || has(argc, argv, "--ace-one"))
		return ace_args(argc, argv);
	if (has(argc, argv, "--crash"))
		j.kind = CRASH;
	else if (has(argc, argv, "--stress"))
		j.kind = STRESS;
	else if (has(argc, argv, "--small"))
		j.kind = SMALL;
	j.seed = number(argc, argv, "--seed", (uint64_t)clock_mono() % 1000000);
	j.ops = number(argc, argv, "--ops", j.kind == CRASH ? 250 : 20000);
	return !run_job(&j, argv[0]);
}
