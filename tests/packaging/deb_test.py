#!/usr/bin/python3
"""The Debian package: deb_test.py [KHIEN] looks into one that holds the program under test; deb_test.py --chroot makes
two real ones and installs, runs, upgrades and purges them in a Debian made for it (root; some minutes; the mirror that
apt is set up with)."""
import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402

DEB = os.path.join(harness.ROOT, "packaging", "deb")
UNIT = "lib/systemd/system/khien-hub.service"
WORD = "chungnhan7x"  # stands in one event
MAN = ("khien", "khien-match", "khien-rules", "khien-watch", "khien-hub")


def run(*words, ok=(0,), **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False, **more)
    if done.returncode not in ok:
        raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout[-6000:]}")
    return done.stdout


class Inside(unittest.TestCase):
    """What is in the package, without installing it."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("dh") or not shutil.which("dpkg-buildpackage"):
            harness.skip("no debhelper")
        if harness.sanitized():
            harness.skip("a sanitized program is not packed")
        cls.scratch = tempfile.TemporaryDirectory(prefix="khien-deb-")
        cls.addClassCleanup(cls.scratch.cleanup)
        env = dict(os.environ, KHIEN_BUILT=os.path.dirname(harness.KHIEN), KHIEN_DEB_WORK=cls.scratch.name)
        cls.deb = run(DEB, "9.8.7", env=env).strip().splitlines()[-1]
        cls.root = os.path.join(cls.scratch.name, "root")
        os.makedirs(os.path.join(cls.root, "var/lib/dpkg/updates"))
        for name in ("status", "available"):
            open(os.path.join(cls.root, "var/lib/dpkg", name), "w", encoding="utf-8").close()
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", cls.deb], stdout=subprocess.PIPE) as tar:
            with tarfile.open(fileobj=tar.stdout, mode="r|") as archive:
                cls.members = {m.name.removeprefix("./"): m for m in archive}
        cls.control = os.path.join(cls.scratch.name, "control")
        run("dpkg-deb", "--control", cls.deb, cls.control)
        cls.unpacked = os.path.join(cls.scratch.name, "unpacked")
        run("dpkg-deb", "--extract", cls.deb, cls.unpacked)

    def read(self, *parts):
        with open(os.path.join(*parts), encoding="utf-8") as file:
            return file.read()

    def test_holds_what_it_should(self):
        wanted = ["usr/bin/khien", "etc/khien/khien.yaml", UNIT, "usr/lib/sysusers.d/khien.conf",
                  "usr/lib/tmpfiles.d/khien.conf", "usr/share/bash-completion/completions/khien",
                  "usr/share/doc/khien/copyright", "usr/share/doc/khien/changelog.gz", *(f"usr/share/man/man1/{page}.1.gz" for page in MAN)]
        self.assertEqual([n for n in wanted if n not in self.members], [])
        rules = [n for n in self.members if n.startswith("usr/share/khien/rules/") and n.endswith(".yml")]
        ours = [os.path.join(at, n) for at, _, names in os.walk(os.path.join(harness.ROOT, "rules")) for n in names
                if n.endswith(".yml")]
        self.assertEqual(len(rules), len(ours))

    def test_holds_nothing_else(self):
        for name in self.members:
            if self.members[name].isdir():
                continue
            self.assertTrue(name.startswith(("usr/bin/khien", "usr/share/khien/", "usr/share/man/man", "usr/share/doc/khien/",
                                             "usr/share/bash-completion/", "usr/lib/sysusers.d/khien", "etc/khien/",
                                             "usr/lib/tmpfiles.d/khien", UNIT)), name)
            self.assertNotRegex(name, r"/(hit|miss)/")

    def test_owners_and_modes(self):
        for name, m in self.members.items():
            self.assertEqual((m.uid, m.gid), (0, 0), name)
            self.assertFalse(m.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | 0o022), f"{name}: {m.mode:o}")
            if m.isfile():
                self.assertEqual(m.mode, 0o755 if name == "usr/bin/khien" else 0o644, name)

    def test_control(self):
        about = run("dpkg-deb", "--field", self.deb)
        self.assertIn("\nVersion: 9.8.7\n", about)
        for library in ("libc6", "libsqlite3-0", "libzstd1", "libgnutls30", "libmicrohttpd"):
            self.assertIn(library, about)
        self.assertEqual(self.read(self.control, "conffiles").split(), ["/etc/khien/khien.yaml"])

    def test_maintainer_scripts(self):
        for name in ("postinst", "prerm", "postrm"):
            text = self.read(self.control, name)
            self.assertNotIn("#DEBHELPER#", text)
            run("sh", "-n", os.path.join(self.control, name))
        postinst, postrm = self.read(self.control, "postinst"), self.read(self.control, "postrm")
        # Accounts before the folders that are theirs, folders before the service that needs them.
        steps = [postinst.index(s) for s in ("systemd-sysusers", "systemd-tmpfiles", "deb-systemd-invoke")]
        self.assertEqual(steps, sorted(steps))
        self.assertIn("-d /run/systemd/system", postinst)
        self.assertIn('"$1" = purge', postrm)

    def test_postrm_spares_data_unless_purged(self):
        """Its first block, against a folder of our own."""
        data = os.path.join(self.scratch.name, "data")
        text = self.read(self.control, "postrm").replace("/var/lib/khien", data).split("# Automatically added")[0]
        for action, stays in (("remove", True), ("upgrade", True), ("abort-install", True), ("purge", False), ("purge", False)):
            if stays:
                os.makedirs(os.path.join(data, "hub"), exist_ok=True)
            said = run("sh", "-c", text, "postrm", action)
            self.assertEqual(os.path.isdir(data), stays, action)
        self.assertNotIn("removing", said)

    def test_configuration_is_valid(self):
        path = os.path.join(self.unpacked, "etc/khien/khien.yaml")
        self.assertIn("hub", self.read(path))
        run(harness.KHIEN, "check", path)

    def test_unit(self):
        text = self.read(self.unpacked, UNIT)
        for line in ("Type=notify", "Restart=always", "NoNewPrivileges=yes", "StateDirectory=khien", "ProtectSystem=strict"):
            self.assertIn(f"\n{line}\n", text)
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        said = run("systemd-analyze", "verify", "--man=no", os.path.join(self.unpacked, UNIT), ok=(0, 1))
        wrong = [s for s in said.splitlines() if "khien" in s and "/usr/bin/khien is not executable" not in s]
        self.assertEqual(wrong, [])

    def test_accounts_can_be_made(self):
        if not shutil.which("systemd-sysusers") or os.geteuid() != 0:
            self.skipTest("it needs systemd-sysusers, and root")
        run("systemd-sysusers", "--root", self.unpacked, "khien.conf")
        accounts = self.read(self.unpacked, "etc/passwd")
        for user in ("khien", "khien-front"):
            self.assertRegex(accounts, rf"(?m)^{user}:.*nologin$")

    def test_unpacks_into_a_root(self):
        if os.geteuid() != 0:
            self.skipTest("dpkg unpacks for root only")
        run("dpkg", "--root", self.root, "--force-depends", "--unpack", self.deb)
        self.assertIn("9.8.7", run("dpkg-query", "--admindir", os.path.join(self.root, "var/lib/dpkg"), "-W", "khien"))
        # A conffile is put in place when it is configured; until then it is beside it.
        self.assertTrue(os.path.exists(os.path.join(self.root, "etc/khien/khien.yaml.dpkg-new")))
        self.assertTrue(os.access(os.path.join(self.root, "usr/bin/khien"), os.X_OK))


class Machine:
    """A Debian of its own below a folder. Mounts are made in a namespace of each command and go with it."""

    def __init__(self, root):
        self.root = root
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
        run("debootstrap", "--variant=minbase", suite, root, first[0][0])
        self.write("etc/apt/sources.list", "".join(f"deb {' '.join(line)}\n" for line in lines))
        self.write("etc/apt/apt.conf.d/90here", "".join(
            line + "\n" for line in run("apt-config", "dump").splitlines()
            if line.startswith(("Acquire::http::", "Acquire::https::")) and not line.endswith('"";')))
        # No systemd runs here: services are not to be started.
        self.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)

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
        return ["unshare", "--mount", *alone, "sh", "-ec", script, "sh", "net" if network else "own", self.root,
                "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *words]

    def run(self, *words, **more):
        return run(*self.words(*words), **more)

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
                yield lambda *words: run("nsenter", "--target", str(hub.pid), "--mount", "--net", "chroot", self.root,
                                         "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *words)
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
        return [n for n in found if not n.startswith(("/var/log/", "/var/cache/"))]


class Installed(unittest.TestCase):
    """From nothing to purged, one after the other."""

    def have(self, hub, word, beyond=60):
        for _ in range(beyond):
            found = hub("khien", "find", "--json", word)
            if word in found:
                return json.loads(found.splitlines()[0])
            time.sleep(0.5)
        return self.fail(f"'{word}' is not found")

    def install(self, machine, deb, *options):
        shutil.copy(deb, machine.path("root/khien.deb"))
        return machine.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *options, "/root/khien.deb")

    def check_installed(self, m):
        m.run("khien", "check")
        self.assertEqual(m.run("stat", "-c", "%U:%G %a", "/var/lib/khien/hub").strip(), "khien:khien 750")
        self.assertEqual(m.run("stat", "-c", "%U:%G %a", "/var/lib/khien").strip(), "root:root 755")
        for user in ("khien", "khien-front"):
            self.assertIn("nologin", m.run("getent", "passwd", user))
        self.assertTrue(os.path.islink(m.path("etc/systemd/system/multi-user.target.wants/khien-hub.service")))

    def test_life(self):
        with tempfile.TemporaryDirectory(prefix="khien-deb-") as scratch:
            debs = [run(DEB, version).strip().splitlines()[-1] for version in ("0.0.1~test1", "0.0.1~test2")]
            self.addCleanup(lambda: [os.unlink(d) for d in debs])
            m = Machine(os.path.join(scratch, "root"))
            m.run("apt-get", "update", "-q")
            self.install(m, debs[0])
            self.check_installed(m)
            with m.hub() as hub:
                hub("bash", "-c", f"echo '<38>Nov 22 10:00:00 gate sshd[7]: {WORD}' >/dev/udp/127.0.0.1/5514")
                self.assertEqual(self.have(hub, WORD)["host.name"], "gate")
            before = m.run("sh", "-c", "echo '# ours' >>/etc/khien/khien.yaml; cat /etc/khien/khien.yaml")

            said = self.install(m, debs[1])
            self.assertIn("test2", m.run("dpkg-query", "-W", "khien"))
            self.assertNotIn("removing", said)
            self.check_installed(m)
            self.assertEqual(m.run("cat", "/etc/khien/khien.yaml"), before)
            with m.hub() as hub:
                self.have(hub, WORD)

            m.run("apt-get", "remove", "-y", "-q", "khien")
            self.assertTrue(os.path.isdir(m.path("var/lib/khien/hub")))
            said = m.run("apt-get", "purge", "-y", "-q", "khien")
            self.assertIn("removing all events", said)
            self.assertEqual(m.named_khien(), [])
            self.assertEqual(m.run("dpkg", "--audit"), "")


def main():
    if "--chroot" not in sys.argv:
        harness.need_program()
        return unittest.main(defaultTest="Inside", verbosity=2)
    sys.argv.remove("--chroot")
    for need in ("debootstrap", "unshare", "nsenter", "ip", "dh"):
        if not shutil.which(need):
            harness.skip(f"no {need}")
    if os.geteuid() != 0:
        harness.skip("it needs root")
    return unittest.main(defaultTest="Installed", verbosity=2)


if __name__ == "__main__":
    main()
