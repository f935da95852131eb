/* SPDX-License-Identifier: MIT */
/* gcc12-ivopts.c - gcc 12.2 at -O2: ivopts rewrites the stores of find_path()
 * to addresses based on (-path) + 2 * (path + x), whose base the analyses after
 * it take for NULL; the function then counts as one that stores nothing, and
 * the caller reads stack garbage.  The build therefore uses -fno-ivopts; this
 * fails (already by a warning) where it is missing. */
#include "config.h"

#include <stdlib.h>

struct key {
	unsigned long hi, lo;
};
struct node {
	struct node *c[4];
	int n;
};
struct path {
	struct node *node[16];
	int idx[16];
};
struct map {
	struct node *root;
	unsigned height;
};

struct node *first_with_room(struct map *m, struct key k);

__attribute__((noinline))
static struct node *find_path(const struct map *map, struct key key, struct path *path)
{
	struct node *n = map->root;

	for (unsigned h = map->height; h; h--) {
		int i = key.lo & 3;

		path->node[h] = n;
		path->idx[h] = i;
		n = n->c[i];
	}
	return n;
}

struct node *first_with_room(struct map *m, struct key k)
{
	struct path p;
	struct node *n = find_path(m, k, &p);

	for (unsigned h = 1; h <= m->height; h++)
		if (p.node[h]->n < 4)
			return p.node[h];
	return n;
}

int main(void)
{
	struct node a = { .n = 4 }, b = { .n = 4 }, c = { .n = 7 };
	struct map m = { &a, 2 };

	a.c[1] = &b;
	b.c[1] = &c;
	return first_with_room(&m, (struct key){ 0, 1 }) == &c ? 0 : EXIT_FAILURE;
}
