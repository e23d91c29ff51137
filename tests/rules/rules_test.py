#!/usr/bin/python3
"""khien's own rules: their form, their evidence, and the alerts of the recorded attack and of two real logs, in order."""
import glob
import json
import os
import sys
import unittest
import uuid

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # pylint: disable=wrong-import-position

RULES = os.path.join(harness.ROOT, "rules")
DEMO = os.path.join(harness.ROOT, "demo")
EVIDENCE_BYTES = 600_000

RECORDED = {
    "attack-access.log": [
        "One address searches the portal for weak spots", "SQL injection tried on the portal", "Web shell in use",
        "One address floods a page", "Many addresses flood one page"],
    "attack-auth.log": [
        "A service's user got a root shell through sudo", "SSH password spraying", "SSH log-in after many failures",
        "Program from a temporary folder run as root", "New user with a shell", "User became an administrator"],
    "attack-audit.log": [
        "Coin miner started", "New scheduled job", "Backups destroyed", "One process renames file after file",
        "Logs wiped"],
}

# Judged one by one: the line that completes it, the rule, who or where.
REAL = {
    "apache_combined.log": [
        # three log-in pages of products that aren't there, or eight of one product's
        (895, "web_scan", "195.250.34.144"), (5970, "web_scan", "95.78.54.93"), (6253, "web_scan", "198.245.61.43"),
        (7767, "web_scan", "188.165.243.45"), (8036, "web_scan", "91.236.75.25")],
    "elastic_auth.log": [
        # ten users made by one script
        *[(line, "user_added", None) for line in range(1504, 1532, 3)],
        # guessed by somebody, who then got in; the others only guess
        (2758, "ssh_guessing", "24.151.103.17"), (3180, "ssh_login_after_failures", "24.151.103.17"),
        (4189, "ssh_guessing", "181.26.186.35"), (4734, "ssh_guessing", "49.4.143.105"),
        (4813, "ssh_guessing", "49.4.143.105"), (5105, "ssh_guessing", "34.204.227.175"),
        # sudo auditctl -D
        (5792, "audit_disabled", "ubuntu"),
        (6252, "ssh_guessing", "122.163.61.218"), (6303, "ssh_guessing", "122.163.61.218"),
        (6331, "ssh_guessing", "14.54.210.101"), (6998, "ssh_guessing", "201.178.81.113")],
}


def documents():
    for path in sorted(glob.glob(os.path.join(RULES, "*.yml"))):
        with open(path, encoding="utf-8") as text:
            yield from yaml.safe_load_all(text)


def alerting():
    """The rules that no correlation counts."""
    counted = {name for rule in documents() for name in rule.get("correlation", {}).get("rules", [])}
    return [rule for rule in documents() if rule["name"] not in counted]


class RulesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.addClassCleanup(cls.scratch.cleanup)

    def matches(self, path):
        result = self.scratch.match("--json", "--rules", RULES, "--", path)
        self.assertIn(result.status, (0, 1), result.err)
        return [json.loads(line) for line in result.out.splitlines()]

    def titles(self, path):
        return [match["rule"]["title"] for match in self.matches(path)]

    def test_recording(self):
        for name, want in RECORDED.items():
            self.assertEqual(self.titles(os.path.join(DEMO, name)), want, name)

    def test_real_logs(self):
        names = {rule["id"]: rule["name"] for rule in documents()}
        for log, want in REAL.items():
            path = harness.data("logs", log)
            if not path:
                self.skipTest(f"no logs/{log} (KHIEN_DATA names the folder)")
            got = [(m["at"]["line"], names[m["rule"]["id"]], m["fields"]) for m in self.matches(path)]
            self.assertEqual(sorted(g[:2] for g in got), sorted(w[:2] for w in want), log)
            for line, name, fields in got:
                who = next(w[2] for w in want if w[:2] == (line, name))
                self.assertTrue(who is None or who in fields.values(), (line, name, fields))

    def test_evidence(self):
        result = self.scratch.khien("rules", "test", "--quiet", RULES)
        self.assertEqual(result.status, 0, result.out.decode() + result.err)

    def test_evidence_belongs_to_rules(self):
        """Each alert has logs on both sides, no log is left over, and all together they stay small."""
        names, size = {rule["name"] for rule in alerting()}, 0
        for kind in ("hit", "miss"):
            logs = glob.glob(os.path.join(RULES, kind, "*"))
            self.assertEqual({os.path.basename(log).split(".")[0] for log in logs}, names, kind)
            size += sum(map(os.path.getsize, logs))
        self.assertLess(size, EVIDENCE_BYTES)

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

    def test_one_deed_one_alert(self):
        """What sudo and audit both tell of is one alert."""
        lines = ["2026-03-01T08:00:00+00:00 web1 sudo: an : PWD=/ ; USER=root ; COMMAND=/usr/sbin/nft flush ruleset",
                 'type=SYSCALL msg=audit(1772352000.100:7): arch=c000003e syscall=59 success=yes exit=0 pid=7 auid=1000 '
                 'uid=0 comm="nft" exe="/usr/sbin/nft" key="khien_exec"\x1dAUID="an"',
                 'type=EXECVE msg=audit(1772352000.100:7): argc=3 a0="nft" a1="flush" a2="ruleset"']
        self.scratch.write("both/auth.log", lines[0] + "\n")
        self.scratch.write("both/audit.log", "\n".join(lines[1:]) + "\n")
        for log in ("auth.log", "audit.log", ""):
            self.assertEqual(self.titles(self.scratch.path("both", log)), ["Firewall switched off or emptied"], log)

    def test_form(self):
        ids, names = set(), set()
        counts = {rule["name"] for rule in alerting()}
        self.assertGreaterEqual(len(counts), 40)
        for rule in documents():
            with self.subTest(rule["title"]):
                self.assertEqual(uuid.UUID(rule["id"]).version, 4)
                self.assertNotIn(rule["id"], ids)
                self.assertNotIn(rule["name"], names)
                ids.add(rule["id"])
                names.add(rule["name"])
                self.assertIn(rule["level"], ("informational", "low", "medium", "high", "critical"))
                if rule["name"] not in counts:  # feeds a correlation, and is silent by itself
                    self.assertNotIn("advice", rule)
                    continue
                self.assertEqual(set(rule["advice"]), {"vi", "en", "zh"})
                self.assertTrue(all("\n" not in line for line in rule["advice"].values()))
                self.assertTrue(rule["falsepositives"] and rule["description"])
                self.assertTrue(all(tag.startswith("attack.") for tag in rule["tags"]))


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
