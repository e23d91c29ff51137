#!/usr/bin/python3
"""khien rules test: what it takes for a rule to hold, and what is said where one doesn't."""
import json
import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # pylint: disable=wrong-import-position

LOGIN = """title: Failed login
id: 11111111-1111-4111-8111-111111111111
name: login
level: high
logsource:
    product: portal
detection:
    selection:
        action: login
        outcome|startswith: fail
    office:
        ip|cidr: 10.0.0.0/8
    condition: selection and not office
"""
COUNTED = """title: One failure
id: 22222222-2222-4222-8222-222222222222
name: failure
logsource: {product: portal}
detection:
    selection: {action: login, outcome: failure}
    condition: selection
---
title: Many failures
id: 33333333-3333-4333-8333-333333333333
name: guessing
level: high
correlation:
    type: event_count
    rules: [failure]
    group-by: [user]
    timespan: 1m
    condition: {gte: 3}
"""


def event(second=0, dataset="portal", **fields):
    return json.dumps({"@timestamp": f"2026-03-01T08:00:{second:02}Z", "event.dataset": dataset, "action": "login",
                       "outcome": "failure", "user": "bob", "ip": "203.0.113.7", **fields}) + "\n"


def failures(n):
    return "".join(event(i) for i in range(n))


class EvidenceTest(unittest.TestCase):
    """rules/login.yml and rules/counted.yml, with evidence that holds."""

    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)
        for name, content in {
                "login.yml": LOGIN, "counted.yml": COUNTED,
                "hit/login.log": event(), "miss/login.log": event(outcome="success"),
                "hit/guessing.log": failures(3), "miss/guessing.log": failures(2)}.items():
            self.scratch.write("rules/" + name, content)

    def run_test(self, *words, status):
        result = self.scratch.khien("rules", "test", *words)
        self.assertEqual(result.status, status, result.out.decode() + result.err)
        return result.out.decode()

    def fails(self, *patterns, words=()):
        """One line for each pattern, and the closing line."""
        lines = self.run_test(*words, status=1).splitlines()
        self.assertEqual(len(lines), len(patterns) + 1, lines)
        for line, pattern in zip(lines, patterns):
            self.assertRegex(line, pattern)
        self.assertTrue(lines[-1].endswith(f": {len(patterns)} failed"), lines)

    def test_holds(self):
        self.assertEqual(self.run_test(status=0), "2 rules, 4 logs of evidence: all hold\n")
        self.assertEqual(self.run_test("rules", status=0), "2 rules, 4 logs of evidence: all hold\n")
        self.assertEqual(self.run_test("rules/", "--quiet", status=0), "")
        self.assertEqual(len(self.run_test("--verbose", status=0).splitlines()), 5)

    def test_one_file(self):
        """Logs of the folder's other rules are none of its business."""
        self.assertEqual(self.run_test("rules/login.yml", status=0), "1 rules, 2 logs of evidence: all hold\n")
        self.run_test(self.scratch.path("rules", "login.yml"), status=0)

    def test_hit_that_does_not_match(self):
        self.scratch.write("rules/hit/login.log", event(outcome="success"))
        self.fails(r"^rules/hit/login\.log: 'login' doesn't match; nearest is line 1: outcome: wants 'fail'\*, is "
                   r"'success'$")

    def test_nearest(self):
        """Of all events the one that lacks least, and what lacks only."""
        self.scratch.write("rules/hit/login.log", event(action="list", outcome="success") + event(ip="10.1.2.3") + "{}\n")
        self.fails(r"nearest is line 2: ip: must not be 10\.0\.0\.0/8, is '10\.1\.2\.3'$")
        self.scratch.write("rules/hit/login.log", '{"event.dataset": "portal", "action": "list"}\n')
        self.fails(r"action: wants 'login', is 'list'; outcome: wants 'fail'\*, isn't there$")

    def test_of_another_logsource(self):
        self.scratch.write("rules/hit/login.log", event(dataset="shop") + event(action="list"))
        self.fails(r"nearest is line 1: it fits, but is not of the rule's logsource, product portal$")

    def test_miss_that_matches(self):
        self.scratch.write("rules/miss/login.2.log", event(action="list") + event(outcome="failed"))
        self.fails(r"^rules/miss/login\.2\.log: 'login' matches and must not, line 2: .*outcome is 'failed'")

    def test_correlations(self):
        self.scratch.write("rules/hit/guessing.log", failures(2))
        self.scratch.write("rules/miss/guessing.log", failures(4))
        self.fails(r"^rules/hit/guessing\.log: 'guessing' doesn't match; it wants event_count >= 3 within 60 s; "
                   r"'failure' matched 2 times$",
                   r"^rules/miss/guessing\.log: 'guessing' matches and must not, line 3: user is 'bob'")
        self.scratch.write("rules/hit/guessing.log", event(action="list"))
        self.scratch.write("rules/miss/guessing.log", failures(1))
        self.fails(r"'failure' matched 0 times; 'failure' never matched, nearest is line 1: action: wants 'login', is "
                   r"'list'$")

    def test_each_log_alone(self):
        """Two logs of two failures each are not three failures."""
        self.scratch.write("rules/miss/guessing.2.log", failures(2))
        self.run_test(status=0)

    def test_rule_that_is_counted_may_have_evidence(self):
        self.scratch.write("rules/hit/failure.log", event())
        self.scratch.write("rules/miss/failure.log", event())
        self.fails(r"^rules/miss/failure\.log: 'failure' matches and must not")

    def test_no_evidence(self):
        os.remove(self.scratch.path("rules/hit/login.log"))
        os.remove(self.scratch.path("rules/miss/guessing.log"))
        self.fails(r"^rules/counted\.yml:9: 'guessing' has no evidence: put a log .* into rules/miss/guessing\.log$",
                   r"^rules/login\.yml:1: 'login' has no evidence: put a log that it must match into "
                   r"rules/hit/login\.log$")

    def test_named_by_id(self):
        self.scratch.write("rules/login.yml", LOGIN.replace("name: login\n", ""))
        for kind in ("hit", "miss"):
            os.rename(self.scratch.path(f"rules/{kind}/login.log"),
                      self.scratch.path(f"rules/{kind}/11111111-1111-4111-8111-111111111111.log"))
        self.run_test(status=0)

    def test_names_that_begin_alike(self):
        self.scratch.write("rules/two.yml", LOGIN.replace("name: login", "name: login.admin").replace("1111-4", "1112-4"))
        self.scratch.write("rules/hit/login.admin.log", event())
        self.scratch.write("rules/miss/login.admin.log", event(action="list"))
        self.assertIn("3 rules, 6 logs", self.run_test(status=0))

    def test_log_of_nobody(self):
        self.scratch.write("rules/hit/logon.log", event())
        self.scratch.write("rules/miss/login", event(action="x"))
        self.fails(r"^rules/hit/logon\.log: belongs to no rule", r"^rules/miss/login: belongs to no rule")

    def test_logs_that_show_nothing(self):
        for content, why in [
                ("", "no event in it"), ("some words\nand more\n", "can't be read: .*no known log format"),
                (event(dataset="shop"), "no event in it is of a logsource"),
                ('{"event.dataset": "portal"}\n{"a": \n', "can't be read: line 2: ")]:
            with self.subTest(why):
                self.scratch.write("rules/miss/login.log", content)
                self.fails(r"^rules/miss/login\.log: 'login' .*" + why)

    def test_refused_rule(self):
        self.scratch.write("rules/bad.yml", LOGIN.replace("startswith", "beginswith").replace("1111-4", "1112-4"))
        self.fails(r"^rules/bad\.yml:\d+: .*beginswith")

    def test_folders_in_folders(self):
        """Evidence stands beside the rule's file; a name is free in another folder."""
        self.scratch.write("rules/shop/sale.yml", LOGIN.replace("1111-4", "1112-4").replace("name: login", "name: sale"))
        self.scratch.write("rules/shop/hit/sale.log", event())
        self.scratch.write("rules/hit/sale.log", event())
        self.scratch.write("rules/shop/miss/sale.log", event(action="x"))
        self.fails(r"^rules/hit/sale\.log: belongs to no rule")

    def test_formats_and_mapping(self):
        self.scratch.write("web.yml", LOGIN.replace("action:", "c-verb:").replace("name: login", "name: web").replace(
            "product: portal", "category: webserver").replace("outcome|startswith: fail", "sc-status: 200"))
        self.scratch.write("hit/web.log", '203.0.113.7 - - [01/Mar/2026:08:00:00 +0000] "LOGIN / HTTP/1.1" 200 5\n')
        self.scratch.write("miss/web.log", '203.0.113.7 - - [01/Mar/2026:08:00:00 +0000] "LOGIN / HTTP/1.1" 404 5\n')
        self.scratch.write("mapping.yaml", "fields:\n  c-verb: [cs-method]\nsources:\n"
                           "  - logsource: {category: webserver}\n    when: {khien.format: combined}\n")
        self.fails("c-verb: wants 'login', isn't there", words=["web.yml"])
        self.run_test("web.yml", "--mapping", "mapping.yaml", status=0)

    def test_json(self):
        self.scratch.write("rules/hit/login.log", event(outcome="\x1bsuccess"))
        self.scratch.write("rules/hit/nobody.log", event())
        os.remove(self.scratch.path("rules/miss/guessing.log"))
        found = [json.loads(line) for line in self.run_test("--json", status=1).splitlines()]
        self.assertEqual([(c["rule"] and c["rule"]["name"], c["evidence"], c["holds"]) for c in found], [
            ("guessing", "hit", True), ("login", "hit", False), (None, "hit", False), ("login", "miss", True),
            ("guessing", "miss", False)])
        self.assertEqual(found[1]["file"], "rules/hit/login.log")
        self.assertIn("outcome: wants", found[1]["why"])
        self.assertNotIn("\x1b", found[1]["why"])
        self.assertNotIn("why", found[0])

    def test_trouble(self):
        for words, hint in [(["nowhere"], "nowhere"), (["--mapping", "none.yaml"], "none.yaml"), (["empty"], "no rule")]:
            os.makedirs(self.scratch.path("empty"), exist_ok=True)
            result = self.scratch.khien("rules", "test", *words)
            self.assertEqual((result.status, result.out), (2, b""))
            self.assertIn(hint, result.err)

    def test_hundreds_in_a_second(self):
        for i in range(400):
            self.scratch.write(f"rules/{'hit' if i % 2 else 'miss'}/guessing.{i}.log", failures(3 if i % 2 else 2))
        start = time.monotonic()
        self.assertIn("404 logs", self.run_test(status=0))
        if not harness.sanitized():
            self.assertLess(time.monotonic() - start, 5)  # a fraction of a second, were the machine idle

    def test_terminal_is_safe(self):
        path = self.scratch.write("rules/hit/\x1b[31m.log", event())
        self.assertTrue(os.path.exists(path))
        out = self.run_test(status=1)
        self.assertNotIn("\x1b", out)
        self.assertTrue(re.search(r"x1b|u\{1b\}", out, re.I), out)


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
