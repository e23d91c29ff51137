#!/usr/bin/python3
"""Power cuts: a hub in a guest is cut off while it takes events, and after each cut everything that it acknowledged is
there, once, byte for byte. power.py KHIEN [--seed N] [--cuts N] [--kernel FILE] [--options MOUNT]

The guest has Debian's kernel and an ext4 disk. To cut, qemu is killed: what the guest's kernel had not written is gone.
What it had written since the disk was flushed last, a disk with a cache of its own may lose too: qemu logs all writes,
and the disk of the next boot is made of that log, with a random part of the unflushed blocks left out.
"""
import argparse
import glob
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "khien-test", "kernel")
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")
LANES = 3
DISK = 4 << 30
BLOCK = 4096  # what a disk writes whole or not at all
BOOT = 240  # seconds; without KVM it is slow
RULES = "title: Every event\nid: 00000000-0000-4000-8000-000000000009\nlevel: informational\n" \
        "logsource: {category: test}\ndetection: {selection: {mark: '*'}, condition: selection}\n"


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


# --- the guest ---


def unpack_kernel():
    """Debian's smallest kernel, in the cache; its folder."""
    os.makedirs(CACHE, exist_ok=True)
    if not glob.glob(CACHE + "/boot/vmlinuz-*"):
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=False)
        names = [w for w in depends.stdout.split() if w.startswith("linux-image-") and w != "linux-image-cloud-amd64"]
        done = names and subprocess.run(["apt-get", "download", "-q", names[0]], cwd=CACHE, capture_output=True, text=True,
                                        check=False)
        if not names or done.returncode:
            skip(f"no kernel for a guest: {done.stderr.strip() if names else 'apt knows no linux-image-cloud-amd64'}")
        for package in glob.glob(CACHE + "/*.deb"):
            subprocess.run(["dpkg", "-x", package, CACHE], check=True)
            os.unlink(package)
    return max(glob.glob(CACHE + "/boot/vmlinuz-*"))


def libraries(program):
    """What it needs at run time, with the loader."""
    out = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for line in out.splitlines() for word in line.split() if word.startswith("/")]


def make_root(scratch, khien, kernel):
    """The guest's first file system, which is all of it but for the disk: its path."""
    root = os.path.join(scratch, "root")

    def put(source, to, mode=0o755):
        to = os.path.join(root, to.lstrip("/"))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copyfile(source, to)
        os.chmod(to, mode)

    for folder in ("proc", "sys", "dev", "bin", "etc"):
        os.makedirs(os.path.join(root, folder))
    put(shutil.which("busybox"), "bin/busybox")
    os.symlink("busybox", os.path.join(root, "bin/sh"))
    put(os.path.join(HERE, "guest.sh"), "init")
    put(khien, "bin/khien")
    subprocess.run(["strip", os.path.join(root, "bin/khien")], check=True)
    for library in libraries(khien):
        put(library, library)
    sender = os.path.join(root, "bin/sender")
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-static", "-o", sender, os.path.join(HERE, "sender.c")], check=True)
    version = os.path.basename(kernel).removeprefix("vmlinuz-")
    order = []
    for name in MODULES:
        found = glob.glob(f"{CACHE}/lib/modules/{version}/kernel/**/{name}.ko", recursive=True)
        if found:  # else it is built in
            put(found[0], "modules/" + name + ".ko")
            order.append(name + ".ko")
    for name, text in (("modules/order", "".join(name + "\n" for name in order)), ("rules.yml", RULES), ("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")):
        with open(os.path.join(root, name), "w", encoding="utf-8") as file:
            file.write(text)
    image = os.path.join(scratch, "root.cpio")
    with open(image, "wb") as out:
        names = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=names, stdout=out, stderr=subprocess.DEVNULL, check=True)
    shutil.rmtree(root)
    return image


class Guest:
    """A guest that runs on a copy of the disk, with a log of what it writes to it; its console, line by line."""

    def __init__(self, scratch, kernel, root, disk, words, accel):
        self.work, self.log = os.path.join(scratch, "work.img"), os.path.join(scratch, "writes.log")
        subprocess.run(["cp", "--sparse=always", disk, self.work], check=True)
        with open(self.log, "wb"):
            pass
        # It is qemu that dies, not this machine: the guest's flushes stand in the log, and need not reach a disk here.
        drive = (f"driver=blklogwrites,node-name=d,log-sector-size=512,file.driver=file,file.filename={self.work},"
                 f"file.cache.no-flush=on,log.driver=file,log.filename={self.log},log.cache.no-flush=on")
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", accel, "-cpu", "max", "-m", "1536", "-smp", "2", "-nodefaults",
             "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", kernel, "-initrd", root,
             "-append", "console=ttyS0 quiet panic=-1 rdinit=/init " + words, "-blockdev", drive,
             "-device", "virtio-blk-pci,drive=d,write-cache=on,physical_block_size=4096"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines, self.news = [], threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            # a line that was cut off says nothing
            if line.endswith(b"\n"):
                with self.news:
                    self.lines.append((time.monotonic(), line.decode("utf-8", "replace").rstrip()))
                    self.news.notify_all()
        with self.news:
            self.lines.append((time.monotonic(), "qemu ended"))
            self.news.notify_all()

    def wait_for(self, text):
        """When it said so."""
        end = time.monotonic() + BOOT
        seen = 0
        with self.news:
            while True:
                for at, line in self.lines[seen:]:
                    if line == text:
                        return at
                    if line == "qemu ended" or line.startswith("trouble"):
                        raise AssertionError(f"{line}; waited for {text!r}:\n" + self.said())
                seen = len(self.lines)
                if not self.news.wait(max(0, end - time.monotonic())):
                    raise AssertionError(f"it never said {text!r}:\n" + self.said())

    def said(self):
        return "\n".join(line for _, line in self.lines if not line.startswith(("acked", "have")))

    def cut(self, while_writing=True):
        """Now; or rather just when it writes, which is when there is most to lose."""
        before, end = os.stat(self.log).st_size, time.monotonic() + 2
        while while_writing and os.stat(self.log).st_size == before and time.monotonic() < end:
            time.sleep(0.0002)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        return [line for _, line in self.lines]


# --- the disk ---


def entries(log):
    """(sector, sectors, flags, offset of the data) of what qemu logged, in order. Of those that were under way when it was
    killed, the head may be missing."""
    size = os.fstat(log.fileno()).st_size
    unit, at = 512, 512
    while at + unit <= size:
        log.seek(at)
        head = log.read(unit)
        sector, n, flags, more = struct.unpack_from("<QQQQ", head)
        sane = any(head[:32]) and not any(head[32:]) and flags < 16 and not more and (sector + n) * unit <= DISK
        at += unit
        if not sane:
            continue
        data = 0 if flags & DISCARD else n * unit
        if at + data <= size:
            yield sector, n, flags, at
            at += data


FLUSH, FUA, DISCARD = 1, 2, 4


def after_the_cut(disk, log_name, rng):
    """Brings the disk to what a cut may have left. How many blocks came after the last flush, and how many of them are
    lost."""
    survives = rng.choice((0, 0.25, 0.5, 0.75, 1))
    unflushed = lost = 0
    with open(log_name, "rb") as log, open(disk, "r+b") as to:
        todo = list(entries(log))
        last = max((i for i, e in enumerate(todo) if e[2] & FLUSH), default=-1)
        for i, (sector, n, flags, offset) in enumerate(todo):
            if flags & DISCARD or not n:
                continue
            log.seek(offset)
            data, at = log.read(n * 512), sector * 512
            if i <= last or flags & FUA:
                os.pwrite(to.fileno(), data, at)
                continue
            while data:
                size = BLOCK - at % BLOCK
                unflushed += 1
                if rng.random() < survives:
                    os.pwrite(to.fileno(), data[:size], at)
                else:
                    lost += 1
                at, data = at + size, data[size:]
    return unflushed, lost


# --- what was acknowledged, and what is there ---


class Acknowledged:
    """Per lane: events are acknowledged in order, so how far says it all."""

    def __init__(self):
        self.upto = [0] * LANES

    def take(self, lines):
        for line in lines:
            if line.startswith("acked "):
                lane, first, end = map(int, line.split()[1:])
                assert first <= self.upto[lane], f"lane {lane} jumped from {self.upto[lane]} to {first}"
                self.upto[lane] = max(self.upto[lane], end)

    def total(self):
        return sum(self.upto)

    def missing(self, lines):
        """How many of them aren't among "have LANE A B"."""
        missing = 0
        for lane, upto in enumerate(self.upto):
            have = sum(max(0, min(int(b), upto) - int(a)) for _, l, a, b in
                       (line.split() for line in lines if line.startswith("have ")) if int(l) == lane)
            missing += upto - have
        return missing


class Power:
    """The whole test and its figures."""

    def __init__(self, args, scratch):
        self.args, self.scratch, self.rng = args, scratch, random.Random(args.seed)
        self.kernel = args.kernel or unpack_kernel()
        self.root = make_root(scratch, args.khien, self.kernel)
        self.disk = os.path.join(scratch, "disk.img")
        with open(self.disk, "wb") as file:
            file.truncate(DISK)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.disk], check=True)
        self.acknowledged = Acknowledged()
        self.boots = self.checks = self.lost = self.bad = self.unflushed = self.dropped = 0
        self.ready = []

    def boot(self):
        words = f"from={','.join(map(str, self.acknowledged.upto))}"
        if self.args.options:
            words += f" options={self.args.options}"
        self.boots += 1
        return Guest(self.scratch, self.kernel, self.root, self.disk, words, self.args.accel)

    def check(self, guest):
        """Waits for the hub, and for its word of what is there."""
        self.ready.append(-guest.wait_for("hub starts") + guest.wait_for("hub ready"))
        guest.wait_for("checked")
        lines = [line for _, line in list(guest.lines)]
        bad = [line for line in lines if line.startswith("bad ")]
        missing = self.acknowledged.missing(lines)
        for line in bad[:5]:
            print("  " + line)
        if missing:
            print(f"  {missing} acknowledged events are missing\n" + guest.said())
        self.checks += 1
        self.bad += len(bad)
        self.lost += missing

    def round(self, cut):
        guest = self.boot()
        try:
            early = cut > 0 and self.rng.random() < 0.25  # in the midst of coming back
            if early:
                guest.wait_for("hub starts")
                time.sleep(self.rng.uniform(0, 0.3))
            else:
                self.check(guest)
                time.sleep(self.rng.uniform(0.2, 10))
        finally:
            lines = guest.cut(self.rng.random() < 0.75)
        warned = [line for line in lines if "level=warning" in line or "level=error" in line]
        self.acknowledged.take(lines)
        unflushed, dropped = after_the_cut(self.disk, guest.log, self.rng)
        self.unflushed += unflushed
        self.dropped += dropped
        print(f"cut {cut + 1} of {self.args.cuts}{' while it started' if early else ''}: {self.acknowledged.total()} acknowledged, "
              f"{dropped} of {unflushed} unflushed blocks lost; so far {self.lost} events lost, {self.bad} bad", flush=True)
        for line in warned:
            print("  " + line)

    def run(self):
        started = time.monotonic()
        for cut in range(self.args.cuts):
            self.round(cut)
        guest = self.boot()
        try:
            self.check(guest)
        finally:
            guest.cut()
        print(f"power: boots {self.boots}, cuts {self.args.cuts}, checks {self.checks}, acknowledged {self.acknowledged.total()}, "
              f"lost {self.lost}, twice or not as sent {self.bad}, unflushed blocks {self.unflushed} of which {self.dropped} were "
              f"left out, hub ready in at most {max(self.ready):.2f} s, {time.monotonic() - started:.0f} s, seed {self.args.seed}")
        return 1 if self.lost or self.bad or not self.acknowledged.total() else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("khien")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--cuts", type=int, default=12)
    parser.add_argument("--kernel", help="another kernel, with virtio and ext4 built in")
    parser.add_argument("--options", help="of the mount; barrier=0 shows that the test would see a loss")
    parser.add_argument("--accel", default="tcg", help="kvm is faster, where it works")
    args = parser.parse_args()
    args.khien = os.path.abspath(args.khien)
    missing = [p for p in ("qemu-system-x86_64", "busybox", "mkfs.ext4", "cc") if not shutil.which(p)]
    if missing:
        skip("not installed: " + " ".join(missing))
    print(f"power: seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="khien-power-") as scratch:
        return Power(args, scratch).run()


if __name__ == "__main__":
    sys.exit(main())
