#!/usr/bin/python3
"""khien hunt as people use it: rows in three formats, where a text is wrong, hunts that are kept; that a rule finds in
the store what khien match finds in its events, and a rule made of a hunt what the hunt finds."""
import collections
import csv
import io
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402

USERS = ["root", "an", "bình", "=cmd()"]
COMMANDS = ["/usr/bin/curl -s http://203.0.113.9/x.sh", "C:\\Windows\\System32\\cmd.exe /c whoami", "select * from t",
            "ls -la", "powershell.exe -enc SQBFAFgA"]

RULES = """
title: Encoded
id: 11111111-1111-4111-8111-111111111111
logsource: {product: linux, service: auth}
detection:
  a:
    process.command_line|contains: ' -enc '
    user.name|startswith: [ro, a]
  b:
    status|gte: 500
  condition: a and not b
level: high
---
title: Words
id: 22222222-2222-4222-8222-222222222222
logsource: {product: web, service: access}
detection:
  k: ['203.0.113.9', 'WHOAMI']
  gone:
    host.name: [pc1, pc2]
  condition: k and gone
---
title: Many
id: 33333333-3333-4333-8333-333333333333
correlation:
  type: event_count
  rules: [base]
  group-by: [host.name]
  timespan: 10m
  condition: {gte: 3}
level: medium
---
title: Base
name: base
id: 44444444-4444-4444-8444-444444444444
logsource: {product: web, service: access}
detection:
  s:
    process.command_line|re: 'sel(ect|f) \\*'
  condition: s
---
title: Never
id: 55555555-5555-4555-8555-555555555555
logsource: {product: web, service: access}
detection:
  s:
    process.command_line|contains: ' nowhere_at_all '
  condition: s
"""


def event(i):
    e = {
        "@timestamp": f"2026-11-{1 + i // 30000:02}T{i // 1800 % 24:02}:{i // 30 % 60:02}:{i % 30 * 2:02}Z",
        "host.name": f"pc{i % 7}",
        "event.dataset": ["linux.auth", "web.access"][i % 2],
        "n": i,
        "pad": "x" * 120,
        "source": {"ip": f"10.0.{i % 5}.{i % 200}"},
        "process": {"command_line": f"{COMMANDS[i % 5]} {i * 7919:x}"},
    }
    if i % 3:
        e["user.name"] = USERS[i % 4]
    if i % 4:
        e["status"] = 200 + i % 4 * 100
    return e


class Hunt(unittest.TestCase):
    """More events than a segment of the journal takes: some lie in blocks, some in the journal."""

    COUNT = 60000

    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.events = [event(i) for i in range(cls.COUNT)]
        path = cls.scratch.write("all.ndjson", "".join(json.dumps(e) + "\n" for e in cls.events).encode())
        done = cls.scratch.khien("hub", "import", "--data", cls.scratch.path("hub"), path)
        assert done.status == 0, done.err

    def hunt(self, *words, status=0):
        done = self.scratch.khien("hunt", "--data", self.scratch.path("hub"), *words)
        self.assertEqual(done.status, status, done.err)
        return done

    def rows(self, *words, status=0):
        done = self.hunt("--format", "json", "--limit", "0", *words, status=status)
        return [json.loads(line) for line in done.out.splitlines()]

    def test_rows(self):
        wanted = [e["n"] for e in self.events if e["host.name"] == "pc1" and (e.get("status", 0) >= 500 or
                                                                           "select *" in e["process"]["command_line"])]
        found = self.rows('host:pc1 AND (status>=500 OR "select *")')
        self.assertEqual(sorted(e["n"] for e in found), wanted)
        counts = collections.Counter(self.events[n]["source"]["ip"] for n in wanted)
        top = self.rows('host:pc1 (status>=500 OR "select *") | count by src_ip | top 20')
        self.assertEqual([r["count"] for r in top], sorted(counts.values(), reverse=True)[:20])
        self.assertTrue(all(counts[r["src_ip"]] == r["count"] for r in top))
        self.assertEqual(self.rows("nowhere", status=1), [])
        self.assertEqual(self.rows("* | count"), [{"count": self.COUNT}])
        self.assertEqual(self.rows("--since", "2026-11-02T00:00:00Z", "--dataset", "web.access", "| count"),
                         [{"count": 15000}])

    def test_formats(self):
        done = self.hunt("--format", "csv", "--limit", "0", "n<12 | fields n, user, cmdline")
        table = list(csv.reader(io.StringIO(done.out.decode(), newline="")))
        self.assertEqual(table[0], ["n", "user", "cmdline"])
        self.assertEqual([int(row[0]) for row in table[1:]], list(range(11, -1, -1)))
        self.assertEqual(table[1 + 11 - 7][1], "'=cmd()")  # no formula
        self.assertEqual(table[1 + 11 - 1][2], self.events[1]["process"]["command_line"])
        done = self.hunt("--quiet", "n<3 | sort n | fields n, host")
        self.assertEqual(done.out.decode(), "n  host\n0  pc0\n1  pc1\n2  pc2\n")
        self.assertEqual(done.err, "")
        done = self.hunt("--limit", "2", "--lang", "en", "root")
        self.assertEqual(len(done.out.splitlines()), 2)
        self.assertIn("The first 2 are shown", done.err)
        done = self.hunt("--format", "csv", "root", status=2)
        self.assertIn("| fields", done.err)

    def test_mistakes(self):
        for text, mark, said in (("host:a | cuont by b", "         ^^^^^", "did you mean 'count'"),
                                 ("bình AND (status>=x", " " * 18 + "^", "no order"),
                                 ("(a b", "^", "closing ')'"), ("n:[1 TO", "       ^", "a range")):
            done = self.hunt(text, status=2)
            self.assertEqual(done.err.splitlines()[:2], [text, mark])
            self.assertIn(said, done.err)
            self.assertEqual(done.out, b"")
        self.assertIn("--help", self.hunt(status=2).err)
        self.assertIn("'soon'", self.hunt("--since", "soon", "x", status=2).err)
        done = self.scratch.khien("hunt", "--data", self.scratch.path("nowhere"), "x")
        self.assertEqual(done.status, 2)

    def test_kept(self):
        text = 'status>=500 | count by host | top 3'
        self.hunt("--save", "many-errors", "--note", "Mỗi sáng", text)
        self.assertIn("host", self.hunt("--save", "bad", "host:", status=2).err)
        kept = [json.loads(line) for line in self.hunt("--list", "--format", "json").out.splitlines()]
        self.assertEqual([(k["name"], k["text"], k["note"]) for k in kept], [("many-errors", text, "Mỗi sáng")])
        self.assertEqual(self.rows("@many-errors"), self.rows(text))
        self.assertIn("--list", self.hunt("@other", status=2).err)
        self.hunt("--remove", "many-errors")
        self.hunt("--remove", "many-errors", status=2)
        self.assertEqual(self.hunt("--list").out, b"")

    def test_fields_and_plan(self):
        shown = self.hunt("--fields").out.decode()
        self.assertIn("src_ip", shown)
        self.assertIn("source.ip", shown)
        self.assertIn("source.ip", self.hunt("--explain", "| count by src_ip").out.decode())

    def test_closed_output(self):
        command = [harness.KHIEN, "hunt", "--limit", "0", "--data", self.scratch.path("hub"), "*"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.scratch.env()) as p:
            p.stdout.close()
            said = p.stderr.read().decode()
        self.assertEqual(p.returncode, 2)
        self.assertIn("standard output was closed", said)

    @staticmethod
    def matches(out):
        """What matched, without where it stood."""
        found = collections.Counter()
        for line in out.splitlines():
            m = json.loads(line)
            found[m["rule"]["id"], json.dumps(m["fields"], sort_keys=True)] += 1
        return found

    def test_rules_as_match(self):
        rules = self.scratch.write("rules.yml", RULES.encode())
        done = self.scratch.khien("hub", "export", "--data", self.scratch.path("hub"), "--since", "2026-11-01")
        exported = self.scratch.write("out.ndjson", done.out)
        wanted = self.matches(self.scratch.khien("match", "--json", "--no-cache", "--rules", rules, "--", exported).out)
        self.assertEqual({rule[:1] for rule, _ in wanted}, {"1", "2", "3"})
        found = self.hunt("--rule", rules, "--format", "json", "--limit", "0")
        self.assertEqual(self.matches(found.out), wanted)
        few = self.hunt("--rule", rules, "--since", "2026-11-02T23:00:00Z", "--format", "json", "--limit", "3")
        self.assertEqual(len(few.out.splitlines()), 3)
        done = self.hunt("--rule", rules, "--format", "csv", status=2)
        self.assertIn("JSON", done.err)

    def test_rules_pass_blocks_over(self):
        never = "title: Never" + RULES.split("title: Never")[1]
        rule = self.scratch.write("never.yml", never.encode())
        done = self.hunt("--rule", rule, "--lang", "en", status=1)
        blocks, passed = done.err.rsplit("blocks: ", 1)[1].split(", passed over: ")
        self.assertGreater(int(blocks), 0)
        self.assertEqual(int(blocks), int(passed))

    def test_as_rule(self):
        hunts = ['host:pc1 AND (status>=500 OR "select *")', "user:root -host:pc2", "user!=root cmdline:*curl*",
                 "powershell* src_ip:10.0.0.0/16", "whoami", "cmdline:/CMD\\.exe/i status:[400 TO 500}",
                 "user:b?nh OR user IN (an, \"=cmd()\")", "NOT user:* status<400",
                 'dataset:web.access "-enc" | where host:pc3', "203.0.113.9", '"C:\\Windows\\System32\\\\"']
        for text in hunts:
            wanted = sorted(e["n"] for e in self.rows(text))
            self.assertTrue(wanted, text)
            rule = self.scratch.write("made.yml", self.hunt("--as-rule", text).out)
            done = self.scratch.khien("match", "--json", "--no-cache", "--all-rules", "--rules", rule, "--",
                                      self.scratch.path("all.ndjson"))
            self.assertNotIn("refused", done.err, text)
            self.assertEqual(sorted(json.loads(line)["at"]["line"] - 1 for line in done.out.splitlines()), wanted, text)
        for text, at in (("x | count by host", 4), ("a OR *", 5), ("time>=2026-11-22", 0), ("a 10.0.0.0/8", 2)):
            done = self.hunt("--as-rule", text, status=2)
            self.assertEqual(done.err.splitlines()[1].index("^"), at, done.err)
            self.assertEqual(done.out, b"")


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
