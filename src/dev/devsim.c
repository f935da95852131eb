/* SPDX-License-Identifier: MIT */
/* devsim.c - RAM devices, plain and recording (devsim.h).
 *
 * Content is a map from block number to a reference-counted block; copies and
 * crash images share blocks until one side writes.
 *
 * A request takes effect at submission; its completion is delivered by the
 * ring.  What that makes durable follows dev.h to the letter, so that a caller
 * who flushes without having waited for his writes is found out: a flush covers
 * the writes whose completion had been delivered when it was submitted, and
 * counts once its own completion has been delivered. */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/msg.h"
#include "base/omap.h"
#include "dev/dev_impl.h"
#include "dev/devsim.h"

#define SECTOR 512u
#define PENDING SIZE_MAX

struct block {
	_Atomic unsigned refs;
	uint8_t data[VARVE_BLOCK];
};

/* One write, flush or discard; number of events when it was completed. */
struct event {
	enum dev_op op;
	uint64_t off, len;
	uint8_t *data; /* WRITE */
	size_t completed;
};

struct rule {
	enum dev_op op;
	uint64_t nth;
	unsigned times; /* 0: for ever */
	int err;
	struct rule *next;
};

struct sim {
	struct dev d;
	bool records;
	pthread_mutex_t mutex; /* guards what follows */
	struct omap *blocks;
	struct rule *rules;
	bool cut;
	struct event *events;
	size_t n_events, events_room;
	struct omap *origin; /* what was there before the first event; NULL: zeros */
	/* For images at ascending cuts: the first base_n events applied, all of
	 * them durable by the flush at base_flush. */
	struct omap *base;
	size_t base_n, base_flush;
};

static const struct dev_ops sim_ops;

static struct sim *sim(const struct dev *d)
{
	if (d->ops != &sim_ops)
		msg_panic("%s: not a simulated device", d->name);
	return container_of(d, struct sim, d);
}

static void block_unref(void *p)
{
	struct block *b = p;

	if (b && atomic_fetch_sub(&b->refs, 1) == 1)
		free(b);
}

static struct okey key_of(uint64_t off)
{
	return (struct okey){ 0, off / VARVE_BLOCK };
}

/* The block at off, owned by this map alone. */
static struct block *own_block(struct omap *map, uint64_t off)
{
	struct block *old = omap_get(map, key_of(off)), *b;

	if (old && atomic_load(&old->refs) == 1)
		return old;
	b = xmalloc(sizeof(*b));
	atomic_init(&b->refs, 1);
	if (old)
		memcpy(b->data, old->data, VARVE_BLOCK);
	else
		memset(b->data, 0, VARVE_BLOCK);
	block_unref(omap_put(map, key_of(off), b));
	return b;
}

/* Any range that stays inside one block, or whole blocks. */
static void map_write(struct omap *map, uint64_t off, const uint8_t *data, uint64_t len)
{
	while (len) {
		uint64_t at = off % VARVE_BLOCK, n = MIN(len, VARVE_BLOCK - at);

		memcpy(own_block(map, off)->data + at, data, n);
		off += n;
		data += n;
		len -= n;
	}
}

static void map_read(const struct omap *map, uint64_t off, uint8_t *data, uint64_t len)
{
	for (; len; len -= VARVE_BLOCK, off += VARVE_BLOCK, data += VARVE_BLOCK) {
		const struct block *b = omap_get(map, key_of(off));

		if (b)
			memcpy(data, b->data, VARVE_BLOCK);
		else
			memset(data, 0, VARVE_BLOCK);
	}
}

static void map_discard(struct omap *map, uint64_t off, uint64_t len)
{
	struct okey end = key_of(off + len);
	struct omap_cur c;

	for (;;) {
		omap_seek(map, key_of(off), &c);
		if (!c.val || okey_cmp(c.key, end) >= 0)
			return;
		block_unref(omap_del(map, c.key));
	}
}

static struct omap *map_copy(const struct omap *from)
{
	struct omap *map = omap_new();
	struct omap_cur c;

	for (omap_seek(from, (struct okey){ 0, 0 }, &c); c.val; omap_next(&c)) {
		struct block *b = c.val;

		atomic_fetch_add(&b->refs, 1);
		omap_put(map, c.key, b);
	}
	return map;
}

/* What an injected fault or the cut answers to this request, else 0. */
static int fault(struct sim *s, enum dev_op op)
{
	int err = s->cut ? -VE_DEV_GONE : 0;
	struct rule **p = &s->rules, *rule;

	while ((rule = *p)) {
		if (rule->op != op || (rule->nth && rule->nth--)) {
			p = &rule->next;
			continue;
		}
		if (!err)
			err = rule->err;
		if (rule->times && !--rule->times) {
			*p = rule->next;
			free(rule);
		} else {
			p = &rule->next;
		}
	}
	return err;
}

static size_t record(struct sim *s, const struct dev_req *req)
{
	struct event *e;

	if (s->n_events == s->events_room) {
		s->events_room = s->events_room ? 2 * s->events_room : 256;
		s->events = xrealloc(s->events, s->events_room * sizeof(*e));
	}
	e = &s->events[s->n_events];
	*e = (struct event){ .op = req->op, .off = req->off, .completed = PENDING };
	if (req->op == DEV_WRITE) {
		e->len = req->len;
		e->data = xmalloc(req->len);
		memcpy(e->data, req->buf, req->len);
	} else if (req->op == DEV_DISCARD) {
		e->len = req->discard_len;
	}
	return s->n_events++;
}

static void perform(struct sim *s, struct dev_req *req)
{
	switch (req->op) {
	case DEV_READ:
		map_read(s->blocks, req->off, req->buf, req->len);
		break;
	case DEV_WRITE:
		map_write(s->blocks, req->off, req->buf, req->len);
		break;
	case DEV_DISCARD:
		map_discard(s->blocks, req->off, req->discard_len);
		break;
	case DEV_FLUSH:
		break;
	}
}

static void recorded_done(struct ring_op *rop, int res, uint32_t flags)
{
	struct dev_req *req = container_of(rop, struct dev_req, rop);
	struct sim *s = sim(req->dev);

	pthread_mutex_lock(&s->mutex);
	s->events[res].completed = s->n_events;
	pthread_mutex_unlock(&s->mutex);
	dev_req_done(req, 0);
}

static void sim_submit(struct dev *d, struct ring *r, struct dev_req *req)
{
	struct sim *s = sim(d);
	size_t event = PENDING;
	int err;

	pthread_mutex_lock(&s->mutex);
	err = fault(s, req->op);
	if (!err) {
		perform(s, req);
		if (s->records && req->op != DEV_READ)
			event = record(s, req);
	}
	pthread_mutex_unlock(&s->mutex);
	if (event == PENDING) {
		dev_req_ready(req, err);
	} else {
		req->rop.fn = recorded_done;
		ring_ready(r, &req->rop, (int)event);
	}
}

static void sim_close(struct dev *d)
{
	struct sim *s = sim(d);

	omap_free(s->blocks, block_unref);
	omap_free(s->base, block_unref);
	omap_free(s->origin, block_unref);
	while (s->rules) {
		struct rule *rule = s->rules;

		s->rules = rule->next;
		free(rule);
	}
	for (size_t i = 0; i < s->n_events; i++)
		free(s->events[i].data);
	free(s->events);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

static const struct dev_ops sim_ops = {
	.submit = sim_submit,
	.close = sim_close,
};

static struct sim *sim_new(const char *name, uint64_t size, struct omap *blocks)
{
	struct sim *s = xcalloc(1, sizeof(*s));

	s->d.ops = &sim_ops;
	s->d.name = xmalloc(strlen(name) + 1);
	strcpy(s->d.name, name);
	s->d.size = align_down(size, VARVE_BLOCK);
	s->d.logical_block = SECTOR;
	s->blocks = blocks;
	pthread_mutex_init(&s->mutex, NULL);
	return s;
}

int dev_mem_new(uint64_t size, struct dev **ret)
{
	if (size < VARVE_BLOCK)
		return -VE_DEV_SMALL;
	*ret = &sim_new("ram", size, omap_new())->d;
	return 0;
}

int dev_crash_new(uint64_t size, struct dev **ret)
{
	struct sim *s;

	if (size < VARVE_BLOCK)
		return -VE_DEV_SMALL;
	s = sim_new("crash", size, omap_new());
	s->records = true;
	*ret = &s->d;
	return 0;
}

int dev_crash_from(struct dev *d, struct dev **ret)
{
	struct sim *s = sim(d), *c;

	pthread_mutex_lock(&s->mutex);
	c = sim_new("crash", d->size, map_copy(s->blocks));
	c->origin = map_copy(s->blocks);
	pthread_mutex_unlock(&s->mutex);
	c->records = true;
	*ret = &c->d;
	return 0;
}

int dev_mem_copy(struct dev *d, struct dev **ret)
{
	struct sim *s = sim(d);

	pthread_mutex_lock(&s->mutex);
	*ret = &sim_new("ram", d->size, map_copy(s->blocks))->d;
	pthread_mutex_unlock(&s->mutex);
	return 0;
}

size_t dev_crash_events(const struct dev *d)
{
	struct sim *s = sim(d);
	size_t n;

	pthread_mutex_lock(&s->mutex);
	n = s->n_events;
	pthread_mutex_unlock(&s->mutex);
	return n;
}

void dev_crash_cut(struct dev *d)
{
	struct sim *s = sim(d);

	pthread_mutex_lock(&s->mutex);
	s->cut = true;
	pthread_mutex_unlock(&s->mutex);
}

void dev_sim_fail(struct dev *d, enum dev_op op, uint64_t nth, unsigned times, int err)
{
	struct sim *s = sim(d);
	struct rule *rule = xmalloc(sizeof(*rule));

	*rule = (struct rule){ op, nth, times, err, NULL };
	pthread_mutex_lock(&s->mutex);
	rule->next = s->rules;
	s->rules = rule;
	pthread_mutex_unlock(&s->mutex);
}

/* splitmix64 */
static uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void apply(struct omap *map, const struct event *e)
{
	if (e->op == DEV_WRITE)
		map_write(map, e->off, e->data, e->len);
	else if (e->op == DEV_DISCARD)
		map_discard(map, e->off, e->len);
}

/* Applies some of a write's sectors: a first part, a last part, or any. */
static void apply_torn(struct omap *map, const struct event *e, uint64_t *state)
{
	uint64_t sectors = e->len / SECTOR, at = rnd(state) % (sectors + 1);
	unsigned how = rnd(state) % 3;

	for (uint64_t i = 0; i < sectors; i++) {
		bool keep = how == 0 ? i < at : how == 1 ? i >= at : rnd(state) & 1;

		if (keep)
			map_write(map, e->off + i * SECTOR, e->data + i * SECTOR, SECTOR);
	}
}

/* Last flush that was completed when event cut was submitted; 0: none. */
static size_t last_flush(const struct sim *s, size_t cut)
{
	for (size_t i = cut; i > 0; i--)
		if (s->events[i - 1].op == DEV_FLUSH && s->events[i - 1].completed <= cut)
			return i;
	return 0;
}

/* Applies to map a choice of the events before cut that no flush covers. */
static void apply_chosen(const struct sim *s, struct omap *map, const size_t *open,
			 size_t n, uint64_t *state)
{
	size_t *kept = xmalloc((n + 1) * sizeof(*kept)), n_kept = 0;
	/* How much survives is itself drawn: all orders of loss occur. */
	unsigned lose = rnd(state) % 5, tear = rnd(state) % 5;

	for (size_t i = 0; i < n; i++)
		if (rnd(state) % 4 >= lose)
			kept[n_kept++] = open[i];
	for (size_t i = n_kept; i > 1; i--) {
		size_t j = rnd(state) % i, swap = kept[i - 1];

		kept[i - 1] = kept[j];
		kept[j] = swap;
	}
	for (size_t i = 0; i < n_kept; i++) {
		const struct event *e = &s->events[kept[i]];

		if (e->op == DEV_WRITE && rnd(state) % 8 < tear)
			apply_torn(map, e, state);
		else
			apply(map, e);
	}
	free(kept);
}

/* Brings base to the flush at index flush; returns how many events it holds. */
static size_t advance_base(struct sim *s, size_t flush)
{
	if (!s->base || flush < s->base_flush) {
		omap_free(s->base, block_unref);
		s->base = s->origin ? map_copy(s->origin) : omap_new();
		s->base_n = 0;
	}
	s->base_flush = flush;
	while (s->base_n < flush && s->events[s->base_n].completed <= flush)
		apply(s->base, &s->events[s->base_n++]);
	return s->base_n;
}

/* The events before cut as a disk may hold them; see dev_crash_image(). */
static struct omap *crash_map(struct sim *s, size_t cut, uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15 + cut;
	size_t flush = last_flush(s, cut), *open, n = 0, i;
	struct omap *map;

	i = advance_base(s, flush ? flush - 1 : 0);
	map = map_copy(s->base);
	open = xmalloc((cut - i + 1) * sizeof(*open));
	for (; i < cut; i++) {
		const struct event *e = &s->events[i];
		bool durable = flush && i < flush - 1 && e->completed <= flush - 1;

		if (!seed || durable)
			apply(map, e);
		else if (e->op != DEV_FLUSH)
			open[n++] = i;
	}
	if (seed)
		apply_chosen(s, map, open, n, &state);
	free(open);
	return map;
}

int dev_crash_image(struct dev *d, size_t cut, uint64_t seed, struct dev **ret)
{
	struct sim *s = sim(d);

	if (!s->records)
		msg_panic("%s: not a crash device", d->name);
	pthread_mutex_lock(&s->mutex);
	cut = MIN(cut, s->n_events);
	*ret = &sim_new("ram", d->size, crash_map(s, cut, seed))->d;
	pthread_mutex_unlock(&s->mutex);
	return 0;
}
