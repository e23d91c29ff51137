/* The demo's bank: its secret, and notices that are signed as SePay signs them. */
#include "cmd/kiosk_demo.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SECRET = 32, VIETNAM_S = 7 * 3600 };

/* Each start is a new morning. Only what a demo made is taken away: it left a mark. */
static int begin_anew(const char *data, struct err *err)
{
	static const char *const old[] = { "", "-wal", "-shm", "-journal" };
	char mark[4200], base[4200];
	snprintf(mark, sizeof(mark), "%s/demo", data);
	snprintf(base, sizeof(base), "%s/store/kiosk.db", data);
	if (access(mark, F_OK) && !access(base, F_OK))
		return err_set(err, -EEXIST, "'%s' has a kiosk in it that is no demo: name another folder with --data",
		               data);
	int fd = open(mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "write '%s': %m", mark);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(old); i++) {
		snprintf(base, sizeof(base), "%s/store/kiosk.db%s", data, old[i]);
		if (unlink(base) && errno != ENOENT)
			return err_set(err, -errno, "remove '%s': %m", base);
	}
	return 0;
}

int kiosk_demo_folder(const char *data, struct err *err)
{
	static const char *const names[] = { "hook-sepay", "hook-payos" };
	int code = begin_anew(data, err);
	for (size_t i = 0; i < ARRAY_LEN(names) && !code; i++) {
		char path[4200], text[2 * SECRET + 1];
		unsigned char bytes[SECRET];
		snprintf(path, sizeof(path), "%s/%s", data, names[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		randombytes_buf(bytes, sizeof(bytes));
		sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes));
		const bool written = fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1;
		code = written ? 0 : err_set(err, -errno, "write '%s': %m", path);
		if (fd >= 0)
			close(fd);
	}
	return code;
}

int demo_bank_open(struct demo *d, const char *folder, struct err *err)
{
	char path[4200];
	CLEANUP(kiosk_wipe) struct buf text = { 0 };
	snprintf(path, sizeof(path), "%s/hook-sepay", folder);
	int code = kiosk_file(path, &text, err);
	if (!code)
		snprintf(d->secret, sizeof(d->secret), STR_FMT, STR_ARG(str_trim(buf_str(&text))));
	d->paid = clock_wall(d->k->clock);
	return code;
}

/* "TIME sha256=HEX" over "TIME.BODY". */
static void sign(const struct demo *d, const char *body, int64_t now_s, char out[160])
{
	crypto_auth_hmacsha256_state state;
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char hex[2 * sizeof(mac) + 1], head[32];
	const int n = snprintf(head, sizeof(head), "%lld.", (long long)now_s);
	crypto_auth_hmacsha256_init(&state, (const unsigned char *)d->secret, strlen(d->secret));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)head, (unsigned long long)n);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)body, strlen(body));
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
	snprintf(out, 160, "%lld sha256=%s", (long long)now_s, hex);
}

void demo_pay(struct demo *d, const json_t *payment, unsigned part)
{
	const char *reference = json_string_value(json_object_get(payment, "reference"));
	const json_int_t amount = json_integer_value(json_object_get(payment, "amount")) * part / 100;
	const time_t now = (time_t)(clock_wall(d->k->clock) / CLOCK_S), there = now + VIETNAM_S;
	char when[32], authorization[160], content[80];
	struct tm tm;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", gmtime_r(&there, &tm));
	snprintf(content, sizeof(content), "%s chuyen tien kham benh", reference ? reference : "");
	json_t *notice = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:s}", "id", (json_int_t)++d->paid, "gateway",
	                           "DEMO", "transactionDate", when, "accountNumber", "DEMO0000", "transferType", "in",
	                           "transferAmount", amount, "content", content);
	char *body = json_dumps(notice, JSON_COMPACT);
	json_decref(notice);
	if (!body)
		return;
	sign(d, body, now, authorization);
	json_decref(demo_ask(d, json_pack("{s:s, s:s, s:s, s:s}", "op", "notice", "bank", "sepay", "authorization",
	                                  authorization, "body", body)));
	free(body);
}
