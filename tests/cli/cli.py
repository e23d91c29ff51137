"""What the command-line tests share: two small rules, events for them, and running khien with its memory measured."""
import os
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness

LOGIN = """title: Failed login
id: 11111111-1111-4111-8111-111111111111
status: test
level: high
tags:
    - attack.t1110
    - attack.credential-access
logsource:
    product: portal
detection:
    selection:
        action: login
        outcome|startswith: fail
    condition: selection
"""
ROOT = """title: Anything by root
id: 22222222-2222-4222-8222-222222222222
level: low
logsource:
    product: portal
detection:
    selection:
        user: root
    condition: selection
"""
LOGIN_ID, ROOT_ID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"

FAILED = '{"action": "login", "outcome": "failure", "user": "bob", "event.dataset": "portal"}\n'
AS_ROOT = '{"action": "list", "user": "root", "event.dataset": "portal"}\n'
BOTH = '{"action": "LOGIN", "outcome": "Failed", "user": "ROOT", "event.dataset": "portal"}\n'
QUIET = '{"action": "list", "user": "bob", "event.dataset": "portal"}\n'
EVENTS = QUIET + FAILED + AS_ROOT + BOTH


class CliTest(unittest.TestCase):
    """A scratch folder with rules/login.yml and rules/root.yml."""

    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)
        self.scratch.write("rules/login.yml", LOGIN)
        self.scratch.write("rules/root.yml", ROOT)
        self.rules = self.scratch.path("rules")

    def match(self, *words, **more):
        return self.scratch.match("--rules", self.rules, *words, **more)

    def found(self, events, *words):
        """The matches among events on standard input."""
        return harness.hits(
            self.match("--json", *words, "--", "-", stdin=events.encode() if isinstance(events, str) else events)
        )


def run_measured(scratch, words, feed, stdout=subprocess.PIPE):
    """Runs khien with what feed(file) writes on its standard input -> Result, peak memory in bytes."""
    process = subprocess.Popen(
        [harness.KHIEN, *words],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=scratch.name,
        env=scratch.env(),
    )
    texts = {}

    def write():
        try:
            feed(process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass

    def read(name, file):
        texts[name] = file.read() if file else b""

    threads = [threading.Thread(target=write)]
    threads += [
        threading.Thread(target=read, args=(n, f)) for n, f in (("out", process.stdout), ("err", process.stderr))
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join(harness.TIMEOUT)
    if threads[-1].is_alive():
        process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    threads[0].join()
    for file in (process.stdout, process.stderr):
        if file:
            file.close()
    return (
        harness.Result(process.returncode, texts["out"], texts["err"].decode("utf-8", "replace")),
        usage.ru_maxrss * 1024,
    )


def main():
    harness.need_program()
    unittest.main(verbosity=2)
