#!/usr/bin/python3
"""Real programs send to a real hub: logger, rsyslog, syslog-ng, curl. docs/shippers.md says how to set them up."""
import collections
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from running import SLOW, Hub, harness  # noqa: E402
from programs import (Rsyslog, SyslogNg, certificates, from_docs, metrics, need, others_certificates,  # noqa: E402
                      wait_metric)

SOAK = bool(os.environ.get("KHIEN_SOAK"))
VIETNAMESE = "Đăng nhập thất bại: người dùng “quản trị” từ máy lạ"


def lines(n):
    """n lines of which each tenth is there twice in a row, as in a log."""
    return [f"line {i - (i % 10 == 9)} of {n}, {VIETNAMESE}" for i in range(n)]


def hub_ca(hub):
    return os.path.join(hub.data, "pki", "ca.crt")


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = self.enterContext(harness.Scratch())

    def start(self, **more):
        hub = self.enterContext(Hub(self.scratch, **more))
        self.addCleanup(lambda: hub.process.poll() is None and self.assertEqual(hub.stop(), 0))
        return hub

    def all_found(self, hub, sent, *words, seconds=20):
        """So many times as they were sent, word for word."""
        found = hub.finds(len(sent), "--limit", "0", *words, seconds=seconds)
        self.assertEqual(collections.Counter(e["message"] for e in found), collections.Counter(sent))
        return found

    def counted(self, hub, token, name, enough):
        self.assertGreaterEqual(wait_metric(hub, token, name, enough), enough)


class Logger(Case):
    def send(self, hub, *words, text):
        program, = need("logger")
        done = subprocess.run([program, "-n", "127.0.0.1", "-P", str(hub.syslog), "-p", "auth.warning", *words],
                              input=text.encode(), capture_output=True, check=False, timeout=60 * SLOW)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_every_manner(self):
        hub = self.start()
        ways = {"udp": ["-d"], "tcp": ["-T"], "counted": ["-T", "--octet-count"]}
        for way, words in ways.items():
            for form in ("rfc3164", "rfc5424"):
                self.send(hub, *words, "--" + form, "-t", f"{way}-{form}", text=VIETNAMESE)
        for e in hub.finds(6, "--limit", "0"):
            way, form = e["process.name"].split("-")
            self.assertEqual(e["message"], VIETNAMESE)
            self.assertEqual(e["khien.source"], f"syslog-{'udp' if way == 'udp' else 'tcp'} 127.0.0.1")
            self.assertEqual((e["event.dataset"], e["log.syslog.severity.name"]), ("linux.auth", "warning"))
            self.assertIn(VIETNAMESE, e["event.original"])
            self.assertEqual(e["event.original"].startswith("<36>1 "), form == "rfc5424")

    def test_structured_data(self):
        hub = self.start()
        self.send(hub, "-d", "--rfc5424", "-t", "app", "--id=77", "--msgid", "LOGIN", "--sd-id", "zoo@32473",
                  "--sd-param", 'tiger="a \\"b\\" c"', text="hungry")
        e, = hub.finds(1, "hungry")
        self.assertEqual((e["process.pid"], e["log.syslog.msgid"], e["sd.zoo@32473.tiger"]), (77, "LOGIN", 'a "b" c'))

    def test_long(self):
        """Up to 256 KiB over TCP, up to a datagram's bounds over UDP; what is longer is told, and costs no other."""
        hub = self.start()
        token = hub.token()
        for n, words in ((200_000, ["-T", "--octet-count"]), (200_000, ["-T"]), (60_000, ["-d"])):
            self.send(hub, *words, "-S", "262144" if n > 65000 else "65000", "-t", "long", text="x" * n)
        self.send(hub, "-T", "--octet-count", "-S", "400000", text="y" * 300_000)
        self.send(hub, "-T", text="afterwards")
        self.assertEqual(sorted(len(e["message"]) for e in hub.finds(3, "process.name:long")), [60_000, 200_000, 200_000])
        hub.finds(1, "afterwards")
        hub.says("longer than a record may be")
        self.counted(hub, token, 'khien_sender_bad_total{sender="syslog-tcp 127.0.0.1"}', 1)

    def test_repeats_stay(self):
        hub = self.start()
        for words in (["-d"], ["-T"], ["-T", "--octet-count"]):
            self.send(hub, *words, "--rfc3164", "-t", "app", text="the same\nthe same\n")
        self.assertEqual(len(hub.finds(6, "same")), 6)


class RsyslogForward(Case):
    """omfwd: syslog over TCP and TLS."""

    def forward(self, hub, more):
        return (f'action(type="omfwd" target="localhost" protocol="tcp" action.resumeRetryCount="-1" '
                f'action.resumeInterval="1" queue.type="linkedlist" queue.size="100000" {more})')

    def tls(self, hub, ca, cert=None, key=None, peer="localhost"):
        settings, action = from_docs("rsyslog: syslog over TLS", **{
            "/etc/rsyslog-khien/ca.crt": ca, "/etc/rsyslog-khien/web1.crt": cert, "/etc/rsyslog-khien/web1.key": key,
            'target="hub.example.vn"': 'target="localhost"', '"6514"': f'"{hub.tls}"', "hub.example.vn": peer,
            "action.resume": 'action.resumeInterval="1" action.resume'}).split("\n\n")
        settings = "".join(line for line in settings.removeprefix("global(").rstrip(")").splitlines() if '"None"' not in line)
        return {"more": settings, "actions": action}

    def test_tcp(self):
        for framing, template in (("traditional", "RSYSLOG_TraditionalForwardFormat"),
                                  ("octet-counted", "RSYSLOG_SyslogProtocol23Format")):
            with self.subTest(framing=framing), harness.Scratch() as self.scratch, Hub(self.scratch) as hub:
                sent = lines(2000)
                action = self.forward(hub, f'port="{hub.syslog}" TCP_Framing="{framing}" template="{template}"')
                with Rsyslog(self.scratch, action, sent):
                    e = self.all_found(hub, sent)[0]
                self.assertEqual((e["event.dataset"], e["process.name"]), ("linux.auth", "app"))
                self.assertEqual(e["khien.source"], "syslog-tcp 127.0.0.1")

    def test_tls(self):
        hub = self.start()
        sent, files = lines(2000), certificates(self.scratch, hub)
        with Rsyslog(self.scratch, lines=sent, **self.tls(hub, **files)):
            for e in self.all_found(hub, sent):
                self.assertEqual(e["khien.source"], "syslog-tls web1 (127.0.0.1)")

    def test_tls_refuses(self):
        """No certificate, another CA's: nothing comes in, and it is counted. A hub of another name: rsyslog keeps it."""
        hub = self.start()
        token = hub.token()
        files = certificates(self.scratch, hub)
        others = dict(others_certificates(self.scratch), ca=files["ca"])
        denied = 0
        for name, more in (("none", {"ca": files["ca"]}), ("others", others)):
            with Rsyslog(self.scratch, lines=lines(3), name=name, **self.tls(hub, **more)):
                self.counted(hub, token, "khien_syslog_denied_total", denied + 1)
            denied = metrics(hub, token)["khien_syslog_denied_total"]
        hub.says("syslog-tls 127.0.0.1")
        with Rsyslog(self.scratch, lines=lines(3), name="peer", **self.tls(hub, **files, peer="hub.example")) as sender:
            end = time.monotonic() + 10 * SLOW
            while "not permitted" not in sender.said():
                self.assertLess(time.monotonic(), end, sender.said())
                time.sleep(0.1)
        self.assertEqual(hub.find(), [])

    def test_held_disk(self):
        """The keeper stands still for 3 s: the hub's room is soon full, TCP waits, and nothing is lost."""
        hub = self.start()
        token = hub.token()
        sent = [line + " " + "x" * 1000 for line in lines(50_000)]
        action = self.forward(hub, f'port="{hub.syslog}" TCP_Framing="octet-counted" '
                                   'template="RSYSLOG_SyslogProtocol23Format"')
        with Rsyslog(self.scratch, action, sent):
            wait_metric(hub, token, "khien_events_kept_total", 500)
            keeper = hub.part("khien: keeper")
            os.kill(keeper, signal.SIGSTOP)
            time.sleep(3)
            held = metrics(hub, token)["khien_events_kept_total"]
            os.kill(keeper, signal.SIGCONT)
            self.assertLess(held, len(sent))
            self.assertEqual(wait_metric(hub, token, "khien_events_kept_total", len(sent), 60), len(sent))
        self.all_found(hub, sent)
        now = metrics(hub, token)
        self.assertGreater(now["khien_busy_total"], 0)
        self.assertEqual(now["khien_syslog_shed_total"], 0)


class Udp(Case):
    def test_losses_are_counted(self):
        """The keeper stands still: what finds no room any more is lost, and each of it counted."""
        hub = self.start()
        token = hub.token()
        keeper = hub.part("khien: keeper")
        os.kill(keeper, signal.SIGSTOP)
        sent = 0
        line = "<38>1 - web1 app - - - " + "x" * 1200
        while sent < 60_000:
            hub.send_udp(*[f"{line} {sent + i}" for i in range(1000)])
            sent += 1000
        os.kill(keeper, signal.SIGCONT)
        end = time.monotonic() + 30 * SLOW
        while True:  # the kernel tells of those it dropped with the next one that it didn't
            hub.send_udp("<38>1 - web1 app - - - last")
            sent += 1
            time.sleep(0.2)
            now = metrics(hub, token)
            if now["khien_events_kept_total"] + now["khien_syslog_shed_total"] == sent:
                break
            self.assertLess(time.monotonic(), end, (now["khien_events_kept_total"], now["khien_syslog_shed_total"], sent))
        self.assertGreater(now["khien_syslog_shed_total"], 0)
        self.assertGreater(now["khien_events_kept_total"], 1000)


class RsyslogElasticsearch(Case):
    """omelasticsearch: _bulk over HTTPS, each event with an id of its own."""

    def sender(self, hub, token, sent):
        uid, pwd = token.split(".", 1)
        text = from_docs("rsyslog: _bulk over HTTPS", **{
            "hub.example.vn:9200": f"localhost:{hub.https}", "/etc/rsyslog-khien/ca.crt": hub_ca(hub),
            'uid="ID"': f'uid="{uid}"', 'pwd="SECRET"': f'pwd="{pwd}"'})
        modules, rest = text.split("ruleset(", 1)
        again, actions = rest.split("\nset ", 1)
        actions = "set " + actions.replace("action.resume", 'action.resumeInterval="1" action.resume')
        return Rsyslog(self.scratch, actions, sent, modules, "ruleset(" + again)

    def test_bulk(self):
        hub = self.start()
        token = hub.token()
        sent = lines(3000)
        with self.sender(hub, token, sent) as sender:
            found = self.all_found(hub, sent)
            self.assertEqual(sender.complaints(), "")
        self.assertEqual({(e["event.dataset"], e["khien.source"], e["process.name"]) for e in found},
                         {("linux.auth", "http test", "app")})
        self.assertEqual(len({e["khien.id"] for e in found}), len(sent))

    def test_killed_hub(self):
        """The hub is killed while rsyslog sends, and started again: each message is there, once."""
        hub = self.start()
        token = hub.token()
        kills = 10 if SOAK else 2
        sent = lines(10_000 * kills)
        with self.sender(hub, token, sent):
            for _ in range(kills):
                wait_metric(hub, token, "khien_events_kept_total", 2000)
                hub.stop(signal.SIGKILL)
                time.sleep(0.5)
                hub = self.start(ports=hub.ports)
            self.all_found(hub, sent, seconds=20 * kills)


class SyslogNgSends(Case):
    def test_network(self):
        hub = self.start()
        sent = lines(1000)
        for name, driver in (("bsd", "network"), ("ietf", "syslog")):
            destination = f'destination khien {{ {driver}("127.0.0.1" port({hub.syslog}) transport("tcp")); }};'
            with SyslogNg(self.scratch, destination, [f"{name} {line}" for line in sent], name=name):
                with self.subTest(name):
                    e = self.all_found(hub, [f"{name} {line}" for line in sent], name)[0]
                    self.assertEqual((e["process.name"], e["khien.source"]), ("app", "syslog-tcp 127.0.0.1"))

    def test_tls(self):
        hub = self.start()
        token = hub.token()
        sent, files = lines(1000), certificates(self.scratch, hub, "web2")
        destination = from_docs("syslog-ng", **{
            '"hub.example.vn"': '"localhost"', "6514": hub.tls, "/etc/syslog-ng/khien/ca.crt": files["ca"],
            "/etc/syslog-ng/khien/web1.crt": files["cert"], "/etc/syslog-ng/khien/web1.key": files["key"]})
        none = re.sub(r'cert-file\(.*?\)\s*key-file\(.*?\)', "", destination)
        with SyslogNg(self.scratch, none, ["unseen"], name="nobody"):
            self.counted(hub, token, "khien_syslog_denied_total", 1)
        with SyslogNg(self.scratch, destination, sent):
            for e in self.all_found(hub, sent):
                self.assertEqual(e["khien.source"], "syslog-tls web2 (127.0.0.1)")

    def test_http(self):
        hub = self.start()
        token = hub.token()
        sent = lines(1000)
        uid, pwd = token.split(".", 1)
        destination = from_docs("syslog-ng", 1, **{
            "hub.example.vn:9200": f"localhost:{hub.https}", "/etc/syslog-ng/khien/ca.crt": hub_ca(hub),
            '"ID"': f'"{uid}"', '"SECRET"': f'"{pwd}"', "batch-lines(500)": "batch-lines(100)"})
        with SyslogNg(self.scratch, destination, sent):
            found = self.all_found(hub, sent)
        self.assertEqual(len({e["khien.id"] for e in found}), len(sent))


class Curl(Case):
    JSON = ("-H", "Content-Type: application/x-ndjson")

    def curl(self, *words):
        program, = need("curl")
        done = subprocess.run([program, "-sS", *words], capture_output=True, text=True, check=False, timeout=60 * SLOW)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def events(self, n):
        return self.scratch.write("events", f'{{"message":"{VIETNAMESE}"}}\n' * n)

    def test_posts(self):
        hub = self.start()
        token = hub.token()
        file, url = self.events(500), f"http://127.0.0.1:{hub.http}/v1/events"
        post = ("-X", "POST", "-H", "Authorization: Bearer " + token)
        need("gzip", "zstd")
        subprocess.run(["gzip", "-k", file], check=True)
        subprocess.run(["zstd", "-q", "-19", file], check=True)
        ways = {
            "as it is typed first, with a form's type": ["--data-binary", "@" + file],
            "NDJSON": [*self.JSON, "--data-binary", "@" + file],
            "of unknown length": [*self.JSON, "-H", "Transfer-Encoding: chunked", "-T", file],
            "without a type": ["-T", file],
            "gzip": [*self.JSON, "-H", "Content-Encoding: gzip", "--data-binary", f"@{file}.gz"],
            "zstd": [*self.JSON, "-H", "Content-Encoding: zstd", "--data-binary", f"@{file}.zst"],
            "asked before": [*self.JSON, "-H", "Expect: 100-continue", "--data-binary", "@" + file],
        }
        for way, words in ways.items():
            with self.subTest(way):
                self.assertIn('"kept":500,', self.curl(*post, *words, url))
        self.assertEqual(len(hub.finds(500 * len(ways), "--limit", "0")), 500 * len(ways))

    def test_tls_and_one_connection(self):
        hub = self.start()
        token = hub.token()
        ca, url = hub_ca(hub), f"https://localhost:{hub.https}/v1/events"
        one = ["--cacert", ca, "-H", "Authorization: Bearer " + token, *self.JSON, "--data-binary", "@" + self.events(3),
               "-w", "%{http_code} %{num_connects}\n", "-o", os.devnull, url]
        self.assertEqual(self.curl(*one, "--next", *one, "--next", *one).split("\n")[:3], ["200 1", "200 0", "200 0"])
        hub.finds(9)
        program, = need("curl")
        done = subprocess.run([program, "-sS", url], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 60, done.stderr)  # a CA that this machine doesn't know

    def test_asks_before_it_sends(self):
        """A body that would be refused isn't sent: the answer comes in the place of 100 Continue."""
        hub = self.start()
        token = hub.token()
        big = self.scratch.write("big", b'{"a":1}\n' * 100_000)
        url = f"http://127.0.0.1:{hub.http}/v1/events"
        sent = ["-w", "\n%{http_code} %{size_upload}", "-H", "Expect: 100-continue", *self.JSON, "--data-binary",
                "@" + big, url]
        self.assertEqual(self.curl(*sent).split("\n")[-1], "401 0")
        self.assertEqual(self.curl("-H", "Authorization: Bearer " + token, *sent).split("\n")[-1],
                         f"200 {os.path.getsize(big)}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
