"""The programs that people send logs with, started for one test each: their own configuration and state, no root."""
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from running import SLOW, harness

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "khien-test")
# It can't be installed beside rsyslog: unpacked in the cache it can be used beside it.
SYSLOG_NG = ("syslog-ng-core", "syslog-ng-mod-http", "libivykis0", "libnet1", "libwrap0", "libpcre3")


def need(*programs):
    """Skips where one of them isn't there; else where they are."""
    found = [shutil.which(name, path=PATH) for name in programs]
    if missing := [name for name, where in zip(programs, found) if not where]:
        raise unittest.SkipTest("not installed: " + " ".join(missing))
    return found


def from_docs(heading, n=0, **changes):
    """The nth block of code below a heading of docs/shippers.md; changes: what stands for what in it."""
    with open(os.path.join(harness.ROOT, "docs", "shippers.md"), encoding="utf-8") as file:
        section = file.read().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    block = re.findall(r"^```.*?\n(.*?)^```$", section, re.M | re.S)[n]
    for old, new in changes.items():
        if old not in block:
            raise AssertionError(f"docs/shippers.md, {heading}: no {old} to change")
        block = block.replace(old, str(new))
    return block


class Shipper:
    """A program that runs as long as `with` does; what it said is in .log."""

    def __init__(self, scratch, name, command, env=None):
        self.log = scratch.path(name + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(20 * SLOW)
            self.process.kill()
        return self.process.wait()

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


# rsyslog reads a file, as the messages of that are known before; its actions are the test's. Its own complaints go to
# a file of their own.
RSYSLOG = """
global(workDirectory="{state}" {more})
module(load="imfile")
{modules}
template(name="complaint" type="string" string="%msg%\\n")
input(type="imfile" file="{input}" tag="app:" facility="auth" severity="info" ruleset="out" addMetadata="on"
      freshStartTail="off" reopenOnTruncate="on")
if $syslogfacility-text == "syslog" then {{
    action(type="omfile" file="{state}/complaints" template="complaint")
    stop
}}
ruleset(name="out") {{
{actions}
}}
{rulesets}
"""


class Rsyslog(Shipper):
    """Sends the lines of a file by `actions`. The same name again is the same one, started again."""

    def __init__(self, scratch, actions, lines, modules="", rulesets="", more="", name="rsyslog"):
        program, = need("rsyslogd")
        wanted = ["imfile"] + ["lmnsd_gtls"] * ("gtls" in actions) + ["omelasticsearch"] * ("omelasticsearch" in modules)
        for module in wanted:
            if not glob.glob(f"/usr/lib*/rsyslog/{module}.so") + glob.glob(f"/usr/lib/*/rsyslog/{module}.so"):
                raise unittest.SkipTest(f"rsyslog has no {module}")
        self.state = scratch.path(name)
        os.makedirs(self.state, exist_ok=True)
        self.input = lines if isinstance(lines, str) else scratch.write(
            name + ".in", "".join(line + "\n" for line in lines))
        conf = scratch.write(name + ".conf", RSYSLOG.format(
            state=self.state, input=self.input, modules=modules, actions=actions, rulesets=rulesets, more=more))
        self.check(program, conf)
        super().__init__(scratch, name, [program, "-n", "-f", conf, "-i", os.path.join(self.state, "pid")])

    @staticmethod
    def check(program, conf):
        done = subprocess.run([program, "-N1", "-f", conf], capture_output=True, text=True, check=False)
        if done.returncode and "Permission denied" in done.stderr:
            raise unittest.SkipTest("rsyslogd may not read the test's folder (AppArmor)")
        if done.returncode:
            raise AssertionError(done.stderr)

    def complaints(self):
        try:
            with open(os.path.join(self.state, "complaints"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""


def unpack_syslog_ng():
    """The folder it is unpacked in; from Debian's mirror when it isn't yet."""
    root = os.path.join(CACHE, "syslog-ng")
    if os.path.isdir(root):
        return root
    need("apt-get", "dpkg")
    part = f"{root}.{os.getpid()}"
    os.makedirs(part)
    try:
        done = subprocess.run(["apt-get", "download", "-q", *SYSLOG_NG], cwd=part, capture_output=True, check=False,
                              timeout=60 * SLOW)
        if done.returncode:
            raise unittest.SkipTest("syslog-ng can't be fetched: offline, or no Debian")
        for package in glob.glob(part + "/*.deb"):
            subprocess.run(["dpkg", "-x", package, part], check=True)
            os.unlink(package)
        os.rename(part, root)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest("syslog-ng can't be fetched in time") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return root


class SyslogNg(Shipper):
    """Sends the lines of a file to "destination khien"; further options and a log statement may stand beside it."""

    def __init__(self, scratch, destination, lines, name="syslog-ng"):
        if "log {" not in destination:
            destination += "log { source(s_src); destination(khien); flags(flow-control); };"
        program, root = shutil.which("syslog-ng", path=PATH), ""
        env = dict(os.environ)
        if not program:
            root = unpack_syslog_ng()
            program = root + "/usr/sbin/syslog-ng"
            env["LD_LIBRARY_PATH"] = ":".join(
                [f"{root}/usr/lib/syslog-ng", *glob.glob(root + "/usr/lib/*-linux-gnu*"), *glob.glob(root + "/lib/*-linux-gnu*")])
        state = scratch.path(name)
        os.makedirs(state, exist_ok=True)
        self.input = scratch.write(name + ".in", "".join(line + "\n" for line in lines))
        version = subprocess.run([program, "--version"], env=env, capture_output=True, text=True, check=False)
        if version.returncode:
            raise unittest.SkipTest("syslog-ng doesn't run: " + version.stderr.strip().replace("\n", " ")[:200])
        conf = scratch.write(name + ".conf", f"""@version: 3.35
options {{ stats-freq(0); time-reopen(1); keep-hostname(yes); }};
source s_src {{ file("{self.input}" follow-freq(0.1) flags(no-parse) default-facility(auth) program-override("app")); }};
{destination}
""")
        modules = [f"--module-path={where}" for where in glob.glob(root + "/usr/lib/syslog-ng/[0-9]*")] if root else []
        super().__init__(scratch, name, [
            program, "-F", "-e", "--no-caps", "-f", conf, "-R", state + "/persist", "-c", state + "/control",
            "-p", state + "/pid", *modules], env)


def certificates(scratch, hub, name="web1"):
    """{"ca", "cert", "key"} of a client that the hub's CA knows."""
    folder = scratch.path("client-" + name)
    os.makedirs(folder, exist_ok=True)
    done = scratch.khien("ca", "issue", "--client", name, "--data", hub.data, "--output", folder)
    if done.status:
        raise AssertionError(done.err)
    return {"ca": f"{folder}/ca.crt", "cert": f"{folder}/{name}.crt", "key": f"{folder}/{name}.key"}


def others_certificates(scratch):
    """The same of a CA that the hub doesn't know."""
    tool, = need("certtool")
    folder = scratch.path("others")
    os.makedirs(folder, exist_ok=True)

    def make(*words):
        subprocess.run([tool, *words], cwd=folder, capture_output=True, check=True)

    scratch.write("others/ca.cfg", "cn = another CA\nca\ncert_signing_key\nexpiration_days = 2\n")
    scratch.write("others/client.cfg", "cn = web1\ntls_www_client\nsigning_key\nexpiration_days = 2\n")
    for name in ("ca", "client"):
        make("-p", "--ecc", "--outfile", name + ".key")
    make("-s", "--load-privkey", "ca.key", "--template", "ca.cfg", "--outfile", "ca.crt")
    make("-c", "--load-privkey", "client.key", "--load-ca-certificate", "ca.crt", "--load-ca-privkey", "ca.key",
         "--template", "client.cfg", "--outfile", "client.crt")
    return {"cert": folder + "/client.crt", "key": folder + "/client.key"}


def metrics(hub, token):
    """{name: number} of /metrics; a sender's has its label in its name."""
    status, text, _ = hub.request("GET", "/metrics", token=token)
    if status != 200:
        raise AssertionError(f"/metrics: {status}")
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in text.decode().splitlines() if line and line[0] != "#")}


def wait_metric(hub, token, name, enough, seconds=20):
    """Until it is that much or more; what it is then. The hub may be away in between."""
    end = time.monotonic() + seconds * SLOW
    value = None
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            value = metrics(hub, token).get(name, 0)
            if value >= enough:
                return value
        time.sleep(0.1)
    raise AssertionError(f"{name} is {value}, not {enough}; said {hub.said[-5:]}")
