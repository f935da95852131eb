/* SPDX-License-Identifier: MIT */
/* metarate.c - how many operations on names per second.
 *
 * metarate DIR THREADS FILES PHASE...
 *
 * FILES are shared out among THREADS, each in a directory of its own below
 * DIR, each pinned to one CPU.  The phases run one after the other, all
 * threads starting together; each prints "PHASE THREADS operations/s":
 *
 *   create   open(O_CREAT|O_EXCL) and close, empty files
 *   write    open, write 1 KiB, close
 *   stat     lstat
 *   read     open, read all, close
 *   rename   to another name in the same directory
 *   unlink   what rename has left
 *
 * State stays in DIR, so that a caller can mount again between phases. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct job {
	const char *phase;
	const char *dir;
	int thread, n_files;
	pthread_barrier_t *start;
	double end;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "metarate: %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

/* Names in an order that is not that of creation, the same in every phase. */
static void path_of(const struct job *j, int i, char suffix, char *path, size_t size)
{
	snprintf(path, size, "%s/t%d/file-%07d%c", j->dir, j->thread,
		 (int)((long)i * 7919 % j->n_files), suffix);
}

static void make(const struct job *j, int i)
{
	char path[4096];
	int fd;

	path_of(j, i, 'a', path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		fail("create", path);
	close(fd);
}

static void write_one(const struct job *j, int i)
{
	static const char text[1024] = "sediment";
	char path[4096];
	int fd;

	path_of(j, i, 'a', path, sizeof(path));
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, sizeof(text)) != sizeof(text))
		fail("write", path);
	close(fd);
}

static void stat_one(const struct job *j, int i)
{
	char path[4096];
	struct stat st;

	path_of(j, i, 'a', path, sizeof(path));
	if (lstat(path, &st) < 0)
		fail("stat", path);
}

static void read_one(const struct job *j, int i)
{
	char path[4096], text[2048];
	int fd;

	path_of(j, i, 'a', path, sizeof(path));
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text)) != 1024)
		fail("read", path);
	close(fd);
}

static void rename_one(const struct job *j, int i)
{
	char from[4096], to[4096];

	path_of(j, i, 'a', from, sizeof(from));
	path_of(j, i, 'b', to, sizeof(to));
	if (rename(from, to) < 0)
		fail("rename", from);
}

static void unlink_one(const struct job *j, int i)
{
	char path[4096];

	path_of(j, i, 'b', path, sizeof(path));
	if (unlink(path) < 0)
		fail("unlink", path);
}

static const struct {
	const char *name;
	void (*run)(const struct job *j, int i);
} phases[] = {
	{ "create", make }, { "write", write_one }, { "stat", stat_one },
	{ "read", read_one }, { "rename", rename_one }, { "unlink", unlink_one },
};

static void *run(void *arg)
{
	void (*op)(const struct job *, int) = NULL;
	struct job *j = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(j->thread % (int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (size_t p = 0; p < sizeof(phases) / sizeof(phases[0]); p++)
		if (strcmp(phases[p].name, j->phase) == 0)
			op = phases[p].run;
	if (!op) {
		fprintf(stderr, "metarate: no phase %s\n", j->phase);
		exit(2);
	}
	pthread_barrier_wait(j->start);
	for (int i = 0; i < j->n_files; i++)
		op(j, i);
	j->end = now();
	return NULL;
}

static void run_phase(const char *phase, const char *dir, int n_threads, int n_files)
{
	struct job *jobs = calloc((size_t)n_threads, sizeof(*jobs));
	pthread_t *ids = calloc((size_t)n_threads, sizeof(*ids));
	double started, ended = 0;
	pthread_barrier_t start;

	if (!jobs || !ids)
		fail("memory for", phase);
	pthread_barrier_init(&start, NULL, (unsigned)n_threads + 1);
	for (int t = 0; t < n_threads; t++) {
		jobs[t] = (struct job) { phase, dir, t, n_files, &start, 0 };
		if (strcmp(phase, "create") == 0) {
			char sub[4096];

			snprintf(sub, sizeof(sub), "%s/t%d", dir, t);
			if (mkdir(sub, 0755) < 0 && errno != EEXIST)
				fail("mkdir", sub);
		}
		if (pthread_create(&ids[t], NULL, run, &jobs[t]) != 0)
			fail("thread for", phase);
	}
	started = now();
	pthread_barrier_wait(&start);
	for (int t = 0; t < n_threads; t++) {
		pthread_join(ids[t], NULL);
		if (jobs[t].end > ended)
			ended = jobs[t].end;
	}
	printf("%s %d %.0f\n", phase, n_threads, n_threads * n_files / (ended - started));
	fflush(stdout);
	free(jobs);
	free(ids);
}

int main(int argc, char **argv)
{
	int n_threads, n_files;

	if (argc < 5) {
		fprintf(stderr, "usage: metarate DIR THREADS FILES PHASE...\n");
		return 2;
	}
	n_threads = atoi(argv[2]);
	n_files = atoi(argv[3]);
	if (n_threads < 1 || n_files < n_threads) {
		fprintf(stderr, "metarate: at least one thread, and one file for each\n");
		return 2;
	}
	/* 7919 is prime: with a multiple of it names would repeat. */
	n_files /= n_threads;
	if (n_files % 7919 == 0)
		n_files--;
	for (int i = 4; i < argc; i++)
		run_phase(argv[i], argv[1], n_threads, n_files);
	return 0;
}
