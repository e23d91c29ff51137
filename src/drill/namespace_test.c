#include "drill/address.h"
#include "drill/drill.h"
#include "drill/namespace.h"

#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static ino_t here(void)
{
	struct stat st;
	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return st.st_ino;
}

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage a;
	assert_int_equal(drill_address_read(text, &a, NULL), 0);
	return a;
}

/* From one of the crowd's addresses to the site, and nowhere else. */
static void joins_crowd_and_site(void **state)
{
	struct drill_network *n;
	struct err err;
	const ino_t home = here();
	struct sockaddr_storage site = address(DRILL_SITE_IP ":8080"), from = address("10.66.7.8:1"),
	                        away = address("10.63.0.2:8080");
	if (drill_network_new(&n, &err)) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	assert_int_equal(here(), home);
	assert_int_equal(if_nametoindex("crowd"), 0);
	assert_int_equal(drill_permits(&site, n, &err), -EPERM); /* from home its site is another's address */
	assert_int_equal(drill_network_enter(n, DRILL_SITE, &err), 0);
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&site, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(drill_network_enter(n, DRILL_CROWD, &err), 0);
	assert_int_equal(drill_permits(&site, n, &err), 0);
	assert_int_equal(drill_permits(&away, n, &err), -EPERM);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&site, sizeof(struct sockaddr_in)), 0);
	const int other = socket(AF_INET, SOCK_STREAM, 0);
	away = address("192.0.2.1:80");
	assert_int_equal(connect(other, (struct sockaddr *)&away, sizeof(struct sockaddr_in)), -1);
	assert_int_equal(errno, ENETUNREACH);
	close(fd);
	close(other);
	close(listener);
	assert_int_equal(drill_network_enter(n, DRILL_HOME, &err), 0);
	assert_int_equal(here(), home);
	drill_network_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(joins_crowd_and_site) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
