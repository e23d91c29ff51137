/* The built-in rules, in one text: a rule for each kind of find and each level. */
#include "intel/event.h"

#define ADVICE_ADDRESS                                                                                                                                 \
	"  vi: Kiểm tra máy này đã trao đổi gì với địa chỉ đó (khien find), cô lập máy nếu kết nối đi ra, rồi chặn " \
	"địa chỉ ở tường lửa.\n"                                                                                                           \
	"  en: See what this machine exchanged with the address (khien find); isolate the machine if it called out, "                                  \
	"then block the address at the firewall.\n"                                                                                                    \
	"  zh: 用 khien find 查看本机与该地址的通信；若是本机主动外联，先隔离本机，再在防火墙上封锁该地址。\n"
#define ADVICE_NAME                                                                                                                            \
	"  vi: Tìm tiến trình và người dùng đã hỏi tên miền này; các máy khác có hỏi không (khien find). Chặn tên " \
	"miền ở DNS.\n"                                                                                                                    \
	"  en: Find the process and the user that asked for the name, and whether other machines did (khien find). "                           \
	"Block the name at the DNS resolver.\n"                                                                                                \
	"  zh: 查明是哪个进程和用户访问了该域名，其他主机是否也访问过（khien find）；在 DNS 上封锁该域名。\n"
#define ADVICE_URL                                                                                                                              \
	"  vi: Xem tệp nào đã được tải về từ đó và ai tải; kiểm tra tệp trước khi cho mở. Chặn URL ở proxy.\n" \
	"  en: See which file was fetched from it and by whom; examine it before anybody opens it. Block the URL at "                           \
	"the proxy.\n"                                                                                                                          \
	"  zh: 查明从该网址下载了什么文件、由谁下载；打开前先检查。在代理上封锁该网址。\n"
#define ADVICE_HASH                                                                                                                           \
	"  vi: Cô lập máy; giữ tệp lại làm chứng cứ, đừng chạy; tìm mã băm này trên các máy khác (khien find).\n" \
	"  en: Isolate the machine; keep the file as evidence and don't run it; look for the hash on other machines "                         \
	"(khien find).\n"                                                                                                                     \
	"  zh: 隔离本机；保留该文件作为证据，不要运行；在其他主机上查找此哈希值（khien find）。\n"

#define RULE(title, id, types, bounds, level, advice)                                                                  \
	"---\n"                                                                                                        \
	"title: " title "\n"                                                                                           \
	"id: " id "\n"                                                                                                 \
	"description: A value of the event stands in a feed of indicators.\n"                                          \
	"logsource:\n"                                                                                                 \
	"  category: indicator\n"                                                                                      \
	"detection:\n"                                                                                                 \
	"  known:\n"                                                                                                   \
	"    khien.indicator.value: '*'\n"                                                                             \
	"    khien.indicator.field: '*'\n"                                                                             \
	"    khien.indicator.feed: '*'\n"                                                                              \
	"    khien.indicator.type: [" types "]\n" bounds "  condition: known\n"                                        \
	"fields: [user.name, source.ip, khien.indicator.note, khien.indicator.reference, khien.indicator.also]\n"      \
	"level: " level "\n"                                                                                           \
	"advice:\n" advice

#define SURE   "    khien.indicator.confidence|gte: 75\n"
#define FAIR   "    khien.indicator.confidence|gte: 40\n    khien.indicator.confidence|lt: 75\n"
#define UNSURE "    khien.indicator.confidence|lt: 40\n"

#define RULES(title, types, advice, sure, fair, unsure)                                                                \
	RULE(title, sure, types, SURE, "high", advice)                                                                 \
	RULE(title, fair, types, FAIR, "medium", advice)                                                               \
	RULE(title, unsure, types, UNSURE, "low", advice)

static const char text[] =
        RULES("Known-bad address", "address, network", ADVICE_ADDRESS, "cc253f39-0877-4ad1-8796-cd37a78e6490",
              "7d681f77-c9ac-40ad-83d6-0e541076e6e1", "f87212d6-55d4-45b7-a22c-f56a8bd76ef6")
                RULES("Known-bad name", "domain, name", ADVICE_NAME, "aff4bdce-6070-45a9-8e33-27966858db7c",
                      "042efcee-6f1c-4744-b32e-4f476ff5ae7e", "ead7ac0b-2a52-4dc1-b381-a8b0f8420f58")
                        RULES("Known-bad URL", "url", ADVICE_URL, "7a8a0a84-c2d1-4375-8dd7-b4db1afc3fd2",
                              "c9a771a2-4c7b-462c-ab7d-781db8e01ef6", "5ec03f19-b59e-4faf-bae4-7beabdcfa73a")
                                RULES("Known-bad file", "hash", ADVICE_HASH, "4bcce915-264a-49cb-a87d-7575c7322d0f",
                                      "9b6e9bf5-da0b-4912-96f6-bb0f260c76ed", "74fa438a-9824-4ee6-8f6e-0fea4a5c1866");

struct str intel_rules(void)
{
	return STR(text);
}
