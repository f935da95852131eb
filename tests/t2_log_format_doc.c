/* SPDX-License-Identifier: MIT */
/* t2_log_format_doc.c - doc/format.md says what is: its tables are those of
 * format.h, its dump decodes to the values beside it, and today's writer writes
 * exactly these bytes.  VARVE_PRINT=1 shows what the dump should be. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "log/codec.h"
#include "t2_log_rig.h"

#define DATA "hello varvefs"
#define T0 1700000000000000000

static FILE *open_doc(void)
{
	const char *dir = getenv("srcdir");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/doc/format.md", dir ? dir : ".");
	f = fopen(path, "r");
	if (!f)
		f = fopen("../doc/format.md", "r");
	ck_assert_msg(f != NULL, "doc/format.md not found: set srcdir");
	return f;
}

/* Moves behind the line that is marker and the line ``` after it. */
static void seek_block(FILE *f, const char *marker)
{
	char line[512];

	while (fgets(line, sizeof line, f))
		if (strncmp(line, marker, strlen(marker)) == 0) {
			ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
			ck_assert_int_eq(strncmp(line, "```", 3), 0);
			return;
		}
	ck_abort_msg("no %s in doc/format.md", marker);
}

/* --- the tables --- */

struct field {
	const char *type, *name;
	size_t off, size;
};
#define F(t, m) { #t, #m, offsetof(struct t, m), sizeof(((struct t *)0)->m) }
#define FLEX(t, m) { #t, #m, offsetof(struct t, m), 0 }

static const struct field fields[] = {
	F(super_disk, magic), F(super_disk, crc), F(super_disk, version),
	F(super_disk, compat), F(super_disk, ro_compat), F(super_disk, incompat),
	F(super_disk, uuid), F(super_disk, hash_key), F(super_disk, label),
	F(super_disk, dev_size), F(super_disk, slot_off), F(super_disk, slot_size),
	F(super_disk, seg_base), F(super_disk, seg_size), F(super_disk, seg_count),
	F(super_disk, block_size), F(super_disk, copy), F(super_disk, created),
	F(slot_disk, magic), F(slot_disk, crc), F(slot_disk, table_crc), F(slot_disk, uuid),
	F(slot_disk, seq), F(slot_disk, epoch), F(slot_disk, flags),
	F(slot_disk, seg_count), F(slot_disk, time), F(slot_disk, pos),
	F(slot_disk, map_addr), F(slot_disk, map_crc), F(slot_disk, map_depth),
	F(slot_disk, db_pages), F(slot_disk, zero), F(slot_disk, op_seq),
	F(slot_disk, next_ino), F(slot_disk, next_piece), F(slot_disk, inodes),
	F(slot_disk, data_bytes), F(slot_disk, reserved_bytes),
	F(slot_ext_disk, holds_len), F(slot_ext_disk, holds_crc), F(slot_ext_disk, backup),
	F(backup_ref_disk, id), F(backup_ref_disk, ckpt), F(backup_ref_disk, op_seq),
	F(backup_ref_disk, log_seq), F(backup_ref_disk, time), F(backup_ref_disk, pages),
	F(backup_ref_disk, chunks),
	F(log_pos_disk, addr), F(log_pos_disk, seq), F(log_pos_disk, prev_crc),
	F(log_pos_disk, next_seg),
	F(seg_disk, state), F(seg_disk, zero1), F(seg_disk, zero2), F(seg_disk, live),
	F(seg_disk, sum), F(seg_disk, stamp),
	F(batch_disk, magic), F(batch_disk, crc), F(batch_disk, flags), F(batch_disk, uuid),
	F(batch_disk, seq), F(batch_disk, epoch), F(batch_disk, durable_seq),
	F(batch_disk, first_op), F(batch_disk, time), F(batch_disk, nrecs),
	F(batch_disk, rec_len), F(batch_disk, data_len), F(batch_disk, prev_crc),
	F(batch_disk, next_seg), F(batch_disk, zero), FLEX(batch_disk, inline_recs),
	F(map_disk, addr), F(map_disk, crc), F(map_disk, zero),
	F(backup_disk, magic), F(backup_disk, crc), F(backup_disk, data_crc),
	F(backup_disk, uuid), F(backup_disk, id), F(backup_disk, index), F(backup_disk, count),
	F(backup_disk, first), F(backup_disk, npages), F(backup_disk, pages),
	F(backup_disk, stored), F(backup_disk, raw_crc), F(backup_disk, enc),
	F(backup_disk, ckpt), F(backup_disk, epoch), F(backup_disk, time), F(backup_disk, pos),
	F(backup_disk, op_seq), F(backup_disk, next_ino), F(backup_disk, next_piece),
	F(backup_disk, inodes), F(backup_disk, data_bytes), F(backup_disk, reserved_bytes),
	F(rec_disk, len_lo), F(rec_disk, kind), F(rec_disk, flags), F(rec_disk, uid),
	F(rec_disk, pid), F(rec_disk, aux), F(rec_disk, time),
};

START_TEST(every_table_row_is_a_field_and_every_field_a_row)
{
	static const char *const types[] = { "super_disk", "slot_disk", "slot_ext_disk",
		"backup_ref_disk", "log_pos_disk", "seg_disk", "batch_disk", "map_disk",
		"backup_disk", "rec_disk" };
	FILE *f = open_doc();
	size_t next = 0;

	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		char marker[64], line[512];

		snprintf(marker, sizeof marker, "<!-- struct %s -->", types[t]);
		seek_block(f, marker);
		while (fgets(line, sizeof line, f) && strncmp(line, "```", 3) != 0) {
			const struct field *fd = &fields[next];
			size_t off, size = 0;
			char name[64];

			if (sscanf(line, "%zu %zu %63s", &off, &size, name) != 3 &&
			    sscanf(line, "%zu %63s", &off, name) != 2)
				continue; /* heading or more of the meaning */
			ck_assert_msg(next < ARRAY_LEN(fields) &&
				      strcmp(fd->type, types[t]) == 0 &&
				      strcmp(fd->name, name) == 0 && fd->off == off &&
				      fd->size == size, "%s: %s", types[t], line);
			next++;
		}
	}
	ck_assert_uint_eq(next, ARRAY_LEN(fields));
	fclose(f);
}
END_TEST

/* --- the batch of §10 --- */

static int64_t fixed_clock(void)
{
	return T0 + 3;
}

static void doc_super(struct super *s)
{
	static const uint8_t uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
		0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

	ck_assert_int_eq(super_plan(RIG_SIZE, 0, s), 0);
	memcpy(s->uuid, uuid, 16);
	for (uint8_t i = 0; i < 16; i++)
		s->hash_key[i] = i;
}

static void put_rec(struct log *l, struct ring *r, const struct rec *rec)
{
	uint64_t op;

	ck_assert_int_eq(log_rec_begin(l, r, rec_size(rec), SEG_USER, &op), 0);
	log_rec_end(l, r, rec);
}

/* Writes the example with the real log; block is its header block. */
static void write_example(struct super *sup, uint8_t *block)
{
	struct log_pos at;
	struct log_params p = { .sup = sup, .epoch = 2, .first_op = 5, .threads = 1 };
	struct rec make = { .kind = REC_MAKE, .uid = 1000, .pid = 4321, .time = T0 + 1,
		.make = { .ino = 2, .mode = S_IFREG | 0644, .uid = 1000, .gid = 100,
			  .at = { .dir = 1, .cookie = 0x1122334455667788,
				  .name = "twelve-bytes", .len = 12 } } };
	struct rec write = { .kind = REC_WRITE, .uid = 1000, .pid = 4321, .time = T0 + 2 };
	uint32_t sums[1];
	struct log_data d;
	struct ring *r;
	struct dev *dev;
	struct log *l;

	doc_super(sup);
	at = (struct log_pos){ .addr = sup->seg_base, .seq = 1 };
	ck_assert_int_eq(dev_mem_new(RIG_SIZE, &dev), 0);
	ck_assert_int_eq(ring_create(8, 0, &r), 0);
	p.segs = segs_new(sup);
	clock_set_wall(fixed_clock);
	ck_assert_int_eq(log_open(dev, &p, &at, &l), 0);
	put_rec(l, r, &make);
	ck_assert_int_eq(log_data_begin(l, r, sizeof DATA - 1, SEG_USER, &d), 0);
	memcpy(d.mem, DATA, sizeof DATA - 1);
	log_data_end(l, r, &d);
	piece_sum(DATA, sizeof DATA - 1, sums);
	write.write.ino = 2;
	write.write.len = write.write.stored = sizeof DATA - 1;
	write.write.piece = 1;
	write.write.addr = d.addr;
	write.write.nsums = 1;
	write.write.sums = sums;
	put_rec(l, r, &write);
	log_data_done(l, &d);
	log_seal(l, r);
	while (ring_pending(r))
		ck_assert_int_ge(ring_run(r, -1), 0);
	ck_assert_int_eq(dev_read(dev, block, sup->seg_base, VARVE_BLOCK), 0);
	clock_set_wall(NULL);
	log_close(l);
	segs_free_table(p.segs);
	ring_destroy(r);
	dev_close(dev);
}

/* Where each value of the example is, in order and without gaps up to the
 * end of the records. */
static const struct part {
	size_t size;
	const char *name;
} parts[] = {
	{ 8, "magic" }, { 4, "crc" }, { 4, "flags" }, { 16, "uuid" }, { 8, "seq" },
	{ 8, "epoch" }, { 8, "durable_seq" }, { 8, "first_op" }, { 8, "time" },
	{ 4, "nrecs" }, { 4, "rec_len" }, { 4, "data_len" }, { 4, "prev_crc" },
	{ 4, "next_seg" }, { 4, "zero" },
	{ 2, "make.len" }, { 1, "make.kind" }, { 1, "make.flags" }, { 4, "make.by_uid" },
	{ 4, "make.by_pid" }, { 4, "make.mode" }, { 8, "make.time" }, { 8, "make.ino" },
	{ 4, "make.uid" }, { 4, "make.gid" }, { 4, "make.iflags" },
	{ 2, "make.target_len" }, { 1, "make.name_len" }, { 1, "make.nxattrs" },
	{ 8, "make.dir" }, { 8, "make.cookie" }, { 12, "make.name" }, { 4, "make.padding" },
	{ 2, "write.len" }, { 1, "write.kind" }, { 1, "write.flags" },
	{ 4, "write.by_uid" }, { 4, "write.by_pid" }, { 4, "write.length" },
	{ 8, "write.time" }, { 8, "write.ino" }, { 8, "write.off" }, { 8, "write.piece" },
	{ 8, "write.addr" }, { 4, "write.sum" }, { 4, "write.padding" },
};

static uint64_t little(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void print_dump(const uint8_t *block, FILE *out)
{
	size_t off = 0;

	fputs("<!-- dump -->\n```\n", out);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t n = parts[i].size;
		const char *hex = strstr(parts[i].name, "crc") ||
			strstr(parts[i].name, "sum") || strstr(parts[i].name, "magic") ||
			strstr(parts[i].name, "cookie") ? "%#" PRIx64 : "%" PRIu64;

		fprintf(out, "%04zx ", off);
		for (size_t k = 0; k < 16; k++)
			k < n ? fprintf(out, " %02x", block[off + k]) :
				fputs("   ", out);
		fprintf(out, "  %s", parts[i].name);
		if (n <= 8 && strcmp(parts[i].name, "make.mode") == 0) {
			fprintf(out, " = 0%" PRIo64, little(block + off, n));
		} else if (n <= 8) {
			fputs(" = ", out);
			fprintf(out, hex, little(block + off, n));
		}
		fputc('\n', out);
		off += n;
	}
	fputs("```\n", out);
}

struct dump {
	uint8_t block[VARVE_BLOCK];
	unsigned nvalues;
	struct {
		char name[32];
		uint64_t value;
		bool given;
	} v[64];
};

static void parse_line(const char *line, struct dump *d)
{
	unsigned long at;
	size_t off, start;
	char *end;
	int used;

	at = strtoul(line, &end, 16);
	ck_assert_msg(end == line + 4, "offset: %s", line);
	start = off = at;
	for (line = end + 2; line[0] != ' ' && line[2] == ' '; line += 3) {
		ck_assert_uint_lt(off, VARVE_BLOCK);
		d->block[off++] = (uint8_t)strtoul(line, NULL, 16);
	}
	ck_assert_uint_lt(d->nvalues, ARRAY_LEN(d->v));
	ck_assert_int_eq(sscanf(line, " %31s%n", d->v[d->nvalues].name, &used), 1);
	line = strchr(line, '=');
	if (line) {
		d->v[d->nvalues].given = true;
		d->v[d->nvalues].value = strtoull(line + 1, NULL, 0);
		ck_assert_msg(little(d->block + start, off - start) ==
			      d->v[d->nvalues].value, "%s: bytes say otherwise",
			      d->v[d->nvalues].name);
	}
	d->nvalues++;
}

static void parse_dump(struct dump *d)
{
	FILE *f = open_doc();
	char line[256];

	memset(d, 0, sizeof *d);
	seek_block(f, "<!-- dump -->");
	while (fgets(line, sizeof line, f) && strncmp(line, "```", 3) != 0)
		parse_line(line, d);
	fclose(f);
	ck_assert_uint_eq(d->nvalues, ARRAY_LEN(parts));
}

static void same(const struct dump *d, const char *name, uint64_t value)
{
	for (unsigned i = 0; i < d->nvalues; i++)
		if (strcmp(d->v[i].name, name) == 0 && d->v[i].given) {
			ck_assert_msg(d->v[i].value == value, "%s: documented %" PRIu64
				      ", decoded %" PRIu64, name, d->v[i].value, value);
			return;
		}
	ck_abort_msg("%s is not in the dump", name);
}

START_TEST(the_dump_decodes_to_the_values_beside_it)
{
	uint32_t sums[VARVE_PIECE_SUMS];
	static struct dump d;
	struct rec_iter it;
	struct super sup;
	struct batch b;
	struct rec r;

	doc_super(&sup);
	parse_dump(&d);
	ck_assert_int_eq(batch_decode(&sup, sup.seg_base, d.block, &b), 0);
	ck_assert_uint_eq(batch_crc(&sup, d.block, b.recs, b.rec_len), b.crc);
	same(&d, "magic", BATCH_MAGIC);
	same(&d, "crc", b.crc);
	same(&d, "seq", b.seq);
	same(&d, "epoch", b.epoch);
	same(&d, "durable_seq", b.durable_seq);
	same(&d, "first_op", b.first_op);
	same(&d, "time", (uint64_t)b.time);
	same(&d, "nrecs", b.nrecs);
	same(&d, "rec_len", b.rec_len);
	same(&d, "data_len", b.data_len);
	same(&d, "prev_crc", b.prev_crc);
	same(&d, "next_seg", b.next_seg);
	rec_iter_init(&it, &b);
	ck_assert_int_eq(rec_iter_next(&it, sums, &r), 1);
	same(&d, "make.len", rec_size(&r) / 8);
	same(&d, "make.kind", r.kind);
	same(&d, "make.by_uid", r.uid);
	same(&d, "make.by_pid", r.pid);
	same(&d, "make.mode", r.make.mode);
	same(&d, "make.time", (uint64_t)r.time);
	same(&d, "make.ino", r.make.ino);
	same(&d, "make.uid", r.make.uid);
	same(&d, "make.gid", r.make.gid);
	same(&d, "make.name_len", r.make.at.len);
	same(&d, "make.dir", r.make.at.dir);
	same(&d, "make.cookie", r.make.at.cookie);
	ck_assert_mem_eq(r.make.at.name, "twelve-bytes", 12);
	ck_assert_int_eq(rec_iter_next(&it, sums, &r), 1);
	same(&d, "write.len", rec_size(&r) / 8);
	same(&d, "write.kind", r.kind);
	same(&d, "write.length", r.write.len);
	same(&d, "write.ino", r.write.ino);
	same(&d, "write.off", r.write.off);
	same(&d, "write.piece", r.write.piece);
	same(&d, "write.addr", r.write.addr);
	same(&d, "write.sum", r.write.sums[0]);
	ck_assert_int_eq(piece_verify(DATA, sizeof DATA - 1, r.write.sums, 1), 0);
	ck_assert_int_eq(rec_iter_next(&it, sums, &r), 0);
}
END_TEST

START_TEST(the_writer_writes_the_documented_bytes)
{
	uint8_t *block = dev_alloc(VARVE_BLOCK);
	static struct dump d;
	struct super sup;

	write_example(&sup, block);
	if (getenv("VARVE_PRINT"))
		print_dump(block, stdout);
	parse_dump(&d);
	ck_assert_uint_eq(sup.seg_base, 131072);
	ck_assert_mem_eq(block, d.block, VARVE_BLOCK);
	dev_free(block);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log format document");
	TCase *tc = tcase_create("doc");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_test(tc, every_table_row_is_a_field_and_every_field_a_row);
	tcase_add_test(tc, the_dump_decodes_to_the_values_beside_it);
	tcase_add_test(tc, the_writer_writes_the_documented_bytes);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
