/* SPDX-License-Identifier: MIT */
/* t0_base_sums.c - checksums, hash, byte order, error codes, messages. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/le.h"
#include "base/msg.h"
#include "base/siphash.h"

static uint8_t buf[3 * 4096 + 64], out[sizeof(buf) + 2];

static void fill(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(buf); i++) {
		x = x * 1664525 + 1013904223;
		buf[i] = x >> 24;
	}
}

/* One bit at a time, as the polynomial is defined. */
static uint32_t slow(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

START_TEST(crc32c_gives_the_published_check_values)
{
	uint8_t b[32];

	ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
	ck_assert_uint_eq(crc32c_soft(0, "123456789", 9), 0xe3069283);
	ck_assert_uint_eq(crc32c(0, "", 0), 0);
	/* RFC 3720 B.4 */
	memset(b, 0, 32);
	ck_assert_uint_eq(crc32c(0, b, 32), 0x8a9136aa);
	memset(b, 0xff, 32);
	ck_assert_uint_eq(crc32c(0, b, 32), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		b[i] = i;
	ck_assert_uint_eq(crc32c(0, b, 32), 0x46dd794e);
}
END_TEST

static void all_agree(size_t at, size_t len)
{
	uint32_t want = slow(0x1234567, buf + at, len);

	ck_assert_msg(crc32c(0x1234567, buf + at, len) == want, "at %zu len %zu", at, len);
	ck_assert_msg(crc32c_soft(0x1234567, buf + at, len) == want,
		      "soft at %zu len %zu", at, len);
	memset(out, 0xaa, sizeof(out));
	ck_assert_msg(crc32c_copy(0x1234567, out + 1, buf + at, len) == want,
		      "copy at %zu len %zu", at, len);
	ck_assert_msg(!memcmp(out + 1, buf + at, len) && out[0] == 0xaa &&
		      out[len + 1] == 0xaa, "copied bytes at %zu len %zu", at, len);
}

START_TEST(every_length_and_alignment_gives_the_same_crc_by_every_way)
{
	static const size_t lens[] = { 503, 504, 505, 511, 512, 1008, 4079, 4080,
		4081, 4087, 4088, 4095, 4096, 4097, 8160, 8192, 12288, 12296 };

	fill();
	for (size_t len = 0; len < 64; len++)
		for (size_t at = 0; at < 9; at++)
			all_agree(at, len);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (size_t at = 0; at < 9; at++)
			all_agree(at, lens[i]);
}
END_TEST

START_TEST(crc32c_of_a_continuation_is_the_crc_of_the_whole)
{
	fill();
	for (size_t cut = 0; cut <= 5000; cut += 7)
		ck_assert_uint_eq(crc32c(crc32c(0, buf, cut), buf + cut, 5000 - cut),
				  crc32c_soft(0, buf, 5000));
}
END_TEST

START_TEST(siphash_gives_the_authors_test_vectors)
{
	uint8_t key[16], in[64];

	for (int i = 0; i < 16; i++)
		key[i] = i;
	for (int i = 0; i < 64; i++)
		in[i] = i;
	ck_assert(siphash24(key, in, 0) == 0x726fdb47dd0e0e31);
	ck_assert(siphash24(key, in, 1) == 0x74f839c593dc67fd);
	ck_assert(siphash24(key, in, 8) == 0x93f5f5799a932462);
	ck_assert(siphash24(key, in, 15) == 0xa129ca6149be45e5);
}
END_TEST

START_TEST(integers_are_little_endian_at_any_address)
{
	uint8_t b[16] = { 0 };
	static const uint8_t want[] = { 0, 8, 7, 6, 5, 4, 3, 2, 1, 0 };

	le64_put(b + 1, 0x0102030405060708);
	ck_assert_mem_eq(b, want, sizeof(want));
	ck_assert_uint_eq(le64_get(b + 1), 0x0102030405060708);
	ck_assert_uint_eq(le32_get(b + 1), 0x05060708);
	ck_assert_uint_eq(le16_get(b + 1), 0x0708);
	le32_put(b + 3, 0xa1a2a3a4);
	ck_assert_uint_eq(b[3], 0xa4);
	ck_assert_uint_eq(b[6], 0xa1);
	ck_assert_uint_eq(b[7], 2);
	le16_put(b + 1, 0xb1b2);
	ck_assert_uint_eq(b[1], 0xb2);
	ck_assert_uint_eq(b[2], 0xb1);
	ck_assert_uint_eq(b[3], 0xa4);
}
END_TEST

START_TEST(every_error_code_has_an_errno_and_a_text)
{
	ck_assert_int_eq(err_errno(0), 0);
	ck_assert_int_eq(err_errno(-ENOENT), ENOENT);
	ck_assert_str_eq(err_str(-ENOENT), "No such file or directory");
	ck_assert_int_eq(err_errno(-VE_DEV_BUSY), EBUSY);
	ck_assert_str_eq(err_str(-VE_DEV_BUSY), "device is in use");
	for (int c = VE_FIRST + 1; c < VE_END; c++) {
		ck_assert_int_gt(err_errno(-c), 0);
		ck_assert_int_lt(err_errno(-c), 1000);
		ck_assert_str_ne(err_str(-c), "unknown error");
	}
	ck_assert_int_eq(err_errno(-VE_END), EIO);
	ck_assert_int_eq(err_errno(5), EIO);
	ck_assert_str_eq(err_str(-VE_END), "unknown error");
	ck_assert_str_eq(err_str(-999), "unknown error");
}
END_TEST

static char seen[256];
static enum msg_level seen_level;

static void hook(enum msg_level level, const char *line)
{
	seen_level = level;
	snprintf(seen, sizeof(seen), "%s", line);
}

START_TEST(a_hook_sees_the_messages_up_to_the_chosen_level)
{
	msg_init("test", MSG_STDERR, MSG_WARN);
	msg_set_hook(hook);
	errno = EXDEV;
	msg_warn("%s %d", "number", 7);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_str_eq(seen, "number 7");
	ck_assert_int_eq(seen_level, MSG_WARN);
	msg_info("quiet");
	ck_assert_str_eq(seen, "number 7");
}
END_TEST

START_TEST(a_panic_aborts)
{
	msg_set_hook(hook);
	msg_panic("on purpose");
}
END_TEST

static int64_t noon(void)
{
	return 12;
}

START_TEST(the_wall_clock_can_be_replaced_and_restored)
{
	int64_t mono = clock_mono();

	clock_set_wall(noon);
	ck_assert_int_eq(clock_wall(), 12);
	clock_set_wall(NULL);
	ck_assert_int_gt(clock_wall(), 1000000000000000000);
	ck_assert_int_ge(clock_mono(), mono);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base");
	TCase *tc = tcase_create("base");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, crc32c_gives_the_published_check_values);
	tcase_add_test(tc, every_length_and_alignment_gives_the_same_crc_by_every_way);
	tcase_add_test(tc, crc32c_of_a_continuation_is_the_crc_of_the_whole);
	tcase_add_test(tc, siphash_gives_the_authors_test_vectors);
	tcase_add_test(tc, integers_are_little_endian_at_any_address);
	tcase_add_test(tc, every_error_code_has_an_errno_and_a_text);
	tcase_add_test(tc, a_hook_sees_the_messages_up_to_the_chosen_level);
	if (srunner_fork_status(sr) == CK_FORK)
		tcase_add_test_raise_signal(tc, a_panic_aborts, SIGABRT);
	tcase_add_test(tc, the_wall_clock_can_be_replaced_and_restored);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
