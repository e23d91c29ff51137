"""What the tests of following share: numbered lines that each match a rule, and a khien that can be stopped and killed."""
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402

SLOW = 4 if os.environ.get("KHIEN_SLOW") or harness.sanitized() else 1

RULES = """
title: Numbered
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {category: webserver}
detection:
  selection: {cs-uri-stem|startswith: /n/}
  condition: selection
---
title: Tried
id: 00000000-0000-4000-8000-000000000002
name: tried
logsource: {category: webserver}
detection:
  selection: {cs-uri-stem: /login}
  condition: selection
---
title: Tried too often
id: 00000000-0000-4000-8000-000000000003
level: high
correlation:
  type: event_count
  rules: [tried]
  group-by: [c-ip]
  timespan: 5m
  condition: {gte: 6}
"""


def line(n=0, path=None, address="203.0.113.9", ago=0):
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time.time() - ago))
    return f'{address} - - [{when}] "GET {path or f"/n/{n}"} HTTP/1.1" 200 5 "-" "-"\n'


def append(path, *numbers):
    with open(path, "a", encoding="ascii") as file:
        file.write("".join(line(n) for n in numbers))


class Watch:
    """`khien watch --json` whose alerts go to a file, so that a kill takes nothing of what it wrote."""

    def __init__(self, scratch, *files, prefix=(), options=("--no-syslog",), out="alerts", wait=True):
        rules = scratch.write("rules/r.yml", RULES)
        self.out = scratch.path(out)
        self.said, self.ready = [], threading.Event()
        with open(self.out, "ab") as out_file:
            self.process = subprocess.Popen(
                [*prefix, harness.KHIEN, "watch", "--rules", rules, "--json", *options, "--", *files], stdout=out_file,
                stderr=subprocess.PIPE, cwd=scratch.name, env=scratch.env())
        threading.Thread(target=self._listen, daemon=True).start()
        if wait and not self.ready.wait(20 * SLOW):
            raise AssertionError(f"not ready: {self.said} status {self.process.poll()}")

    def _listen(self):
        for said in self.process.stderr:
            self.said.append(said.decode("utf-8", "replace").rstrip())
            if b"event=ready" in said:
                self.ready.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(20 * SLOW)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def alerts(self):
        return alerts(self.out)

    def numbers(self):
        return [number(a) for a in self.alerts() if a["rule"]["title"] == "Numbered"]

    def wait_for(self, *numbers, seconds=8):
        """Until all have come; how often each did."""
        return until(lambda: set(numbers) <= set(self.numbers()), seconds,
                     lambda: f"missing {sorted(set(numbers) - set(self.numbers()))[:9]} of {len(numbers)}: {self.said}")

    def says(self, text, seconds=8):
        return until(lambda: any(text in said for said in self.said), seconds, lambda: f"never {text!r}: {self.said}")


def until(holds, seconds, why):
    end = time.monotonic() + seconds * SLOW
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(why())
        time.sleep(0.03)


def alerts(path):
    """A kill may leave half a line at the end of a run, which the next one's first follows."""
    with open(path, "rb") as file:
        for text in file.read().split(b"\n"):
            start = text.rfind(b'{"rule":')
            if start >= 0 and text.endswith(b"}"):
                yield json.loads(text[start:])


def number(alert):
    return int(next(iter(alert["fields"].values())).split("/")[-1])


def check_ids(found):
    """Alerts of one number have one khien.id, those of several have several: -> {number: how often}"""
    by_id, count = {}, {}
    for alert in found:
        n, seen = number(alert), alert["khien.id"]
        if by_id.setdefault(seen, n) != n:
            raise AssertionError(f"{by_id[seen]} and {n} have one id")
        count[n] = count.get(n, 0) + 1
    if len(by_id) != len(count):
        raise AssertionError(f"{len(count)} lines have {len(by_id)} ids")
    return count


class Writer(threading.Thread):
    """Appends numbered lines as fast as `rate` a second; opens the log anew when another file took its place."""

    def __init__(self, path, rate=3000, reopens=True, splits=False):
        super().__init__(daemon=True)
        self.path, self.rate, self.reopens, self.splits = path, rate, reopens, splits
        self.written, self.over = 0, threading.Event()

    def run(self):
        file = open(self.path, "ab", buffering=0)
        while not self.over.is_set():
            step = max(1, self.rate // 100)
            text = "".join(line(n) for n in range(self.written, self.written + step)).encode()
            cut = len(text) - 20 * self.splits  # within a line
            file.write(text[:cut])
            time.sleep(0.01)
            file.write(text[cut:])
            self.written += step
            if self.reopens and self.written % (step * 7) == 0:  # late, as a daemon that waits for its signal
                file.close()
                file = open(self.path, "ab", buffering=0)
        file.close()

    def end(self):
        self.over.set()
        self.join()
        return self.written
