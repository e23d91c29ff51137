#!/usr/bin/python3
"""A kiosk behind the gate, under a flood: workers, nginx, the gate, its agent and the kiosk's parts killed in turn while people book.

    KHIEN_KILLS=200 kills_test.py [KHIEN]

What was confirmed to anybody is in the kiosk afterwards, nothing twice; people are served again after each kill; each event of the gate's
is told once; and nothing runs on at the end.
"""
import collections
import contextlib
import glob
import http.client
import importlib.util
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

from front import HERE, SLOW, Gate, Scratch, check, children, harness, processes, run, runs, until


def module_of(name):
    """The kiosk's, also for those of its modules that import it by its name; there is another running.py here."""
    spec = importlib.util.spec_from_file_location(name, os.path.join(HERE, "..", "kiosk", name + ".py"))
    found = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


running, kiosk_test = module_of("running"), module_of("kiosk_test")

KILLS, BOOKERS = int(os.environ.get("KHIEN_KILLS", "6")), 8
FLOOD = ["--kinds", "kept=400,new=100,cookie=100", "--connections", "300", "--sources", "200", "--path", "/", "--path", "/s/1", "--seconds", "600"]
PAUSE = 0.3  # a person's, between two pages, at most
CONFIG = "gate: { waf: { exclusions: [kiosk] } }\n"


class Person(running.Visitor):
    """Who is turned away waits as long as he is told, and sends the same again."""

    def __init__(self, door, source):
        super().__init__(door.port, source)
        self.door = door

    def request(self, method, path, body=None):
        was = self.page, self.path
        for _ in range(60):
            time.sleep(random.random() * PAUSE)
            try:
                super().request(method, path, body)
            except http.client.HTTPException as cut:
                raise ConnectionError(f"cut off: {cut!r}") from cut
            if self.status not in (429, 502, 503, 504) or self.door.closed:
                break
            self.page, self.path = was  # he goes back to his form
            self.door.turned_away += 1
            time.sleep(min(float(self.headers.get("Retry-After") or 0.5), 10))
        return self


class Door:
    """The kiosk as people come to it: through the gate, each from an address of his own."""

    def __init__(self, port, first):
        self.port, self.closed, self.turned_away = port, False, 0
        self.numbers = itertools.count(first)

    def visitor(self):
        i = next(self.numbers)
        return Person(self, f"127.32.{i >> 8 & 255}.{i & 255}")


class Scene:
    """Kiosk, gate, flood, people. What it starts ends with the stack."""

    def __init__(self, scratch, stack):
        self.scratch = scratch
        self.blocked, self.killed = [], collections.Counter()
        self.kiosk = stack.enter_context(running.Kiosk(scratch, more_config="  proxies: [127.0.0.1]\n"))
        self.kiosk.hospital(places=200)
        self.gate = self.new_gate(None)
        stack.callback(lambda: self.gate.__exit__())
        self.flood = self.new_flood()
        stack.callback(self.end_flood)
        self.days = self.kiosk.days()[1:5]
        self.bookers = [kiosk_test.Booker(Door(self.gate.port, 1 + i * 4096), i, self.days) for i in range(BOOKERS)]

    def new_gate(self, port):
        gate = Gate(self.scratch, f"http://127.0.0.1:{self.kiosk.port}", config=CONFIG, port=port)
        try:
            gate.answers()
        except BaseException:
            gate.__exit__()
            raise
        return gate

    def new_flood(self):
        return subprocess.Popen([harness.KHIEN, "drill", "load", "--to", f"127.0.0.1:{self.gate.port}", *FLOOD], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=self.scratch.env())

    def end_flood(self):
        if self.flood.poll() is not None:
            return
        below = processes(self.flood.pid)
        self.flood.send_signal(signal.SIGINT)
        try:
            self.flood.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            self.flood.kill()
            self.flood.wait()
        until(lambda: not any(map(runs, below)), f"something outlives the drill: {below}")

    def confirmed(self):
        return sum(len(b.confirmed) for b in self.bookers)

    def people_book(self, after):
        """More than were on their way already."""
        before, end = self.confirmed(), time.monotonic() + 30 * SLOW
        while self.confirmed() < before + BOOKERS + 1:
            check(time.monotonic() < end, f"after {after} {self.confirmed() - before} booked in {30 * SLOW} s; {[b.wrong for b in self.bookers]}; "
                  f"the gate said {self.gate.said[-4:]}, the kiosk {self.kiosk.said[-4:]}")
            time.sleep(0.02)
        if self.flood.poll() is not None:  # ten minutes of it are over
            self.flood = self.new_flood()

    def kill(self, victim):
        pids = {"worker": lambda: children(self.gate.master())[0], "master": self.gate.master, "gate": lambda: self.gate.process.pid,
                "agent": self.gate.agent, "front": lambda: self.kiosk.part("khien: kiosk-fr"), "keeper": lambda: self.kiosk.part("khien: kiosk-ke")}
        found = []
        until(lambda: found.append(self.pid_of(pids[victim])) or found[-1], f"there is no {victim}")
        pid = found[-1]
        self.killed[victim] += 1
        if victim == "gate":
            port, below = self.gate.port, processes(pid)
            self.gate.stop(signal.SIGKILL)
            until(lambda: not any(map(runs, below)), f"something outlives the gate: {below}")
            self.gate.__exit__()
            self.gate = self.new_gate(port)
        else:
            os.kill(pid, signal.SIGKILL)

    @staticmethod
    def pid_of(find):
        try:
            return find()
        except (StopIteration, IndexError, ProcessLookupError, FileNotFoundError, ValueError):
            return None  # it is just being started

    def block(self, turn):
        """What an operator says is told once, too, whoever is killed then."""
        address = f"198.51.{turn >> 8 & 255}.{turn & 255}"
        done = self.gate.job("block", address, "--why", "a test")
        check(done.status == 0, done)
        self.blocked.append(address)

    def run(self):
        began = time.monotonic()
        victims = ("worker", "agent", "front", "master", "keeper", "gate")
        for b in self.bookers:
            b.start()
        self.people_book("the start")
        for turn in range(KILLS):
            self.block(turn)
            self.kill(victims[turn % len(victims)])
            self.people_book(f"kill {turn + 1}, of {victims[turn % len(victims)]},")
            if turn % 50 == 49:
                print(f"  {turn + 1} kills, {self.confirmed()} confirmed, {time.monotonic() - began:.0f} s", flush=True)
        for b in self.bookers:
            b.ended = b.kiosk.closed = True
        for b in self.bookers:
            b.join(60 * SLOW)
            check(b.wrong is None and not b.is_alive(), f"{b.wrong}")
        status = json.loads(self.gate.job("status", "--json").out)
        self.end_flood()
        self.kiosk.answers()
        n = kiosk_test.compare(self.kiosk, self.bookers, self.days)
        cut, away = sum(b.failed for b in self.bookers), sum(b.kiosk.turned_away for b in self.bookers)
        print(f"  {KILLS} kills ({', '.join(f'{n} {v}' for v, n in self.killed.items())}), {n} confirmed, none lost, "
              f"{cut} connections cut, {away} times turned away; the last gate: {status['verdicts']}; {time.monotonic() - began:.0f} s")


def events_of(gate):
    """All that the gate told, of all its files."""
    for path in glob.glob(os.path.join(gate.data, "state", "events.jsonl*")):
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def told_once(scene):
    events = list(events_of(scene.gate))
    ids = collections.Counter(e["khien.id"] for e in events if "khien.id" in e)
    twice = [(e["event.action"], e.get("gate.prefix")) for e in events if ids[e.get("khien.id")] > 1]
    check(not twice, f"told twice: {twice[:9]}")
    blocked = collections.Counter(e.get("source.ip") for e in events if e["event.action"] == "operator-blocked")
    check(all(blocked[address] == 1 for address in scene.blocked), f"operators' words, and how often told: {blocked} of {scene.blocked}")
    check(scene.blocked, "no operator's word was taken")
    print(f"  events: {dict(collections.Counter(e['event.action'] for e in events))}")


def kills():
    with Scratch() as scratch:
        with contextlib.ExitStack() as stack:
            scene = Scene(scratch, stack)
            scene.run()
            every = processes(scene.gate.process.pid) + processes(scene.kiosk.process.pid)
            check(scene.gate.stop() == 0, f"it ended badly: {scene.gate.said[-5:]}")
            scene.kiosk.stop(signal.SIGKILL)
        until(lambda: not any(map(runs, every)), f"still there: {every}")
        told_once(scene)
        with running.Kiosk(scratch) as kiosk:
            kiosk_test.compare(kiosk, scene.bookers, scene.days)


if __name__ == "__main__":
    run({"kills": kills})
