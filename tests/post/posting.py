"""A hub and posts that run, for the tests beside this file and bench/post: each in a network namespace, if one is named."""
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import time

SLOW = 4 if os.environ.get("KHIEN_SLOW") else 1
RULE = """
title: Someone failed
id: 00000000-0000-4000-8000-000000000002
logsource: {product: linux, service: sshd}
detection:
  selection: {event.outcome: failure}
  condition: selection
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Program:
    """A khien that runs: what it says, and its end."""

    def __init__(self, words, namespace=None, core=None, env=None):
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        self.words = inside + [str(w) for w in words]
        self.core, self.env = core, {**os.environ, **(env or {})}
        self.process = None
        self.said = []

    def start(self):
        def on_core():
            os.sched_setaffinity(0, {self.core})
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=on_core if self.core is not None else None, env=self.env)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, args=(self.process.stderr, self.lines), daemon=True).start()
        return self

    @staticmethod
    def read(stream, lines):
        with stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    @property
    def pid(self):
        return self.process.pid

    def wait_for(self, event, seconds=30):
        """Waits until it says that, and returns the line."""
        end = time.monotonic() + seconds * SLOW
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no {event!r}: it said {self.said[-8:]}")
            self.said.append(line.strip())
            if f"event={event} " in line + " ":
                return line

    def family(self, pid=None):
        pid = pid or self.pid
        found = [pid]
        try:
            for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                found += self.family(int(child))
        except OSError:
            pass
        return found

    def kill(self):
        """All of it at once, as when the power goes."""
        for pid in self.family():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(20)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40 * SLOW)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode

    def __enter__(self):
        return self.start()

    def __exit__(self, *what):
        self.stop()


def run(khien, *words, check=True, **more):
    done = subprocess.run([khien, *map(str, words)], capture_output=True, text=True, timeout=120, check=False, **more)
    if check and done.returncode:
        raise AssertionError(f"khien {' '.join(map(str, words))}: {done.returncode}: {done.stderr}")
    return done


class Hub(Program):
    def __init__(self, khien, data, address="127.0.0.1", namespace=None, port=None, names=(), more=(), **how):
        self.khien, self.data, self.address = khien, pathlib.Path(data), address
        self.data.mkdir(parents=True, exist_ok=True)
        rule = self.data.parent / f"{self.data.name}.yml"
        rule.write_text(RULE)
        config = self.data.parent / f"{self.data.name}.yaml"
        self.port = port or free_port()
        config.write_text(f"hub:\n  unit: A clinic\n  names: [{', '.join(names or [address])}]\n")
        super().__init__([khien, "hub", "--config", config, "--data", self.data, "--no-listen", "--https",
                          f"{address}:{self.port}", "--no-journal", "--json", "--rules", rule, *more], namespace, **how)

    def start(self):
        super().start()
        self.wait_for("ready", 60)
        return self

    def invite(self, name, address=None):
        """What lets one post in, once."""
        done = run(self.khien, "hub", "token", "--post", "--data", self.data, "--quiet", "--hub",
                   address or f"{self.address}:{self.port}", name)
        return done.stdout.strip()

    def order(self, post, *words, check=True):
        """Gives an order and returns its id."""
        return run(self.khien, "order", "--data", self.data, post, *words, "--why", "a test", check=check).stdout.strip()

    def order_state(self, order):
        for line in run(self.khien, "order", "list", "--data", self.data).stdout.splitlines():
            if line.startswith(order):
                return line.split()[2]
        return None

    def add_token(self, folder):
        """A token of this hub; what is returned puts it into a post's folder."""
        token = run(self.khien, "hub", "token", "add", "--data", self.data, "--scope", "ingest", "post").stdout
        return lambda: (folder / "token").write_text(token.split()[-1])

    def count(self, *words):
        """How many events it has; each id counts once, and one that stands there twice is a mistake."""
        ids = {}
        for event in self.events(*words):
            ids[event["khien.id"]] = ids.get(event["khien.id"], 0) + 1
        twice = [i for i, n in ids.items() if n > 1]
        assert not twice, f"{len(twice)} ids stand there twice: {twice[:3]}"
        return len(ids)

    def events(self, *words):
        done = run(self.khien, "find", "--data", self.data, "--json", "--limit", 0, "--quiet", *words, check=False)
        assert done.returncode in (0, 1), done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


class Post(Program):
    def __init__(self, khien, data, hub, name, files, namespace=None, hubs=(), more=(), spool="64 MB", age="24h",
                 below=(), **how):
        self.hubs = list(hubs)
        self.khien, self.data, self.name, self.hub = khien, pathlib.Path(data), name, hub
        self.namespace = namespace
        self.data.parent.mkdir(parents=True, exist_ok=True)
        config = self.data.parent / f"{self.data.name}.yaml"
        config.write_text(f"post:\n  spool:\n    max_size: {spool}\n    max_age: {age}\n"
                          + (f"  follow_below: [{', '.join(map(str, below))}]\n" if below else ""))
        for other in hubs:
            more = [*more, "--hub", other]
        super().__init__([khien, "post", "--config", config, "--data", self.data, "--no-journal", *more, *files],
                         namespace, **how)

    def enrol(self):
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        invite = self.hub.invite(self.name, self.hubs[0] if self.hubs else None)
        done = subprocess.run([*inside, self.khien, "post", "enrol", "--data", self.data, "--name", self.name, "-"],
                              input=invite, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def by_hand(self):
        """An identity as people without an enrolment make it: a certificate of the CA's, and a token beside it."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self.data.parent / f"{self.data.name}-made"
        made.mkdir()
        run(self.khien, "ca", "issue", "--data", self.hub.data, "--client", self.name, "--output", made)
        token = run(self.khien, "hub", "token", "add", "--data", self.hub.data, "--scope", "ingest", self.name).stdout
        parts = [f"khien post 1\nname {self.name}\nunit A clinic\nhub {self.hub.address}:{self.hub.port}\n"]
        parts += [(made / n).read_text() for n in (f"{self.name}.crt", "ca.crt", f"{self.name}.key")]
        for name, text in ("identity", "".join(parts)), ("token", token.split()[-1]):
            (self.data / name).write_text(text)
            (self.data / name).chmod(0o600)

    def start(self):
        if not (self.data / "identity").exists():
            self.enrol()
        return super().start()

    def status(self):
        try:
            return json.loads((self.data / "status").read_text())
        except (OSError, ValueError):
            return {}
