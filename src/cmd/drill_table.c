/* What a rehearsal came to, for people in three languages and for machines. */
#include "cmd/drill.h"
#include "cmd/gate_ask.h"
#include "cmd/term.h"

#include <stdio.h>
#include <stdlib.h>

enum { CELL = 48 };

enum row {
	ROW_HEAD,
	ROW_BOOKED,
	ROW_READ,
	ROW_WAITED,
	ROW_P50,
	ROW_P99,
	ROW_CPU,
	ROW_SENT,
	ROW_UNSENT,
	ROW_SERVED,
	ROW_DENIED,
	ROW_OVERLOADED,
	ROW_CUT,
	ROW_LATE,
	ROW_SLOW,
	N_ROWS
};
static const char *const names[N_ROWS][N_LANGUAGES] = {
	[ROW_HEAD] = { "", "", "" },
	[ROW_BOOKED] = { "Bệnh nhân đặt lịch và trả tiền xong", "Patients who booked and paid",
	                 "完成挂号和支付的患者" },
	[ROW_READ] = { "Người đọc xem được các trang cần xem", "Readers who got their pages", "读到所需页面的访客" },
	[ROW_WAITED] = { "  lúc đầu bị mời chờ, sau vẫn xong", "  asked to wait at first, served then",
	                 "  起初被要求等候、随后完成" },
	[ROW_P50] = { "Một yêu cầu của họ, trung vị", "A request of theirs, median", "他们的一次请求，中位数" },
	[ROW_P99] = { "  99 % không lâu hơn", "  99 % took no longer than", "  99 % 不超过" },
	[ROW_CPU] = { "CPU của trang, số nhân", "CPU of the site, cores", "站点 CPU（核）" },
	[ROW_SENT] = { "Yêu cầu của bot", "Requests of bots", "机器人的请求" },
	[ROW_UNSENT] = { "  không gửi được: mọi kết nối đang chờ", "  not sent: all connections were waiting",
	                 "  未发出：所有连接都在等待" },
	[ROW_SERVED] = { "  được trang phục vụ", "  served by the site", "  由站点应答" },
	[ROW_DENIED] = { "  bị từ chối (429, 403)", "  turned away (429, 403)", "  被拒绝（429、403）" },
	[ROW_OVERLOADED] = { "  trang quá tải (5xx)", "  site overloaded (5xx)", "  站点过载（5xx）" },
	[ROW_CUT] = { "  kết nối bị cắt hoặc không có", "  connection ended or not had", "  连接被切断或未建立" },
	[ROW_LATE] = { "  chờ quá 10 giây", "  10 s without an answer", "  10 秒内无应答" },
	[ROW_SLOW] = { "Kết nối cố tình chậm bị cắt", "Slow connections that were ended", "被切断的慢速连接" },
};

static const char *const heads[2][N_LANGUAGES] = { { "trước", "before", "之前" },
	                                           { "có cổng khien", "with khien gate", "启用 khien gate" } };
static const char *const places[2][N_LANGUAGES] = {
	{ "Diễn tập trên địa chỉ loopback của máy này.", "Rehearsed on this machine's loopback addresses.",
	  "在本机回环地址上演练。" },
	{ "Diễn tập trong không gian mạng riêng, đã xóa.",
	  "Rehearsed in network namespaces of its own, which are gone.", "在独立的网络命名空间中演练，现已撤除。" },
};
static const char *const gate_says[N_LANGUAGES] = { "Cổng khien cho biết", "The gate says", "网关记录" };
static const char *const closings[2][N_LANGUAGES] = {
	{ "CHƯA ĐẠT: có người không được phục vụ.", "NOT ENOUGH: some were not served.", "未达标：有人没有得到服务。" },
	{ "Có cổng khien, mọi người đều được phục vụ.", "With the gate everybody was served.",
	  "启用网关后，所有人都得到了服务。" },
};

/* A cell's text; false: the row says nothing here. */
static bool cell(const struct drill_rehearsal *r, enum row row, bool after, enum language l, char to[CELL])
{
	const struct drill_half *h = after ? &r->after : &r->before;
	const struct drill_result *d = &h->result;
	const uint64_t numbers[N_ROWS] = {
		[ROW_WAITED] = d->patients_waited,
		[ROW_SENT] = d->sent,
		[ROW_UNSENT] = d->unsent,
		[ROW_SERVED] = d->by_status[2] + d->by_status[3],
		[ROW_DENIED] = d->denied + d->forbidden,
		[ROW_OVERLOADED] = d->by_status[5],
		[ROW_CUT] = d->cut + d->refused,
		[ROW_LATE] = d->late,
		[ROW_SLOW] = d->slow_cut,
	};
	switch (row) {
	case ROW_HEAD: snprintf(to, CELL, "%s", heads[after][l]); return true;
	case ROW_BOOKED:
	case ROW_READ:
		snprintf(to, CELL, "%llu / %llu", (unsigned long long)d->served, (unsigned long long)d->patients);
		return d->patients && (row == ROW_READ) == (r->portal != NULL);
	case ROW_P50: snprintf(to, CELL, "%.1f ms", drill_measure_ms(&d->requests, 0.5)); return d->requests.n > 0;
	case ROW_P99: snprintf(to, CELL, "%.1f ms", drill_measure_ms(&d->requests, 0.99)); return d->requests.n > 0;
	case ROW_CPU: snprintf(to, CELL, "%.2f", h->took_s > 0 ? h->cpu_s / h->took_s : 0); return !r->portal;
	default:
		snprintf(to, CELL, "%llu", (unsigned long long)numbers[row]);
		return numbers[row] > 0 || row == ROW_SENT;
	}
}

static void pad(struct buf *out, const char *text, size_t columns, bool left)
{
	const size_t n = term_columns(str_from(text));
	for (size_t i = n; left && i < columns; i++)
		buf_putc(out, ' ');
	buf_add(out, str_from(text));
	for (size_t i = n; !left && i < columns; i++)
		buf_putc(out, ' ');
}

static void add_rows(struct buf *out, const struct drill_rehearsal *r, enum language l)
{
	size_t width = 0;
	for (enum row row = 0; row < N_ROWS; row++) {
		const size_t n = term_columns(str_from(names[row][l]));
		width = n > width ? n : width;
	}
	for (enum row row = 0; row < N_ROWS; row++) {
		char before[CELL], after[CELL];
		const bool some = cell(r, row, false, l, before), more = cell(r, row, true, l, after);
		if (!some && !more)
			continue;
		pad(out, names[row][l], width, false);
		pad(out, before, 16, true);
		pad(out, after, 18, true);
		buf_putc(out, '\n');
	}
}

/* "let through 1200 · turned away 40": what didn't happen is left out. */
static void add_counts(struct buf *out, const json_t *counts, const char *key,
                       const char *(*word)(const json_t *, enum language), enum language l)
{
	const char *name;
	json_t *n;
	json_object_foreach((json_t *)counts, name, n)
	{
		json_t *as = json_pack("{s:s}", key, name);
		if (json_integer_value(n) > 0 && strcmp(name, "free") != 0)
			buf_printf(out, "  %10lld  %s\n", (long long)json_integer_value(n), word(as, l));
		json_decref(as);
	}
}

void drill_table(struct buf *out, const struct drill_rehearsal *r, enum language l)
{
	json_t *status = json_loadb(r->status.p ? r->status.p : "", r->status.n, 0, NULL);
	add_rows(out, r, l);
	if (status) {
		buf_printf(out, "%s:\n", gate_says[l]);
		add_counts(out, json_object_get(status, "verdicts"), "verdict", gate_verdict, l);
		add_counts(out, json_object_get(status, "reasons"), "reason", gate_reason, l);
	}
	json_decref(status);
	const bool all = r->after.result.served == r->after.result.patients;
	buf_printf(out, "%s %s\n", places[r->apart][l], closings[all][l]);
}

static void add_half(struct buf *out, const char *name, const struct drill_half *h)
{
	buf_printf(out, "\"%s\": {\"cpu_s\": %.3f, \"took_s\": %.3f, \"result\": ", name, h->cpu_s, h->took_s);
	drill_json(out, &h->result);
	buf_putc(out, '}');
}

void drill_table_json(struct buf *out, const struct drill_rehearsal *r)
{
	buf_printf(out, "{\"namespaces\": %s, \"portal\": ", r->apart ? "true" : "false");
	if (r->portal)
		buf_add_json(out, str_from(r->portal));
	else
		buf_add(out, STR("null"));
	buf_add(out, STR(", "));
	add_half(out, "before", &r->before);
	buf_add(out, STR(", "));
	add_half(out, "after", &r->after);
	json_t *status = json_loadb(r->status.p ? r->status.p : "", r->status.n, 0, NULL);
	char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;
	buf_printf(out, ", \"gate\": %s}\n", text ? text : "null");
	free(text);
	json_decref(status);
}
