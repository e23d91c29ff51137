"""A hub that runs, for the tests beside this file: its ports, a token, and what it says."""
import http.client
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402

SLOW = 4 if os.environ.get("KHIEN_SLOW") else 1

RULES = """
title: Password of root tried
id: 00000000-0000-4000-8000-000000000001
level: high
logsource: {product: linux, service: sshd}
detection:
  selection:
    user.name: root
    event.outcome: failure
  condition: selection
---
title: Someone failed
id: 00000000-0000-4000-8000-000000000002
name: failed
logsource: {product: linux, service: sshd}
detection:
  selection: {event.outcome: failure}
  condition: selection
---
title: Many failed
id: 00000000-0000-4000-8000-000000000003
level: medium
correlation:
  type: event_count
  rules: [failed]
  group-by: [source.ip]
  timespan: 10m
  condition: {gte: 6}
---
title: A mark is in it
id: 00000000-0000-4000-8000-000000000004
level: low
logsource: {category: test}
detection:
  selection: {mark: '*'}
  condition: selection
"""


def free_ports(n):
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
    return f"<38>1 {when or now()} web1 sshd 71 - - Failed password for {user} from {address} port 4022 ssh2"


def processes(pid):
    """A process and all below it."""
    found = [pid]
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for word in file.read().split():
                found += processes(int(word))
    except FileNotFoundError:
        pass
    return found


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()


class Hub:
    """`with Hub(scratch) as hub:`; the same scratch folder again is the same hub started again."""

    def __init__(self, scratch, *words, ports=None, prefix=(), wait=True):
        self.scratch = scratch
        self.data = scratch.path("data")
        rules = scratch.write("rules/r.yml", RULES)
        self.ports = ports or free_ports(4)
        self.http, self.https, self.syslog, self.tls = self.ports
        at = "127.0.0.1:{}".format
        self.process = subprocess.Popen(
            [*prefix, harness.KHIEN, "hub", "--data", self.data, "--rules", rules, "--no-listen", "--no-journal", "--json",
             "--lang", "en", "--http", at(self.http), "--https", at(self.https), "--syslog", at(self.syslog),
             "--syslog-tls", at(self.tls), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=scratch.name, env=scratch.env())
        self.alerts, self.said, self.is_ready = queue.Queue(), [], threading.Event()
        for source, take in ((self.process.stdout, self._alert), (self.process.stderr, self._say)):
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
        self.process.stdout.close()
        self.process.stderr.close()

    def stop(self, how=signal.SIGTERM):
        """Ends it; killed, waits until nothing of it is left."""
        below = processes(self.process.pid)[1:]
        self.process.send_signal(how)
        status = self.process.wait(20 * SLOW)
        end = time.monotonic() + 10 * SLOW
        while any(os.path.exists(f"/proc/{pid}") for pid in below) and time.monotonic() < end:
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

    def token(self, name="test", scope="ingest,metrics"):
        done = self.scratch.khien("hub", "token", "add", name, "--scope", scope, "--data", self.data)
        if done.status:
            raise AssertionError(done.err)
        token = done.out.decode().split()[0]
        end = time.monotonic() + 5 * SLOW  # the hub hears of it within a second
        while time.monotonic() < end:
            if self.request("GET", "/", token=token)[0] == 200:
                break
            time.sleep(0.05)
        return token

    def request(self, method, path, body=None, token=None, tls=False, **headers):
        """(status, decoded body, headers)"""
        if tls:
            context = ssl.create_default_context(cafile=os.path.join(self.data, "pki", "ca.crt"))
            connection = http.client.HTTPSConnection("127.0.0.1", self.https, timeout=60 * SLOW, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=60 * SLOW)
        try:
            if token:
                headers["Authorization"] = "Bearer " + token
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            text = answer.read()
            if "json" in (answer.getheader("Content-Type") or ""):
                text = json.loads(text or b"null")
            return answer.status, text, answer.headers
        finally:
            connection.close()

    def post(self, events, token, **more):
        body = "".join(json.dumps(e) + "\n" for e in events).encode()
        return self.request("POST", "/v1/events", body, token, Content_Type="application/x-ndjson", **more)

    def find(self, *words):
        """The events that `khien find --json` finds."""
        done = self.scratch.khien("find", "--data", self.data, "--json", *words)
        if done.status not in (0, 1):
            raise AssertionError(f"status {done.status}: {done.err}")
        return [json.loads(line) for line in done.out.splitlines()]

    def finds(self, n, *words, seconds=10):
        """Waits until so many are found, and returns them."""
        end = time.monotonic() + seconds * SLOW
        while len(found := self.find(*words)) != n:
            if time.monotonic() > end:
                raise AssertionError(f"found {len(found)} of {n}: {words}; said {self.said[-5:]}")
            time.sleep(0.1)
        return found

    def next_alert(self, seconds=10):
        try:
            return self.alerts.get(timeout=seconds * SLOW)
        except queue.Empty:
            raise AssertionError(f"no alert came; said: {self.said}") from None

    def send_udp(self, *lines):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for line in lines:
                s.sendto(line.encode(), ("127.0.0.1", self.syslog))

    def send_tcp(self, *lines):
        with socket.create_connection(("127.0.0.1", self.syslog)) as s:
            s.sendall("".join(line + "\n" for line in lines).encode())
