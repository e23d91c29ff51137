"""A hub that runs, for the tests beside this file: its ports, a token, and what it says."""
import http.client
import json
import os
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, Program, failed, free_ports, harness, name_of, now, processes, runs  # noqa: E402, F401  # pylint: disable=unused-import

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


class Hub(Program):
    """`with Hub(scratch) as hub:`; the same scratch folder again is the same hub started again."""

    def __init__(self, scratch, *words, ports=None, prefix=(), **more):
        self.data = scratch.path("data")
        rules = scratch.write("rules/r.yml", RULES)
        self.ports = ports or free_ports(4)
        self.http, self.https, self.syslog, self.tls = self.ports
        at = "127.0.0.1:{}".format
        super().__init__(scratch, [
            *prefix, harness.KHIEN, "hub", "--data", self.data, "--rules", rules, "--no-listen", "--no-journal", "--json",
            "--lang", "en", "--http", at(self.http), "--https", at(self.https), "--syslog", at(self.syslog),
            "--syslog-tls", at(self.tls), *words], **more)

    def token(self, name="test", scope="ingest,metrics"):
        done = self.scratch.khien("hub", "token", "add", name, "--scope", scope, "--data", self.data)
        if done.status:
            raise AssertionError(done.err)
        return done.out.decode().split()[0]

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

    def send_udp(self, *lines):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for line in lines:
                s.sendto(line.encode(), ("127.0.0.1", self.syslog))

    def send_tcp(self, *lines):
        with socket.create_connection(("127.0.0.1", self.syslog)) as s:
            s.sendall("".join(line + "\n" for line in lines).encode())
