"""A Debian below a folder: commands in it, and with systemd as its process 1. Needs root."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402

PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
ENV = ("env", "-i", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", PATH)


def run(*words, ok=(0,), **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False, **more)
    if done.returncode not in ok:
        raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout[-6000:]}")
    return done.stdout


class Machine:
    """Mounts are made in a namespace of each command and go with it."""

    def __init__(self, root):
        self.root = root

    def install(self):
        # What apt knows of Debian here: [(uri, suite, component)].
        with open("/etc/os-release", encoding="utf-8") as file:
            words = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
        suite = words["VERSION_CODENAME"].strip('"')
        found = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                    "Created-By: Packages", "Origin: Debian")
        lines = sorted({tuple(line.split()) for line in found.splitlines() if line.count(" ") == 2})
        first = [line for line in lines if line[1] == suite and line[2] == "main"]
        if not first:
            harness.skip(f"apt knows no mirror of Debian {suite}")
        run("debootstrap", "--variant=minbase", "--include=systemd-sysv", suite, self.root, first[0][0])
        self.write("etc/apt/sources.list", "".join(f"deb {' '.join(line)}\n" for line in lines))
        self.write("etc/apt/apt.conf.d/90here", "".join(
            line + "\n" for line in run("apt-config", "dump").splitlines()
            if line.startswith(("Acquire::http::", "Acquire::https::")) and not line.endswith('"";')))
        self.run("apt-get", "update", "-q")

    def copy(self, root):
        run("cp", "-a", "--reflink=auto", self.root, root)
        return Machine(root)

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def words(self, *words, network=True):
        """How to run a command in it; without network: with a loopback of its own."""
        alone = [] if network else ["--net"]
        script = ('[ "$1" = net ] || ip link set lo up; shift; root=$1; shift; mount -t proc proc "$root/proc" && '
                  'mount --bind /dev "$root/dev" && exec chroot "$root" "$@"')
        return ["unshare", "--mount", *alone, "sh", "-ec", script, "sh", "net" if network else "own", self.root, *ENV,
                *words]

    def run(self, *words, **more):
        return run(*self.words(*words), **more)

    def take(self, deb):
        """Puts it at hand with all that it needs, so that installing it needs no network."""
        shutil.copy(deb, self.path("root/khien.deb"))
        self.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "--download-only", "/root/khien.deb")

    @contextlib.contextmanager
    def hub(self):
        """Runs `khien hub` as its unit does; gives how to run a command beside it."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("run/notify"))
        notify.bind(self.path("run/notify"))
        notify.settimeout(60)
        with open(self.path("run/hub.log"), "w+", encoding="utf-8") as log, subprocess.Popen(
                self.words("env", "NOTIFY_SOCKET=/run/notify", "khien", "hub", network=False),
                stdout=log, stderr=subprocess.STDOUT) as hub:
            try:
                try:
                    while "READY=1" not in notify.recv(4096).decode():
                        pass
                except TimeoutError:
                    raise AssertionError(f"the hub is not ready\n{log.seek(0) or log.read()[-4000:]}") from None
                yield lambda *words, **more: run("nsenter", "--target", str(hub.pid), "--mount", "--net", "chroot", self.root,
                                                 "env", PATH, *words, **more)
                hub.terminate()
                status = hub.wait(60)
                if status:
                    raise AssertionError(f"the hub ended with {status}\n{log.seek(0) or log.read()[-4000:]}")
            finally:
                hub.kill()
                notify.close()

    def named_khien(self):
        """Files and links whose name says khien."""
        found = []
        for top in ("etc", "usr", "var", "lib", "run"):
            for at, folders, names in os.walk(self.path(top)):
                found += [os.path.join(at, n)[len(self.root):] for n in folders + names if "khien" in n]
        return [n for n in found if not n.startswith(("/var/log/", "/var/cache/apt/"))]


class NoGuest(Exception):
    """systemd can't be run here, and why."""


# $1: the machine's folder. Process 1 of namespaces of its own, as a container's: systemd mounts the rest.
BOOT = """
hostname guest
ip link set lo up
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -o remount,ro,bind sys
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
	: >dev/$name
	mount --bind /dev/$name dev/$name
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mkdir run/outside
pivot_root . run/outside
umount -l /run/outside
exec env -i container=khien-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""
# A control group of its own ($1 below $2) is what systemd takes for the root of all.
ENTER = """
mount -t cgroup2 cgroup2 "$2"
mkdir "$2/$1"
echo 0 >"$2/$1/cgroup.procs"
umount "$2"
shift 2
exec unshare --cgroup --mount --uts --ipc --net --pid --fork --kill-child=KILL sh -euc "$@"
"""
LEAVE = 'mount -t cgroup2 cgroup2 "$2"; find "$2/$1" -depth -type d -exec rmdir {} +'


class Guest:
    """A machine that runs, with a network of its own. `with Guest(machine) as guest:`"""

    def __init__(self, machine):
        self.machine, self.pid, self.process = machine, 0, None
        self.scratch = tempfile.mkdtemp(prefix="khien-guest-")
        self.group = os.path.basename(self.scratch)

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def boot(self):
        said = os.path.join(self.scratch, "said")
        groups = os.path.join(self.scratch, "groups")
        os.mkdir(groups)
        with open(said, "wb") as out:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-euc", ENTER, "sh", self.group, groups, BOOT, "sh", self.machine.root],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        state, end = "", time.monotonic() + 120
        while state not in ("running", "degraded"):
            time.sleep(0.2)
            if self.process.poll() is not None or time.monotonic() > end:
                with open(said, encoding="utf-8", errors="replace") as file:
                    raise NoGuest((file.read().strip().splitlines() or [f"systemd is {state or 'silent'}"])[-1])
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
                self.pid = int((file.read().split() or [0])[0])
            with open(f"/proc/{self.pid or 'self'}/comm", encoding="ascii") as file:
                if file.read() == "systemd\n":
                    state = self.run("systemctl", "is-system-running", ok=(0, 1)).strip()

    def run(self, *words, **more):
        return run("nsenter", "--target", str(self.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root",
                   "--wd", *ENV, *words, **more)

    def sh(self, script, **more):
        return self.run("bash", "-c", script, **more)

    def unit(self, name, what):
        return self.run("systemctl", "show", name, "--property", what, "--value").strip()

    def processes(self, name):
        """{what it calls itself: [process]} of a unit."""
        found = {}
        for line in self.sh('cd /proc; while read -r p; do echo "$p $(cat $p/comm)"; done <'
                            f"/sys/fs/cgroup/system.slice/{name}.service/cgroup.procs", ok=(0, 1)).splitlines():
            pid, _, comm = line.partition(" ")
            if pid.isdigit():
                found.setdefault(comm, []).append(int(pid))
        return found

    def __exit__(self, *_):
        if self.process:
            # unshare's end is process 1's, and that is everybody's.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            for _ in range(50):
                if not run("unshare", "--mount", "sh", "-c", LEAVE, "sh", self.group, os.path.join(self.scratch, "groups"),
                           ok=range(256)):
                    break
                time.sleep(0.1)
        shutil.rmtree(self.scratch, ignore_errors=True)
