#!/usr/bin/python3
"""khien find, hub export and hub import as people use them: what is found, what is said, and that nothing is lost on
the way out of one store and into another."""
import fcntl
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import alive  # noqa: E402
import harness  # noqa: E402

NOBODY = 65534
ROOT = os.geteuid() == 0
USERS = ["root", "an", "bình"]


def event(i, **more):
    e = {
        "@timestamp": f"2026-11-{1 + i % 3:02}T{i % 24:02}:{i % 60:02}:00.{i % 50:06}Z",
        "host.name": f"pc{i % 7}",
        "event.dataset": ["linux.auth", "web.access", "windows.security"][i % 3],
        "khien.received": "2026-11-05T00:00:00.000000Z",
        "khien.id": f"{i:08x}",
        "n": i,
        "message": f"Failed password for {USERS[i % 3]} from 10.0.{i % 30}.{i % 200}",
        "process": {"command_line": f"C:\\Windows\\new{i % 90}.exe -enc {i * 7919:x}", "pid": i % 4000},
    }
    if i % 5 == 0:
        del e["khien.id"]
    e.update(more)
    return json.dumps(e, ensure_ascii=bool(i % 2), separators=(",", ":"))


def lines(events):
    return "".join(e + "\n" for e in events).encode()


class Store(unittest.TestCase):
    """More events than a segment of the journal takes: some lie in blocks, some in the journal."""

    COUNT = 60000

    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.events = [event(i) for i in range(cls.COUNT)]
        path = cls.scratch.write("all.ndjson", lines(cls.events))
        done = cls.scratch.khien("hub", "import", "--data", cls.scratch.path("hub"), path)
        assert done.status == 0, done.err
        assert "Imported 60,000 events" in done.err, done.err

    def khien(self, *words, data="hub", **more):
        return self.scratch.khien(*words, "--data", self.scratch.path(data), **more)

    def find(self, *words, status=0):
        done = self.scratch.khien("find", "--json", "--limit", "0", "--data", self.scratch.path("hub"), *words)
        self.assertEqual(done.status, status, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def numbers(self, *words, **more):
        return sorted(e["n"] for e in self.find(*words, **more))

    def wanted(self, test):
        return [i for i in range(self.COUNT) if test(json.loads(self.events[i]))]

    def test_terms(self):
        self.assertEqual(self.numbers("root", "10.0.6.6"),
                         self.wanted(lambda e: e["message"].endswith("root from 10.0.6.6")))
        self.assertEqual(self.numbers("process.pid:77"), self.wanted(lambda e: e["process"]["pid"] == 77))
        self.assertEqual(self.numbers("*NEW77.*", "-host.name:pc3"),
                         self.wanted(lambda e: "new77." in e["process"]["command_line"] and e["host.name"] != "pc3"))
        self.assertEqual(self.numbers("-khien.id:*", "bình"),
                         self.wanted(lambda e: "khien.id" not in e and "bình" in e["message"]))
        self.assertEqual(self.numbers("\\windows\\new5.exe -enc", "host.name:PC1"),
                         self.wanted(lambda e: "new5.exe" in e["process"]["command_line"] and e["host.name"] == "pc1"))
        self.assertEqual(self.numbers("nobody", status=1), [])
        self.assertEqual(self.numbers("word", status=1), [])  # stands within "password" only

    def test_order_and_limit(self):
        def key(text):
            e = json.loads(text)
            return e["@timestamp"], e["event.dataset"], e["n"]

        ordered = sorted(self.events, key=key)
        oldest = self.khien("find", "--json", "--oldest", "--limit", "20", "password").out.decode().splitlines()
        self.assertEqual(oldest, ordered[:20])
        newest = self.khien("find", "--json", "password").out.decode().splitlines()
        self.assertEqual(newest, ordered[::-1][:100])

    def test_spans_and_datasets(self):
        done = self.khien("find", "--json", "--limit", "0", "--since", "2026-11-02T00:00:00Z", "--until",
                          "2026-11-02T05:00:00Z", "--dataset", "web.access", "password")
        found = sorted(json.loads(line)["n"] for line in done.out.splitlines())
        self.assertEqual(found, self.wanted(lambda e: e["event.dataset"] == "web.access" and
                                            "2026-11-02T00" <= e["@timestamp"] < "2026-11-02T05"))

    def test_counts(self):
        done = self.khien("find", "--count-by", "host.name", "--json", "root")
        self.assertEqual(done.status, 0, done.err)
        counts = {c["value"]: c["count"] for c in map(json.loads, done.out.splitlines())}
        wanted = {}
        for i in range(0, self.COUNT, 3):
            wanted[f"pc{i % 7}"] = wanted.get(f"pc{i % 7}", 0) + 1
        self.assertEqual(counts, wanted)
        self.assertIn("Different values: 7, in 20,000 events", done.err)

    def test_what_people_see(self):
        done = self.khien("find", "-an", "-bình", "10.0.6.6", "--limit", "1", "--lang", "vi")
        self.assertRegex(done.out.decode(), r"^2026-11-0\d \d\d:\d\d:\d\d  pc\d  linux\.auth  Failed password for root "
                                            r"from 10\.0\.6\.6\n$")
        self.assertIn("60.000 sự kiện", done.err)
        done = self.khien("find", "process.pid:77", "--limit", "1", "--color", "always")
        self.assertIn("process.pid=\033[1;31m77\033[0m", done.out.decode())
        done = self.khien("find", "10.0.6.6", "--quiet")
        self.assertEqual(done.err, "")

    def test_mistakes(self):
        for words, said in ([["foo*"], "'foo*'"], [["user:"], "'user:'"], [["--since", "soon", "x"], "'soon'"],
                            [["--limit", "many"], "many"], [["--oldst"], "--oldest"],
                            [["--since", "2026-11-02", "--until", "2026-11-01"], "--until"]):
            done = self.khien("find", *words)
            self.assertEqual(done.status, 2, words)
            self.assertIn(said, done.err)
        done = self.khien("find", "x", data="nowhere")
        self.assertEqual(done.status, 2)
        self.assertIn("nowhere", done.err)

    def test_closed_output(self):
        command = [harness.KHIEN, "find", "--json", "--limit", "0", "--data", self.scratch.path("hub")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.scratch.env()) as p:
            p.stdout.close()
            said = p.stderr.read().decode()
        self.assertEqual(p.returncode, 2)
        self.assertIn("standard output was closed", said)

    def test_interrupted(self):
        command = [harness.KHIEN, "find", "--json", "--limit", "0", "--data", self.scratch.path("hub")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.scratch.env()) as p:
            first = p.stdout.readline()  # nobody reads on: it waits for the pipe when the signal comes
            p.send_signal(signal.SIGINT)
            rest = p.stdout.read()
            said = p.stderr.read().decode()
        self.assertEqual(p.returncode, 2, said)
        self.assertIn("Stopped", said)
        for line in (first + rest).splitlines():
            json.loads(line)
        self.assertLess(rest.count(b"\n"), self.COUNT - 1)

    def test_out_and_in_again(self):
        out = self.scratch.path("out.ndjson.zst")
        self.assertEqual(self.khien("hub", "export", "-o", out).status, 0)
        done = self.khien("hub", "import", out, data="again")
        self.assertEqual(done.status, 0, done.err)
        again = self.scratch.path("again.ndjson.zst")
        self.assertEqual(self.khien("hub", "export", "-o", again, data="again").status, 0)
        with open(out, "rb") as a, open(again, "rb") as b:
            self.assertEqual(a.read(), b.read())
        plain = self.khien("hub", "export", "--plain", data="again").out
        self.assertEqual(sorted(plain.splitlines()), sorted(lines(self.events).splitlines()))
        # Known events are not taken twice; those without an id are.
        done = self.khien("hub", "import", out, data="again")
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("Imported 12,000 events; known already: 48,000", done.err)

    def test_export_of_a_span(self):
        done = self.khien("hub", "export", "--plain", "--since", "2026-11-03T00:00:00Z", "--dataset", "linux.auth")
        found = sorted(json.loads(line)["n"] for line in done.out.splitlines())
        self.assertEqual(found, self.wanted(lambda e: e["event.dataset"] == "linux.auth" and
                                            e["@timestamp"] >= "2026-11-03"))

    def test_export_that_fails_leaves_nothing(self):
        folder = self.scratch.path("folder")
        os.makedirs(os.path.join(folder, "x"), exist_ok=True)
        for to in (os.path.join(folder, "none", "x.zst"), os.path.join(folder, "x")):
            done = self.khien("hub", "export", "-o", to)
            self.assertEqual(done.status, 2)
            self.assertIn(to, done.err)
        self.assertEqual(os.listdir(folder), ["x"])


class Rights(unittest.TestCase):
    """What is stored was written by others: who reads it has no right but to that folder, whoever runs khien."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.addClassCleanup(cls.scratch.cleanup)
        os.chmod(cls.scratch.name, 0o755)
        cls.data = cls.scratch.path("hub")
        few = {"event.dataset": "a", "@timestamp": "2026-11-02T00:00:00Z"}
        cls.n = 30000 if harness.sanitized() else 300000  # the latter are blocks for two threads
        path = cls.scratch.write("all.ndjson", lines(event(i, **few) for i in range(cls.n)))
        assert cls.scratch.khien("hub", "import", "--data", cls.data, path).status == 0
        if ROOT:
            for folder, _, names in os.walk(os.path.join(cls.data, "store")):
                for name in [".", *names]:
                    os.chown(os.path.join(folder, name), NOBODY, NOBODY)

    def status_of(self, *words, child=False):
        """/proc/PID/status of it while it waits for somebody to read."""
        with subprocess.Popen([harness.KHIEN, *words, "--data", self.data], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, env=self.scratch.env()) as p:
            p.stdout.readline()
            status = alive.status_of(alive.children(p.pid)[0] if child else p.pid)
            rest = p.stdout.read()
        self.assertEqual(p.returncode, 0)
        self.assertEqual(rest.count(b"\n"), self.n - 1)
        return status

    def check(self, status):
        if ROOT:
            self.assertEqual(set(status["Uid"].split()), {str(NOBODY)})
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertEqual(status["NoNewPrivs"], "1")
        if not harness.sanitized():
            self.assertEqual(status["Seccomp"], "2")

    def test_find(self):
        self.check(self.status_of("find", "--json", "--limit", "0", "*password*"))

    def test_export(self):
        self.check(self.status_of("hub", "export", "--plain", child=True))

    @unittest.skipUnless(ROOT, "only root can be somebody else")
    def test_export_where_only_its_caller_may_write(self):
        private = self.scratch.path("private")
        os.mkdir(private, 0o700)
        out = os.path.join(private, "out.zst")
        done = self.scratch.khien("hub", "export", "--data", self.data, "--since", "2026-11-02T00:00:00Z", "-o", out)
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(os.stat(out).st_uid, 0)
        self.assertEqual(os.listdir(private), ["out.zst"])


class Import(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)

    def take(self, *contents):
        paths = [self.scratch.write(f"in{i}.ndjson", c) for i, c in enumerate(contents)]
        return self.scratch.khien("hub", "import", "--data", self.scratch.path("hub"), *paths)

    def kept(self):
        done = self.scratch.khien("hub", "export", "--plain", "--data", self.scratch.path("hub"))
        self.assertEqual(done.status, 0, done.err)
        return done.out.splitlines()

    def test_bad_lines_are_named_and_not_shown(self):
        good = [event(0), event(1), event(2)]
        done = self.take(lines([good[0], '{"secret":', good[1]]) + b"\n[1]\n" + b'{"a":"' + b"x" * (1 << 20) + b'"}\n' +
                         good[2].encode())
        self.assertEqual(done.status, 2)
        for n in (2, 5, 6):
            self.assertIn(f"in0.ndjson:{n}: not imported: ", done.err)
        self.assertNotIn("secret", done.err)
        self.assertIn("Imported 3 events; known already: 0, bad lines: 3", done.err)
        self.assertEqual(sorted(self.kept()), sorted(lines(good).splitlines()))

    def test_what_was_not_believed_stays_so(self):
        ahead = event(1, **{"@timestamp": "2031-01-01T00:00:00Z"})
        self.assertEqual(self.take(lines([ahead])).status, 0)
        found = self.scratch.khien("find", "--json", "--until", "2027-01-01", "--data", self.scratch.path("hub"))
        self.assertEqual(found.out.decode().splitlines(), [ahead])

    def test_cut_off(self):
        whole = self.scratch.path("whole.zst")
        self.assertEqual(self.take(lines(event(i) for i in range(20000))).status, 0)
        self.assertEqual(self.scratch.khien("hub", "export", "-o", whole, "--data", self.scratch.path("hub")).status, 0)
        with open(whole, "rb") as file:
            cut = file.read()[:-1000]
        path = self.scratch.write("cut.zst", cut)
        done = self.scratch.khien("hub", "import", path, "--data", self.scratch.path("other"))
        self.assertEqual(done.status, 2)
        self.assertIn("cut.zst: compressed data is cut off", done.err)
        self.assertRegex(done.err, r"Imported 1\d,\d{3} events")

    def test_beside_a_hub(self):
        self.assertEqual(self.take(lines([event(0)])).status, 0)
        locks = [os.path.join(folder, "lock") for folder, _, names in os.walk(self.scratch.path("hub")) if "lock" in names]
        self.assertEqual(len(locks), 1)
        with open(locks[0], "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = self.take(lines([event(1)]))
            self.assertEqual(done.status, 2)
            self.assertIn("another khien hub", done.err)
            self.assertEqual(len(self.kept()), 1)  # reading needs no lock

    def test_nothing_to_import(self):
        done = self.scratch.khien("hub", "import", "--data", self.scratch.path("hub"))
        self.assertEqual(done.status, 2)
        self.assertIn("no file", done.err)
        done = self.scratch.khien("hub", "import", "--data", self.scratch.path("hub"), self.scratch.path("none"))
        self.assertEqual(done.status, 2)
        self.assertIn("none: No such file", done.err)
        self.assertFalse(os.path.exists(self.scratch.path("hub")))


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
