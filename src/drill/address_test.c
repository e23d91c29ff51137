#include "drill/address.h"
#include "drill/drill.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *text_of(const struct sockaddr_storage *a, char to[64])
{
	const void *ip = a->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
	                                          : (const void *)&((const struct sockaddr_in *)a)->sin_addr;
	return inet_ntop(a->ss_family, ip, to, 64);
}

static void reads_numbers_only(void **state)
{
	static const char *const wrong[] = {
		"",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:80x",
		"localhost:80",
		"example.org:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[127.0.0.1]:80",
		"127.1:80",
		"0x7f.0.0.1:80",
		"127.0.0.1 :80",
		"2130706433:80",
		":80",
		"[]:80",
		"[::1%lo]:80",
		"127.0.0.1:+80",
		"127.0.0.1:080",
	};
	struct sockaddr_storage a, before;
	struct err err;
	memset(&a, 7, sizeof(a));
	before = a;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(drill_address_read(wrong[i], &a, &err), -EINVAL);
		assert_memory_equal(&a, &before, sizeof(a));
	}
	assert_int_equal(drill_address_read("127.0.0.1:8080", &a, &err), 0);
	assert_int_equal(ntohs(((struct sockaddr_in *)&a)->sin_port), 8080);
	assert_int_equal(drill_address_read("[::1]:443", &a, &err), 0);
	assert_int_equal(ntohs(((struct sockaddr_in6 *)&a)->sin6_port), 443);
}

static void goes_to_loopback_alone(void **state)
{
	static const char *const permitted[] = { "127.0.0.1:80", "127.64.3.2:80", "127.255.255.255:1", "[::1]:80" };
	static const char *const others[] = {
		"0.0.0.0:80",
		"8.8.8.8:80",
		"126.255.255.255:80",
		"128.0.0.1:80",
		"10.63.0.1:80",
		"255.255.255.255:80",
		"[::]:80",
		"[::2]:80",
		"[::ffff:8.8.8.8]:80",
		"[::ffff:127.0.0.1]:80",
		"[2001:db8::1]:80",
		"[fe80::1]:80",
		"[64:ff9b::7f00:1]:80",
		"[::127.0.0.1]:80",
	};
	struct sockaddr_storage a;
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(permitted); i++) {
		assert_int_equal(drill_address_read(permitted[i], &a, &err), 0);
		assert_int_equal(drill_permits(&a, NULL, &err), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_int_equal(drill_address_read(others[i], &a, &err), 0);
		assert_int_equal(drill_permits(&a, NULL, &err), -EPERM);
	}
	a = (struct sockaddr_storage){ .ss_family = AF_UNIX };
	assert_int_equal(drill_permits(&a, NULL, &err), -EAFNOSUPPORT);
}

static void counts_addresses(void **state)
{
	struct address_run run;
	struct sockaddr_storage a;
	struct err err;
	char text[64];
	assert_int_equal(drill_address_run(&run, "127.64.0.0", 5000, false, &err), 0);
	drill_address_of(&run, 0, &a);
	assert_string_equal(text_of(&a, text), "127.64.0.1");
	drill_address_of(&run, 4999, &a);
	assert_string_equal(text_of(&a, text), "127.64.19.136");
	drill_address_of(&run, 5000, &a);
	assert_string_equal(text_of(&a, text), "127.64.0.1");
	assert_int_equal(drill_address_run(&run, "2001:db8:64::", 1000, true, &err), 0);
	drill_address_of(&run, 258, &a);
	assert_string_equal(text_of(&a, text), "2001:db8:64:102::1");
	assert_int_equal(drill_address_run(&run, "fd64::ffff:fffe", 4, false, &err), 0);
	drill_address_of(&run, 1, &a);
	assert_string_equal(text_of(&a, text), "fd64::1:0:0");
}

static void stays_within_its_network(void **state)
{
	struct address_run run = { .n = 77 };
	struct err err;
	assert_int_equal(drill_address_run(&run, "127.255.255.250", 5, false, &err), 0);
	assert_int_equal(drill_address_run(&run, "127.255.255.250", 6, false, &err), -EINVAL);
	assert_int_equal(drill_address_run(&run, "127.0.0.0", 0, false, &err), -EINVAL);
	assert_int_equal(drill_address_run(&run, "127.0.0.0", 1, true, &err), -EINVAL);
	assert_int_equal(drill_address_run(&run, "fd64::", 65537, true, &err), -EINVAL);
	assert_int_equal(drill_address_run(&run, "localhost", 1, false, &err), -EINVAL);
	assert_int_equal(run.n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_numbers_only),
		cmocka_unit_test(goes_to_loopback_alone),
		cmocka_unit_test(counts_addresses),
		cmocka_unit_test(stays_within_its_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
