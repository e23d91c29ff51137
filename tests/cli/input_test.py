#!/usr/bin/python3
"""khien match: where events come from and which formats they have."""
import bz2
import gzip
import json
import random
import shutil
import subprocess

import cli
import harness
from cli import AS_ROOT, BOTH, EVENTS, FAILED, LOGIN_ID, QUIET, ROOT_ID

# format -> lines of it, a field of the first record and its value
SAMPLES = {
    "json": ('{"user": "eve", "n": 1}\n{"user": "bob"}\n', "user", "eve"),
    "syslog": (
        "Mar  1 08:00:00 web1 sshd[311]: Failed password for root from 203.0.113.9 port 4711 ssh2\n"
        "Mar  1 08:00:01 web1 CRON[400]: (root) CMD (run-parts /etc/cron.hourly)\n",
        "process.name",
        "sshd",
    ),
    "combined": (
        '203.0.113.9 - - [01/Mar/2026:08:00:00 +0000] "GET /login?next=%2F HTTP/1.1" 404 12 "-" "curl/8"\n'
        '203.0.113.8 - - [01/Mar/2026:08:00:02 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/8"\n',
        "sc-status",
        "404",
    ),
    "audit": (
        'type=SYSCALL msg=audit(1772352000.101:77): arch=c000003e syscall=59 success=yes exit=0 uid=0 comm="id" '
        'exe="/usr/bin/id" key="exec"\ntype=EXECVE msg=audit(1772352000.101:77): argc=2 a0="id" a1="-u"\n'
        'type=SYSCALL msg=audit(1772352001.5:78): arch=c000003e syscall=2 success=no exit=-13 uid=33 comm="cat" '
        'exe="/usr/bin/cat"\n',
        "a1",
        "-u",
    ),
    "kv": (
        'time="2026-03-01T08:00:00Z" srcip=203.0.113.9 action="deny" user="eve"\n'
        'time="2026-03-01T08:00:01Z" srcip=203.0.113.8 action="allow" user="bob"\n',
        "action",
        "deny",
    ),
    "cef": (
        "CEF:0|Maker|Wall|1.0|100|login refused|7|src=203.0.113.9 suser=eve act=refused\n"
        "CEF:0|Maker|Wall|1.0|101|login|1|src=203.0.113.8 suser=bob act=granted\n",
        "suser",
        "eve",
    ),
    "csv": ('time,user,what\n2026-03-01,eve,"said ""no"", then\nleft"\n2026-03-02,bob,nothing\n', "user", "eve"),
}
ANY_RULE = """title: Any
id: any
logsource: {product: any}
detection: {s: {%s: %s}, condition: s}
"""


class SourceTest(cli.CliTest):
    expected = {(LOGIN_ID, 2), (ROOT_ID, 3), (LOGIN_ID, 4), (ROOT_ID, 4)}

    def from_file(self, name, content):
        return harness.hits(self.match("--json", "--", self.scratch.write(name, content)))

    def test_standard_input(self):
        self.assertEqual(self.found(EVENTS), self.expected)
        self.assertIn(b'"file":"standard input"', self.match("--json", "--", "-", stdin=FAILED.encode()).out)

    def test_gzip(self):
        self.assertEqual(self.from_file("events.gz", gzip.compress(EVENTS.encode())), self.expected)
        self.assertEqual(self.found(gzip.compress(EVENTS.encode())), self.expected)
        members = gzip.compress(QUIET.encode()) + gzip.compress((FAILED + AS_ROOT + BOTH).encode())
        self.assertEqual(self.from_file("members.gz", members), self.expected)

    def test_zstd(self):
        if not shutil.which("zstd"):
            self.skipTest("no zstd program")
        pack = lambda text: subprocess.run(
            ["zstd", "-q", "-c"], input=text.encode(), capture_output=True, check=True
        ).stdout
        self.assertEqual(self.from_file("events.zst", pack(EVENTS)), self.expected)
        self.assertEqual(self.from_file("frames", pack(QUIET) + pack(FAILED + AS_ROOT + BOTH)), self.expected)

    def test_unknown_packing_is_named(self):
        path = self.scratch.write("events.bz2", bz2.compress(EVENTS.encode() * 100))
        result = self.match("--", path)
        self.assertNotEqual(result.status, 1)
        self.assertIn("events.bz2", result.err)

    def test_folder(self):
        self.scratch.write("in/b/two.json", FAILED)
        self.scratch.write("in/a.json.gz", gzip.compress(AS_ROOT.encode()))
        self.scratch.write("in/.hidden.json", FAILED)
        result = self.match("--json", "--", self.scratch.path("in"))
        at = [(m["at"]["file"], m["rule"]["id"]) for m in map(json.loads, result.out.splitlines())]
        self.assertEqual(
            at, [(self.scratch.path("in/a.json.gz"), ROOT_ID), (self.scratch.path("in/b/two.json"), LOGIN_ID)]
        )

    def test_files_after_options(self):
        events = self.scratch.write("events.json", EVENTS)
        self.assertEqual(self.scratch.match("--rules", self.rules, "--json", events).status, 1)
        self.assertEqual(self.scratch.match("--json", "--rules", self.rules, "--", events).status, 1)
        self.assertEqual(self.scratch.match(events, "--rules", self.rules).status, 1)

    def test_rules_from_many_places(self):
        extra = self.scratch.write("more/extra.yml", cli.ROOT.replace(ROOT_ID, "3").replace("root", "bob"))
        one = self.scratch.path("rules", "login.yml")
        for words in (["--rules", one, extra, "--json"], ["--rules", one, "--rules", extra, "--json"]):
            result = self.scratch.match(*words, "--", "-", stdin=EVENTS.encode())
            self.assertEqual(harness.hits(result), {(LOGIN_ID, 2), (LOGIN_ID, 4), ("3", 1), ("3", 2)})

    def test_odd_file_names(self):
        for name in ["with space.json", "-dash.json", "日本.json", 'quo"te.json']:
            self.scratch.write(name, FAILED)
            result = self.match("--json", "--", name)
            self.assertEqual(json.loads(result.out)["at"]["file"], name, result.err)

    def test_cut_anywhere(self):
        """A slow writer: bytes come in pieces."""

        def feed(file):
            for i in range(0, len(EVENTS), 7):
                file.write(EVENTS[i : i + 7].encode())
                file.flush()

        result, _ = cli.run_measured(self.scratch, ["match", "--json", "--rules", self.rules, "--", "-"], feed)
        self.assertEqual(harness.hits(result), self.expected)


class JsonShapeTest(cli.CliTest):
    def test_shapes(self):
        events = [json.loads(line) for line in EVENTS.splitlines()]
        pretty = "\n".join(json.dumps(e, indent=2) for e in events)
        n = len(events[0]) + 2
        for name, text, lines in [
            ("lines", EVENTS, (1, 2, 3, 4)),
            ("no last newline", EVENTS.rstrip(), (1, 2, 3, 4)),
            ("carriage returns", EVENTS.replace("\n", "\r\n"), (1, 2, 3, 4)),
            ("blank lines", EVENTS.replace("\n", "\n\n"), (1, 3, 5, 7)),
            ("in a row", EVENTS.replace("\n", " "), (1, 1, 1, 1)),
            ("array", json.dumps(events), (1, 1, 1, 1)),
            ("array over lines", "[\n" + ",\n".join(map(json.dumps, events)) + "\n]\n", (2, 3, 4, 5)),
            ("byte order mark", "\ufeff" + EVENTS, (1, 2, 3, 4)),
            ("pretty", pretty, (1, 1 + n, 1 + n + n + 1, 1 + n + n + 1 + n)),
            ("records", '{"Records": %s}' % json.dumps(events), (1, 1, 1, 1)),
        ]:
            with self.subTest(name=name):
                _, b, c, d = lines
                self.assertEqual(self.found(text), {(LOGIN_ID, b), (ROOT_ID, c), (LOGIN_ID, d), (ROOT_ID, d)})

    def test_windows_nested(self):
        self.scratch.write("rules/win.yml", ANY_RULE % ("Provider_Name", "Microsoft-Windows-Sysmon"))
        self.scratch.write("rules/win2.yml", ANY_RULE.replace("id: any", "id: image") % ("Image", "'*\\cmd.exe'"))
        event = {
            "Event": {
                "System": {"Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}}, "EventID": 1},
                "EventData": {"Image": "C:\\cmd.exe"},
            }
        }
        self.assertEqual(self.found(json.dumps(event, indent=1), "--all-rules"), {("any", 1), ("image", 1)})


class FormatTest(cli.CliTest):
    def test_each(self):
        for name, (text, field, value) in SAMPLES.items():
            with self.subTest(format=name):
                self.scratch.write("any/any.yml", ANY_RULE % (field, f"'{value}'"))
                line = 2 if name == "csv" else 1
                for words in ([], ["--format", name]):
                    result = self.scratch.match(
                        "--json",
                        "--all-rules",
                        *words,
                        "--rules",
                        self.scratch.path("any"),
                        "--",
                        "-",
                        stdin=text.encode(),
                    )
                    self.assertEqual(harness.hits(result), {("any", line)}, result.err)

    def test_keywords_see_the_whole_line(self):
        self.scratch.write(
            "any/any.yml",
            "title: k\nid: any\nlogsource: {product: a}\n" "detection: {k: ['Mar  1 08:00:01 web1'], condition: k}\n",
        )
        result = self.scratch.match(
            "--json", "--all-rules", "--rules", self.scratch.path("any"), "--", "-", stdin=SAMPLES["syslog"][0].encode()
        )
        self.assertEqual(harness.hits(result), {("any", 2)})

    def test_unknown_format_is_named(self):
        result = self.match("--format", "xml", "--", "-")
        self.assertEqual(result.status, 2)
        for name in SAMPLES:
            self.assertIn(name, result.err)

    def test_nothing_fits(self):
        path = self.scratch.write("noise", random.Random(1).randbytes(5000))
        result = self.match("--", path)
        self.assertNotEqual(result.status, 1)
        self.assertIn("noise", result.err)


if __name__ == "__main__":
    cli.main()
