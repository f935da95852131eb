/* SPDX-License-Identifier: MIT */
/* stress.c - several threads on one volume, each with its own context and its
 * own subtree and model, while the checkpoint thread runs: each must see its
 * subtree as if it were alone.  Meant for TSan too. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "crash.h"

struct worker {
	pthread_t thread;
	const struct sut *main;
	struct run r;
	struct fs_attr root;
	uint64_t seed, n;
	bool ok;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct run *r = &w->r;
	int err;

	memset(r, 0, sizeof(*r));
	gen_init(&r->g, w->seed);
	r->g.control = 200;
	r->g.remounts = false;
	r->check_every = 0;
	r->quiet = r->shared = true;
	err = sut_join(&r->s, w->main);
	if (err) {
		w->ok = run_fail(r, "context: %s", err_str(err));
		return NULL;
	}
	r->m = model_new(&w->root);
	model_hold(r->m, r->m->root)->parent = VARVE_ROOT_INO;
	w->ok = run_random(r, w->n);
	run_cursors_drop(r);
	sut_leave(&r->s);
	return NULL;
}

static bool make_roots(struct sut *s, struct worker *w, unsigned threads)
{
	struct fs_cred cr = { 0 };

	for (unsigned k = 0; k < threads; k++) {
		char name[32];

		snprintf(name, sizeof(name), "thread%u", k);
		if (fs_make(s->ctx, &cr, VARVE_ROOT_INO, name, S_IFDIR | 0755, 0, &w[k].root))
			return false;
	}
	return true;
}

/* The same trees on the volume mounted again. */
static bool compare(struct sut *s, struct worker *w)
{
	struct run x;
	bool ok;

	model_forget_all(w->r.m);
	run_scratch(&x, s, w->r.m, w->r.g.wall);
	x.times = false;
	x.shared = true;
	ok = run_check_tree(&x);
	if (!ok)
		run_fail(&w->r, "after a remount: %s", x.why);
	return ok;
}

bool stress_run(uint64_t seed, unsigned threads, uint64_t n, const char *replay)
{
	struct worker *w = calloc(threads, sizeof(*w));
	struct dev *dev;
	struct sut s;
	char *text = NULL;
	bool ok = true;
	int err = dev_mem_new(256ull << 20, &dev);

	sut_init(&s, dev);
	s.vo.no_ckpt_thread = false;
	s.vo.threads = threads + 1;
	s.vo.ckpt_ms = 50;
	s.vo.commit_ms = 10;
	s.vo.overlay_bytes = 256u << 10;
	s.vo.no_backup = false;
	s.vo.backup_ms = 500;
	s.compacts = true;
	s.go.no_thread = false;
	s.go.soft_percent = 95;
	if (!err)
		err = sut_mkfs(&s);
	if (!err)
		err = sut_mount(&s, false);
	if (err || !make_roots(&s, w, threads)) {
		fprintf(stderr, "  stress: cannot begin: %s\n", err_str(err));
		return false;
	}
	run_clock_set(1700000000ll * 1000000000);
	for (unsigned k = 0; k < threads; k++) {
		w[k].main = &s;
		w[k].seed = seed * 1000 + k;
		w[k].n = n;
		pthread_create(&w[k].thread, NULL, work, &w[k]);
	}
	for (unsigned k = 0; k < threads; k++)
		pthread_join(w[k].thread, NULL);
	for (unsigned k = 0; k < threads; k++)
		ok = w[k].ok && ok;
	if (ok && sut_verify(&s, &text)) {
		fprintf(stderr, "  stress: %s", text);
		ok = false;
	}
	free(text);
	if (ok && (sut_unmount(&s) || sut_mount(&s, false)))
		ok = false;
	for (unsigned k = 0; k < threads && ok; k++)
		ok = compare(&s, &w[k]);
	for (unsigned k = 0; k < threads; k++) {
		w[k].r.replay = replay;
		if (w[k].r.failed)
			run_report(&w[k].r, stderr);
		model_free(w[k].r.m);
	}
	if (ok && sut_unmount(&s))
		ok = false;
	if (ok) {
		sut_free(&s);
		dev_close(dev);
	}
	free(w);
	return ok;
}
