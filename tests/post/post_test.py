#!/usr/bin/python3
"""Posts and a hub over links that fail: what a post has acknowledged reaches the hub, once.

Where this runs as root each is in a network namespace of its own, with delay and loss by tc netem if the kernel has it;
else on loopback. Links that are slow, cut off in the middle of a request or an answer, are a proxy's here in any case.
"""
import os
import pathlib
import pwd
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
SHIM = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 and sys.argv[2].endswith(".so") else None
import harness  # noqa: E402
from alive import runs  # noqa: E402
from posting import SLOW, Hub, Post, free_port, run  # noqa: E402

KHIEN = harness.KHIEN


class Fault:
    """What the shim of tests/fault reads: a disk that fails, a clock that jumps."""

    def __init__(self, path):
        self.path = path
        self.set()
        self.env = {"LD_PRELOAD": SHIM, "KHIEN_FAULT": str(path),
                    "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}

    def set(self, writes=0, syncs=0, clock_s=0):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=iiqQ", writes, syncs, clock_s, 0))


class Link(threading.Thread):
    """A port that leads to another: late, and cut off whenever `cuts` says so, both ways."""

    def __init__(self, to, cuts=0.0, delay=0.0, seed=1):
        super().__init__(daemon=True)
        self.to, self.cuts, self.delay = to, cuts, delay
        self.random = random.Random(seed)
        self.down = False
        self.made = self.cut = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.start()

    def run(self):
        while True:
            near, _ = self.listening.accept()
            self.made += 1
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        try:
            if self.down:
                return
            with socket.create_connection(self.to, timeout=5) as far:
                while True:
                    ready, _, _ = select.select([near, far], [], [], 0.2)
                    if self.down:
                        return
                    for side in ready:
                        got = side.recv(8192)
                        if not got:
                            return
                        if self.random.random() < self.cuts:
                            self.cut += 1
                            got = got[: self.random.randrange(len(got))]
                            (far if side is near else near).sendall(got)
                            return
                        time.sleep(self.delay)
                        (far if side is near else near).sendall(got)
        except OSError:
            pass
        finally:
            near.close()


class Writer:
    """Lines, each another, into a file."""

    def __init__(self, path, name="web1"):
        self.path, self.name, self.n = path, name, 0
        self.random = random.Random(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def line(self):
        self.n += 1
        return (f"<38>1 {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {self.name} sshd {self.n} - - "
                f"Failed password for user{self.random.randrange(10 ** 9)} from 203.0.113.9 port {self.n % 60000} ssh2\n")

    def write(self, n):
        with open(self.path, "a", encoding="ascii") as file:
            file.write("".join(self.line() for _ in range(n)))

    def rotate(self):
        self.path.rename(self.path.with_name(self.path.name + ".1"))
        self.path.write_bytes(b"")


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="khien-post-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def until(self, what, seconds=60, every=0.2):
        end = time.monotonic() + seconds * SLOW
        while not what():
            self.assertLess(time.monotonic(), end, "it took too long")
            time.sleep(every)

    def all_arrive(self, hub, n, seconds=90):
        """So many events, none twice."""
        self.until(lambda: hub.count() >= n, seconds, 1)
        self.assertEqual(hub.count(), n)


class OneHost(Base):
    def test_files_rotations_and_syslog(self):
        log = Writer(self.dir / "log" / "auth.log")
        port = free_port()
        with Hub(KHIEN, self.dir / "hub") as hub, Post(
                KHIEN, self.dir / "post", hub, "web1", [log.path], more=["--syslog", f"127.0.0.1:{port}"]) as post:
            post.wait_for("ready")
            time.sleep(0.5)
            log.write(500)
            time.sleep(1.5)
            log.rotate()
            log.write(500)
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(b"".join(b"<13>1 2026-11-22T10:00:00Z web1 app - - - line %d\n" % i for i in range(100)))
            self.all_arrive(hub, 1100)
            one = hub.events("sshd")[0]
            self.assertEqual((one["host.name"], one["log.file.path"], one["event.dataset"]),
                             ("web1", str(log.path), "linux.auth"))
            self.assertEqual(post.stop(), 0)

    def test_cut_links(self):
        """Requests and answers that are cut off anywhere, late, and a link that is down for a while."""
        log = Writer(self.dir / "log" / "auth.log")
        with Hub(KHIEN, self.dir / "hub") as hub:
            link = Link((hub.address, hub.port), cuts=0.05, delay=0.005)
            with Post(KHIEN, self.dir / "post", hub, "web1", [log.path], hubs=[f"127.0.0.1:{link.port}"]) as post:
                post.wait_for("ready")
                time.sleep(0.7)
                for i in range(12):
                    log.write(1000)
                    time.sleep(0.5)
                    link.down = 4 <= i < 8
                link.cuts = 0.01
                self.all_arrive(hub, log.n)
                self.assertGreater(link.cut, 0)
                status = post.status()
                self.assertEqual((status["lost_events"], status["rejected"]), (0, 0))

    def test_second_hub(self):
        """The first is gone: the second gets all that the first had not acknowledged."""
        log = Writer(self.dir / "log" / "auth.log")
        first = Hub(KHIEN, self.dir / "first").start()
        self.addCleanup(first.stop)
        shutil.copytree(self.dir / "first" / "pki", self.dir / "second" / "pki")
        with Hub(KHIEN, self.dir / "second") as second:
            post = Post(KHIEN, self.dir / "post", first, "web1", [log.path],
                        hubs=[f"127.0.0.1:{h.port}" for h in (first, second)])
            post.by_hand()
            token = second.add_token(post.data)
            with post:
                post.wait_for("ready")
                time.sleep(0.7)
                log.write(300)
                self.all_arrive(first, 300)
                first.stop()
                log.write(700)
                token()
                post.stop()
            with post:
                self.all_arrive(second, 700)

    def test_bound(self):
        """Too much for the spool: the oldest goes, and how much is told, to the event."""
        log = Writer(self.dir / "log" / "auth.log")
        hub = Hub(KHIEN, self.dir / "hub").start()
        self.addCleanup(lambda: hub.stop())
        with Post(KHIEN, self.dir / "post", hub, "web1", [log.path], spool="1 MB") as post:
            post.wait_for("ready")
            time.sleep(0.7)
            hub.stop()
            for _ in range(40):
                log.write(5000)
                time.sleep(0.3)
            self.until(lambda: post.status().get("read", 0) >= log.n)
            hub.start()
            self.until(lambda: post.status().get("spool_events", 1) == 0 and post.status().get("reached"))
            told = hub.events("--dataset", "khien.post")
            lost = sum(e["lost.events"] for e in told)
            self.assertGreater(lost, 0)
            self.assertEqual(hub.count() - len(told) + lost, log.n)
            self.assertEqual(post.status()["lost_events"], lost)


class Hurt(Base):
    """Killed, and with a disk that fails."""

    def test_kills(self):
        """kill -9 of post and hub, in turn, while lines are written."""
        log = Writer(self.dir / "log" / "auth.log")
        hub = Hub(KHIEN, self.dir / "hub").start()
        post = Post(KHIEN, self.dir / "post", hub, "web1", [log.path]).start()
        self.addCleanup(hub.stop)
        self.addCleanup(lambda: post.stop())
        post.wait_for("ready")
        time.sleep(0.7)
        for i in range(4):
            for _ in range(10):
                log.write(200)
                time.sleep(0.1)
            if i % 2:
                hub.kill()
                log.write(1000)
                time.sleep(1)
                hub.start()
            else:
                post.kill()
                log.write(1000)
                post.start()
        self.all_arrive(hub, log.n)

    def test_parent_gone(self):
        """Whoever started the worker is killed alone: the worker ends, and another post can begin."""
        log = Writer(self.dir / "log" / "auth.log")
        with Hub(KHIEN, self.dir / "hub") as hub:
            post = Post(KHIEN, self.dir / "post", hub, "web1", [log.path]).start()
            post.wait_for("ready")
            family = post.family()
            os.kill(post.pid, signal.SIGKILL)
            post.process.wait(20)
            self.until(lambda: not any(map(runs, family)), 20)
            with post:
                log.write(10)
                self.all_arrive(hub, 10)

    @unittest.skipUnless(SHIM, "SKIP: the shim of tests/fault was not named")
    def test_full_disk(self):
        """A disk that is full, fails to sync, is read-only, for a while each: the files wait."""
        log = Writer(self.dir / "log" / "auth.log")
        fault = Fault(self.dir / "fault")
        with Hub(KHIEN, self.dir / "hub") as hub, Post(
                KHIEN, self.dir / "post", hub, "web1", [log.path], env=fault.env) as post:
            post.wait_for("ready")
            time.sleep(0.7)
            for kind in {"writes": 28}, {"syncs": 5}, {"writes": 30}:
                log.write(1000)
                time.sleep(0.3)
                fault.set(**kind)
                for _ in range(5):
                    log.write(1000)
                    time.sleep(0.4)
                fault.set()
            self.all_arrive(hub, log.n)


@unittest.skipUnless(os.geteuid() == 0, "needs root, which it gives up")
class AsRoot(Base):
    """As packaged: root starts it, and what is written belongs to somebody who is not."""

    def test_gives_up_root(self):
        user = pwd.getpwnam("daemon")
        self.dir.chmod(0o755)
        log = Writer(self.dir / "log" / "auth.log")
        with Hub(KHIEN, self.dir / "hub") as hub:
            post = Post(KHIEN, self.dir / "post", hub, "web1", [log.path], spool="1 MB")
            post.data.mkdir(mode=0o700)
            os.chown(post.data, user.pw_uid, user.pw_gid)
            for n in 100, 200:  # made, and found again
                with post:
                    post.wait_for("ready")
                    log.write(100)
                    self.all_arrive(hub, n)
                    self.until(lambda: post.status().get("sent"))
                    ids = {}
                    for pid in post.family():
                        status = pathlib.Path(f"/proc/{pid}/status").read_text()
                        ids.setdefault(status.split("Name:\t")[1].split("\n")[0], []).append(
                            int(status.split("Uid:\t")[1].split()[0]))
                self.assertEqual(ids["khien: post"], [user.pw_uid])
                self.assertEqual(ids["khien: dialer"], [pwd.getpwnam("nobody").pw_uid])
                self.assertEqual(ids["khien-opener"], [0])
                made = list(post.data.rglob("*"))
                self.assertTrue(any(m.parent.name == "spool" for m in made))
                self.assertEqual({m.stat().st_uid for m in made}, {user.pw_uid})


class Orders(Base):
    """What a hub has a post do, and what it can't."""

    def setUp(self):
        super().setUp()
        self.log = Writer(self.dir / "log" / "auth.log")
        self.hub = Hub(KHIEN, self.dir / "hub").start()
        self.addCleanup(self.hub.stop)
        self.post = Post(KHIEN, self.dir / "post", self.hub, "web1", [self.log.path],
                         below=[self.dir / "more"])
        (self.dir / "more").mkdir()
        self.post.start()
        self.addCleanup(self.post.stop)
        self.post.wait_for("ready")

    def ends(self, state, *words):
        order = self.hub.order("web1", *words)
        self.until(lambda: self.hub.order_state(order) == state, 20)
        return order

    def test_simple_ones(self):
        self.ends("done", "ping")
        self.ends("done", "status")
        before = (self.post.data / "identity").read_text()
        self.ends("done", "renew")
        self.assertNotEqual((self.post.data / "identity").read_text(), before)
        self.log.write(100)
        self.all_arrive(self.hub, 100)

    def test_follow(self):
        """A file below the folders permitted, and no other; also after a restart, until it is taken back."""
        more = Writer(self.dir / "more" / "app.log")
        self.ends("failed", "follow", str(self.log.path.parent / "other.log"))
        self.ends("done", "follow", str(more.path))
        self.post.wait_for("ready")
        time.sleep(0.7)
        more.write(50)
        self.all_arrive(self.hub, 50)
        self.post.kill()
        self.post.start()
        more.write(50)
        self.all_arrive(self.hub, 100)
        secret = self.dir / "secret.log"
        secret.write_text("not for the hub\n" * 5)
        (self.dir / "more" / "link.log").symlink_to(secret)
        (self.dir / "more" / "way").symlink_to(self.dir)
        for path in "link.log", "way/secret.log":
            self.ends("done", "follow", str(self.dir / "more" / path))
            self.post.wait_for("ready")
        time.sleep(0.7)
        with secret.open("a") as f:
            f.write("nor is this\n" * 5)
        for path in "link.log", "way/secret.log":
            self.ends("done", "unfollow", str(self.dir / "more" / path))
            self.post.wait_for("ready")
        self.ends("done", "unfollow", str(more.path))
        self.post.wait_for("ready")
        time.sleep(0.7)
        more.write(50)
        self.log.write(10)
        self.all_arrive(self.hub, 110)

    def test_destructive(self):
        """Only with the approval of somebody whom this machine trusts: the hub's word alone does nothing."""
        (self.dir / "phrase").write_text("correct horse battery\n")
        key, phrase = self.dir / "an.key", ["--passphrase", self.dir / "phrase"]
        public = run(KHIEN, "order", "key", "--name", "An", *phrase, key).stdout.split()[0]
        self.hub.stop()
        run(KHIEN, "order", "approver", "add", "--data", self.hub.data, public, "An")
        self.hub.start()

        def approved(*words):
            order = self.hub.order("web1", *words)
            self.until(lambda: self.hub.order_state(order) == "waits", 20)
            run(KHIEN, "order", "approve", "--yes", "--data", self.hub.data, "--key", key, *phrase, order)
            return order
        order = approved("forget-spool")
        self.until(lambda: self.hub.order_state(order) == "refused", 20)
        run(KHIEN, "post", "approver", "add", "--data", self.post.data, public, "An")
        self.assertIn(public, run(KHIEN, "post", "approver", "list", "--data", self.post.data).stdout)
        order = approved("forget-spool")
        self.until(lambda: self.hub.order_state(order) == "done", 20)
        order = approved("retire")
        self.until(lambda: self.hub.order_state(order) == "done", 20)
        self.assertEqual(self.post.process.wait(20), 2)
        self.assertFalse((self.post.data / "identity").exists())
        run(KHIEN, "post", "approver", "remove", "--data", self.post.data, "An")
        self.assertEqual(run(KHIEN, "post", "approver", "list", "--data", self.post.data).stdout, "")

    def test_revoked(self):
        """From then on nothing comes in; what it has stays with it, until it is enrolled anew."""
        self.log.write(20)
        self.all_arrive(self.hub, 20)
        self.post.stop()
        run(KHIEN, "hub", "posts", "revoke", "--data", self.hub.data, "web1", "--why", "stolen")
        time.sleep(1.5 * SLOW)  # the hub hears of it within a second
        self.log.write(20)
        with self.post:
            self.post.wait_for("hub-refuses")
        self.assertEqual(self.hub.count(), 20)
        (self.post.data / "identity").unlink()
        with self.post:
            self.all_arrive(self.hub, 40)


def have_namespaces():
    return os.geteuid() == 0 and shutil.which("ip") and subprocess.run(
        ["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


@unittest.skipUnless(have_namespaces(), "SKIP: network namespaces want root")
class Network(Base):
    """A hub and three posts, each in a namespace, with a link of its own to the hub's."""
    POSTS = 3

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def setUp(self):
        super().setUp()
        tag = f"k{os.getpid() % 10000}"
        self.spaces = [f"{tag}h"] + [f"{tag}p{i}" for i in range(1, self.POSTS + 1)]
        for space in self.spaces:
            self.ip("netns", "add", space)
            self.addCleanup(subprocess.run, ["ip", "netns", "del", space], check=False)
            self.ip("-n", space, "link", "set", "lo", "up")
        for i, space in enumerate(self.spaces[1:], 1):
            self.ip("-n", self.spaces[0], "link", "add", f"v{i}", "type", "veth", "peer", "name", "e0", "netns", space)
            for where, name, address in (self.spaces[0], f"v{i}", f"10.77.{i}.1/24"), (space, "e0", f"10.77.{i}.2/24"):
                self.ip("-n", where, "addr", "add", address, "dev", name)
                self.ip("-n", where, "link", "set", name, "up")

    def netem(self):
        """Loss and delay on each post's link, both ways, where the kernel can."""
        for i in range(1, self.POSTS + 1):
            for space, name in (self.spaces[0], f"v{i}"), (self.spaces[i], "e0"):
                done = subprocess.run(["ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", name, "root", "netem",
                                       "delay", "40ms", "20ms", "loss", "3%"], capture_output=True, text=True, check=False)
                if done.returncode:
                    print(f"SKIP: delay and loss by netem: {done.stderr.strip()}", file=sys.stderr)
                    return

    def link(self, i, up):
        self.ip("-n", self.spaces[0], "link", "set", f"v{i}", "up" if up else "down")

    def test_an_hour_without_hub(self):
        """Links are cut, the hub is away for an hour of everybody's clock, posts and hub are killed: nothing is lost."""
        fault = Fault(self.dir / "fault") if SHIM else None
        how = {"env": fault.env} if fault else {}
        hub = Hub(KHIEN, self.dir / "hub", address="0.0.0.0", namespace=self.spaces[0], port=9200,
                  names=[f"10.77.{i}.1" for i in range(1, self.POSTS + 1)], **how).start()
        self.addCleanup(lambda: hub.stop())
        logs = [Writer(self.dir / f"log{i}" / "auth.log", f"web{i}") for i in range(self.POSTS)]
        posts = [Post(KHIEN, self.dir / f"post{i}", hub, f"web{i}", [log.path], namespace=self.spaces[i + 1],
                      hubs=[f"10.77.{i + 1}.1:9200"], **how)
                 for i, log in enumerate(logs)]
        self.netem()
        for post in posts:
            post.start()
            self.addCleanup(post.stop)
            post.wait_for("ready")
        time.sleep(0.7)

        def write(times):
            for _ in range(times):
                for log in logs:
                    log.write(300)
                time.sleep(0.2)
        write(10)
        self.link(1, False)
        write(10)
        self.link(1, True)
        self.link(2, False)
        posts[2].kill()
        write(5)
        posts[2].start()
        self.link(2, True)
        hub.kill()
        for minute in range(0, 61, 10):
            if fault:
                fault.set(clock_s=minute * 60)
            write(3)
        posts[0].kill()
        posts[0].start()
        write(5)
        hub.start()
        write(10)
        total = sum(log.n for log in logs)
        self.all_arrive(hub, total, 150)
        for i, log in enumerate(logs):
            self.assertEqual(hub.count(f"host.name:web{i}"), log.n)


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
