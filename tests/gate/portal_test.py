#!/usr/bin/python3
"""A portal that nobody changed, Debian's dokuwiki, under a flood with nothing but its URL told to the gate; and the same flood without it.

The package's files are served where they lie; what it writes, its settings and its programs' are in a scratch folder.

    portal_test.py [KHIEN]
"""
import http.client
import json
import os
import pwd
import signal
import subprocess
import time

from front import NGINX, SLOW, Gate, Scratch, check, free_ports, harness, processes, run, runs, until

WIKI, FPM = "/usr/share/dokuwiki", "/usr/sbin/php-fpm8.2"
PATIENTS, SECONDS = 20, 8
TIMES, QUEUE_S = 10, 20  # bots ask so many times as often as the portal can answer, and at once as many as that takes it so long
FLOOD = ["--kinds", "kept", "--sources", "200", "--path", "/doku.php?id=start", "--path", "/doku.php?id=doctors", "--seconds", str(SECONDS)]
PEOPLE = ["--patients", str(PATIENTS), "--reads", "--pages", "3", "--patience", "10"]
TOPICS = {"start": "Opening hours", "doctors": "Doctors", "fees": "Fees", "way": "How to get here", "results": "Results of tests"}
FOLDERS = ("attic", "cache", "index", "locks", "media", "media_attic", "media_meta", "meta", "pages", "tmp", "log")

POOL = """[global]
error_log = {folder}/fpm.log
pid = {folder}/fpm.pid
daemonize = no
[www]
{user}listen = {folder}/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 5
php_admin_value[auto_prepend_file] = {folder}/where.php
"""
SITE = """{user}daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
	include /etc/nginx/mime.types;
	access_log off;
	client_body_temp_path {folder}/temp/body;
	proxy_temp_path {folder}/temp/proxy;
	fastcgi_temp_path {folder}/temp/fastcgi;
	uwsgi_temp_path {folder}/temp/uwsgi;
	scgi_temp_path {folder}/temp/scgi;
	server {{
		listen 127.0.0.1:{port} backlog=4096;
		root {wiki};
		index doku.php;
		location ~ ^/(bin|inc|vendor)/ {{ deny all; }}
		location ~ \\.php$ {{
			include /etc/nginx/fastcgi_params;
			fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
			fastcgi_pass unix:{folder}/fpm.sock;
		}}
	}}
}}
"""


class Portal:
    """The vendor's machine: php and its web server, on one core where there are more."""

    def __init__(self, scratch, name):
        self.folder, self.port, self.programs = scratch.path(name), free_ports()[0], []
        root = os.geteuid() == 0
        values = {"folder": self.folder, "port": self.port, "wiki": WIKI}
        for folder in FOLDERS:
            os.makedirs(f"{self.folder}/data/{folder}")
        os.mkdir(f"{self.folder}/temp")
        # the package's own inc/preload.php asks whether this is said already
        scratch.write(f"{name}/where.php", f"<?php if (!defined('DOKU_CONF')) define('DOKU_CONF', '{self.folder}/conf/');\n")
        scratch.write(f"{name}/conf/local.php", f"<?php\n$conf['title'] = 'A hospital';\n$conf['savedir'] = '{self.folder}/data';\n")
        scratch.write(f"{name}/fpm.conf", POOL.format(user="user = nobody\ngroup = nogroup\n" if root else "", **values))
        scratch.write(f"{name}/nginx.conf", SITE.format(user="user nobody nogroup;\n" if root else "", **values))
        links = "".join(f"  * [[{to}|{title}]]\n" for to, title in TOPICS.items())
        for page, title in TOPICS.items():
            text = "".join(f"===== {title} {i} =====\nSome **words** about it, and a table.\n\n^ when ^ what ^\n| {i}:00 | //{title}// |\n\n"
                           for i in range(30))
            scratch.write(f"{name}/data/pages/{page}.txt", f"====== {title} ======\n{links}\n{text}")
        if root:
            who = pwd.getpwnam("nobody")
            for folder, folders, files in os.walk(self.folder):
                for path in (folder, *(os.path.join(folder, its) for its in folders + files)):
                    os.chown(path, who.pw_uid, who.pw_gid)

    def __enter__(self):
        try:
            self._start(FPM, "--fpm-config", f"{self.folder}/fpm.conf")
            until(lambda: os.path.exists(f"{self.folder}/fpm.sock"), "php doesn't start")
            self._start(NGINX, "-e", f"{self.folder}/error.log", "-p", self.folder, "-c", f"{self.folder}/nginx.conf")
            until(lambda: self.ask() == 200, f"the portal answers {self.ask()}")
            for page in TOPICS:
                check(self.ask(f"/doku.php?id={page}") == 200, page)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, *command):
        program = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if len(os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(program.pid, {min(os.sched_getaffinity(0))})
        self.programs.append(program)

    def ask(self, path="/"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status if answer.status != 200 or b"A hospital" in text else text[:500]
        except OSError as away:
            return str(away)
        finally:
            connection.close()

    def __exit__(self, *_):
        below = [pid for program in self.programs for pid in processes(program.pid)]
        for program in reversed(self.programs):
            program.send_signal(signal.SIGTERM)
            try:
                program.wait(20 * SLOW)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        until(lambda: not any(map(runs, below)), f"something outlives the portal: {below}")


def pages_a_second(portal):
    """At its best: whatever else this machine does, it never makes it faster."""
    best, n = 0, 15
    for _ in range(4):
        began = time.monotonic()
        for _ in range(n):
            portal.ask("/doku.php?id=start")
        best = max(best, n / (time.monotonic() - began))
    return best


def drill(scratch, port, can):
    many = ["--rate", str(min(max(int(TIMES * can), 100), 4000)), "--connections", str(min(max(int(QUEUE_S * can), 200), 4000))]
    core = ["--core", str(max(os.sched_getaffinity(0)))] if len(os.sched_getaffinity(0)) > 1 else []
    done = scratch.khien("drill", "load", "--to", f"127.0.0.1:{port}", *FLOOD, *many, *PEOPLE, *core, "--json")
    check(done.status in (0, 1), done)
    return json.loads(done.out)


def told(which, got):
    return (f"  {which}: {got['served']} of {got['patients']} patients served, {got['gave_up']} gave up, a page in "
            f"{got['requests']['p50_ms']:.0f} ms, the slowest {got['requests']['max_ms']:.0f} ms; bots: {got['sent']} asked, "
            f"{got['status_2xx']} answered, {got['denied']} turned away")


def flood():
    for path in (FPM, WIKI + "/doku.php"):
        if not os.path.exists(path):
            harness.skip(f"there is no {path}: apt install dokuwiki php-fpm")
    with Scratch() as scratch:
        with Portal(scratch, "portal") as portal, Gate(scratch, f"http://127.0.0.1:{portal.port}") as gate:
            can = pages_a_second(portal)
            print(f"  the portal makes {can:.0f} pages a second", flush=True)
            with_it = drill(scratch, gate.port, can)
            print(told("with the gate", with_it), flush=True)
            check(gate.stop() == 0, f"it ended badly: {gate.said[-5:]}")
        with Portal(scratch, "alone") as portal:
            without = drill(scratch, portal.port, can)
            print(told("without it", without), flush=True)
    # they come as chance will have it: some of them may have come too late
    for got in (with_it, without):
        check(got["patients"] >= PATIENTS / 2, got)
    check(with_it["served"] >= 0.95 * with_it["patients"], with_it)
    fewer = without["served"] / without["patients"] < with_it["served"] / with_it["patients"]
    check(fewer or without["requests"]["max_ms"] > 2 * with_it["requests"]["max_ms"], "the flood is none: the portal alone does as well")


if __name__ == "__main__":
    run({"flood": flood})
