#!/usr/bin/python3
"""khien intel, and --indicators of khien match, as people use them: what is found, what is refused and why, what is
undone, and what searching back answers."""
import json
import os
import time
import unittest

from running import SLOW, Hub, harness

LIST = """# ours
198.51.100.7   # scanner
203.0.113.0/24
bad[.]example
hxxp://files.example/x.exe
00112233445566778899aabbccddeeff
10.0.0.1
two words
"""
CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "corpus")


def event(second, **fields):
    return {"@timestamp": f"2026-11-20T10:00:{second:02}Z", "host": {"name": f"pc{second % 3}"},
            "event": {"dataset": "linux.test"}, "khien": {"received": "2026-11-20T10:01:00Z", "id": f"{second:032x}"},
            **fields}


EVENTS = [
    event(1, source={"ip": "198.51.100.7"}),
    event(2, dns={"question": {"name": "Www.Bad.Example."}}),
    event(3, destination={"ip": "203.0.113.99"}),
    event(4, message="Failed password from 198.51.100.7 port 22"),
    event(5, source={"ip": "192.0.2.1"}, message="nothing here 198.51.100.7"),
    event(6, source={"ip": "192.0.2.1"}, **{"khien.indicator.type": "address", "khien.indicator.confidence": 99}),
    event(7, source={"ip": "198.51.100.7"}),
]


def lines(events):
    return "".join(json.dumps(e) + "\n" for e in events).encode()


class Intel(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)
        self.list = self.scratch.write("list.txt", LIST)
        self.data = self.scratch.path("hub")

    def intel(self, job, *words, status=0):
        done = self.scratch.khien("intel", job, "--data", self.data, *words)
        self.assertEqual(done.status, status, done.err)
        return done._replace(out=done.out.decode())

    def json(self, job, *words, status=0):
        return [json.loads(line) for line in self.intel(job, "--json", *words, status=status).out.splitlines()]

    def keep(self, events):
        path = self.scratch.write("events.ndjson", lines(events))
        done = self.scratch.khien("hub", "import", "--data", self.data, path)
        self.assertEqual(done.status, 0, done.err)

    def test_match(self):
        events = self.scratch.write("events.json", lines(EVENTS))
        done = self.scratch.khien("match", "--no-cache", "--json", "--indicators", self.list, events)
        self.assertEqual(done.status, 1, done.err)
        found = {m["at"]["line"]: m for m in map(json.loads, done.out.splitlines())}
        self.assertEqual(sorted(found), [1, 2, 3, 4, 7])
        self.assertEqual(found[1]["rule"]["title"], "Known-bad address")
        self.assertEqual(found[1]["rule"]["level"], "medium")
        self.assertEqual(found[2]["fields"]["khien.indicator.value"], "bad.example")
        self.assertEqual(found[2]["fields"]["khien.indicator.field"], "dns.question.name")
        self.assertEqual(found[3]["fields"]["khien.indicator.value"], "203.0.113.0/24")
        self.assertEqual(found[4]["fields"]["khien.indicator.field"], "message")
        self.assertIn("list.txt:7: 10.0.0.1: a private or reserved address", done.err)
        self.assertIn("list.txt:8: two words: more than one word", done.err)
        self.assertIn("5 events with a known-bad value", done.err)

    def test_confidence(self):
        bundle = os.path.join(CORPUS, "stix", "bundle.json")
        events = self.scratch.write("events.json", lines([event(1, source={"ip": "192.0.2.1"})]))
        done = self.scratch.khien("match", "--no-cache", "--json", "--indicators", bundle, events)
        match = json.loads(done.out)
        self.assertEqual(match["rule"]["level"], "high")
        self.assertEqual(match["fields"]["khien.indicator.confidence"], 85)
        self.assertIn("FOLLOWEDBY", done.err)

    def test_steps(self):
        done = self.intel("add", "--feed", "ours", self.list)
        self.assertIn("added the feed 'ours': 5 indicators (list); 0 twice, 0 left out", done.err)
        self.assertEqual(self.json("check", "203.0.113.9", status=1)[0]["feed"], "ours")
        self.assertEqual(self.json("check", "192.0.2.9"), [])
        self.assertEqual(self.json("check", "a.bad.example", status=1)[0]["value"], "bad.example")
        other = self.scratch.write("other.txt", "192.0.2.9\n")
        self.assertIn("replaced the feed", self.intel("add", "--feed", "ours", "--expires", "90d", other).err)
        self.assertEqual(self.json("list")[0]["indicators"], 1)
        self.assertIn("expires", self.json("check", "192.0.2.9", status=1)[0])
        self.intel("restore", "ours")
        self.assertEqual(self.json("list")[0]["indicators"], 5)
        self.intel("remove", "ours")
        self.assertEqual(self.json("list", status=1), [])
        self.intel("restore", "ours")
        self.assertEqual(self.json("list")[0]["indicators"], 5)
        self.intel("restore", "nothing", status=2)

    def test_refused(self):
        broken = self.scratch.write("broken.json", '{"objects": [')
        self.assertIn("no JSON", self.intel("add", "--feed", "x", broken, status=2).err)
        empty = self.scratch.write("empty.txt", "# nothing\n")
        self.assertIn("no indicator is left", self.intel("add", "--feed", "x", empty, status=2).err)
        self.assertIn("name the feed", self.intel("add", "--feed", "../x", self.list, status=2).err)
        self.assertIn("no duration", self.intel("add", "--feed", "x", "--expires", "soon", self.list, status=2).err)
        self.intel("add", "--feed", "x", self.scratch.path("absent"), status=2)
        self.assertEqual(self.json("list", status=1), [])

    def test_formats(self):
        folder = self.scratch.path("misp")
        os.mkdir(folder)
        with open(os.path.join(CORPUS, "misp", "event.json"), "rb") as file:
            self.scratch.write("misp/5e6f3f5e.json", file.read())
        self.scratch.write("misp/manifest.json", "{}")
        done = self.intel("add", "--feed", "misp", folder)
        self.assertIn("added the feed 'misp': 5 indicators (misp)", done.err)
        self.assertIn("type email-src: no kind of value", done.err)
        found = self.json("check", "192.0.2.1", status=1)[0]
        self.assertEqual((found["confidence"], found["note"]), (75, "Example campaign: C2"))

    def test_search_back(self):
        self.keep(EVENTS)
        done = self.intel("add", "--feed", "ours", self.list, status=1)
        self.assertIn("ours, addresses: found 2 of 2", done.out)
        self.assertIn("ours, names: found 1 of 1", done.out)
        self.assertIn("ours, hashes: not covered of 1 (no stored event has a field with a hash)", done.out)
        found = {f.get("value", f["kind"]): f for f in self.json("search", status=1)}
        self.assertEqual(found["198.51.100.7"]["events"], 3)
        self.assertEqual(found["198.51.100.7"]["first"], "2026-11-20T10:00:01Z")
        self.assertEqual(found["198.51.100.7"]["last"], "2026-11-20T10:00:07Z")
        self.assertEqual(sorted(found["198.51.100.7"]["hosts"]), ["pc1"])
        self.assertEqual(found["203.0.113.0/24"]["events"], 1)
        self.assertEqual(found["URLs"]["result"], "not-covered")
        # Of a time before anything was stored: what is missing is said.
        done = self.intel("search", "--since", "2026-01-01", status=1)
        self.assertIn("nothing is stored from before 2026-11-20T10:00:01Z", done.out)
        done = self.intel("search", "--since", "2026-11-21")
        self.assertIn("not covered", done.out)
        self.intel("search", "--feed", "nobody", status=2)

    def test_not_found(self):
        self.keep([event(1, source={"ip": "192.0.2.1"})])
        one = self.scratch.write("one.txt", "198.51.100.7\n")
        self.assertIn("one, addresses: not found of 1", self.intel("add", "--feed", "one", one, "--since", "2026-01-01").out)


class Live(unittest.TestCase):
    """Beside the rules of a hub that runs."""

    def value(self, hub, token, name):
        text = hub.request("GET", "/metrics", token=token)[1].decode()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))

    def until(self, hub, token, n):
        end = time.monotonic() + 10 * SLOW
        while self.value(hub, token, "khien_indicators") != n:
            self.assertLess(time.monotonic(), end, hub.said[-5:])
            time.sleep(0.05)

    def test_hub(self):
        with harness.Scratch() as scratch:
            path, none = scratch.write("ours.txt", LIST), scratch.write("none.txt", "192.0.2.254\n")
            with Hub(scratch) as hub:
                intel = ["--data", hub.data, "--no-search"]
                token = hub.token()
                self.assertEqual(hub.post([EVENTS[0]], token)[0], 200)
                self.assertEqual(self.value(hub, token, "khien_indicators"), 0)
                self.assertEqual(scratch.khien("intel", "add", *intel, "--feed", "ours", path).status, 0)
                self.until(hub, token, 5)
                self.assertEqual(hub.post(EVENTS[1:2], token)[0], 200)
                alert = hub.next_alert()
                self.assertEqual(alert["alert"]["rule"]["title"], "Known-bad name")
                self.assertEqual(alert["match"]["fields"]["khien.indicator.feed"], "ours")
                self.assertEqual(self.value(hub, token, "khien_indicator_events_total"), 1)
                # what somebody else says of indicators counts for nothing
                self.assertEqual(hub.post(EVENTS[5:6], token)[0], 200)
                self.assertEqual(scratch.khien("intel", "add", *intel, "--feed", "ours", none).status, 0)
                self.until(hub, token, 1)
                self.assertEqual(hub.post(EVENTS[3:4], token)[0], 200)
                self.assertEqual(scratch.khien("intel", "restore", "--data", hub.data, "ours").status, 0)
                self.until(hub, token, 5)
                self.assertTrue(hub.alerts.empty())
                ports = hub.ports
            # they are there from the first event on
            with Hub(scratch, ports=ports) as hub:
                self.assertEqual(hub.post(EVENTS[6:7], token)[0], 200)
                self.assertEqual(hub.next_alert()["alert"]["rule"]["title"], "Known-bad address")


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
