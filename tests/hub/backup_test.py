#!/usr/bin/python3
"""A hub is backed up while it takes events; the backup is a hub: it starts, finds, knows its callers, and goes on."""
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from running import Hub, harness, now  # noqa: E402


def events(start, n):
    return [{"@timestamp": now(), "event": {"dataset": "test"}, "khien": {"id": f"{i:032x}"}, "n": i, "word": "kept"}
            for i in range(start, start + n)]


class Backup(unittest.TestCase):
    def setUp(self):
        self.scratch, self.other = harness.Scratch(), harness.Scratch()
        self.addCleanup(self.scratch.cleanup)
        self.addCleanup(self.other.cleanup)
        for scratch in (self.scratch, self.other):
            os.chmod(scratch.name, 0o755)

    def do(self, *words):
        done = self.scratch.khien("hub", *words)
        self.assertEqual(done.status, 0, done.err)

    def test_while_it_takes(self):
        to, stop, sent = self.scratch.path("backup"), threading.Event(), [0]
        with Hub(self.scratch) as hub:
            token = hub.token(scope="ingest")
            self.assertEqual(hub.post(events(0, 500), token)[0], 200)
            before = 500

            def go_on():
                while not stop.is_set():
                    if hub.post(events(before + sent[0], 50), token)[0] == 200:
                        sent[0] += 50

            sender = threading.Thread(target=go_on)
            sender.start()
            try:
                while not sent[0]:
                    time.sleep(0.01)
                self.do("backup", "--data", hub.data, to)
            finally:
                stop.set()
                sender.join()
            total = before + sent[0]
            hub.finds(total, "word:kept", "--limit", "0")
            # not over a hub that runs
            refused = self.scratch.khien("hub", "restore", "--data", hub.data, to)
            self.assertEqual((refused.status, refused.out), (2, b""))
            self.assertIn("a hub runs", refused.err)
            self.assertEqual(hub.stop(), 0)
        self.do("restore", "--data", self.other.path("data"), to)
        with Hub(self.other) as hub:
            found = {event["n"] for event in hub.find("word:kept", "--limit", "0")}
            self.assertLessEqual(set(range(before)), found)
            self.assertLessEqual(len(found), total)
            # what came before the end of the backup comes in order: no event is missing between two that are there
            self.assertEqual(found, set(range(len(found))))
            # the same callers, the same CA; what is sent again is known
            self.assertEqual(hub.post(events(0, total), token, tls=True)[0], 200)
            self.assertEqual(len(hub.finds(total, "word:kept", "--limit", "0")), total)
            self.assertEqual(hub.stop(), 0)


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
