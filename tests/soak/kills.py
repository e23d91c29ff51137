#!/usr/bin/python3
"""Kills: a hub under load from four kinds of senders loses a random one of its processes, or all, again and again.
kills.py KHIEN [--seed N] [--kills N]

After each kill everything that was acknowledged is found, once. Of a followed file that is every line, through its
rotations. Over a syslog connection nothing is acknowledged: a beginning of what was sent is found, without a gap, once.
In the end all of it is compared again.
"""
import argparse
import collections
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "hub"), os.path.join(HERE, "..")]
from running import SLOW, Hub, free_ports, harness, processes  # noqa: E402

DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")
BATCH, PAUSE = 100, 0.04  # a sender's events, and its rest between them
LOAD = 1.6  # seconds of load before a kill, at most
VICTIMS = ("khien", "khien: keeper", "khien: front", "all")


class Sender(threading.Thread):
    """Works step by step while the soak lets it. A mark names an event: sender, turn, number: "i17x4711"."""

    def __init__(self, soak, letter):
        super().__init__(daemon=True)
        self.soak, self.letter, self.n = soak, letter, 0
        self.rng = random.Random(f"{soak.args.seed} {letter}")
        self.acked, self.sent = collections.defaultdict(set), collections.defaultdict(set)  # turn -> marks
        self.step_lock, self.trouble = threading.Lock(), None
        self.start()

    def run(self):
        while not self.soak.over:
            self.soak.go.wait()
            try:
                with self.step_lock:
                    self.step()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            except Exception as e:  # pylint: disable=broad-except  # the checker tells it
                self.trouble = repr(e)
                return
            time.sleep(PAUSE)

    def marks(self):
        turn, first = self.soak.turn, self.n
        self.n += BATCH
        marks = [f"{self.letter}{turn}x{i}" for i in range(first, self.n)]
        self.sent[turn].update(marks)
        return turn, marks

    def noise(self, n):
        """It compresses badly, so that segments fill and days are written."""
        return f"{self.rng.getrandbits(4 * n):0{n}x}"

    def step(self):
        raise NotImplementedError


class Http(Sender):
    """Posts. With ids it sends again what wasn't acknowledged, until it is; without, never."""

    def __init__(self, soak, letter, ids):
        self.ids, self.connection, self.open = ids, None, None
        super().__init__(soak, letter)

    def make(self):
        turn, marks = self.marks()
        lines = []
        for i, mark in enumerate(marks):
            event = {"@timestamp": f"{DAYS[self.n // BATCH % 3]}T{8 + i % 10:02}:{i % 60:02}:00Z",
                     "event.dataset": f"soak{i % 3}", "mark": mark, "turn": f"turn{turn}", "text": self.noise(240)}
            if self.ids:
                event["khien.id"] = mark
            lines.append(json.dumps(event) + "\n")
        return turn, marks, "".join(lines).encode()

    def step(self):
        turn, marks, body = batch = self.open or self.make()
        self.open = batch if self.ids else None
        try:
            status = self.post(body)
        except (OSError, http.client.HTTPException):
            self.connection = None
            raise
        if status == 200:
            self.acked[turn].update(marks)
            self.open = None

    def post(self, body):
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.soak.ports[0], timeout=60)
        self.connection.request("POST", "/v1/events", body, {"Authorization": "Bearer " + self.soak.token,
                                                            "Content-Type": "application/x-ndjson"})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


class Syslog(Sender):
    """Lines over TCP, where nothing is acknowledged; which of them went over which connection."""

    def __init__(self, soak, letter):
        self.socket, self.connections = None, []
        super().__init__(soak, letter)

    def step(self):
        if not self.socket:
            self.socket = socket.create_connection(("127.0.0.1", self.soak.ports[2]), timeout=10)
            self.connections.append([])
        turn, marks = self.marks()
        self.connections[-1] += marks
        lines = [f"<38>1 2026-11-22T10:00:00Z web1 app 7 - - {m} turn{turn} {self.noise(60)}\n" for m in marks]
        try:
            self.socket.sendall("".join(lines).encode())
        except OSError:
            self.socket = None
            raise


class File(Sender):
    """Writes a log that is followed, and renames it away now and then, as logrotate does."""

    def __init__(self, soak, letter):
        self.path, self.rotate = soak.log, False
        self.file = open(self.path, "ab", buffering=0)  # pylint: disable=consider-using-with
        super().__init__(soak, letter)

    def step(self):
        if self.rotate:
            self.rotate = False
            self.file.close()
            for i in range(3, 0, -1):
                if os.path.exists(f"{self.path}.{i}"):
                    os.rename(f"{self.path}.{i}", f"{self.path}.{i + 1}")
            os.rename(self.path, self.path + ".1")
            self.file = open(self.path, "ab", buffering=0)  # pylint: disable=consider-using-with
        turn, marks = self.marks()
        self.file.write("".join(json.dumps({"mark": m, "turn": f"turn{turn}", "text": self.noise(60)}) + "\n"
                                for m in marks).encode())
        self.acked[turn].update(marks)


class Soak:
    """The hub, its senders, and what they were promised."""

    def __init__(self, args, scratch):
        self.args, self.scratch, self.rng = args, scratch, random.Random(args.seed)
        self.go, self.over, self.turn = threading.Event(), False, 0
        self.ports = free_ports(4)
        self.log = scratch.write("app.log", "")
        self.hub = Hub(scratch, "--", self.log, ports=self.ports)
        self.token = self.hub.token()
        self.syslog, self.file = Syslog(self, "s"), File(self, "f")
        self.with_ids = [Http(self, "i", True), Http(self, "j", True)]
        self.senders = [*self.with_ids, Http(self, "p", False), self.syslog, self.file]
        self.victims, self.whole_s, self.part_s = collections.Counter(), [], []

    def kill(self):
        """One of the processes, or all at once; then until both senders with ids are answered again."""
        victim = self.rng.choice(VICTIMS)
        self.victims[victim.removeprefix("khien: ")] += 1
        pids = processes(self.hub.process.pid)
        for pid in pids if victim == "all" else pids[:1] if victim == "khien" else [self.hub.part(victim)]:
            with contextlib.suppress(ProcessLookupError):  # of all, one may end because another did
                os.kill(pid, signal.SIGKILL)
        begun, whole = time.monotonic(), victim in ("khien", "all")
        if whole:
            self.hub.stop(signal.SIGKILL)
            self.hub.__exit__()
            begun = time.monotonic()
            self.hub = Hub(self.scratch, "--", self.log, ports=self.ports)
        had = [self.n_acked(s) for s in self.with_ids]
        while any(self.n_acked(s) == n for s, n in zip(self.with_ids, had)):
            assert time.monotonic() < begun + 30 * SLOW, f"nothing is acknowledged: {self.hub.said[-5:]}"
            time.sleep(0.01)
        (self.whole_s if whole else self.part_s).append(time.monotonic() - begun)

    @staticmethod
    def n_acked(sender):
        return sum(map(len, list(sender.acked.values())))

    def find(self, *words):
        """mark -> how often, of the events found"""
        done = self.scratch.khien("find", "--data", self.hub.data, "--json", "--limit", "0", "--quiet", *words, timeout=900)
        assert done.status in (0, 1), done.err
        found = collections.Counter()
        for line in done.out.splitlines():
            event = json.loads(line)
            found[event.get("mark") or event["message"].split(" ", 1)[0]] += 1
        return found

    def check(self, turn):
        """Of a turn, or of all with None. Senders wait meanwhile."""
        self.go.clear()
        for s in self.senders:
            s.step_lock.acquire()
        try:
            self.compare(turn)
        finally:
            for s in self.senders:
                s.step_lock.release()
            self.go.set()

    def compare(self, turn):
        def all_of(of_turns):
            return of_turns[turn] if turn is not None else set().union(*of_turns.values())
        acked = set().union(*(all_of(s.acked) for s in self.senders))
        sent = set().union(*(all_of(s.sent) for s in self.senders))
        end = time.monotonic() + 60 * SLOW
        while True:
            found = self.find(*([] if turn is None else [f"turn{turn}"]))
            missing = acked - found.keys()
            # a file may not be read to its end yet; all else was acknowledged
            if not missing or any(m[0] != "f" for m in missing) or time.monotonic() > end:
                break
            time.sleep(0.1)
        twice = [m for m, n in found.items() if n > 1]
        foreign = found.keys() - sent
        trouble = [f"{s.letter}: {s.trouble}" for s in self.senders if s.trouble]
        late = missing and all(m[0] == "f" for m in missing)
        lost = f"lines of the file, not there after {60 * SLOW} s" if late else "acknowledged, and missing"
        for text, wrong in (("senders that ended", trouble), (lost, missing), ("found twice", twice),
                            ("found, and never sent", foreign), ("behind a gap", self.behind_gaps(turn, found))):
            assert not wrong, f"turn {turn}, {text}: {len(wrong)}, as {sorted(wrong)[:5]}\n" + "\n".join(self.hub.said[-20:])
        return found

    def behind_gaps(self, turn, found):
        """Lines that are there though one before them on their connection is not."""
        wrong = []
        for marks in self.syslog.connections:
            there = [m in found for m in marks if turn is None or m.startswith(f"s{turn}x")]
            if there != sorted(there, reverse=True):
                wrong.append(marks[0])
        return wrong

    def run(self):
        started = time.monotonic()
        self.go.set()
        for kill in range(self.args.kills):
            self.turn = kill
            self.file.rotate = self.rng.random() < 0.4
            time.sleep(self.rng.uniform(0.2, LOAD))
            self.kill()
            self.check(kill)
            if kill % 10 == 9 or kill + 1 == self.args.kills:
                print(f"kill {kill + 1} of {self.args.kills}: {sum(self.n_acked(s) for s in self.senders)} acknowledged, none lost, "
                      f"{time.monotonic() - started:.0f} s", flush=True)
        self.go.clear()
        for s in self.senders:
            s.step_lock.acquire()  # pylint: disable=consider-using-with  # for good
        found = self.compare(None)
        self.over = True
        lines = sum(map(len, self.syslog.connections))
        kept = sum(1 for m in found if m[0] == "s")
        print(f"kills: {self.args.kills} ({', '.join(f'{n} {v}' for v, n in sorted(self.victims.items()))}), found {len(found)}, "
              f"acknowledged {sum(self.n_acked(s) for s in self.senders)}, lost 0, twice 0; syslog lines under way when a connection "
              f"was cut {lines - kept} of {lines}; back in at most {max(self.whole_s, default=0):.2f} s, a part of it in "
              f"{max(self.part_s, default=0):.2f} s; {time.monotonic() - started:.0f} s, seed {self.args.seed}")
        return 0

    def end(self):
        self.over = True
        self.hub.__exit__()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--kills", type=int, default=200)
    args = parser.parse_args()
    print(f"kills: seed {args.seed}", flush=True)
    with harness.Scratch() as scratch:
        soak = Soak(args, scratch)
        try:
            return soak.run()
        finally:
            soak.end()


if __name__ == "__main__":
    harness.need_program()
    sys.exit(main())
