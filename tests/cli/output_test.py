#!/usr/bin/python3
"""khien match: exit status and what it prints."""
import json

import cli
from cli import BOTH, EVENTS, FAILED, LOGIN_ID, QUIET, ROOT_ID


class OutputTest(cli.CliTest):
    def test_status(self):
        for events, status in [(QUIET, 0), (FAILED, 1), ("", 0)]:
            with self.subTest(events=events):
                result = self.match("--", "-", stdin=events.encode())
                self.assertEqual(result.status, status, result.err)
                self.assertEqual(bool(result.out), status == 1)
        self.assertEqual(self.match("--", self.scratch.path("missing.json")).status, 2)
        self.assertEqual(self.scratch.match("--rules", self.scratch.path("missing"), "--", "-").status, 2)

    def test_matches(self):
        self.assertEqual(self.found(EVENTS), {(LOGIN_ID, 2), (ROOT_ID, 3), (LOGIN_ID, 4), (ROOT_ID, 4)})

    def test_json_is_exact(self):
        events = self.scratch.write("events.ndjson", QUIET + BOTH)
        result = self.match("--json", "--", events)
        first, second = result.out.decode().splitlines()
        self.assertEqual(
            first,
            '{"rule":{"id":"%s","title":"Failed login","level":"high","tags":["attack.t1110",'
            '"attack.credential-access"]},"at":{"file":%s,"line":2},"fields":{"action":"LOGIN",'
            '"outcome":"Failed"}}' % (LOGIN_ID, json.dumps(events)),
        )
        self.assertEqual(
            second,
            '{"rule":{"id":"%s","title":"Anything by root","level":"low","tags":[]},"at":{"file":%s,'
            '"line":2},"fields":{"user":"ROOT"}}' % (ROOT_ID, json.dumps(events)),
        )

    def test_json_fields(self):
        """Values that need escapes come back as they were; of several values the one that matched."""
        self.scratch.write("rules/login.yml", cli.LOGIN.replace("action: login", "action|contains: '\\'"))
        for value in ['a\\b"c', "tab\\\t", "nul\\\0", "日\\😀", "\\\x7f\u2028", "\\" * 300]:
            event = json.dumps({"action": ["x", value, "y"], "outcome": "fail", "event.dataset": "portal"})
            result = self.match("--json", "--", "-", stdin=event.encode())
            self.assertEqual(result.status, 1, result.err)
            self.assertEqual(json.loads(result.out)["fields"], {"action": value, "outcome": "fail"})

    def test_json_stays_utf8(self):
        event = b'{"action": "login", "outcome": "fail\xff\xc3(\xed\xa0\x80", "event.dataset": "portal"}\n'
        result = self.match("--json", "--", "-", stdin=event)
        self.assertEqual(result.status, 1, result.err)
        self.assertTrue(json.loads(result.out.decode("utf-8"))["fields"]["outcome"].startswith("fail"))

    def test_text(self):
        result = self.match("--", "-", stdin=EVENTS.encode())
        lines = result.out.decode().splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("Failed login", lines[0])
        self.assertIn("high", lines[0])
        self.assertIn("failure", lines[0])
        self.assertIn("2", lines[0])
        self.assertIn("Anything by root", lines[1])
        self.assertNotIn("\033", result.out.decode())
        self.assertIn("4 matches in 4 events", result.err)

    def test_text_is_safe_for_a_terminal(self):
        for evil in ["\033[2Jx", "a\rb", "\b\b\b", "\x9b31m", "\u202egpj.exe", "line\nbreak", "\0"]:
            event = json.dumps({"action": "login", "outcome": "fail" + evil, "event.dataset": "portal"})
            result = self.match("--", "-", stdin=event.encode())
            self.assertEqual(result.status, 1, result.err)
            text = result.out.decode("utf-8")
            self.assertEqual(text.count("\n"), 1)
            for c in "\033\r\b\x9b\u202e\0":
                self.assertNotIn(c, text)

    def test_color(self):
        self.assertIn(b"\033[", self.match("--color", "always", "--", "-", stdin=FAILED.encode()).out)
        self.assertNotIn(b"\033[", self.match("--color", "never", "--", "-", stdin=FAILED.encode()).out)

    def test_summary(self):
        result = self.match("--summary", "--", "-", stdin=(EVENTS + FAILED).encode())
        self.assertEqual(result.status, 1)
        words = [line.split() for line in result.out.decode().splitlines() if line]
        self.assertEqual(
            words,
            [["3", "high", "Failed", "login"], ["2", "low", "Anything", "by", "root"], ["3", "high"], ["2", "low"]],
        )
        result = self.match("--summary", "--", "-", stdin=QUIET.encode())
        self.assertEqual((result.status, result.out), (0, b""))

    def test_summary_json(self):
        result = self.match("--summary", "--json", "--", "-", stdin=(EVENTS + FAILED).encode())
        rows = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([(r["rule"]["id"], r["count"]) for r in rows], [(LOGIN_ID, 3), (ROOT_ID, 2)])

    def test_threads_give_the_same_bytes(self):
        events = self.scratch.write("many.ndjson", EVENTS * 20000)
        for mode in (["--json"], []):
            one = self.match(*mode, "--threads", "1", "--", events)
            self.assertEqual(one.status, 1, one.err)
            self.assertEqual(one.out.count(b"\n"), 80000)
            for threads in ("2", "3"):
                again = self.match(*mode, "--threads", threads, "--", events)
                self.assertEqual((again.status, again.out), (1, one.out))

    def test_routing(self):
        """Only events of the rule's log source; all of them with --all-rules; what nothing knows is counted."""
        other = FAILED.replace('"portal"', '"elsewhere"')
        result = self.match("--json", "--", "-", stdin=other.encode())
        self.assertEqual(result.status, 0, result.err)
        self.assertRegex(result.err, r"1 events? of a log source")
        self.assertEqual(self.found(other, "--all-rules"), {(LOGIN_ID, 1)})

    def test_quiet(self):
        self.assertEqual(self.match("--quiet", "--", "-", stdin=FAILED.encode()).err, "")


if __name__ == "__main__":
    cli.main()
