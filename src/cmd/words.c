#include "cmd/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const words_choices[] = { "vi", "en", "zh", NULL };

static const char *const table[N_WORDS][N_LANGUAGES] = {
	[WORD_RECORDING] = { "BẢN GHI", "RECORDING", "回放" },
	[WORD_ADVICE] = { "cần làm", "do", "处置" },
	[WORD_HOST] = { "máy", "host", "主机" },
	[WORD_USER] = { "tài khoản", "user", "用户" },
	[WORD_FROM] = { "từ", "from", "来源" },
	[WORD_WHAT] = { "chi tiết", "what", "内容" },
	[WORD_RULE] = { "luật", "rule", "规则" },
	[WORD_LOOK] = { "xem", "see", "位置" },
	[WORD_TIMES_MORE] = { "×%llu đến nay", "×%llu so far", "至今 ×%llu" },
	[WORD_TIMES_OVER] = { "đã hết, ×%llu", "over, ×%llu", "已结束，×%llu" },
	[WORD_SINCE] = { "kể từ %s", "since %s", "自 %s 起" },
	[WORD_EVENTS_IN] = { "%u sự kiện trong %.1f giây", "%u events in %.1f s", "%u 个事件，历时 %.1f 秒" },
	[WORD_RULES] = { "%u luật đã nạp, %u luật bị từ chối (%.1f giây)", "%u rules loaded, %u refused (%.1f s)",
	                 "已加载 %u 条规则，拒绝 %u 条（%.1f 秒）" },
	[WORD_REFUSED] = { "Luật bị từ chối: %s", "Rule refused: %s", "规则被拒绝：%s" },
	[WORD_NOT_CACHED] = { "Luật đã biên dịch không lưu lại được: %s", "The compiled rules could not be kept: %s",
	                      "无法保存已编译的规则：%s" },
	[WORD_PROTECTION] = { "Bảo vệ: %s", "Protection: %s", "自我保护：%s" },
	[WORD_PROTECTION_OFF] = { "Lớp bảo vệ %s đang tắt: %s", "Protection %s is off: %s", "自我保护 %s 未启用：%s" },
	[WORD_WATCHING] = { "Đang theo dõi %s", "Watching %s", "正在监视 %s" },
	[WORD_NOT_WATCHED] = { "Không theo dõi được %s: %s", "Not watching %s: %s", "无法监视 %s：%s" },
	[WORD_BACK] = { "Đã theo dõi lại %s", "Watching %s again", "已恢复监视 %s" },
	[WORD_SKIPPED] = { "%s: có bản ghi không đọc được: %s (các lần sau chỉ được đếm)",
	                   "%s: a record could not be read: %s (further ones are only counted)",
	                   "%s：有记录无法读取：%s（此后只计数）" },
	[WORD_NOTHING] = { "Không có nguồn nào để theo dõi", "There is nothing to watch", "没有可监视的来源" },
	[WORD_READY] = { "Đang theo dõi máy này; nhấn Ctrl-C để dừng.", "Watching this machine; Ctrl-C stops.",
	                 "正在监视本机；按 Ctrl-C 停止。" },
	[WORD_HUB_READY] = { "Trung tâm đã sẵn sàng; nhấn Ctrl-C để dừng.", "The hub is ready; Ctrl-C stops it.",
	                     "中心已就绪；按 Ctrl-C 停止。" },
	[WORD_PLAYING] = { "Phát lại bản ghi %s", "Playing the recording %s", "正在回放录制的日志 %s" },
	[WORD_KEPT] = { "%s sự kiện của bản ghi đã được lưu. Tìm lại: khien find 203.0.113.50 --data %s",
	                "%s events of the recordings are kept. To find them again: khien find 203.0.113.50 --data %s",
	                "录制日志的 %s 个事件已保存。查找：khien find 203.0.113.50 --data %s" },
	[WORD_PLAYED] = { "Hết bản ghi: %llu sự kiện, %llu cảnh báo, trong %.1f giây. Những cảnh báo trên không phải "
	                  "của máy này.",
	                  "End of the recording. Events: %llu, alerts: %llu, in %.1f s. None of these alerts is about "
	                  "this machine.",
	                  "回放结束：%llu 个事件，%llu 条告警，用时 %.1f 秒。以上告警均与本机无关。" },
	[WORD_LIVE] = { "%.0f sự kiện/giây · %llu khớp · %u cảnh báo mở · trễ %.1f giây · bỏ %llu",
	                "%.0f events/s · matches %llu · alerts open %u · lag %.1f s · shed %llu",
	                "%.0f 事件/秒 · %llu 次匹配 · %u 条告警未结束 · 延迟 %.1f 秒 · 丢弃 %llu" },
	[WORD_LIVE_EACH] = { "%.0f sự kiện/giây · %llu khớp · trễ %.1f giây · bỏ %llu",
	                     "%.0f events/s · matches %llu · lag %.1f s · shed %llu",
	                     "%.0f 事件/秒 · %llu 次匹配 · 延迟 %.1f 秒 · 丢弃 %llu" },
	[WORD_CLOSING] = { "Đã theo dõi %s: %llu sự kiện, %llu lần khớp, %llu cảnh báo.",
	                   "Watched for %s. Events: %llu, matches: %llu, alerts: %llu.",
	                   "共监视 %s：%llu 个事件，%llu 次匹配，%llu 条告警。" },
	[WORD_CLOSING_SHED] = { "Không đọc được %llu bản ghi, đã bỏ %llu.",
	                        "%llu records could not be read, %llu were shed.",
	                        "%llu 条记录无法读取，%llu 条被丢弃。" },
	[WORD_RELOADING] = { "Đang nạp lại luật; trong lúc đó luật cũ vẫn chạy",
	                     "Loading the rules anew; the old ones run on", "正在重新加载规则，期间旧规则继续运行" },
	[WORD_RELOADED] = { "Đã nạp lại luật: %u luật, %u luật bị từ chối; %u/%u luật tương quan giữ nguyên trạng thái",
	                    "Rules loaded anew: %u, %u refused; %u of %u correlations go on where they were",
	                    "规则已重新加载：%u 条，拒绝 %u 条；%u/%u 条关联规则保留原有状态" },
	[WORD_NOT_RELOADED] = { "Không nạp lại được luật, luật cũ vẫn chạy: %s",
	                        "The rules could not be loaded anew, the old ones run on: %s",
	                        "规则未能重新加载，旧规则继续运行：%s" },
	[WORD_INDICATORS] = { "Chỉ báo xấu đang dùng: %s, từ %s nguồn", "Known-bad indicators in use: %s, of %s feeds",
	                      "正在使用的恶意指标：%s 个，来自 %s 个来源" },
	[WORD_NO_INDICATORS] = { "Không nạp được chỉ báo, bản trước vẫn dùng: %s",
	                         "The indicators could not be taken, those before stay in use: %s",
	                         "指标未能加载，继续使用之前的版本：%s" },
	[WORD_NO_STATE] = { "Không lưu được vị trí đã đọc, lần sau sẽ bắt đầu từ cuối nhật ký: %s",
	                    "How far the logs were read is not kept, the next start begins at their end: %s",
	                    "无法保存读取位置，下次启动将从日志末尾开始：%s" },
	[WORD_CATCHING_UP] = { "%s: đang đọc bù: %s", "%s: catching up: %s", "%s：正在补读：%s" },
	[WORD_MAY_BE_LOST] = { "%s: có thể đã mất dữ liệu: %s", "%s: something may be lost: %s",
	                       "%s：可能有数据丢失：%s" },
	[WORD_NOT_PRINTED] = { "Không ai đọc kết quả in ra: %s cảnh báo không được in, nhưng vẫn được lưu",
	                       "Nobody read the output for a while: %s alerts were not printed; they are kept",
	                       "一段时间内无人读取输出：%s 条告警未打印，但已保存" },
	[WORD_STATUS_UP] = { "Trung tâm đang chạy được %.1f giờ: đã lưu %.0f sự kiện từ lúc khởi động, %.0f luật",
	                     "The hub has run for %.1f h. Events kept since its start: %.0f, rules: %.0f",
	                     "中心已运行 %.1f 小时：启动以来保存 %.0f 个事件，%.0f 条规则" },
	[WORD_STATUS_DOWN] = { "Trung tâm ở %s không chạy", "The hub in %s does not run", "%s 中的中心未在运行" },
	[WORD_STATUS_STORE] = { "Kho: %s, từ ngày %s.", "Store: %s, since %s.", "存储：%s，自 %s 起。" },
	[WORD_STATUS_FULL] = { "Với đà này sẽ đầy vào ngày %s.", "At this pace it is full on %s.",
	                       "按此速度将于 %s 写满。" },
	[WORD_STATUS_TROUBLE] = { "Hiện KHÔNG lưu được gì: xem nhật ký của trung tâm",
	                          "NOTHING can be stored now: see the hub's log",
	                          "当前无法保存任何事件：请查看中心的日志" },
	[WORD_STATUS_DATASETS] = { "Nguồn|Sự kiện|Đã lưu|Tỉ lệ|Từ|Đến", "Dataset|Events|Stored|Of raw|From|To",
	                           "数据集|事件|已存|压缩比|起|止" },
	[WORD_STATUS_SENDERS] = { "Nơi gửi|Sự kiện|Đã lưu|Gửi lại|Hỏng|Từ chối", "Sender|Events|Kept|Known|Bad|Refused",
	                          "发送方|事件|已保存|重复|无效|被拒" },
	[WORD_STATUS_ALERTS] = { "Cảnh báo gần nhất", "Latest alerts", "最近的告警" },
	[WORD_STATUS_NONE] = { "chưa có", "none", "无" },
	[WORD_LEVEL_NONE] = { "-", "-", "-" },
	[WORD_LEVEL_INFORMATIONAL] = { "thông tin", "info", "信息" },
	[WORD_LEVEL_LOW] = { "thấp", "low", "低" },
	[WORD_LEVEL_MEDIUM] = { "trung bình", "medium", "中" },
	[WORD_LEVEL_HIGH] = { "cao", "high", "高" },
	[WORD_LEVEL_CRITICAL] = { "nghiêm trọng", "critical", "严重" },
	[WORD_FOUND] = { "Tìm thấy %s trong %s sự kiện, %.2f giây; số khối: %s, bỏ qua: %s",
	                 "%s of %s events in %.2f s; blocks: %s, passed over: %s",
	                 "找到 %s 个，共 %s 个事件，用时 %.2f 秒；数据块 %s 个，跳过 %s 个" },
	[WORD_FOUND_VALUES] = { "Số giá trị khác nhau: %s, trong %s sự kiện", "Different values: %s, in %s events",
	                        "不同的值 %s 个，来自 %s 个事件" },
	[WORD_FOUND_LIMIT] = { "Chỉ hiện %s sự kiện đầu tiên; --limit 0 hiện tất cả",
	                       "The first %s are shown; --limit 0 shows all", "仅显示前 %s 个；--limit 0 显示全部" },
	[WORD_FOUND_STOPPED] = { "Đã dừng theo yêu cầu; kết quả chưa đầy đủ",
	                         "Stopped as asked; the result is not complete", "已按要求停止，结果不完整" },
	[WORD_FOUND_DAMAGED] = { "Không đọc được %s khối dữ liệu: kết quả thiếu các sự kiện trong đó",
	                         "%s blocks could not be read: their events are missing here",
	                         "有 %s 个数据块无法读取，其中的事件不在结果内" },
	[WORD_HUNT_LATE] = { "Đã hết thời gian cho phép; kết quả chưa đầy đủ",
	                     "The time that it may take is over; the result is not complete",
	                     "已到允许的时间，结果不完整" },
	[WORD_HUNT_SHED] = { "%s sự kiện hoặc hàng không còn chỗ trong bộ nhớ: kết quả chưa đầy đủ",
	                     "%s events or rows found no room in memory: the result is not complete",
	                     "有 %s 个事件或行因内存不足未计入，结果不完整" },
	[WORD_HUNT_GAVE_UP] = { "Biểu thức chính quy bỏ dở ở %s giá trị vì quá lâu: coi như không khớp",
	                        "A regular expression took too long with %s values: they count as no match",
	                        "正则表达式在 %s 个值上耗时过长，按不匹配处理" },
	[WORD_HUNT_WITHOUT] = { "%s sự kiện không có trường dùng để đếm: không nằm trong bảng",
	                        "%s events don't have the field that is counted by: they are not in the table",
	                        "%s 个事件没有用于统计的字段，不在表中" },
	[WORD_FOUND_MENDING] = { "Đang đọc lại những ngày bị hỏng, chưa xong %s: kết quả còn thiếu sự kiện của các "
	                         "ngày đó",
	                         "Damaged days are being read anew, %s to go: events of them are missing here",
	                         "正在重新读取损坏的日期，尚余 %s 个：其中的事件不在结果内" },
	[WORD_EXPORTED] = { "Đã xuất %s sự kiện, %s byte JSON, trong %.1f giây",
	                    "Exported %s events, %s bytes of JSON, in %.1f s",
	                    "已导出 %s 个事件，JSON 共 %s 字节，用时 %.1f 秒" },
	[WORD_IMPORTED] = { "Đã nhập %s sự kiện; đã có từ trước: %s, dòng hỏng: %s; trong %.1f giây",
	                    "Imported %s events; known already: %s, bad lines: %s; in %.1f s",
	                    "已导入 %s 个事件；已存在 %s 个，错误行 %s 行；用时 %.1f 秒" },
	[WORD_GATE_LABELS] = { "trạng thái|áp lực|phần chia|truy cập|trang|kết luận|lý do|thẻ|WAF|danh sách|nginx|mất",
	                       "state|pressure|share|requests|site|verdicts|reasons|passes|WAF|lists|nginx|lost",
	                       "状态|压力|份额|访问|网站|结论|原因|通行证|WAF|名单|nginx|丢失" },
	[WORD_GATE_REST] = { "bình thường, không ai bị chặn", "at rest: nobody is turned away", "平静，不拦截任何人" },
	[WORD_GATE_STRICT] = { "đang siết chặt từ %s (%s phút)", "strict since %s (%s minutes)",
	                       "自 %s 起严格（%s 分钟）" },
	[WORD_GATE_WATCHES] = { "chỉ quan sát, không chặn ai", "it only watches: nobody is turned away",
	                        "仅观察，不拦截任何人" },
	[WORD_GATE_PRESSURE] = { "%.2f (1 là mức trang còn chịu được)", "%.2f (1: what the site can just bear)",
	                         "%.2f（1 表示网站刚好能承受）" },
	[WORD_GATE_SHARES] = { "mỗi người %s; người chưa có thẻ %s", "a person %s; who has no pass %s",
	                       "每人 %s；无通行证者 %s" },
	[WORD_GATE_NO_BOUND] = { "không giới hạn", "without bound", "不限" },
	[WORD_GATE_EACH_SECOND] = { "%.2f truy cập/giây", "%.2f requests/s", "每秒 %.2f 次" },
	[WORD_GATE_RATE] = { "%.0f/giây; bình thường %.0f/giây", "%.0f/s; normally %.0f/s",
	                     "每秒 %.0f 次；平时 %.0f 次" },
	[WORD_GATE_SITE] = { "trả lời sau %.0f ms (bình thường %.0f ms), lỗi %s, đang chờ %.0f; cổng trễ %.0f ms, bận "
	                     "%s",
	                     "answers in %.0f ms (normally %.0f ms), fails %s, waiting %.0f; the gate is "
	                     "late by %.0f ms, busy %s",
	                     "响应 %.0f 毫秒（平时 %.0f 毫秒），出错 %s，等待 %.0f；网关延迟 %.0f 毫秒，忙碌 %s" },
	[WORD_GATE_PASS] = { "cho qua", "let through", "放行" },
	[WORD_GATE_SLOW] = { "làm chậm", "slowed", "减速" },
	[WORD_GATE_DENY] = { "mời quay lại sau", "turned away", "请稍后再来" },
	[WORD_GATE_DROP] = { "ngắt kết nối", "cut off", "断开" },
	[WORD_GATE_PASSES] = { "đã cấp %s, hợp lệ %s, không hợp lệ %s", "given %s, valid %s, not valid %s",
	                       "已发 %s，有效 %s，无效 %s" },
	[WORD_GATE_WAF] = { "%s, mức %u", "%s, level %u", "%s，级别 %u" },
	[WORD_GATE_LISTS] = { "cho phép %u, chặn %u", "allowed %u, blocked %u", "允许 %u，封禁 %u" },
	[WORD_GATE_WORKERS] = { "%u tiến trình, %.0f MB bộ nhớ chung", "%u workers, %.0f MB of shared memory",
	                        "%u 个进程，共享内存 %.0f MB" },
	[WORD_GATE_SHED] = { "%s kết luận không ghi được, %s sự kiện không kể được",
	                     "%s verdicts not recorded, %s events not told", "未记录的结论 %s，未报告的事件 %s" },
	[WORD_GATE_FREE] = { "Không có gì chống lại địa chỉ này: đang bình thường, hoặc còn trong phần chia.",
	                     "Nothing speaks against it: the gate is at rest, or it is within its share.",
	                     "没有针对它的理由：目前平静，或仍在其份额之内。" },
	[WORD_GATE_ALLOWED] = { "Người quản trị đã cho phép địa chỉ này.", "An operator allowed it.",
	                        "管理员已允许此地址。" },
	[WORD_GATE_BLOCKED] = { "Người quản trị đã chặn địa chỉ này.", "An operator blocked it.",
	                        "管理员已封禁此地址。" },
	[WORD_GATE_STRANGER] = { "Trang quá tải, và trình duyệt chưa có thẻ. Nó được cấp thẻ, và khi tự quay lại sẽ "
	                         "được vào.",
	                         "The site has more than it can serve, and the browser had no pass yet. It is given "
	                         "one, and gets in when it comes back.",
	                         "网站已超负荷，浏览器尚无通行证。系统会发给它一张，自动返回后即可进入。" },
	[WORD_GATE_SHARE] = { "Người này gửi nhiều hơn phần chia của một người trong lúc trang quá tải.",
	                      "This person sends more than one person's share while the site has more than it can "
	                      "serve.",
	                      "在网站超负荷期间，此人发送的请求超过了一个人的份额。" },
	[WORD_GATE_NETWORK] = { "Cả mạng quanh địa chỉ này gửi nhiều hơn phần chia của nó, mà không có thẻ.",
	                        "The whole network around it sends more than its share, without passes.",
	                        "此地址所在的整个网络在无通行证的情况下发送的请求超过了其份额。" },
	[WORD_GATE_NEW_PEOPLE] = { "Từ một địa chỉ này xin nhiều thẻ mới hơn số người có thể có.",
	                           "More new passes are asked for from this one address than there can be people.",
	                           "从这一个地址申请的新通行证多于可能的人数。" },
	[WORD_GATE_COST] = { "Các yêu cầu của nó tốn của trang nhiều hơn hẳn của người khác.",
	                     "Its requests cost the site far more than others'.",
	                     "它的请求给网站带来的开销远高于其他人。" },
	[WORD_GATE_ERRORS] = { "Phần lớn yêu cầu của nó là lỗi: nó dò tìm những gì không có.",
	                       "Most of its requests fail: it looks for what isn't there.",
	                       "它的大多数请求都失败：它在探测不存在的内容。" },
	[WORD_GATE_FINGERPRINT] = { "Chương trình mở kết nối TLS này không giống những gì thường vào trang.",
	                            "The program that opens its TLS connections is unlike those that usually come to "
	                            "this site.",
	                            "建立 TLS 连接的程序与平时访问本站的程序不同。" },
	[WORD_GATE_PERSISTENT] = { "Đã bị từ chối nhiều lần liên tiếp mà vẫn tiếp tục.",
	                           "It was turned away again and again, and goes on.", "多次被拒绝后仍不停止。" },
	[WORD_GATE_NEXT] = { "%s: yêu cầu kế tiếp không có thẻ sẽ: %s.",
	                     "%s: the next request without a pass would be: %s.",
	                     "%s：下一个没有通行证的请求将被：%s。" },
	[WORD_GATE_THEN] = { "%s: lúc %s, địa chỉ %s: %s.", "%s: at %s, address %s: %s.", "%s：%s，地址 %s：%s。" },
	[WORD_GATE_SINCE] = { "Từ lúc: %s.", "Since: %s.", "起始：%s。" },
	[WORD_GATE_UNTIL] = { "Đến lúc: %s, nếu nó dừng lại.", "Until: %s, if it stops.", "截止：%s（若其停止）。" },
	[WORD_GATE_HAD] = { "Nó gửi %.2f truy cập/giây; phần chia: %s.", "It had %.2f requests/s; its share: %s.",
	                    "它每秒 %.2f 次请求；其份额：%s。" },
	[WORD_GATE_AROUND] = { "Mạng quanh nó: %.2f truy cập/giây. Lỗi: %s. Tốn gấp %.1f lần trung bình. Số người "
	                       "có thẻ: %.0f.",
	                       "The network around it: %.2f requests/s. Failing: %s. Cost: %.1f times the mean. "
	                       "People with passes: %.0f.",
	                       "所在网络：每秒 %.2f 次请求。失败：%s。开销为平均的 %.1f "
	                       "倍。持通行证人数：%.0f。" },
	[WORD_GATE_SHARED] = { "Nhiều người dùng chung địa chỉ này: nó không bao giờ bị ngắt chỉ vì số lượng.",
	                       "Several people share this address: it is never cut off for its rate alone.",
	                       "多人共用此地址：绝不会仅因请求频率而被断开。" },
	[WORD_GATE_WITH_PASS] = { "Nó có thẻ hợp lệ.", "It showed a valid pass.", "它出示了有效通行证。" },
	[WORD_GATE_WITHOUT_PASS] = { "Nó không có thẻ hợp lệ.", "It showed no valid pass.", "它没有有效通行证。" },
	[WORD_GATE_COME_BACK] = { "Đã được hẹn quay lại sau %.0f giây.", "It was told to come back after %.0f s.",
	                          "已请其 %.0f 秒后再来。" },
	[WORD_GATE_LISTED] = { "Danh sách: %s, do %s, đến %s: %s", "On the list: %s, by %s, until %s: %s",
	                       "名单：%s，由 %s，至 %s：%s" },
	[WORD_GATE_NEVER] = { "khi được gỡ", "it is taken back", "被撤回为止" },
	[WORD_GATE_LAST] = { "Lần gần nhất: %s, lúc %s.", "The latest time: %s, at %s.", "最近一次：%s，%s。" },
	[WORD_GATE_TO_ALLOW] = { "Để cho vào:  %s", "To let it in:  %s", "放行：  %s" },
	[WORD_GATE_TO_UNBLOCK] = { "Để gỡ bỏ:  %s", "To take that back:  %s", "撤回：  %s" },
	[WORD_GATE_TO_SEE] = { "Để biết hiện nay ra sao:  %s", "To see how it stands now:  %s", "查看现状：  %s" },
	[WORD_GATE_NOT_KNOWN] = { "%s: không (còn) biết. Cổng giữ khoảng 65.000 kết luận gần nhất trong bộ nhớ: nhiều "
	                          "ngày khi bình thường, vài phút khi bị tấn công, và không qua lần khởi động lại. Ai "
	                          "bị từ chối khi nào thì các sự kiện còn giữ: khien find.",
	                          "%s: not known, or not any more. The gate keeps some 65,000 of the latest verdicts "
	                          "in memory: days in quiet times, minutes in a flood, and not over a restart. Who was "
	                          "turned away when is kept longer, in its events: khien find.",
	                          "%s：未知，或已不再保留。网关在内存中保留最近约 65,000 "
	                          "条结论：平时可达数日，受攻击时为数分钟，重启后不保留。何时拒绝了谁，在事件中保留得更"
	                          "久：khien find。" },
};

const char *words(enum language language, enum word word)
{
	return table[word][language];
}

/* The table is the format string; words_test.c holds the languages to the same arguments. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void words_add(struct buf *out, enum language language, enum word word, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, word);
	int n = vsnprintf(text, sizeof(text), table[word][language], ap);
	va_end(ap);
	if (n > 0)
		buf_add(out, str_from(text));
}
#pragma GCC diagnostic pop

enum language words_from_environment(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);
		if (!value || !*value)
			continue;
		for (int l = 0; l < N_LANGUAGES; l++)
			if (strncmp(value, words_choices[l], 2) == 0)
				return (enum language)l;
		break;
	}
	return LANG_EN;
}
