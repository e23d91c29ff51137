#!/usr/bin/python3
"""khien's own rules: what each must see and what it must not, and the alerts of the recorded attack, in order."""
import collections
import glob
import json
import os
import sys
import unittest
import uuid

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # pylint: disable=wrong-import-position

RULES = sorted(glob.glob(os.path.join(harness.ROOT, "rules", "*.yml")))
DEMO = os.path.join(harness.ROOT, "demo")

RECORDED = {
    "attack-access.log": [
        "One address tries many pages that aren't there", "SQL injection tried on the portal", "Web shell in use",
        "One address floods a page", "Many addresses flood one page"],
    "attack-auth.log": [
        "A service's user got a root shell through sudo", "SSH password spraying", "SSH log-in after many failures",
        "New user with a shell", "User became an administrator"],
    "attack-audit.log": [
        "The web server's user started a shell or a tool", "Command line of a coin miner", "New scheduled job",
        "Backups destroyed", "One process renames file after file", "Logs wiped"],
}


def web(request, status=200, address="203.0.113.7", second=0):
    return (f'{address} - - [01/Mar/2026:08:{second // 60:02}:{second % 60:02} +0000] "{request} HTTP/1.1" {status} 5 '
            '"-" "test"')


def auth(program, message, second=0):
    return f"2026-03-01T08:{second // 60:02}:{second % 60:02}+00:00 web1 {program}: {message}"


def ssh(how, user, second, address="203.0.113.7"):
    return auth("sshd[7]", f"{how} password for {user} from {address} port 4242 ssh2", second)


def sudo(user, command):
    return auth("sudo", f"{user} : PWD=/ ; USER=root ; COMMAND={command}")


def audit(key, exe, *words, second=0, auid=1000, pid=7, more=""):
    at = f"msg=audit(1772352000.{second:03}:{second + 1})"
    args = " ".join(f'a{i}="{w}"' for i, w in enumerate(words))
    execve = f"\ntype=EXECVE {at}: argc={len(words)} {args}" if words else ""
    return (f'type=SYSCALL {at}: arch=c000003e syscall=59 success=yes exit=0 pid={pid} auid={auid} uid=0 comm="x" '
            f'exe="{exe}" key="{key}"{execve}{more}\ntype=EOE {at}: ')


def many(n, make):
    return "\n".join(make(i) for i in range(n))


# Title of the alert, log lines, how many alerts. Where it is 0 no other alert may come either.
EVIDENCE = [
    ("One address floods a page", many(200, lambda i: web("GET /booking?n=%d" % i, second=i // 4)), 1),
    ("One address floods a page", many(199, lambda i: web("GET /booking", second=i // 4)), 0),
    ("One address floods a page", many(400, lambda i: web("GET /style.css", second=i // 8)), 0),
    ("One address floods a page", many(210, lambda i: web("GET /booking", second=i // 3)), 0),
    ("Many addresses flood one page", many(60, lambda i: web("GET /booking", 200, f"192.0.2.{i}", i // 7)), 1),
    ("Many addresses flood one page", many(60, lambda i: web("GET /booking", 200, f"192.0.2.{i}", i // 5)), 0),
    ("One address tries many pages that aren't there", many(25, lambda i: web(f"GET /old{i}", 404, second=i)), 1),
    ("One address tries many pages that aren't there", many(25, lambda i: web(f"GET /page{i}", 200, second=i)), 0),
    ("One address tries many pages that aren't there", many(50, lambda i: web("GET /gone", 404, second=i)), 0),
    ("SQL injection tried on the portal",
     many(3, lambda i: web("GET /q?id=1'+UNION/**/ALL+SELECT+1,2", second=i)), 1),
    ("SQL injection tried on the portal", many(3, lambda i: web("GET /q?id=1%27%20or%20%271%27=%271", second=i)), 1),
    ("SQL injection tried on the portal",
     many(9, lambda i: web("GET /q?name=O'Brien+and+sons&select=union+station", second=i)), 0),
    ("Web shell in use", many(3, lambda i: web("GET /uploads/a.php?cmd=id", second=i)), 1),
    ("Web shell in use", web("GET /uploads/a.php?cmd=id", 404), 0),
    ("Web shell in use", web("GET /uploads/a.pdf?cmd=id") + "\n" + web("GET /app/a.php?cmd=next"), 0),
    ("SSH password spraying", many(8, lambda i: ssh("Failed", f"user{i}", i)), 1),
    ("SSH password spraying", many(8, lambda i: ssh("Failed", f"user{i}", i, f"192.0.2.{i}")), 0),
    ("SSH password guessing", many(10, lambda i: ssh("Failed", "an", i)), 1),
    ("SSH password guessing", many(10, lambda i: ssh("Failed", "an", i * 70)), 0),
    ("SSH log-in after many failures", many(6, lambda i: ssh("Failed", "an", i)) + "\n" + ssh("Accepted", "an", 9), 1),
    ("SSH log-in after many failures", many(5, lambda i: ssh("Failed", "an", i)) + "\n" + ssh("Accepted", "an", 9), 0),
    ("SSH log-in after many failures",
     many(6, lambda i: ssh("Failed", "an", i)) + "\n" + ssh("Accepted", "an", 9, "192.0.2.1"), 0),
    ("A service's user got a root shell through sudo", sudo("www-data", "/bin/bash -i"), 1),
    ("A service's user got a root shell through sudo", sudo("www-data", "/usr/bin/systemctl reload nginx"), 0),
    ("A service's user got a root shell through sudo", sudo("an", "/bin/bash"), 0),
    ("New user with a shell", auth("useradd[7]", "new user: name=x, UID=1, GID=1, home=/home/x, shell=/bin/bash"), 1),
    ("New user with a shell",
     auth("useradd[7]", "new user: name=x, UID=1, GID=1, home=/nonexistent, shell=/usr/sbin/nologin, from=none"), 0),
    ("User became an administrator", auth("usermod[7]", "add 'x' to group 'sudo'"), 1),
    ("User became an administrator", auth("gpasswd[7]", "user x added by root to group wheel"), 1),
    ("User became an administrator", auth("usermod[7]", "add 'x' to group 'printer'"), 0),
    ("Logs wiped by an administrator", sudo("an", "/usr/bin/rm -f /var/log/auth.log.1"), 1),
    ("Logs wiped by an administrator", sudo("an", "/usr/bin/less /var/log/auth.log"), 0),
    ("Logs wiped", audit("khien_log", "/usr/bin/rm"), 1),
    ("Logs wiped", audit("khien_log", "/usr/sbin/logrotate"), 0),
    ("New scheduled job", audit("khien_cron", "/usr/bin/tee", more='\ntype=PATH msg=audit(1772352000.000:1): item=1 '
                                'name="/etc/cron.d/x" nametype=CREATE'), 1),
    ("New scheduled job", audit("khien_cron", "/usr/bin/dpkg", more='\ntype=PATH msg=audit(1772352000.000:1): item=1 '
                                'name="/etc/cron.d/x" nametype=CREATE'), 0),
    ("Backups destroyed through sudo", sudo("an", "/usr/bin/restic -r /srv/b forget --keep-last 1 --prune"), 1),
    ("Backups destroyed through sudo", sudo("an", "/usr/bin/restic -r /srv/backup snapshots"), 0),
    ("Backups destroyed", audit("khien_exec", "/usr/bin/rm", "rm", "-rf", "/srv/backups/monday"), 1),
    ("Backups destroyed", audit("khien_exec", "/usr/bin/borg", "borg", "delete", "/srv/b"), 1),
    ("Backups destroyed", audit("khien_exec", "/usr/bin/rm", "rm", "/home/an/backup-notes.txt"), 0),
    ("Backups destroyed", audit("khien_exec", "/usr/bin/ls", "ls", "/srv/backups"), 0),
    ("One process renames file after file", many(30, lambda i: audit("khien_rename", "/usr/bin/x", second=i)), 1),
    ("One process renames file after file",
     many(30, lambda i: audit("khien_rename", "/usr/bin/mv", second=i, pid=100 + i)), 0),
    ("Command line of a coin miner", audit("khien_exec", "/tmp/x", "./x", "-o", "stratum+tcp://pool.example:3333"), 1),
    ("Command line of a coin miner", audit("khien_exec", "/usr/bin/man", "man", "xmrig"), 0),
    ("The web server's user started a shell or a tool", audit("khien_web_exec", "/usr/bin/dash", "sh", "-c", "id"), 1),
    ("The web server's user started a shell or a tool", audit("khien_web_exec", "/usr/sbin/php-fpm8.2", "php-fpm"), 0),
]


class RulesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.addClassCleanup(cls.scratch.cleanup)
        for rule in RULES:
            with open(rule, encoding="utf-8") as text:
                cls.scratch.write("rules/" + os.path.basename(rule), text.read())

    def titles(self, path):
        result = self.scratch.match("--json", "--rules", "rules", "--", path)
        self.assertIn(result.status, (0, 1), result.err)
        return [json.loads(line)["rule"]["title"] for line in result.out.splitlines()]

    def test_recording(self):
        for name, want in RECORDED.items():
            self.assertEqual(self.titles(os.path.join(DEMO, name)), want, name)

    def test_evidence(self):
        for i, (title, lines, want) in enumerate(EVIDENCE):
            with self.subTest(title=title, case=i):
                got = self.titles(self.scratch.write(f"case{i}.log", lines + "\n"))
                self.assertEqual(got, [title] * want)

    def test_journal(self):
        """The journal gives the same alerts as the file that syslog would have written."""
        lines = []
        for i in range(8):
            lines.append(json.dumps({
                "__REALTIME_TIMESTAMP": str(1772352000000000 + i * 1000000), "_HOSTNAME": "web1", "_PID": "7",
                "SYSLOG_IDENTIFIER": "sshd", "_TRANSPORT": "syslog",
                "MESSAGE": f"Failed password for invalid user u{i} from 203.0.113.7 port 4242 ssh2"}))
        self.assertEqual(self.titles(self.scratch.write("journal.json", "\n".join(lines) + "\n")),
                         ["SSH password spraying"])

    def test_every_alert_is_shown_by_evidence(self):
        hits, misses = collections.Counter(), collections.Counter()
        for title, _, want in EVIDENCE:
            (hits if want else misses)[title] += 1
        for rule in self.documents():
            if "advice" in rule:
                self.assertTrue(hits[rule["title"]] and misses[rule["title"]], rule["title"])

    def documents(self):
        for path in RULES:
            with open(path, encoding="utf-8") as text:
                yield from yaml.safe_load_all(text)

    def test_form(self):
        ids = set()
        for rule in self.documents():
            with self.subTest(rule["title"]):
                self.assertEqual(uuid.UUID(rule["id"]).version, 4)
                self.assertNotIn(rule["id"], ids)
                ids.add(rule["id"])
                self.assertIn(rule["level"], ("informational", "low", "medium", "high", "critical"))
                if "name" in rule:  # feeds a correlation, and is silent by itself
                    continue
                self.assertEqual(set(rule["advice"]), {"vi", "en", "zh"})
                self.assertTrue(all("\n" not in line for line in rule["advice"].values()))
                self.assertTrue(rule["falsepositives"])
                self.assertTrue(all(tag.startswith("attack.") for tag in rule["tags"]))


if __name__ == "__main__":
    harness.need_program()
    unittest.main()
