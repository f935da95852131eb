/* SPDX-License-Identifier: MIT */
/* sync.c - from sealed batches to durable ones: write, flush, wake.
 *
 * Two rules keep syncs cheap without ever stalling one:
 *   - the open batch is sealed for a waiting sync at once, unless something
 *     whose completion comes back here is under way and would let more syncs
 *     share it: more than one write, or a flush with a batch behind it;
 *   - a flush is started when a sync waits for a written batch and none is in
 *     flight; it covers what had been written when it started. */
#include "base/clock.h"
#include "base/err.h"
#include "base/msg.h"
#include "log/logint.h"

static void waiter_run(struct ring_op *op, int res, uint32_t flags)
{
	struct log_waiter *w = container_of(op, struct log_waiter, op);

	w->fn(w, res);
}

void log_waiter_ready(struct log_waiter *w, struct ring *r, int err)
{
	w->op.fn = waiter_run;
	if (r && w->ring == r)
		ring_ready(r, &w->op, err);
	else
		ring_post(w->ring, &w->op, err);
}

void waiters_ready(struct log_waiter *list, struct ring *r, int err)
{
	while (list) {
		struct log_waiter *next = list->next; /* list may be gone after */

		log_waiter_ready(list, r, err);
		list = next;
	}
}

/* --- death --- */

static void die(struct log *l, struct ring *r, int err, const char *what)
{
	struct log_waiter *syncs = l->syncs, *admits = l->admits;

	if (atomic_load(&l->dead))
		return;
	l->err = err;
	atomic_store(&l->dead, true);
	l->syncs = NULL;
	l->admits = NULL;
	pthread_cond_broadcast(&l->finish_cond);
	pthread_mutex_unlock(&l->mutex);
	msg_err("%s: log %s failed: %s; no more changes are accepted", dev_name(l->dev),
		what, err_str(err));
	waiters_ready(syncs, r, err);
	waiters_ready(admits, r, 0); /* so that they meet the error */
	pthread_mutex_lock(&l->mutex);
}

/* --- sealing and writing --- */

bool log_has_content(const struct log *l)
{
	const struct lbatch *b = l->open;

	/* A record that is only announced may yet be cancelled. */
	return b && (b->data_used || b->rec_len);
}

void log_seal_open(struct log *l)
{
	struct lbatch *b = l->open;

	b->state = BS_SEALED;
	/* A record still being encoded is in: if it is cancelled, its room is
	 * filled up with zero blocks, for the next batch starts right behind. */
	b->bytes = batch_bytes(b);
	b->time = clock_wall();
	l->open = NULL;
	l->pos += b->bytes;
	atomic_store(&l->sealed, b->seq);
	atomic_store(&l->oldest, 0);
	atomic_fetch_add(&l->bytes, VARVE_BLOCK);
	l->stats.batches++;
	l->stats.written_bytes += b->bytes;
	segs_touch_log(l->segs, segs_index(l->segs, b->addr),
		       (uint32_t)(b->time / 1000000000), b->seq);
}

/* Records behind the data, header in front.  Nobody else touches b now. */
static void finish(struct log *l, struct lbatch *b, uint32_t prev_crc, uint64_t first_op,
		   uint64_t durable)
{
	uint32_t area = batch_rec_area(b->rec_len);
	uint32_t data_len = b->bytes - VARVE_BLOCK - area;
	uint8_t *end = b->buf + VARVE_BLOCK + data_len;
	struct batch h = {
		.seq = b->seq,
		.epoch = l->epoch,
		.durable_seq = durable,
		.first_op = first_op,
		.time = b->time,
		.prev_crc = prev_crc,
		.nrecs = b->nrecs,
		.rec_len = b->rec_len,
		.data_len = data_len,
		.next_seg = b->next_seg,
	};

	memset(b->buf + VARVE_BLOCK + b->data_used, 0, data_len - b->data_used);
	memset(b->buf, 0, VARVE_BLOCK);
	if (area == 0) {
		if (b->rec_len)
			memcpy(b->buf + BATCH_HDR, b->recs, b->rec_len);
	} else {
		memcpy(end, b->recs, b->rec_len);
		memset(end + b->rec_len, 0, area - b->rec_len);
		h.recs = end;
	}
	batch_encode(&l->sup, &h, b->buf);
	b->crc = h.crc;
}

struct log_waiter *admits_due(struct log *l)
{
	struct log_waiter *list = NULL;

	if (atomic_load(&l->nfree) >= 2 * l->threads) {
		list = l->admits;
		l->admits = NULL;
	}
	return list;
}

static void batch_written(struct dev_req *req, int err)
{
	struct lbatch *b = container_of(req, struct lbatch, req);
	struct log *l = b->log;
	struct ring *r = b->ring;
	struct log_waiter *admits = NULL;

	pthread_mutex_lock(&l->mutex);
	if (err) {
		die(l, r, err, "write");
	} else {
		b->state = BS_WRITTEN;
		while (!atomic_load(&l->dead) && l->head && l->head->state == BS_WRITTEN) {
			l->written = l->head->seq;
			batch_leave(l);
		}
		admits = admits_due(l);
		log_step(l, r);
	}
	pthread_mutex_unlock(&l->mutex);
	waiters_ready(admits, r, 0);
}

void log_pump(struct log *l, struct ring *r)
{
	struct lbatch *b;

	if (l->pumping)
		return; /* that thread looks again before it stops */
	l->pumping = true;
	while ((b = l->unsub) && b->state == BS_SEALED && b->fills == 0 &&
	       !atomic_load(&l->dead)) {
		uint32_t prev_crc = l->prev_crc;
		uint64_t first_op = l->fin_op;
		uint64_t durable = atomic_load(&l->durable);

		b->state = BS_WRITING;
		l->fin_op += b->nrecs;
		pthread_mutex_unlock(&l->mutex);
		finish(l, b, prev_crc, first_op, durable);
		pthread_mutex_lock(&l->mutex);
		l->prev_crc = b->crc;
		l->finished = b->seq;
		l->unsub = b->next;
		pthread_cond_broadcast(&l->finish_cond);
		b->ring = r;
		b->req = (struct dev_req){
			.op = DEV_WRITE,
			.buf = b->buf,
			.off = b->addr,
			.len = b->bytes,
			.done = batch_written,
		};
		pthread_mutex_unlock(&l->mutex);
		dev_submit(l->dev, r, &b->req);
		pthread_mutex_lock(&l->mutex);
	}
	l->pumping = false;
}

/* --- flushing --- */

static void flushed(struct dev_req *req, int err)
{
	struct log *l = container_of(req, struct log, flush_req);
	struct ring *r = l->flush_ring;

	pthread_mutex_lock(&l->mutex);
	l->flushing = false;
	if (err) {
		die(l, r, err, "flush");
	} else {
		atomic_store(&l->durable, MAX(l->flush_target, atomic_load(&l->durable)));
		log_step(l, r);
	}
	pthread_mutex_unlock(&l->mutex);
}

static bool may_seal(const struct log *l)
{
	uint64_t sealed = atomic_load(&l->sealed);

	if (sealed - l->written > 1)
		return false; /* the write's completion comes back here */
	return !(l->flushing && sealed - atomic_load(&l->durable) > 1);
}

/* Takes the waiters that are served off the list. */
static struct log_waiter *take_served(struct log *l, bool *ret_want_flush)
{
	uint64_t durable = atomic_load(&l->durable);
	struct log_waiter **p = &l->syncs, *served = NULL;

	*ret_want_flush = false;
	while (*p) {
		struct log_waiter *w = *p;

		if (w->seq <= durable) {
			*p = w->next;
			w->next = served;
			served = w;
			continue;
		}
		if (w->seq <= l->written)
			*ret_want_flush = true;
		p = &w->next;
	}
	return served;
}

void log_step(struct log *l, struct ring *r)
{
	struct log_waiter *served;
	bool want_flush;

	if (atomic_load(&l->dead))
		return;
	if (l->want_seal > atomic_load(&l->sealed) && log_has_content(l) && may_seal(l)) {
		log_seal_open(l);
		log_pump(l, r);
	}
	served = take_served(l, &want_flush);
	if (want_flush && !l->flushing && !atomic_load(&l->dead)) {
		l->flushing = true;
		l->flush_target = l->written;
		l->flush_ring = r;
		l->stats.flushes++;
		l->flush_req = (struct dev_req){ .op = DEV_FLUSH, .done = flushed };
		pthread_mutex_unlock(&l->mutex);
		dev_submit(l->dev, r, &l->flush_req);
	} else {
		pthread_mutex_unlock(&l->mutex);
	}
	waiters_ready(served, r, 0);
	pthread_mutex_lock(&l->mutex);
}

/* --- the outside --- */

uint64_t log_seal(struct log *l, struct ring *r)
{
	uint64_t sealed;

	pthread_mutex_lock(&l->mutex);
	if (log_has_content(l) && !atomic_load(&l->dead))
		log_seal_open(l);
	sealed = atomic_load(&l->sealed);
	log_pump(l, r);
	pthread_mutex_unlock(&l->mutex);
	return sealed < l->first_seq ? 0 : sealed;
}

void log_sync(struct log *l, struct ring *r, uint64_t seq, struct log_waiter *w)
{
	uint64_t newest;
	int err = 0;

	pthread_mutex_lock(&l->mutex);
	l->stats.syncs++;
	newest = atomic_load(&l->sealed) + (log_has_content(l) ? 1 : 0);
	w->ring = r;
	w->seq = MIN(seq, newest);
	if (w->seq <= atomic_load(&l->durable)) {
		/* Nothing to wait for, even if the log has died since. */
	} else if (atomic_load(&l->dead)) {
		err = -VE_LOG_DEAD;
	} else {
		w->next = l->syncs;
		l->syncs = w;
		l->want_seal = MAX(l->want_seal, w->seq);
		log_step(l, r);
		w = NULL;
	}
	pthread_mutex_unlock(&l->mutex);
	if (w)
		log_waiter_ready(w, r, err);
}

void log_mark(struct log *l, struct ring *r, struct log_pos *ret)
{
	pthread_mutex_lock(&l->mutex);
	if (log_has_content(l) && !atomic_load(&l->dead))
		log_seal_open(l);
	log_pump(l, r);
	/* Others may be filling data of a sealed batch; its checksum is part of
	 * the position. */
	while (l->finished < atomic_load(&l->sealed) && !atomic_load(&l->dead))
		pthread_cond_wait(&l->finish_cond, &l->mutex);
	ret->addr = l->pos;
	/* The end of a segment could be mistaken for the start of another. */
	if (l->pos == segs_addr(l->segs, l->seg) + segs_size(l->segs))
		ret->addr = segs_addr(l->segs, l->next_seg);
	ret->seq = l->finished + 1;
	ret->prev_crc = l->prev_crc;
	ret->next_seg = l->next_seg;
	pthread_mutex_unlock(&l->mutex);
}
