#!/usr/bin/python3
"""What happens to a hub over the years: a disk that fails or is read-only, a clock that goes back, files with bytes that
turned. Nothing acknowledged is lost outside of what is damaged; the hub is back in a moment and says what happened."""
import collections
import errno
import functools
import glob
import json
import mmap
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hub"))
from running import SLOW, Hub, failed, harness  # noqa: E402

SHIM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].endswith(".so") else None
ROOT = os.geteuid() == 0
BACK = 2 * SLOW * (4 if harness.sanitized() else 1)  # seconds in which a hub is back


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


def acknowledged(hub, token, mark, n=200, ids=True):
    """Posts n events and is told that they are kept."""
    status, answer, _ = hub.post([{"mark": mark, "n": i, **({"khien.id": f"{mark}-{i}"} if ids else {})} for i in range(n)], token)
    if (status, answer.get("kept")) != (200, n):
        raise AssertionError((status, answer))


class Fault:
    """Of the disk and the clock of hubs that are started with .prefix; see shim.c."""

    def __init__(self, scratch):
        if not SHIM:
            raise unittest.SkipTest("the library that makes disks fail wasn't named")
        path = scratch.write("fault", bytes(24))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 24)
        self.prefix = ("env", "LD_PRELOAD=" + SHIM, "KHIEN_FAULT=" + path,
                       "ASAN_OPTIONS=verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""))

    def set(self, writes=0, syncs=0, clock_s=0):
        self.map[:16] = struct.pack("<iiq", writes, syncs, clock_s)

    def refused(self):
        return struct.unpack("<Q", self.map[16:])[0]


class Disk(unittest.TestCase):
    def refuses(self, hub, token, why):
        """Aloud, and everything that was there is found."""
        end = time.monotonic() + 10 * SLOW
        while hub.post([{"mark": "refused"}], token)[0] == 200:
            self.assertLess(time.monotonic(), end)
        self.assertEqual(hub.post([{"mark": "refused"}], token)[0], 503)
        hub.says("event=not-stored")
        self.assertTrue(any("event=not-stored" in line and why in line for line in hub.said), hub.said)
        self.assertEqual(hub.request("GET", "/healthz")[0], 503)
        self.assertEqual(len(hub.find("mark:before", "--limit", "0")), 200)

    def goes_on(self, hub, token):
        end = time.monotonic() + 15 * SLOW
        while hub.post([{"mark": "first"}], token)[0] != 200:
            self.assertLess(time.monotonic(), end, hub.said[-5:])
            time.sleep(0.1)
        acknowledged(hub, token, "after")

    def all_there(self, hub):
        for mark in ("before", "after"):
            found = [e["n"] for e in hub.find("mark:" + mark, "--limit", "0")]
            self.assertEqual(sorted(found), list(range(200)), mark)

    def fails_for_a_while(self, why, **how):
        with harness.Scratch() as scratch:
            fault = Fault(scratch)
            with Hub(scratch, prefix=fault.prefix) as hub:
                token = hub.token()
                acknowledged(hub, token, "before")
                fault.set(**how)
                self.refuses(hub, token, why)
                time.sleep(1)  # housekeeping meets it too
                self.assertGreater(fault.refused(), 0)
                fault.set()
                self.goes_on(hub, token)
                hub.says("event=stored-again")
                self.all_there(hub)
                hub.stop(signal.SIGKILL)
            with Hub(scratch, ports=hub.ports) as hub:
                self.all_there(hub)

    def test_read_only(self):
        self.fails_for_a_while("Read-only file system", writes=errno.EROFS)

    def test_writes_fail(self):
        self.fails_for_a_while("Input/output error", writes=errno.EIO)

    def test_flushes_fail(self):
        """What a failed flush was for may be lost whatever the next one says."""
        self.fails_for_a_while("Input/output error", syncs=errno.EIO)

    def test_refused_is_matched_once(self):
        """What was taken but couldn't be made durable is known when it comes again: rules see it, and once."""
        with harness.Scratch() as scratch:
            fault = Fault(scratch)
            with Hub(scratch, prefix=fault.prefix) as hub:
                token = hub.token()
                acknowledged(hub, token, "before")
                event, posted = {"event.dataset": "sshd", "process.name": "sshd", "mark": "again", "user.name": "root",
                                 "event.outcome": "failure"}, 0
                fault.set(syncs=errno.EIO)
                status = 200
                while status == 200:
                    event["khien.id"], posted = f"{posted:032x}", posted + 1
                    self.assertLess(posted, 100)
                    status = hub.post([event], token)[0]
                self.assertEqual(hub.post([event], token)[0], 503)
                hub.send_tcp(failed("root"))  # waits: nobody could send it again
                time.sleep(1.5)
                fault.set()
                self.goes_on(hub, token)
                status, answer, _ = hub.post([event], token)
                self.assertEqual((status, answer["kept"], answer["known"]), (200, 0, 1))
                hub.finds(1, "203.0.113.9", "--limit", "0")
                rules = [hub.next_alert()["alert"]["rule"]["title"] for _ in range(posted + 1)]
                self.assertEqual(set(rules), {"Password of root tried"})
                hub.quiet()
                self.assertEqual(hub.stop(), 0)

    @unittest.skipUnless(ROOT, "a file system is mounted by root only")
    def test_file_system_gives_up(self):
        """ext4 finds an error of its own and goes read-only under the hub; repaired, all is there."""
        with harness.Scratch() as scratch:
            image, data = scratch.write("image", b""), scratch.path("data")
            os.mkdir(data)
            os.truncate(image, 96 << 20)
            mount = ("mount", "-o", "loop,errors=remount-ro", image, data)
            if not shutil.which("mkfs.ext4") or run("mkfs.ext4", "-q", "-F", image).returncode or run(*mount).returncode:
                self.skipTest("no ext4 can be made and mounted here")
            try:
                device = os.path.basename(run("findmnt", "-n", "-o", "SOURCE", data).stdout.strip())
                trigger = f"/sys/fs/ext4/{device}/trigger_fs_error"
                if not os.path.exists(trigger):
                    self.skipTest("this kernel's ext4 can't be told to fail")
                with Hub(scratch) as hub:
                    token = hub.token()
                    acknowledged(hub, token, "before")
                    with open(trigger, "w", encoding="ascii") as file:
                        file.write("1")
                    self.refuses(hub, token, "Read-only file system")
                    hub.stop()
                run("umount", data)
                run("e2fsck", "-fy", image)
                self.assertEqual(run(*mount).returncode, 0)
                with Hub(scratch, ports=hub.ports) as hub:
                    self.goes_on(hub, token)
                    self.all_there(hub)
                    hub.stop()
            finally:
                run("umount", "-l", data)


class Clock(unittest.TestCase):
    def test_an_hour_back(self):
        """And forward again, with a kill between: all is kept, ids are known, rules see what comes, searching keeps its order."""
        with harness.Scratch() as scratch:
            fault = Fault(scratch)
            same = [{"mark": "id", "khien.id": f"{i:032x}"} for i in range(50)]
            with Hub(scratch, prefix=fault.prefix) as hub:
                token = hub.token()
                acknowledged(hub, token, "a", ids=False)
                self.assertEqual(hub.post(same, token)[1]["kept"], 50)
                fault.set(clock_s=-3600)
                acknowledged(hub, token, "b", ids=False)
                self.assertEqual(hub.post(same, token)[1]["known"], 50)
                hub.send_tcp(failed("root", when=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))))
                self.assertEqual(hub.next_alert()["alert"]["rule"]["title"], "Password of root tried")
                hub.stop(signal.SIGKILL)
            with Hub(scratch, prefix=fault.prefix, ports=hub.ports) as hub:
                acknowledged(hub, token, "c", ids=False)
                self.assertEqual(hub.post(same, token)[1]["known"], 50)
                fault.set()
                acknowledged(hub, token, "d", ids=False)
                self.assertEqual(hub.post(same, token)[1]["known"], 50)
                found = hub.find("mark:*", "--since", "2h", "--oldest", "--limit", "0")
                self.assertEqual(collections.Counter(e["mark"] for e in found), {"a": 200, "b": 200, "c": 200, "d": 200, "id": 50})
                times = [e["@timestamp"] for e in found]
                self.assertEqual(times, sorted(times))
                self.assertEqual([m for m in "abcd" if any(e["mark"] == m for e in found[:400])], ["b", "c"])
                self.assertEqual(hub.stop(), 0)


class Damage(unittest.TestCase):
    """One folder with two days that are packed and a journal; each test has a copy of it, in which something turned."""

    N, BATCH = 4500, 125  # long ones: bytes are what fills a segment, events are what costs time

    @staticmethod
    @functools.cache
    def event(n):
        return {"khien.id": f"{n:032x}", "@timestamp": f"2026-11-{21 + n // 100 % 2}T10:{n // 100 % 60:02}:{n % 60:02}Z",
                "event.dataset": f"set{n % 2}", "n": n, "text": f"{random.Random(n).getrandbits(19200):04800x}"}

    @classmethod
    def setUpClass(cls):
        cls.scratch = harness.Scratch()
        cls.addClassCleanup(cls.scratch.cleanup)
        with Hub(cls.scratch) as hub:
            cls.token, cls.ports, cls.data = hub.token(), hub.ports, hub.data
            cls.post_all(hub)
            end = time.monotonic() + 30 * SLOW
            while len(glob.glob(hub.data + "/store/events/days/*.db")) < 2 or len(glob.glob(hub.data + "/store/events/journal/*.log")) > 1:
                assert time.monotonic() < end, os.listdir(hub.data + "/store/events/journal")
                time.sleep(0.05)
            assert hub.stop() == 0
        cls.good = cls.scratch.path("good")
        os.rename(cls.data, cls.good)
        newest = glob.glob(cls.good + "/store/events/journal/*.log")[0]
        cls.packed = int(os.path.basename(newest)[:16]) - 1  # events before stand in days, the others in the journal
        assert cls.N // 2 < cls.packed < cls.N - 2 * cls.BATCH, cls.packed

    @classmethod
    def post_all(cls, hub):
        kept = 0
        for first in range(0, cls.N, cls.BATCH):
            status, answer, _ = hub.post([cls.event(n) for n in range(first, first + cls.BATCH)], cls.token)
            assert status == 200, (status, answer, hub.said[-5:])
            kept += answer["kept"]
        return kept

    def setUp(self):
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.good, self.data)
        self.store = os.path.join(self.data, "store")
        self.day = os.path.join(self.store, "events", "days", "2026-11-21.db")

    def start(self):
        """It takes events in time."""
        began = time.monotonic()
        hub = Hub(self.scratch, ports=self.ports)
        status = hub.post([{"mark": "late"}], self.token)[0]
        took = time.monotonic() - began
        self.assertEqual(status, 200, hub.said)
        self.assertLess(took, BACK, hub.said)
        return hub

    def find(self, hub):
        """(numbers that are there, blocks that couldn't be read), each event as it was sent and once."""
        done = self.scratch.khien("find", "--data", hub.data, "--json", "--limit", "0", "text:*")
        self.assertIn(done.status, (0, 2), done.err)
        seen = set()
        for line in done.out.splitlines():
            event = json.loads(line)
            n = event["n"]
            self.assertNotIn(n, seen)
            self.assertEqual({k: event[k] for k in self.event(n)}, self.event(n))
            seen.add(n)
        unread = re.search(r"([\d,]+) blocks? could not be read", done.err)
        self.assertEqual(done.status, 2 if unread else 0, done.err)
        return seen, int(unread[1]) if unread else 0

    def blocks(self):
        """What the damaged day has, block by block."""
        return [{n for n in range(self.packed) if n // 100 % 2 == 0 and n % 2 == part} for part in (0, 1)]

    def says(self, hub, event):
        hub.says("event=" + event, 20)
        return next(line for line in hub.said if "event=" + event in line)

    def takes_again(self, hub, lost):
        """Senders that send all anew bring back what was lost, and nothing twice."""
        self.assertEqual(self.post_all(hub), lost)
        self.assertEqual(self.find(hub)[0], set(range(self.N)))

    def flip(self, path, at, n=512):
        with open(path, "r+b") as file:
            file.seek(at)
            was = file.read(n)
            file.seek(at)
            file.write(bytes(b ^ 0x5a for b in was))

    def salvaged(self, hub):
        """The day was set aside and read as far as it goes; what it says is what is there."""
        said = self.says(hub, "day-damaged")
        self.assertIn("2026-11-21.db was set aside as 2026-11-21.db.damaged-1", said)
        end = self.says(hub, "day-salvaged")
        told = re.search(r"(\d+) events salvaged, (\d+) blocks lost", end)
        self.assertTrue(os.path.exists(self.day + ".damaged-1"))
        seen, unread = self.find(hub)
        lost = set(range(self.N)) - seen
        everything = set().union(*self.blocks())
        self.assertEqual(unread, 0)
        self.assertLessEqual(lost, everything)
        self.assertIn(lost, [set().union(*(b for i, b in enumerate(self.blocks()) if which >> i & 1)) for which in range(4)])
        self.assertEqual(int(told[1]), len(everything - lost))
        n_lost = sum(not b.isdisjoint(lost) for b in self.blocks())
        self.assertTrue(int(told[2]) == n_lost or int(told[2]) < n_lost and "maybe others" in end, end)
        return len(lost)

    def test_first_page_of_a_day(self):
        self.flip(self.day, 0)
        with self.start() as hub:
            self.assertEqual(self.salvaged(hub), 0)
            self.takes_again(hub, 0)

    def test_page_within_a_block(self):
        """It costs the block that it is in."""
        self.flip(self.day, os.path.getsize(self.day) // 2 // 16384 * 16384 + 5000)
        with self.start() as hub:
            seen, unread = self.find(hub)
            lost = set(range(self.N)) - seen
            self.assertEqual(unread, 1)
            self.assertIn(lost, self.blocks())

    def test_any_page_of_a_day(self):
        """Whichever it is: the rest is there, and what isn't is told."""
        pages = os.path.getsize(self.day) // 16384
        rng = random.Random(4)
        for page in [1, 2, 3, 4, 5, *rng.sample(range(6, pages), 2)]:
            with self.subTest(page=page):
                self.setUp()
                self.flip(self.day, page * 16384, 16384)
                with self.start() as hub:
                    end = time.monotonic() + 20 * SLOW  # a salvage may be under way
                    while any("day-damaged" in line for line in hub.said) and not any("day-salvaged" in line for line in hub.said):
                        self.assertLess(time.monotonic(), end)
                        time.sleep(0.05)
                    seen, unread = self.find(hub)
                    lost = set(range(self.N)) - seen
                    self.assertLessEqual(lost, set().union(*self.blocks()))
                    self.assertTrue(not lost or unread or any("event=day-damaged" in line for line in hub.said))

    def test_day_cut_short(self):
        os.truncate(self.day, os.path.getsize(self.day) // 2)
        with self.start() as hub:
            self.takes_again(hub, self.salvaged(hub))

    def test_day_cut_to_nothing(self):
        """It isn't taken for one that never was."""
        os.truncate(self.day, 0)
        done = self.scratch.khien("find", "--data", self.data, "--json", "--limit", "0", "text:*")
        self.assertEqual(done.status, 2, done.err)
        with self.start() as hub:
            self.takes_again(hub, self.salvaged(hub))

    def test_searched_before_it_is_salvaged(self):
        """The answer lacks what is still to be read, and says so."""
        os.rename(self.day, self.day + ".damaged-1")
        for words in (["find", "--json", "--limit", "0", "text:*"], ["hub", "export", "--plain"]):
            done = self.scratch.khien(*words, "--data", self.data)
            self.assertEqual(done.status, 2, done.err)
            self.assertIn("Damaged days are being read anew, 1 to go", done.err)
            self.assertGreater(len(done.out.splitlines()), 1000)
        done = self.scratch.khien("find", "--data", self.data, "--since", "2026-11-22T00:00:00Z", "text:*")
        self.assertEqual(done.status, 0, done.err)  # not of that day
        with self.start() as hub:
            self.says(hub, "day-salvaged")
            self.assertEqual(self.find(hub), (set(range(self.N)), 0))

    def test_day_of_garbage(self):
        with open(self.day, "r+b") as file:
            file.write(random.Random(1).randbytes(os.path.getsize(self.day)))
        with self.start() as hub:
            self.takes_again(hub, self.salvaged(hub))

    def test_journal(self):
        """A frame or two are lost, and how many is told."""
        path = glob.glob(self.store + "/events/journal/*.log")[0]
        self.flip(path, 1 << 20, 4096)
        with self.start() as hub:
            self.assertIn("reading went on behind it", self.says(hub, "journal-damaged"))
            seen, unread = self.find(hub)
            lost = sorted(set(range(self.N)) - seen)
            self.assertEqual(unread, 0)
            self.assertGreaterEqual(lost[0], self.packed)
            self.assertEqual(lost, list(range(lost[0], lost[-1] + 1)))  # one after the other
            self.assertLessEqual(len(lost), 2 * self.BATCH)
            self.takes_again(hub, len(lost))

    def test_state(self):
        """Events are one thing, tokens and alerts another: either is there without the other."""
        path = os.path.join(self.store, "state.db")
        pages = os.path.getsize(path) // 4096
        for page in range(pages):
            with self.subTest(page=page):
                self.setUp()
                self.flip(path, page * 4096, 4096)
                with self.start() as hub:
                    self.assertIn("state.db.damaged-1 tokens=1 alerts=0", self.says(hub, "state-mended"))
                    counts = self.scratch.khien("find", "--data", hub.data, "--json", "--count-by", "event.dataset", "text:*")
                    self.assertEqual(sum(json.loads(line)["count"] for line in counts.out.splitlines()), self.N, counts.err)
                    self.assertEqual(hub.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
