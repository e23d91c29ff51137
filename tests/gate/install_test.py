"""khien gate install and uninstall: within an nginx that is there, whose folder is as before when it goes."""
import grp
import hashlib
import http.client
import os
import shutil
import signal
import subprocess

from front import MODULE, NGINX, SLOW, Program, Scratch, Upstream, check, free_ports, harness, name_of, processes, run, until

def tree(folder):
    """Checksum of names, kinds, rights and bytes."""
    sum_of = hashlib.sha256()
    for path, folders, files in sorted(os.walk(folder)):
        folders.sort()
        for name in sorted(folders + files):
            full = os.path.join(path, name)
            sum_of.update(f"{full} {os.lstat(full).st_mode}".encode())
            if os.path.isfile(full) and not os.path.islink(full):
                with open(full, "rb") as file:
                    sum_of.update(file.read())
    return sum_of.hexdigest()


class Nginx:
    """An nginx of its own prefix, with a folder as Debian has it."""

    def __init__(self, scratch, upstream):
        self.folder, self.port = scratch.path("nginx"), free_ports()[0]
        shutil.copytree("/etc/nginx", self.folder, symlinks=True)
        for name in ("modules-enabled", "sites-enabled", "conf.d"):
            shutil.rmtree(os.path.join(self.folder, name))
            os.mkdir(os.path.join(self.folder, name))
        scratch.write("nginx/nginx.conf", f"""{"user www-data;" if os.geteuid() == 0 else ""}
worker_processes 1;
pid {scratch.path("nginx.pid")};
error_log stderr;
include {self.folder}/modules-enabled/*.conf;
events {{ worker_connections 128; }}
http {{
	access_log off;
	include {self.folder}/conf.d/*.conf;
	include {self.folder}/sites-enabled/*;
}}
""")
        scratch.write("nginx/sites-enabled/default", f"server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass {upstream.url}; }} }}\n")
        self.conf = scratch.path("nginx", "nginx.conf")
        self.process = None

    def start(self):
        self.process = subprocess.Popen([NGINX, "-e", "stderr", "-c", self.conf, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
        until(lambda: self.status("/") == 200, "the nginx doesn't start")

    def status(self, path):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW)
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError as gone:
            return str(gone)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def agent_alone(scratch, nginx, data, more):
    control, events = os.path.join(data, "run", "control"), os.path.join(data, "state", "events.jsonl")
    before = read(events).count("942100")
    with Program(scratch, [harness.KHIEN, "gate", *more]) as agent:
        check(any("agent-alone" in line for line in agent.said), agent.said)
        until(lambda: "khien: gate-age" in map(name_of, processes(agent.process.pid)), "no agent")
        check("nginx" not in map(name_of, processes(agent.process.pid)), "an nginx of its own")
        if os.geteuid() == 0:
            check(os.stat(os.path.join(data, "nginx", "log.sock")).st_gid == grp.getgrnam("www-data").gr_gid, "workers can't say anything")
        until(lambda: nginx.status("/?id=1%27%20or%20%271%27=%271") == 403 and read(events).count("942100") > before, "it hears nothing of the WAF")
        check(agent.stop() == 0 and os.path.exists(control), "the agent took nginx's socket away")


def install():
    with Scratch() as scratch, Upstream() as upstream, Nginx(scratch, upstream) as nginx:
        config, data = scratch.write("khien.yaml", ""), scratch.path("gate")
        more = ["--config", config, "--data", data]
        before = tree(nginx.folder)
        nginx.start()
        done = scratch.khien("gate", "install", "--nginx-folder", nginx.folder, *more, timeout=60 * SLOW)
        check(done.status == 0, done)
        control = os.path.join(data, "run", "control")
        until(lambda: os.path.exists(control), "nginx didn't load it")
        until(lambda: nginx.status("/?id=1%27%20or%20%271%27=%271") == 403, "the WAF isn't there")
        check(nginx.status("/") == 200, "the site is gone")
        for _ in range(2):  # the second one takes the place of the first one's socket
            agent_alone(scratch, nginx, data, more)
        again = scratch.khien("gate", "install", "--nginx-folder", nginx.folder, "--watch", *more, timeout=60 * SLOW)
        check(again.status == 0, again)
        with open(os.path.join(nginx.folder, "conf.d", "khien.conf"), encoding="utf-8") as file:
            check("khien watch;" in file.read(), "a new configuration wasn't taken")
        gone = scratch.khien("gate", "uninstall", *more, timeout=60 * SLOW)
        check(gone.status == 0 and tree(nginx.folder) == before, gone)
        until(lambda: nginx.status("/?id=1%27%20or%20%271%27=%271") == 200, "it is still there")
        check(scratch.khien("gate", "uninstall", *more).status == 2, "twice")
        refused(scratch, nginx, more, before)


def refused(scratch, nginx, more, before):
    """What nginx doesn't take leaves all as it was."""
    def try_it(what):
        at = tree(nginx.folder)
        done = scratch.khien("gate", "install", "--nginx-folder", nginx.folder, *more, timeout=60 * SLOW)
        check(done.status == 2 and what in done.err, (what, done))
        check(tree(nginx.folder) == at and not os.path.exists(os.path.join(more[3], "installed")), f"{what}: something stayed")

    mine = scratch.write("nginx/modules-enabled/10-mine.conf", f"load_module {MODULE};\n")
    try_it("take that line out")
    os.unlink(mine)
    mine = scratch.write("nginx/conf.d/khien.conf", "# a person's own\n")
    try_it("not khien's")
    os.unlink(mine)
    mine = scratch.write("nginx/conf.d/broken.conf", "no_such_directive;\n")
    try_it("no_such_directive")
    os.unlink(mine)
    with open(nginx.conf, encoding="utf-8") as file:
        text = file.read()
    scratch.write("nginx/nginx.conf", text.replace(f"include {nginx.folder}/conf.d/*.conf;", ""))
    try_it("doesn't include")
    scratch.write("nginx/nginx.conf", text)
    check(tree(nginx.folder) == before, "the test itself left something")


TESTS = {"install": install}

if __name__ == "__main__":
    run(TESTS)
