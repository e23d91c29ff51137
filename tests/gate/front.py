"""khien gate that runs, for the tests beside this file: in front of a site that tells what it was asked."""
import http.client
import http.server
import json
import os
import pwd
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from alive import SLOW, Program, children, free_ports, harness, name_of, processes, runs  # noqa: E402, F401  # pylint: disable=unused-import

NGINX = "/usr/sbin/nginx"
MODULE = os.path.join(os.path.dirname(harness.KHIEN), "gate", "ngx_http_khien_module.so")


def run(tests):
    """Those that are named, else all."""
    harness.need_program()
    for path in (NGINX, MODULE):
        if not os.path.exists(path):
            harness.skip(f"there is no {path}")
    for name in sys.argv[1:] or tests:
        began = time.monotonic()
        tests[name]()
        print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)


class Scratch(harness.Scratch):
    """That nginx's workers, who are somebody else where this is root, may pass through."""

    def __enter__(self):
        os.chmod(self.name, 0o755)
        return super().__enter__()


def check(true, what):
    if not true:
        raise AssertionError(what)


class Upstream:
    """A site that tells what it was asked: /a.css may be kept, /events says something and stays open, else the request as JSON."""

    def __init__(self):
        upstream = self
        self.asked, self.release = [], threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, len(body)))
                upstream.answer(self)

            do_POST = do_HEAD = do_GET

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, to):
        path = to.path.partition("?")[0]
        headers, body = {"Content-Type": "application/json"}, json.dumps(self.asked[-1]).encode()
        if path == "/hang-up":
            to.connection.shutdown(socket.SHUT_RDWR)
            to.close_connection = True
            return
        if path == "/upgrade":
            to.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            to.wfile.write(to.connection.recv(100).upper())
            to.close_connection = True
            return
        if path == "/events":
            to.send_response(200)
            to.send_header("Content-Type", "text/event-stream")
            to.send_header("Connection", "close")
            to.end_headers()
            to.wfile.write(b"data: first\n\n")
            to.wfile.flush()
            self.release.wait(20 * SLOW)
            to.close_connection = True
            return
        kept = {"/a.css": "text/css", "/cookie.css": "text/css", "/page.png": "text/html", "/varies.css": "text/css"}
        if path in kept:
            headers.update({"Content-Type": kept[path], "Cache-Control": "public, max-age=600"})
        if path == "/cookie.css":
            headers["Set-Cookie"] = "who=me"
        if path == "/varies.css":
            headers["Vary"] = "Cookie"
        if path == "/own":
            headers.update({"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "X-Powered-By": "age"})
        to.send_response(200)
        for name, value in headers.items():
            to.send_header(name, value)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        if to.command != "HEAD":
            to.wfile.write(body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Gate(Program):
    """`with Gate(scratch, upstream.url) as gate:`"""

    def __init__(self, scratch, url, *words, name="gate", config="", https=False, user=None, port=None, **more):
        self.data, self.user = scratch.path(name), user
        self.port, self.tls_port = free_ports(2)
        self.port = port or self.port
        self.config = scratch.write(f"{name}.yaml", config)
        command = [harness.KHIEN, "gate", "--upstream", url, "--http", f"127.0.0.1:{self.port}", "--data", self.data, "--config",
                   self.config, *words]
        command += ["--https", f"127.0.0.1:{self.tls_port}"] if https else []
        if user:
            command = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", *command]
        super().__init__(scratch, command, **more)

    def __exit__(self, *how):
        super().__exit__(*how)
        wrong = [line for line in self.said if "Sanitizer" in line or "runtime error" in line]
        if wrong and not any(how):
            raise AssertionError(f"{wrong[:3]}")

    def ask(self, path="/", method="GET", body=None, tls=False, **headers):
        """(status, headers, body)"""
        names = {k.replace("_", "-"): v for k, v in headers.items()}
        if tls:
            context = ssl._create_unverified_context()  # pylint: disable=protected-access
            connection = http.client.HTTPSConnection("127.0.0.1", self.tls_port, timeout=20 * SLOW, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW)
        try:
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def answers(self, seconds=20):
        end = time.monotonic() + seconds * SLOW
        while True:
            try:
                status = self.ask()[0]
            except (OSError, http.client.HTTPException) as gone:
                status = gone
            if status == 200:
                return
            if time.monotonic() > end:
                raise AssertionError(f"{status}; said {self.said[-5:]}")
            time.sleep(0.05)

    def master(self):
        with open(os.path.join(self.data, "run", "nginx.pid"), encoding="ascii") as file:
            return int(file.read())

    def agent(self):
        return next(pid for pid in children(self.process.pid) if name_of(pid) == "khien: gate-age")

    def job(self, *words):
        return self.scratch.khien("gate", *words, "--data", self.data, "--config", self.config)


def until(true, what, seconds=20):
    end = time.monotonic() + seconds * SLOW
    while not true():
        check(time.monotonic() < end, what)
        time.sleep(0.05)


def headers_of(upstream, path):
    return next(headers for _, its, headers, _ in reversed(upstream.asked) if its == path)
