/* SPDX-License-Identifier: MIT */
/* policy.c - cost-benefit choice of victims. */
#include "gc/policy.h"

#include <stdlib.h>

double gc_score(const struct gc_seg *s, uint32_t seg_size)
{
	double u = (double)s->live / seg_size;

	return (1 - u) * ((double)s->age + 1) / (1 + u);
}

struct scored {
	double score;
	struct gc_seg seg;
};

static int better(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->seg.idx < y->seg.idx ? -1 : x->seg.idx > y->seg.idx;
}

size_t gc_choose(struct gc_seg *segs, size_t n, uint32_t seg_size, uint32_t live_max,
		 uint64_t want_free, uint64_t move_max)
{
	struct scored *s = n ? malloc(n * sizeof(*s)) : NULL;
	uint64_t gained = 0, moved = 0;
	size_t take = 0, m = 0;

	if (!s)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (segs[i].live <= live_max)
			s[m++] = (struct scored){ gc_score(&segs[i], seg_size), segs[i] };
	qsort(s, m, sizeof(*s), better);
	for (size_t i = 0; i < m; i++) {
		segs[i] = s[i].seg;
		if (take == i && (!take || (gained < want_free &&
					    moved + segs[i].live <= move_max))) {
			gained += seg_size - segs[i].live;
			moved += segs[i].live;
			take++;
		}
	}
	free(s);
	return take;
}
