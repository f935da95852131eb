/* SPDX-License-Identifier: MIT */
/* t4_fs_range.c - file content against a model: an array that knows of each
 * byte its value and whether it is a hole, promised (unwritten) or data.
 *
 * Random writes, truncates, fallocates and clones on three files, with
 * checkpoints, remounts and kills among them; after every step one file's size,
 * allocated bytes, a range of its content and a SEEK_DATA/SEEK_HOLE are
 * compared.  Replay one seed: CK_FORK=no VARVE_SEED=17 tests/t4_fs_range */
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "t4_util.h"

#define FILES 3
#define SPACE (200u << 10)
#define STEPS 3000

enum what { HOLE, PROMISED, DATA };
struct model {
	uint64_t ino, size;
	uint8_t byte[SPACE], what[SPACE];
};

static struct t4 t;
static struct model m[FILES];
static uint8_t buf[SPACE] __attribute__((aligned(4096)));
static unsigned step;
static uint64_t seed, rnd;

static void setup(void)
{
	char name[16];

	t4_start(&t, 256 * MIB);
	memset(m, 0, sizeof(m));
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		m[i].ino = t4_make(&t, ROOT, name, S_IFREG | 0644);
	}
}

static void teardown(void)
{
	t4_stop(&t);
}

static uint32_t draw(uint32_t n) /* 0..n-1; splitmix64 */
{
	uint64_t z = rnd += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % n);
}

/* Places and lengths of all scales, often on block borders. */
static uint32_t draw_len(uint32_t most)
{
	uint32_t n = draw(1u << (1 + draw(17)));

	if (draw(3) == 0)
		n = n / 4096 * 4096;
	return MIN(n, most);
}

static void draw_range(uint64_t *off, uint64_t *len)
{
	*off = draw_len(SPACE - 1);
	*len = 1 + draw_len(SPACE - 1 - (uint32_t)*off);
}

static void set_range(struct model *f, uint64_t off, uint64_t len, enum what w)
{
	memset(f->what + off, w, len);
	memset(f->byte + off, 0, len);
}

static void do_write(struct model *f)
{
	uint64_t off, len;
	bool append = draw(8) == 0;

	draw_range(&off, &len);
	if (append) {
		off = f->size;
		len = MIN(len, SPACE - off);
		if (!len)
			return;
	}
	for (uint64_t i = 0; i < len; i++)
		f->byte[off + i] = (uint8_t)(1 + (step * 7 + i) % 255);
	memset(f->what + off, DATA, len);
	t4_admit(&t);
	ok(fs_write(t.c, &t4_root, f->ino, f->byte + off, (uint32_t)len, append ? 0 : off,
		    append ? O_APPEND : 0, false, NULL));
	f->size = MAX(f->size, off + len);
}

static void do_truncate(struct model *f)
{
	uint64_t size = draw_len(SPACE);

	t4_truncate(&t, f->ino, size);
	set_range(f, size, SPACE - size, HOLE);
	f->size = size;
}

static void do_fallocate(struct model *f)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	int mode = modes[draw(ARRAY_LEN(modes))];
	uint64_t off, len;

	draw_range(&off, &len);
	t4_admit(&t);
	ok(fs_fallocate(t.c, &t4_root, f->ino, mode, off, len));
	if (mode & FALLOC_FL_PUNCH_HOLE)
		set_range(f, off, len, HOLE);
	else if (mode & FALLOC_FL_ZERO_RANGE)
		set_range(f, off, len, PROMISED);
	else
		for (uint64_t i = off; i < off + len; i++)
			if (f->what[i] == HOLE)
				f->what[i] = PROMISED;
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		f->size = MAX(f->size, off + len);
}

static void do_clone(struct model *src, struct model *dst)
{
	uint64_t off, len, to, n, want;
	bool overlap;
	int err;

	draw_range(&off, &len);
	to = draw_len(SPACE - (uint32_t)len);
	want = off < src->size ? MIN(len, src->size - off) : 0;
	overlap = src == dst && off < to + want && to < off + want;
	t4_admit(&t);
	err = fs_clone(t.c, &t4_root, src->ino, off, dst->ino, to, len, &n);
	ck_assert_msg(err == (overlap ? -EINVAL : 0), "seed %lu step %u: clone: %s",
		      (unsigned long)seed, step, err_str(err));
	if (err)
		return;
	ck_assert_msg(n == want, "seed %lu step %u: cloned %lu, not %lu", (unsigned long)seed,
		      step, (unsigned long)n, (unsigned long)want);
	for (uint64_t i = 0; i < n; i++) {
		bool data = src->what[off + i] == DATA;

		dst->what[to + i] = data ? DATA : HOLE;
		dst->byte[to + i] = data ? src->byte[off + i] : 0;
	}
	if (n)
		dst->size = MAX(dst->size, to + n);
}

static void check_content(struct model *f, uint64_t off, uint64_t len)
{
	uint64_t want = off < f->size ? MIN(len, f->size - off) : 0;
	uint64_t got = t4_read(&t, f->ino, buf, (uint32_t)len, off);

	ck_assert_msg(got == want, "seed %lu step %u: read %lu, not %lu", (unsigned long)seed,
		      step, (unsigned long)got, (unsigned long)want);
	for (uint64_t i = 0; i < got; i++)
		if (buf[i] != f->byte[off + i]) /* an assertion a byte takes too long */
			ck_abort_msg("seed %lu step %u: file %d byte %lu is %u, not %u",
				     (unsigned long)seed, step, (int)(f - m),
				     (unsigned long)(off + i), buf[i], f->byte[off + i]);
}

static void check_seek(struct model *f, uint64_t off, int whence)
{
	uint64_t want = off, got = 0;
	int err = fs_seek(t.c, f->ino, off, whence, &got), want_err = 0;

	while (want < f->size && (f->what[want] == DATA) != (whence == SEEK_DATA))
		want++;
	if (off >= f->size || (whence == SEEK_DATA && want == f->size))
		want_err = -ENXIO;
	ck_assert_msg(err == want_err && (err || got == want),
		      "seed %lu step %u: seek %d from %lu: %s, %lu, not %lu",
		      (unsigned long)seed, step, whence, (unsigned long)off, err_str(err),
		      (unsigned long)got, (unsigned long)want);
}

static void check_file(struct model *f)
{
	struct fs_attr a = t4_attr(&t, f->ino);
	uint64_t bytes = a.bytes;

	if (step % 8 == 0) { /* counting takes longer than the rest */
		bytes = 0;
		for (uint64_t i = 0; i < SPACE; i++)
			bytes += f->what[i] != HOLE;
	}
	ck_assert_msg(a.size == f->size && a.bytes == bytes,
		      "seed %lu step %u: size %lu bytes %lu, not %lu %lu", (unsigned long)seed,
		      step, (unsigned long)a.size, (unsigned long)a.bytes,
		      (unsigned long)f->size, (unsigned long)bytes);
}

static void one_step(void)
{
	struct model *f = &m[draw(FILES)];
	uint64_t off, len;
	uint32_t k = draw(100);

	if (k < 40)
		do_write(f);
	else if (k < 50)
		do_truncate(f);
	else if (k < 75)
		do_fallocate(f);
	else if (k < 95)
		do_clone(f, &m[draw(FILES)]);
	else if (k < 97)
		t4_checkpoint(&t);
	else if (k == 97)
		t4_remount(&t);
	else if (k == 98) {
		ok(fs_sync_wait(t.c, 0));
		t4_kill(&t);
	} else
		ok(fs_sync_wait(t.c, f->ino));
	f = &m[draw(FILES)];
	check_file(f);
	draw_range(&off, &len);
	check_content(f, off, len);
	check_seek(f, draw_len(SPACE - 1), draw(2) ? SEEK_DATA : SEEK_HOLE);
}

START_TEST(content_is_what_the_model_says)
{
	const char *env = getenv("VARVE_SEED");

	seed = env ? strtoull(env, NULL, 0) : (uint64_t)_i;
	rnd = seed;
	for (step = 0; step < STEPS; step++)
		one_step();
	for (int i = 0; i < FILES; i++) {
		check_file(&m[i]);
		check_content(&m[i], 0, SPACE);
	}
	ck_assert_msg(t4_verify(&t) == 0, "seed %lu", (unsigned long)seed);
}
END_TEST

START_TEST(fallocate_refuses_what_it_cannot_do)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755);
	uint64_t p = t4_make(&t, ROOT, "p", S_IFIFO | 0644);
	uint64_t f = m[0].ino;

	gives(-EOPNOTSUPP, fs_fallocate(t.c, &t4_root, f, FALLOC_FL_COLLAPSE_RANGE, 0, 1));
	gives(-EOPNOTSUPP, fs_fallocate(t.c, &t4_root, f, FALLOC_FL_PUNCH_HOLE, 0, 1));
	gives(-EINVAL, fs_fallocate(t.c, &t4_root, f, 0, 0, 0));
	gives(-EFBIG, fs_fallocate(t.c, &t4_root, f, 0, INT64_MAX, 1));
	gives(-EISDIR, fs_fallocate(t.c, &t4_root, d, 0, 0, 1));
	gives(-ENODEV, fs_fallocate(t.c, &t4_root, p, 0, 0, 1));
	gives(-ENOSPC, fs_fallocate(t.c, &t4_root, f, 0, 0, 300 * MIB));
	ok(fs_fallocate(t.c, &t4_root, f, 0, 0, 100 * MIB));
	/* What is promised once is not promised again, and not to others. */
	ok(fs_fallocate(t.c, &t4_root, f, 0, 0, 100 * MIB));
	gives(-ENOSPC, fs_fallocate(t.c, &t4_root, m[1].ino, 0, 0, 180 * MIB));
	t4_truncate(&t, f, 0);
	ok(fs_fallocate(t.c, &t4_root, m[1].ino, 0, 0, 180 * MIB));
}
END_TEST

START_TEST(clone_refuses_what_it_cannot_do)
{
	uint64_t d = t4_make(&t, ROOT, "d", S_IFDIR | 0755), n;
	uint64_t p = t4_make(&t, ROOT, "p", S_IFIFO | 0644);
	uint64_t f = m[0].ino, g = m[1].ino;

	t4_write(&t, f, "0123456789", 10, 0);
	gives(-EISDIR, fs_clone(t.c, &t4_root, d, 0, g, 0, 1, &n));
	gives(-EISDIR, fs_clone(t.c, &t4_root, f, 0, d, 0, 1, &n));
	gives(-EINVAL, fs_clone(t.c, &t4_root, p, 0, g, 0, 1, &n));
	gives(-EINVAL, fs_clone(t.c, &t4_root, f, 0, f, 9, 10, &n));
	gives(-EFBIG, fs_clone(t.c, &t4_root, f, 0, g, INT64_MAX, 1, &n));
	ok(fs_clone(t.c, &t4_root, f, 0, g, INT64_MAX - 3, 10, &n));
	ck_assert_uint_eq(n, 3);
	ok(fs_clone(t.c, &t4_root, f, 10, g, 0, 10, &n));
	ck_assert_uint_eq(n, 0);
	ok(fs_clone(t.c, &t4_root, f, 0, f, 10, 100, &n));
	ck_assert_uint_eq(n, 10);
	ck_assert_uint_eq(t4_attr(&t, f).size, 20);
	m[0].size = 20;
}
END_TEST

START_TEST(a_clone_of_many_extents_stops_early_and_goes_on)
{
	uint64_t f = m[0].ino, g = m[1].ino, at = 0, n;
	unsigned rounds = 0;
	char x = 'x', *all = malloc(20000), *got = malloc(20000);

	/* byte by byte: an extent each */
	for (unsigned i = 0; i < 20000; i++) {
		all[i] = (char)(x + i % 7);
		t4_write(&t, f, &all[i], 1, i);
	}
	for (; at < 20000; at += n, rounds++) {
		ok(fs_clone(t.c, &t4_root, f, at, g, at, 20000 - at, &n));
		ck_assert_uint_gt(n, 0);
		ck_assert_uint_le(n, 8192);
	}
	ck_assert_uint_eq(rounds, 3);
	ck_assert_uint_eq(t4_read(&t, g, got, 20000, 0), 20000);
	ck_assert_mem_eq(all, got, 20000);
	free(all);
	free(got);
}
END_TEST

START_TEST(writes_of_any_length_are_split)
{
	const uint32_t len = 3 * MIB + 12345;
	uint8_t *w = malloc(len), *r = malloc(len);

	for (uint32_t i = 0; i < len; i++)
		w[i] = (uint8_t)(i * 2654435761u >> 24);
	t4_write(&t, m[0].ino, w, len, 777);
	ck_assert_uint_eq(t4_attr(&t, m[0].ino).size, 777 + len);
	for (uint32_t at = 0; at < len;) {
		uint32_t n = MIN(len - at, (uint32_t)MIB);

		ck_assert_uint_eq(t4_read(&t, m[0].ino, r + at, n, 777 + at), n);
		at += n;
	}
	ck_assert_mem_eq(w, r, len);
	free(w);
	free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs ranges");
	TCase *tc = tcase_create("range");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, content_is_what_the_model_says, 1, 9);
	tcase_add_test(tc, fallocate_refuses_what_it_cannot_do);
	tcase_add_test(tc, clone_refuses_what_it_cannot_do);
	tcase_add_test(tc, a_clone_of_many_extents_stops_early_and_goes_on);
	tcase_add_test(tc, writes_of_any_length_are_split);
	suite_add_tcase(s, tc);
	return t4_run(s);
}
