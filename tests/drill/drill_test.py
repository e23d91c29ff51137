#!/usr/bin/python3
"""khien drill: what it may go to, what it counts, and what is left of it.

    drill_test.py KHIEN load|flood|killed
"""
import glob
import http.server
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, harness, processes, runs  # noqa: E402

GATE = os.path.join(os.path.dirname(harness.KHIEN), "gate", "ngx_http_khien_module.so")
ROOT = os.geteuid() == 0
SHORT = ["--seconds", "2", "--rate", "60", "--connections", "40", "--sources", "50", "--patients", "4", "--think", "100"]


def check(is_so, what):
    if not is_so:
        raise AssertionError(what)


class Site(http.server.BaseHTTPRequestHandler):
    """Pages with links, one of which leads away; what was asked is kept."""
    protocol_version = "HTTP/1.1"
    asked, froms = [], set()

    def do_GET(self):  # pylint: disable=invalid-name
        Site.asked.append(self.path)
        Site.froms.add(self.client_address[0])
        body = b"<a href=/one>1</a><a href=/away>2</a><a href=http://192.0.2.1/three>3</a><link rel=stylesheet href=/s.css>"
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://192.0.2.1/")
            body = b""
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200

    def handle_error(self, request, client_address):
        """Bots hang up as they like."""


def load(scratch):
    def drill(*words):
        return scratch.khien("drill", "load", *words)

    for to in ["localhost:80", "example.org:80", "0.0.0.0:80", "8.8.8.8:80", "[::ffff:8.8.8.8]:80", "[::]:80", "127.0.0.1", "10.63.0.1:8080",
               "2130706433:80", "127.1:80"]:
        for words in (["--to", to], ["--to-tls", to], ["--to", "127.0.0.1:9", "--patients", "1", "--bank", to, "--bank-secret", "/dev/null"]):
            done = drill(*words, "--seconds", "1")
            check(done.status == 2 and "khien drill load: " in done.err and not done.out, f"{words}: {done}")
    for words in (["--rate", "200001"], ["--seconds", "601"], ["--kinds", "ping"], ["--kinds", "new=x"], ["--kinds", "new=-1"], ["--kinds", "tls"],
                  ["--connections", "20001"], ["--from", "localhost"], ["--kinds", "kept=150000,new=150000"],
                  ["--kinds", "kept=2083,new"], ["--path", "/a b"], ["--path", "x"], ["--host", "a\nb"]):
        done = drill("--to", "127.0.0.1:9", *words)
        check(done.status == 2 and not done.out, f"{words}: {done}")
    with Threads(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        to = f"127.0.0.1:{site.server_address[1]}"
        done = drill("--to", to, "--kinds", "kept,new,mimic,cookie", "--rate", "80", "--connections", "16", "--sources", "20", "--seconds", "2",
                     "--patients", "3", "--reads", "--pages", "3", "--think", "50", "--json")
        got = json.loads(done.out)
        site.shutdown()
    check(done.status == 0 and not done.err, f"{done}")
    check(got["patients"] == 3 and got["served"] == 3 and got["requests"]["n"] == got["asked"] >= 9, f"{got}")
    check(0 < got["answered"] <= got["sent"] and got["refused"] == 0 and got["status_2xx"] > 0, f"{got}")
    check(len(Site.froms) > 10 and "/s.css" in Site.asked and not any("three" in path for path in Site.asked), f"{Site.froms} {set(Site.asked)}")


def words_for(user):
    """A folder of his own, and the words that become him."""
    if not user:
        return {}
    who = pwd.getpwnam(user)
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


def links():
    with open("/proc/net/dev", encoding="ascii") as file:
        return sorted(line.partition(":")[0].strip() for line in file if ":" in line)


def start(scratch, name, *words, user=None, env=None):
    folder = scratch.path(name)
    os.makedirs(folder)
    os.chmod(folder, 0o777)
    os.chmod(scratch.name, 0o755)
    return subprocess.Popen([harness.KHIEN, "drill", "flood", *SHORT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=scratch.env(TMPDIR=folder, **(env or {})), cwd=folder, **words_for(user)), folder


def need_gate():
    if not os.access(GATE, os.R_OK) or not os.path.exists("/usr/sbin/nginx"):
        harness.skip("nginx or its module of khien isn't here")
    if harness.sanitized():
        harness.skip("nginx doesn't load a module with a sanitizer")


def flood(scratch):
    need_gate()
    before = links()
    runs_as = [(None, ["--json"]), (None, ["--lang", "vi", "--kinds", "tls,h2"])] if ROOT else [(None, ["--json"])]
    if ROOT and not subprocess.run(["test", "-x", harness.KHIEN], check=False, **words_for("nobody")).returncode:
        runs_as.append(("nobody", ["--json"]))
    for i, (user, words) in enumerate(runs_as):
        program, folder = start(scratch, f"flood{i}", *words, user=user)
        out, err = program.communicate(timeout=100 * SLOW)
        check(program.returncode == 0, f"{user} {words}: {program.returncode} {out} {err}")
        check(not os.listdir(folder) and links() == before, f"left: {os.listdir(folder)}")
        if "--json" not in words:
            check("4 / 4" in out and "Bệnh nhân" in out, out)
            continue
        got = json.loads(out)
        check(got["namespaces"] in ((True, False) if ROOT and not user else (False,)), out)
        for half in ("before", "after"):
            result = got[half]["result"]
            check(result["patients"] == result["served"] == 4 and result["answered"] > 0 and got[half]["cpu_s"] > 0, f"{half}: {result}")
            check(result["asked"] >= 4 * 6 and result["requests"]["n"] > 0, f"{half}: {result}")
        check(got["gate"]["asked"] > 0 and sum(got["gate"]["verdicts"].values()) == got["gate"]["asked"], out)


def ends(pids, seconds=20):
    end = time.monotonic() + seconds * SLOW
    while any(runs(pid) for pid in pids):
        if time.monotonic() > end:
            names = [open(f"/proc/{pid}/cmdline", encoding="utf-8").read() for pid in pids if runs(pid)]
            raise AssertionError(f"still there: {names}")
        time.sleep(0.05)


def killed(scratch):
    """Killed while plain nginx serves, and while the gate does; or asked to end: nothing runs on, nothing lies about."""
    need_gate()
    before = links()
    for i, (how, half, seconds) in enumerate([(signal.SIGKILL, "nginx.log", "30"), (signal.SIGKILL, "gate/run/control", "1"),
                                              (signal.SIGINT, "nginx.log", "30")]):
        program, folder = start(scratch, f"killed{i}", "--seconds", seconds)
        end = time.monotonic() + 60 * SLOW
        while not glob.glob(f"{folder}/khien-drill-*/{half}"):
            check(time.monotonic() < end and program.poll() is None, f"it doesn't begin: {program.poll()}")
            time.sleep(0.05)
        time.sleep(0.3)
        below = processes(program.pid)[1:]
        check(len(below) > 3, f"{below}")
        program.send_signal(how)
        program.communicate()
        check(program.returncode == (2 if how == signal.SIGINT else -how), f"{program.returncode}")
        ends(below)
        end = time.monotonic() + 20 * SLOW
        while os.listdir(folder):
            check(time.monotonic() < end, f"left: {glob.glob(folder + '/**', recursive=True)[:9]}")
            time.sleep(0.05)
        check(links() == before, f"{links()}")


def main():
    harness.need_program()
    socket.setdefaulttimeout(20 * SLOW)
    with harness.Scratch() as scratch:
        {"load": load, "flood": flood, "killed": killed}[sys.argv[-1]](scratch)


if __name__ == "__main__":
    main()
