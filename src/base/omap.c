/* SPDX-License-Identifier: MIT */
/* omap.c - B+tree from 128-bit keys to pointers.
 *
 * A node holds 1..FAN entries (the root of an empty map is NULL).  In an inner
 * node, child i holds the keys in [key[i], key[i+1]); key[0] is never
 * searched: the node's own lower bound, which can sink, stands for it.
 * Leaves are linked in key order.
 *
 * Insertion past the end of a full leaf starts a new leaf instead of halving
 * the old one, so ascending keys (inode numbers, offsets, sequence numbers)
 * leave full leaves behind; it first looks for room in the right sibling, so
 * that descending keys cannot make a leaf each. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "base/omap.h"

#define FAN 32
#define HEIGHT_MAX 16 /* a level more takes 16 times the insertions */

struct node {
	uint16_t n;
	bool leaf;
	struct okey key[FAN];
	void *ptr[FAN]; /* children, or values in a leaf */
};

struct leaf {
	struct node node;
	struct leaf *prev, *next;
};

struct omap {
	struct node *root;
	unsigned height; /* levels above the leaves */
	size_t count, bytes;
};

/* Where a descent went: node and child index per inner level, [1] above the leaf. */
struct step {
	struct node *node;
	int idx;
};

typedef unsigned __int128 wide;

static inline wide widen(struct okey k)
{
	return (wide)k.hi << 64 | k.lo;
}

/* Of len sorted keys, how many are <= k.  (A branchless step measures 30 ns
 * better on random keys and 35 ns worse on neighbouring ones.) */
static inline int count_le(const struct okey *key, int len, struct okey k)
{
	const struct okey *base = key;
	wide w = widen(k);

	while (len > 1) {
		int half = len / 2;

		base += widen(base[half - 1]) <= w ? half : 0;
		len -= half;
	}
	return base - key + (len && widen(*base) <= w);
}

static inline int child_index(const struct node *n, struct okey k)
{
	return count_le(n->key + 1, n->n - 1, k);
}

/* Asks for a node's keys all at once: the binary search would otherwise wait
 * for one cache miss after another. */
static inline void prefetch(const struct node *n)
{
	for (size_t i = 0; i <= sizeof(n->key); i += 64)
		__builtin_prefetch((const char *)n + i);
}

static struct node *node_new(struct omap *map, bool leaf)
{
	size_t size = leaf ? sizeof(struct leaf) : sizeof(struct node);
	struct node *n = xmalloc(size);

	n->n = 0;
	n->leaf = leaf;
	if (leaf)
		((struct leaf *)n)->prev = ((struct leaf *)n)->next = NULL;
	map->bytes += size;
	return n;
}

static void node_free(struct omap *map, struct node *n)
{
	map->bytes -= n->leaf ? sizeof(struct leaf) : sizeof(struct node);
	free(n);
}

struct omap *omap_new(void)
{
	return xcalloc(1, sizeof(struct omap));
}

static void free_tree(struct omap *map, struct node *n, void (*free_val)(void *))
{
	for (int i = 0; i < n->n; i++) {
		if (!n->leaf)
			free_tree(map, n->ptr[i], free_val);
		else if (free_val)
			free_val(n->ptr[i]);
	}
	node_free(map, n);
}

void omap_free(struct omap *map, void (*free_val)(void *val))
{
	if (!map)
		return;
	if (map->root)
		free_tree(map, map->root, free_val);
	free(map);
}

size_t omap_count(const struct omap *map)
{
	return map->count;
}

size_t omap_bytes(const struct omap *map)
{
	return map->bytes;
}

static struct node *find_leaf(const struct omap *map, struct okey key)
{
	struct node *n = map->root;

	for (unsigned h = map->height; h; h--) {
		n = n->ptr[child_index(n, key)];
		prefetch(n);
	}
	return n;
}

static struct node *find_path(const struct omap *map, struct okey key,
			      struct step *path)
{
	struct node *n = map->root;

	for (unsigned h = map->height; h; h--) {
		int i = child_index(n, key);

		path[h].node = n;
		path[h].idx = i;
		n = n->ptr[i];
		prefetch(n);
	}
	return n;
}

void *omap_get(const struct omap *map, struct okey key)
{
	struct node *n;
	int i;

	if (!map->root)
		return NULL;
	n = find_leaf(map, key);
	i = count_le(n->key, n->n, key) - 1;
	if (i < 0 || okey_cmp(n->key[i], key))
		return NULL;
	return n->ptr[i];
}

static void node_insert(struct node *n, int at, struct okey key, void *ptr)
{
	memmove(n->key + at + 1, n->key + at, (n->n - at) * sizeof(n->key[0]));
	memmove(n->ptr + at + 1, n->ptr + at, (n->n - at) * sizeof(n->ptr[0]));
	n->key[at] = key;
	n->ptr[at] = ptr;
	n->n++;
}

static void node_remove(struct node *n, int at)
{
	n->n--;
	memmove(n->key + at, n->key + at + 1, (n->n - at) * sizeof(n->key[0]));
	memmove(n->ptr + at, n->ptr + at + 1, (n->n - at) * sizeof(n->ptr[0]));
}

/* Splits the full node n for an insertion at index at and does the insertion;
 * returns the new right node, whose key[0] is its lower bound. */
static struct node *split_insert(struct omap *map, struct node *n, int at,
				 struct okey key, void *ptr)
{
	struct node *right = node_new(map, n->leaf);
	int keep = at == FAN ? FAN : FAN / 2;

	right->n = FAN - keep;
	memcpy(right->key, n->key + keep, right->n * sizeof(n->key[0]));
	memcpy(right->ptr, n->ptr + keep, right->n * sizeof(n->ptr[0]));
	n->n = keep;
	if (at > keep || keep == FAN)
		node_insert(right, at - keep, key, ptr);
	else
		node_insert(n, at, key, ptr);
	if (n->leaf) {
		struct leaf *l = (struct leaf *)n, *r = (struct leaf *)right;

		r->prev = l;
		r->next = l->next;
		if (r->next)
			r->next->prev = r;
		l->next = r;
	}
	return right;
}

/* Gives a key that belongs behind the end of a full leaf to the leaf's right
 * sibling, if that has the same parent and room. */
static bool insert_in_sibling(struct step *path, struct okey key, void *val)
{
	struct node *parent = path[1].node, *sib;
	int i = path[1].idx + 1;

	if (i >= parent->n)
		return false;
	sib = parent->ptr[i];
	if (sib->n == FAN)
		return false;
	node_insert(sib, 0, key, val);
	parent->key[i] = key;
	return true;
}

/* Adds right beside the node that the path leads to, splitting upwards. */
static void link_right(struct omap *map, struct step *path, struct node *left,
		       struct node *right)
{
	struct node *root;

	for (unsigned h = 1; h <= map->height; h++) {
		struct node *parent = path[h].node;
		int at = path[h].idx + 1;

		if (parent->n < FAN) {
			node_insert(parent, at, right->key[0], right);
			return;
		}
		right = split_insert(map, parent, at, right->key[0], right);
		left = parent;
	}
	root = node_new(map, false);
	root->n = 2;
	root->key[0] = (struct okey){ 0, 0 };
	root->ptr[0] = left;
	root->key[1] = right->key[0];
	root->ptr[1] = right;
	map->root = root;
	map->height++;
}

void *omap_put(struct omap *map, struct okey key, void *val)
{
	struct step path[HEIGHT_MAX];
	struct node *n;
	int i;

	if (!val)
		msg_panic("omap_put: NULL is not a value");
	if (!map->root)
		map->root = node_new(map, true);
	n = find_path(map, key, path);
	i = count_le(n->key, n->n, key);
	if (i && !okey_cmp(n->key[i - 1], key)) {
		void *old = n->ptr[i - 1];

		n->ptr[i - 1] = val;
		return old;
	}
	map->count++;
	if (n->n < FAN)
		node_insert(n, i, key, val);
	else if (i < FAN || !map->height || !insert_in_sibling(path, key, val))
		link_right(map, path, n, split_insert(map, n, i, key, val));
	return NULL;
}

/* Removes the empty leaf n and every inner node this empties. */
static void drop_leaf(struct omap *map, struct step *path, struct node *n)
{
	struct leaf *l = (struct leaf *)n;
	unsigned h = 0;

	if (l->prev)
		l->prev->next = l->next;
	if (l->next)
		l->next->prev = l->prev;
	while (n->n == 0) {
		node_free(map, n);
		if (h++ == map->height) {
			map->root = NULL;
			map->height = 0;
			return;
		}
		n = path[h].node;
		node_remove(n, path[h].idx);
	}
	while (map->height && map->root->n == 1) {
		n = map->root;
		map->root = n->ptr[0];
		map->height--;
		node_free(map, n);
	}
}

void *omap_del(struct omap *map, struct okey key)
{
	struct step path[HEIGHT_MAX];
	struct node *n;
	void *old;
	int i;

	if (!map->root)
		return NULL;
	n = find_path(map, key, path);
	i = count_le(n->key, n->n, key) - 1;
	if (i < 0 || okey_cmp(n->key[i], key))
		return NULL;
	old = n->ptr[i];
	node_remove(n, i);
	map->count--;
	if (n->n == 0)
		drop_leaf(map, path, n);
	return old;
}

/* Loads the entry at cur's place, stepping over the edge of its leaf first. */
static void settle(struct omap_cur *cur)
{
	struct leaf *l = cur->leaf;

	cur->val = NULL;
	if (!l)
		return;
	if (cur->idx < 0 && l->prev) {
		l = l->prev;
		cur->idx = l->node.n - 1;
	} else if (cur->idx >= l->node.n && l->next) {
		l = l->next;
		cur->idx = 0;
	}
	cur->leaf = l;
	if (cur->idx < 0 || cur->idx >= l->node.n)
		return;
	cur->key = l->node.key[cur->idx];
	cur->val = l->node.ptr[cur->idx];
}

void omap_seek(const struct omap *map, struct okey key, struct omap_cur *cur)
{
	omap_floor(map, key, cur);
	if (!cur->val || okey_cmp(cur->key, key))
		omap_next(cur);
}

void omap_floor(const struct omap *map, struct okey key, struct omap_cur *cur)
{
	struct node *n = map->root;

	*cur = (struct omap_cur){ .leaf = NULL };
	if (!n)
		return;
	n = find_leaf(map, key);
	cur->leaf = n;
	cur->idx = count_le(n->key, n->n, key) - 1;
	settle(cur);
}

void omap_next(struct omap_cur *cur)
{
	struct leaf *l = cur->leaf;

	if (l && cur->idx < l->node.n)
		cur->idx++;
	settle(cur);
}

void omap_prev(struct omap_cur *cur)
{
	if (cur->leaf && cur->idx >= 0)
		cur->idx--;
	settle(cur);
}
