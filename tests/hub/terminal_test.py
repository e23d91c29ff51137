#!/usr/bin/python3
"""khien hub and what it hangs on: its terminal, whoever reads what it prints, processes of it that stop."""
import fcntl
import json
import os
import pty
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from running import SLOW, Hub, harness, name_of, processes  # noqa: E402

BIG = """
title: Something big
id: 00000000-0000-4000-8000-000000000009
level: low
logsource: {product: linux, service: sshd}
detection:
  selection: {big: '*x*'}
  condition: selection
"""


def until(holds, seconds, what):
    end = time.monotonic() + seconds * SLOW
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"never: {what}")
        time.sleep(0.05)


class Terminal(unittest.TestCase):
    """It is started on a terminal of its own; what it says goes to a file."""

    def setUp(self):
        self.scratch = self.enterContext(harness.Scratch())
        self.rules = self.scratch.write("rules/r.yml", BIG)
        self.said = self.scratch.write("said", "")

    def start(self, *shell):
        """The hub's process id. The shell, if there is one, leads the session."""
        pid, self.master = pty.fork()
        if not pid:
            os.chdir(self.scratch.name)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the suite may run under nohup
            with open(self.said, "ab", buffering=0) as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            hub = [harness.KHIEN, "hub", "--data", self.scratch.path("data"), "--rules", self.rules, "--no-listen", "--no-journal"]
            os.execvpe((*shell, *hub)[0], [*shell, *hub], self.scratch.env())
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(self.kill_all, pid)
        until(lambda: self.says("event=ready") or self.over(pid), 20, "ready")
        hub = next(p for p in processes(pid) if name_of(p) == "khien")
        self.addCleanup(self.kill_all, hub)  # by then it may be nobody's child
        return hub

    @staticmethod
    def kill_all(pid):
        for one in processes(pid)[::-1]:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def says(self, text):
        with open(self.said, encoding="utf-8") as file:
            return text in file.read()

    @staticmethod
    def over(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def hang_up(self, hub):
        below = processes(hub)
        os.close(self.master)
        return below

    def test_gone_with_its_terminal(self):
        hub = self.start()
        below = self.hang_up(hub)
        until(lambda: all(map(self.over, below)), 10, "all of it has ended")
        self.assertTrue(self.says("event=stopped"))
        self.assertFalse(self.says("event=reloaded"))

    def test_gone_with_its_shell(self):
        """The shell has the signal first, and ends."""
        hub = self.start("/bin/sh", "-c", '"$@"; true', "sh")
        below = self.hang_up(hub)
        until(lambda: all(map(self.over, below)), 10, "all of it has ended")

    def test_stays_where_it_is_to_stay(self):
        hub = self.start("/usr/bin/nohup")
        self.hang_up(hub)
        time.sleep(1)
        self.assertFalse(self.over(hub))
        os.kill(hub, signal.SIGHUP)
        until(lambda: self.says("event=reloaded"), 10, "reloaded")
        self.assertFalse(self.over(hub))

    def test_by_hand_it_loads_the_rules(self):
        hub = self.start()
        self.addCleanup(os.close, self.master)
        os.kill(hub, signal.SIGHUP)
        until(lambda: self.says("event=reloaded"), 10, "reloaded")
        self.assertFalse(self.over(hub))


class Output(unittest.TestCase):
    """Nobody reads what it prints."""

    def test_alerts_that_nobody_reads(self):
        """They are shed, whole and counted, and nothing else waits for them."""
        with harness.Scratch() as scratch:
            reader, writer = os.pipe()
            with open(reader, "rb") as out, Hub(scratch, "--rules", scratch.write("big.yml", BIG), stdout=writer) as hub:
                os.close(writer)
                token, began = hub.token(), time.monotonic()
                for i in range(20):
                    events = [{"big": "x" * 100000, "host.name": f"h{i}-{k}", "process.name": "sshd"} for k in range(10)]
                    self.assertEqual(hub.post(events, token)[0], 200)
                self.assertLess(time.monotonic() - began, 20 * SLOW)
                shed = 0

                def is_shed():
                    nonlocal shed
                    for line in hub.request("GET", "/metrics", token=token)[1].decode().splitlines():
                        if line.startswith("khien_output_shed_total "):
                            shed = int(line.split()[1])
                    return shed
                until(is_shed, 10, "shed")
                lines = []
                again = threading.Thread(target=lambda: lines.extend(out), daemon=True)
                again.start()
                hub.says("event=not-printed")
                hub.stop()
                again.join(10 * SLOW)
                self.assertTrue(all("alert" in json.loads(line) for line in lines))
                self.assertEqual(len(lines) + shed, 200)
                self.assertFalse([line for line in hub.said if "restarting" in line])
                self.assertIn(f"what={shed}", next(line for line in hub.said if "not-printed" in line))

    def test_nothing_is_read(self):
        """Both are full from the start; it takes logs all the same, and ends."""
        with harness.Scratch() as scratch:
            reader, writer = os.pipe()
            self.addCleanup(os.close, reader)
            os.set_blocking(writer, False)
            try:
                while True:
                    os.write(writer, b"x" * 4096)
            except BlockingIOError:
                pass
            os.set_blocking(writer, True)
            with Hub(scratch, stdout=writer, stderr=writer, wait=False) as hub:
                os.close(writer)

                def is_well():
                    try:
                        return hub.request("GET", "/healthz")[0] == 200
                    except OSError:
                        return False
                until(is_well, 20, "well")
                self.assertEqual(hub.post([{"mark": "silent"}], hub.token())[0], 200)
                hub.process.send_signal(signal.SIGHUP)
                hub.finds(1, "mark:silent")
                self.assertEqual(hub.stop(), 0)

    def test_others_keep_their_pipe(self):
        """The shell that started it writes to the same pipe, and waits for it as before."""
        with harness.Scratch() as scratch:
            reader, writer = os.pipe()
            with Hub(scratch, stdout=writer):
                self.assertFalse(fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK)
            os.close(reader)
            os.close(writer)


class Stopped(unittest.TestCase):
    def test_whoever_started_it_is_told(self):
        """Ready when both processes take events; alive from then on; that it ends."""
        with harness.Scratch() as scratch:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
                service.bind(scratch.path("notify"))
                service.settimeout(20 * SLOW)
                heard = []

                def hear(what):
                    while what not in (heard and heard[-1]):
                        heard.append(service.recv(4096).decode())
                with Hub(scratch, env=scratch.env(NOTIFY_SOCKET=scratch.path("notify"))) as hub:
                    hear("READY=1")
                    before = len(heard)
                    began = time.monotonic()
                    for _ in range(3):
                        heard.append("")
                        hear("WATCHDOG=1")
                    self.assertLess(time.monotonic() - began, 5 * SLOW)
                    hub.process.terminate()
                    hear("STOPPING=1")
                    self.assertEqual(hub.stop(), 0)
                self.assertFalse([h for h in heard[before:] if "EXTEND" in h])

    def test_all_of_it_for_a_while(self):
        """Ctrl-Z and fg: everybody was away, nobody is killed for it."""
        with harness.Scratch() as scratch, Hub(scratch) as hub:
            token, all_of_it = hub.token(), processes(hub.process.pid)
            for how in (signal.SIGSTOP, signal.SIGCONT):
                for pid in all_of_it:
                    os.kill(pid, how)
                time.sleep(1)
            self.assertEqual(hub.post([{"mark": "after"}], token)[0], 200)
            self.assertEqual(processes(hub.process.pid), all_of_it)


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
