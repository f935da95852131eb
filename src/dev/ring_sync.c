/* SPDX-License-Identifier: MIT */
/* ring_sync.c - each thread's private ring for synchronous calls. */
#include "config.h"

#include <pthread.h>

#include "base/err.h"
#include "base/msg.h"
#include "dev/ring.h"

#define SYNC_ENTRIES 8

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void destroy(void *ring)
{
	ring_destroy(ring);
}

/* A ring belongs to the task that made it: the child of a fork (a daemon that
 * leaves its terminal) must not submit to its parent's. */
static void in_child(void)
{
	ring_destroy(pthread_getspecific(key));
	pthread_setspecific(key, NULL);
}

static void init(void)
{
	if (pthread_key_create(&key, destroy) || pthread_atfork(NULL, NULL, in_child))
		msg_panic("ring_sync: no thread-specific key");
}

struct ring *ring_sync(void)
{
	struct ring *r;
	int rc;

	pthread_once(&once, init);
	r = pthread_getspecific(key);
	if (r)
		return r;
	rc = ring_create(SYNC_ENTRIES, 0, &r);
	if (rc) {
		msg_err("cannot create an io_uring: %s", err_str(rc));
		return NULL;
	}
	pthread_setspecific(key, r);
	return r;
}
