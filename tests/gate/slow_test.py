#!/usr/bin/python3
"""slowhttptest against a gate: slow heads, slow bodies, slow readers; 500 connections, 15 seconds each. Meanwhile others are answered.

slow_test.py [KHIEN] [MODULE.so] [heads|bodies|readers...]
"""
import http.client
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, Program, free_ports, harness  # noqa: E402
from running import MODULE, need  # noqa: E402

CONNECTIONS, SECONDS = 500, 15
VISITS = 10
OTHER = "127.7.7.7"  # a visitor of another network than the attacker's
COMMON = ["-c", str(CONNECTIONS), "-r", "250", "-l", str(SECONDS), "-i", "2", "-p", "5", "-v", "1"]
MODES = {
    "heads": ["-H", "-x", "24"],
    "bodies": ["-B", "-s", "8192", "-x", "10"],
    "readers": ["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "32", "-k", "3"],
}
PAGE = b"<!doctype html><title>a page</title>" + b"<p>some words</p>" * 20000


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_):
        pass


class Upstream(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        """Who is cut off is the gate's matter."""


def ask(port, kept):
    """-> status; 200 only with all of the page. kept: a browser's cookies."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20 * SLOW, source_address=(OTHER, 0))
    try:
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}
        connection.request("GET", "/", headers={"Accept": "text/html", **cookies})
        answer = connection.getresponse()
        whole = answer.read() == PAGE
        for name, value in (line.split(";")[0].split("=", 1) for line in answer.headers.get_all("Set-Cookie", [])):
            kept[name] = value
        return answer.status if answer.status != 200 or whole else "part of it"
    except (OSError, http.client.HTTPException) as e:
        return repr(e)
    finally:
        connection.close()


def visit(port):
    """A new visitor, as a browser: where he is asked to come back he does, with his pass. -> what he got, each time."""
    kept = {}
    got = [ask(port, kept)]
    while got[-1] != 200 and len(got) < VISITS:
        time.sleep(1)
        got.append(ask(port, kept))
    return got


def attack(mode, port):
    """-> how many connections there were at most, what each visitor got meanwhile, what slowhttptest said."""
    command = ["slowhttptest", *MODES[mode], *COMMON, "-u", f"http://127.0.0.1:{port}/"]
    visits, said = [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) as process:
        reader = threading.Thread(target=lambda: said.append(process.stdout.read()), daemon=True)
        reader.start()
        end = time.monotonic() + 3 * SECONDS * SLOW
        while process.poll() is None and time.monotonic() < end:
            visits.append(visit(port))
            time.sleep(0.2)
        process.kill()
        reader.join(5)
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", b"".join(said).decode(errors="replace"))
    counts = [sum(map(int, pair)) for pair in re.findall(r"connected:\s+(\d+)\s+error:\s+\d+\s+closed:\s+(\d+)", text)]
    return max(counts, default=0), visits, text


def main():
    modes = [word for word in sys.argv[1:] if word in MODES] or list(MODES)
    harness.need_program()
    need()
    if not shutil.which("slowhttptest"):
        harness.skip("slowhttptest isn't installed")
    bad = 0
    for mode in modes:
        port, site = free_ports(2)
        with harness.Scratch() as scratch, Upstream(("127.0.0.1", site), Site):
            os.chmod(scratch.name, 0o711)
            command = [harness.KHIEN, "gate", "--upstream", f"http://127.0.0.1:{site}", "--http", f"127.0.0.1:{port}", "--no-waf",
                       "--data", scratch.path("gate"), "--module", MODULE]
            with Program(scratch, command, stdout=subprocess.DEVNULL) as gate:
                held, visits, text = attack(mode, port)
                visits.append(visit(port))
                served = sum(got[-1] == 200 for got in visits)
                good = held >= CONNECTIONS * 4 // 5 and len(visits) >= 5 and served == len(visits) and gate.process.poll() is None
                print(f"{'ok' if good else 'not ok'} {mode}: {held} slow connections; of {len(visits)} visitors {served} were "
                      f"served, {sum(got == [200] for got in visits)} at once", flush=True)
                if not good:
                    print(f"  got: {[got for got in visits if got[-1] != 200][:5]}\n  gate: {gate.said[-5:]}\n{text[-1500:]}")
                bad += not good
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
