"""A khien that runs, for the tests of `khien watch` and `khien hub`: what it says, its alerts, its end; processes and ports."""
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

SLOW = 4 if os.environ.get("KHIEN_SLOW") else 1


def free_ports(n=1):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def failed(user="root", address="203.0.113.9", when=None):
    """A line of sshd's."""
    return f"<38>1 {when or now()} web1 sshd 71 - - Failed password for {user} from {address} port 4022 ssh2"


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def processes(pid):
    """A process and all below it."""
    try:
        return [pid] + [found for child in children(pid) for found in processes(child)]
    except FileNotFoundError:
        return [pid]


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def runs(pid):
    """What has ended may be there until its parent has asked, which some that take in orphans seldom do."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in b"ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Program:
    """`with Program(scratch, command) as program:`; --json is among its words. It is ready then."""

    def __init__(self, scratch, command, env=None, wait=True, **more):
        self.scratch = scratch
        self.alerts, self.said, self.is_ready = queue.Queue(), [], threading.Event()
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        self.process = subprocess.Popen(command, cwd=scratch.name, env=env or scratch.env(), **more)
        for source, take in ((self.process.stdout, self._alert), (self.process.stderr, self._say)):
            if source:
                threading.Thread(target=self._read, args=(source, take), daemon=True).start()
        if wait and not self.is_ready.wait(20 * SLOW):
            self.__exit__()
            raise AssertionError(f"not ready: {self.said} status {self.process.poll()}")

    @staticmethod
    def _read(source, take):
        for line in source:
            take(line.decode("utf-8", "replace").rstrip("\n"))

    def _alert(self, line):
        self.alerts.put(json.loads(line))

    def _say(self, line):
        self.said.append(line)
        if "event=ready" in line:
            self.is_ready.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.stop(signal.SIGKILL)
        for source in (self.process.stdout, self.process.stderr):
            if source:
                source.close()

    def stop(self, how=signal.SIGTERM):
        """Ends it; killed, waits until nothing of it is left."""
        below = processes(self.process.pid)[1:]
        self.process.send_signal(how)
        status = self.process.wait(20 * SLOW)
        end = time.monotonic() + 10 * SLOW
        while any(map(runs, below)) and time.monotonic() < end:
            time.sleep(0.02)
        return status

    def part(self, name):
        """The process id of "khien: keeper" or another part."""
        return next(pid for pid in processes(self.process.pid) if name_of(pid) == name)

    def says(self, text, seconds=10):
        end = time.monotonic() + seconds * SLOW
        while not any(text in line for line in self.said):
            if time.monotonic() > end:
                raise AssertionError(f"never said {text!r}: {self.said}")
            time.sleep(0.02)

    def next_alert(self, seconds=10):
        try:
            return self.alerts.get(timeout=seconds * SLOW)
        except queue.Empty:
            raise AssertionError(f"no alert came; said: {self.said}") from None

    def quiet(self, seconds=1.0):
        try:
            raise AssertionError(f"unexpected: {self.alerts.get(timeout=seconds)}")
        except queue.Empty:
            pass
