#!/usr/bin/python3
"""The Debian package: deb_test.py [KHIEN] looks into one that holds the program under test; deb_test.py --chroot makes
two real ones and installs, runs, upgrades and purges them in a Debian made for it (root; some minutes; the mirror that
apt is set up with)."""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
import harness  # noqa: E402
from machine import Guest, Machine, NoGuest, run  # noqa: E402

DEB = os.path.join(harness.ROOT, "packaging", "deb")
UNIT, POST_UNIT, KIOSK_UNIT, GATE_UNIT = (f"lib/systemd/system/khien-{name}.service" for name in ("hub", "post", "kiosk", "gate"))
WORD = "chungnhan7x"  # stands in one event
MAN = ("khien", "khien-match", "khien-rules", "khien-watch", "khien-hub", "khien-post", "khien-kiosk", "khien-gate")


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
        wanted = ["usr/bin/khien", "etc/khien/khien.yaml", UNIT, POST_UNIT, KIOSK_UNIT, GATE_UNIT, "usr/lib/sysusers.d/khien.conf",
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
                                             "usr/lib/tmpfiles.d/khien", "usr/lib/khien/", UNIT, POST_UNIT, KIOSK_UNIT, GATE_UNIT)), name)
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


class Installed(unittest.TestCase):
    """From nothing to purged, one after the other."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="khien-deb-")
        cls.addClassCleanup(scratch.cleanup)
        cls.debs = [run(DEB, version).strip().splitlines()[-1] for version in ("0.0.1~test1", "0.0.1~test2")]
        cls.addClassCleanup(lambda: [os.unlink(deb) for deb in cls.debs])
        cls.fresh = Machine(os.path.join(scratch.name, "fresh"))
        cls.fresh.install()
        cls.fresh.take(cls.debs[0])
        cls.scratch = scratch.name

    def machine(self):
        root = os.path.join(self.scratch, "root")
        self.addCleanup(shutil.rmtree, root)
        return self.fresh.copy(root)

    def until(self, holds, beyond=60, why=lambda: "never"):
        end = time.monotonic() + beyond
        while not holds():
            self.assertLess(time.monotonic(), end, why())
            time.sleep(0.2)

    def have(self, run_in, word, beyond=60):
        """The event with the word, once it is there."""
        found = []
        self.until(lambda: found.append(run_in("khien", "find", "--json", word, ok=(0, 1))) or word in found[-1], beyond,
                   lambda: f"'{word}' is not found")
        return json.loads(next(line for line in found[-1].splitlines() if line.startswith("{")))

    def install(self, run_in, machine, deb):
        shutil.copy(deb, machine.path("root/khien.deb"))
        return run_in("apt-get", "install", "-y", "-q", "--no-install-recommends", "/root/khien.deb")

    def check_installed(self, m):
        m.run("khien", "check")
        for folder in ("khien", "khien/hub"):  # of root, so that the hub's parts can't change whose their folders are
            self.assertEqual(m.run("stat", "-c", "%U:%G %a", "/var/lib/" + folder).strip(), "root:root 755")
        for user in ("khien", "khien-front"):
            self.assertIn("nologin", m.run("getent", "passwd", user))
        self.assertTrue(os.path.islink(m.path("etc/systemd/system/multi-user.target.wants/khien-hub.service")))

    def check_purged(self, run_in, m):
        run_in("apt-get", "remove", "-y", "-q", "khien")
        self.assertTrue(os.path.isdir(m.path("var/lib/khien/hub")))
        said = run_in("apt-get", "purge", "-y", "-q", "khien")
        self.assertIn("removing all events", said)
        self.assertEqual(m.named_khien(), [])
        self.assertEqual(m.run("dpkg", "--audit"), "")

    def test_without_systemd(self):
        """As in a container's image: services are not to be started."""
        m = self.machine()
        m.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        self.install(m.run, m, self.debs[0])
        self.check_installed(m)
        with m.hub() as hub:
            hub("bash", "-c", f"echo '<38>Nov 22 10:00:00 gate sshd[7]: {WORD}' >/dev/udp/127.0.0.1/5514")
            self.assertEqual(self.have(hub, WORD)["host.name"], "gate")
        before = m.run("sh", "-c", "echo '# ours' >>/etc/khien/khien.yaml; cat /etc/khien/khien.yaml")

        said = self.install(m.run, m, self.debs[1])
        self.assertIn("test2", m.run("dpkg-query", "-W", "khien"))
        self.assertNotIn("removing", said)
        self.check_installed(m)
        self.assertEqual(m.run("cat", "/etc/khien/khien.yaml"), before)
        with m.hub() as hub:
            self.have(hub, WORD)
        self.check_purged(m.run, m)

    # --- under a systemd that runs ---

    def test_with_systemd(self):
        m = self.machine()
        try:
            with Guest(m) as guest:
                self.life(guest, m)
        except NoGuest as e:
            self.skipTest(f"systemd can't run as process 1 of a name space here: {e}")

    def life(self, guest, m):
        self.install(guest.run, m, self.debs[0])
        self.check_installed(m)
        self.check_started(guest)
        self.check_bounds(guest)
        self.check_journal(guest)
        self.check_reload(guest)
        self.check_killed(guest)
        self.check_hangs(guest)
        before = guest.unit("khien-hub", "MainPID")

        said = self.install(guest.run, m, self.debs[1])
        self.assertNotIn("removing", said)
        self.assertEqual(guest.unit("khien-hub", "ActiveState"), "active")
        self.assertNotEqual(guest.unit("khien-hub", "MainPID"), before)
        self.have(guest.run, WORD)
        self.check_stopped(guest)

        self.check_purged(guest.run, m)
        self.assertEqual(guest.unit("khien-hub", "LoadState"), "not-found")
        self.assertEqual(guest.sh("cat /proc/[0-9]*/comm | grep khien", ok=(1,)), "")

    def check_started(self, guest):
        """It takes events when systemd says that it is started: neither the connection nor the datagram is tried twice."""
        self.assertEqual(guest.unit("khien-hub", "ActiveState"), "active")
        self.assertEqual(guest.unit("khien-hub", "UnitFileState"), "enabled")
        guest.sh("systemctl restart khien-hub; : >/dev/tcp/127.0.0.1/9200; "
                 f"echo '<38>Nov 22 10:00:00 gate sshd[7]: {WORD}' >/dev/udp/127.0.0.1/5514")
        self.assertEqual(self.have(guest.run, WORD)["host.name"], "gate")
        self.assertEqual(guest.unit("khien-hub", "StatusText"), "taking events")

    def check_bounds(self, guest):
        """The unit's, by systemd's own count of what is open; and each process keeps only what it needs."""
        said = guest.run("systemd-analyze", "security", "--no-pager", "--threshold=30", "khien-hub.service", ok=(0, 1))
        self.assertRegex(said, r"exposure level for khien-hub.service: [0-2]\.\d|exposure level .*: 3\.0", said[-300:])
        parts = guest.processes("khien-hub")
        for name, users in (("khien", {"root"}), ("khien: keeper", {"khien"}), ("khien: front", {"khien-front"}),
                            ("khien: searcher", {"khien"}),
                            ("journalctl", {"nobody"})):
            self.assertIn(name, parts)
            status = guest.run("cat", *(f"/proc/{pid}/status" for pid in parts[name]))
            uids = set(re.findall(r"^Uid:\t(\d+)\t", status, re.M))
            self.assertEqual({guest.run("getent", "passwd", uid).split(":")[0] for uid in uids}, users, name)
            self.assertEqual(set(re.findall(r"^(?:NoNewPrivs|Seccomp):\t(\d)", status, re.M)), {"1", "2"}, name)
            if users != {"root"}:
                self.assertEqual(set(re.findall(r"^Cap(?:Eff|Prm|Amb):\t(\w+)", status, re.M)), {"0" * 16}, name)

    def check_journal(self, guest):
        """It reads the machine's, which has what it says itself: nothing to worry about."""
        said = guest.run("journalctl", "--no-pager", "--output=cat", "--unit=khien-hub")
        self.assertEqual(said.count("event=ready"), 2, said)
        self.assertNotRegex(said, "level=(warning|error)")
        guest.run("systemd-cat", "--identifier=sshd", "echo", "Failed password for root from 203.0.113.9 port 4022 ssh2 q7x")
        self.assertEqual(self.have(guest.run, "q7x")["khien.source"], "journal")

    def check_reload(self, guest):
        before = guest.unit("khien-hub", "MainPID")
        guest.run("systemctl", "reload", "khien-hub")
        self.until(lambda: "event=reloaded" in guest.run("journalctl", "--no-pager", "--output=cat", "--unit=khien-hub"))
        self.assertEqual(guest.unit("khien-hub", "MainPID"), before)

    def starts_anew(self, guest, times):
        """All of it, once, and it takes events."""
        self.until(lambda: guest.unit("khien-hub", "NRestarts") == str(times) and
                   guest.unit("khien-hub", "ActiveState") == "active", 90,
                   lambda: guest.run("systemctl", "status", "--no-pager", "khien-hub", ok=range(5)))
        parts = guest.processes("khien-hub")
        self.assertEqual({name: len(pids) for name, pids in parts.items() if name.startswith("khien")},
                         {name: 1 for name in parts if name.startswith("khien")})
        self.have(guest.run, WORD)

    def check_killed(self, guest):
        """Of the main process systemd takes care, of the others the main process."""
        guest.run("bash", "-c", f"kill -9 {guest.unit('khien-hub', 'MainPID')}")
        self.starts_anew(guest, 1)
        main, keeper = guest.unit("khien-hub", "MainPID"), guest.processes("khien-hub")["khien: keeper"]
        guest.run("bash", "-c", f"kill -9 {keeper[0]}")
        self.until(lambda: guest.processes("khien-hub").get("khien: keeper", keeper) != keeper)
        self.starts_anew(guest, 1)
        self.assertEqual(guest.unit("khien-hub", "MainPID"), main)

    def check_hangs(self, guest):
        """It is heard of often enough, and killed when it isn't."""
        guest.sh("mkdir -p /run/systemd/system/khien-hub.service.d; cd /run/systemd/system/khien-hub.service.d; "
                 "printf '[Service]\\nWatchdogSec=5\\n' >quick.conf; systemctl daemon-reload; systemctl restart khien-hub")
        main = guest.unit("khien-hub", "MainPID")
        time.sleep(8)
        self.assertEqual(guest.unit("khien-hub", "MainPID"), main)
        before = int(guest.unit("khien-hub", "NRestarts"))
        guest.run("bash", "-c", f"kill -STOP {main}")
        self.starts_anew(guest, before + 1)
        self.assertIn("Watchdog timeout", guest.run("journalctl", "--no-pager", "--output=cat", "--unit=khien-hub"))

    def check_stopped(self, guest):
        guest.run("systemctl", "stop", "khien-hub")
        self.assertEqual((guest.unit("khien-hub", "ActiveState"), guest.unit("khien-hub", "Result")), ("inactive", "success"))
        self.assertEqual(guest.processes("khien-hub"), {})
        guest.run("systemctl", "start", "khien-hub")


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
