#!/usr/bin/python3
"""khien hub, as its users meet it: every way in, durable, exactly once, matched, found again; killed and started anew."""
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from running import SLOW, Hub, failed, harness, now, processes, runs  # noqa: E402

ROOT = os.geteuid() == 0


class Intake(unittest.TestCase):
    def test_every_way_in(self):
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            token = hub.token()
            status, answer, _ = hub.post([{"mark": "by-post", "khien.id": f"{i:032x}"} for i in range(3)], token)
            self.assertEqual((status, answer["kept"], answer["known"], answer["bad"]), (200, 3, 0, 0))
            status, answer, _ = hub.post([{"mark": "by-post", "khien.id": f"{i:032x}"} for i in range(4)], token)
            self.assertEqual((answer["kept"], answer["known"]), (1, 3))
            body = gzip.compress(b'{"mark":"zipped"}\n' * 2)
            status, answer, _ = hub.request("POST", "/v1/events", body, token, Content_Encoding="gzip")
            self.assertEqual((status, answer["kept"]), (200, 2))
            lines = [{"create": {"_index": "logs-web.access-default", "_id": "a"}}, {"mark": "bulk"},
                     {"index": {"_index": "old-2026.11.22"}}, {"mark": "bulk"}]
            status, answer, _ = hub.request("POST", "/_bulk", "".join(json.dumps(x) + "\n" for x in lines), token, tls=True,
                                            Content_Type="application/x-ndjson")
            self.assertEqual((status, answer["errors"], [list(i.values())[0]["status"] for i in answer["items"]]),
                             (200, False, [201, 201]))
            hub.send_udp(failed("udp"))
            hub.send_tcp(failed("tcp"))
            self.assertEqual(len(hub.finds(4, "mark:by-post")), 4)
            self.assertEqual(len(hub.finds(2, "zipped")), 2)
            found = hub.finds(2, "mark:bulk")
            self.assertEqual({e["event.dataset"] for e in found}, {"web.access", "old"})
            for way in ("udp", "tcp"):
                event = hub.finds(1, f"user.name:{way}")[0]
                self.assertEqual(event["event.dataset"], "linux.auth")
                self.assertEqual(event["khien.source"], f"syslog-{way} 127.0.0.1")
                self.assertEqual(event["source.ip"], "203.0.113.9")

    def test_who_may(self):
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            token = hub.token(scope="ingest")
            self.assertEqual(hub.post([{}], None)[0], 401)
            self.assertEqual(hub.post([{}], token[:-1] + ("a" if token[-1] != "a" else "b"))[0], 401)
            self.assertEqual(hub.request("GET", "/metrics", token=token)[0], 403)
            self.assertEqual(hub.request("GET", "/healthz")[0], 200)

    def test_tokens_count_at_once(self):
        """Whoever has a token can use it, and who had one can't."""
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            for i in range(10):
                token = hub.token(f"t{i}")
                self.assertEqual(hub.post([{}], token)[0], 200)
                self.assertEqual(scratch.khien("hub", "token", "remove", f"t{i}", "--data", hub.data).status, 0)
                self.assertEqual(hub.post([{}], token)[0], 401)

    def test_nobody_speaks_for_the_hub(self):
        """Who sent an event, and when it came, only the hub says; exported and imported, all of it stays."""
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            hub.post([{"mark": "liar", "khien.source": "syslog-tls web1", "khien": {"received": 1}, "khien.id": "own"}], hub.token())
            event = hub.finds(1, "mark:liar")[0]
            self.assertEqual((event["khien.source"], event["khien.id"]), ("http test", "own"))
            self.assertEqual((event["claimed.khien.source"], event["claimed.khien"]), ("syslog-tls web1", {"received": 1}))
            hub.send_udp("<13>1 " + now() + " h app - - - mark=udp khien.source=me khien.id=x")
            event = hub.finds(1, "mark")[0]
            self.assertEqual(event["khien.source"], "syslog-udp 127.0.0.1")
            self.assertNotEqual(event.get("khien.id"), "x")

    def test_bad_events_are_told_and_cost_no_others(self):
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            token = hub.token()
            status, answer, _ = hub.request("POST", "/v1/events", '{"mark":"good"}\n{"mark":}\n{"mark":"good"}\n', token)
            self.assertEqual((status, answer["kept"], answer["bad"]), (200, 2, 1))
            self.assertEqual(answer["errors"][0]["line"], 2)
            hub.finds(2, "mark:good")

    def test_metrics(self):
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            token = hub.token()
            hub.post([{"a": 1}], token)
            text = hub.request("GET", "/metrics", token=token)[1].decode()
            self.assertIn("khien_events_kept_total 1\n", text)
            self.assertIn('khien_sender_kept_total{sender="http test"} 1\n', text)

    def test_files(self):
        with harness.Scratch() as scratch:
            log = scratch.write("auth.log", "")
            ports = None
            for turn in range(2):  # what was written while it was away is read, nothing twice
                with open(log, "a", encoding="utf-8") as file:
                    file.write(failed(f"file{turn}") + "\n" if turn else "")
                with Hub(scratch, "--", log, ports=ports) as hub:
                    ports = hub.ports
                    with open(log, "a", encoding="utf-8") as file:
                        file.write(failed(f"live{turn}") + "\n")
                    hub.finds(1, f"user.name:live{turn}")
                    self.assertEqual(hub.stop(), 0)
            with Hub(scratch, "--", log, ports=ports) as hub:
                self.assertEqual({e["user.name"] for e in hub.finds(3, "Failed")}, {"live0", "file1", "live1"})
                self.assertEqual(hub.finds(1, "user.name:live1")[0]["log.file.path"], log)


class Alerts(unittest.TestCase):
    def test_raised_once(self):
        """An alert is told once, also when the hub is killed behind it; a correlation goes on where it was."""
        with harness.Scratch() as scratch:
            with Hub(scratch) as hub:
                token = hub.token()
                hub.send_tcp(*[failed("guest", "198.51.100.7") for _ in range(5)], failed("root"))
                self.assertEqual(hub.next_alert()["alert"]["rule"]["title"], "Password of root tried")
                hub.finds(6, "Failed")
                end = time.monotonic() + 5 * SLOW  # told is not yet kept
                while b"Password of root" not in scratch.khien("hub", "status", "--lang", "en", "--data", hub.data).out:
                    self.assertLess(time.monotonic(), end)
                hub.stop(signal.SIGKILL)
                ports = hub.ports
            with Hub(scratch, ports=ports) as hub:
                hub.send_tcp(failed("guest", "198.51.100.7"))
                alert = hub.next_alert()
                self.assertEqual(alert["alert"]["rule"]["title"], "Many failed")
                self.assertEqual(alert["match"]["count"], 6)
                hub.post([{"a": 1}], token)
                self.assertTrue(hub.alerts.empty())

    def test_many_large_ones(self):
        """More in alerts than the processes hold for each other: all are told, the hub goes on, and starts again."""
        rule = "title: Rule {0}\nid: 00000000-0000-4000-8000-0000000001{0:02}\nlevel: low\n" \
               "logsource: {{product: linux, service: sshd}}\ndetection:\n  s: {{big: '*x*'}}\n  condition: s\n"
        with harness.Scratch() as scratch:
            rules = scratch.write("many.yml", "---\n".join(rule.format(i) for i in range(80)))
            ports = None
            for turn in range(2):
                with Hub(scratch, "--rules", rules, ports=ports) as hub:
                    ports = hub.ports
                    event = {"big": "x" * 900000, "host.name": f"h{turn}", "process.name": "sshd"}
                    self.assertEqual(hub.post([event], hub.token(f"t{turn}"))[0], 200)
                    titles = {hub.next_alert()["alert"]["rule"]["title"] for _ in range(80)}
                    self.assertEqual(len(titles), 80)
                    self.assertEqual(hub.post([{"mark": "after"}], hub.token(f"u{turn}"))[0], 200)
                    self.assertFalse([line for line in hub.said if "restarting" in line or "not-stored" in line], hub.said)
                    hub.stop(signal.SIGKILL)

    def test_recordings_are_kept(self):
        with harness.Scratch() as scratch:
            log = scratch.write("auth.log", failed(when="2026-11-01T10:00:00Z") + "\n")
            for turn in range(2):
                with Hub(scratch, "--play", log) as hub:
                    alert = hub.next_alert()
                    self.assertTrue(alert["recording"])
                    self.assertEqual(len(hub.finds(1, "user.name:root")), 1, turn)


class Durable(unittest.TestCase):
    def test_killed_while_it_takes(self):
        """Ten kills of this or that process under load: what was answered is found, once."""
        with harness.Scratch() as scratch:
            ports, acked, token, n = None, set(), None, 0
            for turn in range(10):
                with Hub(scratch, ports=ports) as hub:
                    ports, token = hub.ports, token or hub.token()
                    stop = threading.Event()

                    def send(hub=hub, stop=stop):
                        nonlocal n
                        while not stop.is_set():
                            ids = [f"{n + i:032x}" for i in range(50)]
                            n += 50
                            try:
                                if hub.post([{"mark": "k", "khien.id": i} for i in ids], token)[0] == 200:
                                    acked.update(ids)
                            except OSError:
                                time.sleep(0.05)
                            except Exception:  # pylint: disable=broad-except  # cut off in the middle of an answer
                                time.sleep(0.05)

                    sender = threading.Thread(target=send)
                    sender.start()
                    time.sleep(0.4)
                    victim = ("khien", "khien: keeper", "khien: front")[turn % 3]
                    pid = hub.process.pid if victim == "khien" else hub.part(victim)
                    os.kill(pid, signal.SIGKILL)
                    if victim != "khien":  # it comes back by itself
                        before = len(acked)
                        end = time.monotonic() + 10 * SLOW
                        while len(acked) == before and time.monotonic() < end:
                            time.sleep(0.02)
                        self.assertGreater(len(acked), before, hub.said[-5:])
                    stop.set()
                    sender.join()
                    hub.stop(signal.SIGKILL)
            with Hub(scratch, ports=ports) as hub:
                found = [e["khien.id"] for e in hub.find("mark:k", "--limit", "0")]
            self.assertEqual(len(found), len(set(found)))
            self.assertGreater(len(acked), 500)
            self.assertLessEqual(acked, set(found))

    @unittest.skipUnless(ROOT, "a small file system is mounted by root only")
    def test_full_disk(self):
        """What was answered stays; new events are refused aloud, and taken again when there is room."""
        with harness.Scratch() as scratch:
            os.mkdir(scratch.path("data"))
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "khien-test", scratch.path("data")],
                              capture_output=True, check=False).returncode:
                self.skipTest("mounting is not permitted here")
            try:
                with Hub(scratch) as hub:
                    token = hub.token()
                    filler = os.path.join(hub.data, "filler")
                    self.assertEqual(hub.post([{"mark": "before"}], token)[0], 200)
                    with open(filler, "wb") as file:
                        try:
                            while True:
                                file.write(b"x" * 65536)
                        except OSError:
                            pass
                    noise = [{"mark": "noise", "text": os.urandom(4096).hex()} for _ in range(200)]
                    end, status = time.monotonic() + 20 * SLOW, 200
                    while status == 200 and time.monotonic() < end:
                        status = hub.post(noise, token)[0]
                    self.assertEqual(status, 503)
                    hub.says("event=not-stored")
                    self.assertEqual(hub.request("GET", "/healthz")[0], 503)
                    os.unlink(filler)
                    while hub.post([{"mark": "after"}], token)[0] != 200:
                        self.assertLess(time.monotonic(), end)
                        time.sleep(0.2)
                    hub.says("event=stored-again")
                    hub.finds(1, "mark:before")
                    hub.finds(1, "mark:after")
            finally:
                subprocess.run(["umount", "-l", scratch.path("data")], check=False)

    def test_ends_clean(self):
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            below = processes(hub.process.pid)[1:]
            self.assertGreaterEqual(len(below), 3)
            started = time.monotonic()
            self.assertEqual(hub.stop(), 0)
            self.assertLess(time.monotonic() - started, 5 * SLOW)
            self.assertFalse([pid for pid in below if runs(pid)])

    def test_two_of_them(self):
        with harness.Scratch() as scratch, Hub(scratch):
            other = Hub(scratch, wait=False)
            self.assertEqual(other.process.wait(20 * SLOW), 2)
            other.says("another")
            other.__exit__()


if __name__ == "__main__":
    unittest.main(verbosity=2)
