#!/usr/bin/python3
"""khien match on input that is broken, hostile or missing: it goes on, says what it left out, stays small."""
import gzip
import json
import os
import random
import re
import subprocess
import time

import cli
import harness
from cli import AS_ROOT, BOTH, EVENTS, FAILED, LOGIN_ID, QUIET, ROOT_ID

MIB = 1 << 20
MOST_MEMORY = 250 * MIB


class BadInputTest(cli.CliTest):
    def check(self, events, expected, *words):
        """Runs it; what is whole must be found. -> standard error"""
        events = events.encode() if isinstance(events, str) else events
        result = self.match("--json", *words, "--", "-", stdin=events)
        self.assertEqual(harness.hits(result), expected, result.err)
        return result.err

    def skipped(self, err):
        m = re.search(r"(\d+) records? skipped", err)
        return int(m[1]) if m else 0

    def test_truncated_json(self):
        for cut in [
            '{"action": "login", "outc',
            '{"action": "login", "outcome": "fail',
            '{"action": "log\\',
            '{"a": tr',
            "{",
            '{"a": 1,',
            '{"a": [1, {"b": 2}',
        ]:
            with self.subTest(cut=cut):
                err = self.check(FAILED + cut, {(LOGIN_ID, 1)})
                self.assertEqual(self.skipped(err), 1, err)
                self.assertRegex(err, r"standard input:2: skipped: \S+")
                err = self.check(cut + "\n" + FAILED + AS_ROOT, {(LOGIN_ID, 2), (ROOT_ID, 3)}, "--format", "json")
                self.assertGreaterEqual(self.skipped(err), 1, err)

    def test_broken_json(self):
        for broken in [
            '{"a": 01}',
            '{"a": 1.}',
            '{"a": +1}',
            '{"a": .5}',
            '{"a": 1e}',
            '{"a": nul}',
            '{"a": True}',
            "{'a': 1}",
            '{"a" 1}',
            '{"a": 1,}',
            '{"a": "\\x"}',
            '{"a": "\\u12g4"}',
            '{"a": "tab\there"}',
            '{"a": 1}}',
            "[1, 2",
            '"a"',
            "null",
            "7",
            '{"a": NaN}',
            "{a: 1}",
            '{"a": 1 "b": 2}',
            '{"a": [1 2]}',
            "]",
        ]:
            with self.subTest(broken=broken):
                err = self.check(FAILED + broken + "\n" + AS_ROOT, {(LOGIN_ID, 1), (ROOT_ID, 3)}, "--format", "json")
                self.assertGreaterEqual(self.skipped(err), 1, err)
                self.assertRegex(err, r"standard input:2: skipped: \S+")

    def test_many_broken_are_not_all_shown(self):
        result = self.match("--format", "json", "--", "-", stdin=b'{"a": tru}\n' * 5000 + FAILED.encode())
        self.assertEqual(result.status, 1)
        self.assertLess(result.err.count("\n"), 40)
        self.assertEqual(self.skipped(result.err), 5000)

    def test_invalid_utf8(self):
        bad = b'{"action": "login", "outcome": "fail\xff\xc0\xaf\xed\xa0\x80\xf5", "event.dataset": "portal"}\n'
        err = self.check(bad + FAILED.encode(), {(LOGIN_ID, 1), (LOGIN_ID, 2)})
        self.assertRegex(err, r"1 events? with bytes that are not UTF-8")

    def test_nul_bytes(self):
        err = self.check(
            b'{"a": "x\0y"}\n' + FAILED.encode() + b"\0\0\0\n" + AS_ROOT.encode(),
            {(LOGIN_ID, 2), (ROOT_ID, 4)},
            "--format",
            "json",
        )
        self.assertRegex(err, r"\d+ records? with NUL bytes")
        line = b'203.0.113.9 - - [01/Mar/2026:08:00:00 +0000] "GET /a\0b HTTP/1.1" 404 12 "-" "-"\n'
        self.scratch.write(
            "rules/web.yml",
            "title: w\nid: w\nlogsource: {category: webserver}\n" "detection: {s: {sc-status: 404}, condition: s}\n",
        )
        self.check(line, {("w", 1)}, "--format", "combined", "--all-rules")

    def test_deep_nesting(self):
        for depth, counted in [(60, 0), (100, 1), (100000, 1)]:
            for left, right in (('{"a":', "}"), ("[", "]")):
                deep = '{"x": ' + left * depth + "1" + right * depth + ', "user": "root", "event.dataset": "portal"}\n'
                with self.subTest(depth=depth, left=left):
                    expected = {(LOGIN_ID, 2)} | (set() if counted else {(ROOT_ID, 1)})
                    self.assertEqual(self.skipped(self.check(deep + FAILED, expected, "--format", "json")), counted)

    def test_duplicate_keys(self):
        twice = '{"user": "root", "user": "bob", "event.dataset": "portal"}\n'
        other = '{"user": "bob", "user": "root", "event.dataset": "portal"}\n'
        err = self.check(twice + other, {(ROOT_ID, 1), (ROOT_ID, 2)})
        self.assertRegex(err, r"2 keys \w+.* twice")

    def test_huge_numbers(self):
        self.scratch.write(
            "rules/n.yml",
            "title: n\nid: n\nlogsource: {product: portal}\n" "detection: {s: {n|gt: 1000}, condition: s}\n",
        )
        for number, hit in [
            ("1e400", True),
            ("-1e400", False),
            ("9" * 400, True),
            ("0." + "0" * 400 + "1", False),
            ("1e-99999999999", False),
            ("18446744073709551616", True),
        ]:
            with self.subTest(number=number[:30]):
                event = '{"n": %s, "event.dataset": "portal"}\n' % number
                self.check(event, {("n", 1)} if hit else set())
        event = '{"n": 1%s, "user": "root", "event.dataset": "portal"}\n' % ("0" * 100000)
        self.assertIn((ROOT_ID, 1), self.found(event))

    def test_many_values(self):
        """More values and keys than an event may have: bounded, counted, no crash."""
        array = '{"user": [%s"root"], "event.dataset": "portal"}\n' % ('"bob",' * 100000)
        result = self.match("--json", "--", "-", stdin=array.encode())
        self.assertIn(result.status, (0, 1), result.err)
        if result.status == 0:
            self.assertRegex(result.err, r"\d+ values beyond the bounds")
        keys = '{%s, "user": "root", "event.dataset": "portal"}\n' % ", ".join(f'"k{i}": {i}' for i in range(60000))
        self.check(keys, {(ROOT_ID, 1)})

    def test_long_line(self):
        """A line of 1 GB: left out, said, and the memory stays bounded."""
        if harness.sanitized():
            self.skipTest("memory of a sanitized build says nothing")

        def feed(file):
            file.write(FAILED.encode() + b'{"action": "')
            block = b"x" * MIB
            for _ in range(1024):
                file.write(block)
            file.write(b'"}\n' + AS_ROOT.encode())

        for words in ([], ["--format", "json", "--threads", "1"]):
            result, memory = cli.run_measured(
                self.scratch, ["match", "--json", "--rules", self.rules, *words, "--", "-"], feed
            )
            self.assertEqual(harness.hits(result), {(LOGIN_ID, 1), (ROOT_ID, 3)}, result.err)
            self.assertLess(memory, MOST_MEMORY)
            self.assertRegex(result.err, r"standard input:2: skipped: \S+")
            self.assertRegex(result.err, r"1 records? too long")

    def test_long_line_unpacked(self):
        """The same as a small gzip file."""
        if harness.sanitized():
            self.skipTest("memory of a sanitized build says nothing")
        path = self.scratch.path("bomb.gz")
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(FAILED.encode())
            for _ in range(300):
                file.write(b" " * MIB)
            file.write(b"\n" + AS_ROOT.encode())
        result, memory = cli.run_measured(
            self.scratch, ["match", "--json", "--rules", self.rules, "--", path], lambda file: None
        )
        self.assertEqual({rule for rule, _ in harness.hits(result)}, {LOGIN_ID, ROOT_ID}, result.err)
        self.assertLess(memory, MOST_MEMORY)

    def test_max_event(self):
        long = FAILED.replace("bob", "b" * 5000)
        self.check(long, {(LOGIN_ID, 1)})
        err = self.check(long + AS_ROOT, {(ROOT_ID, 2)}, "--max-event", "2000")
        self.assertRegex(err, r"1 records? too long")

    def test_truncated_gzip(self):
        packed = gzip.compress(
            (EVENTS * 2000).encode() + json.dumps({"r": random.Random(1).randbytes(9000).hex()}).encode()
        )
        path = self.scratch.write("cut.gz", packed[:-4000])
        result = self.match("--json", "--", path)
        self.assertEqual(result.status, 2)
        self.assertIn("cut.gz", result.err)
        self.assertGreater(result.out.count(b"\n"), 1000)  # what came before is used
        damaged = self.scratch.write("bad.gz", packed[:40] + b"\xff" * 40 + packed[80:])
        result = self.match("--json", "--", damaged)
        self.assertEqual(result.status, 2)
        self.assertIn("bad.gz", result.err)

    def test_one_bad_file_among_good(self):
        good = self.scratch.write("good.json", FAILED)
        result = self.match("--json", "--", self.scratch.path("missing.json"), good)
        self.assertEqual(result.status, 2)
        self.assertIn(LOGIN_ID.encode(), result.out)
        self.assertRegex(result.err, r"missing\.json.*No such file")

    def test_empty(self):
        for content in (b"", b"\n\n\n", b"[]", b"   ", gzip.compress(b"")):
            with self.subTest(content=content):
                result = self.match("--", "-", stdin=content)
                self.assertEqual((result.status, result.out), (0, b""), result.err)


class BadPlaceTest(cli.CliTest):
    def test_rules_missing(self):
        result = self.scratch.match("--rules", self.scratch.path("nowhere"), "--", "-", stdin=FAILED.encode())
        self.assertEqual((result.status, result.out), (2, b""))
        self.assertRegex(result.err, r"nowhere.*No such file")

    def test_rules_without_rules(self):
        self.scratch.write("none/readme.txt", "no rule")
        result = self.scratch.match("--rules", self.scratch.path("none"), "--", "-", stdin=FAILED.encode())
        self.assertEqual((result.status, result.out), (2, b""))
        self.assertIn("no rule", result.err)

    def test_rules_unreadable(self):
        """As somebody who may not read them."""
        os.chmod(self.scratch.name, 0o755)
        secret = self.scratch.path("secret")
        os.makedirs(secret)
        self.scratch.write("secret/a.yml", cli.LOGIN)
        os.chmod(secret, 0)
        self.addCleanup(os.chmod, secret, 0o700)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            done = subprocess.run(
                [harness.KHIEN, "match", "--rules", secret, "--", "-"],
                input=b"",
                capture_output=True,
                check=False,
                env=self.scratch.env(XDG_CACHE_HOME="/nonexistent"),
                timeout=harness.TIMEOUT,
                **nobody,
            )
        except PermissionError:
            self.skipTest("nobody can't run the program")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr.decode(), r"secret.*Permission denied")

    def test_one_bad_rule(self):
        """Refused alone, with file, line and reason; the rest run."""
        bad = self.scratch.write("rules/bad.yml", cli.LOGIN.replace(LOGIN_ID, "bad").replace("startswith", "startwith"))
        result = self.match("--json", "--", "-", stdin=EVENTS.encode())
        self.assertEqual(len(harness.hits(result)), 4)
        self.assertRegex(result.err, re.escape(bad) + r":\d+: .*startwith.*startswith")

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            for mode in (["--json"], [], ["--summary"]):
                done = subprocess.run(
                    [harness.KHIEN, "match", *mode, "--rules", self.rules, "--", "-"],
                    input=(EVENTS * 5000).encode(),
                    stdout=full,
                    stderr=subprocess.PIPE,
                    env=self.scratch.env(),
                    timeout=harness.TIMEOUT,
                    check=False,
                )
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(b"No space left", done.stderr)

    def test_closed_pipe(self):
        """khien ... | head -1: ends soon, without a trace or a crash."""
        events = self.scratch.write("many.ndjson", EVENTS * 100000)
        start = time.monotonic()
        process = subprocess.Popen(
            [harness.KHIEN, "match", "--json", "--rules", self.rules, "--", events],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.scratch.env(),
        )
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode()
        process.stderr.close()
        self.assertIn(process.wait(harness.TIMEOUT), (1, 2, -13), err)
        self.assertLess(time.monotonic() - start, 20)
        for word in ("Sanitizer", "runtime error", "core dumped", "Traceback"):
            self.assertNotIn(word, err)
        self.assertLessEqual(err.count("\n"), 2)

    def test_closed_descriptors(self):
        for closed in ("<&-", ">&-", "2>&-"):
            done = subprocess.run(
                ["sh", "-c", f'"$0" match --rules "$1" -- - {closed}', harness.KHIEN, self.rules],
                input=FAILED.encode(),
                capture_output=True,
                env=self.scratch.env(),
                timeout=harness.TIMEOUT,
                check=False,
            )
            self.assertIn(done.returncode, (1, 2), f"{closed}: {done.stderr!r}")


if __name__ == "__main__":
    cli.main()
