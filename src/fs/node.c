/* SPDX-License-Identifier: MIT */
/* node.c - sharded hash table of nodes. */
#include "fs/node.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/msg.h"

#define SHARDS 64u
#define FIRST_BUCKETS 64u

struct node {
	uint64_t ino;
	struct node *next;
	struct node_info i;
};

struct shard {
	pthread_mutex_t mu;
	struct node **bucket; /* a power of two of them */
	size_t nbuckets, count;
} __attribute__((aligned(64)));

struct nodes {
	struct shard shard[SHARDS];
};

/* Fibonacci hashing: inode numbers are dense, so the high bits spread well. */
static inline uint64_t mix(uint64_t ino)
{
	return ino * 0x9e3779b97f4a7c15ull;
}

static inline size_t bucket_of(const struct shard *s, uint64_t h)
{
	return (h >> 20) & (s->nbuckets - 1);
}

struct nodes *nodes_new(void)
{
	struct nodes *t = aligned_alloc(64, sizeof(*t));

	if (!t)
		msg_panic("no memory for the node table");
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *s = &t->shard[i];

		pthread_mutex_init(&s->mu, NULL);
		s->nbuckets = FIRST_BUCKETS;
		s->bucket = xcalloc(s->nbuckets, sizeof(*s->bucket));
	}
	return t;
}

void nodes_free(struct nodes *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *s = &t->shard[i];

		for (size_t b = 0; b < s->nbuckets; b++) {
			struct node *n = s->bucket[b];

			while (n) {
				struct node *next = n->next;

				free(n);
				n = next;
			}
		}
		free(s->bucket);
		pthread_mutex_destroy(&s->mu);
	}
	free(t);
}

static struct shard *lock_shard(struct nodes *t, uint64_t ino)
{
	struct shard *s = &t->shard[mix(ino) >> 58];

	pthread_mutex_lock(&s->mu);
	return s;
}

static struct node **find(struct shard *s, uint64_t ino)
{
	struct node **p = &s->bucket[bucket_of(s, mix(ino))];

	while (*p && (*p)->ino != ino)
		p = &(*p)->next;
	return p;
}

static void grow(struct shard *s)
{
	size_t n = s->nbuckets * 2;
	struct node **old = s->bucket;
	size_t nold = s->nbuckets;

	s->bucket = xcalloc(n, sizeof(*s->bucket));
	s->nbuckets = n;
	for (size_t b = 0; b < nold; b++) {
		struct node *e = old[b];

		while (e) {
			struct node *next = e->next;
			struct node **to = &s->bucket[bucket_of(s, mix(e->ino))];

			e->next = *to;
			*to = e;
			e = next;
		}
	}
	free(old);
}

static struct node *find_or_add(struct shard *s, uint64_t ino, bool *added)
{
	struct node **p = find(s, ino);

	*added = !*p;
	if (!*p) {
		struct node *n = xcalloc(1, sizeof(*n));

		n->ino = ino;
		*p = n;
		if (++s->count > s->nbuckets * 2)
			grow(s);
		return n;
	}
	return *p;
}

void nodes_hold(struct nodes *t, uint64_t ino, uint64_t lookups, uint32_t opens,
		uint64_t batch)
{
	struct shard *s = lock_shard(t, ino);
	bool added;
	struct node *n = find_or_add(s, ino, &added);

	if (added)
		n->i.batch = batch;
	n->i.lookups += lookups;
	n->i.opens += opens;
	pthread_mutex_unlock(&s->mu);
}

bool nodes_hold_more(struct nodes *t, uint64_t ino, uint64_t lookups, uint32_t opens)
{
	struct shard *s = lock_shard(t, ino);
	struct node *n = *find(s, ino);

	if (n) {
		n->i.lookups += lookups;
		n->i.opens += opens;
	}
	pthread_mutex_unlock(&s->mu);
	return n != NULL;
}

void nodes_made(struct nodes *t, uint64_t ino, const struct node_info *first)
{
	struct shard *s = lock_shard(t, ino);
	bool added;
	struct node *n = find_or_add(s, ino, &added);

	n->i = *first;
	pthread_mutex_unlock(&s->mu);
}

bool nodes_drop(struct nodes *t, uint64_t ino, uint64_t lookups, uint32_t opens)
{
	struct shard *s = lock_shard(t, ino);
	struct node **p = find(s, ino);
	struct node *n = *p, *gone = NULL;
	bool orphan = false;

	if (n) {
		n->i.lookups -= MIN(lookups, n->i.lookups);
		n->i.opens -= MIN(opens, n->i.opens);
		if (!n->i.lookups && !n->i.opens) {
			orphan = n->i.flags & NODE_ORPHAN;
			*p = n->next;
			s->count--;
			gone = n;
		}
	}
	pthread_mutex_unlock(&s->mu);
	free(gone);
	return orphan;
}

void nodes_touch(struct nodes *t, uint64_t ino, uint64_t batch)
{
	struct shard *s = lock_shard(t, ino);
	struct node *n = *find(s, ino);

	if (n && n->i.batch < batch)
		n->i.batch = batch;
	pthread_mutex_unlock(&s->mu);
}

bool nodes_get(struct nodes *t, uint64_t ino, struct node_info *ret)
{
	struct shard *s = lock_shard(t, ino);
	struct node *n = *find(s, ino);

	if (n)
		*ret = n->i;
	else
		memset(ret, 0, sizeof(*ret));
	pthread_mutex_unlock(&s->mu);
	return n != NULL;
}

bool nodes_mark(struct nodes *t, uint64_t ino, uint8_t set, uint8_t clear)
{
	struct shard *s = lock_shard(t, ino);
	struct node *n = *find(s, ino);

	if (n)
		n->i.flags = (n->i.flags | set) & ~clear;
	pthread_mutex_unlock(&s->mu);
	return n != NULL;
}

bool nodes_hint(struct nodes *t, uint64_t ino, uint8_t set, uint8_t clear)
{
	struct shard *s = lock_shard(t, ino);
	struct node *n = *find(s, ino);

	if (n)
		n->i.absent = (n->i.absent | set) & ~clear;
	pthread_mutex_unlock(&s->mu);
	return n != NULL;
}

size_t nodes_count(struct nodes *t)
{
	size_t n = 0;

	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&t->shard[i].mu);
		n += t->shard[i].count;
		pthread_mutex_unlock(&t->shard[i].mu);
	}
	return n;
}
