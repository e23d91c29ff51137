#!/usr/bin/python3
"""GET /v1/hunt: what `khien hunt` finds, as it is found; who may; where a text is wrong; readers that are slow or go, and
processes that die."""
import http.client
import json
import os
import signal
import socket
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from running import SLOW, Hub, harness, name_of, processes, runs  # noqa: E402

EVENTS = 30000
HUNTS = [
    "root | count by host",
    "user:bình n>=29990",
    "n<300 | fields time, n, user | sort -n | head 20",
    "timechart span=1h count by user",
    "url:*/a%2Fb* | count",
    "nothing_of_this",
]


def event(i):
    return {"@timestamp": f"2026-11-{1 + i // 8000:02}T{i // 400 % 20:02}:{i // 60 % 60:02}:{i % 60:02}Z",
            "host.name": f"pc{i % 7}", "event.dataset": ["linux.auth", "web.access"][i % 2], "n": i, "pad": "x" * 500,
            "user": {"name": ["root", "bình", "=cmd()"][i % 3]}, "url": {"path": f"/x/a%2Fb/{i % 50}"}}


def path_of(q, **more):
    return "/v1/hunt?" + urllib.parse.urlencode({"q": q, **more})


class HuntHttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.hub = Hub(cls.scratch)
        cls.hub.__enter__()
        cls.token = cls.hub.token("all", "ingest,read,metrics")
        cls.until(lambda: cls.hub.post([event(0)], cls.token)[0] == 200)
        for at in range(1, EVENTS, 5000):
            status = cls.hub.post([event(i) for i in range(at, min(at + 5000, EVENTS))], cls.token)[0]
            assert status == 200, status
        cls.until(lambda: cls.ask("*", limit=1)[0] == 200)

    @classmethod
    def tearDownClass(cls):
        cls.hub.__exit__(None, None, None)
        cls.scratch.__exit__(None, None, None)

    @staticmethod
    def until(good, seconds=20):
        end = time.monotonic() + seconds * SLOW
        while not (got := good()):
            assert time.monotonic() < end, "it didn't come to be in time"
            time.sleep(0.05)
        return got

    @classmethod
    def ask(cls, q, token=None, **more):
        """status, text, headers"""
        c = http.client.HTTPConnection("127.0.0.1", cls.hub.http, timeout=60 * SLOW)
        try:
            c.request("GET", path_of(q, **more), headers={"Authorization": "Bearer " + (token or cls.token)})
            answer = c.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            c.close()

    def command(self, q, *words, form="json"):
        done = self.scratch.khien("hunt", "--data", self.hub.data, "--quiet", "--format", form, *words, q)
        self.assertIn(done.status, (0, 1), done.err)
        return done.out.decode()

    def metric(self, name):
        text = self.hub.request("GET", "/metrics", token=self.token)[1].decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"khien_hunts_{name} "))

    def named(self, name):
        return [pid for pid in processes(self.hub.process.pid) if name_of(pid) == name]

    def slow(self, q="*", window=32 << 10, **more):
        """A connection that has asked, has the answer's head, and reads no further."""
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        s.settimeout(60 * SLOW)
        s.connect(("127.0.0.1", self.hub.http))
        s.sendall(f"GET {path_of(q, limit=0, **more)} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
        head = s.recv(15)
        self.addCleanup(s.close)
        return s, head.decode()

    def free(self):
        """Waits until no hunt is under way."""
        self.until(lambda: self.metric("running") == 0 and not self.named("khien: search"))

    # --- the same as the command ---

    def test_rows(self):
        for q in HUNTS:
            for words in ({}, {"limit": 3}, {"since": "2026-11-02", "until": "2026-11-02 12:00"}, {"dataset": "web.access"}):
                with self.subTest(q=q, words=words):
                    options = [x for name, value in words.items() for x in ("--" + name, str(value))]
                    want = self.command(q, *options).splitlines()
                    status, text, headers = self.ask(q, **words)
                    self.assertEqual(status, 200, text)
                    self.assertEqual(headers["Content-Type"], "application/x-ndjson")
                    *rows, last = text.splitlines()
                    self.assertEqual(rows, want)
                    self.assertEqual((json.loads(last)["complete"], json.loads(last)["row_count"]), (True, len(rows)))
                    whole = json.loads(self.ask(q, format="json", **words)[1])
                    self.assertEqual(whole.pop("rows"), [json.loads(row) for row in rows])
                    self.assertTrue(whole["complete"])

    def test_all_events(self):
        rows = self.ask("*", limit=0, oldest=1)[1].splitlines()
        self.assertEqual(len(rows), EVENTS + 1)
        self.assertEqual("\n".join(rows[:-1]) + "\n", self.command("*", "--limit", "0", "--oldest"))
        self.assertEqual(json.loads(rows[-1]), {"complete": True, "row_count": EVENTS, "events": EVENTS, "more": False})
        self.assertTrue(json.loads(self.ask("*")[1].splitlines()[-1])["more"])

    def test_csv(self):
        q = "n<500 | fields time, n, user"
        want = self.command(q, "--limit", "0", form="csv")
        status, text, headers = self.ask(q, limit=0, format="csv")
        self.assertEqual((status, text), (200, want))
        self.assertTrue(headers["Content-Type"].startswith("text/csv"))
        for limit, trailer in ((0, b"true"), (3, b"true; more")):
            with socket.create_connection(("127.0.0.1", self.hub.http)) as s:
                s.sendall(f"GET {path_of(q, format='csv', limit=limit)} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                          f"Authorization: Bearer {self.token}\r\n\r\n".encode())
                all_of_it = b"".join(iter(lambda s=s: s.recv(65536), b""))
            self.assertTrue(all_of_it.endswith(b"\r\nKhien-Complete: " + trailer + b"\r\n\r\n"), all_of_it[-80:])

    # --- what is refused ---

    def test_errors(self):
        cases = [
            ("user:bình AND (status>=", {}, "parsing_exception", (15, 22, 23)),
            ("bình | cuont", {}, "parsing_exception", (7,)),
            ("a", {"since": "yesterdayish"}, "illegal_argument_exception", None),
            ("a", {"since": "1d", "until": "2d"}, "illegal_argument_exception", None),
            ("a", {"format": "csv"}, "illegal_argument_exception", None),
            ("a", {"format": "table"}, "illegal_argument_exception", None),
            ("a", {"sinc": "1d"}, "illegal_argument_exception", None),
            ("", {}, "illegal_argument_exception", None),
            ("x" * 20000, {}, "parsing_exception", None),
        ]
        for q, more, kind, position in cases:
            with self.subTest(q=q[:40], more=more):
                status, text, headers = self.ask(q, **more)
                self.assertEqual((status, headers["Content-Type"]), (400, "application/json"), text)
                error = json.loads(text)["error"]
                self.assertEqual(error["type"], kind)
                self.assertTrue(error["reason"])
                if position:
                    self.assertIn(error["position"], position)
        self.assertEqual(self.hub.request("HEAD", path_of("a"), token=self.token)[0], 405)
        self.assertEqual(self.hub.request("POST", path_of("a"), b"{}", token=self.token)[0], 405)
        self.assertIn(self.ask("x" * 60000)[0], (400, 414, 431))
        self.free()

    def test_scope(self):
        ingest = self.hub.token("ingest-only", "ingest,metrics")
        self.until(lambda: self.hub.request("GET", "/metrics", token=ingest)[0] == 200)
        self.assertEqual(self.ask("*", ingest)[0], 403)
        self.assertEqual(self.ask("*", "nobody.nothing")[0], 401)
        self.assertEqual(self.hub.request("GET", path_of("*"))[0], 401)

    # --- many, slow, gone ---

    def test_five_at_once(self):
        """Four that read nothing: the fifth is told to come again; the front neither waits nor grows; then all is free."""
        self.free()
        stopped, busy = self.metric("stopped_total"), self.metric("busy_total")
        before = self.rss()
        four = [self.slow() for _ in range(4)]
        self.assertEqual([head for _, head in four], ["HTTP/1.1 200 OK"] * 4)
        time.sleep(1)
        status, _, headers = self.ask("*")
        self.assertEqual((status, bool(headers["Retry-After"])), (429, True))
        began = time.monotonic()
        self.assertEqual(self.hub.post([{"event.dataset": "other", "x": 1}], self.token)[0], 200)
        self.assertEqual(self.hub.request("GET", "/healthz")[0], 200)
        self.assertLess(time.monotonic() - began, 3 * SLOW)
        self.assertEqual(len(self.named("khien: search")), 4)
        if SLOW == 1:
            self.assertLess(self.rss() - before, 8 << 10)
        self.assertEqual((self.metric("running"), self.metric("busy_total")), (4, busy + 1))
        for s, _ in four:
            s.close()
        self.free()
        self.assertEqual(self.metric("stopped_total"), stopped + 4)
        self.assertEqual(self.ask("*")[0], 200)

    def rss(self):
        """KiB of the front."""
        with open(f"/proc/{self.hub.part('khien: front')}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def test_a_slow_one_gets_all(self):
        self.free()
        s, head = self.slow(window=512 << 10, oldest=1)
        time.sleep(0.5)
        text = head.encode()
        while b"\r\n0\r\n" not in text[-200:]:
            piece = s.recv(1 << 20)
            self.assertTrue(piece)
            text += piece
        self.assertIn(b'"complete":true', text)
        self.assertEqual(text.count(b'"pad": "'), EVENTS)
        s.close()

    def test_who_goes_ends_it(self):
        """Also a search that finds nothing and hangs: nothing would be written to the one who went."""
        self.free()
        stopped = self.metric("stopped_total")
        s, _ = self.slow()
        pid = self.until(lambda: self.named("khien: search"))[0]
        os.kill(pid, signal.SIGSTOP)
        s.close()
        self.until(lambda: not self.named("khien: search"))
        self.until(lambda: self.metric("stopped_total") == stopped + 1)

    def test_a_search_that_dies(self):
        """An answer that was begun doesn't look whole; the next hunt is answered."""
        self.free()
        broken = self.metric("broken_total")
        s, _ = self.slow()
        os.kill(self.until(lambda: self.named("khien: search"))[0], signal.SIGKILL)
        text = b"".join(iter(lambda: s.recv(1 << 20), b""))
        self.assertNotIn(b"\r\n0\r\n", text[-200:])
        self.assertNotIn(b'"complete"', text)
        self.assertEqual(self.metric("broken_total"), broken + 1)
        self.assertEqual(self.ask("*")[0], 200)

    def test_a_searcher_that_dies(self):
        """Searches die with it; it is there again, and so are hunts; the rest of the hub goes on as it was."""
        self.free()
        others = [self.hub.part("khien: front"), self.hub.part("khien: keeper")]
        s, _ = self.slow()
        old = self.named("khien: searcher")[0]
        os.kill(old, signal.SIGKILL)
        self.assertNotIn(b'"complete"', b"".join(iter(lambda: s.recv(1 << 20), b"")))
        self.until(lambda: [pid for pid in self.named("khien: searcher") if pid != old], 30)
        self.until(lambda: self.ask("*")[0] == 200)
        self.assertEqual(others, [self.hub.part("khien: front"), self.hub.part("khien: keeper")])
        self.free()

    def test_zz_ends_with_readers_left(self):
        """The hub ends in time although somebody is in the midst of an answer and reads nothing."""
        s, _ = self.slow()
        all_of_it = processes(self.hub.process.pid)
        began = time.monotonic()
        os.kill(self.hub.process.pid, signal.SIGTERM)
        self.assertEqual(self.hub.process.wait(30 * SLOW), 0)
        self.assertLess(time.monotonic() - began, 8 * SLOW)
        self.until(lambda: not any(map(runs, all_of_it)))
        s.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
