#!/usr/bin/python3
"""Rules and mapping are loaded anew on SIGHUP: nothing is lost, windows go on, what is broken changes nothing."""
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from watch_test import SLOW, Program, append, failed, harness  # noqa: E402

SERIAL = """
title: A numbered line
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: linux, service: sshd}
detection:
  selection: {user.name|startswith: serial}
  condition: selection
"""
BOB = """
title: Bob failed
id: 00000000-0000-4000-8000-000000000002
level: low
logsource: {product: linux, service: sshd}
detection:
  selection: {user.name: bob}
  condition: selection
"""
MANY = """
title: Failed
id: 00000000-0000-4000-8000-000000000003
name: failed
level: low
logsource: {product: linux, service: sshd}
detection:
  selection: {event.outcome: failure}
  condition: selection
---
title: Many failures
id: 00000000-0000-4000-8000-000000000004
level: high
correlation:
  type: event_count
  rules: [failed]
  group-by: [source.ip]
  timespan: 10m
  condition: {gte: 3}
"""


class Watch(Program):
    """With rules of its own in the folder rules/, and options before the files."""

    def __init__(self, scratch, log, *options):
        super().__init__(scratch, [harness.KHIEN, "watch", "--rules", scratch.path("rules"), "--json", "--no-syslog", *options,
                                   "--", log])

    def write(self, **rules):
        for name, text in rules.items():
            self.scratch.write(f"rules/{name}.yml", text)

    def reload(self, event="reloaded"):
        """Sends SIGHUP and returns the line that tells how it went."""
        before = len(self.said)
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20 * SLOW
        while time.monotonic() < end:
            for line in self.said[before:]:
                if f"event={event} " in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no {event}: {self.said}")


class ReloadTest(unittest.TestCase):
    def setUp(self):
        self.scratch = self.enterContext(harness.Scratch())
        self.log = self.scratch.write("auth.log", "")
        self.scratch.write("rules/r.yml", SERIAL)

    def start(self, *options):
        return self.enterContext(Watch(self.scratch, self.log, *options))

    def alert(self, watch):
        return watch.next_alert()["rule"]["id"][-1]

    def test_new_rules(self):
        watch = self.start()
        append(self.log, failed("bob"), failed("serial1"))
        self.assertEqual(self.alert(watch), "1")
        watch.write(bob=BOB)
        self.assertIn("rules=2 refused=0", watch.reload())
        append(self.log, failed("bob"), failed("serial2"))
        self.assertEqual([self.alert(watch), self.alert(watch)], ["2", "1"])
        os.unlink(self.scratch.path("rules", "r.yml"))
        self.assertIn("rules=1 refused=0", watch.reload())
        append(self.log, failed("serial3"), failed("bob"))
        self.assertEqual(self.alert(watch), "2")
        watch.quiet()
        self.assertEqual(watch.stop(), 0)

    def test_refused_rule_is_named_and_the_rest_runs(self):
        watch = self.start()
        watch.write(bob=BOB.replace("condition: selection", "condition: nothing"))
        self.assertIn("rules=1 refused=1", watch.reload())
        watch.says("bob.yml:")
        append(self.log, failed("bob"), failed("serial1"))
        self.assertEqual(self.alert(watch), "1")

    def test_broken_reload_keeps_the_old_rules(self):
        watch = self.start()
        rules, away = self.scratch.path("rules"), self.scratch.path("away")
        os.rename(rules, away)
        self.assertIn("No such file", watch.reload("not-reloaded"))
        os.mkdir(rules)
        self.assertIn("no rule is left", watch.reload("not-reloaded"))
        watch.write(bob="title: Bob\ndetection: [")
        self.assertIn("no rule is left", watch.reload("not-reloaded"))
        append(self.log, failed("serial1"))
        self.assertEqual(self.alert(watch), "1")
        shutil.rmtree(rules)
        os.rename(away, rules)
        self.assertIn("rules=1", watch.reload())
        append(self.log, failed("serial2"))
        self.assertEqual(self.alert(watch), "1")

    def test_broken_mapping_keeps_the_old_one(self):
        with open(os.path.join(harness.ROOT, "rules", "mapping.yaml"), encoding="utf-8") as file:
            good = file.read()
        mapping = self.scratch.write("mapping.yaml", good)
        watch = self.start("--mapping", mapping)
        self.scratch.write("mapping.yaml", "- no map")
        self.assertIn("mapping.yaml:1", watch.reload("not-reloaded"))
        append(self.log, failed("serial1"))
        self.assertEqual(self.alert(watch), "1")
        self.scratch.write("mapping.yaml", good.replace("user.name", "nobody.name"))
        watch.reload()
        self.scratch.write("mapping.yaml", good)
        watch.reload()
        append(self.log, failed("serial2"))
        self.assertEqual(self.alert(watch), "1")

    def test_windows_go_on_where_nothing_changed(self):
        self.scratch.write("rules/many.yml", MANY)
        watch = self.start()
        append(self.log, failed("bob"), failed("bob"))
        time.sleep(1)
        watch.write(a_first=BOB)  # others are another matter, and indices move
        self.assertIn("correlations=1 kept=1", watch.reload())
        append(self.log, failed("ann"))
        self.assertEqual(self.alert(watch), "4")

    def test_changed_correlation_starts_anew(self):
        self.scratch.write("rules/many.yml", MANY)
        watch = self.start()
        append(self.log, failed("bob"), failed("bob"))
        time.sleep(1)
        watch.write(many=MANY.replace("event.outcome: failure", "event.outcome: failure, user.name|contains: b"))
        self.assertIn("correlations=1 kept=0", watch.reload())
        append(self.log, failed("bob"), failed("bob"))
        watch.quiet()
        append(self.log, failed("bob"))
        self.assertEqual(self.alert(watch), "4")

    def test_nothing_is_lost_under_load(self):
        """Lines are written all the time, rules loaded anew again and again, also twice at once."""
        watch, stop, written = self.start(), threading.Event(), []

        def write():
            while not stop.is_set():
                with open(self.log, "a", encoding="utf-8") as file:
                    for _ in range(20):
                        written.append(f"serial{len(written)}")
                        file.write(failed(written[-1]) + "\n")
                stop.wait(0.005)
        writer = threading.Thread(target=write)
        writer.start()
        for i in range(8):
            watch.write(bob=BOB + "#" * i, **{f"more{i}": BOB.replace("0002", f"1{i:03}")})
            if i % 3 == 2:
                watch.process.send_signal(signal.SIGHUP)
            watch.reload()
        stop.set()
        writer.join()
        append(self.log, failed("serialend"))
        seen = []
        while not seen or seen[-1] != "serialend":
            try:
                seen.append(watch.alerts.get(timeout=10 * SLOW)["fields"]["user.name"])
            except queue.Empty:
                self.fail(f"{len(seen)} of {len(written)}")
        self.assertEqual(seen, written + ["serialend"])
        self.assertGreater(len(written), 500)

    def test_alert_of_a_rule_that_is_gone_is_over(self):
        watch = self.start("--group")
        append(self.log, failed("serial1"), failed("serial1"))
        self.assertEqual(watch.next_alert()["alert"]["news"], "new")
        time.sleep(1)
        watch.write(bob=BOB)
        watch.reload()
        watch.quiet()
        os.unlink(self.scratch.path("rules", "r.yml"))
        watch.reload()
        over = watch.next_alert()["alert"]
        self.assertEqual((over["news"], over["count"], over["rule"]["id"][-1]), ("over", 2, "1"))

    def test_only_recordings(self):
        """There is nobody who could read the rules: it is said, and the recording goes on."""
        fifo = self.scratch.path("recording")
        os.mkfifo(fifo)
        rules = self.scratch.write("rules/r.yml", SERIAL)
        process = subprocess.Popen(
            [harness.KHIEN, "watch", "--rules", rules, "--play-only", "--json", "--play", fifo],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.scratch.env())
        line = (failed("serial1") + "\n").encode()
        with open(fifo, "wb", buffering=0) as writer:
            while b"event=playing" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGHUP)
            for _ in range(20000):
                writer.write(line)
        out, err = process.communicate(timeout=60 * SLOW)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(out.count(b"\n"), 20000)
        self.assertIn(b"event=not-reloaded", err)


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
