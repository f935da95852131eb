/* SPDX-License-Identifier: MIT */
/* scrub.c - the scrub's course: pages, then pieces, step by step (scrub.h). */
#include "store/scrub.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "log/piece.h"
#include "store/scrub_int.h"

#define U(x) ((unsigned long long)(x))
#define GATHER 256u        /* pieces of one step */
#define STEP_BYTES (4u << 20)
#define GAP_MAX (64u << 10) /* rather read this than begin anew */

/* --- what is kept across mounts --- */

static void load(struct scrub *s)
{
	struct xattr_row x;
	char text[256];
	unsigned state, data;
	struct scrub_status st = { 0 };
	int err;

	s->st.limit = SCRUB_LIMIT;
	vol_rdlock(s->v);
	err = state_xattr(s->v->state, s->c->rd, VARVE_ROOT_INO, SCRUB_XATTR,
			  strlen(SCRUB_XATTR), &x, NULL);
	vol_unlock(s->v);
	if (err)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)MIN(x.len, sizeof(text) - 1),
		 (const char *)x.value);
	free((void *)x.value);
	if (sscanf(text, "1 %u %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNi64 " %" SCNi64 " %" SCNu64, &state, &data, &s->pos,
		   &s->end, &st.done, &st.total, &st.errors, &st.limit, &st.started, &st.ended,
		   &st.spent) != 11 || state > SCRUB_CANCELED || data > 1)
		return;
	st.state = state;
	st.data = data;
	s->st = st;
	if (state == SCRUB_RUNNING)
		msg_info("%s: going on with the scrub", dev_name(s->v->dev));
}

/* Damage that has not been named yet must be found again. */
static void print_state(struct scrub *s, char *text, size_t room)
{
	uint64_t pos, errors;

	pthread_mutex_lock(&s->mu);
	pos = s->pos;
	errors = s->st.errors;
	for (size_t i = 0; i < s->nbad; i++)
		pos = MIN(pos, s->bad[i].piece - 1);
	errors -= MIN(errors, s->nbad);
	snprintf(text, room, "1 %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		 " %" PRIu64 " %" PRIi64 " %" PRIi64 " %" PRIu64, s->st.state, s->st.data, pos,
		 s->end, s->st.done, s->st.total, errors, s->st.limit, s->st.started, s->st.ended,
		 s->st.spent);
	s->changed = false;
	pthread_mutex_unlock(&s->mu);
}

static int save(struct scrub *s)
{
	struct rec r = { .kind = REC_SETXATTR, .flags = REC_XATTR_QUIET };
	struct rec_xattr *a = &r.setxattr.x;
	struct xattr_row x;
	char text[256];
	int err;

	s->saved = clock_mono();
	if (vol_readonly(s->v))
		return 0;
	print_state(s, text, sizeof(text));
	err = vol_admit_system(s->c);
	if (err)
		return err;
	r.setxattr.ino = VARVE_ROOT_INO;
	a->name = SCRUB_XATTR;
	a->namelen = (uint8_t)strlen(SCRUB_XATTR);
	a->value = text;
	a->len = (uint32_t)strlen(text);
	vol_wrlock(s->v);
	err = state_xattr(s->v->state, s->c->rd, VARVE_ROOT_INO, a->name, a->namelen, &x,
			  &a->slot);
	if (!err) {
		a->slot = x.slot;
		free((void *)x.value);
	}
	if (!err || err == -ENOENT)
		err = vol_commit(s->c, &r, SEG_CLEANING, NULL);
	vol_unlock(s->v);
	if (err && err != -ENOSPC && err != -VE_READONLY)
		msg_warn("%s: how far the scrub is cannot be kept: %s", dev_name(s->v->dev),
			 err_str(err));
	return err;
}

/* --- pages --- */

static void bad_page(void *arg, uint64_t addr, uint32_t pgno, int err)
{
	struct scrub *s = arg;

	pthread_mutex_lock(&s->mu);
	s->st.errors++;
	pthread_mutex_unlock(&s->mu);
	if (pgno)
		msg_err("%s: database page %u is damaged (device byte %llu): %s",
			dev_name(s->v->dev), pgno, U(addr), err_str(err));
	else
		msg_err("%s: the page map of the database is damaged (device byte %llu): %s",
			dev_name(s->v->dev), U(addr), err_str(err));
}

static uint64_t pages_step(struct scrub *s)
{
	struct page_store *ps = pstore_pages(s->v->ps);
	struct ps_image *img = ps->ops->acquire(ps);
	uint64_t bytes = 0;
	bool more = s->pos < ps->ops->npages(ps, img);

	if (more)
		bytes = pstore_scrub(s->v->ps, img, (uint32_t)s->pos + 1, bad_page, s);
	ps->ops->release(ps, img);
	pthread_mutex_lock(&s->mu);
	if (more) {
		s->pos += MAP_FANOUT;
	} else {
		s->pos = 0;
		s->st.data = true;
	}
	pthread_mutex_unlock(&s->mu);
	return bytes;
}

/* --- pieces --- */

struct gather {
	struct scrub *s;
	uint64_t bytes, last;
};

static int gather_one(void *arg, const struct piece_row *p)
{
	struct gather *g = arg;
	struct scrub *s = g->s;
	uint32_t seg = segs_index(s->v->segs, p->addr);

	if (p->id >= s->end)
		return 1;
	g->last = p->id;
	if (!p->stored || p->stored > VARVE_PIECE_MAX || p->nsums != piece_nsums(p->stored) ||
	    seg == UINT32_MAX || segs_index(s->v->segs, p->addr + p->stored - 1) != seg) {
		msg_err("%s: piece %llu has an impossible place: run fsck.varve",
			dev_name(s->v->dev), U(p->id));
		return 0;
	}
	if (s->nitems == s->cap_items) {
		s->cap_items = s->cap_items ? 2 * s->cap_items : 64;
		s->item = xrealloc(s->item, s->cap_items * sizeof(*s->item));
	}
	if (s->nsums + p->nsums > s->cap_sums) {
		s->cap_sums = MAX(2 * s->cap_sums, s->nsums + p->nsums);
		s->sums = xrealloc(s->sums, s->cap_sums * sizeof(*s->sums));
	}
	s->item[s->nitems++] = (struct scrub_item){ p->id, p->addr, p->stored, p->nsums, s->nsums };
	memcpy(s->sums + s->nsums, p->sums, p->nsums * sizeof(*s->sums));
	s->nsums += p->nsums;
	g->bytes += p->stored;
	return s->nitems >= GATHER || g->bytes >= STEP_BYTES;
}

static int item_cmp(const void *a, const void *b)
{
	const struct scrub_item *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void note_bad(struct scrub *s, const struct scrub_item *i, uint32_t unit)
{
	if (s->nbad == s->cap_bad) {
		s->cap_bad = s->cap_bad ? 2 * s->cap_bad : 64;
		s->bad = xrealloc(s->bad, s->cap_bad * sizeof(*s->bad));
	}
	s->bad[s->nbad++] = (struct scrub_bad){ i->id, i->addr + (uint64_t)unit * VARVE_BLOCK,
						unit, false };
	pthread_mutex_lock(&s->mu);
	s->st.errors++;
	pthread_mutex_unlock(&s->mu);
}

/* Unit by unit: what lasts is damage. */
static void look_closely(struct scrub *s, const struct scrub_item *i)
{
	uint8_t *own = dev_alloc(2 * VARVE_BLOCK);

	for (uint32_t u = 0; u < i->nsums; u++) {
		uint64_t addr = i->addr + (uint64_t)u * VARVE_BLOCK;
		uint64_t from = align_down(addr, VARVE_BLOCK);
		uint32_t len = MIN(VARVE_BLOCK, i->stored - u * VARVE_BLOCK);
		uint32_t span = (uint32_t)(align_up(addr + len, VARVE_BLOCK) - from);

		if (dev_read(s->v->dev, own, from, span) ||
		    piece_verify_units(own + (addr - from), i->stored, s->sums + i->sum_at,
				       i->nsums, u, 1))
			note_bad(s, i, u);
	}
	dev_free(own);
}

static bool in_memory(struct scrub *s, const struct scrub_item *i)
{
	uint8_t byte;

	return s->v->log && log_read_mem(s->v->log, i->addr, 1, &byte);
}

/* Pieces from i on that lie close together, read at once. */
static uint32_t check_run(struct scrub *s, uint32_t i)
{
	uint64_t base = align_down(s->item[i].addr, VARVE_BLOCK), end = base;
	uint32_t n = i;
	int err;

	for (; n < s->nitems; n++) {
		const struct scrub_item *p = &s->item[n];
		uint64_t e = align_up(p->addr + p->stored, VARVE_BLOCK);

		if (n > i && (e - base > STEP_BYTES || p->addr > end + GAP_MAX))
			break;
		end = MAX(end, e);
	}
	err = dev_read(s->v->dev, s->buf, base, (uint32_t)(end - base));
	for (; i < n; i++) {
		const struct scrub_item *p = &s->item[i];

		if (err || piece_verify(s->buf + (p->addr - base), p->stored, s->sums + p->sum_at,
					p->nsums))
			look_closely(s, p);
	}
	return n;
}

static int data_step(struct scrub *s, uint64_t *ret_bytes)
{
	struct gather g = { .s = s, .last = s->pos };
	struct vol *v = s->v;
	uint32_t kept = 0;
	unsigned era;
	int n;

	s->nitems = s->nsums = 0;
	vol_rdlock(v);
	n = state_pieces(v->state, s->c->rd, s->pos, gather_one, &g);
	/* As for any read: what dies now is not reused before the era is left. */
	era = atomic_load(&v->era);
	atomic_fetch_add(&v->reads[era], 1);
	vol_unlock(v);
	if (n >= 0) {
		/* What is on its way is not on the device yet. */
		for (uint32_t i = 0; i < s->nitems; i++)
			if (!in_memory(s, &s->item[i]))
				s->item[kept++] = s->item[i];
		s->nitems = kept;
		if (kept > 1)
			qsort(s->item, kept, sizeof(*s->item), item_cmp);
		for (uint32_t i = 0; i < kept; )
			i = check_run(s, i);
	}
	atomic_fetch_sub(&v->reads[era], 1);
	if (n < 0)
		return n;
	*ret_bytes = g.bytes;
	n = g.last > s->pos;
	pthread_mutex_lock(&s->mu);
	s->pos = g.last;
	pthread_mutex_unlock(&s->mu);
	return n;
}

/* --- one step --- */

static void set_ended(struct scrub *s, enum scrub_state state)
{
	pthread_mutex_lock(&s->mu);
	s->st.state = state;
	s->st.ended = clock_wall();
	s->changed = true;
	pthread_mutex_unlock(&s->mu);
}

static int one_step(struct scrub *s, uint64_t *ret_bytes)
{
	int err;

	*ret_bytes = 0;
	if (!s->st.data) {
		*ret_bytes = pages_step(s);
		return 1;
	}
	err = data_step(s, ret_bytes);
	if (err >= 0 && (err == 0 || s->nbad >= SCRUB_BAD_MAX)) {
		int e = scrub_name_bad(s);

		err = e < 0 ? e : err;
	}
	if (err == 0 && !s->nbad) {
		set_ended(s, SCRUB_FINISHED);
		msg_info("%s: scrub finished, %llu damaged blocks", dev_name(s->v->dev),
			 U(s->st.errors));
	}
	return err;
}

int scrub_step(struct scrub *s)
{
	int64_t began = clock_mono();
	bool running, changed;
	uint64_t bytes = 0;
	int err = 0;

	pthread_mutex_lock(&s->mu);
	running = s->st.state == SCRUB_RUNNING;
	changed = s->changed;
	pthread_mutex_unlock(&s->mu);
	if (running)
		err = one_step(s, &bytes);
	else if (s->nbad) /* canceled */
		err = scrub_name_bad(s);
	if (err < 0) {
		msg_err("%s: scrub: %s", dev_name(s->v->dev), err_str(err));
		set_ended(s, SCRUB_CANCELED);
	}
	pthread_mutex_lock(&s->mu);
	s->st.done += bytes;
	s->st.spent += (uint64_t)(clock_mono() - began);
	changed |= s->changed;
	pthread_mutex_unlock(&s->mu);
	if (changed || (running && clock_mono() - s->saved > SCRUB_SAVE_MS * 1000000ll))
		if (save(s) == -ENOSPC)
			s->saved = clock_mono(); /* later, then */
	ring_run(s->ring, 0);
	return err < 0 ? err : running && err;
}

/* --- commands --- */

static void wake(struct scrub *s)
{
	if (s->has_thread && !atomic_exchange(&s->kicked, true))
		ring_post(s->ring, &s->kick, 0);
}

int scrub_begin(struct scrub *s)
{
	struct vol *v = s->v;
	struct pstore_stats ps;
	uint64_t end, bytes;
	int err = 0;

	if (vol_readonly(v))
		return -VE_READONLY;
	vol_rdlock(v);
	end = v->count.next_piece;
	bytes = v->count.data_bytes;
	vol_unlock(v);
	pstore_get_stats(v->ps, &ps);
	pthread_mutex_lock(&s->mu);
	if (s->st.state == SCRUB_RUNNING) {
		err = -EBUSY;
	} else {
		s->st = (struct scrub_status){
			.state = SCRUB_RUNNING, .limit = s->st.limit, .started = clock_wall(),
			.total = bytes + (ps.pages + ps.pages / MAP_FANOUT + 1) * VARVE_BLOCK,
		};
		s->pos = 0;
		s->end = end;
		s->changed = true;
	}
	pthread_mutex_unlock(&s->mu);
	if (!err)
		wake(s);
	return err;
}

int scrub_cancel(struct scrub *s)
{
	int err = -ENOTCONN;

	pthread_mutex_lock(&s->mu);
	if (s->st.state == SCRUB_RUNNING) {
		s->st.state = SCRUB_CANCELED;
		s->st.ended = clock_wall();
		s->changed = true;
		err = 0;
	}
	pthread_mutex_unlock(&s->mu);
	wake(s);
	return err;
}

void scrub_set_limit(struct scrub *s, uint64_t bytes_per_second)
{
	pthread_mutex_lock(&s->mu);
	s->st.limit = bytes_per_second;
	s->changed = true;
	pthread_mutex_unlock(&s->mu);
	wake(s);
}

void scrub_get(struct scrub *s, struct scrub_status *ret)
{
	pthread_mutex_lock(&s->mu);
	*ret = s->st;
	pthread_mutex_unlock(&s->mu);
}

/* --- the thread --- */

static void kicked(struct ring_op *op, int res, uint32_t flags)
{
	struct scrub *s = container_of(op, struct scrub, kick);

	atomic_store(&s->kicked, false);
}

/* Until what has been read since began may have been; a new limit counts at once. */
static void pause_for(struct scrub *s, uint64_t bytes, int64_t began)
{
	struct scrub_status st;
	int64_t from = clock_mono(), now, until;

	for (;;) {
		scrub_get(s, &st);
		now = clock_mono();
		until = began + (st.limit ? (int64_t)((double)bytes * 1e9 / (double)st.limit) : 0);
		if (now >= until || st.state != SCRUB_RUNNING || atomic_load(&s->stop) ||
		    ring_run(s->ring, MIN(until - now, 1000000000)) < 0)
			break;
	}
	pthread_mutex_lock(&s->mu);
	s->st.spent += (uint64_t)(now - from);
	pthread_mutex_unlock(&s->mu);
}

static void work(struct scrub *s)
{
	while (!atomic_load(&s->stop)) {
		struct scrub_status before, after;
		int64_t began = clock_mono();
		int more;

		scrub_get(s, &before);
		more = scrub_step(s);
		scrub_get(s, &after);
		if (more > 0)
			pause_for(s, after.done - before.done, began);
		else if (after.state != SCRUB_RUNNING && ring_run(s->ring, 1000000000) < 0)
			break;
	}
}

static int open_context(struct scrub *s)
{
	int err = ring_create(64, 0, &s->ring);

	if (!err)
		err = vol_ctx_open(s->v, s->ring, &s->c);
	if (!err)
		load(s);
	return err;
}

static void close_context(struct scrub *s)
{
	if (s->c && (s->changed || s->st.state == SCRUB_RUNNING) && save(s))
		msg_debug("the scrub begins where it was before");
	vol_ctx_close(s->c);
	s->c = NULL;
}

struct starting {
	struct scrub *s;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool up;
	int err;
};

static void *scrub_main(void *arg)
{
	struct starting *st = arg;
	struct scrub *s = st->s;
	sigset_t all;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	err = open_context(s);
	pthread_mutex_lock(&st->lock);
	st->err = err;
	st->up = true;
	pthread_cond_signal(&st->cond);
	pthread_mutex_unlock(&st->lock);
	if (!err)
		work(s);
	close_context(s);
	return NULL;
}

static int start_thread(struct scrub *s)
{
	struct starting st = { .s = s };
	int err;

	pthread_mutex_init(&st.lock, NULL);
	pthread_cond_init(&st.cond, NULL);
	err = -pthread_create(&s->thread, NULL, scrub_main, &st);
	if (!err) {
		pthread_mutex_lock(&st.lock);
		while (!st.up)
			pthread_cond_wait(&st.cond, &st.lock);
		pthread_mutex_unlock(&st.lock);
		err = st.err;
		if (err)
			pthread_join(s->thread, NULL);
		else
			s->has_thread = true;
	}
	pthread_cond_destroy(&st.cond);
	pthread_mutex_destroy(&st.lock);
	return err;
}

int scrub_open(struct vol *v, const struct scrub_opts *o, struct scrub **ret)
{
	struct scrub *s = xcalloc(1, sizeof(*s));
	int err;

	s->v = v;
	s->kick.fn = kicked;
	s->saved = clock_mono();
	pthread_mutex_init(&s->mu, NULL);
	s->buf = dev_alloc(STEP_BYTES + VARVE_PIECE_MAX + 2 * VARVE_BLOCK);
	err = o && o->no_thread ? open_context(s) : start_thread(s);
	if (err) {
		scrub_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

void scrub_close(struct scrub *s)
{
	if (!s)
		return;
	atomic_store(&s->stop, true);
	if (s->has_thread) {
		wake(s);
		pthread_join(s->thread, NULL);
	} else {
		close_context(s);
	}
	ring_destroy(s->ring);
	pthread_mutex_destroy(&s->mu);
	dev_free(s->buf);
	free(s->item);
	free(s->sums);
	free(s->bad);
	free(s);
}
