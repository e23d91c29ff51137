"""nginx with ModSecurity as khien writes it, for the tests beside this file; what is sent through it, and what its log says."""
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, free_ports, harness, processes  # noqa: E402, F401  # pylint: disable=unused-import

CRS = "/usr/share/modsecurity-crs"
NGINX, MODULE = "/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so"
OWN = os.path.join(harness.ROOT, "gate", "waf")
BODY_MAX = 1 << 20
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0", "Host": "khambenh.example",
           "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "vi,en;q=0.5", "Accept-Encoding": "gzip, deflate"}
CONF = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log info;
load_module {module}; {more_main}
events {{ worker_connections 256; }}
http {{
    access_log off; client_max_body_size {body_max}; client_body_buffer_size 64k; large_client_header_buffers 4 32k; {temp} {more_http}
    server {{
        listen 127.0.0.1:{port}; modsecurity on; modsecurity_rules_file {folder}/waf.conf; {more_server}
        location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    }}
    server {{ listen 127.0.0.1:{inner}; location / {{ return 200 "here\\n"; }} }}
}}
"""


def need():
    for path in (NGINX, MODULE, CRS):
        if not os.path.exists(path):
            harness.skip(f"{path} isn't there: apt install nginx libnginx-mod-http-modsecurity modsecurity-crs")


class Nginx:
    """`with Nginx(scratch, rules) as nginx:`; rules: text of a file for modsecurity_rules_file. Without upstream it answers 200 itself."""

    def __init__(self, scratch, rules, upstream=None, name="nginx", **more):
        self.folder = scratch.path(name)
        os.makedirs(os.path.join(self.folder, "temp"))
        scratch.write(f"{name}/waf.conf", rules)
        self.log_path, self.read = os.path.join(self.folder, "error.log"), 0
        for _ in range(3):  # somebody else may take a port that was free
            self._configure(scratch, upstream, name, more)
            self.process = subprocess.Popen([NGINX, "-c", f"{self.folder}/nginx.conf"], stderr=subprocess.DEVNULL)
            if self._starts():
                break
        else:
            raise AssertionError(f"nginx doesn't start: {self.log()[-2000:]}")
        self.log()

    def _configure(self, scratch, upstream, name, more):
        self.port, inner = free_ports(2)
        temp = " ".join(f"{kind}_temp_path {self.folder}/temp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        fields = {"more_main": "user root;" if os.geteuid() == 0 else "", "more_http": "", "more_server": "", "body_max": BODY_MAX, **more}
        scratch.write(f"{name}/nginx.conf", CONF.format(folder=self.folder, module=MODULE, port=self.port, inner=inner, temp=temp,
                                                        upstream=upstream or inner, **fields))
        done = subprocess.run([NGINX, "-t", "-c", f"{self.folder}/nginx.conf"], capture_output=True, text=True, check=False)
        if done.returncode and "Address already in use" not in done.stderr:
            raise AssertionError(f"nginx refuses it: {done.stderr}")

    def _starts(self):
        end = time.monotonic() + 60 * SLOW
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=20).close()
                return True
            except ConnectionRefusedError:
                time.sleep(0.05)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20 * SLOW)

    def log(self):
        """What was added to its log since the last call."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            file.seek(self.read)
            text = file.read()
            self.read = file.tell()
        return text

    def rules(self):
        """The numbers of the rules that said something since the last call of log()."""
        return sorted(set(re.findall(r'\[id "(\d+)"\]', self.log())))

    def send(self, method, path, body=None, headers=None, encode=None):
        """The status; encode: values of a form instead of a body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * SLOW)
        headers = {**BROWSER, **(headers or {})}
        if encode is not None:
            body = urllib.parse.urlencode(encode)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def form(self, **fields):
        return self.send("POST", "/book", encode=fields)

    def ask(self, **fields):
        return self.send("GET", "/find?" + urllib.parse.urlencode(fields))


def multipart(fields, files=()):
    """(body, headers); files: (field, name of the file, type, bytes)."""
    edge, body = "----khien-tests-7d1a52", b""
    for name, value in fields.items():
        body += f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for field, name, kind, content in files:
        body += (f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n').encode()
        body += content + b"\r\n"
    return body + f"--{edge}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={edge}"}


def rules_of(program, scratch, level=1, block=True, patches="-", exclusions=(), own=OWN):
    """What khien writes for ModSecurity; program: waf_write of this folder."""
    done = subprocess.run([program, str(level), "block" if block else "watch", str(BODY_MAX), CRS, own, scratch.name, patches, *exclusions],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"no rules: {done.stderr}")
    return done.stdout
