"""An nginx with khien's module that runs, for the tests beside this file; who visits it; a site behind it."""
import http.client
import http.server
import json
import os
import pwd
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, children, free_ports, harness, runs  # noqa: E402, F401  # pylint: disable=unused-import

NGINX = "/usr/sbin/nginx"
MODULES = "/usr/lib/nginx/modules"
KEY = "00112233445566778899aabbccddeeff" * 2
BROWSER = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en", "User-Agent": "Mozilla/5.0 (test)"}


def module():
    """The .so that was built: the first argument that names one, else beside the program."""
    for i, word in enumerate(sys.argv[1:], 1):
        if word.endswith(".so"):
            return os.path.abspath(sys.argv.pop(i))
    return os.path.join(os.path.dirname(harness.KHIEN), "gate", "ngx_http_khien_module.so")


MODULE = module()


def need():
    for path in (NGINX, MODULE):
        if not os.access(path, os.X_OK):
            harness.skip(f"there is no {path}")


class Site:
    """A site that answers what it is told to: /slow waits, /status/NNN, else a page. Counts who was there."""

    def __init__(self, delay=0.0, at_once=None):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # pylint: disable=invalid-name
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                site.answer(self)

            do_POST = do_HEAD = do_GET

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads, request_queue_size = True, 1024

            def handle_error(self, *_):  # pylint: disable=arguments-differ
                """Who asked went away."""

        self.delay = delay
        self.room = threading.Semaphore(at_once) if at_once else None
        self.seen, self.lock = [], threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, to):
        with self.lock:
            self.seen.append((to.command, to.path))
        path, _, query = to.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        if self.room:
            with self.room:
                time.sleep(self.delay)
        else:
            time.sleep(float(asked.get("wait", self.delay)))
        status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 200
        body = b"<!DOCTYPE html><title>a site</title>\n"
        to.send_response(status)
        to.send_header("Content-Type", asked.get("type", "text/html; charset=utf-8"))
        to.send_header("Content-Length", str(len(body)))
        for name in ("Cache-Control", "Expires", "Set-Cookie"):
            if name in asked:
                to.send_header(name, asked[name])
        to.end_headers()
        if path == "/stream":
            to.wfile.flush()
            time.sleep(float(asked["open"]))
        if to.command != "HEAD":
            to.wfile.write(body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("gate", timeout=20 * SLOW)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Nginx:
    """`with Nginx(scratch, http=..., servers=...) as gate:`. {port}, {site}, {folder} are filled in."""

    HTTP = "khien_zone 16m; khien on; khien_key {folder}/key; khien_lists {folder}/lists;"
    SERVER = "server {{ listen 127.0.0.1:{port}; listen [::1]:{port}; location / {{ proxy_pass http://127.0.0.1:{site}; }} }}"

    def __init__(self, scratch, site=None, http_part=HTTP, servers=SERVER, main="", workers=2, start=True):
        need()
        self.scratch, self.folder = scratch, scratch.path("nginx")
        self.site = site.port if site else 9
        self.port, self.tls_port = free_ports(2)
        self.parts = (http_part, servers, main, workers)
        for name in ("", "temp"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        self.root = os.geteuid() == 0
        if self.root:
            os.chown(os.path.join(self.folder, "temp"), pwd.getpwnam("nobody").pw_uid, -1)
        for parent in (scratch.name, self.folder):
            os.chmod(parent, 0o755)
        scratch.write("nginx/key", KEY + "\n")
        os.chmod(f"{self.folder}/key", 0o600)
        self.process = None
        self.write()
        if start:
            self.start()

    def text(self):
        http_part, servers, main, workers = self.parts
        temp = "".join(f"{kind}_temp_path {{folder}}/temp/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = (f"load_module \"{MODULE}\";\nerror_log {{folder}}/error.log info;\npid {{folder}}/pid;\ndaemon off;\nworker_processes {workers};\n"
                + ("user nobody nogroup;\n" if self.root else "") + main
                + "events {{ worker_connections 1024; }}\nhttp {{\n" + temp
                + "log_format khien '$remote_addr $status [$khien_verdict] [$khien_reason] [$khien_id] [$khien_fingerprint] $request';\n"
                + "access_log {folder}/access.log khien;\nkeepalive_timeout 60s;\n" + http_part + "\n" + servers + "\n"
                + "server {{ listen unix:{folder}/control; location / {{ khien_control; }} }}\n}}\n")
        return text.format(folder=self.folder, port=self.port, tls=self.tls_port, site=self.site)

    def write(self, **parts):
        self.parts = tuple(parts.get(name, old) for name, old in zip(("http_part", "servers", "main", "workers"), self.parts))
        return self.scratch.write("nginx/nginx.conf", self.text())

    def command(self, *words):
        return [NGINX, "-p", self.folder, "-c", f"{self.folder}/nginx.conf", *words]

    def check(self):
        """What nginx says of its configuration; empty: nothing wrong."""
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, check=False, timeout=60)
        return "" if done.returncode == 0 else done.stderr

    def start(self):
        self.process = subprocess.Popen(self.command(), stderr=subprocess.PIPE)
        self.wait_for(self.answers, "an answer of control")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"nginx ended: {self.process.stderr.read().decode()}")
        try:
            return bool(self.workers()) and self.control("/status")[0] == 200
        except OSError:
            return False

    @staticmethod
    def wait_for(what, name, seconds=20):
        end = time.monotonic() + seconds * SLOW
        while not what():
            if time.monotonic() > end:
                raise AssertionError(f"never: {name}")
            time.sleep(0.02)

    def workers(self):
        return [pid for pid in children(self.process.pid) if runs(pid)]

    def reload(self):
        """As `nginx -s reload`, until the old workers have ended."""
        old = self.workers()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: not any(map(runs, old)) and self.answers(), "new workers")

    def __enter__(self):
        return self

    def __exit__(self, *how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.process.stderr.close()
        wrong = [line for line in self.log("error").splitlines() if "[alert]" in line or "[emerg]" in line or "signal 11" in line]
        wrong = [line for line in wrong if "exited on signal 9" not in line]
        if wrong and not any(how):
            raise AssertionError(f"{wrong[:3]}")

    def log(self, name):
        try:
            with open(f"{self.folder}/{name}.log", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def logs(self, text):
        """Waits for it in the access log, which nginx writes after the answer."""
        self.wait_for(lambda: text in self.log("access"), f"{text!r} in the access log")

    def control(self, target, method="GET", body=None):
        """(status, what JSON or text)"""
        connection = Unix(f"{self.folder}/control")
        try:
            connection.request(method, target, body.encode() if body is not None else None)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        return answer.status, json.loads(text) if answer.headers["Content-Type"] == "application/json" else text

    def lists(self, *lines):
        status, answer = self.control("/lists", "PUT", "".join(line + "\n" for line in lines))
        if status != 200:
            raise AssertionError(f"{status} {answer}")
        return answer["entries"]

    def status(self):
        return self.control("/status")[1]

    def ask(self, path="/", method="GET", body=None, source="127.0.0.1", headers=None, connection=None):
        """The answer, read; its text is in .text. http.client.RemoteDisconnected and ConnectionResetError: it was dropped."""
        own = connection is None
        if own:
            connection = self.connection(source)
        try:
            headers = dict(BROWSER) if headers is None else headers
            connection.request(method, path, body, headers, encode_chunked="Transfer-Encoding" in headers)
            answer = connection.getresponse()
            answer.text = answer.read().decode()
        finally:
            if own:
                connection.close()
        return answer

    def connection(self, source="127.0.0.1"):
        host = "::1" if ":" in source else "127.0.0.1"
        return http.client.HTTPConnection(host, self.port, timeout=20 * SLOW, source_address=(source, 0))


def block(address, until="never", why="a test"):
    return f'block {address} until {until} by tests why "{why}"'


def allow(address, until="never", why="a test"):
    return f'allow {address} until {until} by tests why "{why}"'


def have(program):
    return shutil.which(program) is not None
