/* SPDX-License-Identifier: MIT */
/* pcache.c - cache of database pages by device address.
 *
 * Sharded; each shard is a hash table over a fixed share of one slab, evicted
 * by CLOCK (Corbató 1968).  Pages are copied in and out under the shard's
 * mutex: 4 KiB take less time than keeping a reference count honest. */
#include "store/pstore_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/msg.h"

#define SHARDS_MAX 16u
#define SHARD_FRAMES_MIN 64u
#define NONE UINT32_MAX

struct frame {
	uint64_t addr;
	uint32_t crc;
	uint32_t next; /* in the bucket */
	bool used;     /* since the hand came by */
};

struct shard {
	pthread_mutex_t mu; /* leaf: nothing is taken under it */
	struct frame *frame;
	uint32_t *bucket;
	uint8_t *mem;
	uint32_t nframes, filled, hand, mask;
	uint64_t hits, misses;
};

struct pcache {
	uint8_t *slab;
	size_t slab_len;
	uint32_t nshards; /* a power of two, or 0 */
	struct shard shard[SHARDS_MAX];
};

static uint64_t mix(uint64_t addr)
{
	return (addr / VARVE_BLOCK) * 0x9e3779b97f4a7c15ull;
}

static struct shard *shard_of(struct pcache *c, uint64_t addr)
{
	return &c->shard[mix(addr) >> 60 & (c->nshards - 1)];
}

static uint32_t *bucket_of(struct shard *s, uint64_t addr)
{
	return &s->bucket[mix(addr) >> 28 & s->mask];
}

static void shard_init(struct shard *s, uint8_t *mem, uint32_t nframes)
{
	uint32_t buckets = 1;

	while (buckets < nframes)
		buckets *= 2;
	pthread_mutex_init(&s->mu, NULL);
	s->mem = mem;
	s->nframes = nframes;
	s->mask = buckets - 1;
	s->frame = xcalloc(nframes, sizeof(*s->frame));
	s->bucket = xmalloc(buckets * sizeof(*s->bucket));
	memset(s->bucket, 0xff, buckets * sizeof(*s->bucket));
}

struct pcache *pcache_new(size_t bytes)
{
	struct pcache *c = xcalloc(1, sizeof(*c));
	size_t frames = bytes / VARVE_BLOCK;

	if (frames == 0)
		return c;
	c->nshards = SHARDS_MAX;
	while (c->nshards > 1 && frames / c->nshards < SHARD_FRAMES_MIN)
		c->nshards /= 2;
	frames = MIN(frames / c->nshards, NONE - 1);
	/* Address space only: the kernel gives memory as frames are filled. */
	c->slab_len = frames * c->nshards * VARVE_BLOCK;
	c->slab = mmap(NULL, c->slab_len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->slab == MAP_FAILED) {
		msg_warn("no address space for a page cache of %zu bytes", bytes);
		c->slab = NULL;
		c->nshards = 0;
		return c;
	}
	for (uint32_t i = 0; i < c->nshards; i++)
		shard_init(&c->shard[i], c->slab + i * frames * VARVE_BLOCK,
			   (uint32_t)frames);
	return c;
}

void pcache_free(struct pcache *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->nshards; i++) {
		pthread_mutex_destroy(&c->shard[i].mu);
		free(c->shard[i].frame);
		free(c->shard[i].bucket);
	}
	if (c->slab)
		munmap(c->slab, c->slab_len);
	free(c);
}

static uint32_t find(struct shard *s, uint64_t addr)
{
	uint32_t f = *bucket_of(s, addr);

	while (f != NONE && s->frame[f].addr != addr)
		f = s->frame[f].next;
	return f;
}

static void unlink_frame(struct shard *s, uint32_t f)
{
	uint32_t *link = bucket_of(s, s->frame[f].addr);

	while (*link != f)
		link = &s->frame[*link].next;
	*link = s->frame[f].next;
}

static uint32_t take_frame(struct shard *s)
{
	if (s->filled < s->nframes)
		return s->filled++;
	while (s->frame[s->hand].used) {
		s->frame[s->hand].used = false;
		s->hand = (s->hand + 1) % s->nframes;
	}

	uint32_t f = s->hand;

	s->hand = (s->hand + 1) % s->nframes;
	unlink_frame(s, f);
	return f;
}

bool pcache_get(struct pcache *c, uint64_t addr, uint32_t crc, void *buf)
{
	if (c->nshards == 0)
		return false;

	struct shard *s = shard_of(c, addr);
	bool hit = false;

	pthread_mutex_lock(&s->mu);
	uint32_t f = find(s, addr);

	if (f != NONE && s->frame[f].crc == crc) {
		s->frame[f].used = true;
		memcpy(buf, s->mem + (size_t)f * VARVE_BLOCK, VARVE_BLOCK);
		hit = true;
		s->hits++;
	} else {
		s->misses++;
	}
	pthread_mutex_unlock(&s->mu);
	return hit;
}

void pcache_put(struct pcache *c, uint64_t addr, uint32_t crc, const void *buf)
{
	if (c->nshards == 0)
		return;

	struct shard *s = shard_of(c, addr);

	pthread_mutex_lock(&s->mu);
	uint32_t f = find(s, addr);

	if (f == NONE) {
		uint32_t *head = bucket_of(s, addr);

		f = take_frame(s);
		s->frame[f].addr = addr;
		s->frame[f].next = *head;
		*head = f;
	}
	s->frame[f].crc = crc;
	s->frame[f].used = true;
	memcpy(s->mem + (size_t)f * VARVE_BLOCK, buf, VARVE_BLOCK);
	pthread_mutex_unlock(&s->mu);
}

void pcache_counts(struct pcache *c, uint64_t *ret_hits, uint64_t *ret_misses)
{
	*ret_hits = *ret_misses = 0;
	for (uint32_t i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shard[i];

		pthread_mutex_lock(&s->mu);
		*ret_hits += s->hits;
		*ret_misses += s->misses;
		pthread_mutex_unlock(&s->mu);
	}
}
